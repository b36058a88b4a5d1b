//! What a set does, and every switch that bears on it, on both kinds of account.

use crate::ProductType::{CoinFutures, UsdtFutures};
use crate::{
    Blocker, Executed, Fault, FaultKind, HiddenBlockers, HoldSide, LateTimestamp, NewOrder, NotFlat, Outcome,
    PlanType, PosMode, Request, SameMode, UnixMs,
};
use serde_json::json;
use std::time::Duration;

use super::*;

#[test]
fn a_set_changes_one_product_type_and_answers_the_mode() {
    let mut desk = Desk::new();
    let response = desk.ask(CLASSIC.set_request(UsdtFutures, PosMode::OneWayMode));
    assert_eq!(response.json()["data"], json!({ "posMode": "one_way_mode" }));
    assert_eq!((desk.mode(UsdtFutures), desk.mode(CoinFutures)), (PosMode::OneWayMode, PosMode::HedgeMode));
}

#[test]
fn a_set_is_executed_shown_and_logged() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        let (from, to) = (PosMode::HedgeMode, PosMode::OneWayMode);
        let entry = &desk.exchange.log()[0];
        assert_eq!((entry.executed, entry.wanted), (Executed::Applied { from, to }, Some(to)));
        assert_eq!((entry.product, entry.kind), (api.subject(UsdtFutures), Some(api.kind)));
        assert_eq!(entry.flat, Some(true));
        assert_eq!(desk.exchange.mode_changes()[0].product, api.subject(UsdtFutures));
        assert_eq!(desk.shown_mode(), "one_way_mode");
    }
}

#[test]
fn a_set_that_is_no_set_is_refused_by_its_parameters() {
    let cases = [
        (CLASSIC, "", "400171"),
        (CLASSIC, "[]", "400171"),
        (CLASSIC, r#"{"productType":"USDT-FUTURES"}"#, "400172"),
        (CLASSIC, r#"{"posMode":"hedge_mode"}"#, "400172"),
        (CLASSIC, r#"{"productType":"USDT-FUTURES","posMode":"both"}"#, "400172"),
        (UNIFIED, "", "400171"),
        (UNIFIED, "[]", "400171"),
        (UNIFIED, "{}", "400172"),
        (UNIFIED, r#"{"posMode":"hedge_mode"}"#, "400172"),
        (UNIFIED, r#"{"holdMode":"both"}"#, "40034"),
    ];
    for (api, body, expected) in cases {
        let mut desk = Desk::of(api);
        let response = desk.ask(Request::post(api.set, body));
        assert_eq!((response.status, code(&response).as_str()), (400, expected), "{body}");
        assert_eq!(desk.exchange.log().last().unwrap().executed, Executed::Refused);
    }
}

#[test]
fn a_lead_account_refuses_every_set() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.refuse_sets(ME, Some("40731")).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), (400, "40731".to_owned()));
        desk.exchange.refuse_sets(ME, None).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    }
}

#[test]
fn sets_are_refused_with_a_code_that_nobody_knows_and_nothing_is_executed() {
    for api in BOTH {
        for (unknown, times) in [("59107", 3), ("45001", 1), ("40200", 2)] {
            let mut desk = Desk::of(api);
            desk.exchange.refuse_sets_times(ME, unknown, times).unwrap();
            for _ in 0..times {
                assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (400, unknown.to_owned()));
                let entry = desk.exchange.log().last().unwrap();
                assert_eq!((entry.executed, entry.code.as_deref()), (Executed::Refused, Some(unknown)));
                assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
            }
            assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
            desk.exchange.refuse_sets(ME, Some(unknown)).unwrap();
            for _ in 0..20 {
                desk.wait(1_000);
                assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), (400, unknown.to_owned()));
            }
        }
    }
}

#[test]
fn a_refused_set_counts_against_the_limit() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.refuse_sets(ME, Some("59107")).unwrap();
        for _ in 0..api.sets_a_second {
            assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode).0, 400);
        }
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode).0, 429);
    }
}

#[test]
fn a_row_of_size_zero_does_not_block_and_a_position_does() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.000").unwrap();
        assert_eq!(desk.positions(UsdtFutures).len(), 1);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Short, "0.001").unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), desk.refused_for_a_position());
        assert_eq!(desk.exchange.log().last().unwrap().flat, Some(false));
    }
}

#[test]
fn a_position_blocks_its_product_type_on_a_classic_account_and_everything_on_a_unified_one() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Short, "0.001").unwrap();
        let expected = match api.kind {
            Kind::Classic => done(),
            Kind::Unified => desk.refused_for_a_position(),
        };
        assert_eq!(desk.set(CoinFutures, PosMode::OneWayMode), expected);
    }
}

#[test]
fn where_there_is_a_position_and_an_order_the_code_is_that_of_the_position() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        let order = desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
        desk.exchange.open_position(ME, UsdtFutures, "ETHUSDT", HoldSide::Long, "1").unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_a_position());
        desk.exchange.cancel_order(ME, UsdtFutures, order).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_a_position());
    }
}

