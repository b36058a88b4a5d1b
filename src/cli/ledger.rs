//! `posmoded ledger`: a copy of it, whether it is sound, and a copy put in its place. Nothing here asks the exchange.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::flags::{Output, Printed, home};
use crate::cli::{Common, Exit, UsageError, print};
use crate::clock::Clock;
use crate::ledger::{
    Findings, Home, OpenError, RestoreError, Restored, TransferError, Transferred, Unsound, backup, place,
    restore, transfer, verify,
};

/// What `ledger` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do with it.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Subcommand)]
pub enum LedgerCommand {
    /// Copy the ledger to a new file; the daemon may run meanwhile
    Backup(BackupArgs),
    /// Read all of the ledger, or of a copy, and say whether it is sound; the daemon may run meanwhile
    Verify(VerifyArgs),
    /// Put a copy in the place of the ledger, which is kept aside; all changes are paused by that
    Restore(RestoreArgs),
    /// Bring the whole ledger to another place, from a directory to a database of `PostgreSQL` or back; the old one is closed
    Copy(CopyArgs),
}

/// What `ledger backup` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// The copy; no file may have this name yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `ledger verify` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// A ledger or a copy of one [default: the ledger of --state]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `ledger restore` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// The copy, which stays where it is
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `ledger copy` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct CopyArgs {
    /// Where the ledger is now: a directory, or a database of `PostgreSQL`
    #[arg(long, env = "POSMODED_FROM", hide_env = true, value_name = "DIR|URL")]
    pub from: String,
    /// Where it is to be; there may be none yet
    #[arg(long, env = "POSMODED_TO", hide_env = true, value_name = "DIR|URL")]
    pub to: String,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when done or sound, 1 when not, 75 when a daemon holds a ledger that is to be replaced or closed.
pub async fn ledger(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    match &args.command {
        LedgerCommand::Backup(BackupArgs { file, printed }) => {
            let dir = directory(common, "`pg_dump` copies it, at any time")?;
            let found = backup(&dir, file).context("No copy was made.")?;
            let done =
                format!("{} is a copy of {}: {}.", file.display(), place(&dir).display(), told(&found));
            result(printed.output, &done, &Told::of(file, Ok(&found), &done))?;
            Ok(Exit::DONE)
        }
        LedgerCommand::Verify(VerifyArgs { file, printed }) => {
            let file = match file {
                Some(file) => file.clone(),
                None => place(&directory(common, "`pg_amcheck` reads all of it")?),
            };
            verified(&file, verify(&file), printed.output)
        }
        LedgerCommand::Restore(RestoreArgs { file, printed }) => {
            let dir = directory(
                common,
                "`pg_restore` brings a copy back while no posmoded runs; then pause everything",
            )?;
            match restore(&dir, file, &Clock::machine()).await {
                Ok(restored) => {
                    let done = put_in_place(&restored);
                    let told = Told::of(&restored.place, Ok(&restored.found), &done);
                    result(printed.output, &done, &Told { kept: restored.kept.as_deref(), ..told })?;
                    Ok(Exit::DONE)
                }
                Err(RestoreError::Directory(held @ OpenError::Held { .. })) => {
                    print::note(&format!("{held} Nothing was restored."));
                    Ok(Exit::HELD)
                }
                Err(error) => Err(anyhow::Error::new(error).context("Nothing was restored.")),
            }
        }
        LedgerCommand::Copy(CopyArgs { from, to, printed }) => {
            copied(&home(from)?, &home(to)?, printed.output).await
        }
    }
}

async fn copied(from: &Home, to: &Home, output: Output) -> anyhow::Result<Exit> {
    match transfer(from, to, &Clock::machine()).await {
        Ok(transferred) => {
            let say = brought(from, to, &transferred);
            let Transferred { rows, unresolved, kept } = &transferred;
            let (from, to) = (from.to_string(), to.to_string());
            let told =
                Copied { from, to, rows: *rows, unresolved: *unresolved, kept: kept.as_deref(), say: &say };
            match output {
                Output::Table => print::text(&say)?,
                Output::Json => print::json(&print::WithSchema::of(told))?,
            }
            Ok(Exit::DONE)
        }
        Err(TransferError::Home(held @ (OpenError::Held { .. } | OpenError::Used { .. }))) => {
            print::note(&format!("{held} Nothing was copied."));
            Ok(Exit::HELD)
        }
        Err(error) => Err(anyhow::Error::new(error).context("Nothing was copied.")),
    }
}

/// The state directory, for what is done with a file; a database on a server has its own tools.
fn directory(common: &Common, instead: &str) -> Result<PathBuf, UsageError> {
    match common.ledger()? {
        Home::Directory(dir) => Ok(dir),
        home @ Home::Server(_) => {
            Err(UsageError(format!("Nothing was done: the ledger is in {home}, not in a file. {instead}.")))
        }
    }
}

/// What `ledger copy` did, for programs.
#[derive(Debug, Serialize)]
struct Copied<'a> {
    from: String,
    to: String,
    rows: u64,
    unresolved: u64,
    /// Where the old file is, if it was one.
    kept: Option<&'a Path>,
    say: &'a str,
}

