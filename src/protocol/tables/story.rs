//! A story: the protocol against an exchange in memory, each look taking a tenth of a second, told as the steps with
//! the second at which they came. Learns by the functions that the keeper uses; decides nothing.

use std::fmt::Write as _;
use std::time::Duration;

use super::situation::{OFFSET, Situation, failure};
use super::{in_words, step_for};
use crate::facts::{
    Applied, Cause, Class, Failure, HostReading, How, Identity, Intent, IntentId, IntentState, LateSet, List,
    Reading, Seen, SetAnswer,
};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Kind, PositionMode};
use crate::protocol::{Look, Record, Rest, Step};

/// The exchange, as far as one target shows.
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
    /// Its clock against ours, in milliseconds.
    pub(super) offset: i64,
    /// What of the host is not as required.
    pub(super) unmet: Vec<String>,
    /// How long one look takes.
    pub(super) took: Duration,
    /// A look that always fails, and how.
    pub(super) fails: Option<(Look, Class)>,
}

impl Exchange {
    /// Flat and obedient.
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

/// Goes on for `span`, and tells the steps; `event` may change the exchange and the situation before each.
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
        let step = step_for(&situation);
        let at = situation.now.since(begin);
        let _ = writeln!(text, "{:.1}s {}", at.as_secs_f64(), in_words(&step, situation.now));
        take(&step, situation, exchange);
    }
    text
}

/// Does one step and learns what came back.
pub(super) fn take(step: &Step, situation: &mut Situation, exchange: &mut Exchange) {
    let asked = situation.now;
    match step {
        Step::Look(look) => {
            situation.now = asked + exchange.took;
            match exchange.fails {
                Some((failing, class)) if failing == *look => fail(*look, class, situation),
                Some(_) | None => learn(*look, asked, situation, exchange),
            }
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
                state: IntentState::Noted { at: asked },
            });
            if change.cause == Cause::Drift {
                situation.target.corrections.push(server(asked, exchange));
            }
        }
        Step::Send => {
            situation.now = asked + exchange.took;
            if let Some(intent) = situation.target.intent.as_ref().filter(|_| exchange.obeys) {
                exchange.mode = intent.change.to;
            }
            situation.target.answered(exchange.answer.clone(), situation.now);
        }
        Step::Withdraw(_) => situation.target.intent = None,
        Step::Record(record) => write_down(record, situation),
        Step::Rest(Rest { until, ends_with: _ }) => {
            assert!(*until > asked, "a rest ends later than it begins");
            situation.now = *until;
        }
    }
}

fn server(at: Moment, exchange: &Exchange) -> ServerTime {
    ServerTime(at.0 + exchange.offset)
}

fn fail(look: Look, class: Class, situation: &mut Situation) {
    let (failure, now, jitter) = (failure(class), situation.now, situation.account.jitter);
    match look {
        Look::Clock | Look::Account => situation.account.failed(failure, now),
        Look::Mode | Look::List(_) if class.row().account_wide => situation.account.failed(failure, now),
        Look::Mode => situation.target.failed(None, failure, now, jitter),
        Look::List(list) => situation.target.failed(Some(list), failure, now, jitter),
    }
}

fn learn(look: Look, asked: Moment, situation: &mut Situation, exchange: &Exchange) {
    let answered = situation.now;
    situation.account.heard(asked, answered, server(asked + exchange.took / 2, exchange));
    let target = &mut situation.target;
    let mut read = |list, count| target.read(list, Reading { count, asked, answered });
    match look {
        Look::Clock => {}
        Look::Account => {
            situation.account.identity =
                Some(Identity { uid: None, kind: Kind::Classic, rights: None, at: answered });
        }
        Look::Mode => {
            let server = server(asked + exchange.took / 2, exchange);
            target.saw(Seen { mode: exchange.mode, asked, answered, server });
        }
        Look::List(List::PlanOrders) => read(List::PlanOrders, exchange.plan_orders),
        Look::List(List::Orders) => read(List::Orders, exchange.orders),
        Look::List(List::Positions) => read(List::Positions, exchange.positions),
    }
}

fn write_down(record: &Record, situation: &mut Situation) {
    let now = situation.now;
    let target = &mut situation.target;
    let generation = target.wanted.generation;
    let applied = |mode, how| Some(Applied { mode, how, at: ServerTime(now.0 + OFFSET), generation });
    let intent = target.intent.clone();
    match (record, intent) {
        (Record::Applied(how), _) => target.applied = target.wanted.mode.and_then(|mode| applied(mode, *how)),
        (Record::Confirmed | Record::Resolved { took_effect: true }, Some(intent)) => {
            target.effect_recorded(applied(intent.change.to, How::Set));
        }
        (Record::Unconfirmed, Some(intent)) => {
            target.intent = Some(Intent { state: IntentState::Unclear, ..intent });
        }
        (Record::Resolved { took_effect: false }, Some(intent)) => {
            target.intent = None;
            target.may_come_late =
                Some(LateSet { id: intent.id, mode: intent.change.to, stamp: intent.stamp });
        }
        (Record::Refused(failure), Some(_)) => refused(failure, situation),
        (Record::Late(_), _) => {
            let mode = target.may_come_late.take().map(|late| late.mode);
            target.effect_recorded(mode.and_then(|mode| applied(mode, How::Set)));
        }
        (record, None) => panic!("{record:?} without an intent"),
    }
}

fn refused(failure: &Failure, situation: &mut Situation) {
    let now = situation.now;
    if let Some(failure) = situation.target.refusal_recorded(failure.clone(), now, Jitter(1000)) {
        situation.account.failed(failure, now);
    }
}
