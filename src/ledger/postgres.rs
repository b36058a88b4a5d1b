//! The ledger's database as one that PostgreSQL keeps, which may restart, hang, be promoted or be cut off at any moment.
//!
//! A transaction that writes locks the one row of `fleet` first, so that they come one after the other as in a file. What a
//! commit without an answer came to is asked of the server by the transaction's number before anything else is done; until
//! that is known, nothing is.

mod address;
mod hosts;
mod incarnation;
mod living;
mod looks;
mod schema;
mod session;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

pub use address::{Address, AddressError};

use hosts::{Entry, Other};
use schema::{FLEET, STEPS};
use session::Session;

use super::error::{LedgerError, Newer, OpenError, StoreError, VisitError};
use super::instance::Instance;
use super::peers::{Peer, Shown};
use super::schema::FORMAT;
use super::trouble::{DatabaseError, DatabaseResult, Trouble};
use super::tx::{Engine as _, Tx, params};
use crate::clock::Clock;
use crate::constants::QUIET;
use crate::facts::Generation;
use crate::moment::Moment;

/// The database of an address, connected or not.
#[derive(Debug)]
pub(super) struct Postgres {
    address: Arc<Address>,
    clock: Clock,
    session: Option<Connected>,
    attempt: Option<Attempt>,
    /// When the last attempt failed, and why.
    failed: Option<(Moment, String)>,
    /// When a transaction that writes last waited in vain for those before it, and what was said.
    locked: Option<(Moment, String)>,
    /// The commit that had no answer.
    doubt: Option<Doubt>,
    /// A commit had no answer, or a warning beside it.
    had_doubts: bool,
    /// How often this process has raised the version.
    ours: i64,
    /// Our row in `hosts`, if this is the daemon.
    entry: Option<Entry>,
    /// The version that this process has last seen, and that of the transaction under way: one that finds a loss counts as seen
    /// once it is committed, for only then is the loss on record.
    seen: i64,
    found: i64,
    /// This is the daemon, and has not looked yet whether the connection is to the database that it was.
    is_to_compare: bool,
    /// The history of the database that the last connection was to.
    history: String,
    /// When the database was found to be another one than it was.
    replaced_at: Option<Moment>,
}

/// A connection, and what it is to.
struct Connected {
    session: Session,
    history: String,
}

/// A connection that is being made on a thread of its own, so that nobody waits for it for long.
#[derive(Debug)]
struct Attempt {
    made: Receiver<DatabaseResult<Connected>>,
    /// Somebody has waited for it as long as one does.
    is_late: bool,
}

/// A commit of which nobody knows here whether it was done.
#[derive(Debug)]
struct Doubt {
    /// The transaction's number.
    number: String,
    /// The history of the database that it belongs to.
    history: String,
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Reading,
    Writing,
}

impl Postgres {
    /// Makes or converts the tables, and connects as the daemon of its host, if it is to say so.
    pub(super) fn open(
        address: Arc<Address>,
        clock: Clock,
        us: Option<&Instance>,
    ) -> Result<Postgres, OpenError> {
        let mut database = Postgres::make(address, clock)?;
        let Some(us) = us else { return Ok(database) };
        match database.enter(us).map_err(|error| database.error(error))? {
            None => Ok(database),
            Some(Other { sign, instance }) => {
                Err(OpenError::Used { place: database.told(), by: instance, sign })
            }
        }
    }

    /// Connects, makes the tables if there are none, and converts them to our format.
    pub(super) fn make(address: Arc<Address>, clock: Clock) -> Result<Postgres, OpenError> {
        let mut database = Postgres::connected(address, clock)?;
        let Found { format: found, oldest } = database.migrate()?;
        if oldest > FORMAT {
            return Err(OpenError::Newer(Newer { place: database.told().into(), found, known: FORMAT }));
        }
        Ok(database)
    }

