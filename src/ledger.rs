//! What we did, on disk: intents, applied modes, brakes, revisions, history.
//!
//! Every call is one transaction: it happened as a whole, or it failed and nothing of it did. Decides nothing but
//! whether a set may be noted. One thread owns the connection; in simulation the same code runs in the caller's place,
//! for a real thread would let virtual time jump.

mod directives;
mod error;
mod event;
mod history;
mod identities;
mod intents;
mod listeners;
mod lock;
mod noted;
mod now;
mod registration;
mod revisions;
mod schema;
mod store;
mod targets;
mod visitor;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::watch;

pub use directives::{CommandAnswer, CommandRequest, Directives, Limits, PauseRow, Pins};
pub use error::{ApproveError, LedgerError, Newer, OpenError, ResumeError, VisitError};
pub use event::{Event, EventKind};
pub use history::HistoryFilter;
pub use identities::Pinned;
pub use intents::IntentRow;
pub use lock::Instance;
pub use noted::Noted;
pub use registration::TargetRecord;
pub use revisions::Revision;
pub use visitor::Visitor;
pub use words::Stage;

use intents::IntentRequest;
use listeners::Listeners;
use lock::LOCK;
use store::{DATABASE, Store, Writes};
use writer::Executor;

use crate::clock::Clock;
use crate::facts::{Applied, Change, Generation, Intent, IntentId, IntentState, SetAnswer};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, Kind, PositionMode, Scope, Target, Uid};
use crate::protocol::Plan;

/// The daemon's hold on its ledger; clones are the same one.
#[derive(Clone)]
pub struct Ledger {
    executor: Arc<Executor>,
    clock: Clock,
    place: PathBuf,
    directives: Listeners,
    writes: Writes,
}

/// What became of the request to note a set.
#[derive(Debug, PartialEq, Eq)]
pub enum Note {
    /// It is on disk and may leave, once.
    Noted(Noted, Intent),
    /// A newer revision, a pause, an unresolved set of the target or a used up budget forbids it; nothing was written.
    Braked,
}

impl Ledger {
    /// Opens the ledger of a state directory, and makes both where they are missing. `listen` is what others are told.
    pub async fn open(dir: &Path, clock: Clock, listen: Option<String>) -> Result<Ledger, OpenError> {
        let unusable = |source| OpenError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        let path = dir.join(LOCK);
        let us = Instance { pid: std::process::id(), listen };
        let mut lock = lock::take(&path, &us).map_err(unusable)?;
        for _ in 0..LOCK_TRIES {
            if lock.is_none() {
                clock.sleep_until(clock.now() + LOCK_PAUSE).await;
                lock = lock::take(&path, &us).map_err(unusable)?;
            }
        }
        let Some(lock) = lock else {
            let holder = lock::holder(&path);
            let pid = holder.as_ref().map(|holder| holder.pid);
            return Err(OpenError::Held { pid, listen: holder.and_then(|holder| holder.listen) });
        };
        let place = dir.join(DATABASE);
        let (executor, (directives, writes)) = Executor::threaded(place.clone(), clock.clone(), lock).await?;
        Ok(Ledger { executor: Arc::new(executor), clock, place, directives, writes })
    }

    /// A new ledger in memory, for simulation: no thread, no file, no lock.
    pub fn in_memory(clock: Clock) -> Result<Ledger, OpenError> {
        let number = IN_MEMORY.fetch_add(1, Ordering::Relaxed);
        Ledger::inline(PathBuf::from(format!("file:/posmoded-{number}?vfs=memdb")), clock)
    }

    /// The same ledger in memory as a new process finds it: what was under way is unclear. The old one must not be used
    /// any more.
    pub fn restarted(&self, clock: Clock) -> Result<Ledger, OpenError> {
        Ledger::inline(self.place.clone(), clock)
    }

    /// The ledger as a command in another process sees it.
    pub fn visitor(&self) -> Result<Visitor, VisitError> {
        let lock = self.place.parent().map(|dir| dir.join(LOCK));
        Visitor::at(self.place.clone(), lock, self.clock.clone())
    }

