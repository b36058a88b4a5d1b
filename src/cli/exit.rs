//! Exit codes.

use std::process::ExitCode;

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done; everything is as it should be.
    pub const DONE: Exit = Exit(0);
    /// Not done, or no answer.
    pub const FAILED: Exit = Exit(1);
    /// Done, but not everything is in sync.
    pub const NOT_IN_SYNC: Exit = Exit(2);
    /// Drift: somebody else changed a mode at the exchange.
    pub const DRIFT: Exit = Exit(3);
    /// A change is blocked, or a state is unknown.
    pub const BLOCKED: Exit = Exit(4);
    /// Wrong usage (`EX_USAGE`).
    pub const USAGE: Exit = Exit(64);
    /// Another instance holds the state (`EX_TEMPFAIL`).
    pub const HELD: Exit = Exit(75);
    /// The daemon cannot start with what it was given (`EX_CONFIG`).
    pub const UNUSABLE: Exit = Exit(78);
}

impl From<Exit> for ExitCode {
    fn from(Exit(code): Exit) -> ExitCode {
        ExitCode::from(code)
    }
}

/// Options that contradict each other or are incomplete, found only after parsing. Exits with [`Exit::USAGE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
