//! What goes wrong with the one connection that all accounts share over HTTP/2, and that no set is sent twice for it.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitget_sim::Identity;
use expect_test::expect;
use posmoded::exchange::HttpVersion;
use posmoded::exchange::bitget::{Request, Sockets, Transport as _, TransportError};
use posmoded::facts::SetAnswer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hostile::{
    ACK, DATA, END_STREAM, Frame, GOAWAY, HEADERS, Line, PING, PREFACE, Place, RST_STREAM, SETTINGS, Speaks,
};
use super::{Venue, simulate};

const LOOK: &str = "/api/v2/public/time";
const SET: &str = "/api/v2/mix/account/set-position-mode";
const BODY: &[u8] = b"{}";
/// Reasons of RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;
const HTTP_1_1_REQUIRED: u32 = 13;

/// One thing that the server does when a set comes, on the set's stream.
#[derive(Debug, Clone, Copy)]
enum Act {
    Head,
    Answer,
    Reset(u32),
    /// The set's stream was not processed.
    GoAwayBelow(u32),
    /// The set's stream may have been processed.
    GoAwayAt(u32),
    Close,
}

#[tokio::test]
async fn f31_over_http2_a_set_leaves_once_whatever_the_other_side_says() {
    use Act::{Answer, Close, GoAwayAt, GoAwayBelow, Head, Reset};
    let cases: [(&str, &'static [Act]); 14] = [
        ("answered", &[Head, Answer]),
        ("stream refused", &[Reset(REFUSED_STREAM)]),
        ("stream refused, closed", &[Reset(REFUSED_STREAM), Close]),
        ("head, then stream refused", &[Head, Reset(REFUSED_STREAM)]),
        ("stream cancelled", &[Reset(CANCEL)]),
        ("stream broken", &[Reset(INTERNAL_ERROR)]),
        ("stream wants HTTP/1.1", &[Reset(HTTP_1_1_REQUIRED)]),
        ("GOAWAY below it", &[GoAwayBelow(NO_ERROR)]),
        ("GOAWAY below it, closed", &[GoAwayBelow(NO_ERROR), Close]),
        ("GOAWAY below it for calm", &[GoAwayBelow(ENHANCE_YOUR_CALM), Close]),
        ("GOAWAY at it, answered", &[GoAwayAt(NO_ERROR), Head, Answer]),
        ("GOAWAY at it, closed", &[GoAwayAt(NO_ERROR), Close]),
        ("GOAWAY at it for calm, closed", &[GoAwayAt(ENHANCE_YOUR_CALM), Close]),
        ("closed", &[Close]),
    ];
    let mut told = String::new();
    for (name, acts) in cases {
        let sets = Arc::new(AtomicUsize::new(0));
        let place = Place::serve(Speaks::TlsHttp2, {
            let sets = Arc::clone(&sets);
            move |line| attend(line, acts, Arc::clone(&sets))
        })
        .await;
        let sockets = place.sockets();
        let look = || sockets.send(Request::get(LOOK, String::new()));
        look().await.unwrap();
        let came = match sockets.send(Request::post(SET, "{}".to_owned())).await {
            Ok(_) => "answered",
            Err(TransportError::NotSent(_)) => "certainly not processed",
            Err(TransportError::Unanswered(_)) => "unclear",
        };
        // Whoever would send it again has had the time, and the next look finds a connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
        look().await.unwrap();
        writeln!(told, "{name}: {came}, sent {}", sets.load(Ordering::SeqCst)).unwrap();
    }
    expect![[r#"
        answered: answered, sent 1
        stream refused: certainly not processed, sent 1
        stream refused, closed: certainly not processed, sent 1
        head, then stream refused: unclear, sent 1
        stream cancelled: unclear, sent 1
        stream broken: unclear, sent 1
        stream wants HTTP/1.1: unclear, sent 1
        GOAWAY below it: unclear, sent 1
        GOAWAY below it, closed: unclear, sent 1
        GOAWAY below it for calm: unclear, sent 1
        GOAWAY at it, answered: answered, sent 1
        GOAWAY at it, closed: unclear, sent 1
        GOAWAY at it for calm, closed: unclear, sent 1
        closed: unclear, sent 1
    "#]]
    .assert_eq(&told);
}

/// Answers every look, and does as it is told with every set.
async fn attend(mut line: Line, acts: &'static [Act], sets: Arc<AtomicUsize>) -> io::Result<()> {
    line.read_exact(&mut PREFACE.to_vec()).await?;
    line.write_all(&Frame::new(SETTINGS, 0, 0, []).bytes()).await?;
    line.flush().await?;
    loop {
        let Frame { kind, flags, stream, payload } = Frame::read(&mut line).await?;
        let mut say = Vec::new();
        let mut closes = false;
        match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                let payload = if kind == PING { payload } else { Vec::new() };
                say.push(Frame::new(kind, ACK, 0, payload));
            }
            HEADERS if payload.first() != Some(&POST) => say.extend(Frame::answer(stream, BODY)),
            HEADERS => {
                sets.fetch_add(1, Ordering::SeqCst);
                for act in acts {
                    match act {
                        Act::Head => say.push(Frame::ok(stream)),
                        Act::Answer => say.push(Frame::new(DATA, END_STREAM, stream, BODY)),
                        Act::Reset(reason) => {
                            say.push(Frame::new(RST_STREAM, 0, stream, reason.to_be_bytes()));
                        }
                        Act::GoAwayBelow(reason) => say.push(goaway(stream - 2, *reason)),
                        Act::GoAwayAt(reason) => say.push(goaway(stream, *reason)),
                        Act::Close => closes = true,
                    }
                }
            }
            _ => {}
        }
        line.write_all(&say.iter().flat_map(Frame::bytes).collect::<Vec<_>>()).await?;
        line.flush().await?;
        if closes {
            return line.shutdown().await;
        }
    }
}

fn goaway(last: u32, reason: u32) -> Frame {
    Frame::new(GOAWAY, 0, 0, [last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// `:method: POST` of HPACK's static table, with which the head of such a request begins.
const POST: u8 = 0x83;

#[tokio::test]
async fn f60_a_connection_that_falls_silent_is_given_up_and_every_account_is_served_again() {
    const ACCOUNTS: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let identity = Identity::new().unwrap();
    std::fs::write(&ca, identity.ca_pem()).unwrap();
    let (_simulator, behind) = simulate(Some(identity));
    let (silence, heard) = watch::channel(false);
    let network = network(behind, heard).await;
    let sockets = Sockets::new(format!("https://{network}").parse().unwrap(), Some(&ca)).unwrap();
    let ask = |sockets: Sockets| async move { sockets.send(Request::get(LOOK, String::new())).await };
    ask(sockets.clone()).await.unwrap();
    assert_eq!(sockets.spoken(), Some(HttpVersion::Http2));

    silence.send(true).unwrap();
    let began = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..ACCOUNTS {
        let sockets = sockets.clone();
        asking.spawn(async move {
            // As a keeper does: again and again, one question at a time.
            while ask(sockets.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let served = asking.join_all();
    assert!(tokio::time::timeout(Duration::from_secs(20), served).await.is_ok(), "{:?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_secs(1), "nothing was silent: {:?}", began.elapsed());
}

/// Passes bytes on to `behind` and back, until it is told to be silent: from then on it forgets the connections that
/// there are, without a word to either end. New ones it serves.
async fn network(behind: SocketAddr, silence: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut silence = silence.clone();
            silence.mark_unchanged();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(behind).await?;
                tokio::select! {
                    ended = tokio::io::copy_bidirectional(&mut near, &mut far) => ended.map(drop),
                    _ = silence.changed() => std::future::pending().await,
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn what_the_server_speaks_is_known_from_its_answers() {
    for (speaks, version) in [
        (Speaks::Plain, HttpVersion::Http1),
        (Speaks::Tls, HttpVersion::Http1),
        (Speaks::TlsHttp2, HttpVersion::Http2),
    ] {
        let identity = Identity::new().unwrap();
        let identity = if speaks == Speaks::Tls { identity.without_http2() } else { identity };
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, identity.ca_pem()).unwrap();
        let (scheme, identity) =
            if speaks == Speaks::Plain { ("http", None) } else { ("https", Some(identity)) };
        let (simulator, address) = simulate(identity);
        let base = format!("{scheme}://{address}");
        let sockets = Sockets::new(base.parse().unwrap(), Some(&ca)).unwrap();
        assert_eq!(sockets.spoken(), None);
        sockets.send(Request::get(LOOK, String::new())).await.unwrap();
        assert_eq!(sockets.spoken(), Some(version), "{speaks:?}");
        let venue = Venue::at(simulator, &base, Some(&ca));
        assert_eq!(venue.set().await, SetAnswer::Accepted, "{speaks:?}");
    }
}
