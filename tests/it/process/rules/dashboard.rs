//! The dashboard: that it can be imported, that what it asks for exists, and that a Prometheus which scrapes the daemon has
//! an answer to each of its queries.

use std::fmt::Write as _;

use bitget_sim::PosMode;

use super::*;

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/posmoded.json");
/// What Prometheus itself puts on each series.
const SCRAPED: [&str; 2] = ["job", "instance"];
/// The label of `ALERTS` that its other series lacks.
const OF_ALERTS: &str = "alertstate";

/// One query of a panel, with the dashboard's variables filled in as for everything.
struct Query {
    panel: String,
    expr: String,
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// All panels, those in rows, too.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let of = |holder: &'_ Value| holder["panels"].as_array().cloned().unwrap_or_default();
    let top = dashboard["panels"].as_array().unwrap();
    assert!(top.iter().all(|panel| of(panel).is_empty()), "no panel is hidden in a collapsed row");
    top.iter().collect()
}

fn queries() -> Vec<Query> {
    let told = dashboard();
    let of_panel = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        assert_eq!(targets.is_empty(), panel["type"] == "row", "{title}");
        targets
            .into_iter()
            .map(move |target| Query { panel: title.clone(), expr: filled(target["expr"].as_str().unwrap()) })
    };
    let queries: Vec<Query> = panels(&told).into_iter().flat_map(of_panel).collect();
    assert!(queries.len() > 20);
    queries
}

fn filled(expr: &str) -> String {
    filled_with(expr, "30s")
}

/// `interval` is how long one bar is.
fn filled_with(expr: &str, interval: &str) -> String {
    let filled =
        [("$instance", ".*"), ("$account", ".*"), ("$__rate_interval", "30s"), ("$__interval", interval)]
            .iter()
            .fold(expr.to_owned(), |expr, (variable, value)| expr.replace(variable, value));
    // `$1` is what a label_replace has found.
    assert!(!filled.replace("$1", "").contains('$'), "a variable that Grafana does not know: {filled}");
    filled
}

#[test]
fn what_fires_comes_first() {
    let told = dashboard();
    let first = panels(&told)[1];
    assert_eq!((&first["title"], &first["type"]), (&"Alerts that fire".into(), &"table".into()));
    let expr = first["targets"][0]["expr"].as_str().unwrap();
    // An alert about a host has no account, one that nobody is scraped has no host, either.
    assert!(expr.contains(r#"instance=~"$instance|", account=~"$account|""#), "{expr}");
}

#[test]
fn the_dashboard_can_be_imported_beside_others_and_into_any_grafana() {
    let told = dashboard();
    assert_eq!((&told["id"], &told["uid"]), (&Value::Null, &"posmoded".into()));
    let variables: Vec<&str> = told["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["datasource", "instance", "account", "runbook"]);
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&told) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id stands twice");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}: wider than the page");
        for cell in
            (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y)))
        {
            assert!(cells.insert(cell), "{title} lies upon another panel");
        }
        let asked = panel["targets"].as_array().into_iter().flatten().chain([panel]);
        for who in asked.filter(|_| panel["type"] != "row") {
            assert_eq!(
                who["datasource"]["uid"], "${datasource}",
                "{title}: bound to one Grafana's datasource"
            );
        }
    }
    let rows: Vec<&str> = panels(&told)
        .into_iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["What wants a human", "Targets", "Changes", "The exchange", "The daemon"]);
}

#[test]
fn f46_every_metric_label_and_value_that_the_dashboard_names_is_there() {
    let shown = shown();
    let told = dashboard();
    let variables = told["templating"]["list"].as_array().unwrap().iter().filter_map(|variable| {
        let found = captures(r"label_values\((.*), [a-z]+\)", variable["definition"].as_str()?);
        Some(Query { panel: format!("variable {}", variable["name"]), expr: filled(found.first()?) })
    });
    for Query { panel, expr } in queries().into_iter().chain(variables) {
        let mut labels: BTreeSet<&str> = SCRAPED.into_iter().chain([OF_ALERTS]).collect();
        for (metric, matchers) in selectors(&expr) {
            let values = shown.get(&metric).unwrap_or_else(|| panic!("{panel}: no metric {metric}"));
            labels.extend(values.keys().map(String::as_str));
            for (label, wanted) in matchers.iter().filter(|(label, _)| !SCRAPED.contains(&label.as_str())) {
                // A metric without the label of a filter would show nothing as soon as the filter is used.
                let known = values.get(label).unwrap_or_else(|| panic!("{panel}: {metric} has no {label}"));
                let missing = wanted.split('|').find(|value| *value != ".*" && !known.contains(*value));
                assert_eq!(missing, None, "{panel}: {metric} never has that {label}, only {known:?}");
            }
        }
        for list in captures(r"(?:by|without|on|ignoring|group_left) *\(([^)]*)\)", &expr) {
            for label in list.split(',').map(str::trim).filter(|label| !label.is_empty()) {
                assert!(labels.contains(label), "{panel}: nothing in it has the label {label}");
            }
        }
    }
}

