//! `posmoded resume`: ends a pause of everything, or of some accounts, and the fights over their modes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use crate::cli::flags::Printed;
use crate::cli::status::{self, Question};
use crate::cli::{Common, Exit, accounts, asking};
use crate::ledger::{Event, EventKind, HistoryFilter, LedgerError, PauseRow, Visitor};
use crate::position_mode::{AccountName, Scope};
use crate::protocol::{Reason, State};
use crate::status::{Status, TargetStatus};

/// What `resume` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything, with every pause there is]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it, or there was nothing to end; 1 when it is written but not acknowledged, or could not
/// be written.
pub async fn resume(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    const NOT_RESUMED: &str = "Nothing was resumed.";
    let Args { accounts, printed } = args;
    let (visitor, clock) = asking::ledger(common).context(NOT_RESUMED)?;
    let pauses = visitor.directives().context(NOT_RESUMED)?.pauses;
    let mut known = asking::known(&visitor)?;
    known.extend(pauses.iter().filter_map(|pause| pause.account.clone()));
    accounts::only_known(accounts, &known, "in the file or the ledger")?;
    // What a pause of everything says to single accounts, the ledger says.
    let is_all_paused = pauses.iter().any(|row| row.account.is_none());
    let question = Question { accounts: Vec::new(), listen: None };
    let before = status::look(&question, common).await.ok().map(|(status, _)| status);
    let decided = if is_all_paused || (accounts.is_empty() && !pauses.is_empty()) {
        None
    } else {
        // Without the daemon's word nobody knows what else there is to end.
        match &before {
            Some(status) => {
                let lasts = |row: &&PauseRow| row.pause.until.is_none_or(|until| until.0 > clock.wall());
                let of_ledger = pauses.iter().filter(lasts).filter_map(|row| row.account.clone());
                let own = of_ledger.chain(status.paused_accounts.keys().cloned()).collect();
                Some(decide(accounts, &own, &other_ends(&visitor, status)?))
            }
            None => None,
        }
    };
    let Decided { of, say } = match decided {
        Some(decided) if decided.of.is_empty() => {
            asking::nothing_to_do(&decided.say, printed.output)?;
            return Ok(Exit::DONE);
        }
        Some(decided) => decided,
        None => {
            let still = pauses.iter().find(|row| row.account.is_none() && !accounts.is_empty());
            let still = still.map_or_else(String::new, |PauseRow { pause, .. }| {
                format!(
                    " But everything is paused still ({}): `posmoded resume` without a name ends that.",
                    pause.reason
                )
            });
            Decided { of: accounts.clone(), say: format!("{} is resumed.{still}", asking::whom(accounts)) }
        }
    };
    let is_still_paused = is_all_paused && !accounts.is_empty();
    let follows = before.filter(|_| !is_still_paused).and_then(|status| what_follows(&status, &of));
    let say = follows.map_or_else(|| say.clone(), |follows| format!("{say} {follows}"));
    let request = visitor.resume(&of).context(NOT_RESUMED)?;
    asking::conclude((&visitor, &clock), &request, NOT_RESUMED, &say, printed.output).await
}

/// Which changes only the pause held up: they may be made now, once nothing else stands in the way. None named: all accounts.
fn what_follows(before: &Status, of: &[AccountName]) -> Option<String> {
    let is_of_it = |target: &&TargetStatus| of.is_empty() || of.contains(&target.account);
    let change = |target: &TargetStatus| {
        let (from, to) = (target.live.as_ref()?.mode, target.desired?);
        let waits = target.blockers.contains(&Reason::Paused) && target.state != State::InSync;
        waits.then(|| format!("{} {} from {from} to {to}", target.account, target.scope))
    };
    let all: Vec<String> = before.targets.iter().filter(is_of_it).filter_map(change).collect();
    let (shown, more) = all.split_at(all.len().min(FOLLOWING_SHOWN));
    let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
    (!shown.is_empty())
        .then(|| format!("What may follow, once nothing else stands in the way: {}{more}.", shown.join(", ")))
}

