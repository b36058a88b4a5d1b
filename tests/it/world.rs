//! The whole daemon but its sockets, in virtual time: fleet, keepers, ledger, Bitget's adapter, and the simulated
//! exchange behind the `Transport` seam. A kill drops everything at once; a restart is a new fleet on the same ledger.

pub mod company;
pub mod engine;
pub mod invariants;
pub mod journeys;
mod keys;
mod odd;
pub mod places;
pub mod told;
pub mod turn;
mod wire;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitget_sim::{Exchange, LogEntry, PosMode, ProductType, Uid, UnixMs};
use posmoded::clock::Clock;
use posmoded::constants::REQUESTS_PER_SECOND;
use posmoded::exchange::bitget::Bitget;
use posmoded::facts::{Ancestry, Requirement};
use posmoded::fleet::{Ended, Fleet, FleetDeps, Kicks, StartError, Whom};
use posmoded::ledger::{
    Accepted, CommandAnswer, Event, EventKind, HistoryFilter, Ledger, Publication, Visitor,
};
use posmoded::moment::Moment;
use posmoded::source::{Content, FileState};
use posmoded::status::{Board, Status, TargetStatus};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use journeys::{Journey, Left};
use keys::SimulatedKeys;
pub use odd::OddCount;
use told::Told;
use turn::Turn;
pub use wire::With;
use wire::{Dated, Direct, Wire, locked};

/// The exchange, the daemon and whoever looks on.
pub struct World {
    pub clock: Clock,
    /// The same time, and what the newest process knows of the exchange's.
    process_clock: Clock,
    exchange: Arc<Mutex<Exchange>>,
    wire: Arc<Wire>,
    ledger: Ledger,
    words: watch::Sender<FileState>,
    kicks: watch::Sender<Kicks>,
    board: Board,
    daemon: Option<(JoinHandle<Ended>, CancellationToken)>,
    processes: u32,
    budget: NonZeroU32,
    quiet: Duration,
    /// The ledger's database as messages name it, where other hosts may write there.
    server: Option<String>,
    told: Mutex<Told>,
    _turn: Turn,
}

/// 2026-11-22T09:00:00Z.
const START: i64 = 1_795_338_000_000;

impl World {
    /// An exchange set up by `set_up`, and a file; the daemon is not started.
    pub fn new(file: &str, seed: u64, set_up: impl FnOnce(&mut Exchange)) -> World {
        World::new_at(START, file, seed, set_up)
    }

    fn new_at(start: i64, file: &str, seed: u64, set_up: impl FnOnce(&mut Exchange)) -> World {
        let clock = Clock::simulated(start, seed);
        let mut exchange = Exchange::new();
        exchange.advance(UnixMs(start));
        set_up(&mut exchange);
        let ledger = engine::new_ledger(clock.clone());
        let word = content(file, None);
        let told = Told { words: vec![(clock.now(), word.clone())], ..Told::default() };
        let (words, _) = watch::channel(word);
        let (kicks, _) = watch::channel(Kicks::default());
        World {
            process_clock: clock.of_a_new_process(),
            clock,
            exchange: Arc::new(Mutex::new(exchange)),
            wire: Arc::default(),
            ledger,
            words,
            kicks,
            board: Board::default(),
            daemon: None,
            processes: 0,
            budget: NonZeroU32::new(REQUESTS_PER_SECOND).expect("not zero"),
            quiet: Duration::ZERO,
            server: None,
            told: Mutex::new(told),
            _turn: Turn::take_without_haste(),
        }
    }

    /// The same, with the daemon started.
    pub async fn started(file: &str, set_up: impl FnOnce(&mut Exchange)) -> World {
        let mut world = World::new(file, 1, set_up);
        world.start().await;
        world
    }

    /// The same, at another time.
    pub async fn started_at(start: &str, file: &str, set_up: impl FnOnce(&mut Exchange)) -> World {
        let start: jiff::Timestamp = start.parse().expect("a time");
        let mut world = World::new_at(start.as_millisecond(), file, 1, set_up);
        world.start().await;
        world
    }

    /// The next process may send so many requests a second.
    pub fn budget(&mut self, per_second: u64) {
        let per_second = u32::try_from(per_second).ok().and_then(NonZeroU32::new);
        self.budget = per_second.expect("a number of requests");
    }

    /// Processes send no set for so long from their start on.
    pub fn quiet(&mut self, quiet: Duration) {
        self.quiet = quiet;
    }

