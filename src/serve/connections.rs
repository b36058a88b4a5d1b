//! The open connections. There is room for so many: for one more the oldest that has asked for nothing yet is closed, so that
//! who holds connections open keeps nobody else from asking.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::task::AbortHandle;

use crate::moment::Moment;

/// Oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(VecDeque<Connection>);

#[derive(Debug)]
struct Connection {
    task: AbortHandle,
    asked: Asked,
}

/// Whether the whole head of a request has come, and whether it was one to listen.
#[derive(Debug, Clone)]
pub(super) struct Asked(Arc<Request>);

#[derive(Debug)]
struct Request {
    is_whole: AtomicBool,
    /// When a listener last took something; `NEVER` for any other client.
    took: AtomicI64,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked(Arc::new(Request { is_whole: AtomicBool::new(false), took: AtomicI64::new(NEVER) }))
    }
}

impl Asked {
    pub(super) fn set(&self) {
        self.0.is_whole.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.is_whole.load(Ordering::Relaxed)
    }

    /// The client listens, and has taken something now: its connection is not among those that have to make room any more.
    pub(super) fn listens(&self, now: Moment) {
        self.0.took.store(now.0, Ordering::Relaxed);
    }

    /// When a listener last took something; `None` for any other client.
    pub(super) fn took(&self) -> Option<Moment> {
        Some(self.0.took.load(Ordering::Relaxed)).filter(|took| *took != NEVER).map(Moment)
    }
}

impl Connections {
    /// Closes one if `most` are open; returns whether it did.
    pub(super) fn make_room(&mut self, most: usize) -> bool {
        let Connections(open) = self;
        if open.len() >= most {
            // Of those that listen there are a few at most.
            open.retain(|connection| !connection.task.is_finished() && connection.asked.took().is_none());
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

const NEVER: i64 = i64::MIN;

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

    #[tokio::test]
    async fn who_listens_neither_leaves_nor_takes_up_room() {
        let mut open = Connections::default();
        let asked = [Asked::default(), Asked::default()];
        let tasks = asked.clone().map(|asked| {
            let task = tokio::spawn(std::future::pending::<()>());
            open.add(task.abort_handle(), asked);
            task
        });
        asked[0].listens(Moment(7));
        assert_eq!((asked[0].took(), asked[1].took()), (Some(Moment(7)), None));
        assert!(!open.make_room(2), "one listens");
        assert!(open.make_room(1));
        let [listens, other] = tasks;
        assert!(other.await.unwrap_err().is_cancelled());
        assert!(!listens.is_finished());
    }
}
