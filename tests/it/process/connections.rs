//! A local user who holds connections to the status open, ten thousand of them, and opens more.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use super::{Host, PATIENCE, Venue, declared, get};

#[test]
fn f78_who_holds_connections_open_keeps_nobody_from_the_status() {
    if let Err(why) = may_open(HELD as u64 + OTHERS) {
        assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{why}");
        // Past the test harness, which keeps what a test prints that passes.
        std::io::stderr().write_all(format!("\nskipped: {why}\n").as_bytes()).unwrap();
        return;
    }
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    let at = host.start();
    host.wait_for_all("in_sync -");
    let mut held: Vec<TcpStream> = (0..HELD).map(|_| TcpStream::connect(at).unwrap()).collect();
    let livez = || assert_eq!(get(at, "/livez").0, 200);
    answers_within_a_second(&host, livez);
    opens_more_and_more(at, &mut held, || answers_within_a_second(&host, livez));
    host.terminate();

    let socket = host.path("status.sock");
    let listen = format!("unix:{}", socket.display());
    host.spawn(host.command(&["run", "--listen", &listen]));
    host.wait_until("it is in sync", || (host.call(&["status"]).0 == 0).then_some(()));
    held.clear();
    let _held: Vec<UnixStream> = (0..HELD).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    answers_within_a_second(&host, || lives(&socket));
    host.terminate();
}

#[track_caller]
fn answers_within_a_second(host: &Host, livez: impl Fn()) {
    within_a_second("/livez", livez);
    within_a_second("status", || {
        let (code, out, err) = host.call(&["status"]);
        assert_eq!(code, 0, "{out}{err}");
    });
}

/// Puts new connections in place of those that had to leave, without a pause, while something is asked.
fn opens_more_and_more(at: SocketAddr, held: &mut [TcpStream], ask: impl Fn()) {
    let is_over = CancellationToken::new();
    std::thread::scope(|scope| {
        // However the asking ends.
        let _ends = is_over.clone().drop_guard();
        scope.spawn(|| {
            for place in (0..held.len()).cycle().take_while(|_| !is_over.is_cancelled()) {
                if let Ok(mut stream) = TcpStream::connect(at) {
                    // Every second one begins to ask.
                    let _ = stream.write_all(["", "GET /livez"][place % 2].as_bytes());
                    held[place] = stream;
                }
            }
        });
        ask();
    });
}

/// The quickest of a few, for the machine may have other things to do.
#[track_caller]
fn within_a_second(what: &str, ask: impl Fn()) {
    let took = (0..5).map(|_| {
        let began = Instant::now();
        ask();
        began.elapsed()
    });
    let quickest = took.min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{what}: {quickest:?}");
}

fn lives(socket: &Path) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Lets this process open so many files, or says why it may not.
fn may_open(files: u64) -> Result<(), String> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    if now.maximum.is_some_and(|maximum| maximum < files) {
        return Err(format!("{files} open files are wanted, and {:?} may be had (ulimit -Hn)", now.maximum));
    }
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now }).map_err(|error| error.to_string())
}

const HELD: usize = 10_000;
/// What the other tests of this process may have open.
const OTHERS: u64 = 2_000;
