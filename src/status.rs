//! The values that operators see: one cell per account, published by its keeper, combined on request.
//!
//! Page, JSON, metrics, the service manager's line and the commands only render these. Nothing here decides anything.

mod peers;
pub mod section;
pub mod substance;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Timestamp, Unit};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::exchange::HttpVersion;
use crate::facts::{
    AccountFacts, AccountSettings, Applied, Brakes, Change, DriftPolicy, Elsewhere, Facts, Flatness,
    Generation, How, List, OpenRow, Reading, Stretch, TargetFacts,
};
use crate::moment::Moment;
use crate::position_mode::{AccountName, PositionMode, Scope, Target};
use crate::protocol::{self, Need, Plan, PlanEntry, Reason, Standing, State, Wants};
use crate::source::LastPull;

/// The version of the JSON output: new fields leave it as it is, removing one raises it.
pub const SCHEMA: u32 = 1;

/// All that the daemon knows at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the daemon.
    pub version: String,
    /// The name of the host that the daemon runs on; null where no daemon runs.
    #[serde(default)]
    pub host: Option<String>,
    /// When this snapshot was taken, in whole seconds.
    pub now: Timestamp,
    /// The pause of everything, if there is one.
    pub paused: Option<Paused>,
    /// The pauses of single accounts.
    pub paused_accounts: BTreeMap<AccountName, Paused>,
    /// The revision in force.
    pub config: Config,
    /// The changes beyond this hour's limit, if any; they can be approved.
    pub held: Option<Held>,
    /// Every target, by account and scope.
    pub targets: Vec<TargetStatus>,
    /// What an operator should know that holds up no target.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// What else the settings of unified accounts say: seen, and never set.
    #[serde(default)]
    pub account_settings: BTreeMap<AccountName, AccountSettings>,
    /// The version of HTTP of the exchange's last answer; null before the first, and where no daemon runs.
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// By how much intervals between looks come out longer than the file wants: 1 while the budget of requests suffices, and
    /// where no daemon runs.
    #[serde(default)]
    pub stretch: Stretch,
    /// When the newest commit was last brought from git; null where nothing does that, and where no daemon runs.
    #[serde(default)]
    pub source: Option<LastPull>,
    /// The hosts whose daemons work with this ledger, or did lately; none where it is in a file.
    #[serde(default)]
    pub hosts: Vec<HostStatus>,
}

/// Something to know about an account, such as a permission that its key should not have, or about the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The account's name in the file; null if it is about no account.
    pub account: Option<AccountName>,
    /// What it is and what to do, in one or two plain sentences.
    pub say: String,
}

/// A pause, of everything or of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The reason, as the operator wrote it.
    pub reason: String,
    /// Who paused it, as `posmoded history` has it: the user, the terminal or unit, and the host; null where the ledger does not
    /// tell.
    #[serde(default)]
    pub who: Option<String>,
    /// When the pause was written.
    pub since: Timestamp,
    /// When the pause ends, if it ends by itself.
    pub until: Option<Timestamp>,
}

/// The revision in force, and the problem with the file, if any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// The number of the revision.
    pub generation: Generation,
    /// SHA-256 of its content, in lower-case hex.
    pub sha256: String,
    /// The git commit that its content is from, if known; it changes when the file moves to another commit with the
    /// same content.
    pub commit: Option<String>,
    /// When it was accepted.
    pub loaded_at: Option<Timestamp>,
    /// Why the newest content of the file is not in force.
    pub problem: Option<String>,
    /// How the file of this host differs from what another host has put in force; null where it does not, or is a problem.
    #[serde(default)]
    pub behind: Option<Behind>,
    /// Where the file is; null where no daemon runs.
    #[serde(default)]
    pub path: Option<String>,
    /// The next revision: accepted, but not compared with every account yet.
    #[serde(default)]
    pub next: Option<Generation>,
}

