//! A daemon's address with accounts behind it that stand as a test wants them: all of what is served is real, but for who publishes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use posmoded::clock::Clock;
use posmoded::exchange::HttpVersion;
use posmoded::facts::{Generation, Stretch};
use posmoded::ledger::{Event, HistoryFilter, Span, Spans, SpansFilter, TargetSpans};
use posmoded::moment::Moment;
use posmoded::position_mode::{AccountName, Target};
use posmoded::protocol::Reason;
use posmoded::serve::{Records, View, Vitals, http};
use posmoded::source::LastPull;
use posmoded::status::{AccountStatus, Board, Config, Counts, HostStatus, Peers, Publisher, TargetStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(super) struct Fleet {
    pub(super) at: SocketAddr,
    pub(super) board: Board,
    publishers: BTreeMap<String, Publisher>,
    cancel: CancellationToken,
    _runtime: tokio::runtime::Runtime,
}

impl Fleet {
    /// `said` are targets as `/api/status` has them, of which the usual may be left out; `history` are events.
    pub(super) fn of(said: &[Value], history: Vec<Event>) -> Fleet {
        let board = Board::default();
        let mut targets: BTreeMap<String, Vec<TargetStatus>> = BTreeMap::new();
        for target in said.iter().map(target) {
            targets.entry(target.account.to_string()).or_default().push(target);
        }
        let due = Clock::machine().now() + Duration::from_secs(3600);
        let cell = |targets| AccountStatus {
            generation: Generation(u64::MAX),
            targets,
            due,
            looked: true,
            refreshes: 0,
            clock_offset: Some(12),
            warnings: Vec::new(),
            settings: None,
        };
        let add = |(name, targets): (String, Vec<TargetStatus>)| {
            let publisher = board.add(name.parse().unwrap(), cell(targets));
            (name, publisher)
        };
        let publishers = targets.into_iter().map(add).collect();
        board.frame(|frame| {
            frame.config = Config {
                generation: Generation(17),
                sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
                commit: Some("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678".to_owned()),
                loaded_at: Some(ago(3 * 3600)),
                problem: None,
                behind: None,
                path: None,
                next: None,
            };
        });
        let view = View {
            board: board.clone(),
            clock: Clock::machine(),
            vitals: Arc::new(Well { pulled_at: ago(31) }),
            records: Arc::new(Written(history)),
            counters: Arc::default(),
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let cancel = CancellationToken::new();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        runtime.spawn(http::serve(listener, view, cancel.clone()));
        Fleet { at, board, publishers, cancel, _runtime: runtime }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.at)
    }

    /// Targets that the daemon of another host shows, which lives.
    pub(super) fn of_another_host(&self, host: &str, said: &[Value]) {
        let its = |target: TargetStatus| TargetStatus { host: Some(host.to_owned()), ..target };
        let there = HostStatus {
            host: host.to_owned(),
            version: "0.1.0".to_owned(),
            lives: true,
            ended: false,
            unknown_since: None,
            seen_at: ago(1),
            started_at: ago(DAY),
            generation: Some(Generation(17)),
            commit: None,
        };
        let targets = said.iter().map(target).map(its).collect();
        self.board.show_peers(Peers { hosts: vec![there], targets, read_at: ago(-DAY) });
    }

    /// Changes what an account shows.
    pub(super) fn show(&self, account: &str, change: impl FnOnce(&mut AccountStatus)) {
        self.publishers[account].send_modify(change);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A time so many seconds ago.
pub(super) fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap()
}

/// Fills in what a target has without being told. `out` is since when it is out of sync, in seconds ago.
fn target(said: &Value) -> TargetStatus {
    let word = |name: &str| said[name].as_str();
    let reason: Option<Reason> = serde_json::from_value(said["reason"].clone()).unwrap();
    let (desired, live) = (word("desired").unwrap_or("hedge_mode"), word("live"));
    let out = said["out"].as_i64();
    let since = ago(said["since"].as_i64().or(out).unwrap_or(86_400 * 3));
    let state = word("state").unwrap_or("in_sync");
    let live = if state == "in_sync" { Some(desired) } else { live };
    let wants = said.get("wants").cloned().unwrap_or_else(|| json!(reason.map(Reason::wants)));
    let whole = json!({
        "account": said["account"],
        "scope": word("scope").unwrap_or("USDT-FUTURES"),
        "desired": desired,
        "applied": (state != "new" && said["is_never_applied"] != true).then(|| json!({ "mode": desired, "how": "set", "at": ago(86_400 * 3), "generation": 16 })),
        "live": live.map(|mode| json!({ "mode": mode, "at": ago(4) })),
        "state": state,
        "reason": reason,
        "blockers": said["blockers"].as_array().cloned().unwrap_or_else(|| reason.iter().map(|reason| json!(reason)).collect()),
        "wants": wants,
        "need": reason.filter(|_| wants == "human").map(Reason::need),
        "say": word("say"),
        "since": since,
        "out_of_sync_since": out.map(ago),
        "detail": said.get("detail").cloned().unwrap_or_else(|| json!({ "positions": 0, "orders": 0, "plan_orders": null })),
        "next_look_at": ago(-20),
        "drift": word("drift").unwrap_or("correct"),
    });
    let counts = Counts::default();
    TargetStatus { counts, ..serde_json::from_value(whole).unwrap() }
}

/// In seconds.
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[derive(Debug)]
struct Well {
    pulled_at: Timestamp,
}

impl Vitals for Well {
    fn fleet_due(&self) -> Moment {
        Clock::machine().now() + Duration::from_secs(3600)
    }

    fn ledger_trouble(&self) -> Option<String> {
        None
    }

    fn http(&self) -> Option<HttpVersion> {
        Some(HttpVersion::Http2)
    }

    fn stretch(&self) -> Stretch {
        Stretch::default()
    }

    fn last_pull(&self) -> Option<LastPull> {
        Some(LastPull {
            last_success_at: self.pulled_at,
            commit: "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678".to_owned(),
        })
    }

    fn host(&self) -> String {
        "trade-01".to_owned()
    }

    fn path(&self) -> String {
        "/etc/posmoded/desired-state.yaml".to_owned()
    }

    fn warnings(&self) -> Vec<String> {
        vec!["Messages cannot be delivered for 12m: the receiver answers 503. What was not told is told once it answers.".to_owned()]
    }
}

#[derive(Debug)]
struct Written(Vec<Event>);

impl Records for Written {
    fn newest(&self, filter: &HistoryFilter) -> Result<Vec<Event>, String> {
        let is_asked = |event: &&Event| {
            filter.accounts.is_empty()
                || event.account.as_ref().is_some_and(|account| filter.accounts.contains(account))
        };
        let all: Vec<Event> = self.0.iter().filter(is_asked).cloned().collect();
        Ok(all.iter().skip(all.len().saturating_sub(filter.limit)).cloned().collect())
    }

    /// The daemon was away for half an hour; each target but desk-uta-1, which has come a minute ago, was out of sync three times
    /// within the day, and unknown at the end of the last.
    fn spans(&self, filter: &SpansFilter) -> Result<Spans, String> {
        let span = |since: i64, until: i64| Span {
            since: ago(since).as_millisecond(),
            until: (until > 0).then(|| ago(until).as_millisecond()),
        };
        let of = |account: &AccountName, scope: &str| {
            let is_new = account.as_str() == "desk-uta-1";
            let out_of_sync = vec![
                span(9 * DAY, 8 * DAY),
                span(20 * HOUR, 18 * HOUR),
                span(5 * HOUR, 4 * HOUR),
                span(1_200, 600),
            ];
            TargetSpans {
                target: Target { account: account.clone(), scope: scope.parse().unwrap() },
                known_since: ago(if is_new { 60 } else { 20 * DAY }).as_millisecond(),
                out_of_sync: if is_new { Vec::new() } else { out_of_sync },
                unknown: if is_new { Vec::new() } else { vec![span(900, 600)] },
            }
        };
        let scopes = ["USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES", "account"];
        let targets = filter.accounts.iter().flat_map(|account| scopes.map(|scope| of(account, scope)));
        let watched = vec![span(40 * DAY, 5 * HOUR - 600), span(5 * HOUR - 2_400, 0)];
        Ok(Spans { since: filter.since, watched, targets: targets.collect() })
    }

    fn written(&self) -> u64 {
        0
    }

    fn last(&self) -> Result<i64, String> {
        Ok(self.0.last().map_or(0, |event| event.id))
    }

    fn after(&self, last: i64, most: usize) -> Result<Vec<Event>, String> {
        Ok(self.0.iter().filter(|event| event.id > last).take(most).cloned().collect())
    }
}
