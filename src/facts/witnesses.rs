//! The exchange's clock by two kinds of witnesses: the answers to signed questions, and the call for the time. Where one
//! of them says that the clock has jumped, that counts once the other says the same.

use std::time::Duration;

use super::server_clock::ServerClock;
use crate::constants::{CLOCK_JUMP, CLOCK_JUMP_WITNESSED};
use crate::moment::Moment;

/// Who told the exchange's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// An answer to a signed question.
    Signed,
    /// The call for the time, which nobody signs.
    Time,
}

/// A reading of the exchange's clock that contradicts what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// The call whose answer it was in.
    pub call: &'static str,
    /// Who told it.
    pub witness: Witness,
    /// The reading.
    pub reading: ServerClock,
    /// By how much it is ahead of the known clock, or behind it.
    pub apart: Apart,
}

/// How a clock differs from the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// It is ahead by so much.
    Ahead(Duration),
    /// It is behind by so much.
    Behind(Duration),
}

/// What all answers to this process say of the exchange's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Witnesses {
    known: Option<ServerClock>,
    /// Whether an answer to a signed question has said the same. As long as none has, the call for the time refutes nothing.
    is_signed: bool,
    /// Whether the call for the time has.
    is_told: bool,
    /// The newest reading from a signed question that contradicts the known clock.
    signed: Option<Jump>,
    /// The same from the call for the time, as long as no signed question was answered in time.
    time: Option<Jump>,
    /// The last jump that the call for the time did not confirm: a machine with a clock of its own.
    refuted: Option<ServerClock>,
}

impl Witnesses {
    /// The clock as it is known; `None` before the first reading.
    pub fn known(&self) -> Option<ServerClock> {
        self.known
    }

    /// The clock, if both kinds of witnesses have said the same and neither contradicts it now: what cannot be taken back goes by
    /// no other.
    pub fn agreed(&self) -> Option<ServerClock> {
        self.known.filter(|_| self.is_signed && self.is_told && self.unconfirmed().is_none())
    }

    /// The jump that waits for its second witness. One that was measured by an old answer does not count: that answer is
    /// not believed anyway.
    pub fn unconfirmed(&self) -> Option<Jump> {
        let ahead = self.signed.filter(|jump| matches!(jump.apart, Apart::Ahead(_)));
        let is_known = |jump: &Jump| self.refuted.is_some_and(|other| other.agrees_with(jump.reading));
        self.time.or(ahead.filter(|jump| !is_known(jump)))
    }

    /// Takes a reading for true, whatever was known.
    pub fn believe(&mut self, reading: ServerClock) {
        *self = Witnesses { known: Some(reading), is_signed: true, is_told: true, ..Witnesses::default() };
    }

    /// Adds one more reading: it makes the known clock better, contradicts it, or moves it if it is the second one that says
    /// so. Returns how it differs where it contradicts.
    pub fn hear(&mut self, witness: Witness, call: &'static str, reading: ServerClock) -> Option<Apart> {
        let Some(known) = self.known.filter(|known| known.is_known_well(reading.measured)) else {
            self.believe(reading);
            (self.is_signed, self.is_told) = (witness == Witness::Signed, witness == Witness::Time);
            return None;
        };
        if known.agrees_with(reading) {
            self.known = Some(known.better(reading, reading.measured));
            self.time = None;
            match witness {
                Witness::Signed => self.is_signed = true,
                Witness::Time if self.is_signed => {
                    self.is_told = true;
                    self.refuted = self.signed.take().map(|jump| jump.reading).or(self.refuted);
                }
                Witness::Time => self.is_told = true,
            }
            return None;
        }
        let other = match witness {
            Witness::Signed => self.time,
            Witness::Time => self.signed,
        };
        if other.is_some_and(|jump| jump.confirms(reading)) {
            self.believe(reading);
            return None;
        }
        let apart = known.apart(reading);
        let jump = Some(Jump { call, witness, reading, apart });
        match witness {
            Witness::Signed => self.signed = jump,
            Witness::Time => self.time = jump,
        }
        Some(apart)
    }
}

impl Jump {
    fn confirms(&self, newer: ServerClock) -> bool {
        newer.measured.since(self.reading.measured) <= CLOCK_JUMP_WITNESSED && self.reading.agrees_with(newer)
    }
}

