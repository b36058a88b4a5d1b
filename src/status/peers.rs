//! How the targets of other hosts stand, where daemons of several hosts work with one ledger.
//!
//! What a living host shows of its targets counts; of one that shows no sign of life nobody knows how they stand now.

use jiff::{SignedDuration, Timestamp};

use super::{HostStatus, Peers, Status, TargetStatus, seconds};
use crate::constants::LEDGER_AWAY;
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
        let peers = &peers.as_known(self.host.as_deref(), self.now);
        let is_theirs = |account: &AccountName| {
            let mut here = self.targets.iter().filter(|target| target.account == *account);
            here.all(TargetStatus::is_elsewhere)
        };
        let shown: Vec<TargetStatus> = peers
            .targets
            .iter()
            .filter(|target| is_theirs(&target.account))
            .map(|target| peers.as_of_its_host(target.clone(), self.now))
            .collect();
        let is_shown = |target: &TargetStatus| shown.iter().any(|other| other.account == target.account);
        let here = std::mem::take(&mut self.targets).into_iter().filter(|target| !is_shown(target));
        let here: Vec<TargetStatus> =
            here.map(|target| peers.if_its_host_is_there(target, self.now)).collect();
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
    /// What of this is still known at `now` on the host `ours`: of who was read of too long ago, nothing but that it is not known.
    #[must_use]
    pub fn as_known(&self, ours: Option<&str>, now: Timestamp) -> Peers {
        let mut known = self.clone();
        if !self.is_old(now) {
            return known;
        }
        for host in known.hosts.iter_mut().filter(|host| Some(host.host.as_str()) != ours) {
            let last = if host.lives { self.read_at } else { host.seen_at };
            let since = host.unknown_since.unwrap_or(seconds(last));
            *host = HostStatus { lives: false, ended: false, unknown_since: Some(since), ..host.clone() };
        }
        known
    }

    /// Whether the ledger has not been read for so long that it is away.
    fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.read_at) > SignedDuration::try_from(LEDGER_AWAY).unwrap_or_default()
    }

    /// What another host says, if it lives; else that nobody looks after it, if that is known.
    fn as_of_its_host(&self, target: TargetStatus, now: Timestamp) -> TargetStatus {
        let found = self.hosts.iter().find(|host| Some(&host.host) == target.host.as_ref());
        match found {
            Some(host) if host.lives => {
                let say = target.say.map(|say| format!("On {}: {say}", host.host));
                TargetStatus { say, ..target }
            }
            Some(HostStatus { host, unknown_since: Some(since), .. }) => unknown(target, host, *since),
            Some(host) => {
                let how = if host.ended { "has ended" } else { "has shown no sign of life since" };
                let at = host.seen_at;
                let how = if host.ended { format!("{how} at {at}") } else { format!("{how} {at}") };
                unattended(target, &host.host, &format!("and its daemon {how}"), at)
            }
            // It was not seen for a month.
            None => {
                let host = target.host.clone().unwrap_or_default();
                self.is_not_there(target, &host, now)
            }
        }
    }

    /// A target of another host that does not show it: told if there is no such host.
    fn if_its_host_is_there(&self, target: TargetStatus, now: Timestamp) -> TargetStatus {
        let Some(Elsewhere { host, here: _ }) = target.given_to().cloned() else { return target };
        if self.hosts.iter().any(|there| may_be_one_host(&host, &there.host)) {
            return target;
        }
        self.is_not_there(target, &host, now)
    }

    /// There is no such host, if it has not come since it could last be seen.
    fn is_not_there(&self, target: TargetStatus, host: &str, now: Timestamp) -> TargetStatus {
        if self.is_old(now) {
            return unknown(target, host, seconds(self.read_at));
        }
        let since = target.since;
        unattended(target, host, "and no daemon of that name works with this ledger", since)
    }
}

/// Nobody knows here how it stands, since then. What is to be done is told of the ledger itself.
fn unknown(target: TargetStatus, host: &str, since: Timestamp) -> TargetStatus {
    let say = format!(
        "It is not known here since {since} how this account stands on the host {host}: nothing was heard of that host, nor of the \
         ledger's database for long enough to tell by that whether anybody looks after it. See that the database is reached and \
         takes writes, and that the standbys that its commits wait for are there; `posmoded status` on {host} tells."
    );
    TargetStatus {
        state: State::Unknown,
        reason: Some(Reason::Ledger),
        blockers: vec![Reason::Ledger],
        wants: Some(Wants::Itself),
        need: None,
        say: Some(say),
        since,
        out_of_sync_since: target.out_of_sync_since.or(Some(since)),
        basis: None,
        ..target
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
            unknown_since: None,
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
            read_at: at(0),
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

    #[test]
    fn whoever_cannot_see_the_others_calls_none_of_them_dead_and_none_well() {
        let host = |name: &str, lives, ended, unknown_since| HostStatus {
            host: name.to_owned(),
            version: "0.1.0".to_owned(),
            lives,
            ended,
            unknown_since,
            seen_at: at(-40),
            started_at: at(-4000),
            generation: None,
            commit: None,
        };
        let hosts = vec![
            host("trade-01", true, false, None),
            host("trade-02", true, false, None),
            host("trade-03", false, false, None),
            host("trade-04", false, true, None),
            // No commit is acknowledged there: it is silent, as everybody is.
            host("trade-05", false, false, Some(at(-40))),
        ];
        let of = |number: usize| TargetStatus {
            host: Some(format!("trade-0{number}")),
            ..target(&format!("desk-{number}1"), None)
        };
        let peers = Peers { hosts, targets: (2..=6).map(of).collect(), read_at: at(0) };
        let stands = |after: i64| {
            let (view, _) = view();
            let ours = Status { now: at(after), host: Some("trade-01".to_owned()), ..view.status() };
            let all = ours.with(&peers);
            let ours = all.hosts.iter().find(|host| host.host == "trade-01").unwrap();
            assert_eq!((ours.lives, ours.unknown_since), (true, None), "it is this one");
            let told = all.clone().without_what_others_tell();
            let others = all.targets.into_iter().filter(|target| target.host.is_some());
            let stands: Vec<_> = others
                .map(|target| {
                    let is_told = told.targets.iter().any(|told| told.account == target.account);
                    let why = target.reason.map_or_else(|| "well".to_owned(), |why| why.to_string());
                    let since = (target.reason == Some(Reason::Ledger)).then_some(target.since);
                    (why, is_told, since)
                })
                .collect();
            stands
        };
        let away = i64::try_from(LEDGER_AWAY.as_secs()).unwrap();
        let unattended = || ("elsewhere".to_owned(), true, None);
        let unknown = |since| ("ledger".to_owned(), false, Some(at(since)));
        let well = ("well".to_owned(), false, None);
        assert_eq!(stands(away), [well, unattended(), unattended(), unknown(-40), unattended()]);
        // The database cannot be read: whoever was dead may have been started since.
        let all_unknown = [unknown(0), unknown(-40), unknown(-40), unknown(-40), unknown(0)];
        assert_eq!(stands(away + 1), all_unknown);
    }
}
