//! The command line, wired: words in, log to stderr, one number out.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use posmoded::cli::{self, Cli, Exit, Log};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(said) => obey(said).into(),
        Err(exit) => exit.into(),
    }
}

#[tokio::main]
async fn obey(said: Cli) -> Exit {
    log(said.common.log);
    cli::obey(said).await
}

/// The log goes to stderr: our own words from info on, those of libraries only if they warn, unless `RUST_LOG` says
/// otherwise.
fn log(how: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,posmoded=info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Where stderr cannot be written, neither can the word about that: it would be a panic.
    let lines = lines.log_internal_errors(false);
    match how {
        Log::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        Log::Text => {
            let lines = lines.compact().with_target(false).with_ansi(std::io::stderr().is_terminal());
            // The journal puts its own time before each line.
            if std::env::var_os("JOURNAL_STREAM").is_some() {
                lines.without_time().init();
            } else {
                lines.init();
            }
        }
    }
}
