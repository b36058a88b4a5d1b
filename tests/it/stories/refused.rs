//! Refusals: what the exchange or a credential forbids stops one account, with one plain sentence, and nothing else.

use bitget_sim::{ApiKey, Blocker, Fault, FaultKind, Right};
use posmoded::ledger::EventKind;

use super::*;

const A_ACCOUNT: &str = "desk-a account";

#[tokio::test(start_paused = true)]
async fn refused_though_every_list_is_empty_is_tried_again_after_1_then_5_then_every_30_minutes() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Running).unwrap();
    })
    .await;
    line_begins(&world, 2 * MINUTE, A_USDT, "new, refused_though_flat: Every list is empty and yet").await;
    assert!(world.line(A_USDT).contains("look for bots, TWAP and copy orders"), "{}", world.told());
    let refusal = world.history("desk-a").into_iter().find(|event| event.kind == EventKind::Refused).unwrap();
    assert!(
        refusal.text.ends_with("something is open that no list showed: look for bots, TWAP and copy orders")
    );
    let since = |world: &World| world.target(A_USDT).unwrap().since;
    let began = since(&world);
    changed(&world, B_USDT).await;
    world.pass(2 * HOUR).await;
    assert_eq!(since(&world), began, "a try does not begin the wait anew");
    let apart = gaps(&world.sets(DESK_A, USDT));
    let expected = [60, 300, 1800, 1800, 1800];
    assert_eq!(apart.len(), expected.len(), "{apart:?}");
    for (apart, expected) in apart.iter().zip(expected) {
        assert!((expected..expected + 15).contains(apart), "{apart} s instead of {expected}");
    }
    world.exchange(|exchange| exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Absent)).unwrap();
    world.until(31 * MINUTE, "changed", |world| world.is_in_sync(A_USDT)).await;
    world.check_invariants(SETTLE);
}

/// What goes wrong, what mends it, and how the line of the operator begins.
struct Refusal {
    name: &'static str,
    target: &'static str,
    breaks: fn(&World),
    mends: fn(&World),
    line: &'static str,
}

const REFUSALS: [Refusal; 8] = [
    Refusal {
        name: "40731",
        target: A_USDT,
        breaks: |world| world.exchange(|e| e.refuse_sets(DESK_A, Some("40731"))).unwrap(),
        mends: |world| world.exchange(|e| e.refuse_sets(DESK_A, None)).unwrap(),
        line: "new, refused: Bitget answered the call set-position-mode: 40731, the account leads copy trading, which locks its position mode: end its copy trading at Bitget;",
    },
    Refusal {
        name: "40014 at the setter",
        target: A_USDT,
        breaks: |world| world.exchange(|e| e.key_mut("key-desk-a").unwrap().right = Right::Read),
        mends: |world| world.exchange(|e| e.key_mut("key-desk-a").unwrap().right = Right::ReadWrite),
        line: "new, denied: Bitget answered the call set-position-mode: 40014, the key lacks a right: allow it \"futures, read and write\" at Bitget",
    },
    Refusal {
        name: "40014 everywhere",
        target: A_USDT,
        breaks: |world| {
            world.exchange(|e| {
                let key = e.key_mut("key-desk-a").unwrap();
                key.right = Right::Nothing;
                key.reads_info = false;
            });
        },
        mends: |world| {
            world.exchange(|e| {
                let key = e.key_mut("key-desk-a").unwrap();
                key.right = Right::ReadWrite;
                key.reads_info = true;
            });
        },
        line: "unknown, denied: Bitget answered the call account: 40014, the key lacks a right: allow it \"futures, read\" at Bitget",
    },
    Refusal {
        name: "40018",
        target: A_USDT,
        breaks: |world| {
            world.exchange(|e| e.key_mut("key-desk-a").unwrap().refused_with = Some("40018".to_owned()));
        },
        mends: |world| world.exchange(|e| e.key_mut("key-desk-a").unwrap().refused_with = None),
        line: "unknown, denied: Bitget answered the call account: 40018, this host's address is not on the key's IP whitelist",
    },
    Refusal {
        name: "40012",
        target: A_USDT,
        breaks: |world| world.exchange(|e| e.key_mut("key-desk-a").unwrap().passphrase = "another".into()),
        mends: |world| world.exchange(|e| e.add_key(DESK_A, ApiKey::named("desk-a"))).unwrap(),
        line: "unknown, credential: Bitget answered the call account: 40012, the passphrase does not fit the key",
    },
    Refusal {
        name: "40006",
        target: A_ACCOUNT,
        breaks: |world| world.exchange(|e| e.remove_key("key-desk-a")).unwrap(),
        mends: |world| world.exchange(|e| e.add_key(DESK_A, ApiKey::named("desk-a"))).unwrap(),
        line: "unknown, credential: Bitget answered the call settings: 40006, Bitget does not know the key",
    },
    Refusal {
        name: "40013",
        target: A_USDT,
        breaks: |world| {
            world.exchange(|e| e.key_mut("key-desk-a").unwrap().refused_with = Some("40013".to_owned()));
        },
        mends: |world| world.exchange(|e| e.key_mut("key-desk-a").unwrap().refused_with = None),
        line: "unknown, refused: Bitget answered the call account: 40013, the account or its key is restricted",
    },
    Refusal {
        name: "no credential file",
        target: A_ACCOUNT,
        breaks: |world| world.take_key("desk-a", true),
        mends: |world| world.take_key("desk-a", false),
        line: "unknown, credential: There is no credential file for desk-a",
    },
];

