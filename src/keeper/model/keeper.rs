//! The model's keeper: does the step that the protocol wants and learns from what comes back, with the functions that
//! the real one calls, and bends the rule of the mutation.

use std::time::Duration;

use super::mutation::Mutation;
use super::shared::{Noted, compare_host, is_still_there, note};
use super::transport::{Heard, believes_jumps, heard, stale};
use super::world::{Call, InFlightSet, Odd, Row, Side, Who, World, applied, intent, server_at};
use crate::constants::FENCE;
use crate::facts::{
    AccountFacts, Answer, Class, Facts, Failure, FlatSpan, HostReading, Identity, Intent, IntentState,
    KeyTaken, List, Seen, ServerClock, SetAnswer, TargetFacts,
};
use crate::moment::{Jitter, Moment};
use crate::position_mode::{Kind, PositionMode};
use crate::protocol::{Learned, Look, Record, Standing, Step, learn, lost_before, next, rank, recorded};

/// What the keeper would do next for a target.
pub(super) fn decide(world: &World, target: usize, mutation: Mutation) -> Step {
    let side = &world.targets[target];
    let brakes = world.brakes();
    // Without the pause after a lost set, which would do for a fence here.
    let shown = match mutation {
        Mutation::NoFence => Some(TargetFacts { lost: None, ..without_fence(&side.facts) }),
        Mutation::IntentStampedEarly | Mutation::OneWitness => {
            Some(TargetFacts { lost: None, ..side.facts.clone() })
        }
        Mutation::None
        | Mutation::IntentLostAtKill
        | Mutation::IntentNotWritten
        | Mutation::SendsAgainAfterAKill
        | Mutation::TrustsTheRecord
        | Mutation::NoRevisionCheck
        | Mutation::SilenceIsARefusal
        | Mutation::SuccessWithoutARead
        | Mutation::RepeatsTheRequest
        | Mutation::RecordsOnlyTheDesired
        | Mutation::UnreadIsEmpty
        | Mutation::UnreadIsInSync
        | Mutation::RestsBeforeItLooks
        | Mutation::NoQuietStart
        | Mutation::NoClaim
        | Mutation::SendsUponItsClaim
        | Mutation::OneWitnessAfterAKill
        | Mutation::BelievesAJump
        | Mutation::TakesAnyAnswer
        | Mutation::BelievesOldAnswers
        | Mutation::TakesAnyRefusal
        | Mutation::NoQuarantine
        | Mutation::NoUniqueIntent
        | Mutation::NoticeIgnored
        | Mutation::ConcludesAnothers => None,
        Mutation::SendsLate => Some(with_a_young_note(&side.facts, world.now)),
    };
    let facts =
        Facts { account: &world.account, brakes: &brakes, target: shown.as_ref().unwrap_or(&side.facts) };
    next(&facts, &Standing::of(&facts, world.now), world.now)
}

/// The step that the keeper does first: what is under way, then looks, and where all rest, the rest that ends first.
pub(super) fn most_urgent(world: &World, mutation: Mutation) -> (usize, Step) {
    let steps = (0..world.targets.len()).map(|target| (target, decide(world, target, mutation)));
    let brakes = world.brakes();
    let first = steps.min_by_key(|(target, step)| {
        let facts = Facts { account: &world.account, brakes: &brakes, target: &world.targets[*target].facts };
        let standing = Standing::of(&facts, world.now);
        let (rank, until) = rank(step, &facts, &standing, world.now);
        // Without the age of looks: whoever rests first has its turn first, again and again.
        let is_mutated = mutation == Mutation::RestsBeforeItLooks;
        match step {
            Step::Rest(_) if is_mutated => (0, until),
            Step::Look(_) if is_mutated => (rank, Moment(0)),
            Step::Rest(_)
            | Step::Look(_)
            | Step::LookAtHost
            | Step::Note(_)
            | Step::Send
            | Step::Withdraw(_)
            | Step::Record(_) => (rank, until),
        }
    });
    first.expect("an account has a target")
}

/// Takes over the newest accepted revision, as the keeper does at the top of its loop.
pub(super) fn sync_inputs(world: &mut World, mutation: Mutation) {
    compare_host(world);
    let now = world.now;
    for side in &mut world.targets {
        let noted = side.facts.intent.as_ref().is_some_and(|i| matches!(i.state, IntentState::Noted { .. }));
        let blind = mutation == Mutation::NoRevisionCheck && noted;
        if side.facts.wanted.mode != Some(side.file) && !blind {
            side.facts.wanted.mode = Some(side.file);
            side.facts.wished_anew(now);
            side.facts.corrections.clear();
            side.ledger.corrections.clear();
            side.ledger.lost = 0;
        }
    }
}

