//! A status as text for people.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::sentence::Sentence;
use super::triage::{Cause, causes, named};
use crate::cli::rows::{self, Rows};
use crate::cli::terminal::{rows_of, wrapped};
use crate::exchange::HttpVersion;
use crate::facts::{AccountSettings, Stretch};
use crate::position_mode::AccountName;
use crate::protocol::{Need, Reason};
use crate::source::LastPull;
use crate::status::section::{Section, Tally};
use crate::status::{Config, Status, TargetStatus, Warning, short};

/// How much is shown, and how wide.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    /// Columns; `None` for what is no terminal, where no line is broken.
    pub(super) width: Option<usize>,
    /// Only what is not in sync.
    pub(super) is_of_problems: bool,
    /// Accounts were named: one of another host is what was asked for.
    pub(super) is_of_named: bool,
}

/// What is shown, from one line break to the next; a row whose name stands above it is one of two lines.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// Of a row, whose it is.
    pub(super) account: Option<AccountName>,
    pub(super) what: What,
}

/// What a line is, to those who have to leave some out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// It says nothing without what follows.
    Head,
    /// The summary, or why targets stand where they do.
    Say,
    /// A target.
    Row(Section),
    /// What is good to know.
    Note,
}

pub(super) fn render(status: &Status, view: View) -> String {
    lines(status, view).into_iter().map(|line| line.text + "\n").collect()
}

/// The last line of what is taller than the terminal, whose top has gone by when it is read; `None` where nothing there has to be read.
pub(super) fn pointer(
    status: &Status,
    shown: &str,
    View { is_of_named, .. }: View,
    (columns, height): (usize, usize),
) -> Option<String> {
    // The line itself and the prompt below it take one each.
    if rows_of(shown.trim_end(), columns) + 1 < height {
        return None;
    }
    let tally = status.tally();
    let told = [who_wants_a_human(&tally), what_passes(&tally)].into_iter().flatten().next()?;
    let (who, one) =
        (wanting_a_human(status), if is_of_named { "" } else { ", or `posmoded status ACCOUNT`" });
    let who = if who.is_empty() { String::new() } else { format!(": {who}") };
    Some(format!("{}\n", wrapped(&format!("{told}{who}; see the top{one}."), Some(columns), "  ")))
}

/// `desk-9 (credential), desk-10, desk-11 (reported) and 3 more`: the accounts whose targets want a human, as the sections have
/// them.
fn wanting_a_human(status: &Status) -> String {
    let causes = causes(status);
    let causes = causes.iter().filter(|cause| cause.section == Section::Human && !cause.targets.is_empty());
    let (mut told, mut count) = (Vec::new(), 0);
    for cause in causes {
        let mut names: Vec<&str> = cause.targets.iter().map(|target| target.account.as_str()).collect();
        names.dedup();
        let shown = names.len().min(NAMED - count.min(NAMED));
        count += names.len();
        if let Some(names) = names.get(..shown).filter(|names| !names.is_empty()) {
            let label = cause.label.as_ref().map_or_else(String::new, |label| format!(" ({label})"));
            told.push(format!("{}{label}", names.join(", ")));
        }
    }
    let more = count.saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", told.join(", "))
}

/// So many accounts are named in one line.
const NAMED: usize = 12;

/// A summary, then the sections of the triage, then notes.
pub(super) fn lines(status: &Status, view: View) -> Vec<Line> {
    let View { width, is_of_problems, is_of_named } = view;
    let line = |what, text: String| Line { text, what, account: None };
    let mut lines = vec![line(What::Say, wrapped(&plain(&status.line()), width, "  "))];
    let causes = causes(status);
    let Rows { head, lines: rows, are_single: _ } = table(&causes, status.now, width);
    let mut rows = rows.into_iter();
    for section in Section::ALL {
        let is_shown = match section {
            Section::Human | Section::Passes => true,
            Section::InSync => !is_of_problems,
            Section::Elsewhere => !is_of_problems || is_of_named,
        };
        let of_it = causes.iter().filter(|cause| is_shown && cause.section == section);
        for (index, cause) in of_it.enumerate() {
            if index == 0 {
                lines.extend([line(What::Head, String::new()), line(What::Head, title(section, status))]);
                if causes.iter().any(|cause| cause.section == section && !cause.targets.is_empty()) {
                    lines.push(line(What::Head, head_of(section, &head)));
                }
            }
            lines.extend(told(cause, status.now, width).map(|text| line(What::Say, text)));
            let rows_of_it = rows.by_ref().take(cause.targets.len()).zip(&cause.targets);
            lines.extend(rows_of_it.map(|(row, target)| {
                let open =
                    open(target).map(|open| wrapped(&format!("    {}", plain(&open)), width, "      "));
                let text = std::iter::once(row).chain(open).collect::<Vec<_>>().join("\n");
                Line { text, what: What::Row(section), account: Some(target.account.clone()) }
            }));
        }
    }
    if !is_of_problems {
        lines.push(line(What::Head, String::new()));
        let notes = notes(status).into_iter();
        lines.extend(notes.map(|note| line(What::Note, wrapped(&plain(&note), width, "  "))));
    }
    lines
}

