//! Who works with a ledger: the daemon that holds it, as commands and other daemons see it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who holds a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its process id.
    pub pid: u32,
    /// The address it listens on, if any: one of its own host.
    pub listen: Option<String>,
    /// The name of its host, which may be another one where the ledger is on a server.
    #[serde(default)]
    pub host: Option<String>,
}

impl Instance {
    /// This process, where it needs no ledger of its own for long and listens nowhere.
    pub(super) fn of_this_command() -> Instance {
        Instance { pid: std::process::id(), listen: None, host: None }
    }

    /// This process.
    pub fn of_this_process(host: String, listen: Option<String>) -> Instance {
        Instance { pid: std::process::id(), listen, host: Some(host) }
    }
}

/// `process 123 on trade-01`.
impl fmt::Display for Instance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "process {}", self.pid)?;
        self.host.as_ref().map_or(Ok(()), |host| write!(out, " on {host}"))
    }
}
