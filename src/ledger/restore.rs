//! Puts a copy in the place of a ledger: at any moment there is the old one as it was, or the new one, whole.
//!
//! What lies beside the old one is folded into it first, or moved away: it would go into the new one. The new one
//! begins paused, for it does not know what was decided since.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::copying::copy_into;
use super::directives;
use super::error::{LedgerError, OpenError, StoreError};
use super::files::{LOGS, Part, beside, is_free, move_aside, remove_other_names, sync_directory};
use super::instance::Instance;
use super::lock;
use super::now::Now;
use super::schema::convert;
use super::soundness::{Findings, quietly, verify};
use super::sqlite::{BUSY, connect, transact};
use super::store::DATABASE;
use super::trouble::{DatabaseError, DatabaseResult, Trouble};
use super::unsound::Unsound;
use crate::clock::Clock;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The ledger, which is the copy now.
    pub place: PathBuf,
    /// Where the ledger is now that was there before, if one was.
    pub kept: Option<PathBuf>,
    /// What the copy held.
    pub found: Findings,
    /// The reason of the pause that it begins with.
    pub reason: String,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy is not one to rely on.
    #[error(transparent)]
    Copy(#[from] Unsound),
    /// There is no state directory, and whose it should be is not known.
    #[error(
        "There is no directory {}: make it for the user that the daemon runs as (`install -d -m 0700 -o USER -g GROUP DIR`), \
         or say with --state where it is.",
        dir.display()
    )]
    NoDirectory {
        /// The state directory.
        dir: PathBuf,
    },
    /// A daemon holds the state directory, or it cannot be used.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// Another process has the ledger open that is there.
    #[error(
        "Another process has the ledger {} open: end it (a database shell, a backup, a posmoded command?), then try again.",
        place.display()
    )]
    InUse {
        /// The ledger's file.
        place: PathBuf,
    },
    /// The ledger that is there cannot be put aside.
    #[error("The ledger that is there cannot be put aside as it is.")]
    Before(#[from] LedgerError),
    /// A file of the state directory cannot be written.
    #[error(
        "The directory {} cannot be written: make room there, and run the command as the user that the daemon runs as, or as \
         root.",
        dir.display()
    )]
    Unwritable {
        /// The state directory.
        dir: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The copy cannot be made ready.
    #[error("The copy cannot be written to the directory {}: make room there.", dir.display())]
    NotCopied {
        /// The state directory.
        dir: PathBuf,
        /// The database's own error.
        source: DatabaseError,
    },
}

/// Puts a copy of `file` in the place of the ledger of a state directory, with a pause of everything in it.
pub async fn restore(dir: &Path, file: &Path, clock: &Clock) -> Result<Restored, RestoreError> {
    let unwritable = |source| RestoreError::Unwritable { dir: dir.to_owned(), source };
    let not_copied = |source| RestoreError::NotCopied { dir: dir.to_owned(), source };
    let found = verify(file)?;
    if !dir.is_dir() {
        return Err(RestoreError::NoDirectory { dir: dir.to_owned() });
    }
    let lock = lock::hold(dir, clock, Instance::of_this_command()).await?;
    let place = dir.join(DATABASE);
    let reason = reason(file, found.newest_event);
    let part = quietly(file, |connection| {
        let path = beside(&place, ".restoring");
        remove_what_is_left(&path).map_err(unwritable)?;
        let part = Part::for_the_owner(path).map_err(unwritable)?;
        copy_into(connection, &part).map_err(|error| not_copied(error.into()))?;
        Ok::<_, RestoreError>(part)
    })?;
    pause(part.path(), &reason, Now::of(clock)).map_err(not_copied)?;
    verify(part.path()).map_err(|unsound| unsound.of(file))?;

    // What an earlier call that was cut off had made ready, and is the ledger itself under a second name.
    remove_other_names(&place, UNTIL).map_err(unwritable)?;
    let aside = free_name(&place, clock.wall());
    let kept = if is_free(&place) {
        put_logs_aside(&place, &aside).map_err(unwritable)?;
        part.replace(&place).map_err(unwritable)?;
        None
    } else {
        let held = hold_still(&place, clock).await?;
        fs::hard_link(&place, &aside).map_err(unwritable)?;
        if held.is_some() {
            remove_empty_logs(&place).map_err(unwritable)?;
        }
        put_logs_aside(&place, &aside).map_err(unwritable)?;
        part.replace(&place).map_err(unwritable)?;
        drop(held);
        Some(aside)
    };
    drop(lock);
    Ok(Restored { place, kept, found, reason })
}

