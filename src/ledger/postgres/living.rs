//! Which hosts have a daemon that lives, by the rows of `hosts`.

use std::collections::BTreeSet;

use crate::ledger::peers::SILENCE;
use crate::ledger::trouble::DatabaseResult;
use crate::ledger::tx::{Tx, params};

/// The names of the hosts whose daemons live. Ours does: it asks.
pub(super) fn living(tx: &Tx<'_>, ours: &str) -> DatabaseResult<BTreeSet<String>> {
    tx.query(
        &format!("SELECT host FROM hosts WHERE {} OR (left_at IS NULL AND host = ?1)", lives()),
        params![ours],
        |row| row.get(0),
    )
}

/// Whether a host of another name has a row, living or not.
pub(super) fn has_others(tx: &Tx<'_>, ours: &str) -> DatabaseResult<bool> {
    let asked = "SELECT EXISTS (SELECT 1 FROM hosts WHERE host <> ?1)";
    tx.query_row(asked, params![ours], |row| row.get(0))
}

/// A condition on a row of `hosts`. A sign of life from later than now is from before the server's clock was set back: whoever
/// lives gives another one soon, and nobody who is dead counts as living until that time comes.
pub(super) fn lives() -> String {
    let within = |side| format!("clock_timestamp() {side} interval '{SILENCE} s'");
    format!("(left_at IS NULL AND seen_at > {} AND seen_at < {})", within('-'), within('+'))
}
