//! `bare-loop FILE URL [CA]`: the very requests that a daemon sent, at the same distances, over the same client; each answer is
//! read and parsed, and nothing is made of it. What it takes is what a look costs at the least: it prints that, in microseconds
//! of CPU.
//!
//! A package of its own, for it is built as the daemon is shipped: optimised, and without what tests want of a dependency.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it works in real time")]

#[path = "../look.rs"]
mod look;
#[path = "../meter.rs"]
mod meter;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use posmoded::exchange::bitget::{Request, Sockets, Transport as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio::time::Instant;

use look::{Key, Look};
use meter::Meter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let file = PathBuf::from(words.next().context("no file")?);
    let at = words.next().context("no URL")?.into_string().ok().context("the URL is no text")?;
    let ca = words.next().map(PathBuf::from);
    let looks: Vec<Look> = serde_json::from_slice(&fs::read(file)?)?;
    println!("{}", replay(looks, &at, ca.as_deref()).await?.as_micros());
    Ok(())
}

/// The loop; returns its CPU.
async fn replay(looks: Vec<Look>, at: &str, ca: Option<&Path>) -> anyhow::Result<Duration> {
    let sockets = Sockets::new(at.parse()?, ca)?;
    // The daemon's connections stand, too, when its window begins.
    send(looks.first().context("nothing to do")?.clone(), &sockets).await?;
    let mut meter = Meter::of("self");
    let (began, before) = (Instant::now(), meter.read()?);
    let mut under_way = JoinSet::new();
    for look in looks {
        tokio::time::sleep_until(began + Duration::from_millis(look.after)).await;
        let sockets = sockets.clone();
        under_way.spawn(async move { send(look, &sockets).await });
        while let Some(done) = under_way.try_join_next() {
            done??;
        }
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(meter.read()?.saturating_sub(before))
}

#[derive(Deserialize)]
struct Answer {
    code: String,
    #[serde(rename = "data")]
    _data: IgnoredAny,
}

async fn send(look: Look, sockets: &Sockets) -> anyhow::Result<()> {
    let Look { after: _, key, path, query } = look;
    let mut request = Request::get(&path, query.clone());
    if let Some(Key { name, secret, passphrase }) = key {
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        mac.update(format!("{stamp}GET{path}{mark}{query}").as_bytes());
        request.headers.push(("access-sign", STANDARD.encode(mac.finalize().into_bytes())));
        request.headers.push(("access-key", name));
        request.headers.push(("access-timestamp", stamp));
        request.headers.push(("access-passphrase", passphrase));
    }
    let response = sockets.send(request).await?;
    let answer: Answer = serde_json::from_slice(&response.body)?;
    // The question for the other kind is refused, as it is for the daemon.
    let is_answered = ["00000", "40084"].contains(&answer.code.as_str());
    ensure!(is_answered, "{path} was answered with {}", answer.code);
    Ok(())
}
