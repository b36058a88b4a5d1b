//! Commands on a terminal: the built binary on a pseudo-terminal of a size.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use bitget_sim::{HoldSide, PosMode, ProductType, Uid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::cli::{Desk, GOOD, posmoded};
use crate::process::{PATIENCE, wait_until};

#[test]
fn plan_and_import_show_on_a_terminal_how_far_they_are_and_leave_no_trace() {
    let desk = Desk::new(GOOD);
    for words in [&["plan"][..], &["import", "desk-1", "desk-2"]] {
        let mut terminal = Terminal::with(&desk, words, &[("TERM", "xterm")], (80, 24));
        let over = if words == ["plan"] { "cannot yet." } else { "...\r\n" };
        let shown = terminal.wait_for("its end", |shown| shown.contains(over));
        let steps = ["\rlooking at desk-1 (1/2)\u{1b}[K", "\rlooking at desk-2 (2/2)\u{1b}[K\r\u{1b}[K"];
        assert!(steps.iter().all(|step| shown.contains(step)), "{shown:?}");
        assert!(terminal.command.wait().unwrap().success());
    }
}

/// A terminal with a command on it.
struct Terminal {
    keyboard: OwnedFd,
    line: File,
    shown: Receiver<String>,
    whole: String,
    command: Child,
}

impl Terminal {
    fn with(
        desk: &Desk,
        words: &[&str],
        environment: &[(&str, &str)],
        (columns, rows): (u16, u16),
    ) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let line = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size).unwrap();
        let words = desk.words(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let same = || line.try_clone().unwrap();
        let mut command = posmoded(desk.home.path(), &words);
        command.envs(environment.iter().copied()).stdin(same()).stdout(same()).stderr(same());
        let command = command.spawn().unwrap();
        let (show, shown) = channel();
        let mut screen = File::from(keyboard.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if show.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                    break;
                }
            }
        });
        Terminal { keyboard, line, shown, whole: String::new(), command }
    }

    /// What was shown up to now, once it is as wanted.
    #[track_caller]
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let Terminal { shown, whole, .. } = self;
        wait_until(what, PATIENCE, String::new, || {
            whole.extend(shown.try_iter());
            is_so(whole).then(|| whole.clone())
        })
    }

    fn shows_what_is_typed(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    fn press(&self, key: &[u8]) {
        rustix::io::write(&self.keyboard, key).unwrap();
    }
}

fn modes(desk: &Desk) -> [PosMode; 2] {
    let mode = |uid| desk.simulator.with(|exchange| exchange.mode(uid, ProductType::UsdtFutures).unwrap());
    [mode(Uid(1)), mode(Uid(2))]
}

#[track_caller]
fn ended(terminal: &mut Terminal, code: i32, last: &str) -> String {
    let shown = terminal.wait_for(last, |shown| shown.ends_with(last));
    let status = wait_until("it has ended", PATIENCE, String::new, || terminal.command.try_wait().unwrap());
    assert_eq!(status.code(), Some(code), "{shown}");
    shown
}

#[test]
fn apply_on_a_terminal_shows_the_plan_and_changes_nothing_unless_the_answer_is_yes() {
    let desk = Desk::new(GOOD);
    let question = "Go ahead? [y/N] ";
    let asked = |words: &[&str]| {
        let mut terminal = Terminal::with(&desk, words, &[("TERM", "dumb")], (100, 24));
        // What comes before the question is no answer to it.
        terminal.press(b"yes\n");
        let shown = terminal.wait_for("the question", |shown| shown.contains(question));
        assert!(shown.contains("1 target in sync, 1 would change now, 0 cannot yet."), "{shown}");
        assert!(shown.contains("desk-1   USDT-FUTURES  hedge_mode  one_way_mode  new"), "{shown}");
        assert!(shown.contains("nothing in its first 41s. Ctrl-C ends it; a set"), "{shown}");
        terminal
    };
    for answer in [&b"\n"[..], b"no\n", b"yes, but later\n", b"\x04"] {
        let mut terminal = asked(&["apply"]);
        terminal.press(answer);
        ended(&mut terminal, 2, "\r\nNothing was changed.\r\n");
    }
    let mut terminal = asked(&["apply", "-o", "json"]);
    let pid = terminal.command.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    ended(&mut terminal, 1, "\r\nInterrupted: nothing was changed.\r\n");
    assert!(!desk.home.path().join("state").exists(), "nothing is written before the answer");
    assert_eq!(modes(&desk), [PosMode::OneWayMode; 2]);

    let mut terminal = asked(&["apply"]);
    terminal.press(b"Y\n");
    let shown = ended(&mut terminal, 0, "2 targets in sync, 1 of them changed by this; 0 not in sync.\r\n");
    assert_eq!(modes(&desk), [PosMode::HedgeMode, PosMode::OneWayMode]);
    assert!(
        shown.contains("desk-1 USDT-FUTURES: in sync: changed to hedge_mode, and a read shows it"),
        "{shown}"
    );
    let (plan, after) = shown.split_once(question).unwrap();
    assert!(!after.contains("desk-2") && !after.contains("Ctrl-C"), "told again: {shown}");
    assert_eq!(plan.matches("Ctrl-C").count(), 1, "{shown}");

    // Nothing to change, nothing to ask.
    let mut terminal = Terminal::with(&desk, &["apply"], &[("TERM", "dumb")], (100, 24));
    let shown = ended(&mut terminal, 0, "2 targets in sync, 0 of them changed by this; 0 not in sync.\r\n");
    assert!(
        shown.contains("desk-1 USDT-FUTURES: in sync: it is hedge_mode") && !shown.contains("Go"),
        "{shown}"
    );
}

