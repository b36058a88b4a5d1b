//! `cargo run --example bench`: what posmoded costs, measured on the real binary against the simulated exchange, both
//! as processes of their own on loopback; beside it what ordinary tests count in virtual time.
//!
//! Prints one table: what, measured, goal, and whether it holds or how far it is. `--quick` leaves rows out, `--readme` writes
//! the table into README.md. It fails if a row is worse than its bound. What it measures it builds itself, optimised.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it watches from outside, in real time")]

mod bare;
mod figures;
mod look;
mod machine;
mod meter;
mod rows;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use tokio::time::{Instant, sleep, timeout};

use machine::{Daemon, Declared, Exchange, Home, Kind, Programs};
use rows::{Measured, ROWS, Row, Source, Verdict};

/// What posmoded costs, as one table
#[derive(Debug, Parser)]
struct Options {
    /// Leave out what takes long; under three minutes once built
    #[arg(long)]
    quick: bool,
    /// Write the table into README.md: every row, and with `--quick` those that were left out say so
    #[arg(long)]
    readme: bool,
    /// Only these rows
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "readme")]
    only: Vec<String>,
    /// Measure this binary in place of what the source makes, such as an older one to compare with
    #[arg(long, value_name = "PATH", conflicts_with = "readme")]
    posmoded: Option<PathBuf>,
    /// Speak TLS, as the real exchange does
    #[arg(long)]
    tls: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    for name in &options.only {
        ensure!(ROWS.iter().any(|row| row.name == name), "there is no row {name:?}");
    }
    let mut programs = Programs::build(options.tls)?;
    if let Some(other) = options.posmoded {
        programs.posmoded =
            other.canonicalize().with_context(|| format!("{} is missing", other.display()))?;
    }
    let mut bench = Bench {
        programs,
        quick: options.quick,
        only: options.only,
        began: Instant::now(),
        measured: BTreeMap::new(),
    };
    bench.run().await?;
    bench.conclude(options.readme)
}

struct Bench {
    programs: Programs,
    quick: bool,
    only: Vec<String>,
    began: Instant,
    measured: BTreeMap<&'static str, Measured>,
}

impl Bench {
    async fn run(&mut self) -> anyhow::Result<()> {
        self.busy().await?;
        self.crowds().await?;
        self.set("set_classic", Kind::Classic).await?;
        self.set("set_unified", Kind::Unified).await?;
        self.plan().await?;
        self.figures()
    }

    /// Whether this run has this row.
    fn wants(&self, row: &Row) -> bool {
        let long = row.source != Source::Processes;
        (self.only.is_empty() || self.only.iter().any(|name| name == row.name)) && !(self.quick && long)
    }

    fn wants_any(&self, names: &[&str]) -> bool {
        ROWS.iter().any(|row| names.contains(&row.name) && self.wants(row))
    }

    fn say(&self, what: &str) {
        eprintln!("{:>4} s  {what}", self.began.elapsed().as_secs());
    }

    fn measured(&mut self, name: &'static str, value: f64) {
        self.say(&format!("{name} = {value:.3}"));
        self.measured.insert(name, Measured::Value(value));
    }

    /// A fleet at a high pace: as many looks as the default budget has.
    async fn busy(&mut self) -> anyhow::Result<()> {
        if !self.wants_any(&["busy", "ccxt"]) {
            return Ok(());
        }
        let fleet = Declared { check_every: "5s", ..classic(150) };
        self.say("150 accounts, every 5 s");
        let (exchange, home) = self.open(fleet).await?;
        let daemon = self.start(&home, &exchange, Some(FAST))?;
        daemon.in_sync(fleet.count).await?;
        let window = Duration::from_secs(if self.quick { 10 } else { 30 });
        let ours = self.beside_a_bare_loop("busy", &exchange, &daemon, window).await?;
        daemon.stop().await?;
        match ccxt(&exchange, if self.quick { 300 } else { 1000 }) {
            Ok((theirs, version)) => {
                self.say(&format!("{:.0} us a look, ccxt {version}", theirs * 1e6));
                self.measured("ccxt", theirs / ours);
            }
            Err(why) => {
                self.measured.insert("ccxt", Measured::LeftOut(why));
            }
        }
        Ok(())
    }

