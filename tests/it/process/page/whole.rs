//! Everything in `/api/status` is on the page, in the words of `posmoded status`.

use std::collections::BTreeSet;

use expect_test::expect;
use posmoded::protocol::{Need, Reason, Wants};
use regex::Regex;
use serde_json::{Value, json};

use super::browser::Browser;
use super::{command_says, desks, status};

/// What a reader gets of a part of the page: its text, and the times that stand behind ages.
struct Read {
    text: String,
    times: BTreeSet<String>,
}

impl Read {
    fn of(browser: &Browser, what: &str) -> Read {
        let text = browser.text(&format!("document.querySelector('{what}').textContent"));
        let times =
            format!("[...document.querySelectorAll('{what} time')].map((time) => time.dateTime).join()");
        let times = browser.text(&times).split(',').map(str::to_owned).collect();
        Read { text: one_line(&text), times }
    }

    /// What of `value` it does not hold, by the path that leads there.
    fn lacks(&self, path: &str, value: &Value) -> Vec<String> {
        match value {
            // What is absent is told in words: `never`, `not read`, `nothing`.
            Value::Null => Vec::new(),
            Value::Array(all) => all.iter().flat_map(|one| self.lacks(path, one)).collect(),
            Value::Object(all) => {
                all.iter().flat_map(|(name, value)| self.lacks(&format!("{path}.{name}"), value)).collect()
            }
            // JavaScript writes 1.0 as 1.
            Value::Number(number) => self.lacks(path, &number.as_f64().unwrap().to_string().into()),
            // Whether every list was read is told by which were not.
            Value::Bool(is) => {
                let is_told = path.ends_with(".detail.complete") && self.text.contains("not read") != *is;
                if is_told { Vec::new() } else { vec![format!("{path}: {is}")] }
            }
            Value::String(word) => {
                let is_there = if word.parse::<jiff::Timestamp>().is_ok() {
                    self.times.contains(word)
                } else {
                    self.text.contains(&one_line(word))
                };
                if is_there { Vec::new() } else { vec![format!("{path}: {word}")] }
            }
        }
    }
}