/// Does the step of a target that is not at rest. A look at the mode and a set leave a call behind.
pub(super) fn act(world: &mut World, target: usize, mutation: Mutation) {
    match decide(world, target, mutation) {
        Step::Look(Look::Mode) => look_at_mode(world, target, mutation),
        Step::Look(what @ (Look::List(list) | Look::Open(list))) => {
            look_at_list(world, target, what, list, mutation);
        }
        Step::Look(Look::Clock) => {
            let answer = world.answered(());
            hear(world, target, Look::Clock, answer, Learned::Clock, mutation);
        }
        Step::Look(Look::Kind) => {
            let answer = world.answered(Kind::Classic);
            hear(world, target, Look::Kind, answer, Learned::Kind, mutation);
        }
        Step::Look(Look::Account) => {
            let at = world.now + world.trip;
            let identity =
                Identity { uid: None, kind: Kind::Classic, uid_right: "read", warnings: Vec::new(), at };
            let answer = world.answered(identity);
            hear(world, target, Look::Account, answer, Learned::Account, mutation);
        }
        Step::LookAtHost => {
            let generation = world.targets[target].facts.wanted.generation;
            world.account.host = Some(HostReading { generation, asked: world.now, unmet: Vec::new() });
        }
        Step::Note(_) if !has_claim(world, mutation) => {}
        Step::Note(change) => {
            let clock = world.account.clock.expect("next wants no note without a clock");
            let stamp = clock.at(world.now) - early(mutation);
            let noted = intent(change, stamp, world.now, world.trip / 2);
            let own_fence = noted.own_fence.map(|end| end - early(mutation));
            let own_fence = own_fence.filter(|_| mutation != Mutation::OneWitness);
            let noted = Intent { own_fence, ..noted };
            let is_committed =
                mutation == Mutation::IntentNotWritten || note(world, target, &noted, mutation) == Noted::Yes;
            if is_committed {
                world.targets[target].facts.intent = Some(noted);
            }
        }
        Step::Send => send(world, target, mutation),
        Step::Withdraw(_) if !is_still_there(world, target, mutation) => {}
        Step::Withdraw(_) => close(&mut world.targets[target]),
        Step::Record(record) => write_down(world, target, record, mutation),
        Step::Rest(_) => {}
    }
}

/// Learns that a look failed.
pub(super) fn look_failed(world: &mut World, target: usize, look: Look, mutation: Mutation) {
    let nothing = match look {
        Look::List(list) | Look::Open(list) if mutation == Mutation::UnreadIsEmpty => Learned::List(
            list,
            Answer { value: 0, asked: world.now, answered: world.now, server: server_at(world.now) },
        ),
        Look::Clock | Look::Kind | Look::Account | Look::Mode | Look::List(_) | Look::Open(_) => {
            Learned::Failed(look, unreachable())
        }
    };
    learned(world, target, nothing);
}

/// Learns the answer that the keeper waits for.
pub(super) fn receive(world: &mut World, mutation: Mutation) {
    match world.call.take() {
        Some(Call::Mode { target, asked, mode, server, own }) => {
            world.now = world.now.max(asked + world.trip);
            let answer = Answer { value: mode, asked, answered: world.now, server };
            let is_believed = hear(world, target, Look::Mode, answer, Learned::Mode, mutation);
            if is_believed && own {
                world.targets[target].told.mode = Some((mode, world.now));
            }
        }
        Some(Call::Set { target, stamp: _, answer: Some(answer) }) => {
            let answered = world.answered(());
            let asked = answered.asked;
            hear_time(world, answered, mutation);
            let accepted = answer == SetAnswer::Accepted;
            let facts = &mut world.targets[target].facts;
            facts.answered(answer, world.now);
            if accepted && mutation == Mutation::SuccessWithoutARead {
                let mode = facts.intent.as_ref().expect("it was sent").change.to;
                facts.record_mode(Seen { mode, asked, answered: world.now, server: server_at(world.now) });
                write_down(world, target, Record::Confirmed, mutation);
            }
        }
        Some(Call::Set { answer: None, .. }) | None => {}
    }
}

/// Ends the call without an answer: the connection broke, or the call took too long.
pub(super) fn give_up(world: &mut World, mutation: Mutation) {
    let now = world.now;
    match world.call.take() {
        Some(Call::Mode { target, asked, .. }) if mutation == Mutation::UnreadIsInSync => {
            let side = &mut world.targets[target];
            side.facts.record_mode(Seen { mode: side.file, asked, answered: now, server: server_at(now) });
        }
        Some(Call::Mode { target, .. }) => look_failed(world, target, Look::Mode, mutation),
        Some(Call::Set { target, stamp, answer: _ }) if mutation == Mutation::RepeatsTheRequest => {
            let mode = world.targets[target].file;
            world.wire.push(InFlightSet { target, mode, stamp, by: Who::This, known: true });
            world.call = Some(Call::Set { target, stamp, answer: None });
        }
        Some(Call::Set { target, .. }) => {
            let silence = if mutation == Mutation::SilenceIsARefusal {
                SetAnswer::Refused(unreachable())
            } else {
                SetAnswer::Unclear(unreachable())
            };
            world.targets[target].facts.answered(silence, now);
        }
        None => {}
    }
}

