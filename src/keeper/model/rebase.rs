//! Shifts a state to the fixed now and removes what can no longer make a difference, so that equal situations at
//! different times are one state and there are finitely many.
//!
//! Each removal names the comparison for which the value is too old. Decides nothing.

use std::time::Duration;

use super::world::{Call, FlatRead, NOW, ReadLog, Row, Side, Who, World, server_at};
use crate::constants::{FENCE, KEY_TAKEN_LOOK, SETTLING_LOOK, VERDICT_AGE, WAITING_LOOK};
use crate::facts::{
    AccountFacts, Class, Failing, Failure, FlatSpan, Flatness, HostReading, Identity, Intent, IntentState,
    KeyTaken, LateSet, Seen, ServerClock, TargetFacts, Wait,
};
use crate::moment::{Moment, ServerTime};
use crate::protocol::{retry_at, retry_lost, retry_though_flat};

/// Earlier moments are equivalent to this one: it is longer ago than a fence and two stalls, than a live mode is called
/// known, and than any settle in the searches.
const PAST: Moment = Moment(NOW.0 - 120_000);

impl World {
    /// The same situation at the fixed now.
    pub(super) fn rebased(mut self) -> World {
        let line = Shift { by: self.now.0 - NOW.0 };
        let is_shared = self.shared.is_some();
        for who in self.processes() {
            self.forget_refused_requests();
            line.process(&mut self, !is_shared || *who == Who::This);
            self.turn();
        }
        let server = server_at(self.now);
        if let Some(shared) = &mut self.shared {
            // By then whatever was lost is refused.
            shared.quiet_after = shared.quiet_after.filter(|at| server < *at + FENCE);
            shared.lost.retain(|(_, stamp)| server < *stamp + FENCE);
            let doubtful = shared.doubt.iter_mut().map(|doubt| &mut doubt.intent.stamp);
            let stamps = shared.lost.iter_mut().map(|(_, stamp)| stamp).chain(doubtful);
            stamps.chain(&mut shared.quiet_after).for_each(|at| line.server(at));
            if let Some(doubt) = &mut shared.doubt {
                doubt.intent.own_fence = None;
                doubt.intent.state = IntentState::of_another_process();
            }
        }
        self.now = NOW;
        for request in &mut self.wire {
            line.server(&mut request.stamp);
        }
        self
    }

    /// Removes sets that come too late, as they are refused, unless the keeper waits for the answer.
    fn forget_refused_requests(&mut self) {
        let awaited = match &self.call {
            Some(Call::Set { target, stamp, answer: None }) => Some((*target, *stamp)),
            Some(Call::Set { .. } | Call::Mode { .. }) | None => None,
        };
        let server = server_at(self.now);
        self.wire.retain(|request| {
            let is_awaited = awaited == Some((request.target, request.stamp));
            request.by != Who::This || !request.is_too_old(server) || is_awaited
        });
    }
}

/// Moves all moments back by `by` milliseconds, and those before `PAST` to it.
#[derive(Clone, Copy)]
struct Shift {
    by: i64,
}

impl Shift {
    /// All that belongs to the process that sees the world.
    fn process(self, world: &mut World, with_ledger: bool) {
        let World {
            now,
            account,
            targets,
            call,
            started,
            quiet,
            beside: _,
            shared: _,
            claim: _,
            trip: _,
            odd: _,
            rejected: _,
            wire: _,
            left,
        } = world;
        if *started + *quiet <= *now {
            *started = *now - Duration::from_secs(3600);
        }
        self.moment(started);
        self.account(account);
        for Side { file: _, live: _, open: _, ledger, backup, facts, told } in targets {
            let settle = facts.wanted.policy.settle;
            self.facts(facts);
            if left.restores == 0 && left.failovers == 0 {
                *backup = Row::default();
            }
            if with_ledger {
                self.row(ledger);
                self.row(backup);
            }
            self.told(told, settle);
            // Modes read before a kill are no longer used.
            told.mode = told.mode.filter(|_| facts.seen.is_some());
        }
        match call {
            Some(Call::Mode { target: _, asked, mode: _, server, own: _ }) => {
                self.moment(asked);
                self.server(server);
            }
            Some(Call::Set { target: _, stamp, answer: _ }) => self.server(stamp),
            None => {}
        }
    }

