//! Where a target stands at a moment: its state, the wanted change and everything that blocks it.
//!
//! Computed once for each moment; `next` decides by it, `say` and the status report it.

use std::time::Duration;

use super::backoff::{retry_at, retry_lost, retry_taken, retry_though_flat};
use super::reason::{Need, Reason, Reasons, State, Wants};
use crate::constants::{
    CONFIRMING_LOOK, FENCE, FIGHT, FIGHT_WINDOW, LIVE_IS_KNOWN_FOR, OUTCOME_UNKNOWN_FOR_LONG, QUIET, STUCK,
    UNREACHABLE_FOR_LONG,
};
use crate::facts::{
    Cause, Change, Class, DriftPolicy, Facts, Failing, FlatSpan, HostReading, Intent, IntentState, OwnerDue,
    Requirements, TargetFacts,
};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::PositionMode;

/// Where a target stands. The default means that nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its state: in sync only if live equals desired and no set that was sent may still take effect.
    pub state: State,
    /// The change that is wanted: [`wanted_change`].
    pub change: Option<Change>,
    /// What forbids that change even if the target is flat.
    pub forbidden: Reasons,
    /// All reasons that apply, the last set's refusal among them until something else comes of one. Empty only for a target that is in sync, or that this process has not looked at yet.
    pub blockers: Reasons,
    /// What ends the strongest of them; `None` if nothing has to end.
    pub wants: Option<Wants>,
    /// What is asked of a human, if they want one.
    pub need: Option<Need>,
}

impl Standing {
    /// Where the target of these facts stands at `now`.
    pub fn of(facts: &Facts<'_>, now: Moment) -> Standing {
        let change = wanted_change(facts);
        let forbidden = change.map_or_else(Reasons::default, |change| forbids(facts, change.cause, now));
        let state = state(facts, now);
        let blockers = blockers(facts, state, forbidden, now);
        let (wants, need) = wants(facts, state, blockers, now);
        Standing { state, change, forbidden, blockers, wants, need }
    }

    /// Whether the target is not as the file wants it; `None` while this process has not looked at it yet. One of another host
    /// is nobody's problem here.
    pub fn is_out_of_sync(&self) -> Option<bool> {
        match self.state {
            State::InSync => Some(false),
            State::Unknown if self.blockers.is_empty() => None,
            State::Unknown if self.blockers.holds(Reason::Elsewhere) => Some(false),
            State::Unknown | State::New | State::Pending | State::Drifted => Some(true),
        }
    }
}

/// The wanted change as far as it is known, as a plan lists it. Its live mode may be out of date.
pub fn wanted_change(facts: &Facts<'_>) -> Option<Change> {
    let (seen, desired) = (facts.target.seen?, facts.target.wanted.mode?);
    let change = Change { from: seen.mode, to: desired, cause: cause(facts, desired) };
    (seen.mode != desired).then_some(change)
}

/// The three-way compare, for a live mode that is not the desired one.
fn cause(facts: &Facts<'_>, desired: PositionMode) -> Cause {
    match &facts.target.applied {
        None => Cause::New,
        Some(applied) if applied.mode == desired => Cause::Drift,
        Some(_) => Cause::Pending,
    }
}

fn state(facts: &Facts<'_>, now: Moment) -> State {
    if facts.account.is_not_ours() {
        return State::Unknown;
    }
    let (account, target) = (facts.account, facts.target);
    if account.owner_due == OwnerDue::BeforeAnything && account.identity.is_none() {
        return State::Unknown;
    }
    let seen = target.seen.filter(|seen| now.since(seen.as_of(account.clock)) <= known_for(facts));
    match (seen, target.wanted.mode) {
        (Some(seen), Some(desired)) if seen.mode == desired => {
            let may_change =
                target.intent.as_ref().is_some_and(may_still_act) || orphaned_set_ends(facts).is_some();
            if may_change { State::Unknown } else { State::InSync }
        }
        (Some(_), Some(desired)) => match cause(facts, desired) {
            Cause::New => State::New,
            Cause::Pending => State::Pending,
            Cause::Drift => State::Drifted,
        },
        (Some(_) | None, Some(_) | None) => State::Unknown,
    }
}

