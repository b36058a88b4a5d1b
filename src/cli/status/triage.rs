//! Who has to act: the targets in four sections, and in each by what causes it.
//!
//! A cause is told once, however many targets share it.

use std::cmp::Reverse;

use super::sentence::Sentence;
use crate::cli::rows::{self, counted};
use crate::protocol::{Need, PlanEntry, Reason, State, Wants};
use crate::status::section::{Section, Whole, covering};
use crate::status::{Held, Paused, Status, TargetStatus, Warning};

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

/// The causes in the order in which they are shown, each with its targets in the order of the status.
pub(super) fn causes(status: &Status) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    let wholes: Vec<(Whole<'_>, Wants)> = status.wholes().collect();
    for target in &status.targets {
        let section = Section::of(target);
        let whole = covering(&wholes, target);
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
            say = Some(Sentence::of(&told(whole, status, say)));
        }
        causes.push(Cause { section, wants: target.wants, label, say, targets: vec![target], whole });
    }
    let shown: Vec<Whole<'_>> = causes.iter().filter_map(|cause| cause.whole).collect();
    causes.extend(wholes.into_iter().filter(|(whole, _)| !shown.contains(whole)).map(|(whole, wants)| {
        Cause {
            section: if wants == Wants::Human { Section::Human } else { Section::Passes },
            wants: Some(wants),
            label: Some(whole.reason().to_string()),
            say: Some(Sentence::of(&told(whole, status, None))),
            targets: Vec::new(),
            whole: Some(whole),
        }
    }));
    causes.extend(status.alarming().map(|warning| Cause {
        section: Section::Human,
        wants: Some(Wants::Human),
        label: Some(hindered(status, warning)),
        say: Some(Sentence::of(&warning.say)),
        targets: Vec::new(),
        whole: None,
    }));
    // What wants a human now comes first, a mode that is wrong before all, then what holds up the most; what somebody has stopped on
    // purpose, and what is not looked at yet, come last.
    causes.sort_by_key(|cause| {
        let reason = cause.targets.first().and_then(|target| target.reason);
        let of_one = (cause.whole.is_none(), cause.whole);
        // A row without a cause would seem to share the one above it.
        let is_below = cause.section == Section::InSync && cause.wants.is_some();
        let is_drifted = cause.section == Section::Human
            && cause.targets.iter().any(|target| target.state == State::Drifted);
        (
            cause.section,
            is_below,
            cause.need(),
            cause.section == Section::Passes && matches!(cause.whole, Some(Whole::Account(_))),
            !is_drifted,
            Reverse(cause.wants),
            of_one,
            reason.is_none(),
            reason,
        )
    });
    causes
}

impl Cause<'_> {
    /// What is asked of a human by it. A pause of everything is never passed over.
    pub(super) fn need(&self) -> Need {
        if self.section != Section::Human || self.whole == Some(Whole::Everything) {
            return Need::Now;
        }
        let mut needs = self.targets.iter().map(|target| target.need.unwrap_or(Need::Now));
        let is_of_an_account = matches!(self.whole, Some(Whole::Account(_)));
        let bare = if is_of_an_account { Need::StoppedOnPurpose } else { Need::Now };
        let first = needs.next().unwrap_or(bare);
        if needs.all(|need| need == first) { first } else { Need::Now }
    }
}

/// `desk-1 USDT-FUTURES, COIN-FUTURES, not in sync for 14m`, of what a warning may hinder.
fn hindered(status: &Status, warning: &Warning) -> String {
    let targets: Vec<&TargetStatus> = status.hindered(warning).collect();
    let since = targets.iter().filter_map(|target| target.out_of_sync_since).min();
    let age =
        since.map_or_else(String::new, |since| format!(", not in sync for {}", rows::age(since, status.now)));
    format!("{}{age}", named(&targets))
}

/// `desk-1 USDT-FUTURES, COIN-FUTURES, desk-2 account`.
pub(super) fn named(targets: &[&TargetStatus]) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut before = None;
    for target in targets {
        let again = before.replace(&target.account) == Some(&target.account);
        names.push(if again {
            target.scope.to_string()
        } else {
            format!("{} {}", target.account, target.scope)
        });
    }
    names.join(", ")
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
    let is_asked = |of: Reason| of.wants() == Wants::Human && Some(of.need()) == target.need;
    // The one that is shown may want nobody, or less.
    let heavier = |other: &&Reason| {
        (target.wants > Some(reason.wants()) && other.wants() > reason.wants())
            || (target.wants == Some(Wants::Human) && !is_asked(reason) && is_asked(**other))
    };
    let also: Vec<&str> = target.blockers.iter().filter(heavier).map(|other| other.as_str()).collect();
    Some(if also.is_empty() { reason.to_string() } else { format!("{reason} (also {})", also.join(", ")) })
}

/// `of_target` is what one of its targets says.
fn told(whole: Whole<'_>, status: &Status, of_target: Option<Sentence>) -> String {
    let Status { now, paused, paused_accounts, config, held, targets, .. } = status;
    let pause = |what: &str, paused: Option<&Paused>, resume: &str| {
        paused.map_or_else(String::new, |Paused { reason, who, since, until }| {
            let who = who.as_ref().map_or_else(String::new, |who| format!(" by {who}"));
            let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
            let age = rows::age(*since, *now);
            format!("{what} is PAUSED{who} since {since} ({age}), {until}until `{resume}`: {reason}")
        })
    };
    match whole {
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
                let same =
                    |target: &TargetStatus| (&target.account, target.scope) == (&entry.account, entry.scope);
                let is_told = status.is_told_by_its_target(entry);
                targets.iter().any(|target| same(target) && (whole.covers(target) || is_told))
            };
            match of_target.filter(|_| held.plan.0.iter().all(is_shown)) {
                Some(say) => {
                    let say = say.to_string();
                    let said = format!("`posmoded approve {}`.", held.hash);
                    let rest = say.split_once(&said).map_or(say.as_str(), |(_, rest)| rest).trim_start();
                    let waits = waits(held);
                    let entries = held.plan.0.iter();
                    let reported = match entries.filter(|entry| status.is_told_by_its_target(entry)).count() {
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

/// A held plan with all that an approval would let go.
pub(in crate::cli) fn render_held(held: &Held) -> String {
    let entries = held.plan.0.iter().map(|PlanEntry { account, scope, live, desired, cause }| {
        format!("\n  {account} {scope}: {live} -> {desired} ({cause})")
    });
    format!("{}:{}", waits(held), entries.collect::<String>())
}

fn waits(Held { hash, plan, told: _ }: &Held) -> String {
    let waits = counted(plan.0.len(), "change waits", "changes wait");
    format!("{waits} for `posmoded approve {hash}`")
}
