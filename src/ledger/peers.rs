//! What daemons of several hosts show each other: that they live, and how their targets stand.
//!
//! Knows no table.

use crate::facts::Generation;
use crate::position_mode::Target;

/// A host that has a daemon with this ledger, or had one within the last month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub host: String,
    /// The version of its daemon.
    pub posmoded: String,
    /// The revision that it has in force; `None` before it has told.
    pub generation: Option<Generation>,
    /// The git commit of that.
    pub commit: Option<String>,
    /// Whether it has shown a sign of life lately.
    pub lives: bool,
    /// Whether nothing else than its end can be the cause where it has not.
    pub is_witnessed: bool,
    /// Whether its daemon has ended by itself.
    pub has_left: bool,
    /// For how many milliseconds it runs, or since when it did, by the clock of the database.
    pub started_ago: i64,
    /// How many milliseconds ago its last sign of life, or its end, was.
    pub seen_ago: i64,
}

/// Somebody whose signs of life got into the database without a gap, from so many milliseconds ago to so many.
///
/// While no commit is acknowledged everybody is silent, and nobody is dead for that: who has not got through himself cannot
/// tell. Nor can he right after, for others may need some seconds more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) from_ago: i64,
    pub(super) to_ago: i64,
}

impl Witness {
    /// Whether he would have seen another sign of life of one whose last was so many milliseconds ago, if there had been any.
    pub(super) fn has_seen_enough(self, last_ago: i64) -> bool {
        let Witness { from_ago, to_ago } = self;
        last_ago.min(from_ago) - to_ago >= i64::try_from(SILENCE).unwrap_or(i64::MAX) * 1000
    }
}

/// For how many seconds a daemon may be silent before another takes its place.
pub(super) const SILENCE: u64 = 15;

/// How a target stands, as the daemon of a host shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The target.
    pub target: Target,
    /// The host.
    pub host: String,
    /// Its status, as JSON.
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_got_through_himself_for_long_enough_can_tell_that_another_is_dead() {
        // Since when his signs of life get through, his last one, that of another, in seconds ago; and whether that one is dead.
        for (from, to, last, is_dead) in [
            // It is killed.
            (3600, 0, 14, false),
            (3600, 0, 15, true),
            (3600, 4, 18, false),
            (3600, 4, 19, true),
            // A standby is lost: nobody gets through, however long that takes.
            (3600, 12, 17, false),
            (7200, 3612, 3617, false),
            // It is back, and the other needs a few seconds more.
            (0, 0, 3605, false),
            (14, 0, 3619, false),
            // It never came back.
            (15, 0, 3620, true),
        ] {
            let witness = Witness { from_ago: from * 1000, to_ago: to * 1000 };
            assert_eq!(witness.has_seen_enough(last * 1000), is_dead, "{from} {to} {last}");
        }
    }
}
