//! The declared file's content: read on a poll, sooner when inotify reports a change, and believed when two reads agree and
//! nobody is seen to be writing it, or when a whole file was put in the place of another.
//!
//! Level-triggered: what counts is what the file contains now, never which event came. The meaning of the bytes is
//! unknown here: `desired` judges whether they are good, and the protocol applies the brakes.

mod chain;
mod commit;
mod content;
mod debounce;
mod last_pull;
mod read;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Clock;
use crate::constants::{FILE_POLL, FILE_SETTLE, FILE_WRITTEN};
use crate::moment::Moment;

use self::chain::{Chain, Watch};
pub use self::content::Content;
use self::debounce::Debounce;
pub use self::debounce::FileState;
pub use self::last_pull::LastPull;
use self::read::FileReading;
use self::witness::{Witness, Witnessed};

/// A file that is being watched.
#[derive(Debug)]
pub struct Source {
    states: watch::Receiver<FileState>,
    pulls: watch::Receiver<Option<LastPull>>,
    asks: mpsc::Sender<Ask>,
    reads: Arc<AtomicU64>,
}

/// A request for a read that begins after it was made.
type Ask = oneshot::Sender<()>;

impl Source {
    /// Watches the file at `path` until `cancel`, in a task of its own. Content whose sha256 (lower-case hex) is
    /// `known_good` is believed at its first read, all other after two equal reads.
    pub fn watch(
        path: PathBuf,
        known_good: Option<String>,
        clock: Clock,
        cancel: CancellationToken,
    ) -> Source {
        Source::start(path, known_good, clock, cancel, Notice::Inotify)
    }

    fn start(
        path: PathBuf,
        known_good: Option<String>,
        clock: Clock,
        cancel: CancellationToken,
        notice: Notice,
    ) -> Source {
        let (watcher, source) = Source::prepare(path, known_good, clock, notice);
        tokio::spawn(cancel.run_until_cancelled_owned(watcher.run()));
        source
    }

    fn prepare(path: PathBuf, known_good: Option<String>, clock: Clock, notice: Notice) -> (Watcher, Source) {
        // A later change of the working directory must not move the file.
        let path = std::path::absolute(&path).unwrap_or(path);
        let (published, states) = watch::channel(FileState::NotReadYet);
        let (pulled, pulls) = watch::channel(None);
        let (asks, asked) = mpsc::channel(ASKS);
        let reads = Arc::new(AtomicU64::new(0));
        let (witness, events) = Witness::new();
        let watcher = Watcher {
            path: path.into(),
            known_good,
            clock,
            notice,
            published,
            pulled,
            asked,
            waiting: Vec::new(),
            debounce: Debounce::NotReadYet,
            reads: Arc::clone(&reads),
            under_way: None,
            witness: Arc::new(witness),
            events,
            watch: None,
            watch_before: None,
            complaint: None,
        };
        (watcher, Source { states, pulls, asks, reads })
    }

    /// Subscribes to the state of the file; a state is published only when it differs from the one before.
    pub fn subscribe(&self) -> watch::Receiver<FileState> {
        self.states.clone()
    }

    /// When the newest commit was last brought from git, if something does that here and says so: as of the last read.
    pub fn last_pull(&self) -> watch::Receiver<Option<LastPull>> {
        self.pulls.clone()
    }

    /// Reads the file now and returns when the content read is believed, or found to be changing still. Takes
    /// `FILE_SETTLE` if the content is new, and returns at once if the watching was cancelled.
    pub async fn read_again(&self) {
        let (ask, judged) = oneshot::channel();
        if self.asks.send(ask).await.is_ok() {
            // An error means that the watching ended meanwhile: there is nothing left to wait for.
            let _ = judged.await;
        }
    }

    /// How often the file has been opened so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

/// What triggers a read before the poll does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Inotify,
    /// As on a host without inotify.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests do without inotify on purpose"))]
    PollOnly,
}

struct Watcher {
    path: Arc<Path>,
    known_good: Option<String>,
    clock: Clock,
    notice: Notice,
    published: watch::Sender<FileState>,
    pulled: watch::Sender<Option<LastPull>>,
    asked: mpsc::Receiver<Ask>,
    waiting: Vec<Waiting>,
    debounce: Debounce,
    reads: Arc<AtomicU64>,
    under_way: Option<JoinHandle<Done>>,
    /// What the events of all watches tell.
    witness: Arc<Witness>,
    /// Has something once an event came.
    events: mpsc::Receiver<()>,
    watch: Option<Watch>,
    /// The one before: what happened shortly before the newest was armed, such as a close, it may still have to report.
    watch_before: Option<Watch>,
    complaint: Option<String>,
}

struct Waiting {
    ask: Ask,
    reads: u32,
}

