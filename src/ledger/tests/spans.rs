//! What was known when.

use rusqlite::{Connection, OpenFlags};

use super::*;
use crate::ledger::schema::{FORMAT, MIGRATIONS, migrate};
use crate::ledger::sqlite::connect;

const DAYS: i64 = 24 * HOUR;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(minute: i64) -> ServerTime {
    ServerTime(START + minute * 60_000)
}

fn span(since: i64, until: Option<i64>) -> Span {
    Span { since: at(since).0, until: until.map(|until| at(until).0) }
}

fn asked(accounts: &[&str], since: i64, limit: usize) -> SpansFilter {
    SpansFilter { accounts: accounts.iter().map(|account| name(account)).collect(), since, limit }
}

fn of_all(ledger: &Ledger) -> Spans {
    ledger.visitor().unwrap().spans(&asked(&[], START - 30 * DAYS, 1000)).unwrap()
}

#[tokio::test]
async fn a_daemon_that_is_killed_was_there_until_its_last_mark() {
    for (ledger, dir) in each().await {
        assert_eq!(of_all(&ledger).watched, []);
        for minute in [0, 1, 2] {
            ledger.watched(at(0), at(minute)).await.unwrap();
        }
        let ledger = restart(ledger, dir.as_ref()).await;
        ledger.watched(at(60), at(60)).await.unwrap();
        ledger.watched(at(60), at(61)).await.unwrap();
        assert_eq!(of_all(&ledger).watched, [span(0, Some(2)), span(60, Some(61))]);
        ledger.watched(at(60), at(59)).await.unwrap();
        assert_eq!(of_all(&ledger).watched[1], span(60, Some(60)), "the exchange's clock went back");
    }
}

#[tokio::test]
async fn a_mark_wakes_nobody() {
    let ledger = Ledger::in_memory(clock()).unwrap();
    register_target(&ledger, "desk-a", 1).await;
    let mut directives = ledger.directives();
    directives.mark_unchanged();
    ledger.watched(at(0), at(1)).await.unwrap();
    ledger.unknown(&target("desk-a"), at(0), None).await.unwrap();
    assert!(!directives.has_changed().unwrap());
}

#[tokio::test]
async fn what_is_unknown_goes_on_over_a_restart_and_ends_with_a_look_or_a_release() {
    for (ledger, dir) in each().await {
        assert!(!register_target(&ledger, "desk-a", 1).await.is_unknown);
        register_target(&ledger, "desk-b", 1).await;
        ledger.unknown(&target("desk-a"), at(1), None).await.unwrap();
        ledger.unknown(&target("desk-b"), at(1), Some(at(3))).await.unwrap();
        ledger.out_of_sync(&target("desk-b"), at(2)).await.unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        assert!(register_target(&ledger, "desk-a", 1).await.is_unknown);
        assert!(!register_target(&ledger, "desk-b", 1).await.is_unknown);
        ledger.unknown(&target("desk-a"), at(7), Some(at(9))).await.unwrap();
        ledger.unknown(&target("desk-b"), at(20), None).await.unwrap();
        let of = |ledger: &Ledger, account: &str| {
            let spans = ledger.visitor().unwrap().spans(&asked(&[account], START, 1000)).unwrap();
            spans.targets.into_iter().map(|target| (target.unknown, target.out_of_sync)).collect::<Vec<_>>()
        };
        assert_eq!(of(&ledger, "desk-a"), [(vec![span(1, Some(9))], vec![])], "its own beginning");
        let unknown = vec![span(1, Some(3)), span(20, None)];
        assert_eq!(of(&ledger, "desk-b"), [(unknown, vec![span(2, None)])]);
        assert_eq!(of_all(&ledger).targets.len(), 2);
        let is_now = |target: &TargetSpans| (at(0).0..at(1).0).contains(&target.known_since);
        assert!(of_all(&ledger).targets.iter().all(is_now));

        ledger.release(&name("desk-b"), None).await.unwrap();
        assert_eq!(of(&ledger, "desk-b"), []);
        assert!(!register_target(&ledger, "desk-b", 2).await.is_unknown, "it is another one");
        assert!(of(&ledger, "desk-b")[0].0.iter().all(|span| span.until.is_some()));
    }
}

#[tokio::test]
async fn what_was_never_registered_is_out_of_sync_until_it_is_released() {
    for (ledger, dir) in each().await {
        let (whole, product) = (target("desk-a account"), target("desk-a"));
        assert_eq!(ledger.out_of_sync_since(&whole).await.unwrap(), OutOfSync::default());
        ledger.out_of_sync(&whole, at(1)).await.unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(ledger.out_of_sync_since(&whole).await.unwrap().since, Some(at(1)));
        assert_eq!(ledger.accounts().await.unwrap(), BTreeSet::from([name("desk-a")]), "it can be released");
        // It is a unified one: the same goes on.
        ledger.release(&name("desk-a"), Some(&BTreeSet::from([whole.scope]))).await.unwrap();
        assert_eq!(ledger.out_of_sync_since(&whole).await.unwrap().since, Some(at(1)));
        // It is a classic one.
        ledger.out_of_sync(&product, at(2)).await.unwrap();
        ledger.release(&name("desk-a"), Some(&BTreeSet::from([product.scope]))).await.unwrap();
        assert_eq!(ledger.out_of_sync_since(&whole).await.unwrap().since, None);
        assert_eq!(ledger.out_of_sync_since(&product).await.unwrap().since, Some(at(2)));
        // It has left the file.
        ledger.release(&name("desk-a"), None).await.unwrap();
        assert_eq!(ledger.out_of_sync_since(&product).await.unwrap().since, None);
        assert_eq!(ledger.accounts().await.unwrap(), BTreeSet::new());
        assert_eq!(all(&ledger), [], "nobody was told of it");
    }
}

