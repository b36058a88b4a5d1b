//! The one door through which requests leave: a caller waits here until the schedule gives it its turn and its lane a
//! permit. Nothing is sent from here.
//!
//! Nobody drives the schedule but those who wait: whoever comes, leaves or is answered asks it who is next, and one of the
//! waiting sleeps until the moment that it names.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::pace::{LaneName, Pace, Permit};
use crate::clock::Clock;
use crate::constants::PERMIT_WAIT;
use crate::facts::Stretch;
use crate::moment::Moment;
use crate::position_mode::{AccountName, Scope, Target};
use crate::schedule::{Purpose, Recurring, Schedule, Turn};

/// Who asks: a target, or nobody in particular for what all accounts need.
pub(super) type Caller = Option<Target>;

/// The turns of all requests of a process.
pub(super) struct Door {
    clock: Clock,
    budget: NonZeroU32,
    desk: Mutex<Desk>,
    /// Counts what leaves, apart from the schedule: were that wrong, no more would leave all the same.
    bucket: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
}

struct Desk {
    schedule: Schedule<Caller, Option<LaneName>>,
    /// Those who wait, by what they wait for; in the order in which they came.
    waiting: BTreeMap<(Caller, Option<LaneName>), VecDeque<Arc<Waiter>>>,
    count: u32,
    /// Who of the waiting sleeps until the next turn.
    sleeper: Option<Arc<Waiter>>,
    wakes: Option<Moment>,
    last_turn: Moment,
    /// How often each target is looked at, as it was last asked for.
    recurring: BTreeMap<Target, (Option<Duration>, Option<Duration>)>,
    /// The looks of all these together, in a million seconds.
    looks: u64,
}

/// One who waits.
struct Waiter {
    caller: Caller,
    lane: Option<LaneName>,
    called: Notify,
    given: Mutex<Option<Given>>,
}

/// The turn, with a permit of the lane if it needs one; or when the lane has a permit again.
type Given = Result<Option<Permit>, Moment>;

/// governor's view of our clock, so that it follows a paused one.
#[derive(Debug, Clone)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().0).unwrap_or(0))
    }
}

impl Door {
    /// A door for `budget` requests a second, and none in the first second.
    pub(super) fn new(clock: Clock, budget: NonZeroU32) -> Door {
        let burst = NonZeroU32::new(Schedule::<Caller, LaneName>::burst_of(budget.get())).unwrap_or(budget);
        let quota = Quota::per_second(budget).allow_burst(burst);
        let bucket = RateLimiter::direct_with_clock(quota, Ticks(clock.clone()));
        let now = clock.now();
        let desk = Desk {
            schedule: Schedule::new(budget.get(), now),
            waiting: BTreeMap::new(),
            count: 0,
            sleeper: None,
            wakes: None,
            last_turn: now,
            recurring: BTreeMap::new(),
            looks: 0,
        };
        Door { clock, budget, desk: Mutex::new(desk), bucket }
    }

