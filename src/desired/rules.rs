//! Our rules for the tree: every key known, every value of its kind and within bounds, all remarks at once.
//!
//! Decides nothing about YAML syntax and nothing about the exchange.

mod account;
mod conditions;
mod entries;
mod settings;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use self::account::Lacking;
use self::entries::{Entry, Rules};
use self::settings::Everywhere;
use super::account::{Account, Desired};
use super::keys::FILE;
use super::problem::{Place, Remark};
use super::scalar::Value;
use super::tree::{Node, Tree};
use crate::position_mode::AccountName;

/// The remarks on a file, and the lines that must not be shown.
pub(super) type Refused = (Vec<Remark>, Vec<RangeInclusive<usize>>);

/// What the tree declares, if there are no remarks on it, `earlier` ones included.
pub(super) fn apply(tree: &Tree, earlier: Vec<Remark>) -> Result<Desired, Refused> {
    let Tree { root, remarks, deep_remarks: _ } = tree;
    let mut rules = Rules { remarks: earlier, hidden: Vec::new() };
    rules.remarks.extend(remarks.iter().cloned());
    let desired = if let Some(root) = root {
        rules.file(root)
    } else {
        rules.remark(Place::START, "the file declares nothing", "begin it with `version: 1`");
        None
    };
    let Rules { remarks, hidden } = rules;
    match desired {
        Some(desired) if remarks.is_empty() => Ok(desired),
        Some(_) | None => Err((remarks, hidden)),
    }
}

impl Rules {
    fn file(&mut self, root: &Node) -> Option<Desired> {
        let entries = self.section(&FILE, root.place, root)?;
        self.version(root.place, entries.get("version"));
        let max_changes = self.max_changes(root.place, entries.get("max_changes"));
        let suspended = self.suspend(entries.get("suspend"));
        let windows = self.windows(entries.get("windows"));
        let defaults = self.defaults(entries.get("defaults"));
        let everywhere = Everywhere { defaults, suspended, windows };
        let accounts = if let Some(entry) = entries.get("accounts") {
            self.accounts(entry, &everywhere)
        } else {
            self.remark(root.place, "`accounts` is missing", "add `accounts:` with at least one account");
            None
        };
        Some(Desired { max_changes: max_changes?, accounts: accounts? })
    }

    fn version(&mut self, file: Place, entry: Option<&Entry<'_>>) {
        match entry.map(|entry| (entry.key.place, entry.value.place, Value::of(entry.value))) {
            None => self.remark(file, "`version` is missing", "add `version: 1`"),
            Some((_, _, Value::Number("1") | Value::Refused)) => {}
            Some((_, at, Value::Number(_))) => {
                self.remark(
                    at,
                    "this version of posmoded reads files of version 1 only",
                    "write `version: 1`",
                );
            }
            Some((key, at, value)) => {
                self.wrong_kind("version", (key, at), value, "the number 1", "version: 1");
            }
        }
    }

    fn max_changes(&mut self, file: Place, entry: Option<&Entry<'_>>) -> Option<u32> {
        let Some(Entry { name, key, value }) = entry.copied() else {
            let remedy =
                "add `max_changes: 3`: at most so many sets in any hour, more of them wait for an approval";
            self.remark(file, "`max_changes` is missing", remedy);
            return None;
        };
        let given = Value::of(value);
        let Value::Number(digits) = given else {
            self.wrong_kind(name, (key.place, value.place), given, "a whole number", "max_changes: 3");
            return None;
        };
        match digits.parse::<u32>() {
            Ok(0) => {
                let remedy = "to change nothing anywhere write `suspend: \"the reason\"` at the top level";
                self.remark(value.place, "`max_changes` is 0", remedy);
                None
            }
            Ok(count) => Some(count),
            Err(_) => {
                let what = "`max_changes` is not a whole number from 1 up";
                self.remark(value.place, what, "write for example `max_changes: 3`");
                None
            }
        }
    }

