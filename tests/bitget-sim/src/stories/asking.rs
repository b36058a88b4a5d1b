//! Who is asking, and how often: the checks, one by one and in order; keys, rights, kinds, limits.

use crate::ProductType::UsdtFutures;
use crate::{AccountMode, ApiKey, Limits, PosMode, Request, Right, UnixMs};
use serde_json::json;

use super::*;

#[test]
fn each_check_refuses_with_its_own_code_and_in_order() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let signed = desk.key.sign(api.list_positions(UsdtFutures), START);
        let without = |name: &str| {
            let mut request = signed.clone();
            request.headers.remove(name);
            request
        };
        let with = |name: &str, value: &str| signed.clone().with_header(name, value);
        let at = |ms: i64| desk.key.sign(api.list_positions(UsdtFutures), UnixMs(START.0 + ms));
        let cases = [
            (Request::get("/api/v2/mix/nothing", ""), 404, "40404"),
            (Request::get("/api/v3/position/all-position", ""), 404, "40404"),
            (Request::post(api.positions, ""), 404, "40404"),
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
}

#[test]
fn the_signature_covers_path_query_and_body_byte_for_byte() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let get =
            Request { query: format!("{}=USDT%2DFUTURES", api.about), ..api.list_positions(UsdtFutures) };
        let get = desk.key.sign(get, START);
        desk.refuses(&get, 200, "00000");
        let rewritten = Request { query: api.about(UsdtFutures), ..get };
        desk.refuses(&rewritten, 400, "40009");
        let post = desk.key.sign(api.set_request(UsdtFutures, PosMode::OneWayMode), START);
        let spaced = Request { body: [post.body.clone(), b" ".to_vec()].concat(), ..post };
        desk.refuses(&spaced, 400, "40009");
        assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
    }
}

#[test]
fn a_demo_key_needs_the_demo_header_others_must_not_have_it_and_public_calls_do_not_care() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let set = api.set_request(UsdtFutures, PosMode::OneWayMode);
        for request in [api.list_positions(UsdtFutures), set] {
            let plain = desk.key.sign(request, START);
            let demo = plain.clone().with_header("paptrading", "1");
            desk.exchange.key_mut("key-alpha").unwrap().demo = true;
            desk.refuses(&plain, 400, "40099");
            desk.refuses(&demo, 200, "00000");
            desk.exchange.key_mut("key-alpha").unwrap().demo = false;
            desk.refuses(&demo, 400, "40099");
            desk.refuses(&plain, 200, "00000");
        }
        let public = Request::get("/api/v2/public/time", "").with_header("paptrading", "1");
        desk.refuses(&public, 200, "00000");
    }
}

#[test]
fn the_kind_is_checked_before_the_signature_both_ways() {
    for (api, other, expected) in [(CLASSIC, UNIFIED, "40084"), (UNIFIED, CLASSIC, "40085")] {
        let mut desk = Desk::of(api);
        for path in [other.positions, other.orders, other.set, other.info] {
            let method = if path == other.set { "POST" } else { "GET" };
            let unsigned = Request { method: method.to_owned(), ..Request::get(path, "") };
            desk.refuses(&unsigned.with_header("access-key", "key-alpha"), 400, expected);
            let entry = desk.exchange.log().last().unwrap();
            assert_eq!((entry.kind, entry.flat), (Some(api.kind), None));
        }
    }
}

#[test]
fn the_settings_tell_the_kind() {
    let mut desk = Desk::of(UNIFIED);
    assert_eq!(
        desk.data(SETTINGS, ""),
        json!({ "uid": "1001", "accountMode": "unified", "assetMode": "multi_assets",
            "accountLevel": "advanced", "holdMode": "hedge_mode", "stpMode": "none",
            "symbolConfigList": [], "coinConfigList": [] })
    );
    desk.exchange.set_account_mode(ME, AccountMode::Hybrid).unwrap();
    assert_eq!(desk.data(SETTINGS, "")["accountMode"], "hybrid");
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    assert_eq!(Desk::new().get(SETTINGS, "").1["code"], "40084");
}

