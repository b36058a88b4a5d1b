//! What was known when: reads the spans of a time, for those who draw it.

use std::collections::BTreeMap;

use super::targets;
use super::trouble::DatabaseResult;
use super::tx::{Row, Tx, params};
use super::watches::{Span, Watches};
use crate::position_mode::{AccountName, Target};

/// Which spans to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpansFilter {
    /// Only of these accounts; if empty, of all.
    pub accounts: Vec<AccountName>,
    /// Only what has not ended before this time (ms since 1970, by the exchange's time).
    pub since: i64,
    /// At most this many ended spans of each kind, the newest ones.
    pub limit: usize,
}

/// What was known when. Spans are whole, also where they began before what was asked for, and oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    /// From when on nothing is left out: as asked, or later where there are more spans than the limit.
    pub since: i64,
    /// When a daemon of this ledger ran, that of any host, up to the last mark.
    pub watched: Vec<Span>,
    /// Each target of the ledger.
    pub targets: Vec<TargetSpans>,
}

/// What was known of a target when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpans {
    /// The account and scope.
    pub target: Target,
    /// When it was registered, in milliseconds since 1970.
    pub known_since: i64,
    /// When it was not as the file wants it.
    pub out_of_sync: Vec<Span>,
    /// When its state was unknown, or the daemon of its host did not run while that of another did.
    pub unknown: Vec<Span>,
}

/// Reads what was known when.
pub(super) fn read(tx: &Tx<'_>, filter: &SpansFilter) -> DatabaseResult<Spans> {
    let SpansFilter { accounts, since, limit } = filter;
    let mut targets = BTreeMap::new();
    let known: Vec<(Target, i64)> =
        tx.query("SELECT account, scope, known_since FROM targets", params![], |row| {
            Ok((targets::target(row)?, row.get("known_since")?))
        })?;
    for (target, known_since) in known {
        if accounts.is_empty() || accounts.contains(&target.account) {
            let (out_of_sync, unknown) = (Vec::new(), Vec::new());
            let spans = TargetSpans { target: target.clone(), known_since, out_of_sync, unknown };
            targets.insert(target, spans);
        }
    }
    let mut newest = Newest { tx, asked: *since, since: *since, limit: *limit };
    let is_asked = |(target, _): &(Target, Span)| targets.contains_key(target);
    let open = newest.read(OUT_OF_SYNC_NOW, of_a_target, is_asked)?;
    let out_of_sync = newest.read(OUT_OF_SYNC, of_a_target, is_asked)?.into_iter().chain(open);
    let open = newest.read(UNKNOWN_NOW, of_a_target, is_asked)?;
    let unknown = newest.read(UNKNOWN, of_a_target, is_asked)?.into_iter().chain(open);
    let by_host = newest.read(WATCHED, |row| Ok((row.get::<String>("host")?, span(row)?)), |_| true)?;
    for (target, span) in out_of_sync {
        targets.entry(target).and_modify(|spans| spans.out_of_sync.push(span));
    }
    for (target, span) in unknown {
        targets.entry(target).and_modify(|spans| spans.unknown.push(span));
    }
    let mut targets: Vec<TargetSpans> = targets.into_values().collect();
    let watches = Watches::of(by_host, keepers(tx)?);
    for TargetSpans { target, unknown, .. } in &mut targets {
        unknown.extend(watches.without(&target.account));
    }
    let all = targets.iter_mut().flat_map(|target| [&mut target.out_of_sync, &mut target.unknown]);
    for spans in all {
        spans.sort_unstable_by_key(|span| span.since);
    }
    Ok(Spans { since: newest.since, watched: watches.all, targets })
}

/// Since when which host looks after each account, oldest first.
fn keepers(tx: &Tx<'_>) -> DatabaseResult<BTreeMap<AccountName, Vec<(i64, String)>>> {
    let mut by_account: BTreeMap<AccountName, Vec<(i64, String)>> = BTreeMap::new();
    let all: Vec<(AccountName, i64, String)> =
        tx.query("SELECT account, since, host FROM keepers ORDER BY since", params![], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    for (account, since, host) in all {
        by_account.entry(account).or_default().push((since, host));
    }
    Ok(by_account)
}

/// Reads as many spans of a kind as there may be, the newest first.
struct Newest<'c> {
    tx: &'c Tx<'c>,
    /// From when on they are asked for.
    asked: i64,
    /// From when on nothing was left out.
    since: i64,
    limit: usize,
}

impl Newest<'_> {
    /// `sql` gives those that go on, or those that ended at ?1 or later, the newest first.
    fn read<T>(
        &mut self,
        sql: &str,
        of: impl Fn(&Row<'_>) -> DatabaseResult<T>,
        is_asked: impl Fn(&T) -> bool,
    ) -> DatabaseResult<Vec<T>> {
        let (mut found, mut ended, mut whole_since) = (Vec::new(), 0, self.since);
        let limit = self.limit;
        self.tx.each(sql, params![self.asked], |row| {
            let span = of(row)?;
            if !is_asked(&span) {
                return Ok(true);
            }
            if let Some(until) = row.get::<Option<i64>>("until")? {
                if ended == limit {
                    // What ended after it is there.
                    whole_since = whole_since.max(until);
                    return Ok(false);
                }
                ended += 1;
            }
            found.push(span);
            Ok(true)
        })?;
        self.since = whole_since;
        Ok(found)
    }
}

fn of_a_target(row: &Row<'_>) -> DatabaseResult<(Target, Span)> {
    Ok((targets::target(row)?, span(row)?))
}

fn span(row: &Row<'_>) -> DatabaseResult<Span> {
    Ok(Span { since: row.get("since")?, until: row.get("until")? })
}

// Each has an index in its order, so that no more rows are read than are given. What goes on is no older than anything.
const OUT_OF_SYNC_NOW: &str =
    "SELECT account, scope, since, until FROM out_of_sync WHERE until IS NULL AND ?1 IS NOT NULL";
const UNKNOWN_NOW: &str =
    "SELECT account, scope, since, until FROM unknown WHERE until IS NULL AND ?1 IS NOT NULL";
const OUT_OF_SYNC: &str =
    "SELECT account, scope, since, until FROM out_of_sync WHERE until >= ?1 ORDER BY until DESC";
const UNKNOWN: &str =
    "SELECT account, scope, since, until FROM unknown WHERE until >= ?1 ORDER BY until DESC";
const WATCHED: &str = "SELECT host, since, until FROM watched WHERE until >= ?1 ORDER BY until DESC";
