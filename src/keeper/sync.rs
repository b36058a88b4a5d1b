//! Writes down since when a target is not as the file wants it, and that its drift was told: on disk neither begins anew with a
//! process. Likewise since when its state is unknown.

use super::synced::News;
use super::unknown::UnknownSpan;
use super::{Environment, Keeper};
use crate::ledger::{Event, EventKind, LedgerError};
use crate::position_mode::{Scope, Target};
use crate::protocol::{self, Reason, Standing, State};

impl<D: Environment> Keeper<D> {
    /// Follows which targets are in sync, and writes down what has changed.
    pub(super) async fn follow_sync(&mut self) {
        let (mut changed, mut unknown) = (Vec::new(), Vec::new());
        // An account that has no answer yet goes by those of others.
        let exchange = self.facts.clock.or_else(|| self.clock.exchange());
        if self.is_recorded_elsewhere() {
            return;
        }
        for (scope, slot) in &mut self.targets {
            slot.sync.stands(slot.standing.is_out_of_sync(), self.stood);
            if let Some(news) = slot.sync.news(exchange) {
                changed.push((*scope, news));
            }
            slot.unknown.stands(slot.standing.state == State::Unknown, self.stood);
            if slot.taken_up.is_some()
                && let Some(span) = slot.unknown.news(exchange, self.stood)
            {
                unknown.push((*scope, span));
            }
        }
        for (scope, news) in changed {
            if self.ledger_trouble.is_some() {
                return;
            }
            if let Err(error) = self.record_sync(scope, news).await {
                self.ledger_failed(&error);
            }
        }
        for (scope, span) in unknown {
            if self.ledger_trouble.is_some() {
                return;
            }
            if let Err(error) = self.record_unknown(scope, span).await {
                self.ledger_failed(&error);
            }
        }
    }

    async fn record_unknown(&mut self, scope: Scope, span: UnknownSpan) -> Result<(), LedgerError> {
        let target = Target { account: self.account.clone(), scope };
        self.ledger.unknown(&target, span.since, span.until).await?;
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.unknown.is_recorded(span);
        }
        Ok(())
    }

    async fn record_sync(&mut self, scope: Scope, news: News) -> Result<(), LedgerError> {
        let target = Target { account: self.account.clone(), scope };
        let Some(slot) = self.targets.get_mut(&scope) else { return Ok(()) };
        if matches!(news, News::In | News::Out { since: _, anew: true }) {
            self.ledger.in_sync(&target).await?;
            slot.sync.is_recorded(None);
        }
        if let News::Out { since, anew: _ } = news {
            self.ledger.out_of_sync(&target, since).await?;
            slot.sync.is_recorded(Some(since));
        }
        Ok(())
    }

    /// Records drift (a change at the exchange that is not ours): one event until live is as desired again.
    pub(super) async fn notice_drift(&mut self, scope: Scope) {
        let now = self.clock.now();
        let Some(slot) = self.targets.get_mut(&scope) else { return };
        let facts = slot.facts(&self.facts);
        let Standing { state, blockers, .. } = Standing::of(&facts, now);
        let (Some(seen), generation) = (slot.facts.seen, slot.facts.wanted.generation) else { return };
        let is_ours = slot.facts.intent.is_some() || protocol::came_late(&facts, seen).is_some();
        if state != State::Drifted || is_ours || slot.sync.has_noticed_drift() {
            return;
        }
        let target = Target { account: self.account.clone(), scope };
        let text = format!("the exchange was changed behind us: live is {}", seen.mode);
        let (kind, text) = if blockers.holds(Reason::Fighting) {
            (
                EventKind::Fighting,
                format!("{text}; corrected so often that it is left alone until a revision or a resume"),
            )
        } else {
            (EventKind::Drift, text)
        };
        let event = Event::new(kind, text).of(&target).in_revision(generation);
        match self.ledger.drift(&target, event).await {
            Ok(()) => {
                slot.counts.drift += 1;
                slot.sync.drift_is_noticed();
            }
            Err(error) => self.ledger_failed(&error),
        }
    }
}
