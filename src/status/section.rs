//! Who has to act: the sections in which the targets stand, what holds up more than one of them, and how many there are of each.
//!
//! The summary and the headings below it count by the same rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Held, Paused, Status, TargetStatus, Warning, short};
use crate::position_mode::AccountName;
use crate::protocol::{Need, Plan, PlanEntry, Reason, State, Wants};

/// In the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// A human has to act.
    Human,
    /// It waits for what passes by itself, or with time.
    Passes,
    /// As the file wants it.
    InSync,
    /// Another host's.
    Elsewhere,
}

/// What holds up more than one target and is told by the status itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whole<'a> {
    /// The newest content of the file is refused.
    File,
    /// Everything is paused.
    Everything,
    /// This account is paused.
    Account(&'a AccountName),
    /// A plan waits for an approval.
    Held,
}

/// How much there is of what the first two sections show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Targets that want a human.
    pub human: usize,
    /// Accounts of which something wants a human that is no target's reason.
    pub accounts: usize,
    /// What else wants a human and has no target of its own.
    pub others: Vec<&'static str>,
    /// What is asked of a human by these targets and accounts.
    pub needs: Needs,
    /// Targets that wait for what passes by itself.
    pub passes: usize,
    /// Pauses that end by themselves and are no target's reason.
    pub pauses: usize,
}

/// How many want a human, by what is asked of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// To do something about it now.
    pub now: usize,
    /// To decide.
    pub to_be_decided: usize,
    /// To end what was stopped on purpose.
    pub stopped_on_purpose: usize,
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 4] = [Section::Human, Section::Passes, Section::InSync, Section::Elsewhere];

    /// Where this target stands.
    pub fn of(target: &TargetStatus) -> Section {
        match target.wants {
            Some(_) | None if target.is_elsewhere() => Section::Elsewhere,
            Some(Wants::Human) => Section::Human,
            // A look may have failed since: as long as what was seen is young enough, that is no more than good to know.
            Some(_) | None if target.state == State::InSync => Section::InSync,
            // None of a daemon that says no more than that it is not in sync.
            Some(Wants::Time | Wants::Itself) | None => Section::Passes,
        }
    }
}

impl Needs {
    /// Of each need, how many.
    pub fn each(self) -> [(Need, usize); 3] {
        let Needs { now, to_be_decided, stopped_on_purpose } = self;
        [(Need::Now, now), (Need::ToBeDecided, to_be_decided), (Need::StoppedOnPurpose, stopped_on_purpose)]
    }

    fn add(&mut self, need: Need) {
        *match need {
            Need::Now => &mut self.now,
            Need::ToBeDecided => &mut self.to_be_decided,
            Need::StoppedOnPurpose => &mut self.stopped_on_purpose,
        } += 1;
    }

    /// ` (6 now, 1 to be decided, 1 stopped on purpose)`; nothing where all of them want one now.
    fn split(self) -> String {
        let counted = self.each().into_iter().filter(|(_, count)| *count > 0);
        let kinds: Vec<(usize, String)> =
            counted.map(|(need, count)| (count, need.as_str().replace('_', " "))).collect();
        match kinds.as_slice() {
            [] => String::new(),
            [(_, all)] if all == Need::Now.as_str() => String::new(),
            [(_, all)] => format!(" ({all})"),
            some => {
                let told: Vec<String> = some.iter().map(|(count, kind)| format!("{count} {kind}")).collect();
                format!(" ({})", told.join(", "))
            }
        }
    }
}

impl Whole<'_> {
    /// The reason of the targets that it holds up.
    pub fn reason(self) -> Reason {
        match self {
            Whole::File => Reason::File,
            Whole::Everything | Whole::Account(_) => Reason::Paused,
            Whole::Held => Reason::Held,
        }
    }

    /// Whether it is what this target shows. Another host has a file and a held plan of its own.
    pub fn covers(self, target: &TargetStatus) -> bool {
        let is_its = match self {
            Whole::File | Whole::Held => target.host.is_none(),
            Whole::Everything => true,
            Whole::Account(name) => *name == target.account,
        };
        is_its && target.reason == Some(self.reason())
    }
}

