//! Since when a target is not as the file wants it, and when it was not before: on disk, so that a restart, a reload or a pause
//! does not begin it anew. Likewise when its state was unknown, and when a daemon ran at all.
//!
//! All by the exchange's time.

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Tx, params};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, Scope, Target};

/// What is on record about a target that is not as the file wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutOfSync {
    /// Since when; `None` if it is in sync.
    pub since: Option<ServerTime>,
    /// Whether the drift that it is in has its event.
    pub drift_noticed: bool,
}

/// What is on record of the target.
pub(super) fn of(tx: &Tx<'_>, target: &Target) -> DatabaseResult<OutOfSync> {
    let since = tx.query_opt(
        "SELECT since FROM out_of_sync WHERE account = ?1 AND scope = ?2 AND until IS NULL",
        params![target.account, target.scope],
        |row| row.get(0),
    )?;
    let drift_noticed = tx
        .query_opt(
            "SELECT drift_noticed FROM targets WHERE account = ?1 AND scope = ?2",
            params![target.account, target.scope],
            |row| row.get(0),
        )?
        .unwrap_or_default();
    Ok(OutOfSync { since, drift_noticed })
}

/// The scopes of an account that are not in sync.
pub(super) fn out_of_sync(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<Vec<Scope>> {
    tx.query("SELECT scope FROM out_of_sync WHERE account = ?1 AND until IS NULL", params![account], |row| {
        row.get(0)
    })
}

/// The target is not in sync since then; one that was not before stays so since its own time.
pub(super) fn begin(tx: &Tx<'_>, target: &Target, since: ServerTime) -> DatabaseResult<()> {
    tx.execute(
        "INSERT INTO out_of_sync (account, scope, since) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, scope) WHERE until IS NULL DO NOTHING",
        params![target.account, target.scope, since],
    )
    .map(drop)
}

/// The target is in sync, or is not looked after any more. A drift that no set of ours has ended went away by itself.
pub(super) fn end(tx: &Tx<'_>, now: Now, target: &Target) -> DatabaseResult<()> {
    tx.execute(
        "UPDATE out_of_sync SET until = CASE WHEN since > ?3 THEN since ELSE ?3 END
         WHERE account = ?1 AND scope = ?2 AND until IS NULL",
        params![target.account, target.scope, now.shown()],
    )
    .map(drop)
}

/// Live is as desired again: the span ends, and with it a drift. An approval of that drift which nothing was done by allows
/// nothing any more: the next one is another.
pub(super) fn in_sync(tx: &Tx<'_>, now: Now, target: &Target) -> Result<(), StoreError> {
    end(tx, now, target)?;
    if drift_is_over(tx, target)? {
        let text = "The drift is over: somebody set the mode back.";
        history::add(tx, now, &Event::new(EventKind::DriftOver, text).of(target))?;
        tx.execute(
            "DELETE FROM plan_entries WHERE account = ?1 AND scope = ?2 AND cause = 'drift' AND plan IN (
                 SELECT id FROM plans WHERE approved_at IS NOT NULL
                 UNION SELECT plan FROM requests WHERE plan IS NOT NULL)",
            params![target.account, target.scope],
        )?;
    }
    Ok(())
}

/// The state of the target is unknown since then, until then if that is over; a span that goes on keeps its own beginning.
pub(super) fn unknown(
    tx: &Tx<'_>,
    target: &Target,
    since: ServerTime,
    until: Option<ServerTime>,
) -> DatabaseResult<()> {
    tx.execute(
        "INSERT INTO unknown (account, scope, since) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, scope) WHERE until IS NULL DO NOTHING",
        params![target.account, target.scope, since],
    )?;
    until.map_or(Ok(()), |ServerTime(until)| known(tx, target, until))
}

/// The state of the target is known since then, or nobody looks after it any more.
pub(super) fn known(tx: &Tx<'_>, target: &Target, since: i64) -> DatabaseResult<()> {
    tx.execute(
        "UPDATE unknown SET until = CASE WHEN since > ?3 THEN since ELSE ?3 END
         WHERE account = ?1 AND scope = ?2 AND until IS NULL",
        params![target.account, target.scope, since],
    )
    .map(drop)
}

/// Whether the state of the target is on record as unknown.
pub(super) fn is_unknown(tx: &Tx<'_>, target: &Target) -> DatabaseResult<bool> {
    let found: Option<i64> = tx.query_opt(
        "SELECT id FROM unknown WHERE account = ?1 AND scope = ?2 AND until IS NULL",
        params![target.account, target.scope],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// The daemon of our host has run since then, and still ran then.
pub(super) fn watched(tx: &Tx<'_>, since: ServerTime, until: ServerTime) -> DatabaseResult<()> {
    tx.execute(
        "INSERT INTO watched (host, since, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (host, since) DO UPDATE SET until = excluded.until",
        params![tx.host(), since, until.max(since)],
    )
    .map(drop)
}

/// Records the event of a drift, and that it has it.
pub(super) fn drift(tx: &Tx<'_>, now: Now, target: &Target, event: &Event) -> Result<(), StoreError> {
    history::add(tx, now, event)?;
    tx.execute(
        "UPDATE targets SET drift_noticed = 1 WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope],
    )?;
    Ok(())
}

/// A drift that begins after this is another one; returns whether there was one.
pub(super) fn drift_is_over(tx: &Tx<'_>, target: &Target) -> DatabaseResult<bool> {
    tx.execute(
        "UPDATE targets SET drift_noticed = 0 WHERE account = ?1 AND scope = ?2 AND drift_noticed = 1",
        params![target.account, target.scope],
    )
    .map(|rows| rows > 0)
}
