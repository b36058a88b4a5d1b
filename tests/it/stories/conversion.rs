//! Accounts whose kind changes, is not clear, or does not fit the file. The kind is observed, never guessed.

use bitget_sim::{
    AccountMode, Fault, FaultKind, HoldSide, NewOrder, PlanType, PosMode, Right, SettingsWhileConverting,
};
use posmoded::ledger::EventKind;

use super::*;

const WHOLE: &str = "position_mode: hedge_mode";

/// How many sets of a kind reached the exchange.
fn sets_of(world: &World, setter: &str) -> usize {
    all_sets(world).iter().filter(|set| set.path.ends_with(setter)).count()
}

fn become_of(world: &World, kind: Kind) {
    world.exchange(|exchange| exchange.set_kind(DESK_A, kind)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_converted_and_back_under_a_running_daemon_ends_right_each_time() {
    let [classic, unified] = KINDS;
    // What a unified account may say of a classic call.
    for code in ["40085", "40128", "40731"] {
        let world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| {
            desks(exchange);
            exchange.switches_mut().unified_on_v2_code = code.to_owned();
        })
        .await;
        for scope in ["USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"] {
            changed(&world, &format!("desk-a {scope}")).await;
        }
        become_of(&world, Kind::Unified);
        world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
        line_begins(&world, 3 * MINUTE, unified.target, "new, settling").await;
        changed(&world, unified.target).await;
        assert_eq!(world.status().targets.len(), 1, "{}", world.told());
        assert_eq!((sets_of(&world, classic.setter), sets_of(&world, unified.setter)), (3, 1), "{code}");

        become_of(&world, Kind::Classic);
        world.exchange(|exchange| exchange.flip(DESK_A, COIN, PosMode::OneWayMode)).unwrap();
        line_begins(&world, 3 * MINUTE, A_COIN, "new, settling").await;
        changed(&world, A_COIN).await;
        world.pass(10 * MINUTE).await;
        assert_eq!(world.told().matches("in_sync").count(), 3, "{}", world.told());
        assert_eq!((sets_of(&world, classic.setter), sets_of(&world, unified.setter)), (4, 1), "{code}");
        let history = world.history("desk-a");
        assert_eq!(count(&history, EventKind::Converted), 2);
        assert_eq!(count(&history, EventKind::Confirmed), 5, "what was done before is still on record");
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_meets_the_conversion_is_refused_and_none_of_that_kind_follows() {
    for (from, to) in [(0, 1), (1, 0)] {
        let (from, to) = (KINDS[from], KINDS[to]);
        let first = just_before_the_first_set(&file(&[("desk-a", WHOLE)]), from).await;
        let world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| from.open(exchange)).await;
        world.pass(first + Duration::from_millis(20)).await;
        become_of(&world, to.kind);
        changed(&world, to.target).await;
        world.pass(5 * MINUTE).await;
        assert!(
            sets_of(&world, from.setter) <= 1,
            "{:?}: {:?}",
            from.kind,
            all_sets(&world)
                .iter()
                .map(|s| (s.at, s.path.clone(), s.code.clone(), s.product))
                .collect::<Vec<_>>()
        );
        assert!(!world.told().contains("new"), "{}", world.told());
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_set_of_before_the_conversion_is_waited_for_before_another_leaves() {
    for restart in [false, true] {
        let [classic, unified] = KINDS;
        let mut world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
            desks(exchange);
            exchange.inject(Fault::once(FaultKind::DropRequest).on(classic.setter));
        })
        .await;
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        world.write(&file_with_settle("0s", WHOLE));
        become_of(&world, Kind::Unified);
        if restart {
            world.kill().await;
            world.start().await;
        }
        world.until(2 * MINUTE, "the other set", |world| sets_of(world, unified.setter) > 0).await;
        let signed: Vec<_> = all_sets(&world).iter().map(|set| set.signed.unwrap()).collect();
        let apart = signed[1].since(signed[0]);
        assert!(apart >= 35_000, "restart {restart}: {apart} ms apart");
        changed(&world, unified.target).await;
    }
}

fn file_with_settle(settle: &str, says: &str) -> String {
    file(&[("desk-a", says)]).replace("settle: 30s", &format!("settle: {settle}"))
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_speak_for_the_whole_account_is_unsatisfiable_and_says_what_to_write() {
    let two = "position_mode: { USDT-FUTURES: hedge_mode, COIN-FUTURES: one_way_mode }";
    let says = [
        (HEDGE, "the file speaks of USDT-FUTURES only: nothing is changed. If hedge_mode is meant"),
        (
            two,
            "the file wants hedge_mode for USDT-FUTURES and one_way_mode for COIN-FUTURES: nothing is changed",
        ),
    ];
    for (says, line) in says {
        let world = World::started(&file(&[("desk-a", says), ("desk-b", WHOLE)]), |e| KINDS[1].open(e)).await;
        line_begins(&world, 15 * SECOND, A_ACCOUNT, "unknown, unsatisfiable: This is a unified account")
            .await;
        changed(&world, "desk-b account").await;
        world.pass(HOUR).await;
        let target = world.target(A_ACCOUNT).unwrap();
        assert!(target.say.as_ref().unwrap().contains(line), "{target:#?}");
        assert!(target.say.as_ref().unwrap().contains("`position_mode: hedge_mode`"), "{target:#?}");
        let live = target.live.unwrap();
        assert_eq!(live.mode.as_str(), "one_way_mode", "watched all the same");
        assert_eq!(all_sets(&world).len(), 1, "desk-b's");
        world.write(&file(&[("desk-a", WHOLE), ("desk-b", WHOLE)]));
        changed(&world, A_ACCOUNT).await;
        world.check_invariants(SETTLE);
    }
    // All three product types with one mode are the whole account.
    let all =
        "position_mode: { USDT-FUTURES: hedge_mode, COIN-FUTURES: hedge_mode, USDC-FUTURES: hedge_mode }";
    let world = World::started(&file(&[("desk-a", all)]), |exchange| KINDS[1].open(exchange)).await;
    changed(&world, A_ACCOUNT).await;
    assert_eq!(all_sets(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_open_in_any_category_keeps_a_unified_account_as_it_is() {
    let world = KINDS[1].started().await;
    let categories = [(USDT, "BTCUSDT"), (COIN, "BTCUSD"), (ProductType::UsdcFutures, "BTCPERP")];
    for (category, symbol) in categories {
        world
            .exchange(|exchange| exchange.open_position(DESK_A, category, symbol, HoldSide::Short, "0.01"))
            .unwrap();
        line_begins(&world, MINUTE, A_ACCOUNT, "new, not_flat: Open: 1 position.").await;
        let order = world
            .exchange(|exchange| exchange.place_order(DESK_A, category, NewOrder::live(symbol)))
            .unwrap();
        let plan_types = [PlanType::NormalPlan, PlanType::ProfitLoss, PlanType::TrackPlan];
        let plans = plan_types.map(|plan_type| {
            world.exchange(|exchange| exchange.place_plan_order(DESK_A, category, plan_type, symbol)).unwrap()
        });
        world
            .exchange(|exchange| exchange.close_position(DESK_A, category, symbol, HoldSide::Short))
            .unwrap();
        world.pass(2 * MINUTE).await;
        assert!(world.line(A_ACCOUNT).starts_with("new, not_flat: Open: "), "{}", world.told());
        world.exchange(|exchange| exchange.cancel_order(DESK_A, category, order)).unwrap();
        for plan in plans {
            world.pass(MINUTE).await;
            assert!(world.line(A_ACCOUNT).contains(" plan order"), "{plan:?} {}", world.told());
            world.exchange(|exchange| exchange.cancel_plan_order(DESK_A, category, plan)).unwrap();
        }
    }
    assert_eq!(all_sets(&world), []);
    changed(&world, A_ACCOUNT).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_account_under_conversion_is_asked_again_every_minute_whatever_its_settings_say() {
    for shown in [SettingsWhileConverting::Shown, SettingsWhileConverting::Refused] {
        for of in KINDS {
            let world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| {
                of.open(exchange);
                exchange.switches_mut().settings_while_converting = shown;
            })
            .await;
            changed(&world, of.target).await;
            world.pass(2 * MINUTE).await;
            let sets = all_sets(&world).len();
            world.exchange(|exchange| exchange.begin_conversion(DESK_A)).unwrap();
            world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
            line_begins(&world, 5 * MINUTE, of.target, "unknown, converting: ").await;
            world.reload();
            world.pass(30 * MINUTE).await;
            assert!(world.told().contains("converting: "), "{}", world.told());
            assert_eq!(all_sets(&world).len(), sets);
            world.exchange(|exchange| exchange.finish_conversion(DESK_A)).unwrap();
            let other = KINDS.into_iter().find(|other| other.kind != of.kind).unwrap();
            world.until(3 * MINUTE + SETTLE, "right", |world| world.is_in_sync(other.target)).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_inconclusive_is_never_taken_for_a_classic_account() {
    let code = |code: &str| FaultKind::Code { status: 400, code: code.to_owned() };
    let odd = [
        code("40725"),
        code("40085"),
        code("99999"),
        code("40099"),
        FaultKind::EmptyBody,
        FaultKind::NullData,
        FaultKind::Garbage,
        FaultKind::Status { status: 404, body: String::new() },
        FaultKind::MissingField { field: "holdMode".to_owned() },
        FaultKind::DropReply,
        FaultKind::TooManyRequests,
    ];
    for what in odd {
        for of in KINDS {
            let alters_data = matches!(what, FaultKind::MissingField { .. } | FaultKind::NullData);
            if of.kind == Kind::Classic && alters_data {
                // A classic account's settings are a refusal, which lacks nothing.
                continue;
            }
            let world = World::new(&file_of_a(of.hedge), 1, |exchange| {
                of.open(exchange);
                exchange.inject(Fault::always(what.clone()).on("settings"));
            });
            let mut world = world;
            world.start().await;
            world.pass(2 * MINUTE).await;
            let line = world.line(A_ACCOUNT);
            assert!(line.starts_with("unknown, ") && line.len() > 40, "{what:?}: {}", world.told());
            let asked_as_classic =
                !world.requests(|entry| entry.path.contains("/mix/account/account")).is_empty();
            assert!(!asked_as_classic, "{what:?}: {:?}", of.kind);
            assert_eq!(all_sets(&world), []);
            world.exchange(bitget_sim::Exchange::clear_faults);
            world.reload();
            world.until(6 * MINUTE + SETTLE, "as usual", |world| world.is_in_sync(of.target)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f50_a_hybrid_account_is_kept_like_any_other_unified_one() {
    let world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| {
        KINDS[1].open(exchange);
        exchange.set_account_mode(DESK_A, AccountMode::Hybrid).unwrap();
    })
    .await;
    changed(&world, A_ACCOUNT).await;
    // What the exchange calls it may change, and its kind does not.
    world.exchange(|exchange| exchange.set_account_mode(DESK_A, AccountMode::Unified)).unwrap();
    world.pass(5 * MINUTE).await;
    assert!(world.is_in_sync(A_ACCOUNT), "{}", world.told());
    assert_eq!(world.conversions(), 0);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_read_the_settings_tells_its_kind_by_a_classic_read() {
    for of in KINDS {
        let world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| {
            of.open(exchange);
            let key = exchange.key_mut("key-desk-a").unwrap();
            key.uta_mgt = Right::Nothing;
            exchange.inject(
                Fault::always(FaultKind::Code { status: 400, code: "40014".to_owned() })
                    .on("account/settings"),
            );
        })
        .await;
        match of.kind {
            Kind::Classic => changed(&world, of.target).await,
            Kind::Unified => {
                line_begins(&world, 15 * SECOND, A_ACCOUNT, "unknown, denied: ").await;
                assert!(world.line(A_ACCOUNT).contains("UTA mgt., read and write"), "{}", world.told());
                world.pass(HOUR).await;
                assert_eq!(all_sets(&world), []);
                world.exchange(|exchange| {
                    exchange.clear_faults();
                    exchange.key_mut("key-desk-a").unwrap().uta_mgt = Right::ReadWrite;
                });
                world.reload();
                changed(&world, A_ACCOUNT).await;
            }
        }
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_knows_the_targets_of_an_account_before_its_first_look() {
    for of in KINDS {
        let mut world = World::started(&file(&[("desk-a", WHOLE)]), |exchange| of.open(exchange)).await;
        changed(&world, of.target).await;
        world.pass(2 * MINUTE).await;
        let before: Vec<_> = world.status().targets.iter().map(|target| target.scope).collect();
        world.stop().await;
        world.cut(true);
        world.start().await;
        world.pass(2 * MINUTE).await;
        let status = world.status();
        let after: Vec<_> = status.targets.iter().map(|target| target.scope).collect();
        assert_eq!(after, before, "{}", world.told());
        assert!(status.targets.iter().all(|target| target.applied.is_some()), "{}", world.told());
        assert!(world.line(of.target).starts_with("unknown, "), "{}", world.told());
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_other_trading_mode_is_told_whatever_the_kind() {
    for of in KINDS {
        for (key_is_demo, says) in [(true, ""), (false, "demo: true, ")] {
            let world = World::started(&file_of_a(&format!("{says}{}", of.hedge)), |exchange| {
                of.open(exchange);
                exchange.key_mut("key-desk-a").unwrap().demo = key_is_demo;
            })
            .await;
            world.until(15 * SECOND, "told", |world| world.told().contains("unknown, credential: ")).await;
            assert!(world.told().contains("40099"), "{}", world.told());
            assert!(world.told().contains("`demo: true`"), "{}", world.told());
            let says = if key_is_demo { "demo: true, " } else { "" };
            world.write(&file_of_a(&format!("{says}{}", of.hedge)));
            changed(&world, of.target).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_says_it_is_of_the_other_kind_is_asked_less_and_less_often() {
    for code in ["40084", "40085", "40128"] {
        for of in KINDS {
            let world = World::started(&file_of_a(of.hedge), |exchange| {
                of.open(exchange);
                let other_kind = FaultKind::Code { status: 400, code: code.to_owned() };
                exchange.inject(Fault::always(other_kind).on(of.plan_orders));
            })
            .await;
            world.pass(10 * MINUTE).await;
            let before = world.asked();
            world.pass(20 * MINUTE).await;
            let asked = world.asked() - before;
            assert!(asked <= 200, "{code} {:?}: {asked} requests in 20 minutes", of.kind);
            assert!(world.line(of.target).starts_with("new, kind_unknown: "), "{}", world.told());
            assert_eq!(all_sets(&world), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_an_account_of_the_other_kind_makes_nothing_be_forgotten() {
    let says = |mode: &str| file_with(100, "drift: report", &[("desk-a", mode)]);
    let world = World::started(&says(ONE_WAY), |exchange| {
        add_desk(exchange, Kind::Classic, DESK_A, "desk-a");
        add_desk(exchange, Kind::Unified, DESK_B, "desk-b");
    })
    .await;
    world.until(MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.until(2 * MINUTE, "pinned", |world| count(&world.history("desk-a"), EventKind::Pinned) == 1).await;
    world.give_key("desk-a", "desk-b");
    world.reload();
    world.until(MINUTE, "wrong", |world| world.line(A_USDT).contains("wrong_account: ")).await;
    world.give_key("desk-a", "desk-a");
    world.write(&says(HEDGE));
    world.reload();
    changed(&world, A_USDT).await;
    let history = world.history("desk-a");
    assert_eq!((count(&history, EventKind::Converted), count(&history, EventKind::Released)), (0, 0));
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn i5_it_is_not_in_sync_while_a_set_of_before_the_conversion_may_take_effect() {
    let [classic, unified] = KINDS;
    // Nor if every answer, that of the call `time` too, is dated later.
    for ahead in [0, 40_000] {
        let world = World::started(&file_of_a(HEDGE), |exchange| {
            desks(exchange);
            exchange.inject(Fault::once(FaultKind::DropRequest).on(classic.setter));
        })
        .await;
        world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
        let signed = all_sets(&world)[0].signed.unwrap().0;
        world.write(&file_of_a(unified.one_way));
        become_of(&world, Kind::Unified);
        world.skew(ahead);
        line_begins(&world, 25 * SECOND, unified.target, "unknown, outcome_unknown: ").await;
        world.until(MINUTE, "in sync", |world| world.is_in_sync(unified.target)).await;
        assert!(world.clock.now().0 - signed >= 35_000, "{ahead}: before the end of the fence");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_could_not_be_written_is_written_later() {
    let [_, unified] = KINDS;
    let mut world = World::started(&file_of_a(unified.hedge), desks).await;
    world.until(2 * MINUTE, "all changed", |world| world.told().matches("in_sync").count() == 3).await;
    let trouble = "BEGIN SELECT RAISE(ABORT, 'disk trouble'); END";
    world.sql(&format!("CREATE TRIGGER trouble BEFORE UPDATE ON kinds {trouble}"));
    become_of(&world, Kind::Unified);
    world.until(3 * MINUTE, "the write fails", |world| world.status().targets.len() == 1).await;
    world.pass(5 * MINUTE).await;
    world.sql("DROP TRIGGER trouble");
    world.pass(2 * MINUTE).await;
    world.stop().await;
    world.start().await;
    assert_eq!(world.status().targets.len(), 1, "{}", world.told());
    world.until(MINUTE, "in sync", |world| world.is_in_sync(unified.target)).await;
    let history = world.history("desk-a");
    assert_eq!((count(&history, EventKind::Converted), count(&history, EventKind::Released)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn i1_a_lost_set_is_waited_for_though_the_account_has_another_name_now() {
    let [classic, _] = KINDS;
    let world = World::started(&file_of_a(HEDGE), |exchange| {
        desks(exchange);
        exchange.inject(Fault::once(FaultKind::DropRequest).on(classic.setter));
    })
    .await;
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    world.give_key("desk-x", "desk-a");
    world.write(&file(&[("desk-x", HEDGE)]).replace("settle: 30s", "settle: 0s"));
    world.until(2 * MINUTE, "another set", |world| all_sets(world).len() > 1).await;
    let signed: Vec<_> = all_sets(&world).iter().map(|set| set.signed.unwrap()).collect();
    let apart = signed[1].since(signed[0]);
    assert!((35_000..60_000).contains(&apart), "{apart} ms apart");
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_exchange_is_far_away_is_changed_all_the_same() {
    for (latency, of) in [300, 600, 1000].into_iter().flat_map(|latency| KINDS.map(|of| (latency, of))) {
        let world = World::started(&file_of_a(of.hedge), |exchange| of.open(exchange)).await;
        world.latency(Duration::from_millis(latency));
        world.pass(10 * MINUTE).await;
        // The parts of a list are asked for side by side, the three lists one after the other, within five seconds.
        if latency == 1000 {
            let told = "new, settling: Every list was empty, and reading them took longer than 5s";
            line_begins(&world, MINUTE, of.target, told).await;
        } else {
            assert!(world.is_in_sync(of.target), "{latency} ms, {:?}: {}", of.kind, world.told());
        }
        world.check_invariants(SETTLE);
    }
}
