//! The connection and its transactions; the same code runs on a thread of its own or on the caller's.
//!
//! Opens the database and publishes the directives; what is written is the other files' business.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::database::{Database, Place};
use super::directives::{self, Directives, Identities};
use super::error::{LedgerError, OpenError, StoreError};
use super::instance::Instance;
use super::intents::{IntentRequest, Unsent};
use super::listeners::Listeners;
use super::now::Now;
use super::peers::{Peer, Shown};
use super::trouble::DatabaseResult;
use super::tx::Tx;
use super::{history, intents, whose};
use crate::clock::Clock;
use crate::constants::CLOCK_JUMP;
use crate::facts::{Generation, IntentId};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::AccountName;

/// Counts the transactions that wrote or failed to since the ledger was opened; clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Writes(Family<[(&'static str, &'static str); 1], Counter>);

impl Writes {
    fn new() -> Writes {
        let writes = Writes::default();
        for is_on_disk in [true, false] {
            drop(writes.counter(is_on_disk));
        }
        writes
    }

    fn counter(&self, is_on_disk: bool) -> impl Deref<Target = Counter> {
        let result = if is_on_disk { "committed" } else { "failed" };
        self.0.get_or_create(&[("result", result)])
    }

    /// How many wrote.
    pub(super) fn committed(&self) -> u64 {
        self.counter(true).get()
    }

    #[cfg(test)]
    pub(super) fn failed(&self) -> u64 {
        self.counter(false).get()
    }

    /// Registers the counts with the metrics.
    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        registry.register("ledger_writes", "Transactions of the ledger since the start", self.0.clone());
    }
}

/// The daemon's side of an open ledger.
pub(super) struct Store {
    database: Database,
    clock: Clock,
    directives: Listeners,
    data_version: i64,
    /// The exchange's time at the last transaction that wrote, and ours.
    heard: Option<(Moment, ServerTime)>,
    /// When old rows were last deleted, by the exchange's time.
    forgot_at: Option<ServerTime>,
    /// Whether something on disk may still wait to be dated by the exchange's time.
    to_date: bool,
    /// When the first of the pauses runs out whose end has no event yet.
    next_over: Option<ServerTime>,
    /// Whether that may be another one on disk.
    next_over_differs: bool,
    /// Whether a request may still wait to be acknowledged: only other processes make them.
    to_acknowledge: bool,
    writes: Writes,
    /// Notes whose commit nobody knows of.
    unsent: Vec<Unsent>,
    /// An account whose identity may be on disk otherwise than the directives have it: its write failed.
    doubted: Option<AccountName>,
    /// Held as long as the connection; the last field, so that it is dropped after it.
    _lock: Option<File>,
}

impl Store {
    /// Opens the ledger as `us`, or in simulation as the only process, converts it to our format, and marks sets that an earlier process left under way as unclear.
    pub(super) fn open(
        place: &Place,
        clock: Clock,
        us: Option<&Instance>,
        lock: Option<File>,
    ) -> Result<Store, OpenError> {
        let mut database = Database::open(place, &clock, us)?;
        let data_version = database.version()?;
        let directives = Listeners::default();
        let writes = Writes::new();
        let mut store = Store {
            database,
            clock,
            directives,
            data_version,
            heard: None,
            forgot_at: None,
            to_date: true,
            next_over: None,
            next_over_differs: true,
            to_acknowledge: true,
            writes,
            unsent: Vec::new(),
            doubted: None,
            _lock: lock,
        };
        store.write(|tx, now| {
            whose::adopt(tx)?;
            intents::orphaned(tx, now)
        })?;
        // The first directives hold all identities; where this daemon is alone, only it writes any from here on.
        let directives = store.read(|tx, now| directives::read(tx, now, Identities::All))?;
        store.publish(directives);
        store.database.look_after_files();
        Ok(store)
    }

    /// The listeners of the directives, which hold them as of the last write or `notice`.
    pub(super) fn directives(&self) -> Listeners {
        self.directives.clone()
    }

