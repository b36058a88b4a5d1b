//! Which host's it is, where daemons of several hosts work with one ledger: who looks after an account since when, and what was
//! written before there was more than one.

use super::error::StoreError;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Tx, params};
use crate::position_mode::AccountName;

/// Takes over what is of no host that has a daemon here: in a file everything, on a server what came there from a file.
pub(super) fn adopt(tx: &Tx<'_>) -> Result<(), StoreError> {
    let host = tx.host();
    for table in ["intents", "plans", "keepers"] {
        tx.execute(
            &format!("UPDATE {table} SET host = ?1 WHERE host <> ?1 AND (host = '' OR ?1 = '')"),
            params![host],
        )?;
    }
    // Of spans that began at the same time the longest stays.
    tx.execute(
        "DELETE FROM watched WHERE host <> ?1 AND (host = '' OR ?1 = '') AND EXISTS (
             SELECT 1 FROM watched AS other WHERE other.since = watched.since
               AND (other.host = ?1 OR (?1 = '' AND (other.until, other.host) > (watched.until, watched.host))))",
        params![host],
    )?;
    tx.execute("UPDATE watched SET host = ?1 WHERE host <> ?1 AND (host = '' OR ?1 = '')", params![host])?;
    Ok(())
}

/// Our host looks after the account from now on, unless it did so before.
pub(super) fn keeps(tx: &Tx<'_>, now: Now, account: &AccountName) -> DatabaseResult<()> {
    let host = tx.host();
    let before: Option<String> = tx.query_opt(
        "SELECT host FROM keepers WHERE account = ?1 ORDER BY since DESC LIMIT 1",
        params![account],
        |row| row.get(0),
    )?;
    if before.as_deref() == Some(host) {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO keepers (account, since, host) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, since) DO UPDATE SET host = excluded.host",
        params![account, now.shown(), host],
    )
    .map(drop)
}

/// Whether several hosts have looked after the account, so that one may hear late of what another did.
pub(super) fn has_moved(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<bool> {
    tx.query_row("SELECT count(DISTINCT host) > 1 FROM keepers WHERE account = ?1", params![account], |row| {
        row.get(0)
    })
}
