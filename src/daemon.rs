//! The daemon: starts the parts (file, ledger, fleet, listener) and connects them. It decides nothing itself.

mod core;
mod key_files;
mod options;
mod reload;
mod vitals;

use std::net::SocketAddr;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::fleet::{Ended, Kicks, Whom};
use crate::ledger::EventKind;
use crate::log::Dropped;
use crate::notify::Notifier;
use crate::serve::metrics::PREFIX;
use crate::serve::systemd::ServiceManager;
use crate::serve::{Bound, Listen, View, http};

pub use self::core::{Core, note_event};
pub use key_files::{KeyFiles, key_problems};
pub use options::{NotStarted, Options, REQUESTS};

use key_files::kept_by;
use options::unusable;
use reload::Reload;
use vitals::{FleetVitals, HistoryReader};

/// A started daemon: file, ledger and listener are up.
pub struct Daemon {
    core: Core,
    view: View,
    schedule: Option<JobScheduler>,
    notifier: Notifier,
    hangup: Signal,
    stop: CancellationToken,
}

impl Daemon {
    /// Starts everything that the daemon needs; fails if any part cannot be started. `dropped` is shown among the metrics.
    pub async fn start(
        options: Options,
        dropped: &Dropped,
        stop: CancellationToken,
    ) -> Result<Daemon, NotStarted> {
        // Without a handler SIGHUP would end the process; one that arrives before the daemon is up is kept.
        let hangup = signal(SignalKind::hangup()).map_err(unusable)?;
        let pattern = options.schedule.clone();
        let Options { config, credentials, proxy, ca, host, .. } = options.clone();
        let core = Core::start(options, Whom::Everybody, stop.clone()).await?;
        let keys = credentials.unwrap_or_default();
        let outwards = (proxy.as_ref(), ca.as_deref());
        let notifier = Notifier::new((&keys, kept_by(&keys)), outwards, host.clone()).map_err(unusable)?;
        let schedule = match pattern {
            Some(pattern) => Some(schedule(&pattern, core.kicks.clone()).await?),
            None => None,
        };
        let mut counters = Registry::with_prefix(PREFIX);
        core.keys.bitget.register_metrics(&mut counters);
        core.ledger.register_metrics(&mut counters);
        dropped.register_metrics(&mut counters);
        notifier.health().register_metrics(&mut counters);
        let view = View {
            board: core.board.clone(),
            clock: core.clock.clone(),
            vitals: Arc::new(FleetVitals {
                pulse: core.fleet.pulse(),
                sockets: core.keys.sockets.clone(),
                bitget: core.keys.bitget.clone(),
                last_pull: core.source.last_pull(),
                notify: notifier.health(),
                host,
                path: std::path::absolute(&config).unwrap_or(config),
            }),
            records: Arc::new(HistoryReader { ledger: core.ledger.clone(), pulse: core.fleet.pulse() }),
            counters: Arc::new(counters),
        };
        Ok(Daemon { core, view, schedule, notifier, hangup, stop })
    }

    /// The TCP address that serves the status; `None` for a socket file or no listener.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.core.listener.as_ref().and_then(Bound::listen) {
            Some(Listen::At(address)) => Some(address),
            Some(Listen::Unix(_) | Listen::Nowhere) | None => None,
        }
    }

    /// Runs until `stop` is cancelled or another daemon has taken the ledger, then finishes what is under way.
    pub async fn run(self) -> Ended {
        let Daemon { core, view, schedule, notifier, hangup, stop } = self;
        let Core { fleet, source, ledger, kicks, listener, .. } = core;
        let listening = match listener.as_ref().and_then(Bound::listen) {
            Some(Listen::At(at)) => format!("{at} (page: http://{at}/)"),
            Some(at @ (Listen::Unix(_) | Listen::Nowhere)) => at.to_string(),
            None => "nowhere".to_owned(),
        };
        tracing::info!("posmoded {} started, listening: {listening}", env!("CARGO_PKG_VERSION"));
        let manager = ServiceManager::of_the_environment();
        note_event(&ledger, EventKind::Started, concat!("posmoded ", env!("CARGO_PKG_VERSION"), " started"))
            .await;
        let ended = CancellationToken::new();
        let serving = tokio::spawn({
            let (view, ended) = (view.clone(), ended.clone());
            async move {
                if let Some(listener) = listener {
                    http::serve(listener, view, ended).await;
                }
            }
        });
        let notifying = tokio::spawn(notifier.run(view.clone(), kicks.subscribe(), stop.clone()));
        let reload =
            Reload { manager: manager.clone(), view: view.clone(), source, kicks, pulse: fleet.pulse() };
        let reloading = tokio::spawn(reload.on(hangup));
        if let Some(schedule) = &schedule
            && let Err(error) = schedule.start().await
        {
            // Without it every target is still compared every `check_every`.
            tracing::warn!("the schedule could not be started: {error}");
        }
        manager.ready(&view.status().line());
        let informing = tokio::spawn({
            let (manager, view, ended) = (manager.clone(), view.clone(), ended.clone());
            async move { manager.keep_informed(&view, &ended).await }
        });
        let announced = tokio::spawn({
            let (manager, stop) = (manager.clone(), stop.clone());
            async move {
                stop.cancelled().await;
                tracing::info!("stopping: no new set, what is under way is finished");
                manager.stopping();
            }
        });
        let end = fleet.run().await;
        if end == Ended::Stopped {
            note_event(&ledger, EventKind::Stopped, "stopped").await;
        }
        ledger.leave().await;
        stop.cancel();
        reloading.abort();
        announced.abort();
        ended.cancel();
        let _ = tokio::join!(serving, informing, notifying);
        end
    }
}

/// A scheduler that kicks a look at everything. Its known faults do no harm here: the job only counts `looks` up, and
/// the pattern is in UTC.
async fn schedule(pattern: &str, kicks: watch::Sender<Kicks>) -> Result<JobScheduler, NotStarted> {
    let refused = |error| {
        NotStarted::Unusable(format!(
            "--schedule {pattern:?} is not a cron pattern of six fields (second minute hour day month weekday, in UTC, \
             such as \"0 */10 * * * *\"): {error}"
        ))
    };
    let job = Job::new(pattern, move |_, _| kicks.send_modify(|kicks| kicks.looks += 1)).map_err(refused)?;
    let scheduler = JobScheduler::new().await.map_err(refused)?;
    scheduler.add(job).await.map_err(refused)?;
    Ok(scheduler)
}
