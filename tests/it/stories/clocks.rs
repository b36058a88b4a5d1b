//! F71, F73: under any sequence of steps of the wall clock, suspends, false server times and restarts nothing leaves inside of
//! a fence, no pause and no window ends early or late, and no event is lost.

use std::collections::BTreeSet;

use bitget_sim::{Fault, FaultKind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::*;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Pass(Duration),
    StepWall {
        ahead_ms: i64,
    },
    Suspend(Duration),
    /// What answers this call has a clock that is so far ahead.
    Ahead {
        call: usize,
        ms: i64,
    },
    InTime,
    Restart,
    Pause(Duration),
    Resume,
    Want {
        hedge: bool,
    },
    /// The next set gets no answer.
    LoseSet {
        executed: bool,
    },
}

/// A pause that was acknowledged, by the exchange's true time.
struct Paused {
    from: i64,
    until: i64,
}

const NOON: i64 = 1_774_699_200_000;
const WINDOW: Duration = Duration::from_secs(2 * 3600);

#[test]
fn f71_f73_no_clock_ends_a_fence_a_pause_or_a_window_early_or_loses_an_event() {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let all = (0..KINDS.len(), vec(acts(), 5..30));
    let told = runner.run(&all, |(kind, acts)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(story(KINDS[kind], acts))
    });
    if let Err(failed) = told {
        panic!("{failed}");
    }
}

fn acts() -> impl Strategy<Value = Act> {
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    let ms = prop_oneof![
        Just(-40_000_i64),
        Just(-28_000),
        Just(-3_000),
        Just(3_000),
        Just(28_000),
        Just(3_600_000),
        Just(1_700_000_000_000_000)
    ];
    let steps = prop_oneof![-100_000_000_000..100_000_000_000_i64, -60_000..60_000_i64, Just(0)];
    prop_oneof![
        6 => seconds(1..90).prop_map(Act::Pass),
        2 => seconds(300..2400).prop_map(Act::Pass),
        2 => steps.prop_map(|ahead_ms| Act::StepWall { ahead_ms }),
        2 => seconds(1..5400).prop_map(Act::Suspend),
        3 => (0..5_usize, ms).prop_map(|(call, ms)| Act::Ahead { call, ms }),
        2 => Just(Act::InTime),
        1 => Just(Act::Restart),
        1 => seconds(60..3600).prop_map(Act::Pause),
        1 => Just(Act::Resume),
        4 => any::<bool>().prop_map(|hedge| Act::Want { hedge }),
        2 => any::<bool>().prop_map(|executed| Act::LoseSet { executed }),
    ]
}

async fn story(of: Desk, acts: Vec<Act>) -> Result<(), TestCaseError> {
    let wants = |hedge| {
        let mode = if hedge { of.hedge } else { of.one_way };
        file_of_a(&format!("{mode}, windows: [noon]")).replace(
            "accounts:",
            "windows: { noon: { opens: 0 0 12 * * *, lasts: 2h, time_zone: UTC } }\naccounts:",
        )
    };
    let mut world =
        World::started_at("2026-03-28T11:58:00Z", &wants(true), |exchange| of.open(exchange)).await;
    let calls = ["public/time", of.mode, of.positions, of.orders, of.plan_orders];
    let (mut pauses, mut events) = (Vec::<Paused>::new(), BTreeSet::new());
    let mut restarts = Vec::new();
    for act in &acts {
        match act.clone() {
            Act::Pass(span) => world.pass(span).await,
            Act::StepWall { ahead_ms } => world.clock.set_wall_ahead(ahead_ms),
            Act::Suspend(span) => world.clock.suspend(span),
            Act::Ahead { call, ms } => world.ahead(calls[call], ms),
            Act::InTime => world.in_time(),
            Act::Restart => {
                world.kill().await;
                restarts.push(world.clock.now().0);
                world.start().await;
            }
            Act::Pause(span) => {
                let request = world.visitor().pause(&[], "a test", Some(span)).unwrap();
                world.until(MINUTE, "acknowledged", |world| world.acknowledged(request)).await;
                let from = world.clock.now().0;
                pauses.push(Paused { from, until: from + i64::try_from(span.as_millis()).unwrap() });
            }
            Act::Resume => {
                world.visitor().resume(&[]).unwrap();
                let now = world.clock.now().0;
                for pause in &mut pauses {
                    pause.until = pause.until.min(now);
                }
            }
            Act::Want { hedge } => world.write(&wants(hedge)),
            Act::LoseSet { executed } => {
                let fault = if executed { FaultKind::HangReply } else { FaultKind::Hang };
                world.exchange(|exchange| exchange.inject(Fault::once(fault).on(of.setter)));
            }
        }
        let on_record: BTreeSet<String> =
            world.everything_on_record().iter().map(|event| format!("{} {}", event.id, event.text)).collect();
        let lost: Vec<&String> = events.difference(&on_record).collect();
        prop_assert!(lost.is_empty(), "events were lost: {lost:?} after {act:?}");
        events = on_record;
    }
    world.in_time();
    world.pass(5 * MINUTE).await;
    let sets = all_sets(&world);
    for set in &sets {
        let at = set.at.0;
        let braked = pauses.iter().find(|pause| at > pause.from && at < pause.until);
        prop_assert!(braked.is_none(), "a set inside of a pause: {set:?}");
        let since_noon = (at - NOON).rem_euclid(24 * 3_600_000);
        prop_assert!(
            since_noon <= i64::try_from(WINDOW.as_millis()).unwrap(),
            "a set outside of the window: {set:?}"
        );
    }
    for pair in sets.windows(2) {
        let [first, second] = pair else { continue };
        let signed = first.signed.map_or(i64::MAX, |signed| signed.0);
        if first.answered_at.is_none() {
            let fence = signed.max(first.at.0 - 1_000) + 35_000;
            let is_of_another = restarts.iter().any(|at| (first.at.0..second.at.0).contains(at));
            let fence = if is_of_another { signed + 35_000 } else { fence };
            prop_assert!(second.at.0 >= fence, "inside of a fence: {first:?} {second:?}");
        }
    }
    // It goes by the wall time that intents are noted at.
    if !acts.iter().any(|act| matches!(act, Act::StepWall { .. })) {
        world.check_invariants(SETTLE);
    }
    Ok(())
}
