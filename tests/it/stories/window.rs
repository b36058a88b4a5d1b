//! Change windows and requirements on the host: what waits for them, and what leaves when they let it.

use bitget_sim::{HoldSide, PosMode};
use posmoded::facts::Requirement;

use super::*;

/// A file with these windows, each `name: ...`, in which a target that waits is looked at once an hour.
fn file_in(windows: &[&str], account: &str) -> String {
    let windows: String = windows.iter().map(|window| format!("  {window}\n")).collect();
    file(&[("desk-a", account)])
        .replace("check_every: 60s", "check_every: 1h")
        .replace("accounts:", &format!("windows:\n{windows}accounts:"))
}

const SUNDAY: &str = "sunday: { opens: 0 0 3 * * Sun, lasts: 1h, time_zone: Europe/London }";
const NOON: &str = "noon: { opens: 0 0 12 * * *, lasts: 10m, time_zone: UTC }";
const IN_BOTH: &str = "position_mode: { USDT-FUTURES: hedge_mode }, windows: [sunday, noon]";
const IN_SUNDAY: &str = "position_mode: { USDT-FUTURES: hedge_mode }, windows: [sunday]";
const IN_NOON: &str = "position_mode: { USDT-FUTURES: hedge_mode }, windows: [noon]";
const REQUIRES: &str = "position_mode: { USDT-FUTURES: hedge_mode }, \
                        require: [{ unit_inactive: arb.service }, { file_absent: /run/arb.lock }]";

fn unit() -> Requirement {
    Requirement::UnitInactive("arb.service".to_owned())
}

/// How many seconds after `time` each set arrived.
#[track_caller]
fn seconds_after(world: &World, time: &str) -> Vec<i64> {
    let time: jiff::Timestamp = time.parse().unwrap();
    all_sets(world).iter().map(|set| (set.at.0 - time.as_millisecond()) / 1000).collect()
}

