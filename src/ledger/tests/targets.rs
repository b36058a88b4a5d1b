//! Targets, identities of accounts, revisions, cool-downs and events.

use super::*;
use crate::facts::Identity;
use crate::moment::Moment;
use crate::position_mode::KeyId;

#[tokio::test]
async fn adopted_and_external_modes_are_kept_with_how_they_came() {
    for (ledger, dir) in each().await {
        register_target(&ledger, "desk-a", 1).await;
        ledger.record_applied(&target("desk-a"), applied(How::Adopted, 1), None).await.unwrap();
        ledger
            .record_applied(&target("desk-a"), applied(How::External, 1), Some(PositionMode::OneWay))
            .await
            .unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(register_target(&ledger, "desk-a", 2).await.applied, Some(applied(How::External, 1)));
        let story = all(&ledger);
        assert_eq!((story[0].kind, story[0].how), (EventKind::Adopted, Some(How::Adopted)));
        assert_eq!((story[1].kind, story[1].from), (EventKind::External, Some(PositionMode::OneWay)));
        let map = ledger.visitor().unwrap().applied().unwrap();
        assert_eq!(map, BTreeMap::from([(target("desk-a"), applied(How::External, 1))]));
    }
}

#[tokio::test]
async fn f35_a_released_target_is_forgotten_but_its_unresolved_set_is_not() {
    for (ledger, dir) in each().await {
        for words in ["desk-a", "desk-a COIN-FUTURES", "desk-b"] {
            register_target(&ledger, words, 1).await;
            ledger.record_applied(&target(words), applied(How::Adopted, 1), None).await.unwrap();
        }
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::Pending, 0).await);
        ledger.record_answer(id, &SetAnswer::unclear("timed out")).await.unwrap();
        let keep = BTreeSet::from(["COIN-FUTURES".parse().unwrap()]);
        ledger.release(&name("desk-a"), Some(&keep)).await.unwrap();
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(ledger.accounts().await.unwrap(), BTreeSet::from([name("desk-a"), name("desk-b")]));
        let kept = register_target(&ledger, "desk-a COIN-FUTURES", 2).await;
        assert!(kept.applied.is_some());
        ledger.release(&name("desk-a"), None).await.unwrap();
        assert_eq!(ledger.accounts().await.unwrap(), BTreeSet::from([name("desk-b")]));

        // What is learned of it now is not recorded, and no error.
        ledger.record_applied(&target("desk-a COIN-FUTURES"), applied(How::Adopted, 1), None).await.unwrap();
        assert_eq!(ledger.visitor().unwrap().applied().unwrap().len(), 1);

        let back = register_target(&ledger, "desk-a", 3).await;
        assert_eq!((back.applied, back.intent.map(|intent| intent.id)), (None, Some(id)));
        let released: Vec<_> = all(&ledger)
            .into_iter()
            .filter(|event| event.kind == EventKind::Released)
            .map(|event| (event.account.unwrap(), event.scope.unwrap().as_str()))
            .collect();
        assert_eq!(released, [(name("desk-a"), "USDT-FUTURES"), (name("desk-a"), "COIN-FUTURES")]);
    }
}

