//! A story: the protocol against an exchange in memory, each look taking a tenth of a second, listed as steps with the
//! second at which they came. Uses the keeper's functions to update the facts; decides nothing.

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::Expect;

use super::situation::{OFFSET, Situation, failure};
use super::{in_words, step_for};
use crate::constants::FENCE;
use crate::facts::{
    Answer, Class, HostReading, Identity, Intent, IntentId, IntentState, List, ServerClock, SetAnswer,
};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Kind, PositionMode};
use crate::protocol::{Learned, Look, Rest, Step, learn, recorded};

/// The exchange as far as one target shows it.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) mode: PositionMode,
    pub(super) plan_orders: u32,
    pub(super) orders: u32,
    pub(super) positions: u32,
    /// What it answers to a set.
    pub(super) answer: SetAnswer,
    /// Whether a set takes effect.
    pub(super) obeys: bool,
    /// Its clock minus ours, in milliseconds.
    pub(super) offset: i64,
    /// The requirements that the host does not meet.
    pub(super) unmet: Vec<String>,
    /// How long one look takes.
    pub(super) took: Duration,
    /// A look that always fails, and the class of its failure.
    pub(super) fails: Option<(Look, Class)>,
}

impl Exchange {
    fn rows(&self, list: List) -> u32 {
        match list {
            List::PlanOrders => self.plan_orders,
            List::Orders => self.orders,
            List::Positions => self.positions,
        }
    }

    /// Flat, and every set takes effect.
    pub(super) fn flat(mode: PositionMode) -> Exchange {
        let took = Duration::from_millis(100);
        let answer = SetAnswer::Accepted;
        Exchange {
            mode,
            plan_orders: 0,
            orders: 0,
            positions: 0,
            answer,
            obeys: true,
            offset: OFFSET,
            unmet: Vec::new(),
            took,
            fails: None,
        }
    }
}

/// Runs for `span` and lists the steps; `event` may change the exchange and the situation before each.
pub(super) fn story(
    situation: &mut Situation,
    exchange: &mut Exchange,
    span: Duration,
    mut event: impl FnMut(Duration, &mut Situation, &mut Exchange),
) -> String {
    let begin = situation.now;
    let mut text = String::new();
    let mut steps = 0;
    while situation.now.since(begin) <= span {
        steps += 1;
        assert!(steps < 10_000, "it spins: {}", text.lines().rev().take(5).collect::<Vec<_>>().join(", "));
        event(situation.now.since(begin), situation, exchange);
        let step = step_for(situation);
        let at = situation.now.since(begin);
        let _ = writeln!(text, "{:.1}s {}", at.as_secs_f64(), in_words(&step, situation.now));
        take(&step, situation, exchange);
    }
    text
}

/// Executes one step and updates the facts with the result.
pub(super) fn take(step: &Step, situation: &mut Situation, exchange: &mut Exchange) {
    let asked = situation.now;
    match step {
        Step::Look(look) => {
            situation.now = asked + exchange.took;
            let learned = match exchange.fails {
                Some((failing, class)) if failing == *look => Learned::Failed(*look, failure(class)),
                Some(_) | None => answered(*look, asked, situation, exchange),
            };
            let (now, jitter) = (situation.now, situation.account.jitter);
            learn(&mut situation.account, &mut situation.target, learned, now, jitter);
            // If the exchange's clock has jumped, its call for the time says the same.
            let measured = ServerClock::measured(asked, now, server(asked + exchange.took / 2, exchange));
            let clock = situation.account.clock;
            situation.account.clock = clock.map(|old| if old.agrees_with(measured) { old } else { measured });
        }
        Step::LookAtHost => {
            let generation = situation.target.wanted.generation;
            situation.account.host = Some(HostReading { generation, asked, unmet: exchange.unmet.clone() });
            situation.now = asked + exchange.took;
        }
        Step::Note(change) => {
            situation.target.intent = Some(Intent {
                id: IntentId(7),
                change: *change,
                generation: situation.target.wanted.generation,
                stamp: server(asked, exchange),
                own_fence: Some(asked + FENCE),
                state: IntentState::Noted { at: asked },
            });
        }
        Step::Send => {
            situation.now = asked + exchange.took;
            if let Some(intent) = situation.target.intent.as_ref().filter(|_| exchange.obeys) {
                exchange.mode = intent.change.to;
            }
            situation.target.answered(exchange.answer.clone(), situation.now);
        }
        Step::Withdraw(_) => situation.target.intent = None,
        Step::Record(record) => {
            let applied = record.applied(&situation.target);
            let (now, record) = (situation.now, record.clone());
            recorded(record, applied, &mut situation.account, &mut situation.target, now, Jitter(1000));
        }
        Step::Rest(Rest { until, ends_with: _ }) => {
            assert!(*until > asked, "a rest ends later than it begins");
            situation.now = *until;
        }
    }
}

fn server(at: Moment, exchange: &Exchange) -> ServerTime {
    ServerTime(at.0 + exchange.offset)
}

/// What the exchange answers to a look.
fn answered(look: Look, asked: Moment, situation: &Situation, exchange: &Exchange) -> Learned {
    let server = server(asked + exchange.took / 2, exchange);
    let answer = Answer { value: (), asked, answered: situation.now, server };
    match look {
        Look::Clock => Learned::Clock(answer),
        Look::Kind => Learned::Kind(answer.with(Kind::Classic)),
        Look::Account => {
            let identity = Identity {
                uid: None,
                kind: Kind::Classic,
                uid_right: "read",
                warnings: Vec::new(),
                at: situation.now,
            };
            Learned::Account(answer.with(identity))
        }
        Look::Mode => Learned::Mode(answer.with(exchange.mode)),
        Look::List(list) => Learned::List(list, answer.with(exchange.rows(list))),
        Look::Open(list) => Learned::Open(list, answer.with(exchange.rows(list))),
    }
}

/// Compares the story of `span` with `expected`.
#[track_caller]
pub(super) fn tells(mut situation: Situation, mut exchange: Exchange, span: Duration, expected: Expect) {
    expected.assert_eq(&story(&mut situation, &mut exchange, span, |_, _, _| {}));
}