    /// Connects to a ledger that a daemon made.
    pub(super) fn visit(address: Arc<Address>, clock: Clock) -> Result<Postgres, VisitError> {
        let database = Postgres::connected(address, clock)?;
        let place = || database.told().into();
        let there = database.session.as_ref().map_or(Ok(Found::default()), |there| found(&there.session));
        let Found { format: found, oldest } = there.map_err(|error| database.error(error))?;
        match found {
            0 => Err(VisitError::NoLedger { looked_at: place() }),
            _ if oldest > FORMAT => Err(VisitError::Newer(Newer { place: place(), found, known: FORMAT })),
            _ if found < FORMAT => Err(VisitError::Older { place: place(), found, known: FORMAT }),
            _ => Ok(database),
        }
    }

    fn connected(address: Arc<Address>, clock: Clock) -> Result<Postgres, LedgerError> {
        let mut database = Postgres {
            address,
            clock,
            session: None,
            attempt: None,
            failed: None,
            locked: None,
            doubt: None,
            had_doubts: false,
            ours: 0,
            entry: None,
            seen: 0,
            found: 0,
            is_to_compare: false,
            history: String::new(),
            replaced_at: None,
        };
        let made = Connected::new(&database.address).map_err(|error| database.error(error))?;
        database.history.clone_from(&made.history);
        database.session = Some(made);
        Ok(database)
    }

    /// Runs the steps to our format, all in one transaction; returns what there is then.
    fn migrate(&mut self) -> Result<Found, LedgerError> {
        let made = self.session().and_then(|session| {
            session.batch(BEGIN_WRITING)?;
            // One process makes or converts the tables; another waits for it here.
            session.batch(&format!("SELECT pg_advisory_xact_lock({MAKING});{FLEET}"))?;
            let before = found(session)?.format;
            for (to, sql) in STEPS.into_iter().filter(|(to, _)| before < *to) {
                session.batch(sql)?;
                session.execute("UPDATE fleet SET format = ?1", params![to])?;
            }
            let found = found(session)?;
            committed(session)?;
            Ok(found)
        });
        made.map_err(|error| {
            self.session = None;
            self.error(error)
        })
    }

    /// Takes the place of its host's daemon, unless another that may live has it: that one is returned.
    fn enter(&mut self, us: &Instance) -> DatabaseResult<Option<Other>> {
        let now = self.clock.now();
        self.is_to_compare = false;
        self.begin(For::Writing)?;
        let session = self.session()?;
        let host = us.host.as_deref().unwrap_or_default();
        if let Some(other) = hosts::others(session, Some(host))?.into_iter().next() {
            self.roll_back();
            return Ok(Some(other));
        }
        let entry = hosts::enter(session, us, now)?;
        looks::show_nothing(session, &entry.host)?;
        // Others are to hear of it.
        session.execute("UPDATE fleet SET version = version + 1", params![])?;
        committed(session)?;
        session.is_of(&entry.host);
        self.entry = Some(entry);
        self.is_to_compare = true;
        Ok(None)
    }

    /// The daemons that work with it, the one that was seen last first.
    pub(super) fn instances(&mut self) -> Result<Vec<Instance>, LedgerError> {
        Ok(self.living()?.into_iter().map(|other| other.instance).collect())
    }

    /// The other hosts whose daemons work with it.
    pub(super) fn others(&mut self) -> Result<BTreeSet<String>, LedgerError> {
        let ours = self.entry.as_ref().map(|entry| entry.host.clone()).unwrap_or_default();
        let living = self.session().and_then(|session| living::living(&Tx::new(session), &ours));
        let mut living = living.map_err(|error| self.error(error))?;
        living.remove(&ours);
        Ok(living)
    }

    /// Fails if a daemon works with it.
    pub(super) fn is_unused(&mut self) -> Result<(), OpenError> {
        match self.living()?.into_iter().next() {
            None => Ok(()),
            Some(Other { sign, instance }) => Err(OpenError::Used { place: self.told(), by: instance, sign }),
        }
    }

