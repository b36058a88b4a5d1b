//! Since when a target is out of sync, over all that may happen meanwhile.

use bitget_sim::HoldSide;
use posmoded::ledger::{EventKind, Span, Spans, SpansFilter};
use posmoded::protocol::{State, Wants};

use super::*;

#[tokio::test(start_paused = true)]
async fn f83_since_of_a_wait_outlives_looks_that_fail_and_not_another_wish() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    })
    .await;
    line_begins(&world, MINUTE, A_USDT, "new, not_flat").await;
    let since = |world: &World| world.target(A_USDT).unwrap().since;
    let began = since(&world);
    for _ in 0..2 {
        world.pass(5 * MINUTE).await;
        assert_eq!(since(&world), began);
        world.cut(true);
        world.until(10 * MINUTE, "a look fails", |world| world.line(A_USDT).contains("unreachable")).await;
        assert!(since(&world) > began, "that is another reason");
        world.cut(false);
        line_begins(&world, 10 * MINUTE, A_USDT, "new, not_flat").await;
        assert_eq!(since(&world), began, "it has waited for this all along");
    }
    world.cut(true);
    world.until(10 * MINUTE, "a look fails", |world| world.line(A_USDT).contains("unreachable")).await;
    world.write(&file(&[("desk-a", ONE_WAY)]));
    world.pass(MINUTE).await;
    world.write(&file(&[("desk-a", HEDGE)]));
    world.pass(MINUTE).await;
    world.cut(false);
    world.until(10 * MINUTE, "not flat", |world| world.line(A_USDT).contains("not_flat")).await;
    assert!(since(&world) > began, "the file has wanted something else meanwhile");
}

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
async fn f83_out_of_sync_since_outlives_restarts_where_the_kind_was_never_known_and_ends_with_the_account() {
    let both = file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]);
    let mut world = World::new(&both, 1, desks);
    world.take_key("desk-a", true);
    world.start().await;
    line_begins(&world, MINUTE, A_ACCOUNT, "unknown, credential").await;
    world.pass(MINUTE).await;
    let since = |world: &World| world.target(A_ACCOUNT).unwrap().out_of_sync_since.expect("out of sync");
    let began = since(&world);
    for _ in 0..2 {
        world.pass(10 * MINUTE).await;
        world.kill().await;
        world.start().await;
        line_begins(&world, MINUTE, A_ACCOUNT, "unknown, credential").await;
        let apart = since(&world).duration_since(began);
        assert!(apart.abs() <= jiff::SignedDuration::from_secs(1), "{apart}");
    }
    // It leaves the file while nobody runs, and is another one afterwards.
    world.kill().await;
    world.write(&file(&[("desk-b", HEDGE)]));
    world.start().await;
    world.pass(MINUTE).await;
    world.write(&both);
    line_begins(&world, MINUTE, A_ACCOUNT, "unknown, credential").await;
    assert!(since(&world).duration_since(began) > jiff::SignedDuration::from_mins(20), "{}", since(&world));
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

/// Spans, in seconds since some time.
type Seconds = Vec<(i64, Option<i64>)>;

