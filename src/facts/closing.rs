//! A request of an operator to close an intent that cannot end by itself.

use super::intent::IntentId;
use crate::moment::{Moment, ServerTime};

/// A request of an operator to close an intent, and what was asked of the exchange for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Closing {
    /// The request's number in the ledger.
    pub request: RequestId,
    /// The intent.
    pub intent: IntentId,
    /// Since when this process has known of the intent.
    pub watched: Moment,
    /// When this process took the request up.
    pub since: Moment,
    /// When the call for the exchange's time was made for this request, and the time that it told.
    pub time: Option<(Moment, ServerTime)>,
}

/// The number of a command's request in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);
