//! `posmoded status`: fetches what the daemon knows over HTTP and prints it. It determines nothing itself.

mod ask;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod of_hosts;
mod render;
mod sentence;
mod triage;
mod watch;

use clap::builder::FalseyValueParser;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, print, terminal};

pub use ask::Question;
pub(super) use ask::look;
pub(super) use render::sentences;
pub(super) use triage::render_held;

/// What `status` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What is asked.
    #[command(flatten)]
    pub question: Question,
    /// Show only what is not in sync
    #[arg(long, env = "POSMODED_PROBLEMS", hide_env = true, value_parser = FalseyValueParser::new())]
    pub problems: bool,
    /// Show it again and again, until q or Ctrl-C; without a terminal, whenever something has changed
    #[arg(long, env = "POSMODED_WATCH", hide_env = true, value_parser = FalseyValueParser::new())]
    pub watch: bool,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when all is in sync and the newest file in force, 2 when not, 1 without an answer.
pub async fn status(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { question, problems, watch, printed: Printed { output } } = args;
    if *watch {
        return watch::watch(question, *problems, *output, common).await;
    }
    let (status, say) = ask::look(question, common).await?;
    if let Some(say) = say {
        print::note(&say);
    }
    match output {
        Output::Table => {
            let view = render::View {
                width: terminal::width(),
                is_of_problems: *problems,
                is_of_named: !question.accounts.is_empty(),
            };
            let shown = render::render(&status, view);
            let below = terminal::size().and_then(|size| render::pointer(&status, &shown, view, size));
            print::text(&format!("{shown}{}", below.unwrap_or_default()))?;
        }
        Output::Json if *problems => print::json(&triage::problems(status.clone()))?,
        Output::Json => print::json(&status)?,
    }
    Ok(ask::exit(&status))
}

#[cfg(test)]
mod tests;
