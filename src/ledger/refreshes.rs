//! Requests of operators to look at accounts before their time. Two rows each, written at once: the first is acknowledged when the
//! daemon has taken note, the second once it has looked.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::requests::{CommandRequest, request};
use super::trouble::DatabaseResult;
use super::tx::{Tx, params};
use crate::facts::RequestId;
use crate::position_mode::{AccountName, Target};

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
    tx: &Tx<'_>,
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
pub(super) fn open(tx: &Tx<'_>) -> DatabaseResult<BTreeMap<RequestId, Vec<AccountName>>> {
    let rows: Vec<(i64, String)> = tx.query(
        "SELECT id, what FROM requests
             WHERE acknowledged_at IS NULL AND (what = 'look' OR what LIKE 'look %')",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let look = |(request, what): (i64, String)| {
        let names = what.split(' ').skip(1).filter_map(|name| name.parse().ok());
        (RequestId(request), names.collect())
    };
    Ok(rows.into_iter().map(look).collect())
}

/// Records that a look that was asked for has ended a wait of the target, and who asked for the newest.
pub(super) fn ended_a_wait(tx: &Tx<'_>, now: Now, target: &Target, text: &str) -> Result<(), StoreError> {
    let is_of_it = |named: &Vec<AccountName>| named.is_empty() || named.contains(&target.account);
    let newest = open(tx)?.into_iter().filter(|(_, named)| is_of_it(named)).map(|(id, _)| id).max();
    let who: Option<String> = match newest {
        Some(RequestId(id)) => tx
            .query_opt("SELECT who FROM requests WHERE id = ?1", params![id], |row| row.get("who"))?
            .flatten(),
        None => None,
    };
    let event = Event::new(EventKind::Refreshed, text).of(target).by(who.as_deref());
    Ok(history::add(tx, now, &event)?)
}
