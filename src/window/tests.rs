//! Compares with a reference that goes through time minute by minute and uses neither cron nor stretches, on the days
//! of clock changes.

use jiff::ToSpan as _;
use jiff::civil::Weekday;

use super::*;

/// A pattern, the same rule in code, and how many minutes a window lasts.
struct Sample {
    opens: &'static str,
    is_start: fn(DateTime) -> bool,
    every_hour: bool,
    minutes: i64,
}

const SAMPLES: [Sample; 8] = [
    Sample { opens: "0 30 1 * * *", is_start: |t| at(t, 1, 30), every_hour: false, minutes: 60 },
    Sample { opens: "0 15 2 * * *", is_start: |t| at(t, 2, 15), every_hour: false, minutes: 30 },
    Sample { opens: "0 0 0 * * *", is_start: |t| at(t, 0, 0), every_hour: false, minutes: 100 },
    Sample {
        opens: "0 10 2,3,23 * * *",
        is_start: |t| t.minute() == 10 && [2, 3, 23].contains(&t.hour()),
        every_hour: false,
        minutes: 20,
    },
    Sample {
        opens: "0 30 23 * * Sat",
        is_start: |t| at(t, 23, 30) && t.weekday() == Weekday::Saturday,
        every_hour: false,
        minutes: 180,
    },
    Sample {
        opens: "0 0 22 * * Fri",
        is_start: |t| at(t, 22, 0) && t.weekday() == Weekday::Friday,
        every_hour: false,
        minutes: 48 * 60,
    },
    Sample { opens: "0 */20 * * * *", is_start: |t| t.minute() % 20 == 0, every_hour: true, minutes: 7 },
    // Each opening begins before the previous one ends.
    Sample {
        opens: "0 40 0-2 * * *",
        is_start: |t| t.minute() == 40 && t.hour() < 3,
        every_hour: false,
        minutes: 75,
    },
];

