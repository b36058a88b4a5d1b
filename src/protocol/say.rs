//! What a reason means and what to do, in plain English.

use std::time::Duration;

use super::backoff::{retry_at, retry_lost, retry_taken, retry_though_flat};
use super::reason::Reason;
use super::standing::{
    Standing, host_shown, is_signed_far_ahead, lasts_too_long_at, of_failure, own_fence_ends, refusals,
    stands_since,
};
use crate::constants::{CONFIRMING, FENCE, FIGHT, FIGHT_WINDOW, QUIET, VERDICT_AGE, WAITING_LOOK};
use crate::facts::{
    Class, Elsewhere, Facts, Failing, FlatSpan, Flatness, HeldPlan, IntentState, List, Pause, Refusals,
    TargetFacts,
};
use crate::moment::{Moment, spell};
use crate::position_mode::{Declared, PositionMode, Target};
use crate::window::Opening;

/// The sentence for an account whose keeper failed.
pub const CRASHED: &str = "The task that looks after this account failed and is started again; please report the \
                           lines around it in the log.";

/// The meaning of a reason that applies and what to do, in one or two plain sentences.
pub fn say(reason: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let target = facts.target;
    match reason {
        Reason::Crashed => CRASHED.to_owned(),
        Reason::Elsewhere => facts.account.elsewhere.as_ref().map_or_else(String::new, |Elsewhere { host, here }| {
            format!(
                "The file gives this account to the host {host}, and this one is called {here}: it never asks for the account \
                 and never sets it."
            )
        }),
        Reason::WrongAccount => {
            let account = facts.account;
            account.shared_key.as_ref().or(account.wrong.as_ref()).cloned().unwrap_or_default()
        }
        Reason::KeyTaken => facts.account.key_taken.as_ref().map_or_else(String::new, |taken| {
            let next = spell(retry_taken(taken).since(now));
            format!("{} Next try in {next}.", taken.say)
        }),
        Reason::Credential | Reason::Denied | Reason::Refused | Reason::Unexpected | Reason::Converting
        | Reason::Unreachable | Reason::RateLimited | Reason::Clock | Reason::KindUnknown => {
            say_failure(reason, facts, of, now)
        }
        Reason::Unsatisfiable => match (&facts.account.unassigned, &facts.account.unsatisfiable) {
            (Some(hosts), _) => say_unassigned(hosts),
            (None, Some(declared)) => say_unsatisfiable(declared),
            (None, None) => String::new(),
        },
        Reason::Ledger => {
            let trouble = facts.brakes.ledger.as_ref().map(|trouble| &trouble.say);
            facts.account.ledger_away.as_ref().or(trouble).cloned().unwrap_or_default()
        }
        Reason::OutcomeUnknown => say_outcome_unknown(facts, of, now),
        Reason::Verifying => format!(
            "The exchange accepted the set; reads are asked for up to {} whether they show it.{}",
            spell(CONFIRMING),
            say_for_long(reason, facts, of, now)
        ),
        Reason::Suspended => {
            let why = target.wanted.policy.suspended.as_deref().unwrap_or_default();
            format!("The file suspends it: {}. Nothing is changed until `suspend` is out of the file.", undotted(why))
        }
        Reason::Paused => facts.brakes.paused.as_ref().map_or_else(String::new, |pause| say_paused(pause, facts, now)),
        Reason::File => format!(
            "The newest content of the file is not acceptable, so nothing is changed: {}.",
            undotted(facts.brakes.file.as_deref().unwrap_or_default())
        ),
        Reason::Held => say_held(facts, now),
        Reason::Fighting => format!(
            "It was corrected {FIGHT} times within {} and somebody keeps changing it back: find out who, then \
             `posmoded resume {}` or change the file.",
            spell(FIGHT_WINDOW),
            of.account
        ),
        Reason::Reported => say_reported(facts),
        Reason::Window => say_window(facts, now),
        Reason::Requirement => say_requirement(facts),
        Reason::NotFlat => say_not_flat(facts, of, now),
        Reason::RefusedThoughFlat => target.refused_though_flat.map_or_else(String::new, |refusals| {
            let times = if refusals.count == 1 { "once".to_owned() } else { format!("{} times", refusals.count) };
            let next = match retry_though_flat(refusals) {
                next if next > now => format!("; {}.", refresh_or_wait(of, next.since(now))),
                _ => format!(". {}", say_next_try(reason, facts, of, now)),
            };
            format!(
                "Every list is empty and yet the exchange says that something is open ({times}): {}{next}",
                Refusals::REMEDY
            )
        }),
        Reason::Settling => {
            settling_run(target).map_or_else(|| say_no_verdict(target), |run| say_settling(facts, run, now))
        }
        Reason::Acting => {
            format!("Nothing stands in the way: the mode is being set.{}", say_for_long(reason, facts, of, now))
        }
    }
}