#[test]
fn every_host_and_target_leads_to_its_page_and_every_reason_to_its_row_of_the_runbook() {
    let told = dashboard();
    let runbook = &told["templating"]["list"][3];
    assert_eq!((&runbook["query"], &runbook["current"]["value"]), (&INSTALLED.into(), &INSTALLED.into()));
    assert_eq!(told["links"][0]["url"], "${runbook}");
    // Browsers open no file: from a page, so who looks can put another address there.
    assert_eq!(runbook["hide"], 0, "the variable is hidden");
    for panel in panels(&told).into_iter().filter(|panel| panel["type"] == "table") {
        let shown = panel["transformations"].to_string();
        let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap();
        let account = if shown.contains("\"scope\"") {
            "http://${__data.fields.instance}/#target=${__data.fields.account}/${__data.fields.scope}"
        } else {
            "http://${__data.fields.instance}/#search=${__data.fields.account}"
        };
        let link = |column: &str| {
            let of_it = overrides.iter().filter(|one| one["matcher"]["options"] == column);
            let mut properties = of_it.flat_map(|one| one["properties"].as_array().unwrap());
            let found = properties.find(|property| property["id"] == "links")?;
            Some(found["value"][0]["url"].as_str().unwrap().to_owned())
        };
        for (column, expected) in [
            ("instance", "http://${__data.fields.instance}/"),
            ("account", account),
            ("reason", "${runbook}#${__data.fields.reason}"),
        ] {
            // What a link names stands in its row.
            if shown.contains(&format!("\"{column}\"")) {
                assert_eq!(link(column).as_deref(), Some(expected), "{} {column}", panel["title"]);
            }
        }
    }
    // What a table says where it is empty would else stand in each of its cells that are.
    for panel in
        panels(&told).into_iter().filter(|panel| panel["fieldConfig"]["defaults"]["noValue"].is_string())
    {
        let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap();
        let since = overrides.iter().filter(|one| one["properties"][0]["value"] == "dateTimeFromNow");
        let has_own =
            |one: &Value| one["properties"].as_array().unwrap().iter().any(|one| one["id"] == "noValue");
        assert!(since.into_iter().all(has_own), "{}", panel["title"]);
    }
    // What is empty may be so because nobody answers: no panel says that all is well.
    for panel in panels(&told) {
        let (title, said) = (panel["title"].as_str().unwrap(), &panel["fieldConfig"]["defaults"]["noValue"]);
        match said.as_str() {
            Some(said) if panel["type"] == "table" => {
                assert!(said.ends_with("say whether hosts answer"), "{title}: {said}");
            }
            Some(said) => {
                let is_open = ["no data", "seen", "does not answer"].iter().any(|word| said.contains(word));
                assert!(is_open, "{title}: {said}");
            }
            None => {}
        }
    }
    let page = include_str!("../../../../src/serve/page/page.js");
    for word in ["\"target\"", "\"search\""] {
        assert!(page.contains(&format!("words.get({word})")), "the page takes no {word} from its address");
    }
}

