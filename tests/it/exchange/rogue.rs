//! A server that tells the exchange's time rightly and misbehaves on everything else, byte by byte as it is told.
//!
//! It checks no signature and keeps no state but the counts of what it was asked and what it wrote. `THEN` in what it
//! writes becomes the time of that moment.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A time, in milliseconds.
pub const THEN: &str = "1700000000000";

/// One thing to do on a connection that asked for something.
#[derive(Debug, Clone)]
pub enum Act {
    Write(Vec<u8>),
    /// A byte a second.
    Trickle(Vec<u8>),
    /// The same again and again, so far apart, until the other side has had enough.
    Endless(Vec<u8>, Duration),
    Pause(Duration),
    /// Ends the connection without a farewell.
    Reset,
    Close,
    /// Says that nothing more will come, and goes on listening.
    HalfClose,
    /// Says nothing more, and goes on listening.
    Hold,
}

/// The server. It ends with the test's runtime.
pub struct Rogue {
    pub address: SocketAddr,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    asked: AtomicUsize,
    written: AtomicUsize,
    heads: Mutex<String>,
}

impl Rogue {
    /// The first request after the time is treated to the first of `turns`, and so on; the last one is for all others.
    pub async fn new(turns: Vec<Vec<Act>>) -> Rogue {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Told::default());
        let (turns, served) = (Arc::new(turns), Arc::clone(&told));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(attend(stream, Arc::clone(&turns), Arc::clone(&served)));
            }
        });
        Rogue { address, told }
    }

    /// How many requests came, those for the time not counted.
    pub fn asked(&self) -> usize {
        self.told.asked.load(Ordering::SeqCst)
    }

    /// How many bytes of answers the other side took, its socket's buffers included.
    pub fn written(&self) -> usize {
        self.told.written.load(Ordering::SeqCst)
    }

    /// The heads of the requests, one after the other.
    pub fn heads(&self) -> String {
        self.told.heads.lock().unwrap().clone()
    }
}

/// A whole answer, well written.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

fn dated(bytes: &[u8]) -> Vec<u8> {
    let mut dated = bytes.to_vec();
    let starts = (0..bytes.len()).filter(|start| bytes[*start..].starts_with(THEN.as_bytes()));
    for start in starts {
        dated[start..start + THEN.len()].copy_from_slice(now().to_string().as_bytes());
    }
    dated
}

async fn attend(mut stream: TcpStream, turns: Arc<Vec<Vec<Act>>>, told: Arc<Told>) -> io::Result<()> {
    while let Some(head) = request(&mut stream).await? {
        if head.contains(" /api/v2/public/time ") {
            let now = now();
            let time = format!(
                r#"{{"code":"00000","msg":"success","requestTime":{now},"data":{{"serverTime":"{now}"}}}}"#
            );
            stream.write_all(&answer("200 OK", &time)).await?;
            continue;
        }
        let turn = told.asked.fetch_add(1, Ordering::SeqCst).min(turns.len() - 1);
        told.heads.lock().unwrap().push_str(&head);
        for act in &turns[turn] {
            match act {
                Act::Write(bytes) => {
                    stream.write_all(&dated(bytes)).await?;
                    told.written.fetch_add(bytes.len(), Ordering::SeqCst);
                }
                Act::Trickle(bytes) => {
                    for byte in dated(bytes) {
                        stream.write_all(&[byte]).await?;
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
                Act::Endless(bytes, pause) => loop {
                    stream.write_all(bytes).await?;
                    told.written.fetch_add(bytes.len(), Ordering::SeqCst);
                    tokio::time::sleep(*pause).await;
                },
                Act::Pause(pause) => tokio::time::sleep(*pause).await,
                Act::Reset => {
                    stream.set_zero_linger()?;
                    return Ok(());
                }
                Act::Close => return Ok(()),
                Act::HalfClose => {
                    stream.shutdown().await?;
                    return heard_out(&mut stream).await;
                }
                Act::Hold => return heard_out(&mut stream).await,
            }
        }
    }
    Ok(())
}

/// Until the other side ends the connection.
async fn heard_out(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// Reads one whole request and gives its head; `None` if there is no other one.
async fn request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok(Some(head))
}