    /// A hundred, a thousand, ten thousand accounts in sync: starts, restarts, memory, and rest.
    async fn crowds(&mut self) -> anyhow::Result<()> {
        let rows = ["memory_base", "memory_account", "ready", "in_sync_cpu", "growth_1000", "rest"];
        let more = ["requests_new", "requests_known", "growth_10000"];
        if !self.wants_any(&[&rows[..], &more].concat()) {
            return Ok(());
        }
        let small = self.crowd(100, 3).await?;
        self.measured("requests_new", small.requests_new);
        self.measured("requests_known", small.requests_known);
        let large = self.crowd(1000, 1).await?;
        let per_account = (large.memory - small.memory) / 900.0;
        self.measured("memory_account", per_account / 1024.0);
        self.measured("memory_base", (small.memory - 100.0 * per_account) / 1024.0 / 1024.0);
        self.measured("ready", large.ready.as_secs_f64() * 1000.0);
        self.measured("in_sync_cpu", large.cpu);
        self.measured("growth_1000", large.cpu / 1000.0 / (small.cpu / 100.0));
        if self.wants_any(&["growth_10000"]) {
            if let Ok(huge) = timeout(HUGE, self.crowd(10_000, 1)).await {
                self.measured("growth_10000", huge?.cpu / 10_000.0 / (small.cpu / 100.0));
            } else {
                let why = format!("not in sync within {} s, a first start and another", HUGE.as_secs());
                self.measured.insert("growth_10000", Measured::LeftOut(why));
            }
        }
        Ok(())
    }

    /// So many accounts: a first start, then so many restarts, of which the means are told.
    async fn crowd(&mut self, count: u64, restarts: u32) -> anyhow::Result<Crowd> {
        self.say(&format!("{count} accounts, for the first time"));
        let (exchange, home) = self.open(classic(count)).await?;
        let daemon = self.start(&home, &exchange, Some(FAST))?;
        daemon.in_sync(count).await?;
        let requests_new = per_account(exchange.requests().await?, count);
        daemon.stop().await?;
        let mut crowd = Crowd { requests_new, ..Crowd::default() };
        for restart in 1..=restarts {
            self.say(&format!("{count} accounts, restarted"));
            let before = exchange.requests().await?;
            let daemon = self.start(&home, &exchange, Some(FAST))?;
            crowd.ready = daemon.ready().await?;
            let took = daemon.in_sync(count).await?;
            let cpu = daemon.cpu()?;
            self.say(&format!(
                "ready after {} ms, in sync after {} ms with {} ms of CPU, the exchange has taken {} ms so far",
                crowd.ready.as_millis(),
                took.as_millis(),
                cpu.as_millis(),
                exchange.cpu()?.as_millis()
            ));
            crowd.cpu += cpu.as_secs_f64() / f64::from(restarts);
            crowd.requests_known = per_account(exchange.requests().await? - before, count);
            if restart == restarts {
                sleep(SETTLED).await;
                crowd.memory = daemon.memory()?;
                if count == 1000 && self.wants_any(&["rest"]) {
                    if !self.quick {
                        // With its second look each account shows whose key it is, which is written down.
                        self.say("a minute until whose keys they are is seen");
                        sleep(MINUTE + SETTLED).await;
                    }
                    self.say("at rest: only what is due each minute");
                    self.beside_a_bare_loop("rest", &exchange, &daemon, MINUTE).await?;
                }
            }
            daemon.stop().await?;
        }
        Ok(crowd)
    }

