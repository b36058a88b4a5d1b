//! The client that all accounts of a process share: Bitget's limits, its clock, one pool of connections.
//!
//! One call is one attempt. Nothing here decides what to ask, or whether to ask again.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::registry::Registry;

use super::answer::{Body, Reply};
use super::door::{Caller, Door};
use super::endpoint::Endpoint;
use super::http::{Request, Response, Transport, TransportError};
use super::pace::{LaneName, Pace, Permit, Stopped};
use super::requests::{Outcome, Requests};
use super::sign::Trading;
use super::wire::Envelope;
use super::wire::classic::Sample;
use crate::clock::Clock;
use crate::exchange::CoolDown;
use crate::exchange::credential::Credential;
use crate::facts::{Age, Answer, Apart, Class, Failure, Jump, ServerClock, Stretch, Witness};
use crate::moment::{Moment, ServerTime, spell};
use crate::position_mode::{AccountName, ProductType, Target};
use crate::schedule::Purpose;

/// The process's client of the exchange; clones share its state.
pub struct Bitget<T> {
    pub(super) shared: Arc<Shared<T>>,
}

pub(super) struct Shared<T> {
    transport: T,
    pub(super) clock: Clock,
    pub(super) pace: Mutex<Pace>,
    door: Door,
    pub(super) requests: Requests,
    /// The contracts that serve to read the mode, the next one to use first.
    pub(super) samples: Mutex<BTreeMap<Universe, Vec<Sample>>>,
    /// Held while a sample is requested, so that concurrent callers share one request; the last failure, which they share,
    /// too.
    pub(super) asking_for_samples: tokio::sync::Mutex<SampleFailures>,
    /// Likewise for the exchange's time, which is the same for all accounts.
    pub(super) asking_for_time: tokio::sync::Mutex<LastTime>,
}

/// Which contracts there are: fewer in demo trading, though the public list is the same.
pub(super) type Universe = (ProductType, Trading);

/// The last failures of the requests for samples. A caller that waited for one takes it as its own: were each to try again
/// in turn, the last of many would wait for hours.
pub(super) type SampleFailures = BTreeMap<ProductType, (Moment, Failure)>;

/// What the last request for the exchange's time came to, and when; shared likewise.
pub(super) type LastTime = Option<(Moment, Result<Answer<()>, Failure>)>;

impl<T: Transport> Bitget<T> {
    /// A client over `transport` that sends at most `requests_per_second`, and nothing in the first second.
    pub fn new(transport: T, clock: Clock, requests_per_second: NonZeroU32) -> Bitget<T> {
        let shared = Shared {
            transport,
            pace: Mutex::new(Pace::new(clock.now())),
            door: Door::new(clock.clone(), requests_per_second),
            requests: Requests::new(),
            samples: Mutex::default(),
            asking_for_samples: tokio::sync::Mutex::default(),
            asking_for_time: tokio::sync::Mutex::default(),
            clock,
        };
        Bitget { shared: Arc::new(shared) }
    }

