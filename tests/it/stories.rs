//! Whole stories, in virtual time: what a desk would see, and what the exchange was asked. One module per theme; here are
//! the files and desks that they share.

mod absence;
mod budget;
mod change;
mod clocks;
mod compare;
mod conversion;
mod crowd;
mod exchange_as_it_is;
mod fight;
mod file;
mod held;
mod ledger;
mod limits;
mod paused;
mod published;
mod reach;
mod reasons;
mod refused;
mod since;
mod start;
mod switches;
mod time;
mod unknown;
mod window;

use std::time::Duration;

use bitget_sim::{Exchange, Kind, LogEntry, NewAccount, PosMode, ProductType, Uid};
use posmoded::ledger::{Event, EventKind};

use crate::world::{Glance, World};

const DESK_A: Uid = Uid(1001);
const DESK_B: Uid = Uid(1002);
const DESK_C: Uid = Uid(1003);
const USDT: ProductType = ProductType::UsdtFutures;
const COIN: ProductType = ProductType::CoinFutures;
const A_USDT: &str = "desk-a USDT-FUTURES";
const A_ACCOUNT: &str = "desk-a account";
const A_COIN: &str = "desk-a COIN-FUTURES";
const B_USDT: &str = "desk-b USDT-FUTURES";
const C_USDT: &str = "desk-c USDT-FUTURES";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const SETTLE: Duration = Duration::from_secs(30);
/// What the last verdict and the set take after `settle`.
const AFTER_SETTLE: Duration = Duration::from_secs(15);

const HEDGE: &str = "position_mode: { USDT-FUTURES: hedge_mode }";
const ONE_WAY: &str = "position_mode: { USDT-FUTURES: one_way_mode }";
const BOTH_HEDGE: &str = "position_mode: { USDT-FUTURES: hedge_mode, COIN-FUTURES: hedge_mode }";

/// What a story needs to know of the kind of account that it is told of; those of both kinds are told of each of these.
#[derive(Clone, Copy, Debug)]
struct Desk {
    kind: Kind,
    /// The target whose mode the file names.
    target: &'static str,
    hedge: &'static str,
    one_way: &'static str,
    /// The end of the setter's path, of the path that shows the mode, and of those of the lists.
    setter: &'static str,
    mode: &'static str,
    positions: &'static str,
    orders: &'static str,
    plan_orders: &'static str,
}

const KINDS: [Desk; 2] = [
    Desk {
        kind: Kind::Classic,
        target: A_USDT,
        hedge: HEDGE,
        one_way: ONE_WAY,
        setter: "set-position-mode",
        mode: "account/account",
        positions: "all-position",
        orders: "orders-pending",
        plan_orders: "orders-plan-pending",
    },
    Desk {
        kind: Kind::Unified,
        target: A_ACCOUNT,
        hedge: "position_mode: hedge_mode",
        one_way: "position_mode: one_way_mode",
        setter: "set-hold-mode",
        mode: "settings",
        positions: "current-position",
        orders: "unfilled-orders",
        plan_orders: "unfilled-strategy-orders",
    },
];

impl Desk {
    /// Three desks of this kind, flat, everything in one-way mode.
    fn open(self, exchange: &mut Exchange) {
        for (uid, name) in [(DESK_A, "desk-a"), (DESK_B, "desk-b"), (DESK_C, "desk-c")] {
            add_desk(exchange, self.kind, uid, name);
        }
    }

    /// A daemon with desk-a, which wants hedge mode.
    async fn started(self) -> World {
        World::started(&file_of_a(self.hedge), |exchange| self.open(exchange)).await
    }
}

/// A file with some accounts, each with what stands under its name.
fn file(accounts: &[(&str, &str)]) -> String {
    file_with(100, "drift: correct", accounts)
}

/// A file with desk-a alone.
fn file_of_a(says: &str) -> String {
    file(&[("desk-a", says)])
}

fn file_with(max_changes: u32, drift: &str, accounts: &[(&str, &str)]) -> String {
    let accounts: String = accounts.iter().map(|(name, says)| format!("  {name}: {{ {says} }}\n")).collect();
    format!(
        "version: 1\nmax_changes: {max_changes}\ndefaults: {{ {drift}, check_every: 60s, settle: 30s }}\n\
         accounts:\n{accounts}...\n"
    )
}

/// Three classic desks, flat, everything in one-way mode.
fn desks(exchange: &mut Exchange) {
    let [classic, _] = KINDS;
    classic.open(exchange);
}

fn add_desk(exchange: &mut Exchange, kind: Kind, uid: Uid, name: &str) {
    let desk = NewAccount { kind, ..NewAccount::classic(uid, name) };
    exchange.add_account(
        ProductType::ALL.into_iter().fold(desk, |desk, product| desk.with_mode(product, PosMode::OneWayMode)),
    );
}

/// What operators see of a target while some time passes: each `state, reason` once, in order of appearance.
async fn seen_during(world: &World, name: &str, span: Duration) -> Vec<String> {
    let (mut seen, mut glance) = (Vec::<String>::new(), Glance::default());
    let began = world.clock.now();
    while world.clock.now().since(began) < span {
        if glance.is_worth_it(world) {
            let line = world.line(name);
            let short = line.split(':').next().unwrap_or_default().to_owned();
            if seen.last() != Some(&short) {
                seen.push(short);
            }
        }
        world.pass(Duration::from_millis(50)).await;
    }
    seen
}

/// How long after its start a world is 60 ms short of the first set's arrival at the exchange: the same every time, for
/// nothing here is left to chance.
async fn just_before_the_first_set(file: &str, of: Desk) -> Duration {
    let world = World::started(file, |exchange| of.open(exchange)).await;
    let started = world.clock.now().0;
    world.until(2 * MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    let after = all_sets(&world)[0].at.0 - started - 60;
    Duration::from_millis(after.try_into().unwrap())
}

/// Waits until a target is in sync, for as long as a change of a flat account may take.
async fn changed(world: &World, name: &str) {
    world.until(SETTLE + AFTER_SETTLE + 10 * SECOND, name, |world| world.is_in_sync(name)).await;
}

/// Waits until the line of a target begins so.
async fn line_begins(world: &World, within: Duration, name: &str, begins: &str) {
    world.until(within, begins, |world| world.line(name).starts_with(begins)).await;
}

/// All sets that reached the exchange.
fn all_sets(world: &World) -> Vec<LogEntry> {
    world.requests(|entry| crate::world::is_set(entry) && entry.late_of.is_none())
}

/// Seconds between one set and the next, by the exchange's clock.
fn gaps(sets: &[LogEntry]) -> Vec<i64> {
    sets.windows(2).map(|pair| (pair[1].at.0 - pair[0].at.0) / 1000).collect()
}

/// How many requests an account made to paths that end so.
fn asked(world: &World, uid: Uid, path: &str) -> usize {
    world.requests(|entry| entry.account == Some(uid) && entry.path.ends_with(path)).len()
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

fn count(events: &[Event], kind: EventKind) -> usize {
    events.iter().filter(|event| event.kind == kind).count()
}
