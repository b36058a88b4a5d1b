//! Intents: the one transaction that notes a set, and the transitions of an intent after that.
//!
//! A note that a brake forbids writes nothing. A call on an intent in a stage that the call does not expect is an
//! error.

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::identities;
use super::now::Now;
use super::targets;
use super::trouble::DatabaseResult;
use super::tx::{Row, Tx, params};
use super::whose;
use super::words::Stage;
use crate::constants::{APPROVAL, CHANGES_WINDOW, CONFIRMING, FENCE};
use crate::facts::{
    Applied, Cause, Change, Failure, Generation, Intent, IntentId, IntentState, LateSet, SetAnswer,
};
use crate::moment::{ServerTime, spell};
use crate::position_mode::{PositionMode, Target, Uid};

/// An intent on disk, in any stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IntentRecord {
    pub(super) id: IntentId,
    pub(super) target: Target,
    pub(super) change: Change,
    pub(super) generation: Generation,
    pub(super) stamp: ServerTime,
    pub(super) stage: Stage,
}

impl IntentRecord {
    /// The same intent, for a caller that knows its state.
    pub(super) fn in_state(self, state: IntentState) -> Intent {
        let IntentRecord { id, target: _, change, generation, stamp, stage: _ } = self;
        Intent { id, change, generation, stamp, own_fence: None, state }
    }
}

/// An intent as an audit sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRow {
    /// The target of the set.
    pub target: Target,
    /// The change that the set was to make, and its cause.
    pub change: Change,
    /// The timestamp that the set is signed with.
    pub stamp: ServerTime,
    /// When it was noted: wall time in milliseconds since 1970.
    pub noted_wall: i64,
    /// The stage that it has reached.
    pub stage: Stage,
    /// Whether it was noted under an approved plan.
    pub approved: bool,
    /// The number of that plan.
    pub plan: Option<i64>,
}

/// A request to note a set.
#[derive(Debug, Clone)]
pub(super) struct IntentRequest {
    pub(super) target: Target,
    pub(super) change: Change,
    pub(super) generation: Generation,
    pub(super) stamp: ServerTime,
    pub(super) allowed: Allowance,
}

/// What lets a set be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// A place among so many changes within the hour, or an approval.
    Places(u32),
    /// An approval alone, for the file asks to report such a change only.
    Approval,
}

impl From<u32> for Allowance {
    fn from(max_changes: u32) -> Allowance {
        Allowance::Places(max_changes)
    }
}

/// Writes the intent, unless a newer revision, a pause, an unresolved intent of the target, another name for the same
/// account, or a used up budget forbids it.
pub(super) fn note(tx: &Tx<'_>, now: Now, request: &IntentRequest) -> Result<Option<IntentId>, StoreError> {
    let IntentRequest { target, change, generation, stamp, allowed } = request;
    let shared = identities::is_shared(tx, &target.account)?;
    let outdated = is_outdated(tx, *generation)?;
    let uid = identities::uid(tx, &target.account)?;
    if tx.is_quiet()
        || shared
        || outdated
        || is_paused(tx, *stamp, target)?
        || unresolved(tx, target)?.is_some()
        || is_under_way_elsewhere(tx, uid.as_ref(), target, *stamp)?
    {
        return Ok(None);
    }
    let plan = approval(tx, *stamp, target, *change, *allowed)?;
    let Change { from, to, cause } = change;
    let may_go = match *allowed {
        _ if plan.is_some() => true,
        Allowance::Places(max_changes) => has_a_place(tx, *stamp, target, *to, max_changes)?,
        Allowance::Approval => false,
    };
    if !may_go {
        return Ok(None);
    }
    excludes_no_more(tx, uid.as_ref(), target, *stamp)?;
    let Target { account, scope } = target;
    let id: IntentId = tx.query_row(
        "INSERT INTO intents (account, scope, live, desired, cause, generation, stamp, noted_at, state, plan, host, uid)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) RETURNING id",
        params![account, scope, from, to, cause, generation, stamp, now.wall, Stage::Noted, plan, tx.host(), uid],
        |row| row.get(0),
    )?;
    let under = if plan.is_some() { ", under an approved plan" } else { "" };
    let cause = change.cause;
    let text = format!("A set to {to} is about to leave ({cause}); the mode is {from}{under}.");
    let event = Event::new(EventKind::Noted, text).of(target).in_revision(*generation).about(*change);
    history::add(tx, now, &event)?;
    Ok(Some(id))
}

