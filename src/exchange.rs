//! The exchange in two halves: `Observe` reads, `Apply` sets. A holder of `Observe` alone cannot change anything.
//!
//! One call is one look: nothing is retried inside, and a call that gets no permit within a short time fails as `Busy`.

pub mod bitget;
pub mod credential;

use std::future::Future;
use std::time::Duration;

use self::credential::Fingerprint;
use crate::facts::{Answer, Failure, Identity, List, SetAnswer};
use crate::ledger::Noted;
use crate::moment::Moment;
use crate::position_mode::{PositionMode, Scope};

/// A rate limit of the exchange that rests because the exchange answered 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// The limit's name, in the format of the exchange's module.
    pub limit: String,
    /// When the rest ends.
    pub until: Moment,
}

/// Priority of a request in the queues, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The remaining looks of a verdict that has begun, and the set that it allows. A late verdict is worthless, so
    /// these go before every look that would begin one.
    PartWay,
    /// A look that begins a change, or the first one of a verdict that may allow its set.
    BeforeSet,
    /// The first looks at an account in this process: until they are answered, everything about it is unknown.
    First,
    /// A look that can wait.
    Routine,
}

/// The half that reads; one value per account.
pub trait Observe: Send + Sync + 'static {
    /// Fingerprint of the credential that signs the requests.
    fn fingerprint(&self) -> Fingerprint;

    /// How long a look that can wait waits for its turn from now on, as far as is known: the budget of requests is shared
    /// by all accounts. `None` if turns should be given and are not.
    fn queued_for(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    /// How many reads of this account were sent so far: a look that has sent none only waits, and may be dropped.
    fn sent(&self) -> u64;

    /// Reads the exchange's time, unsigned.
    fn clock(&self) -> impl Future<Output = Result<Answer<()>, Failure>> + Send;

    /// The account that the key belongs to, and its kind. `Identity::at` is when the answer arrived.
    fn account(&self) -> impl Future<Output = Result<Answer<Identity>, Failure>> + Send;

    /// The live mode of a scope.
    fn mode(
        &self,
        scope: Scope,
        urgency: Urgency,
    ) -> impl Future<Output = Result<Answer<PositionMode>, Failure>> + Send;

    /// Number of rows of a list that count in a scope, over all its pages (at most `PAGES`).
    fn count(
        &self,
        scope: Scope,
        list: List,
        urgency: Urgency,
    ) -> impl Future<Output = Result<Answer<u32>, Failure>> + Send;
}

/// The half that sets.
pub trait Apply: Observe {
    /// The right to send one set now, taken from the rate limits; it is returned when dropped unused.
    type Permit: Send;

    /// Takes the permit for a set; `Class::Busy` has the moment to retry.
    fn permit(&self, scope: Scope) -> impl Future<Output = Result<Self::Permit, Failure>> + Send;

    /// Sends the noted set, signed with the timestamp of its note. Also returns the answer's times if it carried the
    /// exchange's time.
    fn set(
        &self,
        noted: Noted,
        permit: Self::Permit,
    ) -> impl Future<Output = (SetAnswer, Option<Answer<()>>)> + Send;
}