    /// Waits for a turn, and for a permit of `lane` if one is named. The error is when that lane has one, if that is
    /// long.
    pub(super) async fn turn(
        &self,
        pace: &Mutex<Pace>,
        caller: Caller,
        lane: Option<LaneName>,
        purpose: Purpose,
    ) -> Given {
        let standing = self.stand(pace, caller, lane, purpose);
        let waiter = &standing.waiter;
        loop {
            let wakes = {
                let mut desk = self.desk.lock();
                if let Some(given) = waiter.given.lock().take() {
                    return given;
                }
                let sleeps = desk.sleeper.as_ref().is_none_or(|sleeper| Arc::ptr_eq(sleeper, waiter));
                if sleeps {
                    desk.sleeper = Some(Arc::clone(waiter));
                }
                desk.wakes.filter(|_| sleeps)
            };
            let woken = async {
                match wakes {
                    Some(wakes) => self.clock.sleep_until(wakes).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = waiter.called.notified() => {}
                () = woken => self.drive(&mut self.desk.lock(), pace),
            }
        }
    }

    /// A request was answered after `round_trip`: a verdict that was held back may begin now.
    pub(super) fn answered(&self, pace: &Mutex<Pace>, round_trip: Duration) {
        let mut desk = self.desk.lock();
        desk.schedule.answered(round_trip);
        self.drive(&mut desk, pace);
    }

    /// The mode of this target is going to be read so often.
    pub(super) fn watches(&self, target: &Target, every: Duration) {
        let mut desk = self.desk.lock();
        let (_, wait) = desk.recurring.get(target).copied().unwrap_or_default();
        desk.recurs(target, (Some(every), wait));
    }

    /// Nothing is waited for in this target any more.
    pub(super) fn waits_no_more(&self, target: &Target) {
        let mut desk = self.desk.lock();
        if let Some((mode, Some(_))) = desk.recurring.get(target).copied() {
            desk.recurs(target, (mode, None));
        }
    }

    /// Nobody looks at this target any more.
    pub(super) fn leaves(&self, pace: &Mutex<Pace>, target: &Target) {
        let mut desk = self.desk.lock();
        desk.forget(target);
        self.drive(&mut desk, pace);
    }

    /// The change of this target has ended, or goes no further now.
    pub(super) fn ended(&self, pace: &Mutex<Pace>, target: &Target) {
        let mut desk = self.desk.lock();
        desk.schedule.ended(&Some(target.clone()));
        self.drive(&mut desk, pace);
    }

    /// Nobody looks at this account any more, or with another key from now on.
    pub(super) fn gone(&self, pace: &Mutex<Pace>, account: &AccountName) {
        let mut desk = self.desk.lock();
        let of_it: Vec<Target> =
            desk.recurring.keys().filter(|target| target.account == *account).cloned().collect();
        for target in of_it {
            desk.forget(&target);
        }
        desk.schedule.ended(&Some(Target { account: account.clone(), scope: Scope::Account }));
        self.drive(&mut desk, pace);
    }

    /// How long a request that can wait waits from now on, as far as is known; `None` if turns should be given and are not.
    pub(super) fn wait(&self) -> Option<Duration> {
        let desk = self.desk.lock();
        // While it waits for a moment that is still to come, nothing is wrong.
        let due = desk.wakes.unwrap_or(desk.last_turn).max(desk.last_turn);
        let is_stuck = desk.count > 0 && self.clock.now().since(due) > STUCK;
        (!is_stuck).then(|| Duration::from_secs(1) * desk.count / self.budget.get())
    }

    /// By how much all recurring intervals come out longer than wanted.
    pub(super) fn stretch(&self) -> Stretch {
        let looks = self.desk.lock().looks;
        let thousandths = looks / (u64::from(self.budget.get()) * 1000);
        Stretch(u32::try_from(thousandths).unwrap_or(u32::MAX)).max(Stretch::default())
    }

    fn stand<'a>(
        &'a self,
        pace: &'a Mutex<Pace>,
        caller: Caller,
        lane: Option<LaneName>,
        purpose: Purpose,
    ) -> Standing<'a> {
        let waiter = Arc::new(Waiter {
            caller: caller.clone(),
            lane: lane.clone(),
            called: Notify::new(),
            given: Mutex::new(None),
        });
        let mut desk = self.desk.lock();
        if let Some(target) = &caller {
            let (mode, _) = desk.recurring.get(target).copied().unwrap_or_default();
            match purpose {
                Purpose::Wait(Recurring { every, .. }) => desk.recurs(target, (mode, Some(every))),
                Purpose::Begin { .. } => desk.recurs(target, (mode, None)),
                Purpose::ForAll | Purpose::Begun { .. } | Purpose::New | Purpose::Mode(_) => {}
            }
        }
        desk.waiting.entry((caller.clone(), lane.clone())).or_default().push_back(Arc::clone(&waiter));
        desk.count += 1;
        desk.schedule.ask(caller, lane, purpose, self.clock.now());
        self.drive(&mut desk, pace);
        drop(desk);
        Standing { waiter, door: self, pace }
    }

    /// Gives all turns that there are now, and lets one of the waiting sleep until the next.
    fn drive(&self, desk: &mut Desk, pace: &Mutex<Pace>) {
        let (now, before) = (self.clock.now(), desk.wakes);
        desk.wakes = loop {
            let grant = match desk.schedule.turn(now) {
                Turn::Grant(grant) => grant,
                Turn::Wait(until) => break Some(until),
                Turn::Idle => break None,
            };
            let permit = match &grant.lane {
                None => Ok(None),
                Some(lane) => {
                    let mut pace = pace.lock();
                    match pace.take(lane, now) {
                        Ok(permit) => Ok(Some(permit)),
                        Err(until) if until > now + PERMIT_WAIT => Err(until),
                        Err(until) => {
                            desk.schedule.used_up(grant.lane.clone(), until.max(now + SOON), now);
                            continue;
                        }
                    }
                }
            };
            if permit.is_ok() {
                if let Err(not_yet) = self.bucket.check() {
                    let wait = not_yet.wait_time_from(Ticks(self.clock.clone()).now());
                    tracing::error!(
                        "a turn was given {wait:?} before the budget of requests has one: it waits"
                    );
                    if let Ok(Some(permit)) = permit {
                        pace.lock().give_back_unused(permit);
                    }
                    break Some(now + wait.max(SOON));
                }
                desk.schedule.granted(&grant, now);
                desk.last_turn = now;
            } else {
                desk.schedule.forget(&grant.target, &grant.lane);
            }
            desk.give(&(grant.target, grant.lane), permit);
        };
        if desk.wakes != before || desk.sleeper.is_none() {
            desk.wake_the_sleeper();
        }
    }
}

