//! Every decision is one pure function: `next` maps the known facts to the next step.
//!
//! It uses no clock, no network and no random numbers of its own. The keeper executes the step and records the result
//! as a new fact; the model checker calls this same function.

mod backoff;
mod close;
mod learn;
mod plan;
mod purpose;
mod reason;
mod record;
mod say;
mod standing;
mod step;
#[cfg(test)]
mod tables;
mod whose;

use std::time::Duration;

pub use backoff::{
    doubled, jittered_next, retry_at, retry_lost, retry_owner, retry_taken, retry_though_flat, spread_next,
};
pub use learn::{Learned, learn};
pub use plan::{Plan, PlanEntry};
pub use purpose::purpose;
pub use reason::{Need, Reason, Reasons, State, Wants};
pub use record::{lost_before, recorded};
pub use say::{CRASHED, say, undotted};
pub use standing::{Standing, is_a_fight, needs_approval, wanted_change};
pub use step::{Deadline, Look, Record, Rest, Step, Withdrawn};
pub use whose::{Claims, wrong};

use close::{Close, close};
use standing::{
    fence_ends, forbids, has_settled, host_shown, is_met, is_unmet, lasts_too_long_at, orphaned_set_ends,
    own_fence_ends, requires_nothing, settles_at, window_edge, window_opens,
};

use crate::constants::{
    CONFIRMING, CONFIRMING_LOOK, HUMAN_LOOK, LATE_EFFECT, LEDGER_RETRY, LIVE_IS_KNOWN_FOR, OPEN_LOOK_LONGEST,
    OPEN_PART, OPEN_POSITION_LOOK, OWNER_EVERY, SEND_WITHIN, SETTLING_LOOK, SETTLING_LOOK_LONGEST,
    SETTLING_PART, VERDICT_AGE, WAITING_LOOK,
};
use crate::facts::{
    Brakes, Change, Facts, How, Intent, IntentId, IntentState, List, OwnerDue, Policy, Seen, Stretch,
};
use crate::moment::Moment;

/// The next step for a target with this standing. Total: every combination of facts has one.
pub fn next(facts: &Facts<'_>, standing: &Standing, now: Moment) -> Step {
    let step = wanted_step(facts, standing, now);
    // A record waits until the ledger is tried again. A note is forbidden meanwhile; a withdrawal must not wait.
    let unwritable = facts.brakes.ledger.as_ref().filter(|trouble| trouble.retry_at > now);
    match unwritable {
        Some(trouble) if matches!(step, Step::Record(_)) => rest(facts, standing, now, trouble.retry_at),
        Some(_) | None => step,
    }
}

fn wanted_step(facts: &Facts<'_>, standing: &Standing, now: Moment) -> Step {
    if let Some(step) = facts.target.intent.as_ref().and_then(|intent| conclude(facts, intent, now)) {
        return step;
    }
    if let Some(step) = account(facts, standing, now) {
        return step;
    }
    if let Some(failing) = &facts.target.failing
        && retry_at(failing) > now
    {
        return rest(facts, standing, now, retry_at(failing));
    }
    if let Some(intent) = &facts.target.intent {
        return await_outcome(facts, standing, intent, now);
    }
    if facts.target.wanted.mode.is_none() && facts.account.unsatisfiable.is_none() {
        // No mode to compare with: the keeper rebuilds the targets once it knows the kind.
        return rest(facts, standing, now, now + facts.target.wanted.policy.check_every);
    }
    let Some(seen) = current(facts, now) else {
        return Step::Look(if may_show_owner(facts, now) { Look::Account } else { Look::Mode });
    };
    if facts.target.wanted.mode.is_none() {
        return rest(facts, standing, now, mode_due(facts, seen, now));
    }
    if let Some(late) = came_late(facts, seen) {
        return Step::Record(Record::Late(late));
    }
    match standing.change {
        None => in_sync(facts, standing, seen, now),
        Some(change) => toward(facts, standing, seen, change, now),
    }
}

