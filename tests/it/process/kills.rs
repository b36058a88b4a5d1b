//! Processes that end, above all by kill -9 at every step of a change, while answers are late or lost: what the exchange's log and the disk say afterwards.
//!
//! Fifty daemons, each with an account, a ledger and a moment of its own, all at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bitget_sim::{Executed, Fault, FaultKind, Kind, Limits, LogEntry, PosMode, Uid};

use posmoded::constants::QUIET;

use super::{Host, MACHINE, SET, Venue, declared, declared_as, send, side_by_side};

/// What has to arrive at the exchange before the clock of a kill starts to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    /// The first request of the account.
    Hello,
    /// The last list of the flat verdict at the end of the quiet: what follows is the note, then the set.
    Verdict,
    /// The set.
    Set,
    /// The read that looks for the effect of the set; it never answers.
    Confirming,
}

/// One account's fate.
#[derive(Clone, Debug)]
struct Fate {
    kind: Kind,
    after: After,
    delay: Duration,
    /// What happens to the set.
    fault: Option<FaultKind>,
    /// The second kill, counted from the first.
    again: Option<Duration>,
}

/// One daemon, and how far it has got.
struct Run {
    fate: Fate,
    host: Host,
    /// When its first request arrived.
    began: Option<Instant>,
    /// Positions read since orders were.
    positions: u32,
    first_due: Option<Instant>,
    second_due: Option<Instant>,
    /// What the disk and the exchange said when it was killed: whether there was an intent, and whether the set had arrived.
    found: Option<(Option<String>, bool)>,
}

#[test]
fn f30_no_end_of_a_process_leads_to_a_second_set_inside_a_fence() {
    side_by_side(&[
        ("fifty", f30_of_fifty_daemons_killed_at_every_step_none_sends_twice_inside_a_fence_and_all_converge),
        ("SIGTERM", a_set_that_hangs_is_left_to_its_intent_and_the_next_start_resolves_it_after_the_fence),
    ]);
}

fn f30_of_fifty_daemons_killed_at_every_step_none_sends_twice_inside_a_fence_and_all_converge() {
    // They take nearly all inotify instances that one user may have, and a machine that boots cannot do without.
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let fates = fates();
    let count = u64::try_from(fates.len()).unwrap();
    assert!(count >= 50);
    // Over plain HTTP: fifty handshakes at a time, unoptimised, would make the kills come late.
    let venue = Venue::of_desks_over_plain_http(count);
    // Fifty daemons on one address are more than its limits per address were made for; those have tests of their own.
    venue.simulator.with(|exchange| exchange.switches_mut().limits = Limits::Ignored);
    let mut runs: Vec<Run> = (1..).zip(fates).map(|(number, fate)| Run::new(&venue, number, fate)).collect();

    let began = Instant::now();
    let (mut seen, mut launched) = (0, 0);
    while runs.iter().any(|run| run.found.is_none() || run.second_due.is_some()) {
        assert!(
            began.elapsed() < QUIET + FENCE + SLACK * 2,
            "not every daemon came to its kill: {}",
            told(&runs)
        );
        // All at once they would only wait for each other, and the kills would come late.
        if launched < runs.len() && began.elapsed() >= STAGGER * u32::try_from(launched).unwrap() {
            runs[launched].host.launch();
            launched += 1;
        }
        let (news, last) = venue.simulator.with(|exchange| {
            let log = exchange.log();
            (log.get(seen..).unwrap_or_default().to_vec(), log.len())
        });
        seen = last;
        for entry in &news {
            let Some(Uid(uid)) = entry.account else { continue };
            runs[usize::try_from(uid).unwrap() - 1].heard(entry);
        }
        for (uid, run) in (1..).zip(&mut runs) {
            run.kill_if_due(|| venue.sets().iter().any(|set| set.account == Some(Uid(uid))));
        }
        std::thread::sleep(Duration::from_millis(1));
    }

    let last_kill = Instant::now();
    for (uid, run) in (1..).zip(&runs) {
        let left = (QUIET + FENCE + PAUSE + SLACK).saturating_sub(last_kill.elapsed());
        super::wait_until(
            &format!("desk-{uid} converges"),
            left,
            || format!("{:?}\n{:?}\n{}", run.fate, run.host.targets(), run.host.said()),
            || run.host.is_all("in_sync -").then_some(()),
        );
        assert_eq!(venue.mode(uid), PosMode::HedgeMode, "desk-{uid}");
    }

    let pids: Vec<u32> = runs.iter().map(|run| run.host.pid()).collect();
    send("TERM", &pids);
    for run in &mut runs {
        assert_eq!(run.host.ended().0, Some(0), "{}", run.host.said());
    }
    every_kill_found_what_it_was_meant_for(&runs);
    let log = venue.simulator.with(|exchange| exchange.log().to_vec());
    for (uid, run) in (1..).zip(&runs) {
        let of_it: Vec<&LogEntry> = log.iter().filter(|entry| entry.account == Some(Uid(uid))).collect();
        the_exchange_saw_no_second_set_inside_a_fence(&of_it, &run.fate);
        the_ledger_knows_every_set(&of_it, run);
    }
}

