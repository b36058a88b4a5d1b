//! What is known of a target and its account at a moment, and how each answer changes it.
//!
//! Pure: the keeper and the model checker update facts by the same functions. Nothing here decides what to do next.

mod ancestry;
mod answer;
mod brakes;
mod closing;
mod failure;
mod flatness;
mod identity;
mod intent;
mod open;
mod server_clock;
mod wanted;
mod witnesses;

pub use ancestry::{Ancestry, LONGEST as LONGEST_ANCESTRY, is_commit};
pub use answer::Answer;
pub use brakes::{Brakes, Guard, HeldPlan, LedgerTrouble, Pause};
pub use closing::{Closing, RequestId};
pub use failure::{Class, ClassRow, ClearedBy, Failing, Failure, RefusedSet};
pub use flatness::{FlatSpan, Flatness, List, Reading, VerdictInProgress, Wait};
pub use identity::{AccountSettings, Identity, KeyTaken, OwnerDue};
pub use intent::{Applied, Cause, Change, How, Intent, IntentId, IntentState, LateSet, Refusals, SetAnswer};
pub use open::{OpenRow, Side};
pub use server_clock::{Age, ServerClock};
pub use wanted::{
    DriftPolicy, Elsewhere, Generation, HostReading, Policy, Requirement, Requirements, Wanted,
};
pub use witnesses::{Apart, Jump, Lag, Witness, Witnesses};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::constants::{FLATNESS_IS_KNOWN_FOR, LIVE_IS_KNOWN_FOR, OWNER_TRIES};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Declared, Kind, PositionMode};

/// What every decision of the protocol goes by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Facts about the whole account.
    pub account: &'a AccountFacts,
    /// What forbids sets for reasons outside the account.
    pub brakes: &'a Brakes,
    /// Facts about this target.
    pub target: &'a TargetFacts,
}

/// What is known of an account, for all its targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AccountFacts {
    /// The host that the file assigns this account to, if it is another one: this host then sends no request for it.
    pub elsewhere: Option<Elsewhere>,
    /// The hosts whose daemons work with this ledger, this one too, if the file does not say which of them has this account:
    /// none of them then sends a request for it.
    pub unassigned: Option<Vec<String>>,
    /// Why nobody here knows whose this account is by now, if the ledger's database was not reached for long: one or two
    /// sentences.
    pub ledger_away: Option<String>,
    /// Why there is no usable credential, if there is none: one sentence that says what to do.
    pub credential: Option<String>,
    /// Whether the key files that this process reads are copies from its start: only another start brings what is mended.
    pub keys_are_copies: bool,
    /// Why the key is not used, if another account's credential file holds the same one: one or two sentences.
    pub shared_key: Option<String>,
    /// Its kind, observed by this process or by an earlier one; an answer that contradicts it makes it unknown.
    pub kind: Option<Kind>,
    /// The account that the key belongs to, as of the last look.
    pub identity: Option<Identity>,
    /// By when it must have been seen whose key this is.
    pub owner_due: OwnerDue,
    /// Why that could not be seen lately, where it is no obstacle.
    pub owner_failing: Option<Failing>,
    /// Why the key's account is the wrong one, if it is: one or two sentences.
    pub wrong: Option<String>,
    /// Why this process must not set the account, if another one on this host has claimed its key.
    pub key_taken: Option<KeyTaken>,
    /// Until when this process sends no set, because one of an earlier process that it knows nothing of may still take
    /// effect; by our own clock also the end of the fence of one that it does know of.
    pub quiet_until: Moment,
    /// When the ledger's database was found to be another one than it was, which may know nothing of the sets noted last.
    pub ledger_replaced_at: Option<Moment>,
    /// The declared modes, if an account of this kind cannot have them.
    pub unsatisfiable: Option<Declared>,
    /// Signing time of the newest unresolved set whose target no longer exists: the file does not name it any more, or
    /// the account's kind has changed.
    pub orphaned_set_at: Option<ServerTime>,
    /// When the fence of such a set ends by our own clock, if this process sent it.
    pub orphaned_fence: Moment,
    /// The current failure of looks that concerns the whole account, if any.
    pub failing: Option<Failing>,
    /// The exchange's clock, as far as it is known.
    pub clock: Option<ServerClock>,
    /// Why no set is signed with that clock, if answers contradict it: one or two sentences.
    pub clock_contradicted: Option<String>,
    /// The last check of the file's requirements on the host.
    pub host: Option<HostReading>,
    /// The random number of the current wait; drawn anew for each.
    pub jitter: Jitter,
    /// How much later than wanted recurring looks come, because the budget of requests does not suffice.
    pub stretch: Stretch,
}