    fn inline(place: PathBuf, clock: Clock) -> Result<Ledger, OpenError> {
        let store = Store::open(&place, clock.clone(), None)?;
        let (directives, writes) = (store.directives(), store.writes());
        Ok(Ledger { executor: Arc::new(Executor::inline(store)), clock, place, directives, writes })
    }

    /// Writes down what the file wants of a target, and tells what is kept of it. An unresolved set comes back as
    /// unclear: who asks does not know what became of it.
    pub async fn register_target(
        &self,
        target: &Target,
        desired: Option<PositionMode>,
        generation: Generation,
    ) -> Result<TargetRecord, LedgerError> {
        let target = target.clone();
        self.executor
            .run(move |store| {
                store.write(|tx, _| registration::register_target(tx, &target, desired, generation))
            })
            .await
    }

    /// Writes the intent of a set, unless a brake that is on disk forbids it. From then on the set may leave, once.
    pub async fn note(
        &self,
        target: &Target,
        change: Change,
        generation: Generation,
        stamp: ServerTime,
        max_changes: u32,
    ) -> Result<Note, LedgerError> {
        let target = target.clone();
        let request = IntentRequest { target: target.clone(), change, generation, stamp, max_changes };
        // Not after the answer: however late this task is woken, the set has to leave within its time.
        let at = self.clock.now();
        let written =
            self.executor.run(move |store| store.write(|tx, now| intents::note(tx, now, &request))).await?;
        let Some(id) = written else {
            return Ok(Note::Braked);
        };
        let state = IntentState::Noted { at };
        let intent = Intent { id, change, generation, stamp, state };
        Ok(Note::Noted(Noted::new(id, target, change.to, stamp), intent))
    }

    /// The set will not leave. Should this fail, go on as after an unclear answer: the intent stands.
    pub async fn withdraw(&self, noted: Noted, why: &str) -> Result<(), LedgerError> {
        let (id, why) = (noted.id(), why.to_owned());
        self.executor.run(move |store| store.write(|tx, now| intents::withdraw(tx, now, id, &why))).await
    }

    /// The set was answered.
    pub async fn answered(&self, id: IntentId, answer: &SetAnswer) -> Result<(), LedgerError> {
        let answer = answer.clone();
        self.executor.run(move |store| store.write(|tx, now| intents::answered(tx, now, id, &answer))).await
    }

