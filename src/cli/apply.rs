//! `posmoded apply`: what the daemon would do, until every target is in sync or waits for something that may take long.
//!
//! Runs the daemon's fleet and keepers on the same ledger, under the same lock. Only when to end is decided here.

mod ask;
mod progress;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use clap::builder::FalseyValueParser;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::flags::Printed;
use crate::cli::looking::Looking;
use crate::cli::signals::stop_on_signals;
use crate::cli::{Common, Exit, accounts, plan, print, terminal};
use crate::clock::Clock;
use crate::constants::QUIET;
use crate::daemon::{Core, NotStarted, Options, note_event};
use crate::desired::Desired;
use crate::fleet::{Ended, Kicks, Whom};
use crate::ledger::{EventKind, Ledger};
use crate::moment::{Moment, span, spell};
use crate::position_mode::AccountName;
use crate::status::Board;
use ask::{Answer, ask};
use progress::{End, Progress};

/// What `apply` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts; nothing of the others is asked for, changed or released [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Stay until all are in sync, for so long at most, such as 30m [default: until each is, or waits]
    #[arg(long, env = "POSMODED_WAIT", hide_env = true, value_name = "TIME", value_parser = span)]
    pub wait: Option<Duration>,
    /// Do not ask; where no terminal is, nothing is asked anyway
    #[arg(long, env = "POSMODED_YES", hide_env = true, value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// On a terminal it shows the plan and asks first. 0 when all are in sync, 2 when some wait or nothing is to be changed, 1 when
/// it could not be done or was interrupted, 75 when another instance holds the state.
pub async fn apply(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, wait, yes, printed } = args;
    let desired = plan::declared(common)?;
    let known: BTreeSet<AccountName> = desired.accounts.keys().cloned().collect();
    accounts::only_known(accounts, &known, "in the file")?;
    let named = if accounts.is_empty() { known } else { accounts.iter().cloned().collect() };
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let whom = if accounts.is_empty() { Whom::Everybody } else { Whom::Only(named.clone()) };
    let (options, beforehand) = (common.options_to_ask()?, beforehand(&desired, &named, *wait));
    let asked = if *yes || !terminal::can_be_asked() {
        Answer::Yes { shown: Vec::new() }
    } else {
        ask(&desired, accounts, (common, &options), &beforehand, &stop).await?
    };
    let shown = match asked {
        Answer::Yes { shown } => shown,
        Answer::No => {
            print::note("Nothing was changed.");
            return Ok(Exit::NOT_IN_SYNC);
        }
        Answer::Interrupted => {
            print::note("Interrupted: nothing was changed.");
            return Ok(Exit::FAILED);
        }
    };
    let work = match Work::start(options, whom, stop.clone()).await {
        Ok(work) => work,
        Err(NotStarted::Held(say)) => {
            print::note(&format!(
                "{say} A daemon that holds it does what `apply` would do: see `posmoded status`. Nothing was changed by \
                 this command."
            ));
            return Ok(Exit::HELD);
        }
        Err(NotStarted::Stopped) => {
            print::note("Interrupted: nothing was changed.");
            return Ok(Exit::FAILED);
        }
        Err(error @ NotStarted::Unusable(_)) => bail!(anyhow::anyhow!(error).context("Nothing was changed.")),
    };
    if shown.is_empty() {
        print::note(&beforehand);
    }
    let mut progress = Progress::new(named, printed.output, &shown);
    let end = work.until_done(&mut progress, *wait, &stop).await?;
    stop.cancel();
    let last = work.end().await;
    progress.conclude(&last, end)
}

/// The started core, with the fleet in a task of its own and no listener.
struct Work {
    clock: Clock,
    board: Board,
    ledger: Ledger,
    fleet: JoinHandle<Ended>,
    _kicks: watch::Sender<Kicks>,
}

impl Work {
    async fn start(options: Options, whom: Whom, stop: CancellationToken) -> Result<Work, NotStarted> {
        let text = match &whom {
            Whom::Everybody => concat!("posmoded ", env!("CARGO_PKG_VERSION"), " apply started").to_owned(),
            Whom::Only(these) => {
                let these: Vec<&str> = these.iter().map(AccountName::as_str).collect();
                format!("posmoded {} apply started for {}", env!("CARGO_PKG_VERSION"), these.join(", "))
            }
        };
        let Core { fleet, ledger, board, clock, kicks, .. } = Core::start(options, whom, stop).await?;
        note_event(&ledger, EventKind::Started, &text).await;
        Ok(Work { clock, board, ledger, fleet: tokio::spawn(fleet.run()), _kicks: kicks })
    }

