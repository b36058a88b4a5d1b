//! `posmoded status --watch`: prints the status repeatedly, until Ctrl-C.
//!
//! A terminal is redrawn in place, with what fits; other outputs get a block, or a line of JSON, when anything but the time has changed.

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ask::{Question, exit, look};
use super::render::{self, Line, View, What, render};
use super::triage::problems;
use crate::cli::flags::Output;
use crate::cli::signals::stop_on_signals;
use crate::cli::terminal::{self, EndingKey, rows_of, wrapped};
use crate::cli::{Common, Exit, print};
use crate::clock::Clock;
use crate::moment::spell;
use crate::position_mode::AccountName;
use crate::status::Status;
use crate::status::section::Section;
use crate::status::substance::Substance;

/// The exit code is that of the last request: 0 when all is in sync and the newest file in force, 2 when not, 1 without
/// an answer. If the first request gets no answer, it fails.
pub(super) async fn watch(
    question: &Question,
    is_of_problems: bool,
    output: Output,
    common: &Common,
) -> anyhow::Result<Exit> {
    let (clock, ended) = (Clock::machine(), CancellationToken::new());
    stop_on_signals(ended.clone())?;
    let view = View { width: None, is_of_problems, is_of_named: !question.accounts.is_empty() };
    let (first, say) = look(question, common).await?;
    if let Some(say) = say {
        print::note(&say);
    }
    let redrawn = output == Output::Table && terminal::is_redrawn();
    let key = if redrawn { EndingKey::listen(b'q', ended.clone()) } else { None };
    let mut seen = Ok(first);
    let mut told = None;
    loop {
        let news = news(&seen);
        if redrawn || told.as_ref() != Some(&news) {
            let first = told.replace(news).is_none();
            let written = match (&seen, output, terminal::size().filter(|_| redrawn)) {
                (_, Output::Table, Some(size)) => {
                    print::drawn(&screen(&seen, view, size, key.is_some()), first)
                }
                (Ok(status), Output::Table, None) => {
                    let whole = render(status, View { width: terminal::width(), ..view });
                    print::passed_on(&format!("{}\n\n", whole.trim_end()))
                }
                (Ok(status), Output::Json, _) => {
                    let status = if is_of_problems { problems(status.clone()) } else { status.clone() };
                    print::passed_on(&format!("{}\n", serde_json::to_string(&status)?))
                }
                (Err(say), Output::Table | Output::Json, _) => {
                    print::note(say);
                    Ok(())
                }
            };
            match written {
                // The reader has gone.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(number(&seen)),
                written => written?,
            }
        }
        tokio::select! {
            biased;
            () = ended.cancelled() => return Ok(number(&seen)),
            () = clock.sleep_until(clock.now() + EVERY) => {}
        }
        // An error does not end the loop: the daemon may be restarting.
        let answer = look(question, common).await;
        seen = answer.map(|(status, _)| status).map_err(|error| error.to_string());
    }
}

fn number(seen: &Result<Status, String>) -> Exit {
    seen.as_ref().map_or(Exit::FAILED, exit)
}

/// What the screen is to show: no more than fits.
fn screen(
    seen: &Result<Status, String>,
    view: View,
    (columns, height): (usize, usize),
    has_key: bool,
) -> String {
    let width = Some(columns);
    let leave = if has_key { "q or Ctrl-C ends it" } else { "Ctrl-C ends it" };
    let asked = format!("Asked every {}; {leave}.", spell(EVERY));
    let (lines, foot) = match seen {
        Ok(status) => {
            (render::lines(status, View { width, ..view }), format!("As of {}. {asked}", status.now))
        }
        Err(say) => (vec![Line { text: wrapped(say, width, "  "), what: What::Say, account: None }], asked),
    };
    let foot = wrapped(&foot, width, "  ");
    // The cursor stands in a line of its own.
    let place = height.saturating_sub(rows_of(&foot, columns) + 1);
    let shown = fitting(&lines, (columns, place));
    format!("{}\n{foot}\n", shown.join("\n"))
}

/// As many lines as fit, from the top; what does not fit is counted in the last.
fn fitting(lines: &[Line], (columns, height): (usize, usize)) -> Vec<String> {
    let rows = |lines: &[Line]| -> usize { lines.iter().map(|line| rows_of(&line.text, columns)).sum() };
    let mut kept = lines;
    while let Some((last, before)) = kept.split_last() {
        let left_out = lines.get(kept.len()..).unwrap_or_default();
        let counted = wrapped(&count(left_out), Some(columns), "  ");
        let needed = if left_out.is_empty() { 0 } else { rows_of(&counted, columns) };
        let is_whole = left_out.is_empty() || (last.what != What::Head && !cuts_a_cause(kept, left_out));
        if rows(kept) + needed <= height && is_whole {
            let counted = Some(counted).filter(|_| !left_out.is_empty());
            return kept.iter().map(|line| line.text.clone()).chain(counted).collect();
        }
        kept = before;
    }
    Vec::new()
}

