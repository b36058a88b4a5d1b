//! The three-way compare of the desired, the applied and the live mode, and the drift policies.

use expect_test::expect;

use super::check;
use super::situation::{OTHER, WANTED, hours, minutes, seconds, situation};
use crate::facts::{Cause, DriftPolicy, List, VerdictInProgress};
use crate::moment::Jitter;
use crate::protocol::{Standing, State};

#[test]
fn live_as_desired_and_never_applied_is_adopted() {
    check(
        &situation().live(WANTED, seconds(1)),
        expect![[r#"
            in_sync
            > record adopted
        "#]],
    );
}

#[test]
fn live_as_desired_and_applied_otherwise_was_changed_for_us() {
    check(
        &situation().live(WANTED, seconds(1)).applied(OTHER),
        expect![[r#"
            in_sync
            > record external
        "#]],
    );
}

#[test]
fn live_as_desired_and_applied_rests_until_the_next_compare() {
    check(
        &situation().live(WANTED, seconds(1)).applied(WANTED),
        expect![[r#"
            in_sync
            > rest 59s
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(60)).applied(WANTED),
        expect![[r#"
            in_sync
            > look at the mode
        "#]],
    );
}

#[test]
fn live_otherwise_and_never_applied_is_new() {
    check(
        &situation(),
        expect![[r#"
            new
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn live_otherwise_and_applied_as_desired_is_drift() {
    check(
        &situation().applied(WANTED),
        expect![[r#"
            drifted
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn live_otherwise_and_applied_otherwise_is_pending() {
    check(
        &situation().applied(OTHER),
        expect![[r#"
            pending
            settling: Whether it is flat is not known yet.
            > read plan orders
        "#]],
    );
}

#[test]
fn a_state_names_the_cause_of_the_change_that_is_wanted_in_it() {
    for (state, cause, of) in [
        (State::New, Some(Cause::New), situation()),
        (State::Pending, Some(Cause::Pending), situation().applied(OTHER)),
        (State::Drifted, Some(Cause::Drift), situation().applied(WANTED)),
        (State::InSync, None, situation().live(WANTED, seconds(1))),
        (State::Unknown, None, situation().never_seen()),
    ] {
        let standing = Standing::of(&of.facts(), of.now);
        assert_eq!((standing.state, standing.state.cause()), (state, cause));
        assert_eq!(standing.change.map(|change| change.cause), cause);
    }
}

#[test]
fn drift_under_report_is_only_reported() {
    check(
        &situation().applied(WANTED).drift(DriftPolicy::Report),
        expect![[r#"
            drifted
            reported: Somebody changed it at the exchange and the file says `drift: report`: change it back there, or change the file.
            > rest 59s
        "#]],
    );
}

#[test]
fn drift_under_report_is_set_back_once_it_is_approved_and_once_only() {
    let drifted = situation().applied(WANTED).drift(DriftPolicy::Report).flat_for(minutes(9), seconds(1));
    let planned = drifted.clone().planned(Some("0123456789ab"));
    check(
        &planned,
        expect![[r#"
        drifted
        reported: Somebody changed it at the exchange and the file says `drift: report`: `posmoded approve 0123456789ab` lets it be set back once; or change it back there, or change the file.
        > rest 1m 4s
    "#]],
    );
    let mut with_others = planned.clone();
    with_others.brakes.guard.plan.as_mut().unwrap().changes = 3;
    check(
        &with_others,
        expect![[r#"
        drifted
        reported: Somebody changed it at the exchange and the file says `drift: report`: `posmoded approve 0123456789ab` lets it be set back once, with 2 other changes; or change it back there, or change the file.
        > rest 1m 4s
    "#]],
    );
    check(
        &drifted.clone().approved(),
        expect![[r#"
        drifted
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (drift)
    "#]],
    );
    check(
        &planned.approved().tried(),
        expect![[r#"
        drifted
        reported: Somebody changed it at the exchange and the file says `drift: report`: `posmoded approve 0123456789ab` lets it be set back once; or change it back there, or change the file.
        > rest 1m 4s
    "#]],
    );
    // No other brake goes with it.
    check(
        &drifted.clone().approved().suspended(),
        expect![[r#"
            drifted
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 1m 4s
        "#]],
    );
    check(
        &drifted.approved().corrected(&[hours(3), hours(2), hours(1)]),
        expect![[r#"
        drifted
        fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
        > rest 1m 4s
    "#]],
    );
}

#[test]
fn a_first_contact_that_was_tried_in_vain_may_be_tried_again_for_as_long_as_it_is_approved() {
    let first = situation().drift(DriftPolicy::Report).flat_for(minutes(9), seconds(1));
    check(
        &first.approved().tried(),
        expect![[r#"
        new
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (new)
    "#]],
    );
}

#[test]
fn what_the_file_changed_is_applied_under_report_too() {
    let pending = situation().applied(OTHER).drift(DriftPolicy::Report).flat_for(minutes(9), seconds(1));
    check(
        &pending,
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn a_first_contact_under_report_waits_for_an_approval() {
    let first = situation().drift(DriftPolicy::Report).flat_for(minutes(9), seconds(1));
    check(
        &first,
        expect![[r#"
            new
            reported: The first look differs and the file says `drift: report`: it waits for `posmoded approve`.
            > rest 1m 4s
        "#]],
    );
    check(
        &first.clone().planned(Some("0123456789ab")),
        expect![[r#"
            new
            reported: The first look differs and the file says `drift: report`: `posmoded approve 0123456789ab` lets it be changed.
            > rest 1m 4s
        "#]],
    );
    check(
        &first.approved(),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn a_first_contact_under_correct_waits_for_nobody() {
    check(
        &situation().flat_for(minutes(9), seconds(1)),
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (new)
        "#]],
    );
}

#[test]
fn f21_three_corrections_within_a_day_are_a_fight() {
    let flat = situation().applied(WANTED).flat_for(minutes(9), seconds(1));
    check(
        &flat.clone().corrected(&[hours(23), hours(1)]),
        expect![[r#"
            drifted
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (drift)
        "#]],
    );
    check(
        &flat.clone().corrected(&[hours(23), hours(2), hours(1)]),
        expect![[r#"
            drifted
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
            > rest 1m 4s
        "#]],
    );
    check(
        &flat.corrected(&[hours(30), hours(2), hours(1)]),
        expect![[r#"
            drifted
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (drift)
        "#]],
    );
}

#[test]
fn f21_a_fight_stays_one_until_somebody_ends_it() {
    let long_ago = [hours(900), hours(899), hours(898), hours(1)];
    check(
        &situation().applied(WANTED).corrected(&long_ago),
        expect![[r#"
            drifted
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
            > rest 59s
        "#]],
    );
}

#[test]
fn f22_what_the_file_changes_is_no_fight() {
    let fought = [hours(3), hours(2), hours(1)];
    check(
        &situation().applied(OTHER).flat_for(minutes(9), seconds(1)).corrected(&fought),
        expect![[r#"
            pending
            acting: Nothing stands in the way: the mode is being set.
            > note one_way_mode -> hedge_mode (pending)
        "#]],
    );
}

#[test]
fn a_live_value_older_than_three_intervals_is_unknown() {
    check(
        &situation().live(WANTED, seconds(180)).applied(WANTED),
        expect![[r#"
            in_sync
            > look at the mode
        "#]],
    );
    check(
        &situation().live(WANTED, seconds(181)).applied(WANTED),
        expect![[r#"
            unknown
            unreachable: It was last looked at 3m 1s ago, too long to call its mode known.
            > look at the mode
        "#]],
    );
}

#[test]
fn a_target_never_looked_at_is_unknown() {
    check(
        &situation().never_seen(),
        expect![[r#"
            unknown
            > look at the mode
        "#]],
    );
}

#[test]
fn a_target_is_looked_at_sooner_by_a_random_part_and_much_sooner_after_its_first_look() {
    let mut looked_at = situation().live(WANTED, seconds(1)).applied(WANTED);
    looked_at.target.jitter = Jitter(500);
    check(
        &looked_at,
        expect![[r#"
        in_sync
        > rest 56s
    "#]],
    );
    looked_at.target.first_asked = looked_at.target.seen.map(|seen| seen.asked);
    check(
        &looked_at,
        expect![[r#"
        in_sync
        > rest 32s
    "#]],
    );
}

#[test]
fn a_reload_makes_every_target_be_looked_at_again() {
    check(
        &situation().live(WANTED, seconds(1)).applied(WANTED).looked_for_again(),
        expect![[r#"
            in_sync
            > look at the mode
        "#]],
    );
}

#[test]
fn a_rest_in_sync_ends_when_the_mode_is_due_though_a_verdict_was_begun() {
    let mut begun = situation().live(WANTED, minutes(1)).applied(WANTED);
    begun.target.flatness.in_progress = Some(VerdictInProgress { began: begun.now, next: List::PlanOrders });
    check(
        &begun,
        expect![[r#"
        in_sync
        > rest 5s
    "#]],
    );
}
