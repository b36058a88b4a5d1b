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
    /// The desired mode; `None` while the kind is unknown and the file names more than one, where an account of its kind cannot
    /// have what the file says, and once the target is gone.
    pub mode: Option<PositionMode>,
    /// The revision in force.
    pub generation: Generation,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared.
    pub check_every: Duration,
    /// How long the account must have been flat.
    pub settle: Duration,
    /// The file's own reason to change nothing, if it gives one.
    pub suspended: Option<String>,
    /// The times in which a set may leave; alternatives, and without any all times.
    pub windows: Windows,
    /// What must be so on the host before a set leaves.
    pub require: Requirements,
}

/// What an account requires of the host: all of it, and without any nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requirements(pub Arc<[Requirement]>);

/// One thing that must be so on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The systemd unit of this name does not run.
    UnitInactive(String),
    /// There is nothing at this path.
    FileAbsent(String),
}

/// What the host showed of an account's requirements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostReading {
    /// The revision whose requirements they are.
    pub generation: Generation,
    /// When it was looked at.
    pub asked: Moment,
    /// What is not as required, or cannot be seen, each in a few words. Empty where all is as required.
    pub unmet: Vec<String>,
}

/// The number of an accepted revision; each is one more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// What to do when the exchange was changed behind us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[derive(strum::EnumString, strum::VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum DriftPolicy {
    /// Set the desired mode again.
    Correct,
    /// Say so and change nothing.
    Report,
}

impl Wanted {
    /// Whether what a newer revision wants may let a set go, or forbid it, that this did not: then the target is looked at now.
    pub fn asks_for_another_look(&self, newer: &Wanted) -> bool {
        let Wanted { mode, generation: _, drift, check_every: _, settle: _, suspended, windows, require } =
            self;
        *mode != newer.mode
            || *drift != newer.drift
            || *suspended != newer.suspended
            || *windows != newer.windows
            || *require != newer.require
    }
}
