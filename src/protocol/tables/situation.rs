//! A situation for a row of a table: a classic account with `hedge_mode` in the file and `one_way_mode` live, no
//! applied mode, and no list read yet. Each method changes one thing. Decides nothing.

use std::time::Duration;

use crate::constants::FENCE;
use crate::facts::{
    AccountFacts, Applied, Brakes, Class, DriftPolicy, Facts, Failing, Failure, FlatSpan, Flatness,
    Generation, HeldPlan, HostReading, How, Identity, Intent, IntentId, IntentState, LateSet, LedgerTrouble,
    List, Pause, Policy, Reading, Refusals, Requirement, Requirements, Seen, ServerClock, TargetFacts,
    Wanted,
};
use crate::facts::{Cause, Change, Elsewhere};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Declared, Kind, PositionMode, Uid};
use crate::window::{Opens, Window, Windows, Zone};

/// The mode that the file wants.
pub(super) const WANTED: PositionMode = PositionMode::Hedge;
/// The other one, which is live at first.
pub(super) const OTHER: PositionMode = PositionMode::OneWay;
/// The exchange's time minus ours, in milliseconds.
pub(super) const OFFSET: i64 = 700;

#[derive(Debug, Clone)]
pub(super) struct Situation {
    pub(super) account: AccountFacts,
    pub(super) brakes: Brakes,
    pub(super) target: TargetFacts,
    pub(super) now: Moment,
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn minutes(count: u64) -> Duration {
    seconds(count * 60)
}

pub(super) fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

pub(super) fn failure(class: Class) -> Failure {
    Failure { class, code: Some("12345".to_owned()), say: "It failed.".to_owned() }
}

pub(super) fn server(at: Moment) -> ServerTime {
    ServerTime(at.0 + OFFSET)
}

/// A window in UTC, where the situation's time is 08:00:00.7.
pub(super) fn window(name: &str, opens: &str, lasts: Duration) -> Window {
    let (opens, time_zone) = (Opens::read(opens).unwrap(), Zone::named("UTC").unwrap());
    Window { name: name.parse().unwrap(), opens, lasts, time_zone }
}

/// The requirement that a unit does not run.
pub(super) fn required() -> Requirements {
    Requirements([Requirement::UnitInactive("arb.service".to_owned())].into())
}

/// Live differs from the file and was read a second ago.
pub(super) fn situation() -> Situation {
    let now = Moment(1_800_000_000_000);
    let wanted = Wanted {
        mode: Some(WANTED),
        generation: Generation(2),
        policy: Policy {
            drift: DriftPolicy::Correct,
            check_every: minutes(1),
            settle: minutes(5),
            suspended: None,
            windows: Windows::default(),
            require: Requirements::default(),
        },
    };
    let account = AccountFacts {
        kind: Some(Kind::Classic),
        identity: Some(Identity {
            uid: Some(Uid("42".to_owned())),
            kind: Kind::Classic,
            uid_right: "read",
            warnings: Vec::new(),
            at: now - minutes(10),
        }),
        clock: Some(ServerClock {
            offset: OFFSET,
            doubt: Duration::from_millis(50),
            measured: now - seconds(1),
        }),
        ..AccountFacts::default()
    };
    let target = TargetFacts::new(wanted, now - minutes(10));
    Situation { account, brakes: Brakes::default(), target, now }.live(OTHER, seconds(1))
}

/// Wants a change, and its mode was read just now.
pub(super) fn begun() -> Situation {
    situation().live(OTHER, seconds(0))
}

/// A noted set that is ready to be sent.
pub(super) fn noted(ago: Duration) -> Situation {
    situation().flat_for(minutes(9), seconds(1)).noted(ago)
}

/// Nothing but the brake under test keeps the set from leaving.
pub(super) fn ready() -> Situation {
    situation().applied(OTHER).flat_for(minutes(9), seconds(1))
}

impl Situation {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { account: &self.account, brakes: &self.brakes, target: &self.target }
    }

    /// The last read, `ago` before now, returned this mode; it took no time.
    pub(super) fn live(mut self, mode: PositionMode, ago: Duration) -> Self {
        let at = self.now - ago;
        self.target.seen = Some(Seen { mode, asked: at, answered: at, server: server(at) });
        self
    }

    /// Another account's credential file holds the same key.
    pub(super) fn shares_its_key(mut self) -> Self {
        self.account.shared_key = Some("The files a and b hold the same key.".to_owned());
        self
    }

    pub(super) fn never_seen(mut self) -> Self {
        self.target.seen = None;
        self
    }

