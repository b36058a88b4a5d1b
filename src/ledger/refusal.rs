//! What the system refuses where the database says only that it cannot open, read or write: each cause by itself, with its
//! remedy, and none that would have a good ledger thrown away.
//!
//! The system is asked afresh, right after the failure, with calls of its own. No file of the ledger is opened for that: to
//! close one again would take this process's locks on it away, and with them what keeps others from its log.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;

use super::files::{LOGS, Part, beside, directory};

/// What the system refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Room for more bytes.
    Full,
    /// Room for more files.
    Inodes,
    /// Room for this user.
    Quota,
    /// To write to a file system that is mounted read-only.
    ReadOnly,
    /// To let this user in.
    Denied,
    /// More open files for this process.
    ProcessFiles,
    /// More open files for anybody.
    SystemFiles,
    /// To read or write: the disk fails.
    Disk,
}

impl Refusal {
    /// What an error of the system says; `None` if it is none of these.
    pub fn of(error: &io::Error) -> Option<Refusal> {
        Some(match Errno::from_io_error(error)? {
            Errno::NOSPC => Refusal::Full,
            Errno::DQUOT => Refusal::Quota,
            Errno::ROFS => Refusal::ReadOnly,
            Errno::ACCESS | Errno::PERM => Refusal::Denied,
            Errno::MFILE => Refusal::ProcessFiles,
            Errno::NFILE => Refusal::SystemFiles,
            Errno::IO => Refusal::Disk,
            _ => return None,
        })
    }

    /// What it is and what to do, of what lies at `place`.
    pub(super) fn say(self, place: &Path) -> Say<'_> {
        Say { refusal: self, place }
    }
}

/// A refusal in words: one or two sentences, without what follows from it.
pub(super) struct Say<'a> {
    refusal: Refusal,
    place: &'a Path,
}

impl fmt::Display for Say<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.display();
        match self.refusal {
            Refusal::Full => write!(out, "The disk that holds {place} is full: make room."),
            Refusal::Inodes => write!(
                out,
                "The disk that holds {place} takes no more files, though it may have room (`df -i`: its inodes are used up): \
                 remove files that nobody needs."
            ),
            Refusal::Quota => write!(
                out,
                "The quota of this user (`quota`) is used up on the disk that holds {place}: raise it, or remove what the user \
                 does not need."
            ),
            Refusal::ReadOnly => write!(
                out,
                "The file system that holds {place} is mounted read-only: find out why (`dmesg`; after a failure of the disk the \
                 kernel does so by itself), then mount it writable. What is there is as it was: leave it where it is."
            ),
            Refusal::Denied => write!(
                out,
                "This user may not use {place}: run commands as the user that the daemon runs as, or as root, and let that user \
                 own the state directory and every file in it, so that it may write there. That says nothing against what is \
                 there: leave it where it is."
            ),
            Refusal::ProcessFiles => write!(
                out,
                "This process may not open more files, so it cannot use {place}: raise its limit (`ulimit -n`, LimitNOFILE= in a \
                 unit) and start it again. That says nothing against what is there: leave it where it is."
            ),
            Refusal::SystemFiles => write!(
                out,
                "The system opens no more files for anybody (`sysctl fs.file-max`), so {place} cannot be used: find out who holds \
                 so many, or raise that. That says nothing against what is there: leave it where it is."
            ),
            Refusal::Disk => write!(
                out,
                "The disk that holds {place} fails (input/output error): see `dmesg`, and check the disk. Leave the file where it \
                 is; as long as it can be read, `posmoded ledger backup FILE` copies it to another disk."
            ),
        }
    }
}

/// What the system says now to whoever works on the database at `place`, and of which path; `None` if it refuses nothing.
pub(super) fn ask(place: &Path) -> Option<(PathBuf, io::Error)> {
    // A database in memory is of no file system.
    if place.to_str().is_some_and(|place| place.starts_with("file:")) {
        return None;
    }
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Some((path, error))
    };
    let directory = directory(place);
    if let Err(error) = open_some() {
        return of(place)(error);
    }
    let files = [place.to_owned()].into_iter().chain(LOGS.map(|log| beside(place, log)));
    for file in files {
        match access(&file, Access::READ_OK | Access::WRITE_OK).map_err(io::Error::from) {
            Err(error) if error.kind() != ErrorKind::NotFound => return of(&file)(error),
            Ok(()) | Err(_) => {}
        }
    }
    if let Err(error) = access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        return of(directory)(error.into());
    }
    write_some(place).err().and_then(of(place))
}

