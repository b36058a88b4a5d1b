//! What the system refuses the ledger, told as the system names it: never as a damage that would have a good ledger thrown
//! away, nor as something else that an operator would mend in vain.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use super::{DATABASE, Host, RUN, Venue, declared};

#[test]
fn f79_without_descriptors_for_it_the_ledger_is_not_told_as_damaged_or_read_only() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    let before = fs::read(host.path(DATABASE)).unwrap();
    for words in [&["history"][..], &["ledger", "verify"], &["pause", "--reason", "lunch"]] {
        let (mut refused, mut done) = (0, false);
        // From too few for anything to enough.
        for files in 4..40 {
            let limit = format!("--nofile={files}:{files}");
            let before = [limit.as_str(), env!("CARGO_BIN_EXE_posmoded")];
            let Output { stdout, stderr, .. } =
                host.through(Path::new("/usr/bin/prlimit"), &before, words).output().unwrap();
            let told = String::from_utf8_lossy(&stderr).into_owned() + &String::from_utf8_lossy(&stdout);
            for wrong in
                ["damaged", "mount", "may not be read", "restore", "There is no ledger", "cannot be used ("]
            {
                assert!(!told.contains(wrong), "{words:?} with {files}: {told}");
            }
            refused += usize::from(told.contains("more files") || told.contains("Too many open files"));
            done |= told.contains("Everything is paused")
                || told.contains("is sound")
                || told.contains("started");
        }
        assert!(refused > 0 && done, "{words:?}: {refused} {done}");
    }
    // The daemon: until it starts, or refuses to.
    let mut refused = 0;
    for files in 6..30 {
        let limit = format!("--nofile={files}:{files}");
        let before = [limit.as_str(), env!("CARGO_BIN_EXE_posmoded")];
        host.spawn(host.through(Path::new("/usr/bin/prlimit"), &before, &RUN));
        let ended = host.wait_until("it starts or ends", || {
            let ended = host.daemon_ended();
            (ended || host.said().matches("started, listening").count() > 1).then_some(ended)
        });
        host.kill();
        if !ended {
            break;
        }
        refused += 1;
    }
    for wrong in ["damaged", "mount", "posmoded ledger restore", "cannot be used ("] {
        assert!(!host.said().contains(wrong), "{}", host.said());
    }
    assert!(refused > 0 && host.said().contains("This process may not open more files"), "{}", host.said());
    assert!(fs::read(host.path(DATABASE)).unwrap().len() >= before.len());
}

#[test]
fn f79_a_disk_without_room_for_a_file_or_for_bytes_says_which_of_the_two() {
    let Some(namespace) = super::disks::namespace() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    fs::create_dir(host.path("state")).unwrap();
    // The directory is one, then come the lock, the ledger, its log and the index of that.
    let cases = (1..=4).map(|inodes| (format!("nr_inodes={inodes}"), "takes no more files"));
    let cases = cases.chain([("size=16k".to_owned(), "is full: make room.")]);
    for (number, (limit, said)) in cases.enumerate() {
        let mount = format!("mount -t tmpfs -o mode=700,{limit} none state");
        super::disks::start_after(&mount, namespace, &mut host);
        assert_eq!(host.ended().0, Some(78), "{}", host.said());
        host.wait_until(&limit, || (host.said().matches(said).count() > number % 4).then_some(()));
        for wrong in ["damaged", "mounted read-only", "may not"] {
            assert!(!host.said().contains(wrong), "{limit}: {}", host.said());
        }
    }
}

/// Who may not read the state directory learns what the daemon shows to everybody on this host.
#[test]
fn f79_who_may_not_read_the_state_directory_is_told_so_and_is_answered_by_the_daemon() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    if fs::metadata(host.home.path()).unwrap().uid() != 0 {
        let told = b"\nskipped: only root can be somebody else (setpriv)\n";
        std::io::stderr().write_all(told).unwrap();
        return;
    }
    let at = host.start().to_string();
    host.wait_for_all("in_sync -");
    fs::set_permissions(host.home.path(), Permissions::from_mode(0o755)).unwrap();
    let program = host.program_for_everybody();
    let nobody = |host: &Host, words: &[&str], listen: &str| {
        let before = ["--reuid=65534", "--regid=65534", "--clear-groups", program.to_str().unwrap()];
        let mut command: Command = host.through(Path::new("/usr/bin/setpriv"), &before, words);
        let Output { status, stdout, stderr } = command.env("POSMODED_LISTEN", listen).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.code().unwrap(), text(&stdout), text(&stderr))
    };
    let (code, out, err) = nobody(&host, &["pause", "--reason", "lunch"], &at);
    assert!(
        code == 1 && err.contains("This user may not use ") && !err.contains("mount"),
        "{code} {out} {err}"
    );

    let (code, out, err) = nobody(&host, &["history"], &at);
    assert!(code == 0 && out.contains("confirmed") && out.contains("desk-1"), "{code} {out} {err}");
    assert!(err.contains("may not read the state directory") && err.contains(&at), "{err}");
    let (ours, told, _) = host.call(&["history", "-o", "json"]);
    let (code, out, _) = nobody(&host, &["history", "-o", "json"], &at);
    assert_eq!((code, out), (ours, told), "the same, whoever asks");
    let (code, out, err) =
        nobody(&host, &["history", "--limit", "1", "--since", "1h", "desk-1", "-o", "json"], &at);
    assert!(code == 0 && out.lines().count() == 1 && err.contains("--limit 1"), "{out} {err}");
    let (code, _, err) = nobody(&host, &["history", "desk-9"], &at);
    assert!(code == 64 && err.contains("desk-9"), "{code} {err}");

    let (code, out, err) = nobody(&host, &["status"], &at);
    assert!(code == 0 && out.contains("in_sync"), "{code} {out} {err}");
    // Where nobody answers, both are told.
    host.terminate();
    let (code, _, err) = nobody(&host, &["history"], &at);
    assert!(
        code == 1 && err.contains("There is no answer") && err.contains("may not read the state"),
        "{err}"
    );
}
