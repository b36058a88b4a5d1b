//! Several hosts on one ledger in memory, for simulation: whose daemons live, and who reaches the database, which a server
//! would know. By virtual time, and with the statements of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::trouble::{DatabaseError, DatabaseResult, Trouble};
use super::tx::{Each, Engine, Loss};
use super::value::Parameter;
use crate::clock::Clock;
use crate::moment::Moment;

/// The hosts of one ledger; clones share them.
#[derive(Clone)]
pub struct Company {
    clock: Clock,
    hosts: Arc<Mutex<BTreeMap<String, Member>>>,
}

/// How the database is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// It answers.
    #[default]
    Answers,
    /// The next commit is done, and its answer is lost; from then on it does not answer.
    EndsInACommit,
    /// It does not answer.
    Cut,
}

#[derive(Debug, Default)]
struct Member {
    /// The last sign of life; `None` where it has left.
    seen: Option<Moment>,
    reach: Reach,
}

impl Company {
    /// Of nobody yet.
    pub fn new(clock: Clock) -> Company {
        Company { clock, hosts: Arc::default() }
    }

    /// From now on a host reaches the database like this.
    pub fn reaches(&self, host: &str, reach: Reach) {
        self.of(host, |member| member.reach = reach);
    }

    /// How a host reaches it now.
    pub fn reach(&self, host: &str) -> Reach {
        self.of(host, |member| member.reach)
    }

    fn of<T>(&self, host: &str, act: impl FnOnce(&mut Member) -> T) -> T {
        act(self.hosts.lock().entry(host.to_owned()).or_default())
    }
}

impl fmt::Debug for Company {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Company").field(&self.hosts.lock()).finish()
    }
}

/// A host of it, as one process is the daemon there.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    company: Company,
    host: String,
    silence: Duration,
    /// A commit had no answer.
    had_doubts: bool,
}

impl Guest {
    /// A new process; others of the company take a host for dead that was silent for so long.
    pub(super) fn of(company: &Company, host: &str, silence: Duration) -> Guest {
        Guest { company: company.clone(), host: host.to_owned(), silence, had_doubts: false }
    }

    /// Says that we live.
    pub(super) fn renew(&self) -> DatabaseResult<()> {
        self.is_answered()?;
        let now = self.company.clock.now();
        self.company.of(&self.host, |member| member.seen = Some(now));
        Ok(())
    }

    /// Says that we end, if that can be said.
    pub(super) fn leave(&self) {
        if self.is_answered().is_ok() {
            self.company.of(&self.host, |member| member.seen = None);
        }
    }

    pub(super) fn is_answered(&self) -> DatabaseResult<()> {
        match self.company.reach(&self.host) {
            Reach::Answers | Reach::EndsInACommit => Ok(()),
            Reach::Cut => Err(DatabaseError::new(Trouble::Unreachable, "no route to the database")),
        }
    }

    /// A transaction that has changed something was committed: whether we hear of it.
    pub(super) fn committed(&mut self) -> DatabaseResult<()> {
        if self.company.reach(&self.host) != Reach::EndsInACommit {
            return Ok(());
        }
        self.company.reaches(&self.host, Reach::Cut);
        self.had_doubts = true;
        Err(DatabaseError::new(Trouble::Unknown, "the connection was closed"))
    }

    /// The other hosts that live.
    pub(super) fn others(&self) -> BTreeSet<String> {
        let now = self.company.clock.now();
        let lives = |member: &Member| member.seen.is_some_and(|seen| now.since(seen) < self.silence);
        let hosts = self.company.hosts.lock();
        let living = hosts.iter().filter(|(host, member)| **host != self.host && lives(member));
        living.map(|(host, _)| host.clone()).collect()
    }
}

/// A transaction of a host: what a file knows one of, a server knows several of.
#[derive(Clone, Copy)]
pub(super) struct Among<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) guest: &'a Guest,
}

impl Engine for Among<'_> {
    fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> DatabaseResult<usize> {
        self.engine.execute(sql, parameters)
    }

    fn query(&self, sql: &str, parameters: &[&dyn Parameter], each: Each<'_>) -> DatabaseResult<()> {
        self.engine.query(sql, parameters, each)
    }

    fn changes(&self) -> DatabaseResult<u64> {
        self.engine.changes()
    }

    fn version(&self) -> DatabaseResult<i64> {
        self.engine.version()
    }

    fn may_repeat(&self) -> bool {
        self.guest.had_doubts
    }

    fn loss(&self) -> Option<Loss> {
        self.engine.loss()
    }

    fn was_replaced(&self) -> bool {
        self.engine.was_replaced()
    }

    fn is_quiet(&self) -> bool {
        self.engine.is_quiet()
    }

    fn host(&self) -> &str {
        &self.guest.host
    }

    fn living(&self) -> DatabaseResult<BTreeSet<String>> {
        let mut living = self.guest.others();
        living.insert(self.guest.host.clone());
        Ok(living)
    }

    fn has_others(&self) -> DatabaseResult<bool> {
        Ok(self.guest.company.hosts.lock().keys().any(|host| *host != self.guest.host))
    }

    fn number_on(&self, table: &str) -> DatabaseResult<()> {
        self.engine.number_on(table)
    }

    fn close(&self, to: &str) -> DatabaseResult<()> {
        self.engine.close(to)
    }
}
