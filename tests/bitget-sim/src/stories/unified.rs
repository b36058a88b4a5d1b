//! What only unified accounts know: one mode for all, three categories that count together, rights by name, spot orders.

use crate::ProductType::{CoinFutures, UsdcFutures, UsdtFutures};
use crate::{Executed, HoldSide, NewAccount, NewOrder, NotFlat, PlanType, PosMode, Right, SpotOrders, Uid};
use serde_json::json;

use super::*;

#[test]
fn a_set_changes_the_one_mode_of_all_categories_and_answers_a_bare_word() {
    let mut desk = Desk::of(UNIFIED);
    let set = UNIFIED.set_request(UsdtFutures, PosMode::OneWayMode);
    assert_eq!(desk.ask(set).json()["data"], "success");
    for product in ProductType::ALL {
        assert_eq!(desk.mode(product), PosMode::OneWayMode);
    }
    assert_eq!(desk.data(SETTINGS, "")["holdMode"], "one_way_mode");
}

#[test]
fn what_any_category_holds_blocks_the_whole_account() {
    for product in ProductType::FUTURES {
        let mut desk = Desk::of(UNIFIED);
        desk.exchange.open_position(ME, product, "BTCUSDT", HoldSide::Long, "1").unwrap();
        assert!(!desk.exchange.is_whole_flat(ME).unwrap());
        assert_eq!(desk.set(product, PosMode::OneWayMode), desk.refused_for_a_position(), "{product:?}");
        let entry = desk.exchange.log().last().unwrap();
        assert_eq!((entry.executed, entry.flat), (Executed::Refused, Some(false)));
        for asked in ProductType::FUTURES {
            desk.positions(asked);
            let entry = desk.exchange.log().last().unwrap();
            assert_eq!((entry.listed, entry.flat), (Some(usize::from(asked == product)), Some(false)));
        }
        desk.exchange.close_position(ME, product, "BTCUSDT", HoldSide::Long).unwrap();
        assert!(desk.exchange.is_whole_flat(ME).unwrap());
        assert_eq!(desk.set(product, PosMode::OneWayMode), done());
    }
}

#[test]
fn an_old_demo_product_type_does_not_count_on_a_unified_account() {
    let mut desk = Desk::of(UNIFIED);
    desk.exchange.open_position(ME, ProductType::SusdtFutures, "SBTCSUSDT", HoldSide::Long, "1").unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn strategy_orders_are_listed_by_category_and_say_what_they_are() {
    let mut desk = Desk::of(UNIFIED);
    desk.exchange.place_plan_order(ME, UsdcFutures, PlanType::ProfitLoss, "BTCPERP").unwrap();
    desk.exchange.place_plan_order(ME, UsdcFutures, PlanType::NormalPlan, "BTCPERP").unwrap();
    let tpsl = desk.data(STRATEGIES_V3, "category=USDC-FUTURES");
    assert_eq!((&tpsl[0]["symbol"], &tpsl[0]["stopLoss"]), (&json!("BTCPERP"), &json!("20000")));
    let trigger = desk.data(STRATEGIES_V3, "category=USDC-FUTURES&type=trigger");
    assert_eq!((&trigger[0]["status"], &trigger[0]["triggerPrice"]), (&json!("pending"), &json!("20000")));
    assert_eq!(desk.data(STRATEGIES_V3, "category=COIN-FUTURES&type=trigger"), json!([]));
}

#[test]
fn switch_spot_orders() {
    let mut desk = Desk::of(UNIFIED);
    let order = desk.exchange.place_spot_order(ME, NewOrder::live("BTCUSDT")).unwrap();
    assert_eq!(desk.set(CoinFutures, PosMode::OneWayMode), done());
    assert_eq!(desk.exchange.log().last().unwrap().flat, Some(true));
    desk.exchange.switches_mut().spot_orders = SpotOrders::Refuse;
    assert_eq!(desk.set(CoinFutures, PosMode::HedgeMode), desk.refused_for_orders());
    desk.exchange.switches_mut().not_flat = NotFlat::RefusedByPositions;
    assert_eq!(desk.set(CoinFutures, PosMode::HedgeMode), done());
    desk.exchange.switches_mut().not_flat = NotFlat::RefusedByAnything;
    desk.exchange.cancel_spot_order(ME, order).unwrap();
    assert_eq!(desk.set(CoinFutures, PosMode::OneWayMode), done());
    assert!(desk.exchange.cancel_spot_order(ME, order).is_err());
}

#[test]
fn a_spot_order_never_blocks_a_classic_account() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().spot_orders = SpotOrders::Refuse;
    desk.exchange.place_spot_order(ME, NewOrder::live("BTCUSDT")).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn the_account_information_says_what_the_key_may_do() {
    let mut desk = Desk::with(NewAccount { parent: Some(Uid(7)), ..NewAccount::unified(ME, "alpha") });
    let info = desk.data(INFO_V3, "");
    assert_eq!((&info["userId"], &info["parentId"]), (&json!("1001"), &json!(7)));
    let rights = |info: &Value| (info["permType"].clone(), info["permissions"].clone());
    assert_eq!(rights(&info), (json!("read_and_write"), json!(["uta_mgt", "uta_trade"])));
    let key = desk.exchange.key_mut("key-alpha").unwrap();
    (key.uta_mgt, key.uta_trade, key.withdraws) = (Right::Nothing, Right::Read, true);
    desk.wait(1_000);
    assert_eq!(rights(&desk.data(INFO_V3, "")), (json!("read_only"), json!(["uta_trade", "withdraw"])));
    desk.exchange.key_mut("key-alpha").unwrap().reads_info = false;
    desk.wait(1_000);
    assert_eq!(desk.get(INFO_V3, "").1["code"], "40014");
}
