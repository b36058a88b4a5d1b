//! A set that is refused, and one that is undone by somebody else.

use std::time::Duration;

use expect_test::expect;

use super::situation::{OTHER, Situation, WANTED, begun, failure, hours, minutes, seconds, situation};
use super::story::{Exchange, story, tells};
use super::{check, table};
use crate::facts::{Class, IntentState, List, Reading, Refusals, SetAnswer};
use crate::moment::Jitter;
use crate::protocol::{Look, Reason, Standing, retry_at};

#[test]
fn a_refused_set_on_its_way_to_the_record() {
    let refused = situation().intent(seconds(1), IntentState::Refused(failure(Class::Denied)));
    check(
        &refused,
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > record refused: 12345 It failed.
        "#]],
    );
}

#[test]
fn a_refused_set_on_record() {
    let rows = table(|class| {
        let refused = IntentState::Refused(failure(class));
        let mut refused = situation().flat_for(minutes(9), seconds(1)).intent(seconds(1), refused);
        let now = refused.now;
        if let Some(failure) = refused.target.refusal_recorded(failure(class), now, Jitter(1000)) {
            refused.account.failed(failure, now);
        }
        refused
    });
    expect![[r#"
        [NotFlat] new
        refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 1m).
        > rest 59s
        [Refused] new
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 15m).
        > rest 1m 4s
        [LeadsCopies] new
        refused: It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 15m).
        > rest 1m 4s
        [WrongKind] new
        kind_unknown: It failed. Next try in 0s.
        > rest 0s
        [Converting] new
        converting: It failed. Next try in 1m.
        > rest 1m
        [Credential] new
        credential: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 15m).
        > rest 2m 59s
        [Denied] new
        denied: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 15m).
        > rest 1m 4s
        [AccountStatus] new
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 15m).
        > rest 1m 4s
        [Clock] new
        clock: It failed. Next try in 0s.
        > rest 0s
        [OurFault] new
        unexpected: It failed. Next try in 15m.
        > rest 1m 4s
        [RateLimited] new
        rate_limited: It failed. Next try in 5s.
        > rest 5s
        [Stopped] new
        rate_limited: It failed. Next try in 3s.
        > rest 3s
        [Busy] new
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (new)
        [Stale] new
        clock: It failed. Next try in 2s.
        > rest 2s
        [TryAgain] new
        unreachable: It failed. Next try in 2s.
        > rest 2s
        [UnknownCode] new
        unexpected: It failed. Next try in 1m.
        > rest 1m
    "#]].assert_eq(&rows);
}

