//! The last good content of the file, and the cool-downs of lanes: what a new process resumes from.
//!
//! Of older revisions the number, hash and commit are kept; their content is in git.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Tx, params};
use crate::facts::Generation;

/// Accepted content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub generation: Generation,
    /// SHA-256 of the bytes, in lower-case hex.
    pub sha256: String,
    /// The git commit that it came from, if known.
    pub commit: Option<String>,
    /// When it was accepted: wall time in milliseconds since 1970.
    pub accepted_at: i64,
    /// The content of the file.
    pub bytes: Vec<u8>,
}

/// Records accepted content; content equal to the last good one keeps its number.
pub(super) fn accept(
    tx: &Tx<'_>,
    now: Now,
    sha256: &str,
    bytes: &[u8],
    commit: Option<&str>,
) -> Result<Generation, StoreError> {
    let last = last_good(tx)?;
    if let Some(last) = last.as_ref().filter(|last| last.sha256 == sha256 && last.bytes == bytes) {
        return Ok(last.generation);
    }
    let generation = Generation(last.map_or(0, |last| last.generation.0).saturating_add(1));
    tx.execute("INSERT INTO revisions (generation, sha256, git_commit, accepted_at, bytes) VALUES (?1, ?2, ?3, ?4, ?5)", params![generation, sha256, commit, now.wall, bytes])?;
    let forget = "UPDATE revisions SET bytes = ?2 WHERE generation < ?1 AND length(bytes) > 0";
    tx.execute(forget, params![generation, &[][..]])?;
    let of_commit = commit.map_or_else(String::new, |commit| format!(", commit {commit}"));
    let text = format!("Revision {} of the file came into force (sha256 {sha256}{of_commit}).", generation.0);
    history::add(tx, now, &Event::new(EventKind::Revision, text).in_revision(generation))?;
    Ok(generation)
}

/// The newest accepted content.
pub(super) fn last_good(tx: &Tx<'_>) -> DatabaseResult<Option<Revision>> {
    tx.query_opt("SELECT * FROM revisions ORDER BY generation DESC LIMIT 1", params![], |row| {
        Ok(Revision {
            generation: row.get("generation")?,
            sha256: row.get("sha256")?,
            commit: row.get("git_commit")?,
            accepted_at: row.get("accepted_at")?,
            bytes: row.get("bytes")?,
        })
    })
}

/// Records that a lane rests until `until` (wall time, ms since 1970); a shorter rest does not end a longer one.
pub(super) fn cool_down(tx: &Tx<'_>, now: Now, lane: &str, until: i64) -> DatabaseResult<()> {
    tx.execute("DELETE FROM cool_downs WHERE until <= ?1", params![now.wall])?;
    tx.execute(
        "INSERT INTO cool_downs (lane, until) VALUES (?1, ?2)
         ON CONFLICT (lane) DO UPDATE SET until = excluded.until WHERE cool_downs.until < excluded.until",
        params![lane, until],
    )?;
    Ok(())
}

/// The lanes that still rest, each with the wall time (ms since 1970) at which its rest ends.
pub(super) fn cool_downs(tx: &Tx<'_>, now: Now) -> DatabaseResult<BTreeMap<String, i64>> {
    tx.query("SELECT lane, until FROM cool_downs WHERE until > ?1", params![now.wall], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}