/// The order of steps, least first: what is under way goes before what begins, a look about a change before one that can
/// wait, of those the one that was last done longest ago; rests go last, earliest end first.
pub fn rank(step: &Step, facts: &Facts<'_>, standing: &Standing, now: Moment) -> (u8, Moment) {
    match step {
        Step::Send => (0, Moment(0)),
        Step::Withdraw(_) => (1, Moment(0)),
        Step::Record(_) => (2, Moment(0)),
        Step::Note(_) => (3, Moment(0)),
        Step::LookAtHost => (4, Moment(0)),
        Step::Look(_) if facts.target.is_part_way(now) => (4, Moment(0)),
        Step::Look(_) if is_about_a_change(facts, standing, now) => (5, Moment(0)),
        Step::Look(_) => (6, facts.target.seen.map_or(Moment(0), |seen| seen.asked)),
        Step::Rest(Rest { until, ends_with: _ }) => (7, *until),
    }
}

/// Whether the next looks begin or end a change that nothing forbids: they go before looks that can wait. Something that is
/// open is waited for among the others.
pub fn is_about_a_change(facts: &Facts<'_>, standing: &Standing, now: Moment) -> bool {
    let target = facts.target;
    let flatness = &target.flatness;
    let begins = flatness.flat_span.is_none() && flatness.open().is_none();
    let ends = flatness.flat_span.is_some_and(|run| now >= settles_at(facts, run));
    let is_free = standing.change.is_some() && standing.forbidden.is_empty() && !is_unmet(facts);
    target.intent.is_some() || (is_free && (begins || ends))
}

/// When the target will have settled, if that is still to come.
pub fn will_settle_at(facts: &Facts<'_>, now: Moment) -> Option<Moment> {
    let run = facts.target.flatness.flat_span?;
    Some(settles_at(facts, run)).filter(|at| *at > now)
}

/// What the known facts already decide about an intent, without another look.
fn conclude(facts: &Facts<'_>, intent: &Intent, now: Moment) -> Option<Step> {
    let seen = facts.target.seen;
    match &intent.state {
        IntentState::Noted { at } => Some(leave(facts, intent, *at, now)),
        IntentState::Refused(failure) => Some(Step::Record(Record::Refused(failure.clone()))),
        IntentState::NotSent(failure) => Some(Step::Record(Record::NotSent(failure.clone()))),
        IntentState::Accepted { at } => {
            let shown = seen.is_some_and(|seen| seen.asked >= *at && seen.mode == intent.change.to);
            if shown {
                Some(Step::Record(Record::Confirmed))
            } else {
                (now >= *at + CONFIRMING).then_some(Step::Record(Record::Unconfirmed))
            }
        }
        IntentState::Unclear(_) => {
            match facts.target.closing.as_ref().map(|closing| close(facts, intent, closing, now)) {
                Some(Close::Now { took_effect }) => {
                    return Some(Step::Record(Record::Resolved { took_effect }));
                }
                Some(Close::Refuse(say)) => return Some(Step::Record(Record::NotClosed(say))),
                Some(Close::AskTime | Close::ReadMode) | None => {}
            }
            // If the exchange's clock was set back, a read from before the set may carry a time later than its fence.
            let signed = facts.account.clock?.moment(intent.stamp);
            let is_over = |seen: &Seen| {
                let by_ours = seen.asked >= own_fence_ends(facts, intent);
                seen.asked > signed && seen.server >= fence_ends(intent) && by_ours
            };
            let seen = seen.filter(is_over)?;
            Some(Step::Record(Record::Resolved { took_effect: seen.mode == intent.change.to }))
        }
    }
}

