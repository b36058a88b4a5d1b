//! What an operator's request to close an intent comes to. The exchange must not be able to execute the set any more, and
//! the mode is read after that is known.

use crate::constants::{CLOSE_WITHIN, FENCE, QUIET, STAMP_ACCEPTED};
use crate::facts::{Closing, Facts, Intent};
use crate::moment::{Moment, spell};

/// What is to be done about the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// Ask the exchange's time.
    AskTime,
    /// Read the mode.
    ReadMode,
    /// Close it, as the mode that was read shows.
    Now {
        /// Whether the live mode is the one that the set asked for.
        took_effect: bool,
    },
    /// Refuse, with the reason: one or two sentences.
    Refuse(String),
}

/// What is to be done about a request to close this intent.
pub(super) fn close(facts: &Facts<'_>, intent: &Intent, closing: &Closing, now: Moment) -> Close {
    let watched = closing.since.since(closing.watched);
    if watched < QUIET {
        return Close::Refuse(format!(
            "The daemon has watched this set for {} only, and a set of an earlier process may arrive for {} after its start: ask \
             again in {}.",
            spell(watched),
            spell(QUIET),
            spell(QUIET.saturating_sub(watched))
        ));
    }
    if let Some(say) = &facts.account.clock_contradicted {
        return Close::Refuse(format!("Bitget's time is in doubt: {say}"));
    }
    let Some((asked, time)) = closing.time else {
        return unless_late(facts, closing, now, Close::AskTime);
    };
    let (first, last) = (intent.stamp - STAMP_ACCEPTED, intent.stamp + FENCE);
    if time >= first && time <= last {
        return Close::Refuse(format!(
            "Bitget would still take this set: it is signed for {}, and by Bitget's clock it is {time}. It ends by itself once \
             that is {} past.",
            intent.stamp,
            spell(FENCE)
        ));
    }
    match facts.target.seen.filter(|seen| seen.asked >= asked) {
        Some(seen) => Close::Now { took_effect: seen.mode == intent.change.to },
        None => unless_late(facts, closing, now, Close::ReadMode),
    }
}

/// A request is not answered by what is read long after it.
fn unless_late(facts: &Facts<'_>, closing: &Closing, now: Moment, step: Close) -> Close {
    if now.since(closing.since) < CLOSE_WITHIN {
        return step;
    }
    let failing = [&facts.account.failing, &facts.target.failing].into_iter().flatten().next();
    let why = failing.map_or_else(String::new, |failing| format!(" {}", failing.failure.say));
    Close::Refuse(format!(
        "Bitget's time and the mode could not be read within {}.{why}",
        spell(CLOSE_WITHIN)
    ))
}