#[tokio::test]
async fn the_kind_is_kept_and_a_conversion_is_on_record_with_the_targets_that_it_ends() {
    for (ledger, dir) in each().await {
        let (account, product) = (name("desk-a"), target("desk-a"));
        let whole = Target { account: account.clone(), scope: Scope::Account };
        ledger.record_kind(&account, Kind::Classic).await.unwrap();
        ledger.record_kind(&account, Kind::Classic).await.unwrap();
        register_target(&ledger, "desk-a", 1).await;
        let (_noted, id) = noted(note(&ledger, "desk-a", Cause::New, 7).await);
        ledger.record_answer(id, &SetAnswer::unclear("timed out")).await.unwrap();
        let classic = BTreeSet::from([product.scope]);
        assert_eq!(ledger.release(&account, Some(&classic)).await.unwrap(), None);

        ledger.record_kind(&account, Kind::Unified).await.unwrap();
        let unified = BTreeSet::from([Scope::Account]);
        let stamp = Some(ServerTime(START + 7));
        assert_eq!(
            ledger.release(&account, Some(&unified)).await.unwrap(),
            stamp,
            "it may still take effect"
        );
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(*ledger.directives().borrow().kinds, BTreeMap::from([(account.clone(), Kind::Unified)]));
        assert_eq!(ledger.release(&account, Some(&unified)).await.unwrap(), stamp);
        ledger.register_target(&whole, Some(PositionMode::Hedge), Generation(1)).await.unwrap();

        ledger.record_kind(&account, Kind::Classic).await.unwrap();
        assert_eq!(ledger.release(&account, Some(&classic)).await.unwrap(), None);
        assert_eq!(register_target(&ledger, "desk-a", 1).await.intent.map(|intent| intent.id), Some(id));
        let told = all(&ledger);
        let told =
            told.iter().filter(|event| matches!(event.kind, EventKind::Converted | EventKind::Released));
        let told: Vec<&str> = told.map(|event| event.text.as_str()).collect();
        let released =
            "Its account is of another kind now: it is forgotten here, and nothing is sent for it.";
        let converted = [
            "It was a classic account and is a unified one now: its modes are compared anew.",
            "It was a unified account and is a classic one now: its modes are compared anew.",
        ];
        assert_eq!(told, [converted[0], released, converted[1], released]);
        ledger.release(&account, None).await.unwrap();
        assert!(ledger.directives().borrow().kinds.is_empty());
    }
}

#[tokio::test]
async fn the_first_look_pins_a_uid_and_later_ones_are_held_against_it() {
    for (ledger, dir) in each().await {
        let (one, two) = (Uid("100".to_owned()), Uid("200".to_owned()));
        assert_eq!(ledger.pin(&name("desk-a"), &one, &KeyId::of("key")).await.unwrap(), Pinned::New);
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(ledger.pin(&name("desk-a"), &one, &KeyId::of("key")).await.unwrap(), Pinned::Same);
        let changed = Pinned::Changed { was: one.clone() };
        assert_eq!(ledger.pin(&name("desk-a"), &two, &KeyId::of("key")).await.unwrap(), changed);
        assert_eq!(
            ledger.pin(&name("desk-a"), &two, &KeyId::of("key")).await.unwrap(),
            changed,
            "not pinned anew"
        );
    }
}

