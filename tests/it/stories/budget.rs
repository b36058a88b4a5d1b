//! What the budget of requests comes to: how long looks and changes take among many accounts, and how many requests each
//! costs. Each figure has a bound, and is printed as `figure: NAME = VALUE` for the table of the README.

use std::collections::BTreeMap;

use bitget_sim::{Exchange, HoldSide, Kind, NewOrder, Uid};

use super::*;

/// Requests a second, as `--requests-per-second` says by default.
const BUDGET: u64 = 30;
const CLASSIC: Desk = KINDS[0];
const UNIFIED: Desk = KINDS[1];

fn figure(name: &str, value: impl std::fmt::Display) {
    println!("figure: {name} = {value}");
}

fn uid(number: u64) -> Uid {
    Uid(5000 + number)
}

/// A file with so many accounts, the first `changed` of which want hedge mode.
fn many(of: Desk, count: u64, changed: u64, settle: &str) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("desk-{number:05}")).collect();
    let says = |number: u64| if number < changed { of.hedge } else { of.one_way };
    let accounts: Vec<_> = (0..).zip(&names).map(|(number, name)| (name.as_str(), says(number))).collect();
    file_with(5000, "drift: correct", &accounts).replace("settle: 30s", &format!("settle: {settle}"))
}

/// A daemon with these accounts, all in one-way mode.
fn crowd(of: Desk, count: u64, changed: u64, settle: &str, per_second: u64) -> World {
    let mut world = World::new(&many(of, count, changed, settle), 1, |exchange| {
        for number in 0..count {
            add_desk(exchange, of.kind, uid(number), &format!("desk-{number:05}"));
        }
    });
    world.budget(per_second);
    world
}

fn in_sync(world: &World) -> usize {
    world.status().targets.iter().filter(|target| target.reason.is_none()).count()
}

async fn settled(world: &mut World, count: usize) -> Duration {
    world.start().await;
    world.until(HOUR, "all in sync", |world| in_sync(world) == count).await
}

