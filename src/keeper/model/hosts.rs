//! Two hosts on one ledger: the file moves the account between them and each reads that in its own time, one is stopped and
//! wakes late, a commit is acknowledged and then lost, another gets no answer and comes late.

use std::time::Duration;

use super::invariants::Invariant;
use super::mutation::Mutation;
use super::world::{Faults, NO_FAULTS, World};
use super::{breaks_from, broken, holds, more_faults};

#[test]
fn two_hosts_between_which_the_account_is_moved_keep_every_promise() {
    let faults = Faults { hosts: 1, stops: 1, losses: 1, in_all: 2 + more_faults(), ..NO_FAULTS };
    holds(&hosts(Faults { edits: more_faults(), kills: more_faults(), ..faults }));
}

#[test]
fn two_hosts_whose_database_loses_its_tail_or_answers_no_commit_keep_every_promise() {
    let faults = Faults { hosts: 1, doubts: 1, failovers: 1, in_all: 2 + more_faults(), ..NO_FAULTS };
    holds(&hosts(Faults { stops: more_faults(), losses: more_faults(), ..faults }));
}

#[test]
fn two_hosts_without_a_fence_have_two_live_requests() {
    breaks_from(&hosts(MOVED), Mutation::NoFence, Some(Invariant::IntentFirst), Invariant::OneAtATime);
}

#[test]
fn two_hosts_without_a_unique_intent_have_two_live_requests() {
    breaks_from(&hosts(MOVED), Mutation::NoUniqueIntent, None, Invariant::OneAtATime);
}

#[test]
fn two_hosts_without_a_quarantine_after_a_lost_commit_have_two_live_requests() {
    let faults = Faults { hosts: 1, failovers: 1, in_all: 2, ..NO_FAULTS };
    breaks_from(&hosts(faults), Mutation::NoQuarantine, None, Invariant::OneAtATime);
}

#[test]
fn who_sends_though_the_commit_was_in_doubt_has_no_intent_on_disk() {
    breaks_from(&hosts(IN_DOUBT), Mutation::NoticeIgnored, None, Invariant::IntentFirst);
}

#[test]
fn two_hosts_of_which_one_sends_though_the_commit_was_in_doubt_have_two_live_requests() {
    let unwatched = Some(Invariant::IntentFirst);
    breaks_from(&hosts(IN_DOUBT), Mutation::NoticeIgnored, unwatched, Invariant::OneAtATime);
}

/// That nothing is broken otherwise the first search shows.
#[test]
fn who_wakes_late_and_sends_all_the_same_sends_without_a_flat_verdict() {
    broken(&hosts(STOPPED), Mutation::SendsLate, None, Invariant::Flat);
}

#[test]
fn two_hosts_of_which_one_wakes_late_and_closes_the_others_intent_have_a_set_without_one() {
    broken(&hosts(STOPPED), Mutation::ConcludesAnothers, None, Invariant::IntentFirst);
}

const MOVED: Faults = Faults { hosts: 1, in_all: 1, ..NO_FAULTS };
const STOPPED: Faults = Faults { hosts: 1, stops: 1, in_all: 2, ..NO_FAULTS };
const IN_DOUBT: Faults = Faults { hosts: 1, doubts: 1, in_all: 2, ..NO_FAULTS };

fn hosts(left: Faults) -> World {
    World::new(1, Duration::ZERO, left).of_two_hosts()
}
