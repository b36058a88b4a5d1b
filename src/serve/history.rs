//! `/api/history`: the events that a query asks for, oldest first.
//!
//! Reads through [`Records`], which the daemon provides; it has no other access to the ledger.

use std::fmt;

use serde::Serialize;

use super::query::{Refused, parts};
use crate::ledger::{Event, HistoryFilter, Spans, SpansFilter};
use crate::moment::Point;
use crate::status::SCHEMA;

/// Read access to the history.
pub trait Records: fmt::Debug + Send + Sync + 'static {
    /// The newest events that pass the filter, oldest first; or why they cannot be read, in a plain sentence.
    /// Blocks for some seconds at most.
    fn newest(&self, filter: &HistoryFilter) -> Result<Vec<Event>, String>;

    /// What was known when; or why it cannot be read. Blocks as [`Records::newest`] does.
    fn spans(&self, filter: &SpansFilter) -> Result<Spans, String>;

    /// A number that grows with all that the daemon writes, such as that it has noticed what a command wrote: as long as it
    /// stays no event is new. Does not block.
    fn written(&self) -> u64;

    /// The number of the newest event, 0 if there is none; or why it cannot be read. Blocks as [`Records::newest`] does.
    fn last(&self) -> Result<i64, String>;

    /// The first `most` events with a greater number than `last`, oldest first; or why they cannot be read. Blocks as
    /// [`Records::newest`] does.
    fn after(&self, last: i64, most: usize) -> Result<Vec<Event>, String>;
}

/// Parses the query string; `wall` is now, in ms since 1970.
pub(super) fn parse(query: &str, wall: i64) -> Result<HistoryFilter, Refused> {
    let refused = |what: String| Err(Refused::new(what, EXAMPLE));
    let Some(parts) = parts(query) else {
        return refused("The query is no query.".to_owned());
    };
    let mut filter = HistoryFilter { limit: LIMIT, ..HistoryFilter::default() };
    for (name, value) in parts {
        match name.as_str() {
            "account" => match value.parse() {
                Ok(account) => filter.accounts.push(account),
                Err(error) => return refused(format!("account: {error}.")),
            },
            "since" | "until" => match value.parse::<Point>() {
                Ok(point) if name == "since" => filter.since_wall = Some(point.wall(wall)),
                Ok(point) => filter.until_wall = Some(point.wall(wall)),
                Err(say) => return refused(format!("{name}: {say}.")),
            },
            "limit" => match value.parse() {
                Ok(limit @ 1..=MOST) => filter.limit = limit,
                Ok(_) | Err(_) => {
                    return refused(format!("limit: {value:?} is no number from 1 to {MOST}."));
                }
            },
            _ => {
                return refused(format!(
                    "There is no {name:?} to ask for, only account, since, until and limit."
                ));
            }
        }
    }
    Ok(filter)
}

/// The answer's body.
#[derive(Debug, Serialize)]
pub(super) struct HistoryPage {
    schema: u32,
    /// Whether the limit left out older events.
    more: bool,
    events: Vec<Event>,
}

impl HistoryPage {
    /// Events beside which none was left out.
    pub(super) fn of_all(events: Vec<Event>) -> HistoryPage {
        HistoryPage { schema: SCHEMA, more: false, events }
    }
}

pub(super) fn page(records: &dyn Records, filter: &HistoryFilter) -> Result<HistoryPage, String> {
    // One more than the limit shows whether older events are left out.
    let mut events = records.newest(&HistoryFilter { limit: filter.limit + 1, ..filter.clone() })?;
    let more = events.len() > filter.limit;
    let events = events.split_off(events.len().saturating_sub(filter.limit));
    Ok(HistoryPage { schema: SCHEMA, more, events })
}

const EXAMPLE: &str = "/api/history?account=desk-1&since=7d&limit=100";
/// The default of `limit`, in events.
const LIMIT: usize = 100;
/// The largest `limit`, in events: some 300 KB.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_795_338_000_000;

    #[test]
    fn each_part_of_a_question_is_understood() {
        let parse = |query| super::parse(query, WALL).unwrap();
        assert_eq!(parse(""), HistoryFilter { limit: 100, ..HistoryFilter::default() });
        let all = parse("account=desk-1&account=desk-2&since=1h&limit=7");
        let accounts = vec!["desk-1".parse().unwrap(), "desk-2".parse().unwrap()];
        assert_eq!(
            all,
            HistoryFilter { accounts, since_wall: Some(WALL - 3_600_000), until_wall: None, limit: 7 }
        );
        assert_eq!(parse("since=2026-11-22T09:00:00Z").since_wall, Some(WALL));
        assert_eq!(parse("since=1d%2012h").since_wall, Some(WALL - 129_600_000));
        assert_eq!(parse("until=2026-11-22").until_wall, Some(WALL - 9 * 3_600_000));
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_what_to_write() {
        for (query, part) in [
            ("account=Desk", "account: \"Desk\" is not an account name"),
            ("account=", "is not an account name"),
            ("since=7", "since: \"7\" is neither a span such as 7d, nor a date"),
            ("until=soon", "until: \"soon\" is neither"),
            ("limit=0", "limit: \"0\" is no number from 1 to 1000"),
            ("limit=1001", "from 1 to 1000"),
            ("limit=-1", "from 1 to 1000"),
            ("acount=desk-1", "There is no \"acount\" to ask for"),
        ] {
            let told = parse(query, WALL).unwrap_err().to_string();
            assert!(told.contains(part) && told.contains("/api/history?account="), "{query}: {told}");
        }
    }
}
