//! The start of a process, which does not know what was before it (I14).

use bitget_sim::{ApiKey, Fault, FaultKind};
use posmoded::constants::QUIET;

use super::*;

/// With `settle: 0s`, which leaves nothing else to wait for.
fn at_once(of: Desk) -> String {
    file_of_a(&format!("settle: 0s, {}", of.hedge))
}

#[tokio::test(start_paused = true)]
async fn f64_a_process_without_its_ledger_sends_nothing_while_a_set_of_before_may_take_effect() {
    for of in KINDS {
        let mut world = World::new(&at_once(of), 1, |exchange| of.open(exchange));
        world.quiet(QUIET);
        world.exchange(|exchange| exchange.inject(Fault::once(FaultKind::Hang).on(of.setter)));
        world.start().await;
        world.until(QUIET + AFTER_SETTLE, "a set", |world| !all_sets(world).is_empty()).await;
        world.kill().await;
        world.lose_the_ledger();
        world.start().await;
        let began = world.clock.now().0;
        line_begins(
            &world,
            AFTER_SETTLE,
            of.target,
            "new, settling: Flat for 0s. A new process sends no set in its first 41s, as",
        )
        .await;
        world.until(QUIET + AFTER_SETTLE, "a second set", |world| all_sets(world).len() == 2).await;
        let sets = all_sets(&world);
        let (first, second) = (&sets[0], &sets[1]);
        assert!(second.at.0 - began >= 41_000, "{} ms after the start", second.at.0 - began);
        assert!(second.at.0 - first.at.0 > 35_000, "after the fence of the first");
        // No later than it has to be: the verdict was kept up meanwhile.
        assert!(second.at.0 - began <= 43_000, "{} ms after the start", second.at.0 - began);
        world.until(AFTER_SETTLE, "in sync", |world| world.is_in_sync(of.target)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_settle_lasts_longer_a_start_delays_nothing() {
    let of = KINDS[0];
    let took = async |quiet: Duration| {
        let mut world =
            World::new(&file_of_a(&format!("settle: 60s, {}", of.hedge)), 1, |exchange| of.open(exchange));
        world.quiet(quiet);
        world.start().await;
        let began = world.clock.now().0;
        world.until(MINUTE + AFTER_SETTLE, "a set", |world| !all_sets(world).is_empty()).await;
        all_sets(&world)[0].at.0 - began
    };
    assert_eq!(took(QUIET).await, took(Duration::ZERO).await);
}

/// What the model checker found: who takes the key over from a process that was killed knows nothing of what that one sent.
#[tokio::test(start_paused = true)]
async fn f65_who_takes_a_key_over_is_quiet_first_however_long_it_has_run() {
    for of in KINDS {
        let mut world = World::new(&at_once(of), 1, |exchange| of.open(exchange));
        world.quiet(QUIET);
        world.claim_keys(Some(
            "Another process on this host (PID 7, user 0) changes accounts with the same key.",
        ));
        world.start().await;
        line_begins(&world, AFTER_SETTLE, of.target, "new, key_taken: Another process on this host (PID 7")
            .await;
        world.pass(10 * MINUTE).await;
        assert_eq!(all_sets(&world), []);
        world.claim_keys(None);
        let freed = world.clock.now().0;
        world.until(2 * MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        let after = all_sets(&world)[0].at.0 - freed;
        assert!((41_000..110_000).contains(&after), "{after} ms after the other one let go");
        world.until(AFTER_SETTLE, "in sync", |world| world.is_in_sync(of.target)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f65_with_another_key_a_process_is_quiet_anew_for_it_knows_nothing_of_who_had_that_one() {
    for of in KINDS {
        let mut world = World::new(&at_once(of), 1, |exchange| {
            of.open(exchange);
            exchange.add_key(DESK_A, ApiKey::named("second")).unwrap();
        });
        world.quiet(QUIET);
        world.start().await;
        world.until(QUIET + MINUTE, "in sync", |world| world.is_in_sync(of.target)).await;
        world.give_key("desk-a", "second");
        let given = world.clock.now().0;
        world.reload();
        world.pass(SECOND).await;
        world.write(&file_of_a(&format!("settle: 0s, {}", of.one_way)));
        world.until(2 * MINUTE, "a second set", |world| all_sets(world).len() == 2).await;
        let after = all_sets(&world)[1].at.0 - given;
        assert!((41_000..50_000).contains(&after), "{after} ms after the new key");
    }
}

/// The other one that it found: a new process has but one witness for the fence of a set that it finds, the exchange's time.
#[tokio::test(start_paused = true)]
async fn f63_a_set_that_a_new_process_finds_is_not_over_by_a_false_time_alone() {
    for of in KINDS {
        let mut world = World::new(&at_once(of), 1, |exchange| of.open(exchange));
        world.quiet(QUIET);
        let late = FaultKind::ExecuteLater { after: 20 * SECOND };
        world.exchange(|exchange| exchange.inject(Fault::once(late).on(of.setter)));
        world.start().await;
        world.until(QUIET + AFTER_SETTLE, "a set", |world| !all_sets(world).is_empty()).await;
        world.kill().await;
        // Every answer, that of the call `time` too, is dated 40 s ahead.
        world.skew(40_000);
        world.start().await;
        world.pass(10 * SECOND).await;
        assert!(world.line(of.target).contains("outcome_unknown: A set was sent"), "{}", world.told());
        world.until(2 * MINUTE, "resolved", |world| world.is_in_sync(of.target)).await;
        assert_eq!(all_sets(&world).len(), 1, "the first one took effect late");
        assert_eq!(count(&world.history("desk-a"), EventKind::TookEffect), 1);
    }
}
