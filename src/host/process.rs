//! What a process that holds keys asks of the system for itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// No core dump, and nobody of the same user reads this process's memory; as many open files as the system allows; a file
/// that may not grow any more is an error of its writer, and does not end the process.
pub fn harden() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    // A handler in place of the default, which ends the process; it stays for good.
    let _handler = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[tokio::test]
    async fn f78_a_process_with_keys_leaves_no_core_dump_and_opens_as_many_files_as_it_may() {
        harden().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let files = getrlimit(Resource::Nofile);
        assert_eq!(files.current, files.maximum);
    }
}
