//! 429: one lane, the whole address, and a process that is started again and again.

use bitget_sim::{Fault, FaultKind};

use super::*;

fn too_many() -> Fault {
    Fault::always(FaultKind::TooManyRequests)
}

#[tokio::test(start_paused = true)]
async fn a_429_on_one_lane_cools_that_lane_down_and_another_account_goes_on() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.inject(too_many().on("orders-pending").for_account(DESK_A));
    })
    .await;
    changed(&world, B_USDT).await;
    world.pass(30 * MINUTE).await;
    assert!(world.line(A_USDT).contains("rate_limited"), "{}", world.told());
    assert_eq!(world.sets(DESK_A, USDT), [], "what could not be read is not flat");
    let asked_there = asked(&world, DESK_A, "orders-pending");
    // Orders of two states; side by side only the first time.
    assert!((25..=45).contains(&asked_there), "5 s doubling to a minute, not {asked_there} requests");
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.until(6 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(A_USDT)).await;
}

#[tokio::test(start_paused = true)]
async fn f51_two_accounts_whose_strategies_use_their_limits_up_stop_no_other_account() {
    let three = file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY), ("desk-c", HEDGE)]);
    let world = World::started(&three, |exchange| {
        desks(exchange);
        for busy in [DESK_A, DESK_B] {
            exchange.inject(too_many().on("account/account").for_account(busy));
        }
    })
    .await;
    changed(&world, C_USDT).await;
    let before = asked(&world, DESK_C, "account/account");
    world.pass(HOUR).await;
    let looks = asked(&world, DESK_C, "account/account") - before;
    assert!(looks >= 55, "{looks} looks at the calm account within an hour");
    for busy in [A_USDT, B_USDT] {
        let line = world.line(busy);
        assert!(line.contains("which its strategies share"), "{line}");
        assert!(!line.contains("our own limit"), "{line}");
    }
    assert!(asked(&world, DESK_A, "account/account") <= 75, "each minute at most");
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.until(2 * MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f51_a_429_to_the_exchanges_time_too_means_the_address_and_everything_rests_until_it_is_answered() {
    let mut world =
        World::new(&file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY), ("desk-c", ONE_WAY)]), 1, desks);
    world.start().await;
    world.until(MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    world.exchange(|exchange| exchange.inject(too_many()));
    let heard =
        |world: &World| !world.requests(|entry| is_witness(entry) && entry.status == Some(429)).is_empty();
    world.until(2 * MINUTE, "a 429 to the witness", heard).await;
    let before = world.asked();
    // It outlives the process.
    world.kill().await;
    world.start().await;
    world.pass(5 * MINUTE).await;
    let since = world.log().split_off(before);
    assert!(since.iter().all(is_witness), "{since:#?}");
    assert!((5..=9).contains(&since.len()), "10 s doubling to a minute: {}", since.len());
    let line = world.line(A_USDT);
    assert!(line.contains("it is this host's address whose limit is used up"), "{line}");
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.until(3 * MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    world.check_invariants(SETTLE);
}

fn is_witness(entry: &LogEntry) -> bool {
    entry.path.ends_with("public/time")
}

#[tokio::test(start_paused = true)]
async fn a_429_for_a_set_is_a_definite_refusal_and_the_set_is_tried_again_after_the_cool_down() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.inject(Fault::once(FaultKind::TooManyRequests).on("set-position-mode"));
    })
    .await;
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    world.until(MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
    let sets = all_sets(&world);
    assert_eq!(sets.len(), 2);
    let gap = gaps(&sets)[0];
    assert!((5..=40).contains(&gap), "{gap} s");
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f23_ten_minutes_of_429_with_a_restart_every_20_seconds_stay_within_budget() {
    let mut world = World::new(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), 1, desks);
    world.exchange(|exchange| exchange.inject(too_many()));
    for _ in 0..30 {
        world.start().await;
        world.pass(20 * SECOND).await;
        world.kill().await;
    }
    let requests = world.asked();
    assert!(requests <= 60, "{requests} requests in ten minutes of 429");
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.start().await;
    world.until(6 * MINUTE, "as usual", |world| world.is_in_sync(A_USDT) && world.is_in_sync(B_USDT)).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f23_ten_minutes_of_429_for_two_accounts_with_a_restart_every_20_seconds_rest_their_lanes_each_time()
{
    let mut world = World::new(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), 1, desks);
    world.exchange(|exchange| {
        exchange.inject(too_many().for_account(DESK_A));
        exchange.inject(too_many().for_account(DESK_B));
    });
    for _ in 0..30 {
        world.start().await;
        world.pass(20 * SECOND).await;
        world.kill().await;
    }
    let refused = world.log().iter().filter(|entry| entry.status == Some(429)).count();
    assert!(
        refused <= 80,
        "{refused} refused requests in ten minutes, one or two of each account in each process"
    );
}

#[tokio::test(start_paused = true)]
async fn f24_no_lane_ever_takes_more_than_half_of_what_the_exchange_allows() {
    let world = World::started(&file(&[("desk-a", "position_mode: hedge_mode")]), desks).await;
    changed(&world, A_USDT).await;
    for _ in 0..20 {
        world.reload();
        world.pass(Duration::from_millis(300)).await;
    }
    world.pass(10 * MINUTE).await;
    let log = world.log();
    for (path, per_second) in [
        ("account/account", 5),
        ("all-position", 2),
        ("orders-pending", 5),
        ("orders-plan-pending", 5),
        ("account/info", 1),
        ("account/settings", 10),
    ] {
        let at: Vec<_> =
            log.iter().filter(|entry| entry.path.ends_with(path)).map(|entry| entry.at.0).collect();
        assert!(!at.is_empty(), "{path}");
        let most = at.windows(per_second + 1).filter(|some| some[per_second] - some[0] < 1000).count();
        assert_eq!(most, 0, "{path}: more than {per_second} in a second");
    }
    world.check_invariants(SETTLE);
}
