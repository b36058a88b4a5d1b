//! `posmoded probe`: asks the exchange, with reads alone, what nobody could tell of it, and prints what came, redacted.
//!
//! It opens no ledger. What is asked, and what may be shown of an answer, is decided in `exchange::bitget::probe`.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use crate::cli::flags::{Output, Printed};
use crate::cli::{Common, Exit, accounts, plan, print, rows};
use crate::clock::Clock;
use crate::daemon::KeyFiles;
use crate::exchange::HttpVersion;
use crate::exchange::bitget::Sockets;
use crate::exchange::bitget::probe::{
    Asked, ClockReading, ListRead, Made, Probe, Refused, Report, Scoped, Told,
};
use crate::facts::{Elsewhere, Failure};
use crate::keeper::Environment as _;
use crate::position_mode::{AccountName, PositionMode};

/// What `probe` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The account, as its credential file is named
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountName,
    /// How the result is printed
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when all was asked that could be, whatever the answers; 1 when nothing could be asked.
pub async fn probe(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { account, printed } = args;
    let clock = Clock::machine();
    let environment = KeyFiles::new(&common.options()?, &clock)?;
    let demo = demo(account, common, &environment)?;
    if let Some(say) = environment.shared_key(account) {
        bail!("Nothing was asked: {say}");
    }
    let probe = match environment.probe(account, demo, &clock) {
        Ok(probe) => probe,
        Err(say) => bail!("Nothing was asked: {say}"),
    };
    let report = match with_progress(&probe, &clock).await {
        Ok(report) => report,
        Err(Failure { say, .. }) => bail!("Nothing of the account could be asked: {say}"),
    };
    let told = Printout {
        program: PROGRAM,
        http: environment.spoken(),
        report: &report,
        send_to: &send_to(REPOSITORY),
    };
    match printed.output {
        Output::Table => print::text(&render(&told))?,
        Output::Json => print::json(&print::WithSchema::of(told))?,
    }
    Ok(Exit::DONE)
}

/// Whether the file says that the account is one of demo trading; without a file it is not.
fn demo(name: &AccountName, common: &Common, environment: &KeyFiles) -> anyhow::Result<bool> {
    if !common.config.exists() {
        print::note(&format!(
            "There is no file {}, so the key is taken for one of real trading: with a demo key, write one that says `demo: \
             true` for it.",
            common.config.display()
        ));
        environment.survey(&BTreeSet::from([name.clone()]));
        return Ok(false);
    }
    let desired = plan::declared(common)?;
    let here = common.host().now();
    environment.survey(&desired.accounts_of(&here));
    let Some(account) = desired.accounts.get(name) else {
        let known = desired.accounts.keys().cloned().collect();
        accounts::only_known(std::slice::from_ref(name), &known, "in the file")?;
        return Ok(false);
    };
    if let Some(Elsewhere { host, here }) = account.elsewhere(&here) {
        bail!(
            "Nothing was asked: the file gives the account to another host, {host}; this one is called {here}."
        );
    }
    Ok(account.demo)
}

