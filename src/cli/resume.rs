//! `posmoded resume`: ends a pause of everything, or of some accounts, and the fights over their modes.

use anyhow::Context as _;

use crate::cli::flags::Printed;
use crate::cli::{Common, Exit, accounts, asking};
use crate::ledger::PauseRow;
use crate::position_mode::AccountName;

/// What `resume` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything, with every pause there is]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it, 1 when it is written but not acknowledged, or could not be written.
pub async fn resume(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, printed } = args;
    let (visitor, clock) = asking::ledger(common).context("Nothing was resumed.")?;
    let pauses = visitor.directives().context("Nothing was resumed.")?.pauses;
    let mut known = asking::known(&visitor)?;
    known.extend(pauses.iter().filter_map(|pause| pause.account.clone()));
    accounts::only_known(accounts, &known, "in the file or the ledger")?;
    let request = visitor.resume(accounts).context("Nothing was resumed.")?;
    let still = pauses.iter().find(|row| row.account.is_none() && !accounts.is_empty());
    let still = still.map_or_else(String::new, |PauseRow { pause, .. }| {
        format!(
            " But everything is paused still ({}): `posmoded resume` without a name ends that.",
            pause.reason
        )
    });
    let done = format!("{} is resumed.{still}", asking::whom(accounts));
    asking::conclude((&visitor, &clock), &request, "Nothing was resumed.", &done, printed.output).await
}
