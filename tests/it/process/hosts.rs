//! Accounts that the file gives to hosts by name, and a host that is renamed while the daemon runs.
//!
//! The name is that of a UTS namespace of the daemon's own. Where none may be made, the test says so and ends.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use bitget_sim::PosMode;

use super::{Host, RUN, Venue, declared};

#[test]
fn f74_a_host_that_is_renamed_lets_go_of_the_old_names_account_and_keeps_the_new_names() {
    let Some(namespace) = namespace() else { return };
    let venue = Venue::of_desks(2);
    let file = declared(&[("desk-1", "hedge_mode"), ("desk-2", "hedge_mode")])
        .replace("  desk-1:\n", "  desk-1:\n    host: trade-01\n")
        .replace("  desk-2:\n", "  desk-2:\n    host: trade-02\n");
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    let script = "hostname unnamed; exec \"$@\"";
    let before = [namespace, "/bin/sh", "-c", script, "sh", env!("CARGO_BIN_EXE_posmoded")];
    let mut command = host.through(Path::new("/usr/bin/unshare"), &before, &RUN);
    command.env("PATH", PATHS);
    host.spawn(command);
    host.address();
    let shows = |account: &str, state: &str, part: &str| {
        host.wait_until(&format!("{account}: {state}, {part}"), || {
            let told = host.status();
            let all = told["targets"].as_array()?;
            let target = all.iter().find(|target| target["account"] == account)?;
            let said = target["say"].as_str().unwrap_or_default();
            (target["state"] == state && said.contains(part)).then_some(())
        });
    };
    // Named after the start, as a host of a cloud may be.
    shows("desk-1", "unknown", "the host trade-01, and this one is called unnamed");
    shows("desk-2", "unknown", "the host trade-02, and this one is called unnamed");
    assert_eq!(asked_with_a_key(&venue), 0);

    rename(&host, namespace, "trade-01");
    shows("desk-1", "in_sync", "");
    assert_eq!((venue.mode(1), venue.mode(2)), (PosMode::HedgeMode, PosMode::OneWayMode));

    rename(&host, namespace, "trade-02.example");
    shows("desk-2", "in_sync", "");
    shows("desk-1", "unknown", "the host trade-01, and this one is called trade-02.example");
    venue.flip(1, PosMode::OneWayMode);
    venue.flip(2, PosMode::OneWayMode);
    host.wait_until("it is corrected", || (venue.mode(2) == PosMode::HedgeMode).then_some(()));
    shows("desk-2", "in_sync", "");
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::OneWayMode, 3));
    let warnings = host.status()["warnings"].to_string();
    assert!(
        warnings.contains("this one is called trade-02.example: that is taken for the same host"),
        "{warnings}"
    );
    assert!(host.said().contains("this host is called trade-01 now, no longer unnamed"), "{}", host.said());

    // What the operator says stands, whatever the kernel calls the host.
    host.terminate();
    let before =
        [namespace, "/bin/sh", "-c", "hostname trade-02; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_posmoded")];
    let mut command =
        host.through(Path::new("/usr/bin/unshare"), &before, &[&RUN[..], &["--host", "trade-01"]].concat());
    command.env("PATH", PATHS);
    host.spawn(command);
    host.address();
    host.wait_until("it is corrected", || (venue.mode(1) == PosMode::HedgeMode).then_some(()));
    host.terminate();
}

/// How many requests were signed so far.
fn asked_with_a_key(venue: &Venue) -> usize {
    venue
        .simulator
        .with(|exchange| exchange.log().iter().filter(|entry| !entry.path.ends_with("/public/time")).count())
}

/// Calls the daemon's host otherwise.
fn rename(host: &Host, namespace: &str, name: &str) {
    let users: &[&str] = if namespace == WITH_USERS { &["--user", "--preserve-credentials"] } else { &[] };
    let mut command = Command::new("/usr/bin/nsenter");
    command.args(["--uts", "--target", &host.pid().to_string()]).args(users).args(["hostname", name]);
    let renamed = command.output().expect("nsenter (util-linux) is needed");
    assert!(renamed.status.success(), "{}", String::from_utf8_lossy(&renamed.stderr));
}

/// How `unshare` makes a namespace in which the host may be renamed. A privilege that is denied is told, not failed.
fn namespace() -> Option<&'static str> {
    let may_rename = |flag: &str| {
        let tried = Command::new("/usr/bin/unshare").args([flag, "hostname", "trade-01"]).output();
        tried.expect("unshare (util-linux) is needed").status.success()
    };
    let granted = ["--uts", WITH_USERS].into_iter().find(|flag| may_rename(flag));
    if granted.is_none() {
        // Past the test harness, which keeps what a test prints that passes.
        let told = b"\nskipped: denied: no host may be renamed here (unshare --uts)\n";
        std::io::stderr().write_all(told).unwrap();
    }
    granted
}

/// With a user namespace, for whoever is not root.
const WITH_USERS: &str = "-ru";
const PATHS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
