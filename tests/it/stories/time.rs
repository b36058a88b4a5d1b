//! F61, F63: the exchange's time, where its answers contradict each other. F73: suspends of the machine.

use bitget_sim::{Fault, FaultKind};
use posmoded::ledger::{CommandAnswer, CommandRequest};
use posmoded::position_mode::Target;
use posmoded::status::TargetStatus;

use super::*;

/// The call for the exchange's time.
const TIME: &str = "public/time";

#[tokio::test(start_paused = true)]
async fn f63_a_machine_that_is_ahead_ends_no_fence_even_after_a_restart() {
    for of in KINDS {
        let mut world = of.started().await;
        world.exchange(|exchange| {
            exchange.inject(Fault::once(FaultKind::Hang).on(of.setter));
        });
        world.until(MINUTE + SETTLE, "sent", |world| all_sets(world).len() == 1).await;
        world.kill().await;
        world.start().await;
        world.pass(3 * SECOND).await;
        world.ahead(of.mode, 28_000);
        world.until(5 * MINUTE, "as usual", |world| world.is_in_sync(of.target)).await;
        world.check_invariants(SETTLE);
        let sets = all_sets(&world);
        let [first, second] = sets.as_slice() else { panic!("{sets:?}") };
        let after = second.at.0 - first.signed.unwrap().0;
        assert!(after >= 35_000, "the second set left {after} ms after the first was signed");
    }
}

