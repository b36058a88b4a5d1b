//! Everything that a state of the search consists of: file, exchange, wire, ledger, the daemon's memory, perhaps a second
//! daemon beside it, and the faults that are still to come. Holds no decisions; times are kept relative to a fixed now, so
//! that equal situations at different times are one state.

use std::borrow::Cow;
use std::mem::swap;
use std::sync::LazyLock;
use std::time::Duration;

use crate::constants::{CLOCK_DOUBT, FENCE};
use crate::desired::Account;
use crate::facts::{
    AccountFacts, Applied, Brakes, Change, DriftPolicy, Generation, How, Intent, IntentId, IntentState,
    LateSet, Policy, Requirements, SetAnswer, TargetFacts,
};
use crate::ledger::{Directives, Limits};
use crate::moment::{Moment, ServerTime};
use crate::position_mode::{Declared, PositionMode, Scope, Target};
use crate::window::Windows;

/// The moment to which every state is shifted back.
pub(super) const NOW: Moment = Moment(1_000_000_000);
/// How far the exchange's clock is ahead of ours: code that confuses the two is off by this much.
const AHEAD: Duration = Duration::from_secs(7);
/// The time from a request to its answer, where nothing else is said.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// The exchange executes a request whose timestamp is at most this far off.
const EXECUTED_WITHIN: Duration = Duration::from_secs(30);
/// The file's `check_every`: short, so that waiting soon returns to a known state.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(10);

/// How long a process sends no set: a fence, the greatest doubt with which a set is signed, and a second. Whatever was sent
/// before it began is over then, whether its ledger knows of it or not.
pub(super) const QUIET: Duration = FENCE.saturating_add(CLOCK_DOUBT).saturating_add(Duration::from_secs(1));

/// One account with its targets, from all points of view: file, exchange, ledger and daemon. Where there are two daemons, it
/// is seen by one of them, and `turn` makes it seen by the other one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// The time by the daemon's clock.
    pub(super) now: Moment,
    /// What the daemon knows of the account.
    pub(super) account: AccountFacts,
    /// One or two targets.
    pub(super) targets: Vec<Side>,
    /// The call whose answer the keeper waits for.
    pub(super) call: Option<Call>,
    /// When the process began.
    pub(super) started: Moment,
    /// For how long a process sends none; the same in all states of a search.
    pub(super) quiet: Duration,
    /// A second process with the same key and file, and with a ledger of its own.
    pub(super) beside: Option<Box<Process>>,
    /// That the ledger is one for both, each on a host of its own, and what is known of that.
    pub(super) shared: Option<Shared>,
    /// Who has the claim of the key.
    pub(super) claim: Option<Who>,
    /// The time from a request to its answer; the same in all states of a search.
    pub(super) trip: Duration,
    /// What is wrong with the answer that comes next. Nothing is, except within a move.
    pub(super) odd: Odd,
    /// Whether the newest content of the file is not acceptable.
    pub(super) rejected: bool,
    /// Sets that have left and that the exchange has not handled.
    pub(super) wire: Vec<InFlightSet>,
    /// The faults that may still happen.
    pub(super) left: Faults,
}

/// One target: the file, the exchange, the ledger and the daemon's memory of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Side {
    /// What the newest accepted revision says.
    pub(super) file: PositionMode,
    /// The mode at the exchange.
    pub(super) live: PositionMode,
    /// Whether a position is open.
    pub(super) open: bool,
    /// What survives a kill.
    pub(super) ledger: Row,
    /// A copy of that, of whatever age: at first of the empty one.
    pub(super) backup: Row,
    /// The daemon's memory.
    pub(super) facts: TargetFacts,
    /// What the exchange has answered, by its own log.
    pub(super) told: ReadLog,
}

/// All that belongs to one process; of the one that sees the world it stands in the world itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    account: AccountFacts,
    call: Option<Call>,
    started: Moment,
    targets: Vec<Mind>,
}

/// Two hosts of which the file names one, and the database that both write to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shared {
    /// To whom the file gives the account.
    pub(super) assigned: Who,
    /// Whether the account is this process's, and the other one's, by the file that each has read last.
    pub(super) here: bool,
    pub(super) there: bool,
    /// Who was stopped in the middle of what it does.
    pub(super) stopped: Option<Who>,
    /// When the database was last found to have lost its tail, by the exchange's clock, until that makes no difference.
    pub(super) quiet_after: Option<ServerTime>,
    /// The intents that were lost with it, for the invariants.
    pub(super) lost: Vec<(usize, ServerTime)>,
    /// Whether the next commit gets no answer, or one with a warning.
    pub(super) is_doubtful: bool,
    /// That commit, as long as nobody knows whether it was done.
    pub(super) doubt: Option<Doubt>,
}

/// A commit of which nobody knows whether it was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Doubt {
    pub(super) target: usize,
    pub(super) intent: Intent,
}

/// What a process holds of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Mind {
    ledger: Row,
    backup: Row,
    facts: TargetFacts,
    told: ReadLog,
}

