//! The whole change, stage by stage: the order of looks, flatness and settle, the note, the answer, the confirming
//! reads, the fence, a late effect.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::check;
use super::situation::{OFFSET, OTHER, Situation, WANTED, failure, hours, minutes, seconds, situation};
use super::story::{Exchange, story};
use crate::facts::{Class, DriftPolicy, Generation, List, Reading, ServerClock, SetAnswer};
use crate::moment::ServerTime;
use crate::protocol::Look;

/// Wants a change, and its mode was read just now.
fn begun() -> Situation {
    situation().live(OTHER, seconds(0))
}

/// A noted set that is ready to be sent.
fn noted(ago: Duration) -> Situation {
    situation().flat_for(minutes(9), seconds(1)).noted(ago)
}

#[track_caller]
fn tells(mut situation: Situation, mut exchange: Exchange, span: Duration, expected: Expect) {
    expected.assert_eq(&story(&mut situation, &mut exchange, span, |_, _, _| {}));
}

#[test]
fn while_the_last_word_was_not_flat_positions_come_first() {
    check(
        &begun(),
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read positions
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
            > rest 10s
        "#]],
    );
}

#[test]
fn whatever_is_open_is_named_and_only_positions_are_looked_at_often() {
    check(
        &begun().list(List::Positions, 1, seconds(0)),
        expect![[r#"
            new
            not_flat: Open: 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 2s
        "#]],
    );
    check(
        &begun().list(List::Positions, 2, seconds(2)),
        expect![[r#"
            new
            not_flat: Open: 2 positions. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > read positions
        "#]],
    );
    let plan_orders = begun().list(List::Positions, 0, seconds(0)).list(List::PlanOrders, 1, seconds(0));
    check(
        &plan_orders,
        expect![[r#"
            new
            not_flat: Open: 1 plan order. The mode is changed once nothing is open; nothing is closed or cancelled for it.
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
            > rest 9s
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
            > look at the mode
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
            > read plan orders
        "#]],
    );
    check(
        &situation().flat_for(minutes(9), seconds(6)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > read plan orders
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
            0.1s look at the account
            0.2s look at the mode
            0.3s read positions
            0.4s read plan orders
            0.5s read orders
            0.6s read positions
            0.7s rest 9s
            10.2s look at the mode
            10.3s read plan orders
            10.4s read orders
            10.5s read positions
            10.6s rest 2s
            12.7s look at the mode
            12.8s read plan orders
            12.9s read orders
            13.0s read positions
            13.1s note one_way_mode -> hedge_mode (new)
            13.1s send
            13.2s look at the mode
            13.3s record confirmed
            13.3s rest 59s
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
            0.1s read positions
            0.2s read plan orders
            0.3s read orders
            0.4s read positions
            0.5s note one_way_mode -> hedge_mode (new)
            0.5s send
            0.6s look at the mode
            0.7s record confirmed
            0.7s rest 59s
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
        0.1s read positions
        0.2s rest 1s
        2.1s read positions
        2.2s rest 1s
        4.1s read positions
        4.2s rest 1s
        6.1s read positions
        6.2s rest 1s
        8.1s read positions
        8.2s read plan orders
        8.3s read orders
        8.4s read positions
        8.5s rest 1s
        10.0s look at the mode
        10.1s read plan orders
        10.2s read orders
        10.3s read positions
        10.4s rest 3s
        13.5s look at the mode
        13.6s read plan orders
        13.7s read orders
        13.8s read positions
        13.9s note one_way_mode -> hedge_mode (new)
        13.9s send
        14.0s look at the mode
        14.1s record confirmed
        14.1s rest 59s
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
            0.1s read positions
            0.2s read plan orders
            0.3s read orders
            0.4s rest 9s
            10.0s look at the mode
            10.1s read positions
            10.2s read plan orders
            10.3s read orders
            10.4s rest 9s
            20.0s look at the mode
            20.1s read positions
            20.2s read plan orders
            20.3s read orders
            20.4s rest 9s
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
        0.1s read positions
        0.2s read plan orders
        0.3s read orders
        0.4s read positions
        0.5s rest 9s
        10.0s look at the mode
        10.1s read plan orders
        10.2s read orders
        10.3s read positions
        10.4s rest 9s
        20.0s look at the mode
        20.1s read positions
        20.2s read plan orders
        20.3s read orders
        20.4s read positions
        20.5s rest 9s
        30.0s look at the mode
        30.1s read plan orders
        30.2s read orders
        30.3s read positions
        30.4s rest 5s
        35.5s look at the mode
        35.6s read plan orders
        35.7s read orders
        35.8s read positions
        35.9s note one_way_mode -> hedge_mode (new)
        35.9s send
        36.0s look at the mode
        36.1s record confirmed
        36.1s rest 59s
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
        0.1s read positions
        0.2s read plan orders
        0.3s read orders
        0.4s read positions
        0.5s rest 5s
        5.5s look at the mode
        5.6s read plan orders
        5.7s read orders
        5.8s read positions
        5.9s note one_way_mode -> hedge_mode (new)
        5.9s send
        6.0s look at the mode
        6.1s record confirmed
        6.1s rest 29s
        36.0s look at the mode
        36.1s rest 29s
        66.0s look at the mode
        66.1s read positions
        66.2s read plan orders
        66.3s read orders
        66.4s read positions
        66.5s rest 5s
        71.5s look at the mode
        71.6s read plan orders
        71.7s read orders
        71.8s read positions
        71.9s note one_way_mode -> hedge_mode (drift)
        71.9s send
        72.0s look at the mode
        72.1s record confirmed
        72.1s rest 29s
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_noted_set_is_sent_at_once() {
    check(
        &noted(seconds(0)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > send
        "#]],
    );
}

#[test]
fn a_noted_set_is_withdrawn_when_the_newest_revision_says_otherwise() {
    check(
        &noted(seconds(0)).wants(Some(OTHER)),
        expect![[r#"
            in_sync
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the revision wants something else
        "#]],
    );
    check(
        &noted(seconds(0)).suspended(),
        expect![[r#"
            new
            suspended: The file suspends it: until the risk review is done.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the revision wants something else
        "#]],
    );
    check(
        &noted(seconds(0)).drift(DriftPolicy::Report),
        expect![[r#"
            new
            reported: The first look differs and the file says `drift: report`: it waits for `posmoded approve`.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the revision wants something else
        "#]],
    );
    check(
        &noted(seconds(0)).drift(DriftPolicy::Report).approved(),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > send
        "#]],
    );
}

#[test]
fn a_noted_set_leaves_under_a_later_revision_that_wants_the_same() {
    let mut newer = noted(seconds(0));
    newer.target.wanted.generation = Generation(3);
    check(
        &newer,
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > send
        "#]],
    );
}

#[test]
fn a_noted_set_is_withdrawn_when_the_file_turns_bad() {
    check(
        &noted(seconds(0)).bad_file(),
        expect![[r#"
            new
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the file is not acceptable
        "#]],
    );
}

#[test]
fn f56_a_noted_set_is_withdrawn_when_another_file_turns_out_to_hold_the_same_key() {
    check(
        &noted(seconds(0)).shares_its_key(),
        expect![[r#"
        new
        wrong_account: The files a and b hold the same key.
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: another file holds the same key
    "#]],
    );
}

#[test]
fn a_noted_set_leaves_within_five_seconds_of_its_note_and_of_its_verdict_or_not_at_all() {
    let flat = situation().flat_for(minutes(9), seconds(0));
    check(
        &flat.noted(seconds(5)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: too late
        "#]],
    );
    let stale = situation().flat_for(minutes(9), seconds(6)).noted(seconds(1));
    check(
        &stale,
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: too late
        "#]],
    );
}

#[test]
fn a_pause_does_not_call_back_a_noted_set() {
    check(
        &noted(seconds(0)).paused(None),
        expect![[r#"
            new
            paused: An operator paused it, until `posmoded resume`: maintenance.
            acting: Nothing stands in the way: the mode is being set.
            > send
        "#]],
    );
}

#[test]
fn f32_an_accepted_set_is_confirmed_by_a_read_that_was_asked_for_after_its_answer() {
    check(
        &situation().accepted(seconds(0)),
        expect![[r#"
            new
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > look at the mode
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(3)).accepted(seconds(2)),
        expect![[r#"
            unknown
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > look at the mode
        "#]],
    );
    check(
        &situation().live(OTHER, seconds(0)).accepted(seconds(2)),
        expect![[r#"
            new
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > rest 1s
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(0)).accepted(seconds(2)),
        expect![[r#"
            unknown
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > record confirmed
        "#]],
    );
}

#[test]
fn f32_an_accepted_set_that_no_read_shows_for_ten_seconds_is_unknown() {
    check(
        &situation().live(OTHER, seconds(1)).accepted(seconds(10)),
        expect![[r#"
            new
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > record unconfirmed: nobody knows its outcome
        "#]],
    );
}

#[test]
fn a_confirming_read_that_keeps_failing_does_not_hide_the_end_of_confirming() {
    let accepted = situation().accepted(seconds(8));
    check(
        &accepted.target_failing(Class::TryAgain, seconds(1)),
        expect![[r#"
            new
            unreachable: It failed. Next try in 1s.
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > rest 1s
        "#]],
    );
    let denied = situation().accepted(seconds(8));
    check(
        &denied.account_failing(Class::Denied, seconds(1)),
        expect![[r#"
            new
            denied: It failed. Next try in 14m 59s.
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > rest 2s
        "#]],
    );
}

#[test]
fn f31_an_unanswered_set_is_fenced_by_the_exchanges_time() {
    check(
        &situation().unclear(seconds(1)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 34s from now; then the mode is read.
            > rest 34s
        "#]],
    );
    check(
        &situation().live(OTHER, seconds(40)).unclear(seconds(35)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > look at the mode
        "#]],
    );
}

#[test]
fn f31_only_an_answer_past_the_fence_resolves_it_both_ways() {
    check(
        &situation().live(WANTED, seconds(2)).unclear(seconds(36)),
        expect![[r#"
            unknown
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > look at the mode
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(0)).unclear(seconds(35)),
        expect![[r#"
            unknown
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > record resolved: it took effect
        "#]],
    );
    check(
        &situation().live(OTHER, seconds(0)).unclear(seconds(35)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > record resolved: it had no effect
        "#]],
    );
}

#[test]
fn f31_a_fence_holds_though_our_clock_runs_ahead_of_the_exchange() {
    let mut ahead = situation().unclear(seconds(35));
    let now = ahead.now;
    // The answer received at this moment is dated a second before the end of the fence.
    ahead.account.clock = Some(ServerClock { offset: 0, doubt: Duration::ZERO, measured: now });
    let intent = ahead.target.intent.as_mut().unwrap();
    intent.stamp = ServerTime(now.0 - 35_000);
    let seen = ahead.target.seen.as_mut().unwrap();
    (seen.asked, seen.answered, seen.server) = (now, now, ServerTime(now.0 - 1000));
    check(
        &ahead,
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > rest 1s
        "#]],
    );
    ahead.now = now + seconds(1);
    check(
        &ahead,
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
            > look at the mode
        "#]],
    );
}

#[test]
fn live_as_desired_is_not_in_sync_while_an_older_set_may_still_take_effect() {
    let reverted = situation().wants(Some(OTHER)).applied(OTHER).unclear(seconds(5));
    check(
        &reverted,
        expect![[r#"
            unknown
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 30s from now; then the mode is read.
            > rest 30s
        "#]],
    );
}

#[test]
fn f31_a_lost_reply_is_found_to_have_taken_effect() {
    let start = situation().flat_for(minutes(9), seconds(1));
    let exchange = Exchange { answer: SetAnswer::Unclear("timeout".to_owned()), ..Exchange::flat(OTHER) };
    tells(
        start,
        exchange,
        seconds(40),
        expect![[r#"
            0.0s note one_way_mode -> hedge_mode (new)
            0.0s send
            0.1s rest 34s
            35.0s look at the mode
            35.1s record resolved: it took effect
            35.1s rest 59s
        "#]],
    );
}

#[test]
fn f31_a_lost_request_is_sent_again_once_its_fence_has_passed() {
    let start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::Unclear("timeout".to_owned());
    let exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    tells(
        start,
        exchange,
        seconds(40),
        expect![[r#"
            0.0s note one_way_mode -> hedge_mode (new)
            0.0s send
            0.1s rest 34s
            35.0s look at the mode
            35.1s record resolved: it had no effect
            35.1s read plan orders
            35.2s read orders
            35.3s read positions
            35.4s note one_way_mode -> hedge_mode (new)
            35.4s send
            35.5s rest 34s
        "#]],
    );
}

#[test]
fn f31_no_second_set_before_the_exchanges_clock_passes_the_fence_though_ours_runs_ahead() {
    let mut start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::Unclear("timeout".to_owned());
    let mut exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    let text = story(&mut start, &mut exchange, seconds(50), |at, _, exchange| {
        // The exchange's clock is set back by five seconds while no request is sent.
        if at > seconds(1) {
            exchange.offset = OFFSET - 5_000;
        }
    });
    expect![[r#"
        0.0s note one_way_mode -> hedge_mode (new)
        0.0s send
        0.1s rest 34s
        35.0s look at the mode
        35.1s rest 4s
        40.0s look at the mode
        40.1s record resolved: it had no effect
        40.1s read plan orders
        40.2s read orders
        40.3s read positions
        40.4s note one_way_mode -> hedge_mode (new)
        40.4s send
        40.5s rest 34s
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_late_effect_is_matched_with_its_set_and_then_pending() {
    let mut late =
        situation().wants(Some(OTHER)).applied(OTHER).live(WANTED, seconds(0)).lost(WANTED, hours(2));
    check(
        &late,
        expect![[r#"
            drifted
            settling: Whether it is flat is not known yet.
            > record late: intent 5
        "#]],
    );
    let mut exchange = Exchange::flat(WANTED);
    let text = story(&mut late, &mut exchange, Duration::ZERO, |_, _, _| {});
    expect![[r#"
        0.0s record late: intent 5
        0.0s read positions
    "#]]
    .assert_eq(&text);
    check(
        &late,
        expect![[r#"
            pending
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn a_late_effect_that_the_file_wants_is_reported_as_late_and_not_as_somebody_elses() {
    let lost = situation().applied(OTHER).live(WANTED, seconds(0)).lost(WANTED, hours(2));
    check(
        &lost,
        expect![[r#"
            in_sync
            > record late: intent 5
        "#]],
    );
}

#[test]
fn a_flip_of_the_other_mode_or_a_day_later_is_no_late_effect() {
    let reverted = situation().wants(Some(OTHER)).applied(OTHER).live(WANTED, seconds(0));
    check(
        &reverted.clone().lost(OTHER, hours(2)),
        expect![[r#"
            drifted
            settling: Whether it is flat is not known yet.
            > read positions
        "#]],
    );
    check(
        &reverted.lost(WANTED, hours(25)),
        expect![[r#"
            drifted
            settling: Whether it is flat is not known yet.
            > read positions
        "#]],
    );
}

#[test]
fn a_set_refused_though_flat_is_tried_again_after_1_then_5_then_every_30_minutes() {
    let flat = situation().flat_for(hours(2), seconds(1));
    check(
        &flat.clone().refused_though_flat(1, seconds(1)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders. Next try in 59s.
            > rest 59s
        "#]],
    );
    check(
        &flat.clone().refused_though_flat(2, seconds(250)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (2 times): look for bots, TWAP and copy orders. Next try in 50s.
            > rest 50s
        "#]],
    );
    check(
        &flat.clone().refused_though_flat(9, minutes(29)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (9 times): look for bots, TWAP and copy orders. Next try in 1m.
            > rest 59s
        "#]],
    );
    check(
        &flat.refused_though_flat(9, minutes(30)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > look at the mode
        "#]],
    );
}

#[test]
fn a_row_that_shows_ends_the_refusals_though_flat() {
    let mut open = begun().refused_though_flat(3, seconds(1));
    let at = open.now;
    open.target.read(List::Positions, Reading { count: 1, asked: at, answered: at });
    check(
        &open,
        expect![[r#"
            new
            not_flat: Open: 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 2s
        "#]],
    );
}

#[test]
fn a_set_refused_as_not_flat_gets_a_fresh_verdict_and_a_new_set() {
    let start = situation().flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::Refused(failure(Class::NotFlat));
    tells(
        start,
        Exchange { answer, obeys: false, ..Exchange::flat(OTHER) },
        seconds(62),
        expect![[r#"
            0.0s note one_way_mode -> hedge_mode (new)
            0.0s send
            0.1s record refused: 12345 It failed.
            0.1s rest 58s
            59.0s look at the mode
            59.1s read plan orders
            59.2s read orders
            59.3s read positions
            59.4s rest 0s
            60.1s look at the mode
            60.2s read plan orders
            60.3s read orders
            60.4s read positions
            60.5s note one_way_mode -> hedge_mode (new)
            60.5s send
            60.6s record refused: 12345 It failed.
            60.6s rest 59s
        "#]],
    );
}

#[test]
fn a_set_refused_for_its_timestamp_measures_the_clock_and_is_tried_less_and_less_often() {
    let start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::Refused(failure(Class::Clock));
    tells(
        start,
        Exchange { answer, obeys: false, ..Exchange::flat(OTHER) },
        seconds(25),
        expect![[r#"
            0.0s note one_way_mode -> hedge_mode (new)
            0.0s send
            0.1s record refused: 12345 It failed.
            0.1s rest 0s
            0.6s ask the time
            0.7s rest 1s
            2.1s note one_way_mode -> hedge_mode (new)
            2.1s send
            2.2s record refused: 12345 It failed.
            2.2s rest 0s
            2.7s ask the time
            2.8s rest 3s
            6.2s rest 2s
            9.0s look at the mode
            9.1s read plan orders
            9.2s read orders
            9.3s read positions
            9.4s note one_way_mode -> hedge_mode (new)
            9.4s send
            9.5s record refused: 12345 It failed.
            9.5s rest 0s
            10.0s ask the time
            10.1s rest 7s
            17.5s rest 1s
            19.0s look at the mode
            19.1s read plan orders
            19.2s read orders
            19.3s read positions
            19.4s note one_way_mode -> hedge_mode (new)
            19.4s send
            19.5s record refused: 12345 It failed.
            19.5s rest 0s
            20.0s ask the time
            20.1s rest 15s
        "#]],
    );
}

#[test]
fn f23_a_list_that_is_refused_for_its_rate_is_asked_less_and_less_often_though_the_mode_is_read() {
    let start = situation().never_seen();
    let fails = Some((Look::List(List::Orders), Class::RateLimited));
    tells(
        start,
        Exchange { fails, ..Exchange::flat(OTHER) },
        minutes(3),
        expect![[r#"
            0.0s look at the mode
            0.1s read positions
            0.2s read plan orders
            0.3s read orders
            0.4s rest 5s
            5.4s read orders
            5.5s rest 10s
            15.5s look at the mode
            15.6s read positions
            15.7s read plan orders
            15.8s read orders
            15.9s rest 20s
            35.9s look at the mode
            36.0s read positions
            36.1s read plan orders
            36.2s read orders
            36.3s rest 40s
            76.3s look at the mode
            76.4s read positions
            76.5s read plan orders
            76.6s read orders
            76.7s rest 1m
            136.7s look at the mode
            136.8s read positions
            136.9s read plan orders
            137.0s read orders
            137.1s rest 1m
        "#]],
    );
}

#[test]
fn f21_an_adversary_who_flips_every_five_seconds_is_corrected_three_times_and_then_reported() {
    let mut start =
        situation().live(WANTED, seconds(0)).applied(WANTED).settle(Duration::ZERO).check_every(seconds(5));
    let mut exchange = Exchange::flat(WANTED);
    let mut flips = 0;
    story(&mut start, &mut exchange, minutes(10), |at, _, exchange| {
        if at.as_secs() / 5 > flips {
            flips = at.as_secs() / 5;
            exchange.mode = OTHER;
        }
    });
    assert_eq!(start.target.corrections.len(), 3);
    check(
        &start,
        expect![[r#"
            drifted
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume` or change the file.
            settling: Whether it is flat is not known yet.
            > look at the mode
        "#]],
    );
}

#[test]
fn a_look_from_before_the_set_resolves_nothing_though_the_exchanges_clock_was_set_back_since() {
    let mut set_back = situation().live(OTHER, seconds(2)).unclear(seconds(1));
    let seen = set_back.target.seen.as_mut().unwrap();
    seen.server = seen.server + hours(1);
    check(
        &set_back,
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 34s from now; then the mode is read.
        > rest 34s
    "#]],
    );
}

#[test]
fn a_round_of_empty_lists_that_took_too_long_is_told_as_such() {
    let slow = situation().list(List::PlanOrders, 0, Duration::ZERO).list(List::Orders, 0, Duration::ZERO);
    let mut slow = slow.list(List::Positions, 0, Duration::ZERO);
    slow.target.flatness.in_progress = None;
    slow.target.flatness.flat_span = None;
    check(
        &slow,
        expect![[r#"
        new
        settling: Every list was empty, and reading them took longer than 5s: too long to say that it is flat. The way to the exchange is slow, or much is asked at once.
        > rest 9s
    "#]],
    );
}
