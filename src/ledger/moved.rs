//! Word in a state directory of where its ledger was brought, so that nobody begins another there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::LedgerError;
use super::files::Part;

/// Where the ledger of the directory was brought, if it was.
fn moved_to(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join(MOVED)).ok().map(|to| to.trim_end().to_owned())
}

/// Fails if the ledger of the directory was brought elsewhere.
pub(super) fn check(dir: &Path) -> Result<(), LedgerError> {
    match moved_to(dir) {
        Some(to) => Err(LedgerError::Moved { place: dir.display().to_string(), to }),
        None => Ok(()),
    }
}

pub(super) fn note(dir: &Path, to: &str) -> io::Result<()> {
    let part = dir.join(format!("{MOVED}.part-{}", std::process::id()));
    let mut part = Part::for_the_owner(part)?;
    part.write_all(format!("{to}\n").as_bytes())?;
    part.replace(&dir.join(MOVED))
}

/// A ledger is there again.
pub(super) fn take_back(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(MOVED)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

const MOVED: &str = "posmoded.moved";
