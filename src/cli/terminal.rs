//! The terminal that a command stands in: its size, and its keys.
//!
//! What is written elsewhere has no width: a line of it stays one line.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use rustix::termios::{self, LocalModes, OptionalActions, QueueSelector, Termios};
use tokio_util::sync::CancellationToken;

/// Columns and rows of the terminal that the result goes to; `None` if it goes elsewhere, or the terminal does not say.
pub(super) fn size() -> Option<(usize, usize)> {
    size_of(&io::stdout())
}

fn size_of(out: &(impl AsFd + IsTerminal)) -> Option<(usize, usize)> {
    if !out.is_terminal() {
        return None;
    }
    let size = termios::tcgetwinsize(out).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Columns of the terminal that the result goes to, if it goes to one.
pub(super) fn width() -> Option<usize> {
    size().map(|(columns, _)| columns)
}

/// Columns of the terminal that notes go to, if they go to one on which a line can be drawn over.
pub(super) fn width_of_notes() -> Option<usize> {
    size_of(&io::stderr()).filter(|_| !is_dumb()).map(|(columns, _)| columns)
}

/// Whether there is somebody to ask: a terminal that shows the question and takes the answer, and is ours.
pub(super) fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && is_in_front(&io::stdin())
}

/// What was typed before a question is no answer to it.
pub(super) fn forget_what_was_typed() {
    let _ = termios::tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Whether the terminal is not another job's: who reads from that, or changes it, is stopped.
fn is_in_front(terminal: &impl AsFd) -> bool {
    termios::tcgetpgrp(terminal).map_or(true, |front| front == rustix::process::getpgrp())
}

/// Whether a screen can be drawn anew over the last one.
pub(super) fn is_redrawn() -> bool {
    size().is_some() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|kind| kind == "dumb")
}

/// `text` broken between words to fit `width`; every further line begins with `indent`. A word that is longer stays whole, and so
/// does what is to be typed: a command in backquotes is one word.
pub(super) fn wrapped(text: &str, width: Option<usize>, indent: &str) -> String {
    let Some(width) = width else { return text.to_owned() };
    let options = textwrap::Options::new(width)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .subsequent_indent(indent);
    textwrap::fill(&bound(text), options).replace(BINDING, " ")
}

fn bound(text: &str) -> String {
    let parts = text.split('`').count();
    let bind = |(index, part): (usize, &str)| {
        let is_quoted = index % 2 == 1 && index + 1 < parts && part.chars().count() <= LONGEST_COMMAND;
        if is_quoted { part.replace(' ', BINDING) } else { part.to_owned() }
    };
    text.split('`').enumerate().map(bind).collect::<Vec<_>>().join("`")
}

/// How many rows of the terminal a text takes: a word that is too long is folded by the terminal.
pub(super) fn rows_of(text: &str, columns: usize) -> usize {
    let plain = anstream::adapter::strip_str(text).to_string();
    plain.split('\n').map(|line| line.chars().count().div_ceil(columns).max(1)).sum()
}

/// A space between words of one line.
const BINDING: &str = "\u{a0}";
/// Longer than any command with the longest name of an account; what is longer still is something else.
const LONGEST_COMMAND: usize = 120;

/// A key that ends a command, as long as it is not dropped: keys come one by one and are not shown. Ctrl-C stays a signal.
pub(super) struct EndingKey {
    before: Termios,
}

impl EndingKey {
    /// Cancels `stop` once `key` is typed. `None` where standard input is no terminal, or the terminal is another job's.
    pub(super) fn listen(key: u8, stop: CancellationToken) -> Option<EndingKey> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin).ok()?;
        if !is_in_front(&stdin) {
            return None;
        }
        let mut one_by_one = before.clone();
        one_by_one.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        termios::tcsetattr(&stdin, OptionalActions::Now, &one_by_one).ok()?;
        let ending = EndingKey { before };
        // Nobody waits for the thread: a read that nobody answers ends with the process.
        let typed = move || {
            let mut typed = [0; 64];
            while let Ok(count @ 1..) = rustix::io::read(io::stdin(), &mut typed) {
                if typed.iter().take(count).any(|byte| *byte == key) {
                    stop.cancel();
                }
            }
        };
        std::thread::Builder::new().name("keys".to_owned()).spawn(typed).ok()?;
        Some(ending)
    }
}

impl Drop for EndingKey {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_broken_between_words_only_and_a_pipe_gets_it_whole() {
        let text = "Write `posmoded resume`, then look at one-way-mode\nand again, as `nobody has";
        assert_eq!(wrapped(text, None, "  "), text);
        assert_eq!(
            wrapped(text, Some(20), "  "),
            "Write\n  `posmoded resume`,\n  then look at\n  one-way-mode\n  and again, as\n  `nobody has"
        );
        let name = "x".repeat(63);
        assert_eq!(wrapped(&name, Some(20), ""), name);
    }
}
