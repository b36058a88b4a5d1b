//! The ledger's database as a file of SQLite: the connection, its transactions, and what its errors come to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, Transaction, TransactionBehavior, ffi};

use super::company::{Among, Guest};
use super::error::{LedgerError, Newer, OpenError, StoreError, VisitError};
use super::files::beside;
use super::schema::{FORMAT, MIGRATIONS, convert, format, migrate};
use super::trouble::{DatabaseError, DatabaseResult, Trouble};
use super::tx::{Columns, Each, Engine, Loss, Row, Tx};
use super::value::{Parameter, Unreadable, Value};

/// An open database.
#[derive(Debug)]
pub(super) struct Sqlite {
    connection: Connection,
    place: PathBuf,
    files: Vec<OpenFile>,
    /// In simulation, the host that it is the daemon of, of several.
    guest: Option<Box<Guest>>,
}

impl Sqlite {
    /// Opens the daemon's ledger, making it if missing, and converts it to our format.
    pub(super) fn open(place: &Path, guest: Option<Guest>) -> Result<Sqlite, OpenError> {
        let at = |error| LedgerError::of(place, error);
        let mut connection = connect(place, OpenFlags::SQLITE_OPEN_CREATE).map_err(at)?;
        let found = format(&connection).map_err(at)?;
        if found > FORMAT {
            let place = place.to_owned();
            return Err(OpenError::Newer(Newer { place, found, known: FORMAT }));
        }
        // A ledger in memory has no write-ahead log, and the answer says so; nothing depends on the answer.
        let _: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(at)?;
        check(&connection).map_err(at)?;
        migrate(&mut connection, place, &MIGRATIONS)?;
        Ok(Sqlite { connection, place: place.to_owned(), files: Vec::new(), guest: guest.map(Box::new) })
    }

    /// Opens a ledger that a daemon made.
    pub(super) fn visit(place: PathBuf) -> Result<Sqlite, VisitError> {
        let at = |error| LedgerError::of(&place, error);
        let connection = connect(&place, OpenFlags::empty()).map_err(at)?;
        match format(&connection).map_err(at)? {
            0 => Err(VisitError::NoLedger { looked_at: place }),
            found if found > FORMAT => Err(VisitError::Newer(Newer { place, found, known: FORMAT })),
            found if found < FORMAT => Err(VisitError::Older { place, found, known: FORMAT }),
            _ => Ok(Sqlite { connection, place, files: Vec::new(), guest: None }),
        }
    }