/// The file of this host, where that of another is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Which is the newer one.
    pub relation: Relation,
    /// The commit of this host's file, if known.
    pub commit: Option<String>,
    /// The commit that is in force, if known.
    pub in_force: Option<String>,
    /// The revision that is in force.
    pub generation: Generation,
    /// The host that has published it, if known.
    pub host: Option<String>,
    /// By how many commits there are more in what is in force, if known.
    pub commits: Option<u64>,
}

/// How a host's file and what is in force are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// The file is older.
    Behind,
    /// Neither is known to be the newer one.
    Diverged,
}

impl Behind {
    /// What it means, and what ends it.
    pub fn say(&self) -> String {
        let Behind { relation, commit, in_force, generation, host, commits } = self;
        let whose = host.as_ref().map_or_else(|| "another host".to_owned(), Clone::clone);
        let of = |commit: &String| format!("commit {}", short(commit));
        let ours = commit.as_ref().map_or_else(|| "its content".to_owned(), of);
        let theirs = in_force.as_ref().map_or_else(String::new, |commit| format!(" ({})", of(commit)));
        let theirs = format!("revision {}{theirs}, which {whose} has published", generation.0);
        match (relation, commit) {
            (Relation::Behind, Some(_)) => {
                let by = match commits {
                    None => "older".to_owned(),
                    Some(1) => "1 commit older".to_owned(),
                    Some(by) => format!("{by} commits older"),
                };
                format!(
                    "The file of this host is behind: {ours} is {by} than {theirs}. That is in force here too; the next pull brings the file after it."
                )
            }
            (Relation::Behind, None) => format!(
                "The file of this host is behind: {ours} was in force before {theirs}. That is in force here too; bring the file after it."
            ),
            (Relation::Diverged, Some(_)) => format!(
                "The file of this host is another: {ours} is not known to follow {theirs}. That is in force here too; push a commit that follows both."
            ),
            (Relation::Diverged, None) => format!(
                "The file of this host is another than {theirs}, and was not changed from that. That is in force here too; put the same content into the file, and then the change."
            ),
        }
    }
}

/// A plan held for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hash to give to `posmoded approve`.
    pub hash: String,
    /// The changes that an approval would allow.
    pub plan: Plan,
    /// Those of them whose targets say themselves how the plan is approved, and are left out of this status.
    #[serde(skip)]
    pub told: BTreeSet<PlanEntry>,
}

/// The status of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The account's name in the file.
    pub account: AccountName,
    /// A product type, or `account`.
    pub scope: Scope,
    /// The mode that the file wants; null while the account's kind is unknown and the file names more than one mode.
    pub desired: Option<PositionMode>,
    /// The mode that was last live as the file wanted it, or that a set of ours made live.
    pub applied: Option<AppliedStatus>,
    /// The mode at the exchange at the last look.
    pub live: Option<LiveStatus>,
    /// How live compares with desired.
    pub state: State,
    /// The first of the blockers; null only when in sync.
    pub reason: Option<Reason>,
    /// Everything that stands in the way, `reason` first.
    pub blockers: Vec<Reason>,
    /// Who or what ends the strongest of them; null when nothing stands in the way.
    pub wants: Option<Wants>,
    /// What is asked of a human; null when it wants none.
    #[serde(default)]
    pub need: Option<Need>,
    /// What `reason` means and what to do, in plain words; null when in sync.
    pub say: Option<String>,
    /// When `reason` last changed; without one, when `state` did.
    pub since: Timestamp,
    /// Since when it is not as the file wants it, whatever has happened to this process; null when it is.
    pub out_of_sync_since: Option<Timestamp>,
    /// Open positions and orders, as far as they were read.
    pub detail: Detail,
    /// When the next look is due.
    pub next_look_at: Timestamp,
    /// What the file wants done about drift.
    pub drift: DriftPolicy,
    /// The host whose daemon says all this, if that is another one than the one that was asked.
    #[serde(default)]
    pub host: Option<String>,
    /// Counts of what happened to it since the start of this process.
    #[serde(skip)]
    pub counts: Counts,
    /// What it waited for before its last looks failed, or a set was tried.
    #[serde(skip)]
    pub interrupted: Option<Waited>,
    /// What `say` is made from, to say it anew as time passes; `None` for what is only read.
    #[serde(skip)]
    pub basis: Option<Arc<Basis>>,
}

