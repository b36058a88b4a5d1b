//! An answer of the exchange, and when it was.

use crate::moment::{Moment, ServerTime};

/// What the exchange said, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// When the (first) request left.
    pub asked: Moment,
    /// When the (last) answer was here.
    pub answered: Moment,
    /// The exchange's own time in the last answer.
    pub server: ServerTime,
}

impl<T> Answer<T> {
    /// The same answer, with what was made of it.
    pub fn with<V>(self, value: V) -> Answer<V> {
        let Answer { value: _, asked, answered, server } = self;
        Answer { value, asked, answered, server }
    }

    /// Two answers as one: from the first question to the last answer, with the exchange's time of that.
    pub fn and<U, V>(self, other: Answer<U>, join: impl FnOnce(T, U) -> V) -> Answer<V> {
        let asked = self.asked.min(other.asked);
        let (answered, server) = (self.answered, self.server).max((other.answered, other.server));
        Answer { value: join(self.value, other.value), asked, answered, server }
    }
}
