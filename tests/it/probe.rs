//! A probe against the simulated exchange, in virtual time: what it asks, how fast, and what its report holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitget_sim::{
    AccountLevel, ApiKey, Exchange, Fault, FaultKind, HoldSide, LogEntry, NewAccount, NewOrder, Outcome,
    PlanType, ProductType, Right, Uid, UnixMs,
};
use expect_test::expect;
use posmoded::cli::probe::{Printout, render};
use posmoded::clock::Clock;
use posmoded::exchange::HttpVersion;
use posmoded::exchange::bitget::probe::{Probe, Report};
use posmoded::exchange::bitget::{Request, Response, Trading, Transport, TransportError};
use posmoded::exchange::credential::Credential;

const UID: Uid = Uid(8_812_345_678);
const PARENT: Uid = Uid(7_712_345_678);
const NAME: &str = "desk-secret";
const USDT: ProductType = ProductType::UsdtFutures;
const SIZE: &str = "0.0731";
const START: i64 = 1_700_000_000_000;
const IPS: &str = "192.0.2.77";

/// Straight into the simulated exchange.
struct Direct {
    exchange: Arc<Mutex<Exchange>>,
    clock: Clock,
}

impl Transport for Direct {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let Request { method, path, query, headers, body } = request;
        let headers: BTreeMap<String, String> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let method = method.as_str().to_owned();
        let request =
            bitget_sim::Request { method, path, query, headers, body: body.into_bytes(), from: None };
        let now = UnixMs(self.clock.now().0 + 40);
        let reply = self.exchange.lock().unwrap().handle(now, &request);
        match reply.outcome {
            Outcome::Response(bitget_sim::Response { status, headers, body }) => {
                let left =
                    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-mbx-used-remain-limit"));
                let remaining = left.and_then(|(_, value)| value.parse().ok());
                Ok(Response { status, remaining, media: None, body })
            }
            Outcome::Dropped | Outcome::Hang => Err(TransportError::Unanswered("nothing came".to_owned())),
        }
    }
}

/// A probe as it went.
struct Told {
    table: String,
    json: String,
    log: Vec<LogEntry>,
}

/// Of an account that holds something of everything, with a key that says much.
async fn probed(account: NewAccount, trading: Trading, also: impl FnOnce(&mut Exchange)) -> Told {
    let mut exchange = Exchange::new();
    exchange.advance(UnixMs(START));
    let key = ApiKey { ips: IPS.to_owned(), demo: trading == Trading::Demo, ..account.api_key.clone() };
    exchange.add_account(NewAccount { api_key: key, parent: Some(PARENT), ..account });
    exchange.open_position(UID, USDT, "BTCUSDT", HoldSide::Long, SIZE).unwrap();
    exchange.place_order(UID, USDT, NewOrder::live("ETHUSDT")).unwrap();
    exchange.place_plan_order(UID, USDT, PlanType::TrackPlan, "ETHUSDT").unwrap();
    also(&mut exchange);
    let (exchange, clock) = (Arc::new(Mutex::new(exchange)), Clock::simulated(START, 7));
    let wire = Direct { exchange: Arc::clone(&exchange), clock: clock.clone() };
    let ApiKey { key, secret, passphrase, .. } = ApiKey::named(NAME);
    let credential = Credential::new(key, secret.0, passphrase.0).unwrap();
    let probe = Probe::new(wire, &clock, NAME.parse().unwrap(), credential, trading);
    let report: Report = probe.run().await.unwrap();
    let told = Printout {
        program: "posmoded 0",
        http: Some(HttpVersion::Http2),
        report: &report,
        send_to: "Please.",
    };
    let table = anstream::adapter::strip_str(&render(&told)).to_string();
    let json = serde_json::to_string(&told).unwrap();
    let log = exchange.lock().unwrap().log().to_vec();
    assert_eq!(log.len(), probe.asked());
    Told { table, json, log }
}