fn say_failure(reason: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let account = facts.account;
    if reason == Reason::Credential
        && let Some(say) = &account.credential
    {
        let is_read_again = !account.keys_are_copies;
        return if is_read_again { format!("{}; then {}.", undotted(say), refresh(of)) } else { say.clone() };
    }
    let failing =
        [&account.failing, &facts.target.failing, &facts.target.set_refused, &account.owner_failing];
    if let Some(failing) = failing.into_iter().flatten().find(|failing| of_failure(failing) == Some(reason)) {
        return say_failing(failing, reason, facts, of, now);
    }
    if let Some(lost) = facts.target.lost.as_ref().filter(|lost| of_failure(lost) == Some(reason)) {
        return say_lost(lost, reason, facts, of, now);
    }
    match (reason, &account.identity, facts.target.seen) {
        (Reason::KindUnknown, _, _) => {
            let why =
                account.failing.as_ref().map(|failing| format!(" {}", say_failing(failing, reason, facts, of, now)));
            let what = if account.kind.is_none() { "Which kind of account this is" } else { "Whose key this is" };
            format!("{what} has not been seen yet.{}", why.unwrap_or_default())
        }
        (Reason::Clock, _, _) => account.clock_contradicted.clone().unwrap_or_else(|| {
            "The exchange's time is not known well enough to sign a change; it is asked for.".to_owned()
        }),
        (_, _, _) if facts.target.wanted.mode.is_none() => {
            "The file names more than one mode; which of them is for what is sorted once the kind of account is known."
                .to_owned()
        }
        (_, _, Some(seen)) => {
            format!(
                "It was last looked at {} ago, too long to call its mode known.",
                spell(now.since(seen.asked))
            )
        }
        (_, _, None) => "It has not been looked at yet.".to_owned(),
    }
}

fn say_failing(failing: &Failing, reason: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let (next, class) = (retry_at(failing), failing.failure.class);
    let said = undotted(&failing.failure.say);
    let of_copies = (class == Class::LeadsCopies).then(|| say_copies(said, facts));
    let say = of_copies.as_deref().unwrap_or(said);
    let is_mended =
        class.row().mended_there || (class == Class::Credential && !facts.account.keys_are_copies);
    match next > now {
        false if facts.target.set_refused.as_ref() == Some(failing) => {
            format!("{say}. {}", say_next_try(reason, facts, of, now))
        }
        false => format!("{say}.{}", say_for_long(reason, facts, of, now)),
        true if is_mended => format!("{say}; {}.", refresh_or_wait(of, next.since(now))),
        true => {
            format!("{say}. Next try in {}.{}", spell(next.since(now)), say_for_long(reason, facts, of, now))
        }
    }
}

/// What to do about what is said to pass by itself and has not for long.
fn say_for_long(reason: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    if lasts_too_long_at(facts, reason).is_none_or(|at| at > now) {
        return String::new();
    }
    let lasts = spell(stands_since(facts, reason).map_or(Duration::ZERO, |since| now.since(since)));
    let todo = if reason == Reason::Unreachable {
        "see whether Bitget answers elsewhere, and mend this host's way to it".to_owned()
    } else if reason == Reason::RateLimited {
        "find out what else uses up the limits of this account or address, and end it".to_owned()
    } else {
        format!(
            "do not rely on its mode, and see `posmoded history {}` and `journalctl -u posmoded`",
            of.account
        )
    };
    format!(" It has been so for {lasts}: {todo}.")
}

/// Adds what can be done, which is not to write what the file says already.
fn say_copies(say: &str, facts: &Facts<'_>) -> String {
    match facts.target.wanted.mode {
        Some(PositionMode::OneWay) => {
            format!(
                "{say}: write hedge_mode for it, in which Bitget keeps it, or end its copy trading at Bitget"
            )
        }
        Some(PositionMode::Hedge) | None => format!("{say}: end its copy trading at Bitget"),
    }
}

