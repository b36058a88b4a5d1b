//! The errors of the ledger, named by what somebody has to do about them.
//!
//! Every text is whole sentences for an operator; the database's own error is the source, not part of the text.

use std::io;
use std::path::{Path, PathBuf};

use super::instance::Instance;
use super::refusal::{self, Refusal, refusal};
use super::trouble::{DatabaseError, Trouble};

use crate::position_mode::Target;

use crate::access::Rights;

/// A call on the ledger failed. Its transaction wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refuses something: somebody has to give it.
    #[error("{} No mode is changed until then.", refusal.say(place))]
    Refused {
        /// The ledger's file, what lies beside it, or its directory.
        place: PathBuf,
        /// What the system refuses.
        refusal: Refusal,
        /// The database's error.
        source: DatabaseError,
    },
    /// Another process keeps the ledger locked: somebody has to end it; a retry may help.
    #[error(
        "Another process keeps the ledger {} locked: end it (a database shell, or a backup?). It is tried again, and no mode \
         is changed until then.",
        place.display()
    )]
    Locked {
        /// The ledger's file.
        place: PathBuf,
        /// The database's error.
        source: DatabaseError,
    },
    /// Another transaction holds a lock in the database on a server: a retry may help. It may be another host's whose commit
    /// waits for a standby.
    #[error(
        "Another transaction keeps the ledger's database {place} locked: pg_stat_activity there says whose it is and what it \
         waits for. One that waits for SyncRep is a commit, whose standby is away: bring that back, or take it out of \
         synchronous_standby_names. Else end it. It is tried again, and no mode is changed until then."
    )]
    Busy {
        /// The address, without a password.
        place: String,
        /// The database's error.
        source: DatabaseError,
    },
    /// The ledger is damaged: somebody has to restore it.
    #[error(
        "The ledger {} is damaged, or not one of posmoded's: stop posmoded, then restore a copy with `posmoded ledger restore \
         FILE`, which keeps this one aside; `posmoded ledger verify` says what is wrong with it. No mode is changed until then.",
        place.display()
    )]
    Damaged {
        /// The ledger's file.
        place: PathBuf,
        /// The database's error.
        source: DatabaseError,
    },
    /// The file was removed or replaced: somebody has to put it back, or what is written now is lost with the process.
    #[error(
        "The ledger {} was removed, moved away or replaced while posmoded runs: put it back, or start posmoded again. \
         No mode is changed until then.",
        place.display()
    )]
    Gone {
        /// The ledger's file.
        place: PathBuf,
    },
    /// Any other error of the database: somebody has to look at the cause.
    #[error(
        "The ledger {} cannot be used ({said}): check its disk, and leave the ledger where it is. No mode is changed until it \
         can be written.",
        place.display()
    )]
    Other {
        /// The ledger's file.
        place: PathBuf,
        /// What the system says, or else the database.
        said: String,
        /// The database's error.
        source: DatabaseError,
    },
    /// It was brought elsewhere.
    #[error("The ledger of {place} was brought to {to}, and this one is closed: name that with --state.")]
    Moved {
        /// Where it was.
        place: String,
        /// Where it is.
        to: String,
    },
    /// The database on a server cannot be reached: a retry may help.
    #[error(
        "The ledger's database {place} cannot be reached ({said}): see that it runs and takes writes, and that this host may \
         connect. The daemon tries it again, and changes no mode until then."
    )]
    Unreachable {
        /// The address, without a password.
        place: String,
        /// What was said, or not.
        said: String,
    },
    /// Another daemon has our place.
    #[error(
        "Another posmoded ({by}) has taken the place of this one in the ledger in {place}, for this one showed no sign of life for a \
         while (was it stopped, or cut off?). This one changes nothing any more, and ends."
    )]
    Superseded {
        /// The address, without a password.
        place: String,
        /// Who that is.
        by: String,
    },
    /// A commit was not acknowledged, or with a warning: it may have been done, or be lost.
    #[error(
        "Nobody knows whether the ledger's database {place} keeps what was written just now ({said}), so nothing leaves on it: see \
         its log, and its standbys. The daemon tries it again, and changes no mode until then."
    )]
    Unknown {
        /// The address, without a password.
        place: String,
        /// What was said, or not.
        said: String,
    },
    /// The server refuses something: somebody has to look at the cause.
    #[error(
        "The ledger's database {place} cannot be used ({said}): see its log. No mode is changed until it can be."
    )]
    Server {
        /// The address, without a password.
        place: String,
        /// What the server says.
        said: String,
        /// The database's error.
        source: DatabaseError,
    },
    /// The thread that owns the connection has ended.
    #[error(
        "The ledger's own thread has ended, so no mode is changed any more: start posmoded again, and please report the lines \
         above this one."
    )]
    Ended,
    /// A fault of the caller, not of the disk: a retry does not help.
    #[error("This is a fault in posmoded, please report it: {0}.")]
    Misused(String),
}

