//! Registers the targets that the file declares, and releases those that it no longer declares.

use std::collections::BTreeSet;

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::now::Now;
use super::spans::{self, OutOfSync};
use super::tx::{Tx, params};
use super::{history, intents, targets, whose};
use crate::facts::{Applied, Generation, Intent, IntentState, LateSet};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, PositionMode, Scope, Target};

/// What the ledger has on record for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// The mode that was last live as the file wanted it, or that a set of ours made live.
    pub applied: Option<Applied>,
    /// The set whose outcome is unknown, if any.
    pub intent: Option<Intent>,
    /// The signing times of drift corrections, since a revision changed the target or an operator resumed it; oldest
    /// first.
    pub corrections: Vec<ServerTime>,
    /// The newest set that seemed lost; the protocol knows for how long it may still take effect.
    pub may_come_late: Option<LateSet>,
    /// How many of the newest sets in a row had no clear answer and no effect.
    pub lost: u32,
    /// Since when it is not in sync, if it is not.
    pub out_of_sync: OutOfSync,
    /// Whether its state was unknown to whoever looked after it last.
    pub is_unknown: bool,
}

/// Records what the file wants of the target, and returns what is on record for it.
pub(super) fn register_target(
    tx: &Tx<'_>,
    now: Now,
    target: &Target,
    desired: Option<PositionMode>,
    generation: Generation,
) -> Result<TargetRecord, StoreError> {
    tx.execute(
        "INSERT INTO targets (account, scope, desired, changed_in, known_since) VALUES (?1, ?2, ?3, coalesce(
             (SELECT changed_in FROM former_targets WHERE account = ?1 AND scope = ?2 AND desired IS NOT DISTINCT FROM ?3), ?4), ?5)
         ON CONFLICT (account, scope) DO UPDATE SET desired = ?3, changed_in = ?4 WHERE targets.desired IS DISTINCT FROM ?3",
        params![target.account, target.scope, desired, generation, now.shown()],
    )?;
    let (changed_in, applied) = tx.query_row(
        "SELECT * FROM targets WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope],
        |row| Ok((row.get("changed_in")?, targets::applied(row)?)),
    )?;
    whose::keeps(tx, now, &target.account)?;
    let intent =
        intents::unresolved(tx, target)?.map(|intent| intent.in_state(IntentState::of_another_process()));
    let corrections = intents::corrections(tx, target, changed_in)?;
    let may_come_late = intents::may_come_late(tx, target)?;
    let lost = intents::lost(tx, target, changed_in)?;
    let (out_of_sync, is_unknown) = (spans::of(tx, target)?, spans::is_unknown(tx, target)?);
    Ok(TargetRecord { applied, intent, corrections, may_come_late, lost, out_of_sync, is_unknown })
}

/// Deletes the targets of an account that are not in `keep`. With `None` the pinned UID and the kind go too, so that an
/// account may be renamed in the file, or given another key by taking it out and putting it back. Returns the signing
/// time of the newest unresolved set whose target no longer exists: one of this account that is not in `keep`, or one
/// of an account without any target, which may be this account's former name.
pub(super) fn release(
    tx: &Tx<'_>,
    now: Now,
    account: &AccountName,
    keep: Option<&BTreeSet<Scope>>,
) -> Result<Option<ServerTime>, StoreError> {
    let scopes: Vec<Scope> =
        tx.query("SELECT scope FROM targets WHERE account = ?1 ORDER BY scope", params![account], |row| {
            row.get(0)
        })?;
    let is_gone = |scope: &Scope| keep.is_none_or(|keep| !keep.contains(scope));
    for scope in scopes.into_iter().filter(is_gone) {
        let whole = |scope: &Scope| *scope == Scope::Account;
        let is_converted = keep.is_some_and(|keep| keep.iter().any(whole) != whole(&scope));
        tx.execute("DELETE FROM former_targets WHERE account = ?1 AND scope = ?2", params![account, scope])?;
        if is_converted {
            tx.execute(
                "INSERT INTO former_targets (account, scope, desired, changed_in)
                 SELECT account, scope, desired, changed_in FROM targets WHERE account = ?1 AND scope = ?2",
                params![account, scope],
            )?;
        }
        tx.execute("DELETE FROM targets WHERE account = ?1 AND scope = ?2", params![account, scope])?;
        let target = Target { account: account.clone(), scope };
        spans::end(tx, now, &target)?;
        spans::known(tx, &target, now.shown())?;
        let text = if is_converted {
            "Its account is of another kind now: it is forgotten here, and nothing is sent for it."
        } else {
            "It is in the file no more: it is forgotten here, and nothing is sent for it."
        };
        history::add(tx, now, &Event::new(EventKind::Released, text).of(&target))?;
    }
    // One whose kind was never known has a span and no row.
    for scope in spans::out_of_sync(tx, account)?.into_iter().filter(is_gone) {
        spans::end(tx, now, &Target { account: account.clone(), scope })?;
    }
    if keep.is_none() {
        tx.execute("DELETE FROM former_targets WHERE account = ?1", params![account])?;
        tx.execute("DELETE FROM uids WHERE account = ?1", params![account])?;
        tx.execute("DELETE FROM kinds WHERE account = ?1", params![account])?;
        tx.execute("DELETE FROM keepers WHERE account = ?1", params![account])?;
    }
    let unresolved = intents::all_unresolved(tx)?;
    if unresolved.is_empty() {
        return Ok(None);
    }
    let named: BTreeSet<AccountName> =
        tx.query("SELECT DISTINCT account FROM targets", params![], |row| row.get(0))?;
    let gone = unresolved.into_iter().filter(|intent| {
        let Target { account: of, scope } = &intent.target;
        if of == account { is_gone(scope) } else { !named.contains(of) }
    });
    Ok(gone.map(|intent| intent.stamp).max())
}
