//! The command line: posmoded's commands and their exit codes.
//!
//! One file per command. Results go to stdout, everything else to stderr. No decision about modes is made here.

pub mod apply;
pub mod approve;
pub mod check;
pub mod close_intent;
pub mod completions;
pub mod flags;
pub mod history;
pub mod hosts;
pub mod import;
pub mod journal;
pub mod ledger;
pub mod man;
pub mod pause;
pub mod plan;
pub mod probe;
pub mod refresh;
pub mod resume;
pub mod run;
pub mod schema;
pub mod status;
pub mod wait;

mod accounts;
mod asking;
mod exit;
mod gates;
mod looking;
mod manual;
mod over_http;
mod print;
mod rows;
mod signals;
mod terminal;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use accounts::{AccountOrScope, UnknownAccount};
pub use exit::{Exit, UsageError};
pub use flags::{Common, Log, Output, Printed};

/// What was said.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "posmoded",
    version,
    about = "Keeps Bitget futures accounts in the position mode that a file in git declares",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the daemon: keep every account of the file in its mode
    Run(run::Args),
    /// Say whether a file is good, or everything that is wrong with it, and with the keys in --credentials; asks nobody
    Check(check::Args),
    /// Look at the exchange and say what would change, and why not now; changes nothing
    Plan(plan::Args),
    /// Do what the daemon would do, until each account is in its mode or waits for something
    Apply(apply::Args),
    /// Say what the daemon knows
    Status(status::Args),
    /// Wait until accounts are in sync and the newest file is in force: a strategy's start gate
    Wait(wait::Args),
    /// Have the daemon look at accounts now, and try once more what was refused
    Refresh(refresh::Args),
    /// Say what happened
    History(history::Args),
    /// Stop all changes, or one account's, until `resume`
    Pause(pause::Args),
    /// End a pause, and the wait after a fight over a mode
    Resume(resume::Args),
    /// Let a held plan go: that plan, and what is left of it as it shrinks, for 24 h; reported drift is set back once
    Approve(approve::Args),
    /// End a set with an unknown outcome that cannot end by itself
    CloseIntent(close_intent::Args),
    /// Say which hosts work with one ledger, who of them lives, and what each looks after
    Hosts(hosts::Args),
    /// Copy the ledger, say whether it is sound, or put a copy in its place
    Ledger(ledger::Args),
    /// Print a file that declares what is live; changes nothing
    Import(import::Args),
    /// Ask the exchange, with reads alone, what nobody could tell of it, and print a report without anything private
    Probe(probe::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
    /// Print a manual page, in roff: of a command, or of the file
    Man(man::Args),
    /// Print the JSON Schema of the file, for editors
    Schema,
}

/// The definitions of the commands, with what help and manual pages say of them.
pub fn command() -> clap::Command {
    manual::complete(Cli::command())
}

/// Parses the command line. Usage errors and `--help` are printed here.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let parsed = command().try_get_matches_from(words).and_then(|matches| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        cli.common.named_credentials = matches.value_source("credentials") == Some(ValueSource::CommandLine);
        Ok(cli)
    });
    parsed.map_err(|error| {
        // Printing fails on a closed pipe, which has no reader.
        let _ = error.print();
        if error.use_stderr() { Exit::USAGE } else { Exit::DONE }
    })
}

/// Runs the command. Its error is printed here, once, with its causes.
pub async fn run(cli: Cli, log: &crate::log::Log) -> Exit {
    let Cli { common, command } = cli;
    let done = match &command {
        Command::Run(args) => self::run::run(args, &common, log).await,
        Command::Check(args) => check::check(args, &common),
        Command::Plan(args) => plan::plan(args, &common).await,
        Command::Apply(args) => apply::apply(args, &common).await,
        Command::Status(args) => status::status(args, &common).await,
        Command::Wait(args) => wait::wait(args, &common).await,
        Command::Refresh(args) => refresh::refresh(args, &common).await,
        Command::History(args) => history::history(args, &common).await,
        Command::Pause(args) => pause::pause(args, &common).await,
        Command::Resume(args) => resume::resume(args, &common).await,
        Command::Approve(args) => approve::approve(args, &common).await,
        Command::CloseIntent(args) => close_intent::close_intent(args, &common).await,
        Command::Hosts(args) => hosts::hosts(args, &common),
        Command::Ledger(args) => ledger::ledger(args, &common).await,
        Command::Import(args) => import::import(args, &common).await,
        Command::Probe(args) => probe::probe(args, &common).await,
        Command::Completions(args) => completions::completions(Cli::command(), args),
        Command::Man(args) => man::man(self::command(), args),
        Command::Schema => schema::schema(),
    };
    done.unwrap_or_else(|error| {
        print::error(&error, log);
        if error.is::<UsageError>() || error.is::<UnknownAccount>() { Exit::USAGE } else { Exit::FAILED }
    })
}

#[cfg(test)]
mod tests;
