//! What the running daemon answers over HTTP: health, metrics, status; to anybody who may read, and to nobody more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bitget_sim::{Fault, FaultKind, HoldSide, ProductType, Uid};
use serde_json::Value;

use super::{Host, PATIENCE, Venue, ask, declared, get};

const USDT: ProductType = ProductType::UsdtFutures;

#[test]
fn readyz_says_what_is_missing_and_is_200_once_everything_was_looked_at_while_livez_is_200_all_along() {
    let venue = Venue::of_desks(2);
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "one_way_mode")]);
    let late = FaultKind::Delay { after: Duration::from_secs(3) };
    venue.simulator.with(|exchange| exchange.inject(Fault::once(late)));
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    let at = host.start();
    let ready = |expected: u16| {
        host.wait_until("readiness", || Some(get(at, "/readyz")).filter(|told| told.0 == expected))
    };
    let (code, told) = get(at, "/readyz");
    assert!(code == 503 && told.starts_with("Not looked at yet: desk-"), "{code}: {told}");
    assert_eq!(get(at, "/livez").0, 200);
    assert_eq!(ready(200).1, "ok\n");
    host.declare("version: 1\n");
    let (_, told) = ready(503);
    assert!(told.contains("The newest content of the file is not in force"), "{told}");
    assert_eq!(get(at, "/livez").0, 200);
    host.declare(&file);
    ready(200);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(ask(at, method, "/api/status").0, 405, "{method}");
    }
    assert_eq!(get(at, "/api/pause").0, 404);
}

