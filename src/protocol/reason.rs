//! The names of a target's states, and of the reasons why it is not in sync.

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use crate::facts::Cause;

/// Where a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Live equals desired.
    InSync,
    /// No mode was ever applied, and live differs.
    New,
    /// The file changed and live does not match it yet.
    Pending,
    /// The mode was changed at the exchange, not by us.
    Drifted,
    /// The live mode is unknown, was read too long ago, or may still be changed by a set under way.
    #[default]
    Unknown,
}

/// What keeps a target from being in sync, or hinders its next look. The first reason that applies is shown: first what
/// makes the live mode unknown, then what forbids a set, then what a set waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The account's keeper task failed; it is restarted.
    Crashed,
    /// The exchange returned an unknown code, or did not understand a request.
    Unexpected,
    /// The file assigns the account to another host.
    Elsewhere,
    /// The key belongs to another account than it should, or another account's credential file holds the same key.
    WrongAccount,
    /// Another process on this host changes accounts with the same key.
    KeyTaken,
    /// There is no usable key.
    Credential,
    /// The key lacks a right, or our address is not on its list.
    Denied,
    /// The exchange refuses the request for this account.
    Refused,
    /// An account of this kind cannot have the declared modes.
    Unsatisfiable,
    /// Whether it is a classic or a unified account is not known.
    KindUnknown,
    /// The exchange is converting the account.
    Converting,
    /// The exchange gives no usable answer.
    Unreachable,
    /// The exchange's time is not known well enough.
    Clock,
    /// The ledger cannot be written, so nothing is sent; or its database is not reached for long, so nothing is read either.
    Ledger,
    /// A set was sent and its outcome is unknown.
    OutcomeUnknown,
    /// A set was accepted and no read has confirmed it yet.
    Verifying,
    /// A rate limit, the exchange's or our own, is used up.
    RateLimited,
    /// The file suspends the account.
    Suspended,
    /// An operator paused the account, or all accounts.
    Paused,
    /// The newest content of the file is rejected, missing or still changing.
    File,
    /// More changes are wanted than may leave in an hour.
    Held,
    /// Somebody keeps changing the mode back.
    Fighting,
    /// The file asks for a report, not for a correction.
    Reported,
    /// No change window is open.
    Window,
    /// The host does not meet the file's requirements.
    Requirement,
    /// A position or an order is open.
    NotFlat,
    /// The exchange refused a set as not flat although every list was empty.
    RefusedThoughFlat,
    /// Flat, but not for long enough yet.
    Settling,
    /// A set is being prepared or sent.
    Acting,
}

/// A set of reasons; the first is the one to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reasons(u32);

// One bit for each.
const _: () = assert!(Reason::VARIANTS.len() <= 32);

/// What ends a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Wants {
    /// It passes by itself, as soon as something else has happened.
    Itself,
    /// It passes with time alone.
    Time,
    /// A human has to act.
    Human,
}

/// What is asked of a human, where one has to act; the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Need {
    /// To do something about it now.
    Now,
    /// To decide, by day: the file asks for a report only.
    ToBeDecided,
    /// No more than to end, some day, what somebody stopped on purpose.
    StoppedOnPurpose,
}

/// What goes with a reason; whoever adds one has to give its row.
struct Row {
    wants: Wants,
    is_progress: bool,
    is_mode_alone_watched: bool,
    calls_back: bool,
}

impl Reasons {
    /// The reason to show.
    pub fn first(self) -> Option<Reason> {
        self.iter().next()
    }

    /// All reasons that apply, the one to show first.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::VARIANTS.iter().copied().filter(move |reason| self.holds(*reason))
    }

    /// Whether this one applies.
    pub fn holds(self, reason: Reason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// Whether none applies.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a reason.
    pub fn add(&mut self, reason: Reason) {
        self.0 |= reason.bit();
    }

    /// Adds all of `others`.
    pub fn join(&mut self, others: Reasons) {
        self.0 |= others.0;
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(some: I) -> Reasons {
        let mut all = Reasons::default();
        for reason in some {
            all.add(reason);
        }
        all
    }
}

impl Reason {
    /// As status, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What ends it.
    pub fn wants(self) -> Wants {
        self.row().wants
    }

    /// Whether somebody decided that it should be so: it wants a human to end it, and none now.
    pub fn is_deliberate(self) -> bool {
        self.need() != Need::Now
    }

    /// What is asked of a human where it wants one.
    pub fn need(self) -> Need {
        if matches!(self, Reason::Suspended | Reason::Paused) {
            Need::StoppedOnPurpose
        } else if self == Reason::Reported {
            Need::ToBeDecided
        } else {
            Need::Now
        }
    }

    /// Whether a look that somebody asks for ends its wait, so that one more try is made.
    pub fn ends_with_a_refresh(self) -> bool {
        matches!(self, Reason::Credential | Reason::Denied | Reason::Refused | Reason::RefusedThoughFlat)
    }

    /// Whether it is a stage of a change under way, not an obstacle.
    pub fn is_progress(self) -> bool {
        self.row().is_progress
    }

    /// Whether only the mode is read under it, not the lists: no set follows before a human acts, or for long.
    pub(super) fn is_mode_alone_watched(self) -> bool {
        self.row().is_mode_alone_watched
    }

    /// Whether a noted set that was not sent yet is withdrawn for it.
    pub(super) fn calls_back(self) -> bool {
        self.row().calls_back
    }

    /// The one table of all reasons.
    fn row(self) -> Row {
        let wants =
            |wants| Row { wants, is_progress: false, is_mode_alone_watched: false, calls_back: false };
        let (itself, time, human) = (wants(Wants::Itself), wants(Wants::Time), wants(Wants::Human));
        match self {
            Reason::Crashed
            | Reason::WrongAccount
            | Reason::Credential
            | Reason::Unsatisfiable
            | Reason::Ledger
            | Reason::Held
            | Reason::RefusedThoughFlat => human,
            Reason::File => Row { calls_back: true, ..human },
            Reason::Unexpected
            | Reason::KeyTaken
            | Reason::Denied
            | Reason::Refused
            | Reason::Fighting
            | Reason::Paused => Row { is_mode_alone_watched: true, ..human },
            Reason::Suspended | Reason::Reported => {
                Row { is_mode_alone_watched: true, calls_back: true, ..human }
            }
            Reason::Converting => time,
            Reason::Window => Row { calls_back: true, ..time },
            Reason::RateLimited => Row { is_mode_alone_watched: true, ..time },
            Reason::Settling => Row { is_progress: true, ..time },
            Reason::Elsewhere
            | Reason::KindUnknown
            | Reason::Unreachable
            | Reason::OutcomeUnknown
            | Reason::Requirement
            | Reason::NotFlat => itself,
            Reason::Clock => Row { calls_back: true, ..itself },
            Reason::Verifying | Reason::Acting => Row { is_progress: true, ..itself },
        }
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl Wants {
    /// As status and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Need {
    /// As status and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl State {
    /// Why a set is wanted in it, if one is.
    pub fn cause(self) -> Option<Cause> {
        match self {
            State::New => Some(Cause::New),
            State::Pending => Some(Cause::Pending),
            State::Drifted => Some(Cause::Drift),
            State::InSync | State::Unknown => None,
        }
    }

    /// As status, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
