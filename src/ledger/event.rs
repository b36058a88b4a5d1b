//! What happens, as the history keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::facts::{Applied, Cause, Change, Generation, How};
use crate::position_mode::{AccountName, PositionMode, Scope, Target};

/// One thing that happened.
/// Serialized as `posmoded history -o json` and `/api/history` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number in the ledger; 0 until it is there.
    pub id: i64,
    /// When, by the exchange's clock, in milliseconds since 1970; by our own while that one has not been heard from. 0 until
    /// it is in the ledger.
    #[serde(serialize_with = "as_timestamp")]
    pub at: i64,
    /// Whose, if it concerns one account.
    pub account: Option<AccountName>,
    /// What of the account, if it concerns one target.
    pub scope: Option<Scope>,
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
    /// The revision that it belongs to, if it does.
    pub generation: Option<Generation>,
    /// Why a set was wanted.
    pub cause: Option<Cause>,
    /// The mode before.
    pub from: Option<PositionMode>,
    /// The mode after, or wanted.
    pub to: Option<PositionMode>,
    /// How an applied mode came to be live.
    pub how: Option<How>,
    /// One plain line.
    pub text: String,
}

/// The second in which it happened.
fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_timestamp<S: Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    timestamp(*at).serialize(serializer)
}

/// What kinds of things happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// The daemon started.
    Started,
    /// The daemon stopped.
    Stopped,
    /// A content of the file was accepted.
    Revision,
    /// A content of the file was rejected, or the file is missing.
    FileRejected,
    /// The file is good again.
    FileGood,
    /// The first look pinned the UID of an account.
    Pinned,
    /// The exchange has made an account another kind of account.
    Converted,
    /// A target left the file, or its account is of another kind now.
    Released,
    /// Live was as desired when first looked at.
    Adopted,
    /// Somebody else changed the mode to what the file wants.
    External,
    /// The exchange was changed behind us.
    Drift,
    /// It was changed back so often that it is not corrected any more.
    Fighting,
    /// A set is about to leave.
    Noted,
    /// It did not leave.
    Withdrawn,
    /// It was refused for good.
    Refused,
    /// It was accepted.
    Accepted,
    /// A read shows it.
    Confirmed,
    /// Nobody knows what became of it.
    Unclear,
    /// It took effect, as a read after the fence shows.
    TookEffect,
    /// It had no effect, as a read after the fence shows.
    NoEffect,
    /// It took effect after its fence.
    Late,
    /// An operator paused everything, or an account.
    Paused,
    /// An operator resumed everything, or an account.
    Resumed,
    /// More changes are wanted than may leave.
    Held,
    /// An operator approved a held plan.
    Approved,
}

impl Event {
    /// The second in which it happened.
    pub fn timestamp(&self) -> Timestamp {
        timestamp(self.at)
    }

    /// Something that concerns no account in particular.
    pub fn new(kind: EventKind, text: impl Into<String>) -> Event {
        Event {
            id: 0,
            at: 0,
            account: None,
            scope: None,
            kind,
            generation: None,
            cause: None,
            from: None,
            to: None,
            how: None,
            text: text.into(),
        }
    }

    /// The same, of an account.
    #[must_use]
    pub fn of_account(self, account: &AccountName) -> Event {
        Event { account: Some(account.clone()), ..self }
    }

    /// The same, of a target.
    #[must_use]
    pub fn of(self, target: &Target) -> Event {
        Event { account: Some(target.account.clone()), scope: Some(target.scope), ..self }
    }

    /// The same, with the revision it belongs to.
    #[must_use]
    pub fn in_revision(self, generation: Generation) -> Event {
        Event { generation: Some(generation), ..self }
    }

    /// The same, with the change it is about.
    #[must_use]
    pub fn about(self, change: Change) -> Event {
        let Change { from, to, cause } = change;
        Event { from: Some(from), to: Some(to), cause: Some(cause), ..self }
    }

    /// The same, with the mode that came to be applied.
    #[must_use]
    pub(super) fn applying(self, applied: Applied, before: Option<PositionMode>) -> Event {
        let Applied { mode, how, at: _, generation } = applied;
        Event { from: before, to: Some(mode), how: Some(how), generation: Some(generation), ..self }
    }
}