#[test]
fn the_status_has_every_field_that_programs_hold_on_to() {
    let venue = Venue::of_desks(3);
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(2), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let mut file =
        declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode"), ("desk-3", "hedge_mode")]);
    file = file.replace("  desk-3:\n", "  desk-3:\n    suspend: \"until the review is done\"\n");
    let mut host = Host::new(&venue, &["desk-1", "desk-2", "desk-3"], &file);
    host.start();
    host.wait_until("all are looked at", || {
        let targets: Vec<String> = host.targets().into_values().collect();
        (targets == ["in_sync -", "new not_flat", "new suspended"]).then_some(())
    });
    let told = host.status();
    keys(
        &told,
        "account_settings config held host hosts http now paused paused_accounts schema source stretch targets version warnings",
    );
    assert_eq!((&told["schema"], &told["version"]), (&1.into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!((&told["paused"], &told["held"]), (&Value::Null, &Value::Null));
    assert_eq!(told["http"], "HTTP/2");
    let config = &told["config"];
    keys(config, "behind commit generation loaded_at next path problem sha256");
    assert_eq!((&config["generation"], &config["problem"]), (&1.into(), &Value::Null));
    let path = config["path"].as_str().unwrap();
    assert!(path.starts_with('/') && path.ends_with("desired-state.yaml"), "{path}");
    assert!(!told["host"].as_str().unwrap().is_empty());
    assert_eq!(config["sha256"].as_str().unwrap().len(), 64);
    for target in told["targets"].as_array().unwrap() {
        keys(
            target,
            "account applied blockers desired detail drift host live need next_look_at out_of_sync_since reason say scope since state wants",
        );
        keys(&target["live"], "at mode");
        keys(&target["detail"], "complete open orders plan_orders positions");
        assert_eq!((&target["scope"], &target["drift"]), (&"USDT-FUTURES".into(), &"correct".into()));
        let in_sync = target["state"] == "in_sync";
        assert_eq!(target["reason"].is_null(), in_sync);
        assert_eq!(target["say"].is_null(), in_sync);
        assert_eq!(target["applied"].is_null(), !in_sync);
        for at in [
            &told["now"],
            &config["loaded_at"],
            &target["since"],
            &target["next_look_at"],
            &target["live"]["at"],
        ] {
            let at = at.as_str().unwrap();
            assert!(
                at.parse::<jiff::Timestamp>().is_ok() && at.len() == "2026-11-22T09:00:00Z".len(),
                "{at}"
            );
        }
    }
    keys(&told["targets"][0]["applied"], "at generation how mode");
    assert_eq!(
        told["targets"][1]["detail"],
        serde_json::json!({
            "positions": 1, "orders": 0, "plan_orders": 0, "complete": true,
            "open": [{"symbol": "BTCUSDT", "side": "long", "kind": "position"}]
        })
    );
    for (account, lasting) in [("desk-1", None), ("desk-3", Some("--for=1h"))] {
        let pause = ["pause", account, "--reason", "to see it"];
        assert_eq!(host.call(&pause.into_iter().chain(lasting).collect::<Vec<_>>()).0, 0);
    }
    let events: Value = serde_json::from_str(&get(host.address(), "/api/history").1).unwrap();
    let event = events["events"].as_array().unwrap().iter().find(|event| event["event"] == "paused").unwrap();
    for (account, ends) in [("desk-1", false), ("desk-3", true)] {
        let of_one: Value =
            serde_json::from_str(&get(host.address(), &format!("/api/accounts/{account}")).1).unwrap();
        let paused = &of_one["paused_accounts"][account];
        assert_eq!(*paused, host.status()["paused_accounts"][account]);
        keys(paused, "reason since until who");
        assert_eq!((&paused["who"], paused["until"].is_null()), (&event["who"], !ends), "{event}");
        assert!(paused["who"].as_str().is_some_and(|who| who.contains("uid ")), "{paused}");
    }
    assert_eq!(told["targets"][2]["blockers"][0], "suspended");
    assert!(told["targets"][2]["say"].as_str().unwrap().contains("until the review is done"));
    for (number, expected) in [(1, 200), (2, 503), (3, 503)] {
        let (code, body) = get(host.address(), &format!("/api/accounts/desk-{number}"));
        let of_one: Value = serde_json::from_str(&body).unwrap();
        let all = told.as_object().unwrap();
        keys(&of_one, &all.keys().map(String::as_str).collect::<Vec<_>>().join(" "));
        let targets = of_one["targets"].as_array().unwrap();
        assert_eq!((code, targets.len()), (expected, 1), "{body}");
        assert_eq!(targets[0]["account"], format!("desk-{number}"));
        assert_eq!(of_one["config"], *config);
    }
    assert_eq!(get(host.address(), "/api/accounts/desk-4").0, 404);
}

#[track_caller]
fn keys(object: &Value, expected: &str) {
    let keys: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn a_sentence_counts_on_while_its_keeper_rests() {
    let venue = Venue::of_desks(1);
    let broken = FaultKind::Status { status: 502, body: String::new() };
    venue.simulator.with(|exchange| exchange.inject(Fault { times: u32::MAX, ..Fault::once(broken) }));
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.start();
    let told = || -> Option<(String, u64)> {
        let target = &host.status()["targets"][0];
        let (_, next) = target["say"].as_str()?.split_once("Next try in ")?;
        Some((target["next_look_at"].to_string(), next.strip_suffix("s.")?.parse().ok()?))
    };
    let (look, wait) = host.wait_until("a rest of some seconds", || told().filter(|(_, wait)| *wait >= 4));
    let later = host.wait_until("less of it", || told().filter(|(_, later)| *later != wait));
    assert!(later.0 == look && later.1 < wait, "{later:?}, before: {look} {wait}");
}

#[test]
fn who_listens_sees_a_change_within_two_seconds_who_did_it_and_the_end_of_the_daemon() {
    let venue = Venue::of_desks(2);
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "one_way_mode")]);
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    let at = host.start();
    let mut ears = Ears::at(at);
    let (event, told) = ears.hear().unwrap();
    let fields = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((event.as_str(), fields(&told)), ("status", fields(&host.status())));
    ears.hear_until("both are in sync", |event, told| {
        event == "status"
            && told["targets"].as_array().unwrap().iter().all(|target| target["state"] == "in_sync")
    });
    let (code, _, _) = host.call(&["pause", "desk-2", "--reason", "to see it"]);
    assert_eq!(code, 0);
    // Acknowledged: the daemon knows of it.
    let acknowledged = Instant::now();
    let (mut paused, mut noted) = (false, None);
    ears.hear_until("the pause", |event, told| {
        paused |= event == "status" && told["paused_accounts"]["desk-2"]["reason"] == "to see it";
        let news = told["events"].as_array().into_iter().flatten();
        noted = noted.take().or(news.into_iter().find(|event| event["event"] == "paused").cloned());
        paused && noted.is_some()
    });
    assert!(acknowledged.elapsed() < Duration::from_secs(2), "{:?}", acknowledged.elapsed());
    let history: Value = serde_json::from_str(&get(at, "/api/history").1).unwrap();
    assert!(history["events"].as_array().unwrap().contains(&noted.unwrap()), "{history}");
    host.kill();
    while ears.hear().is_some() {}
    let at = host.start();
    let mut ears = Ears::at(at);
    let began = Instant::now();
    host.terminate();
    while ears.hear().is_some() {}
    assert!(began.elapsed() < Duration::from_secs(5), "a stop waits for no listener: {:?}", began.elapsed());
}

