//! What this host is called, and checks of what the file requires of it: units and files.
//!
//! Changes nothing. A requirement that cannot be checked counts as unmet, with the reason.

mod claim;
mod name;
mod process;
mod who;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::constants::HOST_LOOK;
use crate::facts::{Requirement, Requirements};
use crate::moment::spell;

pub use claim::{Claim, Holder, Unclaimed};
pub use name::HostName;
pub use process::harden;
pub use who::who;

/// The host that the daemon runs on.
#[derive(Debug, Clone, Default)]
pub struct Host {
    path: Option<OsString>,
    /// Files with a look that has not returned: their file system does not answer, and each look ties up a thread.
    hung: Arc<Mutex<BTreeSet<String>>>,
}

impl Host {
    /// A host that searches for `systemctl` in these directories instead of those in `PATH`.
    pub fn with_programs_in(path: impl Into<OsString>) -> Host {
        Host { path: Some(path.into()), ..Host::default() }
    }

    /// The requirements that are unmet or cannot be checked, in their order: a few words on each.
    pub async fn unmet(&self, Requirements(all): &Requirements) -> Vec<String> {
        let mut looks = JoinSet::new();
        for (place, requirement) in all.iter().cloned().enumerate() {
            let host = self.clone();
            looks.spawn(async move { (place, host.one(&requirement).await) });
        }
        let mut unmet: Vec<(usize, Option<String>)> = looks.join_all().await;
        unmet.sort_by_key(|(place, _)| *place);
        unmet.into_iter().filter_map(|(_, unmet)| unmet).collect()
    }

    async fn one(&self, requirement: &Requirement) -> Option<String> {
        let (named, look) = match requirement {
            Requirement::UnitInactive(unit) => (unit, timeout(HOST_LOOK, self.unit(unit)).await),
            Requirement::FileAbsent(path) => (path, Ok(self.file(path, look_at_file).await)),
        };
        let unseen = |why: String| Some(format!("whether {named} is as required cannot be seen ({why})"));
        match look {
            Ok(Shown::AsRequired) => None,
            Ok(Shown::Otherwise(what)) => Some(format!("{named} {what}")),
            Ok(Shown::Doubt(why)) => unseen(why),
            Err(_) => unseen(no_answer()),
        }
    }

    /// Looks at a file. After a look that timed out, no other one starts before that has returned.
    async fn file(&self, path: &str, look: fn(&str) -> Shown) -> Shown {
        if hung(&self.hung).contains(path) {
            return Shown::Doubt("an earlier look has not come back yet".to_owned());
        }
        let back = Arc::new(AtomicBool::new(false));
        let (all, is_back, of) = (Arc::clone(&self.hung), Arc::clone(&back), path.to_owned());
        // A file system that does not answer must not block anything else.
        let looking = tokio::task::spawn_blocking(move || {
            let shown = look(&of);
            let mut all = hung(&all);
            is_back.store(true, Ordering::Relaxed);
            all.remove(&of);
            shown
        });
        match timeout(HOST_LOOK, looking).await {
            Ok(Ok(shown)) => shown,
            Ok(Err(_)) => Shown::Doubt("the look failed".to_owned()),
            Err(_) => {
                let mut all = hung(&self.hung);
                if !back.load(Ordering::Relaxed) {
                    all.insert(path.to_owned());
                }
                Shown::Doubt(no_answer())
            }
        }
    }

    async fn unit(&self, unit: &str) -> Shown {
        let mut systemctl = Command::new("systemctl");
        if let Some(path) = &self.path {
            systemctl.env("PATH", path);
        }
        systemctl.args(["show", "--property=LoadState,ActiveState", "--", unit]).env("LC_ALL", "C");
        systemctl.stdin(Stdio::null()).kill_on_drop(true);
        match systemctl.output().await {
            Ok(said) if said.status.success() => unit_shown(&String::from_utf8_lossy(&said.stdout)),
            Ok(said) => {
                let why = String::from_utf8_lossy(&said.stderr);
                let why: String = why.lines().next().unwrap_or_default().chars().take(LONGEST_WHY).collect();
                Shown::Doubt(format!("systemctl failed, {}: {}", said.status, why.trim_end_matches('.')))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Shown::Doubt("there is no systemctl here".to_owned())
            }
            Err(error) => Shown::Doubt(format!("systemctl cannot be run: {error}")),
        }
    }
}

/// The result of one look.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    AsRequired,
    /// The requirement is unmet: what was found instead.
    Otherwise(String),
    /// The requirement could not be checked, for this reason.
    Doubt(String),
}

/// `systemctl` also reports `inactive` for a unit that is not loaded: that is a wrong name or a lost file, and says
/// nothing about what runs.
fn unit_shown(said: &str) -> Shown {
    let property = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    match (property("LoadState"), property("ActiveState")) {
        (Some("loaded" | "masked"), Some("inactive" | "failed")) => Shown::AsRequired,
        (Some("loaded" | "masked"), Some(state)) if !state.is_empty() => {
            Shown::Otherwise(format!("is {state}"))
        }
        (Some(load), Some(_)) if !load.is_empty() => Shown::Doubt(format!("systemd says that it is {load}")),
        (Some(_) | None, Some(_) | None) => Shown::Doubt("systemctl says nothing of it".to_owned()),
    }
}

fn look_at_file(path: &str) -> Shown {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Shown::Otherwise("is there".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Shown::AsRequired,
        Err(error) => Shown::Doubt(error.to_string()),
    }
}

fn no_answer() -> String {
    format!("no answer within {}", spell(HOST_LOOK))
}

fn hung(all: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    all.lock()
}

/// The most characters of an error of `systemctl` that are shown.
const LONGEST_WHY: usize = 120;

#[cfg(test)]
mod tests;
