//! The built binary, as an operator or a script calls it.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use bitget_sim::{ApiKey, Exchange, NewAccount, PosMode, ProductType, Simulator, Uid};
use tempfile::TempDir;

use crate::process::{PATIENCE, wait_until};

/// A home of its own, so that nothing of the machine is seen.
pub(crate) fn posmoded(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posmoded"));
    command.args(words).current_dir(home).env_clear().env("HOME", home);
    command
}

#[track_caller]
pub(crate) fn call(home: &Path, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = posmoded(home, words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

pub(crate) const GOOD: &str = "\
version: 1
max_changes: 3
defaults: { drift: correct, check_every: 5s, settle: 0s }
accounts:
  desk-1:
    position_mode: { USDT-FUTURES: hedge_mode }
  desk-2:
    position_mode: { USDT-FUTURES: one_way_mode }
...
";

#[test]
fn the_schema_is_one_object_of_json_and_needs_no_file() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = call(home.path(), &["schema"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema, posmoded::desired::schema());
    assert!(schema["$comment"].as_str().unwrap().contains("`posmoded check` alone says"));
}

#[test]
fn what_the_journal_reads_is_marked_and_what_it_only_started_is_not() {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;

    let home = tempfile::tempdir().unwrap();
    for is_read in [true, false] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let about = fs::File::from(writer.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
        let inode = if is_read { about.ino() } else { about.ino() + 1 };
        let mut command = posmoded(home.path(), &["run"]);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", about.dev())).stderr(writer);
        assert_eq!(command.status().unwrap().code(), Some(78));
        drop(command);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        let marked = told.lines().filter(|line| line.starts_with("<3>")).count();
        assert_eq!(marked, if is_read { told.lines().count() } else { 0 }, "{told}");
        assert!(told.contains("error: posmoded has not started"), "{told}");
    }
}

#[test]
fn wrong_words_are_64_in_every_command_and_say_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for words in [
        &[][..],
        &["frobnicate"],
        &["status", "--frobnicate"],
        &["status", "Desk-1"],
        &["pause"],
        &["pause", "--reason", " "],
        &["approve"],
        &["wait"],
        &["wait", "Desk-1"],
        &["wait", "desk-1/SPOT"],
        &["wait", "desk-1", "--timeout", "0s"],
        &["close-intent"],
        &["close-intent", "desk-1"],
        &["close-intent", "desk-1", "--reason", " "],
        &["close-intent", "Desk-1", "--reason", "R"],
        &["close-intent", "desk-1/SPOT", "--reason", "R"],
        &["probe"],
        &["probe", "desk-1", "desk-2"],
        &["check", "--format", "xml"],
        &["plan", "--base-url", "http://api.bitget.com"],
        &["run", "--listen", "0.0.0.0:0"],
        &["run", "--listen", "unix:"],
        &["ledger"],
        &["ledger", "backup"],
        &["ledger", "restore"],
    ] {
        let (code, out, err) = call(home.path(), words);
        assert_eq!((code, out.as_str()), (64, ""), "{words:?}: {err}");
        assert!(err.len() > 20, "{words:?}: {err}");
    }
}

#[test]
fn the_help_names_every_command_and_ends_with_0() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = call(home.path(), &["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for word in [
        "run",
        "check",
        "plan",
        "apply",
        "status",
        "wait",
        "refresh",
        "history",
        "pause",
        "resume",
        "approve",
        "close-intent",
        "import",
        "probe",
        "ledger",
        "completions",
        "man",
    ] {
        assert!(
            out.lines().any(|line| line.trim_start().starts_with(&format!("{word} "))),
            "{word} in {out}"
        );
        for (columns, long) in [("80", "-h"), ("80", "--help"), ("100", "--help"), ("200", "--help")] {
            let output = posmoded(home.path(), &[word, long]).env("COLUMNS", columns).output().unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0));
            let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns.parse().unwrap() && widest <= 100, "{word} {long} {columns}: {help}");
            assert_eq!(help.contains("Examples:\n  posmoded "), long == "--help", "{word} {long}: {help}");
        }
    }
    // What a command does not go by is not offered, and taken all the same: a script may give it to every command.
    let (_, help, _) = call(home.path(), &["status", "--help"]);
    assert!(help.contains("--state") && !help.contains("--credentials") && !help.contains("--ca "), "{help}");
    let keys = ["--credentials", "keys"];
    assert_eq!(call(home.path(), &[&["schema"][..], &keys[..]].concat()).0, 0);
    assert!(out.contains("POSMODED_"), "{out}");
    let (code, nothing, err) = call(home.path(), &[]);
    assert_eq!((code, nothing.as_str()), (64, ""));
    assert!(err.contains("To begin,") && err.contains("posmoded import desk-main > new.yaml"), "{err}");
    let (code, out, _) = call(home.path(), &["--version"]);
    assert_eq!((code, out), (0, format!("posmoded {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn check_is_0_for_a_good_file_and_1_for_any_other() {
    let home = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/desired-state.yaml");
    let (code, out, err) = call(home.path(), &["check", shipped]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let bad = GOOD.replace("hedge_mode", "hedgehog");
    fs::write(home.path().join("desired-state.yaml"), bad).unwrap();
    let (code, out, _) = call(home.path(), &["check"]);
    assert_eq!(code, 1);
    assert!(out.contains("desired-state.yaml:6:") && out.contains("hedgehog"), "{out}");
    let (code, out, _) = call(home.path(), &["check", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["schema"], &told["good"]), (1, &1.into(), &false.into()));
    let (code, again, _) = call(home.path(), &["check", "-o", "json"]);
    assert_eq!((code, again), (1, out));
    let (code, out, _) = call(home.path(), &["check", "-o", "json", "--format", "github"]);
    assert!(code == 1 && out.starts_with("::error file=desired-state.yaml,line=6"), "{out}");
    let many: String =
        (0..900).map(|number| format!("  desk-{number}: {{ position_mode: hedge_mode }}\n")).collect();
    let many = format!("version: 1\nmax_changes: 3\ndefaults: {{ drift: correct }}\naccounts:\n{many}...\n");
    fs::write(home.path().join("many.yaml"), many).unwrap();
    let (code, out, err) = call(home.path(), &["check", "many.yaml"]);
    assert!(code == 0 && out.contains("good: 900 accounts"), "{out}");
    assert!(err.starts_with("warning: To compare 2700 targets as often as `check_every` says"), "{err}");
    let (code, _, err) = call(home.path(), &["check", "nowhere.yaml"]);
    assert!(code == 1 && err.contains("nowhere.yaml cannot be read"), "{err}");
}

#[test]
fn a_check_says_whether_keys_were_checked_and_that_the_file_is_good_where_only_they_are_not() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("desired-state.yaml"), GOOD).unwrap();
    let keys = home.path().join("keys");
    fs::create_dir(&keys).unwrap();
    let call = |words: &[&str], with_variable: bool| {
        let mut command = posmoded(home.path(), words);
        if with_variable {
            command.env("POSMODED_CREDENTIALS", &keys);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(String::from_utf8_lossy(&stdout).contains(": good: "), "{stdout:?}");
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    assert_eq!(call(&["check"], false), (0, String::new()), "nobody spoke of keys");
    let (code, said) = call(&["check"], true);
    let end = format!("write --credentials {}\n", keys.display());
    assert!(code == 0 && said.starts_with("Keys were not checked") && said.ends_with(&end), "{said}");
    for with_variable in [false, true] {
        let (code, said) = call(&["check", "--credentials", keys.to_str().unwrap()], with_variable);
        assert!(code == 1 && said.starts_with("error: "), "{said}");
        assert!(
            said.ends_with("The file is good, and what is beside it is not: see the errors above.\n"),
            "{said}"
        );
    }
}

#[test]
fn without_a_ledger_commands_say_where_they_looked_and_write_nothing() {
    let home = tempfile::tempdir().unwrap();
    for words in [
        &["pause", "--reason", "lunch"][..],
        &["resume"],
        &["refresh"],
        &["approve", "abcdef"],
        &["history"],
        &["status"],
        &["ledger", "verify"],
        &["ledger", "backup", "copy"],
    ] {
        let words = [words, &["--state", "here"]].concat();
        let (code, out, err) = call(home.path(), &words);
        assert_eq!((code, out.as_str()), (1, ""), "{words:?}: {err}");
        assert!(err.contains("here/") && err.contains("There is no ledger"), "{words:?}: {err}");
        let may_be_asked = matches!(words[0], "history" | "status");
        assert_eq!(err.trim_end().ends_with("--listen ADDR."), may_be_asked, "{words:?}: {err}");
    }
    assert!(!home.path().join("here").exists());
}

#[test]
fn status_without_a_daemon_at_the_address_is_1_with_one_plain_sentence() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, out, err) = call(home.path(), &["status", "--listen", &free]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(&format!("There is no answer from a daemon at {free}")), "{err}");
}

#[test]
fn run_without_what_it_needs_is_78() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, err) = call(home.path(), &["run", "--state", "state", "--listen", "none"]);
    assert!(code == 78 && err.contains("--credentials"), "{code}: {err}");
    fs::create_dir(home.path().join("keys")).unwrap();
    let words = ["run", "--state", "state", "--listen", "none", "--credentials", "keys"];
    let (code, _, err) = call(home.path(), &words);
    assert!(code == 78 && err.contains("desired-state.yaml"), "{code}: {err}");
}

