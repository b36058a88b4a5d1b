//! Stories of a receiver: what it is told, in whole sentences, and when, in seconds from the start.

use expect_test::{Expect, expect};

use super::*;
use crate::serve::fixture::{at, target};
use crate::status::Board;

/// A receiver that takes what it is sent, unless it is away; it is told at each second.
struct Story {
    book: Book,
    status: Status,
    second: i64,
    away: bool,
    told: Vec<(i64, Cause, String)>,
}

impl Story {
    fn of(targets: Vec<TargetStatus>) -> Story {
        let status = Status { targets, ..Board::default().status(at(0)) };
        let mut story = Story { book: Book::default(), status, second: 0, away: false, told: Vec::new() };
        story.see();
        story
    }

    fn now(&self) -> Moment {
        Moment(self.second * 1000)
    }

    fn see(&mut self) {
        self.book.see(self.status.clone(), self.now());
    }

    /// Changes the status, as it is seen from now on.
    fn then(&mut self, change: impl FnOnce(&mut Vec<TargetStatus>)) -> &mut Story {
        change(&mut self.status.targets);
        self.see();
        self
    }

    fn file(&mut self, problem: Option<&str>) -> &mut Story {
        self.status.config.problem = problem.map(str::to_owned);
        self.see();
        self
    }

    fn wait(&mut self, seconds: i64) -> &mut Story {
        for _ in 0..seconds {
            while let Some(message) = self.book.decide("trade-01", self.now()).filter(|_| !self.away) {
                self.book.delivered(message.cause, self.now());
                self.told.push((self.second, message.cause, message.text));
            }
            self.second += 1;
        }
        self
    }

    #[track_caller]
    fn is(&self, expected: &Expect) {
        let mut last = BTreeMap::new();
        for (at, cause, text) in &self.told {
            let before = last.insert(*cause, *at);
            assert!(before.is_none_or(|before| at - before >= 30), "twice within 30 s: {text}");
        }
        let lines = self.told.iter().map(|(at, _, text)| format!("{at}: {text}\n"));
        expected.assert_eq(&lines.collect::<String>());
    }
}

fn many(count: usize, reason: Option<Reason>) -> Vec<TargetStatus> {
    (1..=count).map(|number| target(&format!("desk-{number:04}"), reason)).collect()
}

fn becomes(target: &mut TargetStatus, reason: Option<Reason>) {
    let counts = target.counts;
    *target = TargetStatus { counts, ..self::target(target.account.as_str(), reason) };
}

/// As many seconds as a day has.
const DAY: i64 = 24 * 3600;

