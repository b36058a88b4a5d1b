//! The exchange through a proxy: one that listens on loopback and leads every way that is asked for to the one place that it
//! knows, so that whatever arrives there has come through it.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bitget_sim::{Identity, PosMode};
use expect_test::expect;
use posmoded::exchange::bitget::{Request, Sockets, Transport as _, TransportError};
use posmoded::exchange::{Extent, HttpVersion, Observe as _};
use posmoded::facts::{List, SetAnswer};
use posmoded::schedule::Purpose;

use super::{USDT, Venue, simulate};

const LOOK: &str = "/api/v2/public/time";
/// Where nobody is: only the proxy leads on from there.
const NOWHERE: &str = "localhost:1";

/// A proxy, and the heads of all requests that it got.
pub(crate) struct Forward {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What it answers to a request for a way.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// It opens it for whoever says this name and password.
    Knows(&'static str),
    /// It answers with these bytes, and closes.
    Says(&'static str),
    /// It says nothing at all.
    Silent,
}

impl Forward {
    /// Leads to `place`, until the process ends.
    pub(crate) fn to(place: SocketAddr, manner: Manner) -> Forward {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, kept) = (manner.clone(), Arc::clone(&kept));
                std::thread::spawn(move || serve(stream, place, &manner, &kept));
            }
        });
        Forward { address, heads }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The way through it, as `user` says who asks.
    fn sockets(&self, user: &str, base: &str, ca: Option<&std::path::Path>) -> Sockets {
        let proxy = format!("http://{user}{}", self.address);
        Sockets::through(Some(proxy.parse().unwrap()), base.parse().unwrap(), ca).unwrap()
    }
}

fn serve(
    mut near: TcpStream,
    place: SocketAddr,
    manner: &Manner,
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        near.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap().push(head.clone());
    let unknown = match manner {
        Manner::Knows(user) => {
            let wanted = format!("proxy-authorization: basic {}", BASE64_STANDARD.encode(user));
            !head.lines().any(|line| line.eq_ignore_ascii_case(&wanted))
        }
        Manner::Says(answer) => return near.write_all(answer.as_bytes()),
        Manner::Silent => return near.read_exact(&mut [0]),
    };
    if unknown {
        return near.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    let mut far = TcpStream::connect(place)?;
    far.set_nodelay(true)?;
    near.set_nodelay(true)?;
    match head.strip_prefix("CONNECT ") {
        Some(_) => near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        // In the clear: what is asked for is a whole URL, and goes on as the path of it.
        None => far.write_all(head.replacen(&format!("http://{NOWHERE}"), "", 1).as_bytes())?,
    }
    let (mut near_again, mut far_again) = (near.try_clone()?, far.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut far_again, &mut near_again);
        let _ = near_again.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut near, &mut far);
    far.shutdown(Shutdown::Write)
}

#[tokio::test]
async fn f59_every_request_goes_through_the_proxy_by_connect_with_http2_behind_it() {
    for version in [HttpVersion::Http2, HttpVersion::Http1] {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let identity = Identity::new().unwrap();
        let identity = if version == HttpVersion::Http2 { identity } else { identity.without_http2() };
        std::fs::write(&ca, identity.ca_pem()).unwrap();
        let (simulator, address) = simulate(Some(identity));
        let proxy = Forward::to(address, Manner::Knows("desk:it's %40@#/"));
        let sockets = proxy.sockets("desk:it's%20%2540%40%23%2F@", &format!("https://{NOWHERE}"), Some(&ca));
        assert!(!format!("{sockets:?}").contains("it's"), "{sockets:?}");
        let venue = Venue::over(sockets.clone(), simulator);
        assert_eq!(venue.set().await, SetAnswer::Accepted);
        assert_eq!(venue.mode(), PosMode::OneWayMode);
        for _ in 0..3 {
            let count = venue.desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await;
            assert_eq!(count.unwrap().value, 0);
        }
        assert_eq!(sockets.spoken(), Some(version));
        let heads = proxy.heads();
        let ways = if version == HttpVersion::Http2 { 1 } else { venue.log().len() };
        assert_eq!(heads.len(), ways, "{heads:#?}");
        for head in heads {
            assert!(head.starts_with(&format!("CONNECT {NOWHERE} HTTP/1.1\r\n")), "{head}");
            assert!(!head.to_lowercase().contains("access-") && !head.contains("/api/"), "{head}");
        }
    }
}

