//! The rule of arrows: a room may name only rooms above it in the list, files name each other in no circle, and a pure
//! room reaches no clock and no socket.
//!
//! It reads the text of `src`, not what a compiler makes of it: comments and test modules are left out.

mod circles;

use std::fs;
use std::path::Path;

/// From those that know nothing to those that know all.
const ROOMS: [&str; 23] = [
    "constants",
    "moment",
    "position_mode",
    "window",
    "schedule",
    "facts",
    "desired",
    "protocol",
    "clock",
    "log",
    "access",
    "ledger",
    "exchange",
    "host",
    "source",
    "status",
    "keeper",
    "fleet",
    "serve",
    "notify",
    "daemon",
    "cli",
    "fuzzing",
];
/// All up to here are pure.
const LAST_PURE: &str = "protocol";
const IMPURE: [&str; 8] = [
    "tokio",
    "reqwest",
    "rusqlite",
    "std::fs",
    "std::net",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// Rooms that show these names only to one other room.
const DOORS: [(&str, &str, &[&str]); 2] = [
    ("exchange", "ledger", &["ledger::Noted"]),
    (
        "serve",
        "ledger",
        &[
            "ledger::Event",
            "ledger::EventKind",
            "ledger::HistoryFilter",
            "ledger::Span",
            "ledger::Spans",
            "ledger::SpansFilter",
            "ledger::TargetSpans",
        ],
    ),
];

#[test]
fn every_room_names_only_rooms_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in files(&source) {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap();
        wrong.extend(violations(name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = |file: &std::path::PathBuf| {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let text = code(&fs::read_to_string(file).unwrap());
        (name, text)
    };
    let files = files(&source).iter().map(named).filter(|(name, _)| !is_of_tests(name)).collect::<Vec<_>>();
    let circles = circles::Files::new(files).circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn the_rule_can_be_broken() {
    #[rustfmt::skip] // A table.
    let cases = [
        ("facts.rs", "use crate::protocol::next;", "facts.rs: facts may not name protocol::next"),
        ("facts/seen.rs", "fn f() {\n crate::facts::g(); crate::cli::h() }", "facts/seen.rs: facts may not name cli::h"),
        ("facts.rs", "use crate::{moment::Moment, keeper::{self, K}};", "facts.rs: facts may not name keeper::self; facts.rs: facts may not name keeper::K"),
        ("facts.rs", "use super::{clock};", "facts.rs: facts may not name clock"),
        ("ledger.rs", "use crate::exchange::Apply;", "ledger.rs: ledger may not name exchange::Apply"),
        ("exchange/bitget.rs", "use crate::ledger::{Ledger, Noted};", "exchange/bitget.rs: exchange may not name ledger::Ledger"),
        ("protocol.rs", "use std::time::{Duration, Instant};", "protocol.rs: protocol is pure and may not name std::time::Instant"),
        ("protocol.rs", "tokio::spawn(f)", "protocol.rs: protocol is pure and may not name tokio::spawn"),
        ("window.rs", "use std::{fmt, fs::{File}};", "window.rs: window is pure and may not name std::fs::File"),
        ("helpers.rs", "", "helpers.rs: helpers is in no list of rooms"),
        ("keeper.rs", "use crate::{ledger, exchange::{Apply}, keeper::Step}; use std::fs;", ""),
        ("exchange.rs", "use crate::ledger::Noted;", ""),
        ("serve/page.rs", "use super::status; use crate::status;", ""),
        ("facts.rs", "//! crate::cli\n/// tokio::spawn\n#[cfg(test)]\nmod tests {\n use crate::cli; }", ""),
        ("facts/tests.rs", "use crate::cli;", ""),
        ("lib.rs", "pub use crate::cli::run;", ""),
        ("main.rs", "use posmoded::cli;", ""),
    ];
    for (name, text, told) in cases {
        assert_eq!(violations(name, text).join("; "), told, "{name}: {text}");
    }
}

/// What `text`, the file `name` below `src`, does against the rule.
fn violations(name: &str, text: &str) -> Vec<String> {
    if ["lib.rs", "main.rs"].contains(&name) || is_of_tests(name) {
        return Vec::new();
    }
    let room = name.split(['/', '.']).next().unwrap();
    let place = |room: &str| ROOMS.iter().position(|listed| *listed == room);
    let Some(here) = place(room) else { return vec![format!("{name}: {room} is in no list of rooms")] };
    let text = code(text);
    // In a room's own file `super` is the crate; further in it is the room.
    let roots: &[&str] = if name.contains('/') { &["crate::"] } else { &["crate::", "super::"] };
    let mut wrong = Vec::new();
    for named in roots.iter().flat_map(|root| paths(&text, root)) {
        let other = named.split("::").next().unwrap();
        let closed = DOORS
            .iter()
            .any(|(from, to, open)| (*from, *to) == (room, other) && !open.contains(&named.as_str()));
        if closed || place(other).is_some_and(|there| there > here) {
            wrong.push(format!("{name}: {room} may not name {named}"));
        }
    }
    if here <= place(LAST_PURE).unwrap() {
        let roots = ["std", "tokio", "reqwest", "rusqlite"].map(|root| format!("{root}::"));
        let named = roots
            .iter()
            .flat_map(|root| paths(&text, root).into_iter().map(move |path| format!("{root}{path}")));
        let impure =
            |path: &String| IMPURE.iter().any(|bad| path == bad || path.starts_with(&format!("{bad}::")));
        wrong.extend(
            named.filter(impure).map(|path| format!("{name}: {room} is pure and may not name {path}")),
        );
    }
    wrong
}

fn is_of_tests(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

/// The text without comments and without the tests that stand in it.
fn code(text: &str) -> String {
    let text = text.split("mod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

/// Every path that the text names below `root`, groups taken apart.
fn paths(text: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(root) {
        let before = text[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            tree(&text[at + root.len()..], "", &mut found);
        }
    }
    found
}

/// Reads one path or group at the beginning of `text` and returns what follows it.
fn tree<'t>(text: &'t str, prefix: &str, found: &mut Vec<String>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match rest.strip_prefix('}') {
                Some(after) => return after,
                None if rest.is_empty() => return rest,
                None => rest = tree(rest, prefix, found).trim_start_matches(|c| c != ',' && c != '}'),
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
    let (name, rest) = (format!("{prefix}{}", &text[..end]), &text[end..]);
    match rest.strip_prefix("::") {
        Some(below) if !below.starts_with('<') => tree(below, &format!("{name}::"), found),
        Some(_) | None => {
            found.push(name);
            rest
        }
    }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "no source in {}", directory.display());
    // The page has text of its own.
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    found.sort();
    found
}
