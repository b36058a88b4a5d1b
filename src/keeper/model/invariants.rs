//! What must always hold, checked against the exchange and the disk, not against what the daemon believes.

use std::fmt;

use super::keeper::decide;
use super::mutation::Mutation;
use super::world::{CHECK_EVERY, Call, FlatRead, InFlightSet, ReadLog, Shared, Side, Who, World, server_at};
use crate::constants::{LIVE_IS_KNOWN_FOR, VERDICT_AGE};
use crate::facts::{Facts, List, Seen, ServerClock};
use crate::moment::Moment;
use crate::protocol::{Reasons, Rest, Standing, State, Step};

/// One of the things that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invariant {
    /// I1: no set leaves while an older one for its target may still take effect.
    OneAtATime,
    /// I2: a set leaves only after an unbroken run of complete flat verdicts over `settle`, the last at most 5 s old.
    Flat,
    /// I3: when a set leaves, it asks for what the newest accepted revision says, and the newest content is accepted.
    NewestRevision,
    /// I4: before a set leaves, its intent is on disk with the same timestamp, and an intent has only one set.
    IntentFirst,
    /// I5: "in sync" means that live was desired when last read, which is recent, and no older set can take effect.
    InSync,
    /// I9: once faults stop, there is a way to in sync with nothing left open, and the state stays in sync.
    Converges,
    /// I14: no set leaves in the beginning of a process.
    QuietStart,
    /// A rest ends later than now: the keeper never spins.
    Rests,
}

/// The invariant that is not checked, to see what else would be broken.
pub(super) type Unwatched = Option<Invariant>;

/// An invariant that does not hold, and how, in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    pub(super) how: String,
}

/// Checks I1 to I4 and I14 when a set leaves `world`, as seen by the process that sends it.
pub(super) fn when_a_set_leaves(
    world: &World,
    request: &InFlightSet,
    unwatched: Unwatched,
) -> Result<(), Broken> {
    let side = &world.targets[request.target];
    let older = world.wire.iter().find(|old| old.target == request.target && world.may_take_effect(old));
    // It was committed, and a database that took the server's place knows nothing of it.
    let lost =
        world.shared.as_ref().is_some_and(|shared| shared.lost.contains(&(request.target, request.stamp)));
    let noted = lost
        || side.ledger.intent.as_ref().is_some_and(|intent| {
            (intent.stamp, intent.change.to) == (request.stamp, request.mode) && !side.ledger.left
        });
    let quiet = world.now.since(world.started) >= world.quiet;
    let settled = side.told.flat.is_some_and(|FlatRead { first, began, last }| {
        world.now.since(began) <= VERDICT_AGE && last.since(first) >= side.facts.wanted.policy.settle
    });
    let holds = [
        (Invariant::OneAtATime, older.is_none()),
        (Invariant::Flat, settled),
        (Invariant::NewestRevision, request.mode == side.file && !world.rejected),
        (Invariant::IntentFirst, noted),
        (Invariant::QuietStart, quiet),
    ];
    first_broken(&holds, unwatched, || {
        format!("{request:?} leaves at {}, older {older:?}, told {:?}", world.now.0, side.told)
    })
}

/// Checks I5, and that a rest ends later than now, in any state, for the process that sees it. Nobody can tell what a ledger
/// has lost, or what a process beside this one has sent: until that is over, "in sync" may be said all the same.
pub(super) fn in_every_state(world: &World, mutation: Mutation, unwatched: Unwatched) -> Result<(), Broken> {
    for (target, side) in world.targets.iter().enumerate() {
        if state_of(world, side).0 == State::InSync {
            let read = side.told.mode.is_some_and(|(mode, arrived)| {
                let age = world.now.since(arrived);
                Some(mode) == side.facts.wanted.mode && age <= CHECK_EVERY * LIVE_IS_KNOWN_FOR
            });
            let is_known = |old: &&InFlightSet| old.target == target && old.known && old.by == Who::This;
            let older = world.wire.iter().filter(is_known).any(|old| world.may_take_effect(old));
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

/// The goal of every story: the mode is what the file wants, each daemon reports that, and nothing else is on its way.
pub(super) fn is_converged(world: &World) -> bool {
    world.processes().iter().all(|who| {
        let world = world.seen_by(*who);
        match &world.shared {
            None => is_converged_for_this(&world),
            Some(Shared { assigned, here, stopped, doubt, .. }) => {
                let is_ours = *assigned == Who::This;
                let is_known = *here == is_ours && stopped.is_none() && doubt.is_none();
                let is_let_go =
                    world.call.is_none() && world.targets.iter().all(|side| side.facts.intent.is_none());
                is_known && if is_ours { is_converged_for_this(&world) } else { is_let_go }
            }
        }
    })
}

fn is_converged_for_this(world: &World) -> bool {
    let undisturbed = match &world.call {
        Some(Call::Mode { target, asked, mode, server, own }) => {
            *own && *mode == world.targets[*target].file && *server == server_at(*asked + world.trip / 2)
        }
        Some(Call::Set { .. }) => false,
        None => true,
    };
    // What another host has left unresolved stands there until the next note finds it, and what a database has lost is lost.
    let is_shared = world.shared.is_some();
    let is_on_record = |side: &Side| {
        side.ledger.intent.is_none() && side.ledger.applied.is_some_and(|applied| applied.mode == side.file)
    };
    // A wrong clock shows with the next answer, and a mode that was dated by one with the next look.
    let is_right = |clock: ServerClock| clock.at(world.now) == server_at(world.now);
    let is_dated_right = |seen: Seen| seen.server == server_at(seen.asked + world.trip / 2);
    undisturbed
        && world.account.clock.is_some_and(is_right)
        && world.targets.iter().all(|side| side.facts.seen.is_some_and(is_dated_right))
        && world.wire.is_empty()
        && world.targets.iter().all(|side| {
            side.live == side.file
                && state_of(world, side) == (State::InSync, Reasons::default())
                && (is_shared || is_on_record(side))
        })
}

impl ReadLog {
    /// Logs the answer for a list: a verdict is flat when plan orders, orders and positions were answered empty in this
    /// order.
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

/// The state and blockers that the daemon computes for a target.
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
