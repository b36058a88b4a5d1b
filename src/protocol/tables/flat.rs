//! Whether a target is flat, and since when.

use std::time::Duration;

use expect_test::expect;

use super::situation::{OTHER, Situation, begun, minutes, seconds, situation};
use super::story::{Exchange, story, tells};
use super::{check, step_for};
use crate::facts::List;
use crate::protocol::{Rest, Step};

#[test]
fn while_the_last_word_was_not_flat_positions_come_first() {
    check(
        &begun(),
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
    check(
        &begun().list(List::Positions, 0, seconds(0)),
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn a_verdict_reads_plan_orders_then_orders_then_positions_last() {
    let plan_orders = begun().list(List::Positions, 0, seconds(0)).list(List::PlanOrders, 0, seconds(0));
    check(
        &plan_orders,
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read orders
        "#]],
    );
    let orders = plan_orders.list(List::Orders, 0, seconds(0));
    check(
        &orders,
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read positions
        "#]],
    );
    check(
        &orders.list(List::Positions, 0, seconds(0)),
        expect![[r#"
            new
            settling: Flat for 0s; it must be so for 5m before the mode is changed.
            > rest 30s
        "#]],
    );
}

#[test]
fn whatever_is_open_is_named_and_only_positions_are_looked_at_often() {
    check(
        &begun().list(List::Positions, 1, seconds(0)),
        expect![[r#"
            new
            not_flat: Open: at least 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 2s
        "#]],
    );
    check(
        &begun().list(List::Positions, 2, seconds(2)),
        expect![[r#"
            new
            not_flat: Open: at least 2 positions. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > read open positions
        "#]],
    );
    let plan_orders = begun().list(List::Positions, 0, seconds(0)).list(List::PlanOrders, 1, seconds(0));
    check(
        &plan_orders,
        expect![[r#"
            new
            not_flat: Open: at least 1 plan order. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 10s
        "#]],
    );
    let orders = begun().list(List::PlanOrders, 0, seconds(0)).list(List::Orders, 2, seconds(0));
    check(
        &orders.list(List::Positions, 0, seconds(0)),
        expect![[r#"
            new
            not_flat: Open: 2 orders. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 10s
        "#]],
    );
}

#[test]
fn what_is_open_for_long_is_looked_at_less_and_less_often() {
    let rests = |list: List| {
        [59, 119, 121, 600, 1200, 86_400].map(|waited| {
            let mut open = begun().list(list, 1, seconds(0)).check_every(minutes(60));
            let wait = open.target.flatness.wait.as_mut().unwrap();
            wait.since = open.now - seconds(waited);
            let Step::Rest(Rest { until, .. }) = step_for(&open) else { panic!("{:?}", step_for(&open)) };
            until.since(open.now).as_millis()
        })
    };
    assert_eq!(rests(List::Positions), [2_000, 2_000, 2_016, 10_000, 20_000, 30_000]);
    assert_eq!(rests(List::Orders), [10_000, 10_000, 10_000, 10_000, 20_000, 30_000]);
}

#[test]
fn after_a_reload_what_is_open_is_looked_at_at_once_and_once() {
    check(
        &begun().list(List::Positions, 1, seconds(1)).looked_for_again(),
        expect![[r#"
            new
            not_flat: Open: at least 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > read open positions
        "#]],
    );
    check(
        &begun().list(List::Positions, 1, seconds(0)).looked_for_again(),
        expect![[r#"
            new
            not_flat: Open: at least 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 2s
        "#]],
    );
}

#[test]
fn f34_a_list_that_was_not_read_is_unknown_and_not_empty() {
    let orders_missing = begun().list(List::PlanOrders, 0, seconds(0)).list(List::Positions, 0, seconds(0));
    assert_eq!(orders_missing.target.flatness.flat_span, None);
    check(
        &orders_missing,
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn flat_must_have_held_for_settle() {
    check(
        &situation().flat_for(minutes(2), seconds(1)),
        expect![[r#"
            new
            settling: Flat for 2m; it must be so for 5m before the mode is changed.
            > rest 29s
        "#]],
    );
    check(
        &situation().flat_for(seconds(295), seconds(1)),
        expect![[r#"
            new
            settling: Flat for 4m 55s; it must be so for 5m before the mode is changed.
            > rest 5s
        "#]],
    );
    check(
        &situation().flat_for(minutes(5), seconds(0)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn settle_is_counted_from_verdict_to_verdict_and_not_to_now() {
    check(
        &situation().flat_for(minutes(5), seconds(1)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > read plan orders
        "#]],
    );
}

#[test]
fn with_settle_0_one_verdict_is_enough() {
    check(
        &situation().settle(Duration::ZERO).flat_for(seconds(0), seconds(0)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn a_verdict_older_than_five_seconds_allows_nothing() {
    check(
        &situation().flat_for(minutes(9), seconds(5)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
    check(
        &situation().flat_for(minutes(9), seconds(6)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > rest 4s
        "#]],
    );
}

#[test]
fn from_the_first_look_to_in_sync_in_one_story() {
    let start = situation().never_seen().kind(None).clock(None).settle(seconds(12));
    tells(
        start,
        Exchange::flat(OTHER),
        seconds(20),
        expect![[r#"
            0.0s ask the time
            0.1s look at the kind
            0.2s look at the mode
            0.3s look at the account
            0.4s read plan orders
            0.5s read orders
            0.6s read positions
            0.7s rest 9s
            10.6s read positions
            10.7s rest 2s
            12.7s read plan orders
            12.8s read orders
            12.9s read positions
            13.0s note one_way_mode -> hedge_mode (new)
            13.0s send
            13.1s look at the mode
            13.2s record confirmed
            13.2s rest 59s
        "#]],
    );
}

#[test]
fn with_settle_0_the_set_follows_the_first_verdict() {
    let start = situation().never_seen().settle(Duration::ZERO);
    tells(
        start,
        Exchange::flat(OTHER),
        seconds(3),
        expect![[r#"
            0.0s look at the mode
            0.1s read plan orders
            0.2s read orders
            0.3s read positions
            0.4s note one_way_mode -> hedge_mode (new)
            0.4s send
            0.5s look at the mode
            0.6s record confirmed
            0.6s rest 59s
        "#]],
    );
}

#[test]
fn an_open_position_is_polled_alone_and_the_rest_follows_when_it_is_gone() {
    let mut start = situation().never_seen().settle(seconds(5));
    let mut exchange = Exchange { positions: 1, ..Exchange::flat(OTHER) };
    let text = story(&mut start, &mut exchange, seconds(25), |at, _, exchange| {
        exchange.positions = u32::from(at < seconds(7));
    });
    expect![[r#"
        0.0s look at the mode
        0.1s read plan orders
        0.2s read orders
        0.3s read positions
        0.4s rest 1s
        2.3s read open positions
        2.4s rest 1s
        4.3s read open positions
        4.4s rest 1s
        6.3s read open positions
        6.4s rest 1s
        8.3s read open positions
        8.4s read plan orders
        8.5s read orders
        8.6s read positions
        8.7s rest 5s
        13.7s read plan orders
        13.8s read orders
        13.9s read positions
        14.0s note one_way_mode -> hedge_mode (new)
        14.0s send
        14.1s look at the mode
        14.2s record confirmed
        14.2s rest 59s
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_order_that_is_left_over_is_waited_for() {
    let start = situation().never_seen().settle(seconds(5));
    tells(
        start,
        Exchange { orders: 1, ..Exchange::flat(OTHER) },
        seconds(22),
        expect![[r#"
            0.0s look at the mode
            0.1s read plan orders
            0.2s read orders
            0.3s rest 9s
            10.2s read open orders
            10.3s rest 9s
            20.2s read open orders
            20.3s rest 9s
        "#]],
    );
}

#[test]
fn something_that_opens_within_settle_begins_it_anew() {
    let mut start = situation().never_seen().settle(seconds(15));
    let text = story(&mut start, &mut Exchange::flat(OTHER), seconds(40), |at, _, exchange| {
        exchange.orders = u32::from(at > seconds(9) && at < seconds(12));
    });
    expect![[r#"
        0.0s look at the mode
        0.1s read plan orders
        0.2s read orders
        0.3s read positions
        0.4s rest 9s
        10.3s read positions
        10.4s rest 5s
        15.4s read plan orders
        15.5s read orders
        15.6s read positions
        15.7s note one_way_mode -> hedge_mode (new)
        15.7s send
        15.8s look at the mode
        15.9s record confirmed
        15.9s rest 59s
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_later_drift_is_settled_anew_for_nobody_looked_in_between() {
    let mut start = situation().never_seen().settle(seconds(5)).check_every(seconds(30));
    let mut flipped = false;
    let text = story(&mut start, &mut Exchange::flat(OTHER), seconds(75), |at, _, exchange| {
        if at > seconds(50) && !flipped {
            flipped = true;
            exchange.mode = OTHER;
        }
    });
    expect![[r#"
        0.0s look at the mode
        0.1s read plan orders
        0.2s read orders
        0.3s read positions
        0.4s rest 5s
        5.4s read plan orders
        5.5s read orders
        5.6s read positions
        5.7s note one_way_mode -> hedge_mode (new)
        5.7s send
        5.8s look at the mode
        5.9s record confirmed
        5.9s rest 29s
        35.8s look at the mode
        35.9s rest 29s
        65.8s look at the mode
        65.9s read plan orders
        66.0s read orders
        66.1s read positions
        66.2s rest 5s
        71.2s read plan orders
        71.3s read orders
        71.4s read positions
        71.5s note one_way_mode -> hedge_mode (drift)
        71.5s send
        71.6s look at the mode
        71.7s record confirmed
        71.7s rest 29s
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_round_of_empty_lists_that_took_too_long_is_told_as_such() {
    let slow = situation().list(List::PlanOrders, 0, Duration::ZERO).list(List::Orders, 0, Duration::ZERO);
    let mut slow = slow.list(List::Positions, 0, Duration::ZERO);
    slow.target.flatness.flat_span = None;
    slow.target.flatness.too_slow = Some(slow.now - seconds(1));
    check(
        &slow,
        expect![[r#"
            new
            settling: Every list was empty, and reading them took longer than 5s: too long to say that it is flat. The way to the exchange is slow, or much is asked at once.
            > rest 9s
        "#]],
    );
}

#[test]
fn a_verdict_that_comes_too_late_after_it_has_settled_is_told_and_tried_again_after_a_while() {
    let mut slow = situation().flat_for(minutes(9), minutes(4));
    slow.target.flatness.too_slow = Some(slow.now - seconds(6));
    check(
        &slow,
        expect![[r#"
        new
        settling: Every list was empty, and reading them took longer than 5s: too long to say that it is flat. The way to the exchange is slow, or much is asked at once.
        > rest 4s
    "#]],
    );
    slow.target.flatness.too_slow = Some(slow.now - seconds(10));
    check(
        &slow,
        expect![[r#"
        new
        settling: Every list was empty, and reading them took longer than 5s: too long to say that it is flat. The way to the exchange is slow, or much is asked at once.
        > read plan orders
    "#]],
    );
    // None of these is one that began with the newest that counts.
    let mut counts = situation().flat_for(minutes(9), seconds(6));
    counts.target.flatness.too_slow = Some(counts.now - seconds(6));
    check(
        &counts,
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > rest 4s
    "#]],
    );
    // Also where what it was to decide has begun with it: the end of `settle`.
    let mut slow = situation().flat_for(seconds(306), seconds(10));
    slow.target.flatness.too_slow = Some(slow.now - seconds(6));
    check(
        &slow,
        expect![[r#"
        new
        settling: Every list was empty, and reading them took longer than 5s: too long to say that it is flat. The way to the exchange is slow, or much is asked at once.
        > rest 4s
    "#]],
    );
}

#[test]
fn a_new_process_is_quiet_until_no_set_of_an_earlier_one_can_take_effect() {
    let waits = situation().settle(Duration::ZERO).flat_for(seconds(12), seconds(2)).quiet(seconds(29));
    check(
        &waits,
        expect![[r#"
            new
            settling: Flat for 12s. A new process sends no set in its first 41s, as one that was sent before it may still take effect: 29s more.
            > rest 8s
        "#]],
    );
    // Its last verdict is young enough to count: nothing is read again.
    let over = Situation { now: waits.now + seconds(2), ..waits.clone() }.quiet(Duration::ZERO);
    assert!(matches!(step_for(&over), Step::Note(_)), "{:?}", step_for(&over));
    let aged = Situation { now: waits.now + seconds(29), ..waits };
    check(
        &aged,
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > read plan orders
        "#]],
    );
    // Where `settle` lasts longer, that is what is waited for.
    check(
        &situation().flat_for(seconds(12), seconds(2)).quiet(seconds(29)),
        expect![[r#"
            new
            settling: Flat for 12s; it must be so for 5m before the mode is changed.
            > rest 28s
        "#]],
    );
}
