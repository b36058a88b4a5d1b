//! What the daemon reports to others: over HTTP, as metrics, and to the service manager.
//!
//! Renders `status` and plain numbers. It changes nothing and has no access to the exchange or the ledger: what it
//! needs of them is passed in as [`Vitals`] and [`Records`].

pub mod bound;
mod connections;
mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
pub mod http;
pub mod listen;
pub mod metrics;
mod page;
mod query;
mod spans;
pub mod systemd;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::constants::KEEPER_LATE;
use crate::exchange::HttpVersion;
use crate::facts::Stretch;
use crate::moment::{Moment, spell};
use crate::protocol::Reason;
use crate::source::LastPull;
use crate::status::{AccountStatus, Board, Config, Peers, Status, Warning};

pub use bound::{BindError, Bound};
pub use history::Records;
pub use listen::{Listen, ListenError};

/// Everything that can be shown; clones share it.
#[derive(Debug, Clone)]
pub struct View {
    /// The board on which the keepers publish.
    pub board: Board,
    /// The process's clock.
    pub clock: Clock,
    /// The health of the daemon itself.
    pub vitals: Arc<dyn Vitals>,
    /// The history, from the ledger.
    pub records: Arc<dyn Records>,
    /// Counters since the start of the process.
    pub counters: Arc<Registry>,
}

/// The health of the daemon itself, beside what its keepers publish. Called on every request, so answers must be
/// quick.
pub trait Vitals: fmt::Debug + Send + Sync + 'static {
    /// By when the fleet's loop promised its next turn.
    fn fleet_due(&self) -> Moment;

    /// Why the ledger cannot be used now, in a plain sentence; `None` while it can.
    fn ledger_trouble(&self) -> Option<String>;

    /// The version of HTTP of the exchange's last answer; `None` before the first.
    fn http(&self) -> Option<HttpVersion>;

    /// By how much intervals between looks come out longer than wanted.
    fn stretch(&self) -> Stretch;

    /// When the newest commit was last brought from git; `None` where nothing does that.
    fn last_pull(&self) -> Option<LastPull>;

    /// The name of this host, as it is now.
    fn host(&self) -> String;

    /// Where the file is.
    fn path(&self) -> String;

    /// What an operator should know about the daemon itself, each in a plain sentence or two.
    fn warnings(&self) -> Vec<String>;
}

impl View {
    /// The status as of now, as operators see it.
    pub fn status(&self) -> Status {
        let now = self.clock.now();
        let status = self.board.status(self.clock.timestamp(now));
        let targets = status.targets.into_iter().map(|target| target.said_at(now)).collect();
        let (http, stretch, source) = (self.vitals.http(), self.vitals.stretch(), self.vitals.last_pull());
        let mut warnings = status.warnings;
        warnings.extend(self.vitals.warnings().into_iter().map(|say| Warning { account: None, say }));
        let config = Config { path: Some(self.vitals.path()), ..status.config };
        let host = Some(self.vitals.host());
        Status { host, config, targets, warnings, http, stretch, source, ..status }
    }

    /// The same, and how the targets of other hosts stand, where their daemons work with the same ledger.
    pub fn of_all_hosts(&self) -> Status {
        self.status().with(&self.board.peers())
    }

    /// The hosts that work with the same ledger, as far as they are known here now.
    pub fn peers(&self) -> Peers {
        let now = self.clock.timestamp(self.clock.now());
        self.board.peers().as_known(Some(&self.vitals.host()), now)
    }

    /// What this daemon tells people: its own targets, and those of other hosts that nobody looks after.
    pub fn to_tell(&self) -> Status {
        self.of_all_hosts().without_what_others_tell()
    }

    /// Why the daemon is not live: the fleet's loop is later than [`KEEPER_LATE`]. `None` while it is on time.
    pub fn stuck(&self) -> Option<String> {
        let late = self.late(self.vitals.fleet_due());
        (late > KEEPER_LATE)
            .then(|| format!("The loop over all accounts is {} late, so neither the file nor a pause is heard of: restart posmoded.", spell(late)))
    }

    /// The fleet's loop or the first keeper that is later than [`KEEPER_LATE`]: then the watchdog is not fed.
    pub fn wedged(&self) -> Option<String> {
        let mut first_late = None;
        self.board.see(|account, AccountStatus { due, .. }| {
            let late = self.late(*due);
            if late > KEEPER_LATE && first_late.is_none() {
                first_late = Some(format!(
                    "The keeper of {account} is {} late, so that account is not looked at: restart posmoded.",
                    spell(late)
                ));
            }
        });
        self.stuck().or(first_late)
    }

    /// How late is what was promised by `due`. While the machine is suspended nobody can keep a promise: one that was due
    /// then is late from the waking on.
    fn late(&self, due: Moment) -> Duration {
        self.clock.now().since(due.max(self.clock.woken()))
    }

    /// Why the daemon is not ready: file and ledger must be up, and every keeper must have looked at least once.
    pub fn unready(&self) -> Option<String> {
        let Status { config, targets, .. } = self.status();
        let Config { generation, problem, sha256: _, commit: _, loaded_at: _, behind: _, path: _, next: _ } =
            config;
        if let Some(problem) = problem {
            return Some(format!(
                "The newest content of the file is not in force, so nothing is changed: {problem}"
            ));
        }
        if generation.0 == 0 {
            return Some("No revision of the file is in force yet, so no account is looked at.".to_owned());
        }
        // The fleet seldom writes, so a keeper meets a full disk first.
        let of_a_keeper = || targets.into_iter().find(|target| target.reason == Some(Reason::Ledger))?.say;
        if let Some(trouble) = self.vitals.ledger_trouble().or_else(of_a_keeper) {
            return Some(format!("The ledger cannot be used: {trouble}"));
        }
        let mut unseen = Vec::new();
        self.board.see(|account, status| {
            if !status.looked {
                unseen.push(account.clone());
            }
        });
        let (first, rest) = unseen.split_first()?;
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        Some(format!("Not looked at yet: {first}{more}."))
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fixture;
