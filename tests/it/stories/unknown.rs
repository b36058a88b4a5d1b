//! Sets whose outcome nobody knows: lost requests, lost answers, slow execution, kills, reads that lag.

use bitget_sim::{Executed, Fault, FaultKind, LateTimestamp, PosMode};
use posmoded::ledger::EventKind;
use posmoded::ledger::EventKind::{Accepted, Confirmed, NoEffect, Noted, Unclear};

use super::*;

const FENCE: i64 = 35_000;

fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, body: "<html>bad gateway</html>".to_owned() }
}

fn executed_but(status: u16) -> FaultKind {
    FaultKind::ExecutedButStatus { status, body: "<html>gateway timeout</html>".to_owned() }
}

/// A desk whose first set meets a fault.
async fn first_set_meets(of: Desk, what: FaultKind) -> World {
    let world = of.started().await;
    world.exchange(|exchange| exchange.inject(Fault::once(what).on(of.setter)));
    world.until(MINUTE, "the first set", |world| !all_sets(world).is_empty()).await;
    world
}

#[tokio::test(start_paused = true)]
async fn f31_a_set_that_was_done_though_its_answer_was_lost_is_not_sent_again() {
    for of in KINDS {
        let lost = [
            FaultKind::DropReply,
            FaultKind::HangReply,
            executed_but(504),
            executed_but(403),
            FaultKind::EmptyBody,
            FaultKind::Garbage,
            FaultKind::Html { status: 200 },
            FaultKind::Html { status: 302 },
            FaultKind::MissingField { field: "requestTime".to_owned() },
            FaultKind::ExecuteLater { after: 25 * SECOND },
        ];
        for what in lost {
            let world = first_set_meets(of, what.clone()).await;
            let seen = seen_during(&world, of.target, 2 * MINUTE).await;
            if matches!(what, FaultKind::MissingField { .. }) {
                // Only `data` lacks the field: the answer is whole.
                assert!(!seen.contains(&"new, outcome_unknown".to_owned()), "{what:?}: {seen:?}");
            } else {
                assert_eq!(seen[seen.len() - 2..], ["new, outcome_unknown", "in_sync"], "{what:?}: {seen:?}");
                let history = world.history("desk-a");
                assert_eq!(count(&history, EventKind::TookEffect), 1, "{what:?}");
            }
            world.pass(10 * MINUTE).await;
            assert_eq!(all_sets(&world).len(), 1, "{what:?}");
            assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode, "{what:?}");
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f31_a_set_that_was_lost_on_the_way_is_sent_again_only_after_its_fence() {
    for of in KINDS {
        let unwell = FaultKind::Code { status: 200, code: "40725".to_owned() };
        let unheard_of = FaultKind::Code { status: 400, code: "99999".to_owned() };
        let lost = [
            FaultKind::DropRequest,
            FaultKind::Hang,
            status(502),
            status(403),
            status(301),
            unwell,
            unheard_of,
        ];
        for what in lost {
            let world = first_set_meets(of, what.clone()).await;
            let seen = seen_during(&world, of.target, 2 * MINUTE).await;
            assert!(seen.contains(&"new, outcome_unknown".to_owned()), "{what:?}: {seen:?}");
            assert_eq!(seen.last().unwrap(), "in_sync", "{what:?}: {seen:?}");
            let sets = all_sets(&world);
            assert_eq!(sets.len(), 2, "{what:?}");
            let apart = sets[1].signed.unwrap().since(sets[0].signed.unwrap());
            assert!((FENCE + 60_000..FENCE + 80_000).contains(&apart), "{what:?}: {apart} ms apart");
            let history = world.history("desk-a");
            let story: Vec<_> = kinds(&history).into_iter().skip(1).collect();
            assert_eq!(story, [Noted, Unclear, NoEffect, Noted, Accepted, Confirmed], "{what:?}");
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f30_killed_at_any_moment_of_a_set_it_converges_without_a_second_set_inside_the_fence() {
    for of in KINDS {
        let first = just_before_the_first_set(&file_of_a(of.hedge), of).await;
        for fault in [None, Some(FaultKind::DropReply), Some(FaultKind::DropRequest)] {
            for offset in [0, 30, 39, 41, 50, 59, 61, 79, 81, 100, 119, 121, 150] {
                let mut world = of.started().await;
                if let Some(what) = fault.clone() {
                    world.exchange(|exchange| exchange.inject(Fault::once(what).on(of.setter)));
                }
                world.pass(first + Duration::from_millis(offset)).await;
                world.kill().await;
                world.start().await;
                world.until(3 * MINUTE, "in sync again", |world| world.is_in_sync(of.target)).await;
                let sets = all_sets(&world);
                assert!((1..=2).contains(&sets.len()), "{fault:?} {offset} ms");
                if let [first, second] = &sets[..] {
                    assert!(
                        second.signed.unwrap().since(first.signed.unwrap()) >= FENCE,
                        "{fault:?} {offset} ms"
                    );
                    assert_eq!(
                        first.executed,
                        Executed::None,
                        "{fault:?} {offset} ms: a set that was done is enough"
                    );
                }
                world.check_invariants(SETTLE);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f32_reads_that_stay_old_after_a_set_cause_no_second_one() {
    for of in KINDS {
        for lag in 0..=8 {
            let world = of.started().await;
            world.exchange(|exchange| exchange.switches_mut().read_lag_ms = lag * 1000);
            world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
            let seen = seen_during(&world, of.target, 15 * SECOND).await;
            assert_eq!(seen.last().unwrap(), "in_sync", "{lag} s: {seen:?}");
            assert!(!seen.contains(&"new, outcome_unknown".to_owned()), "{lag} s: {seen:?}");
            assert!(lag == 0 || seen.contains(&"new, verifying".to_owned()), "{lag} s: {seen:?}");
            world.pass(10 * MINUTE).await;
            assert_eq!(all_sets(&world).len(), 1, "{lag} s");
            assert_eq!(count(&world.history("desk-a"), EventKind::Confirmed), 1, "{lag} s");
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_accepted_set_that_no_read_shows_within_ten_seconds_waits_for_its_fence() {
    for of in KINDS {
        let world = of.started().await;
        world.exchange(|exchange| exchange.switches_mut().read_lag_ms = 20_000);
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        let seen = seen_during(&world, of.target, MINUTE).await;
        let end = &seen[seen.len() - 3..];
        assert_eq!(end, ["new, verifying", "new, outcome_unknown", "in_sync"], "{seen:?}");
        assert_eq!(all_sets(&world).len(), 1);
        assert_eq!(world.target(of.target).unwrap().counts.unknown, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_takes_effect_after_its_fence_is_reported_as_late_and_not_taken_for_drift() {
    for of in KINDS {
        let world = World::started(&file_of_a(of.hedge), |exchange| {
            of.open(exchange);
            exchange.switches_mut().late_timestamp = LateTimestamp::CheckedOnArrival;
            exchange.inject(Fault::once(FaultKind::ExecuteLater { after: 90 * SECOND }).on(of.setter));
        })
        .await;
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        world.pass(10 * SECOND).await;
        world.write(&file_of_a(of.one_way));
        world.until(MINUTE, "as the file wants now", |world| world.is_in_sync(of.target)).await;
        line_begins(&world, 3 * MINUTE, of.target, "pending, settling").await;
        changed(&world, of.target).await;
        assert_eq!(world.mode(DESK_A, USDT), PosMode::OneWayMode);
        assert_eq!(all_sets(&world).len(), 2);
        let history = world.history("desk-a");
        assert_eq!(
            (count(&history, EventKind::Late), count(&history, EventKind::Drift)),
            (1, 0),
            "{history:#?}"
        );
        world.pass(HOUR).await;
        assert!(world.is_in_sync(of.target));
        assert_eq!(all_sets(&world).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_change_a_day_after_a_set_was_lost_is_drift_and_is_on_record() {
    // Late effects and drift are told apart whatever the kind of the account.
    for of in [KINDS[1]] {
        let world = World::started(&file_of_a(of.hedge), |exchange| {
            of.open(exchange);
            exchange.inject(Fault::once(FaultKind::DropRequest).on(of.setter));
        })
        .await;
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        world.write(&file_of_a(of.one_way));
        world.until(2 * MINUTE, "as the file wants now", |world| world.is_in_sync(of.target)).await;
        world.pass(25 * HOUR).await;
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::HedgeMode).unwrap());
        line_begins(&world, 3 * MINUTE, of.target, "drifted").await;
        changed(&world, of.target).await;
        let history = world.history("desk-a");
        assert_eq!(
            (count(&history, EventKind::Late), count(&history, EventKind::Drift)),
            (0, 1),
            "{history:#?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_that_the_file_still_wants_is_ours_too() {
    for of in KINDS {
        let paused = |world: &World| world.visitor().pause(&[], "look at it", None).unwrap();
        let mut world = World::started(&file_of_a(of.hedge), |exchange| {
            of.open(exchange);
            exchange.switches_mut().late_timestamp = LateTimestamp::CheckedOnArrival;
            exchange.inject(Fault::once(FaultKind::ExecuteLater { after: 90 * SECOND }).on(of.setter));
        })
        .await;
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        paused(&world);
        line_begins(&world, MINUTE, of.target, "new, unreachable: The last set had no effect").await;
        // What is known of it outlives the process.
        world.kill().await;
        world.start().await;
        world.until(3 * MINUTE, "late", |world| world.is_in_sync(of.target)).await;
        let history = world.history("desk-a");
        assert_eq!(
            (count(&history, EventKind::Late), count(&history, EventKind::Adopted)),
            (1, 0),
            "{history:#?}"
        );
        assert_eq!(all_sets(&world).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f52_a_refusal_that_nobody_knows_takes_one_place_of_max_changes_and_is_tried_ever_more_rarely() {
    let unheard_of = FaultKind::Code { status: 400, code: "45999".to_owned() };
    let maintenance = FaultKind::Code { status: 200, code: "45001".to_owned() };
    for (what, hours, most) in [(unheard_of, 6, 20..=28), (maintenance, 2, 9..=14), (status(503), 2, 9..=14)]
    {
        for of in KINDS {
            let all = |a, others| {
                let accounts = [("desk-a", a), ("desk-b", others), ("desk-c", others)];
                file_with(3, "drift: correct", &accounts)
            };
            let world = World::started(&all(of.hedge, of.hedge), |exchange| {
                of.open(exchange);
                exchange.inject(Fault::always(what.clone()).on(of.setter).for_account(DESK_A));
            })
            .await;
            let others = [of.target.replace("desk-a", "desk-b"), of.target.replace("desk-a", "desk-c")];
            for hour in 0..hours {
                for name in &others {
                    changed(&world, name).await;
                }
                let line = world.line(of.target);
                assert!(!line.contains("held") && !line.contains("fighting"), "{what:?}: {line}");
                world.pass(HOUR).await;
                world.write(&all(of.hedge, if hour % 2 == 0 { of.one_way } else { of.hedge }));
            }
            let sets = all_sets(&world).iter().filter(|set| set.account == Some(DESK_A)).count();
            assert!(most.contains(&sets), "{what:?}: {sets} sets in {hours} hours");
            let line = world.line(of.target);
            let shown = if matches!(&what, FaultKind::Code { code, .. } if code == "45999") {
                assert!(line.contains("45999, a code that this version does not know"), "{line}");
                "new, unexpected: The last "
            } else {
                "new, unreachable: The last "
            };
            assert!(line.starts_with(shown) && line.contains("no sooner than in"), "{what:?}: {line}");
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f52_who_answers_nothing_and_executes_everything_late_changes_no_more_than_max_changes() {
    for of in KINDS {
        let named: Vec<(Uid, String)> = (0..8).map(|n| (Uid(2000 + n), format!("many-{n}"))).collect();
        let accounts: Vec<(&str, &str)> = named.iter().map(|(_, name)| (name.as_str(), of.hedge)).collect();
        let world = World::started(&file_with(3, "drift: correct", &accounts), |exchange| {
            exchange.switches_mut().late_timestamp = LateTimestamp::CheckedOnArrival;
            exchange.inject(Fault::always(FaultKind::ExecuteLater { after: 40 * SECOND }).on(of.setter));
            for (uid, name) in &named {
                add_desk(exchange, of.kind, *uid, name);
            }
        })
        .await;
        let flipped = |world: &World| {
            named.iter().filter(|(uid, _)| world.mode(*uid, USDT) == PosMode::HedgeMode).count()
        };
        world.pass(58 * MINUTE).await;
        assert_eq!(flipped(&world), 3, "{}", world.told());
        world.pass(HOUR).await;
        assert_eq!(flipped(&world), 6, "{}", world.told());
    }
}

#[tokio::test(start_paused = true)]
async fn f52_a_restart_does_not_end_the_pause_after_sets_without_effect_and_a_resume_does() {
    for of in KINDS {
        let mut world = of.started().await;
        let unheard_of = FaultKind::Code { status: 400, code: "45999".to_owned() };
        world.exchange(|exchange| exchange.inject(Fault::always(unheard_of).on(of.setter)));
        world.until(HOUR, "the fourth", |world| all_sets(world).len() == 4).await;
        world.pass(2 * MINUTE).await;
        world.kill().await;
        world.start().await;
        world.pass(7 * MINUTE).await;
        assert_eq!(all_sets(&world).len(), 4, "{}", world.told());
        let line = world.line(of.target);
        assert!(line.starts_with("new, unreachable: The last 4 sets had no effect"), "{line}");
        let request = world.visitor().resume(&[]).unwrap();
        world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
        world.until(MINUTE, "the fifth", |world| all_sets(world).len() == 5).await;
    }
}
