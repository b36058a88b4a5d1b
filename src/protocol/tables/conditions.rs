//! Change windows, and what the file requires of the host.

use std::slice::from_ref;

use expect_test::expect;

use super::check;
use super::situation::{OTHER, WANTED, hours, minutes, ready, seconds, situation, window};
use crate::facts::List;

#[test]
fn f42_outside_of_its_change_windows_a_target_waits_for_the_first_of_them_to_open() {
    let weekend = window("weekend", "0 0 22 * * Fri", hours(48));
    let morning = window("morning", "0 30 8 * * *", hours(1));
    let soon = window("soon", "0 0 8 * * *", seconds(1));
    check(
        &ready().windows(from_ref(&weekend)),
        expect![[r#"
            pending
            window: Its change window weekend is closed; it opens at 2027-01-15T22:00:00Z, 13h 59m from now.
            > rest 59s
        "#]],
    );
    check(
        &ready().windows(&[weekend, morning.clone()]),
        expect![[r#"
            pending
            window: Its change windows weekend, morning are closed; the first to open is morning, at 2027-01-15T08:30:00Z, 29m 59s from now.
            > rest 59s
        "#]],
    );
    // A window that closes in 300 ms is still open.
    check(
        &ready().windows(&[soon]),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
    check(
        &ready().windows(&[window("soon", "30 0 8 * * *", hours(1))]),
        expect![[r#"
            pending
            window: Its change window soon is closed; it opens at 2027-01-15T08:00:30Z, 29s from now.
            > rest 29s
        "#]],
    );
    let in_sync = ready().live(WANTED, seconds(1)).applied(WANTED);
    check(
        &in_sync.windows(from_ref(&morning)),
        expect![[r#"
            in_sync
            > rest 1m 4s
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
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
    // As good as settled when the newest verdict began, which is too old for a set by now.
    check(
        &situation().applied(OTHER).flat_for(seconds(306), seconds(6)).windows(from_ref(&opened)),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > read plan orders
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
            window: Its change window early is closed; it opens at 2027-01-16T07:00:00Z, 22h 59m from now.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: no change window is open any more
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
            > send
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
            window: Its change window weekend is closed; it opens at 2027-01-15T22:00:00Z, 13h 59m from now.
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
            > rest 10s
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
            not_flat: Open: at least 1 position. The mode is changed once nothing is open; nothing is closed or cancelled for it.
            > rest 2s
        "#]],
    );
    check(
        &ready().paused(None).requires(),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            > rest 1m 4s
        "#]],
    );
    check(
        &situation().applied(OTHER).flat_for(minutes(4), seconds(1)).requires(),
        expect![[r#"
            pending
            settling: Flat for 4m; it must be so for 5m before the mode is changed.
            > rest 29s
        "#]],
    );
}

#[test]
fn a_host_that_is_not_as_required_holds_up_no_verdict_and_is_not_asked_about_what_is_forbidden() {
    let unmet = ready().requires().host(&["arb.service is active"], seconds(0));
    check(
        &unmet.clone().list(List::PlanOrders, 0, seconds(0)),
        expect![[r#"
        pending
        requirement: This host is not as the file requires: arb.service is active. It is looked at again every 10s, and the mode is changed once it is so and the account is flat.
        > read orders
    "#]],
    );
    check(
        &unmet.bad_file(),
        expect![[r#"
        pending
        file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
        requirement: This host is not as the file requires: arb.service is active. It is looked at again every 10s, and the mode is changed once it is so and the account is flat.
        > rest 59s
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
            > withdraw: the newest revision requires of the host what was not looked at yet
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
            > withdraw: the newest revision requires of the host what was not looked at yet
        "#]],
    );
}

#[test]
fn what_waits_for_something_else_is_looked_at_when_its_window_opens_or_closes() {
    let closing = window("closing", "10 0 7 * * *", hours(1));
    let opening = window("opening", "20 0 8 * * *", hours(1));
    check(
        &ready().paused(None).windows(&[closing, opening.clone()]),
        expect![[r#"
        pending
        paused: An operator paused it, until `posmoded resume`: maintenance.
        > rest 9s
    "#]],
    );
    check(
        &ready().paused(None).windows(from_ref(&opening)),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            window: Its change window opening is closed; it opens at 2027-01-15T08:00:20Z, 19s from now.
            > rest 19s
        "#]],
    );
    check(
        &ready().live(WANTED, seconds(1)).applied(WANTED).windows(&[opening]),
        expect![[r#"
            in_sync
            > rest 1m 4s
        "#]],
    );
}
