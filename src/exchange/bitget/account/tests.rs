//! Accounts against a scripted exchange, under a paused clock: what they request, when, and how they interpret the
//! answers. Here a classic one and what both kinds share.
//!
//! No sockets here, and no behaviour of an exchange beyond the script.

mod kind;
mod limits;
mod unified;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::expect;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::exchange::bitget::pace::LaneName;
use crate::exchange::bitget::requests::Outcome;
use crate::exchange::bitget::{Bitget, Method, Request, Response, Trading, TransportError};
use crate::exchange::credential::Credential;
use crate::facts::{Class, ServerClock};
use crate::moment::Moment;
use crate::position_mode::ProductType;

const START: i64 = 1_700_000_000_000;
const SKEW: i64 = 90_000;
const USDT: Scope = Scope::Product(ProductType::UsdtFutures);
const COIN: Scope = Scope::Product(ProductType::CoinFutures);

type Answers = dyn Fn(&Request) -> Result<Response, TransportError> + Send + Sync;

/// Answers by a function, after a delay, and records the requests.
#[derive(Clone)]
struct Script {
    clock: Clock,
    takes: Duration,
    answer: Arc<Answers>,
    log: Arc<Mutex<Vec<(Moment, Request)>>>,
}

impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.log.lock().unwrap().push((self.clock.now(), request.clone()));
        let written = self.clock.now() + self.takes / 2;
        self.clock.sleep_until(self.clock.now() + self.takes).await;
        let answer = (self.answer)(&request)?;
        let body = String::from_utf8(answer.body).unwrap();
        let body = body.replace("NOW", &(written.0 + SKEW).to_string());
        let body = body.replace("SOON", &(written.0 + SKEW + 28_000).to_string());
        let body = body.replace("THEN", &(written.0 + SKEW - 20_000).to_string());
        Ok(Response { body: body.into_bytes(), ..answer })
    }
}

impl Script {
    fn new(
        answer: impl Fn(&Request) -> Result<Response, TransportError> + Send + Sync + 'static,
    ) -> (Bitget<Script>, Script) {
        let clock = Clock::simulated(START, 1);
        let takes = Duration::from_millis(50);
        let script = Script { clock: clock.clone(), takes, answer: Arc::new(answer), log: Arc::default() };
        (Bitget::new(script.clone(), clock, NonZeroU32::new(100).unwrap()), script)
    }

    /// The requests, as `GET path?query`, without those for the exchange's time.
    fn asked(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|(_, request)| request.path != "/api/v2/public/time")
            .map(|(_, Request { method, path, query, headers: _, body })| {
                let mark = if query.is_empty() { "" } else { "?" };
                let path = path.trim_start_matches("/api/").trim_start_matches("v2/");
                format!("{} {path}{mark}{query}{body}", method.as_str())
            })
            .collect()
    }

    fn last(&self) -> Request {
        self.log.lock().unwrap().last().unwrap().1.clone()
    }

    fn now(&self) -> i64 {
        self.clock.now().0 - START
    }

    fn server_now(&self) -> i64 {
        self.clock.now().0 + SKEW
    }
}

fn account(bitget: &Bitget<Script>, name: &str) -> AccountClient<Script> {
    bitget.account(name.parse().unwrap(), credential_of(name), Trading::Real)
}

/// Each account has a key of its own.
fn credential_of(name: &str) -> Credential {
    let key = if name == "desk" { "test-key".to_owned() } else { format!("test-key-{name}") };
    Credential::new(key, "test-secret".into(), "test-pass".into()).unwrap()
}

fn lane(name: &str, endpoint: Endpoint) -> LaneName {
    LaneName::Account(credential_of(name).key_id(), endpoint)
}

/// An account for which the exchange's clock is known.
async fn ready(bitget: &Bitget<Script>, name: &str) -> AccountClient<Script> {
    let account = account(bitget, name);
    account.clock().await.unwrap();
    account
}

/// `NOW` in an answer becomes the exchange's time halfway between question and answer, `THEN` 20 s before, `SOON` 28 s after.
#[expect(clippy::unnecessary_wraps, reason = "it is what a transport answers")]
fn body(status: u16, body: &str) -> Result<Response, TransportError> {
    Ok(Response { status, remaining: None, media: None, body: body.as_bytes().to_vec() })
}

