//! Short stories, each with a seed. `POSMODED_SEED=n` tells one, and all of its lines if it fails; `POSMODED_SEEDS=n` the
//! first n.

use std::collections::BTreeSet;
use std::env;

use super::plan::{Plan, Size};
use super::{Failed, Legacy, Tally, extent, shrink, tell};

#[test]
fn whatever_happens_what_must_always_hold_holds_and_what_is_quiet_converges() {
    let seeds = match number("POSMODED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("POSMODED_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let (mut all, whole) = (Tally::default(), seeds.end - seeds.start >= SEEDS);
    for seed in seeds {
        all.add(&told(seed).tally);
    }
    let missing = all.missing_of_some();
    let eventful = missing.is_empty() && all.of("sets") > 100;
    assert!(
        !whole || eventful,
        "nothing much happened in all these stories, and none of {missing:?}:\n{all}"
    );
}

#[test]
fn a_seed_is_the_same_story_each_time() {
    // One in which many keepers are woken by the same brake.
    let seed = number("POSMODED_SEED").unwrap_or(5);
    let (first, second) = (told(seed), told(seed));
    assert!(first.log.len() > 200, "a story, not a word");
    assert!(first == second, "seed {seed} went differently the second time\n{}", first.differs_from(&second));
}

#[test]
fn the_readmes_table_names_what_there_is() {
    let mut tally = Tally::default();
    tally.did("Flip");
    tally.did("Open");
    let table = tally.table(3, 10);
    assert!(table.starts_with("| in 3 days of 10 accounts | |\n|---|---|\n| requests | 0 |\n"), "{table}");
    assert!(table.contains("| positions and orders that come, modes that somebody flips | 2 |\n"), "{table}");
}

#[test]
fn a_story_is_made_small_as_long_as_it_still_fails() {
    let whole = Plan::whole(1, Size::Long { accounts: 10, hours: 24 });
    let (accounts, acts) = extent(&whole);
    let mut told = 0;
    let small = shrink::smallest(&whole, accounts, acts, &mut |plan| {
        told += 1;
        // Two things that happen to one account, at least a minute apart.
        let has =
            |of: &Option<BTreeSet<usize>>, number| of.as_ref().is_none_or(|these| these.contains(&number));
        let waits = plan.part.gap.is_none_or(|gap| gap.as_secs() >= 60);
        has(&plan.part.accounts, 3) && has(&plan.part.acts, 17) && has(&plan.part.acts, 80) && waits
    });
    assert_eq!(small.part.accounts, Some(BTreeSet::from([3])));
    assert_eq!(small.part.acts, Some(BTreeSet::from([17, 80])));
    assert_eq!(small.part.gap.map(|gap| gap.as_secs()), Some(60));
    assert!(told < 150, "{told} stories were told for it");
}

#[test]
fn a_part_of_a_story_is_a_story_and_the_same_one_each_time() {
    let mut part = Plan::whole(3, Size::Long { accounts: 10, hours: 24 });
    part.part.accounts = Some(BTreeSet::from([1, 8]));
    part.part.acts = Some((0..60).collect());
    part.part.gap = Some(std::time::Duration::from_secs(20));
    let tell = || tell(&part).unwrap_or_else(|failed| panic!("{}", failed.why));
    let (first, second) = (tell(), tell());
    assert!(first.log.iter().all(|entry| entry.account.is_none_or(|uid| [1002, 1009].contains(&uid.0))));
    assert!(first.log.len() > 100, "a story, not a word");
    assert!(first == second, "it went differently the second time\n{}", first.differs_from(&second));
}

#[test]
fn what_never_happened_is_missed_and_a_failure_is_known_by_its_rule() {
    let missing = Tally::default().missing_of_all();
    for what in
        ["act Write", "act Kill", "act Convert", "act Step", "fault ExecuteLater", "fault Hang", "sets"]
    {
        assert!(missing.contains(what), "{what} is not among {missing:?}");
    }
    let failed = |why: &str| Failed { why: why.to_owned(), journal: String::new(), acts: String::new() };
    let rule = |why| failed(why).rule();
    assert_eq!(
        rule("I9: after 600s of quiet not yet\nas wished"),
        rule("I9: after 12s of quiet not yet\nelsewhere")
    );
    assert_ne!(rule("I3: not what the newest file says"), rule("I4: a set without an intent"));
}

/// A story that must not fail, or all that is needed to understand why it did.
fn told(seed: u64) -> Legacy {
    tell(&Plan::whole(seed, Size::Short)).unwrap_or_else(|failed| {
        let lines = if number("POSMODED_SEED").is_some() { usize::MAX } else { 60 };
        panic!(
            "seed {seed}: {}\n\nwhat was done:\n{}\nthe last lines:\n{}\nonce more: POSMODED_SEED={seed}",
            failed.why,
            failed.acts,
            failed.last(lines)
        )
    })
}

/// A number that the environment gives.
pub fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// So many stories are told unless somebody asks for more.
const SEEDS: u64 = 14;
