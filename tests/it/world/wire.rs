//! The way between daemon and exchange, and what a test may do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bitget_sim::{Exchange, Outcome, UnixMs};
use posmoded::clock::Clock;
use posmoded::constants::HTTP_TOTAL;
use posmoded::exchange::bitget::{Method, Request, Response, Transport, TransportError};
use posmoded::facts::Requirement;
use posmoded::moment::Moment;

use super::journeys::Journeys;
use super::odd::OddAnswers;

/// What a test may do to the way between daemon and exchange.
#[derive(Debug, Default)]
pub struct Wire {
    pub(super) state: Mutex<WireState>,
    /// Those of all hosts.
    pub(super) journeys: Arc<Journeys>,
    pub(super) odd: Mutex<OddAnswers>,
}

#[derive(Debug, Clone)]
pub(super) struct WireState {
    /// How far the exchange's clock is ahead of the daemon's.
    pub(super) skew_ms: i64,
    /// Answers to calls whose path ends like this have another date.
    pub(super) dated: Option<(&'static str, Dated)>,
    /// From one side to the other.
    pub(super) latency: Duration,
    /// No connection can be made.
    pub(super) cut: bool,
    /// Accounts whose keeper fails when it reads the credential.
    pub(super) crashing: BTreeSet<String>,
    /// The daemon is told to stop in the very moment in which a keeper reads its credential.
    pub(super) stop_at_the_next_key: bool,
    /// The same in the very moment in which one claims its key, as it does last before it notes a set.
    pub(super) stop_at_the_next_claim: bool,
    /// Accounts without a credential file.
    pub(super) keyless: BTreeSet<String>,
    /// What is said of another process that has claimed the keys, if one has.
    pub(super) key_taken: Option<String>,
    /// What the daemon's host is called.
    pub(super) host_name: String,
    /// Accounts whose file holds the key of another name.
    pub(super) keys: BTreeMap<String, String>,
    /// What the host shows where it is not as required.
    pub(super) unmet: BTreeMap<Requirement, String>,
    /// When the host was looked at.
    pub(super) looks_at_host: Vec<Moment>,
    /// The process is stopped for so long with the next set.
    pub(super) stop_with_the_next_set: Option<(With, Duration)>,
    /// The processes whose requests left only once they were no longer stopped, and when.
    pub(super) held: Vec<(u32, Moment)>,
}

/// When a process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// When all is ready and the set has yet to leave.
    Ready,
    /// When it has just left.
    Left,
}

impl Default for WireState {
    fn default() -> WireState {
        WireState {
            skew_ms: 0,
            dated: None,
            latency: Duration::from_millis(20),
            cut: false,
            crashing: BTreeSet::new(),
            stop_at_the_next_key: false,
            stop_at_the_next_claim: false,
            keyless: BTreeSet::new(),
            key_taken: None,
            host_name: "trade-01".to_owned(),
            keys: BTreeMap::new(),
            unmet: BTreeMap::new(),
            looks_at_host: Vec::new(),
            stop_with_the_next_set: None,
            held: Vec::new(),
        }
    }
}

/// Straight into the simulated exchange.
#[derive(Clone)]
pub(super) struct Direct {
    pub(super) process: u32,
    pub(super) exchange: Arc<Mutex<Exchange>>,
    pub(super) wire: Arc<Wire>,
    pub(super) clock: Clock,
}

impl Transport for Direct {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let is_set = request.method == Method::Post;
        self.stop_if(is_set, With::Ready);
        let was_stopped = self.while_stopped().await;
        if locked(&self.wire.state).cut {
            return Err(TransportError::NotSent("no route to the exchange".to_owned()));
        }
        let journeys = &self.wire.journeys;
        let number = journeys.leaves(self.process, self.clock.now(), is_set);
        if was_stopped {
            locked(&self.wire.state).held.push((self.process, self.clock.now()));
        }
        self.stop_if(is_set, With::Left);
        // In a task of its own: what has left arrives, even if its sender is killed meanwhile.
        let journey = tokio::spawn(self.clone().travel_oddly(number, request));
        let came = tokio::time::timeout(HTTP_TOTAL, journey).await;
        self.while_stopped().await;
        match came {
            Ok(Ok(Some(response))) => {
                journeys.heard(number, self.clock.now(), &response);
                Ok(response)
            }
            Ok(Ok(None)) => Err(TransportError::Unanswered("the connection was closed".to_owned())),
            Ok(Err(error)) => panic!("the exchange failed: {error}"),
            Err(_) => Err(TransportError::Unanswered("no answer in time".to_owned())),
        }
    }
}

