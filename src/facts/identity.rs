//! Whose key it is.

use crate::moment::Moment;
use crate::position_mode::{Kind, Uid};

/// Whose key it is, as the exchange says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The exchange's number of the account; unknown where the key lacks the right to ask.
    pub uid: Option<Uid>,
    /// The right that the key needs to say whose it is, as the exchange calls it.
    pub uid_right: &'static str,
    /// The observed kind.
    pub kind: Kind,
    /// What an operator should know of the key's rights, though nothing waits for it: one sentence each.
    pub warnings: Vec<String>,
    /// When it was observed.
    pub at: Moment,
}
