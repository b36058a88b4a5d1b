//! Why a target is not in sync, or not changed yet: all reasons that apply, which one wins, and what each says.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use super::backoff::{retry_at, retry_though_flat};
use super::{cause, gone_ends, host_shown, is_unmet, is_window_open};
use crate::constants::{
    CLOCK_DOUBT, CONFIRMING, FENCE, FIGHT, FIGHT_WINDOW, LIVE_IS_KNOWN_FOR, VERDICT_AGE, WAITING_LOOK,
};
use crate::facts::{Cause, Class, DriftPolicy, Facts, Failing, Flatness, Intent, IntentState, TargetFacts};
use crate::moment::{Moment, ServerTime, spell};
use crate::position_mode::Declared;
use crate::window::Opening;

/// Where a target stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Live equals desired.
    InSync,
    /// First contact, and live differs.
    New,
    /// The file changed and live did not follow yet.
    Pending,
    /// The exchange was changed behind us.
    Drifted,
    /// The live mode is not known, was not heard of for too long, or a set under way may yet change it.
    Unknown,
}

/// What stands between a target and "in sync". The first of these that applies is the one to show: what needs a human
/// comes before what passes by itself.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The task that looks after the account failed; it is started again.
    Crashed,
    /// An answer that nobody foresaw.
    Unexpected,
    /// The file gives the account to another host.
    Elsewhere,
    /// The key belongs to another account than it should.
    WrongAccount,
    /// There is no usable key.
    Credential,
    /// A right is missing, or our address is not on the key's list.
    Denied,
    /// The exchange refuses this for this account.
    Refused,
    /// An account of this kind cannot have what the file says.
    Unsatisfiable,
    /// Whether it is a classic or a unified account is not known.
    KindUnknown,
    /// The exchange is converting the account.
    Converting,
    /// The exchange does not answer, or not well.
    Unreachable,
    /// The exchange's time is not known well enough.
    Clock,
    /// Nothing can be written down, so nothing is sent.
    Ledger,
    /// A set was sent and nobody knows yet what became of it.
    OutcomeUnknown,
    /// A set was accepted and is being looked for in reads.
    Verifying,
    /// A limit is used up.
    RateLimited,
    /// The file suspends it.
    Suspended,
    /// An operator paused it.
    Paused,
    /// The newest content of the file is not acceptable.
    File,
    /// More changes are wanted than may leave in an hour.
    Held,
    /// Somebody keeps changing the mode back.
    Fighting,
    /// The file asks for a report, not for a correction.
    Reported,
    /// No change window is open.
    Window,
    /// The host is not as the file requires.
    Requirement,
    /// Something is open.
    NotFlat,
    /// The exchange says that something is open, and no list shows it.
    RefusedThoughFlat,
    /// Flat, but not for long enough yet.
    Settling,
    /// A set is on its way.
    Acting,
}

/// What is said of an account whose keeper failed.
pub const CRASHED: &str = "The task that looks after this account failed and is started again; please report the \
                           lines around it in the log.";

/// A set of reasons; the first is the one to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reasons(u32);

/// Where the target stands at `now`. Live as desired is in sync only once no set that was sent may still take effect.
pub fn state(facts: &Facts<'_>, now: Moment) -> State {
    if facts.account.elsewhere.is_some() {
        return State::Unknown;
    }
    let target = facts.target;
    let known_for = target.wanted.check_every * LIVE_IS_KNOWN_FOR;
    let seen = target.seen.filter(|seen| now.since(seen.answered) <= known_for);
    match (seen, target.wanted.mode) {
        (Some(seen), Some(desired)) if seen.mode == desired => {
            let may_change = target.intent.as_ref().is_some_and(may_still_act) || gone_ends(facts).is_some();
            if may_change { State::Unknown } else { State::InSync }
        }
        (Some(_), Some(desired)) => match cause(facts, desired) {
            Cause::New => State::New,
            Cause::Pending => State::Pending,
            Cause::Drift => State::Drifted,
        },
        (Some(_) | None, Some(_) | None) => State::Unknown,
    }
}

/// Whether the set was sent and its end is not known.
fn may_still_act(intent: &Intent) -> bool {
    match intent.state {
        IntentState::Noted { .. } | IntentState::Refused(_) => false,
        IntentState::Accepted { .. } | IntentState::Unclear => true,
    }
}

