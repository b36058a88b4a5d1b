//! What to do next with what is known: one pure function, `next`, for everything that decides.
//!
//! No clock, no network, no random numbers of its own. The keeper does the step and comes back with a new fact; the
//! model checker steps this very function.

mod backoff;
#[cfg(test)]
mod model;
mod plan;
mod reason;
#[cfg(test)]
mod tables;
mod whose;

use std::time::Duration;

pub use backoff::{retry_at, retry_though_flat, sooner};
pub use plan::{Plan, PlanEntry};
pub use reason::{CRASHED, Reason, Reasons, State, reasons, say, state};
pub use whose::{Claims, warnings, wrong};

use reason::{brakes, is_only_reported};

use crate::constants::{
    CLOCK_DOUBT, CONFIRMING, CONFIRMING_LOOK, FENCE, HUMAN_LOOK, LATE_EFFECT, LIVE_IS_KNOWN_FOR,
    OPEN_POSITION_LOOK, SEND_WITHIN, VERDICT_AGE, WAITING_LOOK,
};
use crate::facts::{
    Brakes, Cause, Change, Facts, Failure, Flatness, HostReading, How, Intent, IntentId, IntentState, List,
    Reading, Requirements, Run, Seen,
};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::PositionMode;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the exchange.
    Look(Look),
    /// Look at what the file requires of the host.
    LookAtHost,
    /// Take the permit and write the intent, in one ledger transaction that refuses if a brake stands.
    Note(Change),
    /// Let the noted set leave.
    Send,
    /// The noted set must not leave any more: close its intent unsent.
    Withdraw(Withdrawn),
    /// Write down what has been learned.
    Record(Record),
    /// Nothing to do before a moment.
    Rest {
        /// When to decide again, if nothing changes before.
        until: Moment,
        /// What is waited for; empty when the target is in sync.
        why: Reasons,
    },
}

/// What to ask the exchange for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// Its time.
    Clock,
    /// Whose key it is, and the kind of account.
    Account,
    /// The live mode of the target.
    Mode,
    /// One of the lists that tell whether the target is flat.
    List(List),
}

/// Why a noted set did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withdrawn {
    /// The newest revision wants something else, or nothing, or requires what the host was not looked at for.
    Revision,
    /// The newest content of the file is rejected, missing or still changing.
    File,
    /// No change window is open any more.
    Window,
    /// It was not sent in time: its note or its verdict is too old.
    TooLate,
    /// The daemon stops, or the account has left the file.
    Stopping,
    /// Another account's file holds the same key now.
    SharedKey,
}

/// What has been learned for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Live equals desired without a set of ours: by this way.
    Applied(How),
    /// The set was accepted, and a read shows it.
    Confirmed,
    /// The set was accepted, and no read showed it in time: its outcome is unknown.
    Unconfirmed,
    /// The set was refused for good.
    Refused(Failure),
    /// The fence has passed: this is what became of the set.
    Resolved {
        /// Whether live is what it asked for.
        took_effect: bool,
    },
    /// A set that seemed lost has taken effect after its fence.
    Late(IntentId),
}

/// The step that the protocol wants now. Total: whatever is known, there is one.
pub fn next(facts: &Facts<'_>, now: Moment) -> Step {
    let step = wanted_step(facts, now);
    let unwritable = facts.brakes.ledger.as_ref().filter(|trouble| trouble.retry_at > now);
    match (&step, unwritable) {
        (Step::Record(_), Some(trouble)) => rest(facts, now, trouble.retry_at),
        (
            Step::Look(_)
            | Step::LookAtHost
            | Step::Note(_)
            | Step::Send
            | Step::Withdraw(_)
            | Step::Rest { .. },
            Some(_),
        )
        | (_, None) => step,
    }
}

