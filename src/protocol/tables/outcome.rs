//! A set without an answer: its fence, and effects that come late.

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::expect;

use super::situation::{
    OFFSET, OTHER, Situation, WANTED, failure, hours, minutes, seconds, server, situation,
};
use super::story::{Exchange, story, tells};
use super::{check, in_words, step_for};
use crate::facts::{Class, Closing, IntentId, RequestId, ServerClock, SetAnswer};
use crate::moment::ServerTime;
use crate::protocol::{Standing, Wants, lost_before};

#[test]
fn f31_an_unanswered_set_is_fenced_by_the_exchanges_time() {
    check(
        &situation().unclear(seconds(1)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 34s from now; then the mode is read. What is known: It failed.
            > rest 34s
        "#]],
    );
    check(
        &situation().live(OTHER, seconds(40)).unclear(seconds(34)),
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 1s from now; then the mode is read. What is known: It failed.
        > rest 1s
    "#]],
    );
    check(
        &situation().live(OTHER, seconds(40)).unclear(seconds(35)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
            > look at the mode
        "#]],
    );
}

#[test]
fn f63_a_set_of_ours_is_fenced_by_our_own_clock_too_whatever_the_exchanges_says() {
    let mut ahead = situation().live(OTHER, seconds(0)).unclear(seconds(20));
    let seen = ahead.target.seen.as_mut().unwrap();
    seen.server = seen.server + seconds(40);
    check(
        &ahead,
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 15s from now; then the mode is read. What is known: It failed.
        > rest 15s
    "#]],
    );
}

#[test]
fn f31_only_an_answer_past_the_fence_resolves_it_both_ways() {
    check(
        &situation().live(WANTED, seconds(2)).unclear(seconds(36)),
        expect![[r#"
            unknown
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
            > look at the mode
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(0)).unclear(seconds(35)),
        expect![[r#"
            unknown
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
            > record resolved: it took effect
        "#]],
    );
    check(
        &situation().live(OTHER, seconds(0)).unclear(seconds(35)),
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
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
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
            > rest 1s
        "#]],
    );
    ahead.now = now + seconds(1);
    check(
        &ahead,
        expect![[r#"
            new
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
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
            outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 30s from now; then the mode is read. What is known: It failed.
            > rest 30s
        "#]],
    );
}

#[test]
fn f31_a_lost_reply_is_found_to_have_taken_effect() {
    let start = situation().flat_for(minutes(9), seconds(1));
    let exchange = Exchange { answer: SetAnswer::unclear("timeout"), ..Exchange::flat(OTHER) };
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
    let answer = SetAnswer::unclear("timeout");
    let exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    tells(
        start,
        exchange,
        minutes(2),
        expect![[r#"
            0.0s note one_way_mode -> hedge_mode (new)
            0.0s send
            0.1s rest 34s
            35.0s look at the mode
            35.1s record resolved: it had no effect
            35.1s rest 23s
            59.0s read positions
            59.1s rest 35s
            95.0s look at the mode
            95.1s read plan orders
            95.2s read orders
            95.3s read positions
            95.4s note one_way_mode -> hedge_mode (new)
            95.4s send
            95.5s rest 34s
        "#]],
    );
}

#[test]
fn f52_after_a_set_without_a_clear_answer_and_without_effect_comes_an_ever_longer_pause() {
    for class in [Class::UnknownCode, Class::TryAgain] {
        let mut start =
            situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1)).check_every(minutes(9));
        let answer = SetAnswer::Unclear(failure(class));
        let mut exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
        let text = story(&mut start, &mut exchange, hours(24), |_, _, _| {});
        let sent: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_suffix("s send"))
            .map(|at| at.parse::<f64>().unwrap() / 60.0)
            .collect();
        let gaps: Vec<u64> = sent
            .windows(2)
            .map(|pair| Duration::from_secs_f64((pair[1] - pair[0]) * 60.0).as_secs() / 60)
            .collect();
        assert_eq!(gaps[..6], [1, 2, 4, 8, 15, 15], "{class:?}: minutes, each with a fence of 35 seconds");
        assert!(sent.len() <= 100, "{class:?}: {} in a day", sent.len());
        assert_eq!(start.target.corrections, [], "{class:?}");
    }
}

#[test]
fn f63_a_server_time_that_jumps_ends_no_fence_by_itself() {
    let mut start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::unclear("timeout");
    let mut exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    let text = story(&mut start, &mut exchange, seconds(40), |at, situation, exchange| {
        if at > seconds(1) {
            exchange.offset = OFFSET + 28_000;
            situation.account.clock =
                Some(ServerClock { offset: exchange.offset, ..situation.account.clock.unwrap() });
        }
    });
    expect![[r#"
        0.0s note one_way_mode -> hedge_mode (new)
        0.0s send
        0.1s rest 34s
        35.0s look at the mode
        35.1s record resolved: it had no effect
        35.1s rest 23s
    "#]]
    .assert_eq(&text);
}

#[test]
fn f60_a_set_that_certainly_did_not_arrive_has_no_fence_and_is_tried_again_soon() {
    let start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::NotSent(failure(Class::TryAgain));
    let exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    tells(
        start,
        exchange,
        seconds(4),
        expect![[r#"
        0.0s note one_way_mode -> hedge_mode (new)
        0.0s send
        0.1s record not sent: It failed.
        0.1s rest 2s
        2.1s note one_way_mode -> hedge_mode (new)
        2.1s send
        2.2s record not sent: It failed.
        2.2s rest 4s
    "#]],
    );
}

#[test]
fn f52_what_is_shown_between_sets_without_effect() {
    let unknown = situation().flat_for(minutes(9), seconds(1)).lost_sets(1, Class::UnknownCode, seconds(6));
    check(
        &unknown,
        expect![[r#"
        new
        unexpected: The last set had no effect: It failed. The next one leaves no sooner than in 54s.
        > rest 54s
    "#]],
    );
    let unheard = situation().flat_for(minutes(9), seconds(1)).lost_sets(3, Class::TryAgain, seconds(6));
    check(
        &unheard,
        expect![[r#"
        new
        unreachable: The last 3 sets had no effect: It failed. The next one leaves no sooner than in 3m 54s.
        > rest 59s
    "#]],
    );
    let over = situation().flat_for(minutes(9), seconds(1)).lost_sets(3, Class::UnknownCode, minutes(4));
    check(
        &over,
        expect![[r#"
            new
            unexpected: The last 3 sets had no effect: It failed. It is tried again now.
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
    let in_sync =
        situation().live(WANTED, seconds(1)).applied(WANTED).lost_sets(3, Class::UnknownCode, seconds(6));
    check(
        &in_sync,
        expect![[r#"
        in_sync
        > rest 59s
    "#]],
    );
}

#[test]
fn f31_no_second_set_before_the_exchanges_clock_passes_the_fence_though_ours_runs_ahead() {
    let mut start = situation().settle(Duration::ZERO).flat_for(minutes(9), seconds(1));
    let answer = SetAnswer::unclear("timeout");
    let mut exchange = Exchange { answer, obeys: false, ..Exchange::flat(OTHER) };
    let text = story(&mut start, &mut exchange, minutes(2), |at, _, exchange| {
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
        40.1s rest 18s
        59.0s read positions
        59.1s rest 40s
        100.0s look at the mode
        100.1s read plan orders
        100.2s read orders
        100.3s read positions
        100.4s note one_way_mode -> hedge_mode (new)
        100.4s send
        100.5s rest 34s
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
fn sets_that_an_earlier_process_lost_hold_back_the_next_one_too() {
    let before = |sets| {
        let mut before = situation().flat_for(minutes(9), seconds(1));
        before.target.lost = lost_before(sets, before.now);
        before
    };
    check(
        &before(0),
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (new)
    "#]],
    );
    check(
        &before(1),
        expect![[r#"
        new
        unreachable: The last set had no effect: no clear answer came to the process of posmoded that sent it. The next one leaves no sooner than in 1m.
        > rest 59s
    "#]],
    );
    check(
        &before(3),
        expect![[r#"
        new
        unreachable: The last 3 sets had no effect: no clear answer came to the process of posmoded that sent them. The next one leaves no sooner than in 4m.
        > rest 59s
    "#]],
    );
}

#[test]
fn a_look_from_before_the_set_resolves_nothing_though_the_exchanges_clock_was_set_back_since() {
    for ago in [2, 1] {
        let mut set_back = situation().live(OTHER, seconds(ago)).unclear(seconds(1));
        // An earlier process sent it: only the exchange's clock tells when it is over.
        set_back.target.intent.as_mut().unwrap().own_fence = None;
        let seen = set_back.target.seen.as_mut().unwrap();
        seen.server = seen.server + hours(1);
        check(
            &set_back,
            expect![[r#"
                new
                outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 34s from now; then the mode is read. What is known: It failed.
                > rest 34s
            "#]],
        );
    }
}

#[test]
fn a_set_that_was_signed_far_ahead_wants_a_human() {
    let wants = |unclear: &Situation| Standing::of(&unclear.facts(), unclear.now).wants;
    let mut unclear = situation().unclear(seconds(1));
    assert_eq!(wants(&unclear), Some(Wants::Itself));
    let intent = unclear.target.intent.as_mut().unwrap();
    intent.stamp = intent.stamp + hours(1);
    assert_eq!(wants(&unclear), Some(Wants::Human));
}

/// A set with an unknown outcome that is asked to be closed: watched for so long when that was asked, signed for so many
/// seconds from now, and the exchange's time asked or not.
fn asked_to_close(watched: Duration, signed_in: i64, is_time_known: bool) -> Situation {
    let mut situation = situation().unclear(minutes(2));
    let now = situation.now;
    let time = is_time_known.then(|| (now, server(now)));
    let closing =
        Closing { request: RequestId(3), intent: IntentId(7), watched: now - watched, since: now, time };
    situation.target.closing = Some(closing);
    let intent = situation.target.intent.as_mut().unwrap();
    (intent.stamp, intent.own_fence) = (ServerTime(server(now).0 + signed_in * 1000), None);
    situation
}

#[test]
fn f63_a_set_is_closed_only_once_the_exchange_would_not_take_it() {
    let step = |watched, signed_in, is_time_known| {
        let situation = asked_to_close(seconds(watched), signed_in, is_time_known);
        in_words(&step_for(&situation), situation.now)
    };
    let mut told = String::new();
    for (watched, signed_in, is_time_known) in [
        (40, 10_000, false),
        (41, 10_000, false),
        (41, 10_000, true),
        (41, 31, true),
        (41, 30, true),
        (41, -35, true),
    ] {
        writeln!(told, "{watched} s, {signed_in} s: {}", step(watched, signed_in, is_time_known)).unwrap();
    }
    expect![[r#"
        40 s, 10000 s: record not closed: The daemon has watched this set for 40s only, and a set of an earlier process may arrive for 41s after its start: ask again in 1s.
        41 s, 10000 s: ask the time
        41 s, 10000 s: look at the mode
        41 s, 31 s: look at the mode
        41 s, 30 s: record not closed: Bitget would still take this set: it is signed for 2027-01-15T08:00:30Z, and by Bitget's clock it is 2027-01-15T08:00:00Z. It ends by itself once that is 35s past.
        41 s, -35 s: record not closed: Bitget would still take this set: it is signed for 2027-01-15T07:59:25Z, and by Bitget's clock it is 2027-01-15T08:00:00Z. It ends by itself once that is 35s past.
    "#]].assert_eq(&told);
    // The mode is read after the time.
    let mut read = asked_to_close(minutes(5), 10_000, true).live(OTHER, Duration::ZERO);
    assert_eq!(in_words(&step_for(&read), read.now), "record resolved: it had no effect");
    read.account.clock_contradicted = Some("It has jumped.".to_owned());
    assert_eq!(
        in_words(&step_for(&read), read.now),
        "record not closed: Bitget's time is in doubt: It has jumped."
    );
}
