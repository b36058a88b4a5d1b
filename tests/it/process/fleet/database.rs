//! The database under all hosts: it is down, is another one than it was, is full, takes no writes.

use std::fs;
use std::io::Write as _;
use std::thread::sleep;
use std::time::Duration;

use bitget_sim::{FaultKind, HoldSide, PosMode, ProductType, Uid, UnixMs};
use jiff::{SignedDuration, Timestamp};
use posmoded::constants::{LEDGER_AWAY, QUIET};
use serde_json::Value;

use super::{Fleet, HEDGE, Hub, ONE_WAY, file, is_long, own};
use crate::cluster::{Cluster, as_nobody, give, run};
use crate::process::{PATIENCE, wait_until};

pub(super) fn while_the_database_is_down_nothing_leaves_and_then_everything_goes_on() {
    let hub = own();
    let given = |first, mode| file(&[(1, first, HEDGE), (2, 2, mode)]);
    let mut fleet = Fleet::direct(hub, 2, 2, &given(1, ONE_WAY));
    fleet.inject(1, FaultKind::ExecuteLater { after: Duration::from_secs(25) });
    fleet.start();
    fleet.stands(1, 2, "in_sync", "");
    fleet.wait_for_sets(1, 1);
    hub.cluster.control(&["stop", "-w", "-m", "immediate"]);
    fleet.declare(&[0, 1], &given(2, HEDGE));
    fleet.falls_silent(&[0, 1]);
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0], vec![]));
    hub.cluster.control(&["start", "-w", "-l", "/dev/null"]);
    fleet.wait_for_sets(2, 1);
    fleet.stands(1, 2, "in_sync", "");
    fleet.stands(1, 1, "in_sync", "");
    fleet.has(1, PosMode::HedgeMode);
    fleet.has(2, PosMode::HedgeMode);
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0], vec![1]));
    assert_eq!(fleet.intents(1), "took_effect");
    fleet.end();
}

pub(super) fn a_database_that_is_full_or_takes_no_writes_lets_nothing_leave_until_it_does() {
    let hub = own();
    let given = |mode| file(&[(1, 1, mode), (2, 2, mode)]);
    let mut fleet = Fleet::direct(hub, 2, 2, &given(ONE_WAY));
    // A disk of its own for what is in the database.
    let small = hub.cluster.home.join("small");
    let mount = "mount -t tmpfs -o size=24m,mode=700,uid=65534 none";
    hub.run(&format!("mkdir {0} && {mount} {0}", small.display()));
    hub.cluster.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", small.display()));
    hub.cluster.sql("postgres", &format!("ALTER DATABASE {} SET TABLESPACE small", fleet.database));
    fleet.start();
    fleet.stands(0, 1, "in_sync", "");
    fleet.stands(1, 2, "in_sync", "");
    fleet.sites[0].host.wait_out_its_quiet();
    let filler = hub.inside(&small).join("filler");
    let mut full = fs::File::create(&filler).unwrap();
    while full.write_all(&[0; 4096]).is_ok() {}
    drop(full);
    // More than there is room for in what the tables have already.
    let comment: String =
        (0..20_000).map(|number: u32| format!("# {:x}\n", number.wrapping_mul(0x9e37_79b9))).collect();
    fleet.declare(&[0, 1], &(comment.clone() + &given(HEDGE)));
    let is_told = |status: &Value| status.to_string().contains("No space left on device").then_some(());
    fleet.sites[0].wait_for("it says that the disk is full", is_told);
    sleep(Duration::from_secs(5));
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![], vec![]));
    fs::remove_file(filler).unwrap();
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    fleet.stands(0, 1, "in_sync", "");
    fleet.stands(1, 2, "in_sync", "");

    let read_only = |on: &str| {
        hub.cluster.sql("postgres", &format!("ALTER SYSTEM SET default_transaction_read_only = {on}"));
        hub.cluster.sql("postgres", "SELECT pg_reload_conf()");
    };
    read_only("on");
    // Whoever is new knows it once the others were told.
    let shown = || hub.cluster.sql("postgres", "SHOW default_transaction_read_only");
    wait_until("all have heard of it", PATIENCE, String::new, || (shown().trim() == "on").then_some(()));
    fleet.declare(&[0, 1], &(comment + &given(ONE_WAY)));
    fleet.falls_silent(&[0, 1]);
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0], vec![1]), "{}", fleet.said());
    read_only("off");
    fleet.wait_for_sets(1, 2);
    fleet.wait_for_sets(2, 2);
    fleet.stands(0, 1, "in_sync", "");
    fleet.stands(1, 2, "in_sync", "");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0, 0], vec![1, 1]));
    fleet.has(1, PosMode::OneWayMode);
    fleet.end();
}