#[test]
fn a_storm_of_a_thousand_targets_is_one_message() {
    let mut story = Story::of(many(1000, None));
    story.wait(5);
    // They meet it one after the other, as they are looked at.
    for second in 0..20 {
        story.then(|targets| {
            targets[second * 50..(second + 1) * 50]
                .iter_mut()
                .for_each(|target| becomes(target, Some(Reason::Denied)));
        });
        story.wait(1);
    }
    story.wait(600).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        35: trade-01: 1000 targets (desk-0001 USDT-FUTURES, desk-0002 USDT-FUTURES, desk-0003 USDT-FUTURES, desk-0004 USDT-FUTURES, desk-0005 USDT-FUTURES and 995 more) want a human (denied). The first says: It says denied.
    "#]]);
    story.then(|targets| targets.iter_mut().for_each(|target| becomes(target, None)));
    story.told.clear();
    story.wait(600).is(&expect![[r#"
        655: trade-01: 1000 targets (desk-0001 USDT-FUTURES, desk-0002 USDT-FUTURES, desk-0003 USDT-FUTURES, desk-0004 USDT-FUTURES, desk-0005 USDT-FUTURES and 995 more) do not want a human any more (it was denied).
    "#]]);
}

#[test]
fn the_values_of_a_storm_are_bounded_and_have_what_a_program_needs() {
    let mut story = Story::of(many(1000, Some(Reason::Denied)));
    story.wait(1);
    story.second = 40;
    let message = story.book.decide("trade-01", story.now()).unwrap();
    let told = serde_json::to_value(&message).unwrap();
    assert_eq!((&told["schema"], &told["more"], &told["event"]), (&1.into(), &980.into(), &"human".into()));
    assert_eq!((&told["host"], &told["reason"]), (&"trade-01".into(), &"denied".into()));
    assert_eq!(told["targets"].as_array().unwrap().len(), 20);
    expect![[r#"{"account":"desk-0001","desired":"hedge_mode","live":"one_way_mode","reason":"denied","say":"It says denied.","scope":"USDT-FUTURES","since":"2026-11-22T08:46:00Z","state":"pending","wants":"human"}"#]].assert_eq(&told["targets"][0].to_string());
    assert!(told.to_string().len() < 8192, "{}", told.to_string().len());
}

#[test]
fn what_begins_and_ceases_is_told_once_each_and_what_is_over_at_once_is_not_told() {
    let mut story = Story::of(many(2, None));
    story.wait(10).then(|targets| becomes(&mut targets[0], Some(Reason::Suspended))).wait(100);
    story.then(|targets| becomes(&mut targets[1], Some(Reason::Credential))).wait(20);
    story.then(|targets| becomes(&mut targets[1], None)).wait(100);
    story.then(|targets| becomes(&mut targets[0], None)).wait(100);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        40: trade-01: desk-0001 USDT-FUTURES wants a human (suspended). It says suspended.
        260: trade-01: desk-0001 USDT-FUTURES does not want a human any more (it was suspended).
    "#]]);
}

#[test]
fn what_still_wants_a_human_is_told_again_after_a_day_and_no_sooner_and_once_after_a_restart() {
    let mut story = Story::of(many(1, Some(Reason::Fighting)));
    story.wait(2 * DAY + 100).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        30: trade-01: desk-0001 USDT-FUTURES wants a human (fighting). It says fighting.
        86460: trade-01: desk-0001 USDT-FUTURES still wants a human (fighting). It says fighting.
        172890: trade-01: desk-0001 USDT-FUTURES still wants a human (fighting). It says fighting.
    "#]]);
    let mut restarted = Story::of(story.status.targets);
    restarted.wait(DAY - 100).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        30: trade-01: desk-0001 USDT-FUTURES wants a human (fighting). It says fighting.
    "#]]);
}

#[test]
fn another_reason_is_news_and_others_with_the_same_are_told_without_those_known() {
    let mut story = Story::of(many(3, None));
    story.wait(10).then(|targets| becomes(&mut targets[0], Some(Reason::Credential))).wait(35);
    story.then(|targets| becomes(&mut targets[1], Some(Reason::Credential))).wait(5);
    story.then(|targets| becomes(&mut targets[2], Some(Reason::Credential))).wait(60);
    story.then(|targets| becomes(&mut targets[0], Some(Reason::Denied))).wait(60);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        40: trade-01: desk-0001 USDT-FUTURES wants a human (credential). It says credential.
        75: trade-01: desk-0002 USDT-FUTURES, desk-0003 USDT-FUTURES want a human (credential). The first says: It says credential.
        140: trade-01: desk-0001 USDT-FUTURES wants a human (denied). It says denied.
    "#]]);
}

#[test]
fn what_passes_by_itself_or_with_time_is_nobodys_message() {
    let mut story = Story::of(many(1, None));
    for reason in [Reason::NotFlat, Reason::Window, Reason::Elsewhere, Reason::Unreachable, Reason::Acting] {
        story.then(|targets| becomes(&mut targets[0], Some(reason))).wait(100);
    }
    // A pause that ends by itself: its reason alone would want a human.
    story.then(|targets| {
        becomes(&mut targets[0], Some(Reason::Paused));
        targets[0].wants = Some(Wants::Time);
    });
    story.wait(100).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
    "#]]);
}

#[test]
fn a_set_that_only_a_human_can_close_is_told_though_others_of_its_reason_are_not() {
    let mut story = Story::of(many(1, Some(Reason::OutcomeUnknown)));
    story.wait(100).then(|targets| targets[0].wants = Some(Wants::Human)).wait(100);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        130: trade-01: desk-0001 USDT-FUTURES wants a human (outcome_unknown). It says outcome_unknown.
    "#]]);
}

#[test]
fn a_refused_file_is_one_message_whatever_it_holds_up() {
    let mut story = Story::of(many(3, None));
    story.wait(10);
    story.then(|targets| targets.iter_mut().for_each(|target| becomes(target, Some(Reason::File))));
    story.file(Some("line 3: no such mode. `posmoded check` shows the line. And more.")).wait(DAY + 100);
    story.then(|targets| targets.iter_mut().for_each(|target| becomes(target, None)));
    story.file(None).wait(100);
    // An editor at work.
    story.file(Some("still changing")).wait(5).file(None).wait(100);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        40: trade-01: the newest desired-state.yaml is refused, so nothing is changed. line 3: no such mode. `posmoded check` shows the line.
        86470: trade-01: the newest desired-state.yaml is still refused, so nothing is changed. line 3: no such mode. `posmoded check` shows the line.
        86540: trade-01: desired-state.yaml is good again; revision 0 is in force.
    "#]]);
}

#[test]
fn drift_its_correction_and_a_change_are_told_apart() {
    let mut story = Story::of(many(3, None));
    story.wait(10);
    story.then(|targets| {
        targets[0].counts.drift += 1;
        targets[0].state = State::Drifted;
        targets[1].counts.confirmed += 1;
    });
    story.wait(5).then(|targets| {
        targets[0].counts.confirmed += 1;
        targets[0].state = State::InSync;
    });
    story.wait(100);
    story.then(|targets| targets[0].counts.confirmed += 1).wait(100);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        40: trade-01: somebody else changed the mode of desk-0001 USDT-FUTURES.
        40: trade-01: changed as the file wants it: desk-0002 USDT-FUTURES (hedge_mode).
        45: trade-01: changed back: desk-0001 USDT-FUTURES (hedge_mode).
        145: trade-01: changed as the file wants it: desk-0001 USDT-FUTURES (hedge_mode).
    "#]]);
}

#[test]
fn a_receiver_that_was_away_for_an_hour_is_told_what_still_holds() {
    let mut story = Story::of(many(3, None));
    story.wait(10);
    story.away = true;
    story.then(|targets| becomes(&mut targets[0], Some(Reason::Denied))).wait(600);
    story.then(|targets| becomes(&mut targets[0], None)).file(Some("no.")).wait(600);
    story.then(|targets| becomes(&mut targets[1], Some(Reason::Denied))).file(None).wait(600);
    story.then(|targets| targets[2].counts.confirmed += 1).wait(1800);
    story.away = false;
    story.wait(3600).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        3610: trade-01: desk-0002 USDT-FUTURES wants a human (denied). It says denied.
        3610: trade-01: changed as the file wants it: desk-0003 USDT-FUTURES (hedge_mode).
    "#]]);
}

#[test]
fn who_leaves_the_file_is_told_as_over() {
    let mut story = Story::of(many(2, Some(Reason::Credential)));
    story.wait(60).then(|targets| drop(targets.remove(0))).wait(60);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        30: trade-01: desk-0001 USDT-FUTURES, desk-0002 USDT-FUTURES want a human (credential). The first says: It says credential.
        90: trade-01: desk-0001 USDT-FUTURES does not want a human any more (it was credential).
    "#]]);
}

#[test]
fn the_end_is_told_at_once_and_with_it_what_waited_for_more_of_its_kind() {
    let mut story = Story::of(many(1, None));
    story.wait(10).then(|targets| targets[0].counts.confirmed += 1);
    story.book.stop();
    story.wait(3).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        10: trade-01: changed as the file wants it: desk-0001 USDT-FUTURES (hedge_mode).
        10: posmoded on trade-01 is stopping: until it is started again no mode is kept there.
    "#]]);
}

#[test]
fn what_was_before_the_receiver_is_not_told_as_if_it_happened_now() {
    let mut story = Story::of(many(1, None));
    assert!(story.status.targets[0].counts.drift > 0 && story.status.targets[0].counts.confirmed > 0);
    story.wait(60).then(|targets| targets.extend(many(2, None).pop())).wait(60);
    story.is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        90: trade-01: somebody else changed the mode of desk-0002 USDT-FUTURES.
        90: trade-01: changed back: desk-0002 USDT-FUTURES (hedge_mode).
    "#]]);
}

#[test]
fn a_set_that_took_effect_late_is_a_change_like_any_other() {
    let mut story = Story::of(many(1, Some(Reason::NotFlat)));
    story.wait(5).then(|targets| {
        becomes(&mut targets[0], None);
        targets[0].counts.late += 1;
    });
    story.wait(100).is(&expect![[r#"
        0: posmoded 0.1.0 started on trade-01.
        35: trade-01: changed as the file wants it: desk-0001 USDT-FUTURES (hedge_mode).
    "#]]);
}
