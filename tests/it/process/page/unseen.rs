//! What the page says of what nobody has seen: a kind, a mode, another host's accounts.

use posmoded::protocol::Reason;
use posmoded::status::TargetStatus;
use serde_json::json;

use super::browser::Browser;
use super::desks;
use super::fleet::{Fleet, ago};

fn row(browser: &Browser, name: &str) -> String {
    let rows = format!(
        "[...document.querySelectorAll('dialog .facts > div')].filter((row) => row.firstChild.textContent === '{name}')"
    );
    browser.text(&format!("{rows}[0]?.lastChild.textContent ?? 'no such row'"))
}

fn open(browser: &Browser, fleet: &Fleet, target: &str) {
    browser.go("about:blank");
    browser.go(&format!("{}#target={target}", fleet.url()));
    browser.wait_for("its detail", "document.querySelector('dialog').open");
}

/// An account whose key is missing from the start.
fn no_key() -> serde_json::Value {
    json!({ "account": "desk-09", "scope": "account", "state": "unknown", "reason": "credential", "live": null, "out": 40,
        "is_never_applied": true, "detail": {}, "say": "There is no key." })
}

#[test]
fn what_the_file_names_is_found_while_the_kind_of_its_account_is_not_known() {
    let Some(browser) = Browser::open() else { return };
    let fleet = Fleet::of(&[no_key(), json!({ "account": "desk-1" })], Vec::new());
    open(&browser, &fleet, "desk-09/USDT-FUTURES");
    let told = browser.text("document.querySelector('dialog').textContent");
    assert!(told.contains("desk-09 has no target USDT-FUTURES"), "{told}");
    assert!(told.contains("it is not known yet whether it is a classic or a unified account"), "{told}");
    assert!(!told.contains("does not name"), "{told}");
    browser.eval("document.querySelector('dialog button.target').click()");
    browser.wait_for("the one that there is", "location.hash === '#target=desk-09/account'");
    assert_eq!(browser.text("document.getElementById('detail-title').textContent"), "desk-09 account");
    // An account that the file does not name has no other one.
    open(&browser, &fleet, "desk-99/USDT-FUTURES");
    let told = browser.text("document.querySelector('dialog').textContent");
    assert!(told.contains("The file in force does not name this target"), "{told}");
    // One whose product type the file does not name has others.
    open(&browser, &fleet, "desk-1/COIN-FUTURES");
    let told = browser.text("document.querySelector('dialog').textContent");
    assert!(told.contains("does not name this target") && told.contains("desk-1 has"), "{told}");
    browser.eval("document.querySelector('dialog button.target').click()");
    browser.wait_for("another one", "location.hash === '#target=desk-1/USDT-FUTURES'");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_column_of_whole_accounts_calls_none_unified_of_which_nobody_knows_that() {
    let Some(browser) = Browser::open() else { return };
    let fleet = Fleet::of(&[no_key(), json!({ "account": "desk-1" })], Vec::new());
    browser.go(&fleet.url());
    let head = |what: &str| {
        let cell = "document.querySelector('#matrix-head').children[1]?.textContent";
        browser.wait_for(what, &format!("{cell} === '{what}'"));
    };
    head("account (kind not known yet)");
    let change = |change: fn(&mut TargetStatus)| {
        fleet.show("desk-09", |shown| shown.targets.iter_mut().for_each(change));
    };
    change(|target| target.blockers = vec![Reason::Unsatisfiable]);
    head("account (unified)");
    let uta = json!({ "account": "desk-uta", "scope": "account" });
    let other = Fleet::of(&[no_key(), uta], Vec::new());
    browser.go(&other.url());
    head("account (unified, or kind not known yet)");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_was_not_seen_is_not_known_and_not_called_out_of_sync() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let head = |account: &str| {
        let node =
            format!("document.querySelector('.cause [data-target^=\"{account}/\"]').closest('.cause')");
        browser.text(&format!("{node}.querySelector('.when.out').textContent"))
    };
    assert!(head("desk-8").starts_with("not known for 4h 15m"), "{}", head("desk-8"));
    assert!(head("desk-15").starts_with("not known for 5m"), "{}", head("desk-15"));
    assert!(head("desk-7").starts_with("out of sync for 2h 14m"), "{}", head("desk-7"));
    open(&browser, &fleet, "desk-8/USDT-FUTURES");
    assert!(
        row(&browser, "Out of sync").starts_with("not known for 4h 15m"),
        "{}",
        row(&browser, "Out of sync")
    );
    open(&browser, &fleet, "desk-18/USDT-FUTURES");
    assert_eq!(row(&browser, "Out of sync"), "not known");
    open(&browser, &fleet, "desk-1/USDT-FUTURES");
    assert_eq!(row(&browser, "Out of sync"), "no");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_panel_names_what_is_waited_for() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    let waits = |target: &str| {
        open(&browser, &fleet, target);
        row(&browser, "Waits for")
    };
    assert_eq!(
        waits("desk-9/USDT-FUTURES"),
        "positions and orders being closed (posmoded closes none); then it passes by itself"
    );
    assert_eq!(waits("desk-16/USDT-FUTURES"), "Bitget answering; then it passes by itself");
    assert_eq!(
        waits("desk-19/USDT-FUTURES"),
        "this host being as the file requires; then it passes by itself"
    );
    assert_eq!(waits("desk-18/USDT-FUTURES"), "its first look; then it passes by itself");
    assert_eq!(waits("desk-7/USDT-FUTURES"), "a human: it does not end by itself");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_look_is_late_only_once_it_is_and_another_host_s_account_has_none() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    let next = |seconds: i64| {
        fleet.show("desk-1", |shown| {
            shown.targets.iter_mut().for_each(|target| target.next_look_at = ago(seconds));
        });
        open(&browser, &fleet, "desk-1/USDT-FUTURES");
        let told = row(&browser, "Next look");
        told.split(" 20").next().unwrap().to_owned()
    };
    // The browser may take some seconds to show it.
    assert_eq!(next(0), "now");
    assert!(next(-30).starts_with("in "));
    assert!(next(20).ends_with(" late"));
    open(&browser, &fleet, "desk-17/USDT-FUTURES");
    for name in ["Next look", "On drift", "Applied"] {
        assert_eq!(row(&browser, name), "no such row", "{name}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
