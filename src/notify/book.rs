//! What was told, what is to be told, and when: from one status to the next. Pure; the time is passed in.
//!
//! A message is made of what is so when it is sent, compared with what was told last. So a receiver that was away hears what
//! still holds, not all that has been; and what is kept for it cannot grow beyond one entry for each target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::message::{Cause, Message, News};
use crate::moment::Moment;
use crate::position_mode::Target;
use crate::protocol::{Reason, State, Wants};
use crate::status::{Counts, Status, TargetStatus};

/// What one receiver was told, and what it does not know yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    seen: Option<Status>,
    told_start: bool,
    /// Whether it was told that the file is refused, and when.
    told_refused: Option<Moment>,
    /// Who wants a human as far as it was told, why, and when it was told so.
    told: BTreeMap<Target, (Reason, Moment)>,
    /// What happened to which targets since it was told of that.
    happened: BTreeMap<Cause, BTreeSet<Target>>,
    /// Whose mode somebody else changed, and that is not as the file wants it since.
    drifted: BTreeSet<Target>,
    /// Since when there is something untold of each.
    untold: BTreeMap<Cause, Moment>,
    /// When it was last told of each.
    last: BTreeMap<Cause, Moment>,
    stopping: bool,
}

impl Book {
    /// Takes the newest status in.
    pub fn see(&mut self, status: Status, now: Moment) {
        // What was counted before the first status is no news.
        let before = self.seen.as_ref().unwrap_or(&status);
        let before: BTreeMap<Target, Counts> =
            before.targets.iter().map(|target| (name(target), target.counts)).collect();
        for target in &status.targets {
            let name = name(target);
            let counts = before.get(&name).copied().unwrap_or_default();
            let mut note = |cause: Cause| {
                self.happened.entry(cause).or_default().insert(name.clone());
            };
            if target.counts.drift > counts.drift {
                note(Cause::Drift);
                self.drifted.insert(name.clone());
            }
            let effects = |counts: Counts| counts.confirmed + counts.late;
            if effects(target.counts) > effects(counts) {
                let back = self.drifted.contains(&name);
                note(if back { Cause::Corrected } else { Cause::Changed });
            }
            if target.state == State::InSync {
                self.drifted.remove(&name);
            }
        }
        self.seen = Some(status);
        self.note_untold(now);
    }

    /// From now on nothing waits for more of its kind.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The next message that is due, if any.
    pub fn decide(&mut self, host: &str, now: Moment) -> Option<Message> {
        self.note_untold(now);
        let due = |cause: Cause, since: Moment| {
            let alone = matches!(cause, Cause::Started | Cause::Stopping);
            let last = self.last.get(&cause).map_or(since, |last| since.max(*last));
            alone || self.stopping || now >= last + TOGETHER
        };
        let (cause, _) = self.untold.iter().find(|(cause, since)| due(**cause, **since))?;
        let status = self.seen.as_ref()?;
        Some(Message::new(*cause, &self.news(*cause, now), status, host))
    }

    /// Notes that this message has arrived.
    pub fn delivered(&mut self, cause: Cause, now: Moment) {
        let News { begun, again: _, over, hit: _ } = self.news(cause, now);
        match cause {
            Cause::Started => self.told_start = true,
            Cause::Stopping => self.stopping = false,
            Cause::File => self.told_refused = self.is_refused().then_some(now),
            Cause::Human(reason) => {
                self.told.retain(|target, _| !over.contains(target));
                self.told.extend(begun.into_iter().map(|target| (target, (reason, now))));
            }
            Cause::Drift | Cause::Corrected | Cause::Changed => {
                self.happened.remove(&cause);
            }
        }
        self.untold.remove(&cause);
        self.last.insert(cause, now);
    }

    /// Which targets a message about this would be about now.
    fn news(&self, cause: Cause, now: Moment) -> News {
        let mut news = News::default();
        match cause {
            Cause::Human(reason) => {
                let wanting = self.wanting();
                let is_new = |target: &Target| match self.told.get(target) {
                    Some((told, at)) => *told != reason || now >= *at + AGAIN,
                    None => true,
                };
                let begun = wanting.iter().filter(|(target, why)| **why == reason && is_new(target));
                news.begun = begun.map(|(target, _)| target.clone()).collect();
                let known = |target| self.told.get(target).is_some_and(|(told, _)| *told == reason);
                news.again = !news.begun.is_empty() && news.begun.iter().all(known);
                let over = self
                    .told
                    .iter()
                    .filter(|(target, (told, _))| *told == reason && !wanting.contains_key(*target));
                news.over = over.map(|(target, _)| target.clone()).collect();
            }
            Cause::File => news.again = self.told_refused.is_some(),
            Cause::Drift | Cause::Corrected | Cause::Changed => {
                news.hit = self.happened.get(&cause).cloned().unwrap_or_default();
            }
            Cause::Started | Cause::Stopping => {}
        }
        news
    }

    /// Notes since when there is something untold of each cause, and forgets where there is nothing any more.
    fn note_untold(&mut self, now: Moment) {
        let mut causes: BTreeSet<Cause> = self.happened.keys().copied().collect();
        causes.extend((!self.told_start).then_some(Cause::Started));
        causes.extend(self.stopping.then_some(Cause::Stopping));
        let again = self.told_refused.is_some_and(|at| now >= at + AGAIN);
        let differs = self.is_refused() != self.told_refused.is_some();
        causes.extend((differs || (again && self.is_refused())).then_some(Cause::File));
        let wanting = self.wanting();
        for (target, reason) in &wanting {
            let known = self.told.get(target);
            if known.is_none_or(|(told, at)| told != reason || now >= *at + AGAIN) {
                causes.insert(Cause::Human(*reason));
            }
        }
        let over = self.told.iter().filter(|(target, _)| !wanting.contains_key(*target));
        causes.extend(over.map(|(_, (reason, _))| Cause::Human(*reason)));
        self.untold.retain(|cause, _| causes.contains(cause));
        for cause in causes {
            self.untold.entry(cause).or_insert(now);
        }
    }

    fn is_refused(&self) -> bool {
        self.seen.as_ref().is_some_and(|status| status.config.problem.is_some())
    }

    /// Who wants a human now, and why. A refused file is told of by itself, not once more for each target.
    fn wanting(&self) -> BTreeMap<Target, Reason> {
        let targets = self.seen.iter().flat_map(|status| &status.targets);
        targets.filter_map(|target| Some((name(target), human(target)?))).collect()
    }
}

/// The first of its reasons that a human has to end.
fn human(target: &TargetStatus) -> Option<Reason> {
    if target.wants != Some(Wants::Human) {
        return None;
    }
    let humans = || target.blockers.iter().copied().filter(|reason| reason.wants() == Wants::Human);
    // A pause may end by itself, and then it is another one that wants a human.
    let lasting = humans().find(|reason| ![Reason::File, Reason::Paused].contains(reason));
    let first = lasting.or_else(|| humans().find(|reason| *reason == Reason::Paused));
    // Some want a human only now and then, such as a set of which nothing more can be learned.
    first.or_else(|| target.reason.filter(|_| !target.blockers.contains(&Reason::File)))
}

fn name(target: &TargetStatus) -> Target {
    Target { account: target.account.clone(), scope: target.scope }
}

/// What happens within so long is told together, and nothing of a kind is told twice within it.
const TOGETHER: Duration = Duration::from_secs(30);
/// What still holds is told again after so long.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
