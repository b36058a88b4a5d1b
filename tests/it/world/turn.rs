//! What keeps a core busy takes turns: whole worlds, and what counts the seconds of real connections. Beside them whole
//! processes wait for real time to pass.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};

/// The turn of one thread; it ends with the last that was taken there.
pub struct Turn(());

/// How many threads have it, of as many as there are cores.
static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

impl Turn {
    /// Waits for it, unless this thread has it already.
    pub fn take() -> Turn {
        if HELD.replace(HELD.get() + 1) == 0 {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            let mut taken =
                GIVEN_BACK.wait_while(taken, |taken| *taken >= cores).unwrap_or_else(PoisonError::into_inner);
            *taken += 1;
        }
        Turn(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        if HELD.get() == 0 {
            *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            GIVEN_BACK.notify_one();
        }
    }
}
