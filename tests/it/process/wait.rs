//! `posmoded wait` as a strategy's gate: beside daemons that come, go, and have something to do.

use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bitget_sim::{HoldSide, PosMode, ProductType, Uid};

use super::{Host, Venue, declared, listen_to, side_by_side};

const USDT: ProductType = ProductType::UsdtFutures;

#[test]
fn a_gate_opens_once_the_mode_is_right_and_the_newest_file_in_force_and_says_what_it_waits_for() {
    side_by_side(&[
        ("comes", a_daemon_that_is_not_up_yet_and_one_that_restarts_are_waited_for),
        ("late", what_does_not_come_in_time_is_2_and_nobody_at_all_is_1),
        ("human", what_wants_a_human_says_so_and_without_an_end_that_it_waits_on),
        ("never", what_this_daemon_never_finds_in_sync_is_not_waited_for),
    ]);
}

/// A wait that runs, and what it has said.
struct Waiting {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
}

impl Waiting {
    fn begin(host: &Host, words: &[&str]) -> Waiting {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = host.command(&[&["wait"], words].concat());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = command.spawn().unwrap();
        let said: Arc<Mutex<String>> = Arc::default();
        let listening = listen_to(reader, said.clone());
        Waiting { child, said, listening }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    fn until(&mut self, host: &Host, part: &str) {
        host.wait_until(part, || {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ends before: {part}\n{}", self.said());
            self.said().contains(part).then_some(())
        });
    }

    #[track_caller]
    fn ended(&mut self, host: &Host) -> (Option<i32>, String) {
        let status = host.wait_until("the wait ends", || self.child.try_wait().unwrap());
        // What it wrote last may still be in the pipe.
        host.wait_until("its last word", || self.listening.is_finished().then_some(()));
        (status.code(), self.said())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn a_daemon_that_is_not_up_yet_and_one_that_restarts_are_waited_for() {
    let venue = Venue::of_desks(2);
    let want = |first: &str| declared(&[("desk-1", first), ("desk-2", "hedge_mode")]);
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(2), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &want("hedge_mode"));
    let mut gate = Waiting::begin(&host, &["desk-1/USDT-FUTURES"]);
    gate.until(&host, "No daemon answers, and it is waited for: There is no ledger");
    host.start();
    gate.until(&host, "The daemon answers.\nRevision 1 is in force.\ndesk-1");
    gate.until(&host, "desk-1 USDT-FUTURES: new, settling: ");
    host.kill();
    gate.until(&host, "No daemon answers, and it is waited for: No daemon runs");
    assert_eq!(venue.sets(), []);
    host.start();
    let (code, said) = gate.ended(&host);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("In sync: desk-1/USDT-FUTURES (revision 1).\n"), "{said}");
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::HedgeMode, 1));
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines.windows(2).all(|two| two[0] != two[1]) && lines.len() < 20,
        "one line for a change: {said}"
    );
    assert!(!said.contains("desk-2"), "{said}");

    // At once from then on, also as JSON; the other one waits still, and a refused file opens no gate.
    assert_eq!(host.call(&["wait", "desk-1"]).0, 0);
    let (code, told) = host.call_json(&["wait", "desk-1"]);
    assert_eq!((code, told.len(), &told[0]["in_sync"], &told[0]["schema"]), (0, 1, &true.into(), &1.into()));
    let (code, told) = host.call_json(&["wait", "desk-1", "desk-2", "--timeout", "1s"]);
    let last = told.last().unwrap();
    assert_eq!((code, &last["in_sync"]), (2, &false.into()));
    assert_eq!(last["say"], "Not in sync within 1s: desk-2 USDT-FUTURES is new, not_flat.");
    assert!(told.iter().any(|line| line["target"]["reason"] == "not_flat"), "{told:?}");
    host.declare("version: 1\n");
    let mut gate = Waiting::begin(&host, &["desk-1"]);
    gate.until(&host, "The newest content of the file is not in force: ");
    host.declare(&want("hedge_mode").replace("max_changes: 3", "max_changes: 4"));
    let (code, said) = gate.ended(&host);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("In sync: desk-1 (revision 2).\n"), "{said}");
}

fn what_does_not_come_in_time_is_2_and_nobody_at_all_is_1() {
    let venue = Venue::of_desks(1);
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(1), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    let (code, out, err) = host.call(&["wait", "desk-1", "--timeout", "2s"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.starts_with("No daemon answers, and it is waited for: "), "{out}");
    assert!(err.contains("error: Nothing has answered within 2s."), "{err}");
    // Somebody who takes calls, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let (code, _, err) = host.call(&["wait", "desk-1", "--timeout", "2s", "--listen", &at]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("Nothing has answered within 2s."), "{err}");

    host.start();
    host.wait_for_all("new not_flat");
    let (code, out, err) = host.call(&["wait", "desk-1", "--timeout", "2s"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.contains("desk-1 USDT-FUTURES: new, not_flat: "), "{out}");
    assert_eq!(err, "Not in sync within 2s: desk-1 USDT-FUTURES is new, not_flat.\n");
    // One that goes away meanwhile has answered once.
    let mut gate = Waiting::begin(&host, &["desk-1", "--timeout", "8s"]);
    gate.until(&host, "not_flat");
    host.kill();
    let (code, said) = gate.ended(&host);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("No daemon answers") && said.contains("Not in sync within 8s"), "{said}");
}

fn what_wants_a_human_says_so_and_without_an_end_that_it_waits_on() {
    let venue = Venue::of_desks(1);
    let mut host =
        Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode"), ("desk-2", "hedge_mode")]));
    host.start();
    host.wait_until("its key is missed", || {
        (host.targets().get("desk-2 account")? == "unknown credential").then_some(())
    });
    let (code, out, err) = host.call(&["wait", "desk-2", "--timeout", "2s"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.contains("desk-2 account: unknown, credential, wants a human: "), "{out}");
    assert!(!out.contains("gives up"), "{out}");
    let mut gate = Waiting::begin(&host, &["desk-2"]);
    gate.until(&host, "It is waited for until that is done (--timeout TIME gives up).");
}

fn what_this_daemon_never_finds_in_sync_is_not_waited_for() {
    let venue = Venue::of_desks(2);
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "one_way_mode")]);
    let file = file.replace("  desk-2:\n", "  desk-2:\n    host: somewhere-else\n");
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    host.start();
    let (code, out, err) = host.call(&["wait", "desk-1"]);
    assert_eq!((code, out.lines().last()), (0, Some("In sync: desk-1 (revision 1).")), "{out}{err}");
    let (code, out, err) = host.call(&["wait", "desk-1", "desk-2"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("The file gives desk-2 to another host"), "{err}");
    let (code, _, err) = host.call(&["wait", "desk-1", "desk-3"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("There is no account desk-3 in the file. Known: desk-1, desk-2."), "{err}");
    let (code, _, err) = host.call(&["wait", "desk-1/COIN-FUTURES"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("There is no target desk-1/COIN-FUTURES in the file"), "{err}");
    let (code, _, err) = host.call(&["wait", "desk-1", "--listen", "none"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("say where the daemon listens"), "{err}");
}
