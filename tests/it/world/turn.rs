//! What keeps a core busy takes turns: whole worlds, and what counts the seconds of real connections. Beside them whole
//! processes wait for real time to pass.

use std::cell::RefCell;
use std::sync::LazyLock;

use super::places::{Place, Places};

/// The turn of one thread; it ends with the last that was taken there.
pub struct Turn(());

/// A thread for each core.
static THREADS: LazyLock<Places> =
    LazyLock::new(|| Places::of(std::thread::available_parallelism().map_or(1, usize::from)));

thread_local! {
    static HELD: RefCell<(usize, Option<Place<'static>>)> = const { RefCell::new((0, None)) };
}

impl Turn {
    /// Waits for it, unless this thread has it already.
    pub fn take() -> Turn {
        HELD.with_borrow_mut(|(times, place)| {
            place.get_or_insert_with(|| THREADS.take());
            *times += 1;
        });
        Turn(())
    }

    /// The same for what has a clock of its own: from now on this thread stands back for all that goes by the machine's.
    pub fn take_without_haste() -> Turn {
        // No right is needed for less, and a test's thread does nothing else.
        let _ = rustix::process::setpriority_process(None, 19);
        Turn::take()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|(times, place)| {
            *times -= 1;
            if *times == 0 {
                *place = None;
            }
        });
    }
}