    /// The next process finds no ledger.
    pub fn lose_the_ledger(&mut self) {
        assert!(self.daemon.is_none(), "a daemon uses it");
        self.ledger = engine::new_ledger(self.clock.clone());
    }

    /// A new process on the ledger as it is.
    pub async fn start(&mut self) {
        assert!(self.daemon.is_none(), "one daemon at a time");
        self.process_clock = self.clock.of_a_new_process();
        self.ledger = self.ledger.restarted(self.process_clock.clone()).expect("the ledger opens again");
        self.board = Board::default();
        self.processes += 1;
        let stop = CancellationToken::new();
        let deps = self.deps(stop.clone());
        let word = self.words.borrow().clone();
        let fleet = Fleet::start(Whom::Everybody, deps, word).await.expect("the fleet starts");
        self.daemon = Some((tokio::spawn(fleet.run()), stop));
    }

    /// What a new process is given.
    fn deps(&self, stop: CancellationToken) -> FleetDeps<SimulatedKeys> {
        let direct = Direct {
            process: self.processes,
            exchange: self.exchange.clone(),
            wire: self.wire.clone(),
            clock: self.process_clock.clone(),
        };
        let bitget = Bitget::new(direct, self.process_clock.clone(), self.budget);
        FleetDeps {
            environment: Arc::new(SimulatedKeys {
                stop: stop.clone(),
                keyring: Mutex::default(),
                claims: Mutex::default(),
                bitget,
                wire: self.wire.clone(),
                clock: self.process_clock.clone(),
            }),
            ledger: self.ledger.clone(),
            server: self.server.clone(),
            clock: self.process_clock.clone(),
            board: self.board.clone(),
            budget: self.budget,
            file: self.words.subscribe(),
            kicks: self.kicks.subscribe(),
            quiet: self.quiet,
            stop,
        }
    }

    /// A start that is expected to be refused.
    pub async fn start_refused(&self) -> StartError {
        let deps = self.deps(CancellationToken::new());
        let word = self.words.borrow().clone();
        Fleet::start(Whom::Everybody, deps, word).await.err().expect("the fleet does not start")
    }

    /// kill -9: nothing more is done or written, wherever it was.
    pub async fn kill(&mut self) {
        if let Some((task, _)) = self.daemon.take() {
            task.abort();
            let _ = task.await;
            self.ended();
        }
    }

    /// SIGTERM.
    pub async fn stop(&mut self) {
        if let Some((task, stop)) = self.daemon.take() {
            stop.cancel();
            task.await.expect("the fleet ends by itself");
            self.ended();
        }
    }

    /// Waits until a daemon that is told to stop by something else has ended.
    pub async fn stop_comes(&mut self) {
        if let Some((task, _)) = self.daemon.take() {
            task.await.expect("the fleet ends by itself");
            self.ended();
        }
    }

    /// The file holds this now.
    pub fn write(&self, file: &str) {
        self.say(content(file, None));
    }

    /// The same, checked out from a git commit.
    pub fn write_from(&self, commit: &str, file: &str) {
        self.say(content(file, Some(commit.to_owned())));
    }

    /// Another host puts its file, of a commit with these ancestors, in force after what is.
    pub async fn publish_elsewhere(&self, commit: &str, ancestors: &[&str], file: &str) {
        let theirs = self.ledger.restarted(self.process_clock.clone()).expect("another process opens it");
        let lines: String = ancestors.iter().map(|commit| format!("{commit}\n")).collect();
        let FileState::Content(Content { bytes, sha256, commit, ancestry: _ }) =
            content(file, Some(commit.to_owned()))
        else {
            unreachable!("it is content");
        };
        let publication = Publication {
            sha256,
            commit,
            ancestry: Ancestry::read(&format!("{}\n{lines}", ancestors.len() + 1)),
            host: "trade-09".to_owned(),
            bytes: bytes.to_vec(),
        };
        let after = theirs.last_good().await.expect("it is read");
        let accepted = theirs.accept_revision(after.as_ref(), publication).await.expect("it is written");
        assert!(matches!(accepted, Accepted::As(_)), "{accepted:?}");
    }

    /// The source says this now.
    pub fn say(&self, word: FileState) {
        locked(&self.told).words.push((self.clock.now(), word.clone()));
        self.words.send_if_modified(|old| {
            let news = *old != word;
            *old = word;
            news
        });
    }

