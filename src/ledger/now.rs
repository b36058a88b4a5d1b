//! The time of a transaction.

use crate::clock::Clock;
use crate::moment::ServerTime;

/// The time of a transaction, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the machine's own clock, in milliseconds since 1970. It may step, so it ends no
    /// pause and no approval and deletes no event. Cool-downs go by it: a wrong one costs another 429 at most.
    pub(super) wall: i64,
    /// By the exchange's clock; `None` before its first answer to this process, and in commands that never ask it.
    pub(super) exchange: Option<ServerTime>,
}

impl Now {
    pub(super) fn of(clock: &Clock) -> Now {
        Now { wall: clock.wall(), exchange: clock.exchange_time() }
    }

    /// The time to write where it is only shown: the exchange's if known, else the machine's.
    pub(super) fn shown(self) -> i64 {
        self.exchange.map_or(self.wall, |exchange| exchange.0)
    }
}
