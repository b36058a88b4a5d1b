//! The half of a keeper that changes something: note, send, withdraw, record.

use super::{Environment, Keeper, TargetSlot, is_about_the_key};
use crate::constants::LEDGER_RETRY;
use crate::exchange::Apply as _;
use crate::facts::Answer;
use crate::facts::{Change, Class, Closing, Failure, IntentState, SetAnswer};
use crate::ledger::{Allowance, LedgerError, Note};
use crate::position_mode::{Scope, Target};
use crate::protocol::{self, Record, Standing, Step, Withdrawn};
use crate::status::Counts;

impl<D: Environment> Keeper<D> {
    /// Takes the permit, then writes the intent. Waiting for the permit may take time, so the protocol is asked again
    /// in between.
    pub(super) async fn note(&mut self, scope: Scope, change: Change) {
        if self.stop.is_cancelled() {
            return;
        }
        self.claim();
        let Some(exchange) = self.exchange.as_ref().filter(|_| self.facts.key_taken.is_none()) else {
            return;
        };
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.has_begun = true;
        }
        let permit = tokio::select! {
            biased;
            permit = exchange.permit(scope) => permit,
            () = self.stop.cancelled() => return,
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(failure) => return self.target_failed(scope, failure),
        };
        self.sync_inputs().await;
        if self.stop.is_cancelled() {
            return;
        }
        let now = self.clock.now();
        let Some(slot) = self.targets.get(&scope) else { return };
        let facts = slot.facts(&self.facts);
        if protocol::next(&facts, &Standing::of(&facts, now), now) != Step::Note(change) {
            return;
        }
        // If its event could not be written when it was seen, it is now, or the note fails like it.
        self.notice_drift(scope).await;
        let Some(clock) = self.facts.clock else { return };
        let target = Target { account: self.account.clone(), scope };
        let Some(slot) = self.targets.get(&scope) else { return };
        let (generation, stamp) = (slot.facts.wanted.generation, clock.at(now));
        let allowed = if protocol::needs_approval(slot.facts.wanted.policy.drift, change.cause) {
            Allowance::Approval
        } else {
            Allowance::Places(self.spec.max_changes)
        };
        match self.ledger.note(&target, change, generation, stamp, allowed).await {
            Ok(Note::Noted(noted, intent)) => {
                if let Some(slot) = self.targets.get_mut(&scope) {
                    slot.facts.intent = Some(intent.of_this_process(now, clock));
                    self.noted = Some((noted, permit));
                }
            }
            Ok(Note::Braked) => {
                // Since our check another process set a brake, or another keeper used up the budget: try again soon. Where
                // daemons of several hosts write, it may be an earlier set of the target.
                if self.ledger.is_shared()
                    && let Some(slot) = self.targets.get_mut(&scope)
                {
                    slot.taken_up = None;
                }
                // Or one under a name of this account that nobody has any more: what was asked of those at the start may be
                // true no longer.
                self.released_all_but = None;
                let until = now + LEDGER_RETRY / 5;
                let say = "Its set was forbidden just now: by a brake, or because another account used the budget up.".to_owned();
                self.target_failed(scope, Failure { class: Class::Busy { until }, code: None, say });
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// Sends the noted set. Must not be dropped half-way: the keeper's own task awaits it.
    pub(super) async fn send(&mut self, scope: Scope) {
        self.stand();
        self.show(self.stood + crate::constants::HTTP_TOTAL);
        let Some((noted, permit)) = self.noted.take() else {
            return self.left_unclear(scope, "The note was lost before the set was sent.".to_owned()).await;
        };
        let Some(exchange) = &self.exchange else { return };
        let (answer, heard) = exchange.set(noted, permit).await;
        let now = self.clock.now();
        if let Some(Answer { value: (), asked, answered, server }) = heard {
            self.facts.note_server_time(asked, answered, server);
        }
        let Some(slot) = self.targets.get_mut(&scope) else { return };
        let Some(id) = slot.facts.intent.as_ref().map(|intent| intent.id) else { return };
        slot.facts.answered(answer.clone(), now);
        let told = match &answer {
            SetAnswer::Accepted => self.ledger.record_answer(id, &answer).await,
            SetAnswer::Unclear(failure) => {
                slot.counts.unknown += 1;
                tracing::warn!(account = %self.account, %scope, "{} {scope}: set: no usable answer ({failure})", self.account);
                self.ledger.record_answer(id, &answer).await
            }
            SetAnswer::Refused(_) | SetAnswer::NotSent(_) => return,
        };
        // If the write failed, the intent on disk is still open: only an entry in the history is lost.
        if let Err(error) = told {
            self.ledger_failed(&error);
        }
    }

    /// Closes the intent of a set that did not leave.
    pub(super) async fn withdraw(&mut self, scope: Scope, why: Withdrawn) {
        let say = why.say();
        let Some((noted, _permit)) = self.noted.take() else {
            return self.left_unclear(scope, format!("Its note was lost; {say}.")).await;
        };
        match self.ledger.withdraw(noted, &say).await {
            Ok(()) => {
                let Some(slot) = self.targets.get_mut(&scope) else { return };
                slot.counts.withdrawn += 1;
                slot.facts.intent = None;
            }
            Err(error) => {
                self.ledger_failed(&error);
                self.left_unclear(scope, format!("Not sent ({say}), and that could not be written down."))
                    .await;
            }
        }
    }

    /// Writes what has been learned to the ledger; the facts change only once it is on disk.
    pub(super) async fn record(&mut self, scope: Scope, record: Record) {
        if let Err(error) = self.try_record(scope, record).await {
            self.ledger_failed(&error);
        }
    }

    async fn try_record(&mut self, scope: Scope, record: Record) -> Result<(), LedgerError> {
        let Some(slot) = self.targets.get(&scope) else { return Ok(()) };
        let (before, intent) = (slot.facts.applied, slot.facts.intent.as_ref().map(|intent| intent.id));
        let applied = record.applied(&slot.facts);
        match (&record, intent) {
            (Record::Applied(_), _) => {
                let Some(applied) = applied else { return Ok(()) };
                let target = Target { account: self.account.clone(), scope };
                self.ledger.record_applied(&target, applied, before.map(|before| before.mode)).await?;
            }
            (Record::Late(id), _) => {
                let Some(applied) = applied else { return Ok(()) };
                self.ledger.record_late(*id, applied).await?;
                tracing::warn!(account = %self.account, %scope, "{} {scope}: a set that seemed lost has taken effect late", self.account);
            }
            (Record::Confirmed, Some(id)) => self.ledger.record_confirmed(id, applied).await?,
            (Record::Unconfirmed, Some(id)) => self.ledger.record_unconfirmed(id).await?,
            (Record::Refused(failure), Some(id)) => {
                self.ledger.record_answer(id, &SetAnswer::Refused(failure.clone())).await?;
            }
            (Record::NotSent(failure), Some(id)) => {
                self.ledger.record_answer(id, &SetAnswer::NotSent(failure.clone())).await?;
            }
            (Record::Resolved { took_effect }, Some(id)) => match slot.facts.closing {
                Some(Closing { request, .. }) => {
                    self.ledger.record_closed(request, id, *took_effect, applied).await?;
                    tracing::warn!(account = %self.account, %scope, "{} {scope}: an operator closed a set with an unknown outcome", self.account);
                }
                None => self.ledger.record_resolved(id, *took_effect, applied).await?,
            },
            (Record::NotClosed(say), _) => {
                if let Some(Closing { request, .. }) = slot.facts.closing {
                    self.ledger.refuse(request, say).await?;
                }
            }
            (
                Record::Confirmed
                | Record::Unconfirmed
                | Record::Refused(_)
                | Record::NotSent(_)
                | Record::Resolved { .. },
                None,
            ) => {}
        }
        let refused_key = matches!(&record, Record::Refused(failure) if is_about_the_key(failure));
        let (now, jitter) = (self.clock.now(), self.clock.jitter());
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.count(&record);
            protocol::recorded(record, applied, &mut self.facts, &mut slot.facts, now, jitter);
        }
        if refused_key {
            self.connect();
        }
        Ok(())
    }

    /// Marks an intent without its note as unclear: its outcome is known only after its fence.
    async fn left_unclear(&mut self, scope: Scope, said: String) {
        let Some(slot) = self.targets.get_mut(&scope) else { return };
        let Some(intent) = &mut slot.facts.intent else { return };
        let failure = Failure { class: Class::TryAgain, code: None, say: said };
        intent.state = IntentState::Unclear(failure.clone());
        let id = intent.id;
        if let Err(error) = self.ledger.record_answer(id, &SetAnswer::Unclear(failure)).await {
            self.ledger_failed(&error);
        }
    }

    fn target_failed(&mut self, scope: Scope, failure: Failure) {
        let (now, jitter) = (self.clock.now(), self.clock.jitter());
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.facts.failed(None, failure, now, jitter);
        }
    }
}

impl TargetSlot {
    /// Counts the record in what is published of the target.
    fn count(&mut self, record: &Record) {
        let Counts { confirmed, late, refused, unknown, withdrawn, drift: _ } = &mut self.counts;
        match record {
            Record::Confirmed | Record::Resolved { took_effect: true } => {
                *confirmed += 1;
                self.sync.drift_is_over();
            }
            Record::Late(_) => *late += 1,
            Record::Unconfirmed => *unknown += 1,
            Record::Refused(_) => *refused += 1,
            Record::NotSent(_) => *withdrawn += 1,
            Record::Applied(_) | Record::NotClosed(_) | Record::Resolved { took_effect: false } => {}
        }
    }
}
