//! Values: their kinds, bounds, units and spellings.

use expect_test::expect;

use super::*;

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
            "BONDS",
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
