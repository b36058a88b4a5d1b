//! `posmoded refresh`: the accounts that are named are looked at before their time, and no others.

use std::time::{Duration, Instant};

use bitget_sim::{Fault, FaultKind, PosMode, Right, Uid};

use super::{Host, SET, Venue, declared, side_by_side};

#[test]
fn what_is_refreshed_is_looked_at_at_once_and_nothing_else_is() {
    side_by_side(&[
        ("named", only_the_accounts_that_are_named_are_looked_at_and_all_if_none_is),
        ("failing", a_look_that_fails_is_a_look_and_a_set_under_way_holds_up_no_acknowledgement),
        ("nobody", without_a_daemon_it_is_1_and_one_that_restarts_takes_the_request_over),
        ("crowd", it_is_first_in_line_where_the_budget_does_not_suffice),
        ("mended", a_right_that_was_given_counts_once_somebody_asks_for_a_look_as_plan_and_status_say),
    ]);
}

fn hourly(accounts: &[(&str, &str)]) -> String {
    declared(accounts).replace("check_every: 5s", "check_every: 1h")
}

/// How often the exchange was asked for the account.
fn looks(venue: &Venue, uid: u64) -> usize {
    venue.simulator.with(|exchange| {
        exchange.log().iter().filter(|entry| entry.account == Some(Uid(uid)) && entry.method == "GET").count()
    })
}

