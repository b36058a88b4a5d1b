//! Several hosts with one exchange and one ledger: each has a world of its own, with its file, its ways and its daemon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use posmoded::clock::Clock;
use posmoded::facts::Ancestry;
use posmoded::ledger::{Company, Ledger};
use posmoded::moment::Moment;
use posmoded::source::{Content, FileState};
use posmoded::status::Board;
use tokio::sync::watch;

use super::told::Told;
use super::turn::Turn;
use super::wire::Wire;
use super::{START, With, World, content, is_set, locked};
use bitget_sim::Exchange;

/// Their processes are numbered from a thousand times the host's place on.
pub const PROCESSES: u32 = 1000;

impl World {
    /// A world for each host; their files hold the first commit. No daemon is started.
    pub fn of_hosts(
        names: &[&str],
        file: &str,
        seed: u64,
        set_up: impl FnOnce(&mut Exchange),
    ) -> (Vec<World>, Company) {
        let first = World::new(file, seed, set_up);
        let company = Company::new(first.clock.clone());
        // Stays in memory, whatever the environment asks for: a server has its own time, and would not know who is stopped.
        let ledger = Ledger::in_memory(first.clock.clone()).expect("a ledger in memory");
        let numbered = names.iter().zip(0..);
        let worlds = numbered.map(|(name, number)| first.of_host(&ledger, &company, name, number, seed));
        (worlds.collect(), company)
    }

    fn of_host(&self, ledger: &Ledger, company: &Company, name: &str, number: u32, seed: u64) -> World {
        let clock = Clock::simulated(START, seed + u64::from(number));
        let wire = Wire { journeys: Arc::clone(&self.wire.journeys), ..Wire::default() };
        name.clone_into(&mut locked(&wire.state).host_name);
        let word = self.words.borrow().clone();
        let told = Told { words: vec![(clock.now(), word.clone())], ..Told::default() };
        let ledger = ledger.among(company, name, clock.clone()).expect("the ledger opens");
        World {
            process_clock: clock.of_a_new_process(),
            clock,
            exchange: Arc::clone(&self.exchange),
            wire: Arc::new(wire),
            ledger,
            words: watch::channel(word).0,
            kicks: watch::channel(self.kicks.borrow().to_owned()).0,
            board: Board::default(),
            daemon: None,
            processes: number * PROCESSES,
            budget: self.budget,
            quiet: Duration::ZERO,
            server: Some("postgres://db/posmoded".to_owned()),
            told: Mutex::new(told),
            _turn: Turn::take_without_haste(),
        }
    }

    /// The file is that of a commit in a line of commits, the first of which has number 0.
    pub fn pull(&self, number: usize, file: &str) {
        let ancestors: String = (0..number).rev().map(|number| format!("{}\n", commit(number))).collect();
        let ancestry = Ancestry::read(&format!("{}\n{ancestors}", number + 1));
        let FileState::Content(read) = content(file, Some(commit(number))) else {
            unreachable!("it is content");
        };
        self.say(FileState::Content(Content { ancestry, ..read }));
    }

    /// SIGTERM, and others need not wait for our silence.
    pub async fn stop_and_leave(&mut self) {
        self.stop().await;
        self.ledger.leave().await;
    }

    /// SIGSTOP, and SIGCONT after so long.
    pub fn halt(&self, span: Duration) {
        self.clock.stop_until(self.clock.stopped_until().max(self.clock.now() + span));
    }

    /// The same in the very moment in which the next set is to leave, or has left.
    pub fn halt_with_the_next_set(&self, with: With, span: Duration) {
        locked(&self.wire.state).stop_with_the_next_set = Some((with, span));
    }

    /// Nothing is arranged for the next set any more.
    pub fn halt_with_no_set(&self) {
        locked(&self.wire.state).stop_with_the_next_set = None;
    }

    /// The process has ended, and the next one is not stopped.
    pub fn halt_no_more(&self) {
        self.clock.stop_until(Moment(0));
        self.halt_with_no_set();
    }

    /// Until when it is stopped, if it is now.
    pub fn halted(&self) -> Option<Moment> {
        let until = self.clock.stopped_until();
        (until > self.clock.now()).then_some(until)
    }

    /// Which requests left only once the process was no longer stopped: by which process, and when.
    pub fn held(&self) -> Vec<(u32, Moment)> {
        locked(&self.wire.state).held.clone()
    }

    /// How many of these requests set a mode, each named by its process and when it left.
    pub fn sets_among(&self, these: &[(u32, Moment)]) -> usize {
        let log = self.log();
        self.journeys(|all| {
            let held = all.iter().filter(|journey| these.contains(&(journey.process, journey.left)));
            held.filter(|journey| journey.arrived.is_some_and(|(_, entry)| is_set(&log[entry]))).count()
        })
    }

    /// The database itself.
    pub fn database(&self) -> rusqlite::Connection {
        let told = format!("{:?}", self.ledger);
        let place = told.strip_prefix("Ledger(").and_then(|told| told.strip_suffix(')'));
        rusqlite::Connection::open(place.expect("a ledger says where")).expect("the ledger in memory")
    }
}

/// The name of a commit in a line of them.
pub fn commit(number: usize) -> String {
    format!("{:040x}", number + 1)
}

/// Which number it has.
pub fn number_of(commit: &str) -> usize {
    usize::from_str_radix(commit, 16).expect("a commit of ours") - 1
}
