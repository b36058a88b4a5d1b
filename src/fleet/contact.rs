//! Whether the ledger's database, if it is on a server, was heard of lately.
//!
//! Other hosts write there, too: who does not hear of it for long does not know any more whose an account is, and asks the
//! exchange for nothing.

use jiff::Timestamp;

use crate::constants::LEDGER_AWAY;
use crate::moment::Moment;

/// When the database was last heard of.
#[derive(Debug)]
pub(super) struct Contact {
    /// As messages name it; `None` for a file, which is never away.
    server: Option<String>,
    /// When it was asked for what it last answered.
    heard: Moment,
    /// That it is away, in two sentences, once it is.
    away: Option<String>,
}

impl Contact {
    pub(super) fn with(server: Option<String>, now: Moment) -> Contact {
        Contact { server, heard: now, away: None }
    }

    /// What to tell of it while it is away.
    pub(super) fn away(&self) -> Option<String> {
        self.away.clone()
    }

    /// When it will count as away, unless it is heard of before; `None` if it does already, or never will.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        (self.server.is_some() && self.away.is_none()).then(|| self.heard + LEDGER_AWAY)
    }

    /// It has answered what it was asked at this moment; returns whether it was away.
    pub(super) fn heard(&mut self, asked: Moment) -> bool {
        self.heard = asked;
        let was_away = self.away.take().is_some();
        if was_away {
            tracing::info!("the ledger's database answers again: accounts are looked at");
        }
        was_away
    }

    /// It has not answered until now; returns whether it is away from now on.
    pub(super) fn is_lost(&mut self, now: Moment, timestamp: impl Fn(Moment) -> Timestamp) -> bool {
        let is_lost = self.ends_at().is_some_and(|at| now >= at);
        if let Some(server) = self.server.as_ref().filter(|_| is_lost) {
            let since = timestamp(self.heard);
            self.away = Some(format!(
                "The ledger's database {server} cannot be reached since {since}: nothing is read and nothing is set until it \
                 answers, for this account may be another host's by now. See that it runs and takes writes, that the standbys \
                 that its commits wait for are there, and that this host may connect."
            ));
        }
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Moment {
        Moment(second * 1000)
    }

    fn timestamp(moment: Moment) -> Timestamp {
        Timestamp::from_millisecond(moment.0).expect("a moment of 1970")
    }

    #[test]
    fn a_server_that_is_silent_for_ten_seconds_is_away_since_it_last_answered() {
        let mut contact = Contact::with(Some("postgres://db/posmoded".to_owned()), at(0));
        assert!(!contact.heard(at(5)));
        assert_eq!(contact.ends_at(), Some(at(15)));
        assert!(!contact.is_lost(Moment(14_999), timestamp));
        assert_eq!(contact.away(), None);
        assert!(contact.is_lost(at(15), timestamp));
        let told = contact.away().expect("it is away");
        assert!(
            told.contains("postgres://db/posmoded cannot be reached since 1970-01-01T00:00:05Z"),
            "{told}"
        );
        // Keepers know, and what they know stays the same.
        assert!(!contact.is_lost(at(60), timestamp));
        assert_eq!((contact.away(), contact.ends_at()), (Some(told), None));
        assert!(contact.heard(at(61)));
        assert_eq!((contact.away(), contact.ends_at()), (None, Some(at(71))));
    }

    #[test]
    fn a_file_is_never_away() {
        let mut contact = Contact::with(None, at(0));
        assert_eq!(contact.ends_at(), None);
        assert!(!contact.is_lost(at(1000), timestamp));
        assert_eq!(contact.away(), None);
    }
}