pub(super) fn a_note_that_a_failover_lost_is_waited_for_and_a_human_says_when_to_go_on() {
    let hub = own();
    let standby = stand_by(hub);
    let given = file(&[(1, 1, HEDGE), (2, 1, HEDGE), (3, 2, HEDGE)]);
    let mut fleet = with_standby(hub, standby, 3, &given);
    for uid in 1..=3 {
        fleet.venue.flip(uid, PosMode::HedgeMode);
    }
    fleet.start();
    for (host, uid) in [(0, 1), (0, 2), (1, 3)] {
        fleet.stands(host, uid, "in_sync", "");
    }
    fleet.sites[0].host.wait_out_its_quiet();
    // From here on nothing comes through to the standby.
    standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    let alone = || standby.sql("postgres", "SELECT FROM pg_stat_wal_receiver").is_empty().then_some(());
    wait_until("the standby is alone", PATIENCE, String::new, alone);
    let (code, out, err) = fleet.sites[1].host.call(&["pause", "desk-3", "--reason", "it is lost"]);
    assert_eq!(code, 0, "{out}{err}");
    fleet.inject(1, FaultKind::ExecuteLater { after: Duration::from_secs(20) });
    fleet.inject(2, FaultKind::Hang);
    for uid in 1..=3 {
        fleet.venue.flip(uid, PosMode::OneWayMode);
    }
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    hub.cluster.control(&["stop", "-w", "-m", "immediate"]);
    let lost = fleet.venue.simulator.now();
    fleet.fail_over(standby);
    assert_eq!((fleet.intents(1), fleet.intents(2)), (String::new(), String::new()), "the notes are lost");
    // Each says so of an account of its own, which is not as it should be.
    for (host, uid) in [(0, 2), (1, 3)] {
        let is_paused = || {
            let target = fleet.sites[host].target(uid)?;
            target["blockers"].as_array()?.contains(&"paused".into()).then_some(())
        };
        wait_until("everything is paused", PATIENCE, || fleet.said(), is_paused);
    }
    let (_, out, err) = fleet.sites[0].host.call(&["status"]);
    assert!(out.contains("may have lost what was written last"), "{out}{err}");
    // Too early, as somebody may say it.
    let (code, out, err) = fleet.sites[0].host.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    for (host, uid) in [(0, 1), (1, 3)] {
        fleet.stands(host, uid, "in_sync", "");
        fleet.has(uid, PosMode::HedgeMode);
    }
    fleet.sends_nothing_before_the_end_of_its_quiet(lost);
    fleet.end();
}

pub(super) fn after_a_synchronous_failover_nothing_leaves_for_a_while_and_then_all_goes_on() {
    let hub = own();
    let standby = stand_by(hub);
    let given = |first, mode| file(&[(1, first, HEDGE), (2, 1, HEDGE), (3, 2, mode)]);
    hub.wait_for_standbys("ANY 1 (second)");
    let mut fleet = with_standby(hub, standby, 3, &given(1, ONE_WAY));
    fleet.inject(1, FaultKind::ExecuteLater { after: Duration::from_secs(20) });
    fleet.inject(2, FaultKind::Hang);
    fleet.start();
    fleet.stands(1, 3, "in_sync", "");
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    hub.cluster.control(&["stop", "-w", "-m", "immediate"]);
    let lost = fleet.venue.simulator.now();
    fleet.fail_over(standby);
    assert_eq!(fleet.intents(1).split(' ').count(), 1, "the note has come through");
    fleet.declare(&[0, 1], &given(2, HEDGE));
    fleet.stands(1, 3, "pending", "The ledger's database is another one than it was");
    for (host, uid) in [(1, 1), (1, 3)] {
        fleet.stands(host, uid, "in_sync", "");
        fleet.has(uid, PosMode::HedgeMode);
    }
    fleet.sends_nothing_before_the_end_of_its_quiet(lost);
    let told = fleet.sites[0].host.call(&["history"]).1;
    assert!(!told.contains("paused"), "{told}");
    fleet.end();
}

