//! The exchange in two halves: `Observe` reads, `Apply` sets. Whoever holds only the first cannot change anything.
//!
//! One call is one look: nothing is repeated inside, and a call that finds no free permit soon says `Busy`.

pub mod bitget;
pub mod credential;

use std::future::Future;

use self::credential::Fingerprint;
use crate::facts::{Answer, Failure, Identity, List, SetAnswer};
use crate::ledger::Noted;
use crate::moment::Moment;
use crate::position_mode::{PositionMode, Scope};

/// A limit of the exchange that rests until a moment, because the exchange said 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// Which limit, in the exchange's own words.
    pub limit: String,
    /// Until when.
    pub until: Moment,
}

/// Who goes first where requests queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// What ends a verdict that has begun, and the set that it allows: a verdict is worth nothing unless it comes in time,
    /// so whoever has begun one goes before all who would begin one.
    PartWay,
    /// The first look of a verdict that may allow a set.
    BeforeSet,
    /// A look that can wait.
    Routine,
}

/// The half that reads; one value per account.
pub trait Observe: Send + Sync + 'static {
    /// Tells the credential that it asks with from another one.
    fn fingerprint(&self) -> Fingerprint;

    /// The exchange's time, unsigned.
    fn clock(&self) -> impl Future<Output = Result<Answer<()>, Failure>> + Send;

    /// Whose key it is, and which kind of account. `Identity::at` is when it was answered.
    fn account(&self) -> impl Future<Output = Result<Answer<Identity>, Failure>> + Send;

    /// The live mode of a scope.
    fn mode(
        &self,
        scope: Scope,
        urgency: Urgency,
    ) -> impl Future<Output = Result<Answer<PositionMode>, Failure>> + Send;

    /// How many rows of a list count in a scope, over all its pages.
    fn count(
        &self,
        scope: Scope,
        list: List,
        urgency: Urgency,
    ) -> impl Future<Output = Result<Answer<u32>, Failure>> + Send;
}

/// The half that sets.
pub trait Apply: Observe {
    /// The right to send one set now, taken from the limits; it comes back when it is dropped unused.
    type Permit: Send;

    /// Takes the permit for a set, or says when to ask again (`Class::Busy`).
    fn permit(&self, scope: Scope) -> impl Future<Output = Result<Self::Permit, Failure>> + Send;

    /// Sends the one set that was noted, signed with the timestamp of its note. The answer's own time comes with it if
    /// there was one.
    fn set(
        &self,
        noted: Noted,
        permit: Self::Permit,
    ) -> impl Future<Output = (SetAnswer, Option<Answer<()>>)> + Send;
}