async fn refused(refusal: &Refusal) -> World {
    let mut world = World::new(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), 1, desks);
    (refusal.breaks)(&world);
    world.start().await;
    line_begins(&world, 2 * MINUTE, refusal.target, refusal.line).await;
    world.until(MINUTE, "another account goes on", |world| world.is_in_sync(B_USDT)).await;
    assert_eq!(world.status().targets.len(), 2, "{}", world.told());
    let before = world.log().iter().filter(|entry| entry.account == Some(DESK_A)).count();
    world.pass(8 * MINUTE).await;
    let after = world.log().iter().filter(|entry| entry.account == Some(DESK_A)).count();
    let looks = if refusal.target == A_USDT { 12 } else { 2 };
    assert!(after - before <= looks, "{}: {} requests in 8 minutes", refusal.name, after - before);
    assert!(world.line(refusal.target).starts_with(refusal.line), "{}: {}", refusal.name, world.told());
    world
}

#[tokio::test(start_paused = true)]
async fn each_refusal_stops_that_account_only_and_is_tried_again_within_15_minutes() {
    for refusal in &REFUSALS {
        let world = refused(refusal).await;
        (refusal.mends)(&world);
        world.until(9 * MINUTE, refusal.name, |world| world.is_in_sync(A_USDT)).await;
        assert!(world.is_in_sync(B_USDT));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_that_lasts_is_tried_once_in_15_minutes() {
    for refusal in &REFUSALS {
        let world = refused(refusal).await;
        world.pass(HOUR).await;
        let sets = world.sets(DESK_A, USDT);
        assert!(sets.len() <= 5, "{}: {} sets", refusal.name, sets.len());
        assert!(gaps(&sets).iter().all(|gap| *gap >= 15 * 60), "{}: {:?}", refusal.name, gaps(&sets));
        assert!(asked(&world, DESK_A, "account/info") <= 6, "{}", refusal.name);
        assert!(world.line(refusal.target).starts_with(refusal.line), "{}: {}", refusal.name, world.told());
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_tried_again_at_once_on_reload() {
    for refusal in &REFUSALS {
        let world = refused(refusal).await;
        (refusal.mends)(&world);
        world.reload();
        changed(&world, A_USDT).await;
        assert!(world.is_in_sync(B_USDT));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_tried_again_at_once_on_refresh_as_its_sentence_says() {
    for refusal in &REFUSALS {
        let world = refused(refusal).await;
        let line = world.line(refusal.target);
        assert!(line.contains("; then `posmoded refresh desk-a`"), "{line}");
        (refusal.mends)(&world);
        world.refresh("desk-a");
        changed(&world, A_USDT).await;
        assert!(world.is_in_sync(B_USDT));
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_that_lasts_is_tried_once_for_each_refresh() {
    for refusal in &REFUSALS {
        let world = refused(refusal).await;
        let asked = |world: &World| {
            let of_the_account = world.log().into_iter().filter(|entry| entry.account == Some(DESK_A));
            (of_the_account.count(), world.sets(DESK_A, USDT).len())
        };
        for _ in 0..3 {
            let before = asked(&world);
            world.refresh("desk-a");
            // One set at most, after it was flat for `settle` anew.
            world.pass(5 * MINUTE).await;
            let after = asked(&world);
            let sets = after.1 - before.1;
            assert_eq!(sets, usize::from(before.1 > 0), "{}", refusal.name);
            assert!(after.0 - before.0 <= 30, "{}: {} requests", refusal.name, after.0 - before.0);
            assert!(
                world.line(refusal.target).starts_with(refusal.line),
                "{}: {}",
                refusal.name,
                world.told()
            );
        }
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_though_every_list_is_empty_is_tried_once_more_for_each_refresh() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Running).unwrap();
    })
    .await;
    // After 1 and 5 minutes; the next try would be half an hour later.
    let tried = |times: usize| move |world: &World| world.sets(DESK_A, USDT).len() == times;
    world.until(10 * MINUTE, "tried three times", tried(3)).await;
    for times in 4..7 {
        world.pass(2 * MINUTE).await;
        let line = world.line(A_USDT);
        assert!(
            line.contains("copy orders; then `posmoded refresh desk-a` (it is tried again by itself in 2"),
            "it waits for most of half an hour: {line}"
        );
        world.refresh("desk-a");
        world.until(30 * SECOND, "tried again", tried(times)).await;
        world.pass(MINUTE).await;
        assert_eq!(world.sets(DESK_A, USDT).len(), times, "once for each refresh");
    }
    world.exchange(|exchange| exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Absent)).unwrap();
    world.refresh("desk-a");
    world.until(30 * SECOND, "changed", |world| world.is_in_sync(A_USDT)).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_refused_while_running_is_read_again_on_reload() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    changed(&world, A_USDT).await;
    world.exchange(|exchange| exchange.remove_key("key-desk-a")).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "in_sync, credential").await;
    line_begins(&world, 4 * MINUTE, A_USDT, "unknown, credential").await;
    world.exchange(|exchange| exchange.add_key(DESK_A, ApiKey::named("desk-a"))).unwrap();
    world.reload();
    world.until(5 * SECOND, "as before", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(all_sets(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_operators_see_of_a_target_and_what_was_counted() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.set_hidden_blocker(DESK_B, USDT, Blocker::Running).unwrap();
    })
    .await;
    changed(&world, A_USDT).await;
    line_begins(&world, MINUTE, B_USDT, "new, refused_though_flat").await;
    world.pass(10 * MINUTE).await;
    let before = world.target(B_USDT).unwrap();
    world.reload();
    for _ in 0..100 {
        world.pass(Duration::from_millis(50)).await;
        assert!(world.target(A_USDT).is_some() && world.target(B_USDT).is_some(), "{}", world.told());
    }
    assert_eq!(world.target(A_USDT).unwrap().counts.confirmed, 1);
    let after = world.target(B_USDT).unwrap();
    assert_eq!(after.out_of_sync_since, before.out_of_sync_since);
    assert_eq!(after.counts.refused, before.counts.refused);
    assert!(count(&world.history("desk-a"), EventKind::Released) == 0);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_missing_credential_file_that_comes_back_is_found_within_15_minutes_whatever_else_happens() {
    let mut world = World::new(&file(&[("desk-a", HEDGE), ("desk-b", HEDGE)]), 1, desks);
    world.take_key("desk-a", true);
    world.start().await;
    line_begins(&world, 15 * SECOND, A_ACCOUNT, "unknown, credential").await;
    world.take_key("desk-a", false);
    // Something that every keeper is told of happens every ten minutes.
    for round in 0..4 {
        let mode = if round % 2 == 0 { ONE_WAY } else { HEDGE };
        world.pass(10 * MINUTE).await;
        world.visitor().pause(&["desk-b".parse().unwrap()], mode, None).unwrap();
    }
    assert!(world.is_in_sync(A_USDT), "{}", world.told());
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_account_than_the_pinned_one_changes_nothing() {
    let world = World::started(&file(&[("desk-a", ONE_WAY)]), desks).await;
    world.until(2 * MINUTE, "pinned", |world| count(&world.history("desk-a"), EventKind::Pinned) == 1).await;
    world.exchange(|exchange| exchange.add_key(DESK_B, ApiKey::named("desk-a"))).unwrap();
    world.write(&file(&[("desk-a", HEDGE)]));
    world.reload();
    let wrong = "wrong_account: The key belongs to account 1002, and this name has belonged to account 1001";
    line_begins(&world, 15 * SECOND, A_USDT, &format!("pending, {wrong}")).await;
    world.pass(2 * HOUR).await;
    assert!(world.line(A_USDT).starts_with(&format!("unknown, {wrong}")), "{}", world.told());
    assert_eq!(all_sets(&world), []);
    assert!(asked(&world, DESK_B, "account/info") <= 2, "looked at again only when told to");
    world.exchange(|exchange| exchange.add_key(DESK_A, ApiKey::named("desk-a"))).unwrap();
    world.reload();
    changed(&world, A_USDT).await;
    assert_eq!(world.sets(DESK_A, USDT).len(), 1);
    assert_eq!(world.sets(DESK_B, USDT).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_right_key_in_place_of_another_accounts_is_read_on_refresh() {
    let world = World::started(&file(&[("desk-a", ONE_WAY)]), desks).await;
    world.until(2 * MINUTE, "pinned", |world| count(&world.history("desk-a"), EventKind::Pinned) == 1).await;
    world.give_key("desk-a", "desk-b");
    world.write(&file(&[("desk-a", HEDGE)]));
    world.reload();
    let wrong = "wrong_account: The key belongs to account 1002";
    world.until(15 * SECOND, wrong, |world| world.line(A_USDT).contains(wrong)).await;
    world.give_key("desk-a", "desk-a");
    world.refresh("desk-a");
    changed(&world, A_USDT).await;
    assert_eq!((world.sets(DESK_A, USDT).len(), all_sets(&world).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn two_names_for_one_account_are_both_told_and_neither_changes_anything_any_more() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-x", ONE_WAY)]), |exchange| {
        desks(exchange);
        exchange.add_key(DESK_A, ApiKey::named("desk-x")).unwrap();
    })
    .await;
    world.pass(2 * MINUTE).await;
    let told = world.told();
    assert_eq!(
        told.matches("wrong_account: The key belongs to account 1001, and so does that of desk-").count(),
        2,
        "{told}"
    );
    assert!(world.sets(DESK_A, USDT).len() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_nobody_foresaw_is_shown_with_its_message_and_asked_again_slowly() {
    let odd = FaultKind::Code { status: 400, code: "98765".to_owned() };
    let world = World::started(&file(&[("desk-a", HEDGE)]), |exchange| {
        desks(exchange);
        exchange.inject(Fault::always(odd).on("account/account"));
    })
    .await;
    line_begins(&world, 15 * SECOND, A_USDT, "unknown, unexpected: Bitget answered the call account: 98765")
        .await;
    assert!(world.line(A_USDT).contains("The answer: code 98765, \""), "{}", world.told());
    world.pass(30 * MINUTE).await;
    assert!(asked(&world, DESK_A, "account/account") <= 8);
    world.exchange(bitget_sim::Exchange::clear_faults);
    world.until(6 * MINUTE, "as usual", |world| world.is_in_sync(A_USDT)).await;
}