    async fn until_done(
        &self,
        progress: &mut Progress,
        wait: Option<Duration>,
        stop: &CancellationToken,
    ) -> anyhow::Result<End> {
        let deadline = wait.map(|wait| self.clock.now() + wait);
        let mut resting_since: Option<Moment> = None;
        let mut looking = Looking::new(&self.clock, progress.accounts());
        loop {
            let now = self.clock.now();
            let at = self.clock.timestamp(now);
            let (accounts, held) = (self.board.accounts(), self.board.status(at).held);
            looking.clear();
            progress.tell(&accounts, at)?;
            if let Some((done, next)) = progress.is_looking_at(&accounts) {
                looking.draw(done, next);
            }
            let stand = progress.stand(&accounts, held.as_ref(), at);
            let since = *resting_since.get_or_insert(now);
            match stand {
                progress::Stand::InSync => return Ok(End::Reached),
                progress::Stand::Resting if deadline.is_none() => return Ok(End::Reached),
                progress::Stand::RestingUnrecorded
                    if deadline.is_none() && now.since(since) > RECORDED_WITHIN =>
                {
                    return Ok(End::Reached);
                }
                progress::Stand::RestingUnrecorded | progress::Stand::Resting => {}
                progress::Stand::UnderWay => resting_since = None,
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(End::TimeIsUp);
            }
            if stop.is_cancelled() || self.fleet.is_finished() {
                return Ok(End::Interrupted);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep_until(now + ASK_EVERY) => {}
            }
        }
    }

    /// Waits until what is under way has ended, and returns the final status.
    async fn end(self) -> crate::status::Status {
        let Work { clock, board, ledger, fleet, _kicks } = self;
        let before = board.status(clock.timestamp(clock.now()));
        if let Err(error) = fleet.await {
            tracing::error!("the loop over all accounts failed: {error}; please report this");
        }
        note_event(&ledger, EventKind::Stopped, "apply ended").await;
        ledger.leave().await;
        let after = board.status(clock.timestamp(clock.now()));
        // Keepers that have ended leave the board.
        if after.targets.is_empty() { before } else { after }
    }
}

/// The note printed before anything is done: how long a change takes at least.
fn beforehand(desired: &Desired, named: &BTreeSet<AccountName>, wait: Option<Duration>) -> String {
    let settle =
        desired.accounts.iter().filter(|(name, _)| named.contains(name)).map(|(_, of)| of.policy.settle);
    let settle = settle.max().unwrap_or_default();
    let longest = settle.max(QUIET);
    let first = if settle.is_zero() {
        let quiet = spell(QUIET);
        format!(
            "Changes what differs from the file, as soon as its account is flat, but nothing in its first {quiet}."
        )
    } else {
        format!(
            "A change leaves once its account has been flat for `settle`: at least {} pass if one is due.",
            spell(longest)
        )
    };
    let then = match wait {
        Some(wait) if wait < longest => {
            format!(" --wait {} is shorter than that: such a change will not be made.", spell(wait))
        }
        Some(wait) => format!(" It stays until all are in sync, for {} at most.", spell(wait)),
        None => String::new(),
    };
    format!("{first}{then} Ctrl-C ends it; a set that is under way is brought to its end.")
}

/// How often the board is read, which is in memory.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A held plan is recorded within a turn or two of the fleet's loop, unless the ledger cannot be written.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired;

    #[test]
    fn it_says_beforehand_how_long_it_takes_at_least() {
        let text =
            b"version: 1\nmax_changes: 1\ndefaults: { drift: correct, settle: 0s }\naccounts:\n  a:\n    \
                     position_mode: hedge_mode\n  b:\n    settle: 5m\n    position_mode: hedge_mode\n...\n";
        let desired = desired::read(text).unwrap();
        let said = |names: &[&str], wait: Option<u64>| {
            let named = names.iter().map(|name| name.parse().unwrap()).collect();
            beforehand(&desired, &named, wait.map(Duration::from_secs))
        };
        assert!(said(&["a", "b"], None).contains("at least 5m pass"));
        assert!(
            !said(&["a"], None).contains("5m") && said(&["a"], None).contains("nothing in its first 41s.")
        );
        assert!(said(&["a"], Some(3)).contains("--wait 3s is shorter"));
        assert!(said(&["a", "b"], Some(60)).contains("--wait 1m is shorter"));
        assert!(said(&["b"], Some(1800)).contains("for 30m at most"));
    }
}
