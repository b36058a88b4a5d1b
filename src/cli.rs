//! The command line: what can be said to posmoded, and with which number it ends.
//!
//! One file per command. Results go to stdout, everything else to stderr. Nothing here decides about modes.

pub mod apply;
pub mod approve;
pub mod check;
pub mod completions;
pub mod flags;
pub mod history;
pub mod import;
pub mod journal;
pub mod pause;
pub mod plan;
pub mod resume;
pub mod run;
pub mod schema;
pub mod status;

mod accounts;
mod asking;
mod print;
mod rows;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use accounts::UnknownAccount;
pub use flags::{Common, Log, Output, Printed};

/// What was said.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "posmoded",
    version,
    about = "Keeps Bitget futures accounts in the position mode that a file in git declares",
    after_help = "Every option also reads POSMODED_<OPTION> from the environment: POSMODED_STATE for --state.\n\nEnds with 0 \
                  when done, 1 when not, 2 when something is not in sync (status, apply), 64 when asked wrongly, 75 when \
                  another instance holds the state, 78 when what it is to start with cannot be used.",
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
    /// Say whether a file is good, or everything that is wrong with it; asks nobody
    Check(check::Args),
    /// Look at the exchange and say what would change, and why not now; changes nothing
    Plan(plan::Args),
    /// Do what the daemon would do, until each account is in its mode or waits for something
    Apply(apply::Args),
    /// Say what the daemon knows
    Status(status::Args),
    /// Say what happened
    History(history::Args),
    /// Stop all changes, or one account's, until `resume`
    Pause(pause::Args),
    /// End a pause, and the wait after a fight over a mode
    Resume(resume::Args),
    /// Let a held plan go: that plan, and what is left of it as it shrinks, for 24 h
    Approve(approve::Args),
    /// Print a file that declares what is live; changes nothing
    Import(import::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
    /// Print the manual page, in roff
    Man(completions::ManArgs),
    /// Print the JSON Schema of the file, for editors
    Schema,
}

/// The number that a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done; everything is as it should be.
    pub const DONE: Exit = Exit(0);
    /// Not done, or nobody answered.
    pub const FAILED: Exit = Exit(1);
    /// Done, and not everything is in sync.
    pub const NOT_IN_SYNC: Exit = Exit(2);
    /// Somebody changed a mode at the exchange.
    pub const DRIFT: Exit = Exit(3);
    /// Something stands in the way, or is not known.
    pub const BLOCKED: Exit = Exit(4);
    /// Wrongly asked (`EX_USAGE`).
    pub const USAGE: Exit = Exit(64);
    /// Another instance holds the state (`EX_TEMPFAIL`).
    pub const HELD: Exit = Exit(75);
    /// What it is to start with cannot be used (`EX_CONFIG`).
    pub const UNUSABLE: Exit = Exit(78);
}

impl From<Exit> for ExitCode {
    fn from(Exit(code): Exit) -> ExitCode {
        ExitCode::from(code)
    }
}

/// A way to ask that cannot be meant, found only after the words were understood. Ends with [`Exit::USAGE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misused(pub String);

/// Understands what was said. What cannot be understood, or asks for help only, is answered here.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    Cli::try_parse_from(words).map_err(|told| {
        // To a closed pipe nothing can be told.
        let _ = told.print();
        if told.use_stderr() { Exit::USAGE } else { Exit::DONE }
    })
}

/// Does it. Errors are told here, once, with their causes.
pub async fn obey(cli: Cli) -> Exit {
    let Cli { common, command } = cli;
    let done = match &command {
        Command::Run(args) => run::run(args, &common).await,
        Command::Check(args) => check::check(args, &common),
        Command::Plan(args) => plan::plan(args, &common).await,
        Command::Apply(args) => apply::apply(args, &common).await,
        Command::Status(args) => status::status(args, &common).await,
        Command::History(args) => history::history(args, &common),
        Command::Pause(args) => pause::pause(args, &common).await,
        Command::Resume(args) => resume::resume(args, &common).await,
        Command::Approve(args) => approve::approve(args, &common).await,
        Command::Import(args) => import::import(args, &common).await,
        Command::Completions(args) => completions::completions(*args),
        Command::Man(args) => completions::man(args),
        Command::Schema => schema::schema(),
    };
    done.unwrap_or_else(|error| {
        print::error(&error);
        if error.is::<Misused>() || error.is::<UnknownAccount>() { Exit::USAGE } else { Exit::FAILED }
    })
}

#[cfg(test)]
mod tests;
