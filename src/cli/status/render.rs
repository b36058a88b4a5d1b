//! A status as text for people.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::cli::rows;
use crate::exchange::HttpVersion;
use crate::facts::{AccountSettings, Stretch};
use crate::position_mode::{AccountName, Scope};
use crate::protocol::PlanEntry;
use crate::source::LastPull;
use crate::status::{Config, Held, Paused, Status, TargetStatus, Warning, short};

/// A table, then sentences: reasons, warnings, pauses, a held plan, a refused file and the revision.
pub(super) fn render(status: &Status) -> String {
    let Status {
        schema: _,
        version: _,
        now,
        paused,
        paused_accounts,
        config,
        held,
        targets,
        warnings,
        account_settings,
        http,
        stretch,
        source,
    } = status;
    let table = rows::table(
        ["account", "scope", "desired", "live", "state", "reason", "since"],
        targets.iter().map(|target| {
            [
                rows::Cell::new(&target.account),
                rows::Cell::new(target.scope),
                rows::or_dash(target.desired),
                rows::or_dash(target.live.as_ref().map(|live| live.mode)),
                rows::state(target.state),
                rows::or_dash(target.reason),
                rows::Cell::new(rows::age(target.since, *now)),
            ]
        }),
    );
    let what = sentences(targets);
    let paused = paused.iter().map(|Paused { reason, since, until }| {
        let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
        let since = rows::age(*since, *now);
        format!("Everything was PAUSED {since} ago, {until}until `posmoded resume`: {reason}")
    });
    let paused_accounts = paused_accounts.iter().map(|(account, Paused { reason, since, until })| {
        let until = until.map_or_else(String::new, |until| format!("until {until}, or "));
        let since = rows::age(*since, *now);
        format!("{account} was PAUSED {since} ago, {until}until `posmoded resume {account}`: {reason}")
    });
    let Config { generation, commit, loaded_at, problem, next, sha256: _ } = config;
    let commit = commit.iter().map(|commit| format!(" ({})", short(commit)));
    let accepted = loaded_at.iter().map(|at| format!(", accepted {} ago", rows::age(*at, *now)));
    let next = next.iter().map(|next| format!(" Revision {} is being taken up.", next.0));
    let revision = format!(
        "Revision {}{}{}.{}",
        generation.0,
        commit.collect::<String>(),
        accepted.collect::<String>(),
        next.collect::<String>()
    );
    let problem = problem.iter().map(|problem| {
        format!("The newest content of the file is REFUSED, and nothing is changed until that is mended: {problem}")
    });
    let held = held.iter().map(render_held);
    let warned = warnings.iter().map(|Warning { account, say }| format!("{account}: {say}"));
    let below: Vec<String> = what
        .into_iter()
        .chain(warned)
        .chain(paused)
        .chain(paused_accounts)
        .chain(held)
        .chain(problem)
        .chain(say_stretch(*stretch))
        .chain(say_settings(account_settings))
        .chain(http.map(say_http))
        .chain(source.iter().map(|pull| say_last_pull(pull, *now)))
        .chain([revision])
        .collect();
    format!("{table}\n{}\n", plain(&below.join("\n")))
}

/// Text that others wrote, without what would move a cursor or change colours.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// What else the settings of unified accounts say; accounts with the same share a line.
fn say_settings(settings: &BTreeMap<AccountName, AccountSettings>) -> Vec<String> {
    let mut accounts: BTreeMap<&AccountSettings, Vec<&str>> = BTreeMap::new();
    for (account, settings) in settings {
        accounts.entry(settings).or_default().push(account.as_str());
    }
    let line = |(settings, names): (&AccountSettings, Vec<&str>)| {
        let AccountSettings { account_level, asset_mode, stp_mode } = settings;
        let words = [("level", account_level), ("asset mode", asset_mode), ("STP mode", stp_mode)];
        let words: Vec<String> = words
            .iter()
            .map(|(what, word)| format!("{what} {}", word.as_deref().unwrap_or("unknown")))
            .collect();
        let named: Vec<&str> = names.iter().copied().take(SETTINGS_OF).collect();
        let more = match names.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {}.", named.join(", "), words.join(", "))
    };
    accounts.into_iter().map(line).collect()
}

/// So many accounts are named in a line about their settings.
const SETTINGS_OF: usize = 8;

/// That looks come later than the file wants, if they do.
fn say_stretch(stretch: Stretch) -> Option<String> {
    (stretch > Stretch::default()).then(|| {
        format!(
            "Looks come after {:.1} times their interval, for the budget of requests does not suffice: write a longer \
             `check_every`, spread the accounts over hosts, or raise --requests-per-second.",
            f64::from(stretch)
        )
    })
}

/// How requests and answers belong together on our own hop.
fn say_http(http: HttpVersion) -> String {
    let how = match http {
        HttpVersion::Http2 => "all requests share one connection, each answer names its request",
        HttpVersion::Http1 => "every request has a connection of its own",
    };
    format!("The exchange answers over {http}: {how}.")
}

/// How old the newest commit that is known here may be.
fn say_last_pull(LastPull { last_success_at, commit }: &LastPull, now: Timestamp) -> String {
    let old = now.duration_since(*last_success_at) > PULLED_FOR_LONG;
    let old =
        if old { ": what was pushed since is not here. `journalctl -u posmoded-pull` says why" } else { "" };
    let age = rows::age(*last_success_at, now);
    format!("The newest commit in git was last brought {age} ago ({}){old}.", short(commit))
}

/// As the alert has it: a pull comes once a minute.
const PULLED_FOR_LONG: SignedDuration = SignedDuration::from_hours(1);

/// One sentence per target that is not in sync; targets of an account with the same sentence share one line.
pub(in crate::cli) fn sentences(targets: &[TargetStatus]) -> Vec<String> {
    let mut said: Vec<(&AccountName, &str, Vec<Scope>)> = Vec::new();
    for target in targets {
        let Some(say) = target.say.as_deref() else { continue };
        match said.iter_mut().find(|(account, before, _)| *account == &target.account && *before == say) {
            Some((_, _, scopes)) => scopes.push(target.scope),
            None => said.push((&target.account, say, vec![target.scope])),
        }
    }
    let spelled = |scopes: &[Scope]| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    said.iter().map(|(account, say, scopes)| format!("{account} {}: {say}", spelled(scopes))).collect()
}

pub(in crate::cli) fn render_held(Held { hash, plan }: &Held) -> String {
    let waits = rows::counted(plan.0.len(), "change waits", "changes wait");
    let entries = plan.0.iter().map(|PlanEntry { account, scope, live, desired, cause }| {
        format!("\n  {account} {scope}: {live} -> {desired} ({cause})")
    });
    format!("{waits} for `posmoded approve {hash}`:{}", entries.collect::<String>())
}
