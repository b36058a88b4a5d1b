//! What is known of a target and its account at a moment, and how each thing that comes back changes it.
//!
//! Pure: the keeper and the model checker learn by the same functions. Nothing here decides what to do next.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::constants::{CLOCK_DRIFT_PER_MILLION, FLATNESS_IS_KNOWN_FOR, LIVE_IS_KNOWN_FOR, VERDICT_AGE};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{Declared, Kind, PositionMode, Uid};
use crate::window::Windows;

/// All that `protocol::next` looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What holds for the whole account.
    pub account: &'a AccountFacts,
    /// What forbids sets from outside of the account.
    pub brakes: &'a Brakes,
    /// What holds for this target.
    pub target: &'a TargetFacts,
}

/// What is known of an account, whatever the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AccountFacts {
    /// The host that the file gives this account to, if that is not this one: then nothing is asked of it here.
    pub elsewhere: Option<String>,
    /// Why there is no usable credential, if there is none: one sentence that says what to do.
    pub credential: Option<String>,
    /// Why nothing is asked with the key, if another account's file holds the same one: one or two sentences.
    pub shared_key: Option<String>,
    /// What the key showed of its account at the last look.
    pub identity: Option<Identity>,
    /// Why the key belongs to another account than it should, if it does: one sentence.
    pub wrong: Option<String>,
    /// What the file says of the account, if an account of its kind cannot have it.
    pub unsatisfiable: Option<Declared>,
    /// When the newest set was signed whose outcome is unknown and whose target is gone: the file names it no more, or the
    /// account's kind has changed.
    pub gone: Option<ServerTime>,
    /// Why the account as a whole cannot be looked at, if so.
    pub failing: Option<Failing>,
    /// The exchange's clock, as far as it is known.
    pub clock: Option<ServerClock>,
    /// What the host showed of what the file requires of it, when it was looked at last.
    pub host: Option<HostReading>,
    /// The random number of the wait now under way; drawn anew for each.
    pub jitter: Jitter,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The exchange's number of the account; unknown where the key lacks the right to ask.
    pub uid: Option<Uid>,
    /// The observed kind.
    pub kind: Kind,
    /// What the key may do; unknown where it lacks the right to ask.
    pub rights: Option<Rights>,
    /// When it was observed.
    pub at: Moment,
}

/// What a key may do, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights {
    /// With futures.
    pub futures: FuturesRight,
    /// Whether it may take money out, which nothing here needs.
    pub withdraws: bool,
}

/// What a key may do with futures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FuturesRight {
    /// Nothing.
    Nothing,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// The exchange's clock against our line of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerClock {
    /// What must be added to a moment to get the exchange's time, in milliseconds.
    pub offset: i64,
    /// Half the round trip in which it was measured.
    pub doubt: Duration,
    /// When it was measured.
    pub measured: Moment,
}

/// What forbids a set for reasons outside of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Brakes {
    /// `posmoded pause`, of everything or of this account.
    pub paused: Option<Pause>,
    /// The newest content of the file is rejected, missing or still changing: what is wrong with it.
    pub file: Option<String>,
    /// The ledger cannot be written: what is wrong with it, and when it is tried again.
    pub ledger: Option<LedgerTrouble>,
    /// The guard over all sets.
    pub guard: Guard,
}

/// A pause that stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pause {
    /// As the operator wrote it.
    pub reason: String,
    /// How long it was to last, if it ends by itself.
    pub lasts: Option<Duration>,
    /// When it ends by itself, on the exchange's line; `None` also while nobody could say yet.
    pub until: Option<ServerTime>,
}

impl Pause {
    /// Whether it stands by this reading of the exchange's clock; while that is unknown, it does.
    pub fn stands(&self, exchange: Option<ServerClock>, now: Moment) -> bool {
        let passed = |until: ServerTime| exchange.is_some_and(|exchange| exchange.at(now) >= until);
        !self.until.is_some_and(passed)
    }
}

/// Why nothing can be written down, so that nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerTrouble {
    /// One sentence that says what to do.
    pub say: String,
    /// When it is tried again.
    pub retry_at: Moment,
}

