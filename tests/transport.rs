//! What a request costs its client, for each way that one can reach the exchange: on a kept HTTP/1.1 connection, as a
//! stream of HTTP/2, on a connection of its own. Ratios from one run; servers and clients are processes of their own.
//!
//! `cargo run --release --example transport`

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bitget_sim::{Exchange, Identity, Limits, Simulator};
use clap::{Parser, ValueEnum};
use posmoded::clock::Clock;
use posmoded::exchange::bitget::{BaseUrl, Request, Sockets, Transport as _};

#[derive(Debug, Parser)]
struct Args {
    /// Serve, in this manner, with the certificate to trust written to `--ca`
    #[arg(long)]
    serve: Option<Manner>,
    /// Ask, in this manner, in steps of `--width` requests side by side
    #[arg(long)]
    ask: Option<Manner>,
    #[arg(long, default_value = "http://127.0.0.1:1")]
    base: String,
    #[arg(long, default_value = "ca.pem")]
    ca: PathBuf,
    #[arg(long, default_value_t = 1)]
    width: u32,
    #[arg(long, default_value_t = 1)]
    steps: u32,
    /// Milliseconds from one step to the next
    #[arg(long, default_value_t = 0)]
    every: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Manner {
    /// HTTP/1.1 over TLS, on kept connections: as it must not be.
    Kept,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/1.1 over TLS, a connection for each request.
    Close,
    /// The same without TLS.
    Plain,
}

/// What the clients do: a name, how many requests side by side, how many steps of them, and how far apart.
const RUNS: [(&str, u32, u32, u64); 3] =
    [("one by one", 1, 4_000, 0), ("fifty at once", 50, 80, 0), ("30 a second", 1, 600, 33)];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match (args.serve, args.ask) {
        (Some(manner), _) => runtime.block_on(serve(manner, &args.ca)),
        (None, Some(manner)) => runtime.block_on(ask(manner, &args)),
        (None, None) => compare(),
    }
}

/// Runs every client in turn, against a server of its manner.
#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn compare() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for manner in Manner::value_variants() {
        servers.push((*manner, Server::start(*manner, &dir.path().join(word(*manner)))?));
    }
    for (name, width, steps, every) in RUNS {
        let mut kept = None;
        for (manner, server) in &servers {
            let (width, steps, every) = (width.to_string(), steps.to_string(), every.to_string());
            let out = Command::new(std::env::current_exe()?)
                .args(["--ask", word(*manner), "--base", &server.base, "--ca"])
                .arg(&server.ca)
                .args(["--width", &width, "--steps", &steps, "--every", &every])
                .output()?;
            ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            let out = String::from_utf8(out.stdout)?;
            let [cpu, wall, memory] = out
                .split_whitespace()
                .map(str::parse::<f64>)
                .collect::<Result<Vec<_>, _>>()?
                .try_into()
                .map_err(|_| anyhow::anyhow!("no three numbers: {out}"))?;
            let ratio = cpu / *kept.get_or_insert(cpu);
            println!(
                "{name:13} {:6} {ratio:5.2} times kept: {cpu:7.1} us of CPU a request, {wall:7.1} us in all, {memory:5.1} MiB at most",
                word(*manner)
            );
        }
    }
    Ok(())
}

struct Server {
    process: Child,
    base: String,
    ca: PathBuf,
}

impl Server {
    fn start(manner: Manner, ca: &Path) -> anyhow::Result<Server> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--serve", word(manner), "--ca"])
            .arg(ca)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut base = String::new();
        let said = process.stdout.take().context("no stdout")?;
        BufReader::new(said).read_line(&mut base)?;
        Ok(Server { process, base: base.trim().to_owned(), ca: ca.to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn word(manner: Manner) -> &'static str {
    match manner {
        Manner::Kept => "kept",
        Manner::Http2 => "http2",
        Manner::Close => "close",
        Manner::Plain => "plain",
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn serve(manner: Manner, ca: &Path) -> anyhow::Result<()> {
    let identity = match manner {
        Manner::Plain => None,
        Manner::Http2 => Some(Identity::new()?),
        Manner::Kept | Manner::Close => Some(Identity::new()?.without_http2()),
    };
    fs::write(ca, identity.as_ref().map_or("", Identity::ca_pem))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scheme = if identity.is_some() { "https" } else { "http" };
    println!("{scheme}://{}", listener.local_addr()?);
    let mut exchange = Exchange::new();
    exchange.switches_mut().limits = Limits::Ignored;
    match bitget_sim::serve(listener, Simulator::new(exchange), identity.as_ref()).await? {}
}

/// Prints microseconds of CPU and of time for a request, and the most memory that was in use, in MiB.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn ask(manner: Manner, args: &Args) -> anyhow::Result<()> {
    let base: BaseUrl = args.base.parse()?;
    let ca = (manner != Manner::Plain).then_some(args.ca.as_path());
    let sockets = Sockets::new(base, ca)?;
    let kept = match manner {
        Manner::Kept => {
            let root = reqwest::Certificate::from_pem(&fs::read(&args.ca)?)?;
            Some(reqwest::Client::builder().no_proxy().tls_certs_merge([root]).build()?)
        }
        Manner::Http2 | Manner::Close | Manner::Plain => None,
    };
    let one = || {
        let (sockets, kept) = (sockets.clone(), kept.clone());
        let url = format!("{}{PATH}", args.base);
        async move {
            match kept {
                Some(client) => drop(client.get(url).send().await?.bytes().await?),
                None => drop(sockets.send(Request::get(PATH, String::new())).await?),
            }
            anyhow::Ok(())
        }
    };
    // What comes once, such as reading the system's roots, is not a request's.
    one().await?;
    let clock = Clock::machine();
    let (cpu, began) = (cpu()?, clock.now());
    for step in 0..args.steps {
        clock.sleep_until(began + step * Duration::from_millis(args.every)).await;
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..args.width {
            asked.spawn(one());
        }
        while let Some(came) = asked.join_next().await {
            came??;
        }
    }
    let requests = f64::from(args.steps * args.width);
    let cpu = self::cpu()?.saturating_sub(cpu).as_secs_f64() * 1e6 / requests;
    let wall = clock.now().since(began).as_secs_f64() * 1e6 / requests;
    println!("{cpu} {wall} {}", memory()?);
    Ok(())
}

/// The time that this process's one busy thread has spent on a processor.
fn cpu() -> anyhow::Result<Duration> {
    let told = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(told.split(' ').next().context("an empty schedstat")?.parse()?))
}

fn memory() -> anyhow::Result<f64> {
    let mut told = String::new();
    fs::File::open("/proc/self/status")?.read_to_string(&mut told)?;
    let most = told.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(most.context("no VmHWM")?.trim().parse::<f64>()? / 1024.0)
}

const PATH: &str = "/api/v2/public/time";