/// The longest time between two looks at the mode of any of these accounts, from a moment on.
fn longest_gap(world: &World, of: Desk, numbers: std::ops::Range<u64>, from: i64) -> i64 {
    let until = world.clock.now().0;
    let mut last: BTreeMap<Uid, i64> = numbers.map(|number| (uid(number), from)).collect();
    let mut longest = 0;
    for entry in world.log().iter().filter(|entry| entry.at.0 >= from && entry.path.ends_with(of.mode)) {
        let Some(before) = entry.account.and_then(|uid| last.get_mut(&uid)) else { continue };
        longest = longest.max(entry.at.0 - *before);
        *before = entry.at.0;
    }
    last.values().map(|last| until - last).fold(longest, i64::max)
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn f80_a_thousand_accounts_are_looked_at_in_what_their_looks_cost_and_then_in_turn() {
    let mut world = crowd(CLASSIC, 1000, 0, "30s", 10);
    let took = settled(&mut world, 1000).await;
    figure("first pass, 1000 accounts at 10/s, never seen, s", seconds(took));
    assert!(took <= Duration::from_secs(220), "{took:?}");
    // Kind and mode of each; the time and the contracts once.
    assert_eq!(world.log().len(), 2002);
    // Whose keys they are is seen with the second looks.
    world.pass(10 * MINUTE).await;
    world.stop().await;
    let before = world.log().len();
    let took = settled(&mut world, 1000).await;
    figure("first pass, 1000 accounts at 10/s, kinds known, s", seconds(took));
    assert!(took <= Duration::from_secs(110), "{took:?}");
    assert_eq!(world.log().len() - before, 1002);
    let from = world.clock.now().0;
    world.pass(10 * MINUTE).await;
    let gap = longest_gap(&world, CLASSIC, 0..1000, from);
    figure("longest gap after that (interval x factor: 100 s), s", gap / 1000);
    assert!(gap <= 110_000, "{gap} ms");
    let used = world.log().iter().filter(|entry| entry.at.0 >= from).count();
    figure("budget used meanwhile, percent", used * 100 / 6000);
    assert!(used >= 5880, "{used} of 6000 requests");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_accounts_are_looked_at_within_a_second_where_the_budget_allows() {
    for of in KINDS {
        let mut world = crowd(of, 100, 0, "30s", 1000);
        let took = settled(&mut world, 100).await;
        figure(&format!("first pass, 100 {:?} accounts at 1000/s, s", of.kind), seconds(took));
        assert!(took <= Duration::from_secs(2), "with the quiet second: {took:?}");
        let shared = if of.kind == Kind::Classic { 2 } else { 1 };
        assert_eq!(world.log().len(), 200 + shared, "kind and mode");
        world.pass(2 * MINUTE).await;
        world.stop().await;
        let before = world.log().len();
        settled(&mut world, 100).await;
        assert_eq!(world.log().len() - before, 100 + shared, "the mode");
    }
}

/// From the new file to the first set.
async fn changed_alone(of: Desk, count: u64) -> Duration {
    let mut world = crowd(of, count, 0, "0s", BUDGET);
    settled(&mut world, usize::try_from(count).unwrap()).await;
    world.pass(3 * MINUTE).await;
    world.write(&many(of, count, 1, "0s"));
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await
}

#[tokio::test(start_paused = true)]
async fn f81_one_of_two_hundred_changes_as_if_it_were_alone() {
    for of in KINDS {
        let (alone, among) = (changed_alone(of, 1).await, changed_alone(of, 200).await);
        figure(&format!("file to set, {:?}, alone, ms", of.kind), alone.as_millis());
        figure(&format!("file to set, {:?}, among 200, ms", of.kind), among.as_millis());
        // Mode, three lists one after the other, set: five ways to the exchange and four back.
        assert!(alone <= Duration::from_millis(50 + 4 * 50 + 25), "{alone:?}");
        assert!(among <= alone + Duration::from_millis(500), "{among:?} among 200, {alone:?} alone");
    }
}

/// From the new file to the last of fifty sets among two hundred, less `settle`; the longest gap of the others.
async fn fifty_changed(of: Desk, settle: &str, per_second: u64) -> (Duration, i64) {
    let mut world = crowd(of, 200, 0, settle, per_second);
    settled(&mut world, 200).await;
    world.pass(3 * MINUTE).await;
    let from = world.clock.now().0;
    world.write(&many(of, 200, 50, settle));
    let took = world.until(10 * MINUTE, "fifty sets", |world| all_sets(world).len() == 50).await;
    world.pass(2 * MINUTE).await;
    let gap = longest_gap(&world, of, 50..200, from);
    let log = world.log();
    let verdicts = log.iter().filter(|entry| entry.at.0 >= from && entry.path.ends_with(of.positions));
    let lists = if of.kind == Kind::Classic { 1 } else { 3 };
    let rounds = if settle == "0s" { 1 } else { 2 };
    assert_eq!(verdicts.count(), 50 * lists * rounds, "no verdict is thrown away");
    (took, gap)
}

#[tokio::test(start_paused = true)]
async fn fifty_of_two_hundred_that_change_at_once_take_what_they_cost_and_leave_the_others_alone() {
    for (of, settle, cost) in
        [(CLASSIC, "0s", 9), (UNIFIED, "0s", 15), (CLASSIC, "5s", 15), (UNIFIED, "5s", 27)]
    {
        let (took, gap) = fifty_changed(of, settle, BUDGET).await;
        let wait = if settle == "0s" { 0 } else { 5 };
        let took = took.saturating_sub(Duration::from_secs(wait));
        let name = format!("50 of 200 change at once, {:?}, settle {settle}", of.kind);
        figure(&format!("{name}: last set, s"), seconds(took));
        figure(&format!("{name}: longest gap of the others, s"), gap / 1000);
        let bound = Duration::from_secs_f64(f64::from(50 * cost) / (0.9 * 30.0)) + Duration::from_secs(2);
        assert!(took <= bound, "{name}: {took:?}, not {bound:?}");
        assert!(gap <= 60_000 + 200 * 10_000 / 30, "{name}: {gap} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_of_two_hundred_that_become_flat_at_once_are_set_soon() {
    for (per_second, most) in [(10, 52), (30, 18)] {
        let mut world = crowd(CLASSIC, 200, 50, "0s", per_second);
        for number in 0..50 {
            world.exchange(|exchange| {
                exchange.open_position(uid(number), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
            });
        }
        world.start().await;
        world.until(10 * MINUTE, "the others in sync", |world| in_sync(world) == 150).await;
        world.pass(30 * SECOND).await;
        for number in 0..50 {
            world
                .exchange(|exchange| exchange.close_position(uid(number), USDT, "BTCUSDT", HoldSide::Long))
                .unwrap();
        }
        let took = world.until(10 * MINUTE, "fifty sets", |world| all_sets(world).len() == 50).await;
        figure(&format!("50 of 200 flat at once, classic, {per_second}/s: last set, s"), seconds(took));
        assert!(took <= Duration::from_secs(most), "{per_second}/s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_just_closed_its_last_position_is_set_within_two_seconds_though_fifty_wait() {
    for of in KINDS {
        let mut world = crowd(of, 200, 50, "0s", BUDGET);
        for number in 0..50 {
            world.exchange(|exchange| {
                exchange.open_position(uid(number), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
            });
        }
        world.start().await;
        world.until(10 * MINUTE, "the others in sync", |world| in_sync(world) == 150).await;
        world.pass(5 * SECOND).await;
        let mut longest = Duration::ZERO;
        for number in 0..15 {
            let sets = all_sets(&world).len();
            world
                .exchange(|exchange| exchange.close_position(uid(number), USDT, "BTCUSDT", HoldSide::Long))
                .unwrap();
            let took = world.until(MINUTE, "a set", |world| all_sets(world).len() > sets).await;
            longest = longest.max(took);
            world.pass(Duration::from_millis(1700)).await;
        }
        figure(&format!("flat to set, {:?}, 50 waiting, most, ms", of.kind), longest.as_millis());
        assert!(longest <= Duration::from_millis(2000 + 4 * 50 + 25), "{:?}: {longest:?}", of.kind);
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_open_costs_few_requests_and_fewer_each_hour() {
    let a_position: fn(&mut Exchange) = |exchange| {
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    };
    let an_order: fn(&mut Exchange) = |exchange| {
        exchange.place_order(DESK_A, USDT, NewOrder::live("BTCUSDT")).unwrap();
    };
    for (what, open, bounds) in [("a position", a_position, [370, 190]), ("an order", an_order, [300, 190])] {
        for of in KINDS {
            let world = World::started(&file_of_a(of.hedge), |exchange| {
                of.open(exchange);
                open(exchange);
            })
            .await;
            world.pass(5 * SECOND).await;
            for (hour, bound) in bounds.into_iter().enumerate() {
                let before = world.log().len();
                world.pass(HOUR).await;
                let requests = world.log().len() - before;
                figure(&format!("requests, hour {} of {what} open, {:?}", hour + 1, of.kind), requests);
                assert!(requests <= bound, "{what}, {:?}: {requests} in an hour", of.kind);
            }
        }
    }
    for of in KINDS {
        let world = of.started().await;
        world.pause(None, None);
        world.pass(MINUTE).await;
        let before = world.log().len();
        world.pass(HOUR).await;
        let requests = world.log().len() - before;
        figure(&format!("requests in an hour of a pause, {:?}", of.kind), requests);
        assert!(requests <= 64, "{requests}");
    }
}