/// How many sets may still leave in this hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Sets that may still leave now.
    pub left: u32,
    /// When the oldest counted set is an hour old, if any counts.
    pub frees_at: Option<Moment>,
    /// Whether an approved plan holds exactly this change of this target.
    pub approved: bool,
    /// The hash of the held plan that this target is in, once it is written.
    pub plan: Option<String>,
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetFacts {
    /// What the newest accepted revision wants.
    pub wanted: Wanted,
    /// The live mode at the last look.
    pub seen: Option<Seen>,
    /// What was read of positions and orders.
    pub flatness: Flatness,
    /// The last mode seen live equal to desired.
    pub applied: Option<Applied>,
    /// A set that was noted and whose end is not on record yet.
    pub intent: Option<Intent>,
    /// Why this target alone cannot be looked at, if so.
    pub failing: Option<Failing>,
    /// Which list it is that cannot be read, if it is one: a look at the mode does not mend that.
    pub unread: Option<List>,
    /// Why the last set was refused, other than for not being flat; no look ends it, only time, a reload or a success.
    pub set_refused: Option<Failing>,
    /// Refusals of the not-flat class since a set last went through or a list last showed something.
    pub refused_though_flat: Option<Refusals>,
    /// When drift was corrected, since a revision changed the target or an operator resumed it; oldest first.
    pub corrections: Vec<ServerTime>,
    /// A mode that a set of ours asked for which seemed lost: should it show up now, it is that set, late.
    pub may_come_late: Option<LateSet>,
    /// What was seen before this moment is to be seen again: a reload, a kick, a revision that wants something else.
    pub look_since: Moment,
}

/// What the file wants of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The desired mode; `None` while the kind is unknown and the file names more than one, where an account of its kind cannot
    /// have what the file says, and once the target is gone.
    pub mode: Option<PositionMode>,
    /// The revision in force.
    pub generation: Generation,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared.
    pub check_every: Duration,
    /// How long the account must have been flat.
    pub settle: Duration,
    /// The file's own reason to change nothing, if it gives one.
    pub suspended: Option<String>,
    /// The times in which a set may leave; alternatives, and without any all times.
    pub windows: Windows,
    /// What must be so on the host before a set leaves.
    pub require: Requirements,
}

/// What an account requires of the host: all of it, and without any nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requirements(pub Arc<[Requirement]>);

/// One thing that must be so on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The systemd unit of this name does not run.
    UnitInactive(String),
    /// There is nothing at this path.
    FileAbsent(String),
}

/// What the host showed of an account's requirements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostReading {
    /// The revision whose requirements they are.
    pub generation: Generation,
    /// When it was looked at.
    pub asked: Moment,
    /// What is not as required, or cannot be seen, each in a few words. Empty where all is as required.
    pub unmet: Vec<String>,
}

/// The number of an accepted revision; each is one more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// What to do when the exchange was changed behind us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftPolicy {
    /// Set the desired mode again.
    Correct,
    /// Say so and change nothing.
    Report,
}

/// One reading of the live mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What the exchange said.
    pub mode: PositionMode,
    /// When we asked.
    pub asked: Moment,
    /// When the answer was here.
    pub answered: Moment,
    /// The exchange's own time of the answer.
    pub server: ServerTime,
}

/// The last mode seen live equal to desired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Applied {
    /// Which.
    pub mode: PositionMode,
    /// How it came.
    pub how: How,
    /// When it was recorded.
    pub at: ServerTime,
    /// The revision that wanted it.
    pub generation: Generation,
}

/// How an applied mode came to be live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// We set it.
    Set,
    /// It was so when we first looked.
    Adopted,
    /// Somebody else changed it to what the file wants.
    External,
}

/// Why a set is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// First contact, and live differs.
    New,
    /// The file changed.
    Pending,
    /// The exchange was changed behind us.
    Drift,
}

/// A set that is about to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// What is live.
    pub from: PositionMode,
    /// What is desired.
    pub to: PositionMode,
    /// Why.
    pub cause: Cause,
}

/// A durable note that a set is about to leave, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Its number in the ledger.
    pub id: IntentId,
    /// What it asks for.
    pub change: Change,
    /// The revision that wanted it.
    pub generation: Generation,
    /// The very timestamp that the request is signed with.
    pub stamp: ServerTime,
    /// What is known of its outcome.
    pub state: IntentState,
}

