//! What the daemon answers at its address: for whoever may not read the state directory, and for the status.
//!
//! The address is of this host, and nothing is asked through a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;

use crate::ledger::{Home, VisitError};
use crate::serve::Listen;

/// Asks the daemon at its address for a path of its API. `unknown` is what is not known without an answer.
pub(super) async fn get<T: DeserializeOwned>(at: &Listen, path: &str, unknown: &str) -> anyhow::Result<T> {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(ANSWER);
    let (client, url) = match at {
        Listen::At(address) => (client, format!("http://{}{path}", reachable(*address))),
        Listen::Unix(socket) => (client.unix_socket(socket.as_path()), format!("http://localhost{path}")),
        Listen::Nowhere => bail!(
            "The daemon, or an `apply` under way, listens nowhere (--listen none), so nobody can ask it: see `posmoded \
             history` for what was done, and its log."
        ),
    };
    let client = client.build()?;
    let no_answer = || {
        format!(
            "There is no answer from a daemon at {at}, so {unknown} is not known here: is posmoded running, and is this its \
             address? `posmoded history` tells what was done."
        )
    };
    let answer = client.get(url).send().await.with_context(no_answer)?;
    if !answer.status().is_success() {
        bail!(
            "What listens at {at} answered {}, so {unknown} is not known here: that is not posmoded, or not this version. \
             Write its own address after --listen.",
            answer.status()
        );
    }
    let body = answer.bytes().await.with_context(no_answer)?;
    serde_json::from_slice(&body).with_context(|| {
        format!(
            "What listens at {at} gave an answer that this version does not understand, so {unknown} is not known here: use \
             the posmoded that the daemon is."
        )
    })
}

/// Where to ask whoever may not read the state directory, or has none and an address, and what to say of it; `None` if
/// something else is wrong.
pub(super) fn instead(error: &VisitError, home: &Home, listen: Option<&Listen>) -> Option<(Listen, String)> {
    match (error, listen) {
        (VisitError::Ledger(error), _) if error.is_denied() => {
            let at = listen.cloned().unwrap_or(Listen::At(DEFAULT));
            let say = format!(
                "This user may not read the state directory {home}, so the daemon at {at} is asked (--listen names another)."
            );
            Some((at, say))
        }
        (VisitError::Ledger(error), _) => {
            let said = error.unreachable_because()?;
            let at = listen.cloned().unwrap_or(Listen::At(DEFAULT));
            let say = format!(
                "The ledger's database {home} cannot be used from here ({said}), so the daemon at {at} is asked (--listen names \
                 another)."
            );
            Some((at, say))
        }
        (VisitError::NoLedger { .. }, Some(at @ (Listen::At(_) | Listen::Unix(_)))) => {
            let say = format!("There is no ledger in {home}, so the daemon at {at} is asked.");
            Some((at.clone(), say))
        }
        (VisitError::NoLedger { .. } | VisitError::Newer(_) | VisitError::Older { .. }, _) => None,
    }
}

/// The same error; where there is no ledger it ends with who else may know.
pub(super) fn or_at_its_address(error: VisitError) -> anyhow::Error {
    match error {
        error @ VisitError::NoLedger { .. } => {
            anyhow::anyhow!("{error} Or say where it listens: --listen ADDR.")
        }
        error @ (VisitError::Newer(_) | VisitError::Older { .. } | VisitError::Ledger(_)) => error.into(),
    }
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

/// Where `run` listens unless it is told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9848);
/// The timeout of a request; the daemon answers from memory, or with a read of its ledger.
const ANSWER: Duration = Duration::from_secs(5);
