//! What happens in the fleet, chapter by chapter.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bitget_sim::ProductType::{CoinFutures as Coin, UsdtFutures as Usdt};
use bitget_sim::{Fault, FaultKind, LogEntry, PosMode, Simulator, Uid};
use posmoded::constants::FENCE;
use posmoded::protocol::{Reason, State};
use posmoded::status::{Status, TargetStatus};
use tokio::time::{Instant, sleep};

use super::file::Source;
use super::host::Host;
use super::{ARB, GRID, MAIN, UTA};
use crate::teller::{Teller, line, said};

/// The fleet, and who tells of it.
pub(super) struct Story {
    pub(super) simulator: Simulator,
    pub(super) source: Source,
    pub(super) hosts: Vec<Host>,
    pub(super) tell: Teller,
}

impl Story {
    /// All of it; an error says what has not happened.
    pub(super) async fn play(&mut self) -> anyhow::Result<()> {
        self.one_status().await?;
        self.one_pause().await?;
        self.a_host_dies().await?;
        self.its_account_moves().await?;
        self.it_comes_back().await?;
        self.what_was_lost_is_set().await?;
        self.tell.say(
            "** the story is over: every account is in sync, as every host shows it, and the rest is yours to try",
        );
        Ok(())
    }

    async fn one_status(&mut self) -> anyhow::Result<()> {
        let hosts = self.hosts.len();
        self.tell.say(&format!(
            "** {hosts} hosts have started; each looks after the accounts that the file gives it"
        ));
        self.until("every account in sync", is_all_in_sync).await?;
        // What one host shows, another one shows a moment later.
        let is_in_sync = |target: &TargetStatus| target.state == State::InSync;
        while !self.status_of("trade-03").await?.targets.iter().all(is_in_sync) {
            self.moment().await?;
        }
        self.tell.say("** one status: whichever host is asked, here trade-03, it shows the accounts of all");
        self.command("trade-03", &["status"]).await?;
        self.command("trade-03", &["hosts"]).await?;
        Ok(())
    }

    async fn one_pause(&mut self) -> anyhow::Result<()> {
        self.tell.say("** one pause: typed on trade-01, for all hosts");
        let acknowledged = self.command("trade-01", &["pause", "--reason", "maintenance"]).await?;
        ensure!(acknowledged, "the pause was not acknowledged");
        self.tell.say(
            "** it has returned: every living host has taken it up and has no set on its way, so none leaves until `resume`",
        );
        self.tell.say("** (had a host died just before, its last set might still take effect for 41 s)");
        self.tell.say("** the file now wants desk-uta in one_way_mode");
        self.source.edit("desk-uta", "hedge_mode", "one_way_mode")?;
        self.until("desk-uta paused", |tell| has_reason(tell, "desk-uta", Reason::Paused)).await?;
        self.tell.say("** what is paused on one host can be resumed on another");
        self.command("trade-02", &["resume"]).await?;
        self.until("desk-uta changed", is_all_in_sync).await
    }

    async fn a_host_dies(&mut self) -> anyhow::Result<()> {
        self.tell.say(
            "** the file now wants desk-arb, of trade-02, in one_way_mode; its set will be lost on the way to the exchange",
        );
        let lost = Fault::once(FaultKind::Hang).on("/set-position-mode").for_account(ARB);
        self.simulator.with(|exchange| exchange.inject(lost));
        self.source.edit("desk-arb", "hedge_mode", "one_way_mode")?;
        self.until("a set of desk-arb", |tell| has_reason(tell, "desk-arb", Reason::Acting)).await?;
        // From now on it gets no file either.
        self.source.late = Some("trade-02".to_owned());
        let pid = self.host("trade-02")?.kill()?;
        self.tell.say(&format!(
            "** trade-02 dies with that set on its way (kill -9 {pid}): no host knows what will come of it"
        ));
        self.tell.say(
            "** 15 s after its last sign of life the others will say so, and that what it showed is old",
        );
        self.until("trade-02 silent", |tell| {
            ["desk-arb", "desk-grid"].into_iter().all(|name| has_reason(tell, name, Reason::Elsewhere))
        })
        .await?;
        self.command("trade-01", &["hosts"]).await?;
        Ok(())
    }

