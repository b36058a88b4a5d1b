//! Files, locks, formats, and disks that refuse writes.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn a_state_directory_is_made_for_its_owner_alone() {
    let above = TempDir::new().unwrap();
    let dir = above.path().join("state").join("posmoded");
    let ledger = open(&dir).await;
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let raw = Connection::open(dir.join("posmoded.sqlite")).unwrap();
    let journal: String = raw.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    let full = ledger.executor.run(|store| {
        Ok(store.sqlite().pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap())
    });
    assert_eq!(full.await.unwrap(), 2, "FULL");
}

#[tokio::test]
async fn one_daemon_holds_the_state_and_says_who_it_is_until_its_last_handle_is_gone() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    let clone = ledger.clone();
    let visitor = Visitor::open(dir.path(), clock()).unwrap();
    drop(ledger);
    assert_eq!(visitor.instance("trade-01").unwrap(), Some(here()));
    let second = Ledger::open(dir.path(), clock(), here()).await.unwrap_err();
    let OpenError::Held { by } = &second else { panic!("{second:?}") };
    assert_eq!(*by, Some(here()));
    assert!(second.to_string().starts_with("Another posmoded (process "), "{second}");
    drop(clone);
    // A program that another test starts right now has our files open until it begins.
    let is_free = async {
        while visitor.instance("trade-01").unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_free).await.unwrap();
    let third = Ledger::open(dir.path(), clock(), here()).await.unwrap();
    assert_eq!(visitor.instance("trade-01").unwrap(), Some(here()));
    drop(third);
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    let path = dir.path().join("posmoded.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 10).unwrap();
    let before = std::fs::read(&path).unwrap();
    let said = format!(
        "The ledger {} has format 10, this posmoded knows up to 9, so it is left alone and nothing is changed: use the newer \
         posmoded that wrote it.",
        path.display()
    );
    let daemon = Ledger::open(dir.path(), clock(), here()).await.unwrap_err();
    assert_eq!(daemon.to_string(), said);
    let visitor = Visitor::open(dir.path(), clock()).unwrap_err();
    assert_eq!(visitor.to_string(), said);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_first_start_that_was_killed_half_way_is_made_good() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("posmoded.sqlite"), b"").unwrap();
    let none = Visitor::open(dir.path(), clock()).unwrap_err();
    assert!(matches!(none, VisitError::NoLedger { .. }), "{none:?}");
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    drop(ledger);
    assert_eq!(Visitor::open(dir.path(), clock()).unwrap().accounts().unwrap().len(), 1);
}

