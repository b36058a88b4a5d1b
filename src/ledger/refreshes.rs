//! Requests of operators to look at accounts before their time. Two rows each, written at once: the first is acknowledged when the
//! daemon has taken note, the second once it has looked.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::error::StoreError;
use super::now::Now;
use super::requests::{CommandRequest, request};
use crate::facts::RequestId;
use crate::position_mode::AccountName;

/// A request for looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRequest {
    /// Acknowledged when the daemon has taken note of it.
    pub taken: CommandRequest,
    /// Acknowledged once the accounts were looked at, or their looks failed.
    pub looked: CommandRequest,
}

/// Asks for a look at everything (no account named), or at some accounts.
pub(super) fn refresh(
    tx: &Connection,
    now: Now,
    accounts: &[AccountName],
    who: Option<&str>,
) -> Result<RefreshRequest, StoreError> {
    let ask = |verb| {
        let words: Vec<&str> =
            std::iter::once(verb).chain(accounts.iter().map(AccountName::as_str)).collect();
        request(tx, now, &words.join(" "), None, who)
    };
    Ok(RefreshRequest { taken: ask("refresh")?, looked: ask("look")? })
}

/// The looks that were asked for and not reported done yet, each with its accounts; none named: all.
pub(super) fn open(tx: &Connection) -> rusqlite::Result<BTreeMap<RequestId, Vec<AccountName>>> {
    let rows: Vec<(i64, String)> = tx
        .prepare_cached(
            "SELECT id, what FROM requests
             WHERE acknowledged_at IS NULL AND (what = 'look' OR what LIKE 'look %')",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let look = |(request, what): (i64, String)| {
        let names = what.split(' ').skip(1).filter_map(|name| name.parse().ok());
        (RequestId(request), names.collect())
    };
    Ok(rows.into_iter().map(look).collect())
}