fn wanted_step(facts: &Facts<'_>, now: Moment) -> Step {
    if let Some(step) = facts.target.intent.as_ref().and_then(|intent| conclude(facts, intent, now)) {
        return step;
    }
    if let Some(step) = account(facts, now) {
        return step;
    }
    if let Some(failing) = &facts.target.failing
        && retry_at(failing) > now
    {
        return rest(facts, now, retry_at(failing));
    }
    if let Some(intent) = &facts.target.intent {
        return await_outcome(facts, intent, now);
    }
    if facts.target.wanted.mode.is_none() && facts.account.unsatisfiable.is_none() {
        // Nothing to look at: the keeper sorts the targets anew once it knows the kind.
        return rest(facts, now, now + facts.target.wanted.check_every);
    }
    let Some(seen) = current(facts, now) else {
        return Step::Look(Look::Mode);
    };
    let Some(desired) = facts.target.wanted.mode else {
        return rest(facts, now, due_again(facts, seen));
    };
    if facts.target.applied.is_none_or(|applied| applied.mode != seen.mode)
        && let Some(late) = came_late(facts, seen)
    {
        return Step::Record(Record::Late(late));
    }
    if seen.mode == desired {
        return in_sync(facts, seen, now);
    }
    let change = Change { from: seen.mode, to: desired, cause: cause(facts, desired) };
    toward(facts, seen, change, now)
}

/// The three-way compare, for a live mode that is not the desired one.
pub fn cause(facts: &Facts<'_>, desired: PositionMode) -> Cause {
    match &facts.target.applied {
        None => Cause::New,
        Some(applied) if applied.mode == desired => Cause::Drift,
        Some(_) => Cause::Pending,
    }
}

/// The change that is wanted, as far as it is known: what a plan lists.
pub fn wanted_change(facts: &Facts<'_>) -> Option<Change> {
    let (seen, desired) = (facts.target.seen?, facts.target.wanted.mode?);
    let change = Change { from: seen.mode, to: desired, cause: cause(facts, desired) };
    (seen.mode != desired).then_some(change)
}

/// Whether a set may follow right after the looks that come now: they go before those that can wait.
pub fn is_near_a_set(facts: &Facts<'_>, now: Moment) -> bool {
    let target = facts.target;
    let settled = target.wanted.settle == Duration::ZERO
        || target.flatness.run.is_some_and(|run| has_settled_by(facts, run, now));
    let free = wanted_change(facts).is_some_and(|change| brakes(facts, change.cause, now).is_empty());
    target.intent.is_some() || (free && settled && !is_unmet(facts))
}

fn has_settled_by(facts: &Facts<'_>, run: Run, now: Moment) -> bool {
    now >= run.since + facts.target.wanted.settle
}

/// What can be said of an intent without asking anybody.
fn conclude(facts: &Facts<'_>, intent: &Intent, now: Moment) -> Option<Step> {
    let seen = facts.target.seen;
    match &intent.state {
        IntentState::Noted { at } => Some(leave(facts, intent, *at, now)),
        IntentState::Refused(failure) => Some(Step::Record(Record::Refused(failure.clone()))),
        IntentState::Accepted { at } => {
            let shown = seen.is_some_and(|seen| seen.asked >= *at && seen.mode == intent.change.to);
            if shown {
                Some(Step::Record(Record::Confirmed))
            } else {
                (now >= *at + CONFIRMING).then_some(Step::Record(Record::Unconfirmed))
            }
        }
        IntentState::Unclear => {
            // Were the exchange's clock set back, a look from before the set could bear a time from after its fence.
            let signed = facts.account.clock?.moment(intent.stamp);
            let seen = seen.filter(|seen| seen.asked > signed && seen.server >= fence_ends(intent))?;
            Some(Step::Record(Record::Resolved { took_effect: seen.mode == intent.change.to }))
        }
    }
}

/// A set is on disk and has not left: let it, unless something changed since. Its verdict ages on while it waits.
fn leave(facts: &Facts<'_>, intent: &Intent, noted: Moment, now: Moment) -> Step {
    let target = facts.target;
    let unwanted = facts.account.elsewhere.is_some()
        || target.wanted.mode != Some(intent.change.to)
        || target.wanted.suspended.is_some()
        || is_only_reported(facts, intent.change.cause);
    let fresh = target.flatness.run.is_some_and(|run| now.since(run.newest) <= VERDICT_AGE);
    if unwanted {
        Step::Withdraw(Withdrawn::Revision)
    } else if facts.account.shared_key.is_some() {
        Step::Withdraw(Withdrawn::SharedKey)
    } else if facts.brakes.file.is_some() {
        Step::Withdraw(Withdrawn::File)
    } else if !is_window_open(facts, now) {
        Step::Withdraw(Withdrawn::Window)
    } else if now.since(noted) >= SEND_WITHIN || !fresh {
        Step::Withdraw(Withdrawn::TooLate)
    } else if !requires_nothing(facts) && !host_shown(facts).is_some_and(is_met) {
        // A newer revision requires what nobody has looked at.
        Step::Withdraw(Withdrawn::Revision)
    } else {
        Step::Send
    }
}

