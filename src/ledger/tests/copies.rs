//! The copy that is made of a ledger before it is converted, with a list of migrations longer than ours.

use rusqlite::{Connection, OpenFlags};

use super::*;
use crate::ledger::files::beside;
use crate::ledger::schema::{FIRST, FORMAT, MIGRATIONS, format, migrate};
use crate::ledger::sqlite::connect;

const NEXT: &str = "ALTER TABLE events ADD COLUMN more TEXT;";
const THE_ONE_AFTER: &str = "CREATE TABLE third (word TEXT NOT NULL) STRICT;";

fn longer() -> Vec<&'static str> {
    MIGRATIONS.into_iter().chain([NEXT, THE_ONE_AFTER]).collect()
}

/// How the name of the copy ends that is made before our format becomes another, that many formats on.
fn before_format(more: i64) -> String {
    format!(".before-{}", FORMAT + more)
}

/// What is in the directory once both steps are done.
fn with_copies() -> Vec<String> {
    let copies = [1, 2].map(|more| format!("{DATABASE}{}", before_format(more)));
    let mut all: Vec<String> =
        ["posmoded.lock".to_owned(), DATABASE.to_owned()].into_iter().chain(copies).collect();
    all.sort_unstable();
    all
}

/// A state directory whose ledger has our format, an unresolved set, and all of it in the write-ahead log still.
async fn before() -> (TempDir, Vec<Event>, Connection) {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 7).await);
    let events = all(&ledger);
    let connection = converter(dir.path());
    drop(ledger);
    assert!(std::fs::metadata(dir.path().join("posmoded.sqlite-wal")).unwrap().len() > 0);
    (dir, events, connection)
}

fn converter(dir: &Path) -> Connection {
    connect(&dir.join(DATABASE), OpenFlags::empty()).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn f33_before_each_migration_a_copy_is_made_and_an_older_posmoded_can_go_on_with_it() {
    let (dir, events, mut connection) = before().await;
    let place = dir.path().join(DATABASE);
    migrate(&mut connection, &place, &longer()).unwrap();
    assert_eq!(format(&connection).unwrap(), FORMAT + 2);
    assert_eq!(files(dir.path()), with_copies());
    let second = Connection::open(beside(&place, &before_format(2))).unwrap();
    assert_eq!(format(&second).unwrap(), FORMAT + 1);
    let newer = Ledger::open(dir.path(), clock(), here()).await.unwrap_err();
    assert!(matches!(newer, OpenError::Newer(_)), "{newer:?}");

    let restored = TempDir::new().unwrap();
    std::fs::copy(beside(&place, &before_format(1)), restored.path().join(DATABASE)).unwrap();
    let ledger = open(restored.path()).await;
    // The last event is about the set that this start found.
    assert_eq!(all(&ledger)[..events.len()], events);
    let intent = register_target(&ledger, "desk-a", 1).await.intent.unwrap();
    assert_eq!(
        (intent.stamp, intent.state),
        (ServerTime(START + 7), crate::facts::IntentState::of_another_process())
    );

    std::fs::remove_file(beside(&place, &before_format(1))).unwrap();
    migrate(&mut connection, &place, &longer()).unwrap();
    assert!(!beside(&place, &before_format(1)).exists(), "what is converted is not converted again");
}

#[tokio::test]
async fn a_ledger_of_the_first_format_goes_on_with_what_it_held() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join(DATABASE);
    let mut old = connect(&place, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
    migrate(&mut old, &place, &[FIRST]).unwrap();
    // One pause is over, one ends in an hour, one does not end by itself.
    old.execute_batch(&format!(
        "INSERT INTO events (at, kind, text) VALUES ({START}, 'started', 'posmoded started');
         INSERT INTO pauses (account, reason, since, until) VALUES
            ('desk-a', 'over', {START} - 9000, {START} - 1), ('desk-b', 'an hour', {START}, {START} + {HOUR}),
            (NULL, 'for good', {START}, NULL);"
    ))
    .unwrap();
    drop(old);
    let ledger = open(dir.path()).await;
    let copies = (2..=FORMAT).map(|to| format!("{DATABASE}.before-{to}"));
    let all_files: Vec<String> =
        ["posmoded.lock".to_owned(), DATABASE.to_owned()].into_iter().chain(copies).collect();
    assert_eq!(files(dir.path()), all_files);
    let texts: Vec<String> = all(&ledger).into_iter().map(|event| event.text).collect();
    assert_eq!(texts, ["posmoded started"]);
    ledger.record_kind(&name("desk-a"), Kind::Unified).await.unwrap();
    assert_eq!(ledger.directives().borrow().kinds.get(&name("desk-a")), Some(&Kind::Unified));
    ledger.notice().await.unwrap();
    let directives = ledger.directives().borrow().clone();
    let pauses: Vec<_> =
        directives.pauses.iter().map(|row| (row.pause.reason.as_str(), row.pause.lasts)).collect();
    assert_eq!(pauses, [("an hour", Some(minutes(60))), ("for good", None)], "it begins anew");
    assert!(directives.pauses[0].pause.until.unwrap() >= ServerTime(START + HOUR));
}

#[tokio::test]
async fn f33_a_migration_that_fails_changes_nothing_and_is_made_good_by_the_next_start() {
    let (dir, events, mut connection) = before().await;
    let place = dir.path().join(DATABASE);
    let half = format!("{NEXT} INSERT INTO nowhere VALUES (1);");
    let broken: Vec<&str> = MIGRATIONS.into_iter().chain([half.as_str()]).collect();
    migrate(&mut connection, &place, &broken).unwrap_err();
    assert_eq!(format(&connection).unwrap(), FORMAT);
    // A copy that was cut off by a power failure.
    std::fs::write(beside(&place, &(before_format(1) + ".part")), "half").unwrap();
    migrate(&mut connection, &place, &longer()).unwrap();
    assert_eq!(files(dir.path()), with_copies());
    let count: i64 =
        connection.query_row("SELECT count(more IS NULL) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(count, i64::try_from(events.len()).unwrap());
}

#[tokio::test]
async fn f33_without_a_copy_nothing_is_converted() {
    let (dir, _, mut connection) = before().await;
    let place = dir.path().join(DATABASE);
    std::fs::create_dir(beside(&place, &(before_format(1) + ".part"))).unwrap();
    let refused = migrate(&mut connection, &place, &longer()).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused:?}");
    assert_eq!(format(&connection).unwrap(), FORMAT);
}

#[tokio::test]
async fn a_new_ledger_needs_no_copy() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    drop(open(dir.path()).await);
    assert_eq!(files(dir.path()), ["posmoded.lock", DATABASE]);
}
