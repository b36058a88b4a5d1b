//! The client against the simulated exchange over loopback sockets: plain and TLS, with what goes wrong on the way.
//!
//! What is asserted is what the exchange saw, and what an operator would read.

mod hostile;
pub(crate) mod proxy;
mod rogue;
mod spare;
mod streams;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitget_sim::{
    Exchange, Executed, Fault, FaultKind, HoldSide, Identity, LogEntry, NewAccount, NewOrder, PlanType,
    PosMode, Simulator, Uid,
};
use posmoded::clock::Clock;
use posmoded::exchange::bitget::{AccountClient, Bitget, Sockets, Trading};
use posmoded::exchange::credential::Credential;
use posmoded::exchange::{Apply as _, Extent, Observe as _};
use posmoded::facts::{Cause, Change, Class, Failure, Generation, List, SetAnswer};
use posmoded::ledger::{Ledger, Note, Noted};
use posmoded::position_mode::{Kind, PositionMode, ProductType, Scope, Target};
use posmoded::schedule::Purpose;
use tokio::task::JoinSet;

use crate::world::turn::Turn;

const USDT: Scope = Scope::Product(ProductType::UsdtFutures);
const UID: Uid = Uid(1001);
const SETTER: &str = "set-position-mode";

/// An exchange with one flat classic account in hedge mode, and our way to it.
struct Venue {
    clock: Clock,
    simulator: Simulator,
    ledger: Ledger,
    bitget: Bitget<Sockets>,
    desk: AccountClient<Sockets>,
    _turn: Turn,
}

impl Venue {
    /// Over plain HTTP.
    fn plain() -> Venue {
        let (simulator, address) = simulate(None);
        Venue::at(simulator, &format!("http://{address}"), None)
    }

    fn at(simulator: Simulator, base: &str, ca: Option<&Path>) -> Venue {
        Venue::over(Sockets::new(base.parse().unwrap(), ca).unwrap(), simulator)
    }

    fn over(sockets: Sockets, simulator: Simulator) -> Venue {
        let clock = Clock::machine();
        let bitget = Bitget::new(sockets, clock.clone(), NonZeroU32::new(100).unwrap());
        let secret = |what: &str| format!("{what}-desk");
        let credential =
            Credential::new(secret("key"), secret("test-secret"), secret("test-passphrase")).unwrap();
        let desk = bitget.account("desk".parse().unwrap(), credential, Trading::Real);
        let ledger = Ledger::in_memory(clock.clone()).unwrap();
        Venue { clock, simulator, ledger, bitget, desk, _turn: Turn::take() }
    }

    /// From now on the desk signs with this RSA key.
    fn sign_with(&mut self, pem: String) {
        let credential = Credential::rsa("key-desk".into(), pem, "test-passphrase-desk".into()).unwrap();
        self.desk = self.bitget.account("desk".parse().unwrap(), credential, Trading::Real);
    }

    fn fault(&self, kind: FaultKind, path: &str) {
        self.simulator.with(|exchange| exchange.inject(Fault::once(kind).on(path)));
    }

    /// A set to one-way mode, noted.
    async fn note(&self, scope: Scope) -> Noted {
        let target = Target { account: "desk".parse().unwrap(), scope };
        let change = Change { from: PositionMode::Hedge, to: PositionMode::OneWay, cause: Cause::Pending };
        let stamp = self.bitget.server_clock().unwrap().at(self.clock.now());
        match self.ledger.note(&target, change, Generation(1), stamp, 9).await.unwrap() {
            Note::Noted(noted, _) => noted,
            Note::Braked => panic!("no brake was set"),
        }
    }

    /// Measures the clock, as a keeper does first, and sends one set.
    async fn set(&self) -> SetAnswer {
        self.desk.clock().await.unwrap();
        let permit = self.desk.permit(USDT).await.unwrap();
        self.desk.set(self.note(USDT).await, permit).await.0
    }

    fn mode(&self) -> PosMode {
        self.simulator.with(|exchange| exchange.mode(UID, bitget_sim::ProductType::UsdtFutures).unwrap())
    }