    pub(super) fn applied(mut self, mode: PositionMode) -> Self {
        let at = server(self.now - hours(1));
        self.target.applied = Some(Applied { mode, how: How::Set, at, generation: Generation(1) });
        self
    }

    pub(super) fn drift(mut self, policy: DriftPolicy) -> Self {
        self.target.wanted.policy.drift = policy;
        self
    }

    pub(super) fn check_every(mut self, interval: Duration) -> Self {
        self.target.wanted.policy.check_every = interval;
        self
    }

    pub(super) fn settle(mut self, settle: Duration) -> Self {
        self.target.wanted.policy.settle = settle;
        self
    }

    pub(super) fn wants(mut self, mode: Option<PositionMode>) -> Self {
        self.target.wanted.mode = mode;
        self
    }

    pub(super) fn suspended(mut self) -> Self {
        self.target.wanted.policy.suspended = Some("until the risk review is done".to_owned());
        self
    }

    pub(super) fn windows(mut self, windows: &[Window]) -> Self {
        self.target.wanted.policy.windows = Windows(windows.into());
        self
    }

    pub(super) fn requires(mut self) -> Self {
        self.target.wanted.policy.require = required();
        self
    }

    /// The host was checked `ago` before now, with these requirements unmet.
    pub(super) fn host(mut self, unmet: &[&str], ago: Duration) -> Self {
        let unmet = unmet.iter().map(|what| (*what).to_owned()).collect();
        let (generation, asked) = (self.target.wanted.generation, self.now - ago);
        self.account.host = Some(HostReading { generation, asked, unmet });
        self
    }

    /// A newer revision with no other difference.
    pub(super) fn newer_revision(mut self) -> Self {
        self.target.wanted.generation = Generation(3);
        self
    }

    pub(super) fn paused(mut self, ends_in: Option<Duration>) -> Self {
        let until = ends_in.map(|span| server(self.now + span));
        self.brakes.paused =
            Some(Pause { account: None, reason: "maintenance".to_owned(), who: None, lasts: ends_in, until });
        self
    }

    /// Who paused it.
    pub(super) fn by(mut self, who: &str) -> Self {
        self.brakes.paused.as_mut().unwrap().who = Some(who.to_owned());
        self
    }

    pub(super) fn quiet(mut self, ends_in: Duration) -> Self {
        self.account.quiet_until = self.now + ends_in;
        self
    }

    pub(super) fn bad_file(mut self) -> Self {
        self.brakes.file = Some("line 3, column 5: unknown key `acounts`.".to_owned());
        self
    }

    pub(super) fn ledger_trouble(mut self, retried_in: Duration) -> Self {
        let say = "The ledger cannot be written, the disk is full: make room.".to_owned();
        self.brakes.ledger = Some(LedgerTrouble { say, retry_at: self.now + retried_in });
        self
    }

    pub(super) fn ledger_away(mut self) -> Self {
        self.account.ledger_away =
            Some("The ledger's database cannot be reached since 05:20:11Z: nothing is read.".to_owned());
        self
    }

    pub(super) fn none_left(mut self, frees_in: Option<Duration>, plan: Option<&str>) -> Self {
        self.brakes.guard.left = 0;
        self.brakes.guard.frees_at = frees_in.map(|span| self.now + span);
        self.planned(plan)
    }

    pub(super) fn planned(mut self, plan: Option<&str>) -> Self {
        self.brakes.guard.plan = plan.map(|hash| HeldPlan { hash: hash.to_owned(), changes: 1 });
        self
    }

    pub(super) fn approved(mut self) -> Self {
        self.brakes.guard.approved = true;
        self
    }

    /// A set left under its approval and had no effect.
    pub(super) fn tried(mut self) -> Self {
        self.brakes.guard.tried = true;
        self
    }

    pub(super) fn corrected(mut self, ago: &[Duration]) -> Self {
        self.target.corrections = ago.iter().map(|span| server(self.now - *span)).collect();
        self
    }

    /// One list was read `ago` before now.
    pub(super) fn list(mut self, list: List, count: u32, ago: Duration) -> Self {
        let at = self.now - ago;
        self.target.flatness.read(list, Reading { count, asked: at, answered: at });
        self
    }

    /// Every verdict of the last `span` was flat; the newest one is `ago` old.
    pub(super) fn flat_for(mut self, span: Duration, ago: Duration) -> Self {
        let (since, newest) = (self.now - span, self.now - ago);
        let reading = Some(Reading { count: 0, asked: newest, answered: newest });
        self.target.flatness = Flatness {
            plan_orders: reading,
            orders: reading,
            positions: reading,
            newest: Some(newest),
            in_progress: None,
            too_slow: None,
            flat_span: Some(FlatSpan { since, newest, kept: newest }),
            wait: None,
        };
        self
    }

