//! The keys of every mapping in the file, and the bounds and defaults that rules and schema share.

use std::time::Duration;

/// One mapping with fixed keys.
pub(super) struct Section {
    /// Where it is, in the words of a message.
    pub(super) name: &'static str,
    /// The keys it may have.
    pub(super) keys: &'static [&'static str],
}

pub(super) const FILE: Section = Section {
    name: "at the top level",
    keys: &["version", "max_changes", "defaults", "suspend", "windows", "accounts"],
};
pub(super) const DEFAULTS: Section =
    Section { name: "under `defaults`", keys: &["drift", "check_every", "settle"] };
pub(super) const ACCOUNT: Section = Section {
    name: "in an account",
    keys: &[
        "uid",
        "host",
        "position_mode",
        "demo",
        "drift",
        "check_every",
        "settle",
        "suspend",
        "windows",
        "require",
    ],
};
pub(super) const WINDOW: Section = Section { name: "in a window", keys: &["opens", "lasts", "time_zone"] };
pub(super) const REQUIREMENT: Section =
    Section { name: "in a requirement", keys: &["unit_inactive", "file_absent"] };

/// Words that are no reason: `suspend: no` would do the opposite of what its writer means.
pub(super) const NO_REASONS: [&str; 9] = ["yes", "no", "on", "off", "y", "n", "true", "false", "none"];
/// In characters: a reason has to fit into one line of a log and one cell of a table.
pub(super) const LONGEST_REASON: usize = 200;
/// In digits: the exchange's have about ten, and no counter reaches more than this.
pub(super) const LONGEST_UID: usize = 20;
/// The longest host name that Linux allows.
pub(super) const LONGEST_HOST: usize = 64;
/// How often a target that is in sync is compared by default: drift shows within a minute.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How long an account must have been flat by default: a strategy between two trades is not done.
pub(super) const SETTLE: Duration = Duration::from_secs(5 * 60);
