//! I3, I6, I7, I10: each set asks for what the newest file says, and no brake stood.

use std::time::Duration;

use posmoded::desired::{self, Desired};
use posmoded::facts::{Cause, DriftPolicy};
use posmoded::moment::Moment;
use posmoded::position_mode::{AccountName, Declared, PositionMode, ProductType};
use posmoded::source::{Content, FileState};
use strum::VariantArray as _;

use super::evidence::{Evidence, Sent, scope_of};

/// The newest word of the source names the target with this very mode, neither suspends it nor only reports, and has a
/// change window open.
#[track_caller]
pub fn as_the_file_says(evidence: &Evidence, set: &Sent) {
    let allowed = declared_at(evidence, set.left).any(|desired| allows(evidence, desired, set));
    assert!(
        allowed,
        "I3: not what the newest file says\n{:#?}\n{set:#?}\n{:#?}",
        words_at(evidence, set.left).map(|(_, word, _)| word).collect::<Vec<_>>(),
        evidence.intent_of(set)
    );
}

/// No pause stood when the intent was written, and none that the daemon had acknowledged when the set left.
#[track_caller]
pub fn no_brake(evidence: &Evidence, set: &Sent) {
    let name = evidence.name(set.target().0);
    for pause in &evidence.told.pauses {
        let signed = evidence.intent_of(set).map(|intent| intent.stamp);
        let left = pause.stands(name, pause.acknowledged, set.left, signed);
        assert!(!left, "I3: a set left under a pause that was acknowledged\n{pause:#?}\n{set:#?}");
        let noted = evidence
            .intent_of(set)
            .is_some_and(|intent| pause.stands(name, Some(pause.written), Moment(intent.noted_wall), signed));
        assert!(!noted, "I3: an intent was written under a pause\n{pause:#?}\n{set:#?}");
        // Of one that was lifted before the set left nothing was promised any more, and its answer may be heard late.
        let was_lifted = pause.lifted.is_some_and(|lifted| lifted <= set.left);
        let under_way = pause.acknowledged.is_some_and(|acknowledged| {
            let answered = set.answer.as_ref().map(|answer| answer.at);
            !was_lifted && set.left < acknowledged && answered.is_some_and(|at| at > acknowledged)
        });
        assert!(!under_way, "I3: a pause was acknowledged while a set was on its way\n{pause:#?}\n{set:#?}");
    }
}

/// The shortest `settle` that the account had when the set left.
pub fn shortest_settle(evidence: &Evidence, set: &Sent) -> Duration {
    let name = evidence.name(set.target().0);
    let accounts = declared_at(evidence, set.left).filter_map(|desired| desired.accounts.get(name));
    accounts.map(|account| account.policy.settle).min().unwrap_or_default()
}

/// The largest `max_changes` that was in force when the set left.
pub fn largest_budget(evidence: &Evidence, set: &Sent) -> u32 {
    declared_at(evidence, set.left).map(|desired| desired.max_changes).max().unwrap_or(0)
}

/// When the file changed what it wants of a target.
pub fn changes_of(evidence: &Evidence, set: &Sent) -> Vec<Moment> {
    let target = set.target();
    let good = evidence.words.iter().filter_map(|(at, _, desired)| Some((*at, desired.as_ref()?)));
    let wanted = good.map(|(at, desired)| (at, wanted(desired, evidence.name(target.0), scope_of(target))));
    let mut before = None;
    let mut changes = Vec::new();
    for (at, wanted) in wanted {
        if before != Some(wanted) {
            changes.push(at);
        }
        before = Some(wanted);
    }
    changes
}

/// The word that the daemon had to follow at a moment; of those said in that very millisecond it may be any.
fn words_at(evidence: &Evidence, at: Moment) -> impl Iterator<Item = &(Moment, FileState, Option<Desired>)> {
    let words = &evidence.words;
    let before = words.iter().rfind(move |(said, _, _)| *said < at);
    let just_now = words.iter().filter(move |(said, _, _)| *said == at);
    before.into_iter().chain(just_now)
}

/// What those words declare that are good.
fn declared_at(evidence: &Evidence, at: Moment) -> impl Iterator<Item = &Desired> {
    words_at(evidence, at).filter_map(|(_, _, desired)| desired.as_ref())
}

fn allows(evidence: &Evidence, desired: &Desired, set: &Sent) -> bool {
    let target = set.target();
    let name = evidence.name(target.0);
    let Some(account) = desired.accounts.get(name) else { return false };
    let as_wanted = wanted(desired, name, scope_of(target)).map(mode)
        == set.entry.wanted.map(bitget_sim::PosMode::as_str);
    let only_reported =
        evidence.intent_of(set).is_some_and(|intent| match (account.policy.drift, intent.change.cause) {
            (DriftPolicy::Correct, _) | (DriftPolicy::Report, Cause::Pending) => false,
            (DriftPolicy::Report, Cause::Drift | Cause::New) => !intent.approved,
        });
    let in_a_window =
        evidence.intent_of(set).is_none_or(|intent| account.policy.windows.are_open(intent.stamp));
    as_wanted && account.policy.suspended.is_none() && !only_reported && in_a_window
}

/// Whether the file had drift of this account reported only, whatever was told in that moment.
pub fn only_reports(evidence: &Evidence, set: &Sent) -> bool {
    let name = evidence.name(set.target().0);
    let mut accounts =
        declared_at(evidence, set.left).filter_map(|desired| desired.accounts.get(name)).peekable();
    accounts.peek().is_some() && accounts.all(|account| account.policy.drift == DriftPolicy::Report)
}

/// What a word declares, if it is a good file.
pub fn accepted(word: &FileState) -> Option<Desired> {
    match word {
        FileState::Content(Content { bytes, sha256: _, commit: _, ancestry: _ }) => desired::read(bytes).ok(),
        FileState::NotReadYet
        | FileState::Changing
        | FileState::StillWritten { .. }
        | FileState::Unreadable(_) => None,
    }
}

/// A unified account has what the file says of all three product types at once.
pub fn wanted(desired: &Desired, name: &AccountName, scope: &str) -> Option<PositionMode> {
    let of = |product: ProductType| match &desired.accounts[name].declared {
        Declared::Everything(mode) => ProductType::SHORT_FORM.contains(&product).then_some(*mode),
        Declared::PerProduct(modes) => modes.get(&product).copied(),
    };
    desired.accounts.get(name)?;
    if let Some(product) = ProductType::VARIANTS.iter().copied().find(|product| product.as_str() == scope) {
        return of(product);
    }
    let [first, second, third] = ProductType::SHORT_FORM.map(of);
    first.filter(|_| first == second && second == third)
}

/// As the exchange spells it.
pub fn mode(mode: PositionMode) -> &'static str {
    match mode {
        PositionMode::OneWay => "one_way_mode",
        PositionMode::Hedge => "hedge_mode",
    }
}
