//! The shipped start gate, in its own sandbox, before a strategy that its account requires to be inactive.

use std::fs;
use std::net::TcpListener;

use bitget_sim::PosMode;

use super::super::Venue;
use super::{HEDGE, Machine, ONE_WAY, file};

#[test]
fn under_a_real_systemd_the_change_happens_first_and_then_the_strategy_starts() {
    let venue = Venue::of_desks_over_plain_http(1);
    let Some(machine) = Machine::boot(&venue) else { return };
    install(&machine, &venue);
    waits_for_a_daemon_and_for_the_change(&machine, &venue);
    waits_anew_at_each_start_of_the_strategy(&machine, &venue);
    fails_where_there_is_nothing_to_wait_for(&machine);
    warns_inside_of_the_strategy(&machine);
    is_asked_by_a_user_who_may_not_read_the_ledger(&machine);
}

fn install(machine: &Machine, venue: &Venue) {
    // The gate may not read the lock file, so the daemon's port has to be known.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = format!("POSMODED_BASE_URL={}\nPOSMODED_LISTEN={free}\n", venue.base);
    fs::write(machine.inside("/etc/default/posmoded"), options).unwrap();
    let bot = "[Unit]\nDefaultDependencies=no\nRequires=posmoded-wait@desk-1.service\nAfter=posmoded-wait@desk-1.service\n\
               StartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nRestart=on-failure\nRestartSec=100ms\n";
    let bad = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
               ExecStartPre=/run/posmoded wait desk-1 --timeout 1s\nExecStart=/bin/true\n";
    for (name, text) in [("bot.service", bot), ("bad.service", bad)] {
        fs::write(machine.path("units").join(name), text).unwrap();
    }
    machine.systemctl(&["daemon-reload"]);
    machine.declare(&wanting(&HEDGE));
}

fn wanting(accounts: &[(&str, &str)]) -> String {
    let require = "    require: [unit_inactive: bot.service, unit_inactive: bad.service]\n...\n";
    file(accounts).replace("...\n", require)
}

fn is(machine: &Machine, unit: &str, property: &str) -> String {
    machine.call("systemctl", &["show", "-p", property, "--value", unit]).trim().to_owned()
}

fn waits_for_a_daemon_and_for_the_change(machine: &Machine, venue: &Venue) {
    machine.systemctl(&["start", "--no-block", "bot"]);
    let said = |part: &str| machine.journal(&["-u", GATE, "-o", "cat"]).contains(part);
    machine.wait_until("the gate waits", || said("No daemon answers, and it is waited for").then_some(()));
    machine.systemctl(&["start", "dbus", "posmoded"]);
    machine.wait_until("it is set", || {
        let mode = venue.mode(1);
        assert!(mode == PosMode::HedgeMode || is(machine, "bot", "ActiveState") == "inactive");
        (mode == PosMode::HedgeMode).then_some(())
    });
    runs_after(machine, venue, 1);
    assert!(said("desk-1 USDT-FUTURES: new, settling: ") && said("In sync: desk-1 (revision 1)."));
    assert_eq!(
        (is(machine, GATE, "ActiveState"), is(machine, GATE, "Result")),
        ("inactive".into(), "success".into())
    );
}

/// Until the strategy runs, after so many sets.
fn runs_after(machine: &Machine, venue: &Venue, sets: usize) {
    machine.wait_until("the strategy runs", || {
        let runs =
            is(machine, "bot", "ActiveState") == "active" && is(machine, "bot", "SubState") == "running";
        (runs && venue.sets().len() == sets).then_some(())
    });
    machine.wait_for_status("1/1 in sync");
}

fn waits_anew_at_each_start_of_the_strategy(machine: &Machine, venue: &Venue) {
    machine.declare(&wanting(&ONE_WAY));
    machine.wait_for_status("1 waits");
    machine.systemctl(&["restart", "bot"]);
    assert_eq!(venue.mode(1), PosMode::OneWayMode, "when the restart is done it is set");
    runs_after(machine, venue, 2);

    // The strategy crashes, and systemd starts it again.
    machine.declare(&wanting(&HEDGE));
    machine.wait_for_status("1 waits");
    let before = is(machine, "bot", "MainPID");
    machine.systemctl(&["kill", "--signal=KILL", "bot"]);
    runs_after(machine, venue, 3);
    assert_ne!(is(machine, "bot", "MainPID"), before);
    assert_eq!(venue.mode(1), PosMode::HedgeMode);
}

fn fails_where_there_is_nothing_to_wait_for(machine: &Machine) {
    let nobodys = "posmoded-wait@desk-9.service";
    assert!(!machine.command("systemctl", &["start", nobodys]).output().unwrap().status.success());
    assert_eq!(is(machine, nobodys, "ExecMainStatus"), "64");
    let told = machine.journal(&["-u", nobodys, "-o", "cat"]);
    assert!(told.contains("There is no account desk-9 in the file. Known: desk-1."), "{told}");
}

fn warns_inside_of_the_strategy(machine: &Machine) {
    machine.systemctl(&["start", "bad"]);
    let told = machine.journal(&["-u", "bad", "-o", "cat"]);
    assert!(told.contains("warning: This wait is part of bad.service, which desk-1 requires"), "{told}");
    let told = machine.journal(&["-u", GATE, "-o", "cat"]);
    assert!(!told.contains("warning"), "{told}");
}

fn is_asked_by_a_user_who_may_not_read_the_ledger(machine: &Machine) {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "/run/posmoded"];
    let words = ["wait", "desk-9", "--timeout", "2s"];
    let told = machine.command("setpriv", &[&nobody[..], &words].concat()).output().unwrap();
    let err = String::from_utf8_lossy(&told.stderr);
    let out = String::from_utf8_lossy(&told.stdout);
    let say = "This user may not read the state directory /var/lib/posmoded, so the daemon at 127.0.0.1:9848 is asked";
    assert!(out.contains(say) || err.contains(say), "{out}{err}");
    machine.systemctl(&["stop", "bot", "posmoded"]);
}

const GATE: &str = "posmoded-wait@desk-1.service";
