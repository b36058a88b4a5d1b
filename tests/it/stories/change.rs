//! The change itself: when a set leaves, when none does, and what leaves the file.

use bitget_sim::{HoldSide, NewOrder, PlanType, PosMode};
use posmoded::ledger::EventKind;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flat_product_type_changes_while_another_waits_for_everything_to_be_gone() {
    let mut ids = None;
    let world = World::started(&file(&[("desk-a", BOTH_HEDGE)]), |exchange| {
        desks(exchange);
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
        let order = exchange.place_order(DESK_A, USDT, NewOrder::live("BTCUSDT")).unwrap();
        let plan = exchange.place_plan_order(DESK_A, USDT, PlanType::ProfitLoss, "BTCUSDT").unwrap();
        ids = Some((order, plan));
    })
    .await;
    let (order, plan) = ids.unwrap();
    changed(&world, A_COIN).await;
    assert_eq!(world.mode(DESK_A, COIN), PosMode::HedgeMode);
    assert!(
        world.line(A_USDT).starts_with("new, not_flat: Open: at least 1 plan order."),
        "{}",
        world.told()
    );

    world.exchange(|exchange| exchange.close_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long)).unwrap();
    world.pass(2 * MINUTE).await;
    assert!(
        world.line(A_USDT).starts_with("new, not_flat: Open: at least 1 plan order."),
        "{}",
        world.told()
    );
    world.exchange(|exchange| exchange.cancel_order(DESK_A, USDT, order)).unwrap();
    world.pass(2 * MINUTE).await;
    assert!(
        world.line(A_USDT).starts_with("new, not_flat: Open: at least 1 plan order."),
        "{}",
        world.told()
    );
    assert_eq!(world.sets(DESK_A, USDT).len(), 0, "nothing is sent while anything is open");

    world.exchange(|exchange| exchange.cancel_plan_order(DESK_A, USDT, plan)).unwrap();
    let took = world.until(MINUTE, "USDT changes", |world| world.is_in_sync(A_USDT)).await;
    assert!(took <= SETTLE + AFTER_SETTLE, "settle and 15 s, not {took:?}");
    assert_eq!(world.sets(DESK_A, USDT).len(), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_comes_back_before_settle_is_over_starts_the_wait_anew() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling: Flat for ").await;
    world.pass(20 * SECOND).await;
    let order =
        world.exchange(|exchange| exchange.place_order(DESK_A, USDT, NewOrder::live("BTCUSDT"))).unwrap();
    line_begins(&world, 15 * SECOND, A_USDT, "new, not_flat: Open: at least 1 order.").await;
    world.exchange(|exchange| exchange.cancel_order(DESK_A, USDT, order)).unwrap();
    let took = world.until(2 * MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
    assert!(took >= SETTLE, "flat for {took:?} only");
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_file_or_right_already_never_gets_a_set() {
    let world = World::started(&file(&[("desk-a", ONE_WAY)]), desks).await;
    world.until(10 * SECOND, "seen", |world| world.is_in_sync(A_USDT)).await;
    world.exchange(|exchange| exchange.flip(DESK_A, COIN, PosMode::HedgeMode)).unwrap();
    world.exchange(|exchange| exchange.flip(DESK_B, USDT, PosMode::HedgeMode)).unwrap();
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world), []);
    let log = world.log();
    assert!(log.iter().all(|entry| entry.account != Some(DESK_B)), "desk-b is not in the file");
    let others = log.iter().filter(|entry| entry.product.is_some_and(|product| product != USDT));
    assert_eq!(others.count(), 0, "only USDT-FUTURES is in the file");
    let history = world.history("desk-a");
    assert_eq!(kinds(&history), [EventKind::Adopted, EventKind::Pinned]);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f35_a_removed_account_is_released_and_gets_no_set_and_may_come_back() {
    let both = file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]);
    let mut world = World::started(&both, desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling: Flat for ").await;
    line_begins(&world, MINUTE, B_USDT, "new, settling: Flat for ").await;
    world.write(&file(&[("desk-b", HEDGE)]));
    world.until(5 * SECOND, "gone", |world| world.target(A_USDT).is_none()).await;
    let before = world.asked();
    world.pass(10 * MINUTE).await;
    assert!(world.is_in_sync(B_USDT));
    assert!(world.log()[before..].iter().all(|entry| entry.account != Some(DESK_A)), "not even a look");
    assert_eq!(world.mode(DESK_A, USDT), PosMode::OneWayMode);
    assert_eq!(count(&world.history("desk-a"), EventKind::Released), 1);

    world.stop().await;
    world.start().await;
    world.pass(5 * MINUTE).await;
    assert!(world.target(A_USDT).is_none());
    world.write(&both);
    line_begins(&world, 10 * SECOND, A_USDT, "new, settling").await;
    changed(&world, A_USDT).await;
    assert_eq!(world.sets(DESK_A, USDT).len(), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f35_a_product_type_that_leaves_the_file_is_released_alone_and_is_new_when_it_comes_back() {
    let world = World::started(&file(&[("desk-a", BOTH_HEDGE)]), desks).await;
    changed(&world, A_USDT).await;
    changed(&world, A_COIN).await;
    world.write(&file(&[("desk-a", HEDGE)]));
    world.until(5 * SECOND, "gone", |world| world.target(A_COIN).is_none()).await;
    world.exchange(|exchange| exchange.flip(DESK_A, COIN, PosMode::OneWayMode)).unwrap();
    world.pass(10 * MINUTE).await;
    assert_eq!(world.sets(DESK_A, COIN).len(), 1, "released: never corrected");
    assert!(world.is_in_sync(A_USDT));
    let released: Vec<_> = world.history("desk-a");
    let released: Vec<_> = released.iter().filter(|event| event.kind == EventKind::Released).collect();
    assert_eq!(
        released.iter().map(|event| event.scope.unwrap().as_str()).collect::<Vec<_>>(),
        ["COIN-FUTURES"]
    );

    world.write(&file(&[("desk-a", BOTH_HEDGE)]));
    line_begins(&world, 15 * SECOND, A_COIN, "new, ").await;
    changed(&world, A_COIN).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f35_an_account_that_leaves_the_file_while_its_set_is_under_way_is_not_set_again() {
    for offset in [0, 10, 25, 39, 41, 59, 61, 79, 81, 120] {
        let both = file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]);
        let first = just_before_the_first_set(&both, KINDS[0]).await;
        let world = World::started(&both, desks).await;
        world.pass(first + Duration::from_millis(offset)).await;
        world.write(&file(&[("desk-b", ONE_WAY)]));
        world.pass(5 * MINUTE).await;
        assert!(world.sets(DESK_A, USDT).len() <= 1, "offset {offset}");
        assert!(world.target(A_USDT).is_none(), "offset {offset}: {}", world.told());
        assert!(world.is_in_sync(B_USDT));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_one_set_is_being_verified_does_not_start_another_and_ends_soon() {
    // Both product types of one account are flat and due in the same moment.
    for offset in [0, 20, 45, 60, 100] {
        let mut world = World::started(&file(&[("desk-a", BOTH_HEDGE)]), desks).await;
        // Reads stay old for a while, so that the first set is still being verified when the stop comes.
        world.exchange(|exchange| exchange.switches_mut().read_lag_ms = 3_000);
        world.until(2 * MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        world.pass(Duration::from_millis(offset)).await;
        let (began, sets) = (world.clock.now(), all_sets(&world).len());
        tokio::time::timeout(15 * SECOND, world.stop()).await.expect("what is under way ends within 10 s");
        assert!(world.clock.now().since(began) <= 10 * SECOND);
        assert_eq!(all_sets(&world).len(), sets, "no new set after a stop");
        world.start().await;
        world.until(3 * MINUTE, "both", |world| world.is_in_sync(A_USDT) && world.is_in_sync(A_COIN)).await;
        assert_eq!(all_sets(&world).len(), 2);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_comes_as_a_set_is_about_to_be_noted_notes_none() {
    for of in KINDS {
        let mut world = of.started().await;
        world.pass(10 * SECOND).await;
        world.stop_at_the_next_claim();
        world.stop_comes().await;
        assert_eq!(all_sets(&world), []);
        assert_eq!(count(&world.history("desk-a"), EventKind::Noted), 0);
    }
}
