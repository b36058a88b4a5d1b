//! The options that the daemon starts with, and the errors that keep it from starting.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::constants::REQUESTS_PER_SECOND;
use crate::exchange::bitget::{BaseUrl, Proxy};
use crate::host::HostName;
use crate::ledger::Home;
use crate::serve::Listen;

/// The options that the command line, or a test, starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The declared file.
    pub config: PathBuf,
    /// Where the ledger is.
    pub state: Home,
    /// The directory of the credential files, one per account.
    pub credentials: Option<PathBuf>,
    /// Where this host's name comes from.
    pub host: HostName,
    /// The address of the exchange.
    pub base_url: BaseUrl,
    /// A file with a root certificate (PEM) to trust beside the usual ones.
    pub ca: Option<PathBuf>,
    /// The proxy that the exchange is asked through; those that the environment names are not used.
    pub proxy: Option<Proxy>,
    /// The address to serve the status at.
    pub listen: Listen,
    /// When to look at everything, beside `check_every`: a cron pattern of six fields, in UTC.
    pub schedule: Option<String>,
    /// The most requests that this process sends in a second.
    pub requests_per_second: NonZeroU32,
    /// How long after it has claimed a key the process sends no set with it: [`QUIET`], but where nobody else can have sent any.
    ///
    /// [`QUIET`]: crate::constants::QUIET
    pub quiet: Duration,
}

/// Why the daemon did not start: one of these per exit code.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Another instance holds the ledger.
    #[error("{0}")]
    Held(String),
    /// It was told to end before it had begun.
    #[error("It was told to end before it had started.")]
    Stopped,
    /// The file, the ledger, the keys, the address or an option cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// The error with all its causes in one line.
pub(super) fn unusable(error: impl std::error::Error) -> NotStarted {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{}: {inner}", text.trim_end_matches('.'));
        source = inner.source();
    }
    NotStarted::Unusable(text)
}

/// The default of [`Options::requests_per_second`].
pub const REQUESTS: NonZeroU32 = NonZeroU32::new(REQUESTS_PER_SECOND).unwrap();