    /// SIGHUP.
    pub fn reload(&self) {
        self.kicks.send_modify(|kicks| {
            kicks.looks += 1;
            kicks.reloads += 1;
        });
    }

    /// Lets time pass.
    pub async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Lets time pass until something is so; fails after `within`. Gives back how long it took.
    #[track_caller]
    pub fn until<'a>(
        &'a self,
        within: Duration,
        what: &'a str,
        is_so: impl Fn(&World) -> bool + 'a,
    ) -> impl Future<Output = Duration> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (began, mut glance) = (self.clock.now(), Glance::default());
            loop {
                if glance.is_worth_it(self) && is_so(self) {
                    return self.clock.now().since(began);
                }
                let waited = self.clock.now().since(began);
                assert!(waited <= within, "{caller}: after {within:?} not yet: {what}\n{}", self.told());
                // What takes minutes is not told by the tenth of a second.
                let often = if waited < Duration::from_secs(120) { 100 } else { 1_000 };
                self.pass(Duration::from_millis(often)).await;
            }
        }
    }

    /// What operators see.
    pub fn status(&self) -> Status {
        self.board.status(self.clock.timestamp(self.clock.now()))
    }

    /// Shows what operators see of each target, without a copy of it.
    pub fn see(&self, mut see: impl FnMut(&TargetStatus)) {
        self.board.see(|_, account| account.targets.iter().for_each(&mut see));
    }

    /// A number that grows with every change of what operators see; another process begins anew.
    pub fn changes(&self) -> (u32, u64) {
        (self.processes, self.board.changes())
    }

    /// What operators see of one target, named as in `desk-a USDT-FUTURES`.
    pub fn target(&self, name: &str) -> Option<TargetStatus> {
        let (account, scope) = name.split_once(' ')?;
        let shown = self.board.account(&account.parse().ok()?)?;
        shown.targets.into_iter().find(|target| target.scope.as_str() == scope)
    }

    /// The line of one target: `pending, not_flat: Open: at least 1 order. ...`
    pub fn line(&self, name: &str) -> String {
        self.target(name).map_or_else(|| "not shown".to_owned(), |target| line(&target))
    }

    /// Whether a target is in sync, with nothing in the way.
    pub fn is_in_sync(&self, name: &str) -> bool {
        self.line(name) == "in_sync"
    }

    /// Every target's line, for messages of failed tests.
    pub fn told(&self) -> String {
        let targets = self.status().targets;
        targets
            .iter()
            .map(|target| format!("{} {}: {}\n", target.account, target.scope, line(target)))
            .collect()
    }

    /// Looks at the exchange, or changes it, at its own present.
    pub fn exchange<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> T {
        let now = self.exchange_now();
        let mut exchange = locked(&self.exchange);
        exchange.advance(now);
        act(&mut exchange)
    }

    /// The sets that reached the exchange for one product type of an account, executed or not, in order.
    pub fn sets(&self, uid: Uid, product: ProductType) -> Vec<LogEntry> {
        let ours = |entry: &LogEntry| entry.account == Some(uid) && entry.product == Some(product);
        self.requests(|entry| is_set(entry) && entry.late_of.is_none() && ours(entry))
    }

    /// The requests that are such.
    pub fn requests(&self, are_such: impl Fn(&LogEntry) -> bool) -> Vec<LogEntry> {
        locked(&self.exchange).log().iter().filter(|entry| are_such(entry)).cloned().collect()
    }

    /// How many requests there have been.
    pub fn asked(&self) -> usize {
        locked(&self.exchange).log().len()
    }

    /// All requests.
    pub fn log(&self) -> Vec<LogEntry> {
        locked(&self.exchange).log().to_vec()
    }

    /// All requests, at the end of a story: the exchange knows nothing any more then.
    pub fn take_log(&self) -> Vec<LogEntry> {
        std::mem::take(&mut *locked(&self.exchange)).into_log()
    }

    /// The mode at the exchange.
    pub fn mode(&self, uid: Uid, product: ProductType) -> PosMode {
        locked(&self.exchange).mode(uid, product).expect("a known account")
    }

    /// The kinds of what is on record, oldest first, of one account.
    pub fn history(&self, account: &str) -> Vec<Event> {
        let accounts = vec![account.parse().expect("an account name")];
        let filter = HistoryFilter { accounts, since_wall: None, until_wall: None, limit: 10_000 };
        self.visitor().history(&filter).expect("the ledger is read")
    }

    /// What is on record of everybody, and of nobody in particular.
    pub fn everything_on_record(&self) -> Vec<Event> {
        let filter =
            HistoryFilter { accounts: Vec::new(), since_wall: None, until_wall: None, limit: 10_000 };
        self.visitor().history(&filter).expect("the ledger is read")
    }

    /// How often the daemon saw an account become one of the other kind.
    pub fn conversions(&self) -> usize {
        let filter =
            HistoryFilter { accounts: Vec::new(), since_wall: None, until_wall: None, limit: usize::MAX };
        let history = self.visitor().history(&filter).expect("the ledger is read");
        history.iter().filter(|event| event.kind == EventKind::Converted).count()
    }

    /// Somebody at the database itself, for trouble that no command can make.
    pub fn sql(&self, statement: &str) {
        let told = format!("{:?}", self.ledger);
        let place = told
            .strip_prefix("Ledger(")
            .and_then(|told| told.strip_suffix(')'))
            .expect("a ledger says where");
        let connection = rusqlite::Connection::open(place).expect("the ledger in memory");
        connection.execute_batch(statement).expect("a good statement");
    }

    /// Whether the daemon has acknowledged what a command asked for.
    pub fn acknowledged(&self, request: posmoded::ledger::CommandRequest) -> bool {
        let answer = self.visitor().answer(&request).expect("the ledger is read");
        answer == Some(CommandAnswer::Acknowledged)
    }

    /// A command in another process.
    pub fn visitor(&self) -> Visitor {
        self.ledger.visitor().expect("the ledger is there")
    }

    /// Lets the strategies of an account ask the endpoints whose path ends like this, so many times a second each.
    pub fn load(&self, uid: Uid, path: &str, per_second: u32) {
        locked(&self.told).busy.insert(uid);
        self.exchange(|exchange| exchange.load(uid, path, per_second))
            .expect("a private endpoint of an account");
    }

    /// The exchange's clock is so far ahead of the daemon's from now on, in milliseconds.
    pub fn skew(&self, skew_ms: i64) {
        locked(&self.told).skews.push(self.clock.now());
        locked(&self.wire.state).skew_ms = skew_ms;
        locked(&self.wire.odd).forget();
    }

    /// How far the exchange's clock is ahead now.
    pub fn skewed(&self) -> i64 {
        locked(&self.wire.state).skew_ms
    }

    /// Answers to calls whose path ends like this are as old as one of so long ago, from now on ever older: what answers
    /// repeats it.
    pub fn older(&self, path: &'static str, by: Duration) {
        let now = self.clock.now().0 + locked(&self.wire.state).skew_ms;
        let ms = i64::try_from(by.as_millis()).expect("a short time");
        locked(&self.wire.state).dated = Some((path, Dated::At(now - ms)));
    }

    /// What answers calls whose path ends like this has a clock that is so many milliseconds ahead.
    pub fn ahead(&self, path: &'static str, ms: i64) {
        locked(&self.wire.state).dated = Some((path, Dated::Ahead(ms)));
    }

    /// All answers are dated as usual.
    pub fn in_time(&self) {
        locked(&self.wire.state).dated = None;
    }

    /// So many next answers to calls whose path ends like this are older ones, which something on the way repeats; the exchange
    /// never sees those calls.
    pub fn repeat(&self, path: &'static str, times: u32) {
        locked(&self.wire.odd).repeat(path, times);
    }

    /// So many next answers to calls whose path ends like this are dated by a clock that is so far ahead of the exchange's.
    pub fn date(&self, path: &'static str, times: u32, ahead_ms: i64) {
        locked(&self.wire.odd).date(path, times, ahead_ms);
    }

    /// Answers are as they are again.
    pub fn no_odd_answers(&self) {
        locked(&self.wire.odd).end();
    }

    /// How many answers were repeated or dated by another clock.
    pub fn odd_answers(&self) -> OddCount {
        locked(&self.wire.odd).count()
    }

    /// From one side to the other it takes so long from now on.
    pub fn latency(&self, latency: Duration) {
        locked(&self.wire.state).latency = latency;
    }

    /// No connection can be made, or can again.
    pub fn cut(&self, cut: bool) {
        locked(&self.wire.state).cut = cut;
    }

    /// The keeper of an account fails whenever it reads the credential, or does not any more.
    pub fn crash(&self, account: &str, crashing: bool) {
        let mut state = locked(&self.wire.state);
        if crashing {
            state.crashing.insert(account.to_owned());
        } else {
            state.crashing.remove(account);
        }
    }

    /// SIGTERM comes in the very moment in which a keeper reads its credential next.
    pub fn stop_at_the_next_key(&self) {
        locked(&self.wire.state).stop_at_the_next_key = true;
    }

    /// The same in which one claims its key next: when it begins, and each time before it notes a set.
    pub fn stop_at_the_next_claim(&self) {
        locked(&self.wire.state).stop_at_the_next_claim = true;
    }

    /// The credential file of an account goes away, or comes back.
    pub fn take_key(&self, account: &str, gone: bool) {
        let mut state = locked(&self.wire.state);
        if gone {
            state.keyless.insert(account.to_owned());
        } else {
            state.keyless.remove(account);
        }
    }

    /// Another process has claimed the keys, as this sentence says.
    pub fn claim_keys(&self, say: Option<&str>) {
        locked(&self.wire.state).key_taken = say.map(str::to_owned);
    }

    /// The daemon's host is called otherwise from now on.
    pub fn rename_host(&self, name: &str) {
        name.clone_into(&mut locked(&self.wire.state).host_name);
    }

    fn ended(&self) {
        locked(&self.told).ends.insert(self.processes, self.clock.now());
    }

    /// Whether there is a daemon.
    pub fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// Every request that left, on the daemon's line of time.
    pub fn journeys<T>(&self, see: impl FnOnce(&[Journey]) -> T) -> T {
        self.wire.journeys.see(see)
    }

    /// How many processes there were.
    pub fn processes(&self) -> u32 {
        self.processes
    }

    /// Tells whenever a request leaves.
    pub fn watch_requests(&self) -> watch::Receiver<Left> {
        self.wire.journeys.watch()
    }

    /// The credential file of an account holds the key of this name from now on.
    pub fn give_key(&self, account: &str, name: &str) {
        locked(&self.wire.state).keys.insert(account.to_owned(), name.to_owned());
    }

    /// The host shows this of a requirement from now on; `None`: all is as required.
    pub fn host_shows(&self, requirement: &Requirement, unmet: Option<&str>) {
        let all = &mut locked(&self.wire.state).unmet;
        match unmet {
            Some(unmet) => all.insert(requirement.clone(), unmet.to_owned()),
            None => all.remove(requirement),
        };
    }

    /// When the host was looked at.
    pub fn looks_at_host(&self) -> Vec<Moment> {
        locked(&self.wire.state).looks_at_host.clone()
    }

    fn exchange_now(&self) -> UnixMs {
        UnixMs(self.clock.now().0 + locked(&self.wire.state).skew_ms)
    }
}

