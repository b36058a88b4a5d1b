//! Whose answer is it? Servers that write more answers than they were asked for, on every connection.
//!
//! Every answer holds the key that its question was signed with, so an answer at a wrong account is seen.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posmoded::exchange::bitget::{Request, Response, Transport as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::hostile::{DATA, END_STREAM, Frame, Line, Place, Speaks, key, question};
use crate::world::turn::Turn;

const ACCOUNTS: usize = 50;
const PATH: &str = "/api/v2/mix/position/all-position";
/// Some time after the answer, when the connection may wait for its next question.
const LATE: Duration = Duration::from_millis(3);

#[derive(Debug, Default)]
struct Came {
    right: usize,
    wrong: usize,
    failed: usize,
}

#[tokio::test]
async fn f60_over_plain_http_no_answer_is_taken_by_another_account() {
    let came = ask(Speaks::Plain, 80).await;
    assert_eq!((came.wrong, came.failed), (0, 0), "{came:?}");
}

#[tokio::test]
async fn f60_over_tls_without_http2_no_answer_is_taken_by_another_account() {
    let came = ask(Speaks::Tls, 40).await;
    assert_eq!((came.wrong, came.failed), (0, 0), "{came:?}");
}

#[tokio::test]
async fn f60_over_http2_no_answer_is_taken_by_another_account() {
    let came = ask(Speaks::TlsHttp2, 200).await;
    assert_eq!(came.wrong, 0, "{came:?}");
    // Some of what the server does ends the connection, and with it what was under way.
    assert!(came.right > came.failed, "{came:?}");
}

#[tokio::test]
async fn the_same_server_misleads_a_client_that_keeps_its_connections() {
    let place = serve(Speaks::Plain).await;
    // As our own clients do; run alone, this test is the first to need one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kept = reqwest::Client::new();
    let mut wrong = 0;
    for round in 0..40 {
        let account = round % ACCOUNTS;
        let asked = kept.get(format!("{}{PATH}", place.base())).header("access-key", key(account));
        let Ok(answer) = asked.send().await else { continue };
        wrong += usize::from(answer.text().await.unwrap() != key(account));
    }
    assert!(wrong > 0, "the server wrote no spare answer that can be taken for another one");
}

/// All accounts ask this often, side by side, over one client.
async fn ask(speaks: Speaks, times: usize) -> Came {
    let _turn = Turn::take();
    let place = serve(speaks).await;
    let sockets = place.sockets();
    let mut asking = JoinSet::new();
    for account in 0..ACCOUNTS {
        let sockets = sockets.clone();
        asking.spawn(async move {
            let mut came = Came::default();
            for time in 0..times {
                let request = match time % 5 {
                    0 => Request::post(PATH, "{}".to_owned()),
                    _ => Request::get(PATH, String::new()),
                };
                match sockets.send(question(account, request)).await {
                    Ok(Response { body, .. }) if body == key(account).as_bytes() => came.right += 1,
                    Ok(_) => came.wrong += 1,
                    Err(_) => came.failed += 1,
                }
            }
            came
        });
    }
    let mut all = Came::default();
    for Came { right, wrong, failed } in asking.join_all().await {
        all.right += right;
        all.wrong += wrong;
        all.failed += failed;
    }
    assert_eq!(all.right + all.wrong + all.failed, ACCOUNTS * times);
    all
}

async fn serve(speaks: Speaks) -> Place {
    let served = Arc::new(AtomicUsize::new(0));
    Place::serve(speaks, move |line| {
        let served = Arc::clone(&served);
        async move {
            match speaks {
                Speaks::Plain | Speaks::Tls => one_by_one(line, &served).await,
                Speaks::TlsHttp2 => as_streams(line, &served).await,
            }
        }
    })
    .await
}

/// HTTP/1.1: the server keeps every connection, whatever the client wishes.
async fn one_by_one(mut line: Line, served: &AtomicUsize) -> io::Result<()> {
    loop {
        let mut head = String::new();
        let signed = loop {
            head.push(char::from(line.read_u8().await?));
            if let Some((_, signed)) = head.split_once("access-key: ")
                && let Some((key, _)) = signed.split_once("\r\n")
            {
                break key.to_owned();
            }
        };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{signed}", signed.len());
        let turn = served.fetch_add(1, Ordering::SeqCst) % 4;
        if turn == 0 {
            // Early: before the question has ended.
            line.write_all(answer.as_bytes()).await?;
        }
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(line.read_u8().await?));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        line.read_exact(&mut vec![0; length]).await?;
        match turn {
            0 => line.write_all(answer.as_bytes()).await?,
            1 => line.write_all(answer.repeat(2).as_bytes()).await?,
            2 => line.write_all(answer.repeat(20).as_bytes()).await?,
            _ => {
                line.write_all(answer.as_bytes()).await?;
                line.flush().await?;
                tokio::time::sleep(LATE).await;
                line.write_all(answer.as_bytes()).await?;
            }
        }
        line.flush().await?;
    }
}

/// HTTP/2: a server that is in order, and between it and the client somebody who adds frames.
async fn as_streams(line: Line, served: &AtomicUsize) -> io::Result<()> {
    let (outside, inside) = tokio::io::duplex(0x1_0000);
    tokio::spawn(answer_all(inside));
    let (mut from_client, mut to_client) = tokio::io::split(line);
    let (mut from_server, mut to_server) = tokio::io::split(outside);
    let asked = tokio::io::copy(&mut from_client, &mut to_server);
    let answered = async {
        // The answers before, with their streams.
        let mut ended: Vec<Frame> = Vec::new();
        loop {
            let frame = Frame::read(&mut from_server).await?;
            to_client.write_all(&frame.bytes()).await?;
            if frame.kind == DATA && frame.flags & END_STREAM != 0 {
                ended.push(frame);
                let turn = served.fetch_add(1, Ordering::SeqCst);
                if turn % 4 == 3 {
                    to_client.flush().await?;
                    tokio::time::sleep(LATE).await;
                }
                let spares = spares(turn, &ended);
                to_client.write_all(&spares.iter().flat_map(Frame::bytes).collect::<Vec<_>>()).await?;
            }
            to_client.flush().await?;
        }
    };
    tokio::select! {
        ended = asked => ended.map(drop),
        ended = answered => ended,
    }
}

fn spares(turn: usize, ended: &[Frame]) -> Vec<Frame> {
    let last = ended.last().unwrap();
    let again = |of: &Frame, stream: u32| Frame::answer(stream, &of.payload);
    match turn % 4 {
        // On a stream that no question has opened yet, or on one that only the server could open: each now and then,
        // for it ends the connection.
        0 if turn % 1_000 == 500 => again(last, last.stream + 10_000).to_vec(),
        0 if turn % 1_000 == 800 => again(last, 2).to_vec(),
        // Another answer's body, on this one's stream.
        0 => again(&ended[ended.len() / 2], last.stream).to_vec(),
        1 => again(last, last.stream).to_vec(),
        2 => (0..20).flat_map(|_| again(last, last.stream)).collect(),
        // On the stream of an answer long ago.
        _ => again(last, ended[0].stream).to_vec(),
    }
}

/// Answers each question with the key that it was signed with, and some before their bodies came.
async fn answer_all(line: tokio::io::DuplexStream) {
    let Ok(mut connection) = h2::server::handshake(line).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let key = request.headers()["access-key"].as_bytes().to_vec();
        if let Ok(mut body) = respond.send_response(hyper::Response::new(()), false) {
            let _ = body.send_data(key.into(), true);
        }
    }
}
