//! Random simulation: the whole daemon against the simulated exchange in virtual time, while people, the network and the
//! exchange do what they do. Whatever happens, what must always hold holds; and once it is quiet, everything converges.
//!
//! A plan is a whole story, and the same one each time. `tests.rs` tells short ones; `cargo run --example simulate` tells
//! whole days, and makes small what fails.

mod acts;
mod file;
#[cfg(test)]
mod hosts;
mod journal;
pub mod plan;
mod quiet;
pub mod schedule;
pub mod shrink;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use bitget_sim::{Executed, LogEntry, ProductType};
use posmoded::moment::Moment;
use posmoded::protocol::{Reason, State};
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tokio::sync::watch;

use crate::world::World;
use crate::world::invariants::no_secret_in;
use crate::world::journeys::Left;
use acts::Slots;
use file::Wish;
use journal::Journal;
use plan::Plan;
use schedule::{InFlight, Plot};

pub use tally::Tally;

/// What a story leaves behind, to be compared.
#[derive(Default, PartialEq, Eq)]
pub struct Legacy {
    /// Every request, as the exchange saw it.
    pub log: Vec<LogEntry>,
    /// What was done and what the daemon said.
    pub journal: String,
    /// What happened, counted.
    pub tally: Tally,
}

impl Legacy {
    /// The first differences.
    pub fn differs_from(&self, other: &Legacy) -> String {
        let lines = |legacy: &Legacy| -> Vec<String> {
            let log = legacy.log.iter().map(|entry| format!("{entry:?}"));
            legacy.journal.lines().map(str::to_owned).chain(log).collect()
        };
        let pairs = lines(self).into_iter().zip(lines(other)).filter(|(one, two)| one != two);
        pairs.take(3).flat_map(|(one, two)| ["\n- ".to_owned(), one, "\n+ ".to_owned(), two]).collect()
    }
}

/// A story in which something did not hold.
#[derive(PartialEq, Eq)]
pub struct Failed {
    /// What, with all that tells about it.
    pub why: String,
    /// What was done and what the daemon said until then.
    pub journal: String,
    /// What was done alone.
    pub acts: String,
}

impl Failed {
    /// Which rule it was, without the figures of this story: a smaller one must break the same rule.
    pub fn rule(&self) -> String {
        let line = self.why.lines().next().unwrap_or_default();
        line.chars().filter(|c| !c.is_ascii_digit()).take_while(|c| !"({".contains(*c)).take(40).collect()
    }

    /// The last lines of all.
    pub fn last(&self, count: usize) -> String {
        let lines: Vec<&str> = self.journal.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// Tells one story.
pub fn tell(plan: &Plan) -> Result<Legacy, Failed> {
    let journal = Journal::default();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(Story::tell(plan, &journal))
    }));
    let text = journal.text();
    match told {
        Ok(legacy) => Ok(Legacy { journal: text, ..legacy }),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
            Err(Failed { why: why.unwrap_or_default(), acts: journal.acts(), journal: text })
        }
    }
}

/// How many accounts and acts a story has before anything is left out.
pub fn extent(plan: &Plan) -> (usize, usize) {
    let plot = Plot::draw(&mut dice(plan.seed), plan.size);
    (plot.accounts.len(), plot.acts.len())
}

/// A story while it is told.
struct Story<'a> {
    world: World,
    journal: &'a Journal,
    wish: Wish,
    slots: Slots,
    armed: Option<Armed>,
    /// How much of the exchange's log was looked at for I5.
    judged: usize,
    /// Which targets were shown as in sync of late, when, and how long the exchange's log was then.
    in_sync: VecDeque<(Moment, usize, Rc<BTreeSet<String>>)>,
    /// The world's `changes` when it was last looked at.
    seen: (u32, u64),
    tally: Tally,
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
    async fn tell(plan: &Plan, journal: &Journal) -> Legacy {
        let mut dice = dice(plan.seed);
        let plot = Plot::draw(&mut dice, plan.size).only(&plan.part);
        let world = World::new(&plot.wish.text(), plan.seed, |exchange| plot.people(exchange));
        let _listening = journal.listen(world.clock.clone());
        journal.act(&format!("{:?} {:?} {:?}", plot.accounts, plot.latency, plot.switches));
        journal.act(&plot.wish.text());
        let Plot { accounts, wish, latency, skew_ms, switches: _, acts } = plot;
        let slots = Slots::new(accounts);
        let mut story = Story {
            world,
            journal,
            wish,
            slots,
            armed: None,
            judged: 0,
            in_sync: VecDeque::new(),
            seen: (0, 0),
            tally: Tally::default(),
        };
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
        let mut legacy = Legacy { log: story.world.take_log(), ..Legacy::default() };
        story.tally.look_back(&story.world, began, &legacy);
        legacy.tally = story.tally;
        legacy
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
                self.tally.did(KILLED_IN_FLIGHT);
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
        self.check_in_sync();
        if !self.world.is_running() {
            return;
        }
        let (length, now) = (self.world.exchange(|exchange| exchange.log().len()), self.world.clock.now());
        let changes = self.world.changes();
        let before = self.in_sync.back().map(|(_, _, in_sync)| in_sync.clone());
        let in_sync = match before {
            Some(before) if changes == self.seen => before,
            Some(_) | None => Rc::new(self.shown_in_sync()),
        };
        self.seen = changes;
        self.in_sync.push_back((now, length, in_sync));
        while self.in_sync.front().is_some_and(|(at, _, _)| now.since(*at) > HELD_UP_AT_MOST) {
            self.in_sync.pop_front();
        }
    }

    /// The targets that are shown as in sync.
    fn shown_in_sync(&self) -> BTreeSet<String> {
        let mut in_sync = BTreeSet::new();
        self.world.see(|target| {
            assert!(!target.blockers.contains(&Reason::Crashed), "a keeper panicked: {target:?}");
            if target.state == State::InSync {
                in_sync.insert(format!("{} {}", target.account, target.scope));
            }
        });
        in_sync
    }

    /// Everything that must hold of what has happened so far.
    #[track_caller]
    fn check(&mut self) {
        self.world.check_invariants_by_the_file();
        self.check_in_sync();
        no_secret_in(&self.journal.text());
    }

    /// I5: nothing was shown as in sync while an older set could still take effect, and did.
    #[track_caller]
    fn check_in_sync(&mut self) {
        let news = self.world.exchange(|exchange| {
            let late = exchange.log().iter().enumerate().skip(self.judged);
            let late = late.filter(|(_, entry)| entry.late_of.is_some());
            let late: Vec<(usize, LogEntry)> = late.map(|(index, entry)| (index, entry.clone())).collect();
            (late, exchange.log().len())
        });
        let (late, length) = news;
        self.judged = length;
        for (index, late) in late {
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
                .find(|(_, length, shown)| *length > first && *length <= index && shown.contains(&target));
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

/// How a kill that was arranged is counted, once it has come.
const KILLED_IN_FLIGHT: &str = "KilledInFlight";
/// No request executes later than this after it left, with the exchange's clock being moved meanwhile.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(300);
