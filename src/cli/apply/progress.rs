//! The progress of `apply`: one line for each change of a target, when `apply` is done, and its exit code.
//!
//! It only reads what the keepers publish.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::flags::Output;
use crate::cli::status::render_held;
use crate::cli::{Exit, print, rows};
use crate::position_mode::{AccountName, Scope};
use crate::protocol::{Reason, State};
use crate::status::{AccountStatus, Held, Status, TargetStatus, seconds};

/// The targets of one `apply`, with the state and reason last printed for each.
pub(super) struct Progress {
    named: BTreeSet<AccountName>,
    output: Output,
    told: BTreeMap<(AccountName, Scope), (State, Option<Reason>)>,
}

/// Why `apply` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every target is in sync or, without `--wait`, waits for something that may take long.
    Reached,
    /// The time given by `--wait` is over.
    TimeIsUp,
    /// A signal ended it, or the fleet has ended.
    Interrupted,
}

/// How all targets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// All are in the mode that the file declares.
    InSync,
    /// Each is in sync or waits for something that may take long.
    Resting,
    /// The same, but a held change is not in the recorded plan yet, so it cannot be approved.
    RestingUnrecorded,
    /// Some target is expected to change soon, or has not been looked at.
    UnderWay,
}

impl Progress {
    /// What was `shown` to people is not told to them again.
    pub(super) fn new(named: BTreeSet<AccountName>, output: Output, shown: &[TargetStatus]) -> Progress {
        let shown = shown.iter().filter(|_| output == Output::Table);
        let told =
            shown.map(|target| ((target.account.clone(), target.scope), (target.state, target.reason)));
        Progress { named, output, told: told.collect() }
    }

    /// How many accounts it is about.
    pub(super) fn accounts(&self) -> usize {
        self.named.len()
    }

    /// How many accounts were looked at, and the first that was not; `None` once all were.
    pub(super) fn is_looking_at(
        &self,
        accounts: &BTreeMap<AccountName, AccountStatus>,
    ) -> Option<(usize, &AccountName)> {
        let awaits = |name: &&AccountName| accounts.get(*name).is_some_and(|account| !is_known(account));
        let next = self.named.iter().find(awaits)?;
        Some((self.named.len() - self.named.iter().filter(awaits).count(), next))
    }

    /// Prints each target whose state or reason has changed since it was last printed, once it has been looked at.
    pub(super) fn tell(
        &mut self,
        accounts: &BTreeMap<AccountName, AccountStatus>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let looked_at = accounts.values().filter(|account| is_known(account));
        for target in looked_at.flat_map(|account| &account.targets) {
            let (key, stands) = ((target.account.clone(), target.scope), (target.state, target.reason));
            if self.told.get(&key) == Some(&stands) || is_a_moments_wait(target, now) {
                continue;
            }
            match self.output {
                Output::Table => print::text(&line(target))?,
                Output::Json => {
                    print::json(&print::WithSchema::of(ProgressLine { now: seconds(now), target }))?;
                }
            }
            self.told.insert(key, stands);
        }
        Ok(())
    }

    /// How the named accounts stand. One that has left the file meanwhile is not in sync, but is not waited for.
    pub(super) fn stand(
        &self,
        accounts: &BTreeMap<AccountName, AccountStatus>,
        held: Option<&Held>,
        now: Timestamp,
    ) -> Stand {
        let present: Vec<&AccountStatus> = self.named.iter().filter_map(|name| accounts.get(name)).collect();
        let targets = || present.iter().flat_map(|account| &account.targets);
        if !present.iter().all(|account| is_known(account))
            || targets().any(|target| !has_come_to_rest(target, now))
        {
            Stand::UnderWay
        } else if present.len() == self.named.len() && targets().all(is_settled) {
            Stand::InSync
        } else if targets()
            .filter_map(TargetStatus::held_entry)
            .all(|entry| held.is_some_and(|held| held.plan.0.contains(&entry)))
        {
            Stand::Resting
        } else {
            Stand::RestingUnrecorded
        }
    }

