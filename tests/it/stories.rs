//! Whole stories of classic accounts, in virtual time: what a desk would see, and what the exchange was asked.

use std::time::Duration;

use bitget_sim::{
    Exchange, Fault, FaultKind, HoldSide, NewAccount, NewOrder, PlanType, PosMode, ProductType, Uid,
};

use crate::world::World;

const DESK: Uid = Uid(1001);
const USDT: ProductType = ProductType::UsdtFutures;
const COIN: ProductType = ProductType::CoinFutures;
const MINUTE: Duration = Duration::from_secs(60);

/// A file with one account; `mode` goes under `position_mode:`.
fn file(mode: &str, rest: &str) -> String {
    format!(
        "version: 1\nmax_changes: 3\ndefaults: {{ drift: correct, settle: 30s }}\naccounts:\n  desk-a:\n    \
         position_mode: {mode}\n{rest}...\n"
    )
}

const BOTH_HEDGE: &str = "{ USDT-FUTURES: hedge_mode, COIN-FUTURES: hedge_mode }";
const BOTH_ONE_WAY: &str = "{ USDT-FUTURES: one_way_mode, COIN-FUTURES: one_way_mode }";

fn desk(exchange: &mut Exchange) {
    let desk = NewAccount::classic(DESK, "desk-a");
    exchange.add_account(desk.with_mode(USDT, PosMode::OneWayMode).with_mode(COIN, PosMode::OneWayMode));
}

#[tokio::test(start_paused = true)]
async fn a_flat_product_type_changes_while_another_waits_for_everything_to_be_gone() {
    let mut ids = None;
    let world = World::started(&file(BOTH_HEDGE, ""), |exchange| {
        desk(exchange);
        exchange.open_position(DESK, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
        let order = exchange.place_order(DESK, USDT, NewOrder::live("BTCUSDT")).unwrap();
        let plan = exchange.place_plan_order(DESK, USDT, PlanType::ProfitLoss, "BTCUSDT").unwrap();
        ids = Some((order, plan));
    })
    .await;
    let (order, plan) = ids.unwrap();
    world.until(MINUTE, "COIN changes", |world| world.is_in_sync("desk-a COIN-FUTURES")).await;
    assert_eq!(world.mode(DESK, COIN), PosMode::HedgeMode);
    assert!(world.line("desk-a USDT-FUTURES").starts_with("new, not_flat: Open: 1 position."));

    world.exchange(|exchange| exchange.close_position(DESK, USDT, "BTCUSDT", HoldSide::Long)).unwrap();
    world.pass(2 * MINUTE).await;
    world.exchange(|exchange| exchange.cancel_order(DESK, USDT, order)).unwrap();
    world.pass(2 * MINUTE).await;
    assert!(world.line("desk-a USDT-FUTURES").starts_with("new, not_flat: Open: 1 plan order."));
    assert_eq!(world.sets(DESK, USDT).len(), 0, "nothing is sent while anything is open");

    world.exchange(|exchange| exchange.cancel_plan_order(DESK, USDT, plan)).unwrap();
    let took = world.until(MINUTE, "USDT changes", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    assert!(took <= Duration::from_secs(30 + 15), "settle and 15 s, not {took:?}");
    assert_eq!(world.sets(DESK, USDT).len(), 1);
    world.check_invariants(Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn new_pending_and_drift_are_told_apart() {
    let world = World::started(&file(BOTH_HEDGE, ""), desk).await;
    world
        .until(MINUTE, "shown", |world| world.line("desk-a USDT-FUTURES").starts_with("new, settling"))
        .await;
    world.until(MINUTE, "set", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    world.write(&file(BOTH_ONE_WAY, ""));
    world.until(MINUTE, "pending", |world| world.line("desk-a USDT-FUTURES").starts_with("pending, ")).await;
    world.until(MINUTE, "set", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    world.exchange(|exchange| exchange.flip(DESK, USDT, PosMode::HedgeMode)).unwrap();
    world
        .until(2 * MINUTE, "drift", |world| world.line("desk-a USDT-FUTURES").starts_with("drifted, "))
        .await;
    world.until(MINUTE, "corrected", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    assert_eq!(world.sets(DESK, USDT).len(), 3);
    world.check_invariants(Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_the_file_wants_no_more_when_it_is_confirmed_is_changed_back_and_is_no_drift() {
    let report =
        |mode| file(mode, "").replace("drift: correct", "drift: report").replace("settle: 30s", "settle: 0s");
    let world = World::started(&report(BOTH_ONE_WAY), desk).await;
    world.until(MINUTE, "adopted", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    world.exchange(|exchange| {
        let late = FaultKind::Delay { after: Duration::from_secs(3) };
        exchange.inject(Fault::once(late).times(2).on("set-position-mode"));
    });
    world.write(&report(BOTH_HEDGE));
    world.until(MINUTE, "a set is under way", |world| !world.sets(DESK, USDT).is_empty()).await;
    world.write(&report(BOTH_ONE_WAY));
    world.until(2 * MINUTE, "back", |world| world.is_in_sync("desk-a USDT-FUTURES")).await;
    assert_eq!(world.mode(DESK, USDT), PosMode::OneWayMode);
    assert!(world.sets(DESK, USDT).len() <= 2);
    world.check_invariants(Duration::ZERO);
}
