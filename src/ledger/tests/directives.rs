//! Pauses, the budget, held plans and approvals, and how the daemon notices them.

use super::*;
use crate::facts::Witness;
use crate::ledger::tx::params;
use crate::moment::millis;

fn entry(words: &str, cause: Cause) -> PlanEntry {
    PlanEntry::new(&target(words), to_hedge(cause))
}

fn plan(entries: &[PlanEntry]) -> Plan {
    Plan(entries.iter().cloned().collect())
}

fn news(words: &[&str]) -> Plan {
    plan(&words.iter().map(|words| entry(words, Cause::New)).collect::<Vec<_>>())
}

async fn hold(ledger: &Ledger, plan: &Plan) -> String {
    ledger.hold(plan).await.unwrap();
    plan.hash()
}

/// Notes with a budget of zero: only an approval allows it.
async fn under_approval(ledger: &Ledger, words: &str, stamp: i64) -> Note {
    note_within(ledger, words, Cause::New, stamp, 0).await
}

fn is_acknowledged(visitor: &Visitor, request: CommandRequest) -> bool {
    visitor.answer(&request).unwrap() == Some(CommandAnswer::Acknowledged)
}

/// The daemon's answer to an approval.
async fn approve(ledger: &Ledger, hash: &str) -> Result<(), String> {
    let visitor = ledger.visitor().unwrap();
    let request = visitor.approve(hash).unwrap();
    ledger.notice().await.unwrap();
    match visitor.answer(&request).unwrap().unwrap() {
        CommandAnswer::Acknowledged => Ok(()),
        CommandAnswer::Refused(why) => Err(why),
    }
}

#[tokio::test]
async fn a_used_up_budget_refuses_the_note_until_the_oldest_counted_set_is_an_hour_old() {
    for (ledger, dir) in each().await {
        for (words, stamp) in [("desk-a", 0), ("desk-b", 1000)] {
            let (_noted, id) = noted(note_within(&ledger, words, Cause::New, stamp, 2).await);
            ledger.record_answer(id, &SetAnswer::unclear("timed out")).await.unwrap();
        }
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(note_within(&ledger, "desk-c", Cause::New, HOUR - 1, 2).await, Note::Braked);
        let counted = |words, at| Counted {
            target: target(words),
            to: PositionMode::Hedge,
            at: ServerTime(START + at),
        };
        assert_eq!(ledger.directives().borrow().counted, [counted("desk-a", 0), counted("desk-b", 1000)]);
        let (_noted, _) = noted(note_within(&ledger, "desk-c", Cause::New, HOUR, 2).await);
        assert_eq!(note_within(&ledger, "desk-d", Cause::New, HOUR + 1, 2).await, Note::Braked);
    }
}

#[tokio::test]
async fn withdrawn_and_refused_sets_give_their_place_back() {
    for engine in engines() {
        withdrawn_and_refused_sets_give_their_place_back_there(engine.inline(clock())).await;
    }
}

async fn withdrawn_and_refused_sets_give_their_place_back_there(ledger: Ledger) {
    let (left, _) = noted(note_within(&ledger, "desk-a", Cause::New, 0, 1).await);
    assert_eq!(note_within(&ledger, "desk-b", Cause::New, 1, 1).await, Note::Braked);
    assert_eq!(ledger.directives().borrow().counted.len(), 1);
    ledger.withdraw(left, "too late").await.unwrap();
    assert_eq!(ledger.directives().borrow().counted, []);
    let (_noted, id) = noted(note_within(&ledger, "desk-b", Cause::New, 1, 1).await);
    ledger.record_answer(id, &refusal()).await.unwrap();
    let (_noted, _) = noted(note_within(&ledger, "desk-c", Cause::New, 2, 1).await);
}

#[tokio::test(start_paused = true)]
async fn a_pause_refuses_notes_of_whom_it_covers_until_it_ends_or_is_lifted() {
    for engine in engines() {
        a_pause_refuses_notes_of_whom_it_covers_until_it_ends_or_is_lifted_there(engine.inline(clock()))
            .await;
    }
}