#[tokio::test]
async fn of_every_identity_the_daemon_knows_what_is_on_record_though_it_reads_only_one_at_a_time() {
    for (ledger, dir) in each().await {
        let uid = |number: u32| Uid((100 + number).to_string());
        for step in 0..40_u32 {
            let account = name(["desk-a", "desk-b", "desk-c"][step as usize % 3]);
            match step % 7 {
                0 | 4 => {
                    ledger.pin(&account, &uid(step % 4 / 2), &KeyId::of(&step.to_string())).await.unwrap();
                }
                1 | 5 => ledger
                    .record_kind(&account, [Kind::Classic, Kind::Unified][step as usize % 2])
                    .await
                    .unwrap(),
                2 => drop(ledger.release(&account, None).await.unwrap()),
                3 => drop(ledger.release(&account, Some(&BTreeSet::new())).await.unwrap()),
                _ => ledger.release_the_gone(&account, Generation(1)).await.unwrap(),
            }
            same_identities(&ledger);
        }
        same_identities(&restart(ledger, dir.as_ref()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_whose_commit_nobody_knows_of_is_read_with_the_next_one() {
    let clock = clock();
    let company = Company::new(clock.clone());
    let ledger = Ledger::in_memory(clock.clone()).unwrap().among(&company, "trade-01", clock).unwrap();
    company.reaches("trade-01", Reach::EndsInACommit);
    let lost = ledger.record_kind(&name("desk-a"), Kind::Unified).await.unwrap_err();
    assert!(matches!(lost, LedgerError::Unknown { .. }), "{lost}");
    assert!(ledger.directives().borrow().kinds.is_empty());
    company.reaches("trade-01", Reach::Answers);
    // Of another account.
    ledger.record_kind(&name("desk-b"), Kind::Classic).await.unwrap();
    assert_eq!(ledger.directives().borrow().kinds.len(), 2);
    same_identities(&ledger);
}

/// Those that the daemon knows are those on record.
#[track_caller]
fn same_identities(ledger: &Ledger) {
    let told = ledger.directives().borrow().clone();
    let recorded = ledger.visitor().unwrap().directives().unwrap();
    assert_eq!((&told.pins, &told.kinds), (&recorded.pins, &recorded.kinds));
}

#[tokio::test]
async fn two_names_for_one_account_are_both_told_of_and_neither_is_set() {
    for (ledger, dir) in each().await {
        let (one, two) = (Uid("100".to_owned()), Uid("200".to_owned()));
        for account in ["desk-a", "desk-b"] {
            assert_eq!(ledger.pin(&name(account), &one, &KeyId::of("key")).await.unwrap(), Pinned::New);
        }
        let ledger = restart(ledger, dir.as_ref()).await;
        let both = BTreeMap::from([(name("desk-a"), name("desk-b")), (name("desk-b"), name("desk-a"))]);
        assert_eq!(shared(&ledger), both);
        for account in ["desk-a", "desk-b"] {
            let target = target(account);
            let change = Change { from: PositionMode::OneWay, to: PositionMode::Hedge, cause: Cause::New };
            let note = ledger.note(&target, change, Generation(1), ServerTime(1_000), 9).await.unwrap();
            assert_eq!(note, Note::Braked, "{account}");
        }

        assert_eq!(
            ledger.pin(&name("desk-b"), &two, &KeyId::of("key")).await.unwrap(),
            Pinned::New,
            "it got the right key"
        );
        assert_eq!(shared(&ledger), BTreeMap::new());
        let changed = Pinned::Changed { was: two };
        assert_eq!(
            ledger.pin(&name("desk-b"), &one, &KeyId::of("key")).await.unwrap(),
            changed,
            "and keeps to it"
        );

        ledger.release(&name("desk-a"), None).await.unwrap();
        assert_eq!(
            ledger.pin(&name("desk-c"), &one, &KeyId::of("key")).await.unwrap(),
            Pinned::New,
            "renamed in the file"
        );
        assert_eq!(shared(&ledger), BTreeMap::new());
    }
}

#[tokio::test]
async fn f10_the_same_content_keeps_its_generation_and_only_the_newest_is_kept() {
    for (ledger, dir) in each().await {
        assert_eq!(ledger.last_good().await.unwrap(), None);
        assert_eq!(accept(&ledger, "aa", b"one", Some("c0ffee")).await.unwrap(), Generation(1));
        assert_eq!(accept(&ledger, "aa", b"one", None).await.unwrap(), Generation(1));
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(accept(&ledger, "aa", b"one", None).await.unwrap(), Generation(1));
        assert_eq!(accept(&ledger, "bb", b"two", None).await.unwrap(), Generation(2));
        assert_eq!(accept(&ledger, "aa", b"one", Some("beef")).await.unwrap(), Generation(3));
        let last = ledger.last_good().await.unwrap().unwrap();
        assert_eq!((last.generation, last.sha256.as_str()), (Generation(3), "aa"));
        assert_eq!((last.commit.as_deref(), last.bytes.as_slice()), (Some("beef"), b"one".as_slice()));
        assert_eq!(kinds(&ledger), [EventKind::Revision; 3]);
        assert_eq!(ledger.visitor().unwrap().last_good().unwrap(), Some(last));
    }
}

#[tokio::test(start_paused = true)]
async fn cool_downs_stand_until_they_are_over_and_the_longer_one_counts() {
    for engine in engines() {
        cool_downs_stand_until_they_are_over_and_the_longer_one_counts_there(engine.inline(clock())).await;
    }
}

async fn cool_downs_stand_until_they_are_over_and_the_longer_one_counts_there(ledger: Ledger) {
    ledger.cool_down("uid 100 set", false, START + 5_000).await.unwrap();
    ledger.cool_down("uid 100 set", false, START + 3_000).await.unwrap();
    ledger.cool_down("ip", true, START + 1_000).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let standing = BTreeMap::from([("uid 100 set".to_owned(), START + 5_000)]);
    assert_eq!(ledger.cool_downs().await.unwrap(), standing);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(ledger.cool_downs().await.unwrap(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn history_is_filtered_by_account_time_and_number_and_is_one_json_object_each() {
    for engine in engines() {
        history_is_filtered_by_account_time_and_number_and_is_one_json_object_each_there(
            engine.inline(clock()),
        )
        .await;
    }
}

async fn history_is_filtered_by_account_time_and_number_and_is_one_json_object_each_there(ledger: Ledger) {
    ledger.event(Event::new(EventKind::Started, "posmoded started.")).await.unwrap();
    ledger.event(Event::new(EventKind::Drift, "Changed.").of(&target("desk-a"))).await.unwrap();
    tokio::time::advance(minutes(1)).await;
    ledger.event(Event::new(EventKind::FileRejected, "Line 3.").of_account(&name("desk-b"))).await.unwrap();
    let told = async |accounts: &[&str], since_wall, limit| {
        let accounts = accounts.iter().map(|account| name(account)).collect();
        let filter = HistoryFilter { accounts, since_wall, until_wall: None, limit };
        let events = ledger.visitor().unwrap().history(&filter).unwrap();
        events.into_iter().map(|event| event.text).collect::<Vec<_>>()
    };
    assert_eq!(told(&[], None, 10).await, ["posmoded started.", "Changed.", "Line 3."]);
    assert_eq!(told(&[], None, 2).await, ["Changed.", "Line 3."]);
    assert_eq!(told(&["desk-a"], None, 10).await, ["Changed."]);
    assert_eq!(told(&["desk-a", "desk-b"], Some(START + 1), 10).await, ["Line 3."]);
    let json = serde_json::to_value(&all(&ledger)[2]).unwrap();
    assert_eq!(json["event"], "file_rejected");
    assert_eq!((json["at"].as_str(), json["scope"].is_null()), (Some("2025-11-13T02:14:20Z"), true));
}

#[tokio::test(start_paused = true)]
async fn events_are_forgotten_after_400_days_while_running_and_at_the_start() {
    for engine in engines() {
        events_are_forgotten_after_400_days_while_running_and_at_the_start_there(engine.inline(clock()))
            .await;
    }
}

async fn events_are_forgotten_after_400_days_while_running_and_at_the_start_there(ledger: Ledger) {
    ledger.event(Event::new(EventKind::Started, "old")).await.unwrap();
    tokio::time::advance(minutes(399 * 24 * 60)).await;
    ledger.event(Event::new(EventKind::Drift, "newer")).await.unwrap();
    ledger.notice().await.unwrap();
    assert_eq!(all(&ledger).len(), 2);
    tokio::time::advance(minutes(2 * 24 * 60)).await;
    ledger.notice().await.unwrap();
    assert_eq!(kinds(&ledger), [EventKind::Drift]);
    let far = Clock::simulated(START + 900 * 24 * HOUR, 1);
    let later = ledger.restarted(far.clone()).unwrap();
    assert_eq!(kinds(&later), [EventKind::Drift], "f70: not before the exchange says how late it is");
    far.learn_exchange(ServerClock { offset: 0, doubt: Duration::ZERO, measured: far.now() });
    later.notice().await.unwrap();
    assert_eq!(kinds(&later), []);
}

/// The names that share an account, each with the first of the others.
fn shared(ledger: &Ledger) -> BTreeMap<AccountName, AccountName> {
    let pins = ledger.directives().borrow().pins.clone();
    let nameless =
        Identity { uid: None, kind: Kind::Classic, uid_right: "read", warnings: Vec::new(), at: Moment(0) };
    let other = |name: &AccountName| pins.claims(name, None, &nameless, None).shared_with.cloned();
    let names = ["desk-a", "desk-b", "desk-c"].map(name);
    names.into_iter().filter_map(|name| Some((name.clone(), other(&name)?))).collect()
}
