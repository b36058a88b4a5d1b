//! How many requests were sent, how they ended and how long they took: numbers for the metrics, no decisions.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use strum::VariantArray as _;

use super::endpoint::Endpoint;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Outcome {
    /// `00000`
    Ok,
    /// Any other code.
    Refused,
    /// HTTP 429, or a code that means the same.
    RateLimited,
    /// An unusable answer: 5xx, HTML, half a body.
    Broken,
    /// Sent, but not answered.
    Unanswered,
    /// No connection, or the other side refused its stream.
    NotSent,
}

impl Outcome {
    /// Whether any answer came; only then is its duration a measure of the exchange.
    fn is_answered(self) -> bool {
        match self {
            Outcome::Ok | Outcome::Refused | Outcome::RateLimited | Outcome::Broken => true,
            Outcome::Unanswered | Outcome::NotSent => false,
        }
    }
}

/// The requests of a process so far; clones share the counters. Every combination of labels starts at 0.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    ended: Family<[(&'static str, &'static str); 2], Counter>,
    took: Family<[(&'static str, &'static str); 1], Histogram>,
    waited: Counter<f64, AtomicU64>,
}

impl Requests {
    pub(super) fn new() -> Requests {
        let took = Family::new_with_constructor(new_histogram as fn() -> Histogram);
        let requests = Requests { ended: Family::default(), took, waited: Counter::default() };
        for endpoint in Endpoint::VARIANTS {
            drop(requests.took.get_or_create(&of(*endpoint)));
            for outcome in Outcome::VARIANTS {
                drop(requests.ended.get_or_create(&of_both(*endpoint, *outcome)));
            }
        }
        requests
    }

    /// Counts one request by its outcome, and records its duration if it was answered.
    pub(super) fn count(&self, endpoint: Endpoint, outcome: Outcome, took: Duration) {
        self.ended.get_or_create(&of_both(endpoint, outcome)).inc();
        if outcome.is_answered() {
            self.took.get_or_create(&of(endpoint)).observe(took.as_secs_f64());
        }
    }

    /// Adds the time that a call waited for our own limits.
    pub(super) fn waited(&self, span: Duration) {
        self.waited.inc_by(span.as_secs_f64());
    }

    /// Registers the metrics.
    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        let Requests { ended, took, waited } = self.clone();
        registry.register("requests", "Requests to the exchange since the start, by how they ended", ended);
        let help = "How long the exchange took to answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, took);
        let help = "How long calls have waited for a permit";
        registry.register_with_unit("rate_limit_wait", help, Unit::Seconds, waited);
    }
}

#[cfg(test)]
impl Requests {
    pub(super) fn ended(&self, endpoint: Endpoint, outcome: Outcome) -> u64 {
        self.ended.get_or_create(&of_both(endpoint, outcome)).get()
    }

    pub(super) fn seconds_waited(&self) -> f64 {
        self.waited.get()
    }
}

fn of(endpoint: Endpoint) -> [(&'static str, &'static str); 1] {
    [("endpoint", endpoint.as_str())]
}

fn of_both(endpoint: Endpoint, outcome: Outcome) -> [(&'static str, &'static str); 2] {
    [("endpoint", endpoint.as_str()), ("outcome", outcome.into())]
}

/// Buckets in seconds: the exchange answers in tens of milliseconds, and a request times out after ten seconds.
fn new_histogram() -> Histogram {
    Histogram::new([0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}
