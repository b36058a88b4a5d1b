//! The three-way compare as an operator reads it: new, pending, drift; set, adopted, external; `drift: report`.

use bitget_sim::{Fault, FaultKind, PosMode};
use posmoded::facts::{Cause, How};
use posmoded::ledger::EventKind;

use super::*;

#[tokio::test(start_paused = true)]
async fn new_pending_and_drift_are_told_apart_in_status_and_history() {
    for of in KINDS {
        let world = of.started().await;
        line_begins(&world, MINUTE, of.target, "new, settling").await;
        changed(&world, of.target).await;
        world.write(&file_of_a(of.one_way));
        line_begins(&world, MINUTE, of.target, "pending, settling").await;
        changed(&world, of.target).await;
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
        line_begins(&world, 2 * MINUTE, of.target, "drifted, settling").await;
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 3);

        let history = world.history("desk-a");
        let noted: Vec<_> = history.iter().filter(|event| event.kind == EventKind::Noted).collect();
        let causes: Vec<_> = noted.iter().map(|event| event.cause.unwrap()).collect();
        assert_eq!(causes, [Cause::New, Cause::Pending, Cause::Drift]);
        let generations: Vec<_> = noted.iter().map(|event| event.generation.unwrap().0).collect();
        assert_eq!(generations, [1, 2, 2]);
        assert_eq!(count(&history, EventKind::Drift), 1);
        assert_eq!(count(&history, EventKind::Confirmed), 3);
        let applied = world.target(of.target).unwrap().applied.unwrap();
        assert_eq!((applied.how, applied.generation.0), (How::Set, 2));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_as_the_file_wants_is_adopted_or_external_and_not_set() {
    for of in KINDS {
        let often = |mode: &str| file_of_a(mode).replace("check_every: 60s", "check_every: 10s");
        let world = World::started(&often(of.one_way), |exchange| of.open(exchange)).await;
        world.until(10 * SECOND, "adopted", |world| world.is_in_sync(of.target)).await;
        assert_eq!(world.target(of.target).unwrap().applied.unwrap().how, How::Adopted);
        world.write(&often(of.hedge));
        line_begins(&world, 10 * SECOND, of.target, "pending, settling").await;
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
        world.until(15 * SECOND, "external", |world| world.is_in_sync(of.target)).await;
        assert_eq!(world.target(of.target).unwrap().applied.unwrap().how, How::External);
        world.pass(10 * MINUTE).await;
        assert_eq!(all_sets(&world), []);
        let history = world.history("desk-a");
        assert_eq!(kinds(&history), [EventKind::Adopted, EventKind::Pinned, EventKind::External]);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn drift_that_is_only_reported_gets_no_set_and_a_changed_file_is_applied_all_the_same() {
    for of in KINDS {
        let says = |mode: &str| file_with(100, "drift: report", &[("desk-a", mode)]);
        let world = World::started(&says(of.one_way), |exchange| of.open(exchange)).await;
        world.until(10 * SECOND, "adopted", |world| world.is_in_sync(of.target)).await;
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
        line_begins(&world, 2 * MINUTE, of.target, "drifted, reported: Somebody changed it at the exchange")
            .await;
        world.pass(2 * HOUR).await;
        assert_eq!(all_sets(&world), []);
        assert_eq!(count(&world.history("desk-a"), EventKind::Drift), 1, "said once");
        assert_eq!(count(&world.everything_on_record(), EventKind::Held), 1, "and what approves it, too");

        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
        world.until(2 * MINUTE, "back", |world| world.is_in_sync(of.target)).await;
        world.write(&says(of.hedge));
        line_begins(&world, 10 * SECOND, of.target, "pending, settling").await;
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

/// Somebody flips the mode; gives back the hash of the plan that the drift is in.
async fn drifts(world: &World, of: Desk) -> String {
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode)).unwrap();
    world
        .until(2 * MINUTE, "reported with its hash", |world| {
            let held = world.status().held;
            held.is_some_and(|held| {
                world.line(of.target).contains(&format!("`posmoded approve {}`", held.hash))
            })
        })
        .await;
    let line = world.line(of.target);
    assert!(line.starts_with("drifted, reported: Somebody changed it at the exchange"), "{line}");
    assert!(
        line.contains("lets it be set back once; or change it back there, or change the file."),
        "{line}"
    );
    world.status().held.unwrap().hash
}

#[tokio::test(start_paused = true)]
async fn an_approval_sets_reported_drift_back_once_and_the_next_is_reported_anew() {
    for of in KINDS {
        // Nothing else may be changed within the hour: an approval needs no place.
        let says = file_with(1, "drift: report", &[("desk-a", of.one_way)]);
        let mut world = World::started(&says, |exchange| of.open(exchange)).await;
        world.until(10 * SECOND, "adopted", |world| world.is_in_sync(of.target)).await;
        let hash = drifts(&world, of).await;
        world.pass(HOUR).await;
        assert_eq!(all_sets(&world), []);
        let request = world.visitor().approve(&hash).unwrap();
        world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
        line_begins(&world, MINUTE, of.target, "drifted, settling").await;
        changed(&world, of.target).await;
        assert_eq!((all_sets(&world).len(), world.mode(DESK_A, USDT)), (1, PosMode::OneWayMode));

        let again = drifts(&world, of).await;
        assert_eq!(again, hash, "the same change");
        world.kill().await;
        world.start().await;
        world.pass(2 * HOUR).await;
        assert_eq!(all_sets(&world).len(), 1, "the approval is used up, over a restart, too");
        line_begins(&world, MINUTE, of.target, "drifted, reported").await;
        world.visitor().approve(&again).unwrap();
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 2);
        let history = world.history("desk-a");
        assert_eq!((count(&history, EventKind::Drift), count(&history, EventKind::Confirmed)), (2, 2));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_reported_drift_is_over_with_that_drift_and_with_its_one_set_whatever_came_of_it() {
    for of in KINDS {
        let says = file_with(100, "drift: report", &[("desk-a", of.one_way)]);
        let world = World::started(&says, |exchange| of.open(exchange)).await;
        world.until(10 * SECOND, "adopted", |world| world.is_in_sync(of.target)).await;
        // Paused, so that somebody else is first.
        let hash = drifts(&world, of).await;
        world.visitor().pause(&[], "somebody looks at it", None).unwrap();
        world.visitor().approve(&hash).unwrap();
        world.pass(5 * MINUTE).await;
        assert!(world.line(of.target).starts_with("drifted, paused"), "{}", world.told());
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
        world.until(2 * MINUTE, "back", |world| world.is_in_sync(of.target)).await;
        world.visitor().resume(&[]).unwrap();
        let hash = drifts(&world, of).await;
        world.pass(HOUR).await;
        assert_eq!(all_sets(&world), [], "that was another drift");

        world.exchange(|exchange| exchange.inject(Fault::once(FaultKind::DropRequest).on(of.setter)));
        world.visitor().approve(&hash).unwrap();
        world.until(5 * MINUTE, "its set", |world| all_sets(world).len() == 1).await;
        world.pass(3 * HOUR).await;
        assert_eq!(all_sets(&world).len(), 1, "it is lost, and was the one");
        line_begins(&world, MINUTE, of.target, "drifted, reported").await;
        let hash = world.status().held.unwrap().hash;
        world.visitor().approve(&hash).unwrap();
        world.until(30 * MINUTE, "back", |world| world.is_in_sync(of.target)).await;
        assert_eq!(all_sets(&world).len(), 2);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn under_drift_report_a_first_contact_waits_for_approve_and_then_goes() {
    for of in KINDS {
        let world = World::started(&file_with(100, "drift: report", &[("desk-a", of.hedge)]), |exchange| {
            of.open(exchange);
        })
        .await;
        world
            .until(MINUTE, "held", |world| {
                world.status().held.is_some_and(|held| world.line(of.target).contains(&held.hash))
            })
            .await;
        assert!(
            world.line(of.target).starts_with("new, reported: The first look differs"),
            "{}",
            world.told()
        );
        world.pass(HOUR).await;
        assert_eq!(all_sets(&world), []);
        let hash = world.status().held.unwrap().hash;
        let request = world.visitor().approve(&hash).unwrap();
        world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
        changed(&world, of.target).await;
        assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode);
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_that_nobody_approved_for_a_day_can_still_be_approved() {
    // A plan knows no kinds of accounts.
    for of in [KINDS[0]] {
        let world = World::started(&file_with(100, "drift: report", &[("desk-a", of.hedge)]), |exchange| {
            of.open(exchange);
        })
        .await;
        line_begins(&world, MINUTE, of.target, "new, reported").await;
        world.pass(26 * HOUR).await;
        let hash = world.status().held.expect("it is still held").hash;
        world.visitor().approve(&hash).expect("what the status shows as held can be approved");
        changed(&world, of.target).await;
        assert_eq!(all_sets(&world).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_the_file_wants_no_more_when_it_is_confirmed_is_changed_back_and_is_no_drift() {
    for of in KINDS {
        let report = |mode| file_with(100, "drift: report", &[("desk-a", mode)]);
        let world = World::started(&report(of.one_way), |exchange| of.open(exchange)).await;
        changed(&world, of.target).await;
        world.exchange(|exchange| {
            let late = FaultKind::Delay { after: 3 * SECOND };
            exchange.inject(Fault::once(late).on(of.setter));
        });
        world.write(&report(of.hedge));
        world.until(MINUTE, "a set is under way", |world| !all_sets(world).is_empty()).await;
        world.write(&report(of.one_way));
        world.until(2 * MINUTE, "back", |world| world.is_in_sync(of.target)).await;
        assert_eq!(world.mode(DESK_A, USDT), PosMode::OneWayMode);
        assert_eq!(all_sets(&world).len(), 2);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f41_after_an_hour_in_which_nothing_ran_and_nobody_kicked_compares_go_on_within_a_minute() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    changed(&world, A_USDT).await;
    // The whole hour at once: no timer ends in it and no task runs, as when a machine is suspended.
    tokio::time::advance(HOUR).await;
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
    line_begins(&world, MINUTE, A_USDT, "drifted").await;
    let before = asked(&world, DESK_A, "/account/account");
    changed(&world, A_USDT).await;
    world.pass(HOUR).await;
    let compares = asked(&world, DESK_A, "/account/account") - before;
    assert!((60..=90).contains(&compares), "{compares} in an hour");
    world.check_invariants(SETTLE);
}
