//! How a keeper waits for its turn to look: what the look is for, and what ends the wait.

use std::time::Duration;

use super::look::look;
use super::{Environment, Keeper, TargetSlot};
use crate::constants::LONGEST_LOOK;
use crate::exchange::Observe as _;
use crate::position_mode::Scope;
use crate::protocol::{self, Learned, Look};
use crate::schedule::Purpose;

impl<D: Environment> Keeper<D> {
    /// What a look at the target is for.
    pub(super) fn purpose(&self, scope: Scope, slot: &TargetSlot, what: Look) -> Purpose {
        // A set under way of another target must not wait for this look.
        if self.has_set_under_way() {
            return Purpose::Begun { to_go: 1 };
        }
        let cost = self.exchange.as_ref().map_or(0, |exchange| exchange.verdict_cost(scope));
        let purpose = protocol::purpose(&slot.facts(&self.facts), &slot.standing, what, cost, self.stood);
        match purpose {
            // Behind changes, before all that recurs.
            Purpose::Mode(_) | Purpose::Wait(_) if slot.is_asked_for => Purpose::New,
            other @ (Purpose::ForAll
            | Purpose::Begun { .. }
            | Purpose::Begin { .. }
            | Purpose::New
            | Purpose::Mode(_)
            | Purpose::Wait(_)) => other,
        }
    }

    /// Looks. What can wait may wait for its turn for a while; as long as it does it is dropped (`None`) for a stop, for what
    /// the file or an operator wants, and once a target of the account has settled.
    pub(super) async fn look_unless_dropped(
        &mut self,
        scope: Scope,
        what: Look,
        purpose: Purpose,
    ) -> Option<Learned> {
        let exchange = self.exchange.as_ref()?;
        let now = self.clock.now();
        let under_way = self.has_set_under_way();
        self.promise(now + LONGEST_LOOK + exchange.queued_for().unwrap_or_default());
        let can_wait = match purpose {
            Purpose::Begin { .. } | Purpose::New | Purpose::Mode(_) | Purpose::Wait(_) => true,
            Purpose::ForAll | Purpose::Begun { .. } => false,
        };
        let (before, sent) = (self.directives.borrow().clone(), exchange.sent());
        let only_waits = || exchange.sent() == sent;
        let all = self.targets.values().map(|slot| slot.facts(&self.facts));
        let mut settles_at = all.filter_map(|facts| protocol::will_settle_at(&facts, now)).min();
        let mut promised = now;
        let looking = look(exchange, scope, what, purpose);
        tokio::pin!(looking);
        loop {
            tokio::select! {
                biased;
                learned = &mut looking => return Some(learned),
                () = self.stop.cancelled(), if !under_way => return None,
                Ok(()) = self.specs.changed(), if !under_way || can_wait => {
                    let spec = self.specs.borrow();
                    let is_wanted_other = can_wait && spec.wants_other_than(&self.spec);
                    // Nor what was begun, unless it is about a set.
                    let is_forbidden = !under_way && spec.ledger_away.is_some();
                    if only_waits() && (is_wanted_other || is_forbidden) {
                        return None;
                    }
                }
                // What was waited for as one look among others is urgent now.
                () = self.clock.sleep_until(settles_at.unwrap_or(now)), if settles_at.is_some() && can_wait => {
                    if only_waits() {
                        return None;
                    }
                    settles_at = None;
                }
                Ok(()) = self.directives.changed(), if can_wait => {
                    let differ = self.directives.borrow().differs_for(&self.account, &before);
                    if only_waits() && differ {
                        return None;
                    }
                }
                () = self.clock.sleep_until(promised + PROMISED_AGAIN) => {
                    promised = self.clock.now();
                    // Others may have come before it meanwhile; in a line that does not move it is late.
                    if let Some(wait) = exchange.queued_for().filter(|_| only_waits()) {
                        self.promise(promised + LONGEST_LOOK + wait);
                    }
                }
            }
        }
    }
}

/// How often the keeper renews its promise to the watchdog while it waits for its turn.
const PROMISED_AGAIN: Duration = Duration::from_secs(30);
