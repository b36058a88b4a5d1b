//! What happens in a story, and when, drawn before it begins. It does nothing.

use std::time::Duration;

use bitget_sim::{
    AccountLevel, AccountMode, EmptyList, EndId, Exchange, Fault, FaultKind, Kind, LateTimestamp, NewAccount,
    NotFlat, OrdersWithoutStatus, PlanType, PosMode, ProductType, SameMode, Switches, Uid,
};
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::file::{Bad, Wish};
use super::one_of;
use super::plan::{Part, Size};

/// A story before it happens.
#[derive(Debug)]
pub struct Plot {
    pub accounts: Vec<Person>,
    pub wish: Wish,
    pub latency: Duration,
    pub skew_ms: i64,
    pub switches: Switches,
    /// What happens, and how long after the beginning.
    pub acts: Vec<(Duration, Act)>,
}

/// An account at the exchange.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: &'static str,
    pub uid: Uid,
    /// What it is, but while somebody tries what it would be like to be of the other kind.
    pub kind: Kind,
    /// What its settings say while it is a unified one.
    pub account_mode: AccountMode,
    pub level: AccountLevel,
    pub products: Vec<ProductType>,
    pub modes: Vec<PosMode>,
    /// How often its owner may want it compared, in seconds.
    pub looks: &'static [u32],
}

