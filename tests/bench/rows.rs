//! The rows of the cost table: what each measures, its goal, and the bound that must hold. Values only; it measures nothing.
//!
//! The README's table is made of these rows, and a test compares the two.

use std::fmt::Write as _;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its name: what `--quick` leaves out by, and what a test hands its figure over under.
    pub(crate) name: &'static str,
    /// What is measured, for the reader of the table.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    /// Where it shall be.
    pub(crate) goal: Limit,
    /// Where it must be, or the run fails: the goal, or, where that is not reached yet, what was measured on two busy cores with
    /// a margin: a fifth for what is counted, a half for memory, twice for CPU, twice or more for what the clock tells.
    pub(crate) bound: f64,
    pub(crate) source: Source,
}

/// The side of a number on which a value is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Ratio,
    Count,
    Seconds,
    Milliseconds,
    KiB,
    MiB,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From processes, in every run.
    Processes,
    /// From processes, but not with `--quick`.
    ProcessesAtLength,
    /// From an ordinary test in virtual time, which prints `figure: NAME = VALUE`.
    Figure,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Measured {
    Value(f64),
    /// It could not be measured here: why.
    LeftOut(String),
}

/// How a value compares with the goal and the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    NotYet,
    Worse,
}

impl Row {
    pub(crate) fn verdict(&self, value: f64) -> Verdict {
        let (reached, within) = match self.goal {
            Limit::AtMost(goal) => (value <= goal, value <= self.bound),
            Limit::AtLeast(goal) => (value >= goal, value >= self.bound),
        };
        match (reached, within) {
            (true, _) => Verdict::Holds,
            (false, true) => Verdict::NotYet,
            (false, false) => Verdict::Worse,
        }
    }

    /// The row in Markdown: what, measured, goal, and whether it holds or how far it is.
    pub(crate) fn line(&self, measured: &Measured) -> String {
        let (side, goal) = match self.goal {
            Limit::AtMost(goal) => ("at most", goal),
            Limit::AtLeast(goal) => ("at least", goal),
        };
        let goal_shown = format!("{side} {}", self.unit.show(goal));
        let (shown, says) = match measured {
            Measured::LeftOut(why) => ("left out".to_owned(), why.clone()),
            Measured::Value(value) => {
                let far = if matches!(self.goal, Limit::AtMost(_)) { value / goal } else { goal / value };
                let says = match self.verdict(*value) {
                    Verdict::Holds => "holds".to_owned(),
                    Verdict::NotYet => format!("not yet: {far:.1} times the goal"),
                    Verdict::Worse => {
                        format!(
                            "WORSE than the bound of {}, {far:.1} times the goal",
                            self.unit.show(self.bound)
                        )
                    }
                };
                (self.unit.show(*value), says)
            }
        };
        format!("| {} | {shown} | {goal_shown} | {says} |", self.what)
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Ratio | Unit::Count => format!("{value:.2}"),
            Unit::Seconds => format!("{value:.1} s"),
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::KiB => format!("{value:.1} KiB"),
            Unit::MiB => format!("{value:.1} MiB"),
        }
    }
}

/// The table in Markdown.
pub(crate) fn table(rows: &[(&Row, Measured)]) -> String {
    let mut text = "| what | measured | goal | |\n|---|---|---|---|\n".to_owned();
    for (row, measured) in rows {
        let _ = writeln!(text, "{}", row.line(measured));
    }
    text
}