    async fn its_account_moves(&mut self) -> anyhow::Result<()> {
        self.tell.say("** no host takes an account over by itself: the file now gives desk-arb to trade-03. desk-grid stays with trade-02");
        self.source.edit("desk-arb", "host: trade-02", "host: trade-03")?;
        self.until("desk-arb on trade-03", |tell| {
            of(tell, "desk-arb").all(|target| {
                target.host.as_deref() == Some("trade-03") && target.reason == Some(Reason::OutcomeUnknown)
            })
        })
        .await?;
        self.tell.say(
            "** from the ledger trade-03 knows of that set, and sends none while it may still take effect",
        );
        Ok(())
    }

    async fn it_comes_back(&mut self) -> anyhow::Result<()> {
        self.host("trade-02")?.start(false).await?;
        self.tell.say(
            "** trade-02 is started again, with the file that it had when it died, in which desk-arb is still its own",
        );
        self.until("desk-grid looked after", |tell| is_in_sync_on(tell, "desk-grid", "trade-02")).await?;
        let there = self.status_of("trade-02").await?;
        let behind = there.config.behind.as_ref().context("the file of trade-02 is not seen to be behind")?;
        self.tell.say(&format!("trade-02 says: {}", behind.say()));
        let arb = there.targets.iter().find(|target| target.account.as_str() == "desk-arb");
        let arb = arb.context("trade-02 does not know of desk-arb")?;
        ensure!(arb.host.as_deref() == Some("trade-03"), "trade-02 says of desk-arb: {}", line(arb));
        self.tell.say("trade-02 shows desk-arb as trade-03 has it: the account is not its own any more");
        self.source.late = None;
        self.tell.say("** its file is brought up to date");
        let began = Instant::now();
        while self.status_of("trade-02").await?.config.behind.is_some() {
            ensure!(began.elapsed() < PATIENCE, "trade-02 is still behind");
            self.moment().await?;
        }
        self.tell.say("trade-02 has nothing to say of its file any more");
        Ok(())
    }

    async fn what_was_lost_is_set(&mut self) -> anyhow::Result<()> {
        let is_over = |tell: &Teller| has_reason(tell, "desk-arb", Reason::Unreachable);
        self.until("the end of the lost set", is_over).await?;
        self.tell.say("** it can take effect no more, and had none. Another one waits for a minute, unless somebody says to go on");
        self.command("trade-01", &["resume", "desk-arb"]).await?;
        self.until("desk-arb set", |tell| is_in_sync_on(tell, "desk-arb", "trade-03")).await?;
        let waited = self.between_the_last_sets()?.as_secs();
        self.tell.say(&format!("** trade-03 has set it, {waited} s after the set of trade-02 that was lost"));
        let began = Instant::now();
        while let Some(wrong) = self.disagreements().await?.first() {
            ensure!(began.elapsed() < PATIENCE, "{wrong}");
            self.moment().await?;
        }
        Ok(())
    }

