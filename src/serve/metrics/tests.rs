//! The tests parse the text with a strict reader: what that accepts, every scraper accepts.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::serve::fixture::{account, at, target, view};

/// Samples by name and labels; panics if the text breaks a rule.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind, mut helped) = (String::new(), String::new(), String::new());
    let body = text.strip_suffix("# EOF\n").expect("ends with its end mark");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(help.len() > 10 && name.starts_with("posmoded_"), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, a_kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, helped, "help and type belong together");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            (family, kind) = (name.to_owned(), a_kind.to_owned());
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a unit");
            assert_eq!(name, family);
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().unwrap();
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "gauge" => &[""],
                other => panic!("unknown type {other}"),
            };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} in {family}");
            assert!(labels_are_well_formed(series), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes twice");
        }
    }
    samples
}

fn labels_are_well_formed(series: &str) -> bool {
    let Some((_, rest)) = series.split_once('{') else {
        return !series.contains('}');
    };
    let Some(inside) = rest.strip_suffix('}') else {
        return false;
    };
    let mut names = BTreeSet::new();
    let mut rest = inside;
    loop {
        let Some((name, value)) = rest.split_once("=\"") else {
            return false;
        };
        let good = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && names.insert(name.to_owned());
        let mut escaped = false;
        let Some(end) = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        }) else {
            return false;
        };
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) if good => rest = more,
            _ => return good && rest.is_empty(),
        }
    }
}

#[tokio::test]
async fn f76_the_last_pull_is_a_metric_where_something_pulls() {
    const NAME: &str = "posmoded_source_last_success_timestamp_seconds";
    let (view, vitals) = view();
    let text = || Metrics::of(view.clone()).text().unwrap();
    assert!(!text().contains(NAME), "{}", text());
    let commit = "ab".repeat(20);
    vitals.0.lock().unwrap().last_pull = Some(LastPull { last_success_at: at(-40), commit: commit.clone() });
    assert_eq!(read(&text()).get(NAME), Some(&1_795_337_960.0));
    let status = serde_json::to_value(view.status()).unwrap();
    let expected = serde_json::json!({ "last_success_at": "2026-11-22T08:59:20Z", "commit": commit });
    assert_eq!(status["source"], expected);
}

