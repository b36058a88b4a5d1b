//! The schedule: which target sends the next request, out of one budget of requests a second.
//!
//! What has begun ends first; then what begins a change; then targets that were never asked; then one line of everything
//! that recurs, by lateness in proportion to the interval. A verdict begins only if the budget can end it in time. Pure:
//! `turn` reads the table, and the other functions change it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::constants::QUIET_START;
use crate::moment::Moment;

/// Everything that wants a request. `T` names a target; their order is that of the file. `L` names a lane.
#[derive(Debug, Clone)]
pub struct Schedule<T, L> {
    /// Requests a second.
    budget: i64,
    /// The bucket at `filled_at`, in millionths of a request; never more than `burst`.
    tokens: i64,
    filled_at: Moment,
    /// Turns that went to something else while a look at a mode was overdue.
    owed: u32,
    /// The newest round trips, at most `ROUND_TRIPS`.
    round_trips: VecDeque<Duration>,
    demands: BTreeMap<T, Demand<L>>,
    /// When a lane that is used up has a permit again.
    free_at: BTreeMap<L, Moment>,
    // Indexes of `demands`, each in the order in which its turns come.
    begun: BTreeSet<(Moment, T)>,
    beginnings: BTreeSet<(bool, Moment, u32, T)>,
    never_asked: BTreeSet<T>,
    modes: Line<T>,
    waits: Line<T>,
    /// Requests that begun changes still need.
    under_way: u32,
}

/// Recurring requests by their interval; those of one interval by when they are due.
type Line<T> = BTreeMap<Duration, BTreeSet<(Moment, T)>>;

/// The requests that one target wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand<L> {
    /// What is wanted beside the recurring looks.
    pub want: Option<Want<L>>,
    /// The look at the mode.
    pub mode: Option<Due<L>>,
    /// The look at what it waits for.
    pub wait: Option<Due<L>>,
}

/// What a target wants beside its recurring looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want<L> {
    /// A verdict or a set under way.
    Begun {
        /// When its first request was granted.
        at: Moment,
        /// The requests that may be sent now, side by side; empty while their answers are awaited.
        next: Vec<L>,
        /// Requests that it still needs, these included.
        to_go: u32,
    },
    /// A change that has not begun: the look at its mode, or the first list of a verdict.
    Begin {
        /// When it was first wanted, or a look last found nothing open any more.
        since: Moment,
        /// Whether a verdict of this wait has already found something open.
        repeat: bool,
        /// The first request.
        next: L,
        /// Requests of the verdict, its set and the read that confirms it; 0 for a look at the mode.
        cost: u32,
    },
    /// It was never asked in this process.
    New {
        /// The look at its mode.
        next: L,
    },
}

/// A request that recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<L> {
    /// When it is due.
    pub at: Moment,
    /// How often it recurs.
    pub interval: Duration,
    /// The request.
    pub lane: L,
}

/// The answer to "who is next".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn<T, L> {
    /// This request, now.
    Grant(Grant<T, L>),
    /// Nothing before this moment, unless the table changes.
    Wait(Moment),
    /// Nothing until the table changes.
    Idle,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant<T, L> {
    /// Of this target.
    pub target: T,
    /// In this lane.
    pub lane: L,
    /// What it is for.
    pub what: What,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It goes on with what has begun.
    Begun,
    /// It begins a change.
    Begin,
    /// It is the first of its target.
    New,
    /// The look at the mode.
    Mode,
    /// The look at what the target waits for.
    Wait,
}

impl<T: Ord + Clone, L: Ord + Clone> Schedule<T, L> {
    /// A schedule of `budget` requests a second, empty after the quiet start of a process.
    pub fn new(budget: u32, now: Moment) -> Schedule<T, L> {
        Schedule {
            budget: i64::from(budget.max(1)),
            tokens: 0,
            filled_at: now + QUIET_START,
            owed: 0,
            round_trips: VecDeque::new(),
            demands: BTreeMap::new(),
            free_at: BTreeMap::new(),
            begun: BTreeSet::new(),
            beginnings: BTreeSet::new(),
            never_asked: BTreeSet::new(),
            modes: Line::new(),
            waits: Line::new(),
            under_way: 0,
        }
    }

