//! What the hostile servers of these tests have in common: a listener that speaks plain or TLS, frames of HTTP/2 as bytes,
//! and a client of theirs that asks as many accounts at once as a fleet does.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bitget_sim::Identity;
use posmoded::exchange::bitget::{Request, Sockets};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How a server speaks with a client that would rather speak HTTP/2 over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Plain,
    Tls,
    TlsHttp2,
}

pub trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

pub type Line = Pin<Box<dyn Stream>>;

/// Where a server is, and what its client must trust.
pub struct Place {
    address: SocketAddr,
    speaks: Speaks,
    dir: TempDir,
}

impl Place {
    /// Serves every connection by `serve`, until the test's runtime ends.
    pub async fn serve<F>(speaks: Speaks, serve: impl Fn(Line) -> F + Send + 'static) -> Place
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let identity = Identity::new().unwrap();
        let identity = if speaks == Speaks::Tls { identity.without_http2() } else { identity };
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CA), identity.ca_pem()).unwrap();
        let acceptor = (speaks != Speaks::Plain).then(|| TlsAcceptor::from(identity.config()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(std::sync::Mutex::new(serve));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
                tokio::spawn(async move {
                    let line: Line = match acceptor {
                        Some(acceptor) => Box::pin(acceptor.accept(stream).await?),
                        None => Box::pin(stream),
                    };
                    let served = (serve.lock().unwrap())(line);
                    served.await
                });
            }
        });
        Place { address, speaks, dir }
    }

    pub fn base(&self) -> String {
        let scheme = if self.speaks == Speaks::Plain { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join(CA)
    }

    /// The product's own client of this server.
    pub fn sockets(&self) -> Sockets {
        Sockets::new(self.base().parse().unwrap(), Some(&self.ca())).unwrap()
    }
}

/// A request that is signed by the key of an account, as far as a server looks.
pub fn question(account: usize, mut request: Request) -> Request {
    request.headers.push(("access-key", key(account)));
    request
}

pub fn key(account: usize) -> String {
    format!("key-{account:02}")
}

/// A frame of HTTP/2: RFC 9113, section 4.1.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// The head `:status: 200`, in a form that changes no table of the other side's.
    pub fn ok(stream: u32) -> Frame {
        Frame::new(HEADERS, END_HEADERS, stream, [0x88])
    }

    /// A whole answer.
    pub fn answer(stream: u32, body: &[u8]) -> [Frame; 2] {
        [Frame::ok(stream), Frame::new(DATA, END_STREAM, stream, body)]
    }

    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let [long, middle, short, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, long, middle, short]) as usize];
        from.read_exact(&mut payload).await?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Frame { kind, flags, stream, payload } = self;
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[*kind, *flags], &stream.to_be_bytes(), payload].concat()
    }
}

const CA: &str = "ca.pem";
