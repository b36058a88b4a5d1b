//! What an operator reads at night: 21 accounts in 14 states, at three widths and in a pipe.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use crate::cli::status::render::{View, render};
use crate::facts::{List, OpenRow, Side};
use crate::position_mode::{AccountName, PositionMode};
use crate::protocol::{Need, Plan, PlanEntry, Reason, State, Wants};
use crate::serve::fixture::{at, target, view};
use crate::status::{Detail, Held, LiveStatus, Paused, Status, TargetStatus, Warning};

/// One account of a name with a reason, what it says and since when.
fn desk(number: usize, reason: Reason, say: &str, since: i64) -> TargetStatus {
    TargetStatus {
        say: Some(say.to_owned()),
        since: at(-30),
        out_of_sync_since: Some(at(-since)),
        ..target(&format!("desk-{number:02}"), Some(reason))
    }
}

fn unread(target: TargetStatus) -> TargetStatus {
    TargetStatus { live: None, state: State::Unknown, ..target }
}

/// 21 accounts in 14 states.
pub(in crate::cli::status) fn night() -> Status {
    let address = |number, next: i64| {
        let say = format!(
            "Bitget limits this address: the calls position-mode and server-time were answered with HTTP 429. Next try in {next}s."
        );
        unread(desk(number, Reason::RateLimited, &say, 125))
    };
    let drifted = |target| TargetStatus { state: State::Drifted, ..target };
    let names: [(usize, i64); 6] = [(1, 5), (2, 12), (3, 59), (4, 3600), (5, 7), (6, 31)];
    let mut targets: Vec<TargetStatus> = names
        .map(|(number, ago)| {
            let live = Some(LiveStatus { mode: PositionMode::Hedge, at: at(-ago) });
            TargetStatus { live, ..target(&format!("desk-{number:02}"), None) }
        })
        .into();
    let taken_over =
        "a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x".parse::<AccountName>().unwrap();
    targets.extend([
        desk(7, Reason::Held, "As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve b98de0114507`. Without that the next one may leave in 38m.", 1500),
        desk(8, Reason::Held, "As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then `posmoded approve b98de0114507`. Without that the next one may leave in 38m.", 1500),
        unread(desk(9, Reason::Credential, "The key file keys/desk-09 is missing: write it, then `systemctl restart posmoded`.", 10_800)),
        drifted(desk(10, Reason::Fighting, "It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-10` or change the file.", 93_600)),
        drifted(desk(11, Reason::Reported, "Somebody changed it at the exchange and the file says `drift: report`: change it back there, or change the file.", 5400)),
        desk(12, Reason::Paused, "An operator paused it, until `posmoded resume`: roll of the contracts.", 7200),
        desk(13, Reason::RefusedThoughFlat, "Every list is empty and yet the exchange says that something is open (3 times): look for bots, TWAP and copy orders. Next try in 22m.", 2700),
        TargetStatus {
            detail: Detail {
                positions: Some(1),
                orders: Some(6),
                plan_orders: None,
                complete: false,
                open: [("BTCUSDT", Side::Long, List::Positions), ("ETHUSDT", Side::Buy, List::Orders)]
                    .map(|(symbol, side, kind)| OpenRow { symbol: Some(symbol.to_owned()), side: Some(side), kind })
                    .into(),
            },
            ..desk(14, Reason::NotFlat, "Open: at least 1 position, 6 orders. The mode is changed once nothing is open; nothing is closed or cancelled for it.", 840)
        },
        desk(15, Reason::Settling, "Flat for 58s; it must be so for 5m before the mode is changed.", 900),
        desk(16, Reason::Settling, "Flat for 3m 12s; it must be so for 5m before the mode is changed.", 960),
        address(17, 4),
        address(18, 12),
        desk(19, Reason::Window, "Its change window weekend is closed; it opens at 2026-11-27T22:00:00+00:00[Europe/London], 5d 13h from now.", 40_000),
        TargetStatus { reason: None, blockers: Vec::new(), say: None, wants: Some(Wants::Itself), out_of_sync_since: None, ..unread(desk(20, Reason::Acting, "", 0)) },
        TargetStatus {
            account: taken_over,
            blockers: vec![Reason::Unreachable, Reason::Suspended],
            wants: Some(Wants::Human),
            need: Some(Need::StoppedOnPurpose),
            ..unread(desk(21, Reason::Unreachable, "Bitget gave no answer to the call position-mode within 8s. Next try in 30s.", 305))
        },
        TargetStatus { wants: Some(Wants::Itself), out_of_sync_since: None, ..unread(desk(22, Reason::Elsewhere, "The file gives this account to the host trade-02, and this one is called trade-01: it never asks for the account and never sets it.", 0)) },
    ]);
    let entry = |target: &TargetStatus| PlanEntry {
        account: target.account.clone(),
        scope: target.scope,
        live: PositionMode::OneWay,
        desired: PositionMode::Hedge,
        cause: crate::facts::Cause::Pending,
    };
    let plan = Plan(targets[6..8].iter().map(entry).collect());
    let paused = Paused {
        reason: "roll of the contracts".to_owned(),
        who: Some("anna (uid 1000) on pts/3 of trade-01".to_owned()),
        since: at(-7200),
        until: None,
    };
    let warnings = vec![Warning {
        account: Some("desk-03".parse().unwrap()),
        say: "Its key may withdraw: take that right away at Bitget.".to_owned(),
    }];
    Status {
        targets,
        warnings,
        held: Some(Held { hash: "b98de0114507".to_owned(), plan, told: BTreeSet::new() }),
        paused_accounts: [("desk-12".parse().unwrap(), paused)].into(),
        ..view().0.status()
    }
}