/// All that applies at `now`. Empty only for a target in sync.
pub fn reasons(facts: &Facts<'_>, now: Moment) -> Reasons {
    if facts.account.elsewhere.is_some() {
        // What else there may be is the other host's to say.
        return Reasons::from_iter([Reason::Elsewhere]);
    }
    let target = facts.target;
    let mut all = of_the_account(facts, now);
    if let Some(failing) = &target.failing {
        all.add(of_failure(failing));
    }
    if let Some(intent) = &target.intent {
        all.add(match intent.state {
            IntentState::Noted { .. } | IntentState::Refused(_) => Reason::Acting,
            IntentState::Accepted { .. } => Reason::Verifying,
            IntentState::Unclear => Reason::OutcomeUnknown,
        });
        // What becomes of it has to be written down, whatever live is.
        if facts.brakes.ledger.as_ref().is_some_and(|trouble| trouble.retry_at > now) {
            all.add(Reason::Ledger);
        }
    }
    let state = state(facts, now);
    match state {
        State::InSync => {}
        State::Unknown => {
            if gone_ends(facts).is_some() {
                all.add(Reason::OutcomeUnknown);
            }
            if all.is_empty() {
                all.add(Reason::Unreachable);
            }
        }
        State::New => all.join(of_a_wanted_change(facts, Cause::New, now)),
        State::Pending => all.join(of_a_wanted_change(facts, Cause::Pending, now)),
        State::Drifted => all.join(of_a_wanted_change(facts, Cause::Drift, now)),
    }
    if all.is_empty() && state != State::InSync {
        all.add(Reason::Acting);
    }
    all
}

/// What forbids a set that is wanted for `cause`, though the target may well be flat.
pub(super) fn brakes(facts: &Facts<'_>, cause: Cause, now: Moment) -> Reasons {
    let (target, brakes) = (facts.target, facts.brakes);
    let standing = [
        (Reason::Suspended, target.wanted.suspended.is_some()),
        (Reason::Paused, brakes.paused.as_ref().is_some_and(|pause| pause.stands(facts.account.clock, now))),
        (Reason::File, brakes.file.is_some()),
        (Reason::Ledger, brakes.ledger.as_ref().is_some_and(|trouble| trouble.retry_at > now)),
        // A set that is under way has used up its part of the budget itself.
        (Reason::Held, brakes.guard.left == 0 && !brakes.guard.approved && target.intent.is_none()),
        (Reason::Fighting, cause == Cause::Drift && is_a_fight(&target.corrections)),
        (Reason::Reported, is_only_reported(facts, cause)),
        (Reason::Window, facts.account.clock.is_some() && !is_window_open(facts, now)),
        (Reason::RefusedThoughFlat, target.refused_though_flat.is_some_and(|r| retry_though_flat(r) > now)),
        (Reason::OutcomeUnknown, gone_ends(facts).is_some()),
    ];
    let mut all = Reasons::default();
    for (reason, _) in standing.into_iter().filter(|(_, stands)| *stands) {
        all.add(reason);
    }
    if let Some(failing) = target.set_refused.as_ref().filter(|failing| retry_at(failing) > now) {
        all.add(of_failure(failing));
    }
    all
}

/// Whether the file asks for a report of what is wanted for `cause`, and not for a set.
pub(super) fn is_only_reported(facts: &Facts<'_>, cause: Cause) -> bool {
    match facts.target.wanted.drift {
        DriftPolicy::Correct => false,
        DriftPolicy::Report => match cause {
            Cause::Drift => true,
            Cause::New => !facts.brakes.guard.approved,
            Cause::Pending => false,
        },
    }
}

