//! The daemon and its commands with the ledger on a real PostgreSQL, which hangs, restarts, and is left and found again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use bitget_sim::PosMode;
use jiff::Timestamp;
use posmoded::constants::{LEDGER_AWAY, LEDGER_POLL, QUIET};
use serde_json::Value;

use super::{Host, Venue, declared, get, side_by_side, wait_until};
use crate::cluster::{Cluster, PASSWORD, cluster};
use crate::world::engine::ON_A_SERVER;

#[test]
fn with_the_ledger_on_a_server_a_daemon_does_what_it_does_with_a_file() {
    if cluster().is_none() {
        return;
    }
    side_by_side(&[
        ("life", a_daemon_lives_there_through_a_kill_and_commands_find_it),
        ("copy", a_ledger_is_copied_to_a_server_and_back_and_nothing_is_forgotten),
        ("silence", who_was_stopped_and_has_lost_its_place_ends_with_75),
        ("hosts", two_hosts_share_one_ledger_and_an_account_moves_by_an_edit),
        ("promotion", a_promoted_server_is_told_and_everything_waits_for_a_human),
        ("outage", while_the_server_hangs_nothing_leaves_and_after_ten_seconds_nothing_is_asked),
    ]);
}

/// A host whose ledger is in a database of its own.
fn host(venue: &Venue, names: &[&str], file: &str, cluster: &'static Cluster) -> Host {
    let mut host = Host::new(venue, names, file);
    host.server = Some((cluster, cluster.database()));
    host
}

fn a_daemon_lives_there_through_a_kill_and_commands_find_it() {
    let venue = Venue::of_desks(1);
    let mut host =
        host(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]), cluster().expect("there is one"));
    host.start();
    host.wait_for_all("in_sync -");
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::HedgeMode, 1));
    let (code, out, err) = host.call(&["status"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, events) = host.call_json(&["history"]);
    assert!(code == 0 && events.iter().any(|event| event["event"] == "confirmed"), "{events:?}");
    let (code, out, err) = host.call(&["pause", "--reason", "a look"]);
    assert_eq!(code, 0, "{out}{err}");

    // A second one with the same database, for the same host.
    let mut other = host.command(&["run", "--listen", "none"]);
    let second = other.output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(75), "{told}");
    assert!(told.contains(&format!("Another posmoded (process {} on ", host.pid())), "{told}");

    let (code, _, err) = host.call(&["ledger", "backup", "copy"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("not in a file. `pg_dump` copies it"), "{err}");

    host.kill();
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    host.start();
    assert!(host.said().contains("it has 15 s for a sign of life"), "{}", host.said());
    host.wait_for_all("pending paused");
    let (code, out, err) = host.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    host.wait_for_all("in_sync -");
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::OneWayMode, 2));
    host.terminate();
    let (code, _, err) = host.call(&["status"]);
    assert!(code == 1 && err.contains("No daemon runs with the ledger in postgres://"), "{code} {err}");
}

fn a_ledger_is_copied_to_a_server_and_back_and_nothing_is_forgotten() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    let (code, out, err) = host.call(&["pause", "--reason", "the move"]);
    assert_eq!(code, 0, "{out}{err}");
    let cluster = cluster().expect("there is one");
    let database = cluster.database();
    let there = cluster.url(&database);
    let to = ["ledger", "copy", "--from", "state", "--to", &there];
    let (code, _, err) = host.call(&to);
    assert!(code == 75 && err.contains("Nothing was copied."), "{code} {err}");
    let before = history(&host);
    host.terminate();
    let (code, out, err) = host.call(&to);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(" rows and 0 sets without a known outcome; the old one is closed."), "{out}");
    // With the old one nothing starts, and it says where the ledger is.
    let old = host.command(&["run", "--listen", "none"]).output().unwrap();
    let told = String::from_utf8_lossy(&old.stderr).into_owned();
    assert_eq!(old.status.code(), Some(78), "{told}");
    assert!(told.contains("was brought to postgres://"), "{told}");

    host.server = Some((cluster, database.clone()));
    assert!(history(&host).starts_with(&before), "{:?}", history(&host));
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("pending paused");
    let before = history(&host);
    host.terminate();
    host.server = None;
    let (code, out, err) = host.call(&["ledger", "copy", "--from", &there, "--to", "state"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(history(&host).starts_with(&before), "{:?}", history(&host));
    host.start();
    host.wait_for_all("pending paused");
    let (code, out, err) = host.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    host.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 2);
    host.terminate();
}

