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
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::constants::SUSPEND_NOTICED;
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
    suspended: Arc<Suspended>,
}

/// For how long the machine has been suspended since the clock was anchored. The clock of the timers stands still then.
#[derive(Debug)]
struct Suspended {
    /// By how much the clock that counts suspends was ahead of the one that does not when this one was anchored, in
    /// milliseconds; `None` in simulation.
    before: Option<i64>,
    /// By how much more since then; only grows.
    since: AtomicI64,
    /// When the end of the last suspend was noticed, as a moment.
    woken: AtomicI64,
    /// Ends every wait that began before it was noticed.
    waking: Notify,
    /// Until when the process is stopped, in simulation only: no wait ends before.
    stopped: AtomicI64,
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
        let ahead = (0..3).map(|_| ahead_by_suspends()).max();
        Clock::anchored(machine_wall(), Wall::Machine, seed, ahead)
    }

    /// A clock whose wall time begins at `wall` (ms since 1970) and follows tokio's; `seed` determines its random
    /// numbers.
    pub fn simulated(wall: i64, seed: u64) -> Clock {
        Clock::anchored(wall, Wall::Moments(Arc::default()), seed, None)
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

    /// Suspends the machine for so long, in simulation only.
    pub fn suspend(&self, span: Duration) {
        if self.suspended.before.is_none() {
            self.suspended.since.fetch_add(millis(span), Ordering::Relaxed);
            self.wake();
        }
    }

    /// Stops the process until then, in simulation only: its time goes on, and no wait of its ends before.
    pub fn stop_until(&self, moment: Moment) {
        self.suspended.stopped.store(moment.0, Ordering::Relaxed);
    }

    /// Until when it is stopped; long past where it is not.
    pub fn stopped_until(&self) -> Moment {
        Moment(self.suspended.stopped.load(Ordering::Relaxed))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn anchored(anchor: i64, wall: Wall, seed: u64, before: Option<i64>) -> Clock {
        let random = Arc::new(AtomicU64::new(seed));
        let (since, woken) = (AtomicI64::new(0), AtomicI64::new(i64::MIN));
        let suspended = Arc::new(Suspended {
            before,
            since,
            woken,
            waking: Notify::new(),
            stopped: AtomicI64::new(i64::MIN),
        });
        Clock { started: Instant::now(), anchor, wall, random, exchange: Arc::default(), suspended }
    }

    /// Now, by a clock that never steps and counts suspends. The first call after a suspend notices it: all waits are ended.
    pub fn now(&self) -> Moment {
        if let Some(before) = self.suspended.before {
            // An underestimate at worst, so that of several readings the greatest is the best.
            let since = ahead_by_suspends().saturating_sub(before);
            let known = self.suspended.since.fetch_max(since, Ordering::Relaxed);
            if since.saturating_sub(known) >= millis(SUSPEND_NOTICED) {
                self.wake();
            }
        }
        self.reading()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn reading(&self) -> Moment {
        let since = self.suspended.since.load(Ordering::Relaxed);
        let awake = Moment(self.anchor) + self.started.elapsed();
        Moment(awake.0.saturating_add(since))
    }

    fn wake(&self) {
        self.suspended.woken.store(self.reading().0, Ordering::Relaxed);
        self.suspended.waking.notify_waiters();
    }

    /// When the end of the last suspend was noticed: what was seen before then was seen before an unknown time. Before the
    /// first, a moment before all others.
    pub fn woken(&self) -> Moment {
        Moment(self.suspended.woken.load(Ordering::Relaxed))
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

    /// The same if both kinds of witnesses say it.
    pub fn agreed_exchange_time(&self) -> Option<ServerTime> {
        let now = self.now();
        self.readings()
            .agreed()
            .filter(|exchange| exchange.is_known_well(now))
            .map(|exchange| exchange.at(now))
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

    /// Waits until `moment`; returns at once if it has passed. The timers stand still in a suspend, so the rest of the wait is
    /// computed anew after one.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn sleep_until(&self, moment: Moment) {
        loop {
            let waking = self.suspended.waking.notified();
            tokio::pin!(waking);
            waking.as_mut().enable();
            let left = moment.max(self.stopped_until()).since(self.now());
            tokio::select! {
                biased;
                () = tokio::time::sleep(left) => {
                    if self.stopped_until() <= self.now() {
                        return;
                    }
                }
                () = waking => {}
            }
        }
    }

    /// A new random number (`SplitMix64`).
    pub fn jitter(&self) -> Jitter {
        let mut z = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Jitter(u16::try_from((z ^ (z >> 31)) % 1001).unwrap_or(0))
    }
}

/// By how much the clock that counts suspends is ahead of the one that does not, in milliseconds. It is read first, so that
/// whatever comes in between makes it less and never more.
fn ahead_by_suspends() -> i64 {
    let [counting, still] = [ClockId::Boottime, ClockId::Monotonic].map(clock_gettime);
    let nanos = (counting.tv_sec - still.tv_sec) * 1_000_000_000 + (counting.tv_nsec - still.tv_nsec);
    nanos.div_euclid(1_000_000)
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn machine_wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    millis(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn f73_a_wait_ends_at_its_moment_though_the_timers_stand_still_in_a_suspend() {
        let clock = Clock::simulated(0, 1);
        let began = Instant::now();
        let sleep = clock.sleep_until(clock.now() + HOUR + Duration::from_secs(5));
        let suspend = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.suspend(HOUR);
        };
        tokio::join!(sleep, suspend);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert_eq!((clock.now(), clock.woken()), (Moment(3_605_000), Moment(3_601_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_a_process_goes_on_while_it_is_stopped() {
        let clock = Clock::simulated(0, 1);
        let ends = |second: u64| {
            let clock = clock.clone();
            async move {
                clock.sleep_until(Moment(0) + Duration::from_secs(second)).await;
                clock.now()
            }
        };
        let stop = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            clock.stop_until(Moment(60_000));
            clock.sleep_until(clock.now()).await;
            clock.now()
        };
        let moments = tokio::join!(ends(1), ends(5), stop, ends(61));
        assert_eq!(moments, (Moment(1_000), Moment(60_000), Moment(60_000), Moment(61_000)));
    }

    #[test]
    fn the_machines_own_clock_never_goes_back_and_notices_no_suspend_without_one() {
        let clock = Clock::machine();
        let mut last = clock.now();
        for _ in 0..100_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        assert_eq!(clock.woken(), Moment(i64::MIN));
        assert!(clock.suspended.since.load(Ordering::Relaxed) < 1000);
    }
}
