//! What happens in a story of several hosts, and when, drawn before it begins.

use std::fmt::Write as _;
use std::time::Duration;

use bitget_sim::{Fault, FaultKind, Kind, PosMode, Uid};
use posmoded::ledger::Reach;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use crate::chaos::file::other;
use crate::chaos::one_of;
use crate::chaos::schedule::{NAMES, fault_kind};
use crate::world::With;

/// A story before it happens.
pub struct Plot {
    pub names: Vec<&'static str>,
    pub people: Vec<Person>,
    /// All commits, oldest first.
    pub files: Vec<File>,
    pub latency: Duration,
    pub acts: Vec<(Duration, Act)>,
}

/// An account at the exchange.
#[derive(Debug)]
pub struct Person {
    pub name: &'static str,
    pub uid: Uid,
    pub kind: Kind,
    pub mode: PosMode,
}

/// A file: which host each account is of, and its mode.
#[derive(Debug, Clone)]
pub struct File(pub Vec<(usize, PosMode)>);

/// One thing that happens.
#[derive(Debug)]
pub enum Act {
    Pull { host: usize, commit: usize },
    Flip { who: usize, to: PosMode },
    Goes(Fault),
    Halt { host: usize, span: Duration },
    HaltWithASet { host: usize, with: With, span: Duration },
    Ledger { host: usize, reach: Reach, span: Duration },
    Exchange { host: usize, span: Duration },
    Ends { host: usize, by_itself: bool, down: Duration },
}

impl Plot {
    pub fn draw(dice: &mut TestRng) -> Plot {
        let names = HOSTS[..dice.random_range(2..=3)].to_vec();
        let people: Vec<Person> = (0..dice.random_range(2..=4)).map(|at| Person::draw(dice, at)).collect();
        let file = File(people.iter().map(|_| (dice.random_range(0..names.len()), mode(dice))).collect());
        let (mut files, mut acts) = (vec![file], Vec::new());
        let (length, often) = (dice.random_range(8..=15) * 60_000, one_of(dice, &[8_000, 15_000, 30_000]));
        let mut at = 5_000;
        while at < length {
            scene(dice, names.len(), &people, &mut files, Duration::from_millis(at), &mut acts);
            at += dice.random_range(0..2 * often);
        }
        // Stable: what was drawn first happens first.
        acts.sort_by_key(|(at, _)| *at);
        let latency = Duration::from_millis(one_of(dice, &[1, 20, 80, 400]));
        Plot { names, people, files, latency, acts }
    }
}

impl Person {
    fn draw(dice: &mut TestRng, number: usize) -> Person {
        let kind = one_of(dice, &[Kind::Classic, Kind::Classic, Kind::Unified]);
        Person { name: NAMES[number], uid: Uid(1001 + number as u64), kind, mode: mode(dice) }
    }

    pub fn scope(&self) -> &'static str {
        match self.kind {
            Kind::Classic => "USDT-FUTURES",
            Kind::Unified => "account",
        }
    }

    fn setter(&self) -> &'static str {
        match self.kind {
            Kind::Classic => "set-position-mode",
            Kind::Unified => "set-hold-mode",
        }
    }
}

impl File {
    /// As it is written.
    pub fn text(&self, people: &[Person]) -> String {
        let mut text = "version: 1\nmax_changes: 1000\naccounts:\n".to_owned();
        for (person, (of, mode)) in people.iter().zip(&self.0) {
            let (name, host, settle) = (person.name, HOSTS[*of], SETTLE.as_secs());
            let _ = write!(
                text,
                "  {name}:\n    host: {host}\n    drift: correct\n    settle: {settle}s\n    check_every: 15s\n"
            );
            let _ = match person.kind {
                Kind::Classic => {
                    writeln!(text, "    position_mode:\n      {}: {}", person.scope(), mode.as_str())
                }
                Kind::Unified => writeln!(text, "    position_mode: {}", mode.as_str()),
            };
        }
        text.push_str("...\n");
        text
    }
}

