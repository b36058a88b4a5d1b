//! One connection to the database, on a runtime of its own: each call waits for its answer, but never longer than its limit.
//!
//! What took too long is not given up in the middle of a transaction: the whole connection is dropped. What the server says
//! beside its answers is kept, for a commit with a warning is no commit to rely on.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::living;
use super::wire::Wire;
use crate::ledger::trouble::{DatabaseError, DatabaseResult, Trouble};
use crate::ledger::tx::{Each, Engine, Loss, Row, Tx, params};
use crate::ledger::value::{Parameter, Value};

/// A connection.
pub(super) struct Session {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    notices: Notices,
    /// It is not used any more: what the server knows of it is not known here.
    is_broken: Cell<bool>,
    /// Rows changed in the transaction under way.
    changes: Cell<u64>,
    /// What others have written, as of the transaction under way.
    version: Cell<i64>,
    may_repeat: Cell<bool>,
    loss: Cell<Option<Loss>>,
    was_replaced: Cell<bool>,
    is_quiet: Cell<bool>,
    /// The host that this process is the daemon of, if it is one.
    host: OnceCell<String>,
}

type Notices = Arc<Mutex<Vec<String>>>;

impl Session {
    /// Connects.
    pub(super) fn connect(address: &Address) -> DatabaseResult<Session> {
        let unusable = |why: String| DatabaseError::new(Trouble::Other, why);
        let tls = address.tls().map_err(unusable)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unusable(error.to_string()))?;
        let notices = Notices::default();
        let (config, kept) = (address.config(), Arc::clone(&notices));
        let dialled = async move {
            match tls {
                None => dial(config, NoTls, kept).await,
                Some(tls) => dial(config, MakeRustlsConnect::new(tls), kept).await,
            }
        };
        let limit = address.patience();
        let made = outside(|| runtime.block_on(async { timeout(limit, dialled).await }));
        let client = match made {
            Some(Ok(Ok(client))) => client,
            Some(Ok(Err(error))) => {
                runtime.shutdown_background();
                return Err(failure(&error));
            }
            Some(Err(_)) | None => {
                runtime.shutdown_background();
                return Err(no_answer(limit));
            }
        };
        Ok(Session {
            runtime: Some(runtime),
            client,
            notices,
            is_broken: Cell::new(false),
            changes: Cell::new(0),
            version: Cell::new(0),
            may_repeat: Cell::new(false),
            loss: Cell::new(None),
            was_replaced: Cell::new(false),
            is_quiet: Cell::new(false),
            host: OnceCell::new(),
        })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get() || self.client.is_closed()
    }

    /// Begins to count anew, at the version that the transaction has found.
    pub(super) fn begun(&self, version: i64, may_repeat: bool) {
        self.changes.set(0);
        self.version.set(version);
        self.may_repeat.set(may_repeat);
    }

    /// What the transaction has found of what went before it.
    pub(super) fn found(&self, loss: Option<Loss>, was_replaced: bool, is_quiet: bool) {
        self.loss.set(loss);
        self.was_replaced.set(was_replaced);
        self.is_quiet.set(is_quiet);
    }

    /// This process is the daemon of that host.
    pub(super) fn is_of(&self, host: &str) {
        let _ = self.host.set(host.to_owned());
    }

    /// Runs statements that have no parameters and whose rows nobody wants.
    pub(super) fn batch(&self, sql: &str) -> DatabaseResult<()> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Commits. An answer with a warning beside it is an error: the server itself says that it may be lost.
    pub(super) fn commit(&self) -> DatabaseResult<()> {
        self.notices.lock().clear();
        self.batch("COMMIT")?;
        let said = std::mem::take(&mut *self.notices.lock());
        match said.into_iter().next() {
            None => Ok(()),
            Some(warning) => Err(DatabaseError::new(Trouble::Unknown, warning)),
        }
    }

    /// Waits for the answer of the server, but not longer than it may take.
    fn wait<T: Send>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> DatabaseResult<T> {
        let runtime = self.runtime.as_ref().filter(|_| !self.is_broken.get());
        let Some(runtime) = runtime else { return Err(no_answer(ANSWER)) };
        match outside(|| runtime.block_on(async { timeout(ANSWER, work).await })) {
            Some(Ok(Ok(done))) => Ok(done),
            Some(Ok(Err(error))) => {
                let error = failure(&error);
                // Not connected any more, or to a server that no longer takes writes.
                if error.trouble() == Trouble::Unreachable {
                    self.is_broken.set(true);
                }
                Err(error)
            }
            Some(Err(_)) | None => {
                self.is_broken.set(true);
                Err(no_answer(ANSWER))
            }
        }
    }
}

