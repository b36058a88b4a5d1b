//! Who has to act: the targets in four sections, and in each by what causes it.
//!
//! A cause is told once, however many targets share it.

use std::cmp::Reverse;

use super::sentence::Sentence;
use crate::cli::rows::{self, counted};
use crate::position_mode::AccountName;
use crate::protocol::{PlanEntry, Reason, State, Wants};
use crate::status::{Config, Held, Paused, Status, TargetStatus, Warning};

/// In the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Human,
    Passes,
    InSync,
    Elsewhere,
}

/// Why targets stand where they do, with all that share it.
#[derive(Debug)]
pub(super) struct Cause<'a> {
    pub(super) section: Section,
    /// What ends it; `None` for what is in sync.
    pub(super) wants: Option<Wants>,
    /// The word to look up, and what else there is that weighs more.
    pub(super) label: Option<String>,
    /// What it means and what to do.
    pub(super) say: Option<Sentence>,
    pub(super) targets: Vec<&'a TargetStatus>,
    whole: Option<Whole<'a>>,
}

/// What holds up more than one target and is told by the status itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whole<'a> {
    File,
    Everything,
    Account(&'a AccountName),
    Held,
}

impl Section {
    pub(super) const ALL: [Section; 4] =
        [Section::Human, Section::Passes, Section::InSync, Section::Elsewhere];