fn who_was_stopped_and_has_lost_its_place_ends_with_75() {
    let venue = Venue::of_desks(1);
    let file = declared(&[("desk-1", "hedge_mode")]);
    let mut host = host(&venue, &["desk-1"], &file, cluster().expect("there is one"));
    host.start();
    host.wait_for_all("in_sync -");
    host.signal("STOP");
    let mut next = Host::new(&venue, &["desk-1"], &file);
    next.server.clone_from(&host.server);
    next.start();
    host.signal("CONT");
    let (code, _) = host.ended();
    assert_eq!(code, Some(75), "{}", host.said());
    let told = format!("Another posmoded (process {} on ", next.pid());
    assert!(host.said().contains(&told), "{}", host.said());
    next.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 1);
    next.terminate();
}

fn while_the_server_hangs_nothing_leaves_and_after_ten_seconds_nothing_is_asked() {
    // Of its own: others work with the common one.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::begin().expect("there is one")));
    let venue = Venue::of_desks(1);
    let mut host = host(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]), cluster);
    let at = host.start();
    host.wait_for_all("in_sync -");
    let asked = || venue.simulator.with(|exchange| exchange.log().len());
    let before = asked();
    cluster.signal("STOP");
    let hangs = Instant::now();
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    let told = wait_until(
        "the trouble is told",
        super::PATIENCE,
        || host.said(),
        || {
            let (code, body) = get(at, "/api/status");
            assert_eq!(code, 200, "{body}");
            body.contains("The ledger's database postgres://").then_some(body)
        },
    );
    assert!(told.contains("cannot be reached"), "{told}");
    let (code, out, err) = host.call(&["status", "--listen", &at.to_string()]);
    assert!(code == 2 && out.contains("cannot be reached"), "{code} {out}{err}");
    // For a while it is still looked at. Then the account may be another host's.
    host.wait_until("looks", || (asked() > before).then_some(()));
    assert!(hangs.elapsed() < LEDGER_AWAY, "{:?}", hangs.elapsed());
    let target = || {
        let told: Value = serde_json::from_str(&get(at, "/api/status").1).unwrap();
        told["targets"][0].clone()
    };
    let since = host.wait_until("it is told since when", || {
        let told = target()["say"].as_str()?.to_owned();
        let (_, since) = told.split_once("cannot be reached since ")?;
        let (since, _) = since.split_once(": nothing is read and nothing is set until it answers")?;
        Some(since.to_owned())
    });
    assert!(hangs.elapsed() < LEDGER_AWAY + LEDGER_POLL, "{:?}", hangs.elapsed());
    assert!(since.parse::<Timestamp>().is_ok(), "{since}");
    assert_eq!(target()["reason"], "ledger");
    // Nothing that was asked is on its way any more.
    std::thread::sleep(Duration::from_secs(1));
    let before = asked();
    let (code, ready) = get(at, "/readyz");
    assert!(code == 503 && ready.contains("cannot be reached"), "{code} {ready}");
    let (_, metrics) = get(at, "/metrics");
    assert!(metrics.contains(r#"reason="ledger""#), "{metrics}");
    let (code, out, err) = host.call(&["status", "--listen", &at.to_string()]);
    assert!(code == 2 && out.contains("cannot be reached since"), "{code} {out}{err}");
    // The file is read and the account would be looked at.
    host.declare(&declared(&[("desk-1", "hedge_mode")]));
    std::thread::sleep(Duration::from_secs(12));
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    assert_eq!(asked(), before, "{}", host.said());
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::HedgeMode, 1));

    cluster.signal("CONT");
    host.wait_until("it goes on", || (venue.mode(1) == PosMode::OneWayMode).then_some(()));
    // It restarts under the daemon.
    cluster.control(&["restart", "-w", "-m", "fast", "-l", "/dev/null"]);
    host.declare(&declared(&[("desk-1", "hedge_mode")]));
    host.wait_until("it goes on", || (venue.mode(1) == PosMode::HedgeMode).then_some(()));
    let (code, out, err) = host.call(&["wait", "desk-1", "--timeout", "60s"]);
    assert_eq!(code, 0, "{out}{err}");

    cluster.signal("STOP");
    host.signal("TERM");
    let (code, took) = host.ended();
    cluster.signal("CONT");
    assert_eq!(code, Some(0), "{}", host.said());
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(venue.sets().len(), 3);
}

