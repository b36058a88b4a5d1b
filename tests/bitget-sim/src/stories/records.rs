//! The log, the changes of mode, the state: what tests check a client by.

use std::time::Duration;

use proptest::prelude::*;

use crate::ProductType::UsdtFutures;
use crate::{By, Executed, Fault, FaultKind, HoldSide, NewOrder, PosMode, Uid, UnixMs};

use super::*;

#[test]
fn the_log_says_enough_to_check_a_client_by() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
        desk.positions(UsdtFutures);
        desk.data(api.orders, &api.about(UsdtFutures));
        desk.exchange.close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long).unwrap();
        desk.positions(UsdtFutures);
        desk.set(UsdtFutures, PosMode::OneWayMode);
        let log = desk.exchange.log().iter();
        let told: Vec<_> =
            log.map(|entry| (entry.kind, entry.product, entry.signed, entry.listed, entry.flat)).collect();
        let row = |product, listed, flat| (Some(api.kind), product, Some(START), listed, Some(flat));
        let list = |rows, flat| row(Some(UsdtFutures), Some(rows), flat);
        let set = row(api.subject(UsdtFutures), None, true);
        assert_eq!(told, [list(1, false), list(0, false), list(0, true), set]);
        assert!(desk.exchange.log().iter().all(|entry| entry.account == Some(ME)));
    }
}

#[test]
fn a_flip_by_hand_is_told_apart_from_a_set_and_shows_in_the_state() {
    for api in BOTH {
        let mut desk = Desk::of(api);
        desk.set(UsdtFutures, PosMode::OneWayMode);
        desk.exchange.flip(ME, UsdtFutures, PosMode::HedgeMode).unwrap();
        let changes = desk.exchange.mode_changes().iter();
        let by: Vec<_> = changes.map(|change| (change.by, change.product)).collect();
        let product = api.subject(UsdtFutures);
        assert_eq!(by, [(By::Set, product), (By::Hand, product)]);
        let state = desk.exchange.snapshot();
        assert_eq!(state[0].products["USDT-FUTURES"].mode, PosMode::HedgeMode);
        assert_eq!(state[0].keys, ["key-alpha"]);
    }
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

/// What can happen in a day, with the milliseconds that pass before it.
#[derive(Clone, Debug)]
enum Event {
    Set(PosMode),
    List,
    Open,
    Close,
    Order,
    Late(u64),
    Lose,
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let mode = prop_oneof![Just(PosMode::OneWayMode), Just(PosMode::HedgeMode)];
    let event = prop_oneof![
        4 => mode.prop_map(Event::Set),
        2 => Just(Event::List),
        1 => Just(Event::Open),
        2 => Just(Event::Close),
        1 => Just(Event::Order),
        1 => (0_u64..60_000).prop_map(Event::Late),
        1 => Just(Event::Lose),
    ];
    prop::collection::vec((0_i64..5_000, event), 1..60)
}

fn either() -> impl Strategy<Value = Api> {
    prop_oneof![Just(CLASSIC), Just(UNIFIED)]
}

fn live(api: Api, events: &[(i64, Event)]) -> Desk {
    let mut desk = Desk::of(api);
    let mut order = None;
    for (passes, event) in events {
        desk.wait(*passes);
        desk.exchange.advance(desk.now);
        let exchange = &mut desk.exchange;
        match event {
            Event::Set(mode) => drop(desk.send(api.set_request(UsdtFutures, *mode))),
            Event::List => drop(desk.send(api.list_positions(UsdtFutures))),
            Event::Open => {
                exchange.open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
            }
            Event::Close => {
                drop(exchange.close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long));
                if let Some(id) = order.take() {
                    exchange.cancel_order(ME, UsdtFutures, id).unwrap();
                }
            }
            Event::Order if order.is_none() => {
                order = Some(exchange.place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT")).unwrap());
            }
            Event::Order => {}
            Event::Late(ms) => {
                let after = Duration::from_millis(*ms);
                exchange.inject(Fault::once(FaultKind::ExecuteLater { after }));
            }
            Event::Lose => exchange.inject(Fault::once(FaultKind::DropReply)),
        }
    }
    desk.exchange.advance(UnixMs(desk.now.0 + 60_000));
    desk
}

proptest! {
    #[test]
    fn a_mode_changes_only_by_a_logged_set_on_a_flat_account_within_its_window(api in either(), events in events()) {
        let desk = live(api, &events);
        let applied: Vec<_> = desk
            .exchange
            .log()
            .iter()
            .filter(|entry| matches!(entry.executed, Executed::Applied { .. }))
            .collect();
        for entry in &applied {
            prop_assert_eq!(entry.flat, Some(true));
            prop_assert_eq!(entry.code.as_deref(), Some("00000"));
            prop_assert!(entry.at.since(entry.signed.unwrap()) <= 30_000);
        }
        let changes: Vec<_> = desk.exchange.mode_changes().iter().map(|change| (change.at, change.to)).collect();
        let told: Vec<_> = applied.iter().map(|entry| (entry.at, entry.wanted.unwrap())).collect();
        prop_assert_eq!(&changes, &told);
        let last = changes.last().map_or(PosMode::HedgeMode, |(_, mode)| *mode);
        prop_assert_eq!(desk.mode(UsdtFutures), last);
    }

    #[test]
    fn the_same_day_twice_gives_the_same_log(api in either(), events in events()) {
        let (once, again) = (live(api, &events), live(api, &events));
        prop_assert_eq!(once.exchange.log(), again.exchange.log());
    }
}
