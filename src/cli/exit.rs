//! How a command ends.

use std::process::ExitCode;

/// The number that a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done; everything is as it should be.
    pub const DONE: Exit = Exit(0);
    /// Not done, or nobody answered.
    pub const FAILED: Exit = Exit(1);
    /// Done, and not everything is in sync.
    pub const NOT_IN_SYNC: Exit = Exit(2);
    /// Somebody changed a mode at the exchange.
    pub const DRIFT: Exit = Exit(3);
    /// Something stands in the way, or is not known.
    pub const BLOCKED: Exit = Exit(4);
    /// Wrongly asked (`EX_USAGE`).
    pub const USAGE: Exit = Exit(64);
    /// Another instance holds the state (`EX_TEMPFAIL`).
    pub const HELD: Exit = Exit(75);
    /// What it is to start with cannot be used (`EX_CONFIG`).
    pub const UNUSABLE: Exit = Exit(78);
}

impl From<Exit> for ExitCode {
    fn from(Exit(code): Exit) -> ExitCode {
        ExitCode::from(code)
    }
}

/// Options that contradict each other or lack something, found only after parsing. Ends with [`Exit::USAGE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
