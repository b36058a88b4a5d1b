//! Which accounts have a keeper, and the spec that each receives.
//!
//! Follows the file, what the keepers publish, and once a second the ledger, where other processes write; restarts a
//! keeper that failed. A turn that finds nothing new does nothing. Sends nothing itself.

mod contact;
mod follow;
mod meet;
mod pauses;
mod peers;
mod publish;
mod records;
mod refresh;
mod supervised;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use contact::Contact;
use pauses::Heard;
use peers::Told;
use publish::{Base, Judged};
use supervised::Supervised;
use watched::{IsLast, Watch};

pub use pauses::shown as paused_of;
pub use peers::read as peers_of;

use crate::clock::Clock;
use crate::constants::{LEDGER_POLL, STOPPING};
use crate::desired::Desired;
use crate::facts::{Generation, RequestId};
use crate::keeper::{AccountSpec, Environment, Keeper, KeeperDeps, unseen};
use crate::ledger::{Directives, Ledger, LedgerError, Revision};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::AccountName;
use crate::protocol::Plan;
use crate::source::FileState;
use crate::status::{Behind, Board, seconds};

/// All keepers, and what their specs are made from.
#[expect(clippy::struct_excessive_bools, reason = "each remembers one thing that is still to be done")]
pub struct Fleet<D: Environment> {
    /// The accounts that may have a keeper; never changes.
    whom: Whom,
    /// Shared with every keeper; here it reads the key files and lists and restores cool-downs.
    environment: Arc<D>,
    /// Shared with every keeper; here it records revisions, releases, held plans, cool-downs and events of the file.
    ledger: Ledger,
    /// The source of every moment and sleep.
    clock: Clock,
    /// Where keepers publish; `held` is computed from it.
    board: Board,
    /// What this host is called, as of the last turn.
    host: String,
    /// The most requests a second of this process; only to warn when the file asks for more.
    budget: NonZeroU32,
    /// The newest state of the file; a change ends the wait for the next turn.
    file: watch::Receiver<FileState>,
    /// The newest requests for a look; a change ends the wait for the next turn.
    kicks: watch::Receiver<Kicks>,
    /// `kicks` as of this turn, read before the state of the file; what keepers receive.
    kicked: Kicks,
    /// Whether the ledger's database was heard of lately.
    contact: Contact,
    /// Since when this process runs, as it is marked in the ledger.
    watch: Watch,
    /// Published at the end of each turn.
    pulse: watch::Sender<Pulse>,
    /// What operators wrote; a change is shown.
    directives: watch::Receiver<Arc<Directives>>,
    /// The pauses and resumes that are in the log.
    heard: Heard,
    /// How often operators have asked for a look at each account, as the keepers receive it.
    refreshes: BTreeMap<AccountName, u64>,
    /// The requests for looks that are not reported done yet, each with what `refreshes` was for its accounts.
    looking: BTreeMap<RequestId, BTreeMap<AccountName, u64>>,
    /// How long after it has claimed a key this process sends no set with it; for the keepers.
    quiet: Duration,
    /// Ends the fleet when cancelled; the parent of every keeper's token.
    stop: CancellationToken,
    /// The revision that the keepers follow; `None` only within `start`, which fails if it stays so.
    in_force: Option<InForce>,
    /// What is in force, as the ledger said last: the same, unless this process cannot read it.
    newest: Option<Revision>,
    /// Why this process cannot read what is in force.
    unreadable: Option<String>,
    /// When the file of this host held what is in force, as this process read it; the next edit is of that.
    base: Option<Base>,
    /// How the file of this host and what is in force differ, where that is no problem.
    behind: Option<Behind>,
    /// Whether the ledger is to be asked what is in force.
    to_ask: bool,
    /// Why the newest content of the file is not in force: a brake on every keeper. `None` if it is in force.
    problem: Option<String>,
    /// When `problem` last changed, to `None` too.
    problem_since: Moment,
    /// The `problem` last reported. `report_file` updates it, to "still changing" only once that lasts.
    told: Option<String>,
    /// Whether the state of the file is still to be followed: set by a change, and when the ledger failed to accept.
    to_follow: bool,
    /// Whether the keepers are to be told: set when anything of their specs may differ, and when a keeper has ended.
    to_tell: bool,
    /// When the first keeper that failed may be started again.
    restart_at: Option<Moment>,
    /// Whether the frame of the status is to be shown anew.
    to_show: bool,
    /// The board's `turns` when the frame was shown last.
    shown_at: u64,
    /// The board's `turns` for which the held plan was last recorded; `None` before the first time.
    held_at: Option<u64>,
    /// The revision for which the accounts that the file does not name were last released; `None` before the first.
    released_in: Option<Generation>,
    /// The revision and the number of reloads for which the key files were last read; `None` before the first time.
    surveyed: Option<(Generation, u64)>,
    /// What the daemons of other hosts were told.
    told_peers: Told,
    /// Another daemon has our place.
    superseded: Option<String>,
    /// The held plan last written to the ledger; empty at first. Keepers receive only this one.
    held: Arc<Plan>,
    /// When this process last wrote `held`; `None` before that, and then due once every account was looked at.
    held_recorded: Option<Moment>,
    /// The end of each cool-down that this process wrote to the ledger, by limit; another end is written anew.
    cooling: BTreeMap<String, Moment>,
    /// One for each account that the file names and `whom` includes, and for any other whose task has not ended.
    keepers: BTreeMap<AccountName, Supervised>,
    /// The tasks of all keepers, each known to its `Supervised::task`.
    tasks: JoinSet<()>,
}

