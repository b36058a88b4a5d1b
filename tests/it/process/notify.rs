//! Messages to people, by the real binary to a real receiver on loopback: a good one, and those that are slow, down, answer 500
//! or lead elsewhere. None of them holds anything up, and none of their URLs is shown.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitget_sim::PosMode;
use serde_json::Value;

use super::{Host, Venue, declared, get, side_by_side};

/// What stands in each URL and header of a receiver, and nowhere else.
const SECRET: &str = "hidden-token";

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Answers(u16),
    /// With a redirect to there.
    LeadsTo(SocketAddr),
    /// Never: the connection stays open.
    Sleeps,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    line: String,
    headers: String,
    body: Value,
}

pub(super) struct Receiver {
    pub(super) at: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Receiver {
    pub(super) fn open(manner: Manner) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        std::thread::spawn({
            let (manner, asked) = (manner.clone(), asked.clone());
            move || {
                let mut sleeping = Vec::new();
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&stream) else { continue };
                    asked.lock().unwrap().push(request);
                    let head = match *manner.lock().unwrap() {
                        Manner::Answers(status) => format!("{status} Told"),
                        Manner::LeadsTo(at) => format!("307 Elsewhere\r\nLocation: http://{at}/{SECRET}"),
                        Manner::Sleeps => {
                            sleeping.push(stream);
                            continue;
                        }
                    };
                    let _ =
                        write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                }
            }
        });
        Receiver { at, manner, asked }
    }

    fn now(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The messages about this, as they came in.
    pub(super) fn of(&self, event: &str) -> Vec<Value> {
        let bodies = self.asked().into_iter().map(|asked| asked.body);
        bodies.filter(|body| body["event"] == event).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), String::new());
    reader.read_line(&mut line).ok()?;
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        if reader.read_line(&mut headers).ok()? == 0 {
            return None;
        }
    }
    let headers = headers.to_ascii_lowercase();
    let length = headers
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Asked { line, headers, body })
}

