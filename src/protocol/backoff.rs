//! When to retry. Random numbers are passed in as facts; they only shorten waits, never lengthen them.

use std::time::Duration;

use crate::constants::{
    BACKOFF_FIRST, BACKOFF_LONGEST, CONVERTING_LOOK, COOL_DOWN_FIRST, COOL_DOWN_LONGEST, HUMAN_LOOK,
    KEY_TAKEN_LOOK, OWNER_TRIES, REFUSED_THOUGH_FLAT, UNKNOWN_FIRST, UNKNOWN_LONGEST, WAITING_LOOK,
};
use crate::facts::{Class, Failing, KeyTaken, Refusals};
use crate::moment::{Jitter, Moment};

/// When to retry after this failure.
pub fn retry_at(failing: &Failing) -> Moment {
    let Failing { failure, since: _, at, tries, jitter } = failing;
    match failure.class {
        Class::Stopped { until } | Class::Busy { until } => until,
        Class::TryAgain | Class::Stale | Class::WrongKind | Class::Clock => {
            let longest = doubled(BACKOFF_FIRST, *tries, BACKOFF_LONGEST);
            *at + (longest * u32::from(jitter.0) / 1000).max(BACKOFF_FIRST / 4)
        }
        Class::RateLimited => *at + doubled(COOL_DOWN_FIRST, *tries, COOL_DOWN_LONGEST),
        Class::Converting => *at + CONVERTING_LOOK,
        Class::UnknownCode => *at + doubled(UNKNOWN_FIRST, *tries, UNKNOWN_LONGEST),
        Class::NotFlat => *at + WAITING_LOOK,
        Class::Refused
        | Class::LeadsCopies
        | Class::Credential
        | Class::Denied
        | Class::AccountStatus
        | Class::OurFault => *at + HUMAN_LOOK,
    }
}

/// When to try again to claim a key that another process on this host has.
pub fn retry_taken(taken: &KeyTaken) -> Moment {
    taken.at + KEY_TAKEN_LOOK
}

/// When to ask again for the owner of the key: rarely, once it was tried so often that nothing waits for it any more.
pub fn retry_owner(failing: &Failing) -> Moment {
    let next = retry_at(failing);
    if failing.tries < OWNER_TRIES { next } else { next.max(failing.at + HUMAN_LOOK) }
}

/// When to send another set after those that had no clear answer and no effect: nobody knows why, so ever later.
pub fn retry_lost(lost: &Failing) -> Moment {
    lost.at + doubled(UNKNOWN_FIRST, lost.tries, UNKNOWN_LONGEST)
}

/// When to retry a set that was refused as not flat although every list was empty: at once where an operator has asked for it.
pub fn retry_though_flat(refusals: Refusals) -> Moment {
    let Refusals { count, last, waits } = refusals;
    if !waits {
        return last;
    }
    let index = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
    let [.., longest] = REFUSED_THOUGH_FLAT;
    last + REFUSED_THOUGH_FLAT.get(index).copied().unwrap_or(longest)
}

/// When something done every `interval` is next due: up to a tenth sooner, so that many of them do not run in step.
pub fn jittered_next(last: Moment, interval: Duration, jitter: Jitter) -> Moment {
    last + interval * (10_000 - u32::from(jitter.0.min(1000))) / 10_000
}

/// The same after something was done for the first time: sooner by up to nine tenths, so that many that began together are
/// spread over the interval.
pub fn spread_next(first: Moment, interval: Duration, jitter: Jitter) -> Moment {
    first + interval * (10_000 - u32::from(jitter.0.min(1000)) * 9) / 10_000
}

/// `first`, doubled with each further try, up to `longest`.
pub fn doubled(first: Duration, tries: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(longest).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Failure;

    fn failing(class: Class, tries: u32, jitter: u16) -> Failing {
        let failure = Failure { class, code: None, say: "it failed".to_owned() };
        Failing { failure, since: Moment(0), at: Moment(0), tries, jitter: Jitter(jitter) }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_shortens_them() {
        let waits = |jitter| {
            [1, 2, 3, 8, 9, 40, u32::MAX]
                .map(|tries| retry_at(&failing(Class::TryAgain, tries, jitter)).0 / 100)
        };
        assert_eq!(waits(1000), [20, 40, 80, 2560, 3000, 3000, 3000]);
        assert_eq!(waits(500), [10, 20, 40, 1280, 1500, 1500, 1500]);
        assert_eq!(waits(0), [5; 7]);
    }

    #[test]
    fn the_owner_of_a_key_is_asked_for_rarely_once_nothing_waits_for_it() {
        let waits = |class| [1, 2, 3, 4, 100].map(|tries| retry_owner(&failing(class, tries, 1000)).0 / 1000);
        assert_eq!(waits(Class::TryAgain), [2, 4, 900, 900, 900]);
        let later = Class::Stopped { until: Moment(1_000_000) };
        assert_eq!(waits(later), [1000; 5]);
    }

    #[test]
    fn a_refusal_though_flat_is_tried_again_after_1_then_5_then_every_30_minutes() {
        let minutes = [1, 2, 3, 4, 100]
            .map(|count| retry_though_flat(Refusals { count, last: Moment(0), waits: true }).0 / 60_000);
        assert_eq!(minutes, [1, 5, 30, 30, 30]);
    }

    #[test]
    fn an_interval_is_shortened_by_a_tenth_at_most() {
        let minute = Duration::from_secs(60);
        let due = [0, 500, 1000, u16::MAX].map(|jitter| jittered_next(Moment(0), minute, Jitter(jitter)).0);
        assert_eq!(due, [60_000, 57_000, 54_000, 54_000]);
        let spread = [0, 500, 1000, u16::MAX].map(|jitter| spread_next(Moment(0), minute, Jitter(jitter)).0);
        assert_eq!(spread, [60_000, 33_000, 6_000, 6_000]);
    }
}
