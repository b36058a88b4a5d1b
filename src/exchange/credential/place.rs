//! Whether others could have put a credential file where it is, or may use it.

use std::fs::{self, Metadata};
use std::path::Path;

use crate::access::{Ourselves, Rights};

/// Checks the directories that a credential file is in: the one that is named, and the one that its link leads to. Others may
/// write to neither, unless the sticky bit keeps their files apart from ours: then the file and its link must be ours or root's.
/// What cannot be seen of a directory shows when the file is opened. The error is a sentence.
pub(super) fn check_directories(dir: &Path, path: &Path, us: &Ourselves) -> Result<(), String> {
    let target = fs::canonicalize(path).ok();
    let directories = [Some(dir), target.as_deref().and_then(Path::parent)];
    for directory in directories.into_iter().flatten() {
        let Ok(rights) = fs::metadata(directory).as_ref().map(Rights::from) else { continue };
        if !rights.others_may_write(us) {
            continue;
        }
        if !rights.keeps_files_apart(us) {
            return Err(format!(
                "the directory of credential files {} {rights}, so that others may put keys of theirs there: {}",
                directory.display(),
                rights.mend_directory(us, directory)
            ));
        }
        for about in [fs::symlink_metadata(path), fs::metadata(path)].into_iter().flatten() {
            let Rights { user, .. } = Rights::from(&about);
            if !us.trust_user(user) {
                return Err(format!(
                    "the credential file {} belongs to user {user}, who may put files into its directory as all may: remove \
                     it or, if it is yours, run `chown -h {} {}` as root",
                    path.display(),
                    us.user,
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// Checks the mode of a file that was opened. The error is the rest of a sentence on it.
pub(super) fn check_file(path: &Path, about: &Metadata, us: &Ourselves) -> Result<(), String> {
    let rights = Rights::from(about);
    if rights.is_private(us) {
        return Ok(());
    }
    let mend = rights.mend_secret(us, path);
    Err(format!("{rights}, so that others may use it: {mend}"))
}

/// What to say of a file that we may not read; `None` where nothing can be seen of it.
pub(super) fn say_unreadable(path: &Path, us: &Ourselves) -> Option<String> {
    let rights = Rights::from(&fs::metadata(path).ok()?);
    Some(format!("{rights}, so that posmoded may not read it: {}", rights.mend_secret(us, path)))
}