    /// Registers the metrics of the requests.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.requests.register_metrics(registry);
    }

    /// The exchange's clock, measured from the answers of all accounts; `None` before the first.
    pub fn server_clock(&self) -> Option<ServerClock> {
        self.shared.clock.exchange()
    }

    /// The limits that rest now because the exchange answered 429, as the ledger records them.
    pub fn cool_downs(&self) -> Vec<CoolDown> {
        let resting = self.shared.pace.lock().cool_downs(self.shared.clock.now());
        let told = |(lane, until): (LaneName, _)| {
            let by_address = match lane {
                LaneName::Account(..) => false,
                LaneName::Public(_) | LaneName::Everything => true,
            };
            CoolDown { limit: lane.to_string(), by_address, until }
        };
        resting.into_iter().map(told).collect()
    }

    /// Resumes a cool-down recorded in the ledger; one with an unknown limit is logged and skipped.
    pub fn restore(&self, limit: &str, until: Moment) {
        match limit.parse::<LaneName>() {
            Ok(lane) => self.shared.pace.lock().restore(&lane, until, self.shared.clock.now()),
            Err(error) => tracing::warn!("a cool-down in the ledger is passed over: {error}"),
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// The exchange's time now, for signing reads; `Class::Clock` until it is known.
    pub(super) fn server_now(&self) -> Result<ServerTime, Failure> {
        let clock = self.server_clock().ok_or_else(|| Failure {
            class: Class::Clock,
            code: None,
            say: "Bitget's clock is not known yet; it is asked first".to_owned(),
        })?;
        Ok(clock.at(self.now()))
    }

    /// The answer, dated no later than it can be: by a machine whose clock is ahead of the others no fence is over.
    fn dated(&self, envelope: Envelope, asked: Moment, answered: Moment) -> Envelope {
        let latest = |server| {
            let Some(known) = self.server_clock() else { return server };
            let agrees = known.agrees_with(ServerClock::measured(asked, answered, server));
            if agrees { server } else { server.min(known.at(answered)) }
        };
        Envelope { server: envelope.server.map(latest), ..envelope }
    }

    /// What contradicts the exchange's clock as it is known, if that has not been decided yet.
    pub(super) fn unconfirmed_jump(&self) -> Option<String> {
        let Jump { call, witness, reading: _, apart } = self.shared.clock.unconfirmed_jump()?;
        let by = match apart {
            Apart::Ahead(by) => format!("{} ahead of", spell(by)),
            Apart::Behind(by) => format!("{} behind", spell(by)),
        };
        let other = match witness {
            Witness::Signed => "the call time is asked whether it says the same",
            Witness::Time => "the next answer to a signed question shows whether it says the same",
        };
        Some(format!(
            "By its answer to the call {call} Bitget's clock is {by} what it was: {other}. Until then no change is signed, and \
             everything is looked at as usual."
        ))
    }

    /// Waits for the right to send one request in `lane`: for a turn within the process's own budget, and a permit of the
    /// lane. The error is a lane that has none for longer than `PERMIT_WAIT`; turns are waited for without limit, or those that
    /// come again at once would keep others out for ever.
    pub(super) async fn turn(
        &self,
        caller: Caller,
        lane: LaneName,
        purpose: Purpose,
    ) -> Result<Turn, Failure> {
        self.ask_the_witness().await;
        let came = self.now();
        let given = self.shared.door.turn(&self.shared.pace, caller, Some(lane.clone()), purpose).await;
        self.shared.requests.waited(self.now().since(came));
        let permit = given.map_err(|until| self.busy(&lane, until))?;
        let turn = Turn { pace: self.shared.clone(), permit, left: None };
        match self.stopped_until(&lane) {
            Some(until) => Err(self.busy(&lane, until)),
            None => Ok(turn),
        }
    }

    /// How long a request that can wait waits for its turn from now on, as far as is known; `None` if nobody gets a turn.
    pub(super) fn queued_for(&self) -> Option<Duration> {
        self.shared.door.wait()
    }

    /// By how much all recurring intervals come out longer than wanted.
    pub fn stretch(&self) -> Stretch {
        self.shared.door.stretch()
    }

    /// The mode of this target is going to be read so often.
    pub(super) fn watches(&self, target: &Target, every: Duration) {
        self.shared.door.watches(target, every);
    }

    /// Nobody looks at this target any more.
    pub(super) fn leaves(&self, target: &Target) {
        self.shared.door.leaves(&self.shared.pace, target);
    }

    /// Nothing is waited for in this target any more.
    pub(super) fn waits_no_more(&self, target: &Target) {
        self.shared.door.waits_no_more(target);
    }

    /// The change of this target has ended, or goes no further now.
    pub(super) fn ended(&self, target: &Target) {
        self.shared.door.ended(&self.shared.pace, target);
    }

    pub(super) fn stopped_until(&self, lane: &LaneName) -> Option<Moment> {
        self.shared.pace.lock().stopped_until(lane, self.now())
    }

    /// Reads the exchange's time when a 429 may concern this host's address: the next caller does so, the others go on.
    /// The answer changes only the limits and the measured clock.
    async fn ask_the_witness(&self) {
        let now = self.now();
        if self.shared.clock.unconfirmed_jump().is_some() {
            self.shared.pace.lock().doubt_the_clock();
        }
        let Some(permit) = self.shared.pace.lock().witness(now) else { return };
        let turn = Turn { pace: self.shared.clone(), permit: Some(permit), left: None };
        if self.shared.door.turn(&self.shared.pace, None, None, Purpose::ForAll).await.is_ok() {
            let request = Request::get(Endpoint::Time.path(), String::new());
            let _ = self.send(Endpoint::Time, request, turn, self.now(), None).await;
        }
    }

    /// The failure of a lane in which nothing may be sent, and why not.
    pub(super) fn busy(&self, lane: &LaneName, until: Moment) -> Failure {
        let what = match lane {
            LaneName::Account(_, endpoint) | LaneName::Public(endpoint) => endpoint.as_str(),
            LaneName::Everything => "everything",
        };
        let stopped = self.shared.pace.lock().stopped(lane, self.now());
        let say = match stopped {
            Some(Stopped::Address) => {
                "Bitget answers even the call time with too many requests (HTTP 429), so it is this host's address whose limit \
                 is used up: nothing is asked for any account until that call is answered"
                    .to_owned()
            }
            Some(Stopped::Lane) => format!(
                "Bitget answered the call {what} with too many requests (HTTP 429): the account's limit for it is used up, \
                 which its strategies share, and it rests; other accounts go on"
            ),
            None => format!(
                "our own limit for {what} is used up or rests; nothing was sent, it is asked again when free"
            ),
        };
        let class = if stopped.is_some() { Class::Stopped { until } } else { Class::Busy { until } };
        Failure { class, code: None, say }
    }

    /// Sends one request. `stamp` is its timestamp as a moment of our own clock.
    pub(super) async fn send(
        &self,
        endpoint: Endpoint,
        request: Request,
        mut turn: Turn,
        stamp: Moment,
        credential: Option<&Credential>,
    ) -> Result<Reply, TransportError> {
        turn.left = Some(stamp);
        let asked = self.now();
        let answer = self.shared.transport.send(request).await;
        let answered = self.now();
        let took = answered.since(asked);
        self.shared.door.answered(&self.shared.pace, took);
        let count = |outcome| self.shared.requests.count(endpoint, outcome, took);
        let Response { status, remaining, media, body } = match answer {
            Ok(response) => response,
            Err(error) => {
                match &error {
                    TransportError::NotSent(_) => {
                        turn.left = None;
                        count(Outcome::NotSent);
                    }
                    TransportError::Unanswered(_) => count(Outcome::Unanswered),
                }
                return Err(error);
            }
        };
        let mut envelope = Envelope::parse(&body);
        if endpoint == Endpoint::Time {
            envelope = envelope.map(Envelope::dated_by_its_data);
        }
        let key_hint = credential.map_or("", |credential| credential.kept_by().hint());
        let hears = endpoint == Endpoint::Time || credential.is_some();
        let server = envelope.as_ref().ok().and_then(|envelope| envelope.server).filter(|_| hears);
        let older = server.and_then(|server| self.hear(endpoint, asked, answered, server));
        let envelope = envelope.map(|envelope| self.dated(envelope, asked, answered));
        let body = Body { bytes: body.len(), media, credential: credential.cloned() };
        let reply = Reply { endpoint, asked, answered, status, remaining, envelope, older, body, key_hint };
        if let Some(permit) = turn.permit.take() {
            self.shared.pace.lock().give_back(permit, answered, reply.word());
        }
        count(reply.outcome());
        Ok(reply)
    }

    /// Learns the exchange's clock from an answer, and tells how much older than its question that is. The clock goes
    /// by the answers to signed questions, which are nobody else's unless they are old, and to the call for the time:
    /// a jump counts where both tell of it, because an exchange whose clock was set back looks like one that repeats
    /// old answers, and one whose clock was set forward like a machine that is ahead of the others.
    fn hear(
        &self,
        endpoint: Endpoint,
        asked: Moment,
        answered: Moment,
        server: ServerTime,
    ) -> Option<Duration> {
        let (clock, reading) = (&self.shared.clock, ServerClock::measured(asked, answered, server));
        if endpoint == Endpoint::Time {
            clock.hear_exchange(Witness::Time, endpoint.as_str(), reading);
            return None;
        }
        let known = clock.exchange();
        let age = known.map_or(Age::Fresh, |clock| clock.age(asked, server));
        let is_apart = known.is_some_and(|clock| !clock.agrees_with(reading));
        let counts = age == Age::Fresh || is_apart;
        let contradicts =
            counts && clock.hear_exchange(Witness::Signed, endpoint.as_str(), reading).is_some();
        if is_apart && !contradicts {
            // The call for the time had told of the same jump before, and so the clock has moved.
            return None;
        }
        if contradicts || age != Age::Fresh {
            self.shared.pace.lock().doubt_the_clock();
        }
        match age {
            Age::Older(by) => Some(by),
            Age::Fresh | Age::Unsure => None,
        }
    }
}

impl<T> Shared<T> {
    /// The contract with which the mode is read, if one is known.
    pub(super) fn sample(&self, universe: Universe) -> Option<Sample> {
        self.samples.lock().get(&universe).and_then(|samples| samples.first().cloned())
    }

    /// The exchange refuses this contract: it is not used again until the list is read anew. Tells whether another is left.
    pub(super) fn no_sample(&self, universe: Universe, refused: &Sample) -> bool {
        let mut samples = self.samples.lock();
        let Some(samples) = samples.get_mut(&universe) else { return false };
        samples.retain(|sample| sample != refused);
        !samples.is_empty()
    }
}

impl<T> Bitget<T> {
    /// Nobody looks at this account any more, or with another key from now on.
    pub(super) fn gone(&self, account: &AccountName) {
        self.shared.door.gone(&self.shared.pace, account);
    }
}

impl<T> Clone for Bitget<T> {
    fn clone(&self) -> Bitget<T> {
        Bitget { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Bitget<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bitget").finish_non_exhaustive()
    }
}

/// The right to send one request. If it is dropped before the request is sent, its permit is free at once; if dropped
/// without an answer, the permit stays taken until the request's timestamp is too old.
pub(super) struct Turn {
    pace: Arc<dyn HoldsPace>,
    permit: Option<Permit>,
    left: Option<Moment>,
}

/// Keeps `Turn` independent of the type of transport.
trait HoldsPace: Send + Sync {
    fn pace(&self) -> MutexGuard<'_, Pace>;
}

impl<T: Transport> HoldsPace for Shared<T> {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Turn")
            .field("permit", &self.permit)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match (self.permit.take(), self.left) {
            (Some(permit), None) => self.pace.pace().give_back_unused(permit),
            (Some(permit), Some(stamp)) => self.pace.pace().give_back_unanswered(permit, stamp),
            (None, _) => {}
        }
    }
}

pub(super) fn unanswered(endpoint: Endpoint, error: &TransportError) -> Failure {
    Failure { class: Class::TryAgain, code: None, say: format!("no answer to the call {endpoint}: {error}") }
}
