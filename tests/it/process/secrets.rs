//! What no output, no answer and no file of the state directory may hold: the key, the secret, the passphrase.

use std::fs;

use bitget_sim::{ApiKey, Fault, FaultKind, PosMode, Uid};

use super::{Host, SET, Venue, declared, get};

#[test]
fn i11_no_key_secret_or_passphrase_is_in_any_output_answer_or_file_of_the_state() {
    let venue = Venue::of_desks(3);
    let names = ["desk-1", "desk-2", "desk-3"];
    // Whatever may be repeated to the operator: bodies that echo, a refusal, a timeout, a key that is not accepted.
    let echo = |name: &str| {
        let ApiKey { key, secret, passphrase, .. } = ApiKey::named(name);
        format!(
            "{{\"code\":\"99999\",\"msg\":\"{key} {} {}\",\"requestTime\":1,\"data\":null}}",
            secret.0, passphrase.0
        )
    };
    venue.simulator.with(|exchange| {
        let garbled = FaultKind::Status { status: 502, body: echo("desk-1") };
        exchange.inject(Fault::once(garbled).for_account(Uid(1)));
        let unknown = FaultKind::Status { status: 400, body: echo("desk-1") };
        exchange.inject(Fault::once(unknown).on(SET).for_account(Uid(1)));
        exchange.key_mut("key-desk-3").unwrap().refused_with = Some("40006".to_owned());
    });
    let mut host = Host::new(&venue, &names, &declared(&names.map(|name| (name, "hedge_mode"))));
    // A key file that somebody spoilt, with the secret in the line that is wrong.
    let spoilt = "key: key-desk-2\nsecret: test-secret-desk-2\npassphrase test-passphrase-desk-2\n";
    fs::write(host.path("keys/desk-2"), spoilt).unwrap();
    host.environment.push(("RUST_LOG", "trace".into()));
    let at = host.start();
    host.wait_until("each has met its trouble", || {
        let targets: Vec<String> = host.targets().into_values().collect();
        let all = targets.len() == 3 && targets[0].ends_with(" outcome_unknown");
        (all && targets[1..].iter().all(|target| target.ends_with(" credential"))).then_some(())
    });
    let mut told = vec![("status", get(at, "/api/status").1), ("metrics", get(at, "/metrics").1)];
    told.push(("readyz", get(at, "/readyz").1));
    for words in
        [&["status"][..], &["history"], &["history", "-o", "json"], &["plan"], &["plan", "-o", "json"]]
    {
        let (_, out, err) = host.call(words);
        assert!(!out.is_empty(), "{words:?}");
        told.push(("a command", out + &err));
    }
    // A secret in the declared file is named, and not repeated.
    let file = declared(&[("desk-1", "hedge_mode")]);
    host.declare(&file.replace("    position_mode", "    secret: test-secret-desk-1\n    position_mode"));
    host.wait_until("the file is refused", || host.status()["config"]["problem"].as_str().map(|_| ()));
    told.push(("status", get(at, "/api/status").1));
    told.push(("check", host.call(&["check"]).1));
    host.terminate();
    told.push(("the log", host.said()));
    assert!(told.last().unwrap().1.contains("TRACE"), "the log at its most talkative");
    for (whence, text) in &told {
        assert_clean(whence, text.as_bytes());
    }
    let state: Vec<_> =
        fs::read_dir(host.path("state")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(state.iter().any(|path| path.ends_with("posmoded.sqlite")), "{state:?}");
    for path in state {
        assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
    }
    assert_eq!(venue.mode(2), PosMode::OneWayMode);
}

#[track_caller]
fn assert_clean(whence: &str, bytes: &[u8]) {
    // The names of keys would do too, but these words are in nothing else.
    for word in ["test-secret", "test-passphrase", "key-desk"] {
        let at = bytes.windows(word.len()).position(|some| some == word.as_bytes());
        let around = at.map(|at| {
            let end = bytes.len().min(at + 120);
            String::from_utf8_lossy(&bytes[at.saturating_sub(200)..end]).into_owned()
        });
        assert_eq!(around, None, "{word} is in {whence}");
    }
}
