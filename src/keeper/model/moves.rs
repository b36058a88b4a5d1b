//! What can happen next in a world, and the world after it. Faults are counted; everything else may happen whenever it
//! can, in any order.

use std::fmt;
use std::time::Duration;

use super::invariants::{self, Broken, Unwatched};
use super::keeper::{self, decide, other};
use super::mutation::Mutation;
use super::shared;
use super::world::{Call, Faults, NO_FAULTS, Odd, Shared, Who, World, server_at};
use crate::facts::{Class, Failure, SetAnswer};
use crate::moment::Moment;
use crate::protocol::{Look, Rest, Step};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The keeper does the step that `next` wants.
    Act { by: Who, target: usize },
    /// The answer arrives.
    Receive { by: Who },
    /// The exchange handles a set that is on its way.
    Handle { request: usize },
    /// Every target rests, in all processes: time passes until the first rest ends.
    Wait,
    /// The ledger is copied.
    Backup { by: Who },
    /// A position is closed.
    Close { target: usize },
    /// The file is accepted again.
    Mend,
    /// A fault: a look at the clock, the account or a list fails.
    LoseLook { by: Who, target: usize },
    /// A fault: the request or its answer is lost; the set may still be on its way.
    LoseAnswer { by: Who },
    /// A fault: the keeper looks, and something is wrong with the answer.
    LookOddly { by: Who, target: usize, odd: Odd },
    /// A fault: something is wrong with the answer to a set, which settles nothing; the set may still be on its way.
    AnswerOddly { by: Who, odd: Odd },
    /// A fault: the daemon, or its machine, stands still for so long.
    Stall(Duration),
    /// A fault: the process is killed and started again.
    Kill { by: Who },
    /// A fault: the same, and in between its ledger is replaced by the copy of it.
    Restore { by: Who },
    /// A fault: the file gives the account to the other host.
    Assign,
    /// A host reads that in its file.
    See { by: Who },
    /// A fault: the process is stopped in the middle of what it does, while the other one goes on.
    Stop { by: Who },
    /// It goes on.
    Continue { by: Who },
    /// A fault: the next commit of a note gets no answer, or one with a warning.
    Doubt,
    /// That commit turns out to be done.
    Surface,
    /// That commit turns out to be undone.
    Vanish,
    /// A fault: what the copy of the shared ledger does not have is lost, and the processes go on.
    FailOver,
    /// Counted as a fault because it delays convergence: new content of the file is not acceptable.
    Reject,
    /// Counted as a fault for the same reason: a new revision wants the other mode.
    Edit { target: usize },
    /// A fault: a human changes the mode at the exchange.
    Flip { target: usize },
    /// A fault: a position is opened.
    Open { target: usize },
}

/// One within the age of a verdict and of a note (5 s each), and one longer than a fence (35 s).
const STALLS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(36)];
/// What may be wrong with an answer. A clock is ahead by nearly as much as the exchange bears in a timestamp, or by more than
/// a fence; what is old is so well beyond all doubts.
const ODD: [Odd; 4] = [
    Odd::Ahead(Duration::from_secs(28)),
    Odd::Ahead(Duration::from_secs(40)),
    Odd::Old(Duration::from_secs(20)),
    Odd::Foreign,
];

/// All moves that are possible in `world`.
pub(super) fn moves(world: &World, mutation: Mutation) -> Vec<Move> {
    let mut all = Vec::new();
    let mut all_rest = true;
    for by in world.processes().iter().copied() {
        let world = &*world.seen_by(by);
        let of_two_hosts = [Move::See { by }, Move::Stop { by }, Move::Continue { by }];
        all.extend(of_two_hosts.into_iter().filter(|step| step.is_possible(world)));
        if world.is_stopped() {
            continue;
        }
        let of_the_keeper = of_the_keeper(world, by, mutation);
        all_rest &= of_the_keeper.is_empty();
        let faults = [Move::LoseAnswer { by }, Move::Kill { by }, Move::Restore { by }];
        let answers = ODD.map(|odd| Move::AnswerOddly { by, odd });
        let own = of_the_keeper.into_iter().chain([Move::Backup { by }]).chain(faults).chain(answers);
        all.extend(own.filter(|step| step.is_possible(world)));
    }
    if all_rest {
        all.push(Move::Wait);
    } else {
        // A stall during a rest is the same as a stall after it.
        all.extend(STALLS.into_iter().map(Move::Stall));
    }
    all.extend((0..world.wire.len()).map(|request| Move::Handle { request }));
    all.extend([Move::Reject, Move::Mend]);
    all.extend([Move::Assign, Move::Doubt, Move::Surface, Move::Vanish, Move::FailOver]);
    for target in 0..world.targets.len() {
        all.extend([
            Move::Close { target },
            Move::Edit { target },
            Move::Flip { target },
            Move::Open { target },
        ]);
    }
    all.retain(|step| step.by() == Who::Other || step.is_possible(world));
    all
}