/// How much longer intervals come out than they are wanted, in thousandths; at least 1000. Written as a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Stretch(pub u32);

impl From<Stretch> for f64 {
    fn from(Stretch(thousandths): Stretch) -> f64 {
        f64::from(thousandths) / 1000.0
    }
}

impl From<f64> for Stretch {
    fn from(ratio: f64) -> Stretch {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within the bounds"
        )]
        let thousandths = (ratio * 1000.0).round().clamp(1000.0, f64::from(u32::MAX)) as u32;
        Stretch(thousandths)
    }
}

impl Stretch {
    /// The interval as it comes out.
    pub fn of(self, wanted: Duration) -> Duration {
        let Stretch(thousandths) = self;
        wanted.saturating_mul(thousandths) / 1000
    }
}

impl Default for Stretch {
    fn default() -> Stretch {
        Stretch(1000)
    }
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetFacts {
    /// What the newest accepted revision wants.
    pub wanted: Wanted,
    /// The live mode at the last look.
    pub seen: Option<Seen>,
    /// When it was first looked at: the next look comes early by a large random part, or a crowd that was first looked at
    /// together would come again together.
    pub first_asked: Option<Moment>,
    /// The random number of the wait for the next look at the mode.
    pub jitter: Jitter,
    /// The readings of positions and orders.
    pub flatness: Flatness,
    /// The last mode that was live while it was the desired one.
    pub applied: Option<Applied>,
    /// A noted set whose outcome is not recorded yet.
    pub intent: Option<Intent>,
    /// An operator's request to close that intent.
    pub closing: Option<Closing>,
    /// The current failure of looks at this target alone, if any.
    pub failing: Option<Failing>,
    /// The list that keeps failing, if any; a successful read of the mode clears it only if the target is in sync.
    pub unread: Option<List>,
    /// Why the last set was refused, except as not flat; only time, a reload, a refresh or a successful set ends it, not a look.
    pub set_refused: Option<Failing>,
    /// Sets in a row without a clear answer and without effect, since one last took effect: the next one waits ever longer.
    pub lost: Option<Failing>,
    /// Refusals as not flat since a set last took effect or a list last had rows that count.
    pub refused_though_flat: Option<Refusals>,
    /// When the sets were signed that corrected drift and were seen to take effect, since a revision last changed the target
    /// or an operator resumed it; oldest first.
    pub corrections: Vec<ServerTime>,
    /// A set of ours that seemed lost: if its mode shows up now, that set took effect late.
    pub may_come_late: Option<LateSet>,
    /// Readings from before this moment are stale, after a reload, a kick or a revision that wants something else.
    pub look_since: Moment,
}

/// One reading of the live mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The mode that the exchange returned.
    pub mode: PositionMode,
    /// When the request was sent.
    pub asked: Moment,
    /// When the answer was received.
    pub answered: Moment,
    /// The exchange's own time in the answer.
    pub server: ServerTime,
}

impl Seen {
    /// When it was so by the exchange's clock: an answer is as old as its own time says.
    pub fn as_of(&self, clock: Option<ServerClock>) -> Moment {
        match clock.map(|clock| clock.age(self.asked, self.server)) {
            Some(Age::Older(by)) => self.asked - by,
            Some(Age::Fresh | Age::Unsure) | None => self.asked,
        }
    }
}

