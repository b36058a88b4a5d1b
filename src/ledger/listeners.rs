//! Who is told of the brakes on disk: each listener has a channel of its own.
//!
//! One channel for all would wake them in a random order; a simulation must go the same way each time.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::directives::Directives;

/// All listeners, in the order in which they came; clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<Subscribers>>);

#[derive(Debug, Default)]
struct Subscribers {
    newest: Arc<Directives>,
    channels: Vec<watch::Sender<Arc<Directives>>>,
}

impl Listeners {
    /// One more, who knows the newest already.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Directives>> {
        let mut told = self.told();
        told.channels.retain(|channel| !channel.is_closed());
        let (channel, listener) = watch::channel(told.newest.clone());
        told.channels.push(channel);
        listener
    }

    /// What was told last.
    pub(super) fn newest(&self) -> Arc<Directives> {
        self.told().newest.clone()
    }

    /// Tells everybody, if it is news.
    pub(super) fn tell(&self, directives: Directives) {
        let mut told = self.told();
        if *told.newest != directives {
            told.newest = Arc::new(directives);
            for channel in &told.channels {
                channel.send_replace(told.newest.clone());
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock()
    }
}
