//! What a set does, and every switch that bears on it.

use crate::ProductType::{CoinFutures, UsdtFutures};
use crate::{
    Blocker, Executed, Fault, FaultKind, HiddenBlockers, HoldSide, LateTimestamp, NewOrder, NotFlat, Outcome,
    PosMode, Request, SameMode, UnixMs,
};
use serde_json::json;
use std::time::Duration;

use super::*;

#[test]
fn a_set_changes_one_product_type_and_answers_the_mode() {
    let mut desk = Desk::new();
    let response = desk.ask(set_request(UsdtFutures, PosMode::OneWayMode));
    assert_eq!(response.json()["data"], json!({ "posMode": "one_way_mode" }));
    assert_eq!((desk.mode(UsdtFutures), desk.mode(CoinFutures)), (PosMode::OneWayMode, PosMode::HedgeMode));
    let (from, to) = (PosMode::HedgeMode, PosMode::OneWayMode);
    assert_eq!(desk.exchange.log()[0].executed, Executed::Applied { from, to });
    assert_eq!(desk.shown_mode(), "one_way_mode");
}

#[test]
fn a_set_that_is_no_set_is_refused_by_its_parameters() {
    let mut desk = Desk::new();
    let cases = [
        ("", "400171"),
        ("[]", "400171"),
        (r#"{"productType":"USDT-FUTURES"}"#, "400172"),
        (r#"{"posMode":"hedge_mode"}"#, "400172"),
        (r#"{"productType":"USDT-FUTURES","posMode":"both"}"#, "400172"),
    ];
    for (body, expected) in cases {
        let response = desk.ask(Request::post(SET, body));
        assert_eq!((response.status, code(&response).as_str()), (400, expected), "{body}");
        assert_eq!(desk.exchange.log().last().unwrap().executed, Executed::Refused);
    }
}

#[test]
fn a_lead_account_refuses_every_set() {
    let mut desk = Desk::new();
    desk.exchange.refuse_sets(ME, Some("40731")).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), (400, "40731".to_owned()));
    desk.exchange.refuse_sets(ME, None).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn a_row_of_size_zero_does_not_block_and_a_position_does() {
    let mut desk = Desk::new();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.000").unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Short, "0.001").unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
    assert_eq!(desk.set(CoinFutures, PosMode::OneWayMode), done());
}

#[test]
fn the_same_mode_on_a_flat_account_is_success_and_changes_nothing() {
    let mut desk = Desk::new();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    assert_eq!(desk.exchange.log()[0].executed, Executed::Same);
    assert!(desk.exchange.mode_changes().is_empty());
}

#[test]
fn switch_same_mode_while_not_flat() {
    let mut desk = Desk::new();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    desk.exchange.switches_mut().same_mode_while_not_flat = SameMode::Refused;
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
}

#[test]
fn switch_what_is_not_flat() {
    let mut desk = Desk::new();
    desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    desk.exchange.switches_mut().not_flat = NotFlat::RefusedByPositions;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
    desk.exchange.switches_mut().not_flat = NotFlat::Accepted;
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    assert_eq!(desk.exchange.log().last().unwrap().flat, Some(false));
}

#[test]
fn switch_code_and_status_of_refusals() {
    let mut desk = Desk::new();
    desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    let switches = desk.exchange.switches_mut();
    switches.not_flat_code = "45117".to_owned();
    switches.not_flat_status = Some(409);
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (409, "45117".to_owned()));
    let switches = desk.exchange.switches_mut();
    switches.not_flat_status = None;
    switches.refusal_status = 200;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (200, "45117".to_owned()));
    assert_eq!(desk.get(POSITIONS, "").0, 200);
}

#[test]
fn switch_hidden_blockers() {
    let mut desk = Desk::new();
    desk.exchange.set_hidden_blocker(ME, UsdtFutures, Blocker::Running).unwrap();
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Ignored;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Refuse;
    desk.exchange.set_hidden_blocker(ME, UsdtFutures, Blocker::Absent).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn switch_read_lag() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().read_lag_ms = 8_000;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    assert_eq!(desk.mode(UsdtFutures), PosMode::OneWayMode);
    desk.wait(7_999);
    assert_eq!(desk.shown_mode(), "hedge_mode");
    desk.wait(1);
    assert_eq!(desk.shown_mode(), "one_way_mode");
}

#[test]
fn a_clock_that_is_set_back_brings_no_old_mode_back() {
    let mut desk = Desk::new();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    for lag in [0, 3_000] {
        desk.exchange.switches_mut().read_lag_ms = lag;
        desk.wait(-3_600_000);
        assert_eq!(desk.shown_mode(), "one_way_mode");
    }
}

#[test]
fn switch_late_timestamp() {
    for (switch, expected) in [
        (LateTimestamp::CheckedAgain, PosMode::HedgeMode),
        (LateTimestamp::CheckedOnArrival, PosMode::OneWayMode),
    ] {
        let mut desk = Desk::new();
        desk.exchange.switches_mut().late_timestamp = switch;
        let after = Duration::from_secs(31);
        desk.exchange.inject(Fault::once(FaultKind::ExecuteLater { after }));
        assert_eq!(desk.send(set_request(UsdtFutures, PosMode::OneWayMode)), Outcome::Dropped);
        desk.exchange.advance(UnixMs(START.0 + 60_000));
        assert_eq!(desk.mode(UsdtFutures), expected);
    }
}
