//! What the client makes of answers that no exchange should give: the outcome of a set, and what a look says.
//!
//! Each case is asked for a set and for a look, each by a client of its own. No case may take longer than one attempt may, be asked
//! twice, or be read without an end; and of an answer that did not come as a whole no look may say "nothing there".

use std::fmt::Write as _;

use bitget_sim::Flaw;
use expect_test::expect;

use super::rogue::{Act, Rogue, answer};
use super::*;

/// As a set is accepted, and as a look finds no positions.
const GOOD: &str = r#"{"code":"00000","msg":"success","requestTime":1700000000000,"data":[]}"#;
/// As a set is refused for good, with HTTP 400.
const NOT_FLAT: &str = r#"{"code":"40920","msg":"not flat","requestTime":1700000000000,"data":null}"#;
const NO_PAUSE: Duration = Duration::ZERO;
/// Whatever a socket may buffer on both sides, and what is read of an answer.
const BOUNDED: usize = 24 * 1024 * 1024;

fn write(bytes: impl Into<Vec<u8>>) -> Act {
    Act::Write(bytes.into())
}

/// The head of an answer whose body has another length than it says.
fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")
}

/// The first so many bytes of a good answer.
fn part(bytes: usize) -> Act {
    write(&answer("200 OK", GOOD)[..bytes])
}

/// `text` and ten million spaces, in 65,000 bytes. Whoever decodes it stops reading long before the checksum.
fn bomb(text: &str) -> Vec<u8> {
    const MATCHES: usize = 10_000_000 / 258;
    let mut bits = vec![true, true, false]; // The last block, with the fixed codes.
    let mut code = |code: u32, length: u32| bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    for byte in text.bytes().chain([b' ']) {
        code(0x30 + u32::from(byte), 8);
    }
    for _ in 0..MATCHES {
        code(0b1100_0101, 8); // The last 258 bytes again, ...
        code(0, 5); // ... from one byte before.
    }
    code(0, 7);
    let mut zipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    zipped.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit))));
    zipped.extend([0; 8]);
    zipped
}

