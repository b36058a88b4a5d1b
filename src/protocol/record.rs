//! What a record changes: computed before it is written down, taken into the facts once it is on disk.
//!
//! Keeper, model and tests take records in by these functions alone.

use super::step::Record;
use crate::facts::{AccountFacts, Applied, How, Intent, LateSet, SetAnswer, TargetFacts};
use crate::moment::{Jitter, Moment};

impl Record {
    /// The mode that counts as applied once this is on record; `None` if it makes none. A set of ours makes its mode the
    /// applied one even if the file wants another by now: live is then ours to change back, and nobody else's drift.
    pub fn applied(&self, target: &TargetFacts) -> Option<Applied> {
        let seen = target.seen?;
        let by_set = |mode, generation| Applied { mode, how: How::Set, at: seen.server, generation };
        match self {
            Record::Applied(how) => {
                let generation = target.wanted.generation;
                Some(Applied { mode: seen.mode, how: *how, at: seen.server, generation })
            }
            Record::Confirmed | Record::Resolved { took_effect: true } => {
                let Intent { change, generation, .. } = target.intent.as_ref()?;
                Some(by_set(change.to, *generation))
            }
            Record::Late(_) => {
                let LateSet { id: _, mode, stamp: _, generation } = target.may_come_late?;
                Some(by_set(mode, generation))
            }
            Record::Unconfirmed | Record::Refused(_) | Record::Resolved { took_effect: false } => None,
        }
    }
}

/// Takes in a record that is on disk now, with the mode that it made the applied one.
pub fn recorded(
    record: Record,
    applied: Option<Applied>,
    account: &mut AccountFacts,
    target: &mut TargetFacts,
    at: Moment,
    jitter: Jitter,
) {
    match (record, target.intent.clone()) {
        (Record::Applied(_), _) => target.applied = applied.or(target.applied),
        (Record::Late(_), _) => {
            target.applied = applied.or(target.applied);
            target.may_come_late = None;
        }
        (Record::Confirmed | Record::Resolved { took_effect: true }, Some(intent)) => {
            target.effect_recorded(applied);
            target.count_correction(intent.change.cause, intent.stamp);
        }
        (Record::Resolved { took_effect: false }, Some(intent)) => {
            let Intent { id, change, generation, stamp, state: _ } = intent;
            target.intent = None;
            target.count_correction(change.cause, stamp);
            target.may_come_late = Some(LateSet { id, mode: change.to, stamp, generation });
        }
        (Record::Unconfirmed, Some(_)) => {
            target.answered(SetAnswer::Unclear("no read showed it".to_owned()), at);
        }
        (Record::Refused(failure), Some(intent)) => {
            target.corrections.retain(|stamp| *stamp != intent.stamp);
            account.doubt_the_kind(&failure);
            if let Some(failure) = target.refusal_recorded(failure, at, jitter) {
                account.failed(failure, at);
            }
        }
        (Record::Confirmed | Record::Unconfirmed | Record::Refused(_) | Record::Resolved { .. }, None) => {}
    }
}
