//! The intervals and bounds that protocol, exchange and ledger go by, each with its reason. Values only, no decisions.

use std::time::Duration;

/// How often the file is read in any case: changes are found by this polling; inotify only makes it faster.
pub const FILE_POLL: Duration = Duration::from_secs(10);
/// Two reads at least this far apart must agree before new bytes are accepted: a writer in place is seldom slower.
pub const FILE_SETTLE: Duration = Duration::from_millis(200);
/// How long a new content may wait to be believed before it is said since when the file is being written: a writer that
/// takes longer has stopped half-way.
pub const FILE_WRITTEN: Duration = Duration::from_secs(30);

/// How often open orders are read while they are waited for, and how soon a verdict that came too late is tried again.
pub const WAITING_LOOK: Duration = Duration::from_secs(10);
/// How often positions are read while one is open: whoever has just closed the last one waits for the change.
pub const OPEN_POSITION_LOOK: Duration = Duration::from_secs(2);
/// What is open is looked at after each further such part of the wait, if that is longer: who waits long can wait a little
/// longer.
pub const OPEN_PART: u32 = 60;
/// The longest interval between looks at what is open.
pub const OPEN_LOOK_LONGEST: Duration = Duration::from_secs(30);
/// While a target settles its positions are read after each such part of `settle`, within these bounds: an order that
/// comes and goes unseen is no harm, but a position changes what a flip would do.
pub const SETTLING_PART: u32 = 10;
/// The shortest interval between such looks.
pub const SETTLING_LOOK: Duration = Duration::from_secs(10);
/// The longest interval between such looks; well below `FLATNESS_IS_KNOWN_FOR`.
pub const SETTLING_LOOK_LONGEST: Duration = Duration::from_secs(120);
/// The greatest age of a flat verdict when the set is sent: after that a strategy may have become active again.
pub const VERDICT_AGE: Duration = Duration::from_secs(5);
/// How long a check of the host may take: it comes between a verdict and its set, and a verdict soon expires.
pub const HOST_LOOK: Duration = Duration::from_secs(2);
/// A live mode read more than this many `check_every` ago counts as unknown.
pub const LIVE_IS_KNOWN_FOR: u32 = 3;
/// A gap between readings longer than this, or than `LIVE_IS_KNOWN_FOR` times `check_every` if that is longer, ends a
/// run of flat verdicts: whatever happened in the gap went unseen.
pub const FLATNESS_IS_KNOWN_FOR: Duration = Duration::from_secs(300);

/// How long connecting may take: a slower connection is unusable.
pub const HTTP_CONNECT: Duration = Duration::from_secs(4);
/// How long one whole attempt may take. The exchange answers in tens of milliseconds.
pub const HTTP_TOTAL: Duration = Duration::from_secs(10);
/// An HTTP/2 connection idle for longer is not used again: the other side may be closing it just as a set is sent.
pub const HTTP_IDLE: Duration = Duration::from_secs(15);
/// An HTTP/2 connection with open requests that has been silent for this long is pinged: all accounts share it, and one
/// that the network has forgotten would blind them all without end.
pub const HTTP_PING: Duration = Duration::from_secs(4);
/// How long a ping's answer may take before the connection is given up. Both together are less than `HTTP_TOTAL`, so
/// that a request ends together with its dead connection, and the next one finds a new one.
pub const HTTP_PONG: Duration = Duration::from_secs(4);
/// How long a call waits where a limit of the exchange leaves it no permit: whoever has to wait longer is told until when,
/// and can do something else meanwhile.
pub const PERMIT_WAIT: Duration = Duration::from_secs(2);
/// The most bytes of an answer that are read: a full page of 100 orders is some 100 KB.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// The most pages of a list that are read: with 2,000 orders the account is not flat, whatever else is there.
pub const PAGES: usize = 20;
/// The most letters of the exchange's message that are shown to an operator.
pub const MESSAGE_SHOWN: usize = 200;
/// By how much an answer may be older than its question by the exchange's own clock, beyond the doubt about that clock:
/// the machines that answer need not agree to the millisecond.
pub const ANSWER_OLDER: Duration = Duration::from_secs(1);

