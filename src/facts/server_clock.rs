//! The exchange's clock relative to our moments.

use std::time::Duration;

use crate::constants::{ANSWER_OLDER, CLOCK_DOUBT, CLOCK_DRIFT_PER_MILLION};
use crate::moment::{Moment, ServerTime};

/// The exchange's clock relative to our moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerClock {
    /// What must be added to a moment to get the exchange's time, in milliseconds.
    pub offset: i64,
    /// Half the round trip in which it was measured.
    pub doubt: Duration,
    /// When it was measured.
    pub measured: Moment,
}

/// How old an answer is by the exchange's time in it, beside its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It may have been written after the question was asked.
    Fresh,
    /// It was written before, or by a clock that is a little behind; or this clock is a little ahead.
    Unsure,
    /// It was written so long before the question.
    Older(Duration),
}

impl ServerClock {
    /// The clock by one answer: the exchange wrote `server` at some moment between `asked` and `answered`.
    pub fn measured(asked: Moment, answered: Moment, server: ServerTime) -> ServerClock {
        let doubt = answered.since(asked) / 2;
        ServerClock { offset: server.0 - (asked + doubt).0, doubt, measured: answered }
    }

    /// The exchange's time at `now`.
    pub fn at(&self, now: Moment) -> ServerTime {
        ServerTime(now.0.saturating_add(self.offset))
    }

    /// Our moment for a time of the exchange.
    pub fn moment(&self, at: ServerTime) -> Moment {
        Moment(at.0.saturating_sub(self.offset))
    }

    /// How far off it may be at `now`: half the round trip plus the drift since.
    pub fn doubt_at(&self, now: Moment) -> Duration {
        let drift = now.since(self.measured).as_nanos() * u128::from(CLOCK_DRIFT_PER_MILLION) / 1_000_000;
        self.doubt + Duration::from_nanos(u64::try_from(drift).unwrap_or(u64::MAX))
    }

    /// Whether it is known well enough at `now` to sign a set with it. Else it contradicts nothing either.
    pub fn is_known_well(&self, now: Moment) -> bool {
        self.doubt_at(now) <= CLOCK_DOUBT
    }

    /// How old an answer with this time of the exchange is, whose question was asked at `asked`.
    pub fn age(&self, asked: Moment, server: ServerTime) -> Age {
        let written = self.moment(server);
        let latest = written + self.doubt_at(asked);
        if latest >= asked {
            Age::Fresh
        } else if latest + ANSWER_OLDER >= asked {
            Age::Unsure
        } else {
            Age::Older(asked.since(written))
        }
    }

    /// The better of the two at `now`. Readings that contradict each other by more than their doubts mean that the
    /// exchange's clock was moved: then the newer one counts.
    #[must_use]
    pub fn better(self, newer: ServerClock, now: Moment) -> ServerClock {
        let apart = Duration::from_millis(self.offset.abs_diff(newer.offset));
        let contradict = apart > self.doubt_at(now) + newer.doubt_at(now);
        if contradict || newer.doubt_at(now) <= self.doubt_at(now) { newer } else { self }
    }
}
