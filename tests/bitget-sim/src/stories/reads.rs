//! What reads answer: shapes, parameters, pages, filters.

use crate::ProductType::{CoinFutures, UsdtFutures};
use crate::{
    EmptyList, EndId, Fault, FaultKind, HoldSide, LastCursor, NewAccount, NewOrder, OrderStatus,
    OrdersWithoutStatus, PlanType, PosMode, ProductType, RequestTime, StrategyOrdersWithoutType, Uid,
};
use serde_json::{Value, json};
use std::time::Duration;

use super::*;

#[test]
fn the_server_time_is_a_string_and_request_time_a_number() {
    let mut desk = Desk::new();
    let (status, body) = desk.get("/api/v2/public/time", "");
    let expected = json!({ "code": "00000", "msg": "success", "requestTime": START.0,
        "data": { "serverTime": START.0.to_string() } });
    assert_eq!((status, body), (200, expected.clone()));
    for path in ["/api/v3/public/time", "/api/v3/market/time"] {
        assert_eq!(desk.get(path, ""), (200, expected.clone()));
    }
}

#[test]
fn switch_public_time_request_time() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().public_time_request_time = RequestTime::Missing;
    let expected =
        json!({ "code": "00000", "msg": "success", "data": { "serverTime": START.0.to_string() } });
    assert_eq!(desk.get("/api/v2/public/time", ""), (200, expected));
    assert_eq!(desk.get(POSITIONS, "productType=USDT-FUTURES").1["requestTime"], START.0);
    desk.exchange.inject(Fault::once(FaultKind::TooManyRequests));
    assert_eq!(desk.get("/api/v2/public/time", "").1["requestTime"], START.0, "only the answer lacks it");
}

#[test]
fn every_product_type_lists_a_contract_by_which_its_mode_can_be_read() {
    let mut desk = Desk::new();
    for product in ProductType::ALL {
        let contracts =
            desk.data("/api/v2/mix/market/contracts", &format!("productType={}", product.as_str()));
        let contracts = contracts.as_array().unwrap();
        let normal = contracts.iter().find(|contract| contract["symbolStatus"] == "normal").unwrap();
        let (symbol, coin) = (&normal["symbol"], &normal["supportMarginCoins"][0]);
        let query = format!(
            "symbol={}&productType={}&marginCoin={}",
            symbol.as_str().unwrap().to_lowercase(),
            product.as_str().to_lowercase(),
            coin.as_str().unwrap().to_lowercase(),
        );
        assert_eq!(desk.data(ONE, &query)["posMode"], "hedge_mode");
        desk.wait(1_000);
    }
}

#[test]
fn one_symbol_of_the_contracts_can_be_asked_for() {
    let mut desk = Desk::new();
    let path = "/api/v2/mix/market/contracts";
    assert_eq!(desk.data(path, "productType=usdt-futures&symbol=ETHUSDT").as_array().unwrap().len(), 1);
    assert_eq!(desk.get(path, "productType=usdt-futures&symbol=NOPE").1["code"], "40034");
}

#[test]
fn v3_lists_its_instruments_by_category_without_a_key() {
    let mut desk = Desk::of(UNIFIED);
    let path = "/api/v3/market/instruments";
    for product in ProductType::FUTURES {
        let rows = desk.data(path, &UNIFIED.about(product));
        let traded = rows.as_array().unwrap().iter().find(|row| row["status"] == "online").unwrap();
        assert_eq!((&traded["category"], &traded["type"]), (&json!(product.as_str()), &json!("perpetual")));
    }
    assert_eq!(desk.data(path, "category=USDT-FUTURES&symbol=ethusdt")[0]["symbol"], "ETHUSDT");
    assert_eq!(desk.data(path, "category=SPOT"), json!([]));
    assert_eq!(desk.get(path, "").1["code"], "400172");
}

#[test]
fn the_single_account_wants_all_three_parameters() {
    let mut desk = Desk::new();
    let cases = [
        ("productType=USDT-FUTURES&marginCoin=USDT", "40019"),
        ("symbol=BTCUSDT&marginCoin=USDT", "40019"),
        ("symbol=BTCUSDT&productType=USDT-FUTURES", "40019"),
        ("symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=", "40019"),
        ("symbol=BTCUSDT&productType=SPOT&marginCoin=USDT", "400172"),
        ("symbol=BTCUSD&productType=USDT-FUTURES&marginCoin=USDT", "40034"),
        ("symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=BTC", "40020"),
    ];
    for (query, expected) in cases {
        let (status, body) = desk.get(ONE, query);
        assert_eq!((status, &body["code"]), (400, &json!(expected)), "{query}");
    }
}

