//! Messages to the service manager: ready, reloading, stopping, one line of status, and the watchdog's heartbeat.
//!
//! If sending fails, the first failure in a row is logged and the daemon goes on. Without a service manager nothing is
//! sent.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::serve::View;

/// The connection to the service manager, if there is one; clones share the socket.
#[derive(Debug, Clone)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
    failing: Arc<AtomicBool>,
}

impl ServiceManager {
    /// From `NOTIFY_SOCKET` and `WATCHDOG_USEC`; without a usable `NOTIFY_SOCKET`, one that sends nothing.
    pub fn of_the_environment() -> ServiceManager {
        let nobody = ServiceManager { socket: None, watchdog: None, failing: Arc::default() };
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return nobody;
        };
        ServiceManager::at(&address, sd_notify::watchdog_enabled()).unwrap_or_else(|error| {
            tracing::warn!("no word to a service manager: nobody listens at NOTIFY_SOCKET: {error}");
            nobody
        })
    }

    /// One that listens at `address` (a path, or `@` and an abstract name) and expects a heartbeat within `watchdog`.
    pub fn at(address: &OsStr, watchdog: Option<Duration>) -> io::Result<ServiceManager> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_write_timeout(Some(TOLD_WITHIN))?;
        Ok(ServiceManager { socket: Some(Arc::new(socket)), watchdog, failing: Arc::default() })
    }

    /// Reports that file, ledger and listener are up, or that a reload is over, good or bad. `line` is the status now.
    pub fn ready(&self, line: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&one_line(line))]);
    }

    /// Reports that the file is being read again; [`ServiceManager::ready`] must follow. From systemd 253 on the
    /// message must contain the time.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                self.tell(&[NotifyState::Reloading, now]);
            }
            Err(error) => tracing::warn!("no monotonic time, the reload is not announced: {error}"),
        }
    }

    /// Reports why the daemon has not started: `systemctl status` shows it until the next attempt.
    pub fn not_started(&self, why: &str) {
        self.tell(&[NotifyState::Status(&one_line(&format!("not started: {why}")))]);
    }

    /// Reports that no new set is sent from now on.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping: the set under way is finished")]);
    }

    /// Until `cancel`, sends the status line when it has changed, at most once a second, and feeds the watchdog while
    /// neither the fleet nor a keeper is wedged.
    pub async fn keep_informed(&self, view: &View, cancel: &CancellationToken) {
        if self.socket.is_some() {
            let both = async { tokio::join!(self.tell_status(view), self.feed_watchdog(view)) };
            cancel.run_until_cancelled(both).await;
        }
    }

    async fn tell_status(&self, view: &View) {
        let (mut told, mut seen) = (String::new(), None);
        loop {
            let changes = view.board.changes();
            if seen != Some(changes) {
                let line = one_line(&view.status().line());
                let is_told = line == told || self.tell(&[NotifyState::Status(&line)]);
                if is_told {
                    told = line;
                }
                seen = Some(changes).filter(|_| is_told);
            }
            view.clock.sleep_until(view.clock.now() + STATUS_EVERY).await;
        }
    }

    async fn feed_watchdog(&self, view: &View) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        let mut was_wedged = None;
        loop {
            let wedged = view.wedged();
            match &wedged {
                None => {
                    self.tell(&[NotifyState::Watchdog]);
                }
                Some(wedged) if was_wedged.is_none() => {
                    tracing::error!("{wedged} The watchdog is told nothing until it is heard of.");
                }
                Some(_) => {}
            }
            was_wedged = wedged;
            view.clock.sleep_until(view.clock.now() + watchdog / 2).await;
        }
    }

    /// Sends one message; whether it was sent.
    fn tell(&self, states: &[NotifyState<'_>]) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let message = states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
        let sent = socket.send(message.as_bytes());
        let failed_before = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Ok(_) => true,
            Err(error) => {
                if !failed_before {
                    tracing::warn!("the service manager could not be told: {error}");
                }
                false
            }
        }
    }
}

/// Replaces control characters by spaces: a line break, as an operator's reason or the file's path may contain, would
/// begin another message.
fn one_line(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Often enough for a human, seldom enough for the journal.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// A service manager reads at once unless something is wrong with it; we do not wait longer.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
