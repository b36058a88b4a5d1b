//! What forbids a wanted set, and which reason is shown when several apply.

use std::slice::from_ref;
use strum::VariantArray as _;

use expect_test::expect;

use super::check;
use super::situation::{OTHER, Situation, WANTED, hours, minutes, seconds, situation, window};
use crate::facts::{Class, List};
use crate::protocol::{Reason, Reasons};

/// Nothing but the brake under test keeps the set from leaving.
fn ready() -> Situation {
    situation().applied(OTHER).flat_for(minutes(9), seconds(1))
}

#[test]
fn nothing_in_the_way_lets_the_set_be_noted() {
    check(
        &ready(),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn a_suspended_target_is_watched_and_never_changed() {
    check(
        &ready().suspended(),
        expect![[r#"
            pending
            suspended: The file suspends it: until the risk review is done.
            > rest 59s
        "#]],
    );
    check(
        &ready().suspended().live(WANTED, seconds(1)).applied(WANTED),
        expect![[r#"
            in_sync
            > rest 59s
        "#]],
    );
}

#[test]
fn a_pause_lasts_until_its_end_or_until_resume() {
    check(
        &ready().paused(None),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            > rest 59s
        "#]],
    );
    check(
        &ready().paused(Some(hours(2))),
        expect![[r#"
            pending
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            > rest 59s
        "#]],
    );
    check(
        &ready().paused(Some(seconds(9))),
        expect![[r#"
            pending
            paused: An operator paused it, for 9s more, or until `posmoded resume`: maintenance.
            > rest 9s
        "#]],
    );
    check(
        &ready().paused(Some(seconds(0))),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn f10_a_bad_file_brakes_every_set() {
    check(
        &ready().bad_file(),
        expect![[r#"
            pending
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            > rest 59s
        "#]],
    );
    check(
        &ready().bad_file().live(WANTED, seconds(1)).applied(WANTED),
        expect![[r#"
            in_sync
            > rest 59s
        "#]],
    );
}

#[test]
fn f33_without_a_ledger_nothing_is_sent_until_it_is_tried_again() {
    check(
        &ready().ledger_trouble(seconds(30)),
        expect![[r#"
            pending
            ledger: The ledger cannot be written, the disk is full: make room.
            > rest 30s
        "#]],
    );
    check(
        &ready().ledger_trouble(seconds(0)),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn f33_without_a_ledger_nothing_is_recorded_until_it_is_tried_again() {
    check(
        &ready().live(WANTED, seconds(1)).ledger_trouble(seconds(30)),
        expect![[r#"
        in_sync
        > rest 30s
    "#]],
    );
    check(
        &ready().live(WANTED, seconds(0)).accepted(seconds(1)).ledger_trouble(seconds(3)),
        expect![[r#"
            unknown
            ledger: The ledger cannot be written, the disk is full: make room.
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > rest 3s
        "#]],
    );
    check(
        &ready().live(WANTED, seconds(0)).accepted(seconds(1)).ledger_trouble(seconds(0)),
        expect![[r#"
        unknown
        verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
        > record confirmed
    "#]],
    );
}

#[test]
fn more_than_max_changes_is_held() {
    check(
        &ready().none_left(None, None),
        expect![[r#"
            pending
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`.
            > rest 59s
        "#]],
    );
    check(
        &ready().none_left(Some(minutes(20)), Some("0123456789ab")),
        expect![[r#"
            pending
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve 0123456789ab`. Without that the next one may leave in 20m.
            > rest 59s
        "#]],
    );
    check(
        &ready().none_left(Some(seconds(4)), Some("0123456789ab")),
        expect![[r#"
            pending
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve 0123456789ab`. Without that the next one may leave in 4s.
            > rest 4s
        "#]],
    );
}

#[test]
fn an_approved_plan_is_not_held() {
    check(
        &ready().none_left(Some(minutes(20)), Some("0123456789ab")).approved(),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn an_approval_lifts_no_other_brake() {
    check(
        &ready().none_left(None, None).approved().paused(None).bad_file(),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            > rest 59s
        "#]],
    );
    check(
        &ready().none_left(None, None).approved().suspended(),
        expect![[r#"
            pending
            suspended: The file suspends it: until the risk review is done.
            > rest 59s
        "#]],
    );
}

#[test]
fn a_braked_target_is_still_compared_and_its_lists_are_read() {
    let begun = situation().applied(OTHER).paused(None);
    check(
        &begun,
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            settling: Whether it is flat is not known yet.
            > read positions
        "#]],
    );
    check(
        &begun.clone().list(List::Positions, 0, seconds(0)),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
    check(
        &begun.list(List::Positions, 3, seconds(0)),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            not_flat: Open: 3 positions. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 59s
        "#]],
    );
}

#[test]
fn what_needs_a_human_wins_over_what_passes_by_itself() {
    let braked = ready()
        .suspended()
        .paused(Some(hours(2)))
        .bad_file()
        .ledger_trouble(seconds(30))
        .none_left(Some(minutes(20)), None)
        .refused_though_flat(1, seconds(5));
    check(
        &braked,
        expect![[r#"
            pending
            ledger: The ledger cannot be written, the disk is full: make room.
            suspended: The file suspends it: until the risk review is done.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders. Next try in 55s.
            > rest 30s
        "#]],
    );
    let fought = braked.applied(WANTED).corrected(&[hours(3), hours(2), hours(1)]);
    check(
        &fought,
        expect![[r#"
            drifted
            ledger: The ledger cannot be written, the disk is full: make room.
            suspended: The file suspends it: until the risk review is done.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume` or change the file.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders. Next try in 55s.
            > rest 30s
        "#]],
    );
    let failing = fought.wrong_account().no_credential().account_failing(Class::TryAgain, seconds(1));
    check(
        &failing.set_refused(Class::OurFault, seconds(1)),
        expect![[r#"
            drifted
            unexpected: It failed. Next try in 14m 59s.
            wrong_account: The key belongs to account 7, the ledger knows 42: use the right key.
            credential: There is no file desk-main in the credentials: put one there.
            unreachable: It failed. Next try in 1s.
            ledger: The ledger cannot be written, the disk is full: make room.
            suspended: The file suspends it: until the risk review is done.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume` or change the file.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders. Next try in 55s.
            > rest 30s
        "#]],
    );
}

#[test]
fn waiting_for_flatness_comes_last() {
    check(
        &situation().paused(None).list(List::Positions, 2, seconds(1)),
        expect![[r#"
            new
            paused: An operator paused it, until `posmoded resume`: maintenance.
            not_flat: Open: 2 positions. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 59s
        "#]],
    );
    check(
        &situation().paused(None).flat_for(minutes(2), seconds(1)),
        expect![[r#"
            new
            paused: An operator paused it, until `posmoded resume`: maintenance.
            settling: Flat for 2m; it must be so for 5m before the mode is changed.
            > rest 59s
        "#]],
    );
}

#[test]
fn reasons_win_in_the_order_that_programs_hold_on_to() {
    let names = Reason::VARIANTS.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(" ");
    expect!["crashed unexpected elsewhere wrong_account credential denied refused unsatisfiable kind_unknown converting unreachable clock ledger outcome_unknown verifying rate_limited suspended paused file held fighting reported window requirement not_flat refused_though_flat settling acting"].assert_eq(&names);
    let some: Reasons = Reason::VARIANTS.iter().copied().rev().collect();
    assert_eq!(some.iter().collect::<Vec<_>>(), Reason::VARIANTS);
    assert_eq!(some.first(), Some(Reason::Crashed));
}

#[test]
fn f42_outside_of_its_change_windows_a_target_waits_for_the_first_of_them_to_open() {
    let weekend = window("weekend", "0 0 22 * * Fri", hours(48));
    let morning = window("morning", "0 30 8 * * *", hours(1));
    let soon = window("soon", "0 0 8 * * *", seconds(1));
    check(
        &ready().windows(from_ref(&weekend)),
        expect![[r#"
            pending
            window: Its change window weekend is closed; it opens at 2027-01-15 22:00:00 +00:00 (UTC), 13h 59m from now.
            > rest 59s
        "#]],
    );
    check(
        &ready().windows(&[weekend, morning.clone()]),
        expect![[r#"
            pending
            window: Its change windows weekend, morning are closed; the first to open is morning, at 2027-01-15 08:30:00 +00:00 (UTC), 29m 59s from now.
            > rest 59s
        "#]],
    );
    // A window that closes in 300 ms is still open.
    check(
        &ready().windows(&[soon]),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the mode
    "#]],
    );
    check(
        &ready().windows(&[window("soon", "30 0 8 * * *", hours(1))]),
        expect![[r#"
            pending
            window: Its change window soon is closed; it opens at 2027-01-15 08:00:30 +00:00 (UTC), 29s from now.
            > rest 29s
        "#]],
    );
    let in_sync = ready().live(WANTED, seconds(1)).applied(WANTED);
    check(
        &in_sync.windows(from_ref(&morning)),
        expect![[r#"
        in_sync
        > rest 59s
    "#]],
    );
    check(
        &ready().windows(&[morning]).clock(None),
        expect![[r#"
        pending
        clock: The exchange's time is not known well enough to sign a change; it is asked for.
        > ask the time
    "#]],
    );
}

#[test]
fn f42_the_opening_of_a_window_begins_a_round_at_once() {
    let opened = window("opened", "57 59 7 * * *", hours(1));
    check(
        &ready().live(OTHER, seconds(5)).windows(from_ref(&opened)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the mode
    "#]],
    );
    check(
        &ready().live(OTHER, seconds(2)).windows(&[opened]),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (pending)
    "#]],
    );
}

#[test]
fn several_windows_are_alternatives() {
    let closed = window("weekend", "0 0 22 * * Fri", hours(48));
    let open = window("early", "0 0 7 * * *", hours(2));
    check(
        &ready().windows(&[closed, open]),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (pending)
    "#]],
    );
}

#[test]
fn a_set_that_was_noted_in_a_window_does_not_leave_after_it() {
    let closed = window("early", "0 0 7 * * *", hours(1));
    check(
        &ready().noted(seconds(1)).windows(&[closed]),
        expect![[r#"
            pending
            window: Its change window early is closed; it opens at 2027-01-16 07:00:00 +00:00 (UTC), 22h 59m from now.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: no change window is open
        "#]],
    );
    let open = window("early", "0 0 7 * * *", hours(2));
    check(
        &ready().noted(seconds(1)).windows(from_ref(&open)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > send
    "#]],
    );
    check(
        &ready().noted(seconds(1)).windows(&[open]).clock(None),
        expect![[r#"
        pending
        clock: The exchange's time is not known well enough to sign a change; it is asked for.
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: no change window is open
    "#]],
    );
}

#[test]
fn a_window_is_a_brake_for_corrections_too() {
    let closed = window("weekend", "0 0 22 * * Fri", hours(48));
    check(
        &ready().applied(WANTED).windows(&[closed]),
        expect![[r#"
            drifted
            window: Its change window weekend is closed; it opens at 2027-01-15 22:00:00 +00:00 (UTC), 13h 59m from now.
            > rest 59s
        "#]],
    );
}

#[test]
fn the_host_is_looked_at_last_and_a_set_is_noted_only_after_it_was_as_required() {
    check(
        &ready().requires(),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the host
    "#]],
    );
    check(
        &ready().requires().host(&[], seconds(0)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (pending)
    "#]],
    );
    check(
        &ready().requires().host(&["arb.service is active"], seconds(0)),
        expect![[r#"
        pending
        requirement: This host is not as the file requires: arb.service is active. It is looked at again every 10s, and the mode is changed once it is so and the account is flat.
        > rest 9s
    "#]],
    );
    // A check from before the verdict, or of another revision, no longer counts.
    check(
        &ready().requires().host(&[], seconds(2)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the host
    "#]],
    );
    check(
        &ready().requires().host(&["arb.service is active"], seconds(2)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the host
    "#]],
    );
    check(
        &ready().requires().host(&[], seconds(0)).newer_revision(),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > look at the host
    "#]],
    );
    // The host is not checked for a target that is not flat or is braked.
    check(
        &situation().applied(OTHER).list(List::Positions, 1, seconds(0)).requires(),
        expect![[r#"
        pending
        not_flat: Open: 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
        > rest 2s
    "#]],
    );
    check(
        &ready().paused(None).requires(),
        expect![[r#"
        pending
        paused: An operator paused it, until `posmoded resume`: maintenance.
        > rest 59s
    "#]],
    );
    check(
        &situation().applied(OTHER).flat_for(minutes(4), seconds(1)).requires(),
        expect![[r#"
        pending
        settling: Flat for 4m; it must be so for 5m before the mode is changed.
        > rest 9s
    "#]],
    );
}

#[test]
fn a_noted_set_does_not_leave_where_a_newer_revision_requires_what_nobody_looked_at() {
    check(
        &ready().noted(seconds(0)).requires(),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: the revision wants something else
    "#]],
    );
    check(
        &ready().noted(seconds(0)).requires().host(&[], seconds(1)),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > send
    "#]],
    );
    check(
        &ready().noted(seconds(0)).requires().host(&[], seconds(1)).newer_revision(),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: the revision wants something else
    "#]],
    );
}
