//! I2: no set without two complete flat verdicts at least `settle` apart and no other answer between them, the last one
//! at most 5 s old.

use std::collections::BTreeMap;
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
#[derive(Debug, Default)]
struct Verdicts {
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
            *self = Verdicts::default();
        } else if !sent.entry.path.ends_with("all-position") {
            let list = format!("{}{}", parameter(sent, "planType"), parameter(sent, "status"));
            self.empty.insert(list, sent.left);
        } else if let Some(newest) = self.complete_at(sent.left)
            && answer.at.since(newest) <= VERDICT_AGE
        {
            let since = self.run.map_or(answer.at, |run| run.since);
            self.run = Some(Run { since, newest });
        }
    }

    /// When a verdict began whose last list is read now: every plan order before every order before the positions.
    fn complete_at(&self, positions: Moment) -> Option<Moment> {
        let read = |list: &&str| self.empty.get(*list).copied();
        let plan: Vec<Moment> = PLAN_ORDERS.iter().map_while(read).collect();
        let orders: Vec<Moment> = ORDERS.iter().map_while(read).collect();
        let whole = plan.len() == PLAN_ORDERS.len() && orders.len() == ORDERS.len();
        let in_order = plan.iter().max() <= orders.iter().min() && orders.iter().max() <= Some(&positions);
        plan.into_iter().min().filter(|_| whole && in_order)
    }
}

fn parameter(sent: &Sent, name: &str) -> String {
    let mut pairs = sent.entry.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

const PLAN_ORDERS: [&str; 3] = ["normal_plan", "track_plan", "profit_loss"];
const ORDERS: [&str; 2] = ["live", "partially_filled"];
const VERDICT_AGE: Duration = Duration::from_secs(5);
