//! The service manager is a socket of the test that records every datagram.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::serve::fixture::{account, target, view};

struct Manager {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
    at: OsString,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("notify");
        let socket = UnixDatagram::bind(&at).unwrap();
        Manager::recording(socket, folder, at.into_os_string())
    }

    fn recording(socket: UnixDatagram, folder: tempfile::TempDir, at: OsString) -> Manager {
        socket.set_nonblocking(true).unwrap();
        Manager { socket, _folder: folder, at }
    }

    /// The datagrams received since the last call.
    fn heard(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        all
    }
}

fn watchdog(told: &[String]) -> usize {
    told.iter().filter(|told| told.as_str() == "WATCHDOG=1\n").count()
}

#[test]
fn f43_a_reload_is_announced_with_its_time_and_followed_by_ready_good_or_bad() {
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, None).unwrap();
    service.ready("rev 1: 1/1 in sync");
    for line in ["rev 2: 1/1 in sync", "rev 2: 1/1 in sync, the newest file is REFUSED"] {
        service.reloading();
        service.ready(line);
    }
    service.stopping();
    service.not_started("The ledger's database\ncannot be used.");
    let heard = manager.heard();
    assert_eq!(heard.len(), 7, "{heard:?}");
    assert_eq!(heard[6], "STATUS=not started: The ledger's database cannot be used.\n");
    assert_eq!(heard[0], "READY=1\nSTATUS=rev 1: 1/1 in sync\n");
    for (reloading, ready) in [(&heard[1], &heard[2]), (&heard[3], &heard[4])] {
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.trim_end().parse::<u64>().unwrap() > 0, "{reloading}");
        assert!(ready.starts_with("READY=1\nSTATUS=rev 2"), "{ready}");
    }
    assert!(heard[4].contains("REFUSED"), "{heard:?}");
    assert!(heard[5].starts_with("STOPPING=1\n"), "{heard:?}");
}

#[test]
fn an_abstract_socket_is_reached_too() {
    let name = format!("posmoded-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let at = OsString::from_vec(format!("@{name}").into_bytes());
    let manager = Manager::recording(socket, tempfile::tempdir().unwrap(), at);
    ServiceManager::at(&manager.at, None).unwrap().ready("well");
    assert_eq!(manager.heard(), ["READY=1\nSTATUS=well\n"]);
}

#[test]
fn a_line_break_in_a_reason_begins_no_message_of_its_own() {
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, None).unwrap();
    service.ready("PAUSED (lunch\nWATCHDOG=trigger)");
    assert_eq!(manager.heard(), ["READY=1\nSTATUS=PAUSED (lunch WATCHDOG=trigger)\n"]);
}

#[test]
fn nobody_to_tell_and_nobody_listening_any_more_stop_nothing() {
    assert!(ServiceManager::at(OsStr::new("/nonexistent/notify"), None).is_err());
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, None).unwrap();
    drop(manager);
    service.ready("well");
    assert!(!service.tell(&[NotifyState::Watchdog]));
}

#[tokio::test(start_paused = true)]
async fn the_status_is_told_when_it_changed_and_at_most_once_a_second() {
    let (view, _) = view();
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, None).unwrap();
    let cancel = CancellationToken::new();
    let informed = service.keep_informed(&view, &cancel);
    let story = async {
        sleep(Duration::from_millis(10)).await;
        assert_eq!(manager.heard(), ["STATUS=rev 17 a1b2c3d: 1/2 in sync, 1 waits\n"]);
        sleep(Duration::from_millis(600)).await;
        assert_eq!(manager.heard(), Vec::<String>::new());
        for generation in 18..40 {
            view.board.frame(|frame| frame.config.generation = crate::facts::Generation(generation));
            sleep(Duration::from_millis(100)).await;
        }
        let heard = manager.heard();
        assert!((2..=3).contains(&heard.len()), "{heard:?}");
        sleep(Duration::from_secs(1)).await;
        assert!(manager.heard()[0].starts_with("STATUS=rev 39 "));
        cancel.cancel();
    };
    tokio::join!(informed, story);
}

#[tokio::test(start_paused = true)]
async fn f44_a_wedged_keeper_stops_the_watchdog_and_an_idle_hour_does_not() {
    let (view, vitals) = view();
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, Some(Duration::from_secs(30))).unwrap();
    let cancel = CancellationToken::new();
    let informed = service.keep_informed(&view, &cancel);
    let beat = |account_name: &str, due| {
        drop(view.board.add(account_name.parse().unwrap(), account(due, vec![target(account_name, None)])));
    };
    let story = async {
        for minute in 0..60 {
            let promised = view.clock.now() + Duration::from_secs(60);
            vitals.0.lock().unwrap().fleet_due = promised;
            beat("desk-1", promised);
            beat("desk-3", promised);
            sleep(Duration::from_secs(60)).await;
            let fed = watchdog(&manager.heard());
            assert!((4..=5).contains(&fed), "{fed} in minute {minute}");
        }
        // From here on desk-3 publishes nothing new; it was due by now and may be a minute late.
        for _ in 0..3 {
            let promised = view.clock.now() + Duration::from_secs(60);
            vitals.0.lock().unwrap().fleet_due = promised;
            beat("desk-1", promised);
            sleep(Duration::from_secs(60)).await;
        }
        manager.heard();
        sleep(Duration::from_secs(59)).await;
        assert_eq!(watchdog(&manager.heard()), 0);
        let promised = view.clock.now() + Duration::from_secs(60);
        vitals.0.lock().unwrap().fleet_due = promised;
        beat("desk-1", promised);
        beat("desk-3", promised);
        sleep(Duration::from_secs(31)).await;
        assert!(watchdog(&manager.heard()) >= 2, "heard of again, and fed again");
        // The watchdog is not fed either when the loop over all accounts hangs.
        beat("desk-1", view.clock.now() + Duration::from_secs(900));
        beat("desk-3", view.clock.now() + Duration::from_secs(900));
        sleep(Duration::from_secs(120)).await;
        manager.heard();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(watchdog(&manager.heard()), 0);
        cancel.cancel();
    };
    tokio::join!(informed, story);
}

#[tokio::test(start_paused = true)]
async fn f73_a_suspend_breaks_no_promise_to_the_watchdog_and_hides_no_wedged_keeper() {
    let (view, vitals) = view();
    let manager = Manager::new();
    let service = ServiceManager::at(&manager.at, Some(Duration::from_secs(30))).unwrap();
    let cancel = CancellationToken::new();
    let informed = service.keep_informed(&view, &cancel);
    let story = async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(watchdog(&manager.heard()), 1);
        view.clock.suspend(Duration::from_secs(3600));
        for second in 0..60 {
            assert_eq!(view.wedged(), None, "{second} s after the suspend");
            sleep(Duration::from_secs(1)).await;
        }
        let fed = watchdog(&manager.heard());
        assert!((4..=5).contains(&fed), "{fed}");
        vitals.0.lock().unwrap().fleet_due = view.clock.now() + Duration::from_secs(600);
        sleep(Duration::from_secs(2)).await;
        assert!(view.wedged().is_some_and(|why| why.starts_with("The keeper of desk-1 is 1m")));
        cancel.cancel();
    };
    tokio::join!(informed, story);
}
