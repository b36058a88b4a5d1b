//! The key in each account's file: two files with one key are two names for one account.

use std::collections::{BTreeMap, BTreeSet};

use crate::position_mode::{AccountName, KeyId};

/// The key of each account, as last read from its file.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: BTreeMap<AccountName, KeyId>,
    holders: BTreeMap<KeyId, BTreeSet<AccountName>>,
}

impl Keyring {
    /// Records the key in an account's file; `None` if it holds no usable key.
    fn put(&mut self, account: &AccountName, key: Option<KeyId>) {
        if let Some(before) = self.keys.remove(account)
            && let Some(holders) = self.holders.get_mut(&before)
        {
            holders.remove(account);
        }
        if let Some(key) = key {
            self.keys.insert(account.clone(), key.clone());
            self.holders.entry(key).or_default().insert(account.clone());
        }
    }

    /// Records the key of a file just read; rereads the files recorded with the same key until one proves to hold it.
    pub fn opened(
        &mut self,
        account: &AccountName,
        key: Option<KeyId>,
        key_of: impl Fn(&AccountName) -> Option<KeyId>,
    ) {
        self.put(account, key);
        while let Some(other) = self.shares_with(account).cloned() {
            self.put(&other, key_of(&other));
            if self.shares_with(account) == Some(&other) {
                break;
            }
        }
    }

    /// Rereads the files of these accounts, and forgets all others.
    pub fn replace(
        &mut self,
        accounts: &BTreeSet<AccountName>,
        key_of: impl Fn(&AccountName) -> Option<KeyId>,
    ) {
        *self = Keyring::default();
        for account in accounts {
            self.put(account, key_of(account));
        }
    }

    /// The first of the other accounts whose file holds the same key.
    pub fn shares_with(&self, account: &AccountName) -> Option<&AccountName> {
        self.holders.get(self.keys.get(account)?)?.iter().find(|other| *other != account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> AccountName {
        name.parse().unwrap()
    }

    #[test]
    fn f56_two_files_with_one_key_are_found_from_both_sides() {
        let mut ring = Keyring::default();
        let all = BTreeSet::from(["a", "b", "c", "d"].map(name));
        ring.replace(&all, |account| match account.as_str() {
            "a" | "c" => Some(KeyId::of("one")),
            "b" => Some(KeyId::of("two")),
            _ => None,
        });
        let shares = |ring: &Keyring, of: &str| ring.shares_with(&name(of)).map(ToString::to_string);
        assert_eq!(shares(&ring, "a").as_deref(), Some("c"));
        assert_eq!(shares(&ring, "c").as_deref(), Some("a"));
        assert_eq!((shares(&ring, "b"), shares(&ring, "d")), (None, None));
        // Rereading one of the two files rereads the other one, too.
        ring.opened(&name("a"), Some(KeyId::of("one")), |_| Some(KeyId::of("one")));
        assert_eq!(shares(&ring, "c").as_deref(), Some("a"));
        ring.opened(&name("a"), Some(KeyId::of("one")), |_| Some(KeyId::of("three")));
        ring.opened(&name("d"), Some(KeyId::of("two")), |_| Some(KeyId::of("two")));
        assert_eq!((shares(&ring, "a"), shares(&ring, "b").as_deref()), (None, Some("d")));
        ring.opened(&name("d"), None, |_| None);
        assert_eq!(shares(&ring, "b"), None);
    }
}
