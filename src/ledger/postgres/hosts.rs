//! Who works with the database: the daemon of each host has a row in `hosts`, which it renews as long as it lives.
//!
//! All times here are the server's own. A daemon that was silent for too long may find another one of its name in its place;
//! then it writes nothing any more, for each of its transactions looks for its row first.

use std::time::Duration;

use super::living::lives;
use super::session::Session;
use crate::facts::Generation;
use crate::ledger::instance::Instance;
use crate::ledger::trouble::{DatabaseError, DatabaseResult, Trouble};
use crate::ledger::tx::{Engine as _, Row, Tx, params};
use crate::moment::Moment;

/// Our own row.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) host: String,
    /// Made by the server for this process alone.
    pub(super) id: String,
    pub(super) renewed_at: Moment,
    /// Since when its signs of life get through without a gap.
    pub(super) steady_since: Moment,
    /// The revision that it has in force, and its git commit, once it has told.
    pub(super) in_force: Option<(Generation, Option<String>)>,
}

/// A row of another process that may live.
#[derive(Debug)]
pub(super) struct Other {
    /// Differs after each sign of life.
    pub(super) sign: String,
    pub(super) instance: Instance,
}

/// Those that have shown a sign of life within `SILENCE`, the newest first; of one host alone, if it is named.
pub(super) fn others(session: &Session, host: Option<&str>) -> DatabaseResult<Vec<Other>> {
    Tx::new(session).query(
        &format!(
            "{OTHERS} WHERE {} AND (CAST(?1 AS TEXT) IS NULL OR host = ?1) ORDER BY seen_at DESC",
            lives()
        ),
        params![host],
        other,
    )
}

/// Makes our row, in a transaction that has seen that nobody else of our name lives.
pub(super) fn enter(session: &Session, us: &Instance, at: Moment) -> DatabaseResult<Entry> {
    let tx = Tx::new(session);
    let host = us.host.clone().unwrap_or_default();
    tx.execute(
        &format!("DELETE FROM hosts WHERE host = ?1 OR seen_at < clock_timestamp() - interval '{KEPT}'"),
        params![host],
    )?;
    let id = tx.query_row(
        "INSERT INTO hosts (host, instance, pid, listen, posmoded, started_at, seen_at)
         VALUES (?1, gen_random_uuid()::text, ?2, ?3, ?4, clock_timestamp(), clock_timestamp()) RETURNING instance",
        params![host, i64::from(us.pid), us.listen, env!("CARGO_PKG_VERSION")],
        |row| row.get(0),
    )?;
    Ok(Entry { host, id, renewed_at: at, steady_since: at, in_force: None })
}

/// Says that we live. Where an earlier sign of life still waits there for its commit, it is not waited for: each wait would
/// cost the server one more connection, as long as no standby is there.
pub(super) fn renew(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    let (generation, commit) = entry.in_force.clone().unzip();
    let renewed = session.execute(
        "UPDATE hosts SET seen_at = clock_timestamp(), generation = ?2, git_commit = ?3
         WHERE instance = (SELECT instance FROM hosts WHERE instance = ?1 AND left_at IS NULL FOR UPDATE NOWAIT)",
        params![entry.id, generation, commit.flatten()],
    );
    match renewed {
        Ok(1) => Ok(()),
        Ok(_) => Err(superseded(session, entry)?),
        Err(error) if error.trouble() == Trouble::Locked => Err(DatabaseError::new(
            Trouble::Unknown,
            "the sign of life before this one is still under way there",
        )),
        Err(error) => Err(error),
    }
}

impl Entry {
    /// Its sign of life of this moment got through.
    pub(super) fn renewed(self, at: Moment) -> Entry {
        let is_steady = at.since(self.renewed_at) <= STEADY;
        let steady_since = if is_steady { self.steady_since } else { at };
        Entry { renewed_at: at, steady_since, ..self }
    }
}

/// Says that we end. The row stays, so that others know of the host.
pub(super) fn leave(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    session
        .execute("UPDATE hosts SET left_at = clock_timestamp() WHERE instance = ?1", params![entry.id])
        .map(drop)
}

/// Fails if another one has taken our place.
pub(super) fn is_ours(session: &Session, entry: &Entry) -> DatabaseResult<()> {
    let asked = "SELECT EXISTS (SELECT 1 FROM hosts WHERE instance = ?1 AND left_at IS NULL)";
    let is_there: bool = Tx::new(session).query_row(asked, params![entry.id], |row| row.get(0))?;
    if is_there { Ok(()) } else { Err(superseded(session, entry)?) }
}

/// Who has our place.
fn superseded(session: &Session, entry: &Entry) -> DatabaseResult<DatabaseError> {
    let asked = format!("{OTHERS} WHERE host = ?1 AND instance <> ?2");
    let newest = Tx::new(session).query_opt(&asked, params![entry.host, entry.id], other)?;
    let by = newest.map_or_else(|| "it has ended since".to_owned(), |other| other.instance.to_string());
    Ok(DatabaseError::new(Trouble::Superseded, by))
}

/// The one that has the place of a host, whether it has shown a sign of life lately or not.
pub(super) fn last_known(session: &Session, host: &str) -> DatabaseResult<Option<Instance>> {
    let asked = format!("{OTHERS} WHERE host = ?1 AND left_at IS NULL");
    Ok(Tx::new(session).query_opt(&asked, params![host], other)?.map(|other| other.instance))
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

/// The longest time between two signs of life without a gap: the second may come a little late.
const STEADY: Duration = Duration::from_secs(8);
/// How long a host that is not seen any more stays known.
const KEPT: &str = "30 days";
const OTHERS: &str = "SELECT host, pid, listen, instance || ' ' || seen_at AS sign FROM hosts";
