//! A bare loop: the very requests that the daemon sent, at the same distances, over the same client; each answer is read and
//! parsed, and nothing is made of it. What it takes is what a look costs at the least.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitget_sim::ApiKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use posmoded::exchange::bitget::{Request, Sockets, Transport as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::machine::{Exchange, Meter, Seen, name};

/// Runs these requests again in a process of its own; the CPU that it took.
pub(crate) fn run(exchange: &Exchange, seen: &[Seen]) -> anyhow::Result<Duration> {
    ensure!(!seen.is_empty(), "no request to send again");
    let (mut text, mut offset, mut last) = (String::new(), 0, None);
    for Seen { at, account, method, path, query } in seen {
        ensure!(method == "GET", "a {method} in a window of looks");
        offset += last.map_or(0, |last| at - last).min(LONGEST_GAP);
        last = Some(at);
        writeln!(text, "{offset} {} {path} {query}", account.unwrap_or(0))?;
    }
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--bare-loop").arg(file.path()).args(["--at", &exchange.url]);
    if let Some(ca) = &exchange.ca {
        command.arg("--ca").arg(ca);
    }
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the bare loop failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Duration::from_micros(told.trim().parse()?))
}

/// The loop itself: what `run` starts. Returns its CPU in microseconds.
pub(crate) async fn replay(file: &Path, at: &str, ca: Option<&Path>) -> anyhow::Result<u128> {
    let sockets = Sockets::new(at.parse()?, ca)?;
    let text = fs::read_to_string(file)?;
    let looks: Vec<Look> = text.lines().map(Look::read).collect::<anyhow::Result<_>>()?;
    // The daemon's connections stand, too, when its window begins.
    looks.first().context("nothing to do")?.clone().send(&sockets).await?;
    let mut meter = Meter::of("self");
    let (began, before) = (Instant::now(), meter.read()?);
    let mut under_way = JoinSet::new();
    for look in looks {
        tokio::time::sleep_until(began + look.after).await;
        let sockets = sockets.clone();
        under_way.spawn(async move { look.send(&sockets).await });
        while let Some(done) = under_way.try_join_next() {
            done??;
        }
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(meter.read()?.saturating_sub(before).as_micros())
}

#[derive(Debug, Clone)]
struct Look {
    after: Duration,
    key: Option<ApiKey>,
    path: String,
    query: String,
}

#[derive(Deserialize)]
struct Answer {
    code: String,
    #[serde(rename = "data")]
    _data: IgnoredAny,
}

impl Look {
    fn read(line: &str) -> anyhow::Result<Look> {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().context("a line is cut off");
        let after = Duration::from_millis(word()?.parse()?);
        let account: u64 = word()?.parse()?;
        let key = (account > 0).then(|| ApiKey::named(&name(account)));
        Ok(Look { after, key, path: word()?.to_owned(), query: word()?.to_owned() })
    }

    async fn send(self, sockets: &Sockets) -> anyhow::Result<()> {
        let Look { after: _, key, path, query } = self;
        let mut request = Request::get(&path, query.clone());
        if let Some(ApiKey { key, secret, passphrase, .. }) = key {
            let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
            let mark = if query.is_empty() { "" } else { "?" };
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes())?;
            mac.update(format!("{stamp}GET{path}{mark}{query}").as_bytes());
            request.headers.push(("access-sign", STANDARD.encode(mac.finalize().into_bytes())));
            request.headers.push(("access-key", key));
            request.headers.push(("access-timestamp", stamp));
            request.headers.push(("access-passphrase", passphrase.0));
        }
        let response = sockets.send(request).await?;
        let answer: Answer = serde_json::from_slice(&response.body)?;
        // The question for the other kind is refused, as it is for the daemon.
        let is_answered = ["00000", "40084"].contains(&answer.code.as_str());
        ensure!(is_answered, "{path} was answered with {}", answer.code);
        Ok(())
    }
}

/// Milliseconds. In a longer gap the loop would only wait; in one of this length the client closes its connections, as the
/// daemon's does.
const LONGEST_GAP: i64 = 16_000;
