//! What was asked of the exchange and what it did, in order: what a test checks afterwards. It decides nothing.

use serde::Serialize;

use crate::account::{PosMode, ProductType, Uid};
use crate::wire::UnixMs;

/// One request. One that executed late has a second entry, with `late_of`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// When it arrived, or when it executed if `late_of` is there.
    pub at: UnixMs,
    /// When its answer left; `None` if none did.
    pub answered_at: Option<UnixMs>,
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
    /// The product type that it is about, as far as it names one.
    pub product: Option<ProductType>,
    /// The mode that it wants, if it is a set; executed or not.
    pub wanted: Option<PosMode>,
    /// What a set did.
    pub executed: Executed,
    /// How many rows a list answered with.
    pub listed: Option<usize>,
    /// For a list or a set that got as far as the account: whether the product type (on a unified account, the account)
    /// really held nothing at that moment, whatever the lists showed. Hidden blockers count.
    pub flat: Option<bool>,
    /// The fault that befell it.
    pub fault: Option<crate::fault::FaultKind>,
    /// The index of the entry of its arrival.
    pub late_of: Option<usize>,
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
    /// Of which product type; on a unified account it is the account's.
    pub product: ProductType,
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
}
