//! The remarks so far, and the entries of a mapping: known or not, repeated or not, fit to be shown or not.
//!
//! Checks keys only; the values are read elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::desired::foreign::{self, Means};
use crate::desired::keys::{ACCOUNT, DEFAULTS, FILE, REQUIREMENT, Section, WINDOW};
use crate::desired::problem::{Place, Remark, quoted};
use crate::desired::scalar::Value;
use crate::desired::secret;
use crate::desired::tree::{Content, Node};
use crate::desired::word;
use crate::position_mode::{PositionMode, ProductType};

/// One entry of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) name: &'t str,
    pub(super) key: &'t Node,
    pub(super) value: &'t Node,
}

/// A setting as the file gives it.
#[derive(Clone)]
pub(super) enum Given<T> {
    /// It is not given.
    Absent,
    /// It is given wrongly, and that has its remark.
    Badly,
    /// It is given with this value.
    As(T),
}

/// All rules are methods of this; each adds its remarks.
pub(super) struct Rules {
    pub(super) remarks: Vec<Remark>,
    pub(super) hidden: Vec<RangeInclusive<usize>>,
}

impl Rules {
    pub(super) fn remark(&mut self, place: Place, what: impl Into<String>, remedy: impl Into<String>) {
        self.remarks.push(Remark::new(place, what, remedy));
    }

    /// Remarks on a value of the wrong kind; for a missing value the place is that of its key.
    pub(super) fn wrong_kind(
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

    /// The entries of a mapping with fixed keys; every other key gets a remark and is left out.
    pub(super) fn section<'t>(
        &mut self,
        section: &Section,
        key: Place,
        node: &'t Node,
    ) -> Option<BTreeMap<&'t str, Entry<'t>>> {
        let entries = self.mapping(section.name, key, node)?;
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name).collect();
        let known = entries
            .into_iter()
            .filter_map(|entry| {
                let meant = self.known(section, &entry)?;
                // A misspelt key counts as the one meant unless that is there, too: so it is not reported as missing.
                (meant.name == entry.name || !names.contains(meant.name)).then_some(meant)
            })
            .collect();
        Some(self.once(known).into_iter().map(|entry| (entry.name, entry)).collect())
    }

    /// The entries of a mapping whose keys are names, such as `accounts`.
    pub(super) fn named<'t>(&mut self, within: &str, key: Place, node: &'t Node) -> Option<Vec<Entry<'t>>> {
        let entries = self.mapping(within, key, node)?;
        let is_mapping = |entry: &Entry<'t>| matches!(entry.value.content, Content::Map(_));
        let entries =
            entries.into_iter().filter(|entry| is_mapping(entry) || !self.refuses_secret(entry)).collect();
        Some(self.once(entries))
    }

    /// The entries of a mapping in their order, as far as their keys are plain words.
    pub(super) fn mapping<'t>(&mut self, within: &str, key: Place, node: &'t Node) -> Option<Vec<Entry<'t>>> {
        let entries = match Value::of(node) {
            Value::Map(entries) => entries,
            Value::Refused => return None,
            Value::Nothing => {
                self.remark(
                    key,
                    format!("there is nothing {within}"),
                    "write its keys below it, indented by two spaces",
                );
                return None;
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_)) => {
                let what = format!("{within} there is {} where keys with values belong", other.name());
                self.remark(node.place, what, "write `key: value` lines, without `-` before them");
                return None;
            }
        };
        Some(entries.iter().filter_map(|(key, value)| self.entry(key, value)).collect())
    }

    fn entry<'t>(&mut self, key: &'t Node, value: &'t Node) -> Option<Entry<'t>> {
        match &key.content {
            Content::Scalar { text, plain: true } if text == "<<" => {
                let remedy = "write the keys out here, or put what all accounts share under `defaults`";
                self.remark(key.place, "YAML merge keys (`<<`) are refused", remedy);
                None
            }
            Content::Scalar { text, plain: _ } => Some(Entry { name: text, key, value }),
            Content::Refused => None,
            Content::List(_) | Content::Map(_) => {
                self.remark(
                    key.place,
                    "here a key is itself a list or a mapping",
                    "write a plain word as the key",
                );
                None
            }
        }
    }

    /// The first entry of each name; repeated ones get a remark.
    pub(super) fn once<'t>(&mut self, entries: Vec<Entry<'t>>) -> Vec<Entry<'t>> {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        let mut kept = Vec::new();
        for entry in entries {
            let place = entry.key.place;
            if let Some(earlier) = first.get(entry.name) {
                let what = format!("{} stands twice: here and in line {}", quoted(entry.name), earlier.line);
                self.remark(place, what, "keep one of the two");
            } else {
                first.insert(entry.name, place);
                kept.push(entry);
            }
        }
        kept
    }

    /// The entry under the section's key that it has or was meant to have; any key but an exact one gets a remark.
    fn known<'t>(&mut self, section: &Section, entry: &Entry<'t>) -> Option<Entry<'t>> {
        let Section { name: within, keys } = section;
        let Entry { name, key, value } = entry;
        if keys.contains(name) {
            return Some(*entry);
        }
        if self.refuses_secret(entry) {
            return None;
        }
        let as_key = |meant: &'static str| Some(Entry { name: meant, ..*entry });
        let elsewhere = places(name);
        let foreign = foreign::key(within, name);
        let (remedy, meant) = if !elsewhere.is_empty() {
            (format!("write it {}", elsewhere.join(" or ")), None)
        } else if let Some(foreign) = foreign {
            let (remedy, meant) = instead(section, foreign, value);
            // A mode alone is told of with its key, and needs no remark of its own.
            let told = meant == Some("position_mode") && !matches!(Value::of(value), Value::Map(_));
            let value = if told { &TOLD } else { *value };
            (remedy, meant.map(|name| Entry { name, key, value }))
        } else if let Some(meant) = word::meant(name, keys) {
            (format!("did you mean `{meant}`?"), as_key(meant))
        } else {
            (format!("remove it; known here: {}", keys.join(", ")), None)
        };
        self.remark(key.place, format!("{} is no key {within}", quoted(name)), remedy);
        meant
    }

    /// Refuses an entry that is named like a secret: neither it nor anything in it is shown or read. Returns whether it
    /// did.
    pub(super) fn refuses_secret(&mut self, Entry { name, key, value }: &Entry<'_>) -> bool {
        if !secret::is_named_so(name) {
            return false;
        }
        self.hidden.push(key.place.line..=value.last_line);
        let remedy = "remove it, and make a new key if others could read this file; credentials live in a directory \
                      of their own, one file per account with `key`, `secret` and `passphrase` in it";
        self.remark(key.place, "here is a key that looks like a secret", remedy);
        true
    }
}

