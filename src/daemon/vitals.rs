//! What the listener may ask of the fleet and of the ledger.

use tokio::sync::watch;

use crate::fleet::Pulse;
use crate::ledger::{Event, HistoryFilter, Ledger};
use crate::moment::Moment;
use crate::serve::{Records, Vitals};

/// How the daemon is, beside what its keepers publish.
#[derive(Debug)]
pub(super) struct FleetVitals {
    pub(super) pulse: watch::Receiver<Pulse>,
}

impl Vitals for FleetVitals {
    fn fleet_due(&self) -> Moment {
        self.pulse.borrow().due
    }

    fn ledger_trouble(&self) -> Option<String> {
        self.pulse.borrow().ledger_trouble.clone()
    }
}

/// The history, through a connection of its own: whoever reads does not keep the writer waiting.
#[derive(Debug)]
pub(super) struct HistoryReader(pub(super) Ledger);

impl Records for HistoryReader {
    fn newest(&self, filter: &HistoryFilter) -> Result<Vec<Event>, String> {
        let HistoryReader(ledger) = self;
        let visitor = ledger.visitor().map_err(|error| error.to_string())?;
        visitor.history(filter).map_err(|error| error.to_string())
    }
}
