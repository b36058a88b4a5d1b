//! One account: do the step that the protocol wants, and keep the facts.
//!
//! Decides nothing itself. Looks and rests may be dropped at any moment; from a note to its record it goes on to the
//! end, whoever asks it to stop.

mod act;
mod inputs;
mod key;
mod look;
#[cfg(test)]
mod model;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use look::look;
pub use show::unseen;

use crate::clock::Clock;
use crate::constants::{HUMAN_LOOK, LEDGER_RETRY, LONGEST_LOOK};
use crate::desired::Account;
use crate::exchange::credential::Fingerprint;
use crate::exchange::{Apply, CoolDown, Urgency};
use crate::facts::{
    AccountFacts, Brakes, Class, Facts, Failure, Generation, HostReading, IntentState, LedgerTrouble,
    Requirements, TargetFacts, Wanted,
};
use crate::ledger::{Directives, Ledger, LedgerError, Noted};
use crate::moment::Moment;
use crate::position_mode::{AccountName, Kind, PositionMode, Scope, Uid};
use crate::protocol::{self, Learned, Look, Plan, Rest, Standing, Step, Withdrawn, learn};
use crate::status::{AccountStatus, Counts, TargetStatus};

/// Makes the exchange of an account from its credential.
pub trait Environment: Send + Sync + 'static {
    /// What it makes.
    type Exchange: Apply;

    /// Reads the credential anew; if there is none, one sentence that says what to do.
    fn connect(&self, account: &AccountName, demo: bool) -> Result<Self::Exchange, String>;

    /// Reads the key files of all these accounts, so that two with one key are found before anything is asked.
    fn survey(&self, accounts: &BTreeSet<AccountName>);

    /// What to tell of an account whose key is in another account's file, too, if it is.
    fn shared_key(&self, account: &AccountName) -> Option<String>;

    /// The lanes that rest now because the exchange said 429.
    fn cool_downs(&self) -> Vec<CoolDown>;

    /// Goes on with a cool-down that an earlier process was told of.
    fn restore(&self, cool_down: &CoolDown);

    /// Looks at the host: what is not as required, or cannot be seen, each in a few words.
    fn unmet(&self, require: &Requirements) -> impl Future<Output = Vec<String>> + Send;
}

/// What an account is to be, and what goes for all of them; always the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpec {
    /// The revision in force.
    pub generation: Generation,
    /// What it says of this account.
    pub account: Arc<Account>,
    /// The host that the file gives the account to, if that is not this one.
    pub elsewhere: Option<String>,
    /// How many sets may leave in an hour, over all accounts.
    pub max_changes: u32,
    /// Why the newest content of the file is not in force.
    pub file: Option<String>,
    /// The held plan as it is on record.
    pub held: Arc<Plan>,
    /// Counts reloads and kicks: a new number means look at every target now.
    pub looks: u64,
    /// Counts reloads: a new number means read the credential again.
    pub reloads: u64,
}

/// The task that looks after one account.
pub struct Keeper<D: Environment> {
    account: AccountName,
    environment: Arc<D>,
    exchange: Option<D::Exchange>,
    opened: Option<Occasion>,
    key: Option<Fingerprint>,
    /// The UID that the ledger was asked to pin for the key in use.
    pinned: Option<Uid>,
    warnings: Vec<String>,
    ledger: Ledger,
    clock: Clock,
    specs: watch::Receiver<Arc<AccountSpec>>,
    spec: Arc<AccountSpec>,
    directives: watch::Receiver<Arc<Directives>>,
    publish: watch::Sender<AccountStatus>,
    stop: CancellationToken,
    facts: AccountFacts,
    ledger_trouble: Option<LedgerTrouble>,
    door_tried: Moment,
    shown: (Generation, Moment),
    /// When it was last found out where the targets stand.
    stood: Moment,
    kind: Option<Kind>,
    targets: BTreeMap<Scope, TargetSlot>,
    released_all_but: Option<BTreeSet<Scope>>,
    noted: Option<(Noted, <D::Exchange as Apply>::Permit)>,
}

/// What the credential was last read for: at another of these it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Occasion {
    reloads: u64,
    demo: bool,
    elsewhere: Option<String>,
}

/// What a keeper keeps of one target.
struct TargetSlot {
    facts: TargetFacts,
    brakes: Brakes,
    standing: Standing,
    counts: Counts,
    drift_noticed: bool,
    taken_up: Option<(Option<PositionMode>, u64)>,
    shown: Option<TargetStatus>,
}

/// What a keeper is given.
pub struct KeeperDeps<D: Environment> {
    /// Whom it looks after.
    pub account: AccountName,
    /// Where its exchange comes from.
    pub environment: Arc<D>,
    /// Where it writes down what it does.
    pub ledger: Ledger,
    /// What time it is.
    pub clock: Clock,
    /// What it is to do, from the fleet.
    pub specs: watch::Receiver<Arc<AccountSpec>>,
    /// Where it publishes.
    pub publish: watch::Sender<AccountStatus>,
    /// Ends it: nothing more is sent, what is under way is brought to its end.
    pub stop: CancellationToken,
}

