//! What a look is for, and which of several steps goes first.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::situation::{OTHER, Situation, WANTED, begun, minutes, noted, ready, seconds, situation};
use super::step_for;
use crate::facts::{Class, List};
use crate::moment::{Jitter, Moment};
use crate::protocol::{Standing, Step, purpose, rank, will_settle_at};
use crate::schedule::{Purpose, Recurring};

/// Requests of a verdict, its set and the read that confirms it.
const COST: u32 = 8;

/// The look that is wanted next, and what it is for, with moments as seconds from now.
#[track_caller]
fn check(situation: &Situation, expected: Expect) {
    let (facts, now) = (situation.facts(), situation.now);
    let Step::Look(look) = step_for(situation) else { panic!("{:?}", step_for(situation)) };
    let ago = |at: Moment| format!("{:.1} s ago", now.since(at).as_secs_f64());
    let told = match purpose(&facts, &Standing::of(&facts, now), look, COST, now) {
        Purpose::Begin { since, repeat, cost } => {
            format!("begins, wanted {}, repeat {repeat}, cost {cost}", ago(since))
        }
        Purpose::Mode(Recurring { due, overdue, every }) => {
            format!("mode, due {}, overdue {}, every {every:?}", ago(due), ago(overdue))
        }
        Purpose::Wait(Recurring { due, overdue: _, every }) => {
            format!("waits, due {}, every {every:?}", ago(due))
        }
        other @ (Purpose::ForAll | Purpose::Begun { .. } | Purpose::New) => format!("{other:?}"),
    };
    expected.assert_eq(&format!("{look:?}: {told}"));
}

#[test]
fn what_begins_a_change_goes_before_what_recurs() {
    check(&situation().never_seen(), expect!["Mode: New"]);
    check(
        &situation().live(WANTED, seconds(70)),
        expect!["Mode: mode, due 10.0 s ago, overdue 10.0 s ago, every 60s"],
    );
    let mut sooner = situation().live(WANTED, seconds(70));
    sooner.target.jitter = Jitter(500);
    check(&sooner, expect!["Mode: mode, due 13.0 s ago, overdue 10.0 s ago, every 60s"]);
    check(&begun(), expect!["List(PlanOrders): begins, wanted 600.0 s ago, repeat false, cost 8"]);
    check(&begun().list(List::PlanOrders, 0, seconds(1)), expect!["List(Orders): Begun { to_go: 1 }"]);
    check(
        &begun().list(List::Positions, 2, seconds(3)),
        expect!["Open(Positions): waits, due 1.0 s ago, every 2s"],
    );
    check(
        &begun().list(List::Positions, 2, seconds(3)).list(List::Positions, 0, seconds(1)),
        expect!["List(PlanOrders): begins, wanted 1.0 s ago, repeat false, cost 8"],
    );
}

#[test]
fn while_it_settles_a_target_waits_and_at_its_end_it_begins() {
    check(
        &situation().flat_for(minutes(2), seconds(31)),
        expect!["List(Positions): waits, due 1.0 s ago, every 30s"],
    );
    let at_the_end = situation().flat_for(minutes(5), seconds(29));
    check(&at_the_end, expect!["List(PlanOrders): begins, wanted 600.0 s ago, repeat false, cost 8"]);
    let before = Situation { now: at_the_end.now - Duration::from_millis(1), ..at_the_end };
    assert!(matches!(step_for(&before), Step::Rest(_)));
}

#[test]
fn what_settles_is_urgent_from_the_moment_on_that_it_has_settled() {
    let settles_in = |situation: Situation| {
        will_settle_at(&situation.facts(), situation.now).map(|at| at.since(situation.now))
    };
    assert_eq!(settles_in(begun()), None);
    assert_eq!(settles_in(situation().flat_for(minutes(2), seconds(1))), Some(minutes(3)));
    assert_eq!(settles_in(situation().flat_for(minutes(5), seconds(1))), None);
    assert_eq!(settles_in(situation().flat_for(minutes(6), seconds(1))), None);
}

#[test]
fn a_look_that_failed_is_due_when_it_may_be_tried_again() {
    check(
        &situation().live(WANTED, seconds(70)).target_failing(Class::TryAgain, seconds(5)),
        expect!["Mode: mode, due 3.0 s ago, overdue 3.0 s ago, every 60s"],
    );
}

#[test]
fn of_several_targets_the_one_goes_first_whose_step_is_the_most_urgent() {
    let ranked = |situation: &Situation| {
        let (facts, now) = (situation.facts(), situation.now);
        rank(&step_for(situation), &facts, &Standing::of(&facts, now), now)
    };
    let in_order = vec![
        noted(seconds(0)),
        noted(seconds(0)).bad_file(),
        ready(),
        begun().list(List::PlanOrders, 0, seconds(1)),
        begun(),
        situation().never_seen().suspended(),
        situation().live(WANTED, minutes(2)),
        situation().live(WANTED, seconds(70)),
        situation().live(OTHER, seconds(10)).suspended(),
        situation().live(OTHER, seconds(1)).suspended(),
    ];
    let ranks: Vec<_> = in_order.iter().map(ranked).collect();
    let steps: Vec<_> = in_order.iter().map(step_for).collect();
    assert!(ranks.is_sorted(), "{ranks:?}\n{steps:?}");
    let classes: Vec<u8> = ranks.iter().map(|(class, _)| *class).collect();
    expect!["[0, 1, 3, 4, 5, 6, 6, 6, 7, 7]"].assert_eq(&format!("{classes:?}"));
}
