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

/// What a request is for: its turn goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Others wait for its answer: the exchange's time, its list of contracts.
    ForAll,
    /// It goes on with a change that has begun and still needs so many requests, itself included.
    Begun {
        /// Used only if the change began without a turn of this process.
        to_go: u32,
    },
    /// It begins a change: as in [`Want::Begin`].
    Begin {
        /// When the change was first wanted, or a look last found nothing open any more.
        since: Moment,
        /// Whether something was found open again in this wait.
        repeat: bool,
        /// Requests of the verdict, its set and the read that confirms it; 0 for a look at the mode or at the account.
        cost: u32,
    },
    /// It is the first of its target in this process.
    New,
    /// It recurs: a look at the mode.
    Mode(Recurring),
    /// It recurs: a look at what the target waits for.
    Wait(Recurring),
}

/// When a recurring request was due, and how often it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurring {
    /// When it was due.
    pub due: Moment,
    /// When a whole interval has passed since the last one. It is due a random part sooner, which gives it no right to a turn
    /// before others.
    pub overdue: Moment,
    /// How often it is due.
    pub every: Duration,
}

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
        /// The first requests; with the first turn of a verdict the others have begun, too.
        next: Vec<L>,
        /// Requests of the verdict, its set and the read that confirms it; 0 for a look at the mode.
        cost: u32,
    },
    /// It was never asked in this process.
    New {
        /// Its first requests.
        next: Vec<L>,
    },
}

