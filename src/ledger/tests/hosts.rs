//! One ledger on a server, and the daemons of several hosts.

use super::*;
use crate::ledger::CommandAnswer;

/// The ledgers of two hosts on one database, with its cluster.
async fn two() -> Option<(Ledger, Ledger, &'static Cluster, String)> {
    let cluster = cluster()?;
    let database = cluster.database();
    let one = Ledger::open(address(cluster, &database), clock(), here()).await.unwrap();
    let other = Ledger::open(address(cluster, &database), clock(), elsewhere()).await.unwrap();
    Some((one, other, cluster, database))
}

fn elsewhere() -> Instance {
    Instance::of_this_process("trade-02".to_owned(), None)
}

/// Both daemons take their turn.
async fn turn(one: &Ledger, other: &Ledger) {
    for ledger in [one, other, one, other] {
        ledger.notice().await.unwrap();
    }
}

fn others(ledger: &Ledger) -> Vec<String> {
    ledger.directives().borrow().others.iter().cloned().collect()
}

/// A process of that host is killed, so that it never says that it ends.
fn is_silent(cluster: &Cluster, database: &str, host: &str) {
    cluster.sql(
        database,
        &format!("UPDATE hosts SET seen_at = seen_at - interval '15 s' WHERE host = '{host}'"),
    );
}

#[tokio::test]
async fn each_host_has_its_daemon_and_hears_of_the_others_as_they_come_and_go() {
    let Some((one, other, cluster, database)) = two().await else { return };
    turn(&one, &other).await;
    assert_eq!((others(&one), others(&other)), (vec!["trade-02".to_owned()], vec!["trade-01".to_owned()]));
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    assert_eq!(visitor.instance("trade-02").unwrap(), Some(elsewhere()));
    assert_eq!(visitor.instances().unwrap().len(), 2);
    assert_eq!(visitor.instance("trade-03").unwrap(), None);
    other.leave().await;
    one.notice().await.unwrap();
    assert_eq!(others(&one), [] as [String; 0]);
    let error = other.event(Event::new(EventKind::Started, "after its end")).await.unwrap_err();
    assert!(error.is_superseded(), "{error}");
}

#[tokio::test]
async fn one_who_was_killed_counts_as_gone_once_it_was_silent_for_long_enough() {
    let Some((one, other, cluster, database)) = two().await else { return };
    turn(&one, &other).await;
    is_silent(cluster, &database, "trade-02");
    one.notice().await.unwrap();
    assert_eq!(others(&one), [] as [String; 0]);
    // It was only slow, and says that it lives: within its place nobody came.
    cluster.sql(&database, "UPDATE hosts SET seen_at = clock_timestamp() WHERE host = 'trade-02'");
    turn(&one, &other).await;
    assert_eq!(others(&one), ["trade-02"]);
}

#[tokio::test]
async fn the_address_of_one_host_rests_for_that_host_alone_and_an_account_for_each() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let far = i64::MAX / 2;
    one.cool_down("*", true, far).await.unwrap();
    other.cool_down("*", true, far - 1).await.unwrap();
    one.cool_down("key:a/settings", false, far).await.unwrap();
    other.cool_down("*/time", true, far).await.unwrap();
    let rests = |of: &[(&str, i64)]| -> BTreeMap<String, i64> {
        of.iter().map(|(lane, until)| ((*lane).to_owned(), *until)).collect()
    };
    let of_other = rests(&[("*", far - 1), ("*/time", far), ("key:a/settings", far)]);
    assert_eq!(one.cool_downs().await.unwrap(), rests(&[("*", far), ("key:a/settings", far)]));
    assert_eq!(other.cool_downs().await.unwrap(), of_other);
    // Its next process finds them again.
    other.leave().await;
    let next = Ledger::open(address(cluster, &database), clock(), elsewhere()).await.unwrap();
    assert_eq!(next.cool_downs().await.unwrap(), of_other);
}

