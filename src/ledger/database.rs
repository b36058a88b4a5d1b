//! The database of a ledger, whichever engine keeps it: where it is, and its transactions.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::company::Guest;
use super::error::{LedgerError, OpenError, StoreError, VisitError};
use super::instance::Instance;
use super::peers::{Peer, Shown};
use super::postgres::{Address, Postgres};
use super::sqlite::Sqlite;
use super::trouble::DatabaseResult;
use super::tx::Tx;
use crate::clock::Clock;
use crate::facts::Generation;
use crate::moment::Moment;

/// Where a ledger is.
#[derive(Clone)]
pub(super) enum Place {
    /// In a file, or in the memory of this process.
    File(PathBuf),
    /// In the memory of this process, which simulates several hosts.
    Among(PathBuf, Guest),
    /// In a database of PostgreSQL.
    Server(Arc<Address>),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) | Place::Among(path, _) => path.display().fmt(out),
            Place::Server(address) => address.fmt(out),
        }
    }
}

/// An open database.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Database {
    /// Opens the daemon's ledger, making it if missing, and converts it to our format.
    pub(super) fn open(place: &Place, clock: &Clock, us: Option<&Instance>) -> Result<Database, OpenError> {
        Ok(match place {
            Place::File(path) => Database::Sqlite(Sqlite::open(path, None)?),
            Place::Among(path, guest) => Database::Sqlite(Sqlite::open(path, Some(guest.clone()))?),
            Place::Server(address) => {
                Database::Postgres(Box::new(Postgres::open(Arc::clone(address), clock.clone(), us)?))
            }
        })
    }

    /// Opens a ledger that a daemon made.
    pub(super) fn visit(place: Place, clock: &Clock) -> Result<Database, VisitError> {
        Ok(match place {
            Place::File(path) | Place::Among(path, _) => Database::Sqlite(Sqlite::visit(path)?),
            Place::Server(address) => Database::Postgres(Box::new(Postgres::visit(address, clock.clone())?)),
        })
    }

    /// The daemons that work with it, if that is to be seen there; beside a file there is a lock.
    pub(super) fn instances(&mut self) -> Result<Vec<Instance>, LedgerError> {
        match self {
            Database::Sqlite(_) => Ok(Vec::new()),
            Database::Postgres(postgres) => postgres.instances(),
        }
    }

    /// The other hosts whose daemons work with it.
    pub(super) fn others(&mut self) -> Result<BTreeSet<String>, LedgerError> {
        match self {
            Database::Sqlite(sqlite) => Ok(sqlite.guest().map(Guest::others).unwrap_or_default()),
            Database::Postgres(postgres) => postgres.others(),
        }
    }

    /// Fails if a daemon works with it. For a file that is the business of its lock.
    pub(super) fn is_unused(&mut self) -> Result<(), OpenError> {
        match self {
            Database::Sqlite(_) => Ok(()),
            Database::Postgres(postgres) => postgres.is_unused(),
        }
    }

    /// Shows other hosts how our targets stand. In a file there are none.
    pub(super) fn show(&mut self, shown: &[Shown], gone: &[Shown]) -> Result<(), LedgerError> {
        match self {
            Database::Sqlite(_) => Ok(()),
            Database::Postgres(postgres) => postgres.show(shown, gone),
        }
    }

    /// Which revision our host has in force.
    pub(super) fn in_force(&mut self, generation: Generation, commit: Option<String>) {
        match self {
            Database::Sqlite(_) => {}
            Database::Postgres(postgres) => postgres.in_force(generation, commit),
        }
    }

    /// All hosts, and how the targets of others stand.
    pub(super) fn peers(&mut self) -> Result<(Vec<Peer>, Vec<Shown>), LedgerError> {
        match self {
            Database::Sqlite(_) => Ok((Vec::new(), Vec::new())),
            Database::Postgres(postgres) => postgres.peers(),
        }
    }

    /// The daemon that has the place of a host, whether it has shown a sign of life lately or not; beside a file there is a lock.
    pub(super) fn last_known(&mut self, host: &str) -> Result<Option<Instance>, LedgerError> {
        match self {
            Database::Sqlite(_) => Ok(None),
            Database::Postgres(postgres) => postgres.last_known(host),
        }
    }

    /// Whether a transaction that writes has yet to compare the database with the one that it was.
    pub(super) fn is_to_compare(&self) -> bool {
        match self {
            Database::Sqlite(_) => false,
            Database::Postgres(postgres) => postgres.is_to_compare(),
        }
    }

    /// Says that this daemon ends. A file is free once its lock is.
    pub(super) fn leave(&mut self) {
        match self {
            Database::Sqlite(sqlite) => {
                if let Some(guest) = sqlite.guest() {
                    guest.leave();
                }
            }
            Database::Postgres(postgres) => postgres.leave(),
        }
    }

    /// When the database was found to be another one than it was.
    pub(super) fn replaced_at(&self) -> Option<Moment> {
        match self {
            Database::Sqlite(_) => None,
            Database::Postgres(postgres) => postgres.replaced_at(),
        }
    }

    /// From now on, `is_there` looks after the files as they are now.
    pub(super) fn look_after_files(&mut self) {
        match self {
            Database::Sqlite(sqlite) => sqlite.look_after_files(),
            Database::Postgres(_) => {}
        }
    }

    /// Fails if a file of the ledger was removed or replaced.
    pub(super) fn is_there(&self) -> Result<(), LedgerError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.is_there(),
            Database::Postgres(_) => Ok(()),
        }
    }

    /// Grows with each commit of another process, never with our own.
    pub(super) fn version(&mut self) -> Result<i64, LedgerError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.version(),
            Database::Postgres(postgres) => postgres.version(),
        }
    }

    /// Runs one transaction that writes. It excludes all others that do from its beginning, so that what it reads first still
    /// holds when it writes.
    pub(super) fn write<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.write(job),
            Database::Postgres(postgres) => postgres.write(job),
        }
    }

    /// Runs one transaction that reads everything as of the same moment.
    pub(super) fn read<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> DatabaseResult<T>,
    ) -> Result<T, LedgerError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read(job),
            Database::Postgres(postgres) => postgres.read(job),
        }
    }
}