/// What it means and what to do, in one or two plain sentences, for a reason that applies.
pub fn say(reason: Reason, facts: &Facts<'_>, now: Moment) -> String {
    let target = facts.target;
    match reason {
        Reason::Crashed => CRASHED.to_owned(),
        Reason::Elsewhere => facts.account.elsewhere.as_ref().map_or_else(String::new, |host| {
            format!("The file gives this account to the host {host}: this one never asks for it and never sets it.")
        }),
        Reason::WrongAccount => {
            let account = facts.account;
            account.shared_key.as_ref().or(account.wrong.as_ref()).cloned().unwrap_or_default()
        }
        Reason::Credential | Reason::Denied | Reason::Refused | Reason::Unexpected | Reason::Converting
        | Reason::Unreachable | Reason::RateLimited | Reason::Clock | Reason::KindUnknown => say_failure(reason, facts, now),
        Reason::Unsatisfiable => facts.account.unsatisfiable.as_ref().map_or_else(String::new, say_unsatisfiable),
        Reason::Ledger => facts.brakes.ledger.as_ref().map(|trouble| trouble.say.clone()).unwrap_or_default(),
        Reason::OutcomeUnknown => say_outcome_unknown(facts, now),
        Reason::Verifying => format!(
            "The exchange accepted the set; reads are asked for up to {} whether they show it.",
            spell(CONFIRMING)
        ),
        Reason::Suspended => {
            let why = target.wanted.suspended.as_deref().unwrap_or_default();
            format!("The file suspends it: {}.", undotted(why))
        }
        Reason::Paused => facts.brakes.paused.as_ref().map_or_else(String::new, |pause| {
            let until = match (pause.until, facts.account.clock, pause.lasts) {
                (Some(until), Some(clock), _) => {
                    format!("for {} more, or until `posmoded resume`", spell(clock.moment(until).since(now)))
                }
                (Some(until), None, _) => format!("until {until} by Bitget's clock, or until `posmoded resume`"),
                (None, _, Some(lasts)) => format!(
                    "for {} from when Bitget's clock is known, or until `posmoded resume`",
                    spell(lasts)
                ),
                (None, _, None) => "until `posmoded resume`".to_owned(),
            };
            format!("An operator paused it, {until}: {}.", undotted(&pause.reason))
        }),
        Reason::File => format!(
            "The newest content of the file is not acceptable, so nothing is changed: {}.",
            undotted(facts.brakes.file.as_deref().unwrap_or_default())
        ),
        Reason::Held => say_held(facts, now),
        Reason::Fighting => format!(
            "It was corrected {FIGHT} times within {} and somebody keeps changing it back: find out who, then \
             `posmoded resume` or change the file.",
            spell(FIGHT_WINDOW)
        ),
        Reason::Reported => say_reported(facts),
        Reason::Window => say_window(facts, now),
        Reason::Requirement => say_requirement(facts),
        Reason::NotFlat => say_not_flat(facts, now),
        Reason::RefusedThoughFlat => target.refused_though_flat.map_or_else(String::new, |refusals| {
            format!(
                "Every list is empty and yet the exchange says that something is open ({}): look for bots, TWAP and \
                 copy orders. Next try in {}.",
                if refusals.count == 1 { "once".to_owned() } else { format!("{} times", refusals.count) },
                spell(retry_though_flat(refusals).since(now))
            )
        }),
        Reason::Settling => target.flatness.run.map_or_else(
            || say_no_verdict(target),
            |run| {
                format!(
                    "Flat for {}; it must be so for {} before the mode is changed.",
                    spell(now.since(run.since)),
                    spell(target.wanted.settle)
                )
            },
        ),
        Reason::Acting => "Nothing stands in the way: the mode is being set.".to_owned(),
    }
}

fn of_the_account(facts: &Facts<'_>, now: Moment) -> Reasons {
    let account = facts.account;
    let unclear_clock = account.clock.is_none_or(|clock| clock.doubt_at(now) > CLOCK_DOUBT);
    // Between two kinds: that says more.
    let is_converting =
        account.failing.as_ref().is_some_and(|failing| failing.failure.class == Class::Converting);
    let standing = [
        (Reason::Credential, account.credential.is_some()),
        (Reason::WrongAccount, account.wrong.is_some() || account.shared_key.is_some()),
        (Reason::Unsatisfiable, account.unsatisfiable.is_some()),
        (Reason::KindUnknown, account.identity.is_none() && !is_converting),
        (Reason::Clock, unclear_clock && account.failing.is_none()),
    ];
    let mut all = Reasons::default();
    for (reason, _) in standing.into_iter().filter(|(_, stands)| *stands) {
        all.add(reason);
    }
    if let Some(failing) = &account.failing {
        all.add(of_failure(failing));
    }
    all
}

fn of_a_wanted_change(facts: &Facts<'_>, cause: Cause, now: Moment) -> Reasons {
    let target = facts.target;
    let mut all = brakes(facts, cause, now);
    if target.intent.is_none() && is_unmet(facts) {
        all.add(Reason::Requirement);
    }
    match (&target.intent, target.flatness.run) {
        (Some(_), _) => {}
        (None, Some(run)) => {
            if now.since(run.since) < target.wanted.settle {
                all.add(Reason::Settling);
            }
        }
        (None, None) => match target.flatness.known_rows() {
            None | Some(0) => all.add(Reason::Settling),
            Some(_) => all.add(Reason::NotFlat),
        },
    }
    all
}