    /// Who sends the next request.
    pub fn turn(&self, now: Moment) -> Turn<T, L> {
        let tokens = self.tokens_at(now);
        let grant_at = |level: i64, grant: Grant<T, L>| {
            if tokens >= level { Turn::Grant(grant) } else { Turn::Wait(self.filled_to(level)) }
        };
        if self.owed >= SHARE - 1
            && let Some((_, grant)) = self.latest(&self.modes, What::Mode, now)
        {
            return grant_at(ONE, grant);
        }
        if let Some(grant) = self.oldest_begun(now) {
            return grant_at(ONE, grant);
        }
        let (beginning, held_back) = self.beginning(now, tokens);
        if let Some(grant) = beginning {
            return grant_at(ONE, grant);
        }
        let soonest = self.soonest(now, held_back);
        let recurring = if held_back.is_some() { None } else { self.first_of_the_rest(now) };
        match (recurring, soonest) {
            (Some(grant), _) if tokens >= self.reserve() => Turn::Grant(grant),
            (Some(_), Some(soonest)) => Turn::Wait(self.filled_to(self.reserve()).min(soonest)),
            (Some(_), None) => Turn::Wait(self.filled_to(self.reserve())),
            (None, Some(soonest)) => Turn::Wait(soonest),
            (None, None) => Turn::Idle,
        }
    }

    /// The request that `turn` granted at this moment was sent. It is no longer wanted; what follows is `put`.
    pub fn granted(&mut self, grant: &Grant<T, L>, now: Moment) {
        let is_owed = self.latest(&self.modes, What::Mode, now).is_some();
        self.owed = if grant.what == What::Mode || !is_owed { 0 } else { self.owed + 1 };
        self.tokens = self.tokens_at(now) - ONE;
        self.filled_at = self.filled_at.max(now);
        let Some(mut demand) = self.take(&grant.target) else { return };
        match grant.what {
            What::Mode => demand.mode = None,
            What::Wait => demand.wait = None,
            What::New => demand.want = None,
            What::Begun | What::Begin => {
                demand.want = match demand.want.take() {
                    Some(Want::Begun { at, mut next, to_go }) => {
                        if let Some(sent) = next.iter().position(|lane| *lane == grant.lane) {
                            next.swap_remove(sent);
                        }
                        Some(Want::Begun { at, next, to_go: to_go.saturating_sub(1) })
                    }
                    Some(Want::Begin { cost, .. }) if cost > 0 => {
                        Some(Want::Begun { at: now, next: Vec::new(), to_go: cost - 1 })
                    }
                    Some(Want::Begin { .. } | Want::New { .. }) | None => None,
                };
            }
        }
        self.put(grant.target.clone(), demand);
    }

    /// A request was answered after `round_trip`.
    pub fn answered(&mut self, round_trip: Duration) {
        self.round_trips.push_back(round_trip);
        if self.round_trips.len() > ROUND_TRIPS {
            self.round_trips.pop_front();
        }
    }

    /// What the target wants from now on.
    pub fn put(&mut self, target: T, demand: Demand<L>) {
        self.take(&target);
        match &demand.want {
            Some(Want::Begun { at, next: _, to_go }) => {
                self.begun.insert((*at, target.clone()));
                self.under_way += to_go;
            }
            Some(Want::Begin { since, repeat, next: _, cost }) => {
                self.beginnings.insert((*repeat, *since, *cost, target.clone()));
            }
            Some(Want::New { .. }) => {
                self.never_asked.insert(target.clone());
            }
            None => {}
        }
        for (line, due) in [(&mut self.modes, &demand.mode), (&mut self.waits, &demand.wait)] {
            if let Some(Due { at, interval, lane: _ }) = due {
                line.entry(*interval).or_default().insert((*at, target.clone()));
            }
        }
        self.demands.insert(target, demand);
    }

