//! Mistakes in keys and in the whole of a file.

use expect_test::expect;

use super::*;

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
                 = remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account with `key`, `secret` and `passphrase` in it

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
            line 4, column 11: under `accounts` there is a list where names with their keys belong; write each account's name as a key, `desk:`, and below it, indented, `position_mode: hedge_mode` and its other keys, without `-`
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
            line 5, column 3: here is a key that looks like a secret; remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account with `key`, `secret` and `passphrase` in it
        "#]],
    );
}

#[test]
fn f58_an_account_of_the_newer_demo_trading_has_no_product_type_of_the_older_one() {
    let paper = |account: &str| {
        format!(
            "version: 1\nmax_changes: 3\ndefaults: {{ drift: report }}\naccounts:\n  paper:\n{account}...\n"
        )
    };
    check(
        &paper("    demo: true\n    position_mode:\n      SUSDT-FUTURES: hedge_mode\n"),
        expect![[r#"
        desired-state.yaml:8:7: `SUSDT-FUTURES` belongs to Bitget's older demo trading, and `demo: true` to the newer one
          8 |       SUSDT-FUTURES: hedge_mode
            |       ^
            = write `USDT-FUTURES`, for a key made in demo mode has the ordinary product types; if this key was not made in demo mode, remove `demo: true`

        desired-state.yaml: 1 problem; nothing of it is accepted
    "#]],
    );
    told(
        paper("    position_mode: { SUSDC-FUTURES: hedge_mode, USDT-FUTURES: hedge_mode, SCOIN-FUTURES: x }\n    demo: true\n")
            .as_bytes(),
        expect![[r#"
            line 6, column 22: `SUSDC-FUTURES` belongs to Bitget's older demo trading, and `demo: true` to the newer one; write `USDC-FUTURES`, for a key made in demo mode has the ordinary product types; if this key was not made in demo mode, remove `demo: true`
            line 6, column 75: `SCOIN-FUTURES` belongs to Bitget's older demo trading, and `demo: true` to the newer one; write `COIN-FUTURES`, for a key made in demo mode has the ordinary product types; if this key was not made in demo mode, remove `demo: true`
            line 6, column 90: `x` is no position mode; write `one_way_mode` or `hedge_mode`
        "#]],
    );
    for good in [
        "    position_mode: { SUSDT-FUTURES: hedge_mode }\n",
        "    demo: false\n    position_mode: { SUSDT-FUTURES: hedge_mode }\n",
        "    demo: true\n    position_mode: { USDT-FUTURES: hedge_mode }\n",
        "    demo: true\n    position_mode: hedge_mode\n",
    ] {
        assert!(read(paper(good).as_bytes()).is_ok(), "{good}");
    }
}
