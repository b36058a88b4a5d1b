//! The declared file: YAML text to `Desired`, or every problem of it with line, column and what to write instead.
//!
//! Accepts all of a file or none of it. Pure: it reads no file and no clock, and knows nothing of what is live.

mod problem;
mod rules;
mod scalar;
mod schema;
mod secret;
mod tree;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use problem::{Format, Problem, Problems, report};
pub use schema::schema;

use crate::facts::{DriftPolicy, Generation, Requirements, Wanted};
use crate::position_mode::{AccountName, Declared, PositionMode, Uid};
use crate::window::Windows;
use problem::Remark;
use tree::Place;

/// What the file wants, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// At most so many sets leave in any hour, whatever their cause; at least 1.
    pub max_changes: u32,
    /// The accounts by name; never empty.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
}

/// What the file wants of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its position mode: one for everything, or one per product type (at least one).
    pub declared: Declared,
    /// Whose key it must be, if the file says so.
    pub uid: Option<Uid>,
    /// The one host that may ask for it and set it, if the file says so.
    pub host: Option<String>,
    /// Whether its key was made in demo mode.
    pub demo: bool,
    /// What to do about drift: its own, else the defaults'.
    pub drift: DriftPolicy,
    /// How often a target that is in sync is compared: 5 s to 1 h.
    pub check_every: Duration,
    /// How long it must have been flat before its mode is changed: 0 s to 24 h.
    pub settle: Duration,
    /// Why nothing of it is changed, if the file says so: its own reason, else that of the whole file. One line.
    pub suspended: Option<String>,
    /// The times in which it may be changed; alternatives, and without any all times.
    pub windows: Windows,
    /// What must be so on the host before it is changed.
    pub require: Requirements,
}

impl Desired {
    /// The accounts that are not another host's, seen from `here`.
    pub fn accounts_of(&self, here: &str) -> BTreeSet<AccountName> {
        let ours = self.accounts.iter().filter(|(_, account)| account.elsewhere(here).is_none());
        ours.map(|(name, _)| name.clone()).collect()
    }
}

impl Account {
    /// What a revision that says this wants of a target that is to have `mode`.
    pub fn wanted(&self, mode: Option<PositionMode>, generation: Generation) -> Wanted {
        let Account {
            declared: _,
            uid: _,
            host: _,
            demo: _,
            drift,
            check_every,
            settle,
            suspended,
            windows,
            require,
        } = self;
        Wanted {
            mode,
            generation,
            drift: *drift,
            check_every: *check_every,
            settle: *settle,
            suspended: suspended.clone(),
            windows: windows.clone(),
            require: require.clone(),
        }
    }

    /// The host that the file gives it to, if that is not `here`.
    pub fn elsewhere(&self, here: &str) -> Option<String> {
        self.host.clone().filter(|host| host != here)
    }
}

/// Reads a whole file: all of it, or everything that is wrong with it. Bytes that are not plain UTF-8 text, and YAML that
/// cannot be read to its end, are told alone, save for a missing end mark: what follows from them is noise.
pub fn read(bytes: &[u8]) -> Result<Desired, Problems> {
    if bytes.len() > LONGEST {
        return Err(Problems::untold(Remark::new(
            Place::START,
            format!("the file has {} bytes, more than {LONGEST}", bytes.len()),
            "declare fewer accounts in one file",
        )));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default())),
    };
    let (text, mark) = match text.strip_prefix('\u{feff}') {
        Some(text) => (text, Some(byte_order_mark())),
        None => (text, None),
    };
    if let Some(remark) = line_ends(text) {
        return Err(Problems::new(vec![remark], text, &[]));
    }
    let mut remarks: Vec<Remark> = mark.into_iter().chain(truncated(text)).collect();
    match tree::grow(text) {
        Ok(tree) => rules::apply(&tree, remarks).map_err(|(remarks, hidden)| {
            if tree.deep_remarks {
                Problems::without_tree(remarks, text)
            } else {
                Problems::new(remarks, text, &hidden)
            }
        }),
        Err(syntax) => {
            remarks.push(syntax);
            Err(Problems::without_tree(remarks, text))
        }
    }
}

fn not_utf8(good: &[u8]) -> Problems {
    let good = String::from_utf8_lossy(good);
    let line = good.matches('\n').count() + 1;
    let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problems::untold(Remark::new(
        Place { line, column },
        "here is a byte that is not UTF-8",
        "save the file as UTF-8, without a byte order mark",
    ))
}

fn byte_order_mark() -> Remark {
    Remark::new(Place::START, "the file begins with a byte order mark", "save it as UTF-8 without one")
}

fn line_ends(text: &str) -> Option<Remark> {
    let (line, end) = text.split('\n').enumerate().find_map(|(line, all)| Some((line, all.find('\r')?)))?;
    let column = text.split('\n').nth(line)?.get(..end)?.chars().count() + 1;
    Some(Remark::new(
        Place { line: line + 1, column },
        "here is a carriage return: the file has the line ends of Windows",
        "save it with Unix line ends (LF), and have git keep them: `*.yaml text eol=lf` in .gitattributes",
    ))
}

/// A file cut off anywhere does not end with YAML's end mark on a line of its own.
fn truncated(text: &str) -> Option<Remark> {
    if text == "...\n" || text.ends_with("\n...\n") {
        return None;
    }
    let last = text.strip_suffix('\n').unwrap_or(text);
    let line = last.matches('\n').count() + 1;
    let column = last.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Remark::new(
        Place { line, column },
        "the file does not end with the end mark: it may be truncated",
        "end it with a line of its own that is `...` and a newline, nothing after it",
    ))
}

/// The most bytes a file may have: thousands of accounts. It bounds what a bad one can cost.
const LONGEST: usize = 1024 * 1024;