/// Without backticks, which are code on the page, and with one space where there are several.
fn one_line(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn everything_in_the_status_is_on_the_page() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let mut told = status(fleet.at);
    let targets = told["targets"].take();
    // Ages are told instead: they go by it.
    told["now"].take();
    let page = Read::of(&browser, "main");
    let mut lacks = page.lacks("", &told);
    for target in targets.as_array().unwrap() {
        let name = format!("{}/{}", target["account"].as_str().unwrap(), target["scope"].as_str().unwrap());
        lacks.extend(page.lacks(&name, &target["state"]));
        lacks.extend(page.lacks(&name, &target["reason"]));
        browser.eval(&format!("document.querySelector('.cell [data-target=\"{name}\"]').click()"));
        browser.wait_for("its detail", "document.querySelector('dialog').open");
        let detail = Read::of(&browser, "dialog");
        let mut target = target.clone();
        if target["reason"] == "elsewhere" {
            // Nothing is awaited here.
            assert!(detail.text.contains("Waits fornothing here: another host looks after it"));
            for name in ["wants", "applied", "next_look_at", "drift"] {
                target[name].take();
            }
        }
        lacks.extend(detail.lacks(&name, &target));
        lacks.extend(detail.lacks(&name, &told["paused_accounts"][target["account"].as_str().unwrap()]));
        browser.press("Escape");
        browser.wait_for("no detail", "!document.querySelector('dialog').open");
    }
    assert!(lacks.is_empty(), "not on the page:\n{}", lacks.join("\n"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_card_says_which_position_or_order_is_open_and_what_was_not_read_as_the_command_does() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let shown = || {
        let open =
            "[...document.querySelectorAll('.cause .open:not([hidden])')].map((node) => node.textContent)";
        browser.text(&format!("{open}.join('\\n')"))
    };
    expect![[r#"
        open: at least BTCUSDT long position and 1 more (orders and plan orders not read)
        open: at least buy order (plan orders not read)
        plan orders not read"#]]
    .assert_eq(&shown());
    // In another order, for the page counts as people do; of what is not known at all the command says nothing.
    let is_same = || {
        let (page, command) = (shown(), command_says(fleet.at));
        let open = |text: &str| -> BTreeSet<String> {
            text.lines().map(str::trim).filter(|line| line.starts_with("open: ")).map(str::to_owned).collect()
        };
        assert_eq!(open(&page), open(&command));
        assert_eq!(open(&page).len(), 2, "{page}");
    };
    is_same();
    // What is open at several that share a cause stands below each.
    for account in ["desk-9", "desk-10"] {
        fleet.show(account, |shown| {
            shown.targets[0].say = Some("Open: at least 1 order. It waits.".to_owned());
        });
    }
    browser.wait_for("one cause", "document.querySelectorAll('.of .open').length === 2");
    is_same();
    // All was read.
    fleet.show("desk-10", |shown| {
        let detail = &mut shown.targets[0].detail;
        (detail.plan_orders, detail.complete) = (Some(2), true);
    });
    browser.wait_for("all of it", "document.body.textContent.includes('open: buy order and 2 more')");
    is_same();
}

#[test]
fn a_cell_leads_to_the_target_that_stands_in_it_whatever_columns_go() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    let column = "document.getElementById('matrix-head').textContent.includes('account (unified)')";
    browser.wait_for("a column for unified accounts", column);
    for account in ["desk-uta-1", "desk-uta-2"] {
        fleet.show(account, |shown| {
            for target in &mut shown.targets {
                target.scope = "USDT-FUTURES".parse().unwrap();
            }
        });
    }
    browser.wait_for("it is gone", &format!("!{column}"));
    let leads = "[...document.querySelectorAll('.cell .target')].every((target) => \
                 target.dataset.target.endsWith('/' + target.querySelector('.scope').textContent.trim()))";
    assert_eq!(browser.eval(leads), true);
}

#[test]
fn the_page_says_of_each_cause_what_the_command_says() {
    let Some(browser) = Browser::open() else { return };
    let fleet = desks::bad_night();
    browser.go(&fleet.url());
    browser.wait_for("the causes", "document.querySelectorAll('.cause').length > 3");
    let same = || {
        let spans = Regex::new(r"[0-9]+[dhms]( [0-9]+[dhms])?").unwrap();
        let alike = |text: &str| spans.replace_all(&one_line(text), "#").into_owned();
        let page = alike(&Read::of(&browser, "main").text);
        let command = command_says(fleet.at);
        let sections: Vec<&str> = command.split("\n\n").collect();
        // The summary; what wants a human; what passes by itself; what is in sync; what is another host's.
        let [summary, human, passes, _, elsewhere, ..] = sections[..] else { panic!("{command}") };
        assert!(elsewhere.starts_with("1 target of other hosts:"), "{command}");
        assert_eq!(browser.text("document.getElementById('summary').textContent"), summary);
        let is_told = |line: &&str| !line.starts_with("  ");
        let below = [human, passes, elsewhere].into_iter().flat_map(str::lines).filter(is_told);
        let lines = [summary].into_iter().chain(below);
        let mut told = 0;
        for line in lines.map(|line| line.trim_end_matches(':')) {
            let (label, say) = line.split_once(": ").unwrap_or((line, line));
            // Since when stands in a place of its own there.
            let label = [", not in sync", ", not known", ", for "]
                .iter()
                .fold(label, |label, cut| label.split(cut).next().unwrap_or(label));
            let words = if line == summary { vec![line] } else { vec![label, say] };
            for words in words.into_iter().map(alike) {
                assert!(page.contains(&words), "{words}\n\n{page}");
            }
            told += 1;
        }
        assert_eq!(
            told,
            1 + browser.eval("document.querySelectorAll('.cause, h2.counts').length").as_u64().unwrap()
        );
    };
    same();
    fleet.show("desk-9", |cell| {
        let say = "The key may read futures only, so a change would be refused: allow it; then `systemctl reload posmoded`.";
        cell.warnings = vec![say.to_owned()];
    });
    browser.wait_for("the key", "document.querySelector('main').textContent.includes('may read futures')");
    same();
    // What holds up more than one target is told once.
    fleet.board.frame(|frame| {
        frame.config.problem =
            Some("line 12, column 5: unknown key `hedged`; write `position_mode:`".to_owned());
    });
    browser.wait_for(
        "the refused file",
        "document.querySelector('main').textContent.includes('is REFUSED, and')",
    );
    same();
    // Another host has a file and a held plan of its own.
    let entry = json!({ "account": "desk-9", "scope": "USDT-FUTURES", "live": "one_way_mode", "desired": "hedge_mode", "cause": "new" });
    let plan = json!({ "hash": "b98de0114507", "plan": [entry] });
    fleet.board.frame(|frame| frame.held = Some(serde_json::from_value(plan).unwrap()));
    fleet.show("desk-9", |cell| {
        cell.targets[0].reason = Some(Reason::Held);
        cell.targets[0].blockers = vec![Reason::Held];
        cell.targets[0].wants = Some(Wants::Human);
        cell.targets[0].need = Some(Need::ToBeDecided);
    });
    fleet.of_another_host("trade-02", &[
        json!({ "account": "desk-31", "state": "pending", "reason": "file", "live": "one_way_mode", "out": 60,
            "say": "The newest content of the file is refused: line 9: not YAML." }),
        json!({ "account": "desk-32", "state": "pending", "reason": "held", "live": "one_way_mode", "out": 60,
            "say": "It waits for `posmoded approve 0f0f0f0f0f0f`." }),
    ]);
    browser.wait_for(
        "what the other host says",
        "document.querySelector('main').textContent.includes('posmoded approve 0f0f0f0f0f0f')",
    );
    same();
}
