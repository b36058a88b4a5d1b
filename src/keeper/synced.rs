//! What is known of whether a target is in sync: since when it is not, and what the ledger says of that.

use jiff::Timestamp;

use crate::clock::Clock;
use crate::facts::ServerClock;
use crate::ledger::OutOfSync;
use crate::moment::{Moment, ServerTime};

/// What is known of a target that is not in sync.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Synced {
    /// Since when; `None` if it is in sync.
    since: Option<Since>,
    /// What the ledger says of it.
    on_record: OutOfSync,
    /// Whether the ledger was asked: it is told nothing before.
    is_remembered: bool,
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
pub(super) enum News {
    /// It is out of sync; `anew` if what the ledger has is over.
    Out { since: ServerTime, anew: bool },
    /// It is in sync.
    In,
}

impl Synced {
    /// As the ledger remembers it.
    pub(super) fn remembered(on_record: OutOfSync) -> Synced {
        Synced { since: on_record.since.map(Since::Recorded), on_record, is_remembered: true }
    }

    /// Whether it is known what the ledger says.
    pub(super) fn is_remembered(self) -> bool {
        self.is_remembered
    }

    /// Whether the drift that it is in has its event.
    pub(super) fn has_noticed_drift(self) -> bool {
        self.on_record.drift_noticed
    }

    /// A set of ours has ended the drift.
    pub(super) fn drift_is_over(&mut self) {
        self.on_record.drift_noticed = false;
    }

    /// The drift that it is in has its event now.
    pub(super) fn drift_is_noticed(&mut self) {
        self.on_record.drift_noticed = true;
    }

    /// The ledger knows that it is out of sync since then, or that it is in sync.
    pub(super) fn is_recorded(&mut self, out_since: Option<ServerTime>) {
        match out_since {
            Some(since) => {
                self.since = Some(Since::Recorded(since));
                self.on_record.since = Some(since);
            }
            None => self.on_record = OutOfSync::default(),
        }
    }

    /// Since when it is not in sync.
    pub(super) fn shown(self, clock: &Clock, exchange: Option<ServerClock>) -> Option<Timestamp> {
        Some(match (self.since?, exchange) {
            (Since::Seen(at), _) => clock.timestamp(at),
            (Since::Recorded(at), Some(exchange)) => clock.timestamp(exchange.moment(at)),
            (Since::Recorded(ServerTime(at)), None) => {
                Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        })
    }

    /// Takes over where the target stands now.
    pub(super) fn stands(&mut self, is_out: Option<bool>, now: Moment) {
        match is_out {
            Some(true) => self.since = self.since.or(Some(Since::Seen(now))),
            Some(false) => self.since = None,
            None => {}
        }
    }

    /// What the ledger is to say of it, if that is something else than it does and can be said.
    pub(super) fn news(self, exchange: Option<ServerClock>) -> Option<News> {
        if !self.is_remembered {
            return None;
        }
        let is_on_record = self.on_record.since.is_some();
        match self.since {
            Some(Since::Seen(at)) => Some(News::Out { since: exchange?.at(at), anew: is_on_record }),
            Some(Since::Recorded(_)) => None,
            None => (is_on_record || self.on_record.drift_noticed).then_some(News::In),
        }
    }
}
