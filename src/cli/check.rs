//! `posmoded check`: whether a file is good, or everything that is wrong with it. Offline: it reads only that file, and what
//! `--credentials` names on the command line: a check of a file is not to depend on the environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, gates, print};
use crate::daemon::{REQUESTS, key_problems};
use crate::desired::{self, Format};
use crate::ledger;
use crate::ledger::Home;
use crate::position_mode::AccountName;

/// What `check` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file [default: what --config says]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How problems are told; github: as annotations of a workflow [default: as --output says]
    #[arg(long, env = "POSMODED_FORMAT", hide_env = true, value_name = "text|json|github")]
    #[arg(value_enum, hide_possible_values = true)]
    pub format: Option<Form>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// How problems are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One object.
    Json,
    /// Annotations that GitHub shows beside the lines.
    Github,
}

/// 0 when all that was checked is good, 1 when it is not or cannot be read.
pub fn check(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { file, format, printed } = args;
    let file = file.as_ref().unwrap_or(&common.config);
    let bytes = std::fs::read(file)
        .with_context(|| format!("{} cannot be read: name the file, or put it there.", file.display()))?;
    let outcome = desired::read(&bytes);
    let format = match (format, printed.output) {
        (Some(Form::Text), _) | (None, Output::Table) => Format::Text,
        (Some(Form::Json), _) | (None, Output::Json) => Format::Json,
        (Some(Form::Github), _) => Format::Github,
    };
    let report = desired::report(&file.display().to_string(), &outcome, format);
    if !report.is_empty() {
        print::text(&report)?;
    }
    if let Some(say) = outcome.as_ref().ok().and_then(|desired| desired.over_budget(None, REQUESTS)) {
        print::note(&format!("warning: {say}"));
    }
    if let (Ok(desired), true) = (&outcome, common.named_credentials) {
        for say in gates::on_this_host(desired, &desired.accounts_of(&common.host().now())) {
            print::note(&format!("warning: {say}"));
        }
    }
    let on_disk = match (&outcome, &common.credentials) {
        (Ok(desired), Some(keys)) if common.named_credentials => {
            problems_on_disk(keys, &desired.accounts_of(&common.host().now()), &common.ledger()?)
        }
        (Ok(_) | Err(_), _) => Vec::new(),
    };
    for say in &on_disk {
        print::note(&format!("error: {say}"));
    }
    if !on_disk.is_empty() {
        print::note("The file is good, and what is beside it is not: see the errors above.");
    }
    if let (Ok(_), Some(keys), false) = (&outcome, &common.credentials, common.named_credentials) {
        print::note(&format!(
            "Keys were not checked, for a check of a file does not depend on the environment: write --credentials {}",
            keys.display()
        ));
    }
    Ok(if outcome.is_ok() && on_disk.is_empty() { Exit::DONE } else { Exit::FAILED })
}

/// What is wrong with the keys of these accounts, and with who may write to the state directory if there is one.
fn problems_on_disk(keys: &Path, accounts: &BTreeSet<AccountName>, state: &Home) -> Vec<String> {
    let directory = state.directory().filter(|directory| directory.exists());
    let state = directory.map_or(Ok(()), ledger::check_directory);
    let mut problems = key_problems(keys, accounts);
    problems.extend(state.err().map(|error| error.to_string()));
    problems
}
