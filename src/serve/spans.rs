//! `/api/spans`: when a daemon ran, and when each target was not as the file wants it, or unknown.
//!
//! Reads through [`Records`], as the history is read. All times are the exchange's, `now` as well.

use jiff::Timestamp;
use serde::Serialize;

use super::history::Records;
use super::query::{Refused, parts};
use crate::ledger::{Span, Spans, SpansFilter, TargetSpans};
use crate::moment::Point;
use crate::position_mode::{AccountName, Scope};
use crate::status::SCHEMA;

/// Parses the query string; `now` is in ms since 1970.
pub(super) fn parse(query: &str, now: i64) -> Result<SpansFilter, Refused> {
    let refused = |what: String| Err(Refused::new(what, EXAMPLE));
    let Some(parts) = parts(query) else {
        return refused("The query is no query.".to_owned());
    };
    let since = now.saturating_sub(SINCE);
    let mut filter = SpansFilter { accounts: Vec::new(), since, limit: MOST };
    for (name, value) in parts {
        match name.as_str() {
            "account" => match value.parse() {
                Ok(account) => filter.accounts.push(account),
                Err(error) => return refused(format!("account: {error}.")),
            },
            "since" => match value.parse::<Point>() {
                Ok(point) => filter.since = point.wall(now),
                Err(say) => return refused(format!("since: {say}.")),
            },
            _ => return refused(format!("There is no {name:?} to ask for, only account and since.")),
        }
    }
    Ok(filter)
}

/// The answer's body.
#[derive(Debug, Serialize)]
pub(super) struct SpansPage {
    schema: u32,
    now: Timestamp,
    /// From when on nothing is left out.
    since: Timestamp,
    watched: Vec<ShownSpan>,
    targets: Vec<OfTarget>,
}

#[derive(Debug, Serialize)]
struct OfTarget {
    account: AccountName,
    scope: Scope,
    /// When the ledger came to know it.
    known_since: Timestamp,
    out_of_sync: Vec<ShownSpan>,
    unknown: Vec<ShownSpan>,
}

#[derive(Debug, Serialize)]
struct ShownSpan {
    since: Timestamp,
    /// Null while it goes on.
    until: Option<Timestamp>,
}

pub(super) fn page(records: &dyn Records, filter: &SpansFilter, now: i64) -> Result<SpansPage, String> {
    let Spans { since, watched, targets } = records.spans(filter)?;
    let all = |spans: Vec<Span>| spans.into_iter().map(shown).collect();
    let of_target = |TargetSpans { target, known_since, out_of_sync, unknown }| OfTarget {
        account: target.account,
        scope: target.scope,
        known_since: second(known_since),
        out_of_sync: all(out_of_sync),
        unknown: all(unknown),
    };
    Ok(SpansPage {
        schema: SCHEMA,
        now: second(now),
        since: second(since),
        watched: all(watched),
        targets: targets.into_iter().map(of_target).collect(),
    })
}

fn shown(Span { since, until }: Span) -> ShownSpan {
    ShownSpan { since: second(since), until: until.map(second) }
}

/// In whole seconds, as the status has them.
fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

const EXAMPLE: &str = "/api/spans?account=desk-1&since=24h";
/// The default of `since`: 30 days, in ms.
const SINCE: i64 = 30 * 24 * 3_600_000;
/// The most ended spans of a kind: some 1.5 MB.
const MOST: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_338_000_000;

    #[test]
    fn each_part_of_a_question_is_understood() {
        let parse = |query| super::parse(query, NOW).unwrap();
        assert_eq!(parse(""), SpansFilter { accounts: vec![], since: NOW - SINCE, limit: MOST });
        let accounts = vec!["desk-1".parse().unwrap(), "desk-2".parse().unwrap()];
        let asked = parse("account=desk-1&since=24h&account=desk-2");
        assert_eq!(asked, SpansFilter { accounts, since: NOW - 24 * 3_600_000, limit: MOST });
        assert_eq!(parse("since=2026-11-22").since, NOW - 9 * 3_600_000);
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_what_to_write() {
        for (query, part) in [
            ("account=Desk", "account: \"Desk\" is not an account name"),
            ("since=7", "since: \"7\" is neither a span such as 7d, nor a date"),
            ("until=1d", "There is no \"until\" to ask for, only account and since."),
            ("limit=7", "There is no \"limit\" to ask for"),
        ] {
            let told = parse(query, NOW).unwrap_err().to_string();
            assert!(told.contains(part) && told.contains("/api/spans?account="), "{query}: {told}");
        }
    }
}
