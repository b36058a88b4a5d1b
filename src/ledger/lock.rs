//! One daemon per state directory: a lock file that also names its holder.
//!
//! The lock is the operating system's and ends with the process, however that ends; the text in the file only informs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::error::OpenError;
use super::files;
use super::instance::Instance;
use crate::clock::Clock;

/// Takes the lock of a state directory, or says who has it. `us` is written there.
pub(super) async fn hold(dir: &Path, clock: &Clock, us: Instance) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Io { dir: dir.to_owned(), source };
    let path = dir.join(LOCK);
    let mut lock = take(&path, &us).map_err(unusable)?;
    for _ in 0..TRIES {
        if lock.is_none() {
            clock.sleep_until(clock.now() + PAUSE).await;
            lock = take(&path, &us).map_err(unusable)?;
        }
    }
    lock.ok_or_else(|| OpenError::Held { by: holder(&path) })
}

/// Takes the lock and writes who we are; `None` if somebody else has it.
fn take(path: &Path, instance: &Instance) -> io::Result<Option<File>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Made by root it must be the service's, too. Whoever else may not give it away need not.
    let _ = files::give_to_the_owner(&file, files::directory(path));
    // On a full disk the file does not say who we are, but the lock is ours.
    let text = serde_json::to_string(instance)?;
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
    Ok(Some(file))
}

/// Who holds the lock, if it is held and the file names the holder.
pub(super) fn holder(path: &Path) -> Option<Instance> {
    let mut file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            serde_json::from_str(&text).ok()
        }
    }
}

/// Retries for the lock: a command that asks for its holder takes it for a moment.
const TRIES: u32 = 20;
/// The pause before each retry.
const PAUSE: Duration = Duration::from_millis(50);
/// The lock file in the state directory.
pub(super) const LOCK: &str = "posmoded.lock";
