//! One account: do the step that the protocol wants, and keep the facts.
//!
//! Decides nothing itself. Looks and rests may be dropped at any moment; from a note to its record it goes on to the
//! end, whoever asks it to stop.

mod act;
mod learn;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use learn::{Learned, learn, look};
pub use show::unseen;

use crate::clock::Clock;
use crate::constants::{CHANGES_WINDOW, HUMAN_LOOK, LEDGER_RETRY, LONGEST_LOOK};
use crate::exchange::credential::Fingerprint;
use crate::exchange::{Apply, Observe as _, Urgency};
use crate::facts::{
    AccountFacts, Brakes, Class, DriftPolicy, Facts, Failure, Flatness, Generation, Guard, IntentState,
    LedgerTrouble, Pause, TargetFacts, Wanted,
};
use crate::ledger::{Ledger, LedgerError, Noted, OnDisk, Pinned};
use crate::moment::{Moment, ServerTime};
use crate::pace::CoolDown;
use crate::position_mode::{AccountName, Declared, Kind, PositionMode, Scope, Target, Uid, targets};
use crate::protocol::{self, Claims, Look, Plan, PlanEntry, Step, Withdrawn, warnings, wrong};
use crate::status::{AccountStatus, Counts, TargetStatus};

/// Makes the exchange of an account from its credential.
pub trait Doors: Send + Sync + 'static {
    /// What it makes.
    type Exchange: Apply;

    /// Reads the credential anew; if there is none, one sentence that says what to do.
    fn open(&self, account: &AccountName, demo: bool) -> Result<Self::Exchange, String>;

    /// The lanes that rest now because the exchange said 429.
    fn cool_downs(&self) -> Vec<CoolDown>;

    /// Goes on with a cool-down that an earlier process was told of.
    fn restore(&self, cool_down: CoolDown);
}

/// What the fleet tells a keeper; always the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The revision in force.
    pub generation: Generation,
    /// What it says of this account.
    pub declared: Declared,
    /// Whether the key was made in demo mode.
    pub demo: bool,
    /// Whose key it must be, if the file says so.
    pub uid: Option<Uid>,
    /// The host that the file gives the account to, if that is not this one.
    pub elsewhere: Option<String>,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared.
    pub check_every: Duration,
    /// How long the account must have been flat.
    pub settle: Duration,
    /// Why nothing may be changed, if the file says so.
    pub suspended: Option<String>,
    /// How many sets may leave in an hour, over all accounts.
    pub max_changes: u32,
    /// Why the newest content of the file is not in force.
    pub file: Option<String>,
    /// The held plan as it is on record.
    pub held: Arc<Plan>,
    /// Counts reloads and kicks: a new number means look at everything now.
    pub looks: u64,
    /// Counts reloads: a new number means read the credential again.
    pub reloads: u64,
}

/// The task that looks after one account.
pub struct Keeper<D: Doors> {
    account: AccountName,
    doors: Arc<D>,
    exchange: Option<D::Exchange>,
    opened: Option<Occasion>,
    key: Option<Fingerprint>,
    pinned: Option<Pinned>,
    warnings: Vec<String>,
    ledger: Ledger,
    clock: Clock,
    course: watch::Receiver<Arc<Course>>,
    heard: Arc<Course>,
    on_disk: watch::Receiver<Arc<OnDisk>>,
    publish: watch::Sender<AccountStatus>,
    stop: CancellationToken,
    facts: AccountFacts,
    ledger_trouble: Option<LedgerTrouble>,
    door_tried: Moment,
    kind: Option<Kind>,
    kept: BTreeMap<Scope, Kept>,
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
struct Kept {
    facts: TargetFacts,
    brakes: Brakes,
    counts: Counts,
    drift_noticed: bool,
    taken_up: Option<(Option<PositionMode>, u64)>,
    shown: Option<TargetStatus>,
}

/// What a keeper is given.
pub struct Outfit<D: Doors> {
    /// Whom it looks after.
    pub account: AccountName,
    /// Where its exchange comes from.
    pub doors: Arc<D>,
    /// Where it writes down what it does.
    pub ledger: Ledger,
    /// What time it is.
    pub clock: Clock,
    /// What the fleet tells it.
    pub course: watch::Receiver<Arc<Course>>,
    /// Where it publishes.
    pub publish: watch::Sender<AccountStatus>,
    /// Ends it: nothing more is sent, what is under way is brought to its end.
    pub stop: CancellationToken,
}

impl<D: Doors> Keeper<D> {
    /// A keeper that knows nothing yet.
    pub fn new(outfit: Outfit<D>) -> Keeper<D> {
        let Outfit { account, doors, ledger, clock, mut course, publish, stop } = outfit;
        let heard = course.borrow_and_update().clone();
        let on_disk = ledger.brakes();
        let facts = AccountFacts { jitter: clock.jitter(), ..AccountFacts::default() };
        Keeper {
            account,
            doors,
            exchange: None,
            opened: None,
            key: None,
            pinned: None,
            warnings: Vec::new(),
            ledger,
            clock,
            course,
            heard,
            on_disk,
            publish,
            stop,
            facts,
            ledger_trouble: None,
            door_tried: Moment(0),
            kind: None,
            kept: BTreeMap::new(),
            released_all_but: None,
            noted: None,
        }
    }

