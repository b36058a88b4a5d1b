//! Since when the state of a target is unknown, and what the ledger has of that.

use crate::constants::UNKNOWN_KEPT;
use crate::facts::ServerClock;
use crate::moment::{Moment, ServerTime};

/// What is known of when nothing is known of a target.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unknown {
    /// Since when its state is unknown, or was.
    since: Option<Moment>,
    /// Until when it was, if that is over and belongs in the ledger.
    until: Option<Moment>,
    /// Whether the ledger has a span that goes on.
    is_on_record: bool,
}

/// A span for the ledger, which goes on where it has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownSpan {
    pub(super) since: ServerTime,
    pub(super) until: Option<ServerTime>,
}

impl Unknown {
    /// As the ledger remembers it. What it says goes on went on until now, for nobody has looked.
    pub(super) fn remembered(self, is_on_record: bool, now: Moment) -> Unknown {
        let since = self.since.or(is_on_record.then_some(now));
        Unknown { since, is_on_record, ..self }
    }

    /// Takes over whether the state is unknown now.
    pub(super) fn stands(&mut self, is_unknown: bool, now: Moment) {
        if is_unknown {
            self.since = self.since.or(Some(now));
            // What the ledger could not take meanwhile becomes one span.
            self.until = None;
        } else if self.is_on_record || self.lasted(now) {
            self.until = self.until.or(Some(now));
        } else {
            self.since = None;
        }
    }

    /// Whether it lasts so long, or did, that it is kept.
    fn lasted(&self, now: Moment) -> bool {
        self.since.is_some_and(|since| self.until.unwrap_or(now).since(since) >= UNKNOWN_KEPT)
    }

    /// What the ledger does not have yet, if it can be said.
    pub(super) fn news(&self, exchange: Option<ServerClock>, now: Moment) -> Option<UnknownSpan> {
        let is_news = self.until.is_some() || (!self.is_on_record && self.lasted(now));
        let (since, exchange) = (self.since.filter(|_| is_news)?, exchange?);
        Some(UnknownSpan { since: exchange.at(since), until: self.until.map(|until| exchange.at(until)) })
    }

    /// The ledger has that span.
    pub(super) fn is_recorded(&mut self, span: UnknownSpan) {
        match span.until {
            Some(_) => *self = Unknown::default(),
            None => self.is_on_record = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EXCHANGE: ServerClock = ServerClock { offset: 1000, doubt: Duration::ZERO, measured: Moment(0) };

    fn at(second: i64) -> Moment {
        Moment(second * 1000)
    }

    fn span(since: i64, until: Option<i64>) -> UnknownSpan {
        let at = |second: i64| ServerTime(1000 + second * 1000);
        UnknownSpan { since: at(since), until: until.map(at) }
    }

    #[test]
    fn what_is_unknown_for_a_minute_is_kept_from_its_beginning_and_what_is_shorter_is_not() {
        let mut unknown = Unknown::default();
        let news = |unknown: &mut Unknown, is_unknown, second| {
            unknown.stands(is_unknown, at(second));
            unknown.news(Some(EXCHANGE), at(second))
        };
        assert_eq!(news(&mut unknown, true, 0), None);
        assert_eq!(news(&mut unknown, true, 59), None);
        assert_eq!(news(&mut unknown, false, 59), None, "as with each set");
        assert_eq!(news(&mut unknown, true, 100), None);
        assert_eq!(news(&mut unknown, true, 160), Some(span(100, None)));
        assert_eq!(news(&mut unknown, true, 165), Some(span(100, None)), "the ledger could not take it");
        unknown.is_recorded(span(100, None));
        assert_eq!(news(&mut unknown, true, 200), None);
        assert_eq!(news(&mut unknown, false, 210), Some(span(100, Some(210))));
        assert_eq!(news(&mut unknown, false, 220), Some(span(100, Some(210))), "nor this");
        unknown.is_recorded(span(100, Some(210)));
        assert_eq!(news(&mut unknown, false, 230), None);
        // A first look after a start that took long, with no turn in between.
        assert_eq!(news(&mut unknown, true, 300), None);
        assert_eq!(news(&mut unknown, false, 367), Some(span(300, Some(367))));
    }

    #[test]
    fn without_the_exchanges_time_it_waits_and_an_earlier_process_s_span_goes_on_until_the_first_look() {
        let mut unknown = Unknown::default();
        unknown.stands(true, at(0));
        unknown.stands(true, at(3600));
        assert_eq!(unknown.news(None, at(3600)), None);
        assert_eq!(unknown.news(Some(EXCHANGE), at(3600)), Some(span(0, None)));

        let mut unknown = Unknown::default().remembered(true, at(0));
        unknown.stands(true, at(0));
        assert_eq!(unknown.news(Some(EXCHANGE), at(0)), None);
        unknown.stands(false, at(2));
        assert_eq!(unknown.news(Some(EXCHANGE), at(2)), Some(span(0, Some(2))));
        let mut unknown = Unknown::default().remembered(false, at(0));
        unknown.stands(false, at(2));
        assert_eq!(unknown.news(Some(EXCHANGE), at(2)), None);
    }
}
