//! `posmoded history`: what happened, from the ledger, oldest first. The daemon need not run. Whoever may not read the ledger
//! asks the daemon, which reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, asking, over_http, print, rows, terminal};
use crate::clock::Clock;
use crate::ledger::{Event, HistoryFilter, Visitor};
use crate::moment::{millis, span};
use crate::position_mode::AccountName;
use crate::serve::Listen;
use crate::status::Status;

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
    /// Where the daemon listens, for whoever may not read the state directory [default: 127.0.0.1:9848]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0, with or without events.
pub async fn history(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, since: _, limit, listen, printed } = args;
    let (dir, clock) = (common.state_dir()?, Clock::machine());
    let (events, limit) = match Visitor::open(&dir, clock.clone()) {
        Ok(visitor) => {
            only_known(&visitor, accounts)?;
            (visitor.history(&filter(args, &clock)?)?, *limit)
        }
        Err(error) => {
            let Some((at, say)) = over_http::instead(&error, &dir, listen.as_ref()) else { bail!(error) };
            let page = of_the_daemon(&at, args, &clock).await.with_context(|| say.clone())?;
            print::note(&say);
            page
        }
    };
    let limit = usize::try_from(limit)?;
    let shown = events.get(events.len().saturating_sub(limit)..).unwrap_or_default();
    match printed.output {
        Output::Table if shown.is_empty() => print::text("Nothing of what was asked for has happened.")?,
        Output::Table => print::text(&table(shown, terminal::width()))?,
        Output::Json => {
            for event in shown {
                print::json(&print::WithSchema::of(event))?;
            }
        }
    }
    if events.len() > limit {
        print::note(&format!("Older events are left out: --limit {limit}."));
    }
    Ok(Exit::DONE)
}

/// One more than the limit shows whether older events are left out.
fn filter(args: &Args, clock: &Clock) -> anyhow::Result<HistoryFilter> {
    let Args { accounts, since, limit, listen: _, printed: _ } = args;
    let since_wall = since.map(|since| clock.wall().saturating_sub(millis(since)));
    Ok(HistoryFilter { accounts: accounts.clone(), since_wall, limit: usize::try_from(*limit)? + 1 })
}

/// The same from the daemon, which gives `MOST` events at most, and the limit that holds.
async fn of_the_daemon(at: &Listen, args: &Args, clock: &Clock) -> anyhow::Result<(Vec<Event>, u32)> {
    let HistoryFilter { accounts, since_wall, limit } = filter(args, clock)?;
    let limit = limit.min(MOST);
    let since = since_wall.and_then(|since| Timestamp::from_millisecond(since).ok());
    let accounts_asked = accounts.iter().map(|account| format!("&account={account}"));
    let since_asked = since.map(|since| format!("&since={since}"));
    let asked: String = accounts_asked.chain(since_asked).collect();
    let path = format!("/api/history?limit={limit}{asked}");
    let Page { events } = over_http::get(at, &path, "what was done").await?;
    let known: BTreeSet<AccountName> = events.iter().filter_map(|event| event.account.clone()).collect();
    if accounts.iter().any(|account| !known.contains(account)) {
        let status: Status = over_http::get(at, "/api/status", "which accounts there are").await?;
        let known = known.into_iter().chain(status.targets.into_iter().map(|target| target.account));
        accounts::only_known(&accounts, &known.collect(), "at the daemon")?;
    }
    Ok((events, u32::try_from(limit)? - 1))
}

/// What is read of the daemon's answer.
#[derive(Debug, serde::Deserialize)]
struct Page {
    events: Vec<Event>,
}

/// Accepts an account that has left the file if it has events.
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

/// The most events that the daemon gives at once: as `/api/history` has it.
const MOST: usize = 1000;

fn table(events: &[Event], width: Option<usize>) -> String {
    let rows = events.iter().map(|event| {
        let Event { account, scope, kind, text, who, .. } = event;
        let by = who.as_ref().map_or_else(String::new, |who| format!(" By {who}."));
        [
            rows::Cell::new(event.timestamp()),
            rows::or_dash(account.as_ref()),
            rows::or_dash(*scope),
            rows::Cell::new(kind),
            rows::Cell::new(format!("{text}{by}")),
        ]
    });
    rows::table(["at", "account", "scope", "event", "what"], rows, width)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::facts::{Cause, Change, Generation};
    use crate::ledger::EventKind;
    use crate::position_mode::PositionMode;

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
        let whole = table(&events, None);
        assert!(
            whole.ends_with("It took effect, as a read after the fence shows, and a long tail of words.\n")
        );
        let told = table(&events, Some(100));
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
        let told = serde_json::to_string(&print::WithSchema::of(event)).unwrap();
        expect![[r#"{"schema":1,"id":7,"at":"2026-11-22T09:00:00Z","account":"desk-1","scope":"USDT-FUTURES","event":"drift","generation":3,"cause":"drift","from":"one_way_mode","to":"hedge_mode","how":null,"text":"It was changed.","who":null}"#]].assert_eq(&told);
    }
}
