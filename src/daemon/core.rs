//! The file, the ledger and the fleet: the part that `posmoded run` and `posmoded apply` share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::fleet::{Fleet, FleetDeps, Kicks, StartError, Whom};
use crate::host::harden;
use crate::ledger::{Event, EventKind, Instance, Ledger, OpenError};
use crate::serve::Bound;
use crate::source::{FileState, Source};
use crate::status::Board;

use super::key_files::KeyFiles;
use super::options::{NotStarted, Options, unusable};

/// Everything that keeps accounts in their modes, started. No account is looked at before [`Fleet::run`].
pub struct Core {
    /// The keepers, and the loop over all accounts.
    pub fleet: Fleet<KeyFiles>,
    /// The connections to the exchange, one credential file per account.
    pub keys: Arc<KeyFiles>,
    /// The declared file.
    pub source: Source,
    /// The ledger in the state directory, whose lock it holds.
    pub ledger: Ledger,
    /// The board on which the keepers publish.
    pub board: Board,
    /// The process's clock.
    pub clock: Clock,
    /// Requests to look at everything.
    pub kicks: watch::Sender<Kicks>,
    /// The bound listener for the status; `None` if the daemon listens nowhere.
    pub listener: Option<Bound>,
}

impl Core {
    /// Reads the file and opens the ledger, whose lock keeps every other instance away from the accounts.
    pub async fn start(options: Options, whom: Whom, stop: CancellationToken) -> Result<Core, NotStarted> {
        if let Err(error) = harden() {
            tracing::warn!(
                "a core dump of this process may hold keys, and its open files may be few: {error}"
            );
        }
        let clock = Clock::machine();
        let keys = Arc::new(KeyFiles::new(&options, &clock)?);
        let bound = Bound::to(&options.listen).await;
        let listen = bound.as_ref().ok().and_then(Option::as_ref).and_then(Bound::listen);
        // It may wait for the silence of another daemon.
        let opening = open(&options, listen.map(|listen| listen.to_string()), &clock);
        let ledger = stop.run_until_cancelled(opening).await.unwrap_or(Err(NotStarted::Stopped))?;
        // Checked after the ledger: an instance that holds the state directory holds our address, too, and the ledger's
        // error is the one that names its process.
        let listener = bound.map_err(unusable)?;
        let known_good = ledger.last_good().await.map_err(unusable)?.map(|revision| revision.sha256);
        let source = Source::watch(options.config, known_good, clock.clone(), stop.clone());
        source.read_again().await;
        let (kicks, kicked) = watch::channel(Kicks::default());
        let board = Board::default();
        let deps = FleetDeps {
            environment: keys.clone(),
            ledger: ledger.clone(),
            server: options.state.directory().is_none().then(|| options.state.to_string()),
            clock: clock.clone(),
            board: board.clone(),
            budget: options.requests_per_second,
            file: source.subscribe(),
            kicks: kicked,
            quiet: options.quiet,
            stop,
        };
        let state = settled(&source).await;
        let fleet = Fleet::start(whom, deps, state).await.map_err(no_revision)?;
        Ok(Core { fleet, keys, source, ledger, board, clock, kicks, listener })
    }
}

/// Writes an event about the process to the history; a failure is only logged.
pub async fn note_event(ledger: &Ledger, kind: EventKind, text: &str) {
    if let Err(error) = ledger.event(Event::new(kind, text)).await {
        tracing::warn!("{error}");
    }
}

async fn open(options: &Options, listen: Option<String>, clock: &Clock) -> Result<Ledger, NotStarted> {
    let us = Instance::of_this_process(options.host.now(), listen);
    Ledger::open(&options.state, clock.clone(), us).await.map_err(|error| match error {
        held @ (OpenError::Held { .. } | OpenError::Used { .. }) => NotStarted::Held(held.to_string()),
        other @ (OpenError::Newer(_)
        | OpenError::Io { .. }
        | OpenError::Exposed { .. }
        | OpenError::Ledger(_)) => unusable(other),
    })
}

/// Waits for the first read of the file that has settled; after `FIRST_STATES` tries, whatever state there is.
async fn settled(source: &Source) -> FileState {
    let mut states = source.subscribe();
    for _ in 0..FIRST_STATES {
        let state = states.borrow_and_update().clone();
        match state {
            FileState::NotReadYet | FileState::Changing | FileState::StillWritten { .. } => {
                let _ = tokio::time::timeout(FIRST_STATE, states.changed()).await;
            }
            FileState::Content(_) | FileState::Unreadable(_) => return state,
        }
    }
    states.borrow().clone()
}

fn no_revision(error: StartError) -> NotStarted {
    match error {
        StartError::Ledger(error) => unusable(error),
        StartError::NoRevision(problem) => NotStarted::Unusable(format!(
            "There is no acceptable file to start with, and no earlier one in the ledger: {problem}"
        )),
    }
}

/// How long each wait for the first settled state of the file may take, and how many there are.
const FIRST_STATE: Duration = Duration::from_secs(1);
const FIRST_STATES: usize = 5;
