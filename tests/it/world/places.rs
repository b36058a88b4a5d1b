//! What the machine can do at a time: who wants to do more waits for a place.

use std::sync::{Condvar, Mutex, PoisonError};

pub struct Places {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// Given back when it is dropped.
pub struct Place<'a>(&'a Places);

impl Places {
    pub const fn of(count: usize) -> Places {
        Places { free: Mutex::new(count), given_back: Condvar::new() }
    }

    /// Waits for one.
    pub fn take(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.given_back.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}
