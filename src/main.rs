//! The entry point: parses the command line, sets up the log (stderr or the journal), runs the command and returns its
//! exit code.

use std::process::ExitCode;

use posmoded::cli::{self, Cli, Command, Exit, journal};
use posmoded::log::{Form, Log};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(said) => run(said).into(),
        Err(exit) => exit.into(),
    }
}

fn run(said: Cli) -> Exit {
    let log = match open_log(&said) {
        Ok(log) => log,
        Err(error) => {
            Log::unbuffered().print(&format!("error: there is no thread for the log: {error}\n"));
            return Exit::FAILED;
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("no threads to work with: {error}");
            return Exit::FAILED;
        }
    };
    let exit = runtime.block_on(cli::run(said, &log));
    // A read from a file system that does not respond may block forever: do not wait for it.
    runtime.shutdown_background();
    exit
}

/// Sets up the log, filtered by `RUST_LOG` or else by what the command says: for the daemon its own lines from info on, all
/// other lines from warn on, but for what the verifier of certificates says at each try: the sentence on the request has it.
fn open_log(said: &Cli) -> std::io::Result<Log> {
    let (mut log, unless_told) = match said.command {
        Command::Run(_) => {
            (Log::buffered(form(said.common.log))?, "warn,rustls_platform_verifier=off,posmoded=info")
        }
        // Their printed result shows what they did.
        Command::Apply(_) if said.common.log == cli::Log::Text => {
            // It prints what the keepers say of each target.
            (Log::unbuffered(), "warn,rustls_platform_verifier=off,posmoded::keeper::show=off")
        }
        Command::Check(_)
        | Command::Plan(_)
        | Command::Apply(_)
        | Command::Status(_)
        | Command::Wait(_)
        | Command::Refresh(_)
        | Command::History(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Approve(_)
        | Command::CloseIntent(_)
        | Command::Hosts(_)
        | Command::Ledger(_)
        | Command::Import(_)
        | Command::Probe(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Schema => (Log::unbuffered(), "warn,rustls_platform_verifier=off"),
    };
    let filter = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(unless_told));
    match said.common.log {
        cli::Log::Text | cli::Log::Json => to_stderr(&log, form(said.common.log), filter()),
        cli::Log::Journald => match log.journal() {
            Ok(entries) => tracing_subscriber::registry().with(filter()).with(entries).init(),
            Err(error) => {
                to_stderr(&log, form(said.common.log), filter());
                tracing::warn!("the journal cannot be written to ({error}): the log goes to stderr, as text");
            }
        },
    }
    Ok(log)
}

/// The form of lines on stderr. The journal adds its own time to each.
fn form(how: cli::Log) -> Form {
    match how {
        cli::Log::Json => Form::Json,
        cli::Log::Text | cli::Log::Journald if journal::reads_stderr() => Form::TextWithoutTime,
        cli::Log::Text | cli::Log::Journald => Form::Text,
    }
}

fn to_stderr(log: &Log, form: Form, filter: EnvFilter) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.writer());
    // An error writing to stderr cannot be reported on stderr either: the attempt would panic.
    let lines = lines.log_internal_errors(false);
    match form {
        Form::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        Form::Text => lines.compact().with_target(false).with_ansi(in_colour()).init(),
        Form::TextWithoutTime => {
            lines.compact().with_target(false).with_ansi(in_colour()).without_time().init();
        }
    }
}

/// Whether to colour stderr: on a terminal, unless `NO_COLOR` is set.
fn in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
