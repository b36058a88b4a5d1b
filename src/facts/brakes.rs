//! What forbids a set for reasons outside of the account.

use std::time::Duration;

use super::server_clock::ServerClock;
use crate::moment::{Moment, ServerTime};

/// What forbids a set for reasons outside of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Brakes {
    /// `posmoded pause`, of everything or of this account.
    pub paused: Option<Pause>,
    /// The newest content of the file is rejected, missing or still changing: what is wrong with it.
    pub file: Option<String>,
    /// The ledger cannot be written: what is wrong with it, and when it is tried again.
    pub ledger: Option<LedgerTrouble>,
    /// The guard over all sets.
    pub guard: Guard,
}

/// A pause that stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pause {
    /// As the operator wrote it.
    pub reason: String,
    /// How long it was to last, if it ends by itself.
    pub lasts: Option<Duration>,
    /// When it ends by itself, on the exchange's line; `None` also while nobody could say yet.
    pub until: Option<ServerTime>,
}

impl Pause {
    /// Whether it stands by this reading of the exchange's clock; while that is unknown, it does.
    pub fn stands(&self, exchange: Option<ServerClock>, now: Moment) -> bool {
        let passed = |until: ServerTime| exchange.is_some_and(|exchange| exchange.at(now) >= until);
        !self.until.is_some_and(passed)
    }
}

/// Why nothing can be written down, so that nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerTrouble {
    /// One sentence that says what to do.
    pub say: String,
    /// When it is tried again.
    pub retry_at: Moment,
}

/// How many sets may still leave in this hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Sets that may still leave now.
    pub left: u32,
    /// When the oldest counted set is an hour old, if any counts.
    pub frees_at: Option<Moment>,
    /// Whether an approved plan holds exactly this change of this target.
    pub approved: bool,
    /// The hash of the held plan that this target is in, once it is written.
    pub plan: Option<String>,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { left: 1, frees_at: None, approved: false, plan: None }
    }
}
