//! What is in force is what the ledger says: this host's file comes into force by being published there, and what another
//! host has published comes into force here, too.

use super::publish::{Base, Candidate, Judged, Standing, Verdict, decide};
use super::{Fleet, InForce};
use crate::desired;
use crate::facts::{Ancestry, Generation};
use crate::keeper::Environment;
use crate::ledger::{Accepted, LedgerError, Publication, Revision};
use crate::source::Content;
use crate::status::{Behind, Relation, short};

impl<D: Environment> Fleet<D> {
    /// Brings content into force, or says why it is not.
    pub(super) async fn accept(&mut self, content: &Content) -> Judged {
        match self.judge(content).await {
            Ok(judged) => judged,
            Err(error) => {
                self.to_follow = true;
                // Without the ledger nobody knows what is in force.
                Judged { problem: Some(error.to_string()), behind: None }
            }
        }
    }

    async fn judge(&mut self, content: &Content) -> Result<Judged, LedgerError> {
        // Others may come first, but not again and again: then the next turn goes on.
        for _ in 0..ATTEMPTS {
            let Some(newest) = self.newest.clone() else {
                if let Some(judged) = self.publish(content, None).await? {
                    return Ok(judged);
                }
                continue;
            };
            let verdict = self.compare(&newest, content).await?;
            match verdict {
                Verdict::InForce => {
                    self.holds(newest.generation, content);
                    return Ok(Judged::default());
                }
                Verdict::MovesOn => {
                    let Some(commit) = &content.commit else { return Ok(Judged::default()) };
                    match self.ledger.moved_on(&newest, commit, content.ancestry.as_ref()).await {
                        Ok(true) => {
                            self.is_of(&newest, content);
                            self.holds(newest.generation, content);
                            return Ok(Judged::default());
                        }
                        Ok(false) => self.follow_the_ledger().await?,
                        // The content is in force, whatever its commit is called.
                        Err(_) => {
                            self.to_follow = true;
                            return Ok(Judged::default());
                        }
                    }
                }
                Verdict::Publish => {
                    if let Some(judged) = self.publish(content, Some(&newest)).await? {
                        return Ok(judged);
                    }
                }
                // What is older, good or bad, is not what anybody wants now.
                Verdict::Behind => return Ok(behind(&newest, content, Relation::Behind)),
                // It may be the newer one, and meant to stop what is in force.
                Verdict::Diverged => {
                    let judged = match desired::read(&content.bytes) {
                        Ok(_) => behind(&newest, content, Relation::Diverged),
                        Err(problems) => refused(content, &problems),
                    };
                    return Ok(judged);
                }
            }
        }
        self.to_follow = true;
        Ok(Judged { problem: self.problem.clone(), behind: self.behind.clone() })
    }

    async fn compare(&self, newest: &Revision, content: &Content) -> Result<Verdict, LedgerError> {
        let Content { bytes: _, sha256, commit, ancestry } = content;
        let is_same = *sha256 == newest.sha256 && (commit.is_none() || *commit == newest.commit);
        let was_in_force = !is_same && self.ledger.was_in_force(sha256, commit.as_deref()).await?;
        let standing = Standing {
            generation: newest.generation,
            sha256: &newest.sha256,
            commit: newest.commit.as_deref(),
            ancestry: newest.ancestry.as_ref(),
            is_ours: newest.host.as_ref().is_none_or(|host| *host == self.host),
        };
        let candidate =
            Candidate { sha256, commit: commit.as_deref(), ancestry: ancestry.as_ref(), was_in_force };
        Ok(decide(&standing, &candidate, self.base.as_ref(), self.ledger.is_alone()))
    }