/// All rows, so that the columns of all sections are the same.
fn table(causes: &[Cause<'_>], now: Timestamp, width: Option<usize>) -> Rows {
    let [desired, live] = rows::MODES;
    let head = ["  account", "scope", desired, live, "seen", "state", OUT_OF_SYNC, "reason"];
    let row = |target: &&TargetStatus| {
        let [desired, live] = rows::modes(target);
        // What is out of sync is so for longer than by its newest reason.
        let since = target.out_of_sync_since.unwrap_or(target.since);
        vec![
            rows::Cell::new(format!("  {}", target.account)),
            rows::Cell::new(target.scope),
            desired,
            live,
            rows::or_dash(target.live.as_ref().map(|live| rows::age(live.at, now))),
            rows::state(target),
            rows::Cell::new(if is_known(target) { rows::age(since, now) } else { "not known".to_owned() }),
            rows::or_dash(target.reason),
        ]
    };
    let mut all: Vec<Vec<rows::Cell>> = causes.iter().flat_map(|cause| &cause.targets).map(row).collect();
    let whole = rows::lines(&head, &all, width);
    if whole.are_single {
        return whole;
    }
    // The reason stands above the rows, too.
    for row in &mut all {
        row.truncate(REASON);
    }
    rows::lines(head.split_at(REASON).0, &all, width)
}

/// Whether it can be said that it is out of sync: of what was never read that is not known.
fn is_known(target: &TargetStatus) -> bool {
    !matches!(Section::of(target), Section::Human | Section::Passes) || target.live.is_some()
}

/// The head for a section: what is in sync is so since then, and so does another host stand.
fn head_of(section: Section, head: &str) -> String {
    let out_of_sync = OUT_OF_SYNC.to_uppercase();
    match section {
        Section::Human | Section::Passes => head.to_owned(),
        Section::InSync | Section::Elsewhere => {
            let since = format!("{:width$}", "SINCE", width = out_of_sync.len());
            head.replace(&out_of_sync, &since).trim_end().to_owned()
        }
    }
}

/// Since when, by which the reason beside it may have begun later.
const OUT_OF_SYNC: &str = "out of sync";
/// The column that is left out first.
const REASON: usize = 7;

fn title(section: Section, status: &Status) -> String {
    let of_it = status.targets.iter().filter(|target| Section::of(target) == section);
    let targets = || rows::counted(of_it.count(), "target", "targets");
    let title = match section {
        Section::Human => who_wants_a_human(&status.tally()).unwrap_or_default(),
        Section::Passes => what_passes(&status.tally()).unwrap_or_default(),
        Section::InSync => format!("{} in sync", targets()),
        Section::Elsewhere => format!("{} of other hosts", targets()),
    };
    rows::bold(&format!("{title}:"), None)
}

/// `8 targets, 1 account and the file want a human`; `None` if nobody does.
fn who_wants_a_human(Tally { human, accounts, others, .. }: &Tally) -> Option<String> {
    let counted = [(*human, "target", "targets"), (*accounts, "account", "accounts")];
    let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
    let who: Vec<String> = counted
        .map(|(count, one, many)| rows::counted(count, one, many))
        .chain(others.iter().map(|other| (*other).to_owned()))
        .collect();
    let who = match who.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        alone => alone.join(""),
    };
    let want = if human + accounts + others.len() == 1 { "wants" } else { "want" };
    (!who.is_empty()).then(|| capital(&format!("{who} {want} a human")))
}

