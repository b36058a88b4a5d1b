//! Listeners of `/api/events`.

use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use super::*;
use crate::serve::Records;
use crate::serve::events::LISTENERS;
use crate::serve::fixture::{Five, at};
use crate::status::Board;

const ASKS: &[u8] = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
/// Ten times what anything here takes.
const SOON: Duration = Duration::from_secs(10);

/// One who listens, as a browser does.
struct Ears {
    lines: BufReader<TcpStream>,
    /// The head of the answer, in lower case.
    head: String,
}

impl Ears {
    async fn at(at: SocketAddr) -> Ears {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(ASKS).await.unwrap();
        let mut ears = Ears { lines: BufReader::new(stream), head: String::new() };
        while !ears.head.ends_with("\r\n\r\n") {
            let read = ears.lines.read_line(&mut ears.head).await.unwrap();
            assert_ne!(read, 0, "{}", ears.head);
        }
        ears.head.make_ascii_lowercase();
        ears
    }

    /// The next event, with its data; `None` at the end of the stream.
    async fn hear(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if timeout(SOON, self.lines.read_line(&mut line)).await.expect("something each second").unwrap()
                == 0
            {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                name.trim_end().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((event, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next event that is no sign of life.
    async fn news(&mut self) -> (String, Value) {
        loop {
            let heard = self.hear().await.expect("the stream goes on");
            if heard.0 != "alive" {
                return heard;
            }
        }
    }
}

fn says(board: &Board, generation: u64) {
    board.frame(|frame| frame.config.generation = Generation(generation));
}

#[tokio::test]
async fn who_listens_is_told_the_status_at_once_then_what_is_new_and_that_the_daemon_lives() {
    let records = Arc::new(Five::default());
    let (view, vitals) = view();
    let view = View { records: Arc::clone(&records) as Arc<dyn Records>, ..view };
    let served = serving(view, vitals).await;
    let mut ears = Ears::at(served.at).await;
    for header in [
        "http/1.1 200",
        "content-type: text/event-stream\r\n",
        "cache-control: no-store",
        "frame-ancestors 'none'",
    ] {
        assert!(ears.head.contains(header), "{}", ears.head);
    }
    let (event, told) = ears.hear().await.unwrap();
    let (_, _, body) = served.get("/api/status").await;
    let mut status: Value = serde_json::from_str(&body).unwrap();
    status["now"] = told["now"].clone();
    assert_eq!((event.as_str(), &told), ("status", &status));
    // One may have been written since it asked for the history.
    let (event, told) = ears.news().await;
    assert_eq!((event.as_str(), told["events"].as_array().unwrap().len()), ("history", 5));

    let mut heard = Vec::new();
    for _ in 0..3 {
        // A look alone is no news.
        served.view.board.remove(&"desk-1".parse().unwrap());
        let looked = TargetStatus { next_look_at: at(60), ..target("desk-1", None) };
        drop(
            served.view.board.add("desk-1".parse().unwrap(), account(served.view.clock.now(), vec![looked])),
        );
        heard.push(ears.hear().await.unwrap().0);
    }
    assert_eq!(heard, ["alive", "alive", "alive"]);

    says(&served.view.board, 18);
    let (event, told) = ears.news().await;
    assert_eq!((event.as_str(), &told["config"]["generation"]), ("status", &18.into()));
    records.0.store(1, Ordering::Relaxed);
    let (event, told) = ears.news().await;
    let expected = serde_json::json!({"id": 6, "schema": 1, "more": false});
    assert_eq!(event, "history");
    assert_eq!((&told["events"][0]["id"], &told["schema"]), (&expected["id"], &expected["schema"]));
    assert_eq!((&told["more"], told["events"].as_array().unwrap().len()), (&expected["more"], 1));
    records.0.store(251, Ordering::Relaxed);
    let mut ids = Vec::new();
    while ids.len() < 250 {
        let (_, told) = ears.news().await;
        ids.extend(told["events"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()));
    }
    assert!(ids.iter().copied().eq(7..=256), "none is left out: {ids:?}");
}

#[tokio::test]
async fn there_is_room_for_so_many_listeners_beside_all_others_and_nothing_runs_when_none_is_left() {
    let served = served().await;
    let mut all = Vec::new();
    for _ in 0..LISTENERS {
        all.push(Ears::at(served.at).await);
    }
    let ninth = timeout(SOON, served.get("/api/events"));
    let (code, head, body) = ninth.await.expect("there is no room for it");
    assert_eq!(code, 503);
    assert!(
        head.contains("retry-after: 30") && body.starts_with("There are as many listeners"),
        "{head} {body}"
    );
    // More than there is room for; the oldest of these have to leave, and no listener.
    let mut silent = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        silent.push(TcpStream::connect(served.at).await.unwrap());
    }
    assert_eq!(served.get("/livez").await.0, 200);
    says(&served.view.board, 18);
    for ears in &mut all {
        let generation = async |ears: &mut Ears| ears.news().await.1["config"]["generation"].clone();
        while generation(ears).await != 18 {}
    }
    drop(all.pop());
    let again = async { while !Ears::at(served.at).await.head.starts_with("http/1.1 200") {} };
    timeout(SOON, again).await.expect("there is room again");
}

#[tokio::test]
async fn a_stop_ends_all_streams_at_once() {
    let Served { at, cancel, task, .. } = served().await;
    let mut ears = Ears::at(at).await;
    let mut deaf = TcpStream::connect(at).await.unwrap();
    deaf.write_all(ASKS).await.unwrap();
    assert_eq!(ears.hear().await.unwrap().0, "status");
    let began = Instant::now();
    cancel.cancel();
    let stops = async {
        while ears.hear().await.is_some() {}
        task.await.unwrap();
    };
    timeout(SOON, stops).await.expect("it ends");
    assert!(began.elapsed() < LAST_ANSWERS, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_takes_what_is_told_may_listen_for_ever_and_who_does_not_is_let_go() {
    let (view, _vitals) = view();
    let ended = CancellationToken::new();
    let router = router(view.clone(), Names::Loopback, ended.clone());
    let listens = |room: usize| {
        let (ours, theirs) = tokio::io::duplex(room);
        let (connection, asked) = connection(&http(), theirs, router.clone(), view.clone().clock);
        (ours, tokio::spawn(connection), asked)
    };
    let (mut good, good_task, good_asked) = listens(64 * 1024);
    let (mut deaf, deaf_task, deaf_asked) = listens(1024);
    let (mut slow, slow_task, _) = listens(64 * 1024);
    good.write_all(ASKS).await.unwrap();
    deaf.write_all(ASKS).await.unwrap();
    slow.write_all(b"GET /liv").await.unwrap();
    let began = view.clock.now();
    let reading = tokio::spawn(async move {
        let mut all = String::new();
        let _ = good.read_to_string(&mut all).await;
        all
    });
    timeout(REQUEST * 2, slow_task).await.expect("it does not ask").unwrap();
    timeout(CONNECTION * 3, deaf_task).await.expect("it does not read").unwrap();
    let after = view.clock.now().since(began);
    assert!(after >= CONNECTION && deaf_asked.took().is_some(), "{after:?}");
    view.clock.sleep_until(began + CONNECTION * 20).await;
    assert!(!good_task.is_finished());
    assert!(view.clock.now().since(good_asked.took().unwrap()) <= Duration::from_secs(2));
    ended.cancel();
    timeout(SOON, good_task).await.expect("it ends").unwrap();
    let heard = reading.await.unwrap();
    // Ten minutes in which nothing but time has passed.
    let count = |what: &str| heard.matches(what).count();
    assert!((119..=121).contains(&count("event: status\n")), "{}", count("event: status\n"));
    assert!(count(": alive\n") >= 470, "{}", count(": alive\n"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_while_nobody_listens() {
    let (view, _vitals) = view();
    let events = Events::new(view.clone(), Arc::new(Semaphore::new(1)), CancellationToken::new());
    assert!(!events.tells());
    let stream = Arc::clone(&events).listen(Asked::default()).unwrap();
    assert!(events.tells());
    view.clock.sleep_until(view.clock.now() + SOON).await;
    assert!(events.tells());
    drop(stream);
    view.clock.sleep_until(view.clock.now() + Duration::from_secs(2)).await;
    assert!(!events.tells());
    let _stream = Arc::clone(&events).listen(Asked::default()).unwrap();
    assert!(events.tells());
}