async fn a_pause_refuses_notes_of_whom_it_covers_until_it_ends_or_is_lifted_there(ledger: Ledger) {
    let visitor = ledger.visitor().unwrap();
    visitor.pause(&[name("desk-a")], "upgrade", Some(minutes(1))).unwrap();
    ledger.notice().await.unwrap();
    assert_eq!(note(&ledger, "desk-a", Cause::New, 0).await, Note::Braked);
    let (free, _) = noted(note(&ledger, "desk-b", Cause::New, 0).await);
    ledger.withdraw(free, "enough").await.unwrap();
    assert_eq!(note(&ledger, "desk-a", Cause::New, 59_999).await, Note::Braked);
    let (free, _) = noted(note(&ledger, "desk-a", Cause::New, 60_000).await);
    ledger.withdraw(free, "enough").await.unwrap();

    visitor.pause(&[], "exchange maintenance", None).unwrap();
    for words in ["desk-a", "desk-b"] {
        assert_eq!(note(&ledger, words, Cause::New, 60_001).await, Note::Braked);
    }
    visitor.resume(&[]).unwrap();
    let (_free, _) = noted(note(&ledger, "desk-b", Cause::New, 60_001).await);
}

#[tokio::test(start_paused = true)]
async fn of_several_pauses_of_one_account_the_one_that_lasts_longest_is_shown_with_who_wrote_it() {
    for engine in engines() {
        of_several_pauses_there(&engine.inline(clock())).await;
    }
}

async fn of_several_pauses_there(ledger: &Ledger) {
    let visitor = |who: &str| ledger.visitor().unwrap().by(who.to_owned());
    let end = Some(minutes(1));
    visitor("anna").pause(&[name("desk-a")], "until I say so", None).unwrap();
    visitor("bert").pause(&[name("desk-a")], "lunch", end).unwrap();
    visitor("cleo").pause(&[], "lunch of all", end).unwrap();
    ledger.notice().await.unwrap();
    let now = clock().now();
    let exchange = clock().exchange();
    let directives = ledger.directives().borrow().clone();
    let standing = directives.standing(exchange, now);
    let told = |row: &PauseRow| (row.pause.reason.clone(), row.pause.who.clone().unwrap());
    assert_eq!(
        standing.values().copied().map(told).collect::<Vec<_>>(),
        [("lunch of all", "cleo"), ("until I say so", "anna")].map(|(why, who)| (why.into(), who.into()))
    );
    let paused: Vec<String> = all(ledger)
        .into_iter()
        .filter(|event| event.kind == EventKind::Paused && event.account.is_some())
        .map(|event| event.text)
        .collect();
    assert_eq!(
        paused,
        [
            "The account was paused: until I say so",
            "The account was paused for 1m (beside one that lasts longer: until I say so, until it is resumed): lunch"
        ]
    );
    // A set is forbidden by the very pause that is shown.
    let limits = Limits { max_changes: 1, exchange, now };
    assert_eq!(directives.brakes(&target("desk-a"), None, &limits).paused.unwrap().who.unwrap(), "anna");
}

#[test]
fn resume_of_one_account_does_not_lift_a_pause_of_everything_and_says_so() {
    for engine in engines() {
        resume_of_one_account_does_not_lift_a_pause_of_everything_and_says_so_there(&engine.inline(clock()));
    }
}

fn resume_of_one_account_does_not_lift_a_pause_of_everything_and_says_so_there(ledger: &Ledger) {
    let visitor = ledger.visitor().unwrap();
    visitor.pause(&[], "maintenance", None).unwrap();
    let refused = visitor.resume(&[name("desk-a")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Everything is paused (maintenance), not this account alone: `posmoded resume` without a name ends that."
    );
    assert_eq!((visitor.directives().unwrap().pauses.len(), visitor.directives().unwrap().resumed), (1, 0));

    visitor.pause(&[name("desk-a"), name("desk-b")], "own", None).unwrap();
    visitor.resume(&[name("desk-a")]).unwrap();
    let left: Vec<_> = visitor.directives().unwrap().pauses.into_iter().map(|pause| pause.account).collect();
    assert_eq!(left, [None, Some(name("desk-b"))]);
    visitor.resume(&[]).unwrap();
    let after = visitor.directives().unwrap();
    assert_eq!((after.pauses.len(), after.resumed), (0, 2));
    let kinds = kinds(ledger);
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::Paused).count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::Resumed).count(), 2);
}