fn coded(status: u16, code: &str) -> Result<Response, TransportError> {
    body(status, &format!(r#"{{"code":"{code}","msg":"m","requestTime":NOW,"data":null}}"#))
}

fn done(data: &str) -> Result<Response, TransportError> {
    body(200, &format!(r#"{{"code":"00000","msg":"m","requestTime":NOW,"data":{data}}}"#))
}

/// The default answers of every script: a flat classic account in hedge mode.
fn usual(request: &Request) -> Result<Response, TransportError> {
    match request.path.trim_start_matches("/api/v2/") {
        "public/time" => done(r#"{"serverTime":"NOW"}"#),
        "mix/market/contracts" => {
            done(r#"[{"symbol":"X"},{"symbol":"ETHUSDT","supportMarginCoins":["USDT"]}]"#)
        }
        "/api/v3/account/settings" => coded(400, "40084"),
        "spot/account/info" => done(r#"{"userId":"1001"}"#),
        "mix/account/account" | "mix/account/set-position-mode" => done(r#"{"posMode":"hedge_mode"}"#),
        "mix/position/all-position" => done("[]"),
        "mix/order/orders-pending" | "mix/order/orders-plan-pending" => done(r#"{"entrustedList":null}"#),
        other => panic!("nobody asks for {other}"),
    }
}

fn instead(
    path: &'static str,
    answer: impl Fn(&Request) -> Result<Response, TransportError> + Send + Sync + 'static,
) -> (Bitget<Script>, Script) {
    Script::new(move |request| if request.path.ends_with(path) { answer(request) } else { usual(request) })
}

#[tokio::test(start_paused = true)]
async fn f23_nothing_leaves_in_the_first_second_and_no_signed_read_before_the_clock_is_known() {
    let (bitget, script) = Script::new(usual);
    let desk = account(&bitget, "desk");
    let failure = desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap_err();
    assert_eq!(failure.class, Class::Clock);
    assert_eq!(script.log.lock().unwrap().len(), 0);
    let told = desk.clock().await.unwrap();
    // A hundred requests a second: the first turn comes with the first of them.
    assert_eq!(told.server, ServerTime(START + SKEW + 1035));
    assert_eq!(told.asked, Moment(START + 1010));
    assert_eq!(told.answered, Moment(START + 1060));
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
}

#[tokio::test(start_paused = true)]
async fn reads_are_signed_with_the_exchanges_time_and_its_list_of_contracts_is_read_once() {
    let (bitget, script) = Script::new(usual);
    let desk = ready(&bitget, "desk").await;
    let other = ready(&bitget, "other").await;
    for desk in [&desk, &other, &desk] {
        assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    }
    let account = "GET mix/account/account?marginCoin=USDT&productType=USDT-FUTURES&symbol=ETHUSDT";
    let contracts = "GET mix/market/contracts?productType=USDT-FUTURES";
    assert_eq!(script.asked(), [contracts, account, account, account]);
    let headers = script.last().headers;
    let header = |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let signed: i64 = header("access-timestamp").unwrap().parse().unwrap();
    let left = script.log.lock().unwrap().last().unwrap().0.0 + SKEW;
    assert!((signed - left).abs() < 5_000, "signed {signed}, left {left}");
    assert_eq!(header("access-key").unwrap(), "test-key");
}

#[tokio::test(start_paused = true)]
async fn a_product_type_without_contracts_is_asked_by_a_usual_symbol() {
    let answers = [done("[]"), coded(400, "40034"), done(r#"[{"symbol":"A B","supportMarginCoins":["X"]}]"#)];
    for answer in answers {
        let (bitget, script) = instead("contracts", move |_| answer.clone());
        let desk = ready(&bitget, "desk").await;
        for _ in 0..2 {
            desk.mode(COIN, Purpose::New).await.unwrap();
        }
        let account = "GET mix/account/account?marginCoin=BTC&productType=COIN-FUTURES&symbol=BTCUSD";
        assert_eq!(script.asked(), ["GET mix/market/contracts?productType=COIN-FUTURES", account, account]);
    }
    let (bitget, script) = instead("contracts", |_| body(200, ""));
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.mode(COIN, Purpose::New).await.unwrap_err().class, Class::TryAgain);
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn f34_what_is_absent_is_never_flat_and_never_a_mode() {
    let bodies = [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "<html></html>".to_owned(),
        r#"{"code":"00000","requestTime":NOW}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":null}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":{}}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":""}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":[{}]}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":[{"total":"x","posMode":"x"}]}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":{"entrustedList":[{}],"posMode":null}}"#.to_owned(),
        r#"{"code":"00000","data":{"entrustedList":[],"posMode":"hedge_mode"}}"#.to_owned(),
        r#"{"code":"00000","requestTime":NOW,"data":{"entrustedList":[],"posMode":"hedge_m"#.to_owned(),
    ];
    for text in bodies {
        let answer = text.clone();
        let (bitget, _) = Script::new(move |request| {
            let subject = !request.path.ends_with("time") && !request.path.ends_with("contracts");
            if subject { body(200, &answer) } else { usual(request) }
        });
        let desk = ready(&bitget, "desk").await;
        let mode = desk.mode(USDT, Purpose::New).await.map_err(|failure| failure.class);
        assert_eq!(mode.map(|answer| answer.value), Err(Class::TryAgain), "{text}");
        for list in [List::Positions, List::Orders, List::PlanOrders] {
            let count =
                desk.count(USDT, list, Extent::Whole, Purpose::New).await.map_err(|failure| failure.class);
            assert_eq!(count.map(|answer| answer.value), Err(Class::TryAgain), "{list:?} {text}");
        }
    }
    let (bitget, _) = instead("all-position", |_| done(r#"{"entrustedList":[]}"#));
    let desk = ready(&bitget, "desk").await;
    assert!(desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.is_err());
}

/// The usual answer, as it was 20 s ago.
fn old(answer: Result<Response, TransportError>) -> Result<Response, TransportError> {
    answer.map(|answer| {
        let body = String::from_utf8(answer.body).unwrap().replace("NOW", "THEN");
        Response { body: body.into_bytes(), ..answer }
    })
}

#[tokio::test(start_paused = true)]
async fn f61_an_answer_from_before_its_question_is_no_look_and_moves_no_clock() {
    let (bitget, script) =
        Script::new(
            |request| {
                if request.path.ends_with("public/time") { usual(request) } else { old(usual(request)) }
            },
        );
    let desk = ready(&bitget, "desk").await;
    let offset = bitget.server_clock().unwrap().offset;
    let mode = desk.mode(USDT, Purpose::New).await.unwrap_err();
    assert_eq!(mode.class, Class::Stale);
    assert!(
        mode.say.starts_with(
            "Bitget answered the call account: an answer that is 20s older than its question by Bitget's own clock"
        ),
        "{}",
        mode.say
    );
    for list in [List::PlanOrders, List::Orders, List::Positions] {
        let count = desk.count(USDT, list, Extent::Whole, Purpose::New).await.unwrap_err();
        assert_eq!(count.class, Class::Stale, "{list:?}");
    }
    assert_eq!(desk.kind(Purpose::New).await.unwrap_err().class, Class::Stale);
    assert_eq!(witnesses(&script), 2, "asked again, once in ten seconds, whether the clock was moved");
    assert_eq!(bitget.server_clock().unwrap().offset, offset);
    let permit = desk.permit(USDT).await.unwrap();
    let (answer, heard) = desk.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
    assert_eq!((answer, heard), (SetAnswer::Accepted, None), "a read has to confirm it anyway");
    assert_eq!(bitget.server_clock().unwrap().offset, offset);
}

#[tokio::test(start_paused = true)]
async fn f61_where_the_time_says_the_same_the_exchanges_clock_was_set_back() {
    let (bitget, _) = Script::new(|request| old(usual(request)));
    let desk = account(&bitget, "desk");
    let now = bitget.now();
    bitget.shared.clock.learn_exchange(ServerClock::measured(now, now, ServerTime(now.0 + SKEW)));
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::Stale);
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    let moved = SKEW - bitget.server_clock().unwrap().offset;
    assert!((19_950..=20_050).contains(&moved), "{moved}");
}

#[tokio::test(start_paused = true)]
async fn f63_an_answer_from_a_machine_that_is_ahead_is_dated_no_later_than_it_can_be() {
    let (bitget, script) = instead("account/account", |_| {
        body(200, r#"{"code":"00000","msg":"m","requestTime":SOON,"data":{"posMode":"hedge_mode"}}"#)
    });
    let desk = ready(&bitget, "desk").await;
    desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap();
    let answer = desk.mode(USDT, Purpose::New).await.unwrap();
    assert!(answer.server.0 <= script.server_now(), "it is no witness that a fence is over");
    assert!(desk.clock_contradicted().unwrap().starts_with(
        "By its answer to the call account Bitget's clock is 28s ahead of what it was: the call time is asked"
    ));
    // Once that was asked, a machine that is ahead holds up nothing.
    for _ in 0..2 {
        assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
        assert_eq!(desk.clock_contradicted(), None);
    }
    assert_eq!(witnesses(&script), 2);
}

#[tokio::test(start_paused = true)]
async fn f61_an_old_answer_that_nobody_signed_for_is_no_harm_and_measures_no_clock() {
    let (bitget, script) = instead("contracts", |request| old(usual(request)));
    let desk = ready(&bitget, "desk").await;
    let measured = bitget.server_clock();
    let shared = &desk.session;
    shared.ask_public(Endpoint::Contracts, String::new()).await.unwrap();
    assert_eq!(bitget.server_clock(), measured);
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    assert_eq!(witnesses(&script), 1);
}

#[tokio::test(start_paused = true)]
async fn f62_an_empty_page_that_names_another_is_followed_to_the_end() {
    let row = r#"{"entrustedList":[{"orderId":"7001"}],"endId":"7001"}"#;
    let hidden = move |request: &Request| match &request.query {
        query if query.contains("idLessThan=7002") => done(row),
        query if query.contains("status=live") => done(r#"{"entrustedList":[],"endId":"7002"}"#),
        _ => usual(request),
    };
    let (bitget, script) = instead("orders-pending", hidden);
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!((count.value, script.asked().len()), (1, 3), "a page that has a row is followed no further");
    // Empty pages that lead back, or go on and on, are no empty list.
    let endless = |request: &Request| {
        let from = request.query.split('&').find_map(|pair| pair.strip_prefix("idLessThan="));
        let next = from.map_or(1000, |id| id.parse::<u32>().unwrap() - 1);
        done(&format!(r#"{{"entrustedList":null,"endId":"{next}"}}"#))
    };
    let back = |_: &Request| done(r#"{"entrustedList":[],"endId":"7002"}"#);
    let (endless, _) = instead("orders-plan-pending", endless);
    let (back, _) = instead("orders-plan-pending", back);
    for bitget in [endless, back] {
        let desk = ready(&bitget, "desk").await;
        let count = desk.count(USDT, List::PlanOrders, Extent::Whole, Purpose::New).await;
        assert_eq!(count.unwrap_err().class, Class::TryAgain);
    }
}

#[tokio::test(start_paused = true)]
async fn f62_behind_rows_an_empty_page_is_the_end_whatever_it_names() {
    let (bitget, script) = instead("orders-pending", |request| {
        let first = !request.query.contains("idLessThan");
        if first { paged(request, 100) } else { done(r#"{"entrustedList":[],"endId":"1"}"#) }
    });
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!((count.value, script.asked().len()), (100, 4));
}

#[tokio::test(start_paused = true)]
async fn f62_an_answer_in_which_a_key_stands_twice_is_a_failed_look_and_an_unclear_set() {
    let twice = r#"{"code":"00000","msg":"m","requestTime":NOW,"data":DATA}"#;
    for data in [
        r#"[{"symbol":"ETHUSDT","holdSide":"short","total":"0.4","available":"0.4","total":"0"}]"#,
        r#"{"entrustedList":[{"orderId":"5001"}],"endId":"5001","entrustedList":[]}"#,
        r#"{"posMode":"hedge_mode","posMode":"one_way_mode"}"#,
    ] {
        let answer = twice.replace("DATA", data);
        let (bitget, _) = Script::new(move |request| {
            let subject = !request.path.ends_with("time") && !request.path.ends_with("contracts");
            if subject { body(200, &answer) } else { usual(request) }
        });
        let desk = ready(&bitget, "desk").await;
        assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::TryAgain, "{data}");
        for list in [List::Positions, List::Orders, List::PlanOrders] {
            let count = desk.count(USDT, list, Extent::Whole, Purpose::New).await.unwrap_err();
            assert_eq!(count.class, Class::TryAgain, "{list:?} {data}");
        }
        let permit = desk.permit(USDT).await.unwrap();
        let (answer, heard) = desk.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
        assert!(matches!(answer, SetAnswer::Unclear(_)) && heard.is_none(), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_count_unless_their_total_is_zero() {
    let rows = r#"[{"symbol":"A","total":"0"},{"symbol":"B","total":"0.5"},{"symbol":"C","total":"0.000"},{"symbol":"D","total":"3"}]"#;
    let (bitget, script) = instead("all-position", move |_| done(rows));
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!(count.value, 2);
    assert_eq!(script.asked(), ["GET mix/position/all-position?productType=USDT-FUTURES"]);
}

fn shown(desk: &AccountClient<Script>, scope: Scope) -> Vec<String> {
    desk.open(scope).iter().map(OpenRow::say).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_kept_for_people_as_the_last_reading_of_each_list_has_it_and_nothing_of_the_key() {
    let (bitget, _) = Script::new(move |request| match &request.path {
        path if path.ends_with("all-position") => done(
            r#"[{"symbol":"BTCUSDT","holdSide":"long","total":"1"},{"symbol":"xtest-passx","holdSide":"short","total":"2"}]"#,
        ),
        path if path.ends_with("orders-pending") => {
            done(r#"{"entrustedList":[{"orderId":"1","symbol":"ETHUSDT","side":"buy","posSide":"net"}]}"#)
        }
        _ => usual(request),
    });
    let desk = ready(&bitget, "desk").await;
    assert!(shown(&desk, USDT).is_empty());
    for list in [List::Positions, List::Orders] {
        desk.count(USDT, list, Extent::Whole, Purpose::New).await.unwrap();
    }
    assert_eq!(shown(&desk, USDT), ["BTCUSDT long position", "short position", "ETHUSDT buy order"]);
    assert!(shown(&desk, COIN).is_empty());
}

/// Pages of a list of orders with the ids `count` down to 1, whatever the other parameters.
fn paged(request: &Request, count: usize) -> Result<Response, TransportError> {
    let before = request.query.split('&').find_map(|pair| pair.strip_prefix("idLessThan="));
    let first = before.map_or(count, |id| id.parse::<usize>().unwrap() - 1);
    let ids: Vec<usize> = (1..=first).rev().take(100).collect();
    let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"orderId":"{id}"}}"#)).collect();
    let end_id = ids.last().map_or("null".to_owned(), |id| format!("\"{id}\""));
    done(&format!(r#"{{"entrustedList":[{}],"endId":{end_id}}}"#, rows.join(",")))
}

#[tokio::test(start_paused = true)]
async fn orders_are_counted_over_every_page_and_every_list_and_once_each() {
    let (bitget, script) = instead("pending", |request| {
        let partial = request.query.contains("status=partially_filled");
        if partial {
            done(r#"{"entrustedList":[{"orderId":"7"},{"orderId":"900"}]}"#)
        } else {
            paged(request, 230)
        }
    });
    let desk = ready(&bitget, "desk").await;
    let began = script.clock.now();
    let count = desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!(count.value, 231);
    assert!(count.asked >= began && count.answered == script.clock.now());
    assert_eq!(
        count.answered.since(count.asked),
        Duration::from_millis(150),
        "from the first page to the last"
    );
    let live = "GET mix/order/orders-pending?limit=100&productType=USDT-FUTURES&status=live";
    let filling = "GET mix/order/orders-pending?limit=100&productType=USDT-FUTURES&status=partially_filled";
    let pages = ["131", "31"].map(|id| live.replace("limit", &format!("idLessThan={id}&limit")));
    assert_eq!(script.asked(), [live, filling, &pages[0], &pages[1]]);
}

#[tokio::test(start_paused = true)]
async fn plan_orders_are_asked_for_by_each_of_their_types() {
    let (bitget, script) = instead("orders-plan-pending", |request| match &request.query {
        query if query.contains("track_plan") => done(r#"{"entrustedList":[{"orderId":"1"}]}"#),
        query if query.contains("profit_loss") => done(r#"{"entrustedList":[]}"#),
        _ => done(r#"{"entrustedList":null}"#),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(COIN, List::PlanOrders, Extent::Whole, Purpose::New).await.unwrap().value, 1);
    let asked = ["normal_plan", "track_plan", "profit_loss"].map(|plan_type| {
        format!("GET mix/order/orders-plan-pending?limit=100&planType={plan_type}&productType=COIN-FUTURES")
    });
    assert_eq!(script.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_read_for_twenty_pages_within_its_limit() {
    let (bitget, script) = instead("orders-pending", |request| paged(request, 1_000_000));
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(USDT, List::Orders, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!((count.value, script.asked().len()), (2000, 40));
    let log = script.log.lock().unwrap();
    let left: Vec<i64> = log.iter().map(|(at, _)| at.0).collect();
    assert!(left.windows(6).skip(1).all(|window| window[5] - window[0] >= 1000), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn i8_no_sliding_second_sees_more_than_five_answered_sets_and_each_is_sent_once() {
    let (bitget, script) = Script::new(usual);
    let desk = ready(&bitget, "desk").await;
    for _ in 0..23 {
        let permit = loop {
            match desk.permit(USDT).await {
                Ok(permit) => break permit,
                Err(Failure { class: Class::Busy { until }, .. }) => script.clock.sleep_until(until).await,
                Err(other) => panic!("{other}"),
            }
        };
        let stamp = ServerTime(script.server_now());
        let (answer, told) = desk.send_set(USDT, PositionMode::Hedge, stamp, permit).await;
        assert_eq!((answer, told.is_some()), (SetAnswer::Accepted, true));
    }
    assert_eq!(script.asked().len(), 23);
    let log = script.log.lock().unwrap();
    let left: Vec<i64> = log.iter().skip(1).map(|(at, _)| at.0).collect();
    assert!(left.windows(6).all(|window| window[5] - window[0] >= 1000), "{left:?}");
    assert!(left.last().unwrap() - left.first().unwrap() < 6_000, "nor is it much slower: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_set_is_signed_with_the_timestamp_of_its_note_over_the_very_bytes_sent() {
    let (bitget, script) = Script::new(usual);
    let desk = ready(&bitget, "desk").await;
    let permit = desk.permit(USDT).await.unwrap();
    let stamp = ServerTime(1_659_076_670_000);
    desk.send_set(USDT, PositionMode::Hedge, stamp, permit).await;
    let Request { method, path, query, headers, body } = script.last();
    assert_eq!(
        (method, path.as_str(), query.as_str()),
        (Method::Post, "/api/v2/mix/account/set-position-mode", "")
    );
    assert_eq!(body, r#"{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#);
    let expected = [
        ("locale", "en-US"),
        ("content-type", "application/json"),
        ("access-key", "test-key"),
        ("access-sign", "rTvSYicc4lEbKek3SOBKahiI4fQO4ATGUPz0XmdG5Uo="),
        ("access-timestamp", "1659076670000"),
        ("access-passphrase", "test-pass"),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers, expected);
}

#[tokio::test(start_paused = true)]
async fn f31_a_set_without_an_answer_is_unclear_and_holds_its_permit_for_31_seconds() {
    let lost = TransportError::Unanswered("the connection was closed".to_owned());
    let (bitget, script) = instead("set-position-mode", move |_| Err(lost.clone()));
    let desk = ready(&bitget, "desk").await;
    let stamp = ServerTime(script.server_now());
    for _ in 0..5 {
        let permit = desk.permit(USDT).await.unwrap();
        let (answer, told) = desk.send_set(USDT, PositionMode::Hedge, stamp, permit).await;
        let say = "no answer to the call set-position-mode: the connection was closed";
        assert_eq!((answer, told), (SetAnswer::unclear(say), None));
    }
    let failure = desk.permit(USDT).await.unwrap_err();
    let Class::Busy { until } = failure.class else { panic!("{failure:?}") };
    let after = until.0 + SKEW - stamp.0;
    assert!((31_000..31_100).contains(&after), "{after} ms after the timestamp");
    script.clock.sleep_until(until).await;
    assert!(desk.permit(USDT).await.is_ok());
    assert_eq!(script.asked().len(), 5, "sent once each");
}

#[tokio::test(start_paused = true)]
async fn f60_a_set_that_found_no_connection_was_never_sent_and_counts_against_no_limit() {
    let refused = TransportError::NotSent("connection refused".to_owned());
    let (bitget, _) = instead("set-position-mode", move |_| Err(refused.clone()));
    let desk = ready(&bitget, "desk").await;
    for _ in 0..20 {
        let permit = desk.permit(USDT).await.unwrap();
        let (answer, _) = desk.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
        assert!(matches!(answer, SetAnswer::NotSent(_)), "{answer:?}");
    }
    assert_eq!(bitget.shared.requests.ended(Endpoint::SetPositionMode, Outcome::NotSent), 20);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_unused_is_free_and_a_look_that_is_dropped_under_way_is_not() {
    let (bitget, script) = Script::new(usual);
    let desk = Arc::new(ready(&bitget, "desk").await);
    for _ in 0..30 {
        drop(desk.permit(USDT).await.unwrap());
    }
    let look = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.account(Purpose::New).await.map(|answer| answer.value) }
    });
    while !script.asked().iter().any(|asked| asked.contains("spot/account/info")) {
        script.clock.sleep_until(script.clock.now() + Duration::from_millis(1)).await;
    }
    look.abort();
    let left = script.now();
    let failure = desk.account(Purpose::New).await.unwrap_err();
    let Class::Busy { until } = failure.class else { panic!("{failure:?}") };
    assert!((30_900..=31_001).contains(&(until.0 - START - left)), "{until:?} {left}");
}

#[tokio::test(start_paused = true)]
async fn f23_a_429_cools_its_lane_down_beyond_a_restart_and_no_other() {
    let (bitget, _) = instead("account/account", |_| coded(429, "429"));
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::RateLimited);
    let failure = desk.mode(USDT, Purpose::New).await.unwrap_err();
    let Class::Stopped { until } = failure.class else { panic!("{failure:?}") };
    let [cool_down] = &bitget.cool_downs()[..] else { panic!("one lane rests") };
    assert_eq!(
        (cool_down.limit.clone(), cool_down.until),
        (lane("desk", Endpoint::Account).to_string(), until)
    );
    assert!(desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.is_ok());

    let (restarted, script) = Script::new(usual);
    restarted.restore(&cool_down.limit, cool_down.until);
    let desk = ready(&restarted, "desk").await;
    assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::Stopped { until });
    assert_eq!(script.asked(), ["GET mix/market/contracts?productType=USDT-FUTURES"]);
}

/// How often the exchange's time was asked for.
fn witnesses(script: &Script) -> usize {
    script.log.lock().unwrap().iter().filter(|(_, request)| request.path.ends_with("public/time")).count()
}

#[tokio::test(start_paused = true)]
async fn f51_too_many_on_several_accounts_stops_none_of_the_others() {
    let (bitget, script) = Script::new(|request| {
        let calm = request.headers.iter().any(|(_, value)| value == "test-key-calm");
        let busy = !calm && request.path.ends_with("account/account");
        if busy { coded(429, "429") } else { usual(request) }
    });
    let calm = ready(&bitget, "calm").await;
    for name in ["a", "b", "c"] {
        let desk = account(&bitget, name);
        assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap_err().class, Class::RateLimited);
        assert!(calm.mode(USDT, Purpose::New).await.is_ok());
        let say = desk.mode(USDT, Purpose::New).await.unwrap_err().say;
        assert_eq!(
            say,
            "Bitget answered the call account with too many requests (HTTP 429): the account's limit for it is used up, \
             which its strategies share, and it rests; other accounts go on"
        );
    }
    assert_eq!(witnesses(&script), 2, "the clock, and once for all three");
}

#[tokio::test(start_paused = true)]
async fn f51_too_many_for_the_witness_too_stops_everything_even_a_set_that_holds_its_permit() {
    let limited = Arc::new(Mutex::new(false));
    let (bitget, script) = Script::new({
        let limited = Arc::clone(&limited);
        move |request| if *limited.lock().unwrap() { coded(429, "429") } else { usual(request) }
    });
    let (first, second) = (ready(&bitget, "a").await, ready(&bitget, "b").await);
    let permit = second.permit(USDT).await.unwrap();
    let before = script.asked().len();
    *limited.lock().unwrap() = true;
    // A read of the classic mode first requests the public list of contracts.
    assert_eq!(first.mode(USDT, Purpose::New).await.unwrap_err().class, Class::RateLimited);
    let Class::Stopped { .. } = second.mode(USDT, Purpose::New).await.unwrap_err().class else {
        panic!("everything rests")
    };
    assert_eq!((script.asked().len(), witnesses(&script)), (before + 1, 3));
    script.clock.sleep_until(script.clock.now() + Duration::from_secs(2)).await;
    let (answer, _) = second.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
    let SetAnswer::NotSent(Failure { class: Class::Stopped { until }, say, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert!(say.contains("it is this host's address whose limit is used up"), "{say}");
    assert_eq!(first.clock().await.unwrap_err().class, Class::Stopped { until });
    assert!(bitget.cool_downs().iter().any(|cool_down| cool_down.limit == "*"));
    assert_eq!(witnesses(&script), 3, "nothing left");
    *limited.lock().unwrap() = false;
    script.clock.sleep_until(until).await;
    assert!(
        second.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.is_ok(),
        "once the witness is answered"
    );
    assert_eq!(witnesses(&script), 4);
}

#[tokio::test(start_paused = true)]
async fn f56_two_names_with_one_key_share_the_lanes_of_that_key() {
    let (bitget, script) = Script::new(usual);
    let desk = ready(&bitget, "desk").await;
    let other = bitget.account("other".parse().unwrap(), credential_of("desk"), Trading::Real);
    assert!(desk.account(Purpose::New).await.is_ok());
    let began = script.now();
    assert!(other.account(Purpose::New).await.is_ok());
    assert!(script.now() - began >= 1000, "one a second, whoever asks");
}

type LookOf = fn(Arc<AccountClient<Script>>) -> JoinHandle<Result<(), Failure>>;

#[tokio::test(start_paused = true)]
async fn f80_the_budget_is_waited_for_however_long_and_the_time_is_asked_once_for_all() {
    let clock = Clock::simulated(START, 1);
    let (_, script) = Script::new(usual);
    let script = Script { clock: clock.clone(), ..script };
    let bitget = Bitget::new(script.clone(), clock.clone(), NonZeroU32::new(1).unwrap());
    let desks: Vec<_> = (0..6).map(|number| Arc::new(account(&bitget, &format!("desk-{number}")))).collect();
    let sent = || script.log.lock().unwrap().len();
    let all = async |look: LookOf| {
        let looks: Vec<_> = desks.iter().map(|desk| look(Arc::clone(desk))).collect();
        for look in looks {
            assert_eq!(look.await.unwrap(), Ok(()));
        }
    };
    all(|desk| tokio::spawn(async move { desk.clock().await.map(|answer| answer.value) })).await;
    assert_eq!(sent(), 1, "one request tells all of them the time");
    let began = clock.now();
    all(|desk| tokio::spawn(async move { desk.mode(USDT, Purpose::New).await.map(|_| ()) })).await;
    // The contract that names a mode, and a mode each. First looks leave three quarters of the bucket to what cannot wait,
    // and it was empty.
    assert_eq!((sent(), clock.now().since(began).as_secs()), (8, 18));
    let waited = bitget.shared.requests.seconds_waited();
    assert!(waited >= 20.0, "{waited} s");
}

/// Each attempt takes ten seconds here: were they made in turn, the last of a thousand accounts would wait for hours.
#[tokio::test(start_paused = true)]
async fn what_accounts_share_and_cannot_be_had_fails_for_all_of_them_at_once() {
    let clock = Clock::simulated(START, 1);
    let (_, script) = Script::new(|request| {
        if request.path.ends_with("time") || request.path.ends_with("contracts") {
            body(503, "")
        } else {
            usual(request)
        }
    });
    let script = Script { clock: clock.clone(), ..script };
    let bitget = Bitget::new(script.clone(), clock.clone(), NonZeroU32::new(10).unwrap());
    let desks: Vec<_> = (0..30).map(|number| Arc::new(account(&bitget, &format!("desk-{number}")))).collect();
    let looks: Vec<_> = desks
        .iter()
        .map(|desk| {
            let desk = Arc::clone(desk);
            tokio::spawn(async move { desk.clock().await.map_err(|failure| failure.class) })
        })
        .collect();
    for look in looks {
        assert_eq!(look.await.unwrap().err(), Some(Class::TryAgain));
    }
    assert_eq!(script.log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn i11_no_secret_is_told_even_if_the_exchange_echoes_it() {
    let echo = r#"{"code":"12345","msg":"test-secret test-key","requestTime":NOW,"data":"test-pass"}"#;
    let (bitget, _) =
        Script::new(
            move |request| {
                if request.path.contains("/mix/account") { body(400, echo) } else { usual(request) }
            },
        );
    let desk = ready(&bitget, "desk").await;
    let look = desk.mode(USDT, Purpose::New).await.unwrap_err();
    let permit = desk.permit(USDT).await.unwrap();
    let (set, _) = desk.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
    let told = format!("{look:?} {set:?} {desk:?} {bitget:?}");
    assert!(told.contains("12345") && told.contains("[redacted]"), "{told}");
    for secret in ["test-secret", "test-key", "test-pass"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_demo_account_says_so_in_private_calls_only() {
    let (bitget, script) = Script::new(usual);
    let credential = Credential::new("test-key".into(), "test-secret".into(), "test-pass".into()).unwrap();
    let demo = bitget.account("paper".parse().unwrap(), credential, Trading::Demo);
    demo.clock().await.unwrap();
    demo.mode(USDT, Purpose::New).await.unwrap();
    demo.account(Purpose::New).await.unwrap();
    for (_, Request { path, headers, .. }) in script.log.lock().unwrap().iter() {
        let is_public = path.contains("/public/") || path.contains("/market/");
        let says_so = headers.iter().any(|(name, value)| *name == "paptrading" && value == "1");
        assert_ne!(is_public, says_so, "{path}");
        assert_ne!(is_public, headers.iter().any(|(name, _)| name.starts_with("access-")), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_is_counted_by_how_it_ended() {
    let (bitget, _) = instead("all-position", |_| body(502, "<html>"));
    let desk = ready(&bitget, "desk").await;
    desk.mode(USDT, Purpose::New).await.unwrap();
    desk.count(USDT, List::Positions, Extent::Whole, Purpose::New).await.unwrap_err();
    let mut registry = Registry::default();
    bitget.register_metrics(&mut registry);
    let mut text = String::new();
    encode_registry(&mut text, &registry).unwrap();
    let told = |line: &&str| {
        line.contains(['{']) && !line.ends_with(" 0") && !line.contains("_bucket") && !line.ends_with(" 0.0")
    };
    let mut told: Vec<&str> = text.lines().filter(told).collect();
    told.sort_unstable();
    expect![[r#"
        request_duration_seconds_count{endpoint="account"} 1
        request_duration_seconds_count{endpoint="all-position"} 1
        request_duration_seconds_count{endpoint="contracts"} 1
        request_duration_seconds_count{endpoint="time"} 1
        request_duration_seconds_sum{endpoint="account"} 0.05
        request_duration_seconds_sum{endpoint="all-position"} 0.05
        request_duration_seconds_sum{endpoint="contracts"} 0.05
        request_duration_seconds_sum{endpoint="time"} 0.05
        requests_total{endpoint="account",outcome="ok"} 1
        requests_total{endpoint="all-position",outcome="broken"} 1
        requests_total{endpoint="contracts",outcome="ok"} 1
        requests_total{endpoint="time",outcome="ok"} 1"#]]
    .assert_eq(&told.join("\n"));
    let within = r#"request_duration_seconds_bucket{le="0.05",endpoint="time"} 1"#;
    assert!(text.contains(within), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_permit_of_one_setter_is_none_for_the_other() {
    let (bitget, script) = Script::new(usual);
    let desk = ready(&bitget, "desk").await;
    for (permitted, asked) in [(USDT, Scope::Account), (Scope::Account, USDT)] {
        let permit = desk.permit(permitted).await.unwrap();
        let (answer, _) = desk.send_set(asked, PositionMode::Hedge, ServerTime(START), permit).await;
        assert!(matches!(answer, SetAnswer::NotSent(Failure { class: Class::OurFault, .. })), "{answer:?}");
    }
    assert!(script.asked().is_empty());
}

/// A list of contracts, each with its status.
fn contracts(all: &[(&str, &str)]) -> String {
    let row = |(symbol, status): &(&str, &str)| {
        format!(r#"{{"symbol":"{symbol}","supportMarginCoins":["USDT"],"symbolStatus":"{status}"}}"#)
    };
    format!("[{}]", all.iter().map(row).collect::<Vec<_>>().join(","))
}

/// The contracts with which the mode was read, in order.
fn symbols(script: &Script) -> Vec<String> {
    let asked = script.asked().into_iter().filter(|asked| asked.contains("account/account"));
    asked.filter_map(|asked| Some(asked.split_once("symbol=")?.1.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn f53_a_contract_that_the_exchange_refuses_is_replaced_by_the_next_at_once_and_for_all() {
    for code in ["40309", "40845", "40034"] {
        let list = contracts(&[
            ("LUNAUSDT", "off"),
            ("NEWUSDT", "listed"),
            ("ETHUSDT", "normal"),
            ("XRPUSDT", "maintain"),
            ("BTCUSDT", "normal"),
        ]);
        let (bitget, script) = Script::new(move |request| match request.path.rsplit('/').next() {
            Some("contracts") => done(&list),
            Some("account") if !request.query.ends_with("NEWUSDT") => coded(400, code),
            Some(_) | None => usual(request),
        });
        let desk = ready(&bitget, "desk").await;
        assert_eq!(desk.mode(USDT, Purpose::New).await.unwrap().value, PositionMode::Hedge, "{code}");
        assert_eq!(symbols(&script), ["BTCUSDT", "ETHUSDT", "NEWUSDT"], "{code}: never one that is off");
        let other = ready(&bitget, "other").await;
        other.mode(USDT, Purpose::New).await.unwrap();
        assert_eq!(symbols(&script)[3..], ["NEWUSDT"], "{code}");
        let demo = bitget.account("demo".parse().unwrap(), credential_of("demo"), Trading::Demo);
        demo.mode(USDT, Purpose::New).await.unwrap();
        assert_eq!(symbols(&script)[4..], ["BTCUSDT", "ETHUSDT", "NEWUSDT"], "{code}: a universe of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn f53_where_every_contract_is_refused_the_look_fails_and_the_list_is_read_anew() {
    let (bitget, script) = instead("account/account", |_| coded(400, "40034"));
    let desk = ready(&bitget, "desk").await;
    for tries in 1..=2 {
        let failure = desk.mode(USDT, Purpose::New).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (Class::OurFault, Some("40034")));
        let lists = script.asked().into_iter().filter(|asked| asked.contains("contracts")).count();
        assert_eq!((symbols(&script).len(), lists), (tries, tries), "each time the only one of the list");
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_for_the_time_needs_no_request_time() {
    let (bitget, _) =
        instead("time", |_| body(200, r#"{"code":"00000","msg":"m","data":{"serverTime":"NOW"}}"#));
    let desk = account(&bitget, "desk");
    desk.clock().await.unwrap();
    let offset = bitget.server_clock().unwrap().offset;
    assert!((SKEW - 50..=SKEW + 50).contains(&offset), "{offset}");
}

#[tokio::test(start_paused = true)]
async fn a_breather_does_not_stop_a_set_that_holds_its_permit() {
    let few = |request: &Request| usual(request).map(|response| Response { remaining: Some(1), ..response });
    let (bitget, _) = instead("set-position-mode", few);
    let desk = ready(&bitget, "desk").await;
    let permits = [desk.permit(USDT).await.unwrap(), desk.permit(USDT).await.unwrap()];
    for permit in permits {
        let (answer, _) = desk.send_set(USDT, PositionMode::Hedge, ServerTime(START), permit).await;
        assert_eq!(answer, SetAnswer::Accepted);
    }
}
