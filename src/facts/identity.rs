//! Whose key it is, and what it may do.

use crate::moment::Moment;
use crate::position_mode::{Kind, Uid};

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The exchange's number of the account; unknown where the key lacks the right to ask.
    pub uid: Option<Uid>,
    /// The observed kind.
    pub kind: Kind,
    /// What the key may do; unknown where it lacks the right to ask.
    pub rights: Option<Rights>,
    /// When it was observed.
    pub at: Moment,
}

/// What a key may do, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights {
    /// With futures.
    pub futures: FuturesRight,
    /// Whether it may take money out, which nothing here needs.
    pub withdraws: bool,
}

/// What a key may do with futures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FuturesRight {
    /// Nothing.
    Nothing,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}
