//! The alert rules: that what they look at exists, by what a running daemon shows, by promtool, and by a Prometheus that
//! loads them and scrapes it.

mod dashboard;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use strum::VariantArray as _;

use bitget_sim::{HoldSide, ProductType, Uid};
use posmoded::protocol::{Need, Reason, State, Wants};
use regex::Regex;
use serde_json::Value;

use super::{Host, PATIENCE, RUN, Venue, declared, get};

const RULES: &str = include_str!("../../../deploy/prometheus/posmoded.rules.yml");
const README: &str = include_str!("../../../README.md");
const RUNBOOK: &str = include_str!("../../../deploy/README.md");
const MANIFEST: &str = include_str!("../../../Cargo.toml");
/// The runbook, as the package installs it.
const INSTALLED: &str = "file:///usr/share/doc/posmoded/deploy/README.md";
const TRIALS: [&str; 2] = ["posmoded.rules.test.yml", "posmoded.rules.days.test.yml"];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");

/// All that an expression may say beside metrics of ours and what is in braces, quotes or a list of labels.
const LANGUAGE: &[&str] = &[
    "ALERTS",
    "abs",
    "absent",
    "and",
    "count",
    "group_left",
    "h",
    "increase",
    "m",
    "max",
    "max_over_time",
    "min",
    "or",
    "resets",
    "time",
    "unless",
    "up",
];
/// A metric of ours, and a list of labels to match by, as patterns.
const OURS: &str = "posmoded_[a-z_]+";
const LABELS: &str = r"(?:by|without|on|ignoring) *\(([^)]*)\)";
/// Reasons that no rule names, and why not.
const TOLD_OTHERWISE: [(Reason, &str); 6] = [
    (Reason::Elsewhere, "the other host's alerts tell of it"),
    (Reason::OutcomeUnknown, "PosmodedOutcomeUnknown, whatever comes before it"),
    (Reason::Suspended, "nobody: the file says so, and why"),
    (Reason::Paused, "PosmodedPausedForLong, whatever comes before it"),
    (Reason::File, "PosmodedFileRejected, once for the host"),
    (Reason::Held, "PosmodedHeld, once for the host"),
];

/// One alert, as far as these tests look at it.
struct Alert {
    name: String,
    expr: String,
    /// How long its expression must hold.
    lasting: Option<String>,
    summary: String,
    description: String,
    runbook: String,
    page: Option<String>,
}

fn alerts() -> Vec<Alert> {
    let rules: Value = serde_yaml::from_str(RULES).unwrap();
    let rules =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    let alert = |rule: &Value| {
        let told = &rule["annotations"];
        Alert {
            name: text(&rule["alert"]),
            expr: text(&rule["expr"]),
            lasting: rule["for"].as_str().map(str::to_owned),
            summary: text(&told["summary"]),
            description: text(&told["description"]),
            runbook: text(&told["runbook_url"]),
            page: told["page"].as_str().map(str::to_owned),
        }
    };
    rules.map(alert).collect()
}

#[test]
fn f46_every_metric_label_and_value_that_an_alert_names_is_there() {
    let shown = shown();
    let scraped = ["job", "instance"];
    for Alert { name, expr, summary, description, runbook, page, .. } in alerts() {
        let mut labels: BTreeSet<&str> = scraped.into();
        for (metric, matchers) in selectors(&expr) {
            let values = shown.get(&metric).unwrap_or_else(|| panic!("{name}: no metric {metric}"));
            labels.extend(values.keys().map(String::as_str));
            for (label, wanted) in matchers {
                let known = values.get(&label).unwrap_or_else(|| panic!("{name}: {metric} has no {label}"));
                let missing: Vec<&str> = wanted.split('|').filter(|value| !known.contains(*value)).collect();
                assert!(missing.is_empty(), "{name}: {metric} never has {label}={missing:?}, only {known:?}");
            }
        }
        for list in captures(LABELS, &expr) {
            for label in list.split(',').map(str::trim).filter(|label| !label.is_empty()) {
                assert!(labels.contains(label), "{name}: nothing in it has the label {label}");
            }
        }
        for label in captures(
            r"\$labels\.([a-z_]+)",
            &[summary, description, runbook, page.unwrap_or_default()].concat(),
        ) {
            assert!(labels.contains(label.as_str()), "{name}: nothing in it has the label {label}");
        }
        let bare =
            [r#""[^"]*""#, r"\{[^}]*\}", LABELS, OURS].into_iter().fold(expr.clone(), |left, pattern| {
                Regex::new(pattern).unwrap().replace_all(&left, "").into_owned()
            });
        for word in captures(r"([a-zA-Z_]+)", &bare) {
            assert!(LANGUAGE.contains(&word.as_str()), "{name}: {word} is no metric of ours");
        }
    }
}

