//! Runs the jobs on the store: on the one thread that owns it, or on the caller's.
//!
//! Jobs run one after the other, in the order of submission. A submitted job runs to its end even if nobody waits for
//! its answer any more.

use std::fs::File;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::database::Place;
use super::error::{LedgerError, OpenError};
use super::instance::Instance;
use super::listeners::Listeners;
use super::store::{Store, Writes};
use crate::clock::Clock;

/// Where jobs run.
pub(super) enum Executor {
    /// On the thread that owns the store.
    Thread(Writer),
    /// On the caller's thread, at once. Boxed, because a store is large.
    Inline(Box<Mutex<Store>>),
}

/// The ledger's thread, which ends when this is dropped.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The parts of a store that other threads use.
pub(super) type Handles = (Listeners, Writes);

type Job = Box<dyn FnOnce(&mut Store) + Send>;

impl Executor {
    /// Opens the store on a thread of its own.
    pub(super) async fn threaded(
        place: Place,
        clock: Clock,
        us: Instance,
        lock: Option<File>,
    ) -> Result<(Executor, Handles), OpenError> {
        let dir = place.to_string().into();
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened, is_open) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || match Store::open(&place, clock, Some(&us), lock) {
                Ok(mut store) => {
                    let _ = opened.send(Ok((store.directives(), store.writes())));
                    for job in queue {
                        job(&mut store);
                    }
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|source| OpenError::Io { dir, source })?;
        let writer = Writer { jobs: Some(jobs), thread: Some(thread) };
        let seen = is_open.await.map_err(|_| LedgerError::Ended)??;
        Ok((Executor::Thread(writer), seen))
    }

    /// Runs jobs on the caller's thread.
    pub(super) fn inline(store: Store) -> Executor {
        Executor::Inline(Box::new(Mutex::new(store)))
    }

    /// Runs the job and returns its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        match self {
            Executor::Inline(store) => job(&mut store.lock()),
            Executor::Thread(Writer { jobs, thread: _ }) => {
                let (answer, done) = oneshot::channel();
                let job: Job = Box::new(move |store| {
                    let _ = answer.send(job(store));
                });
                jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(LedgerError::Ended)?;
                done.await.map_err(|_| LedgerError::Ended)?
            }
        }
    }
}

impl Drop for Writer {
    /// Waits for the last job, so that the lock is free once the last handle is gone.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
