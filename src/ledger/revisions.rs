//! The last good content of the file, and the cool-downs of lanes: what a new process resumes from.
//!
//! Of older revisions the number, hash, commit and host are kept; their content is in git.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Row, Tx, params};
use crate::facts::{Ancestry, Generation};

/// Accepted content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub generation: Generation,
    /// SHA-256 of the bytes, in lower-case hex.
    pub sha256: String,
    /// The newest git commit that is known to hold it, if it came from git.
    pub commit: Option<String>,
    /// What that commit descends from, if known.
    pub ancestry: Option<Ancestry>,
    /// The host whose file it was, if known.
    pub host: Option<String>,
    /// When it was accepted: wall time in milliseconds since 1970.
    pub accepted_at: i64,
    /// The content of the file.
    pub bytes: Vec<u8>,
}

/// The content of a host's file, which is to come into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// SHA-256 of the bytes, in lower-case hex.
    pub sha256: String,
    /// The git commit that it is from, if known.
    pub commit: Option<String>,
    /// What that commit descends from, if known.
    pub ancestry: Option<Ancestry>,
    /// The host.
    pub host: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is in force, under this number.
    As(Generation),
    /// Something else is in force than the caller believed, or nothing any more: whether this may take its place is to be
    /// decided anew.
    OtherwiseInForce(Option<Box<Revision>>),
}

/// Records content as what is in force from now on, if `after` still is in force, and of the same commit: a newer one that holds
/// the same content may be what took this one back. Content equal to the last good one keeps its number.
pub(super) fn accept(
    tx: &Tx<'_>,
    now: Now,
    after: Option<(Generation, Option<&str>)>,
    publication: &Publication,
) -> Result<Accepted, StoreError> {
    let last = last_good(tx)?;
    if last.as_ref().map(|last| (last.generation, last.commit.as_deref())) != after {
        return Ok(Accepted::OtherwiseInForce(last.map(Box::new)));
    }
    let Publication { sha256, commit, ancestry, host, bytes } = publication;
    if let Some(last) = last.as_ref().filter(|last| last.sha256 == *sha256 && last.bytes == *bytes) {
        return Ok(Accepted::As(last.generation));
    }
    let generation = Generation(last.map_or(0, |last| last.generation.0).saturating_add(1));
    let ancestry = ancestry.as_ref().map(Ancestry::as_str);
    tx.execute(
        "INSERT INTO revisions (generation, sha256, git_commit, accepted_at, bytes, head, ancestry, host)
         VALUES (?1, ?2, ?3, ?4, ?5, ?3, ?6, ?7)",
        params![generation, sha256, commit, now.wall, bytes.as_slice(), ancestry, host],
    )?;
    let forget =
        "UPDATE revisions SET bytes = ?2, ancestry = NULL WHERE generation < ?1 AND length(bytes) > 0";
    tx.execute(forget, params![generation, &[][..]])?;
    let of_commit = commit.as_ref().map_or_else(String::new, |commit| format!(", commit {commit}"));
    let text = format!("Revision {} of the file came into force (sha256 {sha256}{of_commit}).", generation.0);
    history::add(tx, now, &Event::new(EventKind::Revision, text).in_revision(generation))?;
    Ok(Accepted::As(generation))
}

/// Records that the content in force is that of a newer commit, too, unless the ledger says meanwhile that another content or
/// commit is in force: returns whether it was so.
pub(super) fn moved_on(
    tx: &Tx<'_>,
    (generation, before): (Generation, Option<&str>),
    commit: &str,
    ancestry: Option<&Ancestry>,
) -> DatabaseResult<bool> {
    let moved = tx.execute(
        "UPDATE revisions SET head = ?2, ancestry = ?3
         WHERE generation = ?1 AND coalesce(head, git_commit) IS NOT DISTINCT FROM ?4
           AND generation = (SELECT max(generation) FROM revisions)",
        params![generation, commit, ancestry.map(Ancestry::as_str), before],
    )?;
    Ok(moved == 1)
}

/// The newest accepted content.
pub(super) fn last_good(tx: &Tx<'_>) -> DatabaseResult<Option<Revision>> {
    tx.query_opt("SELECT * FROM revisions ORDER BY generation DESC LIMIT 1", params![], revision)
}

/// The newest accepted content, if that or its commit is another one than these.
pub(super) fn other_than(
    tx: &Tx<'_>,
    generation: Generation,
    sha256: &str,
    commit: Option<&str>,
) -> DatabaseResult<Option<Revision>> {
    tx.query_opt(
        "SELECT * FROM revisions WHERE generation = (SELECT max(generation) FROM revisions)
           AND (generation <> ?1 OR sha256 <> ?2 OR coalesce(head, git_commit) IS DISTINCT FROM ?3)",
        params![generation, sha256, commit],
        revision,
    )
}

/// Whether a commit, or content that is of none, was in force before what is in force now.
pub(super) fn was_in_force(tx: &Tx<'_>, sha256: &str, commit: Option<&str>) -> DatabaseResult<bool> {
    let (same, what) = match commit {
        Some(commit) => ("(git_commit = ?1 OR head = ?1)", commit),
        None => ("sha256 = ?1", sha256),
    };
    tx.query_row(
        &format!(
            "SELECT EXISTS (SELECT 1 FROM revisions WHERE {same}
               AND generation < (SELECT max(generation) FROM revisions))"
        ),
        params![what],
        |row| row.get(0),
    )
}

fn revision(row: &Row<'_>) -> DatabaseResult<Revision> {
    let (head, accepted_with): (Option<String>, Option<String>) = (row.get("head")?, row.get("git_commit")?);
    let ancestry: Option<String> = row.get("ancestry")?;
    Ok(Revision {
        generation: row.get("generation")?,
        sha256: row.get("sha256")?,
        commit: head.or(accepted_with),
        ancestry: ancestry.as_deref().and_then(Ancestry::read),
        host: row.get("host")?,
        accepted_at: row.get("accepted_at")?,
        bytes: row.get("bytes")?,
    })
}

/// Records that a lane rests until `until` (wall time, ms since 1970); a shorter rest does not end a longer one. One that the
/// exchange counts by address is of our host; another rests whichever host asks.
pub(super) fn cool_down(
    tx: &Tx<'_>,
    now: Now,
    lane: &str,
    by_address: bool,
    until: i64,
) -> DatabaseResult<()> {
    let host = if by_address { tx.host() } else { "" };
    tx.execute("DELETE FROM cool_downs WHERE until <= ?1", params![now.wall])?;
    tx.execute(
        "INSERT INTO cool_downs (host, lane, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (host, lane) DO UPDATE SET until = excluded.until WHERE cool_downs.until < excluded.until",
        params![host, lane, until],
    )?;
    Ok(())
}

/// The lanes that still rest for our host, each with the wall time (ms since 1970) at which its rest ends.
pub(super) fn cool_downs(tx: &Tx<'_>, now: Now) -> DatabaseResult<BTreeMap<String, i64>> {
    let standing =
        "SELECT lane, max(until) FROM cool_downs WHERE until > ?1 AND host IN ('', ?2) GROUP BY lane";
    tx.query(standing, params![now.wall, tx.host()], |row| Ok((row.get(0)?, row.get(1)?)))
}
