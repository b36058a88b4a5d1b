//! The flags that commands share: their meaning and their defaults.
//!
//! Reads the environment, and whether a directory exists; opens no file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::{UsageError, print};
use crate::constants::QUIET;
use crate::daemon::{Options, REQUESTS};
use crate::exchange::bitget::{BaseUrl, Proxy, Unusable};
use crate::host::HostName;
use crate::ledger::{Address, Home};
use crate::serve::Listen;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// The file that declares the position modes
    #[arg(long, global = true, env = "POSMODED_CONFIG", hide_env = true)]
    #[arg(value_name = "FILE", default_value = "desired-state.yaml")]
    pub config: PathBuf,
    /// Where the ledger is, if the flag says it; see [`Common::ledger`].
    #[arg(long, global = true, env = "POSMODED_STATE", hide_env = true, value_name = "DIR|URL")]
    #[arg(
        help = "Where the ledger is: a directory, or a database of PostgreSQL as postgres://USER@HOST/DATABASE \
                  [default: $STATE_DIRECTORY, else /var/lib/posmoded where that exists, else ~/.local/state/posmoded]"
    )]
    pub state: Option<PathBuf>,
    /// Where the credential files are, if the flag says it; see [`Common::credentials_dir`].
    #[arg(long, global = true, env = "POSMODED_CREDENTIALS", hide_env = true, value_name = "DIR")]
    #[arg(help = "One credential file per account, by its name [default: $CREDENTIALS_DIRECTORY]")]
    pub credentials: Option<PathBuf>,
    /// Whether `credentials` stands on the command line, and not in the environment.
    #[arg(skip)]
    pub named_credentials: bool,
    /// This host's name where the file says `host:`, if the flag says it; see [`Common::host`].
    #[arg(long, global = true, env = "POSMODED_HOST", hide_env = true, value_name = "NAME")]
    #[arg(
        help = "This host's name, where the file gives an account to one [default: what `hostname` prints]"
    )]
    pub host: Option<String>,
    /// Where the exchange answers; plain http to loopback only
    #[arg(long, global = true, env = "POSMODED_BASE_URL", hide_env = true)]
    #[arg(value_name = "URL", default_value = "https://api.bitget.com")]
    pub base_url: BaseUrl,
    /// A root certificate (PEM) to trust beside the usual ones
    #[arg(long, global = true, env = "POSMODED_CA", hide_env = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Ask the exchange through this proxy, by CONNECT: `http://[USER:PASSWORD@]HOST:PORT`; see [`Common::proxy`].
    // As text until it is asked for: an error of the parser's would show it, and so its password.
    #[arg(long, global = true, env = "POSMODED_PROXY", hide_env = true, value_name = "URL")]
    #[arg(help = "Ask the exchange through this proxy, by CONNECT: http://HOST:PORT; one with a password, \
                  http://USER:PASSWORD@HOST:PORT, is better given as POSMODED_PROXY. Other variables such as HTTPS_PROXY \
                  are not used")]
    pub proxy: Option<SecretString>,
    /// How the log is written: text or JSON lines to stderr, or entries with fields to systemd's journal
    #[arg(long, global = true, env = "POSMODED_LOG", hide_env = true, value_name = "text|json|journald")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Log::Text)]
    pub log: Log,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
    /// To systemd's journal, where each field of a line is one of the entry's: `POSMODED_ACCOUNT=desk-main`.
    Journald,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// JSON with `"schema": 1`; streams are one object a line.
    Json,
}

/// What every command takes that prints a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Printed {
    /// How the result is printed
    #[arg(short, long, env = "POSMODED_OUTPUT", hide_env = true, value_name = "table|json")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Output::Table)]
    pub output: Output,
}

impl Common {
    /// The options that every command takes. Those of `run` alone have their defaults, and nothing is listened at.
    pub(super) fn options(&self) -> Result<Options, UsageError> {
        let Common {
            config,
            state: _,
            credentials: _,
            named_credentials: _,
            host: _,
            base_url,
            ca,
            proxy: _,
            log: _,
        } = self;
        Ok(Options {
            config: config.clone(),
            state: self.ledger()?,
            credentials: self.credentials_dir(),
            host: self.host(),
            base_url: base_url.clone(),
            ca: ca.clone(),
            proxy: self.proxy()?,
            listen: Listen::Nowhere,
            schedule: None,
            requests_per_second: REQUESTS,
            quiet: QUIET,
        })
    }

