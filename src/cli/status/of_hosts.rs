//! The status as the daemons of other hosts show it in the ledger that they share, for a host that has no daemon of its own.

use jiff::Timestamp;

use crate::clock::Clock;
use crate::facts::Stretch;
use crate::fleet::{paused_of, peers_of};
use crate::ledger::{LedgerError, Revision, Visitor};
use crate::status::{Config, SCHEMA, Status, seconds};

/// What is in force, what is paused, and what each host has shown of its targets.
pub(super) fn of_hosts(visitor: &Visitor, clock: &Clock) -> Result<Status, LedgerError> {
    let (peers, shown) = visitor.peers()?;
    let (directives, revision) = (visitor.directives()?, visitor.last_good()?);
    let moment = clock.now();
    let now = clock.timestamp(moment);
    let at = |millis| Timestamp::from_millisecond(millis).map_or(Timestamp::UNIX_EPOCH, seconds);
    let standing = directives.standing(clock.exchange(), moment);
    let config = revision.map(|Revision { generation, sha256, commit, accepted_at, .. }| Config {
        generation,
        sha256,
        commit,
        loaded_at: Some(at(accepted_at)),
        ..Config::default()
    });
    let status = Status {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: None,
        now: seconds(now),
        paused: standing.get(&None).copied().map(paused_of),
        paused_accounts: standing
            .into_iter()
            .filter_map(|(account, row)| Some((account?.clone(), paused_of(row))))
            .collect(),
        config: config.unwrap_or_default(),
        held: None,
        targets: Vec::new(),
        warnings: Vec::new(),
        account_settings: std::collections::BTreeMap::new(),
        http: None,
        stretch: Stretch::default(),
        source: None,
        hosts: Vec::new(),
    };
    Ok(status.with(&peers_of(peers, shown, now)))
}
