//! The exchange in two halves: `Observe` reads, `Apply` sets. A holder of `Observe` alone cannot change anything.
//!
//! One call is one look: nothing is retried inside. It waits for its turn, which goes by its [`Purpose`].

pub mod bitget;
pub mod credential;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::credential::Fingerprint;
use crate::facts::{AccountSettings, Answer, Failure, Identity, List, OpenRow, SetAnswer, Stretch};
use crate::ledger::Noted;
use crate::moment::Moment;
use crate::position_mode::{KeyId, Kind, PositionMode, Scope};
use crate::schedule::Purpose;

/// A rate limit of the exchange that rests because the exchange answered 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// The limit's name, in the format of the exchange's module.
    pub limit: String,
    /// The exchange counts it by the address that asks, and not by user id: it holds for this host alone.
    pub by_address: bool,
    /// When the rest ends.
    pub until: Moment,
}

/// The version of HTTP that the exchange, or what stands before it, speaks with us. It says how an answer belongs to its
/// question on our own hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    /// Every request has a connection of its own. HTTP/1.0 counts as this, too.
    #[serde(rename = "HTTP/1.1")]
    Http1,
    /// All requests share one connection, and each answer names its request's stream.
    #[serde(rename = "HTTP/2")]
    Http2,
}

impl HttpVersion {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpVersion::Http1 => "HTTP/1.1",
            HttpVersion::Http2 => "HTTP/2",
        }
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How much of a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Only those of its parts (kinds of orders, categories) that had rows when they were last read.
    WhereOpen,
}

/// The half that reads; one value per account.
pub trait Observe: Send + Sync + 'static {
    /// Fingerprint of the credential that signs the requests.
    fn fingerprint(&self) -> Fingerprint;

    /// Names the key in the ledger.
    fn key_id(&self) -> KeyId;

    /// How long a look that can wait waits for its turn from now on, as far as is known: the budget of requests is shared
    /// by all accounts. `None` if turns should be given and are not.
    fn queued_for(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    /// How many reads of this account were sent so far: a look that has sent none only waits, and may be dropped.
    fn sent(&self) -> u64;

    /// By how much the intervals between looks at all accounts come out longer than wanted.
    fn stretch(&self) -> Stretch {
        Stretch::default()
    }

    /// Why no set is to be signed with the exchange's time as it is known, if an answer contradicts it: one or two sentences.
    fn clock_contradicted(&self) -> Option<String> {
        None
    }

    /// What else the settings of a unified account said when they were last read; `None` before that, and of a classic one.
    fn settings(&self) -> Option<AccountSettings> {
        None
    }

    /// What was open in a scope when its lists were last read, for people: no more than a few rows of each.
    fn open(&self, _scope: Scope) -> Vec<OpenRow> {
        Vec::new()
    }

    /// Tells how often the mode of this scope is going to be read.
    fn watches(&self, _scope: Scope, _every: Duration) {}

    /// Tells that nobody looks at this scope any more.
    fn leaves(&self, _scope: Scope) {}

    /// Tells that nothing is waited for in this scope any more.
    fn waits_no_more(&self, _scope: Scope) {}

    /// Tells that a change of this scope that had begun has ended, or goes no further now.
    fn ended(&self, _scope: Scope) {}

    /// How many requests a verdict, its set and the read that confirms it take.
    fn verdict_cost(&self, scope: Scope) -> u32;

    /// Reads the exchange's time, unsigned.
    fn clock(&self) -> impl Future<Output = Result<Answer<()>, Failure>> + Send;

    /// The kind of the account.
    fn kind(&self, purpose: Purpose) -> impl Future<Output = Result<Answer<Kind>, Failure>> + Send;

    /// The account that the key belongs to, and its kind. `Identity::at` is when the answer arrived.
    fn account(&self, purpose: Purpose) -> impl Future<Output = Result<Answer<Identity>, Failure>> + Send;

    /// The live mode of a scope.
    fn mode(
        &self,
        scope: Scope,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Answer<PositionMode>, Failure>> + Send;

    /// Number of rows of a list that count in a scope, or in the parts of it that `extent` names, over all pages (at most
    /// `PAGES`).
    fn count(
        &self,
        scope: Scope,
        list: List,
        extent: Extent,
        purpose: Purpose,
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
