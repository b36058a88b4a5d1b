//! Everything that a state of the search consists of: file, exchange, wire, ledger, the daemon's memory, and the faults
//! that are still to come. Holds no decisions; times are kept relative to a fixed now, so that equal situations at
//! different times are one state.

use std::time::Duration;

use crate::constants::FENCE;
use crate::desired::Account;
use crate::facts::{
    AccountFacts, Applied, Brakes, Change, DriftPolicy, Generation, How, Intent, IntentId, IntentState,
    LateSet, Policy, Requirements, SetAnswer, TargetFacts,
};
use crate::ledger::{Directives, Limits};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{Declared, PositionMode, Scope, Target};
use crate::window::Windows;

/// The moment to which every state is shifted back.
pub(super) const NOW: Moment = Moment(1_000_000_000);
/// How far the exchange's clock is ahead of ours: code that confuses the two is off by this much.
const AHEAD: Duration = Duration::from_secs(7);
/// The time from a request to its answer.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(200);
/// The exchange executes a request whose timestamp is at most this far off.
const EXECUTED_WITHIN: Duration = Duration::from_secs(30);
/// The file's `check_every`: short, so that waiting soon returns to a known state.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(10);

/// One account with its targets, from all points of view: file, exchange, ledger and daemon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// The time by the daemon's clock.
    pub(super) now: Moment,
    /// What the daemon knows of the account.
    pub(super) account: AccountFacts,
    /// One or two targets.
    pub(super) targets: Vec<Side>,
    /// The call whose answer the keeper waits for.
    pub(super) call: Option<Call>,
    /// Whether the newest content of the file is not acceptable.
    pub(super) rejected: bool,
    /// Sets that have left and that the exchange has not handled.
    pub(super) wire: Vec<InFlightSet>,
    /// The faults that may still happen.
    pub(super) left: Faults,
}

/// One target: the file, the exchange, the ledger and the daemon's memory of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Side {
    /// What the newest accepted revision says.
    pub(super) file: PositionMode,
    /// The mode at the exchange.
    pub(super) live: PositionMode,
    /// Whether a position is open.
    pub(super) open: bool,
    /// What survives a kill.
    pub(super) ledger: Row,
    /// The daemon's memory.
    pub(super) facts: TargetFacts,
    /// What the exchange has answered, by its own log.
    pub(super) told: ReadLog,
}

/// What the ledger holds of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Row {
    /// The mode that was last live as the file wanted it, or that a set of ours made live.
    pub(super) applied: Option<Applied>,
    /// The set that is not concluded yet.
    pub(super) intent: Option<Intent>,
    /// Whether the intent's set has left. No daemon knows this after a kill; it is here for the invariants.
    pub(super) left: bool,
    /// When drift was corrected.
    pub(super) corrections: Vec<ServerTime>,
    /// The last set that seemed lost.
    pub(super) may_come_late: Option<LateSet>,
    /// How many of the last sets in a row had no clear answer and no effect.
    pub(super) lost: u32,
}

/// The exchange's log of reads, as far as their answers have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ReadLog {
    /// The mode last answered, and when that answer arrived.
    pub(super) mode: Option<(PositionMode, Moment)>,
    /// A verdict under way: when it began and how many lists were answered empty in order.
    pub(super) part: Option<(Moment, u8)>,
    /// The flat verdicts since a list was last not empty.
    pub(super) flat: Option<FlatRead>,
}

/// An unbroken run of complete flat verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FlatRead {
    /// When the first was complete.
    pub(super) first: Moment,
    /// When the last began.
    pub(super) began: Moment,
    /// When the last was complete.
    pub(super) last: Moment,
}

/// The call whose answer the keeper waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// The mode, as the exchange read it; the answer is on its way.
    Mode { target: usize, asked: Moment, mode: PositionMode, server: ServerTime },
    /// A set; `answer` is `None` until the exchange has handled it.
    Set { target: usize, stamp: ServerTime, answer: Option<SetAnswer> },
}

/// A set on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InFlightSet {
    pub(super) target: usize,
    pub(super) mode: PositionMode,
    /// The timestamp that it is signed with.
    pub(super) stamp: ServerTime,
}

/// How often each fault may still happen, and how many faults in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    /// New revisions.
    pub(super) edits: u8,
    /// New content that is not acceptable.
    pub(super) rejections: u8,
    pub(super) kills: u8,
    /// Requests or answers that get lost.
    pub(super) losses: u8,
    /// A human changes the mode at the exchange.
    pub(super) flips: u8,
    /// A position is opened.
    pub(super) opens: u8,
    /// The daemon stands still.
    pub(super) stalls: u8,
    pub(super) in_all: u8,
}

/// No fault may happen.
pub(super) const NO_FAULTS: Faults =
    Faults { edits: 0, rejections: 0, kills: 0, losses: 0, flips: 0, opens: 0, stalls: 0, in_all: 0 };

impl World {
    /// Nothing has happened yet: the file wants hedge mode everywhere, and the exchange is in one-way mode.
    pub(super) fn new(targets: usize, settle: Duration, left: Faults) -> World {
        let account = Account {
            declared: Declared::Everything(PositionMode::Hedge),
            uid: None,
            host: None,
            demo: false,
            policy: Policy {
                drift: DriftPolicy::Correct,
                check_every: CHECK_EVERY,
                settle,
                suspended: None,
                windows: Windows::default(),
                require: Requirements::default(),
            },
        };
        let wanted = account.wanted(Some(PositionMode::Hedge), Generation(1));
        let side = Side {
            file: PositionMode::Hedge,
            live: PositionMode::OneWay,
            open: false,
            ledger: Row::default(),
            facts: TargetFacts::new(wanted, NOW),
            told: ReadLog::default(),
        };
        World {
            now: NOW,
            account: AccountFacts::default(),
            targets: vec![side; targets],
            call: None,
            rejected: false,
            wire: Vec::new(),
            left,
        }
    }

    /// The reasons outside of the account that forbid sets.
    pub(super) fn brakes(&self) -> Brakes {
        let target = Target { account: "a".parse().expect("an account name"), scope: Scope::Account };
        let limits = Limits { max_changes: 1, exchange: self.account.clock, now: self.now };
        let brakes = Directives::default().brakes(&target, None, &limits);
        Brakes { file: self.rejected.then(String::new), ..brakes }
    }

    /// Whether a set that is on its way may still take effect.
    pub(super) fn may_take_effect(&self, request: &InFlightSet) -> bool {
        request.in_time(server_at(self.now))
    }
}

impl InFlightSet {
    /// Whether the exchange still takes its timestamp.
    pub(super) fn in_time(&self, server: ServerTime) -> bool {
        server.since(self.stamp).max(self.stamp.since(server)) <= EXECUTED_WITHIN
    }
}

/// The exchange's time at a moment of ours.
pub(super) fn server_at(moment: Moment) -> ServerTime {
    ServerTime((moment + AHEAD).0)
}

/// An applied mode. A real ledger holds other values beside the mode; no decision depends on them.
pub(super) fn applied(mode: PositionMode) -> Applied {
    Applied { mode, how: How::Set, at: server_at(NOW), generation: Generation(1) }
}

/// A new intent; its number makes no difference here.
pub(super) fn intent(change: Change, stamp: ServerTime, at: Moment) -> Intent {
    let (own_fence, state) = (Some(at + FENCE + ROUND_TRIP / 2), IntentState::Noted { at });
    Intent { id: IntentId(1), change, generation: Generation(1), stamp, own_fence, state }
}
