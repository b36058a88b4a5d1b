//! The plan: all targets that want a change, as a value with a hash that an operator can approve.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::facts::{Cause, Change};
use crate::position_mode::{AccountName, PositionMode, Scope, Target, hex};

/// Targets that want a change, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(pub BTreeSet<PlanEntry>);

/// One target that wants a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlanEntry {
    /// The account's name in the file.
    pub account: AccountName,
    /// What the mode covers.
    pub scope: Scope,
    /// The mode at the exchange.
    pub live: PositionMode,
    /// The mode in the file.
    pub desired: PositionMode,
    /// Why a set is wanted.
    pub cause: Cause,
}

impl PlanEntry {
    /// The entry for a wanted change.
    pub fn new(target: &Target, change: Change) -> PlanEntry {
        let Change { from, to, cause } = change;
        let Target { account, scope } = target.clone();
        PlanEntry { account, scope, live: from, desired: to, cause }
    }
}

impl Plan {
    /// Twelve hex digits of the SHA-256 over the sorted entries: the same changes have the same hash everywhere.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for PlanEntry { account, scope, live, desired, cause } in &self.0 {
            let _ = writeln!(text, "{account} {scope} {live} {desired} {cause}");
        }
        let digest = Sha256::digest(text);
        hex(digest.get(..6).unwrap_or(&digest))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn entry(account: &str, cause: Cause) -> PlanEntry {
        PlanEntry {
            account: account.parse().unwrap(),
            scope: "USDT-FUTURES".parse().unwrap(),
            live: PositionMode::OneWay,
            desired: PositionMode::Hedge,
            cause,
        }
    }

    #[test]
    fn a_hash_names_the_changes_and_their_causes_and_nothing_else() {
        let plan = |entries: &[PlanEntry]| Plan(entries.iter().cloned().collect()).hash();
        let (a, b) = (entry("desk-a", Cause::New), entry("desk-b", Cause::New));
        assert_eq!(plan(&[a.clone(), b.clone()]), plan(&[b.clone(), a.clone()]));
        assert_ne!(plan(&[a.clone(), b]), plan(std::slice::from_ref(&a)));
        assert_ne!(plan(&[a]), plan(&[entry("desk-a", Cause::Drift)]));
        assert_eq!(plan(&[]).len(), 12);
    }
}
