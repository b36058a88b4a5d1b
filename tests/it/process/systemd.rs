//! The shipped unit under a real systemd, booted in namespaces with a journal and a bus of its own; nothing of the machine
//! is touched, and nothing is left behind.

mod gate;
mod pull;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bitget_sim::{ApiKey, Fault, FaultKind, PosMode};
use serde_json::Value;
use tempfile::TempDir;

use super::{MACHINE, PATIENCE, SET, Venue, declared, wait_until};

const HEDGE: [(&str, &str); 1] = [("desk-1", "hedge_mode")];
const ONE_WAY: [(&str, &str); 1] = [("desk-1", "one_way_mode")];

#[test]
fn the_shipped_units_are_sound_and_their_exposure_is_at_most_1_3() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return skipped("there is no systemd-analyze (systemd)");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, unit) in [("posmoded.service", unit()), ("posmoded-wait@.service", gate())] {
        let copy = folder.path().join(name);
        let here = unit.replace("/usr/bin/posmoded", env!("CARGO_BIN_EXE_posmoded"));
        fs::write(&copy, here).unwrap();
        let analyze = |words: &[&str]| {
            let told = Command::new("/usr/bin/systemd-analyze").args(words).arg(&copy).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (told.status.success(), text(&told.stdout), text(&told.stderr))
        };
        let (_, out, err) = analyze(&["verify", "--man=no", "--recursive-errors=no"]);
        assert_eq!(out + &err, "", "not a word of blame: {name}");
        let (is_low, table, err) = analyze(&["security", "--offline=true", "--threshold=13", "--no-pager"]);
        assert!(is_low, "{table}{err}");
    }
}

#[test]
fn f43_f44_under_a_real_systemd_the_shipped_unit_starts_reloads_is_watched_and_stops() {
    let venue = Venue::of_desks_over_plain_http(1);
    let Some(machine) = Machine::boot(&venue) else { return };
    let without = machine.read("without");
    assert!(without.contains("the journal cannot be written to"), "{without}");
    starts_with_what_the_unit_gives_it(&machine, &venue);
    asks_about_units(&machine, &venue);
    follows_the_file(&machine, &venue);
    is_paused_by_root(&machine);
    is_killed_and_started_again_when_it_hangs(&machine);
    follows_the_name_of_the_host(&machine, &venue);
    finishes_a_set_under_way_when_it_is_stopped(&machine, &venue);
    wrote_entries_with_fields(&machine);
    says_which_keys_are_missing(&machine);
}

