//! The names of a target's states, and of the reasons why it is not in sync.

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

/// Why a target is not in sync. The first reason that applies is shown: those that need a human come before those that
/// pass by themselves.
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
    /// The ledger cannot be written, so nothing is sent.
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

/// What ends a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndsBy {
    /// It passes by itself, as soon as something else has happened.
    Itself,
    /// It passes with time alone.
    Time,
    /// A human has to act.
    Human,
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

    /// Whether it is a stage of a change under way rather than an obstacle.
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
