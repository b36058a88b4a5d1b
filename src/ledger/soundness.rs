//! Is a file a sound ledger? Reads all of it, and writes nothing: neither the file nor anything beside it. The one exception
//! is a file that a kill left half written, which is set right before it is read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::copying::uri;
use super::directives::{self, Identities};
use super::error::Newer;
use super::files::{LOGS, beside, is_free};
use super::history::{self, HistoryFilter};
use super::now::Now;
use super::schema::{FORMAT, empty, format};
use super::sqlite::{BUSY, complaint};
use super::timeline::{self, SpansFilter};
use super::trouble::DatabaseResult;
use super::tx::Tx;
use super::unsound::Unsound;
use super::{intents, revisions, targets};

/// What a sound ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The format that it has; one older than ours is converted when a daemon starts with it.
    pub format: i64,
    /// The number of its events.
    pub events: u64,
    /// When the newest of them happened, in milliseconds since 1970.
    pub newest_event: Option<i64>,
    /// The number of sets whose outcome is not known.
    pub unresolved: u64,
    /// The size, with the log beside it.
    pub bytes: u64,
}

/// Reads every page, index and row of a ledger, and of the log beside it. A daemon may run meanwhile.
pub fn verify(place: &Path) -> Result<Findings, Unsound> {
    quietly(place, |connection| findings(connection, place))
}

/// Runs a job that only reads. Where no log lies beside the file nobody has it open, so it is read
/// without one, and read again if that was not so till the end.
pub(super) fn quietly<T, E: From<Unsound>>(
    place: &Path,
    mut job: impl FnMut(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let file = fs::canonicalize(place).map_err(|source| Unsound::of_system(place, source))?;
    for _ in 0..TRIES {
        let before = Seen::of(&file)?;
        let connection = opened(&file, &before).map_err(|error| Unsound::of_database(place, error))?;
        let done = job(&connection);
        if !before.is_at_rest || Seen::of(&file)? == before {
            return done;
        }
    }
    Err(Unsound::Locked { place: place.to_owned() }.into())
}

/// What is there of a ledger before it is read.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    length: u64,
    written: (i64, i64),
    /// Nothing lies beside it that a process at work would have made.
    is_at_rest: bool,
    /// A process was killed while it changed the file itself: reading it takes undoing that.
    is_half_written: bool,
}

impl Seen {
    /// Asks the system first, whose errors say more than the database's.
    fn of(file: &Path) -> Result<Seen, Unsound> {
        let about = fs::metadata(file).map_err(|source| Unsound::of_system(file, source))?;
        if !about.is_file() {
            return Err(no_ledger(file, "it is not a file"));
        }
        if let Some(why) = beginning(file)?.and_then(|beginning| looks_unlike(&beginning)) {
            return Err(no_ledger(file, why));
        }
        let (mut is_at_rest, mut is_half_written) = (true, false);
        for log in LOGS.map(|log| beside(file, log)).into_iter().filter(|log| !is_free(log)) {
            is_at_rest = false;
            let is_empty = beginning(&log)?.is_none_or(|beginning| beginning.is_empty());
            is_half_written |= !is_empty && log == beside(file, "-journal");
        }
        Ok(Seen {
            device: about.dev(),
            inode: about.ino(),
            length: about.len(),
            written: (about.mtime(), about.mtime_nsec()),
            is_at_rest,
            is_half_written,
        })
    }
}