/// A noted set that was not sent yet: sends it, or withdraws it if something changed or its verdict has become too old.
fn leave(facts: &Facts<'_>, intent: &Intent, noted: Moment, now: Moment) -> Step {
    let target = facts.target;
    let fresh = target.flatness.flat_span.is_some_and(|run| now.since(run.newest) <= VERDICT_AGE);
    let called_back = forbids(facts, intent.change.cause, now).iter().find(|reason| reason.calls_back());
    if facts.account.is_not_ours() {
        Step::Withdraw(Withdrawn::Elsewhere)
    } else if facts.account.wrong.is_some() {
        Step::Withdraw(Withdrawn::WrongAccount)
    } else if target.wanted.mode != Some(intent.change.to) {
        Step::Withdraw(Withdrawn::Revision)
    } else if let Some(reason) = called_back {
        Step::Withdraw(Withdrawn::Forbidden(reason))
    } else if facts.account.shared_key.is_some() {
        Step::Withdraw(Withdrawn::SharedKey)
    } else if now.since(noted) >= SEND_WITHIN || !fresh {
        Step::Withdraw(Withdrawn::TooLate)
    } else if !requires_nothing(facts) && !host_shown(facts).is_some_and(is_met) {
        Step::Withdraw(Withdrawn::Requirement)
    } else {
        Step::Send
    }
}

/// The step while a precondition of every read is missing: a key, a reachable exchange, its time, the key's identity.
fn account(facts: &Facts<'_>, standing: &Standing, now: Moment) -> Option<Step> {
    let account = facts.account;
    if account.is_not_ours() || account.credential.is_some() || account.shared_key.is_some() {
        return Some(rest(facts, standing, now, now + HUMAN_LOOK));
    }
    // What is under way is brought to its end: no other host sets the account before that.
    if account.ledger_away.is_some() && !facts.target.intent.as_ref().is_some_and(is_confirmed_by_reads) {
        return Some(rest(facts, standing, now, now + LEDGER_RETRY));
    }
    if let Some(failing) = &account.failing
        && retry_at(failing) > now
    {
        return Some(rest(facts, standing, now, retry_at(failing)));
    }
    if account.clock.is_none_or(|clock| !clock.is_known_well(now)) {
        return Some(Step::Look(Look::Clock));
    }
    match &account.identity {
        None if account.owner_due == OwnerDue::BeforeAnything => Some(Step::Look(Look::Account)),
        None => account.kind.is_none().then_some(Step::Look(Look::Kind)),
        // The key's owner changes only with the key or the file, and the call that returns it has the lowest limit.
        Some(identity) if account.wrong.is_some() => {
            let told_to = identity.at < facts.target.look_since;
            Some(if told_to {
                Step::Look(Look::Account)
            } else {
                rest(facts, standing, now, now + HUMAN_LOOK)
            })
        }
        Some(_) => None,
    }
}

/// Whether the exchange has accepted the set, so that reads are asked whether they show it.
fn is_confirmed_by_reads(intent: &Intent) -> bool {
    match intent.state {
        IntentState::Accepted { .. } => true,
        IntentState::Noted { .. }
        | IntentState::Refused(_)
        | IntentState::NotSent(_)
        | IntentState::Unclear(_) => false,
    }
}

/// The set was sent: reads the mode every `CONFIRMING_LOOK` if accepted, or after the fence if the outcome is unclear.
fn await_outcome(facts: &Facts<'_>, standing: &Standing, intent: &Intent, now: Moment) -> Step {
    match facts.target.closing.as_ref().map(|closing| close(facts, intent, closing, now)) {
        Some(Close::AskTime) => return Step::Look(Look::Clock),
        Some(Close::ReadMode) => return Step::Look(Look::Mode),
        Some(Close::Now { .. } | Close::Refuse(_)) | None => {}
    }
    let asked = facts.target.seen.map(|seen| seen.asked);
    let due = match &intent.state {
        IntentState::Accepted { at } => {
            let next = asked.filter(|asked| asked >= at).map_or(now, |asked| asked + CONFIRMING_LOOK);
            next.min(*at + CONFIRMING)
        }
        IntentState::Unclear(_)
        | IntentState::Noted { .. }
        | IntentState::Refused(_)
        | IntentState::NotSent(_) => {
            let passed = facts.account.clock.map_or(now, |clock| clock.moment(fence_ends(intent)));
            let passed = passed.max(own_fence_ends(facts, intent));
            // A read still dated before the fence means that our clock runs ahead: wait a little longer.
            asked.map_or(passed, |asked| passed.max(asked + CONFIRMING_LOOK))
        }
    };
    if now >= due { Step::Look(Look::Mode) } else { rest(facts, standing, now, due) }
}