#[tokio::test]
async fn a_command_is_noticed_and_acknowledged_once_the_noted_set_is_answered() {
    for (ledger, _dir) in each().await {
        let visitor = ledger.visitor().unwrap();
        let mut directives = ledger.directives();
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
        directives.mark_unchanged();
        let request = visitor.pause(&[], "upgrade", None).unwrap();
        assert!(ledger.notice().await.unwrap(), "another process wrote");
        assert!(directives.has_changed().unwrap());
        assert_eq!(directives.borrow_and_update().pauses[0].pause.reason, "upgrade");
        assert!(!is_acknowledged(&visitor, request), "a set is noted and may still leave");
        assert!(!ledger.notice().await.unwrap(), "nobody wrote since");
        assert!(!is_acknowledged(&visitor, request));
        ledger.record_answer(id, &SetAnswer::unclear("timed out")).await.unwrap();
        ledger.notice().await.unwrap();
        assert!(is_acknowledged(&visitor, request));
        let request = visitor.resume(&[]).unwrap();
        ledger.notice().await.unwrap();
        assert!(is_acknowledged(&visitor, request));
        assert_eq!((directives.borrow().pauses.len(), directives.borrow().resumed), (0, 1));
    }
}

#[tokio::test]
async fn a_pause_written_while_no_daemon_ran_is_found_at_the_start_and_acknowledged() {
    for (ledger, dir) in each().await {
        let visitor = ledger.visitor().unwrap();
        let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
        let request = visitor.pause(&[name("desk-a")], "upgrade", None).unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(ledger.directives().borrow().pauses.len(), 1);
        assert!(!is_acknowledged(&visitor, request));
        ledger.notice().await.unwrap();
        assert!(is_acknowledged(&visitor, request), "what the dead process noted is unclear by now");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_lets_exactly_its_entries_go_once_each_and_uses_no_budget() {
    for engine in engines() {
        an_approval_lets_exactly_its_entries_go_once_each_and_uses_no_budget_there(engine.inline(clock()))
            .await;
    }
}

async fn an_approval_lets_exactly_its_entries_go_once_each_and_uses_no_budget_there(ledger: Ledger) {
    let hash = hold(&ledger, &news(&["desk-a", "desk-b"])).await;
    assert_eq!(under_approval(&ledger, "desk-a", 0).await, Note::Braked);
    approve(&ledger, &hash).await.unwrap();
    assert_eq!(ledger.directives().borrow().approved, news(&["desk-a", "desk-b"]).0);

    assert_eq!(note_within(&ledger, "desk-a", Cause::Drift, 0, 0).await, Note::Braked, "f36: another cause");
    assert_eq!(under_approval(&ledger, "desk-c", 0).await, Note::Braked, "f36: another target");
    let (left, _) = noted(under_approval(&ledger, "desk-a", 1).await);
    ledger.withdraw(left, "too late").await.unwrap();
    let (_noted, id) = noted(under_approval(&ledger, "desk-a", 2).await);
    ledger.record_answer(id, &refusal()).await.unwrap();
    let (_noted, id) = noted(under_approval(&ledger, "desk-a", 3).await);
    ledger.record_resolved(id, false, None).await.unwrap();
    assert_eq!(ledger.directives().borrow().approved.len(), 2, "none of these used it up");
    let (_noted, id) = noted(under_approval(&ledger, "desk-a", 4).await);
    ledger.record_resolved(id, true, None).await.unwrap();
    assert_eq!(ledger.directives().borrow().approved, news(&["desk-b"]).0);
    assert_eq!(under_approval(&ledger, "desk-a", 5).await, Note::Braked, "f36: used up");
    assert_eq!(ledger.directives().borrow().counted, []);
    let (_own, _) = noted(note_within(&ledger, "desk-a", Cause::New, 6, 1).await);

    assert_eq!(
        under_approval(&ledger, "desk-b", 24 * HOUR).await,
        Note::Braked,
        "f36: an approval lasts a day"
    );
    tokio::time::advance(minutes(24 * 60)).await;
    ledger.notice().await.unwrap();
    assert_eq!(ledger.directives().borrow().approved, BTreeSet::new());
}

#[tokio::test]
async fn where_an_approval_is_needed_drift_gets_one_set_for_each_whatever_came_of_it() {
    let ledger = Ledger::in_memory(clock()).unwrap();
    register_target(&ledger, "desk-a", 1).await;
    let drift = || Plan([PlanEntry::new(&target("desk-a"), to_hedge(Cause::Drift))].into());
    let reported = async |stamp: i64| {
        let (target, stamp) = (target("desk-a"), ServerTime(START + stamp));
        let change = to_hedge(Cause::Drift);
        ledger.note(&target, change, Generation(1), stamp, Allowance::Approval).await.unwrap()
    };
    let notice = async || {
        let event = Event::new(EventKind::Drift, "somebody changed it").of(&target("desk-a"));
        ledger.drift(&target("desk-a"), event).await.unwrap();
    };
    let is_tried = || ledger.directives().borrow().tried == drift().0;
    let hash = hold(&ledger, &drift()).await;
    notice().await;
    assert_eq!(reported(0).await, Note::Braked, "however much of the budget is left");
    approve(&ledger, &hash).await.unwrap();
    let (left, _) = noted(reported(1).await);
    ledger.withdraw(left, "too late").await.unwrap();
    let (_noted, id) = noted(reported(2).await);
    ledger.record_answer(id, &refusal()).await.unwrap();
    assert!(!is_tried(), "neither has left, or had an effect");
    let (_noted, id) = noted(reported(3).await);
    ledger.record_resolved(id, false, None).await.unwrap();
    assert!(is_tried());
    assert_eq!(reported(4).await, Note::Braked, "it was given one, and that is lost");

    // Approved anew it gets another.
    hold(&ledger, &Plan::default()).await;
    let again = hold(&ledger, &drift()).await;
    approve(&ledger, &again).await.unwrap();
    assert!(!is_tried());
    let (_noted, id) = noted(reported(5).await);
    ledger.record_resolved(id, true, Some(applied(How::Set, 1))).await.unwrap();
    assert_eq!(reported(6).await, Note::Braked, "set back once");

    // What ended by itself needs no approval any more; the next is another drift.
    notice().await;
    hold(&ledger, &Plan::default()).await;
    let third = hold(&ledger, &drift()).await;
    approve(&ledger, &third).await.unwrap();
    ledger.in_sync(&target("desk-a")).await.unwrap();
    assert_eq!(ledger.directives().borrow().approved, BTreeSet::new());
    assert_eq!(reported(7).await, Note::Braked, "another drift");
}

#[tokio::test]
async fn an_approved_set_that_shows_up_late_uses_its_entry_up() {
    for engine in engines() {
        an_approved_set_that_shows_up_late_uses_its_entry_up_there(engine.inline(clock())).await;
    }
}

async fn an_approved_set_that_shows_up_late_uses_its_entry_up_there(ledger: Ledger) {
    let hash = hold(&ledger, &news(&["desk-a"])).await;
    approve(&ledger, &hash).await.unwrap();
    let (_noted, id) = noted(under_approval(&ledger, "desk-a", 0).await);
    ledger.record_resolved(id, false, None).await.unwrap();
    ledger.record_late(id, applied(How::Set, 1)).await.unwrap();
    assert_eq!(under_approval(&ledger, "desk-a", 1).await, Note::Braked);
}

#[tokio::test]
async fn f36_an_approval_names_one_held_plan() {
    for (ledger, _dir) in each().await {
        let visitor = ledger.visitor().unwrap();
        let hash = hold(&ledger, &news(&["desk-a", "desk-b"])).await;
        for unknown in ["", "abcdef", "%%%%%%", &hash[..5], &format!("{hash}0")] {
            let refused = visitor.approve(unknown);
            assert!(matches!(refused, Err(ApproveError::Unknown(_))), "{unknown}: {refused:?}");
        }
        let request = visitor.approve(&hash[..6].to_ascii_uppercase()).unwrap();
        assert!(matches!(visitor.approve(&hash), Err(ApproveError::Used(_))), "before it is acknowledged");
        ledger.notice().await.unwrap();
        assert!(is_acknowledged(&visitor, request));
        assert!(matches!(visitor.approve(&hash), Err(ApproveError::Used(_))));
        let approved = kinds(&ledger);
        assert_eq!(approved, [EventKind::Held, EventKind::Approved]);
    }
}

#[tokio::test]
async fn f36_a_prefix_that_two_held_plans_share_approves_neither() {
    for engine in engines() {
        f36_a_prefix_that_two_held_plans_share_approves_neither_there(engine.inline(clock())).await;
    }
}

async fn f36_a_prefix_that_two_held_plans_share_approves_neither_there(ledger: Ledger) {
    hold(&ledger, &news(&["desk-a"])).await;
    hold(&ledger, &news(&["desk-b"])).await;
    let same = "UPDATE plans SET hash = 'abcdef' || substr(hash, 7)";
    ledger.executor.run(move |store| store.write(|tx, _| Ok(tx.execute(same, params![])?))).await.unwrap();
    let refused = ledger.visitor().unwrap().approve("abcdef");
    assert!(matches!(refused, Err(ApproveError::Ambiguous(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn f36_a_plan_is_approved_within_a_day_of_its_recording_and_recorded_anew_when_still_held() {
    for engine in engines() {
        f36_a_plan_is_approved_within_a_day_of_its_recording_and_recorded_anew_when_still_held_there(
            engine.inline(clock()),
        )
        .await;
    }
}

async fn f36_a_plan_is_approved_within_a_day_of_its_recording_and_recorded_anew_when_still_held_there(
    ledger: Ledger,
) {
    let visitor = ledger.visitor().unwrap();
    let held = news(&["desk-a"]);
    let hash = hold(&ledger, &held).await;
    tokio::time::advance(minutes(24 * 60 - 1)).await;
    hold(&ledger, &held).await;
    tokio::time::advance(minutes(1)).await;
    let refused = approve(&ledger, &hash).await.unwrap_err();
    assert_eq!(
        refused,
        format!("The plan {hash} is more than a day old: see `posmoded status` for what is held now.")
    );
    hold(&ledger, &held).await;
    approve(&ledger, &hash).await.unwrap();
    hold(&ledger, &held).await;
    assert!(matches!(visitor.approve(&hash), Err(ApproveError::Used(_))), "held anew within the day");
    assert_eq!(kinds(&ledger), [EventKind::Held, EventKind::Held, EventKind::Approved]);
}

#[tokio::test]
async fn f36_an_approval_is_stale_once_something_else_is_wanted_but_not_when_the_plan_shrank_or_grew() {
    let first = news(&["desk-a", "desk-b"]);
    let another_cause = plan(&[entry("desk-a", Cause::Drift), entry("desk-b", Cause::New)]);
    for (newest, stale) in [
        (news(&["desk-b"]), false),
        (news(&["desk-a", "desk-b", "desk-c"]), false),
        (news(&["desk-b", "desk-c"]), false),
        (another_cause, true),
        (news(&["desk-c"]), true),
        (news(&[]), true),
    ] {
        let ledger = Ledger::in_memory(clock()).unwrap();
        let hash = hold(&ledger, &first).await;
        hold(&ledger, &newest).await;
        let answer = ledger.visitor().unwrap().approve(&hash);
        ledger.notice().await.unwrap();
        assert_eq!(matches!(answer, Err(ApproveError::Stale(_))), stale, "{newest:?}: {answer:?}");
        let allowed = if stale { BTreeSet::new() } else { first.0.clone() };
        assert_eq!(ledger.visitor().unwrap().directives().unwrap().approved, allowed);
    }
}

#[tokio::test]
async fn a_plan_is_written_once_as_long_as_it_is_the_newest() {
    for engine in engines() {
        a_plan_is_written_once_as_long_as_it_is_the_newest_there(engine.inline(clock())).await;
    }
}

async fn a_plan_is_written_once_as_long_as_it_is_the_newest_there(ledger: Ledger) {
    for held in
        [&news(&[]), &news(&["desk-a"]), &news(&["desk-a"]), &news(&[]), &news(&[]), &news(&["desk-a"])]
    {
        hold(&ledger, held).await;
    }
    let held = all(&ledger);
    assert_eq!(held.len(), 2, "the empty ones are no news");
    let hash = news(&["desk-a"]).hash();
    assert_eq!(held[0].text, format!("1 change was held for an approval, plan {hash}."));
    ledger.visitor().unwrap().approve(&hash).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_is_noticed_though_nobody_writes() {
    for engine in engines() {
        what_ends_by_itself_is_noticed_though_nobody_writes_there(engine.inline(clock())).await;
    }
}

async fn what_ends_by_itself_is_noticed_though_nobody_writes_there(ledger: Ledger) {
    let visitor = ledger.visitor().unwrap();
    let hash = hold(&ledger, &news(&["desk-a"])).await;
    tokio::time::advance(minutes(60)).await;
    approve(&ledger, &hash).await.unwrap();
    tokio::time::advance(minutes(24 * 60 - 1)).await;
    ledger.notice().await.unwrap();
    let directives = ledger.directives();
    assert_eq!(directives.borrow().approved.len(), 1);
    tokio::time::advance(minutes(1)).await;
    assert!(!ledger.notice().await.unwrap());
    assert_eq!(directives.borrow().approved.len(), 0);

    visitor.pause(&[], "upgrade", Some(minutes(60))).unwrap();
    ledger.notice().await.unwrap();
    assert_eq!(directives.borrow().pauses.len(), 1);
    tokio::time::advance(minutes(60)).await;
    assert!(!ledger.notice().await.unwrap());
    assert_eq!(directives.borrow().pauses.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn that_a_pause_ran_out_is_recorded_once_and_not_by_one_witness_of_the_time_alone() {
    let reading = |clock: &Clock, ahead: Duration| ServerClock {
        offset: millis(ahead),
        doubt: Duration::from_millis(50),
        measured: clock.now(),
    };
    let over = |ledger: &Ledger| {
        let over = all(ledger).into_iter().filter(|event| event.kind == EventKind::PauseOver);
        over.map(|event| (event.at, event.text)).collect::<Vec<_>>()
    };
    let (clock, none) = (clock(), Vec::new());
    let ledger = Ledger::in_memory(clock.clone()).unwrap();
    let visitor = ledger.visitor().unwrap().by("alice on pts/3 of trade-01".to_owned());
    visitor.pause(&[], "upgrade", Some(minutes(120))).unwrap();
    ledger.notice().await.unwrap();
    tokio::time::advance(minutes(30)).await;

    // A new process, to which the first answer tells a time that is hours ahead.
    let clock = clock.of_a_new_process();
    let ledger = ledger.restarted(clock.clone()).unwrap();
    clock.hear_exchange(Witness::Time, "time", reading(&clock, minutes(180)));
    ledger.notice().await.unwrap();
    assert_eq!((ledger.directives().borrow().pauses.len(), over(&ledger)), (0, none.clone()));
    clock.hear_exchange(Witness::Signed, "account", reading(&clock, Duration::ZERO));
    clock.hear_exchange(Witness::Time, "time", reading(&clock, Duration::ZERO));
    ledger.notice().await.unwrap();
    assert_eq!(over(&ledger), none, "it was not final");
    tokio::time::advance(minutes(90)).await;
    clock.hear_exchange(Witness::Signed, "account", reading(&clock, minutes(60)));
    ledger.notice().await.unwrap();
    assert_eq!(over(&ledger), none, "a jump that nobody else has seen yet");
    clock.hear_exchange(Witness::Time, "time", reading(&clock, Duration::ZERO));
    ledger.notice().await.unwrap();
    let text = "The pause of all accounts, by alice on pts/3 of trade-01, is over: it was for 2h.";
    let once = vec![(START + 2 * HOUR, text.to_owned())];
    assert_eq!(over(&ledger), once);

    let clock = clock.of_a_new_process();
    let ledger = ledger.restarted(clock.clone()).unwrap();
    for witness in [Witness::Time, Witness::Signed] {
        clock.hear_exchange(witness, "a call", reading(&clock, Duration::ZERO));
    }
    ledger.notice().await.unwrap();
    // One that is lifted before its end never runs out.
    ledger.visitor().unwrap().pause(&[name("desk-a")], "lunch", Some(minutes(5))).unwrap();
    ledger.notice().await.unwrap();
    ledger.visitor().unwrap().resume(&[name("desk-a")]).unwrap();
    tokio::time::advance(minutes(10)).await;
    clock.hear_exchange(Witness::Signed, "a call", reading(&clock, Duration::ZERO));
    ledger.notice().await.unwrap();
    assert_eq!(over(&ledger), once);
}

#[tokio::test]
async fn whatever_another_process_wrote_is_read_again() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    let raw = rusqlite::Connection::open(dir.path().join("posmoded.sqlite")).unwrap();
    raw.execute("INSERT INTO pauses (reason, since) VALUES ('by hand', 1)", []).unwrap();
    assert!(ledger.notice().await.unwrap());
    assert_eq!(ledger.directives().borrow().pauses[0].pause.reason, "by hand");
}

#[tokio::test(start_paused = true)]
async fn f71_pauses_and_approvals_stand_until_the_exchanges_time_says_otherwise() {
    for engine in engines() {
        f71_pauses_and_approvals_stand_until_the_exchanges_time_says_otherwise_there(
            engine.inline(Clock::simulated(START, 1)),
        )
        .await;
    }
}

async fn f71_pauses_and_approvals_stand_until_the_exchanges_time_says_otherwise_there(ledger: Ledger) {
    let clock = ledger.clock.clone();
    let visitor = ledger.visitor().unwrap();
    let request = visitor.pause(&[], "upgrade", Some(minutes(60))).unwrap();
    ledger.notice().await.unwrap();
    assert!(is_acknowledged(&visitor, request), "a pause counts at once");
    clock.set_wall_ahead(5 * 365 * 24 * HOUR);
    tokio::time::advance(minutes(120)).await;
    ledger.notice().await.unwrap();
    assert_eq!(ledger.directives().borrow().pauses.len(), 1);
    assert_eq!(note(&ledger, "desk-a", Cause::New, 10 * HOUR).await, Note::Braked);
    clock.learn_exchange(ServerClock { offset: 0, doubt: Duration::ZERO, measured: clock.now() });
    ledger.notice().await.unwrap();
    let ends = ServerTime(START + 3 * HOUR);
    assert_eq!(
        ledger.directives().borrow().pauses[0].pause.until,
        Some(ends),
        "so long from when it is known"
    );
    visitor.resume(&[]).unwrap();

    let hash = hold(&ledger, &news(&["desk-a"])).await;
    let unheard = ledger.restarted(clock.of_a_new_process()).unwrap();
    let request = unheard.visitor().unwrap().approve(&hash).unwrap();
    unheard.notice().await.unwrap();
    assert_eq!(unheard.visitor().unwrap().answer(&request).unwrap(), None, "it waits for the time");
    clock.set_wall_ahead(0);
    let ledger = unheard.restarted(clock.clone()).unwrap();
    ledger.notice().await.unwrap();
    assert!(is_acknowledged(&ledger.visitor().unwrap(), request));
    clock.set_wall_ahead(25 * HOUR);
    assert_eq!(ledger.visitor().unwrap().directives().unwrap().approved.len(), 1);
    let unheard = ledger.restarted(clock.of_a_new_process()).unwrap();
    assert_eq!(
        unheard.directives().borrow().approved.len(),
        1,
        "what lets a set go stands, too: none goes yet"
    );
}

#[tokio::test(start_paused = true)]
async fn f70_an_event_without_the_exchanges_time_gets_its_date_with_the_next_that_has_it() {
    for engine in engines() {
        f70_an_event_without_the_exchanges_time_gets_its_date_with_the_next_that_has_it_there(
            engine.inline(Clock::simulated(START, 1)),
        )
        .await;
    }
}

async fn f70_an_event_without_the_exchanges_time_gets_its_date_with_the_next_that_has_it_there(
    ledger: Ledger,
) {
    let clock = ledger.clock.clone();
    let event = |text: &'static str| Event::new(EventKind::FileRejected, text);
    let years = 5 * 365 * 24 * HOUR;
    clock.set_wall_ahead(years);
    ledger.event(event("first")).await.unwrap();
    tokio::time::advance(minutes(2)).await;
    ledger.event(event("second")).await.unwrap();
    tokio::time::advance(minutes(3)).await;
    assert_eq!(all(&ledger)[0].at, START + years, "what our own clock says, as long as there is no other");
    clock.learn_exchange(ServerClock { offset: 700, doubt: Duration::ZERO, measured: clock.now() });
    ledger.notice().await.unwrap();
    ledger.event(event("third")).await.unwrap();
    let at: Vec<i64> = all(&ledger).into_iter().map(|event| event.at - START).collect();
    assert_eq!(at, [700, 120_700, 300_700]);

    // A clock that is set in between moves them between their neighbours and not beyond.
    let ledger = ledger.restarted(clock.of_a_new_process()).unwrap();
    tokio::time::advance(minutes(1)).await;
    ledger.event(event("fourth")).await.unwrap();
    clock.set_wall_ahead(0);
    ledger.event(event("fifth")).await.unwrap();
    clock.set_wall_ahead(2 * years);
    let ledger = ledger.restarted(clock.clone()).unwrap();
    ledger.notice().await.unwrap();
    let at: Vec<i64> = all(&ledger).into_iter().map(|event| event.at - START).collect();
    assert_eq!(at, [700, 120_700, 300_700, 300_700, 300_700]);
}

#[tokio::test(start_paused = true)]
async fn f70_a_start_with_the_clock_years_ahead_deletes_nothing() {
    for engine in engines() {
        f70_a_start_with_the_clock_years_ahead_deletes_nothing_there(
            engine.inline(Clock::simulated(START, 1)),
        )
        .await;
    }
}

async fn f70_a_start_with_the_clock_years_ahead_deletes_nothing_there(ledger: Ledger) {
    let clock = ledger.clock.clone();
    let known = || ServerClock { offset: 0, doubt: Duration::ZERO, measured: clock.now() };
    clock.learn_exchange(known());
    ledger.event(Event::new(EventKind::Started, "posmoded started")).await.unwrap();
    let years = 5 * 365 * 24 * HOUR;
    clock.set_wall_ahead(years);
    let wrong = clock.of_a_new_process();
    let ledger = ledger.restarted(wrong.clone()).unwrap();
    for _ in 0..3 {
        tokio::time::advance(minutes(25 * 60)).await;
        ledger.notice().await.unwrap();
    }
    // Nor does an exchange's time that is years ahead, as long as our own clock does not agree.
    clock.set_wall_ahead(0);
    wrong.learn_exchange(ServerClock { offset: years, doubt: Duration::ZERO, measured: wrong.now() });
    ledger.notice().await.unwrap();
    assert_eq!(all(&ledger).len(), 1);
    clock.set_wall_ahead(years);
    tokio::time::advance(minutes(25 * 60)).await;
    ledger.notice().await.unwrap();
    assert_eq!(all(&ledger).len(), 0, "after 400 days by both");
}

/// What a simulated day found: the jump is believed only after the pause was dated by the clock from before it.
#[tokio::test(start_paused = true)]
async fn f71_a_jump_of_the_exchanges_clock_ends_no_pause_before_its_time() {
    for engine in engines() {
        f71_a_jump_of_the_exchanges_clock_ends_no_pause_before_its_time_there(
            engine.inline(Clock::simulated(START, 1)),
        )
        .await;
    }
}

async fn f71_a_jump_of_the_exchanges_clock_ends_no_pause_before_its_time_there(ledger: Ledger) {
    let clock = ledger.clock.clone();
    let offset = |offset| ServerClock { offset, doubt: Duration::ZERO, measured: clock.now() };
    clock.learn_exchange(offset(0));
    register_target(&ledger, "desk-a", 1).await;
    ledger.visitor().unwrap().pause(&[], "upgrade", Some(Duration::from_secs(30))).unwrap();
    ledger.notice().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    clock.learn_exchange(offset(29_000));
    let signed = || clock.exchange_time().unwrap().0 - START;
    for after in [0, 18, 10] {
        tokio::time::advance(Duration::from_secs(after)).await;
        ledger.notice().await.unwrap();
        assert_eq!(note(&ledger, "desk-a", Cause::New, signed()).await, Note::Braked, "{after}");
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    ledger.notice().await.unwrap();
    assert!(matches!(note(&ledger, "desk-a", Cause::New, signed()).await, Note::Noted(..)));
}