/// Whether the set was sent and its outcome is not settled.
fn may_still_act(intent: &Intent) -> bool {
    match intent.state {
        IntentState::Noted { .. } | IntentState::Refused(_) | IntentState::NotSent(_) => false,
        IntentState::Accepted { .. } | IntentState::Unclear(_) => true,
    }
}

/// What ends the strongest of the reasons, and what is asked of a human by those that want one. A pause that was given a time ends with it; a set that was signed for a time far
/// ahead ends only by an operator's hand, and so may an exchange that has not answered for long.
fn wants(facts: &Facts<'_>, state: State, blockers: Reasons, now: Moment) -> (Option<Wants>, Option<Need>) {
    let is_for_a_time = facts.brakes.paused.as_ref().is_some_and(|pause| pause.lasts.is_some());
    let wants = |reason: Reason| match reason.wants() {
        Wants::Human if reason == Reason::Paused && is_for_a_time => Wants::Time,
        Wants::Itself if reason == Reason::OutcomeUnknown && is_signed_far_ahead(facts, now) => Wants::Human,
        Wants::Itself | Wants::Time if lasts_too_long_at(facts, reason).is_some_and(|at| at <= now) => {
            Wants::Human
        }
        other @ (Wants::Itself | Wants::Time | Wants::Human) => other,
    };
    let strongest = blockers.iter().map(wants).max();
    let needs = || blockers.iter().filter(|reason| wants(*reason) == Wants::Human).map(Reason::need);
    let now = needs().find(|need| *need == Need::Now);
    (strongest.or((state != State::InSync).then_some(Wants::Itself)), now.or_else(|| needs().next()))
}

/// From when on a reason that is said to pass by itself has not done so for long; `None` for one that may last.
pub(super) fn lasts_too_long_at(facts: &Facts<'_>, reason: Reason) -> Option<Moment> {
    long_of(reason).and_then(|long| Some(stands_since(facts, reason)? + long))
}

/// After how long such a reason wants a human, as the alerts have it.
fn long_of(reason: Reason) -> Option<Duration> {
    let rows = [
        (Reason::Unreachable, UNREACHABLE_FOR_LONG),
        (Reason::RateLimited, UNREACHABLE_FOR_LONG),
        (Reason::OutcomeUnknown, OUTCOME_UNKNOWN_FOR_LONG),
        (Reason::Verifying, STUCK),
        (Reason::Acting, STUCK),
    ];
    rows.into_iter().find(|(of, _)| *of == reason).map(|(_, long)| long)
}

/// Since when such a reason stands, if it does: for the exchange's answers to looks, else to sets, else since the last look is too
/// old; for a set since it was signed.
pub(super) fn stands_since(facts: &Facts<'_>, reason: Reason) -> Option<Moment> {
    let (account, target) = (facts.account, facts.target);
    let first = |failing: [&Option<Failing>; 2]| {
        let of_it = failing.into_iter().flatten().filter(|one| of_failure(one) == Some(reason));
        of_it.map(|one| one.since).min()
    };
    let looks = || first([&account.failing, &target.failing]);
    let sets = || first([&target.set_refused, &target.lost]);
    let known_until = || Some(target.seen?.as_of(account.clock) + known_for(facts));
    let signed = || {
        let stamp = target.intent.as_ref().map(|intent| intent.stamp).or(account.orphaned_set_at)?;
        Some(account.clock?.moment(stamp))
    };
    if matches!(reason, Reason::OutcomeUnknown | Reason::Verifying | Reason::Acting) {
        return signed();
    }
    looks().or_else(sets).or_else(|| known_until().filter(|_| reason == Reason::Unreachable))
}

/// For how long the live mode counts as known.
fn known_for(facts: &Facts<'_>) -> Duration {
    facts.account.stretch.of(facts.target.wanted.policy.check_every * LIVE_IS_KNOWN_FOR)
}

/// Whether the fence of the unresolved set is so far off that waiting is no way to end it.
pub(super) fn is_signed_far_ahead(facts: &Facts<'_>, now: Moment) -> bool {
    let signed = facts.target.intent.as_ref().map(|intent| intent.stamp);
    signed.zip(facts.account.clock).is_some_and(|(signed, clock)| signed.since(clock.at(now)) > QUIET)
}

/// Whether this process knows anything of the target from the exchange, be it that a look failed.
fn was_looked_at(facts: &Facts<'_>) -> bool {
    facts.target.seen.is_some() || facts.target.failing.is_some() || facts.account.failing.is_some()
}

