//! What is known of a target and its account at a moment, and how each thing that comes back changes it.
//!
//! Pure: the keeper and the model checker learn by the same functions. Nothing here decides what to do next.

mod answer;
mod brakes;
mod failure;
mod flatness;
mod identity;
mod intent;
mod server_clock;
mod wanted;

pub use answer::Answer;
pub use brakes::{Brakes, Guard, LedgerTrouble, Pause};
pub use failure::{Class, ClassRow, ClearedBy, Failing, Failure, RefusedSet};
pub use flatness::{FlatSpan, Flatness, List, Reading, VerdictInProgress};
pub use identity::Identity;
pub use intent::{Applied, Cause, Change, How, Intent, IntentId, IntentState, LateSet, Refusals, SetAnswer};
pub use server_clock::ServerClock;
pub use wanted::{DriftPolicy, Generation, HostReading, Requirement, Requirements, Wanted};

use crate::constants::{FLATNESS_IS_KNOWN_FOR, LIVE_IS_KNOWN_FOR};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Declared, PositionMode};

/// All that `protocol::next` looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What holds for the whole account.
    pub account: &'a AccountFacts,
    /// What forbids sets from outside of the account.
    pub brakes: &'a Brakes,
    /// What holds for this target.
    pub target: &'a TargetFacts,
}

/// What is known of an account, whatever the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AccountFacts {
    /// The host that the file gives this account to, if that is not this one: then nothing is asked of it here.
    pub elsewhere: Option<String>,
    /// Why there is no usable credential, if there is none: one sentence that says what to do.
    pub credential: Option<String>,
    /// Why nothing is asked with the key, if another account's file holds the same one: one or two sentences.
    pub shared_key: Option<String>,
    /// What the key showed of its account at the last look.
    pub identity: Option<Identity>,
    /// Why the key belongs to another account than it should, if it does: one sentence.
    pub wrong: Option<String>,
    /// What the file says of the account, if an account of its kind cannot have it.
    pub unsatisfiable: Option<Declared>,
    /// When the newest set was signed whose outcome is unknown and whose target is gone: the file names it no more, or the
    /// account's kind has changed.
    pub orphaned_set_at: Option<ServerTime>,
    /// Why the account as a whole cannot be looked at, if so.
    pub failing: Option<Failing>,
    /// The exchange's clock, as far as it is known.
    pub clock: Option<ServerClock>,
    /// What the host showed of what the file requires of it, when it was looked at last.
    pub host: Option<HostReading>,
    /// The random number of the wait now under way; drawn anew for each.
    pub jitter: Jitter,
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetFacts {
    /// What the newest accepted revision wants.
    pub wanted: Wanted,
    /// The live mode at the last look.
    pub seen: Option<Seen>,
    /// What was read of positions and orders.
    pub flatness: Flatness,
    /// The last mode seen live equal to desired.
    pub applied: Option<Applied>,
    /// A set that was noted and whose end is not on record yet.
    pub intent: Option<Intent>,
    /// Why this target alone cannot be looked at, if so.
    pub failing: Option<Failing>,
    /// Which list it is that cannot be read, if it is one: a look at the mode does not mend that.
    pub unread: Option<List>,
    /// Why the last set was refused, other than for not being flat; no look ends it, only time, a reload or a success.
    pub set_refused: Option<Failing>,
    /// Refusals of the not-flat class since a set last went through or a list last showed something.
    pub refused_though_flat: Option<Refusals>,
    /// When drift was corrected, since a revision changed the target or an operator resumed it; oldest first.
    pub corrections: Vec<ServerTime>,
    /// A mode that a set of ours asked for which seemed lost: should it show up now, it is that set, late.
    pub may_come_late: Option<LateSet>,
    /// What was seen before this moment is to be seen again: a reload, a kick, a revision that wants something else.
    pub look_since: Moment,
}

/// One reading of the live mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What the exchange said.
    pub mode: PositionMode,
    /// When we asked.
    pub asked: Moment,
    /// When the answer was here.
    pub answered: Moment,
    /// The exchange's own time of the answer.
    pub server: ServerTime,
}

impl TargetFacts {
    /// A target of which nothing is known yet but what the file wants.
    pub fn new(wanted: Wanted, now: Moment) -> TargetFacts {
        TargetFacts {
            wanted,
            seen: None,
            flatness: Flatness::default(),
            applied: None,
            intent: None,
            failing: None,
            unread: None,
            set_refused: None,
            refused_though_flat: None,
            corrections: Vec::new(),
            may_come_late: None,
            look_since: now,
        }
    }

    /// What was read of the lists since the mode was read: older readings say nothing any more.
    pub fn this_round(&self) -> Flatness {
        let Flatness { plan_orders, orders, positions, in_progress, flat_span } = self.flatness;
        let began = self.seen.map_or(Moment(i64::MIN), |seen| seen.asked);
        let newer = |reading: Option<Reading>| reading.filter(|reading| reading.asked >= began);
        let (plan_orders, orders, positions) = (newer(plan_orders), newer(orders), newer(positions));
        Flatness { plan_orders, orders, positions, in_progress, flat_span }
    }

    /// Whether a verdict or a set is under way, which should not wait for looks at other targets.
    pub fn is_part_way(&self) -> bool {
        self.intent.is_some() || self.flatness.in_progress.is_some()
    }

