//! `posmoded history`: what happened, from the ledger, oldest first. The daemon need not run. Whoever may not read the ledger
//! asks the daemon, which reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use jiff::Timestamp;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, asking, over_http, print, rows, terminal};
use crate::clock::Clock;
use crate::ledger::{Event, HistoryFilter, Visitor};
use crate::moment::Point;
use crate::position_mode::AccountName;
use crate::protocol::undotted;
use crate::serve::Listen;
use crate::status::Status;

/// What `history` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: all, and what concerns none]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Only what happened since then: a span such as 7d, a date (UTC), or a time
    #[arg(long, env = "POSMODED_SINCE", hide_env = true, value_name = "TIME")]
    pub since: Option<Point>,
    /// Only what happened before then: a span such as 7d, a date (UTC), or a time
    #[arg(long, env = "POSMODED_UNTIL", hide_env = true, value_name = "TIME")]
    pub until: Option<Point>,
    /// At most so many events, the newest ones
    #[arg(long, env = "POSMODED_LIMIT", hide_env = true, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long, env = "POSMODED_FOLLOW", hide_env = true, conflicts_with = "until")]
    #[arg(value_parser = FalseyValueParser::new())]
    pub follow: bool,
    /// Where the daemon listens, for whoever has no ledger at --state or may not read it [default: 127.0.0.1:9848]
    #[arg(long, env = "POSMODED_LISTEN", hide_env = true, value_name = "ADDR")]
    pub listen: Option<Listen>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0, with or without events; with `--follow` it does not end by itself.
pub async fn history(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, since, until, follow, limit, listen, printed } = args;
    let (home, clock) = (common.ledger()?, Clock::machine());
    let (teller, limit) = match Visitor::open(&home, clock.clone()) {
        Ok(visitor) => {
            only_known(&visitor, accounts)?;
            (Teller::Ledger(visitor), usize::try_from(*limit)?)
        }
        Err(error) => {
            let Some((at, say)) = over_http::instead(&error, &home, listen.as_ref()) else {
                return Err(over_http::or_at_its_address(error));
            };
            (Teller::Daemon { at, say }, usize::try_from(*limit)?.min(MOST - 1))
        }
    };
    let wall = |point: &Option<Point>| point.map(|point| point.wall(clock.wall()));
    let filter = HistoryFilter {
        accounts: accounts.clone(),
        since_wall: wall(since),
        until_wall: wall(until),
        // One more shows whether older events are left out.
        limit: limit + 1,
    };
    let events = teller.tell(&filter).await?;
    if let Teller::Daemon { at: _, say } = &teller {
        print::note(say);
    }
    let shown = events.get(events.len().saturating_sub(limit)..).unwrap_or_default();
    match printed.output {
        Output::Table if shown.is_empty() && !follow => {
            print::text(NOTHING)?;
        }
        Output::Table if shown.is_empty() => {}
        Output::Table => print::text(&table(shown, terminal::width()))?,
        Output::Json => print_json(shown)?,
    }
    if events.len() > limit {
        print::note(&format!("Older events are left out: --limit {limit}."));
    }
    if *follow {
        let mut last = events.iter().map(|event| event.id).max().unwrap_or_default();
        // By their numbers, for an event may be dated back: before the exchange's time is known it has ours.
        let filter = HistoryFilter { since_wall: None, limit: FOLLOWED, ..filter };
        loop {
            clock.sleep_until(clock.now() + FOLLOWED_EVERY).await;
            let mut news = teller.tell(&filter).await?;
            news.retain(|event| event.id > last);
            last = news.iter().map(|event| event.id).max().unwrap_or(last);
            match printed.output {
                Output::Table => news.iter().try_for_each(|event| print::text(&line(event)))?,
                Output::Json => print_json(&news)?,
            }
        }
    }
    Ok(Exit::DONE)
}

fn print_json(events: &[Event]) -> anyhow::Result<()> {
    events.iter().try_for_each(|event| print::json(&print::WithSchema::of(event)))
}

/// Who tells what happened.
enum Teller {
    /// The ledger itself.
    Ledger(Visitor),
    /// The daemon, where the ledger may not be read; `say` says so.
    Daemon { at: Listen, say: String },
}

impl Teller {
    async fn tell(&self, filter: &HistoryFilter) -> anyhow::Result<Vec<Event>> {
        match self {
            Teller::Ledger(visitor) => Ok(visitor.history(filter)?),
            Teller::Daemon { at, say } => of_the_daemon(at, filter).await.with_context(|| say.clone()),
        }
    }
}

