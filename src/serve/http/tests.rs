//! Raw requests over real sockets.

mod events;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::facts::Generation;
use crate::protocol::{Reason, State as TargetState, Wants};
use crate::serve::fixture::{Fixed, account, at, target, view};
use crate::status::{HostStatus, Peers, TargetStatus};

struct Served {
    at: SocketAddr,
    view: View,
    vitals: Arc<Fixed>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

async fn served() -> Served {
    let (view, vitals) = view();
    serving(view, vitals).await
}

async fn serving(view: View, vitals: Arc<Fixed>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, cancel) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve(listener, view.clone(), cancel.clone()));
    Served { at, view, vitals, cancel, task }
}

impl Served {
    /// The status line, the headers in lower case, and the body.
    async fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost:9848\r\n\r\n")).await
    }
}

#[tokio::test]
async fn the_status_is_told_as_the_contract_spells_it() {
    let served = served().await;
    let (code, head, body) = served.get("/api/status").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["schema"], 1);
    assert_eq!(told["config"]["generation"], 17);
    assert_eq!(told["targets"][1]["account"], "desk-3");
    assert_eq!(told["targets"][1]["reason"], "not_flat");
    assert_eq!(told["targets"][0]["reason"], serde_json::Value::Null);
    assert_eq!(told["targets"][1]["detail"]["orders"], serde_json::Value::Null);
    let back: crate::status::Status = serde_json::from_str(&body).unwrap();
    assert_eq!(back.targets.len(), 2);
}

#[tokio::test]
async fn the_page_is_one_document_whose_policy_lets_a_browser_use_nothing_that_is_not_in_it() {
    let served = served().await;
    let (code, head, body) = served.get("/").await;
    assert!(code == 200 && head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert_eq!(body, PAGE.document);
    let policy = format!("content-security-policy: {}", PAGE.policy.to_ascii_lowercase());
    assert!(head.contains(&policy), "{head}");
    for part in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(head.contains("referrer-policy: no-referrer"), "{head}");
}

#[tokio::test]
async fn an_account_is_200_only_while_all_of_it_is_as_the_newest_file_wants_it_and_404_where_the_file_names_none()
 {
    let served = served().await;
    let code = async |name: &str| served.get(&format!("/api/accounts/{name}")).await.0;
    let (status, head, body) = served.get("/api/accounts/desk-1").await;
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    let told: crate::status::Status = serde_json::from_str(&body).unwrap();
    let accounts: Vec<&str> = told.targets.iter().map(|target| target.account.as_str()).collect();
    assert_eq!((accounts, told.config.generation), (vec!["desk-1"], Generation(17)));
    let (status, _, body) = served.get("/api/accounts/desk-3").await;
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &told["targets"][0]["reason"]), (503, &"not_flat".into()));
    for nobody in ["desk-2", "desk-", "desk-1/", "Desk-1", "", "..", "%64esk-1", "desk-1/USDT-FUTURES"] {
        assert_eq!(code(nobody).await, 404, "{nobody}");
    }
    let due = served.view.clock.now() + Duration::from_secs(60);
    let show = |name: &str, targets| {
        served.view.board.remove(&name.parse().unwrap());
        drop(served.view.board.add(name.parse().unwrap(), account(due, targets)));
    };
    // Half of it, one that a new process has not looked at yet, and one of another host.
    show("desk-4", vec![target("desk-4", None), target("desk-4", Some(Reason::Settling))]);
    let unseen = TargetStatus { state: TargetState::Unknown, live: None, ..target("desk-5", None) };
    show("desk-5", vec![unseen]);
    let elsewhere = TargetStatus { state: TargetState::Unknown, ..target("desk-6", Some(Reason::Elsewhere)) };
    show("desk-6", vec![elsewhere]);
    show("desk-7", vec![target("desk-7", None), target("desk-7", None)]);
    let codes = [code("desk-4").await, code("desk-5").await, code("desk-6").await, code("desk-7").await];
    assert_eq!(codes, [503, 503, 503, 200]);
    let (status, _, body) = served.ask("HEAD /api/accounts/desk-3 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((status, body.as_str()), (503, ""));
    served.view.board.frame(|frame| frame.config.problem = Some("it is still changing".to_owned()));
    assert_eq!((code("desk-1").await, code("desk-2").await), (503, 404));
    let (_, _, body) = served.get("/api/accounts/desk-2").await;
    assert!(body.contains("its newest content is not in force"), "{body}");
}