fn starts_with_what_the_unit_gives_it(machine: &Machine, venue: &Venue) {
    machine.systemctl(&["start", "posmoded"]);
    assert_eq!(machine.shows("ActiveState"), "active");
    machine.wait_for_status("rev 1: 1/1 in sync");
    assert_eq!((venue.sets().len(), venue.mode(1)), (1, PosMode::HedgeMode));

    let (owner, environment) = machine.main_process();
    assert_eq!(owner, POSMODED_UID);
    assert!(environment.contains("CREDENTIALS_DIRECTORY=/run/credentials/posmoded.service"), "{environment}");
    assert!(!environment.contains("POSMODED_CREDENTIALS"), "{environment}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", machine.main_pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let state = fs::metadata(machine.inside("/var/lib/private/posmoded")).unwrap();
    assert_eq!((state.mode() & 0o777, state.uid()), (0o700, POSMODED_UID));
}

/// What the sandbox of the unit forbids would show as a requirement that cannot be seen.
fn asks_about_units(machine: &Machine, venue: &Venue) {
    machine.systemctl(&["start", "dbus", "strategy"]);
    let require = "    require: [unit_inactive: strategy.service, file_absent: /run/strategy.lock]\n...\n";
    machine.declare(&file(&ONE_WAY).replace("...\n", require));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_until("the unit is seen", || {
        let told = machine.journal(&["POSMODED_REASON=requirement", "-o", "cat"]);
        told.contains("strategy.service is active").then_some(())
    });
    machine.wait_for_status("1 waits");
    assert_eq!(venue.sets().len(), 1);
    machine.systemctl(&["stop", "strategy"]);
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_until("it is set", || (venue.mode(1) == PosMode::OneWayMode).then_some(()));
    machine.wait_for_status("rev 2: 1/1 in sync");
}

fn follows_the_file(machine: &Machine, venue: &Venue) {
    machine.declare(&file(&HEDGE));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_until("it is set", || (venue.mode(1) == PosMode::HedgeMode).then_some(()));
    machine.wait_for_status("rev 3: 1/1 in sync");
    assert_eq!(venue.sets().len(), 3);

    machine.declare("version: 1\n");
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_for_status("the newest file is REFUSED");
    assert_eq!(machine.shows("ActiveState"), "active");

    machine.declare(&file(&HEDGE));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_until("it is good again", || (!machine.status().contains("REFUSED")).then_some(()));
}

/// The ledger is the service's own, and root writes into it all the same.
fn is_paused_by_root(machine: &Machine) {
    machine.posmoded(&["pause", "--reason", "lunch"]);
    machine.wait_for_status("PAUSED");
    machine.posmoded(&["resume"]);
    machine.wait_until("it goes on", || (!machine.status().contains("PAUSED")).then_some(()));
}

fn is_killed_and_started_again_when_it_hangs(machine: &Machine) {
    let before = machine.main_pid();
    // Fed so far, though the watchdog's time has passed several times over.
    assert_eq!(machine.shows("NRestarts"), "0");
    super::send("STOP", &[before]);
    machine.wait_until("it is started again", || (machine.shows("NRestarts") == "1").then_some(()));
    machine.wait_for_status("rev 3: 1/1 in sync");
    assert_ne!(machine.main_pid(), before);
    let told = machine.journal(&["-u", "posmoded", "-o", "cat"]);
    assert!(told.contains("Watchdog timeout"), "{told}");
}

/// The sandbox of the unit must not show the name as it was at the start.
fn follows_the_name_of_the_host(machine: &Machine, venue: &Venue) {
    machine.declare(&file(&HEDGE).replace("  desk-1:\n", "  desk-1:\n    host: trade-01\n"));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_for_status("1 target of other hosts, none of this one");
    machine.call("hostname", &["trade-01"]);
    machine.wait_for_status("1/1 in sync");
    assert_eq!(venue.sets().len(), 3);

    machine.declare(&file(&HEDGE));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_for_status("1/1 in sync");
}

fn finishes_a_set_under_way_when_it_is_stopped(machine: &Machine, venue: &Venue) {
    let held_back = Duration::from_secs(4);
    let late = FaultKind::Delay { after: held_back };
    venue.simulator.with(|exchange| exchange.inject(Fault::once(late).on(SET)));
    let before = venue.sets().len();
    machine.declare(&file(&ONE_WAY));
    machine.systemctl(&["reload", "posmoded"]);
    machine.wait_until("the set is under way", || (venue.sets().len() > before).then_some(()));
    let began = Instant::now();
    machine.systemctl(&["stop", "posmoded"]);
    let took = began.elapsed();
    assert!(took > held_back / 4, "it was waited for: {took:?}");
    assert_eq!(
        (machine.shows("ActiveState"), machine.shows("Result")),
        ("inactive".into(), "success".into())
    );
    let events = machine.posmoded(&["history", "-o", "json"]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kinds: Vec<String> = events.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.ends_with(&["noted", "accepted", "confirmed", "stopped"].map(str::to_owned)), "{kinds:?}");
}

fn wrote_entries_with_fields(machine: &Machine) {
    let told = machine.journal(&["-u", "posmoded", "-o", "json"]);
    let entries = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_desk: Vec<Value> = entries.filter(|entry| entry["POSMODED_ACCOUNT"] == "desk-1").collect();
    let in_sync = of_desk.iter().find(|entry| entry["POSMODED_STATE"] == "in_sync").expect(&told);
    for (field, value) in [
        ("MESSAGE", "desk-1 USDT-FUTURES: In sync."),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "posmoded"),
        ("_SYSTEMD_UNIT", "posmoded.service"),
        ("POSMODED_SCOPE", "USDT-FUTURES"),
        ("POSMODED_LIVE", "hedge_mode"),
    ] {
        assert_eq!(in_sync[field], value, "{field}: {in_sync}");
    }
    assert!(of_desk.iter().any(|entry| entry["POSMODED_REASON"] == "acting"), "{told}");
    // As an operator asks.
    let asked = machine.journal(&["POSMODED_ACCOUNT=desk-1", "-o", "cat"]);
    assert!(asked.contains("desk-1 USDT-FUTURES: In sync."), "{asked}");
    for secret in ["test-secret", "test-passphrase"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

fn says_which_keys_are_missing(machine: &Machine) {
    let keys = machine.path("etc/posmoded/credentials");
    fs::rename(&keys, machine.path("moved-away")).unwrap();
    fs::create_dir(&keys).unwrap();
    machine.systemctl(&["start", "posmoded"]);
    machine.wait_for_status("1 wants a human");
    machine.systemctl(&["stop", "posmoded"]);

    fs::remove_dir(&keys).unwrap();
    assert!(!machine.command("systemctl", &["start", "posmoded"]).output().unwrap().status.success());
    assert_eq!(machine.shows("ExecMainStatus"), "243", "EXIT_CREDENTIALS");
    // It does not give up.
    fs::rename(machine.path("moved-away"), &keys).unwrap();
    machine.wait_for_status("1/1 in sync");
    machine.systemctl(&["stop", "posmoded"]);
}

/// A systemd with few units, among them the shipped one; it ends with the value.
struct Machine {
    home: TempDir,
    booted: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// `None`, and a word about it, where none can be booted.
    fn boot(venue: &Venue) -> Option<Machine> {
        if !Path::new("/lib/systemd/systemd").exists() {
            skipped("there is no systemd to boot");
            return None;
        }
        if !Path::new("/usr/bin/dbus-daemon").exists() {
            skipped("there is no dbus-daemon for the systemd to boot (dbus)");
            return None;
        }
        let turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::tempdir().unwrap();
        furnish(home.path(), venue);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/process/systemd/boot.sh");
        let mut command = Command::new("/bin/sh");
        command.arg(script).arg("boot").arg(home.path()).arg(env!("CARGO_BIN_EXE_posmoded"));
        command.env_clear().env("PATH", PATHS).stdin(Stdio::piped()).stdout(Stdio::null());
        let log = fs::File::create(home.path().join("log")).unwrap();
        let booted = command.stderr(log).spawn().unwrap();
        let mut machine = Machine { home, booted, _turn: turn };
        if let Some(denied) = machine.wait_for_boot() {
            // Past the test harness, which keeps what a test prints that passes.
            let told = format!("\nskipped: denied: no systemd can be booted here: {denied}\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            return None;
        }
        machine.wait_until("systemd answers", || {
            let asked = machine.command("systemctl", &["is-active", "systemd-journald"]).output().unwrap();
            asked.status.success().then_some(())
        });
        Some(machine)
    }

    /// What was denied, if something was.
    fn wait_for_boot(&mut self) -> Option<String> {
        let Machine { home, booted, .. } = self;
        let log = || fs::read_to_string(home.path().join("log")).unwrap();
        wait_until("it boots", PATIENCE, log, || {
            if fs::read_to_string(home.path().join("pid")).is_ok_and(|pid| pid.ends_with('\n')) {
                return Some(None);
            }
            booted.try_wait().unwrap().map(|_| {
                let denied = log().lines().find_map(|line| line.strip_prefix("denied: ").map(str::to_owned));
                Some(denied.unwrap_or_else(|| panic!("{}", log())))
            })
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn declare(&self, file: &str) {
        let new = self.path("etc/posmoded/new");
        fs::write(&new, file).unwrap();
        fs::rename(new, self.path("etc/posmoded/desired-state.yaml")).unwrap();
    }

    /// The process that is systemd, as it counts here.
    fn pid(&self) -> String {
        self.read("pid").trim().to_owned()
    }

    /// A path as the machine sees it.
    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid()))
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid(), "-m", "-p", "-C", "-u", "-i", program]).args(words);
        command.env_clear().env("PATH", PATHS).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn call(&self, program: &str, words: &[&str]) -> String {
        let told = self.command(program, words).output().unwrap();
        let err = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "{program} {words:?}: {err}\n{}", self.said());
        String::from_utf8(told.stdout).unwrap()
    }

    #[track_caller]
    fn systemctl(&self, words: &[&str]) {
        self.call("systemctl", words);
    }

    #[track_caller]
    fn posmoded(&self, words: &[&str]) -> String {
        self.call("/run/posmoded", words)
    }

    #[track_caller]
    fn shows(&self, property: &str) -> String {
        self.call("systemctl", &["show", "-p", property, "--value", "posmoded"]).trim().to_owned()
    }

    fn status(&self) -> String {
        self.shows("StatusText")
    }

    #[track_caller]
    fn journal(&self, words: &[&str]) -> String {
        self.call("journalctl", &["--sync"]);
        self.call("journalctl", &[&["--no-pager", "-q"], words].concat())
    }

    /// The daemon, as it counts here.
    fn main_pid(&self) -> u32 {
        self.outer(&self.shows("MainPID"))
    }

    /// What a process of the machine is called here.
    fn outer(&self, inner: &str) -> u32 {
        let is_it = |status: &str| {
            let named = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            named.is_some_and(|pids| pids.split_whitespace().nth(1) == Some(inner))
        };
        let ours = |pid: &u32| {
            let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
            space(&pid.to_string()) == space(&self.pid())
        };
        let all = fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(ours)
            .find(|pid| fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| is_it(&status)))
            .unwrap()
    }

    /// Whose it is, and what it was told in its environment.
    fn main_process(&self) -> (u32, String) {
        let process = PathBuf::from(format!("/proc/{}", self.main_pid()));
        let environment = fs::read(process.join("environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
        (fs::metadata(process).unwrap().uid(), environment)
    }

    #[track_caller]
    fn wait_for_status(&self, part: &str) {
        self.wait_until(part, || self.status().contains(part).then_some(()));
    }

    #[track_caller]
    fn wait_until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait_until(what, PATIENCE, || self.said(), look)
    }

    fn said(&self) -> String {
        let of = |program, words: &[&str]| {
            let told = self.command(program, words).output().unwrap();
            String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned()
        };
        let units = of("systemctl", &["--no-pager", "--all"]);
        let jobs = of("systemctl", &["list-jobs"]);
        format!("{}\n{units}\n{jobs}\n{}", self.read("log"), of("journalctl", &["--no-pager"]))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its end of the pipe is what keeps the machine up.
        drop(self.booted.stdin.take());
        let _ = self.booted.wait();
    }
}

/// Units, and what of /etc the service is to find.
fn furnish(home: &Path, venue: &Venue) {
    let write = |name: &str, text: &str| {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/process/systemd/units");
    for unit in fs::read_dir(units).unwrap() {
        let unit = unit.unwrap().path();
        let name = unit.file_name().unwrap().to_str().unwrap();
        write(&format!("units/{name}"), &fs::read_to_string(&unit).unwrap());
    }
    write("units/posmoded.service", unit());
    write("units/posmoded-wait@.service", gate());
    let here = "[Service]\nExecStart=\nExecStart=/run/posmoded wait %i\n";
    write("units/posmoded-wait@.service.d/here.conf", here);
    // What hangs is found, and what ended is started, sooner than the shipped unit does.
    let sooner = "[Service]\nExecStart=\nExecStart=/run/posmoded run\nWatchdogSec=4s\nRestartSec=1s\n";
    write("units/posmoded.service.d/sooner.conf", sooner);

    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    // The audit socket and the kernel's log are the machine's own.
    write("etc/systemd/journald.conf", "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n");
    let user = format!("posmoded:x:{POSMODED_UID}:{POSMODED_UID}::/:/usr/sbin/nologin\n");
    let users = fs::read_to_string("/etc/passwd").unwrap();
    write("etc/passwd", &(user + &users));
    let groups = fs::read_to_string("/etc/group").unwrap();
    write("etc/group", &(format!("posmoded:x:{POSMODED_UID}:\n") + &groups));
    let environment = format!("POSMODED_BASE_URL={}\nPOSMODED_LISTEN=127.0.0.1:0\n", venue.base);
    write("etc/default/posmoded", &environment);
    write("etc/posmoded/desired-state.yaml", &file(&HEDGE));
    let ApiKey { key, secret, passphrase, .. } = ApiKey::named("desk-1");
    let keys = home.join("etc/posmoded/credentials");
    fs::create_dir(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(keys.join("desk-1")).unwrap();
    writeln!(file, "key: {key}\nsecret: {}\npassphrase: {}", secret.0, passphrase.0).unwrap();
}

/// Room for every change of the story.
fn file(accounts: &[(&str, &str)]) -> String {
    declared(accounts).replace("max_changes: 3", "max_changes: 9")
}

fn unit() -> &'static str {
    include_str!("../../../deploy/systemd/posmoded.service")
}

fn gate() -> &'static str {
    include_str!("../../../deploy/systemd/posmoded-wait@.service")
}

fn skipped(why: &str) {
    assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{why}");
    let told = format!("\nskipped: {why}\n");
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

const PATHS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Nobody else's.
const POSMODED_UID: u32 = 59_998;
