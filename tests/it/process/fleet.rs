//! Three hosts on one ledger, each in a network of its own, and what happens to them: they are killed, stopped and cut off
//! while accounts move, and the database restarts, fails over, is full or takes no writes.
//!
//! Asserted is what the exchange saw, by the address that it came from, and what the ledger says. Whatever happens, no set
//! arrives while an earlier one of the same account may still take effect, and no host takes a newer file for an older one.

mod database;
mod hosts;
mod names;
mod network;

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use bitget_sim::{Fault, FaultKind, LogEntry, PosMode, Uid};
use posmoded::constants::FENCE;
use serde_json::Value;

use super::{Host, PATIENCE, SET, Venue, desks, side_by_side, wait_until};
use crate::cluster::{Cluster, skipped};
use network::{Cable, Hub, Missing, PATHS, Port};

#[test]
fn of_several_hosts_on_one_ledger_none_sends_what_another_may_have_sent_whatever_happens_to_them() {
    if common().is_none() {
        return;
    }
    side_by_side(&[
        ("killed", hosts::a_host_that_is_killed_leaves_its_sets_to_the_next_one_which_waits_for_their_fences),
        ("stopped", hosts::a_host_that_is_stopped_between_note_and_send_sends_nothing_when_it_wakes),
        ("cut off", hosts::a_host_that_is_cut_off_from_the_database_sends_nothing_and_soon_asks_nothing),
        ("moved", hosts::an_account_that_moves_while_its_set_is_lost_waits_for_the_fence_on_its_new_host),
        ("names", names::two_names_of_one_account_on_two_hosts_never_have_two_sets_under_way_together),
        ("pooler", hosts::behind_a_pooler_hosts_live_as_without_and_an_account_moves),
        ("restart", database::while_the_database_is_down_nothing_leaves_and_then_everything_goes_on),
        ("full", database::a_database_that_is_full_or_takes_no_writes_lets_nothing_leave_until_it_does),
        ("asynchronous", database::a_note_that_a_failover_lost_is_waited_for_and_a_human_says_when_to_go_on),
        (
            "synchronous",
            database::after_a_synchronous_failover_nothing_leaves_for_a_while_and_then_all_goes_on,
        ),
        (
            "standby",
            database::while_the_standby_that_commits_wait_for_is_away_nothing_leaves_and_then_each_set_once,
        ),
    ]);
}

/// The network of the stories that do the database no harm; `None`, and said so, where there can be none.
fn common() -> Option<&'static Hub> {
    static COMMON: OnceLock<Result<Hub, Missing>> = OnceLock::new();
    match COMMON.get_or_init(Hub::begin) {
        Ok(hub) => Some(hub),
        Err(Missing::Program(why)) => {
            skipped(why);
            None
        }
        Err(Missing::Denied(why)) => {
            // Past the test harness, which keeps what a test prints that passes.
            let told = format!("\nskipped: denied: {why}\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            None
        }
    }
}

/// One with a database of its own, where the common one could be made.
fn own() -> &'static Hub {
    let Ok(hub) = Hub::begin() else { panic!("there was one before") };
    Box::leak(Box::new(hub))
}

/// Hosts `trade-01` and so on that share a database, with accounts `desk-1` and so on at an exchange.
struct Fleet {
    hub: &'static Hub,
    /// The one that takes writes.
    cluster: &'static Cluster,
    venue: Venue,
    database: String,
    sites: Vec<Site>,
}

/// A host in the network, with at most one daemon.
struct Site {
    host: Host,
    port: Port,
    /// Where its daemon finds the ledger.
    state: String,
    name: String,
    /// The newest generation that it has said to be in force.
    generation: Cell<u64>,
}

