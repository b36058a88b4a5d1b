//! What targets say, put together where it differs in spans alone, `Next try in 4s to 12s.`, or in whose account a command is
//! for, `posmoded refresh desk-1 desk-2`.
//!
//! Keepers count at moments of their own, so that one cause is told with a few seconds' difference.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::moment::{span, spell};

/// A sentence in which spans and commands stand for all that were put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    Span {
        written: String,
        least: Duration,
        most: Duration,
        tail: String,
    },
    /// The accounts that a command is for, up to its end.
    Accounts {
        names: BTreeSet<String>,
        tail: String,
    },
}

impl Sentence {
    pub(super) fn of(text: &str) -> Sentence {
        let mut parts: Vec<Part> = Vec::new();
        for word in text.split(' ') {
            let core = word.trim_end_matches([',', '.', ';', ':', ')']);
            let tail = word.get(core.len()..).unwrap_or_default().to_owned();
            if let Some(name) = core.strip_suffix('`').filter(|_| is_of_accounts(&parts)) {
                parts.push(Part::Accounts { names: BTreeSet::from([name.to_owned()]), tail });
                continue;
            }
            let Some(length) = one_unit(core) else {
                parts.push(Part::Word(word.to_owned()));
                continue;
            };
            match parts.last_mut() {
                // The second unit of a span.
                Some(Part::Span { written, least, most, tail: before })
                    if before.is_empty() && *least > length =>
                {
                    (*least, *most) = (*least + length, *most + length);
                    *written = format!("{written} {core}");
                    *before = tail;
                }
                Some(Part::Span { .. } | Part::Accounts { .. } | Part::Word(_)) | None => {
                    parts.push(Part::Span { written: core.to_owned(), least: length, most: length, tail });
                }
            }
        }
        Sentence(parts)
    }

    /// Takes `other` in if it differs in spans and in the accounts of commands alone, and tells whether it did.
    pub(super) fn takes(&mut self, other: &Sentence) -> bool {
        let alike = |(ours, theirs): (&Part, &Part)| match (ours, theirs) {
            (Part::Word(ours), Part::Word(theirs))
            | (Part::Span { tail: ours, .. }, Part::Span { tail: theirs, .. })
            | (Part::Accounts { tail: ours, .. }, Part::Accounts { tail: theirs, .. }) => ours == theirs,
            (Part::Word(_) | Part::Span { .. } | Part::Accounts { .. }, _) => false,
        };
        if self.0.len() != other.0.len() || !self.0.iter().zip(&other.0).all(alike) {
            return false;
        }
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            match (ours, theirs) {
                (Part::Span { least, most, .. }, Part::Span { least: low, most: high, .. }) => {
                    (*least, *most) = ((*least).min(*low), (*most).max(*high));
                }
                (Part::Accounts { names, .. }, Part::Accounts { names: more, .. }) => {
                    names.extend(more.iter().cloned());
                }
                (Part::Word(_) | Part::Span { .. } | Part::Accounts { .. }, _) => {}
            }
        }
        true
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            match part {
                Part::Word(word) => f.write_str(word)?,
                Part::Accounts { names, tail } => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    write!(f, "{}`{tail}", names.join(" "))?;
                }
                Part::Span { written, least, most, tail } if least == most => write!(f, "{written}{tail}")?,
                Part::Span { written: _, least, most, tail } => {
                    write!(f, "{} to {}{tail}", spell(*least), spell(*most))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether what follows is the account of a command that takes several.
fn is_of_accounts(before: &[Part]) -> bool {
    let [.., Part::Word(program), Part::Word(command)] = before else { return false };
    program == "`posmoded" && ["refresh", "resume"].contains(&command.as_str())
}

/// The length of a span in one unit, such as `14m`; a `0s` is one, too.
fn one_unit(word: &str) -> Option<Duration> {
    let digits = word.strip_suffix(['d', 'h', 'm', 's'])?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain {
        return None;
    }
    if digits.bytes().all(|byte| byte == b'0') { Some(Duration::ZERO) } else { span(word).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: &str, second: &str, together: Option<&str>) {
        let mut told = Sentence::of(first);
        assert_eq!(told.to_string(), first);
        let taken = told.takes(&Sentence::of(second)).then(|| told.to_string());
        assert_eq!(taken.as_deref(), together);
    }

    #[test]
    fn sentences_that_differ_in_spans_alone_are_one_with_the_least_and_the_most() {
        check(
            "No answer. Next try in 4s.",
            "No answer. Next try in 12s.",
            Some("No answer. Next try in 4s to 12s."),
        );
        check("Flat for 59m 58s; at 1h.", "Flat for 1h; at 1h.", Some("Flat for 59m 58s to 1h; at 1h."));
        check("Over, 0s from now.", "Over, 2h 5m from now.", Some("Over, 0s to 2h 5m from now."));
        check("The same in 90s.", "The same in 90s.", Some("The same in 90s."));
    }

    #[test]
    fn a_command_that_takes_several_accounts_is_one_for_all_of_them() {
        check(
            "It is denied; then `posmoded refresh desk-1` (it is tried again by itself in 4s).",
            "It is denied; then `posmoded refresh desk-2` (it is tried again by itself in 9s).",
            Some(
                "It is denied; then `posmoded refresh desk-1 desk-2` (it is tried again by itself in 4s to 9s).",
            ),
        );
        check("Then `posmoded resume a`.", "Then `posmoded resume a`.", Some("Then `posmoded resume a`."));
        check("Then `posmoded refresh a`.", "Then `posmoded refresh`.", None);
        check("Then `posmoded refresh a`.", "Then `posmoded resume a`.", None);
        check("See `posmoded status a`.", "See `posmoded status b`.", None);
    }

    #[test]
    fn what_differs_in_more_is_two() {
        check("Open: 1 position.", "Open: 2 positions.", None);
        check("Wait 4s.", "Wait 4s, then.", None);
        check("Write `for 2h`.", "Write `for 3h`.", None);
        check("ends 4s", "ends soon", None);
        check("\u{e9}s 4\u{e9}s", "x", None);
        check("", "4s", None);
    }
}
