//! Failed looks at an account or a target: one row per class of answers.

use std::time::Duration;

use expect_test::expect;

use super::check;
use super::situation::{OFFSET, OTHER, Situation, WANTED, begun, failure, minutes, seconds, situation};
use super::{of_a_desk, table, told};
use crate::facts::{Answer, Class, List, OwnerDue, ServerClock};
use crate::moment::{Jitter, ServerTime};
use crate::position_mode::{Declared, Kind, PositionMode, ProductType};
use crate::protocol::{Learned, Look, Reason, Standing, Wants, learn, say};

/// The look failed a second ago: the failure is the account's or the target's, depending on its class.
fn failing(before: Situation, class: Class) -> Situation {
    if class.row().account_wide {
        before.account_failing(class, seconds(1))
    } else {
        before.target_failing(class, seconds(1))
    }
}

#[test]
fn what_is_unreachable_for_a_quarter_of_an_hour_wants_a_human() {
    let wants = |situation: &Situation| Standing::of(&situation.facts(), situation.now).wants;
    let failing_for = |span| {
        let mut failing = situation().account_failing(Class::TryAgain, span);
        let run = failing.account.failing.as_mut().unwrap();
        (run.at, run.tries) = (failing.now - seconds(1), 9);
        failing
    };
    let short = failing_for(minutes(15).saturating_sub(seconds(2)));
    assert_eq!(wants(&short), Some(Wants::Time), "it would have to settle");
    check(
        &short,
        expect![[r#"
        new
        unreachable: It failed. Next try in 4m 59s.
        settling: Whether it is flat is not known yet.
        > rest 2s
    "#]],
    );
    let long = failing_for(minutes(15));
    assert_eq!(wants(&long), Some(Wants::Human));
    check(
        &long,
        expect![[r#"
        new
        unreachable: It failed. Next try in 4m 59s. It has been so for 15m: see whether Bitget answers elsewhere, and mend this host's way to it.
        settling: Whether it is flat is not known yet.
        > rest 2m 59s
    "#]],
    );
    // A target that cannot be looked at while others can, one that is in sync, and sets that come to nothing.
    let target = |span| situation().live(WANTED, seconds(1)).target_failing(Class::TryAgain, span);
    assert_eq!(wants(&target(minutes(14))), Some(Wants::Itself));
    assert_eq!(wants(&target(minutes(15))), Some(Wants::Human));
    let lost = |since| {
        let mut lost = situation().lost_sets(5, Class::TryAgain, seconds(1));
        lost.target.lost.as_mut().unwrap().since = lost.now - since;
        wants(&lost)
    };
    assert_eq!((lost(minutes(14)), lost(minutes(15))), (Some(Wants::Time), Some(Wants::Human)));
    // Nothing fails, and it is not looked at: it is called known for three minutes.
    let unseen = |ago| wants(&situation().live(OTHER, ago));
    assert_eq!((unseen(minutes(17)), unseen(minutes(18))), (Some(Wants::Itself), Some(Wants::Human)));
}

#[test]
fn what_passes_by_itself_and_has_not_for_long_wants_a_human() {
    type Signed = fn(Situation, Duration) -> Situation;

    let is_long = |situation: &Situation, reason: Reason| {
        let (facts, now) = (situation.facts(), situation.now);
        let standing = Standing::of(&facts, now);
        assert!(standing.blockers.holds(reason), "{standing:?}");
        let is_told = say(reason, &facts, &of_a_desk(), now).contains(" It has been so for ");
        let wants_a_human = standing.wants == Some(Wants::Human);
        assert_eq!(wants_a_human, is_told);
        wants_a_human
    };
    let limited = |span| situation().live(WANTED, seconds(1)).target_failing(Class::RateLimited, span);
    assert!(!is_long(&limited(minutes(14)), Reason::RateLimited));
    assert!(is_long(&limited(minutes(15)), Reason::RateLimited));
    let signed: [(Signed, Reason, Duration); 3] = [
        (Situation::unclear, Reason::OutcomeUnknown, minutes(5)),
        (Situation::accepted, Reason::Verifying, minutes(10)),
        (Situation::noted, Reason::Acting, minutes(10)),
    ];
    for (signed, reason, long) in signed {
        let ago = |ago| signed(situation().live(OTHER, seconds(1)), ago);
        assert!(!is_long(&ago(long.saturating_sub(seconds(5))), reason), "{reason}");
        assert!(is_long(&ago(long + seconds(5)), reason), "{reason}");
    }
}

#[test]
fn f82_waiting_for_our_own_pace_is_no_reason_but_a_later_look() {
    let busy = Class::Busy { until: situation().now + seconds(31) };
    check(
        &situation().live(WANTED, seconds(61)).applied(WANTED).target_failing(busy, seconds(1)),
        expect![[r#"
            in_sync
            > rest 31s
        "#]],
    );
    check(
        &situation().flat_for(minutes(9), seconds(9)).target_failing(busy, seconds(1)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > rest 31s
        "#]],
    );
}

#[test]
fn without_a_credential_nothing_is_asked() {
    check(
        &situation().never_seen().no_credential(),
        expect![[r#"
            unknown
            credential: There is no file desk-main in the credentials: put one there; then `posmoded refresh desk-main`.
            > rest 15m
        "#]],
    );
}

#[test]
fn another_hosts_account_is_listed_and_nothing_is_asked_or_sent() {
    let here = situation().applied(OTHER).flat_for(minutes(9), seconds(1));
    let told_elsewhere = told(&here.clone().elsewhere());
    expect![[r#"
        unknown
        elsewhere: The file gives this account to the host trade-02, and this one is called trade-01: it never asks for the account and never sets it.
        > rest 2m 59s
    "#]]
    .assert_eq(&told_elsewhere);
    for other in [
        situation().never_seen().kind(None).elsewhere(),
        here.clone().looked_for_again().elsewhere(),
        here.clone().no_credential().wrong_account().elsewhere(),
        here.account_failing(Class::TryAgain, minutes(9)).elsewhere(),
        situation().live(WANTED, seconds(1)).elsewhere(),
    ] {
        let other = told(&other);
        assert!(other.lines().take(2).eq(told_elsewhere.lines().take(2)), "{other}");
        assert!(other.contains("> rest "), "{other}");
    }
    let noted = situation().flat_for(minutes(9), seconds(1)).noted(seconds(1)).elsewhere();
    assert!(
        told(&noted).ends_with("> withdraw: the newest revision gives the account to another host\n"),
        "{}",
        told(&noted)
    );
}

#[test]
fn the_wrong_account_gets_no_set_and_is_looked_at_again_only_when_told_to() {
    check(
        &situation().applied(OTHER).flat_for(minutes(9), seconds(1)).wrong_account(),
        expect![[r#"
            pending
            wrong_account: The key belongs to account 7, the ledger knows 42: use the right key.
            > rest 2m 59s
        "#]],
    );
    check(
        &situation().wrong_account().looked_for_again(),
        expect![[r#"
            new
            wrong_account: The key belongs to account 7, the ledger knows 42: use the right key.
            settling: Whether it is flat is not known yet.
            > look at the account
        "#]],
    );
}

#[test]
fn what_a_unified_account_cannot_have_is_told_with_what_to_write_and_its_mode_is_watched() {
    let modes = |modes: &[(ProductType, PositionMode)]| Declared::PerProduct(modes.iter().copied().collect());
    let two = modes(&[
        (ProductType::UsdtFutures, PositionMode::Hedge),
        (ProductType::CoinFutures, PositionMode::OneWay),
    ]);
    check(
        &situation().unsatisfiable(two.clone()),
        expect![[r#"
        unknown
        unsatisfiable: This is a unified account, which has one mode for all that it holds, and the file wants hedge_mode for USDT-FUTURES and one_way_mode for COIN-FUTURES: nothing is changed. Write the one that is meant, `position_mode: one_way_mode` or `position_mode: hedge_mode`.
        > rest 59s
    "#]],
    );
    check(
        &situation().never_seen().unsatisfiable(two),
        expect![[r#"
        unknown
        unsatisfiable: This is a unified account, which has one mode for all that it holds, and the file wants hedge_mode for USDT-FUTURES and one_way_mode for COIN-FUTURES: nothing is changed. Write the one that is meant, `position_mode: one_way_mode` or `position_mode: hedge_mode`.
        > look at the mode
    "#]],
    );
    let part = modes(&[(ProductType::UsdtFutures, PositionMode::Hedge)]);
    check(
        &situation().unsatisfiable(part),
        expect![[r#"
        unknown
        unsatisfiable: This is a unified account, which has one mode for all that it holds, and the file speaks of USDT-FUTURES only: nothing is changed. If hedge_mode is meant for the whole account, write `position_mode: hedge_mode`.
        > rest 59s
    "#]],
    );
}

#[test]
fn a_set_of_a_target_that_is_gone_is_waited_for() {
    let ready = situation().flat_for(minutes(6), seconds(1));
    check(
        &ready.clone().gone(seconds(5)),
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 30s from now; then the mode is read.
        > rest 30s
    "#]],
    );
    check(
        &ready.gone(seconds(36)),
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (new)
    "#]],
    );
    // The mode was read this moment, and the exchange's time is not over yet though our clock says so.
    let mut ahead = situation().live(OTHER, seconds(0)).flat_for(minutes(6), seconds(1)).gone(seconds(36));
    let seen = ahead.target.seen.as_mut().unwrap();
    seen.server = seen.server - seconds(2);
    check(
        &ahead,
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read.
        > rest 1s
    "#]],
    );
    // The other way round: by the exchange's time it is over, and by our own it is not.
    let mut jumped = situation().live(OTHER, seconds(0)).flat_for(minutes(6), seconds(1)).gone(seconds(20));
    jumped.account.orphaned_fence = jumped.now + seconds(15);
    let seen = jumped.target.seen.as_mut().unwrap();
    seen.server = seen.server + seconds(40);
    check(
        &jumped,
        expect![[r#"
        new
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 15s from now; then the mode is read.
        > rest 15s
    "#]],
    );
}

#[test]
fn a_kind_not_seen_yet_is_looked_at_first() {
    check(
        &situation().never_seen().kind(None),
        expect![[r#"
            unknown
            > look at the kind
        "#]],
    );
    let unreachable = situation().never_seen().kind(None).account_failing(Class::TryAgain, seconds(1));
    check(
        &unreachable,
        expect![[r#"
            unknown
            kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 1s.
            unreachable: It failed. Next try in 1s.
            > rest 1s
        "#]],
    );
}

#[test]
fn modes_that_differ_need_a_kind_before_there_is_anything_to_compare() {
    check(
        &situation().never_seen().wants(None),
        expect![[r#"
            unknown
            > rest 1m
        "#]],
    );
    check(
        &situation().wants(None),
        expect![[r#"
            unknown
            unreachable: The file names more than one mode; which of them is for what is sorted once the kind of account is known.
            > rest 1m
        "#]],
    );
}

#[test]
fn f45_an_unknown_or_doubtful_clock_is_asked_for_first() {
    let clock = |doubt, ago| {
        let measured = situation().now - ago;
        Some(ServerClock { offset: OFFSET, doubt, measured })
    };
    let ready = situation().flat_for(minutes(9), seconds(1));
    check(
        &ready.clone().clock(None),
        expect![[r#"
            new
            clock: The exchange's time is not known well enough to sign a change; it is asked for.
            > ask the time
        "#]],
    );
    check(
        &ready.clone().clock(clock(seconds(5), seconds(0))),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
    check(
        &ready.clone().clock(clock(Duration::from_millis(20_001), seconds(0))),
        expect![[r#"
            new
            clock: The exchange's time is not known well enough to sign a change; it is asked for.
            > ask the time
        "#]],
    );
    check(
        &ready.clock(clock(seconds(4), minutes(90))),
        expect![[r#"
            new
            clock: The exchange's time is not known well enough to sign a change; it is asked for.
            > ask the time
        "#]],
    );
}

#[test]
fn a_failed_look_at_the_account() {
    let rows = table(|class| situation().never_seen().kind(None).account_failing(class, seconds(1)));
    expect![[r#"
        [NotFlat] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 9s.
        not_flat: It failed. Next try in 9s.
        > rest 9s
        [Refused] unknown
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        kind_unknown: Which kind of account this is has not been seen yet. It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [LeadsCopies] unknown
        refused: It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        kind_unknown: Which kind of account this is has not been seen yet. It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [WrongKind] unknown
        kind_unknown: It failed. Next try in 1s.
        > rest 1s
        [Converting] unknown
        converting: It failed. Next try in 59s.
        > rest 59s
        [Credential] unknown
        credential: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        kind_unknown: Which kind of account this is has not been seen yet. It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [Denied] unknown
        denied: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        kind_unknown: Which kind of account this is has not been seen yet. It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [AccountStatus] unknown
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        kind_unknown: Which kind of account this is has not been seen yet. It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [Clock] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 1s.
        clock: It failed. Next try in 1s.
        > rest 1s
        [OurFault] unknown
        unexpected: It failed. Next try in 14m 59s.
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 14m 59s.
        > rest 14m 59s
        [RateLimited] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 4s.
        rate_limited: It failed. Next try in 4s.
        > rest 4s
        [Stopped] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 3s.
        rate_limited: It failed. Next try in 3s.
        > rest 3s
        [Busy] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 3s.
        > rest 3s
        [Stale] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 1s.
        clock: It failed. Next try in 1s.
        > rest 1s
        [TryAgain] unknown
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 1s.
        unreachable: It failed. Next try in 1s.
        > rest 1s
        [UnknownCode] unknown
        unexpected: It failed. Next try in 59s.
        kind_unknown: Which kind of account this is has not been seen yet. It failed. Next try in 59s.
        > rest 59s
    "#]]
    .assert_eq(&rows);
}

#[test]
fn a_failed_look_at_the_mode() {
    let rows = table(|class| failing(situation().never_seen(), class));
    expect![[r#"
        [NotFlat] unknown
        not_flat: It failed. Next try in 9s.
        > rest 9s
        [Refused] unknown
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [LeadsCopies] unknown
        refused: It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [WrongKind] unknown
        kind_unknown: It failed. Next try in 1s.
        > rest 1s
        [Converting] unknown
        converting: It failed. Next try in 59s.
        > rest 59s
        [Credential] unknown
        credential: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [Denied] unknown
        denied: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [AccountStatus] unknown
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        > rest 14m 59s
        [Clock] unknown
        clock: It failed. Next try in 1s.
        > rest 1s
        [OurFault] unknown
        unexpected: It failed. Next try in 14m 59s.
        > rest 14m 59s
        [RateLimited] unknown
        rate_limited: It failed. Next try in 4s.
        > rest 4s
        [Stopped] unknown
        rate_limited: It failed. Next try in 3s.
        > rest 3s
        [Busy] unknown
        unreachable: It has not been looked at yet.
        > rest 3s
        [Stale] unknown
        clock: It failed. Next try in 1s.
        > rest 1s
        [TryAgain] unknown
        unreachable: It failed. Next try in 1s.
        > rest 1s
        [UnknownCode] unknown
        unexpected: It failed. Next try in 59s.
        > rest 59s
    "#]]
    .assert_eq(&rows);
}

#[test]
fn a_failed_look_at_a_list() {
    let rows = table(|class| failing(situation().live(OTHER, seconds(2)), class));
    expect![[r#"
        [NotFlat] new
        not_flat: It failed. Next try in 9s.
        settling: Whether it is flat is not known yet.
        > rest 9s
        [Refused] new
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [LeadsCopies] new
        refused: It failed: end its copy trading at Bitget; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [WrongKind] new
        kind_unknown: It failed. Next try in 1s.
        settling: Whether it is flat is not known yet.
        > rest 1s
        [Converting] new
        converting: It failed. Next try in 59s.
        settling: Whether it is flat is not known yet.
        > rest 59s
        [Credential] new
        credential: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [Denied] new
        denied: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [AccountStatus] new
        refused: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [Clock] new
        clock: It failed. Next try in 1s.
        settling: Whether it is flat is not known yet.
        > rest 1s
        [OurFault] new
        unexpected: It failed. Next try in 14m 59s.
        settling: Whether it is flat is not known yet.
        > rest 2m 58s
        [RateLimited] new
        rate_limited: It failed. Next try in 4s.
        settling: Whether it is flat is not known yet.
        > rest 4s
        [Stopped] new
        rate_limited: It failed. Next try in 3s.
        settling: Whether it is flat is not known yet.
        > rest 3s
        [Busy] new
        settling: Whether it is flat is not known yet.
        > rest 3s
        [Stale] new
        clock: It failed. Next try in 1s.
        settling: Whether it is flat is not known yet.
        > rest 1s
        [TryAgain] new
        unreachable: It failed. Next try in 1s.
        settling: Whether it is flat is not known yet.
        > rest 1s
        [UnknownCode] new
        unexpected: It failed. Next try in 59s.
        settling: Whether it is flat is not known yet.
        > rest 59s
    "#]]
    .assert_eq(&rows);
}

#[test]
fn what_fails_at_the_account_is_told_though_the_target_is_in_sync() {
    let in_sync = situation().live(WANTED, seconds(30)).applied(WANTED);
    check(
        &in_sync.account_failing(Class::TryAgain, seconds(1)),
        expect![[r#"
            in_sync
            unreachable: It failed. Next try in 1s.
            > rest 1s
        "#]],
    );
}

/// Else a kind that is contradicted again and again would be asked for without a pause.
#[test]
fn a_kind_that_is_observed_anew_does_not_end_the_failure_that_asked_for_it() {
    let mut situation = situation().kind(None).account_failing(Class::WrongKind, seconds(9));
    let (now, server) = (situation.now, ServerTime(situation.now.0 + OFFSET));
    let answer = Answer { value: Kind::Classic, asked: now, answered: now, server };
    learn(&mut situation.account, &mut situation.target, Learned::Kind(answer), now, Jitter(0));
    assert_eq!(situation.account.kind, Some(Kind::Classic));
    assert!(situation.account.failing.is_some());
    let answer = answer.with(OTHER);
    learn(&mut situation.account, &mut situation.target, Learned::Mode(answer), now, Jitter(0));
    assert_eq!(situation.account.failing, None);
}

/// Else a list that contradicts the mode would be asked for without a pause, as the mode that follows ends the failure.
#[test]
fn a_list_that_contradicts_the_kind_counts_against_itself_and_the_mode_against_the_account() {
    let list = Look::List(List::Orders);
    for (look, class, fails) in [
        (list, Class::WrongKind, "target"),
        (Look::Open(List::Orders), Class::WrongKind, "target"),
        (Look::Mode, Class::WrongKind, "account"),
        (list, Class::Credential, "account"),
        (list, Class::Refused, "target"),
        (Look::Mode, Class::Refused, "target"),
        (Look::Kind, Class::Refused, "account"),
    ] {
        let mut situation = situation();
        let (now, failed) = (situation.now, Learned::Failed(look, failure(class)));
        learn(&mut situation.account, &mut situation.target, failed, now, Jitter(0));
        let failing = (situation.account.failing.is_some(), situation.target.failing.is_some());
        assert_eq!(failing, (fails == "account", fails == "target"), "{class:?} of {look:?}");
        assert_eq!(situation.account.kind.is_none(), class == Class::WrongKind, "{class:?} of {look:?}");
    }
}

/// It is asked again later, and looks and changes go on.
#[test]
fn an_owner_that_cannot_be_seen_is_no_obstacle_unless_the_file_names_one() {
    let failed = |owner_due| {
        let mut situation = begun().applied(OTHER);
        situation.account.identity = None;
        situation.account.owner_due = owner_due;
        let now = situation.now;
        let failed = Learned::Failed(Look::Account, failure(Class::UnknownCode));
        learn(&mut situation.account, &mut situation.target, failed, now, Jitter(0));
        situation
    };
    check(
        &failed(OwnerDue::BeforeASet),
        expect![[r#"
        pending
        settling: Whether it is flat is not known yet.
        > read plan orders
    "#]],
    );
    check(
        &failed(OwnerDue::BeforeAnything),
        expect![[r#"
            unknown
            unexpected: It failed. Next try in 1m.
            kind_unknown: Whose key this is has not been seen yet. It failed. Next try in 1m.
            > rest 1m
        "#]],
    );
}
