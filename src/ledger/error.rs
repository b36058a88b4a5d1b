//! What can go wrong with the ledger, named by what somebody has to do about it.
//!
//! Every text is whole sentences for an operator; the database's own words are the source, not part of the text.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The ledger could not do what it was asked for. Nothing of it was written: a call is one transaction.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody has to make room.
    #[error("The disk that holds the ledger {} is full: make room. No mode is changed until it can be written.", place.display())]
    Full {
        /// Which file.
        place: PathBuf,
        /// In the database's words.
        source: rusqlite::Error,
    },
    /// Somebody has to give us the right to write.
    #[error(
        "The ledger {} cannot be written: mount its disk writable, let the user that the daemon runs as own its \
         directory and every file in that, and run commands as the same user. No mode is changed until then.",
        place.display()
    )]
    ReadOnly {
        /// Which file.
        place: PathBuf,
        /// In the database's words.
        source: rusqlite::Error,
    },
    /// Somebody has to let go of it; trying again may help.
    #[error(
        "Another process keeps the ledger {} locked: end it (a database shell, or a backup?). It is tried again, and no mode \
         is changed until then.",
        place.display()
    )]
    Locked {
        /// Which file.
        place: PathBuf,
        /// In the database's words.
        source: rusqlite::Error,
    },
    /// Somebody has to restore it.
    #[error(
        "The ledger {} is damaged, or not one of posmoded's: stop posmoded, then restore the file or move it away \
         (without it every mode counts as first contact). No mode is changed until then.",
        place.display()
    )]
    Damaged {
        /// Which file.
        place: PathBuf,
        /// In the database's words.
        source: rusqlite::Error,
    },
    /// Somebody has to put it back: what is written now would be lost with the process.
    #[error(
        "The ledger {} was removed, moved away or replaced while posmoded runs: put it back, or start posmoded again. \
         No mode is changed until then.",
        place.display()
    )]
    Gone {
        /// Which file.
        place: PathBuf,
    },
    /// Somebody has to look at the cause.
    #[error("The ledger {} cannot be used: check its disk. No mode is changed until it can be written.", place.display())]
    Other {
        /// Which file.
        place: PathBuf,
        /// In the database's words.
        source: rusqlite::Error,
    },
    /// The thread that owns the connection is no more.
    #[error(
        "The ledger's own thread has ended, so no mode is changed any more: start posmoded again, and please report the lines \
         above this one."
    )]
    Ended,
    /// A fault of the caller, not of the disk: trying again does not help.
    #[error("This is a fault in posmoded, please report it: {0}.")]
    Misused(String),
}

/// Why the daemon cannot have the ledger.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has this state directory.
    #[error("Another posmoded{} holds the state directory: stop that one first, or give this one another --state.", told(*pid))]
    Held {
        /// Its process, if the lock file says so.
        pid: Option<u32>,
        /// The address it listens on, if it does.
        listen: Option<String>,
    },
    /// A newer posmoded wrote it.
    #[error(transparent)]
    Newer(Newer),
    /// The directory or the lock file cannot be made or read.
    #[error("The state directory {} cannot be used, and without it nothing is changed: give posmoded a directory that it may write (--state).", dir.display())]
    Io {
        /// Which directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a command cannot have the ledger.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// No daemon has ever run with this directory.
    #[error("There is no ledger at {}: is --state the directory of the daemon, and has it been started once?", looked_at.display())]
    NoLedger {
        /// The file that is not there.
        looked_at: PathBuf,
    },
    /// A newer posmoded wrote it.
    #[error(transparent)]
    Newer(Newer),
    /// An older posmoded wrote it, and only the daemon converts a ledger.
    #[error("The ledger {} has format {found}, this posmoded needs {known}, so nothing was read or written: start its daemon once.", place.display())]
    Older {
        /// Which file.
        place: PathBuf,
        /// The format it has.
        found: i64,
        /// The format we write.
        known: i64,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The ledger has a format that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "The ledger {} has format {found}, this posmoded knows up to {known}, so it is left alone and nothing is changed: use \
     the newer posmoded that wrote it.",
    place.display()
)]
pub struct Newer {
    /// Which file.
    pub place: PathBuf,
    /// The format it has.
    pub found: i64,
    /// The newest format that we know.
    pub known: i64,
}

/// Why nothing was resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// What stands is a pause of everything.
    #[error(
        "Everything is paused ({reason}), not this account alone: `posmoded resume` without a name ends that."
    )]
    EverythingPaused {
        /// As the operator wrote it.
        reason: String,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a plan was not approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// No held plan has this hash.
    #[error("No held plan has the hash {0:?} (give at least six digits of it): see `posmoded status`.")]
    Unknown(String),
    /// More than one held plan begins so.
    #[error("More than one held plan begins with {0:?}: give the whole hash.")]
    Ambiguous(String),
    /// A plan is approved once.
    #[error(
        "The plan {0} was approved before, and a plan is approved once: see `posmoded status` for what is held now."
    )]
    Used(String),
    /// What is wanted has changed since.
    #[error("The plan {0} no longer says what is wanted: see `posmoded status` for what is held now.")]
    Stale(String),
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LedgerError {
    /// Whether it is a fault of the program rather than of the disk.
    pub fn is_fault(&self) -> bool {
        match self {
            LedgerError::Ended | LedgerError::Misused(_) => true,
            LedgerError::Full { .. }
            | LedgerError::ReadOnly { .. }
            | LedgerError::Locked { .. }
            | LedgerError::Damaged { .. }
            | LedgerError::Gone { .. }
            | LedgerError::Other { .. } => false,
        }
    }

    /// What the database's error asks somebody to do.
    pub(super) fn of(place: &Path, source: rusqlite::Error) -> LedgerError {
        let place = place.to_owned();
        let unreadable = matches!(
            &source,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        );
        if unreadable {
            return LedgerError::Damaged { place, source };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => LedgerError::Full { place, source },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                LedgerError::ReadOnly { place, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                LedgerError::Locked { place, source }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                LedgerError::Damaged { place, source }
            }
            _ => LedgerError::Other { place, source },
        }
    }
}

/// What a transaction can fail with, before it is known where.
#[derive(Debug)]
pub(super) enum StoreError {
    /// The database.
    Sql(rusqlite::Error),
    /// The caller.
    Misused(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Sql(error)
    }
}

impl StoreError {
    pub(super) fn at(self, place: &Path) -> LedgerError {
        match self {
            StoreError::Sql(error) => LedgerError::of(place, error),
            StoreError::Misused(what) => LedgerError::Misused(what),
        }
    }
}

fn told(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
