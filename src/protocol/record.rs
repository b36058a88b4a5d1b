//! What a record changes: computed before it is written to the ledger, applied to the facts once it is on disk.
//!
//! Keeper, model and tests apply records only through these functions.

use super::step::Record;
use crate::facts::{AccountFacts, Applied, How, Intent, LateSet, SetAnswer, TargetFacts};
use crate::moment::{Jitter, Moment};

impl Record {
    /// The applied mode once this is recorded; `None` if the record sets none. A set of ours makes its mode the
    /// applied one even if the file wants another by now: the difference is then our own pending change, not drift.
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

/// Applies a record that is on disk to the facts, with the applied mode that it sets.
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
