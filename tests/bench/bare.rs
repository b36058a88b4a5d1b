//! Beside the daemon, the bare loop: what it sent in a window is sent again by `bare/main.rs`, which makes nothing of it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use bitget_sim::ApiKey;

use super::look::{Key, Look};
use super::machine::{Exchange, Programs, Seen, name};

/// Runs these requests again in a process of its own; the CPU that it took.
pub(crate) fn run(programs: &Programs, exchange: &Exchange, seen: &[Seen]) -> anyhow::Result<Duration> {
    ensure!(!seen.is_empty(), "no request to send again");
    let (mut looks, mut after, mut last) = (Vec::new(), 0, None);
    for Seen { at, account, method, path, query } in seen {
        ensure!(method == "GET", "a {method} in a window of looks");
        after += last.map_or(0, |last| at - last).min(LONGEST_GAP);
        last = Some(at);
        let key = account.map(|account| {
            let ApiKey { key, secret, passphrase, .. } = ApiKey::named(&name(account));
            Key { name: key, secret: secret.0, passphrase: passphrase.0 }
        });
        looks.push(Look { after: u64::try_from(after)?, key, path: path.clone(), query: query.clone() });
    }
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), serde_json::to_vec(&looks)?)?;
    let mut command = Command::new(&programs.bare_loop);
    command.arg(file.path()).arg(&exchange.url).args(&exchange.ca);
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the bare loop failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Duration::from_micros(told.trim().parse()?))
}

/// Milliseconds. In a longer gap the loop would only wait; in one of this length the client closes its connections, as the
/// daemon's does.
const LONGEST_GAP: i64 = 16_000;
