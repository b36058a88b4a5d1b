//! The declared file, and how it comes to the hosts: each has a copy of its own, as it would have one from git.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use posmoded::desired::{self, Desired};
use tokio::time::Instant;

use super::host::Host;

/// What is declared at the beginning.
const FIRST: &str = "\
# The position modes that posmoded keeps, and which host looks after each account. Change it: every host gets it.
version: 1
max_changes: 12
defaults: { drift: correct, check_every: 5s, settle: 1s }

accounts:
  desk-main:
    host: trade-01
    position_mode:
      USDT-FUTURES: hedge_mode
      COIN-FUTURES: one_way_mode

  desk-arb:
    host: trade-02
    position_mode:
      USDT-FUTURES: hedge_mode

  desk-grid:
    host: trade-02
    position_mode:
      USDT-FUTURES: hedge_mode

  desk-uta:               # a unified account: one mode for all that it holds
    host: trade-03
    position_mode: hedge_mode

# The end mark: a file without it was cut off on its way here, and is refused.
...
";

/// The declared file in a directory.
pub(super) const NAME: &str = "desired-state.yaml";

/// Here all hosts are on one machine, where one process at a time may have a key: whoever loses an account lets go of its key
/// before the others ask for it.
const LATER: Duration = Duration::from_millis(2500);

/// The file that somebody edits, and the hosts that it is still to be brought to.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// A host that gets nothing for now.
    pub(super) late: Option<String>,
    brought: Vec<u8>,
    due: Vec<(Instant, String)>,
}

impl Source {
    pub(super) fn new(home: &Path) -> anyhow::Result<Source> {
        let path = home.join(NAME);
        fs::write(&path, FIRST)?;
        Ok(Source { path, late: None, brought: FIRST.into(), due: Vec::new() })
    }

    /// Changes one word of what is said of an account.
    pub(super) fn edit(&self, account: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let text = fs::read_to_string(&self.path)?;
        let edited = edited(&text, account, from, to)
            .with_context(|| format!("{account} does not say `{from}` in {}", self.path.display()))?;
        put(&self.path, edited.as_bytes())
    }

    /// Brings what has changed to the hosts.
    pub(super) fn bring(&mut self, hosts: &[Host]) -> anyhow::Result<()> {
        let now = Instant::now();
        // An editor may just be replacing it.
        let text = fs::read(&self.path).unwrap_or_else(|_| self.brought.clone());
        if text != self.brought {
            let losers = losers(&self.brought, &text);
            let when = |host: &Host| {
                let is_first = losers.is_empty() || losers.contains(&host.name);
                if is_first { now } else { now + LATER }
            };
            self.due = hosts.iter().map(|host| (when(host), host.name.clone())).collect();
            self.brought = text;
        }
        for host in hosts.iter().filter(|host| self.late.as_ref() != Some(&host.name)) {
            if self.due.iter().any(|(when, name)| *name == host.name && *when <= now) {
                put(&host.file(), &self.brought)?;
                self.due.retain(|(_, name)| *name != host.name);
            }
        }
        Ok(())
    }
}

/// Puts a content in place as a careful editor does: all of it at once.
pub(super) fn put(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path).with_context(|| path.display().to_string())
}

/// The text with the first `from` after the account's name, and before the next empty line, as `to`.
fn edited(text: &str, account: &str, from: &str, to: &str) -> Option<String> {
    let begin = text.find(&format!("\n  {account}:"))? + 1;
    let end = text[begin..].find("\n\n").map_or(text.len(), |length| begin + length);
    let said = &text[begin..end];
    said.contains(from).then(|| format!("{}{}{}", &text[..begin], said.replacen(from, to, 1), &text[end..]))
}

/// The hosts that an account is taken from.
fn losers(before: &[u8], after: &[u8]) -> Vec<String> {
    let read = |text| desired::read(text).ok();
    let (Some(before), Some(after)) = (read(before), read(after)) else { return Vec::new() };
    let Desired { accounts, .. } = before;
    let moved = accounts.into_iter().filter_map(|(name, account)| {
        let host = account.host.clone()?;
        let now = after.accounts.get(&name).and_then(|account| account.host.clone());
        (now.as_ref() != Some(&host)).then_some(host)
    });
    moved.collect()
}
