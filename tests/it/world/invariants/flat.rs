//! I2: no set without two complete flat verdicts at least `settle` apart and no other answer between them, the last one
//! at most 5 s old.

use std::collections::BTreeMap;
use std::time::Duration;

use bitget_sim::ProductType;
use posmoded::moment::Moment;

use super::evidence::{Evidence, Sent, TargetKey};
use super::file;

/// What the process that sent it had read by then allowed this set.
#[track_caller]
pub fn flat_before(evidence: &Evidence, set: &Sent, settle: Option<Duration>) {
    let target = set.target();
    let mut verdicts = Verdicts::of(target, evidence.levels[&target.0].categories());
    let before = evidence.sent.iter().filter(|sent| {
        sent.process == set.process && sent.left <= set.left && !sent.is_set() && sent.is_about(target)
    });
    for sent in before {
        verdicts.learn(sent);
    }
    let Some(Run { since, newest }) = verdicts.run else {
        panic!("I2: a set without a flat verdict\n{set:#?}\n{}", reads_before(evidence, set));
    };
    let age = set.left.since(newest);
    assert!(age <= VERDICT_AGE, "I2: the verdict is {age:?} old\n{set:#?}");
    let settle = settle.unwrap_or_else(|| file::shortest_settle(evidence, set));
    let held = newest.since(since);
    assert!(settle.is_zero() || held >= settle, "I2: flat for {held:?} only, not for {settle:?}\n{set:#?}");
}

/// The last reads before a set, for whoever has to find out why.
fn reads_before(evidence: &Evidence, set: &Sent) -> String {
    let before = |sent: &&Sent| sent.left <= set.left && sent.entry.account == set.entry.account;
    let lines = evidence.sent.iter().filter(before).map(|sent| {
        let Sent { process, left, entry, answer, .. } = sent;
        let told = answer.as_ref().map(|answer| (answer.at.0, answer.status, answer.rows, answer.mode));
        format!("{process} {} {} {} {told:?}", left.0, entry.path, entry.query)
    });
    let lines: Vec<String> = lines.collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// When each list was last read as empty since one was not, and the run of flat verdicts.
#[derive(Debug)]
struct Verdicts {
    lists: [Vec<String>; 3],
    empty: BTreeMap<String, Moment>,
    run: Option<Run>,
}

/// When the first flat verdict was complete, and when the newest began.
#[derive(Debug, Clone, Copy)]
struct Run {
    since: Moment,
    newest: Moment,
}

impl Verdicts {
    fn learn(&mut self, sent: &Sent) {
        let Some((answer, rows)) = sent.answer.as_ref().and_then(|answer| Some((answer, answer.rows?)))
        else {
            return;
        };
        if rows > 0 {
            self.empty.clear();
            self.run = None;
            return;
        }
        let list = name_of(sent);
        self.empty.insert(list.clone(), sent.left);
        let [_, _, positions] = &self.lists;
        if positions.contains(&list)
            && let Some(newest) = self.complete()
            && answer.at.since(newest) <= VERDICT_AGE
        {
            let since = self.run.map_or(answer.at, |run| run.since);
            self.run = Some(Run { since, newest });
        }
    }

    /// When the verdict began that is whole now: every list of plan orders before every one of orders before every one of
    /// positions.
    fn complete(&self) -> Option<Moment> {
        let [plan, orders, positions] = self.lists.each_ref().map(|lists| {
            let read: Option<Vec<Moment>> = lists.iter().map(|list| self.empty.get(list).copied()).collect();
            read
        });
        let (plan, orders, positions) = (plan?, orders?, positions?);
        let in_order =
            plan.iter().max() <= orders.iter().min() && orders.iter().max() <= positions.iter().min();
        plan.into_iter().min().filter(|_| in_order)
    }

    /// All that must be read of a target: plan orders, orders, positions, of all categories that a unified account has.
    fn of((_, product): TargetKey, categories: &[ProductType]) -> Verdicts {
        let lists = if product.is_some() {
            let named =
                |path: &str, names: &[&str]| names.iter().map(|name| format!("{path} {name}")).collect();
            [
                named("orders-plan-pending", &["normal_plan", "track_plan", "profit_loss"]),
                named("orders-pending", &["live", "partially_filled"]),
                named("all-position", &[""]),
            ]
        } else {
            let each = |path: &str| {
                let each = categories.iter().map(|product| format!("{path} {}", product.as_str()));
                each.collect::<Vec<String>>()
            };
            let strategy = each("unfilled-strategy-orders").into_iter();
            let strategy = strategy.flat_map(|list| [list.clone(), format!("{list}trigger")]).collect();
            [strategy, each("unfilled-orders"), each("current-position")]
        };
        Verdicts { lists, empty: BTreeMap::new(), run: None }
    }
}

/// A list by its path and what tells it from others of that path.
fn name_of(sent: &Sent) -> String {
    let path = sent.entry.path.rsplit('/').next().unwrap_or_default();
    let told: String =
        ["category", "type", "planType", "status"].iter().map(|name| parameter(sent, name)).collect();
    format!("{path} {told}")
}

fn parameter(sent: &Sent, name: &str) -> String {
    let mut pairs = sent.entry.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

const VERDICT_AGE: Duration = Duration::from_secs(5);
