//! The proof that an intent is on disk: made by `Ledger::note` alone, used up by sending or by withdrawing.

use crate::facts::IntentId;
use crate::moment::ServerTime;
use crate::position_mode::{PositionMode, Target};

/// A set whose intent the ledger holds. Not `Clone`: there is one set for one note.
#[derive(Debug, PartialEq, Eq)]
pub struct Noted {
    id: IntentId,
    target: Target,
    mode: PositionMode,
    stamp: ServerTime,
}

impl Noted {
    /// Only the ledger makes one, after its transaction was committed.
    pub(super) fn new(id: IntentId, target: Target, mode: PositionMode, stamp: ServerTime) -> Noted {
        Noted { id, target, mode, stamp }
    }

    /// The intent's number.
    pub fn id(&self) -> IntentId {
        self.id
    }

    /// What is to be set.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// To which mode.
    pub fn mode(&self) -> PositionMode {
        self.mode
    }

    /// The timestamp that the request must be signed with.
    pub fn stamp(&self) -> ServerTime {
        self.stamp
    }
}
