//! What happened in stories, counted by name, so that nobody takes silence for safety.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use posmoded::facts::Cause;
use posmoded::ledger::Stage;
use posmoded::moment::Moment;
use strum::VariantNames as _;

use super::schedule::{Act, fault_kind};
use super::{Legacy, dice};
use crate::world::{OddCount, World, is_set};

/// How often what happened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    /// Something was done.
    pub fn did(&mut self, what: &str) {
        self.count(&format!("act {what}"), 1);
    }

    /// What the story left behind in the world.
    pub fn look_back(&mut self, world: &World, began: Moment, legacy: &Legacy) {
        let (log, intents) = (&legacy.log, world.visitor().intents().expect("the ledger is read"));
        let minutes = world.clock.now().since(began).as_secs() / 60;
        self.count("minutes", usize::try_from(minutes).expect("a story ends"));
        self.count("processes", world.processes() as usize);
        self.count("requests", log.len());
        for entry in log {
            if is_set(entry) && entry.late_of.is_some() {
                self.count("sets late", 1);
            } else if is_set(entry) {
                self.count("sets", 1);
                self.count("sets unified", usize::from(entry.path.ends_with("set-hold-mode")));
                self.count("sets unanswered", usize::from(entry.answered_at.is_none()));
            }
            if let Some(fault) = &entry.fault {
                self.count(&format!("fault {}", name(fault)), 1);
            }
        }
        self.count("conversions seen", world.conversions());
        let OddCount { repeated, dated } = world.odd_answers();
        self.count("fault Repeated", repeated);
        self.count("fault Ahead", dated);
        for intent in &intents {
            self.count(&format!("set {}", name(&intent.stage)), 1);
            self.count("corrections", usize::from(intent.change.cause == Cause::Drift));
            self.count("approved", usize::from(intent.approved));
        }
    }

    /// Adds what happened in another story.
    pub fn add(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            self.count(what, *count);
        }
    }

    /// What must happen in a few stories, and did not.
    pub fn missing_of_some(&self) -> BTreeSet<String> {
        let ends = [Stage::Refused, Stage::Confirmed, Stage::TookEffect, Stage::NoEffect];
        let ends = ends.iter().map(|stage| format!("set {}", name(stage)));
        let others = [
            "sets",
            "sets unified",
            "sets unanswered",
            "sets late",
            "conversions seen",
            "corrections",
            "approved",
            "fault Repeated",
            "fault Ahead",
        ];
        self.missing(ends.chain(others.map(str::to_owned)))
    }

    /// What must happen in many stories, and did not: each thing that anybody may do, and each fault.
    pub fn missing_of_all(&self) -> BTreeSet<String> {
        let acts = Act::VARIANTS.iter().map(|act| format!("act {act}"));
        let mut dice = dice(1);
        let faults = (0..1_000).map(|_| format!("fault {}", name(&fault_kind(&mut dice))));
        &self.missing(acts.chain(faults)) | &self.missing_of_some()
    }

    /// What happened in so many days, and that no promise was broken, as the README shows it.
    pub fn table(&self, days: u64, accounts: usize) -> String {
        let all = |prefix: &str| -> usize {
            self.0.iter().filter(|(what, _)| what.starts_with(prefix)).map(|(_, count)| count).sum()
        };
        let acts = |names: &[&str]| {
            assert!(names.iter().all(|name| Act::VARIANTS.contains(name)), "one of {names:?} is no act");
            names.iter().map(|name| self.of(&format!("act {name}"))).sum()
        };
        let rows: [(&str, usize); 14] = [
            ("requests", self.of("requests")),
            ("sets", self.of("sets")),
            ("of them of unified accounts", self.of("sets unified")),
            ("of them without an answer", self.of("sets unanswered")),
            ("sets that took effect late", self.of("sets late")),
            ("edits of the file, and content that is no file", acts(&["Write", "Spoil", "Mend"])),
            ("kills, crash loops and stops", acts(&["Kill", "KillInFlight", "CrashLoop", "Stop"])),
            ("positions and orders that come, modes that somebody flips", acts(&["Open", "Flip"])),
            (
                "pauses, resumes, approvals, reloads, refreshes",
                acts(&["Pause", "Resume", "Approve", "Reload", "Refresh"]),
            ),
            ("keys that are taken away or refused", acts(&["TakeKey", "RefuseKey"])),
            ("conversions between the kinds", self.of("conversions seen")),
            ("steps of the exchange's clock", acts(&["Step"])),
            ("faults of the exchange and the network that hit", all("fault ")),
            // A run in which one is broken ends before it has a table.
            ("promises broken", 0),
        ];
        let head = format!("| in {days} days of {accounts} accounts | |\n|---|---|\n");
        rows.iter().fold(head, |table, (what, count)| table + &format!("| {what} | {count} |\n"))
    }

    /// How often this happened.
    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    fn missing(&self, names: impl Iterator<Item = String>) -> BTreeSet<String> {
        names.filter(|name| self.of(name) == 0).collect()
    }

    fn count(&mut self, what: &str, more: usize) {
        if let Some(count) = self.0.get_mut(what) {
            *count += more;
        } else {
            self.0.insert(what.to_owned(), more);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>9} {what}"))
    }
}

/// The name of an arm, without what it holds.
fn name(arm: &impl fmt::Debug) -> String {
    let text = format!("{arm:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