/// The result of one visit to the file system.
struct Done {
    reading: FileReading,
    last_pull: Option<LastPull>,
    watch: Option<Watch>,
    complaint: Option<String>,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            while let Ok(ask) = self.asked.try_recv() {
                self.waiting.push(Waiting { ask, reads: 0 });
            }
            let (begun, before) = (self.clock.now(), self.witness.witnessed());
            let reading = self.read().await;
            let (ended, after) = (self.clock.now(), self.witness.witnessed());
            // Closed while it was read, it may have been read half.
            let witnessed =
                Witnessed { is_being_written: before.is_being_written || after.is_being_written, ..after };
            let known_good = self.known_good.as_deref();
            self.debounce =
                std::mem::take(&mut self.debounce).next(reading, (begun, ended), known_good, witnessed);
            if matches!(self.debounce, Debounce::Settled(_)) {
                self.witness.settled();
            }
            // What was good at the start is believed at the first read only until something else is.
            if matches!(&self.debounce, Debounce::Settled(FileReading::Content(content, _))
                if self.known_good.as_deref() != Some(content.sha256.as_str()))
            {
                self.known_good = None;
            }
            self.publish(ended);
            self.answer();
            self.until_next_read(ended).await;
        }
    }

    /// Waits for the next poll, an event, a request or, while the content is unsettled, the time of the second read.
    async fn until_next_read(&mut self, last: Moment) {
        let is_being_written = self.witness.witnessed().is_being_written;
        let (due, by_events) = match &self.debounce {
            Debounce::NotReadYet => (last, false),
            // Its close is an event. Whoever asks is answered soon, and at `FILE_WRITTEN` something else is said.
            Debounce::Unsettled { newest: _, since: _, differs_since } if is_being_written => {
                let told = Some(*differs_since + FILE_WRITTEN).filter(|told| *told > last);
                let poll = last + if self.waiting.is_empty() { FILE_POLL } else { FILE_SETTLE };
                (told.map_or(poll, |told| told.min(poll)), true)
            }
            Debounce::Unsettled { newest: _, since, differs_since: _ } => (*since + FILE_SETTLE, false),
            Debounce::Settled(_) => (last + FILE_POLL, true),
        };
        tokio::select! {
            biased;
            Some(ask) = self.asked.recv() => self.waiting.push(Waiting { ask, reads: 0 }),
            Some(()) = self.events.recv(), if by_events => {
                // However fast the events come, there is one read per `FILE_SETTLE` at most.
                self.clock.sleep_until(last + FILE_SETTLE).await;
            }
            () = self.clock.sleep_until(due) => {}
        }
    }

    /// Arms the watch anew, then reads: a change before the read is in it, one after it began is an event.
    async fn read(&mut self) -> FileReading {
        // What was reported so far is in this read.
        while self.events.try_recv().is_ok() {}
        let mut under_way = match self.under_way.take() {
            Some(under_way) => under_way,
            None => self.visit(),
        };
        let patience = self.clock.now() + FILE_POLL;
        tokio::select! {
            biased;
            done = &mut under_way => match done {
                Ok(Done { reading, last_pull, watch, complaint }) => {
                    self.pulled.send_replace(last_pull);
                    // Where the system has no more of them to give, the one that there is goes on.
                    if let Some(armed) = watch {
                        self.watch_before = self.watch.replace(armed);
                        if complaint.is_some() {
                            self.witness.is_deaf();
                        }
                    }
                    self.complain(complaint);
                    reading
                }
                Err(failed) => FileReading::Problem(format!(
                    "{} could not be read ({failed}): please report this as a fault of posmoded",
                    self.path.display()
                )),
            },
            () = self.clock.sleep_until(patience) => {
                // At most one thread hangs in the file system, not one more with each poll.
                self.under_way = Some(under_way);
                FileReading::Problem(format!(
                    "{} does not answer: check the file system that it is on",
                    self.path.display()
                ))
            }
        }
    }

    fn visit(&self) -> JoinHandle<Done> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (path, notice, witness) = (Arc::clone(&self.path), self.notice, Arc::clone(&self.witness));
        tokio::task::spawn_blocking(move || {
            let (watch, complaint) = match notice {
                Notice::Inotify => Watch::arm(Chain::walk(&path), &witness),
                Notice::PollOnly => (None, None),
            };
            let (reading, last_pull) = (read::read(&path), LastPull::of(&path));
            Done { reading, last_pull, watch, complaint }
        })
    }

    fn publish(&self, now: Moment) {
        let state = self.debounce.state(now);
        self.published.send_if_modified(|published| {
            let differs = *published != state;
            if differs {
                *published = state;
            }
            differs
        });
    }

    /// Answers a request once the content is believed, or after two reads begun since it: the content changed between
    /// them.
    fn answer(&mut self) {
        let settled = matches!(self.debounce, Debounce::Settled(_));
        for Waiting { ask, reads } in std::mem::take(&mut self.waiting) {
            if settled || reads + 1 >= 2 {
                // A requester that stopped waiting needs no answer.
                let _ = ask.send(());
            } else {
                self.waiting.push(Waiting { ask, reads: reads + 1 });
            }
        }
    }

    fn complain(&mut self, complaint: Option<String>) {
        if let Some(text) = &complaint
            && self.complaint != complaint
        {
            let poll = FILE_POLL.as_secs();
            warn!("changes of the file are seen by the poll every {poll} s only, inotify failed: {text}");
        }
        self.complaint = complaint;
    }
}

/// Requests that may queue; a requester waits for its answer, so there are hardly ever two.
const ASKS: usize = 16;

#[cfg(test)]
mod tests;
