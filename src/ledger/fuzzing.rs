//! What holds of every question to the history.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::Ledger;
use super::event::{Event, EventKind};
use super::history::{self, HistoryFilter};
use super::now::Now;
use super::sqlite::connect;
use super::tx::Tx;
use crate::clock::Clock;
use crate::moment::ServerTime;

/// The rows that the filter asks for, as one picks them out of the whole history.
pub fn history(filter: &HistoryFilter) {
    let HistoryFilter { accounts, since_wall, until_wall, limit } = filter;
    let (read, whole) = HISTORY.with(|(_ledger, connection)| {
        let all = HistoryFilter { limit: usize::MAX, ..HistoryFilter::default() };
        (history::read(&Tx::new(connection), filter), history::read(&Tx::new(connection), &all))
    });
    let (read, mut whole) = (read.unwrap_or_else(|error| panic!("{error}")), whole.unwrap_or_default());
    assert_eq!(whole.len(), ACCOUNTS.len() * ROUNDS);
    whole.retain(|event| {
        let is_of = accounts.is_empty() || event.account.as_ref().is_some_and(|of| accounts.contains(of));
        let is_then = since_wall.is_none_or(|since| event.at >= since)
            && until_wall.is_none_or(|until| event.at < until);
        is_of && is_then
    });
    whole.sort_by_key(|event| (event.at, event.id));
    whole.drain(..whole.len().saturating_sub(*limit));
    whole.sort_by_key(|event| event.id);
    assert_eq!(read, whole);
}

thread_local! {
    /// Events of some accounts and of none, a clock that was set back among them.
    static HISTORY: (Ledger, Connection) = {
        let made = Ledger::in_memory(Clock::simulated(BEGAN, 7)).unwrap_or_else(|error| panic!("{error}"));
        let connection = connect(Path::new(&made.place.to_string()), OpenFlags::empty()).unwrap_or_else(|error| panic!("{error}"));
        let _ = connection.execute("DELETE FROM events", []);
        for round in 0..ROUNDS {
            let hours = i64::try_from(round * 7 % 13).unwrap_or_default();
            let at = BEGAN - hours * 3_600_000;
            let now = Now { wall: at, exchange: Some(ServerTime(at)) };
            for account in ACCOUNTS {
                let event = Event::new(EventKind::Noted, format!("{account} in round {round}"));
                let event = account.parse().map_or(event.clone(), |account| event.of_account(&account));
                history::add(&Tx::new(&connection), now, &event).unwrap_or_else(|error| panic!("{error}"));
            }
        }
        (made, connection)
    };
}

/// The last is none.
const ACCOUNTS: [&str; 4] = ["desk-1", "desk-2", "a", ""];
const ROUNDS: usize = 12;
/// 2026-11-22T09:00:00Z
const BEGAN: i64 = 1_795_338_000_000;