/// What is to be resumed, and what to say once it is.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    of: Vec<AccountName>,
    say: String,
}

/// What a resume ends beside a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    /// Somebody kept changing a mode back, so that it was left alone.
    Fight,
    /// Sets had no clear answer and no effect, so that the next one waits.
    Wait,
}

/// With no account named, those that have something to end. `paused` are those with a pause of their own.
fn decide(
    named: &[AccountName],
    paused: &BTreeSet<AccountName>,
    others: &BTreeMap<AccountName, BTreeSet<Other>>,
) -> Decided {
    let all: Vec<AccountName> =
        if named.is_empty() { others.keys().cloned().collect() } else { named.to_vec() };
    let (mut resumed, mut left, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for account in &all {
        let others: Vec<&str> = others.get(account).into_iter().flatten().map(|other| other.say()).collect();
        match (paused.contains(account), others.is_empty()) {
            (true, true) => resumed.push(account.clone()),
            (false, true) => left.push(account.clone()),
            (is_paused, false) => {
                let before = if is_paused { "is resumed" } else { "was not paused" };
                let say = format!("{account} {before}. That ends {}.", others.join(", and "));
                ended.push((account.clone(), say));
            }
        }
    }
    let mut say = Vec::new();
    if !resumed.is_empty() {
        say.push(format!("{} {} resumed.", asking::whom(&resumed), is_or_are(resumed.len())));
    }
    say.extend(ended.iter().map(|(_, say)| say.clone()));
    if !left.is_empty() {
        let were = if left.len() == 1 { "was" } else { "were" };
        let whom = asking::whom(&left);
        say.push(format!("{whom} {were} not paused, and there is nothing else that a resume ends."));
    }
    if all.is_empty() {
        say.push("Nothing was paused, and there is nothing else that a resume ends.".to_owned());
    }
    let of = resumed.into_iter().chain(ended.into_iter().map(|(account, _)| account)).collect();
    Decided { of, say: say.join(" ") }
}

impl Other {
    fn say(self) -> &'static str {
        match self {
            Other::Fight => "the fight over its mode, which is corrected again",
            Other::Wait => "its wait after sets without a clear answer, so that the next one may leave",
        }
    }
}

/// So many changes are named.
const FOLLOWING_SHOWN: usize = 3;

fn is_or_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// What else a resume ends of each account, as the daemon shows it and the history has it.
fn other_ends(
    visitor: &Visitor,
    status: &Status,
) -> Result<BTreeMap<AccountName, BTreeSet<Other>>, LedgerError> {
    let mut all: BTreeMap<AccountName, BTreeSet<Other>> = BTreeMap::new();
    for target in status.targets.iter().filter(|target| target.state != State::InSync) {
        let has = |reason| target.blockers.contains(&reason);
        let mut add = |other| all.entry(target.account.clone()).or_default().insert(other);
        if has(Reason::Fighting) {
            add(Other::Fight);
        }
        if has(Reason::Unexpected) || has(Reason::Unreachable) {
            let of_it = HistoryFilter {
                accounts: vec![target.account.clone()],
                limit: RECENT,
                ..HistoryFilter::default()
            };
            if waits_after_sets(&visitor.history(&of_it)?, target.scope) {
                add(Other::Wait);
            }
        }
    }
    Ok(all)
}

/// Whether the newest that came of a set of this scope is that it had no effect, without a clear answer.
fn waits_after_sets(events: &[Event], scope: Scope) -> bool {
    let ends = [
        EventKind::NoEffect,
        EventKind::Refused,
        EventKind::Confirmed,
        EventKind::TookEffect,
        EventKind::Late,
        EventKind::Adopted,
        EventKind::External,
    ];
    let of_it = |event: &&Event| {
        (event.scope == Some(scope) && ends.contains(&event.kind)) || event.kind == EventKind::Resumed
    };
    events.iter().rev().find(of_it).is_some_and(|event| event.kind == EventKind::NoEffect)
}