    fn log(&self) -> Vec<LogEntry> {
        self.simulator.with(|exchange| exchange.log().to_vec())
    }

    fn sets(&self) -> Vec<Executed> {
        self.log()
            .into_iter()
            .filter(|entry| entry.path.ends_with(SETTER))
            .map(|entry| entry.executed)
            .collect()
    }
}

/// Serves an exchange until the test's runtime ends.
fn simulate(identity: Option<Identity>) -> (Simulator, SocketAddr) {
    let mut exchange = Exchange::new();
    exchange.add_account(NewAccount::classic(UID, "desk"));
    let simulator = Simulator::new(exchange);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = simulator.clone();
    tokio::spawn(async move { bitget_sim::serve(listener, served, identity.as_ref()).await });
    (simulator, address)
}

/// A server that writes the same bytes to every connection that asks something, and how many did.
fn canned(answer: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        }
    });
    (address, asked)
}

/// The way to such a server.
fn at(base: &str) -> AccountClient<Sockets> {
    Venue::at(Simulator::default(), base, None).desk
}

#[tokio::test]
async fn a_flat_account_is_read_and_set_and_read_again() {
    let venue = Venue::plain();
    let Venue { simulator, desk, bitget, .. } = &venue;
    simulator.set_skew_ms(40_000);
    let told = desk.clock().await.unwrap();
    assert!((told.server.0 - simulator.now().0).abs() < 2_000);
    let identity = desk.account(Purpose::New).await.unwrap().value;
    assert_eq!((identity.kind, identity.uid.unwrap().0.as_str()), (Kind::Classic, "1001"));
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    for list in [List::PlanOrders, List::Orders, List::Positions] {
        assert_eq!(desk.count(USDT, list, Extent::Whole, Purpose::New).await.unwrap().value, 0, "{list:?}");
    }
    let permit = desk.permit(USDT).await.unwrap();
    let (answer, heard) = desk.set(venue.note(USDT).await, permit).await;
    assert_eq!((answer, heard.is_some()), (SetAnswer::Accepted, true));
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::OneWay);
    let from_to = Executed::Applied { from: PosMode::HedgeMode, to: PosMode::OneWayMode };
    assert_eq!(venue.sets(), [from_to]);
    let refused: Vec<_> = venue.log().into_iter().filter(|entry| entry.status != Some(200)).collect();
    let codes: Vec<_> = refused.iter().map(|entry| entry.code.as_deref().unwrap_or_default()).collect();
    assert_eq!(codes, ["40084"], "the question for the other kind: {refused:#?}");
    assert!(bitget.cool_downs().is_empty());
}

