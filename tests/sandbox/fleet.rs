//! Several hosts with one ledger on a PostgreSQL: one status, one pause, a host that dies, and an account that moves.

mod file;
pub(crate) mod host;
mod story;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bitget_sim::ProductType::{CoinFutures as Coin, UsdtFutures as Usdt};
use bitget_sim::{ApiKey, Exchange, NewAccount, PosMode, Simulator, Uid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::teller::Teller;
use super::{Options, programs};
use file::Source;
use host::{Common, Host};
use story::Story;

const MAIN: Uid = Uid(1001);
const ARB: Uid = Uid(1002);
const GRID: Uid = Uid(1003);
const UTA: Uid = Uid(1007);
const NAMES: [&str; 4] = ["desk-main", "desk-arb", "desk-grid", "desk-uta"];

/// Tells the story, and goes on until it is interrupted or its time is over.
pub(super) async fn play(options: &Options, count: u8) -> anyhow::Result<()> {
    // First of all, so that nothing is left behind by a signal that comes early.
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [interrupted, terminated, hung_up] = &mut signals;
    let (Ok(interrupted), Ok(terminated), Ok(hung_up)) = (interrupted, terminated, hung_up) else {
        anyhow::bail!("no signal can be waited for");
    };
    let cluster = Cluster::begin().map_err(anyhow::Error::msg).context(
        "The ledger of several hosts is in PostgreSQL. The sandbox starts one of its own, and none is installed here: install it (on \
         Debian and Ubuntu `apt install postgresql`), and start this again.",
    )?;
    cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    // Removed with the cluster, even if this process is killed.
    let home = cluster.home.as_path();

    let simulator = Simulator::new(exchange());
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let common = Common {
        programs: programs(home)?,
        keys: keys(home)?,
        ledger: cluster.url(DATABASE),
        exchange: format!("http://{}", listener.local_addr()?),
    };
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { bitget_sim::serve(listener, simulator, None).await }
    });
    let source = Source::new(home)?;
    let names = (1..=count).map(|number| format!("trade-{number:02}"));
    let hosts: anyhow::Result<Vec<Host>> =
        names.map(|name| Host::new(&name, home, &source.path, &common)).collect();
    let mut story = Story { simulator, source, hosts: hosts?, tell: Teller::new()? };

    let told = tokio::select! {
        told = tell(&mut story, &common, options) => told,
        ended = serving => Err(anyhow::anyhow!("the exchange has ended by itself: {ended:?}")),
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    };
    let verdict = match (told, options.assert) {
        (Ok(()), true) => story.assert_end().await,
        (told, _) => told,
    };
    story.tell.conclude();
    if options.assert && verdict.is_ok() {
        println!("\nEvery account is in the mode and on the host where the story leaves it.");
    }
    end(&mut story.hosts).await;
    verdict
}

/// Starts the hosts and tells the story; then whatever else happens, until the time is over.
async fn tell(story: &mut Story, common: &Common, options: &Options) -> anyhow::Result<()> {
    for host in &mut story.hosts {
        host.start(true).await?;
    }
    introduce(story, common, options);
    story.tell.started = Instant::now();
    let over = async {
        let told = story.play().await;
        if options.assert {
            return told;
        }
        if let Err(error) = told {
            story.tell.say(&format!("** the story ends here: {error:#}. The rest is yours to try"));
        }
        loop {
            story.moment().await?;
        }
    };
    match options.span {
        None => over.await,
        Some(span) => tokio::select! {
            told = over => told,
            () = sleep(span) => Ok(()),
        },
    }
}

/// The exchange before the daemons come: everything is flat, and in one-way mode.
fn exchange() -> Exchange {
    let mut exchange = Exchange::new();
    let one_way = |account: NewAccount| {
        account.with_mode(Usdt, PosMode::OneWayMode).with_mode(Coin, PosMode::OneWayMode)
    };
    for (uid, name) in [(MAIN, "desk-main"), (ARB, "desk-arb"), (GRID, "desk-grid")] {
        exchange.add_account(one_way(NewAccount::classic(uid, name)));
    }
    exchange.add_account(one_way(NewAccount::unified(UTA, "desk-uta")));
    exchange
}

/// The keys of the simulator, which every host has: so an account can be given to any of them.
fn keys(home: &Path) -> anyhow::Result<PathBuf> {
    let keys = home.join("keys");
    fs::create_dir(&keys)?;
    for name in NAMES {
        let ApiKey { key, secret, passphrase, .. } = ApiKey::named(name);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(keys.join(name));
        write!(file?, "key: {key}\nsecret: {}\npassphrase: {}\n", secret.0, passphrase.0)?;
    }
    Ok(keys)
}

fn introduce(story: &Story, common: &Common, options: &Options) {
    let Story { source, hosts, .. } = story;
    let count = hosts.len();
    println!(
        "{count} hosts with one ledger in PostgreSQL, against a simulated exchange: a daemon for each, with a file of its own."
    );
    println!("  exchange  {}            (simulated; knows no real account)", common.exchange);
    println!("  ledger    {}", common.ledger);
    for Host { name, at, .. } in hosts {
        println!("  {name}  http://{at}/            (open it in a browser; each page shows all accounts)");
    }
    println!("  {}", options.ends());
    println!();
    println!("  Edit {}: another mode, or another `host:`, and see what", source.path.display());
    println!(
        "  happens. Each host gets a copy at once, as `posmoded-pull` would bring it from git. In another terminal:"
    );
    let path = |path: PathBuf| path.display().to_string();
    let mut lines = vec![("posmoded status --watch".to_owned(), "")];
    lines.push(("posmoded hosts".to_owned(), ""));
    lines.push(("posmoded pause --reason lunch".to_owned(), ""));
    lines.push(("posmoded resume".to_owned(), ""));
    lines.push(("posmoded history --follow".to_owned(), ""));
    if let [first, .., last] = hosts.as_slice() {
        lines.insert(
            0,
            (format!(". {}", path(first.env())), "be on that host; the others have such a file, too"),
        );
        lines.push((format!("tail -f {}", path(first.log())), "what its daemon logs"));
        lines.push((format!("kill -9 $(cat {})", path(last.pid_file())), "another host dies"));
        lines.push((format!(". {}", path(last.env())), "be there, and"));
        lines.push(("posmoded run --listen 127.0.0.1:0".to_owned(), "start it again, in this terminal"));
    }
    let width = lines.iter().filter(|(_, why)| !why.is_empty()).map(|(line, _)| line.len()).max();
    for (line, why) in lines {
        let why = if why.is_empty() { String::new() } else { format!("   # {why}") };
        println!("{}", format!("    {line:<width$}{why}", width = width.unwrap_or_default()).trim_end());
    }
    println!("  The story takes a minute. What you do before it is over may change how it goes.");
    println!(
        "  The first daemons send sets at once, for the exchange is as new as they are; one that is started later, none for 41 s."
    );
    println!("  Nothing of it is left when this ends, but for what you have started yourself.");
    println!();
    println!(
        "  time  who and what; ** is what happens or what it means, and $ a command on a host, with what it prints"
    );
}

/// Ends the daemons as a service manager does; who takes too long for that is killed.
async fn end(hosts: &mut [Host]) {
    hosts.iter().for_each(Host::terminate);
    let began = Instant::now();
    while hosts.iter_mut().any(|host| host.is_up() && !host.has_ended()) && began.elapsed() < ENDS_WITHIN {
        sleep(Duration::from_millis(20)).await;
    }
}

const ENDS_WITHIN: Duration = Duration::from_secs(5);
const DATABASE: &str = "fleet";
