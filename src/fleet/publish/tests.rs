//! The decision as a table, and a day of hosts that pull at their own times.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Verdict::{Behind, Diverged, InForce, MovesOn, Publish};
use super::*;
use crate::clock::Clock;
use crate::ledger::{Accepted, Ledger, Publication, Revision};

/// A letter as the name of a commit.
fn id(letter: char) -> String {
    format!("{:040x}", u32::from(letter))
}

/// `X` is content of no commit, `X@c` of the commit `c`, `X@c<ba` of one that is known to descend from `b` and `a`.
fn file(words: &str) -> (String, Option<String>, Option<Ancestry>) {
    let (content, rest) =
        words.split_once('@').map_or((words, None), |(content, rest)| (content, Some(rest)));
    let (commit, ancestors) = rest.map_or((None, None), |rest| {
        rest.split_once('<').map_or((Some(rest), None), |(c, a)| (Some(c), Some(a)))
    });
    let commit = commit.map(|commit| id(commit.chars().next().unwrap()));
    let ancestry = ancestors.map(|ancestors| {
        let lines: String = ancestors.chars().map(|letter| id(letter) + "\n").collect();
        Ancestry::read(&format!("{}\n{lines}", ancestors.len() + 1)).unwrap()
    });
    (content.to_owned(), commit, ancestry)
}

/// Of the words in `how`: `seen` that the file was changed from what is in force, `was` in force before, `alone`, and in force
/// is `our` file.
#[track_caller]
fn check(in_force: &str, own: &str, how: &str, expected: Verdict) {
    let has = |word: &str| how.split(' ').any(|one| one == word);
    let (sha256, commit, ancestry) = file(in_force);
    let standing = Standing {
        generation: Generation(7),
        sha256: &sha256,
        commit: commit.as_deref(),
        ancestry: ancestry.as_ref(),
        is_ours: has("our"),
    };
    let base = Base { generation: Generation(if has("seen") { 7 } else { 6 }), commit: commit.clone() };
    let (sha256, commit, ancestry) = file(own);
    let candidate = Candidate {
        sha256: &sha256,
        commit: commit.as_deref(),
        ancestry: ancestry.as_ref(),
        was_in_force: has("was"),
    };
    let verdict = decide(&standing, &candidate, Some(&base), has("alone"));
    assert_eq!(verdict, expected, "{in_force} is in force, the file is {own} ({how})");
}

#[test]
fn of_two_commits_the_one_that_descends_from_the_other_is_in_force() {
    check("X@b<a", "Y@c<ba", "", Publish);
    check("X@b<a", "Y@e<dcba", "", Publish);
    // By the second parent of a merge as well; and whatever is listed between them.
    check("X@b<a", "Y@m<zyxba", "", Publish);
    check("X@c<ba", "Y@b<a", "", Behind);
    check("X@c<ba", "Y@a<", "seen", Behind);
    check("X@c<ba", "Y@a", "", Behind);
    // A revert is a new commit.
    check("Y@b<a", "X@c<ba", "", Publish);
    // The content is in force; the newer commit is remembered, the older one is not.
    check("X@b<a", "X@c<ba", "", MovesOn);
    check("X@c<ba", "X@b<a", "", InForce);
    check("X@c<ba", "X@c<ba", "", InForce);
    check("X@c", "X@c<ba", "", InForce);
    check("X", "X@c<ba", "", MovesOn);
    check("X", "X@c<ba", "was", InForce);
}

#[test]
fn a_commit_that_was_in_force_does_not_come_back() {
    for own in ["Y@d<c", "Y@d", "Y@d<a"] {
        for how in ["was", "was seen"] {
            check("X@c<ba", own, how, Behind);
        }
    }
    check("X", "Y@d<c", "was seen", Behind);
    check("X@c<ba", "X@d<c", "was seen", InForce);
}

