//! One account under two names, which the file gives to two hosts.

use bitget_sim::{ApiKey, FaultKind, PosMode, Uid};

use super::{Fleet, HEDGE, ONE_WAY, common, file};
use crate::process::{PATIENCE, wait_until};

pub(super) fn two_names_of_one_account_on_two_hosts_never_have_two_sets_under_way_together() {
    let both = file(&[(1, 1, HEDGE), (2, 2, HEDGE), (3, 2, ONE_WAY)]);
    let mut fleet = Fleet::direct(common().unwrap(), 2, 3, &both);
    // What the exchange has as one account has two keys, of which each host holds one.
    fleet.venue.simulator.with(|exchange| exchange.add_key(Uid(1), ApiKey::named("desk-2"))).unwrap();
    fleet.start();
    fleet.stands(1, 3, "in_sync", "");
    fleet.are_refused_for_each_other();
    for site in &fleet.sites {
        site.host.wait_out_its_quiet();
    }
    fleet.are_refused_for_each_other();
    assert_eq!(fleet.setters(1), [0; 0]);

    // Alone it is set, and its set is lost.
    fleet.inject(1, FaultKind::Hang);
    fleet.declare(&[0, 1], &file(&[(1, 1, HEDGE), (3, 2, ONE_WAY)]));
    fleet.wait_for_sets(1, 1);
    fleet.declare(&[0, 1], &both);
    fleet.are_refused_for_each_other();
    // Nobody looks after the first name any more, and the second waits until its set can take no effect.
    fleet.declare(&[0, 1], &file(&[(2, 2, HEDGE), (3, 2, ONE_WAY)]));
    let told = fleet.stands(1, 2, "new", "A set was sent and no usable answer came back");
    assert_eq!(told["reason"], "outcome_unknown", "{told}");
    assert_eq!((fleet.setters(1), fleet.unresolved()), (vec![0], 1), "{told}");
    fleet.wait_for_sets(1, 2);
    fleet.stands(1, 2, "in_sync", "");
    assert_eq!((fleet.setters(1), fleet.intents(2)), (vec![0, 1], "confirmed".to_owned()));
    fleet.has(1, PosMode::HedgeMode);
    fleet.end();
}

impl Fleet {
    /// Either name says that the other is the same account.
    #[track_caller]
    fn are_refused_for_each_other(&self) {
        for (host, uid, other) in [(0, 1, "desk-2"), (1, 2, "desk-1")] {
            let refused = || {
                let told = self.sites[host].target(uid)?;
                let part = format!("The key belongs to account 1, and so does that of {other}:");
                (told["reason"] == "wrong_account" && told["say"].as_str()?.contains(&part)).then_some(())
            };
            wait_until("both names are refused", PATIENCE, || self.said(), refused);
        }
    }

    /// How many sets of either name may still take effect, as far as the ledger knows.
    fn unresolved(&self) -> usize {
        let asked = "SELECT count(*) FROM intents WHERE state IN ('noted', 'accepted', 'unclear')";
        self.cluster.sql(&self.database, asked).trim().parse().unwrap()
    }
}
