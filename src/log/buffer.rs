//! A bounded buffer of lines, and the thread that writes them. Whoever adds a line waits for no reader.
//!
//! Knows nothing of what a line says.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::dropped::Dropped;

/// Lines on their way; clones share them.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// A line was added.
    added: Condvar,
    /// Nothing is waiting any more.
    written: Condvar,
    dropped: Dropped,
}

/// What is not written yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Line>,
    /// The size of these lines.
    bytes: usize,
    /// How many lines were dropped after the last one that waits.
    missing: u64,
    is_writing: bool,
    /// Whether the last line could not be written.
    has_failed: bool,
    /// How many writes have ended.
    ended: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Of(Vec<u8>),
    /// So many were dropped here.
    Missing(u64),
}

impl Lines {
    /// A thread writes each line with `write`, and what `missing` makes of a number of lines where so many were dropped. What
    /// cannot be written counts as dropped.
    pub(super) fn new(
        write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
        missing: impl Fn(u64) -> Vec<u8> + Send + 'static,
        dropped: Dropped,
    ) -> io::Result<Lines> {
        let shared =
            Shared { waiting: Mutex::default(), added: Condvar::new(), written: Condvar::new(), dropped };
        let lines = Lines(Arc::new(shared));
        let thread = lines.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || thread.write_all(write, missing))?;
        Ok(lines)
    }

    /// Adds a line, or drops it where it does not fit.
    pub(super) fn push(&self, line: &[u8]) {
        let Lines(shared) = self;
        let is_added = shared.waiting.lock().add(line);
        if is_added {
            shared.added.notify_one();
        } else {
            shared.dropped.count();
        }
    }

    /// Waits until all lines are written, as long as somebody reads them.
    pub(super) fn wait_until_written(&self) {
        let Lines(shared) = self;
        let mut waiting = shared.waiting.lock();
        for _ in 0..LAST_WAITS {
            let before = waiting.ended;
            let is_written = waiting.is_nothing()
                || !shared
                    .written
                    .wait_while_for(&mut waiting, |now| !now.is_nothing(), LAST_WAIT)
                    .timed_out();
            if is_written || waiting.ended == before {
                return;
            }
        }
    }

    fn write_all(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>, missing: impl Fn(u64) -> Vec<u8>) {
        let Lines(shared) = self;
        loop {
            let line = self.next();
            let written = match &line {
                Line::Of(line) => write(line),
                Line::Missing(lines) => write(&missing(*lines)),
            };
            let mut waiting = shared.waiting.lock();
            waiting.is_writing = false;
            waiting.ended += 1;
            waiting.has_failed = written.is_err();
            match (written, line) {
                (Ok(()), _) => {}
                (Err(_), Line::Of(_)) => {
                    waiting.is_missing_first(1);
                    shared.dropped.count();
                }
                // The line behind it goes, too: else the same would be tried again at once, and without end.
                (Err(_), Line::Missing(lines)) => {
                    let more = u64::from(waiting.drop_first());
                    waiting.is_missing_first(lines + more);
                    if more > 0 {
                        shared.dropped.count();
                    }
                }
            }
            if waiting.is_nothing() {
                shared.written.notify_all();
            }
        }
    }

    /// The next line to write, once there is one.
    fn next(&self) -> Line {
        let Lines(shared) = self;
        let mut waiting = shared.waiting.lock();
        loop {
            if let Some(line) = waiting.take() {
                waiting.is_writing = true;
                return line;
            }
            shared.added.wait(&mut waiting);
        }
    }
}

/// Each write is one line, as the formatter of lines makes them.
impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Waiting {
    /// Whether there was room for the line. Once one was dropped there is none before half of the rest is written: gaps are few
    /// and each is told once, where a reader is slow but reads.
    fn add(&mut self, line: &[u8]) -> bool {
        let room = if self.missing == 0 { BUFFER } else { BUFFER / 2 };
        if self.bytes + line.len() > room {
            self.missing += 1;
            return false;
        }
        if self.missing > 0 {
            self.lines.push_back(Line::Missing(self.missing));
            self.missing = 0;
        }
        self.bytes += line.len();
        self.lines.push_back(Line::Of(line.to_vec()));
        true
    }

    /// The first line; that lines are missing at the end is one, too, unless nothing can be written anyway.
    fn take(&mut self) -> Option<Line> {
        let line = self.lines.pop_front();
        if let Some(Line::Of(line)) = &line {
            self.bytes -= line.len();
        }
        let at_the_end = (line.is_none() && self.missing > 0 && !self.has_failed)
            .then(|| Line::Missing(std::mem::take(&mut self.missing)));
        line.or(at_the_end)
    }

    /// Whether a line was there to be dropped.
    fn drop_first(&mut self) -> bool {
        let Some(Line::Of(line)) = self.lines.front() else { return false };
        self.bytes -= line.len();
        self.lines.pop_front();
        true
    }

    /// Lines that could not be written are missing before all that wait.
    fn is_missing_first(&mut self, lines: u64) {
        match self.lines.front_mut() {
            Some(Line::Missing(more)) => *more += lines,
            Some(Line::Of(_)) => self.lines.push_front(Line::Missing(lines)),
            None => self.missing += lines,
        }
    }

    fn is_nothing(&self) -> bool {
        self.lines.is_empty() && !self.is_writing && (self.missing == 0 || self.has_failed)
    }
}

/// Some five thousand lines: more than the start of a thousand accounts writes at once.
const BUFFER: usize = 1024 * 1024;
/// How long each wait at the end of the process is, and how many there are, each with a line at least that somebody read.
const LAST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAITS: usize = 5;
