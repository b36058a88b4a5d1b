//! What `plan` asks the exchange: one account after the other, one request at a time, in the protocol's own order.
//!
//! Holds the reading half of the exchange only. Where the protocol wants anything but a look, the plan is known.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::desired::{Account, Desired};
use crate::exchange::{Observe, Urgency};
use crate::facts::{
    AccountFacts, Applied, Brakes, Facts, Failing, Generation, HostReading, Intent, TargetFacts, Wanted,
};
use crate::host::Host;
use crate::keeper::look;
use crate::ledger::{Directives, Limits};
use crate::moment::Moment;
use crate::position_mode::{AccountName, PositionMode, Scope, Target, targets};
use crate::protocol::{self, Look, Reason, Standing, State, Step, learn};
use crate::status::{Counts, Known, TargetStatus};

/// What the daemon's ledger says; empty where there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct LedgerSnapshot {
    pub(super) applied: BTreeMap<Target, Applied>,
    pub(super) open_intents: BTreeMap<Target, Intent>,
    pub(super) directives: Directives,
    pub(super) generation: Generation,
}

/// One run over accounts.
pub(super) struct Round<'a> {
    clock: &'a Clock,
    snapshot: &'a LedgerSnapshot,
    host: String,
    here: Host,
    max_changes: u32,
    /// Sets that this plan would let leave before the next one.
    taken: u32,
}

