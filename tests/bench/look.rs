//! What the bench hands to the bare loop.

use serde::{Deserialize, Serialize};

/// A request to send again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Milliseconds after the first.
    pub(crate) after: u64,
    /// What it is signed with; the exchange's clock is asked without.
    pub(crate) key: Option<Key>,
    pub(crate) path: String,
    pub(crate) query: String,
}

/// The key of a simulated account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) passphrase: String,
}