/// The world after a move, shifted back to the fixed now; the error is the invariant that the move breaks.
pub(super) fn after(
    before: &World,
    step: Move,
    mutation: Mutation,
    unwatched: Unwatched,
) -> Result<World, Broken> {
    let before = &*before.seen_by(step.by());
    let mut world = before.clone();
    if let Some(left) = step.budget(&mut world.left) {
        *left -= 1;
        world.left.in_all -= u8::from(step.is_fault());
    }
    match step {
        Move::Act { by: _, target } => keeper::act(&mut world, target, mutation),
        Move::Receive { by: _ } => keeper::receive(&mut world, mutation),
        Move::Handle { request } => handle(&mut world, request),
        Move::Wait => world.now = rest_of_all(&world, mutation),
        Move::Backup { by: _ } => {
            for side in &mut world.targets {
                side.backup = side.ledger.clone();
            }
        }
        Move::Close { target } => world.targets[target].open = false,
        Move::LoseLook { by: _, target } => {
            if let Step::Look(look) = decide(&world, target, mutation) {
                keeper::look_failed(&mut world, target, look, mutation);
            }
        }
        Move::LoseAnswer { by: _ } => keeper::give_up(&mut world, mutation),
        Move::LookOddly { by: _, target, odd } => {
            world.odd = arriving(odd, mutation);
            keeper::act(&mut world, target, mutation);
        }
        Move::AnswerOddly { by: _, odd } => {
            world.odd = odd;
            keeper::hear_what_settles_nothing(&mut world, mutation);
        }
        Move::Stall(span) => world.now = world.now + span,
        Move::Kill { by: _ } => keeper::restart(&mut world, mutation),
        Move::Restore { by: _ } => keeper::restore(&mut world, mutation),
        Move::Edit { target } => {
            let side = &mut world.targets[target];
            side.file = other(side.file);
        }
        Move::Assign => of_hosts(&mut world, |shared| shared.assigned = shared.assigned.other()),
        Move::See { by: _ } => of_hosts(&mut world, |shared| shared.here = !shared.here),
        Move::Stop { by: _ } => of_hosts(&mut world, |shared| shared.stopped = Some(Who::This)),
        Move::Continue { by: _ } => of_hosts(&mut world, |shared| shared.stopped = None),
        Move::Doubt => of_hosts(&mut world, |shared| shared.is_doubtful = true),
        Move::Vanish => of_hosts(&mut world, |shared| shared.doubt = None),
        Move::Surface => shared::surface(&mut world),
        Move::FailOver => shared::fail_over(&mut world),
        Move::Reject => world.rejected = true,
        Move::Mend => world.rejected = false,
        Move::Flip { target } => {
            let side = &mut world.targets[target];
            side.live = other(side.live);
        }
        Move::Open { target } => world.targets[target].open = true,
    }
    world.odd = Odd::Nothing;
    if let Some(left) = world.wire.get(before.wire.len()) {
        invariants::when_a_set_leaves(before, left, unwatched)?;
    }
    for _ in world.processes() {
        if world.call.is_none() && !world.is_stopped() {
            keeper::sync_inputs(&mut world, mutation);
            invariants::in_every_state(&world, mutation, unwatched)?;
        }
        world.turn();
    }
    let world = world.rebased();
    Ok(match step.by() {
        Who::This => world,
        Who::Other => world.seen_by(Who::Other).into_owned(),
    })
}

/// The moves of the keeper that sees this world: wait for its answer, or do the most urgent step. None if all its targets
/// rest.
fn of_the_keeper(world: &World, by: Who, mutation: Mutation) -> Vec<Move> {
    if world.call.is_some() {
        return vec![Move::Receive { by }];
    }
    let (target, step) = keeper::most_urgent(world, mutation);
    let act = Move::Act { by, target };
    let odd = ODD.map(|odd| Move::LookOddly { by, target, odd });
    match step {
        Step::Rest(_) => Vec::new(),
        Step::Look(Look::Clock | Look::Kind | Look::Account | Look::List(_) | Look::Open(_)) => {
            [act, Move::LoseLook { by, target }].into_iter().chain(odd).collect()
        }
        Step::Look(Look::Mode) => [act].into_iter().chain(odd).collect(),
        Step::LookAtHost | Step::Note(_) | Step::Send | Step::Withdraw(_) | Step::Record(_) => vec![act],
    }
}

