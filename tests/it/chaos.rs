//! Random simulation: the whole daemon against the simulated exchange in virtual time, while people, the network and the
//! exchange do what they do. Whatever happens, what must always hold holds; and once it is quiet, everything converges.
//!
//! A seed is a whole story, and the same one each time. `POSMODED_SEED=n` tells one, and all of its lines if it fails; `POSMODED_SEEDS=n` the first n.

mod acts;
mod file;
mod journal;
mod quiet;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bitget_sim::{Executed, ProductType};
use posmoded::facts::Cause;
use posmoded::ledger::Stage;
use posmoded::moment::Moment;
use posmoded::protocol::{Reason, State};
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tokio::sync::watch;

use crate::world::invariants::no_secret_in;
use crate::world::journeys::Left;
use crate::world::{World, is_set};
use acts::Slots;
use file::Wish;
use journal::Journal;
use schedule::{InFlight, Plot};

#[test]
fn whatever_happens_what_must_always_hold_holds_and_what_is_quiet_converges() {
    let seeds = match number("POSMODED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("POSMODED_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let (mut all, whole) = (Tally::default(), seeds.end - seeds.start >= SEEDS);
    for seed in seeds {
        all.add(&tell(seed).tally);
    }
    assert!(!whole || all.is_eventful(), "nothing much happened in all these stories: {all:#?}");
}

#[test]
fn a_seed_is_the_same_story_each_time() {
    // One in which many keepers are woken by the same brake.
    let seed = number("POSMODED_SEED").unwrap_or(5);
    let (first, second) = (tell(seed), tell(seed));
    assert!(first.log.len() > 1_000, "a story, not a word");
    assert!(first == second, "seed {seed} went differently the second time\n{}", first.differs_from(&second));
}

/// What a story leaves behind, to be compared.
#[derive(PartialEq, Eq)]
struct Legacy {
    log: String,
    journal: String,
    tally: Tally,
}

/// What happened in stories, so that nobody takes silence for safety.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    simulated_seconds: i64,
    processes: u32,
    requests: usize,
    sets: usize,
    unified_sets: usize,
    conversions: usize,
    unanswered_sets: usize,
    late_sets: usize,
    stages: BTreeMap<Stage, usize>,
    corrections: usize,
    approved: usize,
}

impl Tally {
    fn of(world: &World, began: Moment) -> Tally {
        let (log, journeys) = (world.log(), world.journeys());
        let intents = world.visitor().intents().expect("the ledger is read");
        let mut stages = BTreeMap::new();
        for intent in &intents {
            *stages.entry(intent.stage).or_default() += 1;
        }
        Tally {
            simulated_seconds: (world.clock.now().0 - began.0) / 1000,
            processes: journeys.last().map_or(0, |last| last.process),
            requests: log.len(),
            sets: log.iter().filter(|entry| is_set(entry) && entry.late_of.is_none()).count(),
            unified_sets: log.iter().filter(|entry| entry.path.ends_with("set-hold-mode")).count(),
            conversions: world.conversions(),
            unanswered_sets: log
                .iter()
                .filter(|entry| is_set(entry) && entry.answered_at.is_none() && entry.late_of.is_none())
                .count(),
            late_sets: log.iter().filter(|entry| is_set(entry) && entry.late_of.is_some()).count(),
            stages,
            corrections: intents.iter().filter(|intent| intent.change.cause == Cause::Drift).count(),
            approved: intents.iter().filter(|intent| intent.approved).count(),
        }
    }

    fn add(&mut self, other: &Tally) {
        let Tally {
            simulated_seconds,
            processes,
            requests,
            sets,
            unified_sets,
            conversions,
            unanswered_sets,
            late_sets,
            stages,
            corrections,
            approved,
        } = other;
        self.simulated_seconds += simulated_seconds;
        self.processes += processes;
        self.requests += requests;
        self.sets += sets;
        self.unified_sets += unified_sets;
        self.conversions += conversions;
        self.unanswered_sets += unanswered_sets;
        self.late_sets += late_sets;
        self.corrections += corrections;
        self.approved += approved;
        for (stage, count) in stages {
            *self.stages.entry(*stage).or_default() += count;
        }
    }

    fn is_eventful(&self) -> bool {
        let ends = [Stage::Refused, Stage::Confirmed, Stage::TookEffect, Stage::NoEffect];
        let some = [
            self.unified_sets,
            self.conversions,
            self.unanswered_sets,
            self.late_sets,
            self.corrections,
            self.approved,
        ];
        self.sets > 100
            && some.iter().all(|count| *count > 0)
            && ends.iter().all(|end| self.stages.contains_key(end))
    }
}

impl Legacy {
    fn differs_from(&self, other: &Legacy) -> String {
        let lines = |legacy: &Legacy| -> Vec<String> {
            legacy.journal.lines().chain(legacy.log.lines()).map(str::to_owned).collect()
        };
        let pairs = lines(self).into_iter().zip(lines(other)).filter(|(one, two)| one != two);
        pairs.take(3).flat_map(|(one, two)| ["\n- ".to_owned(), one, "\n+ ".to_owned(), two]).collect()
    }
}

