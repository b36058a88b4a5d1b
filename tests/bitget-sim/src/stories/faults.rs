//! What every fault does to a request, and what the log says of it.

use crate::ProductType::UsdtFutures;
use crate::{
    ApiKey, Executed, Fault, FaultKind, HoldSide, NewAccount, Outcome, PosMode, Request, Uid, UnixMs,
};
use serde_json::{Value, json};
use std::time::Duration;

use super::*;

/// A set under a fault: what the client got, and the mode afterwards.
#[track_caller]
fn set_under(api: Api, what: FaultKind) -> (Desk, Outcome, bool) {
    let mut desk = Desk::of(api);
    desk.exchange.inject(Fault::once(what.clone()).on(api.set).for_account(ME));
    let outcome = desk.send(api.set_request(UsdtFutures, PosMode::OneWayMode));
    let applied = desk.mode(UsdtFutures) == PosMode::OneWayMode;
    let entry = &desk.exchange.log()[0];
    assert_eq!(entry.fault, Some(what));
    assert_eq!((entry.product, entry.wanted), (api.subject(UsdtFutures), Some(PosMode::OneWayMode)));
    assert_eq!(entry.executed != Executed::None, applied, "the log tells what was done");
    assert_eq!(entry.code.is_some(), applied);
    assert_eq!(entry.status.is_some(), matches!(outcome, Outcome::Response(_)));
    (desk, outcome, applied)
}

#[track_caller]
fn body_under(api: Api, what: FaultKind) -> (u16, String, bool) {
    let (_, outcome, applied) = set_under(api, what);
    let Outcome::Response(response) = outcome else { panic!("no answer") };
    (response.status, String::from_utf8(response.body).unwrap(), applied)
}

#[test]
fn fault_drop_request_drop_reply_and_hang() {
    let cases = [
        (FaultKind::DropRequest, Outcome::Dropped, false),
        (FaultKind::DropReply, Outcome::Dropped, true),
        (FaultKind::Hang, Outcome::Hang, false),
        (FaultKind::HangReply, Outcome::Hang, true),
    ];
    for api in BOTH {
        for (what, expected, executed) in cases.clone() {
            let (_, outcome, applied) = set_under(api, what);
            assert_eq!((outcome, applied), (expected, executed));
        }
    }
}

#[test]
fn fault_execute_later_executes_once_when_it_is_due_and_is_logged_twice() {
    for api in BOTH {
        let after = Duration::from_secs(25);
        let (mut desk, outcome, applied) = set_under(api, FaultKind::ExecuteLater { after });
        assert_eq!((outcome, applied), (Outcome::Dropped, false));
        desk.exchange.advance(UnixMs(START.0 + 24_999));
        assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
        desk.now = UnixMs(START.0 + 40_000);
        assert_eq!(desk.shown_mode(), "one_way_mode");
        let late = &desk.exchange.log()[1];
        assert_eq!((late.at, late.late_of, late.status), (UnixMs(START.0 + 25_000), Some(0), None));
        assert_eq!(desk.exchange.log().len(), 3);
        let changes = desk.exchange.mode_changes();
        assert_eq!((changes.len(), changes[0].at), (1, UnixMs(START.0 + 25_000)));
    }
}

#[test]
fn fault_delay_executes_at_once_and_answers_later() {
    let mut desk = Desk::new();
    let after = Duration::from_millis(700);
    desk.exchange.inject(Fault::once(FaultKind::Delay { after }));
    let signed = desk.key.sign(CLASSIC.set_request(UsdtFutures, PosMode::OneWayMode), START);
    assert_eq!(desk.exchange.handle(START, &signed).after, after);
    assert_eq!(desk.mode(UsdtFutures), PosMode::OneWayMode);
    assert_eq!(desk.exchange.log()[0].answered_at, Some(UnixMs(START.0 + 700)));
}

#[test]
fn faults_that_answer_something_else() {
    let body = "<html>bad gateway</html>".to_owned();
    for api in BOTH {
        let fault = FaultKind::Status { status: 502, body: body.clone() };
        assert_eq!(body_under(api, fault), (502, body.clone(), false));
        let fault = FaultKind::ExecutedButStatus { status: 504, body: body.clone() };
        assert_eq!(body_under(api, fault), (504, body.clone(), true));
        let fault = FaultKind::Code { status: 400, code: "40725".to_owned() };
        let (status, text, applied) = body_under(api, fault);
        assert_eq!((status, applied), (400, false));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "40725");
        let (status, text, applied) = body_under(api, FaultKind::TooManyRequests);
        assert_eq!((status, applied), (429, false));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "429");
    }
}

