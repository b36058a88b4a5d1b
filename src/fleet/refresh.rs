//! Looks that operators ask for: handed to the keepers of those accounts alone, and reported done once they have looked.

use std::collections::BTreeMap;

use super::Fleet;
use crate::facts::RequestId;
use crate::keeper::Environment;
use crate::ledger::LedgerError;
use crate::position_mode::AccountName;

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
        for (request, answer) in self.answers() {
            match answer {
                Answer::Looked => self.ledger.record_looked(request).await?,
                Answer::Nobody(account) => {
                    let say =
                        format!("Nobody looks after {account} here: the file does not name it any more.");
                    self.ledger.refuse(request, &say).await?;
                }
            }
            self.looking.remove(&request);
        }
        Ok(())
    }

    fn answers(&self) -> Vec<(RequestId, Answer)> {
        if self.looking.is_empty() {
            return Vec::new();
        }
        let mut seen = BTreeMap::new();
        self.board.see(|account, status| {
            seen.insert(account.clone(), status.refreshes);
        });
        let answer = |wanted: &BTreeMap<AccountName, u64>| {
            let gone = wanted.keys().find(|account| !self.keepers.contains_key(*account));
            let is_seen = |(account, count): (&AccountName, &u64)| seen.get(account) >= Some(count);
            match gone {
                Some(account) => Some(Answer::Nobody(account.clone())),
                None => wanted.iter().all(is_seen).then_some(Answer::Looked),
            }
        };
        let all = self.looking.iter();
        all.filter_map(|(request, wanted)| Some((*request, answer(wanted)?))).collect()
    }
}

/// How a request ends.
enum Answer {
    /// Every account was looked at, or its look failed.
    Looked,
    /// This account has no keeper.
    Nobody(AccountName),
}