/// When a daemon ran, and when the one target of desk-a was out of sync, and unknown, in seconds since `began`.
fn spans(world: &World, began: i64) -> (Seconds, Seconds, Seconds) {
    let filter = SpansFilter { accounts: vec!["desk-a".parse().unwrap()], since: i64::MIN, limit: 1000 };
    let Spans { since: _, watched, mut targets } = world.visitor().spans(&filter).unwrap();
    let second = |at: i64| (at - began).div_euclid(1000);
    let all = |spans: Vec<Span>| {
        spans.into_iter().map(|Span { since, until }| (second(since), until.map(second))).collect()
    };
    let target = targets.pop().expect("it is registered");
    assert!(targets.is_empty() && second(target.known_since) <= 15);
    (all(watched), all(target.out_of_sync), all(target.unknown))
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_no_daemon_ran_or_none_knew_is_on_record() {
    let mut world = World::started(&file_of_a(ONE_WAY), desks).await;
    let began = world.clock.now().0;
    let so_far = |world: &World| (world.clock.now().0 - began) / 1000;
    let lasts = |span: &(i64, Option<i64>)| span.1.unwrap() - span.0;
    world.until(15 * SECOND, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.pass(10 * MINUTE).await;
    let (watched, out_of_sync, unknown) = spans(&world, began);
    assert!(
        watched.len() == 1 && watched[0].0.abs() <= 1 && watched[0].1 >= Some(so_far(&world) - 61),
        "{watched:?}"
    );
    assert_eq!((out_of_sync, unknown), (vec![], vec![]));

    // Its looks fail: the last mode counts for a while, then nobody knows.
    world.cut(true);
    line_begins(&world, 5 * MINUTE, A_USDT, "unknown, unreachable").await;
    let lost = so_far(&world);
    world.pass(30 * MINUTE).await;
    let (_, out_of_sync, unknown) = spans(&world, began);
    assert_eq!((out_of_sync.len(), out_of_sync[0].1, unknown.len(), unknown[0].1), (1, None, 1, None));
    world.cut(false);
    world.until(5 * MINUTE, "back", |world| world.is_in_sync(A_USDT)).await;
    world.pass(2 * SECOND).await;
    let back = so_far(&world);
    let (_, out_of_sync, unknown) = spans(&world, began);
    assert_eq!((out_of_sync.len(), unknown.len()), (1, 1));
    for span in out_of_sync.iter().chain(&unknown) {
        assert!((lost - 5..=lost + 1).contains(&span.0), "{span:?} {lost}");
        assert!((back - 5..=back).contains(&span.1.expect("it is over")), "{span:?} {back}");
    }

    world.kill().await;
    let killed = so_far(&world);
    world.pass(HOUR).await;
    let (started, between) = (so_far(&world), |span: &(i64, Option<i64>)| span.1.unwrap() > killed);
    world.start().await;
    world.until(MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.pass(3 * MINUTE).await;
    world.stop().await;
    let (watched, _, unknown) = spans(&world, began);
    assert!(watched.len() == 2 && !between(&watched[0]) && watched[0].1 >= Some(killed - 61), "{watched:?}");
    assert!((started - 1..=started + 1).contains(&watched[1].0), "{watched:?} {started}");
    assert_eq!(watched[1].1, Some(so_far(&world)), "a stop marks");
    assert_eq!(unknown.len(), 1, "a first look that is quick is none: {unknown:?}");

    // What a process never knew is told by it as soon as it is known.
    world.cut(true);
    world.start().await;
    world.pass(HOUR).await;
    assert_eq!(spans(&world, began).0.len(), 2, "it has never known the exchange's time");
    world.cut(false);
    world.until(5 * MINUTE, "back", |world| world.is_in_sync(A_USDT)).await;
    world.pass(2 * MINUTE).await;
    let (watched, _, unknown) = spans(&world, began);
    assert_eq!((watched.len(), unknown.len()), (3, 2));
    assert!(lasts(&watched[2]) >= 3600 && lasts(&unknown[1]) >= 3595, "{watched:?} {unknown:?}");

    // And one that goes on when a process is killed ends with the first look of the next.
    world.cut(true);
    line_begins(&world, 5 * MINUTE, A_USDT, "unknown, unreachable").await;
    world.pass(5 * MINUTE).await;
    world.kill().await;
    world.pass(HOUR).await;
    world.cut(false);
    world.start().await;
    world.until(MINUTE, "back", |world| world.is_in_sync(A_USDT)).await;
    world.pass(2 * SECOND).await;
    let (_, _, unknown) = spans(&world, began);
    assert!(unknown.len() == 3 && lasts(&unknown[2]) >= 3600, "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_of_another_host_is_unknown_here_and_not_out_of_sync() {
    let mut world = World::started(&file_of_a(ONE_WAY), desks).await;
    let began = world.clock.now().0;
    world.until(15 * SECOND, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.write(&file_of_a(&format!("host: another-host, {ONE_WAY}")));
    line_begins(&world, MINUTE, A_USDT, "unknown, elsewhere").await;
    world.pass(10 * MINUTE).await;
    let (_, out_of_sync, unknown) = spans(&world, began);
    assert_eq!((out_of_sync, unknown.len()), (vec![], 1));
    world.stop().await;
}
