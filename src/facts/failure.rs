//! What went wrong, named by what it asks of us.
//!
//! A class is a row of one table; whoever adds one has to fill the row.

use crate::moment::{Jitter, Moment};

/// Something that keeps failing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failing {
    /// The newest failure.
    pub failure: Failure,
    /// When the first of the row came.
    pub since: Moment,
    /// When the newest came.
    pub at: Moment,
    /// How many in a row.
    pub tries: u32,
    /// The random number of the wait that follows.
    pub jitter: Jitter,
}

/// A look or a set that did not bring what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{say}")]
pub struct Failure {
    /// What it asks of us.
    pub class: Class,
    /// The exchange's code, where there was one.
    pub code: Option<String>,
    /// What happened and what to do, in one or two plain sentences, without secrets.
    pub say: String,
}

/// What a failure asks of us; one per class of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumIter)]
pub enum Class {
    /// Wait until flat; never an error.
    NotFlat,
    /// Refused for this account: stop, tell the operator.
    Refused,
    /// Refused as a lead of copy trading, which a unified account was told at a classic call, too: stop as above, and
    /// observe the kind again.
    LeadsCopies,
    /// Observe the kind again.
    WrongKind,
    /// Come back later: the exchange converts the account.
    Converting,
    /// Stop until the credential changes.
    Credential,
    /// A right is missing, or our address is not on the key's list: stop and say which.
    Denied,
    /// The account itself is not in order: stop, tell the operator.
    AccountStatus,
    /// Measure the clock again and decide afresh.
    Clock,
    /// The exchange does not understand us: stop, keep the body.
    OurFault,
    /// Cool the lane down.
    RateLimited,
    /// Our own limits: nothing was sent; a permit is free at this moment.
    Busy {
        /// When to ask again.
        until: Moment,
    },
    /// Back off: the exchange or the way to it is not well.
    TryAgain,
    /// A code that is in no table: slow retry.
    UnknownCode,
}

/// What follows from a class, wherever it matters.
#[expect(clippy::struct_excessive_bools, reason = "a row of a table")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassRow {
    /// A look that failed so says something of the account as a whole, not of one target.
    pub account_wide: bool,
    /// The account may be of another kind than it was observed to be.
    pub doubts_kind: bool,
    /// A set that is refused so had no effect and will have none.
    pub definite: bool,
    /// The answer itself is shown to the operator: its code alone says too little.
    pub quotes_answer: bool,
    /// What a set that was refused so leaves behind.
    pub refused_set: RefusedSet,
    /// What has to come back before the account counts as well again.
    pub cleared_by: ClearedBy,
}

/// What a refused set leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedSet {
    /// One more refusal of a target that looked flat.
    NotFlat,
    /// The next set of the target waits.
    TargetWaits,
    /// Nothing of the account is asked for a while.
    AccountWaits,
    /// Both: what is measured or observed anew may well be the same, so each such set waits longer.
    BothWait,
}

/// What has to come back before an account counts as well again.
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
    /// The one table of all classes.
    pub fn row(self) -> ClassRow {
        const PLAIN: ClassRow = ClassRow {
            account_wide: false,
            doubts_kind: false,
            definite: true,
            quotes_answer: false,
            refused_set: RefusedSet::TargetWaits,
            cleared_by: ClearedBy::AnyAnswer,
        };
        match self {
            Class::NotFlat => ClassRow { refused_set: RefusedSet::NotFlat, ..PLAIN },
            Class::Refused | Class::RateLimited => PLAIN,
            Class::LeadsCopies => ClassRow { doubts_kind: true, ..PLAIN },
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
            Class::Denied | Class::AccountStatus => ClassRow { account_wide: true, ..PLAIN },
            Class::OurFault => ClassRow { quotes_answer: true, ..PLAIN },
            Class::UnknownCode => ClassRow { definite: false, quotes_answer: true, ..PLAIN },
            Class::Busy { .. } | Class::TryAgain => ClassRow { definite: false, ..PLAIN },
        }
    }

    /// When our own limits let the next request go, if it is they that nothing was sent for.
    pub fn our_own_limit(self) -> Option<Moment> {
        if let Class::Busy { until } = self { Some(until) } else { None }
    }
}

impl Failing {
    /// One more failure after `before`, if that was of the same class.
    pub fn after(before: Option<Failing>, failure: Failure, at: Moment, jitter: Jitter) -> Failing {
        match before {
            Some(Failing { failure: old, since, tries, at: _, jitter: _ })
                if std::mem::discriminant(&old.class) == std::mem::discriminant(&failure.class) =>
            {
                Failing { failure, since, at, tries: tries.saturating_add(1), jitter }
            }
            Some(_) | None => Failing { failure, since: at, at, tries: 1, jitter },
        }
    }
}
