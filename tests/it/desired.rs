//! The declared file: what is read from a good one, and what an operator is told of a bad one.

mod conditions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use posmoded::desired::{Account, Desired, Format, read, report};
use posmoded::facts::{DriftPolicy, Requirements};
use posmoded::position_mode::{Declared, PositionMode, ProductType, Uid};
use posmoded::window::Windows;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const EXAMPLE: &str = include_str!("../../desired-state.yaml");

/// A good file with every key in few lines.
const GOOD: &str = "\
version: 1
max_changes: 3
defaults: { drift: correct, check_every: 1m, settle: 1h 30m }
accounts:
  desk-main:
    position_mode:
      USDT-FUTURES: hedge_mode
      COIN-FUTURES: one_way_mode
  desk-risk:
    drift: report
    check_every: 5s
    settle: 0s
    position_mode: one_way_mode
    suspend: 'not yet: é'
  paper: { demo: true, position_mode: hedge_mode }
...
";

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&report("desired-state.yaml", &read(text.as_bytes()), Format::Text));
}

/// What is told of the good file with one thing replaced, without the lines and their carets.
#[track_caller]
fn changed(from: &str, to: &str, expected: Expect) {
    assert!(GOOD.contains(from), "{from}");
    told(GOOD.replacen(from, to, 1).as_bytes(), expected);
}