impl TargetFacts {
    /// A target of which only the file's wish is known yet.
    pub fn new(wanted: Wanted, now: Moment) -> TargetFacts {
        TargetFacts {
            wanted,
            seen: None,
            first_asked: None,
            jitter: Jitter::default(),
            flatness: Flatness::default(),
            applied: None,
            intent: None,
            closing: None,
            failing: None,
            unread: None,
            set_refused: None,
            lost: None,
            refused_though_flat: None,
            corrections: Vec::new(),
            may_come_late: None,
            look_since: now,
        }
    }

    /// Whether a verdict or a set is under way, which should not wait for looks at other targets.
    pub fn is_part_way(&self, now: Moment) -> bool {
        self.intent.is_some() || self.flatness.verdict(now).is_some()
    }

    /// The live mode was read. While it equals the desired one the lists are not read, so their old readings are
    /// dropped: a later change settles by its own verdicts.
    pub fn record_mode(&mut self, seen: Seen) {
        let in_sync = self.wanted.mode == Some(seen.mode);
        if in_sync {
            self.flatness = Flatness::default();
            self.lost = None;
        }
        if in_sync || self.unread.is_none() {
            self.clear_failure();
        }
        self.first_asked.get_or_insert(seen.asked);
        self.seen = Some(seen);
    }

    /// A list was read; `where_open`: only those parts of it that had rows before.
    pub fn read(&mut self, list: List, where_open: bool, reading: Reading, stretch: Stretch) {
        let unstretched = (self.wanted.policy.check_every * LIVE_IS_KNOWN_FOR).max(FLATNESS_IS_KNOWN_FOR);
        let known_for = stretch.of(unstretched);
        // After a longer gap between readings the target may not have been flat all the time.
        self.flatness.flat_span =
            self.flatness.flat_span.filter(|run| reading.asked.since(run.kept) <= known_for);
        if where_open {
            self.flatness.read_what_is_open(list, reading);
        } else {
            self.flatness.read(list, reading);
        }
        if reading.count > 0 {
            self.refused_though_flat = None;
        }
        if reading.count > 0 || self.unread.is_none_or(|unread| unread == list) {
            self.clear_failure();
        }
    }

    /// A look at the mode or at a list failed in a way that does not concern the whole account.
    pub fn failed(&mut self, list: Option<List>, failure: Failure, at: Moment, jitter: Jitter) {
        let before = self.failing.take().filter(|_| self.unread == list);
        self.failing = Some(Failing::after(before, failure, at, jitter));
        self.unread = list;
    }

    fn read_again(&mut self, now: Moment) {
        self.look_since = now;
        self.clear_failure();
    }

    fn clear_failure(&mut self) {
        self.failing = None;
        self.unread = None;
    }

    /// The file wants something else: it is read again, and what was waited for is waited for anew.
    pub fn wished_anew(&mut self, now: Moment) {
        self.look_again(now);
        self.flatness.wait = None;
    }

    /// The machine was suspended until `woken`: the mode is read again, and it must be flat anew, as nobody saw what happened.
    pub fn was_unseen(&mut self, woken: Moment) {
        self.look_since = self.look_since.max(woken);
        self.flatness.was_unseen();
    }

    /// An operator asks for a look: it is read again. Who does may have mended what a set was refused for, so that one more
    /// may be tried; what a lost set, or one refused for its rate, waits for stays as it is.
    pub fn refresh(&mut self, now: Moment) {
        self.read_again(now);
        self.set_refused =
            self.set_refused.take().filter(|failing| !failing.failure.class.row().mended_there);
        if let Some(refusals) = &mut self.refused_though_flat {
            refusals.waits = false;
        }
    }

    /// After a reload, a kick or a revision that wants something else: it is read again, and a refused set may be
    /// retried.
    pub fn look_again(&mut self, now: Moment) {
        self.read_again(now);
        self.set_refused = None;
        self.lost = None;
    }

    /// The set was answered.
    pub fn answered(&mut self, answer: SetAnswer, at: Moment) {
        if let Some(intent) = &mut self.intent {
            intent.state = match answer {
                SetAnswer::Accepted => IntentState::Accepted { at },
                SetAnswer::Refused(failure) => IntentState::Refused(failure),
                SetAnswer::NotSent(failure) => IntentState::NotSent(failure),
                SetAnswer::Unclear(failure) => IntentState::Unclear(failure),
            };
        }
    }

