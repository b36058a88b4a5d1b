//! The account that a key belongs to.

use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::position_mode::{Kind, Uid};

/// The account that a key belongs to, as the exchange reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The exchange's number of the account; unknown if the key lacks the right to read it.
    pub uid: Option<Uid>,
    /// The right that a key needs to read its uid, as the exchange calls it.
    pub uid_right: &'static str,
    /// The observed kind.
    pub kind: Kind,
    /// Warnings about the key's rights that block nothing: one sentence each.
    pub warnings: Vec<String>,
    /// When it was observed.
    pub at: Moment,
}

/// By when it must have been seen whose key an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OwnerDue {
    /// Before any answer counts: the file names the account's `uid`, or the key is another than the one that showed the
    /// pinned one.
    BeforeAnything,
    /// Once a mode differs: none is pinned yet, and another name may have the same account.
    #[default]
    OnceAModeDiffers,
    /// Before a set: this key showed the pinned one.
    BeforeASet,
}

/// What else the settings of a unified account say, in the exchange's words; shown to operators and never set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Its level, such as `basic` or `advanced`: which categories of contracts it has.
    pub account_level: Option<String>,
    /// Its asset mode, such as `single` or `union`.
    pub asset_mode: Option<String>,
    /// What becomes of orders that would trade with its own.
    pub stp_mode: Option<String>,
}

/// Another process on this host has claimed the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyTaken {
    /// Who, and what to do: one sentence.
    pub say: String,
    /// When that was found.
    pub at: Moment,
}