impl Direct {
    /// Stops the process, if that was arranged for this moment.
    fn stop_if(&self, is_set: bool, now: With) {
        let next = &mut locked(&self.wire.state).stop_with_the_next_set;
        if let Some((_, span)) = next.take_if(|(with, _)| is_set && *with == now) {
            self.clock.stop_until(self.clock.stopped_until().max(self.clock.now() + span));
        }
    }

    /// Waits while the process is stopped; returns whether it was.
    async fn while_stopped(&self) -> bool {
        let mut was_stopped = false;
        while self.clock.stopped_until() > self.clock.now() {
            was_stopped = true;
            tokio::time::sleep(self.clock.stopped_until().since(self.clock.now())).await;
        }
        was_stopped
    }

    /// To the exchange, unless an old answer is repeated on the way.
    async fn travel_oddly(self, number: usize, request: Request) -> Option<Response> {
        let (question, left, wire) = (request.clone(), self.clock.now(), self.wire.clone());
        let repeated = locked(&wire.odd).repeated(left, &question);
        if let Some(old) = repeated {
            let latency = locked(&wire.state).latency;
            tokio::time::sleep(2 * latency).await;
            return Some(old);
        }
        let response = self.travel(number, request).await?;
        Some(locked(&wire.odd).pass(left, &question, response))
    }

    async fn travel(self, number: usize, request: Request) -> Option<Response> {
        let Request { method, path, query, headers, body } = request;
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (method, asked) = (method.as_str().to_owned(), path.clone());
        let request =
            bitget_sim::Request { method, path, query, headers, body: body.into_bytes(), from: None };
        let latency = locked(&self.wire.state).latency;
        tokio::time::sleep(latency).await;
        let reply = {
            let now = self.clock.now();
            let mut exchange = locked(&self.exchange);
            let reply = exchange.handle(UnixMs(now.0 + locked(&self.wire.state).skew_ms), &request);
            self.wire.journeys.arrives(number, now, exchange.log().len() - 1);
            reply
        };
        tokio::time::sleep(latency + reply.after).await;
        let other = locked(&self.wire.state).dated.filter(|(end, _)| asked.ends_with(end)).map(|(_, of)| of);
        match reply.outcome {
            Outcome::Response(bitget_sim::Response { status, headers, body }) => {
                let body = other.map_or_else(|| body.clone(), |other| dated(&body, other));
                let remaining = headers
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("x-mbx-used-remain-limit"))
                    .and_then(|(_, value)| value.parse().ok());
                Some(Response { status, remaining, media: None, body })
            }
            Outcome::Dropped => None,
            Outcome::Hang => {
                tokio::time::sleep(HTTP_TOTAL).await;
                None
            }
        }
    }
}

/// How the date of an answer differs from the exchange's time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dated {
    /// By so many milliseconds: what answers has another clock.
    Ahead(i64),
    /// It is this one every time, as if the answer were repeated.
    At(i64),
}

fn dated(body: &[u8], how: Dated) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(body).expect("an answer of the simulator");
    let at = body["requestTime"].as_i64().expect("it has its time");
    let at = match how {
        Dated::Ahead(ms) => at + ms,
        Dated::At(ms) => ms,
    };
    body["requestTime"] = at.into();
    if body["data"]["serverTime"].is_string() {
        body["data"]["serverTime"] = at.to_string().into();
    }
    body.to_string().into_bytes()
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}