/// One thing that happens. What ends again has a slot: the end names it.
#[derive(Debug, Clone, strum::IntoStaticStr, strum::VariantNames)]
pub enum Act {
    Write(Wish),
    Spoil(Bad),
    Mend,
    Reload,
    Refresh { who: usize },
    Flip { who: usize, product: ProductType, to: PosMode },
    Open { slot: usize, who: usize, product: ProductType, what: Thing },
    Close { slot: usize },
    Goes(Fault),
    FaultsEnd,
    Repeat { path: &'static str, times: u32 },
    Ahead { path: &'static str, times: u32, millis: i64 },
    Lag { millis: u32 },
    RefuseSets { who: usize, code: Option<&'static str> },
    RefuseKey { who: usize, code: Option<&'static str> },
    TakeKey { who: usize, gone: bool },
    Convert { who: usize, to: Kind },
    Load { who: usize, path: &'static str, per_second: u32 },
    Kill { down: Duration },
    KillInFlight { what: InFlight, after: Duration, down: Duration },
    CrashLoop { lives: Vec<Duration> },
    Stop { down: Duration },
    Pause { who: Option<usize>, lasts: Option<Duration> },
    Resume { who: Option<usize> },
    Approve,
    Step { millis: i64 },
    Cut(bool),
    Latency(Duration),
}

/// What keeps an account from being flat.
#[derive(Debug, Clone, Copy)]
pub enum Thing {
    Position,
    Order,
    HalfFilled,
    Plan(PlanType),
    Hidden,
}

/// What is under way when the daemon is killed.
#[derive(Debug, Clone, Copy)]
pub enum InFlight {
    Anything,
    Set,
}

impl Plot {
    /// All that happens in a story of this size.
    pub fn draw(dice: &mut TestRng, size: Size) -> Plot {
        let (count, looks) = match size {
            Size::Short => (dice.random_range(2..=5), &BUSY_LOOKS[..]),
            Size::Long { accounts, hours: _ } => (accounts, &LOOKS[..]),
        };
        let accounts: Vec<Person> = (0..count).map(|number| Person::draw(dice, number, looks)).collect();
        let wish = Wish::draw(dice, &accounts);
        let late_timestamp = match dice.random_range(0..10) {
            0 => LateTimestamp::CheckedOnArrival,
            _ => LateTimestamp::CheckedAgain,
        };
        let latency = Duration::from_millis(one_of(dice, &[1, 20, 20, 80, 400]));
        let skew_ms = one_of(dice, &[0, 0, 700, -700, 300_000, -300_000]);
        let switches = switches(dice, late_timestamp);
        let (length, often) = match size {
            Size::Short => (dice.random_range(20..=45) * 60, one_of(dice, &[10, 20, 40])),
            Size::Long { accounts: _, hours } => (hours * 3600, one_of(dice, &[120, 300, 600])),
        };
        let mut acts = Vec::new();
        let mut next = wish.clone();
        for at in moments(dice, length, often) {
            scene(dice, &accounts, &mut next, at, &mut acts);
        }
        // Stable: what was drawn first happens first.
        acts.sort_by_key(|(at, _)| *at);
        Plot { accounts, wish, latency, skew_ms, switches, acts }
    }

    /// Leaves out all that is not in this part of it.
    #[must_use]
    pub fn only(mut self, part: &Part) -> Plot {
        let stays = |number: usize| part.accounts.as_ref().is_none_or(|these| these.contains(&number));
        let people = std::mem::take(&mut self.accounts);
        let numbers: Vec<usize> = (0..people.len()).filter(|number| stays(*number)).collect();
        self.accounts = numbers.iter().map(|number| people[*number].clone()).collect();
        self.wish.only(&self.accounts);
        let (mut now, mut before) = (Duration::ZERO, Duration::ZERO);
        let mut acts = Vec::new();
        for (number, (at, mut act)) in self.acts.into_iter().enumerate() {
            let stays = part.acts.as_ref().is_none_or(|these| these.contains(&number));
            if !stays || !act.is_among(&numbers, &self.accounts) {
                continue;
            }
            let gap = at.saturating_sub(before);
            now += part.gap.map_or(gap, |longest| longest.min(gap));
            before = at;
            acts.push((now, act));
        }
        self.acts = acts;
        self
    }

    /// The exchange before anything happens.
    pub fn people(&self, exchange: &mut Exchange) {
        for Person { name, uid, kind, account_mode, level, products, modes, looks: _ } in &self.accounts {
            let account = match kind {
                Kind::Classic => NewAccount::classic(*uid, name),
                Kind::Unified => NewAccount::unified(*uid, name),
            };
            let account = NewAccount { account_mode: *account_mode, ..account.with_level(*level) };
            let modes = products.iter().zip(modes);
            exchange.add_account(
                modes.fold(account, |account, (product, mode)| account.with_mode(*product, *mode)),
            );
        }
        *exchange.switches_mut() = self.switches.clone();
    }
}

impl Act {
    /// Whether it is about anybody who is still there, whose new number it has then.
    fn is_among(&mut self, numbers: &[usize], people: &[Person]) -> bool {
        let who = match self {
            Act::Write(wish) => return wish.only(people),
            Act::Flip { who, .. }
            | Act::Open { who, .. }
            | Act::RefuseSets { who, .. }
            | Act::RefuseKey { who, .. }
            | Act::TakeKey { who, .. }
            | Act::Convert { who, .. }
            | Act::Load { who, .. }
            | Act::Refresh { who }
            | Act::Pause { who: Some(who), .. }
            | Act::Resume { who: Some(who) } => who,
            Act::Spoil(_)
            | Act::Mend
            | Act::Reload
            | Act::Close { .. }
            | Act::Goes(_)
            | Act::FaultsEnd
            | Act::Repeat { .. }
            | Act::Ahead { .. }
            | Act::Lag { .. }
            | Act::Kill { .. }
            | Act::KillInFlight { .. }
            | Act::CrashLoop { .. }
            | Act::Stop { .. }
            | Act::Pause { who: None, .. }
            | Act::Resume { who: None }
            | Act::Approve
            | Act::Step { .. }
            | Act::Cut(_)
            | Act::Latency(_) => return true,
        };
        let new = numbers.iter().position(|number| number == who);
        *who = new.unwrap_or_default();
        new.is_some()
    }
}

impl Person {
    fn draw(dice: &mut TestRng, number: usize, looks: &'static [u32]) -> Person {
        let mut products: Vec<ProductType> = match dice.random_range(0..4) {
            0 => vec![ProductType::UsdtFutures],
            1 => vec![ProductType::UsdtFutures, ProductType::CoinFutures],
            2 => vec![ProductType::CoinFutures, ProductType::UsdcFutures],
            _ => vec![ProductType::UsdtFutures, ProductType::CoinFutures, ProductType::UsdcFutures],
        };
        let kind = one_of(dice, &[Kind::Classic, Kind::Classic, Kind::Unified]);
        let account_mode = one_of(dice, &[AccountMode::Unified, AccountMode::Unified, AccountMode::Hybrid]);
        let level = one_of(
            dice,
            &[AccountLevel::Basic, AccountLevel::Advanced, AccountLevel::Isolated, AccountLevel::Delta],
        );
        // What it has as a classic one it must have as a unified one, too.
        let level = if kind == Kind::Unified { level } else { AccountLevel::Advanced };
        products.retain(|product| level.categories().contains(product));
        let modes = products.iter().map(|_| one_of(dice, &MODES)).collect();
        let (name, uid) = (NAMES[number], Uid(1001 + number as u64));
        Person { name, uid, kind, account_mode, level, products, modes, looks }
    }

    /// The ends of the paths that it reads, with their limits.
    pub fn reads(&self) -> [(&'static str, u32); 4] {
        match self.kind {
            Kind::Classic => [
                ("account/account", 10),
                ("all-position", 5),
                ("orders-pending", 10),
                ("orders-plan-pending", 10),
            ],
            Kind::Unified => [
                ("account/settings", 20),
                ("current-position", 20),
                ("unfilled-orders", 20),
                ("unfilled-strategy-orders", 20),
            ],
        }
    }

    fn setter(&self) -> &'static str {
        match self.kind {
            Kind::Classic => "set-position-mode",
            Kind::Unified => "set-hold-mode",
        }
    }
}

/// When something happens, in seconds: every `often` on average, sometimes several things at nearly the same time.
fn moments(dice: &mut TestRng, length: u64, often: u64) -> Vec<Duration> {
    let mut at = 0;
    let mut moments = Vec::new();
    while at < length * 1000 {
        at += match dice.random_range(0..5) {
            0 => dice.random_range(0..1_000),
            _ => dice.random_range(0..often * 2_500),
        };
        moments.push(Duration::from_millis(at));
    }
    moments
}

/// One thing that happens, with its end where it has one.
fn scene(
    dice: &mut TestRng,
    people: &[Person],
    wish: &mut Wish,
    at: Duration,
    acts: &mut Vec<(Duration, Act)>,
) {
    let who = dice.random_range(0..people.len());
    let product = one_of(dice, &people[who].products);
    let end = at + Duration::from_millis(one_of(dice, &[2_000, 15_000, 60_000, 240_000]));
    let mut happens = |at: Duration, act: Act| acts.push((at, act));
    match dice.random_range(0..100) {
        0..22 => {
            wish.edit(dice, people);
            happens(at, Act::Write(wish.clone()));
            under_fire(dice, &people[who], at, &mut happens);
        }
        22..24 => {
            let (path, limit) = one_of(dice, &people[who].reads());
            let per_second = one_of(dice, &[limit / 2, limit - 2, limit - 1, limit, limit * 2]);
            happens(at, Act::Load { who, path, per_second });
            let later = at + 4 * end.saturating_sub(at);
            happens(later, Act::Load { who, path, per_second: 0 });
        }
        24..29 => {
            happens(at, Act::Spoil(one_of(dice, &Bad::ALL)));
            happens(end, Act::Mend);
        }
        // Told apart without another throw, so that a seed tells the same story as before there were refreshes.
        29..30 if who % 2 == 0 => happens(at, Act::Reload),
        29..30 => happens(at, Act::Refresh { who }),
        30..33 => rival(dice, who, product, at, &mut happens),
        33..46 => {
            happens(at, Act::Flip { who, product, to: one_of(dice, &MODES) });
            under_fire(dice, &people[who], at, &mut happens);
        }
        46..54 => {
            let slot = at.as_millis() as usize * 10 + who;
            happens(at, Act::Open { slot, who, product, what: thing(dice) });
            happens(end, Act::Close { slot });
        }
        54..66 => happens(at, Act::Goes(fault(dice, &people[who]))),
        66..67 => happens(at, Act::FaultsEnd),
        67..69 => happens(at, odd_answers(dice, &people[who])),
        69..70 => happens(at, Act::Lag { millis: one_of(dice, &[0, 500, 3_000, 8_000]) }),
        70..74 => refusals(dice, who, people[who].kind, at, end, &mut happens),
        74..84 => ends(dice, at, &mut happens),
        84..89 => {
            let of = one_of(dice, &[None, Some(who)]);
            let lasts = one_of(dice, &[None, None, Some(Duration::from_secs(45))]);
            happens(at, Act::Pause { who: of, lasts });
            happens(end, Act::Resume { who: of });
        }
        89..93 => happens(at, Act::Approve),
        93..96 => {
            happens(at, Act::Step { millis: one_of(dice, &STEPS) });
        }
        96..98 => {
            happens(at, Act::Cut(true));
            happens(end, Act::Cut(false));
        }
        _ => happens(at, Act::Latency(Duration::from_millis(one_of(dice, &[1, 20, 150, 900])))),
    }
}

/// Somebody else who wants another mode, again and again.
fn rival(
    dice: &mut TestRng,
    who: usize,
    product: ProductType,
    at: Duration,
    happens: &mut impl FnMut(Duration, Act),
) {
    let (to, pause) = (one_of(dice, &MODES), one_of(dice, &[15_000, 40_000, 130_000]));
    for turn in 0..8 {
        happens(at + Duration::from_millis(turn * pause), Act::Flip { who, product, to });
    }
}

/// What comes of it shall not go smoothly, now and then.
fn under_fire(dice: &mut TestRng, person: &Person, at: Duration, happens: &mut impl FnMut(Duration, Act)) {
    if dice.random_bool(0.3) {
        let fault = Fault::once(fault_kind(dice)).on(person.setter());
        happens(at, Act::Goes(if dice.random_bool(0.5) { fault.for_account(person.uid) } else { fault }));
    }
    if dice.random_bool(0.2) {
        let down = Duration::from_millis(one_of(dice, &[0, 0, 2_000, 30_000]));
        let after = Duration::from_millis(one_of(dice, &[0, 1, 20, 21, 40, 100, 1_500]));
        happens(at, Act::KillInFlight { what: InFlight::Set, after, down });
    }
    if dice.random_bool(0.2) {
        // In the middle of the change that this brings about.
        let soon = at + Duration::from_millis(dice.random_range(0..12_000));
        happens(soon, Act::Pause { who: None, lasts: Some(Duration::from_secs(30)) });
    }
}

/// What a human must mend, and does.
fn refusals(
    dice: &mut TestRng,
    who: usize,
    kind: Kind,
    at: Duration,
    end: Duration,
    happens: &mut impl FnMut(Duration, Act),
) {
    match dice.random_range(0..6) {
        0 | 1 => {
            let code = one_of(dice, &["40731", "40920", "40115", "40725", "40014", "45999", "25240"]);
            happens(at, Act::RefuseSets { who, code: Some(code) });
            happens(end, Act::RefuseSets { who, code: None });
        }
        2 => {
            let code = one_of(dice, &["40018", "40013", "40115", "40006"]);
            happens(at, Act::RefuseKey { who, code: Some(code) });
            happens(end, Act::RefuseKey { who, code: None });
        }
        3 => {
            happens(at, Act::TakeKey { who, gone: true });
            happens(end, Act::TakeKey { who, gone: false });
        }
        _ => {
            let other = if kind == Kind::Classic { Kind::Unified } else { Kind::Classic };
            happens(at, Act::Convert { who, to: other });
            happens(end, Act::Convert { who, to: kind });
        }
    }
}

/// How a process ends.
fn ends(dice: &mut TestRng, at: Duration, happens: &mut impl FnMut(Duration, Act)) {
    let down = Duration::from_millis(one_of(dice, &[0, 0, 300, 3_000, 40_000, 120_000]));
    let after = Duration::from_millis(one_of(dice, &[0, 1, 20, 21, 40, 100, 1_500]));
    let act = match dice.random_range(0..10) {
        0..2 => Act::Kill { down },
        2..4 => Act::KillInFlight { what: InFlight::Anything, after, down },
        4..8 => Act::KillInFlight { what: InFlight::Set, after, down },
        8 => {
            let lives =
                (0..dice.random_range(2..6)).map(|_| Duration::from_millis(dice.random_range(950..2_500)));
            Act::CrashLoop { lives: lives.collect() }
        }
        _ => Act::Stop { down },
    };
    happens(at, act);
}

fn thing(dice: &mut TestRng) -> Thing {
    let plan = one_of(dice, &[PlanType::NormalPlan, PlanType::TrackPlan, PlanType::ProfitLoss]);
    one_of(
        dice,
        &[
            Thing::Position,
            Thing::Position,
            Thing::Order,
            Thing::HalfFilled,
            Thing::Plan(plan),
            Thing::Hidden,
        ],
    )
}

/// A fault on sets, on reads, on one endpoint, on one account, once or some times.
fn fault(dice: &mut TestRng, person: &Person) -> Fault {
    let what = fault_kind(dice);
    let times = one_of(dice, &[1, 1, 2, 5, 20]);
    let fault = Fault::once(what).times(times);
    let reads = person.reads().map(|(path, _)| path);
    let path = match dice.random_range(0..11) {
        0..4 => Some(person.setter()),
        4..8 => Some(one_of(dice, &reads)),
        8 => Some("account/info"),
        _ => None,
    };
    let fault = match path {
        Some(path) => fault.on(path),
        None => fault,
    };
    if dice.random_bool(0.4) { fault.for_account(person.uid) } else { fault }
}

/// Answers of another time: old ones, or by a clock that is ahead.
fn odd_answers(dice: &mut TestRng, person: &Person) -> Act {
    let reads = person.reads().map(|(path, _)| path);
    // All of them, or those of one call.
    let path = one_of(dice, &["", reads[0], reads[1], reads[2], reads[3]]);
    let times = one_of(dice, &[1, 1, 2, 5, 20]);
    if dice.random_bool(0.5) {
        Act::Repeat { path, times }
    } else {
        Act::Ahead { path, times, millis: one_of(dice, &[3_000, 28_000, 40_000]) }
    }
}

/// What may go wrong on the way.
pub fn fault_kind(dice: &mut TestRng) -> FaultKind {
    let seconds = |dice: &mut TestRng, all: &[u64]| Duration::from_secs(one_of(dice, all));
    match dice.random_range(0..18) {
        0 => FaultKind::DropRequest,
        1 | 2 => FaultKind::DropReply,
        3..6 => FaultKind::ExecuteLater { after: seconds(dice, &[1, 6, 15, 25, 29, 33, 60]) },
        6 => FaultKind::Delay { after: seconds(dice, &[1, 3, 6, 9, 20]) },
        7 => FaultKind::Hang,
        8 => FaultKind::HangReply,
        9 => FaultKind::Status { status: one_of(dice, &[500, 502, 302, 403]), body: "gateway".to_owned() },
        10 => FaultKind::ExecutedButStatus { status: one_of(dice, &[500, 504, 403]), body: String::new() },
        11 => {
            let codes = [
                "40725", "45001", "99999", "40008", "40010", "40920", "40731", "40018", "40085", "40014",
                "40084",
            ];
            FaultKind::Code { status: one_of(dice, &[200, 400]), code: one_of(dice, &codes).to_owned() }
        }
        12 => FaultKind::EmptyBody,
        13 => FaultKind::Garbage,
        14 => FaultKind::Html { status: one_of(dice, &[200, 502]) },
        15 => {
            let fields = [
                "data.posMode",
                "data.entrustedList",
                "data.userId",
                "data.total",
                "data.holdMode",
                "data.accountMode",
                "data.list",
            ];
            FaultKind::MissingField { field: one_of(dice, &fields).to_owned() }
        }
        16 => FaultKind::NullData,
        _ => FaultKind::TooManyRequests,
    }
}

/// How this exchange behaves where nobody could tell.
fn switches(dice: &mut TestRng, late_timestamp: LateTimestamp) -> Switches {
    Switches {
        same_mode_while_not_flat: one_of(dice, &[SameMode::Success, SameMode::Refused]),
        not_flat: one_of(dice, &[NotFlat::RefusedByAnything, NotFlat::RefusedByPositions, NotFlat::Accepted]),
        not_flat_status: one_of(dice, &[None, Some(200)]),
        late_timestamp,
        read_lag_ms: one_of(dice, &[0, 0, 900]),
        empty_list: one_of(dice, &[EmptyList::Null, EmptyList::Empty]),
        plan_end_id: one_of(dice, &[EndId::Present, EndId::Missing]),
        orders_without_status: one_of(dice, &[OrdersWithoutStatus::LiveOnly, OrdersWithoutStatus::Both]),
        ..Switches::default()
    }
}

const MODES: [PosMode; 2] = [PosMode::OneWayMode, PosMode::HedgeMode];
/// How accounts are called; a story has no more of them.
pub const NAMES: [&str; 10] =
    ["desk-a", "desk-b", "desk-c", "desk-d", "desk-e", "desk-f", "desk-g", "desk-h", "desk-i", "desk-j"];
/// `check_every` where much happens, and as it is, in seconds.
const BUSY_LOOKS: [u32; 4] = [5, 15, 60, 120];
const LOOKS: [u32; 8] = [15, 60, 60, 60, 60, 60, 120, 300];
/// How far the exchange's clock is moved, in milliseconds.
const STEPS: [i64; 6] = [-4_000, -300, 250, 5_000, 29_000, 120_000];
