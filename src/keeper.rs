//! The task of one account: it does the step that the protocol wants and stores the facts that result.
//!
//! The protocol decides every request and every record; the keeper decides when to stop and when to read its key again.
//! Looks and rests may be dropped at any moment; a set under way runs from its note to its record even if a stop is
//! requested meanwhile.

mod act;
mod inputs;
mod key;
mod look;
#[cfg(test)]
mod model;
mod show;
mod sync;
mod synced;
mod unknown;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use synced::Synced;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use unknown::Unknown;

pub use look::look;
pub use show::unseen;

use crate::clock::Clock;
use crate::constants::{HUMAN_LOOK, LEDGER_RETRY, LONGEST_LOOK};
use crate::desired::Account;
use crate::exchange::credential::Fingerprint;
use crate::exchange::{Apply, CoolDown, Observe as _};
use crate::facts::{
    AccountFacts, Brakes, Class, Elsewhere, Facts, Failure, Generation, HostReading, IntentId, IntentState,
    LedgerTrouble, Policy, Requirements, TargetFacts, Wanted,
};
use crate::ledger::{Directives, Ledger, LedgerError, Noted};
use crate::moment::Moment;
use crate::position_mode::{AccountName, KeyId, Kind, PositionMode, Scope, Uid};
use crate::protocol::{self, Learned, Look, Plan, Reason, Rest, Standing, State, Step, Withdrawn, learn};
use crate::schedule::Purpose;
use crate::status::{Counts, Publisher, TargetStatus};

/// What keepers and the fleet use besides the ledger: exchange clients, key files, cool-downs and the host.
pub trait Environment: Send + Sync + 'static {
    /// The exchange client of one account.
    type Exchange: Apply;

    /// Reads the credential again and makes a client with it; the error is one sentence that says what to do.
    fn connect(&self, account: &AccountName, demo: bool) -> Result<Self::Exchange, String>;

    /// Whether the key files are copies from the start of this process, so that another key comes with another start alone.
    fn keys_are_copies(&self) -> bool;

    /// Reads the key files of these accounts, so that two files with the same key are found before any request.
    fn survey(&self, accounts: &BTreeSet<AccountName>);

    /// The message for the operator if another account's file holds the same key.
    fn shared_key(&self, account: &AccountName) -> Option<String>;

    /// Claims the key for this process and returns since when it has it, unless another process on this host has it: then one
    /// sentence that says so.
    fn claim(&self, key: &KeyId) -> Result<Moment, String>;

    /// Gives the claim of the key up: another process on this host may have it.
    fn let_go(&self, key: &KeyId);

    /// The lanes that rest now because the exchange answered 429.
    fn cool_downs(&self) -> Vec<CoolDown>;

    /// Continues the cool-down of a limit that an earlier process received.
    fn restore(&self, limit: &str, until: Moment);

    /// What this host is called, now.
    fn host_name(&self) -> String;

    /// Checks the host: the requirements that are unmet or cannot be checked, each in a few words.
    fn unmet(&self, require: &Requirements) -> impl Future<Output = Vec<String>> + Send;
}

/// What the fleet gives a keeper: its account's part of the file and what holds for all accounts; always the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpec {
    /// The revision in force.
    pub generation: Generation,
    /// This account in that revision.
    pub account: Arc<Account>,
    /// The host that the file assigns the account to, if that is not this one, as the fleet last saw; a keeper sees for
    /// itself before each step.
    pub elsewhere: Option<Elsewhere>,
    /// Why nothing is asked of the exchange, if the ledger's database was not reached for long.
    pub ledger_away: Option<String>,
    /// How many sets may leave in an hour, over all accounts.
    pub max_changes: u32,
    /// Why the newest content of the file is not in force; `None` if it is.
    pub file: Option<String>,
    /// The held plan as recorded in the ledger.
    pub held: Arc<Plan>,
    /// Number of reloads and kicks so far: when it changes, every target is looked at again.
    pub looks: u64,
    /// Number of reloads so far: when it changes, the credential is read again.
    pub reloads: u64,
    /// How often operators have asked for a look at this account: when it changes, its targets are looked at before their time.
    pub refreshes: u64,
}

