//! `cargo run --example sandbox`: the daemon against the simulator, on the shipped `desired-state.yaml`, unaltered.
//!
//! No key, no network beyond loopback. Somebody trades in it: closes a position, cancels an order, flips a mode by hand;
//! what the daemon makes of it is told line by line. Ends on Ctrl-C or after `--for`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it watches from outside, in real time")]

mod alone;
mod teller;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

/// The daemon against a simulated exchange, on the shipped file.
#[derive(Parser)]
struct Options {
    /// End after this long, such as `30s`; without it, on Ctrl-C.
    #[arg(long = "for", value_parser = duration)]
    span: Option<Duration>,
    /// At the end, check that every target stands where the story leaves it; exit 1 if one does not.
    #[arg(long)]
    assert: bool,
    /// Where the daemon serves its status.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    alone::play(Options::parse()).await
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from(span).map_err(|error| error.to_string())
}