#[test]
fn plan_orders_of_every_type_block() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        for plan_type in PlanType::ALL {
            let id = desk.exchange.place_plan_order(ME, UsdtFutures, plan_type, "BTCUSDT").unwrap();
            assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
            desk.exchange.cancel_plan_order(ME, UsdtFutures, id).unwrap();
        }
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    }
}

#[test]
fn the_same_mode_on_a_flat_account_is_success_and_changes_nothing() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
        assert_eq!(desk.exchange.log()[0].executed, Executed::Same);
        assert!(desk.exchange.mode_changes().is_empty());
    }
}

#[test]
fn switch_same_mode_while_not_flat() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
        desk.exchange.switches_mut().same_mode_while_not_flat = SameMode::Refused;
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), desk.refused_for_a_position());
    }
}

#[test]
fn switch_same_mode_on_v3_is_for_unified_accounts_alone() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.switches_mut().same_mode_on_v3_code = Some("25001".to_owned());
        let expected = match api.kind {
            Kind::Classic => done(),
            Kind::Unified => (400, "25001".to_owned()),
        };
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), expected);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), expected);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_a_position());
        desk.exchange.switches_mut().same_mode_while_not_flat = SameMode::Refused;
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), desk.refused_for_a_position());
    }
}

#[test]
fn switch_what_is_not_flat() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
        desk.exchange.switches_mut().not_flat = NotFlat::RefusedByPositions;
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), desk.refused_for_a_position());
        desk.exchange.switches_mut().not_flat = NotFlat::Accepted;
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
        assert_eq!(desk.exchange.log().last().unwrap().flat, Some(false));
    }
}

#[test]
fn switch_code_and_status_of_refusals() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        let switches = desk.exchange.switches_mut();
        match api.kind {
            Kind::Classic => switches.not_flat_code = "45117".to_owned(),
            Kind::Unified => switches.not_flat_on_v3_code = "45117".to_owned(),
        }
        switches.not_flat_status = Some(409);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (409, "45117".to_owned()));
        let switches = desk.exchange.switches_mut();
        switches.not_flat_status = None;
        switches.refusal_status = 200;
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (200, "45117".to_owned()));
        assert_eq!(desk.get(api.positions, "").0, 200);
    }
}

#[test]
fn switch_code_where_only_orders_block_on_v3() {
    let mut desk = Desk::of(UNIFIED);
    desk.exchange.place_order(ME, CoinFutures, NewOrder::live("BTCUSD")).unwrap();
    for expected in ["25570", "25107", "25270", "25999"] {
        desk.exchange.switches_mut().orders_on_v3_code = expected.to_owned();
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (400, expected.to_owned()));
    }
    desk.exchange.switches_mut().not_flat_status = Some(200);
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), (200, "25999".to_owned()));
}

#[test]
fn switch_hidden_blockers() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.set_hidden_blocker(ME, UsdtFutures, Blocker::Running).unwrap();
        assert_eq!(desk.positions(UsdtFutures), Vec::<Value>::new());
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), desk.refused_for_orders());
        assert_eq!(desk.exchange.log().last().unwrap().flat, Some(false));
        desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Ignored;
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Refuse;
        desk.exchange.set_hidden_blocker(ME, UsdtFutures, Blocker::Absent).unwrap();
        assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    }
}

#[test]
fn switch_read_lag() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.switches_mut().read_lag_ms = 8_000;
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        assert_eq!(desk.mode(UsdtFutures), PosMode::OneWayMode);
        desk.wait(7_999);
        assert_eq!(desk.shown_mode(), "hedge_mode");
        desk.wait(1);
        assert_eq!(desk.shown_mode(), "one_way_mode");
    }
}

#[test]
fn a_clock_that_is_set_back_brings_no_old_mode_back() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
        for lag in [0, 3_000] {
            desk.exchange.switches_mut().read_lag_ms = lag;
            desk.wait(-3_600_000);
            assert_eq!(desk.shown_mode(), "one_way_mode");
        }
    }
}

#[test]
fn switch_late_timestamp() {
    for api in BOTH {
        for (switch, expected) in [
            (LateTimestamp::CheckedAgain, PosMode::HedgeMode),
            (LateTimestamp::CheckedOnArrival, PosMode::OneWayMode),
        ] {
            let mut desk = Desk::of(api);
            desk.exchange.switches_mut().late_timestamp = switch;
            let after = Duration::from_secs(31);
            desk.exchange.inject(Fault::once(FaultKind::ExecuteLater { after }));
            assert_eq!(desk.send(api.set_request(UsdtFutures, PosMode::OneWayMode)), Outcome::Dropped);
            desk.exchange.advance(UnixMs(START.0 + 60_000));
            assert_eq!(desk.mode(UsdtFutures), expected);
        }
    }
}