    fn living(&mut self) -> Result<Vec<Other>, LedgerError> {
        self.session().and_then(|session| hosts::others(session, None)).map_err(|error| self.error(error))
    }

    /// Shows other hosts how our targets stand.
    pub(super) fn show(&mut self, shown: &[Shown], gone: &[Shown]) -> Result<(), LedgerError> {
        let Some(entry) = self.entry.clone() else { return Ok(()) };
        let shown = self.session().and_then(|session| looks::show(session, &entry, shown, gone));
        shown.map_err(|error| self.error(error))
    }

    /// Which revision our host has in force: told with the next sign of life.
    pub(super) fn in_force(&mut self, generation: Generation, commit: Option<String>) {
        if let Some(entry) = &mut self.entry {
            entry.in_force = Some((generation, commit));
        }
    }

    /// All hosts, and how the targets of others stand.
    pub(super) fn peers(&mut self) -> Result<(Vec<Peer>, Vec<Shown>), LedgerError> {
        let now = self.clock.now();
        let steady = |entry: &Entry| {
            let steady = now.since(entry.steady_since).as_millis();
            (entry.host.clone(), i64::try_from(steady).unwrap_or(i64::MAX))
        };
        let ours = self.entry.as_ref().map(steady);
        let ours = ours.as_ref().map(|(host, steady)| (host.as_str(), *steady));
        let host = ours.map_or("", |(host, _)| host);
        let read = self.session();
        let read = read.and_then(|session| Ok((looks::peers(session, ours)?, looks::shown(session, host)?)));
        read.map_err(|error| self.error(error))
    }

    /// The daemon that has the place of a host, whether it has shown a sign of life lately or not.
    pub(super) fn last_known(&mut self, host: &str) -> Result<Option<Instance>, LedgerError> {
        let known = self.session().and_then(|session| hosts::last_known(session, host));
        known.map_err(|error| self.error(error))
    }

    /// Whether a transaction that writes has yet to compare the database with the one that it was.
    pub(super) fn is_to_compare(&self) -> bool {
        self.is_to_compare
    }

    /// When the database was found to be another one than it was: nobody knows then what was noted last.
    pub(super) fn replaced_at(&self) -> Option<Moment> {
        self.replaced_at
    }

    /// Grows with each commit of another process, never with our own. The daemon says thereby that it lives.
    pub(super) fn version(&mut self) -> Result<i64, LedgerError> {
        self.renew().map_err(|error| self.error(error))?;
        let ours = self.ours;
        let read = self.session().and_then(|session| {
            Tx::new(session).query_row("SELECT version FROM fleet", params![], |row| row.get::<i64>(0))
        });
        read.map(|version| version - ours).map_err(|error| self.error(error))
    }

