//! The transitions of an intent, and what a restart finds of it.

use super::*;
use crate::facts::LateSet;
use crate::position_mode::ProductType;

#[tokio::test]
async fn a_set_that_a_read_confirms_is_applied_and_its_story_is_told() {
    for (ledger, dir) in each().await {
        register_target(&ledger, "desk-a", 1).await;
        let (noted, id) = noted(note(&ledger, "desk-a", Cause::Pending, 7).await);
        assert_eq!(
            (noted.id(), noted.mode(), noted.stamp()),
            (id, PositionMode::Hedge, ServerTime(START + 7))
        );
        ledger.record_answer(id, &SetAnswer::Accepted).await.unwrap();
        ledger.record_confirmed(id, Some(applied(How::Set, 1))).await.unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        let kept = register_target(&ledger, "desk-a", 1).await;
        let wanted = Some(applied(How::Set, 1));
        assert_eq!(
            kept,
            TargetRecord {
                applied: wanted,
                intent: None,
                corrections: vec![],
                may_come_late: None,
                lost: 0,
                out_of_sync: OutOfSync::default(),
                is_unknown: false,
            }
        );
        let story = all(&ledger);
        let told: Vec<(EventKind, &str)> =
            story.iter().map(|event| (event.kind, event.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    EventKind::Noted,
                    "A set to hedge_mode is about to leave (pending); the mode is one_way_mode."
                ),
                (EventKind::Accepted, "The exchange accepted the set."),
                (EventKind::Confirmed, "A read shows hedge_mode: the set took effect."),
            ]
        );
        assert_eq!(story[0].account, Some(name("desk-a")));
        assert_eq!(story[0].scope, Some("USDT-FUTURES".parse().unwrap()));
        assert_eq!(story[0].generation, Some(Generation(1)));
        assert_eq!(story[0].cause, Some(Cause::Pending));
        assert_eq!((story[0].from, story[0].to), (Some(PositionMode::OneWay), Some(PositionMode::Hedge)));
        assert!((story[0].at - START).abs() < HOUR);
    }
}

#[tokio::test]
async fn f30_what_a_dead_process_left_noted_or_accepted_is_unclear_for_the_next() {
    for answer in [None, Some(SetAnswer::Accepted), Some(SetAnswer::unclear("timed out"))] {
        for (ledger, dir) in each().await {
            register_target(&ledger, "desk-a", 1).await;
            let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 7).await);
            if let Some(answer) = &answer {
                ledger.record_answer(id, answer).await.unwrap();
            }
            let ledger = restart(ledger, dir.as_ref()).await;
            let intent = register_target(&ledger, "desk-a", 1).await.intent.unwrap();
            assert_eq!(intent.id, id);
            assert_eq!(
                (intent.state, intent.stamp),
                (IntentState::of_another_process(), ServerTime(START + 7))
            );
            assert_eq!(intent.change, to_hedge(Cause::New));
            assert_eq!(note(&ledger, "desk-a", Cause::New, 60_000).await, Note::Braked);
            assert_eq!(kinds(&ledger).last(), Some(&EventKind::Unclear));
            ledger.record_resolved(id, true, Some(applied(How::Set, 1))).await.unwrap();
            assert_eq!(register_target(&ledger, "desk-a", 1).await.intent, None);
            let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 60_000).await);
        }
    }
}

#[tokio::test]
async fn one_target_has_one_unresolved_set_and_others_are_free() {
    for (ledger, _dir) in each().await {
        let (_first, id) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
        assert_eq!(note(&ledger, "desk-a", Cause::New, 1).await, Note::Braked);
        let (other, _) = noted(note(&ledger, "desk-a COIN-FUTURES", Cause::New, 1).await);
        ledger.withdraw(other, "the file changed").await.unwrap();
        ledger.record_answer(id, &SetAnswer::Accepted).await.unwrap();
        assert_eq!(note(&ledger, "desk-a", Cause::New, 2).await, Note::Braked);
        ledger.record_unconfirmed(id).await.unwrap();
        assert_eq!(note(&ledger, "desk-a", Cause::New, 3).await, Note::Braked);
        ledger.record_resolved(id, false, None).await.unwrap();
        let (_again, _) = noted(note(&ledger, "desk-a", Cause::New, 4).await);
        let told: Vec<String> = all(&ledger).into_iter().map(|event| event.text).collect();
        assert_eq!(told[2], "The set did not leave: the file changed");
        assert_eq!(told[4], "The exchange accepted the set, but no read showed it within 10s.");
        assert_eq!(told[5], "The set had no effect: a read does not show hedge_mode.");
    }
}

