//! The audit trail: one event for each thing that happened, in the same transaction as the thing itself.
//!
//! Only adds, reads, and forgets what is too old.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize, Serializer};

use super::store::Now;
use crate::constants::EVENTS_KEPT;
use crate::facts::{Applied, Cause, Change, Generation, How};
use crate::moment::millis;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// Which events to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Of these accounts; empty: of all, and those of no account.
    pub accounts: Vec<AccountName>,
    /// Not older than this time in milliseconds since 1970.
    pub since_wall: Option<i64>,
    /// At most so many, the newest ones.
    pub limit: usize,
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

/// Adds one; its number and time are given here.
pub(super) fn add(connection: &Connection, now: Now, event: &Event) -> rusqlite::Result<()> {
    let Event { id: _, at: _, account, scope, kind, generation, cause, from, to, how, text } = event;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    connection
        .prepare_cached(
            "INSERT INTO events (at, dated, account, scope, kind, generation, cause, live, desired, how, text)
             VALUES (:at, :dated, :account, :scope, :kind, :generation, :cause, :live, :desired, :how, :text)",
        )?
        .execute(named_params! {
            ":at": now.shown(), ":dated": now.exchange.is_some(), ":account": account, ":scope": scope, ":kind": kind, ":generation": generation,
            ":cause": cause, ":live": from, ":desired": to, ":how": how, ":text": line,
        })?;
    Ok(())
}

/// Reads them, oldest first. An index serves each of the two questions in its order, so that no more rows are read than
/// are told, however many years are kept.
pub(super) fn read(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Vec<Event>> {
    let HistoryFilter { accounts, since_wall, limit } = filter;
    let (since, most) = (since_wall.unwrap_or(i64::MIN), i64::try_from(*limit).unwrap_or(i64::MAX));
    let mut found = Vec::new();
    if accounts.is_empty() {
        let mut query = connection.prepare_cached(NEWEST)?;
        let rows = query.query_map(named_params! { ":since": since, ":limit": most }, event)?;
        found = rows.collect::<Result<_, _>>()?;
    }
    for account in accounts.iter().collect::<BTreeSet<_>>() {
        let mut query = connection.prepare_cached(NEWEST_OF_ONE)?;
        let asked = named_params! { ":account": account, ":since": since, ":limit": most };
        for row in query.query_map(asked, event)? {
            found.push(row?);
        }
    }
    found.sort_unstable_by_key(|event| (event.at, event.id));
    found.drain(..found.len().saturating_sub(*limit));
    found.sort_unstable_by_key(|event| event.id);
    Ok(found)
}

/// Gives the events that were written before the exchange's time was known their date: as long before now as our own clock
/// says, but not before the events that have one. A clock that was set in between shifts them within that span.
pub(super) fn date(connection: &Connection, now: Now) -> rusqlite::Result<()> {
    let Some(exchange) = now.exchange else { return Ok(()) };
    let before: Option<i64> = connection
        .query_row(
            "SELECT at FROM events WHERE dated = 1 AND id < (SELECT min(id) FROM events WHERE dated = 0)
             ORDER BY id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    connection.execute(
        "UPDATE events SET dated = 1, at = min(:exchange, max(at + :ahead, :before)) WHERE dated = 0",
        named_params! {
            ":exchange": exchange, ":ahead": exchange.0.saturating_sub(now.wall),
            ":before": before.unwrap_or(i64::MIN),
        },
    )?;
    Ok(())
}

/// Forgets what is too old by the exchange's time, and by our own: either may be wrong, and what is deleted is gone.
pub(super) fn forget(connection: &Connection, now: Now) -> rusqlite::Result<()> {
    let Some(exchange) = now.exchange else { return Ok(()) };
    let oldest = exchange.0.min(now.wall).saturating_sub(millis(EVENTS_KEPT));
    connection.execute("DELETE FROM events WHERE at < ?1 AND dated = 1", [oldest])?;
    connection.execute("DELETE FROM requests WHERE at < ?1 AND acknowledged_at IS NOT NULL", [oldest])?;
    connection.execute(
        "DELETE FROM plans WHERE recorded_at < ?1 AND id < (SELECT max(id) FROM plans)
         AND id NOT IN (SELECT plan FROM intents WHERE plan IS NOT NULL)",
        [oldest],
    )?;
    Ok(())
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get("id")?,
        at: row.get("at")?,
        account: row.get("account")?,
        scope: row.get("scope")?,
        kind: row.get("kind")?,
        generation: row.get("generation")?,
        cause: row.get("cause")?,
        from: row.get("live")?,
        to: row.get("desired")?,
        how: row.get("how")?,
        text: row.get("text")?,
    })
}

const NEWEST: &str = "SELECT * FROM events WHERE at >= :since ORDER BY at DESC, id DESC LIMIT :limit";
const NEWEST_OF_ONE: &str = "SELECT * FROM events WHERE account = :account AND at >= :since
                             ORDER BY at DESC, id DESC LIMIT :limit";
