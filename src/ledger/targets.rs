//! Targets on disk: what the file last wanted of them, the applied mode, and whose account it is.
//!
//! A target that was released has no row: whatever is learned of it afterwards is not kept.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::Trouble;
use super::history::{self, Event, EventKind};
use super::store::Now;
use super::{Pinned, Remembered, intents};
use crate::facts::{Applied, Generation, How, IntentState};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, Kind, PositionMode, Scope, Target, Uid};

/// Writes down what the file wants of the target, and tells what is known of it.
pub(super) fn take_up(
    tx: &Connection,
    target: &Target,
    desired: Option<PositionMode>,
    generation: Generation,
) -> Result<Remembered, Trouble> {
    tx.execute(
        "INSERT INTO targets (account, scope, desired, changed_in) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET desired = ?3, changed_in = ?4 WHERE desired IS NOT ?3",
        params![target.account, target.scope, desired, generation],
    )?;
    let (changed_in, applied) = tx.query_row(
        "SELECT * FROM targets WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope],
        |row| Ok((row.get("changed_in")?, applied(row)?)),
    )?;
    let intent = intents::unresolved(tx, target)?.map(|kept| kept.told(IntentState::Unclear));
    let corrections = intents::corrections(tx, target, changed_in)?;
    let may_come_late = intents::may_come_late(tx, target)?;
    Ok(Remembered { applied, intent, corrections, may_come_late })
}

/// Live equals desired without a set of ours: writes that down, with its event.
pub(super) fn applied_without_a_set(
    tx: &Connection,
    now: Now,
    target: &Target,
    applied: Applied,
    before: Option<PositionMode>,
) -> Result<(), Trouble> {
    let mode = applied.mode;
    let (kind, text) = match applied.how {
        How::Adopted => (EventKind::Adopted, format!("The mode is {mode}, as the file wants.")),
        How::External => {
            (EventKind::External, format!("Somebody else changed the mode to {mode}, as the file wants."))
        }
        How::Set => {
            return Err(Trouble::Misused("a mode that was set is recorded with its intent".to_owned()));
        }
    };
    if record(tx, target, applied)? {
        history::add(tx, now, &Event::new(kind, text).of(target).applying(applied, before))?;
    }
    Ok(())
}

/// Writes the applied mode; `false` if the target was released meanwhile.
pub(super) fn record(tx: &Connection, target: &Target, applied: Applied) -> rusqlite::Result<bool> {
    let Applied { mode, how, at, generation } = applied;
    let rows = tx.execute(
        "UPDATE targets SET applied_mode = ?3, applied_how = ?4, applied_at = ?5, applied_generation = ?6
         WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope, mode, how, at, generation],
    )?;
    Ok(rows > 0)
}