/// How long reads may take to confirm an accepted set before its outcome counts as unknown.
pub const CONFIRMING: Duration = Duration::from_secs(10);
/// How far apart confirming reads are.
pub const CONFIRMING_LOOK: Duration = Duration::from_secs(1);
/// A noted set that was not sent within this time is withdrawn: its verdict and its timestamp have aged.
pub const SEND_WITHIN: Duration = Duration::from_secs(5);
/// This long after its timestamp, by the exchange's clock, an unanswered set can no longer take effect: the exchange
/// refuses timestamps off by more than 30 s, and 5 s are margin.
pub const FENCE: Duration = Duration::from_secs(35);
/// How long a new process sends no set, whatever its ledger says: as long as one of an earlier process, which it may know
/// nothing of, could still take effect. The fence, the doubt about the clock that it was signed by, and 1 s. So long, too, it
/// must have known of a set before an operator may close it.
pub const QUIET: Duration = Duration::from_secs(41);
/// How much earlier than its timestamp, by its clock, the exchange takes a request.
pub const STAMP_ACCEPTED: Duration = Duration::from_secs(30);
/// How long the exchange's time and the mode are asked for to close a set: whoever asked for that waits for the answer.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// How long after its timestamp a set that seemed lost is still recognised as ours when its mode shows up.
pub const LATE_EFFECT: Duration = Duration::from_secs(24 * 3600);

/// The first wait after a failed look; it doubles from here, with full jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// The longest such wait.
pub const BACKOFF_LONGEST: Duration = Duration::from_secs(300);
/// How often a problem that a human must fix is checked again.
pub const HUMAN_LOOK: Duration = Duration::from_secs(15 * 60);
/// After so long without an answer it is not expected to pass by itself: as the alert `PosmodedUnreachable` has it.
pub const UNREACHABLE_FOR_LONG: Duration = Duration::from_secs(15 * 60);
/// After so long a set without a clear answer has not ended by itself: as the alert `PosmodedOutcomeUnknown` has it.
pub const OUTCOME_UNKNOWN_FOR_LONG: Duration = Duration::from_secs(5 * 60);
/// After so long a change under way is stuck: as the alert `PosmodedStuck` has it.
pub const STUCK: Duration = Duration::from_secs(10 * 60);
/// How often a key is tried again that another process on this host has claimed.
pub const KEY_TAKEN_LOOK: Duration = Duration::from_secs(60);
/// How often an account under conversion is read again.
pub const CONVERTING_LOOK: Duration = Duration::from_secs(60);
/// How often it is seen whose key it is, and with which rights.
pub const OWNER_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often it is tried to see the owner before a set where that is no obstacle: a call that is busy for some seconds is
/// waited for, one that is not there for this key is not.
pub const OWNER_TRIES: u32 = 3;
/// The first wait after a code that is in no table, and after a set without a clear answer and without effect: nobody knows
/// what would help, and a human may have to look. It doubles from here.
pub const UNKNOWN_FIRST: Duration = Duration::from_secs(60);
/// The longest such wait: less than a hundred sets a day.
pub const UNKNOWN_LONGEST: Duration = Duration::from_secs(15 * 60);
/// The waits before the next try when the exchange says "not flat" although every list is empty; the last one repeats.
pub const REFUSED_THOUGH_FLAT: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];

/// The first cool-down of a lane after a 429; it doubles from here.
pub const COOL_DOWN_FIRST: Duration = Duration::from_secs(5);
/// The longest cool-down: strategies that poll at the documented rate cause occasional 429s, but not for long.
pub const COOL_DOWN_LONGEST: Duration = Duration::from_secs(60);
/// After a 429 the exchange's time is requested, because only this host's address limits that call; at most this often.
pub const WITNESS_EVERY: Duration = Duration::from_secs(10);
/// The first rest of all requests if that call gets a 429, too; it doubles from here until the call is answered.
pub const ADDRESS_REST_FIRST: Duration = Duration::from_secs(10);
/// The longest such rest: the exchange mentions five minutes, and one call a minute shows when they are over.
pub const ADDRESS_REST_LONGEST: Duration = Duration::from_secs(60);
/// A permit is free again this long after the answer, so that the limit holds in every sliding second.
pub const PERMIT_BACK: Duration = Duration::from_secs(1);
/// The same for an unanswered request, from its timestamp: it may count until that is refused (30 s), and 1 s more.
pub const PERMIT_BACK_UNANSWERED: Duration = Duration::from_secs(31);
/// The most sets a second of one account: the faster of the two setters allows ten, but more than this is never needed.
pub const SETS_PER_SECOND: usize = 5;
/// How long a new process sends no request at all: the process before it may just have used up the limits.
pub const QUIET_START: Duration = Duration::from_secs(1);
/// If the exchange reports fewer requests left than this, back off for a second: the strategies need them.
pub const REMAINING_FLOOR: u32 = 2;
/// The default budget of this process, in requests a second, and its burst: a third of the 6,000 a minute that the exchange
/// allows an address, so that the strategies keep two thirds; and the least with which fifty accounts that wait for a
/// position and two hundred that are watched are all looked at when they are due.
pub const REQUESTS_PER_SECOND: u32 = 30;