    /// The live mode was read. While it is as desired nobody reads the lists, so what they said before is over: a later
    /// change is settled from its own verdicts.
    pub fn record_mode(&mut self, seen: Seen) {
        let in_sync = self.wanted.mode == Some(seen.mode);
        if in_sync {
            self.flatness = Flatness::default();
        }
        if in_sync || self.unread.is_none() {
            self.clear_failure();
        }
        self.seen = Some(seen);
    }

    /// A list was read.
    pub fn read(&mut self, list: List, reading: Reading) {
        let known_for = (self.wanted.check_every * LIVE_IS_KNOWN_FOR).max(FLATNESS_IS_KNOWN_FOR);
        // Nobody looked for so long that nobody can say that it was flat all the time.
        self.flatness.flat_span =
            self.flatness.flat_span.filter(|run| reading.asked.since(run.newest) <= known_for);
        self.flatness.read(list, reading);
        if reading.count > 0 {
            self.refused_though_flat = None;
        }
        if reading.count > 0 || self.unread.is_none_or(|unread| unread == list) {
            self.clear_failure();
        }
    }

    /// A look failed, at the mode or at a list, in a way that says nothing of the account as a whole.
    pub fn failed(&mut self, list: Option<List>, failure: Failure, at: Moment, jitter: Jitter) {
        let before = self.failing.take().filter(|_| self.unread == list);
        self.failing = Some(Failing::after(before, failure, at, jitter));
        self.unread = list;
    }

    fn clear_failure(&mut self) {
        self.failing = None;
        self.unread = None;
    }

    /// A reload, a kick, or a revision that wants something else: it is looked at again, and what was refused may be tried
    /// again.
    pub fn look_again(&mut self, now: Moment) {
        self.look_since = now;
        self.clear_failure();
        self.set_refused = None;
    }

    /// The set was answered.
    pub fn answered(&mut self, answer: SetAnswer, at: Moment) {
        if let Some(intent) = &mut self.intent {
            intent.state = match answer {
                SetAnswer::Accepted => IntentState::Accepted { at },
                SetAnswer::Refused(failure) => IntentState::Refused(failure),
                SetAnswer::Unclear(_) => IntentState::Unclear,
            };
        }
    }

    /// The refusal is on record: the intent is closed, and what was refused is remembered here or, where it says
    /// something of the whole account, given back.
    pub fn refusal_recorded(&mut self, failure: Failure, at: Moment, jitter: Jitter) -> Option<Failure> {
        self.intent = None;
        let mut wait = |failure| {
            self.set_refused = Some(Failing::after(self.set_refused.take(), failure, at, jitter));
        };
        match failure.class.row().refused_set {
            RefusedSet::NotFlat => {
                let count = self.refused_though_flat.map_or(0, |refusals| refusals.count).saturating_add(1);
                self.refused_though_flat = Some(Refusals { count, last: at });
                None
            }
            RefusedSet::TargetWaits => {
                wait(failure);
                None
            }
            RefusedSet::AccountWaits => Some(failure),
            RefusedSet::BothWait => {
                wait(failure.clone());
                Some(failure)
            }
        }
    }

    /// A set left that corrected drift, whatever became of it: one step towards a fight.
    pub fn count_correction(&mut self, cause: Cause, stamp: ServerTime) {
        if cause == Cause::Drift && !self.corrections.contains(&stamp) {
            self.corrections.push(stamp);
        }
    }

    /// The set is on record as having had its effect: what stood against it is over.
    pub fn effect_recorded(&mut self, applied: Option<Applied>) {
        self.intent = None;
        // Whatever was lost before it: the mode that shows from now on is what came after.
        self.may_come_late = None;
        self.set_refused = None;
        self.refused_though_flat = None;
        if applied.is_some() {
            self.applied = applied;
        }
    }
}

impl AccountFacts {
    /// Something went wrong that concerns the whole account.
    pub fn failed(&mut self, failure: Failure, at: Moment) {
        if failure.class == Class::Clock {
            self.clock = None;
        }
        self.doubt_the_kind(&failure);
        self.failing = Some(Failing::after(self.failing.take(), failure, at, self.jitter));
    }

    /// Whatever failed: the kind is observed again if it may be another one.
    pub fn doubt_the_kind(&mut self, failure: &Failure) {
        if failure.class.row().doubts_kind {
            self.identity = None;
        }
    }

    /// Something came back: it tells the time, and the account can be looked at. A clock or a kind that was refused is
    /// not mended by measuring or observing it anew, only by the look that comes after.
    pub fn note_server_time(&mut self, asked: Moment, answered: Moment, server: ServerTime) {
        let newer = ServerClock::measured(asked, answered, server);
        let before = self.clock.replace(self.clock.map_or(newer, |old| old.better(newer, answered)));
        let mended =
            self.failing.as_ref().is_none_or(|failing| match failing.failure.class.row().cleared_by {
                ClearedBy::AnyAnswer => true,
                ClearedBy::AnswerInTime => before.is_some(),
                ClearedBy::AnswerOfKind => self.identity.is_some(),
            });
        if mended {
            self.failing = None;
        }
    }
}

#[cfg(test)]
mod tests;