impl AccountSpec {
    /// Whether it asks for something else of the account, or for looks now; not so if only other accounts differ.
    fn wants_other_than(&self, before: &AccountSpec) -> bool {
        let AccountSpec {
            generation: _,
            account,
            elsewhere,
            ledger_away,
            max_changes: _,
            file,
            held: _,
            looks,
            reloads,
            refreshes,
        } = self;
        *account != before.account
            || *elsewhere != before.elsewhere
            || *ledger_away != before.ledger_away
            || *file != before.file
            || *looks != before.looks
            || *reloads != before.reloads
            || *refreshes != before.refreshes
    }
}

/// The task that looks after one account.
pub struct Keeper<D: Environment> {
    /// The account; never changes.
    account: AccountName,
    /// Makes `exchange`, compares key files and checks the host; shared by all keepers.
    environment: Arc<D>,
    /// The client with the key last read; `None` if that read failed or the account is another host's.
    exchange: Option<D::Exchange>,
    /// What the credential was last read for; `None` before the first read. Does not change while a set is noted.
    opened: Option<Occasion>,
    /// Identifies the last usable key, so that a new one is noticed. A failed read does not clear it.
    key: Option<Fingerprint>,
    /// Names that key in the ledger.
    key_id: Option<KeyId>,
    /// The UID that the ledger was last asked to pin for the key in use. A new key, a new occasion to read the key, and
    /// a look at the account clear it, so that the ledger is asked again.
    pinned: Option<Uid>,
    /// The warnings about the key at the last look at the account, all logged; the next look logs only new ones.
    warnings: Vec<String>,
    /// What is to be said of the host that the file names, if it is this one by its first label only.
    host_warning: Option<String>,
    /// Where notes, records and events are written.
    ledger: Ledger,
    /// The source of every moment, jitter and sleep.
    clock: Clock,
    /// From the fleet; a change ends a rest.
    specs: watch::Receiver<Arc<AccountSpec>>,
    /// The spec last taken from `specs`; replaced in `sync_inputs` only.
    spec: Arc<AccountSpec>,
    /// From the ledger: pauses, approvals, budget, pins and kinds; a change ends a rest.
    directives: watch::Receiver<Arc<Directives>>,
    /// Where the status goes, to the board.
    publish: Publisher,
    /// Once cancelled nothing new is begun, and the keeper ends when no set is under way.
    stop: CancellationToken,
    /// How long after it has claimed a key this process sends no set with it; never changes.
    quiet: Duration,
    /// What is known of the account, for all of its targets.
    facts: AccountFacts,
    /// The last failure of the ledger: a brake on every target. `sync_inputs` clears it once `retry_at` has passed.
    ledger_trouble: Option<LedgerTrouble>,
    /// When `connect` last ran; at first `Moment(0)`. While another key is needed, it runs again `HUMAN_LOOK` later.
    connect_tried: Moment,
    /// The revision and the moment of the last published status; at first those of the start.
    shown: (Generation, Moment),
    /// The end of the last suspend of the machine from before which nothing is believed any more.
    woken: Moment,
    /// The moment for which every `standing` was last computed.
    stood: Moment,
    /// The kind last observed, by an earlier process too (from the ledger). `None` only until one is known.
    kind: Option<Kind>,
    /// The targets that the file wants, and any other for which a set is still under way. A node of the map has room for eleven, and
    /// most accounts have one: each is in a place of its own.
    targets: BTreeMap<Scope, Box<TargetSlot>>,
    /// The scopes that the ledger kept at the last release of all others; `None` before the first. When the wanted
    /// scopes differ, the others are released again.
    released_all_but: Option<BTreeSet<Scope>>,
    /// The noted set that has not left, with its permit: `Some` from its note until it is sent or withdrawn. At most
    /// one per account.
    noted: Option<(Noted, <D::Exchange as Apply>::Permit)>,
}