#[tokio::test]
async fn a_refusal_closes_the_intent_with_code_and_words_on_one_line() {
    for engine in engines() {
        a_refusal_closes_the_intent_with_code_and_words_on_one_line_there(engine.inline(clock())).await;
    }
}

async fn a_refusal_closes_the_intent_with_code_and_words_on_one_line_there(ledger: Ledger) {
    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
    ledger.record_answer(id, &refusal()).await.unwrap();
    let (_next, id) = noted(note(&ledger, "desk-a", Cause::New, 1).await);
    ledger.record_answer(id, &SetAnswer::unclear("502\nBad\tGateway")).await.unwrap();
    let told: Vec<String> = all(&ledger).into_iter().map(|event| event.text).collect();
    assert_eq!(told[1], "The exchange refused the set (40731): The exchange does not allow it.");
    assert_eq!(told[3], "The set left and no usable answer came back: 502 Bad Gateway");
}

#[tokio::test]
async fn f31_a_set_that_seemed_lost_is_recognised_once_when_it_shows_up_late() {
    for (ledger, dir) in each().await {
        register_target(&ledger, "desk-a", 1).await;
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Pending, 7).await);
        ledger.record_answer(id, &SetAnswer::unclear("timed out")).await.unwrap();
        assert_eq!(register_target(&ledger, "desk-a", 1).await.may_come_late, None);
        ledger.record_resolved(id, false, None).await.unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        let lost = register_target(&ledger, "desk-a", 1).await.may_come_late.unwrap();
        let (stamp, generation) = (ServerTime(START + 7), Generation(1));
        let cause = Cause::Pending;
        assert_eq!(lost, LateSet { id, mode: PositionMode::Hedge, cause, stamp, generation });
        let late = applied(How::Set, 1);
        ledger.record_late(id, late).await.unwrap();
        let kept = register_target(&ledger, "desk-a", 1).await;
        assert_eq!((kept.applied, kept.may_come_late), (Some(late), None));
        assert!(ledger.record_late(id, applied(How::Set, 1)).await.unwrap_err().is_fault());
        assert_eq!(kinds(&ledger).last(), Some(&EventKind::Late));
    }
}

#[tokio::test]
async fn an_answer_that_could_not_be_written_does_not_stand_in_the_way_of_what_a_read_shows() {
    for engine in engines() {
        an_answer_that_could_not_be_written_does_not_stand_in_the_way_of_what_a_read_shows_there(
            engine.inline(clock()),
        )
        .await;
    }
}

async fn an_answer_that_could_not_be_written_does_not_stand_in_the_way_of_what_a_read_shows_there(
    ledger: Ledger,
) {
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
    ledger.record_confirmed(id, Some(applied(How::Set, 1))).await.unwrap();
    assert!(register_target(&ledger, "desk-a", 1).await.applied.is_some());
    let (_noted, id) = noted(note(&ledger, "desk-b", Cause::New, 0).await);
    ledger.record_unconfirmed(id).await.unwrap();
    ledger.record_resolved(id, true, None).await.unwrap();
    let (_noted, id) = noted(note(&ledger, "desk-c", Cause::New, 0).await);
    ledger.record_resolved(id, false, None).await.unwrap();
}

#[tokio::test]
async fn calls_out_of_turn_are_faults_and_change_nothing() {
    for (ledger, _dir) in each().await {
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
        ledger.record_answer(id, &SetAnswer::Accepted).await.unwrap();
        let before = all(&ledger);
        let second = ledger.record_answer(id, &refusal()).await.unwrap_err();
        assert!(second.is_fault());
        assert_eq!(
            second.to_string(),
            "This is a fault in posmoded, please report it: intent 1 is Accepted and cannot become Refused."
        );
        assert!(ledger.record_late(id, applied(How::Set, 1)).await.unwrap_err().is_fault());
        assert!(ledger.record_confirmed(IntentId(99), None).await.unwrap_err().is_fault());
        assert!(
            ledger
                .record_applied(&target("desk-a"), applied(How::Set, 1), None)
                .await
                .unwrap_err()
                .is_fault()
        );
        assert_eq!(all(&ledger), before);
        ledger.record_confirmed(id, None).await.unwrap();
        for closed in [ledger.record_confirmed(id, None).await, ledger.record_resolved(id, false, None).await]
        {
            assert!(closed.unwrap_err().is_fault());
        }
    }
}

