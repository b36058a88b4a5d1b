//! `posmoded run`: the daemon.

use std::num::NonZeroU32;

use clap::builder::FalseyValueParser;
use tokio_util::sync::CancellationToken;

use crate::cli::signals::stop_on_signals;
use crate::cli::{Common, Exit, UsageError, print};
use crate::daemon::{Daemon, NotStarted, Options, REQUESTS};
use crate::fleet::Ended;
use crate::log::Log;
use crate::serve::Listen;
use crate::serve::systemd::ServiceManager;

/// What `run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the status is served, read-only: ADDRESS:PORT, unix:PATH (a socket file for our user and group), or none
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    #[arg(default_value = "127.0.0.1:9848")]
    pub listen: Listen,
    /// Allow an address that other machines can reach; nobody is asked for a password there
    #[arg(long, env = "POSMODED_LISTEN_ANYWHERE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub listen_anywhere: bool,
    /// Compare everything on this schedule too, beside `check_every`: a cron pattern of six fields, in UTC
    #[arg(long, env = "POSMODED_SCHEDULE", hide_env = true, value_name = "CRON")]
    pub schedule: Option<String>,
    /// All requests of this process; the exchange's limits are shared with the strategies
    #[arg(long, env = "POSMODED_REQUESTS_PER_SECOND", hide_env = true, value_name = "N")]
    #[arg(default_value_t = REQUESTS)]
    pub requests_per_second: NonZeroU32,
}

/// Runs the daemon until SIGTERM or SIGINT. If it does not start, the reason is printed here.
pub async fn run(args: &Args, common: &Common, log: &Log) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let options = args.options(common)?;
    if let Some(warning) = common.proxy_passed_over() {
        tracing::warn!("{warning}");
    }
    match Daemon::start(options, log.dropped(), stop).await {
        Ok(daemon) => match daemon.run().await {
            Ended::Stopped => Ok(Exit::DONE),
            Ended::Superseded(say) => {
                print::error(&anyhow::anyhow!(say), log);
                Ok(Exit::HELD)
            }
        },
        Err(error) => {
            let (exit, means) = match &error {
                NotStarted::Stopped => return Ok(Exit::DONE),
                NotStarted::Held(_) => (Exit::HELD, "that other one looks after the accounts"),
                NotStarted::Unusable(_) => {
                    (Exit::UNUSABLE, "no account is looked at or changed until this is mended")
                }
            };
            ServiceManager::of_the_environment().not_started(&error.to_string());
            let error = anyhow::Error::new(error).context(format!("posmoded has not started: {means}."));
            print::error(&error, log);
            Ok(exit)
        }
    }
}

impl Args {
    pub(super) fn options(&self, common: &Common) -> Result<Options, UsageError> {
        let Args { listen, listen_anywhere, schedule, requests_per_second } = self;
        if requests_per_second.get() > MOST_REQUESTS {
            tracing::warn!(
                "With --requests-per-second {requests_per_second} this process may use more than half of what Bitget allows \
                 this host's address, which the strategies share: {MOST_REQUESTS} is the most that leaves them the other half; \
                 several daemons behind one address divide it among them."
            );
        }
        let listen = listen.clone();
        let allowed = if *listen_anywhere { Ok(listen) } else { listen.on_loopback_only() };
        Ok(Options {
            listen: allowed.map_err(|error| UsageError(error.to_string()))?,
            schedule: schedule.clone(),
            requests_per_second: *requests_per_second,
            ..common.options()?
        })
    }
}

/// With its burst, a minute of so many a second is half of the 6,000 requests that the exchange allows an address.
const MOST_REQUESTS: u32 = 49;
