//! One daemon, on a copy of the shipped file, unaltered.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bitget_sim::ProductType::{CoinFutures as Coin, UsdcFutures as Usdc, UsdtFutures as Usdt};
use bitget_sim::{
    ApiKey, Exchange, HoldSide, NewAccount, NewOrder, OrderId, PosMode, ProductType, Simulator, Uid,
};
use posmoded::constants::REQUESTS_PER_SECOND;
use posmoded::daemon::{self, Daemon};
use posmoded::host::HostName;
use posmoded::ledger::Home;
use posmoded::log::Dropped;
use posmoded::protocol::{Reason, State, Wants};
use posmoded::status::TargetStatus;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::teller::{Teller, line};
use super::{Options, programs};

const MAIN: Uid = Uid(1001);
const ARB: Uid = Uid(1002);
const GRID: Uid = Uid(1003);
const MANUAL: Uid = Uid(1004);
const RISK: Uid = Uid(1005);
const PAPER: Uid = Uid(1006);
const UTA: Uid = Uid(1007);

/// Tells the story, until it is interrupted or its time is over.
pub(super) async fn play(options: Options) -> anyhow::Result<()> {
    let home = tempfile::tempdir().context("no temporary directory")?;
    let stop = CancellationToken::new();

    let simulator = Simulator::new(exchange());
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let exchange_at = listener.local_addr()?;
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { bitget_sim::serve(listener, simulator, None).await }
    });

    let options_of_run = run(home.path(), exchange_at, options.listen)?;
    let daemon = Daemon::start(options_of_run, &Dropped::default(), stop.clone()).await?;
    let status_at = daemon.address().context("the daemon does not listen")?;
    introduce(home.path(), &programs(home.path())?, exchange_at, status_at, &options);
    let daemon = tokio::spawn(daemon.run());

    let mut tell = Teller::new()?;
    let mut story = Story::new(simulator.clone());
    let end = options.span.map(|span| tell.started + span);
    let mut terminated = signal(SignalKind::terminate())?;
    while end.is_none_or(|end| Instant::now() < end) {
        story.play(&mut tell)?;
        tell.hear(tell.ask(status_at).await?);
        story.conclude(&tell);
        if options.assert && story.is_over {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
            _ = terminated.recv() => break,
        }
        ensure!(!daemon.is_finished(), "the daemon has ended by itself");
        ensure!(!serving.is_finished(), "the exchange has ended by itself");
    }
    tell.conclude();
    stop.cancel();
    daemon.await?;
    if options.assert { assert_end(&tell.last) } else { Ok(()) }
}

/// The exchange before the daemon comes: what each account holds, and in which mode it is.
fn exchange() -> Exchange {
    let mut exchange = Exchange::new();
    let one_way = |account: NewAccount, products: &[ProductType]| {
        products.iter().fold(account, |account, product| account.with_mode(*product, PosMode::OneWayMode))
    };
    exchange.add_account(one_way(NewAccount::classic(MAIN, "desk-main"), &[Usdt, Coin]));
    exchange.add_account(one_way(NewAccount::classic(ARB, "desk-arb"), &[Coin, Usdc]));
    exchange.add_account(one_way(NewAccount::unified(UTA, "desk-uta"), &[Usdt]));
    exchange.add_account(NewAccount::classic(GRID, "desk-grid"));
    exchange.add_account(NewAccount::classic(MANUAL, "desk-manual"));
    exchange.add_account(NewAccount::classic(RISK, "desk-risk"));
    let key = ApiKey { demo: true, ..ApiKey::named("paper") };
    let paper = NewAccount { api_key: key, ..NewAccount::classic(PAPER, "paper") };
    exchange.add_account(one_way(paper, &[Usdc]));
    exchange
}

/// The daemon's options: a copy of the shipped file, key files of the simulator's keys, state that goes away.
fn run(home: &Path, exchange: SocketAddr, listen: SocketAddr) -> anyhow::Result<daemon::Options> {
    let credentials = home.join("credentials");
    fs::create_dir(&credentials)?;
    for name in ["desk-main", "desk-arb", "desk-uta", "desk-grid", "desk-manual", "desk-risk", "paper"] {
        let ApiKey { key, secret, passphrase, .. } = ApiKey::named(name);
        let text = format!("key: {key}\nsecret: {}\npassphrase: {}\n", secret.0, passphrase.0);
        let file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(credentials.join(name));
        io::Write::write_all(&mut file?, text.as_bytes())?;
    }
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/desired-state.yaml"), home.join(FILE))?;
    Ok(daemon::Options {
        host: HostName::Given(HOST.to_owned()),
        config: home.join(FILE),
        state: Home::Directory(home.join("state")),
        credentials: Some(credentials),
        base_url: format!("http://{exchange}").parse()?,
        listen: listen.to_string().parse()?,
        ca: None,
        proxy: None,
        schedule: None,
        requests_per_second: NonZeroU32::new(REQUESTS_PER_SECOND).context("a limit of no request")?,
        // The exchange began with this process.
        quiet: Duration::ZERO,
    })
}

