//! Somebody else keeps changing the mode back.

use bitget_sim::PosMode;
use posmoded::ledger::EventKind;

use super::*;

const FIGHTING: &str = "drifted, fighting: It was corrected 3 times within 1d";

/// Somebody sets one-way mode every `every`, for a while.
async fn flipping(world: &World, every: Duration, span: Duration) {
    let began = world.clock.now();
    while world.clock.now().since(began) < span {
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
        world.pass(every).await;
    }
}

async fn in_sync_then_fought_over(of: Desk) -> World {
    let world = of.started().await;
    changed(&world, of.target).await;
    flipping(&world, 5 * SECOND, 30 * MINUTE).await;
    assert!(world.line(of.target).starts_with(FIGHTING), "{}", world.told());
    world
}

#[tokio::test(start_paused = true)]
async fn f21_after_three_corrections_it_is_a_fight_and_nothing_more_is_sent() {
    for of in KINDS {
        let world = in_sync_then_fought_over(of).await;
        assert_eq!(all_sets(&world).len(), 1 + 3);
        let history = world.history("desk-a");
        assert_eq!(
            (count(&history, EventKind::Drift), count(&history, EventKind::Fighting)),
            (3, 1),
            "{history:#?}"
        );
        world.pass(4 * HOUR).await;
        assert_eq!(all_sets(&world).len(), 1 + 3);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f21_who_changes_it_back_before_any_read_can_show_it_is_met_ever_more_rarely() {
    for of in KINDS {
        let world = of.started().await;
        changed(&world, of.target).await;
        flipping(&world, Duration::from_millis(10), 20 * MINUTE).await;
        let sets = all_sets(&world).len();
        assert!(sets <= 1 + 5, "{sets} sets, {}", world.told());
        let line = world.line(of.target);
        assert!(
            line.starts_with("drifted, unexpected: The last ") && line.contains("no read showed it"),
            "{line}"
        );
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f21_one_correction_an_hour_is_a_fight_by_the_third() {
    let [of, _] = KINDS;
    let world = of.started().await;
    changed(&world, of.target).await;
    flipping(&world, HOUR, 8 * HOUR).await;
    assert_eq!(all_sets(&world).len(), 1 + 3);
    assert!(world.line(of.target).starts_with(FIGHTING), "{}", world.told());
}

#[tokio::test(start_paused = true)]
async fn f22_a_revision_that_changes_the_target_acts_at_once() {
    for of in KINDS {
        let world = in_sync_then_fought_over(of).await;
        world.write(&file_of_a(of.one_way));
        world.until(5 * SECOND, "as is", |world| world.is_in_sync(of.target)).await;
        world.write(&file_of_a(of.hedge));
        line_begins(&world, 5 * SECOND, of.target, "pending, settling").await;
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 1 + 3 + 1);
        flipping(&world, 5 * SECOND, 30 * MINUTE).await;
        assert_eq!(all_sets(&world).len(), 1 + 3 + 1 + 3, "counted anew");
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_changes_only_another_target_ends_no_fight() {
    let [of, _] = KINDS;
    let world = in_sync_then_fought_over(of).await;
    world.write(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]));
    changed(&world, B_USDT).await;
    world.pass(10 * MINUTE).await;
    assert!(world.line(of.target).starts_with(FIGHTING), "{}", world.told());
    assert_eq!(world.sets(DESK_A, USDT).len(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn resume_ends_a_fight_and_counts_anew() {
    for of in KINDS {
        let world = in_sync_then_fought_over(of).await;
        assert!(world.resume(Some("desk-a")));
        line_begins(&world, 15 * SECOND, of.target, "drifted, settling").await;
        changed(&world, of.target).await;
        flipping(&world, 5 * SECOND, 30 * MINUTE).await;
        assert_eq!(all_sets(&world).len(), 1 + 3 + 1 + 2);
        assert!(world.line(of.target).starts_with(FIGHTING), "{}", world.told());
        let history = world.history("desk-a");
        assert_eq!(count(&history, EventKind::Resumed), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f21_a_fight_stays_one_over_a_restart() {
    for of in KINDS {
        let mut world = in_sync_then_fought_over(of).await;
        world.kill().await;
        world.start().await;
        line_begins(&world, 15 * SECOND, of.target, FIGHTING).await;
        world.pass(HOUR).await;
        assert_eq!(all_sets(&world).len(), 1 + 3);

        world.stop().await;
        assert!(world.resume(None));
        world.start().await;
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 1 + 3 + 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fight_is_ended_under_a_pause_of_everything_which_goes_on() {
    let [of, _] = KINDS;
    let world = in_sync_then_fought_over(of).await;
    line_begins(&world, HOUR, of.target, "drifted, fighting").await;
    assert!(world.line(of.target).contains("`posmoded resume desk-a`"), "{}", world.told());
    world.visitor().pause(&[], "lunch", None).unwrap();
    world.visitor().resume(&["desk-a".parse().unwrap()]).unwrap();
    line_begins(
        &world,
        MINUTE,
        of.target,
        "drifted, paused: An operator paused it, until `posmoded resume`: lunch",
    )
    .await;
    let sets = all_sets(&world).len();
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world).len(), sets);
    world.visitor().resume(&[]).unwrap();
    world.until(10 * MINUTE, "corrected", |world| world.is_in_sync(of.target)).await;
    // A second time there is no fight to end.
    world.visitor().pause(&[], "tea", None).unwrap();
    assert!(world.visitor().resume(&["desk-a".parse().unwrap()]).is_err());
}
