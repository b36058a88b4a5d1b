//! What the settings of a unified account change: the words that they show, and the categories that a level has.

use crate::ProductType::{CoinFutures, UsdcFutures, UsdtFutures};
use crate::{
    AccountLevel, AccountMode, AssetMode, HoldSide, NewAccount, NewOrder, PlanType, PosMode, StpMode,
};
use serde_json::json;

use super::*;

fn basic() -> Desk {
    Desk::with(NewAccount::unified(ME, "alpha").with_level(AccountLevel::Basic))
}

const LISTS: [&str; 3] = [POSITIONS_V3, ORDERS_V3, STRATEGIES_V3];

#[test]
fn an_account_is_opened_with_its_words_and_shows_them() {
    let account = NewAccount { account_mode: AccountMode::Hybrid, ..NewAccount::unified(ME, "alpha") };
    let mut desk = Desk::with(account.with_level(AccountLevel::Basic));
    let settings = desk.exchange.settings_mut(ME).unwrap();
    (settings.asset_mode, settings.stp_mode) = (AssetMode::Single, StpMode::CancelBoth);
    let shown = desk.data(SETTINGS, "");
    let words = ["accountMode", "accountLevel", "assetMode", "stpMode"].map(|name| shown[name].clone());
    assert_eq!(words, ["hybrid", "basic", "single", "cancel_both"].map(Value::from));
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn only_a_basic_account_lacks_a_category() {
    for level in [AccountLevel::Basic, AccountLevel::Advanced, AccountLevel::Isolated, AccountLevel::Delta] {
        let mut desk = Desk::with(NewAccount::unified(ME, "alpha").with_level(level));
        for (category, has) in
            [(UsdtFutures, true), (CoinFutures, level != AccountLevel::Basic), (UsdcFutures, true)]
        {
            let expected = if has { done() } else { (400, "25240".to_owned()) };
            for path in LISTS {
                let response = desk.ask(Request::get(path, UNIFIED.about(category)));
                assert_eq!((response.status, code(&response)), expected, "{level:?} {path}");
            }
        }
    }
}

#[test]
fn switch_missing_category() {
    let mut desk = basic();
    for expected in ["25002", "25101", "40034"] {
        desk.exchange.switches_mut().missing_category_code = Some(expected.to_owned());
        for path in LISTS {
            assert_eq!(desk.get(path, "category=COIN-FUTURES").1["code"], expected);
        }
    }
    desk.exchange.switches_mut().missing_category_code = None;
    assert_eq!(desk.data(POSITIONS_V3, "category=COIN-FUTURES"), json!({ "list": null }));
    assert_eq!(desk.data(ORDERS_V3, "category=COIN-FUTURES"), json!({ "list": null, "cursor": null }));
    assert_eq!(desk.data(STRATEGIES_V3, "category=COIN-FUTURES"), json!([]));
}

#[test]
fn a_category_that_the_level_lacks_holds_nothing_and_blocks_nothing() {
    let mut desk = basic();
    desk.exchange.switches_mut().missing_category_code = None;
    desk.exchange.open_position(ME, CoinFutures, "BTCUSD", HoldSide::Long, "1").unwrap();
    desk.exchange.place_order(ME, CoinFutures, NewOrder::live("BTCUSD")).unwrap();
    desk.exchange.place_plan_order(ME, CoinFutures, PlanType::ProfitLoss, "BTCUSD").unwrap();
    assert!(desk.exchange.is_whole_flat(ME).unwrap());
    for path in LISTS {
        desk.data(path, "category=COIN-FUTURES");
        let entry = desk.exchange.log().last().unwrap();
        assert_eq!((entry.listed, entry.flat), (Some(0), Some(true)), "{path}");
    }
    assert_eq!(desk.data(ORDERS_V3, "")["list"], Value::Null);
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.settings_mut(ME).unwrap().account_level = AccountLevel::Advanced;
    assert!(!desk.exchange.is_whole_flat(ME).unwrap());
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), desk.refused_for_a_position());
}

#[test]
fn the_level_is_nothing_to_a_classic_account_until_it_is_converted() {
    let mut desk = Desk::with(NewAccount::classic(ME, "alpha").with_level(AccountLevel::Basic));
    assert_eq!(desk.get(POSITIONS, "productType=COIN-FUTURES").0, 200);
    desk.exchange.set_kind(ME, Kind::Unified).unwrap();
    assert_eq!(desk.get(POSITIONS_V3, "category=COIN-FUTURES").1["code"], "25240");
    assert_eq!(desk.exchange.snapshot()[0].settings.account_level, AccountLevel::Basic);
}
