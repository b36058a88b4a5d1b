//! A pure state machine that decides which reads of the file are believed. It opens nothing and has no clock.

use crate::constants::{FILE_SETTLE, FILE_WRITTEN};
use crate::moment::Moment;

use super::content::Content;
use super::read::FileReading;
use super::witness::Witnessed;

/// The state of the file, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Nothing is known yet: the first read is under way.
    NotReadYet,
    /// The believed content of the file.
    Content(Content),
    /// A read differs from what was believed and is not believed yet: the file is being written.
    Changing,
    /// The same for longer than any writer takes that ends: since the first read that differed.
    StillWritten {
        /// When that was.
        since: Moment,
    },
    /// There is no content: one sentence that says what is wrong and what to do.
    Unreadable(String),
}

/// The result of the reads so far. A problem is debounced as content is: a file that is missing for an instant during a
/// rename does not count as missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Debounce {
    #[default]
    NotReadYet,
    /// `newest` was first read at `since` and differs from what was read before; what is believed was last read before
    /// `differs_since`.
    Unsettled {
        newest: FileReading,
        since: Moment,
        differs_since: Moment,
    },
    Settled(FileReading),
}

impl Debounce {
    /// Adds a read that began and ended at these moments.
    pub(super) fn next(
        self,
        reading: FileReading,
        (begun, ended): (Moment, Moment),
        known_good: Option<&str>,
        witnessed: Witnessed,
    ) -> Debounce {
        let Witnessed { is_being_written, was_put_in_place } = witnessed;
        if let FileReading::Content(Content { bytes: _, sha256, commit: _, ancestry: _ }, _) = &reading
            && known_good == Some(sha256)
        {
            return Debounce::Settled(reading);
        }
        match self {
            Debounce::Settled(believed) if believed.agrees_with(&reading) => Debounce::Settled(reading),
            // However many reads agree, its writer has not closed it, and may have paused half-way.
            Debounce::Unsettled { newest, since, differs_since: _ }
                if !is_being_written && newest.agrees_with(&reading) && begun >= since + FILE_SETTLE =>
            {
                Debounce::Settled(reading)
            }
            // Nobody writes to it any more: it was written under another name, and ends with its mark.
            Debounce::Settled(before) | Debounce::Unsettled { newest: before, .. }
                if !is_being_written && was_put_in_place && reading.replaces(&before) =>
            {
                Debounce::Settled(reading)
            }
            Debounce::Unsettled { newest, since, differs_since } => {
                let since = if newest.agrees_with(&reading) { since } else { ended };
                Debounce::Unsettled { newest: reading, since, differs_since }
            }
            Debounce::NotReadYet | Debounce::Settled(_) => {
                Debounce::Unsettled { newest: reading, since: ended, differs_since: ended }
            }
        }
    }

    /// The state as of `now`.
    pub(super) fn state(&self, now: Moment) -> FileState {
        match self {
            Debounce::NotReadYet => FileState::NotReadYet,
            Debounce::Unsettled { newest: _, since: _, differs_since }
                if now.since(*differs_since) >= FILE_WRITTEN =>
            {
                FileState::StillWritten { since: *differs_since }
            }
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
    /// `B`, `G` the same in another commit, `!` is a problem. A `>` before it: it was put in its place; a `*`: somebody is
    /// writing to it. `said` has the state after each: the letter, `.` for nothing yet, `~` for changing.
    #[track_caller]
    fn check(reads: &str, said: &str) {
        let mut debounce = Debounce::default();
        let mut at = Moment(0);
        let mut witnessed = Witnessed::default();
        let told: String = reads
            .chars()
            .filter_map(|letter| {
                match letter {
                    '>' => witnessed.was_put_in_place = true,
                    '*' => witnessed.is_being_written = true,
                    _ => {}
                }
                if ['>', '*'].contains(&letter) {
                    return None;
                }
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
                            ancestry: None,
                        };
                        FileReading::Content(
                            content,
                            Some(FileId(0, u64::from(letter.to_digit(10).unwrap_or(0)))),
                        )
                    }
                };
                let ended = Moment(begun.0 + 10);
                let witnessed = std::mem::take(&mut witnessed);
                debounce = std::mem::take(&mut debounce).next(reading, (begun, ended), Some("g"), witnessed);
                Some(match debounce.state(ended) {
                    FileState::NotReadYet => ".".to_owned(),
                    FileState::Changing => "~".to_owned(),
                    FileState::StillWritten { since: _ } => "w".to_owned(),
                    FileState::Content(content) => content.commit.unwrap_or(content.sha256),
                    FileState::Unreadable(sentence) => sentence,
                })
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
        check("aaaa>1", "~~~a1");
        check("11>2", "~~2");
        check("1111a>1", "~~~1~1");
        // At the start there is none that it could have replaced, and nothing is known of one that was missing.
        check(">1", "~");
        check("1111!>1", "~~~1~~");
        // Made anew and written where it lies, it may be half; and so may one that is written to after all.
        check("aaaa1111", "~~~a~~~1");
        check("aaaa>*1", "~~~a~");
    }

    #[test]
    fn f6_f15_what_is_being_written_is_not_believed_before_its_writer_has_closed_it() {
        check("aaaa*b*b*b*b*bb", "~~~a~~~~~b");
        check("aaaa*b*b*b*c*cccc", "~~~a~~~~~~cc");
        check("aaaa*a*a", "~~~aaa");
        // It is what it was, or what is known to be good.
        check("aaaa*b*aaaa", "~~~a~~~~a");
        check("aaaa*g", "~~~ag");
        let reads = |number: usize| "*b".repeat(number);
        check(&format!("aaaa{}", reads(301)), &format!("~~~a{}w", "~".repeat(300)));
        check(&format!("aaaa{}b", reads(302)), &format!("~~~a{}wwb", "~".repeat(300)));
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
        let content =
            Content { bytes: Arc::from(*b"test-secret"), sha256: "9f".into(), commit: None, ancestry: None };
        assert_eq!(format!("{:?}", FileState::Content(content)), "Content(Content(11 bytes, sha256 9f))");
    }
}