#[test]
fn what_was_known_when_has_every_field_that_programs_hold_on_to_and_a_kill_is_a_gap() {
    let venue = Venue::of_desks(2);
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode")]);
    let file = file.replace("  desk-2:\n", "  desk-2:\n    suspend: \"until the review is done\"\n");
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    let spans = |host: &Host, query: &str| -> Value {
        let (code, told) = get(host.address(), &format!("/api/spans{query}"));
        assert_eq!(code, 200, "{told}");
        serde_json::from_str(&told).unwrap()
    };
    let is_told = |host: &Host| {
        host.wait_until("both are known, and one is not in sync", || {
            let told = spans(host, "");
            let targets = told["targets"].as_array().unwrap();
            let is_out = targets.len() == 2 && targets[1]["out_of_sync"].as_array().unwrap().len() == 1;
            let goes_on =
                told["watched"].as_array().unwrap().last().is_some_and(|span| span["until"].is_null());
            (is_out && goes_on).then_some(told)
        })
    };
    host.start();
    let told = is_told(&host);
    keys(&told, "now schema since targets watched");
    keys(&told["watched"][0], "since until");
    keys(&told["targets"][0], "account known_since out_of_sync scope unknown");
    keys(&told["targets"][1]["out_of_sync"][0], "since until");
    assert_eq!((&told["schema"], &told["targets"][0]["account"]), (&1.into(), &"desk-1".into()));
    assert_eq!(told["targets"][0]["out_of_sync"], serde_json::json!([]));
    assert_eq!((&told["targets"][1]["out_of_sync"][0]["until"]), &Value::Null);
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let month = at(&told["now"]).duration_since(at(&told["since"]));
    assert_eq!(month, jiff::SignedDuration::from_hours(30 * 24));
    let known = at(&told["now"]).duration_since(at(&told["targets"][0]["known_since"]));
    assert!((0..=PATIENCE.as_secs()).contains(&u64::try_from(known.as_secs()).unwrap()), "{told}");
    let one = spans(&host, "?account=desk-2&since=24h");
    assert_eq!(one["targets"].as_array().unwrap().len(), 1);
    let (code, told) = get(host.address(), "/api/spans?since=soon");
    assert!(code == 400 && told.contains("/api/spans?account=desk-1&since=24h"), "{told}");

    host.kill();
    host.start();
    let told = is_told(&host);
    let watched = told["watched"].as_array().unwrap();
    assert!(watched.len() == 2 && at(&watched[0]["until"]) <= at(&watched[1]["since"]), "{told}");
    host.terminate();
    let stopped: i64 = {
        let query = "SELECT count(*) FROM watched WHERE until > since";
        host.ledger().query_row(query, [], |row| row.get(0)).unwrap()
    };
    assert!(stopped >= 1, "a stop marks");
}

/// One who listens to `/api/events`.
struct Ears(BufReader<TcpStream>);

impl Ears {
    fn at(at: SocketAddr) -> Ears {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        Ears(BufReader::new(stream))
    }

    /// The next event and its data; `None` once the stream has ended. In 5 s without a sign of life a page takes the daemon for
    /// dead, and so does this.
    fn hear(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no sign of life: {error}"),
            }
            if let Some(name) = line.strip_prefix("event: ") {
                name.trim_end().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((event, serde_json::from_str(data).unwrap()));
            }
        }
    }

    #[track_caller]
    fn hear_until(&mut self, what: &str, mut is_it: impl FnMut(&str, &Value) -> bool) {
        let began = Instant::now();
        while let Some((event, told)) = self.hear() {
            if is_it(&event, &told) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: not told");
        }
        panic!("{what}: the stream ended");
    }
}

