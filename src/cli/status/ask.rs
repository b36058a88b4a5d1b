//! Requests the status from the daemon and derives the exit code from it.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};

use super::of_hosts::of_hosts;
use crate::cli::{Common, Exit, accounts, over_http};
use crate::clock::Clock;
use crate::ledger::{Home, Instance, Visitor};
use crate::position_mode::AccountName;
use crate::serve::Listen;
use crate::status::Status;

/// Which accounts, and of which daemon.
#[derive(Debug, Clone, clap::Args)]
pub struct Question {
    /// Only these accounts [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Where the daemon listens [default: what the ledger at --state says]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
}

/// The daemon's status, limited to the accounts asked for, and what to say of how it was asked.
pub(in crate::cli) async fn look(
    question: &Question,
    common: &Common,
) -> anyhow::Result<(Status, Option<String>)> {
    let Question { accounts, listen } = question;
    let (at, say) = match listen {
        Some(listen) => (listen.clone(), None),
        None => match from_the_ledger(common)? {
            Source::At(listen, say) => (listen, say),
            Source::Hosts(status, say) => return Ok((only(*status, accounts)?, Some(say))),
        },
    };
    let status = match &say {
        Some(say) => ask(&at).await.with_context(|| say.clone()),
        None => ask(&at).await,
    };
    Ok((only(status?, accounts)?, say))
}

/// 0 when all is in sync and the newest file in force, 2 when not.
pub(super) fn exit(status: &Status) -> Exit {
    if status.is_all_in_sync() { Exit::DONE } else { Exit::NOT_IN_SYNC }
}

/// Who tells.
enum Source {
    /// The daemon that listens there, and what to say of how it was found.
    At(Listen, Option<String>),
    /// The daemons of other hosts, in the ledger that they share.
    Hosts(Box<Status>, String),
}

fn from_the_ledger(common: &Common) -> anyhow::Result<Source> {
    let (home, clock) = (common.ledger()?, Clock::machine());
    let found = Visitor::open(&home, clock.clone()).and_then(|visitor| {
        let found = visitor.instances()?;
        Ok((visitor, found))
    });
    let (visitor, found) = match found {
        Ok(found) => found,
        Err(error) => match over_http::instead(&error, &home, None) {
            Some((at, say)) => return Ok(Source::At(at, Some(say))),
            None => return Err(over_http::or_at_its_address(error)),
        },
    };
    let host = common.host().now();
    // While no sign of life gets into the database, everybody is silent there: then our own is asked, and answers or not.
    let silent = if found.is_empty() { visitor.last_known(&common.host().now())? } else { None };
    if let Some(at) = silent.and_then(|daemon| daemon.listen) {
        let say = format!(
            "No daemon has shown a sign of life in the ledger {home} lately, so that of this host is asked: either it has ended, \
             or the database acknowledges no commit."
        );
        return Ok(Source::At(at.parse()?, Some(say)));
    }
    let ours = |daemon: &&Instance| home.directory().is_some() || daemon.host.as_ref() == Some(&host);
    let Some(daemon) = found.iter().find(ours).or(found.first()) else {
        let at = match home {
            Home::Directory(_) => "state directory",
            Home::Server(_) => "ledger in",
        };
        bail!(
            "No daemon runs with the {at} {home}, so none looks after its accounts: start posmoded, or say where it is with \
             --state or --listen."
        );
    };
    if let (Home::Server(_), Some(host)) = (&home, &daemon.host)
        && *host != common.host().now()
    {
        let say = format!(
            "No daemon runs on this host: this is what those of others show in their ledger {home}, such as that of {host}."
        );
        return Ok(Source::Hosts(Box::new(of_hosts(&visitor, &clock)?), say));
    }
    match &daemon.listen {
        Some(listen) => Ok(Source::At(listen.parse()?, None)),
        None => Ok(Source::At(Listen::Nowhere, None)),
    }
}

pub(super) async fn ask(at: &Listen) -> anyhow::Result<Status> {
    over_http::get(at, "/api/status", "how the accounts stand").await
}

/// What concerns the named accounts alone; what concerns everything or the daemon itself concerns them, too.
pub(super) fn only(mut status: Status, named: &[AccountName]) -> anyhow::Result<Status> {
    let known: BTreeSet<AccountName> = status.targets.iter().map(|target| target.account.clone()).collect();
    accounts::only_known(named, &known, "at the daemon")?;
    if named.is_empty() {
        return Ok(status);
    }
    // Whoever else is of the plan says the same of it without standing here.
    let told =
        status.held.iter().flat_map(|held| &held.plan.0).filter(|entry| status.is_told_by_its_target(entry));
    let told = told.cloned().collect();
    if let Some(held) = &mut status.held {
        held.told = told;
    }
    status.targets.retain(|target| named.contains(&target.account));
    status.paused_accounts.retain(|account, _| named.contains(account));
    // An approval lets all of a plan go, so that it is told whole or not at all.
    status.held = status.held.filter(|held| held.plan.0.iter().any(|entry| named.contains(&entry.account)));
    status.warnings.retain(|warning| warning.account.as_ref().is_none_or(|of| named.contains(of)));
    status.account_settings.retain(|account, _| named.contains(account));
    Ok(status)
}