/// What must be so before anything of the account can be asked: a key, a way to the exchange, its time, its identity.
fn account(facts: &Facts<'_>, now: Moment) -> Option<Step> {
    let account = facts.account;
    if account.elsewhere.is_some() || account.credential.is_some() || account.shared_key.is_some() {
        return Some(rest(facts, now, now + HUMAN_LOOK));
    }
    if let Some(failing) = &account.failing
        && retry_at(failing) > now
    {
        return Some(rest(facts, now, retry_at(failing)));
    }
    if account.clock.is_none_or(|clock| clock.doubt_at(now) > CLOCK_DOUBT) {
        return Some(Step::Look(Look::Clock));
    }
    match &account.identity {
        None => Some(Step::Look(Look::Account)),
        // Whose key it is changes only with the key or the file, and the call that tells is the scarcest of all.
        Some(identity) if account.wrong.is_some() => {
            let told_to = identity.at < facts.target.look_since;
            Some(if told_to { Step::Look(Look::Account) } else { rest(facts, now, now + HUMAN_LOOK) })
        }
        Some(_) => None,
    }
}

/// The set has left and its outcome is not known yet: read until a success shows, or until the fence has passed.
fn await_outcome(facts: &Facts<'_>, intent: &Intent, now: Moment) -> Step {
    let asked = facts.target.seen.map(|seen| seen.asked);
    let due = match &intent.state {
        IntentState::Accepted { at } => {
            let next = asked.filter(|asked| asked >= at).map_or(now, |asked| asked + CONFIRMING_LOOK);
            next.min(*at + CONFIRMING)
        }
        IntentState::Unclear | IntentState::Noted { .. } | IntentState::Refused(_) => {
            let passed = facts.account.clock.map_or(now, |clock| clock.moment(fence_ends(intent)));
            // An answer still short of the fence says that our clock runs ahead: wait a little more.
            asked.map_or(passed, |asked| passed.max(asked + CONFIRMING_LOOK))
        }
    };
    if now >= due { Step::Look(Look::Mode) } else { rest(facts, now, due) }
}

/// The live mode, if it was looked at recently enough to go on with.
fn current(facts: &Facts<'_>, now: Moment) -> Option<Seen> {
    let seen = facts.target.seen.filter(|seen| seen.asked >= facts.target.look_since)?;
    let is_short = gone_ends(facts).is_some_and(|end| now >= end);
    (now < due_again(facts, seen) && !is_short).then_some(seen)
}

/// When a mode that nothing is done about is looked at again.
fn due_again(facts: &Facts<'_>, seen: Seen) -> Moment {
    sooner(seen.asked, facts.target.wanted.check_every, facts.account.jitter)
}

/// Live equals desired: write that down if it is news.
fn in_sync(facts: &Facts<'_>, seen: Seen, now: Moment) -> Step {
    if let Some(end) = gone_ends(facts) {
        return rest(facts, now, end.min(due_again(facts, seen)));
    }
    match &facts.target.applied {
        None => Step::Record(Record::Applied(How::Adopted)),
        Some(applied) if applied.mode != seen.mode => Step::Record(Record::Applied(How::External)),
        Some(_) => rest(facts, now, due_again(facts, seen)),
    }
}

/// A set of ours that seemed lost, whose mode shows up now.
fn came_late(facts: &Facts<'_>, seen: Seen) -> Option<IntentId> {
    let late = facts.target.may_come_late?;
    let in_time = seen.server.since(late.stamp) <= LATE_EFFECT;
    (late.mode == seen.mode && in_time).then_some(late.id)
}

