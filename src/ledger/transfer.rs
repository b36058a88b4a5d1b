//! A whole ledger to another home: from a state directory to a database on a server, or back.
//!
//! The old home is closed for every daemon and command from then on: two that go on would each know only half of what was
//! done. Sets whose outcome is not known stay so.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::database::Database;
use super::error::{LedgerError, OpenError, StoreError, VisitError};
use super::files::{LOGS, Part, beside, is_free, move_aside, sync_directory};
use super::home::Home;
use super::instance::Instance;
use super::intents;
use super::lock;
use super::moved;
use super::now::Now;
use super::postgres::{Address, Postgres};
use super::sqlite::Sqlite;
use super::store::DATABASE;
use super::tx::{Row, Tx, params};
use super::value::{Anything, Parameter};
use crate::clock::Clock;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// The number of rows.
    pub rows: u64,
    /// The number of sets whose outcome is not known.
    pub unresolved: u64,
    /// Where the old file is kept, if it was one.
    pub kept: Option<PathBuf>,
}

/// Why nothing was transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// What is there is no ledger to take.
    #[error(transparent)]
    From(#[from] VisitError),
    /// A daemon holds a state directory, or it or the database cannot be used.
    #[error(transparent)]
    Home(#[from] OpenError),
    /// Something is there already.
    #[error(
        "There is a ledger at {to} already, and no ledger replaces or joins another: name a place that has none."
    )]
    Taken {
        /// The place.
        to: String,
    },
    /// A call on one of them failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Both are the same.
    #[error("Both are {0}: name another place to bring the ledger to.")]
    Same(String),
    /// A file of the state directory cannot be written.
    #[error("The directory {} cannot be written: make room there, and run the command as the user that the daemon runs as.", dir.display())]
    Unwritable {
        /// The state directory.
        dir: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
}

/// Brings the whole ledger from one place to another, which has none. No daemon may run with either.
pub async fn transfer(from: &Home, to: &Home, clock: &Clock) -> Result<Transferred, TransferError> {
    if from.to_string() == to.to_string() {
        return Err(TransferError::Same(from.to_string()));
    }
    if let Home::Directory(dir) = from {
        moved::check(dir)?;
        let place = dir.join(DATABASE);
        if is_free(&place) {
            return Err(VisitError::NoLedger { looked_at: place }.into());
        }
    }
    let _locks = (from.hold(clock).await?, to.hold(clock).await?);
    let mut source = Database::visit(from.place(), clock)?;
    source.is_unused()?;
    match to {
        Home::Server(address) => {
            let target = Postgres::make(Arc::new(Address::clone(address)), clock.clone())?;
            let mut target = Database::Postgres(Box::new(target));
            target.is_unused()?;
            let (rows, unresolved) = bring(&mut source, &mut target, to, clock)?;
            drop(source);
            let kept = from.put_aside(to, clock)?;
            Ok(Transferred { rows, unresolved, kept })
        }
        Home::Directory(dir) => {
            let unwritable = |source| TransferError::Unwritable { dir: dir.clone(), source };
            let place = dir.join(DATABASE);
            if !is_free(&place) {
                return Err(TransferError::Taken { to: to.to_string() });
            }
            let path = beside(&place, ".arriving");
            remove_what_is_left(&path).map_err(unwritable)?;
            let part = Part::for_the_owner(path).map_err(unwritable)?;
            let mut target = Database::Sqlite(Sqlite::make(part.path())?);
            let (rows, unresolved) = bring(&mut source, &mut target, to, clock)?;
            drop((source, target));
            part.name(&place).map_err(unwritable)?;
            moved::take_back(dir).map_err(unwritable)?;
            let kept = from.put_aside(to, clock)?;
            Ok(Transferred { rows, unresolved, kept })
        }
    }
}