impl Desk {
    fn give(&mut self, to: &(Caller, Option<LaneName>), given: Given) {
        let Some(waiters) = self.waiting.get_mut(to) else { return };
        if let Some(waiter) = waiters.pop_front() {
            self.count = self.count.saturating_sub(1);
            *waiter.given.lock() = Some(given);
            waiter.called.notify_one();
            if self.sleeper.as_ref().is_some_and(|sleeper| Arc::ptr_eq(sleeper, &waiter)) {
                self.sleeper = None;
            }
        }
        if waiters.is_empty() {
            self.waiting.remove(to);
        }
    }

    /// The sleeper learns when to wake; without one, somebody who waits becomes it.
    fn wake_the_sleeper(&self) {
        let sleeper = self.sleeper.as_ref().or_else(|| self.waiting.values().find_map(VecDeque::front));
        if let Some(sleeper) = sleeper {
            sleeper.called.notify_one();
        }
    }

    /// Nothing of this target is kept.
    fn forget(&mut self, target: &Target) {
        self.recurs(target, (None, None));
        self.recurring.remove(target);
        self.schedule.ended(&Some(target.clone()));
    }

    /// Counts the looks of a target at these intervals.
    fn recurs(&mut self, target: &Target, every: (Option<Duration>, Option<Duration>)) {
        let looks = |(mode, wait): (Option<Duration>, Option<Duration>)| -> u64 {
            let of =
                |every: Duration| 1_000_000_000 / u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
            mode.map_or(0, of) + wait.map_or(0, of)
        };
        let before = self.recurring.insert(target.clone(), every).unwrap_or_default();
        self.looks = self.looks + looks(every) - looks(before);
    }
}

/// One who stands there; who leaves before its turn gives back what it was given meanwhile.
struct Standing<'a> {
    waiter: Arc<Waiter>,
    door: &'a Door,
    pace: &'a Mutex<Pace>,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let Standing { waiter, door, pace } = self;
        let mut desk = door.desk.lock();
        if let Some(Ok(Some(permit))) = waiter.given.lock().take() {
            pace.lock().give_back_unused(permit);
        }
        let of = (waiter.caller.clone(), waiter.lane.clone());
        let mut was_waiting = false;
        if let Some(waiters) = desk.waiting.get_mut(&of) {
            let before = waiters.len();
            waiters.retain(|other| !Arc::ptr_eq(other, waiter));
            was_waiting = waiters.len() < before;
            if waiters.is_empty() {
                desk.waiting.remove(&of);
            }
        }
        if was_waiting {
            desk.count = desk.count.saturating_sub(1);
            desk.schedule.forget(&waiter.caller, &waiter.lane);
        }
        if desk.sleeper.as_ref().is_some_and(|sleeper| Arc::ptr_eq(sleeper, waiter)) {
            desk.sleeper = None;
        }
        // Whom it held back may go now.
        door.drive(&mut desk, pace);
    }
}

