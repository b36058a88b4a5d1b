//! Requests of commands to the daemon: written to the ledger, then waited for until the daemon acknowledges them.
//!
//! No socket and no password: whoever may write to the state directory may ask.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::cli::flags::{Common, Output};
use crate::cli::{Exit, print};
use crate::clock::Clock;
use crate::constants::ACKNOWLEDGED_WITHIN;
use crate::desired;
use crate::host::who;
use crate::ledger::{CommandAnswer, CommandRequest, Visitor};
use crate::moment::spell;
use crate::position_mode::AccountName;

/// Opens the daemon's ledger; the clock is the one that it writes with.
pub(super) fn ledger(common: &Common) -> anyhow::Result<(Visitor, Clock)> {
    let clock = Clock::machine();
    Ok((Visitor::open(common.ledger()?, clock.clone())?.by(who()), clock))
}

/// The accounts of the last accepted revision, and those that have entries in the ledger.
pub(super) fn known(visitor: &Visitor) -> anyhow::Result<BTreeSet<AccountName>> {
    let mut known = visitor.accounts()?;
    if let Some(revision) = visitor.last_good()? {
        // This version may not parse what another one accepted; then only the ledger's own accounts are known.
        known.extend(
            desired::read(&revision.bytes).into_iter().flat_map(|desired| desired.accounts.into_keys()),
        );
    }
    Ok(known)
}

/// Waits for the daemon's answer to `request`, prints it and returns the exit code. `done` and `refused` are whole
/// sentences.
pub(super) async fn conclude(
    (visitor, clock): (&Visitor, &Clock),
    request: &CommandRequest,
    refused: &str,
    done: &str,
    output: Output,
) -> anyhow::Result<Exit> {
    let answer = answer(visitor, clock, request, ACKNOWLEDGED_WITHIN).await;
    end(visitor, answer, refused, done, output)
}

/// The same with an answer that was waited for already.
pub(super) fn end(
    visitor: &Visitor,
    answer: anyhow::Result<Option<CommandAnswer>>,
    refused: &str,
    done: &str,
    output: Output,
) -> anyhow::Result<Exit> {
    let answer =
        answer.context("It is written, but whether the daemon has acknowledged it cannot be read.")?;
    let acknowledged = match answer {
        Some(CommandAnswer::Refused(why)) => bail!(anyhow::anyhow!(why).context(refused.to_owned())),
        Some(CommandAnswer::Acknowledged) => true,
        None => false,
    };
    match output {
        Output::Table => print::text(done)?,
        Output::Json => {
            print::json(&print::WithSchema::of(Asked { written: true, acknowledged, say: done }))?;
        }
    }
    if acknowledged {
        return Ok(Exit::DONE);
    }
    print::note(&match visitor.instances()?.first() {
        None => "It is written, but NOT acknowledged: no daemon runs with this ledger. It counts as soon as one starts."
            .to_owned(),
        Some(daemon) => format!(
            "It is written, but NOT acknowledged by the daemon ({daemon}) within {}: a set that was noted before may \
             still be under way, or Bitget has not answered yet and its time is not known. See `posmoded status` and `posmoded history`.",
            spell(ACKNOWLEDGED_WITHIN)
        ),
    });
    Ok(Exit::FAILED)
}

/// Says that there was nothing to ask for.
pub(super) fn nothing_to_do(say: &str, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Table => Ok(print::text(say)?),
        Output::Json => {
            print::json(&print::WithSchema::of(Asked { written: false, acknowledged: false, say }))
        }
    }
}

#[derive(Debug, Serialize)]
struct Asked<'a> {
    written: bool,
    acknowledged: bool,
    say: &'a str,
}

/// The daemon's answer, if it comes within this time.
pub(super) async fn answer(
    visitor: &Visitor,
    clock: &Clock,
    request: &CommandRequest,
    within: Duration,
) -> anyhow::Result<Option<CommandAnswer>> {
    let end = clock.now() + within;
    loop {
        let answer = visitor.answer(request)?;
        if answer.is_some() {
            return Ok(answer);
        }
        // The time is up, or no daemon is running that could answer.
        if clock.now() >= end || visitor.instances()?.is_empty() {
            return Ok(None);
        }
        clock.sleep_until(clock.now() + ASK_EVERY).await;
    }
}

/// The accounts as the subject of a sentence: `desk-a and desk-b`, or `Everything` if none is named.
pub(super) fn whom(accounts: &[AccountName]) -> String {
    match accounts {
        [] => "Everything".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AccountName::as_str).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// Short enough that an operator does not notice, long enough to put no load on the ledger.
const ASK_EVERY: Duration = Duration::from_millis(100);