/// The inputs for which the credential was last read: when one of them changes, it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Occasion {
    reloads: u64,
    demo: bool,
    elsewhere: Option<Elsewhere>,
    unassigned: bool,
}

/// The state of one target in its keeper.
struct TargetSlot {
    /// What is known of the target.
    facts: TargetFacts,
    /// The reasons outside of the account that forbid sets; computed anew in every `sync_inputs`.
    brakes: Brakes,
    /// Where it stands at the keeper's `stood`; computed anew in every turn, and just before a set leaves.
    standing: Standing,
    /// How often its mode is read, as the exchange's client was last told; a new client is told anew.
    watched: Option<Duration>,
    /// Whether something is looked at beside its mode.
    waits: bool,
    /// Whether an operator asked for its next look.
    is_asked_for: bool,
    /// Whether turns are kept for a change of it that has begun.
    has_begun: bool,
    /// What happened to it since this slot was made; only grows.
    counts: Counts,
    /// Since when it is not in sync, and whether the drift that it is in has its event.
    sync: Synced,
    /// Since when its state is unknown, if it is.
    unknown: Unknown,
    /// The intent last seen here, and since when it is watched; kept while that intent is unresolved.
    known_intent: Option<(IntentId, Moment)>,
    /// The desired mode and the number of resumes when it was last registered in the ledger; if they differ, it is
    /// registered again, but not while a set is under way. `None` before the first time, which also reads its applied
    /// mode, intent and late set.
    taken_up: Option<(Option<PositionMode>, u64)>,
    /// The status last published, for comparison with the next; `None` before the first.
    shown: Option<TargetStatus>,
    /// What the newest line of the log is of.
    logged: Option<(State, Option<Reason>)>,
}

impl TargetSlot {
    /// All facts about the target; `account` holds those about the account.
    fn facts<'a>(&'a self, account: &'a AccountFacts) -> Facts<'a> {
        Facts { account, brakes: &self.brakes, target: &self.facts }
    }
}

/// What a keeper needs to start.
pub struct KeeperDeps<D: Environment> {
    /// The account that it looks after.
    pub account: AccountName,
    /// Makes its exchange client.
    pub environment: Arc<D>,
    /// Where it writes notes, records and events.
    pub ledger: Ledger,
    /// The time.
    pub clock: Clock,
    /// What it is to do; the fleet sends the newest.
    pub specs: watch::Receiver<Arc<AccountSpec>>,
    /// Where it publishes its status.
    pub publish: Publisher,
    /// How long after it has claimed a key this process sends no set with it.
    pub quiet: Duration,
    /// Ends it when cancelled: nothing more is sent, a set under way is brought to its end.
    pub stop: CancellationToken,
}

impl<D: Environment> Keeper<D> {
    /// A keeper without any facts yet.
    pub fn new(deps: KeeperDeps<D>) -> Keeper<D> {
        let KeeperDeps { account, environment, ledger, clock, mut specs, publish, quiet, stop } = deps;
        let spec = specs.borrow_and_update().clone();
        let directives = ledger.directives();
        let shown = (spec.generation, clock.now());
        let woken = clock.woken();
        let facts = AccountFacts { jitter: clock.jitter(), ..AccountFacts::default() };
        Keeper {
            account,
            environment,
            exchange: None,
            opened: None,
            key: None,
            key_id: None,
            pinned: None,
            warnings: Vec::new(),
            host_warning: None,
            ledger,
            clock,
            specs,
            spec,
            directives,
            publish,
            stop,
            quiet,
            facts,
            ledger_trouble: None,
            connect_tried: Moment(0),
            stood: shown.1,
            woken,
            shown,
            kind: None,
            targets: BTreeMap::new(),
            released_all_but: None,
            noted: None,
        }
    }

