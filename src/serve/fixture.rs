//! A view with accounts in it, for the tests of `serve` and of the commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::PREFIX;
use super::{Records, View, Vitals};
use crate::clock::Clock;
use crate::exchange::HttpVersion;
use crate::facts::{DriftPolicy, Generation, Stretch};
use crate::ledger::{Event, EventKind, HistoryFilter, Span, Spans, SpansFilter, TargetSpans};
use crate::moment::Moment;
use crate::position_mode::{PositionMode, Target};
use crate::protocol::{Reason, State, Wants};
use crate::source::LastPull;
use crate::status::{AccountStatus, Board, Config, Counts, Detail, LiveStatus, TargetStatus};

/// When the tests' clocks begin: 2026-11-22T09:00:00Z.
pub(crate) const BEGAN: i64 = 1_795_338_000_000;

/// Vitals that a test sets.
#[derive(Debug, Default)]
pub(crate) struct Set {
    pub(crate) fleet_due: Moment,
    pub(crate) ledger_trouble: Option<String>,
    pub(crate) last_pull: Option<LastPull>,
}

#[derive(Debug, Default)]
pub(crate) struct Fixed(pub(crate) Mutex<Set>);

impl Vitals for Fixed {
    fn fleet_due(&self) -> Moment {
        self.0.lock().unwrap().fleet_due
    }

    fn ledger_trouble(&self) -> Option<String> {
        self.0.lock().unwrap().ledger_trouble.clone()
    }

    fn http(&self) -> Option<HttpVersion> {
        Some(HttpVersion::Http2)
    }

    fn stretch(&self) -> Stretch {
        Stretch(1670)
    }

    fn last_pull(&self) -> Option<LastPull> {
        self.0.lock().unwrap().last_pull.clone()
    }

    fn host(&self) -> String {
        "trade-01".to_owned()
    }

    fn path(&self) -> String {
        "/etc/posmoded/desired-state.yaml".to_owned()
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Five events for any filter; their text repeats the filter, so that a test can see it. After them, one for each that a test has
/// written.
#[derive(Debug, Default)]
pub(crate) struct Five(pub(crate) AtomicU64);

impl Records for Five {
    fn newest(&self, filter: &HistoryFilter) -> Result<Vec<Event>, String> {
        let HistoryFilter { accounts, since_wall, until_wall: _, limit } = filter;
        if accounts.iter().any(|account| account.as_str() == "unreadable") {
            return Err("The disk is away.".to_owned());
        }
        let asked = format!("accounts {accounts:?}, since {since_wall:?}");
        let event = |id: i64| Event { id, ..Event::new(EventKind::Started, asked.clone()) };
        Ok((1..=5).map(event).skip(5_usize.saturating_sub(*limit)).collect())
    }

    fn spans(&self, filter: &SpansFilter) -> Result<Spans, String> {
        let SpansFilter { accounts, since, limit: _ } = filter;
        if accounts.iter().any(|account| account.as_str() == "unreadable") {
            return Err("The disk is away.".to_owned());
        }
        let ago = |hours: i64| BEGAN - hours * 3_600_000;
        let span = |since: i64, until: Option<i64>| Span { since: ago(since), until: until.map(ago) };
        let targets = vec![TargetSpans {
            target: Target { account: "desk-3".parse().unwrap(), scope: "USDT-FUTURES".parse().unwrap() },
            known_since: ago(240),
            out_of_sync: vec![span(30, Some(29)), span(2, None)],
            unknown: vec![span(200, Some(100))],
        }];
        Ok(Spans { since: *since, watched: vec![span(240, Some(120)), span(100, None)], targets })
    }

    fn written(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn last(&self) -> Result<i64, String> {
        Ok(5 + i64::try_from(self.written()).unwrap())
    }

    fn after(&self, last: i64, most: usize) -> Result<Vec<Event>, String> {
        let event = |id: i64| Event { id, ..Event::new(EventKind::Started, format!("The event {id}.")) };
        Ok((last + 1..=self.last()?).filter(|id| *id > 0).take(most).map(event).collect())
    }
}

/// A view in which everything is well: one account in sync, one that waits until it is flat.
pub(crate) fn view() -> (View, Arc<Fixed>) {
    let clock = Clock::simulated(BEGAN, 7);
    let vitals = Arc::new(Fixed::default());
    vitals.0.lock().unwrap().fleet_due = clock.now() + Duration::from_secs(10);
    let board = Board::default();
    board.frame(|frame| {
        frame.config = Config {
            generation: Generation(17),
            sha256: "9f00aa".to_owned(),
            commit: Some("a1b2c3d4".to_owned()),
            loaded_at: Some(at(-3600)),
            problem: None,
            behind: None,
            path: None,
            next: None,
        };
    });
    let due = clock.now() + Duration::from_secs(60);
    drop(board.add("desk-1".parse().unwrap(), account(due, vec![target("desk-1", None)])));
    drop(board.add("desk-3".parse().unwrap(), account(due, vec![target("desk-3", Some(Reason::NotFlat))])));
    let (records, counters) = (Arc::new(Five::default()), Arc::new(counters()));
    (View { board, clock, vitals: Arc::clone(&vitals) as Arc<dyn Vitals>, records, counters }, vitals)
}

pub(crate) fn account(due: Moment, targets: Vec<TargetStatus>) -> AccountStatus {
    // Newer than any revision that a test shows.
    let generation = Generation(u64::MAX);
    let (clock_offset, warnings, settings) = (Some(-250), Vec::new(), None);
    AccountStatus { generation, targets, due, looked: true, refreshes: 0, clock_offset, warnings, settings }
}

/// A target that is in sync, or pending for a reason.
pub(crate) fn target(account: &str, reason: Option<Reason>) -> TargetStatus {
    TargetStatus {
        account: account.parse().unwrap(),
        scope: "USDT-FUTURES".parse().unwrap(),
        desired: Some(PositionMode::Hedge),
        applied: None,
        live: Some(LiveStatus {
            mode: if reason.is_some() { PositionMode::OneWay } else { PositionMode::Hedge },
            at: at(-5),
        }),
        state: if reason.is_some() { State::Pending } else { State::InSync },
        reason,
        blockers: reason.into_iter().collect(),
        say: reason.map(|reason| format!("It says {reason}.")),
        since: at(-840),
        wants: reason.map(Reason::wants),
        need: reason.filter(|reason| reason.wants() == Wants::Human).map(Reason::need),
        out_of_sync_since: reason.map(|_| at(-840)),
        detail: Detail::default(),
        next_look_at: at(5),
        drift: DriftPolicy::Correct,
        host: None,
        counts: Counts { confirmed: 2, drift: 1, ..Counts::default() },
        basis: None,
        interrupted: None,
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(BEGAN / 1000 + seconds).unwrap()
}

/// Counters registered as other modules do it: one family without a unit, and one with.
fn counters() -> Registry {
    let (orders, waited) = (Counter::<u64>::default(), Histogram::new([0.5, 1.0]));
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register("coffees", "How many coffees were ordered", orders.clone());
    registry.register_with_unit("coffee_wait", "How long they took", Unit::Seconds, waited.clone());
    orders.inc_by(3);
    waited.observe(0.75);
    registry
}