#[test]
fn what_does_not_descend_is_published_only_where_it_was_seen_to_come_from_what_is_in_force() {
    for own in ["Y@z<yx", "Y@z", "Y@c<ba", "Y"] {
        check("X@c<ba", own, "", Diverged);
        check("X@c<ba", own, "seen", Publish);
    }
    check("X@c<ba", "X@z<yx", "seen", MovesOn);
    check("X@c<ba", "X@z<yx", "", InForce);
    // The file had the same content, but was of another commit than the one in force.
    let (sha256, commit, _) = file("X@c");
    let standing = Standing {
        generation: Generation(7),
        sha256: &sha256,
        commit: commit.as_deref(),
        ancestry: None,
        is_ours: false,
    };
    let (ours, rewritten, _) = file("Y@z");
    let candidate =
        Candidate { sha256: &ours, commit: rewritten.as_deref(), ancestry: None, was_in_force: false };
    let older = Base { generation: Generation(7), commit: Some(id('b')) };
    assert_eq!(decide(&standing, &candidate, Some(&older), false), Diverged);
    assert_eq!(decide(&standing, &candidate, None, false), Diverged);
}

#[test]
fn without_git_only_who_saw_the_edit_publishes_and_may_go_back() {
    check("A", "B", "seen", Publish);
    check("B", "A", "seen was", Publish);
    check("A", "A", "was", InForce);
    check("B", "A", "was", Behind);
    check("A", "B", "", Diverged);
}

#[test]
fn a_host_that_is_alone_follows_its_file_as_if_there_were_no_others() {
    for own in ["Y@d<cba", "Y@b<a", "Y@z", "Y"] {
        for how in ["alone our", "alone our was"] {
            check("X@c<ba", own, how, Publish);
            check("X", own, how, Publish);
        }
    }
    check("X@c<ba", "X@b<a", "alone our", MovesOn);
    check("X@c<ba", "X", "alone our", InForce);
    // What another host has published before it fell silent is not taken back by an old commit.
    check("X@c<ba", "Y@b<a", "alone", Behind);
    check("X@c<ba", "Y@b", "alone was", Behind);
    for (own, how) in [("Y@z", "alone"), ("Y", "alone"), ("Y", "alone was")] {
        check("X@c<ba", own, how, Publish);
    }
}

/// A repository that somebody pushes to, one branch: reverts, merges, and many commits at once.
struct History {
    parents: Vec<Vec<usize>>,
    contents: Vec<usize>,
    /// As the puller writes it beside each commit.
    ancestries: Vec<Ancestry>,
    /// What each push has brought, and when, in seconds.
    tips: Vec<(u64, usize)>,
}

impl History {
    fn of_a_day(chance: &mut Chance) -> History {
        let mut history =
            History { parents: vec![], contents: vec![], ancestries: vec![], tips: vec![(0, 0)] };
        history.commit(vec![], 0);
        let mut at = 0;
        while at < DAY {
            at += chance.below(1200);
            let tip = history.tips.last().unwrap().1;
            let tip = match chance.below(5) {
                // Reverts are new commits with a content of before.
                0 => {
                    let before = history.contents[chance.index(history.contents.len())];
                    history.commit(vec![tip], before)
                }
                1 => {
                    // A side branch from some commits ago; the branch was merged into it, or it into the branch.
                    let from = history.before(tip, chance.below(5));
                    let side = history.edit(vec![from]);
                    let both = if chance.below(2) == 0 { vec![tip, side] } else { vec![side, tip] };
                    history.edit(both)
                }
                // Several in one push: nobody is told of those between.
                2 => (0..chance.below(4)).fold(tip, |tip, _| history.edit(vec![tip])),
                // Something else in the repository.
                3 => history.commit(vec![tip], history.contents[tip]),
                _ => history.edit(vec![tip]),
            };
            history.tips.push((at, tip));
        }
        history
    }

