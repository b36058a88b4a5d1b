//! `posmoded close-intent`: ends a set with an unknown outcome that cannot end by itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use crate::cli::accounts::{AccountOrScope, account_or_scope};
use crate::cli::flags::Printed;
use crate::cli::pause::one_line;
use crate::cli::{Common, Exit, UsageError, asking};
use crate::constants::CLOSED_WITHIN;
use crate::facts::Intent;
use crate::position_mode::{AccountName, Scope, Target};

/// What `close-intent` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The account, or one target of it, such as desk-main/USDT-FUTURES
    #[arg(value_name = "ACCOUNT[/SCOPE]")]
    pub target: String,
    /// Why: others read it in the history
    #[arg(long, env = "POSMODED_REASON", hide_env = true, value_name = "TEXT")]
    pub reason: String,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has closed it, 1 when it refused, could not, or does not run.
pub async fn close_intent(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    const NOT_CLOSED: &str = "Nothing was closed.";
    let Args { target, reason, printed } = args;
    let reason = one_line(reason).ok_or_else(|| {
        UsageError("--reason is required: others read it in `posmoded history`.".to_owned())
    })?;
    let AccountOrScope { account, scope } = account_or_scope(target)?;
    let (visitor, clock) = asking::ledger(common).context(NOT_CLOSED)?;
    let target = chosen(&visitor.open_intents().context(NOT_CLOSED)?, &account, scope).context(NOT_CLOSED)?;
    if visitor.instances().context(NOT_CLOSED)?.is_empty() {
        bail!(anyhow::anyhow!(
            "No daemon runs with this ledger, and only a daemon that has watched the set can say that it is over: start \
             it."
        )
        .context(NOT_CLOSED));
    }
    let request = visitor.close_intent(&target, &reason).context(NOT_CLOSED)?;
    let answer = asking::answer(&visitor, &clock, &request, CLOSED_WITHIN).await.context(NOT_CLOSED)?;
    if answer.is_none() && visitor.take_back(&request).context(NOT_CLOSED)? {
        bail!(
            anyhow::anyhow!(
                "The daemon did not answer in time, and the request is taken back: see `posmoded status {account}`."
            )
            .context(NOT_CLOSED)
        );
    }
    let done = format!("The set of {target} is closed, as the mode that was read shows: {reason}");
    asking::conclude((&visitor, &clock), &request, NOT_CLOSED, &done, printed.output).await
}

/// The one target of the account with an open intent.
fn chosen(
    open: &BTreeMap<Target, Intent>,
    account: &AccountName,
    scope: Option<Scope>,
) -> anyhow::Result<Target> {
    let is_meant = |target: &&Target| target.account == *account && scope.is_none_or(|of| of == target.scope);
    let mut meant = open.keys().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(one), Some(other)) => bail!(
            "{account} has more than one set with an unknown outcome: name one, {}/{} or {}/{}.",
            account,
            one.scope,
            account,
            other.scope
        ),
        (None, _) => {
            bail!("There is no set with an unknown outcome for {account}: see `posmoded status {account}`.")
        }
    }
}
