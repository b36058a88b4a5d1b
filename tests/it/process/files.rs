//! The file half-written, renamed and gone; the disk full, read-only, or not read by anybody any more.

use std::fs::{self, Permissions};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bitget_sim::PosMode;

use super::{Host, RUN, Venue, declared, get, side_by_side};

#[test]
fn f6_f13_f33_nothing_is_sent_on_half_a_file_or_without_a_disk() {
    side_by_side(&[
        ("files", f6_f13_while_the_file_is_half_written_or_gone_nothing_is_sent_and_afterwards_all_goes_on),
        ("smaller file", f6_f15_a_whole_but_smaller_file_that_is_written_in_place_counts_once_it_is_closed),
        ("full disk", f33_on_a_full_disk_nothing_is_sent_until_there_is_room_again),
        ("read-only disk", f33_on_a_read_only_disk_the_daemon_does_not_start_and_says_so),
        ("log", a_daemon_whose_log_nobody_reads_any_more_goes_on),
    ]);
}

fn f6_f13_while_the_file_is_half_written_or_gone_nothing_is_sent_and_afterwards_all_goes_on() {
    let venue = Venue::of_desks(1);
    let file = declared(&[("desk-1", "one_way_mode")]);
    let mut host = Host::new(&venue, &["desk-1"], &file);
    let path = host.path("desired-state.yaml");
    host.start();
    host.wait_for_all("in_sync -");
    let problem = |host: &Host, expected: &str| {
        host.wait_until(expected, || {
            let problem = host.status()["config"]["problem"].as_str().map(str::to_owned)?;
            problem.contains(expected).then_some(())
        });
    };
    let frees = |host: &Host, sets: usize| {
        host.wait_for_all("in_sync -");
        assert_eq!((venue.sets().len(), venue.mode(1)), (sets, PosMode::OneWayMode));
        assert!(host.status()["config"]["problem"].is_null());
    };

    // In place, by somebody who takes a long time over it.
    let whole = file.replace("max_changes: 3", "max_changes: 4");
    let (half, rest) = whole.split_at(whole.find("desk-1").unwrap());
    let mut slow = fs::File::create(&path).unwrap();
    slow.write_all(half.as_bytes()).unwrap();
    problem(&host, "it is still changing");
    venue.flip(1, PosMode::HedgeMode);
    host.wait_for_all("drifted file");
    host.wait_out_its_quiet();
    assert_eq!(venue.sets(), []);
    slow.write_all(rest.as_bytes()).unwrap();
    drop(slow);
    frees(&host, 1);
    assert_eq!(host.status()["config"]["generation"], 2);

    // Gone, and put back by a rename; the daemon does not even live all the time.
    fs::rename(&path, host.path("moved-away")).unwrap();
    problem(&host, "is missing");
    venue.flip(1, PosMode::HedgeMode);
    host.wait_for_all("drifted file");
    host.kill();
    host.start();
    host.wait_for_all("drifted file");
    let (code, told) = get(host.address(), "/readyz");
    assert!(code == 503 && told.contains("is missing"), "{code}: {told}");
    host.wait_out_its_quiet();
    assert_eq!(venue.sets().len(), 1);
    fs::rename(host.path("moved-away"), &path).unwrap();
    frees(&host, 2);
    assert_eq!(host.status()["config"]["generation"], 2, "it is the same revision as before");
    host.terminate();
}

fn f6_f15_a_whole_but_smaller_file_that_is_written_in_place_counts_once_it_is_closed() {
    let venue = Venue::of_desks(2);
    let (before, half) =
        (declared(&[("desk-1", ONE_WAY), ("desk-2", ONE_WAY)]), declared(&[("desk-1", HEDGE)]));
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &before);
    host.start();
    host.wait_for_all("in_sync -");

    let mut slow = fs::File::create(host.path("desired-state.yaml")).unwrap();
    slow.write_all(half.as_bytes()).unwrap();
    let problem = || host.status()["config"]["problem"].as_str().map(str::to_owned);
    host.wait_until("it is seen", || problem().filter(|told| told == "it is still changing"));
    // Each reload reads the file twice before everything is looked at.
    for mode in [PosMode::HedgeMode, PosMode::OneWayMode] {
        venue.flip(2, mode);
        host.signal("HUP");
        let shown = if mode == PosMode::HedgeMode { "drifted file" } else { "in_sync -" };
        host.wait_until(shown, || (host.targets()["desk-2 USDT-FUTURES"] == shown).then_some(()));
    }
    assert_eq!(host.targets()["desk-1 USDT-FUTURES"], "in_sync -", "as it was declared before");
    assert_eq!((venue.sets(), host.status()["config"]["generation"].as_u64()), (Vec::new(), Some(1)));

    slow.rewind().unwrap();
    slow.set_len(0).unwrap();
    slow.write_all(declared(&[("desk-1", ONE_WAY), ("desk-2", HEDGE)]).as_bytes()).unwrap();
    drop(slow);
    host.wait_until("it is set", || (venue.mode(2) == PosMode::HedgeMode).then_some(()));
    host.wait_for_all("in_sync -");
    assert_eq!((venue.sets().len(), venue.mode(1), problem()), (1, PosMode::OneWayMode, None));
    host.terminate();
}

