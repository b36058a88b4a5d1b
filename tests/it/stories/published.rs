//! Another host has published its file: that is in force here too, whatever the file of this host holds.

use bitget_sim::PosMode;
use posmoded::ledger::EventKind;
use posmoded::status::Relation;

use super::*;

const BAD: &str = "version: 1\nmax_changes: 3\naccounts: {}\n...\n";

fn commits() -> [String; 4] {
    ["0", "1", "2", "3"].map(|digit| digit.repeat(40))
}

#[tokio::test(start_paused = true)]
async fn what_another_host_has_published_is_in_force_here_and_an_older_file_is_shown_and_no_brake() {
    let [zero, one, two, three] = commits();
    let (one_way, hedge) = (file(&[("desk-a", ONE_WAY)]), file(&[("desk-a", HEDGE)]));
    let mut world = World::new(&one_way, 1, desks);
    world.write_from(&one, &one_way);
    world.start().await;
    world.until(MINUTE, "in sync", |world| world.is_in_sync(A_USDT)).await;
    assert_eq!(world.status().config.behind, None);

    world.publish_elsewhere(&two, &[&one, &zero], &hedge).await;
    let is_in = |world: &World, mode| world.mode(DESK_A, USDT) == mode && world.is_in_sync(A_USDT);
    world.until(HOUR, "it is changed", |world| is_in(world, PosMode::HedgeMode)).await;
    let config = world.status().config;
    assert_eq!((config.generation.0, config.problem, config.commit.as_ref()), (2, None, Some(&two)));
    let behind = config.behind.unwrap();
    assert_eq!((behind.relation, behind.commit.as_ref()), (Relation::Behind, Some(&one)));
    assert_eq!((behind.in_force.as_ref(), behind.host.as_deref()), (Some(&two), Some("trade-09")));
    let said = "The file of this host is behind: commit 1111111 is older than revision 2 (commit 2222222), which trade-09 \
                has published. That is in force here too; the next pull brings the file after it.";
    assert_eq!(world.status().warnings.first().map(|warning| warning.say.as_str()), Some(said));

    // An older one that is bad stops nothing: whoever wrote it has mended it since.
    world.write_from(&zero, BAD);
    world.pass(MINUTE).await;
    let config = world.status().config;
    assert_eq!((config.problem, config.behind.unwrap().commit), (None, Some(zero)));
    // The pull brings it.
    world.write_from(&two, &hedge);
    world.until(5 * SECOND, "no longer behind", |world| world.status().config.behind.is_none()).await;
    // A newer one that is bad may be meant to stop what is in force.
    world.write_from(&three, BAD);
    world.until(5 * SECOND, "a brake", |world| world.status().config.problem.is_some()).await;
    world.write_from(&three, &one_way);
    world.until(HOUR, "it is changed back", |world| is_in(world, PosMode::OneWayMode)).await;
    assert_eq!(world.status().config.generation.0, 3);
    let revisions = count(&world.everything_on_record(), EventKind::Revision);
    assert_eq!(revisions, 3);
}

#[tokio::test(start_paused = true)]
async fn a_revision_of_another_host_that_cannot_be_read_here_stops_this_host_and_says_so() {
    let [_, one, two, three] = commits();
    let hedge = file(&[("desk-a", HEDGE)]);
    let mut world = World::new(&hedge, 1, desks);
    world.write_from(&one, &hedge);
    world.start().await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.publish_elsewhere(&two, &[&one], BAD).await;
    world.until(5 * SECOND, "a brake", |world| world.status().config.problem.is_some()).await;
    let problem = world.status().config.problem.unwrap();
    assert!(
        problem.starts_with(
            "revision 2, which trade-09 has published, is in force and cannot be read by posmoded "
        ),
        "{problem}"
    );
    assert!(problem.contains("line 3"), "{problem}");
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world), []);
    // A restart has nothing that it could follow: it must not take its own old file for the newest.
    world.kill().await;
    let refused = world.start_refused().await.to_string();
    assert!(refused.contains("revision 2, which trade-09 has published"), "{refused}");
    world.write_from(&three, &hedge);
    world.start().await;
    changed(&world, A_USDT).await;
    assert_eq!((world.status().config.generation.0, world.status().config.problem), (3, None));
}