    /// The same for a command that asks the exchange; says so if a proxy of the environment is not used.
    pub(super) fn options_to_ask(&self) -> Result<Options, UsageError> {
        if let Some(warning) = self.proxy_passed_over() {
            print::note(&warning);
        }
        self.options()
    }

    /// Where the ledger is: a database if the flag names one, else the state directory.
    pub fn ledger(&self) -> Result<Home, UsageError> {
        match self.state.as_deref().and_then(Path::to_str).filter(|text| Address::is_one(text)) {
            Some(text) => home(text),
            None => Ok(Home::Directory(self.state_dir()?)),
        }
    }

    /// The state directory: the flag, else the service manager's, else the system's, else the user's own.
    fn state_dir(&self) -> Result<PathBuf, UsageError> {
        // It leads to a directory that only root and the service may look into, and is there all the same.
        let system = Path::new(SYSTEM_STATE);
        let given = std::env::var_os("STATE_DIRECTORY");
        state_dir(
            self.state.as_deref(),
            given,
            system.symlink_metadata().is_ok().then_some(system),
            std::env::var_os("HOME"),
        )
        .ok_or_else(|| {
            UsageError(
                "Nothing was done: say where the ledger is with --state DIR (there is no HOME to look in)."
                    .to_owned(),
            )
        })
    }

    /// Where this host's name comes from: the flag, else the kernel.
    pub fn host(&self) -> HostName {
        self.host.clone().map_or(HostName::Kernel, HostName::Given)
    }

    /// The proxy: the flag; an empty one is none.
    pub fn proxy(&self) -> Result<Option<Proxy>, UsageError> {
        let text = self.proxy.as_ref().map(ExposeSecret::expose_secret).filter(|text| !text.is_empty());
        let proxy = text.map(str::parse).transpose();
        proxy.map_err(|error: Unusable| UsageError(format!("--proxy: {error}.")))
    }

    /// What to say of a proxy that the environment names and nothing uses; `None` if `--proxy` was given.
    pub(super) fn proxy_passed_over(&self) -> Option<String> {
        match &self.proxy {
            Some(_) => None,
            None => self.base_url.proxy_passed_over(|name| std::env::var(name).ok()),
        }
    }

    /// The credentials directory: the flag, else the service manager's.
    pub fn credentials_dir(&self) -> Option<PathBuf> {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|given| !given.is_empty());
        self.credentials.clone().or_else(|| given.map(PathBuf::from))
    }
}

/// Where a ledger is, as an option says it.
pub(super) fn home(text: &str) -> Result<Home, UsageError> {
    if Address::is_one(text) {
        let address = Address::new(text).map_err(|error| UsageError(format!("Nothing was done: {error}")))?;
        return Ok(address.into());
    }
    Ok(Path::new(text).into())
}

fn state_dir(
    flag: Option<&Path>,
    service: Option<OsString>,
    system: Option<&Path>,
    home: Option<OsString>,
) -> Option<PathBuf> {
    // The service manager separates several directories by colons, in the order of the unit; the first counts.
    let service = service.and_then(|all| std::env::split_paths(&all).next());
    let service = service.filter(|first| !first.as_os_str().is_empty());
    let own = home.filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".local/state/posmoded"));
    flag.map(Path::to_owned).or(service).or_else(|| system.map(Path::to_owned)).or(own)
}

/// Where the Debian package and the unit keep the state.
const SYSTEM_STATE: &str = "/var/lib/posmoded";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_the_flags_else_the_services_else_the_systems_else_the_users() {
        let dir = |flag: Option<&str>, service: Option<&str>, system: Option<&str>, home: Option<&str>| {
            let found = state_dir(
                flag.map(Path::new),
                service.map(OsString::from),
                system.map(Path::new),
                home.map(OsString::from),
            );
            found.map(|found| found.display().to_string())
        };
        let (service, system, home) = (Some("/run/a:/run/b"), Some("/var/lib/posmoded"), Some("/home/op"));
        assert_eq!(dir(Some("x"), service, system, home).as_deref(), Some("x"));
        assert_eq!(dir(None, service, system, home).as_deref(), Some("/run/a"));
        assert_eq!(dir(None, Some(""), system, home).as_deref(), Some("/var/lib/posmoded"));
        assert_eq!(dir(None, None, None, home).as_deref(), Some("/home/op/.local/state/posmoded"));
        assert_eq!(dir(None, None, None, None), None);
    }
}
