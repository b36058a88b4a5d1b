//! What to do next, as values: steps, looks, records. Which of several steps goes first is here too.

use crate::facts::{Change, Failure, How, IntentId, List};
use crate::moment::Moment;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the exchange.
    Look(Look),
    /// Look at what the file requires of the host.
    LookAtHost,
    /// Take the permit and write the intent, in one ledger transaction that refuses if a brake stands.
    Note(Change),
    /// Let the noted set leave.
    Send,
    /// The noted set must not leave any more: close its intent unsent.
    Withdraw(Withdrawn),
    /// Write down what has been learned.
    Record(Record),
    /// Nothing to do before a moment.
    Rest(Rest),
}

/// What to ask the exchange for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// Its time.
    Clock,
    /// Whose key it is, and the kind of account.
    Account,
    /// The live mode of the target.
    Mode,
    /// One of the lists that tell whether the target is flat.
    List(List),
}

/// Why a noted set did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withdrawn {
    /// The newest revision wants something else, or nothing, or requires what the host was not looked at for.
    Revision,
    /// The newest content of the file is rejected, missing or still changing.
    File,
    /// No change window is open any more.
    Window,
    /// It was not sent in time: its note or its verdict is too old.
    TooLate,
    /// The daemon stops, or the account has left the file.
    Stopping,
    /// Another account's file holds the same key now.
    SharedKey,
}

/// What has been learned for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Live equals desired without a set of ours: by this way.
    Applied(How),
    /// The set was accepted, and a read shows it.
    Confirmed,
    /// The set was accepted, and no read showed it in time: its outcome is unknown.
    Unconfirmed,
    /// The set was refused for good.
    Refused(Failure),
    /// The fence has passed: this is what became of the set.
    Resolved {
        /// Whether live is what it asked for.
        took_effect: bool,
    },
    /// A set that seemed lost has taken effect after its fence.
    Late(IntentId),
}

/// Where a rest ends unless something new comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// When to decide again.
    pub until: Moment,
    /// What it is that comes then.
    pub ends_with: Deadline,
}

/// What a rest may end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The next look, at an interval or after a failure.
    Look,
    /// The live mode is too old to be called known.
    LiveUnknown,
    /// A success was looked for long enough.
    Unconfirmed,
    /// A pause runs out.
    PauseEnds,
    /// The ledger is tried again.
    LedgerRetry,
    /// One more set may leave within the hour.
    BudgetFrees,
    /// A refused set may be tried again.
    SetRetry,
    /// A set whose target is gone can take effect no more.
    GoneSetOver,
    /// A change window opens or closes.
    WindowEdge,
}

/// Which of several steps goes first: the least one. What is under way comes before what begins, and a rest, by its end, last.
pub fn rank(step: &Step, part_way: bool) -> (u8, Moment) {
    match step {
        Step::Send => (0, Moment(0)),
        Step::Withdraw(_) => (1, Moment(0)),
        Step::Record(_) => (2, Moment(0)),
        Step::Note(_) => (3, Moment(0)),
        Step::LookAtHost => (4, Moment(0)),
        Step::Look(_) if part_way => (4, Moment(0)),
        Step::Look(_) => (5, Moment(0)),
        Step::Rest(Rest { until, ends_with: _ }) => (6, *until),
    }
}