fn blockers(facts: &Facts<'_>, state: State, forbidden: Reasons, now: Moment) -> Reasons {
    if facts.account.elsewhere.is_some() {
        // The other host reports everything else.
        return Reasons::from_iter([Reason::Elsewhere]);
    }
    if facts.account.unassigned.is_some() {
        return Reasons::from_iter([Reason::Unsatisfiable]);
    }
    let target = facts.target;
    let mut all = of_the_account(facts, now);
    if let Some(failing) = &target.failing {
        all.join(of_failure(failing).into_iter().collect());
    }
    if let Some(intent) = &target.intent {
        all.add(match intent.state {
            IntentState::Noted { .. } | IntentState::Refused(_) | IntentState::NotSent(_) => Reason::Acting,
            IntentState::Accepted { .. } => Reason::Verifying,
            IntentState::Unclear(_) => Reason::OutcomeUnknown,
        });
        // Its outcome has to be recorded, whatever the live mode is.
        if facts.brakes.ledger.as_ref().is_some_and(|trouble| trouble.retry_at > now) {
            all.add(Reason::Ledger);
        }
    }
    match state {
        State::InSync => {}
        State::Unknown => {
            if orphaned_set_ends(facts).is_some() {
                all.add(Reason::OutcomeUnknown);
            }
            if all.is_empty() && was_looked_at(facts) {
                let is_read = target.seen.is_some() && facts.account.clock_contradicted.is_some();
                all.add(if is_read { Reason::Clock } else { Reason::Unreachable });
            }
        }
        State::New | State::Pending | State::Drifted => {
            all.join(forbidden);
            all.join(facts.account.owner_delayed().and_then(of_failure).into_iter().collect());
            // What is not looked at is not told.
            if !forbidden.iter().any(Reason::is_mode_alone_watched) {
                all.join(of_flatness(facts, now));
            }
        }
    }
    if all.is_empty() && matches!(state, State::New | State::Pending | State::Drifted) {
        all.add(Reason::Acting);
    }
    if matches!(state, State::New | State::Pending | State::Drifted)
        && !forbidden.iter().any(Reason::is_deliberate)
    {
        all.join(refusals(target));
    }
    all
}

/// Why the last set was refused, as long as nothing else has come of one: what a human has to mend is not mended while the target
/// settles for the next try.
pub(super) fn refusals(target: &TargetFacts) -> Reasons {
    if target.intent.as_ref().is_some_and(may_still_act) {
        return Reasons::default();
    }
    let failed = [&target.set_refused, &target.lost].into_iter().flatten().filter_map(of_failure);
    let though_flat = target.refused_though_flat.filter(|refusals| refusals.waits);
    let all = failed.chain(though_flat.map(|_| Reason::RefusedThoughFlat));
    all.filter(|reason| reason.wants() == Wants::Human).collect()
}

/// What forbids a set that is wanted for `cause` even if the target is flat.
pub(super) fn forbids(facts: &Facts<'_>, cause: Cause, now: Moment) -> Reasons {
    let (target, brakes) = (facts.target, facts.brakes);
    let rows = [
        (Reason::Clock, facts.account.clock_contradicted.is_some()),
        (Reason::KeyTaken, facts.account.key_taken.as_ref().is_some_and(|taken| retry_taken(taken) > now)),
        (Reason::Suspended, target.wanted.policy.suspended.is_some()),
        (Reason::Paused, brakes.paused.as_ref().is_some_and(|pause| pause.stands(facts.account.clock, now))),
        (Reason::File, brakes.file.is_some()),
        (Reason::Ledger, brakes.ledger.as_ref().is_some_and(|trouble| trouble.retry_at > now)),
        // A set under way has already taken its share of the budget.
        (Reason::Held, !brakes.guard.lets_go() && target.intent.is_none()),
        (Reason::Fighting, cause == Cause::Drift && is_a_fight(&target.corrections)),
        (Reason::Reported, is_only_reported(facts, cause)),
        (Reason::Window, facts.account.clock.is_some() && !is_window_open(facts, now)),
        (Reason::RefusedThoughFlat, target.refused_though_flat.is_some_and(|r| retry_though_flat(r) > now)),
        (Reason::OutcomeUnknown, orphaned_set_ends(facts).is_some()),
    ];
    let mut all: Reasons = rows.into_iter().filter_map(|(reason, stands)| stands.then_some(reason)).collect();
    if let Some(failing) = target.set_refused.as_ref().filter(|failing| retry_at(failing) > now) {
        all.join(of_failure(failing).into_iter().collect());
    }
    if let Some(lost) = target.lost.as_ref().filter(|lost| retry_lost(lost) > now) {
        all.join(of_failure(lost).into_iter().collect());
    }
    all
}