#[test]
fn a_visitor_never_makes_a_ledger_and_says_where_it_looked() {
    let dir = TempDir::new().unwrap();
    let none = Visitor::open(dir.path(), clock()).unwrap_err();
    let VisitError::NoLedger { looked_at } = &none else { panic!("{none:?}") };
    assert_eq!(*looked_at, dir.path().join("posmoded.sqlite"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_ledger_and_what_is_no_directory_is_said_in_a_sentence() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let no_dir = Ledger::open(&file, clock(), here()).await.unwrap_err();
    assert!(matches!(no_dir, OpenError::Io { .. }), "{no_dir:?}");
    std::fs::write(dir.path().join("posmoded.sqlite"), "not a database at all, but long enough ".repeat(99))
        .unwrap();
    let damaged = Ledger::open(dir.path(), clock(), here()).await.unwrap_err();
    assert!(matches!(damaged, OpenError::Ledger(LedgerError::Damaged { .. })), "{damaged:?}");
}

#[tokio::test]
async fn a_word_on_disk_that_is_none_of_ours_is_damage_not_a_default() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    let raw = Connection::open(dir.path().join("posmoded.sqlite")).unwrap();
    raw.execute(
        "UPDATE targets SET applied_mode = 'both', applied_how = 'set', applied_at = 1, applied_generation = 1",
        [],
    )
    .unwrap();
    let target = target("desk-a");
    let damaged =
        ledger.register_target(&target, Some(PositionMode::Hedge), Generation(1)).await.unwrap_err();
    assert!(matches!(damaged, LedgerError::Damaged { .. }), "{damaged:?}");
}

#[tokio::test]
async fn f33_a_full_disk_is_said_and_leaves_nothing_half_written() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, open_one) = noted(note(&ledger, "desk-b", Cause::New, 0).await);
    // SQLite answers with the same code when the file system has no room left.
    let pages = |sql: &'static str| {
        ledger
            .executor
            .run(move |store| Ok(store.sqlite().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()))
    };
    pages("PRAGMA max_page_count = 1").await.unwrap();
    let filler = || Event::new(EventKind::Drift, "x".repeat(3000));
    let mut full = None;
    for _ in 0..20 {
        if let Err(error) = ledger.event(filler()).await {
            full = Some(error);
            break;
        }
    }
    let full = full.expect("twenty events of 3,000 bytes do not fit in the pages that are there");
    assert!(matches!(full, LedgerError::Refused { refusal: Refusal::Full, .. }), "{full:?}");
    assert!(!full.is_fault());
    let place = dir.path().join("posmoded.sqlite");
    assert_eq!(
        full.to_string(),
        format!("The disk that holds {} is full: make room. No mode is changed until then.", place.display())
    );
    let before = all(&ledger);
    let bytes = vec![b'x'; 100_000];
    assert!(accept(&ledger, "aa", &bytes, None).await.is_err());
    let long = "y".repeat(10_000);
    assert!(ledger.record_answer(open_one, &SetAnswer::unclear(&long)).await.is_err());
    assert_eq!(ledger.last_good().await.unwrap(), None);
    assert_eq!(all(&ledger), before);

    pages("PRAGMA max_page_count = 100000").await.unwrap();
    ledger.record_answer(open_one, &SetAnswer::Accepted).await.expect("the intent is still as it was noted");
    assert_eq!(accept(&ledger, "aa", &bytes, None).await.unwrap(), Generation(1));
    drop(ledger);
    let raw = Connection::open(place).unwrap();
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn f33_a_ledger_that_cannot_be_written_notes_nothing_and_says_why() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    let query_only = |on: bool| {
        ledger.executor.run(move |store| {
            store.sqlite().pragma_update(None, "query_only", on).unwrap();
            Ok(())
        })
    };
    query_only(true).await.unwrap();
    let stamp = ServerTime(START);
    let target = target("desk-a");
    let refused = ledger.note(&target, to_hedge(Cause::New), Generation(1), stamp, 9).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Other { .. }), "{refused:?}");
    assert!(refused.to_string().contains("readonly database"), "{refused}");
    assert!(refused.to_string().contains("leave the ledger where it is"), "{refused}");
    query_only(false).await.unwrap();
    assert_eq!(all(&ledger), []);
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
}

