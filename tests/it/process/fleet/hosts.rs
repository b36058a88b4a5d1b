//! Hosts that are killed, stopped and cut off, and accounts that move meanwhile.

use std::thread::sleep;
use std::time::{Duration, Instant};

use bitget_sim::{FaultKind, PosMode, Uid};
use posmoded::constants::{FENCE, LEDGER_AWAY};

use super::{Cable, Fleet, HEDGE, ONE_WAY, common, file, is_long};
use crate::pooler::Pooler;
use crate::process::{PATIENCE, wait_until};

pub(super) fn a_host_that_is_killed_leaves_its_sets_to_the_next_one_which_waits_for_their_fences() {
    let given = |first, second| file(&[(1, first, HEDGE), (2, second, HEDGE), (3, 2, HEDGE), (4, 3, HEDGE)]);
    let mut fleet = Fleet::direct(common().unwrap(), 3, 4, &given(1, 1));
    // One executes when nobody waits for it any more, the other never does.
    fleet.inject(1, FaultKind::ExecuteLater { after: Duration::from_secs(20) });
    fleet.inject(2, FaultKind::Hang);
    fleet.start();
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    fleet.sites[0].host.kill();
    fleet.declare(&[1, 2], &given(2, 3));
    fleet.stands(1, 1, "unknown", "");
    fleet.stands(2, 2, "unknown", "");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0], vec![0]));
    // The host comes back with the file that it had.
    let before = fleet.asked(Some(0), None).len();
    fleet.sites[0].launch();
    fleet.stands(1, 1, "in_sync", "");
    fleet.is_lost_without_effect(2, 2);
    assert_eq!((fleet.setters(1), fleet.setters(3), fleet.setters(4)), (vec![0], vec![1], vec![2]));
    for uid in [1, 3, 4] {
        fleet.has(uid, PosMode::HedgeMode);
    }
    assert_eq!(fleet.intents(1), "took_effect");
    assert_eq!(fleet.stands(0, 1, "in_sync", "")["host"], "trade-02");
    assert!(fleet.setters(2).iter().skip(1).all(|host| *host == 2));
    let asked = fleet.asked(Some(0), None);
    assert!(asked[before..].iter().all(|entry| entry.account.is_none()), "{:?}", &asked[before..]);
    fleet.end();
}

pub(super) fn a_host_that_is_stopped_between_note_and_send_sends_nothing_when_it_wakes() {
    let given = |first, mode, second| file(&[(1, first, mode), (2, second, HEDGE), (3, 2, HEDGE)]);
    let mut fleet = Fleet::direct(common().unwrap(), 3, 3, &given(1, ONE_WAY, 1));
    fleet.inject(2, FaultKind::HangReply);
    fleet.start();
    fleet.stands(0, 1, "in_sync", "");
    fleet.wait_for_sets(2, 1);
    let sql = |sql: &str| fleet.hub.cluster.sql(&fleet.database, sql);
    // The server takes its time for the commit of the note, and the host is stopped before it hears of it.
    sql("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON intents DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.account = 'desk-1') EXECUTE FUNCTION wait()");
    fleet.declare(&[0, 1, 2], &given(1, HEDGE, 1));
    let noting = || {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        (sql(asked).trim() == "1").then_some(())
    };
    wait_until("the set is being noted", PATIENCE, || fleet.said(), noting);
    fleet.sites[0].host.signal("STOP");
    let stopped = Instant::now();
    let noted = || (fleet.intents(1) == "noted").then_some(());
    wait_until("the set is noted", PATIENCE, || fleet.said(), noted);
    sql("DROP TRIGGER slow ON intents");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![], vec![0]));
    fleet.declare(&[0, 1, 2], &given(2, HEDGE, 3));
    fleet.stands(2, 1, "unknown", "");
    // Long enough that it is not counted among the living any more.
    sleep(Duration::from_secs(20).saturating_sub(stopped.elapsed()));
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![], vec![0]));
    fleet.sites[0].host.signal("CONT");
    fleet.stands(2, 2, "in_sync", "");
    fleet.is_lost_without_effect(1, 1);
    assert_eq!(fleet.stands(0, 2, "in_sync", "")["host"], "trade-03");
    assert!(fleet.setters(1).iter().all(|host| *host == 1), "{}", fleet.said());
    assert_eq!((fleet.setters(2), fleet.setters(3)), (vec![0], vec![1]), "{}", fleet.said());
    assert_eq!(fleet.intents(2), "took_effect");
    for uid in [2, 3] {
        fleet.has(uid, PosMode::HedgeMode);
    }
    fleet.end();
}

