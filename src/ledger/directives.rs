//! How operators stop or allow sets: pauses, resumes, held plans and their approval.
//!
//! Commands write here in another process; the daemon reads, holds plans, and acknowledges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::identities::{self, Pins};
use super::intents;
use super::now::Now;
use super::refreshes;
use super::requests::{CommandRequest, request};
use super::targets;
use super::trouble::DatabaseResult;
use super::tx::{Loss, Row, Tx, params};
use crate::constants::{APPROVAL, CHANGES_WINDOW};
use crate::facts::{Applied, Brakes, Change, Generation, Guard, IntentId, Pause, RequestId, ServerClock};
use crate::moment::{Moment, ServerTime, millis, spell};
use crate::position_mode::{AccountName, Kind, PositionMode, Target};
use crate::protocol::{Plan, PlanEntry, is_a_fight};

/// What operators wrote, and what else on record concerns all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// Pauses in force when this was read, oldest first; one may have ended since.
    pub pauses: Vec<PauseRow>,
    /// The changes that count for `max_changes`, oldest first; they reach back further than an hour.
    pub counted: Vec<Counted>,
    /// The changes that approved plans allow and that are not done yet.
    pub approved: BTreeSet<PlanEntry>,
    /// Those of them of which a set left and had no effect.
    pub tried: BTreeSet<PlanEntry>,
    /// The number of resumes so far; when it grows, the corrections must be read again.
    pub resumed: u64,
    /// The UID pinned for each account name since its first look.
    pub pins: Arc<Pins>,
    /// Which kind each account was when last observed.
    pub kinds: Arc<BTreeMap<AccountName, Kind>>,
    /// The intents that operators ask to close, by the requests for that.
    pub closings: BTreeMap<RequestId, IntentId>,
    /// The accounts that operators ask to look at, by the requests for that; none named: all.
    pub refreshes: BTreeMap<RequestId, Vec<AccountName>>,
    /// When the first of the pauses and approvals ends by itself: until then only a write makes another read differ.
    pub lapses_at: Option<ServerTime>,
    /// When the database was found to be another one than it was: it may know nothing of the sets that were noted last.
    pub replaced_at: Option<Moment>,
    /// The other hosts whose daemons work with this ledger now.
    pub others: Arc<BTreeSet<String>>,
    /// Whether any other host has had a daemon with it lately, living or not.
    pub has_others: bool,
}

impl Directives {
    /// Whether more differs from those `before` than what concerns single accounts: their identity, and looks at them, which
    /// the fleet finds at its next turn.
    pub(super) fn concerns_others_than(&self, before: &Directives) -> bool {
        let Directives {
            pauses,
            counted,
            approved,
            tried,
            resumed,
            pins,
            kinds: _,
            closings,
            refreshes: _,
            lapses_at,
            replaced_at,
            others,
            has_others,
        } = self;
        *pauses != before.pauses
            || *others != before.others
            || *has_others != before.has_others
            || *replaced_at != before.replaced_at
            || *counted != before.counted
            || *approved != before.approved
            || *tried != before.tried
            || *resumed != before.resumed
            || *closings != before.closings
            || *lapses_at != before.lapses_at
            || pins.shared() != before.pins.shared()
    }

    /// Whether pauses, resumes or approvals say something else of the account than `before`.
    pub fn differs_for(&self, account: &AccountName, before: &Directives) -> bool {
        let pauses = |of: &Directives| -> Vec<PauseRow> {
            let ours = |row: &&PauseRow| row.account.as_ref().is_none_or(|paused| paused == account);
            of.pauses.iter().filter(ours).cloned().collect()
        };
        let approved = |of: &Directives| of.approved.iter().filter(|entry| entry.account == *account).count();
        let tried = |of: &Directives| of.tried.iter().filter(|entry| entry.account == *account).count();
        self.resumed != before.resumed
            || pauses(self) != pauses(before)
            || (approved(self), tried(self)) != (approved(before), tried(before))
    }

    /// The brakes on a target; `change` is the one it wants, if known.
    pub fn brakes(&self, target: &Target, change: Option<Change>, limits: &Limits) -> Brakes {
        let Limits { max_changes: _, exchange, now } = *limits;
        let guard = self.guard(target, change, limits);
        let entry = change.map(|change| PlanEntry::new(target, change));
        let is_in = |some: &BTreeSet<PlanEntry>| entry.as_ref().is_some_and(|entry| some.contains(entry));
        let (approved, tried) = (is_in(&self.approved), is_in(&self.tried));
        Brakes {
            paused: self.pause_of(&target.account, exchange, now),
            guard: Guard { approved, tried, ..guard },
            ..Brakes::default()
        }
    }

