//! I2: no set without two complete flat verdicts at least `settle` apart and no other answer between them, the last one
//! at most 5 s old.

use std::time::Duration;

use posmoded::moment::Moment;

use super::evidence::{Evidence, Sent};
use super::file;

/// What the process that sent it had read by then allowed this set.
#[track_caller]
pub fn flat_before(evidence: &Evidence, set: &Sent, settle: Option<Duration>) {
    let target = set.target();
    let mut verdicts = Verdicts::default();
    let before = evidence.sent.iter().filter(|sent| {
        sent.process == set.process && sent.left <= set.left && !sent.is_set() && sent.is_about(target)
    });
    for sent in before {
        verdicts.learn(sent);
    }
    let Some(Run { since, newest }) = verdicts.run else {
        panic!("I2: a set without a flat verdict\n{set:#?}");
    };
    let age = set.left.since(newest);
    assert!(age <= VERDICT_AGE, "I2: the verdict is {age:?} old\n{set:#?}");
    let settle = settle.unwrap_or_else(|| file::shortest_settle(evidence, set));
    let held = newest.since(since);
    assert!(settle.is_zero() || held >= settle, "I2: flat for {held:?} only, not for {settle:?}\n{set:#?}");
}

/// How far the newest verdict has come, and the run of flat ones.
#[derive(Debug, Default)]
struct Verdicts {
    plan: Vec<(String, Moment)>,
    orders: Vec<String>,
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
        let list = ["orders-plan-pending", "orders-pending", "all-position"]
            .into_iter()
            .find(|list| sent.entry.path.ends_with(list));
        let (Some(list), Some(answer)) = (list, sent.whole_answer()) else { return };
        if sent.entry.listed != Some(0) {
            *self = Verdicts::default();
            return;
        }
        match list {
            "orders-plan-pending" => {
                if self.plan.len() >= 3 || !self.orders.is_empty() {
                    self.plan.clear();
                    self.orders.clear();
                }
                let plan_type = parameter(sent, "planType");
                self.plan.retain(|(known, _)| *known != plan_type);
                self.plan.push((plan_type, sent.left));
            }
            "orders-pending" if self.plan.len() == 3 => {
                self.orders.push(parameter(sent, "status"));
                self.orders.dedup();
            }
            "all-position" if self.plan.len() == 3 && self.orders.len() >= 2 => {
                let newest = self.plan[0].1;
                // One that took longer than it may be old is none.
                if answer.at.since(newest) <= VERDICT_AGE {
                    let since = self.run.map_or(answer.at, |run| run.since);
                    self.run = Some(Run { since, newest });
                }
                self.plan.clear();
                self.orders.clear();
            }
            _ => {}
        }
    }
}

fn parameter(sent: &Sent, name: &str) -> String {
    let mut pairs = sent.entry.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

const VERDICT_AGE: Duration = Duration::from_secs(5);
