//! Whole processes: the built binary against the simulated exchange, with real files, a real ledger and real signals.
//!
//! Every story has a home, an exchange and ports of its own, so all of them may run at the same time.

mod causes;
mod commands;
mod conditions;
mod connections;
mod disks;
mod files;
mod fleet;
mod gitops;
mod hosts;
mod kills;
mod ledger;
mod log;
mod notify;
mod one_story;
mod page;
mod proxy;
mod readme;
mod refresh;
mod rights;
mod rules;
mod secrets;
mod server;
mod signals;
mod status_address;
mod systemd;
mod wait;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{PipeReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bitget_sim::{
    ApiKey, Exchange, Identity, Kind, LogEntry, NewAccount, PosMode, ProductType, Simulator, Uid,
};
use posmoded::clock::Clock;
use posmoded::constants::QUIET;
use posmoded::ledger::{Address, Instance, Visitor};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::world::places::Places;

/// Of what is many processes at once there is one at a time: one browser, and beside it one machine that boots.
static BROWSER: Mutex<()> = Mutex::new(());
static MACHINE: Mutex<()> = Mutex::new(());
/// Most have up to three daemons, and some a database of their own; more of them at once would be answered too late.
static STORIES: Places = Places::of(10);

/// A simulated exchange behind a loopback listener.
struct Venue {
    simulator: Simulator,
    /// Its base URL.
    base: String,
    /// What is to be trusted there, in PEM.
    ca: Option<String>,
    _runtime: tokio::runtime::Runtime,
}

impl Venue {
    /// Over TLS and HTTP/2, as the exchange is reached.
    fn open(exchange: Exchange) -> Venue {
        Venue::speaking(exchange, Some(Identity::new().unwrap()))
    }

    /// Over TLS, or over plain HTTP: with a connection for every request.
    fn speaking(exchange: Exchange, identity: Option<Identity>) -> Venue {
        Venue::at(TcpListener::bind("127.0.0.1:0").unwrap(), exchange, identity)
    }

    /// The same at a listener.
    fn at(listener: TcpListener, exchange: Exchange, identity: Option<Identity>) -> Venue {
        let simulator = Simulator::new(exchange);
        let scheme = if identity.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let ca = identity.as_ref().map(|identity| identity.ca_pem().to_owned());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn({
            let simulator = simulator.clone();
            async move { bitget_sim::serve(listener, simulator, identity.as_ref()).await }
        });
        Venue { simulator, base, ca, _runtime: runtime }
    }

    /// Accounts `desk-1` to `desk-N`, with the UIDs 1 to N, all flat and in one-way mode where USDT-FUTURES is concerned.
    fn of_desks(count: u64) -> Venue {
        Venue::open(desks(count))
    }

    /// The same over plain HTTP.
    fn of_desks_over_plain_http(count: u64) -> Venue {
        Venue::speaking(desks(count), None)
    }

    fn mode(&self, uid: u64) -> PosMode {
        self.simulator.with(|exchange| exchange.mode(Uid(uid), ProductType::UsdtFutures).unwrap())
    }

    fn flip(&self, uid: u64, to: PosMode) {
        self.simulator.with(|exchange| exchange.flip(Uid(uid), ProductType::UsdtFutures, to).unwrap());
    }