/// The same from the daemon, which gives `MOST` events at most.
async fn of_the_daemon(at: &Listen, filter: &HistoryFilter) -> anyhow::Result<Vec<Event>> {
    let HistoryFilter { accounts, since_wall, until_wall, limit } = filter;
    let time = |wall: &Option<i64>| wall.and_then(|wall| Timestamp::from_millisecond(wall).ok());
    let accounts_asked = accounts.iter().map(|account| format!("&account={account}"));
    let since_asked = time(since_wall).map(|since| format!("&since={since}"));
    let until_asked = time(until_wall).map(|until| format!("&until={until}"));
    let asked: String = accounts_asked.chain(since_asked).chain(until_asked).collect();
    let path = format!("/api/history?limit={limit}{asked}");
    let Page { events } = over_http::get(at, &path, "what was done").await?;
    let known: BTreeSet<AccountName> = events.iter().filter_map(|event| event.account.clone()).collect();
    if accounts.iter().any(|account| !known.contains(account)) {
        let status: Status = over_http::get(at, "/api/status", "which accounts there are").await?;
        let known = known.into_iter().chain(status.targets.into_iter().map(|target| target.account));
        accounts::only_known(accounts, &known.collect(), "at the daemon")?;
    }
    Ok(events)
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
        let of_it = HistoryFilter { accounts: vec![name.clone()], limit: 1, ..HistoryFilter::default() };
        if !known.contains(name) && !visitor.history(&of_it)?.is_empty() {
            known.insert(name.clone());
        }
    }
    Ok(accounts::only_known(named, &known, "in the file or the ledger")?)
}

/// Silence is no sign that all was well: what is no event is told elsewhere.
const NOTHING: &str = "The history has no such event. It has sets, drift, pauses and what else operators did, revisions, and \
                       when posmoded ran; that an account could not be reached is in `posmoded status` and in the log.";

/// The most events that the daemon gives at once: as `/api/history` has it.
const MOST: usize = 1000;

/// How often what is new is looked for.
const FOLLOWED_EVERY: Duration = Duration::from_secs(1);
/// As many events at most: what happens in that time.
const FOLLOWED: usize = 100;

/// One event, as it happens.
fn line(event: &Event) -> String {
    let Event { account, scope, kind, host, .. } = event;
    let on = host.iter().map(|host| format!("  {host}"));
    let whose = account.iter().map(|account| format!("  {account}"));
    let of = scope.iter().map(|scope| format!(" {scope}"));
    let of: String = on.chain(whose).chain(of).collect();
    format!("{}{of}  {kind}  {}\n", event.timestamp(), what(event))
}

/// What happened, and who asked for it.
fn what(event: &Event) -> String {
    let Event { text, who, .. } = event;
    who.as_ref().map_or_else(|| text.clone(), |who| format!("{}. By {who}.", undotted(text)))
}

fn table(events: &[Event], width: Option<usize>) -> String {
    let rows = events.iter().map(|event| {
        let Event { account, scope, kind, .. } = event;
        [
            rows::Cell::new(event.timestamp()),
            rows::or_dash(account.as_ref()),
            rows::or_dash(*scope),
            rows::Cell::new(kind),
            rows::Cell::new(what(event)),
        ]
    });
    let names = ["at", "account", "scope", "event", "what"];
    if events.iter().all(|event| event.host.is_none()) {
        return rows::table(names, rows, width);
    }
    let rows = rows.zip(events).map(|([at, account, scope, kind, what], event)| {
        [at, rows::or_dash(event.host.as_ref()), account, scope, kind, what]
    });
    let [at, account, scope, kind, what] = names;
    rows::table([at, "host", account, scope, kind, what], rows, width)
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
    fn of_several_hosts_it_says_which() {
        let on = |host: &str| Some(host.to_owned());
        let events = [
            Event { host: on("trade-01"), ..event(EventKind::Started, "posmoded 0.1.0 started.") },
            Event { host: on("trade-02"), ..of_a_target(EventKind::Confirmed, "It is live.") },
            event(EventKind::Paused, "Everything is paused."),
        ];
        let lines: String = events.iter().map(line).collect();
        expect![[r#"
            AT                    HOST      ACCOUNT  SCOPE         EVENT      WHAT
            2026-11-22T09:00:00Z  trade-01  -        -             started    posmoded 0.1.0 started.
            2026-11-22T09:00:00Z  trade-02  desk-1   USDT-FUTURES  confirmed  It is live.
            2026-11-22T09:00:00Z  -         -        -             paused     Everything is paused.
            2026-11-22T09:00:00Z  trade-01  started  posmoded 0.1.0 started.
            2026-11-22T09:00:00Z  trade-02  desk-1 USDT-FUTURES  confirmed  It is live.
            2026-11-22T09:00:00Z  paused  Everything is paused.
        "#]]
        .assert_eq(&[table(&events, None), lines].concat());
    }

    #[test]
    fn an_event_is_one_object_with_the_number_of_its_shape() {
        let event = of_a_target(EventKind::Drift, "It was changed.");
        let told = serde_json::to_string(&print::WithSchema::of(event)).unwrap();
        expect![[r#"{"schema":1,"id":7,"at":"2026-11-22T09:00:00Z","account":"desk-1","scope":"USDT-FUTURES","event":"drift","generation":3,"cause":"drift","from":"one_way_mode","to":"hedge_mode","how":null,"text":"It was changed.","who":null,"host":null}"#]].assert_eq(&told);
    }
}
