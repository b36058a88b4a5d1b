//! Targets on disk: what the file last wanted of them, and the applied mode.
//!
//! A released target has no row: what is learned of it afterwards is not recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::spans;
use super::trouble::DatabaseResult;
use super::tx::{Row, Tx, params};
use crate::facts::{Applied, How};
use crate::position_mode::{AccountName, PositionMode, Target};

/// Records, with an event, that live equals desired without a set of ours.
pub(super) fn applied_without_a_set(
    tx: &Tx<'_>,
    now: Now,
    target: &Target,
    applied: Applied,
    before: Option<PositionMode>,
) -> Result<(), StoreError> {
    let mode = applied.mode;
    let (kind, text) = match applied.how {
        How::Adopted => (EventKind::Adopted, format!("The mode is {mode}, as the file wants.")),
        How::External => {
            (EventKind::External, format!("Somebody else changed the mode to {mode}, as the file wants."))
        }
        How::Set => {
            return Err(StoreError::Misused("a mode that was set is recorded with its intent".to_owned()));
        }
    };
    if record(tx, target, applied)? {
        history::add(tx, now, &Event::new(kind, text).of(target).applying(applied, before))?;
    }
    Ok(())
}

/// Records the applied mode; `false` if the target was released meanwhile.
pub(super) fn record(tx: &Tx<'_>, target: &Target, applied: Applied) -> DatabaseResult<bool> {
    let Applied { mode, how, at, generation } = applied;
    let rows = tx.execute(
        "UPDATE targets SET applied_mode = ?3, applied_how = ?4, applied_at = ?5, applied_generation = ?6
         WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope, mode, how, at, generation],
    )?;
    spans::drift_is_over(tx, target)?;
    Ok(rows > 0)
}

/// The accounts with anything on record that lasts.
pub(super) fn accounts(tx: &Tx<'_>) -> DatabaseResult<BTreeSet<AccountName>> {
    tx.query(
        "SELECT account FROM targets UNION SELECT account FROM uids UNION SELECT account FROM kinds
         UNION SELECT account FROM out_of_sync WHERE until IS NULL",
        params![],
        |row| row.get(0),
    )
}

/// The applied mode of every target that has one.
pub(super) fn all_applied(tx: &Tx<'_>) -> DatabaseResult<BTreeMap<Target, Applied>> {
    let found: Vec<(Target, Option<Applied>)> =
        tx.query("SELECT * FROM targets WHERE applied_mode IS NOT NULL", params![], |row| {
            Ok((target(row)?, applied(row)?))
        })?;
    let of = |(target, applied): (Target, Option<Applied>)| Some((target, applied?));
    Ok(found.into_iter().filter_map(of).collect())
}

/// Reads the target of a row.
pub(super) fn target(row: &Row<'_>) -> DatabaseResult<Target> {
    Ok(Target { account: row.get("account")?, scope: row.get("scope")? })
}

pub(super) fn applied(row: &Row<'_>) -> DatabaseResult<Option<Applied>> {
    let Some(mode) = row.get("applied_mode")? else {
        return Ok(None);
    };
    let (how, at, generation) =
        (row.get("applied_how")?, row.get("applied_at")?, row.get("applied_generation")?);
    Ok(Some(Applied { mode, how, at, generation }))
}
