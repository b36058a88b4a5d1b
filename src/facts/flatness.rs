//! The readings of positions and orders: since when every complete reading was flat, and since when something is open.

use serde::{Deserialize, Serialize};

use crate::constants::VERDICT_AGE;
use crate::moment::Moment;

/// The lists that show whether a target is flat. JSON has the word for one row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum List {
    /// Trigger, trailing and take-profit or stop-loss orders.
    #[serde(rename = "plan_order")]
    PlanOrders,
    /// Plain orders.
    #[serde(rename = "order")]
    Orders,
    /// Positions.
    #[serde(rename = "position")]
    Positions,
}

impl List {
    /// What its rows are called.
    pub fn of_many(self) -> &'static str {
        match self {
            List::PlanOrders => "plan orders",
            List::Orders => "orders",
            List::Positions => "positions",
        }
    }

    /// What one row of it is called.
    pub fn of_one(self) -> &'static str {
        match self {
            List::PlanOrders => "plan order",
            List::Orders => "order",
            List::Positions => "position",
        }
    }
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

/// The readings of positions and orders, since when every complete reading was flat, and since when something is waited
/// for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flatness {
    /// The last reading of the plan orders; `None` is unknown, not 0.
    pub plan_orders: Option<Reading>,
    /// The last reading of the orders; `None` is unknown, not 0.
    pub orders: Option<Reading>,
    /// The last reading of the positions; `None` is unknown, not 0.
    pub positions: Option<Reading>,
    /// When the newest verdict began, or the newest reading of one list alone: older readings may have changed since.
    pub newest: Option<Moment>,
    /// The verdict under way, if its lists were empty so far.
    pub in_progress: Option<VerdictInProgress>,
    /// When the last verdict began, if its lists were all empty and reading them took too long.
    pub too_slow: Option<Moment>,
    /// The unbroken run of flat verdicts, if the last verdict was flat.
    pub flat_span: Option<FlatSpan>,
    /// The wait for what is open, from the first row that was found to the set or another wish.
    pub wait: Option<Wait>,
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
    /// When a list was last found empty, alone or in a verdict: as long as the gaps are short, nothing went unseen.
    pub kept: Moment,
}

/// A wait for what is open. A glimpse of nothing does not end it: strategies close one position and open the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wait {
    /// When something was first found open.
    pub since: Moment,
    /// The list with rows, and when it was last read; `None` once it was found empty.
    pub open: Option<(List, Moment)>,
    /// Whether something was found open again after nothing was.
    pub again: bool,
    /// When a look last found nothing open where something was.
    pub glimpsed: Option<Moment>,
}

impl Flatness {
    /// Records one reading of a whole list. A row that counts ends the run. A complete flat verdict (plan orders, then
    /// orders, then positions, all empty, within `VERDICT_AGE`) begins or prolongs it; an empty list alone keeps it.
    pub fn read(&mut self, list: List, reading: Reading) {
        let Reading { count, asked, answered } = reading;
        let part = self.in_progress.take().filter(|part| part.next == list).map(|part| part.began);
        if part.is_none() {
            self.newest = Some(asked);
        }
        *self.reading(list) = Some(reading);
        if count > 0 {
            return self.found(list, asked);
        }
        if let Some(run) = &mut self.flat_span {
            run.kept = asked;
        }
        if self.open().is_some_and(|(open, _)| open == list) {
            self.glimpse(answered);
        }
        let next = |began, next| Some(VerdictInProgress { began, next });
        match (list, part) {
            (List::PlanOrders, _) => {
                self.too_slow = None;
                self.in_progress = next(asked, List::Orders);
            }
            (List::Orders, Some(began)) => self.in_progress = next(began, List::Positions),
            (List::Positions, Some(began)) if answered.since(began) <= VERDICT_AGE => {
                let since = self.flat_span.map_or(answered, |run| run.since);
                self.flat_span = Some(FlatSpan { since, newest: began, kept: asked });
            }
            (List::Positions, Some(began)) => self.too_slow = Some(began),
            (List::Orders | List::Positions, None) => {}
        }
    }

    /// Records a reading of those parts of a list alone that had rows before. Where it finds none, the rest of the list may
    /// have some.
    pub fn read_what_is_open(&mut self, list: List, reading: Reading) {
        let Reading { count, asked, answered } = reading;
        self.in_progress = None;
        self.newest = Some(asked);
        *self.reading(list) = Some(reading).filter(|_| count > 0);
        if count > 0 {
            self.found(list, asked);
        } else {
            self.glimpse(answered);
        }
    }

    /// Nobody could see for a while what happened: no verdict counts any more.
    pub fn was_unseen(&mut self) {
        self.in_progress = None;
        self.flat_span = None;
    }

    fn glimpse(&mut self, answered: Moment) {
        if let Some(wait) = &mut self.wait {
            wait.open = None;
            wait.glimpsed = Some(answered);
        }
    }

    fn found(&mut self, list: List, asked: Moment) {
        self.too_slow = None;
        self.flat_span = None;
        let before = self.wait.unwrap_or(Wait { since: asked, open: None, again: false, glimpsed: None });
        let again = before.again || (self.wait.is_some() && before.open.is_none());
        self.wait = Some(Wait { open: Some((list, asked)), again, ..before });
    }

    fn reading(&mut self, list: List) -> &mut Option<Reading> {
        match list {
            List::PlanOrders => &mut self.plan_orders,
            List::Orders => &mut self.orders,
            List::Positions => &mut self.positions,
        }
    }

    /// The list with rows at the last look, and when it was read; `None` if nothing is known to be open.
    pub fn open(&self) -> Option<(List, Moment)> {
        self.wait?.open
    }

    /// The readings without those that may have changed since.
    #[must_use]
    pub fn newest(&self) -> Flatness {
        let newer = |reading: Option<Reading>| {
            reading.filter(|reading| self.newest.is_some_and(|newest| reading.asked >= newest))
        };
        Flatness {
            plan_orders: newer(self.plan_orders),
            orders: newer(self.orders),
            positions: newer(self.positions),
            ..*self
        }
    }

    /// Whether every list was read: what was counted is all that there is, not the least.
    pub fn is_complete(&self) -> bool {
        self.plan_orders.is_some() && self.orders.is_some() && self.positions.is_some()
    }

    /// The verdict under way that can still end in time.
    pub fn verdict(&self, now: Moment) -> Option<VerdictInProgress> {
        self.in_progress.filter(|verdict| now.since(verdict.began) <= VERDICT_AGE)
    }
}
