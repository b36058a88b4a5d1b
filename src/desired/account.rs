//! What the file declares, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::facts::{DriftPolicy, Generation, Requirements, Wanted};
use crate::position_mode::{AccountName, Declared, PositionMode, Uid};
use crate::window::Windows;

/// What the file wants, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// How many sets may leave in any hour, whatever their cause; at least 1.
    pub max_changes: u32,
    /// The accounts by name; never empty.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
}

/// What the file wants of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its position mode: one for everything, or one per product type (at least one).
    pub declared: Declared,
    /// The uid that the key must belong to, if the file gives one.
    pub uid: Option<Uid>,
    /// The only host that may read and set it, if the file names one.
    pub host: Option<String>,
    /// Whether its key was made in demo mode.
    pub demo: bool,
    /// What to do about drift: its own, else the defaults'.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared: 5 s to 1 h.
    pub check_every: Duration,
    /// How long it must have been flat before its mode is changed: 0 s to 24 h.
    pub settle: Duration,
    /// Why nothing of it is changed, if the file says so: its own reason, else that of the whole file. One line.
    pub suspended: Option<String>,
    /// When it may be changed: in any one of these windows, or at all times if there are none.
    pub windows: Windows,
    /// What must hold on the host before it is changed.
    pub require: Requirements,
}

impl Desired {
    /// The accounts that the file does not assign to a host other than `here`.
    pub fn accounts_of(&self, here: &str) -> BTreeSet<AccountName> {
        let ours = self.accounts.iter().filter(|(_, account)| account.elsewhere(here).is_none());
        ours.map(|(name, _)| name.clone()).collect()
    }
}

impl Account {
    /// What revision `generation` wants of a target of this account whose desired mode is `mode`.
    pub fn wanted(&self, mode: Option<PositionMode>, generation: Generation) -> Wanted {
        let Account {
            declared: _,
            uid: _,
            host: _,
            demo: _,
            drift,
            check_every,
            settle,
            suspended,
            windows,
            require,
        } = self;
        Wanted {
            mode,
            generation,
            drift: *drift,
            check_every: *check_every,
            settle: *settle,
            suspended: suspended.clone(),
            windows: windows.clone(),
            require: require.clone(),
        }
    }

    /// The host that the file assigns it to, if that is not `here`.
    pub fn elsewhere(&self, here: &str) -> Option<String> {
        self.host.clone().filter(|host| host != here)
    }
}