#[test]
fn the_setters_of_both_kinds_fail_as_in_a_maintenance_and_nothing_is_executed() {
    let envelope = FaultKind::Code { status: 503, code: "45001".to_owned() };
    let html = FaultKind::Status { status: 502, body: "<html>".to_owned() };
    for api in BOTH {
        for (what, status) in [(envelope.clone(), 503), (html.clone(), 502)] {
            let mut desk = Desk::of(api);
            desk.exchange.inject(Fault::once(what).times(2).on("-mode").for_account(ME));
            desk.positions(UsdtFutures);
            for _ in 0..2 {
                assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode).0, status);
                assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
            }
            assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        }
    }
}

#[test]
fn whose_key_it_is_can_be_kept_from_an_account_and_nothing_else() {
    let code = |code: &str| FaultKind::Code { status: 400, code: code.to_owned() };
    let status = |status| FaultKind::Status { status, body: String::new() };
    let cases = [
        (code("40014"), 400),
        (code("40081"), 400),
        (code("40105"), 400),
        (status(404), 404),
        (FaultKind::TooManyRequests, 429),
        (status(503), 503),
    ];
    for api in BOTH {
        for (what, expected) in cases.clone() {
            let mut desk = Desk::of(api);
            desk.exchange.inject(Fault::always(what).on("/account/info").for_account(ME));
            for _ in 0..3 {
                assert_eq!(desk.get(api.info, "").0, expected);
                desk.positions(UsdtFutures);
                assert_eq!(desk.shown_mode(), "hedge_mode");
            }
        }
    }
}

#[test]
fn faults_that_spoil_the_answer() {
    for api in BOTH {
        assert_eq!(body_under(api, FaultKind::EmptyBody), (200, String::new(), true));
        let (status, text, applied) = body_under(api, FaultKind::Garbage);
        assert_eq!((status, applied), (200, true));
        assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
        let (status, text, applied) = body_under(api, FaultKind::Html { status: 503 });
        assert_eq!((status, applied, text.starts_with("<html>")), (503, true, true));
        let (status, text, applied) = body_under(api, FaultKind::NullData);
        assert_eq!((status, applied), (200, true));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["data"], Value::Null);
    }
    let (_, text, applied) = body_under(CLASSIC, FaultKind::MissingField { field: "posMode".to_owned() });
    assert!(applied);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["data"], json!({}));
}

#[test]
fn a_list_can_come_as_a_body_of_zero_bytes() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.inject(Fault::once(FaultKind::EmptyBody).on(api.positions));
        let response = desk.ask(api.list_positions(UsdtFutures));
        assert_eq!((response.status, response.body), (200, Vec::new()));
        assert_eq!(desk.ask(api.list_positions(UsdtFutures)).json()["code"], "00000");
    }
}

#[test]
fn a_missing_field_is_missing_in_every_row() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        desk.exchange.open_position(ME, UsdtFutures, "ETHUSDT", HoldSide::Long, "1").unwrap();
        desk.exchange.inject(Fault::once(FaultKind::MissingField { field: "total".to_owned() }));
        let rows = desk.positions(UsdtFutures);
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.get("total").is_none() && row.get("symbol").is_some()));
        let field = format!("data.{}", api.rows);
        desk.exchange.inject(Fault::once(FaultKind::MissingField { field }));
        assert_eq!(desk.data(api.orders, &api.about(UsdtFutures)), json!({ api.last: null }));
    }
}

#[test]
fn a_fault_befalls_only_what_it_fits_and_only_so_often() {
    let mut desk = Desk::new();
    desk.exchange.add_account(NewAccount::classic(Uid(2), "other"));
    desk.exchange.inject(Fault::once(FaultKind::DropRequest).times(2).on("/all-position"));
    desk.exchange.inject(Fault::always(FaultKind::TooManyRequests).for_account(Uid(2)));
    assert_eq!(desk.get(ORDERS, "productType=USDT-FUTURES").0, 200);
    let positions = || Request::get(POSITIONS, "productType=USDT-FUTURES");
    assert_eq!(desk.send(positions()), Outcome::Dropped);
    assert_eq!(desk.send(positions()), Outcome::Dropped);
    assert_eq!(desk.ask(positions()).status, 200);
    desk.key = ApiKey::named("other");
    for _ in 0..3 {
        assert_eq!(desk.ask(positions()).status, 429);
    }
    desk.exchange.clear_faults();
    assert_eq!(desk.ask(positions()).status, 200);
}
