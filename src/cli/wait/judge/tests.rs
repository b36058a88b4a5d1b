use super::*;
use crate::facts::Generation;
use crate::protocol::Reason;
use crate::serve::fixture::{target, view};

/// A status of these targets: an account, a scope, and how it stands.
fn status(all: &[(&str, &str, State, Option<Reason>)]) -> Status {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async { view().0.status() });
    let targets = all.iter().map(|(account, scope, state, reason)| TargetStatus {
        scope: scope.parse().unwrap(),
        state: *state,
        ..target(account, *reason)
    });
    Status { targets: targets.collect(), ..status }
}

fn waited(words: &[&str]) -> Vec<AccountOrScope> {
    words.iter().map(|word| crate::cli::accounts::account_or_scope(word).unwrap()).collect()
}

/// How the wait ends, or what is said and waited for.
fn told(status: &Status, words: &[&str]) -> String {
    match judge(status, &waited(words)) {
        Ok(Judged { end: Some(end), .. }) => format!("{end:?}"),
        Ok(judged) => judged.waits_for(),
        Err(error) => format!("64: {error}"),
    }
}

#[test]
fn only_what_is_waited_for_has_to_be_in_sync_and_all_of_it() {
    let status = status(&[
        ("desk-1", "USDT-FUTURES", State::InSync, None),
        ("desk-1", "COIN-FUTURES", State::Pending, Some(Reason::NotFlat)),
        ("desk-2", "account", State::InSync, None),
        ("desk-3", "USDT-FUTURES", State::Unknown, Some(Reason::Elsewhere)),
        ("desk-4", "USDT-FUTURES", State::Unknown, None),
    ]);
    assert_eq!(told(&status, &["desk-2"]), "InSync");
    assert_eq!(told(&status, &["desk-2", "desk-1/USDT-FUTURES"]), "InSync");
    assert_eq!(told(&status, &["desk-1", "desk-2"]), "desk-1 COIN-FUTURES is pending, not_flat");
    assert_eq!(told(&status, &["desk-4"]), "desk-4 USDT-FUTURES is not looked at yet");
    assert_eq!(told(&status, &["desk-1", "desk-3"]), "Elsewhere");
    assert_eq!(told(&status, &["desk-3/COIN-FUTURES"]), "Elsewhere");
}

#[test]
fn what_waits_for_a_human_says_so() {
    let status = status(&[
        ("desk-1", "USDT-FUTURES", State::Pending, Some(Reason::Denied)),
        ("desk-1", "COIN-FUTURES", State::Pending, Some(Reason::NotFlat)),
        ("desk-2", "USDT-FUTURES", State::InSync, Some(Reason::Credential)),
    ]);
    let waited = waited(&["desk-1", "desk-2"]);
    let judged = judge(&status, &waited).unwrap();
    let said: Vec<&str> = judged.news.iter().filter_map(|news| news.say.as_deref()).collect();
    assert_eq!(
        said,
        [
            "Revision 17 is in force.",
            "desk-1 USDT-FUTURES: pending, denied, wants a human: It says denied.",
            "desk-1 COIN-FUTURES: pending, not_flat: It says not_flat.",
            "desk-2 USDT-FUTURES: in_sync, credential: It says credential.",
        ]
    );
    assert_eq!(
        judged.waits_for(),
        "desk-1 USDT-FUTURES is pending, denied, wants a human; desk-1 COIN-FUTURES is pending, not_flat"
    );
}

#[test]
fn what_the_newest_file_does_not_name_is_64_and_before_it_is_in_force_nothing_is_final() {
    let all = [
        ("desk-1", "USDT-FUTURES", State::InSync, None),
        ("desk-2", "account", State::InSync, None),
        ("desk-3", "account", State::Unknown, Some(Reason::KindUnknown)),
        ("desk-4", "USDT-FUTURES", State::Unknown, Some(Reason::Elsewhere)),
    ];
    let mut status = status(&all);
    let nobody = told(&status, &["desk-1", "desk-9"]);
    assert!(nobody.starts_with("64: There is no account desk-9 in the file. Known: desk-1,"), "{nobody}");
    assert_eq!(
        told(&status, &["desk-1/COIN-FUTURES"]),
        "64: There is no target desk-1/COIN-FUTURES in the file: there is desk-1/USDT-FUTURES."
    );
    assert_eq!(
        told(&status, &["desk-2/USDT-FUTURES"]),
        "64: There is no target desk-2/USDT-FUTURES in the file: there is desk-2/account."
    );
    assert_eq!(
        told(&status, &["desk-3/USDT-FUTURES"]),
        "desk-3/USDT-FUTURES: which targets desk-3 has is not known yet"
    );
    for refused in [true, false] {
        if refused {
            status.config.problem = Some("it is still changing".to_owned());
        } else {
            (status.config.problem, status.config.next) = (None, Some(Generation(18)));
        }
        let file = "the newest content of the file is not in force";
        assert_eq!(told(&status, &["desk-1"]), file);
        assert_eq!(
            told(&status, &["desk-9"]),
            format!("{file}; desk-9: the revision in force does not name it")
        );
        assert_eq!(
            told(&status, &["desk-1/COIN-FUTURES"]),
            format!("{file}; desk-1/COIN-FUTURES: which targets desk-1 has is not known yet")
        );
        assert!(told(&status, &["desk-4"]).starts_with(file), "it may be this host's in the newest");
    }
}