fn of_failure(failing: &Failing) -> Reason {
    match failing.failure.class {
        Class::NotFlat => Reason::NotFlat,
        Class::Refused | Class::LeadsCopies | Class::AccountStatus => Reason::Refused,
        Class::WrongKind => Reason::KindUnknown,
        Class::Converting => Reason::Converting,
        Class::Credential => Reason::Credential,
        Class::Denied => Reason::Denied,
        Class::Clock => Reason::Clock,
        Class::OurFault | Class::UnknownCode => Reason::Unexpected,
        Class::RateLimited | Class::Busy { .. } => Reason::RateLimited,
        Class::TryAgain => Reason::Unreachable,
    }
}

/// Three corrections within a day, whenever that was: it stays a fight until a revision or an operator ends it.
fn is_a_fight(corrections: &[ServerTime]) -> bool {
    corrections.windows(FIGHT).any(|some| match some {
        [first, .., last] => last.since(*first) <= FIGHT_WINDOW,
        [_] | [] => false,
    })
}

fn say_failure(reason: Reason, facts: &Facts<'_>, now: Moment) -> String {
    let account = facts.account;
    if reason == Reason::Credential
        && let Some(say) = &account.credential
    {
        return say.clone();
    }
    let failing = [&account.failing, &facts.target.failing, &facts.target.set_refused];
    if let Some(failing) = failing.into_iter().flatten().find(|failing| of_failure(failing) == reason) {
        return say_failing(failing, now);
    }
    match (reason, &account.identity, facts.target.seen) {
        (Reason::KindUnknown, _, _) => {
            let why = account.failing.as_ref().map(|failing| format!(" {}", say_failing(failing, now)));
            format!("Which kind of account this is has not been seen yet.{}", why.unwrap_or_default())
        }
        (Reason::Clock, _, _) => {
            "The exchange's time is not known well enough to sign a change; it is asked for.".to_owned()
        }
        (_, _, _) if facts.target.wanted.mode.is_none() => {
            "The file names more than one mode; which of them is for what is sorted once the kind of account is known."
                .to_owned()
        }
        (_, _, Some(seen)) => {
            format!(
                "It was last looked at {} ago, too long to call its mode known.",
                spell(now.since(seen.answered))
            )
        }
        (_, _, None) => "It has not been looked at yet.".to_owned(),
    }
}

fn say_failing(failing: &Failing, now: Moment) -> String {
    let next = retry_at(failing);
    let again = if next > now { format!(" Next try in {}.", spell(next.since(now))) } else { String::new() };
    format!("{}.{again}", undotted(&failing.failure.say))
}

/// An operator's own words, which may end in a full stop or not, inside of a sentence that does.
fn undotted(words: &str) -> &str {
    words.trim_end().trim_end_matches('.')
}

/// With the line to write.
fn say_unsatisfiable(declared: &Declared) -> String {
    const ONE: &str = "This is a unified account, which has one mode for all that it holds";
    match (declared, declared.single_mode()) {
        (Declared::PerProduct(modes), Some(mode)) => {
            let named: Vec<&str> = modes.keys().map(|product| product.as_str()).collect();
            format!(
                "{ONE}, and the file speaks of {} only: nothing is changed. If {mode} is meant for the whole account, \
                 write `position_mode: {mode}`.",
                named.join(" and ")
            )
        }
        (Declared::PerProduct(modes), None) => {
            let named: Vec<String> =
                modes.iter().map(|(product, mode)| format!("{mode} for {product}")).collect();
            format!(
                "{ONE}, and the file wants {}: nothing is changed. Write the one that is meant, \
                 `position_mode: one_way_mode` or `position_mode: hedge_mode`.",
                named.join(" and ")
            )
        }
        (Declared::Everything(_), _) => format!("{ONE}."),
    }
}

fn say_outcome_unknown(facts: &Facts<'_>, now: Moment) -> String {
    let stamp = facts.target.intent.as_ref().map(|intent| intent.stamp).or(facts.account.gone);
    let over = match (stamp, facts.account.clock) {
        (Some(stamp), Some(clock)) => clock.moment(stamp + FENCE).since(now),
        (Some(_) | None, Some(_) | None) => FENCE,
    };
    let then = if over < Duration::from_secs(1) {
        "the exchange's own clock says that its time is over".to_owned()
    } else {
        format!("its time is over, {} from now", spell(over))
    };
    format!(
        "A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent \
         before {then}; then the mode is read."
    )
}

fn say_held(facts: &Facts<'_>, now: Moment) -> String {
    let guard = &facts.brakes.guard;
    let hour = guard.frees_at.map_or_else(String::new, |at| {
        format!(" Without that the next one may leave in {}.", spell(at.since(now)))
    });
    let approve = guard
        .plan
        .as_ref()
        .map_or_else(|| "`posmoded approve`".to_owned(), |hash| format!("`posmoded approve {hash}`"));
    format!(
        "As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then {approve}.{hour}"
    )
}

