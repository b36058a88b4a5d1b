//! Signals and the service manager: what SIGTERM and SIGHUP do, and what is said on the notify socket meanwhile.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitget_sim::{Fault, FaultKind, PosMode};

use super::{Host, SET, Venue, declared, get, side_by_side};

/// A service manager that keeps every message.
struct Manager(Arc<Mutex<Vec<(Instant, String)>>>);

impl Manager {
    fn of(host: &mut Host) -> Manager {
        let path = host.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        host.environment.push(("NOTIFY_SOCKET", path.into()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length) = socket.recv(&mut some) {
                let message = String::from_utf8_lossy(&some[..length]).into_owned();
                keep.lock().unwrap().push((Instant::now(), message));
            }
        });
        Manager(heard)
    }

    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, message)| message.clone()).collect()
    }

    fn times_of(&self, word: &str) -> Vec<Instant> {
        let heard = self.0.lock().unwrap();
        heard
            .iter()
            .filter(|(_, message)| message.lines().any(|line| line == word))
            .map(|(at, _)| *at)
            .collect()
    }

    /// Waits for the `READY=1` after the one before last, and gives every message from there on.
    #[track_caller]
    fn since_reloading(&self, host: &Host, count: usize) -> Vec<String> {
        host.wait_until("the reload is over", || {
            let heard = self.heard();
            let begins = heard.iter().enumerate().filter(|(_, message)| message.starts_with("RELOADING=1"));
            let (begin, _) = begins.collect::<Vec<_>>().get(count - 1).copied()?;
            let rest = heard[begin..].to_vec();
            rest.iter().any(|message| message.contains("READY=1")).then_some(rest)
        })
    }
}

const HEDGE: [(&str, &str); 1] = [("desk-1", "hedge_mode")];
const ONE_WAY: [(&str, &str); 1] = [("desk-1", "one_way_mode")];

fn a_schedule_looks_at_everything_however_seldom_it_is_compared_otherwise() {
    let venue = Venue::of_desks_over_plain_http(1);
    let seldom = declared(&ONE_WAY).replace("check_every: 5s", "check_every: 1h");
    let mut host = Host::new(&venue, &["desk-1"], &seldom);
    host.environment.push(("POSMODED_SCHEDULE", "* * * * * *".into()));
    host.start();
    host.wait_for_all("in_sync -");
    venue.flip(1, PosMode::HedgeMode);
    host.wait_until("the drift is corrected", || (venue.mode(1) == PosMode::OneWayMode).then_some(()));
    host.terminate();
}

fn sigterm_lets_a_set_under_way_finish_and_be_recorded() {
    let venue = Venue::of_desks_over_plain_http(1);
    let late = FaultKind::Delay { after: Duration::from_secs(2) };
    venue.simulator.with(|exchange| exchange.inject(Fault::once(late).on(SET)));
    let mut host = Host::new(&venue, &["desk-1"], &declared(&HEDGE));
    let manager = Manager::of(&mut host);
    host.start();
    host.wait_until("the set is under way", || (!venue.sets().is_empty()).then_some(()));
    host.terminate();

    let heard = manager.heard();
    assert!(heard.iter().any(|message| message.starts_with("STOPPING=1")), "{heard:?}");
    assert_eq!(venue.sets().len(), 1);
    assert_eq!(host.intents()[0].1, "confirmed", "{}", host.said());
    let (_, events) = host.call_json(&["history"]);
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert!(kinds.ends_with(&["noted", "accepted", "confirmed", "stopped"]), "{kinds:?}");
}

#[test]
fn f12_f43_reloads_and_the_watchdog() {
    side_by_side(&[
        ("f43", f43_a_reload_is_announced_with_its_time_and_ends_with_ready_also_after_a_bad_file),
        ("f12", f12_of_a_hundred_reloads_good_and_bad_in_turn_each_tells_the_truth),
        ("watchdog", the_watchdog_is_fed_in_time_and_a_hangup_during_the_start_does_no_harm),
        ("SIGTERM", sigterm_lets_a_set_under_way_finish_and_be_recorded),
        ("schedule", a_schedule_looks_at_everything_however_seldom_it_is_compared_otherwise),
    ]);
}

