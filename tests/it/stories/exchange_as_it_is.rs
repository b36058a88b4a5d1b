//! The exchange as it is: levels, contracts that come and go, calls that some keys do not have, strategies that share the
//! limits.

use bitget_sim::{AccountLevel, AccountMode, Fault, FaultKind, HoldSide, NewAccount, PosMode, SymbolStatus};

use super::*;

const WHOLE_HEDGE: &str = "position_mode: hedge_mode";

fn unified(uid: Uid, name: &str) -> NewAccount {
    NewAccount::unified(uid, name).with_mode(USDT, PosMode::OneWayMode)
}

#[tokio::test(start_paused = true)]
async fn f55_an_account_of_every_level_is_managed_and_waits_for_what_it_holds() {
    let levels = [
        (AccountLevel::Basic, "basic"),
        (AccountLevel::Advanced, "advanced"),
        (AccountLevel::Isolated, "isolated"),
        (AccountLevel::Delta, "delta"),
    ];
    for (level, word) in levels {
        for code in [Some("25240"), Some("25002"), Some("25101"), Some("40034"), None] {
            let world = World::started(&file_of_a(WHOLE_HEDGE), |exchange| {
                exchange.switches_mut().missing_category_code = code.map(str::to_owned);
                exchange.add_account(unified(DESK_A, "desk-a").with_level(level));
                exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
            })
            .await;
            line_begins(&world, MINUTE, A_ACCOUNT, "new, not_flat: Open: 1 position").await;
            let settings = world.status().account_settings;
            let shown = settings.values().next().and_then(|one| one.account_level.clone());
            assert_eq!(shown.as_deref(), Some(word));
            world
                .exchange(|exchange| exchange.close_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long))
                .unwrap();
            world.until(2 * MINUTE, "in sync", |world| world.is_in_sync(A_ACCOUNT)).await;
            world.check_invariants(SETTLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f50_a_hybrid_account_is_managed_like_any_other() {
    let world = World::started(&file_of_a(WHOLE_HEDGE), |exchange| {
        let account = unified(DESK_A, "desk-a");
        exchange.add_account(NewAccount { account_mode: AccountMode::Hybrid, ..account });
    })
    .await;
    changed(&world, A_ACCOUNT).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f53_a_contract_that_is_delisted_under_a_running_daemon_blinds_no_account() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]), desks).await;
    changed(&world, A_USDT).await;
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let listing = |exchange: &mut Exchange| {
            exchange.listing_mut(USDT, symbol).unwrap().symbol_status = SymbolStatus::Off;
        };
        world.exchange(listing);
        let seen = seen_during(&world, A_USDT, 5 * MINUTE).await;
        assert_eq!(seen, ["in_sync"], "{symbol}");
    }
    world.exchange(|exchange| exchange.flip(DESK_B, USDT, PosMode::HedgeMode)).unwrap();
    line_begins(&world, 2 * MINUTE, B_USDT, "drifted").await;
    changed(&world, B_USDT).await;
}

