//! The account that a key belongs to: a row for each way in which it can be wrong, and for those in which it is not.

use std::time::Duration;

use expect_test::{Expect, expect};

use crate::facts::{Class, Failing, Identity, KeyTaken, OwnerDue, Stretch};
use crate::moment::{Jitter, Moment};
use crate::position_mode::{AccountName, Declared, Kind, PositionMode, ProductType, Uid};
use crate::protocol::{Claims, Look, Step, wrong};

use super::situation::{OTHER, Situation, WANTED, failure, hours, minutes, ready, seconds, situation};
use super::{check, step_for};

/// The uid of the key, of the file and of the ledger, and the other name of the account; `-` is none.
#[track_caller]
fn row(kind: Kind, [shown, file, pinned, other]: [&str; 4], expected: Expect) {
    let uid = |word: &str| (word != "-").then(|| Uid(word.to_owned()));
    let uid_right = match kind {
        Kind::Classic => "spot, read",
        Kind::Unified => "UTA mgt., read",
    };
    let identity = Identity { uid: uid(shown), uid_right, kind, warnings: Vec::new(), at: Moment(0) };
    let (file, pinned) = (uid(file), uid(pinned));
    let other: Option<AccountName> = (other != "-").then(|| other.parse().unwrap());
    let claims = Claims {
        is_another_key: false,
        file: file.as_ref(),
        pinned: pinned.as_ref(),
        shared_with: other.as_ref(),
    };
    let said = wrong(&"desk-a".parse().unwrap(), &identity, claims);
    expected.assert_eq(&said.unwrap_or_else(|| "fine".to_owned()));
}

#[test]
fn what_nobody_contradicts_is_fine() {
    for known in [
        ["7", "-", "-", "-"],
        ["7", "7", "7", "-"],
        ["7", "-", "7", "-"],
        ["-", "-", "-", "-"],
        ["-", "-", "7", "-"],
    ] {
        row(Kind::Classic, known, expect!["fine"]);
    }
    row(Kind::Unified, ["7", "7", "7", "-"], expect!["fine"]);
}

#[test]
fn the_file_the_ledger_and_another_name_are_each_named_with_what_to_do() {
    row(
        Kind::Classic,
        ["8", "7", "-", "-"],
        expect![
            "The key belongs to account 8, and the file says that desk-a is account 7: nothing is changed. Put a key of 7 in place, or correct `uid` in the file."
        ],
    );
    row(
        Kind::Classic,
        ["8", "7", "8", "desk-b"],
        expect![
            "The key belongs to account 8, and the file says that desk-a is account 7: nothing is changed. Put a key of 7 in place, or correct `uid` in the file."
        ],
    );
    row(
        Kind::Classic,
        ["-", "7", "7", "-"],
        expect![
            "The file says that desk-a is account 7, and its key lacks the right to say whose it is: nothing is changed. Allow it \"spot, read\" at Bitget, or remove `uid` from the file."
        ],
    );
    row(
        Kind::Unified,
        ["-", "7", "7", "-"],
        expect![[
            r#"The file says that desk-a is account 7, and its key lacks the right to say whose it is: nothing is changed. Allow it "UTA mgt., read" at Bitget, or remove `uid` from the file."#
        ]],
    );
    row(
        Kind::Classic,
        ["8", "8", "7", "-"],
        expect![
            "The key belongs to account 8, and this name has belonged to account 7 so far: nothing is changed. Put the right key in place, or give the other account a name of its own in the file."
        ],
    );
    row(
        Kind::Classic,
        ["8", "-", "8", "desk-b"],
        expect![
            "The key belongs to account 8, and so does that of desk-b: nothing is changed. Two names for one account would fight each other; remove one from the file, or put the right key in place."
        ],
    );
    row(
        Kind::Classic,
        ["-", "-", "8", "desk-b"],
        expect![
            "The key belongs to account 8, and so does that of desk-b: nothing is changed. Two names for one account would fight each other; remove one from the file, or put the right key in place."
        ],
    );
}

