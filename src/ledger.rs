//! The ledger: what posmoded did, on disk (intents, applied modes, brakes, revisions, history).
//!
//! Its database is a file (SQLite) or one on a server (PostgreSQL); each statement is written once, for both.
//!
//! Each call but `notice` is one transaction: it commits as a whole or changes nothing. Decided here is only what must be
//! decided in the transaction that writes it: whether a set may be noted, a plan approved, a user id pinned. One thread owns the connection; in simulation the same code runs on the caller's thread,
//! because a real thread would let virtual time jump.

mod backup;
mod company;
mod copying;
mod database;
mod directives;
mod error;
mod event;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod home;
mod identities;
mod instance;
mod intents;
mod listeners;
mod lock;
mod moved;
mod noted;
mod now;
mod peers;
mod postgres;
mod refreshes;
mod refusal;
mod registration;
mod requests;
mod restore;
mod revisions;
mod schema;
mod soundness;
mod spans;
mod sqlite;
mod store;
mod targets;
mod timeline;
mod transfer;
mod trouble;
mod tx;
mod unsound;
mod value;
mod visitor;
mod watches;
mod whose;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::watch;

pub use backup::{BackupError, backup};
pub use company::{Company, Reach};
pub use directives::{CommandAnswer, Counted, Directives, Limits, PauseRow, beside};
pub use error::{ApproveError, CloseError, LedgerError, Newer, OpenError, ResumeError, VisitError};
pub use event::{Event, EventKind};
pub use history::HistoryFilter;
pub use home::Home;
pub use identities::{Pinned, Pins};
pub use instance::Instance;
pub use intents::{Allowance, IntentRow};
pub use noted::Noted;
pub use peers::{Peer, Shown};
pub use postgres::{Address, AddressError};
pub use refreshes::RefreshRequest;
pub use refusal::Refusal;
pub use registration::TargetRecord;
pub use requests::CommandRequest;
pub use restore::{RestoreError, Restored, restore};
pub use revisions::{Accepted, Publication, Revision};
pub use soundness::{Findings, verify};
pub use spans::OutOfSync;
pub use store::place;
pub use timeline::{Spans, SpansFilter, TargetSpans};
pub use transfer::{TransferError, Transferred, transfer};
pub use unsound::Unsound;
pub use visitor::Visitor;
pub use watches::Span;
pub use words::Stage;

use company::Guest;
use database::Place;
use intents::IntentRequest;
use listeners::Listeners;
use lock::LOCK;
use peers::SILENCE;
use store::{DATABASE, Store, Writes};
use writer::Executor;

use crate::access::{Ourselves, Rights};
use crate::clock::Clock;
use crate::facts::{
    Ancestry, Applied, Change, Generation, Intent, IntentId, IntentState, RequestId, SetAnswer,
};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, KeyId, Kind, PositionMode, Scope, Target, Uid};
use crate::protocol::Plan;

/// The daemon's handle to its ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    executor: Arc<Executor>,
    clock: Clock,
    place: Place,
    directives: Listeners,
    writes: Writes,
}

/// The outcome of a request to note a set.
#[derive(Debug, PartialEq, Eq)]
pub enum Note {
    /// The intent is on disk and the set may be sent, once.
    Noted(Noted, Intent),
    /// A newer revision, a pause, an unresolved set of the target, another name for the same account or a used up
    /// budget forbids it; nothing was written.
    Braked,
}

/// Refuses a state directory to which others may write. A sticky bit does not help: they could make a file that is not there
/// yet, such as the ledger itself, or its log.
pub fn check_directory(dir: &Path) -> Result<(), OpenError> {
    let about = fs::metadata(dir).map_err(|source| OpenError::Io { dir: dir.to_owned(), source })?;
    let (rights, us) = (Rights::from(&about), Ourselves::of_the_process());
    if rights.others_may_write(&us) {
        let mend = rights.mend_directory(&us, dir);
        return Err(OpenError::Exposed { dir: dir.to_owned(), rights, mend });
    }
    Ok(())
}