/// Tells one story from its seed, and fails with all that is needed to understand it.
fn tell(seed: u64) -> Legacy {
    let journal = Journal::default();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(Story::tell(seed, &journal))
    }));
    match told {
        Ok((log, tally)) => Legacy { log, journal: journal.text(), tally },
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
            panic!(
                "seed {seed}: {}\n\nwhat was done:\n{}\nthe last lines:\n{}\nonce more: POSMODED_SEED={seed}",
                why.unwrap_or_default(),
                journal.acts(),
                journal.last(if number("POSMODED_SEED").is_some() { usize::MAX } else { 60 })
            );
        }
    }
}

/// A story while it is told.
struct Story<'a> {
    world: World,
    journal: &'a Journal,
    wish: Wish,
    slots: Slots,
    armed: Option<Armed>,
    /// Which targets were shown as in sync, and how long the exchange's log was then.
    in_sync: Vec<(usize, BTreeSet<String>)>,
}

/// The daemon is to be killed when a request leaves.
struct Armed {
    left: watch::Receiver<Left>,
    seen: Left,
    what: InFlight,
    after: Duration,
    down: Duration,
}

impl Story<'_> {
    async fn tell(seed: u64, journal: &Journal) -> (String, Tally) {
        let mut dice = dice(seed);
        let plot = Plot::draw(&mut dice);
        let world = World::new(&plot.wish.text(), seed, |exchange| plot.people(exchange));
        let _listening = journal.listen(world.clock.clone());
        journal.act(&format!("{:?} {:?} {:?}", plot.accounts, plot.latency, plot.switches));
        journal.act(&plot.wish.text());
        let Plot { accounts, wish, latency, skew_ms, switches: _, acts } = plot;
        let slots = Slots::new(accounts);
        let mut story = Story { world, journal, wish, slots, armed: None, in_sync: Vec::new() };
        story.world.latency(latency);
        story.world.skew(skew_ms);
        story.world.start().await;
        let began = story.world.clock.now();
        for (at, act) in acts {
            story.live_until(began + at).await;
            journal.act(&format!("{act:?}"));
            story.act(act).await;
        }
        story.become_quiet(&mut dice).await;
        story.check();
        let log = serde_json::to_string(&story.world.log()).expect("a log is JSON");
        (log.replace("},{", "},\n{"), Tally::of(&story.world, began))
    }

    /// Lets time pass; looks every second at what is shown, and kills the daemon where that was arranged.
    async fn live_until(&mut self, end: Moment) {
        while self.world.clock.now() < end {
            let next = end.min(self.world.clock.now() + Duration::from_secs(1));
            let wait = next.since(self.world.clock.now());
            let met = match &mut self.armed {
                Some(armed) if self.world.is_running() => {
                    tokio::time::timeout(wait, armed.meets()).await.is_ok()
                }
                Some(_) | None => {
                    self.world.pass(wait).await;
                    false
                }
            };
            if let Some(armed) = self.armed.take_if(|_| met) {
                self.world.pass(armed.after).await;
                self.journal.act("killed in flight");
                self.world.kill().await;
                self.world.pass(armed.down).await;
                self.world.start().await;
            }
            self.look();
        }
    }

    /// What an operator sees now.
    fn look(&mut self) {
        self.world.hear_acknowledgements();
        if !self.world.is_running() {
            return;
        }
        let status = self.world.status();
        let crashed = status.targets.iter().find(|target| target.blockers.contains(&Reason::Crashed));
        assert!(crashed.is_none(), "a keeper panicked: {crashed:?}");
        let in_sync = status.targets.iter().filter(|target| target.state == State::InSync);
        let in_sync = in_sync.map(|target| format!("{} {}", target.account, target.scope)).collect();
        let length = self.world.exchange(|exchange| exchange.log().len());
        self.in_sync.push((length, in_sync));
    }

    /// Everything that must hold of what has happened so far.
    #[track_caller]
    fn check(&self) {
        self.world.check_invariants_by_the_file();
        self.check_in_sync();
        no_secret_in(&self.journal.text());
    }

    /// I5: nothing was shown as in sync while an older set could still take effect, and did.
    #[track_caller]
    fn check_in_sync(&self) {
        let log = self.world.log();
        for (index, late) in log.iter().enumerate() {
            let Some(first) = late.late_of else { continue };
            let Some(uid) = late.account else { continue };
            let scope = late.product.map_or("account", ProductType::as_str);
            if !matches!(late.executed, Executed::Applied { .. } | Executed::Same)
                || self.is_checked_on_arrival()
            {
                continue;
            }
            let target = format!("{} {scope}", self.slots.name_of(uid));
            let shown = self
                .in_sync
                .iter()
                .find(|(length, shown)| *length > first && *length <= index && shown.contains(&target));
            assert!(shown.is_none(), "I5: {target} was shown as in sync before this\n{late:#?}");
        }
    }
}

impl Armed {
    async fn meets(&mut self) {
        let (seen, what) = (self.seen, self.what);
        let leaves = |left: &Left| match what {
            InFlight::Anything => left.requests > seen.requests,
            InFlight::Set => left.sets > seen.sets,
        };
        self.left.wait_for(leaves).await.expect("the world lasts longer");
    }
}

/// Random numbers that follow from the seed alone.
fn dice(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// One of them.
fn one_of<T: Clone>(dice: &mut TestRng, all: &[T]) -> T {
    all[dice.random_range(0..all.len())].clone()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// So many stories are told unless somebody asks for more.
const SEEDS: u64 = 20;
