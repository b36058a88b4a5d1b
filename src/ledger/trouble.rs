//! What is the matter with the database, whichever engine that is: named by what somebody has to do about it.

use std::error::Error;
use std::fmt;

/// What a call on the database returns.
pub(super) type DatabaseResult<T> = Result<T, DatabaseError>;

/// An error of the database: its own words, and what they come to.
#[derive(Debug)]
pub struct DatabaseError {
    trouble: Trouble,
    source: Box<dyn Error + Send + Sync>,
}

impl DatabaseError {
    pub(super) fn new(trouble: Trouble, source: impl Into<Box<dyn Error + Send + Sync>>) -> DatabaseError {
        DatabaseError { trouble, source: source.into() }
    }

    pub(super) fn trouble(&self) -> Trouble {
        self.trouble
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(out)
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// What is the matter with a database, by what somebody has to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// To make room.
    Full,
    /// To give the right to write, or to open.
    ReadOnly,
    /// To end whoever keeps it locked.
    Locked,
    /// To restore it.
    Damaged,
    /// To check the disk: the system failed at it.
    Disk,
    /// To let us reach it, or to wait.
    Unreachable,
    /// To wait until it is known what came of a commit.
    Unknown,
    /// To use the one that it was brought to.
    Moved,
    /// To end: another daemon has our place.
    Superseded,
    /// To look at the cause.
    Other,
}