/// The live mode, if it was read recently enough to decide by.
fn current(facts: &Facts<'_>, now: Moment) -> Option<Seen> {
    let seen = facts.target.seen.filter(|seen| seen.asked >= facts.target.look_since)?;
    let is_short = orphaned_set_ends(facts).is_some_and(|end| now >= end);
    (now < mode_due(facts, seen, now) && !is_short).then_some(seen)
}

/// Whether this is an occasion to see whose key it is, so that no set has to wait for it: once the mode was read, and daily;
/// but not while the account answers badly or the budget of requests does not suffice, as the mode matters more.
fn may_show_owner(facts: &Facts<'_>, now: Moment) -> bool {
    let Facts { account, brakes: _, target } = facts;
    let suffices = account.stretch == Stretch::default() && may_ask_for_the_owner(facts, now);
    let is_calm =
        suffices && account.failing.is_none() && target.failing.is_none() && target.intent.is_none();
    let is_old = account.identity.as_ref().is_none_or(|identity| now >= identity.at + OWNER_EVERY);
    let was_read = target.seen.is_some_and(|seen| seen.asked >= target.look_since);
    is_calm && is_old && was_read && target.wanted.mode.is_some()
}

/// Whether it did not fail lately to see whose key it is. Where that is no obstacle, looks and changes go on meanwhile.
fn may_ask_for_the_owner(facts: &Facts<'_>, now: Moment) -> bool {
    facts.account.owner_failing.as_ref().is_none_or(|failing| retry_owner(failing) <= now)
}

/// When the mode is read again if nothing has to be done about it.
fn due_again(facts: &Facts<'_>, seen: Seen) -> Moment {
    let is_first = facts.target.first_asked == Some(seen.asked);
    let next = if is_first { spread_next } else { jittered_next };
    next(seen.asked, facts.target.wanted.policy.check_every, facts.target.jitter)
}

/// When the mode is read again although a change is wanted. A verdict is not interrupted for it, and its set is noted first.
fn mode_due(facts: &Facts<'_>, seen: Seen, now: Moment) -> Moment {
    let is_ending = facts.target.flatness.verdict(now).is_some() || flat_for_long_enough(facts, now);
    due_again(facts, seen) + if is_ending { VERDICT_AGE } else { Duration::ZERO }
}

/// Live equals desired: records that if it is new.
fn in_sync(facts: &Facts<'_>, standing: &Standing, seen: Seen, now: Moment) -> Step {
    if let Some(end) = orphaned_set_ends(facts) {
        return rest(facts, standing, now, end.min(mode_due(facts, seen, now)));
    }
    match &facts.target.applied {
        None => Step::Record(Record::Applied(How::Adopted)),
        Some(applied) if applied.mode != seen.mode => Step::Record(Record::Applied(How::External)),
        Some(_) => rest(facts, standing, now, mode_due(facts, seen, now)),
    }
}

/// The intent of a set of ours that seemed lost, if this read shows that it took effect: its mode, which was not applied
/// before, within `LATE_EFFECT`.
pub fn came_late(facts: &Facts<'_>, seen: Seen) -> Option<IntentId> {
    let late = facts.target.may_come_late?;
    let is_new = facts.target.applied.is_none_or(|applied| applied.mode != seen.mode);
    let in_time = seen.server.since(late.stamp) <= LATE_EFFECT;
    (is_new && late.mode == seen.mode && in_time).then_some(late.id)
}

