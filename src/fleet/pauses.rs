//! What the log says of pauses and resumes: a line each when the fleet hears of it, and when a pause has ended by itself.

use jiff::Timestamp;

use crate::ledger::{Directives, Event, EventKind, PauseRow};
use crate::moment::{Moment, spell};
use crate::position_mode::AccountName;
use crate::protocol::undotted;
use crate::status::{Paused, seconds};

/// What was logged last.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The pauses in force.
    pauses: Vec<PauseRow>,
    /// The number of resumes.
    resumed: u64,
    /// The newest event that was read; `None` before the first time.
    event: Option<i64>,
    /// When the ledger was last found to be another database.
    replaced_at: Option<Moment>,
}

impl Heard {
    /// Whether that is in the log already.
    pub(super) fn is_of(&self, directives: &Directives) -> bool {
        self.event.is_some() && self.resumed == directives.resumed && self.pauses == directives.pauses
    }

    /// Takes over what is new, with the newest `events`, and returns what is to be logged of it.
    pub(super) fn hear(&mut self, directives: &Directives, events: &[Event]) -> Vec<Line> {
        let is_another = self.replaced_at != directives.replaced_at;
        let replaced = events.iter().filter(|event| event.kind == EventKind::LedgerReplaced);
        if let Some(replaced) = replaced.map(|event| event.id).max()
            && let Some(last) = &mut self.event
            && is_another
        {
            // What was lost with the other database had numbers, too.
            *last = replaced - 1;
        }
        let lines = lines(self, is_another, &directives.pauses, events);
        let newest = events.iter().map(|event| event.id).max();
        *self = Heard {
            pauses: directives.pauses.clone(),
            resumed: directives.resumed,
            event: newest.or(self.event).or(Some(0)),
            replaced_at: directives.replaced_at,
        };
        lines
    }
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The account, unless everything was paused or resumed.
    pub(super) account: Option<AccountName>,
    /// What happened, who asked for it, and how it ends.
    pub(super) say: String,
}

/// What is to be logged: at first the pauses that stand, then what is new. What is gone without a word from another database was
/// lost with the one before.
fn lines(heard: &Heard, is_another: bool, pauses: &[PauseRow], events: &[Event]) -> Vec<Line> {
    let Some(last) = heard.event else { return pauses.iter().map(|row| stands(row, events)).collect() };
    let is_gone = |row: &&PauseRow| !pauses.iter().any(|other| is_same(row, other));
    let gone: Vec<&PauseRow> = heard.pauses.iter().filter(is_gone).collect();
    let news: Vec<&Event> = events.iter().filter(|event| event.id > last).collect();
    let told = news.iter().filter_map(|event| {
        let ends = if event.kind == EventKind::Resumed {
            says_what_ends(&gone, event)
        } else if event.kind == EventKind::Paused {
            says_how_it_ends(pauses, event)
        } else {
            return None;
        };
        let say = format!("{}.{}{ends}", undotted(&named(event)), by(event));
        Some(Line { account: event.account.clone(), say })
    });
    let is_lapsed = |row: &&&PauseRow| !news.iter().any(|event| lifts(event, row));
    let lapsed = gone.iter().filter(is_lapsed).map(|row| {
        let PauseRow { account, pause, since: _ } = row;
        let reason = undotted(&pause.reason);
        let say = if is_another {
            let of = whose(row);
            format!(
                "The pause of {of} is lost with the database that the ledger had before: {reason}. Pause again if that is still \
                 meant."
            )
        } else {
            format!("{} is paused no more, for its time is up: {reason}.", whom(row))
        };
        Line { account: account.clone(), say }
    });
    told.chain(lapsed).collect()
}

/// A pause that this process found.
fn stands(row: &PauseRow, events: &[Event]) -> Line {
    let PauseRow { account, pause, since } = row;
    let (whom, since, reason) = (whom(row), timestamp(*since), undotted(&pause.reason));
    let begins = |event: &&Event| event.kind == EventKind::Paused && is_of(event, row);
    let by = events.iter().rev().find(begins).map_or_else(String::new, by);
    let say = format!("{whom} is paused since {since}: {reason}.{by} {}", how_it_ends(row));
    Line { account: account.clone(), say }
}

/// ` It ends at ..., or with ...`
fn says_how_it_ends(pauses: &[PauseRow], begun: &Event) -> String {
    pauses
        .iter()
        .rfind(|row| is_of(begun, row))
        .map_or_else(String::new, |row| format!(" {}", how_it_ends(row)))
}

