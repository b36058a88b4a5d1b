//! The proof that an intent is on disk: created by `Ledger::note` only, consumed by sending or withdrawing the set.

use crate::facts::IntentId;
use crate::moment::ServerTime;
use crate::position_mode::{PositionMode, Target};

/// A set whose intent is in the ledger. Not `Clone`: one note allows one set.
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

    /// The intent's number in the ledger.
    pub fn id(&self) -> IntentId {
        self.id
    }

    /// The target to set.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The mode to set.
    pub fn mode(&self) -> PositionMode {
        self.mode
    }

    /// The timestamp that the request must be signed with.
    pub fn stamp(&self) -> ServerTime {
        self.stamp
    }
}