/// A change is wanted: checks whether the target is flat for long enough, and notes the set if nothing forbids it.
fn toward(facts: &Facts<'_>, standing: &Standing, seen: Seen, change: Change, now: Moment) -> Step {
    let forbidden = standing.forbidden;
    let mode_due = mode_due(facts, seen, now);
    let may_set = !forbidden.iter().any(Reason::is_mode_alone_watched);
    let is_due = may_set || facts.account.owner_due != OwnerDue::BeforeASet;
    if facts.account.identity.is_none() && is_due && may_ask_for_the_owner(facts, now) {
        return Step::Look(Look::Account);
    }
    if let Some(failing) = facts.account.owner_delayed().filter(|failing| retry_owner(failing) > now) {
        return rest(facts, standing, now, retry_owner(failing).min(mode_due));
    }
    if !may_set {
        return rest(facts, standing, now, mode_due);
    }
    // The host is looked at without a new verdict; one follows once it is as required.
    let unmet_at = facts.account.host.as_ref().filter(|_| is_unmet(facts)).map(|reading| reading.asked);
    let is_between = facts.target.flatness.verdict(now).is_none() && forbidden.is_empty();
    if let Some(asked) = unmet_at.filter(|_| is_between) {
        let due = jittered_next(asked, WAITING_LOOK, facts.account.jitter);
        let kept = keep_due(facts, forbidden);
        return match (now >= due, now >= kept) {
            (true, _) => Step::LookAtHost,
            (false, true) => Step::Look(Look::List(List::Positions)),
            (false, false) => rest(facts, standing, now, due.min(kept).min(mode_due)),
        };
    }
    match about_flatness(facts, forbidden, now) {
        Flat::Read(look, due) if now >= due => Step::Look(look),
        Flat::Read(_, due) => rest(facts, standing, now, due.min(mode_due)),
        Flat::ForLongEnough if requires_nothing(facts) || host_shown(facts).is_some() => Step::Note(change),
        Flat::ForLongEnough => Step::LookAtHost,
    }
}

/// What is next about the question whether a target is flat.
enum Flat {
    /// This look, once it is due.
    Read(Look, Moment),
    /// Nothing: it was flat for long enough, until now.
    ForLongEnough,
}

fn about_flatness(facts: &Facts<'_>, forbidden: Reasons, now: Moment) -> Flat {
    let Facts { account, brakes: _, target } = facts;
    let (flatness, check_every) = (&target.flatness, target.wanted.policy.check_every);
    let next = |last, interval| jittered_next(last, interval, account.jitter);
    let unless_forbidden = |interval| if forbidden.is_empty() { interval } else { check_every };
    let verdict = Look::List(List::PlanOrders);
    if let Some(under_way) = flatness.verdict(now) {
        return Flat::Read(Look::List(under_way.next), now);
    }
    if let Some((list, asked)) = flatness.open() {
        let due = next(asked, open_interval(facts, forbidden, list, now));
        return Flat::Read(Look::Open(list), if asked < target.look_since { now } else { due });
    }
    // A verdict that did not end in time is not begun again at once.
    let in_vain = flatness.in_progress.map(|verdict| verdict.began).or(flatness.too_slow);
    let Some(run) = flatness.flat_span else {
        let due = in_vain.map_or(now, |began| next(began, unless_forbidden(WAITING_LOOK)));
        return Flat::Read(verdict, due);
    };
    let settled_at = settles_at(facts, run);
    let edges = [
        Some(settled_at),
        target.refused_though_flat.map(retry_though_flat),
        target.lost.as_ref().map(retry_lost),
        account.key_taken.as_ref().map(retry_taken),
        orphaned_set_ends(facts),
        window_opens(facts, run.newest),
    ];
    // The first moment since the newest verdict from which another one may be worth more.
    let edge = edges.into_iter().flatten().filter(|edge| *edge > run.newest).min();
    if !forbidden.is_empty() || now < settled_at {
        let kept = keep_due(facts, forbidden);
        return match edge {
            Some(edge) if forbidden.is_empty() && edge <= kept => Flat::Read(verdict, edge),
            Some(_) | None => Flat::Read(Look::List(List::Positions), kept),
        };
    }
    if flat_for_long_enough(facts, now) {
        return Flat::ForLongEnough;
    }
    let last = in_vain.map_or(run.newest, |began| began.max(run.newest));
    let regular = next(last, WAITING_LOOK);
    Flat::Read(verdict, edge.filter(|edge| *edge > last).map_or(regular, |edge| regular.min(edge)))
}

