//! Files that were torn, garbled, removed or locked: what decides is never read from a damaged file.

use std::fs;

use rusqlite::Connection;

use super::*;
use crate::ledger::files::beside;

/// What decides whether something is sent.
type Deciding = (TargetRecord, Option<Revision>, BTreeSet<AccountName>, Directives);

async fn deciding(ledger: &Ledger) -> Result<Deciding, LedgerError> {
    let kept = ledger.register_target(&target("desk-a"), Some(PositionMode::Hedge), Generation(1)).await?;
    let last_good = ledger.last_good().await?;
    let accounts = ledger.accounts().await?;
    let directives = Directives::clone(&ledger.directives().borrow());
    Ok((kept, last_good, accounts, directives))
}

/// A state directory with something in every table that decides, and events on many pages.
async fn filled() -> (TempDir, Ledger) {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    accept(&ledger, "aa", &[b'x'; 9000], None).await.unwrap();
    for number in 0..40 {
        register_target(&ledger, &format!("desk-{number}"), 1).await;
    }
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 7).await);
    ledger.visitor().unwrap().pause(&[name("desk-3")], "lunch", None).unwrap();
    for number in 0..30 {
        ledger.event(Event::new(EventKind::Drift, format!("{number} {}", "x".repeat(900)))).await.unwrap();
    }
    (dir, ledger)
}

/// Opens a damaged ledger: it is refused, or (`false`) the damage is where nothing is decided.
async fn refused_or_as_before(dir: &Path, before: &Deciding, what: &str) -> bool {
    let told = match Ledger::open(dir, clock(), here()).await {
        Ok(ledger) => match deciding(&ledger).await {
            Ok(after) => {
                assert_eq!(after, *before, "{what}");
                return false;
            }
            Err(error) => error,
        },
        Err(OpenError::Ledger(error)) => error,
        Err(other) => panic!("{what}: {other:?}"),
    };
    assert!(matches!(told, LedgerError::Damaged { .. }), "{what}: {told:?}");
    assert!(
        told.to_string().contains("is damaged, or not one of posmoded's: stop posmoded, then restore"),
        "{told}"
    );
    true
}

#[tokio::test]
async fn f33_a_torn_or_garbled_database_is_refused_unless_only_events_are_hit() {
    let (dir, ledger) = filled().await;
    drop(ledger);
    let ledger = open(dir.path()).await;
    let before = deciding(&ledger).await.unwrap();
    drop(ledger);
    let place = dir.path().join(DATABASE);
    let whole = fs::read(&place).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20, "{pages}");
    let mut refused = 0;
    for page in 1..pages {
        fs::write(&place, &whole[..page * 4096 - 100]).unwrap();
        refused +=
            usize::from(refused_or_as_before(dir.path(), &before, &format!("cut in page {page}")).await);
        let _ = fs::remove_file(beside(&place, "-wal"));
    }
    assert!(refused * 2 > pages, "{refused} of {pages}");
    let mut garbled_refused = 0;
    for page in 0..pages {
        let mut garbled = whole.clone();
        for byte in &mut garbled[page * 4096 + 100..page * 4096 + 200] {
            *byte ^= 0x5a;
        }
        garbled[page * 4096..page * 4096 + 8].fill(0xff);
        fs::write(&place, garbled).unwrap();
        let hit = refused_or_as_before(dir.path(), &before, &format!("garbled page {page}")).await;
        garbled_refused += usize::from(hit);
        let _ = fs::remove_file(beside(&place, "-wal"));
    }
    assert!(garbled_refused > 10, "{garbled_refused} of {pages}");
    fs::write(&place, whole).unwrap();
    assert!(!refused_or_as_before(dir.path(), &before, "restored").await);
}

#[tokio::test]
async fn f33_a_torn_log_is_the_ledger_as_it_was_a_transaction_before() {
    let (dir, ledger) = filled().await;
    let place = dir.path().join(DATABASE);
    let (database, log) = (fs::read(&place).unwrap(), fs::read(beside(&place, "-wal")).unwrap());
    let events = all(&ledger);
    assert!(log.len() > 100_000, "{}", log.len());
    let mut seen = BTreeSet::new();
    for cut in (0..log.len()).step_by(log.len() / 20) {
        for garbled in [false, true] {
            let torn = TempDir::new().unwrap();
            let there = torn.path().join(DATABASE);
            fs::write(&there, &database).unwrap();
            let mut left = log[..cut].to_vec();
            if garbled {
                left = log.clone();
                left[cut] ^= 0xff;
            }
            fs::write(beside(&there, "-wal"), left).unwrap();
            let ledger = open(torn.path()).await;
            let kept = all(&ledger);
            let before = kept.iter().zip(&events).take_while(|(kept, was)| kept == was).count();
            // Anything more was written by this start.
            assert!(kept.len() - before <= 1, "cut at {cut}: {kept:?}");
            seen.insert(before);
        }
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[tokio::test]
async fn f33_a_ledger_that_was_taken_away_notes_nothing_until_it_is_back() {
    let above = TempDir::new().unwrap();
    let (dir, aside) = (above.path().join("state"), above.path().join("aside"));
    let ledger = open(&dir).await;
    let gone = |error: LedgerError| {
        assert!(matches!(error, LedgerError::Gone { .. }), "{error:?}");
        assert!(error.to_string().contains("put it back, or start posmoded again"), "{error}");
    };
    let request = |number: i64| {
        let ledger = ledger.clone();
        async move {
            let (target, stamp) = (target(&format!("set-{number}")), ServerTime(START + number));
            ledger.note(&target, to_hedge(Cause::New), Generation(1), stamp, 9).await
        }
    };
    fs::rename(&dir, &aside).unwrap();
    gone(request(1).await.unwrap_err());
    gone(ledger.notice().await.unwrap_err());
    fs::rename(&aside, &dir).unwrap();
    ledger.notice().await.unwrap();
    let (_noted, _) = noted(request(2).await.unwrap());

    let place = dir.join(DATABASE);
    fs::copy(&place, aside.with_extension("copy")).unwrap();
    fs::rename(aside.with_extension("copy"), &place).unwrap();
    gone(request(3).await.unwrap_err());
    fs::remove_dir_all(&dir).unwrap();
    gone(request(4).await.unwrap_err());
    fs::create_dir(&dir).unwrap();
    gone(request(5).await.unwrap_err());
    let failed = ledger.writes.failed();
    assert_eq!(failed, 4);
}

#[tokio::test]
async fn f33_a_log_that_was_removed_is_a_ledger_that_was_taken_away() {
    let (dir, ledger) = filled().await;
    fs::remove_file(dir.path().join("posmoded.sqlite-wal")).unwrap();
    let error = ledger.event(Event::new(EventKind::Drift, "lost")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Gone { .. }), "{error:?}");
}

#[tokio::test]
async fn a_slow_reader_hinders_no_write_and_sees_none() {
    let (dir, ledger) = filled().await;
    let reader = Connection::open(dir.path().join(DATABASE)).unwrap();
    let count = || reader.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let before = count();
    for number in 0..300 {
        ledger.event(Event::new(EventKind::Drift, format!("{number} {}", "x".repeat(900)))).await.unwrap();
    }
    assert_eq!(count(), before);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), before + 300);
    drop(ledger);
    // One more event is about the set that this start found.
    assert_eq!(all(&open(dir.path()).await).len(), usize::try_from(before).unwrap() + 301);
}