#[test]
fn f56_with_a_key_that_another_file_holds_too_nothing_is_asked() {
    check(
        &situation().shares_its_key(),
        expect![[r#"
        new
        wrong_account: The files a and b hold the same key.
        settling: Whether it is flat is not known yet.
        > rest 2m 59s
    "#]],
    );
}

#[test]
fn where_another_process_has_the_key_the_mode_alone_is_watched_until_it_is_tried_again() {
    let taken = |mut situation: Situation, ago| {
        let at = situation.now - seconds(ago);
        let say = "Process 17 of root changes accounts with this key: stop one of the two.".to_owned();
        situation.account.key_taken = Some(KeyTaken { say, at });
        situation
    };
    check(
        &taken(situation(), 10),
        expect![[r#"
        new
        key_taken: Process 17 of root changes accounts with this key: stop one of the two. Next try in 50s.
        > rest 50s
    "#]],
    );
    check(
        &taken(ready(), 10),
        expect![[r#"
        pending
        key_taken: Process 17 of root changes accounts with this key: stop one of the two. Next try in 50s.
        > rest 50s
    "#]],
    );
    check(
        &taken(ready(), 60),
        expect![[r#"
        pending
        acting: Nothing stands in the way: the mode is being set.
        > note one_way_mode -> hedge_mode (pending)
    "#]],
    );
}

#[test]
fn a_key_that_cannot_say_whose_it_is_holds_where_another_one_showed_the_pinned_uid() {
    let identity = Identity {
        uid: None,
        uid_right: "spot, read",
        kind: Kind::Classic,
        warnings: Vec::new(),
        at: Moment(0),
    };
    let pinned = Uid("1001".to_owned());
    let said = |is_another_key| {
        let claims = Claims { pinned: Some(&pinned), is_another_key, ..Claims::default() };
        wrong(&"desk-a".parse().unwrap(), &identity, claims).unwrap_or_else(|| "fine".to_owned())
    };
    expect!["fine"].assert_eq(&said(false));
    expect![[r#"This name has belonged to account 1001 so far; its key is another one now, and lacks the right to say whose it is: nothing is changed. Allow it "spot, read" at Bitget, put the former key back, or give the account a name of its own in the file."#]].assert_eq(&said(true));
}

/// The mode is due to be read again, and whose key it is was seen so long ago.
fn seen(ago: Duration) -> Situation {
    let mut seen = situation().live(WANTED, seconds(70)).applied(WANTED);
    let at = seen.now - ago;
    seen.account.identity = seen.account.identity.map(|identity| Identity { at, ..identity });
    seen
}

#[test]
fn whose_key_it_is_is_seen_daily_with_a_look_at_the_mode_unless_that_matters_more() {
    let first = |mut situation: Situation| {
        situation.account.identity = None;
        situation
    };
    for due in [seen(hours(24)), seen(hours(30)), first(seen(hours(1)))] {
        assert_eq!(step_for(&due), Step::Look(Look::Account));
    }
    let due = || seen(hours(24));
    let failing = |at| Failing::after(None, failure(Class::TryAgain), at, Jitter(1000));
    let with = |change: fn(&mut Situation)| {
        let mut due = due();
        change(&mut due);
        due
    };
    let mut owner_failing = due();
    owner_failing.account.owner_failing = Some(failing(owner_failing.now));
    let part = [(ProductType::UsdtFutures, PositionMode::Hedge)].into_iter().collect();
    let mut unsatisfiable = due().unsatisfiable(Declared::PerProduct(part));
    unsatisfiable.account.identity = None;
    for (why, not_now) in [
        ("it was seen less than a day ago", seen(minutes(24 * 60 - 1))),
        ("the budget does not suffice", with(|due| due.account.stretch = Stretch(1001))),
        ("it could not be seen just now", owner_failing),
        ("the account fails", due().account_failing(Class::TryAgain, minutes(9))),
        ("the target fails", due().target_failing(Class::TryAgain, minutes(9))),
        ("the mode was not read since a reload", due().looked_for_again()),
        ("the mode was never read", due().never_seen()),
        ("there is no mode to wish for", unsatisfiable),
    ] {
        assert_eq!(step_for(&not_now), Step::Look(Look::Mode), "{why}");
    }
    let mut again = due();
    again.account.owner_failing = Some(failing(again.now - seconds(2)));
    assert_eq!(step_for(&again), Step::Look(Look::Account), "it may be tried again");
}

/// Whose key it is was not seen yet, and the file wants another mode.
fn unseen(situation: Situation, owner_due: OwnerDue) -> Situation {
    let mut unseen = situation.applied(OTHER);
    unseen.account.identity = None;
    unseen.account.owner_due = owner_due;
    unseen
}

#[test]
fn whose_key_it_is_is_seen_before_anything_before_a_change_or_before_a_set() {
    let anything = |situation| unseen(situation, OwnerDue::BeforeAnything);
    let change = |situation| unseen(situation, OwnerDue::OnceAModeDiffers);
    let set = |situation| unseen(situation, OwnerDue::BeforeASet);
    check(
        &anything(situation()),
        expect![[r#"
        unknown
        kind_unknown: Whose key this is has not been seen yet.
        > look at the account
    "#]],
    );
    check(
        &anything(situation().kind(None)),
        expect![[r#"
        unknown
        kind_unknown: Which kind of account this is has not been seen yet.
        > look at the account
    "#]],
    );
    check(
        &change(situation()),
        expect![[r#"
        pending
        settling: Whether it is flat is not known yet.
        > look at the account
    "#]],
    );
    check(
        &change(situation().suspended()),
        expect![[r#"
            pending
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > look at the account
        "#]],
    );
    check(
        &set(situation()),
        expect![[r#"
        pending
        settling: Whether it is flat is not known yet.
        > look at the account
    "#]],
    );
    // A set that is forbidden for long is none that it is seen for.
    check(
        &set(situation().suspended()),
        expect![[r#"
            pending
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 59s
        "#]],
    );
}

#[test]
fn what_could_not_be_seen_just_now_is_waited_for_before_a_set_and_not_asked_for_without_one() {
    let failed = |situation: Situation, ago| {
        let mut situation = unseen(situation, OwnerDue::BeforeASet);
        let at = situation.now - seconds(ago);
        situation.account.owner_failing =
            Some(Failing::after(None, failure(Class::TryAgain), at, Jitter(1000)));
        situation
    };
    check(
        &failed(situation(), 1),
        expect![[r#"
        pending
        unreachable: It failed. Next try in 1s.
        settling: Whether it is flat is not known yet.
        > rest 1s
    "#]],
    );
    check(
        &failed(situation(), 2),
        expect![[r#"
        pending
        unreachable: It failed.
        settling: Whether it is flat is not known yet.
        > look at the account
    "#]],
    );
    check(
        &failed(situation().suspended(), 1),
        expect![[r#"
            pending
            unreachable: It failed. Next try in 1s.
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 1s
        "#]],
    );
    check(
        &failed(situation().suspended(), 2),
        expect![[r#"
            pending
            unreachable: It failed.
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 59s
        "#]],
    );
    check(
        &failed(situation().suspended(), 3),
        expect![[r#"
            pending
            unreachable: It failed.
            suspended: The file suspends it: until the risk review is done. Nothing is changed until `suspend` is out of the file.
            > rest 59s
        "#]],
    );
}
