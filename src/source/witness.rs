//! What the events tell of how the file came to what it holds: written where it lies, and closed again or not; or put in
//! its place as a whole.
//!
//! Of one source, over all of its watches. It opens nothing and believes nothing: `debounce` does.

use std::path::PathBuf;

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Hears the events, and remembers what they tell.
#[derive(Debug)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
    news: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// How many watches there were.
    watches: u64,
    /// The newest watch that told of a writer. What an earlier one tells later is older.
    told_by: u64,
    is_being_written: bool,
    was_put_in_place: bool,
    /// Where the file was when the newest watch was armed.
    place: Option<Place>,
}

/// Where a file is: its path without symlinks, and the device and inode number of its directory.
pub(super) type Place = (PathBuf, Option<(u64, u64)>);

/// What one event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// Somebody writes to the file where it lies.
    Written,
    /// Somebody who could write to it has closed it.
    Closed,
    /// Something was renamed into the place of the file, or of a link on the way to it.
    PutInPlace,
    /// The file, or what leads to it, is not there any more.
    TakenAway,
    /// Events were lost.
    Unknown,
}

/// How a file came to what a read found in it, as far as events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Witnessed {
    /// It was written to where it lies, and its writer has not closed it.
    pub(super) is_being_written: bool,
    /// Something was put in the place of what was there before.
    pub(super) was_put_in_place: bool,
}

impl Witness {
    /// A witness, and where it reports that something may have changed.
    pub(super) fn new() -> (Witness, mpsc::Receiver<()>) {
        let (news, reports) = mpsc::channel(1);
        (Witness { seen: Mutex::default(), news }, reports)
    }

    /// A watch is about to be armed on a file in this place; returns its number.
    pub(super) fn watches(&self, place: Place) -> u64 {
        let mut seen = self.seen.lock();
        if seen.place.as_ref() != Some(&place) {
            // Whoever writes to the file that was here before is not heard of any more, and writes to another one.
            seen.is_being_written = false;
            seen.place = Some(place);
        }
        seen.watches += 1;
        seen.watches
    }

    /// The watch of this number reports an event that concerns the file.
    pub(super) fn hears(&self, watch: u64, happened: Option<Happened>) {
        if let Some(happened) = happened {
            self.seen.lock().add(watch, happened);
        }
        // A full channel already reports a change.
        let _ = self.news.try_send(());
    }

    /// Not all events come: what the last ones told does not count.
    pub(super) fn is_deaf(&self) {
        let mut seen = self.seen.lock();
        (seen.is_being_written, seen.was_put_in_place) = (false, false);
    }

    /// What was put in place so far is known.
    pub(super) fn settled(&self) {
        self.seen.lock().was_put_in_place = false;
    }

    pub(super) fn witnessed(&self) -> Witnessed {
        let Seen { is_being_written, was_put_in_place, .. } = *self.seen.lock();
        Witnessed { is_being_written, was_put_in_place }
    }
}

impl Seen {
    fn add(&mut self, watch: u64, happened: Happened) {
        self.was_put_in_place |= happened == Happened::PutInPlace;
        if watch < self.told_by {
            return;
        }
        self.told_by = watch;
        // Where an event was lost, it may be the close: then the reads decide.
        self.is_being_written = happened == Happened::Written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is witnessed after these events, each with the number of its watch.
    fn after(events: &[(u64, Happened)]) -> (bool, bool) {
        let (witness, _reports) = Witness::new();
        for (watch, happened) in events {
            witness.hears(*watch, Some(*happened));
        }
        let Witnessed { is_being_written, was_put_in_place } = witness.witnessed();
        (is_being_written, was_put_in_place)
    }

    #[test]
    fn f6_f15_a_file_is_being_written_from_the_first_write_to_the_close_after_the_last() {
        use Happened::{Closed, PutInPlace, TakenAway, Unknown, Written};

        assert_eq!(after(&[]), (false, false));
        assert_eq!(after(&[(1, Written)]), (true, false));
        assert_eq!(after(&[(1, Written), (1, Written), (1, Closed)]), (false, false));
        assert_eq!(after(&[(1, Written), (1, Closed), (1, Written)]), (true, false));
        assert_eq!(after(&[(1, Written), (1, PutInPlace)]), (false, true), "that one is another file");
        assert_eq!(after(&[(1, PutInPlace), (1, Written)]), (true, true), "and is written to, too");
        assert_eq!(after(&[(1, Written), (1, TakenAway)]), (false, false));
        assert_eq!(after(&[(1, Written), (1, Unknown)]), (false, false), "the close may be what was lost");
        // Two watches at once hear the same, each in its own time.
        assert_eq!(after(&[(1, Written), (2, Closed), (1, Written), (1, Closed)]), (false, false));
        assert_eq!(after(&[(2, Written), (1, Closed)]), (true, false));
    }

    #[test]
    fn f6_f17_a_write_to_a_file_in_another_place_does_not_count() {
        let (witness, _reports) = Witness::new();
        let place = |directory| ("/etc/f".into(), Some((1, directory)));
        let number = witness.watches(place(1));
        witness.hears(number, Some(Happened::Written));
        let number = witness.watches(place(1));
        assert!(witness.witnessed().is_being_written, "another watch on the same");
        witness.hears(number, None);
        witness.watches(place(2));
        assert!(!witness.witnessed().is_being_written);
    }
}