    /// Looks after the account until it is told to stop.
    pub async fn keep(mut self) {
        while !(self.stop.is_cancelled() && self.nothing_under_way()) {
            self.hear().await;
            match self.next_step() {
                Some((scope, step)) => self.do_step(scope, step).await,
                None => self.rest(self.clock.now() + LEDGER_RETRY).await,
            }
        }
    }

    async fn do_step(&mut self, scope: Scope, step: Step) {
        match step {
            Step::Look(look) => self.look(scope, look).await,
            Step::Note(change) => self.note(scope, change).await,
            Step::Send if self.stop.is_cancelled() => self.withdraw(scope, Withdrawn::Stopping).await,
            Step::Send => self.send(scope).await,
            Step::Withdraw(why) => self.withdraw(scope, why).await,
            Step::Record(record) => self.record(scope, record).await,
            Step::Rest { until, why: _ } => {
                self.show(until);
                self.rest(until).await;
            }
        }
    }

    /// The most urgent step of all targets; where all rest, the rest that ends first. Once told to stop it is only about
    /// what is under way: a note that is wanted elsewhere would come before the looks that end it.
    fn next_step(&self) -> Option<(Scope, Step)> {
        let (now, stopping) = (self.clock.now(), self.stop.is_cancelled());
        let kept = self.kept.iter().filter(|(_, kept)| !stopping || is_under_way(&kept.facts));
        let steps = kept.map(|(scope, kept)| (*scope, protocol::next(&self.facts_of(kept), now)));
        steps.min_by_key(|(scope, step)| {
            let part_way = self.kept.get(scope).is_some_and(|kept| kept.facts.is_part_way());
            match step {
                Step::Send => (0, Moment(0)),
                Step::Withdraw(_) => (1, Moment(0)),
                Step::Record(_) => (2, Moment(0)),
                Step::Note(_) => (3, Moment(0)),
                Step::Look(_) if part_way => (4, Moment(0)),
                Step::Look(_) => (5, Moment(0)),
                Step::Rest { until, .. } => (6, *until),
            }
        })
    }

    fn facts_of<'a>(&'a self, kept: &'a Kept) -> Facts<'a> {
        Facts { account: &self.facts, brakes: &kept.brakes, target: &kept.facts }
    }

    async fn look(&mut self, scope: Scope, what: Look) {
        let Some(exchange) = &self.exchange else {
            // The protocol asks for no look without a key; were it to, this must not turn in circles.
            return self.rest(self.clock.now() + LEDGER_RETRY).await;
        };
        let Some(kept) = self.kept.get(&scope) else { return };
        let now = self.clock.now();
        let urgency = if kept.facts.is_part_way() {
            Urgency::PartWay
        } else if protocol::is_near_a_set(&self.facts_of(kept), now) {
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
        if let Some(kept) = self.kept.get_mut(&scope) {
            learn(&mut self.facts, &mut kept.facts, learned, now, jitter);
        }
        if let Some(identity) = &self.facts.identity {
            self.kind = Some(identity.kind);
        }
        match what {
            Look::Account => {
                self.pinned = None;
                self.judge().await;
                self.warn();
            }
            Look::Mode => self.notice_drift(scope).await,
            Look::Clock | Look::List(_) => {}
        }
        if refused_key {
            self.open_door();
        }
    }

    /// Compares whose key it is with the file, with whose it was, and with the other names.
    async fn judge(&mut self) {
        let Some(identity) = self.facts.identity.clone() else { return };
        let file = self.heard.uid.as_ref();
        // A key that the file says is the wrong one is not remembered as the right one.
        let uid = identity.uid.as_ref().filter(|uid| file.is_none_or(|file| file == *uid));
        if let Some(uid) = uid.filter(|_| self.pinned.is_none() && self.ledger_trouble.is_none()) {
            match self.ledger.pin(&self.account, uid).await {
                Ok(pinned) => self.pinned = Some(pinned),
                Err(error) => self.ledger_failed(&error),
            }
        }
        let was = match &self.pinned {
            Some(Pinned::Changed { was }) => Some(was),
            Some(Pinned::New | Pinned::Same) | None => None,
        };
        let on_disk = self.on_disk.borrow().clone();
        let claims = Claims {
            file: self.heard.uid.as_ref(),
            pinned: was,
            shared_with: on_disk.shared.get(&self.account),
        };
        // While the ledger could not be asked, its trouble is a brake of its own; it is asked again before that ends.
        self.facts.wrong = wrong(&self.account, &identity, claims);
    }

    /// Says what the key may do too much or too little, once.
    fn warn(&mut self) {
        let warnings = self.facts.identity.as_ref().map(warnings).unwrap_or_default();
        for say in warnings.iter().filter(|say| !self.warnings.contains(say)) {
            tracing::warn!(account = %self.account, "{say}");
        }
        self.warnings = warnings;
    }

    /// Sleeps until a moment, or until somebody says something new.
    async fn rest(&mut self, until: Moment) {
        let stopping = self.stop.is_cancelled();
        let waits_for_a_key = self.facts.credential.is_some() || self.is_key_refused();
        let door = waits_for_a_key.then(|| self.door_tried + HUMAN_LOOK);
        let until = door.map_or(until, |door| until.min(door));
        self.promise(until);
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !stopping => {}
            Ok(()) = self.course.changed() => {}
            Ok(()) = self.on_disk.changed() => {}
            () = self.clock.sleep_until(until) => {}
        }
    }

