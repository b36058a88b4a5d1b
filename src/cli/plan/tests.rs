//! The text for the operator and the exit code for a pipeline.

use expect_test::{Expect, expect};

use super::*;
use crate::facts::{List, OpenRow};
use crate::protocol::Reason;
use crate::serve::fixture::target;
use crate::status::Detail;

fn drifted(account: &str, reason: Reason) -> TargetStatus {
    TargetStatus { state: State::Drifted, ..target(account, Some(reason)) }
}

fn unknown(account: &str, reason: Reason) -> TargetStatus {
    TargetStatus { state: State::Unknown, live: None, ..target(account, Some(reason)) }
}

#[track_caller]
fn check(targets: &[TargetStatus], code: Exit, expected: &Expect) {
    let told = anstream::adapter::strip_str(&render(targets, None)).to_string();
    expected.assert_eq(&told);
    assert_eq!(exit(targets), code);
}

#[test]
fn nothing_to_do_is_0() {
    check(
        &[target("desk-1", None)],
        Exit::DONE,
        &expect![[r#"
        1 target in sync, 0 would change now, 0 cannot yet.
    "#]],
    );
}

#[test]
fn what_is_another_hosts_neither_waits_nor_would_change() {
    let other = || target("desk-5", Some(Reason::Elsewhere));
    let summary = |targets: &[TargetStatus]| render(targets, None).lines().last().unwrap().to_owned();
    assert_eq!(summary(&[other()]), "1 target of other hosts, none of this one.");
    let some = [other(), target("desk-1", None), target("desk-2", Some(Reason::NotFlat))];
    assert_eq!(summary(&some), "1 target in sync, 0 would change now, 1 cannot yet, 1 of other hosts.");
}

#[test]
fn what_is_open_stands_below_the_sentence_that_targets_share() {
    let open = |account, kind, orders| TargetStatus {
        detail: Detail {
            positions: None,
            orders,
            plan_orders: None,
            complete: false,
            open: vec![OpenRow { symbol: Some("BTCUSDT".to_owned()), side: None, kind }],
        },
        ..target(account, Some(Reason::NotFlat))
    };
    let orders = [open("desk-1", List::Orders, Some(1)), open("desk-2", List::Orders, Some(5))];
    check(
        &orders,
        Exit::BLOCKED,
        &expect![[r#"
            ACCOUNT  SCOPE         DESIRED     LIVE          WHY      REASON
            desk-1   USDT-FUTURES  hedge_mode  one_way_mode  pending  not_flat
            desk-2   USDT-FUTURES  hedge_mode  one_way_mode  pending  not_flat

            desk-1 USDT-FUTURES, desk-2 USDT-FUTURES: It says not_flat.
              desk-1 USDT-FUTURES: open: at least BTCUSDT order (positions and plan orders not read)
              desk-2 USDT-FUTURES: open: at least BTCUSDT order and 4 more (positions and plan orders not read)
            0 targets in sync, 0 would change now, 2 cannot yet.
        "#]],
    );
    check(
        &orders[..1],
        Exit::BLOCKED,
        &expect![[r#"
            ACCOUNT  SCOPE         DESIRED     LIVE          WHY      REASON
            desk-1   USDT-FUTURES  hedge_mode  one_way_mode  pending  not_flat

            desk-1 USDT-FUTURES: It says not_flat.
              open: at least BTCUSDT order (positions and plan orders not read)
            0 targets in sync, 0 would change now, 1 cannot yet.
        "#]],
    );
}

#[test]
fn what_the_file_changes_is_2_and_somebody_elses_change_is_3() {
    let pending = target("desk-2", Some(Reason::Settling));
    check(
        &[target("desk-1", None), pending.clone()],
        Exit::NOT_IN_SYNC,
        &expect![[r#"
            ACCOUNT  SCOPE         DESIRED     LIVE          WHY      REASON
            desk-2   USDT-FUTURES  hedge_mode  one_way_mode  pending  settling

            desk-2 USDT-FUTURES: It says settling.
            1 target in sync, 1 would change now, 0 cannot yet.
        "#]],
    );
    let drifted = drifted("desk-3", Reason::Acting);
    assert_eq!(exit(&[pending, drifted]), Exit::DRIFT);
}

#[test]
fn what_stands_in_the_way_or_is_not_known_is_4_unless_there_is_drift() {
    let all = [
        target("desk-3", Some(Reason::Acting)),
        target("desk-2", Some(Reason::NotFlat)),
        unknown("desk-4", Reason::Credential),
    ];
    check(
        &all,
        Exit::BLOCKED,
        &expect![[r#"
            ACCOUNT  SCOPE         DESIRED     LIVE          WHY      REASON
            desk-3   USDT-FUTURES  hedge_mode  one_way_mode  pending  acting
            desk-2   USDT-FUTURES  hedge_mode  one_way_mode  pending  not_flat
            desk-4   USDT-FUTURES  hedge_mode  -             unknown  credential

            desk-3 USDT-FUTURES: It says acting.
            desk-2 USDT-FUTURES: It says not_flat.
            desk-4 USDT-FUTURES: It says credential.
            0 targets in sync, 1 would change now, 2 cannot yet.
        "#]],
    );
    assert_eq!(exit(&[drifted("desk-3", Reason::Reported), unknown("desk-4", Reason::Denied)]), Exit::DRIFT);
    assert_eq!(exit(&[target("desk-1", None), unknown("desk-4", Reason::Verifying)]), Exit::BLOCKED);
}

#[test]
fn on_a_terminal_a_sentence_is_broken_between_words_and_each_begins_at_the_left() {
    let long = |name: &str, reason| TargetStatus {
        say: Some(format!("It waits for {reason}, and this goes on for longer than a line of the terminal.")),
        ..target(name, Some(reason))
    };
    let targets =
        [long("desk-1", Reason::NotFlat), long("desk-2", Reason::NotFlat), long("desk-3", Reason::Held)];
    let told = anstream::adapter::strip_str(&render(&targets, Some(80))).to_string();
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    expect![[r#"
        desk-1 USDT-FUTURES, desk-2 USDT-FUTURES: It waits for not_flat, and this goes
          on for longer than a line of the terminal.
        desk-3 USDT-FUTURES: It waits for held, and this goes on for longer than a line
          of the terminal.
        0 targets in sync, 0 would change now, 3 cannot yet.
    "#]]
    .assert_eq(told.split_once("\n\n").unwrap().1);
}

#[test]
fn nothing_that_could_be_read_is_1_with_or_without_being_asked() {
    let silent = unknown("desk-4", Reason::Unreachable);
    let elsewhere = unknown("desk-5", Reason::Elsewhere);
    assert_eq!(exit(&[silent.clone(), elsewhere.clone()]), Exit::FAILED);
    assert!(!is_nothing_read(&[silent, target("desk-1", None)]));
    assert!(!is_nothing_read(&[elsewhere]), "it is not read here");
}
