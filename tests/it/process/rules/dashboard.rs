//! The dashboard: that it can be imported, that what it asks for exists, and that a Prometheus which scrapes the daemon has
//! an answer to each of its queries.

use super::*;

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/posmoded.json");
/// What Prometheus itself puts on each series.
const SCRAPED: [&str; 2] = ["job", "instance"];

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
    let filled = [("$instance", ".*"), ("$account", ".*"), ("$__rate_interval", "30s")]
        .iter()
        .fold(expr.to_owned(), |expr, (variable, value)| expr.replace(variable, value));
    assert!(!filled.contains('$'), "a variable that Grafana does not know: {filled}");
    filled
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
    assert_eq!(variables, ["datasource", "instance", "account"]);
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
        let mut labels: BTreeSet<&str> = SCRAPED.into();
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
            for label in list.split(',').map(str::trim) {
                assert!(labels.contains(label), "{panel}: nothing in it has the label {label}");
            }
        }
    }
}

#[test]
fn a_prometheus_that_scrapes_the_daemon_has_an_answer_to_every_query_of_the_dashboard() {
    if !there_is("prometheus") {
        return;
    }
    // One in sync, one that waits until it is flat, and one that wants a human.
    let venue = Venue::of_desks(3);
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(2), ProductType::UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "hedge_mode"), ("desk-3", "hedge_mode")]);
    let file = file.replace("  desk-3:\n", "  desk-3:\n    suspend: \"until the review is done\"\n");
    let mut host = Host::new(&venue, &["desk-1", "desk-2", "desk-3"], &file);
    let config = brought_from_git(&host);
    host.spawn(host.command(&[&RUN[..], &["--config", &config]].concat()));
    let prometheus = Prometheus::scraping(host.address(), host.path("prometheus"));
    let mut left = queries();
    host.wait_until("every query has data", || {
        left.retain(|Query { panel, expr }| {
            let told = prometheus.ask(&format!("query?query={}", encoded(expr)));
            let Some(told) = told else { return true };
            assert_eq!(told["status"], "success", "{panel}: {told}");
            told["data"]["result"].as_array().unwrap().is_empty()
        });
        left.is_empty().then_some(())
    });
    let wants = "posmoded_target_state and on (account, scope) (posmoded_target_wants{wants=\"human\"} == 1)";
    let told = prometheus.ask(&format!("query?query={}", encoded(wants))).unwrap();
    let found = told["data"]["result"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{told}");
    assert_eq!(
        (&found[0]["metric"]["account"], &found[0]["metric"]["reason"]),
        (&"desk-3".into(), &"suspended".into())
    );
}

/// As a part of a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
