//! Accounts that become ones of the other kind, at once or by way of a conversion, under whoever uses them.

use crate::ProductType::{CoinFutures, SusdtFutures, UsdcFutures, UsdtFutures};
use crate::{
    AccountMode, By, Executed, Fault, FaultKind, HoldSide, NewAccount, NewOrder, Outcome, PosMode,
    SettingsWhileConverting, UnixMs,
};
use std::time::Duration;

use super::*;

/// The kind that a conversion leads to.
fn other(api: Api) -> Api {
    match api.kind {
        Kind::Classic => UNIFIED,
        Kind::Unified => CLASSIC,
    }
}

#[test]
fn a_unified_account_has_the_mode_that_usdt_futures_had() {
    let account = NewAccount::classic(ME, "alpha").with_mode(UsdtFutures, PosMode::OneWayMode);
    let mut desk = Desk::with(account);
    desk.exchange.set_kind(ME, Kind::Unified).unwrap();
    assert_eq!(desk.data(SETTINGS, "")["holdMode"], "one_way_mode");
    let changes = desk.exchange.mode_changes().iter();
    let changes: Vec<_> = changes.map(|change| (change.product, change.to, change.by)).collect();
    let others = ProductType::ALL.into_iter().filter(|product| *product != UsdtFutures);
    let expected = others.map(|product| (Some(product), PosMode::OneWayMode, By::Conversion));
    assert_eq!(changes, expected.collect::<Vec<_>>());
}

#[test]
fn back_on_classic_every_product_type_has_the_mode_that_the_account_had() {
    let account = NewAccount::classic(ME, "alpha").with_mode(CoinFutures, PosMode::OneWayMode);
    let mut desk = Desk::with(account);
    desk.exchange.set_kind(ME, Kind::Unified).unwrap();
    assert_eq!(desk.mode(CoinFutures), PosMode::HedgeMode);
    desk.exchange.flip(ME, CoinFutures, PosMode::OneWayMode).unwrap();
    let told = desk.exchange.mode_changes().len();
    desk.exchange.set_kind(ME, Kind::Classic).unwrap();
    for product in [UsdtFutures, CoinFutures, UsdcFutures, SusdtFutures] {
        assert_eq!(desk.mode(product), PosMode::OneWayMode);
    }
    assert_eq!(desk.exchange.mode_changes().len(), told, "no mode is another than before");
}

#[test]
fn the_same_kind_again_changes_nothing() {
    let account = NewAccount::classic(ME, "alpha").with_mode(CoinFutures, PosMode::OneWayMode);
    let mut desk = Desk::with(account);
    desk.exchange.set_kind(ME, Kind::Classic).unwrap();
    assert_eq!((desk.mode(CoinFutures), desk.mode(UsdtFutures)), (PosMode::OneWayMode, PosMode::HedgeMode));
    assert!(desk.exchange.mode_changes().is_empty());
}

#[test]
fn what_is_open_stays_open_and_still_blocks() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("ETHUSDT")).unwrap();
        desk.exchange.set_kind(ME, other(api).kind).unwrap();
        desk.api = other(api);
        assert_eq!(desk.positions(UsdtFutures).len(), 1);
        let orders = desk.data(desk.api.orders, &desk.api.about(UsdtFutures));
        assert_eq!(orders[desk.api.rows].as_array().unwrap().len(), 1);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_a_position());
    }
}

#[test]
fn while_an_account_is_converted_every_private_call_is_40115_and_then_it_is_of_the_other_kind() {
    for (api, stage) in [(CLASSIC, "upgrading"), (UNIFIED, "switching")] {
        let mut desk = Desk::of(api);
        desk.exchange.begin_conversion(ME).unwrap();
        for path in [POSITIONS, ORDERS, INFO, POSITIONS_V3, ORDERS_V3, STRATEGIES_V3, INFO_V3] {
            let (status, body) = desk.get(path, "");
            assert_eq!((status, &body["code"]), (400, &json!("40115")), "{path}");
        }
        for set in BOTH.map(|api| api.set_request(UsdtFutures, PosMode::OneWayMode)) {
            assert_eq!(code(&desk.ask(set)), "40115");
        }
        assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
        assert_eq!(desk.get("/api/v2/public/time", "").0, 200);
        assert_eq!(desk.data(SETTINGS, "")["accountMode"], stage);
        desk.exchange.switches_mut().settings_while_converting = SettingsWhileConverting::Refused;
        assert_eq!(desk.get(SETTINGS, "").1["code"], "40115");

        desk.wait(1_000);
        desk.exchange.finish_conversion(ME).unwrap();
        desk.api = other(api);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        assert_eq!(desk.exchange.log().last().unwrap().kind, Some(other(api).kind));
        assert_ne!(desk.get(api.positions, &api.about(UsdtFutures)).0, 200);
    }
}

#[test]
fn a_conversion_can_be_called_off_and_one_that_never_began_cannot_be_finished() {
    let mut desk = Desk::new();
    assert!(desk.exchange.finish_conversion(ME).is_err());
    desk.exchange.begin_conversion(ME).unwrap();
    desk.exchange.set_account_mode(ME, AccountMode::Unified).unwrap();
    assert!(desk.exchange.finish_conversion(ME).is_err());
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn a_missing_signature_is_told_before_a_conversion_is() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.begin_conversion(ME).unwrap();
        let unsigned = api.list_positions(UsdtFutures).with_header("access-key", "key-alpha");
        desk.refuses(&unsigned, 400, "40002");
    }
}

#[test]
fn a_set_that_waits_through_a_conversion_does_nothing() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let after = Duration::from_secs(5);
        desk.exchange.inject(Fault::once(FaultKind::ExecuteLater { after }));
        assert_eq!(desk.send(api.set_request(UsdtFutures, PosMode::OneWayMode)), Outcome::Dropped);
        desk.exchange.set_kind(ME, other(api).kind).unwrap();
        desk.exchange.advance(UnixMs(START.0 + 10_000));
        assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
        let late = desk.exchange.log().last().unwrap();
        assert_eq!((late.late_of, late.executed), (Some(0), Executed::None));
    }
}

#[test]
fn a_read_lag_goes_on_over_a_conversion() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().read_lag_ms = 8_000;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.set_kind(ME, Kind::Unified).unwrap();
    desk.api = UNIFIED;
    assert_eq!(desk.shown_mode(), "hedge_mode");
    desk.wait(8_000);
    assert_eq!(desk.shown_mode(), "one_way_mode");
}
