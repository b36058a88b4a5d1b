//! Processes on loopback: the simulated exchange, the daemon and its home, and what the kernel says of them.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use bitget_sim::ApiKey;
use posmoded::constants::QUIET;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, timeout};

use super::meter::Meter;

/// The kind of account that the exchange opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Unified,
}

/// The built programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) posmoded: PathBuf,
    pub(crate) exchange: PathBuf,
    pub(crate) bare_loop: PathBuf,
    /// Whether exchange and daemon speak TLS.
    pub(crate) tls: bool,
}

impl Programs {
    /// Builds what is measured as it is shipped: for itself, so that no test's feature is in it. The two others are built
    /// with the features that it has, which are more than they want, so that what all depend on is built once.
    pub(crate) fn build(tls: bool) -> anyhow::Result<Programs> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        for names in [&["posmoded"][..], &["bitget-sim", "bare-loop"]] {
            let mut build = Command::new(&cargo);
            build.args(["build", "--release", "--locked", "--quiet", "--package", "posmoded"]);
            build.args(names.iter().flat_map(|name| ["--package", name, "--bin", name]));
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            // What `cargo run` says of this package would be news to the build script of ring, and all that is above ring
            // would be built again by whoever builds without it.
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
                    build.env_remove(&name);
                }
            }
            ensure!(build.status().context("cargo cannot be run")?.success(), "{names:?} cannot be built");
        }
        // TARGET/debug/examples/bench.
        let us = std::env::current_exe()?;
        let target = us.ancestors().nth(3).context("the example is not where cargo puts it")?;
        let program = |name: &str| {
            let path = target.join("release").join(name);
            ensure!(path.is_file(), "{} is missing", path.display());
            Ok(path)
        };
        let (posmoded, exchange) = (program("posmoded")?, program("bitget-sim")?);
        Ok(Programs { posmoded, exchange, bare_loop: program("bare-loop")?, tls })
    }
}

/// The simulated exchange in a process of its own; it ends with this value.
#[derive(Debug)]
pub(crate) struct Exchange {
    process: Process,
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
    client: reqwest::Client,
    _home: TempDir,
}

/// One request as the exchange saw it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    pub(crate) at: i64,
    pub(crate) account: Option<u64>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Exchange {
    /// With accounts 1 to `count`, all flat and in hedge mode, and without limits: the bench counts requests itself.
    pub(crate) async fn open(programs: &Programs, kind: Kind, count: u64) -> anyhow::Result<Exchange> {
        let home = tempfile::tempdir()?;
        let kind = match kind {
            Kind::Classic => "classic",
            Kind::Unified => "unified",
        };
        let accounts: Vec<Value> =
            (1..=count).map(|uid| json!({ "uid": uid, "kind": kind, "apiKey": name(uid) })).collect();
        let file = home.path().join("accounts.json");
        fs::write(&file, serde_json::to_vec(&accounts)?)?;
        let ca = programs.tls.then(|| home.path().join("ca.pem"));
        let mut command = Command::new(&programs.exchange);
        command.args(["--listen", "127.0.0.1:0", "--accounts"]).arg(file);
        if let Some(ca) = &ca {
            command.args(["--https", "--ca-out"]).arg(ca);
        }
        let mut process = Process(command.stdout(Stdio::piped()).spawn().context("the exchange")?);
        let mut lines = BufReader::new(process.0.stdout.take().context("no pipe")?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        let url =
            first.trim().strip_prefix("listening on ").context("the exchange does not say where it is")?;
        let url = url.to_owned();
        // It goes on to print a line for each account.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        let client = client(ca.as_deref())?;
        let exchange = Exchange { process, url, ca, client, _home: home };
        let switches = exchange.client.post(format!("{}/control/switches", exchange.url));
        switches.json(&json!({ "limits": "ignored" })).send().await?.error_for_status()?;
        Ok(exchange)
    }

    /// How many requests there were so far.
    pub(crate) async fn requests(&self) -> anyhow::Result<usize> {
        Ok(self.log(u32::MAX as usize).await?.0)
    }

    /// The number of requests so far, and those from the one with this number on.
    pub(crate) async fn log(&self, from: usize) -> anyhow::Result<(usize, Vec<Seen>)> {
        #[derive(Deserialize)]
        struct Log {
            next: usize,
            entries: Vec<Seen>,
        }
        let answer = self.client.get(format!("{}/control/log?from={from}", self.url)).send().await?;
        let Log { next, entries } = answer.error_for_status()?.json().await?;
        Ok((next, entries))
    }
}

/// A client for the exchange's control and the daemon's status.
pub(crate) fn client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots =
        ca.map(|ca| reqwest::Certificate::from_pem_bundle(&fs::read(ca)?).map_err(anyhow::Error::new));
    Ok(reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge(roots.transpose()?.unwrap_or_default())
        .build()?)
}

