//! The account that a key belongs to: a row for each way in which it can be wrong, and for those in which it is not.

use expect_test::{Expect, expect};

use crate::facts::Identity;
use crate::moment::Moment;
use crate::position_mode::{AccountName, Kind, Uid};
use crate::protocol::{Claims, wrong};

use super::check;
use super::situation::situation;

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