    /// Prints the summary and returns the exit code.
    pub(super) fn conclude(&self, last: &Status, end: End) -> anyhow::Result<Exit> {
        let gone: Vec<&AccountName> = self
            .named
            .iter()
            .filter(|name| !last.targets.iter().any(|target| target.account == **name))
            .collect();
        let here: Vec<&TargetStatus> = last.targets.iter().filter(|target| !target.is_elsewhere()).collect();
        let in_sync = here.iter().filter(|target| target.state == State::InSync).count();
        let changed: u64 = last.targets.iter().map(|target| target.counts.confirmed).sum();
        let all = last.is_all_in_sync() && gone.is_empty();
        let is_taken = |target: &TargetStatus| target.blockers.contains(&Reason::KeyTaken);
        let exit = if all {
            Exit::DONE
        } else if last.targets.iter().any(is_taken) {
            Exit::HELD
        } else if end == End::Interrupted
            || last.targets.iter().any(|target| target.reason == Some(Reason::Crashed))
        {
            Exit::FAILED
        } else {
            Exit::NOT_IN_SYNC
        };
        match self.output {
            Output::Table => print::text(&summary(last, here.len(), in_sync, changed))?,
            Output::Json => {
                let Status { now, held, targets, .. } = last;
                let last = Last { now: *now, end: true, in_sync, changed, held: held.as_ref(), targets };
                print::json(&print::WithSchema::of(last))?;
            }
        }
        for name in gone {
            print::note(&format!("{name} has left the file meanwhile: nothing more is done for it."));
        }
        match end {
            End::Interrupted if !all => print::note(
                "Interrupted: what is not in sync stays as it is until `posmoded apply` or the daemon goes on.",
            ),
            End::TimeIsUp if !all => print::note(
                "The time given by --wait is over: what is not in sync stays as it is until `posmoded apply` or the \
                 daemon goes on.",
            ),
            End::Reached | End::Interrupted | End::TimeIsUp => {}
        }
        Ok(exit)
    }
}

/// Whether its targets show what was found, or that its keeper crashed; before the first look they are placeholders.
fn is_known(account: &AccountStatus) -> bool {
    let crashed = account.targets.iter().any(|target| target.reason == Some(Reason::Crashed));
    !account.targets.is_empty() && (account.looked || crashed)
}

/// Whether there is nothing to do: the target is in sync, or belongs to another host.
fn is_settled(target: &TargetStatus) -> bool {
    target.state == State::InSync || target.is_elsewhere()
}

/// Whether no change of the target is expected soon.
fn has_come_to_rest(target: &TargetStatus, now: Timestamp) -> bool {
    let passes = target.reason.is_none_or(Reason::is_progress);
    target.state == State::InSync || !(passes || is_a_moments_wait(target, now))
}

/// Whether the target waits for one of our own limits and is looked at again within `A_MOMENT`.
fn is_a_moments_wait(target: &TargetStatus, now: Timestamp) -> bool {
    let limited = target.blockers.contains(&Reason::RateLimited);
    let soon = Duration::try_from(target.next_look_at.duration_since(now)).unwrap_or_default() <= A_MOMENT;
    target.state != State::InSync && limited && soon
}

fn line(target: &TargetStatus) -> String {
    let TargetStatus { account, scope, state, reason, say, live, counts, .. } = target;
    let live = rows::mode(live.as_ref().map(|live| live.mode));
    let said = match (reason, say) {
        (Some(reason), Some(say)) => format!("{state}, {reason}: {say}"),
        (Some(reason), None) => format!("{state}, {reason}"),
        (None, _) if target.is_not_looked_at_yet() => "not looked at yet".to_owned(),
        (None, _) if counts.confirmed > 0 => format!("in sync: changed to {live}, and a read shows it"),
        (None, _) => format!("in sync: it is {live}"),
    };
    format!("{account} {scope}: {said}")
}

fn summary(last: &Status, here: usize, in_sync: usize, changed: u64) -> String {
    let waiting = here - in_sync;
    let counted = match (here, last.targets.len()) {
        (0, elsewhere @ 1..) => format!("{}.", rows::of_other_hosts(elsewhere)),
        (_, _) => format!(
            "{} in sync, {changed} of them changed by this; {waiting} not in sync.",
            rows::counted(in_sync, "target", "targets")
        ),
    };
    let held = last.held.iter().map(render_held);
    held.chain([counted]).collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Serialize)]
struct ProgressLine<'a> {
    now: Timestamp,
    target: &'a TargetStatus,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    now: Timestamp,
    end: bool,
    in_sync: usize,
    changed: u64,
    held: Option<&'a Held>,
    targets: &'a [TargetStatus],
}

