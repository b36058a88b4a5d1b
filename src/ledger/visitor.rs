//! A second connection to the ledger beside the daemon's, in short transactions: a command's in another process, or that
//! of a reader of the history.
//!
//! Creates and converts no ledger, and holds no lock beyond a call. Blocks for some seconds at most while another
//! process writes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::database::{Database, Place};
use super::directives::{self, CommandAnswer, Directives, Identities, Unapproved, Unclosable};
use super::error::{ApproveError, CloseError, LedgerError, ResumeError, StoreError, VisitError};
use super::event::Event;
use super::history::{self, HistoryFilter};
use super::home::Home;
use super::instance::Instance;
use super::intents::IntentRow;
use super::lock::{self, LOCK};
use super::moved;
use super::now::Now;
use super::peers::{Peer, Shown};
use super::refreshes::{self, RefreshRequest};
use super::requests::CommandRequest;
use super::revisions::{self, Revision};
use super::store::DATABASE;
use super::timeline::{self, Spans, SpansFilter};
use super::trouble::DatabaseResult;
use super::tx::Tx;
use super::{intents, targets};
use crate::clock::Clock;
use crate::facts::{Applied, Intent, IntentState};
use crate::position_mode::{AccountName, Target};

/// A command's handle to the ledger.
#[derive(Debug)]
pub struct Visitor {
    /// Boxed, because it is large.
    database: Box<Mutex<Database>>,
    lock: Option<PathBuf>,
    clock: Clock,
    who: Option<String>,
}

impl Visitor {
    /// The same; what it asks for is recorded as asked for by them.
    #[must_use]
    pub fn by(self, who: String) -> Visitor {
        Visitor { who: Some(who), ..self }
    }

    /// Opens the ledger, if there is one. One on a server is not waited for longer than for its first answers.
    pub fn open(home: impl Into<Home>, clock: Clock) -> Result<Visitor, VisitError> {
        match home.into() {
            Home::Directory(dir) => Visitor::in_directory(&dir, clock),
            Home::Server(address) => Visitor::at(Place::Server(Arc::new(*address)), None, clock),
        }
    }

    fn in_directory(dir: &Path, clock: Clock) -> Result<Visitor, VisitError> {
        moved::check(dir)?;
        let place = dir.join(DATABASE);
        // Without permission to look, the database's error says more than ours.
        if !place.try_exists().unwrap_or(true) {
            return Err(VisitError::NoLedger { looked_at: place });
        }
        Visitor::at(Place::File(place), Some(dir.join(LOCK)), clock)
    }

    pub(super) fn at(place: Place, lock: Option<PathBuf>, clock: Clock) -> Result<Visitor, VisitError> {
        let database = Box::new(Mutex::new(Database::visit(place, &clock)?));
        Ok(Visitor { database, lock, clock, who: None })
    }

    /// Pauses everything (no account named), or some accounts; for `lasts`, if given, from when the daemon has read the
    /// pause and knows the exchange's time.
    pub fn pause(
        &self,
        accounts: &[AccountName],
        reason: &str,
        lasts: Option<Duration>,
    ) -> Result<CommandRequest, LedgerError> {
        self.write(|tx, now| directives::pause(tx, now, accounts, reason, lasts, self.who.as_deref()))
    }

    /// Lifts every pause (no account named), or those of some accounts, and ends the fights of the accounts it covers.
    pub fn resume(&self, accounts: &[AccountName]) -> Result<CommandRequest, ResumeError> {
        self.write(|tx, now| directives::resume(tx, now, accounts, self.who.as_deref()))?
            .map_err(|reason| ResumeError::EverythingPaused { reason })
    }

    /// Requests the approval of the held plan with this hash, or with the only one that begins so. The daemon decides
    /// whether the plan is too old: see `answer`.
    pub fn approve(&self, hash: &str) -> Result<CommandRequest, ApproveError> {
        let hash = hash.to_owned();
        self.write(|tx, now| directives::approve(tx, now, &hash, self.who.as_deref()))?.map_err(|why| {
            match why {
                Unapproved::Unknown => ApproveError::Unknown(hash),
                Unapproved::Ambiguous => ApproveError::Ambiguous(hash),
                Unapproved::Used => ApproveError::Used(hash),
                Unapproved::Stale => ApproveError::Stale(hash),
            }
        })
    }

    /// Asks to close the unresolved intent of a target. The daemon decides whether it may be closed: see `answer`.
    pub fn close_intent(&self, target: &Target, reason: &str) -> Result<CommandRequest, CloseError> {
        self.write(|tx, now| directives::close(tx, now, target, reason, self.who.as_deref()))?.map_err(
            |why| match why {
                Unclosable::None => CloseError::None(target.clone()),
                Unclosable::Gone => CloseError::Gone(target.clone()),
            },
        )
    }