fn f33_on_a_full_disk_nothing_is_sent_until_there_is_room_again() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    // The limit on the size of files stands for the disk: who is over it gets an error, as long as the signal is ignored.
    let script = ["-c", "trap '' XFSZ; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_posmoded")];
    let command = host.through(Path::new("/bin/sh"), &script, &RUN);
    host.spawn(command);
    let at = host.address();
    host.wait_for_all("in_sync -");
    let Some(()) = limit(&host, "0") else { return };
    venue.flip(1, PosMode::HedgeMode);
    host.wait_for_all("drifted ledger");
    let told = host.status()["targets"][0]["say"].as_str().unwrap().to_owned();
    assert!(told.contains("ledger"), "{told}");
    let (code, metrics) = get(at, "/metrics");
    let failed =
        metrics.lines().find(|line| line.contains("ledger_writes_total{result=\"failed\"}")).unwrap();
    assert!(code == 200 && !failed.ends_with(" 0"), "{failed}");
    assert_eq!(get(at, "/livez").0, 200);
    host.wait_until("it says that it is not ready", || {
        let (code, told) = get(at, "/readyz");
        (code == 503 && told.starts_with("The ledger cannot be used: ")).then_some(())
    });
    host.wait_out_its_quiet();
    assert_eq!(venue.sets(), []);
    limit(&host, "unlimited").unwrap();
    host.wait_for_all("in_sync -");
    host.wait_until("it is ready again", || (get(at, "/readyz").0 == 200).then_some(()));
    assert_eq!((venue.sets().len(), venue.mode(1)), (1, PosMode::OneWayMode));
    assert_eq!(host.intents().len(), 1);
    assert!(host.said().contains("ledger"), "{}", host.said());
    host.terminate();
}

/// Lets the files of a running daemon grow to so many bytes; `None`, and a word about it, where that cannot be had.
fn limit(host: &Host, bytes: &str) -> Option<()> {
    let limited = Command::new("prlimit")
        .arg("--pid")
        .arg(host.pid().to_string())
        .arg(format!("--fsize={bytes}:"))
        .status();
    if limited.is_ok_and(|status| status.success()) {
        return Some(());
    }
    assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "prlimit (util-linux) is needed");
    #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
    {
        eprintln!("skipped: there is no prlimit (util-linux) to stand for a full disk");
    }
    None
}

fn f33_on_a_read_only_disk_the_daemon_does_not_start_and_says_so() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    let mut all = vec![host.home.path().to_owned()];
    for dir in ["", "keys", "state"] {
        all.extend(fs::read_dir(host.path(dir)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for path in all.iter().filter(|path| path.starts_with(host.path("state"))) {
        let mode = if path.is_dir() { 0o500 } else { 0o400 };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    venue.flip(1, PosMode::HedgeMode);

    let mut command = host.command(&RUN);
    if fs::metadata(host.home.path()).unwrap().uid() == 0 {
        // Nothing is read-only for root: somebody else it is, who must be able to read the program.
        let program = host.program_for_everybody();
        all.push(program.clone());
        for path in &all {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        let before = [&user, &group, "--clear-groups", program.to_str().unwrap()];
        command = host.through(&PathBuf::from("/usr/bin/setpriv"), &before, &RUN);
    }
    let output = command.stdout(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("state") && told.contains("may write"), "{told}");
    assert_eq!(venue.sets(), []);
}

fn a_daemon_whose_log_nobody_reads_any_more_goes_on() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = host.command(&RUN);
    command.stdout(Stdio::null()).stderr(writer);
    host.daemon = Some(command.spawn().unwrap());
    drop((command, reader));
    let at = host.address();
    host.wait_for_all("in_sync -");
    venue.flip(1, PosMode::HedgeMode);
    host.wait_until("it is corrected", || (venue.sets().len() == 1).then_some(()));
    host.wait_for_all("in_sync -");
    host.declare(&declared(&[("desk-1", "hedge_mode")]));
    host.wait_until("it is changed", || (venue.sets().len() == 2).then_some(()));
    host.wait_for_all("in_sync -");
    assert_eq!(get(at, "/readyz").0, 200);
    host.terminate();
}

const ONE_WAY: &str = "one_way_mode";
const HEDGE: &str = "hedge_mode";
/// The user of whom nothing is.
const NOBODY: u32 = 65_534;