/// One thing that happens, with all that comes of it.
fn scene(
    dice: &mut TestRng,
    hosts: usize,
    people: &[Person],
    files: &mut Vec<File>,
    at: Duration,
    acts: &mut Vec<(Duration, Act)>,
) {
    let who = dice.random_range(0..people.len());
    let host = dice.random_range(0..hosts);
    let span = |dice: &mut TestRng| Duration::from_secs(one_of(dice, &[2, 6, 12, 20, 33, 60]));
    match dice.random_range(0..100) {
        0..50 => edit(dice, hosts, people, who, files, at, acts),
        50..60 => acts.push((at, Act::Flip { who, to: mode(dice) })),
        60..68 => acts.push((at, Act::Goes(Fault::once(fault_kind(dice)).times(one_of(dice, &[1, 1, 3]))))),
        68..78 => acts.push((at, Act::Halt { host, span: span(dice) })),
        78..88 => acts.push((at, Act::Ledger { host, reach: reach(dice), span: span(dice) })),
        88..93 => acts.push((at, Act::Exchange { host, span: span(dice) })),
        _ => {
            let (by_itself, down) = (dice.random_bool(0.4), span(dice));
            acts.push((at, Act::Ends { host, by_itself, down }));
        }
    }
}

/// A change of one account that each host hears of in its own time; often its host is in trouble then, and often the account
/// goes to another one before all is well.
fn edit(
    dice: &mut TestRng,
    hosts: usize,
    people: &[Person],
    who: usize,
    files: &mut Vec<File>,
    at: Duration,
    acts: &mut Vec<(Duration, Act)>,
) {
    let mut file = files.last().expect("there is one").clone();
    let (before, mode) = file.0[who];
    let moves = dice.random_bool(0.4);
    let of = if moves { dice.random_range(0..hosts) } else { before };
    file.0[who] = (of, other(mode));
    push(dice, hosts, file.clone(), files, at, acts);
    if dice.random_bool(0.6) {
        let soon = at + Duration::from_millis(dice.random_range(0..12_000));
        let span = Duration::from_secs(one_of(dice, &[3, 10, 20, 40, 60]));
        let with = one_of(dice, &[With::Ready, With::Left]);
        let act = match dice.random_range(0..6) {
            0 | 1 => Act::HaltWithASet { host: of, with, span },
            2 => Act::Ledger { host: of, reach: reach(dice), span },
            3 => Act::Ends { host: of, by_itself: false, down: span },
            _ => {
                let after = Duration::from_secs(one_of(dice, &[6, 15, 25, 29, 33, 60]));
                let kind = one_of(dice, &[FaultKind::DropReply, FaultKind::ExecuteLater { after }]);
                Act::Goes(Fault::once(kind).on(people[who].setter()).for_account(people[who].uid))
            }
        };
        // A stop with a set, and a fault of one, must be arranged before the set leaves.
        let first = matches!(act, Act::HaltWithASet { .. } | Act::Goes(_));
        acts.push((if first { at } else { soon }, act));
    }
    if dice.random_bool(0.4) {
        let later = at + Duration::from_millis(dice.random_range(1_000..40_000));
        file.0[who] = (dice.random_range(0..hosts), if dice.random_bool(0.7) { mode } else { other(mode) });
        push(dice, hosts, file, files, later, acts);
    }
}

/// A commit, which each host pulls when it comes to it.
fn push(
    dice: &mut TestRng,
    hosts: usize,
    file: File,
    files: &mut Vec<File>,
    at: Duration,
    acts: &mut Vec<(Duration, Act)>,
) {
    let commit = files.len();
    files.push(file);
    let slowest = one_of(dice, &[500, 5_000, 60_000]);
    for host in 0..hosts {
        acts.push((at + Duration::from_millis(dice.random_range(0..slowest)), Act::Pull { host, commit }));
    }
}

fn reach(dice: &mut TestRng) -> Reach {
    one_of(dice, &[Reach::Cut, Reach::EndsInACommit])
}

fn mode(dice: &mut TestRng) -> PosMode {
    one_of(dice, &[PosMode::OneWayMode, PosMode::HedgeMode])
}

const HOSTS: [&str; 3] = ["trade-01", "trade-02", "trade-03"];
/// How long every account has to be flat.
pub const SETTLE: Duration = Duration::from_secs(5);