fn a_promoted_server_is_told_and_everything_waits_for_a_human() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::begin().expect("there is one")));
    let venue = Venue::of_desks(1);
    let mut host = host(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]), cluster);
    host.start();
    host.wait_for_all("in_sync -");
    cluster.become_standby();
    cluster.promote();
    let promoted = Instant::now();
    host.declare(&declared(&[("desk-1", "one_way_mode")]));
    host.wait_for_all("pending paused");
    let (_, out, err) = host.call(&["status"]);
    assert!(out.contains("the ledger's database may have lost what was written last"), "{out}{err}");
    let (code, out, err) = host.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    host.wait_until("what is waited for", || {
        let (_, out, _) = host.call(&["status", "desk-1"]);
        let is_told = out.contains("The ledger's database is another one than it was");
        (is_told || promoted.elapsed() > QUIET).then_some(())
    });
    host.wait_for_all("in_sync -");
    assert!(promoted.elapsed() > QUIET, "{:?}", promoted.elapsed());
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::OneWayMode, 2));
    let told = history(&host);
    assert!(told.iter().any(|event| event.contains("ledger_replaced")), "{told:?}");
    host.terminate();
}

#[test]
fn the_password_comes_from_a_private_file_or_a_credential_and_is_shown_nowhere() {
    let Some(cluster) = cluster() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    let place = format!("postgres://posmoded@127.0.0.1:{}/{}", cluster.port, cluster.database());
    let history = |host: &Host| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posmoded"));
        command.args(["history", "--state", &place]).env_clear().envs(host.environment.iter().cloned());
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!told.contains(PASSWORD), "{told}");
        (output.status.code(), told)
    };
    let (code, told) = history(&host);
    assert!(code == Some(1) && told.contains("password"), "{code:?} {told}");

    let credentials = host.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let file = credentials.join("pgpass");
    fs::write(&file, format!("127.0.0.1:*:*:posmoded:{PASSWORD}\n")).unwrap();
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    host.environment.push(("PGPASSFILE", file.clone().into()));
    let (code, told) = history(&host);
    assert!(code == Some(64) && told.contains("chmod 600"), "{code:?} {told}");
    mode(0o600);
    let (code, told) = history(&host);
    assert!(
        code == Some(1) && told.contains("There is no ledger at postgres://posmoded@127.0.0.1"),
        "{told}"
    );
    host.environment.pop();
    host.environment.push(("CREDENTIALS_DIRECTORY", credentials.into()));
    let (code, told) = history(&host);
    assert!(
        code == Some(1) && told.contains("There is no ledger at postgres://posmoded@127.0.0.1"),
        "{told}"
    );

    let (_, _, err) = host.call(&["ledger", "copy", "--from", "state", "--to", "postgres://p:s3cret@db/x"]);
    assert!(err.contains("A password in the address") && !err.contains("s3cret"), "{err}");
}

/// What the history tells, line by line.
fn history(host: &Host) -> Vec<String> {
    let (code, events) = host.call_json(&["history"]);
    assert_eq!(code, 0);
    events.iter().map(|event| format!("{} {} {}", event["id"], event["event"], event["text"])).collect()
}

/// Stories that are told in memory elsewhere in this program: what is noted, held, approved, paused, lost, converted.
#[test]
fn stories_are_the_same_with_the_ledger_on_a_server() {
    if cluster().is_none() {
        return;
    }
    let mut told = Command::new(std::env::current_exe().unwrap());
    told.args(["--exact", "--test-threads", "4"]).args(STORIES).env(ON_A_SERVER, "1");
    let output = told.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("test result: ok. {} passed", STORIES.len());
    assert!(output.status.success() && said.contains(&all), "{said}");
}

/// Those that take seconds there; `.ci/long` tells all.
const STORIES: [&str; 13] = [
    "stories::change::a_flat_product_type_changes_while_another_waits_for_everything_to_be_gone",
    "stories::change::a_stop_that_comes_as_a_set_is_about_to_be_noted_notes_none",
    "stories::change::f35_a_product_type_that_leaves_the_file_is_released_alone_and_is_new_when_it_comes_back",
    "stories::compare::new_pending_and_drift_are_told_apart_in_status_and_history",
    "stories::conversion::a_lost_set_of_before_the_conversion_is_waited_for_before_another_leaves",
    "stories::conversion::a_restart_knows_the_targets_of_an_account_before_its_first_look",
    "stories::conversion::i1_a_lost_set_is_waited_for_though_the_account_has_another_name_now",
    "stories::crowd::i9_a_dozen_flat_accounts_that_want_a_change_at_once_all_get_their_verdicts_in_time",
    "stories::held::an_approval_counts_over_a_restart_and_a_lost_set_of_it_is_tried_once_more",
    "stories::held::approve_lets_exactly_the_held_plan_go_and_later_changes_are_held_again",
    "stories::paused::a_pause_is_acknowledged_only_after_a_noted_set_was_answered",
    "stories::paused::a_pause_of_everything_is_acknowledged_and_stops_all_sets_until_resume",
    "stories::start::f64_a_process_without_its_ledger_sends_nothing_while_a_set_of_before_may_take_effect",
];

