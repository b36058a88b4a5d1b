//! `posmoded run`: the daemon, wired. Everything that it is made of comes together here, and nothing is decided.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::builder::FalseyValueParser;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::cli::{Common, Exit, Misused, history, print};
use crate::clock::Clock;
use crate::constants::REQUESTS_PER_SECOND;
use crate::exchange::CoolDown;
use crate::exchange::bitget::{Account, BaseUrl, Bitget, Sockets, Trading};
use crate::exchange::credential::{self, Credential, KeptBy, Keyring};
use crate::facts::Requirements;
use crate::fleet::{Fleet, Kicks, Means, Pulse, StartError};
use crate::host::Host;
use crate::keeper::Doors;
use crate::ledger::{Event, EventKind, HistoryFilter, Ledger, OpenError};
use crate::moment::Moment;
use crate::position_mode::{AccountName, KeyId};
use crate::serve::metrics::PREFIX;
use crate::serve::systemd::ServiceManager;
use crate::serve::{Bound, Listen, Records, View, Vitals, Wanted, http};
use crate::source::{Source, Word};
use crate::status::Board;

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

/// Runs the daemon until SIGTERM or SIGINT. Why it did not start is told here.
pub async fn run(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    match Daemon::start(Run::of(args, common)?, stop).await {
        Ok(daemon) => {
            daemon.run().await;
            Ok(Exit::DONE)
        }
        Err(error) => {
            let (exit, means) = match &error {
                NotStarted::Held(_) => (Exit::HELD, "that other one looks after the accounts"),
                NotStarted::Unusable(_) => {
                    (Exit::UNUSABLE, "no account is looked at or changed until this is mended")
                }
            };
            print::error(&anyhow::Error::new(error).context(format!("posmoded has not started: {means}.")));
            Ok(exit)
        }
    }
}

impl Run {
    pub(super) fn of(args: &Args, common: &Common) -> Result<Run, Misused> {
        let Args { listen, listen_anywhere, schedule, requests_per_second } = args;
        if requests_per_second.get() < FEWEST_REQUESTS {
            return Err(Misused(format!(
                "--requests-per-second {requests_per_second} is too little: to change a unified account takes fourteen \
                 requests within 5 s; write {FEWEST_REQUESTS} or more"
            )));
        }
        let listen = listen.clone();
        let allowed = if *listen_anywhere { Ok(listen) } else { listen.on_loopback_only() };
        Ok(Run {
            listen: allowed.map_err(|error| Misused(error.to_string()))?,
            schedule: schedule.clone(),
            requests_per_second: *requests_per_second,
            ..Run::with(common)?
        })
    }

    /// What every command is told, and nothing that is the daemon's alone: it listens nowhere.
    pub(super) fn with(common: &Common) -> Result<Run, Misused> {
        let Common { config, state: _, credentials: _, host: _, base_url, ca, log: _ } = common;
        Ok(Run {
            config: config.clone(),
            state: common.state_dir()?,
            credentials: common.credentials_dir(),
            host: common.host()?,
            base_url: base_url.clone(),
            ca: ca.clone(),
            listen: Listen::Nowhere,
            schedule: None,
            requests_per_second: REQUESTS,
        })
    }
}

/// What the daemon is told at its start.
#[derive(Debug, Clone)]
pub struct Run {
    /// The declared file.
    pub config: PathBuf,
    /// Where the ledger is.
    pub state: PathBuf,
    /// Where the credential files are.
    pub credentials: Option<PathBuf>,
    /// This host's name, as the file would write it.
    pub host: String,
    /// Where the exchange is.
    pub base_url: BaseUrl,
    /// A root certificate to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Where to serve the status.
    pub listen: Listen,
    /// When to compare everything, beside `check_every`: a cron pattern of six fields, in UTC.
    pub schedule: Option<String>,
    /// All requests of this process.
    pub requests_per_second: NonZeroU32,
}

/// Why the daemon did not start: one of these per exit code.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Another instance holds the state directory.
    #[error("{0}")]
    Held(String),
    /// Something that it was told cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// The daemon, started: file, ledger and listener are up.
pub struct Daemon {
    fleet: Fleet<KeyFiles>,
    view: View,
    listener: Option<Bound>,
    source: Source,
    kicks: watch::Sender<Kicks>,
    ledger: Ledger,
    schedule: Option<JobScheduler>,
    hangup: Signal,
    stop: CancellationToken,
}

