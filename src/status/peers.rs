//! How the targets of other hosts stand, where daemons of several hosts work with one ledger.
//!
//! What a living host shows of its targets counts; of one that shows no sign of life nobody knows how they stand now.

use jiff::Timestamp;

use super::{Peers, Status, TargetStatus};
use crate::desired::may_be_one_host;
use crate::facts::Elsewhere;
use crate::position_mode::AccountName;
use crate::protocol::{Need, Reason, State, Wants};

impl Status {
    /// The same with the targets of other hosts as these show them.
    #[must_use]
    pub fn with(mut self, peers: &Peers) -> Status {
        if peers.hosts.is_empty() {
            return self;
        }
        let is_theirs = |account: &AccountName| {
            let mut here = self.targets.iter().filter(|target| target.account == *account);
            here.all(TargetStatus::is_elsewhere)
        };
        let shown: Vec<TargetStatus> = peers
            .targets
            .iter()
            .filter(|target| is_theirs(&target.account))
            .map(|target| peers.as_of_its_host(target.clone()))
            .collect();
        let is_shown = |target: &TargetStatus| shown.iter().any(|other| other.account == target.account);
        let here = std::mem::take(&mut self.targets).into_iter().filter(|target| !is_shown(target));
        let here: Vec<TargetStatus> = here.map(|target| peers.if_its_host_is_there(target)).collect();
        self.targets = here.into_iter().chain(shown).collect();
        self.targets.sort_by(|one, other| (&one.account, one.scope).cmp(&(&other.account, other.scope)));
        self.hosts.clone_from(&peers.hosts);
        self
    }

    /// The same without what the daemon of another host tells itself: of the others' targets those are left that nobody looks
    /// after.
    #[must_use]
    pub fn without_what_others_tell(mut self) -> Status {
        let is_ours = |target: &TargetStatus| target.host.is_none();
        let is_unattended = |target: &TargetStatus| {
            target.reason == Some(Reason::Elsewhere) && target.wants == Some(Wants::Human)
        };
        self.targets.retain(|target| is_ours(target) || is_unattended(target));
        self
    }
}

impl Peers {
    /// What another host says, if it lives; else that nobody looks after it.
    fn as_of_its_host(&self, target: TargetStatus) -> TargetStatus {
        let found = self.hosts.iter().find(|host| Some(&host.host) == target.host.as_ref());
        match found {
            Some(host) if host.lives => {
                let say = target.say.map(|say| format!("On {}: {say}", host.host));
                TargetStatus { say, ..target }
            }
            Some(host) => {
                let how = if host.ended { "has ended" } else { "has shown no sign of life since" };
                let at = host.seen_at;
                let how = if host.ended { format!("{how} at {at}") } else { format!("{how} {at}") };
                unattended(target, &host.host, &format!("and its daemon {how}"), at)
            }
            // It was not seen for a month.
            None => {
                let (host, since) = (target.host.clone().unwrap_or_default(), target.since);
                unattended(target, &host, "and no daemon of that name works with this ledger", since)
            }
        }
    }

    /// A target of another host that does not show it: told if there is no such host.
    fn if_its_host_is_there(&self, target: TargetStatus) -> TargetStatus {
        let Some(Elsewhere { host, here: _ }) = target.given_to().cloned() else { return target };
        if self.hosts.iter().any(|there| may_be_one_host(&host, &there.host)) {
            return target;
        }
        let since = target.since;
        unattended(target, &host, "and no daemon of that name works with this ledger", since)
    }
}

/// Nobody looks after it, since then.
fn unattended(target: TargetStatus, host: &str, why: &str, since: Timestamp) -> TargetStatus {
    let say = format!(
        "The file gives this account to the host {host}, {why}: nobody looks after it. Start posmoded there, or give the account to \
         a host that runs."
    );
    TargetStatus {
        state: State::Unknown,
        reason: Some(Reason::Elsewhere),
        blockers: vec![Reason::Elsewhere],
        wants: Some(Wants::Human),
        need: Some(Need::Now),
        say: Some(say),
        since,
        out_of_sync_since: target.out_of_sync_since.or(Some(since)),
        basis: None,
        ..target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::fixture::{at, target, view};
    use crate::status::HostStatus;

    #[tokio::test]
    async fn of_other_hosts_targets_only_those_are_ours_to_tell_that_nobody_looks_after() {
        let host = |name: &str, lives| HostStatus {
            host: name.to_owned(),
            version: "0.1.0".to_owned(),
            lives,
            ended: false,
            seen_at: at(-40),
            started_at: at(-4000),
            generation: None,
            commit: None,
        };
        let of = |account: &str, name: &str, reason| TargetStatus {
            host: Some(name.to_owned()),
            ..target(account, reason)
        };
        let peers = Peers {
            hosts: vec![host("trade-02", true), host("trade-03", false)],
            targets: vec![
                of("desk-21", "trade-02", Some(Reason::Denied)),
                of("desk-31", "trade-03", None),
                of("desk-32", "trade-03", Some(Reason::NotFlat)),
            ],
        };
        let ours = view().0.status();
        let all = ours.clone().with(&peers);
        assert_eq!(all.targets.len(), ours.targets.len() + 3);
        let told = all.without_what_others_tell();
        let others: Vec<&str> = told
            .targets
            .iter()
            .filter(|target| target.host.is_some())
            .map(|target| target.account.as_str())
            .collect();
        assert_eq!(others, ["desk-31", "desk-32"]);
        assert_eq!(told.targets.len(), ours.targets.len() + 2);
    }
}