    fn moment(self, at: &mut Moment) {
        *at = Moment(at.0 - self.by).max(PAST);
    }

    fn server(self, at: &mut ServerTime) {
        *at = ServerTime(at.0 - self.by).max(server_at(PAST));
    }

    fn account(self, account: &mut AccountFacts) {
        let AccountFacts {
            elsewhere: _,
            unassigned: _,
            ledger_away: _,
            credential: _,
            keys_are_copies: _,
            shared_key: _,
            kind: _,
            identity,
            owner_due: _,
            owner_failing,
            wrong: _,
            key_taken,
            quiet_until,
            // Only a sentence goes by it.
            ledger_replaced_at: _,
            unsatisfiable: _,
            orphaned_set_at: _,
            orphaned_fence: _,
            failing,
            clock,
            clock_contradicted: _,
            host,
            jitter: _,
            stretch: _,
        } = account;
        self.moment(quiet_until);
        if *quiet_until <= NOW {
            *quiet_until = PAST;
        }
        // Only an account with the wrong key is looked at again, so the age of the identity does not matter.
        if let Some(Identity { uid: _, kind: _, uid_right: _, warnings: _, at }) = identity {
            *at = PAST;
        }
        // The clock drift within the minutes of a search is far below any doubt that matters.
        if let Some(ServerClock { offset: _, doubt: _, measured }) = clock {
            *measured = NOW;
        }
        if let Some(HostReading { generation: _, asked, unmet: _ }) = host {
            self.moment(asked);
        }
        if let Some(KeyTaken { say: _, at }) = key_taken {
            self.moment(at);
            // A verdict that is newer than the end of the wait is the newest one; an older one counts as no newer than this.
            if *at + KEY_TAKEN_LOOK + WAITING_LOOK < NOW {
                *at = PAST;
            }
        }
        self.failing(failing);
        self.failing(owner_failing);
    }

    fn facts(self, facts: &mut TargetFacts) {
        let TargetFacts {
            wanted,
            seen,
            first_asked,
            jitter: _,
            flatness,
            applied: _,
            intent,
            closing: _,
            failing,
            unread: _,
            set_refused,
            lost,
            refused_though_flat,
            corrections,
            may_come_late,
            look_since,
        } = facts;
        corrections.iter_mut().for_each(today);
        self.moment(look_since);
        // Without jitter the first look is like any other.
        *first_asked = None;
        if let Some(Seen { mode: _, asked, answered, server }) = seen {
            self.moment(asked);
            self.moment(answered);
            self.server(server);
        }
        // It matters only for whether `seen` must be read again.
        *look_since = if seen.is_some_and(|seen| seen.asked < *look_since) { NOW } else { PAST };
        self.flatness(flatness, wanted.policy.settle);
        self.intent(intent);
        self.failing(failing);
        self.failing(set_refused);
        if let Some(lost) = lost {
            (lost.since, lost.at) = (PAST, Moment(lost.at.0 - self.by));
            if retry_lost(lost) <= seen.map_or(NOW, |seen| seen.asked) {
                lost.at = Moment(0);
            }
            lost.failure = Failure { class: Class::TryAgain, code: None, say: String::new() };
        }
        if let Some(refusals) = refused_though_flat {
            refusals.last = Moment(refusals.last.0 - self.by);
            if retry_though_flat(*refusals) <= seen.map_or(NOW, |seen| seen.asked) {
                refusals.last = Moment(0);
            }
        }
        late(may_come_late);
    }

