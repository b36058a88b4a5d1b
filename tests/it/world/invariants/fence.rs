//! I1: never two unresolved sets for one target.

use bitget_sim::{Executed, LateTimestamp};

use super::evidence::{Answer, Evidence, Sent};

/// Between two sets of a target the first one was resolved: refused for good, confirmed by a read, or past its fence.
#[track_caller]
pub fn never_two_unresolved(evidence: &Evidence, sets: &[&Sent]) {
    if evidence.late_timestamp == LateTimestamp::CheckedOnArrival {
        return;
    }
    for pair in sets.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let resolved = is_refused_for_good(first, second)
            || was_confirmed(evidence, first, second)
            || is_past_its_fence(evidence, first, second);
        assert!(
            resolved,
            "I1: a second set left while the first may still take effect\n{first:#?}\n{second:#?}"
        );
    }
    for (late, first) in
        evidence.log.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.late_of?)))
    {
        let executed = matches!(evidence.log[late].executed, Executed::Applied { .. } | Executed::Same);
        let overtaken = sets.iter().any(|set| set.index > first && set.index < late);
        let ours = sets.iter().any(|set| set.index == first);
        assert!(
            !(ours && executed && overtaken),
            "I1: a set took effect after a later one had left\n{:#?}",
            evidence.log[late]
        );
    }
}

fn is_refused_for_good(first: &Sent, second: &Sent) -> bool {
    first.answer.as_ref().filter(|answer| answer.at <= second.left).is_some_and(|answer| {
        let Answer { at: _, status, code, server, mode: _, rows: _ } = answer;
        let refusal = code.as_deref().is_some_and(|code| code != "00000" && !INDEFINITE.contains(&code));
        *status == 429 || (server.is_some() && refusal && matches!(status, 200 | 400..=402 | 404..=499))
    })
}

fn was_confirmed(evidence: &Evidence, first: &Sent, second: &Sent) -> bool {
    let Some(accepted) = first.answer.as_ref().filter(|answer| answer.code.as_deref() == Some("00000"))
    else {
        return false;
    };
    looks_between(evidence, first, second)
        .any(|(left, look)| left >= accepted.at.0 && look.mode == first.entry.wanted && look.mode.is_some())
}

fn is_past_its_fence(evidence: &Evidence, first: &Sent, second: &Sent) -> bool {
    let fence = first.entry.signed.map_or(i64::MAX, |signed| signed.0 + FENCE_MS);
    looks_between(evidence, first, second)
        .any(|(_, look)| look.mode.is_some() && look.server.is_some_and(|server| server >= fence))
}

/// The looks at the mode that began after the first set left and were answered before the second did.
fn looks_between<'a>(
    evidence: &'a Evidence,
    first: &'a Sent,
    second: &'a Sent,
) -> impl Iterator<Item = (i64, &'a Answer)> {
    let target = first.target();
    evidence.sent.iter().filter(move |sent| sent.is_about(target) && !sent.is_set()).filter_map(move |sent| {
        let answer = sent.answer.as_ref()?;
        (sent.left >= first.left && answer.at <= second.left).then_some((sent.left.0, answer))
    })
}

const FENCE_MS: i64 = 35_000;
/// Codes after which a set may yet have taken effect: those of "try again", and the unknown one that tests use.
const INDEFINITE: [&str; 7] = ["40010", "40910", "40725", "45001", "40015", "40200", "99999"];
