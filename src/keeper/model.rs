//! An explicit-state search over the rules that keepers run (`next`, `rank`, `learn`, `recorded` and those for brakes
//! and wanted modes): one account with one or two targets, a file that is edited, a daemon that is killed, a network
//! that loses requests and answers, an exchange that executes late, a human, positions; a ledger that loses its tail, a
//! second daemon, with a ledger of its own or on another host with the same one; a server time that jumps, answers that
//! are old or another question's.
//!
//! Nothing here is in the product; a broken keeper is the real one with one rule bent.

#![allow(clippy::print_stdout, reason = "how many states, and the counterexamples, are worth seeing")]

mod hosts;
mod invariants;
mod keeper;
mod moves;
mod mutation;
mod rebase;
mod search;
mod shared;
mod tests;
mod transport;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use self::invariants::{Invariant, Unwatched};
use self::mutation::Mutation;
use self::search::{Counterexample, Outcome, search};
use self::world::{Faults, NO_FAULTS, World, applied};
use crate::facts::DriftPolicy;
use crate::position_mode::PositionMode;

/// Each kind of fault once; the number of faults in one story (`in_all`) bounds a search.
const ONE_EACH: Faults = Faults { edits: 1, kills: 1, losses: 1, flips: 1, opens: 1, stalls: 1, ..NO_FAULTS };

/// Without stalls, to save time: the search with any three faults has them, and the one with all six kinds in one story
/// (2.3 million states) held when this was written.
#[test]
fn one_target_with_any_four_kinds_of_faults_keeps_every_promise_and_can_always_converge() {
    holds(&one(Faults { stalls: more_faults(), in_all: 4 + more_faults(), ..ONE_EACH }));
}

#[test]
fn one_target_with_any_three_faults_the_same_twice_keeps_every_promise_and_does_all_there_is_to_do() {
    let acts = holds(&one(Faults {
        edits: 2,
        rejections: 1,
        kills: 2,
        losses: 2,
        flips: 2,
        opens: 2,
        stalls: 2,
        in_all: 3,
        ..NO_FAULTS
    }));
    // A search that never reached these would prove nothing about them.
    let done: Vec<&str> = acts.into_iter().filter(|act| !act.starts_with("look")).collect();
    let expected = [
        "note",
        "record: applied",
        "record: confirmed",
        "record: late",
        "record: no effect",
        "record: refused",
        "record: took effect",
        "record: unconfirmed",
        "send",
        "withdraw: file",
        "withdraw: revision",
        "withdraw: too late",
    ];
    assert_eq!(done, expected);
}

#[test]
fn one_target_that_must_settle_keeps_every_promise() {
    holds(&World::new(1, Duration::from_secs(15), Faults { in_all: 2, ..ONE_EACH }));
}

#[test]
fn two_targets_of_one_account_with_an_edit_a_crash_and_a_loss_keep_every_promise() {
    holds(&World::new(2, Duration::ZERO, Faults { edits: 1, kills: 1, losses: 1, in_all: 3, ..NO_FAULTS }));
}

#[test]
fn under_drift_report_what_the_file_changes_converges() {
    let faults = Faults { edits: 2, kills: 1, losses: 1, opens: 1, in_all: 4, ..NO_FAULTS };
    holds(&in_sync_under_report(faults));
}

#[test]
fn who_does_not_record_a_set_that_the_file_wants_no_more_takes_it_for_drift_and_gets_stuck() {
    let start = in_sync_under_report(Faults { edits: 2, in_all: 2, ..NO_FAULTS });
    breaks_from(&start, Mutation::RecordsOnlyTheDesired, None, Invariant::Converges);
}

