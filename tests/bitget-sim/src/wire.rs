//! What passes between a client and the exchange: requests, answers, and the envelope around every answer.
//! Nothing here reads a clock or a socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Milliseconds since 1970 on the exchange's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// This moment and `after` more.
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to here; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One HTTP request, as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// The query as sent, still percent-encoded, without the `?`; empty if there is none.
    pub query: String,
    /// Header values by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// The address that it came from, if it came over a socket.
    pub from: Option<IpAddr>,
}

impl Request {
    /// A `GET` without headers. The query comes without its `?`.
    pub fn get(path: impl Into<String>, query: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), path: path.into(), query: query.into(), ..Self::default() }
    }

    /// A `POST` without headers.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".to_owned(), path: path.into(), body: body.into(), ..Self::default() }
    }

    /// The same request with one header more; the name is made lower-case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.into());
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The query taken apart and percent-decoded. Of a repeated name the last one counts; empty values count as missing.
    pub(crate) fn params(&self) -> Params {
        Params(
            form_urlencoded::parse(self.query.as_bytes())
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }
}

/// The parameters of a query, by name.
#[derive(Debug)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name)
            .ok_or_else(|| Refusal::business("40019", format!("Parameter {name} cannot be empty")))
    }
}

/// What the exchange does with a request, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How long after the request the answer leaves.
    pub after: Duration,
    /// What leaves.
    pub outcome: Outcome,
}

/// What a client gets for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An HTTP answer.
    Response(Response),
    /// The connection is closed, nothing is answered.
    Dropped,
    /// The connection stays open, nothing is ever answered.
    Hang,
}

/// One HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Success, with `requestTime` or without it.
    pub(crate) fn success(now: Option<UnixMs>, data: &Value) -> Self {
        Self::envelope(now, 200, SUCCESS, "success", data)
    }

    pub(crate) fn refused(now: UnixMs, status: u16, code: &str, msg: &str) -> Self {
        Self::envelope(Some(now), status, code, msg, &Value::Null)
    }

    pub(crate) fn too_many(now: UnixMs) -> Self {
        Self::refused(now, 429, "429", "Too Many Requests").with_remaining(Some(0))
    }

    /// The same answer, saying how many more requests the endpoint would take now.
    pub(crate) fn with_remaining(mut self, remaining: Option<u32>) -> Self {
        if let Some(remaining) = remaining {
            self.headers.push(("x-mbx-used-remain-limit".to_owned(), remaining.to_string()));
        }
        self
    }

    /// The envelope around every answer, with `requestTime` as a number.
    fn envelope(now: Option<UnixMs>, status: u16, code: &str, msg: &str, data: &Value) -> Self {
        let envelope = Envelope { code, data, msg, request_time: now };
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json;charset=UTF-8".to_owned())],
            body: serde_json::to_vec(&envelope).unwrap_or_default(),
        }
    }

    /// The body as JSON; `Value::Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Around every answer; written as it is, for a copy of the data would cost more than all else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    code: &'a str,
    data: &'a Value,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_time: Option<UnixMs>,
}

/// A request that the exchange refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: RefusalStatus,
    pub(crate) code: String,
    pub(crate) msg: String,
}

/// Which HTTP status a refusal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalStatus {
    /// This one.
    Fixed(u16),
    /// What the switch for business refusals says.
    Business,
}

impl Refusal {
    /// Refused before anything looked at what was asked for.
    pub(crate) fn gate(code: &str, msg: impl Into<String>) -> Self {
        Self { status: RefusalStatus::Fixed(400), code: code.to_owned(), msg: msg.into() }
    }

    /// Refused for what was asked for.
    pub(crate) fn business(code: &str, msg: impl Into<String>) -> Self {
        Self { status: RefusalStatus::Business, code: code.to_owned(), msg: msg.into() }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status: RefusalStatus::Fixed(status), ..self }
    }
}

/// The code of every success.
pub(crate) const SUCCESS: &str = "00000";