    fn commit(&mut self, parents: Vec<usize>, content: usize) -> usize {
        self.parents.push(parents);
        self.contents.push(content);
        let commit = self.contents.len() - 1;
        let ancestors = self.ancestors(commit);
        let lines: String = ancestors.iter().rev().map(|one| name(*one) + "\n").collect();
        self.ancestries.push(Ancestry::read(&format!("{}\n{lines}", ancestors.len() + 1)).unwrap());
        commit
    }

    fn edit(&mut self, parents: Vec<usize>) -> usize {
        self.commit(parents, self.contents.len())
    }

    fn before(&self, commit: usize, steps: u64) -> usize {
        (0..steps).fold(commit, |commit, _| self.parents[commit].first().copied().unwrap_or(commit))
    }

    fn tip(&self, at: u64) -> usize {
        self.tips.iter().take_while(|(pushed, _)| *pushed <= at).last().unwrap().1
    }

    fn ancestors(&self, commit: usize) -> BTreeSet<usize> {
        let (mut found, mut ahead) = (BTreeSet::new(), VecDeque::from(self.parents[commit].clone()));
        while let Some(one) = ahead.pop_front() {
            if found.insert(one) {
                ahead.extend(&self.parents[one]);
            }
        }
        found
    }
}

fn name(commit: usize) -> String {
    format!("{:040x}", commit + 1)
}

/// A host with its own checkout, as `Fleet` follows it.
struct Simulated {
    name: &'static str,
    commit: usize,
    /// A pull under way: when the branch was asked for, and when its answer is in place.
    pulling: Option<(usize, u64)>,
    /// What it believes to be in force; as old as its last look at the ledger.
    newest: Option<Revision>,
    base: Option<Base>,
    seen: BTreeMap<&'static str, u32>,
}

impl Simulated {
    /// One turn: follows the ledger, then its file. `naive`: as a host that is alone does.
    async fn turn(&mut self, ledger: &Ledger, history: &History, naive: bool) {
        let sha256 = history.contents[self.commit].to_string();
        let (commit, ancestry) = (name(self.commit), history.ancestries[self.commit].clone());
        for _ in 0..3 {
            let newest = self.newest.as_ref();
            let was_in_force = ledger.was_in_force(&sha256, Some(&commit)).await.unwrap();
            let verdict = newest.map_or(Publish, |newest| {
                let standing = Standing {
                    generation: newest.generation,
                    sha256: &newest.sha256,
                    commit: newest.commit.as_deref(),
                    ancestry: newest.ancestry.as_ref(),
                    is_ours: naive,
                };
                let candidate = Candidate {
                    sha256: &sha256,
                    commit: Some(&commit),
                    ancestry: Some(&ancestry),
                    was_in_force,
                };
                decide(&standing, &candidate, self.base.as_ref(), naive)
            });
            let holds = |generation| Some(Base { generation, commit: Some(commit.clone()) });
            match verdict {
                InForce => self.base = holds(newest.unwrap().generation),
                MovesOn => {
                    let newest = newest.unwrap();
                    if !ledger.moved_on(newest, &commit, Some(&ancestry)).await.unwrap() {
                        *self.seen.entry("late").or_default() += 1;
                        self.newest = ledger.last_good().await.unwrap();
                        continue;
                    }
                    self.base = holds(newest.generation);
                    self.newest = ledger.last_good().await.unwrap();
                }
                Publish => {
                    let publication = Publication {
                        sha256: sha256.clone(),
                        commit: Some(commit.clone()),
                        ancestry: Some(ancestry.clone()),
                        host: self.name.to_owned(),
                        bytes: sha256.clone().into_bytes(),
                    };
                    match ledger.accept_revision(newest, publication).await.unwrap() {
                        Accepted::As(generation) => {
                            self.base = holds(generation);
                            self.newest = ledger.last_good().await.unwrap();
                            *self.seen.entry("published").or_default() += 1;
                        }
                        Accepted::OtherwiseInForce(newest) => {
                            *self.seen.entry("late").or_default() += 1;
                            self.newest = newest.map(|newest| *newest);
                            continue;
                        }
                    }
                }
                Behind => *self.seen.entry("behind").or_default() += 1,
                Diverged => *self.seen.entry("diverged").or_default() += 1,
            }
            return;
        }
    }
}

