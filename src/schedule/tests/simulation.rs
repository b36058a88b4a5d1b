//! A process in virtual time: targets that want changes and looks, an exchange that answers after a round trip, and a late
//! wake-up now and then. What happens is counted from the requests that leave.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::super::{Demand, Due, Grant, Schedule, Turn, Want, What};
use crate::moment::Moment;

/// What an account costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// The requests of each stage of a verdict; positions are the last one.
    pub(super) lists: [u32; 3],
}

pub(super) const CLASSIC: Cost = Cost { lists: [3, 2, 1] };
pub(super) const UNIFIED: Cost = Cost { lists: [6, 3, 3] };

impl Cost {
    /// Of a verdict, its set, and the read that confirms it.
    fn verdict(self) -> u32 {
        self.lists.iter().sum::<u32>() + 2
    }

    /// Of a whole change with `settle: 0s`: the look at the mode, too.
    pub(super) fn change(self) -> u32 {
        self.verdict() + 1
    }
}

/// One target of the simulated process.
#[derive(Debug, Clone)]
struct Target {
    cost: Cost,
    stage: Stage,
    /// Requests of the stage that were sent.
    sent: u32,
    /// Requests that are not answered yet.
    unanswered: u32,
    changed: Option<Moment>,
    open_until: Moment,
    waits_since: Option<Moment>,
    last_mode: Option<Moment>,
    mode_due: Moment,
    dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Watched,
    /// The mode is to be read for a change.
    Mode,
    /// The first list of a verdict is to be asked for; whether an earlier one found something.
    Verdict {
        repeat: bool,
    },
    /// Lists of this stage are asked for.
    Lists {
        began: Moment,
        stage: usize,
    },
    Set {
        began: Moment,
    },
    Confirm {
        began: Moment,
    },
    /// Something is open.
    Waits,
}

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// From the change to its set.
    pub(super) sets: Vec<Duration>,
    /// Verdicts that were too old for their set.
    pub(super) thrown: u32,
    /// The longest gap between two looks at the mode of a target, the start included.
    pub(super) longest_gap: Duration,
    pub(super) requests: Vec<Moment>,
    /// When the last of the targets was looked at for the first time.
    pub(super) first_pass: Option<Moment>,
}

pub(super) struct Process {
    table: Schedule<u32, (u32, u32)>,
    targets: BTreeMap<u32, Target>,
    now: Moment,
    round_trip: Duration,
    interval: Duration,
    arrivals: BinaryHeap<Reverse<(Moment, u64, u32, What)>>,
    sent: u64,
    unseen: usize,
    pub(super) outcome: Outcome,
}

impl Process {
    pub(super) fn new(budget: u32, round_trip: Duration) -> Process {
        Process {
            table: Schedule::new(budget, Moment(0)),
            targets: BTreeMap::new(),
            now: Moment(0),
            round_trip,
            interval: Duration::from_secs(60),
            arrivals: BinaryHeap::new(),
            sent: 0,
            unseen: 0,
            outcome: Outcome::default(),
        }
    }

    /// Targets that were never asked, or are watched and next due at a moment of their own within the interval.
    pub(super) fn with(mut self, count: u32, cost: Cost, new: bool) -> Process {
        let first = u32::try_from(self.targets.len()).unwrap();
        for number in first..first + count {
            let spread = self.interval * (number - first) / count.max(1);
            let target = Target {
                cost,
                stage: if new { Stage::New } else { Stage::Watched },
                sent: 0,
                unanswered: 0,
                changed: None,
                open_until: Moment(0),
                waits_since: None,
                last_mode: (!new).then_some(self.now),
                mode_due: self.now + Duration::from_secs(1) + spread,
                dead: false,
            };
            self.unseen += usize::from(new);
            self.targets.insert(number, target);
            self.put(number);
        }
        self
    }

    /// The newest revision wants another mode of these; they are flat from `open_for` on.
    pub(super) fn change(&mut self, numbers: impl IntoIterator<Item = u32>, open_for: Duration) {
        for number in numbers {
            let target = self.targets.get_mut(&number).unwrap();
            target.changed = Some(self.now);
            target.open_until = self.now + open_for;
            target.stage = Stage::Mode;
            target.sent = 0;
            self.put(number);
        }
    }

