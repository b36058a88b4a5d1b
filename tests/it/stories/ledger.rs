//! A ledger that cannot be written: no note, no set; and everything goes on once it can.

use bitget_sim::PosMode;
use posmoded::ledger::EventKind;

use super::*;

const REFUSES_NOTES: &str =
    "CREATE TRIGGER trouble BEFORE INSERT ON intents BEGIN SELECT RAISE(ABORT, 'disk trouble'); END";
const REFUSES_ANSWERS: &str =
    "CREATE TRIGGER trouble BEFORE UPDATE ON intents BEGIN SELECT RAISE(ABORT, 'disk trouble'); END";
const REFUSES_EVENTS: &str =
    "CREATE TRIGGER trouble BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk trouble'); END";
const WELL: &str = "DROP TRIGGER trouble";

#[tokio::test(start_paused = true)]
async fn i4_without_a_note_nothing_is_sent_and_the_ledger_is_told_of() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.sql(REFUSES_NOTES);
    line_begins(&world, MINUTE, A_USDT, "new, ledger: The ledger ").await;
    assert!(world.line(A_USDT).contains("No mode is changed until it can be written."), "{}", world.told());
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world), []);
    world.sql(WELL);
    changed(&world, A_USDT).await;
    assert_eq!(all_sets(&world).len(), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_written_down_leaves_the_set_where_it_is_until_it_can() {
    let world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.sql(REFUSES_ANSWERS);
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), 1);
    assert!(!world.is_in_sync(A_USDT), "{}", world.told());
    assert!(world.line(A_USDT).contains("ledger"), "{}", world.told());
    world.sql(WELL);
    world.until(MINUTE, "recorded", |world| world.is_in_sync(A_USDT)).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_the_answer_cannot_be_written_down_is_an_unknown_outcome_for_the_next_process() {
    let mut world = World::started(&file(&[("desk-a", HEDGE)]), desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.sql(REFUSES_ANSWERS);
    world.until(MINUTE, "a set", |world| !all_sets(world).is_empty()).await;
    world.pass(2 * SECOND).await;
    world.kill().await;
    world.sql(WELL);
    world.start().await;
    world.until(MINUTE, "known", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(all_sets(&world).len(), 1);
    assert_eq!(count(&world.history("desk-a"), EventKind::TookEffect), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_takes_nothing_at_all_stops_every_account_and_no_look() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]), desks).await;
    world.until(15 * SECOND, "seen", |world| world.is_in_sync(B_USDT)).await;
    world.sql(REFUSES_EVENTS);
    line_begins(&world, MINUTE, A_USDT, "new, ledger").await;
    let before = asked(&world, DESK_B, "account/account");
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    assert!(asked(&world, DESK_B, "account/account") >= before + 9, "looks go on");
    // Drift can be seen, but not be written down, let alone be corrected.
    world.exchange(|exchange| exchange.flip(DESK_B, USDT, PosMode::HedgeMode)).unwrap();
    line_begins(&world, 2 * MINUTE, B_USDT, "drifted, ").await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    world.sql(WELL);
    changed(&world, A_USDT).await;
    world.until(2 * MINUTE, "corrected", |world| world.is_in_sync(B_USDT)).await;
    assert_eq!(count(&world.history("desk-b"), EventKind::Drift), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_uid_could_not_be_compared_gets_no_set_before_it_was() {
    use bitget_sim::ApiKey;

    let mut world = World::started(&file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY)]), desks).await;
    let pinned = |world: &World, name| count(&world.history(name), EventKind::Pinned) == 1;
    world.until(2 * MINUTE, "pinned", |world| pinned(world, "desk-a") && pinned(world, "desk-b")).await;
    // The second name gets a key of the first one's account, and the ledger cannot tell when it is looked at.
    world.stop().await;
    world.exchange(|exchange| exchange.add_key(DESK_A, ApiKey::named("desk-c"))).unwrap();
    world.write(&file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY), ("desk-c", HEDGE)]));
    world.start().await;
    world.sql("ALTER TABLE uids RENAME TO uids_gone");
    // What the ledger said at the start is enough to know whose account that is.
    let says = "wrong_account: The key belongs to account 1001, and so does that of desk-a";
    world.until(MINUTE, "told", |world| world.told().contains(says)).await;
    world.pass(2 * MINUTE).await;
    assert_eq!(all_sets(&world), [], "{}", world.told());
    world.sql("ALTER TABLE uids_gone RENAME TO uids");
    world.pass(10 * MINUTE).await;
    // The two names have different wishes for one account: only the first one counts.
    assert_eq!(all_sets(&world), [], "{}", world.told());
    assert!(world.told().contains(says), "{}", world.told());
}
