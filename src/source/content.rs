//! The content of the file, as read.

use std::fmt;
use std::sync::Arc;

use crate::facts::Ancestry;

/// The bytes of the file, as a read found them.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The whole content; at most 1 MiB.
    pub bytes: Arc<[u8]>,
    /// Their SHA-256 in lower-case hex.
    pub sha256: String,
    /// The git commit that they are from, in lower-case hex, if known. A label, ignored when reads are compared: the
    /// same content in another commit is nothing new.
    pub commit: Option<String>,
    /// What that commit descends from, if known; a label as well.
    pub ancestry: Option<Ancestry>,
}

/// Shows no byte of the file, which may contain a secret by mistake.
impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { bytes, sha256, commit: _, ancestry: _ } = self;
        write!(out, "Content({} bytes, sha256 {sha256})", bytes.len())
    }
}