/// As many events of an account reach back to its last set.
const RECENT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::fixture::{target, view};

    fn told(named: &[&str], paused: &[&str], others: &[(&str, Other)]) -> (String, String) {
        let accounts =
            |all: &[&str]| all.iter().map(|name| name.parse().unwrap()).collect::<Vec<AccountName>>();
        let mut of: BTreeMap<AccountName, BTreeSet<Other>> = BTreeMap::new();
        for (name, other) in others {
            of.entry(name.parse().unwrap()).or_default().insert(*other);
        }
        let Decided { of, say } = decide(&accounts(named), &accounts(paused).into_iter().collect(), &of);
        (of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), say)
    }

    #[test]
    fn only_what_was_paused_is_resumed_and_what_else_ends_is_named() {
        let check = |named: &[&str], paused: &[&str], others: &[(&str, Other)], of: &str, say: &str| {
            assert_eq!(told(named, paused, others), (of.to_owned(), say.to_owned()));
        };
        check(&["a"], &["a"], &[], "a", "a is resumed.");
        check(&["a"], &[], &[], "", "a was not paused, and there is nothing else that a resume ends.");
        check(
            &["a", "b", "c"],
            &["a", "b"],
            &[],
            "a b",
            "a and b are resumed. c was not paused, and there is nothing else that a resume ends.",
        );
        check(
            &["a"],
            &[],
            &[("a", Other::Fight)],
            "a",
            "a was not paused. That ends the fight over its mode, which is corrected again.",
        );
        check(
            &["a", "b"],
            &["a", "b"],
            &[("b", Other::Wait), ("b", Other::Fight), ("c", Other::Fight)],
            "a b",
            "a is resumed. b is resumed. That ends the fight over its mode, which is corrected again, and its wait after sets without a clear answer, so that the next one may leave.",
        );
        check(&[], &[], &[], "", "Nothing was paused, and there is nothing else that a resume ends.");
        check(
            &[],
            &[],
            &[("c", Other::Fight)],
            "c",
            "c was not paused. That ends the fight over its mode, which is corrected again.",
        );
    }

    #[test]
    fn what_only_the_pause_held_up_may_follow_and_is_named() {
        let (view, _) = view();
        let all = |targets: &[TargetStatus]| Status { targets: targets.to_vec(), ..view.status() };
        let paused = |name: &str| target(name, Some(Reason::Paused));
        let in_sync = TargetStatus { blockers: vec![Reason::Paused], ..target("e", None) };
        let waiting = target("d", Some(Reason::NotFlat));
        assert_eq!(what_follows(&all(&[in_sync.clone(), waiting.clone()]), &[]), None);
        let some = all(&[paused("a"), paused("b"), in_sync, waiting]);
        let what = "What may follow, once nothing else stands in the way: ";
        let b = "b USDT-FUTURES from one_way_mode to hedge_mode";
        assert_eq!(what_follows(&some, &["b".parse().unwrap()]), Some(format!("{what}{b}.")));
        let many = all(&["a", "b", "c", "d", "e"].map(paused));
        let say = what_follows(&many, &[]).unwrap();
        assert!(
            say.contains(b) && say.ends_with("c USDT-FUTURES from one_way_mode to hedge_mode, and 2 more."),
            "{say}"
        );
    }

    #[test]
    fn a_wait_after_sets_lasts_until_something_came_of_one_or_a_resume() {
        let scope: Scope = "USDT-FUTURES".parse().unwrap();
        let event = |kind| Event { scope: Some(scope), ..Event::new(kind, "") };
        let waits = |kinds: &[EventKind]| {
            waits_after_sets(&kinds.iter().map(|kind| event(*kind)).collect::<Vec<_>>(), scope)
        };
        assert!(waits(&[EventKind::Confirmed, EventKind::NoEffect, EventKind::Drift]));
        assert!(!waits(&[EventKind::NoEffect, EventKind::Resumed]));
        assert!(!waits(&[EventKind::NoEffect, EventKind::Refused]));
        assert!(!waits(&[]));
        let elsewhere = Event { scope: "COIN-FUTURES".parse().ok(), ..event(EventKind::NoEffect) };
        assert!(!waits_after_sets(&[elsewhere], scope));
    }
}
