//! The exchange over HTTP: loopback only, plain or TLS, on the wall clock with a skew that can be set. The query and the body
//! reach [`Exchange::handle`] byte for byte; what it says about dropping and hanging is done to the connection.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::control;
use crate::exchange::Exchange;
use crate::tls::{HTTP_2, Identity};
use crate::wire::{Outcome, Request, Response, UnixMs};

/// An exchange and its clock, shared between the server and whoever looks on.
#[derive(Clone, Debug, Default)]
pub struct Simulator {
    exchange: Arc<Mutex<Exchange>>,
    skew_ms: Arc<AtomicI64>,
}

impl Simulator {
    /// An exchange whose clock is the wall clock.
    pub fn new(exchange: Exchange) -> Self {
        Self { exchange: Arc::new(Mutex::new(exchange)), skew_ms: Arc::default() }
    }

    /// Looks at the exchange, or changes it, at its own present: what was due has executed. Do not call it from within
    /// itself, and do not wait for anything in it: the exchange stands still meanwhile.
    pub fn with<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        exchange.advance(self.now());
        act(&mut exchange)
    }

    /// What a request gets at this moment.
    pub fn handle(&self, request: &Request) -> crate::wire::Reply {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that the exchange never sees its time go back.
        let now = self.now();
        exchange.handle(now, request)
    }

    /// The exchange's time: the wall clock and the skew.
    pub fn now(&self) -> UnixMs {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        UnixMs(UnixMs(0).plus(wall).0.saturating_add(skew))
    }

    /// How far the exchange's clock is ahead of the wall clock, in milliseconds; negative if it is behind.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }

    /// Sets the exchange's clock.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

/// Serves the exchange, and `/control/`, until this future is dropped; every connection ends with it. With an identity it speaks
/// TLS, with HTTP/2 or HTTP/1.1 as the client chooses, without one plain HTTP/1.1. Call it within a tokio runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    simulator: Simulator,
    identity: Option<&Identity>,
) -> Result<Infallible, ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config()));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if peer.ip().is_loopback() => {
                    let served = Served { simulator: simulator.clone(), from: peer.ip() };
                    connections.spawn(connection(stream, acceptor.clone(), served));
                }
                Ok(_stranger) => {}
                // Out of file descriptors, or a client that is gone already: neither ends the exchange.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// The exchange cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is open to others.
    #[error("the simulator listens on loopback only, not on {0}: use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The listener does not work.
    #[error("cannot listen")]
    Listen(#[from] io::Error),
}

/// One connection's exchange, and who is at its other end.
#[derive(Clone)]
struct Served {
    simulator: Simulator,
    from: IpAddr,
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, served: Served) {
    // Small answers, asked for one by one: waiting for more to send would only add 40 ms.
    drop(stream.set_nodelay(true));
    match acceptor {
        None => one_by_one(stream, served).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
                    as_streams(stream, served).await;
                } else {
                    one_by_one(stream, served).await;
                }
            }
        }
    }
}

async fn as_streams(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, served: Served) {
    let service = service_fn(move |request| answer(served.clone(), request));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service);
    drop(pin!(connection).await);
}

async fn one_by_one(stream: impl AsyncRead + AsyncWrite + Unpin, served: Served) {
    let service = service_fn(move |request| answer(served.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is a client that went away, or a connection that was dropped on purpose.
    drop(pin!(connection).await);
}

async fn answer(
    Served { simulator, from }: Served,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Dropped> {
    let request = Request { from: Some(from), ..received(request).await? };
    if let Some(response) = control::answer(&simulator, &request) {
        return sent(response);
    }
    let reply = simulator.handle(&request);
    tokio::time::sleep(reply.after).await;
    match reply.outcome {
        Outcome::Response(response) => sent(response),
        Outcome::Dropped => Err(Dropped),
        Outcome::Hang => std::future::pending().await,
    }
}

/// The connection, or the stream of an HTTP/2 one, ends without an answer: that is what hyper does when a service fails.
#[derive(Debug, thiserror::Error)]
#[error("dropped on purpose")]
struct Dropped;

async fn received(request: hyper::Request<Incoming>) -> Result<Request, Dropped> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(|_| Dropped)?;
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body: body.to_bytes().to_vec(),
        from: None,
    })
}

fn sent(response: Response) -> Result<hyper::Response<Full<Bytes>>, Dropped> {
    let Response { status, headers, body } = response;
    let mut builder = hyper::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    // Fails for a status that HTTP does not have, which a fault may ask for.
    builder.body(Full::new(Bytes::from(body))).map_err(|_| Dropped)
}

/// Bytes; the exchange's requests are far smaller.
const LARGEST_BODY: usize = 1 << 20;
const HANDSHAKE: Duration = Duration::from_secs(10);