    /// It was accepted, and no read showed it in time. Like the two below it also takes an intent that is still
    /// `noted` on disk, for its answer may not have been writable.
    pub async fn unconfirmed(&self, id: IntentId) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::unconfirmed(tx, now, id))).await
    }

    /// It was accepted, and a read shows it; `applied` if that is what the file wants.
    pub async fn confirmed(&self, id: IntentId, applied: Option<Applied>) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::confirmed(tx, now, id, applied))).await
    }

    /// The fence of an unresolved set has passed, and a read showed what became of it.
    pub async fn resolved(
        &self,
        id: IntentId,
        took_effect: bool,
        applied: Option<Applied>,
    ) -> Result<(), LedgerError> {
        self.executor
            .run(move |store| store.write(|tx, now| intents::resolved(tx, now, id, took_effect, applied)))
            .await
    }

    /// A set that was resolved as without effect shows now. What it asked for is applied.
    pub async fn late(&self, id: IntentId, applied: Applied) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::late(tx, now, id, applied))).await
    }

    /// Live equals desired, adopted or changed by somebody else; `before` is the mode that was applied before.
    pub async fn applied(
        &self,
        target: &Target,
        applied: Applied,
        before: Option<PositionMode>,
    ) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor
            .run(move |store| {
                store.write(|tx, now| targets::applied_without_a_set(tx, now, &target, applied, before))
            })
            .await
    }

    /// Compares the UID that a key showed with the pinned one; the first look pins. Two names may have one UID pinned:
    /// [`Directives::pins`] tells both.
    pub async fn pin(&self, account: &AccountName, uid: &Uid) -> Result<Pinned, LedgerError> {
        let (account, uid) = (account.clone(), uid.clone());
        self.executor.run(move |store| store.write(|tx, now| identities::pin(tx, now, &account, &uid))).await
    }

    /// Writes an accepted content of the file; the same content as the last good one keeps its number.
    pub async fn accept_revision(
        &self,
        sha256: &str,
        bytes: &[u8],
        commit: Option<&str>,
    ) -> Result<Generation, LedgerError> {
        let (sha256, bytes, commit) = (sha256.to_owned(), bytes.to_owned(), commit.map(str::to_owned));
        self.executor
            .run(move |store| {
                store.write(|tx, now| revisions::accept(tx, now, &sha256, &bytes, commit.as_deref()))
            })
            .await
    }

    /// The newest accepted content of the file.
    pub async fn last_good(&self) -> Result<Option<Revision>, LedgerError> {
        self.executor.run(|store| store.read(|tx, _| revisions::last_good(tx))).await
    }

    /// Forgets what the file wanted of an account's targets and what is applied there, but for the scopes to keep
    /// (`None`: it left the file, and its pinned UID and its kind are forgotten too). Intents and history stay. Tells when the
    /// newest set was signed whose outcome is unknown and whose target is not kept, be it of this account or of one that has no
    /// target any more: it may have had another name.
    pub async fn release(
        &self,
        account: &AccountName,
        keep: Option<&BTreeSet<Scope>>,
    ) -> Result<Option<ServerTime>, LedgerError> {
        let (account, keep) = (account.clone(), keep.cloned());
        self.executor
            .run(move |store| store.write(|tx, now| registration::release(tx, now, &account, keep.as_ref())))
            .await
    }

    /// Writes down which kind of account it is, with an event if it was another one before: [`Directives::kinds`].
    pub async fn observed(&self, account: &AccountName, kind: Kind) -> Result<(), LedgerError> {
        let account = account.clone();
        self.executor
            .run(move |store| store.write(|tx, now| identities::observed(tx, now, &account, kind)))
            .await
    }

    /// The accounts of which something is kept that `release` forgets.
    pub async fn accounts(&self) -> Result<BTreeSet<AccountName>, LedgerError> {
        self.executor.run(|store| store.read(|tx, _| targets::accounts(tx))).await
    }

    /// A lane rests until a wall time in milliseconds; a shorter rest does not end a longer one.
    pub async fn cool_down(&self, lane: &str, until_wall_ms: i64) -> Result<(), LedgerError> {
        let lane = lane.to_owned();
        self.executor
            .run(move |store| store.write(|tx, now| Ok(revisions::cool_down(tx, now, &lane, until_wall_ms)?)))
            .await
    }

    /// The lanes that still rest, and until which wall time.
    pub async fn cool_downs(&self) -> Result<BTreeMap<String, i64>, LedgerError> {
        self.executor.run(|store| store.read(revisions::cool_downs)).await
    }

    /// Writes an event that comes with no other call; its number and time are given here.
    pub async fn event(&self, event: Event) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| Ok(history::add(tx, now, &event)?))).await
    }

    /// Writes down what is held, so that it may be approved; nothing if that is on record and may still be approved.
    /// To be called with whatever is held, an empty plan too, whenever it changes and now and then.
    pub async fn hold(&self, plan: &Plan) -> Result<(), LedgerError> {
        let plan = plan.clone();
        self.executor.run(move |store| store.write(|tx, now| directives::hold(tx, now, &plan))).await
    }

    /// What operators wrote, as of the last write or `notice`.
    pub fn directives(&self) -> watch::Receiver<Arc<Directives>> {
        self.directives.subscribe()
    }

    /// Has the number of transactions in the metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.writes.register(registry);
    }

    /// Whether another process wrote since the last time. Publishes them, then acknowledges what commands wait
    /// for, unless a set is noted and its answer not written yet.
    pub async fn notice(&self) -> Result<bool, LedgerError> {
        self.executor.run(Store::notice).await
    }

    /// What happened, oldest first.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<Vec<Event>, LedgerError> {
        let filter = filter.clone();
        self.executor.run(move |store| store.read(|tx, _| history::read(tx, &filter))).await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ledger({})", self.place.display())
    }
}

/// A command that asks who holds the lock holds it itself for a moment: so often is it tried again ...
const LOCK_TRIES: u32 = 4;
/// ... and after so long each time.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Numbers the ledgers in memory of this process.
static IN_MEMORY: AtomicU64 = AtomicU64::new(0);