#[test]
fn the_list_of_accounts_carries_no_mode() {
    let mut desk = Desk::new();
    let rows = desk.data("/api/v2/mix/account/accounts", "productType=COIN-FUTURES");
    assert_eq!(rows[0]["marginCoin"], "BTC");
    assert!(rows[0].get("posMode").is_none());
}

#[test]
fn the_losses_of_an_account_are_numbers_and_of_the_margin_mode_not_in_use_nothing() {
    let mut desk = Desk::new();
    let one = desk.data(ONE, "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=USDT");
    let all = desk.data("/api/v2/mix/account/accounts", "productType=USDT-FUTURES");
    for row in [&one, &all[0]] {
        assert_eq!(
            (&row["unrealizedPL"], &row["crossedUnrealizedPL"], &row["isolatedUnrealizedPL"]),
            (&json!("0"), &json!("0"), &json!(""))
        );
    }
    assert_eq!((&one["crossedMargin"], one.get("isolatedMargin")), (&json!("0"), Some(&Value::Null)));
    assert_eq!((&all[0]["crossedMargin"], &all[0]["isolatedMargin"]), (&json!("0"), &json!("0")));
}

#[test]
fn the_account_information_says_whose_key_it_is() {
    let lead = NewAccount {
        set_refused_with: Some("40731".to_owned()),
        parent: Some(Uid(7)),
        ..NewAccount::classic(ME, "alpha")
    };
    let info = Desk::with(lead).data(INFO, "");
    assert_eq!(
        (&info["userId"], &info["traderType"], &info["parentId"], &info["authorities"][0]),
        (&json!("1001"), &json!("trader"), &json!(7), &json!("coow"))
    );
}

#[test]
fn a_position_is_a_row_until_it_is_closed() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.01").unwrap();
        let rows = desk.positions(UsdtFutures);
        let (side, mode) = match api.kind {
            Kind::Classic => ("holdSide", "posMode"),
            Kind::Unified => ("posSide", "holdMode"),
        };
        assert_eq!(
            (&rows[0]["symbol"], &rows[0][side], &rows[0]["total"], &rows[0][mode]),
            (&json!("BTCUSDT"), &json!("long"), &json!("0.01"), &json!("hedge_mode"))
        );
        assert_eq!(desk.positions(CoinFutures), Vec::<Value>::new());
        desk.exchange.close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long).unwrap();
        assert_eq!(desk.positions(UsdtFutures), Vec::<Value>::new());
    }
}

#[test]
fn positions_can_be_asked_for_in_part() {
    for (api, filters) in
        [(CLASSIC, &["marginCoin=USDC"][..]), (UNIFIED, &["symbol=ETHUSDT", "posSide=short"])]
    {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.01").unwrap();
        assert_eq!(desk.positions(UsdtFutures).len(), 1);
        for filter in filters {
            desk.data(api.positions, &format!("{}&{filter}", api.about(UsdtFutures)));
            assert_eq!(desk.exchange.log().last().unwrap().listed, Some(0), "{filter}");
        }
    }
}

#[test]
fn a_list_wants_to_know_what_it_is_about() {
    for (api, query, expected) in [
        (CLASSIC, "", "40019"),
        (CLASSIC, "productType=SPOT", "400172"),
        (UNIFIED, "", "400172"),
        (UNIFIED, "category=SPOT", "400172"),
        (UNIFIED, "category=SUSDT-FUTURES", "400172"),
    ] {
        assert_eq!(Desk::of(api).get(api.positions, query).1["code"], expected, "{query}");
    }
    for query in ["", "category=USDT-FUTURES&type=track"] {
        assert_eq!(Desk::of(UNIFIED).get(STRATEGIES_V3, query).1["code"], "400172", "{query}");
    }
}

#[test]
fn orders_come_in_pages_newest_first_and_none_is_lost_or_doubled() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let mut placed: Vec<String> = (0..250).map(|_| placed(&mut desk, UsdtFutures)).collect();
        placed.reverse();
        let (sizes, seen) = paged(&mut desk, "limit=100");
        assert_eq!((sizes, seen), (vec![100, 100, 50, 0], placed.clone()));
        let (sizes, seen) = paged(&mut desk, "");
        assert_eq!((sizes, seen), (vec![100, 100, 50, 0], placed.clone()));
        let (sizes, seen) = paged(&mut desk, "limit=50");
        assert_eq!((sizes, seen), (vec![50, 50, 50, 50, 50, 0], placed));
        for wrong in ["limit=101".to_owned(), "limit=0".to_owned(), format!("{}=abc", api.below)] {
            let query = format!("{}&{wrong}", api.about(UsdtFutures));
            assert_eq!(desk.get(api.orders, &query).1["code"], "400172");
        }
    }
}

