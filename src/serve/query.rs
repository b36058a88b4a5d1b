//! The query of a request: its parts, and how one is refused.

use axum::extract::Query;
use axum::http::Uri;

/// A query that is refused: which part is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} Ask for example {example}.")]
pub(super) struct Refused {
    what: String,
    example: &'static str,
}

impl Refused {
    pub(super) fn new(what: String, example: &'static str) -> Refused {
        Refused { what, example }
    }
}

/// The parts of a query string, each a name and a value; `None` if it is no query.
pub(super) fn parts(query: &str) -> Option<Vec<(String, String)>> {
    let uri = format!("/?{query}").parse::<Uri>().ok()?;
    let Query(parts) = Query::try_from_uri(&uri).ok()?;
    Some(parts)
}