    /// One account alone, at the default budget: from the rename of the file to the arrival of the set.
    async fn set(&mut self, row: &'static str, kind: Kind) -> anyhow::Result<()> {
        if !self.wants_any(&[row]) {
            return Ok(());
        }
        self.say(&format!("one {kind:?} account, changed in the file again and again"));
        let declared = Declared { kind, ..classic(1) };
        let (exchange, home) = self.open(declared).await?;
        let daemon = self.start(&home, &exchange, None)?;
        daemon.in_sync(1).await?;
        daemon.wait_out_its_quiet().await;
        let (mut took, mut from) = (Vec::new(), exchange.requests().await?);
        for change in 0..if self.quick { 3 } else { 9 } {
            let mode = ["one_way_mode", "hedge_mode"].into_iter().nth(change % 2).unwrap_or_default();
            home.prepare(Declared { mode, ..declared })?;
            // At another phase of whatever it does once a second.
            sleep(Duration::from_millis(1500 + 137 * u64::try_from(change)?)).await;
            let renamed = home.rename()?;
            let set = loop {
                let (next, seen) = exchange.log(from).await?;
                if let Some(set) = seen.into_iter().find(|seen| seen.method == "POST") {
                    from = next;
                    break set;
                }
                ensure!(machine_ms()? - renamed < 30_000, "no set within 30 s");
                sleep(Duration::from_millis(20)).await;
            };
            #[expect(clippy::cast_precision_loss, reason = "some seconds in ms")]
            took.push((set.at - renamed) as f64);
        }
        let request = daemon.request_time().await? * 1000.0;
        daemon.stop().await?;
        took.sort_by(f64::total_cmp);
        let median = took.get(took.len() / 2).copied().context("no change")?;
        self.say(&format!("median {median} ms of {took:?}, a request {request:.1} ms"));
        self.measured(row, median - 4.0 * request);
        Ok(())
    }