    /// The numbers of transactions that wrote, or failed to.
    pub(super) fn writes(&self) -> Writes {
        self.writes.clone()
    }

    /// Runs one transaction that may write anything but identities; publishes the directives that result once it is
    /// committed.
    pub(super) fn write<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>, Now) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        self.transact(job, None)
    }

    /// The same for one that may write the identity of this account.
    pub(super) fn write_identity<T>(
        &mut self,
        account: &AccountName,
        job: impl FnOnce(&Tx<'_>, Now) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        let written = self.transact(job, Some(account));
        if written.is_err() {
            self.doubted = Some(account.clone());
        }
        written
    }

    /// The directives are read only if it changed a row, or another process did; all identities only where a write of one failed,
    /// the database is another one than it was, or the daemon of another host may have written some.
    fn transact<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>, Now) -> Result<T, StoreError>,
        identified: Option<&AccountName>,
    ) -> Result<T, LedgerError> {
        let newest = self.directives.newest();
        let anew = match identified {
            _ if self.doubted.is_some() || !newest.others.is_empty() => Identities::All,
            Some(account) => Identities::Of(account, &newest),
            None => Identities::None(&newest),
        };
        let now = Now::of(&self.clock);
        self.to_date |= now.exchange.is_none();
        let heard = now.exchange.map(|exchange| (self.clock.now(), exchange));
        let jump = self.heard.zip(heard).and_then(|(before, heard)| jump(before, heard));
        let (seen, is_doubted) = (self.data_version, self.doubted.is_some());
        let unsent = std::mem::take(&mut self.unsent);
        let written = self.database.is_there().and_then(|()| {
            self.database.write(|tx| {
                let changes = tx.changes()?;
                // One host does it for all.
                if let Some((before, by)) = jump
                    && tx.living()?.first().is_none_or(|first| first == tx.host())
                {
                    directives::prolong(tx, before, by)?;
                }
                if let Some(loss) = tx.loss() {
                    directives::replaced(tx, now, loss)?;
                }
                for note in &unsent {
                    intents::never_sent(tx, now, note)?;
                }
                let done = job(tx, now)?;
                let differ =
                    tx.changes()? != changes || tx.version()? != seen || tx.loss().is_some() || is_doubted;
                let anew = if tx.loss().is_some() { Identities::All } else { anew };
                Ok((done, differ.then(|| directives::read(tx, now, anew)).transpose()?))
            })
        });
        self.writes.counter(written.is_ok()).inc();
        if written.is_err() {
            self.unsent = unsent;
        }
        let (done, directives) = written?;
        self.heard = heard.or(self.heard);
        self.next_over_differs |= jump.is_some();
        self.doubted = None;
        if let Some(directives) = directives {
            self.publish(directives);
        }
        Ok(done)
    }

    /// Writes the intent of a set unless something forbids it. If nobody knows whether it is written, its set does not leave,
    /// and the intent is withdrawn as soon as it is known to be there.
    pub(super) fn note(&mut self, request: &IntentRequest) -> Result<Option<IntentId>, LedgerError> {
        let mut noted_at = None;
        let noted = self.write(|tx, now| {
            noted_at = Some(now.wall);
            intents::note(tx, now, request)
        });
        if let (Err(LedgerError::Unknown { .. }), Some(noted_at)) = (&noted, noted_at) {
            let (target, stamp) = (request.target.clone(), request.stamp);
            self.unsent.push(Unsent { target, stamp, noted_at });
        }
        noted
    }

    /// Says that this daemon ends.
    pub(super) fn leave(&mut self) {
        self.database.leave();
    }

    /// Shows other hosts how our targets stand.
    pub(super) fn show(&mut self, shown: &[Shown], gone: &[Shown]) -> Result<(), LedgerError> {
        self.database.show(shown, gone)
    }

    /// Which revision our host has in force.
    pub(super) fn in_force(&mut self, generation: Generation, commit: Option<String>) {
        self.database.in_force(generation, commit);
    }

    /// All hosts, and how the targets of others stand.
    pub(super) fn peers(&mut self) -> Result<(Vec<Peer>, Vec<Shown>), LedgerError> {
        self.database.peers()
    }

    /// Runs one transaction that only reads.
    pub(super) fn read<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>, Now) -> DatabaseResult<T>,
    ) -> Result<T, LedgerError> {
        let now = Now::of(&self.clock);
        self.database.read(|tx| job(tx, now))
    }

    /// Returns whether another process wrote since the last call; if so, reads the directives again. Acknowledges
    /// pending requests. Once the exchange's time is known, dates what was written without it, and once a day deletes
    /// what is too old.
    pub(super) fn notice(&mut self) -> Result<bool, LedgerError> {
        self.database.is_there()?;
        if self.database.is_to_compare() {
            self.write(|_, _| Ok(()))?;
        }
        let seen = self.database.version()?;
        let wrote = seen != self.data_version;
        self.to_date |= wrote;
        let exchange = self.clock.exchange_time();
        if self.to_date && exchange.is_some() {
            self.write(|tx, now| {
                directives::date(tx, now)?;
                Ok(history::date(tx, now)?)
            })?;
            (self.to_date, self.next_over_differs) = (false, true);
        }
        if !self.unsent.is_empty() {
            self.write(|_, _| Ok(()))?;
        }
        self.to_acknowledge |= wrote;
        let waits = self.to_acknowledge && self.read(directives::is_waited_for)?;
        // Read when one of them has ended, not at every call until it does.
        let lapsed = self.directives.newest().lapses_at.zip(exchange).is_some_and(|(at, now)| at <= now);
        let others = self.database.others()?;
        let come_or_gone = others != *self.directives.newest().others;
        if wrote || waits || lapsed || come_or_gone {
            let newest = self.directives.newest();
            let is_alone = others.is_empty() && newest.others.is_empty();
            let anew = if is_alone { Identities::None(&newest) } else { Identities::All };
            let directives = self.read(|tx, now| directives::read(tx, now, anew))?;
            self.publish(directives);
        }
        if waits {
            self.write(directives::acknowledge)?;
        }
        self.next_over_differs |= wrote;
        self.notice_over()?;
        self.to_acknowledge = self.to_acknowledge && self.read(|tx, _| directives::is_any_open(tx))?;
        self.data_version = seen;
        if let Some(exchange) = exchange
            && self.forgot_at.is_none_or(|at| exchange.since(at) >= DAY)
        {
            self.write(|tx, now| Ok(history::forget(tx, now)?))?;
            self.forgot_at = Some(exchange);
        }
        Ok(wrote)
    }

    /// Records that pauses have run out. An event cannot be taken back, so it waits for both witnesses of the time.
    fn notice_over(&mut self) -> Result<(), LedgerError> {
        if self.next_over_differs {
            self.next_over = self.read(|tx, _| directives::next_over(tx))?;
            self.next_over_differs = false;
        }
        let agreed = self.clock.agreed_exchange_time();
        if self.next_over.zip(agreed).is_some_and(|(at, now)| at <= now) {
            self.write(|tx, now| Ok(directives::notice_over(tx, now)?))?;
            self.next_over_differs = true;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn sqlite(&self) -> &rusqlite::Connection {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.connection(),
            Database::Postgres(_) => panic!("it is not in a file"),
        }
    }

    fn publish(&self, directives: Directives) {
        let replaced_at = self.database.replaced_at();
        self.directives.tell(Directives { replaced_at, ..directives });
    }
}

/// By how much the exchange's clock has jumped ahead since its time `before`, if it has.
fn jump(
    (then, before): (Moment, ServerTime),
    (now, exchange): (Moment, ServerTime),
) -> Option<(ServerTime, Duration)> {
    let by = exchange.since(before + now.since(then));
    (by > CLOCK_JUMP).then_some((before, by))
}

/// How often old rows are deleted.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The database of a state directory.
pub fn place(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

/// Its name there.
pub(super) const DATABASE: &str = "posmoded.sqlite";