impl Status {
    /// The one line for the service manager: `rev 17 a1b2c3d: 9/24 in sync, 8 want a human (7 now, 1 to be decided), 7 wait`, then
    /// what holds for everything.
    pub fn line(&self) -> String {
        let Config { generation, commit, problem, sha256: _, loaded_at: _, behind: _, path: _, next: _ } =
            &self.config;
        let commit = commit.iter().map(|commit| format!(" {}", short(commit)));
        let in_sync = self.targets.iter().filter(|target| target.state == State::InSync).count();
        let here = self.targets.iter().filter(|target| !target.is_elsewhere()).count();
        let summary = match (here, self.targets.len()) {
            (0, 0) => "no target is known yet".to_owned(),
            (0, elsewhere) => {
                let targets = if elsewhere == 1 { "target" } else { "targets" };
                format!("{elsewhere} {targets} of other hosts, none of this one")
            }
            (here, _) => format!("{in_sync}/{here} in sync"),
        };
        let tally = self.tally();
        let told = |count: usize, one: &str, many: &str| {
            (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
        };
        let human = told(tally.human + tally.accounts, "wants a human", "want a human")
            .map(|human| format!("{human}{}", tally.needs.split()));
        let passes = told(tally.passes, "waits", "wait");
        let refused = problem.iter().map(|_| "the newest file is REFUSED".to_owned());
        let paused = self.paused.iter().map(|paused| format!("PAUSED ({})", paused.reason));
        let held = told(self.changes_held(), "change held", "changes held");
        let parts: Vec<String> = std::iter::once(summary)
            .chain(human)
            .chain(passes)
            .chain(refused)
            .chain(paused)
            .chain(held)
            .collect();
        format!("rev {}{}: {}", generation.0, commit.collect::<String>(), parts.join(", "))
    }

    /// How many stand in the first two sections, and what else does.
    pub fn tally(&self) -> Tally {
        let of = |section| self.targets.iter().filter(|target| Section::of(target) == section).count();
        let mut tally = Tally { human: of(Section::Human), passes: of(Section::Passes), ..Tally::default() };
        for (whole, wants) in self.bare() {
            match whole {
                Whole::Everything | Whole::Account(_) if wants != Wants::Human => tally.pauses += 1,
                Whole::Account(_) => {}
                Whole::File => tally.others.push("the file"),
                Whole::Everything => tally.others.push("the pause"),
                Whole::Held => tally.others.push("the held plan"),
            }
        }
        for Needs { now, to_be_decided, stopped_on_purpose } in self.needs().into_values() {
            tally.needs.now += now;
            tally.needs.to_be_decided += to_be_decided;
            tally.needs.stopped_on_purpose += stopped_on_purpose;
        }
        tally.accounts = tally.needs.each().into_iter().map(|(_, count)| count).sum::<usize>() - tally.human;
        tally
    }

    /// Of each account that has a target here, how many of its targets want a human, and whether the account itself does.
    pub fn needs(&self) -> BTreeMap<&AccountName, Needs> {
        let mut needs: BTreeMap<&AccountName, Needs> = BTreeMap::new();
        for target in self.targets.iter().filter(|target| !target.is_elsewhere()) {
            let of_it = needs.entry(&target.account).or_default();
            if Section::of(target) == Section::Human {
                of_it.add(target.need.unwrap_or(Need::Now));
            }
        }
        let warned: BTreeSet<&AccountName> =
            self.alarming().filter_map(|warning| warning.account.as_ref()).collect();
        let paused = self.bare().into_iter().filter_map(|(whole, wants)| match whole {
            Whole::Account(name) => (wants == Wants::Human && !warned.contains(name)).then_some(name),
            Whole::File | Whole::Everything | Whole::Held => None,
        });
        for name in paused {
            needs.entry(name).or_default().add(Need::StoppedOnPurpose);
        }
        for name in warned {
            needs.entry(name).or_default().add(Need::Now);
        }
        needs
    }

    /// What holds up no target at the moment and stands all the same.
    fn bare(&self) -> Vec<(Whole<'_>, Wants)> {
        let wholes: Vec<(Whole<'_>, Wants)> = self.wholes().collect();
        let shown: BTreeSet<Whole<'_>> =
            self.targets.iter().filter_map(|target| covering(&wholes, target)).collect();
        wholes.into_iter().filter(|(whole, _)| !shown.contains(whole)).collect()
    }

    /// What holds up more than one target, and what ends it; a target shows the first that covers it.
    pub fn wholes(&self) -> impl Iterator<Item = (Whole<'_>, Wants)> {
        let Status { paused, paused_accounts, config: Config { problem, .. }, .. } = self;
        let ends = |paused: &Paused| if paused.until.is_some() { Wants::Time } else { Wants::Human };
        let file = problem.iter().map(|_| (Whole::File, Wants::Human));
        let everything = paused.iter().map(move |paused| (Whole::Everything, ends(paused)));
        let accounts = paused_accounts.iter().map(move |(name, paused)| (Whole::Account(name), ends(paused)));
        let held = (self.changes_held() > 0).then_some((Whole::Held, Wants::Human));
        file.chain(everything).chain(accounts).chain(held)
    }

    /// How many changes of the held plan do not say themselves how they are approved.
    pub fn changes_held(&self) -> usize {
        let entries = self.held.iter().flat_map(|Held { plan: Plan(entries), hash: _, told: _ }| entries);
        entries.filter(|entry| !self.is_told_by_its_target(entry)).count()
    }

    /// Whether the target of this entry of the held plan tells itself how the plan is approved: what is only reported does, also
    /// where a pause comes first.
    pub fn is_told_by_its_target(&self, entry: &PlanEntry) -> bool {
        let Some(held) = &self.held else { return false };
        let is_only_reported = |target: &TargetStatus| {
            (&target.account, target.scope) == (&entry.account, entry.scope)
                && target.reason != Some(Reason::Held)
                && target.blockers.contains(&Reason::Reported)
        };
        held.told.contains(entry) || self.targets.iter().any(is_only_reported)
    }

    /// The warnings that stand with what wants a human: the account is not in sync, and this may be why.
    pub fn alarming(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| self.is_alarming(warning) && !self.is_said(warning))
    }

    /// Whether the account that a warning is about is not in sync.
    pub fn is_alarming(&self, warning: &Warning) -> bool {
        self.hindered(warning).next().is_some()
    }

    /// The targets that a warning may hinder.
    pub fn hindered<'a>(&'a self, warning: &'a Warning) -> impl Iterator<Item = &'a TargetStatus> {
        let is_open = |target: &&TargetStatus| target.state != State::InSync && !target.is_elsewhere();
        self.of_its_account(warning).filter(is_open)
    }

    /// Whether a target of the account was denied for want of the right that the warning is about: both name the same remedy.
    fn is_said(&self, warning: &Warning) -> bool {
        let Some((_, remedy)) = warning.say.split_once(": ") else { return false };
        let remedy = remedy.split("; ").next().unwrap_or_default().trim_end_matches('.');
        self.of_its_account(warning).any(|target| {
            target.blockers.contains(&Reason::Denied)
                && target.say.as_ref().is_some_and(|say| say.contains(remedy))
        })
    }

    fn of_its_account<'a>(&'a self, warning: &'a Warning) -> impl Iterator<Item = &'a TargetStatus> {
        self.targets.iter().filter(|target| warning.account.as_ref() == Some(&target.account))
    }
}

/// The first of these that a target shows.
pub fn covering<'a>(wholes: &[(Whole<'a>, Wants)], target: &TargetStatus) -> Option<Whole<'a>> {
    wholes.iter().map(|(whole, _)| *whole).find(|whole| whole.covers(target))
}
