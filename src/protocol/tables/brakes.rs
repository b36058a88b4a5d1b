//! What forbids a wanted set, and which reason is shown when several apply.

use strum::VariantArray as _;

use expect_test::expect;

use super::check;
use super::situation::{OTHER, Situation, WANTED, hours, minutes, noted, ready, seconds, situation};
use crate::facts::{Class, DriftPolicy, List};
use crate::protocol::{Need, Reason, Reasons, Standing};

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
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 1m 4s
        "#]],
    );
    check(
        &ready().suspended().live(WANTED, seconds(1)).applied(WANTED),
        expect![[r#"
            in_sync
            > rest 1m 4s
        "#]],
    );
}

#[test]
fn f63_while_answers_contradict_the_exchanges_clock_nothing_is_set_and_a_note_is_withdrawn() {
    let mut ready = ready();
    ready.account.clock_contradicted = Some("The clock has jumped.".to_owned());
    check(
        &ready,
        expect![[r#"
            pending
            clock: The clock has jumped.
            > rest 59s
        "#]],
    );
    let mut noted = noted(seconds(1));
    noted.account.clock_contradicted = Some("The clock has jumped.".to_owned());
    check(
        &noted,
        expect![[r#"
            new
            clock: The clock has jumped.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: it is forbidden now: clock
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
            > rest 1m 4s
        "#]],
    );
    check(
        &ready().paused(Some(hours(2))),
        expect![[r#"
            pending
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            > rest 1m 4s
        "#]],
    );
    check(
        &ready().paused(Some(hours(2))).by("anna (uid 1000) at trade-01"),
        expect![[r#"
            pending
            paused: anna (uid 1000) at trade-01 paused it, for 2h more, or until `posmoded resume`: maintenance.
            > rest 1m 4s
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
            > rest 1m 4s
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
fn while_the_ledger_is_away_nothing_is_asked_and_what_is_known_is_told_as_old_as_it_is() {
    check(
        &ready().ledger_away(),
        expect![[r#"
        pending
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        > rest 5s
    "#]],
    );
    check(
        &ready().live(WANTED, seconds(1)).ledger_away(),
        expect![[r#"
        in_sync
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        > rest 5s
    "#]],
    );
    check(
        &ready().live(WANTED, minutes(9)).ledger_away(),
        expect![[r#"
        unknown
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        > rest 5s
    "#]],
    );
    check(
        &situation().never_seen().kind(None).clock(None).ledger_away(),
        expect![[r#"
        unknown
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        > rest 5s
    "#]],
    );
    check(
        &ready().ledger_trouble(seconds(3)).ledger_away(),
        expect![[r#"
        pending
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        > rest 3s
    "#]],
    );
}

#[test]
fn while_the_ledger_is_away_a_set_under_way_is_brought_to_its_end_and_a_lost_one_is_left() {
    check(
        &noted(seconds(1)).ledger_away(),
        expect![[r#"
        new
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        acting: Nothing stands in the way: the mode is being set.
        > send
    "#]],
    );
    let accepted = || situation().live(OTHER, seconds(2)).accepted(seconds(1)).ledger_away();
    check(
        &accepted(),
        expect![[r#"
        new
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
        > look at the mode
    "#]],
    );
    check(
        &accepted().live(WANTED, seconds(0)).ledger_trouble(seconds(3)),
        expect![[r#"
        unknown
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
        > rest 3s
    "#]],
    );
    check(
        &accepted().live(WANTED, seconds(0)),
        expect![[r#"
        unknown
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
        > record confirmed
    "#]],
    );
    check(
        &situation().live(OTHER, seconds(2)).unclear(minutes(2)).ledger_away(),
        expect![[r#"
        new
        ledger: The ledger's database cannot be reached since 05:20:11Z: nothing is read.
        outcome_unknown: A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before the exchange's own clock says that its time is over; then the mode is read. What is known: It failed.
        > record resolved: it had no effect
    "#]],
    );
}

#[test]
fn f52_another_set_of_a_target_that_has_its_place_takes_none() {
    let mut again = ready().none_left(Some(minutes(20)), None);
    again.brakes.guard.has_place = true;
    check(
        &again,
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (pending)
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
            > rest 1m 4s
        "#]],
    );
    check(
        &ready().none_left(None, None).approved().suspended(),
        expect![[r#"
            pending
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 1m 4s
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
            > rest 59s
        "#]],
    );
    check(
        &begun.clone().list(List::Positions, 0, seconds(0)),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
            > rest 59s
        "#]],
    );
    check(
        &begun.list(List::Positions, 3, seconds(0)),
        expect![[r#"
            pending
            paused: An operator paused it, until `posmoded resume`: maintenance.
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
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 55s).
            > rest 30s
        "#]],
    );
    let fought = braked.applied(WANTED).corrected(&[hours(3), hours(2), hours(1)]);
    check(
        &fought,
        expect![[r#"
            drifted
            ledger: The ledger cannot be written, the disk is full: make room.
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 55s).
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
            credential: There is no file desk-main in the credentials: put one there; then `posmoded refresh desk-main`.
            unreachable: It failed. Next try in 1s.
            ledger: The ledger cannot be written, the disk is full: make room.
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            paused: An operator paused it, for 2h more, or until `posmoded resume`: maintenance.
            file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
            held: As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve`. Without that the next one may leave in 20m.
            fighting: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-main` or change the file.
            refused_though_flat: Every list is empty and yet the exchange says that something is open (once): look for bots, TWAP and copy orders; then `posmoded refresh desk-main` (it is tried again by itself in 55s).
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
            > rest 59s
        "#]],
    );
    check(
        &situation().paused(None).flat_for(minutes(2), seconds(1)),
        expect![[r#"
            new
            paused: An operator paused it, until `posmoded resume`: maintenance.
            > rest 59s
        "#]],
    );
}

#[test]
fn what_somebody_decided_wants_nobody_now_unless_something_else_does() {
    let need = |situation: &Situation| Standing::of(&situation.facts(), situation.now).need;
    let fresh = || situation().flat_for(minutes(2), seconds(1));
    assert_eq!(need(&fresh()), None);
    assert_eq!(need(&fresh().suspended()), Some(Need::StoppedOnPurpose));
    assert_eq!(need(&fresh().paused(None)), Some(Need::StoppedOnPurpose));
    assert_eq!(need(&fresh().paused(Some(hours(2)))), None, "it ends by itself");
    let away = |span| fresh().suspended().account_failing(Class::TryAgain, span);
    assert_eq!(need(&away(minutes(1))), Some(Need::StoppedOnPurpose), "the exchange may be back in time");
    assert_eq!(
        need(&away(minutes(15))),
        Some(Need::Now),
        "a suspension hides no exchange that is away for long"
    );
    assert_eq!(need(&fresh().suspended().no_credential()), Some(Need::Now));
    let drifted = situation().applied(WANTED).drift(DriftPolicy::Report);
    assert_eq!(need(&drifted), Some(Need::ToBeDecided));
    assert_eq!(need(&drifted.paused(None)), Some(Need::StoppedOnPurpose), "the pause comes first");
}

#[test]
fn reasons_win_in_the_order_that_programs_hold_on_to() {
    let names: Vec<String> =
        Reason::VARIANTS.iter().map(|reason| format!("{reason} {:?}\n", reason.wants())).collect();
    expect![[r#"
        crashed Human
        unexpected Human
        elsewhere Itself
        wrong_account Human
        key_taken Human
        credential Human
        denied Human
        refused Human
        unsatisfiable Human
        kind_unknown Itself
        converting Time
        unreachable Itself
        clock Itself
        ledger Human
        outcome_unknown Itself
        verifying Itself
        rate_limited Time
        suspended Human
        paused Human
        file Human
        held Human
        fighting Human
        reported Human
        window Time
        requirement Itself
        not_flat Itself
        refused_though_flat Human
        settling Time
        acting Itself
    "#]]
    .assert_eq(&names.concat());
    let stages: Vec<Reason> =
        Reason::VARIANTS.iter().copied().filter(|reason| reason.is_progress()).collect();
    assert_eq!(stages, [Reason::Verifying, Reason::Settling, Reason::Acting]);
    let some: Reasons = Reason::VARIANTS.iter().copied().rev().collect();
    assert_eq!(some.iter().collect::<Vec<_>>(), Reason::VARIANTS);
    assert_eq!(some.first(), Some(Reason::Crashed));
}