/// Zones, each with the day around which its clock changes; twice for a change forward and one back.
const DAYS: [(&str, &str); 22] = [
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("America/St_Johns", "2007-03-11"),
    ("America/St_Johns", "2007-11-04"),
    ("America/St_Johns", "2026-03-08"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Apia", "2021-04-04"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("America/Nuuk", "2026-03-29"),
    ("America/Nuuk", "2026-10-25"),
    ("Africa/Cairo", "2026-04-24"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    ("Asia/Kolkata", "2026-03-29"),
    ("UTC", "2026-03-29"),
];

fn at(time: DateTime, hour: i8, minute: i8) -> bool {
    (time.hour(), time.minute()) == (hour, minute)
}

fn window(opens: &str, lasts: Duration, zone: &str) -> Window {
    Window {
        name: "weekend".parse().unwrap(),
        opens: Opens::read(opens).unwrap(),
        lasts,
        time_zone: Zone::named(zone).unwrap(),
    }
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// The starts from `from` to `to`, found minute by minute.
fn starts(sample: &Sample, rules: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut starts = Vec::new();
    let mut latest = rules.to_datetime(from - minutes(1));
    let mut before = latest;
    let mut now = from;
    while now < to {
        let shown = rules.to_datetime(now);
        let mut skipped = before + 1.minute();
        let mut is_start = (sample.is_start)(shown) && (shown > latest || sample.every_hour);
        while skipped < shown {
            is_start |= (sample.is_start)(skipped) && skipped > latest;
            skipped += 1.minute();
        }
        if is_start {
            starts.push(now);
        }
        (before, latest) = (shown, latest.max(shown));
        now += minutes(1);
    }
    starts
}

fn server(at: Timestamp) -> ServerTime {
    ServerTime(at.as_millisecond())
}

#[test]
fn f40_a_window_is_open_as_a_minute_by_minute_reference_says_on_the_days_on_which_clocks_are_set() {
    let mut opened_by_a_gap = 0;
    for (zone, day) in DAYS {
        let rules = Zone::named(zone).unwrap().rules;
        let middle = format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let (first, last) = (middle - minutes(20 * 60), middle + minutes(24 * 60));
        for sample in &SAMPLES {
            let Sample { opens, is_start, every_hour: _, minutes: lasts } = sample;
            let length = Duration::from_secs(60 * lasts.unsigned_abs());
            let window = window(opens, length, zone);
            let starts = starts(sample, &rules, first - minutes(3 * 24 * 60), last + minutes(12 * 60));
            opened_by_a_gap += starts.iter().filter(|start| !is_start(rules.to_datetime(**start))).count();
            let mut now = first;
            while now < last {
                let open = starts.iter().rfind(|start| **start <= now);
                let open = open.is_some_and(|start| now < *start + minutes(*lasts));
                let next = starts.iter().find(|start| **start >= now);
                let told = || format!("{zone} {opens}: {now} is {}", rules.to_datetime(now));
                assert_eq!(window.open_until(server(now)).is_some(), open, "{}", told());
                if let Some(next) = next {
                    assert_eq!(window.opens_from(server(now)), Some(server(*next)), "{}", told());
                }
                // Clocks change at whole quarters of an hour, give or take a minute.
                let quarter = now.as_second().rem_euclid(900);
                now += if [0, 840].contains(&quarter) { minutes(1) } else { minutes(13) };
            }
        }
    }
    assert!(opened_by_a_gap > 5, "no clock was set forward over a start");
}

#[track_caller]
fn check(opens: &str, lasts: u64, zone: &str, at: &str, told: &str) {
    let window = window(opens, Duration::from_secs(lasts * 60), zone);
    let at = server(at.parse().unwrap());
    let windows = Windows([window].into());
    let text = match (windows.open_until(at), windows.next_opening(at)) {
        (Some(until), None) => format!("open until {until}"),
        (None, Some(Opening { window, at })) => format!("opens at {}", window.shown(at)),
        other => panic!("{other:?}"),
    };
    assert_eq!(text, told);
}

#[test]
fn f40_what_is_said_of_a_window_on_both_sides_of_a_change_of_the_clocks() {
    let weekend = |at, told| check("0 0 22 * * Fri", 48 * 60, "Europe/London", at, told);
    weekend("2026-03-26T12:00:00Z", "opens at 2026-03-27T22:00:00Z (Fri 22:00 in Europe/London)");
    weekend("2026-04-02T12:00:00Z", "opens at 2026-04-03T21:00:00Z (Fri 22:00 in Europe/London)");
    weekend("2026-03-27T22:00:00Z", "open until 2026-03-29T22:00:00Z");
    weekend("2026-03-29T21:59:59.999Z", "open until 2026-03-29T22:00:00Z");
    weekend("2026-03-29T22:00:00Z", "opens at 2026-04-03T21:00:00Z (Fri 22:00 in Europe/London)");
    weekend("2026-10-23T21:00:00Z", "open until 2026-10-25T21:00:00Z");
    // A skipped start opens at the change. Of a repeated time, the first counts.
    check("0 30 1 * * *", 10, "Europe/London", "2026-03-29T01:00:00Z", "open until 2026-03-29T01:10:00Z");
    check("0 30 1 * * *", 10, "Europe/London", "2026-10-25T00:30:00Z", "open until 2026-10-25T00:40:00Z");
    check(
        "0 30 1 * * *",
        10,
        "Europe/London",
        "2026-10-25T01:30:00Z",
        "opens at 2026-10-26T01:30:00Z (Mon 01:30 in Europe/London)",
    );
    check("0 30 * * * *", 10, "Europe/London", "2026-10-25T01:30:00Z", "open until 2026-10-25T01:40:00Z");
    // A whole day that a zone skipped.
    check("0 0 12 30 12 *", 60, "Pacific/Apia", "2011-12-30T10:00:00Z", "open until 2011-12-30T11:00:00Z");
    check("0 0 0 29 2 +Mon", 60, "UTC", "2026-01-01T00:00:00Z", "opens at 2044-02-29T00:00:00Z");
}

#[test]
fn starts_without_a_break_are_one_window() {
    check("0 0 * * * *", 61, "UTC", "2026-01-01T00:30:00Z", "open until 2026-01-01T17:01:00Z");
    check("0 0 9-16 * * *", 60, "UTC", "2026-01-01T09:00:00Z", "open until 2026-01-01T17:00:00Z");
    check("* * * * * *", 1, "UTC", "2026-01-01T00:00:00.500Z", "open until 2026-01-01T00:17:00Z");
}

#[test]
fn several_windows_are_alternatives_and_none_is_no_brake() {
    let at = server("2026-01-01T12:00:00Z".parse().unwrap());
    let noon = window("0 0 12 * * *", Duration::from_secs(60), "UTC");
    let late = window("0 0 20 * * *", Duration::from_secs(60), "UTC");
    let both = Windows([late.clone(), noon].into());
    assert!(both.are_open(at) && both.next_opening(at).is_none());
    assert!(!both.are_open(at + Duration::from_secs(60)));
    let next = both.next_opening(at + Duration::from_secs(60)).unwrap();
    assert_eq!((next.window, next.at), (&late, at + Duration::from_secs(8 * 3600)));
    assert!(Windows::default().are_open(at));
    assert_eq!((Windows::default().open_until(at), Windows::default().next_opening(at)), (None, None));
}

#[test]
fn patterns_that_are_none_and_zones_that_are_none_are_refused() {
    let wrong = |text: &str| Opens::read(text).expect_err(text).to_string();
    assert_eq!(wrong("0 22 * * Fri"), "does not have six fields but 5");
    assert_eq!(wrong("@daily"), "does not have six fields but 1");
    assert_eq!(wrong("0 0 22 * * Fri 2030"), "does not have six fields but 7");
    assert_eq!(wrong(""), "does not have six fields but 0");
    assert_eq!(wrong("0 0 25 * * *"), "is no cron pattern");
    assert_eq!(wrong("0 0 22 * * Fryday"), "is no cron pattern");
    assert_eq!(wrong("0 0 0 31 2 *"), "never matches");
    assert_eq!(wrong("0 0 0 30 2 *"), "never matches");
    for wrong in ["europe/london", "Europe/Londn", "BST", "GMT+1x", "EST5EDT,M3.2.0,M11.1.0", ""] {
        assert!(Zone::named(wrong).is_none(), "{wrong}");
    }
    assert!(Zone::names().contains(&"America/New_York".to_owned()));
    assert!(Zone::names().iter().all(|name| Zone::named(name).is_some()));
}

#[test]
fn windows_that_differ_in_their_zone_alone_are_not_the_same() {
    let of = |zone| window("0 0 12 * * *", Duration::from_secs(60), zone);
    assert_eq!(of("UTC"), of("UTC"));
    assert_ne!(of("UTC"), of("Europe/London"), "the file has another policy with it");
    let hash = |window: Window| {
        let mut hasher = std::hash::DefaultHasher::new();
        window.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(of("UTC")), hash(of("UTC")));
    assert_ne!(hash(of("UTC")), hash(of("Europe/London")));
    assert_eq!(format!("{:?}", of("UTC").time_zone), "Zone(UTC)");
    let name = of("UTC").name;
    assert_eq!((name.as_str(), format!("{name:>8}")), ("weekend", " weekend".to_owned()));
}

#[test]
fn a_day_of_the_month_and_a_weekday_must_both_match() {
    let window = Window {
        name: "first".parse().unwrap(),
        opens: Opens::read("0 0 22 1-7 * Sat").unwrap(),
        lasts: Duration::from_secs(3600),
        time_zone: Zone::named("UTC").unwrap(),
    };
    let mut at = ServerTime(1_795_000_000_000);
    let mut opens = Vec::new();
    for _ in 0..4 {
        at = window.opens_from(at).unwrap();
        opens.push(window.shown(at)[..10].to_owned());
        at = ServerTime(at.0 + 1000);
    }
    assert_eq!(
        opens,
        ["2026-12-05", "2027-01-02", "2027-02-06", "2027-03-06"],
        "the first Saturday of each month"
    );
    assert!(Opens::read("0 0 0 29 2 Mon").is_ok(), "once in 28 years");
}
