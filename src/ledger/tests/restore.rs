//! Copies that are made, read and put in place, against real files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use rusqlite::Connection;

use super::*;
use crate::ledger::files::{LOGS, beside};
use crate::ledger::schema::{FORMAT, empty};

/// A state directory whose process was killed: all but the first page is in the log still.
async fn killed(texts: &[&str]) -> TempDir {
    let (living, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let ledger = open(living.path()).await;
    for text in texts {
        ledger.event(Event::new(EventKind::Drift, *text)).await.unwrap();
    }
    for end in ["", "-wal", "-shm"] {
        let name = format!("{DATABASE}{end}");
        fs::copy(living.path().join(&name), dir.path().join(&name)).unwrap();
    }
    assert!(fs::metadata(dir.path().join("posmoded.sqlite-wal")).unwrap().len() > 0);
    dir
}

/// A copy of such a ledger.
async fn copy_of(texts: &[&str]) -> (TempDir, PathBuf) {
    let dir = killed(texts).await;
    let copy = dir.path().join("copy");
    backup(dir.path(), &copy).unwrap();
    (dir, copy)
}

/// The texts of all events of a ledger, which is only read.
fn texts(place: &Path) -> Vec<String> {
    let ledger = Connection::open(place).unwrap();
    let mut query = ledger.prepare("SELECT text FROM events ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn f64_a_copy_of_a_ledger_at_work_is_whole_and_the_ledger_is_as_before() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 7).await);
    let place = dir.path().join(DATABASE);
    let as_it_is = || [fs::read(&place).unwrap(), fs::read(beside(&place, "-wal")).unwrap()];
    let before = as_it_is();
    let copy = dir.path().join("copy of today?#%");
    let found = backup(dir.path(), &copy).unwrap();
    assert_eq!((found.format, found.events, found.unresolved), (FORMAT, 1, 1));
    assert_eq!(found.newest_event, Some(all(&ledger)[0].at));
    assert_eq!(as_it_is(), before);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(verify(&copy).unwrap(), found);
    assert_eq!(verify(&place).unwrap().events, 1, "what is in the log alone counts");

    let again = backup(dir.path(), &copy).unwrap_err();
    assert!(matches!(again, BackupError::Taken { .. }), "{again}");
    assert!(again.to_string().contains("move that one away"), "{again}");
    for (name, part) in
        [("x/copy", "cannot be written"), ("posmoded.sqlite-wal.x-wal", "the log of a database")]
    {
        let refused = backup(dir.path(), &dir.path().join(name)).unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
    }
    let elsewhere = backup(&dir.path().join("x"), &dir.path().join("y")).unwrap_err().to_string();
    assert!(elsewhere.starts_with("There is no ledger at "), "{elsewhere}");
    let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name.contains("part")).collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn f64_reading_a_ledger_leaves_nothing_beside_it_and_needs_no_right_to_write_there() {
    let (dir, copy) = copy_of(&["one"]).await;
    let rested = TempDir::new().unwrap();
    drop(open(rested.path()).await);
    // As whoever copies the file of a stopped daemon: it says that a log belongs to it.
    let place = rested.path().join(DATABASE);
    let before = names(rested.path());
    verify(&place).unwrap();
    backup(rested.path(), &dir.path().join("another")).unwrap();
    assert_eq!(names(rested.path()), before);
    fs::set_permissions(rested.path(), fs::Permissions::from_mode(0o500)).unwrap();
    verify(&place).unwrap();
    fs::set_permissions(rested.path(), fs::Permissions::from_mode(0o700)).unwrap();
    verify(&copy).unwrap();
    assert!(names(dir.path()).is_superset(&["copy".to_owned(), "another".to_owned()].into()));
    assert!(!names(dir.path()).contains("copy-wal"));
}

#[tokio::test]
async fn f64_what_a_kill_left_half_written_is_undone_before_it_is_read() {
    let (dir, copy) = copy_of(&["one"]).await;
    let writer = Connection::open(&copy).unwrap();
    writer.execute_batch("PRAGMA cache_size = 1; BEGIN").unwrap();
    for _ in 0..99 {
        let many = "INSERT INTO events (at, kind, text) SELECT at, kind, ?1 FROM events WHERE id = 1";
        writer.execute(many, ["x".repeat(5000)]).unwrap();
    }
    writer.execute("UPDATE events SET text = 'half'", []).unwrap();
    let half = dir.path().join("half");
    fs::copy(&copy, &half).unwrap();
    fs::copy(beside(&copy, "-journal"), beside(&half, "-journal")).unwrap();
    assert!(fs::metadata(&half).unwrap().len() > 100_000);
    assert_eq!(verify(&half).unwrap().events, 1);
    assert_eq!(texts(&half), ["one"]);
}

#[tokio::test]
async fn f64_each_cause_has_its_own_sentence_and_none_throws_a_good_ledger_away() {
    let (dir, copy) = copy_of(&["one", "two"]).await;
    let at = |name: &str| dir.path().join(name);
    let altered = |name: &str, sql: &str| {
        fs::copy(&copy, at(name)).unwrap();
        Connection::open(at(name)).unwrap().execute_batch(sql).unwrap();
    };
    altered("newer", "PRAGMA user_version = 99");
    altered("negative", "PRAGMA user_version = -1");
    altered("without an index", "DROP INDEX one_unresolved");
    altered(
        "dangling",
        "PRAGMA foreign_keys = off; INSERT INTO plan_entries VALUES (7, 'a', 'account', 'x', 'y', 'new')",
    );
    altered("a strange word", "UPDATE events SET kind = 'frobnicated'");
    Connection::open(at("another"))
        .unwrap()
        .execute_batch("CREATE TABLE a (b); PRAGMA user_version = 3")
        .unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("text"), "version: 1\n".repeat(999)).unwrap();
    fs::create_dir(at("directory")).unwrap();
    // The kernel answers with an I/O error.
    symlink("/proc/self/mem", at("failing")).unwrap();
    let whole = fs::read(&copy).unwrap();
    fs::write(at("cut"), &whole[..whole.len() / 2]).unwrap();
    let mut garbled = whole.clone();
    let entry = whole.windows(3).rposition(|bytes| bytes == b"two").unwrap();
    garbled[entry / 4096 * 4096..][..8].fill(0xff);
    fs::write(at("garbled"), garbled).unwrap();

    let (keep, leave) = ("keep it", "leave it where it is");
    for (name, cause, says) in [
        ("nowhere", "missing", ["There is no ledger at", "name the file"]),
        ("empty", "no_ledger", ["it is empty", keep]),
        ("text", "no_ledger", ["does not begin as a database does", keep]),
        ("another", "no_ledger", ["none of a ledger's tables", keep]),
        ("directory", "no_ledger", ["it is not a file", keep]),
        ("failing", "unreadable", ["check its disk", leave]),
        ("newer", "newer", ["has format 99", "use the newer posmoded that wrote it"]),
        ("negative", "damaged", ["its format is -1", keep]),
        ("without an index", "damaged", ["index one_unresolved is missing in it", keep]),
        ("dangling", "damaged", ["a row of plan_entries names one of plans that is not there", keep]),
        ("a strange word", "damaged", ["frobnicated", keep]),
        ("cut", "damaged", ["is damaged: ", keep]),
        ("garbled", "damaged", ["is damaged: ", keep]),
    ] {
        let unsound = verify(&at(name)).unwrap_err();
        let told = unsound.to_string();
        assert_eq!(unsound.cause(), cause, "{name}: {told}");
        assert!(says.iter().all(|part| told.contains(part)), "{name}: {told}");
        assert!(!told.contains("move it away"), "{told}");
        let before = names(dir.path());
        restore(&at("directory"), &at(name), &clock()).await.unwrap_err();
        assert_eq!(names(dir.path()), before, "{name}");
        assert_eq!(names(&at("directory")), BTreeSet::new(), "{name}");
    }
    let source = std::error::Error::source(&verify(&at("failing")).unwrap_err()).unwrap().to_string();
    assert!(source.contains("os error 5"), "{source}");

    fs::set_permissions(&copy, fs::Permissions::from_mode(0o000)).unwrap();
    match (fs::read(&copy), verify(&copy)) {
        (Err(_), Err(denied)) => {
            assert_eq!(denied.cause(), "denied");
            assert!(denied.to_string().contains(leave), "{denied}");
        }
        (Ok(_), Ok(_)) => {} // A user whom no permission binds, as in a container: nothing to see.
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn f64_what_is_restored_is_the_copy_alone_paused_and_what_was_before_is_kept_with_its_log() {
    let (_of, copy) = copy_of(&["then"]).await;
    let dir = killed(&["before", "in the log alone"]).await;
    // What a call leaves that was killed, early or late.
    fs::write(dir.path().join("posmoded.sqlite.restoring"), "half").unwrap();
    fs::hard_link(dir.path().join(DATABASE), dir.path().join("posmoded.sqlite.until-20251113T021320Z"))
        .unwrap();
    let restored = restore(dir.path(), &copy, &clock()).await.unwrap();
    let place = dir.path().join(DATABASE);
    assert_eq!(restored.place, place);
    let kept = restored.kept.unwrap();
    assert!(kept.to_str().unwrap().ends_with("posmoded.sqlite.until-20251113T021320Z"), "{kept:?}");
    assert_eq!(texts(&kept), ["before", "in the log alone"]);
    let pause = format!("Everything was paused: {}", restored.reason);
    assert_eq!(texts(&place), ["then", pause.as_str()]);
    let kept = kept.file_name().unwrap().to_str().unwrap();
    assert_eq!(names(dir.path()), [DATABASE, kept, "posmoded.lock"].map(str::to_owned).into());
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(texts(&copy), ["then"], "it stays as it is");

    let ledger = open(dir.path()).await;
    let held = note(&ledger, "desk-a", Cause::New, 0).await;
    assert_eq!(held, Note::Braked);
    assert_eq!(ledger.directives().borrow().pauses[0].pause.reason, restored.reason);
    ledger.visitor().unwrap().resume(&[]).unwrap();
    ledger.notice().await.unwrap();
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 0).await);

    let refused = restore(dir.path(), &copy, &clock()).await.unwrap_err();
    let held = matches!(&refused, RestoreError::Directory(OpenError::Held { by: Some(_) }));
    assert!(held && refused.to_string().contains("stop that one first"), "{refused:?}");
    assert_eq!(names(dir.path()).len(), 5, "the log of the ledger at work is there as before");
}

#[tokio::test]
async fn f64_a_log_whose_ledger_is_gone_goes_into_no_other() {
    let (_of, copy) = copy_of(&["then"]).await;
    let dir = killed(&["before"]).await;
    let place = dir.path().join(DATABASE);
    fs::remove_file(&place).unwrap();
    let restored = restore(dir.path(), &copy, &clock()).await.unwrap();
    assert_eq!(restored.kept, None);
    assert_eq!(texts(&place)[0], "then");
    let logs = names(dir.path()).into_iter().filter(|name| name.contains(".until-")).count();
    assert_eq!(logs, 2, "{:?}", names(dir.path()));
}

#[tokio::test]
async fn f64_a_damaged_ledger_is_kept_as_it_is_with_what_lies_beside_it() {
    let (_of, copy) = copy_of(&["then"]).await;
    for damage in ["not a database at all", ""] {
        let dir = killed(&["before"]).await;
        let place = dir.path().join(DATABASE);
        fs::write(&place, damage.repeat(999)).unwrap();
        // The log has every page; without it, what is left is no database.
        fs::write(beside(&place, "-wal"), "torn").unwrap();
        fs::remove_file(beside(&place, "-shm")).unwrap();
        let restored = restore(dir.path(), &copy, &clock()).await.unwrap();
        let kept = restored.kept.unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), damage.repeat(999));
        assert_eq!(texts(&place).len(), 2);
        assert!(LOGS.iter().all(|log| !beside(&place, log).exists()));
        assert!(damage.is_empty() || fs::read_to_string(beside(&kept, "-wal")).unwrap() == "torn");
        drop(open(dir.path()).await);
    }
}

