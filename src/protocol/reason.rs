//! The words for where a target stands and for what stands between it and "in sync".

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// Where a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Live equals desired.
    InSync,
    /// First contact, and live differs.
    New,
    /// The file changed and live did not follow yet.
    Pending,
    /// The exchange was changed behind us.
    Drifted,
    /// The live mode is not known, was not heard of for too long, or a set under way may yet change it.
    #[default]
    Unknown,
}

/// What stands between a target and "in sync". The first of these that applies is the one to show: what needs a human
/// comes before what passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The task that looks after the account failed; it is started again.
    Crashed,
    /// An answer that nobody foresaw.
    Unexpected,
    /// The file gives the account to another host.
    Elsewhere,
    /// The key belongs to another account than it should.
    WrongAccount,
    /// There is no usable key.
    Credential,
    /// A right is missing, or our address is not on the key's list.
    Denied,
    /// The exchange refuses this for this account.
    Refused,
    /// An account of this kind cannot have what the file says.
    Unsatisfiable,
    /// Whether it is a classic or a unified account is not known.
    KindUnknown,
    /// The exchange is converting the account.
    Converting,
    /// The exchange does not answer, or not well.
    Unreachable,
    /// The exchange's time is not known well enough.
    Clock,
    /// Nothing can be written down, so nothing is sent.
    Ledger,
    /// A set was sent and nobody knows yet what became of it.
    OutcomeUnknown,
    /// A set was accepted and is being looked for in reads.
    Verifying,
    /// A limit is used up.
    RateLimited,
    /// The file suspends it.
    Suspended,
    /// An operator paused it.
    Paused,
    /// The newest content of the file is not acceptable.
    File,
    /// More changes are wanted than may leave in an hour.
    Held,
    /// Somebody keeps changing the mode back.
    Fighting,
    /// The file asks for a report, not for a correction.
    Reported,
    /// No change window is open.
    Window,
    /// The host is not as the file requires.
    Requirement,
    /// Something is open.
    NotFlat,
    /// The exchange says that something is open, and no list shows it.
    RefusedThoughFlat,
    /// Flat, but not for long enough yet.
    Settling,
    /// A set is on its way.
    Acting,
}

/// A set of reasons; the first is the one to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reasons(u32);

/// What ends a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndsBy {
    /// It passes by itself, as soon as something else has happened.
    Itself,
    /// It passes with time alone.
    Time,
    /// Somebody has to do something.
    Human,
}

impl Reasons {
    /// The one to show.
    pub fn first(self) -> Option<Reason> {
        self.iter().next()
    }

    /// All of them, the one to show first.
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

    /// One more.
    pub fn add(&mut self, reason: Reason) {
        self.0 |= reason.bit();
    }

    /// All of both.
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
    pub fn ends_by(self) -> EndsBy {
        match self {
            Reason::Crashed
            | Reason::Unexpected
            | Reason::WrongAccount
            | Reason::Credential
            | Reason::Denied
            | Reason::Refused
            | Reason::Unsatisfiable
            | Reason::Ledger
            | Reason::Suspended
            | Reason::Paused
            | Reason::File
            | Reason::Held
            | Reason::Fighting
            | Reason::Reported
            | Reason::RefusedThoughFlat => EndsBy::Human,
            Reason::Converting | Reason::RateLimited | Reason::Window | Reason::Settling => EndsBy::Time,
            Reason::Elsewhere
            | Reason::KindUnknown
            | Reason::Unreachable
            | Reason::Clock
            | Reason::OutcomeUnknown
            | Reason::Verifying
            | Reason::Requirement
            | Reason::NotFlat
            | Reason::Acting => EndsBy::Itself,
        }
    }

    /// Whether it is a stage of a change that is on its way, rather than an obstacle.
    pub fn is_progress(self) -> bool {
        match self {
            Reason::Settling | Reason::Verifying | Reason::Acting => true,
            Reason::Crashed
            | Reason::Unexpected
            | Reason::Elsewhere
            | Reason::WrongAccount
            | Reason::Credential
            | Reason::Denied
            | Reason::Refused
            | Reason::Unsatisfiable
            | Reason::KindUnknown
            | Reason::Converting
            | Reason::Unreachable
            | Reason::Clock
            | Reason::Ledger
            | Reason::OutcomeUnknown
            | Reason::RateLimited
            | Reason::Suspended
            | Reason::Paused
            | Reason::File
            | Reason::Held
            | Reason::Fighting
            | Reason::Reported
            | Reason::Window
            | Reason::Requirement
            | Reason::NotFlat
            | Reason::RefusedThoughFlat => false,
        }
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl State {
    /// As status, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
