//! What can go wrong between a client and the exchange, as values to be injected. What they do is in `exchange`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::words::Uid;

/// A fault, and which requests it befalls. Of several that fit, the one injected first does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests whose path ends like this.
    #[serde(default)]
    pub path: Option<String>,
    /// Only requests with a key of this account.
    #[serde(default)]
    pub account: Option<Uid>,
    /// How many requests it befalls; `u32::MAX` means until faults are cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub what: FaultKind,
}

impl Fault {
    /// This once, to any request.
    pub fn once(what: FaultKind) -> Self {
        Self { path: None, account: None, times: 1, what }
    }

    /// This to every request, until faults are cleared.
    pub fn always(what: FaultKind) -> Self {
        Self { times: FOREVER, ..Self::once(what) }
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same, only for paths that end like this.
    #[must_use]
    pub fn on(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The same, only for this account.
    #[must_use]
    pub fn for_account(self, uid: Uid) -> Self {
        Self { account: Some(uid), ..self }
    }
}

/// What happens to a request. A request that "is not executed" never reached the exchange: it counts against no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Not executed; the connection is closed without an answer.
    DropRequest,
    /// Executed; the connection is closed without an answer.
    DropReply,
    /// The connection is closed without an answer, and the request executes later.
    ExecuteLater {
        /// How much later.
        #[serde(rename = "afterMs", with = "millis")]
        after: Duration,
    },
    /// Executed at once, answered later.
    Delay {
        /// How much later.
        #[serde(rename = "afterMs", with = "millis")]
        after: Duration,
    },
    /// Not executed, and never answered: the connection stays open.
    Hang,
    /// Executed, and never answered: the connection stays open.
    HangReply,
    /// Not executed; this is the answer.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Executed; this is the answer all the same.
    ExecutedButStatus {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Not executed; refused in a complete envelope with this code.
    Code {
        /// The HTTP status.
        status: u16,
        /// The code.
        code: String,
    },
    /// Executed; the answer has its status, and a body of zero bytes.
    EmptyBody,
    /// Executed; the body of the answer ends halfway.
    Garbage,
    /// Executed; the answer is a page of HTML, as a gateway sends one.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// Executed; the answer lacks this field, in `data` or in each of its rows. `data.` in front is not needed.
    MissingField {
        /// Its name.
        field: String,
    },
    /// Executed; the answer says `data: null`.
    NullData,
    /// Not executed; HTTP 429 with code `429`.
    TooManyRequests,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

fn once() -> u32 {
    1
}

/// As many times as it takes.
pub const FOREVER: u32 = u32::MAX;
