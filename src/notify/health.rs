//! Whether messages arrive: a count of failures, and a warning in the status while something fails.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::status::seconds;

/// How it goes with the messages; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failures: Counter,
    troubles: Arc<Mutex<Troubles>>,
}

#[derive(Debug, Default)]
struct Troubles {
    file: Option<String>,
    message: Option<(Timestamp, String)>,
    alive: Option<(Timestamp, String)>,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Message,
    Alive,
}

impl Health {
    /// Registers the count with the metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let help =
            "Messages and signs of life since the start that their receiver did not take, each try counted";
        registry.register("notify_failures", help, self.failures.clone());
    }

    /// What is wrong now, for the status.
    pub fn warnings(&self) -> Vec<String> {
        let Troubles { file, message, alive } = &*self.troubles.lock();
        let file = file.iter().map(|say| format!("Nobody is told of anything: {say}."));
        let message = message.iter().map(|(since, why)| {
            format!(
                "Messages have not arrived since {since}: {why}. What still holds then is told as soon as it is taken; see the \
                 `url` in the credential file _notify."
            )
        });
        let alive = alive.iter().map(|(since, why)| {
            format!(
                "The sign of life has not arrived since {since}: {why}; see the `alive_url` in the credential file _notify."
            )
        });
        file.chain(message).chain(alive).collect()
    }

    /// Notes whether the file can be used.
    pub(super) fn file(&self, trouble: Option<String>) {
        let mut troubles = self.troubles.lock();
        if let Some(say) = &trouble
            && troubles.file != trouble
        {
            tracing::warn!("nobody is told of anything: {say}");
        }
        troubles.file = trouble;
    }

    /// Forgets how it went: from now on it is another receiver.
    pub(super) fn forget(&self) {
        let mut troubles = self.troubles.lock();
        (troubles.message, troubles.alive) = (None, None);
    }

    /// Notes how a request ended; the first failure in a row is logged, and its end.
    pub(super) fn ended(&self, what: What, how: &Result<(), String>, now: Timestamp) {
        let mut troubles = self.troubles.lock();
        let (trouble, noun) = match what {
            What::Message => (&mut troubles.message, "a message"),
            What::Alive => (&mut troubles.alive, "a sign of life"),
        };
        match how {
            Ok(()) => {
                if trouble.take().is_some() {
                    tracing::info!("{noun} has arrived again");
                }
            }
            Err(why) => {
                self.failures.inc();
                if trouble.is_none() {
                    tracing::warn!("{noun} has not arrived: {why}; it is tried again");
                }
                let since = trouble.as_ref().map_or_else(|| seconds(now), |(since, _)| *since);
                *trouble = Some((since, why.clone()));
            }
        }
    }
}
