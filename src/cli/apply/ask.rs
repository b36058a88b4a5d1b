//! The question of `apply` on a terminal: shows the plan, and asks whether to go ahead.
//!
//! Holds no way to set anything, and writes nothing to the ledger: both are opened after the answer.

use std::io;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::cli::{Common, plan, print, terminal};
use crate::daemon::Options;
use crate::desired::Desired;
use crate::position_mode::AccountName;
use crate::protocol::{Reason, State};
use crate::status::TargetStatus;

/// What came of the question.
#[derive(Debug)]
pub(super) enum Answer {
    /// Go ahead. What was shown need not be told again.
    Yes { shown: Vec<TargetStatus> },
    /// Change nothing.
    No,
    /// A signal came first.
    Interrupted,
}

/// Shows what would be changed and asks about it, unless there is nothing to change. `beforehand` is told right before the
/// question.
pub(super) async fn ask(
    desired: &Desired,
    accounts: &[AccountName],
    (common, options): (&Common, &Options),
    beforehand: &str,
    stop: &CancellationToken,
) -> anyhow::Result<Answer> {
    let unasked = Answer::Yes { shown: Vec::new() };
    if plan::is_held(common)? {
        // What is started next says by whom.
        return Ok(unasked);
    }
    let targets = tokio::select! {
        targets = plan::look(desired, accounts, common, options) => targets.map_err(|error| {
            let say = "The plan cannot be shown, so nothing was changed. `posmoded apply --yes` goes ahead without it.";
            error.context(say)
        })?,
        () = stop.cancelled() => return Ok(Answer::Interrupted),
    };
    if targets.iter().all(stays_as_it_is) {
        return Ok(unasked);
    }
    let targets: Vec<TargetStatus> = targets.into_iter().map(by_this_process).collect();
    print::note(plan::render(&targets, terminal::width_of_notes()).trim_end());
    print::note(beforehand);
    terminal::forget_what_was_typed();
    print::question("Go ahead? [y/N] ");
    let answer = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        line = line_typed() => Some(line),
    };
    Ok(match answer {
        Some(line) if is_yes(&line) => Answer::Yes { shown: targets },
        Some(line) => {
            if !line.ends_with('\n') {
                print::note("");
            }
            Answer::No
        }
        None => {
            print::note("");
            Answer::Interrupted
        }
    })
}

/// Whether this run leaves the target alone, whatever happens meanwhile short of another file or an approval.
fn stays_as_it_is(target: &TargetStatus) -> bool {
    let rests = |reason: &Reason| {
        matches!(
            reason,
            Reason::WrongAccount
                | Reason::Unsatisfiable
                | Reason::Suspended
                | Reason::Reported
                | Reason::Fighting
        )
    };
    target.state == State::InSync || target.is_elsewhere() || target.blockers.iter().any(rests)
}

/// `plan` says of what is next that the daemon does it.
fn by_this_process(target: TargetStatus) -> TargetStatus {
    let say = match target.reason {
        Some(Reason::Acting) => Some("Nothing stands in the way: it is changed next.".to_owned()),
        Some(_) | None => target.say,
    };
    TargetStatus { say, ..target }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The next line that is typed; what came before the end of the input, if that comes first.
async fn line_typed() -> String {
    let (tell, told) = oneshot::channel();
    // A thread of its own: a read that nobody answers ends with the process, and holds up nothing before.
    let read = move || {
        let mut line = String::new();
        let _ = io::stdin().read_line(&mut line);
        let _ = tell.send(line);
    };
    match std::thread::Builder::new().name("answer".to_owned()).spawn(read) {
        Ok(_) => told.await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::fixture::target;

    #[test]
    fn only_y_and_yes_are_yes() {
        for line in ["y\n", "Y\n", " yes \r\n", "YES"] {
            assert!(is_yes(line), "{line:?}");
        }
        for line in ["", "\n", "n\n", "no\n", "yes, please\n", "yy\n", "j\n", "\u{ff59}\n"] {
            assert!(!is_yes(line), "{line:?}");
        }
    }

    #[test]
    fn what_no_run_changes_is_not_asked_about() {
        for reason in [Reason::Suspended, Reason::Reported, Reason::Fighting, Reason::WrongAccount] {
            assert!(stays_as_it_is(&target("desk-1", Some(reason))), "{reason}");
        }
        assert!(stays_as_it_is(&target("desk-1", None)));
        for reason in [Reason::Settling, Reason::NotFlat, Reason::Held, Reason::Paused, Reason::Unreachable] {
            assert!(!stays_as_it_is(&target("desk-1", Some(reason))), "{reason}");
        }
    }
}