/// The most doubt about the exchange's clock with which sets are sent: a timestamp may be off by 30 s at most.
pub const CLOCK_DOUBT: Duration = Duration::from_secs(5);
/// Beyond their doubts two readings of the exchange's clock may differ by so much: more is a jump, which counts only if
/// the call for the time and the answers to signed questions say the same.
pub const CLOCK_JUMP: Duration = Duration::from_secs(2);
/// How far apart those two may be: an hour later they would be two faults.
pub const CLOCK_JUMP_WITNESSED: Duration = Duration::from_secs(60);
/// How fast the doubt about a clock reading grows, in parts per million: two crystals may drift apart by so much.
pub const CLOCK_DRIFT_PER_MILLION: u32 = 200;

/// A suspend of the machine at least so long is noticed: nothing that was seen before it is believed after it. A shorter one
/// is a delay like others.
pub const SUSPEND_NOTICED: Duration = Duration::from_secs(1);

/// The hour in which at most `max_changes` sets leave.
pub const CHANGES_WINDOW: Duration = Duration::from_secs(3600);
/// Three corrections within this time are a fight. A widely used bot sets its mode again every hour.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How many corrections of one target within that time make a fight.
pub const FIGHT: usize = 3;
/// How long a held plan may be approved, and how long its approval lasts.
pub const APPROVAL: Duration = Duration::from_secs(24 * 3600);

/// How often a plan that stays held is recorded again, so that there is always one that may be approved.
pub const HELD_AGAIN: Duration = Duration::from_secs(3600);

/// How often the ledger is checked for a pause, a resume or an approval written by a command.
pub const LEDGER_POLL: Duration = Duration::from_secs(1);
/// How long a command waits for the daemon to acknowledge.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// How often a ledger that could not be written is tried again: a full disk is seldom emptied faster.
pub const LEDGER_RETRY: Duration = Duration::from_secs(5);
/// How long a ledger on a server may be silent before nothing is asked of the exchange any more: the account may be another
/// host's by then, and two of them must not share its limits.
pub const LEDGER_AWAY: Duration = Duration::from_secs(10);
/// How long `close-intent` waits for it: longer than `CLOSE_WITHIN`, so that the daemon's own answer comes first.
pub const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// How long events stay in the ledger.
pub const EVENTS_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// How long it stays in the ledger when a daemon ran and what it did not know: 30 days are drawn.
pub const WATCHED_KEPT: Duration = Duration::from_secs(40 * 24 * 3600);
/// How often a running daemon marks that it does: after a kill that much of it is lost.
pub const MARK_EVERY: Duration = Duration::from_secs(60);
/// A shorter time in which the state of a target was unknown is not kept: that of each set, and of the first look after a start.
pub const UNKNOWN_KEPT: Duration = Duration::from_secs(60);

/// The longest that one look takes unless something is wrong: many pages, each after a wait and a slow answer.
pub const LONGEST_LOOK: Duration = Duration::from_secs(180);
/// How often a keeper that does not rest publishes its progress, so that the status does not show outdated facts.
pub const SHOWN_EVERY: Duration = Duration::from_secs(5);
/// How late a keeper's promised report may be before the watchdog is no longer notified.
pub const KEEPER_LATE: Duration = Duration::from_secs(60);
/// How long the set under way may take after SIGTERM.
pub const STOPPING: Duration = Duration::from_secs(10);
