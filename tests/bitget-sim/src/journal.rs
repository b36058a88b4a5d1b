//! What was asked of the exchange and what it did, in order: what a test checks afterwards. It decides nothing.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::fault::FaultKind;
use crate::wire::{Request, UnixMs};
use crate::words::{Kind, PosMode, ProductType, Uid};

/// One request. One that executed late has a second entry, with `late_of`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// When it arrived, or when it executed if `late_of` is there.
    pub at: UnixMs,
    /// When its answer left; `None` if none did.
    pub answered_at: Option<UnixMs>,
    /// The address that it came from, if it came over a socket.
    #[serde(skip)]
    pub from: Option<IpAddr>,
    /// The account that its key belongs to, whether or not it is signed right.
    pub account: Option<Uid>,
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent.
    pub query: String,
    /// The body as sent; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// Its `ACCESS-TIMESTAMP`.
    pub signed: Option<UnixMs>,
    /// The HTTP status that the client was sent; `None` if nothing was sent.
    pub status: Option<u16>,
    /// The code that the exchange came to, whether or not the client was told; `None` if it was not executed.
    pub code: Option<String>,
    /// What the account was when the request got as far as it.
    pub kind: Option<Kind>,
    /// The product type (on v3, the category) that it is about, as far as it names one. A set of a whole account names none.
    pub product: Option<ProductType>,
    /// The mode that it wants, if it is a set; executed or not.
    pub wanted: Option<PosMode>,
    /// What a set did.
    pub executed: Executed,
    /// How many rows a list answered with.
    pub listed: Option<usize>,
    /// For a list or a set that got as far as the account: whether the product type (on a unified account, all its futures
    /// categories together) really held nothing at that moment, whatever the lists showed. Hidden blockers count.
    pub flat: Option<bool>,
    /// The fault that befell it.
    pub fault: Option<FaultKind>,
    /// The index of the entry of its arrival.
    pub late_of: Option<usize>,
}

impl LogEntry {
    /// A request that arrived, and nothing more yet.
    pub(crate) fn arrived(
        at: UnixMs,
        request: &Request,
        account: Option<Uid>,
        fault: Option<FaultKind>,
    ) -> Self {
        let Request { method, path, query, headers: _, body, from } = request;
        let (product, wanted) = subject(request);
        Self {
            at,
            answered_at: None,
            from: *from,
            account,
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
            signed: request.header("access-timestamp").and_then(|text| text.parse().ok()).map(UnixMs),
            status: None,
            code: None,
            kind: None,
            product,
            wanted,
            executed: Executed::None,
            listed: None,
            flat: None,
            fault,
            late_of: None,
        }
    }
}

/// What a set did to the mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Executed {
    /// It was no set, or it did not execute.
    #[default]
    None,
    /// The mode changed.
    Applied {
        /// What it was.
        from: PosMode,
        /// What it is.
        to: PosMode,
    },
    /// The mode was that already; success.
    Same,
    /// It was refused.
    Refused,
}

/// One change of a mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModeChange {
    /// When.
    pub at: UnixMs,
    /// Whose.
    pub account: Uid,
    /// Of which product type; `None` if it is the one mode of a unified account.
    pub product: Option<ProductType>,
    /// What it was.
    pub from: PosMode,
    /// What it is.
    pub to: PosMode,
    /// Who did it.
    pub by: By,
}

/// Who changed a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A request.
    Set,
    /// A hand at the exchange's website.
    Hand,
    /// The account became one of the other kind.
    Conversion,
}

/// The product type that a request is about, and the mode that it wants, as far as it names them.
fn subject(request: &Request) -> (Option<ProductType>, Option<PosMode>) {
    let body: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let params = request.params();
    let product = params
        .optional("productType")
        .or_else(|| params.optional("category"))
        .or_else(|| text("productType"));
    let mode = text("posMode").or_else(|| text("holdMode"));
    (product.and_then(|product| product.parse().ok()), mode.and_then(|mode| mode.parse().ok()))
}
