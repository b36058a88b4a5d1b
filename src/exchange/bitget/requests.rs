//! How many requests were sent, how they ended and how long they took: numbers for the metrics page, no decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pace::Endpoint;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// `00000`
    Ok,
    /// Another code.
    Refused,
    /// 429, or a code that says so.
    RateLimited,
    /// An answer that is none: 5xx, HTML, half a body.
    Broken,
    /// Sent, and no answer.
    Unanswered,
    /// No connection.
    NotSent,
}

impl Outcome {
    /// Whether an answer came, whatever it said: only then does the time that it took say something of the exchange.
    pub fn is_answered(self) -> bool {
        match self {
            Outcome::Ok | Outcome::Refused | Outcome::RateLimited | Outcome::Broken => true,
            Outcome::Unanswered | Outcome::NotSent => false,
        }
    }

    /// As the metrics name it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The requests of this process so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requests {
    /// By endpoint and outcome; what has not happened yet is not there.
    pub sent: BTreeMap<(Endpoint, Outcome), Counted>,
    /// How long calls have waited for our own limits, together.
    pub waited: Duration,
}

/// So many requests, which took so long together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// From leaving to the end of the answer, summed up.
    pub took: Duration,
}

impl Requests {
    pub(super) fn count(&mut self, endpoint: Endpoint, outcome: Outcome, took: Duration) {
        let counted = self.sent.entry((endpoint, outcome)).or_default();
        counted.count += 1;
        counted.took += took;
    }
}
