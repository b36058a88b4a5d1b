//! Results to stdout, errors to stderr. A reader that has gone away (`| head`) is no error.

use std::io::{self, Write as _};

use anstream::AutoStream;
use serde::Serialize;

use crate::cli::journal;
use crate::log::Log;
use crate::status::SCHEMA;

/// A result for people; ends its last line. Colours reach terminals only, and not where `NO_COLOR` is set.
pub(super) fn text(text: &str) -> io::Result<()> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    unless_gone(passed_on(&format!("{text}\n")))
}

/// Prints `text` as it is and returns a broken pipe as an error, for callers that end when their reader has gone.
pub(super) fn passed_on(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush())
}

/// A screen that takes the place of the last one; `is_first` clears what stood there before. The cursor moves without colours, too.
pub(super) fn drawn(screen: &str, is_first: bool) -> io::Result<()> {
    let mut coloured = AutoStream::new(Vec::new(), AutoStream::choice(&io::stdout()));
    write!(coloured, "{screen}")?;
    let text = String::from_utf8_lossy(&coloured.into_inner()).replace('\n', "\u{1b}[K\n");
    let clear = if is_first { "\u{1b}[2J" } else { "" };
    let mut out = io::stdout().lock();
    write!(out, "{clear}\u{1b}[H{text}\u{1b}[J").and_then(|()| out.flush())
}

/// A result for programs: one object on one line.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(text(&serde_json::to_string(value)?)?)
}

/// A script or a page, unchanged.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    unless_gone(out.write_all(bytes).and_then(|()| out.flush()))
}

/// A message to the operator that is not the result.
pub(super) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A question, whose answer is typed behind it.
pub(super) fn question(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{text}").and_then(|()| err.flush());
}

/// A note in place of the last one, in a line of the terminal that has no end yet.
pub(super) fn over_the_line(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "\r{text}\u{1b}[K").and_then(|()| err.flush());
}

/// An error with its causes, after the lines of the log.
pub(super) fn error(error: &anyhow::Error, log: &Log) {
    let told = format!("\u{1b}[1;31merror:\u{1b}[0m {error}");
    let causes = error.chain().skip(1).map(|cause| format!("  because: {cause}"));
    let text = std::iter::once(told).chain(causes).collect::<Vec<_>>().join("\n");
    let text = if journal::reads_stderr() { journal::marked_as_error(&text) } else { text };
    let mut shown = AutoStream::new(Vec::new(), AutoStream::choice(&io::stderr()));
    // Writing to memory cannot fail.
    let _ = writeln!(shown, "{text}");
    log.print(&String::from_utf8_lossy(&shown.into_inner()));
}

/// A value with the version of its JSON form.
#[derive(Debug, Serialize)]
pub(super) struct WithSchema<T> {
    schema: u32,
    #[serde(flatten)]
    value: T,
}

impl<T> WithSchema<T> {
    pub(super) fn of(value: T) -> WithSchema<T> {
        WithSchema { schema: SCHEMA, value }
    }
}

fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