fn two_hosts_share_one_ledger_and_an_account_moves_by_an_edit() {
    let venue = Venue::of_desks(3);
    let given = |to: &str, mode: &str| {
        declared(&[("desk-1", "hedge_mode"), ("desk-2", mode), ("desk-3", "hedge_mode")])
            .replace("  desk-1:\n", "  desk-1:\n    host: trade-01\n")
            .replace("  desk-2:\n", &format!("  desk-2:\n    host: {to}\n"))
    };
    let names = ["desk-1", "desk-2", "desk-3"];
    let mut one = host(&venue, &names, &given("trade-02", "hedge_mode"), cluster().expect("there is one"));
    one.environment.push(("POSMODED_HOST", "trade-01".into()));
    let mut two = Host::new(&venue, &names, &given("trade-02", "hedge_mode"));
    two.server.clone_from(&one.server);
    two.environment.push(("POSMODED_HOST", "trade-02".into()));
    one.start();
    two.start();
    // Each shows the other's, and the account of nobody is asked for by none of them.
    let shows = |host: &Host, account: &str, state: &str, part: &str| {
        host.wait_until(&format!("{account}: {state}, {part}"), || {
            let told = host.status();
            let target =
                told["targets"].as_array()?.iter().find(|target| target["account"] == account)?.clone();
            let said = target["say"].as_str().unwrap_or_default();
            (target["state"] == state && said.contains(part)).then_some(target)
        })
    };
    for host in [&one, &two] {
        shows(host, "desk-1", "in_sync", "");
        shows(host, "desk-2", "in_sync", "");
        shows(host, "desk-3", "unknown", "(trade-01, trade-02): none of them asks for it");
    }
    assert_eq!(shows(&one, "desk-2", "in_sync", "")["host"], "trade-02");
    assert!(shows(&one, "desk-1", "in_sync", "")["host"].is_null());
    assert_eq!(
        (venue.mode(1), venue.mode(2), venue.mode(3)),
        (PosMode::HedgeMode, PosMode::HedgeMode, PosMode::OneWayMode)
    );
    let (code, out, err) = one.call(&["hosts"]);
    assert!(
        code == 0 && out.contains("trade-01") && out.contains("trade-02") && out.contains("desk-2"),
        "{out}{err}"
    );

    // One pause for both, whoever is asked.
    let (code, out, err) = two.call(&["pause", "--reason", "a look"]);
    assert_eq!(code, 0, "{out}{err}");
    // Here both are on one machine: who loses it lets go of its key before the other asks for that.
    two.declare(&given("trade-01", "one_way_mode"));
    two.wait_until("it has let go", || (two.status()["config"]["generation"] == 2).then_some(()));
    one.declare(&given("trade-01", "one_way_mode"));
    shows(&one, "desk-2", "pending", "");
    assert_eq!(venue.sets().len(), 2);
    let (code, out, err) = one.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    // It has moved, and is set by its new host alone.
    shows(&one, "desk-2", "in_sync", "");
    assert!(shows(&one, "desk-2", "in_sync", "")["host"].is_null());
    assert_eq!(shows(&two, "desk-2", "in_sync", "")["host"], "trade-01");
    assert_eq!((venue.mode(2), venue.sets().len()), (PosMode::OneWayMode, 3));
    // The history is one, too, and says who confirmed what.
    let (code, events) = two.call_json(&["history", "desk-2"]);
    let confirmed = events.iter().filter(|event| event["event"] == "confirmed");
    let hosts: Vec<&str> = confirmed.filter_map(|event| event["host"].as_str()).collect();
    assert_eq!((code, hosts), (0, vec!["trade-02", "trade-01"]));

    // A host dies: the other says that nobody looks after its accounts.
    one.kill();
    let told = shows(&two, "desk-1", "unknown", "has shown no sign of life since");
    assert_eq!(told["wants"], "human", "{told}");
    let (code, out, _) = two.call(&["hosts"]);
    assert!(code == 1 && out.contains("SILENT for"), "{code} {out}");
    // Alone, it looks after the account that is of no host. What both have changed counts together.
    shows(&two, "desk-3", "new", "As many changes as `max_changes` allows have left");
    // Asked on a host without a daemon, the ledger itself tells.
    two.environment[0].1 = "trade-03".into();
    let (code, out, err) = two.call(&["status"]);
    assert!(
        code == 2 && out.contains("desk-1") && err.contains("No daemon runs on this host"),
        "{code} {out} {err}"
    );
    two.terminate();
}