impl Daemon {
    /// Brings everything up that the daemon cannot do without.
    pub async fn start(run: Run, stop: CancellationToken) -> Result<Daemon, NotStarted> {
        // Nobody listening, the signal would end the process; one that comes before the daemon is up is kept.
        let hangup = signal(SignalKind::hangup()).map_err(unusable)?;
        let clock = Clock::machine();
        let doors = Arc::new(KeyFiles::new(&run, &clock)?);
        let bound = Bound::to(&run.listen).await;
        let listen = bound.as_ref().ok().and_then(Option::as_ref).and_then(Bound::listen);
        let ledger = open(&run, listen.map(|listen| listen.to_string()), &clock).await?;
        // Who holds the state directory has our address, too: that is told first.
        let listener = bound.map_err(unusable)?;
        let known_good = ledger.last_good().await.map_err(unusable)?.map(|revision| revision.sha256);
        let source = Source::watch(run.config, known_good, clock.clone(), stop.clone());
        source.read_again().await;
        let (kicks, kicked) = watch::channel(Kicks::default());
        let schedule = match &run.schedule {
            Some(pattern) => Some(schedule(pattern, kicks.clone()).await?),
            None => None,
        };
        let board = Board::default();
        let means = Means {
            doors: doors.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            board: board.clone(),
            host: run.host,
            words: source.words(),
            kicks: kicked,
            stop: stop.clone(),
        };
        let word = settled(&source).await;
        let fleet = Fleet::start(means, word).await.map_err(no_revision)?;
        let mut counters = Registry::with_prefix(PREFIX);
        doors.bitget.register(&mut counters);
        ledger.register(&mut counters);
        let view = View {
            board,
            clock,
            vitals: Arc::new(Health { pulse: fleet.pulse() }),
            records: Arc::new(Books(ledger.clone())),
            counters: Arc::new(counters),
        };
        Ok(Daemon { fleet, view, listener, source, kicks, ledger, schedule, hangup, stop })
    }

    /// The address at which the status is served, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.listener.as_ref().and_then(Bound::listen) {
            Some(Listen::At(address)) => Some(address),
            Some(Listen::Unix(_) | Listen::Nowhere) | None => None,
        }
    }

    /// Runs until it is told to stop; then what is under way is brought to its end.
    pub async fn run(self) {
        let Daemon { fleet, view, listener, source, kicks, ledger, schedule, hangup, stop } = self;
        let listening = listener
            .as_ref()
            .and_then(Bound::listen)
            .map_or_else(|| "nowhere".to_owned(), |at| at.to_string());
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
        let reload =
            Reload { manager: manager.clone(), view: view.clone(), source, kicks, pulse: fleet.pulse() };
        let reloading = tokio::spawn(reload.on(hangup));
        if let Some(schedule) = &schedule
            && let Err(error) = schedule.start().await
        {
            // Nothing is wrong when it never fires: `check_every` stays.
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
        fleet.run().await;
        note_event(&ledger, EventKind::Stopped, "stopped").await;
        reloading.abort();
        announced.abort();
        ended.cancel();
        let _ = tokio::join!(serving, informing);
    }
}

/// Cancels `stop` on SIGTERM or SIGINT.
pub(super) fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// What a reload takes.
struct Reload {
    manager: ServiceManager,
    view: View,
    source: Source,
    kicks: watch::Sender<Kicks>,
    pulse: watch::Receiver<Pulse>,
}

impl Reload {
    /// SIGHUP: the file and the keys are read again and every target is looked at, whatever comes of it. It is over when
    /// the fleet has followed the file, so that the status that ends it tells what came of it.
    async fn on(mut self, mut hangup: Signal) {
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
            // `READY=1` must come, even where the ledger keeps the fleet waiting.
            let _ = tokio::time::timeout(FOLLOWED_WITHIN, followed).await;
            self.manager.ready(&self.view.status().line());
        }
    }
}

/// A scheduler that kicks a look at everything. Its known faults do no harm: the job sends one word, in UTC.
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

pub(super) async fn open(run: &Run, listen: Option<String>, clock: &Clock) -> Result<Ledger, NotStarted> {
    Ledger::open(&run.state, clock.clone(), listen).await.map_err(|error| match error {
        held @ OpenError::Held { .. } => NotStarted::Held(held.to_string()),
        other @ (OpenError::Newer(_) | OpenError::Io { .. } | OpenError::Ledger(_)) => unusable(other),
    })
}

/// The first word of the source that says something; a file that never stops changing is a word, too.
pub(super) async fn settled(source: &Source) -> Word {
    let mut words = source.words();
    for _ in 0..FIRST_WORDS {
        let word = words.borrow_and_update().clone();
        match word {
            Word::NotReadYet | Word::Changing => {
                let _ = tokio::time::timeout(FIRST_WORD, words.changed()).await;
            }
            Word::Content(_) | Word::Unreadable(_) => return word,
        }
    }
    words.borrow().clone()
}

pub(super) fn no_revision(error: StartError) -> NotStarted {
    match error {
        StartError::Ledger(error) => unusable(error),
        StartError::NoRevision(problem) => NotStarted::Unusable(format!(
            "There is no acceptable file to start with, and no earlier one in the ledger: {problem}"
        )),
    }
}

pub(super) async fn note_event(ledger: &Ledger, kind: EventKind, text: &str) {
    if let Err(error) = ledger.event(Event::new(kind, text)).await {
        tracing::warn!("{error}");
    }
}