    /// The pause that forbids sets of an account, by the exchange's clock; of several, the one that lasts longest.
    fn pause_of(&self, account: &AccountName, exchange: Option<ServerClock>, now: Moment) -> Option<Pause> {
        let standing = self.pauses.iter().filter(|row| {
            row.account.as_ref().is_none_or(|paused| paused == account) && row.pause.stands(exchange, now)
        });
        standing.max_by_key(|row| row.pause.end()).map(|row| row.pause.clone())
    }

    /// The pauses in force by the exchange's clock, one for each account and one for everything (`None`); of several, the one
    /// that lasts longest.
    pub fn standing(
        &self,
        exchange: Option<ServerClock>,
        now: Moment,
    ) -> BTreeMap<Option<&AccountName>, &PauseRow> {
        let mut standing: Vec<&PauseRow> =
            self.pauses.iter().filter(|row| row.pause.stands(exchange, now)).collect();
        standing.sort_by_key(|row| row.pause.end());
        standing.into_iter().map(|row| (row.account.as_ref(), row)).collect()
    }

    /// How many of `max_changes` targets may still be changed, by the exchange's clock, when one more may, and whether this
    /// change has its place already.
    fn guard(&self, target: &Target, change: Option<Change>, limits: &Limits) -> Guard {
        let Limits { max_changes, exchange, now } = *limits;
        let Some(exchange) = exchange else { return Guard { left: max_changes, ..Guard::default() } };
        let hour_ago = exchange.at(now) - CHANGES_WINDOW;
        let counted: Vec<&Counted> = self.counted.iter().filter(|counted| counted.at > hour_ago).collect();
        let is_this = |counted: &&Counted| {
            counted.target == *target && change.is_some_and(|change| change.to == counted.to)
        };
        Guard {
            left: max_changes.saturating_sub(u32::try_from(counted.len()).unwrap_or(u32::MAX)),
            frees_at: counted.first().map(|oldest| exchange.moment(oldest.at + CHANGES_WINDOW)),
            has_place: counted.iter().any(is_this),
            ..Guard::default()
        }
    }
}

/// A change that counts for `max_changes`: all sets of one target to one mode together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The target.
    pub target: Target,
    /// The mode that was set.
    pub to: PositionMode,
    /// From when the newest of its sets counts.
    pub at: ServerTime,
}

/// The inputs of the budget of changes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The number of changes that may be sent in an hour.
    pub max_changes: u32,
    /// The exchange's clock, as far as it is known.
    pub exchange: Option<ServerClock>,
    /// The present moment.
    pub now: Moment,
}

/// One pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// The paused account; `None`: everything is paused.
    pub account: Option<AccountName>,
    /// Its reason, length and end.
    pub pause: Pause,
    /// When it was written, in milliseconds since 1970; only shown to operators.
    pub since: i64,
}

/// The daemon's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandAnswer {
    /// The request is in force.
    Acknowledged,
    /// The request is refused, with the reason: one sentence.
    Refused(String),
}

/// Why a plan cannot be approved, as far as no clock is needed to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unapproved {
    Unknown,
    Ambiguous,
    Used,
    Stale,
}

/// Why no request to close an intent is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclosable {
    None,
    Gone,
}

/// Whose identities are read anew, for they are as many as the accounts; the others' are as these directives have them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Identities<'a> {
    All,
    Of(&'a AccountName, &'a Directives),
    None(&'a Directives),
}

