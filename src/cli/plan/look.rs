//! The requests of `plan` to the exchange: one account after the other, one request at a time, in the protocol's order.
//!
//! It has only read access to the exchange. Once the protocol's next step is anything but a look, the plan is known.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::desired::{Account, Desired};
use crate::exchange::Observe;
use crate::facts::{
    AccountFacts, Applied, Brakes, Class, Facts, Failing, Generation, HostReading, Intent, OwnerDue, Policy,
    TargetFacts, Wanted,
};
use crate::host::Host;
use crate::keeper::look;
use crate::ledger::{Directives, Limits};
use crate::moment::Moment;
use crate::position_mode::{AccountName, KeyId, PositionMode, Scope, Target, targets};
use crate::protocol::{self, Look, Reason, Standing, State, Step, learn};
use crate::status::{Counts, Known, TargetStatus};

/// What the daemon's ledger records; empty if there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct LedgerSnapshot {
    pub(super) applied: BTreeMap<Target, Applied>,
    pub(super) open_intents: BTreeMap<Target, Intent>,
    pub(super) directives: Directives,
    pub(super) generation: Generation,
}

/// One run of `plan` over the accounts.
pub(super) struct Round<'a> {
    clock: &'a Clock,
    snapshot: &'a LedgerSnapshot,
    /// Whether the key files are copies from the start of a service.
    pub(super) keys_are_copies: bool,
    host: String,
    here: Host,
    max_changes: u32,
    /// Changes of this plan so far that take a place in the budget of `max_changes`.
    taken: u32,
}

impl<'a> Round<'a> {
    pub(super) fn new(
        clock: &'a Clock,
        snapshot: &'a LedgerSnapshot,
        desired: &Desired,
        host: String,
    ) -> Round<'a> {
        Round {
            clock,
            snapshot,
            keys_are_copies: false,
            host,
            here: Host::default(),
            max_changes: desired.max_changes,
            taken: 0,
        }
    }

    /// The name of this host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The targets of an account as they stand. `exchange` is its connection, or one sentence on why there is none.
    /// `shared_key` is set if another account has the same key; then nothing is requested.
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
            keys_are_copies: self.keys_are_copies,
            shared_key,
            // Before its first change it is seen whose key it is; so is it here, whatever is pinned.
            owner_due: OwnerDue::BeforeAnything,
            jitter: self.clock.jitter(),
            ..AccountFacts::default()
        };
        // Its targets depend on its kind; until that is known, it is treated as one target.
        let whole = Target { account: name.clone(), scope: Scope::Account };
        let mut first = self.target(&whole, account, account.declared.single_mode());
        self.follow(&whole, exchange, &mut of_account, &mut first, Until::Identity).await;
        let key = exchange.as_ref().ok().map(Observe::key_id);
        of_account.wrong = self.wrong(name, account, &of_account, key.as_ref());
        let kind = of_account.identity.as_ref().map(|identity| identity.kind);
        let mut statuses = Vec::new();
        of_account.unsatisfiable = account.declared.is_unsatisfiable(kind).then(|| account.declared.clone());
        for (scope, mode) in targets(&account.declared, kind) {
            let target = Target { account: name.clone(), scope };
            let mut facts = self.target(&target, account, mode);
            self.follow(&target, exchange, &mut of_account, &mut facts, Until::Plan).await;
            statuses.push(self.conclude(&target, exchange, &of_account, &facts));
        }
        statuses
    }

    fn wrong(
        &self,
        name: &AccountName,
        account: &Account,
        facts: &AccountFacts,
        key: Option<&KeyId>,
    ) -> Option<String> {
        let identity = facts.identity.as_ref()?;
        let claims = self.snapshot.directives.pins.claims(name, account.uid.as_ref(), identity, key);
        protocol::wrong(name, identity, claims)
    }

    fn target(&self, target: &Target, account: &Account, mode: Option<PositionMode>) -> TargetFacts {
        let wanted = account.wanted(mode, self.snapshot.generation);
        let mut facts = TargetFacts::new(wanted, self.clock.now());
        facts.applied = self.snapshot.applied.get(target).copied();
        facts.intent = self.snapshot.open_intents.get(target).cloned();
        facts
    }

    /// Looks as long as the protocol's next step is a look.
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
                Step::Look(Look::Mode | Look::List(_) | Look::Open(_)) if until == Until::Identity => return,
                Step::Look(what) => {
                    let cost = exchange.verdict_cost(target.scope);
                    let purpose = protocol::purpose(&all, &Standing::of(&all, now), what, cost, now);
                    let learned = look(exchange, target.scope, what, purpose).await;
                    learn(account, facts, learned, self.clock.now(), self.clock.jitter());
                    account.clock_contradicted = exchange.clock_contradicted();
                }
                Step::LookAtHost => account.host = Some(self.host_reading(facts).await),
                Step::Rest(_) => match limited_until(account, facts) {
                    Some(free) if free > self.clock.now() => self.clock.sleep_until(free).await,
                    Some(_) | None => {
                        // The daemon checks the host after `settle`; `plan` does not wait for that.
                        if !facts.wanted.policy.require.0.is_empty() && facts.flatness.flat_span.is_some() {
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
        let Wanted { generation, policy: Policy { require, .. }, .. } = &facts.wanted;
        let asked = self.clock.now();
        HostReading { generation: *generation, asked, unmet: self.here.unmet(require).await }
    }

    fn conclude<O: Observe>(
        &mut self,
        target: &Target,
        exchange: &Result<O, String>,
        account: &AccountFacts,
        facts: &TargetFacts,
    ) -> TargetStatus {
        let open = exchange.as_ref().map(|exchange| exchange.open(target.scope)).unwrap_or_default();
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
            out_of_sync_since: None,
            before: None,
            counts: Counts::default(),
            open: &open,
        };
        let status = TargetStatus::new(&known, |moment| self.clock.timestamp(moment));
        let due = status.state != State::InSync && !is_blocked(&status);
        if due && !brakes.guard.approved && !brakes.guard.has_place {
            self.taken += 1;
        }
        // `plan` itself changes nothing.
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
        // Earlier changes of this plan use up the budget, too.
        brakes.guard.left = brakes.guard.left.saturating_sub(self.taken);
        brakes
    }
}

/// When to stop looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Once the owner of the key and the kind of account are known.
    Identity,
    /// Once it is known what would be done.
    Plan,
}

/// When the next request may leave, if a limit stopped the last one: our own, or one of the exchange's that a daemon beside this
/// command used up in the same second.
fn limited_until(account: &AccountFacts, facts: &TargetFacts) -> Option<Moment> {
    let failing: [&Option<Failing>; 2] = [&account.failing, &facts.failing];
    failing.into_iter().flatten().find_map(|failing| {
        let class = failing.failure.class;
        let theirs = class == Class::RateLimited && failing.tries < 3;
        if theirs { Some(protocol::retry_at(failing)) } else { class.our_own_limit() }
    })
}

/// Far more than needed: the clock, the account, the mode and three lists make six, plus waits for our own limits.
const MOST_LOOKS: usize = 40;

/// Whether the target is not in sync and waits for an obstacle, not for a stage of the change itself.
pub(super) fn is_blocked(target: &TargetStatus) -> bool {
    target.state != State::InSync && target.reason.is_some_and(|reason| !reason.is_progress())
}