#[tokio::test(start_paused = true)]
async fn f54_what_the_calls_for_rights_and_owner_answer_is_no_obstacle() {
    let coded = |status, code: &str| FaultKind::Code { status, code: code.to_owned() };
    let html = |status| FaultKind::Status { status, body: "<html>".to_owned() };
    let answers = [
        coded(400, "40014"),
        coded(400, "40081"),
        coded(400, "40105"),
        coded(400, "99999"),
        coded(400, "40404"),
        html(404),
        html(503),
        FaultKind::TooManyRequests,
        FaultKind::Hang,
        FaultKind::Garbage,
    ];
    let named: Vec<(Uid, String)> =
        (0..).zip(&answers).map(|(n, _)| (Uid(2000 + n), format!("many-{n}"))).collect();
    for of in KINDS {
        let info = match of.kind {
            Kind::Classic => "spot/account/info",
            Kind::Unified => "v3/account/info",
        };
        let accounts: Vec<(&str, &str)> = named.iter().map(|(_, name)| (name.as_str(), of.hedge)).collect();
        let world = World::started(&file_with(100, "drift: correct", &accounts), |exchange| {
            for ((uid, name), what) in named.iter().zip(&answers) {
                add_desk(exchange, of.kind, *uid, name);
                exchange.inject(Fault::always(what.clone()).on(info).for_account(*uid));
            }
        })
        .await;
        let scope = of.target.split_once(' ').unwrap().1;
        for (_, name) in &named {
            let target = format!("{name} {scope}");
            world.until(3 * MINUTE, &target, |world| world.is_in_sync(&target)).await;
        }
        let asked = |world: &World| named.iter().map(|(uid, _)| asked(world, *uid, info)).collect::<Vec<_>>();
        let before = asked(&world);
        world.pass(HOUR).await;
        let after = asked(&world);
        let warnings = world.status().warnings;
        for (index, ((uid, name), what)) in named.iter().zip(&answers).enumerate() {
            let sets = world.requests(|entry| crate::world::is_set(entry) && entry.account == Some(*uid));
            assert_eq!(sets.len(), 1, "{what:?}");
            let again = after[index] - before[index];
            assert!(again <= 6, "{what:?}: asked {again} times within an hour");
            let is_told = warnings.iter().any(|warning| {
                let is_of_it = warning.account.as_ref().is_some_and(|of| of.as_str() == name);
                is_of_it && warning.say.starts_with("Whose key this is")
            });
            // Of a unified account its settings tell whose it is, and a key without a right is told apart.
            let is_unseen = of.kind == Kind::Classic && *what != coded(400, "40014");
            assert_eq!(is_told, is_unseen, "{what:?}: {warnings:?}");
        }
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f51_an_account_whose_strategies_take_nearly_all_of_its_limits_is_changed_all_the_same() {
    let lists = [
        (Kind::Classic, 5, 4, "/all-position"),
        (Kind::Classic, 10, 9, "/orders-pending"),
        (Kind::Classic, 10, 9, "/orders-plan-pending"),
        (Kind::Classic, 10, 9, "/account/account"),
        (Kind::Unified, 20, 17, "/current-position"),
        (Kind::Unified, 20, 17, "/unfilled-orders"),
        // Six are asked side by side, and a verdict must end within five seconds.
        (Kind::Unified, 20, 14, "/unfilled-strategy-orders"),
        (Kind::Unified, 20, 19, "/account/settings"),
    ];
    for of in KINDS {
        let mut world = World::new(&file_of_a(of.hedge), 1, |exchange| of.open(exchange));
        for (_, limit, load, path) in lists.iter().filter(|(kind, ..)| *kind == of.kind) {
            assert!(load < limit, "{path}");
            world.load(DESK_A, path, *load);
        }
        world.start().await;
        world.until(10 * MINUTE, "in sync", |world| world.is_in_sync(of.target)).await;
        world.pass(HOUR).await;
        assert!(world.is_in_sync(of.target));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn f54_settings_that_do_not_tell_whose_they_are_are_no_obstacle_unless_the_file_names_the_owner() {
    let no_uid = || Fault::always(FaultKind::MissingField { field: "uid".to_owned() }).on("account/settings");
    for (uid, managed) in [("", true), (", uid: \"1001\"", false)] {
        let world = World::started(&file_of_a(&format!("{WHOLE_HEDGE}{uid}")), |exchange| {
            exchange.add_account(unified(DESK_A, "desk-a"));
            exchange.inject(no_uid());
        })
        .await;
        world.pass(3 * MINUTE).await;
        assert_eq!(world.is_in_sync(A_ACCOUNT), managed, "{}", world.told());
        assert_eq!(all_sets(&world).len(), usize::from(managed));
    }
}

#[tokio::test(start_paused = true)]
async fn f66_a_pinned_account_whose_new_key_does_not_tell_whose_it_is_is_held() {
    let world = World::started(&file_of_a(HEDGE), desks).await;
    changed(&world, A_USDT).await;
    let refused = FaultKind::Code { status: 400, code: "40081".to_owned() };
    world.exchange(|exchange| exchange.inject(Fault::always(refused).on("spot/account/info")));
    // It belongs to desk-b, whose mode is another one.
    world.give_key("desk-a", "desk-b");
    world.reload();
    world.pass(2 * HOUR).await;
    let line = world.line(A_USDT);
    assert!(line.starts_with("unknown, "), "{line}");
    assert_eq!(all_sets(&world).len(), 1, "the one before");
    world.give_key("desk-a", "desk-a");
    world.reload();
    world.until(2 * MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.check_invariants(SETTLE);
}