#[test]
fn an_alert_or_a_reason_not_to_have_one_belongs_to_every_reason_and_a_row_of_the_runbook_to_both() {
    let rows = anchors();
    let mut told = BTreeSet::new();
    for Alert { name, expr, runbook, .. } in alerts() {
        let reasons: Vec<String> = selectors(&expr)
            .into_iter()
            .flat_map(|(_, matchers)| matchers)
            .filter(|(label, _)| label == "reason")
            .flat_map(|(_, values)| values.split('|').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let (file, row) = runbook.split_once('#').unwrap_or_else(|| panic!("{name}: no row of the runbook"));
        assert_eq!(file, INSTALLED, "{name}");
        let of_each = reasons.iter().map(|reason| row.replace("{{ $labels.reason }}", reason));
        for row in of_each.chain([row.to_owned()]).filter(|row| !row.contains('{')) {
            assert!(rows.contains(&row), "{name}: {file} has no row {row}");
        }
        told.extend(reasons);
    }
    for reason in Reason::VARIANTS.iter().copied() {
        let excused = TOLD_OTHERWISE.iter().any(|(excused, _)| *excused == reason);
        assert!(
            told.contains(reason.as_str()) != excused,
            "{reason}: one alert, or one line why there is none"
        );
        assert!(rows.contains(reason.as_str()), "deploy/README.md has no row for {reason}");
        assert!(README.contains(&format!("`{reason}`")), "README.md has no row for {reason}");
    }
}

/// What a link into the runbook can name: its rows, and its headings as forges make anchors of them.
fn anchors() -> BTreeSet<String> {
    let anchor = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
    };
    let headings = captures("(?m)^#+ (.*)$", RUNBOOK);
    let rows = captures(r#"<a id="([^"]*)"></a>"#, RUNBOOK);
    rows.into_iter().chain(headings.iter().map(|heading| anchor(heading))).collect()
}

#[test]
fn the_runbook_lies_where_the_alerts_say() {
    let folder = INSTALLED.strip_prefix("file:///").unwrap().strip_suffix("README.md").unwrap();
    assert!(MANIFEST.contains(&format!(r#"["deploy/README.md", "{folder}", "644"]"#)), "{INSTALLED}");
    assert!(RUNBOOK.contains(INSTALLED), "deploy/README.md does not say where its links lead");
}

#[test]
fn an_alert_says_where_since_when_and_what_to_type_and_one_matter_is_one_alert() {
    for Alert { name, expr, lasting, summary, description, page, .. } in alerts() {
        let nobody_is_there = name == "PosmodedAbsent";
        assert!(
            nobody_is_there || summary.contains("{{ $labels.instance }}"),
            "{name} says not where: {summary}"
        );
        let hours = captures(r"([0-9]+) \* 3600", &expr).into_iter().map(|hours| format!("{hours}h"));
        let window: Vec<String> = captures(r"\[([0-9]+[mh])\]", &expr).into_iter().chain(hours).collect();
        let spelled = lasting.iter().chain(&window).map(|time| {
            let (count, unit) = time.split_at(time.len() - 1);
            format!("{count} {}", if unit == "m" { "min" } else { unit })
        });
        let is_timed =
            summary.contains("humanizeDuration }}") || spelled.clone().any(|time| summary.contains(&time));
        assert!(is_timed, "{name} says not since when ({:?}): {summary}", spelled.collect::<Vec<_>>());
        // The text of a summary stays as it is for as long as the alert fires.
        let frozen = captures("[Ff]or ([0-9]+ (?:min|h))", &summary);
        assert!(frozen.is_empty(), "{name} goes on saying {frozen:?}: {summary}");
        let commands = captures("`([^`]*)`", &description);
        let of_host = ["systemctl ", "journalctl ", "timedatectl"];
        let can_be_typed = |line: &&String| {
            line.starts_with("posmoded ") || of_host.iter().any(|program| line.starts_with(program))
        };
        assert!(
            commands.iter().any(|line| can_be_typed(&line)),
            "{name} says not what to type: {description}"
        );
        for verb in commands.iter().filter_map(|line| line.strip_prefix("posmoded ")) {
            let verb = verb.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap();
            assert!(README.contains(&format!("posmoded {verb}")), "{name}: there is no posmoded {verb}");
        }
        let of_account = expr.starts_with("max by (job, instance, account");
        if of_account {
            assert!(summary.contains("{{ $labels.account }}"), "{name}: {summary}");
            let whole =
                |line: &String| line.starts_with("posmoded ") && line.ends_with("{{ $labels.account }}");
            assert!(commands.iter().any(whole), "{name} leaves the account to be typed: {description}");
            assert_eq!(
                page.as_deref(),
                Some("http://{{ $labels.instance }}/#search={{ $labels.account }}"),
                "{name}"
            );
        }
        // What is there for each scope is told once for its account, or for the host.
        let per_scope = ["posmoded_target_", "posmoded_outcome_unknown", "posmoded_drift_detected"];
        if per_scope.iter().any(|metric| expr.contains(metric)) {
            let lists = captures(r"by *\(([^)]*)\)", &expr);
            let of_host =
                ["count", "max"].iter().any(|how| expr.starts_with(&format!("{how} by (job, instance) (")));
            assert!(of_account || of_host, "{name}: {expr}");
            assert!(lists.iter().all(|list| !list.contains("scope")), "{name}: {expr}");
        }
    }
}

#[test]
fn hosts_are_told_apart_as_the_rules_and_the_guide_say_to_scrape_them() {
    let config: Value = serde_yaml::from_str(&example()).unwrap();
    let of_host = &config["scrape_configs"][0]["static_configs"][0];
    assert_eq!(of_host["targets"], serde_json::json!(["127.0.0.1:9848"]));
    assert_eq!(of_host["labels"]["instance"], "trade-01:9848");
    let shown = captures("(?s)```yaml\n# /etc/prometheus/prometheus.yml[^\n]*\n(.*?)```", RUNBOOK);
    assert_eq!(serde_yaml::from_str::<Value>(&shown[0]).unwrap(), config, "the guide and the rules differ");
}

#[test]
fn promtool_finds_the_rules_good_and_each_fires_when_it_should() {
    let tests = TRIALS.map(|file| fs::read_to_string(Path::new(FOLDER).join(file)).unwrap()).concat();
    for Alert { name, .. } in alerts() {
        assert!(tests.contains(&format!("\"{name}\"")), "{name} is not seen firing");
    }
    if !there_is("promtool") {
        return;
    }
    for (word, file) in [("check", "posmoded.rules.yml")].into_iter().chain(TRIALS.map(|file| ("test", file)))
    {
        let told = Command::new("promtool").args([word, "rules", file]).current_dir(FOLDER).output().unwrap();
        let said = [told.stdout, told.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(told.status.success(), "promtool {word} rules {file}: {said}");
    }
}

#[test]
fn a_prometheus_that_scrapes_the_daemon_evaluates_every_rule_and_tells_of_a_bad_file() {
    if !there_is("prometheus") {
        return;
    }
    let (venue, mut host) = two_desks();
    let daemon = host.start();
    let prometheus = Prometheus::scraping(daemon, host.path("prometheus"));
    let firing = |name: &str, state: &str| {
        let told = prometheus
            .ask(&format!("query?query=ALERTS%7Balertname=%22{name}%22,alertstate=%22{state}%22%7D"));
        told.is_some_and(|told| told["data"]["result"].as_array().is_some_and(|found| !found.is_empty()))
    };
    host.wait_until("the targets are scraped", || {
        let told = prometheus.ask("query?query=sum(posmoded_target_in_sync)")?;
        (told["data"]["result"][0]["value"][1] == "1").then_some(())
    });
    assert!(!firing("PosmodedFileRejected", "pending"));
    host.declare("version: 1\n");
    host.wait_until("the alert", || firing("PosmodedFileRejected", "pending").then_some(()));
    // It names the host, not the address that all hosts are scraped at.
    let told = prometheus.ask("query?query=ALERTS%7Binstance=%22trade-01:9848%22%7D").unwrap();
    assert_eq!(told["data"]["result"][0]["metric"]["alertname"], "PosmodedFileRejected", "{told}");
    let told = prometheus.ask("rules").unwrap();
    let rules = told["data"]["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), alerts().len());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    assert!(!firing("PosmodedAbsent", "pending") && !firing("PosmodedDown", "pending"));
    assert_eq!(venue.sets(), []);
}

/// A real Prometheus, with the rules, that looks at one daemon every second.
struct Prometheus {
    at: SocketAddr,
    process: Child,
}

impl Prometheus {
    fn scraping(daemon: SocketAddr, home: PathBuf) -> Prometheus {
        Prometheus::with_rules(&format!("{FOLDER}/posmoded.rules.yml"), daemon, home)
    }

    fn with_rules(rules: &str, daemon: SocketAddr, home: PathBuf) -> Prometheus {
        fs::create_dir(&home).unwrap();
        let config = format!("global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n{}", example())
            .replace("127.0.0.1:9848", &daemon.to_string())
            .replace("/usr/share/posmoded/posmoded.rules.yml", rules);
        fs::write(home.join("prometheus.yml"), config).unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={at}"))
            .current_dir(home)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { at, process }
    }

    /// HTTP/1.0: the body comes in one piece. `None` while it starts.
    fn ask(&self, what: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.at).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /api/v1/{what} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One account in sync, and one that waits until it is flat.
fn two_desks() -> (Venue, Host) {
    let venue = Venue::of_desks(2);
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(2), ProductType::UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode")]);
    let host = Host::new(&venue, &["desk-1", "desk-2"], &file);
    (venue, host)
}

/// Every metric that a daemon shows, with the values that each of its labels takes, or may take.
fn shown() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let (_venue, mut host) = two_desks();
    let config = brought_from_git(&host);
    host.spawn(host.command(&[&RUN[..], &["--config", &config]].concat()));
    let at = host.address();
    let once = |host: &Host, reason: &str| {
        host.wait_until("both are looked at", || {
            let (_, text) = get(at, "/metrics");
            (text.contains("\"in_sync\"") && text.contains(reason)).then_some(text)
        })
    };
    once(&host, "\"not_flat\"");
    for whom in [&["desk-1"][..], &[]] {
        let (code, said, err) = host.call(&[&["pause", "--reason", "to see it"][..], whom].concat());
        assert_eq!(code, 0, "{said}{err}");
    }
    let text = once(&host, "\"paused\"");
    let mut shown: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let label = Regex::new(r#"([a-z]+)="([^"]*)""#).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = shown.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    let states = shown.get_mut("posmoded_target_state").unwrap();
    states.get_mut("state").unwrap().extend(State::VARIANTS.iter().map(ToString::to_string));
    states.get_mut("reason").unwrap().extend(Reason::VARIANTS.iter().map(ToString::to_string));
    let wants = shown.get_mut("posmoded_target_wants").unwrap().get_mut("wants").unwrap();
    wants.extend(Wants::VARIANTS.iter().map(ToString::to_string));
    let need = shown.get_mut("posmoded_target_need").unwrap().get_mut("need").unwrap();
    need.extend(Need::VARIANTS.iter().map(ToString::to_string));
    shown
}

/// The file of a host, as what brings it from git lays it out: the path to it.
fn brought_from_git(host: &Host) -> String {
    let commit = "ab".repeat(20);
    let release = host.path("releases").join(&commit);
    fs::create_dir_all(&release).unwrap();
    fs::rename(host.path("desired-state.yaml"), release.join("desired-state.yaml")).unwrap();
    symlink(release, host.path("current")).unwrap();
    fs::write(host.path("last-success"), format!("2026-11-22T09:00:00Z {commit}\n")).unwrap();
    host.path("current/desired-state.yaml").to_str().unwrap().to_owned()
}

/// The metrics of ours in an expression, each with what it asks of labels.
fn selectors(expr: &str) -> Vec<(String, Vec<(String, String)>)> {
    let selector = Regex::new(&format!(r"({OURS})(?:\{{([^}}]*)\}})?")).unwrap();
    let matcher = Regex::new(r#"([a-z_]+) *(?:=~|!~|!=|=) *"([^"]*)""#).unwrap();
    let matchers = |text: &str| {
        matcher.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
    };
    selector
        .captures_iter(expr)
        .map(|found| {
            (found[1].to_owned(), found.get(2).map_or_else(Vec::new, |text| matchers(text.as_str())))
        })
        .collect()
}

fn captures(pattern: &str, text: &str) -> Vec<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// How the rules say that a host is scraped.
fn example() -> String {
    let lines =
        RULES.lines().map_while(|line| line.strip_prefix('#')).filter_map(|line| line.strip_prefix("   "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn there_is(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|told| told.status.success());
    if !found {
        assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{program} is needed (Debian: prometheus)");
        let told = format!(
            "\nskipped: there is no {program} (Debian: prometheus) to read the rules and the dashboard with\n"
        );
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    found
}
