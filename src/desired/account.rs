//! What the file declares, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::facts::{Generation, Policy, Wanted};
use crate::position_mode::{AccountName, Declared, PositionMode, Uid};

/// What the file wants, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// How many sets may leave in any hour, whatever their cause; at least 1.
    pub max_changes: u32,
    /// The accounts by name; never empty.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
}

/// What the file wants of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its position mode: one for everything, or one per product type (at least one).
    pub declared: Declared,
    /// The uid that the key must belong to, if the file gives one.
    pub uid: Option<Uid>,
    /// The only host that may read and set it, if the file names one.
    pub host: Option<String>,
    /// Whether its key was made in demo mode.
    pub demo: bool,
    /// How it is to be kept.
    pub policy: Policy,
}

impl Desired {
    /// The accounts that the file does not assign to a host other than `here`.
    pub fn accounts_of(&self, here: &str) -> BTreeSet<AccountName> {
        let ours = self.accounts.iter().filter(|(_, account)| account.elsewhere(here).is_none());
        ours.map(|(name, _)| name.clone()).collect()
    }
}

impl Account {
    /// What revision `generation` wants of a target of this account whose desired mode is `mode`.
    pub fn wanted(&self, mode: Option<PositionMode>, generation: Generation) -> Wanted {
        Wanted { mode, generation, policy: self.policy.clone() }
    }

    /// The host that the file assigns it to, if that is not `here`.
    pub fn elsewhere(&self, here: &str) -> Option<String> {
        self.host.clone().filter(|host| host != here)
    }
}
