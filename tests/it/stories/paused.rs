//! Pause, resume and suspend: what an operator writes in another process, and when the daemon says that it knows.

use bitget_sim::{Fault, FaultKind};
use posmoded::ledger::{EventKind, ResumeError};
use posmoded::protocol::Wants;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_pause_of_everything_is_acknowledged_and_stops_all_sets_until_resume() {
    let mut world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    let request = world.visitor().pause(&[], "exchange maintenance", None).unwrap();
    assert!(!world.acknowledged(request), "not before the daemon has seen it");
    let took = world.until(5 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    assert!(took <= 2 * SECOND, "{took:?}");
    line_begins(
        &world,
        5 * SECOND,
        A_USDT,
        "new, paused: An operator paused it, until `posmoded resume`: exchange",
    )
    .await;
    assert_eq!(world.status().paused.unwrap().reason, "exchange maintenance");
    world.pass(HOUR).await;
    world.kill().await;
    world.start().await;
    line_begins(&world, 15 * SECOND, B_USDT, "new, paused").await;
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world), []);

    let request = world.visitor().resume(&[]).unwrap();
    world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    changed(&world, A_USDT).await;
    changed(&world, B_USDT).await;
    assert_eq!(world.status().paused, None);
    assert_eq!(all_sets(&world).len(), 2);
    let on_record = world.everything_on_record();
    assert_eq!((count(&on_record, EventKind::Paused), count(&on_record, EventKind::Resumed)), (1, 1));
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_one_account_stops_that_account_only() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    let desk_a = ["desk-a".parse().unwrap()];
    world.visitor().pause(&desk_a, "its strategy moves", None).unwrap();
    world.until(5 * SECOND, "shown", |world| world.status().paused_accounts.contains_key(&desk_a[0])).await;
    changed(&world, B_USDT).await;
    assert!(world.line(A_USDT).starts_with("new, paused"), "{}", world.told());
    assert_eq!(world.status().paused, None, "not everything is");
    world.visitor().pause(&[], "all of it", None).unwrap();
    world.visitor().resume(&[]).unwrap();
    changed(&world, A_USDT).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn one_account_cannot_be_resumed_out_of_a_pause_of_everything() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    world.visitor().pause(&[], "all of it", None).unwrap();
    let refused = world.visitor().resume(&["desk-a".parse().unwrap()]).unwrap_err();
    assert!(matches!(refused, ResumeError::EverythingPaused { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_with_an_end_ends_by_itself() {
    let mut world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    let until = world.clock.wall() + 2 * 3_600_000;
    world.visitor().pause(&[], "lunch", Some(2 * HOUR)).unwrap();
    line_begins(&world, 5 * SECOND, A_USDT, "new, paused: An operator paused it, for 2h more").await;
    world.pass(HOUR).await;
    world.stop().await;
    world.start().await;
    world.pass(50 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    let took = world.until(12 * MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
    assert!(took >= 9 * MINUTE, "{took:?}");
    assert!(took <= 10 * MINUTE + SETTLE + AFTER_SETTLE, "{took:?}");
    assert!(all_sets(&world)[0].at.0 >= until);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f71_a_wall_clock_that_is_set_ends_no_pause() {
    for ahead in [3 * HOUR, 5 * 365 * 24 * HOUR] {
        let mut world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
        line_begins(&world, MINUTE, A_USDT, "new, settling").await;
        let request = world.visitor().pause(&[], "lunch", Some(2 * HOUR)).unwrap();
        world.until(5 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
        let began = world.clock.now();
        world.clock.set_wall_ahead(i64::try_from(ahead.as_millis()).unwrap());
        world.pass(30 * MINUTE).await;
        line_begins(&world, 15 * SECOND, A_USDT, "new, paused: An operator paused it, for 1h ").await;
        // Nor a start with such a clock, before the exchange was heard from and after.
        world.stop().await;
        world.cut(true);
        world.start().await;
        assert!(world.status().paused.is_some(), "while its time is unknown, it stands");
        world.pass(30 * MINUTE).await;
        world.cut(false);
        world.clock.set_wall_ahead(0);
        world.until(3 * HOUR, "changed", |world| world.is_in_sync(A_USDT)).await;
        let took = world.clock.now().since(began);
        assert!(took >= 2 * HOUR && took <= 2 * HOUR + 2 * SETTLE + AFTER_SETTLE, "{took:?}");
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_written_while_the_exchange_was_away_lasts_from_when_it_is_back() {
    let mut world = World::new(&file(&[("desk-a", HEDGE)]), 1, desks);
    world.cut(true);
    world.start().await;
    let request = world.visitor().pause(&[], "lunch", Some(2 * HOUR)).unwrap();
    world.until(5 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    world.pass(3 * HOUR).await;
    assert!(world.status().paused.is_some());
    let back = world.clock.now();
    world.cut(false);
    world.until(3 * HOUR, "changed", |world| world.is_in_sync(A_USDT)).await;
    assert!(world.clock.now().since(back) >= 2 * HOUR);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_acknowledged_only_after_a_noted_set_was_answered() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    let slow = Fault::once(FaultKind::Delay { after: 4 * SECOND }).on("set-position-mode");
    world.exchange(|exchange| exchange.inject(slow));
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    let request = world.visitor().pause(&[], "stop", None).unwrap();
    world.pass(3 * SECOND).await;
    assert!(!world.acknowledged(request), "its answer is still under way");
    world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    world
        .until(5 * SECOND, "and the set is known to have gone through", |world| world.is_in_sync(A_USDT))
        .await;
    assert_eq!(all_sets(&world).len(), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_acknowledged_once_a_lost_set_is_left_under_its_fence_and_it_is_not_sent_again() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    world.exchange(|exchange| exchange.inject(Fault::once(FaultKind::Hang).on("set-position-mode")));
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    let request = world.visitor().pause(&[], "stop", None).unwrap();
    world.pass(5 * SECOND).await;
    assert!(!world.acknowledged(request), "nobody knows yet that no answer comes");
    world.until(8 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    assert!(world.line(A_USDT).starts_with("new, outcome_unknown"), "{}", world.told());
    line_begins(&world, 2 * MINUTE, A_USDT, "new, paused").await;
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world).len(), 1);
    world.visitor().resume(&[]).unwrap();
    changed(&world, A_USDT).await;
    assert_eq!(all_sets(&world).len(), 2);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_the_file_suspends_is_watched_and_never_changed() {
    let suspended = r#"position_mode: { USDT-FUTURES: hedge_mode }, suspend: "the risk review""#;
    let world = World::started(&file(&[("desk-a", suspended), ("desk-b", HEDGE)]), desks).await;
    changed(&world, B_USDT).await;
    assert_eq!(
        world.line(A_USDT),
        "new, suspended: The file suspends it: the risk review. Nothing is changed until `suspend` is out of the file."
    );
    world.pass(HOUR).await;
    assert_eq!(world.sets(DESK_A, USDT), []);
    assert!((59..=80).contains(&asked(&world, DESK_A, "/account/account")), "still watched");
    world.write(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]));
    changed(&world, A_USDT).await;

    let everything = file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY)])
        .replace("accounts:", "suspend: \"exchange maintenance\"\naccounts:");
    let sets = all_sets(&world).len();
    world.write(&everything);
    line_begins(
        &world,
        15 * SECOND,
        A_USDT,
        "pending, suspended: The file suspends it: exchange maintenance",
    )
    .await;
    line_begins(&world, 15 * SECOND, B_USDT, "pending, suspended").await;
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world).len(), sets);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn the_history_says_who_paused_and_for_how_long() {
    let mut world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    let alice = "alice as root (uid 0) on pts/3 of trade-01";
    let desk_a = ["desk-a".parse().unwrap()];
    let visitor = world.visitor().by(alice.to_owned());
    visitor.pause(&desk_a, "its strategy moves", Some(HOUR)).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "new, paused").await;
    assert_eq!(world.target(A_USDT).unwrap().wants, Some(Wants::Time), "it ends by itself");
    world.pass(59 * MINUTE).await;
    world.until(10 * MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.stop().await;
    world.start().await;
    world.pass(MINUTE).await;
    let told: Vec<(String, Option<String>)> = world
        .history("desk-a")
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::Paused | EventKind::PauseOver))
        .map(|event| (event.text, event.who))
        .collect();
    assert_eq!(
        told,
        [
            ("The account was paused for 1h: its strategy moves".to_owned(), Some(alice.to_owned())),
            (format!("The pause of the account, by {alice}, is over: it was for 1h."), None),
        ]
    );
}
