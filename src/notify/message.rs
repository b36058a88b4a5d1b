//! What a message says: plain sentences for people, and the same as values for programs.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::position_mode::{AccountName, PositionMode, Scope, Target};
use crate::protocol::{Reason, State, Wants};
use crate::status::{SCHEMA, Status, TargetStatus};

/// What a message is about; of each kind there is one at most in 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The daemon started.
    Started,
    /// The newest content of the file is refused, or good again.
    File,
    /// Targets begin or cease to want a human, for this reason.
    Human(Reason),
    /// Somebody else changed modes.
    Drift,
    /// Such modes were changed back.
    Corrected,
    /// Modes were changed as the file wants them.
    Changed,
    /// The daemon stops.
    Stopping,
}

/// What is posted, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    schema: u32,
    /// One to three sentences.
    pub text: String,
    host: String,
    version: String,
    at: Timestamp,
    event: &'static str,
    reason: Option<Reason>,
    /// Why the newest content of the file is not in force.
    problem: Option<String>,
    targets: Vec<Shown>,
    /// How many more targets there are.
    more: usize,
    /// What it is about.
    #[serde(skip)]
    pub cause: Cause,
}

/// A target as it stands now; all but its name is null once it has left the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Shown {
    account: AccountName,
    scope: Scope,
    desired: Option<PositionMode>,
    live: Option<PositionMode>,
    state: Option<State>,
    reason: Option<Reason>,
    wants: Option<Wants>,
    say: Option<String>,
    since: Option<Timestamp>,
}

/// The targets that a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Those that want a human and were not told of, or long ago.
    pub begun: BTreeSet<Target>,
    /// Whether all of them were told of before.
    pub again: bool,
    /// Those that do not want one any more.
    pub over: BTreeSet<Target>,
    /// Those to which something has happened.
    pub hit: BTreeSet<Target>,
}

impl Message {
    /// The message about `cause`, as of this status of this host.
    pub fn new(cause: Cause, news: &News, status: &Status, host: &str) -> Message {
        let News { begun, again, over, hit } = news;
        let all: Vec<&Target> = begun.iter().chain(over).chain(hit).collect();
        let refused = status.config.problem.as_deref();
        let told = |targets| Named::of(targets, status);
        let (event, text) = match cause {
            Cause::Started => ("started", format!("posmoded {} started on {host}.", status.version)),
            Cause::Stopping => (
                "stopping",
                format!("posmoded on {host} is stopping: until it is started again no mode is kept there."),
            ),
            Cause::File => match refused {
                Some(problem) => (
                    "file_refused",
                    format!(
                        "{host}: the newest desired-state.yaml is {}refused, so nothing is changed. {}",
                        if *again { "still " } else { "" },
                        sentences(problem, 2)
                    ),
                ),
                None => (
                    "file_good",
                    format!(
                        "{host}: desired-state.yaml is good again; revision {} is in force.",
                        status.config.generation.0
                    ),
                ),
            },
            Cause::Human(reason) => ("human", say_human(reason, &told(begun), *again, &told(over), host)),
            Cause::Drift => {
                let Named { names, one, say, .. } = told(hit);
                let modes = if one { "the mode" } else { "the modes" };
                ("drift", format!("{host}: somebody else changed {modes} of {names}.{say}"))
            }
            Cause::Corrected => ("corrected", format!("{host}: changed back: {}.", with_modes(hit, status))),
            Cause::Changed => {
                ("changed", format!("{host}: changed as the file wants it: {}.", with_modes(hit, status)))
            }
        };
        let reason = if let Cause::Human(reason) = cause { Some(reason) } else { None };
        Message {
            schema: SCHEMA,
            text: text.trim_end().to_owned(),
            host: host.to_owned(),
            version: status.version.clone(),
            at: status.now,
            event,
            reason,
            problem: refused.filter(|_| cause == Cause::File).map(str::to_owned),
            targets: all.iter().take(MOST_TARGETS).map(|target| Shown::of(target, status)).collect(),
            more: all.len().saturating_sub(MOST_TARGETS),
            cause,
        }
    }
}

