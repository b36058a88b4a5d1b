//! Change windows: when a set may leave at all.
//!
//! A window opens at the times of a cron pattern, in the local time of its zone, and stays open for a fixed time. The
//! time is the exchange's and the zone database is built in: the host's clock and tzdata are not used.
//!
//! When clocks go forward, a skipped start counts at the moment of the change: none is lost. When they go back, a
//! repeated time counts the first time only, or both times if the hour of the pattern is `*`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use crate::moment::ServerTime;
use crate::position_mode::AccountName;

/// The windows of an account: a set may leave in any one of them, or at all times if there are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Windows(pub Arc<[Window]>);

/// One window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its name in the file.
    pub name: WindowName,
    /// When it opens.
    pub opens: Opens,
    /// How long it stays open; more than zero.
    pub lasts: Duration,
    /// The zone of the pattern's local times.
    pub time_zone: Zone,
}

/// The name of a window, spelled by the rules of an account name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowName(String);

/// A cron pattern of six fields, seconds first, that matches at some time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Opens {
    cron: Cron,
    every_hour: bool,
}

/// A zone of the IANA database.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// Why a pattern is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It has this many fields instead of six.
    #[error("does not have six fields but {0}")]
    Fields(usize),
    /// A field is not valid cron syntax.
    #[error("is no cron pattern")]
    Cron,
    /// It never matches, for instance because there is no such day.
    #[error("never matches")]
    Never,
}

/// The next time that one of an account's windows opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The window that opens.
    pub window: &'a Window,
    /// When it opens, in the exchange's time.
    pub at: ServerTime,
}

impl Windows {
    /// Whether a set may leave at `at`.
    pub fn are_open(&self, at: ServerTime) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.open_until(at).is_some())
    }

    /// When the last of the open windows closes; `None` if none is open, or there are none.
    pub fn open_until(&self, at: ServerTime) -> Option<ServerTime> {
        self.0.iter().filter_map(|window| window.open_until(at)).max()
    }

    /// The first opening from `at` on, if none is open at `at`.
    pub fn next_opening(&self, at: ServerTime) -> Option<Opening<'_>> {
        if self.are_open(at) {
            return None;
        }
        let openings =
            self.0.iter().filter_map(|window| Some(Opening { window, at: window.opens_from(at)? }));
        openings.min_by_key(|opening| opening.at)
    }
}

impl Window {
    /// Until when it is open, if it is open at `at`. Up to `CHAINED` starts that follow each other without a break
    /// count as one opening; with more it may stay open for longer.
    pub fn open_until(&self, at: ServerTime) -> Option<ServerTime> {
        let now = Timestamp::from_second(at.0.div_euclid(1000)).ok()?;
        let closes = |start: Timestamp| start.checked_add(self.length()).unwrap_or(Timestamp::MAX);
        let mut end = closes(self.latest_start(now)?);
        for _ in 0..CHAINED {
            let later = self.latest_start(end).map_or(end, closes);
            if later == end {
                break;
            }
            end = later;
        }
        Some(ServerTime(end.as_millisecond())).filter(|end| *end > at)
    }

    /// The first start at or after `at`.
    pub fn opens_from(&self, at: ServerTime) -> Option<ServerTime> {
        let mut from = Timestamp::from_second(at.0.saturating_add(999).div_euclid(1000)).ok()?;
        for _ in 0..STRETCHES {
            let stretch = Stretch::at(&self.time_zone, from);
            match self.first_start_in(&stretch, from)? {
                FirstStart::Start(start) => return Some(ServerTime(start.as_millisecond())),
                FirstStart::NotBefore(end) => from = end,
            }
        }
        None
    }

    /// A time, and what the clocks of its zone show then, where that is another one: the file is written by these.
    pub fn shown(&self, at: ServerTime) -> String {
        Timestamp::from_millisecond(at.0).map_or_else(
            |_| at.to_string(),
            |time| {
                let Zone { name, rules } = &self.time_zone;
                let there = time.to_zoned(rules.clone());
                if name == "UTC" {
                    at.to_string()
                } else {
                    format!("{at} ({} in {name})", there.strftime("%a %H:%M"))
                }
            },
        )
    }

    fn length(&self) -> SignedDuration {
        SignedDuration::try_from(self.lasts).unwrap_or(SignedDuration::MAX)
    }

    /// The last start at or before `at`, searched only as far back as it may still be open.
    fn latest_start(&self, at: Timestamp) -> Option<Timestamp> {
        let oldest = at.checked_sub(self.length()).unwrap_or(Timestamp::MIN);
        let mut until = at;
        while until >= oldest {
            let stretch = Stretch::at(&self.time_zone, until);
            if let Some(start) = self.last_start_in(&stretch, until) {
                return Some(start);
            }
            until = second_before(stretch.began?.at)?;
        }
        None
    }

