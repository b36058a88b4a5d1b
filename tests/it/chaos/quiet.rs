//! I9: once faults stop, no brake stands and every account is flat, everything becomes as the newest file says, in
//! time, and stays so.

use std::time::Duration;

use bitget_sim::{Kind, LateTimestamp, LogEntry};
use posmoded::moment::Moment;
use posmoded::protocol::Reason;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::Story;
use super::file::AccountWish;

impl Story<'_> {
    /// Ends everything that stands in the way, and waits.
    pub(super) async fn become_quiet(&mut self, dice: &mut TestRng) {
        self.armed = None;
        self.end_everything();
        if !self.world.is_running() {
            self.world.start().await;
        }
        let new_file = self.wish.without_brakes();
        // A file that says the same is no kick: what was refused before is tried again in its own time.
        if dice.random_bool(0.7) {
            let mut edited = new_file.clone();
            edited.edit(dice, self.slots.people());
            self.wish = edited.without_brakes();
        } else {
            self.wish = new_file;
        }
        self.wish.speak_for_the_whole(self.slots.people());
        self.journal.act(&format!("quiet: {}", self.wish.text()));
        self.world.write(&self.wish.text());
        let quiet_since = self.world.clock.now();
        let longest = self.longest_wait();
        self.converge(quiet_since, longest).await;
        self.stay(Duration::from_secs(600)).await;
    }

    fn end_everything(&mut self) {
        self.world.cut(false);
        self.world.no_odd_answers();
        self.world.latency(Duration::from_millis(20));
        self.world.resume(None);
        for slot in self.slots.opened() {
            self.close(slot);
        }
        let people = self.slots.people().to_vec();
        for person in &people {
            self.world.take_key(person.name, false);
            self.refuse_key(person.name, None);
            for (path, _) in person.reads() {
                self.world.load(person.uid, path, 0);
            }
        }
        self.world.exchange(|exchange| {
            exchange.clear_faults();
            exchange.switches_mut().read_lag_ms = exchange.switches().read_lag_ms.min(900);
            for person in &people {
                exchange.set_kind(person.uid, person.kind).expect("known");
                exchange.refuse_sets(person.uid, None).expect("known");
            }
        });
    }

    /// The bound of I9: the fence, `settle`, the longest rest of what was said last, two looks.
    fn longest_wait(&self) -> Duration {
        let accounts = || self.wish.accounts.values();
        let settle = accounts().map(|AccountWish { settle, .. }| *settle).max().unwrap_or(0);
        let check_every = accounts().map(|AccountWish { check_every, .. }| *check_every).max().unwrap_or(0);
        let status = self.world.status();
        let said: Vec<Reason> = status.targets.iter().flat_map(|target| target.blockers.clone()).collect();
        let rest = if said.contains(&Reason::RefusedThoughFlat) {
            30
        } else if [
            Reason::Refused,
            Reason::Denied,
            Reason::Credential,
            Reason::KindUnknown,
            Reason::Unexpected,
            // Sets in a row without a clear answer.
            Reason::Unreachable,
            Reason::OutcomeUnknown,
            Reason::Verifying,
            Reason::Acting,
        ]
        .iter()
        .any(|reason| said.contains(reason))
        {
            15
        } else {
            5
        };
        Duration::from_secs(35 + u64::from(settle) + rest * 60 + 2 * u64::from(check_every) + SLACK)
    }

    async fn converge(&mut self, since: Moment, within: Duration) {
        while !self.is_as_wished() {
            let waited = self.world.clock.now().since(since);
            assert!(
                waited <= within,
                "I9: after {within:?} of quiet not yet as the file says:\n{}{:#?}\n{}",
                self.wish.text(),
                self.world.exchange(|exchange| exchange.snapshot()),
                self.world.told()
            );
            self.live_until(self.world.clock.now() + Duration::from_secs(1)).await;
        }
        let took = self.world.clock.now().since(since);
        self.journal.act(&format!("converged after {took:?} of at most {within:?}"));
    }

    async fn stay(&mut self, span: Duration) {
        let (sets, identities) = (self.sets(), self.identities());
        let end = self.world.clock.now() + span;
        while self.world.clock.now() < end {
            self.live_until(self.world.clock.now() + Duration::from_secs(5)).await;
            let (still, now) = (self.is_as_wished(), self.sets());
            // A set that was held up and is not checked again may come as late as it likes; it is corrected then.
            let late = self.is_checked_on_arrival();
            assert!(late || (still && now == sets), "I9: it does not stay so\n{}", self.world.told());
        }
        assert!(self.is_as_wished(), "I9: it does not stay so\n{}", self.world.told());
        // Once a day, of each account.
        let (days, accounts) = (1 + span.as_secs() / 86_400, self.world.told().lines().count());
        let most = identities + usize::try_from(days).unwrap_or(1) * accounts;
        assert!(self.identities() <= most, "I13: whose key it is was asked for no reason");
    }

    pub(super) fn is_checked_on_arrival(&self) -> bool {
        self.world.exchange(|exchange| exchange.switches().late_timestamp) == LateTimestamp::CheckedOnArrival
    }

    /// At the exchange, and as operators see it.
    fn is_as_wished(&self) -> bool {
        let people = self.slots.people();
        let wanted = people.iter().filter_map(|person| Some((person, self.wish.accounts.get(person.name)?)));
        wanted.into_iter().all(|(person, account)| {
            account.wants().into_iter().all(|(product, mode)| {
                let scope = match person.kind {
                    Kind::Classic => product.as_str(),
                    Kind::Unified => "account",
                };
                self.world.mode(person.uid, product) == mode
                    && self.world.is_in_sync(&format!("{} {scope}", person.name))
            })
        })
    }

    /// How often the scarcest call was made: whose key it is.
    fn identities(&self) -> usize {
        let asks = |entry: &&LogEntry| entry.path.ends_with("/account/info");
        self.world.exchange(|exchange| exchange.log().iter().filter(asks).count())
    }

    fn sets(&self) -> usize {
        self.world.watch_requests().borrow().sets
    }
}

/// For the requests themselves, which queue behind those of other targets.
const SLACK: u64 = 30;
