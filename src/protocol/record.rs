//! What a record changes: computed before it is written to the ledger, applied to the facts once it is on disk.
//!
//! Keeper, model and tests apply records only through these functions.

use super::step::Record;
use crate::constants::CONFIRMING;
use crate::facts::{
    AccountFacts, Applied, Change, Class, Failing, Failure, How, Intent, IntentState, LateSet, SetAnswer,
    TargetFacts,
};
use crate::moment::{Jitter, Moment, spell};

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
                let LateSet { id: _, mode, cause: _, stamp: _, generation } = target.may_come_late?;
                Some(by_set(mode, generation))
            }
            Record::Unconfirmed
            | Record::Refused(_)
            | Record::NotSent(_)
            | Record::NotClosed(_)
            | Record::Resolved { took_effect: false } => None,
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
    if matches!(record, Record::Resolved { .. } | Record::NotClosed(_)) {
        target.closing = None;
    }
    match (record, target.intent.clone()) {
        (Record::Applied(_), _) => target.applied = applied.or(target.applied),
        (Record::Late(_), _) => {
            target.applied = applied.or(target.applied);
            if let Some(late) = target.may_come_late.take() {
                target.count_correction(late.cause, late.stamp);
            }
        }
        (Record::Confirmed | Record::Resolved { took_effect: true }, Some(intent)) => {
            target.effect_recorded(applied);
            target.count_correction(intent.change.cause, intent.stamp);
        }
        (Record::Resolved { took_effect: false }, Some(intent)) => {
            let Intent { id, change, generation, stamp, own_fence: _, state } = intent;
            let Change { to: mode, cause, from: _ } = change;
            target.intent = None;
            if let IntentState::Unclear(failure) = state {
                target.lost = Some(Failing::once_more(target.lost.take(), failure, at, jitter));
            }
            target.may_come_late = Some(LateSet { id, mode, cause, stamp, generation });
        }
        (Record::Unconfirmed, Some(_)) => target.answered(SetAnswer::Unclear(unconfirmed()), at),
        (Record::Refused(failure), Some(_)) => {
            account.doubt_the_kind(&failure);
            if let Some(failure) = target.refusal_recorded(failure, at, jitter) {
                account.failed(failure, at);
            }
        }
        (Record::NotSent(failure), Some(_)) => {
            target.intent = None;
            target.failed(None, failure, at, jitter);
        }
        (Record::NotClosed(_), _)
        | (
            Record::Confirmed
            | Record::Unconfirmed
            | Record::Refused(_)
            | Record::NotSent(_)
            | Record::Resolved { .. },
            None,
        ) => {}
    }
}

/// Why the outcome of a set is unclear although it was accepted.
fn unconfirmed() -> Failure {
    let say = format!("Bitget accepted the set, and no read showed it within {}", spell(CONFIRMING));
    Failure { class: Class::UnknownCode, code: None, say }
}

/// What this process makes of sets in a row without a clear answer and without effect that another one sent.
pub fn lost_before(sets: u32, now: Moment) -> Option<Failing> {
    let what = if sets == 1 { "it" } else { "them" };
    let say = format!("no clear answer came to the process of posmoded that sent {what}");
    let failure = Failure { class: Class::TryAgain, code: None, say };
    (sets > 0).then(|| Failing { failure, since: now, at: now, tries: sets, jitter: Jitter::default() })
}
