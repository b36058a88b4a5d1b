//! The values that operators see: one cell per account, published by its keeper, put together when somebody asks.
//!
//! Page, JSON, metrics, the service manager's line and the commands only render these. Nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::facts::{Applied, DriftPolicy, Facts, Flatness, Generation, How, Reading, TargetFacts};
use crate::moment::{Moment, spell};
use crate::position_mode::{AccountName, PositionMode, Scope, Target};
use crate::protocol::{self, Plan, Reason, Standing, State};

/// The shape of every JSON output; it grows, and is renumbered when something is taken away.
pub const SCHEMA: u32 = 1;

/// All that the daemon knows, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the daemon.
    pub version: String,
    /// When this was put together.
    pub now: Timestamp,
    /// The pause of everything, if there is one.
    pub paused: Option<Paused>,
    /// The pauses of single accounts.
    pub paused_accounts: BTreeMap<AccountName, Paused>,
    /// The revision in force.
    pub config: Config,
    /// What more is wanted than may leave in this hour.
    pub held: Option<Held>,
    /// Every target, by account and scope.
    pub targets: Vec<TargetStatus>,
    /// What an operator should know though nothing waits for it.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// Something to know of an account, such as a right that its key had better not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Whose.
    pub account: AccountName,
    /// What it is and what to do, in one or two plain sentences.
    pub say: String,
}

/// A pause of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// As the operator wrote it.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it ends by itself.
    pub until: Option<Timestamp>,
}

/// The revision in force, and what is wrong with the file if something is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// Its number.
    pub generation: Generation,
    /// Of its content.
    pub sha256: String,
    /// The git commit that its content is from now, where known: the file may move to another one with the same content.
    pub commit: Option<String>,
    /// When it was accepted.
    pub loaded_at: Option<Timestamp>,
    /// Why the newest content of the file is not in force.
    pub problem: Option<String>,
    /// The next revision, which is accepted and has not been held against every account yet.
    #[serde(default)]
    pub next: Option<Generation>,
}

/// A held plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What `posmoded approve` takes.
    pub hash: String,
    /// What it would let go.
    pub plan: Plan,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Whose.
    pub account: AccountName,
    /// A product type, or `account`.
    pub scope: Scope,
    /// What the file wants; null while the kind is unknown and it names more than one mode.
    pub desired: Option<PositionMode>,
    /// The last mode seen live equal to desired.
    pub applied: Option<AppliedStatus>,
    /// The mode at the last look.
    pub live: Option<LiveStatus>,
    /// Where it stands.
    pub state: State,
    /// What stands in the way; null only when in sync.
    pub reason: Option<Reason>,
    /// All that stands in the way, the reason first.
    pub blockers: Vec<Reason>,
    /// What it means and what to do, in plain words; null when in sync.
    pub say: Option<String>,
    /// Since when state and reason have been as they are.
    pub since: Timestamp,
    /// Since when it has not been in sync.
    pub not_in_sync_since: Option<Timestamp>,
    /// What is open, as far as it was read.
    pub detail: Detail,
    /// When it is looked at again.
    pub next_look_at: Timestamp,
    /// What is done about drift.
    pub drift: DriftPolicy,
    /// What happened to it since the start of this process.
    #[serde(skip)]
    pub counts: Counts,
}

/// An applied mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedStatus {
    /// Which.
    pub mode: PositionMode,
    /// How it came.
    pub how: How,
    /// When.
    pub at: Timestamp,
    /// In which revision.
    pub generation: Generation,
}

/// A live mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStatus {
    /// Which.
    pub mode: PositionMode,
    /// When it was read.
    pub at: Timestamp,
}

/// Rows at the exchange; null where not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// Open positions.
    pub positions: Option<u32>,
    /// Open orders.
    pub orders: Option<u32>,
    /// Open plan orders.
    pub plan_orders: Option<u32>,
}

/// What happened to a target since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sets that were confirmed by a read.
    pub confirmed: u64,
    /// Sets that were definitely refused.
    pub refused: u64,
    /// Sets whose outcome was unknown.
    pub unknown: u64,
    /// Sets that were noted and did not leave.
    pub withdrawn: u64,
    /// Times that live was found changed behind us.
    pub drift: u64,
}

/// What one keeper publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// The revision that its targets were last held against.
    pub generation: Generation,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
    /// By when the keeper will be heard of again.
    pub due: Moment,
    /// Whether every target has been looked at, or failed to be, at least once.
    pub looked: bool,
    /// What must be added to our time to get the exchange's, in milliseconds.
    pub clock_offset: Option<i64>,
    /// What to know of it though nothing waits for it.
    pub warnings: Vec<String>,
}

