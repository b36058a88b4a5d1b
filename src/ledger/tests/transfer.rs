//! A ledger that is brought from a state directory to a server and back.

use super::*;
use crate::ledger::schema::{FORMAT, empty};
use crate::ledger::transfer::TABLES;
use crate::ledger::{Home, TransferError, VisitError, transfer};

/// All that a visitor can tell.
type Told = (
    Vec<Event>,
    Directives,
    Option<Revision>,
    BTreeSet<AccountName>,
    Vec<IntentRow>,
    BTreeMap<Target, Applied>,
);

fn told(visitor: &Visitor) -> Told {
    let every = HistoryFilter { limit: 10_000, ..HistoryFilter::default() };
    (
        visitor.history(&every).unwrap(),
        // A host that has had a daemon there is not brought along.
        Directives { has_others: false, ..visitor.directives().unwrap() },
        visitor.last_good().unwrap(),
        visitor.accounts().unwrap(),
        visitor.intents().unwrap(),
        visitor.applied().unwrap(),
    )
}

/// Writes to every table, and more events than go at once.
async fn fill(ledger: &Ledger) {
    accept(ledger, "aa", b"\x00\xff bytes", Some("c0ffee")).await.unwrap();
    for number in 0..3 {
        register_target(ledger, &format!("desk-{number}"), 1).await;
        let account = name(&format!("desk-{number}"));
        ledger.record_kind(&account, Kind::Classic).await.unwrap();
        ledger.pin(&account, &Uid(format!("10{number}")), &KeyId::of("key")).await.unwrap();
        ledger.out_of_sync(&target(&format!("desk-{number}")), ServerTime(START)).await.unwrap();
    }
    let whole = BTreeSet::from([Scope::Account]);
    ledger.release(&name("desk-2"), Some(&whole)).await.unwrap();
    let (_noted, id) = noted(note(ledger, "desk-0", Cause::New, 1).await);
    ledger.record_confirmed(id, Some(applied(How::Set, 1))).await.unwrap();
    let entry = PlanEntry::new(&target("desk-1"), to_hedge(Cause::New));
    let plan = Plan(BTreeSet::from([entry]));
    ledger.hold(&plan).await.unwrap();
    let visitor = ledger.visitor().unwrap();
    visitor.approve(&plan.hash()).unwrap();
    visitor.pause(&[name("desk-0")], "lunch", Some(minutes(5))).unwrap();
    visitor.resume(&[name("desk-0")]).unwrap();
    visitor.pause(&[name("desk-1")], "it's \"quoted\" ?1 $1 ünïcode", None).unwrap();
    ledger.cool_down("uid 100 x", false, START + HOUR).await.unwrap();
    for number in 0..1100 {
        ledger.event(Event::new(EventKind::Drift, format!("number {number}"))).await.unwrap();
    }
    ledger.notice().await.unwrap();
    // What is under way when the daemon ends.
    let (_noted, _) = noted(note(ledger, "desk-2", Cause::New, 2).await);
}

#[test]
fn every_table_is_brought_along() {
    let all = empty(FORMAT).unwrap();
    let asked = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let mut all = all.prepare(asked).unwrap();
    let all: BTreeSet<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(TABLES.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), all);
}

