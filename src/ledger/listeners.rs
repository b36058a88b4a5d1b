//! Publishes the directives to listeners, each with a channel of its own.
//!
//! One channel for all would wake them in a random order; a simulation must be reproducible.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::directives::Directives;

/// All listeners, in the order of subscription; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<Subscribers>>);

#[derive(Debug, Default)]
struct Subscribers {
    newest: Arc<Directives>,
    channels: Vec<watch::Sender<Arc<Directives>>>,
}

impl Listeners {
    /// Adds a listener whose channel already has the newest directives.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Directives>> {
        let mut told = self.told();
        told.channels.retain(|channel| !channel.is_closed());
        let (channel, listener) = watch::channel(told.newest.clone());
        told.channels.push(channel);
        listener
    }

    /// The directives published last.
    pub(super) fn newest(&self) -> Arc<Directives> {
        self.told().newest.clone()
    }

    /// Publishes the directives to all listeners, if they changed. An account that is identified concerns nobody else: the
    /// others have the newest directives, but are not woken, or a first start of many accounts would wake all for each.
    pub(super) fn tell(&self, directives: Directives) {
        let mut told = self.told();
        if *told.newest != directives {
            let concerns_all = directives.concerns_others_than(&told.newest);
            told.newest = Arc::new(directives);
            for channel in &told.channels {
                channel.send_if_modified(|newest| {
                    newest.clone_from(&told.newest);
                    concerns_all
                });
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock()
    }
}
