//! Who is asking, and how often: the checks, one by one and in order; keys, rights, kinds, limits.

use crate::ProductType::UsdtFutures;
use crate::{ApiKey, Kind, Limits, NewAccount, PosMode, Request, Right, UnixMs};
use serde_json::json;

use super::*;

#[test]
fn each_check_refuses_with_its_own_code_and_in_order() {
    let mut desk = Desk::new();
    let signed = desk.key.sign(Request::get(POSITIONS, "productType=USDT-FUTURES"), START);
    let without = |name: &str| {
        let mut request = signed.clone();
        request.headers.remove(name);
        request
    };
    let with = |name: &str, value: &str| signed.clone().with_header(name, value);
    let at =
        |ms: i64| desk.key.sign(Request::get(POSITIONS, "productType=USDT-FUTURES"), UnixMs(START.0 + ms));
    let cases = [
        (Request::get("/api/v2/mix/nothing", ""), 404, "40404"),
        (Request::post(POSITIONS, ""), 404, "40404"),
        (Request::get("/api/mix/v1/account/account", ""), 400, "30032"),
        (without("access-key"), 400, "40001"),
        (without("access-sign"), 400, "40002"),
        (without("access-timestamp"), 400, "40003"),
        (without("access-passphrase"), 400, "40011"),
        (with("access-key", "key-nobody"), 400, "40006"),
        (with("paptrading", "1"), 400, "40099"),
        (with("access-timestamp", "soon"), 400, "40005"),
        (with("access-timestamp", "1"), 400, "40008"),
        (at(-30_001), 400, "40008"),
        (at(30_001), 400, "40008"),
        (with("access-sign", "bm90IGl0"), 400, "40009"),
        (with("access-passphrase", "wrong"), 400, "40012"),
        (at(-30_000), 200, "00000"),
        (at(30_000), 200, "00000"),
        (signed.clone(), 200, "00000"),
    ];
    for (request, status, expected) in cases {
        desk.refuses(&request, status, expected);
    }
}

#[test]
fn the_signature_covers_path_query_and_body_byte_for_byte() {
    let mut desk = Desk::new();
    let get = desk.key.sign(Request::get(POSITIONS, "productType=USDT%2DFUTURES"), START);
    desk.refuses(&get, 200, "00000");
    let rewritten = Request { query: "productType=USDT-FUTURES".to_owned(), ..get };
    desk.refuses(&rewritten, 400, "40009");
    let post = desk.key.sign(set_request(UsdtFutures, PosMode::OneWayMode), START);
    let spaced = Request { body: [post.body.clone(), b" ".to_vec()].concat(), ..post };
    desk.refuses(&spaced, 400, "40009");
    assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
}

#[test]
fn a_demo_key_needs_the_demo_header_and_public_calls_do_not_care() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().demo = true;
    let plain = desk.key.sign(Request::get(POSITIONS, "productType=USDT-FUTURES"), START);
    desk.refuses(&plain, 400, "40099");
    desk.refuses(&plain.with_header("paptrading", "1"), 200, "00000");
    desk.refuses(&Request::get("/api/v2/public/time", "").with_header("paptrading", "1"), 200, "00000");
}

#[test]
fn the_kind_is_checked_before_the_signature_both_ways() {
    let mut desk = Desk::with(NewAccount::unified(ME, "alpha"));
    let unsigned = Request::get(POSITIONS, "productType=USDT-FUTURES").with_header("access-key", "key-alpha");
    desk.refuses(&unsigned, 400, "40085");
    assert_eq!(
        desk.data(SETTINGS, ""),
        json!({ "uid": "1001", "accountMode": "unified", "assetMode": "multi_assets",
            "accountLevel": "advanced", "holdMode": "hedge_mode",
            "stpMode": "none", "symbolConfigList": [], "coinConfigList": [] })
    );
    desk.exchange.set_kind(ME, Kind::Classic).unwrap();
    assert_eq!(desk.get(SETTINGS, "").1["code"], "40084");
    desk.exchange.switches_mut().classic_on_v3_code = "25245".to_owned();
    assert_eq!(desk.get(SETTINGS, "").1["code"], "25245");
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
}

#[test]
fn a_key_without_the_right_is_refused_with_40014() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().right = Right::Read;
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (400, "40014".to_owned()));
    desk.exchange.key_mut("key-alpha").unwrap().right = Right::Nothing;
    assert_eq!(desk.get(POSITIONS, "productType=USDT-FUTURES").1["code"], "40014");
    assert_eq!(desk.get(INFO, "").0, 200);
    desk.exchange.key_mut("key-alpha").unwrap().reads_info = false;
    desk.wait(1_000);
    assert_eq!(desk.get(INFO, "").1["code"], "40014");
}

#[test]
fn a_key_that_is_refused_with_a_code_gets_it_everywhere() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().refused_with = Some("40018".to_owned());
    assert_eq!(desk.get(INFO, "").1["code"], "40018");
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (400, "40018".to_owned()));
}

#[test]
fn two_keys_of_one_account_share_its_limits_and_a_removed_key_is_unknown() {
    let mut desk = Desk::new();
    let second = ApiKey::named("beta");
    desk.exchange.add_key(ME, second.clone()).unwrap();
    assert_eq!(desk.get(INFO, "").0, 200);
    let other = second.sign(Request::get(INFO, ""), START);
    desk.refuses(&other, 429, "429");
    desk.exchange.remove_key("key-beta").unwrap();
    desk.refuses(&other, 400, "40006");
}

#[test]
fn the_sixth_set_in_a_second_is_429_and_every_answer_says_what_remains() {
    let mut desk = Desk::new();
    let remains: Vec<_> = (0..6)
        .map(|_| {
            let response = desk.ask(set_request(UsdtFutures, PosMode::HedgeMode));
            (response.status, header(&response, "x-mbx-used-remain-limit").map(str::to_owned))
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        remains,
        [
            (200, some("4")),
            (200, some("3")),
            (200, some("2")),
            (200, some("1")),
            (200, some("0")),
            (429, some("0"))
        ]
    );
    desk.wait(999);
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), (429, "429".to_owned()));
    desk.wait(1);
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn limits_can_be_switched_off() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().limits = Limits::Ignored;
    for _ in 0..7_000 {
        assert_eq!(desk.get(INFO, "").0, 200);
    }
}
