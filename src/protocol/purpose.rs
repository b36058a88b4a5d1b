//! What a look is for: which turn it gets among the requests of all accounts goes by it.

use super::backoff::retry_at;
use super::standing::Standing;
use super::step::Look;
use super::{due_again, is_about_a_change, keep_due, keep_interval, open_interval};
use crate::facts::{Facts, List};
use crate::moment::Moment;
use crate::schedule::{Purpose, Recurring};

/// What this look is for, with a verdict and its set costing `verdict_cost` requests.
pub fn purpose(
    facts: &Facts<'_>,
    standing: &Standing,
    look: Look,
    verdict_cost: u32,
    now: Moment,
) -> Purpose {
    let Facts { account, brakes: _, target } = facts;
    if target.is_part_way(now) {
        return Purpose::Begun { to_go: 1 };
    }
    if is_about_a_change(facts, standing, now) {
        let glimpsed = target.flatness.wait.and_then(|wait| wait.glimpsed);
        let cost = match look {
            Look::List(_) => verdict_cost,
            Look::Clock | Look::Kind | Look::Account | Look::Mode | Look::Open(_) => 0,
        };
        return Purpose::Begin {
            since: glimpsed.map_or(target.look_since, |at| at.max(target.look_since)),
            repeat: target.flatness.wait.is_some_and(|wait| wait.again),
            cost,
        };
    }
    let failing = target.failing.as_ref().or(account.failing.as_ref());
    if target.seen.is_none() && failing.is_none() {
        return Purpose::New;
    }
    let check_every = target.wanted.policy.check_every;
    let retried = failing.map(retry_at);
    match (look, target.flatness.open()) {
        (Look::Open(list), Some((_, asked))) => {
            let every = open_interval(facts, standing.forbidden, list, now);
            let due = retried.unwrap_or(asked + every).min(now);
            Purpose::Wait(Recurring { due, overdue: due, every })
        }
        (Look::List(List::Positions), _) => {
            let every = keep_interval(facts, standing.forbidden);
            let due = retried.unwrap_or_else(|| keep_due(facts, standing.forbidden)).min(now);
            Purpose::Wait(Recurring { due, overdue: due, every })
        }
        (Look::Clock | Look::Kind | Look::Account | Look::Mode | Look::List(_) | Look::Open(_), _) => {
            let due =
                target.seen.map_or(target.look_since, |seen| due_again(facts, seen).max(target.look_since));
            let whole = target.seen.map_or(target.look_since, |seen| seen.asked + check_every);
            let (due, overdue) = (retried.unwrap_or(due).min(now), retried.unwrap_or(whole));
            Purpose::Mode(Recurring { due, overdue, every: check_every })
        }
    }
}