/// Not by their times: until the exchange's time is known they have ours, and one of them may have been read before that.
fn is_of(begun: &Event, row: &PauseRow) -> bool {
    // The text may name the pause that it comes in place of, too.
    row.account == begun.account && begun.text.ends_with(&row.pause.reason)
}

/// ` By alice.`
fn by(event: &Event) -> String {
    event.who.as_ref().map_or_else(String::new, |who| format!(" By {who}."))
}

fn how_it_ends(PauseRow { account, pause, since: _ }: &PauseRow) -> String {
    let whose = account.as_ref().map_or_else(String::new, |account| format!(" {account}"));
    let resume = format!("`posmoded resume{whose}`");
    match (pause.until, pause.lasts) {
        (Some(until), _) => format!("It ends at {}, or with {resume}.", timestamp(until.0)),
        (None, Some(lasts)) => {
            format!("It ends {} after Bitget's time is known, or with {resume}.", spell(lasts))
        }
        (None, None) => format!("It ends with {resume}."),
    }
}

/// ` That ends the pause of desk-1 (lunch).`
fn says_what_ends(gone: &[&PauseRow], resumed: &Event) -> String {
    let ended = gone
        .iter()
        .filter(|row| lifts(resumed, row))
        .map(|row| format!("the pause of {} ({})", whose(row), row.pause.reason));
    let ended: Vec<String> = ended.collect();
    if ended.is_empty() { String::new() } else { format!(" That ends {}.", ended.join(", ")) }
}

fn lifts(event: &Event, row: &PauseRow) -> bool {
    event.kind == EventKind::Resumed && (event.account.is_none() || event.account == row.account)
}

/// Its end may become known later.
fn is_same(one: &PauseRow, other: &PauseRow) -> bool {
    (&one.account, one.since, &one.pause.reason) == (&other.account, other.since, &other.pause.reason)
}

fn whom(row: &PauseRow) -> String {
    row.account.as_ref().map_or_else(|| "Everything".to_owned(), ToString::to_string)
}

/// As `whom`, within a sentence.
fn whose(row: &PauseRow) -> String {
    row.account.as_ref().map_or_else(|| "everything".to_owned(), ToString::to_string)
}

/// The history's words with the account's name in them.
fn named(event: &Event) -> String {
    match (&event.account, event.text.strip_prefix("The account ")) {
        (Some(account), Some(rest)) => format!("{account} {rest}"),
        (Some(_) | None, _) => event.text.clone(),
    }
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).map_or(Timestamp::UNIX_EPOCH, seconds)
}

