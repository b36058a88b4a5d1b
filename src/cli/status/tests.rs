//! The complete text that the operator reads.

pub(super) mod triage;

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::ask::{ask, exit, only};
use super::render::{View, pointer, render};
use crate::cli::Exit;
use crate::facts::Cause;
use crate::position_mode::{AccountName, PositionMode};
use crate::protocol::{Need, Plan, PlanEntry, Reason, State};
use crate::serve::Listen;
use crate::serve::fixture::{at, target, view};
use crate::source::LastPull;
use crate::status::{Config, Held, Paused, Status, TargetStatus};

fn shown(status: &Status) -> String {
    render(status, View::default())
}

#[track_caller]
fn check(status: &Status, expected: &Expect) {
    let told = anstream::adapter::strip_str(&shown(status)).to_string();
    expected.assert_eq(&told);
}

#[tokio::test]
async fn a_table_a_sentence_for_what_is_not_in_sync_and_the_revision() {
    check(
        &view().0.status(),
        &expect![[r#"
            rev 17 a1b2c3d: 1/2 in sync, 1 waits

            1 target waits for what passes by itself:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            not_flat: It says not_flat.
              desk-3   USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m          not_flat

            1 target in sync:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE        REASON
              desk-1   USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m          -

            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}

#[tokio::test]
async fn another_hosts_targets_are_listed_and_count_for_nothing() {
    let elsewhere = TargetStatus { state: State::Unknown, ..target("desk-9", Some(Reason::Elsewhere)) };
    let here = target("desk-1", None);
    let status = Status { targets: vec![here, elsewhere], ..view().0.status() };
    assert_eq!(status.line(), "rev 17 a1b2c3d: 1/1 in sync");
    let of = |targets| Status { targets, ..view().0.status() }.line();
    let other = |name| target(name, Some(Reason::Elsewhere));
    assert_eq!(
        of(vec![other("a"), other("b")]),
        "rev 17 a1b2c3d: 2 targets of other hosts, none of this one"
    );
    assert_eq!(of(Vec::new()), "rev 17 a1b2c3d: no target is known yet");
    assert_eq!(
        of(vec![target("a", Some(Reason::Paused)), other("b")]),
        "rev 17 a1b2c3d: 0/1 in sync, 1 wants a human (stopped on purpose)"
    );
    assert_eq!(exit(&status), Exit::DONE);
    assert!(shown(&status).contains("elsewhere"));
}

#[tokio::test]
async fn a_reason_that_an_operator_wrote_moves_no_cursor() {
    let reason = "roll\u{1b}[2J\u{9b}2J back\rdone".to_owned();
    let paused = Some(Paused { reason, who: Some("kim\u{1b}[1m".to_owned()), since: at(-60), until: None });
    let told = shown(&Status { paused, ..view().0.status() });
    assert!(told.contains("PAUSED by kim [1m since"), "{told:?}");
    assert!(told.contains("resume`: roll [2J 2J back done\n"), "{told:?}");
}

#[tokio::test]
async fn a_warning_stands_below_the_table() {
    let warnings = vec![crate::status::Warning {
        account: "desk-1".parse().ok(),
        say: "The key may withdraw.".to_owned(),
    }];
    let status = Status { warnings, ..view().0.status() };
    assert!(shown(&status).contains("\ndesk-1: The key may withdraw.\n"), "{}", shown(&status));
}

#[tokio::test]
async fn a_warning_of_an_account_that_is_not_in_sync_stands_with_what_wants_a_human() {
    const LACKS: &str = "The key may read futures only, so a change would be refused: allow it \"futures, read and write\" at Bitget; then `systemctl reload posmoded`.";
    let told = |names: &[&str], denied: bool, is_of_problems| {
        let warning =
            |name: &&str| crate::status::Warning { account: name.parse().ok(), say: LACKS.to_owned() };
        let mut status = Status { warnings: names.iter().map(warning).collect(), ..view().0.status() };
        if denied {
            let say = "Bitget answered 40014 (...): the key lacks a right: allow it \"futures, read and write\" at Bitget. Next try in 5m.";
            let target = target("desk-3", Some(Reason::Denied));
            status.targets = vec![TargetStatus { say: Some(say.to_owned()), ..target }];
        }
        let view = View { is_of_problems, ..View::default() };
        anstream::adapter::strip_str(&render(&status, view)).to_string()
    };
    expect![[r#"
        rev 17 a1b2c3d: 1/2 in sync, 1 wants a human, 1 waits

        1 account wants a human:
        desk-3 USDT-FUTURES, not in sync for 14m: The key may read futures only, so a change would be refused: allow it "futures, read and write" at Bitget; then `systemctl reload posmoded`.

        1 target waits for what passes by itself:
          ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
        not_flat: It says not_flat.
          desk-3   USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m          not_flat
    "#]].assert_eq(&told(&["desk-1", "desk-3"], false, true));
    let whole = told(&["desk-1", "desk-3"], false, false);
    assert_eq!(whole.matches("desk-3 USDT-FUTURES, not in sync for 14m: The key").count(), 1, "{whole}");
    assert!(whole.contains("\n\ndesk-1: The key"), "{whole}");
    for is_of_problems in [true, false] {
        let denied = told(&["desk-3"], true, is_of_problems);
        assert!(denied.contains("denied: ") && !denied.contains("would be refused"), "{denied}");
    }
}

#[tokio::test]
async fn the_first_line_counts_what_the_headings_count() {
    let told = |change: fn(&mut Status)| {
        let mut status = triage::night();
        change(&mut status);
        let shown = anstream::adapter::strip_str(&shown(&status)).to_string();
        let is_heading = |line: &&str| {
            !line.starts_with(' ') && (line.ends_with("a human:") || line.contains("by itself:"))
        };
        let headings: Vec<&str> = shown.lines().filter(is_heading).collect();
        format!("{}\n{}", status.line(), headings.join("\n"))
    };
    let warn = |status: &mut Status| {
        let say = "The key may read futures only, so a change would be refused.".to_owned();
        let warning = |name: &str| crate::status::Warning { account: name.parse().ok(), say: say.clone() };
        status.warnings = vec![warning("desk-14"), warning("desk-15"), warning("desk-01")];
    };
    expect![[r#"
        rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped on purpose), 7 wait, 2 changes held
        8 targets want a human:
        7 targets wait for what passes by itself:"#]]
    .assert_eq(&told(|_| {}));
    expect![[r#"
        rev 17 a1b2c3d: 6/21 in sync, 10 want a human (7 now, 1 to be decided, 2 stopped on purpose), 7 wait, 2 changes held
        8 targets and 2 accounts want a human:
        7 targets wait for what passes by itself:"#]]
    .assert_eq(&told(warn));
    expect![[r#"
        rev 17 a1b2c3d: 6/21 in sync, 9 want a human (5 now, 1 to be decided, 3 stopped on purpose), 7 wait, the newest file is REFUSED, PAUSED (all), 2 changes held
        8 targets, 1 account and the file want a human:
        7 targets wait for what passes by itself:"#]].assert_eq(&told(|status| {
        status.config.problem = Some("line 3".to_owned());
        let until = Some(at(60));
        let account = "desk-01".parse().unwrap();
        status.paused = Some(Paused { reason: "all".to_owned(), who: None, since: at(-60), until });
        status.paused_accounts =
            [(account, Paused { until: None, ..status.paused.clone().unwrap() })].into();
    }));
    expect![[r#"
        rev 17 a1b2c3d: 6/6 in sync, 1 wants a human (stopped on purpose), PAUSED (all), 2 changes held
        1 account, the pause and the held plan want a human:"#]]
    .assert_eq(&told(|status| {
        status.targets.retain(|target| target.state == State::InSync);
        status.paused = Some(Paused { reason: "all".to_owned(), who: None, since: at(-60), until: None });
    }));
}

#[tokio::test]
async fn what_is_taller_than_the_terminal_ends_with_where_to_read_what_wants_a_human() {
    let below = |status: &Status, height, is_of_named| {
        let view = View { width: Some(100), is_of_named, ..View::default() };
        let shown = anstream::adapter::strip_str(&render(status, view)).to_string();
        (shown.lines().count(), pointer(status, &shown, view, (100, height)))
    };
    let night = triage::night();
    let (rows, told) = below(&night, 24, false);
    let who = "8 targets want a human: desk-10 (fighting), desk-07, desk-08 (held), desk-09 (credential), desk-13\n  \
               (refused_though_flat), desk-11 (reported), desk-12 (paused),\n  \
               a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x (unreachable (also suspended));\n  \
               see the top";
    assert_eq!(told, Some(format!("{who}, or `posmoded status ACCOUNT`.\n")));
    assert!(below(&night, rows + 1, false).1.is_some(), "the prompt would push the first line out");
    assert_eq!(below(&night, rows + 2, false).1, None);
    assert_eq!(below(&night, 24, true).1, Some(format!("{who}.\n")));
    let crowd: Vec<TargetStatus> = (10..40)
        .map(|number| TargetStatus {
            account: format!("desk-{number}").parse().unwrap(),
            ..night.targets.iter().find(|target| target.reason == Some(Reason::Credential)).unwrap().clone()
        })
        .collect();
    let crowd = Status { targets: crowd, held: None, ..triage::night() };
    let told = below(&crowd, 10, false).1.unwrap();
    assert!(told.contains("desk-21 (credential) and 18 more; see the"), "{told}");
    let well = |mut status: Status| {
        status.targets.retain(|target| target.state == State::InSync);
        Status { held: None, paused_accounts: std::collections::BTreeMap::new(), ..status }
    };
    assert_eq!(below(&well(night), 4, false).1, None, "nothing at the top has to be read");
}

#[tokio::test]
async fn a_cause_says_since_when_it_holds_where_that_is_not_since_when_its_targets_are_out_of_sync() {
    let told = |since: i64, out: i64| {
        let since = TargetStatus { since: at(-since), ..target("desk-3", Some(Reason::NotFlat)) };
        let targets = vec![TargetStatus { out_of_sync_since: Some(at(-out)), ..since }];
        let shown = shown(&Status { targets, ..view().0.status() });
        let shown = anstream::adapter::strip_str(&shown).to_string();
        shown.lines().find(|line| line.starts_with("not_flat")).unwrap().to_owned()
    };
    assert_eq!(told(3, 840), "not_flat, for 3s: It says not_flat.");
    assert_eq!(told(840, 60), "not_flat, for 14m: It says not_flat.");
    assert_eq!(told(781, 840), "not_flat: It says not_flat.");
}

#[tokio::test]
async fn f76_how_long_ago_the_file_was_brought_is_told_where_something_brings_it() {
    let brought = |ago: i64| {
        let commit = "a1b2c3d4".to_owned();
        let source = Some(LastPull { last_success_at: at(-ago), commit });
        let told = shown(&Status { source, ..view().0.status() });
        told.lines().rev().nth(1).unwrap().to_owned()
    };
    assert_eq!(brought(40), "The newest commit in git was last brought 40s ago (a1b2c3d).");
    assert_eq!(brought(-5), "The newest commit in git was last brought 0s ago (a1b2c3d).");
    assert_eq!(
        brought(3 * 3600),
        "The newest commit in git was last brought 3h ago (a1b2c3d): what was pushed since is not here. \
         `journalctl -u posmoded-pull` says why."
    );
    assert!(!shown(&view().0.status()).contains("in git"));
}

#[tokio::test]
async fn targets_of_an_account_that_say_the_same_say_it_once() {
    let (view, _) = view();
    let credential = |scope: &str| {
        let scope = scope.parse().unwrap();
        TargetStatus {
            scope,
            live: None,
            state: State::Unknown,
            ..target("desk-9", Some(Reason::Credential))
        }
    };
    let status =
        Status { targets: vec![credential("USDT-FUTURES"), credential("COIN-FUTURES")], ..view.status() };
    check(
        &status,
        &expect![[r#"
            rev 17 a1b2c3d: 0/2 in sync, 2 want a human

            2 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE  SEEN  STATE    OUT OF SYNC  REASON
            credential, not known for 14m: It says credential.
              desk-9   USDT-FUTURES  hedge_mode  -     -     unknown  not known    credential
              desk-9   COIN-FUTURES  hedge_mode  -     -     unknown  not known    credential

            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}

#[tokio::test]
async fn what_is_in_sync_stays_so_while_looks_fail_unless_a_human_has_to_act() {
    let in_sync = |name: &str, reason| TargetStatus { state: State::InSync, ..target(name, Some(reason)) };
    let targets = vec![
        in_sync("desk-1", Reason::Unreachable),
        in_sync("desk-2", Reason::Credential),
        target("desk-3", None),
    ];
    let status = Status { targets, ..view().0.status() };
    let problems = View { is_of_problems: true, ..View::default() };
    assert_eq!(exit(&status), Exit::DONE);
    assert_eq!(triage::named(&super::triage::problems(status.clone())), ["desk-2"]);
    expect![[r#"
        rev 17 a1b2c3d: 3/3 in sync, 1 wants a human

        1 target wants a human:
          ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
        credential: It says credential.
          desk-2   USDT-FUTURES  hedge_mode  one_way_mode  5s    in_sync  14m          credential
    "#]]
    .assert_eq(&anstream::adapter::strip_str(&render(&status, problems)).to_string());
    let told = anstream::adapter::strip_str(&shown(&status)).to_string();
    let in_sync = told.split_once("2 targets in sync:\n").unwrap().1;
    expect![[r#"
          ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE        REASON
          desk-3   USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m          -
        unreachable: It says unreachable.
          desk-1   USDT-FUTURES  hedge_mode  one_way_mode  5s    in_sync  14m          unreachable"#]]
    .assert_eq(in_sync.split_once("\n\n").unwrap().0);
}

#[tokio::test]
async fn a_pause_a_held_plan_and_a_refused_file_are_told_below() {
    let (view, _) = view();
    let entry = PlanEntry {
        account: "desk-3".parse().unwrap(),
        scope: "USDT-FUTURES".parse().unwrap(),
        live: PositionMode::OneWay,
        desired: PositionMode::Hedge,
        cause: Cause::Pending,
    };
    let plan = Plan([entry].into());
    view.board.frame(|frame| {
        frame.paused = Some(Paused {
            reason: "maintenance".to_owned(),
            who: None,
            since: at(-300),
            until: Some(at(3600)),
        });
        frame.held = Some(Held { hash: plan.hash(), plan, told: BTreeSet::new() });
        frame.config.problem = Some("line 3, column 5: unknown key `postion_mode`".to_owned());
    });
    check(
        &view.status(),
        &expect![[r#"
            rev 17 a1b2c3d: 1/2 in sync, 1 waits, the newest file is REFUSED, PAUSED (maintenance), 1 change held

            The file and the held plan want a human:
            file: The newest content of the file is REFUSED, and nothing is changed until that is mended: line 3, column 5: unknown key `postion_mode`
            held: 1 change waits for `posmoded approve b98de0114507`:
              desk-3 USDT-FUTURES: one_way_mode -> hedge_mode (pending)

            1 target waits for what passes by itself, and 1 pause ends by itself:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            paused: Everything is PAUSED since 2026-11-22T08:55:00Z (5m), until 2026-11-22T10:00:00Z, or until `posmoded resume`: maintenance
            not_flat: It says not_flat.
              desk-3   USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m          not_flat

            1 target in sync:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE        REASON
              desk-1   USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m          -

            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}

#[tokio::test]
async fn of_named_accounts_only_what_concerns_them_is_told() {
    let told = |names: &[&str], is_of_problems| {
        let mut night = triage::night();
        let settings = crate::facts::AccountSettings {
            account_level: Some("basic".to_owned()),
            asset_mode: None,
            stp_mode: None,
        };
        night.account_settings.insert("desk-03".parse().unwrap(), settings);
        let named: Vec<AccountName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let status = only(night, &named).unwrap();
        let view = View { is_of_problems, is_of_named: true, ..View::default() };
        anstream::adapter::strip_str(&render(&status, view)).to_string()
    };
    expect![[r#"
        rev 17 a1b2c3d: 0/1 in sync, 1 waits

        1 target waits for what passes by itself:
          ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
        settling, for 30s: Flat for 58s; it must be so for 5m before the mode is changed.
          desk-15  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  15m          settling

        Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
        The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
        Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
    "#]].assert_eq(&told(&["desk-15"], false));
    expect!["rev 17 a1b2c3d: 1/1 in sync\n"].assert_eq(&told(&["desk-01"], true));
    let elsewhere = told(&["desk-22"], true);
    assert!(elsewhere.contains("\n1 target of other hosts:\n"), "{elsewhere}");
    assert!(
        elsewhere.starts_with("rev 17 a1b2c3d: 1 target of other hosts, none of this one\n"),
        "{elsewhere}"
    );
    assert!(!elsewhere.contains("PAUSED") && !elsewhere.contains("approve"), "{elsewhere}");
    let held = told(&["desk-07"], true);
    assert!(held.contains("held, for 30s: 2 changes wait for `posmoded approve b98de0114507`"), "{held}");
    let (paused, warned) = (told(&["desk-12"], true), told(&["desk-03"], false));
    assert!(
        paused.contains(
            "paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on pts/3 of"
        ),
        "{paused}"
    );
    assert!(warned.contains("may withdraw") && warned.contains("desk-03: level basic"), "{warned}");
}

#[tokio::test]
async fn what_concerns_everything_concerns_a_named_account_too() {
    let paused = Some(Paused { reason: "all".to_owned(), who: None, since: at(-60), until: None });
    let warnings = vec![crate::status::Warning { account: None, say: "No messages.".to_owned() }];
    let problem = Some("line 3".to_owned());
    let config = Config { problem, ..view().0.status().config };
    let status = Status { paused, config, warnings, ..triage::night() };
    let told = shown(&only(status, &["desk-01".parse().unwrap()]).unwrap());
    for words in ["Everything is PAUSED since", "No messages.", "is REFUSED, and nothing is changed"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn another_host_has_a_file_and_a_held_plan_of_its_own() {
    let theirs = |name: &str, reason, say: &str| TargetStatus {
        host: Some("trade-02".to_owned()),
        say: Some(format!("On trade-02: {say}")),
        ..target(name, Some(reason))
    };
    let mut night = triage::night();
    night.config.problem = Some("line 3: unknown key `hedged`".to_owned());
    night.targets.extend([
        target("desk-30", Some(Reason::File)),
        theirs("desk-31", Reason::File, "The newest content of the file is refused: line 9: not YAML."),
        theirs("desk-32", Reason::Held, "It waits for `posmoded approve 0f0f0f0f0f0f`."),
        theirs("desk-33", Reason::Held, "It waits for `posmoded approve 0f0f0f0f0f0f`."),
    ]);
    let told = anstream::adapter::strip_str(&shown(&night)).to_string();
    let check = |start: &str, expected: &[&str]| {
        let below = told.lines().skip_while(|line| !line.starts_with(start)).skip(1);
        let rows = below.take_while(|line| line.starts_with("  desk-"));
        let accounts: Vec<&str> = rows.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(accounts, expected, "{start}: {told}");
    };
    check("file: The newest content of the file is REFUSED", &["desk-30"]);
    check("file: On trade-02: The newest content", &["desk-31"]);
    check("held, for 30s: 2 changes wait for `posmoded approve b98de0114507`", &["desk-07", "desk-08"]);
    check("held: On trade-02: It waits for `posmoded approve 0f0f0f0f0f0f`", &["desk-32", "desk-33"]);
}

#[tokio::test]
async fn the_exit_code_tells_whether_all_that_was_asked_for_is_in_sync() {
    let (view, _) = view();
    let of = |names: &[&str]| {
        let named: Vec<AccountName> = names.iter().map(|name| name.parse().unwrap()).collect();
        only(view.status(), &named).map(|status| exit(&status)).map_err(|error| error.to_string())
    };
    assert_eq!(of(&[]), Ok(Exit::NOT_IN_SYNC));
    assert_eq!(of(&["desk-1"]), Ok(Exit::DONE));
    assert_eq!(of(&["desk-3"]), Ok(Exit::NOT_IN_SYNC));
    assert_eq!(of(&["desk-1", "desk-3"]), Ok(Exit::NOT_IN_SYNC));
    let unknown = "There is no account desk-7 at the daemon. Known: desk-1, desk-3.";
    assert_eq!(of(&["desk-7"]), Err(unknown.to_owned()));
    assert_eq!(exit(&Status { targets: Vec::new(), ..view.status() }), Exit::NOT_IN_SYNC);
}

#[tokio::test]
async fn f75_nothing_is_in_sync_with_a_file_that_is_not_in_force() {
    let named = ["desk-1".parse().unwrap()];
    let with = |config: Config| {
        let status = only(Status { config, ..view().0.status() }, &named).unwrap();
        let last = shown(&status).lines().last().unwrap_or_default().to_owned();
        (exit(&status), last)
    };
    let good = view().0.status().config;
    assert_eq!(with(good.clone()).0, Exit::DONE);
    let refused = Config { problem: Some("line 3: unknown key".to_owned()), ..good.clone() };
    assert_eq!(with(refused).0, Exit::NOT_IN_SYNC);
    let (exit, line) = with(Config { next: Some(crate::facts::Generation(18)), ..good });
    assert_eq!(exit, Exit::NOT_IN_SYNC, "accepted, and not every account was held against it");
    assert_eq!(
        line,
        "Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago. Revision 18 is being taken up."
    );
}

#[tokio::test]
async fn the_daemon_is_asked_over_http_and_what_is_not_the_daemon_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let served = tokio::spawn(crate::serve::http::serve(listener, view().0, cancel.clone()));
    let at = Listen::At(at);
    let asked = ask(&at).await.unwrap();
    assert_eq!(asked.targets.len(), 2);
    cancel.cancel();
    served.await.unwrap();
    let told = ask(&at).await.unwrap_err().to_string();
    assert!(told.starts_with(&format!("There is no answer from a daemon at {at}")), "{told}");
}

#[tokio::test]
async fn a_pause_that_comes_first_makes_nothing_held_that_is_only_reported() {
    let target = TargetStatus {
        state: State::Drifted,
        blockers: vec![Reason::Paused, Reason::Reported],
        need: Some(Need::ToBeDecided),
        say: Some(
            "An operator paused it, for 19m more, or until `posmoded resume desk-1`: a look.".to_owned(),
        ),
        ..target("desk-1", Some(Reason::Paused))
    };
    let entry = PlanEntry {
        account: target.account.clone(),
        scope: target.scope,
        live: PositionMode::OneWay,
        desired: PositionMode::Hedge,
        cause: Cause::Drift,
    };
    let held = Held { hash: "a1b2c3d4e5f6".to_owned(), plan: Plan([entry].into()), told: BTreeSet::new() };
    let status = Status { held: Some(held), targets: vec![target], ..view().0.status() };
    assert_eq!(status.changes_held(), 0);
    let told = anstream::adapter::strip_str(&shown(&status)).to_string();
    assert!(told.contains("1 wants a human (to be decided)\n"), "{told}");
    assert!(told.contains("paused (also reported), to be decided: An operator paused it"), "{told}");
}

#[tokio::test]
async fn what_is_only_reported_says_itself_how_it_is_approved_and_the_plan_does_not_say_it_again() {
    let entry = |account: &str| PlanEntry {
        account: account.parse().unwrap(),
        scope: "USDT-FUTURES".parse().unwrap(),
        live: PositionMode::OneWay,
        desired: PositionMode::Hedge,
        cause: Cause::Drift,
    };
    let drifted = |account: &str, reason: Reason, say: &str| TargetStatus {
        state: State::Drifted,
        say: Some(say.to_owned()),
        ..target(account, Some(reason))
    };
    let reported = || {
        drifted(
            "desk-1",
            Reason::Reported,
            "Somebody changed it: `posmoded approve a1b2c3d4e5f6` lets it be set back once.",
        )
    };
    let held = "As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve a1b2c3d4e5f6`. Without that the next one may leave in 38m.";
    let with = |targets: Vec<TargetStatus>| {
        let plan = Plan(targets.iter().map(|target| entry(target.account.as_str())).collect());
        Status {
            held: Some(Held { hash: "a1b2c3d4e5f6".to_owned(), plan, told: BTreeSet::new() }),
            targets,
            ..view().0.status()
        }
    };
    let alone = with(vec![reported()]);
    assert_eq!(
        (alone.changes_held(), shown(&alone).matches("posmoded approve").count()),
        (0, 1),
        "{}",
        shown(&alone)
    );
    check(
        &alone,
        &expect![[r#"
            rev 17 a1b2c3d: 0/1 in sync, 1 wants a human (to be decided)

            1 target wants a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            reported, to be decided: Somebody changed it: `posmoded approve a1b2c3d4e5f6` lets it be set back once.
              desk-1   USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  14m          reported

            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
    let both = with(vec![reported(), drifted("desk-2", Reason::Held, held)]);
    assert_eq!(both.changes_held(), 1);
    check(
        &both,
        &expect![[r#"
            rev 17 a1b2c3d: 0/2 in sync, 2 want a human (1 now, 1 to be decided), 1 change held

            2 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            held: 2 changes wait for `posmoded approve a1b2c3d4e5f6`, 1 of them only reported: `max_changes` lets no more go within the hour. Without that the next one may leave in 38m.
              desk-2   USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  14m          held
            reported, to be decided: Somebody changed it: `posmoded approve a1b2c3d4e5f6` lets it be set back once.
              desk-1   USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  14m          reported

            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
    // Of one account the same is said as of all.
    let other = || TargetStatus { account: "desk-2".parse().unwrap(), ..reported() };
    let of = |status: Status, account: &str| {
        let told = shown(&only(status, &[account.parse().unwrap()]).unwrap());
        anstream::adapter::strip_str(&told).to_string()
    };
    let one = of(with(vec![reported(), other()]), "desk-1");
    assert!(
        one.starts_with(
            "rev 17 a1b2c3d: 0/1 in sync, 1 wants a human (to be decided)\n\n1 target wants a human:"
        ),
        "{one}"
    );
    // What else an approval would let go is listed where its own target is left out.
    let one = of(both.clone(), "desk-1");
    assert!(
        one.starts_with("rev 17 a1b2c3d: 0/1 in sync, 1 wants a human (to be decided), 1 change held\n"),
        "{one}"
    );
    assert!(one.contains("\n  desk-2 USDT-FUTURES: one_way_mode -> hedge_mode"), "{one}");
    let held = of(both, "desk-2");
    assert!(held.contains("in sync, 1 wants a human, 1 change held\n"), "{held}");
    assert!(held.contains("\n  desk-1 USDT-FUTURES: one_way_mode -> hedge_mode"), "{held}");
    // A pause is shown instead of what it says: so the plan does.
    let paused = with(vec![drifted("desk-1", Reason::Paused, "An operator paused it.")]);
    let told = shown(&paused);
    assert!(told.contains("1 change waits for `posmoded approve a1b2c3d4e5f6`:\n  desk-1"), "{told}");
}