#[test]
fn without_a_fence_there_are_two_live_requests() {
    breaks(Mutation::NoFence, Faults { losses: 1, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn with_an_intent_that_a_kill_loses_there_are_two_live_requests() {
    breaks(Mutation::IntentLostAtKill, Faults { kills: 1, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn with_a_note_that_is_sent_again_after_a_kill_there_are_two_live_requests() {
    breaks(Mutation::SendsAgainAfterAKill, Faults { kills: 1, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn without_an_intent_on_disk_a_set_was_not_preceded_by_one() {
    breaks(Mutation::IntentNotWritten, NO_FAULTS, None, Invariant::IntentFirst);
}

#[test]
fn an_intent_stamped_earlier_than_the_signature_is_not_the_intent_of_that_set() {
    breaks(Mutation::IntentStampedEarly, NO_FAULTS, None, Invariant::IntentFirst);
}

#[test]
fn with_an_intent_stamped_earlier_than_the_signature_there_are_two_live_requests() {
    let (losses, unwatched) = (Faults { losses: 1, ..NO_FAULTS }, Some(Invariant::IntentFirst));
    breaks(Mutation::IntentStampedEarly, losses, unwatched, Invariant::OneAtATime);
}

#[test]
fn who_trusts_the_record_says_in_sync_without_having_read() {
    breaks(Mutation::TrustsTheRecord, NO_FAULTS, None, Invariant::InSync);
}

#[test]
fn who_trusts_the_record_gets_stuck_for_good() {
    let (flips, unwatched) = (Faults { flips: 1, ..NO_FAULTS }, Some(Invariant::InSync));
    breaks(Mutation::TrustsTheRecord, flips, unwatched, Invariant::Converges);
}

#[test]
fn without_a_check_of_the_revision_an_old_change_leaves() {
    breaks(Mutation::NoRevisionCheck, Faults { edits: 1, ..NO_FAULTS }, None, Invariant::NewestRevision);
}

#[test]
fn who_takes_silence_for_a_refusal_has_two_live_requests() {
    breaks(Mutation::SilenceIsARefusal, Faults { losses: 1, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn who_repeats_an_unanswered_request_has_two_live_requests() {
    breaks(Mutation::RepeatsTheRequest, Faults { losses: 1, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn who_believes_a_success_without_a_read_says_in_sync_too_early() {
    breaks(Mutation::SuccessWithoutARead, NO_FAULTS, None, Invariant::InSync);
}

#[test]
fn who_takes_an_unread_list_for_an_empty_one_sends_without_a_flat_verdict() {
    breaks(Mutation::UnreadIsEmpty, Faults { losses: 1, ..NO_FAULTS }, None, Invariant::Flat);
}

#[test]
fn who_takes_an_unread_mode_for_the_desired_one_says_in_sync_without_having_read() {
    breaks(Mutation::UnreadIsInSync, Faults { losses: 1, ..NO_FAULTS }, None, Invariant::InSync);
}

#[test]
fn who_rests_for_one_target_before_it_looks_for_another_never_comes_to_that_one() {
    let start = World::new(2, Duration::ZERO, NO_FAULTS);
    breaks_from(&start, Mutation::RestsBeforeItLooks, None, Invariant::Converges);
}

/// By how many more faults in one story the long run of `.ci/long` goes.
fn more_faults() -> u8 {
    std::env::var("POSMODED_MORE_FAULTS").map_or(0, |more| more.parse().expect("a small number"))
}

fn one(left: Faults) -> World {
    World::new(1, Duration::ZERO, left)
}

/// Hedge mode is live, wanted and on record, and drift is only reported.
fn in_sync_under_report(left: Faults) -> World {
    let mut world = one(left);
    for side in &mut world.targets {
        side.live = PositionMode::Hedge;
        side.ledger.applied = Some(applied(side.live));
        side.facts.applied = side.ledger.applied;
        side.facts.wanted.policy.drift = DriftPolicy::Report;
    }
    world
}

/// Asserts that the correct keeper breaks nothing; returns what it did at least once.
#[track_caller]
fn holds(start: &World) -> BTreeSet<&'static str> {
    let Outcome { states, transitions, acts, broken } = search(start, Mutation::None, None);
    println!("{states} states, {transitions} transitions");
    if let Some(Counterexample { invariant, story, steps: _, world }) = broken {
        panic!("{invariant:?} is broken:\n{story}\nThe world before: {world:#?}");
    }
    acts
}

#[track_caller]
fn breaks(mutation: Mutation, left: Faults, unwatched: Unwatched, expected: Invariant) {
    breaks_from(&one(Faults { in_all: 2, ..left }), mutation, unwatched, expected);
}

/// Asserts that a keeper with this mutation breaks this invariant, and that the same faults break nothing without it.
#[track_caller]
fn breaks_from(start: &World, mutation: Mutation, unwatched: Unwatched, expected: Invariant) {
    let straight = search(start, Mutation::None, unwatched);
    if let Some(Counterexample { story, .. }) = straight.broken {
        panic!("it is broken without being bent:\n{story}");
    }
    broken(start, mutation, unwatched, expected);
}

/// Asserts that this invariant is broken, and tells the shortest story of it.
#[track_caller]
fn broken(start: &World, mutation: Mutation, unwatched: Unwatched, expected: Invariant) {
    let Outcome { states, transitions: _, acts: _, broken } = search(start, mutation, unwatched);
    let Counterexample { invariant, story, steps, world: _ } =
        broken.unwrap_or_else(|| panic!("{mutation:?}: nothing is broken in {states} states"));
    println!("{mutation:?} breaks {invariant:?} in {steps} steps, within {states} states:\n{story}");
    assert_eq!(invariant, expected, "{mutation:?} breaks something else first");
}
