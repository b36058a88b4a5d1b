//! What keeps a file from being a sound ledger: each cause by itself, with what to do about it.
//!
//! Only what was found in a ledger speaks against it. Where it could not be read, the text says to leave it alone.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::error::Newer;
use super::refusal::open_some;
use super::trouble::{DatabaseError, Trouble};

/// Why a file is no ledger to rely on, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// There is no such file.
    #[error("There is no ledger at {}: name the file, or with --state the directory of the daemon.", place.display())]
    Missing {
        /// Where it was looked for.
        place: PathBuf,
    },
    /// This user may not read it.
    #[error(
        "{} may not be read by this user: run the command as the user that the daemon runs as, or as root. That says nothing \
         against the ledger: leave it where it is.",
        place.display()
    )]
    Denied {
        /// The file, or what lies beside it.
        place: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The disk, or the system, does not give its content away.
    #[error(
        "{} cannot be read, as the system says below: check its disk, or what else is named there, then try again. That says \
         nothing against the ledger: leave it where it is.",
        place.display()
    )]
    Unreadable {
        /// The file, or what lies beside it.
        place: PathBuf,
        /// The system's own error, or the database's.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its log can be read only where something may be written beside it.
    #[error(
        "{0} cannot be read where it lies, for the log beside it ({0}-wal) takes a directory that may be written: copy both to \
         one, and name the copy. That says nothing against the ledger: leave it where it is.",
        place.display()
    )]
    Log {
        /// The file.
        place: PathBuf,
        /// The database's own error.
        source: DatabaseError,
    },
    /// Another process writes it, or keeps it locked.
    #[error(
        "{} is locked, or was written again and again while it was read: end what does so (a database shell?), then try again.",
        place.display()
    )]
    Locked {
        /// The file.
        place: PathBuf,
    },
    /// It is something else.
    #[error(
        "{} is no ledger of posmoded's: {why}. Name another file; if it was the ledger, keep it, and put a copy in its place \
         with `posmoded ledger restore FILE`.",
        place.display()
    )]
    NoLedger {
        /// The file.
        place: PathBuf,
        /// What it is, as far as that is seen.
        why: String,
    },
    /// It was a ledger, and is not whole.
    #[error(
        "{} is damaged: {found}. Name an older copy; if it is the ledger itself, keep it, and put a copy in its place with \
         `posmoded ledger restore FILE`.",
        place.display()
    )]
    Damaged {
        /// The file.
        place: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A newer posmoded wrote it.
    #[error(transparent)]
    Newer(Newer),
}

impl Unsound {
    /// The cause as one word, for programs.
    pub fn cause(&self) -> &'static str {
        match self {
            Unsound::Missing { .. } => "missing",
            Unsound::Denied { .. } => "denied",
            Unsound::Unreadable { .. } => "unreadable",
            Unsound::Log { .. } => "log",
            Unsound::Locked { .. } => "locked",
            Unsound::NoLedger { .. } => "no_ledger",
            Unsound::Damaged { .. } => "damaged",
            Unsound::Newer(_) => "newer",
        }
    }

    /// The same, told of the file that this one is a copy of.
    #[must_use]
    pub(super) fn of(self, other: &Path) -> Unsound {
        match self {
            Unsound::Damaged { place: _, found } => Unsound::Damaged { place: other.to_owned(), found },
            Unsound::NoLedger { place: _, why } => Unsound::NoLedger { place: other.to_owned(), why },
            Unsound::Newer(newer) => Unsound::Newer(Newer { place: other.to_owned(), ..newer }),
            as_it_is @ (Unsound::Missing { .. }
            | Unsound::Denied { .. }
            | Unsound::Unreadable { .. }
            | Unsound::Log { .. }
            | Unsound::Locked { .. }) => as_it_is,
        }
    }

    /// What the system said when the file was to be read.
    pub(super) fn of_system(place: &Path, source: io::Error) -> Unsound {
        let place = place.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            Unsound::Missing { place }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            Unsound::Denied { place, source }
        } else {
            Unsound::Unreadable { place, source: Box::new(source) }
        }
    }

    /// What the database said when the file was read.
    pub(super) fn of_database(place: &Path, error: impl Into<DatabaseError>) -> Unsound {
        let (place, error) = (place.to_owned(), error.into());
        match error.trouble() {
            Trouble::Damaged => Unsound::Damaged { place, found: error.to_string() },
            Trouble::Locked => Unsound::Locked { place },
            Trouble::ReadOnly => match open_some() {
                Ok(()) => Unsound::Log { place, source: error },
                Err(source) => Unsound::Unreadable { place, source: Box::new(source) },
            },
            Trouble::Full
            | Trouble::Disk
            | Trouble::Unreachable
            | Trouble::Unknown
            | Trouble::Moved
            | Trouble::Superseded
            | Trouble::Other => Unsound::Unreadable { place, source: Box::new(error) },
        }
    }
}
