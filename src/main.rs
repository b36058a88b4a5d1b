//! The entry point: parses the command line, sets up the log (stderr or the journal), runs the command and returns its
//! exit code.

use std::process::ExitCode;

use posmoded::cli::{self, Cli, Command, Exit, Log, journal};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(said) => run(said).into(),
        Err(exit) => exit.into(),
    }
}

fn run(said: Cli) -> Exit {
    let ours = match said.command {
        Command::Run(_) => "warn,rustls_platform_verifier=off,posmoded=info",
        // Their printed result shows what they did.
        Command::Check(_)
        | Command::Plan(_)
        | Command::Apply(_)
        | Command::Status(_)
        | Command::History(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Approve(_)
        | Command::CloseIntent(_)
        | Command::Ledger(_)
        | Command::Import(_)
        | Command::Probe(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Schema => "warn,rustls_platform_verifier=off",
    };
    log(said.common.log, ours);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("no threads to work with: {error}");
            return Exit::FAILED;
        }
    };
    let exit = runtime.block_on(cli::run(said));
    // A read from a file system that does not respond may block forever: do not wait for it.
    runtime.shutdown_background();
    exit
}

/// Sets up the log, filtered by `RUST_LOG` or else by `unless_told`: for the daemon its own lines from info on, all
/// other lines from warn on, but for what the verifier of certificates says at each try: the sentence on the request has it.
fn log(how: Log, unless_told: &str) {
    let filter = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(unless_told));
    match how {
        Log::Text | Log::Json => to_stderr(how, filter()),
        Log::Journald => match to_the_journal() {
            Ok(entries) => tracing_subscriber::registry().with(filter()).with(entries).init(),
            Err(error) => {
                to_stderr(Log::Text, filter());
                tracing::warn!("the journal cannot be written to ({error}): the log goes to stderr, as text");
            }
        },
    }
}

/// Journal entries with the fields of each line, such as `POSMODED_ACCOUNT`. Levels keep their names: info becomes
/// `Informational`, not `Notice`.
fn to_the_journal() -> std::io::Result<tracing_journald::Layer> {
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    let entries = tracing_journald::layer()?
        .with_field_prefix(Some("POSMODED".to_owned()))
        .with_syslog_identifier("posmoded".to_owned());
    Ok(entries.with_priority_mappings(priorities))
}

fn to_stderr(how: Log, filter: EnvFilter) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error writing to stderr cannot be reported on stderr either: the attempt would panic.
    let lines = lines.log_internal_errors(false);
    match how {
        Log::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        Log::Text | Log::Journald => {
            let lines = lines.compact().with_target(false).with_ansi(in_colour());
            // The journal adds its own time to each line.
            if journal::reads_stderr() {
                lines.without_time().init();
            } else {
                lines.init();
            }
        }
    }
}

/// Whether to colour stderr: on a terminal, unless `NO_COLOR` is set.
fn in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