impl Home {
    /// Keeps daemons away from a directory, which is made if it is missing.
    async fn hold(&self, clock: &Clock) -> Result<Option<fs::File>, TransferError> {
        let Home::Directory(dir) = self else { return Ok(None) };
        let unusable = |source| OpenError::Io { dir: dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        super::check_directory(dir)?;
        Ok(Some(lock::hold(dir, clock, Instance::of_this_command()).await?))
    }

    /// Moves the file to another name, and leaves word of where the ledger is.
    fn put_aside(&self, to: &Home, clock: &Clock) -> Result<Option<PathBuf>, TransferError> {
        let Home::Directory(dir) = self else { return Ok(None) };
        let unwritable = |source| TransferError::Unwritable { dir: dir.clone(), source };
        let place = dir.join(DATABASE);
        let second = Timestamp::from_second(clock.wall().div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
        let name = beside(&place, &format!(".moved-{}", second.strftime("%Y%m%dT%H%M%SZ")));
        moved::note(dir, &to.to_string()).map_err(unwritable)?;
        move_aside(&place, &name).map_err(unwritable)?;
        for log in LOGS.iter().filter(|log| !is_free(&beside(&place, log))) {
            move_aside(&beside(&place, log), &beside(&name, log)).map_err(unwritable)?;
        }
        sync_directory(&place).map_err(unwritable)?;
        Ok(Some(name))
    }
}

/// Copies all rows within one transaction of each; returns how many, and how many sets are unresolved.
fn bring(
    source: &mut Database,
    target: &mut Database,
    to: &Home,
    clock: &Clock,
) -> Result<(u64, u64), TransferError> {
    let now = Now::of(clock);
    source.write(|source| {
        let brought = target.write(|target| {
            for table in TABLES {
                let asked = format!("SELECT EXISTS (SELECT 1 FROM {table})");
                if target.query_row(&asked, params![], |row| row.get(0))? {
                    return Ok(Err(TransferError::Taken { to: to.to_string() }));
                }
            }
            let mut rows = 0;
            for table in TABLES {
                rows += copy(source, target, table)?;
                let count = |tx: &Tx<'_>| {
                    tx.query_row(&format!("SELECT count(*) FROM {table}"), params![], |row| row.get::<i64>(0))
                };
                let (left, arrived) = (count(source)?, count(target)?);
                if left != arrived {
                    let what = format!("of {table} {left} rows left and {arrived} arrived");
                    return Err(StoreError::Misused(what));
                }
            }
            intents::all_orphaned(target, now)?;
            let unresolved = intents::all_unresolved(target)?.len();
            Ok(Ok((rows, u64::try_from(unresolved).unwrap_or(u64::MAX))))
        });
        if matches!(brought, Ok(Ok(_))) {
            source.close(&to.to_string())?;
        }
        Ok(brought)
    })??
}

/// Copies the rows of a table, some at a time; returns how many.
fn copy(source: &Tx<'_>, target: &Tx<'_>, table: &str) -> Result<u64, StoreError> {
    let has_numbers = !WITHOUT_NUMBERS.contains(&table);
    let select = if has_numbers {
        format!("SELECT * FROM {table} WHERE id > ?1 ORDER BY id LIMIT {AT_ONCE}")
    } else {
        format!("SELECT * FROM {table}")
    };
    let (mut rows, mut last) = (0, i64::MIN);
    loop {
        let after = last;
        let asked: &[&dyn Parameter] = if has_numbers { params![after] } else { params![] };
        let mut names = Vec::new();
        let read = |row: &Row<'_>| {
            if names.is_empty() {
                names = row.names();
            }
            if has_numbers {
                last = row.get("id")?;
            }
            (0..names.len()).map(|number| row.get(number)).collect()
        };
        let found: Vec<Vec<Anything>> = source.query(&select, asked, read)?;
        let of = names.len();
        for some in found.chunks(AT_ONCE) {
            let values: Vec<&dyn Parameter> =
                some.iter().flatten().map(|value| value as &dyn Parameter).collect();
            let row = |row: usize| {
                let numbers: Vec<String> = (1..=of).map(|column| format!("?{}", row * of + column)).collect();
                format!("({})", numbers.join(", "))
            };
            let all: Vec<String> = (0..some.len()).map(row).collect();
            let insert = format!("INSERT INTO {table} ({}) VALUES {}", names.join(", "), all.join(", "));
            target.execute(&insert, &values)?;
        }
        rows += u64::try_from(found.len()).unwrap_or(u64::MAX);
        if !has_numbers || found.len() < AT_ONCE {
            break;
        }
    }
    if has_numbers {
        target.number_on(table)?;
    }
    Ok(rows)
}

/// Removes what an earlier call left that was cut off. We hold the lock, so nobody writes there.
fn remove_what_is_left(part: &Path) -> io::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// All tables; those that others name come first.
pub(super) const TABLES: [&str; 18] = [
    "revisions",
    "targets",
    "former_targets",
    "uids",
    "kinds",
    "plans",
    "plan_entries",
    "intents",
    "pauses",
    "resumes",
    "requests",
    "cool_downs",
    "events",
    "out_of_sync",
    "watched",
    "unknown",
    "answers",
    "keepers",
];
/// Those whose rows have no number; they are small.
const WITHOUT_NUMBERS: [&str; 10] = [
    "revisions",
    "targets",
    "former_targets",
    "uids",
    "kinds",
    "plan_entries",
    "cool_downs",
    "watched",
    "answers",
    "keepers",
];
/// So many rows in one statement: as many parameters as the greatest of them make, both engines take.
const AT_ONCE: usize = 500;