/// Forgets the targets of an account that are not kept. With the last of them goes the pinned UID, so that an account
/// may be renamed in the file, or given another key by taking it out and putting it back. Tells when the newest
/// set was signed whose outcome is unknown and whose target is gone: one of this account that is not kept, or one of an account
/// that has none any more, for that may have been its name.
pub(super) fn release(
    tx: &Connection,
    now: Now,
    account: &AccountName,
    keep: Option<&BTreeSet<Scope>>,
) -> Result<Option<ServerTime>, Trouble> {
    let scopes: Vec<Scope> = tx
        .prepare("SELECT scope FROM targets WHERE account = ?1 ORDER BY scope")?
        .query_map(params![account], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_gone = |scope: &Scope| keep.is_none_or(|keep| !keep.contains(scope));
    for scope in scopes.into_iter().filter(is_gone) {
        tx.execute("DELETE FROM targets WHERE account = ?1 AND scope = ?2", params![account, scope])?;
        let target = Target { account: account.clone(), scope };
        let whole = |scope: &Scope| *scope == Scope::Account;
        let text = if keep.is_some_and(|keep| keep.iter().any(whole) != whole(&scope)) {
            "Its account is of another kind now: it is forgotten here, and nothing is sent for it."
        } else {
            "It is in the file no more: it is forgotten here, and nothing is sent for it."
        };
        history::add(tx, now, &Event::new(EventKind::Released, text).of(&target))?;
    }
    if keep.is_none() {
        tx.execute("DELETE FROM uids WHERE account = ?1", params![account])?;
        tx.execute("DELETE FROM kinds WHERE account = ?1", params![account])?;
    }
    let named: BTreeSet<AccountName> = tx
        .prepare("SELECT DISTINCT account FROM targets")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let gone = intents::all_unresolved(tx)?.into_iter().filter(|kept| {
        let Target { account: of, scope } = &kept.target;
        if of == account { is_gone(scope) } else { !named.contains(of) }
    });
    Ok(gone.map(|kept| kept.stamp).max())
}

/// Writes down which kind of account it is, if that is news.
pub(super) fn observed(tx: &Connection, now: Now, account: &AccountName, kind: Kind) -> Result<(), Trouble> {
    let was: Option<Kind> = tx
        .query_row("SELECT kind FROM kinds WHERE account = ?1", params![account], |row| row.get(0))
        .optional()?;
    if was == Some(kind) {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO kinds (account, kind, seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET kind = ?2, seen_at = ?3",
        params![account, kind, now.shown()],
    )?;
    if let Some(was) = was {
        let text = format!("It was a {was} account and is a {kind} one now: its modes are compared anew.");
        history::add(tx, now, &Event::new(EventKind::Converted, text).of_account(account))?;
    }
    Ok(())
}

/// Which kind each account was when last observed.
pub(super) fn kinds(tx: &Connection) -> rusqlite::Result<BTreeMap<AccountName, Kind>> {
    tx.prepare_cached("SELECT account, kind FROM kinds")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The accounts of which something is kept.
pub(super) fn accounts(tx: &Connection) -> rusqlite::Result<BTreeSet<AccountName>> {
    tx.prepare("SELECT account FROM targets UNION SELECT account FROM uids UNION SELECT account FROM kinds")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The applied mode of every target that has one.
pub(super) fn all_applied(tx: &Connection) -> rusqlite::Result<BTreeMap<Target, Applied>> {
    tx.prepare("SELECT * FROM targets WHERE applied_mode IS NOT NULL")?
        .query_map([], |row| Ok((target(row)?, applied(row)?)))?
        .filter_map(|found| match found {
            Ok((target, applied)) => applied.map(|applied| Ok((target, applied))),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// Compares the UID that a key showed with the pinned one; the first look pins. A name that was pinned to an account which
/// an older name has, too, got the wrong key then: it is pinned anew.
pub(super) fn pin(tx: &Connection, now: Now, account: &AccountName, uid: &Uid) -> Result<Pinned, Trouble> {
    let pinned: Option<Uid> = tx
        .query_row("SELECT uid FROM uids WHERE account = ?1", params![account], |row| row.get(0))
        .optional()?;
    match pinned {
        Some(was) if was == *uid => return Ok(Pinned::Same),
        Some(was) if !came_second(tx, account)? => return Ok(Pinned::Changed { was }),
        Some(_) | None => {}
    }
    tx.execute(
        "INSERT INTO uids (account, uid, pinned_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET uid = ?2, pinned_at = ?3",
        params![account, uid, now.shown()],
    )?;
    let text = format!("The key belongs to user id {uid}, and must from now on.");
    history::add(tx, now, &Event::new(EventKind::Pinned, text).of_account(account))?;
    Ok(Pinned::New)
}

/// Whether another name has the account that is pinned for this one.
pub(super) fn is_shared(tx: &Connection, account: &AccountName) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM uids one JOIN uids other ON other.uid = one.uid AND other.account <> one.account
                        WHERE one.account = ?1)",
    )?
    .query_row(params![account], |row| row.get(0))
}

/// Whose account each name has been since its first look.
pub(super) fn pins(tx: &Connection) -> rusqlite::Result<BTreeMap<AccountName, Uid>> {
    tx.prepare("SELECT account, uid FROM uids")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Whether another name had the account that is pinned for this one, and had it before.
fn came_second(tx: &Connection, account: &AccountName) -> rusqlite::Result<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM uids one JOIN uids other ON other.uid = one.uid AND other.account <> one.account
                        WHERE one.account = ?1 AND other.pinned_at <= one.pinned_at)",
        params![account],
        |row| row.get(0),
    )
}

/// The target of a row.
pub(super) fn target(row: &Row<'_>) -> rusqlite::Result<Target> {
    Ok(Target { account: row.get("account")?, scope: row.get("scope")? })
}

fn applied(row: &Row<'_>) -> rusqlite::Result<Option<Applied>> {
    let Some(mode) = row.get("applied_mode")? else {
        return Ok(None);
    };
    let (how, at, generation) =
        (row.get("applied_how")?, row.get("applied_at")?, row.get("applied_generation")?);
    Ok(Some(Applied { mode, how, at, generation }))
}
