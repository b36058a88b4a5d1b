//! Many accounts, idle hours: how often the exchange is asked.

use bitget_sim::{Exchange, NewAccount, PosMode, Uid};

use super::*;

const ACCOUNTS: u64 = 70;

fn crowd() -> String {
    crowd_of(ACCOUNTS, "position_mode: hedge_mode")
}

fn crowd_of(count: u64, says: &str) -> String {
    let names: Vec<String> = (1..=count).map(|number| format!("desk-{number}")).collect();
    file(&names.iter().map(|name| (name.as_str(), says)).collect::<Vec<_>>())
}

fn in_hedge_mode(exchange: &mut Exchange) {
    hedgers(exchange, ACCOUNTS);
}

fn hedgers(exchange: &mut Exchange, count: u64) {
    for number in 1..=count {
        exchange.add_account(NewAccount::classic(Uid(5000 + number), &format!("desk-{number}")));
    }
}

/// The most requests in any second, and the mean, from a moment on.
fn rates(world: &World, from: i64, until: i64) -> (usize, f64) {
    let at: Vec<i64> =
        world.log().iter().map(|entry| entry.at.0).filter(|at| (from..until).contains(at)).collect();
    let most = at.iter().map(|begin| at.iter().filter(|at| (0..1000).contains(&(*at - begin))).count()).max();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let mean = at.len() as f64 * 1000.0 / (until - from) as f64;
    (most.unwrap_or(0), mean)
}

/// Three targets each, and more than the budget can look at in an interval: of one account, too, none is left out.
#[tokio::test(start_paused = true)]
async fn f80_every_target_of_an_account_has_its_looks() {
    const COUNT: u64 = 250;
    let says = "position_mode: hedge_mode";
    let mut world = World::new(&crowd_of(COUNT, says), 1, |exchange| hedgers(exchange, COUNT));
    world.budget(10);
    world.start().await;
    world.until(5 * MINUTE, "all in sync", |world| world.told().matches("in_sync").count() == 750).await;
    let (from, before) = (world.clock.now().0, world.asked());
    world.pass(10 * MINUTE).await;
    let mut last = std::collections::BTreeMap::new();
    let mut longest = 0;
    for entry in world.log().split_off(before).iter().filter(|entry| entry.path.ends_with("account/account"))
    {
        let before = last.insert((entry.account, entry.product), entry.at.0).unwrap_or(from);
        longest = longest.max(entry.at.0 - before);
    }
    assert_eq!(last.len(), 750, "each of them");
    assert!(longest <= 150_000, "{longest} ms");
}

