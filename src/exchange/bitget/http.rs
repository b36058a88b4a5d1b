//! One HTTP attempt: a signed request in, the raw answer out. No redirects, no decisions, and no retry once a
//! byte was written.
//!
//! An answer must be its own question's: over HTTP/2 all questions share one connection and each has its stream, over
//! HTTP/1.1 each has a connection of its own. On a kept HTTP/1.1 connection an answer belongs to a question only by its
//! place, so a spare one would be taken for the next question's, be that another account's. Through a proxy it is the same: what
//! it leads to is one connection to the exchange.

use std::fmt;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode, Version};

use super::address::{BaseUrl, Proxy, Unusable};
use super::unreached;
use crate::constants::{BODY_LIMIT, HTTP_CONNECT, HTTP_IDLE, HTTP_PING, HTTP_PONG, HTTP_TOTAL};
use crate::exchange::HttpVersion;

/// The connection to the exchange: over a socket, or straight into a simulated one.
pub trait Transport: Send + Sync + 'static {
    /// Sends this one request and reads the whole answer.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, TransportError>> + Send;
}

/// A request exactly as it is sent, byte for byte. `Debug` shows no header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path: begins with `/`; plain ASCII.
    pub path: String,
    /// The query without its `?`: plain ASCII; empty if there is none.
    pub query: String,
    /// Lower-case name and value of each header.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub body: String,
}

/// The HTTP method: `GET` reads, `POST` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A read.
    Get,
    /// A set.
    Post,
}

/// The raw answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `x-mbx-used-remain-limit`: the requests that remain at this endpoint, if the header is there.
    pub remaining: Option<u32>,
    /// The body's media type, if it is a well-known one.
    pub media: Option<&'static str>,
    /// The body; `Sockets` cuts it at `BODY_LIMIT`.
    pub body: Vec<u8>,
}

/// Why no answer came: one plain sentence, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request was not sent, or was certainly not processed: there was no connection, it cannot be sent as signed, or
    /// the other side refused its stream.
    #[error("{0}")]
    NotSent(String),
    /// The request may have arrived.
    #[error("{0}")]
    Unanswered(String),
}

/// Requests over real sockets: one client for all accounts. Clones share it.
#[derive(Debug, Clone)]
pub struct Sockets {
    client: Client,
    base: BaseUrl,
    proxy: Option<Proxy>,
    spoken: Arc<Mutex<Option<HttpVersion>>>,
}

impl Sockets {
    /// A client for `base`. `ca` names a PEM file with roots to trust in addition to the system's own.
    pub fn new(base: BaseUrl, ca: Option<&Path>) -> Result<Sockets, Unusable> {
        Sockets::through(None, base, ca)
    }

    /// The same through a proxy, by CONNECT: what goes on behind it is TLS from end to end, with HTTP/2 where it is spoken.
    /// A base URL in the clear, which loopback alone may be, has no CONNECT: the proxy is asked for the whole URL. It would
    /// read the passphrase, so it must be on loopback, too.
    pub fn through(proxy: Option<Proxy>, base: BaseUrl, ca: Option<&Path>) -> Result<Sockets, Unusable> {
        if base.is_plain() && proxy.as_ref().is_some_and(|proxy| !proxy.is_loopback()) {
            return Err(Unusable(format!(
                "{base} is asked in the clear, and through --proxy the passphrase would leave this host so: write a base URL \
                 that begins with https://, or take --proxy away"
            )));
        }
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = ca.map(roots).transpose()?.unwrap_or_default();
        let client = match &proxy {
            // Whatever the environment says; this also takes back what was named before.
            None => Client::builder().no_proxy(),
            Some(proxy) => {
                let all = reqwest::Proxy::all(proxy.url().clone());
                let all = all.map_err(|_| Unusable(format!("the proxy {proxy} cannot be used")))?;
                Client::builder().no_proxy().proxy(all)
            }
        };
        let client = client
            .user_agent(concat!("posmoded/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(HTTP_CONNECT)
            .timeout(HTTP_TOTAL)
            // Over HTTP/2, where a connection has no such header, hyper drops it, and the connection is shared.
            .default_headers(HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]))
            .pool_idle_timeout(HTTP_IDLE)
            .http2_keep_alive_interval(HTTP_PING)
            .http2_keep_alive_timeout(HTTP_PONG)
            .redirect(reqwest::redirect::Policy::none())
            // Without it a set could be sent three times: after REFUSED_STREAM or GOAWAY. The layer below still resends a
            // request if its connection was closed before a byte of it was written.
            .retry(reqwest::retry::never())
            .https_only(!base.is_loopback())
            .tls_certs_merge(roots)
            .build()
            .map_err(|error| unreached::say_no_tls(&error))?;
        Ok(Sockets { client, base, proxy, spoken: Arc::default() })
    }

    /// The version of HTTP of the last answer; `None` before the first. Nothing depends on it.
    pub fn spoken(&self) -> Option<HttpVersion> {
        *self.spoken.lock()
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, TransportError> {
        let mut response = self.client.execute(request).await.map_err(|error| self.without_answer(error))?;
        if let Some(proxy) = &self.proxy
            && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && self.base.is_plain()
        {
            return Err(TransportError::NotSent(unreached::say_unknown_to(proxy)));
        }
        *self.spoken.lock() = Some(spoken(response.version()));
        let status = response.status().as_u16();
        let remaining = remaining(response.headers());
        let media = media(response.headers());
        let mut body = Vec::new();
        // Whatever ends an answer that had begun: the request was processed.
        while let Some(chunk) =
            response.chunk().await.map_err(|error| TransportError::Unanswered(self.say(error)))?
        {
            let room = BODY_LIMIT - body.len();
            // A longer body is cut; cut JSON does not parse, so it is never taken for the whole.
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= BODY_LIMIT {
                break;
            }
        }
        Ok(Response { status, remaining, media, body })
    }

    /// Why no answer began.
    fn without_answer(&self, error: reqwest::Error) -> TransportError {
        if error.is_connect() || is_refused_stream(&error) {
            TransportError::NotSent(self.say(error))
        } else {
            TransportError::Unanswered(self.say(error))
        }
    }

    fn say(&self, error: reqwest::Error) -> String {
        unreached::say(error, &self.base, self.proxy.as_ref())
    }
}

impl Transport for Sockets {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let request = signed(&self.base, request).map_err(TransportError::NotSent)?;
        self.exchange(request).await
    }
}