/// A request that recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<L> {
    /// When it is due.
    pub at: Moment,
    /// When the whole interval has passed.
    pub overdue: Moment,
    /// How often it recurs.
    pub interval: Duration,
    /// The requests.
    pub lanes: Vec<L>,
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

    /// The most requests that may leave at once with a budget of so many a second.
    pub fn burst_of(budget: u32) -> u32 {
        budget.max(LEAST_BURST)
    }

    /// Who sends the next request.
    pub fn turn(&self, now: Moment) -> Turn<T, L> {
        let tokens = self.tokens_at(now);
        let grant_at = |level: i64, grant: Grant<T, L>| {
            if tokens >= level { Turn::Grant(grant) } else { Turn::Wait(self.filled_to(level)) }
        };
        if self.owed >= SHARE - 1
            && let Some(grant) = self.overdue(now)
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
        let is_owed = self.overdue(now).is_some();
        self.owed = if grant.what == What::Mode || !is_owed { 0 } else { self.owed + 1 };
        self.tokens = self.tokens_at(now) - ONE;
        self.filled_at = self.filled_at.max(now);
        let Some(mut demand) = self.take(&grant.target) else { return };
        match grant.what {
            What::Mode => demand.mode = demand.mode.and_then(|due| due.without(&grant.lane)),
            What::Wait => demand.wait = demand.wait.and_then(|due| due.without(&grant.lane)),
            What::New | What::Begun | What::Begin => {
                demand.want = demand.want.and_then(|want| want.after(&grant.lane, now));
            }
        }
        self.put(grant.target.clone(), demand);
    }

    /// The target wants a request.
    pub fn ask(&mut self, target: T, lane: L, purpose: Purpose, now: Moment) {
        let mut demand = self.take(&target).unwrap_or_default();
        let add = |due: Option<Due<L>>, Recurring { due: at, overdue, every }: Recurring, lane| {
            let mut lanes = due.map(|due| due.lanes).unwrap_or_default();
            lanes.push(lane);
            Some(Due { at, overdue, interval: every, lanes })
        };
        match purpose {
            Purpose::Mode(recurring) => demand.mode = add(demand.mode.take(), recurring, lane),
            Purpose::Wait(recurring) => demand.wait = add(demand.wait.take(), recurring, lane),
            Purpose::ForAll => {
                demand.want = Some(Want::joined(demand.want.take(), lane, Moment(i64::MIN), 1));
            }
            Purpose::Begun { to_go } => {
                demand.want = Some(Want::joined(demand.want.take(), lane, now, to_go.max(1)));
            }
            Purpose::Begin { since, repeat, cost } => {
                demand.want = Some(match demand.want.take() {
                    begun @ Some(Want::Begun { .. }) => Want::joined(begun, lane, now, 1),
                    Some(Want::Begin { mut next, .. } | Want::New { mut next }) => {
                        next.push(lane);
                        Want::Begin { since, repeat, next, cost }
                    }
                    None => Want::Begin { since, repeat, next: vec![lane], cost },
                });
            }
            Purpose::New => {
                demand.want = Some(match demand.want.take() {
                    Some(Want::New { mut next }) => {
                        next.push(lane);
                        Want::New { next }
                    }
                    Some(other) => Want::joined(Some(other), lane, now, 1),
                    None => Want::New { next: vec![lane] },
                });
            }
        }
        self.put(target, demand);
    }

    /// The target no longer wants a request that it has asked for.
    pub fn forget(&mut self, target: &T, lane: &L) {
        let Some(mut demand) = self.take(target) else { return };
        let is_recurring = |due: &Option<Due<L>>| due.as_ref().is_some_and(|due| due.lanes.contains(lane));
        if is_recurring(&demand.wait) {
            demand.wait = demand.wait.and_then(|due| due.without(lane));
        } else if is_recurring(&demand.mode) {
            demand.mode = demand.mode.and_then(|due| due.without(lane));
        } else {
            demand.want = demand.want.and_then(|want| want.without(lane));
        }
        self.put(target.clone(), demand);
    }

    /// The change of the target that had begun has ended, or goes no further now.
    pub fn ended(&mut self, target: &T) {
        let is_begun = |demand: &Demand<L>| matches!(demand.want, Some(Want::Begun { .. }));
        if self.demands.get(target).is_some_and(is_begun)
            && let Some(demand) = self.take(target)
        {
            let waiting = match demand.want {
                Some(Want::Begun { at, next, to_go: _ }) if !next.is_empty() => {
                    let to_go = u32::try_from(next.len()).unwrap_or(u32::MAX);
                    Some(Want::Begun { at, next, to_go })
                }
                _ => None,
            };
            self.put(target.clone(), Demand { want: waiting, ..demand });
        }
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
        if demand == Demand::default() {
            return;
        }
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
            if let Some(Due { at, overdue: _, interval, lanes: _ }) = due {
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
            if let Some(Due { at, overdue: _, interval, lanes: _ }) = due
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
    pub fn used_up(&mut self, lane: L, free_at: Moment, now: Moment) {
        self.free_at.retain(|_, at| *at > now);
        self.free_at.insert(lane, free_at);
    }

    fn oldest_begun(&self, now: Moment) -> Option<Grant<T, L>> {
        self.begun.iter().find_map(|(_, target)| {
            let Some(Want::Begun { next, .. }) = &self.demands.get(target)?.want else { return None };
            let lane = self.first_free(next, now)?;
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
            let Some(next) = self.first_free(next, now).filter(|_| *cost == 0 || held_back.is_none()) else {
                continue;
            };
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
        if self.begun.is_empty() { beside.min(i64::from(cost) * ONE) } else { beside }
            .clamp(ONE, self.burst())
    }

    /// The first of those that were never asked; else the latest of all that recurs.
    fn first_of_the_rest(&self, now: Moment) -> Option<Grant<T, L>> {
        let never_asked = self.never_asked.iter().find_map(|target| {
            let Some(Want::New { next }) = &self.demands.get(target)?.want else { return None };
            let lane = self.first_free(next, now)?;
            Some(Grant { target: target.clone(), lane: lane.clone(), what: What::New })
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
                let free = self.first_free(self.lanes_of(target, what)?, now)?;
                let lateness = Lateness { by: now.since(*due), interval: *interval };
                Some((lateness, Grant { target: target.clone(), lane: free.clone(), what }))
            })
        });
        heads.reduce(|latest, other| if other.0.is_later_than(latest.0) { other } else { latest })
    }

    /// The latest look at a mode, if a whole interval has passed since the one before.
    fn overdue(&self, now: Moment) -> Option<Grant<T, L>> {
        let (_, grant) = self.latest(&self.modes, What::Mode, now)?;
        let due = self.demands.get(&grant.target)?.mode.as_ref()?;
        (due.overdue <= now).then_some(grant)
    }

    fn lanes_of(&self, target: &T, what: What) -> Option<&[L]> {
        let Demand { want: _, mode, wait } = self.demands.get(target)?;
        let due = if what == What::Mode { mode } else { wait };
        due.as_ref().map(|due| due.lanes.as_slice())
    }

    fn first_free<'a>(&self, lanes: &'a [L], now: Moment) -> Option<&'a L> {
        lanes.iter().find(|lane| self.free_at.get(lane).is_none_or(|at| *at <= now))
    }

    /// When something may be granted though nothing is now: a due time, a lane that is free again, tokens for a verdict that
    /// is held back (more than the bucket holds: only an answer lets it begin).
    fn soonest(&self, now: Moment, held_back: Option<i64>) -> Option<Moment> {
        let saved_up = held_back.filter(|needs| *needs <= self.burst()).map(|needs| self.filled_to(needs));
        let dues = [&self.modes, &self.waits].into_iter().flat_map(BTreeMap::values);
        let next_due =
            dues.filter_map(|all| all.iter().rev().map(|(due, _)| *due).take_while(|due| *due > now).last());
        let next_free = self.free_at.values().copied().filter(|at| *at > now);
        next_due.chain(next_free).chain(saved_up).min()
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
        self.budget.max(i64::from(LEAST_BURST)) * ONE
    }

    /// What must stay in the bucket, beside the request itself, for what cannot wait.
    fn reserve(&self) -> i64 {
        ONE + (self.burst() - ONE) / 4 * 3
    }
}