#[tokio::test(start_paused = true)]
async fn f25_from_the_third_minute_after_a_restart_on_no_second_has_four_times_the_mean() {
    let mut world = World::started(&crowd(), in_hedge_mode).await;
    world.until(2 * MINUTE, "all in sync", |world| world.told().matches("in_sync").count() == 210).await;
    world.pass(5 * MINUTE).await;
    world.stop().await;
    world.start().await;
    let started = world.clock.now().0;
    world.pass(11 * MINUTE).await;
    assert_eq!(world.told().matches("in_sync").count(), 210);
    let (most, mean) = rates(&world, started + 120_000, started + 660_000);
    assert!((3.4..4.0).contains(&mean), "210 targets a minute, not {mean} a second");
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let most = most as f64;
    // Looks at random moments come to as much now and then; the crowd of a restart would be fifty times the mean.
    assert!(most <= 4.0 * mean, "{most} in one second, {mean} on average");
    assert_eq!(all_sets(&world), []);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f20_an_idle_hour_has_the_planned_looks_and_no_other() {
    let world =
        World::started(&file(&[("desk-a", "position_mode: one_way_mode"), ("desk-b", ONE_WAY)]), desks).await;
    world.until(30 * SECOND, "in sync", |world| world.told().matches("in_sync").count() == 4).await;
    world.pass(MINUTE).await;
    let before = world.asked();
    let on_record = world.everything_on_record().len();
    world.pass(HOUR).await;
    let hour = world.log().split_off(before);
    let looks = |uid, product| {
        hour.iter().filter(|entry| entry.account == Some(uid) && entry.product == Some(product)).count()
    };
    for (uid, product) in
        [(DESK_A, USDT), (DESK_A, COIN), (DESK_A, bitget_sim::ProductType::UsdcFutures), (DESK_B, USDT)]
    {
        let looks = looks(uid, product);
        assert!((59..=67).contains(&looks), "{uid} {product:?}: {looks} looks in an hour");
    }
    let others: Vec<_> = hour.iter().filter(|entry| !entry.path.ends_with("account/account")).collect();
    assert!(others.is_empty(), "i13: nothing but the mode is asked for: {others:#?}");
    assert_eq!(world.everything_on_record().len(), on_record, "nothing happened, so nothing is on record");
}

#[tokio::test(start_paused = true)]
async fn i13_whose_key_it_is_is_asked_once_and_the_contracts_once() {
    let world = World::started(&file(&[("desk-a", BOTH_HEDGE), ("desk-b", BOTH_HEDGE)]), desks).await;
    changed(&world, A_USDT).await;
    world.pass(12 * HOUR).await;
    assert_eq!((asked(&world, DESK_A, "account/info"), asked(&world, DESK_B, "account/info")), (1, 1));
    let contracts = world.log().iter().filter(|entry| entry.path.ends_with("contracts")).count();
    assert_eq!(contracts, 2, "once for each product type");
    world.reload();
    world.pass(MINUTE).await;
    assert_eq!(asked(&world, DESK_A, "account/info"), 2, "and again on reload");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_log() {
    let mut logs = Vec::new();
    for _ in 0..2 {
        let world = World::started(&file(&[("desk-a", BOTH_HEDGE), ("desk-b", BOTH_HEDGE)]), desks).await;
        world.pass(10 * MINUTE).await;
        logs.push(world.log());
    }
    assert_eq!(logs[0], logs[1]);
}

#[tokio::test(start_paused = true)]
async fn i9_a_dozen_flat_accounts_that_want_a_change_at_once_all_get_their_verdicts_in_time() {
    let names: Vec<String> = (1..=12).map(|number| format!("desk-{number}")).collect();
    let file = file(&names.iter().map(|name| (name.as_str(), HEDGE)).collect::<Vec<_>>());
    let world = World::started(&file, |exchange| {
        for (number, name) in (1..).zip(&names) {
            let account = NewAccount::classic(Uid(5000 + number), name);
            exchange.add_account(account.with_mode(USDT, PosMode::OneWayMode));
        }
    })
    .await;
    world.until(4 * MINUTE, "all in sync", |world| world.told().matches("in_sync").count() == 12).await;
    assert_eq!(all_sets(&world).len(), 12);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f81_one_changed_line_has_its_own_target_looked_at_and_not_everybodys() {
    let world = World::started(&crowd(), in_hedge_mode).await;
    world.until(2 * MINUTE, "all in sync", |world| world.told().matches("in_sync").count() == 210).await;
    world.pass(2 * MINUTE).await;
    let before = world.asked();
    let one =
        crowd().replacen("position_mode: hedge_mode", "position_mode: { USDT-FUTURES: one_way_mode }", 1);
    world.write(&one);
    let took = world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    assert!(took <= SETTLE + 3 * SECOND, "as if alone: {took:?}");
    let since = world.log().split_off(before);
    let others = since.iter().filter(|entry| entry.account.is_some_and(|uid| uid != Uid(5001))).count();
    let seconds = usize::try_from(took.as_secs()).unwrap();
    assert!(others <= 4 * seconds + 8, "{others} looks at others in {took:?}, which are due 3.5 a second");
    world.check_invariants(SETTLE);
}
