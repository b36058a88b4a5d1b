//! Commands that do their work and end: the built binary against the simulated exchange.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use std::time::Duration;

use bitget_sim::{
    ApiKey, Fault, FaultKind, HoldSide, LogEntry, NewAccount, PosMode, ProductType, Simulator, Uid,
};
use serde_json::Value;

use crate::cli::{Desk, GOOD, call, posmoded};
use crate::process::{PATIENCE, wait_until};

fn json_lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{out}"))).collect()
}

fn mode(desk: &Desk, uid: u64) -> PosMode {
    desk.simulator.with(|exchange| exchange.mode(Uid(uid), ProductType::UsdtFutures).unwrap())
}

fn requests_of(desk: &Desk, uid: u64) -> usize {
    let of_it = Some(Uid(uid));
    desk.simulator.with(|exchange| exchange.log().iter().filter(|entry| entry.account == of_it).count())
}

#[test]
fn apply_changes_what_differs_and_ends_with_0_when_all_are_in_sync() {
    let desk = Desk::new(GOOD);
    let (code, out, err) = desk.call(&["apply"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("desk-1 USDT-FUTURES: in sync: changed to hedge_mode, and a read shows it"),
        "{out}"
    );
    assert!(out.contains("desk-2 USDT-FUTURES: in sync: it is one_way_mode"), "{out}");
    assert!(out.ends_with("2 targets in sync, 1 of them changed by this; 0 not in sync.\n"), "{out}");
    assert!(err.contains("as soon as its account is flat"), "{err}");
    assert!(!out.contains("kind_unknown") && !err.contains("INFO"), "{out}{err}");
    assert_eq!(mode(&desk, 1), PosMode::HedgeMode);
    let (_, out, _) = desk.call(&["history"]);
    assert!(
        out.contains("apply started") && out.contains("apply ended") && out.contains("confirmed"),
        "{out}"
    );
}

#[test]
fn apply_serves_only_those_that_are_named_and_leaves_the_others_on_record() {
    let file = GOOD.replace("one_way_mode", "hedge_mode");
    let desk = Desk::new(&file);
    assert_eq!(desk.call(&["apply"]).0, 0);
    desk.simulator.with(|exchange| {
        for uid in [1, 2] {
            exchange.flip(Uid(uid), ProductType::UsdtFutures, PosMode::OneWayMode).unwrap();
        }
    });
    let before = requests_of(&desk, 2);
    let watched = || -> i64 {
        let ledger = rusqlite::Connection::open(desk.home.path().join("state/posmoded.sqlite")).unwrap();
        ledger.query_row("SELECT count(*) FROM watched", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(watched(), 1, "it looked after all of them");
    // The file has lost desk-2: only a run over all accounts would release it.
    let (alone, _) = file.split_once("  desk-2:").unwrap();
    fs::write(desk.home.path().join("desired-state.yaml"), format!("{alone}...\n")).unwrap();
    let (code, out, err) = desk.call(&["apply", "desk-1", "-o", "json"]);
    assert_eq!(code, 0, "{out}{err}");
    let lines = json_lines(&out);
    assert!(lines.iter().all(|line| line["schema"] == 1), "{out}");
    let (last, progress) = lines.split_last().unwrap();
    assert!(progress.iter().all(|line| line["target"]["account"] == "desk-1"), "{out}");
    assert_eq!((&last["end"], &last["in_sync"], &last["changed"]), (&true.into(), &1.into(), &1.into()));
    assert_eq!((mode(&desk, 1), mode(&desk, 2)), (PosMode::HedgeMode, PosMode::OneWayMode));
    assert_eq!(requests_of(&desk, 2), before, "nothing is asked for an account that was not named");
    assert_eq!(watched(), 1, "who looks after one has not watched the other");
    let (_, out, _) = desk.call(&["history", "desk-2"]);
    assert!(!out.contains("released"), "{out}");
    let (code, _, err) = desk.call(&["apply", "desk-2"]);
    assert!(code == 64 && err.contains("There is no account desk-2 in the file"), "{err}");
    assert_eq!(desk.call(&["apply"]).0, 0);
    let (_, out, _) = desk.call(&["history", "desk-2"]);
    assert!(out.contains("released"), "{out}");
}

#[test]
fn apply_ends_with_2_at_what_is_not_flat_and_with_wait_stays_until_it_is() {
    let desk = Desk::new(GOOD);
    let product = ProductType::UsdtFutures;
    desk.simulator.with(|exchange| {
        exchange.open_position(Uid(1), product, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let (code, out, err) = desk.call(&["apply"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.contains("desk-1 USDT-FUTURES: new, not_flat: Open: 1 position"), "{out}");
    let (code, out, err) = desk.call(&["apply", "--wait", "3s"]);
    assert!(code == 2 && err.contains("--wait is over"), "{out}{err}");
    let simulator = desk.simulator.clone();
    let looks = |simulator: &Simulator| simulator.with(|exchange| exchange.log().len());
    let before = looks(&simulator);
    let trader = std::thread::spawn(move || {
        // Not before it has been seen open: the mode, the positions and, two seconds later, the positions again.
        wait_until("it waits", PATIENCE, String::new, || (looks(&simulator) >= before + 6).then_some(()));
        simulator.with(|exchange| {
            exchange.close_position(Uid(1), product, "BTCUSDT", HoldSide::Long).unwrap();
        });
    });
    let (code, out, err) = desk.call(&["apply", "--wait", "2m"]);
    trader.join().unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(mode(&desk, 1), PosMode::HedgeMode);
}

#[test]
fn apply_that_is_interrupted_says_so_and_leaves_everything_as_it_is() {
    let desk = Desk::new(&GOOD.replace("settle: 0s", "settle: 5m"));
    let words = desk.words(&["apply"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = posmoded(desk.home.path(), &words);
    let mut apply = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(apply.stdout.take().unwrap()).lines();
    let settling = lines.map(Result::unwrap).find(|line| line.contains("desk-1 USDT-FUTURES: new, settling"));
    assert!(settling.is_some());
    let (code, _, err) = desk.call(&["status"]);
    assert!(code == 1 && err.contains("`apply` under way"), "{err}");
    let pid = apply.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = apply.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("at least 5m pass") && err.contains("Interrupted"), "{err}");
    assert_eq!(mode(&desk, 1), PosMode::OneWayMode);
}

#[test]
fn what_apply_holds_can_be_approved_and_the_next_apply_lets_it_go() {
    let file = GOOD.replace("max_changes: 3", "max_changes: 1").replace("one_way_mode", "hedge_mode");
    let desk = Desk::new(&file);
    let (code, out, err) = desk.call(&["apply", "-o", "json"]);
    assert_eq!(code, 2, "{out}{err}");
    let last = json_lines(&out).pop().unwrap();
    assert_eq!(last["changed"], 1, "{out}");
    let hash = last["held"]["hash"].as_str().unwrap();
    let (code, _, err) = desk.call(&["approve", hash]);
    assert!(code == 1 && err.contains("no daemon runs"), "written, though nobody acknowledges: {err}");
    let (code, out, err) = desk.call(&["apply"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((mode(&desk, 1), mode(&desk, 2)), (PosMode::HedgeMode, PosMode::HedgeMode));
}

#[test]
fn apply_is_75_where_a_daemon_does_it_and_1_where_it_cannot_be_done() {
    let mut desk = Desk::new(GOOD);
    desk.start(&[]);
    desk.wait_for(&["status"], |code, _| code == 0);
    let (code, out, err) = desk.call(&["apply"]);
    assert_eq!((code, out.as_str()), (75, ""), "{err}");
    assert!(err.contains("Nothing was changed by this command") && err.contains("posmoded status"), "{err}");
    assert_eq!(desk.terminate(), 0);
    fs::write(desk.home.path().join("desired-state.yaml"), GOOD.replace("...\n", "")).unwrap();
    let (code, out, err) = desk.call(&["apply"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("end mark"), "{err}");
}

#[test]
fn import_prints_what_is_live_and_plan_finds_nothing_to_do_in_it() {
    let desk = Desk::new(GOOD);
    desk.simulator.with(|exchange| {
        exchange.flip(Uid(2), ProductType::CoinFutures, PosMode::OneWayMode).unwrap();
        exchange.flip(Uid(2), ProductType::UsdcFutures, PosMode::OneWayMode).unwrap();
        let key = ApiKey { demo: true, ..ApiKey::named("paper") };
        exchange.add_account(NewAccount { api_key: key, ..NewAccount::classic(Uid(3), "paper") });
    });
    let key = ApiKey::named("paper");
    let path = desk.home.path().join("keys/paper");
    let text = format!("key: {}\nsecret: {}\npassphrase: {}\n", key.key, key.secret.0, key.passphrase.0);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, out, err) = desk.call(&["import", "paper", "desk-2", "desk-1"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("  desk-2:\n    uid: '2'\n    position_mode: one_way_mode\n"), "{out}");
    assert!(out.contains("  paper:\n    uid: '3'\n    demo: true\n    position_mode: hedge_mode\n"), "{out}");
    assert!(out.contains("      USDT-FUTURES: one_way_mode\n      COIN-FUTURES: hedge_mode\n"), "{out}");
    fs::write(desk.home.path().join("desired-state.yaml"), out).unwrap();
    let (code, out, err) = desk.call(&["plan", "--exit-code"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("9 targets in sync, 0 would change now"), "{out}");
    let (_, out, _) = desk.call(&["import", "desk-2", "-o", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&told["schema"], &told["accounts"]["desk-2"]["position_mode"]),
        (&1.into(), &"one_way_mode".into())
    );
    let sets =
        desk.simulator.with(|exchange| exchange.log().iter().filter(|entry| entry.method != "GET").count());
    assert_eq!(sets, 0);
}

#[test]
fn a_plan_that_takes_long_says_how_far_it_is() {
    let desk = Desk::new(GOOD);
    desk.simulator.with(|exchange| {
        let slow = FaultKind::Delay { after: Duration::from_secs(6) };
        exchange.inject(Fault::once(slow).on("account/account"));
    });
    let (code, _, err) = desk.call(&["plan"]);
    assert!(code == 0 && err.ends_with("\n1 of 2 accounts are looked at.\n"), "{code}: {err}");
}

#[test]
fn import_prints_all_accounts_or_nothing() {
    let desk = Desk::new(GOOD);
    let (code, out, err) = desk.call(&["import", "desk-1", "desk-9"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("Nothing is printed") && err.contains("keys/desk-9 is missing"), "{err}");
    desk.simulator.with(|exchange| exchange.add_account(NewAccount::unified(Uid(1), "desk-1")));
    let (code, out, err) = desk.call(&["import", "desk-1"]);
    assert!(code == 0 && out.contains("    uid: '1'\n    position_mode: hedge_mode\n"), "{out}{err}");
}

#[test]
fn a_probe_beside_a_daemon_asks_reads_alone_and_touches_no_ledger() {
    let mut desk = Desk::new(GOOD);
    // It ends early: the exchange does not accept the key.
    desk.simulator.with(|exchange| {
        exchange.key_mut("key-desk-2").unwrap().refused_with = Some("40012".to_owned());
    });
    let (code, out, err) = desk.call(&["probe", "desk-2"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.starts_with(concat!("posmoded ", env!("CARGO_PKG_VERSION"), ", real trading, HTTP/1.1; ")),
        "{out}"
    );
    assert!(out.ends_with("put it into an issue of the posmoded project.\n"), "{out}");
    assert!(!desk.home.path().join("state").exists());
    let reads = |entry: &LogEntry| entry.method == "GET" && entry.account != Some(Uid(1));
    assert!(desk.simulator.with(|exchange| exchange.log().iter().all(reads)));

    desk.start(&[]);
    desk.wait_for(&["status", "desk-1"], |code, _| code == 0);
    let (code, out, _) = desk.call(&["probe", "desk-2", "-o", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["schema"], &told["demo"]), (0, &1.into(), &false.into()));
    assert_eq!(told["asked"][2]["code"], "40012");
    assert_eq!(desk.terminate(), 0);
}

#[test]
fn a_probe_is_1_where_nothing_can_be_asked_and_64_where_the_file_has_no_such_account() {
    let desk = Desk::new(GOOD);
    let (code, out, err) = desk.call(&["probe", "desk-9"]);
    assert!(code == 64 && out.is_empty() && err.contains("Known: desk-1, desk-2."), "{err}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = ["probe", "desk-1", "--credentials", "keys", "--base-url", &format!("http://{free}")];
    let (code, out, err) = call(desk.home.path(), &words);
    assert!(code == 1 && out.is_empty() && err.contains("Nothing of the account could be asked: "), "{err}");
    fs::write(
        desk.home.path().join("desired-state.yaml"),
        GOOD.replace("desk-1:", "desk-1:\n    host: other"),
    )
    .unwrap();
    let (code, _, err) = desk.call(&["probe", "desk-1"]);
    assert!(code == 1 && err.contains("gives the account to another host, other"), "{err}");
    fs::write(desk.home.path().join("desired-state.yaml"), GOOD.replace("...\n", "")).unwrap();
    let (code, _, err) = desk.call(&["probe", "desk-1"]);
    assert!(code == 1 && err.contains("end mark"), "{err}");
    fs::remove_file(desk.home.path().join("desired-state.yaml")).unwrap();
    let (code, _, err) = desk.call(&["probe", "desk-9"]);
    assert!(
        code == 1
            && err.contains("keys/desk-9 is missing")
            && err.contains("write one that says `demo: true`"),
        "{err}"
    );
    assert_eq!(desk.simulator.with(|exchange| exchange.log().len()), 0);
}

#[test]
fn completions_and_manual_pages_are_printed_for_whoever_asks() {
    let desk = Desk::new(GOOD);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, out, err) = desk.call(&["completions", shell]);
        assert!(code == 0 && out.contains("posmoded") && out.contains("approve"), "{shell}: {err}");
    }
    let (code, out, _) = desk.call(&["man"]);
    assert!(code == 0 && out.contains(".TH posmoded 1"), "{out}");
    let (code, out, _) = desk.call(&["man", "pause"]);
    assert!(code == 0 && out.contains(".TH posmoded-pause 1"), "{out}");
    let (code, out, _) = desk.call(&["man", "ledger", "restore"]);
    assert!(code == 0 && out.contains(".TH posmoded-ledger-restore 1"), "{out}");
    assert_eq!(desk.call(&["completions", "tcsh"]).0, 64);
    assert_eq!(desk.call(&["man", "frobnicate"]).0, 64);
    assert_eq!(desk.call(&["man", "ledger", "frobnicate"]).0, 64);
}

#[test]
fn a_daemon_at_a_socket_file_tells_its_status_and_its_history_there() {
    let mut desk = Desk::new(GOOD);
    let path = desk.home.path().join("status.sock");
    // As a daemon leaves it that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    desk.start_at("unix:status.sock", &[]);
    desk.wait_for(&["status"], |code, out| code == 0 && out.matches("in_sync").count() == 2);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let (code, out, err) = desk.call(&["status", "--listen", "unix:status.sock", "-o", "json"]);
    assert!(code == 0 && out.starts_with("{\"schema\":1,"), "{out}{err}");
    let ask = |query: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "GET /api/history{query} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    };
    let (head, body) = ask("?account=desk-1&since=1h");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    let (_, printed, _) = desk.call(&["history", "desk-1", "-o", "json"]);
    let mut printed = json_lines(&printed);
    for line in &mut printed {
        assert_eq!(line.as_object_mut().unwrap().remove("schema"), Some(1.into()));
    }
    assert_eq!(told["events"].as_array(), Some(&printed));
    assert!(printed.iter().any(|event| event["event"] == "confirmed"), "{printed:?}");
    let (head, body) = ask("?limit=all");
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("from 1 to 1000"), "{head}{body}");
    let (code, _, err) = desk.call(&["run", "--listen", "unix:status.sock"]);
    assert_eq!(code, 75, "{err}");
    let words = desk.words(&["run", "--listen", "unix:status.sock"]);
    let words: Vec<&str> = words.iter().map(|word| if word == "state" { "other" } else { word }).collect();
    let other = posmoded(desk.home.path(), &words).output().unwrap();
    let err = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(78) && err.contains("Another program listens at unix:"), "{err}");
    assert_eq!(desk.terminate(), 0);
    assert!(!path.exists());
}

#[test]
fn a_watch_without_a_terminal_tells_each_change_once_and_ends_with_ctrl_c() {
    let mut desk = Desk::new(GOOD);
    desk.start(&[]);
    desk.wait_for(&["status"], |code, _| code == 0);
    let words = desk.words(&["status", "--watch", "-o", "json"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut watch = posmoded(desk.home.path(), &words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!((&first["schema"], &first["paused"]), (&1.into(), &Value::Null));
    assert_eq!(desk.call(&["pause", "--reason", "lunch"]).0, 0);
    let second = next();
    assert_eq!(second["paused"]["reason"], "lunch", "nothing is told in between: {second}");
    let pid = watch.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    assert_eq!(desk.terminate(), 0);
    let (code, _, err) = desk.call(&["status", "--watch"]);
    assert!(code == 1 && err.contains("No daemon runs"), "{err}");
}

#[test]
fn colour_is_for_terminals_only() {
    let desk = Desk::new(GOOD);
    for environment in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color")]] {
        let words = desk.words(&["plan"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = posmoded(desk.home.path(), &words).envs(environment.iter().copied()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(!told.contains(&0x1b), "{}", String::from_utf8_lossy(&told));
        assert!(output.status.success());
    }
    let words = desk.words(&["plan"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let forced = posmoded(desk.home.path(), &words).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(forced.stdout).unwrap().contains("\u{1b}[38;5;3mnew"));
}