#[tokio::test]
async fn a_ledger_goes_to_a_server_and_back_as_it_is_and_the_old_one_is_closed() {
    let above = TempDir::new().unwrap();
    let (dir, other) = (above.path().join("one"), above.path().join("other"));
    let ledger = open(&dir).await;
    fill(&ledger).await;
    let from = Home::Directory(dir.clone());
    let server = cluster().map(|cluster| Home::Server(Box::new(address(cluster, &cluster.database()))));
    // Where there is no server, from a directory to another.
    let to = server.unwrap_or(Home::Directory(above.path().join("third")));
    let visit = |home: &Home| Visitor::open(home, clock());
    let go_on = async |home: &Home| Ledger::open(home, clock(), here()).await;

    let held = transfer(&from, &to, &clock()).await.unwrap_err();
    assert!(matches!(held, TransferError::Home(OpenError::Held { .. })), "{held:?}");
    drop(ledger);
    // The start after it finds the set that was under way.
    drop(open(&dir).await);
    let before = told(&visit(&from).unwrap());
    assert_eq!(before.0.len(), 1100 + before.0.iter().filter(|event| event.kind != EventKind::Drift).count());
    assert!(!before.1.pauses.is_empty() && before.4.len() == 2);

    let brought = transfer(&from, &to, &clock()).await.unwrap();
    assert_eq!(brought.unresolved, 1);
    assert!(brought.rows > 1100, "{brought:?}");
    assert!(brought.kept.unwrap().is_file());
    assert_eq!(told(&visit(&to).unwrap()), before);
    let closed = [
        go_on(&from).await.unwrap_err().to_string(),
        visit(&from).unwrap_err().to_string(),
        transfer(&from, &to, &clock()).await.unwrap_err().to_string(),
    ];
    let say = format!(
        "The ledger of {} was brought to {to}, and this one is closed: name that with --state.",
        dir.display()
    );
    assert_eq!(closed, [say.clone(), say.clone(), say]);

    let ledger = go_on(&to).await.unwrap();
    ledger.event(Event::new(EventKind::Drift, "there")).await.unwrap();
    let events = told(&ledger.visitor().unwrap()).0;
    assert_eq!(events.len(), before.0.len() + 1);
    assert!(events.is_sorted_by(|one, next| one.id < next.id));
    drop(ledger);
    let there = told(&visit(&to).unwrap());
    let taken = transfer(&to, &Home::Directory(above.path().to_owned()), &clock()).await;
    assert!(taken.is_ok(), "{taken:?}");
    let again = transfer(&Home::Directory(above.path().to_owned()), &to, &clock()).await.unwrap_err();
    assert!(
        again.to_string().contains("this one is closed") || again.to_string().contains("already"),
        "{again}"
    );
    assert_eq!(told(&Visitor::open(above.path(), clock()).unwrap()), there);
    let say = format!("The ledger of {to} was brought to {}, and this one is closed", above.path().display());
    assert!(go_on(&to).await.unwrap_err().to_string().starts_with(&say));
    assert!(visit(&to).unwrap_err().to_string().starts_with(&say));

    // Back to where it was: the word that it is elsewhere is taken away.
    let first = Home::Directory(above.path().to_owned());
    transfer(&first, &from, &clock()).await.unwrap();
    assert_eq!(told(&visit(&from).unwrap()), there);
    drop(go_on(&from).await.unwrap());
    drop(open(&other).await);
    let taken = transfer(&from, &Home::Directory(other), &clock()).await.unwrap_err();
    assert!(matches!(taken, TransferError::Taken { .. }), "{taken:?}");
    assert_eq!(told(&visit(&from).unwrap()), there);
    let nothing = Home::Directory(above.path().join("nothing"));
    let none = transfer(&nothing, &from, &clock()).await.unwrap_err();
    assert!(matches!(none, TransferError::From(VisitError::NoLedger { .. })), "{none:?}");
}

#[tokio::test]
async fn a_server_that_has_a_ledger_takes_no_other() {
    let Some(cluster) = cluster() else { return };
    let to = address(cluster, &cluster.database());
    let ledger = Ledger::open(to.clone(), clock(), here()).await.unwrap();
    register_target(&ledger, "desk-a", 1).await;
    drop(ledger);
    let dir = TempDir::new().unwrap();
    let from = open(dir.path()).await;
    register_target(&from, "desk-b", 1).await;
    drop(from);
    let home = Home::Directory(dir.path().to_owned());
    let taken = transfer(&home, &Home::Server(Box::new(to.clone())), &clock()).await.unwrap_err();
    assert!(matches!(taken, TransferError::Taken { .. }), "{taken:?}");
    assert_eq!(Visitor::open(to, clock()).unwrap().accounts().unwrap(), BTreeSet::from([name("desk-a")]));
    assert_eq!(open(dir.path()).await.accounts().await.unwrap(), BTreeSet::from([name("desk-b")]));
}