    /// The refusal is recorded: closes the intent and keeps the refusal here; returns it if it concerns the whole
    /// account.
    pub fn refusal_recorded(&mut self, failure: Failure, at: Moment, jitter: Jitter) -> Option<Failure> {
        self.intent = None;
        let mut wait = |failure| {
            self.set_refused = Some(Failing::after(self.set_refused.take(), failure, at, jitter));
        };
        match failure.class.row().refused_set {
            RefusedSet::NotFlat => {
                let count = self.refused_though_flat.map_or(0, |refusals| refusals.count).saturating_add(1);
                self.refused_though_flat = Some(Refusals { count, last: at, waits: true });
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

    /// Counts a set that corrected drift towards a fight, once a read has shown its mode.
    pub fn count_correction(&mut self, cause: Cause, stamp: ServerTime) {
        if cause == Cause::Drift && !self.corrections.contains(&stamp) {
            self.corrections.push(stamp);
        }
    }

    /// The set is recorded as effective: earlier refusals no longer count.
    pub fn effect_recorded(&mut self, applied: Option<Applied>) {
        self.intent = None;
        // A set lost before it no longer matters: the mode shown from now on comes from a later one.
        self.may_come_late = None;
        self.set_refused = None;
        self.lost = None;
        self.refused_though_flat = None;
        if applied.is_some() {
            self.applied = applied;
        }
    }
}

impl AccountFacts {
    /// Whether this host sends no request for it, because another one may.
    pub fn is_not_ours(&self) -> bool {
        self.elsewhere.is_some() || self.unassigned.is_some()
    }

    /// Something failed that concerns the whole account.
    pub fn failed(&mut self, failure: Failure, at: Moment) {
        if failure.class == Class::Clock {
            self.clock = None;
        }
        self.doubt_the_kind(&failure);
        self.failing = Some(Failing::after(self.failing.take(), failure, at, self.jitter));
    }

    /// Makes the kind be observed again if the failure suggests another one.
    pub fn doubt_the_kind(&mut self, failure: &Failure) {
        if failure.class.row().doubts_kind {
            self.kind = None;
            self.identity = None;
        }
    }

    /// Why the owner of the key is not seen, if that may well be seen at the next try: no set leaves before it was tried some
    /// more times. What never answers is no obstacle.
    pub fn owner_delayed(&self) -> Option<&Failing> {
        let passes =
            |class| matches!(class, Class::TryAgain | Class::RateLimited) || class.our_own_limit().is_some();
        let is_delayed = |failing: &&Failing| failing.tries < OWNER_TRIES && passes(failing.failure.class);
        self.owner_failing.as_ref().filter(|_| self.identity.is_none()).filter(is_delayed)
    }

    /// Whether it is not known yet what the answers of this account stand for.
    pub fn is_unidentified(&self) -> bool {
        self.kind.is_none() || (self.owner_due == OwnerDue::BeforeAnything && self.identity.is_none())
    }

    /// An answer arrived: it updates the clock and clears the account's failure. A refused clock or kind is not cleared
    /// by measuring or observing it anew, only by the look that follows. One that contradicts the clock changes nothing
    /// of it: whether it has jumped is for two witnesses to tell.
    pub fn note_server_time(&mut self, asked: Moment, answered: Moment, server: ServerTime) {
        let newer = ServerClock::measured(asked, answered, server);
        let better =
            |old: ServerClock| if old.agrees_with(newer) { old.better(newer, answered) } else { old };
        let known = self.clock.filter(|old| old.is_known_well(answered));
        let before = self.clock.replace(known.map_or(newer, better));
        let mended =
            self.failing.as_ref().is_none_or(|failing| match failing.failure.class.row().cleared_by {
                ClearedBy::AnyAnswer => true,
                ClearedBy::AnswerInTime => before.is_some(),
                ClearedBy::AnswerOfKind => self.kind.is_some(),
            });
        if mended {
            self.failing = None;
        }
    }
}

#[cfg(test)]
mod tests;