/// A host with one account that is in sync, and this file of who is told.
fn host_telling(venue: &Venue, notify: &str) -> Host {
    let host = Host::new(venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    write_notify(&host, notify);
    host
}

pub(super) fn write_notify(host: &Host, text: &str) {
    let path = host.path("keys/_notify");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub(super) fn notify_to(at: SocketAddr) -> String {
    format!(
        "url: 'http://{at}/{SECRET}'\nalive_url: 'http://{at}/{SECRET}/alive'\nheaders:\n  X-Token: '{SECRET}'\n"
    )
}

fn in_sync(host: &Host) {
    host.wait_until("in sync", || host.targets().values().all(|target| target == "in_sync -").then_some(()));
}

fn failures(at: SocketAddr) -> u64 {
    let (_, text) = get(at, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix("posmoded_notify_failures_total "));
    line.unwrap().parse().unwrap()
}

/// The warnings of the status, as one text.
fn warnings(host: &Host) -> String {
    host.status()["warnings"].to_string()
}

#[test]
fn people_are_told_what_happens_a_receiver_that_fails_is_shown_and_hears_later_what_still_holds() {
    let venue = Venue::of_desks(1);
    let receiver = Receiver::open(Manner::Answers(200));
    let mut host = host_telling(&venue, &notify_to(receiver.at));
    host.environment.push(("RUST_LOG", "trace".into()));
    let at = host.start();
    host.wait_until("the start is told", || receiver.of("started").first().cloned());
    host.wait_until("a sign of life", || {
        receiver.asked().iter().any(|asked| asked.line.starts_with("GET /hidden-token/alive ")).then_some(())
    });
    in_sync(&host);
    assert_eq!((failures(at), warnings(&host)), (0, "[]".to_owned()));

    // What begins while the receiver fails.
    receiver.now(Manner::Answers(500));
    host.declare("version: 1\n");
    host.wait_until("a failure", || (failures(at) > 0).then_some(()));
    let told = warnings(&host);
    assert!(
        told.contains("Messages have not arrived since ") && told.contains("the answer is 500"),
        "{told}"
    );
    assert_eq!(get(at, "/livez").0, 200);
    let (_, out, _) = host.call(&["status"]);
    assert!(out.contains("\nMessages have not arrived since "), "{out}");
    receiver.now(Manner::Answers(204));
    let before = receiver.of("file_refused").len();
    host.wait_until("it is told at last", || (receiver.of("file_refused").len() > before).then_some(()));
    host.wait_until("nothing fails any more", || (warnings(&host) == "[]").then_some(()));
    let refused = receiver.of("file_refused").pop().unwrap();
    assert_eq!((&refused["schema"], refused["targets"].as_array().unwrap().len()), (&1.into(), 0));
    assert!(
        refused["text"].as_str().unwrap().contains("the newest desired-state.yaml is refused"),
        "{refused}"
    );

    let status = get(at, "/api/status").1;
    let metrics = get(at, "/metrics").1;
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", host.pid())).unwrap();
    host.terminate();
    assert_eq!(receiver.of("stopping").len(), 1);
    let all = receiver.asked();
    let posts: Vec<_> = all.iter().filter(|asked| asked.line.starts_with("POST /hidden-token ")).collect();
    assert!(!posts.is_empty() && posts.iter().all(|asked| asked.headers.contains("x-token: hidden-token")));
    assert!(host.said().contains("TRACE"), "the log at its most talkative");
    let shown = [status, metrics, arguments, out, host.said()];
    for text in &shown {
        let around = text.find(SECRET).map(|at| text[at.saturating_sub(200)..at].to_owned());
        assert_eq!(around, None);
    }
}

#[test]
fn a_missing_key_and_a_drift_with_its_correction_are_told_with_their_targets() {
    let venue = Venue::of_desks(2);
    let receiver = Receiver::open(Manner::Answers(200));
    let file = declared(&[("desk-1", "one_way_mode"), ("desk-2", "one_way_mode")]);
    let mut host = Host::new(&venue, &["desk-1"], &file);
    write_notify(&host, &notify_to(receiver.at));
    host.start();
    host.wait_until("desk-1 is in sync", || {
        (host.targets().get("desk-1 USDT-FUTURES")? == "in_sync -").then_some(())
    });
    venue.flip(1, PosMode::HedgeMode);
    let human = host.wait_until("who lacks a key is told", || receiver.of("human").first().cloned());
    assert_eq!((&human["reason"], &human["more"]), (&"credential".into(), &0.into()));
    let [target] = human["targets"].as_array().unwrap().as_slice() else { panic!("{human}") };
    assert_eq!((&target["account"], &target["wants"]), (&"desk-2".into(), &"human".into()));
    assert!(target["say"].as_str().unwrap().contains("desk-2 is missing") && target["since"].is_string());
    // Nobody knows yet which kind of account it is.
    let text = human["text"].as_str().unwrap();
    assert!(text.contains(": desk-2 account wants a human (credential). "), "{text}");
    let drift = host.wait_until("the drift is told", || receiver.of("drift").first().cloned());
    assert_eq!(drift["targets"][0]["account"], "desk-1");
    let corrected = host.wait_until("its correction is told", || receiver.of("corrected").first().cloned());
    assert_eq!((&corrected["targets"][0]["state"], venue.mode(1)), (&"in_sync".into(), PosMode::OneWayMode));
    assert_eq!(receiver.of("human").len(), 1, "once in a day");
    host.terminate();
}

#[test]
fn no_receiver_holds_anything_up_whatever_it_does() {
    side_by_side(&[
        ("slow", || is_no_matter(Manner::Sleeps, "there is no answer within 10 s")),
        ("failing", || is_no_matter(Manner::Answers(500), "the answer is 500")),
        ("down", || {
            let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            is_no_matter_at(nobody, "no connection can be made");
        }),
        ("elsewhere", || {
            let other = Receiver::open(Manner::Answers(200));
            is_no_matter(Manner::LeadsTo(other.at), "the answer is 307, and redirects are not followed");
            assert_eq!(other.asked().len(), 0, "a redirect was followed");
        }),
        ("unusable", a_file_that_cannot_be_used_holds_nothing_up_and_is_read_again_on_reload),
    ]);
}

fn is_no_matter(manner: Manner, why: &str) {
    let receiver = Receiver::open(manner);
    is_no_matter_at(receiver.at, why);
}

fn is_no_matter_at(receiver: SocketAddr, why: &str) {
    let venue = Venue::of_desks(1);
    let mut host = host_telling(&venue, &notify_to(receiver));
    let at = host.start();
    in_sync(&host);
    host.wait_until("its failure shows", || warnings(&host).contains(why).then_some(()));
    assert!(failures(at) > 0);
    assert_eq!((get(at, "/livez").0, get(at, "/readyz").0), (200, 200));
    assert!(!warnings(&host).contains(SECRET));
    host.signal("TERM");
    let (code, took) = host.ended();
    assert!(code == Some(0) && took < Duration::from_secs(8), "{code:?} after {took:?}: {}", host.said());
    assert!(!host.said().contains(SECRET));
}

fn a_file_that_cannot_be_used_holds_nothing_up_and_is_read_again_on_reload() {
    let venue = Venue::of_desks(1);
    let receiver = Receiver::open(Manner::Answers(200));
    let mut host = host_telling(&venue, &format!("url: http://{SECRET}.example/\n"));
    host.start();
    in_sync(&host);
    assert!(warnings(&host).contains("`url` begins with http://"), "{}", warnings(&host));
    write_notify(&host, &notify_to(receiver.at));
    host.signal("HUP");
    host.wait_until("the start is told", || receiver.of("started").first().cloned());
    assert_eq!(warnings(&host), "[]");
    host.terminate();
    assert!(!host.said().contains(SECRET));
}

#[test]
fn check_tells_what_is_wrong_with_the_file_of_who_is_told() {
    let venue = Venue::of_desks(1);
    let host = host_telling(&venue, &format!("url: 'https://hooks.example/{SECRET}'\n"));
    assert_eq!(host.call(&["check"]).0, 0);
    let wrong = |expected: &str| {
        let (code, out, err) = host.call(&["check"]);
        assert!(code == 1 && err.contains(expected), "{code} {out}{err}");
        assert!(!format!("{out}{err}").contains(SECRET), "{out}{err}");
    };
    fs::set_permissions(host.path("keys/_notify"), Permissions::from_mode(0o644)).unwrap();
    wrong("_notify belongs to user ");
    fs::set_permissions(host.path("keys/_notify"), Permissions::from_mode(0o600)).unwrap();
    write_notify(&host, &format!("url: 'http://{SECRET}.example/'\n"));
    wrong("_notify is not usable: `url` begins with http://");
    write_notify(&host, &format!("uri: '{SECRET}'\n"));
    wrong("_notify cannot be taken as it stands");
}
