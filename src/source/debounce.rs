//! A pure state machine that decides which reads of the file are believed. It opens nothing and has no clock.

use crate::constants::FILE_SETTLE;
use crate::moment::Moment;

use super::content::Content;
use super::read::FileReading;

/// The state of the file, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Nothing is known yet: the first read is under way.
    NotReadYet,
    /// The believed content of the file.
    Content(Content),
    /// A read differs from what was believed and is not believed yet: the file is being written.
    Changing,
    /// There is no content: one sentence that says what is wrong and what to do.
    Unreadable(String),
}

/// The result of the reads so far. A problem is debounced as content is: a file that is missing for an instant during a
/// rename does not count as missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Debounce {
    #[default]
    NotReadYet,
    /// `newest` was first read at `since` and differs from what was read before.
    Unsettled {
        newest: FileReading,
        since: Moment,
    },
    Settled(FileReading),
}

impl Debounce {
    /// Adds a read that began and ended at these moments.
    pub(super) fn next(
        self,
        reading: FileReading,
        begun: Moment,
        ended: Moment,
        known_good: Option<&str>,
    ) -> Debounce {
        if let FileReading::Content(Content { bytes: _, sha256, commit: _ }, _) = &reading
            && known_good == Some(sha256)
        {
            return Debounce::Settled(reading);
        }
        match self {
            Debounce::Settled(believed) if believed.agrees_with(&reading) => Debounce::Settled(reading),
            Debounce::Unsettled { newest, since } if newest.agrees_with(&reading) => {
                if begun >= since + FILE_SETTLE {
                    Debounce::Settled(reading)
                } else {
                    Debounce::Unsettled { newest: reading, since }
                }
            }
            // Nobody writes to it any more: it was written under another name, or made anew and ended with its mark.
            Debounce::Settled(before) | Debounce::Unsettled { newest: before, .. }
                if reading.replaces(&before) =>
            {
                Debounce::Settled(reading)
            }
            Debounce::NotReadYet | Debounce::Unsettled { .. } | Debounce::Settled(_) => {
                Debounce::Unsettled { newest: reading, since: ended }
            }
        }
    }

    pub(super) fn state(&self) -> FileState {
        match self {
            Debounce::NotReadYet => FileState::NotReadYet,
            Debounce::Unsettled { .. } => FileState::Changing,
            Debounce::Settled(FileReading::Content(content, _)) => FileState::Content(content.clone()),
            Debounce::Settled(FileReading::Problem(sentence)) => FileState::Unreadable(sentence.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::read::FileId;
    use super::*;

    /// One letter for each read, 100 ms apart and taking 10 ms each: `a`, `b`, `g` (known to be good) are content, `A`,
    /// `B`, `G` the same in another commit, `!` is a problem. `said` has the state after each: the letter, `.` for
    /// nothing yet, `~` for changing.
    #[track_caller]
    fn check(reads: &str, said: &str) {
        let mut debounce = Debounce::default();
        let mut at = Moment(0);
        let told: String = reads
            .chars()
            .map(|letter| {
                let begun = at;
                at = at + FILE_SETTLE / 2;
                let reading = match letter {
                    '!' => FileReading::Problem("!".into()),
                    letter => {
                        let content = Content {
                            bytes: Arc::from(if letter.is_ascii_digit() {
                                b"x\n...\n".as_slice()
                            } else {
                                b""
                            }),
                            sha256: letter.to_ascii_lowercase().to_string(),
                            commit: letter.is_ascii_uppercase().then(|| letter.to_string()),
                        };
                        FileReading::Content(
                            content,
                            Some(FileId(0, u64::from(letter.to_digit(10).unwrap_or(0)))),
                        )
                    }
                };
                let ended = Moment(begun.0 + 10);
                debounce = std::mem::take(&mut debounce).next(reading, begun, ended, Some("g"));
                match debounce.state() {
                    FileState::NotReadYet => ".".to_owned(),
                    FileState::Changing => "~".to_owned(),
                    FileState::Content(content) => content.commit.unwrap_or(content.sha256),
                    FileState::Unreadable(sentence) => sentence,
                }
            })
            .collect();
        assert_eq!(told, said, "for the reads {reads}");
    }

    #[test]
    fn bytes_are_believed_when_reads_far_enough_apart_agree() {
        check("aaaa", "~~~a");
        check("aaaabbbbb", "~~~a~~~bb");
    }

    /// Digits are whole files, each with a number of its own.
    #[test]
    fn a_whole_file_in_the_place_of_another_is_believed_at_its_first_read() {
        check("aaaa1", "~~~a1");
        check("112", "~~2");
        check("1111a1", "~~~1~1");
        // At the start there is none that it could have replaced, and nothing is known of one that was missing.
        check("1111!1", "~~~1~~");
    }

    #[test]
    fn f14_f15_what_changes_between_the_reads_is_not_believed() {
        check("aaaabcbcbcbc", "~~~a~~~~~~~~");
        check("aaaabbcccc", "~~~a~~~~~c");
        check("abababab", "~~~~~~~~");
    }

    #[test]
    fn f10_going_back_to_what_was_believed_takes_two_reads_too_unless_it_is_known_to_be_good() {
        check("aaaabaaaa", "~~~a~~~~a");
        check("gbg", "g~g");
        check("g", "g");
    }

    #[test]
    fn f9_the_same_content_in_another_commit_is_no_change_and_its_commit_is_said_at_once() {
        check("aaaaAAa", "~~~aAAa");
        check("aAaA", "~~~A");
        check("aaaaB", "~~~a~");
        check("gGbG", "gG~G");
    }

    #[test]
    fn f13_a_file_missing_for_a_moment_is_changing_and_one_that_stays_away_is_missing() {
        check("aaaa!aaaa", "~~~a~~~~a");
        check("aaaa!!!!aaaa", "~~~a~~~!~~~a");
        check("!!!!gg", "~~~!gg");
    }

    #[test]
    fn the_content_shows_no_byte_of_itself() {
        let content = Content { bytes: Arc::from(*b"test-secret"), sha256: "9f".into(), commit: None };
        assert_eq!(format!("{:?}", FileState::Content(content)), "Content(Content(11 bytes, sha256 9f))");
    }
}
