//! What the table holds after each of the calls that change it.

use std::time::Duration;

use super::super::{Demand, Due, Grant, Purpose, Recurring, Schedule, Turn, Want, What};
use crate::moment::Moment;

type Table = Schedule<&'static str, &'static str>;

const MINUTE: Duration = Duration::from_secs(60);
const NOW: Moment = Moment(1_000_000);

fn full(budget: u32) -> Table {
    Schedule::new(budget, Moment(0))
}

/// Everything that a target can want, beside `want`.
fn demand(want: Option<Want<&'static str>>) -> Demand<&'static str> {
    Demand {
        want,
        mode: Some(Due {
            at: Moment(NOW.0 + 1000),
            overdue: Moment(NOW.0 + 1000),
            interval: MINUTE,
            lanes: vec!["mode"],
        }),
        wait: Some(Due {
            at: Moment(NOW.0 + 2000),
            overdue: Moment(NOW.0 + 2000),
            interval: MINUTE * 2,
            lanes: vec!["positions"],
        }),
    }
}

fn begin(cost: u32) -> Want<&'static str> {
    Want::Begin { since: NOW, repeat: false, next: vec!["lists"], cost }
}

fn begun(at: Moment, next: &[&'static str], to_go: u32) -> Want<&'static str> {
    Want::Begun { at, next: next.to_vec(), to_go }
}

#[test]
fn what_was_sent_is_wanted_no_longer_and_a_verdict_that_began_is_under_way() {
    let all = demand(Some(begin(7)));
    let cases = [
        (all.clone(), "mode", What::Mode, Demand { mode: None, ..all.clone() }),
        (all.clone(), "positions", What::Wait, Demand { wait: None, ..all }),
        (demand(Some(Want::New { next: vec!["mode"] })), "mode", What::New, demand(None)),
        (demand(Some(begin(0))), "lists", What::Begin, demand(None)),
        (demand(Some(begin(1))), "lists", What::Begin, demand(None)),
        (demand(Some(begin(7))), "lists", What::Begin, demand(Some(begun(NOW, &[], 6)))),
        (demand(Some(begun(NOW, &["a", "b"], 5))), "a", What::Begun, demand(Some(begun(NOW, &["b"], 4)))),
        (demand(Some(begun(NOW, &["a", "b"], 5))), "b", What::Begun, demand(Some(begun(NOW, &["a"], 4)))),
        (demand(Some(begun(NOW, &["a"], 3))), "a", What::Begun, demand(Some(begun(NOW, &[], 2)))),
        (demand(Some(begun(NOW, &["a"], 1))), "a", What::Begun, demand(None)),
        (demand(Some(begun(NOW, &["a"], 0))), "c", What::Begun, demand(Some(begun(NOW, &["a"], 0)))),
    ];
    for (before, lane, what, after) in cases {
        let mut table = full(10);
        table.put("a", before.clone());
        table.granted(&Grant { target: "a", lane, what }, NOW);
        assert_eq!(table.take(&"a"), Some(after), "{what:?} of {before:?}");
        assert_eq!((table.take(&"a"), table.turn(NOW)), (None, Turn::Idle), "nothing of it is left");
    }
}

fn new(next: &[&'static str]) -> Want<&'static str> {
    Want::New { next: next.to_vec() }
}

fn begins(since: Moment, repeat: bool, next: &[&'static str], cost: u32) -> Want<&'static str> {
    Want::Begin { since, repeat, next: next.to_vec(), cost }
}

fn alone(want: Option<Want<&'static str>>) -> Demand<&'static str> {
    Demand { want, mode: None, wait: None }
}

#[test]
fn what_is_asked_for_stands_beside_what_was_asked_for_before() {
    let later = Moment(NOW.0 + 5);
    let purpose = Purpose::Begin { since: later, repeat: true, cost: 7 };
    let cases = [
        (None, Purpose::ForAll, begun(Moment(i64::MIN), &["x"], 1)),
        (Some(new(&["a"])), Purpose::ForAll, begun(Moment(i64::MIN), &["a", "x"], 2)),
        (None, Purpose::Begun { to_go: 0 }, begun(later, &["x"], 1)),
        (None, Purpose::Begun { to_go: 5 }, begun(later, &["x"], 5)),
        (Some(begun(NOW, &["a"], 5)), Purpose::Begun { to_go: 9 }, begun(NOW, &["a", "x"], 5)),
        (Some(begun(NOW, &["a"], 1)), Purpose::Begun { to_go: 9 }, begun(NOW, &["a", "x"], 2)),
        (Some(begin(7)), Purpose::Begun { to_go: 5 }, begun(later, &["lists", "x"], 5)),
        (None, purpose, begins(later, true, &["x"], 7)),
        (Some(begin(0)), purpose, begins(later, true, &["lists", "x"], 7)),
        (Some(new(&["a"])), purpose, begins(later, true, &["a", "x"], 7)),
        (Some(begun(NOW, &["a"], 1)), purpose, begun(NOW, &["a", "x"], 2)),
        (None, Purpose::New, new(&["x"])),
        (Some(new(&["a"])), Purpose::New, new(&["a", "x"])),
        (Some(begun(NOW, &["a"], 5)), Purpose::New, begun(NOW, &["a", "x"], 5)),
        (Some(begin(7)), Purpose::New, begun(later, &["lists", "x"], 2)),
    ];
    for (before, purpose, after) in cases {
        let mut table = full(10);
        table.put("a", demand(before.clone()));
        table.ask("a", "x", purpose, later);
        assert_eq!(table.take(&"a"), Some(demand(Some(after))), "{purpose:?} beside {before:?}");
    }
}

#[test]
fn a_recurring_request_has_the_times_of_the_newest_and_goes_for_all_of_them() {
    let recurring = Recurring { due: Moment(7), overdue: Moment(9), every: MINUTE };
    let due = |lanes: &[&'static str]| {
        Some(Due { at: Moment(7), overdue: Moment(9), interval: MINUTE, lanes: lanes.to_vec() })
    };
    let mut table = full(10);
    table.ask("a", "x", Purpose::Mode(recurring), NOW);
    assert_eq!(table.take(&"a"), Some(Demand { mode: due(&["x"]), ..alone(None) }));
    table.ask("a", "x", Purpose::Wait(recurring), NOW);
    assert_eq!(table.take(&"a"), Some(Demand { wait: due(&["x"]), ..alone(None) }));
    table.put("a", demand(Some(begin(7))));
    table.ask("a", "x", Purpose::Mode(recurring), NOW);
    table.ask("a", "y", Purpose::Wait(recurring), NOW);
    let all = Demand { want: Some(begin(7)), mode: due(&["mode", "x"]), wait: due(&["positions", "y"]) };
    assert_eq!(table.take(&"a"), Some(all));
}

#[test]
fn what_is_given_up_is_wanted_no_longer_and_nothing_else_is() {
    let beside = [
        (begun(NOW, &["a", "b"], 5), "a", Some(begun(NOW, &["b"], 5))),
        (begun(NOW, &["a", "b"], 1), "a", Some(begun(NOW, &["b"], 1))),
        (begun(NOW, &["a"], 2), "a", Some(begun(NOW, &[], 2))),
        (begun(NOW, &["a"], 1), "a", None),
        (begun(NOW, &["a"], 0), "a", None),
        (begin(7), "lists", None),
        (begins(NOW, true, &["a", "b"], 7), "b", Some(begins(NOW, true, &["a"], 7))),
        (new(&["a"]), "a", None),
        (new(&["a", "a"]), "a", Some(new(&["a"]))),
        (new(&["a"]), "b", Some(new(&["a"]))),
    ];
    for (before, lane, after) in beside {
        let mut table = full(10);
        table.put("a", demand(Some(before.clone())));
        table.forget(&"a", &lane);
        assert_eq!(table.take(&"a"), Some(demand(after)), "{lane} of {before:?}");
    }
    let all = demand(Some(new(&["mode", "positions"])));
    let mut table = full(10);
    table.put("a", all.clone());
    table.forget(&"a", &"positions");
    table.forget(&"a", &"mode");
    assert_eq!(table.take(&"a"), Some(alone(all.want)), "first of what recurs");
    let due = demand(None).mode.map(|due| Due { lanes: vec!["a", "b"], ..due });
    table.put("a", Demand { mode: due.clone(), ..alone(None) });
    table.forget(&"a", &"b");
    assert_eq!(table.take(&"a").and_then(|all| all.mode), due.map(|due| Due { lanes: vec!["a"], ..due }));
    table.forget(&"b", &"a");
    assert_eq!(table.turn(NOW), Turn::Idle, "what wants nothing has nothing to give up");
}

#[test]
fn of_a_change_that_has_ended_only_what_still_waits_is_left() {
    let cases = [
        (Some(begun(NOW, &[], 5)), None),
        (Some(begun(NOW, &["a"], 5)), Some(begun(NOW, &["a"], 1))),
        (Some(begun(NOW, &["a", "b"], 5)), Some(begun(NOW, &["a", "b"], 2))),
        (Some(begin(7)), Some(begin(7))),
        (Some(new(&["a"])), Some(new(&["a"]))),
        (None, None),
    ];
    for (before, after) in cases {
        let mut table = full(10);
        table.put("a", demand(before.clone()));
        table.ended(&"a");
        assert_eq!(table.take(&"a"), Some(demand(after)), "{before:?}");
    }
}

#[test]
fn what_is_put_takes_the_place_of_what_was_there_in_every_line() {
    for want in [
        None,
        Some(begin(7)),
        Some(begin(0)),
        Some(begun(NOW, &["a"], 5)),
        Some(Want::New { next: vec!["mode"] }),
    ] {
        let mut table = full(10);
        table.put("a", demand(want.clone()));
        table.put("a", Demand { want: None, mode: None, wait: None });
        assert_eq!(table.turn(NOW), Turn::Idle, "{want:?}");
        assert_eq!(table.turn(Moment(NOW.0 + 5000)), Turn::Idle, "{want:?}");
    }
}

#[test]
fn what_recurs_is_waited_for_until_the_first_is_due_and_its_lane_is_free() {
    let mut table = full(10);
    table.put("a", demand(None));
    assert_eq!(table.turn(NOW), Turn::Wait(Moment(NOW.0 + 1000)));
    assert!(matches!(table.turn(Moment(NOW.0 + 1000)), Turn::Grant(Grant { what: What::Mode, .. })));
    table.used_up("mode", Moment(NOW.0 + 1500), NOW);
    assert_eq!(table.turn(Moment(NOW.0 + 1000)), Turn::Wait(Moment(NOW.0 + 1500)));
    assert!(matches!(table.turn(Moment(NOW.0 + 1500)), Turn::Grant(Grant { what: What::Mode, .. })));
    table.used_up("mode", Moment(NOW.0 + 9000), NOW);
    assert_eq!(table.turn(Moment(NOW.0 + 1500)), Turn::Wait(Moment(NOW.0 + 2000)));
    let Turn::Grant(grant) = table.turn(Moment(NOW.0 + 2000)) else { panic!("the wait is due") };
    assert_eq!(grant, Grant { target: "a", lane: "positions", what: What::Wait });
}

#[test]
fn a_lane_is_used_up_until_its_moment_though_others_are_used_up_meanwhile() {
    let mut table = full(10);
    table.put("a", alone(Some(new(&["a"]))));
    table.used_up("a", Moment(NOW.0 + 1000), NOW);
    table.used_up("b", Moment(NOW.0 + 500), NOW);
    assert_eq!(table.turn(NOW), Turn::Wait(Moment(NOW.0 + 500)));
    assert_eq!(table.turn(Moment(NOW.0 + 999)), Turn::Wait(Moment(NOW.0 + 1000)));
    assert!(matches!(table.turn(Moment(NOW.0 + 1000)), Turn::Grant(_)));
    table.take(&"a");
    assert_eq!(table.turn(Moment(NOW.0 + 1000)), Turn::Idle, "what is free again is nothing to wait for");
}

#[test]
fn the_bucket_holds_a_seconds_worth_and_never_less_than_sixteen() {
    for (budget, holds) in [(0, 16), (1, 16), (16, 16), (17, 17), (1000, 1000)] {
        let mut table = full(budget);
        table.put("a", Demand { want: Some(begun(NOW, &vec!["lists"; 2000], 2000)), mode: None, wait: None });
        assert_eq!(Table::burst_of(budget), holds);
        let mut sent = 0;
        while let Turn::Grant(grant) = table.turn(NOW) {
            table.granted(&grant, NOW);
            sent += 1;
        }
        assert_eq!(sent, holds, "{budget}");
        let refill = Moment(NOW.0 + 1000 / i64::from(budget.max(1)) + i64::from(1000 % budget.max(1) != 0));
        assert_eq!(table.turn(NOW), Turn::Wait(refill), "{budget}");
        assert!(matches!(table.turn(refill), Turn::Grant(_)), "{budget}");
    }
}

#[test]
fn only_the_newest_sixteen_round_trips_count() {
    let mut table = full(4);
    table.put("c", Demand { want: Some(Want::New { next: vec!["mode"] }), mode: None, wait: None });
    table.granted(&Grant { target: "c", lane: "mode", what: What::New }, NOW);
    table.put("a", Demand { want: Some(begin(13)), mode: None, wait: None });
    table.put("b", Demand { want: Some(begun(NOW, &[], 10)), mode: None, wait: None });
    table.answered(Duration::from_secs(1));
    for _ in 0..15 {
        table.answered(Duration::from_millis(50));
    }
    assert!(matches!(table.turn(NOW), Turn::Wait(_)), "the slow one is the oldest of sixteen");
    table.answered(Duration::from_millis(50));
    assert!(matches!(table.turn(NOW), Turn::Grant(_)), "and of seventeen");
}
