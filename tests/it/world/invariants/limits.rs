//! I8 and I13: no sliding second holds more than it may, across restarts, over answered requests.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitget_sim::Uid;
use posmoded::moment::Moment;

use super::evidence::{Evidence, Sent};

/// Every limit of an endpoint and an account, halved for what is read, and the budget of the whole process.
#[track_caller]
pub fn none_exceeded(evidence: &Evidence) {
    let mut by_arrival: Vec<&Sent> = evidence.sent.iter().collect();
    by_arrival.sort_by_key(|sent| (sent.arrived, sent.index));
    let mut lanes: BTreeMap<(Option<Uid>, &str), Lane> = BTreeMap::new();
    for sent in by_arrival {
        lanes.entry((sent.entry.account, sent.entry.path.as_str())).or_default().take(evidence, sent);
    }
    let mut left: Vec<&Sent> = evidence.sent.iter().collect();
    left.sort_by_key(|sent| sent.left);
    cooled_down(evidence, &left);
    within_the_budget(&left);
}

/// In any stretch of time no more leaves than the burst and what comes in meanwhile: a bucket that leaks never overflows.
#[track_caller]
fn within_the_budget(left: &[&Sent]) {
    let (mut level, mut before) = (0, Moment(0));
    for sent in left {
        let leaked = (sent.left.0 - before.0) * REQUESTS_PER_SECOND;
        level = (level - leaked).max(0) + 1000;
        before = sent.left;
        assert!(level <= REQUESTS_PER_SECOND * 1000, "more than the budget of requests has\n{sent:#?}");
    }
}

/// F23: after a 429 a lane rests for 5 s at least, also in the next process if this one had time to write that down.
#[track_caller]
fn cooled_down(evidence: &Evidence, left: &[&Sent]) {
    let told = left.iter().filter_map(|sent| Some((sent, sent.answer.as_ref()?)));
    for (sent, answer) in told.filter(|(_, answer)| answer.status == 429) {
        let written =
            evidence.told.ends.get(&sent.process).is_none_or(|end| end.since(answer.at) >= WRITTEN_WITHIN);
        let too_soon = left.iter().find(|next| {
            let same = next.entry.path == sent.entry.path && next.entry.account == sent.entry.account;
            let knows = next.process == sent.process || written;
            same && knows && next.left > answer.at && next.left.since(answer.at) < COOL_DOWN
        });
        assert!(too_soon.is_none(), "F23: asked again too soon after a 429\n{sent:#?}\n{too_soon:#?}");
    }
}

/// What arrived of late at one endpoint for one account.
#[derive(Default)]
struct Lane {
    answered: VecDeque<Moment>,
    unanswered: VecDeque<Moment>,
}

impl Lane {
    #[track_caller]
    fn take(&mut self, evidence: &Evidence, sent: &Sent) {
        for recent in [&mut self.answered, &mut self.unanswered] {
            while recent.front().is_some_and(|at| sent.arrived.since(*at) >= SECOND) {
                recent.pop_front();
            }
        }
        let limit = may_take(sent);
        assert!(
            self.answered.len() < limit || sent.answer.is_none(),
            "I8, I13: more than {limit} within a second\n{sent:#?}"
        );
        let moved =
            evidence.told.skews.iter().any(|at| sent.arrived.since(*at) < SECOND && *at <= sent.arrived);
        let by_itself = sent.entry.fault.is_none() && sent.entry.status == Some(429);
        let busy = sent.entry.account.is_some_and(|uid| evidence.told.busy.contains(&uid));
        assert!(
            !by_itself || !self.unanswered.is_empty() || moved || busy,
            "I8: the exchange itself said 429\n{sent:#?}"
        );
        if sent.answer.is_some() {
            self.answered.push_back(sent.arrived);
        } else {
            self.unanswered.push_back(sent.arrived);
        }
    }
}

/// What the daemon may take of the documented limits: of a setter's up to five, of any other half.
fn may_take(sent: &Sent) -> usize {
    let documented =
        LIMITS.iter().find(|(path, _)| sent.entry.path.ends_with(path)).map_or(1, |(_, limit)| *limit);
    if sent.is_set() { documented.min(5) } else { (documented / 2).max(1) }
}

const SECOND: Duration = Duration::from_secs(1);
/// The shortest rest after a 429.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// The fleet writes a cool-down with its next turn.
const WRITTEN_WITHIN: Duration = Duration::from_millis(1100);
/// The budget of the process, and its burst.
const REQUESTS_PER_SECOND: i64 = 30;
/// Requests a second, as the exchange documents them.
const LIMITS: [(&str, usize); 14] = [
    ("/public/time", 20),
    ("/market/contracts", 20),
    ("/spot/account/info", 1),
    ("/account/account", 10),
    ("/all-position", 5),
    ("/orders-pending", 10),
    ("/orders-plan-pending", 10),
    ("/set-position-mode", 5),
    ("/account/settings", 20),
    ("/v3/account/info", 1),
    ("/current-position", 20),
    ("/unfilled-orders", 20),
    ("/unfilled-strategy-orders", 20),
    ("/set-hold-mode", 10),
];
