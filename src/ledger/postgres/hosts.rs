//! Who works with the database: the daemon has a row in `hosts`, which it renews as long as it lives.
//!
//! All times here are the server's own. A daemon that was silent for too long may find another one in its place; then it
//! writes nothing any more, for each of its transactions looks for its row first.

use super::session::Session;
use crate::ledger::instance::Instance;
use crate::ledger::trouble::{DatabaseError, DatabaseResult, Trouble};
use crate::ledger::tx::{Engine as _, Row, Tx, params};
use crate::moment::Moment;

/// Our own row.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Made by the server for this process alone.
    pub(super) id: String,
    pub(super) renewed_at: Moment,
}

/// A row of another process that may live.
#[derive(Debug)]
pub(super) struct Other {
    /// Differs after each sign of life.
    pub(super) sign: String,
    pub(super) instance: Instance,
}

/// The others that have shown a sign of life within `SILENCE`.
pub(super) fn living(session: &Session) -> DatabaseResult<Vec<Other>> {
    Tx::new(session).query(
        &format!("{OTHERS} WHERE seen_at > clock_timestamp() - interval '{SILENCE} s' ORDER BY seen_at DESC"),
        params![],
        other,
    )
}

/// Makes our row, in a transaction that has seen that nobody else lives.
pub(super) fn enter(session: &Session, us: &Instance, at: Moment) -> DatabaseResult<Entry> {
    let tx = Tx::new(session);
    tx.execute("DELETE FROM hosts", params![])?;
    let id = tx.query_row(
        "INSERT INTO hosts (host, instance, pid, listen, posmoded, started_at, seen_at)
         VALUES (?1, gen_random_uuid()::text, ?2, ?3, ?4, clock_timestamp(), clock_timestamp()) RETURNING instance",
        params![us.host.clone().unwrap_or_default(), i64::from(us.pid), us.listen, env!("CARGO_PKG_VERSION")],
        |row| row.get(0),
    )?;
    Ok(Entry { id, renewed_at: at })
}

/// Says that we live.
pub(super) fn renew(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    let renewed = session
        .execute("UPDATE hosts SET seen_at = clock_timestamp() WHERE instance = ?1", params![entry.id])?;
    if renewed == 1 { Ok(()) } else { Err(superseded(session)?) }
}

/// Says that we end.
pub(super) fn leave(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    session.execute("DELETE FROM hosts WHERE instance = ?1", params![entry.id]).map(drop)
}

/// Fails if another one has taken our place.
pub(super) fn is_ours(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    let asked = "SELECT EXISTS (SELECT 1 FROM hosts WHERE instance = ?1)";
    let is_there: bool = Tx::new(session).query_row(asked, params![entry.id], |row| row.get(0))?;
    if is_there { Ok(()) } else { Err(superseded(session)?) }
}

/// Who has our place.
fn superseded(session: &Session) -> DatabaseResult<DatabaseError> {
    let newest =
        Tx::new(session).query_opt(&format!("{OTHERS} ORDER BY seen_at DESC LIMIT 1"), params![], other)?;
    let by = newest.map_or_else(|| "which has ended".to_owned(), |other| other.instance.to_string());
    Ok(DatabaseError::new(Trouble::Superseded, by))
}

fn other(row: &Row<'_>) -> DatabaseResult<Other> {
    let pid: i64 = row.get("pid")?;
    let instance = Instance {
        pid: u32::try_from(pid).unwrap_or_default(),
        listen: row.get("listen")?,
        host: Some(row.get("host")?),
    };
    Ok(Other { sign: row.get("sign")?, instance })
}

const OTHERS: &str = "SELECT host, pid, listen, instance || ' ' || seen_at AS sign FROM hosts";
/// For how many seconds a daemon may be silent before another takes its place.
pub(in crate::ledger) const SILENCE: u64 = 15;
