//! Looks that operators ask for: handed to the keepers of those accounts alone, and reported done once they have looked.

use std::collections::BTreeMap;

use super::{Fleet, InForce};
use crate::desired::may_be_one_host;
use crate::facts::{Elsewhere, RequestId};
use crate::keeper::Environment;
use crate::ledger::{Directives, LedgerError};
use crate::position_mode::AccountName;
use crate::status::HostStatus;

impl<D: Environment> Fleet<D> {
    /// Takes up new requests, and answers those whose accounts were looked at, or have nobody to look at them.
    pub(super) async fn refresh(&mut self) -> Result<(), LedgerError> {
        let directives = self.directives.borrow().clone();
        self.looking.retain(|request, _| directives.refreshes.contains_key(request));
        for (request, named) in &directives.refreshes {
            if !self.looking.contains_key(request) {
                let everybody = || self.keepers.keys().cloned().collect();
                let whom: Vec<AccountName> = if named.is_empty() { everybody() } else { named.clone() };
                let wanted = whom.into_iter().map(|account| {
                    let count = self.refreshes.entry(account.clone()).or_default();
                    *count += 1;
                    (account, *count)
                });
                let wanted = wanted.collect();
                self.looking.insert(*request, wanted);
                self.to_tell = true;
            }
        }
        for (request, answer) in self.answers(&directives) {
            match answer {
                Answer::Looked => self.ledger.record_looked(request).await?,
                Answer::Nobody(say) => self.ledger.refuse(request, &say).await?,
            }
            self.looking.remove(&request);
        }
        Ok(())
    }

    fn answers(&self, directives: &Directives) -> Vec<(RequestId, Answer)> {
        if self.looking.is_empty() {
            return Vec::new();
        }
        let mut seen = BTreeMap::new();
        self.board.see(|account, status| {
            seen.insert(account.clone(), status.refreshes);
        });
        let answer = |request: &RequestId, wanted: &BTreeMap<AccountName, u64>| {
            let is_seen = |(account, count): (&AccountName, &u64)| seen.get(account) >= Some(count);
            let named = directives.refreshes.get(request).into_iter().flatten();
            let gone = wanted.keys().find(|account| !self.keepers.contains_key(*account));
            let nobody = gone.map(|account| {
                format!("Nobody looks after {account} here: the file does not name it any more.")
            });
            match nobody.or_else(|| named.into_iter().find_map(|account| self.unattended(account))) {
                Some(say) => Some(Answer::Nobody(say)),
                None => wanted.iter().all(is_seen).then_some(Answer::Looked),
            }
        };
        let all = self.looking.iter();
        all.filter_map(|(request, wanted)| Some((*request, answer(request, wanted)?))).collect()
    }

    /// That nobody looks at an account, if it is that of a host whose daemon does not live with this ledger.
    fn unattended(&self, account: &AccountName) -> Option<String> {
        let InForce { desired, .. } = self.in_force.as_ref()?;
        let Elsewhere { host, .. } = desired.accounts.get(account)?.elsewhere(&self.host)?;
        let may_live = |there: &HostStatus| {
            (there.lives || there.unknown_since.is_some()) && may_be_one_host(&host, &there.host)
        };
        (!self.board.peers().hosts.iter().any(may_live)).then(|| {
            format!(
                "The file gives {account} to the host {host}, and no daemon of that name lives with this ledger: nobody looks \
                 at it."
            )
        })
    }
}

/// How a request ends.
enum Answer {
    /// Every account was looked at, or its look failed.
    Looked,
    /// An account has nobody who looks at it, and why.
    Nobody(String),
}
