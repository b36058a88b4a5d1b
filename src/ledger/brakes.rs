//! What operators wrote against sets, or for them: pauses, resumes, held plans and their approval.
//!
//! Commands write here in another process; the daemon reads, holds plans, and acknowledges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::Trouble;
use super::history::{self, Event, EventKind};
use super::targets;
use super::words::millis;
use crate::clock::Clock;
use crate::constants::{APPROVAL, CHANGES_WINDOW};
use crate::facts::{Pause, ServerClock};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{AccountName, Kind, Target};
use crate::protocol::{Plan, PlanEntry};

/// The brakes as they are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OnDisk {
    /// Pauses that stood when this was read, oldest first; one may have run out since.
    pub pauses: Vec<PauseRow>,
    /// The stamps of the sets that count for `max_changes`, oldest first; more than the last hour of them.
    pub counted: Vec<ServerTime>,
    /// What approved plans allow and was not done yet.
    pub approved: BTreeSet<PlanEntry>,
    /// How many resumes there were: when it grows, corrections are to be read again.
    pub resumed: u64,
    /// The names that share an account with another name, and that other one: no set for either.
    pub shared: BTreeMap<AccountName, AccountName>,
    /// Which kind each account was when last observed.
    pub kinds: BTreeMap<AccountName, Kind>,
}

impl OnDisk {
    /// The pause that forbids sets of an account, by what the clock shows; of several the one that lasts longest.
    pub fn pause_of(&self, account: &AccountName, clock: &Clock) -> Option<Pause> {
        let wall = clock.wall();
        let standing = self.pauses.iter().filter(|pause| {
            pause.account.as_ref().is_none_or(|paused| paused == account)
                && pause.until_wall.is_none_or(|until| until > wall)
        });
        let longest = standing.max_by_key(|pause| pause.until_wall.unwrap_or(i64::MAX))?;
        let until = longest.until_wall.map(|until| clock.moment(until));
        Some(Pause { reason: longest.reason.clone(), until })
    }

    /// How many of `max_changes` sets may still leave at a moment of the exchange's clock, and when one more may.
    pub fn budget(
        &self,
        max_changes: u32,
        exchange: Option<&ServerClock>,
        now: Moment,
    ) -> (u32, Option<Moment>) {
        let Some(exchange) = exchange else { return (max_changes, None) };
        let hour_ago = exchange.at(now) - CHANGES_WINDOW;
        let counted: Vec<ServerTime> =
            self.counted.iter().copied().filter(|stamp| *stamp > hour_ago).collect();
        let left = max_changes.saturating_sub(u32::try_from(counted.len()).unwrap_or(u32::MAX));
        (left, counted.first().map(|oldest| exchange.moment(*oldest + CHANGES_WINDOW)))
    }
}

/// One pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// Of which account; `None`: of everything.
    pub account: Option<AccountName>,
    /// As the operator wrote it.
    pub reason: String,
    /// Wall time in milliseconds since 1970.
    pub since_wall: i64,
    /// Until which wall time, if it ends by itself.
    pub until_wall: Option<i64>,
}

/// Something that a command asked for and the daemon has to acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request(pub(super) i64);

/// Why a plan cannot be approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unapproved {
    Unknown,
    Ambiguous,
    Used,
    Expired,
    Stale,
}

