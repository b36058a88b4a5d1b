//! The model's keeper: does the step that the protocol wants and learns from what comes back, with the functions that
//! the real one calls. The mutations that bend it are here too.

use std::time::Duration;

use super::world::{Call, InFlightSet, ROUND_TRIP, Row, Side, World, applied, intent, server_at};
use crate::constants::FENCE;
use crate::facts::{
    AccountFacts, Answer, Class, Facts, Failure, HostReading, Identity, Intent, IntentState, List, Seen,
    SetAnswer, TargetFacts,
};
use crate::moment::{Jitter, Moment};
use crate::position_mode::Kind;
use crate::protocol::{Learned, Look, Record, Standing, Step, learn, lost_before, next, rank, recorded};

/// The rule of the keeper that is bent, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The correct keeper.
    None,
    /// Treats the fence as passed at once.
    NoFence,
    /// The intent is only in the page cache when the set leaves: a kill loses it.
    IntentLostAtKill,
    /// Sends without an intent on disk.
    IntentNotWritten,
    /// After a kill, treats a noted set as one that has not left.
    SendsAgainAfterAKill,
    /// Notes a timestamp that is ten seconds earlier than the one it signs with.
    IntentStampedEarly,
    /// Treats the mode that the ledger holds as applied as the live one.
    TrustsTheRecord,
    /// Does not check for a newer revision between note and send.
    NoRevisionCheck,
    /// Treats a missing answer as a refusal.
    SilenceIsARefusal,
    /// Treats `00000` as confirmed, without a read.
    SuccessWithoutARead,
    /// Repeats a request that was not answered, within the same call.
    RepeatsTheRequest,
    /// Records a set of its own as applied only if the file still wants its mode.
    RecordsOnlyTheDesired,
    /// Treats a list that could not be read as empty.
    UnreadIsEmpty,
    /// Treats a mode that could not be read as the desired one.
    UnreadIsInSync,
    /// Rests for one target before it looks at another, whichever it looked at longest ago.
    RestsBeforeItLooks,
}

/// What the keeper would do next for a target.
pub(super) fn decide(world: &World, target: usize, mutation: Mutation) -> Step {
    let side = &world.targets[target];
    let brakes = world.brakes();
    // Without the pause after a lost set, which would do for a fence here.
    let shown = match mutation {
        Mutation::NoFence => Some(TargetFacts { lost: None, ..without_fence(&side.facts) }),
        Mutation::IntentStampedEarly => Some(TargetFacts { lost: None, ..side.facts.clone() }),
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
        | Mutation::RestsBeforeItLooks => None,
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
        Step::Look(what @ (Look::List(list) | Look::Open(list))) => look_at_list(world, target, what, list),
        Step::Look(Look::Clock) => {
            let answer = answered_at_once(world, ());
            learned(world, target, Learned::Clock(answer));
        }
        Step::Look(Look::Kind) => {
            let answer = answered_at_once(world, Kind::Classic);
            learned(world, target, Learned::Kind(answer));
        }
        Step::Look(Look::Account) => {
            let at = world.now + ROUND_TRIP;
            let identity =
                Identity { uid: None, kind: Kind::Classic, uid_right: "read", warnings: Vec::new(), at };
            let answer = answered_at_once(world, identity);
            learned(world, target, Learned::Account(answer));
        }
        Step::LookAtHost => {
            let generation = world.targets[target].facts.wanted.generation;
            world.account.host = Some(HostReading { generation, asked: world.now, unmet: Vec::new() });
        }
        Step::Note(change) => {
            let clock = world.account.clock.expect("next wants no note without a clock");
            let stamp = clock.at(world.now) - early(mutation);
            let noted = intent(change, stamp, world.now);
            let own_fence = noted.own_fence.map(|end| end - early(mutation));
            let noted = Intent { own_fence, ..noted };
            let side = &mut world.targets[target];
            if mutation != Mutation::IntentNotWritten {
                side.ledger.intent = Some(noted.clone());
                side.ledger.left = false;
            }
            side.facts.intent = Some(noted);
        }
        Step::Send => send(world, target, mutation),
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
        Some(Call::Mode { target, asked, mode, server }) => {
            world.now = world.now.max(asked + ROUND_TRIP);
            let answer = Answer { value: mode, asked, answered: world.now, server };
            learned(world, target, Learned::Mode(answer));
            world.targets[target].told.mode = Some((mode, world.now));
        }
        Some(Call::Set { target, stamp: _, answer: Some(answer) }) => {
            let Answer { value: (), asked, answered, server } = answered_at_once(world, ());
            world.account.note_server_time(asked, answered, server);
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
            world.wire.push(InFlightSet { target, mode, stamp });
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

/// Kills and restarts the process: afterwards it knows only what the ledger holds, so a noted set is unclear.
pub(super) fn restart(world: &mut World, mutation: Mutation) {
    let now = world.now;
    world.account = AccountFacts::default();
    world.call = None;
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
            intent: intent.map(|intent| Intent { own_fence: None, state, ..intent }),
            corrections,
            may_come_late,
            lost: lost_before(lost, now),
            ..TargetFacts::new(side.facts.wanted.clone(), now)
        };
    }
}

fn look_at_mode(world: &mut World, target: usize, mutation: Mutation) {
    let (asked, server) = (world.now, server_at(world.now + ROUND_TRIP / 2));
    let side = &mut world.targets[target];
    if let Some(applied) = side.facts.applied.filter(|_| mutation == Mutation::TrustsTheRecord) {
        side.facts.record_mode(Seen { mode: applied.mode, asked, answered: asked, server });
    } else {
        world.call = Some(Call::Mode { target, asked, mode: side.live, server });
    }
}

fn look_at_list(world: &mut World, target: usize, what: Look, list: List) {
    let count = u32::from(list == List::Positions && world.targets[target].open);
    let answer = answered_at_once(world, count);
    world.targets[target].told.list(list, count, answer.asked, answer.answered);
    let is_open_alone = matches!(what, Look::Open(_));
    let list = if is_open_alone { Learned::Open(list, answer) } else { Learned::List(list, answer) };
    learned(world, target, list);
}

/// An answer that nothing delays.
fn answered_at_once<T>(world: &mut World, value: T) -> Answer<T> {
    let asked = world.now;
    world.now = asked + ROUND_TRIP;
    Answer { value, asked, answered: world.now, server: server_at(asked + ROUND_TRIP / 2) }
}

fn learned(world: &mut World, target: usize, learned: Learned) {
    learn(&mut world.account, &mut world.targets[target].facts, learned, world.now, Jitter(0));
}

fn send(world: &mut World, target: usize, mutation: Mutation) {
    let noted = world.targets[target].facts.intent.as_ref().expect("next wants no send without an intent");
    let request = InFlightSet { target, mode: noted.change.to, stamp: noted.stamp + early(mutation) };
    world.targets[target].ledger.left = true;
    world.wire.push(request);
    world.call = Some(Call::Set { target, stamp: request.stamp, answer: None });
}

fn write_down(world: &mut World, target: usize, record: Record, mutation: Mutation) {
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

fn early(mutation: Mutation) -> Duration {
    if mutation == Mutation::IntentStampedEarly { Duration::from_secs(10) } else { Duration::ZERO }
}

fn unreachable() -> Failure {
    Failure { class: Class::TryAgain, code: None, say: String::new() }
}