impl Ledger {
    /// Opens the ledger as its one daemon, making it, and its directory, if missing. `us` is told to commands and to other
    /// daemons.
    pub async fn open(home: impl Into<Home>, clock: Clock, us: Instance) -> Result<Ledger, OpenError> {
        let home = home.into();
        let lock = match &home {
            Home::Directory(dir) => Some(Ledger::hold_directory(dir, &clock, us.clone()).await?),
            Home::Server(_) => None,
        };
        let place = home.place();
        let mut seen = None;
        let (executor, (directives, writes)) = loop {
            let lock = lock.as_ref().map(File::try_clone).transpose();
            let lock = lock.map_err(|source| OpenError::Io { dir: place.to_string().into(), source })?;
            match Executor::threaded(place.clone(), clock.clone(), us.clone(), lock).await {
                // It may have been killed: another one is silent for as long as it can be, and no longer.
                Err(OpenError::Used { by, sign, .. }) if seen.as_ref().is_none_or(|seen| *seen == sign) => {
                    if seen.is_none() {
                        tracing::info!(
                            "the ledger's database has a posmoded already ({by}): it has {SILENCE} s for a sign of life"
                        );
                    }
                    seen = Some(sign);
                    clock.sleep_until(clock.now() + Duration::from_secs(1)).await;
                }
                opened => break opened?,
            }
        };
        Ok(Ledger { executor: Arc::new(executor), clock, place, directives, writes })
    }

    /// Takes a state directory for this process alone, which is made if it is missing.
    async fn hold_directory(dir: &Path, clock: &Clock, us: Instance) -> Result<File, OpenError> {
        let unusable = |source| OpenError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        check_directory(dir)?;
        let lock = lock::hold(dir, clock, us).await?;
        moved::check(dir)?;
        files::make_for_the_owner(&dir.join(DATABASE)).map_err(unusable)?;
        Ok(lock)
    }

    /// A new ledger in memory, for simulation: no thread, no file, no lock.
    pub fn in_memory(clock: Clock) -> Result<Ledger, OpenError> {
        let number = IN_MEMORY.fetch_add(1, Ordering::Relaxed);
        let place = PathBuf::from(format!("file:/posmoded-{number}?vfs=memdb"));
        Ledger::inline(Place::File(place), clock)
    }

    /// The same in a database on a server, where nobody else works.
    pub fn simulated_on(address: Address, clock: Clock) -> Result<Ledger, OpenError> {
        Ledger::inline(Place::Server(Arc::new(address)), clock)
    }

    /// The same ledger in memory as a new process opens it: sets under way become unclear. The old handle must not be
    /// used any more.
    pub fn restarted(&self, clock: Clock) -> Result<Ledger, OpenError> {
        Ledger::inline(self.place.clone(), clock)
    }

    /// A ledger in memory as the new process of a host of several opens it, for simulation.
    pub fn among(&self, company: &Company, host: &str, clock: Clock) -> Result<Ledger, OpenError> {
        let path = match &self.place {
            Place::File(path) | Place::Among(path, _) => path.clone(),
            Place::Server(address) => PathBuf::from(address.to_string()),
        };
        let guest = Guest::of(company, host, Duration::from_secs(SILENCE));
        Ledger::inline(Place::Among(path, guest), clock)
    }

    /// Opens the ledger as a command in another process does.
    pub fn visitor(&self) -> Result<Visitor, VisitError> {
        let lock = match &self.place {
            Place::File(path) => path.parent().map(|dir| dir.join(LOCK)),
            Place::Among(..) | Place::Server(_) => None,
        };
        Visitor::at(self.place.clone(), lock, self.clock.clone())
    }

    fn inline(place: Place, clock: Clock) -> Result<Ledger, OpenError> {
        let store = Store::open(&place, clock.clone(), None, None)?;
        let (directives, writes) = (store.directives(), store.writes());
        Ok(Ledger { executor: Arc::new(Executor::inline(store)), clock, place, directives, writes })
    }

    /// Says that this daemon ends, once all else is written; whoever waits for its place need not wait for its silence.
    pub async fn leave(&self) {
        let left = self.executor.run(|store| {
            store.leave();
            Ok(())
        });
        // A thread that has ended has left.
        let _ = left.await;
    }

    /// Records what the file wants of a target and returns what is on record for it. An unresolved set is returned as
    /// unclear: the caller does not know its outcome.
    pub async fn register_target(
        &self,
        target: &Target,
        desired: Option<PositionMode>,
        generation: Generation,
    ) -> Result<TargetRecord, LedgerError> {
        let target = target.clone();
        self.executor
            .run(move |store| {
                store.write(|tx, now| registration::register_target(tx, now, &target, desired, generation))
            })
            .await
    }