pub(super) fn a_host_that_is_cut_off_from_the_database_sends_nothing_and_soon_asks_nothing() {
    let given = |mode, second| file(&[(1, 1, mode), (2, second, mode), (3, 2, mode)]);
    let mut fleet = Fleet::direct(common().unwrap(), 3, 3, &given(ONE_WAY, 1));
    fleet.start();
    for (host, uid) in [(0, 1), (0, 2), (1, 3)] {
        fleet.stands(host, uid, "in_sync", "");
    }
    fleet.sites[0].host.wait_out_its_quiet();
    fleet.cut(0, Cable::Database);
    fleet.declare(&[0, 1, 2], &given(HEDGE, 1));
    // The others go on without it.
    fleet.wait_for_sets(3, 1);
    fleet.falls_silent(&[0]);
    let told = fleet.stands(1, 1, "unknown", "has shown no sign of life since");
    assert_eq!(told["wants"], "human", "{told}");
    // It cannot see the others, and says that of them.
    let told = fleet.stands(0, 3, "unknown", "It is not known here since ");
    assert_eq!((&told["host"], &told["wants"]), (&"trade-02".into(), &"itself".into()), "{told}");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![], vec![]));
    fleet.mend(0, Cable::Database);
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    fleet.stands(0, 1, "in_sync", "");
    fleet.stands(0, 2, "in_sync", "");
    assert_eq!((fleet.setters(1), fleet.setters(2), fleet.setters(3)), (vec![0], vec![0], vec![1]));

    // From both, as where its whole network is gone. An account of it is given to another.
    fleet.cut(0, Cable::Database);
    fleet.cut(0, Cable::Exchange);
    fleet.declare(&[1, 2], &given(ONE_WAY, 3));
    fleet.wait_for_sets(2, 2);
    fleet.wait_for_sets(3, 2);
    fleet.stands(2, 2, "in_sync", "");
    fleet.stands(1, 3, "in_sync", "");
    let asked = fleet.asked(Some(0), None).len();
    sleep(LEDGER_AWAY);
    fleet.mend(0, Cable::Exchange);
    fleet.falls_silent(&[0]);
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0], vec![0, 2]));
    fleet.mend(0, Cable::Database);
    // What is in force is what the ledger says; its own file is as it was.
    fleet.wait_for_sets(1, 2);
    fleet.stands(0, 1, "in_sync", "");
    assert_eq!(fleet.stands(0, 2, "in_sync", "")["host"], "trade-03");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0, 0], vec![0, 2]));
    let since = &fleet.asked(Some(0), None)[asked..];
    assert!(since.iter().all(|entry| entry.account != Some(Uid(2))), "{since:?}");
    for uid in 1..=3 {
        fleet.has(uid, PosMode::OneWayMode);
    }
    fleet.end();
}

pub(super) fn an_account_that_moves_while_its_set_is_lost_waits_for_the_fence_on_its_new_host() {
    let given = |host| file(&[(1, host, HEDGE), (2, host, HEDGE), (3, 2, ONE_WAY)]);
    let mut fleet = Fleet::direct(common().unwrap(), 2, 3, &given(1));
    // One is executed and one is not, and no answer comes of either.
    fleet.inject(1, FaultKind::HangReply);
    fleet.inject(2, FaultKind::Hang);
    fleet.start();
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    fleet.declare(&[0, 1], &given(2));
    let moved = Instant::now();
    fleet.stands(1, 2, "unknown", "");
    fleet.stands(1, 1, "in_sync", "");
    fleet.is_lost_without_effect(1, 2);
    assert!(moved.elapsed() + Duration::from_secs(2) > FENCE, "{:?}", moved.elapsed());
    assert_eq!((fleet.setters(1), fleet.intents(1)), (vec![0], "took_effect".to_owned()));
    assert!(fleet.setters(2).iter().skip(1).all(|host| *host == 1));
    assert_eq!(fleet.stands(0, 1, "in_sync", "")["host"], "trade-02");
    fleet.has(1, PosMode::HedgeMode);
    fleet.end();
}

impl Fleet {
    /// The host that an account has moved to finds that its set had no effect; a minute later it sends one, which is waited
    /// for where there is time.
    #[track_caller]
    fn is_lost_without_effect(&self, host: usize, uid: u64) {
        let count = self.sets(uid).len();
        // One that was stopped withdraws it when it wakes, if it is the first to know.
        let ends = ["no_effect", "withdrawn"];
        let is_found = || ends.iter().any(|end| self.intents(uid).starts_with(end)).then_some(());
        wait_until("it had no effect", PATIENCE + FENCE, || self.said(), is_found);
        assert_eq!(self.sets(uid).len(), count, "{}", self.said());
        if is_long() {
            wait_until(
                "another set",
                PATIENCE * 2,
                || self.said(),
                || (self.sets(uid).len() > count).then_some(()),
            );
            self.stands(host, uid, "in_sync", "");
            self.has(uid, PosMode::HedgeMode);
            assert!(self.sets(uid).len() == count + 1 && self.intents(uid).ends_with(" confirmed"));
        }
    }
}

pub(super) fn behind_a_pooler_hosts_live_as_without_and_an_account_moves() {
    if !Pooler::is_there() {
        return;
    }
    let hub = common().unwrap();
    let given = |host, mode| file(&[(1, host, mode), (2, 2, mode)]);
    let pooler = std::cell::RefCell::new(None);
    let through = |database: &str| {
        let mut pooler = pooler.borrow_mut();
        pooler.get_or_insert_with(|| Pooler::before(hub.cluster, database).unwrap()).url.clone()
    };
    let mut fleet = Fleet::new(hub, 2, 2, &given(1, HEDGE), through);
    fleet.start();
    fleet.stands(0, 1, "in_sync", "");
    fleet.stands(1, 2, "in_sync", "");
    fleet.wait_for_sets(1, 1);
    fleet.wait_for_sets(2, 1);
    assert_eq!(fleet.stands(0, 2, "in_sync", "")["host"], "trade-02");
    let (code, out, err) = fleet.sites[0].host.call(&["pause", "--reason", "a look"]);
    assert_eq!(code, 0, "{out}{err}");
    fleet.declare(&[0, 1], &given(2, ONE_WAY));
    fleet.stands(1, 1, "pending", "a look");
    fleet.stands(1, 2, "pending", "a look");
    let (code, out, err) = fleet.sites[1].host.call(&["resume"]);
    assert_eq!(code, 0, "{out}{err}");
    fleet.stands(1, 1, "in_sync", "");
    fleet.stands(1, 2, "in_sync", "");
    assert_eq!(fleet.stands(0, 1, "in_sync", "")["host"], "trade-02");
    assert_eq!((fleet.setters(1), fleet.setters(2)), (vec![0, 1], vec![1, 1]));
    fleet.end();
}