/// Whether a sentence would stand above some of its rows alone: what it tells to type is about all of them. One with many rows is
/// cut all the same, but never before the first.
fn cuts_a_cause(kept: &[Line], left_out: &[Line]) -> bool {
    let is_row = |line: &&Line| matches!(line.what, What::Row(_));
    let (above, below) =
        (kept.iter().rev().take_while(is_row).count(), left_out.iter().take_while(is_row).count());
    below > 0 && (above == 0 || above + below <= WHOLE)
}

/// So many rows stand together or not at all.
const WHOLE: usize = 6;

/// `... and 3 more want a human (desk-1, desk-2), 12 in sync.`
fn count(left_out: &[Line]) -> String {
    let of = |what: What| left_out.iter().filter(|line| line.what == what).count();
    let kinds = [
        (of(What::Row(Section::Human)), "more want a human"),
        (of(What::Row(Section::Passes)), "more wait for what passes by itself"),
        (of(What::Row(Section::InSync)), "more in sync"),
        (of(What::Row(Section::Elsewhere)), "more of other hosts"),
        (of(What::Note), "more notes"),
    ];
    let who = left_out.iter().filter(|line| line.what == What::Row(Section::Human));
    let mut who: Vec<&str> = who.filter_map(|line| line.account.as_ref()).map(AccountName::as_str).collect();
    who.dedup();
    let others = who.split_off(who.len().min(WHOLE)).len();
    let others = if others == 0 { String::new() } else { format!(" and {others} more") };
    let who = if who.is_empty() { String::new() } else { format!(" ({}{others})", who.join(", ")) };
    let told: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| {
            format!("{count} {what}{}", if *what == "more want a human" { who.as_str() } else { "" })
        })
        .collect();
    if told.is_empty() { "...".to_owned() } else { format!("... and {}.", told.join(", ")) }
}

/// What is news: the substance of the status, or why there is none.
fn news(seen: &Result<Status, String>) -> Result<Substance, String> {
    seen.as_ref().map(Substance::of).map_err(Clone::clone)
}

