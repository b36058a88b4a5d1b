//! What is wrong with a file: where, what, and what to write instead; reported as text, JSON or GitHub annotations.
//!
//! Shows no line that may hold a secret, and no control character raw.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;

use super::account::{Account, Desired};
use super::secret;

use crate::position_mode::AccountName;

/// One thing that is wrong, at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The text of the line, with control characters made visible and cut if long; `None` if it may hold a secret.
    pub text: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

/// All problems of a file, ordered by place; at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: the place, the line with a caret under it, the remedy.
    Text,
    /// One object with `"schema": 1`.
    Json,
    /// Workflow commands that GitHub shows beside the lines.
    Github,
}

/// What `check` prints about a file that was read: every problem, or that there is none (as annotations: nothing).
pub fn report(file: &str, outcome: &Result<Desired, Problems>, format: Format) -> String {
    let problems = match outcome {
        Ok(_) => &[],
        Err(Problems(problems)) => problems.as_slice(),
    };
    match format {
        Format::Text => text(&shown(file), outcome.as_ref().ok(), problems),
        Format::Json => json(file, problems),
        Format::Github => problems.iter().map(|problem| annotation(file, problem)).collect(),
    }
}

fn text(file: &str, good: Option<&Desired>, problems: &[Problem]) -> String {
    if let Some(Desired { max_changes, accounts }) = good {
        let (good_accounts, accounts) = (accounts, counted(accounts.len(), "account"));
        let changes =
            if *max_changes == 1 { "1 change".to_owned() } else { format!("{max_changes} changes") };
        let conditions = conditions(good_accounts);
        return format!("{file}: good: {accounts}, at most {changes} in any hour{conditions}\n");
    }
    let mut out = String::new();
    for Problem { line, column, text, what, remedy } in problems {
        let _ = writeln!(out, "{file}:{line}:{column}: {what}");
        let gutter = line.to_string();
        let blank = " ".repeat(gutter.len());
        match text {
            Some(text) => {
                let _ = writeln!(
                    out,
                    "  {gutter} | {text}\n  {blank} | {}^",
                    " ".repeat(column.saturating_sub(1))
                );
            }
            None => {
                let _ = writeln!(out, "  {gutter} | (not shown)");
            }
        }
        let _ = writeln!(out, "  {blank} = {remedy}\n");
    }
    let _ = writeln!(out, "{file}: {}; nothing of it is accepted", counted(problems.len(), "problem"));
    out
}

/// How many accounts have change windows or requirements, as a reminder that they may have to wait.
fn conditions(accounts: &BTreeMap<AccountName, Arc<Account>>) -> String {
    let in_windows = accounts.values().filter(|account| !account.policy.windows.0.is_empty()).count();
    let requiring = accounts.values().filter(|account| !account.policy.require.0.is_empty()).count();
    let told = [(in_windows, "in change windows only"), (requiring, "with requirements on the host")];
    let told = told.iter().filter(|(count, _)| *count > 0);
    told.fold(String::new(), |text, (count, how)| format!("{text}; {} {how}", counted(*count, "account")))
}

fn json(file: &str, problems: &[Problem]) -> String {
    #[derive(Serialize)]
    struct Report<'a> {
        schema: u32,
        file: &'a str,
        good: bool,
        problems: &'a [Problem],
    }
    let report = Report { schema: 1, file, good: problems.is_empty(), problems };
    // Strings, numbers and lists always have a JSON form.
    serde_json::to_string(&report).unwrap_or_default() + "\n"
}

fn annotation(file: &str, Problem { line, column, text: _, what, remedy }: &Problem) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let file = escape(file).replace(':', "%3A").replace(',', "%2C");
    format!("::error file={file},line={line},col={column}::{}\n", escape(&format!("{what}; {remedy}")))
}

/// A place in the file, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Place = Place { line: 1, column: 1 };
}

/// A problem that has its place but not yet the text of its line.
#[derive(Debug, Clone)]
pub(super) struct Remark {
    place: Place,
    what: String,
    remedy: String,
}

impl Remark {
    pub(super) fn new(place: Place, what: impl Into<String>, remedy: impl Into<String>) -> Remark {
        Remark { place, what: what.into(), remedy: remedy.into() }
    }
}

impl Problems {
    /// The remarks by place, each with its line unless that is in a hidden range or may hold a secret.
    pub(super) fn new(mut remarks: Vec<Remark>, text: &str, hidden: &[RangeInclusive<usize>]) -> Problems {
        remarks.sort_by_key(|remark| remark.place);
        let lines: Vec<&str> = text.split('\n').collect();
        let unseen = remarks.len().saturating_sub(MOST);
        let mut problems: Vec<Problem> = remarks
            .into_iter()
            .take(MOST)
            .map(|remark| {
                let at = remark.place.line;
                let line = lines.get(at.saturating_sub(1)).copied().unwrap_or_default();
                let hide = hidden.iter().any(|range| range.contains(&at)) || secret::may_stand_in(line);
                let text = if hide { None } else { clipped(line, remark.place.column) };
                remark.into_problem(text)
            })
            .collect();
        if let (Some(last), 1..) = (problems.last_mut(), unseen) {
            let _ = write!(last.what, " (and {} after this one)", counted(unseen, "problem"));
        }
        Problems(problems)
    }

    /// The same without a complete tree that shows which lines belong to a secret: if any line may hold one, no line is
    /// shown.
    pub(super) fn without_tree(remarks: Vec<Remark>, text: &str) -> Problems {
        if text.split('\n').any(secret::may_stand_in) {
            Problems::new(remarks, text, &[1..=usize::MAX])
        } else {
            Problems::new(remarks, text, &[])
        }
    }

    /// One problem whose line cannot be shown.
    pub(super) fn untold(remark: Remark) -> Problems {
        Problems(vec![remark.into_problem(None)])
    }
}

impl Remark {
    fn into_problem(self, text: Option<String>) -> Problem {
        let Remark { place: Place { line, column }, what, remedy } = self;
        Problem { line, column, text, what, remedy }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { line, column, text: _, what, remedy } = self;
        write!(out, "line {line}, column {column}: {what}; {remedy}")
    }
}

/// One line: the first problem, and how many more there are.
impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problems(problems) = self;
        match problems.as_slice() {
            [] => Ok(()),
            [only] => write!(out, "{only}"),
            [first, rest @ ..] => write!(out, "{first} (and {} more)", counted(rest.len(), "problem")),
        }
    }
}

/// Text from the file or the command line, with U+FFFD for each character that would steer a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect()
}

/// Whether a character is not plainly visible: control, writing direction, line separator or invisible.
pub(super) fn steers(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    (c.is_control() && c != '\t') || invisible
}

/// A word of the file as a message quotes it.
pub(super) fn quoted(word: &str) -> String {
    let mut start: String = shown(word).chars().take(LONGEST_WORD).collect();
    if word.chars().nth(LONGEST_WORD).is_some() {
        start.push('…');
    }
    format!("`{start}`")
}

/// `1 account`, `2 accounts`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn clipped(line: &str, column: usize) -> Option<String> {
    let mut start: String = shown(line).chars().take(LONGEST_LINE).collect();
    if line.chars().nth(LONGEST_LINE).is_some() {
        start.push('…');
    }
    (column <= LONGEST_LINE + 1).then_some(start)
}

/// How many problems are reported at once: a faulty generator must not fill the disk with its report.
const MOST: usize = 100;
/// Longer lines are cut, for the same reason.
const LONGEST_LINE: usize = 200;
/// Longer words are cut.
const LONGEST_WORD: usize = 64;
