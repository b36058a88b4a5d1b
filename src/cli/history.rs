//! `posmoded history`: what happened, from the ledger, oldest first. The daemon need not run.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, asking, print, rows};
use crate::facts::{Cause, Generation, How};
use crate::ledger::{Event, EventKind, HistoryFilter, Visitor};
use crate::moment::span;
use crate::position_mode::{AccountName, PositionMode, Scope};
use crate::status::seconds;

/// What `history` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: all, and what concerns none]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Only what is not older than this, such as 7d
    #[arg(long, env = "POSMODED_SINCE", hide_env = true, value_name = "TIME", value_parser = span)]
    pub since: Option<Duration>,
    /// At most so many events, the newest ones
    #[arg(long, env = "POSMODED_LIMIT", hide_env = true, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 whatever there is.
pub fn history(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, since, limit, printed } = args;
    let (visitor, clock) = asking::ledger(common)?;
    only_known(&visitor, accounts)?;
    let limit = usize::try_from(*limit)?;
    let since_wall = since.map(|since| {
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        clock.wall().saturating_sub(millis)
    });
    // One more than asked for tells whether there is more.
    let filter = HistoryFilter { accounts: accounts.clone(), since_wall, limit: limit + 1 };
    let events = visitor.history(&filter)?;
    let shown = events.get(events.len().saturating_sub(limit)..).unwrap_or_default();
    match printed.output {
        Output::Table if shown.is_empty() => print::text("Nothing of what was asked for has happened.")?,
        Output::Table => print::text(&table(shown))?,
        Output::Json => {
            for event in shown {
                print::json(&print::WithSchema::of(Line::of(event)))?;
            }
        }
    }
    if events.len() > limit {
        print::note(&format!("Older events are left out: --limit {limit}."));
    }
    Ok(Exit::DONE)
}

/// An account that has left the file is known by what happened to it.
fn only_known(visitor: &Visitor, named: &[AccountName]) -> anyhow::Result<()> {
    let mut known = asking::known(visitor)?;
    for name in named {
        let of_it = HistoryFilter { accounts: vec![name.clone()], since_wall: None, limit: 1 };
        if !known.contains(name) && !visitor.history(&of_it)?.is_empty() {
            known.insert(name.clone());
        }
    }
    Ok(accounts::only_known(named, &known, "in the file or the ledger")?)
}

/// One event as programs read it.
pub(super) fn as_json(event: &Event) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Line::of(event))
}

fn table(events: &[Event]) -> String {
    let rows = events.iter().map(|event| {
        let Line { at, account, scope, event, text, .. } = Line::of(event);
        [at.to_string(), rows::or_dash(account), rows::or_dash(scope), spelled(event), text.to_owned()]
    });
    rows::table(["at", "account", "scope", "event", "what"], rows)
}

fn spelled(kind: EventKind) -> String {
    // A kind without data is always a string.
    serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The shape of an event, here and at `/api/history`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: i64,
    at: Timestamp,
    account: Option<&'a AccountName>,
    scope: Option<Scope>,
    event: EventKind,
    generation: Option<Generation>,
    cause: Option<Cause>,
    from: Option<PositionMode>,
    to: Option<PositionMode>,
    how: Option<How>,
    text: &'a str,
}

impl Line<'_> {
    fn of(event: &Event) -> Line<'_> {
        let Event { id, at, account, scope, kind, generation, cause, from, to, how, text } = event;
        Line {
            id: *id,
            at: Timestamp::from_millisecond(*at).map_or(Timestamp::UNIX_EPOCH, seconds),
            account: account.as_ref(),
            scope: *scope,
            event: *kind,
            generation: *generation,
            cause: *cause,
            from: *from,
            to: *to,
            how: *how,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::facts::Change;

    fn event(kind: EventKind, text: &str) -> Event {
        Event { id: 7, at: 1_795_338_000_000, ..Event::new(kind, text) }
    }

    fn of_a_target(kind: EventKind, text: &str) -> Event {
        let change = Change { from: PositionMode::OneWay, to: PositionMode::Hedge, cause: Cause::Drift };
        Event {
            account: Some("desk-1".parse().unwrap()),
            scope: Some("USDT-FUTURES".parse().unwrap()),
            ..event(kind, text)
        }
        .about(change)
        .in_revision(Generation(3))
    }

    #[test]
    fn a_table_says_when_to_whom_and_what() {
        let events = [
            event(EventKind::Started, "posmoded 0.1.0 started."),
            of_a_target(
                EventKind::TookEffect,
                "It took effect, as a read after the fence shows, and a long tail of words.",
            ),
        ];
        let told = table(&events);
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
        expect![[r#"
            AT                    ACCOUNT  SCOPE         EVENT        WHAT
            2026-11-22T09:00:00Z  -        -             started      posmoded 0.1.0 started.
            2026-11-22T09:00:00Z  desk-1   USDT-FUTURES  took_effect  It took effect, as a read after the
                                                                      fence shows, and a long tail of words.
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn an_event_is_one_object_with_the_number_of_its_shape() {
        let event = of_a_target(EventKind::Drift, "It was changed.");
        let told = serde_json::to_string(&print::WithSchema::of(Line::of(&event))).unwrap();
        expect![[r#"{"schema":1,"id":7,"at":"2026-11-22T09:00:00Z","account":"desk-1","scope":"USDT-FUTURES","event":"drift","generation":3,"cause":"drift","from":"one_way_mode","to":"hedge_mode","how":null,"text":"It was changed."}"#]].assert_eq(&told);
    }
}