#[tokio::test(start_paused = true)]
async fn f42_a_change_made_while_closed_leaves_when_the_window_opens_though_the_clocks_change_before() {
    let closed = file_in(&[SUNDAY], "position_mode: { USDT-FUTURES: one_way_mode }, windows: [sunday]");
    let world = World::started_at("2026-03-29T00:20:00Z", &closed, desks).await;
    world.until(10 * SECOND, "in sync", |world| world.is_in_sync(A_USDT)).await;
    world.write(&file_in(&[SUNDAY], IN_SUNDAY));
    let told = "pending, window: Its change window sunday is closed; it opens at 2026-03-29T02:00:00Z \
                (Sun 03:00 in Europe/London), 1h 39m from now.";
    line_begins(&world, MINUTE, A_USDT, told).await;
    world.pass(2 * HOUR + 50 * MINUTE).await;
    assert_eq!(world.mode(DESK_A, USDT), PosMode::HedgeMode);
    // Not an hour later, as by the offset at which it was closed; nor up to an hour after the edge.
    assert!(matches!(seconds_after(&world, "2026-03-29T02:00:00Z")[..], [0..=3]), "{}", world.told());
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f42_two_windows_are_alternatives_and_the_first_to_open_lets_it_go() {
    let world = World::started_at("2026-03-28T10:00:00Z", &file_in(&[SUNDAY, NOON], IN_BOTH), desks).await;
    let told = "new, window: Its change windows sunday, noon are closed; the first to open is noon, at 2026-03-28T12:00:00Z, ";
    line_begins(&world, MINUTE, A_USDT, told).await;
    world.pass(3 * HOUR).await;
    assert!(matches!(seconds_after(&world, "2026-03-28T12:00:00Z")[..], [0..=3]), "{}", world.told());
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_flat_after_the_window_has_closed_waits_for_the_next_one() {
    let noon_and_two = NOON.replace("0 0 12 * * *", "\"0 0 12,14 * * *\"");
    let world = World::started_at("2026-03-28T11:55:00Z", &file_in(&[&noon_and_two], IN_NOON), |exchange| {
        desks(exchange);
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
    })
    .await;
    line_begins(&world, MINUTE, A_USDT, "new, window").await;
    world.pass(5 * MINUTE).await;
    line_begins(&world, 3 * SECOND, A_USDT, "new, not_flat").await;
    world.pass(9 * MINUTE + 50 * SECOND).await;
    line_begins(
        &world,
        13 * SECOND,
        A_USDT,
        "new, window: Its change window noon is closed; it opens at 2026-03-28T14:00:00Z, ",
    )
    .await;
    world.exchange(|exchange| exchange.close_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long)).unwrap();
    world.pass(HOUR + 30 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    world.pass(HOUR).await;
    assert!(matches!(seconds_after(&world, "2026-03-28T14:00:00Z")[..], [0..=3]), "{}", world.told());
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn drift_is_corrected_in_a_window_only_and_a_new_revision_changes_the_windows_at_once() {
    let world = World::started_at("2026-03-28T12:00:00Z", &file_in(&[NOON], IN_NOON), desks).await;
    changed(&world, A_USDT).await;
    world.pass(30 * MINUTE).await;
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
    world.pass(HOUR).await;
    line_begins(&world, SECOND, A_USDT, "drifted, window").await;
    world.pass(2 * HOUR).await;
    assert_eq!(all_sets(&world).len(), 1);
    world.write(&file_in(&[&NOON.replace("12 * * *", "13-18 * * *").replace("10m", "1h")], IN_NOON));
    world.until(20 * SECOND, "corrected", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(all_sets(&world).len(), 2);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_until_the_host_is_as_required() {
    let world = World::new(&file(&[("desk-a", REQUIRES)]), 1, desks);
    let mut world = world;
    world.host_shows(&unit(), Some("arb.service is active"));
    world.start().await;
    let told = "new, requirement: This host is not as the file requires: arb.service is active.";
    line_begins(&world, SETTLE + AFTER_SETTLE, A_USDT, told).await;
    let lock = Requirement::FileAbsent("/run/arb.lock".to_owned());
    world.host_shows(&lock, Some("/run/arb.lock is there"));
    world.pass(20 * MINUTE).await;
    let both = "new, requirement: This host is not as the file requires: arb.service is active; /run/arb.lock is there.";
    line_begins(&world, SECOND, A_USDT, both).await;
    let looks = world.looks_at_host().len();
    assert!((100..=170).contains(&looks), "{looks} looks in 20 minutes");
    // A doubt is no better.
    world.host_shows(&lock, None);
    world.host_shows(
        &unit(),
        Some("whether arb.service is as required cannot be seen (there is no systemctl here)"),
    );
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    world.host_shows(&unit(), None);
    world.until(15 * SECOND, "changed", |world| world.is_in_sync(A_USDT)).await;
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn the_host_is_looked_at_right_before_the_note_and_not_while_anything_else_is_in_the_way() {
    let world = World::started(&file(&[("desk-a", REQUIRES)]), |exchange| {
        desks(exchange);
        exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "0.5").unwrap();
    })
    .await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.looks_at_host(), [], "not flat");
    world.pause(None, None);
    world.exchange(|exchange| exchange.close_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long)).unwrap();
    world.pass(10 * MINUTE).await;
    assert_eq!(world.looks_at_host(), [], "paused");
    world.resume(None);
    world.until(SETTLE + 20 * SECOND, "changed", |world| world.is_in_sync(A_USDT)).await;
    world.pass(HOUR).await;
    let noted = world.visitor().intents().unwrap()[0].noted_wall;
    let looks: Vec<i64> = world.looks_at_host().iter().map(|at| noted - at.0).collect();
    assert!(matches!(looks[..], [0..=1000]), "{looks:?}");
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_starts_after_the_verdict_began_holds_the_set_back() {
    let requires = file(&[("desk-a", REQUIRES)]);
    let first = just_before_the_first_set(&requires, KINDS[0]).await;
    let mut held = 0;
    for before in [400, 120, 60, 30, 10, 0] {
        let world = World::started(&requires, desks).await;
        world.pass((first + Duration::from_millis(60)).saturating_sub(Duration::from_millis(before))).await;
        let looked = !world.looks_at_host().is_empty();
        world.host_shows(&unit(), Some("arb.service is active"));
        world.pass(MINUTE).await;
        assert_eq!(all_sets(&world).len(), usize::from(looked), "{before} ms before: {}", world.told());
        held += usize::from(!looked);
        world.check_invariants(SETTLE);
    }
    assert!((2..=5).contains(&held), "{held}");
}