/// Nobody waits for less: the clock has whole milliseconds.
const SOON: Duration = Duration::from_millis(1);
/// Where many wait and nobody had a turn for so long, something is wrong.
const STUCK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::super::endpoint::Endpoint;
    use super::*;
    use crate::position_mode::KeyId;

    const START: i64 = 1_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    /// A door of so many requests a second, its clock, and all limits free.
    fn door(budget: u32) -> (Arc<(Door, Mutex<Pace>)>, Clock) {
        let clock = Clock::simulated(START, 1);
        let pace = Mutex::new(Pace::new(Moment(0)));
        (Arc::new((Door::new(clock.clone(), NonZeroU32::new(budget).unwrap()), pace)), clock)
    }

    fn target(name: &str) -> Target {
        Target { account: name.parse().unwrap(), scope: Scope::Account }
    }

    fn lane(name: &str, endpoint: Endpoint) -> LaneName {
        LaneName::Account(KeyId::of(name), endpoint)
    }

    fn looks(due: i64, every: Duration) -> Purpose {
        let due = Moment(START + due);
        Purpose::Mode(Recurring { due, overdue: due, every })
    }

    fn begins(since: i64) -> Purpose {
        Purpose::Begin { since: Moment(START + since), repeat: false, cost: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_as_the_schedule_wants_whoever_came_first() {
        let (door, clock) = door(1);
        let log = Arc::new(Mutex::new(Vec::new()));
        let calls = [
            ("d", looks(0, MINUTE)),
            ("c", looks(-5_000, MINUTE)),
            ("b", begins(-1_000)),
            ("e", Purpose::New),
            ("a", begins(-2_000)),
            ("f", Purpose::Begun { to_go: 1 }),
        ];
        let mut tasks = Vec::new();
        for (name, purpose) in calls {
            let (door, clock, log) = (Arc::clone(&door), clock.clone(), Arc::clone(&log));
            tasks.push(tokio::spawn(async move {
                let (door, pace) = &*door;
                let endpoint = Endpoint::Settings;
                let permit = door.turn(pace, Some(target(name)), Some(lane(name, endpoint)), purpose).await;
                assert!(matches!(permit, Ok(Some(_))));
                log.lock().push((name, (clock.now().0 - START) / 1000));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // The last three wait until three quarters of the bucket are there for what cannot wait.
        assert_eq!(*log.lock(), [("f", 2), ("a", 3), ("b", 4), ("e", 16), ("c", 17), ("d", 18)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_stretch_of_time_sees_more_than_the_burst_and_what_came_in_and_nothing_is_wasted() {
        for budget in [1, 7, 30] {
            let (door, clock) = door(budget);
            clock.sleep_until(Moment(START + 60_000)).await;
            let (door, pace) = &*door;
            let mut left = Vec::new();
            for _ in 0..200 {
                assert!(door.turn(pace, None, None, Purpose::ForAll).await.is_ok());
                left.push(clock.now().0 - START);
            }
            let burst = usize::try_from(budget.max(16)).unwrap();
            for (first, from) in left.iter().enumerate() {
                for (last, to) in left.iter().enumerate().skip(first + burst) {
                    let came_in = (to - from) * i64::from(budget) / 1000;
                    assert!(last - first < burst + usize::try_from(came_in).unwrap() + 1, "{left:?}");
                }
            }
            let last = i64::try_from(200 - burst).unwrap() * 1000 / i64::from(budget) + 60_001;
            assert!(left.last().is_some_and(|at| *at <= last + 1), "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_without_a_permit_keeps_nobody_else_waiting_and_a_long_rest_is_told() {
        let (door, clock) = door(1000);
        clock.sleep_until(Moment(START + 5_000)).await;
        let (door, pace) = &*door;
        let ask = |name: &'static str, endpoint| {
            door.turn(pace, Some(target(name)), Some(lane(name, endpoint)), Purpose::Begun { to_go: 1 })
        };
        let first = ask("a", Endpoint::AccountInfo).await.unwrap().unwrap();
        let began = clock.now();
        let (second, other) = tokio::join!(ask("a", Endpoint::AccountInfo), async {
            let other = ask("b", Endpoint::AccountInfo).await;
            assert_eq!(clock.now(), began, "it does not stand behind the other");
            pace.lock().give_back(first, clock.now(), super::super::pace::Word::TooMany);
            other
        });
        assert!(other.is_ok());
        // A look that it cannot have for five seconds is told when it can.
        assert_eq!(second.unwrap_err(), began + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_leaves_no_gap_and_no_permit_behind() {
        let (door, clock) = door(1);
        let call = |name: &'static str, purpose| {
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                let (door, pace) = &*door;
                door.turn(pace, Some(target(name)), Some(lane(name, Endpoint::AccountInfo)), purpose)
                    .await
                    .is_ok()
            })
        };
        let (dropped, waiting) = (call("a", Purpose::ForAll), call("b", begins(0)));
        tokio::task::yield_now().await;
        dropped.abort();
        assert!(waiting.await.unwrap());
        assert_eq!(clock.now(), Moment(START + 2_000));
        // Dropped between its turn and its waking, it has given back its permit.
        clock.sleep_until(Moment(START + 60_000)).await;
        let given = call("c", begins(0));
        given.abort();
        assert!(given.await.is_err());
        assert!(call("c", begins(0)).await.unwrap());
        assert_eq!(clock.now(), Moment(START + 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn intervals_that_the_budget_cannot_keep_come_out_longer_by_one_factor() {
        let (door, clock) = door(1);
        clock.sleep_until(Moment(START + 60_000)).await;
        let (door, pace) = &*door;
        assert_eq!(door.stretch(), Stretch(1000));
        for name in ["a", "b", "c"] {
            door.watches(&target(name), Duration::from_millis(500));
        }
        assert_eq!(door.stretch(), Stretch(6000));
        let waits = Purpose::Wait(Recurring {
            due: clock.now(),
            overdue: clock.now(),
            every: Duration::from_secs(1),
        });
        assert!(door.turn(pace, Some(target("a")), None, waits).await.is_ok());
        assert_eq!(door.stretch(), Stretch(7000));
        for name in ["a", "b"] {
            door.gone(pace, &target(name).account);
        }
        assert_eq!(door.stretch(), Stretch(2000));
    }
}
