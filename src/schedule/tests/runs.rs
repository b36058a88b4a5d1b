//! What the rules come to: the figures that they were chosen for, and the traps that they avoid.

use std::time::Duration;

use super::simulation::{CLASSIC, Cost, Process, UNIFIED};
use crate::moment::Moment;

const FAST: Duration = Duration::from_millis(50);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Never more than the burst and what comes in since, in any stretch.
#[track_caller]
fn within_the_budget(process: &Process, budget: u64) {
    let sent = &process.outcome.requests;
    let burst = budget.max(16);
    for (first, from) in sent.iter().enumerate().step_by(7) {
        for (last, to) in sent.iter().enumerate().skip(first).step_by(11) {
            let allowed = u128::from(burst) + u128::from(budget) * to.since(*from).as_millis() / 1000;
            assert!((last - first) as u128 <= allowed, "{} between {from:?} and {to:?}", last - first);
        }
    }
}

#[test]
fn a_first_pass_takes_a_request_each() {
    for (count, budget, most) in [(100, 10, 12), (200, 10, 22), (1000, 10, 107), (1000, 30, 36), (100, 50, 4)]
    {
        let mut process = Process::new(budget, FAST).with(count, CLASSIC, true);
        process.pass(seconds(180));
        let took = process.outcome.first_pass.expect("everybody is looked at").since(Moment(1000));
        assert!(took <= seconds(most), "{count} at {budget}/s: {took:?}");
        within_the_budget(&process, u64::from(budget));
    }
}

#[test]
fn demand_above_the_budget_makes_all_gaps_longer_by_one_factor_and_uses_all_of_it() {
    for (count, budget, gap) in [(1000, 10, 100), (2000, 10, 200), (3000, 30, 100)] {
        let mut process = Process::new(budget, FAST).with(count, CLASSIC, true);
        process.pass(seconds(gap * 4));
        let longest = process.outcome.longest_gap;
        assert!(longest <= seconds(gap + gap / 10), "{count} at {budget}/s: {longest:?}");
        let least = u64::from(budget) * (gap * 4 - 1) * 98 / 100;
        assert!(process.outcome.requests.len() as u64 >= least, "{}", process.outcome.requests.len());
        within_the_budget(&process, u64::from(budget));
    }
}

#[test]
fn one_change_among_many_goes_as_if_it_were_alone() {
    let cases: [(u32, u32, Cost, u64); 4] = [
        (200, 30, CLASSIC, 300),
        (200, 10, UNIFIED, 300),
        (2000, 30, CLASSIC, 300),
        (2000, 10, UNIFIED, 800),
    ];
    for (count, budget, cost, most) in cases {
        let mut process = Process::new(budget, FAST).with(count, cost, false);
        process.pass(seconds(100));
        process.change([count / 2], Duration::ZERO);
        process.pass(seconds(20));
        let [took] = process.outcome.sets[..] else { panic!("{:?}", process.outcome.sets) };
        assert!(took <= Duration::from_millis(most), "{count} at {budget}/s: {took:?}");
    }
}

#[test]
fn fifty_changes_at_once_end_in_what_they_cost_and_none_is_thrown() {
    for (budget, cost) in [(10, CLASSIC), (10, UNIFIED), (20, CLASSIC), (30, CLASSIC), (30, UNIFIED)] {
        let mut process = Process::new(budget, FAST).with(200, cost, false);
        process.pass(seconds(70));
        process.change(0..50, Duration::ZERO);
        process.pass(seconds(200));
        let last = process.outcome.sets.iter().max().copied().unwrap_or_default();
        let most = Duration::from_millis(u64::from(50 * cost.change() * 1000) / u64::from(budget) * 10 / 9)
            + seconds(2);
        assert_eq!((process.outcome.sets.len(), process.outcome.thrown), (50, 0), "{cost:?} at {budget}/s");
        assert!(last <= most, "{cost:?} at {budget}/s: {last:?} of {most:?}");
        let gap = seconds(60) + Duration::from_millis(200 * 10_000 / u64::from(budget));
        assert!(process.outcome.longest_gap <= gap, "{:?}", process.outcome.longest_gap);
        within_the_budget(&process, u64::from(budget));
    }
}

/// Traps 1 to 3: half-done verdicts that share turns, one that is always admitted, and a reserve above what one saves.
#[test]
fn slow_answers_and_small_budgets_begin_no_verdict_that_cannot_end() {
    for (budget, round_trip, count, cost) in [
        (5, 1200, 20, UNIFIED),
        (2, 1200, 5, UNIFIED),
        (1, 500, 5, UNIFIED),
        (10, 500, 50, UNIFIED),
        (10, 1200, 50, CLASSIC),
    ] {
        let round_trip = Duration::from_millis(round_trip);
        let mut process = Process::new(budget, round_trip).with(count, cost, false);
        process.pass(seconds(70));
        process.change(0..count, Duration::ZERO);
        process.pass(seconds(600));
        let outcome = (process.outcome.sets.len(), process.outcome.thrown);
        assert_eq!(outcome, (count as usize, 0), "{cost:?} at {budget}/s, {round_trip:?}");
    }
}

/// Trap 5: those that wait stand in one line with the others, in proportion.
#[test]
fn those_that_wait_make_the_others_late_in_proportion_only() {
    let mut process = Process::new(10, FAST).with(200, CLASSIC, false);
    process.pass(seconds(70));
    process.change(0..50, seconds(1_000_000));
    process.pass(seconds(600));
    let others = process.outcome.longest_gap;
    assert!(others <= seconds(260), "{others:?}");
    let mut process = Process::new(30, FAST).with(200, CLASSIC, false);
    process.pass(seconds(70));
    process.change(0..50, seconds(1_000_000));
    process.pass(seconds(600));
    assert!(process.outcome.longest_gap <= seconds(75), "{:?}", process.outcome.longest_gap);
}

/// Trap 9: who never answers was asked all the same.
#[test]
fn those_that_never_answer_keep_nobody_waiting() {
    let mut process = Process::new(10, FAST).with(1100, CLASSIC, true);
    process.kill(0..100);
    process.pass(seconds(130));
    let seen = process.outcome.requests.len();
    assert!(seen >= 1100, "{seen}");
    assert!(process.outcome.longest_gap <= seconds(130));
}

#[test]
fn what_is_flat_again_is_set_within_its_look_and_its_requests() {
    for (budget, waiting, most) in [(30, 1, 2400), (30, 20, 2600), (30, 50, 3000)] {
        let mut process = Process::new(budget, FAST).with(200, CLASSIC, false);
        process.pass(seconds(70));
        process.change(0..waiting, seconds(30));
        process.pass(seconds(100));
        let slowest = process.outcome.sets.iter().max().unwrap().saturating_sub(seconds(30));
        assert_eq!((process.outcome.sets.len(), process.outcome.thrown), (waiting as usize, 0));
        let all = Duration::from_millis(most + u64::from(waiting) * 8 * 1000 / u64::from(budget));
        assert!(slowest <= all, "{waiting} at {budget}/s: {slowest:?}");
    }
}