fn introduce(home: &Path, programs: &Path, exchange: SocketAddr, status: SocketAddr, options: &Options) {
    println!("posmoded against a simulated exchange, on a copy of the shipped desired-state.yaml.");
    println!("  exchange  http://{exchange}            (simulated; knows no real account)");
    println!("  page      http://{status}/             (open it in a browser)");
    println!("  status    http://{status}/api/status   metrics  http://{status}/metrics");
    println!("  {}", options.ends());
    println!();
    println!("  Edit {}, and see what happens. In another terminal:", home.join(FILE).display());
    println!("    export PATH={}:$PATH", programs.display());
    println!("    export POSMODED_STATE={} POSMODED_LISTEN={status}", home.join("state").display());
    println!("    export POSMODED_CONFIG={} POSMODED_HOST={HOST}", home.join(FILE).display());
    println!(
        "    export POSMODED_CREDENTIALS={} POSMODED_BASE_URL=http://{exchange}",
        home.join("credentials").display()
    );
    println!("    posmoded status --watch");
    println!("    posmoded pause desk-main --reason lunch");
    println!("    posmoded resume desk-main");
    println!("    posmoded history --follow");
    println!(
        "  Every other command that a sentence names works there, too: `posmoded check`, `plan`, `approve`."
    );
    println!("  Nothing of it is left when this ends.");
    println!();
    println!("  time  who and what; what begins with ** somebody else did at the exchange");
}

/// What the host is called there, whatever the machine is.
const HOST: &str = "sandbox";
/// The declared file in the sandbox's own directory.
const FILE: &str = "desired-state.yaml";

/// What happens at the exchange, and when.
struct Story {
    simulator: Simulator,
    started: Instant,
    order: Option<OrderId>,
    next: usize,
    is_over: bool,
}

/// One thing that somebody does.
type Act = (u64, &'static str, fn(&mut Story, &mut Exchange) -> Result<(), bitget_sim::Unknown>);

const ACTS: [Act; 6] = [
    (0, "desk-arb holds a long position in USDT-FUTURES, with an order beside it", |story, exchange| {
        exchange.open_position(ARB, Usdt, "BTCUSDT", HoldSide::Long, "0.5")?;
        story.order = Some(exchange.place_order(ARB, Usdt, NewOrder::live("BTCUSDT"))?);
        Ok(())
    }),
    (0, "desk-uta, a unified account, holds a short position in COIN-FUTURES", |_, exchange| {
        exchange.open_position(UTA, Coin, "BTCUSD", HoldSide::Short, "3")
    }),
    (9, "desk-arb closes the position", |_, exchange| {
        exchange.close_position(ARB, Usdt, "BTCUSDT", HoldSide::Long)
    }),
    (14, "desk-arb cancels the order: now it is flat", |story, exchange| match story.order.take() {
        Some(order) => exchange.cancel_order(ARB, Usdt, order),
        None => Ok(()),
    }),
    (16, "desk-uta closes its position: the whole account is flat", |_, exchange| {
        exchange.close_position(UTA, Coin, "BTCUSD", HoldSide::Short)
    }),
    (18, "somebody flips desk-grid to one_way_mode by hand", |_, exchange| {
        exchange.flip(GRID, Usdt, PosMode::OneWayMode)
    }),
];

impl Story {
    fn new(simulator: Simulator) -> Story {
        Story { simulator, started: Instant::now(), order: None, next: 0, is_over: false }
    }

    fn play(&mut self, tell: &mut Teller) -> anyhow::Result<()> {
        while let Some((at, what, act)) =
            ACTS.get(self.next).filter(|(at, ..)| self.started.elapsed().as_secs() >= *at)
        {
            let _ = at;
            let simulator = self.simulator.clone();
            simulator.with(|exchange| act(self, exchange))?;
            tell.say(&format!("** {what}"));
            self.next += 1;
        }
        Ok(())
    }
}

impl Story {
    /// Says once that nothing more happens by itself.
    fn conclude(&mut self, tell: &Teller) {
        let rests =
            |target: &TargetStatus| target.state == State::InSync || target.wants == Some(Wants::Human);
        if !self.is_over && self.next == ACTS.len() && !tell.last.is_empty() && tell.last.values().all(rests)
        {
            tell.say(
                "** the story is over: what is not in sync waits for somebody, and the rest is yours to try",
            );
            self.is_over = true;
        }
    }
}

/// Where the story leaves each target: in sync, or held back for exactly the reason that the file asks for.
fn assert_end(last: &BTreeMap<String, TargetStatus>) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for (name, target) in last {
        let expected = match name.as_str() {
            "desk-risk USDT-FUTURES" | "desk-risk COIN-FUTURES" | "desk-risk USDC-FUTURES" => {
                (State::New, Some(Reason::Suspended))
            }
            "desk-manual USDC-FUTURES" => (State::New, Some(Reason::Reported)),
            _ => (State::InSync, None),
        };
        if (target.state, target.reason) != expected {
            wrong.push(format!("{name} is {}, expected {expected:?}", line(target)));
        }
    }
    ensure!(last.len() == 14, "{} targets instead of 14", last.len());
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    println!("\nEvery target stands where the story leaves it.");
    Ok(())
}
