//! What the budget of requests comes to: how long looks and changes take among many accounts, and how many requests each
//! costs. Each figure has a bound, and is handed over to the README's table of costs.

use std::collections::BTreeMap;

use bitget_sim::{Exchange, HoldSide, Kind, NewOrder, Uid};

use posmoded::protocol::{Reason, State};
use posmoded::status::TargetStatus;

use super::*;

/// Requests a second, as `--requests-per-second` says by default.
const BUDGET: u64 = 30;
const CLASSIC: Desk = KINDS[0];
const UNIFIED: Desk = KINDS[1];

/// Hands a figure over to the cost table: `tests/bench/figures.rs` reads it.
#[expect(clippy::print_stdout, reason = "it is handed over as a line")]
fn figure(name: &str, of: Option<Desk>, value: f64) {
    let kind = of.map(|of| format!("_{:?}", of.kind).to_lowercase()).unwrap_or_default();
    println!("figure: {name}{kind} = {value}");
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn number(count: usize) -> f64 {
    count as f64
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
    how_many(world, |target| target.state == State::InSync)
}

fn how_many(world: &World, is_such: impl Fn(&TargetStatus) -> bool) -> usize {
    let mut count = 0;
    world.see(|target| count += usize::from(is_such(target)));
    count
}

/// From the start to the arrival of the last request that a first pass needs.
async fn settled(world: &mut World, count: usize) -> Duration {
    let began = world.clock.now();
    world.start().await;
    world.until(HOUR, "all in sync", |world| in_sync(world) == count).await;
    let mut seen = std::collections::BTreeSet::new();
    let log = world.log();
    let since = log.iter().filter(|entry| entry.at.0 >= began.0);
    let first = since.filter(|entry| {
        let is_mode = entry.path.ends_with("account/account") || entry.path.ends_with("settings");
        is_mode && entry.status == Some(200) && seen.insert(entry.account)
    });
    let last = first.map(|entry| entry.at.0).max().unwrap();
    Duration::from_millis(u64::try_from(last - began.0).unwrap())
}

/// All want one-way mode and have it for some minutes; then the first `changed` want hedge mode and hold a position.
async fn waiting(of: Desk, count: u64, changed: u64, per_second: u64) -> World {
    let mut world = crowd(of, count, 0, "0s", per_second);
    settled(&mut world, usize::try_from(count).unwrap()).await;
    world.pass(4 * MINUTE).await;
    for number in 0..changed {
        world.exchange(|exchange| {
            exchange.open_position(uid(number), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
        });
    }
    world.write(&many(of, count, changed, "0s"));
    let waits =
        |target: &TargetStatus| (target.state, target.reason) == (State::Pending, Some(Reason::NotFlat));
    let all = usize::try_from(changed).unwrap();
    world.until(2 * MINUTE, "they wait", |world| how_many(world, waits) == all).await;
    world
}

/// The longest time between two looks at the mode of any of these accounts, from a moment on.
fn longest_gap(world: &World, of: Desk, numbers: std::ops::Range<u64>, from: i64) -> Duration {
    let until = world.clock.now().0;
    let mut last: BTreeMap<Uid, i64> = numbers.map(|number| (uid(number), from)).collect();
    let mut longest = 0;
    for entry in world.log().iter().filter(|entry| entry.at.0 >= from && entry.path.ends_with(of.mode)) {
        let Some(before) = entry.account.and_then(|uid| last.get_mut(&uid)) else { continue };
        longest = longest.max(entry.at.0 - *before);
        *before = entry.at.0;
    }
    let longest = last.values().map(|last| until - last).fold(longest, i64::max);
    Duration::from_millis(u64::try_from(longest).unwrap())
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn f80_a_thousand_accounts_are_looked_at_in_what_their_looks_cost_and_then_in_turn() {
    let mut world = crowd(CLASSIC, 1000, 0, "30s", 10);
    let took = settled(&mut world, 1000).await;
    figure("first_pass_new", None, seconds(took));
    assert!(took <= Duration::from_secs(220), "{took:?}");
    // Whose keys they are is seen with the second looks.
    world.pass(10 * MINUTE).await;
    world.stop().await;
    let took = settled(&mut world, 1000).await;
    figure("first_pass_known", None, seconds(took));
    assert!(took <= Duration::from_secs(110), "{took:?}");
    let from = world.clock.now().0;
    world.pass(10 * MINUTE).await;
    let gap = longest_gap(&world, CLASSIC, 0..1000, from);
    figure("gap", None, seconds(gap));
    assert!(gap <= Duration::from_secs(110), "{gap:?}");
    let used = world.log().iter().filter(|entry| entry.at.0 >= from).count();
    figure("budget_used", None, number(used) / 6000.0);
    assert!(used >= 5880, "{used} of 6000 requests");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_accounts_are_looked_at_within_a_second_where_the_budget_allows() {
    for of in KINDS {
        let mut world = crowd(of, 100, 0, "30s", 1000);
        let took = settled(&mut world, 100).await;
        figure("pass_100", Some(of), seconds(took));
        assert!(took <= Duration::from_secs(2), "with the quiet second: {took:?}");
        let shared = if of.kind == Kind::Classic { 2 } else { 1 };
        assert_eq!(world.asked(), 200 + shared, "kind and mode");
        world.pass(2 * MINUTE).await;
        world.stop().await;
        let before = world.asked();
        settled(&mut world, 100).await;
        assert_eq!(world.asked() - before, 100 + shared, "the mode");
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
        figure("alone", Some(of), seconds(alone) * 1000.0);
        figure("one_of_200", Some(of), seconds(among.saturating_sub(alone)) * 1000.0);
        // Mode, three lists one after the other, set: five ways to the exchange and four back.
        assert!(alone <= Duration::from_millis(50 + 4 * 50 + 25), "{alone:?}");
        assert!(among <= alone + Duration::from_millis(500), "{among:?} among 200, {alone:?} alone");
    }
}

/// From the new file to the last of fifty sets among two hundred, less `settle`; the longest gap of the others.
async fn fifty_changed(of: Desk, settle: &str, per_second: u64) -> (Duration, Duration) {
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
        let name = if settle == "0s" { "fifty_changed" } else { "fifty_settled" };
        figure(name, Some(of), seconds(took));
        if settle == "0s" {
            figure("others_meanwhile", Some(of), seconds(gap));
        }
        let bound = Duration::from_secs_f64(f64::from(50 * cost) / (0.9 * 30.0)) + Duration::from_secs(2);
        assert!(took <= bound, "{name}: {took:?}, not {bound:?}");
        assert!(gap <= Duration::from_millis(60_000 + 200 * 10_000 / 30), "{name}: {gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_of_two_hundred_that_become_flat_at_once_are_set_soon() {
    for (per_second, most) in [(10, 56), (30, 18)] {
        let world = waiting(CLASSIC, 200, 50, per_second).await;
        world.pass(30 * SECOND).await;
        for number in 0..50 {
            world
                .exchange(|exchange| exchange.close_position(uid(number), USDT, "BTCUSDT", HoldSide::Long))
                .unwrap();
        }
        let took = world.until(10 * MINUTE, "fifty sets", |world| all_sets(world).len() == 50).await;
        figure(&format!("fifty_flat_{per_second}"), None, seconds(took));
        assert!(took <= Duration::from_secs(most), "{per_second}/s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_just_closed_its_last_position_is_set_within_two_seconds_though_fifty_wait() {
    for of in KINDS {
        let world = waiting(of, 200, 50, BUDGET).await;
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
        figure("flat_to_set", Some(of), seconds(longest) * 1000.0);
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
    for (what, open, bounds) in [("position", a_position, [370, 190]), ("order", an_order, [300, 190])] {
        for of in KINDS {
            let world = World::started(&file_of_a(of.hedge), |exchange| {
                of.open(exchange);
                open(exchange);
            })
            .await;
            world.pass(5 * SECOND).await;
            for (hour, bound) in bounds.into_iter().enumerate() {
                let before = world.asked();
                world.pass(HOUR).await;
                let requests = world.asked() - before;
                figure(&format!("{what}_hour_{}", hour + 1), Some(of), number(requests));
                assert!(requests <= bound, "{what}, {:?}: {requests} in an hour", of.kind);
            }
        }
    }
    for of in KINDS {
        let world = of.started().await;
        world.pause(None, None);
        world.pass(MINUTE).await;
        let before = world.asked();
        world.pass(HOUR).await;
        let requests = world.asked() - before;
        figure("paused_hour", Some(of), number(requests));
        // A minute each, sooner by up to a tenth.
        assert!(requests <= 67, "{requests}");
    }
}
