//! Every interval and bound of the product in one table, each with its reason. Values only, no decisions.

use std::time::Duration;

/// How often the file is read even if nothing said that it changed: the mechanism; inotify only makes it fast.
pub const FILE_POLL: Duration = Duration::from_secs(10);
/// Two reads this far apart must agree before new bytes are believed: a writer in place is seldom slower.
pub const FILE_SETTLE: Duration = Duration::from_millis(200);

/// How often a target that waits for flatness is looked at: a desk that closes its last order waits for no more.
pub const WAITING_LOOK: Duration = Duration::from_secs(10);
/// While a position is open one cheap call is enough, so it may come more often.
pub const OPEN_POSITION_LOOK: Duration = Duration::from_secs(2);
/// A flat verdict older than this when the set leaves says too little: a strategy may have come back.
pub const VERDICT_AGE: Duration = Duration::from_secs(5);
/// How long a look at the host may take: it comes between a verdict and its set, and a verdict soon says too little.
pub const HOST_LOOK: Duration = Duration::from_secs(2);
/// A live value older than this many `check_every` is no longer called known.
pub const LIVE_IS_KNOWN_FOR: u32 = 3;
/// A run of flat verdicts is broken by a gap of so long, or of so many `check_every` if that is longer: whatever happened
/// in it went unseen.
pub const FLATNESS_IS_KNOWN_FOR: Duration = Duration::from_secs(300);

/// A refused connection shows within this; a slower one is as good as none.
pub const HTTP_CONNECT: Duration = Duration::from_secs(4);
/// The whole of one attempt. The exchange answers in tens of milliseconds.
pub const HTTP_TOTAL: Duration = Duration::from_secs(10);
/// A connection idle for longer is not used again: the other side may be closing it just as a set leaves.
pub const HTTP_IDLE: Duration = Duration::from_secs(15);
/// How long a call waits for its own permit before it says busy: longer would hide the wait.
pub const PERMIT_WAIT: Duration = Duration::from_secs(2);
/// The most of an answer that is read: a full page of 100 orders is some 100 KB.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// The most pages of a list that are read: 2,000 orders are as far from flat as any more.
pub const PAGES: usize = 20;
/// The most of an answer that is shown to an operator.
pub const BODY_SHOWN: usize = 512;

/// How long a success is looked for in reads before its outcome is called unknown.
pub const CONFIRMING: Duration = Duration::from_secs(10);
/// How far apart confirming reads are.
pub const CONFIRMING_LOOK: Duration = Duration::from_secs(1);
/// A noted set that has not left by then is withdrawn: its verdict and its timestamp have aged.
pub const SEND_WITHIN: Duration = Duration::from_secs(5);
/// After this much server time an unanswered set can no longer take effect: the exchange refuses timestamps off by more
/// than 30 s, and 5 s are margin.
pub const FENCE: Duration = Duration::from_secs(35);
/// How much later than its fence a set that seemed lost is still recognised as ours when its mode shows up.
pub const LATE_EFFECT: Duration = Duration::from_secs(24 * 3600);

/// The first wait after a failed look; it doubles from here, with full jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// The longest such wait.
pub const BACKOFF_LONGEST: Duration = Duration::from_secs(300);
/// What a human must mend is looked at again this often.
pub const HUMAN_LOOK: Duration = Duration::from_secs(15 * 60);
/// An account under conversion is looked at again this often.
pub const CONVERTING_LOOK: Duration = Duration::from_secs(60);
/// A code that is in no table: asked again slowly.
pub const UNKNOWN_CODE_LOOK: Duration = Duration::from_secs(300);
/// The exchange says "not flat" though every list is empty: the waits before the next try, the last one repeated.
pub const REFUSED_THOUGH_FLAT: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];

/// The first cool-down of a lane after a 429; it doubles from here.
pub const COOL_DOWN_FIRST: Duration = Duration::from_secs(5);
/// The longest cool-down: strategies that poll at the documented rate make a 429 now and then, and not for long.
pub const COOL_DOWN_LONGEST: Duration = Duration::from_secs(60);
/// After a 429 the exchange's time is asked, for that call has this host's address as its only limit; at most this often.
pub const WITNESS_EVERY: Duration = Duration::from_secs(10);
/// The first rest of everything after a 429 to that call, too; it doubles from here until the call is answered.
pub const ADDRESS_REST_FIRST: Duration = Duration::from_secs(10);
/// The longest such rest: the exchange speaks of five minutes, and one call a minute finds out when they are over.
pub const ADDRESS_REST_LONGEST: Duration = Duration::from_secs(60);
/// A permit comes back this long after the answer, so that every sliding second holds.
pub const PERMIT_BACK: Duration = Duration::from_secs(1);
/// The permit of an unanswered request: it may count until its timestamp is refused (30 s), and one second after.
pub const PERMIT_BACK_UNANSWERED: Duration = Duration::from_secs(31);
/// Sets a second of one account, whatever its setter would bear: the faster one lets through ten, and nothing needs them.
pub const SETS_PER_SECOND: usize = 5;
/// No request in the first second of a process: the one before it may just have used the limits up.
pub const QUIET_START: Duration = Duration::from_secs(1);
/// Fewer requests left than this in the exchange's own count: back off for a second, the strategies need them.
pub const REMAINING_FLOOR: u32 = 2;
/// Requests a second of this process, unless told otherwise: the exchange's 100 a second per IP are the strategies'.
pub const REQUESTS_PER_SECOND: u32 = 10;

/// More doubt about the exchange's clock than this: no sets, for a timestamp may be off by 30 s at most.
pub const CLOCK_DOUBT: Duration = Duration::from_secs(20);
/// What a clock reading loses a second: two crystals may drift apart by 200 parts in a million.
pub const CLOCK_DRIFT_PER_MILLION: u32 = 200;

/// The hour in which at most `max_changes` sets leave.
pub const CHANGES_WINDOW: Duration = Duration::from_secs(3600);
/// Three corrections within this time are a fight. A widely used bot sets its mode again every hour.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// So many corrections of one target make a fight.
pub const FIGHT: usize = 3;
/// A held plan may be approved for so long, and its approval lasts so long.
pub const APPROVAL: Duration = Duration::from_secs(24 * 3600);

/// A plan that stays held is written down again this often, so that there is always one that may be approved.
pub const HELD_AGAIN: Duration = Duration::from_secs(3600);

/// How often the ledger is asked whether a command wrote a pause, a resume or an approval.
pub const LEDGER_POLL: Duration = Duration::from_secs(1);
/// How long a command waits for the daemon to acknowledge.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// A ledger that could not be written is tried again this often: a full disk is seldom emptied faster.
pub const LEDGER_RETRY: Duration = Duration::from_secs(5);
/// How long events are kept.
pub const EVENTS_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The longest that one look takes unless something is wrong: many pages, each after a wait and a slow answer.
pub const LONGEST_LOOK: Duration = Duration::from_secs(180);
/// A keeper that does not rest shows this often how far it has come: nobody shall take an old word for a new one.
pub const SHOWN_EVERY: Duration = Duration::from_secs(5);
/// What a keeper may be over the time it promised to be heard of by, before the watchdog is told nothing.
pub const KEEPER_LATE: Duration = Duration::from_secs(60);
/// After SIGTERM the set under way gets this long.
pub const STOPPING: Duration = Duration::from_secs(10);
