//! `posmoded import`: prints a desired-state.yaml that declares what is live. It has only read access to the exchange.
//!
//! All accounts or nothing: a file that lacks some accounts would release them once it is in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::cli::flags::{Output, Printed};
use crate::cli::looking::Looking;
use crate::cli::{Common, Exit, print};
use crate::clock::Clock;
use crate::daemon::KeyFiles;
use crate::desired;
use crate::exchange::Observe;
use crate::facts::{Class, Failure, Identity};
use crate::keeper::Environment as _;
use crate::moment::Moment;
use crate::position_mode::{AccountName, Declared, Kind, PositionMode, ProductType, Scope, Uid};
use crate::schedule::Purpose;

/// What `import` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The accounts, as their credential files are named
    #[arg(value_name = "ACCOUNT", required = true)]
    pub accounts: Vec<AccountName>,
    /// How the result is printed; table: the file itself
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when every account could be read; 1 when one could not: then nothing is printed.
pub async fn import(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, printed } = args;
    let clock = Clock::machine();
    let environment = KeyFiles::new(&common.options_to_ask()?, &clock)?;
    let (mut live, mut troubles) = (BTreeMap::new(), Vec::new());
    environment.survey(&accounts.iter().cloned().collect());
    let mut looking = Looking::new(&clock, accounts.len());
    for (done, name) in accounts.iter().enumerate() {
        looking.at(done, name);
        if let Some(say) = environment.shared_key(name) {
            troubles.push(format!("{name}: {say}"));
            continue;
        }
        match account(&environment, name, &clock).await {
            Ok(read) => {
                live.insert(name.clone(), read);
            }
            Err(say) => troubles.push(format!("{name}: {say}")),
        }
    }
    drop(looking);
    ensure!(
        troubles.is_empty(),
        "Nothing is printed, for a file without these accounts would not say what is live. Nothing was changed.\n{}",
        troubles.join("\n")
    );
    let text = file(&live)?;
    match printed.output {
        Output::Table => print::text(&text)?,
        Output::Json => print::json(&print::WithSchema::of(Imported { accounts: &live, file: &text }))?,
    }
    Ok(Exit::DONE)
}

/// The live settings of an account, in the form of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Live {
    /// Present if the key has the right to read it; then a key of another account is refused later.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Uid>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    demo: bool,
    position_mode: Declared,
}

#[derive(Debug, Serialize)]
struct Imported<'a> {
    accounts: &'a BTreeMap<AccountName, Live>,
    file: &'a str,
}

/// A key does not show whether it was made in demo mode: it is tried as a real one first, and as a demo one if the
/// exchange returns `OF_THE_OTHER_MODE`.
async fn account(environment: &KeyFiles, name: &AccountName, clock: &Clock) -> Result<Live, String> {
    let mut demo = false;
    let read = match modes(&environment.connect(name, demo)?, clock).await {
        Err(failure) if failure.code.as_deref() == Some(OF_THE_OTHER_MODE) => {
            demo = true;
            modes(&environment.connect(name, demo)?, clock).await
        }
        other => other,
    };
    read.map(|(uid, position_mode)| Live { uid, demo, position_mode }).map_err(|failure| failure.say)
}

async fn modes<O: Observe>(exchange: &O, clock: &Clock) -> Result<(Option<Uid>, Declared), Failure> {
    patiently(clock, || exchange.clock()).await?;
    let Identity { uid, kind, .. } = patiently(clock, || exchange.account(Purpose::New)).await?.value;
    let mode = async |scope: Scope| Ok(patiently(clock, || exchange.mode(scope, Purpose::New)).await?.value);
    match kind {
        Kind::Unified => Ok((uid, Declared::Everything(mode(Scope::Account).await?))),
        Kind::Classic => {
            let mut modes = BTreeMap::new();
            for product in ProductType::SHORT_FORM {
                modes.insert(product, mode(Scope::Product(product)).await?);
            }
            Ok((uid, short(modes)))
        }
    }
}

/// Uses the short form where all modes are equal: it means the same.
fn short(modes: BTreeMap<ProductType, PositionMode>) -> Declared {
    let declared = Declared::PerProduct(modes);
    declared.single_mode().map_or(declared, Declared::Everything)
}

/// Retries once our own limits allow; an answer of the exchange itself is returned as it is.
async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
    clock: &Clock,
    ask: impl Fn() -> F,
) -> Result<T, Failure> {
    for _ in 0..TRIES {
        match ask().await {
            Err(Failure { class: Class::Stopped { until } | Class::Busy { until }, .. }) => {
                wait(clock, until).await;
            }
            said => return said,
        }
    }
    ask().await
}

async fn wait(clock: &Clock, until: Moment) {
    if until > clock.now() {
        clock.sleep_until(until).await;
    }
}