pub(super) fn unusable(error: impl std::error::Error) -> NotStarted {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{}: {inner}", text.trim_end_matches('.'));
        source = inner.source();
    }
    NotStarted::Unusable(text)
}

/// Exchanges made from credential files.
pub struct KeyFiles {
    bitget: Bitget<Sockets>,
    dir: PathBuf,
    kept_by: KeptBy,
    keyring: Mutex<Keyring>,
    host: Host,
}

impl KeyFiles {
    pub(super) fn new(run: &Run, clock: &Clock) -> Result<KeyFiles, NotStarted> {
        let dir = run.credentials.clone().ok_or_else(|| {
            NotStarted::Unusable(
                "There is no directory of key files: write it after --credentials, or let systemd make one with \
                 LoadCredential="
                    .to_owned(),
            )
        })?;
        if !dir.is_dir() {
            return Err(NotStarted::Unusable(format!(
                "--credentials {}: there is no such directory; make it, with one key file per account.",
                dir.display()
            )));
        }
        let sockets = Sockets::new(run.base_url.clone(), run.ca.as_deref()).map_err(unusable)?;
        let bitget = Bitget::new(sockets, clock.clone(), run.requests_per_second);
        Ok(KeyFiles { bitget, kept_by: kept_by(&dir), dir, keyring: Mutex::default(), host: Host::default() })
    }

    fn key_of(&self, account: &AccountName) -> Option<KeyId> {
        credential::read(&self.dir, account, self.kept_by).ok().map(|credential| credential.key_id())
    }

    fn keyring(&self) -> MutexGuard<'_, Keyring> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doors for KeyFiles {
    type Exchange = Account<Sockets>;

    fn open(&self, account: &AccountName, demo: bool) -> Result<Account<Sockets>, String> {
        let read = credential::read(&self.dir, account, self.kept_by);
        let key = read.as_ref().ok().map(Credential::key_id);
        self.keyring().opened(account, key, |other| self.key_of(other));
        let credential = read.map_err(|error| error.to_string())?;
        let trading = if demo { Trading::Demo } else { Trading::Real };
        Ok(self.bitget.account(account.clone(), credential, trading))
    }

    fn survey(&self, accounts: &BTreeSet<AccountName>) {
        self.keyring().replace(accounts, |account| self.key_of(account));
    }

    fn shared_key(&self, account: &AccountName) -> Option<String> {
        let other = self.keyring().shares_with(account)?.clone();
        Some(credential::say_shared(&self.dir, self.kept_by, account, &other))
    }

    fn cool_downs(&self) -> Vec<CoolDown> {
        self.bitget.cool_downs()
    }

    fn restore(&self, cool_down: &CoolDown) {
        self.bitget.restore(cool_down);
    }

    async fn unmet(&self, require: &Requirements) -> Vec<String> {
        self.host.unmet(require).await
    }
}

/// systemd's own directory is not for others to read, whatever the modes of the files in it.
pub(super) fn kept_by(dir: &Path) -> KeptBy {
    let systemd = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|theirs| Path::new(&theirs) == dir);
    if systemd { KeptBy::Systemd } else { KeptBy::Mode }
}

/// How the daemon is, beside what its keepers publish.
#[derive(Debug)]
struct Health {
    pulse: watch::Receiver<Pulse>,
}

impl Vitals for Health {
    fn fleet_due(&self) -> Moment {
        self.pulse.borrow().due
    }

    fn ledger_trouble(&self) -> Option<String> {
        self.pulse.borrow().ledger_trouble.clone()
    }
}

/// The history, through a connection of its own: whoever reads does not keep the writer waiting.
#[derive(Debug)]
struct Books(Ledger);

impl Records for Books {
    fn newest(&self, wanted: &Wanted) -> Result<Vec<serde_json::Value>, String> {
        let Wanted { accounts, since_wall, limit } = wanted.clone();
        let Books(ledger) = self;
        let visitor = ledger.visitor().map_err(|error| error.to_string())?;
        let events = visitor.history(&HistoryFilter { accounts, since_wall, limit });
        let events = events.map_err(|error| error.to_string())?;
        events.iter().map(|event| history::as_json(event).map_err(|error| error.to_string())).collect()
    }
}

/// With fewer a second a verdict of a unified account would be too old for its set: six lists of strategy orders, three of
/// orders and three of positions, the mode and the set make fourteen, in `VERDICT_AGE` from the first list asked.
const FEWEST_REQUESTS: u32 = 4;

/// Unless told otherwise.
const REQUESTS: NonZeroU32 = NonZeroU32::new(REQUESTS_PER_SECOND).unwrap();

/// How long the first word of the file is waited for, each time, and how often.
const FIRST_WORD: Duration = Duration::from_secs(1);
const FIRST_WORDS: usize = 5;

/// A turn of the fleet takes milliseconds, unless somebody else writes to the ledger.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);
