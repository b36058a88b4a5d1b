//! What commands ask of the daemon, as rows that it acknowledges.

use super::error::StoreError;
use super::now::Now;
use super::tx::{Tx, params};
use crate::facts::RequestId;

/// The number of a command's request that the daemon has to acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandRequest(pub(super) i64);

impl CommandRequest {
    pub(super) fn id(self) -> RequestId {
        RequestId(self.0)
    }
}

/// Writes a request; `plan` is the plan to approve, if it is for that.
pub(super) fn request(
    tx: &Tx<'_>,
    now: Now,
    what: &str,
    plan: Option<i64>,
    who: Option<&str>,
) -> Result<CommandRequest, StoreError> {
    let id = tx.query_row(
        "INSERT INTO requests (what, at, plan, who) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        params![what, now.wall, plan, who],
        |row| row.get(0),
    )?;
    Ok(CommandRequest(id))
}