/// Why the daemon cannot open the ledger.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon holds this state directory.
    #[error("Another posmoded{} holds the state directory: stop that one first.", told(by.as_ref()))]
    Held {
        /// Who that is, if the lock file says it.
        by: Option<Instance>,
    },
    /// Another daemon works with this database.
    #[error("Another posmoded ({by}) works with the ledger in {place}: stop that one first.")]
    Used {
        /// The address, without a password.
        place: String,
        /// Who that is.
        by: Instance,
        /// Differs after each sign of life of it.
        sign: String,
    },
    /// A newer posmoded wrote it.
    #[error(transparent)]
    Newer(Newer),
    /// The directory or the lock file cannot be created or read.
    #[error(
        "The state directory {} cannot be used, and without it nothing is changed (another one knows nothing of what was done). {}",
        dir.display(), state_directory(dir, source)
    )]
    Io {
        /// The state directory.
        dir: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Others may write to the state directory.
    #[error(
        "The state directory {} {rights}, so that others may put a ledger of theirs there: {mend}, or name a directory in it \
         after --state that is not there yet, which posmoded makes for itself alone.",
        dir.display()
    )]
    Exposed {
        /// The state directory.
        dir: PathBuf,
        /// Its owner, group and mode.
        rights: Rights,
        /// What to run.
        mend: String,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a command cannot open the ledger.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// No daemon has ever run with it.
    #[error("There is no ledger at {}: is that the --state of the daemon, and has it been started once?", looked_at.display())]
    NoLedger {
        /// The database file that is missing or empty.
        looked_at: PathBuf,
    },
    /// A newer posmoded wrote it.
    #[error(transparent)]
    Newer(Newer),
    /// An older posmoded wrote it, and only the daemon converts a ledger.
    #[error("The ledger {} has format {found}, this posmoded needs {known}, so nothing was read or written: start its daemon once.", place.display())]
    Older {
        /// The ledger's file.
        place: PathBuf,
        /// Its format.
        found: i64,
        /// The format that this version needs.
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
    /// The ledger's file.
    pub place: PathBuf,
    /// Its format.
    pub found: i64,
    /// The newest format that this version knows.
    pub known: i64,
}

/// Why nothing was resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Only a pause of everything stands.
    #[error(
        "Everything is paused ({reason}), not this account alone: `posmoded resume` without a name ends that."
    )]
    EverythingPaused {
        /// Its reason, as the operator wrote it.
        reason: String,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why no request to close an intent was written.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// Its outcome is known by now.
    #[error("There is no set of {0} with an unknown outcome.")]
    None(Target),
    /// Nobody looks at the target.
    #[error(
        "The file does not name {0} any more, so nobody can read its mode: put it back, and close the set then."
    )]
    Gone(Target),
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
    /// More than one held plan has a hash that begins so.
    #[error("More than one held plan begins with {0:?}: give the whole hash.")]
    Ambiguous(String),
    /// The plan was approved before; a plan is approved once.
    #[error(
        "The plan {0} was approved before, and a plan is approved once: see `posmoded status` for what is held now."
    )]
    Used(String),
    /// The wanted changes are no longer those of the plan.
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
            LedgerError::Refused { .. }
            | LedgerError::Locked { .. }
            | LedgerError::Busy { .. }
            | LedgerError::Damaged { .. }
            | LedgerError::Gone { .. }
            | LedgerError::Moved { .. }
            | LedgerError::Superseded { .. }
            | LedgerError::Unreachable { .. }
            | LedgerError::Unknown { .. }
            | LedgerError::Server { .. }
            | LedgerError::Other { .. } => false,
        }
    }

    /// Classifies an error of the database by what somebody has to do about it.
    pub(super) fn of(place: &Path, source: impl Into<DatabaseError>) -> LedgerError {
        let (place, source) = (place.to_owned(), source.into());
        match source.trouble() {
            Trouble::Locked => LedgerError::Locked { place, source },
            Trouble::Damaged => LedgerError::Damaged { place, source },
            Trouble::Full
            | Trouble::ReadOnly
            | Trouble::Disk
            | Trouble::Unreachable
            | Trouble::Unknown
            | Trouble::Moved
            | Trouble::Superseded
            | Trouble::Other => LedgerError::refused(place.clone(), source, refusal::ask(&place)),
        }
    }

    /// What the database could not do, by what the system says to it, if anything.
    fn refused(place: PathBuf, source: DatabaseError, asked: Option<(PathBuf, io::Error)>) -> LedgerError {
        let of_the_system = asked.as_ref().and_then(|(path, error)| Some((path, refusal(path, error)?)));
        if let Some((path, refusal)) = of_the_system {
            return LedgerError::Refused { place: path.clone(), refusal, source };
        }
        match (source.trouble(), asked) {
            (Trouble::Full, None) => LedgerError::Refused { place, refusal: Refusal::Full, source },
            (Trouble::Disk, None) => LedgerError::Refused { place, refusal: Refusal::Disk, source },
            (_, Some((_, error))) => LedgerError::Other { place, said: error.to_string(), source },
            (_, None) => LedgerError::Other { place, said: source.to_string(), source },
        }
    }

    /// Why the database on a server cannot be used here, if it is that: a daemon that runs may answer all the same.
    pub fn unreachable_because(&self) -> Option<&str> {
        let (LedgerError::Unreachable { said, .. }
        | LedgerError::Unknown { said, .. }
        | LedgerError::Server { said, .. }) = self
        else {
            return None;
        };
        Some(said)
    }

    /// Whether another daemon works with it now.
    pub fn is_superseded(&self) -> bool {
        matches!(self, LedgerError::Superseded { .. })
    }

    /// Whether this user may not read or write the ledger, of which that says nothing.
    pub fn is_denied(&self) -> bool {
        matches!(self, LedgerError::Refused { refusal: Refusal::Denied, .. })
    }
}

