//! `posmoded approve`: lets one held plan go, and nothing else. Drift that is only reported is an entry of it.

use anyhow::Context as _;

use crate::cli::flags::Printed;
use crate::cli::{Common, Exit, asking};
use crate::constants::APPROVAL;
use crate::moment::spell;

/// What `approve` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The hash of the held plan, or its first six digits at least: `posmoded status` shows it
    #[arg(value_name = "HASH")]
    pub hash: String,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it, 1 when the plan is unknown or stale, or no daemon has acknowledged it.
pub async fn approve(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { hash, printed } = args;
    let (visitor, clock) = asking::ledger(common).context("Nothing was approved.")?;
    let request = visitor.approve(hash).context("Nothing was approved.")?;
    let done =
        format!("The plan {hash} is approved for {}, and what is left of it as it shrinks.", spell(APPROVAL));
    asking::conclude((&visitor, &clock), &request, "Nothing was approved.", &done, printed.output).await
}