/// An intent's number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub i64);

/// What is known of an intent's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// On disk, not sent yet, by this very process.
    Noted {
        /// When the ledger had it.
        at: Moment,
    },
    /// The exchange said `00000`; a read has not shown it yet.
    Accepted {
        /// When the answer was here.
        at: Moment,
    },
    /// A definite refusal that is not on record yet.
    Refused(Failure),
    /// Nobody knows: it may still take effect until its fence has passed.
    Unclear,
}

/// What came back from a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetAnswer {
    /// `00000`.
    Accepted,
    /// A definite refusal: it had no effect and will have none.
    Refused(Failure),
    /// Anything else: it may have taken effect, or may yet. In the answer's own words, as far as there are any.
    Unclear(String),
}

/// A set that seemed lost after its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LateSet {
    /// Its number in the ledger.
    pub id: IntentId,
    /// What it asked for.
    pub mode: PositionMode,
    /// The timestamp it was signed with.
    pub stamp: ServerTime,
}

/// Refusals of the not-flat class though every list was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusals {
    /// How many in a row.
    pub count: u32,
    /// When the last one came.
    pub last: Moment,
}

/// The lists that tell whether a target is flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Trigger, trailing and take-profit or stop-loss orders.
    PlanOrders,
    /// Plain orders.
    Orders,
    /// Positions.
    Positions,
}

/// One reading of one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// How many rows count.
    pub count: u32,
    /// When we asked for its first page.
    pub asked: Moment,
    /// When the last page was here.
    pub answered: Moment,
}

/// What was read of positions and orders, and since when every complete reading was flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flatness {
    /// The last reading of each list; `None` is unknown, not 0.
    pub plan_orders: Option<Reading>,
    /// Likewise.
    pub orders: Option<Reading>,
    /// Likewise.
    pub positions: Option<Reading>,
    /// How far a verdict has come whose lists were empty so far.
    pub part: Option<Part>,
    /// The unbroken run of flat verdicts, if the last word was "flat".
    pub run: Option<Run>,
}

/// A verdict under way: its lists are read in one order, positions last, for an order that fills shows as a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// When its first list was asked for.
    pub began: Moment,
    /// The list that comes next.
    pub next: List,
}

/// An unbroken run of flat verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// When the first one was complete.
    pub since: Moment,
    /// When the reading for the newest one began.
    pub newest: Moment,
}

/// Something that keeps failing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failing {
    /// The newest failure.
    pub failure: Failure,
    /// When the first of the row came.
    pub since: Moment,
    /// When the newest came.
    pub at: Moment,
    /// How many in a row.
    pub tries: u32,
    /// The random number of the wait that follows.
    pub jitter: Jitter,
}

/// A look or a set that did not bring what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{say}")]
pub struct Failure {
    /// What it asks of us.
    pub class: Class,
    /// The exchange's code, where there was one.
    pub code: Option<String>,
    /// What happened and what to do, in one or two plain sentences, without secrets.
    pub say: String,
}

/// What a failure asks of us; one per class of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Wait until flat; never an error.
    NotFlat,
    /// Refused for this account: stop, tell the operator.
    Refused,
    /// Refused as a lead of copy trading, which a unified account was told at a classic call, too: stop as above, and
    /// observe the kind again.
    LeadsCopies,
    /// Observe the kind again.
    WrongKind,
    /// Come back later: the exchange converts the account.
    Converting,
    /// Stop until the credential changes.
    Credential,
    /// A right is missing, or our address is not on the key's list: stop and say which.
    Denied,
    /// The account itself is not in order: stop, tell the operator.
    AccountStatus,
    /// Measure the clock again and decide afresh.
    Clock,
    /// The exchange does not understand us: stop, keep the body.
    OurFault,
    /// Cool the lane down.
    RateLimited,
    /// Our own limits: nothing was sent; a permit is free at this moment.
    Busy {
        /// When to ask again.
        until: Moment,
    },
    /// Back off: the exchange or the way to it is not well.
    TryAgain,
    /// A code that is in no table: slow retry.
    UnknownCode,
}

