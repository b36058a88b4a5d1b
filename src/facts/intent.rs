//! A change of mode: why it is wanted, the note before it, its outcome, and the mode that was applied last.

use serde::{Deserialize, Serialize};

use super::failure::{Class, Failure};
use super::server_clock::ServerClock;
use super::wanted::Generation;
use crate::constants::FENCE;
use crate::moment::{Moment, ServerTime};
use crate::position_mode::PositionMode;

/// The last mode that was live while it was the desired one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Applied {
    /// The mode.
    pub mode: PositionMode,
    /// How it became live.
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
    /// It was already live at our first look.
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
    /// No mode was ever applied, and live differs.
    New,
    /// The file changed.
    Pending,
    /// The mode was changed at the exchange, not by us.
    Drift,
}

/// The change that a set is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// The live mode.
    pub from: PositionMode,
    /// The desired mode.
    pub to: PositionMode,
    /// Why it is wanted.
    pub cause: Cause,
}

/// A durable note that a set is about to be sent, and its outcome so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Its number in the ledger.
    pub id: IntentId,
    /// The change that it asks for.
    pub change: Change,
    /// The revision that wanted it.
    pub generation: Generation,
    /// The timestamp that the request is signed with.
    pub stamp: ServerTime,
    /// Until when it may take effect by our own clock, the doubt about the timestamp included; `None` if another process
    /// sent it.
    pub own_fence: Option<Moment>,
    /// What is known of its outcome.
    pub state: IntentState,
}

impl Intent {
    /// The same, of a set that this process signs at `now` by this clock of the exchange.
    #[must_use]
    pub fn of_this_process(self, now: Moment, clock: ServerClock) -> Intent {
        Intent { own_fence: Some(now + FENCE + clock.doubt_at(now)), ..self }
    }
}

/// An intent's number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub i64);

/// What is known of an intent's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// Written to the ledger by this process, not sent yet.
    Noted {
        /// When it was written.
        at: Moment,
    },
    /// The exchange answered `00000`; no read has shown the mode yet.
    Accepted {
        /// When the answer was received.
        at: Moment,
    },
    /// A definite refusal that is not recorded yet.
    Refused(Failure),
    /// It certainly did not reach the exchange; that is not recorded yet.
    NotSent(Failure),
    /// The outcome is unknown, for this reason: it may still take effect until its fence has passed.
    Unclear(Failure),
}

impl IntentState {
    /// The state of a set that another process sent: its answer is not known here.
    pub fn of_another_process() -> IntentState {
        let say = "another process of posmoded has sent it, and its answer is not known here".to_owned();
        IntentState::Unclear(Failure { class: Class::TryAgain, code: None, say })
    }
}

/// The answer to a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetAnswer {
    /// The code `00000`.
    Accepted,
    /// A definite refusal: it had no effect and will have none.
    Refused(Failure),
    /// It certainly was not processed: no connection, or the other side said that it did not take the request up.
    NotSent(Failure),
    /// Anything else: it may have taken effect, or may still do so.
    Unclear(Failure),
}

#[cfg(test)]
impl SetAnswer {
    /// As where nothing usable came.
    pub(crate) fn unclear(say: &str) -> SetAnswer {
        SetAnswer::Unclear(Failure { class: Class::TryAgain, code: None, say: say.to_owned() })
    }
}

/// A set that seemed lost after its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LateSet {
    /// Its number in the ledger.
    pub id: IntentId,
    /// The mode that it asked for.
    pub mode: PositionMode,
    /// Why it was wanted.
    pub cause: Cause,
    /// The timestamp that it was signed with.
    pub stamp: ServerTime,
    /// The revision that wanted it.
    pub generation: Generation,
}

/// Refusals as not flat although every list was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusals {
    /// How many in a row.
    pub count: u32,
    /// When the last one came.
    pub last: Moment,
    /// Whether the next set waits for it; an operator's refresh ends that.
    pub waits: bool,
}

impl Refusals {
    /// What an operator is told to do about it, in the status as in the history.
    pub const REMEDY: &'static str = "look for bots, TWAP and copy orders";
}
