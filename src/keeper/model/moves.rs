//! What can happen next in a world, and the world after it. Faults are counted; everything else may happen whenever it
//! can, in any order.

use std::fmt;
use std::time::Duration;

use super::invariants::{self, Broken, Unwatched};
use super::keeper::{self, Mutation, decide};
use super::world::{Call, Faults, NO_FAULTS, World};
use crate::facts::{Class, Failure, SetAnswer};
use crate::moment::Moment;
use crate::position_mode::PositionMode;
use crate::protocol::{Look, Rest, Step};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The keeper does the step that `next` wants.
    Act { target: usize },
    /// The answer arrives.
    Receive,
    /// The exchange handles a set that is on its way.
    Handle { request: usize },
    /// Every target rests: time passes until the first rest ends.
    Wait,
    /// A position is closed.
    Close { target: usize },
    /// The file is accepted again.
    Mend,
    /// A fault: a look at the clock, the account or a list fails.
    LoseLook { target: usize },
    /// A fault: the request or its answer is lost; the set may still be on its way.
    LoseAnswer,
    /// A fault: the daemon, or its machine, stands still for so long.
    Stall(Duration),
    /// A fault: the process is killed and started again.
    Kill,
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

/// All moves that are possible in `world`.
pub(super) fn moves(world: &World, mutation: Mutation) -> Vec<Move> {
    let mut all = of_the_keeper(world, mutation);
    // A stall during a rest is the same as a stall after it.
    if !all.contains(&Move::Wait) {
        all.extend(STALLS.into_iter().map(Move::Stall));
    }
    all.extend((0..world.wire.len()).map(|request| Move::Handle { request }));
    all.extend([Move::LoseAnswer, Move::Kill, Move::Reject, Move::Mend]);
    for target in 0..world.targets.len() {
        all.extend([
            Move::Close { target },
            Move::Edit { target },
            Move::Flip { target },
            Move::Open { target },
        ]);
    }
    all.retain(|step| step.is_possible(world));
    all
}

/// The world after a move, shifted back to the fixed now; the error is the invariant that the move breaks.
pub(super) fn after(
    before: &World,
    step: Move,
    mutation: Mutation,
    unwatched: Unwatched,
) -> Result<World, Broken> {
    let mut world = before.clone();
    if let Some(left) = step.budget(&mut world.left) {
        *left -= 1;
        world.left.in_all -= 1;
    }
    match step {
        Move::Act { target } => keeper::act(&mut world, target, mutation),
        Move::Receive => keeper::receive(&mut world, mutation),
        Move::Handle { request } => handle(&mut world, request),
        Move::Wait => world.now = rest_of_all(&world, mutation),
        Move::Close { target } => world.targets[target].open = false,
        Move::LoseLook { target } => {
            if let Step::Look(look) = decide(&world, target, mutation) {
                keeper::look_failed(&mut world, target, look, mutation);
            }
        }
        Move::LoseAnswer => keeper::give_up(&mut world, mutation),
        Move::Stall(span) => world.now = world.now + span,
        Move::Kill => keeper::restart(&mut world, mutation),
        Move::Edit { target } => {
            let side = &mut world.targets[target];
            side.file = other(side.file);
        }
        Move::Reject => world.rejected = true,
        Move::Mend => world.rejected = false,
        Move::Flip { target } => {
            let side = &mut world.targets[target];
            side.live = other(side.live);
        }
        Move::Open { target } => world.targets[target].open = true,
    }
    if let Some(left) = world.wire.get(before.wire.len()) {
        invariants::when_a_set_leaves(before, left, unwatched)?;
    }
    if world.call.is_none() {
        keeper::sync_inputs(&mut world, mutation);
        invariants::in_every_state(&world, mutation, unwatched)?;
    }
    Ok(world.rebased())
}

/// The keeper's moves: wait for its answer, or do the most urgent step, or rest if all targets rest.
fn of_the_keeper(world: &World, mutation: Mutation) -> Vec<Move> {
    if world.call.is_some() {
        return vec![Move::Receive];
    }
    let (target, step) = keeper::most_urgent(world, mutation);
    match step {
        Step::Rest(_) => vec![Move::Wait],
        Step::Look(Look::Clock | Look::Kind | Look::Account | Look::List(_) | Look::Open(_)) => {
            vec![Move::Act { target }, Move::LoseLook { target }]
        }
        Step::Look(Look::Mode)
        | Step::LookAtHost
        | Step::Note(_)
        | Step::Send
        | Step::Withdraw(_)
        | Step::Record(_) => {
            vec![Move::Act { target }]
        }
    }
}

