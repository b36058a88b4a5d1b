//! Our rules over the tree: every key known, every value of its kind and within bounds, all remarks in one go.
//!
//! Decides nothing by itself about YAML and nothing about the exchange.

mod account;
mod conditions;
mod entries;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use self::account::Lacking;
pub(super) use self::account::{LONGEST_HOST, LONGEST_UID};
use super::problem::{Remark, quoted, steers};
use super::scalar::{Bounds, Value, duration};
use super::tree::{Node, Place, Tree};
use super::{Account, Desired};
use crate::facts::DriftPolicy;
use crate::position_mode::AccountName;

/// The remarks on a file, and the lines that are not to be shown.
pub(super) type Refused = (Vec<Remark>, Vec<RangeInclusive<usize>>);

/// What the tree declares, if nothing is to be remarked of it, `earlier` remarks included.
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

/// One mapping with fixed keys.
pub(super) struct Section {
    /// As a message calls it.
    pub(super) name: &'static str,
    /// The keys it may have.
    pub(super) keys: &'static [&'static str],
}

/// One entry of a mapping.
#[derive(Clone, Copy)]
struct Entry<'t> {
    name: &'t str,
    key: &'t Node,
    value: &'t Node,
}

/// A setting as the file gives it.
#[derive(Clone)]
enum Given<T> {
    /// Not at all.
    Absent,
    /// With something wrong that was remarked on.
    Badly,
    /// So.
    As(T),
}

/// What is said outside of the accounts, and counts for them.
struct Everywhere<'t> {
    defaults: Defaults,
    suspended: Given<String>,
    windows: conditions::Declared<'t>,
}

/// What `defaults` says, or may say, for every account.
struct Defaults {
    drift: Given<DriftPolicy>,
    check_every: Given<Duration>,
    settle: Given<Duration>,
}

struct Rules {
    remarks: Vec<Remark>,
    hidden: Vec<RangeInclusive<usize>>,
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

    fn defaults(&mut self, entry: Option<&Entry<'_>>) -> Defaults {
        let entries = match entry {
            None => BTreeMap::new(),
            Some(Entry { name: _, key, value }) => match self.section(&DEFAULTS, key.place, value) {
                Some(entries) => entries,
                None => {
                    return Defaults { drift: Given::Badly, check_every: Given::Badly, settle: Given::Badly };
                }
            },
        };
        self.settings(&entries)
    }

    /// What both `defaults` and an account may say.
    fn settings(&mut self, entries: &BTreeMap<&str, Entry<'_>>) -> Defaults {
        Defaults {
            drift: self.drift(entries.get("drift")),
            check_every: self.duration(entries.get("check_every"), CHECK_EVERY),
            settle: self.duration(entries.get("settle"), SETTLE),
        }
    }

    fn accounts(
        &mut self,
        Entry { name: _, key, value }: &Entry<'_>,
        everywhere: &Everywhere<'_>,
    ) -> Option<BTreeMap<AccountName, Arc<Account>>> {
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

    fn drift(&mut self, entry: Option<&Entry<'_>>) -> Given<DriftPolicy> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let remedy = "write `drift: correct` (set the declared mode again) or `drift: report` (only say so)";
        let given = Value::of(value);
        let Value::Text(word) = given else {
            self.wrong_kind(name, (key.place, value.place), given, "`correct` or `report`", "drift: correct");
            return Given::Badly;
        };
        match word {
            "correct" => return Given::As(DriftPolicy::Correct),
            "report" => return Given::As(DriftPolicy::Report),
            word => self.remark(value.place, format!("{} is no drift policy", quoted(word)), remedy),
        }
        Given::Badly
    }

    fn duration(&mut self, entry: Option<&Entry<'_>>, bounds: Bounds) -> Given<Duration> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let given = Value::of(value);
        if let Value::Text(text) = given {
            match duration(text, bounds) {
                Ok(span) => return Given::As(span),
                Err((what, remedy)) => self.remark(value.place, format!("`{name}` {what}"), remedy),
            }
        } else if let Value::Number(digits) = given {
            let what = format!("`{name}` has no unit");
            self.remark(value.place, what, format!("write `{name}: {digits}s` if seconds are meant"));
        } else {
            let so = format!("{name}: 60s");
            self.wrong_kind(name, (key.place, value.place), given, "a duration", &so);
        }
        Given::Badly
    }

    fn suspend(&mut self, entry: Option<&Entry<'_>>) -> Given<String> {
        let Some(Entry { name: _, key, value }) = entry.copied() else { return Given::Absent };
        let remedy = "give the reason in quotes: `suspend: \"until the risk review is done\"`; \
                      remove the key to let changes go again";
        let (place, what) = match Value::of(value) {
            Value::Refused => return Given::Badly,
            Value::Text(reason) if reason.trim().is_empty() => {
                (value.place, "the reason of `suspend` is empty")
            }
            Value::Text(reason) if reason.trim().contains(|c| c == '\t' || steers(c)) => {
                (value.place, "the reason of `suspend` is more than one line, or has invisible characters")
            }
            Value::Text(reason) if NO_REASONS.contains(&reason.trim().to_lowercase().as_str()) => (
                value.place,
                "`suspend` is no switch: it needs a reason, and suspends whatever the reason is",
            ),
            Value::Text(reason) if reason.chars().count() > LONGEST_REASON => {
                (value.place, "the reason of `suspend` is longer than 200 characters")
            }
            Value::Text(reason) => return Given::As(reason.trim().to_owned()),
            Value::Nothing => (key.place, "`suspend` needs a reason"),
            Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                (value.place, "`suspend` needs a reason as text")
            }
        };
        self.remark(place, what, remedy);
        Given::Badly
    }