#[test]
fn apply_on_a_terminal_does_not_ask_whoever_says_yes_beforehand() {
    let desk = Desk::new(GOOD);
    desk.simulator.with(|exchange| {
        exchange.open_position(Uid(1), ProductType::UsdtFutures, "BTCUSDT", HoldSide::Long, "1").unwrap();
    });
    let terms = [("TERM", "dumb"), ("POSMODED_YES", "1")];
    for (words, environment) in [(&["apply", "--yes"][..], &terms[..1]), (&["apply"], &terms)] {
        let mut terminal = Terminal::with(&desk, words, environment, (100, 24));
        let shown = ended(&mut terminal, 2, "1 not in sync.\r\n");
        let once = "desk-1 USDT-FUTURES: new, not_flat: Open: 1 position";
        assert!(shown.matches(once).count() == 1 && !shown.contains("Go ahead"), "{shown}");
    }
}

#[test]
fn a_watch_on_a_terminal_is_redrawn_in_place_fits_it_and_ends_with_q() {
    let mut desk = Desk::new(GOOD);
    desk.start(&[]);
    desk.wait_for(&["status"], |_, out| out.contains("1 target in sync"));
    let leave = "q or Ctrl-C ends it.";
    let colourless = [("TERM", "xterm"), ("NO_COLOR", "1")];
    for (environment, in_colour) in [(&[("TERM", "xterm-256color")][..], true), (&colourless, false)] {
        let mut terminal = Terminal::with(&desk, &["status", "--watch"], environment, (80, 12));
        let shown = terminal.wait_for("two screens", |shown| shown.matches(leave).count() >= 2);
        let screens: Vec<&str> = shown.split("\u{1b}[H").collect();
        assert!(screens[0] == "\u{1b}[2J" && screens.len() >= 3, "{shown:?}");
        let screen = screens[1];
        assert!(screen.lines().count() <= 12 && screen.starts_with("rev 1"), "{screen}");
        assert!(screen.contains("... and ") && screen.contains("1 more in sync"), "{screen}");
        assert_eq!(screen.contains("\u{1b}[38;5;"), in_colour);
        assert!(!terminal.shows_what_is_typed());
        terminal.press(b"xq");
        let code = wait_until("it has ended", PATIENCE, String::new, || terminal.command.try_wait().unwrap());
        assert!(matches!(code.code(), Some(0 | 2)), "{code}");
        assert!(terminal.shows_what_is_typed(), "the terminal is as it was");
    }
}

#[test]
fn a_dumb_terminal_gets_lines_of_its_width_on_change_only() {
    let mut desk = Desk::new(GOOD);
    desk.start(&[]);
    desk.wait_for(&["status"], |_, out| out.contains("1 target in sync"));
    let mut terminal = Terminal::with(&desk, &["status", "--watch"], &[("TERM", "dumb")], (80, 12));
    let shown = terminal.wait_for("a status", |shown| shown.contains("Revision 1"));
    assert!(!shown.contains('\u{1b}') && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    terminal.command.kill().unwrap();
    terminal.command.wait().unwrap();
}