/// The first bytes; `None` if it was removed just now.
fn beginning(file: &Path) -> Result<Option<Vec<u8>>, Unsound> {
    let mut beginning = Vec::new();
    let read = File::open(file).and_then(|file| file.take(16).read_to_end(&mut beginning));
    match read.map_err(|source| Unsound::of_system(file, source)) {
        Ok(_) => Ok(Some(beginning)),
        Err(Unsound::Missing { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What a file is that begins so, unless it may be a database.
fn looks_unlike(beginning: &[u8]) -> Option<&'static str> {
    match beginning {
        [] => Some("it is empty"),
        MAGIC => None,
        _ => Some("it does not begin as a database does"),
    }
}

fn no_ledger(place: &Path, why: &str) -> Unsound {
    Unsound::NoLedger { place: place.to_owned(), why: why.to_owned() }
}

fn opened(file: &Path, seen: &Seen) -> rusqlite::Result<Connection> {
    let Seen { is_at_rest, is_half_written, .. } = seen;
    let how = match (is_at_rest, is_half_written) {
        (true, _) => "?mode=ro&immutable=1",
        (false, false) => "?mode=ro",
        (false, true) => "?mode=rw",
    };
    let access =
        if *is_half_written { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(file) + how, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Reads all of an open ledger, as of one moment.
pub(super) fn findings(connection: &Connection, place: &Path) -> Result<Findings, Unsound> {
    let at = |error| Unsound::of_database(place, error);
    let tx = connection.unchecked_transaction().map_err(at)?;
    let format = known_format(&tx, place)?;
    let damaged = |found: String| Unsound::Damaged { place: place.to_owned(), found };
    if let Some(missing) = missing(&tx, format).map_err(at)? {
        return Err(damaged(format!("{missing} is missing in it")));
    }
    let said: String = tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(at)?;
    if let Some(error) = complaint(&said) {
        return Err(at(error));
    }
    let dangling: Option<(String, String)> = tx
        .query_row("SELECT \"table\", parent FROM pragma_foreign_key_check", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(at)?;
    if let Some((table, parent)) = dangling {
        return Err(damaged(format!("a row of {table} names one of {parent} that is not there")));
    }
    if format == FORMAT {
        every_row(&Tx::new(&*tx)).map_err(|error| Unsound::of_database(place, error))?;
    }
    let counts = tx.query_row(
        "SELECT (SELECT count(*) FROM events), (SELECT at FROM events ORDER BY id DESC LIMIT 1),
         (SELECT count(*) FROM unresolved)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    );
    let (events, newest_event, unresolved): (i64, Option<i64>, i64) = counts.map_err(at)?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let (events, unresolved) = (count(events), count(unresolved));
    Ok(Findings { format, events, newest_event, unresolved, bytes: size(place) })
}

/// The format, if it is a ledger and we know it.
fn known_format(tx: &Connection, place: &Path) -> Result<i64, Unsound> {
    let at = |error| Unsound::of_database(place, error);
    let found = format(tx).map_err(at)?;
    let ours: i64 = tx
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('intents', 'events', 'pauses')",
            [],
            |row| row.get(0),
        )
        .map_err(at)?;
    match found {
        _ if ours == 0 => Err(no_ledger(place, "it is a database, but has none of a ledger's tables")),
        newer if newer > FORMAT => {
            Err(Unsound::Newer(Newer { place: place.to_owned(), found, known: FORMAT }))
        }
        1.. => Ok(found),
        _ => Err(Unsound::Damaged { place: place.to_owned(), found: format!("its format is {found}") }),
    }
}

/// The first table, index or view that a ledger of this format has and this one lacks.
fn missing(tx: &Connection, format: i64) -> rusqlite::Result<Option<String>> {
    let names = |of: &Connection| -> rusqlite::Result<BTreeSet<String>> {
        let mut names =
            of.prepare("SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'")?;
        names.query_map([], |row| row.get(0))?.collect()
    };
    Ok(names(&empty(format)?)?.difference(&names(tx)?).next().cloned())
}

/// Reads every row as the daemon and the commands read it: a word that is none of ours is damage, too.
fn every_row(tx: &Tx<'_>) -> DatabaseResult<()> {
    let now = Now { wall: 0, exchange: None };
    directives::read(tx, now, Identities::All)?;
    history::read(tx, &HistoryFilter { limit: usize::MAX, ..HistoryFilter::default() })?;
    intents::all(tx)?;
    revisions::cool_downs(tx, now)?;
    revisions::last_good(tx)?;
    targets::all_applied(tx)?;
    timeline::read(tx, &SpansFilter { accounts: Vec::new(), since: i64::MIN, limit: usize::MAX })?;
    Ok(())
}

fn size(place: &Path) -> u64 {
    let of = |path: PathBuf| fs::metadata(path).map_or(0, |about| about.len());
    of(place.to_owned()) + of(beside(place, "-wal"))
}

/// How every database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// How often a ledger is read at most that somebody writes at the same time.
const TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f64_what_the_check_says_is_damage_only_where_it_is() {
        let code = |said: &str| complaint(said).and_then(|error| error.sqlite_error_code());
        let (damaged, disk) = (rusqlite::ErrorCode::DatabaseCorrupt, rusqlite::ErrorCode::SystemIoFailure);
        assert_eq!(code("ok"), None);
        assert_eq!(code("row 3 missing from index one_unresolved"), Some(damaged));
        assert_eq!(code("Tree 4 page 7: unable to get the page. error code=11"), Some(damaged));
        assert_eq!(code("Tree 4 page 7: unable to get the page. error code=266"), Some(disk));
        assert_eq!(code("Tree 4 page 7: unable to get the page. error code=522"), Some(damaged));
    }
}