#[test]
fn colours_follow_the_need_and_what_is_not_known_is_not_green() {
    let told = dashboard();
    let found = panels(&told);
    let tiles: Vec<_> = found.iter().filter(|panel| panel["type"] == "stat").collect();
    let mut deliberate = Vec::new();
    for tile in &tiles {
        let steps = tile["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
        // Grafana colours what has no value as the lowest step.
        let colours: Vec<_> = steps.iter().map(|step| (&step["color"], &step["value"])).collect();
        assert_eq!(colours[0], (&"#8e8e8e".into(), &Value::Null), "{}", tile["title"]);
        assert_eq!(colours[1], (&"green".into(), &0.into()), "{}", tile["title"]);
        assert_eq!(colours[2].1, &1, "{}", tile["title"]);
        if *colours[2].0 == "blue" {
            deliberate.push(tile["title"].as_str().unwrap());
        }
    }
    assert_eq!(deliberate, ["Stopped on purpose", "Pauses"]);
    let over_time = found.iter().find(|panel| panel["title"] == "Reasons over time").unwrap();
    let overrides = over_time["fieldConfig"]["overrides"].as_array().unwrap();
    for reason in Reason::VARIANTS.iter().copied().filter(|reason| *reason != Reason::Elsewhere) {
        let expected = match reason.wants() {
            Wants::Human if reason == Reason::Reported => "orange",
            Wants::Human if reason.is_deliberate() => "blue",
            Wants::Human => "red",
            Wants::Time | Wants::Itself => "yellow",
        };
        let covers = |one: &&Value| {
            let pattern = one["matcher"]["options"].as_str().unwrap().trim_matches('/');
            Regex::new(pattern).unwrap().is_match(reason.as_str())
        };
        let colours: Vec<_> =
            overrides.iter().filter(covers).map(|one| &one["properties"][0]["value"]["fixedColor"]).collect();
        assert_eq!(colours, [expected], "{reason}");
    }
}

/// What is drawn as bars: of each panel its title, the metric and the query.
fn bars() -> Vec<(String, String, String)> {
    let told = dashboard();
    let mut bars = Vec::new();
    for panel in panels(&told) {
        let (title, look) = (panel["title"].as_str().unwrap(), &panel["fieldConfig"]["defaults"]);
        let is_bars = look["custom"]["drawStyle"] == "bars";
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().unwrap();
            assert!(!expr.contains("increase("), "{title}: Prometheus guesses what an increase would be");
            if is_bars {
                assert_eq!(look["decimals"], 0, "{title}");
                bars.push((
                    title.to_owned(),
                    captures(&format!("({OURS})"), expr).remove(0),
                    expr.to_owned(),
                ));
            }
        }
    }
    bars
}

