//! The git commit that a file was checked out from, taken from the directory that it lies in; git is not run.
//!
//! Tools that deploy a file from git name a directory after each commit (`releases/<commit>/`, git-sync's
//! `worktrees/<commit>/`) and point a symlink there.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Component, Path};

/// The commit that a directory above an open file is named after. The place comes from the open file, not from the path
/// that led to it: a symlink on that may point to another commit by now. `None` without such a directory or without
/// /proc.
pub(super) fn of(file: &File) -> Option<String> {
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    above(&place)
}

/// The name of the nearest directory above a file that is a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
fn above(place: &Path) -> Option<String> {
    let names = place.parent()?.components().rev().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    names.into_iter().find(|name| is_commit(name)).map(str::to_owned)
}

pub(super) fn is_commit(name: &str) -> bool {
    [SHA_1, SHA_256].contains(&name.len())
        && name.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

const SHA_1: usize = 40;
const SHA_256: usize = 64;

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
            assert_eq!(above(Path::new(&place)).as_ref(), commit, "{place}");
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
        assert_eq!(of(&open).as_ref(), Some(&commits[0]));
        assert_eq!(of(&File::open(at.join("current/file")).unwrap()).as_ref(), Some(&commits[1]));
        std::fs::remove_dir_all(at.join(&commits[0])).unwrap();
        assert_eq!(of(&open).as_ref(), Some(&commits[0]), "it is gone, and was of that commit");
    }
}
