//! The only source of wall time, monotonic time and random numbers. It also holds the exchange's time as this process
//! learned it, which is used for everything that must not depend on how the host's clock is set.
//!
//! Follows tokio's clock, so that sleeps and readings of the time agree when that is paused (in simulation). Decides
//! nothing.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::facts::{Apart, Jump, ServerClock, Witness, Witnesses};
use crate::moment::{Jitter, Moment, ServerTime, millis};

/// One process's clock; clones share it.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    anchor: i64,
    wall: Wall,
    random: Arc<AtomicU64>,
    exchange: Arc<Mutex<Witnesses>>,
}

#[derive(Debug, Clone)]
enum Wall {
    /// The machine's own, which may step.
    Machine,
    /// Follows the moments, for simulation; holds how many milliseconds it is ahead of them.
    Moments(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock, anchored now.
    pub fn machine() -> Clock {
        let seed = RandomState::new().hash_one("posmoded");
        Clock::anchored(machine_wall(), Wall::Machine, seed)
    }

    /// A clock whose wall time begins at `wall` (ms since 1970) and follows tokio's; `seed` determines its random
    /// numbers.
    pub fn simulated(wall: i64, seed: u64) -> Clock {
        Clock::anchored(wall, Wall::Moments(Arc::default()), seed)
    }

    /// The same clock in a new process, which has no answer from the exchange yet.
    #[must_use]
    pub fn of_a_new_process(&self) -> Clock {
        Clock { exchange: Arc::default(), ..self.clone() }
    }

    /// Sets the wall clock, in simulation only: `ahead_ms` milliseconds ahead of the moments from now on.
    pub fn set_wall_ahead(&self, ahead_ms: i64) {
        match &self.wall {
            Wall::Machine => {}
            Wall::Moments(ahead) => ahead.store(ahead_ms, Ordering::Relaxed),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn anchored(anchor: i64, wall: Wall, seed: u64) -> Clock {
        let random = Arc::new(AtomicU64::new(seed));
        Clock { started: Instant::now(), anchor, wall, random, exchange: Arc::default() }
    }

    /// Now, by the monotonic clock, which never steps.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(&self) -> Moment {
        Moment(self.anchor) + self.started.elapsed()
    }

    /// Now, as the machine's wall clock shows it, in milliseconds since 1970.
    pub fn wall(&self) -> i64 {
        match &self.wall {
            Wall::Machine => machine_wall(),
            Wall::Moments(ahead) => self.now().0.saturating_add(ahead.load(Ordering::Relaxed)),
        }
    }

    /// The exchange's clock, as measured from the answers to this process; `None` before the first.
    pub fn exchange(&self) -> Option<ServerClock> {
        self.readings().known()
    }

    /// The exchange's time now, as far as it is known.
    pub fn exchange_time(&self) -> Option<ServerTime> {
        self.exchange().map(|exchange| exchange.at(self.now()))
    }

    /// Takes this reading of the exchange's clock for true, whatever was known.
    pub fn learn_exchange(&self, reading: ServerClock) {
        self.readings().believe(reading);
    }

    /// Adds a reading of the exchange's clock from the answer to one more call. Returns how it differs where it contradicts
    /// what is known: then that stays until the other kind of witness says the same.
    pub fn hear_exchange(&self, witness: Witness, call: &'static str, reading: ServerClock) -> Option<Apart> {
        self.readings().hear(witness, call, reading)
    }

    /// The jump of the exchange's clock that one kind of witness tells of, and the other has not confirmed or refuted yet.
    pub fn unconfirmed_jump(&self) -> Option<Jump> {
        self.readings().unconfirmed()
    }

    fn readings(&self) -> MutexGuard<'_, Witnesses> {
        // A reading is assigned as a whole, so a panic elsewhere leaves it valid.
        self.exchange.lock()
    }

    /// Converts a moment to wall time (ms since 1970), by what the wall clock shows now.
    pub fn wall_of(&self, moment: Moment) -> i64 {
        self.wall().saturating_add(moment.0.saturating_sub(self.now().0))
    }

    /// The same, as a timestamp.
    pub fn timestamp(&self, moment: Moment) -> Timestamp {
        Timestamp::from_millisecond(self.wall_of(moment)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Converts a wall time (ms since 1970) to a moment, by what the wall clock shows now.
    pub fn moment(&self, wall: i64) -> Moment {
        Moment(self.now().0.saturating_add(wall.saturating_sub(self.wall())))
    }

    /// Waits until `moment`; returns at once if it has passed.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep(moment.since(self.now())).await;
    }

    /// A new random number (`SplitMix64`).
    pub fn jitter(&self) -> Jitter {
        let mut z = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Jitter(u16::try_from((z ^ (z >> 31)) % 1001).unwrap_or(0))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn machine_wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    millis(since)
}