/// The README with the table between its markers; `None` if a marker is missing.
pub(crate) fn into_readme(readme: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

pub(crate) const BEGIN: &str = "<!-- cost: begin, written by `cargo run --example bench -- --readme` -->";
pub(crate) const END: &str = "<!-- cost: end -->";

use Limit::{AtLeast, AtMost};
use Source::{Figure, Processes, ProcessesAtLength};

/// Every row, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "busy",
        what: "CPU per look, 150 accounts every 5 s: a bare loop's by ours",
        unit: Unit::Ratio,
        goal: AtLeast(0.85),
        bound: 0.3,
        source: Processes,
    },
    Row {
        name: "ccxt",
        what: "the same: ccxt's by ours, its looks one after the other",
        unit: Unit::Ratio,
        goal: AtLeast(1.0),
        bound: 1.0,
        source: Processes,
    },
    Row {
        name: "rest",
        what: "CPU per look, 1,000 accounts every 60 s: a bare loop's by ours",
        unit: Unit::Ratio,
        goal: AtLeast(0.7),
        bound: 0.05,
        source: Processes,
    },
    Row {
        name: "memory_base",
        what: "memory of its own (anonymous), without accounts",
        unit: Unit::MiB,
        goal: AtMost(2.0),
        bound: 3.0,
        source: Processes,
    },
    Row {
        name: "memory_account",
        what: "memory per account, from 100 to 1,000",
        unit: Unit::KiB,
        goal: AtMost(6.0),
        bound: 45.0,
        source: Processes,
    },
    Row {
        name: "ready",
        what: "restart with 1,000 accounts, until READY",
        unit: Unit::Milliseconds,
        goal: AtMost(150.0),
        bound: 600.0,
        source: Processes,
    },
    Row {
        name: "in_sync_cpu",
        what: "CPU of a restart with 1,000 accounts, until all are in sync",
        unit: Unit::Seconds,
        goal: AtMost(3.0),
        bound: 3.0,
        source: Processes,
    },
    Row {
        name: "growth_1000",
        what: "that CPU per account, with 1,000 by with 100",
        unit: Unit::Ratio,
        goal: AtMost(1.05),
        bound: 2.0,
        source: Processes,
    },
    Row {
        name: "growth_10000",
        what: "that CPU per account, with 10,000 by with 100",
        unit: Unit::Ratio,
        goal: AtMost(1.05),
        bound: 4.0,
        source: ProcessesAtLength,
    },
    Row {
        name: "requests_new",
        what: "requests per account in a first pass, kind never seen",
        unit: Unit::Count,
        goal: AtMost(2.05),
        bound: 2.05,
        source: Processes,
    },
    Row {
        name: "requests_known",
        what: "requests per account in a first pass, kind known",
        unit: Unit::Count,
        goal: AtMost(1.05),
        bound: 1.05,
        source: Processes,
    },
    Row {
        name: "set_classic",
        what: "file renamed to set, one classic account, less 4 request times",
        unit: Unit::Milliseconds,
        goal: AtMost(50.0),
        bound: 200.0,
        source: Processes,
    },
    Row {
        name: "set_unified",
        what: "file renamed to set, one unified account, less 4 request times",
        unit: Unit::Milliseconds,
        goal: AtMost(50.0),
        bound: 200.0,
        source: Processes,
    },
    Row {
        name: "plan",
        what: "`plan` with 100 accounts",
        unit: Unit::Seconds,
        goal: AtMost(12.0),
        bound: 60.0,
        source: ProcessesAtLength,
    },
    Row {
        name: "first_pass_new",
        what: "first look at 1,000 classic accounts never seen, 10 requests a second",
        unit: Unit::Seconds,
        goal: AtMost(220.0),
        bound: 220.0,
        source: Figure,
    },
    Row {
        name: "first_pass_known",
        what: "the same, kinds known",
        unit: Unit::Seconds,
        goal: AtMost(110.0),
        bound: 110.0,
        source: Figure,
    },
    Row {
        name: "gap",
        what: "longest gap between two looks after that, at 1.67 times the budget",
        unit: Unit::Seconds,
        goal: AtMost(110.0),
        bound: 110.0,
        source: Figure,
    },
    Row {
        name: "budget_used",
        what: "the budget used meanwhile",
        unit: Unit::Ratio,
        goal: AtLeast(0.98),
        bound: 0.98,
        source: Figure,
    },
    Row {
        name: "pass_100_classic",
        what: "first look at 100 classic accounts, 1,000 requests a second, with the quiet second",
        unit: Unit::Seconds,
        goal: AtMost(2.0),
        bound: 2.0,
        source: Figure,
    },
    Row {
        name: "pass_100_unified",
        what: "first look at 100 unified accounts, 1,000 requests a second, with the quiet second",
        unit: Unit::Seconds,
        goal: AtMost(2.0),
        bound: 2.0,
        source: Figure,
    },
    Row {
        name: "alone_classic",
        what: "file to set, one classic account, 50 ms a request, settle 0",
        unit: Unit::Milliseconds,
        goal: AtMost(275.0),
        bound: 275.0,
        source: Figure,
    },
    Row {
        name: "one_of_200_classic",
        what: "how much longer among 200 of its kind",
        unit: Unit::Milliseconds,
        goal: AtMost(500.0),
        bound: 500.0,
        source: Figure,
    },
    Row {
        name: "alone_unified",
        what: "file to set, one unified account, 50 ms a request, settle 0",
        unit: Unit::Milliseconds,
        goal: AtMost(275.0),
        bound: 275.0,
        source: Figure,
    },
    Row {
        name: "one_of_200_unified",
        what: "how much longer among 200 of its kind",
        unit: Unit::Milliseconds,
        goal: AtMost(500.0),
        bound: 500.0,
        source: Figure,
    },
    Row {
        name: "fifty_changed_classic",
        what: "50 of 200 classic accounts changed at once, last set",
        unit: Unit::Seconds,
        goal: AtMost(18.7),
        bound: 18.7,
        source: Figure,
    },
    Row {
        name: "others_meanwhile_classic",
        what: "the 150 others meanwhile, longest gap between looks",
        unit: Unit::Seconds,
        goal: AtMost(126.7),
        bound: 126.7,
        source: Figure,
    },
    Row {
        name: "fifty_settled_classic",
        what: "the same with settle, less that",
        unit: Unit::Seconds,
        goal: AtMost(29.8),
        bound: 29.8,
        source: Figure,
    },
    Row {
        name: "fifty_changed_unified",
        what: "50 of 200 unified accounts changed at once, last set",
        unit: Unit::Seconds,
        goal: AtMost(29.8),
        bound: 29.8,
        source: Figure,
    },
    Row {
        name: "others_meanwhile_unified",
        what: "the 150 others meanwhile, longest gap between looks",
        unit: Unit::Seconds,
        goal: AtMost(126.7),
        bound: 126.7,
        source: Figure,
    },
    Row {
        name: "fifty_settled_unified",
        what: "the same with settle, less that",
        unit: Unit::Seconds,
        goal: AtMost(52.0),
        bound: 52.0,
        source: Figure,
    },
    Row {
        name: "fifty_flat_10",
        what: "50 of 200 classic accounts flat at once, last set, 10 requests a second",
        unit: Unit::Seconds,
        goal: AtMost(52.0),
        bound: 56.0,
        source: Figure,
    },
    Row {
        name: "fifty_flat_30",
        what: "the same, 30 requests a second",
        unit: Unit::Seconds,
        goal: AtMost(18.0),
        bound: 18.0,
        source: Figure,
    },
    Row {
        name: "flat_to_set_classic",
        what: "last position closed to set, classic, 50 waiting, the longest of 15",
        unit: Unit::Milliseconds,
        goal: AtMost(2225.0),
        bound: 2225.0,
        source: Figure,
    },
    Row {
        name: "flat_to_set_unified",
        what: "last position closed to set, unified, 50 waiting, the longest of 15",
        unit: Unit::Milliseconds,
        goal: AtMost(2225.0),
        bound: 2225.0,
        source: Figure,
    },
    Row {
        name: "position_hour_1_classic",
        what: "requests of a classic account in hour 1 of a wait for a position",
        unit: Unit::Count,
        goal: AtMost(370.0),
        bound: 370.0,
        source: Figure,
    },
    Row {
        name: "position_hour_2_classic",
        what: "requests of a classic account in hour 2 of a wait for a position",
        unit: Unit::Count,
        goal: AtMost(190.0),
        bound: 190.0,
        source: Figure,
    },
    Row {
        name: "position_hour_1_unified",
        what: "requests of a unified account in hour 1 of a wait for a position",
        unit: Unit::Count,
        goal: AtMost(370.0),
        bound: 370.0,
        source: Figure,
    },
    Row {
        name: "position_hour_2_unified",
        what: "requests of a unified account in hour 2 of a wait for a position",
        unit: Unit::Count,
        goal: AtMost(190.0),
        bound: 190.0,
        source: Figure,
    },
    Row {
        name: "order_hour_1_classic",
        what: "requests of a classic account in hour 1 of a wait for an order",
        unit: Unit::Count,
        goal: AtMost(300.0),
        bound: 300.0,
        source: Figure,
    },
    Row {
        name: "order_hour_2_classic",
        what: "requests of a classic account in hour 2 of a wait for an order",
        unit: Unit::Count,
        goal: AtMost(190.0),
        bound: 190.0,
        source: Figure,
    },
    Row {
        name: "order_hour_1_unified",
        what: "requests of a unified account in hour 1 of a wait for an order",
        unit: Unit::Count,
        goal: AtMost(300.0),
        bound: 300.0,
        source: Figure,
    },
    Row {
        name: "order_hour_2_unified",
        what: "requests of a unified account in hour 2 of a wait for an order",
        unit: Unit::Count,
        goal: AtMost(190.0),
        bound: 190.0,
        source: Figure,
    },
    Row {
        name: "paused_hour_classic",
        what: "requests of a classic account in an hour of a pause",
        unit: Unit::Count,
        goal: AtMost(67.0),
        bound: 67.0,
        source: Figure,
    },
    Row {
        name: "paused_hour_unified",
        what: "requests of a unified account in an hour of a pause",
        unit: Unit::Count,
        goal: AtMost(67.0),
        bound: 67.0,
        source: Figure,
    },
];
