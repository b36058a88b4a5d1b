//! The one line in which all requests of the process stand, in front of one bucket of requests a second.
//!
//! Only the head of the line asks the bucket. Urgent calls stand before all others; among equals first come, first
//! served. Nothing is sent from here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::exchange::Urgency;
use crate::moment::Moment;

/// The line and its bucket.
pub(super) struct Queue {
    clock: Clock,
    bucket: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    interval: Duration,
    line: Mutex<Line>,
}

/// Who waits: urgent ones first, then by the order in which they came.
#[derive(Default)]
struct Line {
    came: u64,
    waiting: BTreeMap<Rank, Arc<Notify>>,
}

type Rank = (bool, u64);

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
    /// A line that lets `per_second` requests out in any second, evenly.
    pub(super) fn new(clock: Clock, per_second: NonZeroU32) -> Queue {
        let interval = Duration::from_secs(1) / per_second.get();
        let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(per_second));
        Queue {
            bucket: RateLimiter::direct_with_clock(quota, Ticks(clock.clone())),
            clock,
            interval,
            line: Mutex::default(),
        }
    }

    /// Waits for the turn to send one request. Where it does not come by `deadline`: the moment when it may be worth
    /// while to come again.
    pub(super) async fn turn(&self, urgency: Urgency, deadline: Moment) -> Result<(), Moment> {
        let place = self.stand(urgency);
        loop {
            let now = self.clock.now();
            let ahead = place.ahead();
            let (wake, come_again) = if ahead == 0 {
                match self.bucket.check() {
                    Ok(()) => return Ok(()),
                    Err(not_yet) => {
                        let ticks = Ticks(self.clock.clone()).now();
                        let free = now + whole_millis(not_yet.wait_time_from(ticks));
                        (free, free)
                    }
                }
            } else {
                (deadline, now + self.interval * ahead)
            };
            if now >= deadline || wake > deadline {
                return Err(come_again);
            }
            tokio::select! {
                biased;
                () = place.called.notified() => {}
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    fn stand(&self, urgency: Urgency) -> Place<'_> {
        let called = Arc::new(Notify::new());
        let mut line = self.line();
        line.came += 1;
        let rank = (urgency == Urgency::Routine, line.came);
        line.waiting.insert(rank, Arc::clone(&called));
        Place { queue: self, rank, called }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line; whoever leaves it calls the new head.
struct Place<'a> {
    queue: &'a Queue,
    rank: Rank,
    called: Arc<Notify>,
}

impl Place<'_> {
    fn ahead(&self) -> u32 {
        let line = self.queue.line();
        let is_head = line.waiting.first_key_value().is_some_and(|(first, _)| *first == self.rank);
        let ahead = if is_head { 0 } else { line.waiting.range(..self.rank).count() };
        u32::try_from(ahead).unwrap_or(u32::MAX)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        line.waiting.remove(&self.rank);
        if let Some((_, head)) = line.waiting.first_key_value() {
            head.notify_one();
        }
    }
}

/// Rounded up: a wait cut to whole milliseconds would end too early and turn in circles.
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
                queue.turn(urgency, Moment(START + 60_000)).await.unwrap();
                log.lock().unwrap().push((name, clock.now().0 - START));
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let expected =
            [("routine 1", 0), ("urgent 1", 100), ("urgent 2", 200), ("routine 2", 300), ("routine 3", 400)];
        assert_eq!(*log.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn no_sliding_second_sees_more_than_the_budget_and_little_of_it_is_wasted() {
        for per_second in [1, 7, 10, 33] {
            let (queue, clock) = queue(per_second);
            let mut left = Vec::new();
            for _ in 0..100 {
                queue.turn(Urgency::Routine, Moment(i64::MAX)).await.unwrap();
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
                tokio::spawn(async move { queue.turn(Urgency::Routine, deadline).await })
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
        queue.turn(Urgency::Routine, Moment(i64::MAX)).await.unwrap();
        let dropped = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.turn(Urgency::BeforeSet, Moment(i64::MAX)).await }
        });
        tokio::task::yield_now().await;
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.turn(Urgency::Routine, Moment(i64::MAX)).await }
        });
        tokio::task::yield_now().await;
        dropped.abort();
        waiting.await.unwrap().unwrap();
        assert_eq!(clock.now().0 - START, 1000);
    }
}