#[track_caller]
fn told(bytes: &[u8], expected: Expect) {
    let problems = read(bytes).expect_err("this file is bad").0;
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

fn account(declared: Declared) -> Account {
    Account {
        declared,
        uid: None,
        host: None,
        demo: false,
        drift: DriftPolicy::Correct,
        check_every: Duration::from_secs(60),
        settle: Duration::from_secs(5400),
        suspended: None,
        windows: Windows::default(),
        require: Requirements::default(),
    }
}

#[test]
fn a_good_file_is_read_with_its_defaults_filled_in() {
    let modes = BTreeMap::from([
        (ProductType::UsdtFutures, PositionMode::Hedge),
        (ProductType::CoinFutures, PositionMode::OneWay),
    ]);
    let accounts = BTreeMap::from([
        ("desk-main".parse().unwrap(), account(Declared::PerProduct(modes))),
        (
            "desk-risk".parse().unwrap(),
            Account {
                drift: DriftPolicy::Report,
                check_every: Duration::from_secs(5),
                settle: Duration::ZERO,
                suspended: Some("not yet: é".to_owned()),
                ..account(Declared::Everything(PositionMode::OneWay))
            },
        ),
        (
            "paper".parse().unwrap(),
            Account { demo: true, ..account(Declared::Everything(PositionMode::Hedge)) },
        ),
    ]);
    assert_eq!(
        read(GOOD.as_bytes()),
        Ok(Desired {
            max_changes: 3,
            accounts: accounts.into_iter().map(|(name, of)| (name, Arc::new(of))).collect()
        })
    );
}

#[test]
fn what_the_defaults_do_not_say_is_a_minute_and_five_minutes() {
    let file = GOOD.replace(", check_every: 1m, settle: 1h 30m", "");
    let paper = read(file.as_bytes()).unwrap().accounts[&"paper".parse().unwrap()].clone();
    assert_eq!((paper.check_every, paper.settle), (Duration::from_secs(60), Duration::from_secs(300)));
}

#[test]
fn a_suspension_of_everything_reaches_each_account_that_gives_no_reason_of_its_own() {
    let file = GOOD.replace("accounts:", "suspend: exchange maintenance\naccounts:");
    let reasons: Vec<_> = read(file.as_bytes())
        .unwrap()
        .accounts
        .into_values()
        .map(|account| account.suspended.clone().unwrap())
        .collect();
    assert_eq!(reasons, ["exchange maintenance", "not yet: é", "exchange maintenance"]);
}

#[test]
fn an_account_may_name_its_uid_and_its_host() {
    let file = GOOD.replace("{ demo: true,", "{ uid: '0123456789', host: Trade-01.example, demo: true,");
    let paper = read(file.as_bytes()).unwrap().accounts[&"paper".parse().unwrap()].clone();
    assert_eq!(paper.uid, Some(Uid("0123456789".to_owned())));
    assert_eq!(paper.elsewhere("Trade-01.example"), None);
    assert_eq!(paper.elsewhere("trade-01").as_deref(), Some("Trade-01.example"));
}

#[test]
fn a_uid_is_digits_in_quotes_and_a_host_is_a_name() {
    for (wrong, told) in [
        ("uid: 1234567890", "`uid` is a number without quotes; write `uid: \"1234567890\"`, so that"),
        ("uid: 1e9", "`uid` is a number, not a UID in quotes; write `uid: \"1234567890\"`"),
        ("uid: desk", "`desk` is no UID: one is 1 to 20 digits; write it as Bitget shows it, such as"),
        ("uid: '123456789012345678901'", "`123456789012345678901` is no UID"),
        ("uid: ''", "`` is no UID"),
        ("uid: ~", "`uid` has no value"),
        ("host: 7", "`host` is a number, not the name of a host; write `host: trade-01`"),
        ("host: [trade-01]", "`host` is a list, not the name of a host"),
        ("host: trade 01", "`trade 01` is no host name: one is 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`"),
        ("host: ''", "`` is no host name"),
    ] {
        let file = GOOD.replace("{ demo: true,", &format!("{{ {wrong}, demo: true,"));
        let problems = read(file.as_bytes()).expect_err(wrong).to_string();
        assert!(problems.contains(told), "{wrong}: {problems}");
    }
}

#[test]
fn ten_different_mistakes_are_all_named_at_once() {
    check(
        "\
version: 1
max_changes: 0
windows:
  weekend: { opens: \"0 0 22 * * Fri\" }
defaults:
  chek_every: 60s
  settle: 5
accounts:
  Desk_Main:
    drift: correct
    position_mode:
      usdt-futures: hedge
      COIN-FUTURES: one_way_mode
      COIN-FUTURES: hedge_mode
  desk-é: { drift: fix, position_mode: hedge_mode }
  paper:
    demo: yes
    api_key: bg_test-secret
    position_mode: one_way_mode
    suspend:
---
more: of it
...
",
        expect![[r#"
            desired-state.yaml:2:14: `max_changes` is 0
              2 | max_changes: 0
                |              ^
                = to change nothing anywhere write `suspend: "the reason"` at the top level

            desired-state.yaml:4:3: the window `weekend` has no `lasts`
              4 |   weekend: { opens: "0 0 22 * * Fri" }
                |   ^
                = add for example `lasts: 48h`

            desired-state.yaml:4:3: the window `weekend` has no `time_zone`
              4 |   weekend: { opens: "0 0 22 * * Fri" }
                |   ^
                = add for example `time_zone: Europe/London`

            desired-state.yaml:6:3: `chek_every` is no key under `defaults`
              6 |   chek_every: 60s
                |   ^
                = did you mean `check_every`?

            desired-state.yaml:7:11: `settle` has no unit
              7 |   settle: 5
                |           ^
                = write `settle: 5s` if seconds are meant

            desired-state.yaml:9:3: `Desk_Main` is no account name
              9 |   Desk_Main:
                |   ^
                = write for example `desk-main`; an account name is 1 to 63 of a-z, 0-9 and `-`, the first a letter or a digit

            desired-state.yaml:12:7: `usdt-futures` is no product type
              12 |       usdt-futures: hedge
                 |       ^
                 = write `USDT-FUTURES`

            desired-state.yaml:12:21: `hedge` is no position mode
              12 |       usdt-futures: hedge
                 |                     ^
                 = write `hedge_mode`

            desired-state.yaml:14:7: `COIN-FUTURES` stands twice: here and in line 13
              14 |       COIN-FUTURES: hedge_mode
                 |       ^
                 = keep one of the two

            desired-state.yaml:15:3: `desk-é` is no account name
              15 |   desk-é: { drift: fix, position_mode: hedge_mode }
                 |   ^
                 = write for example `desk`; an account name is 1 to 63 of a-z, 0-9 and `-`, the first a letter or a digit

            desired-state.yaml:15:20: `fix` is no drift policy
              15 |   desk-é: { drift: fix, position_mode: hedge_mode }
                 |                    ^
                 = write `drift: correct` (set the declared mode again) or `drift: report` (only say so)

            desired-state.yaml:16:3: `drift` is missing for `paper`
              16 |   paper:
                 |   ^
                 = say what is to be done about it: `drift: correct` or `drift: report`, under `defaults:` or in the account; there is no built-in default

            desired-state.yaml:17:11: `demo` is the text `yes`, not true or false
              17 |     demo: yes
                 |           ^
                 = write `demo: true`

            desired-state.yaml:18:5: here is a key that looks like a secret
              18 | (not shown)
                 = remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account

            desired-state.yaml:20:5: `suspend` needs a reason
              20 |     suspend:
                 |     ^
                 = give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again

            desired-state.yaml:21:1: here begins a second document
              21 | ---
                 | ^
                 = keep one document in the file: everything between its beginning and the one `...` at its end

            desired-state.yaml: 16 problems; nothing of it is accepted
        "#]],
    );
}

#[test]
fn keys_that_are_missing_unknown_misplaced_or_repeated_are_named() {
    changed(
        "version: 1\n",
        "",
        expect![[r#"
        line 1, column 1: `version` is missing; add `version: 1`
    "#]],
    );
    changed(
        "version: 1\n",
        "version: 2\n",
        expect![[r#"
        line 1, column 10: this version of posmoded reads files of version 1 only; write `version: 1`
    "#]],
    );
    changed(
        "version: 1\n",
        "version: '1'\n",
        expect![[r#"
        line 1, column 10: `version` is the text `1`, not the number 1; write `version: 1`
    "#]],
    );
    changed(
        "max_changes: 3\n",
        "",
        expect![[r#"
        line 1, column 1: `max_changes` is missing; add `max_changes: 3`: at most so many sets in any hour, more of them wait for an approval
    "#]],
    );
    changed(
        "max_changes: 3\n",
        "max_change: 3\n",
        expect![[r#"
            line 2, column 1: `max_change` is no key at the top level; did you mean `max_changes`?
        "#]],
    );
    changed(
        "max_changes: 3\n",
        "max_changes: 3\nsettle: 5m\nversion: 1\n",
        expect![[r#"
            line 3, column 1: `settle` is no key at the top level; write it under `defaults` or in an account
            line 4, column 1: `version` stands twice: here and in line 1; keep one of the two
        "#]],
    );
    changed(
        "demo: true",
        "colour: blue",
        expect![[r#"
            line 15, column 12: `colour` is no key in an account; remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require
        "#]],
    );
    changed(
        "demo: true",
        "demo: true, demmo: 7",
        expect![[r#"
        line 15, column 24: `demmo` is no key in an account; did you mean `demo`?
    "#]],
    );
    changed(
        "demo: true",
        "demmo: 7",
        expect![[r#"
        line 15, column 12: `demmo` is no key in an account; did you mean `demo`?
        line 15, column 19: `demo` is a number, not true or false; write `demo: true`
    "#]],
    );
    changed(
        "    position_mode: one_way_mode\n",
        "",
        expect![[r#"
        line 9, column 3: `desk-risk` has no `position_mode`; add `position_mode: one_way_mode` or `position_mode: hedge_mode`
    "#]],
    );
    changed(
        "drift: correct, ",
        "",
        expect![[r#"
        line 5, column 3: `drift` is missing for `desk-main`, `paper`; say what is to be done about it: `drift: correct` or `drift: report`, under `defaults:` or in the account; there is no built-in default
    "#]],
    );
    changed(
        "  desk-risk:\n",
        "  desk-main:\n",
        expect![[r#"
        line 9, column 3: `desk-main` stands twice: here and in line 5; keep one of the two
    "#]],
    );
    changed(
        "'not yet: é'",
        "'not yet: é'\n    \"suspend\": again",
        expect![[r#"
        line 15, column 5: `suspend` stands twice: here and in line 14; keep one of the two
    "#]],
    );
}

#[test]
fn values_of_the_wrong_kind_or_out_of_bounds_are_named() {
    changed(
        "max_changes: 3",
        "max_changes: '3'",
        expect![[r#"
        line 2, column 14: `max_changes` is the text `3`, not a whole number; write `max_changes: 3`
    "#]],
    );
    changed(
        "max_changes: 3",
        "max_changes: -1",
        expect![[r#"
        line 2, column 14: `max_changes` is not a whole number from 1 up; write for example `max_changes: 3`
    "#]],
    );
    changed(
        "max_changes: 3",
        "max_changes: 2.5",
        expect![[r#"
        line 2, column 14: `max_changes` is not a whole number from 1 up; write for example `max_changes: 3`
    "#]],
    );
    changed(
        "max_changes: 3",
        "max_changes:",
        expect![[r#"
        line 2, column 1: `max_changes` has no value; write `max_changes: 3`
    "#]],
    );
    changed(
        "demo: true",
        "demo: 'true'",
        expect![[r#"
        line 15, column 18: `demo` is the text `true`, not true or false; write `demo: true`
    "#]],
    );
    changed(
        "drift: correct",
        "drift: off",
        expect![[r#"
        line 3, column 20: `off` is no drift policy; write `drift: correct` (set the declared mode again) or `drift: report` (only say so)
    "#]],
    );
    changed(
        "drift: correct",
        "drift: [correct]",
        expect![[r#"
        line 3, column 20: `drift` is a list, not `correct` or `report`; write `drift: correct`
    "#]],
    );
}

#[test]
fn durations_have_a_unit_and_bounds_and_a_suspension_has_a_reason() {
    changed(
        "check_every: 5s",
        "check_every: 4999ms",
        expect![[r#"
        line 11, column 18: `check_every` is shorter than 5s; write a duration from 5s to 1h, such as `60s` or `5m`
    "#]],
    );
    changed(
        "check_every: 5s",
        "check_every: 61m",
        expect![[r#"
        line 11, column 18: `check_every` is longer than 1h; write a duration from 5s to 1h, such as `60s` or `5m`
    "#]],
    );
    changed(
        "settle: 0s",
        "settle: 0",
        expect![[r#"
        line 12, column 13: `settle` has no unit; write `settle: 0s` if seconds are meant
    "#]],
    );
    changed(
        "settle: 0s",
        "settle: 2d",
        expect![[r#"
        line 12, column 13: `settle` is longer than 1d; write a duration from 0s to 1d, such as `0s`, `5m` or `1h 30m`
    "#]],
    );
    changed(
        "settle: 0s",
        "settle: -5m",
        expect![[r#"
        line 12, column 13: `settle` is shorter than 0s; write a duration from 0s to 1d, such as `0s`, `5m` or `1h 30m`
    "#]],
    );
    changed(
        "settle: 0s",
        "settle: soon",
        expect![[r#"
        line 12, column 13: `settle` is not a duration with its unit; write a duration from 0s to 1d, such as `0s`, `5m` or `1h 30m`
    "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: true",
        expect![[r#"
        line 14, column 14: `suspend` needs a reason as text; give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again
    "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: No",
        expect![[r#"
        line 14, column 14: `suspend` is no switch: it needs a reason, and suspends whatever the reason is; give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again
    "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        &format!("suspend: {}", "é".repeat(201)),
        expect![[r#"
        line 14, column 14: the reason of `suspend` is longer than 200 characters; give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again
    "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: ' '",
        expect![[r#"
        line 14, column 14: the reason of `suspend` is empty; give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again
    "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: \"a\\x1b[2Jb\"",
        expect![[r#"
        line 14, column 14: the reason of `suspend` is more than one line, or has invisible characters; give the reason in quotes: `suspend: "until the risk review is done"`; remove the key to let changes go again
    "#]],
    );
    changed(
        "defaults: { drift: correct, check_every: 1m, settle: 1h 30m }",
        "defaults: none",
        expect![[r#"
        line 3, column 11: under `defaults` there is text where keys with values belong; write `key: value` lines, without `-` before them
    "#]],
    );
}

#[test]
fn modes_and_product_types_are_those_of_the_exchange_and_a_near_miss_gets_the_right_spelling() {
    for (mode, meant) in [
        ("hedge", "`hedge_mode`"),
        ("HEDGE_MODE", "`hedge_mode`"),
        ("double_hold", "`hedge_mode`"),
        ("one-way", "`one_way_mode`"),
        ("oneWayMode", "`one_way_mode`"),
        ("one_way_mod", "`one_way_mode`"),
        ("cross", "`one_way_mode` or `hedge_mode`"),
    ] {
        let problems =
            read(GOOD.replace("one_way_mode\n    suspend", &format!("{mode}\n    suspend")).as_bytes());
        assert_eq!(problems.unwrap_err().0[0].remedy, format!("write {meant}"), "{mode}");
    }
    for (product, meant) in [
        ("usdt-futures", "`USDT-FUTURES`"),
        ("USDT_FUTURES", "`USDT-FUTURES`"),
        ("USDT-FUTRES", "`USDT-FUTURES`"),
        ("umcbl", "`USDT-FUTURES`"),
        ("susdt-futures", "`SUSDT-FUTURES`"),
        ("coin", "`COIN-FUTURES`"),
        (
            "SPOT",
            "one of USDT-FUTURES, COIN-FUTURES, USDC-FUTURES, SUSDT-FUTURES, SCOIN-FUTURES, SUSDC-FUTURES",
        ),
    ] {
        let problems = read(GOOD.replace("USDT-FUTURES", product).as_bytes());
        assert_eq!(problems.unwrap_err().0[0].remedy, format!("write {meant}"), "{product}");
    }
    changed(
        "position_mode: one_way_mode",
        "position_mode: {}",
        expect![[r#"
        line 13, column 5: `position_mode` names no product type; name a product type below it, such as `USDT-FUTURES: hedge_mode`
    "#]],
    );
    changed(
        "position_mode: one_way_mode",
        "position_mode: [hedge_mode]",
        expect![[r#"
        line 13, column 20: `position_mode` is a list, not a position mode; write `position_mode: hedge_mode`
    "#]],
    );
    changed(
        "position_mode: one_way_mode",
        "position_mode:",
        expect![[r#"
        line 13, column 5: `position_mode` has no value; write `position_mode: hedge_mode`
    "#]],
    );
}

#[test]
fn accounts_are_declared_by_plain_names_and_there_is_at_least_one() {
    let head = "version: 1\nmax_changes: 3\ndefaults: { drift: report }\n";
    told(
        format!("{head}...\n").as_bytes(),
        expect![[r#"
        line 1, column 1: `accounts` is missing; add `accounts:` with at least one account
    "#]],
    );
    told(
        format!("{head}accounts: {{}}\n...\n").as_bytes(),
        expect![[r#"
        line 4, column 1: `accounts` is empty; declare at least one account; stop the daemon to manage none
    "#]],
    );
    told(
        format!("{head}accounts: [desk]\n...\n").as_bytes(),
        expect![[r#"
        line 4, column 11: under `accounts` there is a list where keys with values belong; write `key: value` lines, without `-` before them
    "#]],
    );
    changed(
        "  desk-risk:\n",
        "  desk/../risk:\n",
        expect![[r#"
            line 9, column 3: `desk/../risk` is no account name; write for example `desk-risk`; an account name is 1 to 63 of a-z, 0-9 and `-`, the first a letter or a digit
        "#]],
    );
    changed(
        "  desk-risk:\n",
        "  ? [a, b]\n  :\n",
        expect![[r#"
        line 9, column 5: here a key is itself a list or a mapping; write a plain word as the key
    "#]],
    );
    changed(
        "{ demo: true, position_mode: hedge_mode }",
        "",
        expect![[r#"
            line 15, column 3: `paper` says nothing; add `position_mode: one_way_mode` or `position_mode: hedge_mode` below it
        "#]],
    );
}

#[test]
fn an_account_may_have_a_name_that_a_secret_has_but_no_secret() {
    assert!(read(GOOD.replace("desk-main", "token-desk").as_bytes()).is_ok());
    changed(
        "accounts:\n",
        "accounts:\n  token: bg_test-secret\n",
        expect![[r#"
        line 5, column 3: here is a key that looks like a secret; remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account
    "#]],
    );
}

#[test]
fn yaml_that_means_something_else_than_it_shows_is_refused() {
    changed(
        "hedge_mode\n",
        "&mode hedge_mode\n",
        expect![[r#"
        line 7, column 27: YAML anchors (`&name`) are refused, as are the aliases that use them; remove the anchor and write each value out where it belongs
    "#]],
    );
    changed(
        "mode: one_way_mode",
        "mode: *mode",
        expect![[r#"
        line 13, column 20: YAML aliases (`*name`) are refused: a change in one place would be one in many; write the value out here
    "#]],
    );
    changed(
        "  paper: {",
        "  paper: { <<: { demo: false },",
        expect![[r#"
        line 15, column 12: YAML merge keys (`<<`) are refused; write the keys out here, or put what all accounts share under `defaults`
    "#]],
    );
    changed(
        "max_changes: 3",
        "max_changes: !!int '3'",
        expect![[r#"
            line 2, column 20: YAML tags (`!name`) are refused; remove the tag; quote the value if it is to be text
        "#]],
    );
    changed(
        "version: 1",
        "%YAML 1.1\n---\nversion: 1",
        expect![[r#"
        line 1, column 1: not valid YAML: YAML directives are disallowed; remove the line that begins with `%`
    "#]],
    );
    changed(
        "...\n",
        "---\nversion: 1\n...\n",
        expect![[r#"
        line 16, column 1: here begins a second document; keep one document in the file: everything between its beginning and the one `...` at its end
    "#]],
    );
    changed(
        "accounts:",
        "suspend: [[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]\naccounts:",
        expect![[r#"
        line 4, column 26: here something is nested more than 16 deep; write only the keys that the example file shows
    "#]],
    );
}

#[test]
fn a_syntax_error_comes_alone_with_the_way_to_mend_it() {
    changed(
        "max_changes: 3",
        "max_changes: 0\n\tsettle: 5m",
        expect![[r#"
            line 3, column 1: not valid YAML: while scanning a plain scalar, found a tab; indent with spaces, not with tabs
        "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: 'not yet: é",
        expect![[r#"
        line 15, column 3: not valid YAML: invalid indentation in multiline quoted scalar; close the quote on the line where it begins
    "#]],
    );
    changed(
        "{ demo: true,",
        "{ demo: true ",
        expect![[r#"
        line 15, column 37: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'; close the bracket, with a comma between its entries
    "#]],
    );
    changed(
        "accounts:",
        "accounts",
        expect![[r#"
        line 4, column 1: not valid YAML: simple key expected ':'; write `key: value`, indented with spaces like the lines beside it
    "#]],
    );
    changed(
        "    drift: report",
        "   drift: report",
        expect![[r#"
            line 11, column 16: not valid YAML: mapping values are not allowed in this context; write `key: value`, indented with spaces like the lines beside it
        "#]],
    );
    changed(
        "demo: true",
        "demo: true]",
        expect![[r#"
        line 15, column 10: not valid YAML: mismatched bracket '{' closed by ']'; close the bracket, with a comma between its entries
    "#]],
    );
}

#[test]
fn f6_a_file_without_its_end_mark_is_refused_along_with_whatever_else_is_wrong() {
    changed(
        "...\n",
        "",
        expect![[r#"
        line 15, column 51: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "...",
        expect![[r#"
        line 16, column 4: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "...\n\n",
        expect![[r#"
        line 17, column 1: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "# and so on...\n",
        expect![[r#"
        line 16, column 15: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    told(
        b"",
        expect![[r#"
        line 1, column 1: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
        line 1, column 1: the file declares nothing; begin it with `version: 1`
    "#]],
    );
    told(
        b"...\n",
        expect![[r#"
        line 1, column 1: the file declares nothing; begin it with `version: 1`
    "#]],
    );
    told(
        b"version: 1\nmax_changes: 0\ndefaults: { drift: report }\naccounts:\n",
        expect![[r#"
        line 2, column 14: `max_changes` is 0; to change nothing anywhere write `suspend: "the reason"` at the top level
        line 4, column 1: there is nothing under `accounts`; write its keys below it, indented by two spaces
        line 4, column 10: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
}

#[test]
fn a_file_that_is_not_plain_utf_8_text_is_refused_with_the_way_to_save_it() {
    told(
        GOOD.replace('\n', "\r\n").as_bytes(),
        expect![[r#"
        line 1, column 11: here is a carriage return: the file has the line ends of Windows; save it with Unix line ends (LF), and have git keep them: `*.yaml text eol=lf` in .gitattributes
    "#]],
    );
    told(
        format!("\u{feff}{GOOD}").as_bytes(),
        expect![[r#"
        line 1, column 1: the file begins with a byte order mark; save it as UTF-8 without one
    "#]],
    );
    told(
        b"version: 1\n# caf\xe9\n...\n",
        expect![[r#"
        line 2, column 6: here is a byte that is not UTF-8; save the file as UTF-8, without a byte order mark
    "#]],
    );
    told(
        "#".repeat(2_000_000).as_bytes(),
        expect![[r#"
        line 1, column 1: the file has 2000000 bytes, more than 1048576; declare fewer accounts in one file
    "#]],
    );
}

#[test]
fn a_line_that_may_hold_a_secret_is_never_shown() {
    let secret = "bg_test-secret";
    for key in [
        "key",
        "secret",
        "passphrase",
        "api_key",
        "apiKey",
        "API-KEY",
        "password",
        "token",
        "private_key",
        "rsa_private_key",
        "secretKey",
        "sercet",
        "\"\\x6bey\"",
    ] {
        for line in [
            format!("{key}: {secret}"),
            format!("    {key}: {secret}"),
            format!("    {key}: |\n      a\n      {secret}"),
            format!("    {key}: [\n      {secret} ]"),
            format!("    {key}: {{ position_mode: {secret} }}"),
            format!("    position_mode: !tag\n      {key}:\n        !!str {secret}"),
            format!("    position_mode: {{ {key}: {secret} }}"),
            format!("    colour: blue # {secret} {key}: {secret}"),
        ] {
            let line = if key.starts_with('"') { line.replace('#', ", #") } else { line };
            for file in [
                GOOD.replace("    drift: report", &line),
                GOOD.replace("accounts:", &format!("{line}\naccounts:")),
                GOOD.replace("    drift: report", &format!("{line}\n    'open: {secret}")),
            ] {
                for format in [Format::Text, Format::Json, Format::Github] {
                    let said = report("f", &read(file.as_bytes()), format);
                    assert!(!said.contains(secret), "{file}\n{said}");
                }
            }
        }
    }
}

#[test]
fn every_byte_prefix_of_the_example_is_refused() {
    for end in 0..EXAMPLE.len() {
        assert!(read(&EXAMPLE.as_bytes()[..end]).is_err(), "{end}");
    }
    let Desired { max_changes, accounts } = read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(max_changes, 12);
    assert!(accounts.len() >= 5, "several accounts");
}

#[test]
fn what_the_yaml_writer_writes_of_a_good_file_is_read_back_equal() {
    for file in [GOOD, EXAMPLE] {
        let value: serde_yaml::Value = serde_yaml::from_str(file).unwrap();
        let written = serde_yaml::to_string(&value).unwrap() + "...\n";
        assert_eq!(read(written.as_bytes()), read(file.as_bytes()), "{written}");
        assert!(read(file.as_bytes()).is_ok());
    }
}

#[test]
fn the_outcome_is_told_as_json() {
    let told = |file: &str, expected: Expect| {
        expected.assert_eq(&report("a/b.yaml", &read(file.as_bytes()), Format::Json));
    };
    told(
        GOOD,
        expect![[r#"
        {"schema":1,"file":"a/b.yaml","good":true,"problems":[]}
    "#]],
    );
    told(
        &GOOD
            .replace("max_changes: 3", "max_changes: 0")
            .replace("demo: true", "demo: true, key: a, \"x\\ty\": 1"),
        expect![[r#"
            {"schema":1,"file":"a/b.yaml","good":false,"problems":[{"line":2,"column":14,"text":"max_changes: 0","what":"`max_changes` is 0","remedy":"to change nothing anywhere write `suspend: \"the reason\"` at the top level"},{"line":15,"column":24,"text":null,"what":"here is a key that looks like a secret","remedy":"remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account"},{"line":15,"column":32,"text":null,"what":"`x y` is no key in an account","remedy":"remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require"}]}
        "#]],
    );
}

#[test]
fn the_outcome_is_told_as_annotations() {
    let told = |file: &str, expected: Expect| {
        expected.assert_eq(&report("a,b:c%.yaml", &read(file.as_bytes()), Format::Github));
    };
    told(GOOD, expect![[""]]);
    told(
        &GOOD.replace("max_changes: 3", "max_changes: 0\n\"100%\\r\\n::error::\": 1"),
        expect![[r#"
            ::error file=a%2Cb%3Ac%25.yaml,line=2,col=14::`max_changes` is 0; to change nothing anywhere write `suspend: "the reason"` at the top level
            ::error file=a%2Cb%3Ac%25.yaml,line=3,col=1::`100%25��::error::` is no key at the top level; remove it; known here: version, max_changes, defaults, suspend, windows, accounts
        "#]],
    );
}

#[test]
fn a_good_file_is_called_good() {
    check(
        GOOD,
        expect![[r#"
        desired-state.yaml: good: 3 accounts, at most 3 changes in any hour
    "#]],
    );
}

#[test]
fn control_characters_of_the_file_steer_no_terminal_and_the_caret_stays_in_its_column() {
    let raw = "\"é\u{1b}[2J\": \"\u{7}\"";
    check(
        &GOOD.replace("drift: report", raw),
        expect![[r#"
        desired-state.yaml:10:7: not valid YAML: unexpected character: `\u{1b}'
          10 |     "é�[2J": "�"
             |       ^
             = mend it here or in the line above; the example file shows how each line is written

        desired-state.yaml: 1 problem; nothing of it is accepted
    "#]],
    );
    let written = "\"é\\x1b[2J\": { }, # \u{202e}\u{feff}";
    check(
        &GOOD.replace("{ demo: true", &format!("{{ \u{2067}: é, ✓: '\u{202e}', {written}\n    demo: true")),
        expect![[r#"
            desired-state.yaml:15:12: `�` is no key in an account
              15 |   paper: { �: é, ✓: '�', "é\x1b[2J": { }, # ��
                 |            ^
                 = remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require

            desired-state.yaml:15:18: `✓` is no key in an account
              15 |   paper: { �: é, ✓: '�', "é\x1b[2J": { }, # ��
                 |                  ^
                 = remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require

            desired-state.yaml:15:26: `é�[2J` is no key in an account
              15 |   paper: { �: é, ✓: '�', "é\x1b[2J": { }, # ��
                 |                          ^
                 = remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require

            desired-state.yaml: 3 problems; nothing of it is accepted
        "#]],
    );
}

#[test]
fn long_lines_and_long_lists_of_problems_are_cut() {
    let long = GOOD.replace("demo: true", &format!("{}: 1", "é".repeat(900)));
    let many =
        GOOD.replace("accounts:", &(0..250).map(|n| format!("colour{n}: 1\n")).collect::<Vec<_>>().concat());
    let many = many.replace("  desk-main", "accounts:\n  desk-main");
    let problems = read(long.as_bytes()).unwrap_err().0;
    assert_eq!(problems[0].text.as_ref().unwrap().chars().count(), 201);
    assert_eq!(problems[0].what, format!("`{}…` is no key in an account", "é".repeat(64)));
    let problems = read(many.as_bytes()).unwrap_err().0;
    assert_eq!(problems.len(), 100);
    assert_eq!(problems[99].what, "`colour99` is no key at the top level (and 150 problems after this one)");
}

#[test]
fn random_bytes_crash_nothing() {
    let yaml = prop::sample::select(b"\n\n\n    ab:::-\"'{}[],#&*!|>%?@~.\t\r\x00\xc3\xa9".to_vec());
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(yaml, 0..200),];
    run(&(bytes, any::<bool>()), |(mut bytes, ended)| {
        if ended {
            bytes.extend_from_slice(b"\n...\n");
        }
        sound(&bytes)
    });
}

#[test]
fn mutations_of_a_good_file_crash_nothing() {
    let pieces = prop::sample::select(vec![
        "",
        "\n",
        "  ",
        "\t",
        ":",
        ": ",
        "- ",
        "? ",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "|",
        ">",
        "---\n",
        "...\n",
        "null",
        "0",
        "key: ",
        "é",
        "\u{1b}",
        "\u{feff}",
        "desk-main",
        "drift: report\n",
    ]);
    let edit = (any::<prop::sample::Index>(), 0_usize..12, pieces);
    run(&prop::collection::vec(edit, 1..4), |edits| {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, cut, piece) in edits {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + cut).min(bytes.len()), piece.bytes());
        }
        sound(&bytes)
    });
}

/// 20,000 cases, the same in each run.
fn run<S: Strategy>(cases: &S, sound: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(found) = runner.run(cases, sound) {
        panic!("{found}");
    }
}

/// What holds of every file: it is good, or something is wrong at a place that it has, and nothing told is raw.
fn sound(bytes: &[u8]) -> Result<(), TestCaseError> {
    let outcome = read(bytes);
    match &outcome {
        Ok(Desired { max_changes, accounts }) => prop_assert!(*max_changes > 0 && !accounts.is_empty()),
        Err(problems) => {
            let places: Vec<_> = problems.0.iter().map(|problem| (problem.line, problem.column)).collect();
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(!places.is_empty());
            prop_assert!(places.is_sorted(), "{places:?}");
            prop_assert!(
                places.iter().all(|(line, column)| (1..=lines).contains(line) && *column > 0),
                "{places:?}"
            );
        }
    }
    for format in [Format::Text, Format::Json, Format::Github] {
        let raw = |c: char| c.is_control() && c != '\n';
        prop_assert!(!report("f", &outcome, format).contains(raw));
    }
    Ok(())
}