#[tokio::test]
async fn the_history_is_told_as_far_as_it_is_asked_for_and_a_wrong_question_is_400() {
    let served = served().await;
    let (code, head, body) = served.get("/api/history?account=desk-1&limit=3").await;
    assert!(code == 200 && head.contains("content-type: application/json"), "{head}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let ids: Vec<i64> =
        told["events"].as_array().unwrap().iter().map(|e| e["id"].as_i64().unwrap()).collect();
    assert_eq!((&told["schema"], &told["more"], ids), (&1.into(), &true.into(), vec![3, 4, 5]));
    assert!(told["events"][0]["text"].as_str().unwrap().contains("desk-1"), "{told}");
    let (_, _, body) = served.get("/api/history").await;
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&told["more"], told["events"].as_array().unwrap().len()), (&false.into(), 5));
    let (code, _, body) = served.get("/api/history?limit=many").await;
    assert!(code == 400 && body.starts_with("limit: \"many\" is no number"), "{body}");
    let (code, _, body) = served.get("/api/history?account=unreadable").await;
    assert_eq!((code, body.as_str()), (503, "The disk is away.\n"));
}

#[tokio::test]
async fn what_was_known_when_is_told_in_whole_seconds_and_a_wrong_question_is_400() {
    let served = served().await;
    let (code, head, body) = served.get("/api/spans?account=desk-3&since=24h").await;
    assert!(code == 200 && head.contains("content-type: application/json"), "{head}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let now = told["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let since = told["since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(now.duration_since(since), jiff::SignedDuration::from_hours(24));
    expect_test::expect![[r#"
        {"schema":1,"watched":[{"since":"2026-11-12T09:00:00Z","until":"2026-11-17T09:00:00Z"},{"since":"2026-11-18T05:00:00Z","until":null}],"targets":[{"account":"desk-3","scope":"USDT-FUTURES","known_since":"2026-11-12T09:00:00Z","out_of_sync":[{"since":"2026-11-21T03:00:00Z","until":"2026-11-21T04:00:00Z"},{"since":"2026-11-22T07:00:00Z","until":null}],"unknown":[{"since":"2026-11-14T01:00:00Z","until":"2026-11-18T05:00:00Z"}]}]}
    "#]]
    .assert_eq(&(body.replace(&format!("\"now\":\"{now}\",\"since\":\"{since}\","), "") + "\n"));
    let (code, _, body) = served.get("/api/spans?until=1d").await;
    assert!(code == 400 && body.starts_with("There is no \"until\""), "{body}");
    let (code, _, body) = served.get("/api/spans?account=unreadable").await;
    assert_eq!((code, body.as_str()), (503, "The disk is away.\n"));
}

#[tokio::test]
async fn a_socket_file_is_answered_at_whatever_it_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("status.sock");
    let bound = Bound::to(&Listen::Unix(path.clone())).await.unwrap().unwrap();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(serve(bound, view().0, cancel.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: anything\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    cancel.cancel();
    task.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn every_other_method_is_405_and_every_other_path_404() {
    let served = served().await;
    for path in ["/api/status", "/metrics", "/nowhere", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
            let (code, head, _) = served.ask(&request).await;
            assert_eq!(code, 405, "{method} {path}");
            assert!(head.contains("allow: get, head"), "{head}");
        }
    }
    for path in ["/nowhere", "//", "/index.html", "/api/history/", "/api/status/", "/../etc/passwd"] {
        assert_eq!(served.get(path).await.0, 404, "{path}");
    }
    let (code, _, body) = served.ask("HEAD /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((code, body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_browser_led_here_by_another_name_is_refused() {
    let served = served().await;
    let ask = async |host: &str| served.ask(&format!("GET /api/status HTTP/1.1\r\n{host}\r\n\r\n")).await.0;
    for host in ["Host: localhost", "Host: LOCALHOST:1", "Host: 127.0.0.1:9848", "Host: [::1]:9848", "X: y"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in [
        "Host: evil.example",
        "Host: localhost.evil.example:9848",
        "Host: ",
        "Host: [evil]",
        "Host: 1.2.3.4.evil",
    ] {
        assert_eq!(ask(host).await, 421, "{host}");
    }
    let listens = "GET /api/events HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(served.ask(listens).await.0, 421);
}

#[tokio::test]
async fn every_answer_forbids_browsers_to_keep_frame_or_share_it() {
    let served = served().await;
    for path in ["/", "/api/status", "/nowhere", "/livez"] {
        let (_, head, _) = served.get(path).await;
        for header in ["cache-control: no-store", "x-content-type-options: nosniff", "frame-ancestors 'none'"]
        {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert_eq!(head.matches("content-security-policy").count(), 1, "{head}");
        assert!(!head.contains("access-control"), "{head}");
    }
}

#[tokio::test]
async fn it_lives_while_the_fleets_loop_turns() {
    let served = served().await;
    assert_eq!(served.get("/livez").await.0, 200);
    served.vitals.0.lock().unwrap().fleet_due = served.view.clock.now() - Duration::from_secs(61);
    let (code, _, body) = served.get("/livez").await;
    assert_eq!(code, 503);
    assert!(body.contains("1m 1s late"), "{body}");
}

#[tokio::test]
async fn it_is_ready_when_file_and_ledger_are_up_and_every_keeper_has_looked() {
    let served = served().await;
    let (code, _, body) = served.get("/readyz").await;
    assert_eq!((code, body.as_str()), (200, "ok\n"));
    let unseen = |name: &str| {
        let mut first = account(served.view.clock.now(), vec![target(name, None)]);
        first.looked = false;
        drop(served.view.board.add(name.parse().unwrap(), first));
    };
    unseen("desk-5");
    unseen("desk-6");
    let (code, _, body) = served.get("/readyz").await;
    assert_eq!((code, body.as_str()), (503, "Not looked at yet: desk-5 (and 1 more).\n"));
    served.vitals.0.lock().unwrap().ledger_trouble = Some("the disk is full.".to_owned());
    let (code, _, body) = served.get("/readyz").await;
    assert_eq!((code, body.as_str()), (503, "The ledger cannot be used: the disk is full.\n"));
    served.view.board.frame(|frame| frame.config.problem = Some("line 3: unknown key".to_owned()));
    let (code, _, body) = served.get("/readyz").await;
    assert_eq!(code, 503);
    assert!(body.contains("line 3: unknown key"), "{body}");
    served.view.board.frame(|frame| {
        frame.config.problem = None;
        frame.config.generation = Generation(0);
    });
    assert_eq!(
        served.get("/readyz").await.2,
        "No revision of the file is in force yet, so no account is looked at.\n"
    );
}

#[tokio::test]
async fn metrics_carry_the_type_that_says_how_to_read_them() {
    let served = served().await;
    let (code, head, body) = served.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let served = served().await;
    let large = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 * BUFFER));
    let mut stream = TcpStream::connect(served.at).await.unwrap();
    // The answer may arrive, or the connection be reset, before the whole request is written.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn f78_connections_that_are_held_open_keep_nobody_from_asking() {
    let served = served().await;
    // Some say nothing, some begin to ask and some do not read their answer.
    let mut held = Vec::new();
    for number in 0..3 * CONNECTIONS {
        let mut stream = TcpStream::connect(served.at).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let (part, _) = request.split_at([0, 20, request.len()][number % 3]);
        stream.write_all(part.as_bytes()).await.unwrap();
        held.push(stream);
        if number % CONNECTIONS == 0 {
            let began = Instant::now();
            assert_eq!(served.get("/livez").await.0, 200);
            assert!(began.elapsed() < Duration::from_secs(1), "{number}: {:?}", began.elapsed());
        }
    }
    let began = Instant::now();
    assert_eq!(served.get("/livez").await.0, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let Served { at, cancel, task, .. } = served().await;
    let _silent = TcpStream::connect(at).await.unwrap();
    cancel.cancel();
    tokio::time::timeout(LAST_ANSWERS * 3, task).await.unwrap().unwrap();
    assert!(TcpStream::connect(at).await.is_err());
}

#[test]
fn what_is_opened_to_other_machines_may_be_called_anything() {
    let at: SocketAddr = "10.0.0.7:9848".parse().unwrap();
    assert!(Listen::At(at).is_exposed());
    let names = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(text).unwrap());
        is_called_rightly(&headers)
    };
    assert!(names("10.0.0.7:9848"));
    assert!(!names("trade-01:9848"));
}

#[test]
fn what_other_hosts_show_counts_while_they_live_and_of_the_others_nobody_knows() {
    let (view, _) = view();
    let host = |name: &str, lives: bool, ended: bool| HostStatus {
        host: name.to_owned(),
        version: "0.1.0".to_owned(),
        lives,
        ended,
        unknown_since: None,
        seen_at: at(-30),
        started_at: at(-60),
        generation: None,
        commit: None,
    };
    let shown = |name: &str, account: &str, reason: Option<Reason>| TargetStatus {
        host: Some(name.to_owned()),
        ..target(account, reason)
    };
    let elsewhere = |account: &str| TargetStatus {
        state: TargetState::Unknown,
        ..target(account, Some(Reason::Elsewhere))
    };
    for name in ["desk-4", "desk-5", "desk-6", "desk-7"] {
        drop(view.board.add(name.parse().unwrap(), account(view.clock.now(), vec![elsewhere(name)])));
    }
    assert_eq!(view.of_all_hosts(), view.status(), "with a ledger of its own it is as before");
    view.board.show_peers(Peers {
        hosts: vec![host("one", true, false), host("two", false, false), host("three", false, true)],
        targets: vec![
            shown("one", "desk-4", Some(Reason::NotFlat)),
            shown("two", "desk-5", None),
            shown("three", "desk-6", None),
            shown("forgotten", "desk-7", None),
            // Its old host has not let go of it yet.
            shown("one", "desk-1", Some(Reason::Paused)),
        ],
        read_at: at(0),
    });
    let told: Vec<(String, TargetState, Option<Wants>, String)> = view
        .of_all_hosts()
        .targets
        .into_iter()
        .map(|of| (of.account.to_string(), of.state, of.wants, of.say.unwrap_or_default()))
        .collect();
    let nobody = |account: &str, why: &str| {
        let host = why.split(',').next().unwrap().to_owned();
        let why = why.strip_prefix(&host).unwrap();
        let say = format!(
            "The file gives this account to the host {host}{why}: nobody looks after it. Start posmoded there, or give the \
             account to a host that runs."
        );
        (account.to_owned(), TargetState::Unknown, Some(Wants::Human), say)
    };
    assert_eq!(
        told,
        [
            ("desk-1".to_owned(), TargetState::InSync, None, String::new()),
            ("desk-3".to_owned(), TargetState::Pending, Some(Wants::Itself), "It says not_flat.".to_owned()),
            (
                "desk-4".to_owned(),
                TargetState::Pending,
                Some(Wants::Itself),
                "On one: It says not_flat.".to_owned()
            ),
            nobody("desk-5", &format!("two, and its daemon has shown no sign of life since {}", at(-30))),
            nobody("desk-6", &format!("three, and its daemon has ended at {}", at(-30))),
            nobody("desk-7", "forgotten, and no daemon of that name works with this ledger"),
        ]
    );
    assert_eq!(view.status().targets.len(), 6, "metrics and messages are of this host alone");
    assert!(!view.of_all_hosts().is_all_in_sync());
}