    async fn plan(&mut self) -> anyhow::Result<()> {
        if !self.wants_any(&["plan"]) {
            return Ok(());
        }
        self.say("`plan` with 100 accounts");
        let (exchange, home) = self.open(classic(100)).await?;
        let began = Instant::now();
        let mut command = home.command(&self.programs, &exchange, &["plan"]);
        let done = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        ensure!(done.status.success(), "plan: {}", String::from_utf8_lossy(&done.stderr));
        self.measured("plan", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// What ordinary tests count.
    fn figures(&mut self) -> anyhow::Result<()> {
        let rows: Vec<&Row> =
            ROWS.iter().filter(|row| row.source == Source::Figure && self.wants(row)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.say("the tests in virtual time");
        let told = figures::collect()?;
        for name in told.keys() {
            ensure!(
                ROWS.iter().any(|row| row.name == name),
                "a test tells a figure {name:?}, and no row has it"
            );
        }
        for row in rows {
            let value =
                told.get(row.name).with_context(|| format!("no test tells the figure {:?}", row.name))?;
            self.measured(row.name, *value);
        }
        Ok(())
    }

    async fn open(&self, declared: Declared) -> anyhow::Result<(Exchange, Home)> {
        Ok((Exchange::open(&self.programs, declared.kind, declared.count).await?, Home::new(declared)?))
    }

    fn start(&self, home: &Home, exchange: &Exchange, rate: Option<u32>) -> anyhow::Result<Daemon> {
        Daemon::start(&self.programs, home, exchange, rate)
    }

    /// What the daemon takes per look in a window, in seconds of CPU; the row is what a bare loop takes, by that.
    async fn beside_a_bare_loop(
        &mut self,
        row: &'static str,
        exchange: &Exchange,
        daemon: &Daemon,
        window: Duration,
    ) -> anyhow::Result<f64> {
        sleep(SETTLED).await;
        let from = exchange.requests().await?;
        let ours = daemon.cpu_within(window).await?;
        let (_, seen) = exchange.log(from).await?;
        let ours = per_look(ours, seen.len());
        // The loop takes the same for each of many requests, so that some of them will do.
        let some = seen.get(..if self.quick { ENOUGH } else { seen.len() }).unwrap_or(&seen);
        let bare = per_look(bare::run(&self.programs, exchange, some)?, some.len());
        self.say(&format!(
            "{} looks in {} s, {:.0} us of CPU each, a bare loop {:.0} us",
            seen.len(),
            window.as_secs(),
            ours * 1e6,
            bare * 1e6
        ));
        self.measured(row, bare / ours);
        Ok(ours)
    }

    /// Prints the table; the exit code says whether every bound holds.
    fn conclude(&mut self, to_readme: bool) -> anyhow::Result<ExitCode> {
        if to_readme && self.quick {
            for row in ROWS {
                let why = || Measured::LeftOut("takes long: not in a quick run".to_owned());
                self.measured.entry(row.name).or_insert_with(why);
            }
        }
        let rows: Vec<(&Row, Measured)> =
            ROWS.iter().filter_map(|row| Some((row, self.measured.get(row.name)?.clone()))).collect();
        let table = rows::table(&rows);
        println!("{table}");
        let missing: Vec<&str> =
            ROWS.iter().map(|row| row.name).filter(|name| !self.measured.contains_key(name)).collect();
        if !missing.is_empty() {
            println!("left out in this run: {}", missing.join(", "));
        }
        if to_readme {
            ensure!(missing.is_empty(), "a table with gaps does not go into the README");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
            let readme =
                rows::into_readme(&fs::read_to_string(&path)?, &table).context("README.md has no markers")?;
            fs::write(path, readme)?;
        }
        let worse: Vec<&str> = rows
            .iter()
            .filter(|(row, measured)| matches!(measured, Measured::Value(value) if row.verdict(*value) == Verdict::Worse))
            .map(|(row, _)| row.name)
            .collect();
        if worse.is_empty() {
            println!("every bound holds, after {} s", self.began.elapsed().as_secs());
            Ok(ExitCode::SUCCESS)
        } else {
            println!("worse than their bounds: {}", worse.join(", "));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a number of accounts came to.
#[derive(Debug, Default)]
struct Crowd {
    requests_new: f64,
    requests_known: f64,
    ready: Duration,
    /// Seconds until all were in sync.
    cpu: f64,
    /// Bytes.
    memory: f64,
}

/// Classic accounts that are in their mode.
fn classic(count: u64) -> Declared {
    Declared { kind: Kind::Classic, count, mode: "hedge_mode", check_every: "60s" }
}

/// CPU seconds per look of ccxt and its version, where Python has it; else why not, in a few words.
fn ccxt(exchange: &Exchange, looks: u32) -> Result<(f64, String), String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/looks.py");
    let ca = exchange.ca.as_deref().unwrap_or(Path::new(""));
    let mut python = Command::new("python3");
    python.arg(script).arg(&exchange.url).arg(looks.to_string()).arg(ca);
    let output = python.output().map_err(|_| "there is no python3".to_owned())?;
    if !output.status.success() {
        let wrong = String::from_utf8_lossy(&output.stderr);
        let last = wrong.lines().last().unwrap_or_default();
        return Err(if last.contains("No module named") {
            "Python has no ccxt here".to_owned()
        } else {
            last.to_owned()
        });
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let (seconds, version) = told.trim().split_once(' ').ok_or("it says nothing")?;
    let seconds: f64 = seconds.parse().map_err(|_| format!("it says {told}"))?;
    Ok((seconds / f64::from(looks), version.to_owned()))
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn per_look(cpu: Duration, looks: usize) -> f64 {
    cpu.as_secs_f64() / looks as f64
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn per_account(requests: usize, count: u64) -> f64 {
    requests as f64 / count as f64
}

fn machine_ms() -> anyhow::Result<i64> {
    Ok(i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}

/// A budget that is no limit: what is measured is the daemon, not its patience.
const FAST: u32 = 1000;
/// As long as a whole round of looks takes.
const MINUTE: Duration = Duration::from_secs(60);
/// A first start of 10,000 accounts and another: at a thousand requests a second that is half a minute of requests.
const HUGE: Duration = Duration::from_secs(300);
/// So many requests tell what one costs, within some percent.
const ENOUGH: usize = 400;
/// What a start leaves behind, such as events that are still being written, is not part of a window.
const SETTLED: Duration = Duration::from_secs(3);