#[tokio::test(start_paused = true)]
async fn f63_a_machine_that_is_ahead_is_looked_at_and_holds_up_no_set_once_the_time_is_asked() {
    for (of, list) in lists() {
        let world = of.started().await;
        world.ahead(list, 28_000);
        world.until(MINUTE + SETTLE + AFTER_SETTLE, list, |world| world.is_in_sync(of.target)).await;
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f63_a_time_that_is_wrong_at_the_start_signs_no_set() {
    for wrong in [-28_000, 28_000, 1_700_000_000_000_000] {
        for of in KINDS {
            let mut world = of.started().await;
            world.stop().await;
            world.ahead(TIME, wrong);
            world.start().await;
            world.pass(10 * MINUTE).await;
            assert_eq!(all_sets(&world), [], "{wrong}: {}", world.told());
            let line = world.line(of.target);
            let told = [", clock: ", "its clock is measured again"].iter().any(|part| line.contains(part));
            assert!(told, "{wrong}: {line}");
            world.in_time();
            world.until(6 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(of.target)).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f63_the_call_for_the_time_alone_moves_no_clock() {
    for wrong in [-28_000, 28_000, 1_700_000_000_000_000] {
        for of in KINDS {
            let world = of.started().await;
            world.pass(5 * SECOND).await;
            world.ahead(TIME, wrong);
            // A refusal of the timestamp makes the time be asked again.
            let refused = FaultKind::Code { status: 400, code: "40008".to_owned() };
            world.exchange(|exchange| exchange.inject(Fault::once(refused).on(of.mode)));
            world.until(3 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(of.target)).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f45_an_exchange_whose_clock_is_set_is_followed_once_the_time_says_the_same() {
    for seconds in [-3600, -28, 28, 3600] {
        for of in KINDS {
            let world = of.started().await;
            world.pass(5 * SECOND).await;
            world.skew(seconds * 1000);
            world.until(8 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(of.target)).await;
            assert_eq!(all_sets(&world).len(), 1, "{seconds}: {}", world.told());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f61_what_shows_the_mode_and_has_a_clock_that_is_behind_is_looked_at_and_nothing_is_set() {
    for of in KINDS {
        let world = of.started().await;
        world.ahead(of.mode, -20_000);
        line_begins(&world, MINUTE, of.target, "new, clock: What answers the call ").await;
        let line = world.line(of.target);
        assert!(line.contains(" at Bitget has a clock of its own, 20s behind Bitget's"), "{line}");
        world.pass(20 * MINUTE).await;
        assert_eq!(all_sets(&world), [], "{}", world.told());
        let at = world.target(of.target).unwrap().live.unwrap().at;
        let age = world.clock.wall() - at.as_millisecond();
        assert!((20_000..=85_000).contains(&age), "it is as old as it says: {age} ms");
        world.in_time();
        world
            .until(2 * MINUTE + SETTLE + AFTER_SETTLE, "as usual", |world| world.is_in_sync(of.target))
            .await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

/// Every list that tells whether something is open.
fn lists() -> Vec<(Desk, &'static str)> {
    KINDS
        .into_iter()
        .flat_map(|of| [of.positions, of.orders, of.plan_orders].map(|list| (of, list)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn f73_nothing_that_was_seen_before_a_suspend_is_believed_after_it() {
    for span in [2 * SECOND, 20 * SECOND, HOUR] {
        for of in KINDS {
            let world = of.started().await;
            line_begins(&world, MINUTE, of.target, "new, settling").await;
            world.pass(5 * (SETTLE / 6)).await;
            assert!(world.line(of.target).starts_with("new, settling"), "{}", world.told());
            world.clock.suspend(span);
            let woken = world.clock.now();
            world.until(2 * SETTLE + AFTER_SETTLE, "changed", |world| world.is_in_sync(of.target)).await;
            let took = world.clock.now().since(woken);
            assert!(took >= SETTLE, "{span:?}: it was flat for long enough {took:?} after the suspend");
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f73_every_wait_counts_a_suspend_and_the_fence_of_a_set_does() {
    for of in KINDS {
        let world = of.started().await;
        world.exchange(|exchange| exchange.inject(Fault::once(FaultKind::HangReply).on(of.setter)));
        world.until(2 * MINUTE, "sent", |world| all_sets(world).len() == 1).await;
        line_begins(&world, 15 * SECOND, of.target, "new, outcome_unknown").await;
        world.clock.suspend(MINUTE);
        world.until(5 * SECOND, "resolved", |world| world.is_in_sync(of.target)).await;
        // What rests for a minute looks again as soon as it is awake.
        let looks = asked(&world, DESK_A, of.mode);
        world.clock.suspend(HOUR);
        world.pass(5 * SECOND).await;
        assert_eq!(asked(&world, DESK_A, of.mode), looks + 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f73_a_process_that_was_stopped_for_an_hour_believes_nothing_from_before() {
    for of in KINDS {
        let world = of.started().await;
        line_begins(&world, MINUTE, of.target, "new, settling").await;
        world.pass(5 * (SETTLE / 6)).await;
        // Both clocks go on meanwhile.
        tokio::time::advance(HOUR).await;
        let woken = world.clock.now();
        world.until(2 * SETTLE + AFTER_SETTLE, "changed", |world| world.is_in_sync(of.target)).await;
        assert!(world.clock.now().since(woken) >= SETTLE, "{}", world.told());
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f73_what_is_on_its_way_when_the_machine_is_suspended_harms_nothing() {
    for of in KINDS {
        for on in [of.setter, of.mode, of.positions, of.orders, of.plan_orders] {
            let world = of.started().await;
            world.pass(5 * SECOND).await;
            world.exchange(|exchange| {
                exchange.inject(Fault::always(FaultKind::Delay { after: 4 * SECOND }).on(on));
            });
            for _ in 0..30 {
                world.pass(7 * SECOND).await;
                world.clock.suspend(20 * SECOND);
            }
            world.exchange(bitget_sim::Exchange::clear_faults);
            world.until(15 * MINUTE, on, |world| world.is_in_sync(of.target)).await;
            world.check_invariants(SETTLE);
        }
    }
}

/// A set whose outcome is unknown, signed for a time 75 years from now, as the daemon finds it when it starts.
async fn signed_for_a_far_time(of: Desk, fault: FaultKind) -> World {
    let mut world = of.started().await;
    world.exchange(|exchange| exchange.inject(Fault::once(fault).on(of.setter)));
    world.until(2 * MINUTE, "sent", |world| all_sets(world).len() == 1).await;
    world.pass(15 * SECOND).await;
    world.kill().await;
    world.sql("UPDATE intents SET stamp = stamp + 27375 * 86400000");
    world.start().await;
    world
}

#[tokio::test(start_paused = true)]
async fn f63_a_set_that_cannot_end_by_itself_is_closed_by_an_operator_and_as_the_mode_shows() {
    for of in KINDS {
        for executed in [true, false] {
            let fault = if executed { FaultKind::HangReply } else { FaultKind::Hang };
            let world = signed_for_a_far_time(of, fault).await;
            let target = named(&world, of);
            world.pass(5 * SECOND).await;
            let early = world.visitor().close_intent(&target, "a stamp of 2101").unwrap();
            world.until(5 * SECOND, "answered", |world| answer(world, early).is_some()).await;
            let refused = answer(&world, early);
            let Some(CommandAnswer::Refused(why)) = refused else { panic!("{refused:?}") };
            assert!(why.starts_with("The daemon has watched this set for "), "{why}");
            world.pass(10 * MINUTE).await;
            assert!(world.line(of.target).contains("outcome_unknown"), "{}", world.told());
            assert_eq!(all_sets(&world).len(), 1);
            let request = world.visitor().close_intent(&target, "a stamp of 2101").unwrap();
            world.until(5 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
            let closed: Vec<String> = world
                .everything_on_record()
                .into_iter()
                .filter(|event| event.kind == EventKind::Closed)
                .map(|event| event.text)
                .collect();
            assert_eq!(closed, ["An operator closed a set whose outcome was unknown: a stamp of 2101"]);
            world.until(3 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(of.target)).await;
            assert_eq!(all_sets(&world).len(), if executed { 1 } else { 2 });
            assert!(world.visitor().close_intent(&target, "once more").is_err(), "there is none any more");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f63_a_set_is_not_closed_while_the_mode_cannot_be_read() {
    for of in KINDS {
        let world = signed_for_a_far_time(of, FaultKind::Hang).await;
        world.pass(MINUTE).await;
        let target = named(&world, of);
        world.exchange(|exchange| exchange.inject(Fault::always(FaultKind::EmptyBody).on(of.mode)));
        let request = world.visitor().close_intent(&target, "a stamp of 2101").unwrap();
        world.until(40 * SECOND, "answered", |world| answer(world, request).is_some()).await;
        let refused = answer(&world, request);
        let Some(CommandAnswer::Refused(why)) = refused else { panic!("{refused:?}") };
        assert!(why.starts_with("Bitget's time and the mode could not be read within 20s."), "{why}");
        assert!(world.visitor().open_intents().unwrap().contains_key(&target), "{}", world.told());
    }
}

fn named(world: &World, of: Desk) -> Target {
    let TargetStatus { account, scope, .. } = world.target(of.target).unwrap();
    Target { account, scope }
}

fn answer(world: &World, request: CommandRequest) -> Option<CommandAnswer> {
    world.visitor().answer(&request).unwrap()
}
