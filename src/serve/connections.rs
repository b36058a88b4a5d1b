//! The open connections. There is room for so many: for one more the oldest that has asked for nothing yet is closed, so that
//! who holds connections open keeps nobody else from asking.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(VecDeque<Connection>);

#[derive(Debug)]
struct Connection {
    task: AbortHandle,
    asked: Asked,
}

/// Whether the whole head of a request has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(super) fn set(&self) {
        let Asked(asked) = self;
        asked.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        let Asked(asked) = self;
        asked.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// Closes one if `most` are open; returns whether it did.
    pub(super) fn make_room(&mut self, most: usize) -> bool {
        let Connections(open) = self;
        if open.len() >= most {
            open.retain(|connection| !connection.task.is_finished());
        }
        if open.len() < most {
            return false;
        }
        let leaving = leaves(open.iter().map(|connection| connection.asked.is_set()));
        if let Some(Connection { task, asked: _ }) = open.remove(leaving) {
            task.abort();
        }
        true
    }

    pub(super) fn add(&mut self, task: AbortHandle, asked: Asked) {
        let Connections(open) = self;
        open.push_back(Connection { task, asked });
    }
}

/// Which one has to leave, of those that have asked or not, oldest first. Where all have, the oldest, too: an answer takes
/// milliseconds, and who does not read it after hundreds of others came will not.
fn leaves(asked: impl Iterator<Item = bool>) -> usize {
    asked.enumerate().find(|(_, asked)| !asked).map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_has_not_asked_leaves_and_else_the_oldest() {
        let leaves = |asked: &[bool]| leaves(asked.iter().copied());
        assert_eq!(leaves(&[false, false]), 0);
        assert_eq!(leaves(&[true, false, false]), 1);
        assert_eq!(leaves(&[true, true]), 0);
    }

    #[tokio::test]
    async fn one_is_closed_only_while_there_is_no_room() {
        let mut open = Connections::default();
        let ended = tokio::spawn(async {});
        open.add(ended.abort_handle(), Asked::default());
        ended.await.unwrap();
        let mut tasks = Vec::new();
        for asks in [true, false] {
            let (task, asked) = (tokio::spawn(std::future::pending::<()>()), Asked::default());
            if asks {
                asked.set();
            }
            open.add(task.abort_handle(), asked);
            tasks.push(task);
        }
        assert!(!open.make_room(3), "one has ended by itself");
        assert!(open.make_room(2));
        let last = tasks.pop().unwrap();
        assert!(last.await.unwrap_err().is_cancelled());
        assert!(!tasks[0].is_finished(), "it has asked");
    }
}
