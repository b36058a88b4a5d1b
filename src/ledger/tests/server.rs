//! The ledger in a database of a server that hangs, restarts, is locked, or does not say whether it keeps a commit.

use std::collections::BTreeMap;
use std::time::Instant;

use super::cluster::PASSWORD;
use super::pooler::Pooler;
use super::*;
use crate::ledger::schema::{FORMAT, empty};
use crate::ledger::{CommandAnswer, OpenError, VisitError};

/// Some seconds, on a machine that has much else to do. Without a limit it would be a minute, or no end.
const SOON: Duration = Duration::from_secs(20);

/// A ledger of a new database of the common cluster.
async fn there() -> Option<(Ledger, &'static Cluster, String)> {
    let cluster = cluster()?;
    let database = cluster.database();
    let ledger = Ledger::open(address(cluster, &database), clock(), here()).await.unwrap();
    Some((ledger, cluster, database))
}

/// The same with a cluster of its own, for who changes or stops it.
async fn alone() -> Option<(Ledger, Cluster, String)> {
    cluster()?;
    let cluster = Cluster::begin().unwrap();
    let database = cluster.database();
    let ledger = Ledger::open(address(&cluster, &database), clock(), here()).await.unwrap();
    Some((ledger, cluster, database))
}

/// Tries until it succeeds, as the daemon does.
async fn until<T>(what: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = what().await {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// From now on commits wait for a standby that there is not, or not.
fn wait_for_standby(cluster: &Cluster, on: bool) {
    let names = if on { "nobody" } else { "" };
    cluster.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    // A session that begins with it begins after all others were told.
    let is_so = || cluster.sql("postgres", "SHOW synchronous_standby_names").trim() == names;
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "the server does not read its settings");
    }
}

/// How many commits wait for a standby.
fn waiting(cluster: &Cluster) -> usize {
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    cluster.sql("postgres", asked).trim().parse().unwrap()
}

async fn try_note(ledger: &Ledger, words: &str, stamp: i64) -> Result<Note, LedgerError> {
    let stamp = ServerTime(START + stamp);
    ledger.note(&target(words), to_hedge(Cause::New), Generation(1), stamp, 1000).await
}

