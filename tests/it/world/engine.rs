//! The engine of a world's ledger: memory, or a database of a real PostgreSQL where the environment asks for one.

use posmoded::clock::Clock;
use posmoded::ledger::{Address, Ledger};

use crate::cluster::cluster;

/// Whoever sets it wants ledgers on a server.
pub const ON_A_SERVER: &str = "POSMODED_TEST_POSTGRES";

/// A new ledger.
pub fn new_ledger(clock: Clock) -> Ledger {
    if std::env::var_os(ON_A_SERVER).is_none() {
        return Ledger::in_memory(clock).expect("a ledger in memory");
    }
    let cluster = cluster().expect("PostgreSQL is installed");
    let address = Address::new(&cluster.url(&cluster.database())).expect("an address");
    Ledger::simulated_on(address, clock).expect("a ledger in a database")
}