    /// Asks for a look at everything (no account named), or at some accounts, before its time.
    pub fn refresh(&self, accounts: &[AccountName]) -> Result<RefreshRequest, LedgerError> {
        self.write(|tx, now| refreshes::refresh(tx, now, accounts, self.who.as_deref()))
    }

    /// Takes a request back that has no answer yet; returns whether it had none.
    pub fn take_back(&self, request: &CommandRequest) -> Result<bool, LedgerError> {
        self.write(|tx, now| {
            let is_open = directives::answer(tx, *request)?.is_none();
            directives::answered(tx, now, request.id(), Some("It was taken back."))?;
            Ok(is_open)
        })
    }

    /// The daemon's answer to a request; `None` until there is one.
    pub fn answer(&self, request: &CommandRequest) -> Result<Option<CommandAnswer>, LedgerError> {
        self.read(|tx, _| directives::answer(tx, *request))
    }

    /// The events that `filter` selects, oldest first.
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<Event>, LedgerError> {
        self.read(|tx, _| history::read(tx, filter))
    }

    /// The number of the newest event; 0 if there is none.
    pub fn last_event(&self) -> Result<i64, LedgerError> {
        self.read(|tx, _| history::last(tx))
    }

    /// The first `most` events with a greater number, in the order of their numbers.
    pub fn events_after(&self, last: i64, most: usize) -> Result<Vec<Event>, LedgerError> {
        self.read(|tx, _| history::after(tx, last, most))
    }

    /// What was known when.
    pub fn spans(&self, filter: &SpansFilter) -> Result<Spans, LedgerError> {
        self.read(|tx, _| timeline::read(tx, filter))
    }

    /// The applied mode of every target that has one.
    pub fn applied(&self) -> Result<BTreeMap<Target, Applied>, LedgerError> {
        self.read(|tx, _| targets::all_applied(tx))
    }

    /// The accounts with anything on record.
    pub fn accounts(&self) -> Result<BTreeSet<AccountName>, LedgerError> {
        self.read(|tx, _| targets::accounts(tx))
    }

    /// The sets whose outcome is unknown; for any process but the daemon they are all unclear.
    pub fn open_intents(&self) -> Result<BTreeMap<Target, Intent>, LedgerError> {
        let open = self.read(|tx, _| intents::all_unresolved(tx))?;
        Ok(open
            .into_iter()
            .map(|kept| (kept.target.clone(), kept.in_state(IntentState::of_another_process())))
            .collect())
    }

    /// Every intent ever noted, oldest first; audits compare them with the exchange's own records.
    pub fn intents(&self) -> Result<Vec<IntentRow>, LedgerError> {
        self.read(|tx, _| intents::all(tx))
    }

    /// The directives as of now.
    pub fn directives(&self) -> Result<Directives, LedgerError> {
        self.read(|tx, now| directives::read(tx, now, Identities::All))
    }

    /// The newest accepted content of the file.
    pub fn last_good(&self) -> Result<Option<Revision>, LedgerError> {
        self.read(|tx, _| revisions::last_good(tx))
    }

    /// The daemons that work with the ledger, as far as they can be named; one at most where it is in a file.
    pub fn instances(&self) -> Result<Vec<Instance>, LedgerError> {
        match &self.lock {
            Some(lock) => Ok(lock::holder(lock).into_iter().collect()),
            None => self.database.lock().instances(),
        }
    }

    /// All hosts that have a daemon with this ledger, or had one lately, and how their targets stand, as they last showed it.
    pub fn peers(&self) -> Result<(Vec<Peer>, Vec<Shown>), LedgerError> {
        self.database.lock().peers()
    }

    /// The one that has the place of that host, though it has shown no sign of life lately: it may live, where no sign gets
    /// through. In a file there is none.
    pub fn last_known(&self, host: &str) -> Result<Option<Instance>, LedgerError> {
        self.database.lock().last_known(host)
    }

    /// The one of that host, if its daemon works with the ledger; in a file there is one daemon, whatever its host is called.
    pub fn instance(&self, host: &str) -> Result<Option<Instance>, LedgerError> {
        let is_ours = |there: &Instance| self.lock.is_some() || there.host.as_deref() == Some(host);
        Ok(self.instances()?.into_iter().find(is_ours))
    }

    fn write<T>(&self, job: impl FnOnce(&Tx<'_>, Now) -> Result<T, StoreError>) -> Result<T, LedgerError> {
        let mut database = self.database.lock();
        let now = Now::of(&self.clock);
        database.write(|tx| job(tx, now))
    }

    fn read<T>(&self, job: impl FnOnce(&Tx<'_>, Now) -> DatabaseResult<T>) -> Result<T, LedgerError> {
        let mut database = self.database.lock();
        let now = Now::of(&self.clock);
        database.read(|tx| job(tx, now))
    }
}