/// A simulated exchange and a daemon on it, as processes are: over sockets, with signals.
pub(crate) struct Desk {
    pub(crate) home: TempDir,
    pub(crate) simulator: Simulator,
    exchange: SocketAddr,
    daemon: Option<Child>,
    _runtime: tokio::runtime::Runtime,
}

impl Desk {
    pub(crate) fn new(file: &str) -> Desk {
        let mut exchange = Exchange::new();
        for (uid, name) in [(Uid(1), "desk-1"), (Uid(2), "desk-2")] {
            let account =
                NewAccount::classic(uid, name).with_mode(ProductType::UsdtFutures, PosMode::OneWayMode);
            exchange.add_account(account);
        }
        let simulator = Simulator::new(exchange);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn({
            let simulator = simulator.clone();
            async move { bitget_sim::serve(listener, simulator, None).await }
        });
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("desired-state.yaml"), file).unwrap();
        let keys = home.path().join("keys");
        fs::create_dir(&keys).unwrap();
        for name in ["desk-1", "desk-2"] {
            let ApiKey { key, secret, passphrase, .. } = ApiKey::named(name);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(keys.join(name)).unwrap();
            writeln!(file, "key: {key}\nsecret: {}\npassphrase: {}", secret.0, passphrase.0).unwrap();
        }
        Desk { home, simulator, exchange: at, daemon: None, _runtime: runtime }
    }

    pub(crate) fn words(&self, words: &[&str]) -> Vec<String> {
        let url = format!("http://{}", self.exchange);
        let common = ["--state", "state", "--credentials", "keys", "--base-url", &url];
        words.iter().chain(&common).map(|word| (*word).to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn call(&self, words: &[&str]) -> (i32, String, String) {
        let words = self.words(words);
        call(self.home.path(), &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts the daemon; it may be told of a service manager.
    pub(crate) fn start(&mut self, environment: &[(&str, &Path)]) {
        self.start_at("127.0.0.1:0", environment);
    }

    pub(crate) fn start_at(&mut self, listen: &str, environment: &[(&str, &Path)]) {
        let words = self.words(&["run", "--listen", listen]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let log = fs::File::create(self.home.path().join("log")).unwrap();
        let mut command = posmoded(self.home.path(), &words);
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
    }

    pub(crate) fn signal(&self, name: &str) {
        let daemon = self.daemon.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &daemon]).status().unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Asks until it is so, for half a minute at most.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &[&str], so: impl Fn(i32, &str) -> bool) -> (i32, String) {
        let last = Cell::new(String::new());
        let look = || {
            let (code, out, err) = self.call(words);
            last.set(format!("{code}: {out}{err}"));
            so(code, &out).then_some((code, out))
        };
        wait_until(&words.join(" "), PATIENCE, || format!("{}\n{}", last.take(), self.log()), look)
    }

    /// As the service manager ends it.
    pub(crate) fn terminate(&mut self) -> i32 {
        self.signal("TERM");
        self.daemon.take().unwrap().wait().unwrap().code().unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

#[test]
fn an_operators_day_plan_run_status_pause_resume_history_and_the_end() {
    let mut desk = Desk::new(GOOD);

    let (code, out, err) = desk.call(&["plan", "--exit-code"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("There is no ledger at"), "{err}");
    assert!(out.contains("1 target in sync, 1 would change now, 0 cannot yet."), "{out}");
    let (code, out, _) = desk.call(&["plan", "desk-2", "--exit-code", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, told["targets"][0]["state"].as_str()), (0, Some("in_sync")), "{out}");
    let (code, _, err) = desk.call(&["plan", "desk-9"]);
    assert!(code == 64 && err.contains("Known: desk-1, desk-2."), "{err}");
    let before = desk.simulator.with(|exchange| exchange.mode(Uid(1), ProductType::UsdtFutures).unwrap());
    assert_eq!(before, PosMode::OneWayMode, "plan sends no set");

    desk.start(&[]);
    desk.wait_for(&["status"], |code, out| code == 0 && out.matches("in_sync").count() == 2);
    let after = desk.simulator.with(|exchange| exchange.mode(Uid(1), ProductType::UsdtFutures).unwrap());
    assert_eq!(after, PosMode::HedgeMode);
    let (code, out, _) = desk.call(&["plan", "--exit-code"]);
    assert!(code == 0 && out.contains("2 targets in sync"), "{out}");
    let (code, _, err) = desk.call(&["run", "--listen", "none"]);
    assert_eq!(code, 75, "{err}");

    let (code, out, err) = desk.call(&["pause", "--reason", "lunch"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "Everything is paused until `posmoded resume`: lunch\n");
    let (_, out) = desk.wait_for(&["status"], |_, out| out.contains("PAUSED"));
    assert!(out.contains("lunch"), "{out}");
    let (code, _, err) = desk.call(&["pause", "desk-9", "--reason", "x"]);
    assert!(code == 64 && err.contains("Known: desk-1, desk-2."), "{err}");
    let (code, out, err) = desk.call(&["resume", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["schema"], &told["acknowledged"]), (0, &1.into(), &true.into()), "{err}");
    desk.wait_for(&["status"], |_, out| !out.contains("PAUSED"));
    let (code, _, err) = desk.call(&["approve", "abcdef"]);
    assert!(code == 1 && err.contains("No held plan has the hash"), "{err}");

    let (code, out, _) = desk.call(&["history", "desk-1", "-o", "json"]);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        code == 0 && lines.iter().all(|line| line["schema"] == 1 && line["account"] == "desk-1"),
        "{out}"
    );
    assert!(lines.iter().any(|line| line["event"] == "confirmed"), "{out}");

    assert_eq!(desk.terminate(), 0, "{}", desk.log());
    let (code, _, err) = desk.call(&["status"]);
    assert!(code == 1 && err.contains("No daemon runs with the state directory"), "{err}");
    let (code, out, err) = desk.call(&["pause", "--reason", "nobody is here"]);
    assert_eq!((code, out.contains("is paused")), (1, true));
    assert!(err.contains("NOT acknowledged") && err.contains("no daemon runs"), "{err}");
    let (_, out, _) = desk.call(&["history", "--limit", "2"]);
    assert!(out.contains("stopped") && out.contains("nobody is here"), "{out}");
}

#[test]
fn what_is_held_is_shown_with_its_hash_and_approve_lets_it_go_once() {
    let file = GOOD.replace("max_changes: 3", "max_changes: 1").replace("one_way_mode", "hedge_mode");
    let mut desk = Desk::new(&file);
    desk.start(&[]);
    // One is changed; the other is held, and is what the plan on record holds.
    let read = |out: &str| serde_json::from_str::<serde_json::Value>(out).unwrap_or_default();
    let (code, out) = desk.wait_for(&["status", "-o", "json"], |_, out| {
        let told = read(out);
        let targets = told["targets"].as_array().cloned().unwrap_or_default();
        let held = targets.iter().find(|target| target["reason"] == "held");
        let changed = targets.iter().any(|target| target["state"] == "in_sync");
        let plan = &told["held"]["plan"];
        changed && held.is_some_and(|held| plan[0]["account"] == held["account"] && plan[1].is_null())
    });
    assert_eq!(code, 2, "{out}");
    let told = read(&out);
    let hash = told["held"]["hash"].as_str().unwrap();
    let (_, out, _) = desk.call(&["status"]);
    assert!(out.contains(&format!("1 change waits for `posmoded approve {hash}`")), "{out}");
    let (code, out, err) = desk.call(&["plan", "--exit-code"]);
    assert!(code == 4 && out.contains("held"), "{out}{err}");
    let (code, out, err) = desk.call(&["approve", hash]);
    assert!(code == 0 && out.contains(hash), "{out}{err}");
    desk.wait_for(&["status"], |code, out| code == 0 && out.matches("in_sync").count() == 2);
    let (code, _, err) = desk.call(&["approve", hash]);
    assert!(code == 1 && err.contains("Nothing was approved") && err.contains("approved before"), "{err}");
    assert_eq!(desk.terminate(), 0, "{}", desk.log());
}

#[test]
fn f43_the_service_manager_is_told_ready_each_reload_and_the_end() {
    let mut desk = Desk::new(GOOD);
    let socket = desk.home.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard_until = |so: &dyn Fn(&str) -> bool| {
        let (mut all, began) = (Vec::new(), Instant::now());
        loop {
            assert!(began.elapsed() < PATIENCE, "{all:#?}");
            let mut buffer = [0; 4096];
            let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{error} after {all:?}"));
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            if all.last().is_some_and(|last| so(last)) {
                return all;
            }
        }
    };
    desk.start(&[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", Path::new("2000000"))]);
    heard_until(&|told| told.starts_with("READY=1\nSTATUS=rev 1: "));
    heard_until(&|told| told.contains("STATUS=rev 1: 2/2 in sync"));
    heard_until(&|told| told == "WATCHDOG=1\n");
    for file in [GOOD.replace("0s", "1s"), "version: 1\n".to_owned(), GOOD.to_owned()] {
        fs::write(desk.home.path().join("desired-state.yaml"), &file).unwrap();
        desk.signal("HUP");
        let heard = heard_until(&|told| told.starts_with("RELOADING=1"));
        let time =
            heard.last().unwrap().lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
        let heard = heard_until(&|told| told.starts_with("READY=1"));
        let refused = heard.last().unwrap().contains("REFUSED");
        assert_eq!(refused, file.len() < 20, "f12: the line tells the truth of this reload: {heard:?}");
    }
    let code = desk.terminate();
    heard_until(&|told| told.starts_with("STOPPING=1"));
    assert_eq!(code, 0, "{}", desk.log());
}