fn of_hosts(world: &mut World, change: impl FnOnce(&mut Shared)) {
    if let Some(shared) = &mut world.shared {
        change(shared);
    }
}

/// What arrives where something is wrong with an answer: a foreign one is not taken, as each question has a stream or a
/// connection of its own.
fn arriving(odd: Odd, mutation: Mutation) -> Odd {
    if odd == Odd::Foreign && mutation != Mutation::TakesAnyAnswer { Odd::Nothing } else { odd }
}

/// When the first rest ends.
fn rest_of_all(world: &World, mutation: Mutation) -> Moment {
    let awake = world.processes().iter().filter(|who| !world.seen_by(**who).is_stopped());
    let rests = awake.map(|who| match keeper::most_urgent(&world.seen_by(*who), mutation).1 {
        Step::Rest(Rest { until, ends_with: _ }) => until,
        Step::Look(_)
        | Step::LookAtHost
        | Step::Note(_)
        | Step::Send
        | Step::Withdraw(_)
        | Step::Record(_) => world.now,
    });
    rests.min().unwrap_or(world.now)
}

/// The exchange executes a set that is in time if nothing is open, and refuses it otherwise.
fn handle(world: &mut World, request: usize) {
    let set = world.wire[request];
    let in_time = set.in_time(server_at(world.now));
    world.wire.remove(request);
    let side = &mut world.targets[set.target];
    let handled = if !in_time {
        SetAnswer::Refused(refusal(Class::Clock))
    } else if side.open {
        SetAnswer::Refused(refusal(Class::NotFlat))
    } else {
        side.live = set.mode;
        SetAnswer::Accepted
    };
    if set.by == Who::Other {
        world.turn();
    }
    if let Some(Call::Set { target, stamp, answer }) = &mut world.call
        && (*target, *stamp) == (set.target, set.stamp)
    {
        *answer = Some(handled);
    }
    if set.by == Who::Other {
        world.turn();
    }
}

fn refusal(class: Class) -> Failure {
    Failure { class, code: None, say: String::new() }
}

impl Move {
    /// Whether it no longer happens once faults stop.
    pub(super) fn is_fault(self) -> bool {
        let is_backup = matches!(self, Move::Backup { .. });
        !is_backup && self.budget(&mut NO_FAULTS.clone()).is_some()
    }

    /// Whose move it is; the one that sees the world if it is nobody's.
    pub(super) fn by(self) -> Who {
        match self {
            Move::Act { by, .. }
            | Move::Receive { by }
            | Move::Backup { by }
            | Move::LoseLook { by, .. }
            | Move::LoseAnswer { by }
            | Move::LookOddly { by, .. }
            | Move::AnswerOddly { by, .. }
            | Move::See { by }
            | Move::Stop { by }
            | Move::Continue { by }
            | Move::Kill { by }
            | Move::Restore { by } => by,
            Move::Handle { .. }
            | Move::Wait
            | Move::Close { .. }
            | Move::Mend
            | Move::Stall(_)
            | Move::Assign
            | Move::Doubt
            | Move::Surface
            | Move::Vanish
            | Move::FailOver
            | Move::Reject
            | Move::Edit { .. }
            | Move::Flip { .. }
            | Move::Open { .. } => Who::This,
        }
    }

    fn budget(self, left: &mut Faults) -> Option<&mut u8> {
        match self {
            Move::Act { .. }
            | Move::Receive { .. }
            | Move::Handle { .. }
            | Move::Wait
            | Move::Close { .. }
            | Move::See { .. }
            | Move::Continue { .. }
            | Move::Surface
            | Move::Vanish
            | Move::Mend => None,
            Move::Assign => Some(&mut left.hosts),
            Move::Stop { .. } => Some(&mut left.stops),
            Move::Doubt => Some(&mut left.doubts),
            Move::FailOver => Some(&mut left.failovers),
            Move::Backup { .. } => Some(&mut left.backups),
            Move::LoseLook { .. } | Move::LoseAnswer { .. } => Some(&mut left.losses),
            Move::LookOddly { odd, .. } | Move::AnswerOddly { odd, .. } => match odd {
                Odd::Nothing => None,
                Odd::Ahead(_) => Some(&mut left.jumps),
                Odd::Old(_) => Some(&mut left.replays),
                Odd::Foreign => Some(&mut left.strays),
            },
            Move::Stall(_) => Some(&mut left.stalls),
            Move::Kill { .. } => Some(&mut left.kills),
            Move::Restore { .. } => Some(&mut left.restores),
            Move::Edit { .. } => Some(&mut left.edits),
            Move::Reject => Some(&mut left.rejections),
            Move::Flip { .. } => Some(&mut left.flips),
            Move::Open { .. } => Some(&mut left.opens),
        }
    }