/// A change is wanted: find out whether the target is flat for long enough, and note the set when nothing forbids it.
fn toward(facts: &Facts<'_>, seen: Seen, change: Change, now: Moment) -> Step {
    let forbidden = brakes(facts, change.cause, now);
    let flatness = &facts.target.flatness;
    if forbidden.any_of(&UNTIL_SOMEBODY_ACTS) {
        return rest(facts, now, due_again(facts, seen));
    }
    if let Some(open) = flatness.positions.filter(|open| open.count > 0 && forbidden.is_empty()) {
        let due = sooner(open.asked, OPEN_POSITION_LOOK, facts.account.jitter);
        return if now >= due { Step::Look(Look::List(List::Positions)) } else { rest(facts, now, due) };
    }
    let due = next_round(facts, seen, forbidden);
    if now >= due {
        return Step::Look(Look::Mode);
    }
    if let Some(list) = next_list(flatness, seen.answered) {
        return Step::Look(Look::List(list));
    }
    if !forbidden.is_empty() || !flat_for_long_enough(facts, now) {
        return rest(facts, now, due);
    }
    match host_shown(facts) {
        _ if requires_nothing(facts) => Step::Note(change),
        None => Step::LookAtHost,
        Some(reading) if is_met(reading) => Step::Note(change),
        Some(_) => rest(facts, now, due),
    }
}

fn requires_nothing(facts: &Facts<'_>) -> bool {
    let Requirements(all) = &facts.target.wanted.require;
    all.is_empty()
}

/// What the host showed of this revision's requirements since the newest flat verdict began: older readings say too little,
/// and this one is good for no longer than that verdict.
fn host_shown<'a>(facts: &Facts<'a>) -> Option<&'a HostReading> {
    let began = facts.target.flatness.run?.newest;
    let HostReading { generation, asked, unmet: _ } = facts.account.host.as_ref()?;
    let counts = *generation == facts.target.wanted.generation && *asked >= began;
    facts.account.host.as_ref().filter(|_| counts)
}

fn is_met(reading: &HostReading) -> bool {
    reading.unmet.is_empty()
}

/// Whether the host was seen not to be as the file requires.
fn is_unmet(facts: &Facts<'_>) -> bool {
    !requires_nothing(facts) && host_shown(facts).is_some_and(|reading| !is_met(reading))
}

/// Whether a set may leave by the file's change windows. They go by the exchange's time: while that is unknown, none is open.
fn is_window_open(facts: &Facts<'_>, now: Moment) -> bool {
    let windows = &facts.target.wanted.windows;
    windows.0.is_empty() || facts.account.clock.is_some_and(|clock| windows.are_open(clock.at(now)))
}

/// The first opening after `since`, if no window was open then.
fn window_opens(facts: &Facts<'_>, since: Moment) -> Option<Moment> {
    let clock = facts.account.clock?;
    Some(clock.moment(facts.target.wanted.windows.next_opening(clock.at(since))?.at))
}

/// When the change windows open next or, where one is open, close.
fn window_edge(facts: &Facts<'_>, now: Moment) -> Option<Moment> {
    let clock = facts.account.clock?;
    let closes = facts.target.wanted.windows.open_until(clock.at(now)).map(|at| clock.moment(at));
    closes.or_else(|| window_opens(facts, now))
}

/// When the next round of reading (mode, then the lists) begins: at an interval, at the moment when the account has
/// been flat for long enough, when a set may be tried again, or when a change window opens.
fn next_round(facts: &Facts<'_>, seen: Seen, forbidden: Reasons) -> Moment {
    let target = facts.target;
    let interval = if forbidden.is_empty() { WAITING_LOOK } else { target.wanted.check_every };
    let regular = sooner(seen.asked, interval, facts.account.jitter);
    let settling = target.flatness.run.filter(|run| !has_settled(facts, *run));
    let settled = settling.map(|run| run.since + target.wanted.settle);
    let retried = target.refused_though_flat.map(retry_though_flat);
    let opened = window_opens(facts, seen.asked);
    let edges =
        [settled, retried, gone_ends(facts), opened].into_iter().flatten().filter(|edge| *edge > seen.asked);
    edges.fold(regular, Moment::min)
}