/// Folds into the ledger what lies beside it, and keeps every other process out until it is dropped. `None` for one that
/// cannot be read: it is put aside as it is, with what lies beside it.
async fn hold_still(place: &Path, clock: &Clock) -> Result<Option<Connection>, RestoreError> {
    let end = clock.now() + BUSY;
    loop {
        let error = match held_still(place) {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) => error,
        };
        match Trouble::of(&error) {
            Trouble::Damaged
            | Trouble::Disk
            | Trouble::Unreachable
            | Trouble::Unknown
            | Trouble::Moved
            | Trouble::Superseded
            | Trouble::Other => {
                return Ok(None);
            }
            Trouble::Full | Trouble::ReadOnly => {
                return Err(RestoreError::Before(LedgerError::of(place, error)));
            }
            Trouble::Locked if clock.now() >= end => {
                return Err(RestoreError::InUse { place: place.to_owned() });
            }
            Trouble::Locked => clock.sleep_until(clock.now() + PAUSE).await,
        }
    }
}

/// Before anything is read the lock is told to be exclusive, and that closing folds nothing: one that cannot be read would
/// lose its log by that.
fn held_still(place: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

/// Removes what was folded into the ledger, and so is empty, or tells only where in it to look.
fn remove_empty_logs(place: &Path) -> io::Result<()> {
    if fs::metadata(beside(place, "-wal")).is_ok_and(|log| log.len() == 0) {
        fs::remove_file(beside(place, "-wal"))?;
        remove_what_is_left(&beside(place, "-shm"))?;
    }
    Ok(())
}

/// Moves what lies beside the ledger to beside `aside`.
fn put_logs_aside(place: &Path, aside: &Path) -> io::Result<()> {
    for log in LOGS {
        let path = beside(place, log);
        if !is_free(&path) {
            move_aside(&path, &beside(aside, log))?;
        }
    }
    sync_directory(place)
}

/// Converts the copy to our format, and pauses everything in it. Should this be cut off, the copy is made anew.
fn pause(copy: &Path, reason: &str, now: Now) -> DatabaseResult<()> {
    let mut connection = connect(copy, OpenFlags::empty())?;
    connection.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(()))?;
    convert(&mut connection)?;
    let paused = transact(&mut connection, TransactionBehavior::Immediate, |tx| {
        directives::pause(tx, now, &[], reason, None, None)
    });
    match paused {
        Ok(_) => Ok(()),
        Err(StoreError::Sql(error)) => Err(error),
        Err(StoreError::Misused(what)) => Err(DatabaseError::new(Trouble::Other, what)),
    }
}

/// Why everything is paused, in one line: the time is that of the newest event that the copy knows.
fn reason(file: &Path, newest_event: Option<i64>) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file: String = file.to_string_lossy().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let of =
        newest_event.map_or_else(|| ", which knows no event".to_owned(), |at| format!(" of {}", second(at)));
    format!("restored from {file}{of}: see what was paused or approved since, then posmoded resume")
}

/// The second of a time in milliseconds since 1970.
fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A name beside the ledger that tells when it was put aside, and that nothing has yet.
fn free_name(place: &Path, wall: i64) -> PathBuf {
    let name = beside(place, &format!("{UNTIL}{}", second(wall).strftime("%Y%m%dT%H%M%SZ")));
    let free = |name: &PathBuf| is_free(name) && LOGS.iter().all(|log| is_free(&beside(name, log)));
    let numbered = (2..1000).map(|number| beside(&name, &format!("-{number}")));
    std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name)
}

/// Removes what an earlier call left that was cut off. We hold the lock, so nobody writes there.
fn remove_what_is_left(part: &Path) -> io::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How long to wait before a ledger that somebody has open is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// What follows in the name of a ledger that was put aside, before the time.
const UNTIL: &str = ".until-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f64_the_reason_says_from_what_and_what_to_do_in_one_line() {
        let after = ": see what was paused or approved since, then posmoded resume";
        assert_eq!(
            reason(Path::new("/root/led\nger"), Some(1_795_338_000_999)),
            format!("restored from /root/led ger of 2026-11-22T09:00:00Z{after}")
        );
        assert_eq!(reason(Path::new("/x"), None), format!("restored from /x, which knows no event{after}"));
    }

    #[test]
    fn what_is_put_aside_takes_no_name_that_is_taken() {
        let dir = tempfile::TempDir::new().unwrap();
        let place = dir.path().join("posmoded.sqlite");
        let name = |more: &str| dir.path().join(format!("posmoded.sqlite.until-20261122T090000Z{more}"));
        assert_eq!(free_name(&place, 1_795_338_000_000), name(""));
        fs::write(name(""), "").unwrap();
        fs::write(name("-2-wal"), "").unwrap();
        assert_eq!(free_name(&place, 1_795_338_000_000), name("-3"));
    }
}