/// Whether the file's drift policy asks to report a change wanted for `cause` instead of making it.
pub(super) fn is_only_reported(facts: &Facts<'_>, cause: Cause) -> bool {
    let guard = &facts.brakes.guard;
    // Drift is set back once for each approval, whether or not that had an effect: the next try is the operator's to decide.
    let is_approved = guard.approved && !(cause == Cause::Drift && guard.tried);
    needs_approval(facts.target.wanted.policy.drift, cause) && !is_approved
}

/// Whether a change wanted for `cause` is made only once somebody has approved it.
pub fn needs_approval(drift: DriftPolicy, cause: Cause) -> bool {
    match (drift, cause) {
        (DriftPolicy::Correct, _) | (DriftPolicy::Report, Cause::Pending) => false,
        (DriftPolicy::Report, Cause::Drift | Cause::New) => true,
    }
}

fn of_the_account(facts: &Facts<'_>, now: Moment) -> Reasons {
    let account = facts.account;
    let unclear_clock = account.clock.is_none_or(|clock| !clock.is_known_well(now));
    // While it is converting between two kinds, that is the more precise reason.
    let is_converting =
        account.failing.as_ref().is_some_and(|failing| failing.failure.class == Class::Converting);
    let rows = [
        (Reason::Ledger, account.ledger_away.is_some()),
        (Reason::Credential, account.credential.is_some()),
        (Reason::WrongAccount, account.wrong.is_some() || account.shared_key.is_some()),
        (Reason::Unsatisfiable, account.unsatisfiable.is_some()),
        (Reason::KindUnknown, account.is_unidentified() && !is_converting && was_looked_at(facts)),
        (Reason::Clock, unclear_clock && account.failing.is_none() && was_looked_at(facts)),
    ];
    let mut all: Reasons = rows.into_iter().filter_map(|(reason, stands)| stands.then_some(reason)).collect();
    if let Some(failing) = &account.failing {
        all.join(of_failure(failing).into_iter().collect());
    }
    all
}

/// What a wanted change still waits for: the host's requirements, and a target that is flat for long enough.
fn of_flatness(facts: &Facts<'_>, now: Moment) -> Reasons {
    let target = facts.target;
    let mut all = Reasons::default();
    if target.intent.is_none() && is_unmet(facts) {
        all.add(Reason::Requirement);
    }
    match (&target.intent, target.flatness.flat_span) {
        (Some(_), _) => {}
        (None, Some(run)) => {
            let is_too_slow = target.flatness.too_slow.is_some_and(|began| began > run.newest);
            if now < settles_at(facts, run) || is_too_slow {
                all.add(Reason::Settling);
            }
        }
        (None, None) => match target.flatness.open() {
            None => all.add(Reason::Settling),
            Some(_) => all.add(Reason::NotFlat),
        },
    }
    all
}

/// The reason that this failure is; none if only our own pace holds a request back.
pub(super) fn of_failure(failing: &Failing) -> Option<Reason> {
    Some(match failing.failure.class {
        Class::Busy { .. } => return None,
        Class::NotFlat => Reason::NotFlat,
        Class::Refused | Class::LeadsCopies | Class::AccountStatus => Reason::Refused,
        Class::WrongKind => Reason::KindUnknown,
        Class::Converting => Reason::Converting,
        Class::Credential => Reason::Credential,
        Class::Denied => Reason::Denied,
        Class::Clock | Class::Stale => Reason::Clock,
        Class::OurFault | Class::UnknownCode => Reason::Unexpected,
        Class::RateLimited | Class::Stopped { .. } => Reason::RateLimited,
        Class::TryAgain => Reason::Unreachable,
    })
}