/// A host that has a daemon with this ledger, or had one within the last month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// The version of its daemon.
    pub version: String,
    /// Whether its daemon lives, as far as its signs of life tell.
    pub lives: bool,
    /// Whether its daemon has ended by itself.
    pub ended: bool,
    /// Since when nobody knows here whether it lives, as no sign of life gets into the ledger or none can be read there; null
    /// where that is known.
    #[serde(default)]
    pub unknown_since: Option<Timestamp>,
    /// When it was last seen, or ended.
    pub seen_at: Timestamp,
    /// When its daemon was started.
    pub started_at: Timestamp,
    /// The revision that it has in force; null before it has told.
    pub generation: Option<Generation>,
    /// The git commit of that, if known.
    pub commit: Option<String>,
}

/// All hosts, and how the targets of others stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peers {
    /// By name, this one too; none where the ledger has one daemon at most.
    pub hosts: Vec<HostStatus>,
    /// As their hosts last showed them: [`TargetStatus::host`].
    pub targets: Vec<TargetStatus>,
    /// When all this was read.
    pub read_at: Timestamp,
}

/// A wait: for what, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    state: State,
    reason: Option<Reason>,
    since: Timestamp,
}

/// What the sentence of a target is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    account: AccountFacts,
    brakes: Brakes,
    target: TargetFacts,
}

/// The mode that was last live as the file wanted it, or that a set of ours made live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedStatus {
    /// The mode that was live and desired.
    pub mode: PositionMode,
    /// How it came to be live.
    pub how: How,
    /// When it was recorded, by the exchange's clock.
    pub at: Timestamp,
    /// The revision that wanted it.
    pub generation: Generation,
}

/// The mode at the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStatus {
    /// The mode that the exchange reported.
    pub mode: PositionMode,
    /// When it was asked: what it says is no younger than that.
    pub at: Timestamp,
}

/// Row counts at the exchange, null where not read, and the first of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// Open positions.
    pub positions: Option<u32>,
    /// Open orders.
    pub orders: Option<u32>,
    /// Open plan orders.
    pub plan_orders: Option<u32>,
    /// Whether every list was read in the last look, so that the counts are all that is open; else they are the least.
    #[serde(default)]
    pub complete: bool,
    /// The first of what is counted, positions first; what the exchange did not name is null.
    #[serde(default)]
    pub open: Vec<OpenRow>,
}

/// What happened to a target since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sets that were confirmed by a read.
    pub confirmed: u64,
    /// Sets that took effect after they had been given up.
    pub late: u64,
    /// Sets that were definitely refused.
    pub refused: u64,
    /// Sets whose outcome was unknown.
    pub unknown: u64,
    /// Sets that were noted but not sent.
    pub withdrawn: u64,
    /// Times that live was found changed by somebody else.
    pub drift: u64,
}

/// What one keeper publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// The revision that its targets were last compared with.
    pub generation: Generation,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
    /// When the keeper publishes again at the latest.
    pub due: Moment,
    /// Whether every target was looked at, or its look failed, at least once.
    pub looked: bool,
    /// How many of the operators' requests for a look its targets were looked at after.
    pub refreshes: u64,
    /// The offset to add to our time to get the exchange's, in milliseconds.
    pub clock_offset: Option<i64>,
    /// What an operator should know about it that holds up no target.
    pub warnings: Vec<String>,
    /// What else the settings of a unified account say.
    pub settings: Option<AccountSettings>,
}