/// What a fleet needs to start.
pub struct FleetDeps<D: Environment> {
    /// Makes the exchange clients.
    pub environment: Arc<D>,
    /// The ledger, shared with the keepers.
    pub ledger: Ledger,
    /// Its database as messages name it, if that is on a server, where other hosts may write.
    pub server: Option<String>,
    /// The time.
    pub clock: Clock,
    /// Where every status is published.
    pub board: Board,
    /// The most requests a second of this process.
    pub budget: NonZeroU32,
    /// The newest state of the file.
    pub file: watch::Receiver<FileState>,
    /// Requests to look at everything now.
    pub kicks: watch::Receiver<Kicks>,
    /// How long after it has claimed a key this process sends no set with it.
    pub quiet: Duration,
    /// Ends the fleet when cancelled.
    pub stop: CancellationToken,
}

/// The accounts that a fleet looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Every account that the file names; an account that it no longer names is released.
    Everybody,
    /// Only these, as far as the file names them. No other account is read, changed or released.
    Only(BTreeSet<AccountName>),
}

impl Whom {
    fn includes(&self, account: &AccountName) -> bool {
        match self {
            Whom::Everybody => true,
            Whom::Only(these) => these.contains(account),
        }
    }
}

/// Requests to look at everything now, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kicks {
    /// Requests to look at every target; a reload is one too.
    pub looks: u64,
    /// Requests to read the credentials again as well.
    pub reloads: u64,
}

/// The health of the fleet's own loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// By when the next turn begins.
    pub due: Moment,
    /// Why the ledger could not be used in the last turn, in one sentence; `None` if it could.
    pub ledger_trouble: Option<String>,
    /// The beginning of this process's span in the ledger, by the exchange's time; `None` before that is known.
    pub watched: Option<ServerTime>,
    /// The requests that came before the last turn read the state of the file: these are followed and shown now.
    pub followed: Kicks,
}

/// Why the fleet has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Another daemon has its place, in one sentence.
    Superseded(String),
}

/// The revision in force.
#[derive(Debug, Clone)]
struct InForce {
    revision: Revision,
    desired: Desired,
}

/// Why a fleet could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[from] LedgerError),
    /// There is no acceptable file, and the ledger holds no earlier one.
    #[error("{0}")]
    NoRevision(String),
}