/// The accounts that are left.
pub(in crate::cli::status) fn named(status: &Status) -> Vec<&str> {
    status.targets.iter().map(|target| target.account.as_str()).collect()
}

#[track_caller]
fn check(width: Option<usize>, is_of_problems: bool, expected: &Expect) {
    let told = render(&night(), View { width, is_of_problems, ..View::default() });
    let told = anstream::adapter::strip_str(&told).to_string();
    let widest = told.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(width.is_none_or(|width| widest <= width), "{widest}: {told}");
    for target in night().targets {
        let name = target.account.as_str();
        let is_row = |line: &&str| line.trim() == name || line.trim_start().starts_with(&format!("{name}  "));
        let is_left_out = is_of_problems && (target.state == State::InSync || target.is_elsewhere());
        assert_eq!(told.lines().filter(is_row).count(), usize::from(!is_left_out), "{name}: {told}");
    }
    expected.assert_eq(&told);
}

#[tokio::test]
async fn at_80_columns() {
    check(
        Some(80),
        false,
        &expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped
              on purpose), 7 wait, 2 changes held

            8 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps
                changing it back: find out who, then `posmoded resume desk-10` or change the
                file.
              desk-10  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes`
                lets no more go within the hour. Without that the next one may leave in 38m.
              desk-07  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
              desk-08  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing:
                write it, then `systemctl restart posmoded`.
              desk-09  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            refused_though_flat, for 30s: Every list is empty and yet the exchange says that
                something is open (3 times): look for bots, TWAP and copy orders. Next try
                in 22m.
              desk-13  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  45m
            reported, to be decided, for 30s: Somebody changed it at the exchange and the
                file says `drift: report`: change it back there, or change the file.
              desk-11  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1h 30m
            paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on
                pts/3 of trade-01 since 2026-11-22T07:00:00Z (2h), until
                `posmoded resume desk-12`: roll of the contracts
              desk-12  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  2h
            unreachable (also suspended), stopped on purpose, for 30s, not known for 5m 5s:
                Bitget gave no answer to the call position-mode within 8s. Next try in 30s.
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x
                       USDT-FUTURES  hedge_mode  -             -     unknown  not known

            7 targets wait for what passes by itself:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            rate_limited, for 30s, not known for 2m 5s: Bitget limits this address: the
                calls position-mode and server-time were answered with HTTP 429. Next try in
                4s to 12s.
              desk-17  USDT-FUTURES  hedge_mode  -             -     unknown  not known
              desk-18  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            window, for 30s: Its change window weekend is closed; it opens at
                2026-11-27T22:00:00+00:00[Europe/London], 5d 13h from now.
              desk-19  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  11h 6m
            settling, for 30s: Flat for 58s to 3m 12s; it must be so for 5m before the mode
                is changed.
              desk-15  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  15m
              desk-16  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  16m
            not_flat, for 30s: Open: at least 1 position, 6 orders. The mode is changed once
                nothing is open; nothing is closed or cancelled for it.
              desk-14  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m
                open: at least BTCUSDT long position, ETHUSDT buy order and 5 more (plan
                  orders not read)
            not looked at yet
              desk-20  USDT-FUTURES  hedge_mode  -             -     unknown  not known

            6 targets in sync:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE
              desk-01  USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m
              desk-02  USDT-FUTURES  hedge_mode  hedge_mode    12s   in_sync  14m
              desk-03  USDT-FUTURES  hedge_mode  hedge_mode    59s   in_sync  14m
              desk-04  USDT-FUTURES  hedge_mode  hedge_mode    1h    in_sync  14m
              desk-05  USDT-FUTURES  hedge_mode  hedge_mode    7s    in_sync  14m
              desk-06  USDT-FUTURES  hedge_mode  hedge_mode    31s   in_sync  14m

            1 target of other hosts:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE
            elsewhere: The file gives this account to the host trade-02, and this one is
                called trade-01: it never asks for the account and never sets it.
              desk-22  USDT-FUTURES  hedge_mode  -             -     unknown  30s

            desk-03: Its key may withdraw: take that right away at Bitget.
            Looks come after 1.7 times their interval, for the budget of requests does not
              suffice: write a longer `check_every`, spread the accounts over hosts, or
              raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer
              names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}

#[tokio::test]
async fn at_100_columns() {
    check(
        Some(100),
        false,
        &expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped on purpose), 7 wait,
              2 changes held

            8 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps changing it back: find out
                who, then `posmoded resume desk-10` or change the file.
              desk-10  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes` lets no more go
                within the hour. Without that the next one may leave in 38m.
              desk-07  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
              desk-08  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing: write it, then
                `systemctl restart posmoded`.
              desk-09  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            refused_though_flat, for 30s: Every list is empty and yet the exchange says that something is open
                (3 times): look for bots, TWAP and copy orders. Next try in 22m.
              desk-13  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  45m
            reported, to be decided, for 30s: Somebody changed it at the exchange and the file says
                `drift: report`: change it back there, or change the file.
              desk-11  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1h 30m
            paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on pts/3 of trade-01 since
                2026-11-22T07:00:00Z (2h), until `posmoded resume desk-12`: roll of the contracts
              desk-12  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  2h
            unreachable (also suspended), stopped on purpose, for 30s, not known for 5m 5s: Bitget gave no
                answer to the call position-mode within 8s. Next try in 30s.
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x
                       USDT-FUTURES  hedge_mode  -             -     unknown  not known

            7 targets wait for what passes by itself:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            rate_limited, for 30s, not known for 2m 5s: Bitget limits this address: the calls position-mode and
                server-time were answered with HTTP 429. Next try in 4s to 12s.
              desk-17  USDT-FUTURES  hedge_mode  -             -     unknown  not known
              desk-18  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            window, for 30s: Its change window weekend is closed; it opens at
                2026-11-27T22:00:00+00:00[Europe/London], 5d 13h from now.
              desk-19  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  11h 6m
            settling, for 30s: Flat for 58s to 3m 12s; it must be so for 5m before the mode is changed.
              desk-15  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  15m
              desk-16  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  16m
            not_flat, for 30s: Open: at least 1 position, 6 orders. The mode is changed once nothing is open;
                nothing is closed or cancelled for it.
              desk-14  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m
                open: at least BTCUSDT long position, ETHUSDT buy order and 5 more (plan orders not read)
            not looked at yet
              desk-20  USDT-FUTURES  hedge_mode  -             -     unknown  not known

            6 targets in sync:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE
              desk-01  USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m
              desk-02  USDT-FUTURES  hedge_mode  hedge_mode    12s   in_sync  14m
              desk-03  USDT-FUTURES  hedge_mode  hedge_mode    59s   in_sync  14m
              desk-04  USDT-FUTURES  hedge_mode  hedge_mode    1h    in_sync  14m
              desk-05  USDT-FUTURES  hedge_mode  hedge_mode    7s    in_sync  14m
              desk-06  USDT-FUTURES  hedge_mode  hedge_mode    31s   in_sync  14m

            1 target of other hosts:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE
            elsewhere: The file gives this account to the host trade-02, and this one is called trade-01: it
                never asks for the account and never sets it.
              desk-22  USDT-FUTURES  hedge_mode  -             -     unknown  30s

            desk-03: Its key may withdraw: take that right away at Bitget.
            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a
              longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}

