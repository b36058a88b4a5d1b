//! A host: a process of its own, which can be killed, with its copy of the file, its log and what a terminal there needs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use posmoded::constants::QUIET;
use posmoded::daemon::{self, Daemon, REQUESTS};
use posmoded::host::HostName;
use posmoded::ledger::Address;
use posmoded::log::Dropped;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::{NAME, put};

/// What all hosts have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    /// Where the programs are.
    pub(super) programs: PathBuf,
    pub(super) keys: PathBuf,
    /// Where the ledger is.
    pub(super) ledger: String,
    pub(super) exchange: String,
}

/// A host, and its daemon while there is one.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) home: PathBuf,
    /// Where its daemon listens, at each start.
    pub(super) at: SocketAddr,
    daemon: Option<Child>,
    common: Common,
}

impl Host {
    /// With this file, and not started yet.
    pub(super) fn new(name: &str, home: &Path, file: &Path, common: &Common) -> anyhow::Result<Host> {
        let home = home.join(name);
        fs::create_dir(&home)?;
        fs::copy(file, home.join(NAME))?;
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let host = Host { name: name.to_owned(), home, at, daemon: None, common: common.clone() };
        let mut env = vec![
            format!("# After `. {}` a terminal is one of {name}.", quoted(&host.env())),
            format!("export PATH={}:\"$PATH\"", quoted(&common.programs)),
        ];
        let export = |(variable, value): (&str, PathBuf)| format!("export {variable}={}", quoted(&value));
        env.extend(host.variables().map(export));
        fs::write(host.env(), env.join("\n") + "\n")?;
        Ok(host)
    }

    /// Its copy of the declared file.
    pub(super) fn file(&self) -> PathBuf {
        self.home.join(NAME)
    }

    /// What a terminal reads to be one of this host.
    pub(super) fn env(&self) -> PathBuf {
        self.home.join("env")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The number of its daemon's process, in a file.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.home.join("pid")
    }

    pub(super) fn is_up(&self) -> bool {
        self.daemon.is_some()
    }

    fn variables(&self) -> [(&'static str, PathBuf); 5] {
        let Common { programs: _, keys, ledger, exchange } = &self.common;
        [
            ("POSMODED_HOST", PathBuf::from(&self.name)),
            ("POSMODED_STATE", PathBuf::from(ledger)),
            ("POSMODED_CONFIG", self.file()),
            ("POSMODED_CREDENTIALS", keys.clone()),
            ("POSMODED_BASE_URL", PathBuf::from(exchange)),
        ]
    }

    /// All that a process there has: nothing that somebody has set for a posmoded of his own.
    fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let of_us = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        of_us.chain(self.variables().map(|(name, value)| (name, value.into_os_string())))
    }

    /// Posmoded with these words, as in a terminal of this host.
    pub(super) fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.common.programs.join(crate::POSMODED));
        command.args(words).env_clear().envs(self.environment()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts its daemon, and waits until it listens. `is_new` is for an exchange that is as new, and knows of no earlier set.
    pub(super) async fn start(&mut self, is_new: bool) -> anyhow::Result<()> {
        let address = self.home.join("address");
        let _ = fs::remove_file(&address);
        let log = File::options().append(true).create(true).open(self.log())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("host").arg(&self.home).args(["--at", &self.at.to_string()]);
        if is_new {
            command.arg("--is-new");
        }
        command.env_clear().envs(self.environment());
        // In a group of its own: Ctrl-C is for the sandbox, which ends its hosts.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let daemon = self.daemon.insert(command.spawn().context("no process for a host")?);
        put(&self.home.join("pid"), format!("{}\n", daemon.id()).as_bytes())?;
        let began = Instant::now();
        loop {
            let said = fs::read_to_string(&address).ok();
            if let Some(at) = said.and_then(|said| said.parse().ok()) {
                self.at = at;
                return Ok(());
            }
            if let Some(status) = daemon.try_wait()? {
                bail!("{} has not started ({status}): {}", self.name, fs::read_to_string(self.log())?);
            }
            ensure!(began.elapsed() < STARTS_WITHIN, "{} does not start", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As a power cut ends it; says which process that was.
    pub(super) fn kill(&mut self) -> anyhow::Result<u32> {
        let mut daemon = self.daemon.take().context("it does not run")?;
        daemon.kill()?;
        daemon.wait()?;
        Ok(daemon.id())
    }

    /// Whether its daemon has ended without us; told once.
    pub(super) fn has_ended(&mut self) -> bool {
        let has_ended = self.daemon.as_mut().is_some_and(|daemon| !matches!(daemon.try_wait(), Ok(None)));
        if has_ended {
            self.daemon = None;
        }
        has_ended
    }

    /// As the service manager ends it. Does not wait.
    pub(super) fn terminate(&self) {
        let pid = self.daemon.as_ref().and_then(|daemon| Pid::from_raw(i32::try_from(daemon.id()).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Host {
    /// Ends what is left of it.
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// As long as a busy machine may need.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// The process of a host; the sandbox starts it by itself, with the variables of that host.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    home: PathBuf,
    #[arg(long)]
    at: SocketAddr,
    #[arg(long)]
    is_new: bool,
    #[command(flatten)]
    common: posmoded::cli::Common,
}

impl Args {
    /// The daemon, until it is told to end, or whoever started it is gone.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        let filter = tracing_subscriber::EnvFilter::new("warn,posmoded=info");
        tracing_subscriber::fmt()
            .compact()
            .with_env_filter(filter)
            .with_target(false)
            .with_writer(std::io::stderr)
            .init();
        let Args { home, at, is_new, common } = self;
        let ledger = common.state.as_deref().and_then(Path::to_str).context("no ledger")?;
        let options = daemon::Options {
            host: HostName::Given(common.host.context("no name")?),
            config: common.config,
            state: Address::new(ledger)?.into(),
            credentials: common.credentials,
            base_url: common.base_url,
            listen: at.to_string().parse()?,
            ca: None,
            proxy: None,
            schedule: None,
            requests_per_second: REQUESTS,
            quiet: if is_new { Duration::ZERO } else { QUIET },
        };
        let stop = CancellationToken::new();
        let mut terminated = signal(SignalKind::terminate())?;
        let daemon = Daemon::start(options, &Dropped::default(), stop.clone()).await?;
        let at = daemon.address().context("the daemon does not listen")?;
        put(&home.join("address"), at.to_string().as_bytes())?;
        tokio::spawn(async move {
            terminated.recv().await;
            stop.cancel();
        });
        daemon.run().await;
        Ok(())
    }
}
