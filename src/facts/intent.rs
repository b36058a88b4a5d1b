//! A change of mode on its way: why it is wanted, the note before it, what came of it, and the mode that was applied last.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::wanted::Generation;
use crate::moment::{Moment, ServerTime};
use crate::position_mode::PositionMode;

/// The last mode seen live equal to desired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Applied {
    /// Which.
    pub mode: PositionMode,
    /// How it came.
    pub how: How,
    /// When it was recorded.
    pub at: ServerTime,
    /// The revision that wanted it.
    pub generation: Generation,
}

/// How an applied mode came to be live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// We set it.
    Set,
    /// It was so when we first looked.
    Adopted,
    /// Somebody else changed it to what the file wants.
    External,
}

/// Why a set is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Cause {
    /// First contact, and live differs.
    New,
    /// The file changed.
    Pending,
    /// The exchange was changed behind us.
    Drift,
}

/// A set that is about to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// What is live.
    pub from: PositionMode,
    /// What is desired.
    pub to: PositionMode,
    /// Why.
    pub cause: Cause,
}

/// A durable note that a set is about to leave, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Its number in the ledger.
    pub id: IntentId,
    /// What it asks for.
    pub change: Change,
    /// The revision that wanted it.
    pub generation: Generation,
    /// The very timestamp that the request is signed with.
    pub stamp: ServerTime,
    /// What is known of its outcome.
    pub state: IntentState,
}

/// An intent's number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub i64);

/// What is known of an intent's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// On disk, not sent yet, by this very process.
    Noted {
        /// When the ledger had it.
        at: Moment,
    },
    /// The exchange said `00000`; a read has not shown it yet.
    Accepted {
        /// When the answer was here.
        at: Moment,
    },
    /// A definite refusal that is not on record yet.
    Refused(Failure),
    /// Nobody knows: it may still take effect until its fence has passed.
    Unclear,
}

/// What came back from a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetAnswer {
    /// `00000`.
    Accepted,
    /// A definite refusal: it had no effect and will have none.
    Refused(Failure),
    /// Anything else: it may have taken effect, or may yet. In the answer's own words, as far as there are any.
    Unclear(String),
}

/// A set that seemed lost after its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LateSet {
    /// Its number in the ledger.
    pub id: IntentId,
    /// What it asked for.
    pub mode: PositionMode,
    /// The timestamp it was signed with.
    pub stamp: ServerTime,
    /// The revision that wanted it.
    pub generation: Generation,
}

/// Refusals of the not-flat class though every list was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusals {
    /// How many in a row.
    pub count: u32,
    /// When the last one came.
    pub last: Moment,
}