fn brought(from: &Home, to: &Home, Transferred { rows, unresolved, kept }: &Transferred) -> String {
    let sets = if *unresolved == 1 { "set" } else { "sets" };
    let kept = match kept {
        Some(kept) => format!(" Its file is kept as {}.", kept.display()),
        None => String::new(),
    };
    format!(
        "The ledger of {from} is in {to} now, with {rows} rows and {unresolved} {sets} without a known outcome; the old one is \
         closed.{kept} Start posmoded with --state {to} (POSMODED_STATE={to})."
    )
}

fn verified(file: &Path, found: Result<Findings, Unsound>, output: Output) -> anyhow::Result<Exit> {
    match found {
        Ok(found) => {
            let done = format!("{} is sound: {}.", file.display(), told(&found));
            result(output, &done, &Told::of(file, Ok(&found), &done))?;
            Ok(Exit::DONE)
        }
        Err(unsound) => {
            if output == Output::Json {
                let say = unsound.to_string();
                print::json(&print::WithSchema::of(Told::of(file, Err(&unsound), &say)))?;
            }
            Err(unsound.into())
        }
    }
}

fn result(output: Output, done: &str, told: &Told<'_>) -> anyhow::Result<()> {
    match output {
        Output::Table => Ok(print::text(done)?),
        Output::Json => print::json(&print::WithSchema::of(told)),
    }
}

/// The result for programs.
#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a Path,
    sound: bool,
    /// Why it is not sound.
    cause: Option<&'static str>,
    format: Option<i64>,
    events: Option<u64>,
    newest_event: Option<Timestamp>,
    unresolved: Option<u64>,
    bytes: Option<u64>,
    /// Where the ledger before a restored one is.
    kept: Option<&'a Path>,
    say: &'a str,
}

impl<'a> Told<'a> {
    fn of(file: &'a Path, found: Result<&Findings, &Unsound>, say: &'a str) -> Told<'a> {
        let cause = found.err().map(Unsound::cause);
        let found = found.ok();
        Told {
            file,
            sound: cause.is_none(),
            cause,
            format: found.map(|found| found.format),
            events: found.map(|found| found.events),
            newest_event: found.and_then(|found| found.newest_event).map(timestamp),
            unresolved: found.map(|found| found.unresolved),
            bytes: found.map(|found| found.bytes),
            kept: None,
            say,
        }
    }
}

/// What a sound ledger holds, as the end of a sentence.
fn told(found: &Findings) -> String {
    let Findings { format, events, newest_event, unresolved, bytes } = found;
    let of = newest_event.map_or_else(String::new, |at| format!(" (the newest of {})", timestamp(at)));
    let sets = if *unresolved == 1 { "set" } else { "sets" };
    let events = if *events == 1 { "1 event".to_owned() } else { format!("{events} events") };
    format!(
        "format {format}, {events}{of}, {unresolved} {sets} without a known outcome, {} KiB",
        bytes.div_ceil(1024)
    )
}

fn put_in_place(restored: &Restored) -> String {
    let Restored { place, kept, found, reason } = restored;
    let kept = kept.as_ref().map_or_else(
        || "There was no ledger before.".to_owned(),
        |kept| format!("The ledger before it is kept as {}.", kept.display()),
    );
    format!(
        "{} is the copy now: {}. {kept} Everything is paused: {reason}. Start posmoded, look at `posmoded status` and \
         `posmoded history`, and end the pause when all is as it should be.",
        place.display(),
        told(found)
    )
}

/// Converts a time in milliseconds since 1970, truncated to the second.
fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn found() -> Findings {
        Findings {
            format: 5,
            events: 12,
            newest_event: Some(1_795_338_000_999),
            unresolved: 1,
            bytes: 90_000,
        }
    }

    #[test]
    fn what_was_restored_says_where_the_old_one_is_and_how_to_go_on() {
        let restored = Restored {
            place: "/var/lib/posmoded/posmoded.sqlite".into(),
            kept: Some("/var/lib/posmoded/posmoded.sqlite.until-20261122T090000Z".into()),
            found: found(),
            reason: "restored from /root/copy of 2026-11-22T09:00:00Z: see what was paused or approved since, then \
                     posmoded resume"
                .to_owned(),
        };
        expect![[r#"
            /var/lib/posmoded/posmoded.sqlite is the copy now: format 5, 12 events (the newest of 2026-11-22T09:00:00Z), 1 set without a known outcome, 88 KiB. The ledger before it is kept as /var/lib/posmoded/posmoded.sqlite.until-20261122T090000Z. Everything is paused: restored from /root/copy of 2026-11-22T09:00:00Z: see what was paused or approved since, then posmoded resume. Start posmoded, look at `posmoded status` and `posmoded history`, and end the pause when all is as it should be."#]]
        .assert_eq(&put_in_place(&restored));
    }

    #[test]
    fn a_program_gets_one_object_sound_or_not() {
        let told = |found: Result<&Findings, &Unsound>| {
            serde_json::to_string(&print::WithSchema::of(Told::of(Path::new("x"), found, "Say."))).unwrap()
        };
        expect![[r#"{"schema":1,"file":"x","sound":true,"cause":null,"format":5,"events":12,"newest_event":"2026-11-22T09:00:00Z","unresolved":1,"bytes":90000,"kept":null,"say":"Say."}"#]].assert_eq(&told(Ok(&found())));
        let missing = Unsound::Missing { place: "x".into() };
        expect![[r#"{"schema":1,"file":"x","sound":false,"cause":"missing","format":null,"events":null,"newest_event":null,"unresolved":null,"bytes":null,"kept":null,"say":"Say."}"#]].assert_eq(&told(Err(&missing)));
    }
}
