//! The ledger that two hosts share, with what a database may do to it: one transaction writes an intent only if there is no
//! unresolved one, another writes what came of it only where it is still there.

use super::mutation::Mutation;
use super::world::{Doubt, ReadLog, Row, World, server_at};
use crate::constants::FENCE;
use crate::facts::{AccountFacts, Elsewhere, Intent, IntentState, TargetFacts};
use crate::moment::Moment;
use crate::protocol::lost_before;

/// What came of a transaction that notes a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It was committed, and the keeper knows that.
    Yes,
    /// Nothing was written, and the keeper has learned why.
    No,
}

/// Whether the process sends a set that it has noted thus. Where no other host writes, it always may.
pub(super) fn note(world: &mut World, target: usize, intent: &Intent, mutation: Mutation) -> Noted {
    let now = world.now;
    let Some(shared) = &mut world.shared else {
        let side = &mut world.targets[target];
        side.ledger.intent = Some(intent.clone());
        side.ledger.left = false;
        return Noted::Yes;
    };
    // The index entry of a commit that is not decided yet holds up every other one.
    if shared.doubt.is_some() {
        return Noted::No;
    }
    let quiet_until = shared.quiet_after.map(|at| at + FENCE).filter(|at| server_at(now) < *at);
    if let Some(until) = quiet_until.filter(|_| mutation != Mutation::NoQuarantine) {
        world.account.quiet_until = Moment(now.0 + until.0 - server_at(now).0);
        return Noted::No;
    }
    if world.targets[target].ledger.intent.is_some() && mutation != Mutation::NoUniqueIntent {
        take_up(world, target);
        return Noted::No;
    }
    if shared.is_doubtful {
        shared.is_doubtful = false;
        shared.doubt = Some(Doubt { target, intent: intent.clone() });
        return if mutation == Mutation::NoticeIgnored { Noted::Yes } else { Noted::No };
    }
    let side = &mut world.targets[target];
    side.ledger.intent = Some(intent.clone());
    side.ledger.left = false;
    Noted::Yes
}

/// Whether the intent that the process knows is the one that stands there; where it is not, somebody else has concluded it or
/// it was lost, and the process takes up what stands there.
pub(super) fn is_still_there(world: &mut World, target: usize, mutation: Mutation) -> bool {
    if world.shared.is_none() || mutation == Mutation::ConcludesAnothers {
        return true;
    }
    let side = &world.targets[target];
    let stamp = |intent: &Option<Intent>| intent.as_ref().map(|intent| intent.stamp);
    let is_there = side.facts.intent.is_none() || stamp(&side.facts.intent) == stamp(&side.ledger.intent);
    if !is_there {
        take_up(world, target);
    }
    is_there
}

/// Reads what stands in the ledger, where a set may be under way that another process has noted.
pub(super) fn take_up(world: &mut World, target: usize) {
    let now = world.now;
    let side = &mut world.targets[target];
    let state = IntentState::of_another_process();
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

/// Compares the host that the file names, as this process has last read it, with this one. Who loses the account forgets it
/// once no set is under way; who gets it reads the ledger.
pub(super) fn compare_host(world: &mut World) {
    let Some(shared) = &world.shared else { return };
    let is_under_way = world.targets.iter().any(|side| {
        side.facts.intent.as_ref().is_some_and(|intent| !matches!(intent.state, IntentState::Unclear(_)))
    });
    let (here, was_here) = (shared.here, world.account.elsewhere.is_none());
    if here {
        world.account.elsewhere = None;
        if !was_here && !is_under_way {
            (0..world.targets.len()).for_each(|target| take_up(world, target));
        }
        return;
    }
    let elsewhere = Some(Elsewhere { host: String::new(), here: String::new() });
    if is_under_way {
        world.account.elsewhere = elsewhere;
    } else {
        world.account = AccountFacts { kind: world.account.kind, elsewhere, ..AccountFacts::default() };
        for side in &mut world.targets {
            side.facts = TargetFacts::new(side.facts.wanted.clone(), world.now);
            side.told = ReadLog::default();
        }
    }
}

/// A standby that lags behind takes the place of the server: what was committed since the copy is lost, and is never found out
/// but by the time that has passed since.
pub(super) fn fail_over(world: &mut World) {
    let server = server_at(world.now);
    let World { targets, wire, shared, .. } = world;
    let Some(shared) = shared else { return };
    for (target, side) in targets.iter_mut().enumerate() {
        if let Some(intent) = &side.ledger.intent
            && side.backup.intent.as_ref().map(|kept| kept.stamp) != Some(intent.stamp)
        {
            shared.lost.push((target, intent.stamp));
            for request in wire.iter_mut().filter(|request| request.stamp == intent.stamp) {
                request.known = false;
            }
        }
        side.ledger = side.backup.clone();
    }
    shared.doubt = None;
    shared.quiet_after = Some(server);
}

/// A commit without an answer turns out to be done.
pub(super) fn surface(world: &mut World) {
    let Some(Doubt { target, intent }) = world.shared.as_mut().and_then(|shared| shared.doubt.take()) else {
        return;
    };
    let side = &mut world.targets[target];
    side.ledger.intent = Some(intent);
    side.ledger.left = false;
}
