//! What the file declares, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::facts::{Generation, Policy, Wanted};
use crate::position_mode::{AccountName, Declared, Kind, PositionMode, Uid, targets};

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

impl Desired {
    /// What to say if looks as often as `check_every` wants take more than `budget` requests a second: how late they come.
    /// Every account counts as a classic one, which has the most targets; those that the file gives to another host than
    /// `here` do not count.
    pub fn over_budget(&self, here: Option<&str>, budget: NonZeroU32) -> Option<String> {
        let ours = |account: &&Arc<Account>| here.is_none_or(|here| account.elsewhere(here).is_none());
        let mut all = 0;
        let mut wanted = 0.0;
        for account in self.accounts.values().filter(ours) {
            let count =
                u32::try_from(targets(&account.declared, Some(Kind::Classic)).len()).unwrap_or(u32::MAX);
            all += count;
            wanted += f64::from(count) / account.policy.check_every.as_secs_f64();
        }
        let factor = wanted / f64::from(budget.get());
        // Less is only the rounding of the sum.
        (factor > 1.0 + 1e-6).then(|| {
            format!(
                "To compare {all} targets as often as `check_every` says takes {wanted:.1} requests a second, and the budget \
                 is {budget} (--requests-per-second): each look comes later, after {factor:.1} times its interval. Write a \
                 longer `check_every`, or spread the accounts over hosts."
            )
        })
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