#[tokio::test]
async fn the_tables_are_those_of_the_file() {
    let Some((_ledger, cluster, database)) = there().await else { return };
    let file = empty(FORMAT).unwrap();
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut all = file
        .prepare(
            "SELECT t.name, c.name || ' ' || lower(c.type) || CASE WHEN c.\"notnull\" OR c.pk THEN ' no' ELSE '' END
             FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
        )
        .unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for row in rows {
        let (table, column): (String, String) = row.unwrap();
        columns.entry(table).or_default().push(column.replace("integer", "bigint").replace("blob", "bytea"));
    }
    let asked = "SELECT c.table_name, c.column_name || ' ' || c.data_type || CASE c.is_nullable WHEN 'NO' THEN ' no' ELSE '' END
                 FROM information_schema.columns c JOIN information_schema.tables USING (table_schema, table_name)
                 WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('fleet', 'hosts', 'looks')";
    let mut theirs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in cluster.sql(&database, asked).lines() {
        let (table, column) = line.split_once('|').unwrap();
        theirs.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    for of in [&mut columns, &mut theirs] {
        for names in of.values_mut() {
            names.sort_unstable();
        }
    }
    assert_eq!(columns, theirs);
    let indexes = |names: String| names.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let theirs = cluster.sql(
        &database,
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND tablename NOT IN ('hosts', 'looks')
         UNION SELECT viewname FROM pg_views WHERE schemaname = 'public'",
    );
    let mut ours = file
        .prepare("SELECT name FROM sqlite_schema WHERE type IN ('index', 'view') AND name NOT LIKE 'sqlite%'")
        .unwrap();
    let ours =
        ours.query_map([], |row| row.get(0)).unwrap().collect::<Result<BTreeSet<String>, _>>().unwrap();
    assert_eq!(indexes(theirs), ours);
}

#[tokio::test]
async fn a_commit_with_a_warning_beside_it_is_unknown_and_its_set_never_leaves() {
    let Some((ledger, cluster, _)) = alone().await else { return };
    wait_for_standby(&cluster, true);
    let noting = tokio::spawn({
        let ledger = ledger.clone();
        async move { try_note(&ledger, "desk-a", 1).await }
    });
    until(async || (waiting(&cluster) == 1).then_some(())).await;
    // An administrator who ends the wait: the server answers `COMMIT`, and warns that it is here alone.
    cluster
        .sql("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    let unknown = noting.await.unwrap().unwrap_err();
    let told = unknown.to_string();
    assert!(matches!(unknown, LedgerError::Unknown { .. }), "{unknown:?}");
    assert!(told.contains("canceling wait for synchronous replication"), "{told}");
    assert!(!unknown.is_fault());
    wait_for_standby(&cluster, false);
    until(async || ledger.notice().await.ok()).await;
    let visitor = ledger.visitor().unwrap();
    let stages: Vec<Stage> = visitor.intents().unwrap().into_iter().map(|intent| intent.stage).collect();
    assert_eq!(stages, [Stage::Withdrawn]);
    assert_eq!(kinds(&ledger), [EventKind::Noted, EventKind::Withdrawn]);
    let (_noted, _) = noted(try_note(&ledger, "desk-a", 2).await.unwrap());
}

#[tokio::test]
async fn a_commit_that_hangs_is_waited_for_some_seconds_and_nothing_is_done_before_it_is_known() {
    let Some((ledger, cluster, _)) = alone().await else { return };
    for ends_by_restart in [false, true] {
        let account = format!("desk-{ends_by_restart}");
        wait_for_standby(&cluster, true);
        let began = Instant::now();
        let hung = try_note(&ledger, &account, 1).await.unwrap_err();
        assert!(matches!(hung, LedgerError::Unknown { .. }), "{hung:?}");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        // It may still be done, so nothing is written that does not know it.
        for _ in 0..3 {
            let began = Instant::now();
            let still = ledger.event(Event::new(EventKind::Drift, "after it")).await.unwrap_err();
            assert!(
                matches!(still, LedgerError::Unknown { .. } | LedgerError::Unreachable { .. }),
                "{still:?}"
            );
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        }
        assert_eq!(waiting(&cluster), 1);
        if ends_by_restart {
            wait_for_standby(&cluster, false);
            cluster.control(&["restart", "-w", "-m", "immediate", "-l", "/dev/null"]);
        } else {
            wait_for_standby(&cluster, false);
        }
        until(async || ledger.notice().await.ok()).await;
        let open = ledger.visitor().unwrap().open_intents().unwrap();
        assert_eq!(open, BTreeMap::new(), "its set did not leave, whatever came of its note");
        let (noted, _) = noted(try_note(&ledger, &account, 2).await.unwrap());
        ledger.withdraw(noted, "a test").await.unwrap();
    }
}

#[tokio::test]
async fn what_was_written_without_an_answer_may_be_asked_for_again() {
    let Some((ledger, cluster, _)) = alone().await else { return };
    register_target(&ledger, "desk-a", 1).await;
    let (_noted, id) = noted(try_note(&ledger, "desk-a", 1).await.unwrap());
    wait_for_standby(&cluster, true);
    let hung = ledger.record_confirmed(id, Some(applied(How::Set, 1))).await.unwrap_err();
    assert!(matches!(hung, LedgerError::Unknown { .. }), "{hung:?}");
    wait_for_standby(&cluster, false);
    until(async || ledger.notice().await.ok()).await;
    ledger.record_confirmed(id, Some(applied(How::Set, 1))).await.unwrap();
    let kept = register_target(&ledger, "desk-a", 1).await;
    assert_eq!((kept.applied, kept.intent), (Some(applied(How::Set, 1)), None));
}

#[tokio::test]
async fn a_server_that_hangs_blocks_nobody_for_long_and_is_left_for_a_new_connection() {
    let Some((ledger, cluster, database)) = there().await else { return };
    let asked = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'");
    let pid = cluster.sql("postgres", &asked).trim().to_owned();
    let signal = |signal: &str| {
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    let began = Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { try_note(&ledger, &format!("desk-{number}"), 1).await })
        })
        .collect();
    let mut failed = 0;
    for call in calls {
        failed += usize::from(call.await.unwrap().is_err());
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(failed <= 1, "the next connection is not that one: {failed}");
    signal("-CONT");
}

#[tokio::test]
async fn those_who_note_at_once_never_exceed_the_budget_together() {
    let Some((ledger, cluster, database)) = there().await else { return };
    let mut all = vec![ledger];
    cluster.sql(&database, "CREATE TABLE kept AS SELECT * FROM hosts");
    for number in 0..3 {
        // As if the one before it had been silent, and yet goes on.
        cluster.sql(&database, "DELETE FROM hosts");
        let us = Instance::of_this_process(format!("trade-1{number}"), None);
        all.push(Ledger::open(address(cluster, &database), clock(), us).await.unwrap());
        cluster.sql(&database, "INSERT INTO kept SELECT * FROM hosts");
    }
    cluster.sql(&database, "INSERT INTO hosts SELECT * FROM kept ON CONFLICT DO NOTHING");
    for round in 0..15 {
        let stamp = ServerTime(START + round * 2 * HOUR);
        let calls: Vec<_> = (0..)
            .zip(&all)
            .map(|(number, ledger)| {
                let (ledger, target) = (ledger.clone(), target(&format!("desk-{round}-{number}")));
                tokio::spawn(async move {
                    ledger.note(&target, to_hedge(Cause::New), Generation(1), stamp, 1).await
                })
            })
            .collect();
        let mut noted = 0;
        for call in calls {
            noted += usize::from(call.await.unwrap().unwrap() != Note::Braked);
        }
        assert_eq!(noted, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_as_a_whole_holds_up_no_stop() {
    let Some((ledger, cluster, _)) = alone().await else { return };
    cluster.signal("STOP");
    let began = Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { try_note(&ledger, &format!("desk-{number}"), 1).await })
        })
        .collect();
    for call in calls {
        let failed = call.await.unwrap().unwrap_err();
        assert!(matches!(failed, LedgerError::Unreachable { .. }), "{failed:?}");
    }
    drop(ledger);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    cluster.signal("CONT");
}

#[tokio::test]
async fn a_server_that_never_answers_is_said_and_stops_nobody() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("postgres://p@{}/x", silent.local_addr().unwrap());
    let address = Address::with_passwords(&text, None).unwrap();
    let began = Instant::now();
    let unreachable = Ledger::open(address.clone(), clock(), here()).await.unwrap_err();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let told = unreachable.to_string();
    assert!(told.starts_with("The ledger's database postgres://p@127.0.0.1:"), "{told}");
    assert!(told.contains("cannot be reached (no answer within 5 s)"), "{told}");
    drop(silent);
    let refused = Visitor::open(address, clock()).unwrap_err().to_string();
    // A program that another test starts right now has the listener open until it begins.
    assert!(refused.contains("Connection refused") || refused.contains("Connection reset"), "{refused}");
}