#[tokio::test]
async fn only_what_has_not_ended_before_is_read_and_what_is_left_out_is_said() {
    let ledger = Ledger::in_memory(clock()).unwrap();
    for account in ["desk-a", "desk-b"] {
        register_target(&ledger, account, 1).await;
        for minute in 0..10 {
            ledger.unknown(&target(account), at(10 * minute), Some(at(10 * minute + 5))).await.unwrap();
        }
        ledger.unknown(&target(account), at(100), None).await.unwrap();
    }
    let read = |since: i64, limit: usize| {
        let Spans { since, targets, .. } =
            ledger.visitor().unwrap().spans(&asked(&[], at(since).0, limit)).unwrap();
        let counts: Vec<usize> = targets.iter().map(|target| target.unknown.len()).collect();
        ((since - START) / 60_000, counts)
    };
    assert_eq!(read(-5, 20), (-5, vec![11, 11]));
    assert_eq!(read(45, 20), (45, vec![7, 7]), "one ends at that very moment");
    assert_eq!(read(46, 20), (46, vec![6, 6]));
    assert_eq!(read(-5, 8), (55, vec![5, 5]), "from when on nothing is left out");
    let one = ledger.visitor().unwrap().spans(&asked(&["desk-b"], at(-5).0, 10)).unwrap();
    assert_eq!((one.since, one.targets[0].unknown.len()), (at(-5).0, 11), "another account takes up no room");
}

#[tokio::test(start_paused = true)]
async fn what_was_known_when_is_forgotten_after_forty_days_and_not_by_our_own_clock() {
    let ledger = Ledger::in_memory(clock()).unwrap();
    register_target(&ledger, "desk-a", 1).await;
    ledger.watched(at(0), at(1)).await.unwrap();
    ledger.unknown(&target("desk-a"), at(0), Some(at(1))).await.unwrap();
    ledger.unknown(&target("desk-a"), at(2), None).await.unwrap();
    let counts = |ledger: &Ledger| {
        let all = ledger.visitor().unwrap().spans(&asked(&[], i64::MIN, 1000)).unwrap();
        (all.watched.len(), all.targets[0].unknown.len())
    };
    tokio::time::advance(DAY * 39).await;
    ledger.notice().await.unwrap();
    assert_eq!(counts(&ledger), (1, 2));
    tokio::time::advance(DAY * 2).await;
    let wrong = Clock::simulated(START + 41 * DAYS, 1);
    let later = ledger.restarted(wrong.clone()).unwrap();
    later.notice().await.unwrap();
    assert_eq!(counts(&later), (1, 2), "the exchange has not said how late it is");
    let offset = -41 * DAYS;
    wrong.learn_exchange(ServerClock { offset, doubt: Duration::ZERO, measured: wrong.now() });
    later.notice().await.unwrap();
    assert_eq!(counts(&later), (1, 2), "it is not as late as our own clock says");
    ledger.notice().await.unwrap();
    assert_eq!(counts(&ledger), (0, 1), "what goes on stays");
}

#[tokio::test]
async fn a_target_of_an_older_ledger_is_known_since_its_first_event_or_its_revision() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join(DATABASE);
    let mut old = connect(&place, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
    migrate(&mut old, &place, &MIGRATIONS[..6]).unwrap();
    old.execute_batch(
        "INSERT INTO revisions (generation, sha256, accepted_at, bytes) VALUES (2, 'aa', 70, x'00');
         INSERT INTO targets (account, scope, changed_in) VALUES
            ('desk-a', 'USDT-FUTURES', 2), ('desk-b', 'USDT-FUTURES', 2), ('desk-c', 'USDT-FUTURES', 1);
         INSERT INTO events (at, account, scope, kind, text) VALUES
            (60, 'desk-a', 'USDT-FUTURES', 'adopted', 'x'), (50, 'desk-a', 'COIN-FUTURES', 'adopted', 'x'),
            (90, 'desk-a', 'USDT-FUTURES', 'drift', 'x');
         INSERT INTO out_of_sync (account, scope, since) VALUES ('desk-a', 'USDT-FUTURES', 90);",
    )
    .unwrap();
    drop(old);
    let ledger = open(dir.path()).await;
    let all = ledger.visitor().unwrap().spans(&asked(&[], i64::MIN, 10)).unwrap();
    let known: Vec<i64> = all.targets.iter().map(|target| target.known_since).collect();
    assert_eq!((known, all.watched), (vec![60, 70, 0], vec![]));
    assert_eq!(all.targets[0].out_of_sync, [Span { since: 90, until: None }]);
    register_target(&ledger, "desk-a", 3).await;
    let again = ledger.visitor().unwrap().spans(&asked(&["desk-a"], i64::MIN, 10)).unwrap();
    assert_eq!(again.targets[0].known_since, 60, "registering it again changes nothing of that");
    drop(ledger);
    let raw = Connection::open(place).unwrap();
    let format: i64 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(format, FORMAT);
}