    /// Lets a moment pass: brings the file, and tells what there is to tell.
    pub(super) async fn moment(&mut self) -> anyhow::Result<()> {
        self.source.bring(&self.hosts)?;
        for host in &mut self.hosts {
            if host.has_ended() {
                self.tell.say(&format!("** the daemon of {} has ended", host.name));
            }
        }
        for host in self.hosts.iter().filter(|host| host.is_up()) {
            // One that has just died does not answer; another one will.
            if let Ok(status) = self.tell.ask(host.at).await {
                self.tell.hear(status);
                break;
            }
        }
        sleep(Duration::from_millis(200)).await;
        Ok(())
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Teller) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.moment().await?;
            if is_so(&self.tell) {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "it was waited for {} s for {what}", PATIENCE.as_secs());
        }
    }

    /// Runs posmoded as on that host, shows what it prints, and tells whether it returned with 0.
    async fn command(&self, host: &str, words: &[&str]) -> anyhow::Result<bool> {
        self.tell.say(&format!("{host}$ posmoded {}", words.join(" ")));
        let host = self.hosts.iter().find(|there| there.name == host).context("no such host")?;
        let done = host.command(words).output().await?;
        for text in [done.stdout, done.stderr] {
            for line in String::from_utf8_lossy(&text).lines() {
                println!("{:8}| {line}", "");
            }
        }
        Ok(done.status.success())
    }

    fn host(&mut self, name: &str) -> anyhow::Result<&mut Host> {
        self.hosts.iter_mut().find(|host| host.name == name).context("no such host")
    }

    async fn status_of(&self, name: &str) -> anyhow::Result<Status> {
        let host = self.hosts.iter().find(|host| host.name == name).context("no such host")?;
        self.tell.ask(host.at).await
    }

    /// How long after the lost set the next one of that account was signed.
    fn between_the_last_sets(&self) -> anyhow::Result<Duration> {
        let signed: Vec<i64> =
            sets(&self.simulator, ARB).iter().filter_map(|set| Some(set.signed?.0)).collect();
        let [.., lost, next] = signed[..] else { bail!("desk-arb has {} sets", signed.len()) };
        Ok(Duration::from_millis(u64::try_from(next - lost)?))
    }

    /// What a host says otherwise of an account than the story leaves it.
    async fn disagreements(&self) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let holders = [
            ("desk-main", "trade-01"),
            ("desk-arb", "trade-03"),
            ("desk-grid", "trade-02"),
            ("desk-uta", "trade-03"),
        ];
        for host in &self.hosts {
            let mut there = Teller::new()?;
            there.last = said(self.tell.ask(host.at).await?);
            for (name, holder) in holders {
                if !is_in_sync_on(&there, name, holder) {
                    let told: Vec<String> = of(&there, name).map(line).collect();
                    wrong.push(format!("{} says of {name}: {}", host.name, told.join("; ")));
                }
            }
        }
        Ok(wrong)
    }

    /// Where the story leaves each account: its mode at the exchange, and its host as every host says it; and that each was
    /// set as often as it had to be, the lost set and the next one far enough apart.
    pub(super) async fn assert_end(&self) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        let modes = [
            ("desk-main", MAIN, Usdt, PosMode::HedgeMode),
            ("desk-main", MAIN, Coin, PosMode::OneWayMode),
            ("desk-arb", ARB, Usdt, PosMode::OneWayMode),
            ("desk-grid", GRID, Usdt, PosMode::HedgeMode),
            ("desk-uta", UTA, Usdt, PosMode::OneWayMode),
        ];
        for (name, uid, product, mode) in modes {
            let live = self.simulator.with(|exchange| exchange.mode(uid, product))?;
            if live != mode {
                wrong.push(format!("{name} {product:?} is in {live:?} instead of {mode:?}"));
            }
        }
        for (name, uid, count) in
            [("desk-main", MAIN, 1), ("desk-arb", ARB, 3), ("desk-grid", GRID, 1), ("desk-uta", UTA, 2)]
        {
            let sets = sets(&self.simulator, uid).len();
            if sets != count {
                wrong.push(format!("{name} was set {sets} times instead of {count}"));
            }
        }
        let between = self.between_the_last_sets()?;
        if between < FENCE {
            wrong.push(format!("the lost set of desk-arb was repeated after {between:?}"));
        }
        wrong.extend(self.disagreements().await?);
        if !wrong.is_empty() {
            bail!("{}", wrong.join("\n"));
        }
        Ok(())
    }
}

/// As long as anything may take that is waited for, the end of a lost set included.
const PATIENCE: Duration = Duration::from_secs(90);

/// Every request that was to set a mode of an account, as it arrived.
fn sets(simulator: &Simulator, uid: Uid) -> Vec<LogEntry> {
    let is_set = |entry: &&LogEntry| entry.method != "GET" && entry.account == Some(uid);
    simulator.with(|exchange| exchange.log().iter().filter(is_set).cloned().collect())
}

fn of<'a>(tell: &'a Teller, name: &str) -> impl Iterator<Item = &'a TargetStatus> {
    tell.last.values().filter(move |target| target.account.as_str() == name)
}

fn has_reason(tell: &Teller, name: &str, reason: Reason) -> bool {
    of(tell, name).next().is_some() && of(tell, name).all(|target| target.reason == Some(reason))
}

fn is_in_sync_on(tell: &Teller, name: &str, host: &str) -> bool {
    let is_so = |target: &TargetStatus| target.state == State::InSync && target.host.as_deref() == Some(host);
    of(tell, name).next().is_some() && of(tell, name).all(is_so)
}

fn is_all_in_sync(tell: &Teller) -> bool {
    !tell.last.is_empty() && tell.last.values().all(|target| target.state == State::InSync)
}
