//! `posmoded refresh`: has the daemon look at accounts before their time.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::FalseyValueParser;
use jiff::Timestamp;

use crate::cli::flags::Printed;
use crate::cli::status::{self, Question};
use crate::cli::{Common, Exit, accounts, asking, print};
use crate::clock::Clock;
use crate::constants::ACKNOWLEDGED_WITHIN;
use crate::ledger::{CommandAnswer, RefreshRequest};
use crate::moment::Moment;
use crate::position_mode::AccountName;
use crate::protocol::Reason;
use crate::status::{Status, TargetStatus, seconds};

/// What `refresh` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Return once they were looked at [default: once the daemon has taken note]
    // `apply --wait` takes a time: a variable that is there for both would mean two things.
    #[arg(long, env = "POSMODED_REFRESH_WAIT", value_parser = FalseyValueParser::new())]
    pub wait: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it (and looked, with `--wait`), 1 when it is written but not acknowledged, or could not be
/// written, or when with `--wait` an account that was named could not be read.
pub async fn refresh(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    const NOT_ASKED: &str = "Nothing was asked to be looked at.";
    const NOT_LOOKED: &str = "Not looked at.";
    let Args { accounts, wait, printed } = args;
    let (visitor, clock) = asking::ledger(common).context(NOT_ASKED)?;
    accounts::only_known(accounts, &asking::known(&visitor)?, "in the file or the ledger")?;
    if *wait {
        // A status has whole seconds: a look after this one's beginning is told from one before.
        let passed = u64::try_from(clock.wall().rem_euclid(1000)).unwrap_or_default();
        clock.sleep_until(clock.now() + Duration::from_millis(1001 - passed)).await;
    }
    let question = Question { accounts: accounts.clone(), listen: None };
    let tries = *wait && !accounts.is_empty() && tries_again(status::look(&question, common).await.ok());
    let asked = seconds(clock.timestamp(clock.now()));
    let RefreshRequest { taken, looked } = visitor.refresh(accounts).context(NOT_ASKED)?;
    let whom = asking::whom(accounts);
    let done = match (*wait, accounts.len() > 1) {
        (true, false) => format!("{whom} was looked at."),
        (true, true) => format!("{whom} were looked at."),
        (false, false) => format!("{whom} is looked at now."),
        (false, true) => format!("{whom} are looked at now."),
    };
    let taken = asking::answer(&visitor, &clock, &taken, ACKNOWLEDGED_WITHIN).await;
    if !*wait || !matches!(taken, Ok(Some(CommandAnswer::Acknowledged))) {
        return asking::end(&visitor, taken, NOT_ASKED, &done, printed.output);
    }
    let mut gone_since = None;
    loop {
        let looked = asking::answer(&visitor, &clock, &looked, SLICE).await;
        if matches!(looked, Ok(Some(CommandAnswer::Acknowledged))) {
            let end = clock.now() + if tries { TRIED_WITHIN } else { Duration::ZERO };
            let found = match after(&question, common, &clock, end).await {
                Ok(status) => found(&status, accounts, asked),
                Err(error) => {
                    print::note(&format!("Which of the looks failed is not known here: {error}"));
                    Found::AllRead
                }
            };
            let (say, exit) = match found {
                Found::AllRead => (done, Exit::DONE),
                Found::NotInSync { say } => (format!("{}:\n  {say}", done.trim_end_matches('.')), Exit::DONE),
                Found::Unread { say } if accounts.is_empty() => (say, Exit::DONE),
                Found::Unread { say } => (say, Exit::FAILED),
            };
            return asking::end(&visitor, looked, NOT_LOOKED, &say, printed.output).map(|_| exit);
        }
        if !matches!(looked, Ok(None)) {
            return asking::end(&visitor, looked, NOT_LOOKED, &done, printed.output);
        }
        // The next daemon takes the request over.
        if !visitor.instances()?.is_empty() {
            gone_since = None;
        } else if clock.now() >= *gone_since.get_or_insert(clock.now()) + COMES_BACK {
            bail!(anyhow::anyhow!("The daemon has ended, and none has started since.").context(NOT_LOOKED));
        } else {
            clock.sleep_until(clock.now() + AGAIN).await;
        }
    }
}

