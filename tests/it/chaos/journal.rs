//! What was done in a story and what the daemon logged, in one order, with virtual times. It is kept for the reader of a
//! failure, searched for secrets, and compared when a story is told twice.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use posmoded::clock::Clock;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Lines, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    lines: Arc<Mutex<String>>,
    since: Arc<Mutex<Option<Since>>>,
}

impl Journal {
    /// From now on, until the guard is dropped, what this thread logs is written here.
    pub fn listen(&self, clock: Clock) -> tracing::subscriber::DefaultGuard {
        let since = Since { began: clock.now().0, clock };
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(since.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_timer(since)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// Something was done.
    pub fn act(&self, what: &str) {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at = since.map_or(0, |since| since.millis());
        self.write(&format!("{} {ACT} {what}\n", spelled(at)));
    }

    /// Everything.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was done.
    pub fn acts(&self) -> String {
        let text = self.text();
        let mut of_an_act = false;
        let acts = text.lines().filter(|line| {
            // An act may have several lines; what the daemon logs begins with a time.
            let begins = line.trim_start().starts_with(|first: char| first.is_ascii_digit());
            of_an_act = line.contains(ACT) || (of_an_act && !begins);
            of_an_act
        });
        acts.flat_map(|line| [line, "\n"]).collect()
    }

    fn write(&self, text: &str) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }
}

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Journal::write(self, &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Journal;

    fn make_writer(&'a self) -> Journal {
        self.clone()
    }
}

/// Virtual time since the story began.
#[derive(Debug, Clone)]
struct Since {
    clock: Clock,
    began: i64,
}

impl Since {
    fn millis(&self) -> i64 {
        self.clock.now().0 - self.began
    }
}

impl FormatTime for Since {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", spelled(self.millis()))
    }
}

fn spelled(millis: i64) -> String {
    format!("{:>5}.{:03}", millis / 1000, millis % 1000)
}

const ACT: &str = "=>";
