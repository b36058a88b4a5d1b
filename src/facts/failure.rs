//! Failures, classified by the reaction that they require.
//!
//! A class is a row of one table, and a new class needs a complete row. How long it is waited for is `protocol::backoff`'s, the
//! reason that it shows `protocol::standing`'s.

use crate::moment::{Jitter, Moment};

/// A run of failures of the same class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failing {
    /// The newest failure.
    pub failure: Failure,
    /// When the first of the run came.
    pub since: Moment,
    /// When the newest came.
    pub at: Moment,
    /// How many in a row.
    pub tries: u32,
    /// The random number of the next wait.
    pub jitter: Jitter,
}

/// Why a look or a set failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{say}")]
pub struct Failure {
    /// The reaction that it requires.
    pub class: Class,
    /// The exchange's code, where there was one.
    pub code: Option<String>,
    /// What happened and what to do, in one or two plain sentences, without secrets.
    pub say: String,
}

/// The reaction that a failure requires; one per class of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Wait until flat; never an error.
    NotFlat,
    /// Refused for this account: stop, tell the operator.
    Refused,
    /// Refused as a lead of copy trading: stop as above. A unified account got this on a classic call, too, so observe
    /// the kind again.
    LeadsCopies,
    /// Observe the kind again, and whose key it is.
    WrongKind,
    /// Retry later: the exchange is converting the account.
    Converting,
    /// Stop until the credential changes.
    Credential,
    /// The key lacks a right, or our address is not on its list: stop and report which.
    Denied,
    /// The account itself is not in order: stop, tell the operator.
    AccountStatus,
    /// Measure the clock again and decide afresh.
    Clock,
    /// The exchange does not understand our request: stop, keep its message.
    OurFault,
    /// Cool the lane down.
    RateLimited,
    /// A 429 of the exchange has stopped this limit: nothing was sent before `until`.
    Stopped {
        /// When to ask again.
        until: Moment,
    },
    /// Our own pace: nothing was sent; a permit is free at `until`. It is no reason for anything, only a later look.
    Busy {
        /// When to ask again.
        until: Moment,
    },
    /// The answer is older than its question by the exchange's own time: back off, and believe nothing of it.
    Stale,
    /// Back off: the exchange or the connection to it is faulty.
    TryAgain,
    /// A code that is in no table: slow retry.
    UnknownCode,
}

/// Everything that follows from a class.
#[expect(clippy::struct_excessive_bools, reason = "a row of a table")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassRow {
    /// A failed look of this class concerns the whole account, not one target.
    pub account_wide: bool,
    /// The account may be of another kind than it was observed to be.
    pub doubts_kind: bool,
    /// A set refused with this class had no effect and will have none.
    pub definite: bool,
    /// The answer itself is shown to the operator, because its code alone says too little.
    pub quotes_answer: bool,
    /// It is mended at the exchange, which tells us nothing of it: an operator's refresh ends the wait.
    pub mended_there: bool,
    /// What waits after a set was refused with this class.
    pub refused_set: RefusedSet,
    /// Which answer clears the account's failure.
    pub cleared_by: ClearedBy,
}

/// What waits after a refused set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedSet {
    /// The next set of the target, by the count of its refusals although it looked flat.
    NotFlat,
    /// The next set of the target.
    TargetWaits,
    /// All requests for the account.
    AccountWaits,
    /// Both: a clock or kind observed anew may be the same again, so each such refusal lengthens the wait.
    BothWait,
}

/// Which answer clears an account's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearedBy {
    /// Any answer.
    AnyAnswer,
    /// An answer, once the exchange's clock is known: measuring it anew is not enough.
    AnswerInTime,
    /// An answer, once the kind is known: observing it anew is not enough.
    AnswerOfKind,
}

impl Class {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The one table of all classes.
    pub fn row(self) -> ClassRow {
        const PLAIN: ClassRow = ClassRow {
            account_wide: false,
            doubts_kind: false,
            definite: true,
            quotes_answer: false,
            mended_there: false,
            refused_set: RefusedSet::TargetWaits,
            cleared_by: ClearedBy::AnyAnswer,
        };
        match self {
            Class::NotFlat => ClassRow { refused_set: RefusedSet::NotFlat, ..PLAIN },
            Class::Refused => ClassRow { mended_there: true, ..PLAIN },
            Class::RateLimited => PLAIN,
            Class::LeadsCopies => ClassRow { doubts_kind: true, mended_there: true, ..PLAIN },
            Class::WrongKind => ClassRow {
                account_wide: true,
                doubts_kind: true,
                refused_set: RefusedSet::BothWait,
                cleared_by: ClearedBy::AnswerOfKind,
                ..PLAIN
            },
            Class::Clock => ClassRow {
                account_wide: true,
                refused_set: RefusedSet::BothWait,
                cleared_by: ClearedBy::AnswerInTime,
                ..PLAIN
            },
            Class::Converting | Class::Credential => {
                ClassRow { account_wide: true, refused_set: RefusedSet::AccountWaits, ..PLAIN }
            }
            Class::Denied | Class::AccountStatus => {
                ClassRow { account_wide: true, mended_there: true, ..PLAIN }
            }
            Class::OurFault => ClassRow { quotes_answer: true, ..PLAIN },
            Class::UnknownCode => ClassRow { definite: false, quotes_answer: true, ..PLAIN },
            Class::Stopped { .. } | Class::Busy { .. } | Class::Stale | Class::TryAgain => {
                ClassRow { definite: false, ..PLAIN }
            }
        }
    }

    /// The same class, until another moment where it ends at one.
    #[cfg(test)]
    pub(crate) fn ending(mut self, at: Moment) -> Class {
        if let Class::Stopped { until } | Class::Busy { until } = &mut self {
            *until = at;
        }
        self
    }

    /// When our own limits allow the next request, if they are why nothing was sent.
    pub fn our_own_limit(self) -> Option<Moment> {
        if let Class::Stopped { until } | Class::Busy { until } = self { Some(until) } else { None }
    }
}

impl Failing {
    /// One more failure of the run `before` if that was of the same class, else the first of a new run.
    pub fn after(before: Option<Failing>, failure: Failure, at: Moment, jitter: Jitter) -> Failing {
        let is_the_same = |old: &Failing| {
            std::mem::discriminant(&old.failure.class) == std::mem::discriminant(&failure.class)
        };
        Failing::once_more(before.filter(is_the_same), failure, at, jitter)
    }

    /// One more failure of the run `before`, whatever the classes of those in it.
    pub fn once_more(before: Option<Failing>, failure: Failure, at: Moment, jitter: Jitter) -> Failing {
        let (since, tries) = before.map_or((at, 0), |before| (before.since, before.tries));
        Failing { failure, since, at, tries: tries.saturating_add(1), jitter }
    }
}
