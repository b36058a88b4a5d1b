//! When the daemons of several hosts ran: what nobody watched of an account, while others were watched.
//!
//! Knows no table.

use std::collections::BTreeMap;

use crate::position_mode::AccountName;

/// A span of time, in milliseconds since 1970 by the exchange's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub since: i64,
    /// Its end; `None` while it goes on.
    pub until: Option<i64>,
}

/// When the daemon of each host ran, and whose each account was.
pub(super) struct Watches {
    /// When any of them ran, oldest first; none overlap.
    pub(super) all: Vec<Span>,
    by_host: BTreeMap<String, Vec<Span>>,
    /// Since when which host looks after an account, oldest first.
    keepers: BTreeMap<AccountName, Vec<(i64, String)>>,
}

impl Watches {
    pub(super) fn of(
        spans: Vec<(String, Span)>,
        keepers: BTreeMap<AccountName, Vec<(i64, String)>>,
    ) -> Watches {
        let all = spans.iter().map(|(_, span)| *span).collect();
        let mut by_host: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for (host, span) in spans {
            by_host.entry(host).or_default().push(span);
        }
        let by_host: BTreeMap<_, _> =
            by_host.into_iter().map(|(host, spans)| (host, joined(spans))).collect();
        // Of one host nothing is joined: a daemon that began anew is shown so.
        let all = if by_host.len() > 1 { joined(all) } else { sorted(all) };
        Watches { all, by_host, keepers }
    }

    /// When others were watched and this account was not, because the daemon of its host did not run.
    pub(super) fn without(&self, account: &AccountName) -> Vec<Span> {
        let Some(keepers) = self.keepers.get(account).filter(|_| self.by_host.len() > 1) else {
            return Vec::new();
        };
        let ends = keepers.iter().skip(1).map(|(since, _)| Some(*since)).chain([None]);
        // Before the first of them nobody says whose it was.
        let turns = keepers.iter().zip(ends);
        turns
            .flat_map(|((since, host), until)| {
                let ours = self.by_host.get(host).map_or(&[][..], Vec::as_slice);
                let turn = Span { since: *since, until };
                self.all.iter().filter_map(move |span| both(*span, turn)).flat_map(|span| less(span, ours))
            })
            .collect()
    }
}

fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.since);
    spans
}

/// Those that touch as one.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in sorted(spans) {
        match joined.last_mut().filter(|last| span.since <= end(last)) {
            Some(last) => last.until = last.until.zip(span.until).map(|(last, this)| last.max(this)),
            None => joined.push(span),
        }
    }
    joined
}

/// What two spans have in common.
fn both(one: Span, other: Span) -> Option<Span> {
    let (since, end) = (one.since.max(other.since), end(&one).min(end(&other)));
    (since < end).then_some(Span { since, until: (end < i64::MAX).then_some(end) })
}

/// What is left of a span without these, which are in order.
fn less(span: Span, these: &[Span]) -> Vec<Span> {
    let (mut left, mut since) = (Vec::new(), span.since);
    for this in these.iter().filter(|this| both(span, **this).is_some()) {
        if since < this.since {
            left.push(Span { since, until: Some(this.since) });
        }
        since = since.max(end(this));
    }
    if since < end(&span) {
        left.push(Span { since, until: span.until });
    }
    left
}

fn end(span: &Span) -> i64 {
    span.until.unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn span(since: i64, until: i64) -> Span {
        Span { since, until: Some(until) }
    }

    #[test]
    fn an_account_was_not_watched_while_its_own_host_was_down_and_another_ran() {
        let watched = [("a", span(0, 100)), ("a", span(200, 300)), ("b", span(50, 250))];
        let watched = watched.into_iter().map(|(host, span)| (host.to_owned(), span)).collect();
        let name = |name: &str| name.parse::<AccountName>().unwrap();
        let keepers = [
            ("of-a", vec![(0, "a")]),
            ("moved", vec![(20, "a"), (120, "b")]),
            ("back", vec![(0, "a"), (60, "b"), (90, "a")]),
            ("of-nobody", vec![(10, "c")]),
        ];
        let owned = |(since, host): (i64, &str)| (since, host.to_owned());
        let keepers = keepers
            .into_iter()
            .map(|(account, turns)| (name(account), turns.into_iter().map(owned).collect()))
            .collect();
        let both = Watches::of(watched, keepers);
        assert_eq!(both.all, [span(0, 300)]);
        assert_eq!(both.without(&name("of-a")), [span(100, 200)]);
        assert_eq!(both.without(&name("moved")), [span(100, 120), span(250, 300)]);
        assert_eq!(both.without(&name("back")), [span(100, 200)]);
        assert_eq!(both.without(&name("of-nobody")), [span(10, 300)]);
        assert_eq!(both.without(&name("unknown")), []);
    }

    #[test]
    fn of_one_host_everything_is_as_it_was_marked() {
        let watched = vec![(String::new(), span(50, 60)), (String::new(), span(0, 50))];
        let desk: AccountName = "desk-1".parse().unwrap();
        let both = Watches::of(watched, BTreeMap::from([(desk.clone(), vec![(0, String::new())])]));
        assert_eq!(both.all, [span(0, 50), span(50, 60)]);
        assert_eq!(both.without(&desk), []);
    }
}