/// Whether any three corrections lie within a day, even long ago: only a revision or an operator ends a fight.
pub fn is_a_fight(corrections: &[ServerTime]) -> bool {
    corrections.windows(FIGHT).any(|some| match some {
        [first, .., last] => last.since(*first) <= FIGHT_WINDOW,
        [_] | [] => false,
    })
}

pub(super) fn requires_nothing(facts: &Facts<'_>) -> bool {
    let Requirements(all) = &facts.target.wanted.policy.require;
    all.is_empty()
}

/// The check of this revision's requirements made since the newest flat verdict began: older ones are stale, and this
/// one is valid for no longer than that verdict.
pub(super) fn host_shown<'a>(facts: &Facts<'a>) -> Option<&'a HostReading> {
    let began = facts.target.flatness.flat_span?.newest;
    let HostReading { generation, asked, unmet: _ } = facts.account.host.as_ref()?;
    let counts = *generation == facts.target.wanted.generation && *asked >= began;
    facts.account.host.as_ref().filter(|_| counts)
}

pub(super) fn is_met(reading: &HostReading) -> bool {
    reading.unmet.is_empty()
}

/// Whether a valid check found requirements unmet.
pub(super) fn is_unmet(facts: &Facts<'_>) -> bool {
    !requires_nothing(facts) && host_shown(facts).is_some_and(|reading| !is_met(reading))
}

/// Whether the file's change windows allow a set. They follow the exchange's time: while that is unknown, none is open.
pub(super) fn is_window_open(facts: &Facts<'_>, now: Moment) -> bool {
    let windows = &facts.target.wanted.policy.windows;
    windows.0.is_empty() || facts.account.clock.is_some_and(|clock| windows.are_open(clock.at(now)))
}

/// The first opening after `since`, if no window was open then.
pub(super) fn window_opens(facts: &Facts<'_>, since: Moment) -> Option<Moment> {
    let clock = facts.account.clock?;
    Some(clock.moment(facts.target.wanted.policy.windows.next_opening(clock.at(since))?.at))
}

/// When the change windows open next or, where one is open, close.
pub(super) fn window_edge(facts: &Facts<'_>, now: Moment) -> Option<Moment> {
    let clock = facts.account.clock?;
    let closes = facts.target.wanted.policy.windows.open_until(clock.at(now)).map(|at| clock.moment(at));
    closes.or_else(|| window_opens(facts, now))
}

/// When a target that stays flat may be changed: `settle` after its first flat verdict, and not while the process is quiet.
pub(super) fn settles_at(facts: &Facts<'_>, run: FlatSpan) -> Moment {
    (run.since + facts.target.wanted.policy.settle).max(facts.account.quiet_until)
}

/// Whether it may be changed now: the first flat verdict is at least `settle` older than the newest, or one is enough with
/// `settle: 0s`; and the process is not quiet any more.
pub(super) fn has_settled(facts: &Facts<'_>, run: FlatSpan, now: Moment) -> bool {
    let settle = facts.target.wanted.policy.settle;
    now >= facts.account.quiet_until && (settle == Duration::ZERO || run.newest >= run.since + settle)
}

/// The exchange's time after which the set can no longer take effect.
pub(super) fn fence_ends(intent: &Intent) -> ServerTime {
    intent.stamp + FENCE
}

/// The end of the fence by our own clock: of a set of an earlier process, which may have left just before this one began, it is
/// that of the quiet.
pub(super) fn own_fence_ends(facts: &Facts<'_>, intent: &Intent) -> Moment {
    intent.own_fence.unwrap_or(facts.account.quiet_until)
}

/// When to check that a set of a removed target can no longer take effect: this target may now cover the mode that
/// it was to set. `None` once there is a read from after its fence.
pub(super) fn orphaned_set_ends(facts: &Facts<'_>) -> Option<Moment> {
    let ends = facts.account.orphaned_set_at? + FENCE;
    let by_ours = facts.account.orphaned_fence.max(facts.account.quiet_until);
    let seen = facts.target.seen;
    if seen.is_some_and(|seen| seen.server >= ends && seen.asked >= by_ours) {
        return None;
    }
    let passed = facts.account.clock.map_or(Moment(i64::MAX), |clock| clock.moment(ends).max(by_ours));
    // A read still dated before it means that our clock runs ahead: wait a little longer.
    Some(seen.map_or(passed, |seen| passed.max(seen.asked + CONFIRMING_LOOK)))
}