/// Reads the directives as of `now`, by the exchange's clock.
pub(super) fn read(tx: &Tx<'_>, now: Now, anew: Identities<'_>) -> DatabaseResult<Directives> {
    let pauses = standing(tx, now)?;
    let counted = tx.query(
        "SELECT account, scope, desired, max(at) AS at FROM counted
             WHERE at > (SELECT max(at) FROM counted) - ?1 GROUP BY account, scope, desired
             ORDER BY max(at), account, scope",
        params![2 * millis(CHANGES_WINDOW)],
        |row| Ok(Counted { target: targets::target(row)?, to: row.get("desired")?, at: row.get("at")? }),
    )?;
    let approved: Vec<(PlanEntry, i64, bool)> = tx.query(
        &format!("SELECT *, {} AS tried FROM unused_entries WHERE approved_at > ?1", intents::TRIED),
        params![now.exchange.map_or(i64::MIN, |now| (now - APPROVAL).0)],
        |row| Ok((entry(row)?, row.get("approved_at")?, row.get("tried")?)),
    )?;
    let pauses_end = pauses.iter().filter_map(|row| row.pause.until);
    let approvals_end = approved.iter().map(|(_, at, _)| ServerTime(*at) + APPROVAL);
    let lapses_at = pauses_end.chain(approvals_end).min();
    let is_fresh = |of: &PlanEntry| approved.iter().any(|(entry, _, tried)| entry == of && !tried);
    let all = approved.iter().map(|(entry, ..)| entry);
    let (approved, tried) =
        (all.clone().cloned().collect(), all.filter(|entry| !is_fresh(entry)).cloned().collect());
    let resumed: i64 = tx.query_row("SELECT count(*) FROM resumes", params![], |row| row.get(0))?;
    let (pins, kinds) = match anew {
        Identities::All => (Arc::new(identities::pins(tx)?), Arc::new(identities::kinds(tx)?)),
        Identities::Of(account, Directives { pins, kinds, .. }) => {
            let (mut pins, mut kinds) = (Arc::clone(pins), Arc::clone(kinds));
            let (pin, kind) = (identities::pin_of(tx, account)?, identities::kind_of(tx, account)?);
            if pins.of(account) != pin.as_ref() {
                Arc::make_mut(&mut pins).put(account, pin);
            }
            if kinds.get(account).copied() != kind {
                let kinds = Arc::make_mut(&mut kinds);
                match kind {
                    Some(kind) => kinds.insert(account.clone(), kind),
                    None => kinds.remove(account),
                };
            }
            (pins, kinds)
        }
        Identities::None(known) => (Arc::clone(&known.pins), Arc::clone(&known.kinds)),
    };
    let resumed = u64::try_from(resumed).unwrap_or(0);
    let closings = closings(tx)?.into_iter().map(|closing| (closing.request, closing.intent)).collect();
    let refreshes = refreshes::open(tx)?;
    Ok(Directives {
        pauses,
        counted,
        approved,
        tried,
        resumed,
        pins,
        kinds,
        closings,
        refreshes,
        lapses_at,
        replaced_at: None,
        others: Arc::new(others(tx)?),
        has_others: tx.has_others()?,
    })
}

/// The other hosts whose daemons live.
pub(super) fn others(tx: &Tx<'_>) -> DatabaseResult<BTreeSet<String>> {
    let mut living = tx.living()?;
    living.remove(tx.host());
    Ok(living)
}

/// Records the held plan of our host, unless it is the newest one on record and can still be approved. Before the exchange's time
/// is known nothing is held, because nothing was looked at.
pub(super) fn hold(tx: &Tx<'_>, now: Now, plan: &Plan) -> Result<(), StoreError> {
    let Some(exchange) = now.exchange else { return Ok(()) };
    let newest = newest(tx, tx.host())?;
    let known = match &newest {
        None => plan.0.is_empty(),
        Some((newest, recorded)) => newest == plan && (plan.0.is_empty() || !is_over(*recorded, exchange)),
    };
    if known {
        return Ok(());
    }
    let hash = plan.hash();
    let id: i64 = tx.query_row(
        "INSERT INTO plans (hash, recorded_at, host) VALUES (?1, ?2, ?3) RETURNING id",
        params![hash, exchange, tx.host()],
        |row| row.get(0),
    )?;
    for PlanEntry { account, scope, live, desired, cause } in &plan.0 {
        tx.execute("INSERT INTO plan_entries (plan, account, scope, live, desired, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6)", params![id, account, scope, live, desired, cause])?;
    }
    let count = plan.0.len();
    if count > 0 {
        // What is told of it later may be over.
        let changes = if count == 1 { "change was" } else { "changes were" };
        let text = format!("{count} {changes} held for an approval, plan {hash}.");
        history::add(tx, now, &Event::new(EventKind::Held, text))?;
    }
    Ok(())
}