    /// These never answer.
    pub(super) fn kill(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.targets.get_mut(&number).unwrap().dead = true;
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = loop {
                match self.table.turn(self.now) {
                    Turn::Grant(grant) => self.send(&grant),
                    Turn::Wait(until) => {
                        assert!(until > self.now, "a wait that ends in the past would spin");
                        break until;
                    }
                    Turn::Idle => break end,
                }
            };
            let arrival = self.arrivals.peek().map_or(end, |Reverse((at, ..))| *at);
            let then = next.min(arrival).min(end);
            // Nothing could have been granted before the moment that it waits for.
            if then > self.now + Duration::from_millis(1) {
                let before = Moment(then.0 - 1);
                assert!(!matches!(self.table.turn(before), Turn::Grant(_)) || then == arrival || then == end);
            }
            self.now = then;
            if self.now >= end {
                break;
            }
            while let Some(Reverse((at, _, number, what))) = self.arrivals.peek().copied() {
                if at > self.now {
                    break;
                }
                self.arrivals.pop();
                self.answered(number, what);
            }
        }
        for target in self.targets.values() {
            let gap = target.last_mode.map_or(self.now.since(Moment(0)), |last| self.now.since(last));
            if !target.dead {
                self.outcome.longest_gap = self.outcome.longest_gap.max(gap);
            }
        }
    }

    fn send(&mut self, grant: &Grant<u32, (u32, u32)>) {
        self.table.granted(grant, self.now);
        self.outcome.requests.push(self.now);
        self.sent += 1;
        self.arrivals.push(Reverse((self.now + self.round_trip, self.sent, grant.target, grant.what)));
        let (now, interval) = (self.now, self.interval);
        let target = self.targets.get_mut(&grant.target).unwrap();
        target.unanswered += 1;
        target.sent += u32::from(matches!(grant.what, What::Begun | What::Begin));
        if matches!(grant.what, What::Mode | What::New) {
            target.mode_due = now + interval;
        }
        if grant.what == What::Begin && matches!(target.stage, Stage::Verdict { .. }) {
            target.stage = Stage::Lists { began: now, stage: 0 };
            self.put(grant.target);
        } else if grant.what == What::New {
            // From the first request on it is one of the line, answered or not.
            target.stage = Stage::Watched;
            self.put(grant.target);
        }
    }

    fn answered(&mut self, number: u32, what: What) {
        self.table.answered(self.round_trip);
        let now = self.now;
        let target = self.targets.get_mut(&number).unwrap();
        target.unanswered = target.unanswered.saturating_sub(1);
        if target.dead {
            return;
        }
        let open = now < target.open_until;
        let before = target.stage;
        let mut mode_read = matches!(what, What::Mode | What::New);
        match target.stage {
            _ if mode_read => {}
            Stage::Mode => {
                mode_read = true;
                target.stage = Stage::Verdict { repeat: false };
            }
            Stage::Lists { began, stage }
                if target.unanswered == 0 && target.sent == target.cost.lists[stage] =>
            {
                target.stage = if open && stage == 2 {
                    target.waits_since.get_or_insert(now);
                    Stage::Waits
                } else if stage < 2 {
                    Stage::Lists { began, stage: stage + 1 }
                } else if now.since(began) > Duration::from_secs(5) {
                    self.outcome.thrown += 1;
                    Stage::Verdict { repeat: false }
                } else {
                    Stage::Set { began }
                };
            }
            Stage::Waits if !open => target.stage = Stage::Verdict { repeat: true },
            Stage::Set { began } => {
                let changed = target.changed.take().unwrap();
                self.outcome.sets.push(now.since(changed));
                target.stage = Stage::Confirm { began };
            }
            Stage::Confirm { .. } => {
                mode_read = true;
                target.waits_since = None;
                target.stage = Stage::Watched;
                target.mode_due = now + self.interval;
            }
            Stage::New | Stage::Watched | Stage::Lists { .. } | Stage::Waits | Stage::Verdict { .. } => {}
        }
        if target.stage != before {
            target.sent = 0;
        }
        if mode_read {
            let gap = target.last_mode.map_or(now.since(Moment(0)), |last| now.since(last));
            if target.last_mode.is_none() {
                self.unseen -= 1;
                if self.unseen == 0 {
                    self.outcome.first_pass = Some(now);
                }
            }
            target.last_mode = Some(now);
            self.outcome.longest_gap = self.outcome.longest_gap.max(gap);
        }
        self.put(number);
    }

    /// Tells the table what the target wants now.
    fn put(&mut self, number: u32) {
        let target = &self.targets[&number];
        let lane = |endpoint: u32| (number, endpoint);
        let begun = |at: Moment, count: u32, rest: u32| {
            let left = count.saturating_sub(target.sent);
            let next = (0..left).map(lane).collect();
            Some(Want::Begun { at, next, to_go: left + rest })
        };
        let want = match target.stage {
            Stage::New => Some(Want::New { next: vec![lane(0)] }),
            Stage::Watched | Stage::Waits => None,
            Stage::Mode if target.sent > 0 => None,
            Stage::Mode => Some(Want::Begin {
                since: target.changed.unwrap(),
                repeat: false,
                next: vec![lane(0)],
                cost: 0,
            }),
            Stage::Verdict { repeat } => Some(Want::Begin {
                since: target.changed.unwrap(),
                repeat,
                next: vec![lane(1)],
                cost: target.cost.verdict(),
            }),
            Stage::Lists { began, stage } => {
                let rest = target.cost.lists[stage + 1..].iter().sum::<u32>() + 2;
                begun(began, target.cost.lists[stage], rest)
            }
            Stage::Set { began } => begun(began, 1, 1),
            Stage::Confirm { began } => begun(began, 1, 0),
        };
        let open_look = (target.stage == Stage::Waits && target.unanswered == 0).then(|| {
            let waited = self.now.since(target.waits_since.unwrap_or(self.now));
            let interval = (waited / 60).clamp(Duration::from_secs(2), Duration::from_secs(30));
            Due { at: self.now + interval, overdue: self.now + interval, interval, lanes: vec![lane(2)] }
        });
        let mode = Due {
            at: target.mode_due,
            overdue: target.mode_due,
            interval: self.interval,
            lanes: vec![lane(3)],
        };
        let mode = matches!(target.stage, Stage::Watched | Stage::Waits).then_some(mode);
        self.table.put(number, Demand { want, mode, wait: open_look });
    }
}
