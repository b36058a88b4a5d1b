//! What reads answer: shapes, parameters, pages, filters.

use crate::ProductType::UsdtFutures;
use crate::{
    EmptyList, EndId, HoldSide, NewAccount, NewOrder, OrderStatus, OrdersWithoutStatus, PlanType, PosMode,
    ProductType, Uid,
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
    assert_eq!((status, body), (200, expected));
}

#[test]
fn every_product_type_lists_a_contract_by_which_its_mode_can_be_read() {
    let mut desk = Desk::new();
    for product in ProductType::ALL {
        let contracts =
            desk.data("/api/v2/mix/market/contracts", &format!("productType={}", product.as_str()));
        let (symbol, coin) = (&contracts[0]["symbol"], &contracts[0]["supportMarginCoins"][0]);
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
    let mut desk = Desk::new();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.01").unwrap();
    let rows = desk.data(POSITIONS, "productType=USDT-FUTURES&marginCoin=USDT");
    assert_eq!(
        (&rows[0]["symbol"], &rows[0]["holdSide"], &rows[0]["total"], &rows[0]["posMode"]),
        (&json!("BTCUSDT"), &json!("long"), &json!("0.01"), &json!("hedge_mode"))
    );
    assert_eq!(desk.data(POSITIONS, "productType=COIN-FUTURES"), json!([]));
    desk.exchange.close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long).unwrap();
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
}

#[test]
fn orders_come_in_pages_newest_first_and_none_is_lost_or_doubled() {
    let mut desk = Desk::new();
    let mut placed: Vec<String> = (0..250)
        .map(|_| desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap().0.to_string())
        .collect();
    placed.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut query = "productType=USDT-FUTURES&limit=100".to_owned();
    let mut sizes = Vec::new();
    loop {
        let data = desk.data(ORDERS, &query);
        let Some(rows) = data["entrustedList"].as_array() else {
            break;
        };
        sizes.push(rows.len());
        seen.extend(rows.iter().map(|row| row["orderId"].as_str().unwrap().to_owned()));
        assert_eq!(data["endId"].as_str(), seen.last().map(String::as_str));
        query = format!("productType=USDT-FUTURES&limit=100&idLessThan={}", data["endId"].as_str().unwrap());
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(seen, placed);
    assert_eq!(desk.get(ORDERS, "productType=USDT-FUTURES&limit=101").1["code"], "400172");
    assert_eq!(desk.get(ORDERS, "productType=USDT-FUTURES&idLessThan=abc").1["code"], "400172");
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
    let mut desk = Desk::new();
    let old = NewOrder { age: Duration::from_secs(91 * 86_400), ..NewOrder::live("BTCUSDT") };
    let id = desk.exchange.place_order(ME, UsdtFutures, old).unwrap();
    assert_eq!(desk.data(ORDERS, "productType=USDT-FUTURES")["entrustedList"], Value::Null);
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    assert_eq!(desk.exchange.log().iter().map(|entry| entry.flat).collect::<Vec<_>>(), [Some(false); 2]);
    let from = START.0 - 92 * 86_400_000;
    let data = desk.data(ORDERS, &format!("productType=USDT-FUTURES&startTime={from}"));
    assert_eq!(data["entrustedList"][0]["orderId"], json!(id.0.to_string()));
    desk.exchange.cancel_order(ME, UsdtFutures, id).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
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
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
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