    /// Looks after the account until `stop` is cancelled and no set is under way.
    pub async fn keep(mut self) {
        while !self.may_end() {
            self.sync_inputs().await;
            // Reading the inputs may have waited for the disk.
            if self.may_end() {
                break;
            }
            self.stand();
            self.follow_sync().await;
            self.show_what_is_new();
            match self.next_step() {
                Some((scope, step)) => self.do_step(scope, step).await,
                None => self.rest(self.clock.now() + LEDGER_RETRY).await,
            }
        }
    }

    async fn do_step(&mut self, scope: Scope, step: Step) {
        match step {
            Step::Look(look) => self.look(scope, look).await,
            Step::LookAtHost => self.look_at_host(scope).await,
            Step::Note(change) => self.note(scope, change).await,
            Step::Send if self.stop.is_cancelled() => self.withdraw(scope, Withdrawn::Stopping).await,
            Step::Send => self.send(scope).await,
            Step::Withdraw(why) => self.withdraw(scope, why).await,
            Step::Record(record) => self.record(scope, record).await,
            Step::Rest(Rest { until, ends_with: _ }) => {
                self.show(until);
                self.rest(until).await;
            }
        }
    }

    /// Computes where each target stands now: the next step and the published status use it. A change that goes no further
    /// now gives its turns back.
    fn stand(&mut self) {
        let now = self.clock.now();
        if let Some(exchange) = &self.exchange {
            self.facts.stretch = exchange.stretch();
        }
        for (scope, slot) in &mut self.targets {
            slot.standing = Standing::of(&slot.facts(&self.facts), now);
            let waits = slot.facts.flatness.open().is_some() || slot.facts.flatness.flat_span.is_some();
            if let Some(exchange) = self.exchange.as_ref().filter(|_| slot.waits && !waits) {
                exchange.waits_no_more(*scope);
            }
            slot.waits = waits;
            if !slot.has_begun {
                continue;
            }
            let facts = slot.facts(&self.facts);
            let goes_on = match protocol::next(&facts, &slot.standing, now) {
                // Between confirming reads.
                Step::Rest(_) => is_under_way(&slot.facts),
                Step::Note(_) | Step::LookAtHost => true,
                Step::Look(_) | Step::Send | Step::Withdraw(_) | Step::Record(_) => {
                    slot.facts.is_part_way(now)
                }
            };
            if let Some(exchange) = self.exchange.as_ref().filter(|_| !goes_on) {
                slot.has_begun = false;
                exchange.ended(*scope);
            }
        }
        self.stood = now;
    }

    /// The most urgent step of all targets; where all rest, the rest that ends first. Once a stop is requested, only
    /// targets with a set under way count: a note wanted by another one would rank before the looks that end that set.
    fn next_step(&self) -> Option<(Scope, Step)> {
        let (now, stopping) = (self.stood, self.stop.is_cancelled());
        let slots = self.targets.iter().filter(|(_, slot)| !stopping || is_under_way(&slot.facts));
        let steps = slots.map(|(scope, slot)| {
            let facts = slot.facts(&self.facts);
            let step = protocol::next(&facts, &slot.standing, now);
            (protocol::rank(&step, &facts, &slot.standing, now), *scope, step)
        });
        steps.min_by_key(|(rank, _, _)| *rank).map(|(_, scope, step)| (scope, step))
    }