/// A random number in thousandths, drawn outside of pure code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Jitter(pub u16);

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Cause::New => "new",
            Cause::Pending => "pending",
            Cause::Drift => "drift",
        })
    }
}

impl Class {
    /// When our own limits let the next request go, if it is they that nothing was sent for.
    pub fn our_own_limit(self) -> Option<Moment> {
        match self {
            Class::Busy { until } => Some(until),
            Class::NotFlat
            | Class::Refused
            | Class::LeadsCopies
            | Class::WrongKind
            | Class::Converting
            | Class::Credential
            | Class::Denied
            | Class::AccountStatus
            | Class::Clock
            | Class::OurFault
            | Class::RateLimited
            | Class::TryAgain
            | Class::UnknownCode => None,
        }
    }

    /// Whether a look that failed so says something of the account as a whole, not of one target.
    pub fn is_of_the_account(self) -> bool {
        match self {
            Class::WrongKind
            | Class::Converting
            | Class::Credential
            | Class::Denied
            | Class::AccountStatus
            | Class::Clock => true,
            Class::NotFlat
            | Class::Refused
            | Class::LeadsCopies
            | Class::OurFault
            | Class::RateLimited
            | Class::Busy { .. }
            | Class::TryAgain
            | Class::UnknownCode => false,
        }
    }

    /// Whether it says that the account may be of another kind than it was observed to be.
    fn doubts_the_kind(self) -> bool {
        match self {
            Class::WrongKind | Class::LeadsCopies => true,
            Class::NotFlat
            | Class::Refused
            | Class::Converting
            | Class::Credential
            | Class::Denied
            | Class::AccountStatus
            | Class::Clock
            | Class::OurFault
            | Class::RateLimited
            | Class::Busy { .. }
            | Class::TryAgain
            | Class::UnknownCode => false,
        }
    }
}

impl Failing {
    /// One more failure after `before`, if that was of the same class.
    pub fn after(before: Option<Failing>, failure: Failure, at: Moment, jitter: Jitter) -> Failing {
        match before {
            Some(Failing { failure: old, since, tries, at: _, jitter: _ })
                if std::mem::discriminant(&old.class) == std::mem::discriminant(&failure.class) =>
            {
                Failing { failure, since, at, tries: tries.saturating_add(1), jitter }
            }
            Some(_) | None => Failing { failure, since: at, at, tries: 1, jitter },
        }
    }
}

impl ServerClock {
    /// What one answer tells: the exchange wrote `server` somewhere between `asked` and `answered`.
    pub fn measured(asked: Moment, answered: Moment, server: ServerTime) -> ServerClock {
        let doubt = answered.since(asked) / 2;
        ServerClock { offset: server.0 - (asked + doubt).0, doubt, measured: answered }
    }

    /// The exchange's time at `now`.
    pub fn at(&self, now: Moment) -> ServerTime {
        ServerTime(now.0.saturating_add(self.offset))
    }

    /// Our moment of an exchange's time.
    pub fn moment(&self, at: ServerTime) -> Moment {
        Moment(at.0.saturating_sub(self.offset))
    }

    /// How far off it may be at `now`: half the round trip plus the drift since.
    pub fn doubt_at(&self, now: Moment) -> Duration {
        let drift = now.since(self.measured).as_nanos() * u128::from(CLOCK_DRIFT_PER_MILLION) / 1_000_000;
        self.doubt + Duration::from_nanos(u64::try_from(drift).unwrap_or(u64::MAX))
    }

    /// The better of the two at `now`. Readings that contradict each other by more than their doubts mean that the
    /// exchange's clock was moved: then the newer one counts.
    #[must_use]
    pub fn better(self, newer: ServerClock, now: Moment) -> ServerClock {
        let apart = Duration::from_millis(self.offset.abs_diff(newer.offset));
        let contradict = apart > self.doubt_at(now) + newer.doubt_at(now);
        if contradict || newer.doubt_at(now) <= self.doubt_at(now) { newer } else { self }
    }
}

