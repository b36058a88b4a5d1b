//! Events, as the history records them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::facts::{Applied, Cause, Change, Generation, How};
use crate::position_mode::{AccountName, PositionMode, Scope, Target};

/// One event, serialised as `posmoded history -o json` and `/api/history` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the ledger; 0 until it is written.
    pub id: i64,
    /// When it happened, in milliseconds since 1970, by the exchange's clock; by our own until that is known. 0 until
    /// it is written.
    #[serde(serialize_with = "as_timestamp", deserialize_with = "of_timestamp")]
    pub at: i64,
    /// The account, if it concerns one.
    pub account: Option<AccountName>,
    /// The scope, if it concerns one target.
    pub scope: Option<Scope>,
    /// The kind of event.
    #[serde(rename = "event")]
    pub kind: EventKind,
    /// The revision that it belongs to, if any.
    pub generation: Option<Generation>,
    /// Why a set was wanted, if it concerns one.
    pub cause: Option<Cause>,
    /// The mode before.
    pub from: Option<PositionMode>,
    /// The mode after it, or the wanted one.
    pub to: Option<PositionMode>,
    /// How an applied mode came to be live.
    pub how: Option<How>,
    /// What happened, in one line of plain text.
    pub text: String,
    /// Who asked for it: user, terminal or unit, and host. `None` where nobody did.
    #[serde(default)]
    pub who: Option<String>,
    /// The host whose daemon recorded it, where daemons of several hosts may work with the ledger.
    #[serde(default)]
    pub host: Option<String>,
}

/// Converts `at` (ms since 1970) to a timestamp, truncated to the second.
fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_timestamp<S: Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    timestamp(*at).serialize(serializer)
}

fn of_timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(Timestamp::deserialize(deserializer)?.as_millisecond())
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// The daemon started.
    Started,
    /// The daemon stopped.
    Stopped,
    /// New content of the file was accepted.
    Revision,
    /// New content of the file was rejected, or the file is missing.
    FileRejected,
    /// The file is good again.
    FileGood,
    /// The first look pinned the UID of an account.
    Pinned,
    /// The exchange turned an account into one of another kind.
    Converted,
    /// A target left the file, or its account is of another kind now.
    Released,
    /// Live was as desired when first looked at.
    Adopted,
    /// Somebody else changed the mode to what the file wants.
    External,
    /// The mode was changed at the exchange, not by us.
    Drift,
    /// A drift ended without a set of ours.
    DriftOver,
    /// The mode was changed back so often that it is not corrected any more.
    Fighting,
    /// A set is about to be sent.
    Noted,
    /// The set was not sent.
    Withdrawn,
    /// The set was refused for good.
    Refused,
    /// The set was accepted.
    Accepted,
    /// A read shows the mode that the set asked for.
    Confirmed,
    /// The outcome of the set is unknown.
    Unclear,
    /// The set took effect, as a read after the fence shows.
    TookEffect,
    /// The set had no effect, as a read after the fence shows.
    NoEffect,
    /// The set took effect after its fence.
    Late,
    /// A look was asked for, which has ended the wait before another try.
    Refreshed,
    /// An operator paused everything, or an account.
    Paused,
    /// An operator resumed everything, or an account.
    Resumed,
    /// A pause that was to last for some time has ended with it.
    PauseOver,
    /// The ledger's database is another one than it was: promoted, restored or set back.
    LedgerReplaced,
    /// More changes are wanted than may be sent.
    Held,
    /// An operator approved a held plan.
    Approved,
    /// An operator closed a set with an unknown outcome that could not end by itself.
    Closed,
}

impl Event {
    /// The second in which it happened.
    pub fn timestamp(&self) -> Timestamp {
        timestamp(self.at)
    }

    /// An event that concerns no account in particular.
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
            who: None,
            host: None,
        }
    }

    /// The same, asked for by somebody.
    #[must_use]
    pub fn by(self, who: Option<&str>) -> Event {
        Event { who: who.map(str::to_owned), ..self }
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