    /// Publishes content after the revision that is believed to be in force; `None` if another is.
    async fn publish(
        &mut self,
        content: &Content,
        after: Option<&Revision>,
    ) -> Result<Option<Judged>, LedgerError> {
        let Content { bytes, sha256, commit, ancestry } = content;
        let desired = match desired::read(bytes) {
            Ok(desired) => desired,
            Err(problems) => return Ok(Some(refused(content, &problems))),
        };
        let publication = Publication {
            sha256: sha256.clone(),
            commit: commit.clone(),
            ancestry: ancestry.clone(),
            host: self.host.clone(),
            bytes: bytes.to_vec(),
        };
        match self.ledger.accept_revision(after, publication.clone()).await? {
            Accepted::As(generation) => {
                tracing::info!(
                    generation = generation.0,
                    sha256,
                    commit,
                    "revision {} accepted",
                    generation.0
                );
                let Publication { sha256, commit, ancestry, host, bytes } = publication;
                let (host, accepted_at) = (Some(host), self.clock.wall());
                let revision = Revision { generation, sha256, commit, ancestry, host, accepted_at, bytes };
                self.newest = Some(revision.clone());
                self.in_force = Some(InForce { revision, desired });
                self.unreadable = None;
                self.holds(generation, content);
                Ok(Some(Judged::default()))
            }
            Accepted::OtherwiseInForce(newest) => {
                self.newest = None;
                if let Some(newest) = newest {
                    self.adopt(*newest);
                }
                Ok(None)
            }
        }
    }

    /// Remembers that the file holds what is in force.
    fn holds(&mut self, generation: Generation, content: &Content) {
        self.base = Some(Base { generation, commit: content.commit.clone() });
    }

    /// What is in force is that of a newer commit as well.
    fn is_of(&mut self, newest: &Revision, content: &Content) {
        let followed = self.in_force.as_mut().map(|in_force| &mut in_force.revision);
        let both = [self.newest.as_mut(), followed].into_iter().flatten();
        for revision in both.filter(|revision| revision.generation == newest.generation) {
            revision.commit.clone_from(&content.commit);
            revision.ancestry.clone_from(&content.ancestry);
        }
        self.to_show = true;
    }

    /// Takes over what another process has put in force, if one has.
    pub(super) async fn follow_the_ledger(&mut self) -> Result<(), LedgerError> {
        self.to_ask = true;
        let newer = match &self.newest {
            Some(newest) => self.ledger.other_than(newest).await?,
            None => self.ledger.last_good().await?,
        };
        self.to_ask = false;
        if let Some(newer) = newer {
            self.adopt(newer);
            // The file is to be compared with it; if it cannot be read, that is a brake before the file is.
            self.to_follow = true;
            self.brakes(self.problem.clone());
        }
        Ok(())
    }

    /// What the ledger says is in force comes into force here.
    pub(super) fn adopt(&mut self, newest: Revision) {
        let known = self.newest.replace(newest.clone());
        let is_news =
            known.is_none_or(|known| known.generation != newest.generation || known.sha256 != newest.sha256);
        let (generation, host) = (newest.generation, newest.host.clone().unwrap_or_default());
        (self.to_tell, self.to_show) = (true, true);
        match desired::read(&newest.bytes) {
            Ok(desired) => {
                self.unreadable = None;
                self.in_force = Some(InForce { revision: newest, desired });
                if is_news {
                    tracing::info!(generation = generation.0, host, "revision {} is in force", generation.0);
                }
            }
            // A newer version may have more to say than this one knows; an older one may have taken what is refused now.
            Err(problems) => {
                let by =
                    newest.host.map_or_else(String::new, |host| format!(", which {host} has published,"));
                self.unreadable = Some(format!(
                    "revision {}{by} is in force and cannot be read by posmoded {}: {problems}. Bring all hosts to the \
                     same version",
                    generation.0,
                    env!("CARGO_PKG_VERSION")
                ));
            }
        }
    }
}

fn refused(content: &Content, problems: &desired::Problems) -> Judged {
    let of_commit =
        content.commit.as_ref().map_or_else(String::new, |commit| format!("commit {}, ", short(commit)));
    let problem = Some(format!("{of_commit}{problems}. `posmoded check` shows the line."));
    Judged { problem, ..Judged::default() }
}

/// Says how the file and what is in force differ.
fn behind(newest: &Revision, content: &Content, relation: Relation) -> Judged {
    let commits = |ancestry: Option<&Ancestry>| Some(ancestry?.commits());
    let (own, theirs) = (commits(content.ancestry.as_ref()), commits(newest.ancestry.as_ref()));
    let behind = Behind {
        relation,
        commit: content.commit.clone(),
        in_force: newest.commit.clone(),
        host: newest.host.clone(),
        commits: theirs.zip(own).and_then(|(theirs, own)| theirs.checked_sub(own)).filter(|by| *by > 0),
        generation: newest.generation,
    };
    Judged { behind: Some(behind), ..Judged::default() }
}

/// How often another host may come first within a turn.
const ATTEMPTS: usize = 3;
