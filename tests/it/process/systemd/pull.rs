//! The shipped unit of the puller, in its own sandbox and with its own limits, and the daemon that follows it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::super::Venue;
use super::super::gitops::Repository;
use super::super::gitops::forge::{Fault, Forge};
use super::{HEDGE, Machine, ONE_WAY, file};

#[test]
fn f76_under_a_real_systemd_the_pull_unit_brings_commits_through_kills_and_a_broken_cache() {
    if !super::super::gitops::tools_are_there() {
        return;
    }
    let venue = Venue::of_desks_over_plain_http(1);
    let Some(machine) = Machine::boot(&venue) else { return };
    let repository = Repository::new();
    let forge = Forge::of(repository.home());
    install(&machine, &forge);

    let first = repository.commit(&file(&HEDGE));
    machine.systemctl(&["start", "posmoded-pull"]);
    assert_eq!(in_place(&machine), first);
    has_its_places_and_limits(&machine);
    machine.systemctl(&["start", "posmoded"]);
    machine.wait_for_status("1/1 in sync");
    machine.wait_for_status(&first[..7]);
    let brought = |commit: &str| {
        let told = machine.posmoded(&["status"]);
        told.contains("in git was last brought") && told.contains(&format!("ago ({}).", &commit[..7]))
    };
    machine.wait_until("it is shown when the file was brought", || brought(&first).then_some(()));

    // Killed as a whole in the midst of a fetch, and the power goes.
    let second = repository.commit(&file(&ONE_WAY));
    forge.set(Fault::Stalls);
    forge.take_fetched();
    machine.systemctl(&["start", "--no-block", "posmoded-pull"]);
    machine.wait_until("it fetches", || (!forge.take_fetched().is_empty()).then_some(()));
    machine.systemctl(&["kill", "--signal=KILL", "posmoded-pull"]);
    machine.wait_until("it is gone", || (shows(&machine, "ActiveState") == "failed").then_some(()));
    assert_eq!(in_place(&machine), first);
    forge.set(Fault::Nothing);
    fs::write(machine.inside(CACHE).join("refs/pulled"), "").unwrap();
    fs::write(machine.inside(CACHE).join("shallow.lock"), "").unwrap();
    machine.systemctl(&["start", "posmoded-pull"]);
    assert_eq!(in_place(&machine), second);
    assert!(!machine.inside(CACHE).join("shallow.lock").exists());
    machine.wait_for_status(&second[..7]);
    machine.wait_until("it is shown when it was brought again", || brought(&second).then_some(()));

    // What is refused stays out, and the unit fails.
    repository.rewind(&first);
    assert!(!machine.command("systemctl", &["start", "posmoded-pull"]).output().unwrap().status.success());
    let told = machine.journal(&["-u", "posmoded-pull", "-o", "cat"]);
    assert!(told.contains(&format!("posmoded goes on with commit {second}")), "{told}");
    assert!(told.contains("the cache was made anew"), "{told}");
    machine.systemctl(&["stop", "posmoded"]);
}

/// What the package and an operator bring.
fn install(machine: &Machine, forge: &Forge) {
    let shipped = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gitops");
        fs::read_to_string(folder.join(name)).unwrap()
    };
    let write = |name: &str, text: &str| {
        let path = machine.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (file, line) in [
        ("passwd", format!("{USER}:x:{UID}:{UID}::/:/usr/sbin/nologin\n")),
        ("group", format!("{USER}:x:{UID}:\n")),
    ] {
        let file = machine.inside("/etc").join(file);
        let users = fs::read_to_string(&file).unwrap();
        fs::write(file, line + &users).unwrap();
    }
    write("units/posmoded-pull.service", &shipped("posmoded-pull.service"));
    // The program lies elsewhere here.
    write(
        "units/posmoded-pull.service.d/elsewhere.conf",
        "[Service]\nExecStart=\nExecStart=/etc/posmoded/posmoded-pull\n",
    );
    write("units/posmoded.service.d/gitops.conf", &shipped("posmoded.service.d-gitops.conf"));
    write("etc/posmoded/posmoded-pull", &shipped("posmoded-pull"));
    let program = machine.path("etc/posmoded/posmoded-pull");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    write("etc/posmoded/ca.pem", &fs::read_to_string(forge.ca()).unwrap());
    let url = forge.url("origin.git");
    write("etc/posmoded/pull.conf", &format!("REPOSITORY={url}\nGIT_SSL_CAINFO=/etc/posmoded/ca.pem\n"));
    machine.systemctl(&["daemon-reload"]);
}

fn has_its_places_and_limits(machine: &Machine) {
    let cache = fs::metadata(machine.inside(CACHE).parent().unwrap()).unwrap();
    assert_eq!((cache.mode() & 0o777, cache.uid()), (0o700, UID));
    assert!(machine.inside(CACHE).join("objects").exists());
    let kept = fs::read_dir(machine.inside(STATE)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut kept: Vec<_> = kept.map(|name| name.into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["current", "last-success", "lock", "releases"]);
    for (limit, value) in [
        ("LimitFSIZE", "268435456"),
        ("LimitCORE", "0"),
        ("MemoryMax", "536870912"),
        ("TasksMax", "64"),
        ("TimeoutStartUSec", "2min"),
    ] {
        assert_eq!(shows(machine, limit), value, "{limit}");
    }
}

fn in_place(machine: &Machine) -> String {
    let to = fs::read_link(machine.inside(STATE).join("current")).unwrap();
    to.file_name().unwrap().to_str().unwrap().to_owned()
}

#[track_caller]
fn shows(machine: &Machine, property: &str) -> String {
    machine.call("systemctl", &["show", "-p", property, "--value", "posmoded-pull"]).trim().to_owned()
}

const STATE: &str = "/var/lib/posmoded-config";
const CACHE: &str = "/var/cache/posmoded-pull/repository.git";
const USER: &str = "posmoded-pull";
/// Nobody else's.
const UID: u32 = 59_997;