    /// Makes a ledger in an empty file, all in that one file, so that it can be given its name once it is filled.
    pub(super) fn make(place: &Path) -> Result<Sqlite, LedgerError> {
        let made = || {
            let mut connection = connect(place, OpenFlags::empty())?;
            connection.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(()))?;
            convert(&mut connection)?;
            Ok::<_, rusqlite::Error>(connection)
        };
        let connection = made().map_err(|error| LedgerError::of(place, error))?;
        Ok(Sqlite { connection, place: place.to_owned(), files: Vec::new(), guest: None })
    }

    /// From now on, `is_there` looks after the files as they are now.
    pub(super) fn look_after_files(&mut self) {
        self.files = OpenFile::of(&self.place);
    }

    /// Fails if a file of the ledger was removed or replaced: it would take every write and lose them all with the
    /// process.
    pub(super) fn is_there(&self) -> Result<(), LedgerError> {
        if self.files.iter().all(OpenFile::is_there) {
            Ok(())
        } else {
            Err(LedgerError::Gone { place: self.place.clone() })
        }
    }

    /// Grows with each commit of another connection, never with our own.
    pub(super) fn version(&self) -> Result<i64, LedgerError> {
        if let Some(guest) = &self.guest {
            guest.renew().map_err(|error| self.far(error.into()))?;
        }
        self.connection.version().map_err(|error| LedgerError::of(&self.place, error))
    }

    /// Runs one transaction that writes. It takes the write lock at once, so that what it reads first still holds when it
    /// writes.
    pub(super) fn write<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        self.transact(TransactionBehavior::Immediate, job)
    }

    /// Runs one transaction that reads everything as of the same moment.
    pub(super) fn read<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> DatabaseResult<T>,
    ) -> Result<T, LedgerError> {
        self.transact(TransactionBehavior::Deferred, |tx| Ok(job(tx)?))
    }

    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        let done = match &mut self.guest {
            None => transact(&mut self.connection, behavior, job),
            Some(guest) => transact_among(&mut self.connection, guest, behavior, job),
        };
        done.map_err(|trouble| if self.guest.is_some() { self.far(trouble) } else { trouble.at(&self.place) })
    }

    /// In simulation: of the host, if it is one of several.
    pub(super) fn guest(&self) -> Option<&Guest> {
        self.guest.as_deref()
    }

    /// What a server would be said to have said.
    fn far(&self, error: StoreError) -> LedgerError {
        let StoreError::Sql(error) = error else { return error.at(&self.place) };
        let (place, said) = ("in memory".to_owned(), error.to_string());
        if error.trouble() == Trouble::Unreachable {
            LedgerError::Unreachable { place, said }
        } else if error.trouble() == Trouble::Unknown {
            LedgerError::Unknown { place, said }
        } else {
            LedgerError::of(&self.place, error)
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A failure before the commit leaves nothing behind: the transaction is rolled back when it is dropped.
pub(super) fn transact<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx: Transaction<'_> = connection.transaction_with_behavior(behavior).map_err(DatabaseError::from)?;
    let done = job(&Tx::new(&*tx))?;
    tx.commit().map_err(DatabaseError::from)?;
    Ok(done)
}

/// The same for a host of several, which may not reach it, or not hear of the commit.
fn transact_among<T>(
    connection: &mut Connection,
    guest: &mut Guest,
    behavior: TransactionBehavior,
    job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    guest.is_answered()?;
    let before = connection.total_changes();
    let tx: Transaction<'_> = connection.transaction_with_behavior(behavior).map_err(DatabaseError::from)?;
    let done = job(&Tx::new(&Among { engine: &*tx, guest }))?;
    tx.commit().map_err(DatabaseError::from)?;
    if connection.total_changes() != before {
        guest.committed()?;
    }
    Ok(done)
}

impl Engine for Connection {
    fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> DatabaseResult<usize> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, parameters)?;
        Ok(statement.raw_execute()?)
    }

    fn query(&self, sql: &str, parameters: &[&dyn Parameter], each: Each<'_>) -> DatabaseResult<()> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, parameters)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !each(Row::new(row))? {
                break;
            }
        }
        Ok(())
    }

    fn changes(&self) -> DatabaseResult<u64> {
        Ok(self.total_changes())
    }

    fn version(&self) -> DatabaseResult<i64> {
        // Asked each second, so not read as text each time.
        Ok(self.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// A file that loses what was committed is a damaged one.
    fn loss(&self) -> Option<Loss> {
        None
    }

    fn was_replaced(&self) -> bool {
        false
    }

    fn is_quiet(&self) -> bool {
        false
    }

    fn host(&self) -> &'static str {
        NO_HOST
    }

    fn living(&self) -> DatabaseResult<BTreeSet<String>> {
        Ok(BTreeSet::from([NO_HOST.to_owned()]))
    }

    fn has_others(&self) -> DatabaseResult<bool> {
        Ok(false)
    }

    /// A file answers.
    fn may_repeat(&self) -> bool {
        false
    }

    /// It does that by itself.
    fn number_on(&self, _: &str) -> DatabaseResult<()> {
        Ok(())
    }

    /// The file itself is moved.
    fn close(&self, _: &str) -> DatabaseResult<()> {
        Ok(())
    }
}

fn bind(statement: &mut Statement<'_>, parameters: &[&dyn Parameter]) -> DatabaseResult<()> {
    for (number, parameter) in (1..).zip(parameters) {
        let value = parameter.value().map_err(|error| DatabaseError::new(Trouble::Other, error))?;
        match value {
            Value::Null => statement.raw_bind_parameter(number, None::<i64>),
            Value::Integer(integer) => statement.raw_bind_parameter(number, integer),
            Value::Text(text) => statement.raw_bind_parameter(number, text.as_ref()),
            Value::Blob(bytes) => statement.raw_bind_parameter(number, bytes.as_ref()),
        }?;
    }
    Ok(())
}

