//! When what brings the file from git last succeeded, from the note that it leaves beside its `current`.
//!
//! For operators only: nothing is decided by it, so whatever is no such note counts as none.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::facts::is_commit;

/// The last time that the newest commit of the branch was asked for, and was in place afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPull {
    /// When, by this host's clock.
    pub last_success_at: Timestamp,
    /// The commit, in lower-case hex.
    pub commit: String,
}

impl LastPull {
    /// What the note says, if the file at `path` is reached through a symlink with a note beside it: of
    /// `/var/lib/posmoded-config/current/desired-state.yaml` it is `/var/lib/posmoded-config/last-success`.
    pub(super) fn of(path: &Path) -> Option<LastPull> {
        let turned = path.parent()?;
        if !fs::symlink_metadata(turned).ok()?.is_symlink() {
            return None;
        }
        // Without O_NONBLOCK, opening a fifo waits for a writer.
        let note = turned.parent()?.join(NOTE);
        let note: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(note).ok()?;
        let mut text = String::new();
        note.take(LONGEST).read_to_string(&mut text).ok()?;
        LastPull::read(&text)
    }

    /// A note is one line: the time, a space, the commit.
    fn read(text: &str) -> Option<LastPull> {
        let (at, commit) = text.strip_suffix('\n')?.split_once(' ')?;
        let last_success_at = at.parse().ok()?;
        is_commit(commit).then(|| LastPull { last_success_at, commit: commit.to_owned() })
    }
}

const NOTE: &str = "last-success";
/// Of a note in bytes; it takes 86.
const LONGEST: u64 = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn f76_a_note_beside_the_symlink_tells_the_last_pull_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let commit = "ab".repeat(20);
        fs::create_dir_all(at.join("releases/1")).unwrap();
        symlink("releases/1", at.join("current")).unwrap();
        let current = at.join("current/desired-state.yaml");
        let note = at.join(NOTE);
        assert_eq!(LastPull::of(&current), None, "no note");
        let good = format!("2026-11-22T08:59:30Z {commit}\n");
        fs::write(&note, &good).unwrap();
        let pulled = LastPull { last_success_at: "2026-11-22T08:59:30Z".parse().unwrap(), commit };
        assert_eq!(LastPull::of(&current), Some(pulled));
        assert_eq!(LastPull::of(&at.join("releases/desired-state.yaml")), None, "no symlink");
        assert_eq!(LastPull::of(&at.join("desired-state.yaml")), None);
        assert_eq!(LastPull::of(Path::new("/")), None);
        for bad in ["", "\n", &good[..20], good.trim_end(), &good.replace('a', "A"), &good.replace('Z', "")] {
            fs::write(&note, bad).unwrap();
            assert_eq!(LastPull::of(&current), None, "{bad:?}");
        }
        fs::remove_file(&note).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&note).status().unwrap().success());
        assert_eq!(LastPull::of(&current), None, "nobody writes into it");
    }
}