pub(super) fn while_the_standby_that_commits_wait_for_is_away_nothing_leaves_and_then_each_set_once() {
    let hub = own();
    let standby = stand_by(hub);
    hub.wait_for_standbys("ANY 1 (second)");
    let given = |host| file(&[(1, 1, HEDGE), (2, host, HEDGE), (3, 2, ONE_WAY)]);
    let mut fleet = with_standby(hub, standby, 3, &given(2));
    for uid in [1, 2] {
        fleet.holds_a_position(uid, true);
    }
    fleet.start();
    fleet.stands(1, 3, "in_sync", "");
    for site in &fleet.sites {
        site.host.wait_out_its_quiet();
    }
    fleet.stands(0, 1, "new", "");
    fleet.stands(1, 2, "new", "");
    // Everything that is written from here on is on one disk alone, and no commit is acknowledged.
    standby.control(&["stop", "-w", "-m", "immediate"]);
    let lost = Timestamp::now();
    fleet.holds_a_position(1, false);
    let noting = || (fleet.waiting("query = 'COMMIT'") == 1).then_some(());
    wait_until("the note waits for the standby", PATIENCE, || fleet.said(), noting);
    fleet.holds_a_position(2, false);
    fleet.stands(0, 1, "new", "Nobody knows whether the ledger's database");
    let mut away = Vec::new();
    for (host, uid) in [(0, 1), (1, 2)] {
        let told = fleet.stands(host, uid, "new", "cannot be reached since ");
        assert_eq!(told["reason"], "ledger", "{told}");
        let said = told["say"].as_str().unwrap();
        assert!(said.contains("standbys that its commits wait for are there"), "{said}");
        let (_, since) = said.split_once("cannot be reached since ").unwrap();
        let since: Timestamp = since.split_once(": nothing is read").unwrap().0.parse().unwrap();
        assert!(since.duration_since(lost).abs() < SignedDuration::from_secs(10), "{lost} {since}");
        away.push(UnixMs(since.as_millisecond()).plus(LEDGER_AWAY));
        let metrics = fleet.sites[host].get("/metrics").unwrap();
        let is_told =
            |line: &str| line.contains(&format!("desk-{uid}")) && line.contains(r#"reason="ledger""#);
        assert!(metrics.lines().any(|line| is_told(line) && line.ends_with(" 1")), "{metrics}");
    }
    fleet.falls_silent(&[0, 1]);
    for (host, away) in away.into_iter().enumerate() {
        let asked = fleet.asked(Some(host), None).iter().map(|entry| entry.at).max().unwrap();
        // What is told is whole seconds, and a request takes its time.
        assert!(asked <= away.plus(Duration::from_secs(3)), "{host} {asked:?} {away:?}\n{}", fleet.said());
    }
    // However long it takes, the server is not filled with connections that wait.
    sleep(Duration::from_secs(20));
    assert!(fleet.waiting("true") <= 2 * fleet.sites.len(), "{}", fleet.said());
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![], vec![]));
    // Everybody is silent by now, and nobody is called dead for that.
    for (host, uid) in [(0, 2), (0, 3), (1, 1)] {
        let told = fleet.stands(host, uid, "unknown", "It is not known here since ");
        assert_eq!((&told["reason"], &told["wants"]), (&"ledger".into(), &"itself".into()), "{told}");
        let metrics = fleet.sites[host].get("/metrics").unwrap();
        for line in ["living\"} 1", "silent\"} 0", "unknown\"} 1"] {
            assert!(metrics.contains(&format!("posmoded_hosts{{state=\"{line}\n")), "{line} {metrics}");
        }
    }
    let (code, out, _) = fleet.sites[0].host.call(&["hosts"]);
    assert!(code == 1 && !out.contains("SILENT") && out.contains("not known, seen"), "{code} {out}");
    let (_, out, err) = fleet.sites[0].host.call(&["status"]);
    assert!(out.contains("desk-1") && err.contains("the database acknowledges no commit"), "{out} {err}");
    fleet.sites[1].host.signal("TERM");
    let (code, took) = fleet.sites[1].host.ended();
    assert_eq!(code, Some(0), "{}", fleet.said());
    assert!(took < Duration::from_secs(30), "{took:?}");
    fleet.does_not_start(1, "waits for SyncRep");

    standby.control(&["start", "-w", "-l", "/dev/null"]);
    fleet.stands(0, 1, "in_sync", "");
    fleet.sites[1].launch();
    fleet.stands(1, 3, "in_sync", "");
    // The next one waits for the silence of one that was killed, and not any longer than it is wanted.
    fleet.sites[1].host.kill();
    fleet.sites[1].launch();
    let waits = || fleet.sites[1].host.said().contains("it has 15 s for a sign of life").then_some(());
    fleet.sites[1].host.wait_until("it waits for the one before it", waits);
    fleet.sites[1].host.signal("TERM");
    let (code, took) = fleet.sites[1].host.ended();
    assert!(code == Some(0) && took < Duration::from_secs(5), "{code:?} {took:?}\n{}", fleet.said());
    assert_eq!((fleet.setters(1), fleet.intents(1)), (vec![0], "withdrawn confirmed".to_owned()));
    assert_eq!((fleet.setters(2), fleet.intents(2)), (vec![], String::new()));
    fleet.declare(&[0], &given(1));
    fleet.stands(0, 2, "in_sync", "");
    assert_eq!((fleet.setters(2), fleet.intents(2)), (vec![0], "confirmed".to_owned()));

    // Once more, and a human decides that commits wait for no standby any more.
    standby.control(&["stop", "-w", "-m", "immediate"]);
    fleet.does_not_start(1, "see its log, and its standbys");
    fleet.venue.flip(1, PosMode::OneWayMode);
    fleet.stands(0, 1, "drifted", "waits for SyncRep");
    assert_eq!(fleet.setters(1), [0]);
    hub.wait_for_standbys("");
    fleet.wait_for_sets(1, 2);
    fleet.stands(0, 1, "in_sync", "");
    assert_eq!(fleet.setters(1), [0, 0]);
    for uid in [1, 2] {
        fleet.has(uid, PosMode::HedgeMode);
    }
    fleet.end();
}