/// A pause as operators see it.
pub fn shown(PauseRow { account: _, pause, since }: &PauseRow) -> Paused {
    let at = |millis| Timestamp::from_millisecond(millis).map_or(Timestamp::UNIX_EPOCH, seconds);
    Paused {
        reason: pause.reason.clone(),
        who: pause.who.clone(),
        since: at(*since),
        until: pause.until.map(|until| at(until.0)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::facts::Pause;
    use crate::moment::ServerTime;

    const BEGAN: i64 = 1_795_338_000_000;

    fn row(account: Option<&str>, reason: &str, lasts: Option<u64>) -> PauseRow {
        let account: Option<AccountName> = account.map(|account| account.parse().unwrap());
        let lasts = lasts.map(Duration::from_secs);
        let until = lasts.map(|_| ServerTime(BEGAN + 7_200_000));
        let pause = Pause { account: account.clone(), reason: reason.to_owned(), who: None, lasts, until };
        PauseRow { account, pause, since: BEGAN }
    }

    fn event(id: i64, kind: EventKind, account: Option<&str>, text: &str) -> Event {
        let account = account.map(|account| account.parse().unwrap());
        Event { id, at: BEGAN, account, ..Event::new(kind, text) }.by(Some("alice (uid 1000) at trade-01"))
    }

    #[track_caller]
    fn check(before: &[PauseRow], last: Option<i64>, pauses: &[PauseRow], events: &[Event], told: &Expect) {
        let heard = Heard { pauses: before.to_vec(), resumed: 0, event: last, replaced_at: None };
        let lines = lines(&heard, false, pauses, events).into_iter().map(|line| line.say + "\n");
        told.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn a_pause_and_a_resume_are_told_once_with_who_and_until_when() {
        let (all, one) = (row(None, "maintenance", None), row(Some("desk-1"), "lunch", Some(7200)));
        let paused = [
            event(6, EventKind::Started, None, "posmoded 0.1.0 started."),
            event(7, EventKind::Paused, None, "Everything was paused: maintenance"),
            event(8, EventKind::Paused, Some("desk-1"), "The account was paused for 2h: lunch"),
        ];
        let both = [all.clone(), one.clone()];
        check(
            &[],
            Some(6),
            &both,
            &paused,
            &expect![[r#"
            Everything was paused: maintenance. By alice (uid 1000) at trade-01. It ends with `posmoded resume`.
            desk-1 was paused for 2h: lunch. By alice (uid 1000) at trade-01. It ends at 2026-11-22T11:00:00Z, or with `posmoded resume desk-1`.
        "#]],
        );
        check(&both, Some(8), &both, &paused, &expect![[r#""#]]);
        let resumed = event(9, EventKind::Resumed, Some("desk-1"), "The account was resumed.");
        check(
            &both,
            Some(8),
            std::slice::from_ref(&all),
            &[resumed],
            &expect![[r#"
            desk-1 was resumed. By alice (uid 1000) at trade-01. That ends the pause of desk-1 (lunch).
        "#]],
        );
        let resumed = event(9, EventKind::Resumed, None, "Everything was resumed.");
        check(
            &both,
            Some(8),
            &[],
            std::slice::from_ref(&resumed),
            &expect![[r#"
            Everything was resumed. By alice (uid 1000) at trade-01. That ends the pause of everything (maintenance), the pause of desk-1 (lunch).
        "#]],
        );
        check(
            &[],
            Some(8),
            &[],
            &[resumed],
            &expect![[r#"
            Everything was resumed. By alice (uid 1000) at trade-01.
        "#]],
        );
    }

    #[test]
    fn a_pause_that_was_found_and_one_that_has_ended_by_itself_are_told() {
        let one = row(Some("desk-1"), "lunch.", Some(7200));
        check(
            &[],
            None,
            std::slice::from_ref(&one),
            &[],
            &expect![[r#"
            desk-1 is paused since 2026-11-22T09:00:00Z: lunch. It ends at 2026-11-22T11:00:00Z, or with `posmoded resume desk-1`.
        "#]],
        );
        check(
            std::slice::from_ref(&one),
            Some(8),
            &[],
            &[],
            &expect![[r#"
            desk-1 is paused no more, for its time is up: lunch.
        "#]],
        );
        // Another one was paused in its place, by somebody else.
        let begun = event(1, EventKind::Paused, Some("desk-1"), "The account was paused for 2h: lunch.");
        let text = "The account was paused (in place of: lunch., until 2026-11-22T11:00:00Z): audit";
        let other = event(2, EventKind::Paused, Some("desk-1"), text).by(Some("bob at trade-02"));
        check(
            &[],
            None,
            std::slice::from_ref(&one),
            &[begun, other],
            &expect![[r#"
            desk-1 is paused since 2026-11-22T09:00:00Z: lunch. By alice (uid 1000) at trade-01. It ends at 2026-11-22T11:00:00Z, or with `posmoded resume desk-1`.
        "#]],
        );
        let unknown = Pause { until: None, ..one.pause.clone() };
        let before = PauseRow { pause: unknown, ..one.clone() };
        check(std::slice::from_ref(&before), Some(8), &[one], &[], &expect![[""]]);
        check(
            &[],
            None,
            &[before],
            &[],
            &expect![[r#"
            desk-1 is paused since 2026-11-22T09:00:00Z: lunch. It ends 2h after Bitget's time is known, or with `posmoded resume desk-1`.
        "#]],
        );
    }

    #[test]
    fn what_another_database_does_not_know_is_told_as_lost_and_its_numbers_begin_anew() {
        let lunch = row(Some("desk-1"), "lunch", Some(7200));
        let mut heard = Heard { pauses: vec![lunch], resumed: 0, event: Some(50), replaced_at: None };
        let doubt = row(None, "the ledger's database is another one", None);
        let directives =
            Directives { pauses: vec![doubt], replaced_at: Some(Moment(1)), ..Directives::default() };
        let events = [
            event(6, EventKind::Started, None, "posmoded 0.1.0 started."),
            event(7, EventKind::LedgerReplaced, None, "It is another database."),
            event(8, EventKind::Paused, None, "Everything was paused: the ledger's database is another one"),
        ];
        let told = |lines: Vec<Line>| lines.into_iter().map(|line| line.say + "\n").collect::<String>();
        expect![[r#"
            Everything was paused: the ledger's database is another one. By alice (uid 1000) at trade-01. It ends with `posmoded resume`.
            The pause of desk-1 is lost with the database that the ledger had before: lunch. Pause again if that is still meant.
        "#]]
        .assert_eq(&told(heard.hear(&directives, &events)));
        assert_eq!(heard.hear(&directives, &events), []);
    }
}
