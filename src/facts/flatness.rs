//! The readings of positions and orders, and since when every complete reading was flat.

use crate::constants::VERDICT_AGE;
use crate::moment::Moment;

/// The lists that show whether a target is flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Trigger, trailing and take-profit or stop-loss orders.
    PlanOrders,
    /// Plain orders.
    Orders,
    /// Positions.
    Positions,
}

/// One reading of one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// How many rows count.
    pub count: u32,
    /// When its first page was requested.
    pub asked: Moment,
    /// When the last page was received.
    pub answered: Moment,
}

/// The readings of positions and orders, and since when every complete reading was flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flatness {
    /// The last reading of the plan orders; `None` is unknown, not 0.
    pub plan_orders: Option<Reading>,
    /// The last reading of the orders; `None` is unknown, not 0.
    pub orders: Option<Reading>,
    /// The last reading of the positions; `None` is unknown, not 0.
    pub positions: Option<Reading>,
    /// The verdict under way, if its lists were empty so far.
    pub in_progress: Option<VerdictInProgress>,
    /// The unbroken run of flat verdicts, if the last verdict was flat.
    pub flat_span: Option<FlatSpan>,
}

/// A verdict under way. Its lists are read in a fixed order, positions last: an order that fills shows as a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerdictInProgress {
    /// When its first list was requested.
    pub began: Moment,
    /// The list that comes next.
    pub next: List,
}

/// An unbroken run of flat verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlatSpan {
    /// When the first one was complete.
    pub since: Moment,
    /// When the reading for the newest one began.
    pub newest: Moment,
}

impl Flatness {
    /// Records one reading. A row that counts ends the run. A complete flat verdict (plan orders, then orders, then
    /// positions, all empty, within `VERDICT_AGE`) begins or prolongs it.
    pub fn read(&mut self, list: List, reading: Reading) {
        let Reading { count, asked, answered } = reading;
        let part = self.in_progress.take().filter(|part| part.next == list).map(|part| part.began);
        match list {
            List::PlanOrders => {
                self.plan_orders = Some(reading);
                self.in_progress = Some(VerdictInProgress { began: asked, next: List::Orders });
            }
            List::Orders => {
                self.orders = Some(reading);
                self.in_progress = part.map(|began| VerdictInProgress { began, next: List::Positions });
            }
            List::Positions => self.positions = Some(reading),
        }
        if count > 0 {
            self.in_progress = None;
            self.flat_span = None;
        } else if let Some(newest) =
            part.filter(|began| list == List::Positions && answered.since(*began) <= VERDICT_AGE)
        {
            let since = self.flat_span.map_or(answered, |run| run.since);
            self.flat_span = Some(FlatSpan { since, newest });
        }
    }

    /// The rows of all readings together; `None` if no list was read.
    pub fn known_rows(&self) -> Option<u32> {
        [self.plan_orders, self.orders, self.positions]
            .into_iter()
            .flatten()
            .map(|reading| reading.count)
            .reduce(u32::saturating_add)
    }
}