/// SIGTERM, where nothing comes back from the exchange.
fn a_set_that_hangs_is_left_to_its_intent_and_the_next_start_resolves_it_after_the_fence() {
    let venue = Venue::of_desks(1);
    venue.simulator.with(|exchange| exchange.inject(Fault::once(FaultKind::Hang).on(SET)));
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "hedge_mode")]));
    host.start();
    host.wait_until("the set is under way", || (!venue.sets().is_empty()).then_some(()));
    host.signal("TERM");
    let (code, took) = host.ended();
    assert_eq!(code, Some(0), "{}", host.said());
    assert!(took < Duration::from_secs(12), "{took:?}");
    let left = host.intents();
    assert!(matches!(left[0].1.as_str(), "noted" | "unclear"), "{left:?}");

    host.start();
    host.wait_for_all("unknown outcome_unknown");
    super::wait_until(
        "the set is sent again",
        FENCE + PAUSE + SLACK,
        || host.said(),
        || (venue.sets().len() == 2).then_some(()),
    );
    host.wait_for_all("in_sync -");
    let signed: Vec<i64> = venue.sets().iter().map(|set| set.signed.unwrap().0).collect();
    assert!(signed[1] - signed[0] >= 35_000, "{signed:?}");
    let states: Vec<String> = host.intents().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["no_effect", "confirmed"]);
    host.terminate();
}

/// Every step of a change, every way to lose an answer, and for some a second kill while the first is being resolved.
fn fates() -> Vec<Fate> {
    let fate = |after, millis, fault: Option<FaultKind>| Fate {
        kind: Kind::Classic,
        after,
        delay: Duration::from_millis(millis),
        fault,
        again: None,
    };
    let mut fates = Vec::new();
    // Before anything is known, and while the lists are read.
    fates.extend([0, 5, 40, 150].map(|millis| fate(After::Hello, millis, None)));
    // Around the note, the send and the ledger's writes, which follow the answer to the last list at once. The machine's own
    // noise spreads them further.
    let around = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 14, 20, 30];
    fates.extend(around.map(|millis| fate(After::Verdict, millis, None)));
    fates.extend([0, 1, 2, 3, 5, 8, 12].map(|millis| fate(After::Set, millis, None)));
    // The reply is in flight; it is lost; it never comes.
    let delay = FaultKind::Delay { after: Duration::from_secs(3) };
    fates.extend([0, 200, 500].map(|millis| fate(After::Set, millis, Some(delay.clone()))));
    fates.extend([0, 2, 30, 1500].map(|millis| fate(After::Set, millis, Some(FaultKind::DropReply))));
    fates.extend([0, 400].map(|millis| fate(After::Set, millis, Some(FaultKind::HangReply))));
    // The request is lost: the exchange never executes it.
    fates.extend([0, 2, 30, 1500].map(|millis| fate(After::Set, millis, Some(FaultKind::DropRequest))));
    fates.extend([0, 400].map(|millis| fate(After::Set, millis, Some(FaultKind::Hang))));
    // It executes when nobody waits for it any more, as late as the exchange may.
    fates.extend([(0, 1), (30, 5), (300, 12), (0, 20), (1500, 25), (0, 29)].map(|(millis, later)| {
        fate(After::Set, millis, Some(FaultKind::ExecuteLater { after: Duration::from_secs(later) }))
    }));
    fates.extend([0, 20, 200, 900].map(|millis| fate(After::Confirming, millis, None)));
    // Every other one is a unified account's, so that both kinds meet each step and each loss.
    for fate in fates.iter_mut().skip(1).step_by(2) {
        fate.kind = Kind::Unified;
    }
    // Once more inside the fence, and around its end.
    let lost: Vec<&mut Fate> =
        fates.iter_mut().filter(|fate| fate.after == After::Set && fate.fault.is_some()).collect();
    let again = [700, 2_000, 9_000, 20_000, 33_500, 34_500, 35_000, 35_300, 35_600, 36_000, 36_500, 37_000];
    for (fate, millis) in lost.into_iter().rev().zip(again) {
        fate.again = Some(Duration::from_millis(millis));
    }
    fates
}