    /// What the target wanted; from now on it wants nothing.
    pub fn take(&mut self, target: &T) -> Option<Demand<L>> {
        let demand = self.demands.remove(target)?;
        match &demand.want {
            Some(Want::Begun { at, next: _, to_go }) => {
                self.begun.remove(&(*at, target.clone()));
                self.under_way -= to_go;
            }
            Some(Want::Begin { since, repeat, next: _, cost }) => {
                self.beginnings.remove(&(*repeat, *since, *cost, target.clone()));
            }
            Some(Want::New { .. }) => {
                self.never_asked.remove(target);
            }
            None => {}
        }
        for (line, due) in [(&mut self.modes, &demand.mode), (&mut self.waits, &demand.wait)] {
            if let Some(Due { at, interval, lane: _ }) = due
                && let Some(of_interval) = line.get_mut(interval)
            {
                of_interval.remove(&(*at, target.clone()));
                if of_interval.is_empty() {
                    line.remove(interval);
                }
            }
        }
        Some(demand)
    }

    /// The lane has no permit before this moment.
    pub fn used_up(&mut self, lane: L, free_at: Moment) {
        self.free_at.insert(lane, free_at);
    }

    /// By how much all recurring intervals are longer than wanted: 1 while the budget suffices.
    pub fn factor(&self) -> f64 {
        let per_second = |line: &Line<T>| -> f64 {
            line.iter().map(|(interval, all)| count(all.len()) / interval.as_secs_f64().max(0.001)).sum()
        };
        let wanted = per_second(&self.modes) + per_second(&self.waits);
        (wanted / count(usize::try_from(self.budget).unwrap_or(usize::MAX))).max(1.0)
    }

    fn oldest_begun(&self, now: Moment) -> Option<Grant<T, L>> {
        self.begun.iter().find_map(|(_, target)| {
            let Some(Want::Begun { next, .. }) = &self.demands.get(target)?.want else { return None };
            let lane = next.iter().find(|lane| self.is_free(lane, now))?;
            Some(Grant { target: target.clone(), lane: lane.clone(), what: What::Begun })
        })
    }

    /// The first beginning that may be granted; and the tokens with which a verdict may begin that is held back because the
    /// budget could not end it in time. No other verdict overtakes that one, or it might wait for ever.
    fn beginning(&self, now: Moment, tokens: i64) -> (Option<Grant<T, L>>, Option<i64>) {
        let mut held_back = None;
        for (_, _, cost, target) in &self.beginnings {
            let Some(Want::Begin { next, .. }) =
                self.demands.get(target).and_then(|demand| demand.want.as_ref())
            else {
                continue;
            };
            if !self.is_free(next, now) || (*cost > 0 && held_back.is_some()) {
                continue;
            }
            let needs = if *cost == 0 { ONE } else { self.tokens_to_begin(*cost) };
            if *cost == 0 || needs <= tokens.max(ONE) {
                let grant = Grant { target: target.clone(), lane: next.clone(), what: What::Begin };
                return (Some(grant), held_back);
            }
            held_back = Some(needs);
        }
        (None, held_back)
    }

    /// The tokens with which a verdict of so many requests may begin: with what comes in meanwhile they end it while it is
    /// fresh, after everything that has begun; alone it may save up all that it costs.
    fn tokens_to_begin(&self, cost: u32) -> i64 {
        let slowest = self.round_trips.iter().max().copied().unwrap_or_default();
        let left = VERDICT_TIME.saturating_sub(3 * slowest);
        let coming =
            self.budget * i64::try_from(left.as_millis()).unwrap_or_default() * (ONE / 1000) / 10 * 9;
        let beside = i64::from(self.under_way + cost) * ONE - coming;
        if self.begun.is_empty() { beside.min(i64::from(cost) * ONE) } else { beside }.max(ONE)
    }

    /// The first of those that were never asked; else the latest of all that recurs.
    fn first_of_the_rest(&self, now: Moment) -> Option<Grant<T, L>> {
        let never_asked = self.never_asked.iter().find_map(|target| {
            let Some(Want::New { next }) = &self.demands.get(target)?.want else { return None };
            let grant = Grant { target: target.clone(), lane: next.clone(), what: What::New };
            self.is_free(next, now).then_some(grant)
        });
        never_asked.or_else(|| {
            let (mode, wait) =
                (self.latest(&self.modes, What::Mode, now), self.latest(&self.waits, What::Wait, now));
            match (mode, wait) {
                (Some((by_mode, mode)), Some((by_wait, wait))) => {
                    Some(if by_wait.is_later_than(by_mode) { wait } else { mode })
                }
                (Some((_, one)), None) | (None, Some((_, one))) => Some(one),
                (None, None) => None,
            }
        })
    }