/// Only reads arrived, at most one a second; and nothing of the account is in what is printed.
#[track_caller]
fn check(Told { table, json, log }: &Told) {
    assert!(log.iter().all(|entry| entry.method == "GET" && entry.body.is_empty()), "{log:#?}");
    let second = i64::try_from(Duration::from_secs(1).as_millis()).unwrap();
    let apart = log.windows(2).map(|two| two[1].at.since(two[0].at)).min().unwrap();
    assert!(apart >= second, "{apart}");
    let lasted = log.last().unwrap().at.since(log[0].at);
    let questions = i64::try_from(log.len()).unwrap();
    assert!(lasted <= questions * second * 11 / 10, "{lasted} ms for {questions} questions");
    let whose = [UID, PARENT].map(|uid| uid.0.to_string());
    let private =
        ["BTCUSDT", "ETHUSDT", "LUNAUSDT", SIZE, IPS, NAME, "key-", "test-secret", "test-passphrase"];
    let made_up = ["24000", "20000", "1300000000000000", "1.2"];
    for word in private.into_iter().chain(made_up).chain(whose.iter().map(String::as_str)) {
        assert!(!table.contains(word), "{word} in {table}");
        assert!(!json.contains(word), "{word} in {json}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 104), "{table}");
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a report")]
async fn a_basic_account_tells_what_its_missing_category_answers() {
    let account = NewAccount::unified(UID, NAME).with_level(AccountLevel::Basic);
    let told = probed(account, Trading::Real, |_| {}).await;
    check(&told);
    expect![[r##"
        posmoded 0, real trading, HTTP/2; Bitget's clock is 40 ms ahead of this host's, give or take 5 ms.
        Of answers the shape alone: # is a number, "#" a number as text, "…" other text, +2 two more names.
        LEFT is the header x-mbx-used-remain-limit.

        HTTP  CODE   LEFT  QUESTION, AND WHAT CAME
        200   00000  19    /api/v2/public/time
                           -> {"serverTime": "#"}
        200   00000  19    /api/v3/account/settings
                           -> {"accountLevel": "basic", "accountMode": "unified", "assetMode":
                           "multi_assets", "holdMode": "hedge_mode", "stpMode": "none", "uid": "#", +2}
        200   00000  4     /api/v3/account/info
                           -> {"ips": "…", "parentId": #, "permType": "read_and_write", "permissions":
                           ["uta_mgt", "uta_trade"], "userId": "#", +4}
        200   00000  19    /api/v3/account/settings
                           -> {"accountLevel": "basic", "accountMode": "unified", "assetMode":
                           "multi_assets", "holdMode": "hedge_mode", "stpMode": "none", "uid": "#", +2}
        200   00000  19    /api/v3/position/current-position category=USDT-FUTURES
                           -> {"list": [{"holdMode": "hedge_mode", "symbol": "…", "total": "#", +22}]}
        200   00000  19    /api/v3/position/current-position category=USDC-FUTURES
                           -> {"list": null}
        200   00000  19    /api/v3/trade/unfilled-orders category=USDT-FUTURES limit=100
                           -> {"cursor": "#", "list": [{"holdMode": "hedge_mode", "orderId": "#",
                           "stpMode": "none", "symbol": "…", +17}]}
        200   00000  19    /api/v3/trade/unfilled-orders category=USDC-FUTURES limit=100
                           -> {"cursor": null, "list": null}
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDT-FUTURES
                           -> []
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDT-FUTURES type=trigger
                           -> [{"orderId": "#", "symbol": "…", +11}]
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDC-FUTURES
                           -> []
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDC-FUTURES type=trigger
                           -> []
        400   25240  19    /api/v3/position/current-position category=COIN-FUTURES
                           -> null, taken for unknown_code
        400   25240  19    /api/v3/trade/unfilled-orders category=COIN-FUTURES limit=100
                           -> null, taken for unknown_code
        400   25240  19    /api/v3/trade/unfilled-strategy-orders category=COIN-FUTURES
                           -> null, taken for unknown_code
        400   25240  19    /api/v3/trade/unfilled-strategy-orders category=COIN-FUTURES type=trigger
                           -> null, taken for unknown_code
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDT-FUTURES type=tpsl
                           -> []
        400   25240  19    /api/v3/trade/unfilled-strategy-orders category=COIN-FUTURES type=tpsl
                           -> null, taken for unknown_code
        200   00000  19    /api/v3/trade/unfilled-strategy-orders category=USDC-FUTURES type=tpsl
                           -> []
        404   40404  -     /api/v3/cfd/trade/current-positions
                           -> null, taken for our_fault
        400   40085  -     /api/v2/spot/account/info
                           -> null, taken for wrong_kind
        400   40085  -     /api/v2/mix/account/account marginCoin=… productType=USDT-FUTURES
                           symbol=<usual>
                           -> null, taken for wrong_kind
        400   40085  -     /api/v2/mix/position/all-position productType=USDT-FUTURES
                           -> null, taken for wrong_kind
        400   40085  -     /api/v2/mix/order/orders-pending limit=100 productType=USDT-FUTURES status=live
                           -> null, taken for wrong_kind
        400   40085  -     /api/v2/mix/order/orders-plan-pending limit=100 planType=normal_plan
                           productType=USDT-FUTURES
                           -> null, taken for wrong_kind

        WHAT POSMODED MAKES OF IT
        kind                                            unified
        whose the key is                                told
        level                                           basic
        asset mode                                      multi_assets
        stp mode                                        none
        categories asked                                USDT-FUTURES, USDC-FUTURES
        account, mode                                   hedge_mode
        positions category=USDT-FUTURES                 not flat
        positions category=USDC-FUTURES                 flat
        orders category=USDT-FUTURES limit=100          not flat
        orders category=USDC-FUTURES limit=100          flat
        plan orders category=USDT-FUTURES               flat
        plan orders category=USDT-FUTURES type=trigger  not flat
        plan orders category=USDC-FUTURES               flat
        plan orders category=USDC-FUTURES type=trigger  flat

        CODE   CLASS         WHAT POSMODED SAYS
        25240  unknown_code  a code that this version does not know
        40085  wrong_kind    the account is a unified one; its kind is looked at again
        40404  our_fault     Bitget does not accept the request as posmoded writes it: check --base-url,
                             and look for a newer version

        NOT ASKED
        Grid bots (/api/v3/trade/grid/bot-detail and list-details): these reads want a bot's own number,
        and no read lists the bots.
        Copy-trading and TWAP orders: no list that posmoded knows shows them.

        WHAT NO READ CAN TELL
        The code with which a unified account refuses a set while only orders are open.
        The answer to a set of the mode that the account has already.
        The answer to such a set while positions are open.
        The HTTP status of the refusal 40920.
        Whether bot and copy orders that no list shows, CFD positions, or spot orders of a unified account
        block a set.
        Whether the timestamp of a request that was queued is checked again when it executes.
        How soon a read shows a set.
        Whether adjust-account-mode changes holdMode by the way.

        Please.
    "##]]
    .assert_eq(&told.table);
}

#[tokio::test(start_paused = true)]
async fn a_classic_account_tells_what_contracts_answer_that_are_not_there() {
    let told = probed(NewAccount::classic(UID, NAME), Trading::Real, |_| {}).await;
    check(&told);
    let report: serde_json::Value = serde_json::from_str(&told.json).unwrap();
    let asked = report["asked"].as_array().unwrap();
    let of = |part: &str| {
        let all = asked.iter().filter(|one| one["call"].as_str().unwrap().contains(part));
        all.map(|one| one["code"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((of("symbol=<off>"), of("symbol=<unknown>")), (vec!["40309"], vec!["40034"]));
    assert_eq!(of("symbol=<usual>"), ["00000"; 3]);
    assert_eq!(of("/api/v3/"), ["40084"; 5]);
    assert_eq!(
        (of("/orders-pending").len(), of("/orders-plan-pending").len(), of("/all-position").len()),
        (9, 9, 3)
    );
    assert_eq!(report["made"]["kind"]["known"], "classic");
    let scopes = report["made"]["scopes"].as_array().unwrap();
    assert!(scopes.iter().all(|scope| scope["mode"]["known"] == "hedge_mode"), "{scopes:?}");
    let open = |scope: usize| {
        let lists = scopes[scope]["lists"].as_array().unwrap().iter();
        lists
            .filter(|list| list["empty"]["known"] == false)
            .map(|list| list["of"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((open(0), open(1)), (vec!["positions", "orders", "plan orders"], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_unified_account_is_asked_for_every_category_and_refuses_every_v2_call() {
    let told = probed(NewAccount::unified(UID, NAME), Trading::Real, |_| {}).await;
    check(&told);
    let report: serde_json::Value = serde_json::from_str(&told.json).unwrap();
    let asked = report["asked"].as_array().unwrap();
    let of = |path: &str| {
        asked.iter().filter(|one| one["call"].as_str().unwrap().starts_with(path)).collect::<Vec<_>>()
    };
    assert!(of("/api/v2/").iter().all(|one| one["code"] == "40085" || one["call"] == "/api/v2/public/time"));
    assert_eq!(of("/api/v2/").len(), 6);
    for (path, count) in [
        ("position/current-position", 3),
        ("trade/unfilled-orders", 3),
        ("trade/unfilled-strategy-orders", 9),
    ] {
        let all = of(&format!("/api/v3/{path}"));
        assert!(all.len() == count && all.iter().all(|one| one["code"] == "00000"), "{path}: {all:?}");
    }
    assert_eq!(of("/api/v3/cfd/")[0]["status"], 404);
    assert_eq!(report["made"]["kind"]["known"], "unified");
    let lists = report["made"]["scopes"][0]["lists"].as_array().unwrap();
    let flat = |query: &str| &lists.iter().find(|list| list["query"] == query).unwrap()["empty"]["known"];
    assert_eq!((flat("category=USDT-FUTURES"), flat("category=USDC-FUTURES")), (&false.into(), &true.into()));
}

#[tokio::test(start_paused = true)]
async fn a_demo_account_is_asked_as_one_and_a_key_of_the_other_mode_ends_it() {
    let answered =
        |told: &Told| told.log.iter().filter(|entry| entry.code.as_deref() == Some("00000")).count();
    let demo = probed(NewAccount::classic(UID, NAME), Trading::Demo, |_| {}).await;
    check(&demo);
    assert!(
        demo.table.starts_with("posmoded 0, demo trading, HTTP/2; ") && answered(&demo) > 25,
        "{}",
        demo.table
    );
    let other = |exchange: &mut Exchange| exchange.key_mut("key-desk-secret").unwrap().demo = true;
    let refused = probed(NewAccount::unified(UID, NAME), Trading::Real, other).await;
    check(&refused);
    assert_eq!(refused.log.len(), 2, "the time and the settings");
    assert!(refused.table.contains("All other private reads: the exchange does not accept the key."));
    assert!(refused.json.contains("needs `demo: true`"), "{}", refused.json);
}

#[tokio::test(start_paused = true)]
async fn what_an_exchange_echoes_or_refuses_comes_out_as_a_shape() {
    let echo = format!(
        r#"{{"code":"59999","msg":"{UID} BTCUSDT","requestTime":1,"data":{{"{UID}":"{SIZE}","BTCUSDT":["key-{NAME}"]}}}}"#
    );
    let told = probed(NewAccount::unified(UID, NAME), Trading::Real, |exchange| {
        exchange.key_mut("key-desk-secret").unwrap().uta_trade = Right::Nothing;
        for path in ["/unfilled-orders", "/account/info"] {
            let fault = FaultKind::Status { status: 400, body: echo.clone() };
            exchange.inject(Fault::always(fault).on(path));
        }
        exchange.inject(Fault::once(FaultKind::EmptyBody).on("/current-position"));
        exchange.inject(Fault::once(FaultKind::Html { status: 503 }).on("/unfilled-strategy-orders"));
    })
    .await;
    check(&told);
    for part in [
        "-> {+2}, taken for unknown_code",
        "-> an empty body, taken for try_again, without requestTime",
        "-> no JSON, taken for try_again, without requestTime",
        "-> null, taken for denied",
    ] {
        assert!(told.table.contains(part), "{part} in {}", told.table);
    }
}

#[tokio::test(start_paused = true)]
async fn it_stops_asking_where_the_exchange_wants_it_to() {
    let told = probed(NewAccount::unified(UID, NAME), Trading::Real, |exchange| {
        exchange.inject(Fault::always(FaultKind::TooManyRequests).on("/unfilled-strategy-orders"));
    })
    .await;
    check(&told);
    let refused = told.log.iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(refused, 3);
    assert!(
        told.table.contains("more questions: Bitget answered too many requests (HTTP 429)"),
        "{}",
        told.table
    );
}
