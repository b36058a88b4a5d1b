//! The simulator as a program: it listens on loopback, prints where and with which keys, and serves until Ctrl-C or for as
//! long as it is told to. What it serves is in the library.

use std::fs;
use std::future::pending;
use std::io::{Write as _, stdout};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bitget_sim::{ApiKey, Exchange, Identity, Kind, NewAccount, Simulator, Uid, serve};
use clap::Parser;
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A stateful Bitget on loopback: for tests, never for trading
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen; only loopback addresses, port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8600")]
    listen: SocketAddr,
    /// Speak TLS, with a certificate made at start, and HTTP/2 with whoever wants it
    #[arg(long, requires = "ca_out")]
    https: bool,
    /// Speak no HTTP/2 over TLS
    #[arg(long, requires = "https")]
    http1: bool,
    /// Where to write the certificate, in PEM, that clients are to trust
    #[arg(long, value_name = "FILE", requires = "https")]
    ca_out: Option<PathBuf>,
    /// An account that starts flat and in hedge mode: classic, unified, or a unified one that is hybrid,
    /// basic, isolated, delta, single, union; demo if its key is; may be repeated, as may the word [default: alpha:classic]
    #[arg(long = "account", value_name = "NAME:WORD[:WORD...]", value_parser = account)]
    accounts: Vec<NewAccount>,
    /// A JSON file with a list of accounts
    #[arg(long = "accounts", value_name = "FILE")]
    accounts_file: Option<PathBuf>,
    /// How far the exchange's clock is ahead, such as 40s or -5m
    #[arg(long, value_name = "DURATION", default_value = "0s", allow_hyphen_values = true)]
    skew: SignedDuration,
    /// End after this long, such as 30s
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<SignedDuration>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let Args { listen, https, http1, ca_out, accounts, accounts_file, skew, lasting } = args;
    let accounts = opened(accounts, accounts_file.as_deref())?;
    let lasting = lasting.map(Duration::try_from).transpose().context("--for")?;
    ensure!(listen.ip().is_loopback(), "--listen {listen}: only loopback, such as 127.0.0.1:8600");
    let listener = TcpListener::bind(listen).with_context(|| format!("--listen {listen}"))?;
    let identity = match (https, http1) {
        (true, false) => Some(Identity::new()?),
        (true, true) => Some(Identity::new()?.without_http2()),
        (false, _) => None,
    };
    if let (Some(identity), Some(path)) = (&identity, &ca_out) {
        fs::write(path, identity.ca_pem()).with_context(|| format!("--ca-out {}", path.display()))?;
    }

    introduce(listener.local_addr()?, https, &accounts)?;
    let simulator = Simulator::default();
    simulator.set_skew_ms(i64::try_from(skew.as_millis()).context("--skew")?);
    simulator.with(|exchange: &mut Exchange| {
        for account in accounts {
            exchange.add_account(account);
        }
    });

    let over = async {
        match lasting {
            Some(lasting) => tokio::time::sleep(lasting).await,
            None => pending().await,
        }
    };
    tokio::select! {
        served = serve(listener, simulator, identity.as_ref()) => match served? {},
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        () = over => Ok(()),
    }
}

/// Says where the exchange is and how to get in.
fn introduce(address: SocketAddr, https: bool, accounts: &[NewAccount]) -> anyhow::Result<()> {
    let scheme = if https { "https" } else { "http" };
    let mut out = stdout().lock();
    writeln!(out, "listening on {scheme}://{address}")?;
    for NewAccount { uid, kind, api_key, .. } in accounts {
        let ApiKey { key, secret, passphrase, .. } = api_key;
        writeln!(out, "account {uid} ({kind:?}): key {key} secret {} passphrase {}", secret.0, passphrase.0)?;
    }
    Ok(out.flush()?)
}

/// The accounts that were asked for, numbered from 1001 on where they have no number of their own.
fn opened(named: Vec<NewAccount>, file: Option<&Path>) -> anyhow::Result<Vec<NewAccount>> {
    let mut accounts: Vec<NewAccount> = match file {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("--accounts {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("--accounts {}", path.display()))?
        }
        None => Vec::new(),
    };
    let default = || vec![NewAccount::classic(Uid(FIRST_UID), "alpha")];
    let named = if named.is_empty() && accounts.is_empty() { default() } else { named };
    let numbered = (FIRST_UID..).zip(named);
    accounts.extend(numbered.map(|(uid, account)| NewAccount { uid: Uid(uid), ..account }));
    let mut uids: Vec<Uid> = accounts.iter().map(|account| account.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    if uids.len() != accounts.len() {
        bail!("two accounts have the same uid: accounts by name are numbered from {FIRST_UID} on");
    }
    Ok(accounts)
}

/// An account as the command line names it, without a number yet.
fn account(text: &str) -> Result<NewAccount, String> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default();
    let mut account = NewAccount::classic(Uid(0), name);
    let mut words = words.peekable();
    if words.peek().is_none() {
        return Err("write NAME:classic or NAME:unified".to_owned());
    }
    for word in words {
        match word {
            "classic" => {
                account.kind = Kind::Classic;
                continue;
            }
            "demo" => {
                account.api_key.demo = true;
                continue;
            }
            _other => {}
        }
        account.kind = Kind::Unified;
        let (settings, given) = (&mut account.settings, json!(word));
        let known = keep(&mut settings.account_level, &given)
            || keep(&mut settings.asset_mode, &given)
            || keep(&mut account.account_mode, &given);
        if !known {
            let words = "classic, unified, hybrid, a level such as basic, an asset mode, or demo";
            return Err(format!("{word:?} is no kind of account: write {words}"));
        }
    }
    Ok(account)
}

/// Takes a word over if it is one of these.
fn keep<T: DeserializeOwned>(place: &mut T, word: &Value) -> bool {
    T::deserialize(word).map(|known| *place = known).is_ok()
}

const FIRST_UID: u64 = 1001;