#[test]
fn a_bar_counts_what_happened_in_its_time_whole_and_the_first_of_a_process_too() {
    if !there_is("promtool") {
        return;
    }
    // One a minute; a process that is seen with 2 at once, one after 3 that has done 1 since, one that was not scraped for half
    // an hour and counted on, and one that counts nothing.
    let counted = [
        ("steady", "0+1x60"),
        ("first", "_x28 2x32"),
        ("restarted", "3x28 1x32"),
        ("unseen", "5 _x30 9x30"),
        ("calm", "7x60"),
    ];
    let expected: [(&str, &[(&str, u32)]); 4] = [
        ("25m", &[("steady", 5)]),
        ("30m", &[("steady", 5), ("first", 2), ("restarted", 1)]),
        ("35m", &[("steady", 5), ("unseen", 4)]),
        ("40m", &[("steady", 5)]),
    ];
    // Of each series by itself, whatever the panel adds up.
    let sum = Regex::new(r"sum by \([a-z, ]*\)").unwrap();
    let bars = bars();
    assert_eq!(bars.len(), 4);
    let mut file = "rule_files: []\nevaluation_interval: 1m\ntests:\n".to_owned();
    for (title, metric, expr) in &bars {
        let expr = filled_with(expr, "5m").replace('\'', "''");
        let expr = sum.replace(&expr, "sum by (account)");
        writeln!(file, "  - name: {title}\n    interval: 1m\n    input_series:").unwrap();
        for (account, values) in counted {
            writeln!(file, "      - series: '{metric}{{instance=\"a\", account=\"{account}\"}}'").unwrap();
            writeln!(file, "        values: '{values}'").unwrap();
        }
        writeln!(file, "    promql_expr_test:").unwrap();
        for (at, counts) in expected {
            writeln!(file, "      - expr: '({expr}) > 0'\n        eval_time: {at}\n        exp_samples:")
                .unwrap();
            for (account, count) in counts {
                writeln!(file, "          - {{ labels: '{{account=\"{account}\"}}', value: {count} }}")
                    .unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bars.test.yml");
    fs::write(&path, file).unwrap();
    let told = Command::new("promtool").args(["test", "rules"]).arg(&path).output().unwrap();
    let said = [told.stdout, told.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(told.status.success(), "{said}");
}

#[test]
fn a_prometheus_that_scrapes_the_daemon_has_an_answer_to_every_query_of_the_dashboard() {
    if !there_is("prometheus") {
        return;
    }
    let (venue, host, prometheus) = scraped();
    let ask = |expr: &str| asked(&prometheus, expr);
    host.wait_until("three are in sync", || {
        let found = ask("sum(posmoded_target_in_sync)")?;
        (found.first()?["value"][1] == "3").then_some(())
    });
    venue.flip(4, PosMode::HedgeMode);
    venue.simulator.with(|exchange| {
        exchange.key_mut("key-desk-1").unwrap().refused_with = Some("40006".to_owned());
    });
    let (code, said, err) = host.call(&["refresh", "desk-1", "--wait"]);
    assert_eq!(code, 1, "{said}{err}");
    pause(&host, &["desk-5"]);
    let mut left = queries();
    host.wait_until("every query has data", || {
        left.retain(|Query { panel: _, expr }| ask(expr).is_none_or(|found| found.is_empty()));
        left.is_empty().then_some(())
    });
    let answer = |title: &str| ask(&filled(panel(title)["targets"][0]["expr"].as_str().unwrap())).unwrap();
    let of_table = |title: &str, label: &str| -> Vec<(String, String, String)> {
        let found = answer(title);
        let mut rows: Vec<_> =
            found.iter().map(|row| (word(row, label), word(row, "reason"), word(row, "command"))).collect();
        rows.sort();
        rows
    };
    // Those about keys are two, each with its account; milliseconds since 1970.
    let alert = |account: &str| {
        ("critical".to_owned(), format!("posmoded status {account}"), "credential".to_owned())
    };
    let fires = host.wait_until("the alerts about both keys", || {
        let fires = answer("Alerts that fire");
        let mut of_keys: Vec<_> = fires
            .iter()
            .filter(|row| word(row, "alertname") == "PosmodedKeyTrouble")
            .map(|row| (word(row, "severity"), word(row, "command"), word(row, "reason")))
            .collect();
        of_keys.sort();
        (of_keys == [alert("desk-1"), alert("desk-6")]).then_some(fires)
    });
    for row in &fires {
        let since: f64 = row["value"][1].as_str().unwrap().parse().unwrap();
        assert!(since > 1e12 && !word(row, "instance").is_empty(), "{row}");
    }
    let count = |tile: &str| answer(tile)[0]["value"][1].as_str().unwrap().parse::<usize>().unwrap();
    assert_eq!(count("Modes not known"), 1);
    // What `posmoded status` counts together.
    let parts = ["Want a human now", "To be decided", "Stopped on purpose"];
    host.wait_until("the tiles", || (parts.map(count) == [3, 1, 2]).then_some(()));
    let first = first_line(&host);
    assert!(first.contains("6 want a human (3 now, 1 to be decided, 2 stopped on purpose)"), "{first}");
    let row =
        |first: &str, reason: &str, command: &str| (first.to_owned(), reason.to_owned(), command.to_owned());
    for table in ["Want a human now, or are to be decided", "What wants nobody now"] {
        for row in answer(table) {
            let file = INSTALLED.strip_prefix("file://").unwrap();
            let expected = format!(r#"less '+/id="{}"' {file}"#, word(&row, "reason"));
            assert_eq!(word(&row, "read"), expected, "{table}");
        }
    }
    assert_eq!(
        of_table("Want a human now, or are to be decided", "account"),
        [
            row("desk-1", "credential", "posmoded status desk-1"),
            row("desk-4", "reported", "posmoded status desk-4"),
            row("desk-6", "credential", "posmoded status desk-6"),
        ]
    );
    assert_eq!(
        of_table("What wants nobody now", "wants"),
        [
            row("deliberate", "suspended", "posmoded status desk-3"),
            row("itself", "not_flat", "posmoded status desk-2"),
        ]
    );
    // What is to know of an account as a whole has a row of its own.
    let whole =
        ask(&filled(panel("Want a human now, or are to be decided")["targets"][2]["expr"].as_str().unwrap()));
    let whole: Vec<_> = whole.unwrap().iter().map(|row| [word(row, "account"), word(row, "scope")]).collect();
    assert_eq!(whole, [["desk-2", "as a whole"]]);
    let told = panel("What wants nobody now");
    let whole = ask(&filled(told["targets"][2]["expr"].as_str().unwrap())).unwrap();
    let whole: Vec<_> = whole.iter().map(|row| [word(row, "account"), word(row, "wants")]).collect();
    assert_eq!(whole, [["desk-5", "deliberate"]], "it is in sync, and paused");
    // A pause that ends by itself passes with time.
    pause(&host, &["desk-2", "--for", "1h"]);
    host.wait_until("the pauses", || (count("Pauses") == 2 && parts.map(count) == [3, 1, 2]).then_some(()));
    let first = first_line(&host);
    assert!(first.contains("6 want a human (3 now, 1 to be decided, 2 stopped on purpose)"), "{first}");
    assert_eq!(
        of_table("What wants nobody now", "wants"),
        [
            row("deliberate", "suspended", "posmoded status desk-3"),
            row("time", "paused", "posmoded status desk-2"),
        ]
    );
}

/// Six desks, and a Prometheus that scrapes their daemon and whose alerts wait for nothing.
fn scraped() -> (Venue, Host, Prometheus) {
    let (venue, mut host) = six_desks();
    let config = brought_from_git(&host);
    host.spawn(host.command(&[&RUN[..], &["--config", &config]].concat()));
    let rules = host.path("at_once.rules.yml");
    fs::write(&rules, Regex::new("(?m)^ +for: .*\n").unwrap().replace_all(RULES, "").as_ref()).unwrap();
    let prometheus = Prometheus::with_rules(rules.to_str().unwrap(), host.address(), host.path("prometheus"));
    (venue, host, prometheus)
}

fn asked(prometheus: &Prometheus, expr: &str) -> Option<Vec<Value>> {
    let told = prometheus.ask(&format!("query?query={}", encoded(expr)))?;
    assert_eq!(told["status"], "success", "{expr}: {told}");
    told["data"]["result"].as_array().cloned()
}

/// A tile or a table.
fn panel(title: &str) -> Value {
    let told = dashboard();
    let is_it =
        |panel: &&Value| panel["title"] == title && panel["type"] != "row" && panel["type"] != "timeseries";
    panels(&told).into_iter().find(is_it).unwrap().clone()
}

fn word(row: &Value, label: &str) -> String {
    row["metric"][label].as_str().unwrap_or_default().to_owned()
}

fn pause(host: &Host, which: &[&str]) {
    let (code, said, err) = host.call(&[&["pause", "--reason", "to see it"], which].concat());
    assert_eq!(code, 0, "{said}{err}");
}

fn first_line(host: &Host) -> String {
    let (_, said, _) = host.call(&["status"]);
    said.lines().next().unwrap_or_default().to_owned()
}

/// One whose key is refused while it is in sync, one whose key may do too much and that waits until it is flat, one that the file suspends, one whose drift
/// is only reported, one that is in sync, and one without a key.
fn six_desks() -> (Venue, Host) {
    let venue = Venue::of_desks(5);
    venue.simulator.with(|exchange| {
        exchange.key_mut("key-desk-2").unwrap().withdraws = true;
        exchange.open_position(Uid(2), ProductType::UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let desks = ["desk-1", "desk-2", "desk-3", "desk-4", "desk-5", "desk-6"];
    let modes = ["one_way_mode", "hedge_mode", "hedge_mode", "one_way_mode", "one_way_mode", "hedge_mode"];
    let declared = declared(&desks.into_iter().zip(modes).collect::<Vec<_>>());
    let with = |file: String, desk: &str, line: &str| {
        file.replace(&format!("  {desk}:\n"), &format!("  {desk}:\n    {line}\n"))
    };
    let file = with(declared, "desk-1", "check_every: 1h");
    let file = with(file, "desk-3", "suspend: \"until the review is done\"");
    let file = with(file, "desk-4", "drift: report");
    let host = Host::new(&venue, &desks[..5], &file);
    (venue, host)
}

/// As a part of a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
