//! Points in time as plain numbers: our own time, which never steps, and the exchange's time.
//!
//! Nothing here knows the current time; only `clock` does.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

/// A point in this process's own time, in milliseconds. That time is anchored once and then follows the monotonic
/// clock, so a step of the wall clock does not affect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

/// A point in the exchange's time, in milliseconds since 1970 (UTC): the `requestTime` of its answers, and the
/// timestamp that a request is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerTime(pub i64);

/// A random number in thousandths, drawn outside of pure code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Jitter(pub u16);

macro_rules! line {
    ($name:ident) => {
        impl $name {
            /// The time from `earlier` to here; zero if `earlier` is later.
            pub fn since(self, earlier: $name) -> Duration {
                Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
            }
        }

        impl Add<Duration> for $name {
            type Output = $name;

            fn add(self, span: Duration) -> $name {
                $name(self.0.saturating_add(millis(span)))
            }
        }

        impl Sub<Duration> for $name {
            type Output = $name;

            fn sub(self, span: Duration) -> $name {
                $name(self.0.saturating_sub(millis(span)))
            }
        }
    };
}

line!(Moment);
line!(ServerTime);

impl fmt::Display for ServerTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(out, "{}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Err(_) => write!(out, "{} ms", self.0),
        }
    }
}

/// A span as an operator reads it: the two largest units, nothing below a second (`14m`, `2h 5m`, `0s`).
pub fn spell(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")];
    let told: Vec<String> = units
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if told.is_empty() { "0s".to_owned() } else { told.join(" ") }
}

/// Parses a span such as `90s`, `2h` or `1d 12h`. It must be longer than zero; a day has 24 hours.
pub fn span(text: &str) -> Result<Duration, String> {
    let length = signed_span(text).and_then(|span| Duration::try_from(span).ok());
    length.filter(|length| !length.is_zero()).ok_or_else(|| "write a time as in 90s, 2h or 7d".to_owned())
}

/// A time as people write it: a span back from now such as `7d`, a date (its beginning in UTC), or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// So long ago.
    Ago(Duration),
    /// Then, in milliseconds since 1970.
    At(i64),
}

impl Point {
    /// In milliseconds since 1970, where `wall` is now.
    pub fn wall(self, wall: i64) -> i64 {
        match self {
            Point::Ago(span) => wall.saturating_sub(millis(span)),
            Point::At(at) => at,
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        if let Ok(back) = span(text) {
            return Ok(Point::Ago(back));
        }
        let at = text.parse::<Timestamp>().ok().or_else(|| {
            let midnight = text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?;
            Some(midnight.timestamp())
        });
        let at = at.map(|at| Point::At(at.as_millisecond()));
        at.ok_or_else(|| {
            format!(
                "{text:?} is neither a span such as 7d, nor a date such as 2026-11-22, nor a time such as 2026-11-22T09:00:00Z"
            )
        })
    }
}

/// Parses a span such as `90s` or `-1h 30m`, with a unit; a day has 24 hours.
pub fn signed_span(text: &str) -> Option<SignedDuration> {
    let span = SpanParser::new().parse_span(text).ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// A span in whole milliseconds, at most `i64::MAX`.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spelled_in_their_two_largest_units() {
        let told = [0, 999, 59_000, 60_000, 840_000, 7_500_000, 90_061_000]
            .map(|ms| spell(Duration::from_millis(ms)));
        assert_eq!(told, ["0s", "0s", "59s", "1m", "14m", "2h 5m", "1d 1h"]);
    }

    #[test]
    fn a_span_backwards_is_zero_and_far_sums_do_not_overflow() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!(Moment(i64::MAX) + Duration::from_secs(1), Moment(i64::MAX));
    }

    #[test]
    fn a_span_is_written_with_its_unit_and_is_longer_than_nothing() {
        let seconds = |text: &str| span(text).map(|span| span.as_secs()).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("2h"), Some(7200));
        assert_eq!(seconds("7d"), Some(604_800));
        assert_eq!(seconds("1d 12h"), Some(129_600));
        for wrong in ["", "7", "0s", "-2h", "1month", "soon"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_a_span_back_a_date_or_a_time() {
        let at = |text: &str| text.parse::<Point>().map(|point| point.wall(1_795_338_000_000));
        assert_eq!(at("1h"), Ok(1_795_338_000_000 - 3_600_000));
        assert_eq!(at("2026-11-22"), Ok(1_795_338_000_000 - 9 * 3_600_000));
        assert_eq!(at("2026-11-22T09:00:00Z"), Ok(1_795_338_000_000));
        let refused = at("7").unwrap_err();
        assert!(refused.contains("\"7\" is neither a span such as 7d, nor a date"), "{refused}");
    }
}