#[tokio::test]
async fn a_clock_of_the_server_that_is_set_changes_for_seconds_who_lives_and_nothing_else() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database();
    // Another clock is found before the server's by whoever connects from now on.
    cluster.sql(
        &database,
        &format!(
            "CREATE SCHEMA stepped;
             CREATE TABLE stepped.by (step interval);
             INSERT INTO stepped.by VALUES ('0');
             CREATE FUNCTION stepped.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                 AS 'SELECT pg_catalog.clock_timestamp() + step FROM stepped.by';
             ALTER DATABASE {database} SET search_path = public, stepped, pg_catalog"
        ),
    );
    let open = |us| Ledger::open(address(cluster, &database), clock(), us);
    let one = open(here()).await.unwrap();
    let other = open(elsewhere()).await.unwrap();
    // Killed: it never says again that it lives.
    let killed = open(Instance::of_this_process("trade-03".to_owned(), None)).await.unwrap();
    turn(&one, &other).await;
    assert_eq!(others(&one), ["trade-02", "trade-03"]);
    register_target(&one, "desk-a", 1).await;
    register_target(&other, "desk-a", 1).await;
    let (sending, id) = noted(note(&one, "desk-a", Cause::New, 1).await);
    one.record_answer(id, &SetAnswer::Accepted).await.unwrap();
    drop(sending);
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    for by in ["1 hour", "-2 hours"] {
        cluster.sql(&database, &format!("UPDATE stepped.by SET step = step + interval '{by}'"));
        let request = visitor.pause(&[], "maintenance", None).unwrap();
        // They say that they live every five seconds, which they count themselves.
        tokio::time::sleep(Duration::from_millis(5_100)).await;
        turn(&one, &other).await;
        assert_eq!(
            (others(&one), others(&other)),
            (vec!["trade-02".to_owned()], vec!["trade-01".to_owned()]),
            "{by}"
        );
        assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged), "{by}");
        let request = visitor.resume(&[]).unwrap();
        turn(&one, &other).await;
        assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged), "{by}");
        let fence = note(&other, "desk-a", Cause::New, 34_000).await;
        assert!(matches!(fence, Note::Braked), "{by}: what another sent is no less under way");
        let (peers, _) = visitor.peers().unwrap();
        let dead = peers.into_iter().find(|peer| peer.host == "trade-03").unwrap();
        assert!(!dead.lives && dead.seen_ago >= 0, "{by}: {dead:?}");
    }
    one.record_resolved(id, true, Some(applied(How::Set, 1))).await.unwrap();
    drop(killed);
}

#[tokio::test]
async fn a_pause_is_acknowledged_once_every_living_host_has_it() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    let request = visitor.pause(&[], "maintenance", None).unwrap();
    one.notice().await.unwrap();
    assert_eq!(visitor.answer(&request).unwrap(), None, "the other does not know of it");
    assert!(matches!(note(&one, "desk-a", Cause::New, 1).await, Note::Braked));
    assert!(matches!(note(&other, "desk-b", Cause::New, 1).await, Note::Braked), "it forbids sets at once");
    other.notice().await.unwrap();
    assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged));
    // One that is dead is waited for no longer than its silence.
    let request = visitor.resume(&[]).unwrap();
    one.notice().await.unwrap();
    assert_eq!(visitor.answer(&request).unwrap(), None);
    is_silent(cluster, &database, "trade-02");
    one.notice().await.unwrap();
    assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged));
}

#[tokio::test]
async fn a_pause_waits_for_the_set_that_its_host_has_noted_and_for_no_other() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let (sending, id) = noted(note(&other, "desk-b", Cause::New, 1).await);
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    let request = visitor.pause(&[], "maintenance", None).unwrap();
    turn(&one, &other).await;
    assert_eq!(visitor.answer(&request).unwrap(), None);
    other.record_answer(id, &SetAnswer::Accepted).await.unwrap();
    drop(sending);
    turn(&one, &other).await;
    assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged));
}

#[tokio::test]
async fn a_look_is_reported_once_every_host_has_looked() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    let asked = visitor.refresh(&[]).unwrap();
    turn(&one, &other).await;
    let open = || one.directives().borrow().refreshes.keys().copied().collect::<Vec<_>>();
    let look = open()[0];
    one.record_looked(look).await.unwrap();
    assert_eq!(visitor.answer(&asked.looked).unwrap(), None);
    other.record_looked(look).await.unwrap();
    assert_eq!(visitor.answer(&asked.looked).unwrap(), Some(CommandAnswer::Acknowledged));
}

#[tokio::test]
async fn each_host_holds_a_plan_of_its_own_and_all_share_one_budget() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let entry = |words: &str| PlanEntry::new(&target(words), to_hedge(Cause::New));
    let (ours, theirs) = (Plan([entry("desk-a")].into()), Plan([entry("desk-b")].into()));
    one.hold(&ours).await.unwrap();
    other.hold(&theirs).await.unwrap();
    one.hold(&ours).await.unwrap();
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    let held = all(&one).into_iter().filter(|event| event.kind == EventKind::Held).count();
    assert_eq!(held, 2, "neither takes the place of the other");
    // With a budget of one set between them only the approved one leaves beside it.
    let _first = noted(note_within(&one, "desk-c", Cause::New, 1, 1).await);
    assert!(matches!(note_within(&other, "desk-b", Cause::New, 2, 1).await, Note::Braked));
    let request = visitor.approve(&theirs.hash()[..8]).unwrap();
    turn(&one, &other).await;
    // Their own set is noted, so the other one answers.
    assert_eq!(visitor.answer(&request).unwrap(), Some(CommandAnswer::Acknowledged));
    noted(note_within(&other, "desk-b", Cause::New, 3, 1).await);
}