#[tokio::test]
async fn an_rsa_key_reads_and_sets_and_another_one_is_refused() {
    let Some((private, public)) = rsa_key() else { return };
    let Some((other, _)) = rsa_key() else { return };
    let mut venue = Venue::plain();
    venue.simulator.with(|exchange| exchange.key_mut("key-desk").unwrap().rsa_public_key = Some(public));
    venue.sign_with(other);
    venue.desk.clock().await.unwrap();
    let failure = venue.desk.mode(USDT, Purpose::New).await.unwrap_err();
    assert_eq!((failure.class, failure.code.as_deref()), (Class::Credential, Some("40009")));
    venue.sign_with(private);
    assert_eq!(venue.desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    assert_eq!(venue.set().await, SetAnswer::Accepted);
    assert_eq!(venue.mode(), PosMode::OneWayMode);
}

/// A new RSA key and its public half, in PEM; `None` where there is no openssl to make them.
fn rsa_key() -> Option<(String, String)> {
    let run = |args: &[&str]| std::process::Command::new("openssl").args(args).output();
    let made = run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let Ok(made) = made else {
        #[expect(clippy::print_stderr, reason = "whoever reads the test's output must know")]
        {
            eprintln!("skipped: openssl makes the test keys, and it cannot be run here");
        }
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, &made.stdout).unwrap();
    let public = run(&["pkey", "-pubout", "-in", path.to_str().unwrap()]).unwrap().stdout;
    Some((String::from_utf8(made.stdout).unwrap(), String::from_utf8(public).unwrap()))
}

#[tokio::test]
async fn positions_and_orders_of_every_kind_are_counted_and_hinder_a_set() {
    let venue = Venue::plain();
    let product = bitget_sim::ProductType::UsdtFutures;
    venue.simulator.with(|exchange| {
        exchange.open_position(UID, product, "BTCUSDT", HoldSide::Long, "0.01").unwrap();
        exchange.open_position(UID, product, "ETHUSDT", HoldSide::Short, "0").unwrap();
        for _ in 0..130 {
            exchange.place_order(UID, product, NewOrder::live("BTCUSDT")).unwrap();
        }
        let partial =
            NewOrder { status: bitget_sim::OrderStatus::PartiallyFilled, ..NewOrder::live("BTCUSDT") };
        exchange.place_order(UID, product, partial).unwrap();
        for plan_type in PlanType::ALL {
            exchange.place_plan_order(UID, product, plan_type, "BTCUSDT").unwrap();
        }
    });
    venue.desk.clock().await.unwrap();
    let mut counts = Vec::new();
    for list in [List::Positions, List::Orders, List::PlanOrders] {
        counts.push(venue.desk.count(USDT, list, Extent::Whole, Purpose::New).await.unwrap().value);
    }
    assert_eq!(counts, [1, 131, 3]);
    let SetAnswer::Refused(failure) = venue.set().await else { panic!("refused for good") };
    assert_eq!((failure.class, failure.code.as_deref()), (Class::NotFlat, Some("40920")));
    assert_eq!(venue.mode(), PosMode::HedgeMode);
}

#[tokio::test]
async fn a_unified_account_is_told_by_its_settings_and_read_and_set_as_a_whole() {
    let venue = Venue::plain();
    venue.simulator.with(|exchange| exchange.set_kind(UID, bitget_sim::Kind::Unified).unwrap());
    let desk = &venue.desk;
    desk.clock().await.unwrap();
    let posmoded::facts::Identity { uid, kind, uid_right, warnings, at: _ } =
        desk.account(Purpose::New).await.unwrap().value;
    assert_eq!((kind, uid.unwrap().0.as_str()), (Kind::Unified, "1001"));
    assert_eq!((uid_right, warnings), ("UTA mgt., read", Vec::new()));
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::WrongKind);
    assert_eq!(desk.mode(Scope::Account, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    for list in [List::PlanOrders, List::Orders, List::Positions] {
        assert_eq!(
            desk.count(Scope::Account, list, Extent::Whole, Purpose::New).await.unwrap().value,
            0,
            "{list:?}"
        );
    }
    let permit = desk.permit(Scope::Account).await.unwrap();
    let (answer, heard) = desk.set(venue.note(Scope::Account).await, permit).await;
    assert_eq!((answer, heard.is_some()), (SetAnswer::Accepted, true));
    assert_eq!(desk.mode(Scope::Account, Purpose::New).await.unwrap().value, PositionMode::OneWay);
}

#[tokio::test]
async fn what_a_unified_account_holds_in_any_category_is_counted_and_hinders_a_set() {
    let venue = Venue::plain();
    let [tether, coin, circle] = bitget_sim::ProductType::FUTURES;
    venue.simulator.with(|exchange| {
        exchange.set_kind(UID, bitget_sim::Kind::Unified).unwrap();
        exchange.open_position(UID, coin, "BTCUSD", HoldSide::Long, "0.01").unwrap();
        exchange.open_position(UID, tether, "ETHUSDT", HoldSide::Short, "0").unwrap();
        for _ in 0..130 {
            exchange.place_order(UID, circle, NewOrder::live("BTCPERP")).unwrap();
        }
        for (product, symbol) in [(tether, "BTCUSDT"), (circle, "BTCPERP")] {
            for plan_type in PlanType::ALL {
                exchange.place_plan_order(UID, product, plan_type, symbol).unwrap();
            }
        }
    });
    venue.desk.clock().await.unwrap();
    let mut counts = Vec::new();
    for list in [List::Positions, List::Orders, List::PlanOrders] {
        counts.push(venue.desk.count(Scope::Account, list, Extent::Whole, Purpose::New).await.unwrap().value);
    }
    assert_eq!(counts, [1, 130, 6]);
    let permit = venue.desk.permit(Scope::Account).await.unwrap();
    let answer = venue.desk.set(venue.note(Scope::Account).await, permit).await.0;
    let SetAnswer::Refused(failure) = answer else { panic!("refused for good: {answer:?}") };
    assert_eq!(failure.class, Class::NotFlat, "{failure}");
}

#[tokio::test]
async fn a_unified_key_that_may_not_see_its_settings_is_told_what_it_lacks() {
    let venue = Venue::plain();
    venue.simulator.with(|exchange| {
        exchange.set_kind(UID, bitget_sim::Kind::Unified).unwrap();
        exchange.key_mut("key-desk").unwrap().uta_mgt = bitget_sim::Right::Nothing;
    });
    venue.desk.clock().await.unwrap();
    let failure = venue.desk.account(Purpose::New).await.unwrap_err();
    assert_eq!(failure.class, Class::Denied);
    assert!(
        failure.say.contains(r#"allow it "UTA mgt., read and write" and "UTA trade, read""#),
        "{failure}"
    );
}

#[tokio::test]
async fn f31_a_lost_reply_and_a_lost_request_look_alike_and_nothing_is_sent_twice() {
    let mut tried = JoinSet::new();
    for (kind, mode) in [
        (FaultKind::DropReply, PosMode::OneWayMode),
        (FaultKind::DropRequest, PosMode::HedgeMode),
        (FaultKind::EmptyBody, PosMode::OneWayMode),
        (FaultKind::Garbage, PosMode::OneWayMode),
        (FaultKind::Html { status: 403 }, PosMode::OneWayMode),
        (FaultKind::Html { status: 502 }, PosMode::OneWayMode),
    ] {
        let venue = Venue::plain();
        venue.fault(kind.clone(), SETTER);
        tried.spawn(async move {
            let answer = venue.set().await;
            assert!(matches!(answer, SetAnswer::Unclear(_)), "{kind:?}: {answer:?}");
            assert_eq!(venue.mode(), mode, "{kind:?}");
            assert_eq!(venue.sets().len(), 1, "{kind:?}");
        });
    }
    tried.join_all().await;
}

#[tokio::test]
async fn f34_what_no_exchange_would_write_is_no_answer_to_a_look() {
    let venue = Venue::plain();
    venue.desk.clock().await.unwrap();
    let faults = [
        FaultKind::EmptyBody,
        FaultKind::Garbage,
        FaultKind::NullData,
        FaultKind::MissingField { field: "entrustedList".to_owned() },
        FaultKind::Html { status: 403 },
        FaultKind::Html { status: 200 },
        FaultKind::DropReply,
    ];
    for kind in faults {
        venue.fault(kind.clone(), "orders-pending");
        let look = venue.desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await;
        let Err(Failure { class: Class::TryAgain, .. }) = look else { panic!("{kind:?}: {look:?}") };
    }
    venue.fault(FaultKind::MissingField { field: "posMode".to_owned() }, "account/account");
    let look = venue.desk.mode(USDT, Purpose::New).await;
    assert_eq!(look.unwrap_err().class, Class::TryAgain);
    assert_eq!(venue.desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await.unwrap().value, 0);
}

#[tokio::test]
async fn f23_a_429_is_a_definite_refusal_of_a_set_and_cools_its_lane_down() {
    let venue = Venue::plain();
    venue.fault(FaultKind::TooManyRequests, SETTER);
    let SetAnswer::Refused(failure) = venue.set().await else { panic!("refused for good") };
    assert_eq!(failure.class, Class::RateLimited);
    let [cool_down] = &venue.bitget.cool_downs()[..] else { panic!("one lane rests") };
    assert!(cool_down.limit.ends_with("/set-position-mode"), "{cool_down:?}");
    let busy = venue.desk.permit(USDT).await.unwrap_err();
    assert_eq!(busy.class, Class::Stopped { until: cool_down.until });
}

#[tokio::test]
async fn i8_a_hurry_never_meets_a_limit_of_the_exchange() {
    let venue = Venue::plain();
    venue.desk.clock().await.unwrap();
    for _ in 0..12 {
        venue.desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap();
    }
    assert!(venue.log().iter().all(|entry| entry.status == Some(200)), "{:#?}", venue.log());
}

#[tokio::test]
async fn an_exchange_that_never_answers_is_given_up_after_ten_seconds() {
    let venue = Venue::plain();
    venue.desk.clock().await.unwrap();
    venue.fault(FaultKind::Hang, "all-position");
    let began = Instant::now();
    let failure = venue.desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap_err();
    assert_eq!(failure.class, Class::TryAgain);
    assert!(failure.say.contains("did not answer in time"), "{failure}");
    assert!((9..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_redirect_is_told_and_never_followed() {
    let (elsewhere, followed) = canned(Vec::new());
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (address, asked) = canned(answer.into_bytes());
    let failure = at(&format!("http://{address}")).clock().await.unwrap_err();
    assert_eq!(failure.class, Class::TryAgain);
    let say =
        "Bitget answered the call time: HTTP 302, a redirect, which is never followed; check --base-url";
    assert_eq!(failure.say, say);
    assert_eq!((asked.load(Ordering::SeqCst), followed.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_body_without_end_is_cut_and_no_answer() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n{\"code\":\"00000\",\"requestTime\":1,\"data\":[\"".to_vec();
    answer.resize(4 * 1024 * 1024, b'x');
    let (address, asked) = canned(answer);
    let failure = at(&format!("http://{address}")).clock().await.unwrap_err();
    assert_eq!(failure.class, Class::TryAgain);
    assert!(failure.say.len() < 1_000 && failure.say.contains("no complete answer"), "{failure}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_there_is_told_at_once_and_takes_no_permit() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = at(&format!("http://{address}"));
    let began = Instant::now();
    for _ in 0..15 {
        let failure = desk.clock().await.unwrap_err();
        assert_eq!(failure.class, Class::TryAgain);
        assert!(failure.say.contains(&address.to_string()), "{failure}");
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn tls_is_believed_with_the_authority_that_was_named_and_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new().unwrap();
    let (right, wrong) = (dir.path().join("right.pem"), dir.path().join("wrong.pem"));
    std::fs::write(&right, identity.ca_pem()).unwrap();
    std::fs::write(&wrong, Identity::new().unwrap().ca_pem()).unwrap();
    let (simulator, address) = simulate(Some(identity));
    let base = format!("https://{address}");

    let venue = Venue::at(simulator.clone(), &base, Some(&right));
    assert_eq!(venue.set().await, SetAnswer::Accepted);
    assert_eq!(venue.mode(), PosMode::OneWayMode);
    let seen = venue.log().len();

    for ca in [Some(wrong.as_path()), None] {
        let stranger = Venue::at(simulator.clone(), &base, ca);
        let failure = stranger.desk.clock().await.unwrap_err();
        assert_eq!(failure.class, Class::TryAgain);
        assert!(failure.say.contains("certificate"), "{failure}");
    }
    assert_eq!(venue.log().len(), seen, "nothing was asked over a line that is not believed");
}

#[test]
fn a_ca_file_that_is_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let told = || {
        let unusable = Sockets::new("https://127.0.0.1:1".parse().unwrap(), Some(&path)).unwrap_err();
        unusable.to_string().replace(path.to_str().unwrap(), "CA")
    };
    assert_eq!(told(), "the CA file CA cannot be read: No such file or directory (os error 2)");
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        let told = told();
        assert!(
            told.contains("the CA file CA")
                || told.contains("a certificate in the file of --ca cannot be used"),
            "{told}"
        );
    }
}