impl<D: Environment> Fleet<D> {
    /// A fleet that follows the newest file or, where that is not acceptable, the ledger's last good revision.
    /// `state` is the first one that the source published.
    pub async fn start(whom: Whom, deps: FleetDeps<D>, state: FileState) -> Result<Fleet<D>, StartError> {
        let FleetDeps { environment, ledger, server, clock, board, budget, file, kicks, quiet, stop } = deps;
        let (due, kicked) = (clock.now() + LEDGER_POLL, Kicks::default());
        let first = Pulse { due, ledger_trouble: None, watched: None, followed: kicked };
        let (pulse, _) = watch::channel(first);
        let watch = Watch::since(clock.now());
        let contact = Contact::with(server, clock.now());
        let directives = ledger.directives();
        let mut fleet = Fleet {
            whom,
            environment,
            ledger,
            clock,
            board,
            host: String::new(),
            budget,
            file,
            kicks,
            kicked,
            contact,
            watch,
            pulse,
            directives,
            heard: Heard::default(),
            refreshes: BTreeMap::new(),
            looking: BTreeMap::new(),
            quiet,
            stop,
            in_force: None,
            newest: None,
            unreadable: None,
            base: None,
            behind: None,
            to_ask: false,
            problem: None,
            problem_since: Moment::default(),
            told: None,
            to_follow: true,
            to_tell: true,
            restart_at: None,
            to_show: true,
            shown_at: 0,
            held_at: None,
            released_in: None,
            surveyed: None,
            told_peers: Told::default(),
            superseded: None,
            held: Arc::default(),
            held_recorded: None,
            cooling: BTreeMap::new(),
            keepers: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        fleet.ask_the_host();
        fleet.follow_the_ledger().await?;
        fleet.restore_cool_downs().await?;
        fleet.follow(state).await?;
        if fleet.in_force.is_none() {
            return Err(StartError::NoRevision(fleet.problem.unwrap_or_default()));
        }
        fleet.release_the_gone().await?;
        fleet.tell();
        // The first status for the service manager must not wait for the first turn.
        fleet.show_what_is_new();
        Ok(fleet)
    }

    /// The health of the loop, which `/livez` and the watchdog use.
    pub fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// Follows file and ledger until `stop` is cancelled, or another daemon has taken the ledger; then waits at most
    /// `STOPPING` for the sets under way.
    pub async fn run(mut self) -> Ended {
        while !self.stop.is_cancelled() {
            self.turn().await;
            let watched = self.file.has_changed().is_ok();
            let poll = self.clock.now() + LEDGER_POLL;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                Ok(()) = self.file.changed(), if watched => self.to_follow = true,
                Ok(()) = self.kicks.changed() => {}
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = self.clock.sleep_until(poll) => {}
            }
        }
        let last = self.clock.now() + STOPPING;
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            biased;
            () = all_ended => {}
            // A set still under way is left to its intent on disk.
            () = self.clock.sleep_until(last) => tracing::warn!("a set under way is left unfinished"),
        }
        self.mark_watched(IsLast::Yes).await;
        self.superseded.map_or(Ended::Stopped, Ended::Superseded)
    }

    async fn turn(&mut self) {
        // A reload has the file read before it kicks: take the kicks first, or the state may be older than they are.
        let kicked = *self.kicks.borrow_and_update();
        self.to_tell |= kicked != self.kicked;
        self.kicked = kicked;
        self.ask_the_host();
        // First, so that nothing else that waits for the ledger hides how long it has been silent.
        let noticed = self.notice().await;
        let asked = if self.to_ask { self.follow_the_ledger().await } else { Ok(()) };
        let state = {
            let state = self.file.borrow_and_update();
            // A state that came after the wait ended is marked as seen by this read, so remember it here.
            self.to_follow |= state.has_changed();
            self.to_follow.then(|| state.clone())
        };
        let followed = match state {
            Some(state) => self.follow(state).await,
            None => Ok(()),
        };
        self.tell();
        let released = self.release_the_gone().await;
        let told = self.report_file().await;
        let heard = self.report_pauses().await;
        let refreshed = self.refresh().await;
        let held = self.hold().await;
        let cooled = self.keep_cool_downs().await;
        let met = self.meet_peers().await;
        self.mark_watched(IsLast::No).await;
        let errors = [followed, released, told, noticed, asked, heard, refreshed, held, cooled, met];
        let errors: Vec<LedgerError> = errors.into_iter().filter_map(Result::err).collect();
        if let Some(superseded) = errors.iter().find(|error| error.is_superseded()) {
            self.superseded = Some(superseded.to_string());
            self.stop.cancel();
        }
        let ledger_trouble = errors.first().map(ToString::to_string);
        if let Some(trouble) =
            ledger_trouble.as_ref().filter(|_| self.pulse.borrow().ledger_trouble.is_none())
        {
            tracing::warn!("{trouble}");
        }
        self.tell();
        self.show_what_is_new();
        let due = self.clock.now() + LEDGER_POLL;
        let watched = self.watch.begins();
        self.pulse.send_replace(Pulse { due, ledger_trouble, watched, followed: self.kicked });
    }

    /// Hears what other processes have written. Keepers are told at the very moment from which the ledger counts as away, though
    /// its answer may still come.
    async fn notice(&mut self) -> Result<(), LedgerError> {
        let (asked, clock, ledger) = (self.clock.now(), self.clock.clone(), self.ledger.clone());
        let noticing = ledger.notice();
        tokio::pin!(noticing);
        let noticed = match self.contact.ends_at() {
            None => noticing.await,
            Some(at) => tokio::select! {
                biased;
                noticed = &mut noticing => noticed,
                () = clock.sleep_until(at) => {
                    self.to_tell |= self.contact.is_lost(clock.now(), |at| seconds(clock.timestamp(at)));
                    self.tell();
                    noticing.await
                }
            },
        };
        self.to_tell |= match &noticed {
            Ok(_) => self.contact.heard(asked),
            Err(_) => self.contact.is_lost(clock.now(), |at| seconds(clock.timestamp(at))),
        };
        noticed.map(|wrote| {
            // Only another process can have published something else.
            self.to_ask |= wrote;
        })
    }

    /// Asks what this host is called: another name may be that of other accounts' host.
    fn ask_the_host(&mut self) {
        let host = self.environment.host_name();
        if host == self.host {
            return;
        }
        if !self.host.is_empty() {
            tracing::info!(host, "this host is called {host} now, no longer {}", self.host);
        }
        self.host = host;
        self.surveyed = None;
        self.to_tell = true;
    }

    /// Takes over the newest state of the file: a good file comes into force, anything else is a brake.
    async fn follow(&mut self, state: FileState) -> Result<(), LedgerError> {
        self.to_follow = false;
        (self.to_tell, self.to_show) = (true, true);
        let problem = match state {
            FileState::NotReadYet => return Ok(()),
            FileState::Changing => Some(CHANGING.to_owned()),
            FileState::StillWritten { since } => Some(still_written(seconds(self.clock.timestamp(since)))),
            FileState::Unreadable(say) => Some(say),
            FileState::Content(content) => {
                let Judged { problem, behind } = self.accept(&content).await;
                self.is_behind(behind);
                problem
            }
        };
        self.brakes(problem);
        Ok(())
    }

    /// Sets why nothing is changed: because of the file, or of what is in force.
    fn brakes(&mut self, problem: Option<String>) {
        let problem = problem.or_else(|| self.unreadable.clone());
        if problem != self.problem {
            self.problem = problem;
            self.problem_since = self.clock.now();
            // The brake goes out before the event is written: the ledger may be slow.
            self.tell();
        }
    }

    /// Sets how the file of this host differs from what is in force, where that is no problem.
    fn is_behind(&mut self, behind: Option<Behind>) {
        if behind == self.behind {
            return;
        }
        if let Some(behind) = &behind {
            tracing::warn!("{}", behind.say());
        } else {
            tracing::info!("the file of this host is no longer another than what is in force");
        }
        self.behind = behind;
    }

    /// Forgets what was applied for accounts that the file no longer names. Nothing is ever sent for them.
    async fn release_the_gone(&mut self) -> Result<(), LedgerError> {
        let Some(InForce { revision, desired }) = &self.in_force else { return Ok(()) };
        if self.released_in == Some(revision.generation) {
            return Ok(());
        }
        let generation = revision.generation;
        for account in self.ledger.accounts().await? {
            if self.whom == Whom::Everybody && !desired.accounts.contains_key(&account) {
                tracing::info!(%account, "{account} is released: the file does not name it any more");
                self.ledger.release_the_gone(&account, generation).await?;
            }
        }
        self.released_in = Some(revision.generation);
        Ok(())
    }

    /// Sends every keeper its newest spec; starts and stops keepers as the file says. Does nothing as long as no spec can
    /// differ and no keeper is to be started.
    fn tell(&mut self) {
        let Some(InForce { revision, desired }) = &self.in_force else { return };
        let (now, kicks) = (self.clock.now(), self.kicked);
        if !self.to_tell && self.restart_at.is_none_or(|at| now < at) {
            return;
        }
        self.to_tell = false;
        let news = Some((revision.generation, kicks.reloads));
        if self.surveyed != news {
            self.surveyed = news;
            if let Some(say) = desired.over_budget(Some(&self.host), self.budget) {
                tracing::warn!("{say}");
            }
            self.environment.survey(&desired.accounts_of(&self.host));
        }
        for (name, account) in desired.accounts.iter().filter(|(name, _)| self.whom.includes(name)) {
            let spec = Arc::new(AccountSpec {
                generation: revision.generation,
                account: account.clone(),
                elsewhere: account.elsewhere(&self.host),
                ledger_away: self.contact.away(),
                max_changes: desired.max_changes,
                file: self.problem.clone(),
                held: self.held.clone(),
                looks: kicks.looks,
                reloads: kicks.reloads,
                refreshes: self.refreshes.get(name).copied().unwrap_or(0),
            });
            let supervised = self
                .keepers
                .entry(name.clone())
                .or_insert_with(|| Supervised::new(spec.clone(), self.stop.child_token()));
            supervised.specs.send_if_modified(|old| {
                let news = *old != spec;
                *old = spec.clone();
                news
            });
            if supervised.is_due(now) {
                if supervised.shown.is_empty() {
                    let kind = self.ledger.directives().borrow().kinds.get(name).copied();
                    supervised.shown = unseen(name, &spec, kind, &self.clock);
                }
                let publish = self.board.add(name.clone(), supervised.last_shown(now));
                let deps = KeeperDeps {
                    account: name.clone(),
                    environment: self.environment.clone(),
                    ledger: self.ledger.clone(),
                    clock: self.clock.clone(),
                    specs: supervised.specs.subscribe(),
                    publish,
                    quiet: self.quiet,
                    stop: supervised.stop.clone(),
                };
                supervised.started = Some(now);
                supervised.task = Some(self.tasks.spawn(Keeper::new(deps).keep()).id());
            }
        }
        for (name, supervised) in &self.keepers {
            if !desired.accounts.contains_key(name) {
                supervised.stop.cancel();
            }
        }
        self.keepers
            .retain(|name, supervised| supervised.task.is_some() || desired.accounts.contains_key(name));
        self.restart_at = self.keepers.values().filter_map(Supervised::waits_until).min();
    }

    /// Handles the end of a keeper: its account left the file, or it failed and is restarted after a wait.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, failed) = match ended {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), true),
        };
        let Some((name, supervised)) =
            self.keepers.iter_mut().find(|(_, supervised)| supervised.task == Some(id))
        else {
            return;
        };
        supervised.task = None;
        self.to_tell = true;
        let shown = self.board.account(name).map(|account| account.targets).unwrap_or_default();
        self.board.remove(name);
        supervised.stop = self.stop.child_token();
        if failed {
            let now = self.clock.now();
            let wait = supervised.failed(now);
            supervised.shown =
                shown.into_iter().map(|target| target.crashed(self.clock.timestamp(now))).collect();
            tracing::error!(account = %name, "{name}: the keeper failed; it is started again in {} s", wait.as_secs());
            drop(self.board.add(name.clone(), supervised.last_shown(now)));
        }
    }
}

const CHANGING: &str = "it is still changing";

fn still_written(since: Timestamp) -> String {
    format!(
        "it is still being written, since {since}: what writes it has not closed it, or writes it again and again. End \
         that, or put a whole file in its place by a rename"
    )
}
