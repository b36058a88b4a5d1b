//! What must hold of several hosts on one ledger together.

use std::collections::BTreeMap;
use std::time::Duration;

use posmoded::desired::{self, Desired};
use posmoded::moment::Moment;

use super::evidence::{Evidence, Sent, scope_of};
use super::{fence, file, flat, intents};
use crate::world::World;
use crate::world::company::{PROCESSES, number_of};

/// When each host did not reach the ledger, and when its process went on after it was stopped.
#[derive(Debug, Default, Clone)]
pub struct Away {
    /// From when until when.
    pub cuts: Vec<(Moment, Moment)>,
    /// When it went on.
    pub wakes: Vec<Moment>,
}

impl World {
    /// I1, I2, I4 over all hosts, and what holds of several alone; `commits` are the files, oldest first, and each target had to
    /// be flat for `settle`.
    #[track_caller]
    pub fn check_invariants_of(
        hosts: &[World],
        names: &[&str],
        commits: &[String],
        away: &[Away],
        settle: Duration,
    ) {
        let evidence = Evidence::of(&hosts[0]);
        let noted = Noted::of(&hosts[0], commits);
        let held: Vec<(u32, Moment)> = hosts.iter().flat_map(World::held).collect();
        for sets in evidence.sets_by_target().values() {
            fence::never_two_unresolved(&evidence, sets);
            for set in sets {
                // Nobody can look again between the last look and a stop that comes before the set leaves.
                if !held.contains(&(set.process, set.left)) {
                    flat::flat_before(&evidence, set, Some(settle));
                }
                noted.by_its_host(&evidence, set, names);
            }
        }
        intents::one_for_each_set(&evidence);
        for sent in &evidence.sent {
            nothing_without_the_ledger(sent, &away[host_of(sent)]);
        }
        noted.commits_go_forward();
        for host in hosts {
            host.check_secrets();
        }
    }
}

/// What the ledger says of sets and files.
struct Noted {
    /// By account, scope and stamp: the revision, and the host.
    intents: BTreeMap<(String, String, i64), (i64, String)>,
    /// What was in force, oldest first.
    revisions: BTreeMap<i64, (usize, Desired)>,
}

impl Noted {
    fn of(world: &World, commits: &[String]) -> Noted {
        let database = world.database();
        let mut all =
            database.prepare("SELECT account, scope, stamp, generation, host FROM intents").expect("a table");
        let intents = all
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), (row.get(3)?, row.get(4)?))));
        let intents = intents.expect("rows").map(|row| row.expect("a row")).collect();
        let mut all = database.prepare("SELECT generation, git_commit FROM revisions").expect("a table");
        let revisions = all.query_map([], |row| {
            let number = number_of(&row.get::<_, String>(1)?);
            let file = desired::read(commits[number].as_bytes()).expect("a good file");
            Ok((row.get(0)?, (number, file)))
        });
        let revisions = revisions.expect("rows").map(|row| row.expect("a row")).collect();
        Noted { intents, revisions }
    }

    /// The file for which it was noted gives the account to the host that sent it, with this very mode.
    #[track_caller]
    fn by_its_host(&self, evidence: &Evidence, set: &Sent, names: &[&str]) {
        let (target, host) = (set.target(), names[host_of(set)]);
        let (name, scope) = (evidence.name(target.0), scope_of(target));
        let stamp = set.entry.signed.map_or(0, |signed| signed.0);
        let found = self.intents.get(&(name.to_string(), scope.to_owned(), stamp));
        let (generation, by) = found.unwrap_or_else(|| panic!("I4: a set without an intent\n{set:#?}"));
        let (_, desired) = &self.revisions[generation];
        let wanted = file::wanted(desired, name, scope).map(file::mode);
        let of =
            desired.accounts.get(name).and_then(|account| account.host.as_ref()).map(ToString::to_string);
        let as_wanted = wanted == set.entry.wanted.map(bitget_sim::PosMode::as_str);
        assert!(
            as_wanted && by == host && of.as_deref() == Some(host),
            "I3: {host} sent what revision {generation} has {of:?} set to {wanted:?}\n{set:#?}"
        );
    }

    /// F7: what is in force was never in force before, nor anything that is older.
    #[track_caller]
    fn commits_go_forward(&self) {
        let commits: Vec<usize> = self.revisions.values().map(|(commit, _)| *commit).collect();
        assert!(commits.is_sorted_by(|one, two| one < two), "F7: what was in force came again: {commits:?}");
    }
}

/// F8: a host that has not heard of the ledger for 10 s asks for nothing.
#[track_caller]
fn nothing_without_the_ledger(sent: &Sent, away: &Away) {
    let Some((from, until)) = away.cuts.iter().find(|(from, until)| *from <= sent.left && sent.left < *until)
    else {
        return;
    };
    let woken = away.wakes.iter().filter(|wake| **wake <= sent.left).max();
    let last = (*from + AWAY).max(woken.copied().unwrap_or_default()) + NOTICED;
    assert!(
        sent.left <= last,
        "F8: without the ledger from {from:?} until {until:?}, woken at {woken:?}\n{sent:#?}"
    );
}

fn host_of(sent: &Sent) -> usize {
    (sent.process / PROCESSES) as usize
}

const AWAY: Duration = Duration::from_secs(10);
/// The next turn of the fleet comes within it.
const NOTICED: Duration = Duration::from_millis(1100);