    pub(super) fn refused_though_flat(mut self, count: u32, ago: Duration) -> Self {
        self.target.refused_though_flat = Some(Refusals { count, last: self.now - ago, waits: true });
        self
    }

    /// A set that asks for what the file wants, with a timestamp `ago` old and in this state.
    pub(super) fn intent(mut self, ago: Duration, state: IntentState) -> Self {
        let stamp = server(self.now - ago);
        let change = Change { from: OTHER, to: WANTED, cause: Cause::New };
        let own_fence = Some(self.now - ago + FENCE);
        self.target.intent =
            Some(Intent { id: IntentId(7), change, generation: Generation(2), stamp, own_fence, state });
        self
    }

    pub(super) fn noted(self, ago: Duration) -> Self {
        let at = self.now - ago;
        self.intent(ago, IntentState::Noted { at })
    }

    pub(super) fn accepted(self, ago: Duration) -> Self {
        let at = self.now - ago;
        self.intent(ago, IntentState::Accepted { at })
    }

    pub(super) fn unclear(self, ago: Duration) -> Self {
        self.intent(ago, IntentState::Unclear(failure(Class::TryAgain)))
    }

    /// A set that seemed lost asked for this mode `ago` before now.
    pub(super) fn lost(mut self, mode: PositionMode, ago: Duration) -> Self {
        let stamp = server(self.now - ago);
        let (id, cause, generation) = (IntentId(5), Cause::New, Generation(1));
        self.target.may_come_late = Some(LateSet { id, mode, cause, stamp, generation });
        self
    }

    /// So many sets in a row had no clear answer and no effect; the last one's fence was over `ago` before now.
    pub(super) fn lost_sets(mut self, tries: u32, class: Class, ago: Duration) -> Self {
        self.target.lost = Some(Failing { tries, ..self.failing(class, ago) });
        self
    }

    pub(super) fn account_failing(mut self, class: Class, ago: Duration) -> Self {
        self.account.failing = Some(self.failing(class, ago));
        self
    }

    pub(super) fn target_failing(mut self, class: Class, ago: Duration) -> Self {
        self.target.failing = Some(self.failing(class, ago));
        self
    }

    pub(super) fn set_refused(mut self, class: Class, ago: Duration) -> Self {
        self.target.set_refused = Some(self.failing(class, ago));
        self
    }

    fn failing(&self, class: Class, ago: Duration) -> Failing {
        Failing::after(None, failure(class), self.now - ago, Jitter(1000))
    }

    pub(super) fn kind(mut self, kind: Option<Kind>) -> Self {
        let at = self.now - minutes(5);
        self.account.kind = kind;
        self.account.identity =
            kind.map(|kind| Identity { uid: None, kind, uid_right: "read", warnings: Vec::new(), at });
        self
    }

    /// A unified account that cannot have the modes that the file declares.
    pub(super) fn unsatisfiable(mut self, declared: Declared) -> Self {
        self.target.wanted.mode = None;
        self.account.unsatisfiable = Some(declared);
        self.kind(Some(Kind::Unified))
    }

    /// A set of a removed target was signed `ago` before now, and its outcome is unknown.
    pub(super) fn gone(mut self, ago: Duration) -> Self {
        self.account.orphaned_set_at = Some(server(self.now - ago));
        self
    }

    pub(super) fn elsewhere(mut self) -> Self {
        self.account.elsewhere = Some(Elsewhere { host: "trade-02".to_owned(), here: "trade-01".to_owned() });
        self
    }

    pub(super) fn wrong_account(mut self) -> Self {
        self.account.wrong =
            Some("The key belongs to account 7, the ledger knows 42: use the right key.".to_owned());
        self
    }

    pub(super) fn no_credential(mut self) -> Self {
        self.account.credential =
            Some("There is no file desk-main in the credentials: put one there.".to_owned());
        self
    }

    pub(super) fn with_copied_keys(mut self) -> Self {
        self.account.keys_are_copies = true;
        self
    }

    pub(super) fn clock(mut self, clock: Option<ServerClock>) -> Self {
        self.account.clock = clock;
        self
    }

    pub(super) fn refreshed(mut self) -> Self {
        self.target.refresh(self.now);
        self
    }

    pub(super) fn looked_for_again(mut self) -> Self {
        self.target.look_again(self.now);
        self
    }
}