#[tokio::test]
async fn f33_a_read_only_directory_is_said_at_the_start() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    drop(open(&state).await);
    let read_only = |on: bool| {
        let (of_dir, of_file) = if on { (0o500, 0o400) } else { (0o700, 0o600) };
        for file in std::fs::read_dir(&state).unwrap() {
            let mode = std::fs::Permissions::from_mode(of_file);
            std::fs::set_permissions(file.unwrap().path(), mode).unwrap();
        }
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(of_dir)).unwrap();
    };
    read_only(true);
    let is_bound = std::fs::write(state.join("probe"), "x").is_err();
    let opened = Ledger::open(&state, clock(), here()).await;
    read_only(false);
    match opened {
        Err(error) if is_bound => assert!(matches!(error, OpenError::Io { .. }), "{error:?}"),
        Ok(_) if !is_bound => {} // A user whom no permission binds, as in a container: nothing to see.
        other => panic!("bound: {is_bound}, {other:?}"),
    }
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_is_said_and_passes_by_itself() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    let impatient = |store: &mut Store| {
        store.sqlite().busy_timeout(Duration::from_millis(20)).unwrap();
        Ok(())
    };
    ledger.executor.run(impatient).await.unwrap();
    let other = Connection::open(dir.path().join("posmoded.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let target = target("desk-a");
    let locked = ledger.register_target(&target, None, Generation(1)).await.unwrap_err();
    assert!(matches!(locked, LedgerError::Locked { .. }), "{locked:?}");
    assert_eq!(all(&ledger), [], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    ledger.register_target(&target, None, Generation(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_and_commands_that_write_at_once_all_get_through() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    let commands: Vec<_> = (0..4)
        .map(|number| {
            let visitor = Visitor::open(dir.path(), clock()).unwrap();
            tokio::task::spawn_blocking(move || {
                let account = [name(&format!("desk-{number}"))];
                for _ in 0..10 {
                    visitor.pause(&account, "upgrade", None).unwrap();
                    visitor.resume(&account).unwrap();
                }
            })
        })
        .collect();
    let daemon: Vec<_> = (0..4)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for stamp in 0..10 {
                    let words = format!("set-{number}");
                    let (noted, _) = noted(note(&ledger, &words, Cause::New, stamp).await);
                    ledger.withdraw(noted, "a test").await.unwrap();
                    ledger.notice().await.unwrap();
                }
            })
        })
        .collect();
    let all_of_them = async {
        for task in commands.into_iter().chain(daemon) {
            task.await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_of_them).await.expect("nobody waits for ever");
    ledger.notice().await.unwrap();
    assert_eq!(ledger.directives().borrow().resumed, 40);
    assert_eq!(ledger.directives().borrow().pauses, []);
    assert_eq!(kinds(&ledger).len(), 40 + 40 + 80);
}

#[tokio::test]
async fn two_ledgers_in_memory_know_nothing_of_each_other() {
    let (one, two) = (Ledger::in_memory(clock()).unwrap(), Ledger::in_memory(clock()).unwrap());
    register_target(&one, "desk-a", 1).await;
    assert_eq!(two.accounts().await.unwrap(), BTreeSet::new());
    assert_eq!(one.visitor().unwrap().open_intents().unwrap(), BTreeMap::new());
    let (_noted, id) = noted(note(&one, "desk-a", Cause::New, 3).await);
    let open = one.visitor().unwrap().open_intents().unwrap();
    assert_eq!(open[&target("desk-a")].id, id);
}

#[tokio::test]
async fn f65_what_root_makes_in_the_directory_of_a_service_is_the_services() {
    let dir = TempDir::new().unwrap();
    if std::os::unix::fs::chown(dir.path(), Some(12345), Some(12346)).is_err() {
        return; // Not root: nothing to give away.
    }
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        let about = entry.metadata().unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!((about.uid(), about.gid()), (12345, 12346), "{name}");
        found.push(name);
    }
    found.sort_unstable();
    assert_eq!(found, ["posmoded.lock", "posmoded.sqlite", "posmoded.sqlite-shm", "posmoded.sqlite-wal"]);
}

#[tokio::test]
async fn every_revision_keeps_its_hash_and_commit_and_the_newest_its_content() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    for (sha, bytes, commit) in
        [("aa", &b"one"[..], Some("c1")), ("bb", b"two", None), ("aa", b"one", Some("c3"))]
    {
        accept(&ledger, sha, bytes, commit).await.unwrap();
    }
    assert_eq!(ledger.last_good().await.unwrap().unwrap().bytes, b"one");
    drop(ledger);
    let raw = Connection::open(dir.path().join("posmoded.sqlite")).unwrap();
    let mut all = raw
        .prepare(
            "SELECT generation || ' ' || sha256 || ' ' || coalesce(git_commit, '-') || ' ' || length(bytes) FROM revisions
             ORDER BY generation",
        )
        .unwrap();
    let all: Vec<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(all, ["1 aa c1 0", "2 bb - 0", "3 aa c3 3"]);
}
