//! What the guide says about the ledger, done line by line with the real binary: copies, damage, an older version, another
//! host. Then a restore that is killed at any moment.
//!
//! Whatever has to be sent in the end may take a fence and a pause, so every story ends with its one set.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bitget_sim::{Fault, FaultKind, PosMode};
use posmoded::constants::QUIET;
use rusqlite::Connection;

use super::{DATABASE, Host, PATIENCE, SET, Venue, declared, side_by_side, wait_until};

const GUIDE: &str = include_str!("../../../deploy/README.md");

#[test]
fn f64_what_the_guide_says_about_the_ledger_leads_where_it_says() {
    side_by_side(&[
        ("a copy back", f64_a_copy_back_after_a_lost_set_and_a_kill_begins_paused),
        ("no copy", f64_a_ledger_that_is_damaged_is_told_of_and_a_new_one_begins_anew),
        ("an older version", f64_an_older_version_goes_on_with_the_copy_from_before),
        ("another host", f64_another_host_goes_on_with_the_history),
    ]);
}

fn f64_a_copy_back_after_a_lost_set_and_a_kill_begins_paused() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    follow(&mut host, "A copy", 0);
    let copy = the_copy(&host);
    assert_eq!(fs::metadata(host.path(&copy)).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, err) = host.call(&["ledger", "restore", &copy]);
    assert!(
        code == 75 && err.contains("stop that one first") && err.contains("Nothing was restored"),
        "{code}: {err}"
    );

    // After the copy: a set that nobody answers and that never takes effect. The log of its note is left by the kill.
    venue.simulator.with(|exchange| exchange.inject(Fault::once(FaultKind::Hang).on(SET)));
    host.declare(&declared(&[("desk-1", "hedge_mode")]));
    within_a_set(&host, "the set is under way", || venue.sets().len() == 1);
    host.kill();
    assert!(fs::metadata(host.path("state/posmoded.sqlite-wal")).unwrap().len() > 0);
    let (code, out, err) = host.call(&["ledger", "verify"]);
    assert!(code == 0 && out.contains("1 set without a known outcome"), "{code}: {out}{err}");

    let lines = block("A copy back", 0);
    let (until_the_start, after) =
        lines.split_at(lines.iter().position(|line| line.contains("start")).unwrap() + 1);
    let until_the_start: Vec<String> =
        until_the_start.iter().map(|line| line.replace("/root/posmoded-DAY.sqlite", &copy)).collect();
    run(&mut host, &until_the_start);
    host.wait_for_all("pending paused");
    let reason = host.status()["paused"]["reason"].as_str().unwrap().to_owned();
    let (from, of) = reason.split_once(" of ").unwrap();
    assert!(from.starts_with("restored from /") && from.ends_with(&copy), "{reason}");
    assert!(of.ends_with("Z: see what was paused or approved since, then posmoded resume"), "{reason}");
    assert_eq!(host.intents(), [], "nothing of the log beside the old one");
    let kept = names(&host, "state/posmoded.sqlite.until-");
    let kept: Vec<&String> = kept.iter().filter(|name| !name.ends_with("-wal")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let (code, out, err) = host.call(&["ledger", "verify", kept[0]]);
    assert!(code == 0 && out.contains("1 set without a known outcome"), "{code}: {out}{err}");
    assert_eq!(venue.sets().len(), 1);
    run(&mut host, after);
    within_a_set(&host, "it is set", || venue.mode(1) == PosMode::HedgeMode);
    host.wait_for_all("in_sync -");
    let (_, history, _) = host.call(&["history"]);
    assert!(history.contains("restored from") && history.contains("Everything was resumed."), "{history}");
    host.terminate();
}

fn f64_a_ledger_that_is_damaged_is_told_of_and_a_new_one_begins_anew() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    let whole = fs::read(host.path(DATABASE)).unwrap();
    fs::write(host.path(DATABASE), &whole[..whole.len() / 2]).unwrap();
    // A log would have the pages that are cut off.
    for log in names(&host, "state/posmoded.sqlite-") {
        fs::remove_file(host.path(&log)).unwrap();
    }
    host.launch();
    assert_eq!(host.ended().0, Some(78), "{}", host.said());
    let (code, out, err) = host.call(&["ledger", "verify"]);
    assert!(code == 1 && err.contains("is damaged: ") && err.contains("keep it"), "{code}: {out}{err}");
    let (code, told) = host.call_json(&["ledger", "verify"]);
    assert_eq!((code, &told[0]["sound"], &told[0]["cause"]), (1, &false.into(), &"damaged".into()));
    let (code, _, err) = host.call(&["ledger", "backup", "copy"]);
    assert!(code == 1 && err.contains("No copy was made") && err.contains("is damaged"), "{code}: {err}");
    assert_eq!(names(&host, "copy"), [""; 0]);

    venue.flip(1, PosMode::HedgeMode);
    let lines = block("A new one", 0);
    let (until_paused, after) =
        lines.split_at(lines.iter().position(|line| line.contains("pause")).unwrap() + 1);
    run(&mut host, until_paused);
    assert_eq!(fs::read(host.path("damaged/posmoded.sqlite")).unwrap().len(), whole.len() / 2);
    host.wait_for_all("new paused");
    run(&mut host, after);
    within_a_set(&host, "it is set", || venue.mode(1) == PosMode::OneWayMode);
    host.wait_for_all("in_sync -");
    host.terminate();
}