/// Whether there is a newer revision, which the caller does not know yet.
pub(super) fn is_outdated(tx: &Tx<'_>, generation: Generation) -> DatabaseResult<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM revisions WHERE generation > ?1)",
        params![generation],
        |row| row.get(0),
    )
}

/// Whether a set of the same account under another name is unresolved, and may still take effect.
fn is_under_way_elsewhere(
    tx: &Tx<'_>,
    uid: Option<&Uid>,
    target: &Target,
    stamp: ServerTime,
) -> DatabaseResult<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM intents WHERE state IN ('noted', 'accepted', 'unclear') AND uid = ?1 AND scope = ?2
                        AND stamp > ?3)",
        params![uid, target.scope, stamp - FENCE],
        |row| row.get(0),
    )
}

/// Nobody looks after a name that the account had before, so its set may stay unresolved for ever. After its fence it can take no
/// effect any more, and excludes no other.
fn excludes_no_more(
    tx: &Tx<'_>,
    uid: Option<&Uid>,
    target: &Target,
    stamp: ServerTime,
) -> DatabaseResult<()> {
    tx.execute(
        "UPDATE intents SET uid = NULL WHERE state IN ('noted', 'accepted', 'unclear') AND uid = ?1 AND scope = ?2
           AND stamp <= ?3",
        params![uid, target.scope, stamp - FENCE],
    )
    .map(drop)
}

/// Records that the set was not sent.
pub(super) fn withdraw(tx: &Tx<'_>, now: Now, id: IntentId, why: &str) -> Result<(), StoreError> {
    let Some(intent) = move_on(tx, id, &[Stage::Noted], Stage::Withdrawn)? else { return Ok(()) };
    add_event(tx, now, &intent, EventKind::Withdrawn, format!("The set did not leave: {why}"))
}

/// Records the exchange's answer to the set.
pub(super) fn answered(tx: &Tx<'_>, now: Now, id: IntentId, answer: &SetAnswer) -> Result<(), StoreError> {
    let (stage, kind, text) = match answer {
        SetAnswer::Accepted => {
            (Stage::Accepted, EventKind::Accepted, "The exchange accepted the set.".to_owned())
        }
        SetAnswer::Refused(Failure { class: _, code, say }) => {
            let code = code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
            (Stage::Refused, EventKind::Refused, format!("The exchange refused the set{code}: {say}"))
        }
        SetAnswer::NotSent(Failure { class: _, code: _, say }) => {
            (Stage::Withdrawn, EventKind::Withdrawn, format!("The set did not reach the exchange: {say}"))
        }
        SetAnswer::Unclear(Failure { class: _, code: _, say }) => (
            Stage::Unclear,
            EventKind::Unclear,
            format!("The set left and no usable answer came back: {say}"),
        ),
    };
    let Some(intent) = move_on(tx, id, &[Stage::Noted], stage)? else { return Ok(()) };
    add_event(tx, now, &intent, kind, text)
}

/// Records that the set was accepted but no read showed it in time.
pub(super) fn unconfirmed(tx: &Tx<'_>, now: Now, id: IntentId) -> Result<(), StoreError> {
    let Some(intent) = move_on(tx, id, &[Stage::Noted, Stage::Accepted], Stage::Unclear)? else {
        return Ok(());
    };
    let text = format!("The exchange accepted the set, but no read showed it within {}.", spell(CONFIRMING));
    add_event(tx, now, &intent, EventKind::Unclear, text)
}

/// Records that the set was accepted and a read shows it.
pub(super) fn confirmed(
    tx: &Tx<'_>,
    now: Now,
    id: IntentId,
    applied: Option<Applied>,
) -> Result<(), StoreError> {
    let Some(intent) = move_on(tx, id, &[Stage::Noted, Stage::Accepted], Stage::Confirmed)? else {
        return Ok(());
    };
    record_applied(tx, &intent, applied)?;
    let text = format!("A read shows {}: the set took effect.", intent.change.to);
    add_event(tx, now, &intent, EventKind::Confirmed, text)
}