#[tokio::test]
async fn every_metric_of_the_contract_is_there_and_the_text_is_well_formed() {
    let samples = read(&Metrics::of(view().0).text().unwrap());
    let waiting = r#"{account="desk-3",scope="USDT-FUTURES""#;
    let expected = [
        (r#"posmoded_config_info{generation="17",sha256="9f00aa",commit="a1b2c3d4"}"#.to_owned(), 1.0),
        (format!(r#"posmoded_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION")), 1.0),
        ("posmoded_config_last_load_successful".to_owned(), 1.0),
        ("posmoded_config_last_load_success_timestamp_seconds".to_owned(), 1_795_334_400.0),
        ("posmoded_paused".to_owned(), 0.0),
        ("posmoded_held_changes".to_owned(), 0.0),
        (format!("posmoded_target_in_sync{waiting}}}"), 0.0),
        (r#"posmoded_target_in_sync{account="desk-1",scope="USDT-FUTURES"}"#.to_owned(), 1.0),
        (format!(r#"posmoded_target_state{waiting},state="pending",reason="not_flat"}}"#), 1.0),
        (format!(r#"posmoded_target_wants{waiting},wants="itself"}}"#), 1.0),
        (r#"posmoded_target_wants{account="desk-1",scope="USDT-FUTURES",wants="none"}"#.to_owned(), 1.0),
        (format!(r#"posmoded_target_need{waiting},need="none"}}"#), 1.0),
        (r#"posmoded_account_needs{account="desk-3",need="now"}"#.to_owned(), 0.0),
        (format!("posmoded_target_reason_since_timestamp_seconds{waiting}}}"), 1_795_337_160.0),
        (format!("posmoded_target_not_in_sync_since_timestamp_seconds{waiting}}}"), 1_795_337_160.0),
        (format!("posmoded_target_last_look_timestamp_seconds{waiting}}}"), 1_795_337_995.0),
        (format!("posmoded_outcome_unknown{waiting}}}"), 0.0),
        (format!(r#"posmoded_mode_changes_total{waiting},result="confirmed"}}"#), 2.0),
        (format!(r#"posmoded_mode_changes_total{waiting},result="refused"}}"#), 0.0),
        (format!(r#"posmoded_mode_changes_total{waiting},result="unknown"}}"#), 0.0),
        (format!(r#"posmoded_mode_changes_total{waiting},result="withdrawn"}}"#), 0.0),
        (format!("posmoded_drift_detected_total{waiting}}}"), 1.0),
        (r#"posmoded_clock_offset_seconds{account="desk-1"}"#.to_owned(), -0.25),
        ("posmoded_coffees_total".to_owned(), 3.0),
        (r#"posmoded_coffee_wait_seconds_bucket{le="1.0"}"#.to_owned(), 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(samples.get(&series), Some(&value), "{series} in {samples:#?}");
    }
}

#[tokio::test]
async fn only_the_current_state_of_a_target_is_there_and_a_released_target_is_not() {
    let (view, _) = view();
    let metrics = Metrics::of(view.clone());
    let of = |prefix: &str| {
        let samples = read(&metrics.text().unwrap());
        samples.into_keys().filter(|series| series.starts_with(prefix)).count()
    };
    assert_eq!(of("posmoded_target_state{account=\"desk-3\""), 1);
    assert_eq!(of("posmoded_target_wants{account=\"desk-3\""), 1);
    assert_eq!(of("posmoded_target_not_in_sync_since_timestamp_seconds{account=\"desk-1\""), 0);
    let unseen = account(view.clock.now(), vec![target("desk-3", Some(Reason::OutcomeUnknown))]);
    drop(view.board.add("desk-3".parse().unwrap(), unseen));
    assert_eq!(of("posmoded_target_state{account=\"desk-3\""), 1);
    let unknown = read(&metrics.text().unwrap());
    let series = r#"posmoded_outcome_unknown{account="desk-3",scope="USDT-FUTURES"}"#;
    assert_eq!(unknown.get(series), Some(&1.0));
    view.board.remove(&"desk-3".parse().unwrap());
    let samples = read(&metrics.text().unwrap());
    assert!(samples.keys().all(|series| !series.contains("desk-3")), "{samples:#?}");
}

#[tokio::test]
async fn f12_a_refused_file_is_told_and_text_of_others_cannot_break_the_form() {
    let (view, _) = view();
    view.board.frame(|frame| {
        frame.config.problem = Some("line 3".to_owned());
        frame.config.commit = Some("a\"b\\c\nd".to_owned());
    });
    let samples = read(&Metrics::of(view).text().unwrap());
    assert_eq!(samples.get("posmoded_config_last_load_successful"), Some(&0.0));
    let commit = samples.keys().find(|series| series.starts_with("posmoded_config_info")).unwrap();
    assert!(commit.contains(r#"commit="a\"b\\c\nd""#), "{commit}");
}

#[tokio::test]
async fn since_when_something_is_paused_is_there_only_while_it_is() {
    const SINCE: [&str; 2] = [
        "posmoded_paused_since_timestamp_seconds",
        r#"posmoded_account_paused_since_timestamp_seconds{account="desk-3"}"#,
    ];
    let (view, _) = view();
    let found = || {
        let samples = read(&Metrics::of(view.clone()).text().unwrap());
        SINCE.map(|series| samples.get(series).copied())
    };
    assert_eq!(found(), [None, None]);
    let since =
        |seconds| Paused { reason: "maintenance".to_owned(), who: None, since: at(seconds), until: None };
    view.board.frame(|frame| {
        frame.paused = Some(since(-40));
        frame.paused_accounts.insert("desk-3".parse().unwrap(), since(-100));
    });
    assert_eq!(found(), [Some(1_795_337_960.0), Some(1_795_337_900.0)]);
}

#[tokio::test]
async fn a_scrape_without_accounts_or_counters_is_well_formed_too() {
    let (mut view, _) = view();
    view.counters = Arc::new(Registry::with_prefix(PREFIX));
    for account in ["desk-1", "desk-3"] {
        view.board.remove(&account.parse().unwrap());
    }
    let samples = read(&Metrics::of(view).text().unwrap());
    assert_eq!(samples.get("posmoded_paused"), Some(&0.0));
}

#[tokio::test]
async fn another_hosts_target_is_shown_and_alerts_nobody_here() {
    let (view, _) = view();
    let elsewhere = vec![target("desk-9", Some(Reason::Elsewhere))];
    drop(view.board.add("desk-9".parse().unwrap(), account(view.clock.now(), elsewhere)));
    let samples = read(&Metrics::of(view).text().unwrap());
    let of = |name: &str| {
        samples.keys().any(|series| series.starts_with(name) && series.contains(r#"account="desk-9""#))
    };
    assert!(of("posmoded_target_state"));
    for name in [
        "target_in_sync",
        "target_wants",
        "target_need",
        "account_needs",
        "target_reason_since",
        "target_not_in_sync_since",
        "target_last_look",
    ] {
        assert!(!of(&format!("posmoded_{name}")), "{name}");
    }
}

#[tokio::test]
async fn what_somebody_decided_stands_apart_from_what_wants_a_human_now() {
    let (view, _) = view();
    let of = |reason| {
        let targets = vec![target("desk-9", reason)];
        drop(view.board.add("desk-9".parse().unwrap(), account(view.clock.now(), targets)));
        let samples = read(&Metrics::of(view.clone()).text().unwrap());
        let named = |need: &str| {
            format!(r#"posmoded_target_need{{account="desk-9",scope="USDT-FUTURES",need="{need}"}}"#)
        };
        let words = ["now", "to_be_decided", "stopped_on_purpose", "none"];
        let found: Vec<&str> = words.into_iter().filter(|need| samples.contains_key(&named(need))).collect();
        let counted = |need: &&str| {
            samples.get(&format!(r#"posmoded_account_needs{{account="desk-9",need="{need}"}}"#)) == Some(&1.0)
        };
        let counted: Vec<&str> = words.into_iter().filter(counted).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(counted, if found == ["none"] { Vec::new() } else { found.clone() });
        found[0]
    };
    assert_eq!(of(Some(Reason::Denied)), "now");
    assert_eq!(of(Some(Reason::Reported)), "to_be_decided");
    assert_eq!(of(Some(Reason::Suspended)), "stopped_on_purpose");
    assert_eq!(of(Some(Reason::NotFlat)), "none");
    assert_eq!(of(None), "none");
}