/// How often something open is looked at: less often the longer it is waited for.
fn open_interval(facts: &Facts<'_>, forbidden: Reasons, list: List, now: Moment) -> Duration {
    let target = facts.target;
    let waited = target.flatness.wait.map_or(Duration::ZERO, |wait| now.since(wait.since));
    let least = match list {
        List::Positions => OPEN_POSITION_LOOK,
        List::PlanOrders | List::Orders => WAITING_LOOK,
    };
    if forbidden.is_empty() {
        (waited / OPEN_PART).clamp(least, OPEN_LOOK_LONGEST)
    } else {
        target.wanted.policy.check_every
    }
}

/// How often positions are read so that a run of flat verdicts is not broken by a gap.
fn keep_interval(facts: &Facts<'_>, forbidden: Reasons) -> Duration {
    let Policy { check_every, settle, .. } = &facts.target.wanted.policy;
    if forbidden.is_empty() {
        (*settle / SETTLING_PART).clamp(SETTLING_LOOK, SETTLING_LOOK_LONGEST)
    } else {
        *check_every
    }
}

/// When they are read again.
fn keep_due(facts: &Facts<'_>, forbidden: Reasons) -> Moment {
    let kept = facts.target.flatness.flat_span.map_or(Moment(0), |run| run.kept);
    jittered_next(kept, keep_interval(facts, forbidden), facts.account.jitter)
}

/// Whether the verdicts allow a set now: the newest is at most `VERDICT_AGE` old, the first at least `settle` older.
fn flat_for_long_enough(facts: &Facts<'_>, now: Moment) -> bool {
    facts
        .target
        .flatness
        .flat_span
        .is_some_and(|span| has_settled(facts, span, now) && now.since(span.newest) <= VERDICT_AGE)
}

/// A rest until the next look at `until`, or until an earlier known deadline.
fn rest(facts: &Facts<'_>, standing: &Standing, now: Moment, until: Moment) -> Step {
    let Brakes { paused, file: _, ledger, guard } = facts.brakes;
    let target = facts.target;
    let confirming = target.intent.as_ref().and_then(|intent| match intent.state {
        IntentState::Accepted { at } => Some(at + CONFIRMING),
        IntentState::Noted { .. }
        | IntentState::Refused(_)
        | IntentState::NotSent(_)
        | IntentState::Unclear(_) => None,
    });
    // The live mode counts as known for a limited time: a longer rest has to end then to report it as unknown.
    let known_for = facts.account.stretch.of(target.wanted.policy.check_every * LIVE_IS_KNOWN_FOR)
        + Duration::from_millis(1);
    let deadlines = [
        (Deadline::LiveUnknown, target.seen.map(|seen| seen.asked + known_for)),
        (Deadline::Unconfirmed, confirming),
        (
            Deadline::PauseEnds,
            paused.as_ref().and_then(|pause| Some(facts.account.clock?.moment(pause.until?))),
        ),
        (Deadline::LedgerRetry, ledger.as_ref().map(|trouble| trouble.retry_at)),
        (Deadline::BudgetFrees, guard.frees_at.filter(|_| standing.blockers.holds(Reason::Held))),
        (Deadline::SetRetry, target.set_refused.as_ref().map(retry_at)),
        (Deadline::SetRetry, facts.account.key_taken.as_ref().map(retry_taken)),
        (Deadline::SetRetry, target.lost.as_ref().map(retry_lost)),
        (Deadline::SetRetry, target.refused_though_flat.map(retry_though_flat)),
        (Deadline::GoneSetOver, orphaned_set_ends(facts)),
        (Deadline::WindowEdge, window_edge(facts, now).filter(|_| !standing.blockers.is_empty())),
        (
            Deadline::LastsTooLong,
            standing
                .blockers
                .iter()
                .filter_map(|reason| lasts_too_long_at(facts, reason))
                .filter(|at| *at > now)
                .min(),
        ),
    ];
    let look = Rest { until, ends_with: Deadline::Look };
    let rests =
        deadlines.into_iter().filter_map(|(ends_with, until)| Some(Rest { until: until?, ends_with }));
    let coming = rests.filter(|rest| rest.until > now);
    Step::Rest([look].into_iter().chain(coming).min_by_key(|rest| rest.until).unwrap_or(look))
}