    /// In the world as the process sees it whose move it is.
    fn is_possible(self, world: &World) -> bool {
        let mut left = world.left;
        if self.budget(&mut left).is_some_and(|left| *left == 0) || self.is_fault() && world.left.in_all == 0
        {
            return false;
        }
        let is_unhandled = matches!(world.call, Some(Call::Set { answer: None, .. }));
        let of_shared = |is: fn(&Shared) -> bool| world.shared.as_ref().is_some_and(is);
        match self {
            Move::Assign => world.shared.is_some(),
            Move::See { .. } => {
                !world.is_stopped() && of_shared(|shared| shared.here != (shared.assigned == Who::This))
            }
            Move::Stop { .. } => of_shared(|shared| shared.stopped.is_none()),
            Move::Continue { .. } => world.is_stopped(),
            Move::Doubt => of_shared(|shared| !shared.is_doubtful && shared.doubt.is_none()),
            Move::Surface | Move::Vanish => of_shared(|shared| shared.doubt.is_some()),
            Move::FailOver => of_shared(|shared| shared.quiet_after.is_none()),
            Move::Act { .. }
            | Move::Handle { .. }
            | Move::Wait
            | Move::LoseLook { .. }
            | Move::LookOddly { .. }
            | Move::Stall(_)
            | Move::Kill { .. }
            | Move::Restore { .. }
            | Move::Edit { .. } => true,
            Move::Reject => !world.rejected,
            Move::Mend => world.rejected,
            Move::Receive { .. } => !is_unhandled,
            Move::LoseAnswer { .. } => world.call.is_some(),
            Move::AnswerOddly { .. } => is_unhandled,
            Move::Backup { .. } => world.targets.iter().any(|side| side.backup != side.ledger),
            Move::Close { target } => world.targets[target].open,
            Move::Flip { target } | Move::Open { target } => !world.targets[target].open,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let the = match self.by() {
            Who::This => "the",
            Who::Other => "the other",
        };
        match self {
            Move::Act { by: _, target } => write!(out, "{the} keeper acts for target {target}"),
            Move::Receive { by: _ } => write!(out, "{the} answer arrives"),
            Move::Handle { request } => write!(out, "the exchange handles set {request} on the wire"),
            Move::Wait => write!(out, "time passes until the rest ends"),
            Move::Backup { by: _ } => write!(out, "{the} ledger is copied"),
            Move::Close { target } => write!(out, "target {target} becomes flat"),
            Move::LoseLook { by: _, target } => write!(out, "{the} look for target {target} brings nothing"),
            Move::LoseAnswer { by: _ } => write!(out, "{the} answer never arrives"),
            Move::LookOddly { by: _, target, odd } => {
                write!(out, "{the} keeper acts for target {target}, and the answer is {odd:?}")
            }
            Move::AnswerOddly { by: _, odd } => {
                write!(out, "{the} set gets an answer that settles nothing and is {odd:?}")
            }
            Move::Stall(span) => write!(out, "time passes while no process does anything: {span:?}"),
            Move::Kill { by: _ } => write!(out, "{the} daemon is killed and started again"),
            Move::Restore { by: _ } => {
                write!(out, "{the} daemon is killed and started again with the copy of its ledger")
            }
            Move::Assign => write!(out, "the file gives the account to the other host"),
            Move::See { by: _ } => write!(out, "{the} host reads in the file whose the account is"),
            Move::Stop { by: _ } => write!(out, "{the} process is stopped"),
            Move::Continue { by: _ } => write!(out, "{the} process goes on"),
            Move::Doubt => write!(out, "the next note's commit will get no answer"),
            Move::Surface => write!(out, "the commit without an answer was done"),
            Move::Vanish => write!(out, "the commit without an answer was not done"),
            Move::FailOver => write!(out, "the database loses what its copy does not have"),
            Move::Edit { target } => write!(out, "a new revision wants the other mode for target {target}"),
            Move::Reject => write!(out, "new content of the file is rejected"),
            Move::Mend => write!(out, "the file is accepted again"),
            Move::Flip { target } => write!(out, "a human changes the mode of target {target}"),
            Move::Open { target } => write!(out, "a position of target {target} is opened"),
        }
    }
}