#[test]
fn the_last_page_of_orders_on_v3_may_have_no_cursor() {
    let mut desk = Desk::of(UNIFIED);
    desk.exchange.switches_mut().last_cursor = LastCursor::Missing;
    let mut placed: Vec<String> = (0..250).map(|_| placed(&mut desk, UsdtFutures)).collect();
    placed.reverse();
    assert_eq!(paged(&mut desk, "limit=100"), (vec![100, 100, 50], placed.clone()));
    assert_eq!(paged(&mut desk, "limit=50"), (vec![50, 50, 50, 50, 50, 0], placed));
}

fn placed(desk: &mut Desk, product: ProductType) -> String {
    desk.exchange.place_order(ME, product, NewOrder::live("BTCUSDT")).unwrap().0.to_string()
}

/// How many rows each page had until there was nothing to go on from, and the numbers of all orders on them.
fn paged(desk: &mut Desk, limit: &str) -> (Vec<usize>, Vec<String>) {
    desk.wait(1_000);
    let api = desk.api;
    let base = format!("{}&{limit}", api.about(UsdtFutures));
    let (mut sizes, mut seen, mut query) = (Vec::new(), Vec::new(), base.clone());
    loop {
        let data = desk.data(api.orders, &query);
        let rows = data[api.rows].as_array().cloned().unwrap_or_default();
        sizes.push(rows.len());
        seen.extend(rows.iter().map(|row| row["orderId"].as_str().unwrap().to_owned()));
        let Some(last) = data[api.last].as_str() else { return (sizes, seen) };
        assert_eq!(seen.last().map(String::as_str), Some(last));
        query = format!("{base}&{}={last}", api.below);
    }
}

#[test]
fn v3_lists_orders_of_every_status_and_without_a_category_all_of_them() {
    let mut desk = Desk::of(UNIFIED);
    let placed = [OrderStatus::New, OrderStatus::Live, OrderStatus::PartiallyFilled];
    for (product, status) in ProductType::FUTURES.into_iter().zip(placed) {
        desk.exchange.place_order(ME, product, NewOrder { status, ..NewOrder::live("BTCUSDT") }).unwrap();
        let rows = desk.data(ORDERS_V3, &UNIFIED.about(product))["list"].clone();
        assert_eq!((rows.as_array().unwrap().len(), &rows[0]["orderStatus"]), (1, &json!(status)));
    }
    desk.exchange.place_spot_order(ME, NewOrder::live("BTCUSDT")).unwrap();
    let column = |data: &Value, name: &str| -> Vec<Value> {
        data["list"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column(&desk.data(ORDERS_V3, "category=spot"), "category"), ["SPOT"]);
    let all = desk.data(ORDERS_V3, "");
    assert_eq!(column(&all, "category"), ["SPOT", "USDC-FUTURES", "COIN-FUTURES", "USDT-FUTURES"]);
    assert_eq!(column(&all, "orderStatus"), ["live", "partially_filled", "live", "new"]);
}

#[test]
fn strategy_orders_are_asked_for_by_type_and_without_one_only_tpsl_is_promised() {
    let mut desk = Desk::of(UNIFIED);
    for plan_type in PlanType::ALL {
        desk.exchange.place_plan_order(ME, UsdtFutures, plan_type, "BTCUSDT").unwrap();
    }
    let rows = |desk: &mut Desk, query: &str| {
        let rows = desk.data(STRATEGIES_V3, &format!("category=USDT-FUTURES{query}"));
        rows.as_array().unwrap().len()
    };
    assert_eq!(
        (rows(&mut desk, ""), rows(&mut desk, "&type=tpsl"), rows(&mut desk, "&type=trigger")),
        (1, 1, 2)
    );
    desk.exchange.switches_mut().strategy_orders_without_type = StrategyOrdersWithoutType::Both;
    assert_eq!((rows(&mut desk, ""), rows(&mut desk, "&type=tpsl")), (3, 1));
}

#[test]
fn v2_shows_a_new_order_as_a_live_one() {
    let mut desk = Desk::new();
    let order = NewOrder { status: OrderStatus::New, ..NewOrder::live("BTCUSDT") };
    desk.exchange.place_order(ME, UsdtFutures, order).unwrap();
    let row = desk.data(ORDERS, "productType=USDT-FUTURES&status=live")["entrustedList"][0].clone();
    assert_eq!(row["status"], "live");
}

#[test]
fn orders_are_filtered_by_status_and_without_one_only_live_ones_are_promised() {
    let mut desk = Desk::new();
    desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap();
    let partly = NewOrder { status: OrderStatus::PartiallyFilled, ..NewOrder::live("ETHUSDT") };
    desk.exchange.place_order(ME, UsdtFutures, partly).unwrap();
    let symbols = |data: Value| -> Vec<String> {
        let rows = data["entrustedList"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["symbol"].as_str().unwrap().to_owned()).collect()
    };
    let base = "productType=USDT-FUTURES";
    assert_eq!(symbols(desk.data(ORDERS, base)), ["BTCUSDT"]);
    assert_eq!(symbols(desk.data(ORDERS, &format!("{base}&status=live"))), ["BTCUSDT"]);
    assert_eq!(symbols(desk.data(ORDERS, &format!("{base}&status=partially_filled"))), ["ETHUSDT"]);
    assert_eq!(desk.get(ORDERS, &format!("{base}&status=new")).1["code"], "400172");
    desk.exchange.switches_mut().orders_without_status = OrdersWithoutStatus::Both;
    assert_eq!(symbols(desk.data(ORDERS, base)), ["ETHUSDT", "BTCUSDT"]);
}

#[test]
fn an_order_older_than_three_months_is_not_listed_and_blocks_all_the_same() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let old = NewOrder { age: Duration::from_secs(91 * 86_400), ..NewOrder::live("BTCUSDT") };
        let id = desk.exchange.place_order(ME, UsdtFutures, old).unwrap();
        assert_eq!(desk.data(api.orders, &api.about(UsdtFutures))[api.rows], Value::Null);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
        assert_eq!(desk.exchange.log().iter().map(|entry| entry.flat).collect::<Vec<_>>(), [Some(false); 2]);
        let from = START.0 - 92 * 86_400_000;
        let data = desk.data(api.orders, &format!("{}&startTime={from}", api.about(UsdtFutures)));
        assert_eq!(data[api.rows][0]["orderId"], json!(id.0.to_string()));
        desk.exchange.cancel_order(ME, UsdtFutures, id).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    }
}

