//! Who else may use the keys, and put files where keys and state are: what is refused, and what is said to run.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bitget_sim::Exchange;

use super::{Host, RUN, Venue, declared};

#[test]
fn f77_a_secret_that_kubernetes_mounts_is_used_and_where_it_cannot_be_it_says_what_to_run() {
    let Some((venue, host)) = as_somebody() else { return };
    // As the kubelet lays it out, in a volume that is anybody's to write to but for the sticky bit.
    let (keys, data) = (host.path("keys"), host.path("keys/..2026_11_29"));
    fs::create_dir(&data).unwrap();
    fs::rename(keys.join("desk-1"), data.join("desk-1")).unwrap();
    symlink("..2026_11_29", keys.join("..data")).unwrap();
    symlink("..data/desk-1", keys.join("desk-1")).unwrap();
    mode(&keys, 0o1777);
    mode(&data, 0o755);
    chown(data.join("desk-1"), Some(0), Some(GROUP)).unwrap();
    mode(&data.join("desk-1"), 0o440);
    assert_eq!(somebody(&host, GROUP, &["check"]), (0, String::new()));
    assert_eq!(somebody(&host, GROUP, &["plan"]).0, 0);

    // A group of others may read it, or everybody: only root can mend that.
    for (group, bits) in [(GROUP + 1, 0o440), (GROUP, 0o444), (GROUP, 0o460)] {
        chown(data.join("desk-1"), Some(0), Some(group)).unwrap();
        mode(&data.join("desk-1"), bits);
        let (code, said) = somebody(&host, GROUP, &["check"]);
        let command = command_in(&said);
        assert!(code == 1 && command.starts_with(&format!("chown root:{GROUP} ")), "{bits:o}: {said}");
        sh(&host, &command);
        assert_eq!(somebody(&host, GROUP, &["check"]), (0, String::new()), "{command}");
    }

    // What somebody else has put there is not believed, be it the file or a link to one of ours.
    lchown(keys.join("desk-1"), Some(USER + 1), Some(GROUP)).unwrap();
    let (code, said) = somebody(&host, GROUP, &["check"]);
    assert!(code == 1 && said.contains(&format!("belongs to user {}", USER + 1)), "{said}");
    sh(&host, &command_in(&said));
    assert_eq!(somebody(&host, GROUP, &["check"]), (0, String::new()));
    drop(venue);
}

#[test]
fn f78_a_directory_of_keys_or_of_the_state_to_which_others_may_write_is_refused_and_said_how_to_mend() {
    let Some((venue, mut host)) = as_somebody() else { return };
    chown(host.path("keys/desk-1"), Some(USER), Some(GROUP)).unwrap();
    mode(&host.path("keys/desk-1"), 0o600);
    fs::create_dir(host.path("state")).unwrap();
    for (dir, user, group, bits) in [
        ("keys", USER, GROUP, 0o777),
        ("keys", USER, GROUP + 1, 0o770),
        ("keys", 0, 0, 0o757),
        ("keys", USER + 1, GROUP, 0o1777),
        ("state", USER, GROUP, 0o777),
        ("state", USER, GROUP + 1, 0o2770),
        ("state", 0, 0, 0o1777),
    ] {
        chown(host.path("keys"), Some(USER), Some(GROUP)).unwrap();
        mode(&host.path("keys"), 0o700);
        chown(host.path("state"), Some(USER), Some(GROUP)).unwrap();
        mode(&host.path("state"), 0o700);
        assert_eq!(somebody(&host, GROUP, &["check"]), (0, String::new()));

        chown(host.path(dir), Some(user), Some(group)).unwrap();
        mode(&host.path(dir), bits);
        let (code, said) = somebody(&host, GROUP, &["check"]);
        let rights = format!("{dir} belongs to user {user} and group {group} and has mode {bits:04o}");
        assert!(code == 1 && said.contains(&rights), "{said}");
        if dir == "state" {
            host.spawn(as_user(&host, GROUP, &RUN));
            assert_eq!(host.ended().0, Some(78), "{}", host.said());
            host.wait_until(&rights, || host.said().contains(&rights).then_some(()));
        }
        sh(&host, &command_in(&said));
        assert_eq!(somebody(&host, GROUP, &["check"]), (0, String::new()), "{dir}: {said}");
    }

    // A running daemon asks nothing with keys that others could have put there.
    mode(&host.path("keys"), 0o777);
    chown(host.path("state"), Some(0), Some(0)).unwrap();
    host.start();
    host.wait_for_all("unknown credential");
    let asked =
        |exchange: &mut Exchange| exchange.log().iter().filter(|entry| entry.account.is_some()).count();
    assert_eq!(venue.simulator.with(asked), 0);
    mode(&host.path("keys"), 0o755);
    host.signal("HUP");
    host.wait_for_all("in_sync -");
    host.terminate();
}

/// A home that a user who is not root may use, with a program that it may run; `None`, and a word about it, where only root
/// could make that and we are not.
fn as_somebody() -> Option<(Venue, Host)> {
    let venue = Venue::of_desks(1);
    let host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    if fs::metadata(host.home.path()).unwrap().uid() != 0 {
        // Past the test harness, which keeps what a test prints that passes.
        std::io::stderr().write_all(b"\nskipped: denied: only root may give files away\n").unwrap();
        return None;
    }
    mode(host.home.path(), 0o755);
    host.program_for_everybody();
    Some((venue, host))
}

/// What somebody in this group is answered: the code, and what stands on stderr.
fn somebody(host: &Host, group: u32, words: &[&str]) -> (i32, String) {
    let output = as_user(host, group, words).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn as_user(host: &Host, group: u32, words: &[&str]) -> Command {
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={group}"));
    let program = host.path("posmoded");
    let before = [&user, &group, "--clear-groups", program.to_str().unwrap()];
    host.through(&PathBuf::from("/usr/bin/setpriv"), &before, words)
}

/// The first command that a sentence says to run.
#[track_caller]
fn command_in(said: &str) -> String {
    let (_, rest) = said.split_once("run `").unwrap_or_else(|| panic!("no command: {said}"));
    rest.split('`').next().unwrap().to_owned()
}

/// As root, in the home.
#[track_caller]
fn sh(host: &Host, command: &str) {
    let ran = Command::new("/bin/sh").args(["-c", command]).current_dir(host.home.path()).status().unwrap();
    assert!(ran.success(), "{command}");
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

/// Nobody's.
const USER: u32 = 59_990;
const GROUP: u32 = 59_980;