/// Reads the brakes as of `wall`.
pub(super) fn read(tx: &Connection, wall: i64) -> rusqlite::Result<OnDisk> {
    let pauses = standing(tx, wall)?;
    let counted = tx
        .prepare_cached(
            "SELECT stamp FROM counted WHERE stamp > (SELECT max(stamp) FROM counted) - ?1 ORDER BY stamp",
        )?
        .query_map([2 * millis(CHANGES_WINDOW)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let approved = tx
        .prepare_cached("SELECT * FROM unused_entries WHERE approved_at > ?1")?
        .query_map([wall.saturating_sub(millis(APPROVAL))], entry)?
        .collect::<rusqlite::Result<_>>()?;
    let resumed: i64 = tx.query_row("SELECT count(*) FROM resumes", [], |row| row.get(0))?;
    let shared = targets::shared(tx)?;
    let kinds = targets::kinds(tx)?;
    Ok(OnDisk { pauses, counted, approved, resumed: u64::try_from(resumed).unwrap_or(0), shared, kinds })
}

/// Whether the same brakes may read differently later, though nobody writes.
pub(super) fn may_lapse(on_disk: &Arc<OnDisk>) -> bool {
    let OnDisk { pauses, counted: _, approved, resumed: _, shared: _, kinds: _ } = &**on_disk;
    !approved.is_empty() || pauses.iter().any(|pause| pause.until_wall.is_some())
}

/// Writes the held plan, unless it is the newest one and may still be approved.
pub(super) fn hold(tx: &Connection, wall: i64, plan: &Plan) -> Result<(), Trouble> {
    let newest = newest(tx)?;
    let known = match &newest {
        None => plan.0.is_empty(),
        Some((newest, recorded)) => newest == plan && (plan.0.is_empty() || !is_over(*recorded, wall)),
    };
    if known {
        return Ok(());
    }
    let hash = plan.hash();
    tx.execute("INSERT INTO plans (hash, recorded_at) VALUES (?1, ?2)", params![hash, wall])?;
    let id = tx.last_insert_rowid();
    for PlanEntry { account, scope, live, desired, cause } in &plan.0 {
        tx.execute(
            "INSERT INTO plan_entries (plan, account, scope, live, desired, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, account, scope, live, desired, cause],
        )?;
    }
    let count = plan.0.len();
    if count > 0 {
        let changes = if count == 1 { "change waits" } else { "changes wait" };
        let text = format!("{count} {changes} for an approval, plan {hash}.");
        history::add(tx, wall, &Event::new(EventKind::Held, text))?;
    }
    Ok(())
}

/// Pauses everything (no account named), or some accounts.
pub(super) fn pause(
    tx: &Connection,
    wall: i64,
    accounts: &[AccountName],
    reason: &str,
    until: Option<i64>,
) -> Result<Request, Trouble> {
    for account in each(accounts) {
        tx.execute(
            "INSERT INTO pauses (account, reason, since, until) VALUES (?1, ?2, ?3, ?4)",
            params![account, reason, wall, until],
        )?;
        let what = account.map_or("Everything", |_| "The account");
        let event = Event::new(EventKind::Paused, format!("{what} was paused: {reason}"));
        history::add(tx, wall, &of_maybe(event, account))?;
    }
    request(tx, wall, "pause")
}

/// Resumes everything (no account named), or some accounts. `Err` of the inside: only a pause of everything stands; its
/// reason.
pub(super) fn resume(
    tx: &Connection,
    wall: i64,
    accounts: &[AccountName],
) -> Result<Result<Request, String>, Trouble> {
    let standing = standing(tx, wall)?;
    let own = standing.iter().any(|pause| pause.account.as_ref().is_some_and(|one| accounts.contains(one)));
    let of_everything = standing.iter().find(|pause| pause.account.is_none());
    if let Some(pause) = of_everything.filter(|_| !accounts.is_empty() && !own) {
        return Ok(Err(pause.reason.clone()));
    }
    for account in each(accounts) {
        tx.execute(
            "UPDATE pauses SET lifted_at = ?1 WHERE lifted_at IS NULL AND (?2 IS NULL OR account = ?2)",
            params![wall, account],
        )?;
        tx.execute(
            "INSERT INTO resumes (account, after_intent, at)
             VALUES (?1, (SELECT coalesce(max(id), 0) FROM intents), ?2)",
            params![account, wall],
        )?;
        let what = account.map_or("Everything", |_| "The account");
        let event = Event::new(EventKind::Resumed, format!("{what} was resumed."));
        history::add(tx, wall, &of_maybe(event, account))?;
    }
    request(tx, wall, "resume").map(Ok)
}

/// Approves the held plan with this hash, or with the only hash that begins so.
pub(super) fn approve(
    tx: &Connection,
    wall: i64,
    prefix: &str,
) -> Result<Result<Request, Unapproved>, Trouble> {
    let found = match find(tx, prefix)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let (id, hash, recorded_at, approved_at) = found;
    let plan = entries(tx, id)?;
    if approved_at.is_some() {
        return Ok(Err(Unapproved::Used));
    }
    if is_over(recorded_at, wall) {
        return Ok(Err(Unapproved::Expired));
    }
    if newest(tx)?.is_none_or(|(newest, _)| is_stale(&plan, &newest)) {
        return Ok(Err(Unapproved::Stale));
    }
    tx.execute("UPDATE plans SET approved_at = ?1 WHERE id = ?2", params![wall, id])?;
    let text = format!("Plan {hash} was approved ({} changes).", plan.0.len());
    history::add(tx, wall, &Event::new(EventKind::Approved, text))?;
    request(tx, wall, "approve").map(Ok)
}

/// Whether something waits to be acknowledged.
pub(super) fn is_waited_for(tx: &Connection) -> rusqlite::Result<bool> {
    tx.query_row("SELECT EXISTS (SELECT 1 FROM requests WHERE acknowledged_at IS NULL)", [], |row| row.get(0))
}

/// Acknowledges what waits for it, unless a noted set may still be on its way out.
pub(super) fn acknowledge(tx: &Connection, wall: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE requests SET acknowledged_at = ?1
         WHERE acknowledged_at IS NULL AND NOT EXISTS (SELECT 1 FROM intents WHERE state = 'noted')",
        [wall],
    )?;
    Ok(())
}

/// Whether the daemon has acknowledged it.
pub(super) fn is_acknowledged(tx: &Connection, Request(id): Request) -> rusqlite::Result<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM requests WHERE id = ?1 AND acknowledged_at IS NOT NULL)",
        [id],
        |row| row.get(0),
    )
}

