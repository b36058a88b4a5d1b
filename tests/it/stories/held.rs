//! `max_changes`: a canary goes, the rest is held until an hour has passed or somebody approves it.

use bitget_sim::PosMode;
use posmoded::ledger::{ApproveError, EventKind};

use super::*;

const THREE: [(&str, &str); 3] = [("desk-a", HEDGE), ("desk-b", HEDGE), ("desk-c", HEDGE)];

fn one_an_hour(accounts: &[(&str, &str)]) -> String {
    file_with(1, "drift: correct", accounts)
}

/// One of three has changed, the others are held; gives back the hash.
async fn two_held(world: &World) -> String {
    world
        .until(2 * MINUTE, "two held", |world| {
            let status = world.status();
            status.held.is_some_and(|held| {
                held.plan.0.len() == 2
                    && status
                        .targets
                        .iter()
                        .filter(|target| target.say.as_deref().is_some_and(|say| say.contains(&held.hash)))
                        .count()
                        == 2
            })
        })
        .await;
    let told = world.told();
    assert_eq!(told.matches("in_sync").count(), 1, "{told}");
    assert_eq!(told.matches("new, held: As many changes as `max_changes` allows").count(), 2, "{told}");
    assert_eq!(all_sets(world).len(), 1, "the canary");
    world.status().held.unwrap().hash
}

#[tokio::test(start_paused = true)]
async fn the_canary_goes_and_the_rest_is_held_until_an_hour_frees_the_next() {
    let world = World::started(&one_an_hour(&THREE), desks).await;
    two_held(&world).await;
    world.pass(4 * HOUR).await;
    let gaps = gaps(&all_sets(&world));
    assert_eq!(gaps.len(), 2, "{}", world.told());
    assert!(gaps.iter().all(|gap| (3600..3600 + 15).contains(gap)), "{gaps:?}");
    assert_eq!(world.status().held, None);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn approve_lets_exactly_the_held_plan_go_and_later_changes_are_held_again() {
    let world = World::started(&one_an_hour(&THREE), desks).await;
    let hash = two_held(&world).await;
    let request = world.visitor().approve(&hash[..6]).unwrap();
    world.until(3 * SECOND, "acknowledged", |world| world.acknowledged(request)).await;
    world.until(MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    assert_eq!(all_sets(&world).len(), 3);

    let other = [("desk-a", ONE_WAY), ("desk-b", ONE_WAY), ("desk-c", ONE_WAY)];
    world.write(&one_an_hour(&other));
    world.until(2 * MINUTE, "held", |world| world.told().matches("pending, held").count() == 3).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), 3, "the approved sets do not count, the canary of before does");
    assert_eq!(count(&world.everything_on_record(), EventKind::Approved), 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f36_a_wrong_hash_a_second_use_and_a_stale_plan_are_refused() {
    let world = World::started(&one_an_hour(&THREE), desks).await;
    let hash = two_held(&world).await;
    let wrong = world.visitor().approve("0123456789ab").unwrap_err();
    assert!(matches!(wrong, ApproveError::Unknown(_)), "{wrong}");
    let short = world.visitor().approve(&hash[..5]).unwrap_err();
    assert!(matches!(short, ApproveError::Unknown(_)), "{short}");

    // What is wanted of the held ones changes: the old plan must not let that go.
    world.write(&one_an_hour(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY), ("desk-c", ONE_WAY)]));
    world.pass(30 * SECOND).await;
    let stale = world.visitor().approve(&hash).unwrap_err();
    assert!(matches!(stale, ApproveError::Stale(_)), "{stale}");
    assert_eq!(all_sets(&world).len(), 1);
    world.write(&one_an_hour(&THREE));
    world
        .until(MINUTE, "held again", |world| {
            world.status().held.is_some_and(|held| held.plan.0.len() == 2 && held.hash != hash)
        })
        .await;
    let now_held = world.status().held.unwrap().hash;
    world.visitor().approve(&now_held).unwrap();
    for used in [&now_held, &now_held[..8].to_owned()] {
        let twice = world.visitor().approve(used).unwrap_err();
        assert!(matches!(twice, ApproveError::Used(_)), "{twice}");
    }
    world.until(MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    assert_eq!(all_sets(&world).len(), 3);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f36_a_plan_that_was_recorded_a_day_ago_and_is_held_no_more_is_refused() {
    let world = World::started(&one_an_hour(&THREE), desks).await;
    let hash = two_held(&world).await;
    world.pass(25 * HOUR).await;
    assert_eq!(all_sets(&world).len(), 3, "freed hour by hour");
    let expired = world.visitor().approve(&hash).unwrap_err();
    assert!(matches!(expired, ApproveError::Stale(_)), "{expired}");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_approved_plan_may_go_for_a_day_and_no_longer() {
    // Looked at once an hour, which is often enough for a day in which nothing happens.
    let seldom = one_an_hour(&THREE).replace("check_every: 60s", "check_every: 1h");
    let world = World::started(&seldom, desks).await;
    let hash = two_held(&world).await;
    let held: Vec<String> = world
        .status()
        .held
        .unwrap()
        .plan
        .0
        .iter()
        .map(|entry| format!("{} {}", entry.account, entry.scope))
        .collect();
    world.visitor().pause(&[], "somebody looks at it", None).unwrap();
    world.pass(5 * SECOND).await;
    world.visitor().approve(&hash).unwrap();
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world).len(), 1, "an approval lifts no other brake: {held:?}");
    assert!(held.iter().all(|name| world.line(name).starts_with("new, paused")), "{}", world.told());
    world.pass(24 * HOUR).await;
    world.visitor().resume(&[]).unwrap();
    world.pass(30 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), 2, "the approval is over, the hour of the canary too");
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_has_left_within_the_hour_counts_over_a_restart() {
    let mut world = World::started(&one_an_hour(&THREE), desks).await;
    two_held(&world).await;
    for _ in 0..5 {
        world.kill().await;
        world.start().await;
        world.pass(10 * MINUTE).await;
    }
    assert_eq!(all_sets(&world).len(), 1, "{}", world.told());
    world.pass(15 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), 2);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_approval_counts_over_a_restart_and_a_lost_set_of_it_is_tried_once_more() {
    let mut world = World::started(&one_an_hour(&THREE), desks).await;
    let hash = two_held(&world).await;
    world.visitor().approve(&hash).unwrap();
    world.kill().await;
    world.start().await;
    world.until(2 * MINUTE, "all", |world| world.told().matches("in_sync").count() == 3).await;
    assert_eq!(all_sets(&world).len(), 3);
    assert_eq!(world.mode(DESK_C, USDT), PosMode::HedgeMode);
    world.check_invariants(SETTLE);
}