fn say_reported(facts: &Facts<'_>) -> String {
    let first_contact = facts.target.applied.is_none();
    match (&facts.brakes.guard.plan, first_contact) {
        (Some(hash), true) => format!(
            "The first look differs and the file says `drift: report`: `posmoded approve {hash}` lets it be changed."
        ),
        (None, true) => {
            "The first look differs and the file says `drift: report`: it waits for `posmoded approve`."
                .to_owned()
        }
        (Some(_) | None, false) => {
            "Somebody changed it at the exchange and the file says `drift: report`: change it \
                                    back there, or change the file."
                .to_owned()
        }
    }
}

fn say_window(facts: &Facts<'_>, now: Moment) -> String {
    let windows = &facts.target.wanted.windows;
    let names: Vec<&str> = windows.0.iter().map(|window| window.name.as_str()).collect();
    let closed = match names.as_slice() {
        [one] => format!("Its change window {one} is closed"),
        all => format!("Its change windows {} are closed", all.join(", ")),
    };
    let opening =
        facts.account.clock.and_then(|clock| windows.next_opening(clock.at(now)).map(|next| (clock, next)));
    opening.map_or_else(
        || format!("{closed}."),
        |(clock, Opening { window, at })| {
            let wait = spell(clock.moment(at).since(now));
            let first = if names.len() == 1 { "it opens" } else { "the first to open is" };
            let which = if names.len() == 1 { String::new() } else { format!(" {},", window.name) };
            format!("{closed}; {first}{which} at {}, {wait} from now.", window.shown(at))
        },
    )
}

fn say_requirement(facts: &Facts<'_>) -> String {
    let unmet = host_shown(facts).map_or_else(String::new, |reading| reading.unmet.join("; "));
    format!(
        "This host is not as the file requires: {unmet}. It is looked at again every {}, and the mode is changed once it \
         is so and the account is flat.",
        spell(WAITING_LOOK)
    )
}

fn say_not_flat(facts: &Facts<'_>, now: Moment) -> String {
    let target = facts.target;
    // Between a look at the mode and the lists that follow, what was open before is the last that is known.
    let open = open_rows(&target.this_round()).or_else(|| open_rows(&target.flatness));
    open.map_or_else(
        || say_failure(Reason::NotFlat, facts, now),
        |open| {
            format!("Open: {open}. The mode is changed once nothing is open; nothing is closed or cancelled for it.")
        },
    )
}

/// Nothing was found open, and yet nobody may say that it is flat.
fn say_no_verdict(target: &TargetFacts) -> String {
    let Flatness { plan_orders, orders, positions, part, run: _ } = target.this_round();
    let all_read = [plan_orders, orders, positions].iter().all(Option::is_some);
    if all_read && part.is_none() {
        format!(
            "Every list was empty, and reading them took longer than {}: too long to say that it is flat. The way to the \
             exchange is slow, or much is asked at once.",
            spell(VERDICT_AGE)
        )
    } else {
        "Whether it is flat is not known yet.".to_owned()
    }
}

fn open_rows(flatness: &Flatness) -> Option<String> {
    let lists = [
        (flatness.positions, "position", "positions"),
        (flatness.orders, "order", "orders"),
        (flatness.plan_orders, "plan order", "plan orders"),
    ];
    let open: Vec<String> = lists
        .into_iter()
        .filter_map(|(reading, one, many)| {
            let count = reading?.count;
            (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
        })
        .collect();
    (!open.is_empty()).then(|| open.join(", "))
}

impl Reasons {
    /// The one to show.
    pub fn first(self) -> Option<Reason> {
        self.iter().next()
    }

    /// All of them, the one to show first.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::VARIANTS.iter().copied().filter(move |reason| self.holds(*reason))
    }

    /// Whether this one applies.
    pub fn holds(self, reason: Reason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// Whether none applies.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of these applies.
    pub fn any_of(self, some: &[Reason]) -> bool {
        some.iter().any(|reason| self.holds(*reason))
    }

    /// One more.
    pub fn add(&mut self, reason: Reason) {
        self.0 |= reason.bit();
    }

    fn join(&mut self, others: Reasons) {
        self.0 |= others.0;
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(some: I) -> Reasons {
        let mut all = Reasons::default();
        for reason in some {
            all.add(reason);
        }
        all
    }
}

impl Reason {
    /// As status, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl State {
    /// As status, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
