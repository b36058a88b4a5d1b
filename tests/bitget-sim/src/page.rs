//! Pages of a list: newest first, below the number that a page before ended with, at most 100 rows, orders of the last three
//! months unless told otherwise.

use std::time::Duration;

use serde_json::Value;

use crate::wire::{Params, Refusal, UnixMs};
use crate::words::OrderId;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    below: Option<OrderId>,
    limit: usize,
    from: UnixMs,
    to: Option<UnixMs>,
    symbol: Option<&'a str>,
    order_id: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// The page that these parameters ask for; `below` is what the API calls the number to go on from.
    pub(crate) fn of(params: &'a Params, below: &str, now: UnixMs) -> Result<Self, Refusal> {
        let limit = number(params, "limit")?.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&limit) {
            return Err(Refusal::business("400172", "Parameter verification failed limit"));
        }
        let moment = |name| Ok(number(params, name)?.map(|ms| UnixMs(i64::try_from(ms).unwrap_or(i64::MAX))));
        let default_from = UnixMs(now.0.saturating_sub(UnixMs(0).plus(LISTED_FOR).0));
        Ok(Self {
            below: number(params, below)?.map(OrderId),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            from: moment("startTime")?.unwrap_or(default_from),
            to: moment("endTime")?,
            symbol: params.optional("symbol"),
            order_id: params.optional("orderId"),
        })
    }

    /// The rows of this page, and the number of the last of them.
    pub(crate) fn cut<'b, T: 'b>(
        &self,
        newest_first: impl Iterator<Item = &'b T>,
        key: impl Fn(&'b T) -> (OrderId, &'b String, UnixMs),
        row: impl Fn(&'b T) -> Value,
    ) -> (Vec<Value>, Option<String>) {
        let mut last = None;
        let rows = newest_first
            .filter(|item| {
                let (id, symbol, created) = key(item);
                self.below.is_none_or(|below| id < below)
                    && created >= self.from
                    && self.to.is_none_or(|to| created <= to)
                    && self.symbol.is_none_or(|wanted| wanted.eq_ignore_ascii_case(symbol))
                    && self.order_id.is_none_or(|wanted| wanted == id.0.to_string())
            })
            .take(self.limit)
            .inspect(|item| last = Some(key(item).0.0.to_string()))
            .map(row)
            .collect();
        (rows, last)
    }

    /// Whether a page with so many rows has no more after it, as far as its length tells.
    pub(crate) fn is_last(&self, rows: &[Value]) -> bool {
        rows.len() < self.limit
    }
}

fn number(params: &Params, name: &str) -> Result<Option<u64>, Refusal> {
    let illegal = |_| Refusal::business("400172", format!("Parameter verification failed {name}"));
    params.optional(name).map(str::parse).transpose().map_err(illegal)
}

/// Rows on a page at most, and by default.
const PAGE: u64 = 100;
/// How long an order stays on the list.
const LISTED_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);