fn f64_an_older_version_goes_on_with_the_copy_from_before() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    // As a newer version converts it: the copy from before, then another format.
    let ledger = Connection::open(host.path(DATABASE)).unwrap();
    let before = host.path("state/posmoded.sqlite.before-99");
    ledger.execute("VACUUM INTO ?1", [before.to_str().unwrap()]).unwrap();
    ledger.execute_batch("ALTER TABLE events ADD COLUMN more TEXT; PRAGMA user_version = 99").unwrap();
    drop(ledger);
    host.launch();
    assert_eq!(host.ended().0, Some(78), "{}", host.said());
    let (code, _, err) = host.call(&["ledger", "verify"]);
    assert!(
        code == 1 && err.contains("has format 99") && err.contains("use the newer posmoded"),
        "{code}: {err}"
    );

    let lines = block("An older version", 0);
    assert!(lines[0].starts_with("apt install "), "{lines:?}");
    let lines: Vec<String> = lines[1..].iter().map(|line| line.replace("before-N", "before-99")).collect();
    run(&mut host, &lines);
    host.wait_for_all("in_sync -");
    let (_, history, _) = host.call(&["history"]);
    assert!(history.contains("restored from") && history.contains("adopted"), "{history}");
    let kept = names(&host, "state/posmoded.sqlite.until-");
    let (code, _, err) = host.call(&["ledger", "verify", &kept[0]]);
    assert!(code == 1 && err.contains("has format 99"), "the newer one is kept: {code}: {err}");
    assert_eq!(venue.sets(), []);
    host.terminate();
}

fn f64_another_host_goes_on_with_the_history() {
    let venue = Venue::of_desks(1);
    let file = declared(&[("desk-1", "one_way_mode")]);
    let mut old = Host::new(&venue, &["desk-1"], &file);
    let mut new = Host::new(&venue, &["desk-1"], &file);
    old.start();
    old.wait_for_all("in_sync -");
    assert_eq!(old.call(&["pause", "desk-1", "--reason", "a review"]).0, 0);
    follow(&mut old, "Another host", 0);
    fs::copy(old.path("posmoded.sqlite"), new.path("posmoded.sqlite")).unwrap();
    let (code, _, err) = new.call(&["ledger", "restore", "posmoded.sqlite"]);
    assert!(
        code == 1 && err.contains("There is no directory state") && err.contains("install -d"),
        "{code}: {err}"
    );
    let lines = block("Another host", 1);
    let (until_resumed, last) = lines.split_at(lines.len() - 1);
    run(&mut new, until_resumed);
    venue.flip(1, PosMode::HedgeMode);
    new.wait_for_all("drifted paused");
    let (_, events) = new.call_json(&["history"]);
    let texts: Vec<&str> = events.iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains("a review")), "{texts:?}");
    run(&mut new, last);
    within_a_set(&new, "it is set", || venue.mode(1) == PosMode::OneWayMode);
    new.terminate();
}

/// I14: what a process finds may know nothing of a set that left just before it began.
#[test]
fn f64_whatever_a_kill_and_a_hand_leave_of_the_ledger_no_second_set_leaves_inside_a_fence() {
    side_by_side(&[
        ("no ledger", || sets_once_more_after(|host| fs::remove_dir_all(host.path("state")).unwrap())),
        ("no log", || {
            sets_once_more_after(|host| {
                for log in ["-wal", "-shm"] {
                    fs::remove_file(host.path(&format!("{DATABASE}{log}"))).unwrap();
                }
            });
        }),
        ("another state", || {
            sets_once_more_after(|host| fs::rename(host.path("state"), host.path("old")).unwrap());
        }),
    ]);
}

/// A set that hangs, a kill, and `then` something that leaves nobody who knows of it.
fn sets_once_more_after(then: impl Fn(&Host)) {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    venue.simulator.with(|exchange| exchange.inject(Fault::once(FaultKind::Hang).on(SET)));
    host.start();
    within_a_set(&host, "the set is under way", || venue.sets().len() == 1);
    host.kill();
    then(&host);
    let began = Instant::now();
    host.start();
    host.wait_until("it says what is waited for", || {
        let says = host.status()["targets"][0]["say"]
            .as_str()?
            .contains("A new process sends no set in its first 41s");
        says.then_some(())
    });
    within_a_set(&host, "it is set", || venue.mode(1) == PosMode::HedgeMode);
    assert!(began.elapsed() >= QUIET, "after {:?}", began.elapsed());
    let signed: Vec<i64> = venue.sets().iter().map(|set| set.signed.unwrap().0).collect();
    assert!(signed.len() == 2 && signed[1] - signed[0] >= 35_000, "{signed:?}");
    host.wait_for_all("in_sync -");
    host.terminate();
}

