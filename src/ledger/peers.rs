//! What daemons of several hosts show each other: that they live, and how their targets stand.
//!
//! Knows no table.

use crate::facts::Generation;
use crate::position_mode::Target;

/// A host that has a daemon with this ledger, or had one within the last month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub host: String,
    /// The version of its daemon.
    pub posmoded: String,
    /// The revision that it has in force; `None` before it has told.
    pub generation: Option<Generation>,
    /// The git commit of that.
    pub commit: Option<String>,
    /// Whether it has shown a sign of life lately.
    pub lives: bool,
    /// Whether its daemon has ended by itself.
    pub has_left: bool,
    /// For how many milliseconds it runs, or since when it did, by the clock of the database.
    pub started_ago: i64,
    /// How many milliseconds ago its last sign of life, or its end, was.
    pub seen_ago: i64,
}

/// How a target stands, as the daemon of a host shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The target.
    pub target: Target,
    /// The host.
    pub host: String,
    /// Its status, as JSON.
    pub status: String,
}
