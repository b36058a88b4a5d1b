//! `posmoded wait`: returns once targets are as the newest content of the file wants them. A strategy's start gate.
//!
//! Asks the daemon again and again, and determines nothing itself. A daemon that does not answer is waited for, too.

mod judge;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Serialize;

use self::judge::{End, Judged, News, judge, wants_a_human};
use crate::cli::accounts::{AccountOrScope, account_or_scope};
use crate::cli::flags::{Output, Printed};
use crate::cli::status::{Question, look};
use crate::cli::{Common, Exit, gates, print};
use crate::clock::Clock;
use crate::moment::{Moment, span, spell};
use crate::serve::Listen;
use crate::status::{Status, TargetStatus, seconds};

/// What `wait` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The accounts, or single targets, such as desk-main/USDT-FUTURES
    #[arg(value_name = "ACCOUNT[/SCOPE]", required = true, value_parser = account_or_scope)]
    pub targets: Vec<AccountOrScope>,
    /// Give up after this time, such as 5m [default: never]
    #[arg(long, env = "POSMODED_TIMEOUT", hide_env = true, value_name = "TIME", value_parser = span)]
    pub timeout: Option<Duration>,
    /// Where the daemon listens [default: what its lock file in the state directory says]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when all are in sync and the newest file is in force; 2 when not in time, or when the file gives one to another host; 1 if
/// nothing has answered until the time was up.
pub async fn wait(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { targets, timeout, listen, printed: Printed { output } } = args;
    match listen {
        Some(Listen::Nowhere) => {
            bail!("With --listen none there is nothing to ask: say where the daemon listens.")
        }
        Some(Listen::At(_) | Listen::Unix(_)) => {}
        // Without a ledger to look in no daemon will ever be found.
        None => drop(common.ledger()?),
    }
    for warning in gates::around_this_process(common, targets.iter().map(|of| &of.account)) {
        print::note(&format!("warning: {warning}"));
    }
    let clock = Clock::machine();
    let until = timeout.map(|timeout| clock.now() + timeout);
    let question = Question { accounts: Vec::new(), listen: listen.clone() };
    let (mut teller, mut last) = (Teller { output: *output, until, told: BTreeMap::new() }, None);
    let mut how: Option<String> = None;
    while until.is_none_or(|until| clock.now() < until) {
        let answer = match before(&clock, until, look(&question, common)).await {
            Some(Ok((status, say))) => {
                if how != say
                    && let Some(say) = &say
                {
                    print::note(say);
                }
                how = say;
                Ok(status)
            }
            Some(Err(error)) => Err(error),
            None => break,
        };
        match answer {
            Ok(status) => {
                let judged = judge(&status, targets)?;
                match judged.end {
                    Some(End::InSync) => return teller.in_sync(&status, targets),
                    Some(End::Elsewhere) => {
                        teller.tell(&judged, status.now)?;
                        return teller.not_in_sync(&elsewhere(&judged), status.now);
                    }
                    None => teller.tell(&judged, status.now)?,
                }
                last = Some(Ok(judged.waits_for()));
            }
            Err(error) => {
                teller.no_answer(&error, seconds(clock.timestamp(clock.now())))?;
                // Once something has answered, it is known what is waited for.
                if !matches!(last, Some(Ok(_))) {
                    last = Some(Err(error));
                }
            }
        }
        let next = clock.now() + EVERY;
        clock.sleep_until(until.map_or(next, |until| next.min(until))).await;
    }
    let given = spell(timeout.unwrap_or_default());
    match last {
        Some(Ok(waits_for)) => {
            let say = format!("Not in sync within {given}: {waits_for}.");
            teller.not_in_sync(&say, seconds(clock.timestamp(clock.now())))
        }
        Some(Err(error)) => Err(error).with_context(|| format!("Nothing has answered within {given}.")),
        None => bail!("Nothing has answered within {given}."),
    }
}

/// What the future gives, unless the time is up before.
async fn before<T>(clock: &Clock, until: Option<Moment>, future: impl Future<Output = T>) -> Option<T> {
    let Some(until) = until else { return Some(future.await) };
    tokio::select! {
        biased;
        done = future => Some(done),
        () = clock.sleep_until(until) => None,
    }
}

fn elsewhere(judged: &Judged<'_>) -> String {
    let there = judged.targets.iter().find(|target| target.is_elsewhere());
    let account = there.map_or_else(String::new, |target| target.account.to_string());
    format!(
        "The file gives {account} to another host, so this one never finds it in sync: wait on that host."
    )
}

/// Prints what has changed.
struct Teller {
    output: Output,
    /// When the wait ends; `None`: never.
    until: Option<Moment>,
    /// What was last told of each thing.
    told: BTreeMap<String, String>,
}

impl Teller {
    /// Prints what is news since the last call.
    fn tell(&mut self, judged: &Judged<'_>, now: Timestamp) -> anyhow::Result<()> {
        if self.told.remove(DAEMON).is_some() {
            self.line(now, "The daemon answers.", None)?;
        }
        for News { of, essence, say, target } in &judged.news {
            if self.told.get(of) != Some(essence) {
                self.told.insert(of.clone(), essence.clone());
                if let Some(say) = say {
                    self.line(now, &self.or_for_ever(say, *target), *target)?;
                }
            }
        }
        Ok(())
    }

    /// Who waits for a human without an end is to know it.
    fn or_for_ever(&self, say: &str, target: Option<&TargetStatus>) -> String {
        if self.until.is_none() && target.is_some_and(wants_a_human) {
            let said = say.strip_suffix('.').unwrap_or(say);
            format!("{said}. It is waited for until that is done (--timeout TIME gives up).")
        } else {
            say.to_owned()
        }
    }

    fn no_answer(&mut self, error: &anyhow::Error, now: Timestamp) -> anyhow::Result<()> {
        let say = format!("No daemon answers, and it is waited for: {error}");
        if self.told.get(DAEMON) != Some(&say) {
            self.line(now, &say, None)?;
            self.told.insert(DAEMON.to_owned(), say);
        }
        Ok(())
    }

    fn line(&self, now: Timestamp, say: &str, target: Option<&TargetStatus>) -> anyhow::Result<()> {
        match self.output {
            Output::Table => Ok(print::text(say)?),
            Output::Json => print::json(&print::WithSchema::of(Line { now, say, target })),
        }
    }

    fn in_sync(&self, status: &Status, waited: &[AccountOrScope]) -> anyhow::Result<Exit> {
        let all: Vec<String> = waited.iter().map(ToString::to_string).collect();
        let say = format!("In sync: {} (revision {}).", all.join(", "), status.config.generation.0);
        match self.output {
            Output::Table => print::text(&say)?,
            Output::Json => end(status.now, true, &say)?,
        }
        Ok(Exit::DONE)
    }

    fn not_in_sync(&self, say: &str, now: Timestamp) -> anyhow::Result<Exit> {
        match self.output {
            Output::Table => print::note(say),
            Output::Json => end(now, false, say)?,
        }
        Ok(Exit::NOT_IN_SYNC)
    }
}

fn end(now: Timestamp, in_sync: bool, say: &str) -> anyhow::Result<()> {
    print::json(&print::WithSchema::of(Last { now, end: true, in_sync, say }))
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    now: Timestamp,
    say: &'a str,
    target: Option<&'a TargetStatus>,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    now: Timestamp,
    end: bool,
    in_sync: bool,
    say: &'a str,
}

/// Under which name it is kept that no daemon answers; no target is called so.
const DAEMON: &str = "the daemon";
/// A strategy starts at most so much later than it could.
const EVERY: Duration = Duration::from_secs(1);
