//! Tells what a daemon says of its targets, line by line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use posmoded::status::{Status, TargetStatus};
use tokio::time::Instant;

/// Tells what the daemon says of its targets, as often as it says something new.
pub(super) struct Teller {
    pub(super) started: Instant,
    address: SocketAddr,
    client: reqwest::Client,
    pub(super) last: BTreeMap<String, TargetStatus>,
}

impl Teller {
    pub(super) fn new(address: SocketAddr) -> Teller {
        Teller { started: Instant::now(), address, client: reqwest::Client::new(), last: BTreeMap::new() }
    }

    pub(super) fn say(&self, what: &str) {
        println!("{:>4} s  {what}", self.started.elapsed().as_secs());
    }

    pub(super) async fn listen(&mut self) -> anyhow::Result<()> {
        let url = format!("http://{}/api/status", self.address);
        let status: Status = self.client.get(url).send().await?.error_for_status()?.json().await?;
        let mut now = BTreeMap::new();
        for target in status.targets {
            let name = format!("{} {}", target.account, target.scope);
            let before = self.last.get(&name);
            let said = |target: &TargetStatus| (target.state, target.reason, target.detail.clone());
            let news = before.is_none_or(|old| said(old) != said(&target));
            // Before the first look there is nothing to tell.
            if news && target.live.is_some() {
                self.say(&format!("{name:<26} {}", line(&target)));
            }
            now.insert(name, target);
        }
        self.last = now;
        Ok(())
    }

    pub(super) fn conclude(&self) {
        println!("\nAt the end:");
        for (name, target) in &self.last {
            println!("  {name:<26} {}", line(target));
        }
    }
}

pub(super) fn line(target: &TargetStatus) -> String {
    let live = target.live.as_ref().map_or("unknown", |live| live.mode.as_str());
    let desired = target.desired.map_or("not one mode", |mode| mode.as_str());
    match (target.reason, &target.say) {
        (None, _) => format!("in sync: {live}"),
        (Some(reason), say) => {
            let state = target.state;
            format!(
                "{state}, {reason}: live {live}, desired {desired}. {}",
                say.as_deref().unwrap_or_default()
            )
        }
    }
}