impl Drop for Session {
    /// Without waiting, which it may not do where somebody else's runtime is at work.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine for Session {
    fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> DatabaseResult<usize> {
        let values = wired(parameters)?;
        let rows = self.wait(self.client.execute_typed(&numbered(sql), &typed(&values)))?;
        self.changes.set(self.changes.get() + rows);
        usize::try_from(rows).map_err(|error| DatabaseError::new(Trouble::Other, error))
    }

    fn query(&self, sql: &str, parameters: &[&dyn Parameter], each: Each<'_>) -> DatabaseResult<()> {
        let values = wired(parameters)?;
        let rows = self.wait(self.client.query_typed(&numbered(sql), &typed(&values)))?;
        if !sql.trim_start().starts_with("SELECT") {
            self.changes.set(self.changes.get() + u64::try_from(rows.len()).unwrap_or(u64::MAX));
        }
        for row in &rows {
            if !each(Row::new(row))? {
                break;
            }
        }
        Ok(())
    }

    fn changes(&self) -> DatabaseResult<u64> {
        Ok(self.changes.get())
    }

    fn version(&self) -> DatabaseResult<i64> {
        Ok(self.version.get())
    }

    fn may_repeat(&self) -> bool {
        self.may_repeat.get()
    }

    fn loss(&self) -> Option<Loss> {
        self.loss.get()
    }

    fn was_replaced(&self) -> bool {
        self.was_replaced.get()
    }

    fn is_quiet(&self) -> bool {
        self.is_quiet.get()
    }

    fn host(&self) -> &str {
        self.host.get().map_or("", String::as_str)
    }

    fn living(&self) -> DatabaseResult<BTreeSet<String>> {
        living::living(&Tx::new(self), self.host())
    }

    fn has_others(&self) -> DatabaseResult<bool> {
        living::has_others(&Tx::new(self), self.host())
    }

    fn number_on(&self, table: &str) -> DatabaseResult<()> {
        self.batch(&format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
        ))
    }

    fn close(&self, to: &str) -> DatabaseResult<()> {
        self.execute("UPDATE fleet SET moved = ?1", params![to]).map(drop)
    }
}

fn wired<'a>(parameters: &'a [&'a dyn Parameter]) -> DatabaseResult<Vec<Wire<'a>>> {
    let mut wired = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        wired.push(Wire(parameter.value().map_err(|error| DatabaseError::new(Trouble::Other, error))?));
    }
    Ok(wired)
}

/// With the types that we say, so that nothing has to be prepared: behind a pooler nothing of a session is ours.
fn typed<'a>(values: &'a [Wire<'a>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    let of = |value: &Value<'_>| match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    };
    values.iter().map(|wire| (wire as &(dyn ToSql + Sync), of(&wire.0))).collect()
}

/// `?1` as the server spells it. No statement has a question mark in a literal.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

async fn dial<T>(config: &Config, tls: T, notices: Notices) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                notices.lock().push(notice.message().to_owned());
            }
        }
    });
    Ok(client)
}

/// Runs it where no other runtime is at work: there a runtime of ours could not wait. `None` if it panicked.
fn outside<T: Send>(job: impl FnOnce() -> T + Send) -> Option<T> {
    if Handle::try_current().is_err() {
        return Some(job());
    }
    std::thread::scope(|scope| scope.spawn(job).join().ok())
}

fn no_answer(limit: Duration) -> DatabaseError {
    DatabaseError::new(Trouble::Unreachable, format!("no answer within {} s", limit.as_secs()))
}

/// What the server says, by what somebody has to do about it.
fn failure(error: &tokio_postgres::Error) -> DatabaseError {
    let Some(told) = error.as_db_error() else {
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            said = format!("{said}: {source}");
            cause = source.source();
        }
        return DatabaseError::new(Trouble::Unreachable, said);
    };
    let trouble = match told.code() {
        code if *code == SqlState::DISK_FULL => Trouble::Full,
        code if [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => {
            Trouble::Locked
        }
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::Unreachable,
        code if *code == SqlState::TOO_MANY_CONNECTIONS => Trouble::Unreachable,
        code if code.code().starts_with("57P") || code.code().starts_with("08") => Trouble::Unreachable,
        // The session is gone where a transaction was left open for too long.
        code if code.code().starts_with("25P") => Trouble::Unreachable,
        _ => Trouble::Other,
    };
    DatabaseError::new(trouble, told.message().to_owned())
}

/// How long an answer may take. The server itself gives up waiting for a lock before.
const ANSWER: Duration = Duration::from_secs(3);
