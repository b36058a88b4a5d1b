//! The next step as a value (look, record, rest and so on), and which of several steps goes first.

use super::reason::Reason;
use crate::facts::{Change, Failure, How, IntentId, List};
use crate::moment::Moment;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read something from the exchange.
    Look(Look),
    /// Check the file's requirements on the host.
    LookAtHost,
    /// Take the permit and write the intent, in one ledger transaction that refuses while a brake is set.
    Note(Change),
    /// Send the noted set.
    Send,
    /// The noted set must no longer be sent: close its intent unsent.
    Withdraw(Withdrawn),
    /// Write a result to the ledger.
    Record(Record),
    /// Nothing to do until a given moment.
    Rest(Rest),
}

/// What to read from the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// The exchange's time.
    Clock,
    /// The kind of the account.
    Kind,
    /// The account that the key belongs to, and its kind.
    Account,
    /// The live mode of the target.
    Mode,
    /// One of the lists that show whether the target is flat.
    List(List),
    /// Those parts of a list that had rows when it was last read.
    Open(List),
}

/// Why a noted set was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withdrawn {
    /// The newest revision wants another mode, or none.
    Revision,
    /// The newest revision gives the account to another host.
    Elsewhere,
    /// It is forbidden now, for a reason that calls a noted set back.
    Forbidden(Reason),
    /// The newest revision has requirements that were not checked on the host yet.
    Requirement,
    /// It was not sent in time: its note or its verdict is too old.
    TooLate,
    /// The daemon stops, or the account was removed from the file.
    Stopping,
    /// Another account's credential file now holds the same key.
    SharedKey,
    /// The key belongs to another account than this one.
    WrongAccount,
}

impl Withdrawn {
    /// Why, as the history says it.
    pub fn say(self) -> String {
        let say = match self {
            Withdrawn::Revision => "the newest revision wants something else",
            Withdrawn::Elsewhere => "the newest revision gives the account to another host",
            Withdrawn::Forbidden(Reason::Suspended) => "the newest revision suspends it",
            Withdrawn::Forbidden(Reason::Reported) => "the newest revision wants drift to be reported only",
            Withdrawn::Forbidden(Reason::File) => "the newest content of the file is not acceptable",
            Withdrawn::Forbidden(Reason::Window) => "no change window is open any more",
            Withdrawn::Forbidden(reason) => return format!("it is forbidden now: {reason}"),
            Withdrawn::Requirement => "the newest revision requires of the host what was not looked at yet",
            Withdrawn::TooLate => "it could not be sent in time",
            Withdrawn::SharedKey => "another account's file holds the same key now",
            Withdrawn::WrongAccount => "its key belongs to another account",
            Withdrawn::Stopping => "the daemon stops, or the account has left the file",
        };
        say.to_owned()
    }
}

/// A result that goes into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Live equals desired without a set of ours, and how that came about.
    Applied(How),
    /// The set was accepted, and a read shows it.
    Confirmed,
    /// The set was accepted, and no read showed it in time: its outcome is unknown.
    Unconfirmed,
    /// The set was refused for good.
    Refused(Failure),
    /// The set certainly did not reach the exchange.
    NotSent(Failure),
    /// The fence has passed, and a read shows the outcome of the set.
    Resolved {
        /// Whether the live mode is the one that it asked for.
        took_effect: bool,
    },
    /// A set that seemed lost has taken effect after its fence.
    Late(IntentId),
    /// An operator's request to close the intent is refused, with the reason: one or two sentences.
    NotClosed(String),
}

/// When a rest ends unless something new arrives earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// When to decide again.
    pub until: Moment,
    /// What is due then.
    pub ends_with: Deadline,
}

/// What may end a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The next look, at an interval or after a failure.
    Look,
    /// The live mode is too old to be called known.
    LiveUnknown,
    /// The time to confirm an accepted set is over.
    Unconfirmed,
    /// A pause runs out.
    PauseEnds,
    /// The ledger is tried again.
    LedgerRetry,
    /// The hourly budget allows one more set.
    BudgetFrees,
    /// A refused set may be tried again.
    SetRetry,
    /// A set whose target is gone can no longer take effect.
    GoneSetOver,
    /// A change window opens or closes.
    WindowEdge,
    /// What is said to pass by itself has not done so for long.
    LastsTooLong,
}
