//! Checks the accounts that an operator names against those that are known.

use std::collections::BTreeSet;
use std::fmt;

use crate::cli::UsageError;
use crate::position_mode::{AccountName, Scope};

/// An account, or one target of it, as an operator writes it: `desk-main` or `desk-main/USDT-FUTURES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOrScope {
    /// The account.
    pub account: AccountName,
    /// The scope of the one target that is meant; `None`: all that the account has.
    pub scope: Option<Scope>,
}

/// Parses an account, or a target.
pub(super) fn account_or_scope(target: &str) -> Result<AccountOrScope, UsageError> {
    let (account, scope) = match target.split_once('/') {
        Some((account, scope)) => (account, Some(scope)),
        None => (target, None),
    };
    let wrong = |error: &dyn fmt::Display| UsageError(format!("{target:?}: {error}."));
    let scope = scope.map(|scope| scope.parse().map_err(|error| wrong(&error))).transpose()?;
    Ok(AccountOrScope { account: account.parse().map_err(|error| wrong(&error))?, scope })
}

impl fmt::Display for AccountOrScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Some(scope) => write!(out, "{}/{scope}", self.account),
            None => write!(out, "{}", self.account),
        }
    }
}

/// A named account that is not known; the message lists those that are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("There is no account {name} {place}. {}", known_ones(known))]
pub struct UnknownAccount {
    name: AccountName,
    place: &'static str,
    known: Vec<AccountName>,
}

/// Refuses the first name that is not in `known`; `place` says where that was looked up (`in the file`).
pub(super) fn only_known(
    named: &[AccountName],
    known: &BTreeSet<AccountName>,
    place: &'static str,
) -> Result<(), UnknownAccount> {
    match named.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            Err(UnknownAccount { name: name.clone(), place, known: known.iter().cloned().collect() })
        }
    }
}

fn known_ones(known: &[AccountName]) -> String {
    let shown: Vec<&str> = known.iter().take(SHOWN).map(AccountName::as_str).collect();
    match known.len() {
        0 => "None is known yet.".to_owned(),
        all if all > SHOWN => format!("Known: {} and {} more.", shown.join(", "), all - SHOWN),
        _ => format!("Known: {}.", shown.join(", ")),
    }
}

/// At most this many known names are listed.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let names = |all: &[&str]| all.iter().map(|name| name.parse().unwrap()).collect::<Vec<AccountName>>();
        let known: BTreeSet<_> = names(&["desk-b", "desk-a"]).into_iter().collect();
        assert_eq!(only_known(&names(&["desk-a"]), &known, "in the file"), Ok(()));
        let told = only_known(&names(&["desk-a", "desk-x"]), &known, "in the file").unwrap_err().to_string();
        assert_eq!(told, "There is no account desk-x in the file. Known: desk-a, desk-b.");
        let told =
            only_known(&names(&["desk-x"]), &BTreeSet::new(), "in the ledger").unwrap_err().to_string();
        assert_eq!(told, "There is no account desk-x in the ledger. None is known yet.");
        let many: BTreeSet<_> = (0..30).map(|n| format!("desk-{n:02}").parse().unwrap()).collect();
        let told = only_known(&names(&["desk-x"]), &many, "in the file").unwrap_err().to_string();
        assert!(told.ends_with("desk-18, desk-19 and 10 more."), "{told}");
    }
}