/// What the system refuses, of an error that it gave for a path: no room may be room for bytes, or for one more file.
pub(super) fn refusal(path: &Path, error: &io::Error) -> Option<Refusal> {
    let refusal = Refusal::of(error)?;
    let space = || statvfs(path).or_else(|_| statvfs(directory(path)));
    // A file system that counts no files says 0 of both.
    let no_inodes = || space().is_ok_and(|space| space.f_files > 0 && space.f_favail == 0);
    Some(if refusal == Refusal::Full && no_inodes() { Refusal::Inodes } else { refusal })
}

/// Opens as many files at once as the database does at most.
pub(super) fn open_some() -> io::Result<()> {
    let mut open = Vec::new();
    for _ in 0..OPEN_FILES {
        open.push(fs::File::open("/dev/null")?);
    }
    Ok(())
}

/// Writes a file beside the database, and removes it.
fn write_some(place: &Path) -> io::Result<()> {
    let path = beside(place, &format!(".probe-{}", std::process::id()));
    let mut part = match Part::new(path) {
        // Somebody asks the same.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    };
    part.write_all(&vec![0; WRITTEN])?;
    part.sync()
}

/// The database, its log, the log's index, and a directory to sync.
const OPEN_FILES: usize = 4;
/// What the log's index takes at once.
const WRITTEN: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    #[test]
    fn f79_each_refusal_of_the_system_has_its_own_remedy_and_none_throws_the_ledger_away() {
        let mut told = String::new();
        for errno in [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::ACCESS,
            Errno::PERM,
            Errno::MFILE,
            Errno::NFILE,
            Errno::IO,
            Errno::FBIG,
        ] {
            let refusal = Refusal::of(&errno.into());
            let say = refusal.map(|refusal| refusal.say(Path::new("/s/l")).to_string());
            writeln!(told, "{refusal:?}: {}", say.unwrap_or_default()).unwrap();
        }
        told += &Refusal::Inodes.say(Path::new("/s/l")).to_string();
        expect![[r#"
            Some(Full): The disk that holds /s/l is full: make room.
            Some(Quota): The quota of this user (`quota`) is used up on the disk that holds /s/l: raise it, or remove what the user does not need.
            Some(ReadOnly): The file system that holds /s/l is mounted read-only: find out why (`dmesg`; after a failure of the disk the kernel does so by itself), then mount it writable. What is there is as it was: leave it where it is.
            Some(Denied): This user may not use /s/l: run commands as the user that the daemon runs as, or as root, and let that user own the state directory and every file in it, so that it may write there. That says nothing against what is there: leave it where it is.
            Some(Denied): This user may not use /s/l: run commands as the user that the daemon runs as, or as root, and let that user own the state directory and every file in it, so that it may write there. That says nothing against what is there: leave it where it is.
            Some(ProcessFiles): This process may not open more files, so it cannot use /s/l: raise its limit (`ulimit -n`, LimitNOFILE= in a unit) and start it again. That says nothing against what is there: leave it where it is.
            Some(SystemFiles): The system opens no more files for anybody (`sysctl fs.file-max`), so /s/l cannot be used: find out who holds so many, or raise that. That says nothing against what is there: leave it where it is.
            Some(Disk): The disk that holds /s/l fails (input/output error): see `dmesg`, and check the disk. Leave the file where it is; as long as it can be read, `posmoded ledger backup FILE` copies it to another disk.
            None: 
            The disk that holds /s/l takes no more files, though it may have room (`df -i`: its inodes are used up): remove files that nobody needs."#]].assert_eq(&told);
    }

    #[test]
    fn f79_a_healthy_directory_refuses_nothing_and_nothing_is_left_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("posmoded.sqlite");
        assert!(ask(&place).is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let nowhere = dir.path().join("nowhere/posmoded.sqlite");
        let (path, error) = ask(&nowhere).unwrap();
        assert_eq!((path.as_path(), error.kind()), (nowhere.parent().unwrap(), ErrorKind::NotFound));
    }
}
