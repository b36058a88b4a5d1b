//! One story, followed wherever an operator may look: at each moment terminal, JSON, page, metrics, messages and log tell the same
//! of every target, with the same words and since the same time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use bitget_sim::{Fault, FaultKind, HoldSide, PosMode, ProductType, Uid};
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::notify::{Manner, Receiver, notify_to, write_notify};
use super::page::browser::Browser;
use super::{Host, RUN, SET, Venue, declared, get, wait_until};

const USDT: ProductType = ProductType::UsdtFutures;
/// How far two clocks that show whole seconds may be apart, and a log line from what it tells of.
const ROUNDED: i64 = 2;

#[test]
fn one_story_is_told_with_the_same_words_at_the_same_time_wherever_one_looks() {
    let venue = Venue::of_desks(3);
    let receiver = Receiver::open(Manner::Answers(200));
    let file = |first: &str| {
        let file = declared(&[("desk-1", first), ("desk-2", "one_way_mode"), ("desk-3", "one_way_mode")]);
        let file = file.replace("settle: 0s", "settle: 20s");
        file.replace("  desk-2:\n", "  desk-2:\n    drift: report\n")
    };
    let mut host = Host::new(&venue, &["desk-1", "desk-2", "desk-3"], &file("one_way_mode"));
    write_notify(&host, &notify_to(receiver.at));
    host.spawn(host.command(&[&RUN[..], &["--log", "json"]].concat()));
    let browser = Browser::open();
    if let Some(browser) = &browser {
        browser.go(&format!("http://{}/", host.address()));
    }
    let story = Story { host: &host, receiver: &receiver, browser };
    for desk in ["desk-1", "desk-2", "desk-3"] {
        story.stands(desk, "in_sync -");
    }

    // The file wants another mode, and a position is open.
    venue.simulator.with(|exchange| {
        exchange.open_position(Uid(1), USDT, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    host.declare(&file("hedge_mode"));
    story.stands("desk-1", "pending not_flat");
    // Somebody changes a mode that is only reported, and a key loses its right.
    venue.flip(2, PosMode::HedgeMode);
    story.stands("desk-2", "drifted reported");
    let denied = FaultKind::Code { status: 400, code: "40014".to_owned() };
    venue.simulator.with(|exchange| exchange.inject(Fault::always(denied).for_account(Uid(3))));
    story.stands("desk-3", "unknown denied");
    story.is_posted("desk-2", "reported");
    story.is_posted("desk-3", "denied");

    // Nothing is open any more: it settles, is set, and is right.
    let slow = FaultKind::Delay { after: Duration::from_secs(8) };
    venue.simulator.with(|exchange| {
        exchange.inject(Fault::once(slow).on(SET).for_account(Uid(1)));
        exchange.close_position(Uid(1), USDT, "BTCUSDT", HoldSide::Long).unwrap();
    });
    story.stands("desk-1", "pending settling");
    story.stands("desk-1", "pending acting");
    story.stands("desk-1", "in_sync -");
    assert_eq!((venue.mode(1), venue.sets().len()), (PosMode::HedgeMode, 1));
    let changed = host.wait_until("the change is posted", || receiver.of("changed").pop());
    assert_eq!(changed["targets"][0]["account"], "desk-1");

    // The newest file is refused: what differs waits for that, too, and everybody says why.
    host.declare(&file("hedgemode"));
    story.stands("desk-2", "drifted file");
    story.stands("desk-3", "unknown denied");
    story.stands("desk-1", "in_sync -");
    story.says_that_the_file_is_refused();
    host.terminate();
}

/// Where the story is looked at.
struct Story<'a> {
    host: &'a Host,
    receiver: &'a Receiver,
    /// None where there is no Chromium.
    browser: Option<Browser>,
}

impl Story<'_> {
    /// Waits until a target is in this state for this reason, and looks everywhere before it has changed again.
    #[track_caller]
    fn stands(&self, desk: &str, state_and_reason: &str) {
        let name = format!("{desk} USDT-FUTURES");
        self.host.wait_until(&format!("{name} is {state_and_reason}"), || {
            let target = self.target(desk)?;
            (stand(&target) == state_and_reason).then_some(())
        });
        self.host.wait_until(&format!("one and the same of {name}, {state_and_reason}, everywhere"), || {
            let before = self.target(desk)?;
            let looked = catch_unwind(AssertUnwindSafe(|| self.everywhere(desk, &before)));
            let after = self.target(desk)?;
            assert_eq!(
                stand(&after),
                state_and_reason,
                "{name} has gone on before it was looked at everywhere"
            );
            // A look takes a moment, in which a sentence may go on to other words: then all is looked at again.
            match looked {
                Ok(()) => Some(()),
                Err(differs) if said(&before) == said(&after) => resume_unwind(differs),
                Err(_) => None,
            }
        });
    }

    fn target(&self, desk: &str) -> Option<Value> {
        let told = self.host.status();
        told["targets"].as_array().unwrap().iter().find(|target| target["account"] == desk).cloned()
    }

    #[track_caller]
    fn everywhere(&self, desk: &str, target: &Value) {
        self.on_the_terminal(desk, target);
        self.in_json(desk, target);
        self.in_the_metrics(desk, target);
        self.in_the_log(desk, target);
        self.on_the_page(desk, target);
    }

    /// Its cell, and what it wants above that.
    fn on_the_page(&self, desk: &str, target: &Value) {
        let Some(browser) = &self.browser else { return };
        let word = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let cell = format!("document.querySelector('.cell [data-target=\"{desk}/USDT-FUTURES\"]')");
        for shown in [word("state"), word("reason")] {
            browser.wait_for(
                &format!("{desk} is {shown}"),
                &format!("{cell}?.textContent.includes('{shown}') ?? false"),
            );
        }
        let text = |what: &str| browser.text(&format!("document.querySelector('{what}').textContent"));
        let since =
            if target["out_of_sync_since"].is_null() { word("since") } else { word("out_of_sync_since") };
        let times =
            browser.text("[...document.querySelectorAll('main time')].map((time) => time.dateTime).join()");
        assert!(times.split(',').any(|time| time == since), "{since}: {times}");
        // A file is refused for all, and told of once.
        if target["reason"] != "file" && !target["say"].is_null() {
            // It is told what is new at most once a second.
            let say = plain(&word("say").replace('`', ""));
            let shows = || plain(&text("main")).contains(&say).then_some(());
            wait_until(&say, Duration::from_secs(15), || plain(&text("main")), shows);
        }
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }

    fn on_the_terminal(&self, desk: &str, target: &Value) {
        let asked = Timestamp::now();
        let (_, table, err) = self.host.call(&["status"]);
        let answered = Timestamp::now();
        let row = table.lines().find(|line| line.trim_start().starts_with(&format!("{desk} ")));
        let row: Vec<&str> =
            row.unwrap_or_else(|| panic!("{desk} is not in {table}{err}")).split("  ").collect();
        let cells: Vec<&str> = row.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect();
        let [account, scope, desired, live, _, state, since, reason] = cells[..] else { panic!("{cells:?}") };
        let word = |key: &str| target[key].as_str().unwrap_or("-").to_owned();
        let shown = [account, scope, desired, live, state, reason].map(str::to_owned);
        let mode = target["live"]["mode"].as_str().unwrap().to_owned();
        assert_eq!(
            shown,
            [word("account"), word("scope"), word("desired"), mode, word("state"), word("reason")]
        );
        let began = |now: Timestamp| (now - since.parse::<jiff::Span>().unwrap()).as_second();
        let of_it = time(&target["out_of_sync_since"]).unwrap_or_else(|| time(&target["since"]).unwrap());
        let may_be = began(asked) - ROUNDED..=began(answered) + ROUNDED;
        assert!(may_be.contains(&of_it.as_second()), "{since} is not {of_it}: {table}");
        // A file is refused for all, and told of once.
        if let (Some(say), false) = (target["say"].as_str(), target["reason"] == "file") {
            assert!(plain(&table).contains(&plain(say)), "{say}\n{table}");
        }
    }

    fn in_json(&self, desk: &str, target: &Value) {
        let of = |told: &Value| {
            let all = told["targets"].as_array().unwrap();
            all.iter().find(|target| target["account"] == desk).cloned().unwrap()
        };
        let (_, printed) = self.host.call_json(&["status", desk]);
        let (code, body) = get(self.host.address(), &format!("/api/accounts/{desk}"));
        let served = serde_json::from_str(&body).unwrap();
        for told in [of(&printed[0]), of(&served)] {
            assert_eq!(said(&told), said(target), "{desk}");
        }
        let problem = &self.host.status()["config"]["problem"];
        assert_eq!(code == 200, target["state"] == "in_sync" && problem.is_null(), "{body}");
    }

    fn in_the_metrics(&self, desk: &str, target: &Value) {
        let (_, text) = get(self.host.address(), "/metrics");
        let labels = format!("account=\"{desk}\",scope=\"USDT-FUTURES\"");
        let series = |metric: &str| -> Vec<&str> {
            let begins = format!("posmoded_{metric}{{{labels}");
            text.lines().filter(|line| line.starts_with(&begins)).collect()
        };
        let word = |key: &str| target[key].as_str().unwrap_or("none").to_owned();
        let (state, reason, wants) = (word("state"), word("reason"), word("wants"));
        let expected = format!("posmoded_target_state{{{labels},state=\"{state}\",reason=\"{reason}\"}} 1");
        assert_eq!(series("target_state"), [expected]);
        assert_eq!(
            series("target_wants"),
            [format!("posmoded_target_wants{{{labels},wants=\"{wants}\"}} 1")]
        );
        let in_sync = u8::from(state == "in_sync");
        assert_eq!(series("target_in_sync"), [format!("posmoded_target_in_sync{{{labels}}} {in_sync}")]);
        let since_reason = if target["reason"].is_null() { &Value::Null } else { &target["since"] };
        for (metric, since) in [
            ("target_not_in_sync_since_timestamp_seconds", &target["out_of_sync_since"]),
            ("target_reason_since_timestamp_seconds", since_reason),
        ] {
            let since = time(since).map(Timestamp::as_second);
            let expected: Vec<String> =
                since.iter().map(|since| format!("posmoded_{metric}{{{labels}}} {since}")).collect();
            assert_eq!(series(metric), expected);
        }
    }

    /// The newest line about the target: written when it came into this state.
    fn in_the_log(&self, desk: &str, target: &Value) {
        let line = self.host.wait_until("a log line", || {
            let said = self.host.said();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut of_it = lines.filter(|line| line["account"] == desk && line["state"].is_string());
            of_it
                .next_back()
                .filter(|line| line["state"] == target["state"] && line["reason"] == target["reason"])
        });
        let say = target["say"].as_str().unwrap_or("In sync.");
        let message = line["message"].as_str().unwrap();
        // What was not counted to its end then may be by now.
        let whole = |text: &str| plain(text).replace("at least ", "");
        assert_eq!(whole(message), whole(&format!("{desk} USDT-FUTURES: {say}")));
        let level = if target["wants"] == "human" { "WARN" } else { "INFO" };
        assert_eq!(line["level"], level, "{line}");
        assert_eq!(
            (&line["live"], &line["desired"]),
            (&target["live"]["mode"], &target["desired"]),
            "{line}"
        );
        // A reason may be older than the state: what was right a moment ago is not unknown at once.
        let began = time(&target["since"]).max(time(&target["out_of_sync_since"])).unwrap();
        let apart = time(&line["timestamp"]).unwrap().as_second() - began.as_second();
        assert!(apart.abs() <= ROUNDED, "{line}\n{target}");
    }

    /// Waits for the message that this target wants a human.
    #[track_caller]
    fn is_posted(&self, desk: &str, reason: &str) {
        let (message, shown) = self.host.wait_until(&format!("{desk} is posted, {reason}"), || {
            let messages =
                self.receiver.of("human").into_iter().filter(|message| message["reason"] == reason);
            let mut with_target = messages.filter_map(|message| {
                let all = message["targets"].as_array().unwrap();
                let shown = all.iter().find(|target| target["account"] == desk).cloned()?;
                Some((message, shown))
            });
            with_target.next_back()
        });
        let target = self.target(desk).unwrap();
        for key in ["scope", "state", "reason", "wants", "since", "desired"] {
            assert_eq!(shown[key], target[key], "{key}: {message}");
        }
        assert_eq!(shown["live"], target["live"]["mode"]);
        let say = target["say"].as_str().unwrap();
        assert_eq!(plain(shown["say"].as_str().unwrap()), plain(say));
        let text = message["text"].as_str().unwrap();
        assert!(text.contains(&format!("{desk} USDT-FUTURES wants a human ({reason}). ")), "{text}");
        assert!(plain(say).starts_with(&plain(text.split_once("). ").unwrap().1)), "{text}\n{say}");
    }

    fn says_that_the_file_is_refused(&self) {
        let told = self.host.status();
        let problem = told["config"]["problem"].as_str().unwrap();
        assert!(problem.contains("`hedgemode` is no position mode; write `hedge_mode`"), "{problem}");
        let first = problem.split(';').next().unwrap();
        let (code, table, _) = self.host.call(&["status"]);
        assert!(
            code == 2 && table.contains("the newest file is REFUSED") && table.contains(first),
            "{table}"
        );
        let (_, metrics) = get(self.host.address(), "/metrics");
        assert!(metrics.contains("\nposmoded_config_last_load_successful 0\n"), "{metrics}");
        let posted = self.host.wait_until("it is posted", || self.receiver.of("file_refused").pop());
        assert_eq!(posted["problem"], problem);
        let said = self.host.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let refused = lines.filter(|line| line["message"].as_str().is_some_and(|said| said.contains(first)));
        assert!(refused.into_iter().any(|line| line["level"] == "WARN"), "{said}");
        let (code, ready) = get(self.host.address(), "/readyz");
        assert!(code == 503 && ready.contains("not in force"), "{ready}");
    }
}

/// What is compared of a target as JSON.
fn said(target: &Value) -> Vec<Value> {
    let keys =
        ["account", "scope", "desired", "state", "reason", "wants", "since", "out_of_sync_since", "blockers"];
    let mut all: Vec<Value> = keys.iter().map(|key| target[*key].clone()).collect();
    all.push(target["say"].as_str().map(plain).into());
    all
}

fn stand(target: &Value) -> String {
    let word = |key: &str| target[key].as_str().unwrap_or("-").to_owned();
    format!("{} {}", word("state"), word("reason"))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// Without the spans that grow while one looks.
fn plain(text: &str) -> String {
    SPANS.replace_all(text, "SPAN").into_owned()
}

static SPANS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)[0-9]+(ms|s|m|h)(?-u:\b)( [0-9]+(ms|s|m|h)(?-u:\b))*").unwrap());