/// A server that follows the hub's, and may take over.
fn stand_by(hub: &Hub) -> &'static Cluster {
    let first = hub.cluster;
    let made = Cluster::made(first.place.clone(), |programs, data| {
        let mut copied = as_nobody(&programs.join("pg_basebackup"));
        copied.args(["-U", "posmoded", "--no-sync", "-c", "fast", "-h"]).arg(&first.home);
        run(copied.arg("-p").arg(first.port.to_string()).arg("-D").arg(data));
        fs::write(data.join("standby.signal"), "").unwrap();
        give(&data.join("standby.signal"));
        let mut settings =
            fs::OpenOptions::new().append(true).open(data.join("postgresql.auto.conf")).unwrap();
        let (home, port) = (first.home.display(), first.port);
        let from = format!("host={home} port={port} user=posmoded application_name=second");
        writeln!(settings, "primary_conninfo = '{from}'").unwrap();
    });
    Box::leak(Box::new(made.unwrap()))
}

/// Two hosts that know of both servers.
fn with_standby(hub: &'static Hub, standby: &Cluster, accounts: u64, file: &str) -> Fleet {
    let state = |database: &str| {
        let (at, _) = hub.cluster.place.network.as_ref().unwrap();
        format!("postgres://posmoded@{at}:{},{at}:{}/{database}", hub.cluster.port, standby.port)
    };
    Fleet::new(hub, 2, accounts, file, state)
}

impl Hub {
    /// From now on commits wait for these.
    fn wait_for_standbys(&self, names: &str) {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        self.cluster.sql("postgres", &set);
        self.cluster.sql("postgres", "SELECT pg_reload_conf()");
    }
}

impl Fleet {
    /// How many connections to our database wait for a standby or a lock.
    fn waiting(&self, of_these: &str) -> usize {
        let asked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND (wait_event = 'SyncRep' OR wait_event_type = 'Lock') AND {of_these}"
        );
        self.cluster.sql(&self.database, &asked).trim().parse().unwrap()
    }

    /// An account has a position open, so that its mode stays as it is, or none any more.
    fn holds_a_position(&self, uid: u64, is_open: bool) {
        let (uid, product, side) = (Uid(uid), ProductType::UsdtFutures, HoldSide::Long);
        let moved = self.venue.simulator.with(|exchange| {
            if is_open {
                exchange.open_position(uid, product, "BTCUSDT", side, "1")
            } else {
                exchange.close_position(uid, product, "BTCUSDT", side)
            }
        });
        moved.unwrap();
    }

    /// A daemon says soon why it cannot start, and has asked nothing; the service manager tries it again.
    #[track_caller]
    fn does_not_start(&mut self, host: usize, why: &str) {
        let asked = self.asked(Some(host), None).len();
        let before = self.sites[host].host.said().len();
        self.sites[host].launch();
        let (code, took) = self.sites[host].host.ended();
        let said = self.sites[host].host.said().split_off(before);
        assert!(code == Some(78) && took < Duration::from_secs(30), "{code:?} {took:?}\n{said}");
        assert!(said.contains("posmoded has not started") && said.contains(why), "{said}");
        assert_eq!(self.asked(Some(host), None).len(), asked);
    }

    fn fail_over(&mut self, to: &'static Cluster) {
        to.promote();
        self.cluster = to;
        for site in &mut self.sites {
            site.host.server = Some((to, self.database.clone()));
        }
    }

    /// What was under way when the first server was lost has one set, and what was not, one after the quiet that follows. The one
    /// that had no effect has its next a minute after its fence, which is waited for where there is time.
    #[track_caller]
    fn sends_nothing_before_the_end_of_its_quiet(&self, lost: UnixMs) {
        assert_eq!((self.setters(1), self.setters(2), self.setters(3)), (vec![0], vec![0], vec![1]));
        let mut later = self.sets(3);
        if is_long() {
            self.wait_for_sets(2, 2);
            self.stands(0, 2, "in_sync", "");
            self.has(2, PosMode::HedgeMode);
            assert_eq!(self.setters(2), [0, 0]);
            later.extend(self.sets(2).pop());
        }
        for set in later {
            assert!(set.at >= lost.plus(QUIET), "{set:?} {lost:?}");
        }
    }
}
