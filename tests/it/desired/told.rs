//! How the outcome is told: as text, JSON and annotations; what is never shown.

use std::num::NonZeroU32;

use expect_test::expect;

use super::*;

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
            {"schema":1,"file":"a/b.yaml","good":false,"problems":[{"line":2,"column":14,"text":"max_changes: 0","what":"`max_changes` is 0","remedy":"to change nothing anywhere write `suspend: \"the reason\"` at the top level"},{"line":15,"column":24,"text":null,"what":"here is a key that looks like a secret","remedy":"remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account with `key`, `secret` and `passphrase` in it"},{"line":15,"column":32,"text":null,"what":"`x y` is no key in an account","remedy":"remove it; known here: uid, host, position_mode, demo, drift, check_every, settle, suspend, windows, require"}]}
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
fn a_file_that_asks_for_more_looks_than_the_budget_gives_is_told_how_late_they_come() {
    let file = |count: u32, rest: &str| {
        let accounts: String = (0..count)
            .map(|number| format!("  desk-{number}:\n    position_mode: hedge_mode\n{rest}"))
            .collect();
        let text =
            format!("version: 1\nmax_changes: 3\ndefaults: {{ drift: correct }}\naccounts:\n{accounts}...\n");
        read(text.as_bytes()).unwrap()
    };
    let told = |desired: &Desired| desired.over_budget(Some("here"), NonZeroU32::new(10).unwrap());
    assert_eq!(told(&file(200, "")), None, "three targets each, once a minute");
    expect!["To compare 1002 targets as often as `check_every` says takes 16.7 requests a second, and the budget is 10 (--requests-per-second): each look comes later, after 1.7 times its interval. Write a longer `check_every`, or spread the accounts over hosts."]
        .assert_eq(&told(&file(334, "")).unwrap());
    assert_eq!(told(&file(334, "    host: there\n")), None);
    assert_eq!(told(&file(334, "    check_every: 2m\n")), None);
}
