//! How each target stands, as the daemon of its host last showed it; and the hosts themselves.
//!
//! Written without the lock of `fleet`, for nothing is decided by it, and raises no version. For the same reason no disk and no
//! standby is waited for: who has lost its standby can still say so, and a connection that waited would be lost with it.

use super::hosts::Entry;
use super::living::lives;
use super::session::Session;
use crate::ledger::peers::{Peer, Shown, Witness};
use crate::ledger::trouble::DatabaseResult;
use crate::ledger::tx::{Engine as _, Row, Tx, params};
use crate::ledger::value::Parameter;

/// Shows how these targets of our host stand, and takes back what it has shown of those that it has no more.
pub(super) fn show(session: &Session, entry: &Entry, shown: &[Shown], gone: &[Shown]) -> DatabaseResult<()> {
    session.batch(BEGIN_SHOWING)?;
    let written = write(session, entry, shown, gone);
    let ended = session.batch(if written.is_ok() { "COMMIT" } else { "ROLLBACK" });
    written.and(ended)
}

fn write(session: &Session, entry: &Entry, shown: &[Shown], gone: &[Shown]) -> DatabaseResult<()> {
    for some in shown.chunks(AT_ONCE) {
        let mut values: Vec<&dyn Parameter> = vec![&entry.host];
        let mut rows = Vec::new();
        for Shown { target, status, .. } in some {
            values.extend([&target.account as &dyn Parameter, &target.scope, status]);
            let last = values.len();
            rows.push(format!("(?{}, ?{}, ?1, ?{}, clock_timestamp())", last - 2, last - 1, last));
        }
        let insert = format!(
            "INSERT INTO looks (account, scope, host, status, at) VALUES {}
             ON CONFLICT (account, scope, host) DO UPDATE SET status = excluded.status, at = excluded.at",
            rows.join(", ")
        );
        session.execute(&insert, &values)?;
    }
    for Shown { target, .. } in gone {
        let delete = "DELETE FROM looks WHERE account = ?1 AND scope = ?2 AND host = ?3";
        session.execute(delete, params![target.account, target.scope, entry.host])?;
    }
    Ok(())
}

/// Takes back all that an earlier daemon of the host has shown.
pub(super) fn show_nothing(session: &Session, host: &str) -> DatabaseResult<()> {
    session.execute("DELETE FROM looks WHERE host = ?1", params![host]).map(drop)
}

/// What other hosts have shown; of a target that moved the newest.
pub(super) fn shown(session: &Session, ours: &str) -> DatabaseResult<Vec<Shown>> {
    Tx::new(session).query(
        "SELECT DISTINCT ON (account, scope) account, scope, host, status FROM looks WHERE host <> ?1
         ORDER BY account, scope, at DESC",
        params![ours],
        |row| {
            let target = crate::ledger::targets::target(row)?;
            Ok(Shown { target, host: row.get("host")?, status: row.get("status")? })
        },
    )
}

/// Every host that has a daemon, or had one lately, by name. Ours, which has been getting through for so many milliseconds, can
/// tell who is dead; where there is none, any that lives can.
pub(super) fn peers(session: &Session, ours: Option<(&str, i64)>) -> DatabaseResult<Vec<Peer>> {
    let asked = format!(
        "SELECT host, pid, listen, posmoded, generation, git_commit, {lives} AS lives, left_at IS NOT NULL AS has_left,
                {started} AS started, {seen} AS seen, {now} AS now
         FROM hosts ORDER BY host",
        lives = lives(),
        started = millis("started_at"),
        seen = millis("coalesce(left_at, seen_at)"),
        now = millis("clock_timestamp()"),
    );
    let mut peers: Vec<Peer> = Tx::new(session).query(&asked, params![], |row: &Row<'_>| {
        let now: i64 = row.get("now")?;
        // The server's clock may have been set back since.
        let ago = |column: &str| -> DatabaseResult<i64> { Ok((now - row.get::<i64>(column)?).max(0)) };
        Ok(Peer {
            host: row.get("host")?,
            posmoded: row.get("posmoded")?,
            generation: row.get("generation")?,
            commit: row.get("git_commit")?,
            lives: row.get("lives")?,
            is_witnessed: false,
            has_left: row.get("has_left")?,
            started_ago: ago("started")?,
            seen_ago: ago("seen")?,
        })
    })?;
    let witnesses: Vec<Witness> = peers.iter().filter_map(|peer| witness(peer, ours)).collect();
    for peer in &mut peers {
        peer.is_witnessed = witnesses.iter().any(|witness| witness.has_seen_enough(peer.seen_ago));
        // It asks.
        peer.lives |= ours.is_some_and(|(host, _)| peer.host == host) && !peer.has_left;
    }
    Ok(peers)
}

fn witness(peer: &Peer, ours: Option<(&str, i64)>) -> Option<Witness> {
    let from_ago = match ours {
        None => peer.lives.then_some(peer.started_ago)?,
        Some((host, steady)) => (peer.host == host).then_some(steady)?,
    };
    Some(Witness { from_ago, to_ago: peer.seen_ago })
}

fn millis(of: &str) -> String {
    format!("CAST(extract(epoch FROM {of}) * 1000 AS bigint)")
}

const BEGIN_SHOWING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off;
    SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";
/// So many rows in one statement.
const AT_ONCE: usize = 500;