    fn remark(&mut self, place: Place, what: impl Into<String>, remedy: impl Into<String>) {
        self.remarks.push(Remark::new(place, what, remedy));
    }

    /// A value of another kind than wanted; of one that is missing the place is that of its key.
    fn wrong_kind(
        &mut self,
        name: &str,
        (key, at): (Place, Place),
        value: Value<'_>,
        wanted: &str,
        so: &str,
    ) {
        let remedy = format!("write `{so}`");
        let name = quoted(name);
        match value {
            Value::Refused => {}
            Value::Nothing => self.remark(key, format!("{name} has no value"), remedy),
            Value::Text(text) if !text.contains('\n') => {
                self.remark(at, format!("{name} is the text {}, not {wanted}", quoted(text)), remedy);
            }
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.remark(at, format!("{name} is {}, not {wanted}", value.name()), remedy);
            }
        }
    }
}

impl<T: Clone> Given<T> {
    /// This, else `other`.
    fn or(&self, other: &Given<T>) -> Given<T> {
        match self {
            Given::Absent => other.clone(),
            Given::Badly | Given::As(_) => self.clone(),
        }
    }

    /// The value, if there is a good one; a bad one has its remark, for which the whole file is refused.
    fn if_given(self) -> Option<T> {
        match self {
            Given::Absent | Given::Badly => None,
            Given::As(value) => Some(value),
        }
    }

    /// The value, if there is a good one or, with none given, a built-in one.
    fn unless_given(self, built_in: T) -> Option<T> {
        match self {
            Given::Absent => Some(built_in),
            Given::Badly => None,
            Given::As(value) => Some(value),
        }
    }
}

pub(super) const FILE: Section = Section {
    name: "at the top level",
    keys: &["version", "max_changes", "defaults", "suspend", "windows", "accounts"],
};
pub(super) const DEFAULTS: Section =
    Section { name: "under `defaults`", keys: &["drift", "check_every", "settle"] };
pub(super) const ACCOUNT: Section = Section {
    name: "in an account",
    keys: &[
        "uid",
        "host",
        "position_mode",
        "demo",
        "drift",
        "check_every",
        "settle",
        "suspend",
        "windows",
        "require",
    ],
};
pub(super) const WINDOW: Section = Section { name: "in a window", keys: &["opens", "lasts", "time_zone"] };
pub(super) const REQUIREMENT: Section =
    Section { name: "in a requirement", keys: &["unit_inactive", "file_absent"] };

/// Below, two looks at 200 targets would not fit into a host's budget of requests; above, drift goes unseen for hours.
const CHECK_EVERY: Bounds =
    Bounds { least: Duration::from_secs(5), most: Duration::from_secs(3600), such_as: "`60s` or `5m`" };
/// 0 says that one flat verdict is enough; an account that is never flat for a whole day would wait for ever.
const SETTLE: Bounds =
    Bounds { least: Duration::ZERO, most: Duration::from_secs(24 * 3600), such_as: "`0s`, `5m` or `1h 30m`" };
/// Who writes `suspend: no` means the opposite of what it would do.
pub(super) const NO_REASONS: [&str; 9] = ["yes", "no", "on", "off", "y", "n", "true", "false", "none"];
/// A reason stands in one line of a log and one cell of a table.
pub(super) const LONGEST_REASON: usize = 200;
