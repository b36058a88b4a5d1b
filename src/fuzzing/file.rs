//! The desired-state file.

use std::time::Duration;

use crate::desired::{Desired, Format, Problems, read, report};
use crate::moment::ServerTime;
use crate::window::Windows;

/// A desired-state file: good, or wrong at places that it has; the same each time; and never good when it is cut off.
pub fn file(bytes: &[u8]) {
    let outcome = read(bytes);
    assert_eq!(outcome, read(bytes), "read twice");
    match &outcome {
        Ok(desired) => {
            good(desired);
            let behind_a_comment = [b"# A comment.\n", bytes].concat();
            assert_eq!(read(&behind_a_comment), outcome, "a comment declares nothing");
            for cut in [1, 2, 3, 4, 5, bytes.len() / 3, bytes.len() / 2] {
                let part = bytes.get(..bytes.len().saturating_sub(cut)).unwrap_or_default();
                assert!(read(part).is_err(), "good without its last {cut} bytes");
            }
        }
        Err(Problems(problems)) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line) && problem.column > 0));
            assert!(problems.is_sorted_by_key(|problem| (problem.line, problem.column)));
        }
    }
    for format in [Format::Text, Format::Json, Format::Github] {
        let told = report("f", &outcome, format);
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}

fn good(desired: &Desired) {
    let Desired { max_changes, accounts } = desired;
    assert!(*max_changes > 0 && !accounts.is_empty());
    for account in accounts.values() {
        let policy = &account.policy;
        assert!((Duration::from_secs(5)..=Duration::from_secs(3600)).contains(&policy.check_every));
        assert!(policy.settle <= Duration::from_secs(24 * 3600));
        assert!(!policy.suspended.as_deref().unwrap_or_default().contains(char::is_control));
        for at in MOMENTS {
            windows(&policy.windows, ServerTime(at));
        }
    }
}

fn windows(windows: &Windows, at: ServerTime) {
    let until = windows.open_until(at);
    assert!(until.is_none_or(|until| until > at));
    assert_eq!(windows.are_open(at), until.is_some() || windows.0.is_empty());
    if let Some(opening) = windows.next_opening(at) {
        assert!(opening.at > at && !windows.are_open(at));
        assert!(windows.are_open(opening.at), "closed at {}", opening.window.shown(opening.at));
        let just_before = ServerTime(opening.at.0 - 1);
        assert!(!windows.are_open(just_before), "open before {}", opening.window.shown(opening.at));
    }
}

/// In milliseconds since 1970: a Sunday in November, one second before clocks go forward in Berlin, and while they go
/// back in New York.
const MOMENTS: [i64; 3] = [1_795_953_600_000, 1_774_745_999_000, 1_793_514_600_500];