/// Where keepers publish and everybody reads. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Board {
    cells: Arc<RwLock<BTreeMap<AccountName, watch::Receiver<AccountStatus>>>>,
    frame: Arc<RwLock<Frame>>,
    /// The newest revision that every keeper was seen to follow.
    followed: Arc<RwLock<Config>>,
}

/// What is known beside the targets.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The pause of everything.
    pub paused: Option<Paused>,
    /// The pauses of single accounts.
    pub paused_accounts: BTreeMap<AccountName, Paused>,
    /// The revision in force.
    pub config: Config,
    /// The held plan.
    pub held: Option<Held>,
}

impl Board {
    /// One more account; its keeper publishes through what is given back.
    pub fn add(&self, account: AccountName, first: AccountStatus) -> watch::Sender<AccountStatus> {
        let (publish, cell) = watch::channel(first);
        self.cells.write().insert(account, cell);
        publish
    }

    /// The account has left the file.
    pub fn remove(&self, account: &AccountName) {
        self.cells.write().remove(account);
    }

    /// What every keeper published last.
    pub fn accounts(&self) -> BTreeMap<AccountName, AccountStatus> {
        let cells = self.cells.read();
        cells.iter().map(|(account, cell)| (account.clone(), cell.borrow().clone())).collect()
    }

    /// Changes what is known beside the targets.
    pub fn frame(&self, change: impl FnOnce(&mut Frame)) {
        let mut frame = self.frame.write();
        change(&mut frame);
        if self.is_followed(&frame.config) {
            self.followed.write().clone_from(&frame.config);
        }
    }

    /// Whether what every account shows was held against this revision.
    fn is_followed(&self, config: &Config) -> bool {
        self.accounts().values().all(|account| account.generation >= config.generation)
    }

    /// All of it, at `now`. A new revision shows as the one in force once every account has been held against it: before,
    /// "in sync" would be said of another one.
    pub fn status(&self, now: Timestamp) -> Status {
        let Frame { paused, paused_accounts, config, held } = self.frame.read().clone();
        let followed = self.followed.read().clone();
        let config = if self.is_followed(&config) || followed == Config::default() {
            config
        } else {
            Config { problem: config.problem, next: Some(config.generation), ..followed }
        };
        let (mut targets, mut warnings) = (Vec::new(), Vec::new());
        for (account, status) in self.accounts() {
            targets.extend(status.targets);
            let warning = |say| Warning { account: account.clone(), say };
            warnings.extend(status.warnings.into_iter().map(warning));
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Status {
            schema: SCHEMA,
            version,
            now: seconds(now),
            paused,
            paused_accounts,
            config,
            held,
            targets,
            warnings,
        }
    }
}

/// What is known of a target at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which.
    pub target: &'a Target,
    /// All that is known of it.
    pub facts: &'a Facts<'a>,
    /// Where it stands by them.
    pub standing: &'a Standing,
    /// The moment.
    pub now: Moment,
    /// When it is looked at again.
    pub next_look: Moment,
    /// What was published last.
    pub before: Option<&'a TargetStatus>,
    /// What happened to it since the start of the process.
    pub counts: Counts,
}

impl TargetStatus {
    /// What is known of a target, as operators see it; `timestamp` tells wall time.
    pub fn new(of: &Known<'_>, timestamp: impl Fn(Moment) -> Timestamp) -> TargetStatus {
        let Known { target, facts, standing, now, next_look, before, counts } = *of;
        let known = facts.target;
        let Standing { state, change: _, forbidden: _, blockers } = *standing;
        let reason = blockers.first();
        let at = |moment| seconds(timestamp(moment));
        // What is waited for has been waited for since it was first so, whatever the state was called meanwhile.
        let same =
            before.filter(|before| before.reason == reason && (reason.is_some() || before.state == state));
        let in_sync = state == State::InSync;
        let not_in_sync_since = before.and_then(|before| before.not_in_sync_since).unwrap_or_else(|| at(now));
        TargetStatus {
            account: target.account.clone(),
            scope: target.scope,
            desired: known.wanted.mode,
            applied: known.applied.map(AppliedStatus::from),
            live: known.seen.map(|seen| LiveStatus { mode: seen.mode, at: at(seen.answered) }),
            state,
            reason,
            blockers: blockers.iter().collect(),
            say: reason.map(|reason| protocol::say(reason, facts, now)),
            since: same.map_or_else(|| at(now), |same| same.since),
            not_in_sync_since: (!in_sync).then_some(not_in_sync_since),
            detail: Detail::of(known),
            next_look_at: at(next_look),
            drift: known.wanted.drift,
            counts,
        }
    }
}

