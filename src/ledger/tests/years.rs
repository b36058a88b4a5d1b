//! A ledger after years of events: it opens, forgets and answers as quickly as a young one.

use std::time::Instant;

use rusqlite::Connection;

use super::*;
use crate::ledger::tx::params;

const EVENTS: i64 = 1_000_000;
const DAYS: i64 = 24 * HOUR;
/// Ten times what it takes with nothing else running, in a build that is not optimised.
const QUICK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_million_events_of_four_hundred_days_are_opened_pruned_and_asked_quickly() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    let raw = Connection::open(dir.path().join(DATABASE)).unwrap();
    raw.pragma_update(None, "synchronous", "off").unwrap();
    // Evenly over 402 days: ninety accounts take turns, one has a single old event, and every tenth has no account.
    raw.execute(
        "INSERT INTO events (at, account, scope, kind, text)
         WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
         SELECT ?2 + n * ?3 / ?1,
                CASE WHEN n = 5200 THEN 'quiet' WHEN n % 10 = 0 THEN NULL ELSE 'desk-' || (n % 100) END,
                NULL, 'drift', 'the exchange was changed behind us: one_way_mode instead of hedge_mode'
         FROM numbers",
        [EVENTS, START - 402 * DAYS, 402 * DAYS],
    )
    .unwrap();
    drop(raw);
    let mut took = Vec::new();
    let began = Instant::now();
    let ledger = open(dir.path()).await;
    took.push(("open", began.elapsed()));
    let began = Instant::now();
    ledger.notice().await.unwrap();
    took.push(("forget two days", began.elapsed()));
    let quiet = HistoryFilter { accounts: vec![name("quiet")], ..HistoryFilter::default() };
    let of_all = HistoryFilter { limit: 50, ..HistoryFilter::default() };
    let questions = [
        ("the newest of all", of_all.clone(), 50),
        (
            "the last hour",
            HistoryFilter { since_wall: Some(START - HOUR), limit: 100_000, ..of_all.clone() },
            103,
        ),
        ("the newest of one", HistoryFilter { accounts: vec![name("desk-7")], ..of_all.clone() }, 50),
        (
            "the last hour of one",
            HistoryFilter { since_wall: Some(START - HOUR), limit: 50, ..quiet.clone() },
            0,
        ),
        ("all of who had one", HistoryFilter { limit: 50, ..quiet.clone() }, 1),
        ("of nobody", HistoryFilter { accounts: vec![name("nobody")], ..of_all.clone() }, 0),
        (
            "of three",
            HistoryFilter { accounts: ["desk-1", "desk-2", "quiet"].map(name).to_vec(), ..of_all },
            50,
        ),
    ];
    for (what, filter, count) in questions {
        let began = Instant::now();
        let found = ledger.visitor().unwrap().history(&filter).unwrap();
        took.push((what, began.elapsed()));
        assert_eq!(found.len(), count, "{what}");
        assert!(found.is_sorted_by_key(|event| (event.at, event.id)), "{what}");
    }
    let began = Instant::now();
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
    took.push(("note a set", began.elapsed()));
    assert!(took.iter().all(|(_, took)| *took < QUICK), "{took:?}");
    let oldest = ledger.executor.run(|store| {
        store.read(|tx, _| {
            tx.query_row("SELECT min(at), count(*) FROM events", params![], |row| {
                Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
            })
        })
    });
    let (oldest, left) = oldest.await.unwrap();
    assert!(oldest >= START - 400 * DAYS && left < EVENTS - 4900 && left > EVENTS - 5100, "{oldest} {left}");
}