/// `7 targets wait for what passes by itself, and 1 pause ends by itself`; `None` if nothing does.
fn what_passes(Tally { passes, pauses, .. }: &Tally) -> Option<String> {
    let wait = rows::counted(*passes, "target waits", "targets wait");
    let wait = (*passes > 0).then(|| format!("{wait} for what passes by itself"));
    let end = rows::counted(*pauses, "pause ends by itself", "pauses end by themselves");
    let end = (*pauses > 0).then_some(end);
    let told: Vec<String> = wait.into_iter().chain(end).collect();
    (!told.is_empty()).then(|| told.join(", and "))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The cause in words, after its label; nothing of what is in sync.
fn told(cause: &Cause<'_>, now: Timestamp, width: Option<usize>) -> Option<String> {
    let label = plain(cause.label.as_ref()?);
    let need = match cause.need() {
        Need::Now => String::new(),
        need @ (Need::ToBeDecided | Need::StoppedOnPurpose) => {
            format!(", {}", need.as_str().replace('_', " "))
        }
    };
    let since =
        since_later(cause).map_or_else(String::new, |since| format!(", for {}", rows::age(since, now)));
    let say = cause.say.as_ref().map_or_else(String::new, |say| format!(": {say}"));
    let unread = cause.targets.iter().filter(|target| !is_known(target));
    let unread = unread.filter_map(|target| target.out_of_sync_since).min();
    let not_known =
        unread.map_or_else(String::new, |since| format!(", not known for {}", rows::age(since, now)));
    let whole = format!("{label}{need}{since}{not_known}{say}");
    let text = wrapped(&plain(&whole), width, "    ");
    let colour = cause.wants.filter(|_| cause.section != Section::Elsewhere).map(rows::colour);
    // A terminal too narrow for the label has broken it.
    Some(match text.strip_prefix(&label) {
        Some(rest) => format!("{}{rest}", rows::bold(&label, colour)),
        None => text,
    })
}

/// Since when its reason holds, where that is not since when its targets are out of sync, which stands beside each.
fn since_later(cause: &Cause<'_>) -> Option<Timestamp> {
    let since = cause.targets.iter().map(|target| target.since).min()?;
    let out_of_sync = cause.targets.iter().filter_map(|target| target.out_of_sync_since).min()?;
    let is_of_now = matches!(cause.section, Section::Human | Section::Passes);
    (is_of_now && since.duration_since(out_of_sync).abs() >= APART).then_some(since)
}

/// A reason that began so soon after its target went out of sync began with it; the page has the same.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// What a target waits for to be closed, row by row.
fn open(target: &TargetStatus) -> Option<String> {
    target.detail.say_open().filter(|_| target.blockers.contains(&Reason::NotFlat))
}

/// What is good to know, and holds up nothing.
fn notes(status: &Status) -> Vec<String> {
    let Status { now, config, warnings, account_settings, http, stretch, source, .. } = status;
    let Config { generation, commit, loaded_at, problem: _, behind: _, path, next, sha256: _ } = config;
    let commit = commit.iter().map(|commit| format!(" ({})", short(commit)));
    let path = path.iter().map(|path| format!(" of {path}"));
    let accepted = loaded_at.iter().map(|at| format!(", accepted {} ago", rows::age(*at, *now)));
    let next = next.iter().map(|next| format!(" Revision {} is being taken up.", next.0));
    let revision = format!(
        "Revision {}{}{}{}.{}",
        generation.0,
        path.collect::<String>(),
        commit.collect::<String>(),
        accepted.collect::<String>(),
        next.collect::<String>()
    );
    let below = warnings.iter().filter(|warning| !status.is_alarming(warning));
    let warned = below.map(|Warning { account, say }| match account {
        Some(account) => format!("{account}: {say}"),
        None => say.clone(),
    });
    warned
        .chain(say_stretch(*stretch))
        .chain(say_settings(account_settings))
        .chain(http.map(say_http))
        .chain(source.iter().map(|pull| say_last_pull(pull, *now)))
        .chain([revision])
        .collect()
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

/// What targets say that are not in sync: each sentence once, with the targets that share it; below it what is open at each.
pub(in crate::cli) fn sentences(targets: &[TargetStatus]) -> Vec<String> {
    let mut said: Vec<(Sentence, Vec<&TargetStatus>)> = Vec::new();
    for target in targets {
        let Some(say) = target.say.as_deref().map(Sentence::of) else { continue };
        match said.iter_mut().find_map(|(before, sharing)| before.takes(&say).then_some(sharing)) {
            Some(sharing) => sharing.push(target),
            None => said.push((say, vec![target])),
        }
    }
    let told = |(say, sharing): &(Sentence, Vec<&TargetStatus>)| {
        let of_each = sharing.iter().filter_map(|target| {
            let whose = if sharing.len() == 1 { String::new() } else { format!("{}: ", named(&[target])) };
            open(target).map(|open| format!("  {whose}{}", plain(&open)))
        });
        std::iter::once(format!("{}: {say}", named(sharing))).chain(of_each).collect::<Vec<_>>()
    };
    said.iter().flat_map(told).collect()
}
