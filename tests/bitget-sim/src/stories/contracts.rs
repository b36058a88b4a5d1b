//! Contracts that are not traded any more, or not by demo keys: what the lists show, and what a private call gets.

use crate::ProductType::{CoinFutures, UsdcFutures, UsdtFutures};
use crate::{HoldSide, SymbolStatus};
use serde_json::json;

use super::*;

const CONTRACTS: &str = "/api/v2/mix/market/contracts";
const INSTRUMENTS: &str = "/api/v3/market/instruments";

/// Every private call that takes a symbol.
fn about(api: Api, product: ProductType, symbol: &str) -> Vec<Request> {
    let calls: &[(&str, &str)] = match api.kind {
        Kind::Classic => &[(ONE, "&marginCoin=USDT"), (ORDERS, ""), (PLANS, "&planType=normal_plan")],
        Kind::Unified => &[(POSITIONS_V3, ""), (ORDERS_V3, "")],
    };
    let query = format!("{}&symbol={symbol}", api.about(product));
    calls.iter().map(|(path, more)| Request::get(*path, format!("{query}{more}"))).collect()
}

#[test]
fn the_list_begins_with_a_contract_that_is_off() {
    let mut desk = Desk::new();
    for (product, symbol) in [(UsdtFutures, "OLDUSDT"), (CoinFutures, "OLDUSD"), (UsdcFutures, "OLDPERP")] {
        let first = desk.data(CONTRACTS, &CLASSIC.about(product))[0].clone();
        assert_eq!((&first["symbol"], &first["symbolStatus"]), (&json!(symbol), &json!("off")));
        assert_ne!(first["offTime"], "-1");
        let first = desk.data(INSTRUMENTS, &UNIFIED.about(product))[0].clone();
        assert_eq!((&first["symbol"], &first["status"]), (&json!(symbol), &json!("offline")));
        assert_eq!(
            desk.data(CONTRACTS, &format!("{}&symbol={symbol}", CLASSIC.about(product)))[0]["baseCoin"],
            "OLD"
        );
    }
}

#[test]
fn a_contract_that_is_off_is_refused_wherever_it_is_named_and_others_are_not() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        for expected in ["40309", "40845", "40034"] {
            desk.exchange.switches_mut().removed_symbol_code = expected.to_owned();
            for (symbol, expected) in [("oldusdt", expected), ("BTCUSDT", "00000"), ("EOSUSDT", "00000")] {
                for request in about(api, UsdtFutures, symbol) {
                    assert_eq!(code(&desk.ask(request)), expected, "{symbol}");
                }
                desk.wait(1_000);
            }
        }
    }
}

#[test]
fn a_contract_comes_and_goes() {
    let words = [
        (SymbolStatus::Listed, "listed", "listed"),
        (SymbolStatus::Normal, "normal", "online"),
        (SymbolStatus::Maintain, "maintain", "limit_open"),
        (SymbolStatus::LimitOpen, "limit_open", "limit_open"),
        (SymbolStatus::RestrictedApi, "restrictedAPI", "restrictedAPI"),
        (SymbolStatus::Off, "off", "offline"),
    ];
    let mut desk = Desk::new();
    for (status, on_v2, on_v3) in words {
        desk.exchange.listing_mut(UsdtFutures, "BTCUSDT").unwrap().symbol_status = status;
        let query = "productType=USDT-FUTURES&symbol=BTCUSDT";
        assert_eq!(desk.data(CONTRACTS, query)[0]["symbolStatus"], on_v2);
        let query = "category=USDT-FUTURES&symbol=BTCUSDT";
        assert_eq!(desk.data(INSTRUMENTS, query)[0]["status"], on_v3);
        let query = "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=USDT";
        assert_eq!(desk.get(ONE, query).0 == 200, status != SymbolStatus::Off, "{status:?}");
    }
    let error = desk.exchange.listing_mut(UsdtFutures, "NOPE").unwrap_err();
    assert_eq!(error.to_string(), "no such contract: NOPE");
}

#[test]
fn what_is_held_in_a_contract_that_went_off_is_listed_all_the_same() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        desk.exchange.listing_mut(UsdtFutures, "BTCUSDT").unwrap().symbol_status = SymbolStatus::Off;
        assert_eq!(desk.positions(UsdtFutures).len(), 1);
    }
}

#[test]
fn switch_demo_spot_info() {
    let mut desk = Desk::new();
    let ask = |desk: &mut Desk, demo: bool| {
        desk.wait(1_000);
        desk.exchange.key_mut("key-alpha").unwrap().demo = demo;
        let request = Request::get(INFO, "");
        let response = desk.ask(if demo { request.with_header("paptrading", "1") } else { request });
        (response.status, code(&response))
    };
    assert_eq!(ask(&mut desk, true), done());
    for (given, status) in [("40014", 400), ("40081", 400), ("40404", 404)] {
        desk.exchange.switches_mut().demo_spot_info_code = Some(given.to_owned());
        assert_eq!(ask(&mut desk, true), (status, given.to_owned()));
        assert_eq!(ask(&mut desk, false), done());
    }
}

#[test]
fn demo_keys_know_fewer_contracts_than_the_public_list() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let ask = |desk: &mut Desk, symbol, demo: bool| {
            desk.wait(1_000);
            desk.exchange.key_mut("key-alpha").unwrap().demo = demo;
            let mut requests = about(api, UsdtFutures, symbol);
            if demo {
                requests =
                    requests.into_iter().map(|request| request.with_header("paptrading", "1")).collect();
            }
            let codes: Vec<String> = requests.into_iter().map(|request| code(&desk.ask(request))).collect();
            assert!(codes.windows(2).all(|pair| pair[0] == pair[1]), "{codes:?}");
            codes[0].clone()
        };
        for symbol in ["BTCUSDT", "ETHUSDT"] {
            assert_eq!(ask(&mut desk, symbol, true), "00000");
        }
        assert_eq!(ask(&mut desk, "SOLUSDT", false), "00000");
        assert_eq!(ask(&mut desk, "SOLUSDT", true), "40034");
        desk.exchange.switches_mut().missing_in_demo_code = "40309".to_owned();
        assert_eq!(ask(&mut desk, "SOLUSDT", true), "40309");
        desk.exchange.listing_mut(UsdtFutures, "BTCUSDT").unwrap().in_demo = false;
        assert_eq!(ask(&mut desk, "BTCUSDT", true), "40309");
        assert_eq!(ask(&mut desk, "BTCUSDT", false), "00000");
    }
}