/// Whenever it is killed there is one ledger, and it is the old one with all that its log holds, or the new one and nothing else.
#[test]
fn f64_a_restore_that_is_killed_at_any_moment_leaves_the_old_ledger_or_the_new_one() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    let (code, _, err) = host.call(&["ledger", "backup", "copy"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(host.call(&["pause", "desk-1", "--reason", "only in the log"]).0, 0);
    host.kill();
    let left =
        ["", "-wal", "-shm"].map(|end| (end, fs::read(host.path(&format!("{DATABASE}{end}"))).unwrap()));

    let (mut old, mut new) = (0, 0);
    for round in 0..60 {
        fs::remove_dir_all(host.path("state")).unwrap();
        fs::create_dir(host.path("state")).unwrap();
        for (end, bytes) in &left {
            fs::write(host.path(&format!("{DATABASE}{end}")), bytes).unwrap();
        }
        let mut restore = host.command(&["ledger", "restore", "copy"]);
        let mut restore = restore.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The last ones are left to end by themselves.
        if round < 50 {
            std::thread::sleep(Duration::from_millis(round * 2));
            let _ = restore.kill();
        }
        restore.wait().unwrap();
        let (code, out, err) = host.call(&["ledger", "verify"]);
        assert_eq!(code, 0, "round {round}: {out}{err}");
        let pauses = pauses(&host);
        match &pauses[..] {
            [one] if one == "only in the log" => old += 1,
            [one] if one.starts_with("restored from ") => new += 1,
            other => panic!("round {round}: {other:?}"),
        }
        // Whatever was left by the kill is in nobody's way.
        if round % 10 == 9 {
            let (code, out, err) = host.call(&["ledger", "restore", "copy"]);
            assert_eq!(code, 0, "round {round}: {out}{err}");
            assert!(names(&host, "state/posmoded.sqlite.restoring").is_empty());
        }
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
}

/// The lines of the n-th block of commands under a heading of the guide.
fn block(title: &str, number: usize) -> Vec<String> {
    let (_, after) = GUIDE.split_once(&format!("### {title}\n")).unwrap_or_else(|| panic!("no {title}"));
    let section = after.split("\n##").next().unwrap();
    let block = section.split("```sh\n").nth(number + 1).unwrap().split("```").next().unwrap();
    block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[track_caller]
fn follow(host: &mut Host, title: &str, number: usize) {
    run(host, &block(title, number));
}

/// Does what the lines say on this host: its home is root's, its state that of the service.
#[track_caller]
fn run(host: &mut Host, lines: &[String]) {
    for line in lines {
        match line.as_str() {
            "systemctl stop posmoded" | "systemctl disable --now posmoded" => {
                if host.daemon.is_some() {
                    host.terminate();
                }
            }
            // As the service manager, which waits until it is ready.
            "systemctl start posmoded" => {
                host.start();
                host.status();
            }
            _ => {
                let line = line.replace("/var/lib/posmoded", "state").replace("/root/", "");
                let line = line.replace("-o posmoded -g posmoded ", "");
                let Output { status, stdout, stderr } = shell(host, &line).output().unwrap();
                let told = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
                // What waits is no error of whoever looks.
                let fine = if line == "posmoded status" { &[0, 2][..] } else { &[0] };
                assert!(fine.contains(&status.code().unwrap()), "{line}: {status}: {told}\n{}", host.said());
            }
        }
    }
}

fn shell(host: &Host, line: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_posmoded")).parent().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(host.home.path()).env_clear();
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
    command.env("POSMODED_STATE", "state").env("HOME", host.home.path()).stdin(Stdio::null());
    command
}

/// The reasons of all pauses that were ever written.
fn pauses(host: &Host) -> Vec<String> {
    let ledger = host.ledger();
    let mut pauses = ledger.prepare("SELECT reason FROM pauses ORDER BY id").unwrap();
    pauses.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The one copy of the day.
fn the_copy(host: &Host) -> String {
    let [copy] = <[String; 1]>::try_from(names(host, "posmoded-")).unwrap();
    copy
}

/// The files below the host's home whose paths begin so.
fn names(host: &Host, begins: &str) -> Vec<String> {
    let (dir, begins) = begins.rsplit_once('/').map_or(("", begins), |(dir, name)| (dir, name));
    let names =
        fs::read_dir(host.path(dir)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with(begins))
        .map(|name| if dir.is_empty() { name } else { format!("{dir}/{name}") })
        .collect();
    names.sort_unstable();
    names
}

/// Waits for what takes a set, whatever has to be waited out before it.
#[track_caller]
fn within_a_set(host: &Host, what: &str, is_so: impl Fn() -> bool) {
    wait_until(what, Duration::from_secs(60) + PATIENCE, || host.said(), || is_so().then_some(()));
}
