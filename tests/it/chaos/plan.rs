//! Which story is told: all that its seed draws, or what is left of it once somebody has made it small.

use std::collections::BTreeSet;
use std::time::Duration;

/// A whole story, or a part of it: the same one each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub size: Size,
    pub part: Part,
}

/// How much a seed draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A few accounts for less than an hour in which much happens.
    Short,
    /// So many accounts for so many hours, as they may well be.
    Long { accounts: usize, hours: u64 },
}

/// What is left of a story; `None`: all of it. What happens keeps its number and its account its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Only these accounts, by their number.
    pub accounts: Option<BTreeSet<usize>>,
    /// Only these acts, by their number.
    pub acts: Option<BTreeSet<usize>>,
    /// No longer wait from one act to the next.
    pub gap: Option<Duration>,
}

impl Plan {
    /// All of a story.
    pub fn whole(seed: u64, size: Size) -> Plan {
        Plan { seed, size, part: Part::default() }
    }
}