fn say_human(reason: Reason, begun: &Named, again: bool, over: &Named, host: &str) -> String {
    let mut told = Vec::new();
    if begun.count > 0 {
        let still = if again { "still " } else { "" };
        let want = if begun.one { "wants" } else { "want" };
        told.push(format!("{} {still}{want} a human ({reason}).{}", begun.names, begun.say));
    }
    if over.count > 0 {
        let want = if over.one { "does" } else { "do" };
        told.push(format!("{} {want} not want a human any more (it was {reason}).", over.names));
    }
    format!("{host}: {}", told.join(" "))
}

/// Targets as a sentence names them, and what the first of them says.
struct Named {
    count: usize,
    one: bool,
    names: String,
    say: String,
}

impl Named {
    fn of(targets: &BTreeSet<Target>, status: &Status) -> Named {
        let (count, one) = (targets.len(), targets.len() == 1);
        let names = names(targets, |Target { account, scope }| format!("{account} {scope}"));
        let say = targets.first().and_then(|target| find(target, status)?.say.as_deref());
        // With what follows that would be more than three.
        let say = say.map_or_else(String::new, |say| {
            let whose = if one { "" } else { " The first says:" };
            format!("{whose} {}", sentences(say, 1))
        });
        Named { count, one, names, say }
    }
}

/// The targets with the mode that each of them has now.
fn with_modes(targets: &BTreeSet<Target>, status: &Status) -> String {
    names(targets, |target| {
        let Target { account, scope } = target;
        let live = find(target, status).and_then(|now| Some(now.live.as_ref()?.mode));
        live.map_or_else(|| format!("{account} {scope}"), |mode| format!("{account} {scope} ({mode})"))
    })
}

fn names(targets: &BTreeSet<Target>, name: impl Fn(&Target) -> String) -> String {
    let first = targets.iter().take(MOST_NAMES).map(name).collect::<Vec<_>>().join(", ");
    match targets.len().checked_sub(MOST_NAMES) {
        Some(more @ 1..) => format!("{} targets ({first} and {more} more)", targets.len()),
        Some(0) | None => first,
    }
}

impl Shown {
    fn of(target: &Target, status: &Status) -> Shown {
        let now = find(target, status);
        Shown {
            account: target.account.clone(),
            scope: target.scope,
            desired: now.and_then(|now| now.desired),
            live: now.and_then(|now| Some(now.live.as_ref()?.mode)),
            state: now.map(|now| now.state),
            reason: now.and_then(|now| now.reason),
            wants: now.and_then(|now| now.wants),
            say: now.and_then(|now| now.say.clone()),
            since: now.map(|now| now.since),
        }
    }
}

fn find<'s>(target: &Target, status: &'s Status) -> Option<&'s TargetStatus> {
    status.targets.iter().find(|now| now.account == target.account && now.scope == target.scope)
}

/// So many sentences of a text, in one line.
fn sentences(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ends = line.match_indices(". ").map(|(at, _)| at + 1);
    // A sentence begins with a capital or with what is to be typed: what follows "e.g." does not.
    let begins = |c: char| c.is_uppercase() || c == '`';
    let mut ends = ends.filter(|at| line[*at..].trim_start().starts_with(begins));
    let line = match ends.nth(most.saturating_sub(1)) {
        Some(end) => line[..end].to_owned(),
        None => line,
    };
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

/// How many targets a sentence names; the values have more.
const MOST_NAMES: usize = 5;
/// How many targets a message holds: a receiver takes a few kilobytes, and `posmoded status` has all.
const MOST_TARGETS: usize = 20;
/// The most characters of what somebody else said: a receiver cuts what is too long for it, Telegram at 4,096.
const LONGEST: usize = 500;