/// Where keepers publish and readers read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Board {
    cells: Arc<RwLock<BTreeMap<AccountName, watch::Receiver<AccountStatus>>>>,
    frame: Arc<RwLock<Frame>>,
    /// The newest revision that every keeper was seen to follow.
    followed: Arc<RwLock<Config>>,
    /// How the targets of other hosts stand.
    peers: Arc<RwLock<Arc<Peers>>>,
    news: Arc<News>,
}

/// How often what is shown has changed, so that nobody has to compare all of it.
#[derive(Debug, Default)]
struct News {
    /// Anything at all.
    shown: AtomicU64,
    /// What the fleet goes by: see [`Board::turns`].
    turns: AtomicU64,
}

/// Where one keeper publishes; used like the channel that is in it.
#[derive(Debug)]
pub struct Publisher {
    cell: watch::Sender<AccountStatus>,
    news: Arc<News>,
}

impl Publisher {
    /// Changes what is published.
    pub fn send_modify(&self, change: impl FnOnce(&mut AccountStatus)) {
        self.send_if_modified(|cell| {
            change(cell);
            true
        });
    }

    /// The same; `change` tells whether readers are to know.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut AccountStatus) -> bool) {
        self.cell.send_if_modified(|cell| {
            let before = Turns::of(cell);
            let shown = change(cell);
            if shown {
                self.news.shown.fetch_add(1, Ordering::Relaxed);
                if Turns::of(cell) != before {
                    self.news.turns.fetch_add(1, Ordering::Relaxed);
                }
            }
            shown
        });
    }
}

/// What the fleet goes by in what a keeper publishes.
#[derive(PartialEq, Eq)]
struct Turns {
    generation: Generation,
    looked: bool,
    held: Vec<PlanEntry>,
}

impl Turns {
    fn of(status: &AccountStatus) -> Turns {
        let AccountStatus {
            generation,
            targets,
            looked,
            due: _,
            refreshes: _,
            clock_offset: _,
            warnings: _,
            settings: _,
        } = status;
        let held = targets.iter().filter_map(TargetStatus::held_entry).collect();
        Turns { generation: *generation, looked: *looked, held }
    }
}