/// Ends a set's call with an answer that settles nothing: one that says neither yes nor no, or the refusal of another set.
pub(super) fn hear_what_settles_nothing(world: &mut World, mutation: Mutation) {
    let Some(Call::Set { target, .. }) = world.call.take() else { return };
    let is_believed = !world.is_own() && mutation == Mutation::TakesAnyRefusal;
    let answer = world.answered(());
    hear_time(world, answer, mutation);
    let refusal = Failure { class: Class::RateLimited, code: None, say: String::new() };
    let answer = if is_believed { SetAnswer::Refused(refusal) } else { SetAnswer::Unclear(unreachable()) };
    world.targets[target].facts.answered(answer, world.now);
}

/// Kills and restarts the process: afterwards it knows only what the ledger holds, so a noted set is unclear.
pub(super) fn restart(world: &mut World, mutation: Mutation) {
    let now = world.now;
    let quiet_until = if mutation == Mutation::NoQuietStart { now } else { now + world.quiet };
    // Only the kind is in the ledger.
    world.account = AccountFacts { kind: world.account.kind, quiet_until, ..AccountFacts::default() };
    world.call = None;
    world.started = now;
    world.claim = world.claim.filter(|who| *who != Who::This);
    let own_fence = (mutation == Mutation::OneWitnessAfterAKill).then_some(now);
    for side in &mut world.targets {
        if mutation == Mutation::IntentLostAtKill {
            side.ledger.intent = None;
        }
        let state = if mutation == Mutation::SendsAgainAfterAKill {
            IntentState::Noted { at: now }
        } else {
            IntentState::of_another_process()
        };
        let Row { applied, intent, left: _, corrections, may_come_late, lost } = side.ledger.clone();
        side.facts = TargetFacts {
            applied,
            intent: intent.map(|intent| Intent { own_fence, state, ..intent }),
            corrections,
            may_come_late,
            lost: lost_before(lost, now),
            ..TargetFacts::new(side.facts.wanted.clone(), now)
        };
    }
}

/// Puts the copy of the ledger in its place while no process is there.
pub(super) fn restore(world: &mut World, mutation: Mutation) {
    let World { targets, wire, .. } = world;
    for request in wire.iter_mut().filter(|request| request.by == Who::This) {
        let kept = &targets[request.target].backup.intent;
        request.known &= kept.as_ref().is_some_and(|kept| kept.stamp == request.stamp);
    }
    for side in targets {
        side.ledger = side.backup.clone();
    }
    // The ledger that is put in its place may be from before it was known.
    world.account.kind = None;
    restart(world, mutation);
}

/// Takes the claim of the key, unless the other process has it. Until then that one may have sent a set of which this one
/// knows nothing, so that this one has to be quiet again.
fn has_claim(world: &mut World, mutation: Mutation) -> bool {
    if mutation == Mutation::NoClaim
        || world.beside.is_none()
        || world.shared.is_some()
        || world.claim == Some(Who::This)
    {
        return true;
    }
    if world.claim.is_some() {
        world.account.key_taken = Some(KeyTaken { say: String::new(), at: world.now });
        return false;
    }
    world.claim = Some(Who::This);
    world.account.key_taken = None;
    if mutation == Mutation::SendsUponItsClaim {
        return true;
    }
    world.account.quiet_until = world.now + world.quiet;
    false
}

fn look_at_mode(world: &mut World, target: usize, mutation: Mutation) {
    let (asked, server) = (world.now, world.written(world.now + world.trip / 2));
    let (odd, own) = (world.odd, world.is_own());
    let side = &mut world.targets[target];
    if let Some(applied) = side.facts.applied.filter(|_| mutation == Mutation::TrustsTheRecord) {
        side.facts.record_mode(Seen { mode: applied.mode, asked, answered: asked, server });
    } else {
        let mode = match odd {
            Odd::Nothing | Odd::Ahead(_) => side.live,
            Odd::Old(_) => other(side.live),
            Odd::Foreign => side.file,
        };
        world.call = Some(Call::Mode { target, asked, mode, server, own });
    }
}

fn look_at_list(world: &mut World, target: usize, what: Look, list: List, mutation: Mutation) {
    let own = world.is_own();
    let count = u32::from(own && list == List::Positions && world.targets[target].open);
    let answer = world.answered(count);
    let Answer { value: _, asked, answered, server: _ } = answer;
    let is_open_alone = matches!(what, Look::Open(_));
    let to = |answer| if is_open_alone { Learned::Open(list, answer) } else { Learned::List(list, answer) };
    let is_believed = hear(world, target, what, answer, to, mutation);
    if is_believed && own {
        world.targets[target].told.list(list, count, asked, answered);
    }
}