/// Whether something waits that a look ends the wait of.
fn tries_again(before: Option<(Status, Option<String>)>) -> bool {
    let waits = |target: &TargetStatus| target.blockers.iter().any(|reason| reason.ends_with_a_refresh());
    before.is_some_and(|(status, _)| status.targets.iter().any(waits))
}

/// The status once nothing is under way any more, or at the `end`.
async fn after(question: &Question, common: &Common, clock: &Clock, end: Moment) -> anyhow::Result<Status> {
    let is_under_way = |target: &TargetStatus| target.reason.is_some_and(Reason::is_progress);
    loop {
        let (status, _) = status::look(question, common).await?;
        if clock.now() >= end || !status.targets.iter().any(is_under_way) {
            return Ok(status);
        }
        clock.sleep_until(clock.now() + AGAIN).await;
    }
}

/// What came of the looks.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Every account was read.
    AllRead,
    /// Every account was read, and some that were named are not in sync, with what is to say of each.
    NotInSync { say: String },
    /// Some could not be read, with what is to say of it.
    Unread { say: String },
}

/// Compares the status after the looks with when they were `asked` for. Of all accounts those of other hosts are none of this one.
fn found(status: &Status, named: &[AccountName], asked: Timestamp) -> Found {
    let ours = |target: &&TargetStatus| !named.is_empty() || !target.is_elsewhere();
    let unread: Vec<TargetStatus> =
        status.targets.iter().filter(ours).filter(|target| is_unread(target, asked)).cloned().collect();
    let stands =
        |target: &&TargetStatus| !named.is_empty() && target.reason.is_some() && !unread.contains(target);
    let standing: Vec<String> = status.targets.iter().filter(stands).map(how).collect();
    if unread.is_empty() {
        let say = standing.join("\n  ");
        return if standing.is_empty() { Found::AllRead } else { Found::NotInSync { say } };
    }
    let all: BTreeSet<&AccountName> =
        status.targets.iter().filter(ours).map(|target| &target.account).collect();
    let of_unread: BTreeSet<&AccountName> = unread.iter().map(|target| &target.account).collect();
    let read = all.len() - of_unread.len();
    let counted = format!("Looked at {read} of {}. Not readable:", all.len());
    let lines: Vec<String> = std::iter::once(counted).chain(status::sentences(&unread)).collect();
    let rest: Vec<String> = std::iter::once("\nLooked at:".to_owned()).chain(standing).collect();
    let rest = if rest.len() > 1 { rest.join("\n  ") } else { String::new() };
    Found::Unread { say: lines.join("\n  ") + &rest }
}

/// How a target stands that was looked at: `desk-1 USDT-FUTURES: denied: The key lacks a right.`
fn how(target: &TargetStatus) -> String {
    let TargetStatus { account, scope, reason, say, .. } = target;
    let reason = reason.map_or(target.state.as_str(), Reason::as_str);
    let say = say.as_deref().map_or(String::new(), |say| format!(": {say}"));
    format!("{account} {scope}: {reason}{say}")
}

/// Whether its look gave no mode: what is known is older than the look, and the reason is one of the look.
fn is_unread(target: &TargetStatus, asked: Timestamp) -> bool {
    let is_new = target.live.as_ref().is_some_and(|live| live.at >= asked);
    !is_new && target.blockers.iter().any(|reason| is_of_a_look(*reason))
}