    pub(super) fn of(target: &TargetStatus) -> Section {
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

/// The causes in the order in which they are shown, each with its targets in the order of the status.
pub(super) fn causes(status: &Status) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for target in &status.targets {
        let section = Section::of(target);
        let whole = wholes(status).map(|(whole, _)| whole).find(|whole| whole.covers(target));
        let label = label(target);
        let mut say = target.say.as_deref().map(Sentence::of);
        let same = causes.iter_mut().find_map(|cause| {
            let is_same = (cause.section, &cause.label, cause.whole) == (section, &label, whole);
            (is_same && (whole.is_some() || takes(&mut cause.say, say.as_ref()))).then_some(cause)
        });
        if let Some(cause) = same {
            cause.targets.push(target);
            continue;
        }
        if let Some(whole) = whole {
            say = Some(Sentence::of(&whole.say(status, say)));
        }
        causes.push(Cause { section, wants: target.wants, label, say, targets: vec![target], whole });
    }
    let told: Vec<Whole<'_>> = causes.iter().filter_map(|cause| cause.whole).collect();
    causes.extend(wholes(status).filter(|(whole, _)| !told.contains(whole)).map(|(whole, wants)| Cause {
        section: if wants == Wants::Human { Section::Human } else { Section::Passes },
        wants: Some(wants),
        label: Some(whole.reason().to_string()),
        say: Some(Sentence::of(&whole.say(status, None))),
        targets: Vec::new(),
        whole: Some(whole),
    }));
    let warned = status.warnings.iter().filter(|warning| wants_a_human(status, warning));
    causes.extend(warned.filter(|warning| !is_said(status, warning)).map(|warning| Cause {
        section: Section::Human,
        wants: Some(Wants::Human),
        label: warning.account.as_ref().map(ToString::to_string),
        say: Some(Sentence::of(&warning.say)),
        targets: Vec::new(),
        whole: None,
    }));
    // What holds up the most comes first; what somebody has stopped on purpose, and what is not looked at yet, come last.
    causes.sort_by_key(|cause| {
        let reason = cause.targets.first().and_then(|target| target.reason);
        let of_one = (cause.whole.is_none(), cause.whole);
        // A row without a cause would seem to share the one above it.
        let is_below = cause.section == Section::InSync && cause.wants.is_some();
        let is_meant = matches!(cause.whole, Some(Whole::Account(_))) || reason == Some(Reason::Suspended);
        (cause.section, is_below, is_meant, Reverse(cause.wants), of_one, reason.is_none(), reason)
    });
    causes
}

/// Whether what is to know of an account stands with what wants a human: it is not in sync, and this may be why.
pub(super) fn wants_a_human(status: &Status, warning: &Warning) -> bool {
    of_account(status, warning)
        .any(|target| target.state != State::InSync && Section::of(target) != Section::Elsewhere)
}

/// Whether a target of the account was denied for want of the right that the warning is about: both name the same remedy.
fn is_said(status: &Status, warning: &Warning) -> bool {
    let Some((_, remedy)) = warning.say.split_once(": ") else { return false };
    let remedy = remedy.trim_end_matches('.');
    of_account(status, warning).any(|target| {
        target.blockers.contains(&Reason::Denied)
            && target.say.as_ref().is_some_and(|say| say.contains(remedy))
    })
}

fn of_account<'a>(status: &'a Status, warning: &'a Warning) -> impl Iterator<Item = &'a TargetStatus> {
    status.targets.iter().filter(|target| warning.account.as_ref() == Some(&target.account))
}

/// The status with those targets alone that are not in sync.
pub(super) fn problems(mut status: Status) -> Status {
    status.targets.retain(|target| matches!(Section::of(target), Section::Human | Section::Passes));
    status
}

fn takes(ours: &mut Option<Sentence>, theirs: Option<&Sentence>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.takes(theirs),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// `unreachable (also paused)` where what weighs most is not what is shown.
fn label(target: &TargetStatus) -> Option<String> {
    let Some(reason) = target.reason else {
        return target.is_not_looked_at_yet().then(|| "not looked at yet".to_owned());
    };
    let heavier = |other: &&Reason| target.wants > Some(reason.wants()) && other.wants() > reason.wants();
    let also: Vec<&str> = target.blockers.iter().filter(heavier).map(|other| other.as_str()).collect();
    Some(if also.is_empty() { reason.to_string() } else { format!("{reason} (also {})", also.join(", ")) })
}

/// What the status tells that holds up more than one target, and what ends it.
fn wholes(status: &Status) -> impl Iterator<Item = (Whole<'_>, Wants)> {
    let Status { paused, paused_accounts, config: Config { problem, .. }, held, .. } = status;
    let ends = |paused: &Paused| if paused.until.is_some() { Wants::Time } else { Wants::Human };
    let file = problem.iter().map(|_| (Whole::File, Wants::Human));
    let everything = paused.iter().map(move |paused| (Whole::Everything, ends(paused)));
    let accounts = paused_accounts.iter().map(move |(name, paused)| (Whole::Account(name), ends(paused)));
    let says_more = |held: &&Held| !held.plan.0.iter().all(|entry| tells_it_itself(status, held, entry));
    let held = held.iter().filter(says_more).map(|_| (Whole::Held, Wants::Human));
    file.chain(everything).chain(accounts).chain(held)
}

/// Whether the target of this entry says in a sentence of its own how the plan is approved: what is only reported does.
fn tells_it_itself(status: &Status, held: &Held, entry: &PlanEntry) -> bool {
    let command = format!("`posmoded approve {}`", held.hash);
    let says = |target: &TargetStatus| {
        let is_its_own = (&target.account, target.scope) == (&entry.account, entry.scope);
        is_its_own
            && target.reason != Some(Reason::Held)
            && target.say.as_ref().is_some_and(|say| say.contains(&command))
    };
    status.targets.iter().any(says)
}

impl Whole<'_> {
    fn reason(self) -> Reason {
        match self {
            Whole::File => Reason::File,
            Whole::Everything | Whole::Account(_) => Reason::Paused,
            Whole::Held => Reason::Held,
        }
    }

    fn covers(self, target: &TargetStatus) -> bool {
        let all = match self {
            Whole::File | Whole::Everything | Whole::Held => true,
            Whole::Account(name) => *name == target.account,
        };
        all && target.reason == Some(self.reason())
    }

    /// `of_target` is what one of its targets says.
    fn say(self, status: &Status, of_target: Option<Sentence>) -> String {
        let Status { now, paused, paused_accounts, config, held, targets, .. } = status;
        let pause = |what: &str, paused: Option<&Paused>, resume: &str| {
            paused.map_or_else(String::new, |Paused { reason, who, since, until }| {
                let who = who.as_ref().map_or_else(String::new, |who| format!(" by {who}"));
                let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
                let age = rows::age(*since, *now);
                format!("{what} is PAUSED{who} since {since} ({age}), {until}until `{resume}`: {reason}")
            })
        };
        match self {
            Whole::File => format!(
                "The newest content of the file is REFUSED, and nothing is changed until that is mended: {}",
                config.problem.as_deref().unwrap_or_default()
            ),
            Whole::Everything => pause("Everything", paused.as_ref(), "posmoded resume"),
            Whole::Account(name) => {
                pause(name.as_str(), paused_accounts.get(name), &format!("posmoded resume {name}"))
            }
            Whole::Held => held.as_ref().map_or_else(String::new, |held| {
                let is_shown = |entry: &PlanEntry| {
                    let same = |target: &TargetStatus| {
                        (&target.account, target.scope) == (&entry.account, entry.scope)
                    };
                    targets.iter().any(|target| self.covers(target) && same(target))
                        || tells_it_itself(status, held, entry)
                };
                match of_target.filter(|_| held.plan.0.iter().all(is_shown)) {
                    Some(say) => {
                        let say = say.to_string();
                        let said = format!("`posmoded approve {}`.", held.hash);
                        let rest = say.split_once(&said).map_or(say.as_str(), |(_, rest)| rest).trim_start();
                        let waits = waits(held);
                        let entries = held.plan.0.iter();
                        let reported =
                            match entries.filter(|entry| tells_it_itself(status, held, entry)).count() {
                                0 => String::new(),
                                reported => format!(", {reported} of them only reported"),
                            };
                        format!("{waits}{reported}: `max_changes` lets no more go within the hour. {rest}")
                            .trim_end()
                            .to_owned()
                    }
                    None => render_held(held),
                }
            }),
        }
    }
}

/// A held plan with all that an approval would let go.
pub(in crate::cli) fn render_held(held: &Held) -> String {
    let entries = held.plan.0.iter().map(|PlanEntry { account, scope, live, desired, cause }| {
        format!("\n  {account} {scope}: {live} -> {desired} ({cause})")
    });
    format!("{}:{}", waits(held), entries.collect::<String>())
}

fn waits(Held { hash, plan }: &Held) -> String {
    let waits = counted(plan.0.len(), "change waits", "changes wait");
    format!("{waits} for `posmoded approve {hash}`")
}