/// What a set that was refused for this reason waits for once it may be tried again.
fn say_next_try(refusal: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let refused = refusals(facts.target);
    if !refused.holds(refusal) {
        return "It is tried again now.".to_owned();
    }
    let is_awaited = |reason: &Reason| !refused.holds(*reason) && *reason != Reason::Acting;
    let waits_for = Standing::of(facts, now).blockers.iter().find(is_awaited);
    waits_for.map_or_else(
        || "It is tried again now.".to_owned(),
        |reason| format!("Before the next try: {}", say(reason, facts, of, now)),
    )
}

/// What to do once that is mended which nothing tells us of. To wait mends nothing.
fn refresh_or_wait(of: &Target, wait: Duration) -> String {
    format!("then {} (it is tried again by itself in {})", refresh(of), spell(wait))
}

fn refresh(of: &Target) -> String {
    format!("`posmoded refresh {}`", of.account)
}

fn say_lost(lost: &Failing, reason: Reason, facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let Failing { failure, since: _, at: _, tries, jitter: _ } = lost;
    let sets = if *tries == 1 { "The last set".to_owned() } else { format!("The last {tries} sets") };
    let next = match retry_lost(lost) {
        next if next > now => format!("The next one leaves no sooner than in {}.", spell(next.since(now))),
        _ => say_next_try(reason, facts, of, now),
    };
    format!("{sets} had no effect: {}. {next}", undotted(&failure.say))
}

/// An operator's text without its final full stop, for use in a sentence that has its own.
pub fn undotted(words: &str) -> &str {
    words.trim_end().trim_end_matches('.')
}

/// Includes the line to write into the file.
fn say_unassigned(hosts: &[String]) -> String {
    format!(
        "The file does not say whose this account is, and the daemons of several hosts work with this ledger ({}): none of them \
         asks for it or sets it until the file has `host:` for it.",
        hosts.join(", ")
    )
}

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

fn say_outcome_unknown(facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let stamp = facts.target.intent.as_ref().map(|intent| intent.stamp).or(facts.account.orphaned_set_at);
    let over = match (stamp, facts.account.clock) {
        (Some(stamp), Some(clock)) => clock.moment(stamp + FENCE).since(now),
        (Some(_) | None, Some(_) | None) => FENCE,
    };
    let by_ours = facts
        .target
        .intent
        .as_ref()
        .map_or(facts.account.orphaned_fence, |intent| own_fence_ends(facts, intent));
    let over = over.max(by_ours.since(now));
    let then = if over < Duration::from_secs(1) {
        "the exchange's own clock says that its time is over".to_owned()
    } else {
        format!("its time is over, {} from now", spell(over))
    };
    let why = match facts.target.intent.as_ref().map(|intent| &intent.state) {
        Some(IntentState::Unclear(failure)) => format!(" What is known: {}.", undotted(&failure.say)),
        Some(
            IntentState::Noted { .. }
            | IntentState::Accepted { .. }
            | IntentState::Refused(_)
            | IntentState::NotSent(_),
        )
        | None => String::new(),
    };
    let by_hand = if is_signed_far_ahead(facts, now) {
        let Target { account, scope } = of;
        format!(
            " It was signed for a time that is far ahead, so it does not end by itself: \
             `posmoded close-intent {account}/{scope} --reason 'signed far ahead'`."
        )
    } else {
        say_for_long(Reason::OutcomeUnknown, facts, of, now)
    };
    format!(
        "A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent \
         before {then}; then the mode is read.{why}{by_hand}"
    )
}

fn say_paused(pause: &Pause, facts: &Facts<'_>, now: Moment) -> String {
    let whose = pause.account.as_ref().map_or_else(String::new, |account| format!(" {account}"));
    let resume = format!("`posmoded resume{whose}`");
    let until = match (pause.until, facts.account.clock, pause.lasts) {
        (Some(until), Some(clock), _) => {
            format!("for {} more, or until {resume}", spell(clock.moment(until).since(now)))
        }
        (Some(until), None, _) => format!("until {until} by Bitget's clock, or until {resume}"),
        (None, _, Some(lasts)) => {
            format!("for {} from when Bitget's clock is known, or until {resume}", spell(lasts))
        }
        (None, _, None) => format!("until {resume}"),
    };
    let who = pause.who.as_deref().unwrap_or("An operator");
    format!("{who} paused it, {until}: {}.", undotted(&pause.reason))
}

