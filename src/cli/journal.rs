//! Whether systemd's journal reads our stderr. It adds the time of each line itself, and reads a line's priority from a
//! mark before it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

/// Whether stderr goes to the journal.
///
/// `JOURNAL_STREAM` alone does not show it: every process that such a service starts inherits the variable, even one in
/// a terminal. So stderr must also have the device and inode that it names.
pub fn reads_stderr() -> bool {
    let Some(told) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    let ours =
        std::io::stderr().as_fd().try_clone_to_owned().and_then(|stderr| File::from(stderr).metadata());
    ours.is_ok_and(|ours| is_stream(&told, ours.dev(), ours.ino()))
}

/// Marks each line as an error for the journal.
pub(super) fn marked_as_error(text: &str) -> String {
    text.lines().map(|line| format!("<3>{line}")).collect::<Vec<_>>().join("\n")
}

fn is_stream(told: &OsStr, device: u64, inode: u64) -> bool {
    told.to_str() == Some(&format!("{device}:{inode}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_told_as_device_and_inode() {
        for (told, is) in [("8:12", true), ("8:13", false), ("9:12", false), ("", false), ("8:12:1", false)] {
            assert_eq!(is_stream(OsStr::new(told), 8, 12), is, "{told}");
        }
    }

    #[test]
    fn every_line_of_an_error_is_marked() {
        assert_eq!(marked_as_error("error: a\n  because: b\n"), "<3>error: a\n<3>  because: b");
    }
}