    fn last_start_in(&self, stretch: &Stretch, until: Timestamp) -> Option<Timestamp> {
        let shown = stretch.offset.to_datetime(until);
        let start = self.opens.cron.find_previous_occurrence(&shown, true).ok()?;
        let Some(began) = &stretch.began else { return stretch.offset.to_timestamp(start).ok() };
        if start >= began.first_counted(&self.opens) {
            stretch.offset.to_timestamp(start).ok()
        } else {
            (start >= began.expected).then_some(began.at)
        }
    }

    fn first_start_in(&self, stretch: &Stretch, from: Timestamp) -> Option<FirstStart> {
        let mut shown = stretch.offset.to_datetime(from);
        if let Some(began) = &stretch.began {
            let skipped = began.expected < began.shown && from == began.at;
            shown = if skipped { began.expected } else { shown.max(began.first_counted(&self.opens)) };
        }
        let start = self.opens.cron.find_next_occurrence(&shown, true).ok()?;
        if let Some(began) = stretch.began.as_ref().filter(|began| start < began.shown) {
            return Some(FirstStart::Start(began.at));
        }
        match stretch.ends {
            Some(end) if start >= stretch.offset.to_datetime(end) => Some(FirstStart::NotBefore(end)),
            Some(_) | None => stretch.offset.to_timestamp(start).ok().map(FirstStart::Start),
        }
    }
}

impl Opens {
    /// Reads a pattern such as `0 0 22 * * Fri`.
    pub fn read(text: &str) -> Result<Opens, BadPattern> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_, _, hour, _, _, _] = fields.as_slice() else { return Err(BadPattern::Fields(fields.len())) };
        // In classic cron either day field may match: a window would be open on more days than its line suggests.
        let parser =
            CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).dom_and_dow(true).build();
        let cron = parser.parse(text).map_err(|_| BadPattern::Cron)?;
        let opens = Opens { cron, every_hour: *hour == "*" };
        match opens.cron.find_next_occurrence(&SOME_DAY, true) {
            Ok(_) => Ok(opens),
            Err(_) => Err(BadPattern::Never),
        }
    }
}

impl Zone {
    /// The zone of this name, spelled as the database spells it.
    pub fn named(name: &str) -> Option<Zone> {
        let rules = ZONES.get(name).ok()?;
        (rules.iana_name() == Some(name)).then(|| Zone { name: name.to_owned(), rules })
    }

    /// The names of all zones.
    pub fn names() -> Vec<String> {
        ZONES.available().map(|name| name.to_string()).collect()
    }
}

impl WindowName {
    /// The name as the file writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WindowName {
    type Err = <AccountName as FromStr>::Err;

    fn from_str(text: &str) -> Result<WindowName, Self::Err> {
        AccountName::from_str(text).map(|_| WindowName(text.to_owned()))
    }
}

impl fmt::Display for WindowName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Zone({})", self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A period without a clock change in a zone: in it every local time occurs once.
struct Stretch {
    began: Option<Began>,
    offset: Offset,
    ends: Option<Timestamp>,
}

/// The clock change that a stretch begins with.
struct Began {
    at: Timestamp,
    /// The local time after the change.
    shown: DateTime,
    /// The local time without the change.
    expected: DateTime,
}

enum FirstStart {
    Start(Timestamp),
    /// There is none in this stretch, which ends at this time.
    NotBefore(Timestamp),
}

impl Stretch {
    fn at(Zone { name: _, rules }: &Zone, at: Timestamp) -> Stretch {
        let offset = rules.to_offset(at);
        let just_after = at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at);
        let began = rules.preceding(just_after).next().map(|set| set.timestamp()).and_then(|at| {
            let before = rules.to_offset(second_before(at)?);
            Some(Began { at, shown: offset.to_datetime(at), expected: before.to_datetime(at) })
        });
        let ends = rules.following(at).next().map(|set| set.timestamp());
        Stretch { began, offset, ends }
    }
}

impl Began {
    /// The first local time that counts as a start: repeated times do not, unless the pattern's hour is `*`.
    fn first_counted(&self, opens: &Opens) -> DateTime {
        if opens.every_hour { self.shown } else { self.shown.max(self.expected) }
    }
}

fn second_before(at: Timestamp) -> Option<Timestamp> {
    at.checked_sub(SignedDuration::from_secs(1)).ok()
}

/// The built-in database; no other is used.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
/// Where the search for a first match begins: a pattern that can match does so within the calendar's 400-year cycle.
const SOME_DAY: DateTime = date(2000, 1, 1).at(0, 0, 0, 0);
/// How many starts that follow each other without a break are examined.
const CHAINED: usize = 16;
/// How many clock changes the search passes: a 29 February on a given weekday comes within 40 years.
const STRETCHES: usize = 400;

#[cfg(test)]
mod tests;
