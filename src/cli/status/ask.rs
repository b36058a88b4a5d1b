//! Requests the status from the daemon and derives the exit code from it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::cli::{Common, Exit, accounts, asking};
use crate::position_mode::AccountName;
use crate::serve::Listen;
use crate::status::{Status, TargetStatus};

/// Which accounts, and of which daemon.
#[derive(Debug, Clone, clap::Args)]
pub struct Question {
    /// Only these accounts [default: all]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Where the daemon listens [default: what its lock file in the state directory says]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
}

/// The daemon's status, limited to the accounts asked for.
pub(super) async fn look(question: &Question, common: &Common) -> anyhow::Result<Status> {
    let Question { accounts, listen } = question;
    let at = match listen {
        Some(listen) => listen.clone(),
        None => from_the_lock_file(common)?,
    };
    only(ask(&at).await?, accounts)
}

/// 0 when all is in sync and the newest file in force, 2 when not.
pub(super) fn exit(status: &Status) -> Exit {
    if status.is_all_in_sync() { Exit::DONE } else { Exit::NOT_IN_SYNC }
}

fn from_the_lock_file(common: &Common) -> anyhow::Result<Listen> {
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

pub(super) async fn ask(at: &Listen) -> anyhow::Result<Status> {
    // An error means that a provider is installed already, which is as good.
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

/// A daemon that listens on all addresses is asked on loopback.
fn reachable(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, at.port())
}

pub(super) fn only(status: Status, named: &[AccountName]) -> anyhow::Result<Status> {
    let known: BTreeSet<AccountName> = status.targets.iter().map(|target| target.account.clone()).collect();
    accounts::only_known(named, &known, "at the daemon")?;
    let wanted = |target: &TargetStatus| named.is_empty() || named.contains(&target.account);
    let targets = status.targets.into_iter().filter(wanted).collect();
    Ok(Status { targets, ..status })
}

/// The timeout of a request; the daemon answers from memory.
const ANSWER: Duration = Duration::from_secs(5);
