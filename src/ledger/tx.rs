//! A transaction as the other files of the ledger see it: statements with numbered parameters, and rows. Which engine runs
//! it they do not know.
//!
//! A statement is written once, in the dialect that SQLite and PostgreSQL both speak: `?1` for a parameter (and no question
//! mark in a literal), `RETURNING`, `IS DISTINCT FROM`, conflict targets that are named, one table's column named with its table
//! where another could be meant.

use std::collections::BTreeSet;

use super::trouble::{DatabaseError, DatabaseResult, Trouble};
use super::value::{Column, Parameter, Unreadable, Value};

/// What runs statements in a transaction.
pub(super) trait Engine {
    /// Runs a statement that returns no row; returns how many it changed.
    fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> DatabaseResult<usize>;

    /// Runs a statement that returns rows, and shows each of them, until it is told to stop.
    fn query(&self, sql: &str, parameters: &[&dyn Parameter], each: Each<'_>) -> DatabaseResult<()>;

    /// A number that grows with each row that is changed here.
    fn changes(&self) -> DatabaseResult<u64>;

    /// A number that grows with each transaction of others that wrote, as of this one.
    fn version(&self) -> DatabaseResult<i64>;

    /// Whether a commit had no answer before, so that somebody may ask for what is done already.
    fn may_repeat(&self) -> bool;

    /// What this transaction has found: that the database may have lost what was last committed.
    fn loss(&self) -> Option<Loss>;

    /// Whether the database became another one while this process worked with it, so that what it has noted may be missing.
    fn was_replaced(&self) -> bool;

    /// Whether the database may have lost the note of a set that can still take effect.
    fn is_quiet(&self) -> bool;

    /// The host that this process is the daemon of, where daemons of several hosts may work with the ledger; else empty.
    fn host(&self) -> &str;

    /// The hosts whose daemons live, ours too; one without a name where the ledger has one daemon at most.
    fn living(&self) -> DatabaseResult<BTreeSet<String>>;

    /// Whether a host but ours has had a daemon here lately, living or not.
    fn has_others(&self) -> DatabaseResult<bool>;

    /// From now on the numbers of new rows of a table begin above those that it has.
    fn number_on(&self, table: &str) -> DatabaseResult<()>;

    /// Closes the ledger for everybody: it was brought elsewhere.
    fn close(&self, to: &str) -> DatabaseResult<()>;
}

/// What a database on a server may have lost that is not the one it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Only what nobody was told is committed: a standby took over that had all else.
    Unacknowledged,
    /// Anything that was committed last, a pause too.
    Anything,
}

/// Takes a row, and tells whether it wants another.
pub(super) type Each<'a> = &'a mut dyn FnMut(Row<'_>) -> DatabaseResult<bool>;

/// The columns of a row.
pub(super) trait Columns {
    /// Its value, by the column's number.
    fn number(&self, number: usize) -> Result<Value<'_>, Unreadable>;

    /// The same by the column's name.
    fn name(&self, name: &str) -> Result<Value<'_>, Unreadable>;

    /// The names of all.
    fn names(&self) -> Vec<String>;
}

/// A transaction under way.
#[derive(Clone, Copy)]
pub(super) struct Tx<'a>(&'a dyn Engine);