    fn flatness(self, flatness: &mut Flatness, settle: Duration) {
        let Flatness { plan_orders, orders, positions, newest, in_progress, too_slow, flat_span, wait } =
            flatness;
        // These are shown and decide nothing.
        (*plan_orders, *orders, *positions, *newest) = (None, None, None, None);
        if let Some(verdict) = in_progress {
            self.moment(&mut verdict.began);
        }
        // Once another verdict may begin, one that was not ended makes no difference.
        *in_progress = in_progress.filter(|verdict| NOW.since(verdict.began) < WAITING_LOOK);
        if let Some(began) = too_slow {
            self.moment(began);
        }
        *too_slow = too_slow.filter(|began| NOW.since(*began) < WAITING_LOOK);
        if let Some(FlatSpan { since, newest, kept }) = flat_span {
            let is_settled = *newest >= *since + settle;
            self.moment(since);
            self.moment(newest);
            self.moment(kept);
            // Too old for a set, and due to be read again; the gap of minutes that breaks a run does not occur in a search.
            *newest = (*newest).max(NOW - WAITING_LOOK);
            *kept = (*kept).max(NOW - SETTLING_LOOK);
            // A verdict counts as the second one if it began at least `settle` after the first.
            let begins = in_progress.map_or(NOW, |verdict| verdict.began);
            if is_settled {
                *since = PAST;
            } else if *since + settle <= begins {
                *since = begins - settle;
            }
        }
        if let Some(Wait { since, open, again, glimpsed }) = wait {
            // The age of a wait only makes its looks rarer; the rest says whose turn is first among many accounts.
            (*since, *again, *glimpsed) = (NOW, false, None);
            if let Some((_, asked)) = open {
                self.moment(asked);
                *asked = (*asked).max(NOW - WAITING_LOOK);
            }
        }
    }

    fn failing(self, failing: &mut Option<Failing>) {
        let Some(failing) = failing else { return };
        self.moment(&mut failing.since);
        self.moment(&mut failing.at);
        if retry_at(failing) <= NOW {
            (failing.since, failing.at) = (PAST, PAST);
        }
    }

    fn intent(self, intent: &mut Option<Intent>) {
        let Some(Intent { id: _, change: _, generation: _, stamp, own_fence, state }) = intent else {
            return;
        };
        self.server(stamp);
        if let Some(end) = own_fence {
            self.moment(end);
        }
        match state {
            IntentState::Noted { at } | IntentState::Accepted { at } => self.moment(at),
            IntentState::Refused(_) | IntentState::NotSent(_) | IntentState::Unclear(_) => {}
        }
    }

    fn row(self, row: &mut Row) {
        let Row { applied: _, intent, left: _, corrections, may_come_late, lost: _ } = row;
        corrections.iter_mut().for_each(today);
        // A restart treats it as unclear, whatever the previous process knew.
        if let Some(Intent { id: _, change: _, generation: _, stamp, own_fence, state }) = intent {
            self.server(stamp);
            *own_fence = None;
            *state = IntentState::of_another_process();
        }
        late(may_come_late);
    }

    fn told(self, told: &mut ReadLog, settle: Duration) {
        let ReadLog { mode, part, flat } = told;
        if let Some((_, arrived)) = mode {
            self.moment(arrived);
        }
        if let Some((began, _)) = part {
            self.moment(began);
        }
        *part = part.filter(|(began, _)| NOW.since(*began) <= VERDICT_AGE);
        if let Some(FlatRead { first, began, last }) = flat {
            for at in [&mut *first, &mut *began, &mut *last] {
                self.moment(at);
            }
            if NOW.since(*began) > VERDICT_AGE {
                (*began, *last) = (PAST, PAST);
            }
            if *first + settle <= NOW && *began == PAST {
                *first = PAST;
            }
        }
    }
}

/// Only the mode of a late set matters, not its stamp.
fn late(late: &mut Option<LateSet>) {
    if let Some(LateSet { id: _, mode: _, cause: _, stamp, generation: _ }) = late {
        today(stamp);
    }
}

/// The comparison is with a day, longer than any story: the exact time makes no difference.
fn today(at: &mut ServerTime) {
    *at = server_at(PAST);
}
