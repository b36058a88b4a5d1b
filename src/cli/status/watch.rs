//! `posmoded status --watch`: prints the status repeatedly, until Ctrl-C.
//!
//! A terminal is redrawn; other outputs get a block, or a line of JSON, when anything but the time has changed.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ask::{Question, exit, look};
use super::render::render;
use crate::cli::flags::Output;
use crate::cli::signals::stop_on_signals;
use crate::cli::{Common, Exit, print};
use crate::clock::Clock;
use crate::facts::Stretch;
use crate::moment::spell;
use crate::status::{LiveStatus, Status, TargetStatus};

/// The exit code is that of the last request: 0 when all is in sync and the newest file in force, 2 when not, 1 without
/// an answer. If the first request gets no answer, it fails.
pub(super) async fn watch(question: &Question, output: Output, common: &Common) -> anyhow::Result<Exit> {
    let (clock, ended) = (Clock::machine(), CancellationToken::new());
    stop_on_signals(ended.clone())?;
    let redrawn = output == Output::Table && io::stdout().is_terminal();
    let (first, say) = look(question, common).await?;
    if let Some(say) = say {
        print::note(&say);
    }
    let mut seen = Ok(first);
    let mut told = None;
    loop {
        let news = essence(&seen);
        if redrawn || told.as_ref() != Some(&news) {
            let written = match (&seen, output) {
                (_, Output::Table) if redrawn => print::passed_on(&screen(&seen)),
                (Ok(status), Output::Table) => {
                    print::passed_on(&format!("{}\n\n", render(status).trim_end()))
                }
                (Ok(status), Output::Json) => {
                    print::passed_on(&format!("{}\n", serde_json::to_string(status)?))
                }
                (Err(say), Output::Table | Output::Json) => {
                    print::note(say);
                    Ok(())
                }
            };
            told = Some(news);
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

/// The text that clears the screen and shows the status.
fn screen(seen: &Result<Status, String>) -> String {
    let shown = match seen {
        Ok(status) => format!("{}\nAs of {}.", render(status), status.now),
        Err(say) => say.clone(),
    };
    format!("\u{1b}[2J\u{1b}[H{shown} Asked every {}; Ctrl-C ends it.\n", spell(EVERY))
}

/// The status without the parts that change with time alone, to compare with the one printed last.
fn essence(seen: &Result<Status, String>) -> Result<Status, String> {
    let status = seen.as_ref().map_err(Clone::clone)?;
    let Status {
        schema,
        version,
        now: _,
        paused,
        paused_accounts,
        config,
        held,
        warnings,
        account_settings,
        targets,
        http,
        stretch: _,
        source: _,
    } = status.clone();
    let targets = targets.into_iter().map(|target| TargetStatus {
        live: target.live.map(|LiveStatus { mode, at: _ }| LiveStatus { mode, at: Timestamp::UNIX_EPOCH }),
        next_look_at: Timestamp::UNIX_EPOCH,
        // The sentence may count seconds; its content is also in the reasons and the detail.
        say: None,
        ..target
    });
    Ok(Status {
        schema,
        version,
        now: Timestamp::UNIX_EPOCH,
        paused,
        paused_accounts,
        config,
        held,
        warnings,
        account_settings,
        targets: targets.collect(),
        http,
        // It moves a little with each target that begins or ends to wait.
        stretch: Stretch::default(),
        // Brought anew every minute.
        source: None,
    })
}

/// Often enough for an operator who waits, and no load for the daemon.
const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Reason;
    use crate::serve::fixture::{at, target, view};

    #[tokio::test]
    async fn only_what_has_changed_beside_the_time_is_news() {
        let status = view().0.status();
        let later = |change: fn(&mut TargetStatus)| {
            let mut later = Status { now: at(60), ..status.clone() };
            later.targets.iter_mut().for_each(change);
            essence(&Ok(later))
        };
        let before = essence(&Ok(status.clone()));
        assert_eq!(later(|_| {}), before);
        assert_eq!(later(|target| target.next_look_at = at(99)), before);
        assert_ne!(later(|target| target.detail.positions = Some(1)), before);
        assert_ne!(later(|target| target.reason = Some(Reason::Paused)), before);
        assert_ne!(essence(&Err("There is no answer.".to_owned())), before);
    }

    #[test]
    fn a_screen_is_cleared_and_says_how_to_leave_it() {
        let shown = screen(&Ok(view_status()));
        assert!(shown.starts_with("\u{1b}[2J\u{1b}[HACCOUNT "), "{shown:?}");
        assert!(shown.ends_with("Asked every 2s; Ctrl-C ends it.\n"), "{shown}");
        assert!(screen(&Err("There is no answer.".to_owned())).contains("There is no answer. Asked every"));
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
