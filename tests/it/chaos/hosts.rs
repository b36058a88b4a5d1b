//! The same for several hosts on one ledger: each is stopped and goes on, is cut off from the ledger or from the exchange, is
//! killed and comes back, and hears of an edit at a time of its own, while edits move accounts from one to another.
//! `POSMODED_SEED` and `POSMODED_SEEDS` as in `tests.rs`.

mod plot;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bitget_sim::{Kind, LogEntry, NewAccount, ProductType};
use posmoded::ledger::{Company, Reach};
use posmoded::moment::Moment;

use super::journal::Journal;
use super::{Failed, Legacy, dice};
use crate::world::World;
use crate::world::company::number_of;
use crate::world::invariants::company::Away;
use plot::{Act, File, Person, Plot, SETTLE};

#[test]
fn whatever_happens_to_one_of_several_hosts_no_two_sets_overlap_and_what_is_quiet_converges() {
    let seeds = match super::tests::number("POSMODED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..super::tests::number("POSMODED_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let whole = seeds.end - seeds.start >= SEEDS;
    let mut all = BTreeMap::new();
    for seed in seeds {
        for (what, times) in told(seed).1 {
            *all.entry(what).or_insert(0) += times;
        }
    }
    let of = |what: &str| all.get(what).copied().unwrap_or(0);
    let wanted =
        ["sets", "sets that waited in a stopped process", "sets executed late", "moves", "lost commits"];
    let missing: Vec<&str> = wanted.into_iter().filter(|what| of(what) == 0).collect();
    assert!(!whole || missing.is_empty(), "there were no {missing:?} in all these stories: {all:?}");
}

#[test]
fn a_seed_is_the_same_story_of_several_hosts_each_time() {
    let ((first, _), (second, _)) = (told(1), told(1));
    assert!(first.log.len() > 200, "a story, not a word");
    assert!(first == second, "it went differently the second time\n{}", first.differs_from(&second));
}

/// What happened, counted.
type Counts = BTreeMap<&'static str, usize>;

/// A story that must not fail, or all that is needed to understand why it did.
fn told(seed: u64) -> (Legacy, Counts) {
    tell(seed).unwrap_or_else(|failed| {
        let lines = if super::tests::number("POSMODED_SEED").is_some() { usize::MAX } else { 60 };
        panic!(
            "seed {seed}: {}\n\nwhat was done:\n{}\nthe last lines:\n{}\nonce more: POSMODED_SEED={seed}",
            failed.why,
            failed.acts,
            failed.last(lines)
        )
    })
}

fn tell(seed: u64) -> Result<(Legacy, Counts), Failed> {
    let journal = Journal::default();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(Story::tell(seed, &journal))
    }));
    let text = journal.text();
    match told {
        Ok((legacy, counts)) => Ok((Legacy { journal: text, ..legacy }, counts)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
            Err(Failed { why: why.unwrap_or_default(), acts: journal.acts(), journal: text })
        }
    }
}

/// A story while it is told.
struct Story<'a> {
    worlds: Vec<World>,
    database: rusqlite::Connection,
    company: Company,
    names: Vec<&'static str>,
    people: Vec<Person>,
    journal: &'a Journal,
    /// The commits, oldest first.
    files: Vec<File>,
    hosts: Vec<Host>,
    /// The number of the commit in force when it was last looked at.
    in_force: usize,
    counts: Counts,
}

/// What is going on at a host.
#[derive(Default)]
struct Host {
    /// The commit that its file holds.
    pulled: usize,
    /// When it comes back; `None` while it is there.
    starts_at: Option<Moment>,
    /// When the ledger answers again, and since when it does not.
    ledger_at: Option<Moment>,
    cut_since: Option<Moment>,
    /// When the exchange answers again.
    exchange_at: Option<Moment>,
    /// Until when it is stopped.
    halted: Option<Moment>,
    away: Away,
}