#[test]
fn switch_codes_for_the_wrong_kind() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().classic_on_v3_code = "25245".to_owned();
    assert_eq!(desk.get(SETTINGS, "").1["code"], "25245");
    let mut desk = Desk::of(UNIFIED);
    for expected in ["40128", "40731"] {
        desk.exchange.switches_mut().unified_on_v2_code = expected.to_owned();
        assert_eq!(desk.get(POSITIONS, "productType=USDT-FUTURES").1["code"], expected);
    }
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
fn each_right_of_a_unified_account_opens_its_own_calls() {
    let cases = [
        (Right::Nothing, Right::ReadWrite, [false, false, true]),
        (Right::Read, Right::ReadWrite, [true, false, true]),
        (Right::ReadWrite, Right::ReadWrite, [true, true, true]),
        (Right::ReadWrite, Right::Read, [true, true, true]),
        (Right::ReadWrite, Right::Nothing, [true, true, false]),
    ];
    for (uta_mgt, uta_trade, expected) in cases {
        let mut desk = Desk::of(UNIFIED);
        let key = desk.exchange.key_mut("key-alpha").unwrap();
        (key.uta_mgt, key.uta_trade, key.right) = (uta_mgt, uta_trade, Right::Nothing);
        let answered = |may: bool| if may { "00000" } else { "40014" };
        let [reads, sets, lists] = expected.map(answered);
        assert_eq!(desk.get(SETTINGS, "").1["code"], reads);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode).1, sets);
        for path in [POSITIONS_V3, ORDERS_V3, STRATEGIES_V3] {
            assert_eq!(desk.get(path, "category=USDT-FUTURES").1["code"], lists);
        }
        assert_eq!(desk.get(ASSETS_V3, "").1["code"], reads);
        assert_eq!(desk.get(INFO_V3, "").0, 200);
    }
}

#[test]
fn a_key_that_is_refused_with_a_code_gets_it_everywhere() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.key_mut("key-alpha").unwrap().refused_with = Some("40018".to_owned());
        assert_eq!(desk.get(api.info, "").1["code"], "40018");
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (400, "40018".to_owned()));
    }
}

#[test]
fn two_keys_of_one_account_share_its_limits_and_a_removed_key_is_unknown() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let second = ApiKey::named("beta");
        desk.exchange.add_key(ME, second.clone()).unwrap();
        for _ in 0..api.infos_a_second {
            assert_eq!(desk.get(api.info, "").0, 200);
        }
        let other = second.sign(Request::get(api.info, ""), START);
        desk.refuses(&other, 429, "429");
        desk.exchange.remove_key("key-beta").unwrap();
        desk.refuses(&other, 400, "40006");
    }
}

#[test]
fn a_set_too_many_in_a_second_is_429_and_every_answer_says_what_remains() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let set = api.set_request(UsdtFutures, PosMode::HedgeMode);
        for left in (0..api.sets_a_second).rev() {
            let response = desk.ask(set.clone());
            let remains = header(&response, "x-mbx-used-remain-limit").map(str::to_owned);
            assert_eq!((response.status, remains), (200, Some(left.to_string())));
        }
        let response = desk.ask(set.clone());
        assert_eq!((response.status, header(&response, "x-mbx-used-remain-limit")), (429, Some("0")));
        desk.wait(999);
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), (429, "429".to_owned()));
        desk.wait(1);
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    }
}

#[test]
fn every_call_of_a_unified_account_has_its_own_limit() {
    let mut desk = Desk::of(UNIFIED);
    let lists = [(POSITIONS_V3, 20), (ORDERS_V3, 20), (STRATEGIES_V3, 20)];
    for (path, limit) in [(SETTINGS, 20), (ASSETS_V3, 20), (INFO_V3, 5)].into_iter().chain(lists) {
        let statuses: Vec<u16> = (0..=limit).map(|_| desk.get(path, "category=USDT-FUTURES").0).collect();
        let let_through = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((let_through, statuses.last()), (limit, Some(&429)), "{path}");
    }
}

#[test]
fn strategies_beside_the_client_use_up_the_limits_of_their_account() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.add_account(NewAccount {
            uid: Uid(2),
            api_key: ApiKey::named("beta"),
            ..NewAccount::classic(ME, "")
        });
        let limit = u32::try_from(api.sets_a_second).unwrap();
        desk.exchange.load(ME, "-mode", limit - 1).unwrap();
        let set = api.set_request(UsdtFutures, PosMode::HedgeMode);
        for _ in 0..3 {
            for expected in [(200, Some("0")), (429, Some("0"))] {
                let response = desk.ask(set.clone());
                assert_eq!((response.status, header(&response, "x-mbx-used-remain-limit")), expected);
            }
            desk.wait(1_000);
        }
        desk.exchange.load(ME, "-mode", limit).unwrap();
        for _ in 0..50 {
            desk.wait(37);
            assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode).0, 429);
        }
        assert_eq!(desk.exchange.log().len(), 56, "nobody else is in the log");
        assert_eq!(desk.get(api.orders, &api.about(UsdtFutures)).0, 200);
        desk.exchange.load(ME, "-mode", 0).unwrap();
        let response = desk.ask(set.clone());
        let left = (limit - 1).to_string();
        assert_eq!(
            (response.status, header(&response, "x-mbx-used-remain-limit")),
            (200, Some(left.as_str()))
        );
        assert!(desk.exchange.load(ME, "/contracts", 1).is_err());
        assert!(desk.exchange.load(Uid(9), "-mode", 1).is_err());
    }
}

#[test]
fn limits_can_be_switched_off() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().limits = Limits::Ignored;
    for _ in 0..7_000 {
        assert_eq!(desk.get(INFO, "").0, 200);
    }
}