fn only_the_accounts_that_are_named_are_looked_at_and_all_if_none_is() {
    let venue = Venue::of_desks(3);
    let names = ["desk-1", "desk-2", "desk-3"];
    let mut host = Host::new(&venue, &names, &hourly(&names.map(|name| (name, "one_way_mode"))));
    host.start();
    host.wait_for_all("in_sync -");
    // Whose key it is, is asked once the mode was read.
    let calm = |venue: &Venue| {
        let mut before = [0; 3];
        host.wait_until("nobody asks any more", || {
            let now = [1, 2, 3].map(|uid| looks(venue, uid));
            std::thread::sleep(Duration::from_millis(700));
            let same = now == before;
            before = now;
            same.then_some(now)
        })
    };
    assert_eq!(host.call(&["refresh", "desk-1", "--wait"]).1, "desk-1 was looked at.\n");
    let before = calm(&venue);
    venue.flip(2, PosMode::HedgeMode);
    let (code, out, err) = host.call(&["refresh", "desk-2", "--wait"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let how = "desk-2 was looked at:\n  desk-2 USDT-FUTURES: settling: Flat for ";
    assert!(out.starts_with(how), "{out}");
    assert!(host.targets()["desk-2 USDT-FUTURES"].starts_with("drifted "), "{:?}", host.targets());
    let after = calm(&venue);
    assert_eq!((after[0], after[2]), (before[0], before[2]), "the others are left alone");
    assert!(after[1] > before[1]);

    let (code, out, _) = host.call(&["refresh", "desk-1", "desk-3"]);
    assert_eq!((code, out.as_str()), (0, "desk-1 and desk-3 are looked at now.\n"));
    host.wait_until("both are looked at", || {
        (looks(&venue, 1) == after[0] + 1 && looks(&venue, 3) == after[2] + 1).then_some(())
    });
    let (code, told) = host.call_json(&["refresh", "--wait"]);
    assert_eq!((code, &told[0]["acknowledged"]), (0, &true.into()), "{told:?}");
    assert_eq!([looks(&venue, 1), looks(&venue, 3)], [after[0] + 2, after[2] + 2]);
    let (code, _, err) = host.call(&["refresh", "desk-9"]);
    assert!(code == 64 && err.contains("There is no account desk-9"), "{err}");
    let open: i64 = host
        .ledger()
        .query_row("SELECT count(*) FROM requests WHERE acknowledged_at IS NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(open, 0);
}

fn a_look_that_fails_is_a_look_and_a_set_under_way_holds_up_no_acknowledgement() {
    let venue = Venue::of_desks(2);
    let mut host = Host::new(
        &venue,
        &["desk-1", "desk-2"],
        &hourly(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode")]),
    );
    let late = FaultKind::Delay { after: Duration::from_secs(8) };
    venue.simulator.with(|exchange| exchange.inject(Fault::once(late).on(SET)));
    host.start();
    host.wait_until("the set is under way", || (venue.sets().len() == 1).then_some(()));
    let (code, out, err) = host.call(&["refresh"]);
    assert_eq!((code, err.as_str(), host.intents()[0].1.as_str()), (0, "", "noted"), "{out}");
    let fails = FaultKind::Delay { after: Duration::from_secs(60) };
    venue.simulator.with(|exchange| exchange.inject(Fault::always(fails).for_account(Uid(1))));
    let (code, out, err) = host.call(&["refresh", "desk-1", "--wait"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert!(out.starts_with("Looked at 0 of 1. Not readable:\n  desk-1 USDT-FUTURES: "), "{out}");
}

fn without_a_daemon_it_is_1_and_one_that_restarts_takes_the_request_over() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &hourly(&[("desk-1", "one_way_mode")]));
    host.start();
    host.wait_for_all("in_sync -");
    let slow = FaultKind::Delay { after: Duration::from_secs(60) };
    venue.simulator.with(|exchange| exchange.inject(Fault::once(slow).for_account(Uid(1))));
    let before = looks(&venue, 1);
    let mut waits = host.command(&["refresh", "--wait"]).spawn().unwrap();
    host.wait_until("it looks", || (looks(&venue, 1) > before).then_some(()));
    assert_eq!(waits.try_wait().unwrap(), None, "it has not looked yet");
    host.kill();
    host.start();
    let status = host.wait_until("the next daemon has looked", || waits.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    host.kill();
    let (code, out, err) = host.call(&["refresh", "--wait"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("NOT acknowledged: no daemon runs with this ledger"), "{err}");
}

fn it_is_first_in_line_where_the_budget_does_not_suffice() {
    let venue = Venue::of_desks(40);
    let names: Vec<String> = (1..=40).map(|number| format!("desk-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted: Vec<(&str, &str)> = names.iter().map(|name| (*name, "one_way_mode")).collect();
    let mut host = Host::new(&venue, &names, &declared(&wanted));
    host.spawn(host.command(&["run", "--listen", "127.0.0.1:0", "--requests-per-second", "2"]));
    host.wait_for_all("in_sync -");
    // A round of all takes 20 s and more.
    for name in ["desk-3", "desk-17", "desk-38"] {
        let began = Instant::now();
        let (code, _, err) = host.call(&["refresh", name, "--wait"]);
        let took = began.elapsed();
        assert!(code == 0 && took < Duration::from_secs(6), "{took:?} {err}");
    }
}

fn a_right_that_was_given_counts_once_somebody_asks_for_a_look_as_plan_and_status_say() {
    let venue = Venue::of_desks(1);
    let right =
        |right| venue.simulator.with(|exchange| exchange.key_mut("key-desk-1").unwrap().right = right);
    right(Right::Read);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    host.start();
    host.wait_for_all("new denied");
    let to_type = "at Bitget; then `posmoded refresh desk-1` (it is tried again by itself in 1";
    let (_, out, _) = host.call(&["status"]);
    assert!(out.contains(to_type), "{out}");
    let (code, out, err) = host.call(&["plan", "--exit-code"]);
    assert_eq!((code, err.as_str()), (4, ""), "{out}");
    assert!(out.contains(to_type) && out.contains("0 would change now, 1 cannot yet."), "{out}");

    // Nothing is mended.
    let (code, out, err) = host.call(&["refresh", "desk-1", "--wait"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("desk-1 was looked at:\n  desk-1 USDT-FUTURES: denied: "), "{out}");
    assert_eq!(venue.sets().len(), 2, "it was tried once more");
    let (_, out, _) = host.call(&["history", "desk-1"]);
    let told = out.lines().find(|line| line.contains("refreshed")).unwrap_or_else(|| panic!("{out}"));
    assert!(told.contains("waited for as denied is tried once more. By "), "{told}");

    right(Right::ReadWrite);
    assert_eq!(host.call(&["refresh", "desk-1"]).0, 0);
    host.wait_for_all("in_sync -");
    assert_eq!(venue.sets().len(), 3, "two that were denied, and one more");
}