    fn accounts(
        &mut self,
        Entry { name: _, key, value }: &Entry<'_>,
        everywhere: &Everywhere<'_>,
    ) -> Option<BTreeMap<AccountName, Arc<Account>>> {
        if let Value::List(items) = Value::of(value) {
            self.listed_accounts(value.place, items);
            return None;
        }
        let entries = self.named("under `accounts`", key.place, value)?;
        if matches!(Value::of(value), Value::Map([])) {
            self.remark(
                key.place,
                "`accounts` is empty",
                "declare at least one account; stop the daemon to manage none",
            );
        }
        let mut lacking = Lacking::default();
        let accounts: Vec<Option<(AccountName, Arc<Account>)>> = entries
            .iter()
            .map(|entry| {
                let name = self.account_name(entry);
                let account = self.account(entry, everywhere, &mut lacking);
                Some((name?, Arc::new(account?)))
            })
            .collect();
        if let Some((place, what)) = lacking.told() {
            let remedy = "say what is to be done about it: `drift: correct` or `drift: report`, \
                          under `defaults:` or in the account; there is no built-in default";
            self.remark(place, what, remedy);
        }
        accounts.into_iter().collect()
    }

    fn listed_accounts(&mut self, place: Place, items: &[Node]) {
        let name = name_in(items).map_or_else(|| "desk-main".to_owned(), |name| name.to_string());
        let remedy = format!(
            "write each account's name as a key, `{name}:`, and below it, indented, `position_mode: hedge_mode` and its other \
             keys, without `-`"
        );
        self.remark(place, "under `accounts` there is a list where names with their keys belong", remedy);
    }
}

/// What a list under `accounts` calls its first account, if that is a name that an account can have.
fn name_in(items: &[Node]) -> Option<AccountName> {
    let text = |node: &Node| Value::of(node).text().and_then(|text| text.parse().ok());
    let first = items.first()?;
    let Value::Map(entries) = Value::of(first) else { return text(first) };
    let is_name = |key: &Node| matches!(Value::of(key), Value::Text("name" | "account" | "id"));
    entries.iter().find(|(key, _)| is_name(key)).and_then(|(_, value)| text(value))
}

#[cfg(test)]
mod tests {
    use super::super::keys::{ACCOUNT, DEFAULTS, REQUIREMENT, Section, WINDOW};
    use crate::desired::read;

    /// A good file with one value in place of `{}` there, of a kind that no key has.
    fn with(section: &Section, key: &str) -> String {
        let odd = format!("{key}: [[]]");
        let at = |of: &Section, indent: &str| {
            if of.name == section.name { format!("{indent}{odd}\n") } else { String::new() }
        };
        let unless = |of: &Section, name: &str, text: &str| {
            if of.name == section.name && name == key { String::new() } else { text.to_owned() }
        };
        [
            unless(&super::FILE, "version", "version: 1\n"),
            unless(&super::FILE, "max_changes", "max_changes: 1\n"),
            at(&super::FILE, ""),
            unless(
                &super::FILE,
                "defaults",
                &format!(
                    "defaults:\n{}{}",
                    unless(&DEFAULTS, "drift", "  drift: correct\n"),
                    at(&DEFAULTS, "  ")
                ),
            ),
            unless(
                &super::FILE,
                "windows",
                &format!(
                    "windows:\n  w:\n{}{}{}{}",
                    unless(&WINDOW, "opens", "    opens: \"0 0 22 * * Fri\"\n"),
                    unless(&WINDOW, "lasts", "    lasts: 1h\n"),
                    unless(&WINDOW, "time_zone", "    time_zone: UTC\n"),
                    at(&WINDOW, "    "),
                ),
            ),
            unless(
                &super::FILE,
                "accounts",
                &format!(
                    "accounts:\n  a:\n{}{}{}",
                    unless(&ACCOUNT, "position_mode", "    position_mode: hedge_mode\n"),
                    unless(
                        &ACCOUNT,
                        "require",
                        &if section.name == REQUIREMENT.name {
                            format!("    require:\n      - {odd}\n")
                        } else {
                            "    require:\n      - file_absent: /run/x\n".to_owned()
                        }
                    ),
                    at(&ACCOUNT, "    "),
                ),
            ),
            "...\n".to_owned(),
        ]
        .concat()
    }

    #[test]
    fn every_key_of_every_section_is_read_by_a_rule() {
        for section in [&super::FILE, &DEFAULTS, &ACCOUNT, &WINDOW, &REQUIREMENT] {
            for key in section.keys {
                let text = with(section, key);
                let told = read(text.as_bytes()).err().map(|problems| problems.to_string());
                let line = text.lines().position(|line| line.contains("[[]]")).unwrap() + 1;
                let problems = read(text.as_bytes()).err().map(|problems| problems.0).unwrap_or_default();
                assert!(
                    problems.iter().any(|problem| problem.line == line),
                    "{key} {} is accepted whatever it says: {told:?}\n{text}",
                    section.name
                );
            }
        }
    }
}
