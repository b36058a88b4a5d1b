//! How far a command is that looks at accounts, in one line of the terminal that goes away; elsewhere a note now and then.

use std::time::Duration;

use crate::cli::{print, terminal};
use crate::clock::Clock;
use crate::moment::Moment;
use crate::position_mode::AccountName;

/// The progress of one command; the line goes away with it.
pub(super) struct Looking<'a> {
    clock: &'a Clock,
    all: usize,
    /// Columns of the terminal that shows it, if one does.
    width: Option<usize>,
    is_shown: bool,
    noted: Moment,
}

impl<'a> Looking<'a> {
    /// Of `all` accounts.
    pub(super) fn new(clock: &'a Clock, all: usize) -> Looking<'a> {
        Looking { clock, all, width: terminal::width_of_notes(), is_shown: false, noted: clock.now() }
    }

    /// That `done` were looked at, and `name` is next.
    pub(super) fn at(&mut self, done: usize, name: &AccountName) {
        if self.width.is_some() {
            self.draw(done, name);
        } else if self.clock.now().since(self.noted) >= EVERY {
            print::note(&format!("{done} of {} accounts are looked at.", self.all));
            self.noted = self.clock.now();
        }
    }

    /// The same where the command says elsewhere by itself what it has done.
    pub(super) fn draw(&mut self, done: usize, name: &AccountName) {
        let Some(width) = self.width else { return };
        print::over_the_line(&line(done, self.all, name, width));
        self.is_shown = true;
    }

    /// Leaves the line to what is printed next.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            print::over_the_line("");
        }
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// No wider than the terminal, whose next line nobody would clear.
fn line(done: usize, all: usize, name: &AccountName, width: usize) -> String {
    let whole = format!("looking at {name} ({}/{all})", done + 1);
    if whole.len() < width { whole } else { format!("looking ({}/{all})", done + 1) }
}

/// Who waits longer wants to know for what.
const EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_account_where_there_is_place() {
        let told = |name: &str| line(6, 21, &name.parse().unwrap(), 80);
        assert_eq!(told("desk-7"), "looking at desk-7 (7/21)");
        assert_eq!(told(&"x".repeat(63)), "looking (7/21)");
    }
}