#[tokio::test]
async fn at_200_columns_with_problems_alone() {
    check(
        Some(200),
        true,
        &expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped on purpose), 7 wait, 2 changes held

            8 targets want a human:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-10` or change the file.
              desk-10                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h        fighting
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes` lets no more go within the hour. Without that the next one may leave in 38m.
              desk-07                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m          held
              desk-08                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m          held
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing: write it, then `systemctl restart posmoded`.
              desk-09                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    credential
            refused_though_flat, for 30s: Every list is empty and yet the exchange says that something is open (3 times): look for bots, TWAP and copy orders. Next try in 22m.
              desk-13                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  45m          refused_though_flat
            reported, to be decided, for 30s: Somebody changed it at the exchange and the file says `drift: report`: change it back there, or change the file.
              desk-11                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1h 30m       reported
            paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on pts/3 of trade-01 since 2026-11-22T07:00:00Z (2h), until `posmoded resume desk-12`: roll of the contracts
              desk-12                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  2h           paused
            unreachable (also suspended), stopped on purpose, for 30s, not known for 5m 5s: Bitget gave no answer to the call position-mode within 8s. Next try in 30s.
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x  USDT-FUTURES  hedge_mode  -             -     unknown  not known    unreachable

            7 targets wait for what passes by itself:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            rate_limited, for 30s, not known for 2m 5s: Bitget limits this address: the calls position-mode and server-time were answered with HTTP 429. Next try in 4s to 12s.
              desk-17                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    rate_limited
              desk-18                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    rate_limited
            window, for 30s: Its change window weekend is closed; it opens at 2026-11-27T22:00:00+00:00[Europe/London], 5d 13h from now.
              desk-19                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  11h 6m       window
            settling, for 30s: Flat for 58s to 3m 12s; it must be so for 5m before the mode is changed.
              desk-15                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  15m          settling
              desk-16                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  16m          settling
            not_flat, for 30s: Open: at least 1 position, 6 orders. The mode is changed once nothing is open; nothing is closed or cancelled for it.
              desk-14                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m          not_flat
                open: at least BTCUSDT long position, ETHUSDT buy order and 5 more (plan orders not read)
            not looked at yet
              desk-20                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    -
        "#]],
    );
}