impl Fate {
    /// The end of the path that shows the mode.
    fn mode(&self) -> &'static str {
        match self.kind {
            Kind::Classic => "/mix/account/account",
            Kind::Unified => "/account/settings",
        }
    }
}

impl Run {
    fn new(venue: &Venue, number: u64, fate: Fate) -> Run {
        let name = format!("desk-{number}");
        // The mode is read once at the start, and again after the set.
        let file =
            declared_as(fate.kind, &[(&name, "hedge_mode")]).replace("check_every: 5s", "check_every: 10m");
        let host = Host::new(venue, &[&name], &file);
        let (set, looks) = match fate.kind {
            Kind::Classic => (SET, 1),
            // The settings also tell the kind, before anything else, and whose key it is, before the change.
            Kind::Unified => (SET_UNIFIED, 3),
        };
        venue.simulator.with(|exchange| exchange.set_kind(Uid(number), fate.kind)).unwrap();
        let of_it = |fault: Fault| fault.for_account(Uid(number));
        venue.simulator.with(|exchange| {
            if let Some(fault) = &fate.fault {
                exchange.inject(of_it(Fault::once(fault.clone()).on(set)));
            }
            if fate.after == After::Confirming {
                // The first read of the mode finds out that a change is due, the second looks for its effect.
                let nothing = FaultKind::Delay { after: Duration::ZERO };
                exchange.inject(of_it(Fault::once(nothing).times(looks).on(fate.mode())));
                exchange.inject(of_it(Fault::once(FaultKind::Hang).on(fate.mode())));
            }
        });
        Run { fate, host, began: None, positions: 0, first_due: None, second_due: None, found: None }
    }

    fn heard(&mut self, entry: &LogEntry) {
        let come = match self.fate.after {
            After::Hello => true,
            // The verdict ends with the positions.
            After::Verdict => {
                let (orders, positions, lists) = match self.fate.kind {
                    Kind::Classic => ("/orders-pending", "/all-position", 1),
                    Kind::Unified => ("/unfilled-orders", "/current-position", 3),
                };
                if entry.path.ends_with(orders) {
                    self.positions = 0;
                }
                let ends = entry.path.ends_with(positions);
                self.positions += u32::from(ends);
                let began = *self.began.get_or_insert_with(Instant::now);
                ends && self.positions == lists && began.elapsed() > QUIET / 2
            }
            After::Set => entry.wanted.is_some(),
            After::Confirming => {
                entry.path.ends_with(self.fate.mode()) && entry.fault == Some(FaultKind::Hang)
            }
        };
        if come && self.first_due.is_none() {
            self.first_due = Some(Instant::now() + self.fate.delay);
        }
    }

    fn kill_if_due(&mut self, has_arrived: impl FnOnce() -> bool) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| Instant::now() >= due);
        if self.found.is_none() && is_due(self.first_due) {
            self.host.kill();
            let state = self.host.intents().pop().map(|(_, state)| state);
            self.found = Some((state, has_arrived()));
            self.second_due = self.fate.again.map(|again| Instant::now() + again);
            self.host.launch();
        } else if is_due(self.second_due) {
            self.second_due = None;
            self.host.kill();
            self.host.launch();
        }
    }
}

