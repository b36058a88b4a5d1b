//! An answer of the exchange, with its times.

use crate::moment::{Moment, ServerTime};

/// An answer of the exchange, with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value that was asked for.
    pub value: T,
    /// When the (first) request was sent.
    pub asked: Moment,
    /// When the (last) answer was received.
    pub answered: Moment,
    /// The exchange's own time in the last answer.
    pub server: ServerTime,
}

impl<T> Answer<T> {
    /// The same answer with another value.
    pub fn with<V>(self, value: V) -> Answer<V> {
        let Answer { value: _, asked, answered, server } = self;
        Answer { value, asked, answered, server }
    }

    /// Two answers as one: from the first request to the last answer, with the exchange's time in the latter.
    pub fn and<U, V>(self, other: Answer<U>, join: impl FnOnce(T, U) -> V) -> Answer<V> {
        let asked = self.asked.min(other.asked);
        let (answered, server) = (self.answered, self.server).max((other.answered, other.server));
        Answer { value: join(self.value, other.value), asked, answered, server }
    }
}