#[tokio::test]
async fn the_set_of_an_account_that_moves_is_known_to_its_new_host_and_recorded_once() {
    let Some((one, other, _, _)) = two().await else { return };
    register_target(&one, "desk-a", 1).await;
    let (_sending, id) = noted(note(&one, "desk-a", Cause::New, 1).await);
    let there = register_target(&other, "desk-a", 1).await;
    assert_eq!(there.intent.as_ref().map(|intent| intent.id), Some(id), "it is unresolved there, too");
    assert!(matches!(note(&other, "desk-a", Cause::New, 2).await, Note::Braked));
    other.record_resolved(id, true, Some(applied(How::Set, 1))).await.unwrap();
    // The old host hears of its set only now.
    one.record_answer(id, &SetAnswer::Accepted).await.unwrap();
    one.record_resolved(id, false, None).await.unwrap();
    let outcomes: Vec<EventKind> = kinds(&one)
        .into_iter()
        .filter(|kind| [EventKind::TookEffect, EventKind::NoEffect, EventKind::Accepted].contains(kind))
        .collect();
    assert_eq!(outcomes, [EventKind::TookEffect]);
}

#[tokio::test]
async fn a_host_that_starts_leaves_the_sets_of_others_alone() {
    let Some((one, other, cluster, database)) = two().await else { return };
    register_target(&one, "desk-a", 1).await;
    let (_sending, id) = noted(note(&one, "desk-a", Cause::New, 1).await);
    drop(other);
    let other = Ledger::open(address(cluster, &database), clock(), elsewhere()).await.unwrap();
    one.record_answer(id, &SetAnswer::Accepted).await.unwrap();
    drop(other);
    drop(one);
    let one = Ledger::open(address(cluster, &database), clock(), here()).await.unwrap();
    assert_eq!(kinds(&one).last(), Some(&EventKind::Unclear), "its own is an orphan");
}

#[tokio::test]
async fn two_names_of_one_account_never_have_two_sets_under_way_together() {
    let Some((one, other, cluster, database)) = two().await else { return };
    let (uid, key) = (Uid("12345".to_owned()), KeyId::of("key-a"));
    one.pin(&name("desk-a"), &uid, &key).await.unwrap();
    let (_sending, _) = noted(note(&one, "desk-a", Cause::New, 1).await);
    // The file renames it, and gives it to another host.
    one.release(&name("desk-a"), None).await.unwrap();
    other.pin(&name("desk-z"), &uid, &key).await.unwrap();
    assert!(matches!(note(&other, "desk-z", Cause::New, 2).await, Note::Braked));
    assert!(matches!(note(&other, "desk-z", Cause::New, 35_000).await, Note::Braked));
    let twice = "INSERT INTO intents (account, scope, live, desired, cause, generation, stamp, noted_at, state, uid)
                 SELECT 'desk-z', scope, live, desired, cause, generation, stamp, noted_at, state, uid FROM intents
                 ON CONFLICT (uid, scope) WHERE state IN ('noted', 'accepted', 'unclear') DO NOTHING RETURNING id";
    assert_eq!(cluster.sql(&database, twice).lines().next(), None, "the database itself refuses the second");
    // After its fence the first can take no effect any more, though nobody has the name to resolve it.
    noted(note(&other, "desk-z", Cause::New, 35_001).await);
}