/// Whether a request sets a mode.
pub fn is_set(entry: &LogEntry) -> bool {
    entry.method == "POST"
}

/// A daemon ends with its world: else it lives on through all the time that passes in the test's later ones.
impl Drop for World {
    fn drop(&mut self) {
        if let Some((task, _)) = &self.daemon {
            task.abort();
        }
    }
}

/// When there may be something new to see: after a request, after a change of what operators see, and after a second, for
/// sentences count on. To look costs more than the daemon does.
#[derive(Default)]
pub struct Glance(Option<(Moment, (u32, u64), usize)>);

impl Glance {
    pub fn is_worth_it(&mut self, world: &World) -> bool {
        let (now, changes, asked) = (world.clock.now(), world.changes(), world.asked());
        let is_old = |(at, ..): (Moment, _, _)| now.since(at) >= Duration::from_secs(1);
        let is_worth_it = self.0.is_none_or(|seen| is_old(seen) || (seen.1, seen.2) != (changes, asked));
        if is_worth_it {
            self.0 = Some((now, changes, asked));
        }
        is_worth_it
    }
}

/// `in_sync`, or state, reason and sentence.
pub fn line(target: &TargetStatus) -> String {
    match (target.reason, &target.say) {
        (None, _) => target.state.to_string(),
        (Some(reason), say) => format!("{}, {reason}: {}", target.state, say.as_deref().unwrap_or_default()),
    }
}

fn content(file: &str, commit: Option<String>) -> FileState {
    let sha256 = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    FileState::Content(Content { bytes: file.as_bytes().into(), sha256, commit, ancestry: None })
}