#[tokio::test]
async fn f64_a_ledger_that_somebody_has_open_is_not_replaced() {
    let (_of, copy) = copy_of(&["then"]).await;
    let dir = killed(&["before"]).await;
    let place = dir.path().join(DATABASE);
    let shell = Connection::open(&place).unwrap();
    let count = || shell.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 1);
    let refused = restore(dir.path(), &copy, &clock()).await.unwrap_err();
    assert!(matches!(refused, RestoreError::InUse { .. }), "{refused:?}");
    assert_eq!((count(), texts(&place)), (1, vec!["before".to_owned()]));
    drop(shell);
    restore(dir.path(), &copy, &clock()).await.unwrap();
    assert_eq!(texts(&place).len(), 2);
}

#[tokio::test]
async fn f64_a_copy_of_any_format_is_restored_in_ours_and_stays_as_it_is() {
    for format in 1..=FORMAT {
        let dir = TempDir::new().unwrap();
        let copy = dir.path().join("copy");
        let old = empty(format).unwrap();
        let say = format!("INSERT INTO events (at, kind, text) VALUES ({START}, 'started', 'then')");
        old.execute_batch(&say).unwrap();
        old.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        assert_eq!(verify(&copy).unwrap().format, format);
        let state = dir.path().join("state");
        let nowhere = restore(&state, &copy, &clock()).await.unwrap_err();
        assert!(nowhere.to_string().contains("install -d -m 0700"), "{nowhere}");
        fs::create_dir(&state).unwrap();
        let restored = restore(&state, &copy, &clock()).await.unwrap();
        assert_eq!((restored.found.format, restored.kept), (format, None));
        assert_eq!(verify(&copy).unwrap().format, format);
        assert_eq!(verify(&restored.place).unwrap().format, FORMAT);
        let visitor = Visitor::open(&state, clock()).unwrap();
        assert_eq!(visitor.directives().unwrap().pauses[0].pause.reason, restored.reason);
    }
}

#[tokio::test]
async fn f64_what_root_restores_for_a_service_is_the_services() {
    let (_of, copy) = copy_of(&["then"]).await;
    let dir = TempDir::new().unwrap();
    if std::os::unix::fs::chown(dir.path(), Some(12345), Some(12346)).is_err() {
        return; // Not root: nothing to give away.
    }
    restore(dir.path(), &copy, &clock()).await.unwrap();
    for name in names(dir.path()) {
        let about = fs::metadata(dir.path().join(&name)).unwrap();
        assert_eq!((about.uid(), about.gid()), (12345, 12346), "{name}");
    }
}
