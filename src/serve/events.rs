//! `/api/events`: the status whenever it has changed in substance, and what is new in the history, as server-sent events.
//!
//! One task tells all listeners, and is there only while there are any. A listener holds no more than a few of the
//! latest frames, which all share; who does not take them is let go.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, Sender, WeakSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::View;
use super::connections::Asked;
use super::history::HistoryPage;
use crate::ledger::Event;
use crate::moment::Moment;
use crate::status::Status;
use crate::status::substance::Substance;

/// All listeners.
#[derive(Debug)]
pub(super) struct Events {
    view: View,
    /// Room for listeners.
    room: Arc<Semaphore>,
    /// Room for readers of the ledger, which all who read it share.
    reading: Arc<Semaphore>,
    /// To the listeners; held by the task that tells them, so that nobody waits for one that failed.
    told: Mutex<WeakSender<Bytes>>,
    ended: CancellationToken,
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deaf {
    /// There are as many listeners as there may be.
    Full,
    /// The daemon ends.
    Ending,
}

/// One who listens.
struct Listener {
    _room: OwnedSemaphorePermit,
    /// What comes before anything that all are told.
    first: Option<Bytes>,
    told: Receiver<Bytes>,
    asked: Asked,
    events: Arc<Events>,
}

impl Events {
    pub(super) fn new(view: View, reading: Arc<Semaphore>, ended: CancellationToken) -> Arc<Events> {
        let (nobody, _) = broadcast::channel(1);
        let (room, told) = (Arc::new(Semaphore::new(LISTENERS)), Mutex::new(nobody.downgrade()));
        Arc::new(Events { view, room, reading, told, ended })
    }

    /// A stream for one more listener, which begins with the status as of now and ends with `ended`.
    pub(super) fn listen(self: Arc<Self>, asked: Asked) -> Result<Response, Deaf> {
        if self.ended.is_cancelled() {
            return Err(Deaf::Ending);
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Deaf::Full)?;
        // Before the first status: what changes after it is told.
        let told = Arc::clone(&self).subscribe();
        let first = Some(first(&self.view.of_all_hosts()));
        asked.listens(self.view.clock.now());
        let listener = Listener { _room: room, first, told, asked, events: self };
        let body = Body::from_stream(stream::unfold(listener, |mut listener| async {
            let frame = listener.next().await?;
            Some((Ok::<Bytes, Infallible>(frame), listener))
        }));
        let mut response = body.into_response();
        let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(headers);
        Ok(response)
    }

    /// Whether anybody is told anything: the task that does it is there.
    #[cfg(test)]
    pub(super) fn tells(&self) -> bool {
        self.told.lock().strong_count() > 0
    }

    /// A receiver of all that is told from now on; begins to tell if nobody has listened yet.
    fn subscribe(self: Arc<Self>) -> Receiver<Bytes> {
        let events = Arc::clone(&self);
        let mut told = self.told.lock();
        if let Some(sender) = told.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(FRAMES);
        *told = sender.downgrade();
        let shown = Substance::of(&self.view.of_all_hosts());
        tokio::spawn(async move { events.tell(sender, shown).await });
        receiver
    }

    /// Tells all listeners until there is none, or the daemon ends. They were shown `shown` or something newer.
    async fn tell(&self, sender: Sender<Bytes>, shown: Substance) {
        let history = sender.downgrade();
        let both = async {
            tokio::select! {
                biased;
                () = self.tell_status(sender, shown) => {}
                () = self.tell_history(&history) => {}
            }
        };
        self.ended.run_until_cancelled(both).await;
    }

    /// Every second the status, if it has changed in substance or has not been told for long; else a sign of life.
    async fn tell_status(&self, sender: Sender<Bytes>, mut shown: Substance) {
        let mut told_at = self.view.clock.now();
        loop {
            let now = self.second().await;
            {
                let _nobody_comes_meanwhile = self.told.lock();
                if sender.receiver_count() == 0 {
                    drop(sender);
                    return;
                }
            }
            let status = self.view.of_all_hosts();
            let substance = Substance::of(&status);
            let frame = if substance != shown || now.since(told_at) >= TOLD_AGAIN {
                (shown, told_at) = (substance, now);
                of_status(&status)
            } else {
                Bytes::from_static(ALIVE)
            };
            let _ = sender.send(frame);
        }
    }

    /// Every second what is new in the history, if anything was written. The newest few are told at first: they may have been
    /// written after the first listener had asked for the history.
    async fn tell_history(&self, listeners: &WeakSender<Bytes>) {
        let (mut last, mut seen) = (None, None);
        loop {
            let written = self.view.records.written();
            if seen != Some(written) {
                let news = self.news(last).await;
                // Where there is more it is read the next time, and so is what cannot be read now.
                seen = news.as_ref().is_some_and(|news| news.len() < AT_ONCE).then_some(written);
                let news = news.unwrap_or_default();
                last = news.last().map(|event| event.id).or(last);
                if let Some(sender) = listeners.upgrade().filter(|_| !news.is_empty()) {
                    let _ = sender.send(frame("history", &HistoryPage::of_all(news)));
                }
            }
            self.second().await;
        }
    }

    /// The events after number `last`; `None` if they cannot be read.
    async fn news(&self, last: Option<i64>) -> Option<Vec<Event>> {
        let reading = Arc::clone(&self.reading).acquire_owned().await.ok()?;
        let records = Arc::clone(&self.view.records);
        // It blocks on the disk.
        let read = tokio::task::spawn_blocking(move || {
            let from = last.map_or_else(|| records.last().map(|last| last - AGAIN), Ok);
            let news = from.and_then(|from| records.after(from, AT_ONCE));
            drop(reading);
            news
        });
        read.await.ok()?.ok()
    }

    /// Waits until the next second; returns now.
    async fn second(&self) -> Moment {
        let clock = &self.view.clock;
        clock.sleep_until(clock.now() + EVERY).await;
        clock.now()
    }
}

impl Listener {
    /// What it is told next; `None` once nobody tells anything any more, or it was told too much that it has not taken.
    async fn next(&mut self) -> Option<Bytes> {
        // It is asked for only when there is room for it on the way to the listener.
        self.asked.listens(self.events.view.clock.now());
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.told.recv().await.ok()
    }
}

/// What a listener is told first.
fn first(status: &Status) -> Bytes {
    [RETRY, &of_status(status)].concat().into()
}

fn of_status(status: &Status) -> Bytes {
    frame("status", status)
}

/// One event of the stream. JSON has no line break outside of its strings, and within them they are escaped.
fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // Only a map with keys that are no strings, or a failing `Serialize`, fails: neither is among what is told.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

/// What a stream is sent with; proxies are told not to collect it.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
/// A browser comes back so long after the stream has ended, in ms.
const RETRY: &[u8] = b"retry: 2000\n\n";
/// A sign of life: a comment, and an event, for a browser shows no comment to the page.
const ALIVE: &[u8] = b": alive\nevent: alive\ndata: {}\n\n";
/// Streams at once: pages that are open, with room to spare.
pub(super) const LISTENERS: usize = 8;
/// How often something is told.
const EVERY: Duration = Duration::from_secs(1);
/// When a status is told again in which nothing has changed but looks and ages.
const TOLD_AGAIN: Duration = Duration::from_secs(5);
/// As many frames as a listener may be behind, each a second.
const FRAMES: usize = 8;
/// As many events are told at once.
const AT_ONCE: usize = 100;
/// As many of the newest events are told at first.
const AGAIN: i64 = 10;
