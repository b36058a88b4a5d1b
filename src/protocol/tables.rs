//! The tables of the design, row by row: a situation, and the lines that an operator reads about it.
//!
//! Each row expects the state, every reason that applies with its sentence, and the next step in plain words. This file
//! formats them; the rows are in the modules below. Rows call only the public functions of the protocol.

#![allow(
    clippy::needless_raw_string_hashes,
    clippy::needless_pass_by_value,
    reason = "expect-test writes them so, and expectations are written in place"
)]

mod brakes;
mod compare;
mod conditions;
mod failures;
mod flat;
mod outcome;
mod purpose;
mod refused;
mod sending;
mod situation;
mod story;
mod total;
mod whose;

use std::fmt::Write as _;

use expect_test::Expect;
use strum::IntoEnumIterator as _;

use self::situation::Situation;
use super::{Look, Record, Rest, Standing, Step, next, say};
use crate::facts::{Change, Class, Failure, How, List};
use crate::moment::{Moment, spell};
use crate::position_mode::{Scope, Target};

/// Compares what an operator reads about the situation, and the next step, with `expected`.
#[track_caller]
fn check(situation: &Situation, expected: Expect) {
    expected.assert_eq(&told(situation));
}

fn told(situation: &Situation) -> String {
    let (facts, now) = (situation.facts(), situation.now);
    let standing = Standing::of(&facts, now);
    let step = next(&facts, &standing, now);
    if let Step::Rest(Rest { until, ends_with: _ }) = &step {
        assert!(*until > now, "a rest ends later than it begins");
    }
    let mut text = format!("{}\n", standing.state);
    for reason in standing.blockers.iter() {
        let _ = writeln!(text, "{reason}: {}", say(reason, &facts, &of_a_desk(), now));
    }
    let _ = writeln!(text, "> {}", in_words(&step, now));
    text
}

/// Whose the situations are.
fn of_a_desk() -> Target {
    Target { account: "desk-main".parse().unwrap(), scope: Scope::Account }
}

/// The next step for these facts, with their standing computed.
fn step_for(situation: &Situation) -> Step {
    let facts = situation.facts();
    next(&facts, &Standing::of(&facts, situation.now), situation.now)
}

fn in_words(step: &Step, now: Moment) -> String {
    match step {
        Step::Look(look) => look_in_words(*look).to_owned(),
        Step::LookAtHost => "look at the host".to_owned(),
        Step::Note(change) => format!("note {}", change_in_words(*change)),
        Step::Send => "send".to_owned(),
        Step::Withdraw(why) => format!("withdraw: {}", why.say()),
        Step::Record(record) => format!("record {}", record_in_words(record)),
        Step::Rest(Rest { until, ends_with: _ }) => format!("rest {}", spell(until.since(now))),
    }
}

fn look_in_words(look: Look) -> &'static str {
    match look {
        Look::Clock => "ask the time",
        Look::Kind => "look at the kind",
        Look::Account => "look at the account",
        Look::Mode => "look at the mode",
        Look::List(List::PlanOrders) => "read plan orders",
        Look::List(List::Orders) => "read orders",
        Look::List(List::Positions) => "read positions",
        Look::Open(List::PlanOrders) => "read open plan orders",
        Look::Open(List::Orders) => "read open orders",
        Look::Open(List::Positions) => "read open positions",
    }
}

fn change_in_words(Change { from, to, cause }: Change) -> String {
    format!("{from} -> {to} ({cause})")
}

fn record_in_words(record: &Record) -> String {
    match record {
        Record::Applied(How::Set) => "set".to_owned(),
        Record::Applied(How::Adopted) => "adopted".to_owned(),
        Record::Applied(How::External) => "external".to_owned(),
        Record::Confirmed => "confirmed".to_owned(),
        Record::Unconfirmed => "unconfirmed: nobody knows its outcome".to_owned(),
        Record::Refused(Failure { class: _, code, say }) => {
            format!("refused: {} {say}", code.as_deref().unwrap_or("-"))
        }
        Record::NotSent(Failure { class: _, code: _, say }) => format!("not sent: {say}"),
        Record::Resolved { took_effect: true } => "resolved: it took effect".to_owned(),
        Record::Resolved { took_effect: false } => "resolved: it had no effect".to_owned(),
        Record::Late(id) => format!("late: intent {}", id.0),
        Record::NotClosed(say) => format!("not closed: {say}"),
    }
}

/// The table of all classes, one paragraph each. Those that end by themselves do so in three seconds.
fn table(row: impl Fn(Class) -> Situation) -> String {
    let classes = Class::iter().map(|class| class.ending(Moment(1_800_000_003_000)));
    let name = |class: Class| format!("{class:?}").split(' ').next().unwrap_or_default().to_owned();
    let paragraphs: Vec<String> =
        classes.map(|class| format!("[{}] {}", name(class), told(&row(class)))).collect();
    paragraphs.concat()
}