#[tokio::test]
async fn after_a_loss_every_host_is_quiet_and_a_lost_note_ends_without_a_word_and_without_its_number() {
    if cluster().is_none() {
        return;
    }
    let cluster = Cluster::begin().unwrap();
    let database = cluster.database();
    let open = |us| Ledger::open(address(&cluster, &database), clock(), us);
    let one = open(here()).await.unwrap();
    let other = open(elsewhere()).await.unwrap();
    for words in ["desk-a", "desk-b"] {
        register_target(&one, words, 1).await;
    }
    let (_sending, lost) = noted(note(&one, "desk-a", Cause::New, 1).await);
    let unknown = |error: LedgerError| error.to_string().contains("there is no intent");
    let never = one.record_answer(IntentId(lost.0 + 1), &SetAnswer::Accepted).await.unwrap_err();
    assert!(unknown(never));
    // As the standby has it that takes over, whose numbers begin anew, too.
    cluster.sql(&database, "DELETE FROM intents; ALTER TABLE intents ALTER id RESTART");
    cluster.become_standby();
    cluster.promote();
    let comes = async |ledger: &Ledger| {
        let began = std::time::Instant::now();
        while ledger.notice().await.is_err() || ledger.directives().borrow().replaced_at.is_none() {
            assert!(began.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    comes(&one).await;
    // The other one finds a database that says already which one it is, and no lower version than it saw.
    cluster.sql(&database, "UPDATE fleet SET version = version + 100");
    comes(&other).await;
    let visitor = Visitor::open(address(&cluster, &database), clock()).unwrap();
    let resumed = visitor.resume(&[]).unwrap();
    turn(&one, &other).await;
    assert_eq!(visitor.answer(&resumed).unwrap(), Some(CommandAnswer::Acknowledged));
    for ledger in [&one, &other] {
        assert!(matches!(note(ledger, "desk-b", Cause::New, 2).await, Note::Braked), "it is quiet");
    }
    let replaced = kinds(&one).into_iter().filter(|kind| *kind == EventKind::LedgerReplaced).count();
    assert_eq!(replaced, 1);

    // A process that knows of no other database has no reason to be quiet.
    drop(other);
    let other = open(elsewhere()).await.unwrap();
    let (_sending, next) = noted(note(&other, "desk-b", Cause::New, 3).await);
    assert!(next.0 > lost.0 + 1000, "{next:?}");
    one.record_answer(lost, &SetAnswer::Accepted).await.unwrap();
    one.record_resolved(lost, false, None).await.unwrap();
    other.record_answer(next, &SetAnswer::Accepted).await.unwrap();
}

#[tokio::test]
async fn an_account_that_a_newer_revision_names_is_not_released_by_who_knows_an_older_one() {
    let Some((one, other, _, _)) = two().await else { return };
    let older = accept(&one, "a", b"a", None).await.unwrap();
    let newer = accept(&other, "b", b"b", None).await.unwrap();
    register_target(&other, "desk-new", newer.0).await;
    one.release_the_gone(&name("desk-new"), older).await.unwrap();
    assert_eq!(one.accounts().await.unwrap(), [name("desk-new")].into());
    other.release_the_gone(&name("desk-new"), newer).await.unwrap();
    assert_eq!(one.accounts().await.unwrap(), [].into());
}

#[tokio::test]
async fn what_one_host_did_not_watch_is_unknown_of_its_accounts_alone() {
    let Some((one, other, cluster, database)) = two().await else { return };
    register_target(&one, "desk-a", 1).await;
    register_target(&other, "desk-b", 1).await;
    let at = |second: i64| ServerTime(START + second * 1000);
    one.watched(at(0), at(100)).await.unwrap();
    other.watched(at(0), at(40)).await.unwrap();
    let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
    let spans = visitor.spans(&SpansFilter { limit: 100, ..SpansFilter::default() }).unwrap();
    let span = |since, until| Span { since: at(since).0, until: Some(at(until).0) };
    assert_eq!(spans.watched, [span(0, 100)]);
    let unknown: Vec<_> =
        spans.targets.into_iter().map(|of| (of.target.account.to_string(), of.unknown)).collect();
    assert_eq!(unknown, [("desk-a".to_owned(), vec![]), ("desk-b".to_owned(), vec![span(40, 100)])]);
}

#[tokio::test]
async fn a_newer_posmoded_that_still_works_with_what_is_there_may_join_and_one_that_cannot_is_told() {
    let Some((one, other, cluster, database)) = two().await else { return };
    cluster.sql(&database, "UPDATE fleet SET format = 1000");
    // Those that run go on, as long as the tables are such that they can.
    one.event(Event::new(EventKind::Started, "a")).await.unwrap();
    drop(other);
    let other = Ledger::open(address(cluster, &database), clock(), elsewhere()).await.unwrap();
    drop(other);
    cluster.sql(&database, "UPDATE fleet SET oldest = 1000");
    let refused = Ledger::open(address(cluster, &database), clock(), elsewhere()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer(_)), "{refused:?}");
    let stopped = one.event(Event::new(EventKind::Started, "b")).await.unwrap_err();
    assert!(stopped.to_string().contains("newer"), "{stopped}");
}
