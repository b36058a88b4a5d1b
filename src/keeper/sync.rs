//! Since when a target is not as the file wants it, and whether its drift was told: on disk, so that neither begins anew with
//! a process.

use jiff::Timestamp;

use super::{Environment, Keeper};
use crate::clock::Clock;
use crate::facts::ServerClock;
use crate::ledger::{Event, EventKind, LedgerError, OutOfSync};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{Scope, Target};
use crate::protocol::{self, Reason, Standing, State};

/// What is known of a target that is not in sync.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Synced {
    /// Since when; `None` if it is in sync.
    since: Option<Since>,
    /// What the ledger says of it.
    on_record: OutOfSync,
}

#[derive(Debug, Clone, Copy)]
enum Since {
    /// Seen by this process. The ledger takes it once the exchange's time is known.
    Seen(Moment),
    /// As the ledger has it.
    Recorded(ServerTime),
}

/// What the ledger does not know yet.
#[derive(Debug, Clone, Copy)]
enum News {
    /// It is out of sync; `anew` if what the ledger has is over.
    Out { since: ServerTime, anew: bool },
    /// It is in sync.
    In,
}

impl Synced {
    /// As the ledger remembers it.
    pub(super) fn remembered(on_record: OutOfSync) -> Synced {
        Synced { since: on_record.since.map(Since::Recorded), on_record }
    }

    /// Whether the drift that it is in has its event.
    pub(super) fn is_drift_noticed(&self) -> bool {
        self.on_record.drift_noticed
    }

    /// A set of ours has ended the drift.
    pub(super) fn drift_is_over(&mut self) {
        self.on_record.drift_noticed = false;
    }

    /// Since when it is not in sync.
    pub(super) fn shown(&self, clock: &Clock, exchange: Option<ServerClock>) -> Option<Timestamp> {
        Some(match (self.since?, exchange) {
            (Since::Seen(at), _) => clock.timestamp(at),
            (Since::Recorded(at), Some(exchange)) => clock.timestamp(exchange.moment(at)),
            (Since::Recorded(ServerTime(at)), None) => {
                Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        })
    }

    /// Takes over where the target stands now.
    fn stands(&mut self, is_out: Option<bool>, now: Moment) {
        match is_out {
            Some(true) => self.since = self.since.or(Some(Since::Seen(now))),
            Some(false) => self.since = None,
            None => {}
        }
    }

    /// What the ledger is to say of it, if that is something else than it does and can be said.
    fn news(&self, exchange: Option<ServerClock>) -> Option<News> {
        let is_on_record = self.on_record.since.is_some();
        match self.since {
            Some(Since::Seen(at)) => Some(News::Out { since: exchange?.at(at), anew: is_on_record }),
            Some(Since::Recorded(_)) => None,
            None => (is_on_record || self.on_record.drift_noticed).then_some(News::In),
        }
    }
}

impl<D: Environment> Keeper<D> {
    /// Follows which targets are in sync, and writes down what has changed.
    pub(super) async fn follow_sync(&mut self) {
        let mut changed = Vec::new();
        for (scope, slot) in &mut self.targets {
            slot.sync.stands(slot.standing.is_out_of_sync(), self.stood);
            if slot.taken_up.is_some()
                && let Some(news) = slot.sync.news(self.facts.clock)
            {
                changed.push((*scope, news));
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
    }

    async fn record_sync(&mut self, scope: Scope, news: News) -> Result<(), LedgerError> {
        let target = Target { account: self.account.clone(), scope };
        let Some(slot) = self.targets.get_mut(&scope) else { return Ok(()) };
        if matches!(news, News::In | News::Out { since: _, anew: true }) {
            self.ledger.in_sync(&target).await?;
            slot.sync.on_record = OutOfSync::default();
        }
        if let News::Out { since, anew: _ } = news {
            self.ledger.out_of_sync(&target, since).await?;
            (slot.sync.since, slot.sync.on_record.since) = (Some(Since::Recorded(since)), Some(since));
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
        if state != State::Drifted || is_ours || slot.sync.is_drift_noticed() {
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
                slot.sync.on_record.drift_noticed = true;
            }
            Err(error) => self.ledger_failed(&error),
        }
    }
}
