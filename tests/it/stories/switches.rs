//! What nobody could tell of the exchange: whichever way it is, everything becomes as the file says, and what must always
//! hold holds.

use bitget_sim::{
    Blocker, EmptyList, EndId, Fault, FaultKind, HiddenBlockers, HoldSide, LastCursor, LateTimestamp,
    NewOrder, NotFlat, OrdersWithoutStatus, PosMode, SameMode, SpotOrders, StrategyOrdersWithoutType,
    Switches,
};

use super::*;

/// One setting, by name.
type Setting = (&'static str, fn(&mut Switches));

const SETTINGS: [Setting; 28] = [
    ("only orders block: 25107", |s| s.orders_on_v3_code = "25107".to_owned()),
    ("only orders block: 25570", |s| s.orders_on_v3_code = "25570".to_owned()),
    ("only orders block: 25270", |s| s.orders_on_v3_code = "25270".to_owned()),
    ("only orders block: a code of no table", |s| s.orders_on_v3_code = "98765".to_owned()),
    ("not flat: a code of no table", |s| {
        s.not_flat_code = "98764".to_owned();
        s.not_flat_on_v3_code = "98764".to_owned();
    }),
    ("the same mode is a success", |s| s.same_mode_on_v3_code = None),
    ("the same mode is refused", |s| s.same_mode_on_v3_code = Some("40919".to_owned())),
    ("the same mode is refused as not flat", |s| s.same_mode_on_v3_code = Some("25107".to_owned())),
    ("the same mode while not flat is a success", |s| s.same_mode_while_not_flat = SameMode::Success),
    ("the same mode while not flat is refused", |s| s.same_mode_while_not_flat = SameMode::Refused),
    ("a refusal is HTTP 200", |s| s.refusal_status = 200),
    ("a refusal is HTTP 400", |s| s.refusal_status = 400),
    ("not flat is HTTP 200", |s| s.not_flat_status = Some(200)),
    ("not flat is HTTP 409", |s| s.not_flat_status = Some(409)),
    ("anything that is open blocks", |s| s.not_flat = NotFlat::RefusedByAnything),
    ("positions alone block", |s| s.not_flat = NotFlat::RefusedByPositions),
    ("nothing blocks", |s| s.not_flat = NotFlat::Accepted),
    ("bots block", |s| s.hidden_blockers = HiddenBlockers::Refuse),
    ("bots do not block", |s| s.hidden_blockers = HiddenBlockers::Ignored),
    ("spot orders block", |s| s.spot_orders = SpotOrders::Refuse),
    ("spot orders do not block", |s| s.spot_orders = SpotOrders::Ignored),
    ("a late request is checked again", |s| s.late_timestamp = LateTimestamp::CheckedAgain),
    ("a late request is not checked again", |s| s.late_timestamp = LateTimestamp::CheckedOnArrival),
    ("a read shows a set at once", |s| s.read_lag_ms = 0),
    ("a read shows a set after 8 s", |s| s.read_lag_ms = 8_000),
    ("empty lists are [], no endId, no cursor", |s| {
        s.empty_list = EmptyList::Empty;
        s.plan_end_id = EndId::Missing;
        s.last_cursor = LastCursor::Missing;
    }),
    ("all orders without a status", |s| s.orders_without_status = OrdersWithoutStatus::Both),
    ("all strategy orders without a type", |s| {
        s.strategy_orders_without_type = StrategyOrdersWithoutType::Both;
    }),
];

/// What happens in the moment before the first set arrives.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AnOrder,
    APosition,
    ABot,
    ASpotOrder,
    TheSameMode,
    TheSameModeAndAPosition,
    ASlowExchange,
}

const MOMENTS: [Moment; 7] = [
    Moment::AnOrder,
    Moment::APosition,
    Moment::ABot,
    Moment::ASpotOrder,
    Moment::TheSameMode,
    Moment::TheSameModeAndAPosition,
    Moment::ASlowExchange,
];

impl Moment {
    /// Gives back what ends it.
    fn come(self, exchange: &mut Exchange, of: Desk) -> Box<dyn FnOnce(&mut Exchange)> {
        let open = |exchange: &mut Exchange| {
            exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
        };
        let close = |exchange: &mut Exchange| {
            exchange.close_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long).unwrap();
        };
        match self {
            Moment::AnOrder => {
                let id = exchange.place_order(DESK_A, USDT, NewOrder::live("BTCUSDT")).unwrap();
                Box::new(move |exchange| exchange.cancel_order(DESK_A, USDT, id).unwrap())
            }
            Moment::APosition => {
                open(exchange);
                Box::new(close)
            }
            Moment::ABot => {
                exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Running).unwrap();
                Box::new(|exchange| exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Absent).unwrap())
            }
            Moment::ASpotOrder => {
                let id = exchange.place_spot_order(DESK_A, NewOrder::live("BTCUSDT")).unwrap();
                Box::new(move |exchange| exchange.cancel_spot_order(DESK_A, id).unwrap())
            }
            Moment::TheSameMode => {
                exchange.flip(DESK_A, USDT, PosMode::HedgeMode).unwrap();
                Box::new(|_| {})
            }
            Moment::TheSameModeAndAPosition => {
                exchange.flip(DESK_A, USDT, PosMode::HedgeMode).unwrap();
                open(exchange);
                Box::new(close)
            }
            Moment::ASlowExchange => {
                exchange.inject(Fault::once(FaultKind::ExecuteLater { after: 50 * SECOND }).on(of.setter));
                Box::new(|_| {})
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_way_the_exchange_is_everything_becomes_as_the_file_says() {
    for of in KINDS {
        let first = just_before_the_first_set(&of.file(of.hedge), of).await;
        for (name, set) in SETTINGS {
            for moment in MOMENTS {
                let what = format!("{:?}, {name}, {moment:?}", of.kind);
                let mut world = World::new(&of.file(of.hedge), 1, |exchange| {
                    of.open(exchange);
                    set(exchange.switches_mut());
                });
                world.start().await;
                world.pass(first).await;
                let end = world.exchange(|exchange| moment.come(exchange, of));
                world.pass(3 * MINUTE).await;
                world.exchange(end);
                world.until(31 * MINUTE, &what, |world| world.is_in_sync(of.target)).await;
                world.pass(5 * MINUTE).await;
                assert!(world.is_in_sync(of.target), "{what}: {}", world.told());
                assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode, "{what}");
                world.check_invariants(SETTLE);
            }
        }
    }
}