impl Flatness {
    /// Learns one reading. Something that counts ends the run. A complete flat verdict (plan orders, then orders, then
    /// positions, all empty, within the age of a verdict) begins or prolongs it.
    pub fn read(&mut self, list: List, reading: Reading) {
        let Reading { count, asked, answered } = reading;
        let part = self.part.take().filter(|part| part.next == list).map(|part| part.began);
        match list {
            List::PlanOrders => {
                self.plan_orders = Some(reading);
                self.part = Some(Part { began: asked, next: List::Orders });
            }
            List::Orders => {
                self.orders = Some(reading);
                self.part = part.map(|began| Part { began, next: List::Positions });
            }
            List::Positions => self.positions = Some(reading),
        }
        if count > 0 {
            self.part = None;
            self.run = None;
        } else if let Some(newest) =
            part.filter(|began| list == List::Positions && answered.since(*began) <= VERDICT_AGE)
        {
            let since = self.run.map_or(answered, |run| run.since);
            self.run = Some(Run { since, newest });
        }
    }

    /// How many rows the readings count together; `None` where none was read.
    pub fn known_rows(&self) -> Option<u32> {
        [self.plan_orders, self.orders, self.positions]
            .into_iter()
            .flatten()
            .map(|reading| reading.count)
            .reduce(u32::saturating_add)
    }
}

impl Wanted {
    /// Whether what a newer revision wants may let a set go, or forbid it, that this did not: then the target is looked at now.
    pub fn asks_for_another_look(&self, newer: &Wanted) -> bool {
        let Wanted { mode, generation: _, drift, check_every: _, settle: _, suspended, windows, require } =
            self;
        *mode != newer.mode
            || *drift != newer.drift
            || *suspended != newer.suspended
            || *windows != newer.windows
            || *require != newer.require
    }
}

impl TargetFacts {
    /// A target of which nothing is known yet but what the file wants.
    pub fn new(wanted: Wanted, now: Moment) -> TargetFacts {
        TargetFacts {
            wanted,
            seen: None,
            flatness: Flatness::default(),
            applied: None,
            intent: None,
            failing: None,
            unread: None,
            set_refused: None,
            refused_though_flat: None,
            corrections: Vec::new(),
            may_come_late: None,
            look_since: now,
        }
    }

    /// What was read of the lists since the mode was read: older readings say nothing any more.
    pub fn this_round(&self) -> Flatness {
        let Flatness { plan_orders, orders, positions, part, run } = self.flatness;
        let began = self.seen.map_or(Moment(i64::MIN), |seen| seen.asked);
        let newer = |reading: Option<Reading>| reading.filter(|reading| reading.asked >= began);
        let (plan_orders, orders, positions) = (newer(plan_orders), newer(orders), newer(positions));
        Flatness { plan_orders, orders, positions, part, run }
    }

    /// Whether a verdict or a set is under way, which should not wait for looks at other targets.
    pub fn is_part_way(&self) -> bool {
        self.intent.is_some() || self.flatness.part.is_some()
    }

    /// The live mode was read. While it is as desired nobody reads the lists, so what they said before is over: a later
    /// change is settled from its own verdicts.
    pub fn saw(&mut self, seen: Seen) {
        let in_sync = self.wanted.mode == Some(seen.mode);
        if in_sync {
            self.flatness = Flatness::default();
        }
        if in_sync || self.unread.is_none() {
            self.mended();
        }
        self.seen = Some(seen);
    }

    /// A list was read.
    pub fn read(&mut self, list: List, reading: Reading) {
        let known_for = (self.wanted.check_every * LIVE_IS_KNOWN_FOR).max(FLATNESS_IS_KNOWN_FOR);
        // Nobody looked for so long that nobody can say that it was flat all the time.
        self.flatness.run = self.flatness.run.filter(|run| reading.asked.since(run.newest) <= known_for);
        self.flatness.read(list, reading);
        if reading.count > 0 {
            self.refused_though_flat = None;
        }
        if reading.count > 0 || self.unread.is_none_or(|unread| unread == list) {
            self.mended();
        }
    }

    /// A look failed, at the mode or at a list, in a way that says nothing of the account as a whole.
    pub fn failed(&mut self, list: Option<List>, failure: Failure, at: Moment, jitter: Jitter) {
        let before = self.failing.take().filter(|_| self.unread == list);
        self.failing = Some(Failing::after(before, failure, at, jitter));
        self.unread = list;
    }

    fn mended(&mut self) {
        self.failing = None;
        self.unread = None;
    }

