//! `posmoded plan`: looks at the exchange and reports what would change, and why not now. It has no write access.

mod look;
mod waits;

use anyhow::{Context as _, bail};
use clap::builder::FalseyValueParser;

use crate::cli::flags::{Output, Printed};
use crate::cli::looking::Looking;
use crate::cli::rows::{self, Rows};
use crate::cli::status::{self, Question, sentences};
use crate::cli::{Common, Exit, accounts, print, terminal};
use crate::clock::Clock;
use crate::daemon::{KeyFiles, Options};
use crate::desired::{self, Desired, Format};
use crate::facts::Elsewhere;
use crate::keeper::Environment as _;
use crate::ledger::{VisitError, Visitor};
use crate::position_mode::AccountName;
use crate::protocol::State;
use crate::status::TargetStatus;
use look::{LedgerSnapshot, Round, is_blocked};

/// What `plan` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Exit with what was found: 0 nothing to do, 2 pending or new, 3 drift, 4 blocked or unknown; the first of 3, 4, 2
    #[arg(long, env = "POSMODED_EXIT_CODE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub exit_code: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 unless `--exit-code` asks for more; 1 when file, credentials or ledger cannot be used, and when nothing could be read.
pub async fn plan(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let desired = declared(common)?;
    accounts::only_known(&args.accounts, &desired.accounts.keys().cloned().collect(), "in the file")?;
    let targets = look(&desired, &args.accounts, common, &common.options_to_ask()?).await?;
    tell(args, &as_the_daemon_waits(targets, common).await?)
}

/// The same with what the daemon beside this command waits for, if one runs and says so.
async fn as_the_daemon_waits(
    targets: Vec<TargetStatus>,
    common: &Common,
) -> anyhow::Result<Vec<TargetStatus>> {
    if !targets.iter().any(waits::may_tell_more) || !is_held(common)? {
        return Ok(targets);
    }
    match status::look(&Question { accounts: Vec::new(), listen: None }, common).await {
        Ok((status, _)) => Ok(waits::as_the_daemon_waits(targets, &status.targets)),
        Err(error) => {
            print::note(&format!("Whether the daemon waits after a refusal is not known here: {error}"));
            Ok(targets)
        }
    }
}

/// How the targets of these accounts stand, or of all if none is named.
pub(super) async fn look(
    desired: &Desired,
    accounts: &[AccountName],
    common: &Common,
    options: &Options,
) -> anyhow::Result<Vec<TargetStatus>> {
    let clock = Clock::machine();
    let snapshot = snapshot(common, &clock)?;
    let environment = KeyFiles::new(options, &clock)?;
    let mut round = Round::new(&clock, &snapshot, desired, common.host().now());
    round.keys_are_copies = environment.keys_are_copies();
    environment.survey(&desired.accounts_of(round.host()));
    let is_named = |name: &AccountName| accounts.is_empty() || accounts.contains(name);
    let named: Vec<_> = desired.accounts.iter().filter(|(name, _)| is_named(name)).collect();
    let (mut targets, mut looking) = (Vec::new(), Looking::new(&clock, named.len()));
    for (done, (name, account)) in named.iter().enumerate() {
        looking.at(done, name);
        let exchange = match account.elsewhere(round.host()) {
            Some(Elsewhere { host, here: _ }) => Err(format!("It is another host's: {host}.")),
            None => environment.connect(name, account.demo),
        };
        targets.extend(round.account(name, account, &exchange, environment.shared_key(name)).await);
    }
    drop(looking);
    Ok(targets)
}

/// Whether another process holds the ledger, as far as one can see.
pub(super) fn is_held(common: &Common) -> anyhow::Result<bool> {
    let ledger = Visitor::open(common.ledger()?, Clock::machine());
    let host = common.host().now();
    Ok(ledger.is_ok_and(|ledger| matches!(ledger.instance(&host), Ok(Some(_)))))
}

/// The parsed file at `--config`; the error lists everything that is wrong with it.
pub(super) fn declared(common: &Common) -> anyhow::Result<Desired> {
    let file = &common.config;
    let bytes = std::fs::read(file).with_context(|| {
        format!(
            "{} cannot be read, so nothing was asked and nothing was changed: say where the file is with --config.",
            file.display()
        )
    })?;
    desired::read(&bytes).map_err(|problems| {
        let report = desired::report(&file.display().to_string(), &Err(problems), Format::Text);
        anyhow::anyhow!(
            "The file is not good, so nothing was asked and nothing was changed. Mend this:\n{}",
            report.trim_end()
        )
    })
}

