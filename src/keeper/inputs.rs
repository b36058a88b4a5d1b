//! The inputs of a keeper: the fleet's newest spec, and the ledger's brakes and records. Turns them into facts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::synced::Synced;
use super::{AccountSpec, Environment, Keeper, Occasion, TargetSlot, is_under_way};
use crate::constants::HUMAN_LOOK;
use crate::exchange::Observe;
use crate::facts::{Brakes, Closing, Guard, HeldPlan, TargetFacts};
use crate::ledger::{LedgerError, Limits};
use crate::position_mode::{PositionMode, Scope, Target, targets};
use crate::protocol::{self, PlanEntry, Reason};

impl<D: Environment> Keeper<D> {
    /// Takes over the newest inputs from the fleet and the ledger.
    pub(super) async fn sync_inputs(&mut self) {
        let spec = self.specs.borrow_and_update().clone();
        let again = spec.looks != self.spec.looks;
        let refreshed = spec.refreshes != self.spec.refreshes;
        self.spec = spec;
        self.facts.ledger_away.clone_from(&self.spec.ledger_away);
        self.compare_host();
        let AccountSpec { reloads, account, .. } = &*self.spec;
        let (elsewhere, unassigned) = (self.facts.elsewhere.clone(), self.facts.unassigned.is_some());
        let occasion = Some(Occasion { reloads: *reloads, demo: account.demo, elsewhere, unassigned });
        // A noted set may leave only with the key that its account was read with.
        if self.opened != occasion && self.noted.is_none() {
            let was_not_ours =
                self.opened.as_ref().is_some_and(|before| before.elsewhere.is_some() || before.unassigned);
            if was_not_ours && !self.facts.is_not_ours() {
                self.is_ours_again();
            }
            self.opened = occasion;
            self.forget_the_key_before();
            self.connect();
        }
        let is_due = self.clock.now() >= self.connect_tried + HUMAN_LOOK;
        // Who asks for a look may have put another key in place.
        let may_be_mended = refreshed && self.noted.is_none();
        if (self.waits_for_a_key() || self.facts.wrong.is_some()) && may_be_mended
            || self.waits_for_a_key() && is_due
        {
            self.connect();
        }
        let has_a_key = !self.facts.is_not_ours() && self.facts.credential.is_none();
        self.facts.shared_key = has_a_key.then(|| self.environment.shared_key(&self.account)).flatten();
        if self.woken != self.clock.woken() {
            self.woken = self.clock.woken();
            self.targets.values_mut().for_each(|slot| slot.facts.was_unseen(self.woken));
        }
        // The process's clock knows of all accounts' answers.
        self.facts.clock = self.facts.clock.map(|clock| self.clock.exchange().unwrap_or(clock));
        self.facts.clock_contradicted = self.exchange.as_ref().and_then(Observe::clock_contradicted);
        if again {
            self.facts.failing = None;
            let now = self.clock.now();
            self.targets.values_mut().for_each(|slot| slot.facts.look_again(now));
        }
        if refreshed {
            self.record_refreshed().await;
            self.facts.failing = None;
            let now = self.clock.now();
            for slot in self.targets.values_mut() {
                slot.facts.refresh(now);
                slot.is_asked_for = true;
            }
        }
        if self.ledger_trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= self.clock.now()) {
            self.ledger_trouble = None;
        }
        self.check_identity().await;
        self.observe().await;
        self.register_target().await;
        self.hear_brakes();
        self.take_up_closings();
    }

    /// Records which waits a look that was asked for has ended: a set that follows has its reason there.
    async fn record_refreshed(&mut self) {
        let waited = self.targets.iter().filter_map(|(scope, slot)| {
            let reason = slot.standing.blockers.iter().find(|reason| reason.ends_with_a_refresh())?;
            Some((*scope, reason))
        });
        let waited: Vec<(Scope, Reason)> = waited.collect();
        for (scope, reason) in waited {
            let target = Target { account: self.account.clone(), scope };
            let text = format!("A look was asked for: what it waited for as {reason} is tried once more.");
            if self.ledger_trouble.is_none()
                && let Err(error) = self.ledger.refreshed(&target, text).await
            {
                self.ledger_failed(&error);
            }
        }
    }

    /// Takes up what operators ask for: to close an intent that cannot end by itself.
    fn take_up_closings(&mut self) {
        let (directives, now) = (self.directives.borrow().clone(), self.clock.now());
        for slot in self.targets.values_mut() {
            let intent = slot.facts.intent.as_ref().map(|intent| intent.id);
            slot.known_intent =
                intent.map(|id| slot.known_intent.filter(|(watched, _)| *watched == id).unwrap_or((id, now)));
            let asked = slot.known_intent.and_then(|(id, since)| {
                let request = directives.closings.iter().find(|(_, closed)| **closed == id)?.0;
                Some((*request, id, since))
            });
            slot.facts.closing = asked.map(|(request, intent, watched)| {
                let known = slot.facts.closing.filter(|closing| closing.request == request);
                known.unwrap_or(Closing { request, intent, watched, since: now, time: None })
            });
        }
    }

    /// Another host may have looked after it meanwhile: what is on record by now counts, not what was known here.
    fn is_ours_again(&mut self) {
        if !self.ledger.is_shared() {
            return;
        }
        self.kind = None;
        self.facts.kind = None;
        self.released_all_but = None;
        self.targets.values_mut().for_each(|slot| slot.taken_up = None);
    }

    /// Whether only another host's daemon writes down what becomes of the account.
    pub(super) fn is_recorded_elsewhere(&self) -> bool {
        self.facts.is_not_ours() && self.ledger.is_shared()
    }

    /// Compares the host that the file names with what this one is called now: it may have been renamed since the last step.
    fn compare_host(&mut self) {
        let account = &self.spec.account;
        let here = self.environment.host_name();
        if account.host.is_none() {
            (self.facts.elsewhere, self.host_warning) = (None, None);
            let others = Arc::clone(&self.directives.borrow().others);
            self.facts.unassigned = (!others.is_empty()).then(|| {
                let mut all: Vec<String> = others.iter().cloned().chain([here]).collect();
                all.sort_unstable();
                all
            });
            return;
        }
        self.facts.unassigned = None;
        self.facts.elsewhere = account.elsewhere(&here);
        let warning = account.host_warning(&here);
        if let Some(say) = warning.as_ref().filter(|_| warning != self.host_warning) {
            tracing::warn!(account = %self.account, "{}: {say}", self.account);
        }
        self.host_warning = warning;
    }

    /// Follows the file: which targets there are, and what is wanted of each. The kind is the one last observed, by an
    /// earlier process too: a reload, which reads it again, leaves the targets as they are meanwhile.
    async fn register_target(&mut self) {
        if self.kind.is_none() {
            self.kind = self.directives.borrow().kinds.get(&self.account).copied();
            self.facts.kind = self.facts.kind.or(self.kind);
        }
        let declared = &self.spec.account.declared;
        self.facts.unsatisfiable = declared.is_unsatisfiable(self.kind).then(|| declared.clone());
        let wanted = targets(declared, self.kind);
        for (scope, slot) in &mut self.targets {
            if !wanted.contains_key(scope) {
                slot.facts.wanted.mode = None;
            }
        }
        let exchange = self.exchange.as_ref();
        let fence = &mut self.facts.orphaned_fence;
        self.targets.retain(|scope, slot| {
            let stays = wanted.contains_key(scope) || is_under_way(&slot.facts);
            if let Some(end) =
                slot.facts.intent.as_ref().and_then(|intent| intent.own_fence).filter(|_| !stays)
            {
                *fence = end.max(*fence);
            }
            if let Some(exchange) = exchange.filter(|_| !stays) {
                exchange.leaves(*scope);
            }
            stays
        });
        let keep: BTreeSet<Scope> = wanted.keys().copied().collect();
        let is_observed = !self.facts.is_unidentified() && self.facts.wrong.is_none();
        let is_observed = is_observed && !self.is_recorded_elsewhere();
        if is_observed && self.ledger_trouble.is_none() && self.released_all_but.as_ref() != Some(&keep) {
            match self.ledger.release(&self.account, Some(&keep)).await {
                Ok(stamp) => {
                    self.facts.orphaned_set_at = stamp;
                    self.released_all_but = Some(keep);
                }
                Err(error) => self.ledger_failed(&error),
            }
        }
        for (scope, mode) in wanted {
            if let Err(error) = self.take_up_one(scope, mode).await {
                self.ledger_failed(&error);
            }
        }
    }

    async fn take_up_one(&mut self, scope: Scope, mode: Option<PositionMode>) -> Result<(), LedgerError> {
        let wanted = self.spec.account.wanted(mode, self.spec.generation);
        let resumed = self.directives.borrow().resumed;
        let news = Some((mode, resumed));
        let is_recorded_elsewhere = self.is_recorded_elsewhere();
        let now = self.clock.now();
        let slot = self
            .targets
            .entry(scope)
            .or_insert_with(|| Box::new(TargetSlot::new(TargetFacts::new(wanted.clone(), now))));
        if slot.facts.wanted.asks_for_another_look(&wanted) {
            slot.facts.wished_anew(now);
            self.facts.failing = None;
        }
        slot.facts.wanted = wanted;
        let every = slot.facts.wanted.policy.check_every;
        if let Some(exchange) = self.exchange.as_ref().filter(|_| slot.watched != Some(every)) {
            slot.watched = Some(every);
            exchange.watches(scope, every);
        }
        if self.kind.is_none() {
            return self.remember_sync(scope).await;
        }
        // Registering returns an unresolved set as unclear, so it must not happen while that set is under way here.
        let due = slot.taken_up != news && !is_under_way(&slot.facts) && !is_recorded_elsewhere;
        if !due || self.ledger_trouble.is_some() {
            return Ok(());
        }
        let (target, generation) =
            (Target { account: self.account.clone(), scope }, slot.facts.wanted.generation);
        let remembered = self.ledger.register_target(&target, mode, generation).await?;
        let Some(slot) = self.targets.get_mut(&scope) else { return Ok(()) };
        if slot.taken_up.is_none() {
            slot.facts.applied = remembered.applied;
            slot.facts.intent = remembered.intent;
            slot.facts.may_come_late = remembered.may_come_late;
            slot.facts.lost = protocol::lost_before(remembered.lost, now);
            slot.sync = Synced::remembered(remembered.out_of_sync);
            slot.unknown = slot.unknown.remembered(remembered.is_unknown, now);
        }
        if remembered.lost == 0 {
            slot.facts.lost = None;
        }
        slot.facts.corrections = remembered.corrections;
        slot.taken_up = news;
        Ok(())
    }

    /// Before the kind is known the target is a mere placeholder, which does not belong in the ledger; but that nothing is in sync
    /// lasts over restarts. Of another host's account that host tells.
    async fn remember_sync(&mut self, scope: Scope) -> Result<(), LedgerError> {
        let is_due = self.targets.get(&scope).is_some_and(|slot| !slot.sync.is_remembered());
        if !is_due || self.facts.is_not_ours() || self.ledger_trouble.is_some() {
            return Ok(());
        }
        let target = Target { account: self.account.clone(), scope };
        let on_record = self.ledger.out_of_sync_since(&target).await?;
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.sync = Synced::remembered(on_record);
        }
        Ok(())
    }

    /// Computes the brakes of each target.
    fn hear_brakes(&mut self) {
        let directives = self.directives.borrow_and_update().clone();
        if let Some(at) = directives.replaced_at {
            self.facts.ledger_replaced_at = Some(at);
            self.facts.quiet_until = self.facts.quiet_until.max(at + self.quiet);
        }
        let AccountSpec { max_changes, held, file, .. } = &*self.spec;
        let limits = Limits { max_changes: *max_changes, exchange: self.facts.clock, now: self.clock.now() };
        for (scope, slot) in &mut self.targets {
            let target = Target { account: self.account.clone(), scope: *scope };
            let facts = slot.facts(&self.facts);
            let change = protocol::wanted_change(&facts);
            let entry = change.map(|change| PlanEntry::new(&target, change));
            let plan = entry
                .filter(|entry| held.0.contains(entry))
                .map(|_| HeldPlan { hash: held.hash(), changes: held.0.len() });
            let Brakes { paused, guard, .. } = directives.brakes(&target, change, &limits);
            slot.brakes = Brakes {
                paused,
                file: file.clone(),
                ledger: self.ledger_trouble.clone(),
                guard: Guard { plan, ..guard },
            };
        }
    }
}
