//! A whole copy of a ledger, which a daemon may be writing meanwhile: as of one moment, in one file.

use std::io;
use std::path::{Path, PathBuf};

use super::copying::copy_into;
use super::files::{LOGS, Part, beside, is_free};
use super::soundness::{Findings, quietly, verify};
use super::store::DATABASE;
use super::trouble::Trouble;
use super::unsound::Unsound;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The ledger is not one to copy.
    #[error(transparent)]
    Ledger(#[from] Unsound),
    /// Something has the name already.
    #[error("{} is there already, and no copy replaces another: name another file, or move that one away.", file.display())]
    Taken {
        /// The name.
        file: PathBuf,
    },
    /// A database beside it would take the copy for its own log.
    #[error("A copy may not be named like {}: SQLite takes it for the log of a database beside it. Name another file.", file.display())]
    NameOfALog {
        /// The name.
        file: PathBuf,
    },
    /// The copy cannot be written there.
    #[error("The copy {} cannot be written: make room there, or name a file in a directory that may be written.", file.display())]
    Unwritable {
        /// The name.
        file: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The same, as the database says it.
    #[error("The copy {} cannot be written: make room there, or name a file on another disk.", file.display())]
    NotCopied {
        /// The name.
        file: PathBuf,
        /// The database's own error.
        source: rusqlite::Error,
    },
}

/// Copies the ledger of a state directory to a new file. Nothing is written to the ledger.
pub fn backup(dir: &Path, file: &Path) -> Result<Findings, BackupError> {
    let unwritable = |source| BackupError::Unwritable { file: file.to_owned(), source };
    if is_named_like_a_log(file) {
        return Err(BackupError::NameOfALog { file: file.to_owned() });
    }
    if !is_free(file) {
        return Err(BackupError::Taken { file: file.to_owned() });
    }
    let place = dir.join(DATABASE);
    let (part, found) = quietly(&place, |connection| {
        let path = beside(file, &format!(".part-{}", std::process::id()));
        let part = Part::new(path).map_err(unwritable)?;
        copy_into(connection, &part).map_err(|error| of_copying(&place, file, error))?;
        // What is wrong with the copy is wrong with the ledger.
        let found = verify(part.path()).map_err(|unsound| unsound.of(&place))?;
        Ok::<_, BackupError>((part, found))
    })?;
    match part.name(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::Taken { file: file.to_owned() })
        }
        named => named.map(|()| found).map_err(unwritable),
    }
}

/// Whose error it is: that of the ledger, or that of the copy.
fn of_copying(place: &Path, file: &Path, error: rusqlite::Error) -> BackupError {
    let is_of_a_write = error.sqlite_error().is_some_and(|error| WRITES.contains(&error.extended_code));
    if is_of_a_write || Trouble::of(&error) == Trouble::Full {
        BackupError::NotCopied { file: file.to_owned(), source: error }
    } else {
        BackupError::Ledger(Unsound::of_database(place, error))
    }
}

fn is_named_like_a_log(file: &Path) -> bool {
    LOGS.iter().any(|log| file.to_string_lossy().ends_with(log))
}

/// What the database says of a write that failed: a connection that cannot write has none but those to the copy.
const WRITES: [i32; 3] = [
    rusqlite::ffi::SQLITE_IOERR_WRITE,
    rusqlite::ffi::SQLITE_IOERR_FSYNC,
    rusqlite::ffi::SQLITE_IOERR_TRUNCATE,
];