/// Pauses everything (no account named), or some accounts.
pub(super) fn pause(
    tx: &Tx<'_>,
    now: Now,
    accounts: &[AccountName],
    reason: &str,
    lasts: Option<Duration>,
    who: Option<&str>,
) -> Result<CommandRequest, StoreError> {
    let for_how_long = lasts.map_or_else(String::new, |lasts| format!(" for {}", spell(lasts)));
    let standing = standing(tx, now)?;
    for account in each(accounts) {
        let beside = beside(&standing, account, lasts, now.shown());
        let beside = beside.map_or_else(String::new, |beside| format!(" ({beside})"));
        tx.execute(
            "INSERT INTO pauses (account, reason, since, lasts, who) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![account, reason, now.shown(), lasts.map(millis), who],
        )?;
        let what = account.map_or("Everything", |_| "The account");
        let event =
            Event::new(EventKind::Paused, format!("{what} was paused{for_how_long}{beside}: {reason}"));
        history::add(tx, now, &of_maybe(event, account).by(who))?;
    }
    request(tx, now, "pause", None, who)
}

/// What a new pause that lasts so long comes in place of, or stands beside: the one of the same account that counts so far.
/// `now` is only shown, and only a pause of some time is compared by it.
pub fn beside(
    standing: &[PauseRow],
    account: Option<&AccountName>,
    lasts: Option<Duration>,
    now: i64,
) -> Option<String> {
    let same = standing.iter().filter(|row| row.account.as_ref() == account);
    let goes_on = |row: &&PauseRow| row.pause.until.is_none_or(|until| until.0 > now);
    let PauseRow { pause, .. } = same.filter(goes_on).max_by_key(|row| row.pause.end())?;
    let (until, is_longer) = match (pause.until, pause.lasts) {
        (Some(until), _) => {
            let at = Timestamp::from_second(until.0.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
            (format!("until {at}"), lasts.is_some_and(|lasts| until.0 > now.saturating_add(millis(lasts))))
        }
        (None, Some(its)) => (format!("for {}", spell(its)), lasts.is_some_and(|lasts| its > lasts)),
        (None, None) => ("until it is resumed".to_owned(), lasts.is_some()),
    };
    let how = if is_longer { "beside one that lasts longer" } else { "in place of" };
    Some(format!("{how}: {}, {until}", pause.reason))
}

/// The database is another one than it was. Where a pause may be among what it has lost, everything is paused, as after a
/// restore.
pub(super) fn replaced(tx: &Tx<'_>, now: Now, loss: Loss) -> Result<(), StoreError> {
    match loss {
        Loss::Unacknowledged => {
            let text = "The ledger's database was promoted; nothing that was acknowledged is lost.";
            Ok(history::add(tx, now, &Event::new(EventKind::LedgerReplaced, text))?)
        }
        Loss::Anything => {
            let text = "The ledger's database was promoted, restored or set back, and may have lost what was written last.";
            history::add(tx, now, &Event::new(EventKind::LedgerReplaced, text))?;
            let reason = "the ledger's database may have lost what was written last: see what was paused or approved since, then \
                          posmoded resume";
            pause(tx, now, &[], reason, None, None).map(drop)
        }
    }
}

/// Resumes everything (no account named), or some accounts. The inner `Err` is the reason of a pause of everything,
/// when none of the named accounts has a pause of its own or a fight to end.
pub(super) fn resume(
    tx: &Tx<'_>,
    now: Now,
    accounts: &[AccountName],
    who: Option<&str>,
) -> Result<Result<CommandRequest, String>, StoreError> {
    let standing = standing(tx, now)?;
    let own = standing.iter().any(|row| row.account.as_ref().is_some_and(|one| accounts.contains(one)));
    let of_everything = standing.iter().find(|row| row.account.is_none());
    if let Some(row) = of_everything.filter(|_| !accounts.is_empty() && !own)
        && !is_any_fought_over(tx, accounts)?
    {
        return Ok(Err(row.pause.reason.clone()));
    }
    for account in each(accounts) {
        tx.execute(
            "UPDATE pauses SET lifted_at = ?1 WHERE lifted_at IS NULL AND (CAST(?2 AS TEXT) IS NULL OR account = ?2)",
            params![now.shown(), account],
        )?;
        tx.execute(
            "INSERT INTO resumes (account, after_intent, at)
             VALUES (?1, (SELECT coalesce(max(id), 0) FROM intents), ?2)",
            params![account, now.shown()],
        )?;
        let what = account.map_or("Everything", |_| "The account");
        let event = Event::new(EventKind::Resumed, format!("{what} was resumed."));
        history::add(tx, now, &of_maybe(event, account).by(who))?;
    }
    request(tx, now, "resume", None, who).map(Ok)
}

/// Whether somebody keeps changing a target of these accounts back.
fn is_any_fought_over(tx: &Tx<'_>, accounts: &[AccountName]) -> DatabaseResult<bool> {
    for account in accounts {
        let targets: Vec<(Target, Generation)> =
            tx.query("SELECT * FROM targets WHERE account = ?1", params![account], |row| {
                Ok((targets::target(row)?, row.get("changed_in")?))
            })?;
        for (target, changed_in) in targets {
            if is_a_fight(&intents::corrections(tx, &target, changed_in)?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Requests the approval of the held plan with this hash, or with the only hash that begins so. It counts once the
/// daemon has acknowledged it: only the daemon knows, by the exchange's time, whether the plan is too old.
pub(super) fn approve(
    tx: &Tx<'_>,
    now: Now,
    prefix: &str,
    who: Option<&str>,
) -> Result<Result<CommandRequest, Unapproved>, StoreError> {
    let id = match find(tx, prefix)? {
        Ok(id) => id,
        Err(why) => return Ok(Err(why)),
    };
    let used: bool = tx.query_row("SELECT approved_at IS NOT NULL OR EXISTS (SELECT 1 FROM requests WHERE plan = ?1 AND refused IS NULL)
         FROM plans WHERE id = ?1", params![id],
        |row| row.get(0))?;
    if used {
        return Ok(Err(Unapproved::Used));
    }
    let plan = entries(tx, id)?;
    let host: String = tx.query_row("SELECT host FROM plans WHERE id = ?1", params![id], |row| row.get(0))?;
    if newest(tx, &host)?.is_none_or(|(newest, _)| is_stale(&plan, &newest)) {
        return Ok(Err(Unapproved::Stale));
    }
    request(tx, now, "approve", Some(id), who).map(Ok)
}

/// A request to close an intent. In its row `what` is `close-intent`, the number of the intent and the reason.
struct ClosingRow {
    request: RequestId,
    intent: IntentId,
    reason: String,
}

/// The requests to close an intent that wait for their answer, oldest first.
fn closings(tx: &Tx<'_>) -> DatabaseResult<Vec<ClosingRow>> {
    let rows: Vec<(i64, String)> = tx.query("SELECT id, what FROM requests WHERE acknowledged_at IS NULL AND what LIKE 'close-intent %' ORDER BY id", params![], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let closing = |(request, what): (i64, String)| {
        let mut words = what.splitn(3, ' ').skip(1);
        let (intent, reason) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(ClosingRow { request: RequestId(request), intent: IntentId(intent), reason })
    };
    Ok(rows.into_iter().filter_map(closing).collect())
}

/// Asks to close the unresolved intent of a target. The inner `Err`: there is none, or the file does not name its target.
pub(super) fn close(
    tx: &Tx<'_>,
    now: Now,
    target: &Target,
    reason: &str,
    who: Option<&str>,
) -> Result<Result<CommandRequest, Unclosable>, StoreError> {
    let Some(intent) = intents::unresolved(tx, target)? else { return Ok(Err(Unclosable::None)) };
    let is_known = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM targets WHERE account = ?1 AND scope = ?2)",
        params![target.account, target.scope],
        |row| row.get::<bool>(0),
    )?;
    if !is_known {
        return Ok(Err(Unclosable::Gone));
    }
    request(tx, now, &format!("close-intent {} {reason}", intent.id.0), None, who).map(Ok)
}

/// Records that an operator closed an intent, as a read shows it, and acknowledges the request.
pub(super) fn closed(
    tx: &Tx<'_>,
    now: Now,
    request: RequestId,
    id: IntentId,
    took_effect: bool,
    applied: Option<Applied>,
) -> Result<(), StoreError> {
    let asked = closings(tx)?.into_iter().find(|closing| closing.request == request);
    let Some(ClosingRow { reason, .. }) = asked.filter(|closing| closing.intent == id) else {
        if tx.may_repeat() {
            return Ok(());
        }
        return Err(StoreError::Misused(format!("nobody asks any more to close intent {}", id.0)));
    };
    let target = intents::closed(tx, now, id, took_effect, applied)?;
    let text = format!("An operator closed a set whose outcome was unknown: {reason}");
    let who = who_asked(tx, request)?;
    history::add(tx, now, &Event::new(EventKind::Closed, text).of(&target).by(who.as_deref()))?;
    answered(tx, now, request, None)
}

/// Who made the request, as far as they said.
fn who_asked(tx: &Tx<'_>, RequestId(request): RequestId) -> DatabaseResult<Option<String>> {
    tx.query_row("SELECT who FROM requests WHERE id = ?1", params![request], |row| row.get(0))
}

/// Answers a request that is still open: acknowledged, or refused with a reason.
pub(super) fn answered(
    tx: &Tx<'_>,
    now: Now,
    RequestId(request): RequestId,
    refused: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE requests SET acknowledged_at = ?1, refused = ?2 WHERE id = ?3 AND acknowledged_at IS NULL",
        params![now.shown(), refused, request],
    )?;
    Ok(())
}

/// Whether a request waits for acknowledgement and can get it: an approval needs the exchange's time, and a request to close
/// an intent waits for the exchange, as long as that intent is unresolved; one for a look is reported done by the fleet.
pub(super) fn is_waited_for(tx: &Tx<'_>, now: Now) -> DatabaseResult<bool> {
    let waits = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM requests WHERE acknowledged_at IS NULL AND (plan IS NULL OR ?1 = 1)
                            AND what NOT LIKE 'close-intent %' AND what NOT LIKE 'look%')",
        params![now.exchange.is_some()],
        |row| row.get(0),
    )?;
    Ok(waits || !needless(tx)?.is_empty())
}

/// The requests to close an intent that has ended by itself meanwhile.
fn needless(tx: &Tx<'_>) -> DatabaseResult<Vec<RequestId>> {
    let asked = closings(tx)?;
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let open: BTreeSet<IntentId> = intents::all_unresolved(tx)?.into_iter().map(|intent| intent.id).collect();
    let ended = asked.into_iter().filter(|closing| !open.contains(&closing.intent));
    Ok(ended.map(|closing| closing.request).collect())
}

/// Whether any request waits for acknowledgement.
pub(super) fn is_any_open(tx: &Tx<'_>) -> DatabaseResult<bool> {
    tx.query_row("SELECT EXISTS (SELECT 1 FROM requests WHERE acknowledged_at IS NULL)", params![], |row| {
        row.get(0)
    })
}

/// Takes up pending requests, unless a noted set of ours may be on its way to the exchange; acknowledges those that every living
/// host has taken up.
pub(super) fn acknowledge(tx: &Tx<'_>, now: Now) -> Result<(), StoreError> {
    // A look changes nothing, so it does not wait for a set.
    tx.execute(
        "UPDATE requests SET acknowledged_at = ?1 WHERE acknowledged_at IS NULL AND what LIKE 'refresh%'",
        params![now.shown()],
    )?;
    let is_noted = "SELECT EXISTS (SELECT 1 FROM intents WHERE state = 'noted' AND host = ?1)";
    if tx.query_row(is_noted, params![tx.host()], |row| row.get(0))? {
        return Ok(());
    }
    if let Some(exchange) = now.exchange {
        let asked: Vec<(i64, i64)> = tx.query(
            "SELECT id, plan FROM requests WHERE acknowledged_at IS NULL AND plan IS NOT NULL",
            params![],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (request, plan) in asked {
            let refused = approve_at(tx, now, exchange, plan, RequestId(request))?;
            tx.execute(
                "UPDATE requests SET acknowledged_at = ?1, refused = ?2 WHERE id = ?3",
                params![exchange, refused, request],
            )?;
        }
    }
    for request in needless(tx)? {
        answered(tx, now, request, Some("It has ended by itself meanwhile: see `posmoded history`."))?;
    }
    let open: Vec<i64> = tx.query(
        "SELECT id FROM requests
         WHERE acknowledged_at IS NULL AND plan IS NULL AND what NOT LIKE 'close-intent %' AND what NOT LIKE 'look%'",
        params![],
        |row| row.get(0),
    )?;
    for request in open {
        taken_up(tx, now, RequestId(request))?;
    }
    Ok(())
}

/// Our host has taken the request up; once every living one has, it is acknowledged.
pub(super) fn taken_up(tx: &Tx<'_>, now: Now, RequestId(request): RequestId) -> Result<(), StoreError> {
    let of_all = tx.living()?;
    let has_others = of_all.iter().any(|host| host != tx.host());
    if has_others {
        tx.execute(
            "INSERT INTO answers (request, host) VALUES (?1, ?2) ON CONFLICT (request, host) DO NOTHING",
            params![request, tx.host()],
        )?;
        let answered: BTreeSet<String> =
            tx.query("SELECT host FROM answers WHERE request = ?1", params![request], |row| row.get(0))?;
        if !of_all.is_subset(&answered) {
            return Ok(());
        }
    }
    answered(tx, now, RequestId(request), None)
}

/// Approves a plan from now on, or returns why not: one sentence.
fn approve_at(
    tx: &Tx<'_>,
    now: Now,
    exchange: ServerTime,
    plan: i64,
    request: RequestId,
) -> Result<Option<String>, StoreError> {
    let (hash, recorded_at): (String, i64) =
        tx.query_row("SELECT hash, recorded_at FROM plans WHERE id = ?1", params![plan], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if is_over(recorded_at, exchange) {
        let say = "is more than a day old: see `posmoded status` for what is held now";
        return Ok(Some(format!("The plan {hash} {say}.")));
    }
    tx.execute("UPDATE plans SET approved_at = ?1 WHERE id = ?2", params![exchange, plan])?;
    let text = format!("Plan {hash} was approved ({} changes).", entries(tx, plan)?.0.len());
    let who = who_asked(tx, request)?;
    history::add(tx, now, &Event::new(EventKind::Approved, text).by(who.as_deref()))?;
    Ok(None)
}

/// When the first of the pauses runs out whose end has no event yet.
pub(super) fn next_over(tx: &Tx<'_>) -> DatabaseResult<Option<ServerTime>> {
    tx.query_row(
        "SELECT min(until) FROM pauses WHERE lifted_at IS NULL AND over_noticed = 0",
        params![],
        |row| row.get(0),
    )
}

/// Records for each pause that is over by now that it is, once. It is not lifted: should the time turn out to be wrong, it stands.
pub(super) fn notice_over(tx: &Tx<'_>, now: Now) -> DatabaseResult<()> {
    let event = |row: &Row<'_>| {
        let (account, lasts): (Option<AccountName>, Option<i64>) = (row.get("account")?, row.get("lasts")?);
        let who: Option<String> = row.get("who")?;
        let whose = account.as_ref().map_or("of all accounts", |_| "of the account");
        let by = who.map_or_else(String::new, |who| format!(", by {who},"));
        let lasted = lasts.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
        let lasted = lasted.map_or_else(String::new, |lasted| format!(": it was for {}", spell(lasted)));
        let event = Event::new(EventKind::PauseOver, format!("The pause {whose}{by} is over{lasted}."));
        Ok(of_maybe(event, account.as_ref()))
    };
    let over: Vec<Event> = tx.query(
        "SELECT * FROM pauses WHERE lifted_at IS NULL AND until <= ?1 AND over_noticed = 0 ORDER BY id",
        params![now.exchange],
        event,
    )?;
    for event in over {
        history::add(tx, now, &event)?;
    }
    tx.execute(
        "UPDATE pauses SET over_noticed = 1 WHERE lifted_at IS NULL AND until <= ?1 AND over_noticed = 0",
        params![now.exchange],
    )
    .map(drop)
}

/// The exchange's clock has jumped ahead: a pause that it had not ended by then lasts as long as it was to.
pub(super) fn prolong(tx: &Tx<'_>, before: ServerTime, by: Duration) -> DatabaseResult<()> {
    tx.execute(
        "UPDATE pauses SET until = until + ?2 WHERE lifted_at IS NULL AND until > ?1",
        params![before, millis(by)],
    )
    .map(drop)
}

/// Sets the end of pauses that have a length but no end yet: that long from now, by the exchange's time.
pub(super) fn date(tx: &Tx<'_>, now: Now) -> DatabaseResult<()> {
    tx.execute("UPDATE pauses SET until = ?1 + lasts WHERE lasts IS NOT NULL AND until IS NULL AND lifted_at IS NULL", params![now.exchange])?;
    Ok(())
}

/// The daemon's answer to a request; `None` until there is one.
pub(super) fn answer(
    tx: &Tx<'_>,
    CommandRequest(id): CommandRequest,
) -> DatabaseResult<Option<CommandAnswer>> {
    tx.query_row("SELECT acknowledged_at, refused FROM requests WHERE id = ?1", params![id], |row| {
        let (at, refused): (Option<i64>, Option<String>) = (row.get(0)?, row.get(1)?);
        Ok(at.map(|_| refused.map_or(CommandAnswer::Acknowledged, CommandAnswer::Refused)))
    })
}

/// A plan is stale when one of its targets wants another change by now, or when none of its changes is wanted any more.
/// Changes wanted only since then stay held.
fn is_stale(plan: &Plan, newest: &Plan) -> bool {
    let targets: BTreeSet<Target> = plan.0.iter().map(target).collect();
    let changed = newest.0.iter().any(|entry| targets.contains(&target(entry)) && !plan.0.contains(entry));
    changed || plan.0.is_disjoint(&newest.0)
}

fn target(entry: &PlanEntry) -> Target {
    Target { account: entry.account.clone(), scope: entry.scope }
}

/// The newest plan of a host on record, and when it was recorded.
fn newest(tx: &Tx<'_>, host: &str) -> DatabaseResult<Option<(Plan, i64)>> {
    let newest: Option<(i64, i64)> = tx.query_opt(
        "SELECT id, recorded_at FROM plans WHERE host = ?1 ORDER BY id DESC LIMIT 1",
        params![host],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    newest.map(|(id, recorded)| Ok((entries(tx, id)?, recorded))).transpose()
}

/// The newest record of the one hash that begins with `prefix`.
fn find(tx: &Tx<'_>, prefix: &str) -> DatabaseResult<Result<i64, Unapproved>> {
    if prefix.len() < SHORTEST_PREFIX {
        return Ok(Err(Unapproved::Unknown));
    }
    let found: Vec<i64> = tx.query(
        "SELECT id FROM plans WHERE substr(hash, 1, length(?1)) = ?1
             AND id IN (SELECT max(id) FROM plans GROUP BY hash) ORDER BY id",
        params![prefix.to_ascii_lowercase()],
        |row| row.get(0),
    )?;
    let mut found = found.into_iter();
    Ok(match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Unapproved::Ambiguous),
        (None, _) => Err(Unapproved::Unknown),
    })
}

fn entries(tx: &Tx<'_>, plan: i64) -> DatabaseResult<Plan> {
    let entries = tx.query("SELECT * FROM plan_entries WHERE plan = ?1", params![plan], entry)?;
    Ok(Plan(entries))
}

fn entry(row: &Row<'_>) -> DatabaseResult<PlanEntry> {
    let Target { account, scope } = targets::target(row)?;
    let (live, desired, cause) = (row.get("live")?, row.get("desired")?, row.get("cause")?);
    Ok(PlanEntry { account, scope, live, desired, cause })
}

/// The pauses that are neither lifted nor over, by the exchange's time.
fn standing(tx: &Tx<'_>, now: Now) -> DatabaseResult<Vec<PauseRow>> {
    tx.query(
        "SELECT * FROM pauses WHERE lifted_at IS NULL AND (until IS NULL OR until > ?1) ORDER BY id",
        params![now.exchange.map_or(i64::MIN, |now| now.0)],
        |row| {
            let lasts: Option<i64> = row.get("lasts")?;
            let lasts = lasts.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
            let account: Option<AccountName> = row.get("account")?;
            let pause = Pause {
                account: account.clone(),
                reason: row.get("reason")?,
                who: row.get("who")?,
                lasts,
                until: row.get("until")?,
            };
            Ok(PauseRow { account, pause, since: row.get("since")? })
        },
    )
}

fn is_over(recorded_at: i64, now: ServerTime) -> bool {
    now.since(ServerTime(recorded_at)) >= APPROVAL
}

/// The accounts to write rows for; `None` stands for everything.
fn each(accounts: &[AccountName]) -> Vec<Option<&AccountName>> {
    if accounts.is_empty() { vec![None] } else { accounts.iter().map(Some).collect() }
}

fn of_maybe(event: Event, account: Option<&AccountName>) -> Event {
    match account {
        Some(account) => event.of_account(account),
        None => event,
    }
}

/// The shortest prefix of a hash: fewer digits count as a typing error.
const SHORTEST_PREFIX: usize = 6;