/// Records the outcome of an unresolved set, as a read after its fence shows it.
pub(super) fn resolved(
    tx: &Tx<'_>,
    now: Now,
    id: IntentId,
    took_effect: bool,
    applied: Option<Applied>,
) -> Result<(), StoreError> {
    let (stage, kind) = if took_effect {
        (Stage::TookEffect, EventKind::TookEffect)
    } else {
        (Stage::NoEffect, EventKind::NoEffect)
    };
    let Some(intent) = move_on(tx, id, &[Stage::Noted, Stage::Accepted, Stage::Unclear], stage)? else {
        return Ok(());
    };
    record_applied(tx, &intent, applied)?;
    let text = if took_effect {
        format!("The set took effect after all: a read shows {}.", intent.change.to)
    } else {
        format!("The set had no effect: a read does not show {}.", intent.change.to)
    };
    add_event(tx, now, &intent, kind, text)
}

/// The same for one that an operator closes; returns its target.
pub(super) fn closed(
    tx: &Tx<'_>,
    now: Now,
    id: IntentId,
    took_effect: bool,
    applied: Option<Applied>,
) -> Result<Target, StoreError> {
    resolved(tx, now, id, took_effect, applied)?;
    Ok(tx.query_row("SELECT * FROM intents WHERE id = ?1", params![id], targets::target)?)
}

/// Records that a set which seemed lost shows in a read after all.
pub(super) fn late(tx: &Tx<'_>, now: Now, id: IntentId, applied: Applied) -> Result<(), StoreError> {
    let Some(intent) = move_on(tx, id, &[Stage::NoEffect], Stage::Late)? else { return Ok(()) };
    tx.execute("UPDATE intents SET late_at = ?1 WHERE id = ?2", params![applied.at, id])?;
    record_applied(tx, &intent, Some(applied))?;
    let mode = intent.change.to;
    let text = format!("A set of ours that seemed lost took effect late: a read shows {mode}.");
    add_event(tx, now, &intent, EventKind::Late, text)
}

/// A note whose commit nobody knows of, so that its set did not leave.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) target: Target,
    pub(super) stamp: ServerTime,
    /// By the clock of this process.
    pub(super) noted_at: i64,
}

/// Withdraws such a note, if it is there after all.
pub(super) fn never_sent(tx: &Tx<'_>, now: Now, unsent: &Unsent) -> Result<(), StoreError> {
    let Unsent { target, stamp, noted_at } = unsent;
    let found = tx.query_opt(
        "SELECT id FROM intents WHERE account = ?1 AND scope = ?2 AND stamp = ?3 AND noted_at = ?4 AND state = 'noted'",
        params![target.account, target.scope, stamp, noted_at],
        |row| row.get(0),
    )?;
    let why = "the ledger's database did not say for certain that it keeps its note.";
    found.map_or(Ok(()), |id| withdraw(tx, now, id, why))
}

/// Marks the sets that an ended process of our host left noted or accepted as unclear: their outcome is unknown.
pub(super) fn orphaned(tx: &Tx<'_>, now: Now) -> Result<(), StoreError> {
    let left: Vec<IntentRecord> = tx.query(
        "SELECT * FROM intents WHERE state IN ('noted', 'accepted') AND host = ?1 ORDER BY id",
        params![tx.host()],
        from_row,
    )?;
    are_orphans(tx, now, left)
}

/// The same for those of every host.
pub(super) fn all_orphaned(tx: &Tx<'_>, now: Now) -> Result<(), StoreError> {
    let left = all_unresolved(tx)?.into_iter().filter(|intent| intent.stage != Stage::Unclear);
    are_orphans(tx, now, left.collect())
}

fn are_orphans(tx: &Tx<'_>, now: Now, left: Vec<IntentRecord>) -> Result<(), StoreError> {
    for intent in left {
        let Some(intent) = move_on(tx, intent.id, &[intent.stage], Stage::Unclear)? else { continue };
        let text = "posmoded ended while the set was under way: nobody knows what became of it.";
        add_event(tx, now, &intent, EventKind::Unclear, text.to_owned())?;
    }
    Ok(())
}

