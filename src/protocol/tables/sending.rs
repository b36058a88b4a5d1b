//! A noted set: it is sent, or withdrawn; an accepted one is confirmed.

use expect_test::expect;

use super::check;
use super::situation::{OTHER, WANTED, minutes, noted, seconds, situation};
use crate::facts::{Class, DriftPolicy, Generation};

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
            > withdraw: the newest revision wants something else
        "#]],
    );
    check(
        &noted(seconds(0)).suspended(),
        expect![[r#"
            new
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the newest revision suspends it
        "#]],
    );
    check(
        &noted(seconds(0)).drift(DriftPolicy::Report),
        expect![[r#"
            new
            reported: The first look differs and the file says `drift: report`: it waits for `posmoded approve`.
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: the newest revision wants drift to be reported only
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
            > withdraw: the newest content of the file is not acceptable
        "#]],
    );
}

#[test]
fn f33_without_a_ledger_only_a_record_waits() {
    check(
        &noted(seconds(0)).bad_file().ledger_trouble(seconds(30)),
        expect![[r#"
        new
        ledger: The ledger cannot be written, the disk is full: make room.
        file: The newest content of the file is not acceptable, so nothing is changed: line 3, column 5: unknown key `acounts`.
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: the newest content of the file is not acceptable
    "#]],
    );
    check(
        &situation().live(WANTED, seconds(70)).applied(WANTED).ledger_trouble(seconds(30)),
        expect![[r#"
            in_sync
            > look at the mode
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
            > withdraw: another account's file holds the same key now
        "#]],
    );
}

#[test]
fn a_noted_set_is_withdrawn_when_its_key_turns_out_to_be_another_accounts() {
    let mut wrong = noted(seconds(0));
    wrong.account.wrong = Some("The key belongs to account 1002.".to_owned());
    check(
        &wrong,
        expect![[r#"
        new
        wrong_account: The key belongs to account 1002.
        acting: Nothing stands in the way: the mode is being set.
        > withdraw: its key belongs to another account
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
            > withdraw: it could not be sent in time
        "#]],
    );
    let stale = situation().flat_for(minutes(9), seconds(6)).noted(seconds(1));
    check(
        &stale,
        expect![[r#"
            new
            acting: Nothing stands in the way: the mode is being set.
            > withdraw: it could not be sent in time
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
            denied: It failed; then `posmoded refresh desk-main` (it is tried again by itself in 14m 59s).
            verifying: The exchange accepted the set; reads are asked for up to 10s whether they show it.
            > rest 2s
        "#]],
    );
}
