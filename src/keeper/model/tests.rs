//! What was before a process, what is beside it, and what comes in place of an answer: a ledger that has lost its tail, a
//! second process with another ledger, a server time that jumps, and answers that are old or another question's.

use std::time::Duration;

use super::invariants::Invariant;
use super::mutation::Mutation;
use super::world::{Faults, NO_FAULTS, QUIET, World};
use super::{breaks, breaks_from, broken, holds, more_faults, one};

/// Where two processes act by turns their looks come together again if all times are multiples of ten seconds.
const QUIET_OF_TWO: Duration = Duration::from_secs(40);

#[test]
fn f64_who_is_quiet_in_the_beginning_needs_no_ledger_to_keep_every_promise() {
    let faults = Faults { losses: 1, edits: 1, kills: more_faults(), in_all: 3 + more_faults(), ..NO_FAULTS };
    holds(&with_a_copied_ledger(faults));
}

#[test]
fn f64_without_a_quiet_start_a_set_leaves_in_the_beginning_of_a_process() {
    breaks_from(&with_a_copied_ledger(TWO), Mutation::NoQuietStart, None, Invariant::QuietStart);
}

#[test]
fn f64_without_a_quiet_start_a_ledger_that_lost_its_tail_makes_two_live_requests() {
    let unwatched = Some(Invariant::QuietStart);
    breaks_from(&with_a_copied_ledger(TWO), Mutation::NoQuietStart, unwatched, Invariant::OneAtATime);
}

#[test]
fn f64_a_quiet_start_that_is_shorter_than_a_request_may_live_makes_two_live_requests() {
    let start = with_a_copied_ledger(TWO).quiet(Duration::from_secs(29));
    broken(&start, Mutation::None, None, Invariant::OneAtATime);
}

#[test]
fn f65_two_processes_of_which_one_has_the_key_keep_every_promise() {
    holds(&two(Faults { kills: 1, losses: 1, in_all: 2 + more_faults(), edits: more_faults(), ..NO_FAULTS }));
}

#[test]
fn f65_two_processes_without_a_claim_of_the_key_have_two_live_requests() {
    breaks_from(&two(NO_FAULTS), Mutation::NoClaim, None, Invariant::OneAtATime);
}

/// The one that gets the key knows nothing of what the one before has just sent, however long it has been there itself.
#[test]
fn f65_who_gets_the_key_of_a_process_that_was_killed_and_sends_at_once_makes_two_live_requests() {
    let kill = Faults { kills: 1, in_all: 1, ..NO_FAULTS };
    breaks_from(&two(kill), Mutation::SendsUponItsClaim, None, Invariant::OneAtATime);
}

#[test]
fn f63_a_server_time_that_jumps_twice_breaks_no_promise() {
    let faults = Faults { jumps: 2, losses: 1, edits: 1, in_all: 4 + more_faults(), ..NO_FAULTS };
    holds(&one(Faults { kills: more_faults(), ..faults }).quiet(QUIET));
    holds(&one(faults));
}

#[test]
fn f63_who_goes_by_the_servers_time_alone_has_two_live_requests() {
    breaks(Mutation::OneWitness, Faults { jumps: 2, ..NO_FAULTS }, None, Invariant::OneAtATime);
}

#[test]
fn f63_who_goes_by_the_servers_time_alone_after_a_kill_says_in_sync_too_early() {
    let start = one(Faults { jumps: 2, kills: 1, edits: 1, in_all: 4, ..NO_FAULTS }).quiet(QUIET);
    breaks_from(&start, Mutation::OneWitnessAfterAKill, None, Invariant::InSync);
}

/// Its own clock does not help whoever signs with a time that is ahead: such a set lives longer than a fence.
#[test]
fn f63_who_believes_a_jump_says_in_sync_too_early() {
    let start = one(Faults { jumps: 2, losses: 1, edits: 1, in_all: 4, ..NO_FAULTS });
    breaks_from(&start, Mutation::BelievesAJump, None, Invariant::InSync);
}

#[test]
fn f60_f61_answers_that_are_old_or_foreign_break_no_promise() {
    let faults = Faults { replays: 2, strays: 1, losses: 1, edits: 1, flips: 1, ..NO_FAULTS };
    holds(&one(Faults { in_all: 3 + more_faults(), ..faults }));
}

#[test]
fn f60_who_takes_any_answer_says_in_sync_without_having_read() {
    breaks(Mutation::TakesAnyAnswer, STRAY, None, Invariant::InSync);
}

#[test]
fn f60_who_takes_any_answer_sends_without_a_flat_verdict() {
    breaks(Mutation::TakesAnyAnswer, STRAY, Some(Invariant::InSync), Invariant::Flat);
}

#[test]
fn f61_who_believes_old_answers_says_in_sync_without_having_read() {
    breaks(Mutation::BelievesOldAnswers, REPLAY, None, Invariant::InSync);
}

#[test]
fn f61_who_believes_old_answers_sends_without_a_flat_verdict() {
    breaks(Mutation::BelievesOldAnswers, REPLAY, Some(Invariant::InSync), Invariant::Flat);
}

#[test]
fn f60_f61_who_takes_any_refusal_for_that_of_its_set_has_two_live_requests() {
    for faults in [STRAY, REPLAY] {
        breaks(Mutation::TakesAnyRefusal, faults, None, Invariant::OneAtATime);
    }
}

const TWO: Faults = Faults { in_all: 2, ..NO_FAULTS };
const STRAY: Faults = Faults { strays: 1, ..NO_FAULTS };
const REPLAY: Faults = Faults { replays: 1, ..NO_FAULTS };

/// Once, a copy is made of the ledger, or it is the empty one, and stands in the ledger's place after a kill.
fn with_a_copied_ledger(left: Faults) -> World {
    one(Faults { backups: 1, restores: 1, ..left }).quiet(QUIET)
}

fn two(left: Faults) -> World {
    one(left).quiet(QUIET_OF_TWO).with_another()
}
