//! What the daemons of several hosts show each other, where they work with one ledger: what others were told, and what they tell.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::facts::Generation;
use crate::ledger::{Peer, Shown};
use crate::moment::Moment;
use crate::position_mode::Target;
use crate::status::{HostStatus, Peers, TargetStatus, seconds};

/// What others were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Our targets, as JSON.
    pub(super) targets: BTreeMap<Target, String>,
    pub(super) in_force: Option<(Generation, Option<String>)>,
    pub(super) at: Option<Moment>,
}

/// What others show; one that another version writes, and this one cannot read, is left out.
pub fn read(peers: Vec<Peer>, shown: Vec<Shown>, now: Timestamp) -> Peers {
    let ago = |millis: i64| {
        let ago = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        seconds(now.checked_sub(ago).unwrap_or(now))
    };
    let host = |peer: Peer| HostStatus {
        unknown_since: is_unknown(&peer).then(|| ago(peer.seen_ago)),
        host: peer.host,
        version: peer.posmoded,
        lives: peer.lives,
        ended: peer.has_left,
        seen_at: ago(peer.seen_ago),
        started_at: ago(peer.started_ago),
        generation: peer.generation,
        commit: peer.commit,
    };
    let target = |shown: Shown| {
        let target: TargetStatus = serde_json::from_str(&shown.status).ok()?;
        Some(TargetStatus { host: Some(shown.host), ..target })
    };
    Peers {
        hosts: peers.into_iter().map(host).collect(),
        targets: shown.into_iter().filter_map(target).collect(),
        read_at: now,
    }
}

/// Whether it may live, though it shows no sign of that.
fn is_unknown(peer: &Peer) -> bool {
    !peer.lives && !peer.has_left && !peer.is_witnessed
}