/// A plan is stale when a target of it wants something else by now, or when nothing of it is wanted any more. What
/// came to be wanted since simply stays held.
fn is_stale(plan: &Plan, newest: &Plan) -> bool {
    let targets: BTreeSet<Target> = plan.0.iter().map(target).collect();
    let changed = newest.0.iter().any(|entry| targets.contains(&target(entry)) && !plan.0.contains(entry));
    changed || plan.0.is_disjoint(&newest.0)
}

fn target(entry: &PlanEntry) -> Target {
    Target { account: entry.account.clone(), scope: entry.scope }
}

/// The newest plan on record, and when it was recorded.
fn newest(tx: &Connection) -> rusqlite::Result<Option<(Plan, i64)>> {
    let newest: Option<(i64, i64)> = tx
        .query_row("SELECT id, recorded_at FROM plans ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    newest.map(|(id, recorded)| Ok((entries(tx, id)?, recorded))).transpose()
}

type Found = (i64, String, i64, Option<i64>);

/// The newest recording of the one hash that begins with `prefix`.
fn find(tx: &Connection, prefix: &str) -> rusqlite::Result<Result<Found, Unapproved>> {
    if prefix.len() < SHORTEST_PREFIX {
        return Ok(Err(Unapproved::Unknown));
    }
    let found: Vec<Found> = tx
        .prepare(
            "SELECT id, hash, recorded_at, approved_at FROM plans WHERE substr(hash, 1, length(?1)) = ?1
             AND id IN (SELECT max(id) FROM plans GROUP BY hash) ORDER BY id",
        )?
        .query_map([prefix.to_ascii_lowercase()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = found.into_iter();
    Ok(match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Unapproved::Ambiguous),
        (None, _) => Err(Unapproved::Unknown),
    })
}

fn entries(tx: &Connection, plan: i64) -> rusqlite::Result<Plan> {
    let entries = tx
        .prepare_cached("SELECT * FROM plan_entries WHERE plan = ?1")?
        .query_map([plan], entry)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Plan(entries))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<PlanEntry> {
    let Target { account, scope } = targets::target(row)?;
    let (live, desired, cause) = (row.get("live")?, row.get("desired")?, row.get("cause")?);
    Ok(PlanEntry { account, scope, live, desired, cause })
}

fn standing(tx: &Connection, wall: i64) -> rusqlite::Result<Vec<PauseRow>> {
    tx.prepare_cached(
        "SELECT * FROM pauses WHERE lifted_at IS NULL AND (until IS NULL OR until > ?1) ORDER BY id",
    )?
    .query_map([wall], |row| {
        Ok(PauseRow {
            account: row.get("account")?,
            reason: row.get("reason")?,
            since_wall: row.get("since")?,
            until_wall: row.get("until")?,
        })
    })?
    .collect()
}

fn request(tx: &Connection, wall: i64, what: &str) -> Result<Request, Trouble> {
    tx.execute("INSERT INTO requests (what, at) VALUES (?1, ?2)", params![what, wall])?;
    Ok(Request(tx.last_insert_rowid()))
}

fn is_over(recorded_at: i64, wall: i64) -> bool {
    wall.saturating_sub(recorded_at) >= millis(APPROVAL)
}

/// `None` stands for everything.
fn each(accounts: &[AccountName]) -> Vec<Option<&AccountName>> {
    if accounts.is_empty() { vec![None] } else { accounts.iter().map(Some).collect() }
}

fn of_maybe(event: Event, account: Option<&AccountName>) -> Event {
    match account {
        Some(account) => event.of_account(account),
        None => event,
    }
}

/// Fewer digits of a hash than these are a slip of the hand.
const SHORTEST_PREFIX: usize = 6;