#[tokio::test]
async fn corrections_of_drift_count_from_the_revision_that_changed_the_target_or_the_resume() {
    for engine in engines() {
        corrections_of_drift_count_from_the_revision_that_changed_the_target_or_the_resume_there(
            engine.inline(clock()),
        )
        .await;
    }
}

async fn corrections_of_drift_count_from_the_revision_that_changed_the_target_or_the_resume_there(
    ledger: Ledger,
) {
    register_target(&ledger, "desk-a", 1).await;
    for stamp in [1, 2] {
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Drift, stamp).await);
        ledger.record_answer(id, &SetAnswer::Accepted).await.unwrap();
        ledger.record_confirmed(id, None).await.unwrap();
    }
    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Drift, 3).await);
    ledger.record_answer(id, &refusal()).await.unwrap();
    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Pending, 4).await);
    ledger.record_resolved(id, true, None).await.unwrap();
    let two = [ServerTime(START + 1), ServerTime(START + 2)];
    assert_eq!(register_target(&ledger, "desk-a", 1).await.corrections, two);
    assert_eq!(
        register_target(&ledger, "desk-a", 2).await.corrections,
        two,
        "a revision that does not change it"
    );

    ledger.visitor().unwrap().resume(&[name("desk-b")]).unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 2).await.corrections, two, "another account");
    ledger.visitor().unwrap().resume(&[name("desk-a")]).unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 2).await.corrections, []);

    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Drift, 5).await);
    ledger.record_resolved(id, true, None).await.unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 2).await.corrections, [ServerTime(START + 5)]);
    let one_way = Some(PositionMode::OneWay);
    let changed = ledger.register_target(&target("desk-a"), one_way, Generation(3)).await.unwrap();
    assert_eq!(changed.corrections, [], "f22: the revision changes it");
}

#[tokio::test]
async fn f21_a_conversion_that_is_taken_back_does_not_make_corrections_count_anew_and_leaving_the_file_does()
{
    for engine in engines() {
        f21_a_conversion_that_is_taken_back_does_not_make_corrections_count_anew_and_leaving_the_file_does_there(engine.inline(clock())).await;
    }
}

async fn f21_a_conversion_that_is_taken_back_does_not_make_corrections_count_anew_and_leaving_the_file_does_there(
    ledger: Ledger,
) {
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Drift, 1).await);
    ledger.record_resolved(id, true, None).await.unwrap();
    let whole = BTreeSet::from([Scope::Account]);
    ledger.release(&name("desk-a"), Some(&whole)).await.unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 2).await.corrections, [ServerTime(START + 1)]);
    let coin = BTreeSet::from([Scope::Product(ProductType::CoinFutures)]);
    ledger.release(&name("desk-a"), Some(&coin)).await.unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 3).await.corrections, [], "it had left the file");
    ledger.release(&name("desk-a"), Some(&whole)).await.unwrap();
    ledger.release(&name("desk-a"), None).await.unwrap();
    assert_eq!(register_target(&ledger, "desk-a", 4).await.corrections, []);
}

#[tokio::test]
async fn i3_a_newer_revision_refuses_a_note_that_has_not_heard_of_it() {
    for (ledger, _dir) in each().await {
        let first = accept(&ledger, "aa", b"one", None).await.unwrap();
        let second = accept(&ledger, "bb", b"two", None).await.unwrap();
        register_target(&ledger, "desk-a", second.0).await;
        let target = Target { account: name("desk-a"), scope: "USDT-FUTURES".parse().unwrap() };
        let stamp = ServerTime(START + 7);
        let old = ledger.note(&target, to_hedge(Cause::New), first, stamp, 3).await.unwrap();
        assert_eq!(old, Note::Braked);
        let new = ledger.note(&target, to_hedge(Cause::New), second, stamp, 3).await.unwrap();
        assert!(matches!(new, Note::Noted(..)));
    }
}
