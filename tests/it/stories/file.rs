//! The file as a brake: bad, missing, still changing; and a start without a good one.

use bitget_sim::PosMode;
use posmoded::fleet::StartError;
use posmoded::ledger::EventKind;
use posmoded::moment::Moment;
use posmoded::source::FileState;

use super::*;

const BAD: &str = "version: 1\nmax_changes: 3\naccounts: {}\n...\n";

#[tokio::test(start_paused = true)]
async fn f10_a_bad_file_brakes_and_the_old_good_one_again_is_green_without_a_new_generation() {
    let good = file(&[("desk-a", HEDGE)]);
    let world = World::started(&good, desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.write(BAD);
    line_begins(&world, 5 * SECOND, A_USDT, "new, file: The newest content of the file is not acceptable")
        .await;
    assert!(world.status().config.problem.is_some());
    assert!(world.line(A_USDT).contains("line 3"), "{}", world.told());
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world), [], "nothing is sent");
    assert!(world.target(A_USDT).is_some(), "and nothing is released");
    assert_eq!(count(&world.history("desk-a"), EventKind::Released), 0);

    world.write(&good);
    world.until(5 * SECOND, "green", |world| world.status().config.problem.is_none()).await;
    assert_eq!(world.status().config.generation.0, 1);
    changed(&world, A_USDT).await;
    assert_eq!(world.status().config.generation.0, 1);
    let told: Vec<_> = kinds(&world.everything_on_record());
    let of_the_file = |kind: &&EventKind| {
        [EventKind::Revision, EventKind::FileRejected, EventKind::FileGood].contains(kind)
    };
    let told: Vec<_> = told.iter().filter(of_the_file).collect();
    assert_eq!(told, [&EventKind::Revision, &EventKind::FileRejected, &EventKind::FileGood]);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn f9_f10_the_commit_that_is_shown_follows_the_file_and_the_same_content_is_no_new_revision() {
    let good = file(&[("desk-a", HEDGE)]);
    let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(40));
    let mut world = World::started(&good, desks).await;
    changed(&world, A_USDT).await;
    let config = |world: &World| world.status().config;
    assert_eq!(config(&world).commit, None);
    world.write_from(&one, &good);
    world.until(5 * SECOND, "the commit", |world| config(world).commit.as_ref() == Some(&one)).await;
    assert_eq!((config(&world).generation.0, config(&world).problem), (1, None));
    assert!(world.status().line().starts_with("rev 1 1111111: "), "{}", world.status().line());

    world.write_from(&two, BAD);
    world.until(5 * SECOND, "a problem", |world| config(world).problem.is_some()).await;
    let problem = config(&world).problem.unwrap();
    assert!(problem.starts_with("commit 2222222, line 3, column "), "{problem}");
    assert_eq!((config(&world).generation.0, config(&world).commit), (1, Some(one)), "what is in force");
    world.write_from(&three, &good);
    world.until(5 * SECOND, "green", |world| config(world).problem.is_none()).await;
    assert_eq!((config(&world).generation.0, config(&world).commit), (1, Some(three.clone())));

    let newer = file(&[("desk-a", ONE_WAY)]);
    world.write_from(&two, &newer);
    world.until(5 * SECOND, "a revision", |world| config(world).generation.0 == 2).await;
    world.write_from(&three, &newer);
    world.until(5 * SECOND, "its commit", |world| config(world).commit.as_ref() == Some(&three)).await;
    // On record is the newest commit that held the content.
    world.kill().await;
    world.say(FileState::Unreadable("desired-state.yaml is missing: put it back.".to_owned()));
    world.start().await;
    assert_eq!((config(&world).generation.0, config(&world).commit), (2, Some(three)));
    let revisions = count(&world.everything_on_record(), EventKind::Revision);
    assert_eq!(revisions, 2);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn i10_a_bad_file_that_names_fewer_accounts_releases_none_and_drift_is_not_corrected() {
    let world = World::started(&file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]), desks).await;
    changed(&world, A_USDT).await;
    let sets = all_sets(&world).len();
    let cut = file(&[("desk-b", ONE_WAY)]).replace("...\n", "");
    world.write(&cut);
    line_begins(&world, 5 * SECOND, A_USDT, "in_sync").await;
    world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
    line_begins(&world, 2 * MINUTE, A_USDT, "drifted, file").await;
    world.pass(HOUR).await;
    assert_eq!(all_sets(&world).len(), sets);
    assert_eq!(count(&world.everything_on_record(), EventKind::Released), 0);

    world.write(&file(&[("desk-b", ONE_WAY)]));
    world.until(5 * SECOND, "released", |world| world.target(A_USDT).is_none()).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world).len(), sets);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_or_still_changing_brakes_until_it_is_there_again() {
    let words = [
        (FileState::Changing, "it is still changing."),
        (
            FileState::StillWritten { since: Moment(1_795_338_000_000) },
            "it is still being written, since 2026-11-22T09:00:00Z: what writes it has not closed it, or writes it again and \
             again. End that, or put a whole file in its place by a rename.",
        ),
        (FileState::Unreadable("desired-state.yaml is missing: put it back.".to_owned()), "put it back."),
    ];
    for (word, expected) in words {
        let good = file(&[("desk-a", HEDGE)]);
        let world = World::started(&good, desks).await;
        line_begins(&world, MINUTE, A_USDT, "new, settling").await;
        world.say(word);
        line_begins(&world, 5 * SECOND, A_USDT, "new, file").await;
        assert!(world.line(A_USDT).contains(expected), "{}", world.told());
        world.pass(10 * MINUTE).await;
        assert_eq!(all_sets(&world), []);
        world.write(&good);
        changed(&world, A_USDT).await;
        assert_eq!(world.status().config.generation.0, 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_noted_when_the_file_turns_bad_is_withdrawn_or_was_sent_before() {
    let good = file(&[("desk-a", HEDGE)]);
    let first = just_before_the_first_set(&good, KINDS[0]).await;
    for offset in [0, 20, 35, 39, 41, 45, 59, 61, 79, 81, 120] {
        let world = World::started(&good, desks).await;
        world.pass(first + Duration::from_millis(offset)).await;
        world.write(BAD);
        let now = world.exchange(|exchange| exchange.now());
        world.pass(10 * MINUTE).await;
        let late: Vec<_> = all_sets(&world).into_iter().filter(|set| set.at.0 > now.0 + 25).collect();
        assert_eq!(late, [], "offset {offset}: nothing leaves once the file is bad");
        world.write(&good);
        changed(&world, A_USDT).await;
        assert_eq!(all_sets(&world).len(), 1);
        world.check_invariants(SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_bad_or_missing_file_goes_on_with_the_last_good_revision_and_changes_nothing() {
    let good = file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]);
    let mut world = World::started(&good, desks).await;
    line_begins(&world, MINUTE, A_USDT, "new, settling").await;
    world.kill().await;
    let bad = [
        FileState::Unreadable("desired-state.yaml is missing: put it back.".to_owned()),
        FileState::Changing,
    ];
    for word in bad {
        world.say(word);
        world.start().await;
        line_begins(&world, 15 * SECOND, A_USDT, "new, file").await;
        world.until(15 * SECOND, "still watched", |world| world.is_in_sync(B_USDT)).await;
        assert_eq!(world.status().config.generation.0, 1);
        world.pass(10 * MINUTE).await;
        world.stop().await;
    }
    world.write(BAD);
    world.start().await;
    line_begins(&world, 15 * SECOND, A_USDT, "new, file").await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    world.write(&good);
    changed(&world, A_USDT).await;
    assert_eq!(world.status().config.generation.0, 1);
    world.check_invariants(SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_any_good_revision_says_what_is_wrong_with_the_file() {
    let world = World::new(BAD, 1, desks);
    let refused = world.start_refused().await;
    let StartError::NoRevision(say) = refused else { panic!("{refused:?}") };
    assert!(say.starts_with("line 3, column "), "{say}");
    assert!(say.contains("posmoded check"), "{say}");
    assert_eq!(world.log(), []);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_reverted_before_it_left_is_never_sent() {
    let world = World::started(&file(&[("desk-a", ONE_WAY)]), desks).await;
    world.until(10 * SECOND, "seen", |world| world.is_in_sync(A_USDT)).await;
    world.write(&file(&[("desk-a", HEDGE)]));
    line_begins(&world, 10 * SECOND, A_USDT, "pending, settling").await;
    world.pass(15 * SECOND).await;
    world.write(&file(&[("desk-a", ONE_WAY)]));
    world.until(5 * SECOND, "as before", |world| world.is_in_sync(A_USDT)).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(all_sets(&world), []);
    assert_eq!(world.status().config.generation.0, 3);
}

#[tokio::test(start_paused = true)]
async fn a_revision_is_shown_as_in_force_once_every_account_is_held_against_it() {
    for latency in [20, 900, 2_500] {
        let world = World::started(&file(&[("desk-a", ONE_WAY), ("desk-b", ONE_WAY)]), desks).await;
        world
            .until(10 * SECOND, "adopted", |world| world.is_in_sync(A_USDT) && world.is_in_sync(B_USDT))
            .await;
        world.latency(Duration::from_millis(latency));
        // In the middle of a look, too.
        world.reload();
        world.pass(Duration::from_millis(latency / 2)).await;
        world.write(&file(&[("desk-a", HEDGE), ("desk-b", ONE_WAY)]));
        let began = world.clock.now();
        while world.status().config.generation.0 == 1 {
            assert!(world.clock.now().since(began) <= MINUTE, "{latency} {:#?}", world.status());
            world.pass(Duration::from_millis(10)).await;
        }
        assert!(!world.line(A_USDT).starts_with("in_sync"), "{latency} ms: {}", world.told());
    }
}