    async fn look(&mut self, scope: Scope, what: Look) {
        if self.exchange.is_none() {
            // The protocol wants no look without a key; if it ever did, this must not become a busy loop.
            return self.rest(self.clock.now() + LEDGER_RETRY).await;
        }
        let Some(slot) = self.targets.get(&scope) else { return };
        let purpose = self.purpose(scope, slot, what);
        let begins = match purpose {
            Purpose::Begun { .. } => true,
            Purpose::Begin { cost, .. } => cost > 0,
            Purpose::ForAll | Purpose::New | Purpose::Mode(_) | Purpose::Wait(_) => false,
        };
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.has_begun |= begins;
        }
        let Some(learned) = self.look_unless_dropped(scope, what, purpose).await else { return };
        let refused_key = matches!(&learned, Learned::Failed(_, failure) if is_about_the_key(failure));
        let (now, jitter) = (self.clock.now(), self.clock.jitter());
        if let Some(slot) = self.targets.get_mut(&scope) {
            slot.is_asked_for &= what != Look::Mode && !matches!(learned, Learned::Failed(..));
            learn(&mut self.facts, &mut slot.facts, learned, now, jitter);
        }
        match what {
            Look::Account => {
                self.pinned = None;
                self.check_identity().await;
                self.observe().await;
                self.warn();
            }
            Look::Mode => self.notice_drift(scope).await,
            Look::Kind => self.observe().await,
            Look::Clock | Look::List(_) | Look::Open(_) => {}
        }
        if refused_key {
            self.connect();
        }
    }

    /// Checks what the file requires of the host.
    async fn look_at_host(&mut self, scope: Scope) {
        let Some(slot) = self.targets.get(&scope) else { return };
        let Wanted { generation, policy: Policy { require, .. }, .. } = slot.facts.wanted.clone();
        let asked = self.clock.now();
        self.promise(asked + LONGEST_LOOK);
        let under_way = self.has_set_under_way();
        let unmet = tokio::select! {
            biased;
            unmet = self.environment.unmet(&require) => unmet,
            () = self.stop.cancelled(), if !under_way => return,
        };
        self.facts.host = Some(HostReading { generation, asked, unmet });
    }

    /// Sleeps until a moment, a new spec, new directives or a stop.
    async fn rest(&mut self, until: Moment) {
        let stopping = self.stop.is_cancelled();
        let retry = self.waits_for_a_key().then(|| self.connect_tried + HUMAN_LOOK);
        let until = retry.map_or(until, |retry| until.min(retry));
        self.promise(until);
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !stopping => {}
            Ok(()) = self.specs.changed() => {}
            Ok(()) = self.directives.changed() => {}
            () = self.clock.sleep_until(until) => {}
        }
    }

    fn ledger_failed(&mut self, error: &LedgerError) {
        let retry_at = self.clock.now() + LEDGER_RETRY;
        if self.ledger_trouble.is_none() {
            tracing::warn!(account = %self.account, "{}: {error}", self.account);
        }
        self.ledger_trouble = Some(LedgerTrouble { say: error.to_string(), retry_at });
    }

    fn may_end(&self) -> bool {
        self.stop.is_cancelled() && !self.has_set_under_way()
    }

    fn has_set_under_way(&self) -> bool {
        self.targets.values().any(|slot| is_under_way(&slot.facts))
    }
}

impl TargetSlot {
    fn new(facts: TargetFacts) -> TargetSlot {
        TargetSlot {
            facts,
            brakes: Brakes::default(),
            standing: Standing::default(),
            watched: None,
            waits: false,
            is_asked_for: false,
            has_begun: false,
            counts: Counts::default(),
            sync: Synced::default(),
            unknown: Unknown::default(),
            known_intent: None,
            taken_up: None,
            shown: None,
            logged: None,
        }
    }
}

/// Whether another key may well get another answer.
fn is_about_the_key(failure: &Failure) -> bool {
    matches!(failure.class, Class::Credential | Class::Denied)
}

/// Whether a set is between its note and its record; one with an unknown outcome may be left to its fence.
fn is_under_way(facts: &TargetFacts) -> bool {
    facts.intent.as_ref().is_some_and(|intent| match intent.state {
        IntentState::Noted { .. }
        | IntentState::Accepted { .. }
        | IntentState::Refused(_)
        | IntentState::NotSent(_) => true,
        IntentState::Unclear(_) => false,
    })
}