#[tokio::test]
async fn a_restart_of_the_server_is_noticed_and_gone_on_after() {
    let Some((ledger, cluster, _)) = alone().await else { return };
    register_target(&ledger, "desk-a", 1).await;
    cluster.control(&["stop", "-w", "-m", "fast"]);
    for _ in 0..3 {
        let began = Instant::now();
        let down = try_note(&ledger, "desk-a", 1).await.unwrap_err();
        assert!(matches!(down, LedgerError::Unreachable { .. }), "{down:?}");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    let began = Instant::now();
    drop(ledger.clone());
    assert!(ledger.notice().await.is_err());
    cluster.control(&["start", "-w", "-l", "/dev/null"]);
    until(async || ledger.notice().await.ok()).await;
    let (_noted, _) = noted(try_note(&ledger, "desk-a", 1).await.unwrap());
    cluster.control(&["stop", "-w", "-m", "immediate"]);
    drop(ledger);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_that_was_lost_while_nothing_was_asked_is_made_anew_without_a_word() {
    let Some((ledger, cluster, database)) = there().await else { return };
    for number in 0..3 {
        let ended =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        cluster.sql("postgres", &ended);
        let (_noted, _) = noted(try_note(&ledger, &format!("desk-{number}"), 1).await.unwrap());
    }
    assert_eq!(kinds(&ledger), [EventKind::Noted; 3]);
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_is_said_and_passes_by_itself() {
    let Some((ledger, cluster, database)) = there().await else { return };
    let mut other = std::process::Command::new(cluster.programs.join("psql"))
        .args(["-X", "-q", "-U", "posmoded", "-d", &database, "-p", &cluster.port.to_string(), "-h"])
        .arg(&cluster.home)
        .args(["-c", "BEGIN; LOCK TABLE fleet; SELECT pg_sleep(60)"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
    );
    until(async || (cluster.sql("postgres", &asked).trim() == "1").then_some(())).await;
    let began = Instant::now();
    // Many come together, and do not wait one after the other.
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { try_note(&ledger, &format!("desk-{number}"), 1).await })
        })
        .collect();
    for call in calls {
        let locked = call.await.unwrap().unwrap_err();
        assert!(matches!(locked, LedgerError::Busy { .. }), "{locked:?}");
        // It may be another host's, which nobody can end here.
        let said = locked.to_string();
        assert!(said.contains("pg_stat_activity") && said.contains("synchronous_standby_names"), "{said}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let ended = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
    );
    cluster.sql("postgres", &ended);
    other.wait().unwrap();
    let note = until(async || try_note(&ledger, "desk-a", 1).await.ok()).await;
    let (_noted, _) = noted(note);
}

#[tokio::test]
async fn what_is_no_ledger_of_ours_is_left_alone() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database();
    let address = address(cluster, &database);
    let none = Visitor::open(address.clone(), clock()).unwrap_err();
    assert!(matches!(none, VisitError::NoLedger { .. }), "{none:?}");
    assert_eq!(
        cluster.sql(&database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").trim(),
        "0"
    );
    drop(Ledger::open(address.clone(), clock(), here()).await.unwrap());
    cluster.sql(&database, &format!("UPDATE fleet SET format = {}", FORMAT - 1));
    let older = Visitor::open(address.clone(), clock()).unwrap_err();
    assert!(matches!(older, VisitError::Older { .. }), "{older:?}");
    cluster.sql(&database, &format!("UPDATE fleet SET format = {FORMAT}, oldest = {}", FORMAT + 1));
    let newer = Visitor::open(address.clone(), clock()).unwrap_err();
    assert!(matches!(newer, VisitError::Newer(_)), "{newer:?}");
    let newer = Ledger::open(address, clock(), here()).await.unwrap_err();
    assert!(matches!(newer, OpenError::Newer(_)), "{newer:?}");
    let nowhere = Visitor::open(super::address(cluster, "nowhere"), clock()).unwrap_err();
    assert!(nowhere.to_string().contains("database \"nowhere\" does not exist"), "{nowhere}");
}

#[tokio::test]
async fn the_password_comes_from_its_file_and_is_told_nobody() {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(cluster) = cluster() else { return };
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("pgpass");
    let text = format!("postgres://posmoded@127.0.0.1:{}/{}", cluster.port, cluster.database());
    for (password, is_right) in [(PASSWORD, true), ("s3cret-but-wrong", false)] {
        std::fs::write(&file, format!("127.0.0.1:*:*:posmoded:{password}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let opened =
            Ledger::open(Address::with_passwords(&text, Some(&file)).unwrap(), clock(), here()).await;
        assert_eq!(opened.is_ok(), is_right, "{opened:?}");
        let told = format!("{opened:?}");
        assert!(!told.contains(password), "{told}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("password authentication failed"), "{error}");
        }
    }
}

#[tokio::test]
async fn with_tls_the_certificate_and_its_name_are_verified() {
    let Some((_ledger, cluster, database)) = alone().await else { return };
    let openssl = |words: &str| {
        let said =
            std::process::Command::new("openssl").args(words.split(' ')).current_dir(&cluster.home).output();
        said.is_ok_and(|said| said.status.success())
    };
    let made = |name: &str, of: &str| {
        std::fs::write(cluster.home.join("of"), format!("subjectAltName={of}\n")).unwrap();
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root-{name} -keyout root.key -out {name}.root"
        )) && openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        )) && openssl(&format!(
            "x509 -req -in {name}.csr -days 2 -CA {name}.root -CAkey root.key -CAcreateserial -extfile of -out {name}.crt"
        ))
    };
    if !made("right", "IP:127.0.0.1") || !made("other", "DNS:other.example") {
        return cluster::skipped("openssl makes the certificates, and it cannot be run here");
    }
    let passwords = cluster.home.join("pgpass");
    std::fs::write(&passwords, format!("*:*:*:*:{PASSWORD}\n")).unwrap();
    let for_its_owner = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    for_its_owner(&passwords);
    let serve = |name: &str| {
        let at = |end: &str| cluster.home.join(format!("{name}.{end}")).display().to_string();
        for_its_owner(Path::new(&at("key")));
        cluster::give(Path::new(&at("key")));
        cluster.sql("postgres", &format!("ALTER SYSTEM SET ssl_cert_file = '{}'", at("crt")));
        cluster.sql("postgres", &format!("ALTER SYSTEM SET ssl_key_file = '{}'", at("key")));
        cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
        cluster.control(&["restart", "-w", "-l", "/dev/null"]);
    };
    let roots = |name: &str| {
        let file = cluster.home.join(format!("{name}.root")).display().to_string();
        let at = format!("postgres://posmoded@127.0.0.1:{}/{database}", cluster.port);
        let text = format!("{at}?sslmode=verify-full&sslrootcert={file}");
        Visitor::open(Address::with_passwords(&text, Some(&passwords)).unwrap(), clock()).map(drop)
    };
    serve("right");
    roots("right").unwrap();
    let unknown = roots("other").unwrap_err().to_string();
    assert!(unknown.contains("cannot be reached") && unknown.contains("certificate"), "{unknown}");
    serve("other");
    let name = roots("other").unwrap_err().to_string();
    assert!(name.contains("certificate"), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_and_commands_that_write_at_once_all_get_through() {
    let Some((ledger, cluster, database)) = there().await else { return };
    let commands: Vec<_> = (0..4)
        .map(|number| {
            let visitor = Visitor::open(address(cluster, &database), clock()).unwrap();
            tokio::task::spawn_blocking(move || {
                let account = [name(&format!("desk-{number}"))];
                for _ in 0..5 {
                    visitor.pause(&account, "upgrade", None).unwrap();
                    visitor.resume(&account).unwrap();
                }
                visitor
            })
        })
        .collect();
    for stamp in 0..20 {
        let (noted, _) = noted(note(&ledger, "set", Cause::New, stamp).await);
        ledger.withdraw(noted, "a test").await.unwrap();
        ledger.notice().await.unwrap();
    }
    let mut visitors = Vec::new();
    for task in commands {
        visitors.push(task.await.unwrap());
    }
    ledger.notice().await.unwrap();
    assert!(!ledger.notice().await.unwrap(), "our own writes are nobody else's");
    assert_eq!(ledger.directives().borrow().resumed, 20);
    assert_eq!(ledger.directives().borrow().pauses, []);
    let last = visitors[0].pause(&[], "a\0zero", None).unwrap();
    assert!(ledger.notice().await.unwrap());
    assert_eq!(visitors[0].answer(&last).unwrap(), Some(CommandAnswer::Acknowledged));
    assert_eq!(ledger.directives().borrow().pauses[0].pause.reason, "a zero");
}

#[tokio::test]
async fn one_daemon_of_a_host_works_with_a_database_and_commands_see_which() {
    let Some((ledger, cluster, database)) = there().await else { return };
    let address = address(cluster, &database);
    let visitor = Visitor::open(address.clone(), clock()).unwrap();
    assert_eq!(visitor.instance("trade-01").unwrap(), Some(here()));
    // It shows signs of life, so a second one gives up before the silence is long enough.
    let beating = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            loop {
                ledger.notice().await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    let second = Ledger::open(address.clone(), clock(), here()).await.unwrap_err();
    let OpenError::Used { by, .. } = &second else { panic!("{second:?}") };
    assert_eq!(*by, here());
    assert_eq!(
        second.to_string(),
        format!(
            "Another posmoded (process {} on trade-01) works with the ledger in {address}: stop that one first.",
            std::process::id()
        )
    );
    let dir = TempDir::new().unwrap();
    let home = Home::Directory(dir.path().to_owned());
    let copied = transfer(&Home::from(address.clone()), &home, &clock()).await.unwrap_err();
    assert!(matches!(copied, TransferError::Home(OpenError::Used { .. })), "{copied:?}");
    beating.abort();
    let _ = beating.await;
    // Its end is seen at once.
    drop(ledger);
    until(async || visitor.instance("trade-01").unwrap().is_none().then_some(())).await;
    let began = Instant::now();
    drop(Ledger::open(address, clock(), here()).await.unwrap());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_was_silent_for_too_long_writes_nothing_any_more_once_another_has_its_place() {
    let Some((ledger, cluster, database)) = there().await else { return };
    register_target(&ledger, "desk-a", 1).await;
    cluster.sql(&database, "UPDATE hosts SET seen_at = seen_at - interval '15 s'");
    let next = Ledger::open(address(cluster, &database), clock(), here()).await.unwrap();
    let noting = try_note(&ledger, "desk-a", 1).await.unwrap_err();
    assert!(noting.is_superseded(), "{noting:?}");
    let told = noting.to_string();
    assert!(told.contains(&format!("process {} on trade-01", std::process::id())), "{told}");
    // Without anything to write it finds out as well.
    assert!(until(async || ledger.notice().await.err()).await.is_superseded());
    // Its end ends nothing of the other's.
    drop(ledger);
    let (_noted, _) = noted(try_note(&next, "desk-a", 2).await.unwrap());
    assert_eq!(next.visitor().unwrap().instance("trade-01").unwrap(), Some(here()));
}

#[tokio::test]
async fn after_a_promotion_nothing_is_noted_for_a_while_and_where_commits_may_be_lost_everything_is_paused() {
    for is_synchronous in [false, true] {
        let Some((ledger, cluster, database)) = alone().await else { return };
        register_target(&ledger, "desk-a", 1).await;
        if is_synchronous {
            // As if each commit had waited for a standby that has ended just now.
            cluster.sql(&database, "UPDATE fleet SET synchronous = true");
        }
        cluster.become_standby();
        let refused = until(async || try_note(&ledger, "desk-a", 1).await.err()).await;
        assert!(matches!(refused, LedgerError::Unreachable { .. }), "{refused:?}");
        let daemon = Ledger::open(address(&cluster, &database), clock(), here()).await.unwrap_err();
        assert!(matches!(daemon, OpenError::Ledger(LedgerError::Unreachable { .. })), "{daemon:?}");
        cluster.promote();
        let directives = ledger.directives();
        until(async || {
            let _ = ledger.notice().await;
            directives.borrow().replaced_at
        })
        .await;
        // Somebody who did not hear of it yet is refused.
        assert_eq!(try_note(&ledger, "desk-a", 1).await.unwrap(), Note::Braked);
        let paused = directives.borrow().pauses.clone();
        let kinds = kinds(&ledger);
        let replaced = kinds.iter().filter(|kind| **kind == EventKind::LedgerReplaced).count();
        assert_eq!(replaced, 1, "{kinds:?}");
        if is_synchronous {
            assert_eq!(paused, []);
        } else {
            assert_eq!(paused.len(), 1);
            assert!(paused[0].pause.reason.ends_with("then posmoded resume"), "{paused:?}");
        }
        // The next process finds the database as this one left it.
        drop(ledger);
        let next = Ledger::open(address(&cluster, &database), clock(), here()).await.unwrap();
        next.notice().await.unwrap();
        assert_eq!(next.directives().borrow().replaced_at, None);
        assert_eq!(next.directives().borrow().pauses.len(), paused.len());
    }
}

#[tokio::test]
async fn a_database_that_was_set_back_under_the_same_name_is_found_out() {
    let Some((ledger, cluster, database)) = alone().await else { return };
    register_target(&ledger, "desk-a", 1).await;
    register_target(&ledger, "desk-b", 1).await;
    // As a copy of the server's disk from before the last commit.
    cluster.sql(&database, "UPDATE fleet SET version = version - 1");
    cluster.control(&["restart", "-w", "-m", "fast", "-l", "/dev/null"]);
    // A transaction that finds it out and fails leaves it to the next: nothing is on record yet.
    cluster.sql(&database, "ALTER TABLE pauses RENAME TO gone");
    until(async || {
        ledger.notice().await.is_err_and(|error| error.to_string().contains("pauses")).then_some(())
    })
    .await;
    cluster.sql(&database, "ALTER TABLE gone RENAME TO pauses");
    let directives = ledger.directives();
    until(async || {
        let _ = ledger.notice().await;
        directives.borrow().replaced_at
    })
    .await;
    assert_eq!(directives.borrow().pauses.len(), 1);
}

#[tokio::test]
async fn behind_a_pooler_that_gives_each_transaction_another_connection_it_is_the_same() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database();
    let Some(pooler) = Pooler::before(cluster, &database) else { return };
    let address = || Address::with_passwords(&pooler.url, None).unwrap();
    let ledger = Ledger::open(address(), clock(), here()).await.unwrap();
    register_target(&ledger, "desk-a", 1).await;
    let visitor = Visitor::open(address(), clock()).unwrap();
    visitor.pause(&[name("desk-b")], "a look", None).unwrap();
    until(async || ledger.notice().await.unwrap().then_some(())).await;
    assert_eq!(ledger.directives().borrow().pauses.len(), 1);
    let (_noted, _) = noted(try_note(&ledger, "desk-a", 1).await.unwrap());
    assert_eq!(try_note(&ledger, "desk-a", 2).await.unwrap(), Note::Braked, "one at a time");
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.event(Event::new(EventKind::Drift, format!("{number}"))).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // On a slow machine its last sign of life may be old.
    ledger.notice().await.unwrap();
    assert_eq!(visitor.instance("trade-01").unwrap(), Some(here()));
    drop(ledger);
    until(async || visitor.instance("trade-01").unwrap().is_none().then_some(())).await;
}