    /// Reads the credential and makes the exchange of it. Another key than before may be another account's, and is tried
    /// at once whatever was said to the one before.
    fn open_door(&mut self) {
        self.door_tried = self.clock.now();
        if self.facts.elsewhere.is_some() {
            self.exchange = None;
            self.facts.credential = None;
            return;
        }
        match self.doors.open(&self.account, self.heard.demo) {
            Ok(exchange) => {
                let key = Some(exchange.fingerprint());
                if self.key != key {
                    self.key = key;
                    self.forget_the_key_before();
                    // What was read with another key says nothing of what this one opens.
                    for kept in self.kept.values_mut() {
                        kept.facts.flatness = Flatness::default();
                        kept.facts.refused_though_flat = None;
                    }
                }
                self.exchange = Some(exchange);
                self.facts.credential = None;
            }
            Err(say) => {
                self.exchange = None;
                self.facts.credential = Some(say);
            }
        }
    }

    fn forget_the_key_before(&mut self) {
        self.facts.identity = None;
        self.facts.failing = None;
        self.facts.wrong = None;
        self.pinned = None;
        for kept in self.kept.values_mut() {
            kept.facts.set_refused = None;
        }
    }

    fn is_key_refused(&self) -> bool {
        self.facts.failing.as_ref().is_some_and(|failing| is_about_the_key(&failing.failure))
    }

    /// Takes in what the fleet and the ledger say.
    async fn hear(&mut self) {
        let course = self.course.borrow_and_update().clone();
        let again = course.looks != self.heard.looks;
        self.heard = course;
        self.facts.elsewhere.clone_from(&self.heard.elsewhere);
        let Course { reloads, demo, elsewhere, .. } = &*self.heard;
        let occasion = Some(Occasion { reloads: *reloads, demo: *demo, elsewhere: elsewhere.clone() });
        // A noted set leaves with the key that its account was looked at with, or not at all.
        if self.opened != occasion && self.noted.is_none() {
            self.opened = occasion;
            self.forget_the_key_before();
            self.open_door();
        }
        let waits_for_a_key = self.facts.credential.is_some() || self.is_key_refused();
        if waits_for_a_key && self.clock.now() >= self.door_tried + HUMAN_LOOK {
            self.open_door();
        }
        if again {
            self.facts.failing = None;
            let now = self.clock.now();
            self.kept.values_mut().for_each(|kept| kept.facts.look_again(now));
        }
        if self.ledger_trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= self.clock.now()) {
            self.ledger_trouble = None;
        }
        self.judge().await;
        self.take_up().await;
        self.hear_brakes();
    }

    /// Follows the file: which targets there are, and what is wanted of each. The kind is the one last seen: while it is
    /// looked at again, on reload, the targets stay what they are.
    async fn take_up(&mut self) {
        let wanted = targets(&self.heard.declared, self.kind);
        for (scope, kept) in &mut self.kept {
            if !wanted.contains_key(scope) {
                kept.facts.wanted.mode = None;
            }
        }
        self.kept.retain(|scope, kept| wanted.contains_key(scope) || is_under_way(&kept.facts));
        let keep: BTreeSet<Scope> = wanted.keys().copied().collect();
        if self.kind.is_some()
            && self.ledger_trouble.is_none()
            && self.released_all_but.as_ref() != Some(&keep)
        {
            match self.ledger.release(&self.account, Some(&keep)).await {
                Ok(()) => self.released_all_but = Some(keep),
                Err(error) => self.ledger_failed(&error),
            }
        }
        for (scope, mode) in wanted {
            if let Err(error) = self.take_up_one(scope, mode).await {
                self.ledger_failed(&error);
            }
        }
    }

