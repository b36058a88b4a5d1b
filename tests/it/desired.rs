//! The declared file: what is read from a good one, and what an operator is told of a bad one.

mod conditions;
mod foreign;
mod fuzz;
mod mistakes;
mod told;
mod values;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::Expect;
use posmoded::desired::{Account, Desired, Format, read, report};
use posmoded::facts::{DriftPolicy, Elsewhere, Policy, Requirements};
use posmoded::position_mode::{Declared, PositionMode, ProductType, Uid};
use posmoded::window::Windows;

const EXAMPLE: &str = include_str!("../../desired-state.yaml");

/// A good file with every key in few lines.
const GOOD: &str = "\
version: 1
max_changes: 3
defaults: { drift: correct, check_every: 1m, settle: 1h 30m }
accounts:
  desk-main:
    position_mode:
      USDT-FUTURES: hedge_mode
      COIN-FUTURES: one_way_mode
  desk-risk:
    drift: report
    check_every: 5s
    settle: 0s
    position_mode: one_way_mode
    suspend: 'not yet: é'
  paper: { demo: true, position_mode: hedge_mode }
...
";

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&report("desired-state.yaml", &read(text.as_bytes()), Format::Text));
}

/// What is told of the good file with one thing replaced, without the lines and their carets.
#[track_caller]
fn changed(from: &str, to: &str, expected: Expect) {
    assert!(GOOD.contains(from), "{from}");
    told(GOOD.replacen(from, to, 1).as_bytes(), expected);
}

#[track_caller]
fn told(bytes: &[u8], expected: Expect) {
    let problems = read(bytes).expect_err("this file is bad").0;
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

fn account(declared: Declared) -> Account {
    Account {
        declared,
        uid: None,
        host: None,
        demo: false,
        policy: Policy {
            drift: DriftPolicy::Correct,
            check_every: Duration::from_secs(60),
            settle: Duration::from_secs(5400),
            suspended: None,
            windows: Windows::default(),
            require: Requirements::default(),
        },
    }
}

#[test]
fn a_good_file_is_read_with_its_defaults_filled_in() {
    let modes = BTreeMap::from([
        (ProductType::UsdtFutures, PositionMode::Hedge),
        (ProductType::CoinFutures, PositionMode::OneWay),
    ]);
    let accounts = BTreeMap::from([
        ("desk-main".parse().unwrap(), account(Declared::PerProduct(modes))),
        ("desk-risk".parse().unwrap(), {
            let declared = account(Declared::Everything(PositionMode::OneWay));
            let policy = Policy {
                drift: DriftPolicy::Report,
                check_every: Duration::from_secs(5),
                settle: Duration::ZERO,
                suspended: Some("not yet: é".to_owned()),
                ..declared.policy
            };
            Account { policy, ..declared }
        }),
        (
            "paper".parse().unwrap(),
            Account { demo: true, ..account(Declared::Everything(PositionMode::Hedge)) },
        ),
    ]);
    assert_eq!(
        read(GOOD.as_bytes()),
        Ok(Desired {
            max_changes: 3,
            accounts: accounts.into_iter().map(|(name, of)| (name, Arc::new(of))).collect()
        })
    );
}

#[test]
fn what_the_defaults_do_not_say_is_a_minute_and_five_minutes() {
    let file = GOOD.replace(", check_every: 1m, settle: 1h 30m", "");
    let paper = read(file.as_bytes()).unwrap().accounts[&"paper".parse().unwrap()].clone();
    assert_eq!(
        (paper.policy.check_every, paper.policy.settle),
        (Duration::from_secs(60), Duration::from_secs(300))
    );
}

#[test]
fn a_suspension_of_everything_reaches_each_account_that_gives_no_reason_of_its_own() {
    let file = GOOD.replace("accounts:", "suspend: exchange maintenance\naccounts:");
    let reasons: Vec<_> = read(file.as_bytes())
        .unwrap()
        .accounts
        .into_values()
        .map(|account| account.policy.suspended.clone().unwrap())
        .collect();
    assert_eq!(reasons, ["exchange maintenance", "not yet: é", "exchange maintenance"]);
}

#[test]
fn an_account_may_name_its_uid_and_its_host() {
    let file = GOOD.replace("{ demo: true,", "{ uid: '0123456789', host: Trade-01.example, demo: true,");
    let paper = read(file.as_bytes()).unwrap().accounts[&"paper".parse().unwrap()].clone();
    assert_eq!(paper.uid, Some(Uid("0123456789".to_owned())));
    assert_eq!((paper.elsewhere("Trade-01.example"), paper.host_warning("Trade-01.example")), (None, None));
    let (host, here) = ("Trade-01.example".to_owned(), "trade-02".to_owned());
    assert_eq!(paper.elsewhere("trade-02"), Some(Elsewhere { host, here }));
    assert_eq!(paper.elsewhere("trade-01"), None);
    let warning = "The file gives this account to the host Trade-01.example, and this one is called trade-01: that is taken for \
                   the same host. Write `host: trade-01`, and see that no other host is called Trade-01 too, or both keep the \
                   account.";
    assert_eq!(paper.host_warning("trade-01").as_deref(), Some(warning));
}

#[test]
fn what_the_yaml_writer_writes_of_a_good_file_is_read_back_equal() {
    for file in [GOOD, EXAMPLE] {
        let value: serde_yaml::Value = serde_yaml::from_str(file).unwrap();
        let written = serde_yaml::to_string(&value).unwrap() + "...\n";
        assert_eq!(read(written.as_bytes()), read(file.as_bytes()), "{written}");
        assert!(read(file.as_bytes()).is_ok());
    }
}
