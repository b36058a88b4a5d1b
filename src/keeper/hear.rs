//! What a keeper hears: the newest course of the fleet, and the brakes and memories of the ledger. Turns them into facts.

use std::collections::BTreeSet;

use super::{AccountSpec, Doors, Keeper, Kept, Occasion, is_under_way};
use crate::constants::HUMAN_LOOK;
use crate::facts::{Brakes, Facts, Guard, TargetFacts};
use crate::ledger::{LedgerError, Limits};
use crate::position_mode::{PositionMode, Scope, Target, targets};
use crate::protocol::{self, PlanEntry};

impl<D: Doors> Keeper<D> {
    /// Takes in what the fleet and the ledger say.
    pub(super) async fn hear(&mut self) {
        let spec = self.specs.borrow_and_update().clone();
        let again = spec.looks != self.spec.looks;
        self.spec = spec;
        self.facts.elsewhere.clone_from(&self.spec.elsewhere);
        let AccountSpec { reloads, account, elsewhere, .. } = &*self.spec;
        let occasion = Some(Occasion { reloads: *reloads, demo: account.demo, elsewhere: elsewhere.clone() });
        // A noted set leaves with the key that its account was looked at with, or not at all.
        if self.opened != occasion && self.noted.is_none() {
            self.opened = occasion;
            self.forget_the_key_before();
            self.open_door();
        }
        if self.waits_for_a_key() && self.clock.now() >= self.door_tried + HUMAN_LOOK {
            self.open_door();
        }
        let has_a_key = self.facts.elsewhere.is_none() && self.facts.credential.is_none();
        self.facts.shared_key = has_a_key.then(|| self.doors.shared_key(&self.account)).flatten();
        if again {
            self.facts.failing = None;
            let now = self.clock.now();
            self.kept.values_mut().for_each(|kept| kept.facts.look_again(now));
        }
        if self.ledger_trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= self.clock.now()) {
            self.ledger_trouble = None;
        }
        self.judge().await;
        self.observe().await;
        self.register_target().await;
        self.hear_brakes();
    }

    /// Follows the file: which targets there are, and what is wanted of each. The kind is the one last seen, by an earlier
    /// process too: while it is looked at again, on reload, the targets stay what they are.
    async fn register_target(&mut self) {
        self.kind = self.kind.or_else(|| self.directives.borrow().kinds.get(&self.account).copied());
        let declared = &self.spec.account.declared;
        self.facts.unsatisfiable = declared.is_unsatisfiable(self.kind).then(|| declared.clone());
        let wanted = targets(declared, self.kind);
        for (scope, kept) in &mut self.kept {
            if !wanted.contains_key(scope) {
                kept.facts.wanted.mode = None;
            }
        }
        self.kept.retain(|scope, kept| wanted.contains_key(scope) || is_under_way(&kept.facts));
        let keep: BTreeSet<Scope> = wanted.keys().copied().collect();
        let is_observed = self.facts.identity.is_some() && self.facts.wrong.is_none();
        if is_observed && self.ledger_trouble.is_none() && self.released_all_but.as_ref() != Some(&keep) {
            match self.ledger.release(&self.account, Some(&keep)).await {
                Ok(gone) => {
                    self.facts.gone = gone;
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
        let now = self.clock.now();
        let kept = self.kept.entry(scope).or_insert_with(|| Kept::new(TargetFacts::new(wanted.clone(), now)));
        if kept.facts.wanted.asks_for_another_look(&wanted) {
            kept.facts.look_again(now);
            self.facts.failing = None;
        }
        kept.facts.wanted = wanted;
        // Taking up says that whatever was under way is lost: not while it is under way here. And while no kind is known
        // it only stands for targets to come: nothing of it belongs into the ledger.
        let due = kept.taken_up != news && !is_under_way(&kept.facts) && self.kind.is_some();
        if !due || self.ledger_trouble.is_some() {
            return Ok(());
        }
        let (target, generation) =
            (Target { account: self.account.clone(), scope }, kept.facts.wanted.generation);
        let remembered = self.ledger.register_target(&target, mode, generation).await?;
        let Some(kept) = self.kept.get_mut(&scope) else { return Ok(()) };
        if kept.taken_up.is_none() {
            kept.facts.applied = remembered.applied;
            kept.facts.intent = remembered.intent;
            kept.facts.may_come_late = remembered.may_come_late;
        }
        kept.facts.corrections = remembered.corrections;
        kept.taken_up = news;
        Ok(())
    }

    /// What forbids sets now, for each target.
    fn hear_brakes(&mut self) {
        let directives = self.directives.borrow_and_update().clone();
        let AccountSpec { max_changes, held, file, .. } = &*self.spec;
        let limits = Limits { max_changes: *max_changes, exchange: self.facts.clock, now: self.clock.now() };
        for (scope, kept) in &mut self.kept {
            let target = Target { account: self.account.clone(), scope: *scope };
            let facts = Facts { account: &self.facts, brakes: &kept.brakes, target: &kept.facts };
            let change = protocol::wanted_change(&facts);
            let entry = change.map(|change| PlanEntry::new(&target, change));
            let plan = entry.filter(|entry| held.0.contains(entry)).map(|_| held.hash());
            let Brakes { paused, file: _, ledger: _, guard } = directives.brakes(&target, change, &limits);
            kept.brakes = Brakes {
                paused,
                file: file.clone(),
                ledger: self.ledger_trouble.clone(),
                guard: Guard { plan, ..guard },
            };
        }
    }
}