#[test]
fn every_line_of_the_metrics_parses_known_series_are_there_and_a_released_targets_go_away() {
    let venue = Venue::of_desks(2);
    let both = declared(&[("desk-1", "hedge_mode"), ("desk-2", "one_way_mode")]);
    let mut host = Host::new(&venue, &["desk-1", "desk-2"], &both);
    let at = host.start();
    host.wait_for_all("in_sync -");
    let metrics = Metrics::of(&get(at, "/metrics").1);
    // Dashboards and alerts hold on to these names, so each of them is listed here.
    let kinds: Vec<String> = metrics.kinds.iter().map(|(name, kind)| format!("{name} {kind}\n")).collect();
    expect_test::expect![[r#"
        posmoded_account_info gauge
        posmoded_account_needs gauge
        posmoded_account_paused gauge
        posmoded_account_paused_since_timestamp_seconds gauge
        posmoded_build info
        posmoded_clock_offset_seconds gauge
        posmoded_config info
        posmoded_config_behind gauge
        posmoded_config_last_load_success_timestamp_seconds gauge
        posmoded_config_last_load_successful gauge
        posmoded_drift_detected counter
        posmoded_held_changes gauge
        posmoded_hosts gauge
        posmoded_http info
        posmoded_ledger_writes counter
        posmoded_log_lines_dropped counter
        posmoded_look_interval_stretch_ratio gauge
        posmoded_mode_changes counter
        posmoded_notify_failures counter
        posmoded_outcome_unknown gauge
        posmoded_paused gauge
        posmoded_paused_since_timestamp_seconds gauge
        posmoded_rate_limit_wait_seconds counter
        posmoded_request_duration_seconds histogram
        posmoded_requests counter
        posmoded_target_in_sync gauge
        posmoded_target_last_look_timestamp_seconds gauge
        posmoded_target_need gauge
        posmoded_target_not_in_sync_since_timestamp_seconds gauge
        posmoded_target_reason_since_timestamp_seconds gauge
        posmoded_target_state gauge
        posmoded_target_wants gauge
    "#]]
    .assert_eq(&kinds.concat());
    let value = |name: &str| metrics.samples.get(name).copied();
    let of = |account: &str| format!("account=\"{account}\",scope=\"USDT-FUTURES\"");
    for account in ["desk-1", "desk-2"] {
        assert_eq!(value(&format!("posmoded_target_in_sync{{{}}}", of(account))), Some(1.0));
        assert_eq!(value(&format!("posmoded_drift_detected_total{{{}}}", of(account))), Some(0.0));
        let now = format!("posmoded_target_state{{{},state=\"in_sync\",reason=\"none\"}}", of(account));
        assert_eq!(value(&now), Some(1.0));
        for (result, one) in [("confirmed", "desk-1"), ("refused", ""), ("unknown", ""), ("withdrawn", "")] {
            let name = format!("posmoded_mode_changes_total{{{},result=\"{result}\"}}", of(account));
            assert_eq!(value(&name), Some(f64::from(u8::from(account == one))), "{name}");
        }
    }
    assert_eq!(value("posmoded_config_last_load_successful"), Some(1.0));
    assert_eq!(value("posmoded_paused"), Some(0.0));
    assert_eq!(value("posmoded_http_info{version=\"HTTP/2\"}"), Some(1.0));
    let states = metrics.samples.keys().filter(|name| name.starts_with("posmoded_target_state{"));
    assert_eq!(states.count(), 2, "the current state only");

    host.declare(&declared(&[("desk-2", "one_way_mode")]));
    host.wait_until("desk-1 is released", || (host.targets().len() == 1).then_some(()));
    let (_, text) = get(at, "/metrics");
    assert!(!text.contains("desk-1"), "{text}");
    assert!(text.contains("desk-2"));
    Metrics::of(&text);
    assert_eq!(venue.sets().len(), 1, "a release sends nothing");
}

/// Metrics in text form, read as strictly as the form is written down.
struct Metrics {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    #[track_caller]
    fn of(text: &str) -> Metrics {
        let mut read = Metrics { kinds: BTreeMap::new(), samples: BTreeMap::new() };
        let lines: Vec<&str> = text.lines().collect();
        let (end, lines) = lines.split_last().unwrap();
        assert_eq!(*end, "# EOF");
        for line in lines {
            if let Some(meta) = line.strip_prefix("# ") {
                let words: Vec<&str> = meta.splitn(3, ' ').collect();
                let [word @ ("HELP" | "TYPE" | "UNIT"), family, rest] = words[..] else { panic!("{line}") };
                assert!(!rest.is_empty(), "{line}");
                if word == "TYPE" {
                    let before = read.kinds.insert(family.to_owned(), rest.to_owned());
                    assert_eq!(before, None, "a family is told of once: {line}");
                }
            } else {
                read.sample(line);
            }
        }
        read
    }

    #[track_caller]
    fn sample(&mut self, line: &str) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (bare, labels) = match name.split_once('{') {
            Some((bare, labels)) => (bare, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
            None => (name, ""),
        };
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(is_name(bare) && bare.starts_with("posmoded_"), "{line}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
        }
        let is_of = |end: &str| bare.strip_suffix(end).is_some_and(|family| self.kinds.contains_key(family));
        let ends = ["_total", "_bucket", "_sum", "_count", "_info", ""];
        assert!(ends.into_iter().any(is_of), "no TYPE before {line}");
        let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
        assert_eq!(self.samples.insert(name.to_owned(), value), None, "twice: {line}");
    }
}