impl<'a> Round<'a> {
    pub(super) fn new(
        clock: &'a Clock,
        snapshot: &'a LedgerSnapshot,
        desired: &Desired,
        host: String,
    ) -> Round<'a> {
        Round { clock, snapshot, host, here: Host::default(), max_changes: desired.max_changes, taken: 0 }
    }

    /// The name of this host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The targets of an account as they stand. Without an exchange: why there is none, in one sentence. Where its key is
    /// another account's, too, nothing is asked: `shared_key` says so.
    pub(super) async fn account<O: Observe>(
        &mut self,
        name: &AccountName,
        account: &Account,
        exchange: &Result<O, String>,
        shared_key: Option<String>,
    ) -> Vec<TargetStatus> {
        let mut of_account = AccountFacts {
            elsewhere: account.elsewhere(&self.host),
            credential: exchange.as_ref().err().cloned(),
            shared_key,
            jitter: self.clock.jitter(),
            ..AccountFacts::default()
        };
        // Which targets it has shows with its kind; until then it is one.
        let whole = Target { account: name.clone(), scope: Scope::Account };
        let mut first = self.target(&whole, account, account.declared.single_mode());
        self.follow(&whole, exchange, &mut of_account, &mut first, Until::Identity).await;
        of_account.wrong = self.wrong(name, account, &of_account);
        let kind = of_account.identity.as_ref().map(|identity| identity.kind);
        let mut statuses = Vec::new();
        of_account.unsatisfiable = account.declared.is_unsatisfiable(kind).then(|| account.declared.clone());
        for (scope, mode) in targets(&account.declared, kind) {
            let target = Target { account: name.clone(), scope };
            let mut facts = self.target(&target, account, mode);
            self.follow(&target, exchange, &mut of_account, &mut facts, Until::Plan).await;
            statuses.push(self.conclude(&target, &of_account, &facts));
        }
        statuses
    }

    fn wrong(&self, name: &AccountName, account: &Account, facts: &AccountFacts) -> Option<String> {
        let identity = facts.identity.as_ref()?;
        let claims = self.snapshot.directives.pins.claims(name, account.uid.as_ref(), identity);
        protocol::wrong(name, identity, claims)
    }

    fn target(&self, target: &Target, account: &Account, mode: Option<PositionMode>) -> TargetFacts {
        let wanted = account.wanted(mode, self.snapshot.generation);
        let mut facts = TargetFacts::new(wanted, self.clock.now());
        facts.applied = self.snapshot.applied.get(target).copied();
        facts.intent = self.snapshot.open_intents.get(target).cloned();
        facts
    }

    /// Looks as long as the protocol wants to.
    async fn follow<O: Observe>(
        &self,
        target: &Target,
        exchange: &Result<O, String>,
        account: &mut AccountFacts,
        facts: &mut TargetFacts,
        until: Until,
    ) {
        let Ok(exchange) = exchange else { return };
        for _ in 0..MOST_LOOKS {
            let brakes = self.brakes(target, account, facts);
            let (now, all) = (self.clock.now(), Facts { account, brakes: &brakes, target: facts });
            let step = protocol::next(&all, &Standing::of(&all, now), now);
            match step {
                Step::Look(Look::Mode | Look::List(_)) if until == Until::Identity => return,
                Step::Look(what) => {
                    let learned = look(exchange, target.scope, what, Urgency::Routine).await;
                    learn(account, facts, learned, self.clock.now(), self.clock.jitter());
                }
                Step::LookAtHost => account.host = Some(self.host_reading(facts).await),
                Step::Rest(_) => match our_own_limit(account, facts) {
                    Some(free) if free > self.clock.now() => self.clock.sleep_until(free).await,
                    Some(_) | None => {
                        // The daemon looks at the host last; here nobody waits for `settle`.
                        if !facts.wanted.require.0.is_empty() && facts.flatness.flat_span.is_some() {
                            account.host = Some(self.host_reading(facts).await);
                        }
                        return;
                    }
                },
                Step::Note(_) | Step::Send | Step::Withdraw(_) | Step::Record(_) => return,
            }
        }
    }

    async fn host_reading(&self, facts: &TargetFacts) -> HostReading {
        let Wanted { generation, require, .. } = &facts.wanted;
        let asked = self.clock.now();
        HostReading { generation: *generation, asked, unmet: self.here.unmet(require).await }
    }

    fn conclude(&mut self, target: &Target, account: &AccountFacts, facts: &TargetFacts) -> TargetStatus {
        let brakes = self.brakes(target, account, facts);
        let now = self.clock.now();
        let all = Facts { account, brakes: &brakes, target: facts };
        let standing = Standing::of(&all, now);
        let known = Known {
            target,
            facts: &all,
            standing: &standing,
            now,
            next_look: now,
            before: None,
            counts: Counts::default(),
        };
        let status = TargetStatus::new(&known, |moment| self.clock.timestamp(moment));
        let due = status.state != State::InSync && !is_blocked(&status);
        if due && !brakes.guard.approved {
            self.taken += 1;
        }
        // Here nobody acts.
        let say = match status.reason {
            Some(Reason::Acting) => Some("Nothing stands in the way: the daemon changes it now.".to_owned()),
            Some(_) | None => status.say,
        };
        TargetStatus { say, ..status }
    }

    fn brakes(&self, target: &Target, account: &AccountFacts, facts: &TargetFacts) -> Brakes {
        let change = protocol::wanted_change(&Facts { account, brakes: &Brakes::default(), target: facts });
        let limits = Limits { max_changes: self.max_changes, exchange: account.clock, now: self.clock.now() };
        let mut brakes = self.snapshot.directives.brakes(target, change, &limits);
        // What this plan would set before has its part of the budget, too.
        brakes.guard.left = brakes.guard.left.saturating_sub(self.taken);
        brakes
    }
}

/// Until when to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Whose key it is, and the kind, are known.
    Identity,
    /// What would be done is known.
    Plan,
}

/// The moment when our own limits let the next request go, if that is all that is waited for.
fn our_own_limit(account: &AccountFacts, facts: &TargetFacts) -> Option<Moment> {
    let failing: [&Option<Failing>; 2] = [&account.failing, &facts.failing];
    failing.into_iter().flatten().find_map(|failing| failing.failure.class.our_own_limit())
}

/// The clock, the account, the mode and three lists are six; with waits for our own limits still far fewer than this.
const MOST_LOOKS: usize = 40;

/// Whether a change would wait for anything but its own course.
pub(super) fn is_blocked(target: &TargetStatus) -> bool {
    target.state != State::InSync && target.reason.is_some_and(|reason| !reason.is_progress())
}
