//! The command line, wired: words in, log to stderr, one number out.

use std::process::ExitCode;

use posmoded::cli::{self, Cli, Command, Exit, Log};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(said) => obey(said).into(),
        Err(exit) => exit.into(),
    }
}

#[tokio::main]
async fn obey(said: Cli) -> Exit {
    let ours = match said.command {
        Command::Run(_) => "warn,posmoded=info",
        // What they do is their result.
        Command::Check(_)
        | Command::Plan(_)
        | Command::Apply(_)
        | Command::Status(_)
        | Command::History(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Approve(_)
        | Command::Import(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Schema => "warn",
    };
    log(said.common.log, ours);
    cli::obey(said).await
}

/// The log goes to stderr: the daemon's own words from info on, everything else only if it warns, unless `RUST_LOG` says
/// otherwise.
fn log(how: Log, unless_told: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(unless_told));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Where stderr cannot be written, neither can the word about that: it would be a panic.
    let lines = lines.log_internal_errors(false);
    match how {
        Log::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        Log::Text => {
            let lines = lines.compact().with_target(false).with_ansi(in_colour());
            // The journal puts its own time before each line.
            if std::env::var_os("JOURNAL_STREAM").is_some() {
                lines.without_time().init();
            } else {
                lines.init();
            }
        }
    }
}

/// On a terminal, and only where nobody asked for none (`NO_COLOR`).
fn in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
