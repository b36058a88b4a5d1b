//! Disks and mounts that fail the daemon: what it says, and that nothing is sent meanwhile.
//!
//! Mounts are made in a mount namespace of the daemon's own. Where none may be made, the test says so and ends.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bitget_sim::PosMode;

use super::{DATABASE, Host, LOCK, RUN, Venue, declared, get};

#[test]
fn f33_on_a_disk_without_room_a_new_file_waits_and_nothing_is_sent_until_there_is_some() {
    let Some(namespace) = namespace() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    fs::create_dir(host.path("state")).unwrap();
    start_after("mount -t tmpfs -o size=6m,mode=700 none state", namespace, &mut host);
    let lock = inside(&host, LOCK);
    let at = host.wait_until("the daemon listens", || {
        let lock: serde_json::Value = serde_json::from_str(&fs::read_to_string(&lock).ok()?).ok()?;
        lock["listen"].as_str()?.parse().ok()
    });
    let shows = |text: &str| {
        host.wait_until(text, || get(at, "/api/status").1.contains(text).then_some(()));
    };
    shows(r#""state":"in_sync""#);
    let filler = inside(&host, "state/filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);

    // More than the log has room for.
    let comment = format!("# {}\n", "x".repeat(600_000));
    host.declare(&(comment + &declared(&[("desk-1", "hedge_mode")])));
    host.wait_until("it is said", || {
        let (code, said) = get(at, "/readyz");
        (code == 503 && said.contains("is full: make room.")).then_some(())
    });
    two_more_looks(&venue, &host);
    assert_eq!(venue.sets(), []);
    fs::remove_file(filler).unwrap();
    host.wait_until("it is set", || (venue.mode(1) == PosMode::HedgeMode).then_some(()));
    shows(r#""state":"in_sync""#);
    assert_eq!(venue.sets().len(), 1);
    host.terminate();
}

#[test]
fn f33_a_ledger_that_is_torn_newer_or_on_a_read_only_mount_ends_the_start_with_78_and_nothing_is_asked() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    let count = || venue.simulator.with(|exchange| exchange.log().len());
    let asked = host.wait_until("the exchange has read what was sent last", || {
        let before = count();
        std::thread::sleep(Duration::from_secs(1));
        (count() == before).then_some(before)
    });
    // What a daemon left in the log beside it goes into the file: else that would stand in for what is torn.
    let ledger = rusqlite::Connection::open(host.path(DATABASE)).unwrap();
    ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    ledger.close().unwrap();
    let whole = fs::read(host.path(DATABASE)).unwrap();

    let mut newer = whole.clone();
    // The format: a number of four bytes, as SQLite documents it.
    newer[60..64].copy_from_slice(&[0, 0, 0, 10]);
    for (ledger, said) in [
        (
            &whole[..whole.len() / 2],
            "is damaged, or not one of posmoded's: stop posmoded, then restore a copy with `posmoded ledger restore",
        ),
        (&newer, "has format 10, this posmoded knows up to 9, so it is left alone"),
    ] {
        fs::write(host.path(DATABASE), ledger).unwrap();
        host.launch();
        assert_eq!(host.ended().0, Some(78), "{}", host.said());
        host.wait_until(said, || host.said().contains(said).then_some(()));
        assert_eq!(fs::read(host.path(DATABASE)).unwrap(), ledger, "it is left as it was");
    }
    fs::write(host.path(DATABASE), whole).unwrap();
    if let Some(namespace) = namespace() {
        start_after("mount --bind state state; mount -o remount,bind,ro state", namespace, &mut host);
        assert_eq!(host.ended().0, Some(78), "{}", host.said());
        host.wait_until("it is said", || {
            host.said().contains("is mounted read-only: find out why").then_some(())
        });
    }
    assert_eq!(count(), asked);
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
}

#[test]
fn f33_when_the_state_directory_is_removed_nothing_is_sent_until_the_next_start() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    let at = host.start();
    host.wait_for_all("in_sync -");
    fs::remove_dir_all(host.path("state")).unwrap();
    venue.flip(1, PosMode::HedgeMode);
    let shows = |text: &str| {
        host.wait_until(text, || get(at, "/api/status").1.contains(text).then_some(()));
    };
    shows(r#""state":"drifted","reason":"ledger""#);
    shows("was removed, moved away or replaced while posmoded runs");
    let (code, said) = get(at, "/readyz");
    assert!(code == 503 && said.contains("put it back, or start posmoded again"), "{said}");
    two_more_looks(&venue, &host);
    assert_eq!(venue.sets(), []);
    host.terminate();
    host.start();
    host.wait_for_all("in_sync -");
    assert_eq!((venue.sets().len(), venue.mode(1)), (1, PosMode::OneWayMode));
    host.terminate();
}

#[test]
fn f5_through_a_mount_of_the_single_file_a_change_in_place_is_seen_and_a_replacement_is_warned_of() {
    let Some(namespace) = namespace() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    let outside = host.path("outside.yaml");
    fs::copy(host.path("desired-state.yaml"), &outside).unwrap();
    start_after("mount --bind outside.yaml desired-state.yaml", namespace, &mut host);
    host.wait_for_all("in_sync -");
    fs::write(&outside, declared(&[("desk-1", "hedge_mode")])).unwrap();
    host.wait_until("it is set", || (venue.mode(1) == PosMode::HedgeMode).then_some(()));
    host.wait_for_all("in_sync -");

    let new = host.path("new.yaml");
    fs::write(&new, declared(&[("desk-1", "one_way_mode")])).unwrap();
    fs::rename(new, &outside).unwrap();
    let warned = |problem: &str| problem.contains("mount its directory instead");
    host.wait_until("it is warned of", || {
        host.status()["config"]["problem"].as_str().is_some_and(warned).then_some(())
    });
    // What the mount goes on to show is not in force any more.
    venue.flip(1, PosMode::OneWayMode);
    two_more_looks(&venue, &host);
    assert_eq!(venue.sets().len(), 1);
    host.terminate();
}

/// Starts the daemon after shell commands in its home, in a mount namespace of its own.
pub(super) fn start_after(script: &str, namespace: &str, host: &mut Host) {
    let script = format!("set -e; {script}; exec \"$@\"");
    let before = [namespace, "/bin/sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_posmoded")];
    let mut command = host.through(Path::new("/usr/bin/unshare"), &before, &RUN);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    host.spawn(command);
}

/// A path as the daemon sees it.
fn inside(host: &Host, name: &str) -> PathBuf {
    let path = host.path(name);
    PathBuf::from(format!("/proc/{}/root", host.pid())).join(path.strip_prefix("/").unwrap())
}

/// Waits until the account was looked at twice more; by then a set would have left.
#[track_caller]
fn two_more_looks(venue: &Venue, host: &Host) {
    host.wait_out_its_quiet();
    let looks = || {
        let look = |path: &str| path.ends_with("/account/account");
        venue.simulator.with(|exchange| exchange.log().iter().filter(|entry| look(&entry.path)).count())
    };
    let before = looks();
    host.wait_until("it is looked at", || (looks() >= before + 2).then_some(()));
}

/// How `unshare` makes a namespace in which something may be mounted. A privilege that is denied is told, not failed.
pub(super) fn namespace() -> Option<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let may_mount = |flag: &str| {
        let mount = [flag, "/bin/sh", "-c", "mount -t tmpfs none ."];
        let tried = Command::new("/usr/bin/unshare").args(mount).current_dir(dir.path()).output();
        tried.expect("unshare (util-linux) is needed").status.success()
    };
    let granted = ["--mount", "-rm"].into_iter().find(|flag| may_mount(flag));
    if granted.is_none() {
        // Past the test harness, which keeps what a test prints that passes.
        let told = b"\nskipped: denied: nothing may be mounted here (unshare --mount)\n";
        std::io::stderr().write_all(told).unwrap();
    }
    granted
}
