//! One read of the file. It never waits for a writer, never reads more than a sane size, and judges nothing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::commit::{self, Origin};
use super::content::Content;
use crate::position_mode::hex;

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileReading {
    /// And the file that it was read from, if that still has the path.
    Content(Content, Option<FileId>),
    /// One sentence that says what is wrong and what to do.
    Problem(String),
}

/// The file system of a file, and its number there: another one means that the file was replaced, not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(pub(super) u64, pub(super) u64);

impl FileReading {
    /// Whether this is the whole of a file that was put in the place of the one that `before` was read from: another file,
    /// complete by its end mark.
    pub(super) fn replaces(&self, before: &FileReading) -> bool {
        match (before, self) {
            (FileReading::Content(_, old), FileReading::Content(content, new)) => {
                old.is_some_and(|old| new.is_some_and(|new| new != old)) && content.bytes.ends_with(END_MARK)
            }
            (FileReading::Problem(_), _) | (_, FileReading::Problem(_)) => false,
        }
    }

    /// Whether both found the same content, in whatever commit, or the same problem.
    pub(super) fn agrees_with(&self, other: &FileReading) -> bool {
        match (self, other) {
            (FileReading::Content(one, _), FileReading::Content(other, _)) => {
                one.sha256 == other.sha256 && one.bytes == other.bytes
            }
            (FileReading::Problem(one), FileReading::Problem(other)) => one == other,
            (FileReading::Content(..), FileReading::Problem(_))
            | (FileReading::Problem(_), FileReading::Content(..)) => false,
        }
    }
}

/// Reads the whole file at `path`, through all its symlinks.
pub(super) fn read(path: &Path) -> FileReading {
    let problem = |what: &str| FileReading::Problem(format!("{} {what}", path.display()));
    match bytes(path) {
        Ok(Opened::Bytes(bytes, origin, id)) => {
            let sha256 = hex(&Sha256::digest(&bytes));
            let (commit, ancestry) =
                origin.map_or((None, None), |Origin { commit, ancestry }| (Some(commit), ancestry));
            FileReading::Content(Content { sha256, bytes: bytes.into(), commit, ancestry }, id)
        }
        Ok(Opened::Directory) => problem("is a directory: put the file in its place, or correct --config"),
        Ok(Opened::NoFile) => problem("is not a regular file: put one in its place, or correct --config"),
        Ok(Opened::TooLarge) => {
            problem("is larger than 1 MiB: no such file is that large, put the right one there")
        }
        Ok(Opened::Unlinked) => problem(
            "was replaced where this process cannot see it, as happens when that single file is mounted: \
             mount its directory instead",
        ),
        Err(error) => problem(&refused(&error)),
    }
}

fn refused(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        "is missing, or what it links to is: put the file there, or correct --config".to_owned()
    } else if kind == ErrorKind::PermissionDenied {
        "may not be read: allow the user that posmoded runs as to read it and to enter its directories"
            .to_owned()
    } else if kind == ErrorKind::NotADirectory {
        "lies below something that is no directory: correct the path, or --config".to_owned()
    } else {
        format!("cannot be read ({error}): mend that, or correct --config")
    }
}

enum Opened {
    /// The content, and the git commit that it is from.
    Bytes(Vec<u8>, Option<Origin>, Option<FileId>),
    Directory,
    NoFile,
    TooLarge,
    Unlinked,
}

fn bytes(path: &Path) -> io::Result<Opened> {
    // Without O_NONBLOCK, opening a fifo waits for a writer.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(Opened::Directory);
    }
    if !metadata.is_file() {
        return Ok(Opened::NoFile);
    }
    if metadata.nlink() == 0 {
        return Ok(Opened::Unlinked);
    }
    let origin = commit::of(&file);
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST) {
        // A file system that numbers its files anew at each look tells nothing by their numbers.
        let id = |metadata: &Metadata| FileId(metadata.dev(), metadata.ino());
        let is_still_there = fs::metadata(path).is_ok_and(|now| id(&now) == id(&metadata));
        Ok(Opened::Bytes(bytes, origin, is_still_there.then(|| id(&metadata))))
    } else {
        Ok(Opened::TooLarge)
    }
}

/// What a whole file ends with (see `desired`): a line of its own.
const END_MARK: &[u8] = b"\n...\n";
/// The largest file that is read: a thousand accounts take 100 KB, so a larger one is the wrong file.
const LARGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(path: &str, told: &Expect) {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::write(at.join("good"), "abc").unwrap();
        std::fs::write(at.join("full"), vec![b' '; 1024 * 1024]).unwrap();
        std::fs::write(at.join("large"), vec![b' '; 1024 * 1024 + 1]).unwrap();
        symlink("nowhere", at.join("dangling")).unwrap();
        symlink("loop", at.join("loop")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at.join("fifo")).status().unwrap().success());
        let _listener = UnixListener::bind(at.join("socket")).unwrap();
        let text = match read(&at.join(path)) {
            FileReading::Content(Content { bytes, sha256, commit: _, ancestry: _ }, _) => {
                format!("{} bytes, {sha256}", bytes.len())
            }
            FileReading::Problem(sentence) => sentence.replace(&at.display().to_string(), "/etc"),
        };
        told.assert_eq(&text);
    }

    #[test]
    fn f13_each_problem_says_what_is_wrong_and_what_to_do() {
        check("good", &expect!["3 bytes, ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]);
        check(
            "full",
            &expect!["1048576 bytes, f954ac8b009f965c052519c4e1e395a9f15328596a2b1eaf373d74fe7e169a5f"],
        );
        check(
            "large",
            &expect!["/etc/large is larger than 1 MiB: no such file is that large, put the right one there"],
        );
        check(
            "missing",
            &expect![
                "/etc/missing is missing, or what it links to is: put the file there, or correct --config"
            ],
        );
        check(
            "dangling",
            &expect![
                "/etc/dangling is missing, or what it links to is: put the file there, or correct --config"
            ],
        );
        check(
            "good/below",
            &expect![
                "/etc/good/below lies below something that is no directory: correct the path, or --config"
            ],
        );
        check(
            "loop",
            &expect![
                "/etc/loop cannot be read (Too many levels of symbolic links (os error 40)): mend that, or correct --config"
            ],
        );
        check(".", &expect!["/etc/. is a directory: put the file in its place, or correct --config"]);
        check("fifo", &expect!["/etc/fifo is not a regular file: put one in its place, or correct --config"]);
        check(
            "socket",
            &expect![
                "/etc/socket cannot be read (No such device or address (os error 6)): mend that, or correct --config"
            ],
        );
    }
}