    /// A reload, a kick, or a revision that wants something else: it is looked at again, and what was refused may be tried
    /// again.
    pub fn look_again(&mut self, now: Moment) {
        self.look_since = now;
        self.mended();
        self.set_refused = None;
    }

    /// The set was answered.
    pub fn answered(&mut self, answer: SetAnswer, at: Moment) {
        if let Some(intent) = &mut self.intent {
            intent.state = match answer {
                SetAnswer::Accepted => IntentState::Accepted { at },
                SetAnswer::Refused(failure) => IntentState::Refused(failure),
                SetAnswer::Unclear(_) => IntentState::Unclear,
            };
        }
    }

    /// The refusal is on record: the intent is closed, and what was refused is remembered here or, where it says
    /// something of the whole account, given back.
    pub fn refusal_recorded(&mut self, failure: Failure, at: Moment, jitter: Jitter) -> Option<Failure> {
        self.intent = None;
        match failure.class {
            Class::NotFlat => {
                let count = self.refused_though_flat.map_or(0, |refusals| refusals.count).saturating_add(1);
                self.refused_though_flat = Some(Refusals { count, last: at });
                None
            }
            Class::Converting | Class::Credential => Some(failure),
            Class::WrongKind | Class::Clock => {
                // What is measured or observed anew may well be the same: each set that meets it waits longer.
                let before = self.set_refused.take();
                self.set_refused = Some(Failing::after(before, failure.clone(), at, jitter));
                Some(failure)
            }
            Class::Refused
            | Class::LeadsCopies
            | Class::Denied
            | Class::AccountStatus
            | Class::OurFault
            | Class::RateLimited
            | Class::Busy { .. }
            | Class::TryAgain
            | Class::UnknownCode => {
                self.set_refused = Some(Failing::after(self.set_refused.take(), failure, at, jitter));
                None
            }
        }
    }

    /// A set left that corrected drift, whatever became of it: one step towards a fight.
    pub fn count_correction(&mut self, cause: Cause, stamp: ServerTime) {
        if cause == Cause::Drift && !self.corrections.contains(&stamp) {
            self.corrections.push(stamp);
        }
    }

    /// The set is on record as having had its effect: what stood against it is over.
    pub fn effect_recorded(&mut self, applied: Option<Applied>) {
        self.intent = None;
        // Whatever was lost before it: the mode that shows from now on is what came after.
        self.may_come_late = None;
        self.set_refused = None;
        self.refused_though_flat = None;
        if applied.is_some() {
            self.applied = applied;
        }
    }
}

impl AccountFacts {
    /// Something went wrong that concerns the whole account.
    pub fn failed(&mut self, failure: Failure, at: Moment) {
        if failure.class == Class::Clock {
            self.clock = None;
        }
        self.doubt_the_kind(&failure);
        self.failing = Some(Failing::after(self.failing.take(), failure, at, self.jitter));
    }

    /// Whatever failed: the kind is observed again if it may be another one.
    pub fn doubt_the_kind(&mut self, failure: &Failure) {
        if failure.class.doubts_the_kind() {
            self.identity = None;
        }
    }

    /// Something came back: it tells the time, and the account can be looked at. A clock or a kind that was refused is
    /// not mended by measuring or observing it anew, only by the look that comes after.
    pub fn heard(&mut self, asked: Moment, answered: Moment, server: ServerTime) {
        let newer = ServerClock::measured(asked, answered, server);
        let before = self.clock.replace(self.clock.map_or(newer, |old| old.better(newer, answered)));
        let mended = self.failing.as_ref().is_none_or(|failing| match failing.failure.class {
            Class::Clock => before.is_some(),
            Class::WrongKind => self.identity.is_some(),
            Class::NotFlat
            | Class::Refused
            | Class::LeadsCopies
            | Class::Converting
            | Class::Credential
            | Class::Denied
            | Class::AccountStatus
            | Class::OurFault
            | Class::RateLimited
            | Class::Busy { .. }
            | Class::TryAgain
            | Class::UnknownCode => true,
        });
        if mended {
            self.failing = None;
        }
    }
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { left: 1, frees_at: None, approved: false, plan: None }
    }
}

#[cfg(test)]
mod tests;
