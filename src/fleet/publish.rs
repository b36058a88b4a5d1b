//! Whether this host's file comes into force for all hosts, or is older than what is, or another. Pure.
//!
//! Many hosts work with one ledger and each has its own copy of the file, brought at its own time. An old copy must not take
//! back what another host has published already. With git the commits tell which of two is the older one; without it nobody
//! knows but who saw the change happen, for the content goes back at times on purpose.

use crate::facts::{Ancestry, Generation};
use crate::status::Behind;

/// What is in force, as the ledger says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) generation: Generation,
    pub(super) sha256: &'a str,
    pub(super) commit: Option<&'a str>,
    pub(super) ancestry: Option<&'a Ancestry>,
    /// Whether it is of this host, or of none that is known.
    pub(super) is_ours: bool,
}

/// What this host's file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) sha256: &'a str,
    pub(super) commit: Option<&'a str>,
    pub(super) ancestry: Option<&'a Ancestry>,
    /// Its commit was in force before what is in force now; without a commit, its content was.
    pub(super) was_in_force: bool,
}

/// When this host's own file last held what was in force, as this process read it: a change after that was seen happening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) generation: Generation,
    pub(super) commit: Option<String>,
}

impl Base {
    /// Whether the file was changed from the very content, and of the very commit, that is in force.
    fn is(&self, standing: &Standing<'_>) -> bool {
        self.generation == standing.generation && self.commit.as_deref() == standing.commit
    }
}

/// What is to be done with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its content is in force.
    InForce,
    /// Its content is in force, and its commit is to be remembered as the newest that holds it.
    MovesOn,
    /// It comes into force.
    Publish,
    /// It is older than what is in force: nothing is wrong but that its pull is due.
    Behind,
    /// It is another, and nobody can tell which of the two is the newer one.
    Diverged,
}

/// What the content of the file has come to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Why nothing is changed because of it.
    pub(super) problem: Option<String>,
    /// Where something else is in force, and that is no problem.
    pub(super) behind: Option<Behind>,
}

/// Compares the file with what is in force. `alone`: no other host is known to work with the ledger.
pub(super) fn decide(
    standing: &Standing<'_>,
    candidate: &Candidate<'_>,
    base: Option<&Base>,
    alone: bool,
) -> Verdict {
    let verdict = replaces(standing, candidate, base.is_some_and(|base| base.is(standing)), alone);
    if candidate.sha256 != standing.sha256 {
        return verdict;
    }
    // Hosts that change over to git one after another have the same content for a while.
    let is_first_commit = standing.commit.is_none() && verdict != Verdict::Behind;
    let is_another = candidate.commit.is_some_and(|ours| standing.commit != Some(ours));
    if is_another && (verdict == Verdict::Publish || is_first_commit) {
        Verdict::MovesOn
    } else {
        Verdict::InForce
    }
}

fn replaces(standing: &Standing<'_>, candidate: &Candidate<'_>, was_seen: bool, alone: bool) -> Verdict {
    let seen = if was_seen { Verdict::Publish } else { Verdict::Diverged };
    let names = |of: Option<&Ancestry>, commit: &str| of.is_some_and(|ancestry| ancestry.names(commit));
    let verdict = match (candidate.commit, standing.commit) {
        // However it came to that: what was in force is not brought back by a commit that was, too.
        (Some(ours), theirs) if theirs != Some(ours) && candidate.was_in_force => Verdict::Behind,
        (Some(ours), Some(theirs)) if ours != theirs => {
            // A commit may be one of many that nobody was told of: only who descends from it has them all.
            if names(candidate.ancestry, theirs) {
                Verdict::Publish
            } else if names(standing.ancestry, ours) {
                Verdict::Behind
            } else {
                seen
            }
        }
        (None, _) if candidate.was_in_force && !was_seen => Verdict::Behind,
        (Some(_) | None, _) => seen,
    };
    // Nobody else has a file that could be newer, except the host whose file is in force and which is silent now.
    let is_stale = verdict == Verdict::Behind && candidate.commit.is_some() && !standing.is_ours;
    if alone && !is_stale { Verdict::Publish } else { verdict }
}

#[cfg(test)]
mod tests;
