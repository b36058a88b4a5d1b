//! What nobody could tell of the exchange: whichever way it is, everything becomes as the file says, and what must always
//! hold holds.

use bitget_sim::{
    Blocker, EmptyList, EndId, Fault, FaultKind, HiddenBlockers, HoldSide, LastCursor, LateTimestamp,
    NewOrder, NotFlat, OrdersWithoutStatus, PosMode, SameMode, SpotOrders, StrategyOrdersWithoutType,
    Switches,
};

use super::*;
use Moment::{ABot, APosition, ASlowExchange, ASpotOrder, AnOrder, TheSameMode, TheSameModeAndAPosition};

/// One setting, by name, with the moments in which it matters.
type Setting = (&'static str, &'static [Moment], fn(&mut Switches));

const SETTINGS: [Setting; 24] = [
    ("only orders block: 25107", &[AnOrder], |s| "25107".clone_into(&mut s.orders_on_v3_code)),
    ("only orders block: 25570", &[AnOrder], |s| "25570".clone_into(&mut s.orders_on_v3_code)),
    ("only orders block: 25270", &[AnOrder], |s| "25270".clone_into(&mut s.orders_on_v3_code)),
    ("only orders block: a code of no table", &[AnOrder], |s| "98765".clone_into(&mut s.orders_on_v3_code)),
    ("not flat: a code of no table", &[APosition, ABot], |s| {
        "98764".clone_into(&mut s.not_flat_code);
        "98764".clone_into(&mut s.not_flat_on_v3_code);
    }),
    ("the same mode is a success", &[TheSameMode], |s| s.same_mode_on_v3_code = None),
    ("the same mode is refused", &[TheSameMode], |s| s.same_mode_on_v3_code = Some("40919".to_owned())),
    ("the same mode is not flat", &[TheSameMode], |s| s.same_mode_on_v3_code = Some("25107".to_owned())),
    ("the same mode while not flat is a success", &[TheSameModeAndAPosition], |s| {
        s.same_mode_while_not_flat = SameMode::Success;
    }),
    ("the same mode while not flat is refused", &[TheSameModeAndAPosition], |s| {
        s.same_mode_while_not_flat = SameMode::Refused;
    }),
    ("a refusal is HTTP 200", &[APosition, TheSameMode], |s| s.refusal_status = 200),
    ("not flat is HTTP 409", &[APosition], |s| s.not_flat_status = Some(409)),
    ("anything that is open blocks", &[APosition, AnOrder], |s| s.not_flat = NotFlat::RefusedByAnything),
    ("positions alone block", &[APosition, AnOrder], |s| s.not_flat = NotFlat::RefusedByPositions),
    ("nothing blocks", &[APosition, AnOrder], |s| s.not_flat = NotFlat::Accepted),
    ("bots block", &[ABot], |s| s.hidden_blockers = HiddenBlockers::Refuse),
    ("bots do not block", &[ABot], |s| s.hidden_blockers = HiddenBlockers::Ignored),
    ("spot orders block", &[ASpotOrder], |s| s.spot_orders = SpotOrders::Refuse),
    ("spot orders do not block", &[ASpotOrder], |s| s.spot_orders = SpotOrders::Ignored),
    ("a late request is checked again", &[ASlowExchange], |s| s.late_timestamp = LateTimestamp::CheckedAgain),
    ("a late request is not checked again", &[ASlowExchange], |s| {
        s.late_timestamp = LateTimestamp::CheckedOnArrival;
    }),
    ("a read shows a set after 8 s", &[TheSameMode, ASlowExchange], |s| s.read_lag_ms = 8_000),
    ("empty lists are [], no endId, no cursor", &[AnOrder], |s| {
        s.empty_list = EmptyList::Empty;
        s.plan_end_id = EndId::Missing;
        s.last_cursor = LastCursor::Missing;
    }),
    ("lists hold more than they promise", &[AnOrder], |s| {
        s.orders_without_status = OrdersWithoutStatus::Both;
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

/// Whether a classic account never meets it.
fn is_of_v3(setting: &str) -> bool {
    ["only orders block", "the same mode is", "spot orders"].iter().any(|begins| setting.starts_with(begins))
}

#[tokio::test(start_paused = true)]
async fn whichever_way_the_exchange_is_everything_becomes_as_the_file_says() {
    for of in KINDS {
        let first = just_before_the_first_set(&file_of_a(of.hedge), of).await;
        for (name, moments, set) in SETTINGS {
            for moment in moments {
                if of.kind == Kind::Classic && is_of_v3(name) {
                    continue;
                }
                let what = format!("{:?}, {name}, {moment:?}", of.kind);
                let mut world = World::new(&file_of_a(of.hedge), 1, |exchange| {
                    of.open(exchange);
                    set(exchange.switches_mut());
                });
                world.start().await;
                world.pass(first).await;
                let end = world.exchange(|exchange| moment.come(exchange, of));
                world.pass(MINUTE).await;
                world.exchange(end);
                world.until(31 * MINUTE, &what, |world| world.is_in_sync(of.target)).await;
                world.pass(MINUTE).await;
                assert!(world.is_in_sync(of.target), "{what}: {}", world.told());
                assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode, "{what}");
                world.check_invariants(SETTLE);
            }
        }
    }
}