impl<D: Environment> Keeper<D> {
    /// A keeper that knows nothing yet.
    pub fn new(deps: KeeperDeps<D>) -> Keeper<D> {
        let KeeperDeps { account, environment, ledger, clock, mut specs, publish, stop } = deps;
        let spec = specs.borrow_and_update().clone();
        let directives = ledger.directives();
        let shown = (spec.generation, clock.now());
        let facts = AccountFacts { jitter: clock.jitter(), ..AccountFacts::default() };
        Keeper {
            account,
            environment,
            exchange: None,
            opened: None,
            key: None,
            pinned: None,
            warnings: Vec::new(),
            ledger,
            clock,
            specs,
            spec,
            directives,
            publish,
            stop,
            facts,
            ledger_trouble: None,
            door_tried: Moment(0),
            stood: shown.1,
            shown,
            kind: None,
            targets: BTreeMap::new(),
            released_all_but: None,
            noted: None,
        }
    }

    /// Looks after the account until it is told to stop.
    pub async fn keep(mut self) {
        while !self.may_end() {
            self.sync_inputs().await;
            // Taking up what is new may have waited for the disk.
            if self.may_end() {
                break;
            }
            self.stand();
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

    /// Finds out where each target stands now: what is decided next, and what is shown.
    fn stand(&mut self) {
        let now = self.clock.now();
        for slot in self.targets.values_mut() {
            let facts = Facts { account: &self.facts, brakes: &slot.brakes, target: &slot.facts };
            slot.standing = Standing::of(&facts, now);
        }
        self.stood = now;
    }

    /// The most urgent step of all targets; where all rest, the rest that ends first. Once told to stop it is only about
    /// what is under way: a note that is wanted elsewhere would come before the looks that end it.
    fn next_step(&self) -> Option<(Scope, Step)> {
        let (now, stopping) = (self.stood, self.stop.is_cancelled());
        let slot = self.targets.iter().filter(|(_, slot)| !stopping || is_under_way(&slot.facts));
        let steps = slot.map(|(scope, slot)| {
            let step = protocol::next(&self.facts_of(slot), &slot.standing, now);
            (protocol::rank(&step, slot.facts.is_part_way()), *scope, step)
        });
        steps.min_by_key(|(rank, _, _)| *rank).map(|(_, scope, step)| (scope, step))
    }

    fn facts_of<'a>(&'a self, slot: &'a TargetSlot) -> Facts<'a> {
        Facts { account: &self.facts, brakes: &slot.brakes, target: &slot.facts }
    }

    async fn look(&mut self, scope: Scope, what: Look) {
        let Some(exchange) = &self.exchange else {
            // The protocol asks for no look without a key; were it to, this must not turn in circles.
            return self.rest(self.clock.now() + LEDGER_RETRY).await;
        };
        let Some(slot) = self.targets.get(&scope) else { return };
        let now = self.clock.now();
        let urgency = if slot.facts.is_part_way() {
            Urgency::PartWay
        } else if protocol::may_set_next(&self.facts_of(slot), &slot.standing, self.stood) {
            Urgency::BeforeSet
        } else {
            Urgency::Routine
        };
        self.promise(now + LONGEST_LOOK);
        let under_way = !self.nothing_under_way();
        let learned = tokio::select! {
            biased;
            learned = look(exchange, scope, what, urgency) => learned,
            () = self.stop.cancelled(), if !under_way => return,
        };
        let refused_key = matches!(&learned, Learned::Failed(_, failure) if is_about_the_key(failure));
        let (now, jitter) = (self.clock.now(), self.clock.jitter());
        if let Some(slot) = self.targets.get_mut(&scope) {
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
            Look::Clock | Look::List(_) => {}
        }
        if refused_key {
            self.open_door();
        }
    }

    /// Looks at what the file requires of the host.
    async fn look_at_host(&mut self, scope: Scope) {
        let Some(slot) = self.targets.get(&scope) else { return };
        let Wanted { generation, require, .. } = slot.facts.wanted.clone();
        let asked = self.clock.now();
        self.promise(asked + LONGEST_LOOK);
        let under_way = !self.nothing_under_way();
        let unmet = tokio::select! {
            biased;
            unmet = self.environment.unmet(&require) => unmet,
            () = self.stop.cancelled(), if !under_way => return,
        };
        self.facts.host = Some(HostReading { generation, asked, unmet });
    }

    /// Sleeps until a moment, or until somebody says something new.
    async fn rest(&mut self, until: Moment) {
        let stopping = self.stop.is_cancelled();
        let door = self.waits_for_a_key().then(|| self.door_tried + HUMAN_LOOK);
        let until = door.map_or(until, |door| until.min(door));
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
        self.stop.is_cancelled() && self.nothing_under_way()
    }

    fn nothing_under_way(&self) -> bool {
        !self.targets.values().any(|slot| is_under_way(&slot.facts))
    }
}

impl TargetSlot {
    fn new(facts: TargetFacts) -> TargetSlot {
        TargetSlot {
            facts,
            brakes: Brakes::default(),
            standing: Standing::default(),
            counts: Counts::default(),
            drift_noticed: false,
            taken_up: None,
            shown: None,
        }
    }
}

/// Whether another key may well be answered otherwise.
fn is_about_the_key(failure: &Failure) -> bool {
    matches!(failure.class, Class::Credential | Class::Denied)
}

/// Between a note and its record; an intent whose outcome is unknown can be left under its fence.
fn is_under_way(facts: &TargetFacts) -> bool {
    facts.intent.as_ref().is_some_and(|intent| match intent.state {
        IntentState::Noted { .. } | IntentState::Accepted { .. } | IntentState::Refused(_) => true,
        IntentState::Unclear => false,
    })
}
