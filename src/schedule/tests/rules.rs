//! One row a rule: a table, and who sends the next request.

use std::time::Duration;

use super::super::{Demand, Due, Grant, Schedule, Turn, Want, What};
use crate::moment::Moment;

type Table = Schedule<&'static str, &'static str>;

const MINUTE: Duration = Duration::from_secs(60);

/// A table with a full bucket, at the moment `at(0)`.
fn full(budget: u32) -> Table {
    Schedule::new(budget, Moment(0))
}

fn at(seconds: i64) -> Moment {
    Moment(1_000_000 + seconds * 1000)
}

fn nothing() -> Demand<&'static str> {
    Demand { want: None, mode: None, wait: None }
}

fn mode(due: i64) -> Demand<&'static str> {
    Demand {
        mode: Some(Due { at: at(due), overdue: at(due), interval: MINUTE, lanes: vec!["mode"] }),
        ..nothing()
    }
}

fn wait(due: i64, interval: u64) -> Demand<&'static str> {
    let interval = Duration::from_secs(interval);
    Demand {
        wait: Some(Due { at: at(due), overdue: at(due), interval, lanes: vec!["positions"] }),
        ..nothing()
    }
}

fn new() -> Demand<&'static str> {
    Demand { want: Some(Want::New { next: vec!["mode"] }), ..nothing() }
}

