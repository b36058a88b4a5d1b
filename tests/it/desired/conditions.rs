//! Change windows and requirements in the file.

use expect_test::expect;
use posmoded::facts::Requirement;

use super::*;

/// The good file with windows and an account that names one and requires something.
const WITH: &str = "\
version: 1
max_changes: 3
defaults: { drift: correct }
windows:
  weekend: { opens: \"0 0 22 * * Fri\", lasts: 48h, time_zone: Europe/London }
  nightly:
    opens: 0 30 1 * * *
    lasts: 1h 30m
    time_zone: UTC
accounts:
  desk-arb:
    position_mode: one_way_mode
    windows: [weekend, nightly]
    require:
      - unit_inactive: strategy-arb@1.service
      - file_absent: /run/strategy-arb.lock
  paper: { demo: true, position_mode: hedge_mode }
...
";

/// What is told of it with one thing replaced, without lines and carets.
#[track_caller]
fn with(from: &str, to: &str, expected: Expect) {
    assert!(WITH.contains(from), "{from}");
    told(WITH.replacen(from, to, 1).as_bytes(), expected);
}

#[test]
fn windows_and_requirements_are_read_with_their_order() {
    let desired = read(WITH.as_bytes()).unwrap();
    let arb = &desired.accounts[&"desk-arb".parse().unwrap()];
    let names: Vec<&str> = arb.policy.windows.0.iter().map(|window| window.name.as_str()).collect();
    assert_eq!(names, ["weekend", "nightly"]);
    assert_eq!(arb.policy.windows.0[1].lasts, Duration::from_secs(5400));
    let required = [
        Requirement::UnitInactive("strategy-arb@1.service".to_owned()),
        Requirement::FileAbsent("/run/strategy-arb.lock".to_owned()),
    ];
    assert_eq!(*arb.policy.require.0, required);
    let paper = &desired.accounts[&"paper".parse().unwrap()];
    assert_eq!(
        (&paper.policy.windows, &paper.policy.require),
        (&Windows::default(), &Requirements::default())
    );
    check(
        WITH,
        expect![[r#"
        desired-state.yaml: good: 2 accounts, at most 3 changes in any hour; 1 account in change windows only; 1 account with requirements on the host
    "#]],
    );
}

#[test]
fn a_window_that_no_account_names_is_fine() {
    assert!(read(WITH.replace("    windows: [weekend, nightly]\n", "").as_bytes()).is_ok());
}

#[test]
fn a_pattern_has_six_fields_and_matches_at_some_time() {
    with(
        "0 0 22 * * Fri",
        "0 22 * * Fri",
        expect![[r#"
            line 5, column 21: `0 22 * * Fri` does not have six fields but 5; write six fields, seconds first: `opens: "0 0 22 * * Fri"`
        "#]],
    );
    with(
        "0 0 22 * * Fri",
        "Fri",
        expect![[r#"
            line 5, column 21: `Fri` does not have six fields but 1; write six fields, seconds first (second, minute, hour, day of the month, month, weekday), such as `opens: "0 0 22 * * Fri"`
        "#]],
    );
    with(
        "0 0 22 * * Fri",
        "0 0 22 * * Fri 2027",
        expect![[r#"
            line 5, column 21: `0 0 22 * * Fri 2027` does not have six fields but 7; write six fields, seconds first (second, minute, hour, day of the month, month, weekday), such as `opens: "0 0 22 * * Fri"`
        "#]],
    );
    with(
        "0 0 22 * * Fri",
        "0 0 25 * * Fri",
        expect![[r#"
        line 5, column 21: `0 0 25 * * Fri` is no cron pattern; write six fields, seconds first (second, minute, hour, day of the month, month, weekday), such as `opens: "0 0 22 * * Fri"`
    "#]],
    );
    with(
        "0 0 22 * * Fri",
        "0 0 22 31 2 *",
        expect![[r#"
        line 5, column 21: `0 0 22 31 2 *` never matches; write a day that its month has
    "#]],
    );
    with(
        "\"0 0 22 * * Fri\"",
        "22",
        expect![[r#"
        line 5, column 21: `opens` is a number, not a cron pattern in quotes; write `opens: "0 0 22 * * Fri"`
    "#]],
    );
    with(
        "\"0 0 22 * * Fri\"",
        "* * * * * *",
        expect![[r#"
            line 5, column 21: not valid YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; put text that begins with `*` or `&` in quotes, such as a cron pattern
        "#]],
    );
}

#[test]
fn a_window_lasts_for_a_while_and_at_most_a_year() {
    for (wrong, remark) in [
        ("0s", "`lasts` is shorter than 1s"),
        ("-1h", "`lasts` is shorter than 1s"),
        ("367d", "`lasts` is longer than 366d"),
        ("48", "`lasts` has no unit"),
        ("~", "`lasts` has no value"),
        ("[48h]", "`lasts` is a list, not a duration"),
    ] {
        let problems = read(WITH.replace("48h", wrong).as_bytes()).expect_err(wrong).to_string();
        assert!(problems.contains(remark), "{wrong}: {problems}");
    }
}

#[test]
fn a_zone_is_one_of_the_database_and_a_slip_is_guessed() {
    for (wrong, remark) in [
        ("europe/london", "`europe/london` is no time zone; did you mean `Europe/London`?"),
        ("London", "`London` is no time zone; did you mean `Europe/London`?"),
        ("Europe/Lodnon", "`Europe/Lodnon` is no time zone; did you mean `Europe/London`?"),
        ("New York", "`New York` is no time zone; did you mean `America/New_York`?"),
        (
            "BST",
            "`BST` is no time zone; write its name as in the IANA database, such as `Europe/London` or `UTC`",
        ),
        ("'+01:00'", "`+01:00` is no time zone; write its name"),
        ("1", "`time_zone` is a number, not the name of a zone; write `time_zone: Europe/London`"),
    ] {
        let file = WITH.replace("time_zone: Europe/London", &format!("time_zone: {wrong}"));
        let problems = read(file.as_bytes()).expect_err(wrong).to_string();
        assert!(problems.contains(remark), "{wrong}: {problems}");
    }
}

#[test]
fn a_window_has_a_name_a_pattern_a_length_and_a_zone_and_nothing_else() {
    with(
        "weekend: {",
        "Week_end: {",
        expect![[r#"
            line 5, column 3: `Week_end` is no window name; write for example `week-end`; a window name is 1 to 63 of a-z, 0-9 and `-`, the first a letter or a digit
            line 13, column 15: `weekend` is no window of this file; declare it under `windows:` at the top level
        "#]],
    );
    with(
        "opens: \"0 0 22 * * Fri\", ",
        "",
        expect![[r#"
        line 5, column 3: the window `weekend` has no `opens`; add for example `opens: "0 0 22 * * Fri"`
    "#]],
    );
    with(
        ", lasts: 48h, time_zone: Europe/London",
        ", until: 8, duration: 48h",
        expect![[r#"
            line 5, column 3: the window `weekend` has no `time_zone`; add for example `time_zone: Europe/London`
            line 5, column 39: `until` is no key in a window; remove it; known here: opens, lasts, time_zone
            line 5, column 49: `duration` is no key in a window; it is called `lasts` here
        "#]],
    );
    with(
        "weekend: { opens: \"0 0 22 * * Fri\", lasts: 48h, time_zone: Europe/London }",
        "weekend:",
        expect![[r#"
            line 5, column 3: there is nothing in a window; write its keys below it, indented by two spaces
        "#]],
    );
    with(
        "  nightly:\n",
        "  weekend:\n",
        expect![[r#"
        line 6, column 3: `weekend` stands twice: here and in line 5; keep one of the two
        line 13, column 24: `nightly` is no window of this file; declare it under `windows:` at the top level
    "#]],
    );
    let none = "windows:\n  weekend: { opens: \"0 0 22 * * Fri\", lasts: 48h, time_zone: Europe/London }\n  nightly:\n    \
                opens: 0 30 1 * * *\n    lasts: 1h 30m\n    time_zone: UTC\n";
    with(
        none,
        "windows: {}\n",
        expect![[r#"
            line 4, column 1: `windows` is empty; declare at least one window below it, or remove the key
        "#]],
    );
    with(
        none,
        "windows: [weekend, nightly]\n",
        expect![[r#"
            line 4, column 10: under `windows` there is a list where keys with values belong; write `key: value` lines, without `-` before them
        "#]],
    );
    with(
        "time_zone: UTC",
        "api_token: UTC",
        expect![[r#"
            line 6, column 3: the window `nightly` has no `time_zone`; add for example `time_zone: Europe/London`
            line 9, column 5: here is a key that looks like a secret; remove it, and make a new key if others could read this file; credentials live in a directory of their own, one file per account with `key`, `secret` and `passphrase` in it
        "#]],
    );
}

#[test]
fn an_account_names_windows_that_are_declared_each_once() {
    with(
        "[weekend, nightly]",
        "[wekend, nightly]",
        expect![[r#"
        line 13, column 15: `wekend` is no window of this file; did you mean `weekend`?
    "#]],
    );
    with(
        "[weekend, nightly]",
        "[maintenance]",
        expect![[r#"
        line 13, column 15: `maintenance` is no window of this file; declare it under `windows:` at the top level
    "#]],
    );
    with(
        "[weekend, nightly]",
        "[weekend, weekend]",
        expect![[r#"
        line 13, column 24: `weekend` stands twice in `windows`; keep one of the two
    "#]],
    );
    with(
        "[weekend, nightly]",
        "[]",
        expect![[r#"
        line 13, column 14: `windows` names no window; name one, such as `windows: [weekend]`; without the key changes may leave at all times
    "#]],
    );
    with(
        "[weekend, nightly]",
        "weekend",
        expect![[r#"
        line 13, column 14: `windows` is the text `weekend`, not a list of the names of windows; write `windows: [weekend]`
    "#]],
    );
    with(
        "[weekend, nightly]",
        "",
        expect![[r#"
        line 13, column 5: `windows` has no value; write `windows: [weekend]`
    "#]],
    );
    with(
        "[weekend, nightly]",
        "[5, { weekend: 1 }]",
        expect![[r#"
        line 13, column 15: `windows` is a number, not the name of a window; write `windows: [weekend]`
        line 13, column 18: `windows` is a mapping, not the name of a window; write `windows: [weekend]`
    "#]],
    );
    with(
        "defaults: { ",
        "defaults: { windows: [weekend], ",
        expect![[r#"
        line 3, column 13: `windows` is no key under `defaults`; write it at the top level or in an account
    "#]],
    );
    // A window that is wrong itself is remarked on once.
    with(
        "Europe/London",
        "Europe/Londinium",
        expect![[r#"
        line 5, column 62: `Europe/Londinium` is no time zone; write its name as in the IANA database, such as `Europe/London` or `UTC`
    "#]],
    );
}

#[test]
fn a_requirement_is_one_unit_or_one_path() {
    with(
        "      - unit_inactive: strategy-arb@1.service\n      - file_absent: /run/strategy-arb.lock\n",
        "",
        expect![[r#"
            line 14, column 5: `require` has no value; write `require: [{ unit_inactive: strategy.service }]`
        "#]],
    );
    with(
        "    require:\n      - unit_inactive: strategy-arb@1.service\n      - file_absent: /run/strategy-arb.lock\n",
        "    require: []\n",
        expect![[r#"
            line 14, column 5: `require` requires nothing; write for example `- unit_inactive: strategy.service` below it, or remove the key
        "#]],
    );
    with(
        "      - unit_inactive: strategy-arb@1.service\n      - file_absent",
        "      unit_inactive: strategy-arb@1.service\n      file_absent",
        expect![[r#"
            line 15, column 7: `require` is a mapping, not a list of requirements; write `require: [{ unit_inactive: strategy.service }]`
        "#]],
    );
    with(
        "      - file_absent",
        "        file_absent",
        expect![[r#"
        line 16, column 9: here are two requirements in one; begin a new line with `- ` for each of the two
    "#]],
    );
    with(
        "- unit_inactive: strategy-arb@1.service",
        "- unit_active: strategy-arb@1.service",
        expect![[r#"
            line 15, column 9: `unit_active` is no key in a requirement; did you mean `unit_inactive`?
        "#]],
    );
    with(
        "- unit_inactive: strategy-arb@1.service",
        "- strategy-arb@1.service",
        expect![[r#"
        line 15, column 9: here is text where a requirement belongs; write `- unit_inactive: strategy.service` or `- file_absent: /run/strategy.lock`
    "#]],
    );
    with(
        "- unit_inactive: strategy-arb@1.service",
        "- {}",
        expect![[r#"
        line 15, column 9: here is an empty requirement; write `- unit_inactive: strategy.service` or `- file_absent: /run/strategy.lock`
    "#]],
    );
    with(
        "defaults: { ",
        "require: [], defaults: { ".replace(", defaults: { ", "\ndefaults: { ").as_str(),
        expect![[r#"
            line 3, column 1: `require` is no key at the top level; write it in an account
        "#]],
    );
}

#[test]
fn a_unit_is_named_in_full_and_is_no_pattern_and_no_option() {
    for (wrong, remark) in [
        (
            "strategy",
            "`strategy` does not end in a kind of unit; write all of the name, such as `unit_inactive: strategy.service`",
        ),
        ("strategy.exe", "`strategy.exe` does not end in a kind of unit"),
        (".service", "`.service` is no name of one unit; write it as `systemctl` lists it"),
        ("'strategy-*.service'", "`strategy-*.service` is no name of one unit"),
        ("'strategy-[ab].service'", "`strategy-[ab].service` is no name of one unit"),
        ("--all.service", "`--all.service` is no name of one unit"),
        ("'a.service b.service'", "`a.service b.service` is no name of one unit"),
        ("/etc/systemd/system/a.service", "`/etc/systemd/system/a.service` is no name of one unit"),
        ("strategy@.service", "`strategy@.service` is a template, which never runs itself; name an instance"),
        ("''", "`` is no name of one unit"),
        ("7", "`unit_inactive` is a number, not the name of a unit"),
    ] {
        let file = WITH.replace("unit_inactive: strategy-arb@1.service", &format!("unit_inactive: {wrong}"));
        let problems = read(file.as_bytes()).expect_err(wrong).to_string();
        assert!(problems.contains(remark), "{wrong}: {problems}");
    }
    for good in ["a.service", "a.timer", "dev-sda.device", "foo\\x2dbar.mount", "a:b_c.d@e-1.socket"] {
        let file = WITH.replace("strategy-arb@1.service", good);
        assert!(read(file.as_bytes()).is_ok(), "{good}: {:?}", read(file.as_bytes()));
    }
}

#[test]
fn a_path_is_plain_and_not_hidden_from_the_daemon() {
    for (wrong, remark) in [
        ("run/arb.lock", "`run/arb.lock` is no plain path: one begins with `/`, ends in a name"),
        ("/run/../tmp/arb.lock", "`/run/../tmp/arb.lock` is no plain path"),
        ("/run/./arb.lock", "is no plain path"),
        ("//tmp/arb.lock", "is no plain path"),
        ("/run/arb/", "is no plain path"),
        ("/", "is no plain path"),
        ("\"/run/a\\nb\"", "is no plain path"),
        (
            "/tmp/arb.lock",
            "`/tmp/arb.lock` is below /tmp, which the daemon's unit hides from it: it would always seem absent; keep the file elsewhere",
        ),
        ("/var/tmp/arb.lock", "is below /var/tmp, which"),
        ("/home/arb/lock", "is below /home, which"),
        ("/root/lock", "is below /root, which"),
        ("/run/user/1000/lock", "is below /run/user, which"),
        ("/dev/shm/lock", "is below /dev, which"),
        ("/proc/1", "is below /proc, which"),
        ("/tmp", "is below /tmp, which"),
        ("7", "`file_absent` is a number, not a path"),
    ] {
        let file = WITH.replace("/run/strategy-arb.lock", wrong);
        let problems = read(file.as_bytes()).expect_err(wrong).to_string();
        assert!(problems.contains(remark), "{wrong}: {problems}");
    }
    for good in ["/run/lock/a b", "/tmpfs/lock", "/var/lib/arb/..lock", "/homeless"] {
        assert!(read(WITH.replace("/run/strategy-arb.lock", good).as_bytes()).is_ok(), "{good}");
    }
}