/// The unresolved intent of a target; there is one at most.
pub(super) fn unresolved(tx: &Tx<'_>, target: &Target) -> DatabaseResult<Option<IntentRecord>> {
    tx.query_opt(
        "SELECT * FROM unresolved WHERE account = ?1 AND scope = ?2",
        params![target.account, target.scope],
        from_row,
    )
}

/// Every unresolved intent, oldest first.
pub(super) fn all_unresolved(tx: &Tx<'_>) -> DatabaseResult<Vec<IntentRecord>> {
    tx.query("SELECT * FROM unresolved ORDER BY id", params![], from_row)
}

/// Every intent ever noted, oldest first.
pub(super) fn all(tx: &Tx<'_>) -> DatabaseResult<Vec<IntentRow>> {
    let row = |row: &Row<'_>| {
        let IntentRecord { id: _, target, change, generation: _, stamp, stage } = from_row(row)?;
        let (noted_wall, plan) = (row.get("noted_at")?, row.get::<Option<i64>>("plan")?);
        Ok(IntentRow { target, change, stamp, noted_wall, stage, approved: plan.is_some(), plan })
    };
    tx.query("SELECT * FROM intents ORDER BY id", params![], row)
}

/// The signing times of a target's drift corrections that were seen to take effect, oldest first: only those since the
/// revision that last changed it and since the last `resume` that covers it.
pub(super) fn corrections(
    tx: &Tx<'_>,
    target: &Target,
    changed_in: Generation,
) -> DatabaseResult<Vec<ServerTime>> {
    tx.query(
        "SELECT stamp FROM intents
         WHERE account = ?1 AND scope = ?2 AND cause = 'drift'
           AND state IN ('confirmed', 'took_effect', 'late')
           AND generation >= ?3
           AND id > (SELECT coalesce(max(after_intent), 0) FROM resumes WHERE account IS NULL OR account = ?1)
         ORDER BY id",
        params![target.account, target.scope, changed_in],
        |row| row.get(0),
    )
}

/// The newest set of a target that seemed lost, if no later one took effect.
pub(super) fn may_come_late(tx: &Tx<'_>, target: &Target) -> DatabaseResult<Option<LateSet>> {
    tx.query_opt(
        "SELECT * FROM intents AS lost WHERE account = ?1 AND scope = ?2 AND state = 'no_effect'
           AND NOT EXISTS (SELECT 1 FROM intents AS later WHERE later.account = lost.account
                             AND later.scope = lost.scope AND later.id > lost.id
                             AND later.state IN ('confirmed', 'took_effect'))
         ORDER BY id DESC LIMIT 1",
        params![target.account, target.scope],
        from_row,
    )
    .map(|found| {
        found.map(|intent| {
            let IntentRecord { id, change, stamp, generation, target: _, stage: _ } = intent;
            LateSet { id, mode: change.to, cause: change.cause, stamp, generation }
        })
    })
}

/// How many sets of a target in a row had no clear answer and no effect, up to the newest: since the revision that last
/// changed it, and the last `resume` that covers it.
pub(super) fn lost(tx: &Tx<'_>, target: &Target, changed_in: Generation) -> DatabaseResult<u32> {
    tx.query_row("SELECT count(*) FROM intents WHERE account = ?1 AND scope = ?2 AND state = 'no_effect' AND generation >= ?3
           AND id > (SELECT coalesce(max(after_intent), 0) FROM resumes WHERE account IS NULL OR account = ?1)
           AND id > (SELECT coalesce(max(id), 0) FROM intents WHERE account = ?1 AND scope = ?2
                       AND state IN ('refused', 'confirmed', 'took_effect', 'late'))
           AND stamp > (SELECT coalesce(max(applied_at), 0) FROM targets WHERE account = ?1 AND scope = ?2)", params![target.account, target.scope, changed_in], |row| row.get(0))
}

/// Whether a pause stands at `stamp`, the exchange's time that the set is signed with; one without an end yet stands.
fn is_paused(tx: &Tx<'_>, stamp: ServerTime, target: &Target) -> DatabaseResult<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM pauses WHERE lifted_at IS NULL AND (until IS NULL OR until > ?1)
                        AND (account IS NULL OR account = ?2))",
        params![stamp, target.account],
        |row| row.get(0),
    )
}

