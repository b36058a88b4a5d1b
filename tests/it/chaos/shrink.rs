//! Makes a story small that fails: leaves out accounts, acts and hours as long as what is left still fails.

use std::collections::BTreeSet;
use std::time::Duration;

use super::plan::{Part, Plan};

/// The smallest story that was found in which `fails` still sees the same failure. `accounts` and `acts` say how many
/// the whole one has.
pub fn smallest(whole: &Plan, accounts: usize, acts: usize, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let mut small = Plan {
        part: Part { accounts: Some((0..accounts).collect()), acts: Some((0..acts).collect()), gap: None },
        ..whole.clone()
    };
    loop {
        let before = small.clone();
        // What happens last is left out first: most of it comes after the failure.
        small = fewer(small, acts_of, fails);
        // A file that names nobody is no file.
        small = fewer(small, accounts_of, fails);
        small = sooner(small, fails);
        if small == before {
            return small;
        }
    }
}

/// Leaves out half, then quarters, and at last one by one, until nothing more can go.
fn fewer(mut plan: Plan, which: Which, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let mut chunk = which(&mut plan).len();
    while chunk > 0 {
        let all: Vec<usize> = which(&mut plan).iter().copied().collect();
        let mut left_out = false;
        for part in all.rchunks(chunk) {
            let mut tried = plan.clone();
            which(&mut tried).retain(|number| !part.contains(number));
            if fails(&tried) {
                plan = tried;
                left_out = true;
            }
        }
        // One by one as long as that helps: what needed another one may go once that one is gone.
        if chunk > 1 || !left_out {
            chunk /= 2;
        }
    }
    plan
}

/// Waits less from one act to the next.
fn sooner(plan: Plan, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let shorter = GAPS.iter().map(|seconds| Duration::from_secs(*seconds));
    let shorter = shorter.take_while(|gap| plan.part.gap.is_none_or(|now| *gap < now));
    let mut tried =
        shorter.map(|gap| Plan { part: Part { gap: Some(gap), ..plan.part.clone() }, ..plan.clone() });
    tried.find(|tried| fails(tried)).unwrap_or(plan)
}

type Which = fn(&mut Plan) -> &mut BTreeSet<usize>;

fn acts_of(plan: &mut Plan) -> &mut BTreeSet<usize> {
    plan.part.acts.get_or_insert_default()
}

fn accounts_of(plan: &mut Plan) -> &mut BTreeSet<usize> {
    plan.part.accounts.get_or_insert_default()
}

/// In seconds.
const GAPS: [u64; 9] = [1, 5, 15, 60, 120, 300, 900, 3_600, 14_400];