/// Which list the round that began with the mode read at `began` wants next; `None` when its verdict is in.
/// While the last word was not "flat", positions come first: they settle it early.
fn next_list(flatness: &Flatness, began: Moment) -> Option<List> {
    let Flatness { plan_orders, orders, positions, part, run } = flatness;
    let of_this_round = |reading: &Option<Reading>| reading.filter(|reading| reading.asked >= began);
    if run.is_none() && of_this_round(positions).is_none() {
        return Some(List::Positions);
    }
    if [plan_orders, orders, positions].into_iter().filter_map(of_this_round).any(|reading| reading.count > 0)
    {
        return None;
    }
    if run.is_some_and(|run| run.newest >= began) {
        return None;
    }
    // Every list of the round was empty, and yet it took too long to be a verdict: the next round tries again.
    let all_read = [plan_orders, orders, positions].into_iter().all(|list| of_this_round(list).is_some());
    if all_read && part.is_none() {
        return None;
    }
    Some(part.filter(|part| part.began >= began).map_or(List::PlanOrders, |part| part.next))
}

/// Whether the verdicts allow a set now: the newest is fresh, and the first one `settle` before it.
fn flat_for_long_enough(facts: &Facts<'_>, now: Moment) -> bool {
    facts
        .target
        .flatness
        .run
        .is_some_and(|run| has_settled(facts, run) && now.since(run.newest) <= VERDICT_AGE)
}

/// Whether the first flat verdict lies `settle` before the newest one. With `settle: 0s` one is both.
fn has_settled(facts: &Facts<'_>, run: Run) -> bool {
    let settle = facts.target.wanted.settle;
    settle == Duration::ZERO || run.newest >= run.since + settle
}

/// The exchange's time after which the set can no longer take effect.
fn fence_ends(intent: &Intent) -> ServerTime {
    intent.stamp + FENCE
}

/// When to look whether a set of a target that is gone can take effect no more: the mode that it was to set may be covered
/// by this target now. `None` once a read from after its fence is here.
fn gone_ends(facts: &Facts<'_>) -> Option<Moment> {
    let ends = facts.account.gone? + FENCE;
    let seen = facts.target.seen;
    if seen.is_some_and(|seen| seen.server >= ends) {
        return None;
    }
    let passed = facts.account.clock.map_or(Moment(i64::MAX), |clock| clock.moment(ends));
    // An answer still short of it says that our clock runs ahead: wait a little more.
    Some(seen.map_or(passed, |seen| passed.max(seen.asked + CONFIRMING_LOOK)))
}

/// A rest until `until`, or until something ends that is known to end before.
fn rest(facts: &Facts<'_>, now: Moment, until: Moment) -> Step {
    let why = reasons(facts, now);
    let Brakes { paused, file: _, ledger, guard } = facts.brakes;
    let confirming = facts.target.intent.as_ref().and_then(|intent| match intent.state {
        IntentState::Accepted { at } => Some(at + CONFIRMING),
        IntentState::Noted { .. } | IntentState::Refused(_) | IntentState::Unclear => None,
    });
    // Live is not called known for ever: who rests for longer than that has to say so then.
    let known_for = facts.target.wanted.check_every * LIVE_IS_KNOWN_FOR + Duration::from_millis(1);
    let edges = [
        facts.target.seen.map(|seen| seen.answered + known_for),
        confirming,
        paused.as_ref().and_then(|pause| Some(facts.account.clock?.moment(pause.until?))),
        ledger.as_ref().map(|trouble| trouble.retry_at),
        guard.frees_at.filter(|_| why.holds(Reason::Held)),
        facts.target.set_refused.as_ref().map(retry_at),
        gone_ends(facts),
        window_edge(facts, now).filter(|_| !why.is_empty()),
    ];
    let until = edges.into_iter().flatten().filter(|edge| *edge > now).fold(until, Moment::min);
    Step::Rest { until, why }
}

/// What only a human can end, or a long wait: meanwhile the mode is watched, and nothing else.
const UNTIL_SOMEBODY_ACTS: [Reason; 7] = [
    Reason::Suspended,
    Reason::Fighting,
    Reason::Reported,
    Reason::Refused,
    Reason::Denied,
    Reason::Unexpected,
    Reason::RateLimited,
];
