//! A host that cannot be reached, and clocks that are wrong.

use bitget_sim::PosMode;

use super::*;

const FIVE_MINUTES_MS: i64 = 300_000;

#[tokio::test(start_paused = true)]
async fn an_unreachable_host_is_told_and_everything_goes_on_when_it_is_back() {
    let mut world = World::new(&file(&[("desk-a", HEDGE)]), 1, desks);
    world.cut(true);
    world.start().await;
    line_begins(
        &world,
        15 * SECOND,
        "desk-a account",
        "unknown, kind_unknown: Which kind of account this is",
    )
    .await;
    let told = |world: &World| world.line("desk-a account").contains("no route to the exchange");
    world.until(15 * SECOND, "why", told).await;
    world.pass(HOUR).await;
    assert_eq!(world.log(), []);
    world.cut(false);
    world.until(5 * MINUTE + SETTLE + AFTER_SETTLE, "back", |world| world.is_in_sync(A_USDT)).await;

    world.cut(true);
    line_begins(&world, 2 * MINUTE, A_USDT, "in_sync, unreachable: no answer to the call account").await;
    line_begins(&world, 4 * MINUTE, A_USDT, "unknown, unreachable").await;
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
    world.pass(HOUR).await;
    world.cut(false);
    world.until(5 * MINUTE + SETTLE + AFTER_SETTLE, "corrected", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(all_sets(&world).len(), 2);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_away_while_settling_ends_no_wait_too_early() {
    for offset in [0, 5, 10, 20, 28, 29, 30] {
        let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
        line_begins(&world, MINUTE, A_USDT, "new, settling: Flat for").await;
        world.pass(offset * SECOND).await;
        world.cut(true);
        world.pass(MINUTE).await;
        world.cut(false);
        world.until(5 * MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f45_a_clock_that_is_five_minutes_off_at_start_is_no_obstacle() {
    for skew in [FIVE_MINUTES_MS, -FIVE_MINUTES_MS] {
        let mut world = World::new(&file(&[("desk-a", HEDGE)]), 1, desks);
        world.skew(skew);
        world.start().await;
        changed(&world, A_USDT).await;
        let sets = all_sets(&world);
        assert_eq!(sets.len(), 1);
        let off = sets[0].at.since(sets[0].signed.unwrap()).abs();
        assert!(off < 1_000, "signed with the exchange's time: {off} ms off");
        let other_kind = |entry: &LogEntry| entry.code.as_deref() == Some("40084");
        let fine = |entry: &LogEntry| entry.status == Some(200) || other_kind(entry);
        assert!(world.log().iter().all(fine), "nothing was refused but the question for the other kind");
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f45_a_clock_that_steps_by_five_minutes_while_running_is_measured_anew() {
    for (skew, offset) in
        [(FIVE_MINUTES_MS, 0), (-FIVE_MINUTES_MS, 0), (FIVE_MINUTES_MS, 35), (-FIVE_MINUTES_MS, 35)]
    {
        let world = World::started(&file(&[("desk-a", ONE_WAY)]), desks).await;
        world.until(15 * SECOND, "seen", |world| world.is_in_sync(A_USDT)).await;
        world.pass(offset * SECOND).await;
        world.skew(skew);
        world.pass(5 * MINUTE).await;
        assert!(world.is_in_sync(A_USDT), "{skew}: {}", world.told());
        let other_kind = |entry: &&LogEntry| entry.code.as_deref() == Some("40084");
        let log = world.log();
        let refused = log.iter().filter(|entry| entry.status != Some(200) && !other_kind(entry)).count();
        assert!(refused <= 1, "{refused} requests were refused");
        world.write(&file(&[("desk-a", HEDGE)]));
        line_begins(&world, 5 * SECOND, A_USDT, "pending, ").await;
        changed(&world, A_USDT).await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f45_a_clock_that_steps_while_a_set_is_due_sends_none_that_lasts_too_long() {
    for skew in [FIVE_MINUTES_MS, -FIVE_MINUTES_MS] {
        for offset in [0, 10, 25, 29] {
            let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
            line_begins(&world, MINUTE, A_USDT, "new, settling: Flat for").await;
            world.pass(offset * SECOND).await;
            world.skew(skew);
            world.until(3 * MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
            let executed = world.exchange(|exchange| exchange.mode_changes().len());
            assert_eq!(executed, 1, "{skew} {offset}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_keeper_fails_is_told_and_started_again_and_no_other_suffers() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.crash("desk-a", true);
    world.reload();
    line_begins(
        &world,
        5 * SECOND,
        A_USDT,
        "unknown, crashed: The task that looks after this account failed",
    )
    .await;
    changed(&world, B_USDT).await;
    world.pass(10 * MINUTE).await;
    assert!(world.line(A_USDT).starts_with("unknown, crashed"), "{}", world.told());
    assert_eq!(world.sets(DESK_A, USDT).len(), 0);
    world.crash("desk-a", false);
    world.until(10 * MINUTE, "started again and set", |world| world.is_in_sync(A_USDT)).await;
    world.check_invariants(SETTLE);
}
