//! One keeper as the fleet sees it: its task, its spec, and when it may be restarted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::Id;
use tokio_util::sync::CancellationToken;

use crate::constants::{BACKOFF_FIRST, BACKOFF_LONGEST, KEEPER_LATE};
use crate::keeper::AccountSpec;
use crate::moment::Moment;
use crate::protocol::doubled;
use crate::status::{AccountStatus, TargetStatus};

/// One keeper as the fleet sees it.
pub(super) struct Supervised {
    /// Holds the newest spec; outlives the tasks, each of which subscribes to it.
    pub(super) specs: watch::Sender<Arc<AccountSpec>>,
    /// Ends the task: cancelled when its account leaves the file, or with the fleet's. Renewed when a task ends.
    pub(super) stop: CancellationToken,
    /// The running task; `None` before the first and from the end of one to the start of the next.
    pub(super) task: Option<Id>,
    /// When the last task was started; `None` before the first.
    pub(super) started: Option<Moment>,
    /// Failures in a row, 0 before the first; starts at 1 again after a task that ran longer than `BACKOFF_LONGEST`.
    failures: u32,
    /// When it may be started after its last failure; `None` if it never failed. Only a failure changes it.
    start_again: Option<Moment>,
    /// What is shown until its keeper publishes; empty until just before the first start, replaced after a failure.
    pub(super) shown: Vec<TargetStatus>,
}

impl Supervised {
    pub(super) fn new(spec: Arc<AccountSpec>, stop: CancellationToken) -> Supervised {
        let (specs, _) = watch::channel(spec);
        Supervised {
            specs,
            stop,
            task: None,
            started: None,
            failures: 0,
            start_again: None,
            shown: Vec::new(),
        }
    }

    /// Whether it has no task and may have one now.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.task.is_none() && self.start_again.is_none_or(|at| at <= now)
    }

    /// Until when it waits to be started again; `None` while it has a task.
    pub(super) fn waits_until(&self) -> Option<Moment> {
        self.start_again.filter(|_| self.task.is_none())
    }

    /// Notes a failure of the keeper and returns the wait before its restart: longer each time unless it ran well.
    pub(super) fn failed(&mut self, now: Moment) -> Duration {
        let ran_well = self.started.is_some_and(|at| now.since(at) > BACKOFF_LONGEST);
        self.failures = if ran_well { 1 } else { self.failures.saturating_add(1) };
        let wait = doubled(BACKOFF_FIRST, self.failures, BACKOFF_LONGEST);
        self.start_again = Some(now + wait);
        wait
    }

    /// What is shown until the keeper publishes for the first time.
    pub(super) fn last_shown(&self, now: Moment) -> AccountStatus {
        let due = self.start_again.map_or(now, |at| at.max(now)) + KEEPER_LATE;
        let targets = self.shown.clone();
        let generation = self.specs.borrow().generation;
        let (clock_offset, warnings, settings) = (None, Vec::new(), None);
        AccountStatus {
            generation,
            targets,
            due,
            looked: false,
            refreshes: 0,
            clock_offset,
            warnings,
            settings,
        }
    }
}
