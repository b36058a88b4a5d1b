//! What was read.

use std::fmt;
use std::sync::Arc;

/// The bytes of the file, as two reads found them.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// All of them; at most 1 MiB.
    pub bytes: Arc<[u8]>,
    /// Their SHA-256 in lower-case hex.
    pub sha256: String,
    /// The git commit that they are from, in lower-case hex, where it is known. A label: whether reads agree is not its
    /// business, for the same content in another commit is nothing new.
    pub commit: Option<String>,
}

/// Shows no byte of the file: it may hold what does not belong there.
impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { bytes, sha256, commit: _ } = self;
        write!(out, "Content({} bytes, sha256 {sha256})", bytes.len())
    }
}