fn f43_a_reload_is_announced_with_its_time_and_ends_with_ready_also_after_a_bad_file() {
    let venue = Venue::of_desks_over_plain_http(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&ONE_WAY));
    let manager = Manager::of(&mut host);
    host.start();
    host.wait_for_all("in_sync -");
    let first = manager.heard().remove(0);
    assert!(first.starts_with("READY=1\nSTATUS=rev 1: "), "{first:?}");

    let looks = |venue: &Venue| venue.simulator.with(|exchange| exchange.log().len());
    let good = declared(&ONE_WAY) + "# the same, with a remark\n...\n";
    let good = good.replacen("...\n#", "#", 1);
    for (count, file) in (1..).zip(["version: 1\n", &good]) {
        let before = looks(&venue);
        fs::write(host.path("desired-state.yaml"), file).unwrap();
        host.signal("HUP");
        let heard = manager.since_reloading(&host, count);
        let monotonic = heard[0].lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(monotonic.parse::<u64>().unwrap() > 0);
        let ready = heard.iter().find(|message| message.starts_with("READY=1")).unwrap();
        let refused = ready.contains("the newest file is REFUSED");
        assert_eq!(refused, count == 1, "{ready}");
        let soon = Instant::now() + Duration::from_secs(4);
        host.wait_until("every target is looked at", || (looks(&venue) > before).then_some(()));
        assert!(Instant::now() < soon, "a reload looks at once");
    }
    host.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 0);
}

fn f12_of_a_hundred_reloads_good_and_bad_in_turn_each_tells_the_truth() {
    let venue = Venue::of_desks_over_plain_http(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&ONE_WAY));
    let manager = Manager::of(&mut host);
    let at = host.start();
    host.wait_for_all("in_sync -");
    let good = declared(&ONE_WAY);
    let bad = good.replace("one_way_mode", "some_way_mode");
    for count in 1..=100 {
        let is_good = count % 2 == 0;
        fs::write(host.path("desired-state.yaml"), if is_good { &good } else { &bad }).unwrap();
        host.signal("HUP");
        let heard = manager.since_reloading(&host, count);
        let ready = heard.iter().find(|message| message.starts_with("READY=1")).unwrap();
        assert_eq!(!ready.contains("REFUSED"), is_good, "reload {count}: {ready}");
        let (_, metrics) = get(at, "/metrics");
        let told = format!("posmoded_config_last_load_successful {}", u8::from(is_good));
        assert!(metrics.lines().any(|line| line == told), "reload {count}: {metrics}");
    }
    assert_eq!(host.status()["config"]["generation"], 1, "A, bad, A makes no new revision");
    host.wait_for_all("in_sync -");
    assert_eq!(manager.times_of("READY=1").len(), 101);
    host.terminate();
    assert_eq!(venue.mode(1), PosMode::OneWayMode);
}

fn the_watchdog_is_fed_in_time_and_a_hangup_during_the_start_does_no_harm() {
    let venue = Venue::of_desks_over_plain_http(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&ONE_WAY));
    let manager = Manager::of(&mut host);
    host.environment.push(("WATCHDOG_USEC", "1000000".into()));
    host.start();
    // It listens before it is ready; a hangup that comes in between is kept.
    host.signal("HUP");
    host.wait_until("it is ready twice", || (manager.times_of("READY=1").len() == 2).then_some(()));
    let fed = host.wait_until("the watchdog is fed", || {
        let fed = manager.times_of("WATCHDOG=1");
        (fed.len() >= 5).then_some(fed)
    });
    let longest = fed.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(manager.heard().iter().any(|message| message.contains("STATUS=rev 1: ")));
}

#[test]
fn f78_a_file_that_may_not_grow_any_more_does_not_end_the_daemon() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    host.signal("XFSZ");
    // A process that the signal has ended does not end with 0.
    host.terminate();
}
