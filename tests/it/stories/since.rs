//! Since when a target is out of sync, over all that may happen meanwhile.

use posmoded::ledger::EventKind;
use posmoded::protocol::{State, Wants};

use super::*;

#[tokio::test(start_paused = true)]
async fn f83_out_of_sync_since_and_the_event_of_a_drift_outlive_restarts_reloads_and_pauses() {
    let report = |says: &str| file_with(100, "drift: report", &[("desk-a", says)]);
    let mut world = World::started(&report(ONE_WAY), desks).await;
    world.until(15 * SECOND, "in sync", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(world.target(A_USDT).unwrap().out_of_sync_since, None);
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "drifted, reported").await;
    let since = world.target(A_USDT).unwrap().out_of_sync_since.expect("it drifted");

    let stays = |world: &World| {
        let target = world.target(A_USDT).unwrap();
        assert_eq!((target.state, target.wants), (State::Drifted, Some(Wants::Human)), "{}", world.told());
        let apart = target.out_of_sync_since.expect("it is out of sync").duration_since(since);
        assert!(apart.abs() <= jiff::SignedDuration::from_secs(1), "{apart} from {since}");
        assert_eq!(count(&world.history("desk-a"), EventKind::Drift), 1);
    };
    world.pass(15 * MINUTE).await;
    stays(&world);
    world.kill().await;
    world.pass(MINUTE).await;
    world.start().await;
    let new = world.target(A_USDT).unwrap();
    assert_eq!(
        (new.state, new.reason, new.wants),
        (State::Unknown, None, Some(Wants::Itself)),
        "not looked at yet"
    );
    line_begins(&world, MINUTE, A_USDT, "drifted, reported").await;
    stays(&world);
    world.reload();
    world.pass(MINUTE).await;
    stays(&world);
    world.pause(None, Some(2 * SECOND));
    line_begins(&world, MINUTE, A_USDT, "drifted, paused").await;
    line_begins(&world, MINUTE, A_USDT, "drifted, reported").await;
    stays(&world);
    world.write(&format!("# another revision\n{}", report(ONE_WAY)));
    world.pass(2 * MINUTE).await;
    stays(&world);

    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
    world.until(2 * MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.stop().await;
    world.start().await;
    world.until(MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    let target = world.target(A_USDT).unwrap();
    assert_eq!((target.out_of_sync_since, target.wants), (None, None));
    assert_eq!(count(&world.history("desk-a"), EventKind::DriftOver), 1);

    // The next one is another one.
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "drifted, reported").await;
    assert_eq!(count(&world.history("desk-a"), EventKind::Drift), 2);
    assert!(world.target(A_USDT).unwrap().out_of_sync_since.unwrap() > since);
}

#[tokio::test(start_paused = true)]
async fn a_drift_that_a_set_of_ours_ends_is_not_over_by_itself() {
    let mut world = World::started(&file_of_a(ONE_WAY), desks).await;
    world.until(15 * SECOND, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "drifted, settling").await;
    world.kill().await;
    world.start().await;
    world.until(2 * MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    let told = kinds(&world.history("desk-a"));
    assert_eq!(told.iter().filter(|kind| **kind == EventKind::Drift).count(), 1, "{told:?}");
    assert!(!told.contains(&EventKind::DriftOver), "{told:?}");
}