    /// The overdue request of the line that is latest in proportion to its interval.
    fn latest(&self, line: &Line<T>, what: What, now: Moment) -> Option<(Lateness, Grant<T, L>)> {
        let heads = line.iter().filter_map(|(interval, all)| {
            all.iter().take_while(|(due, _)| *due <= now).find_map(|(due, target)| {
                let free = self.lane_of(target, what).filter(|lane| self.is_free(lane, now))?;
                let lateness = Lateness { by: now.since(*due), interval: *interval };
                Some((lateness, Grant { target: target.clone(), lane: free.clone(), what }))
            })
        });
        heads.reduce(|latest, other| if other.0.is_later_than(latest.0) { other } else { latest })
    }

    fn lane_of(&self, target: &T, what: What) -> Option<&L> {
        let Demand { want: _, mode, wait } = self.demands.get(target)?;
        let due = if what == What::Mode { mode } else { wait };
        due.as_ref().map(|due| &due.lane)
    }

    /// When something may be granted though nothing is now: a due time, a lane that is free again, tokens for a verdict that
    /// is held back (more than the bucket holds: only an answer lets it begin).
    fn soonest(&self, now: Moment, held_back: Option<i64>) -> Option<Moment> {
        let saved_up = held_back.filter(|needs| *needs <= self.burst()).map(|needs| self.filled_to(needs));
        let dues = [&self.modes, &self.waits].into_iter().flat_map(BTreeMap::values);
        let next_due = dues.filter_map(|all| all.iter().map(|(due, _)| *due).find(|due| *due > now));
        let next_free = self.free_at.values().copied().filter(|at| *at > now);
        next_due.chain(next_free).chain(saved_up).min()
    }

    fn is_free(&self, lane: &L, now: Moment) -> bool {
        self.free_at.get(lane).is_none_or(|at| *at <= now)
    }

    fn tokens_at(&self, now: Moment) -> i64 {
        let passed = i64::try_from(now.since(self.filled_at).as_millis()).unwrap_or(i64::MAX);
        let new = passed.saturating_mul(self.budget * (ONE / 1000));
        self.tokens.saturating_add(new).min(self.burst())
    }

    /// When the bucket holds `level`.
    fn filled_to(&self, level: i64) -> Moment {
        let lacking = (level - self.tokens).max(0);
        let per_milli = self.budget * (ONE / 1000);
        let millis = u64::try_from((lacking + per_milli - 1) / per_milli).unwrap_or(0);
        self.filled_at + Duration::from_millis(millis)
    }

    fn burst(&self) -> i64 {
        self.budget.max(LEAST_BURST) * ONE
    }

    /// What must stay in the bucket, beside the request itself, for what cannot wait.
    fn reserve(&self) -> i64 {
        ONE + (self.burst() - ONE) / 4 * 3
    }
}

/// How late a recurring request is.
#[derive(Debug, Clone, Copy)]
struct Lateness {
    by: Duration,
    interval: Duration,
}

impl Lateness {
    fn is_later_than(self, other: Lateness) -> bool {
        let product = |by: Duration, interval: Duration| by.as_millis().saturating_mul(interval.as_millis());
        product(self.by, other.interval) > product(other.by, self.interval)
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

/// One request, in the millionths that the bucket counts.
const ONE: i64 = 1_000_000;
/// A second's worth of a smaller budget would not hold the lists of a unified account and its set.
const LEAST_BURST: i64 = 16;
/// While a look at a mode is overdue, one turn of so many is its.
const SHARE: u32 = 10;
/// Of so many round trips the slowest counts.
const ROUND_TRIPS: usize = 16;
/// How long a verdict may take from its first list to its set, less a margin of half a second.
const VERDICT_TIME: Duration = Duration::from_millis(4500);