impl Story<'_> {
    async fn tell(seed: u64, journal: &Journal) -> (Legacy, Counts) {
        let Plot { names, people, files, latency, acts } = Plot::draw(&mut dice(seed));
        let (worlds, company) = World::of_hosts(&names, "", seed, |exchange| {
            for Person { name, uid, kind, mode } in &people {
                let account = match kind {
                    Kind::Classic => NewAccount::classic(*uid, name),
                    Kind::Unified => NewAccount::unified(*uid, name),
                };
                exchange.add_account(account.with_mode(ProductType::UsdtFutures, *mode));
            }
        });
        let _listening = journal.listen(worlds[0].clock.clone());
        let hosts = names.iter().map(|_| Host::default()).collect();
        let (in_force, counts) = (0, Counts::new());
        let database = worlds[0].database();
        let mut story =
            Story { worlds, database, company, names, people, journal, files, hosts, in_force, counts };
        journal.act(&format!("{:?} {latency:?}\n{}", story.people, story.text(0)));
        let first = story.text(0);
        for world in &mut story.worlds {
            world.latency(latency);
            world.pull(0, &first);
            world.start().await;
        }
        let began = story.worlds[0].clock.now();
        for (at, act) in acts {
            story.live_until(began + at).await;
            journal.act(&format!("{act:?}"));
            story.act(act).await;
        }
        story.become_quiet().await;
        let away: Vec<Away> = story.hosts.iter().map(|host| host.away.clone()).collect();
        let texts: Vec<String> = (0..story.files.len()).map(|commit| story.text(commit)).collect();
        World::check_invariants_of(&story.worlds, &story.names, &texts, &away, SETTLE);
        story.count_what_was();
        (Legacy { log: story.worlds[0].take_log(), ..Legacy::default() }, story.counts)
    }

    /// The file of a commit.
    fn text(&self, commit: usize) -> String {
        self.files[commit].text(&self.people)
    }

    async fn live_until(&mut self, end: Moment) {
        while self.worlds[0].clock.now() < end {
            let next = end.min(self.worlds[0].clock.now() + Duration::from_millis(250));
            let wait = next.since(self.worlds[0].clock.now());
            self.worlds[0].pass(wait).await;
            self.look().await;
        }
    }

    /// Ends what is to end by now, and notes what has happened by itself.
    async fn look(&mut self) {
        let now = self.worlds[0].clock.now();
        for ((host, world), name) in self.hosts.iter_mut().zip(&mut self.worlds).zip(&self.names) {
            host.away.wakes.extend(host.halted.take_if(|until| *until <= now));
            host.halted = world.halted().or(host.halted);
            if host.cut_since.is_none() && self.company.reach(name) == Reach::Cut {
                self.journal.act(&format!("{name} has lost a commit's answer"));
                *self.counts.entry("lost commits").or_insert(0) += 1;
                host.cut_since = Some(now);
            }
            if host.ledger_at.take_if(|at| *at <= now).is_some() {
                self.journal.act(&format!("{name} reaches the ledger"));
                self.company.reaches(name, Reach::Answers);
                host.away.cuts.extend(host.cut_since.take().map(|since| (since, now)));
            }
            if host.exchange_at.take_if(|at| *at <= now).is_some() {
                world.cut(false);
            }
            let answers = self.company.reach(name) == Reach::Answers;
            if answers && host.starts_at.take_if(|at| *at <= now).is_some() {
                self.journal.act(&format!("{name} comes back"));
                world.start().await;
            }
        }
        let newest: String = self
            .database
            .query_row("SELECT git_commit FROM revisions ORDER BY generation DESC LIMIT 1", [], |row| {
                row.get(0)
            })
            .expect("there is one");
        let newest = number_of(&newest);
        assert!(newest >= self.in_force, "F7: commit {newest} is in force after {}", self.in_force);
        self.in_force = newest;
    }

    async fn act(&mut self, act: Act) {
        let now = self.worlds[0].clock.now();
        match act {
            // Whoever pulls never goes back.
            Act::Pull { host, commit } => {
                if commit > self.hosts[host].pulled {
                    self.hosts[host].pulled = commit;
                    self.worlds[host].pull(commit, &self.text(commit));
                }
            }
            Act::Flip { who, to } => {
                let uid = self.people[who].uid;
                let flipped = |exchange: &mut bitget_sim::Exchange| {
                    exchange.flip(uid, ProductType::UsdtFutures, to).expect("known");
                };
                self.worlds[0].exchange(flipped);
            }
            Act::Goes(fault) => self.worlds[0].exchange(|exchange| exchange.inject(fault)),
            Act::Halt { host, span } => self.worlds[host].halt(span),
            Act::HaltWithASet { host, with, span } => self.worlds[host].halt_with_the_next_set(with, span),
            Act::Ledger { host, reach, span } => {
                let name = self.names[host];
                if self.company.reach(name) != Reach::Answers {
                    return;
                }
                self.company.reaches(name, reach);
                let host = &mut self.hosts[host];
                host.ledger_at = Some(now + span);
                host.cut_since = (reach == Reach::Cut).then_some(now);
            }
            Act::Exchange { host, span } => {
                self.worlds[host].cut(true);
                self.hosts[host].exchange_at = Some(now + span);
            }
            Act::Ends { host, by_itself, down } => {
                let world = &mut self.worlds[host];
                if !world.is_running() {
                    return;
                }
                if by_itself && world.halted().is_none() {
                    world.stop_and_leave().await;
                } else {
                    world.kill().await;
                }
                world.halt_no_more();
                self.hosts[host].halted = None;
                // Others of its name must take a host for dead that has not said that it ends.
                let least = if by_itself { Duration::ZERO } else { SILENCE };
                self.hosts[host].starts_at = Some(world.clock.now() + down.max(least));
            }
        }
    }

    /// Ends everything that stands in the way, and waits.
    async fn become_quiet(&mut self) {
        let last = self.files.len() - 1;
        let text = self.text(last);
        self.journal.act(&format!("quiet:\n{text}"));
        self.worlds[0].exchange(bitget_sim::Exchange::clear_faults);
        let now = self.worlds[0].clock.now();
        for (host, world) in self.hosts.iter_mut().zip(&self.worlds) {
            // What was arranged for the next set comes about no more; who is stopped now goes on in its time.
            world.halt_with_no_set();
            host.ledger_at = Some(now);
            host.exchange_at = Some(now);
            host.starts_at = host.starts_at.map(|at| at.min(now + SILENCE));
            if host.pulled < last {
                host.pulled = last;
                world.pull(last, &text);
            }
        }
        while !self.is_as_wished() {
            let waited = self.worlds[0].clock.now().since(now);
            let told: String = self.worlds.iter().map(World::told).collect();
            assert!(waited <= LONGEST, "I9: after {waited:?} of quiet not yet as the file says:\n{told}");
            self.live_until(self.worlds[0].clock.now() + Duration::from_secs(1)).await;
        }
        let took = self.worlds[0].clock.now().since(now);
        self.journal.act(&format!("converged after {took:?}"));
        let sets = self.sets();
        self.live_until(self.worlds[0].clock.now() + Duration::from_secs(120)).await;
        assert!(self.is_as_wished() && sets == self.sets(), "I9: it does not stay so");
    }

    /// At the exchange, and as the host sees it that the account is of.
    fn is_as_wished(&self) -> bool {
        let file = self.files.last().expect("there is one");
        self.people.iter().zip(&file.0).all(|(person, (of, mode))| {
            self.worlds[*of].mode(person.uid, ProductType::UsdtFutures) == *mode
                && self.worlds[*of].is_in_sync(&format!("{} {}", person.name, person.scope()))
        })
    }

    fn sets(&self) -> usize {
        self.worlds[0].watch_requests().borrow().sets
    }

    fn count_what_was(&mut self) {
        let late = |entry: &&LogEntry| entry.late_of.is_some();
        let late = self.worlds[0].exchange(|exchange| exchange.log().iter().filter(late).count());
        let held: Vec<(u32, Moment)> = self.worlds.iter().flat_map(World::held).collect();
        let held = self.worlds[0].sets_among(&held);
        let moves = |pair: &[File]| pair[0].0.iter().zip(&pair[1].0).filter(|(a, b)| a.0 != b.0).count();
        let moves = self.files.windows(2).map(moves).sum();
        let counted = [
            ("sets", self.sets()),
            ("sets executed late", late),
            ("sets that waited in a stopped process", held),
            ("moves", moves),
        ];
        self.counts.extend(counted);
    }
}

/// So many stories are told unless somebody asks for more.
const SEEDS: u64 = 7;
/// After so long others take a host for dead.
const SILENCE: Duration = Duration::from_secs(16);
/// The longest rest of what failed, a fence and two looks.
const LONGEST: Duration = Duration::from_secs(20 * 60);
