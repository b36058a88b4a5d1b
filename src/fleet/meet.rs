//! Shows the daemons of other hosts how our targets stand, and hears how theirs do, where they work with one ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Fleet;
use super::peers::read;
use crate::keeper::Environment;
use crate::ledger::{LedgerError, Shown};
use crate::position_mode::Target;
use crate::protocol::Reason;

impl<D: Environment> Fleet<D> {
    /// Shows what differs, and takes over what others show; at once after something happened, else every few seconds.
    pub(super) async fn meet_peers(&mut self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        if !self.ledger.is_shared() || self.told_peers.at.is_some_and(|at| now.since(at) < SHOWN_EVERY) {
            return Ok(());
        }
        self.told_peers.at = Some(now);
        let revision = self.in_force.as_ref().map(|in_force| &in_force.revision);
        let in_force = revision.map(|revision| (revision.generation, revision.commit.clone()));
        if let Some((generation, commit)) = in_force.as_ref().filter(|_| in_force != self.told_peers.in_force)
        {
            self.ledger.in_force(*generation, commit.as_deref()).await?;
            self.told_peers.in_force.clone_from(&in_force);
        }
        let ours = self.ours();
        let row = |(target, status): (&Target, &String)| Shown {
            target: target.clone(),
            host: String::new(),
            status: status.clone(),
        };
        let differs =
            |(target, status): &(&Target, &String)| self.told_peers.targets.get(*target) != Some(*status);
        let shown: Vec<Shown> = ours.iter().filter(differs).map(row).collect();
        let is_gone = |(target, _): &(&Target, &String)| !ours.contains_key(*target);
        let gone: Vec<Shown> = self.told_peers.targets.iter().filter(is_gone).map(row).collect();
        if !shown.is_empty() || !gone.is_empty() {
            self.ledger.show(shown, gone).await?;
        }
        self.told_peers.targets = ours;
        let (peers, theirs) = self.ledger.peers().await?;
        self.board.show_peers(read(peers, theirs, self.clock.timestamp(now)));
        Ok(())
    }

    /// Our targets as JSON; not those of which another host tells.
    fn ours(&self) -> BTreeMap<Target, String> {
        let mut ours = BTreeMap::new();
        self.board.see(|_, account| {
            for target in &account.targets {
                let is_ours = target.reason != Some(Reason::Elsewhere);
                if let Some(json) = is_ours.then(|| serde_json::to_string(target).ok()).flatten() {
                    ours.insert(Target { account: target.account.clone(), scope: target.scope }, json);
                }
            }
        });
        ours
    }
}

/// How often at most.
const SHOWN_EVERY: Duration = Duration::from_secs(2);
