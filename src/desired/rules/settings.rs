//! The settings that `defaults` and an account both may give.

use std::collections::BTreeMap;
use std::time::Duration;

use super::conditions;
use super::entries::{Entry, Given, Rules};
use crate::desired::keys::{DEFAULTS, LONGEST_REASON, NO_REASONS};
use crate::desired::problem::{quoted, steers};
use crate::desired::scalar::{Bounds, Value, duration};
use crate::facts::DriftPolicy;

/// The settings outside the accounts that apply to all of them.
pub(super) struct Everywhere<'t> {
    pub(super) defaults: Defaults,
    pub(super) suspended: Given<String>,
    pub(super) windows: conditions::DeclaredWindows<'t>,
}

/// The settings that `defaults` may give for every account.
pub(super) struct Defaults {
    pub(super) drift: Given<DriftPolicy>,
    pub(super) check_every: Given<Duration>,
    pub(super) settle: Given<Duration>,
}

impl Rules {
    pub(super) fn defaults(&mut self, entry: Option<&Entry<'_>>) -> Defaults {
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

    /// The settings that both `defaults` and an account may give.
    pub(super) fn settings(&mut self, entries: &BTreeMap<&str, Entry<'_>>) -> Defaults {
        Defaults {
            drift: self.drift(entries.get("drift")),
            check_every: self.duration(entries.get("check_every"), CHECK_EVERY),
            settle: self.duration(entries.get("settle"), SETTLE),
        }
    }

    fn drift(&mut self, entry: Option<&Entry<'_>>) -> Given<DriftPolicy> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let remedy = "write `drift: correct` (set the declared mode again) or `drift: report` (only say so)";
        let given = Value::of(value);
        let Value::Text(word) = given else {
            self.wrong_kind(name, (key.place, value.place), given, "`correct` or `report`", "drift: correct");
            return Given::Badly;
        };
        let Ok(policy) = word.parse() else {
            self.remark(value.place, format!("{} is no drift policy", quoted(word)), remedy);
            return Given::Badly;
        };
        Given::As(policy)
    }

    pub(super) fn duration(&mut self, entry: Option<&Entry<'_>>, bounds: Bounds) -> Given<Duration> {
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

    pub(super) fn suspend(&mut self, entry: Option<&Entry<'_>>) -> Given<String> {
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
}

/// Shorter: two looks at 200 targets would exceed a host's budget of requests. Longer: drift goes unseen for hours.
const CHECK_EVERY: Bounds =
    Bounds { least: Duration::from_secs(5), most: Duration::from_secs(3600), such_as: "`60s` or `5m`" };
/// 0: one flat verdict is enough. Longer than a day: an account that is never flat for so long would wait for ever.
const SETTLE: Bounds =
    Bounds { least: Duration::ZERO, most: Duration::from_secs(24 * 3600), such_as: "`0s`, `5m` or `1h 30m`" };
