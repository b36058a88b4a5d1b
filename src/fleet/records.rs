//! What the fleet puts on record and shows: problems of the file, the held plan, limits that rest, and the frame of the
//! status.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::pauses::{Line, shown};
use super::watched::{IsLast, Mark};
use super::{CHANGING, Fleet, InForce, Whom};
use crate::constants::{FILE_POLL, HELD_AGAIN};
use crate::exchange::CoolDown;
use crate::keeper::Environment;
use crate::ledger::{Event, EventKind, LedgerError, Revision};
use crate::protocol::Plan;
use crate::status::{Config, Frame, Held, TargetStatus, seconds};

impl<D: Environment> Fleet<D> {
    /// Reports a file that is not in force, or is again. Every edit is "still changing" for a moment, which is reported
    /// only if it lasts.
    pub(super) async fn report_file(&mut self) -> Result<(), LedgerError> {
        let lasts = self.clock.now().since(self.problem_since) >= FILE_POLL;
        if self.told == self.problem || (self.problem.as_deref() == Some(CHANGING) && !lasts) {
            return Ok(());
        }
        self.told.clone_from(&self.problem);
        if let Some(say) = &self.problem {
            tracing::warn!("the newest content of the file is not in force, nothing is changed: {say}");
            self.ledger.event(Event::new(EventKind::FileRejected, say)).await
        } else if self.behind.is_some() {
            let say = "the file is no obstacle any more: a newer one, of another host, is in force";
            tracing::info!("{say}");
            self.ledger.event(Event::new(EventKind::FileGood, say)).await
        } else {
            tracing::info!("the newest content of the file is in force");
            let say = "the newest content of the file came into force";
            self.ledger.event(Event::new(EventKind::FileGood, say)).await
        }
    }

    /// Records the held plan in the ledger, so that it can be approved; looks for it only when it may have changed.
    pub(super) async fn hold(&mut self) -> Result<(), LedgerError> {
        let (turns, now) = (self.board.turns(), self.clock.now());
        // A plan held for days is recorded again from time to time: it may be approved for one day only.
        let again =
            self.held_recorded.is_some_and(|at| !self.held.0.is_empty() && now.since(at) >= HELD_AGAIN);
        if self.held_at == Some(turns) && !again {
            return Ok(());
        }
        let (mut all_looked, mut held) = (true, BTreeSet::new());
        self.board.see(|_, account| {
            all_looked &= account.looked;
            held.extend(account.targets.iter().filter_map(TargetStatus::held_entry));
        });
        let held = Plan(held);
        // The plan of an earlier process may no longer be held: that must be recorded too.
        let first = self.held_recorded.is_none() && all_looked;
        if held != *self.held || first || again {
            self.ledger.hold(&held).await?;
            self.held = Arc::new(held);
            self.held_recorded = Some(now);
            (self.to_tell, self.to_show) = (true, true);
        }
        self.held_at = Some(turns);
        Ok(())
    }

    /// Logs what differs in pauses and resumes since the last time.
    pub(super) async fn report_pauses(&mut self) -> Result<(), LedgerError> {
        let directives = self.directives.borrow().clone();
        if self.heard.is_of(&directives) {
            return Ok(());
        }
        let events = self.ledger.newest_events(NEWEST).await?;
        for Line { account, say } in self.heard.hear(&directives, &events) {
            tracing::info!(account = account.as_ref().map(tracing::field::display), "{say}");
        }
        Ok(())
    }

    pub(super) async fn restore_cool_downs(&self) -> Result<(), LedgerError> {
        for (limit, until) in self.ledger.cool_downs().await? {
            self.environment.restore(&limit, self.clock.moment(until));
        }
        Ok(())
    }

    /// Records which limits rest, so that a restart does not send requests to them at once.
    pub(super) async fn keep_cool_downs(&mut self) -> Result<(), LedgerError> {
        for CoolDown { limit, by_address, until } in self.environment.cool_downs() {
            if self.cooling.get(&limit) != Some(&until) {
                let at = self.clock.wall_of(until);
                self.ledger.cool_down(&limit, by_address, at).await?;
                self.cooling.insert(limit, until);
            }
        }
        Ok(())
    }

    /// Marks that this process runs, if that is due. Of a failure others tell; the next mark makes it good.
    pub(super) async fn mark_watched(&mut self, is_last: IsLast) {
        let (now, exchange) = (self.clock.now(), self.clock.exchange());
        let mark = self.watch.turn(now, exchange, is_last);
        // One who looks after some of the accounts has not watched the others.
        if let Some(Mark { since, until }) = mark.filter(|_| self.whom == Whom::Everybody) {
            drop(self.ledger.watched(since, until).await);
        }
    }

    /// Publishes what is known beside the targets, if it differs or the keepers may have followed another revision.
    pub(super) fn show_what_is_new(&mut self) {
        let turns = self.board.turns();
        self.to_show |= self.shown_at != turns || self.directives.has_changed().unwrap_or(false);
        if std::mem::take(&mut self.to_show) {
            self.shown_at = turns;
            self.directives.mark_unchanged();
            self.show();
        }
    }

    /// Publishes what is known beside the targets: pauses, the revision in force and the held plan.
    fn show(&self) {
        let Some(InForce { revision, desired: _ }) = &self.in_force else { return };
        let directives = self.directives.borrow().clone();
        let at = |millis| Timestamp::from_millisecond(millis).map_or(Timestamp::UNIX_EPOCH, seconds);
        let (exchange, now) = (self.clock.exchange(), self.clock.now());
        let standing = directives.standing(exchange, now);
        let paused = standing.get(&None).copied().map(shown);
        let paused_accounts =
            standing.into_iter().filter_map(|(account, row)| Some((account?.clone(), shown(row)))).collect();
        let held = (!self.held.0.is_empty()).then(|| Held {
            hash: self.held.hash(),
            plan: Plan::clone(&self.held),
            told: BTreeSet::new(),
        });
        let Revision { generation, sha256, commit, accepted_at, ancestry: _, host: _, bytes: _ } = revision;
        let config = Config {
            generation: *generation,
            sha256: sha256.clone(),
            commit: commit.clone(),
            loaded_at: Some(at(*accepted_at)),
            problem: self.problem.clone(),
            behind: self.behind.clone(),
            path: None,
            next: None,
        };
        self.board.frame(|frame| *frame = Frame { paused, paused_accounts, config, held });
    }
}

/// More events than there are within a turn; older ones are in the history alone.
const NEWEST: usize = 1000;