impl ServerClock {
    /// Whether two readings are of one clock, as far as their doubts and the disagreement of the machines that answer allow.
    pub fn agrees_with(self, newer: ServerClock) -> bool {
        let now = newer.measured.max(self.measured);
        self.difference(newer) <= self.doubt_at(now) + newer.doubt_at(now) + CLOCK_JUMP
    }

    fn apart(self, newer: ServerClock) -> Apart {
        let by = self.difference(newer);
        if newer.offset > self.offset { Apart::Ahead(by) } else { Apart::Behind(by) }
    }

    fn difference(self, newer: ServerClock) -> Duration {
        Duration::from_millis(self.offset.abs_diff(newer.offset))
    }
}

/// A call whose answers are older than their questions: a machine with a clock of its own, or old answers repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// When its first such answer was asked for, and the reading in it.
    first: (Moment, ServerClock),
    /// By how much the last one was behind.
    pub by: Duration,
    /// Whether its answers have stayed behind by the same amount and have gone on with the clock: what repeats an old answer
    /// falls behind ever more.
    pub is_steady: bool,
}

impl Lag {
    /// One more answer that is older than its question.
    #[must_use]
    pub fn after(before: Option<Lag>, asked: Moment, reading: ServerClock, by: Duration) -> Lag {
        let same = before.filter(|lag| lag.first.1.agrees_with(reading));
        let first = same.map_or((asked, reading), |lag| lag.first);
        // By then a repeated answer is further behind than two readings of one clock ever are.
        let enough = CLOCK_JUMP * 2 + first.1.doubt + reading.doubt;
        Lag { first, by, is_steady: asked.since(first.0) > enough }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::moment::ServerTime;

    const SIGNED: (Witness, &str) = (Witness::Signed, "account");
    const TIME: (Witness, &str) = (Witness::Time, "time");

    /// A reading in the given second, of a clock so many milliseconds ahead of ours, in doubt by 100 ms.
    fn reading(second: i64, offset: i64) -> ServerClock {
        let (asked, answered) = (Moment(second * 1000), Moment(second * 1000 + 200));
        ServerClock::measured(asked, answered, ServerTime(asked.0 + 100 + offset))
    }

    /// The clock and what contradicts it, after each reading: who tells it, in which second, and which offset.
    #[track_caller]
    fn check(readings: &[((Witness, &'static str), i64, i64)], expected: &Expect) {
        let mut all = Witnesses::default();
        let mut text = String::new();
        for ((witness, call), second, offset) in readings {
            let apart = all.hear(*witness, call, reading(*second, *offset));
            let known = all.known().map(|clock| clock.offset);
            let waits = all.unconfirmed().map(|jump| (jump.call, jump.apart));
            assert!(waits.is_none() || all.agreed().is_none(), "{waits:?}");
            writeln!(
                text,
                "{second}s {call} {offset}: {apart:?}, so {}; waits for {waits:?}",
                known.unwrap()
            )
            .unwrap();
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn f63_one_wrong_server_time_is_not_believed() {
        check(
            &[(TIME, 1, 0), (SIGNED, 1, 0), (SIGNED, 2, 28_000), (TIME, 3, 0), (SIGNED, 4, 28_100)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            1s account 0: None, so 0; waits for None
            2s account 28000: Some(Ahead(28s)), so 0; waits for Some(("account", Ahead(28s)))
            3s time 0: None, so 0; waits for None
            4s account 28100: Some(Ahead(28.1s)), so 0; waits for None
        "#]],
        );
        check(
            &[(TIME, 1, 0), (TIME, 2, 1_000_000_000), (TIME, 3, 1_000_000_000), (SIGNED, 4, 0)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s time 1000000000: Some(Ahead(1000000s)), so 0; waits for Some(("time", Ahead(1000000s)))
            3s time 1000000000: Some(Ahead(1000000s)), so 0; waits for Some(("time", Ahead(1000000s)))
            4s account 0: None, so 0; waits for None
        "#]],
        );
        check(
            &[(TIME, 1, 0), (SIGNED, 1, 0), (SIGNED, 2, -20_000), (TIME, 4, 0)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            1s account 0: None, so 0; waits for None
            2s account -20000: Some(Behind(20s)), so 0; waits for None
            4s time 0: None, so 0; waits for None
        "#]],
        );
    }

    #[test]
    fn the_clock_is_agreed_on_once_both_have_said_the_same_and_as_long_as_neither_contradicts() {
        let mut all = Witnesses::default();
        let mut agreed = |(witness, call), second, offset| {
            all.hear(witness, call, reading(second, offset));
            all.agreed().map(|clock| clock.offset)
        };
        assert_eq!(agreed(TIME, 1, 7_200_000), None, "one alone");
        assert_eq!(agreed(TIME, 2, 7_200_000), None, "and once more");
        assert_eq!(agreed(SIGNED, 3, 0), None, "they contradict each other");
        assert_eq!(agreed(TIME, 4, 0), Some(0));
        assert_eq!(agreed(SIGNED, 5, 0), Some(0));
        assert_eq!(agreed(SIGNED, 6, 28_000), None, "a jump of which one tells");
        assert_eq!(agreed(TIME, 7, 28_000), Some(28_000));
    }

    #[test]
    fn f63_a_jump_that_both_witnesses_tell_of_counts() {
        check(
            &[(TIME, 1, 0), (SIGNED, 2, 28_000), (TIME, 3, 28_500), (SIGNED, 4, 28_000)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s account 28000: Some(Ahead(28s)), so 0; waits for Some(("account", Ahead(28s)))
            3s time 28500: None, so 28500; waits for None
            4s account 28000: None, so 28000; waits for None
        "#]],
        );
        check(
            &[(TIME, 1, 0), (TIME, 2, -28_000), (SIGNED, 3, -28_000)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s time -28000: Some(Behind(28s)), so 0; waits for Some(("time", Behind(28s)))
            3s account -28000: None, so -28000; waits for None
        "#]],
        );
        // At the start the call for the time refutes nothing that signed answers say.
        check(
            &[(TIME, 1, -28_000), (SIGNED, 2, 0), (TIME, 3, -28_000), (SIGNED, 4, 0)],
            &expect![[r#"
            1s time -28000: None, so -28000; waits for None
            2s account 0: Some(Ahead(28s)), so -28000; waits for Some(("account", Ahead(28s)))
            3s time -28000: None, so -28000; waits for Some(("account", Ahead(28s)))
            4s account 0: Some(Ahead(28s)), so -28000; waits for Some(("account", Ahead(28s)))
        "#]],
        );
        // They tell of different jumps, or of one at different times.
        check(
            &[(TIME, 1, 0), (SIGNED, 2, 28_000), (TIME, 3, 60_000)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s account 28000: Some(Ahead(28s)), so 0; waits for Some(("account", Ahead(28s)))
            3s time 60000: Some(Ahead(60s)), so 0; waits for Some(("time", Ahead(60s)))
        "#]],
        );
        check(
            &[(TIME, 1, 0), (SIGNED, 2, 28_000), (TIME, 63, 28_000)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s account 28000: Some(Ahead(28s)), so 0; waits for Some(("account", Ahead(28s)))
            63s time 28000: Some(Ahead(28s)), so 0; waits for Some(("time", Ahead(28s)))
        "#]],
        );
    }

    #[test]
    fn a_little_difference_is_a_better_reading_and_a_clock_that_is_hardly_known_contradicts_nothing() {
        check(
            &[(TIME, 1, 0), (SIGNED, 2, 2_100), (TIME, 9 * 3600, 30_000)],
            &expect![[r#"
            1s time 0: None, so 0; waits for None
            2s account 2100: None, so 2100; waits for None
            32400s time 30000: None, so 30000; waits for None
        "#]],
        );
    }

    #[test]
    fn f61_a_call_lags_steadily_if_its_answers_go_on_with_the_clock() {
        let by = Duration::from_secs(20);
        let lag = |readings: &[(i64, i64)]| {
            let after = |before, (second, offset): &(i64, i64)| {
                Some(Lag::after(before, Moment(second * 1000), reading(*second, *offset), by))
            };
            readings.iter().fold(None, after).is_some_and(|lag| lag.is_steady)
        };
        assert!(!lag(&[(1, -20_000)]), "one answer tells nothing");
        assert!(!lag(&[(1, -20_000), (5, -20_000)]));
        assert!(lag(&[(1, -20_000), (3, -20_100), (6, -21_000)]));
        for step in 1..100 {
            let repeated: Vec<(i64, i64)> = (1..50).map(|n| (n * step, -20_000 - n * step * 1000)).collect();
            assert!(!lag(&repeated), "one answer repeated every {step} s");
        }
    }
}
