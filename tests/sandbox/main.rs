//! `cargo run --example sandbox`: the daemon against the simulator, on the shipped `desired-state.yaml`, unaltered.
//!
//! No key, no network beyond loopback. Somebody trades in it: closes a position, cancels an order, flips a mode by hand;
//! what the daemon makes of it is told line by line. Ends on Ctrl-C or after `--for`. With `--fleet 3`: several hosts, one
//! ledger.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it watches from outside, in real time")]

mod alone;
#[path = "../cluster.rs"]
#[allow(dead_code, reason = "tests do more with one")]
mod cluster;
mod fleet;
// This program is posmoded, too, so that nothing has to be built for the other terminal.
#[path = "../../src/main.rs"]
mod posmoded_itself;
mod teller;

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

/// The daemon against a simulated exchange, on the shipped file.
#[derive(Parser)]
struct Options {
    /// End after this long, such as `30s`; without it, on Ctrl-C.
    #[arg(long = "for", value_parser = duration)]
    span: Option<Duration>,
    /// End as soon as the story is over, and check that every target stands where it leaves it; exit 1 if one does not.
    #[arg(long)]
    assert: bool,
    /// Where the daemon serves its status.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// So many hosts with one ledger on a PostgreSQL of their own, instead of one daemon; another story is told.
    #[arg(long, value_name = "HOSTS", value_parser = clap::value_parser!(u8).range(3..=9), conflicts_with = "listen")]
    fleet: Option<u8>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// What the sandbox starts by itself.
#[derive(clap::Subcommand)]
enum Process {
    #[command(hide = true)]
    Host(fleet::host::Args),
}

impl Options {
    /// When it ends.
    fn ends(&self) -> String {
        let after = self.span.map(|span| format!("after {} s", span.as_secs()));
        match (self.assert, after) {
            (true, Some(after)) => format!("ends when the story is over, or {after}"),
            (true, None) => "ends when the story is over".to_owned(),
            (false, Some(after)) => format!("ends by itself {after}"),
            (false, None) => "ends on Ctrl-C".to_owned(),
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let called = std::env::args_os().next().map(PathBuf::from);
    if called.is_some_and(|called| called.ends_with(POSMODED)) {
        return Ok(posmoded_itself::main());
    }
    let mut options = Options::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    match (options.process.take(), options.fleet) {
        (Some(Process::Host(args)), _) => runtime.block_on(args.run())?,
        (None, Some(hosts)) => runtime.block_on(fleet::play(&options, hosts))?,
        (None, None) => runtime.block_on(alone::play(options))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the program of the other terminal, in a directory of its own, which is returned.
fn programs(home: &Path) -> anyhow::Result<PathBuf> {
    let programs = home.join("bin");
    std::fs::create_dir(&programs)?;
    let us = std::env::current_exe().context("this program does not know where it is")?;
    symlink(us, programs.join(POSMODED))?;
    Ok(programs)
}

/// Called by this name, this program is posmoded.
const POSMODED: &str = "posmoded";

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from(span).map_err(|error| error.to_string())
}