    /// Writes the intent of a set unless a brake on disk forbids it. From then on the set may be sent, once.
    pub async fn note(
        &self,
        target: &Target,
        change: Change,
        generation: Generation,
        stamp: ServerTime,
        allowed: impl Into<Allowance> + Send,
    ) -> Result<Note, LedgerError> {
        let target = target.clone();
        let request =
            IntentRequest { target: target.clone(), change, generation, stamp, allowed: allowed.into() };
        // Taken before the write: however late this task is woken, the set must be sent within its time.
        let at = self.clock.now();
        let written = self.executor.run(move |store| store.note(&request)).await?;
        let Some(id) = written else {
            return Ok(Note::Braked);
        };
        let state = IntentState::Noted { at };
        let intent = Intent { id, change, generation, stamp, own_fence: None, state };
        Ok(Note::Noted(Noted::new(id, target, change.to, stamp), intent))
    }

    /// Records that the set will not be sent. If this fails, go on as after an unclear answer: the intent stands.
    pub async fn withdraw(&self, noted: Noted, why: &str) -> Result<(), LedgerError> {
        let (id, why) = (noted.id(), why.to_owned());
        self.executor.run(move |store| store.write(|tx, now| intents::withdraw(tx, now, id, &why))).await
    }

    /// Records the exchange's answer to a set.
    pub async fn record_answer(&self, id: IntentId, answer: &SetAnswer) -> Result<(), LedgerError> {
        let answer = answer.clone();
        self.executor.run(move |store| store.write(|tx, now| intents::answered(tx, now, id, &answer))).await
    }

