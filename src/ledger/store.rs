//! The connection and its transactions; the same code runs on a thread of its own or on the caller's.
//!
//! Opens the database and publishes the directives; what is written is the other files' business.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::directives::{self, Directives};
use super::error::{LedgerError, Newer, OpenError, StoreError, complaint};
use super::files::beside;
use super::listeners::Listeners;
use super::now::Now;
use super::schema::{FORMAT, MIGRATIONS, format, migrate};
use super::{history, intents};
use crate::clock::Clock;
use crate::constants::CLOCK_JUMP;
use crate::moment::{Moment, ServerTime};

/// Counts the transactions that wrote or failed to since the ledger was opened; clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Writes(Family<[(&'static str, &'static str); 1], Counter>);

impl Writes {
    fn new() -> Writes {
        let writes = Writes::default();
        for is_on_disk in [true, false] {
            drop(writes.counter(is_on_disk));
        }
        writes
    }

    fn counter(&self, is_on_disk: bool) -> impl Deref<Target = Counter> {
        let result = if is_on_disk { "committed" } else { "failed" };
        self.0.get_or_create(&[("result", result)])
    }

    #[cfg(test)]
    pub(super) fn failed(&self) -> u64 {
        self.counter(false).get()
    }

    /// Registers the counts with the metrics.
    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        registry.register("ledger_writes", "Transactions of the ledger since the start", self.0.clone());
    }
}

/// The daemon's side of an open ledger.
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) place: PathBuf,
    clock: Clock,
    directives: Listeners,
    data_version: i64,
    /// The exchange's time at the last transaction that wrote, and ours.
    heard: Option<(Moment, ServerTime)>,
    /// When old rows were last deleted, by the exchange's time.
    forgot_at: Option<ServerTime>,
    /// Whether something on disk may still wait to be dated by the exchange's time.
    to_date: bool,
    /// Whether a request may still wait to be acknowledged: only other processes make them.
    to_acknowledge: bool,
    writes: Writes,
    files: Vec<OpenFile>,
    /// Held as long as the connection; the last field, so that it is dropped after it.
    _lock: Option<File>,
}

impl Store {
    /// Opens the ledger, converts it to our format, and marks sets that an earlier process left under way as unclear.
    pub(super) fn open(place: &Path, clock: Clock, lock: Option<File>) -> Result<Store, OpenError> {
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
        let data_version = data_version(&connection).map_err(at)?;
        let place = place.to_owned();
        let directives = Listeners::default();
        let writes = Writes::new();
        let files = Vec::new();
        let mut store = Store {
            connection,
            place,
            clock,
            directives,
            data_version,
            heard: None,
            forgot_at: None,
            to_date: true,
            to_acknowledge: true,
            writes,
            files,
            _lock: lock,
        };
        store.write(intents::orphaned)?;
        // The first directives hold all identities; only this process writes any from here on.
        let directives = store.read(|tx, now| directives::read(tx, now, None))?;
        store.publish(directives);
        store.files = OpenFile::of(&store.place);
        Ok(store)
    }

    /// The listeners of the directives, which hold them as of the last write or `notice`.
    pub(super) fn directives(&self) -> Listeners {
        self.directives.clone()
    }

    /// The numbers of transactions that wrote, or failed to.
    pub(super) fn writes(&self) -> Writes {
        self.writes.clone()
    }

    /// Runs one transaction that may write anything but identities; publishes the directives that result once it is
    /// committed.
    pub(super) fn write<T>(
        &mut self,
        job: impl FnOnce(&Connection, Now) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        let known = self.directives.newest();
        self.transact(job, Some(&known))
    }

    /// The same for one that may write identities.
    pub(super) fn write_identity<T>(
        &mut self,
        job: impl FnOnce(&Connection, Now) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        self.transact(job, None)
    }

    /// The directives are read only if it changed a row, or another process did; their identities, which are as many as the
    /// accounts, only where they are not `known`.
    fn transact<T>(
        &mut self,
        job: impl FnOnce(&Connection, Now) -> Result<T, StoreError>,
        known: Option<&Directives>,
    ) -> Result<T, LedgerError> {
        let now = Now::of(&self.clock);
        self.to_date |= now.exchange.is_none();
        let heard = now.exchange.map(|exchange| (self.clock.now(), exchange));
        let jump = self.heard.zip(heard).and_then(|(before, heard)| jump(before, heard));
        let (changes, seen) = (self.connection.total_changes(), self.data_version);
        let written = self.is_there().and_then(|()| {
            write(&mut self.connection, &self.place, |tx| {
                if let Some((before, by)) = jump {
                    directives::prolong(tx, before, by)?;
                }
                let done = job(tx, now)?;
                let differ = tx.total_changes() != changes || data_version(tx)? != seen;
                Ok((done, differ.then(|| directives::read(tx, now, known)).transpose()?))
            })
        });
        self.writes.counter(written.is_ok()).inc();
        let (done, directives) = written?;
        self.heard = heard.or(self.heard);
        if let Some(directives) = directives {
            self.publish(directives);
        }
        Ok(done)
    }

