//! The reload on SIGHUP.

use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::fleet::{Kicks, Pulse};
use crate::serve::View;
use crate::serve::systemd::ServiceManager;
use crate::source::Source;

/// What a reload needs.
pub(super) struct Reload {
    pub(super) manager: ServiceManager,
    pub(super) view: View,
    pub(super) source: Source,
    pub(super) kicks: watch::Sender<Kicks>,
    pub(super) pulse: watch::Receiver<Pulse>,
}

impl Reload {
    /// On each SIGHUP, reads the file and the keys again and looks at every target, even if the file is bad. A reload
    /// ends once the fleet has followed the file, so that the status line that ends it shows the result.
    pub(super) async fn on(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: the file and the keys are read again, and everything is looked at");
            self.manager.reloading();
            self.source.read_again().await;
            self.kicks.send_modify(|kicks| {
                kicks.looks += 1;
                kicks.reloads += 1;
            });
            let reloads = self.kicks.borrow().reloads;
            let followed = self.pulse.wait_for(|pulse| pulse.followed.reloads >= reloads);
            // `READY=1` must be sent even if the fleet is waiting for the ledger.
            let _ = tokio::time::timeout(FOLLOWED_WITHIN, followed).await;
            self.manager.ready(&self.view.status().line());
        }
    }
}

/// A turn of the fleet takes milliseconds, unless another process is writing to the ledger.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);