/// A test that kills at the wrong moments proves nothing.
fn every_kill_found_what_it_was_meant_for(runs: &[Run]) {
    let mut found = BTreeSet::new();
    for Run { fate, found: at_the_kill, .. } in runs {
        let (state, arrived) = at_the_kill.clone().unwrap();
        let lost = fate.fault.is_some();
        match fate.after {
            After::Hello => assert!(state.is_none() || fate.delay > Duration::from_millis(50), "{fate:?}"),
            After::Verdict => {}
            After::Set => assert!(arrived && state.is_some(), "{fate:?}"),
            After::Confirming => {
                assert_eq!((state.as_deref(), arrived), (Some("accepted"), true), "{fate:?}");
            }
        }
        if lost {
            assert!(matches!(state.as_deref(), Some("noted" | "unclear")), "{fate:?}: {state:?}");
        }
        found.insert((state, arrived));
    }
    // Between note and send is a moment of a millisecond, which a kill may well miss; a lost request leaves the same.
    for (state, arrived) in [(None, false), (Some("noted"), true), (Some("accepted"), true)] {
        assert!(found.contains(&(state.map(str::to_owned), arrived)), "no kill at {state:?}: {}", told(runs));
    }
}

/// I1, and nothing is sent for what is already right.
fn the_exchange_saw_no_second_set_inside_a_fence(log: &[&LogEntry], fate: &Fate) {
    let sets: Vec<&&LogEntry> = log.iter().filter(|entry| entry.wanted.is_some()).collect();
    let arrived: Vec<&&&LogEntry> = sets.iter().filter(|set| set.late_of.is_none()).collect();
    for pair in arrived.windows(2) {
        let apart = pair[1].signed.unwrap().since(pair[0].signed.unwrap());
        assert!(apart >= i64::try_from(FENCE.as_millis()).unwrap(), "{apart} ms apart, {fate:?}: {sets:#?}");
    }
    let effects = sets.iter().filter(|set| set.executed != Executed::None);
    let effects: Vec<Executed> = effects.map(|set| set.executed).collect();
    let changed = Executed::Applied { from: PosMode::OneWayMode, to: PosMode::HedgeMode };
    assert_eq!(effects, [changed], "{fate:?}: {sets:#?}");
}

/// I4, and the disk is as whole as the daemon says.
fn the_ledger_knows_every_set(log: &[&LogEntry], run: &Run) {
    let intents = run.host.intents();
    let stamps: BTreeSet<i64> = intents.iter().map(|(stamp, _)| *stamp).collect();
    for set in log.iter().filter(|entry| entry.wanted.is_some()) {
        assert!(stamps.contains(&set.signed.unwrap().0), "{:?}: {set:#?} is not among {intents:?}", run.fate);
    }
    let open = ["noted", "accepted", "unclear"];
    assert!(intents.iter().all(|(_, state)| !open.contains(&state.as_str())), "{:?}: {intents:?}", run.fate);
    let ledger = run.host.ledger();
    let whole: String = ledger.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let applied: String = ledger.query_row("SELECT applied_mode FROM targets", [], |row| row.get(0)).unwrap();
    assert_eq!(applied, "hedge_mode");
}

/// How often the kills found what.
fn told(runs: &[Run]) -> String {
    let mut counts = BTreeMap::new();
    for run in runs {
        *counts.entry((run.fate.after, run.found.clone())).or_insert(0) += 1;
    }
    format!("{counts:?}")
}

/// As long as an unanswered set may still take effect, and what a machine of two busy cores may add to that.
const FENCE: Duration = Duration::from_secs(35);
/// How long the next set waits after one without an answer and without effect.
const PAUSE: Duration = Duration::from_secs(60);
const SLACK: Duration = Duration::from_secs(25);
const STAGGER: Duration = Duration::from_millis(70);
const SET_UNIFIED: &str = "/account/set-hold-mode";