fn is_of_a_look(reason: Reason) -> bool {
    match reason {
        Reason::Crashed
        | Reason::Unexpected
        | Reason::Elsewhere
        | Reason::WrongAccount
        | Reason::KeyTaken
        | Reason::Credential
        | Reason::Denied
        | Reason::Refused
        | Reason::KindUnknown
        | Reason::Converting
        | Reason::Unreachable
        | Reason::Clock
        | Reason::RateLimited => true,
        Reason::Unsatisfiable
        | Reason::Ledger
        | Reason::OutcomeUnknown
        | Reason::Verifying
        | Reason::Suspended
        | Reason::Paused
        | Reason::File
        | Reason::Held
        | Reason::Fighting
        | Reason::Reported
        | Reason::Window
        | Reason::Requirement
        | Reason::NotFlat
        | Reason::RefusedThoughFlat
        | Reason::Settling
        | Reason::Acting => false,
    }
}

/// How long one wait for the answer lasts before it is seen whether a daemon still runs.
const SLICE: Duration = Duration::from_secs(5);
/// A restart takes less.
const COMES_BACK: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(500);
/// How long a try that follows a look is waited for: one that has to be settled first is not.
const TRIED_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::State;
    use crate::serve::fixture::{at, target, view};

    fn after(all: &[(&str, Option<Reason>, i64)]) -> Status {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async { view().0.status() });
        let targets = all.iter().map(|(name, reason, seen)| {
            let mut target = target(name, *reason);
            if let Some(live) = &mut target.live {
                live.at = at(*seen);
            }
            TargetStatus { live: target.live.take().filter(|_| *seen != 0), ..target }
        });
        Status { targets: targets.collect(), ..status }
    }

    #[test]
    fn a_look_that_failed_is_no_look_and_says_why() {
        let told = |all: &[(&str, Option<Reason>, i64)], named: &[&str]| {
            let named: Vec<AccountName> = named.iter().map(|name| name.parse().unwrap()).collect();
            match found(&after(all), &named, at(-10)) {
                Found::AllRead => "all read".to_owned(),
                Found::NotInSync { say } | Found::Unread { say } => say,
            }
        };
        let ok = ("desk-1", None, -10);
        assert_eq!(told(&[ok, ("desk-2", Some(Reason::NotFlat), -11)], &[]), "all read");
        assert_eq!(told(&[ok, ("desk-2", Some(Reason::Denied), -9)], &[]), "all read", "the set was denied");
        assert_eq!(
            told(
                &[ok, ("desk-2", Some(Reason::Unreachable), -11), ("desk-9", Some(Reason::Credential), 0)],
                &[]
            ),
            "Looked at 1 of 3. Not readable:\n  desk-2 USDT-FUTURES: It says unreachable.\n  desk-9 USDT-FUTURES: It says credential."
        );
        assert_eq!(
            told(&[ok, ("desk-2", Some(Reason::Denied), -9)], &["desk-1", "desk-2"]),
            "desk-2 USDT-FUTURES: denied: It says denied."
        );
        assert_eq!(
            told(
                &[("desk-2", Some(Reason::Denied), -9), ("desk-9", Some(Reason::Credential), 0)],
                &["desk-2", "desk-9"]
            ),
            "Looked at 1 of 2. Not readable:\n  desk-9 USDT-FUTURES: It says credential.\nLooked at:\n  desk-2 USDT-FUTURES: denied: It says denied."
        );
        let other = ("desk-8", Some(Reason::Elsewhere), 0);
        assert_eq!(told(&[ok, other], &[]), "all read", "it is none of this host's");
        assert_eq!(
            told(&[other], &["desk-8"]),
            "Looked at 0 of 1. Not readable:\n  desk-8 USDT-FUTURES: It says elsewhere."
        );
    }

    #[test]
    fn what_is_in_sync_as_of_an_older_look_was_not_read_either() {
        let mut status = after(&[("desk-1", Some(Reason::Unreachable), -60)]);
        status.targets[0].state = State::InSync;
        assert!(matches!(found(&status, &[], at(-10)), Found::Unread { .. }));
    }
}