/// One of the processes, as the one that sees the world calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    This,
    Other,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Odd {
    /// Nothing is.
    Nothing,
    /// It is true, and the clock of the machine that wrote it is so far ahead.
    Ahead(Duration),
    /// It was written so long before its question, when things were different.
    Old(Duration),
    /// It is the answer to another question, about an account that is flat and in the mode that the file wants here.
    Foreign,
}

/// What the ledger holds of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Row {
    /// The mode that was last live as the file wanted it, or that a set of ours made live.
    pub(super) applied: Option<Applied>,
    /// The set that is not concluded yet.
    pub(super) intent: Option<Intent>,
    /// Whether the intent's set has left. No daemon knows this after a kill; it is here for the invariants.
    pub(super) left: bool,
    /// When drift was corrected.
    pub(super) corrections: Vec<ServerTime>,
    /// The last set that seemed lost.
    pub(super) may_come_late: Option<LateSet>,
    /// How many of the last sets in a row had no clear answer and no effect.
    pub(super) lost: u32,
}

/// The exchange's log of reads, as far as their answers have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ReadLog {
    /// The mode last answered, and when that answer arrived.
    pub(super) mode: Option<(PositionMode, Moment)>,
    /// A verdict under way: when it began and how many lists were answered empty in order.
    pub(super) part: Option<(Moment, u8)>,
    /// The flat verdicts since a list was last not empty.
    pub(super) flat: Option<FlatRead>,
}

/// An unbroken run of complete flat verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FlatRead {
    /// When the first was complete.
    pub(super) first: Moment,
    /// When the last began.
    pub(super) began: Moment,
    /// When the last was complete.
    pub(super) last: Moment,
}

/// The call whose answer the keeper waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// The mode, as the exchange read it; the answer is on its way. `own`: whether it is the answer to this question.
    Mode { target: usize, asked: Moment, mode: PositionMode, server: ServerTime, own: bool },
    /// A set; `answer` is `None` until the exchange has handled it.
    Set { target: usize, stamp: ServerTime, answer: Option<SetAnswer> },
}

/// A set on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InFlightSet {
    pub(super) target: usize,
    pub(super) mode: PositionMode,
    /// The timestamp that it is signed with.
    pub(super) stamp: ServerTime,
    pub(super) by: Who,
    /// Whether the ledger of the process that sent it still knows of it.
    pub(super) known: bool,
}

/// How often each fault may still happen, and how many faults in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    /// New revisions.
    pub(super) edits: u8,
    /// New content that is not acceptable.
    pub(super) rejections: u8,
    pub(super) kills: u8,
    /// Requests or answers that get lost.
    pub(super) losses: u8,
    /// A human changes the mode at the exchange.
    pub(super) flips: u8,
    /// A position is opened.
    pub(super) opens: u8,
    /// The daemon stands still.
    pub(super) stalls: u8,
    /// The ledger is copied; this is no fault, and not counted as one.
    pub(super) backups: u8,
    /// The process is killed, and the copy of its ledger stands in the ledger's place when it starts again.
    pub(super) restores: u8,
    /// An answer's time is ahead.
    pub(super) jumps: u8,
    /// An answer is older than its question.
    pub(super) replays: u8,
    /// An answer belongs to another question.
    pub(super) strays: u8,
    /// The file gives the account to the other host.
    pub(super) hosts: u8,
    /// One of two processes is stopped while the other one goes on.
    pub(super) stops: u8,
    /// A commit gets no answer.
    pub(super) doubts: u8,
    /// The copy of the ledger takes its place while processes go on.
    pub(super) failovers: u8,
    pub(super) in_all: u8,
}

/// No fault may happen.
pub(super) const NO_FAULTS: Faults = Faults {
    edits: 0,
    rejections: 0,
    kills: 0,
    losses: 0,
    flips: 0,
    opens: 0,
    stalls: 0,
    backups: 0,
    restores: 0,
    jumps: 0,
    replays: 0,
    strays: 0,
    hosts: 0,
    stops: 0,
    doubts: 0,
    failovers: 0,
    in_all: 0,
};

impl World {
    /// Nothing has happened yet: the file wants hedge mode everywhere, and the exchange is in one-way mode.
    pub(super) fn new(targets: usize, settle: Duration, left: Faults) -> World {
        let account = Account {
            declared: Declared::Everything(PositionMode::Hedge),
            uid: None,
            host: None,
            demo: false,
            policy: Policy {
                drift: DriftPolicy::Correct,
                check_every: CHECK_EVERY,
                settle,
                suspended: None,
                windows: Windows::default(),
                require: Requirements::default(),
            },
        };
        let wanted = account.wanted(Some(PositionMode::Hedge), Generation(1));
        let side = Side {
            file: PositionMode::Hedge,
            live: PositionMode::OneWay,
            open: false,
            ledger: Row::default(),
            backup: Row::default(),
            facts: TargetFacts::new(wanted, NOW),
            told: ReadLog::default(),
        };
        World {
            now: NOW,
            account: AccountFacts::default(),
            targets: vec![side; targets],
            call: None,
            started: NOW,
            quiet: Duration::ZERO,
            beside: None,
            shared: None,
            claim: None,
            trip: ROUND_TRIP,
            odd: Odd::Nothing,
            rejected: false,
            wire: Vec::new(),
            left,
        }
    }