impl<'a> Tx<'a> {
    pub(super) fn new(engine: &'a dyn Engine) -> Tx<'a> {
        Tx(engine)
    }

    /// Runs a statement that returns no row; returns how many it changed.
    pub(super) fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> DatabaseResult<usize> {
        self.0.execute(sql, parameters)
    }

    /// Reads all rows.
    pub(super) fn query<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        parameters: &[&dyn Parameter],
        mut read: impl FnMut(&Row<'_>) -> DatabaseResult<T>,
    ) -> DatabaseResult<C> {
        let mut found = Vec::new();
        self.0.query(sql, parameters, &mut |row| {
            found.push(read(&row)?);
            Ok(true)
        })?;
        Ok(found.into_iter().collect())
    }

    /// Shows each row, until it is told to stop.
    pub(super) fn each(
        &self,
        sql: &str,
        parameters: &[&dyn Parameter],
        mut each: impl FnMut(&Row<'_>) -> DatabaseResult<bool>,
    ) -> DatabaseResult<()> {
        self.0.query(sql, parameters, &mut |row| each(&row))
    }

    /// Reads the first row, if there is one.
    pub(super) fn query_opt<T>(
        &self,
        sql: &str,
        parameters: &[&dyn Parameter],
        read: impl FnOnce(&Row<'_>) -> DatabaseResult<T>,
    ) -> DatabaseResult<Option<T>> {
        let (mut found, mut read) = (None, Some(read));
        self.0.query(sql, parameters, &mut |row| {
            found = read.take().map(|read| read(&row)).transpose()?;
            Ok(false)
        })?;
        Ok(found)
    }

    /// Reads the first row, of which there is one.
    pub(super) fn query_row<T>(
        &self,
        sql: &str,
        parameters: &[&dyn Parameter],
        read: impl FnOnce(&Row<'_>) -> DatabaseResult<T>,
    ) -> DatabaseResult<T> {
        let found = self.query_opt(sql, parameters, read)?;
        found.ok_or_else(|| DatabaseError::new(Trouble::Other, format!("no row came of: {sql}")))
    }

    /// A number that grows with each row that is changed here.
    pub(super) fn changes(&self) -> DatabaseResult<u64> {
        self.0.changes()
    }

    /// A number that grows with each transaction of others that wrote, as of this one.
    pub(super) fn version(&self) -> DatabaseResult<i64> {
        self.0.version()
    }

    /// Whether a commit had no answer before, so that somebody may ask for what is done already.
    pub(super) fn may_repeat(&self) -> bool {
        self.0.may_repeat()
    }

    /// What this transaction has found: that the database may have lost what was last committed.
    pub(super) fn loss(&self) -> Option<Loss> {
        self.0.loss()
    }

    /// Whether the database became another one while this process worked with it, so that what it has noted may be missing.
    pub(super) fn was_replaced(&self) -> bool {
        self.0.was_replaced()
    }

    /// Whether the database may have lost the note of a set that can still take effect.
    pub(super) fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    /// The host that this process is the daemon of, where daemons of several hosts may work with the ledger; else empty.
    pub(super) fn host(&self) -> &str {
        self.0.host()
    }

    /// The hosts whose daemons live, ours too; one without a name where the ledger has one daemon at most.
    pub(super) fn living(&self) -> DatabaseResult<BTreeSet<String>> {
        self.0.living()
    }

    /// Whether a host but ours has had a daemon here lately, living or not.
    pub(super) fn has_others(&self) -> DatabaseResult<bool> {
        self.0.has_others()
    }

    /// From now on the numbers of new rows of a table begin above those that it has.
    pub(super) fn number_on(&self, table: &str) -> DatabaseResult<()> {
        self.0.number_on(table)
    }

    /// Closes the ledger for everybody: it was brought elsewhere.
    pub(super) fn close(&self, to: &str) -> DatabaseResult<()> {
        self.0.close(to)
    }
}

/// A row that was read.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(&'a dyn Columns);

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a dyn Columns) -> Row<'a> {
        Row(columns)
    }

    /// The names of its columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// The value of a column, by its number or its name.
    pub(super) fn get<T: Column>(&self, at: impl At + Copy) -> DatabaseResult<T> {
        let value = at.value(self.0).and_then(T::of);
        value.map_err(|error| DatabaseError::new(Trouble::Damaged, format!("{}: {error}", at.told())))
    }
}

/// Which column.
pub(super) trait At {
    fn value<'a>(&self, columns: &'a dyn Columns) -> Result<Value<'a>, Unreadable>;
    fn told(&self) -> String;
}

impl At for usize {
    fn value<'a>(&self, columns: &'a dyn Columns) -> Result<Value<'a>, Unreadable> {
        columns.number(*self)
    }

    fn told(&self) -> String {
        format!("in column {self}")
    }
}

impl At for &str {
    fn value<'a>(&self, columns: &'a dyn Columns) -> Result<Value<'a>, Unreadable> {
        columns.name(self)
    }

    fn told(&self) -> String {
        format!("in the column {self:?}")
    }
}

/// The parameters of a statement, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::ledger::value::Parameter),*]
    };
}
pub(super) use params;