/// What is known apart from the targets.
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
    /// Adds an account; its keeper publishes through what is returned.
    pub fn add(&self, account: AccountName, first: AccountStatus) -> Publisher {
        let (publish, cell) = watch::channel(first);
        self.cells.write().insert(account, cell);
        self.came_or_went();
        Publisher { cell: publish, news: self.news.clone() }
    }

    /// Removes an account that has left the file.
    pub fn remove(&self, account: &AccountName) {
        self.cells.write().remove(account);
        self.came_or_went();
    }

    fn came_or_went(&self) {
        self.news.shown.fetch_add(1, Ordering::Relaxed);
        self.news.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that grows with every change of what is shown.
    pub fn changes(&self) -> u64 {
        self.news.shown.load(Ordering::Relaxed)
    }

    /// A number that grows when an account comes or goes, follows another revision, was looked at for the first time,
    /// or asks for other approvals.
    pub fn turns(&self) -> u64 {
        self.news.turns.load(Ordering::Relaxed)
    }

    /// Shows what each keeper published last, without a copy of it.
    pub fn see(&self, mut see: impl FnMut(&AccountName, &AccountStatus)) {
        for (account, cell) in self.cells.read().iter() {
            see(account, &cell.borrow());
        }
    }

    /// What one keeper published last.
    pub fn account(&self, account: &AccountName) -> Option<AccountStatus> {
        self.cells.read().get(account).map(|cell| cell.borrow().clone())
    }

    /// The last status that each keeper published.
    pub fn accounts(&self) -> BTreeMap<AccountName, AccountStatus> {
        let cells = self.cells.read();
        cells.iter().map(|(account, cell)| (account.clone(), cell.borrow().clone())).collect()
    }

    /// Changes what is known apart from the targets.
    pub fn frame(&self, change: impl FnOnce(&mut Frame)) {
        let mut frame = self.frame.write();
        change(&mut frame);
        self.news.shown.fetch_add(1, Ordering::Relaxed);
        if self.is_followed(&frame.config) {
            self.followed.write().clone_from(&frame.config);
        }
    }

    /// Changes how the targets of other hosts stand.
    pub fn show_peers(&self, peers: Peers) {
        let mut shown = self.peers.write();
        let is_news = shown.hosts != peers.hosts || shown.targets != peers.targets;
        *shown = Arc::new(peers);
        if is_news {
            self.news.shown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How the targets of other hosts stand.
    pub fn peers(&self) -> Arc<Peers> {
        Arc::clone(&self.peers.read())
    }

    /// Whether the targets that every account shows were compared with this revision or a newer one.
    fn is_followed(&self, config: &Config) -> bool {
        self.cells.read().values().all(|cell| cell.borrow().generation >= config.generation)
    }

    /// The whole status at `now`. A new revision is shown as the one in force once every account was compared with it:
    /// before that, "in sync" refers to an older one.
    pub fn status(&self, now: Timestamp) -> Status {
        let Frame { paused, paused_accounts, config, held } = self.frame.read().clone();
        let followed = self.followed.read().clone();
        let config = if self.is_followed(&config) || followed == Config::default() {
            config
        } else {
            Config {
                problem: config.problem,
                behind: config.behind,
                next: Some(config.generation),
                ..followed
            }
        };
        let behind = config.behind.iter().map(|behind| Warning { account: None, say: behind.say() });
        let mut warnings: Vec<Warning> = behind.collect();
        let (mut targets, mut account_settings) = (Vec::new(), BTreeMap::new());
        for (account, status) in self.accounts() {
            targets.extend(status.targets);
            account_settings.extend(status.settings.map(|settings| (account.clone(), settings)));
            let warning = |say| Warning { account: Some(account.clone()), say };
            warnings.extend(status.warnings.into_iter().map(warning));
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Status {
            schema: SCHEMA,
            version,
            host: None,
            now: seconds(now),
            paused,
            paused_accounts,
            config,
            held,
            targets,
            warnings,
            account_settings,
            http: None,
            stretch: Stretch::default(),
            source: None,
            hosts: Vec::new(),
        }
    }
}

/// What is known of a target at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The account and scope.
    pub target: &'a Target,
    /// All that is known of it.
    pub facts: &'a Facts<'a>,
    /// What the protocol concludes from the facts.
    pub standing: &'a Standing,
    /// The moment at which the facts hold.
    pub now: Moment,
    /// When the next look is due.
    pub next_look: Moment,
    /// Since when it is not as the file wants it, as far as that is known.
    pub out_of_sync_since: Option<Timestamp>,
    /// The status published last, if any.
    pub before: Option<&'a TargetStatus>,
    /// Counts of what happened to it since the start of the process.
    pub counts: Counts,
    /// What was open when its lists were last read.
    pub open: &'a [OpenRow],
}

impl TargetStatus {
    /// Converts what is known of a target to what operators see; `timestamp` converts a moment to wall time.
    pub fn new(of: &Known<'_>, timestamp: impl Fn(Moment) -> Timestamp) -> TargetStatus {
        let Known { target, facts, standing, now, next_look, out_of_sync_since, before, counts, open } = *of;
        let known = facts.target;
        let Standing { state, change: _, forbidden: _, blockers, wants, need } = *standing;
        let reason = blockers.first();
        let at = |moment| seconds(timestamp(moment));
        // A look that failed, or a try, goes between two parts of one wait.
        let passing = facts.account.failing.is_some()
            || known.failing.is_some()
            || matches!(reason, Some(Reason::Acting | Reason::Verifying));
        let (since, interrupted) = since(before, (state, reason, known.wanted.mode), passing, at(now));
        TargetStatus {
            account: target.account.clone(),
            scope: target.scope,
            desired: known.wanted.mode,
            applied: known.applied.map(AppliedStatus::from),
            live: known
                .seen
                .map(|seen| LiveStatus { mode: seen.mode, at: at(seen.as_of(facts.account.clock)) }),
            state,
            reason,
            blockers: blockers.iter().collect(),
            wants,
            need,
            say: reason.map(|reason| protocol::say(reason, facts, target, now)),
            since,
            out_of_sync_since: out_of_sync_since.map(seconds),
            detail: Detail::of(known, open),
            next_look_at: at(next_look),
            drift: known.wanted.policy.drift,
            host: None,
            counts,
            interrupted,
            basis: reason.map(|_| Arc::new(Basis::of(facts))),
        }
    }
}

impl Basis {
    fn of(facts: &Facts<'_>) -> Basis {
        let Facts { account, brakes, target } = *facts;
        Basis { account: account.clone(), brakes: brakes.clone(), target: target.clone() }
    }

    fn facts(&self) -> Facts<'_> {
        let Basis { account, brakes, target } = self;
        Facts { account, brakes, target }
    }
}

/// Since when it waits so, and the wait that was interrupted. It began when its reason first applied, even if the state has
/// changed since; what is only `passing` in between does not begin it anew, another wish does.
fn since(
    before: Option<&TargetStatus>,
    (state, reason, desired): (State, Option<Reason>, Option<PositionMode>),
    passing: bool,
    now: Timestamp,
) -> (Timestamp, Option<Waited>) {
    let is_same = |wait: &Waited| wait.reason == reason && (reason.is_some() || wait.state == state);
    let Some(before) = before else { return (now, None) };
    let last = Waited { state: before.state, reason: before.reason, since: before.since };
    let interrupted = before.interrupted.filter(|_| before.desired == desired);
    if is_same(&last) {
        return (last.since, interrupted);
    }
    match interrupted {
        Some(wait) if is_same(&wait) => (wait.since, None),
        Some(wait) if passing => (now, Some(wait)),
        None if passing && before.desired == desired => (now, Some(last)),
        Some(_) | None => (now, None),
    }
}

impl TargetStatus {
    /// The change that can be approved: one that is held, or one that is only reported.
    pub fn held_entry(&self) -> Option<PlanEntry> {
        let cause = self.state.cause()?;
        let waits = |reason| self.blockers.contains(&reason);
        let approvable = waits(Reason::Held) || waits(Reason::Reported);
        let change = Change { from: self.live.as_ref()?.mode, to: self.desired?, cause };
        let target = Target { account: self.account.clone(), scope: self.scope };
        approvable.then(|| PlanEntry::new(&target, change))
    }

    /// Since when it waits: since it is out of sync; where it is not, since it has its reason.
    pub fn waits_since(&self) -> Timestamp {
        self.out_of_sync_since.unwrap_or(self.since)
    }

    /// Whether this process has not looked at it yet, which is no reason of its own.
    pub fn is_not_looked_at_yet(&self) -> bool {
        self.state == State::Unknown && self.reason.is_none()
    }

    /// Whether the file gives it to another host, so that this one asks nothing about it; not so if it is known that nobody does.
    pub fn is_elsewhere(&self) -> bool {
        self.reason == Some(Reason::Elsewhere) && self.wants != Some(Wants::Human)
    }

    /// The other host that the file gives it to.
    fn given_to(&self) -> Option<&Elsewhere> {
        self.basis.as_ref()?.account.elsewhere.as_ref()
    }

    /// The same with its sentence as of `now`: how long it has waited and when it is tried again goes on while its keeper rests.
    #[must_use]
    pub fn said_at(self, now: Moment) -> TargetStatus {
        let (Some(reason), Some(basis)) = (self.reason, &self.basis) else { return self };
        let target = Target { account: self.account.clone(), scope: self.scope };
        let say = Some(protocol::say(reason, &basis.facts(), &target, now));
        TargetStatus { say, ..self }
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
            wants: Some(Wants::Human),
            need: Some(Need::Now),
            say: Some(protocol::CRASHED.to_owned()),
            basis: None,
            since,
            out_of_sync_since: self.out_of_sync_since.or(Some(since)),
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
    /// The newest counts and rows; those that may have changed since are left out.
    fn of(facts: &TargetFacts, open: &[OpenRow]) -> Detail {
        let newest = facts.flatness.newest();
        let Flatness { plan_orders, orders, positions, .. } = newest;
        let count = |reading: Option<Reading>| reading.map(|reading| reading.count);
        let is_counted = |row: &&OpenRow| {
            let reading = match row.kind {
                List::Positions => positions,
                List::Orders => orders,
                List::PlanOrders => plan_orders,
            };
            reading.is_some_and(|reading| reading.count > 0)
        };
        let open = open.iter().filter(is_counted).take(OpenRow::SHOWN).cloned().collect();
        Detail {
            positions: count(positions),
            orders: count(orders),
            plan_orders: count(plan_orders),
            complete: newest.is_complete(),
            open,
        }
    }

    /// `open: BTCUSDT long position, ETHUSDT buy order and 3 more`, or `open: at least BTCUSDT long position (orders and plan orders
    /// not read)`; `None` while nothing is known to be.
    pub fn say_open(&self) -> Option<String> {
        let Detail { positions, orders, plan_orders, complete, open } = self;
        let counted: u32 = [positions, orders, plan_orders].into_iter().flatten().sum();
        let rows: Vec<String> = open.iter().map(OpenRow::say).collect();
        let more = match usize::try_from(counted).unwrap_or(usize::MAX).saturating_sub(rows.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let lists = [(positions, List::Positions), (orders, List::Orders), (plan_orders, List::PlanOrders)];
        let unread: Vec<&str> =
            lists.iter().filter(|(count, _)| count.is_none()).map(|(_, list)| list.of_many()).collect();
        let least = if *complete { "" } else { "at least " };
        let unread =
            if unread.is_empty() { String::new() } else { format!(" ({} not read)", unread.join(" and ")) };
        (!rows.is_empty()).then(|| format!("open: {least}{}{more}{unread}", rows.join(", ")))
    }
}

impl Config {
    /// Whether the newest content of the file is in force for every account.
    pub fn is_newest(&self) -> bool {
        self.problem.is_none() && self.next.is_none()
    }
}

impl Status {
    /// Whether every target except those of other hosts is as the newest content of the file wants it.
    pub fn is_all_in_sync(&self) -> bool {
        let here = self.targets.iter().filter(|target| !target.is_elsewhere());
        // With no target known, nothing is in sync.
        let any = !self.targets.is_empty();
        self.config.is_newest() && any && here.into_iter().all(|target| target.state == State::InSync)
    }

    /// Whether a program that needs its targets in their modes may start: every target is as the newest content of the file
    /// wants it. One of another host is not, as far as this daemon can tell.
    pub fn is_confirmed(&self) -> bool {
        self.config.is_newest()
            && !self.targets.is_empty()
            && self.targets.iter().all(|target| target.state == State::InSync && !target.is_elsewhere())
    }

    /// The same of one account alone.
    #[must_use]
    pub fn of_account(mut self, account: &AccountName) -> Status {
        self.targets.retain(|target| target.account == *account);
        self.warnings.retain(|warning| warning.account.as_ref() == Some(account));
        self.paused_accounts.retain(|paused, _| paused == account);
        self.account_settings.retain(|of, _| of == account);
        self
    }
}

/// The first seven digits of a git commit.
pub fn short(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// Truncates to whole seconds: fractions tell an operator nothing.
pub fn seconds(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc)).unwrap_or(at)
}