fn cases(elsewhere: SocketAddr) -> Vec<(&'static str, Vec<Act>)> {
    let whole = answer("200 OK", GOOD);
    let until_the_end = format!("HTTP/1.1 200 OK\r\n\r\n{GOOD}");
    let with =
        |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: {}\r\n\r\n{GOOD}", GOOD.len());
    let zipped = bomb(GOOD);
    let zipped_head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", zipped.len());
    let redirect = |status: &str| {
        write(format!("HTTP/1.1 {status}\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n"))
    };
    let refusal = answer("400 Bad Request", NOT_FLAT);
    let many = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(100);
    let pause = Duration::from_millis(20);
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    vec![
        ("reset before the answer", vec![Act::Reset]),
        ("closed before the answer", vec![Act::Close]),
        ("half closed before the answer", vec![Act::HalfClose]),
        ("reset within the head", vec![part(20), Act::Reset]),
        ("closed within the head", vec![part(20), Act::Close]),
        ("reset within the body", vec![part(whole.len() - 1), Act::Pause(pause), Act::Reset]),
        ("half closed within the body", vec![part(whole.len() - 1), Act::HalfClose]),
        ("reset after the body", vec![write(&whole[..]), Act::Pause(pause), Act::Reset]),
        ("no length, whole", vec![write(&until_the_end[..]), Act::HalfClose]),
        ("no length, cut", vec![write(&until_the_end[..until_the_end.len() - 1]), Act::Close]),
        ("a byte a second from the start", vec![Act::Trickle(whole.clone())]),
        ("a byte a second of the body", vec![part(whole.len() - GOOD.len()), Act::Trickle(GOOD.into())]),
        ("too long a length, closed", vec![write(head(GOOD.len() + 1) + GOOD), Act::Close]),
        ("too long a length, held", vec![write(head(GOOD.len() + 1) + GOOD), Act::Hold]),
        ("too short a length", vec![write(head(GOOD.len() - 1) + GOOD)]),
        ("two lengths", vec![write(with("content-length: 5"))]),
        ("a length that is no number", vec![write("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")]),
        (
            "chunks, cut",
            vec![write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{"), Act::Close],
        ),
        ("HTML with 200", vec![write(answer("200 OK", "<html>Please wait</html>"))]),
        ("more after the JSON", vec![write(answer("200 OK", &format!("{GOOD}{GOOD}")))]),
        ("204 without a body", vec![write("HTTP/1.1 204 No Content\r\n\r\n")]),
        ("a gzip bomb", vec![write(zipped_head), write(zipped)]),
        ("redirect 301", vec![redirect("301 Moved Permanently")]),
        ("redirect 302", vec![redirect("302 Found")]),
        ("redirect 307", vec![redirect("307 Temporary Redirect")]),
        ("redirect 308", vec![redirect("308 Permanent Redirect")]),
        (
            "10 MB",
            vec![write(answer("200 OK", &GOOD.replace("[]", &format!("[\"{}\"]", "x".repeat(10_000_000)))))],
        ),
        (
            "a body without end",
            vec![
                write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
                Act::Endless(chunk.into(), NO_PAUSE),
            ],
        ),
        (
            "headers without end",
            vec![
                write("HTTP/1.1 200 OK\r\n"),
                Act::Endless("x-more: and more\r\n".repeat(1000).into(), NO_PAUSE),
            ],
        ),
        (
            "one header without end",
            vec![write("HTTP/1.1 200 OK\r\nx: "), Act::Endless("x".repeat(0x1_0000).into(), NO_PAUSE)],
        ),
        (
            "a status line without end",
            vec![write("HTTP/1.1 200 "), Act::Endless("x".repeat(0x1_0000).into(), NO_PAUSE)],
        ),
        ("1xx without end", vec![Act::Endless(many.clone().into(), pause)]),
        ("a hundred 1xx, then the answer", vec![write(many), write(&whole[..])]),
        (
            "101, unasked",
            vec![
                write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
                write(&whole[..]),
            ],
        ),
        ("HTTP/1.0", vec![write(until_the_end.replace("1.1", "1.0")), Act::Close]),
        ("no HTTP", vec![write("SSH-2.0-OpenSSH_9.9\r\n"), Act::Hold]),
        ("a garbled status line", vec![write("HTTP/1.1 2x0 OK\r\n\r\n"), Act::Hold]),
        ("status 999", vec![write(answer("999 Odd", GOOD))]),
        ("refused, then reset", vec![write(&refusal[..]), Act::Pause(pause), Act::Reset]),
        ("a refusal, cut", vec![write(&refusal[..refusal.len() - 1]), Act::Close]),
        ("a refusal of 500", vec![write(answer("500 Oops", NOT_FLAT))]),
    ]
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of ways to misbehave")]
async fn f31_f34_each_way_to_misbehave_has_its_outcome_in_bounded_time_and_memory_and_is_asked_once() {
    let elsewhere = Rogue::new(vec![vec![write(answer("200 OK", GOOD))]]).await;
    let mut tried = JoinSet::new();
    for (number, (name, acts)) in cases(elsewhere.address).into_iter().enumerate() {
        for ask in [Ask::Set, Ask::Look] {
            let rogue = Rogue::new(vec![acts.clone()]).await;
            let venue = Venue::at(Simulator::default(), &format!("http://{}", rogue.address), None);
            tried.spawn(async move { (number, ask, name, tell(name, ask, &venue, &rogue).await) });
        }
    }
    let mut told = tried.join_all().await;
    told.sort_unstable();
    let mut table = String::new();
    for (_, ask, name, came) in told {
        match ask {
            Ask::Set => writeln!(table, "{name}\n    set:  {came}").unwrap(),
            Ask::Look => writeln!(table, "    look: {came}").unwrap(),
        }
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
    expect![[r#"
        reset before the answer
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        closed before the answer
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        half closed before the answer
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        reset within the head
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        closed within the head
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        reset within the body
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        half closed within the body
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        reset after the body
            set:  accepted
            look: 0
        no length, whole
            set:  accepted
            look: 0
        no length, cut
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        a byte a second from the start
            set:  unclear: no answer to the call set-position-mode: http://HOST did not answer in time
            look: TryAgain: no answer to the call all-position: http://HOST did not answer in time
        a byte a second of the body
            set:  unclear: no answer to the call set-position-mode: http://HOST did not answer in time
            look: TryAgain: no answer to the call all-position: http://HOST did not answer in time
        too long a length, closed
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        too long a length, held
            set:  unclear: no answer to the call set-position-mode: http://HOST did not answer in time
            look: TryAgain: no answer to the call all-position: http://HOST did not answer in time
        too short a length
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        two lengths
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        a length that is no number
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        chunks, cut
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        HTML with 200
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        more after the JSON
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        204 without a body
            set:  unclear: Bitget answered the call set-position-mode: an empty body (HTTP 204)
            look: TryAgain: Bitget answered the call all-position: an empty body (HTTP 204)
        a gzip bomb
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        redirect 301
            set:  unclear: Bitget answered the call set-position-mode: HTTP 301, a redirect, which is never followed; check --base-url
            look: TryAgain: Bitget answered the call all-position: HTTP 301, a redirect, which is never followed; check --base-url
        redirect 302
            set:  unclear: Bitget answered the call set-position-mode: HTTP 302, a redirect, which is never followed; check --base-url
            look: TryAgain: Bitget answered the call all-position: HTTP 302, a redirect, which is never followed; check --base-url
        redirect 307
            set:  unclear: Bitget answered the call set-position-mode: HTTP 307, a redirect, which is never followed; check --base-url
            look: TryAgain: Bitget answered the call all-position: HTTP 307, a redirect, which is never followed; check --base-url
        redirect 308
            set:  unclear: Bitget answered the call set-position-mode: HTTP 308, a redirect, which is never followed; check --base-url
            look: TryAgain: Bitget answered the call all-position: HTTP 308, a redirect, which is never followed; check --base-url
        10 MB
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        a body without end
            set:  unclear: Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200).
            look: TryAgain: Bitget answered the call all-position: a body that is no complete answer (HTTP 200).
        headers without end
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        one header without end
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        a status line without end
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        1xx without end
            set:  unclear: no answer to the call set-position-mode: http://HOST did not answer in time
            look: TryAgain: no answer to the call all-position: http://HOST did not answer in time
        a hundred 1xx, then the answer
            set:  accepted
            look: 0
        101, unasked
            set:  unclear: Bitget answered the call set-position-mode: HTTP 101
            look: TryAgain: Bitget answered the call all-position: HTTP 101
        HTTP/1.0
            set:  accepted
            look: 0
        no HTTP
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        a garbled status line
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        status 999
            set:  unclear: Bitget answered the call set-position-mode: HTTP 999.
            look: TryAgain: Bitget answered the call all-position: HTTP 999.
        refused, then reset
            set:  refused, NotFlat: Bitget answered the call set-position-mode: 40920, something is open that no list showed: look for bots, TWAP and copy orders
            look: NotFlat: Bitget answered the call all-position: 40920, there are still positions or orders; the mode waits until they are gone
        a refusal, cut
            set:  unclear: no answer to the call set-position-mode: http://HOST gave no whole answer
            look: TryAgain: no answer to the call all-position: http://HOST gave no whole answer
        a refusal of 500
            set:  unclear: Bitget answered the call set-position-mode: HTTP 500.
            look: TryAgain: Bitget answered the call all-position: HTTP 500.
    "#]].assert_eq(&table);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ask {
    Set,
    Look,
}

/// Asks once, and tells what came of it.
async fn tell(name: &str, ask: Ask, venue: &Venue, rogue: &Rogue) -> String {
    venue.desk.clock().await.unwrap();
    let permit = venue.desk.permit(USDT).await.unwrap();
    let noted = venue.note(USDT).await;
    let began = Instant::now();
    let came = match ask {
        Ask::Set => match venue.desk.set(noted, permit).await.0 {
            SetAnswer::Accepted => "accepted".to_owned(),
            SetAnswer::Refused(Failure { class, say, code: _ }) => format!("refused, {class:?}: {say}"),
            SetAnswer::NotSent(say) => format!("not sent: {say}"),
            SetAnswer::Unclear(say) => format!("unclear: {say}"),
        },
        Ask::Look => match venue.desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await {
            Ok(count) => count.value.to_string(),
            Err(Failure { class, say, code: _ }) => format!("{class:?}: {say}"),
        },
    };
    assert!(began.elapsed() < Duration::from_secs(14), "{name}: {:?}", began.elapsed());
    assert_eq!(rogue.asked(), 1, "{name}, {ask:?}: {came}");
    assert!(rogue.written() < BOUNDED, "{name}: {} bytes were taken", rogue.written());
    assert!(!rogue.heads().contains("accept-encoding"), "{}", rogue.heads());
    // The answer itself is shown to its reader, but need not be in a table of all of them.
    let (came, _answer) = came.split_once(" The answer: ").unwrap_or((&came, ""));
    let (came, _layers) = came.split_once(": error ").unwrap_or((came, ""));
    came.replace(&rogue.address.to_string(), "HOST")
}

#[tokio::test]
async fn f34_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() {
    let open = r#"{"code":"00000","msg":"success","requestTime":1700000000000,"data":[{"total":"1"}]}"#;
    let smuggled = [answer("200 OK", open), answer("200 OK", GOOD)].concat();
    for turns in [
        vec![vec![write(smuggled.clone())], vec![write(answer("200 OK", open))]],
        // The unasked one comes later, on a connection that is kept for the next request.
        vec![
            vec![
                write(answer("200 OK", open)),
                Act::Pause(Duration::from_millis(50)),
                write(answer("200 OK", GOOD)),
            ],
            vec![write(answer("200 OK", open))],
        ],
    ] {
        let rogue = Rogue::new(turns).await;
        let venue = Venue::at(Simulator::default(), &format!("http://{}", rogue.address), None);
        venue.desk.clock().await.unwrap();
        for _ in 0..2 {
            let look = venue.desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap();
            assert_eq!(look.value, 1);
            // However busy the machine: the unasked answer has come, and has had time to be seen.
            while rogue.written() < smuggled.len() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(rogue.asked(), 2);
    }
}

#[tokio::test]
async fn a_line_that_is_not_believed_is_never_asked_anything_and_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = String::new();
    let another = || Identity::new().unwrap();
    let flawed = |flaw| Identity::flawed(flaw).map(|identity| (identity.clone(), Some(identity))).unwrap();
    for (name, (identity, trusted)) in [
        ("another host", flawed(Flaw::OtherHost)),
        ("expired", flawed(Flaw::Expired)),
        ("not yet", flawed(Flaw::NotYet)),
        ("unknown issuer", (another(), None)),
        ("another issuer of that name", (another(), Some(another()))),
    ] {
        let ca = dir.path().join(name);
        std::fs::write(&ca, trusted.as_ref().map_or("", Identity::ca_pem)).unwrap();
        let ca = trusted.as_ref().map(|_| ca.as_path());
        let (simulator, address) = simulate(Some(identity));
        let venue = Venue::at(simulator, &format!("https://{address}"), ca);
        let failure = venue.desk.clock().await.unwrap_err();
        assert_eq!(failure.class, Class::TryAgain);
        let (say, _the_time) = failure.say.split_once("verification time").unwrap_or((&failure.say, ""));
        writeln!(told, "{name}: {}", say.replace(&address.to_string(), "HOST")).unwrap();
        assert!(venue.log().is_empty());
    }
    expect![[r#"
        another host: no answer to the call time: https://HOST could not be asked: its certificate is another host's: check --base-url, or find out who answers in its place (invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("elsewhere.example"))
        expired: no answer to the call time: https://HOST could not be asked: its certificate is over by this host's clock: see whether that is right (timedatectl); if it is, wait until the certificate is renewed, or find out who answers in its place (invalid peer certificate: certificate expired: 
        not yet: no answer to the call time: https://HOST could not be asked: its certificate is not valid yet by this host's clock: see whether that is right (timedatectl) (invalid peer certificate: certificate not valid yet: 
        unknown issuer: no answer to the call time: https://HOST could not be asked: nobody whom this host trusts has signed its certificate: install or update the package ca-certificates; if something on the way inspects TLS, name its root certificate with --ca FILE (invalid peer certificate: UnknownIssuer)
        another issuer of that name: no answer to the call time: https://HOST could not be asked: nobody whom this host trusts has signed its certificate: install or update the package ca-certificates; if something on the way inspects TLS, name its root certificate with --ca FILE (invalid peer certificate: BadSignature)
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn a_handshake_that_ends_or_never_does_is_given_up_in_time_and_nothing_was_asked() {
    let mut tried = JoinSet::new();
    for acts in [
        ("plain http", Some(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
        ("closed", Some(Vec::new())),
        ("silent", None),
    ] {
        tried.spawn(async move {
            let (name, said) = acts;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let mut silent = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                    let _ = stream.read(&mut [0; 4096]).await;
                    match &said {
                        Some(bytes) => drop(stream.write_all(bytes).await),
                        None => silent.push(stream),
                    }
                }
            });
            let venue = Venue::at(Simulator::default(), &format!("https://{address}"), None);
            let began = Instant::now();
            let failure = venue.desk.clock().await.unwrap_err();
            assert!(began.elapsed() < Duration::from_secs(8), "{name}: {:?}", began.elapsed());
            format!("{name}, {:?}: {}", failure.class, failure.say.replace(&address.to_string(), "HOST"))
        });
    }
    let mut told = tried.join_all().await;
    told.sort_unstable();
    expect![[r#"
        closed, TryAgain: no answer to the call time: https://HOST could not be asked: error sending request: client error (Connect): tls handshake eof
        plain http, TryAgain: no answer to the call time: https://HOST could not be asked: error sending request: client error (Connect): received corrupt message of type InvalidContentType
        silent, TryAgain: no answer to the call time: https://HOST did not answer in time: error sending request: client error (Connect): operation timed out"#]].assert_eq(&told.join("\n"));
}
