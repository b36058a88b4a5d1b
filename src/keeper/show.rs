//! What a keeper publishes: the values that it decides with, and one log line per change of state.

use super::{AccountSpec, Environment, Keeper};
use crate::clock::Clock;
use crate::constants::SHOWN_EVERY;
use crate::exchange::Observe;
use crate::facts::{AccountFacts, Brakes, Facts, TargetFacts};
use crate::moment::Moment;
use crate::position_mode::{AccountName, Kind, PositionMode, Target, targets};
use crate::protocol::{Reason, Standing, State, Wants};
use crate::status::{Counts, Known, TargetStatus};

impl<D: Environment> Keeper<D> {
    /// Publishes every target with its last computed standing; `next_look` is when the keeper will look again.
    pub(super) fn show(&mut self, next_look: Moment) {
        let now = self.stood;
        self.shown = (self.spec.generation, now);
        let timestamp = |moment| self.clock.timestamp(moment);
        let mut targets = Vec::with_capacity(self.targets.len());
        let mut looked = !self.targets.is_empty();
        let mut refreshed = looked;
        for (scope, slot) in &mut self.targets {
            let target = Target { account: self.account.clone(), scope: *scope };
            let before = slot.shown.take();
            let facts = slot.facts(&self.facts);
            let open = self.exchange.as_ref().map(|exchange| exchange.open(*scope)).unwrap_or_default();
            let known = Known {
                target: &target,
                facts: &facts,
                standing: &slot.standing,
                now,
                next_look,
                out_of_sync_since: slot.sync.shown(&self.clock, self.facts.clock),
                before: before.as_ref(),
                counts: slot.counts,
                open: &open,
            };
            let status = TargetStatus::new(&known, timestamp);
            // The plan to approve is recorded within a turn of the fleet: the line names it.
            let names_no_plan = facts.brakes.guard.plan.is_none() && facts.brakes.ledger.is_none();
            let is_early = matches!(status.reason, Some(Reason::Held | Reason::Reported)) && names_no_plan;
            if !is_early && !status.is_not_looked_at_yet() && slot.logged != Some(logged(&status)) {
                slot.logged = Some(logged(&status));
                say_change(&status);
            }
            looked &= slot.facts.seen.is_some() || has_an_answer(&self.facts, &slot.facts);
            let is_new = slot.facts.seen.is_some_and(|seen| seen.asked >= slot.facts.look_since);
            refreshed &= is_new || has_an_answer(&self.facts, &slot.facts);
            targets.push(status.clone());
            slot.shown = Some(status);
        }
        let clock_offset = self.facts.clock.map(|clock| clock.offset);
        let settings = self.exchange.as_ref().and_then(Observe::settings);
        self.publish.send_modify(|cell| {
            cell.generation = self.spec.generation;
            cell.targets = targets;
            cell.due = next_look;
            cell.looked |= looked;
            if refreshed {
                cell.refreshes = self.spec.refreshes;
            }
            cell.clock_offset = clock_offset;
            cell.warnings = self.host_warning.iter().chain(&self.warnings).cloned().collect();
            cell.settings = settings;
        });
    }

    /// Publishes before the next rest if the revision is new or `SHOWN_EVERY` has passed: while slow looks follow each
    /// other, that rest may be far off.
    pub(super) fn show_what_is_new(&mut self) {
        let (now, (generation, at)) = (self.stood, self.shown);
        if generation != self.spec.generation || now.since(at) >= SHOWN_EVERY {
            self.show(now);
        }
    }

    /// Sets the time by which the keeper will publish again; the watchdog goes by it.
    pub(super) fn promise(&self, due: Moment) {
        self.publish.send_if_modified(|cell| {
            cell.due = due;
            false
        });
    }
}

/// Whether it is known why there is no live mode to show: from the exchange, or from our own side.
fn has_an_answer(account: &AccountFacts, target: &TargetFacts) -> bool {
    // Waiting for our own limit is no answer.
    let mut failing = [&account.failing, &target.failing].into_iter().flatten();
    let told = failing.any(|failing| failing.failure.class.our_own_limit().is_none());
    let no_key = account.credential.is_some() || account.shared_key.is_some();
    told || no_key || account.is_not_ours() || account.wrong.is_some()
}

/// The targets of an account that was not looked at yet, shown as `unknown` so that their absence is not taken for "in
/// sync". `kind` is the one last observed, if any.
pub fn unseen(
    account: &AccountName,
    spec: &AccountSpec,
    kind: Option<Kind>,
    clock: &Clock,
) -> Vec<TargetStatus> {
    let now = clock.now();
    let unseen = |(scope, mode)| {
        let target = Target { account: account.clone(), scope };
        let facts = TargetFacts::new(spec.account.wanted(mode, spec.generation), now);
        let facts = Facts { account: &AccountFacts::default(), brakes: &Brakes::default(), target: &facts };
        let (standing, counts) = (Standing::of(&facts, now), Counts::default());
        let known = Known {
            target: &target,
            facts: &facts,
            standing: &standing,
            now,
            next_look: now,
            out_of_sync_since: None,
            before: None,
            counts,
            open: &[],
        };
        TargetStatus::new(&known, |moment| clock.timestamp(moment))
    };
    targets(&spec.account.declared, kind).into_iter().map(unseen).collect()
}

/// What has a line of its own. A wait for our own limit while in sync is no change of state.
fn logged(status: &TargetStatus) -> (State, Option<Reason>) {
    match (status.state, status.reason) {
        (State::InSync, Some(Reason::RateLimited)) => (State::InSync, None),
        other => other,
    }
}

fn say_change(now: &TargetStatus) {
    let TargetStatus { account, scope, state, reason, say, live, desired, wants, .. } = now;
    let live = live.as_ref().map_or("unknown", |live| live.mode.as_str());
    let desired = desired.map_or("not one mode", PositionMode::as_str);
    let say = say.as_deref().unwrap_or("In sync.");
    let reason = reason.map(Reason::as_str);
    if *wants == Some(Wants::Human) {
        tracing::warn!(%account, %scope, %state, reason, live, desired, "{account} {scope}: {say}");
    } else {
        tracing::info!(%account, %scope, %state, reason, live, desired, "{account} {scope}: {say}");
    }
}
