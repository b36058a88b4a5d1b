//! `posmoded refresh`: has the daemon look at accounts before their time.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::FalseyValueParser;

use crate::cli::flags::Printed;
use crate::cli::{Common, Exit, accounts, asking};
use crate::constants::ACKNOWLEDGED_WITHIN;
use crate::ledger::{CommandAnswer, RefreshRequest};
use crate::position_mode::AccountName;

/// What `refresh` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Return once they were looked at [default: once the daemon has taken note]
    #[arg(long, env = "POSMODED_WAIT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub wait: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it (and looked, with `--wait`), 1 when it is written but not acknowledged, or could not be
/// written.
pub async fn refresh(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    const NOT_ASKED: &str = "Nothing was asked to be looked at.";
    const NOT_LOOKED: &str = "Not looked at.";
    let Args { accounts, wait, printed } = args;
    let (visitor, clock) = asking::ledger(common).context(NOT_ASKED)?;
    accounts::only_known(accounts, &asking::known(&visitor)?, "in the file or the ledger")?;
    let RefreshRequest { taken, looked } = visitor.refresh(accounts).context(NOT_ASKED)?;
    let whom = asking::whom(accounts);
    let done = match (*wait, accounts.len() > 1) {
        (true, false) => format!("{whom} was looked at."),
        (true, true) => format!("{whom} were looked at."),
        (false, false) => format!("{whom} is looked at now."),
        (false, true) => format!("{whom} are looked at now."),
    };
    let taken = asking::answer(&visitor, &clock, &taken, ACKNOWLEDGED_WITHIN).await;
    if !*wait || !matches!(taken, Ok(Some(CommandAnswer::Acknowledged))) {
        return asking::end(&visitor, taken, NOT_ASKED, &done, printed.output);
    }
    let mut gone_since = None;
    loop {
        let looked = asking::answer(&visitor, &clock, &looked, SLICE).await;
        if !matches!(looked, Ok(None)) {
            return asking::end(&visitor, looked, NOT_LOOKED, &done, printed.output);
        }
        // The next daemon takes the request over.
        if visitor.instance().is_some() {
            gone_since = None;
        } else if clock.now() >= *gone_since.get_or_insert(clock.now()) + COMES_BACK {
            bail!(anyhow::anyhow!("The daemon has ended, and none has started since.").context(NOT_LOOKED));
        } else {
            clock.sleep_until(clock.now() + AGAIN).await;
        }
    }
}

/// How long one wait for the answer lasts before it is seen whether a daemon still runs.
const SLICE: Duration = Duration::from_secs(5);
/// A restart takes less.
const COMES_BACK: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(500);