/// What a daemon needs: the file, keys, state. Outlives the daemons that run in it.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
}

/// What the declared file says of all accounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    pub(crate) kind: Kind,
    pub(crate) count: u64,
    pub(crate) mode: &'static str,
    pub(crate) check_every: &'static str,
}

impl Home {
    pub(crate) fn new(declared: Declared) -> anyhow::Result<Home> {
        let home = Home { dir: tempfile::tempdir()? };
        let keys = home.path("keys");
        fs::create_dir(&keys)?;
        for number in 1..=declared.count {
            let ApiKey { key, secret, passphrase, .. } = ApiKey::named(&name(number));
            let file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(keys.join(name(number)));
            writeln!(file?, "key: {key}\nsecret: {}\npassphrase: {}", secret.0, passphrase.0)?;
        }
        home.prepare(declared)?;
        home.rename()?;
        Ok(home)
    }

    /// Writes a new content of the file beside it.
    pub(crate) fn prepare(&self, declared: Declared) -> anyhow::Result<()> {
        let Declared { kind, count, mode, check_every } = declared;
        let mut text = format!(
            "version: 1\nmax_changes: 1000\ndefaults: {{ drift: correct, check_every: {check_every}, settle: 0s }}\naccounts:\n"
        );
        for number in 1..=count {
            let mode = match kind {
                Kind::Classic => format!("{{ USDT-FUTURES: {mode} }}"),
                Kind::Unified => mode.to_owned(),
            };
            writeln!(text, "  {}: {{ position_mode: {mode} }}", name(number))?;
        }
        Ok(fs::write(self.path("new"), text + "...\n")?)
    }

    /// Renames it into place, and says when, in ms since 1970.
    pub(crate) fn rename(&self) -> anyhow::Result<i64> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        fs::rename(self.path("new"), self.path("desired-state.yaml"))?;
        Ok(i64::try_from(at)?)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary with these words, told where everything is.
    pub(crate) fn command(&self, programs: &Programs, exchange: &Exchange, words: &[&str]) -> Command {
        let mut command = Command::new(&programs.posmoded);
        command.args(words).args(["--state", "state", "--credentials", "keys", "--base-url", &exchange.url]);
        if let Some(ca) = &exchange.ca {
            command.arg("--ca").arg(ca);
        }
        command.current_dir(self.dir.path()).env_clear().env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    told: UnixDatagram,
    began: Instant,
    log: PathBuf,
    lock: PathBuf,
}

impl Daemon {
    /// Starts it as systemd does. Without a rate it has its default.
    pub(crate) fn start(
        programs: &Programs,
        home: &Home,
        exchange: &Exchange,
        rate: Option<u32>,
    ) -> anyhow::Result<Daemon> {
        let socket = home.path("notify");
        let _ = fs::remove_file(&socket);
        let told = UnixDatagram::bind(&socket)?;
        let log = home.path("log");
        let mut command = home.command(programs, exchange, &["run", "--listen", "127.0.0.1:0"]);
        if let Some(rate) = rate {
            command.args(["--requests-per-second", &rate.to_string()]);
        }
        command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()).stderr(File::create(&log)?);
        let began = Instant::now();
        let process = Process(command.spawn().context("the daemon")?);
        Ok(Daemon { process, told, began, log, lock: home.path("state/posmoded.lock") })
    }