fn begun(since: i64, next: &[&'static str], to_go: u32) -> Demand<&'static str> {
    Demand { want: Some(Want::Begun { at: at(since), next: next.to_vec(), to_go }), ..nothing() }
}

fn begin(since: i64, repeat: bool, cost: u32) -> Demand<&'static str> {
    Demand { want: Some(Want::Begin { since: at(since), repeat, next: vec!["lists"], cost }), ..nothing() }
}

#[track_caller]
fn next(table: &Table, expected: (&str, What)) {
    match table.turn(at(0)) {
        Turn::Grant(Grant { target, lane: _, what }) => assert_eq!((target, what), expected),
        other @ (Turn::Wait(_) | Turn::Idle) => panic!("{other:?}, not {expected:?}"),
    }
}

/// Takes `count` requests out of the bucket.
fn spend(table: &mut Table, count: usize) {
    for _ in 0..count {
        let grant = Grant { target: "nobody", lane: "none", what: What::Begun };
        table.granted(&grant, at(0));
    }
}

#[test]
fn nothing_leaves_in_the_first_second_nor_before_there_is_a_token() {
    let mut table: Table = Schedule::new(10, at(0));
    assert_eq!(table.turn(at(0)), Turn::Idle);
    table.put("a", begun(0, &["lists"], 6));
    assert_eq!(table.turn(at(0)), Turn::Wait(Moment(at(1).0 + 100)));
    assert_eq!(table.turn(Moment(at(1).0 + 99)), Turn::Wait(Moment(at(1).0 + 100)));
    assert!(matches!(table.turn(Moment(at(1).0 + 100)), Turn::Grant(_)));
}

#[test]
fn a_request_whose_lane_has_no_permit_stops_nobody_behind_it() {
    let mut table = full(10);
    table.put("a", begun(0, &["lists"], 6));
    table.put("b", mode(-1));
    next(&table, ("a", What::Begun));
    table.used_up("lists", at(2), at(0));
    next(&table, ("b", What::Mode));
    table.take(&"b");
    assert_eq!(table.turn(at(0)), Turn::Wait(at(2)));
    assert!(matches!(table.turn(at(2)), Turn::Grant(Grant { target: "a", .. })));
}

#[test]
fn what_was_begun_ends_before_anything_begins_the_oldest_first() {
    let mut table = full(10);
    table.put("a", begun(-1, &["lists"], 6));
    table.put("b", begun(-2, &["lists"], 6));
    table.put("c", begin(-9, false, 7));
    next(&table, ("b", What::Begun));
    // Its answers are awaited: the turn is another's.
    table.put("b", begun(-2, &[], 3));
    next(&table, ("a", What::Begun));
    table.put("a", begun(-1, &[], 3));
    next(&table, ("c", What::Begin));
}

#[test]
fn who_begins_first_is_who_has_waited_longest_and_found_nothing_open_yet() {
    let mut table = full(10);
    table.put("a", begin(-1, false, 7));
    table.put("b", begin(-5, false, 7));
    table.put("c", begin(-90, true, 7));
    table.put("d", mode(-500));
    table.put("e", new());
    next(&table, ("b", What::Begin));
    table.take(&"b");
    next(&table, ("a", What::Begin));
    table.take(&"a");
    next(&table, ("c", What::Begin));
}

#[test]
fn no_verdict_begins_that_the_budget_cannot_end_in_time() {
    let mut table = full(4);
    // Four a second give 16 in 4.5 s beside the bucket's 16, less a tenth.
    table.put("a", begun(-1, &[], 19));
    table.put("b", begin(-5, false, 13));
    table.put("c", mode(-500));
    next(&table, ("b", What::Begin));
    table.put("a", begun(-1, &[], 22));
    // While it is held back, nothing that can wait takes what it saves up; a full bucket lets it begin in any case.
    spend(&mut table, 1);
    assert_eq!(table.turn(at(0)), Turn::Wait(Moment(at(0).0 + 250)));
    // Slow answers leave less time.
    table.put("a", begun(-1, &[], 10));
    next(&table, ("b", What::Begin));
    table.answered(Duration::from_secs(1));
    assert_eq!(table.turn(at(0)), Turn::Wait(Moment(at(0).0 + 250)));
    for _ in 0..16 {
        table.answered(Duration::from_millis(50));
    }
    next(&table, ("b", What::Begin));
}

#[test]
fn a_verdict_alone_saves_up_what_it_costs_and_begins_then() {
    let mut table = full(1);
    table.answered(Duration::from_millis(1500));
    table.put("a", begin(-5, false, 13));
    next(&table, ("a", What::Begin));
    spend(&mut table, 4);
    // Twelve are left; no smaller verdict overtakes, but a look at a mode is no verdict.
    table.put("b", begin(-1, false, 7));
    table.put("c", mode(-500));
    assert_eq!(table.turn(at(0)), Turn::Wait(at(1)));
    table.put("d", begin(0, false, 0));
    next(&table, ("d", What::Begin));
    table.take(&"d");
    assert!(matches!(table.turn(at(1)), Turn::Grant(Grant { target: "a", .. })));
}

#[test]
fn those_that_were_never_asked_come_in_the_order_of_the_file_and_before_the_line() {
    let mut table = full(10);
    table.put("b", new());
    table.put("a", new());
    table.put("c", mode(-500));
    next(&table, ("a", What::New));
    table.take(&"a");
    next(&table, ("b", What::New));
    table.take(&"b");
    next(&table, ("c", What::Mode));
}

#[test]
fn the_line_goes_by_lateness_in_proportion_to_the_interval() {
    let mut table = full(10);
    table.put("a", mode(-30));
    table.put("b", wait(-2, 2));
    next(&table, ("b", What::Wait));
    table.put("a", mode(-90));
    next(&table, ("a", What::Mode));
    // Of two that are equally late, the look at the mode; of two such looks, the more frequent one.
    table.put("a", mode(-60));
    next(&table, ("a", What::Mode));
    let often = mode(-1).mode.map(|due| Due { interval: Duration::from_secs(1), ..due });
    table.put("c", Demand { mode: often, ..nothing() });
    next(&table, ("c", What::Mode));
    table.take(&"c");
    table.put("a", mode(7));
    table.put("b", wait(4, 2));
    assert_eq!(table.turn(at(0)), Turn::Wait(at(4)));
}

#[test]
fn three_quarters_of_the_bucket_are_kept_for_what_cannot_wait() {
    let mut table = full(17);
    table.put("a", mode(-30));
    spend(&mut table, 4);
    next(&table, ("a", What::Mode));
    spend(&mut table, 1);
    assert_eq!(table.turn(at(0)), Turn::Wait(Moment(at(0).0 + 59)));
    table.put("b", begun(0, &["lists"], 6));
    next(&table, ("b", What::Begun));
    table.take(&"a");
    spend(&mut table, 11);
    next(&table, ("b", What::Begun));
    spend(&mut table, 1);
    assert_eq!(table.turn(at(0)), Turn::Wait(Moment(at(0).0 + 59)));
}

#[test]
fn while_a_look_at_a_mode_is_overdue_every_tenth_turn_is_its() {
    let mut table = full(100);
    table.put("late", mode(-1));
    table.put("later", mode(-5));
    table.put("change", begun(0, &["lists"; 60], 60));
    let mut turns = Vec::new();
    for _ in 0..30 {
        let Turn::Grant(grant) = table.turn(at(0)) else { panic!() };
        table.granted(&grant, at(0));
        turns.push(grant.target);
    }
    let looks: Vec<usize> = (0..30).filter(|turn| turns[*turn] != "change").collect();
    assert_eq!(looks, [9, 19]);
    assert_eq!((turns[9], turns[19]), ("later", "late"));
}

#[test]
fn looks_of_the_waiting_have_no_such_turn() {
    let mut table = full(100);
    table.put("late", wait(-500, 2));
    table.put("change", begun(0, &["lists"; 60], 60));
    for _ in 0..30 {
        next(&table, ("change", What::Begun));
        let Turn::Grant(grant) = table.turn(at(0)) else { panic!() };
        table.granted(&grant, at(0));
    }
}

#[test]
fn the_same_table_gives_the_same_turn() {
    let mut table = full(10);
    table.put("a", begin(-5, false, 13));
    table.put("b", wait(-2, 2));
    assert_eq!(table.turn(at(0)), table.turn(at(0)));
}
