//! A set without an answer: its fence, and effects that come late.

use std::time::Duration;

use expect_test::expect;

use super::check;
use super::situation::{OFFSET, OTHER, WANTED, hours, minutes, seconds, situation};
use super::story::{Exchange, story, tells};
use crate::facts::{ServerClock, SetAnswer};
use crate::moment::ServerTime;

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
        0.0s read plan orders
    "#]]
    .assert_eq(&text);
    check(
        &late,
        expect![[r#"
            pending
            settling: Whether it is flat is not known yet.
            > read orders
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
            > read plan orders
        "#]],
    );
    check(
        &reverted.lost(WANTED, hours(25)),
        expect![[r#"
            drifted
            settling: Whether it is flat is not known yet.
            > read plan orders
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
