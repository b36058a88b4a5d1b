//! The log, the changes of mode, the state: what tests check a client by.

use crate::ProductType::UsdtFutures;
use crate::{By, HoldSide, PosMode, Uid};

use super::*;

#[test]
fn the_log_says_enough_to_check_a_client_by() {
    let mut desk = Desk::new();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    desk.data(POSITIONS, "productType=USDT-FUTURES");
    desk.data(ORDERS, "productType=USDT-FUTURES");
    desk.exchange.close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long).unwrap();
    desk.data(POSITIONS, "productType=USDT-FUTURES");
    desk.set(UsdtFutures, PosMode::OneWayMode);
    let told: Vec<_> = desk
        .exchange
        .log()
        .iter()
        .map(|entry| (entry.account, entry.product, entry.signed, entry.listed, entry.flat))
        .collect();
    let row = |listed, flat| (Some(ME), Some(UsdtFutures), Some(START), listed, Some(flat));
    assert_eq!(told, [row(Some(1), false), row(Some(0), false), row(Some(0), true), row(None, true)]);
}

#[test]
fn a_flip_by_hand_is_told_apart_from_a_set_and_shows_in_the_state() {
    let mut desk = Desk::new();
    desk.set(UsdtFutures, PosMode::OneWayMode);
    desk.exchange.flip(ME, UsdtFutures, PosMode::HedgeMode).unwrap();
    let by: Vec<_> = desk.exchange.mode_changes().iter().map(|change| change.by).collect();
    assert_eq!(by, [By::Set, By::Hand]);
    let state = desk.exchange.snapshot();
    assert_eq!(state[0].products["USDT-FUTURES"].mode, PosMode::HedgeMode);
    assert_eq!(state[0].keys, ["key-alpha"]);
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    let mut desk = Desk::new();
    let error = desk.exchange.flip(Uid(9), UsdtFutures, PosMode::HedgeMode).unwrap_err();
    assert_eq!(error.to_string(), "no such account: 9");
    assert!(desk.exchange.remove_key("key-nobody").is_err());
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let shown = format!("{:?}", Desk::new().exchange);
    assert!(
        shown.contains("key-alpha") && !shown.contains("test-secret") && !shown.contains("test-passphrase")
    );
}
