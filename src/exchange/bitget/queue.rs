//! Lines (queues) of waiting calls: one for each lane's permits, and one for all requests, with a bucket of requests a
//! second.
//!
//! Only the head of a line asks for its turn. Urgent calls go before all others; among equals first come, first served.
//! Nothing is sent from here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::exchange::Urgency;
use crate::moment::Moment;

/// The line of all requests of the process, and its bucket.
pub(super) struct Queue {
    clock: Clock,
    bucket: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    interval: Duration,
    line: Line,
    last_turn: Mutex<Moment>,
}

/// The calls that wait for one resource.
#[derive(Default)]
pub(super) struct Line {
    waiting: Mutex<Waiting>,
}

/// Ordered by urgency, then by arrival.
#[derive(Default)]
struct Waiting {
    came: u64,
    ranks: BTreeMap<Rank, Arc<Notify>>,
}

type Rank = (Urgency, u64);

/// governor's view of our clock, so that it follows a paused one.
#[derive(Debug, Clone)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().0).unwrap_or(0))
    }
}

impl Queue {
    /// A line that releases `per_second` requests in any second, evenly spaced.
    pub(super) fn new(clock: Clock, per_second: NonZeroU32) -> Queue {
        let interval = Duration::from_secs(1) / per_second.get();
        let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(per_second));
        let bucket = RateLimiter::direct_with_clock(quota, Ticks(clock.clone()));
        let last_turn = Mutex::new(clock.now());
        Queue { clock, bucket, interval, line: Line::default(), last_turn }
    }

    /// Waits for the turn to send one request, by `deadline` if there is one; the error is when to retry.
    pub(super) async fn turn(&self, urgency: Urgency, deadline: Option<Moment>) -> Result<(), Moment> {
        let ask = |now| {
            let ticks = Ticks(self.clock.clone());
            self.bucket.check().map_err(|not_yet| now + whole_millis(not_yet.wait_time_from(ticks.now())))
        };
        self.line.turn(&self.clock, urgency, deadline, self.interval, ask).await?;
        *self.last_turn.lock() = self.clock.now();
        Ok(())
    }

    /// How long a request that can wait waits from now on, as far as is known; `None` if turns should be given and are not.
    pub(super) fn wait(&self) -> Option<Duration> {
        let waiting = u32::try_from(self.line.waiting().ranks.len()).unwrap_or(u32::MAX);
        let is_stuck = waiting > 0 && self.clock.now().since(*self.last_turn.lock()) > STUCK + self.interval;
        (!is_stuck).then(|| self.interval * waiting)
    }
}

impl Line {
    /// Waits until `ask` succeeds; its error is when to retry. Only the head of the line asks. If the turn does not
    /// come by the `deadline`, the error is when a retry may succeed, assuming that each turn ahead takes `each`.
    pub(super) async fn turn<G>(
        &self,
        clock: &Clock,
        urgency: Urgency,
        deadline: Option<Moment>,
        each: Duration,
        mut ask: impl FnMut(Moment) -> Result<G, Moment>,
    ) -> Result<G, Moment> {
        let place = self.stand(urgency);
        loop {
            let now = clock.now();
            let wake = if place.is_head() {
                match ask(now) {
                    Ok(given) => return Ok(given),
                    Err(free) if deadline.is_some_and(|end| now >= end || free > end) => return Err(free),
                    Err(free) => Some(free),
                }
            } else if deadline.is_some_and(|end| now >= end) {
                return Err(now + each * place.ahead());
            } else {
                deadline
            };
            let woken = async {
                match wake {
                    Some(wake) => clock.sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = place.called.notified() => {}
                () = woken => {}
            }
        }
    }

    fn stand(&self, urgency: Urgency) -> Place<'_> {
        let called = Arc::new(Notify::new());
        let mut waiting = self.waiting();
        waiting.came += 1;
        let rank = (urgency, waiting.came);
        waiting.ranks.insert(rank, Arc::clone(&called));
        Place { line: self, rank, called }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

/// A place in the line; a head that leaves wakes the new head.
struct Place<'a> {
    line: &'a Line,
    rank: Rank,
    called: Arc<Notify>,
}

impl Place<'_> {
    fn is_head(&self) -> bool {
        self.line.waiting().is_head(self.rank)
    }

    fn ahead(&self) -> u32 {
        u32::try_from(self.line.waiting().ranks.range(..self.rank).count()).unwrap_or(u32::MAX)
    }
}