impl TargetStatus {
    /// Whether it is another host's, so that here nobody knows and nobody asks.
    pub fn is_elsewhere(&self) -> bool {
        self.reason == Some(Reason::Elsewhere)
    }

    /// The same target after its keeper failed at `now`.
    #[must_use]
    pub fn crashed(self, now: Timestamp) -> TargetStatus {
        let blockers = std::iter::once(Reason::Crashed).chain(self.blockers).collect();
        let since = seconds(now);
        TargetStatus {
            state: State::Unknown,
            reason: Some(Reason::Crashed),
            blockers,
            say: Some(protocol::CRASHED.to_owned()),
            since,
            not_in_sync_since: self.not_in_sync_since.or(Some(since)),
            ..self
        }
    }
}

impl From<Applied> for AppliedStatus {
    fn from(applied: Applied) -> AppliedStatus {
        let Applied { mode, how, at, generation } = applied;
        let at = Timestamp::from_millisecond(at.0).map_or(Timestamp::UNIX_EPOCH, seconds);
        AppliedStatus { mode, how, at, generation }
    }
}

impl Detail {
    /// What was read since the mode was: an older number says nothing any more.
    fn of(facts: &TargetFacts) -> Detail {
        let Flatness { plan_orders, orders, positions, in_progress: _, flat_span: _ } = facts.this_round();
        let count = |reading: Option<Reading>| reading.map(|reading| reading.count);
        Detail { positions: count(positions), orders: count(orders), plan_orders: count(plan_orders) }
    }
}

impl Config {
    /// Whether the newest content of the file is in force for every account.
    pub fn is_newest(&self) -> bool {
        self.problem.is_none() && self.next.is_none()
    }
}

impl Status {
    /// Whether every target that is not another host's is as the newest content of the file wants it.
    pub fn is_all_in_sync(&self) -> bool {
        let here = self.targets.iter().filter(|target| !target.is_elsewhere());
        // Before the first account is known nothing can be said to be in sync.
        let any = !self.targets.is_empty();
        self.config.is_newest() && any && here.into_iter().all(|target| target.state == State::InSync)
    }

    /// The one line for the service manager: `rev 17 a1b2c3d: 11/12 in sync, 1 waiting flat (desk-3 USDT-FUTURES 14m)`.
    pub fn line(&self) -> String {
        let Config { generation, commit, problem, sha256: _, loaded_at: _, next: _ } = &self.config;
        let commit = commit.iter().map(|commit| format!(" {}", short(commit)));
        let in_sync = self.targets.iter().filter(|target| target.state == State::InSync).count();
        let here = self.targets.iter().filter(|target| !target.is_elsewhere()).count();
        let counted = format!("{in_sync}/{here} in sync");
        let refused = problem.iter().map(|_| "the newest file is REFUSED".to_owned());
        let paused = self.paused.iter().map(|paused| format!("PAUSED ({})", paused.reason));
        let waiting = self.waiting().into_iter().map(|(reason, targets)| self.waiting_for(reason, &targets));
        let parts: Vec<String> =
            std::iter::once(counted).chain(refused).chain(paused).chain(waiting).collect();
        format!("rev {}{}: {}", generation.0, commit.collect::<String>(), parts.join(", "))
    }

    fn waiting_for(&self, reason: Reason, targets: &[&TargetStatus]) -> String {
        let oldest = targets.iter().min_by_key(|target| target.since);
        let longest = oldest.map_or_else(String::new, |TargetStatus { account, scope, since, .. }| {
            let waited = Duration::try_from(self.now.duration_since(*since)).unwrap_or_default();
            format!(" ({account} {scope} {})", spell(waited))
        });
        let what = if reason == Reason::NotFlat {
            "waiting flat".to_owned()
        } else {
            reason.as_str().replace('_', " ")
        };
        format!("{} {what}{longest}", targets.len())
    }

    fn waiting(&self) -> BTreeMap<Reason, Vec<&TargetStatus>> {
        let mut waiting: BTreeMap<Reason, Vec<&TargetStatus>> = BTreeMap::new();
        for target in self.targets.iter().filter(|target| !target.is_elsewhere()) {
            if let Some(reason) = target.reason {
                waiting.entry(reason).or_default().push(target);
            }
        }
        waiting
    }
}

/// A git commit as people write it.
pub fn short(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// Whole seconds: what is below says nothing to an operator.
pub fn seconds(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc)).unwrap_or(at)
}
