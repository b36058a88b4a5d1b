//! How each answer changes what is known.

#![allow(clippy::needless_raw_string_hashes, clippy::needless_pass_by_value, reason = "expect-test's way")]
use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{Expect, expect};
use strum::IntoEnumIterator as _;

use super::List::{Orders, PlanOrders, Positions};
use super::*;
use crate::constants::FENCE;
use crate::position_mode::Kind;
use crate::window::Windows;

/// All classes; those that end by themselves do so at nine seconds.
fn classes() -> impl Iterator<Item = Class> {
    Class::iter().map(|class| class.ending(Moment(9_000)))
}

fn at(seconds: i64) -> Moment {
    Moment(seconds * 1000)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn failure(class: Class) -> Failure {
    Failure { class, code: None, say: "It failed.".to_owned() }
}

fn failing(class: Class) -> Failing {
    Failing::after(None, failure(class), at(1), Jitter(0))
}

fn seen(mode: PositionMode, second: i64) -> Seen {
    Seen { mode, asked: at(second), answered: at(second), server: ServerTime(second * 1000) }
}

#[test]
fn f61_an_answer_is_as_old_as_its_own_time_says() {
    // Ten seconds ahead of us, and in doubt by 100 ms.
    let clock = ServerClock::measured(Moment(0), Moment(200), ServerTime(10_100));
    let age = |asked: i64, server: i64| clock.age(Moment(asked), ServerTime(server));
    for fresh in [11_000, 10_900, 12_000, 99_000] {
        assert_eq!(age(1_000, fresh), Age::Fresh, "{fresh}");
    }
    for unsure in [10_899, 10_000, 9_900] {
        assert_eq!(age(1_000, unsure), Age::Unsure, "{unsure}");
    }
    assert_eq!(age(1_000, 9_899), Age::Older(Duration::from_millis(1_101)));
    assert_eq!(age(30_000, 20_000), Age::Older(seconds(20)));
    // The doubt grows as the two clocks drift apart: by 720 ms in an hour.
    assert_eq!(age(3_600_000, 3_600_000 + 10_000 - 819), Age::Fresh);
}

fn target() -> TargetFacts {
    let wanted = Wanted {
        mode: Some(PositionMode::Hedge),
        generation: Generation(1),
        policy: Policy {
            drift: DriftPolicy::Correct,
            check_every: seconds(60),
            settle: seconds(300),
            suspended: None,
            windows: Windows::default(),
            require: Requirements::default(),
        },
    };
    TargetFacts::new(wanted, at(0))
}

fn intent() -> Intent {
    let change = Change { from: PositionMode::OneWay, to: PositionMode::Hedge, cause: Cause::New };
    let (id, stamp) = (IntentId(7), ServerTime(5_000));
    let (own_fence, state) = (None, IntentState::Noted { at: at(5) });
    Intent { id, change, generation: Generation(1), stamp, own_fence, state }
}

/// Reads lists one after another, each within a second: the list, its rows that count, and the second of the request.
#[track_caller]
fn check(lists: &[(List, u32, i64)], expected: Expect) {
    let mut flatness = Flatness::default();
    for (list, count, second) in lists {
        flatness.read(*list, Reading { count: *count, asked: at(*second), answered: at(*second + 1) });
    }
    expected.assert_eq(&told(&flatness));
}

fn told(flatness: &Flatness) -> String {
    let Flatness { plan_orders, orders, positions, newest: _, in_progress, too_slow, flat_span, wait } =
        flatness;
    let count = |list: &Option<Reading>| list.map_or("unknown".to_owned(), |list| list.count.to_string());
    let mut text = format!(
        "plan orders {}, orders {}, positions {}",
        count(plan_orders),
        count(orders),
        count(positions)
    );
    if let Some(VerdictInProgress { began, next }) = in_progress {
        let _ = write!(text, "; a verdict begun at {}s, {next:?} next", began.0 / 1000);
    }
    if let Some(began) = too_slow {
        let _ = write!(text, "; a verdict begun at {}s was too slow", began.0 / 1000);
    }
    if let Some(FlatSpan { since, newest, kept }) = flat_span {
        let of = |at: &Moment| at.0 / 1000;
        let _ =
            write!(text, "; flat since {}s, read again at {}s, kept at {}s", of(since), of(newest), of(kept));
    }
    if let Some(Wait { since, open, again, glimpsed: _ }) = wait {
        let open = open.map_or("nothing".to_owned(), |(list, _)| format!("{list:?}"));
        let again = if *again { " again" } else { "" };
        let _ = write!(text, "; {open} open{again}, first at {}s", since.0 / 1000);
    }
    text
}

#[test]
fn a_flat_verdict_reads_plan_orders_orders_and_then_positions() {
    check(
        &[(PlanOrders, 0, 0)],
        expect!["plan orders 0, orders unknown, positions unknown; a verdict begun at 0s, Orders next"],
    );
    check(
        &[(PlanOrders, 0, 0), (Orders, 0, 1)],
        expect!["plan orders 0, orders 0, positions unknown; a verdict begun at 0s, Positions next"],
    );
    check(
        &[(PlanOrders, 0, 0), (Orders, 0, 1), (Positions, 0, 2)],
        expect!["plan orders 0, orders 0, positions 0; flat since 3s, read again at 0s, kept at 2s"],
    );
}

#[test]
fn another_order_of_the_lists_is_no_verdict() {
    check(
        &[(Positions, 0, 0), (Orders, 0, 1), (PlanOrders, 0, 2)],
        expect!["plan orders 0, orders 0, positions 0; a verdict begun at 2s, Orders next"],
    );
    check(
        &[(PlanOrders, 0, 0), (Positions, 0, 1), (Orders, 0, 2), (Positions, 0, 3)],
        expect!["plan orders 0, orders 0, positions 0"],
    );
    check(&[(Orders, 0, 0), (Positions, 0, 1)], expect!["plan orders unknown, orders 0, positions 0"]);
}

#[test]
fn a_verdict_that_took_longer_than_it_may_be_old_is_none() {
    check(
        &[(PlanOrders, 0, 0), (Orders, 0, 2), (Positions, 0, 4)],
        expect!["plan orders 0, orders 0, positions 0; flat since 5s, read again at 0s, kept at 4s"],
    );
    check(
        &[(PlanOrders, 0, 0), (Orders, 0, 2), (Positions, 0, 5)],
        expect!["plan orders 0, orders 0, positions 0; a verdict begun at 0s was too slow"],
    );
}

#[test]
fn a_longer_gap_between_readings_begins_the_run_anew() {
    let since = |gap: i64| {
        let mut target = target();
        for began in [0, gap] {
            for (list, second) in [(PlanOrders, began), (Orders, began + 1), (Positions, began + 2)] {
                let reading = Reading { count: 0, asked: at(second), answered: at(second) };
                target.read(list, false, reading, Stretch::default());
            }
        }
        target.flatness.flat_span.unwrap().since
    };
    assert_eq!(since(302), at(2), "300 s after the last list that was found empty");
    assert_eq!(since(303), at(305), "what happened in between, nobody saw");
}

#[test]
fn f63_the_fence_of_a_set_of_ours_counts_the_doubt_about_its_timestamp() {
    let clock = ServerClock::measured(at(0), at(4), ServerTime(0));
    assert_eq!(intent().of_this_process(at(4), clock).own_fence, Some(at(4) + FENCE + seconds(2)));
}

#[test]
fn a_second_verdict_prolongs_the_run_and_one_row_anywhere_ends_it() {
    let flat = [(PlanOrders, 0, 0), (Orders, 0, 1), (Positions, 0, 2)];
    let again = [(PlanOrders, 0, 10), (Orders, 0, 11), (Positions, 0, 12)];
    check(
        &[flat, again].concat(),
        expect!["plan orders 0, orders 0, positions 0; flat since 3s, read again at 10s, kept at 12s"],
    );
    check(
        &[&flat[..], &[(PlanOrders, 1, 10)]].concat(),
        expect!["plan orders 1, orders 0, positions 0; PlanOrders open, first at 10s"],
    );
    check(
        &[&flat[..], &[(PlanOrders, 0, 10), (Orders, 2, 11)]].concat(),
        expect!["plan orders 0, orders 2, positions 0; Orders open, first at 11s"],
    );
    check(
        &[&flat[..], &[(PlanOrders, 0, 10), (Orders, 0, 11), (Positions, 3, 12)]].concat(),
        expect!["plan orders 0, orders 0, positions 3; Positions open, first at 12s"],
    );
}

#[test]
fn a_look_that_shows_the_desired_mode_ends_the_run_and_any_look_ends_the_failure() {
    let mut target = target();
    let readings = [PlanOrders, Orders, Positions];
    for list in readings {
        target.failing = Some(failing(Class::TryAgain));
        target.read(list, false, Reading { count: 0, asked: at(1), answered: at(1) }, Stretch::default());
        assert_eq!(target.failing, None);
    }
    target.failing = Some(failing(Class::TryAgain));
    target.record_mode(seen(PositionMode::OneWay, 2));
    assert!(target.flatness.flat_span.is_some());
    assert_eq!(target.failing, None);
    target.record_mode(seen(PositionMode::Hedge, 3));
    assert_eq!(target.flatness, Flatness::default());
}

#[test]
fn a_list_that_cannot_be_read_is_mended_by_reading_it_or_by_not_needing_it() {
    let unread = || {
        let mut target = target();
        target.failed(Some(Orders), failure(Class::TryAgain), at(1), Jitter(0));
        target.failed(Some(Orders), failure(Class::TryAgain), at(2), Jitter(0));
        target
    };
    let tries = |target: &TargetFacts| target.failing.as_ref().map(|failing| failing.tries);
    let reading = |count| Reading { count, asked: at(3), answered: at(3) };
    let mut other = unread();
    other.record_mode(seen(PositionMode::OneWay, 3));
    other.read(PlanOrders, false, reading(0), Stretch::default());
    assert_eq!(tries(&other), Some(2));
    other.failed(None, failure(Class::TryAgain), at(4), Jitter(0));
    assert_eq!(tries(&other), Some(1), "the mode is another row of failures");
    let mut read = unread();
    read.read(Orders, false, reading(0), Stretch::default());
    let mut open = unread();
    open.read(Positions, false, reading(1), Stretch::default());
    let mut in_sync = unread();
    in_sync.record_mode(seen(PositionMode::Hedge, 3));
    let mut reloaded = unread();
    reloaded.look_again(at(3));
    for mended in [read, open, in_sync, reloaded] {
        assert_eq!((mended.failing, mended.unread), (None, None));
    }
}

#[test]
fn only_a_row_ends_the_refusals_though_flat() {
    let mut target = target();
    target.refused_though_flat = Some(Refusals { count: 2, last: at(0), waits: true });
    target.read(Positions, false, Reading { count: 0, asked: at(1), answered: at(1) }, Stretch::default());
    assert!(target.refused_though_flat.is_some());
    target.read(Orders, false, Reading { count: 1, asked: at(1), answered: at(1) }, Stretch::default());
    assert!(target.refused_though_flat.is_none());
}

#[test]
fn a_refresh_asks_for_a_new_look_and_ends_the_wait_for_what_is_mended_at_the_exchange_alone() {
    let mut ended = Vec::new();
    for class in classes() {
        let mut target = target();
        target.failing = Some(failing(Class::TryAgain));
        (target.set_refused, target.lost) = (Some(failing(class)), Some(failing(class)));
        target.refused_though_flat = Some(Refusals { count: 2, last: at(0), waits: true });
        target.refresh(at(9));
        assert_eq!((target.look_since, &target.failing), (at(9), &None));
        assert!(target.lost.is_some(), "nobody knows what it waits for");
        assert_eq!(target.refused_though_flat, Some(Refusals { count: 2, last: at(0), waits: false }));
        ended.extend(target.set_refused.is_none().then_some(class));
        target.refusal_recorded(failure(Class::NotFlat), at(10), Jitter(0));
        assert_eq!(target.refused_though_flat, Some(Refusals { count: 3, last: at(10), waits: true }));
    }
    assert_eq!(ended, [Class::Refused, Class::LeadsCopies, Class::Denied, Class::AccountStatus]);
}

#[test]
fn a_reload_forgets_failures_and_refusals_and_asks_for_a_new_look() {
    let mut target = target();
    target.failing = Some(failing(Class::TryAgain));
    target.set_refused = Some(failing(Class::Denied));
    target.refused_though_flat = Some(Refusals { count: 2, last: at(0), waits: true });
    target.intent = Some(intent());
    target.look_again(at(9));
    assert_eq!((target.look_since, target.failing, target.set_refused), (at(9), None, None));
    assert!(target.intent.is_some(), "an intent outlives everything but its own end");
    assert!(target.refused_though_flat.is_some(), "only the exchange can end it");
}

#[test]
fn an_answer_changes_the_intent_and_nothing_else() {
    let answers = [
        (SetAnswer::Accepted, IntentState::Accepted { at: at(6) }),
        (SetAnswer::Refused(failure(Class::Denied)), IntentState::Refused(failure(Class::Denied))),
        (SetAnswer::Unclear(failure(Class::UnknownCode)), IntentState::Unclear(failure(Class::UnknownCode))),
    ];
    for (answer, state) in answers {
        let mut answered = TargetFacts { intent: Some(intent()), ..target() };
        answered.answered(answer.clone(), at(6));
        let expected = TargetFacts { intent: Some(Intent { state, ..intent() }), ..target() };
        assert_eq!(answered, expected);
        let mut without = target();
        without.answered(answer, at(6));
        assert_eq!(without, target(), "an answer without an intent says nothing");
    }
}

#[test]
fn a_refusal_is_kept_where_it_belongs() {
    let mut text = String::new();
    for class in classes() {
        let mut target = TargetFacts { intent: Some(intent()), ..target() };
        let of_the_account = target.refusal_recorded(failure(class), at(6), Jitter(0)).is_some();
        assert_eq!(target.intent, None);
        let mut kept = Vec::new();
        kept.extend(target.refused_though_flat.map(|refusals| format!("though flat ({})", refusals.count)));
        kept.extend(target.set_refused.map(|failing| format!("set refused ({})", failing.tries)));
        kept.extend(of_the_account.then(|| "said of the account".to_owned()));
        let name = format!("{class:?}");
        let name = name.split(' ').next().unwrap_or_default();
        let _ = writeln!(text, "{name}: {}", kept.join(", "));
    }
    expect![[r#"
        NotFlat: though flat (1)
        Refused: set refused (1)
        LeadsCopies: set refused (1)
        WrongKind: set refused (1), said of the account
        Converting: said of the account
        Credential: said of the account
        Denied: set refused (1)
        AccountStatus: set refused (1)
        Clock: set refused (1), said of the account
        OurFault: set refused (1)
        RateLimited: set refused (1)
        Stopped: set refused (1)
        Busy: set refused (1)
        Stale: set refused (1)
        TryAgain: set refused (1)
        UnknownCode: set refused (1)
    "#]]
    .assert_eq(&text);
}

#[test]
fn refusals_are_counted_until_an_effect_is_on_record() {
    let mut target = target();
    for _ in 0..3 {
        target.refusal_recorded(failure(Class::NotFlat), at(6), Jitter(0));
        target.refusal_recorded(failure(Class::Denied), at(6), Jitter(0));
    }
    assert_eq!(target.refused_though_flat, Some(Refusals { count: 3, last: at(6), waits: true }));
    assert_eq!(target.set_refused.as_ref().map(|failing| failing.tries), Some(3));
    let applied = Applied {
        mode: PositionMode::Hedge,
        how: How::Set,
        at: ServerTime(7_000),
        generation: Generation(1),
    };
    target.effect_recorded(Some(applied));
    assert_eq!((target.refused_though_flat, &target.set_refused), (None, &None));
    target.effect_recorded(None);
    assert_eq!(target.applied, Some(applied), "an effect without a mode of ours leaves the record");
}

#[test]
fn a_row_of_failures_is_one_of_the_same_class() {
    let first = failing(Class::Busy { until: at(3) });
    let again = Failing::after(Some(first), failure(Class::Busy { until: at(5) }), at(4), Jitter(8));
    assert_eq!((again.tries, again.since, again.at, again.jitter), (2, at(1), at(4), Jitter(8)));
    let other = Failing::after(Some(again), failure(Class::TryAgain), at(6), Jitter(0));
    assert_eq!((other.tries, other.since), (1, at(6)));
    let most = Failing { tries: u32::MAX, ..other };
    assert_eq!(Failing::after(Some(most), failure(Class::TryAgain), at(7), Jitter(0)).tries, u32::MAX);
}

fn account() -> AccountFacts {
    let identity =
        Identity { uid: None, kind: Kind::Classic, uid_right: "read", warnings: Vec::new(), at: at(0) };
    let clock = ServerClock { offset: 0, doubt: seconds(1), measured: at(0) };
    AccountFacts { identity: Some(identity), clock: Some(clock), ..AccountFacts::default() }
}

#[test]
fn a_failure_of_the_account_forgets_what_it_disproves() {
    for class in classes() {
        let mut account = account();
        account.failed(failure(class), at(1));
        assert_eq!(account.clock.is_none(), class == Class::Clock, "{class:?}");
        assert_eq!(
            account.identity.is_none(),
            matches!(class, Class::WrongKind | Class::LeadsCopies),
            "{class:?}"
        );
        assert_eq!(account.failing.map(|failing| failing.tries), Some(1));
    }
}

#[test]
fn what_comes_back_ends_a_failure_except_the_measurement_that_it_asked_for() {
    for class in classes() {
        let mut account = account();
        account.failed(failure(class), at(1));
        account.note_server_time(at(2), at(2), ServerTime(2_000));
        let asked_for = matches!(class, Class::Clock | Class::WrongKind);
        assert_eq!(account.failing.is_some(), asked_for, "{class:?}");
        account.kind = Some(Kind::Classic);
        account.note_server_time(at(3), at(3), ServerTime(3_000));
        assert_eq!(account.failing, None, "{class:?}");
    }
}

#[test]
fn f45_the_exchanges_clock_is_known_to_half_a_round_trip_and_less_well_later() {
    let clock = ServerClock::measured(at(10), at(12), ServerTime(511_000));
    assert_eq!((clock.offset, clock.doubt), (500_000, seconds(1)));
    assert_eq!(clock.at(at(20)), ServerTime(520_000));
    assert_eq!(clock.moment(ServerTime(520_000)), at(20));
    assert_eq!(clock.doubt_at(at(12)), seconds(1));
    assert_eq!(clock.doubt_at(at(12 + 5000)), seconds(2));
}

#[test]
fn f45_the_better_reading_is_kept_and_a_contradiction_means_a_moved_clock() {
    let good = ServerClock { offset: 0, doubt: Duration::from_millis(20), measured: at(0) };
    let worse = ServerClock { offset: 300, doubt: Duration::from_millis(400), measured: at(5) };
    assert_eq!(good.better(worse, at(5)), good);
    assert_eq!(worse.better(good, at(5)), good);
    let moved = ServerClock { offset: 60_000, ..worse };
    assert_eq!(good.better(moved, at(5)), moved);
    let later = ServerClock { measured: at(3000), ..worse };
    assert_eq!(good.better(later, at(3000)), later, "it has drifted since");
}
