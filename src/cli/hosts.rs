//! `posmoded hosts`: which hosts work with one ledger, and what each looks after.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::flags::{Output, Printed};
use crate::cli::rows::{self, Cell};
use crate::cli::{Common, Exit, print, terminal};
use crate::clock::Clock;
use crate::fleet::peers_of;
use crate::ledger::{Home, Visitor};
use crate::moment::spell;
use crate::position_mode::AccountName;
use crate::status::{HostStatus, Peers, short};

/// What `hosts` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// A host, and the accounts that its daemon shows.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    host: HostStatus,
    accounts: BTreeSet<AccountName>,
}

#[derive(Debug, Serialize)]
struct Hosts {
    hosts: Vec<Row>,
}

/// Nobody is heard.
const ALL_SILENT: &str = "No host has shown a sign of life lately, so that nobody knows here which of them live: either none of their daemons runs, or the \
     database acknowledges no commit (pg_stat_activity there says SyncRep, and the standby is away).";
/// Somebody is heard again, and has not been for long.
const SILENT_YET: &str = "Whether a host that is not known lives is known once another one has shown signs of life for 15 s without a gap.";

/// 0 when every host that has not ended by itself lives, 1 if one shows no sign of life.
pub fn hosts(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let (home, clock) = (common.ledger()?, Clock::machine());
    let (peers, shown) = Visitor::open(&home, clock.clone())?.peers()?;
    let now = clock.timestamp(clock.now());
    let Peers { hosts, targets, read_at: _ } = peers_of(peers, shown, now);
    let of = |host: HostStatus| {
        let its = targets.iter().filter(|target| target.host.as_ref() == Some(&host.host));
        Row { accounts: its.map(|target| target.account.clone()).collect(), host }
    };
    let all: Vec<Row> = hosts.into_iter().map(of).collect();
    let is_any_silent = all.iter().any(|row| !row.host.lives && !row.host.ended);
    match args.printed.output {
        Output::Json => print::json(&print::WithSchema::of(Hosts { hosts: all }))?,
        Output::Table if all.is_empty() => print::text(&match home {
            Home::Directory(_) => format!("The ledger {home} is in a file, which is of this host alone."),
            Home::Server(_) => format!("No daemon has worked with the ledger {home} yet."),
        })?,
        Output::Table => {
            let ago = |at| spell(now.duration_since(at).try_into().unwrap_or_default());
            let row = |Row { host, accounts }: &Row| {
                let state = match (host.lives, host.ended) {
                    _ if host.unknown_since.is_some() => format!("not known, seen {} ago", ago(host.seen_at)),
                    (true, _) => format!("lives, seen {} ago", ago(host.seen_at)),
                    (false, true) => format!("ended {} ago", ago(host.seen_at)),
                    (false, false) => format!("SILENT for {}", ago(host.seen_at)),
                };
                let commit = host.commit.iter().map(|commit| format!(" {}", short(commit)));
                let revision = host.generation.map_or_else(|| "-".to_owned(), |number| number.0.to_string());
                let accounts: Vec<&str> = accounts.iter().map(AccountName::as_str).collect();
                [
                    Cell::new(&host.host),
                    Cell::new(state),
                    Cell::new(&host.version),
                    Cell::new(revision + &commit.collect::<String>()),
                    Cell::new(if accounts.is_empty() { "-".to_owned() } else { accounts.join(", ") }),
                ]
            };
            let head = ["host", "state", "posmoded", "revision", "accounts"];
            print::text(&rows::table(head, all.iter().map(row), terminal::width()))?;
            if all.iter().any(|row| row.host.unknown_since.is_some()) {
                print::text(if all.iter().any(|row| row.host.lives) { SILENT_YET } else { ALL_SILENT })?;
            }
        }
    }
    Ok(if is_any_silent { Exit::FAILED } else { Exit::DONE })
}