/// The names of the sections that have this key.
fn places(key: &str) -> Vec<&'static str> {
    let sections = [&FILE, &DEFAULTS, &ACCOUNT, &WINDOW, &REQUIREMENT].into_iter();
    sections.filter(|section| section.keys.contains(&key)).map(|section| section.name).collect()
}

/// What to write instead of another program's key with this value, and the section's key that it counts as.
fn instead(section: &Section, means: Means, value: &Node) -> (String, Option<&'static str>) {
    let in_accounts = if section.name == ACCOUNT.name { "" } else { " in each account" };
    match means {
        Means::Key(key) if section.keys.contains(&key) => (format!("it is called `{key}` here"), Some(key)),
        Means::Key(key) => (format!("write `{key}` {}", places(key).join(" or ")), None),
        Means::Mode(truth) => {
            let counts = section.keys.contains(&"position_mode").then_some("position_mode");
            let line = match (Value::of(value), mode_of(truth, Value::of(value))) {
                (Value::Map(_), _) => return ("it is called `position_mode` here".to_owned(), counts),
                (_, Some(mode)) => format!("write `position_mode: {mode}`{in_accounts}"),
                (_, None) => {
                    format!("write `position_mode: one_way_mode` or `position_mode: hedge_mode`{in_accounts}")
                }
            };
            (line, counts)
        }
        Means::Product => {
            let product = Value::of(value).text().and_then(foreign::product);
            let product = product.unwrap_or(ProductType::UsdtFutures);
            let remedy = format!(
                "a product type is a key below `position_mode`{in_accounts}, with its mode behind it: `{product}: hedge_mode`"
            );
            (remedy, None)
        }
        Means::Option(option) => {
            (format!("remove it: posmoded takes it as `{option}`, or from the environment"), None)
        }
        Means::Not(remedy) => (remedy.to_owned(), None),
    }
}

/// The mode that is meant by a value, where `truth` is the one that `true` means.
fn mode_of(truth: Option<PositionMode>, value: Value<'_>) -> Option<PositionMode> {
    let other = |mode: PositionMode| match mode {
        PositionMode::OneWay => PositionMode::Hedge,
        PositionMode::Hedge => PositionMode::OneWay,
    };
    match value {
        Value::Bool(true) => truth,
        Value::Bool(false) => truth.map(other),
        Value::Text(text) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "enabled" => truth,
            "false" | "no" | "off" | "disabled" => truth.map(other),
            text => text.parse().ok().or_else(|| foreign::mode(text)),
        },
        Value::Nothing | Value::Number(_) | Value::List(_) | Value::Map(_) | Value::Refused => None,
    }
}

/// In place of a value that has been told of with its key.
static TOLD: Node = Node { place: Place::START, last_line: 1, content: Content::Refused };

impl<T: Clone> Given<T> {
    /// This, or `other` if it is not given.
    pub(super) fn or(&self, other: &Given<T>) -> Given<T> {
        match self {
            Given::Absent => other.clone(),
            Given::Badly | Given::As(_) => self.clone(),
        }
    }

    /// The value, if there is a good one; a bad one has its remark, and the whole file is refused for that.
    pub(super) fn if_given(self) -> Option<T> {
        match self {
            Given::Absent | Given::Badly => None,
            Given::As(value) => Some(value),
        }
    }

    /// The value, or `built_in` if none is given; `None` for a bad one.
    pub(super) fn unless_given(self, built_in: T) -> Option<T> {
        match self {
            Given::Absent => Some(built_in),
            Given::Badly => None,
            Given::As(value) => Some(value),
        }
    }
}
