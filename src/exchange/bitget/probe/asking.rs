//! The way of a probe to the exchange: reads alone, one by one, at most one a second; each is kept with its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::exchange::bitget::http::{Method, Request, Response, Transport, TransportError};
use crate::moment::Moment;

/// A transport through which nothing but a read can leave. Clones share it.
pub(super) struct Asking<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    transport: T,
    clock: Clock,
    asked: AtomicUsize,
    /// Held while a question is under way, so that there is one at a time.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the next question may leave.
    next: Option<Moment>,
    records: Vec<Record>,
    /// Questions without an answer, one after the other.
    silent: u32,
    /// Answers of too many requests.
    too_many: u32,
}

/// A question that was asked, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) path: String,
    pub(super) query: String,
    /// `None` if there was no whole answer.
    pub(super) answer: Option<Response>,
}

/// Why nothing more is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The exchange said often enough that it is asked too much.
    TooMany,
    /// There was no answer, several times in a row.
    Silent,
}

/// What is left of a request without its method and its body: all that can leave.
struct Read {
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
}

impl<T: Transport> Asking<T> {
    pub(super) fn new(transport: T, clock: Clock) -> Asking<T> {
        let shared = Shared { transport, clock, asked: AtomicUsize::new(0), state: Mutex::default() };
        Asking { shared: Arc::new(shared) }
    }

    /// How many questions were asked so far.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Every question so far.
    pub(super) async fn records(&self) -> Vec<Record> {
        self.shared.state.lock().await.records.clone()
    }

    /// Why nothing more is asked, once it is so.
    pub(super) async fn over(&self) -> Option<Over> {
        self.shared.state.lock().await.over()
    }
}

impl<T: Transport> Transport for Asking<T> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let Some(read) = Read::of(request) else {
            return Err(TransportError::NotSent("a probe only reads, and this is no read".to_owned()));
        };
        let Shared { transport, clock, asked, state } = &*self.shared;
        let mut state = state.lock().await;
        if let Some(over) = state.over() {
            return Err(TransportError::NotSent(over.say().to_owned()));
        }
        if let Some(next) = state.next {
            clock.sleep_until(next).await;
        }
        let (path, query) = (read.path.clone(), read.query.clone());
        asked.fetch_add(1, Ordering::Relaxed);
        let answer = transport.send(read.into_request()).await;
        state.next = Some(clock.now() + APART);
        state.keep(Record { path, query, answer: answer.as_ref().ok().cloned() });
        answer
    }
}

impl<T> Clone for Asking<T> {
    fn clone(&self) -> Asking<T> {
        Asking { shared: Arc::clone(&self.shared) }
    }
}

impl State {
    fn keep(&mut self, record: Record) {
        match &record.answer {
            None => self.silent += 1,
            Some(Response { status, .. }) => {
                self.silent = 0;
                self.too_many += u32::from(*status == 429);
            }
        }
        self.records.push(record);
    }

    fn over(&self) -> Option<Over> {
        if self.too_many >= MOST_TOO_MANY {
            Some(Over::TooMany)
        } else {
            (self.silent >= MOST_SILENT).then_some(Over::Silent)
        }
    }
}

impl Over {
    pub(super) fn say(self) -> &'static str {
        match self {
            Over::TooMany => {
                "Bitget answered too many requests (HTTP 429) several times, and the account's strategies share its limits"
            }
            Over::Silent => "several questions in a row got no whole answer",
        }
    }
}

impl Read {
    fn of(request: Request) -> Option<Read> {
        let Request { method, path, query, headers, body } = request;
        match method {
            Method::Get if body.is_empty() => Some(Read { path, query, headers }),
            Method::Get | Method::Post => None,
        }
    }

    fn into_request(self) -> Request {
        let Read { path, query, headers } = self;
        Request { method: Method::Get, path, query, headers, body: String::new() }
    }
}

/// From an answer to the next question. A little more than a second, for a network that delays the first of two more.
const APART: Duration = Duration::from_millis(1050);
/// So many answers of too many requests, and nothing more is asked.
const MOST_TOO_MANY: u32 = 3;
/// So many questions in a row without an answer, and nothing more is asked.
const MOST_SILENT: u32 = 3;

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use super::*;

    /// What was sent, and when.
    type Sent = Arc<Lock<Vec<(Request, Moment)>>>;

    /// Answers everything in the same way, and keeps what it was asked and when.
    struct Wire {
        status: Option<u16>,
        clock: Clock,
        sent: Sent,
    }

    impl Transport for Wire {
        async fn send(&self, request: Request) -> Result<Response, TransportError> {
            self.sent.lock().unwrap().push((request, self.clock.now()));
            let answer =
                self.status.map(|status| Response { status, remaining: None, media: None, body: Vec::new() });
            answer.ok_or_else(|| TransportError::Unanswered("silence".to_owned()))
        }
    }

    fn over_a_wire(status: Option<u16>) -> (Asking<Wire>, Sent) {
        let (clock, sent) = (Clock::simulated(1_700_000_000_000, 1), Arc::default());
        let wire = Wire { status, clock: clock.clone(), sent: Arc::clone(&sent) };
        (Asking::new(wire, clock), sent)
    }

    fn read() -> Request {
        Request::get("/api/v2/public/time", String::new())
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_but_a_read_leaves() {
        let (asking, sent) = over_a_wire(Some(200));
        let setter = Request::post("/api/v3/account/set-hold-mode", "{}".to_owned());
        let bodiless = Request { body: String::new(), ..setter.clone() };
        let with_body = Request { body: "{}".to_owned(), ..read() };
        for request in [setter, bodiless, with_body] {
            assert!(matches!(asking.send(request).await, Err(TransportError::NotSent(_))));
        }
        assert!(sent.lock().unwrap().is_empty());
        assert!(asking.send(read()).await.is_ok());
        assert_eq!(sent.lock().unwrap()[0].0, read());
        assert_eq!((asking.asked(), asking.records().await.len()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn at_most_one_a_second_leaves_even_if_many_are_asked_at_once() {
        let (asking, sent) = over_a_wire(Some(200));
        futures_util::future::join_all((0..5).map(|_| asking.send(read()))).await;
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 5);
        assert!(sent.windows(2).all(|two| two[1].1.since(two[0].1) >= Duration::from_secs(1)), "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_where_the_exchange_wants_rest_or_is_silent() {
        for (status, over) in [(Some(429), Over::TooMany), (None, Over::Silent)] {
            let (asking, sent) = over_a_wire(status);
            for _ in 0..5 {
                let _ = asking.send(read()).await;
            }
            assert_eq!(asking.over().await, Some(over));
            assert_eq!(sent.lock().unwrap().len(), 3);
        }
        let (asking, _) = over_a_wire(Some(500));
        for _ in 0..5 {
            let _ = asking.send(read()).await;
        }
        assert_eq!((asking.asked(), asking.over().await), (5, None));
    }
}