fn say_held(facts: &Facts<'_>, now: Moment) -> String {
    let guard = &facts.brakes.guard;
    let hour = guard.frees_at.map_or_else(String::new, |at| {
        format!(" Without that the next one may leave in {}.", spell(at.since(now)))
    });
    let approve = guard
        .plan
        .as_ref()
        .map_or_else(|| "`posmoded approve`".to_owned(), |plan| format!("`posmoded approve {}`", plan.hash));
    format!(
        "As many changes as `max_changes` allows have left within the hour: see `posmoded status`, then {approve}.{hour}"
    )
}

fn say_reported(facts: &Facts<'_>) -> String {
    let first_contact = facts.target.applied.is_none();
    let others = |plan: &HeldPlan| match plan.changes.saturating_sub(1) {
        0 => String::new(),
        1 => ", with another change".to_owned(),
        others => format!(", with {others} other changes"),
    };
    match (&facts.brakes.guard.plan, first_contact) {
        (Some(plan), true) => format!(
            "The first look differs and the file says `drift: report`: `posmoded approve {}` lets it be changed{}.",
            plan.hash,
            others(plan)
        ),
        (Some(plan), false) => format!(
            "Somebody changed it at the exchange and the file says `drift: report`: `posmoded approve {}` lets it be set \
             back once{}; or change it back there, or change the file.",
            plan.hash,
            others(plan)
        ),
        (None, true) => {
            "The first look differs and the file says `drift: report`: it waits for `posmoded approve`."
                .to_owned()
        }
        (None, false) => "Somebody changed it at the exchange and the file says `drift: report`: change it \
                                    back there, or change the file."
            .to_owned(),
    }
}

fn say_window(facts: &Facts<'_>, now: Moment) -> String {
    let windows = &facts.target.wanted.policy.windows;
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

fn say_not_flat(facts: &Facts<'_>, of: &Target, now: Moment) -> String {
    let target = facts.target;
    open_rows(&target.flatness.newest()).map_or_else(
        || say_failure(Reason::NotFlat, facts, of, now),
        |open| {
            format!("Open: {open}. The mode is changed once nothing is open; nothing is closed or cancelled for it.")
        },
    )
}

/// It is flat, and waits for what ends last: `settle`, or the quiet of a new process.
fn say_settling(facts: &Facts<'_>, run: FlatSpan, now: Moment) -> String {
    let settle = facts.target.wanted.policy.settle;
    let flat_for = spell(now.since(run.since));
    let end = facts.account.quiet_until;
    if end <= now || end <= run.since + settle {
        format!("Flat for {flat_for}; it must be so for {} before the mode is changed.", spell(settle))
    } else if facts.account.ledger_replaced_at.is_some_and(|at| at + QUIET >= end) {
        format!(
            "Flat for {flat_for}. The ledger's database is another one than it was {} ago and may not know a set that can still \
             take effect, so none is sent for {}: {} more.",
            spell(now.since(facts.account.ledger_replaced_at.unwrap_or(now))),
            spell(QUIET),
            spell(end.since(now))
        )
    } else {
        format!(
            "Flat for {flat_for}. A new process sends no set in its first {}, as one that was sent before it may still take \
             effect: {} more.",
            spell(QUIET),
            spell(end.since(now))
        )
    }
}

/// The run of flat verdicts, unless the last verdict came too late to count.
fn settling_run(target: &TargetFacts) -> Option<FlatSpan> {
    let Flatness { flat_span, too_slow, .. } = target.flatness;
    flat_span.filter(|run| too_slow.is_none_or(|began| began <= run.newest))
}

/// Nothing was found open, but there is no flat verdict either.
fn say_no_verdict(target: &TargetFacts) -> String {
    if target.flatness.too_slow.is_some() {
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
        (flatness.positions, List::Positions),
        (flatness.orders, List::Orders),
        (flatness.plan_orders, List::PlanOrders),
    ];
    let open: Vec<String> = lists
        .into_iter()
        .filter_map(|(reading, list)| {
            let count = reading?.count;
            (count > 0)
                .then(|| format!("{count} {}", if count == 1 { list.of_one() } else { list.of_many() }))
        })
        .collect();
    let least = if flatness.is_complete() { "" } else { "at least " };
    (!open.is_empty()).then(|| format!("{least}{}", open.join(", ")))
}
