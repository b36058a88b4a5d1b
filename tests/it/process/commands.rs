//! The commands beside a running daemon, each a process of its own: what they do, and with which number they end.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitget_sim::{Fault, FaultKind, HoldSide, PosMode, ProductType, Uid};
use expect_test::{Expect, expect};
use rusqlite::Connection;
use serde_json::Value;

use super::{DATABASE, Host, PATIENCE, SET, Venue, declared, listen_to, side_by_side, wait_until};

const USDT: ProductType = ProductType::UsdtFutures;

#[test]
fn pause_approve_history_and_plan_beside_daemons() {
    side_by_side(&[
        ("pause", a_pause_from_another_process_holds_everything_survives_a_kill_and_ends_with_resume),
        ("pause of nobody", pause_and_resume_without_a_daemon_are_1_and_count_from_the_next_start),
        ("pause meanwhile", i3_a_pause_is_acknowledged_once_the_set_under_way_is_answered_and_not_before),
        ("approve", a_held_plan_goes_with_the_hash_that_status_shows_and_with_no_other),
        ("history", history_tells_new_pending_and_drift_apart_and_plan_does_too_without_changing_anything),
    ]);
}

fn a_pause_from_another_process_holds_everything_survives_a_kill_and_ends_with_resume() {
    let venue = Venue::of_desks(2);
    let names = ["desk-1", "desk-2"];
    let mut host =
        Host::new(&venue, &names, &declared(&[("desk-1", "one_way_mode"), ("desk-2", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");

    let (code, out, err) = host.call(&["pause", "--reason", "exchange maintenance"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    venue.flip(1, PosMode::HedgeMode);
    host.declare(&declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode")]));
    let stands = |host: &Host| {
        host.wait_until("both wait", || {
            let targets = host.targets();
            let now = |name: &str| targets.get(name).map(String::as_str);
            let both = (now("desk-1 USDT-FUTURES"), now("desk-2 USDT-FUTURES"));
            (both == (Some("drifted paused"), Some("pending paused"))).then_some(())
        });
    };
    stands(&host);
    host.kill();
    host.start();
    stands(&host);
    assert_eq!(host.status()["paused"]["reason"], "exchange maintenance");
    // Long enough that both are looked at again and again.
    host.wait_out_its_quiet();
    let looks = |venue: &Venue| venue.simulator.with(|exchange| exchange.log().len());
    let before = looks(&venue);
    host.wait_until("both are looked at", || (looks(&venue) >= before + 4).then_some(()));
    assert_eq!(venue.sets(), []);

    let (code, out, err) = host.call(&["resume", "desk-2"]);
    assert_eq!(code, 1, "one account is not freed from a pause of all: {out}{err}");
    let (code, out, err) = host.call(&["resume"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    host.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 2);
    assert_eq!((venue.mode(1), venue.mode(2)), (PosMode::OneWayMode, PosMode::HedgeMode));

    let (code, out, _) = host.call(&["pause", "desk-2", "--reason", "risk review", "--for", "2h"]);
    assert_eq!(out, "desk-2 is paused for 2h, or until `posmoded resume desk-2`: risk review\n");
    assert_eq!(code, 0);
    for uid in [1, 2] {
        let other =
            if venue.mode(uid) == PosMode::HedgeMode { PosMode::OneWayMode } else { PosMode::HedgeMode };
        venue.flip(uid, other);
    }
    host.wait_until("desk-1 is corrected, and desk-2 waits", || {
        let targets = host.targets();
        let corrected = venue.sets().len() == 3 && targets["desk-1 USDT-FUTURES"] == "in_sync -";
        (corrected && targets["desk-2 USDT-FUTURES"] == "drifted paused").then_some(())
    });
    assert_eq!(venue.sets()[2].account, Some(Uid(1)));
}

fn i3_a_pause_is_acknowledged_once_the_set_under_way_is_answered_and_not_before() {
    let venue = Venue::of_desks(2);
    let faults = [
        (1, FaultKind::Delay { after: Duration::from_secs(3) }),
        // Longer than anybody waits for an acknowledgement.
        (2, FaultKind::Delay { after: Duration::from_secs(8) }),
    ];
    for (uid, fault) in faults {
        venue.simulator.with(|exchange| exchange.inject(Fault::once(fault).on(SET).for_account(Uid(uid))));
    }
    let pause_while_setting = |uid: u64| {
        let name = format!("desk-{uid}");
        let mut host = Host::new(&venue, &[&name], &declared(&[(&name, "hedge_mode")]));
        host.start();
        let arrived = || venue.sets().iter().any(|set| set.account == Some(Uid(uid)));
        host.wait_until("the set is under way", || arrived().then_some(()));
        let (code, _, err) = host.call(&["pause", "--reason", "stop it"]);
        let state = host.intents().pop().unwrap().1;
        (host, code, err, state)
    };
    let (first, code, err, state) = pause_while_setting(1);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(matches!(state.as_str(), "accepted" | "confirmed"), "acknowledged, and the set is still {state}");
    first.wait_for_all("in_sync -");
    let (second, code, err, state) = pause_while_setting(2);
    assert_eq!((code, state.as_str()), (1, "noted"), "{err}");
    assert!(
        err.contains("NOT acknowledged by the daemon") && err.contains("may still be under way"),
        "{err}"
    );
    second.wait_for_all("in_sync -");
}

fn a_held_plan_goes_with_the_hash_that_status_shows_and_with_no_other() {
    let venue = Venue::of_desks(3);
    let names = ["desk-1", "desk-2", "desk-3"];
    let file = declared(&names.map(|name| (name, "hedge_mode"))).replace("max_changes: 3", "max_changes: 1");
    let mut host = Host::new(&venue, &names, &file);
    host.start();
    let held = |host: &Host| {
        // Nobody answers in the first moment.
        let (2, told) = host.call_json(&["status"]) else { return None };
        let held = told[0]["held"].clone();
        (held["plan"].as_array().map_or(0, Vec::len) == 2).then(|| held["hash"].as_str().unwrap().to_owned())
    };
    let hash = host.wait_until("two changes are held", || held(&host));
    host.wait_until("the canary is set", || (!venue.sets().is_empty()).then_some(()));
    assert_eq!(venue.sets().len(), 1, "the canary alone");
    let (code, out, _) = host.call(&["status"]);
    assert!(code == 2 && out.contains(&format!("posmoded approve {hash}")), "{code}: {out}");

    let other: String = hash.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    let (code, _, err) = host.call(&["approve", &other]);
    assert!(code == 1 && err.contains("No held plan has the hash"), "{code}: {err}");
    assert_eq!(venue.sets().len(), 1);
    let (code, out, err) = host.call(&["approve", &hash]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    host.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 3);
    let (code, _, err) = host.call(&["approve", &hash]);
    assert_eq!(code, 1, "a plan is approved once: {err}");
}

#[test]
fn f56_two_key_files_with_one_key_are_named_by_every_command_before_its_first_request() {
    let venue = Venue::of_desks(2);
    let names = ["desk-1", "desk-2"];
    let mut host = Host::new(&venue, &names, &declared(&names.map(|name| (name, "hedge_mode"))));
    std::fs::copy(host.path("keys/desk-1"), host.path("keys/desk-2")).unwrap();
    let says =
        "desk-1 and keys/desk-2 hold the same key, so that desk-1 and desk-2 are two names for one account";
    let (code, out, err) = host.call(&["plan", "--exit-code"]);
    assert!(code == 1 && out.contains(says) && out.contains("wrong_account"), "{code}: {out}{err}");
    let (code, out, err) = host.call(&["import", "desk-1", "desk-2"]);
    assert!(code == 1 && out.is_empty() && err.contains(says), "{code}: {out}{err}");
    let (code, out, err) = host.call(&["probe", "desk-1"]);
    assert!(code == 1 && out.is_empty() && err.contains(says), "{code}: {out}{err}");
    let (code, out, err) = host.call(&["apply"]);
    assert!(code == 2 && out.contains(says) && !err.contains(says), "once: {code}: {out}{err}");
    host.start();
    host.wait_for_all("unknown wrong_account");
    assert_eq!(venue.simulator.with(|exchange| exchange.log().to_vec()), []);
}

#[test]
fn status_is_0_in_sync_2_not_all_and_1_without_an_answer() {
    let venue = Venue::of_desks(2);
    let mut host = Host::new(
        &venue,
        &["desk-1", "desk-2"],
        &declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode")]),
    );
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(2), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    host.start();
    host.wait_until("both are looked at", || {
        let targets = host.targets();
        (targets.get("desk-2 USDT-FUTURES")? == "new not_flat").then_some(())?;
        (targets.get("desk-1 USDT-FUTURES")? == "in_sync -").then_some(())
    });
    assert_eq!(host.call(&["status", "desk-1"]).0, 0);
    f75_a_file_that_is_not_in_force_is_2(&host);
    host.wait_until("what is open", || {
        let (code, out, _) = host.call(&["status"]);
        (code == 2 && out.contains("not_flat") && out.contains(" 1 position.")).then_some(())
    });
    let (code, _, err) = host.call(&["status", "desk-9"]);
    assert!(code == 64 && err.contains("desk-9"), "{code}: {err}");
    host.kill();
    let (code, out, err) = host.call(&["status"]);
    assert_eq!((code, out.as_str()), (1, ""), "a lock file left behind is no daemon");
    assert!(err.contains("No daemon runs with the state directory"), "{err}");
}

fn f75_a_file_that_is_not_in_force_is_2(host: &Host) {
    let good = std::fs::read_to_string(host.path("desired-state.yaml")).unwrap();
    host.declare(&good.replace("accounts:", "acounts:"));
    host.wait_until("refused", || (host.call(&["status", "desk-1"]).0 == 2).then_some(()));
    let (code, out, _) = host.call(&["status", "desk-1"]);
    assert!(code == 2 && out.contains("in_sync") && out.contains("REFUSED"), "{code}: {out}");
    std::fs::remove_file(host.path("desired-state.yaml")).unwrap();
    host.wait_until("missing", || host.call(&["status", "desk-1"]).1.contains("is missing").then_some(()));
    assert_eq!(host.call(&["status", "desk-1"]).0, 2);
    host.declare(&good);
    host.wait_until("in force again", || (host.call(&["status", "desk-1"]).0 == 0).then_some(()));
}

fn history_tells_new_pending_and_drift_apart_and_plan_does_too_without_changing_anything() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    let plan = |host: &Host, expected: i32| {
        let before = venue.sets().len();
        let (code, told) = host.call_json(&["plan", "--exit-code"]);
        assert_eq!(code, expected, "{told:?}");
        assert_eq!(venue.sets().len(), before, "plan sends nothing");
        told[0]["targets"][0]["state"].as_str().unwrap().to_owned()
    };
    let day = |host: &mut Host| {
        host.start();
        host.wait_for_all("in_sync -");
        host.terminate();
    };
    assert_eq!(plan(&host, 2), "new");
    day(&mut host);
    assert_eq!(plan(&host, 0), "in_sync");
    venue.flip(1, PosMode::OneWayMode);
    assert_eq!(plan(&host, 3), "drifted");
    day(&mut host);
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    assert_eq!(plan(&host, 2), "pending");
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(1), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    assert_eq!(plan(&host, 4), "pending");
    let (code, out, _) = host.call(&["plan"]);
    assert!(code == 0 && out.contains("not_flat"), "{code}: {out}");
    venue.simulator.with(|exchange| {
        exchange.close_position(Uid(1), USDT, "BTCUSDT", HoldSide::Long).unwrap();
    });
    day(&mut host);
    assert_eq!(plan(&host, 0), "in_sync");

    let (code, events) = host.call_json(&["history", "desk-1"]);
    assert_eq!(code, 0);
    let of = |kind: &str| {
        let those = events.iter().filter(|event| event["event"] == kind);
        those.map(|event| event["cause"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("noted"), ["new", "drift", "pending"]);
    assert_eq!(of("confirmed"), ["new", "drift", "pending"]);
    assert_eq!(of("drift").len(), 1);
    assert!(events.iter().all(|event| event["schema"] == 1 && event["at"].is_string()));
    assert!(events.is_sorted_by_key(|event| event["id"].as_i64().unwrap()));
    let (code, out, _) = host.call(&["history"]);
    assert_eq!(code, 0);
    for word in ["(new)", "(drift)", "(pending)", "the exchange was changed behind us", "revision"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (_, out, err) = host.call(&["history", "--limit", "1"]);
    assert!(out.contains("stopped") && err.contains("--limit 1"), "{out}{err}");
    let (_, none) = host.call_json(&["history", "--until", "2020-02-29"]);
    let (_, all) = host.call_json(&["history", "--since", "2020-02-29", "--until", "2999-01-01T00:00:00Z"]);
    let (_, every) = host.call_json(&["history"]);
    assert_eq!((none.len(), all.len()), (0, every.len()));
    let (code, _, err) = host.call(&["history", "--since", "yesterday"]);
    assert!(code == 64 && err.contains("nor a date such as 2026-11-22"), "{code}: {err}");
    what_happens_is_followed(&mut host);
    assert_eq!(venue.sets().len(), 3);
}

fn what_happens_is_followed(host: &mut Host) {
    let (told, writer) = std::io::pipe().unwrap();
    let mut follow = host.command(&["history", "desk-1", "--follow", "--limit", "1"]);
    let mut follow = follow.stdout(writer).spawn().unwrap();
    let seen = Arc::<Mutex<String>>::default();
    listen_to(told, seen.clone());
    let shows = |text: &str| {
        wait_until(
            text,
            PATIENCE,
            || seen.lock().unwrap().clone(),
            || seen.lock().unwrap().contains(text).then_some(()),
        );
    };
    shows("confirmed");
    host.start();
    assert_eq!(host.call(&["pause", "desk-1", "--reason", "lunch", "--for", "2h"]).0, 0);
    shows("desk-1  paused  The account was paused for 2h: lunch. By ");
    assert_eq!(host.call(&["resume", "desk-1"]).0, 0);
    shows("desk-1  resumed  The account was resumed. By ");
    let (code, out, _) = host.call(&["resume", "desk-1"]);
    let nothing = "desk-1 was not paused, and there is nothing else that a resume ends.\n";
    assert_eq!((code, out.as_str()), (0, nothing));
    let (_, resumes) = host.call_json(&["history", "desk-1"]);
    assert_eq!(resumes.iter().filter(|event| event["event"] == "resumed").count(), 1, "{resumes:?}");
    let said = host.said();
    assert!(said.contains("lunch. By ") && said.contains(" desk-1 was resumed. By "), "{said}");
    assert!(said.contains("or with `posmoded resume desk-1`."), "{said}");
    assert!(said.contains(" That ends the pause of desk-1 (lunch)."), "{said}");
    assert_eq!(seen.lock().unwrap().matches("lunch").count(), 1, "each once");
    who_has_no_ledger_asks_at_the_address(host);
    follow.kill().unwrap();
    follow.wait().unwrap();
    host.terminate();
}

fn who_has_no_ledger_asks_at_the_address(host: &Host) {
    let address = host.address().to_string();
    let asked = |listen: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posmoded"));
        command.args(["history", "desk-1", "--state", "nowhere"]).args(listen);
        let Output { status, stdout, stderr } =
            command.env_clear().current_dir(host.path("")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    };
    let (code, out, err) = asked(&["--listen", &address]);
    assert_eq!((code, out.contains("lunch")), (0, true), "{out}{err}");
    assert_eq!(err, format!("There is no ledger in nowhere, so the daemon at {address} is asked.\n"));
    let (code, out, err) = asked(&[]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.trim_end().ends_with("Or say where it listens: --listen ADDR."), "{err}");
    let (code, out, _) = host.call(&["history", "desk-1", "--until", "2020-02-29"]);
    assert_eq!(code, 0);
    assert!(out.contains("could not be reached is in `posmoded status` and in the log"), "{out}");
}

#[test]
fn plan_that_cannot_look_is_1_and_says_why() {
    let venue = Venue::of_desks(1);
    let host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    let (code, _, err) = host.call(&["plan", "--config", "elsewhere.yaml", "--exit-code"]);
    assert!(code == 1 && err.contains("elsewhere.yaml") && err.contains("--config"), "{code}: {err}");
    std::fs::remove_file(host.path("keys/desk-1")).unwrap();
    let (code, out, err) = host.call(&["plan", "--exit-code"]);
    assert!(code == 1 && out.contains("credential"), "{code}: {out}{err}");
    let (code, out, err) = host.call(&["plan"]);
    assert!(code == 1 && out.contains("0 targets in sync"), "nobody looked: {code}: {out}{err}");
    std::fs::remove_dir(host.path("keys")).unwrap();
    let (code, _, err) = host.call(&["plan", "--exit-code"]);
    assert!(code == 1 && err.contains("no such directory"), "{code}: {err}");
    assert_eq!(venue.sets(), []);
}

/// How a daemon that cannot start ends, and the last thing that it says.
#[track_caller]
fn refused(host: &Host, words: &[&str], expected_code: i32, expected: &Expect) {
    let (code, out, err) = host.call(words);
    assert_eq!((code, out.as_str()), (expected_code, ""), "{err}");
    let last: Vec<&str> = err.lines().skip_while(|line| !line.starts_with("error:")).collect();
    let told = last.join("\n").replace(&host.home.path().display().to_string(), "HOME");
    expected.assert_eq(&(told + "\n"));
}

#[test]
fn a_daemon_that_cannot_start_says_what_to_do_and_ends_with_its_number() {
    let venue = Venue::of_desks(1);
    let good = declared(&[("desk-1", "one_way_mode")]);
    let mut host = Host::new(&venue, &["desk-1"], &good.replace("one_way_mode", "two_way_mode"));
    let run = ["run", "--listen", "none"];
    refused(
        &host,
        &run,
        78,
        &expect![[r#"
            error: posmoded has not started: no account is looked at or changed until this is mended.
              because: There is no acceptable file to start with, and no earlier one in the ledger: line 6, column 36: `two_way_mode` is no position mode; write `hedge_mode`. `posmoded check` shows the line.
        "#]],
    );
    std::fs::remove_file(host.path("desired-state.yaml")).unwrap();
    refused(
        &host,
        &run,
        78,
        &expect![[r#"
            error: posmoded has not started: no account is looked at or changed until this is mended.
              because: There is no acceptable file to start with, and no earlier one in the ledger: HOME/desired-state.yaml is missing, or what it links to is: put the file there, or correct --config
        "#]],
    );
    host.declare(&good);
    refused(
        &host,
        &[&run[..], &["--frobnicate"]].concat(),
        64,
        &expect![[r#"
        error: unexpected argument '--frobnicate' found

        Usage: posmoded run --listen <ADDR>

        For more information, try '--help'.
    "#]],
    );
    refused(
        &host,
        &["run", "--listen", "0.0.0.0:0"],
        64,
        &expect![[r#"
            error: 0.0.0.0:0 can be reached from other machines, and nobody is asked for a password there: write a loopback address or unix:PATH, or add --listen-anywhere if that is what you want
        "#]],
    );
    refused(
        &host,
        &[&run[..], &["--schedule", "hourly"]].concat(),
        78,
        &expect![[r#"
            error: posmoded has not started: no account is looked at or changed until this is mended.
              because: --schedule "hourly" is not a cron pattern of six fields (second minute hour day month weekday, in UTC, such as "0 */10 * * * *"): ParseSchedule
        "#]],
    );
    std::fs::rename(host.path("keys"), host.path("elsewhere")).unwrap();
    refused(
        &host,
        &run,
        78,
        &expect![[r#"
            error: posmoded has not started: no account is looked at or changed until this is mended.
              because: --credentials keys: there is no such directory; make it, with one key file per account.
        "#]],
    );
    std::fs::rename(host.path("elsewhere"), host.path("keys")).unwrap();
    std::fs::rename(host.path("state"), host.path("elsewhere")).unwrap();
    std::fs::write(host.path("state"), "not a directory").unwrap();
    refused(
        &host,
        &run,
        78,
        &expect![[r#"
            error: posmoded has not started: no account is looked at or changed until this is mended.
              because: The state directory state cannot be used, and without it nothing is changed (another one knows nothing of what was done). See that it is a directory and that posmoded may write there: File exists (os error 17)
        "#]],
    );
    std::fs::remove_file(host.path("state")).unwrap();

    let at = host.start();
    let (code, _, err) = host.call(&run);
    assert_eq!(code, 75);
    let pid = host.pid().to_string();
    assert!(err.contains(&pid) && err.contains("state"), "the second daemon names the first: {err}");
    // One that has its own state and wants the same address.
    let other = Host::new(&venue, &["desk-1"], &good);
    let (code, _, err) = other.call(&["run", "--listen", &at.to_string()]);
    assert!(code == 78 && err.contains("cannot listen at") && err.contains("--listen"), "{code}: {err}");
    host.wait_for_all("in_sync -");
    host.terminate();
}

fn pause_and_resume_without_a_daemon_are_1_and_count_from_the_next_start() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    let (code, told) = host.call_json(&["pause", "--reason", "nobody is here"]);
    let expected: Value =
        serde_json::json!({ "schema": 1, "written": true, "acknowledged": false, "say": told[0]["say"] });
    assert_eq!((code, &told[0]), (1, &expected));
    let (code, _, err) = host.call(&["pause", "--reason", "still nobody"]);
    assert!(code == 1 && err.contains("NOT acknowledged: no daemon runs"), "{code}: {err}");
    venue.flip(1, PosMode::HedgeMode);
    host.start();
    host.wait_for_all("drifted paused");
    host.wait_out_its_quiet();
    assert_eq!(venue.sets(), []);
    assert_eq!(host.call(&["resume"]).0, 0);
    host.wait_for_all("in_sync -");

    let close = ["close-intent", "desk-1/USDT-FUTURES", "--reason", "signed for 2101"];
    let (code, _, err) = host.call(&close);
    assert!(code == 1 && err.contains("There is no set with an unknown outcome for desk-1"), "{code}: {err}");
    host.terminate();
    let ledger = Connection::open(host.path(DATABASE)).unwrap();
    ledger.execute_batch("UPDATE intents SET state = 'unclear', stamp = stamp + 27375 * 86400000").unwrap();
    drop(ledger);
    let (code, _, err) = host.call(&close);
    assert!(code == 1 && err.contains("No daemon runs with this ledger"), "{code}: {err}");
    host.start();
    host.wait_until("taken up", || host.targets().get("desk-1 USDT-FUTURES").map(|_| ()));
    let (code, _, err) = host.call(&close);
    assert!(code == 1 && err.contains("The daemon has watched this set for "), "{code}: {err}");
}

#[test]
fn f65_a_second_process_with_the_same_key_changes_nothing_whatever_its_state_directory() {
    let venue = Venue::of_desks(1);
    let [hedge, one_way] = ["hedge_mode", "one_way_mode"].map(|mode| declared(&[("desk-1", mode)]));
    let mut first = Host::new(&venue, &["desk-1"], &hedge);
    first.start();
    first.wait_for_all("in_sync -");
    let mut second = Host::new(&venue, &["desk-1"], &one_way);
    second.start();
    second.wait_for_all("new key_taken");
    let say = second.status()["targets"][0]["say"].to_string();
    assert!(say.contains(&format!("(PID {}, user ", first.pid())), "{say}");
    let third = Host::new(&venue, &["desk-1"], &one_way);
    let (code, shown, told) = third.call(&["apply"]);
    assert_eq!(code, 75, "{shown}{told}");
    assert!(shown.contains("key_taken"), "{shown}{told}");
    assert_eq!(venue.sets().len(), 1, "the first one's");

    // It is free again as soon as its holder has ended, however that came.
    first.kill();
    second.terminate();
    second.start();
    second.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 2);
    second.terminate();
}
