//! Since when this process runs, as it is marked in the ledger: at most once a minute, and at its end.
//!
//! What lies between two processes, or in a suspend of the machine, is in no span. Nor is a process that has never known the
//! exchange's time: it knew nothing.

use crate::constants::MARK_EVERY;
use crate::facts::ServerClock;
use crate::moment::{Moment, ServerTime};

/// What is marked of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// Since when it has run without a gap.
    since: Moment,
    /// When it last turned.
    turned: Moment,
    /// The beginning of its span in the ledger, once that is known.
    begins: Option<ServerTime>,
    /// When the last mark was made, or tried.
    marked: Option<Moment>,
}

/// A span for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) since: ServerTime,
    pub(super) until: ServerTime,
}

impl Watch {
    pub(super) fn since(now: Moment) -> Watch {
        Watch { since: now, turned: now, begins: None, marked: None }
    }

    /// The beginning of the span that goes on.
    pub(super) fn begins(&self) -> Option<ServerTime> {
        self.begins
    }

    /// The mark that is due now; the last one always is.
    pub(super) fn turn(
        &mut self,
        now: Moment,
        exchange: Option<ServerClock>,
        is_last: IsLast,
    ) -> Option<Mark> {
        if now.since(self.turned) > MARK_EVERY {
            *self = Watch::since(now);
        }
        self.turned = now;
        let is_due =
            is_last == IsLast::Yes || self.marked.is_none_or(|marked| now.since(marked) >= MARK_EVERY);
        let exchange = exchange.filter(|_| is_due)?;
        self.marked = Some(now);
        let since = *self.begins.get_or_insert(exchange.at(self.since));
        Some(Mark { since, until: exchange.at(now) })
    }
}

/// Whether the process ends with this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsLast {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EXCHANGE: ServerClock = ServerClock { offset: 500, doubt: Duration::ZERO, measured: Moment(0) };

    fn at(second: i64) -> Moment {
        Moment(second * 1000)
    }

    fn mark(since: i64, until: i64) -> Mark {
        let at = |second: i64| ServerTime(500 + second * 1000);
        Mark { since: at(since), until: at(until) }
    }

    #[test]
    fn it_is_marked_once_a_minute_from_the_start_on_and_at_the_end() {
        let mut watch = Watch::since(at(0));
        let mut marks = Vec::new();
        for second in 0..200 {
            // The exchange's time is known after 3 s.
            let exchange = Some(EXCHANGE).filter(|_| second >= 3);
            marks.extend(watch.turn(at(second), exchange, IsLast::No));
        }
        marks.extend(watch.turn(at(200), Some(EXCHANGE), IsLast::Yes));
        assert_eq!(marks, [mark(0, 3), mark(0, 63), mark(0, 123), mark(0, 183), mark(0, 200)]);
    }

    #[test]
    fn f73_a_suspend_is_in_no_span_and_an_unreachable_exchange_is_waited_for() {
        let mut watch = Watch::since(at(0));
        for second in 0..=3600 {
            assert_eq!(watch.turn(at(second), None, IsLast::No), None);
        }
        assert_eq!(watch.turn(at(3601), Some(EXCHANGE), IsLast::No), Some(mark(0, 3601)));
        assert_eq!(watch.turn(at(3630), Some(EXCHANGE), IsLast::No), None);
        // The machine sleeps for a night.
        assert_eq!(watch.turn(at(40_000), Some(EXCHANGE), IsLast::No), Some(mark(40_000, 40_000)));
        assert_eq!(watch.turn(at(40_060), Some(EXCHANGE), IsLast::No), Some(mark(40_000, 40_060)));
        assert_eq!(watch.begins(), Some(ServerTime(40_000_500)));
    }
}
