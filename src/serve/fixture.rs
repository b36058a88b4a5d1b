//! A view with accounts in it, for the tests of this room.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::{Counters, EndpointCounters, Records, View, Vitals, Wanted};
use crate::clock::Clock;
use crate::facts::{DriftPolicy, Generation};
use crate::moment::Moment;
use crate::position_mode::PositionMode;
use crate::protocol::{Reason, State};
use crate::status::{AccountStatus, Board, Config, Counts, Detail, LiveStatus, TargetStatus};

/// When the tests' clocks begin: 2026-11-22T09:00:00Z.
pub(crate) const BEGAN: i64 = 1_795_338_000_000;

/// Vitals that a test sets.
#[derive(Debug, Default)]
pub(crate) struct Set {
    pub(crate) fleet_due: Moment,
    pub(crate) ledger_trouble: Option<String>,
    pub(crate) counters: Counters,
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

    fn counters(&self) -> Counters {
        self.0.lock().unwrap().counters.clone()
    }
}

/// Five events that are there whatever is wanted, so that what was asked for shows in them.
#[derive(Debug)]
pub(crate) struct Five;

impl Records for Five {
    fn newest(&self, wanted: &Wanted) -> Result<Vec<serde_json::Value>, String> {
        let Wanted { accounts, since_wall, limit } = wanted;
        if accounts.iter().any(|account| account.as_str() == "unreadable") {
            return Err("The disk is away.".to_owned());
        }
        let event = |id: usize| serde_json::json!({ "id": id, "accounts": accounts, "since": since_wall });
        Ok((1..=5).map(event).skip(5_usize.saturating_sub(*limit)).collect())
    }
}

/// A view in which everything is well: one account in sync, one that waits until it is flat.
pub(crate) fn view() -> (View, Arc<Fixed>) {
    let clock = Clock::simulated(BEGAN, 7);
    let vitals = Arc::new(Fixed::default());
    {
        let mut set = vitals.0.lock().unwrap();
        set.fleet_due = clock.now() + Duration::from_secs(10);
        set.counters = counters();
    }
    let board = Board::default();
    board.frame(|frame| {
        frame.config = Config {
            generation: Generation(17),
            sha256: "9f00aa".to_owned(),
            commit: Some("a1b2c3d4".to_owned()),
            loaded_at: Some(at(-3600)),
            problem: None,
            next: None,
        };
    });
    let due = clock.now() + Duration::from_secs(60);
    drop(board.add("desk-1".parse().unwrap(), account(due, vec![target("desk-1", None)])));
    drop(board.add("desk-3".parse().unwrap(), account(due, vec![target("desk-3", Some(Reason::NotFlat))])));
    (View { board, clock, vitals: Arc::clone(&vitals) as Arc<dyn Vitals>, records: Arc::new(Five) }, vitals)
}

pub(crate) fn account(due: Moment, targets: Vec<TargetStatus>) -> AccountStatus {
    // Whatever revision a test shows.
    let generation = Generation(u64::MAX);
    AccountStatus { generation, targets, due, looked: true, clock_offset: Some(-250), warnings: Vec::new() }
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
        not_in_sync_since: reason.map(|_| at(-840)),
        detail: Detail::default(),
        next_look_at: at(5),
        drift: DriftPolicy::Correct,
        counts: Counts { confirmed: 2, drift: 1, ..Counts::default() },
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(BEGAN / 1000 + seconds).unwrap()
}

fn counters() -> Counters {
    Counters {
        requests: vec![EndpointCounters {
            endpoint: "/api/v2/mix/account/account".to_owned(),
            outcomes: vec![("ok".to_owned(), 11), ("rate_limited".to_owned(), 0)],
            seconds: Duration::from_millis(1500),
            within: vec![(Duration::from_millis(100), 7), (Duration::from_secs(1), 3)],
            beyond: 1,
        }],
        rate_limit_wait: Duration::from_millis(2500),
        ledger_writes_committed: 5,
        ledger_writes_failed: 0,
    }
}
