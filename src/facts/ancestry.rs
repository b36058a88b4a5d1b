//! What a git commit descends from, as far as what brought it here has written that down.

use std::fmt;
use std::sync::Arc;

/// The number of commits that a commit consists of, and the nearest of its ancestors, over all parents of merges: the commit
/// that is in force may have come by either.
#[derive(Clone, PartialEq, Eq)]
pub struct Ancestry(Arc<str>);

impl Ancestry {
    /// Reads the note: the number of all commits from the first to this one, then the ancestors, newest first, each on a line.
    /// Whatever is no such note is `None`: nothing may be decided by half of one.
    pub fn read(text: &str) -> Option<Ancestry> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let count = lines.next()?;
        let is_count = (1..=COUNT_DIGITS).contains(&count.len())
            && count.bytes().all(|digit| digit.is_ascii_digit())
            && !count.starts_with('0');
        let mut listed = 0;
        let all_commits = lines.all(|line| {
            listed += 1;
            is_commit(line)
        });
        let few_enough = text.len() <= LONGEST && listed <= MOST_ANCESTORS;
        (is_count && all_commits && few_enough).then(|| Ancestry(text.into()))
    }

    /// Whether the commit is listed as one of the ancestors; a commit is none of its own.
    pub fn names(&self, commit: &str) -> bool {
        self.0.lines().skip(1).any(|line| line == commit)
    }

    /// How many commits there are from the first to this one, over all parents: greater than that of each ancestor.
    pub fn commits(&self) -> u64 {
        self.0.lines().next().and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// The note, as it was read.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A thousand commits tell nobody anything.
impl fmt::Debug for Ancestry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.0.lines().count() - 1;
        write!(out, "Ancestry({} commits, {listed} listed)", self.commits())
    }
}

/// Whether a name is that of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
pub fn is_commit(name: &str) -> bool {
    [SHA_1, SHA_256].contains(&name.len())
        && name.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

const SHA_1: usize = 40;
const SHA_256: usize = 64;
/// No history has more commits than that.
const COUNT_DIGITS: usize = 18;
const MOST_ANCESTORS: usize = 1000;
/// Of a note in bytes, with the ends of its lines.
pub const LONGEST: usize = COUNT_DIGITS + 1 + MOST_ANCESTORS * (SHA_256 + 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_the_ancestors_and_half_a_note_nothing() {
        let (one, two) = ("1".repeat(40), "ab".repeat(32));
        let note = Ancestry::read(&format!("7\n{one}\n{two}\n")).unwrap();
        assert!(note.names(&one) && note.names(&two) && !note.names("7") && !note.names(&one[1..]));
        assert_eq!(format!("{note:?}"), "Ancestry(7 commits, 2 listed)");
        assert_eq!(Ancestry::read(note.as_str()), Some(note));
        assert!(!Ancestry::read("1\n").unwrap().names(""), "the first commit has none");
        let line = format!("{two}\n");
        let full = format!("999999999999999999\n{}", line.repeat(1000));
        assert_eq!(full.len(), LONGEST);
        assert!(Ancestry::read(&full).is_some());
        for bad in [
            String::new(),
            "\n".to_owned(),
            "7".to_owned(),
            format!("7\n{one}"),
            format!("7\n{one}\n\n"),
            format!("7\n{one}\n{}\n", &two[1..]),
            format!("7\n{}\n", one.replace('1', "A")),
            format!("7\r\n{one}\r\n"),
            format!("-7\n{one}\n"),
            format!("07\n{one}\n"),
            format!("{one}\n{two}\n"),
            format!("7\n{}", line.repeat(1001)),
        ] {
            assert_eq!(Ancestry::read(&bad), None, "{bad:?}");
        }
    }
}
