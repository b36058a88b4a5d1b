//! The ledger as its users see it, in memory and against real files. Asserted is what a restart, a command or another
//! handle finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../../tests/cluster.rs"]
mod cluster;
mod company;
mod copies;
mod damage;
mod directives;
mod disk;
mod hosts;
mod intents;
#[path = "../../tests/pooler.rs"]
mod pooler;
mod refreshes;
mod restore;
mod revisions;
mod server;
mod spans;
mod targets;
mod transfer;
mod years;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use cluster::{Cluster, cluster};

use crate::facts::{Cause, Class, Failure, How, ServerClock};
use crate::protocol::PlanEntry;

/// Where the wall clock of these tests begins.
const START: i64 = 1_763_000_000_000;

/// The clock of a process that knows the exchange's time.
fn clock() -> Clock {
    let clock = Clock::simulated(START, 1);
    clock.learn_exchange(ServerClock { offset: 0, doubt: Duration::ZERO, measured: clock.now() });
    clock
}

fn name(name: &str) -> AccountName {
    name.parse().unwrap()
}

/// `desk-a` or `desk-a COIN-FUTURES`; USDT-FUTURES by default.
fn target(words: &str) -> Target {
    let (account, scope) = words.split_once(' ').unwrap_or((words, "USDT-FUTURES"));
    Target { account: name(account), scope: scope.parse().unwrap() }
}

fn to_hedge(cause: Cause) -> Change {
    Change { from: PositionMode::OneWay, to: PositionMode::Hedge, cause }
}

fn applied(how: How, generation: u64) -> Applied {
    Applied { mode: PositionMode::Hedge, how, at: ServerTime(START), generation: Generation(generation) }
}

fn refusal() -> SetAnswer {
    let say = "The exchange does not allow it.".to_owned();
    SetAnswer::Refused(Failure { class: Class::Refused, code: Some("40731".to_owned()), say })
}

/// The daemon of these tests.
fn here() -> Instance {
    Instance::of_this_process("trade-01".to_owned(), Some("127.0.0.1:9848".to_owned()))
}

async fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, clock(), here()).await.unwrap()
}

/// The address of a database of the cluster, by its socket.
fn address(cluster: &Cluster, database: &str) -> Address {
    Address::with_passwords(&cluster.url(database), None).unwrap()
}

/// A ledger in memory, one on disk with its directory, and one in a database of a server.
async fn each() -> Vec<(Ledger, Option<TempDir>)> {
    let dir = TempDir::new().unwrap();
    let directives = open(dir.path()).await;
    let mut all = vec![(Ledger::in_memory(clock()).unwrap(), None), (directives, Some(dir))];
    if let Some(cluster) = cluster() {
        let address = address(cluster, &cluster.database());
        all.push((Ledger::open(address, clock(), here()).await.unwrap(), None));
    }
    all
}

/// The ledger as the next process opens it.
async fn restart(ledger: Ledger, dir: Option<&TempDir>) -> Ledger {
    match (dir, ledger.place.clone()) {
        (None, Place::File(_) | Place::Among(..)) => ledger.restarted(clock()).unwrap(),
        (None, Place::Server(address)) => {
            drop(ledger);
            Ledger::open(Address::clone(&address), clock(), here()).await.unwrap()
        }
        (Some(dir), _) => {
            drop(ledger);
            open(dir.path()).await
        }
    }
}

/// Where a ledger can be, for tests whose time does not pass by itself: nothing of theirs runs on a thread of its own.
enum Engine {
    Memory,
    Disk(TempDir),
    Server(&'static Cluster),
}

fn engines() -> Vec<Engine> {
    let mut all = vec![Engine::Memory, Engine::Disk(TempDir::new().unwrap())];
    all.extend(cluster().map(Engine::Server));
    all
}

impl Engine {
    fn inline(&self, clock: Clock) -> Ledger {
        match self {
            Engine::Memory => Ledger::in_memory(clock).unwrap(),
            Engine::Disk(dir) => Ledger::inline(Place::File(dir.path().join(DATABASE)), clock).unwrap(),
            Engine::Server(cluster) => {
                let address = address(cluster, &cluster.database());
                Ledger::inline(Place::Server(Arc::new(address)), clock).unwrap()
            }
        }
    }
}

/// Notes a set of the first revision with a budget that is never used up.
async fn note(ledger: &Ledger, words: &str, cause: Cause, stamp: i64) -> Note {
    note_within(ledger, words, cause, stamp, 1000).await
}

async fn note_within(ledger: &Ledger, words: &str, cause: Cause, stamp: i64, max_changes: u32) -> Note {
    let stamp = ServerTime(START + stamp);
    ledger.note(&target(words), to_hedge(cause), Generation(1), stamp, max_changes).await.unwrap()
}

#[track_caller]
fn noted(note: Note) -> (Noted, IntentId) {
    match note {
        Note::Noted(noted, intent) => (noted, intent.id),
        Note::Braked => panic!("the set was not noted"),
    }
}

/// Content as the file of this host, published by the one daemon that there is.
async fn accept(
    ledger: &Ledger,
    sha256: &str,
    bytes: &[u8],
    commit: Option<&str>,
) -> Result<Generation, LedgerError> {
    let (sha256, commit, bytes) = (sha256.to_owned(), commit.map(str::to_owned), bytes.to_vec());
    let after = ledger.last_good().await?;
    let publication = Publication { sha256, commit, ancestry: None, host: "trade-01".to_owned(), bytes };
    match ledger.accept_revision(after.as_ref(), publication).await? {
        Accepted::As(generation) => Ok(generation),
        otherwise @ Accepted::OtherwiseInForce(_) => panic!("{otherwise:?}"),
    }
}

async fn register_target(ledger: &Ledger, words: &str, generation: u64) -> TargetRecord {
    ledger.register_target(&target(words), Some(PositionMode::Hedge), Generation(generation)).await.unwrap()
}

fn kinds(ledger: &Ledger) -> Vec<EventKind> {
    all(ledger).into_iter().map(|event| event.kind).collect()
}

fn all(ledger: &Ledger) -> Vec<Event> {
    ledger.visitor().unwrap().history(&HistoryFilter { limit: 1000, ..HistoryFilter::default() }).unwrap()
}

/// A duration of so many minutes.
fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const HOUR: i64 = 3_600_000;