/// Learns what the client makes of an answer to a look; tells whether it is believed.
fn hear<T>(
    world: &mut World,
    target: usize,
    look: Look,
    answer: Answer<T>,
    to: impl FnOnce(Answer<T>) -> Learned,
    mutation: Mutation,
) -> bool {
    match heard(world.account.clock, look, answer, mutation) {
        Heard::Believed(answer) => {
            let Answer { value: _, asked, answered, server } = answer;
            learned(world, target, to(answer));
            if believes_jumps(mutation) {
                world.account.clock = Some(ServerClock::measured(asked, answered, server));
            }
            true
        }
        Heard::Jumped(answer) => {
            learned(world, target, to(answer));
            world.account.clock = None;
            true
        }
        Heard::Stale => {
            learned(world, target, Learned::Failed(look, stale()));
            world.account.clock = None;
            false
        }
    }
}

/// Learns the exchange's time from an answer to a set.
fn hear_time(world: &mut World, answer: Answer<()>, mutation: Mutation) {
    match heard(world.account.clock, Look::Mode, answer, mutation) {
        Heard::Believed(Answer { value: (), asked, answered, server }) => {
            world.account.note_server_time(asked, answered, server);
            if believes_jumps(mutation) {
                world.account.clock = Some(ServerClock::measured(asked, answered, server));
            }
        }
        Heard::Jumped(_) | Heard::Stale => world.account.clock = None,
    }
}

fn learned(world: &mut World, target: usize, learned: Learned) {
    learn(&mut world.account, &mut world.targets[target].facts, learned, world.now, Jitter(0));
}

fn send(world: &mut World, target: usize, mutation: Mutation) {
    let noted = world.targets[target].facts.intent.as_ref().expect("next wants no send without an intent");
    let stamp = noted.stamp + early(mutation);
    let is_there = |kept: &Intent| kept.stamp == noted.stamp;
    let known = world.shared.is_none() || world.targets[target].ledger.intent.as_ref().is_some_and(is_there);
    let request = InFlightSet { target, mode: noted.change.to, stamp, by: Who::This, known };
    world.targets[target].ledger.left |= known;
    world.wire.push(request);
    world.call = Some(Call::Set { target, stamp: request.stamp, answer: None });
}

fn write_down(world: &mut World, target: usize, record: Record, mutation: Mutation) {
    if !is_still_there(world, target, mutation) {
        return;
    }
    let now = world.now;
    let side = &mut world.targets[target];
    let mut applied = record.applied(&side.facts);
    if mutation == Mutation::RecordsOnlyTheDesired && !matches!(record, Record::Applied(_) | Record::Late(_))
    {
        applied = applied.filter(|applied| applied.mode == side.file);
    }
    recorded(record, applied, &mut world.account, &mut side.facts, now, Jitter(0));
    let TargetFacts { applied, intent, corrections, may_come_late, lost, .. } = &side.facts;
    // The time and way of applying make no difference here.
    side.ledger.applied = applied.map(|applied| self::applied(applied.mode));
    side.ledger.corrections.clone_from(corrections);
    side.ledger.may_come_late = *may_come_late;
    side.ledger.lost = lost.as_ref().map_or(0, |lost| lost.tries);
    if intent.is_none() {
        side.ledger.intent = None;
    }
    side.facts.applied = side.ledger.applied;
}

fn close(side: &mut Side) {
    side.ledger.intent = None;
    side.facts.intent = None;
}

fn without_fence(facts: &TargetFacts) -> TargetFacts {
    let intent =
        facts.intent.clone().map(|intent| Intent { stamp: intent.stamp - FENCE, own_fence: None, ..intent });
    TargetFacts { intent, ..facts.clone() }
}

fn with_a_young_note(facts: &TargetFacts, now: Moment) -> TargetFacts {
    let mut facts = facts.clone();
    if let Some(Intent { state: IntentState::Noted { at }, .. }) = &mut facts.intent {
        *at = now;
        facts.flatness.flat_span = facts.flatness.flat_span.map(|span| FlatSpan { newest: now, ..span });
    }
    facts
}

fn early(mutation: Mutation) -> Duration {
    if mutation == Mutation::IntentStampedEarly { Duration::from_secs(10) } else { Duration::ZERO }
}

/// The mode that this one is not.
pub(super) fn other(mode: PositionMode) -> PositionMode {
    match mode {
        PositionMode::OneWay => PositionMode::Hedge,
        PositionMode::Hedge => PositionMode::OneWay,
    }
}

fn unreachable() -> Failure {
    Failure { class: Class::TryAgain, code: None, say: String::new() }
}
