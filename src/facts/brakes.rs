//! What forbids a set for reasons outside of the account.

use std::time::Duration;

use super::server_clock::ServerClock;
use crate::moment::{Moment, ServerTime};
use crate::position_mode::AccountName;

/// What forbids a set for reasons outside of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Brakes {
    /// `posmoded pause`, of everything or of this account.
    pub paused: Option<Pause>,
    /// The newest content of the file is rejected, missing or still changing: what is wrong with it.
    pub file: Option<String>,
    /// The ledger cannot be written: what is wrong with it, and when it is tried again.
    pub ledger: Option<LedgerTrouble>,
    /// The hourly limit on sets (`max_changes`).
    pub guard: Guard,
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pause {
    /// The account that was paused; `None` for everything.
    pub account: Option<AccountName>,
    /// The reason as the operator wrote it.
    pub reason: String,
    /// Who paused it, as their command wrote it; `None` where a ledger does not tell.
    pub who: Option<String>,
    /// How long it was to last, if it ends by itself.
    pub lasts: Option<Duration>,
    /// When it ends by itself, in the exchange's time; `None` also while that time is not known yet.
    pub until: Option<ServerTime>,
}

impl Pause {
    /// Whether it is still in force by the exchange's clock; while that is unknown, it is.
    pub fn stands(&self, exchange: Option<ServerClock>, now: Moment) -> bool {
        let passed = |until: ServerTime| exchange.is_some_and(|exchange| exchange.at(now) >= until);
        !self.until.is_some_and(passed)
    }

    /// In the order in which pauses end, in milliseconds of the exchange's time; one that ends by itself ends before one that does not.
    pub fn end(&self) -> i64 {
        match (self.until, self.lasts) {
            (Some(until), _) => until.0,
            (None, Some(_)) => i64::MAX - 1,
            (None, None) => i64::MAX,
        }
    }
}

/// Why the ledger cannot be written, so that nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerTrouble {
    /// One sentence that says what to do.
    pub say: String,
    /// When writing is tried again.
    pub retry_at: Moment,
}

/// How many targets may still be changed in this hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Targets that may still be changed now.
    pub left: u32,
    /// When the first place is free again, if any is taken.
    pub frees_at: Option<Moment>,
    /// Whether this target has a place already, by a set to the same mode within the hour: another one takes none.
    pub has_place: bool,
    /// Whether an approved plan holds exactly this change of this target.
    pub approved: bool,
    /// Whether a set left under every such approval and had no effect.
    pub tried: bool,
    /// The held plan that this target is in, once that is in the ledger.
    pub plan: Option<HeldPlan>,
}

/// A held plan, as far as one of its targets has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeldPlan {
    /// The hash to approve it by.
    pub hash: String,
    /// How many changes an approval lets go, this one included.
    pub changes: usize,
}

impl Guard {
    /// Whether it lets a set of this target go.
    pub fn lets_go(&self) -> bool {
        self.left > 0 || self.has_place || self.approved
    }
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { left: 1, frees_at: None, has_place: false, approved: false, tried: false, plan: None }
    }
}