/// Our own limits are free again within seconds; a cool-down that the exchange asked for may take minutes.
const A_MOMENT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Generation;
    use crate::moment::Moment;
    use crate::protocol::{Plan, PlanEntry};
    use crate::serve::fixture::{at, target, view};
    use crate::status::Config;

    fn limited(seconds: i64) -> TargetStatus {
        TargetStatus {
            blockers: vec![Reason::KindUnknown, Reason::RateLimited],
            next_look_at: at(seconds),
            ..target("desk-1", Some(Reason::KindUnknown))
        }
    }

    #[track_caller]
    fn check(targets: Vec<TargetStatus>, held: Option<&Held>, expected: Stand) {
        let progress = Progress::new(BTreeSet::from(["desk-1".parse().unwrap()]), Output::Table, &[]);
        let status = AccountStatus {
            generation: Generation(1),
            targets,
            due: Moment(0),
            looked: true,
            refreshes: 0,
            clock_offset: None,
            warnings: Vec::new(),
            settings: None,
        };
        let accounts = BTreeMap::from([("desk-1".parse().unwrap(), status)]);
        assert_eq!(progress.stand(&accounts, held, at(0)), expected);
    }

    #[test]
    fn it_is_over_when_each_is_in_sync_or_waits_for_what_may_take_long() {
        let in_sync = || target("desk-1", None);
        check(vec![], None, Stand::UnderWay);
        check(vec![in_sync()], None, Stand::InSync);
        for reason in [Reason::Settling, Reason::Verifying, Reason::Acting] {
            check(vec![in_sync(), target("desk-1", Some(reason))], None, Stand::UnderWay);
        }
        for reason in [Reason::NotFlat, Reason::Paused, Reason::Credential, Reason::OutcomeUnknown] {
            check(vec![in_sync(), target("desk-1", Some(reason))], None, Stand::Resting);
        }
    }

    #[test]
    fn f75_another_hosts_account_is_none_of_its_business() {
        let elsewhere =
            || TargetStatus { state: State::Unknown, ..target("desk-1", Some(Reason::Elsewhere)) };
        check(vec![target("desk-1", None), elsewhere()], None, Stand::InSync);
        check(vec![elsewhere()], None, Stand::InSync);
        let progress = Progress::new(BTreeSet::from(["desk-1".parse().unwrap()]), Output::Json, &[]);
        let status = |targets| Status { targets, ..view().0.status() };
        let exit = |targets| progress.conclude(&status(targets), End::Reached).unwrap();
        assert_eq!(exit(vec![target("desk-1", None), elsewhere()]), Exit::DONE);
        assert_eq!(exit(vec![elsewhere()]), Exit::DONE);
        assert_eq!(exit(vec![target("desk-1", Some(Reason::NotFlat)), elsewhere()]), Exit::NOT_IN_SYNC);
        let refused = Status {
            config: Config { problem: Some("refused".to_owned()), ..Config::default() },
            ..status(vec![target("desk-1", None)])
        };
        assert_eq!(progress.conclude(&refused, End::Reached).unwrap(), Exit::NOT_IN_SYNC);
    }

    #[test]
    fn our_own_limits_are_waited_for_and_a_long_cool_down_is_not() {
        check(vec![limited(1)], None, Stand::UnderWay);
        check(vec![limited(-5)], None, Stand::UnderWay);
        check(vec![limited(300)], None, Stand::Resting);
    }

    #[test]
    fn what_is_held_is_waited_for_until_it_can_be_approved() {
        let waits = target("desk-1", Some(Reason::Held));
        check(vec![waits.clone()], None, Stand::RestingUnrecorded);
        let entry: PlanEntry = waits.held_entry().unwrap();
        let plan = Plan([entry].into());
        let held = Held { hash: plan.hash(), plan, told: BTreeSet::new() };
        check(vec![waits], Some(&held), Stand::Resting);
    }

    #[test]
    fn what_nobody_has_looked_at_yet_is_neither_told_nor_over() {
        let mut progress = Progress::new(BTreeSet::from(["desk-1".parse().unwrap()]), Output::Table, &[]);
        let targets = vec![target("desk-1", Some(Reason::KindUnknown))];
        let status = AccountStatus {
            generation: Generation(1),
            targets,
            due: Moment(0),
            looked: false,
            refreshes: 0,
            clock_offset: None,
            warnings: Vec::new(),
            settings: None,
        };
        let accounts = BTreeMap::from([("desk-1".parse().unwrap(), status)]);
        assert_eq!(progress.stand(&accounts, None, at(0)), Stand::UnderWay);
        progress.tell(&accounts, at(0)).unwrap();
        assert!(progress.told.is_empty());
    }

    #[test]
    fn an_account_that_left_the_file_is_not_in_sync_and_not_waited_for() {
        let progress = Progress::new(BTreeSet::from(["desk-1".parse().unwrap()]), Output::Table, &[]);
        assert_eq!(progress.stand(&BTreeMap::new(), None, at(0)), Stand::Resting);
    }

    #[test]
    fn a_line_says_how_it_stands_and_what_this_run_did() {
        let told = |reason, confirmed| {
            let target = target("desk-1", reason);
            let counts = crate::status::Counts { confirmed, ..target.counts };
            line(&TargetStatus { counts, ..target })
        };
        assert_eq!(told(None, 0), "desk-1 USDT-FUTURES: in sync: it is hedge_mode");
        assert_eq!(told(None, 1), "desk-1 USDT-FUTURES: in sync: changed to hedge_mode, and a read shows it");
        assert_eq!(
            told(Some(Reason::NotFlat), 0),
            "desk-1 USDT-FUTURES: pending, not_flat: It says not_flat."
        );
    }
}
