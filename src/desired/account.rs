//! What the file declares, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::facts::{Elsewhere, Generation, Policy, Wanted};
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

    /// The host that the file assigns it to, if that is not the one called `here`.
    pub fn elsewhere(&self, here: &str) -> Option<Elsewhere> {
        let host = self.host.as_ref().filter(|host| !may_be_one_host(host, here))?;
        Some(Elsewhere { host: host.clone(), here: here.to_owned() })
    }

    /// What to say where the host that the file assigns it to is taken for the one called `here`, though one of the two names
    /// says more than the other.
    pub fn host_warning(&self, here: &str) -> Option<String> {
        let host = self.host.as_ref().filter(|host| SameHost::of(host, here) == SameHost::ByItsLabel)?;
        Some(format!(
            "The file gives this account to the host {host}, and this one is called {here}: that is taken for the same host. \
             Write `host: {here}`, and see that no other host is called {} too, or both keep the account.",
            label(host)
        ))
    }
}

/// Whether two names may be of one host: one of them may say more than the other.
pub fn may_be_one_host(one: &str, other: &str) -> bool {
    SameHost::of(one, other) != SameHost::No
}

/// Whether two names are one host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameHost {
    Yes,
    /// One is a domain name, and the other its first label: some hosts are called by the one, some by the other.
    ByItsLabel,
    No,
}

impl SameHost {
    /// Case and the dot of the root do not count (RFC 1123, RFC 1034).
    fn of(one: &str, other: &str) -> SameHost {
        let without_root = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let (one, other) = (without_root(one), without_root(other));
        if one == other {
            SameHost::Yes
        } else if label(&one) == other || label(&other) == one {
            SameHost::ByItsLabel
        } else {
            SameHost::No
        }
    }
}

/// The first label of a domain name.
fn label(name: &str) -> &str {
    name.split_once('.').map_or(name, |(label, _)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f74_a_domain_name_is_the_host_of_its_first_label_and_of_no_other_domain() {
        for (one, other, same) in [
            ("trade-01", "trade-01", SameHost::Yes),
            ("Trade-01", "trade-01", SameHost::Yes),
            ("trade-01.example.", "trade-01.example", SameHost::Yes),
            ("trade-01", "trade-01.example", SameHost::ByItsLabel),
            ("trade-01.example.com", "TRADE-01", SameHost::ByItsLabel),
            ("trade-01", "trade-02", SameHost::No),
            ("trade-01", "trade-02.example", SameHost::No),
            ("trade-01", "trade-011", SameHost::No),
            ("trade-01.example", "trade-01.example.com", SameHost::No),
            ("trade-01.east.example", "trade-01.west.example", SameHost::No),
            ("trade-01", "", SameHost::No),
            ("trade-01", "(none)", SameHost::No),
            ("localhost", "trade-01", SameHost::No),
        ] {
            assert_eq!(SameHost::of(one, other), same, "{one} {other}");
            assert_eq!(SameHost::of(other, one), same, "{other} {one}");
        }
    }
}