#[test]
fn a_refused_set_is_tried_again_in_time_however_seldom_the_target_is_compared() {
    let seldom = situation().check_every(minutes(60)).flat_for(minutes(9), seconds(1));
    check(
        &seldom.clone().set_refused(Class::RateLimited, seconds(1)),
        expect![[r#"
            new
            rate_limited: It failed. Next try in 4s.
            > rest 4s
        "#]],
    );
    check(
        &seldom.clone().set_refused(Class::Refused, seconds(1)),
        expect![[r#"
            new
            refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            > rest 14m 59s
        "#]],
    );
    check(
        &seldom.set_refused(Class::Refused, minutes(15)),
        expect![[r#"
            new
            refused: It failed. It is tried again now.
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn what_was_refused_wants_a_human_until_something_else_comes_of_a_set() {
    let told = |situation: &Situation| {
        let Standing { blockers, wants, .. } = Standing::of(&situation.facts(), situation.now);
        let names: Vec<&str> = blockers.iter().map(Reason::as_str).collect();
        format!("{} {:?}", names.join(" "), wants.unwrap())
    };
    // Over for so long is the wait after the refusal, and it settles for the next try.
    let settling = || situation().applied(OTHER).flat_for(seconds(58), seconds(1));
    assert_eq!(told(&settling()), "settling Time");
    for (class, reason) in
        [(Class::Denied, "denied"), (Class::Refused, "refused"), (Class::UnknownCode, "unexpected")]
    {
        let refused = settling().set_refused(class, minutes(16));
        assert_eq!(told(&refused), format!("{reason} settling Human"));
    }
    let mut though_flat = settling();
    let last = though_flat.now - minutes(2);
    though_flat.target.refused_though_flat = Some(Refusals { count: 1, last, waits: true });
    assert_eq!(told(&though_flat), "refused_though_flat settling Human");
    check(
        &settling().set_refused(Class::Denied, minutes(16)),
        expect![[r#"
        pending
        denied: It failed. Before the next try: Flat for 58s; it must be so for 5m before the mode is changed.
        settling: Flat for 58s; it must be so for 5m before the mode is changed.
        > rest 29s
    "#]],
    );
    check(
        &though_flat,
        expect![[r#"
        pending
        refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders. Before the next try: Flat for 58s; it must be so for 5m before the mode is changed.
        settling: Flat for 58s; it must be so for 5m before the mode is changed.
        > rest 29s
    "#]],
    );
    // What passes by itself does so here, too.
    assert_eq!(told(&settling().set_refused(Class::RateLimited, minutes(16))), "settling Time");
    // Another outcome: none that is known, or what an operator says or decides.
    let denied = || settling().set_refused(Class::Denied, minutes(16));
    assert_eq!(told(&denied().unclear(seconds(1))), "outcome_unknown Itself");
    let mut refreshed = denied();
    refreshed.target.refresh(refreshed.now);
    assert_eq!(told(&refreshed), "settling Time");
    though_flat.target.refresh(though_flat.now);
    assert_eq!(told(&though_flat), "settling Time");
    assert_eq!(told(&denied().suspended()), "suspended Human");
    let mended = denied().live(WANTED, seconds(1));
    assert!(Standing::of(&mended.facts(), mended.now).blockers.is_empty());
}

#[test]
fn while_a_set_is_refused_for_its_rate_no_list_is_read() {
    check(
        &begun().set_refused(Class::RateLimited, seconds(1)),
        expect![[r#"
        new
        rate_limited: It failed. Next try in 4s.
        > rest 4s
    "#]],
    );
}

#[test]
fn a_set_that_is_refused_again_and_again_is_tried_less_and_less_often() {
    let mut refused = situation();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let now = refused.now;
        assert_eq!(refused.target.refusal_recorded(failure(Class::RateLimited), now, Jitter(0)), None);
        let failing = refused.target.set_refused.as_ref().unwrap();
        waits.push(retry_at(failing).since(now).as_secs());
        refused.now = now + minutes(1);
    }
    assert_eq!(waits, [5, 10, 20, 40]);
}

#[test]
fn a_reload_tries_again_what_was_refused() {
    let refused = situation().flat_for(minutes(9), seconds(1)).set_refused(Class::Refused, seconds(1));
    check(
        &refused.clone(),
        expect![[r#"
            new
            refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            > rest 1m 4s
        "#]],
    );
    check(
        &refused.looked_for_again(),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > look at the mode
        "#]],
    );
}

#[test]
fn an_account_that_leads_copy_trading_is_told_to_write_only_what_the_file_does_not_say() {
    let leads = || situation().flat_for(minutes(9), seconds(1)).set_refused(Class::LeadsCopies, seconds(1));
    check(
        &leads(),
        expect![[r#"
            new
            refused: It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            > rest 1m 4s
        "#]],
    );
    check(
        &leads().live(WANTED, seconds(5)).wants(Some(OTHER)),
        expect![[r#"
            new
            refused: It failed: write hedge_mode for it, in which Bitget keeps it, or end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            > rest 1m
        "#]],
    );
}

#[test]
fn a_refresh_tries_once_more_what_is_mended_at_the_exchange() {
    let flat = || situation().flat_for(minutes(9), seconds(1));
    check(
        &flat().set_refused(Class::Denied, seconds(1)).refreshed(),
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > look at the mode
    "#]],
    );
    check(
        &flat().refused_though_flat(3, seconds(1)).refreshed(),
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > look at the mode
    "#]],
    );
    check(
        &flat().set_refused(Class::RateLimited, seconds(1)).refreshed(),
        expect![[r#"
        new
        rate_limited: It failed. Next try in 4s.
        > look at the mode
    "#]],
    );
    // Refused again it waits in full, until the next refresh.
    let mut refreshed = flat().refused_though_flat(3, minutes(2)).refreshed();
    let now = refreshed.now;
    refreshed.target.refusal_recorded(failure(Class::NotFlat), now, Jitter(0));
    check(
        &refreshed,
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (4 times): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 30m).
            > look at the mode
        "#]],
    );
}

#[test]
fn a_key_is_read_again_on_a_refresh_and_where_it_is_a_copy_nobody_is_told_to() {
    let (refused, missing) =
        (situation().account_failing(Class::Credential, seconds(1)), situation().no_credential());
    check(
        &refused,
        expect![[r#"
            new
            credential: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            settling: Whether it is flat is not known yet.
            > rest 2m 59s
        "#]],
    );
    check(
        &missing,
        expect![[r#"
        new
        credential: There is no file desk-main in the credentials: put one there; then `posmoded refresh desk-main`.
        settling: Whether it is flat is not known yet.
        > rest 2m 59s
    "#]],
    );
    check(
        &refused.with_copied_keys(),
        expect![[r#"
        new
        credential: It failed. Next try in 14m 59s.
        settling: Whether it is flat is not known yet.
        > rest 2m 59s
    "#]],
    );
    check(
        &missing.with_copied_keys(),
        expect![[r#"
        new
        credential: There is no file desk-main in the credentials: put one there.
        settling: Whether it is flat is not known yet.
        > rest 2m 59s
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
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 59s).
            > rest 59s
        "#]],
    );
    check(
        &flat.clone().refused_though_flat(2, seconds(250)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (2 times): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 50s).
            > rest 50s
        "#]],
    );
    check(
        &flat.clone().refused_though_flat(9, minutes(29)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (9 times): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 1m).
            > rest 59s
        "#]],
    );
    check(
        &flat.refused_though_flat(9, minutes(30)),
        expect![[r#"
            new
            refused_though_flat: Every list is empty and yet the exchange says that something is open (9 times): look for bots, TWAP and copy orders. It is tried again now.
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn a_row_that_shows_ends_the_refusals_though_flat() {
    let mut open = begun().refused_though_flat(3, seconds(1));
    let at = open.now;
    open.target.read(
        List::Positions,
        false,
        Reading { count: 1, asked: at, answered: at },
        crate::facts::Stretch::default(),
    );
    check(
        &open,
        expect![[r#"
            new
            not_flat: Open: at least 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
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
            59.1s read positions
            59.2s rest 0s
            60.1s read plan orders
            60.2s read orders
            60.3s read positions
            60.4s note one_way_mode -> hedge_mode (new)
            60.4s send
            60.5s record refused: 12345 It failed.
            60.5s rest 59s
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
            9.0s read plan orders
            9.1s read orders
            9.2s read positions
            9.3s note one_way_mode -> hedge_mode (new)
            9.3s send
            9.4s record refused: 12345 It failed.
            9.4s rest 0s
            9.9s ask the time
            10.0s rest 7s
            17.4s rest 1s
            19.0s read plan orders
            19.1s read orders
            19.2s read positions
            19.3s note one_way_mode -> hedge_mode (new)
            19.3s send
            19.4s record refused: 12345 It failed.
            19.4s rest 0s
            19.9s ask the time
            20.0s rest 15s
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
            0.1s read plan orders
            0.2s read orders
            0.3s rest 5s
            5.3s rest 4s
            10.1s read plan orders
            10.2s read orders
            10.3s rest 10s
            20.3s read plan orders
            20.4s read orders
            20.5s rest 20s
            40.5s read plan orders
            40.6s read orders
            40.7s rest 40s
            80.7s look at the mode
            80.8s read plan orders
            80.9s read orders
            81.0s rest 1m
            141.0s look at the mode
            141.1s read plan orders
            141.2s read orders
            141.3s rest 1m
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
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
            > look at the mode
        "#]],
    );
}