    /// The same with processes that send no set in the beginning.
    pub(super) fn quiet(mut self, quiet: Duration) -> World {
        self.quiet = quiet;
        self.account.quiet_until = self.started + quiet;
        self
    }

    /// The same with a second process, which began when the first one did. Looks take no time: where each of the two has its
    /// own, there is no end of the ways in which they may lie.
    pub(super) fn with_another(mut self) -> World {
        self.trip = Duration::ZERO;
        let World { account, call, started, targets, .. } = &self;
        let mind = |side: &Side| {
            let Side { file: _, live: _, open: _, ledger, backup, facts, told } = side.clone();
            Mind { ledger, backup, facts, told }
        };
        self.beside = Some(Box::new(Process {
            account: account.clone(),
            call: call.clone(),
            started: *started,
            targets: targets.iter().map(mind).collect(),
        }));
        self
    }

    /// The same with the other process on another host, with the same ledger; the account is this one's.
    pub(super) fn of_two_hosts(self) -> World {
        let mut world = self.with_another();
        world.shared = Some(Shared {
            assigned: Who::This,
            here: true,
            there: false,
            stopped: None,
            quiet_after: None,
            lost: Vec::new(),
            is_doubtful: false,
            doubt: None,
        });
        world
    }

    /// Whether the process that sees the world was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.stopped == Some(Who::This))
    }

    /// The processes that there are.
    pub(super) fn processes(&self) -> &'static [Who] {
        if self.beside.is_some() { &[Who::This, Who::Other] } else { &[Who::This] }
    }

    /// Makes it the world as the other process sees it, if there is one.
    pub(super) fn turn(&mut self) {
        let Some(beside) = &mut self.beside else { return };
        let Process { account, call, started, targets } = &mut **beside;
        swap(&mut self.account, account);
        swap(&mut self.call, call);
        swap(&mut self.started, started);
        if let Some(shared) = &mut self.shared {
            shared.assigned = shared.assigned.other();
            swap(&mut shared.here, &mut shared.there);
            shared.stopped = shared.stopped.map(Who::other);
        }
        for (side, mind) in self.targets.iter_mut().zip(targets) {
            if self.shared.is_none() {
                swap(&mut side.ledger, &mut mind.ledger);
                swap(&mut side.backup, &mut mind.backup);
            }
            swap(&mut side.facts, &mut mind.facts);
            swap(&mut side.told, &mut mind.told);
        }
        for request in &mut self.wire {
            request.by = request.by.other();
        }
        self.claim = self.claim.map(Who::other);
    }

    /// The world as one of the processes sees it.
    pub(super) fn seen_by(&self, who: Who) -> Cow<'_, World> {
        match who {
            Who::This => Cow::Borrowed(self),
            Who::Other => {
                let mut turned = self.clone();
                turned.turn();
                Cow::Owned(turned)
            }
        }
    }

    /// The reasons outside of the account that forbid sets.
    pub(super) fn brakes(&self) -> Brakes {
        // Made once, for this is asked in every state.
        static NOTHING_SAID: LazyLock<(Directives, Target)> = LazyLock::new(|| {
            let account = "a".parse().expect("an account name");
            (Directives::default(), Target { account, scope: Scope::Account })
        });
        let (directives, target) = &*NOTHING_SAID;
        let limits = Limits { max_changes: 1, exchange: self.account.clock, now: self.now };
        let brakes = directives.brakes(target, None, &limits);
        Brakes { file: self.rejected.then(String::new), ..brakes }
    }

    /// Whether a set that is on its way may still take effect, now or later.
    pub(super) fn may_take_effect(&self, request: &InFlightSet) -> bool {
        !request.is_too_old(server_at(self.now))
    }
}

impl InFlightSet {
    /// Whether the exchange takes its timestamp.
    pub(super) fn in_time(&self, server: ServerTime) -> bool {
        !self.is_too_old(server) && self.stamp.since(server) <= EXECUTED_WITHIN
    }

    /// Whether it takes it no more.
    pub(super) fn is_too_old(&self, server: ServerTime) -> bool {
        server.since(self.stamp) > EXECUTED_WITHIN
    }
}

impl Who {
    pub(super) fn other(self) -> Who {
        match self {
            Who::This => Who::Other,
            Who::Other => Who::This,
        }
    }
}

/// The exchange's time at a moment of ours.
pub(super) fn server_at(moment: Moment) -> ServerTime {
    ServerTime((moment + AHEAD).0)
}

/// An applied mode. A real ledger holds other values beside the mode; no decision depends on them.
pub(super) fn applied(mode: PositionMode) -> Applied {
    Applied { mode, how: How::Set, at: server_at(NOW), generation: Generation(1) }
}

/// A new intent, whose stamp may be so much off; its number makes no difference here.
pub(super) fn intent(change: Change, stamp: ServerTime, at: Moment, doubt: Duration) -> Intent {
    let (own_fence, state) = (Some(at + FENCE + doubt), IntentState::Noted { at });
    Intent { id: IntentId(1), change, generation: Generation(1), stamp, own_fence, state }
}
