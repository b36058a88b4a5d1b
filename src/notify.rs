//! Messages to people: what wants a human, what has changed, whether the daemon lives.
//!
//! [`Book`] decides what is told when; the rest reads the receiver's file and posts. Nothing else waits for any of it, and
//! no URL of a receiver is in any text.

mod book;
mod health;
mod message;
mod post;
mod receiver;

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::exchange::bitget::{Proxy, Unusable};
use crate::exchange::credential::KeptBy;
use crate::fleet::Kicks;
use crate::host::HostName;
use crate::moment::Moment;
use crate::serve::View;

pub use book::Book;
pub use health::Health;
pub use message::{Cause, Message};
pub use receiver::Receiver;

use health::What;
use post::Post;

/// What tells people.
#[derive(Debug)]
pub struct Notifier {
    dir: PathBuf,
    kept_by: KeptBy,
    post: Post,
    host: HostName,
    health: Health,
    receiver: Mutex<Option<Receiver>>,
}

/// When a message that did not arrive is tried again.
#[derive(Debug, Default)]
struct Retry {
    failures: u32,
    at: Moment,
}

impl Notifier {
    /// One for the receiver whose file is, or will be, in the directory of key files. Without that nobody is told.
    pub fn new(
        (dir, kept_by): (&Path, KeptBy),
        (proxy, ca): (Option<&Proxy>, Option<&Path>),
        host: HostName,
    ) -> Result<Notifier, Unusable> {
        let post = Post::new(proxy, ca)?;
        let (health, receiver) = (Health::default(), Mutex::default());
        let notifier = Notifier { dir: dir.to_owned(), kept_by, post, host, health, receiver };
        notifier.read();
        Ok(notifier)
    }

    /// How it goes with the messages.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Tells what `view` shows until `stop`, and then for 2 s at most what is left. Each new reload in `kicks` reads the
    /// receiver's file again.
    pub async fn run(self, view: View, mut kicks: watch::Receiver<Kicks>, stop: CancellationToken) {
        let mut book = Book::default();
        let both = async { tokio::join!(self.tell(&mut book, &view, &mut kicks), self.show_life(&view)) };
        stop.run_until_cancelled(both).await;
        book.see(view.to_tell(), view.clock.now());
        book.stop();
        let _ = tokio::time::timeout(STOP_WITHIN, self.tell_all_due(&mut book, &view)).await;
    }

    async fn tell(&self, book: &mut Book, view: &View, kicks: &mut watch::Receiver<Kicks>) {
        let (mut seen, mut retry) = (None, Retry::default());
        let mut reloads = kicks.borrow_and_update().reloads;
        loop {
            let now_reloads = kicks.borrow_and_update().reloads;
            if now_reloads != reloads {
                reloads = now_reloads;
                self.read();
                retry = Retry::default();
            }
            let (changes, now) = (view.board.changes(), view.clock.now());
            if seen != Some(changes) && self.receiver.lock().is_some() {
                book.see(view.to_tell(), now);
                seen = Some(changes);
            }
            if now >= retry.at {
                retry = match self.tell_all_due(book, view).await {
                    Ok(()) => Retry::default(),
                    Err(()) => retry.after(view.clock.now()),
                };
            }
            view.clock.sleep_until(view.clock.now() + EVERY).await;
        }
    }

    /// Posts what is due, one after the other, until one does not arrive.
    async fn tell_all_due(&self, book: &mut Book, view: &View) -> Result<(), ()> {
        let Some(receiver) = self.receiver.lock().clone() else { return Ok(()) };
        while let Some(message) = book.decide(&self.host.now(), view.clock.now()) {
            let how = self.post.message(&receiver, &message).await;
            let now = view.clock.now();
            self.health.ended(What::Message, &how, view.clock.timestamp(now));
            how.map_err(drop)?;
            book.delivered(message.cause, now);
        }
        Ok(())
    }

    /// Asks the receiver's second URL once a minute while `/livez` is good.
    async fn show_life(&self, view: &View) {
        loop {
            let receiver = self.receiver.lock().clone();
            if let Some(receiver) = receiver
                && view.stuck().is_none()
            {
                let how = self.post.alive(&receiver).await;
                self.health.ended(What::Alive, &how, view.clock.timestamp(view.clock.now()));
            }
            view.clock.sleep_until(view.clock.now() + ALIVE_EVERY).await;
        }
    }

    /// Reads the receiver's file. One that cannot be used is told in the status, and holds nothing up.
    fn read(&self) {
        let (receiver, trouble) = match Receiver::read(&self.dir, self.kept_by) {
            Ok(receiver) => (receiver, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut current = self.receiver.lock();
        if *current != receiver {
            self.health.forget();
        }
        *current = receiver;
        self.health.file(trouble);
    }
}

impl Retry {
    fn after(&self, now: Moment) -> Retry {
        let wait = RETRY_FIRST.saturating_mul(1 << self.failures.min(10)).min(RETRY_LONGEST);
        Retry { failures: self.failures + 1, at: now + wait }
    }
}

/// How often it is looked whether there is something to tell.
const EVERY: Duration = Duration::from_secs(1);
/// How often a sign of life is given.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// When a message that did not arrive is first tried again; each failure doubles it.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// The longest wait for that.
const RETRY_LONGEST: Duration = Duration::from_secs(600);
/// How long a stop waits for the last messages: a set under way may take longer.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_does_not_arrive_is_tried_ever_later_and_every_ten_minutes_at_least() {
        let (mut retry, mut waits) = (Retry::default(), Vec::new());
        for _ in 0..40 {
            let now = retry.at;
            retry = retry.after(now);
            waits.push(retry.at.since(now).as_secs());
        }
        assert_eq!(waits[..9], [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(waits.last(), Some(&600));
    }
}