#[tokio::test]
async fn f59_what_the_proxy_does_wrong_is_said_to_be_the_proxys_and_nothing_was_sent() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // A label that is longer than a name server may be asked for: nobody is asked.
    let no_name = format!("{}.example", "x".repeat(64));
    let open = |manner| Forward::to(nobody, manner).address.to_string();
    let refuses = "HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\nhidden";
    let cases = [
        ("nobody there", nobody.to_string()),
        ("no such name", format!("{no_name}:3128")),
        ("no name given", open(Manner::Knows("desk:word"))),
        ("another name given", format!("desk:hidden@{}", open(Manner::Knows("desk:word")))),
        ("refused", open(Manner::Says(refuses))),
        ("no way on", open(Manner::Says("HTTP/1.1 502 Bad Gateway\r\n\r\n"))),
        ("no proxy", open(Manner::Says("SSH-2.0-OpenSSH_9.2\r\n"))),
        ("closed", open(Manner::Says(""))),
        ("closes behind", open(Manner::Says("HTTP/1.1 200 OK\r\n\r\n"))),
    ];
    let mut told = String::new();
    for (name, proxy) in cases {
        let host = proxy.rsplit('@').next().unwrap().to_owned();
        let proxy = format!("http://{proxy}").parse().unwrap();
        let sockets =
            Sockets::through(Some(proxy), format!("https://{NOWHERE}").parse().unwrap(), None).unwrap();
        let error = sockets.send(Request::post(LOOK, "{}".to_owned())).await.unwrap_err();
        let TransportError::NotSent(say) = error else { panic!("{name}: {error}") };
        assert!(!say.contains("hidden"), "{say}");
        let say = say.replace(&host, "HOST:PORT");
        // Whether the end of a connection shows as an end or as a reset is a matter of moments.
        let ends = [" was open: ", " could not be asked: "];
        let end = ends.iter().find_map(|end| Some(say.find(end)? + end.len()));
        writeln!(told, "{name}: {}", end.map_or(say.as_str(), |end| say[..end].trim_end())).unwrap();
    }
    expect![[r#"
        nobody there: the proxy http://HOST:PORT cannot be reached: tcp connect error: Connection refused (os error 111); check --proxy
        no such name: the proxy http://HOST:PORT cannot be reached: dns error: error resolving DNS: failed to lookup address information: Name or service not known; check --proxy
        no name given: the proxy http://HOST:PORT wants a user name and a password (HTTP 407): write --proxy http://USER:PASSWORD@HOST:PORT, best as the variable POSMODED_PROXY, for everybody on this host can read a command line
        another name given: the proxy http://HOST:PORT does not accept the user name and the password that it was given (HTTP 407): mend them in --proxy
        refused: the proxy http://HOST:PORT did not open a way to localhost:1: see that it allows CONNECT to there and knows the name; why it did not, its own log says
        no way on: the proxy http://HOST:PORT did not open a way to localhost:1: see that it allows CONNECT to there and knows the name; why it did not, its own log says
        no proxy: the proxy http://HOST:PORT did not open a way to localhost:1: see that it allows CONNECT to there and knows the name; why it did not, its own log says
        closed: the proxy http://HOST:PORT broke off before a way to localhost:1 was open:
        closes behind: https://localhost:1, asked through the proxy http://HOST:PORT, could not be asked:
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn f59_a_proxy_that_says_nothing_is_given_up_as_the_exchange_would_be() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Forward::to(nobody, Manner::Silent);
    let sockets = proxy.sockets("", &format!("https://{NOWHERE}"), None);
    let began = Instant::now();
    let error = sockets.send(Request::get(LOOK, String::new())).await.unwrap_err();
    let TransportError::NotSent(say) = error else { panic!("{error}") };
    let says = format!(
        "https://{NOWHERE}, asked through the proxy http://{}, did not answer in time",
        proxy.address
    );
    assert!(say.starts_with(&says), "{say}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn f59_a_base_url_in_the_clear_goes_through_a_proxy_on_loopback_and_through_no_other() {
    let (simulator, address) = simulate(None);
    let proxy = Forward::to(address, Manner::Knows("desk:word"));
    let base = format!("http://{NOWHERE}");
    let venue = Venue::over(proxy.sockets("desk:word@", &base, None), simulator);
    assert_eq!(venue.set().await, SetAnswer::Accepted);
    assert!(proxy.heads().iter().all(|head| head.contains(&format!(" {base}/api/"))), "{:#?}", proxy.heads());

    let ask =
        |sockets: Sockets| async move { sockets.send(Request::get(LOOK, String::new())).await.unwrap_err() };
    let TransportError::NotSent(say) = ask(proxy.sockets("", &base, None)).await else {
        panic!("it is unknown")
    };
    assert!(say.contains("wants a user name and a password (HTTP 407)"), "{say}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{nobody}").parse().unwrap();
    let sockets = Sockets::through(Some(gone), base.parse().unwrap(), None).unwrap();
    let TransportError::NotSent(say) = ask(sockets).await else { panic!("it is gone") };
    assert!(say.starts_with(&format!("the proxy http://{nobody} cannot be reached: ")), "{say}");

    let far = "http://desk:hidden@proxy.example:3128".parse().unwrap();
    let refused = Sockets::through(Some(far), base.parse().unwrap(), None).unwrap_err().to_string();
    assert!(refused.contains("--proxy") && !refused.contains("hidden"), "{refused}");
}