#[test]
fn plan_orders_are_listed_per_plan_type_which_is_required() {
    let mut desk = Desk::new();
    assert_eq!(desk.get(PLANS, "productType=USDT-FUTURES").1["code"], "40019");
    assert_eq!(desk.get(PLANS, "productType=USDT-FUTURES&planType=loss_plan").1["code"], "400172");
    for plan_type in PlanType::ALL {
        let id = desk.exchange.place_plan_order(ME, UsdtFutures, plan_type, "BTCUSDT").unwrap();
        for asked in PlanType::ALL {
            let data = desk.data(PLANS, &format!("productType=USDT-FUTURES&planType={}", asked.as_str()));
            let rows = data["entrustedList"].as_array().map_or(0, Vec::len);
            assert_eq!(rows, usize::from(asked == plan_type));
        }
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
        desk.exchange.cancel_plan_order(ME, UsdtFutures, id).unwrap();
        desk.wait(1_000);
    }
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn an_empty_list_is_null_or_empty_and_the_end_id_of_plan_orders_may_be_missing() {
    let mut desk = Desk::new();
    let plans = "productType=USDT-FUTURES&planType=track_plan";
    assert_eq!(
        desk.data(ORDERS, "productType=USDT-FUTURES"),
        json!({ "entrustedList": null, "endId": null })
    );
    desk.exchange.switches_mut().empty_list = EmptyList::Empty;
    desk.exchange.switches_mut().plan_end_id = EndId::Missing;
    assert_eq!(desk.data(ORDERS, "productType=USDT-FUTURES"), json!({ "entrustedList": [], "endId": null }));
    assert_eq!(desk.data(PLANS, plans), json!({ "entrustedList": [] }));
}

#[test]
fn an_empty_list_on_v3_is_null_or_empty_and_strategy_orders_are_always_an_array() {
    let mut desk = Desk::of(UNIFIED);
    let query = "category=USDT-FUTURES";
    for (switch, expected) in [(EmptyList::Null, Value::Null), (EmptyList::Empty, json!([]))] {
        desk.exchange.switches_mut().empty_list = switch;
        assert_eq!(desk.data(POSITIONS_V3, query), json!({ "list": expected }));
        assert_eq!(desk.data(ORDERS_V3, query), json!({ "list": expected, "cursor": null }));
        assert_eq!(desk.data(STRATEGIES_V3, query), json!([]));
    }
}