    /// Runs one transaction that writes, after all others that do.
    pub(super) fn write<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        let number = self.begin(For::Writing).map_err(|error| self.error(error))?;
        let Some(Connected { session, history }) = &self.session else { return Err(self.gone()) };
        let done = job(&Tx::new(session)).and_then(|done| {
            if session.changes()? > 0 {
                session.execute("UPDATE fleet SET version = version + 1", params![])?;
                Ok((done, true))
            } else {
                Ok((done, false))
            }
        });
        match done {
            Err(error) => {
                self.roll_back();
                Err(self.fault(error))
            }
            // Only a row was locked.
            Ok((done, false)) => {
                self.roll_back();
                Ok(done)
            }
            Ok((done, true)) => {
                let doubt = Doubt { number, history: history.clone() };
                match session.commit() {
                    Ok(()) => {
                        self.ours += 1;
                        self.seen = self.found + 1;
                        Ok(done)
                    }
                    Err(error) => {
                        self.had_doubts = true;
                        // Where the server has answered, it was done, but may be lost.
                        if error.trouble() == Trouble::Unknown {
                            self.ours += 1;
                        } else {
                            self.doubt = Some(doubt);
                            self.session = None;
                        }
                        Err(self.unknown(&error))
                    }
                }
            }
        }
    }

    /// Runs one transaction that reads everything as of the same moment.
    pub(super) fn read<T>(
        &mut self,
        job: impl FnOnce(&Tx<'_>) -> DatabaseResult<T>,
    ) -> Result<T, LedgerError> {
        self.begin(For::Reading).map_err(|error| self.error(error))?;
        let Some(Connected { session, .. }) = &self.session else { return Err(self.gone()) };
        let done = job(&Tx::new(session));
        self.roll_back();
        done.map_err(|error| self.error(error))
    }

    /// Begins a transaction; returns its number, if it is to write. A connection that was lost meanwhile is made anew.
    fn begin(&mut self, what: For) -> DatabaseResult<String> {
        let was_there = self.session.is_some();
        self.is_worth_a_wait(what)?;
        let began = self.begin_once(what);
        let is_lost = |error: &DatabaseError| error.trouble() == Trouble::Unreachable;
        match began {
            Err(error) if was_there && is_lost(&error) && self.session.is_none() => self.begin_once(what),
            other => other,
        }
    }

    /// Fails where one that writes has just waited in vain. Of many that come together each would wait as long, and a stop for
    /// all of them.
    fn is_worth_a_wait(&self, what: For) -> DatabaseResult<()> {
        match &self.locked {
            Some((at, said)) if what == For::Writing && self.clock.now().since(*at) < PAUSE => {
                Err(DatabaseError::new(Trouble::Locked, said.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn begin_once(&mut self, what: For) -> DatabaseResult<String> {
        let (ours, may_repeat, entry) = (self.ours, self.had_doubts, self.entry.clone());
        let (seen, now) = (self.seen, self.clock.now());
        let (mut found, mut lost) = (0, None);
        let began = self.session().and_then(|session| match what {
            For::Reading => {
                session.batch(BEGIN_READING)?;
                session.begun(0, may_repeat);
                Ok(String::new())
            }
            For::Writing => {
                session.batch(BEGIN_WRITING)?;
                let (version, number, moved, oldest) = Tx::new(session).query_row(
                    "SELECT version, pg_current_xact_id()::text, moved, oldest FROM fleet FOR UPDATE",
                    params![],
                    |row| Ok((row.get::<i64>(0)?, row.get(1)?, row.get::<Option<String>>(2)?, row.get(3)?)),
                )?;
                is_here(moved)?;
                is_for_us(oldest)?;
                if let Some(entry) = entry {
                    hosts::is_ours(session, &entry)?;
                    lost = incarnation::compare(session, version, seen)?;
                }
                found = version;
                session.begun(version - ours, may_repeat);
                Ok(number)
            }
        });
        if let Err(error) = &began {
            self.roll_back();
            if error.trouble() == Trouble::Locked {
                self.locked = Some((self.clock.now(), error.to_string()));
            }
        } else if what == For::Writing {
            self.found = found;
            self.seen = if lost.is_none() { found } else { self.seen };
            self.is_to_compare = false;
            self.replaced_at = lost.map(|_| now).or(self.replaced_at);
            let is_quiet = self.replaced_at.is_some_and(|at| now.since(at) < QUIET);
            if let Some(there) = &self.session {
                there.session.found(lost, self.replaced_at.is_some(), is_quiet);
            }
        }
        began
    }

    fn renew(&mut self) -> DatabaseResult<()> {
        let now = self.clock.now();
        let due = |entry: &Entry| now.since(entry.renewed_at) >= RENEWED_EVERY;
        let Some(entry) = self.entry.clone().filter(due) else { return Ok(()) };
        hosts::renew(self.session()?, &entry)?;
        self.entry = Some(entry.renewed(now));
        Ok(())
    }

    /// Gives the place of the one daemon up, and writes nothing from then on: the next one need not wait for a sign of life
    /// of this one.
    pub(super) fn leave(&mut self) {
        if let (Some(entry), Some(there)) = (&self.entry, &self.session)
            && self.doubt.is_none()
        {
            let _ = hosts::leave(&there.session, entry);
        }
    }

    /// Gives the transaction up, and the connection with it if that cannot be told to the server.
    fn roll_back(&mut self) {
        let is_lost = self.session.as_ref().is_some_and(|there| there.session.batch("ROLLBACK").is_err());
        if is_lost {
            self.session = None;
        }
    }

    /// The connection; fails at once while there is none and one was just tried, or while an earlier commit is undecided.
    fn session(&mut self) -> DatabaseResult<&Session> {
        if self.session.as_ref().is_some_and(|there| there.session.is_broken()) {
            self.session = None;
        }
        let there = if let Some(there) = self.session.take() {
            there
        } else {
            let there = self.connect()?;
            self.is_to_compare = self.entry.is_some();
            // Where another host was there first, the row does not tell any more.
            if self.entry.is_some() && there.history != self.history {
                self.replaced_at = Some(self.clock.now());
            }
            self.history.clone_from(&there.history);
            there
        };
        let there = self.session.insert(there);
        if let Some(entry) = &self.entry {
            there.session.is_of(&entry.host);
        }
        if let Some(doubt) = &self.doubt {
            if doubt.is_open(there)? {
                let said = "the commit before this one is still under way there";
                return Err(DatabaseError::new(Trouble::Unknown, said));
            }
            self.doubt = None;
        }
        Ok(&there.session)
    }

    fn connect(&mut self) -> DatabaseResult<Connected> {
        let now = self.clock.now();
        let mut attempt = match (self.attempt.take(), &self.failed) {
            (Some(attempt), _) => attempt,
            (None, Some((at, said))) if now.since(*at) < PAUSE => {
                return Err(DatabaseError::new(Trouble::Unreachable, said.clone()));
            }
            (None, _) => Attempt::begin(&self.address)?,
        };
        let patience = if attempt.is_late { Duration::ZERO } else { GRACE };
        let error = match attempt.made.recv_timeout(patience) {
            Ok(Ok(made)) => {
                self.failed = None;
                return Ok(made);
            }
            Ok(Err(error)) => error,
            Err(RecvTimeoutError::Timeout) => {
                attempt.is_late = true;
                self.attempt = Some(attempt);
                return Err(DatabaseError::new(Trouble::Unreachable, "no answer yet"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                DatabaseError::new(Trouble::Unreachable, "the attempt to connect ended")
            }
        };
        self.failed = Some((self.clock.now(), error.to_string()));
        Err(error)
    }

    pub(super) fn told(&self) -> String {
        self.address.to_string()
    }

    fn gone(&self) -> LedgerError {
        self.error(DatabaseError::new(Trouble::Unreachable, "the connection is gone"))
    }

    fn fault(&self, error: StoreError) -> LedgerError {
        match error {
            StoreError::Sql(error) => self.error(error),
            StoreError::Misused(what) => LedgerError::Misused(what),
        }
    }

    fn unknown(&self, error: &DatabaseError) -> LedgerError {
        LedgerError::Unknown { place: self.told(), said: error.to_string() }
    }

    fn error(&self, error: DatabaseError) -> LedgerError {
        let place = self.told();
        let said = error.to_string();
        match error.trouble() {
            Trouble::Unreachable => LedgerError::Unreachable { place, said },
            Trouble::Unknown => LedgerError::Unknown { place, said },
            Trouble::Moved => LedgerError::Moved { place, to: said },
            Trouble::Superseded => LedgerError::Superseded { place, by: said },
            Trouble::Locked => LedgerError::Busy { place, source: error },
            Trouble::Full | Trouble::ReadOnly | Trouble::Damaged | Trouble::Disk | Trouble::Other => {
                LedgerError::Server { place, said, source: error }
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Connected {
    /// Connects, and sees that what is committed there stays.
    fn new(address: &Address) -> DatabaseResult<Connected> {
        let session = Session::connect(address)?;
        let tx = Tx::new(&session);
        let (lasts, encoding) = tx.query_row(
            "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
                    current_setting('server_encoding')",
            params![],
            |row| Ok((row.get::<bool>(0)?, row.get::<String>(1)?)),
        )?;
        if !lasts {
            let said = "it has `fsync` or `full_page_writes` off, so that a commit may be lost";
            return Err(DatabaseError::new(Trouble::Other, said));
        }
        if encoding != "UTF8" {
            return Err(DatabaseError::new(Trouble::Other, format!("its encoding is {encoding}, not UTF8")));
        }
        let history = incarnation::read(&session)?;
        Ok(Connected { session, history })
    }
}

impl Attempt {
    fn begin(address: &Arc<Address>) -> DatabaseResult<Attempt> {
        let (tell, made) = mpsc::channel();
        let address = Arc::clone(address);
        thread::Builder::new()
            .name("ledger-connect".to_owned())
            .spawn(move || {
                let _ = tell.send(Connected::new(&address));
            })
            .map_err(|error| DatabaseError::new(Trouble::Other, error))?;
        Ok(Attempt { made, is_late: false })
    }
}

impl Doubt {
    /// Whether the commit may still be done. In another history nothing more comes of it.
    fn is_open(&self, there: &Connected) -> DatabaseResult<bool> {
        if there.history != self.history {
            return Ok(false);
        }
        let status: Option<String> = Tx::new(&there.session).query_row(
            "SELECT pg_xact_status(?1::xid8)",
            params![self.number],
            |row| row.get(0),
        )?;
        Ok(status.as_deref() == Some("in progress"))
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Connected({})", self.history)
    }
}

/// Commits at the start; one without an answer waits for a disk or a standby, and that is told.
fn committed(session: &Session) -> DatabaseResult<()> {
    session.commit().map_err(|error| DatabaseError::new(Trouble::Unknown, error))
}

/// Fails if the ledger was brought elsewhere.
fn is_here(moved: Option<String>) -> DatabaseResult<()> {
    moved.map_or(Ok(()), |to| Err(DatabaseError::new(Trouble::Moved, to)))
}

/// Fails if this version does not know enough of what is there.
fn is_for_us(oldest: i64) -> DatabaseResult<()> {
    if oldest <= FORMAT {
        return Ok(());
    }
    let said = format!(
        "a newer posmoded has converted it to a format that this one cannot work with ({oldest}, and this one knows {FORMAT}): \
         run the newer one here, too"
    );
    Err(DatabaseError::new(Trouble::Other, said))
}

/// The format of what is there, and the one that a program has to know at least; 0 if there is no ledger.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    format: i64,
    oldest: i64,
}

fn found(session: &Session) -> DatabaseResult<Found> {
    let tx = Tx::new(session);
    let is_there: bool =
        tx.query_row("SELECT to_regclass('fleet') IS NOT NULL", params![], |row| row.get(0))?;
    if !is_there {
        return Ok(Found::default());
    }
    // Before format 9 nothing said which the oldest is.
    let asked = "SELECT format, moved, coalesce((to_jsonb(fleet) ->> 'oldest')::bigint, 0) FROM fleet";
    let (format, moved, oldest) =
        tx.query_row(asked, params![], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    is_here(moved)?;
    Ok(Found { format, oldest })
}

/// Each commit is on the disk of the server, and on those of its synchronous standbys, before it is reported; no statement and
/// no commit is cut off. Said in each transaction, for behind a pooler no session is ours. Whether it may write is the server's
/// default: who makes a database read-only means us, too.
const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on;
    SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL statement_timeout = 0";
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL idle_in_transaction_session_timeout = '5s'";
/// The advisory lock of who makes the tables.
const MAKING: i64 = 0x706f_736d;
/// How long somebody waits for a connection that is being made.
const GRACE: Duration = Duration::from_secs(1);
/// How often the daemon says that it lives; it may fail twice.
const RENEWED_EVERY: Duration = Duration::from_secs(5);
/// How long after a failure the next attempt is made.
const PAUSE: Duration = Duration::from_secs(1);