fn state_directory(dir: &Path, source: &io::Error) -> String {
    match refusal(dir, source) {
        Some(refusal) => refusal.say(dir).to_string(),
        None => "See that it is a directory and that posmoded may write there.".to_owned(),
    }
}

/// Why a transaction failed, before the ledger's path is added.
#[derive(Debug)]
pub(super) enum StoreError {
    /// The database failed.
    Sql(DatabaseError),
    /// The caller made a mistake, described here.
    Misused(String),
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> StoreError {
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

fn told(holder: Option<&Instance>) -> String {
    holder.map_or_else(String::new, |holder| format!(" (process {})", holder.pid))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use rusqlite::ffi;

    use super::*;

    /// What is told where the database fails with this code while the system says this.
    #[track_caller]
    fn check(code: i32, system: Option<rustix::io::Errno>, told: &Expect) {
        let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let place = PathBuf::from("/s/l");
        let asked = system.map(|errno| (place.clone(), io::Error::from(errno)));
        told.assert_eq(&LedgerError::refused(place, source.into(), asked).to_string());
    }

    #[test]
    fn f79_what_the_database_cannot_open_read_or_write_is_told_as_the_system_names_it() {
        use rustix::io::Errno;

        check(
            ffi::SQLITE_CANTOPEN,
            None,
            &expect![
                "The ledger /s/l cannot be used (Error code 14: unable to open database file): check its disk, and leave the ledger where it is. No mode is changed until it can be written."
            ],
        );
        check(
            ffi::SQLITE_CANTOPEN,
            Some(Errno::MFILE),
            &expect![
                "This process may not open more files, so it cannot use /s/l: raise its limit (`ulimit -n`, LimitNOFILE= in a unit) and start it again. That says nothing against what is there: leave it where it is. No mode is changed until then."
            ],
        );
        check(
            ffi::SQLITE_CANTOPEN,
            Some(Errno::NOSPC),
            &expect!["The disk that holds /s/l is full: make room. No mode is changed until then."],
        );
        check(
            ffi::SQLITE_READONLY_CANTINIT,
            Some(Errno::ACCESS),
            &expect![
                "This user may not use /s/l: run commands as the user that the daemon runs as, or as root, and let that user own the state directory and every file in it, so that it may write there. That says nothing against what is there: leave it where it is. No mode is changed until then."
            ],
        );
        check(
            ffi::SQLITE_IOERR_WRITE,
            Some(Errno::DQUOT),
            &expect![
                "The quota of this user (`quota`) is used up on the disk that holds /s/l: raise it, or remove what the user does not need. No mode is changed until then."
            ],
        );
        check(
            ffi::SQLITE_IOERR_WRITE,
            Some(Errno::FBIG),
            &expect![
                "The ledger /s/l cannot be used (File too large (os error 27)): check its disk, and leave the ledger where it is. No mode is changed until it can be written."
            ],
        );
        check(
            ffi::SQLITE_IOERR_READ,
            None,
            &expect![
                "The disk that holds /s/l fails (input/output error): see `dmesg`, and check the disk. Leave the file where it is; as long as it can be read, `posmoded ledger backup FILE` copies it to another disk. No mode is changed until then."
            ],
        );
        check(
            ffi::SQLITE_IOERR_SHMSIZE,
            None,
            &expect![
                "The ledger /s/l cannot be used (Error code 4874: disk I/O error): check its disk, and leave the ledger where it is. No mode is changed until it can be written."
            ],
        );
        check(
            ffi::SQLITE_FULL,
            None,
            &expect!["The disk that holds /s/l is full: make room. No mode is changed until then."],
        );
    }
}