/// Whether a set left for a row of `unused_entries` and had no effect.
pub(super) const TRIED: &str =
    "EXISTS (SELECT 1 FROM intents AS i WHERE i.plan = unused_entries.plan AND i.state = 'no_effect'
    AND i.account = unused_entries.account AND i.scope = unused_entries.scope)";

/// The approved plan that contains exactly this change and whose entry for it is not used up yet. Where an approval is needed,
/// drift is set back once, whether or not that had an effect.
fn approval(
    tx: &Tx<'_>,
    stamp: ServerTime,
    target: &Target,
    change: Change,
    allowed: Allowance,
) -> DatabaseResult<Option<i64>> {
    let Change { from, to, cause } = change;
    let may_repeat = allowed != Allowance::Approval || cause != Cause::Drift;
    tx.query_row(
        &format!(
            "SELECT min(plan) FROM unused_entries WHERE approved_at > ?1 AND account = ?2 AND scope = ?3 AND live = ?4
             AND desired = ?5 AND cause = ?6 AND (?7 = 1 OR NOT {TRIED})"
        ),
        params![stamp - APPROVAL, target.account, target.scope, from, to, cause, may_repeat],
        |row| row.get(0),
    )
}

/// Whether fewer than `max_changes` changes count within the hour, or this one does already.
fn has_a_place(
    tx: &Tx<'_>,
    now: ServerTime,
    target: &Target,
    to: PositionMode,
    max_changes: u32,
) -> DatabaseResult<bool> {
    tx.query_row(
        "SELECT count(*) < ?2 OR count(CASE WHEN account = ?3 AND scope = ?4 AND desired = ?5 THEN 1 END) > 0
         FROM (SELECT DISTINCT account, scope, desired FROM counted WHERE at > ?1) AS changed",
        params![now - CHANGES_WINDOW, max_changes, target.account, target.scope, to],
        |row| row.get(0),
    )
}

/// Moves an intent to its next stage. `None` if there is nothing to write: it was done before, the daemon of another host has
/// resolved it, which looks after the account now, or it was lost with the database in which it was noted.
fn move_on(tx: &Tx<'_>, id: IntentId, from: &[Stage], to: Stage) -> Result<Option<IntentRecord>, StoreError> {
    let Some(found) = tx.query_opt("SELECT * FROM intents WHERE id = ?1", params![id], from_row)? else {
        if tx.was_replaced() {
            return Ok(None);
        }
        return Err(StoreError::Misused(format!("there is no intent {}", id.0)));
    };
    if found.stage == to && tx.may_repeat() {
        return Ok(None);
    }
    if !from.contains(&found.stage) {
        if !found.stage.is_unresolved() && whose::has_moved(tx, &found.target.account)? {
            return Ok(None);
        }
        let is = found.stage;
        return Err(StoreError::Misused(format!("intent {} is {is:?} and cannot become {to:?}", id.0)));
    }
    tx.execute("UPDATE intents SET state = ?1 WHERE id = ?2", params![to, id])?;
    Ok(Some(IntentRecord { stage: to, ..found }))
}

fn record_applied(tx: &Tx<'_>, intent: &IntentRecord, applied: Option<Applied>) -> DatabaseResult<()> {
    if let Some(applied) = applied {
        targets::record(tx, &intent.target, applied)?;
    }
    Ok(())
}

fn add_event(
    tx: &Tx<'_>,
    now: Now,
    intent: &IntentRecord,
    kind: EventKind,
    text: String,
) -> Result<(), StoreError> {
    let event = Event::new(kind, text).of(&intent.target).in_revision(intent.generation).about(intent.change);
    Ok(history::add(tx, now, &event)?)
}

fn from_row(row: &Row<'_>) -> DatabaseResult<IntentRecord> {
    Ok(IntentRecord {
        id: row.get("id")?,
        target: targets::target(row)?,
        change: Change { from: row.get("live")?, to: row.get("desired")?, cause: row.get("cause")? },
        generation: row.get("generation")?,
        stamp: row.get("stamp")?,
        stage: row.get("state")?,
    })
}
