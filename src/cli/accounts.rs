//! Checks the accounts that an operator names against those that are known.

use std::collections::BTreeSet;

use crate::position_mode::AccountName;

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
