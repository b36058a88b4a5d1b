//! The audit trail: one event for each thing that happened, in the same transaction as the thing itself.
//!
//! Only adds, reads, and deletes what is too old.

use std::collections::BTreeSet;

use super::event::Event;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Row, Tx, params};
use crate::constants::{EVENTS_KEPT, WATCHED_KEPT};
use crate::moment::{ServerTime, millis};
use crate::position_mode::AccountName;

/// Which events to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Only events of these accounts; if empty, all events, those of no account included.
    pub accounts: Vec<AccountName>,
    /// Only events from this time (ms since 1970) on.
    pub since_wall: Option<i64>,
    /// Only events from before this time (ms since 1970).
    pub until_wall: Option<i64>,
    /// At most this many, the newest ones.
    pub limit: usize,
}

/// Adds an event and sets its number and time.
pub(super) fn add(tx: &Tx<'_>, now: Now, event: &Event) -> DatabaseResult<()> {
    let Event { id: _, at: _, account, scope, kind, generation, cause, from, to, how, text, who, host: _ } =
        event;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    tx.execute("INSERT INTO events (at, dated, account, scope, kind, generation, cause, live, desired, how, text, who, host)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)", params![
            now.shown(),
            now.exchange.is_some(),
            account,
            scope,
            kind,
            generation,
            cause,
            from,
            to,
            how,
            line,
            who,
            Some(tx.host()).filter(|host| !host.is_empty())
        ])?;
    Ok(())
}

/// Reads events, oldest first. Each of the two queries has an index in its order, so that it reads no more rows than it
/// returns, however many years are stored.
pub(super) fn read(tx: &Tx<'_>, filter: &HistoryFilter) -> DatabaseResult<Vec<Event>> {
    let HistoryFilter { accounts, since_wall, until_wall, limit } = filter;
    let (since, until) = (since_wall.unwrap_or(i64::MIN), until_wall.unwrap_or(i64::MAX));
    let most = i64::try_from(*limit).unwrap_or(i64::MAX);
    let mut found: Vec<Event> = Vec::new();
    if accounts.is_empty() {
        found = tx.query(NEWEST, params![since, until, most], event)?;
    }
    for account in accounts.iter().collect::<BTreeSet<_>>() {
        found.extend(tx.query::<_, Vec<_>>(NEWEST_OF_ONE, params![since, until, most, account], event)?);
    }
    found.sort_unstable_by_key(|event| (event.at, event.id));
    found.drain(..found.len().saturating_sub(*limit));
    found.sort_unstable_by_key(|event| event.id);
    Ok(found)
}

/// The number of the newest event; 0 if there is none.
pub(super) fn last(tx: &Tx<'_>) -> DatabaseResult<i64> {
    tx.query_row("SELECT coalesce(max(id), 0) FROM events", params![], |row| row.get(0))
}

/// The first `most` events with a greater number, in the order of their numbers.
pub(super) fn after(tx: &Tx<'_>, last: i64, most: usize) -> DatabaseResult<Vec<Event>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    tx.query("SELECT * FROM events WHERE id > ?1 ORDER BY id LIMIT ?2", params![last, most], event)
}

/// Dates the events that were written before the exchange's time was known: as long before now as our own clock says,
/// but not before older events that have a date. If our clock was set in between, they shift within that span, and never
/// so far back that they would soon be deleted for their age, which nobody knows.
pub(super) fn date(tx: &Tx<'_>, now: Now) -> DatabaseResult<()> {
    let Some(exchange) = now.exchange else { return Ok(()) };
    let before: Option<i64> = tx.query_opt(
        "SELECT at FROM events WHERE dated = 1 AND id < (SELECT min(id) FROM events WHERE dated = 0)
             ORDER BY id DESC LIMIT 1",
        params![],
        |row| row.get(0),
    )?;
    let ahead = exchange.0.saturating_sub(now.wall);
    let oldest = exchange - EVENTS_KEPT / 2;
    let earliest = before.map_or(oldest, |before| oldest.max(ServerTime(before))).min(exchange);
    tx.execute(
        "UPDATE events SET dated = 1,
             at = CASE WHEN at + ?1 > ?3 THEN ?3 WHEN at + ?1 > ?2 THEN at + ?1 ELSE ?2 END
         WHERE dated = 0",
        params![ahead, earliest, exchange],
    )?;
    Ok(())
}

/// Deletes what is too old by the exchange's time and by our own: either may be wrong, and a deletion is final.
pub(super) fn forget(tx: &Tx<'_>, now: Now) -> DatabaseResult<()> {
    let Some(exchange) = now.exchange else { return Ok(()) };
    let oldest = exchange.0.min(now.wall).saturating_sub(millis(EVENTS_KEPT));
    tx.execute("DELETE FROM events WHERE at < ?1 AND dated = 1", params![oldest])?;
    tx.execute("DELETE FROM requests WHERE at < ?1 AND acknowledged_at IS NOT NULL", params![oldest])?;
    tx.execute(
        "DELETE FROM plans WHERE recorded_at < ?1 AND id < (SELECT max(id) FROM plans)
         AND id NOT IN (SELECT plan FROM intents WHERE plan IS NOT NULL)",
        params![oldest],
    )?;
    tx.execute("DELETE FROM out_of_sync WHERE until < ?1", params![oldest])?;
    let oldest = exchange.0.min(now.wall).saturating_sub(millis(WATCHED_KEPT));
    tx.execute("DELETE FROM unknown WHERE until < ?1", params![oldest])?;
    tx.execute("DELETE FROM watched WHERE until < ?1", params![oldest])?;
    Ok(())
}

fn event(row: &Row<'_>) -> DatabaseResult<Event> {
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
        who: row.get("who")?,
        host: row.get("host")?,
    })
}

const NEWEST: &str = "SELECT * FROM events WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3";
const NEWEST_OF_ONE: &str = "SELECT * FROM events WHERE account = ?4 AND at >= ?1 AND at < ?2
                             ORDER BY at DESC, id DESC LIMIT ?3";
