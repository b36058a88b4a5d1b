//! What may be wrong with an answer, and what the client makes of it before the keeper learns anything: the twin of
//! `Bitget::hear` and of `Reply::look`, as far as times and questions go.
//!
//! The exchange's time, which the client has once for all accounts, is the account's own here. Where the client asks the
//! call for the time whether a clock was moved, the account's is unknown, so that the keeper looks at the clock first.

use std::time::Duration;

use super::mutation::Mutation;
use super::world::{Odd, World, server_at};
use crate::facts::{Age, Answer, Class, Failure, ServerClock};
use crate::moment::{Moment, ServerTime};
use crate::protocol::Look;

/// By how much the exchange's time may be ahead of the known one, beyond the doubts, and count at once.
const MAY_BE_AHEAD: Duration = Duration::from_secs(2);

/// What the client makes of an answer.
#[derive(Debug)]
pub(super) enum Heard<T> {
    /// It is believed, and so is its time.
    Believed(Answer<T>),
    /// It is believed; its time, which is another one now, counts once the call for the time says the same.
    Jumped(Answer<T>),
    /// It is older than its question.
    Stale,
}

impl World {
    /// An answer that comes after one round trip; what is wrong with it shows in its time here, and in its value with whoever
    /// asks.
    pub(super) fn answered<T>(&mut self, value: T) -> Answer<T> {
        let asked = self.now;
        self.now = asked + self.trip;
        Answer { value, asked, answered: self.now, server: self.written(asked + self.trip / 2) }
    }

    /// The time in an answer that the exchange writes at `at`.
    pub(super) fn written(&self, at: Moment) -> ServerTime {
        match self.odd {
            Odd::Nothing | Odd::Foreign => server_at(at),
            Odd::Ahead(by) => server_at(at) + by,
            Odd::Old(by) => server_at(at) - by,
        }
    }

    /// Whether the answer that comes next is this question's and from after it.
    pub(super) fn is_own(&self) -> bool {
        match self.odd {
            Odd::Nothing | Odd::Ahead(_) => true,
            Odd::Old(_) | Odd::Foreign => false,
        }
    }
}

/// What the client makes of this answer to a look.
pub(super) fn heard<T>(
    known: Option<ServerClock>,
    look: Look,
    answer: Answer<T>,
    mutation: Mutation,
) -> Heard<T> {
    // The call for the time says what the time is.
    let Some(clock) = known.filter(|_| look != Look::Clock) else { return Heard::Believed(answer) };
    let Answer { value: _, asked, answered, server } = &answer;
    let is_older = matches!(clock.age(*asked, *server), Age::Older(_));
    if is_older && mutation != Mutation::BelievesOldAnswers {
        return Heard::Stale;
    }
    if is_ahead(clock, *asked, *answered, *server) && !believes_jumps(mutation) {
        let server = clock.at(*asked + answered.since(*asked) / 2);
        return Heard::Jumped(Answer { server, ..answer });
    }
    Heard::Believed(answer)
}

fn is_ahead(known: ServerClock, asked: Moment, answered: Moment, server: ServerTime) -> bool {
    let newer = ServerClock::measured(asked, answered, server);
    let ahead = Duration::from_millis(u64::try_from(newer.offset - known.offset).unwrap_or(0));
    ahead > known.doubt_at(answered) + newer.doubt_at(answered) + MAY_BE_AHEAD
}

/// Whether any answer moves the clock.
pub(super) fn believes_jumps(mutation: Mutation) -> bool {
    matches!(mutation, Mutation::BelievesAJump | Mutation::OneWitness)
}

/// The failure of a look whose answer is older than it.
pub(super) fn stale() -> Failure {
    Failure { class: Class::Stale, code: None, say: String::new() }
}
