//! I4, I12 and the blast radius: what is on disk fits what the exchange was asked for.

use std::collections::BTreeSet;

use posmoded::facts::Cause;
use posmoded::ledger::{IntentRow, Stage};
use posmoded::moment::Moment;

use super::evidence::{Evidence, Sent};
use super::file;

/// I4: each set was preceded by an intent of its own, with the very timestamp that it is signed with, and that is not
/// on record as one that never left.
#[track_caller]
pub fn one_for_each_set(evidence: &Evidence) {
    let mut used = BTreeSet::new();
    for set in evidence.sent.iter().filter(|sent| sent.is_set()) {
        let intent =
            evidence.intent_of(set).unwrap_or_else(|| panic!("I4: a set without an intent\n{set:#?}"));
        let before = Moment(intent.noted_wall) <= set.left;
        let withdrawn = intent.stage == Stage::Withdrawn;
        let unused = used.insert((intent.target.clone(), intent.stamp));
        assert!(before && !withdrawn && unused, "I4: the intent does not fit\n{intent:#?}\n{set:#?}");
    }
}

/// I12: at most three corrections of drift within 24 hours, anew from a change of the file or a resume. A correction is a set
/// that was seen to take effect.
#[track_caller]
pub fn at_most_three_corrections(evidence: &Evidence, sets: &[&Sent]) {
    let Some(first) = sets.first() else { return };
    let name = evidence.name(first.target().0);
    let resumes = evidence.told.resumes.iter();
    let lifted =
        resumes.filter(|(_, account)| account.as_ref().is_none_or(|one| one == name)).map(|(at, _)| *at);
    let anew: Vec<Moment> = file::changes_of(evidence, first).into_iter().chain(lifted).collect();
    let mut corrections: Vec<Moment> = Vec::new();
    for set in sets {
        let corrects = |intent: &IntentRow| intent.change.cause == Cause::Drift && was_seen(intent);
        if !evidence.intent_of(set).is_some_and(corrects) {
            continue;
        }
        corrections.retain(|at| !anew.iter().any(|anew| at <= anew && *anew <= set.left));
        corrections.retain(|at| set.left.since(*at).as_secs() < 24 * 3600);
        corrections.push(set.left);
        assert!(corrections.len() <= 3, "I12: a fourth correction\n{corrections:?}\n{set:#?}");
    }
}

/// I6: where the file has drift reported only, an approval lets one set leave that may have an effect.
#[track_caller]
pub fn one_correction_for_each_approval(evidence: &Evidence) {
    let mut used = BTreeSet::new();
    for set in evidence.sent.iter().filter(|sent| sent.is_set() && file::only_reports(evidence, sent)) {
        let Some(intent) = evidence.intent_of(set) else { continue };
        if intent.change.cause == Cause::Drift && counts(intent) {
            let is_first = used.insert((intent.target.clone(), intent.plan));
            assert!(is_first && intent.approved, "I6: not approved, or once before\n{intent:#?}\n{set:#?}");
        }
    }
}

/// At most `max_changes` targets changed in any hour, but for those of approved plans: all sets of one target to one mode
/// count once.
#[track_caller]
pub fn at_most_max_changes(evidence: &Evidence) {
    let sets = evidence.sent.iter().filter(|sent| sent.is_set());
    let counted: Vec<(&Sent, &IntentRow)> = sets
        .filter_map(|set| Some((set, evidence.intent_of(set)?)))
        .filter(|(_, intent)| !intent.approved)
        .collect();
    let change = |intent: &IntentRow| (intent.target.clone(), intent.change.to);
    for (number, (set, intent)) in counted.iter().enumerate() {
        let earlier: BTreeSet<_> = counted[..number]
            .iter()
            .filter(|(_, earlier)| counts(earlier) && intent.stamp.since(earlier.stamp).as_secs() < 3600)
            .map(|(_, earlier)| change(earlier))
            .collect();
        let budget = file::largest_budget(evidence, set);
        assert!(
            earlier.contains(&change(intent)) || earlier.len() < budget as usize,
            "max_changes is {budget}, and within the hour before these were changed: {earlier:?}\n{set:#?}"
        );
    }
}

/// Whether a read showed its mode afterwards.
fn was_seen(intent: &IntentRow) -> bool {
    matches!(intent.stage, Stage::Confirmed | Stage::TookEffect | Stage::Late)
}

/// Whether it counts for a budget: it may have had an effect.
fn counts(intent: &IntentRow) -> bool {
    match intent.stage {
        Stage::Withdrawn | Stage::Refused => false,
        Stage::Noted
        | Stage::Accepted
        | Stage::Unclear
        | Stage::Confirmed
        | Stage::TookEffect
        | Stage::NoEffect
        | Stage::Late => true,
    }
}