impl Request {
    /// An unsigned `GET`.
    pub fn get(path: &str, query: String) -> Request {
        let headers = vec![("locale", "en-US".to_owned())];
        Request { method: Method::Get, path: path.to_owned(), query, headers, body: String::new() }
    }

    /// An unsigned `POST` of JSON.
    pub fn post(path: &str, body: String) -> Request {
        let headers = vec![("locale", "en-US".to_owned()), ("content-type", "application/json".to_owned())];
        Request { method: Method::Post, path: path.to_owned(), query: String::new(), headers, body }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { method, path, query, headers, body } = self;
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        out.debug_struct("Request")
            .field("method", method)
            .field("path", path)
            .field("query", query)
            .field("headers", &names)
            .field("body", body)
            .finish()
    }
}

impl Method {
    /// Its name in HTTP and in the signature.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// A request that is sent as it was signed.
fn signed(base: &BaseUrl, request: Request) -> Result<reqwest::Request, String> {
    let Request { method, path, query, headers, body } = request;
    let mut url = base.url().clone();
    url.set_path(&path);
    url.set_query((!query.is_empty()).then_some(query.as_str()));
    if url.path() != path || url.query().unwrap_or_default() != query {
        return Err(format!("{path}?{query} cannot be sent as it was signed"));
    }
    let method = match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut ready = reqwest::Request::new(method, url);
    for (name, value) in headers {
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| format!("the header {name} would hold what HTTP does not allow"))?;
        value.set_sensitive(name.starts_with("access-"));
        ready.headers_mut().insert(HeaderName::from_static(name), value);
    }
    if !body.is_empty() {
        *ready.body_mut() = Some(body.into());
    }
    Ok(ready)
}

/// What a client begins with that asks others than the exchange: the same proxy, for https, and the same roots.
pub fn outwards(proxy: Option<&Proxy>, ca: Option<&Path>) -> Result<ClientBuilder, Unusable> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tls_certs_merge(ca.map(roots).transpose()?.unwrap_or_default());
    let Some(proxy) = proxy else { return Ok(client) };
    let https = reqwest::Proxy::https(proxy.url().clone());
    Ok(client.proxy(https.map_err(|_| Unusable(format!("the proxy {proxy} cannot be used")))?))
}

fn roots(path: &Path) -> Result<Vec<Certificate>, Unusable> {
    let shown = path.display();
    let pem =
        fs::read(path).map_err(|error| Unusable(format!("the CA file {shown} cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) | Err(_) => Err(Unusable(format!("the CA file {shown} holds no certificate in PEM"))),
    }
}

fn remaining(headers: &HeaderMap) -> Option<u32> {
    headers.get("x-mbx-used-remain-limit")?.to_str().ok()?.trim().parse().ok()
}

/// One of a few words, so that nothing of the header itself is shown.
fn media(headers: &HeaderMap) -> Option<&'static str> {
    let given = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    MEDIA.into_iter().find(|known| given.eq_ignore_ascii_case(known))
}

const MEDIA: [&str; 6] = [
    "application/json",
    "text/html",
    "text/plain",
    "text/xml",
    "application/xml",
    "application/octet-stream",
];

fn spoken(version: Version) -> HttpVersion {
    if version >= Version::HTTP_2 { HttpVersion::Http2 } else { HttpVersion::Http1 }
}

/// Whether the other side said that it did not process the request: RFC 9113, section 8.7. A GOAWAY says so, too, of the
/// streams after its last one, but the same error ends those before it if the connection then breaks: it proves nothing.
fn is_refused_stream(error: &reqwest::Error) -> bool {
    let mut behind = std::error::Error::source(error);
    while let Some(source) = behind {
        if let Some(error) = source.downcast_ref::<h2::Error>() {
            return error.is_reset()
                && error.is_remote()
                && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        behind = source.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_what_was_signed_or_nothing() {
        let base: BaseUrl = "https://api.bitget.com".parse().unwrap();
        let sent = signed(&base, Request::get("/api/v2/public/time", "a=b&c=D-1".into())).unwrap();
        assert_eq!(sent.url().as_str(), "https://api.bitget.com/api/v2/public/time?a=b&c=D-1");
        for (path, query) in [("/a b", ""), ("/a/../b", ""), ("/a", "b=c d"), ("/a", "b=ä"), ("/a", "b#c")] {
            assert!(signed(&base, Request::get(path, query.into())).is_err(), "{path}?{query}");
        }
    }

    #[test]
    fn a_request_shows_no_header_in_debug() {
        let mut request = Request::post("/path", "{}".into());
        request.headers.push(("access-key", "test-key".into()));
        let shown = format!("{request:?}");
        assert!(shown.contains("access-key") && !shown.contains("test-key"), "{shown}");
        let ready = signed(&"https://api.bitget.com".parse().unwrap(), request).unwrap();
        let shown = format!("{ready:?}");
        assert!(shown.contains("access-key") && !shown.contains("test-key"), "{shown}");
    }
}