/// When the first rest ends.
fn rest_of_all(world: &World, mutation: Mutation) -> Moment {
    match keeper::most_urgent(world, mutation).1 {
        Step::Rest(Rest { until, ends_with: _ }) => until,
        Step::Look(_)
        | Step::LookAtHost
        | Step::Note(_)
        | Step::Send
        | Step::Withdraw(_)
        | Step::Record(_) => world.now,
    }
}

/// The exchange executes a set that is in time if nothing is open, and refuses it otherwise.
fn handle(world: &mut World, request: usize) {
    let set = world.wire[request];
    let in_time = world.may_take_effect(&set);
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
    if let Some(Call::Set { target, stamp, answer }) = &mut world.call
        && (*target, *stamp) == (set.target, set.stamp)
    {
        *answer = Some(handled);
    }
}

fn refusal(class: Class) -> Failure {
    Failure { class, code: None, say: String::new() }
}

fn other(mode: PositionMode) -> PositionMode {
    match mode {
        PositionMode::OneWay => PositionMode::Hedge,
        PositionMode::Hedge => PositionMode::OneWay,
    }
}

impl Move {
    /// Whether it no longer happens once faults stop.
    pub(super) fn is_fault(self) -> bool {
        self.budget(&mut NO_FAULTS.clone()).is_some()
    }

    fn budget(self, left: &mut Faults) -> Option<&mut u8> {
        match self {
            Move::Act { .. }
            | Move::Receive
            | Move::Handle { .. }
            | Move::Wait
            | Move::Close { .. }
            | Move::Mend => None,
            Move::LoseLook { .. } | Move::LoseAnswer => Some(&mut left.losses),
            Move::Stall(_) => Some(&mut left.stalls),
            Move::Kill => Some(&mut left.kills),
            Move::Edit { .. } => Some(&mut left.edits),
            Move::Reject => Some(&mut left.rejections),
            Move::Flip { .. } => Some(&mut left.flips),
            Move::Open { .. } => Some(&mut left.opens),
        }
    }

    fn is_possible(self, world: &World) -> bool {
        let mut left = world.left;
        if self.budget(&mut left).is_some_and(|left| *left == 0) || self.is_fault() && world.left.in_all == 0
        {
            return false;
        }
        match self {
            Move::Act { .. }
            | Move::Handle { .. }
            | Move::Wait
            | Move::LoseLook { .. }
            | Move::Stall(_)
            | Move::Kill
            | Move::Edit { .. } => true,
            Move::Reject => !world.rejected,
            Move::Mend => world.rejected,
            Move::Receive => !matches!(world.call, Some(Call::Set { answer: None, .. })),
            Move::LoseAnswer => world.call.is_some(),
            Move::Close { target } => world.targets[target].open,
            Move::Flip { target } | Move::Open { target } => !world.targets[target].open,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Act { target } => write!(out, "the keeper acts for target {target}"),
            Move::Receive => write!(out, "the answer arrives"),
            Move::Handle { request } => write!(out, "the exchange handles set {request} on the wire"),
            Move::Wait => write!(out, "time passes until the rest ends"),
            Move::Close { target } => write!(out, "target {target} becomes flat"),
            Move::LoseLook { target } => write!(out, "a look for target {target} brings nothing"),
            Move::LoseAnswer => write!(out, "no answer arrives"),
            Move::Stall(span) => write!(out, "the daemon stands still for {span:?}"),
            Move::Kill => write!(out, "the daemon is killed and started again"),
            Move::Edit { target } => write!(out, "a new revision wants the other mode for target {target}"),
            Move::Reject => write!(out, "new content of the file is rejected"),
            Move::Mend => write!(out, "the file is accepted again"),
            Move::Flip { target } => write!(out, "a human changes the mode of target {target}"),
            Move::Open { target } => write!(out, "a position of target {target} is opened"),
        }
    }
}
