//! `posmoded pause`: stops all sets, or some accounts', until `resume` or a time.

use std::time::Duration;

use anyhow::Context as _;

use crate::cli::flags::Printed;
use crate::cli::{Common, Exit, UsageError, accounts, asking};
use crate::moment::{span, spell};
use crate::position_mode::AccountName;

/// What `pause` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Why: others read it in the status
    #[arg(long, env = "POSMODED_REASON", hide_env = true, value_name = "TEXT")]
    pub reason: String,
    /// End it by itself after this time, such as 2h [default: it lasts until `posmoded resume`]
    #[arg(long = "for", env = "POSMODED_FOR", hide_env = true, value_name = "TIME", value_parser = span)]
    pub lasting: Option<Duration>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it, 1 when it is written but not acknowledged, or could not be written.
pub async fn pause(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, reason, lasting, printed } = args;
    let reason = one_line(reason).ok_or_else(|| {
        UsageError("Say why: --reason TEXT; others read it in the status and wonder.".to_owned())
    })?;
    let (visitor, clock) = asking::ledger(common).context("Nothing was paused.")?;
    accounts::only_known(accounts, &asking::known(&visitor)?, "in the file or the ledger")?;
    let request = visitor.pause(accounts, &reason, *lasting).context("Nothing was paused.")?;
    let lasts = lasting.map_or_else(String::new, |lasting| format!("for {}, or ", spell(lasting)));
    let ends =
        accounts.iter().fold("posmoded resume".to_owned(), |ends, account| format!("{ends} {account}"));
    let done = format!("{} is paused {lasts}until `{ends}`: {reason}", asking::whom(accounts));
    asking::conclude((&visitor, &clock), &request, "Nothing was paused.", &done, printed.output).await
}

/// The text with control characters as spaces, trimmed; `None` if nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(one_line(" exchange\nmaintenance ").as_deref(), Some("exchange maintenance"));
        assert_eq!(one_line(" \n"), None);
    }
}
