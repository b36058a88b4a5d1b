//! What the listener may read of the fleet and of the ledger.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::exchange::HttpVersion;
use crate::exchange::bitget::{Bitget, Sockets};
use crate::facts::Stretch;
use crate::fleet::Pulse;
use crate::host::HostName;
use crate::ledger::{Event, HistoryFilter, Ledger, LedgerError, Span, Spans, SpansFilter, Visitor};
use crate::moment::{Moment, ServerTime};
use crate::notify;
use crate::serve::{Records, Vitals};
use crate::source::LastPull;

/// The health of the daemon, from the pulse of the fleet's loop, its sockets and what the source has read.
#[derive(Debug)]
pub(super) struct FleetVitals {
    pub(super) pulse: watch::Receiver<Pulse>,
    pub(super) sockets: Sockets,
    pub(super) bitget: Bitget<Sockets>,
    pub(super) last_pull: watch::Receiver<Option<LastPull>>,
    pub(super) notify: notify::Health,
    pub(super) host: HostName,
    pub(super) path: PathBuf,
}

impl Vitals for FleetVitals {
    fn fleet_due(&self) -> Moment {
        self.pulse.borrow().due
    }

    fn ledger_trouble(&self) -> Option<String> {
        self.pulse.borrow().ledger_trouble.clone()
    }

    fn http(&self) -> Option<HttpVersion> {
        self.sockets.spoken()
    }

    fn stretch(&self) -> Stretch {
        self.bitget.stretch()
    }

    fn last_pull(&self) -> Option<LastPull> {
        self.last_pull.borrow().clone()
    }

    fn host(&self) -> String {
        self.host.now()
    }

    fn path(&self) -> String {
        self.path.display().to_string()
    }

    fn warnings(&self) -> Vec<String> {
        self.notify.warnings()
    }
}

/// The history, read through a separate connection, so that a reader does not delay the writer.
#[derive(Debug)]
pub(super) struct HistoryReader {
    pub(super) ledger: Ledger,
    pub(super) pulse: watch::Receiver<Pulse>,
}

impl HistoryReader {
    fn read<T>(&self, read: impl FnOnce(&Visitor) -> Result<T, LedgerError>) -> Result<T, String> {
        let visitor = self.ledger.visitor().map_err(|error| error.to_string())?;
        read(&visitor).map_err(|error| error.to_string())
    }
}

impl Records for HistoryReader {
    fn newest(&self, filter: &HistoryFilter) -> Result<Vec<Event>, String> {
        self.read(|visitor| visitor.history(filter))
    }

    fn spans(&self, filter: &SpansFilter) -> Result<Spans, String> {
        let mut spans = self.read(|visitor| visitor.spans(filter))?;
        let ours = self.pulse.borrow().watched;
        let goes_on = |span: &&mut Span| ours == Some(ServerTime(span.since));
        for span in spans.watched.iter_mut().filter(goes_on) {
            span.until = None;
        }
        Ok(spans)
    }

    fn written(&self) -> u64 {
        self.ledger.written()
    }

    fn last(&self) -> Result<i64, String> {
        self.read(Visitor::last_event)
    }

    fn after(&self, last: i64, most: usize) -> Result<Vec<Event>, String> {
        self.read(|visitor| visitor.events_after(last, most))
    }
}
