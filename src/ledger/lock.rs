//! One daemon per state directory: a lock file that also says who holds it.
//!
//! The lock is the operating system's and ends with the process, however that ends; the text in the file is only told.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Who holds the state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its process.
    pub pid: u32,
    /// The address it listens on, if it does.
    pub listen: Option<String>,
}

/// Takes the lock and writes who we are; `Err(WouldBlock)` of the lock comes back as `None`.
pub(super) fn take(path: &Path, instance: &Instance) -> io::Result<Option<File>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(instance)?.as_bytes())?;
    Ok(Some(file))
}

/// Whether somebody holds the lock, and what the file says of them: `None` if nobody does.
pub(super) fn holder(path: &Path) -> Option<Option<Instance>> {
    let mut file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            Some(serde_json::from_str(&text).ok())
        }
    }
}
