//! What only unified accounts know: one mode for all, the shapes of v3, three categories that count together.

use crate::ProductType::{CoinFutures, UsdcFutures, UsdtFutures};
use crate::{
    Executed, HoldSide, Kind, NewAccount, NewOrder, OrderStatus, PlanType, PosMode, Request, Right, Uid,
};
use serde_json::json;

use super::*;

fn unified() -> Desk {
    Desk::with(NewAccount::unified(ME, "alpha"))
}

fn hold(mode: PosMode) -> Request {
    Request::post(SET_V3, json!({ "holdMode": mode.as_str() }).to_string())
}

#[test]
fn a_set_changes_the_one_mode_of_all_categories_and_answers_a_bare_word() {
    let mut desk = unified();
    assert_eq!(desk.ask(hold(PosMode::OneWayMode)).json()["data"], "success");
    for product in ProductType::ALL {
        assert_eq!(desk.mode(product), PosMode::OneWayMode);
    }
    assert_eq!(desk.data(SETTINGS, "")["holdMode"], "one_way_mode");
    let entry = &desk.exchange.log()[0];
    let (from, to) = (PosMode::HedgeMode, PosMode::OneWayMode);
    assert_eq!((entry.executed, entry.wanted), (Executed::Applied { from, to }, Some(to)));
    assert_eq!((entry.product, entry.kind, entry.flat), (None, Some(Kind::Unified), Some(true)));
    let changes: Vec<_> = desk.exchange.mode_changes().iter().map(|change| change.product).collect();
    assert_eq!(changes, [None]);
}

#[test]
fn what_any_category_holds_blocks_the_whole_account() {
    for product in ProductType::FUTURES {
        let mut desk = unified();
        desk.exchange.open_position(ME, product, "BTCUSDT", HoldSide::Long, "1").unwrap();
        let response = desk.ask(hold(PosMode::OneWayMode));
        assert_eq!((response.status, code(&response).as_str()), (400, "25107"), "{product:?}");
        let entry = desk.exchange.log().last().unwrap();
        assert_eq!((entry.executed, entry.flat), (Executed::Refused, Some(false)));
        desk.exchange.close_position(ME, product, "BTCUSDT", HoldSide::Long).unwrap();
        assert_eq!(desk.ask(hold(PosMode::OneWayMode)).status, 200);
    }
}

#[test]
fn lists_are_by_category_and_say_what_is_there() {
    let mut desk = unified();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Short, "0.01").unwrap();
    let order = NewOrder { status: OrderStatus::New, ..NewOrder::live("BTCUSD") };
    let order = desk.exchange.place_order(ME, CoinFutures, order).unwrap();
    desk.exchange.place_plan_order(ME, UsdcFutures, PlanType::ProfitLoss, "BTCPERP").unwrap();
    desk.exchange.place_plan_order(ME, UsdcFutures, PlanType::NormalPlan, "BTCPERP").unwrap();

    let position = desk.data(POSITIONS_V3, "category=USDT-FUTURES")["list"][0].clone();
    assert_eq!(
        (&position["symbol"], &position["posSide"], &position["total"], &position["holdMode"]),
        (&json!("BTCUSDT"), &json!("short"), &json!("0.01"), &json!("hedge_mode"))
    );
    assert_eq!(desk.data(POSITIONS_V3, "category=COIN-FUTURES"), json!({ "list": null }));
    let orders = desk.data(ORDERS_V3, "category=coin-futures");
    assert_eq!((&orders["list"][0]["orderStatus"], &orders["cursor"]), (&json!("new"), &json!(order)));
    assert_eq!(desk.data(ORDERS_V3, "category=USDT-FUTURES"), json!({ "list": null, "cursor": null }));
    let tpsl = desk.data(STRATEGIES_V3, "category=USDC-FUTURES");
    assert_eq!((tpsl.as_array().unwrap().len(), &tpsl[0]["stopLoss"]), (1, &json!("20000")));
    let trigger = desk.data(STRATEGIES_V3, "category=USDC-FUTURES&type=trigger");
    assert_eq!((trigger.as_array().unwrap().len(), &trigger[0]["triggerPrice"]), (1, &json!("20000")));
    assert_eq!(desk.data(STRATEGIES_V3, "category=USDT-FUTURES"), json!([]));
}

#[test]
fn the_account_information_says_what_the_key_may_do() {
    let mut desk = Desk::with(NewAccount { parent: Some(Uid(7)), ..NewAccount::unified(ME, "alpha") });
    let info = desk.data(INFO_V3, "");
    assert_eq!((&info["userId"], &info["parentId"]), (&json!("1001"), &json!("7")));
    let rights = |info: &Value| (info["permType"].clone(), info["permissions"].clone());
    assert_eq!(rights(&info), (json!("read-and-write"), json!(["uta_mgt", "uta_trade"])));
    let key = desk.exchange.key_mut("key-alpha").unwrap();
    (key.uta_mgt, key.uta_trade, key.withdraws) = (Right::Nothing, Right::Read, true);
    desk.wait(1_000);
    assert_eq!(rights(&desk.data(INFO_V3, "")), (json!("read-only"), json!(["uta_trade", "withdraw"])));
    desk.exchange.key_mut("key-alpha").unwrap().reads_info = false;
    desk.wait(1_000);
    assert_eq!(desk.get(INFO_V3, "").1["code"], "40014");
}
