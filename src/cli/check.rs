//! `posmoded check`: whether a file is good, or everything that is wrong with it. Offline: it reads only that file.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, print};
use crate::daemon::REQUESTS;
use crate::desired::{self, Format};

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

/// 0 when the file is good, 1 when it is not or cannot be read.
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
    Ok(if outcome.is_ok() { Exit::DONE } else { Exit::FAILED })
}