    /// Records that the set was accepted but no read showed it in time. Like the next two calls it also takes an intent
    /// that is still `noted` on disk, because writing the answer may have failed.
    pub async fn record_unconfirmed(&self, id: IntentId) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::unconfirmed(tx, now, id))).await
    }

    /// Records that the set was accepted and a read shows it; `applied` is given if that is what the file wants.
    pub async fn record_confirmed(&self, id: IntentId, applied: Option<Applied>) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::confirmed(tx, now, id, applied))).await
    }

    /// Records the outcome of an unresolved set, as a read after its fence shows it.
    pub async fn record_resolved(
        &self,
        id: IntentId,
        took_effect: bool,
        applied: Option<Applied>,
    ) -> Result<(), LedgerError> {
        self.executor
            .run(move |store| store.write(|tx, now| intents::resolved(tx, now, id, took_effect, applied)))
            .await
    }

    /// Records the outcome of an unresolved set that an operator closes, as a read shows it, and answers the request.
    pub async fn record_closed(
        &self,
        request: RequestId,
        id: IntentId,
        took_effect: bool,
        applied: Option<Applied>,
    ) -> Result<(), LedgerError> {
        self.executor
            .run(move |store| {
                store.write(|tx, now| directives::closed(tx, now, request, id, took_effect, applied))
            })
            .await
    }

    /// Refuses a command's request, with the reason: one or two sentences.
    pub async fn refuse(&self, request: RequestId, why: &str) -> Result<(), LedgerError> {
        let why = why.to_owned();
        self.executor
            .run(move |store| store.write(|tx, now| directives::answered(tx, now, request, Some(&why))))
            .await
    }

    /// Reports that our accounts of a request were looked at.
    pub async fn record_looked(&self, request: RequestId) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| directives::taken_up(tx, now, request))).await
    }

    /// Records that a look that was asked for has ended a wait of the target, with who asked.
    pub async fn refreshed(&self, target: &Target, text: String) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor
            .run(move |store| store.write(|tx, now| refreshes::ended_a_wait(tx, now, &target, &text)))
            .await
    }

    /// Records that a set resolved as without effect shows in a read after all. Its mode is the applied one.
    pub async fn record_late(&self, id: IntentId, applied: Applied) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| intents::late(tx, now, id, applied))).await
    }

    /// Records that live equals desired without a set: adopted, or changed by somebody else. `before` is the mode
    /// applied before.
    pub async fn record_applied(
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

    /// Compares the UID that `key` showed with the pinned one; the first look pins it. Two names may have the same UID
    /// pinned: [`Directives::pins`] contains both.
    pub async fn pin(&self, account: &AccountName, uid: &Uid, key: &KeyId) -> Result<Pinned, LedgerError> {
        let (account, uid, key) = (account.clone(), uid.clone(), key.clone());
        self.executor
            .run(move |store| {
                store.write_identity(&account, |tx, now| identities::pin(tx, now, &account, &uid, &key))
            })
            .await
    }

    /// Brings content of the file into force if `after` still is: where several hosts publish at once, all but the first are
    /// told what came before them. Content equal to the last good one keeps its revision number.
    pub async fn accept_revision(
        &self,
        after: Option<&Revision>,
        publication: Publication,
    ) -> Result<Accepted, LedgerError> {
        let after = after.map(|after| (after.generation, after.commit.clone()));
        self.executor
            .run(move |store| {
                store.write(|tx, now| {
                    let after = after.as_ref().map(|(generation, commit)| (*generation, commit.as_deref()));
                    revisions::accept(tx, now, after, &publication)
                })
            })
            .await
    }

    /// Records that the content in force is that of a newer commit, too. Returns `false`, and records nothing, if another
    /// process wrote meanwhile that something else is in force.
    pub async fn moved_on(
        &self,
        revision: &Revision,
        commit: &str,
        ancestry: Option<&Ancestry>,
    ) -> Result<bool, LedgerError> {
        let (generation, before) = (revision.generation, revision.commit.clone());
        let (commit, ancestry) = (commit.to_owned(), ancestry.cloned());
        self.executor
            .run(move |store| {
                store.write(|tx, _| {
                    let before = (generation, before.as_deref());
                    Ok(revisions::moved_on(tx, before, &commit, ancestry.as_ref())?)
                })
            })
            .await
    }

    /// What is in force if it is another content, or of another commit, than this one.
    pub async fn other_than(&self, revision: &Revision) -> Result<Option<Revision>, LedgerError> {
        let (generation, sha256, commit) =
            (revision.generation, revision.sha256.clone(), revision.commit.clone());
        self.executor
            .run(move |store| {
                store.read(|tx, _| revisions::other_than(tx, generation, &sha256, commit.as_deref()))
            })
            .await
    }

    /// Whether a commit, or content that is of none, was in force before what is in force now.
    pub async fn was_in_force(&self, sha256: &str, commit: Option<&str>) -> Result<bool, LedgerError> {
        let (sha256, commit) = (sha256.to_owned(), commit.map(str::to_owned));
        self.executor
            .run(move |store| store.read(|tx, _| revisions::was_in_force(tx, &sha256, commit.as_deref())))
            .await
    }

    /// Whether no other host is known to work with this ledger, living or not.
    pub fn is_alone(&self) -> bool {
        !self.directives.newest().has_others
    }

    /// The newest accepted content of the file.
    pub async fn last_good(&self) -> Result<Option<Revision>, LedgerError> {
        self.executor.run(|store| store.read(|tx, _| revisions::last_good(tx))).await
    }

    /// Deletes the desired and applied modes of an account's targets, except for the scopes in `keep` (`None`: the
    /// account left the file, so its pinned UID and its kind are deleted too). Intents and history stay. Returns the
    /// signing time of the newest unresolved set whose target no longer exists, of this account or of one without any
    /// target: that may be this account's former name.
    pub async fn release(
        &self,
        account: &AccountName,
        keep: Option<&BTreeSet<Scope>>,
    ) -> Result<Option<ServerTime>, LedgerError> {
        let (account, keep) = (account.clone(), keep.cloned());
        self.executor
            .run(move |store| {
                store.write_identity(&account, |tx, now| {
                    registration::release(tx, now, &account, keep.as_ref())
                })
            })
            .await
    }

    /// The same for an account that is not in this revision of the file; does nothing where there is a newer one.
    pub async fn release_the_gone(
        &self,
        account: &AccountName,
        generation: Generation,
    ) -> Result<(), LedgerError> {
        let account = account.clone();
        self.executor
            .run(move |store| {
                store.write_identity(&account, |tx, now| {
                    if !intents::is_outdated(tx, generation)? {
                        registration::release(tx, now, &account, None)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Records the kind of an account, with an event if it was another one before: [`Directives::kinds`].
    pub async fn record_kind(&self, account: &AccountName, kind: Kind) -> Result<(), LedgerError> {
        let account = account.clone();
        self.executor
            .run(move |store| {
                store.write_identity(&account, |tx, now| identities::observed(tx, now, &account, kind))
            })
            .await
    }

    /// The accounts with anything on record that `release` would delete.
    pub async fn accounts(&self) -> Result<BTreeSet<AccountName>, LedgerError> {
        self.executor.run(|store| store.read(|tx, _| targets::accounts(tx))).await
    }

    /// Records that a lane rests until a wall time (ms since 1970); a shorter rest does not end a longer one. One that the
    /// exchange counts by address rests for our host alone.
    pub async fn cool_down(
        &self,
        lane: &str,
        by_address: bool,
        until_wall_ms: i64,
    ) -> Result<(), LedgerError> {
        let lane = lane.to_owned();
        self.executor
            .run(move |store| {
                store.write(|tx, now| Ok(revisions::cool_down(tx, now, &lane, by_address, until_wall_ms)?))
            })
            .await
    }

    /// The lanes that still rest for our host, each with the wall time (ms since 1970) at which its rest ends.
    pub async fn cool_downs(&self) -> Result<BTreeMap<String, i64>, LedgerError> {
        self.executor.run(|store| store.read(revisions::cool_downs)).await
    }

    /// Records that a target is not as the file wants it since then, by the exchange's time.
    pub async fn out_of_sync(&self, target: &Target, since: ServerTime) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor.run(move |store| store.write(|tx, _| Ok(spans::begin(tx, &target, since)?))).await
    }

    /// Since when a target is not as the file wants it, registered or not.
    pub async fn out_of_sync_since(&self, target: &Target) -> Result<OutOfSync, LedgerError> {
        let target = target.clone();
        self.executor.run(move |store| store.read(|tx, _| spans::of(tx, &target))).await
    }

    /// Records that a target is as the file wants it, with an event if it had drifted and no set of ours has ended that.
    pub async fn in_sync(&self, target: &Target) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor.run(move |store| store.write(|tx, now| spans::in_sync(tx, now, &target))).await
    }

    /// Records that the state of a target is unknown since then, or was until then; by the exchange's time.
    pub async fn unknown(
        &self,
        target: &Target,
        since: ServerTime,
        until: Option<ServerTime>,
    ) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor
            .run(move |store| store.write(|tx, _| Ok(spans::unknown(tx, &target, since, until)?)))
            .await
    }

    /// Records that a daemon runs since then and has run until then, by the exchange's time.
    pub async fn watched(&self, since: ServerTime, until: ServerTime) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, _| Ok(spans::watched(tx, since, until)?))).await
    }

    /// Records the event of a drift: [`OutOfSync::drift_noticed`].
    pub async fn drift(&self, target: &Target, event: Event) -> Result<(), LedgerError> {
        let target = target.clone();
        self.executor.run(move |store| store.write(|tx, now| spans::drift(tx, now, &target, &event))).await
    }

    /// Records an event that belongs to no other call; the ledger sets its number and time.
    pub async fn event(&self, event: Event) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.write(|tx, now| Ok(history::add(tx, now, &event)?))).await
    }

    /// Records the held plan so that it can be approved; writes nothing if it is on record and can still be approved.
    /// Call it whenever the held plan changes, an empty one included, and now and then.
    pub async fn hold(&self, plan: &Plan) -> Result<(), LedgerError> {
        let plan = plan.clone();
        self.executor.run(move |store| store.write(|tx, now| directives::hold(tx, now, &plan))).await
    }

    /// The newest events, oldest first, `most` at most.
    pub async fn newest_events(&self, most: usize) -> Result<Vec<Event>, LedgerError> {
        let filter = HistoryFilter { limit: most, ..HistoryFilter::default() };
        self.executor.run(move |store| store.read(|tx, _| history::read(tx, &filter))).await
    }

    /// Shows other hosts how our targets stand: those that differ from what they were, and those that are ours no more.
    pub async fn show(&self, shown: Vec<Shown>, gone: Vec<Shown>) -> Result<(), LedgerError> {
        self.executor.run(move |store| store.show(&shown, &gone)).await
    }

    /// Which revision our host has in force; others are told with the next sign of life.
    pub async fn in_force(&self, generation: Generation, commit: Option<&str>) -> Result<(), LedgerError> {
        let commit = commit.map(str::to_owned);
        self.executor
            .run(move |store| {
                store.in_force(generation, commit);
                Ok(())
            })
            .await
    }

    /// All hosts, and how their targets stand: those of others.
    pub async fn peers(&self) -> Result<(Vec<Peer>, Vec<Shown>), LedgerError> {
        self.executor.run(Store::peers).await
    }

    /// Whether daemons of several hosts may work with it.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Place::Among(..) | Place::Server(_))
    }

    /// What operators wrote, as of the last write or `notice`.
    pub fn directives(&self) -> watch::Receiver<Arc<Directives>> {
        self.directives.subscribe()
    }

    /// How many transactions this process has written.
    pub fn written(&self) -> u64 {
        self.writes.committed()
    }

    /// Registers the number of transactions with the metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.writes.register_metrics(registry);
    }

    /// Returns whether another process wrote since the last call. Publishes changed directives, then acknowledges
    /// pending requests of commands, unless a set is noted and its answer not recorded yet.
    pub async fn notice(&self) -> Result<bool, LedgerError> {
        self.executor.run(Store::notice).await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ledger({})", self.place)
    }
}

/// Numbers the ledgers in memory of this process.
static IN_MEMORY: AtomicU64 = AtomicU64::new(0);