#[tokio::test]
async fn a_pipe_has_whole_lines() {
    check(
        None,
        false,
        &expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped on purpose), 7 wait, 2 changes held

            8 targets want a human:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps changing it back: find out who, then `posmoded resume desk-10` or change the file.
              desk-10                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h        fighting
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes` lets no more go within the hour. Without that the next one may leave in 38m.
              desk-07                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m          held
              desk-08                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m          held
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing: write it, then `systemctl restart posmoded`.
              desk-09                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    credential
            refused_though_flat, for 30s: Every list is empty and yet the exchange says that something is open (3 times): look for bots, TWAP and copy orders. Next try in 22m.
              desk-13                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  45m          refused_though_flat
            reported, to be decided, for 30s: Somebody changed it at the exchange and the file says `drift: report`: change it back there, or change the file.
              desk-11                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1h 30m       reported
            paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on pts/3 of trade-01 since 2026-11-22T07:00:00Z (2h), until `posmoded resume desk-12`: roll of the contracts
              desk-12                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  2h           paused
            unreachable (also suspended), stopped on purpose, for 30s, not known for 5m 5s: Bitget gave no answer to the call position-mode within 8s. Next try in 30s.
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x  USDT-FUTURES  hedge_mode  -             -     unknown  not known    unreachable

            7 targets wait for what passes by itself:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC  REASON
            rate_limited, for 30s, not known for 2m 5s: Bitget limits this address: the calls position-mode and server-time were answered with HTTP 429. Next try in 4s to 12s.
              desk-17                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    rate_limited
              desk-18                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    rate_limited
            window, for 30s: Its change window weekend is closed; it opens at 2026-11-27T22:00:00+00:00[Europe/London], 5d 13h from now.
              desk-19                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  11h 6m       window
            settling, for 30s: Flat for 58s to 3m 12s; it must be so for 5m before the mode is changed.
              desk-15                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  15m          settling
              desk-16                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  16m          settling
            not_flat, for 30s: Open: at least 1 position, 6 orders. The mode is changed once nothing is open; nothing is closed or cancelled for it.
              desk-14                                                          USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  14m          not_flat
                open: at least BTCUSDT long position, ETHUSDT buy order and 5 more (plan orders not read)
            not looked at yet
              desk-20                                                          USDT-FUTURES  hedge_mode  -             -     unknown  not known    -

            6 targets in sync:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE        REASON
              desk-01                                                          USDT-FUTURES  hedge_mode  hedge_mode    5s    in_sync  14m          -
              desk-02                                                          USDT-FUTURES  hedge_mode  hedge_mode    12s   in_sync  14m          -
              desk-03                                                          USDT-FUTURES  hedge_mode  hedge_mode    59s   in_sync  14m          -
              desk-04                                                          USDT-FUTURES  hedge_mode  hedge_mode    1h    in_sync  14m          -
              desk-05                                                          USDT-FUTURES  hedge_mode  hedge_mode    7s    in_sync  14m          -
              desk-06                                                          USDT-FUTURES  hedge_mode  hedge_mode    31s   in_sync  14m          -

            1 target of other hosts:
              ACCOUNT                                                          SCOPE         DESIRED     LIVE          SEEN  STATE    SINCE        REASON
            elsewhere: The file gives this account to the host trade-02, and this one is called trade-01: it never asks for the account and never sets it.
              desk-22                                                          USDT-FUTURES  hedge_mode  -             -     unknown  30s          elsewhere

            desk-03: Its key may withdraw: take that right away at Bitget.
            Looks come after 1.7 times their interval, for the budget of requests does not suffice: write a longer `check_every`, spread the accounts over hosts, or raise --requests-per-second.
            The exchange answers over HTTP/2: all requests share one connection, each answer names its request.
            Revision 17 of /etc/posmoded/desired-state.yaml (a1b2c3d), accepted 1h ago.
        "#]],
    );
}
