//! Tells what daemons say of their targets, line by line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use posmoded::protocol::{Reason, State};
use posmoded::status::{Status, TargetStatus};
use tokio::time::Instant;

/// Tells what is said of the targets, as often as it is something new.
pub(super) struct Teller {
    pub(super) started: Instant,
    client: reqwest::Client,
    pub(super) last: BTreeMap<String, TargetStatus>,
}

impl Teller {
    pub(super) fn new() -> anyhow::Result<Teller> {
        // An error means that there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Teller { started: Instant::now(), client, last: BTreeMap::new() })
    }

    pub(super) fn say(&self, what: &str) {
        println!("{:>4} s  {what}", self.started.elapsed().as_secs());
    }

    /// The status as the daemon at this address has it.
    pub(super) async fn ask(&self, at: SocketAddr) -> anyhow::Result<Status> {
        let url = format!("http://{at}/api/status");
        Ok(self.client.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Tells what is new in it.
    pub(super) fn hear(&mut self, status: Status) {
        let now = said(status);
        for (name, target) in &now {
            let essence = |target: &TargetStatus| {
                (target.state, target.reason, target.detail.clone(), target.host.clone())
            };
            let is_new = self.last.get(name).is_none_or(|old| essence(old) != essence(target));
            // Before the first look there is nothing to tell, nor of a host that was not heard of yet.
            let is_seen = target.live.is_some();
            if is_new && (is_seen || target.reason.is_some_and(|reason| reason != Reason::Elsewhere)) {
                self.say(&format!("{name:<26} {}", line(target)));
            }
        }
        self.last = now;
    }

    pub(super) fn conclude(&self) {
        if !self.last.is_empty() {
            println!("\nAt the end:");
        }
        for (name, target) in &self.last {
            println!("  {name:<26} {}", line(target));
        }
    }
}

/// What a daemon says of each target; where there are several hosts, with the host of each.
pub(super) fn said(status: Status) -> BTreeMap<String, TargetStatus> {
    let ours = status.host.filter(|_| !status.hosts.is_empty());
    let of_its_host = |mut target: TargetStatus| {
        if target.host.is_none() && !target.is_elsewhere() {
            target.host.clone_from(&ours);
        }
        (format!("{} {}", target.account, target.scope), target)
    };
    status.targets.into_iter().map(of_its_host).collect()
}

/// How a target stands; where there are several hosts, with that of its account in front.
pub(super) fn line(target: &TargetStatus) -> String {
    let desired = target.desired.map_or("not one mode", |mode| mode.as_str());
    let host = target.host.as_ref().map_or_else(String::new, |host| format!("{host:<9} "));
    let say = target.say.as_deref().unwrap_or_default();
    let say = target.host.as_ref().and_then(|host| say.strip_prefix(&format!("On {host}: "))).unwrap_or(say);
    let state = target.state;
    let live = match (&target.live, state) {
        (None, _) => "not looked at yet".to_owned(),
        (Some(live), State::Unknown) => format!("last seen {}", live.mode),
        (Some(live), _) => format!("live {}", live.mode),
    };
    match (target.reason, &target.live) {
        (None, Some(live)) if state == State::InSync => format!("{host}in sync: {}", live.mode),
        (None, _) => format!("{host}{state}: {live}, desired {desired}."),
        (Some(reason), _) => format!("{host}{state}, {reason}: {live}, desired {desired}. {say}"),
    }
}