impl Columns for rusqlite::Row<'_> {
    fn number(&self, number: usize) -> Result<Value<'_>, Unreadable> {
        value(self.get_ref(number)?)
    }

    fn name(&self, name: &str) -> Result<Value<'_>, Unreadable> {
        value(self.get_ref(name)?)
    }

    fn names(&self) -> Vec<String> {
        self.as_ref().column_names().map(str::to_owned).collect()
    }
}

fn value(stored: ValueRef<'_>) -> Result<Value<'_>, Unreadable> {
    Ok(match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Text(text) => Value::Text(str::from_utf8(text)?.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
        ValueRef::Real(real) => {
            return Err(format!("{real} stands there, and no number of ours has a fraction").into());
        }
    })
}

/// A file that the connection has open, and its identity when it was opened.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl OpenFile {
    /// The database and its write-ahead log; empty for a ledger in memory.
    fn of(place: &Path) -> Vec<OpenFile> {
        let known = |path: PathBuf| identity(&path).map(|identity| OpenFile { path, identity });
        [place.to_owned(), beside(place, "-wal")].into_iter().filter_map(known).collect()
    }

    fn is_there(&self) -> bool {
        identity(&self.path) == Some(self.identity)
    }
}

/// The device and inode number of the file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Checks all tables that decide, which are small, for damage. The events are many and only shown: damage there is
/// found when they are read.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let mut tables = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'events'",
    )?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for table in tables {
        let found: String =
            connection
                .query_row("SELECT quick_check FROM pragma_quick_check(?1)", [table], |row| row.get(0))?;
        if let Some(error) = complaint(&found) {
            return Err(error);
        }
    }
    Ok(())
}

/// What a check of the database says as an error, unless it is `ok`. A page that could not be read is told like one that is
/// wrong, but by the number of an error that is not damage.
pub(super) fn complaint(said: &str) -> Option<rusqlite::Error> {
    if said == "ok" {
        return None;
    }
    let number = said.split_once("error code=").map(|(_, after)| after);
    let digits = number.and_then(|after| after.split(|c: char| !c.is_ascii_digit()).next());
    let code = match digits.and_then(|digits| digits.parse().ok()) {
        // What is cut off has damaged the rest.
        Some(ffi::SQLITE_IOERR_SHORT_READ) | None => ffi::SQLITE_CORRUPT,
        Some(code) => code,
    };
    Some(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(said.to_owned())))
}

/// Opens a connection that can write. Every commit is on the disk itself before it is reported.
pub(super) fn connect(place: &Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place, flags | more)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> DatabaseError {
        DatabaseError::new(Trouble::of(&error), error)
    }
}

impl Trouble {
    pub(super) fn of(error: &rusqlite::Error) -> Trouble {
        let unreadable = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        );
        if unreadable {
            return Trouble::Damaged;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Trouble::ReadOnly
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
            Some(ErrorCode::SystemIoFailure) if is_of_the_disk(error) => Trouble::Disk,
            _ => Trouble::Other,
        }
    }
}

/// Whether the system failed at the disk itself.
fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| OF_THE_DISK.contains(&code))
}

/// Reads, writes and what makes them last.
const OF_THE_DISK: [i32; 8] = [
    ffi::SQLITE_IOERR_READ,
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_FSYNC,
    ffi::SQLITE_IOERR_DIR_FSYNC,
    ffi::SQLITE_IOERR_TRUNCATE,
    ffi::SQLITE_IOERR_FSTAT,
    ffi::SQLITE_IOERR_DATA,
    ffi::SQLITE_IOERR_CORRUPTFS,
];
/// How long to wait for the write lock. A command's transaction takes milliseconds; a longer holder is stuck.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// A file has one daemon, wherever that runs.
const NO_HOST: &str = "";
/// So many statements are kept, for reading one takes longer than running it: more than there are.
const STATEMENTS: usize = 128;