async fn with_progress(probe: &Probe<Sockets>, clock: &Clock) -> Result<Report, Failure> {
    let mut run = pin!(probe.run());
    loop {
        tokio::select! {
            report = &mut run => return report,
            () = clock.sleep_until(clock.now() + PROGRESS_EVERY) => {
                print::note(&format!("{} asked so far, one a second.", rows::counted(probe.asked(), "question", "questions")));
            }
        }
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
pub struct Printout<'a> {
    /// The program and its version.
    pub program: &'a str,
    /// The version of HTTP that was spoken.
    pub http: Option<HttpVersion>,
    /// What came.
    #[serde(flatten)]
    pub report: &'a Report,
    /// Where it helps.
    pub send_to: &'a str,
}

/// The report for people.
pub fn render(Printout { program, http, report, send_to }: &Printout<'_>) -> String {
    let Report { demo, clock, asked, made, not_asked, not_askable } = report;
    let trading = if *demo { "demo trading" } else { "real trading" };
    let http = http.map_or(String::new(), |http| format!(", {http}"));
    let clock = clock.map_or(String::new(), |ClockReading { ahead_ms, doubt_ms }| {
        let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
        let apart = ahead_ms.unsigned_abs();
        format!("; Bitget's clock is {apart} ms {side} this host's, give or take {doubt_ms} ms")
    });
    let line = |line: &str| [rows::Cell::new(line)];
    let width = Some(rows::WIDTH);
    let sections = [
        format!("{program}, {trading}{http}{clock}.\n{LEGEND}\n"),
        rows::table(["http", "code", "left", "question, and what came"], asked.iter().map(question), width),
        rows::table(["what posmoded makes of it", ""], made_rows(made), width),
        refusals(report),
        rows::table(["not asked"], not_asked.iter().map(|why| line(why)), width),
        rows::table(["what no read can tell"], not_askable.iter().map(|what| line(what)), width),
        format!("{send_to}\n"),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

fn question(Asked { call, status, code, remaining, request_time, data, refused }: &Asked) -> [rows::Cell; 4] {
    let taken = refused.as_ref().map(|refused| format!(", taken for {}", refused.class)).unwrap_or_default();
    let timeless = if *request_time || status.is_none() { "" } else { ", without requestTime" };
    [
        rows::or_dash(*status),
        rows::or_dash(code.as_ref()),
        rows::or_dash(*remaining),
        rows::Cell::new(format!("{}\n-> {data}{taken}{timeless}", spaced(call))),
    ]
}

/// With its parameters as words, so that a line can be broken between them.
fn spaced(call: &str) -> String {
    call.replace(['?', '&'], " ")
}

fn made_rows(made: &Made) -> Vec<[rows::Cell; 2]> {
    let Made { kind, uid_told, warnings, account_level, asset_mode, stp_mode, categories, scopes } = made;
    let settings = [("level", account_level), ("asset mode", asset_mode), ("stp mode", stp_mode)];
    let settings =
        settings.into_iter().filter_map(|(name, word)| Some((name.to_owned(), (*word)?.to_owned())));
    let mut all = vec![
        ("kind".to_owned(), told(kind, ToString::to_string)),
        ("whose the key is".to_owned(), if *uid_told { "told" } else { "not told" }.to_owned()),
    ];
    all.extend(warnings.iter().map(|warning| ("warning".to_owned(), warning.clone())));
    all.extend(settings);
    if !categories.is_empty() {
        all.push(("categories asked".to_owned(), categories.join(", ")));
    }
    for Scoped { scope, mode, lists } in scopes {
        all.push((format!("{scope}, mode"), told(mode, |mode| PositionMode::as_str(*mode).to_owned())));
        for ListRead { of, query, empty } in lists {
            let empty = told(empty, |empty| if *empty { "flat" } else { "not flat" }.to_owned());
            all.push((format!("{of} {}", spaced(query)), empty));
        }
    }
    all.into_iter().map(|(what, came)| [rows::Cell::new(what), rows::Cell::new(came)]).collect()
}

fn told<T>(told: &Told<T>, known: impl Fn(&T) -> String) -> String {
    match told {
        Told::Known(value) => known(value),
        Told::Unknown(Refused { code, class, say: _ }) => {
            format!("not known, {class} {}", code.as_deref().unwrap_or_default()).trim_end().to_owned()
        }
    }
}

/// Each refusal once, with what posmoded says of it.
fn refusals(Report { asked, made, .. }: &Report) -> String {
    let kind = match &made.kind {
        Told::Known(_) => None,
        Told::Unknown(refused) => Some(refused),
    };
    let all: BTreeSet<&Refused> =
        asked.iter().filter_map(|asked| asked.refused.as_ref()).chain(kind).collect();
    if all.is_empty() {
        return String::new();
    }
    let row = |Refused { code, class, say }: &Refused| {
        [rows::or_dash(code.as_ref()), rows::Cell::new(class), rows::Cell::new(say)]
    };
    rows::table(["code", "class", "what posmoded says"], all.into_iter().map(row), Some(rows::WIDTH))
}

/// Where a report helps. The repository is the package's own, if it names one.
fn send_to(repository: &str) -> String {
    let place = if repository.is_empty() { String::new() } else { format!(", at {repository}") };
    format!(
        "It holds nothing private: please read it, and put it into an issue of the posmoded project{place}."
    )
}

const PROGRAM: &str = concat!("posmoded ", env!("CARGO_PKG_VERSION"));
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const LEGEND: &str = "Of answers the shape alone: # is a number, \"#\" a number as text, \"…\" other text, +2 two more names.\nLEFT is \
                      the header x-mbx-used-remain-limit.";
/// Who waits longer wants to know for what.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_a_report_helps_and_invents_no_address() {
        assert!(send_to("").ends_with("an issue of the posmoded project."));
        assert!(send_to("https://example.org/p").ends_with("project, at https://example.org/p."));
    }
}
