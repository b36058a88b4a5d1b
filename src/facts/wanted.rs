//! What the file wants of a target.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::position_mode::PositionMode;
use crate::window::Windows;

/// What the file wants of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The desired mode; `None` while the kind is unknown and the file names more than one, if an account of its kind
    /// cannot have the declared modes, and once the target is gone.
    pub mode: Option<PositionMode>,
    /// The revision in force.
    pub generation: Generation,
    /// How the file wants the account to be kept.
    pub policy: Policy,
}

/// How the file wants an account to be kept, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared: 5 s to 1 h.
    pub check_every: Duration,
    /// How long the account must have been flat before a set: 0 s to 24 h.
    pub settle: Duration,
    /// The file's reason to change nothing (`suspend`), if it gives one: the account's own, else that of the whole file.
    /// One line.
    pub suspended: Option<String>,
    /// When a set may leave: in any one of these windows, or at all times if there are none.
    pub windows: Windows,
    /// What must hold on the host before a set leaves.
    pub require: Requirements,
}

/// The file assigns an account to another host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Elsewhere {
    /// That host, as the file writes it.
    pub host: String,
    /// What this host is called.
    pub here: String,
}

/// What an account requires of the host: all of these must hold; an empty list requires nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requirements(pub Arc<[Requirement]>);

/// One condition on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The systemd unit of this name does not run.
    UnitInactive(String),
    /// There is nothing at this path.
    FileAbsent(String),
}

/// The result of checking an account's requirements on the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostReading {
    /// The revision that has these requirements.
    pub generation: Generation,
    /// When the check began.
    pub asked: Moment,
    /// The requirements that are unmet or cannot be checked, each in a few words. Empty if all are met.
    pub unmet: Vec<String>,
}

/// The number of an accepted revision; each is one more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// What to do when a mode was changed at the exchange, not by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[derive(strum::EnumString, strum::VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum DriftPolicy {
    /// Set the desired mode again.
    Correct,
    /// Report it and change nothing.
    Report,
}

impl Wanted {
    /// Whether `newer` may allow a set that this forbids, or the reverse: the target is then read at once.
    pub fn asks_for_another_look(&self, newer: &Wanted) -> bool {
        let Wanted { mode, generation: _, policy } = self;
        let Policy { drift, check_every: _, settle: _, suspended, windows, require } = policy;
        *mode != newer.mode
            || *drift != newer.policy.drift
            || *suspended != newer.policy.suspended
            || *windows != newer.policy.windows
            || *require != newer.policy.require
    }
}
