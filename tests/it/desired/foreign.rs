//! What users of other programs write, and what they are told to write instead.

use expect_test::expect;

use super::*;

/// What is told of an account with these keys (one of them may be its mode), or `good`.
fn account(keys: &[&str]) -> String {
    let keys: String = keys.iter().map(|key| format!("    {key}\n")).collect();
    whole(&format!("defaults: {{ drift: report }}\naccounts:\n  desk-main:\n{keys}"))
}

fn whole(text: &str) -> String {
    match read(format!("version: 1\nmax_changes: 3\n{text}...\n").as_bytes()) {
        Ok(_) => "good\n".to_owned(),
        Err(problems) => problems.0.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn the_mode_by_the_name_and_in_the_words_of_another_program_is_told_once_as_a_whole_line() {
    let words = [
        "hedged: true",
        "hedged: false",
        "hedge: yes",
        "hedge_mode: off",
        "dualSidePosition: \"true\"",
        "in_dual_mode: false",
        "mode: hedge",
        "posMode: long_short_mode",
        "posMode: net_mode",
        "holdMode: single_hold",
        "positionMode: BOTH",
        "mode: 3",
        "oneway: true",
        "mode: { umcbl: hedge }",
    ];
    let told: String = words
        .iter()
        .map(|word| format!("{word}\n  {}", account(&[word]).replace('\n', "\n  ").trim_end()) + "\n")
        .collect();
    expect![[r#"
        hedged: true
          line 6, column 5: `hedged` is no key in an account; write `position_mode: hedge_mode`
        hedged: false
          line 6, column 5: `hedged` is no key in an account; write `position_mode: one_way_mode`
        hedge: yes
          line 6, column 5: `hedge` is no key in an account; write `position_mode: hedge_mode`
        hedge_mode: off
          line 6, column 5: `hedge_mode` is no key in an account; write `position_mode: one_way_mode`
        dualSidePosition: "true"
          line 6, column 5: `dualSidePosition` is no key in an account; write `position_mode: hedge_mode`
        in_dual_mode: false
          line 6, column 5: `in_dual_mode` is no key in an account; write `position_mode: one_way_mode`
        mode: hedge
          line 6, column 5: `mode` is no key in an account; write `position_mode: hedge_mode`
        posMode: long_short_mode
          line 6, column 5: `posMode` is no key in an account; write `position_mode: hedge_mode`
        posMode: net_mode
          line 6, column 5: `posMode` is no key in an account; write `position_mode: one_way_mode`
        holdMode: single_hold
          line 6, column 5: `holdMode` is no key in an account; write `position_mode: one_way_mode`
        positionMode: BOTH
          line 6, column 5: `positionMode` is no key in an account; write `position_mode: one_way_mode` or `position_mode: hedge_mode`
        mode: 3
          line 6, column 5: `mode` is no key in an account; write `position_mode: one_way_mode` or `position_mode: hedge_mode`
        oneway: true
          line 6, column 5: `oneway` is no key in an account; write `position_mode: one_way_mode`
        mode: { umcbl: hedge }
          line 6, column 5: `mode` is no key in an account; it is called `position_mode` here
          line 6, column 13: `umcbl` is no product type; write `USDT-FUTURES`
          line 6, column 20: `hedge` is no position mode; write `hedge_mode`
    "#]].assert_eq(&told);
    // What is right beside it stays right.
    assert_eq!(account(&["position_mode: hedge_mode", "hedged: true"]).lines().count(), 1);
}

#[test]
fn words_of_other_programs_in_an_account_are_told_with_what_to_write_or_where_it_belongs() {
    let words = [
        "productType: umcbl",
        "symbol: BTCUSDT",
        "leverage: 10",
        "marginMode: crossed",
        "dry_run: true",
        "enabled: false",
        "interval: 30s",
        "cooldown: 5m",
        "testnet: true",
        "exchange: bitget",
        "name: desk-main",
        "account_type: unified",
        "user_id: \"123\"",
        "selfHeal: true",
        "close_positions: true",
        "base_url: https://api.bitget.com",
        "requests_per_second: 5",
        "webhook: https://example.com",
        "retries: 3",
        "time_zone: UTC",
        "max_changes_per_hour: 3",
    ];
    let told: String = words.iter().map(|word| account(&["position_mode: hedge_mode", word])).collect();
    expect![[r#"
        line 7, column 5: `productType` is no key in an account; a product type is a key below `position_mode`, with its mode behind it: `USDT-FUTURES: hedge_mode`
        line 7, column 5: `symbol` is no key in an account; remove it: one mode holds for all symbols of a product type, each of which may have its own below `position_mode`
        line 7, column 5: `leverage` is no key in an account; remove it: posmoded keeps the position mode alone, and touches neither leverage nor margin
        line 7, column 5: `marginMode` is no key in an account; remove it: posmoded keeps the position mode alone, and touches neither leverage nor margin
        line 7, column 5: `dry_run` is no key in an account; remove it: `posmoded plan` shows what would change and changes nothing, and `suspend: "the reason"` has the daemon change nothing
        line 7, column 5: `enabled` is no key in an account; remove it: what is not to be changed has `suspend: "the reason"`, and what posmoded is not to look at does not stand in the file
        line 7, column 5: `interval` is no key in an account; it is called `check_every` here
        line 7, column 5: `cooldown` is no key in an account; it is called `settle` here
        line 7, column 5: `testnet` is no key in an account; it is called `demo` here
        line 7, column 5: `exchange` is no key in an account; remove it: every account here is one of Bitget
        line 7, column 5: `name` is no key in an account; remove it: an account is named by the key that this stands below, and its credential file has the same name
        line 7, column 5: `account_type` is no key in an account; remove it: whether an account is a classic or a unified one is observed
        line 7, column 5: `user_id` is no key in an account; it is called `uid` here
        line 7, column 5: `selfHeal` is no key in an account; it is called `drift` here
        line 7, column 15: `drift` is true or false, not `correct` or `report`; write `drift: correct`
        line 7, column 5: `close_positions` is no key in an account; remove it: posmoded closes no position and cancels no order, it waits until the account is flat
        line 7, column 5: `base_url` is no key in an account; remove it: posmoded takes it as `--base-url URL`, or from the environment
        line 7, column 5: `requests_per_second` is no key in an account; remove it: posmoded takes it as `--requests-per-second N`, or from the environment
        line 7, column 5: `webhook` is no key in an account; remove it: whom to tell stands in the credential file `_notify`
        line 7, column 5: `retries` is no key in an account; remove it: when something is tried again, and how long is waited for an answer, is built in
        line 7, column 5: `time_zone` is no key in an account; write it in a window
        line 7, column 5: `max_changes_per_hour` is no key in an account; write `max_changes` at the top level
    "#]].assert_eq(&told);
}

#[test]
fn words_of_other_programs_elsewhere_in_the_file_are_told_with_their_place() {
    let account = "accounts:\n  a: { position_mode: hedge_mode, drift: report }\n";
    let texts = [
        format!("hedged: true\n{account}"),
        format!("defaults: {{ mode: hedge }}\n{account}"),
        format!("defaults: {{ interval: 60 }}\n{account}"),
        format!("interval: 60s\n{account}"),
        format!("productType: USDT-FUTURES\n{account}"),
        format!("settings: {{ settle: 0s }}\n{account}"),
        format!("windows: {{ w: {{ cron: \"0 0 22 * * Fri\", duration: 2h, tz: UTC }} }}\n{account}"),
        "strategies:\n  a: { position_mode: hedge_mode, drift: report }\n".to_owned(),
        "accounts:\n  - name: desk-arb\n    position_mode: hedge_mode\n".to_owned(),
        "accounts: [desk-risk, paper]\n".to_owned(),
        "accounts:\n  - apiKey: hidden-1\n".to_owned(),
        "accounts:\n  a: hedged\n".to_owned(),
    ];
    let told: String = texts.iter().map(|text| whole(text)).collect();
    assert!(!told.contains("hidden"), "{told}");
    expect![[r#"
        line 3, column 1: `hedged` is no key at the top level; write `position_mode: hedge_mode` in each account
        line 3, column 13: `mode` is no key under `defaults`; write `position_mode: hedge_mode` in each account
        line 3, column 13: `interval` is no key under `defaults`; it is called `check_every` here
        line 3, column 23: `check_every` has no unit; write `check_every: 60s` if seconds are meant
        line 3, column 1: `interval` is no key at the top level; write `check_every` under `defaults` or in an account
        line 3, column 1: `productType` is no key at the top level; a product type is a key below `position_mode` in each account, with its mode behind it: `USDT-FUTURES: hedge_mode`
        line 3, column 1: `settings` is no key at the top level; it is called `defaults` here
        line 3, column 17: `cron` is no key in a window; it is called `opens` here
        line 3, column 41: `duration` is no key in a window; it is called `lasts` here
        line 3, column 55: `tz` is no key in a window; it is called `time_zone` here
        line 3, column 1: `strategies` is no key at the top level; it is called `accounts` here
        line 4, column 3: under `accounts` there is a list where names with their keys belong; write each account's name as a key, `desk-arb:`, and below it, indented, `position_mode: hedge_mode` and its other keys, without `-`
        line 3, column 11: under `accounts` there is a list where names with their keys belong; write each account's name as a key, `desk-risk:`, and below it, indented, `position_mode: hedge_mode` and its other keys, without `-`
        line 4, column 3: under `accounts` there is a list where names with their keys belong; write each account's name as a key, `desk-main:`, and below it, indented, `position_mode: hedge_mode` and its other keys, without `-`
        line 4, column 6: `a` is a mode alone, where the keys of an account belong; write `position_mode: hedge_mode` below it, indented
    "#]].assert_eq(&told);
}

#[test]
fn values_in_the_words_of_other_programs_are_told_with_the_right_ones() {
    let modes = [
        "BOTH",
        "BothSide",
        "MergedSingle",
        "net_mode",
        "long_short_mode",
        "hedge",
        "oneway",
        "one-way",
        "two_way",
    ];
    let products = [
        "linear",
        "inverse",
        "cmcbl",
        "dmcbl",
        "BTCUSDT",
        "BTCUSDT_UMCBL",
        "BTC/USDT:USDT",
        "BTCPERP",
        "BTCUSD",
        "all",
        "swap",
        "spot",
    ];
    let of_modes = modes.iter().map(|mode| account(&[&format!("position_mode: {mode}")]));
    let of_products =
        products.iter().map(|product| account(&[&format!("position_mode: {{ {product}: hedge_mode }}")]));
    expect![[r#"
        line 6, column 20: `BOTH` is no position mode; write the mode that is meant: on Binance BOTH is the side of a position in `one_way_mode`, on Bybit the two sides of `hedge_mode`
        line 6, column 20: `BothSide` is no position mode; write the mode that is meant: on Binance BOTH is the side of a position in `one_way_mode`, on Bybit the two sides of `hedge_mode`
        line 6, column 20: `MergedSingle` is no position mode; write `one_way_mode`
        line 6, column 20: `net_mode` is no position mode; write `one_way_mode`
        line 6, column 20: `long_short_mode` is no position mode; write `hedge_mode`
        line 6, column 20: `hedge` is no position mode; write `hedge_mode`
        line 6, column 20: `oneway` is no position mode; write `one_way_mode`
        line 6, column 20: `one-way` is no position mode; write `one_way_mode`
        line 6, column 20: `two_way` is no position mode; write `hedge_mode`
        line 6, column 22: `linear` is no product type; write `USDT-FUTURES`, `USDC-FUTURES` or both: the exchange keeps them apart
        line 6, column 22: `inverse` is no product type; write `COIN-FUTURES`
        line 6, column 22: `cmcbl` is no product type; write `USDC-FUTURES`
        line 6, column 22: `dmcbl` is no product type; write `COIN-FUTURES`
        line 6, column 22: `BTCUSDT` is no product type; write `USDT-FUTURES`: one mode holds for all symbols of a product type
        line 6, column 22: `BTCUSDT_UMCBL` is no product type; write `USDT-FUTURES`: one mode holds for all symbols of a product type
        line 6, column 22: `BTC/USDT:USDT` is no product type; write `USDT-FUTURES`: one mode holds for all symbols of a product type
        line 6, column 22: `BTCPERP` is no product type; write `USDC-FUTURES`: one mode holds for all symbols of a product type
        line 6, column 22: `BTCUSD` is no product type; write `COIN-FUTURES`: one mode holds for all symbols of a product type
        line 6, column 22: `all` is no product type; for one mode everywhere write it behind the key, as in `position_mode: hedge_mode`
        line 6, column 22: `swap` is no product type; for one mode everywhere write it behind the key, as in `position_mode: hedge_mode`
        line 6, column 22: `spot` is no product type; remove it: only futures have a position mode
    "#]].assert_eq(&of_modes.chain(of_products).collect::<String>());
}

#[test]
fn what_looks_like_a_secret_is_shown_in_no_form_of_the_report() {
    for secret in [
        "apiKey: hidden-1",
        "secret: hidden-1",
        "password: hidden-1",
        "passphrase: hidden-1",
        "api: { key: hidden-1 }",
        "exchange: { secret: hidden-1 }",
        "auth: [ { apiSecret: hidden-1 } ]",
        "webhook: https://hooks.example/hidden-1",
        "proxy: http://me:hidden-1@127.0.0.1:3128",
    ] {
        let text = format!(
            "version: 1\nmax_changes: 3\ndefaults: {{ drift: report }}\naccounts:\n  a:\n    hedged: true\n    {secret}\n...\n"
        );
        let outcome = read(text.as_bytes());
        for format in [Format::Text, Format::Json, Format::Github] {
            let told = report("f", &outcome, format);
            assert!(
                told.contains("position_mode: hedge_mode") && !told.contains("hidden"),
                "{secret}: {told}"
            );
        }
        assert_eq!(outcome.unwrap_err().0.len(), 2, "{secret}");
    }
}