/// The text of the whole file. Settings that the exchange does not have get cautious values, each with a comment.
fn file(live: &BTreeMap<AccountName, Live>) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Accounts<'a> {
        accounts: &'a BTreeMap<AccountName, Live>,
    }
    let accounts = serde_yaml::to_string(&Accounts { accounts: live })?;
    let mut text = HEAD.to_owned();
    write!(text, "\n{accounts}{END}")?;
    // The YAML library's output is accepted only if our own reader reads the same from it.
    let read = desired::read(text.as_bytes()).map_err(|problems| {
        let report = desired::report("import", &Err(problems), desired::Format::Text);
        anyhow::anyhow!("{}", report.trim_end())
    });
    let read = read.context(FAULT)?;
    let said = read.accounts.into_iter().map(|(name, account)| {
        let desired::Account { uid, declared, demo, .. } = &*account;
        (name, Live { uid: uid.clone(), demo: *demo, position_mode: declared.clone() })
    });
    if said.collect::<BTreeMap<_, _>>() != *live {
        bail!(FAULT);
    }
    Ok(text)
}

const FAULT: &str = "What was written does not read back as what is live, so nothing is printed and nothing was \
                     changed: please report this as a fault of posmoded.";

/// The text above the accounts.
const HEAD: &str = "\
# What was live when this was written: `posmoded plan` has nothing to change. Review it, put it under version control,
# and change it there; each account follows as soon as it is flat.
version: 1
max_changes: 3          # at most so many changes in any hour; what more is wanted waits for `posmoded approve`
defaults:
  drift: report         # when somebody else changes a mode: `report` only says so, `correct` sets it again
  check_every: 60s      # how often a mode that is right is compared (5s to 1h)
  settle: 5m            # how long an account must have been flat before its mode is changed
";
/// The end mark.
const END: &str = "...\n";
/// The exchange's code for a demo key used as a real one, or the reverse.
const OF_THE_OTHER_MODE: &str = "40099";
/// How many times a request waits for our own limits, about a second each.
const TRIES: usize = 60;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn live(all: &[(&str, Live)]) -> BTreeMap<AccountName, Live> {
        all.iter().map(|(name, live)| (name.parse().unwrap(), live.clone())).collect()
    }

    #[test]
    fn the_file_says_what_is_live_with_what_else_it_needs_and_the_end_mark() {
        let mixed = [
            (ProductType::UsdtFutures, PositionMode::Hedge),
            (ProductType::CoinFutures, PositionMode::OneWay),
            (ProductType::UsdcFutures, PositionMode::OneWay),
        ];
        let text = file(&live(&[
            (
                "desk-1",
                Live { uid: Some(Uid("0012".to_owned())), demo: false, position_mode: short(mixed.into()) },
            ),
            (
                "paper",
                Live { uid: None, demo: true, position_mode: Declared::Everything(PositionMode::Hedge) },
            ),
        ]));
        expect![[r#"
            # What was live when this was written: `posmoded plan` has nothing to change. Review it, put it under version control,
            # and change it there; each account follows as soon as it is flat.
            version: 1
            max_changes: 3          # at most so many changes in any hour; what more is wanted waits for `posmoded approve`
            defaults:
              drift: report         # when somebody else changes a mode: `report` only says so, `correct` sets it again
              check_every: 60s      # how often a mode that is right is compared (5s to 1h)
              settle: 5m            # how long an account must have been flat before its mode is changed

            accounts:
              desk-1:
                uid: '0012'
                position_mode:
                  USDT-FUTURES: hedge_mode
                  COIN-FUTURES: one_way_mode
                  USDC-FUTURES: one_way_mode
              paper:
                demo: true
                position_mode: hedge_mode
            ...
        "#]]
        .assert_eq(&text.unwrap());
    }

    #[test]
    fn every_account_name_is_read_back_as_it_was_written() {
        let everything =
            Live { uid: None, demo: false, position_mode: Declared::Everything(PositionMode::OneWay) };
        for name in ["0", "007", "1e5", "0x10", "null", "true", "no", "y", "on", "a-", "0b1", "1-2", "12e03"]
        {
            let text = file(&live(&[(name, everything.clone())]));
            assert!(text.is_ok(), "{name}: {text:?}");
        }
    }

    #[test]
    fn the_short_form_stands_where_all_modes_are_equal() {
        let modes = |last| {
            ProductType::SHORT_FORM
                .into_iter()
                .zip([PositionMode::Hedge, PositionMode::Hedge, last])
                .collect()
        };
        assert_eq!(short(modes(PositionMode::Hedge)), Declared::Everything(PositionMode::Hedge));
        assert!(matches!(short(modes(PositionMode::OneWay)), Declared::PerProduct(all) if all.len() == 3));
    }
}
