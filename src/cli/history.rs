//! `posmoded history`: what happened, from the ledger, oldest first. The daemon need not run.

use std::time::Duration;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, asking, print, rows};
use crate::ledger::{Event, HistoryFilter, Visitor};
use crate::moment::{millis, span};
use crate::position_mode::AccountName;

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

/// 0, with or without events.
pub fn history(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, since, limit, printed } = args;
    let (visitor, clock) = asking::ledger(common)?;
    only_known(&visitor, accounts)?;
    let limit = usize::try_from(*limit)?;
    let since_wall = since.map(|since| clock.wall().saturating_sub(millis(since)));
    // One more than the limit shows whether older events are left out.
    let filter = HistoryFilter { accounts: accounts.clone(), since_wall, limit: limit + 1 };
    let events = visitor.history(&filter)?;
    let shown = events.get(events.len().saturating_sub(limit)..).unwrap_or_default();
    match printed.output {
        Output::Table if shown.is_empty() => print::text("Nothing of what was asked for has happened.")?,
        Output::Table => print::text(&table(shown))?,
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

fn table(events: &[Event]) -> String {
    let rows = events.iter().map(|event| {
        let Event { account, scope, kind, text, .. } = event;
        [
            rows::Cell::new(event.timestamp()),
            rows::or_dash(account.as_ref()),
            rows::or_dash(*scope),
            rows::Cell::new(kind),
            rows::Cell::new(text),
        ]
    });
    rows::table(["at", "account", "scope", "event", "what"], rows)
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
        let told = serde_json::to_string(&print::WithSchema::of(event)).unwrap();
        expect![[r#"{"schema":1,"id":7,"at":"2026-11-22T09:00:00Z","account":"desk-1","scope":"USDT-FUTURES","event":"drift","generation":3,"cause":"drift","from":"one_way_mode","to":"hedge_mode","how":null,"text":"It was changed."}"#]].assert_eq(&told);
    }
}
