//! F34: what is not there says nothing. It is never flat, and never a mode. F61, F62: nor is what is another
//! question's.

use bitget_sim::{Fault, FaultKind, HoldSide, PosMode};

use super::*;

/// How the exchange can say nothing.
fn nothings() -> Vec<FaultKind> {
    vec![
        FaultKind::NullData,
        FaultKind::EmptyBody,
        FaultKind::Garbage,
        FaultKind::Html { status: 200 },
        FaultKind::Html { status: 503 },
        FaultKind::Status { status: 200, body: "{}".to_owned() },
        FaultKind::Status { status: 200, body: "[]".to_owned() },
        FaultKind::Status { status: 200, body: "null".to_owned() },
        FaultKind::Status { status: 404, body: String::new() },
        FaultKind::Status {
            status: 200,
            body: r#"{"code":"00000","msg":"success","requestTime":1795338000000}"#.to_owned(),
        },
        FaultKind::Status {
            status: 200,
            body: r#"{"code":"00000","msg":"success","requestTime":1795338000000,"data":null,"data":[]}"#
                .to_owned(),
        },
    ]
}

fn missing(field: &str) -> FaultKind {
    FaultKind::MissingField { field: field.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn f34_a_mode_that_is_not_there_is_no_mode() {
    let mut faults = nothings();
    faults.push(missing("posMode"));
    for what in faults {
        let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
            desks(exchange);
            exchange.inject(Fault::always(what.clone()).on("account/account"));
        })
        .await;
        line_begins(&world, 15 * SECOND, A_USDT, "unknown, unreachable: Bitget answered the call account: ")
            .await;
        world.pass(3 * MINUTE).await;
        let target = world.target(A_USDT).unwrap();
        assert_eq!((target.live, target.applied), (None, None), "{what:?}");
        assert_eq!(all_sets(&world), [], "{what:?}");
        world.exchange(bitget_sim::Exchange::clear_faults);
        world.until(5 * MINUTE + SETTLE + AFTER_SETTLE, "as usual", |world| world.is_in_sync(A_USDT)).await;
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

/// The field that such a list stands in; none where the answer itself is the list.
fn list_field(of: Desk, list: &str) -> Option<&'static str> {
    match of.kind {
        Kind::Classic => (list != of.positions).then_some("entrustedList"),
        Kind::Unified => (list != of.plan_orders).then_some("list"),
    }
}

#[tokio::test(start_paused = true)]
async fn f34_a_list_that_is_not_there_is_not_empty() {
    for (of, list) in lists() {
        let mut faults = nothings();
        faults.extend(list_field(of, list).map(missing));
        for what in faults {
            let world = World::started(&file_of_a(of.hedge), |exchange| {
                of.open(exchange);
                exchange.inject(Fault::always(what.clone()).on(list));
            })
            .await;
            line_begins(&world, 20 * SECOND, of.target, "new, unreachable: Bitget answered ").await;
            world.pass(3 * MINUTE).await;
            assert_eq!(all_sets(&world), [], "{list} {what:?}: {}", world.told());
            world.exchange(bitget_sim::Exchange::clear_faults);
            world.until(5 * MINUTE + SETTLE + AFTER_SETTLE, list, |world| world.is_in_sync(of.target)).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f34_a_position_without_its_size_is_not_closed() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
        exchange.inject(Fault::always(missing("total")).on("all-position"));
    })
    .await;
    world.pass(20 * MINUTE).await;
    assert!(
        world.line(A_USDT).starts_with("new, unreachable: Bitget answered the call all-position"),
        "{}",
        world.told()
    );
    assert_eq!(all_sets(&world), []);
}

#[tokio::test(start_paused = true)]
async fn f34_one_list_that_fails_now_and_then_only_delays_the_set() {
    for (of, list) in lists().into_iter().chain(KINDS.map(|of| (of, of.mode))) {
        let world = of.started().await;
        for _ in 0..20 {
            world.exchange(|exchange| {
                exchange.clear_faults();
                exchange.inject(Fault::once(FaultKind::NullData).on(list));
            });
            world.pass(7 * SECOND).await;
        }
        world.exchange(bitget_sim::Exchange::clear_faults);
        world.until(5 * MINUTE + SETTLE, list, |world| world.is_in_sync(of.target)).await;
        assert_eq!(all_sets(&world).len(), 1);
        assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f61_a_list_from_before_its_question_makes_no_verdict() {
    for (of, list) in lists() {
        let world = of.started().await;
        world.older(list, 20 * SECOND);
        line_begins(&world, 20 * SECOND, of.target, "new, clock: Bitget answered ").await;
        world.pass(20 * MINUTE).await;
        let line = world.line(of.target);
        assert!(line.contains("older than its question by Bitget's own clock"), "{line}");
        assert_eq!(all_sets(&world), [], "{list}: {}", world.told());
        let asked = asked(&world, DESK_A, list);
        assert!((5..100).contains(&asked), "{list}: it is asked on, {asked} times, and not in a loop");
        world.in_time();
        world.until(5 * MINUTE + SETTLE + AFTER_SETTLE, list, |world| world.is_in_sync(of.target)).await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f61_a_mode_from_before_its_question_is_no_live_one() {
    for of in KINDS {
        let world = of.started().await;
        changed(&world, of.target).await;
        let at = |world: &World| world.target(of.target).unwrap().live.map(|live| live.at);
        world.older(of.mode, 10 * MINUTE);
        let before = at(&world);
        world.pass(4 * MINUTE).await;
        let line = world.line(of.target);
        assert!(line.starts_with("unknown, clock: Bitget answered the call "), "{line}");
        assert!(line.contains("older than its question by Bitget's own clock"), "{line}");
        assert!(at(&world) <= before.map(|before| before + MINUTE), "what is shown is no newer");
        world.in_time();
        world.until(6 * MINUTE, "as usual", |world| world.is_in_sync(of.target)).await;
        assert_eq!(all_sets(&world).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f62_settings_that_do_not_say_whose_they_are_any_more_are_no_mode() {
    let [_, of] = KINDS;
    let world = of.started().await;
    changed(&world, of.target).await;
    world.exchange(|exchange| exchange.inject(Fault::always(missing("uid")).on("account/settings")));
    world.pass(4 * MINUTE).await;
    let line = world.line(of.target);
    assert!(line.starts_with("unknown, kind_unknown: "), "{line}");
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.until(6 * MINUTE, "as usual", |world| world.is_in_sync(of.target)).await;
    assert_eq!(all_sets(&world).len(), 1);
    world.check_invariants(SETTLE);
}
