//! `posmoded status`: what the daemon knows, asked over HTTP where it listens. Says nothing of its own.

mod watch;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::FalseyValueParser;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, asking, print, rows};
use crate::position_mode::{AccountName, Scope};
use crate::protocol::PlanEntry;
use crate::serve::Listen;
use crate::status::{Config, Held, Paused, Status, TargetStatus, Warning, short};

/// What `status` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Where the daemon listens [default: what its lock file in the state directory says]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
    /// Show it again and again, until Ctrl-C; without a terminal, whenever something has changed
    #[arg(long, env = "POSMODED_WATCH", hide_env = true, value_parser = FalseyValueParser::new())]
    pub watch: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 all in sync and the newest file in force, 2 not, 1 no answer.
pub async fn status(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    if args.watch {
        return watch::watch(args, common).await;
    }
    let status = look(args, common).await?;
    match args.printed.output {
        Output::Table => print::text(&rows::painted(&render(&status)))?,
        Output::Json => print::json(&status)?,
    }
    Ok(exit(&status))
}

/// What the daemon says of whom was asked for.
async fn look(args: &Args, common: &Common) -> anyhow::Result<Status> {
    let Args { accounts, listen, watch: _, printed: _ } = args;
    let at = match listen {
        Some(listen) => listen.clone(),
        None => told_by_the_lock_file(common)?,
    };
    only(ask(&at).await?, accounts)
}

fn told_by_the_lock_file(common: &Common) -> anyhow::Result<Listen> {
    let (visitor, _) = asking::ledger(common)?;
    let Some(daemon) = visitor.instance() else {
        bail!(
            "No daemon runs with the state directory {}, so none looks after its accounts: start posmoded, or say where it \
             is with --state or --listen.",
            common.state_dir()?.display()
        );
    };
    match daemon.listen {
        Some(listen) => Ok(listen.parse()?),
        None => Ok(Listen::Nowhere),
    }
}

async fn ask(at: &Listen) -> anyhow::Result<Status> {
    // An error says that somebody installed one before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(ANSWER);
    let (client, url) = match at {
        Listen::At(address) => (client, format!("http://{}/api/status", reachable(*address))),
        Listen::Unix(path) => (client.unix_socket(path.as_path()), "http://localhost/api/status".to_owned()),
        Listen::Nowhere => bail!(
            "The daemon, or an `apply` under way, listens nowhere (--listen none), so nobody can ask it: see `posmoded \
             history` for what was done, and its log."
        ),
    };
    let client = client.build()?;
    let no_answer = || {
        format!(
            "There is no answer from a daemon at {at}, so how the accounts stand is not known here: is posmoded running, \
             and is this its address? `posmoded history` tells what was done."
        )
    };
    let answer = client.get(url).send().await.with_context(no_answer)?;
    if !answer.status().is_success() {
        bail!(
            "What listens at {at} answered {}, so how the accounts stand is not known here: that is not posmoded, or not \
             this version. Write its own address after --listen.",
            answer.status()
        );
    }
    let body = answer.bytes().await.with_context(no_answer)?;
    serde_json::from_slice(&body).with_context(|| {
        format!(
            "What listens at {at} gave an answer that this version does not understand, so how the accounts stand is not \
             known here: use the posmoded that the daemon is."
        )
    })
}

/// A daemon that listens everywhere is asked here.
fn reachable(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, at.port())
}

fn only(status: Status, named: &[AccountName]) -> anyhow::Result<Status> {
    let known: BTreeSet<AccountName> = status.targets.iter().map(|target| target.account.clone()).collect();
    accounts::only_known(named, &known, "at the daemon")?;
    let wanted = |target: &TargetStatus| named.is_empty() || named.contains(&target.account);
    let targets = status.targets.into_iter().filter(wanted).collect();
    Ok(Status { targets, ..status })
}

fn exit(status: &Status) -> Exit {
    if status.is_all_in_sync() { Exit::DONE } else { Exit::NOT_IN_SYNC }
}

fn render(status: &Status) -> String {
    let Status { schema: _, version: _, now, paused, paused_accounts, config, held, targets, warnings } =
        status;
    let table = rows::table(
        ["account", "scope", "desired", "live", "state", "reason", "since"],
        targets.iter().map(|target| {
            [
                target.account.to_string(),
                target.scope.to_string(),
                rows::mode(target.desired),
                rows::mode(target.live.as_ref().map(|live| live.mode)),
                target.state.to_string(),
                rows::or_dash(target.reason),
                rows::age(target.since, *now),
            ]
        }),
    );
    let what = sentences(targets);
    let paused = paused.iter().map(|Paused { reason, since, until }| {
        let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
        let since = rows::age(*since, *now);
        format!("Everything was PAUSED {since} ago, {until}until `posmoded resume`: {reason}")
    });
    let paused_accounts = paused_accounts.iter().map(|(account, Paused { reason, since, until })| {
        let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
        let since = rows::age(*since, *now);
        format!("{account} was PAUSED {since} ago, {until}until `posmoded resume {account}`: {reason}")
    });
    let Config { generation, commit, loaded_at, problem, next, sha256: _ } = config;
    let commit = commit.iter().map(|commit| format!(" ({})", short(commit)));
    let accepted = loaded_at.iter().map(|at| format!(", accepted {} ago", rows::age(*at, *now)));
    let next = next.iter().map(|next| format!(" Revision {} is being taken up.", next.0));
    let revision = format!(
        "Revision {}{}{}.{}",
        generation.0,
        commit.collect::<String>(),
        accepted.collect::<String>(),
        next.collect::<String>()
    );
    let problem = problem.iter().map(|problem| {
        format!("The newest content of the file is REFUSED, and nothing is changed until that is mended: {problem}")
    });
    let held = held.iter().map(render_held);
    let warned = warnings.iter().map(|Warning { account, say }| format!("{account}: {say}"));
    let below: Vec<String> = what
        .into_iter()
        .chain(warned)
        .chain(paused)
        .chain(paused_accounts)
        .chain(held)
        .chain(problem)
        .chain([revision])
        .collect();
    format!("{table}\n{}\n", below.join("\n"))
}

/// One sentence per target that is not in sync; targets of one account that say the same say it together.
pub(super) fn sentences(targets: &[TargetStatus]) -> Vec<String> {
    let mut said: Vec<(&AccountName, &str, Vec<Scope>)> = Vec::new();
    for target in targets {
        let Some(say) = target.say.as_deref() else { continue };
        match said.iter_mut().find(|(account, before, _)| *account == &target.account && *before == say) {
            Some((_, _, scopes)) => scopes.push(target.scope),
            None => said.push((&target.account, say, vec![target.scope])),
        }
    }
    let spelled = |scopes: &[Scope]| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    said.iter().map(|(account, say, scopes)| format!("{account} {}: {say}", spelled(scopes))).collect()
}

pub(super) fn render_held(Held { hash, plan }: &Held) -> String {
    let waits = rows::counted(plan.0.len(), "change waits", "changes wait");
    let entries = plan.0.iter().map(|PlanEntry { account, scope, live, desired, cause }| {
        format!("\n  {account} {scope}: {live} -> {desired} ({cause})")
    });
    format!("{waits} for `posmoded approve {hash}`:{}", entries.collect::<String>())
}

/// The daemon answers from memory.
const ANSWER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
