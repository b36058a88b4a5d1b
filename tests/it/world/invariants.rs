//! What must always hold, checked from the exchange's own request log: the daemon's word counts for nothing here.

use std::collections::BTreeMap;
use std::time::Duration;

use bitget_sim::{Executed, LogEntry, ProductType, Uid};

use super::{World, is_set};

impl World {
    /// Checks I1 (never two unresolved sets), I2 (flat for `settle`, by complete verdicts) and I8 (no limit exceeded) over
    /// everything that has been asked so far.
    #[track_caller]
    pub fn check_invariants(&self, settle: Duration) {
        let log = self.log();
        let mut by_target: BTreeMap<(Uid, ProductType), Vec<&LogEntry>> = BTreeMap::new();
        for entry in log.iter().filter(|entry| entry.late_of.is_none()) {
            if let (Some(account), Some(product)) = (entry.account, entry.product) {
                by_target.entry((account, product)).or_default().push(entry);
            }
        }
        for (target, entries) in &by_target {
            never_two_unresolved(target, entries);
            flat_before_each_set(target, entries, settle);
        }
        no_limit_exceeded(&log);
    }
}

const FENCE_MS: i64 = 35_000;
const VERDICT_MS: i64 = 5_000;

/// I1: while a set may still take effect, no other leaves for its target.
#[track_caller]
fn never_two_unresolved(target: &(Uid, ProductType), entries: &[&LogEntry]) {
    let sets: Vec<&&LogEntry> = entries.iter().filter(|entry| is_set(entry)).collect();
    for pair in sets.windows(2) {
        let [first, second] = pair else { continue };
        let told = first.answered_at.is_some_and(|at| at <= second.at) && first.fault.is_none();
        let refused_by_limit = first.status == Some(429);
        let fenced = match (first.signed, second.signed) {
            (Some(first), Some(second)) => second.since(first) >= FENCE_MS,
            _ => false,
        };
        assert!(
            told || refused_by_limit || fenced || is_definite(first),
            "I1: {target:?}: a second set left while the first may still take effect\n{first:#?}\n{second:#?}"
        );
    }
}

/// A refusal that the daemon may take as final although the test injected it.
fn is_definite(entry: &LogEntry) -> bool {
    matches!(entry.status, Some(200 | 400..=402 | 404..=499)) && entry.answered_at.is_some()
}

/// I2: two complete flat verdicts at least `settle` apart, nothing else between them, the last at most 5 s old.
#[track_caller]
fn flat_before_each_set(target: &(Uid, ProductType), entries: &[&LogEntry], settle: Duration) {
    let settle = i64::try_from(settle.as_millis()).expect("a span that fits");
    let mut verdicts = Verdicts::default();
    for entry in entries {
        if is_set(entry) {
            let (since, newest) = verdicts.run.unwrap_or_else(|| {
                panic!("I2: {target:?}: a set without a flat verdict\n{entry:#?}");
            });
            let age = entry.at.0 - newest;
            assert!(age <= VERDICT_MS + 100, "I2: {target:?}: the verdict is {age} ms old\n{entry:#?}");
            let held = newest - since;
            assert!(settle == 0 || held >= settle, "I2: {target:?}: flat for {held} ms only\n{entry:#?}");
            if matches!(entry.executed, Executed::Applied { .. }) {
                verdicts = Verdicts::default();
            }
        } else {
            verdicts.learn(entry);
        }
    }
}

/// How far the newest verdict has come, and the run of flat ones.
#[derive(Debug, Default)]
struct Verdicts {
    plan: Vec<(String, i64)>,
    orders: Vec<String>,
    /// When the first flat verdict was complete, and when the newest began.
    run: Option<(i64, i64)>,
}

impl Verdicts {
    fn learn(&mut self, entry: &LogEntry) {
        let list = ["orders-plan-pending", "orders-pending", "all-position"]
            .into_iter()
            .find(|list| entry.path.ends_with(list));
        let (Some(list), Some(200), None) = (list, entry.status, &entry.fault) else { return };
        if entry.listed != Some(0) {
            *self = Verdicts::default();
            return;
        }
        match list {
            "orders-plan-pending" => {
                if self.plan.len() >= 3 || !self.orders.is_empty() {
                    self.plan.clear();
                    self.orders.clear();
                }
                let plan_type = parameter(entry, "planType");
                self.plan.retain(|(known, _)| *known != plan_type);
                self.plan.push((plan_type, entry.at.0));
            }
            "orders-pending" if self.plan.len() == 3 => {
                self.orders.push(parameter(entry, "status"));
                self.orders.dedup();
            }
            "all-position" if self.plan.len() == 3 && self.orders.len() >= 2 => {
                let began = self.plan.first().map_or(entry.at.0, |(_, at)| *at);
                let since = self.run.map_or(entry.at.0, |(since, _)| since);
                self.run = Some((since, began));
                self.plan.clear();
                self.orders.clear();
            }
            _ => {}
        }
    }
}

fn parameter(entry: &LogEntry, name: &str) -> String {
    let mut pairs = entry.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// I8: the exchange keeps exact counts; it never had to say 429 by itself.
#[track_caller]
fn no_limit_exceeded(log: &[LogEntry]) {
    let over = log.iter().find(|entry| entry.status == Some(429) && entry.fault.is_none());
    assert!(over.is_none(), "I8: a limit was exceeded\n{over:#?}");
}