impl<L> Default for Demand<L> {
    fn default() -> Demand<L> {
        Demand { want: None, mode: None, wait: None }
    }
}

impl<L: PartialEq> Want<L> {
    /// Of a change that has begun, or begins with this request: it, and what was wanted before.
    fn joined(before: Option<Want<L>>, lane: L, at: Moment, to_go: u32) -> Want<L> {
        let (at, mut next, to_go) = match before {
            Some(Want::Begun { at, next, to_go }) => (at, next, to_go),
            Some(Want::Begin { next, .. } | Want::New { next }) => (at, next, to_go),
            None => (at, Vec::new(), to_go),
        };
        next.push(lane);
        let to_go = to_go.max(u32::try_from(next.len()).unwrap_or(u32::MAX));
        Want::Begun { at, next, to_go }
    }

    /// What is wanted once the request in this lane was sent.
    fn after(self, lane: &L, now: Moment) -> Option<Want<L>> {
        match self {
            Want::Begun { at, next, to_go } => {
                let (next, to_go) = (without(next, lane), to_go.saturating_sub(1));
                (to_go > 0 || !next.is_empty()).then_some(Want::Begun { at, next, to_go })
            }
            Want::Begin { since: _, repeat: _, next, cost } if cost > 0 => {
                let (next, to_go) = (without(next, lane), cost - 1);
                (to_go > 0 || !next.is_empty()).then_some(Want::Begun { at: now, next, to_go })
            }
            other @ (Want::Begin { .. } | Want::New { .. }) => other.without(lane),
        }
    }

    /// What is wanted without the request in this lane.
    fn without(self, lane: &L) -> Option<Want<L>> {
        match self {
            Want::Begun { at, next, to_go } => {
                let next = without(next, lane);
                // One request alone, which is given up, leaves nothing that goes on.
                (!next.is_empty() || to_go > 1).then_some(Want::Begun { at, next, to_go })
            }
            Want::Begin { since, repeat, next, cost } => {
                let next = without(next, lane);
                (!next.is_empty()).then_some(Want::Begin { since, repeat, next, cost })
            }
            Want::New { next } => {
                let next = without(next, lane);
                (!next.is_empty()).then_some(Want::New { next })
            }
        }
    }
}

impl<L: PartialEq> Due<L> {
    fn without(self, lane: &L) -> Option<Due<L>> {
        let Due { at, overdue, interval, lanes } = self;
        let lanes = without(lanes, lane);
        (!lanes.is_empty()).then_some(Due { at, overdue, interval, lanes })
    }
}

/// The lanes without one request in this one.
fn without<L: PartialEq>(mut lanes: Vec<L>, lane: &L) -> Vec<L> {
    if let Some(sent) = lanes.iter().position(|other| other == lane) {
        lanes.remove(sent);
    }
    lanes
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

/// One request, in the millionths that the bucket counts.
const ONE: i64 = 1_000_000;
/// A second's worth of a smaller budget would not hold the lists of a unified account and its set.
const LEAST_BURST: u32 = 16;
/// While a look at a mode is overdue, one turn of so many is its.
const SHARE: u32 = 10;
/// Of so many round trips the slowest counts.
const ROUND_TRIPS: usize = 16;
/// How long a verdict may take from its first list to its set, less a margin of half a second.
const VERDICT_TIME: Duration = Duration::from_millis(4500);