    /// Runs one transaction that only reads.
    pub(super) fn read<T>(
        &mut self,
        job: impl FnOnce(&Connection, Now) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let now = Now::of(&self.clock);
        read(&mut self.connection, &self.place, |tx| job(tx, now))
    }

    /// Returns whether another process wrote since the last call; if so, reads the directives again. Acknowledges
    /// pending requests. Once the exchange's time is known, dates what was written without it, and once a day deletes
    /// what is too old.
    pub(super) fn notice(&mut self) -> Result<bool, LedgerError> {
        self.is_there()?;
        let seen = data_version(&self.connection).map_err(|error| LedgerError::of(&self.place, error))?;
        let wrote = seen != self.data_version;
        self.to_date |= wrote;
        let exchange = self.clock.exchange_time();
        if self.to_date && exchange.is_some() {
            self.write(|tx, now| {
                directives::date(tx, now)?;
                Ok(history::date(tx, now)?)
            })?;
            self.to_date = false;
        }
        self.to_acknowledge |= wrote;
        let waits = self.to_acknowledge && self.read(directives::is_waited_for)?;
        // Read when one of them has ended, not at every call until it does.
        let lapsed = self.directives.newest().lapses_at.zip(exchange).is_some_and(|(at, now)| at <= now);
        if wrote || waits || lapsed {
            let known = self.directives.newest();
            let directives = self.read(|tx, now| directives::read(tx, now, Some(&known)))?;
            self.publish(directives);
        }
        if waits {
            self.write(directives::acknowledge)?;
        }
        self.to_acknowledge = self.to_acknowledge && self.read(|tx, _| directives::is_any_open(tx))?;
        self.data_version = seen;
        if let Some(exchange) = exchange
            && self.forgot_at.is_none_or(|at| exchange.since(at) >= DAY)
        {
            self.write(|tx, now| Ok(history::forget(tx, now)?))?;
            self.forgot_at = Some(exchange);
        }
        Ok(wrote)
    }

    /// Fails if a file of the ledger was removed or replaced: it would take every write and lose them all with the
    /// process.
    fn is_there(&self) -> Result<(), LedgerError> {
        if self.files.iter().all(OpenFile::is_there) {
            Ok(())
        } else {
            Err(LedgerError::Gone { place: self.place.clone() })
        }
    }

    fn publish(&self, directives: Directives) {
        self.directives.tell(directives);
    }
}

/// By how much the exchange's clock has jumped ahead since its time `before`, if it has.
fn jump(
    (then, before): (Moment, ServerTime),
    (now, exchange): (Moment, ServerTime),
) -> Option<(ServerTime, Duration)> {
    let by = exchange.since(before + now.since(then));
    (by > CLOCK_JUMP).then_some((before, by))
}

/// A file that the connection has open, and its identity when it was opened.
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

/// Runs one transaction that writes. It takes the write lock at once, so that what it reads first still holds when it
/// writes.
pub(super) fn write<T>(
    connection: &mut Connection,
    place: &Path,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, LedgerError> {
    transact(connection, TransactionBehavior::Immediate, job).map_err(|trouble| trouble.at(place))
}

/// Runs one transaction that reads everything as of the same moment.
pub(super) fn read<T>(
    connection: &mut Connection,
    place: &Path,
    job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, LedgerError> {
    transact(connection, TransactionBehavior::Deferred, |tx| Ok(job(tx)?))
        .map_err(|trouble| trouble.at(place))
}

/// A failure before the commit leaves nothing behind: the transaction is rolled back when it is dropped.
fn transact<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx: Transaction<'_> = connection.transaction_with_behavior(behavior)?;
    let done = job(&tx)?;
    tx.commit()?;
    Ok(done)
}

/// Grows with each commit of another connection, never with our own.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    // Asked each second, so not read as text each time.
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// How long to wait for the write lock. A command's transaction takes milliseconds; a longer holder is stuck.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// So many statements are kept, for reading one takes longer than running it: more than there are.
const STATEMENTS: usize = 64;
/// How often old rows are deleted.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The database of a state directory.
pub fn place(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

/// Its name there.
pub(super) const DATABASE: &str = "posmoded.sqlite";