/// What was in force, one after another, and what the hosts have met on the way.
async fn a_day(seed: u64, naive: bool) -> (History, Vec<usize>, BTreeMap<&'static str, u32>) {
    let mut chance = Chance(seed);
    let history = History::of_a_day(&mut chance);
    let ledger = Ledger::in_memory(Clock::simulated(0, seed)).unwrap();
    let mut hosts = ["trade-01", "trade-02"].map(|name| Simulated {
        name,
        commit: 0,
        pulling: None,
        newest: None,
        base: None,
        seen: BTreeMap::new(),
    });
    let mut in_force: Vec<usize> = Vec::new();
    let last = history.tips.last().unwrap().0;
    let mut at = 0;
    while at < last + 1200 {
        at += 1 + chance.below(60);
        let host = &mut hosts[chance.index(2)];
        match host.pulling {
            Some((tip, arrives)) if arrives <= at => (host.commit, host.pulling) = (tip, None),
            Some(_) => {}
            // Mostly each minute; at times the source is slow, or not there for long.
            None => {
                let lasts = if chance.below(8) == 0 { 900 } else { 60 };
                host.pulling = Some((history.tip(at), at + chance.below(lasts)));
            }
        }
        if chance.below(200) == 0 {
            (host.base, host.newest) = (None, ledger.last_good().await.unwrap());
        }
        // It hears of what others have written within a second, but not always before it has its own file.
        if chance.below(4) > 0 {
            host.newest = ledger.last_good().await.unwrap();
        }
        host.turn(&ledger, &history, naive).await;
        let newest = ledger.last_good().await.unwrap().unwrap();
        // A revision, or a newer commit with its content.
        let commit = usize::from_str_radix(newest.commit.as_deref().unwrap(), 16).unwrap() - 1;
        if in_force.last() != Some(&commit) {
            in_force.push(commit);
        }
    }
    // All pull for the last time.
    for host in &mut hosts {
        host.commit = history.tip(at);
        host.newest = ledger.last_good().await.unwrap();
        host.turn(&ledger, &history, naive).await;
    }
    let newest = ledger.last_good().await.unwrap().unwrap();
    assert_eq!(newest.sha256, history.contents[history.tip(at)].to_string(), "seed {seed}");
    let mut met = BTreeMap::new();
    for (what, times) in hosts.into_iter().flat_map(|host| host.seen) {
        *met.entry(what).or_default() += times;
    }
    (history, in_force, met)
}

/// Whether each commit in force descends from the one before, however many pushes lie between.
fn never_goes_back(history: &History, in_force: &[usize]) -> bool {
    in_force.windows(2).all(|two| history.ancestors(two[1]).contains(&two[0]))
}

#[tokio::test]
async fn in_a_day_of_two_hosts_that_pull_at_their_own_times_nothing_old_comes_back() {
    let (mut all, mut naive_goes_back) = (BTreeMap::new(), false);
    for seed in 0..4 {
        let (history, in_force, seen) = a_day(seed, false).await;
        assert!(in_force.len() > 20, "seed {seed}: {in_force:?}");
        assert!(never_goes_back(&history, &in_force), "seed {seed}: {in_force:?}");
        for (what, times) in seen {
            *all.entry(what).or_default() += times;
        }
        let (history, in_force, _) = a_day(seed, true).await;
        naive_goes_back |= !never_goes_back(&history, &in_force);
    }
    // Else nothing was tried.
    let met: Vec<&str> =
        all.into_iter().filter(|(_, times): &(_, u32)| *times > 0).map(|(what, _)| what).collect();
    assert_eq!(met, ["behind", "late", "published"]);
    assert!(naive_goes_back, "two hosts that take no notice of each other");
}

/// Numbers that look like chance, the same ones for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }
}

/// In seconds.
const DAY: u64 = 24 * 3600;