    /// Waits until it tells the service manager that it is ready; how long after its start that was.
    pub(crate) async fn ready(&self) -> anyhow::Result<Duration> {
        self.until(|told| told.contains("READY=1")).await
    }

    /// Waits until its line says that this many targets are in sync; it says so once a second, which costs nothing more.
    pub(crate) async fn in_sync(&self, count: u64) -> anyhow::Result<Duration> {
        let line = format!(" {count}/{count} in sync");
        self.until(|told| told.contains(&line)).await
    }

    /// Waits until it may send a set: a new process sends none.
    pub(crate) async fn wait_out_its_quiet(&self) {
        tokio::time::sleep((QUIET + Duration::from_secs(1)).saturating_sub(self.began.elapsed())).await;
    }

    async fn until(&self, is_told: impl Fn(&str) -> bool) -> anyhow::Result<Duration> {
        let mut bytes = vec![0; 16 * 1024];
        let mut last = String::new();
        loop {
            let Ok(length) = timeout(PATIENCE, self.told.recv(&mut bytes)).await else {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(5).collect();
                bail!(
                    "the daemon says nothing more after {last:?}; its log ends, newest first:\n{}",
                    end.join("\n")
                );
            };
            last = String::from_utf8_lossy(bytes.get(..length?).unwrap_or_default()).into_owned();
            if is_told(&last) {
                return Ok(self.began.elapsed());
            }
        }
    }

    /// The CPU since its start.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.process.0.id().to_string())
    }

    /// The CPU in a window, finely.
    pub(crate) async fn cpu_within(&self, window: Duration) -> anyhow::Result<Duration> {
        let mut meter = Meter::of(&self.process.0.id().to_string());
        let (began, before) = (Instant::now(), meter.read()?);
        while began.elapsed() < window {
            tokio::time::sleep(METERED.min(window.saturating_sub(began.elapsed()))).await;
            meter.read()?;
        }
        Ok(meter.read()?.saturating_sub(before))
    }

    /// Its anonymous memory in bytes: what it allocated, without the program's own pages.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }

    /// The mean time of its requests so far, in seconds, as its own metrics have it.
    pub(crate) async fn request_time(&self) -> anyhow::Result<f64> {
        let lock: Value = serde_json::from_slice(&fs::read(&self.lock)?)?;
        let at = lock.get("listen").and_then(Value::as_str).context("it listens nowhere")?;
        let text = client(None)?.get(format!("http://{at}/metrics")).send().await?.text().await?;
        let sum = |what: &str| -> f64 {
            let name = format!("posmoded_request_duration_seconds_{what}");
            let lines = text.lines().filter(|line| line.starts_with(&name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        ensure!(sum("count") > 0.0, "it has counted no request");
        Ok(sum("sum") / sum("count"))
    }

    /// Ends it as the service manager does.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.0.id().to_string();
        ensure!(Command::new("kill").args(["-s", "TERM", &id]).status()?.success(), "no kill");
        let began = Instant::now();
        while self.process.0.try_wait()?.is_none() {
            ensure!(began.elapsed() < PATIENCE, "the daemon does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// A child that is killed when it is not needed any more.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Exchange {
    /// The CPU that the exchange took: none of ours, but it tells whether the machine was the limit.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.process.0.id().to_string())
    }
}

/// The CPU time of a process (its number) since its start, in user and system mode, with all threads that have ended.
fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
    let ticks =
        |index| -> anyhow::Result<u64> { Ok(fields.split(' ').nth(index).context("no time")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * TICK))
}

/// The name of an account.
pub(crate) fn name(number: u64) -> String {
    format!("desk-{number:05}")
}

/// Milliseconds; Linux tells programs hundredths of a second, whatever it counts in itself.
const TICK: u64 = 10;
/// Much more often than the threads of a pool end, which idle for 10 s before.
const METERED: Duration = Duration::from_millis(500);
/// Longer than anything takes that is not broken: ten thousand accounts at first contact.
const PATIENCE: Duration = Duration::from_secs(300);
