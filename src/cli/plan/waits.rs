//! What the daemon waits for that no look at the exchange shows: it keeps that in mind, not in the ledger.

use crate::protocol::{Reason, State};
use crate::status::TargetStatus;

use super::look::is_blocked;

/// The targets of a plan, with the daemon's own word on those that would change now if it did not wait, and on those that
/// somebody may approve. It counts where the daemon wants the same change.
pub(super) fn as_the_daemon_waits(targets: Vec<TargetStatus>, daemon: &[TargetStatus]) -> Vec<TargetStatus> {
    let waits = |target: TargetStatus| match daemon.iter().find(|its| waits_for(&target, its)) {
        Some(its) => TargetStatus {
            reason: its.reason,
            blockers: its.blockers.clone(),
            wants: its.wants,
            need: its.need,
            say: its.say.clone(),
            ..target
        },
        None => target,
    };
    targets.into_iter().map(waits).collect()
}

/// Whether it would change now, as far as a plan sees.
fn is_due(target: &TargetStatus) -> bool {
    target.state.cause().is_some() && !is_blocked(target)
}

fn waits_for(target: &TargetStatus, its: &TargetStatus) -> bool {
    let live = |of: &TargetStatus| of.live.as_ref().map(|live| live.mode);
    let wants_the_same = (&target.account, target.scope, target.desired, live(target))
        == (&its.account, its.scope, its.desired, live(its));
    let tells_more = if is_due(target) {
        its.reason.is_some_and(is_kept_in_mind)
    } else {
        // The same, with the hash to approve.
        its.reason == target.reason
    };
    wants_the_same && its.state != State::Unknown && may_tell_more(target) && tells_more
}

/// Whether the daemon may know more of it than a plan does.
pub(super) fn may_tell_more(target: &TargetStatus) -> bool {
    is_due(target) || matches!(target.reason, Some(Reason::Held | Reason::Reported))
}

/// Whether a plan cannot see it: what earlier sets came to, and who else has the key.
fn is_kept_in_mind(reason: Reason) -> bool {
    match reason {
        Reason::Unexpected
        | Reason::KeyTaken
        | Reason::Denied
        | Reason::Refused
        | Reason::Unreachable
        | Reason::RateLimited
        | Reason::Fighting
        | Reason::RefusedThoughFlat => true,
        // These it sees as they are now.
        Reason::Crashed
        | Reason::Elsewhere
        | Reason::WrongAccount
        | Reason::Credential
        | Reason::Unsatisfiable
        | Reason::KindUnknown
        | Reason::Converting
        | Reason::Clock
        | Reason::Ledger
        | Reason::OutcomeUnknown
        | Reason::Verifying
        | Reason::Suspended
        | Reason::Paused
        | Reason::File
        | Reason::Held
        | Reason::Reported
        | Reason::Window
        | Reason::Requirement
        | Reason::NotFlat
        | Reason::Settling
        | Reason::Acting => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position_mode::PositionMode;
    use crate::serve::fixture::target;

    fn together(ours: TargetStatus, its: TargetStatus) -> (Option<Reason>, Option<String>) {
        let told = as_the_daemon_waits(vec![ours], &[its]).remove(0);
        (told.reason, told.say)
    }

    #[test]
    fn what_would_change_now_waits_for_what_the_daemon_has_in_mind() {
        let due = || target("desk-1", Some(Reason::Settling));
        let its = |reason| target("desk-1", Some(reason));
        let said = |reason: Reason| (Some(reason), Some(format!("It says {reason}.")));
        for reason in [Reason::Denied, Reason::Refused, Reason::RefusedThoughFlat, Reason::Fighting] {
            assert_eq!(together(due(), its(reason)), said(reason));
        }
        assert_eq!(together(due(), its(Reason::NotFlat)), said(Reason::Settling), "the plan has just looked");
        let blocked = together(target("desk-1", Some(Reason::NotFlat)), its(Reason::Denied));
        assert_eq!(blocked, said(Reason::NotFlat), "what it has seen itself goes before");
        let hash = || Some("It says `posmoded approve b98de0114507`.".to_owned());
        let reported = TargetStatus { say: hash(), ..its(Reason::Reported) };
        assert_eq!(together(its(Reason::Reported), reported), (Some(Reason::Reported), hash()));
        let other_file = TargetStatus { desired: Some(PositionMode::OneWay), ..its(Reason::Denied) };
        assert_eq!(together(due(), other_file), said(Reason::Settling), "another wish is tried at once");
        assert_eq!(together(due(), target("desk-2", Some(Reason::Denied))), said(Reason::Settling));
    }
}