    /// Every request that wants to change something, as it arrived.
    fn sets(&self) -> Vec<LogEntry> {
        let arrived = |entry: &&LogEntry| entry.method != "GET" && entry.late_of.is_none();
        self.simulator.with(|exchange| exchange.log().iter().filter(arrived).cloned().collect())
    }
}

fn desks(count: u64) -> Exchange {
    let mut exchange = Exchange::new();
    for number in 1..=count {
        let account = NewAccount::classic(Uid(number), &format!("desk-{number}"));
        exchange.add_account(account.with_mode(ProductType::UsdtFutures, PosMode::OneWayMode));
    }
    exchange
}

/// A machine: a home of its own with the file, the keys and the state, and at most one daemon.
struct Host {
    home: TempDir,
    exchange: String,
    ca: Option<&'static str>,
    environment: Vec<(&'static str, OsString)>,
    /// Where the ledger is, if not in the home.
    server: Option<(&'static Cluster, String)>,
    daemon: Option<Child>,
    /// When the newest daemon was started.
    began: Instant,
    said: Arc<Mutex<String>>,
}

impl Host {
    /// With keys for these accounts.
    fn new(venue: &Venue, accounts: &[&str], file: &str) -> Host {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("desired-state.yaml"), file).unwrap();
        let keys = home.path().join("keys");
        fs::create_dir(&keys).unwrap();
        for name in accounts {
            let ApiKey { key, secret, passphrase, .. } = ApiKey::named(name);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(keys.join(name)).unwrap();
            writeln!(file, "key: {key}\nsecret: {}\npassphrase: {}", secret.0, passphrase.0).unwrap();
        }
        let exchange = venue.base.clone();
        if let Some(ca) = &venue.ca {
            fs::write(home.path().join(CA), ca).unwrap();
        }
        let ca = venue.ca.is_some().then_some(CA);
        Host {
            home,
            exchange,
            ca,
            environment: Vec::new(),
            server: None,
            daemon: None,
            began: Instant::now(),
            said: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Puts a new content of the declared file in place, as a careful editor does: all of it at once.
    fn declare(&self, file: &str) {
        let new = self.path("desired-state.yaml.new");
        fs::write(&new, file).unwrap();
        fs::rename(new, self.path("desired-state.yaml")).unwrap();
    }

    /// The built binary with these words, told where the state, the keys and the exchange are.
    fn command(&self, words: &[&str]) -> Command {
        self.through(Path::new(env!("CARGO_BIN_EXE_posmoded")), &[], words)
    }

    /// A copy of the binary that every user may run. By another process: one of ours that is just starting another program
    /// would have it open for writing, and a program that is written to cannot be run.
    fn program_for_everybody(&self) -> PathBuf {
        let program = self.path("posmoded");
        let mut install = Command::new("install");
        install.args(["-m", "0755", env!("CARGO_BIN_EXE_posmoded")]).arg(&program);
        assert!(install.status().unwrap().success());
        program
    }

    /// The same, started by another program.
    fn through(&self, program: &Path, before: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new(program);
        let state = self.server.as_ref().map(|(cluster, database)| cluster.url(database));
        let state = state.as_deref().unwrap_or("state");
        let common = ["--state", state, "--credentials", "keys", "--base-url", &self.exchange];
        let trusted = self.ca.iter().flat_map(|ca| ["--ca", ca]);
        command.args(before).args(words).args(common).args(trusted).current_dir(self.home.path());
        command.env_clear().env("HOME", self.home.path()).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn call(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// What a command prints as JSON, line by line.
    #[track_caller]
    fn call_json(&self, words: &[&str]) -> (i32, Vec<Value>) {
        let (code, out, err) = self.call(&[words, &["-o", "json"]].concat());
        let lines =
            out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{out}{err}")));
        (code, lines.collect())
    }

    /// Starts the daemon and does not wait for it.
    fn launch(&mut self) {
        self.spawn(self.command(&RUN));
    }

    fn spawn(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "one daemon on a host");
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        self.began = Instant::now();
        self.daemon = Some(command.spawn().unwrap());
        listen_to(reader, self.said.clone());
    }

    /// Starts the daemon and waits until it serves its status.
    #[track_caller]
    fn start(&mut self) -> SocketAddr {
        self.launch();
        self.address()
    }

    /// Waits until nothing but what a test looks at keeps the daemon from a set.
    fn wait_out_its_quiet(&self) {
        std::thread::sleep((QUIET + Duration::from_secs(5)).saturating_sub(self.began.elapsed()));
    }

    fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Where the daemon that runs now listens, as its ledger says.
    #[track_caller]
    fn address(&self) -> SocketAddr {
        self.wait_until("the daemon listens", || {
            let instance: Instance = match &self.server {
                None => serde_json::from_str(&fs::read_to_string(self.path(LOCK)).ok()?).ok()?,
                Some((cluster, database)) => {
                    let address = Address::new(&cluster.url(database)).unwrap();
                    let there = Visitor::open(address, Clock::machine()).ok()?.instances().ok()?;
                    there.into_iter().find(|there| there.pid == self.pid())?
                }
            };
            let at = instance.listen?.parse().unwrap();
            (instance.pid == self.pid()).then_some(at).filter(|at| TcpStream::connect(at).is_ok())
        })
    }

    fn status(&self) -> Value {
        let (code, body) = get(self.address(), "/api/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The state and the reason of every target: `desk-1 USDT-FUTURES` is `pending paused`.
    fn targets(&self) -> BTreeMap<String, String> {
        let told = self.status();
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |target: &Value| {
            let name = format!("{} {}", word(&target["account"]), word(&target["scope"]));
            (name, format!("{} {}", word(&target["state"]), word(&target["reason"])))
        };
        told["targets"].as_array().unwrap().iter().map(line).collect()
    }

    /// Until every target is in this state, for this reason.
    #[track_caller]
    fn wait_for_all(&self, state: &str) {
        self.wait_until(state, || self.is_all(state).then_some(()));
    }

    /// Whether there is a target for each key, and all of them are in this state, for this reason.
    fn is_all(&self, state: &str) -> bool {
        let targets = self.targets();
        let keys = fs::read_dir(self.path("keys")).unwrap().count();
        targets.len() == keys && targets.values().all(|now| now == state)
    }

    /// Asks until there is an answer; says what the daemon said if none comes.
    #[track_caller]
    fn wait_until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait_until(what, PATIENCE, || self.said(), look)
    }

    /// All that daemons on this host have written to stdout and stderr.
    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ledger, to be read only.
    fn ledger(&self) -> Connection {
        Connection::open_with_flags(self.path(DATABASE), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// The signing timestamps and states of all intents, oldest first.
    fn intents(&self) -> Vec<(i64, String)> {
        let ledger = self.ledger();
        let mut query = ledger.prepare("SELECT stamp, state FROM intents ORDER BY id").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn signal(&self, name: &str) {
        send(name, &[self.pid()]);
    }

    /// Whether the daemon has ended by itself: its process is not waited for yet.
    fn daemon_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    }

    /// As a power cut ends it.
    fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Waits for the end of a daemon that was told to end, and says with which number it did and how long it took.
    #[track_caller]
    fn ended(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        let mut daemon = self.daemon.take().unwrap();
        let status = self.wait_until("the daemon ends", || daemon.try_wait().unwrap());
        (status.code(), began.elapsed())
    }

    /// As the service manager ends it.
    #[track_caller]
    fn terminate(&mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().0, Some(0), "{}", self.said());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Keeps what is written into a pipe, until nobody can write any more; then the thread ends.
fn listen_to(mut reader: PipeReader, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut some) {
            let text = String::from_utf8_lossy(&some[..length]);
            said.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}

fn send(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    assert!(Command::new("kill").arg("-s").arg(signal).args(pids).status().unwrap().success());
}

/// A GET as a script sends it: the status and the body.
fn get(at: SocketAddr, path: &str) -> (u16, String) {
    ask(at, "GET", path)
}

fn ask(at: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[track_caller]
pub(crate) fn wait_until<T>(
    what: &str,
    bound: Duration,
    otherwise: impl Fn() -> String,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < bound, "not within {bound:?}: {what}\n{}", otherwise());
        // Not more than a tenth of a core for waiting: some look by running a command.
        std::thread::sleep((asked.elapsed() * 9).clamp(Duration::from_millis(20), Duration::from_secs(1)));
    }
}

/// Stories that mostly wait for time to pass, told at the same time, as far as the machine bears it; which ones failed, and
/// why, is the last that is said.
#[expect(clippy::print_stderr, reason = "it belongs to what the test harness keeps of the test")]
fn side_by_side(stories: &[(&str, fn())]) {
    std::thread::scope(|scope| {
        let told: Vec<_> = stories
            .iter()
            .map(|(name, story)| {
                let thread = std::thread::Builder::new().name((*name).to_owned());
                let told = || {
                    let _place = STORIES.take();
                    story();
                };
                thread.spawn_scoped(scope, told).unwrap()
            })
            .collect();
        let failed: Vec<String> = stories
            .iter()
            .zip(told)
            .filter_map(|((name, _), story)| Some(format!("{name}: {}", first_words(&story.join().err()?))))
            .collect();
        if !failed.is_empty() {
            eprintln!("failed of what was told at the same time:\n{}", failed.join("\n"));
            // Without a word and a trace of its own after these.
            std::panic::resume_unwind(Box::new("stories failed"));
        }
    });
}

/// What a panic begins with.
fn first_words(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a word");
    words.chars().take(300).collect()
}

/// The declared file for accounts that want one mode for USDT-FUTURES each.
fn declared(accounts: &[(&str, &str)]) -> String {
    declared_as(Kind::Classic, accounts)
}

/// The same of accounts of a kind: one product type, or all that a unified one holds.
fn declared_as(kind: Kind, accounts: &[(&str, &str)]) -> String {
    let mut file = "version: 1\nmax_changes: 3\n".to_owned();
    file += "defaults: { drift: correct, check_every: 5s, settle: 0s }\naccounts:\n";
    for (name, mode) in accounts {
        match kind {
            Kind::Classic => writeln!(file, "  {name}:\n    position_mode: {{ USDT-FUTURES: {mode} }}"),
            Kind::Unified => writeln!(file, "  {name}:\n    position_mode: {mode}"),
        }
        .unwrap();
    }
    file + "...\n"
}

/// As long as a slow and busy machine may need for anything that takes no waiting by design, but for the first set of a
/// process.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40).saturating_add(QUIET);
const RUN: [&str; 3] = ["run", "--listen", "127.0.0.1:0"];
const CA: &str = "ca.pem";
const LOCK: &str = "state/posmoded.lock";
const DATABASE: &str = "state/posmoded.sqlite";
const SET: &str = "/mix/account/set-position-mode";