/// Often enough for an operator who waits, and no load for the daemon.
const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::triage::night;
    use crate::protocol::Reason;
    use crate::serve::fixture::{at, target, view};
    use crate::source::LastPull;
    use crate::status::{TargetStatus, Warning};

    #[tokio::test]
    async fn what_is_news_to_listeners_is_news_to_who_watches_and_so_is_silence() {
        let mut status = view().0.status();
        status.warnings = vec![Warning { account: None, say: "Nobody was told for 5s.".to_owned() }];
        status.source = Some(LastPull { last_success_at: at(0), commit: "a1".to_owned() });
        let later = |change: fn(&mut Status)| {
            let mut later = Status { now: at(60), ..status.clone() };
            change(&mut later);
            news(&Ok(later))
        };
        let before = news(&Ok(status.clone()));
        assert_eq!(later(|status| status.targets[0].next_look_at = at(99)), before);
        assert_eq!(later(|status| status.warnings[0].say = "Nobody was told for 9s.".to_owned()), before);
        assert_ne!(later(|status| status.targets[0].detail.positions = Some(1)), before);
        assert_ne!(later(|status| status.source.as_mut().unwrap().commit = "b2".to_owned()), before);
        assert_ne!(news(&Err("There is no answer.".to_owned())), before);
    }

    #[tokio::test]
    async fn a_screen_of_24_rows_shows_from_the_top_what_fits_and_counts_what_does_not() {
        let seen = Ok(night());
        let shown = |size| {
            let shown = anstream::adapter::strip_str(&screen(&seen, View::default(), size, true)).to_string();
            let rows: usize = shown.lines().map(|line| line.chars().count().div_ceil(size.0).max(1)).sum();
            assert!(rows < size.1.max(8), "{rows}: {shown}");
            let above = shown.lines().take_while(|line| !line.starts_with("... ")).last().unwrap();
            let is_row = above.contains("USDT-FUTURES") || above.starts_with("    open: ");
            // Where there is no place for a cause with all of its rows, those who want a human are named.
            let names_them = size.1 < 24 && shown.contains("more want a human (desk-10, desk-07, ");
            assert!(!shown.contains("\n... and") || is_row || names_them, "{size:?}, {above}: {shown}");
            let whole = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            let told = |words: &str| -> usize {
                let before = whole.split(words).next().filter(|before| *before != whole);
                before.map_or(0, |before| before.split(' ').nth_back(1).unwrap().parse().unwrap())
            };
            let kinds = ["more want", "more wait", "more in sync", "more of other"];
            let left_out: usize = kinds.iter().map(|kind| told(kind)).sum();
            let is_named = |target: &&TargetStatus| {
                let name = target.account.as_str();
                let mut rows = shown.lines().take_while(|line| !line.starts_with("... "));
                rows.any(|line| line.trim() == name || line.starts_with(&format!("  {name} ")))
            };
            let targets = night().targets;
            let named = targets.iter().filter(is_named).count();
            assert_eq!(named + left_out, targets.len(), "{size:?}: {shown}");
            shown
        };
        for (columns, height) in
            [(80, 24), (80, 25), (80, 26), (100, 30), (132, 43), (200, 50), (80, 12), (40, 30)]
        {
            shown((columns, height));
        }
        assert!(!shown((200, 60)).contains("... and"), "all of it fits: {}", shown((200, 60)));
        expect_test::expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped
              on purpose), 7 wait, 2 changes held

            8 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps
                changing it back: find out who, then `posmoded resume desk-10` or change the
                file.
              desk-10  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes`
                lets no more go within the hour. Without that the next one may leave in 38m.
              desk-07  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
              desk-08  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing:
                write it, then `systemctl restart posmoded`.
              desk-09  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            ... and 4 more want a human (desk-13, desk-11, desk-12,
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x), 7 more wait
              for what passes by itself, 6 more in sync, 1 more of other hosts, 4 more
              notes.
            As of 2026-11-22T09:00:00Z. Asked every 2s; q or Ctrl-C ends it.
        "#]]
        .assert_eq(&shown((80, 24)));
        expect_test::expect![[r#"
            rev 17 a1b2c3d: 6/21 in sync, 8 want a human (5 now, 1 to be decided, 2 stopped on purpose), 7 wait,
              2 changes held

            8 targets want a human:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            fighting, for 30s: It was corrected 3 times within 1d and somebody keeps changing it back: find out
                who, then `posmoded resume desk-10` or change the file.
              desk-10  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1d 2h
            held, for 30s: 2 changes wait for `posmoded approve b98de0114507`: `max_changes` lets no more go
                within the hour. Without that the next one may leave in 38m.
              desk-07  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
              desk-08  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  25m
            credential, for 30s, not known for 3h: The key file keys/desk-09 is missing: write it, then
                `systemctl restart posmoded`.
              desk-09  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            refused_though_flat, for 30s: Every list is empty and yet the exchange says that something is open
                (3 times): look for bots, TWAP and copy orders. Next try in 22m.
              desk-13  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  45m
            reported, to be decided, for 30s: Somebody changed it at the exchange and the file says
                `drift: report`: change it back there, or change the file.
              desk-11  USDT-FUTURES  hedge_mode  one_way_mode  5s    drifted  1h 30m
            paused, stopped on purpose, for 30s: desk-12 is PAUSED by anna (uid 1000) on pts/3 of trade-01 since
                2026-11-22T07:00:00Z (2h), until `posmoded resume desk-12`: roll of the contracts
              desk-12  USDT-FUTURES  hedge_mode  one_way_mode  5s    pending  2h
            unreachable (also suspended), stopped on purpose, for 30s, not known for 5m 5s: Bitget gave no
                answer to the call position-mode within 8s. Next try in 30s.
              a-name-of-sixty-three-characters-as-the-longest-of-all-may-be-x
                       USDT-FUTURES  hedge_mode  -             -     unknown  not known

            7 targets wait for what passes by itself:
              ACCOUNT  SCOPE         DESIRED     LIVE          SEEN  STATE    OUT OF SYNC
            rate_limited, for 30s, not known for 2m 5s: Bitget limits this address: the calls position-mode and
                server-time were answered with HTTP 429. Next try in 4s to 12s.
              desk-17  USDT-FUTURES  hedge_mode  -             -     unknown  not known
              desk-18  USDT-FUTURES  hedge_mode  -             -     unknown  not known
            ... and 5 more wait for what passes by itself, 6 more in sync, 1 more of other hosts, 4 more notes.
            As of 2026-11-22T09:00:00Z. Asked every 2s; q or Ctrl-C ends it.
        "#]].assert_eq(&shown((100, 40)));
    }

    #[test]
    fn a_screen_says_how_to_leave_it() {
        let shown = |seen, has_key| screen(&seen, View::default(), (100, 30), has_key);
        assert!(shown(Ok(view_status()), true).ends_with("Asked every 2s; q or Ctrl-C ends it.\n"));
        assert!(shown(Ok(view_status()), false).ends_with("Asked every 2s; Ctrl-C ends it.\n"));
        let silent = shown(Err("There is no answer.".to_owned()), true);
        assert_eq!(silent, "There is no answer.\nAsked every 2s; q or Ctrl-C ends it.\n");
    }

    #[test]
    fn the_number_is_that_of_the_last_answer() {
        let status = |reason| Status { targets: vec![target("desk-1", reason)], ..view_status() };
        assert_eq!(number(&Ok(status(None))), Exit::DONE);
        assert_eq!(number(&Ok(status(Some(Reason::NotFlat)))), Exit::NOT_IN_SYNC);
        assert_eq!(number(&Err(String::new())), Exit::FAILED);
    }

    fn view_status() -> Status {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { view().0.status() })
    }
}
