//! One HTTP attempt: a signed request in, the raw answer out. No redirects, no decisions, and no retry once a
//! byte was written.
//!
//! An answer must be its own question's: over HTTP/2 all questions share one connection and each has its stream, over
//! HTTP/1.1 each has a connection of its own. On a kept HTTP/1.1 connection an answer belongs to a question only by its
//! place, so a spare one would be taken for the next question's, be that another account's.

use std::fmt;
use std::fs;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Url, Version};

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

/// The exchange's base URL: `https://HOST[:PORT]`, or `http://` to loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// A base URL or a certificate that cannot be used: one sentence that says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Requests over real sockets: one client for all accounts. Clones share it.
#[derive(Debug, Clone)]
pub struct Sockets {
    client: Client,
    base: BaseUrl,
    spoken: Arc<Mutex<Option<HttpVersion>>>,
}

impl Sockets {
    /// A client for `base`. `ca` names a PEM file with roots to trust in addition to the system's own.
    pub fn new(base: BaseUrl, ca: Option<&Path>) -> Result<Sockets, Unusable> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = ca.map(roots).transpose()?.unwrap_or_default();
        let client = Client::builder()
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
            .no_proxy()
            .https_only(!base.is_loopback())
            .tls_certs_merge(roots)
            .build()
            .map_err(|error| Unusable(format!("TLS cannot be set up: {}", chain(&error))))?;
        Ok(Sockets { client, base, spoken: Arc::default() })
    }

    /// The version of HTTP of the last answer; `None` before the first. Nothing depends on it.
    pub fn spoken(&self) -> Option<HttpVersion> {
        *self.spoken.lock()
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, TransportError> {
        let mut response = self.client.execute(request).await.map_err(|error| self.without_answer(error))?;
        *self.spoken.lock() = Some(spoken(response.version()));
        let status = response.status().as_u16();
        let remaining = remaining(response.headers());
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
        Ok(Response { status, remaining, body })
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
        let what = match (error.is_timeout(), error.is_connect()) {
            (true, _) => "did not answer in time",
            (false, true) => "could not be asked",
            (false, false) => "gave no whole answer",
        };
        format!("{} {what}: {}", self.base, chain(&error.without_url()))
    }
}

impl Transport for Sockets {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let request = self.base.request(request).map_err(TransportError::NotSent)?;
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

impl BaseUrl {
    fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    fn request(&self, request: Request) -> Result<reqwest::Request, String> {
        let Request { method, path, query, headers, body } = request;
        let mut url = self.0.clone();
        url.set_path(&path);
        url.set_query((!query.is_empty()).then_some(query.as_str()));
        if url.path() != path || url.query().unwrap_or_default() != query {
            return Err(format!("{path}?{query} cannot be sent as it was signed"));
        }
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut signed = reqwest::Request::new(method, url);
        for (name, value) in headers {
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| format!("the header {name} would hold what HTTP does not allow"))?;
            value.set_sensitive(name.starts_with("access-"));
            signed.headers_mut().insert(HeaderName::from_static(name), value);
        }
        if !body.is_empty() {
            *signed.body_mut() = Some(body.into());
        }
        Ok(signed)
    }
}

impl FromStr for BaseUrl {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<BaseUrl, Unusable> {
        let unusable = |what: &str| Unusable(format!("{what}: write it like https://api.bitget.com"));
        let url = Url::parse(text).map_err(|_| unusable("the base URL is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("the base URL holds a user name or a password"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(unusable("the base URL names no host"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable("the base URL has more than a host and a port"));
        }
        let base = BaseUrl(url);
        match base.0.scheme() {
            "https" => Ok(base),
            "http" if base.is_loopback() => Ok(base),
            "http" => Err(unusable("plain http is for loopback only")),
            _ => Err(unusable("the base URL is neither https nor http")),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str().trim_end_matches('/'))
    }
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

/// An error and its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut behind = error.source();
    while let Some(source) = behind {
        let next = source.to_string();
        if !told.ends_with(&next) {
            told = format!("{told}: {next}");
        }
        behind = source.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_and_a_base_url_is_a_host_and_nothing_more() {
        let good = [
            "https://api.bitget.com",
            "https://venue.example:8443/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
        ];
        for text in good {
            assert!(text.parse::<BaseUrl>().is_ok(), "{text}");
        }
        let bad = [
            "api.bitget.com",
            "",
            "http://api.bitget.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "https://name:word@api.bitget.com",
            "https://api.bitget.com/v2",
            "https://api.bitget.com/?a=b",
            "ftp://127.0.0.1",
        ];
        let told: Vec<String> =
            bad.map(|text| format!("{text}: {}", text.parse::<BaseUrl>().unwrap_err())).to_vec();
        expect_test::expect![[r"
            api.bitget.com: the base URL is no URL: write it like https://api.bitget.com
            : the base URL is no URL: write it like https://api.bitget.com
            http://api.bitget.com: plain http is for loopback only: write it like https://api.bitget.com
            http://127.0.0.1.example.com: plain http is for loopback only: write it like https://api.bitget.com
            http://localhost.example.com: plain http is for loopback only: write it like https://api.bitget.com
            http://10.0.0.1: plain http is for loopback only: write it like https://api.bitget.com
            https://name:word@api.bitget.com: the base URL holds a user name or a password: write it like https://api.bitget.com
            https://api.bitget.com/v2: the base URL has more than a host and a port: write it like https://api.bitget.com
            https://api.bitget.com/?a=b: the base URL has more than a host and a port: write it like https://api.bitget.com
            ftp://127.0.0.1: the base URL is neither https nor http: write it like https://api.bitget.com"]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn what_leaves_is_what_was_signed_or_nothing() {
        let base: BaseUrl = "https://api.bitget.com".parse().unwrap();
        let sent = base.request(Request::get("/api/v2/public/time", "a=b&c=D-1".into())).unwrap();
        assert_eq!(sent.url().as_str(), "https://api.bitget.com/api/v2/public/time?a=b&c=D-1");
        for (path, query) in [("/a b", ""), ("/a/../b", ""), ("/a", "b=c d"), ("/a", "b=ä"), ("/a", "b#c")] {
            assert!(base.request(Request::get(path, query.into())).is_err(), "{path}?{query}");
        }
    }

    #[test]
    fn a_request_shows_no_header_in_debug() {
        let mut request = Request::post("/path", "{}".into());
        request.headers.push(("access-key", "test-key".into()));
        let shown = format!("{request:?}");
        assert!(shown.contains("access-key") && !shown.contains("test-key"), "{shown}");
    }
}
