//! The git commit that a file was checked out from, taken from the directory that it lies in; git is not run.
//!
//! Tools that deploy a file from git name a directory after each commit (`releases/<commit>/`, git-sync's
//! `worktrees/<commit>/`) and point a symlink there.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::facts::{Ancestry, LONGEST_ANCESTRY, is_commit};

/// Where an open file is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) commit: String,
    /// What the commit descends from, if its directory holds a note of that.
    pub(super) ancestry: Option<Ancestry>,
}

/// The commit that a directory above an open file is named after. The place comes from the open file, not from the path
/// that led to it: a symlink on that may point to another commit by now. `None` without such a directory or without
/// /proc.
pub(super) fn of(file: &File) -> Option<Origin> {
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    let (directory, commit) = above(&place)?;
    Some(Origin { commit: commit.to_owned(), ancestry: ancestry_in(directory) })
}

/// The nearest directory above a file whose name is that of a commit, and the name.
fn above(place: &Path) -> Option<(&Path, &str)> {
    place.ancestors().skip(1).find_map(|directory| {
        let name = directory.file_name()?.to_str().filter(|name| is_commit(name))?;
        Some((directory, name))
    })
}

/// What the note in the directory of a commit says. The commit is known without it, so whatever is no such note counts as none.
fn ancestry_in(directory: &Path) -> Option<Ancestry> {
    // Without O_NONBLOCK, opening a fifo waits for a writer.
    let note =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(directory.join(NOTE)).ok()?;
    let mut text = String::new();
    note.take(u64::try_from(LONGEST_ANCESTRY).ok()? + 1).read_to_string(&mut text).ok()?;
    Ancestry::read(&text)
}

const NOTE: &str = "ancestors";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_that_is_named_as_a_commit_is_tells_it_and_nothing_else_does() {
        let (one, two) = ("1".repeat(40), "ab".repeat(32));
        for (place, commit) in [
            (format!("/var/lib/posmoded-config/releases/{one}/desired-state.yaml"), Some(&one)),
            (format!("/git/.worktrees/{two}/trading/etc/desired-state.yaml"), Some(&two)),
            (format!("/git/{one}/{two}/desired-state.yaml"), Some(&two)),
            (format!("/git/{two}/{one}/desired-state.yaml (deleted)"), Some(&one)),
            (format!("/git/{one}"), None),
            (format!("/git/{}/file", "A".repeat(40)), None),
            (format!("/git/{}/file", "g".repeat(40)), None),
            (format!("/git/{}/file", "1".repeat(39)), None),
            (format!("/git/{}/file", "1".repeat(41)), None),
            (format!("/git/v{one}/file"), None),
            ("/etc/posmoded/desired-state.yaml".to_owned(), None),
            ("/".to_owned(), None),
        ] {
            let found = above(Path::new(&place)).map(|(_, name)| name.to_owned());
            assert_eq!(found.as_ref(), commit, "{place}");
        }
    }

    #[test]
    fn an_open_file_tells_its_own_commit_whatever_the_path_leads_to_by_now() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let commits = ["a".repeat(40), "b".repeat(40)];
        for commit in &commits {
            std::fs::create_dir(at.join(commit)).unwrap();
            std::fs::write(at.join(commit).join("file"), commit).unwrap();
        }
        symlink(&commits[0], at.join("current")).unwrap();
        let open = File::open(at.join("current/file")).unwrap();
        std::fs::remove_file(at.join("current")).unwrap();
        symlink(&commits[1], at.join("current")).unwrap();
        let of = |file: &File| of(file).map(|origin| origin.commit);
        assert_eq!(of(&open).as_ref(), Some(&commits[0]));
        assert_eq!(of(&File::open(at.join("current/file")).unwrap()).as_ref(), Some(&commits[1]));
        std::fs::remove_dir_all(at.join(&commits[0])).unwrap();
        assert_eq!(of(&open).as_ref(), Some(&commits[0]), "it is gone, and was of that commit");
    }
    #[test]
    fn the_note_beside_the_file_tells_what_its_commit_descends_from_and_a_bad_one_hides_no_commit() {
        let directory = tempfile::tempdir().unwrap();
        let (commit, ancestor) = ("a".repeat(40), "b".repeat(40));
        let release = directory.path().join(&commit);
        std::fs::create_dir_all(release.join("trading")).unwrap();
        let place = release.join("trading/file");
        std::fs::write(&place, "content").unwrap();
        let origin = || of(&File::open(&place).unwrap()).unwrap();
        let without = Origin { commit: commit.clone(), ancestry: None };
        assert_eq!(origin(), without);
        let note = release.join(NOTE);
        std::fs::write(&note, format!("2\n{ancestor}\n")).unwrap();
        assert!(origin().ancestry.unwrap().names(&ancestor));
        let large = format!("2\n{}", format!("{ancestor}\n").repeat(2000));
        for bad in [b"", b"2\n\xff".as_slice(), ancestor.as_bytes(), large.as_bytes()] {
            std::fs::write(&note, bad).unwrap();
            assert_eq!(origin(), without);
        }
        std::fs::remove_file(&note).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&note).status().unwrap().success());
        assert_eq!(origin(), without, "nobody writes into it");
        std::fs::remove_file(&note).unwrap();
        std::fs::create_dir(&note).unwrap();
        assert_eq!(origin(), without);
    }
}