/// Reads the daemon's ledger. Without one, every difference counts as first contact.
fn snapshot(common: &Common, clock: &Clock) -> anyhow::Result<LedgerSnapshot> {
    let visitor = match Visitor::open(common.ledger()?, clock.clone()) {
        Ok(visitor) => visitor,
        Err(VisitError::NoLedger { looked_at }) => {
            print::note(&format!(
                "There is no ledger at {}: every difference counts as new.",
                looked_at.display()
            ));
            return Ok(LedgerSnapshot::default());
        }
        Err(error @ (VisitError::Newer(_) | VisitError::Older { .. } | VisitError::Ledger(_))) => {
            bail!(error)
        }
    };
    Ok(LedgerSnapshot {
        applied: visitor.applied()?,
        open_intents: visitor.open_intents()?,
        directives: visitor.directives()?,
        generation: visitor.last_good()?.map(|revision| revision.generation).unwrap_or_default(),
    })
}

fn tell(args: &Args, targets: &[TargetStatus]) -> anyhow::Result<Exit> {
    match args.printed.output {
        Output::Table => print::text(&render(targets, terminal::width()))?,
        Output::Json => print::json(&print::WithSchema::of(PlanOutput { targets }))?,
    }
    let is_read = !is_nothing_read(targets);
    Ok(if args.exit_code || !is_read { exit(targets) } else { Exit::DONE })
}

#[derive(Debug, serde::Serialize)]
struct PlanOutput<'a> {
    targets: &'a [TargetStatus],
}

/// The code of the first of these that applies to any target: drift, blocked or unknown, pending or new. 1 when nothing could be
/// read.
fn exit(targets: &[TargetStatus]) -> Exit {
    let any =
        |what: fn(&TargetStatus) -> bool| targets.iter().filter(|target| !target.is_elsewhere()).any(what);
    if is_nothing_read(targets) {
        Exit::FAILED
    } else if any(|target| target.state == State::Drifted) {
        Exit::DRIFT
    } else if any(|target| target.state == State::Unknown || is_blocked(target)) {
        Exit::BLOCKED
    } else if any(|target| target.state != State::InSync) {
        Exit::NOT_IN_SYNC
    } else {
        Exit::DONE
    }
}

/// Whether there was something to read here, and not one mode could be read.
fn is_nothing_read(targets: &[TargetStatus]) -> bool {
    let mut here = targets.iter().filter(|target| !target.is_elsewhere()).peekable();
    here.peek().is_some() && here.all(|target| target.live.is_none())
}

/// The plan as a table, with a sentence for each cause and a summary.
pub(super) fn render(targets: &[TargetStatus], width: Option<usize>) -> String {
    let differing: Vec<&TargetStatus> =
        targets.iter().filter(|target| target.state != State::InSync).collect();
    let in_sync = targets.len() - differing.len();
    let elsewhere = differing.iter().filter(|target| target.is_elsewhere()).count();
    let due = differing.iter().filter(|target| !is_blocked(target) && target.state != State::Unknown).count();
    let summary = match (targets.len() - elsewhere, elsewhere) {
        (0, 1..) => format!("{}.", rows::of_other_hosts(elsewhere)),
        (_, elsewhere) => format!(
            "{} in sync, {due} would change now, {} cannot yet{}.",
            rows::counted(in_sync, "target", "targets"),
            differing.len() - due - elsewhere,
            if elsewhere == 0 { String::new() } else { format!(", {elsewhere} of other hosts") },
        ),
    };
    if differing.is_empty() {
        return format!("{summary}\n");
    }
    let row = |target: &&TargetStatus| {
        let [desired, live] = rows::modes(target);
        let (account, scope) = (rows::Cell::new(&target.account), rows::Cell::new(target.scope));
        vec![account, scope, desired, live, rows::state(target), rows::or_dash(target.reason)]
    };
    let all: Vec<Vec<rows::Cell>> = differing.iter().map(row).collect();
    let [desired, live] = rows::MODES;
    let Rows { head, lines, are_single: _ } =
        rows::lines(&["account", "scope", desired, live, "why", "reason"], &all, width);
    let below = [sentences(targets), vec![summary]].concat();
    let below: Vec<String> = below.iter().map(|line| terminal::wrapped(line, width, "  ")).collect();
    format!("{head}\n{}\n\n{}\n", lines.join("\n"), below.join("\n"))
}

#[cfg(test)]
mod tests;
