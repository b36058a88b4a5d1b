//! The log of the process. That of the daemon cannot stop it: what it writes goes through a bounded buffer to a thread of its
//! own, and what does not fit is dropped and counted, in a metric and in the line that is written in its place.
//!
//! Decides nothing about what is logged.

mod buffer;
mod dropped;
mod journal;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::panic::PanicHookInfo;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use buffer::Lines;
use dropped::say_missing;
use journal::Journal;

pub use dropped::Dropped;
pub use journal::Entries;

/// Where the process's lines go; what is still in its buffers is written when it is dropped, as far as anybody reads it.
#[derive(Debug, Default)]
pub struct Log {
    stderr: Option<Lines>,
    journal: Option<Lines>,
    dropped: Dropped,
}

/// The form of a line on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For people, where the journal reads stderr and adds the time itself.
    TextWithoutTime,
    /// One JSON object.
    Json,
}

impl Log {
    /// For commands that end by themselves: each line is written where it arises, however long that takes, and none is lost.
    pub fn unbuffered() -> Log {
        Log::default()
    }

    /// For the daemon, which waits for no reader of its log. `form` is that of the lines on stderr. From now on a panic is a line
    /// like any other: written where it arises, it would wait for the reader, too.
    pub fn buffered(form: Form) -> io::Result<Log> {
        // Not by `io::stderr()`: whoever waits for a reader there holds a lock that others want.
        let mut stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let dropped = Dropped::default();
        let missing = move |lines| missing_line(form, lines);
        let lines = Lines::new(move |line| stderr.write_all(line), missing, dropped.clone())?;
        let panics = lines.clone();
        std::panic::set_hook(Box::new(move |panic| panics.push(panic_text(panic).as_bytes())));
        Ok(Log { stderr: Some(lines), journal: None, dropped })
    }

    /// Entries to systemd's journal, beside what is printed to stderr. Fails if no journal can be reached.
    pub fn journal(&mut self) -> io::Result<Entries> {
        let journal = Journal::connect()?;
        if self.stderr.is_none() {
            return Ok(Entries::new(move |entry| drop(journal.send(entry))));
        }
        let lines =
            Lines::new(move |entry| journal.send(entry), journal::missing_entry, self.dropped.clone())?;
        self.journal = Some(lines.clone());
        Ok(Entries::new(move |entry| lines.push(entry)))
    }

    /// What writes the lines of the log to stderr.
    pub fn writer(&self) -> BoxMakeWriter {
        match self.stderr.clone() {
            None => BoxMakeWriter::new(io::stderr),
            Some(lines) => BoxMakeWriter::new(move || lines.clone()),
        }
    }

    /// Writes a text to stderr that is no line of the log, after those lines that are there already. An error cannot be told.
    pub fn print(&self, text: &str) {
        match &self.stderr {
            None => drop(io::stderr().write_all(text.as_bytes())),
            Some(lines) => lines.push(text.as_bytes()),
        }
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let Log { stderr, journal, dropped: _ } = self;
        for lines in journal.iter().chain(stderr.iter()) {
            lines.wait_until_written();
        }
    }
}

/// What is written where lines are missing.
fn missing_line(form: Form, lines: u64) -> Vec<u8> {
    let say = say_missing(lines);
    let mut time = String::new();
    // A line without its time is better than none.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let line = match form {
        Form::Text => format!("{time}  WARN {say}\n"),
        Form::TextWithoutTime => format!(" WARN {say}\n"),
        Form::Json => {
            let line = serde_json::json!({
                "timestamp": time, "level": "WARN", "message": say, "dropped": lines, "target": module_path!(),
            });
            format!("{line}\n")
        }
    };
    line.into_bytes()
}

/// The same text that the standard library prints.
fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let mut text = format!("thread '{}' {panic}\n", thread.name().unwrap_or("<unnamed>"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{trace}");
    }
    text
}

#[cfg(test)]
mod tests;