impl Fleet {
    /// With keys for all accounts on all hosts. Where the ledger is may be said for its database's name.
    fn new(
        hub: &'static Hub,
        hosts: usize,
        accounts: u64,
        file: &str,
        state: impl Fn(&str) -> String,
    ) -> Fleet {
        let database = hub.cluster.database();
        let venue = Venue::at(hub.listen(), desks(accounts), None);
        let names: Vec<String> = (1..=accounts).map(|number| format!("desk-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let site = |number| {
            let name = format!("trade-0{number}");
            let mut host = Host::new(&venue, &names, file);
            // For commands, which come from where no cable can be cut.
            host.server = Some((hub.cluster, database.clone()));
            host.environment.push(("POSMODED_HOST", name.clone().into()));
            Site { host, port: hub.port(), state: state(&database), name, generation: Cell::default() }
        };
        let sites = (1..=hosts).map(site).collect();
        Fleet { hub, cluster: hub.cluster, venue, database, sites }
    }

    /// Straight at the database.
    fn direct(hub: &'static Hub, hosts: usize, accounts: u64, file: &str) -> Fleet {
        Fleet::new(hub, hosts, accounts, file, |database| hub.url(database))
    }

    #[track_caller]
    fn start(&mut self) {
        for site in &mut self.sites {
            site.launch();
        }
        for site in &self.sites {
            site.wait_for("it serves its status", |status| status.is_object().then_some(()));
        }
    }

    /// The same file on these hosts.
    fn declare(&self, hosts: &[usize], file: &str) {
        for host in hosts {
            self.sites[*host].host.declare(file);
        }
    }

    fn inject(&self, uid: u64, what: FaultKind) {
        let fault = Fault::once(what).on(SET).for_account(Uid(uid));
        self.venue.simulator.with(|exchange| exchange.inject(fault));
    }

    /// Everything that arrived of an account, or of all.
    fn asked(&self, by: Option<usize>, uid: Option<u64>) -> Vec<LogEntry> {
        let by = by.map(|host| self.sites[host].port.address());
        let arrived = |entry: &&LogEntry| {
            entry.late_of.is_none()
                && by.is_none_or(|by| entry.from == Some(by))
                && uid.is_none_or(|uid| entry.account == Some(Uid(uid)))
        };
        self.venue.simulator.with(|exchange| exchange.log().iter().filter(arrived).cloned().collect())
    }

    /// Which hosts have sent sets of this account, in order.
    fn setters(&self, uid: u64) -> Vec<usize> {
        let of = |from: Option<IpAddr>| {
            self.sites.iter().position(|site| Some(site.port.address()) == from).unwrap()
        };
        self.sets(uid).iter().map(|set| of(set.from)).collect()
    }

    fn sets(&self, uid: u64) -> Vec<LogEntry> {
        self.venue.sets().into_iter().filter(|set| set.account == Some(Uid(uid))).collect()
    }

    #[track_caller]
    fn wait_for_sets(&self, uid: u64, count: usize) {
        let there = || (self.sets(uid).len() >= count).then_some(());
        wait_until(&format!("set {count} of desk-{uid}"), PATIENCE + FENCE, || self.said(), there);
    }

    /// Until a host tells of an account that it is in this state, with this in its sentence.
    #[track_caller]
    fn stands(&self, host: usize, uid: u64, state: &str, part: &str) -> Value {
        let site = &self.sites[host];
        let last = Cell::new(Value::Null);
        let look = || {
            let target = site.target(uid)?;
            let said = target["say"].as_str().unwrap_or_default().to_owned();
            let stands = target["state"] == state && said.contains(part);
            last.set(target.clone());
            stands.then_some(target)
        };
        let what = format!("on {} desk-{uid} is {state}, {part}", site.name);
        wait_until(&what, PATIENCE + FENCE, || format!("{}\n{}", last.take(), self.said()), look)
    }

    /// Nothing of an account arrives while a set of before may still take effect.
    #[track_caller]
    fn nothing_overlapped(&self) {
        let log = self.venue.simulator.with(|exchange| exchange.log().to_vec());
        let sets: Vec<(usize, &LogEntry)> = log
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.method != "GET" && entry.late_of.is_none())
            .collect();
        for (number, (index, set)) in sets.iter().enumerate() {
            let may_come_late = set.answered_at.is_none();
            let over = set.signed.unwrap().plus(FENCE);
            for (_, later) in &sets[number + 1..] {
                let is_same = later.account == set.account;
                assert!(
                    !is_same || !may_come_late || later.at >= over,
                    "{set:?}\n{later:?}\n{}",
                    self.said()
                );
            }
            let late = log.iter().find(|entry| entry.late_of == Some(*index));
            assert!(late.is_none_or(|late| late.at < over), "{late:?}");
        }
    }