    async fn take_up_one(&mut self, scope: Scope, mode: Option<PositionMode>) -> Result<(), LedgerError> {
        let wanted = self.wanted(mode);
        let resumed = self.on_disk.borrow().resumed;
        let news = Some((mode, resumed));
        let now = self.clock.now();
        let kept = self.kept.entry(scope).or_insert_with(|| Kept::new(TargetFacts::new(wanted.clone(), now)));
        kept.facts.wanted = wanted;
        // Taking up says that whatever was under way is lost: not while it is under way here. And while no kind is known
        // it only stands for targets to come: nothing of it belongs into the ledger.
        let due = kept.taken_up != news && !is_under_way(&kept.facts) && self.kind.is_some();
        if !due || self.ledger_trouble.is_some() {
            return Ok(());
        }
        let (target, generation) =
            (Target { account: self.account.clone(), scope }, kept.facts.wanted.generation);
        let remembered = self.ledger.take_up(&target, mode, generation).await?;
        let Some(kept) = self.kept.get_mut(&scope) else { return Ok(()) };
        if kept.taken_up.is_none() {
            kept.facts.applied = remembered.applied;
            kept.facts.intent = remembered.intent;
            kept.facts.may_come_late = remembered.may_come_late;
        }
        kept.facts.corrections = remembered.corrections;
        kept.taken_up = news;
        Ok(())
    }

    fn wanted(&self, mode: Option<PositionMode>) -> Wanted {
        self.heard.wanted(mode)
    }

    /// What forbids sets now, for each target.
    fn hear_brakes(&mut self) {
        let on_disk = self.on_disk.borrow_and_update().clone();
        let paused = self.pause(&on_disk);
        let (left, frees_at) = self.budget(&on_disk);
        for (scope, kept) in &mut self.kept {
            let target = Target { account: self.account.clone(), scope: *scope };
            let facts = Facts { account: &self.facts, brakes: &kept.brakes, target: &kept.facts };
            let entry = protocol::wanted_change(&facts).map(|change| PlanEntry::new(&target, change));
            let approved = entry.as_ref().is_some_and(|entry| on_disk.approved.contains(entry));
            let held = &self.heard.held;
            let plan = entry.filter(|entry| held.0.contains(entry)).map(|_| held.hash());
            kept.brakes = Brakes {
                paused: paused.clone(),
                file: self.heard.file.clone(),
                ledger: self.ledger_trouble.clone(),
                guard: Guard { left, frees_at, approved, plan },
            };
        }
    }

    fn pause(&self, on_disk: &OnDisk) -> Option<Pause> {
        let wall = self.clock.wall();
        let mine = on_disk.pauses.iter().filter(|pause| {
            pause.account.as_ref().is_none_or(|account| *account == self.account)
                && pause.until_wall.is_none_or(|until| until > wall)
        });
        // Of several pauses the one that lasts longest is the one to tell of.
        let longest = mine.max_by_key(|pause| pause.until_wall.unwrap_or(i64::MAX))?;
        let until = longest.until_wall.map(|until| self.clock.moment(until));
        Some(Pause { reason: longest.reason.clone(), until })
    }

    /// How many sets may leave now, and when one more may.
    fn budget(&self, on_disk: &OnDisk) -> (u32, Option<Moment>) {
        let Some(clock) = &self.facts.clock else { return (self.heard.max_changes, None) };
        let hour_ago = clock.at(self.clock.now()) - CHANGES_WINDOW;
        let counted: Vec<ServerTime> =
            on_disk.counted.iter().copied().filter(|stamp| *stamp > hour_ago).collect();
        let left = self.heard.max_changes.saturating_sub(u32::try_from(counted.len()).unwrap_or(u32::MAX));
        (left, counted.first().map(|oldest| clock.moment(*oldest + CHANGES_WINDOW)))
    }

    fn ledger_failed(&mut self, error: &LedgerError) {
        let retry_at = self.clock.now() + LEDGER_RETRY;
        if self.ledger_trouble.is_none() {
            tracing::warn!(account = %self.account, "{error}");
        }
        self.ledger_trouble = Some(LedgerTrouble { say: error.to_string(), retry_at });
    }

    fn nothing_under_way(&self) -> bool {
        !self.kept.values().any(|kept| is_under_way(&kept.facts))
    }
}

impl Course {
    /// What the file wants of a target that is to have this mode.
    fn wanted(&self, mode: Option<PositionMode>) -> Wanted {
        let Course { generation, drift, check_every, settle, suspended, .. } = self;
        Wanted {
            mode,
            generation: *generation,
            drift: *drift,
            check_every: *check_every,
            settle: *settle,
            suspended: suspended.clone(),
        }
    }
}

impl Kept {
    fn new(facts: TargetFacts) -> Kept {
        Kept {
            facts,
            brakes: Brakes::default(),
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
