//! What must always hold, checked from what the exchange and the disk know, not from the daemon's word.

use std::fmt;

use super::keeper::{Mutation, decide};
use super::world::{CHECK_EVERY, Call, FlatRead, InFlightSet, ReadLog, Side, World};
use crate::constants::{LIVE_IS_KNOWN_FOR, VERDICT_AGE};
use crate::facts::{Facts, List};
use crate::moment::Moment;
use crate::protocol::{Reasons, Rest, Standing, State, Step};

/// One of the things that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invariant {
    /// I1: no set leaves while an older one for its target may still take effect.
    OneAtATime,
    /// I2: no set without complete flat verdicts `settle` apart and none other between, the last at most 5 s old.
    Flat,
    /// I3: a set asks for what the newest accepted revision says when it leaves, and the newest content is accepted.
    NewestRevision,
    /// I4: a set was preceded by its intent on disk, with the very timestamp, and an intent has one set.
    IntentFirst,
    /// I5: "in sync" means that live was desired when last read, not long ago, and nothing older can still take effect.
    InSync,
    /// I9: once faults stop, there is a way to in sync with nothing left open, and it stays so.
    Converges,
    /// A rest ends later than now: the keeper never spins.
    Rests,
}

/// The one that is not looked at, to see what else would be broken.
pub(super) type Unwatched = Option<Invariant>;

/// What does not hold, in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    pub(super) how: String,
}

/// I1 to I4, when a set leaves `world`.
pub(super) fn when_a_set_leaves(
    world: &World,
    request: &InFlightSet,
    unwatched: Unwatched,
) -> Result<(), Broken> {
    let side = &world.targets[request.target];
    let older = world.wire.iter().find(|old| old.target == request.target && world.may_take_effect(old));
    let noted = side.ledger.intent.as_ref().is_some_and(|intent| {
        (intent.stamp, intent.change.to) == (request.stamp, request.mode) && !side.ledger.left
    });
    let settled = side.told.flat.is_some_and(|FlatRead { first, began, last }| {
        world.now.since(began) <= VERDICT_AGE && last.since(first) >= side.facts.wanted.settle
    });
    let holds = [
        (Invariant::OneAtATime, older.is_none()),
        (Invariant::Flat, settled),
        (Invariant::NewestRevision, request.mode == side.file && !world.rejected),
        (Invariant::IntentFirst, noted),
    ];
    first_broken(&holds, unwatched, || {
        format!("{request:?} leaves at {}, older {older:?}, told {:?}", world.now.0, side.told)
    })
}

/// I5, and that a rest is one, in any state.
pub(super) fn in_every_state(world: &World, mutation: Mutation, unwatched: Unwatched) -> Result<(), Broken> {
    for (target, side) in world.targets.iter().enumerate() {
        if state_of(world, side).0 == State::InSync {
            let read = side.told.mode.is_some_and(|(mode, arrived)| {
                let age = world.now.since(arrived);
                Some(mode) == side.facts.wanted.mode && age <= CHECK_EVERY * LIVE_IS_KNOWN_FOR
            });
            let older = world.wire.iter().any(|old| old.target == target && world.may_take_effect(old));
            let holds = [(Invariant::InSync, read && !older)];
            first_broken(&holds, unwatched, || {
                format!("in sync is said; told {:?}, wire {:?}", side.told, world.wire)
            })?;
        }
        if let Step::Rest(Rest { until, ends_with }) = decide(world, target, mutation) {
            let holds = [(Invariant::Rests, until > world.now)];
            first_broken(&holds, unwatched, || {
                format!("a rest at {} until {} for {ends_with:?}", world.now.0, until.0)
            })?;
        }
    }
    Ok(())
}

/// Where everything is to end: the mode is what the file wants, the daemon says so, and nothing else is on its way.
pub(super) fn is_converged(world: &World) -> bool {
    let undisturbed = match &world.call {
        Some(Call::Mode { target, mode, .. }) => *mode == world.targets[*target].file,
        Some(Call::Set { .. }) => false,
        None => true,
    };
    undisturbed
        && world.wire.is_empty()
        && world.targets.iter().all(|side| {
            side.live == side.file
                && state_of(world, side) == (State::InSync, Reasons::default())
                && side.ledger.intent.is_none()
                && side.ledger.applied.is_some_and(|applied| applied.mode == side.file)
        })
}

impl ReadLog {
    /// A list was told: a verdict is flat when plan orders, orders and positions were told empty in this order.
    pub(super) fn list(&mut self, list: List, count: u32, asked: Moment, answered: Moment) {
        let part = self.part.take();
        if count > 0 {
            self.flat = None;
            return;
        }
        match (list, part) {
            (List::PlanOrders, _) => self.part = Some((asked, 1)),
            (List::Orders, Some((began, 1))) => self.part = Some((began, 2)),
            (List::Positions, Some((began, 2))) => {
                let first = self.flat.map_or(answered, |flat| flat.first);
                self.flat = Some(FlatRead { first, began, last: answered });
            }
            (List::Orders | List::Positions, _) => {}
        }
    }
}

/// What the daemon says of a target.
fn state_of(world: &World, side: &Side) -> (State, Reasons) {
    let brakes = world.brakes();
    let facts = Facts { account: &world.account, brakes: &brakes, target: &side.facts };
    let Standing { state, blockers, .. } = Standing::of(&facts, world.now);
    (state, blockers)
}

fn first_broken(
    holds: &[(Invariant, bool)],
    unwatched: Unwatched,
    how: impl Fn() -> String,
) -> Result<(), Broken> {
    match holds.iter().find(|(invariant, holds)| !holds && unwatched != Some(*invariant)) {
        Some((invariant, _)) => Err(Broken { invariant: *invariant, how: how() }),
        None => Ok(()),
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.invariant, self.how)
    }
}