impl Waiting {
    fn is_head(&self, rank: Rank) -> bool {
        self.ranks.first_key_value().is_some_and(|(first, _)| *first == rank)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting();
        let was_head = waiting.is_head(self.rank);
        waiting.ranks.remove(&self.rank);
        if let Some((_, head)) = waiting.ranks.first_key_value().filter(|_| was_head) {
            head.notify_one();
        }
    }
}

/// A line in which nobody had a turn for so long does not move.
const STUCK: Duration = Duration::from_secs(60);

/// Rounded up: a wait truncated to whole milliseconds would end too early and spin.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000;

    fn queue(per_second: u32) -> (Arc<Queue>, Clock) {
        let clock = Clock::simulated(START, 1);
        (Arc::new(Queue::new(clock.clone(), NonZeroU32::new(per_second).unwrap())), clock)
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_calls_go_first_and_equals_in_the_order_in_which_they_came() {
        let (queue, clock) = queue(10);
        let log = Arc::new(Mutex::new(Vec::new()));
        let calls = [
            ("routine 1", Urgency::Routine),
            ("routine 2", Urgency::Routine),
            ("urgent 1", Urgency::BeforeSet),
            ("routine 3", Urgency::Routine),
            ("urgent 2", Urgency::BeforeSet),
        ];
        let mut tasks = Vec::new();
        for (name, urgency) in calls {
            let (queue, clock, log) = (Arc::clone(&queue), clock.clone(), Arc::clone(&log));
            tasks.push(tokio::spawn(async move {
                queue.turn(urgency, None).await.unwrap();
                log.lock().push((name, clock.now().0 - START));
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let expected =
            [("routine 1", 0), ("urgent 1", 100), ("urgent 2", 200), ("routine 2", 300), ("routine 3", 400)];
        assert_eq!(*log.lock(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn no_sliding_second_sees_more_than_the_budget_and_little_of_it_is_wasted() {
        for per_second in [1, 7, 10, 33] {
            let (queue, clock) = queue(per_second);
            let mut left = Vec::new();
            for _ in 0..100 {
                queue.turn(Urgency::Routine, None).await.unwrap();
                left.push(clock.now().0 - START);
            }
            let limit = usize::try_from(per_second).unwrap();
            assert!(left.windows(limit + 1).all(|window| window[limit] - window[0] >= 1000), "{left:?}");
            assert!(*left.last().unwrap() <= 100 * 1000 / i64::from(per_second) + 100, "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told_when_to_come_again() {
        let (queue, clock) = queue(1);
        let deadline = Moment(START + 2000);
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.turn(Urgency::Routine, Some(deadline)).await })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        let late = |seconds: i64| Err(Moment(START + seconds * 1000));
        assert_eq!(answers, [Ok(()), Ok(()), Ok(()), late(3), late(3)]);
        assert_eq!(clock.now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_leaves_its_place_to_the_next() {
        let (queue, clock) = queue(1);
        queue.turn(Urgency::Routine, None).await.unwrap();
        let dropped = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.turn(Urgency::BeforeSet, None).await }
        });
        tokio::task::yield_now().await;
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.turn(Urgency::Routine, None).await }
        });
        tokio::task::yield_now().await;
        dropped.abort();
        waiting.await.unwrap().unwrap();
        assert_eq!(clock.now().0 - START, 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_head_asks_however_many_wait() {
        let (queue, _) = queue(100);
        let asked = Arc::new(Mutex::new(0));
        let deadline = Moment(START + 2000);
        let tasks: Vec<_> = (0..3000)
            .map(|_| {
                let (queue, asked) = (Arc::clone(&queue), Arc::clone(&asked));
                tokio::spawn(async move {
                    let ask = |now| {
                        *asked.lock() += 1;
                        let ticks = Ticks(queue.clock.clone());
                        queue
                            .bucket
                            .check()
                            .map_err(|not_yet| now + whole_millis(not_yet.wait_time_from(ticks.now())))
                    };
                    queue.line.turn(&queue.clock, Urgency::Routine, Some(deadline), queue.interval, ask).await
                })
            })
            .collect();
        let mut served = 0;
        for task in tasks {
            served += usize::from(task.await.unwrap().is_ok());
        }
        let asked = *asked.lock();
        assert!((200..=202).contains(&served), "{served} served");
        assert!(asked < 4000, "{served} served, the bucket asked {asked} times");
    }
}
