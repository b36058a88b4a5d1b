//! Files that are whole or not there: written under another name, and on the disk itself before they get their own.
//!
//! Knows nothing of what is in them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// A file that is being written, for nobody but its owner. It is removed unless it gets its name.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    is_named: bool,
}

impl Part {
    /// Makes it, empty; nothing may be there.
    pub(super) fn new(path: PathBuf) -> io::Result<Part> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Part { file, path, is_named: false })
    }

    /// Makes it for the owner of the directory that it is in.
    pub(super) fn for_the_owner(path: PathBuf) -> io::Result<Part> {
        let part = Part::new(path)?;
        give_to_the_owner(&part.file, directory(&part.path))?;
        Ok(part)
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits until it is on the disk itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it a name that no file has yet.
    pub(super) fn name(mut self, name: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, name) {
            Ok(()) => fs::remove_file(&self.path)?,
            // The file system has no second names.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && is_free(name) => {
                fs::rename(&self.path, name)?;
            }
            Err(error) => return Err(error),
        }
        self.is_named = true;
        sync_directory(name)
    }

    /// Gives it a name that another file may have, which loses it in the same moment.
    pub(super) fn replace(mut self, name: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, name)?;
        self.is_named = true;
        sync_directory(name)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a file for the owner of the directory that it is in, unless there is one.
pub(super) fn make_for_the_owner(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => give_to_the_owner(&file, directory(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives the file to the owner of the directory: what root makes for a service must be the service's.
pub(super) fn give_to_the_owner(file: &File, directory: &Path) -> io::Result<()> {
    let (ours, theirs) = (file.metadata()?, fs::metadata(directory)?);
    if ours.uid() == theirs.uid() { Ok(()) } else { fchown(file, Some(theirs.uid()), Some(theirs.gid())) }
}

/// Moves a file to a name that is free.
pub(super) fn move_aside(path: &Path, name: &Path) -> io::Result<()> {
    fs::hard_link(path, name)?;
    fs::remove_file(path)
}

/// Removes what is this very file under another name that begins with its own and `more`.
pub(super) fn remove_other_names(file: &Path, more: &str) -> io::Result<()> {
    let Ok(about) = fs::metadata(file) else { return Ok(()) };
    let begins = beside(file, more);
    for entry in fs::read_dir(directory(file))? {
        let path = directory(file).join(entry?.file_name());
        let is_named_so = path.as_os_str().as_bytes().starts_with(begins.as_os_str().as_bytes());
        let is_it = |other: &fs::Metadata| (other.dev(), other.ino()) == (about.dev(), about.ino());
        if is_named_so && fs::symlink_metadata(&path).is_ok_and(|other| is_it(&other)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Waits until the names in the directory of this file are on the disk itself.
pub(super) fn sync_directory(of: &Path) -> io::Result<()> {
    File::open(directory(of))?.sync_all()
}

/// Whether nothing has this name, not even a link to nowhere.
pub(super) fn is_free(name: &Path) -> bool {
    fs::symlink_metadata(name).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The directory that the file is in.
pub(super) fn directory(of: &Path) -> &Path {
    match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// The path with `more` appended to the file's name.
pub(super) fn beside(place: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(place);
    name.push(more);
    PathBuf::from(name)
}

/// What lies beside a database at work, and goes into whichever one is found there: each ends a name.
pub(super) const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];