    /// Hosts with accounts that cannot reach the database say so, and ask nothing of the exchange any more.
    #[track_caller]
    fn falls_silent(&self, hosts: &[usize]) {
        let is_told = |status: &Value| {
            let waits = |target: &Value| {
                target["host"].is_null() && target["blockers"].as_array().unwrap().contains(&"ledger".into())
            };
            status["targets"].as_array()?.iter().any(waits).then_some(())
        };
        for host in hosts {
            self.sites[*host].wait_for("it says that the database cannot be reached", is_told);
        }
        let told = self.venue.simulator.now();
        // As long as any look would have taken place once more, after what was on its way.
        std::thread::sleep(Duration::from_secs(8));
        let asked = hosts.iter().flat_map(|host| self.asked(Some(*host), None));
        let last = asked.map(|entry| entry.at).max().unwrap();
        assert!(last <= told.plus(Duration::from_secs(2)), "{told:?} {last:?}\n{}", self.said());
    }

    #[track_caller]
    fn has(&self, uid: u64, mode: PosMode) {
        assert_eq!(self.venue.mode(uid), mode, "desk-{uid}: {}", self.said());
    }

    /// What the ledger says of the sets of an account, oldest first.
    fn intents(&self, uid: u64) -> String {
        let asked = format!("SELECT state FROM intents WHERE account = 'desk-{uid}' ORDER BY id");
        self.cluster.sql(&self.database, &asked).trim().replace('\n', " ")
    }

    fn cut(&self, host: usize, cable: Cable) {
        self.hub.cut(&self.sites[host].port, cable);
    }

    fn mend(&self, host: usize, cable: Cable) {
        self.hub.mend(&self.sites[host].port, cable);
    }

    fn said(&self) -> String {
        let of = |site: &Site| format!("{}:\n{}", site.name, site.host.said());
        self.sites.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    /// The hosts that run end as they are told to, and all was well.
    #[track_caller]
    fn end(mut self) {
        self.nothing_overlapped();
        for site in &mut self.sites {
            if site.host.daemon.is_some() {
                site.host.terminate();
            }
        }
    }
}

impl Site {
    /// Starts the daemon in the host's own network.
    fn launch(&mut self) {
        let entered = self.port.entered();
        let mut command = Command::new(&entered[0]);
        command.args(&entered[1..]).arg(env!("CARGO_BIN_EXE_posmoded"));
        command.args(["run", "--listen", "unix:status.sock", "--credentials", "keys"]);
        command.args(["--state", &self.state, "--base-url", &self.host.exchange]);
        command.current_dir(self.host.home.path()).env_clear().env("HOME", self.host.home.path());
        command.env("PATH", PATHS).envs(self.host.environment.iter().cloned()).stdin(Stdio::null());
        self.host.spawn(command);
    }

    /// What the daemon says, if it does; the file that is in force is never an older one than before.
    #[track_caller]
    fn status(&self) -> Option<Value> {
        let status: Value = serde_json::from_str(&self.get("/api/status")?).ok()?;
        let generation = status["config"]["generation"].as_u64().unwrap();
        assert!(generation >= self.generation.get(), "{status}");
        self.generation.set(generation);
        Some(status)
    }

    /// The body that the daemon answers with, if it does.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = UnixStream::connect(self.host.path("status.sock")).ok()?;
        // One that is stopped takes a connection, and says nothing.
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    fn target(&self, uid: u64) -> Option<Value> {
        let status = self.status()?;
        let name = format!("desk-{uid}");
        status["targets"].as_array()?.iter().find(|target| target["account"] == *name).cloned()
    }

    #[track_caller]
    fn wait_for<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        self.host.wait_until(&format!("{}: {what}", self.name), || look(&self.status()?))
    }
}

impl Hub {
    /// The address of a database for the hosts.
    fn url(&self, database: &str) -> String {
        let (at, _) = self.cluster.place.network.as_ref().unwrap();
        format!("postgres://posmoded@{at}:{}/{database}", self.cluster.port)
    }
}

/// The file: of each account its number, the number of its host, and its mode.
fn file(accounts: &[(u64, usize, &str)]) -> String {
    let mut file = "version: 1\nmax_changes: 20\n".to_owned();
    file += "defaults: { drift: correct, check_every: 5s, settle: 0s }\naccounts:\n";
    for (account, host, mode) in accounts {
        writeln!(
            file,
            "  desk-{account}:\n    host: trade-0{host}\n    position_mode: {{ USDT-FUTURES: {mode} }}"
        )
        .unwrap();
    }
    file + "...\n"
}

/// Whether there is time for what takes minutes more: `.ci/long` says so.
fn is_long() -> bool {
    std::env::var_os("POSMODED_LONG").is_some()
}

const HEDGE: &str = "hedge_mode";
const ONE_WAY: &str = "one_way_mode";
