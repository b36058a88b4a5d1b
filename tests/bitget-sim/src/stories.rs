//! What the exchange does, told through `handle` alone: checks in their order, lists and pages, the setter, every switch,
//! every fault, the log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::ProductType::{CoinFutures, UsdtFutures};
use crate::{
    ApiKey, Blocker, By, EmptyList, EndId, Exchange, Executed, Fault, FaultKind, HiddenBlockers,
    HoldSide, Kind, LateTimestamp, Limits, NewAccount, NewOrder, NotFlat, OrderStatus,
    OrdersWithoutStatus, Outcome, PlanType, PosMode, ProductType, Request, Response, Right,
    SameMode, Uid, UnixMs,
};

const ME: Uid = Uid(1001);
const START: UnixMs = UnixMs(1_760_000_000_000);
const SET: &str = "/api/v2/mix/account/set-position-mode";
const ONE: &str = "/api/v2/mix/account/account";
const POSITIONS: &str = "/api/v2/mix/position/all-position";
const ORDERS: &str = "/api/v2/mix/order/orders-pending";
const PLANS: &str = "/api/v2/mix/order/orders-plan-pending";
const INFO: &str = "/api/v2/spot/account/info";
const SETTINGS: &str = "/api/v3/account/settings";

/// An exchange with one classic account, and a clock that stands still until told otherwise.
struct Desk {
    exchange: Exchange,
    key: ApiKey,
    now: UnixMs,
}

impl Desk {
    fn new() -> Self {
        Self::with(NewAccount::classic(ME, "alpha"))
    }

    fn with(account: NewAccount) -> Self {
        let key = account.api_key.clone();
        let mut exchange = Exchange::new();
        exchange.advance(START);
        exchange.add_account(account);
        Self {
            exchange,
            key,
            now: START,
        }
    }

    fn wait(&mut self, ms: i64) {
        self.now = UnixMs(self.now.0 + ms);
    }

    fn send(&mut self, request: Request) -> Outcome {
        let signed = self.key.sign(request, self.now);
        self.exchange.handle(self.now, &signed).outcome
    }

    fn ask(&mut self, request: Request) -> Response {
        match self.send(request) {
            Outcome::Response(response) => response,
            other @ (Outcome::Dropped | Outcome::Hang) => panic!("no answer: {other:?}"),
        }
    }

    fn get(&mut self, path: &str, query: &str) -> (u16, Value) {
        let response = self.ask(Request::get(path, query));
        (response.status, response.json())
    }

    fn data(&mut self, path: &str, query: &str) -> Value {
        let (status, body) = self.get(path, query);
        assert_eq!((status, &body["code"]), (200, &json!("00000")), "{body}");
        body["data"].clone()
    }

    fn set(&mut self, product: ProductType, mode: PosMode) -> (u16, String) {
        let response = self.ask(set_request(product, mode));
        (response.status, code(&response))
    }

    fn mode(&self, product: ProductType) -> PosMode {
        self.exchange.mode(ME, product).unwrap()
    }

    fn shown_mode(&mut self) -> Value {
        self.data(
            ONE,
            "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=USDT",
        )["posMode"]
            .clone()
    }

    #[track_caller]
    fn refuses(&mut self, request: &Request, status: u16, expected: &str) {
        let Outcome::Response(response) = self.exchange.handle(self.now, request).outcome else {
            panic!("no answer")
        };
        assert_eq!(
            (response.status, code(&response).as_str()),
            (status, expected)
        );
        assert_eq!(response.json()["requestTime"], json!(self.now.0));
        assert_eq!(
            self.exchange.log().last().unwrap().code.as_deref(),
            Some(expected)
        );
    }
}

fn set_request(product: ProductType, mode: PosMode) -> Request {
    let body = json!({ "productType": product.as_str(), "posMode": mode.as_str() }).to_string();
    Request::post(SET, body)
}

fn code(response: &Response) -> String {
    response.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

const REFUSED: (u16, &str) = (400, "40920");

fn refused() -> (u16, String) {
    (REFUSED.0, REFUSED.1.to_owned())
}

fn done() -> (u16, String) {
    (200, "00000".to_owned())
}

// --- who is asking ---

#[test]
fn each_check_refuses_with_its_own_code_and_in_order() {
    let mut desk = Desk::new();
    let signed = desk
        .key
        .sign(Request::get(POSITIONS, "productType=USDT-FUTURES"), START);
    let without = |name: &str| {
        let mut request = signed.clone();
        request.headers.remove(name);
        request
    };
    let with = |name: &str, value: &str| signed.clone().with_header(name, value);
    let at = |ms: i64| {
        desk.key.sign(
            Request::get(POSITIONS, "productType=USDT-FUTURES"),
            UnixMs(START.0 + ms),
        )
    };
    let cases = [
        (Request::get("/api/v2/mix/nothing", ""), 404, "40404"),
        (Request::post(POSITIONS, ""), 404, "40404"),
        (
            Request::get("/api/mix/v1/account/account", ""),
            400,
            "30032",
        ),
        (without("access-key"), 400, "40001"),
        (without("access-sign"), 400, "40002"),
        (without("access-timestamp"), 400, "40003"),
        (without("access-passphrase"), 400, "40011"),
        (with("access-key", "key-nobody"), 400, "40006"),
        (with("paptrading", "1"), 400, "40099"),
        (with("access-timestamp", "soon"), 400, "40005"),
        (with("access-timestamp", "1"), 400, "40008"),
        (at(-30_001), 400, "40008"),
        (at(30_001), 400, "40008"),
        (with("access-sign", "bm90IGl0"), 400, "40009"),
        (with("access-passphrase", "wrong"), 400, "40012"),
        (at(-30_000), 200, "00000"),
        (at(30_000), 200, "00000"),
        (signed.clone(), 200, "00000"),
    ];
    for (request, status, expected) in cases {
        desk.refuses(&request, status, expected);
    }
}

#[test]
fn the_signature_covers_path_query_and_body_byte_for_byte() {
    let mut desk = Desk::new();
    let get = desk
        .key
        .sign(Request::get(POSITIONS, "productType=USDT%2DFUTURES"), START);
    desk.refuses(&get, 200, "00000");
    let rewritten = Request {
        query: "productType=USDT-FUTURES".to_owned(),
        ..get
    };
    desk.refuses(&rewritten, 400, "40009");
    let post = desk
        .key
        .sign(set_request(UsdtFutures, PosMode::OneWayMode), START);
    let spaced = Request {
        body: [post.body.clone(), b" ".to_vec()].concat(),
        ..post
    };
    desk.refuses(&spaced, 400, "40009");
    assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
}

#[test]
fn a_demo_key_needs_the_demo_header_and_public_calls_do_not_care() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().demo = true;
    let plain = desk
        .key
        .sign(Request::get(POSITIONS, "productType=USDT-FUTURES"), START);
    desk.refuses(&plain, 400, "40099");
    desk.refuses(&plain.with_header("paptrading", "1"), 200, "00000");
    desk.refuses(
        &Request::get("/api/v2/public/time", "").with_header("paptrading", "1"),
        200,
        "00000",
    );
}

#[test]
fn the_kind_is_checked_before_the_signature_both_ways() {
    let mut desk = Desk::with(NewAccount::unified(ME, "alpha"));
    let unsigned =
        Request::get(POSITIONS, "productType=USDT-FUTURES").with_header("access-key", "key-alpha");
    desk.refuses(&unsigned, 400, "40085");
    assert_eq!(
        desk.data(SETTINGS, ""),
        json!({ "uid": "1001", "accountMode": "unified", "assetMode": "single", "holdMode": "hedge_mode",
            "stpMode": "none", "symbolConfigList": [], "coinConfigList": [] })
    );
    desk.exchange.set_kind(ME, Kind::Classic).unwrap();
    assert_eq!(desk.get(SETTINGS, "").1["code"], "40084");
    desk.exchange.switches_mut().classic_on_v3_code = "25245".to_owned();
    assert_eq!(desk.get(SETTINGS, "").1["code"], "25245");
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
}

#[test]
fn a_key_without_the_right_is_refused_with_40014() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().right = Right::Read;
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
    assert_eq!(
        desk.set(UsdtFutures, PosMode::OneWayMode),
        (400, "40014".to_owned())
    );
    desk.exchange.key_mut("key-alpha").unwrap().right = Right::Nothing;
    assert_eq!(
        desk.get(POSITIONS, "productType=USDT-FUTURES").1["code"],
        "40014"
    );
    assert_eq!(desk.get(INFO, "").0, 200);
    desk.exchange.key_mut("key-alpha").unwrap().reads_info = false;
    desk.wait(1_000);
    assert_eq!(desk.get(INFO, "").1["code"], "40014");
}

#[test]
fn a_key_that_is_refused_with_a_code_gets_it_everywhere() {
    let mut desk = Desk::new();
    desk.exchange.key_mut("key-alpha").unwrap().refused_with = Some("40018".to_owned());
    assert_eq!(desk.get(INFO, "").1["code"], "40018");
    assert_eq!(
        desk.set(UsdtFutures, PosMode::OneWayMode),
        (400, "40018".to_owned())
    );
}

#[test]
fn two_keys_of_one_account_share_its_limits_and_a_removed_key_is_unknown() {
    let mut desk = Desk::new();
    let second = ApiKey::named("beta");
    desk.exchange.add_key(ME, second.clone()).unwrap();
    assert_eq!(desk.get(INFO, "").0, 200);
    let other = second.sign(Request::get(INFO, ""), START);
    desk.refuses(&other, 429, "429");
    desk.exchange.remove_key("key-beta").unwrap();
    desk.refuses(&other, 400, "40006");
}

// --- limits ---

#[test]
fn the_sixth_set_in_a_second_is_429_and_every_answer_says_what_remains() {
    let mut desk = Desk::new();
    let remains: Vec<_> = (0..6)
        .map(|_| {
            let response = desk.ask(set_request(UsdtFutures, PosMode::HedgeMode));
            (
                response.status,
                header(&response, "x-mbx-used-remain-limit").map(str::to_owned),
            )
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        remains,
        [
            (200, some("4")),
            (200, some("3")),
            (200, some("2")),
            (200, some("1")),
            (200, some("0")),
            (429, some("0"))
        ]
    );
    desk.wait(999);
    assert_eq!(
        desk.set(UsdtFutures, PosMode::HedgeMode),
        (429, "429".to_owned())
    );
    desk.wait(1);
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn limits_can_be_switched_off() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().limits = Limits::Ignored;
    for _ in 0..7_000 {
        assert_eq!(desk.get(INFO, "").0, 200);
    }
}

// --- reads ---

#[test]
fn the_server_time_is_a_string_and_request_time_a_number() {
    let mut desk = Desk::new();
    let (status, body) = desk.get("/api/v2/public/time", "");
    let expected = json!({ "code": "00000", "msg": "success", "requestTime": START.0,
        "data": { "serverTime": START.0.to_string() } });
    assert_eq!((status, body), (200, expected));
}

#[test]
fn every_product_type_lists_a_contract_by_which_its_mode_can_be_read() {
    let mut desk = Desk::new();
    for product in ProductType::ALL {
        let contracts = desk.data(
            "/api/v2/mix/market/contracts",
            &format!("productType={}", product.as_str()),
        );
        let (symbol, coin) = (
            &contracts[0]["symbol"],
            &contracts[0]["supportMarginCoins"][0],
        );
        let query = format!(
            "symbol={}&productType={}&marginCoin={}",
            symbol.as_str().unwrap().to_lowercase(),
            product.as_str().to_lowercase(),
            coin.as_str().unwrap().to_lowercase(),
        );
        assert_eq!(desk.data(ONE, &query)["posMode"], "hedge_mode");
        desk.wait(1_000);
    }
}

#[test]
fn one_symbol_of_the_contracts_can_be_asked_for() {
    let mut desk = Desk::new();
    let path = "/api/v2/mix/market/contracts";
    assert_eq!(
        desk.data(path, "productType=usdt-futures&symbol=ETHUSDT")
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        desk.get(path, "productType=usdt-futures&symbol=NOPE").1["code"],
        "40034"
    );
}

#[test]
fn the_single_account_wants_all_three_parameters() {
    let mut desk = Desk::new();
    let cases = [
        ("productType=USDT-FUTURES&marginCoin=USDT", "40019"),
        ("symbol=BTCUSDT&marginCoin=USDT", "40019"),
        ("symbol=BTCUSDT&productType=USDT-FUTURES", "40019"),
        (
            "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=",
            "40019",
        ),
        ("symbol=BTCUSDT&productType=SPOT&marginCoin=USDT", "400172"),
        (
            "symbol=BTCUSD&productType=USDT-FUTURES&marginCoin=USDT",
            "40034",
        ),
        (
            "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=BTC",
            "40020",
        ),
    ];
    for (query, expected) in cases {
        let (status, body) = desk.get(ONE, query);
        assert_eq!((status, &body["code"]), (400, &json!(expected)), "{query}");
    }
}

#[test]
fn the_list_of_accounts_carries_no_mode() {
    let mut desk = Desk::new();
    let rows = desk.data("/api/v2/mix/account/accounts", "productType=COIN-FUTURES");
    assert_eq!(rows[0]["marginCoin"], "BTC");
    assert!(rows[0].get("posMode").is_none());
}

#[test]
fn the_account_information_says_whose_key_it_is() {
    let lead = NewAccount {
        set_refused_with: Some("40731".to_owned()),
        parent: Some(Uid(7)),
        ..NewAccount::classic(ME, "alpha")
    };
    let info = Desk::with(lead).data(INFO, "");
    assert_eq!(
        (
            &info["userId"],
            &info["traderType"],
            &info["parentId"],
            &info["authorities"][0]
        ),
        (&json!("1001"), &json!("trader"), &json!(7), &json!("coow"))
    );
}

#[test]
fn a_position_is_a_row_until_it_is_closed() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.01")
        .unwrap();
    let rows = desk.data(POSITIONS, "productType=USDT-FUTURES&marginCoin=USDT");
    assert_eq!(
        (
            &rows[0]["symbol"],
            &rows[0]["holdSide"],
            &rows[0]["total"],
            &rows[0]["posMode"]
        ),
        (
            &json!("BTCUSDT"),
            &json!("long"),
            &json!("0.01"),
            &json!("hedge_mode")
        )
    );
    assert_eq!(desk.data(POSITIONS, "productType=COIN-FUTURES"), json!([]));
    desk.exchange
        .close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long)
        .unwrap();
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
}

#[test]
fn orders_come_in_pages_newest_first_and_none_is_lost_or_doubled() {
    let mut desk = Desk::new();
    let mut placed: Vec<String> = (0..250)
        .map(|_| {
            desk.exchange
                .place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT"))
                .unwrap()
                .0
                .to_string()
        })
        .collect();
    placed.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut query = "productType=USDT-FUTURES&limit=100".to_owned();
    let mut sizes = Vec::new();
    loop {
        let data = desk.data(ORDERS, &query);
        let Some(rows) = data["entrustedList"].as_array() else {
            break;
        };
        sizes.push(rows.len());
        seen.extend(
            rows.iter()
                .map(|row| row["orderId"].as_str().unwrap().to_owned()),
        );
        assert_eq!(data["endId"].as_str(), seen.last().map(String::as_str));
        query = format!(
            "productType=USDT-FUTURES&limit=100&idLessThan={}",
            data["endId"].as_str().unwrap()
        );
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(seen, placed);
    assert_eq!(
        desk.get(ORDERS, "productType=USDT-FUTURES&limit=101").1["code"],
        "400172"
    );
    assert_eq!(
        desk.get(ORDERS, "productType=USDT-FUTURES&idLessThan=abc")
            .1["code"],
        "400172"
    );
}

#[test]
fn orders_are_filtered_by_status_and_without_one_only_live_ones_are_promised() {
    let mut desk = Desk::new();
    desk.exchange
        .place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT"))
        .unwrap();
    let partly = NewOrder {
        status: OrderStatus::PartiallyFilled,
        ..NewOrder::live("ETHUSDT")
    };
    desk.exchange.place_order(ME, UsdtFutures, partly).unwrap();
    let symbols = |data: Value| -> Vec<String> {
        let rows = data["entrustedList"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        rows.iter()
            .map(|row| row["symbol"].as_str().unwrap().to_owned())
            .collect()
    };
    let base = "productType=USDT-FUTURES";
    assert_eq!(symbols(desk.data(ORDERS, base)), ["BTCUSDT"]);
    assert_eq!(
        symbols(desk.data(ORDERS, &format!("{base}&status=live"))),
        ["BTCUSDT"]
    );
    assert_eq!(
        symbols(desk.data(ORDERS, &format!("{base}&status=partially_filled"))),
        ["ETHUSDT"]
    );
    assert_eq!(
        desk.get(ORDERS, &format!("{base}&status=new")).1["code"],
        "400172"
    );
    desk.exchange.switches_mut().orders_without_status = OrdersWithoutStatus::Both;
    assert_eq!(symbols(desk.data(ORDERS, base)), ["ETHUSDT", "BTCUSDT"]);
}

#[test]
fn an_order_older_than_three_months_is_not_listed_and_blocks_all_the_same() {
    let mut desk = Desk::new();
    let old = NewOrder {
        age: Duration::from_secs(91 * 86_400),
        ..NewOrder::live("BTCUSDT")
    };
    let id = desk.exchange.place_order(ME, UsdtFutures, old).unwrap();
    assert_eq!(
        desk.data(ORDERS, "productType=USDT-FUTURES")["entrustedList"],
        Value::Null
    );
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    assert_eq!(
        desk.exchange
            .log()
            .iter()
            .map(|entry| entry.flat)
            .collect::<Vec<_>>(),
        [Some(false); 2]
    );
    let from = START.0 - 92 * 86_400_000;
    let data = desk.data(
        ORDERS,
        &format!("productType=USDT-FUTURES&startTime={from}"),
    );
    assert_eq!(data["entrustedList"][0]["orderId"], json!(id.0.to_string()));
    desk.exchange.cancel_order(ME, UsdtFutures, id).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn plan_orders_are_listed_per_plan_type_which_is_required() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.get(PLANS, "productType=USDT-FUTURES").1["code"],
        "40019"
    );
    assert_eq!(
        desk.get(PLANS, "productType=USDT-FUTURES&planType=loss_plan")
            .1["code"],
        "400172"
    );
    for plan_type in PlanType::ALL {
        let id = desk
            .exchange
            .place_plan_order(ME, UsdtFutures, plan_type, "BTCUSDT")
            .unwrap();
        for asked in PlanType::ALL {
            let data = desk.data(
                PLANS,
                &format!("productType=USDT-FUTURES&planType={}", asked.as_str()),
            );
            let rows = data["entrustedList"].as_array().map_or(0, Vec::len);
            assert_eq!(rows, usize::from(asked == plan_type));
        }
        assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
        desk.exchange
            .cancel_plan_order(ME, UsdtFutures, id)
            .unwrap();
        desk.wait(1_000);
    }
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
}

#[test]
fn an_empty_list_is_null_or_empty_and_the_end_id_of_plan_orders_may_be_missing() {
    let mut desk = Desk::new();
    let plans = "productType=USDT-FUTURES&planType=track_plan";
    assert_eq!(
        desk.data(ORDERS, "productType=USDT-FUTURES"),
        json!({ "entrustedList": null, "endId": null })
    );
    desk.exchange.switches_mut().empty_list = EmptyList::Empty;
    desk.exchange.switches_mut().plan_end_id = EndId::Missing;
    assert_eq!(
        desk.data(ORDERS, "productType=USDT-FUTURES"),
        json!({ "entrustedList": [], "endId": null })
    );
    assert_eq!(desk.data(PLANS, plans), json!({ "entrustedList": [] }));
}

// --- the setter ---

#[test]
fn a_set_changes_one_product_type_and_answers_the_mode() {
    let mut desk = Desk::new();
    let response = desk.ask(set_request(UsdtFutures, PosMode::OneWayMode));
    assert_eq!(
        response.json()["data"],
        json!({ "posMode": "one_way_mode" })
    );
    assert_eq!(
        (desk.mode(UsdtFutures), desk.mode(CoinFutures)),
        (PosMode::OneWayMode, PosMode::HedgeMode)
    );
    let (from, to) = (PosMode::HedgeMode, PosMode::OneWayMode);
    assert_eq!(
        desk.exchange.log()[0].executed,
        Executed::Applied { from, to }
    );
    assert_eq!(desk.shown_mode(), "one_way_mode");
}

#[test]
fn a_set_that_is_no_set_is_refused_by_its_parameters() {
    let mut desk = Desk::new();
    let cases = [
        ("", "400171"),
        ("[]", "400171"),
        (r#"{"productType":"USDT-FUTURES"}"#, "400172"),
        (r#"{"posMode":"hedge_mode"}"#, "400172"),
        (
            r#"{"productType":"USDT-FUTURES","posMode":"both"}"#,
            "400172",
        ),
    ];
    for (body, expected) in cases {
        let response = desk.ask(Request::post(SET, body));
        assert_eq!(
            (response.status, code(&response).as_str()),
            (400, expected),
            "{body}"
        );
        assert_eq!(
            desk.exchange.log().last().unwrap().executed,
            Executed::Refused
        );
    }
}

#[test]
fn a_lead_account_refuses_every_set() {
    let mut desk = Desk::new();
    desk.exchange.refuse_sets(ME, Some("40731")).unwrap();
    assert_eq!(
        desk.set(UsdtFutures, PosMode::HedgeMode),
        (400, "40731".to_owned())
    );
    desk.exchange.refuse_sets(ME, None).unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn a_row_of_size_zero_does_not_block_and_a_position_does() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "0.000")
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Short, "0.001")
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
    assert_eq!(desk.set(CoinFutures, PosMode::OneWayMode), done());
}

#[test]
fn the_same_mode_on_a_flat_account_is_success_and_changes_nothing() {
    let mut desk = Desk::new();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    assert_eq!(desk.exchange.log()[0].executed, Executed::Same);
    assert!(desk.exchange.mode_changes().is_empty());
}

// --- switches ---

#[test]
fn switch_same_mode_while_not_flat() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1")
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    desk.exchange.switches_mut().same_mode_while_not_flat = SameMode::Refused;
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
}

#[test]
fn switch_what_is_not_flat() {
    let mut desk = Desk::new();
    desk.exchange
        .place_order(ME, UsdtFutures, NewOrder::live("BTCUSDT"))
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    desk.exchange.switches_mut().not_flat = NotFlat::RefusedByPositions;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1")
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), refused());
    desk.exchange.switches_mut().not_flat = NotFlat::Accepted;
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
    assert_eq!(desk.exchange.log().last().unwrap().flat, Some(false));
}

#[test]
fn switch_code_and_status_of_refusals() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1")
        .unwrap();
    let switches = desk.exchange.switches_mut();
    switches.not_flat_code = "45117".to_owned();
    switches.not_flat_status = Some(409);
    assert_eq!(
        desk.set(UsdtFutures, PosMode::OneWayMode),
        (409, "45117".to_owned())
    );
    let switches = desk.exchange.switches_mut();
    switches.not_flat_status = None;
    switches.refusal_status = 200;
    assert_eq!(
        desk.set(UsdtFutures, PosMode::OneWayMode),
        (200, "45117".to_owned())
    );
    assert_eq!(desk.get(POSITIONS, "").0, 200);
}

#[test]
fn switch_hidden_blockers() {
    let mut desk = Desk::new();
    desk.exchange
        .set_hidden_blocker(ME, UsdtFutures, Blocker::Running)
        .unwrap();
    assert_eq!(desk.data(POSITIONS, "productType=USDT-FUTURES"), json!([]));
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), refused());
    desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Ignored;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    desk.exchange.switches_mut().hidden_blockers = HiddenBlockers::Refuse;
    desk.exchange
        .set_hidden_blocker(ME, UsdtFutures, Blocker::Absent)
        .unwrap();
    assert_eq!(desk.set(UsdtFutures, PosMode::HedgeMode), done());
}

#[test]
fn switch_read_lag() {
    let mut desk = Desk::new();
    desk.exchange.switches_mut().read_lag_ms = 8_000;
    assert_eq!(desk.set(UsdtFutures, PosMode::OneWayMode), done());
    assert_eq!(desk.mode(UsdtFutures), PosMode::OneWayMode);
    desk.wait(7_999);
    assert_eq!(desk.shown_mode(), "hedge_mode");
    desk.wait(1);
    assert_eq!(desk.shown_mode(), "one_way_mode");
}

#[test]
fn switch_late_timestamp() {
    for (switch, expected) in [
        (LateTimestamp::CheckedAgain, PosMode::HedgeMode),
        (LateTimestamp::CheckedOnArrival, PosMode::OneWayMode),
    ] {
        let mut desk = Desk::new();
        desk.exchange.switches_mut().late_timestamp = switch;
        let after = Duration::from_secs(31);
        desk.exchange
            .inject(Fault::once(FaultKind::ExecuteLater { after }));
        assert_eq!(
            desk.send(set_request(UsdtFutures, PosMode::OneWayMode)),
            Outcome::Dropped
        );
        desk.exchange.advance(UnixMs(START.0 + 60_000));
        assert_eq!(desk.mode(UsdtFutures), expected);
    }
}

// --- faults ---

/// A set under a fault: what the client got, and the mode afterwards.
#[track_caller]
fn set_under(what: FaultKind) -> (Desk, Outcome, bool) {
    let mut desk = Desk::new();
    desk.exchange.inject(
        Fault::once(what.clone())
            .on("/set-position-mode")
            .for_account(ME),
    );
    let outcome = desk.send(set_request(UsdtFutures, PosMode::OneWayMode));
    let applied = desk.mode(UsdtFutures) == PosMode::OneWayMode;
    let entry = &desk.exchange.log()[0];
    assert_eq!(entry.fault, Some(what));
    assert_eq!(
        (entry.product, entry.wanted),
        (Some(UsdtFutures), Some(PosMode::OneWayMode))
    );
    assert_eq!(
        entry.executed != Executed::None,
        applied,
        "the log tells what was done"
    );
    assert_eq!(entry.code.is_some(), applied);
    assert_eq!(
        entry.status.is_some(),
        matches!(outcome, Outcome::Response(_))
    );
    (desk, outcome, applied)
}

#[track_caller]
fn body_under(what: FaultKind) -> (u16, String, bool) {
    let (_, outcome, applied) = set_under(what);
    let Outcome::Response(response) = outcome else {
        panic!("no answer")
    };
    (
        response.status,
        String::from_utf8(response.body).unwrap(),
        applied,
    )
}

#[test]
fn fault_drop_request_drop_reply_and_hang() {
    let (_, outcome, applied) = set_under(FaultKind::DropRequest);
    assert_eq!((outcome, applied), (Outcome::Dropped, false));
    let (_, outcome, applied) = set_under(FaultKind::DropReply);
    assert_eq!((outcome, applied), (Outcome::Dropped, true));
    let (_, outcome, applied) = set_under(FaultKind::Hang);
    assert_eq!((outcome, applied), (Outcome::Hang, false));
    let (_, outcome, applied) = set_under(FaultKind::HangReply);
    assert_eq!((outcome, applied), (Outcome::Hang, true));
}

#[test]
fn fault_execute_later_executes_once_when_it_is_due_and_is_logged_twice() {
    let (mut desk, outcome, applied) = set_under(FaultKind::ExecuteLater {
        after: Duration::from_secs(25),
    });
    assert_eq!((outcome, applied), (Outcome::Dropped, false));
    desk.exchange.advance(UnixMs(START.0 + 24_999));
    assert_eq!(desk.mode(UsdtFutures), PosMode::HedgeMode);
    desk.now = UnixMs(START.0 + 40_000);
    assert_eq!(desk.shown_mode(), "one_way_mode");
    let late = &desk.exchange.log()[1];
    assert_eq!(
        (late.at, late.late_of, late.status),
        (UnixMs(START.0 + 25_000), Some(0), None)
    );
    assert_eq!(desk.exchange.log().len(), 3);
    let changes = desk.exchange.mode_changes();
    assert_eq!(
        (changes.len(), changes[0].at),
        (1, UnixMs(START.0 + 25_000))
    );
}

#[test]
fn fault_delay_executes_at_once_and_answers_later() {
    let mut desk = Desk::new();
    let after = Duration::from_millis(700);
    desk.exchange
        .inject(Fault::once(FaultKind::Delay { after }));
    let signed = desk
        .key
        .sign(set_request(UsdtFutures, PosMode::OneWayMode), START);
    assert_eq!(desk.exchange.handle(START, &signed).after, after);
    assert_eq!(desk.mode(UsdtFutures), PosMode::OneWayMode);
    assert_eq!(
        desk.exchange.log()[0].answered_at,
        Some(UnixMs(START.0 + 700))
    );
}

#[test]
fn faults_that_answer_something_else() {
    let body = "<html>bad gateway</html>".to_owned();
    assert_eq!(
        body_under(FaultKind::Status {
            status: 502,
            body: body.clone()
        }),
        (502, body.clone(), false)
    );
    assert_eq!(
        body_under(FaultKind::ExecutedButStatus {
            status: 504,
            body: body.clone()
        }),
        (504, body, true)
    );
    let (status, text, applied) = body_under(FaultKind::Code {
        status: 400,
        code: "40725".to_owned(),
    });
    assert_eq!((status, applied), (400, false));
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["code"],
        "40725"
    );
    let (status, text, applied) = body_under(FaultKind::TooManyRequests);
    assert_eq!((status, applied), (429, false));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "429");
}

#[test]
fn faults_that_spoil_the_answer() {
    assert_eq!(body_under(FaultKind::EmptyBody), (200, String::new(), true));
    let (status, text, applied) = body_under(FaultKind::Garbage);
    assert_eq!((status, applied), (200, true));
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
    let (status, text, applied) = body_under(FaultKind::Html { status: 503 });
    assert_eq!(
        (status, applied, text.starts_with("<html>")),
        (503, true, true)
    );
    let (status, text, applied) = body_under(FaultKind::NullData);
    assert_eq!((status, applied), (200, true));
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["data"],
        Value::Null
    );
    let (_, text, applied) = body_under(FaultKind::MissingField {
        field: "posMode".to_owned(),
    });
    assert!(applied);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["data"],
        json!({})
    );
}

#[test]
fn a_missing_field_is_missing_in_every_row() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1")
        .unwrap();
    desk.exchange
        .open_position(ME, UsdtFutures, "ETHUSDT", HoldSide::Long, "1")
        .unwrap();
    desk.exchange.inject(Fault::once(FaultKind::MissingField {
        field: "total".to_owned(),
    }));
    let rows = desk.data(POSITIONS, "productType=USDT-FUTURES");
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .all(|row| row.get("total").is_none() && row.get("symbol").is_some())
    );
    desk.exchange.inject(Fault::once(FaultKind::MissingField {
        field: "data.entrustedList".to_owned(),
    }));
    assert_eq!(
        desk.data(ORDERS, "productType=USDT-FUTURES"),
        json!({ "endId": null })
    );
}

#[test]
fn a_fault_befalls_only_what_it_fits_and_only_so_often() {
    let mut desk = Desk::new();
    desk.exchange
        .add_account(NewAccount::classic(Uid(2), "other"));
    desk.exchange.inject(Fault {
        times: 2,
        ..Fault::once(FaultKind::DropRequest).on("/all-position")
    });
    desk.exchange
        .inject(Fault::always(FaultKind::TooManyRequests).for_account(Uid(2)));
    assert_eq!(desk.get(ORDERS, "productType=USDT-FUTURES").0, 200);
    let positions = || Request::get(POSITIONS, "productType=USDT-FUTURES");
    assert_eq!(desk.send(positions()), Outcome::Dropped);
    assert_eq!(desk.send(positions()), Outcome::Dropped);
    assert_eq!(desk.ask(positions()).status, 200);
    desk.key = ApiKey::named("other");
    for _ in 0..3 {
        assert_eq!(desk.ask(positions()).status, 429);
    }
    desk.exchange.clear_faults();
    assert_eq!(desk.ask(positions()).status, 200);
}

// --- the log and the state ---

#[test]
fn the_log_says_enough_to_check_a_client_by() {
    let mut desk = Desk::new();
    desk.exchange
        .open_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long, "1")
        .unwrap();
    desk.data(POSITIONS, "productType=USDT-FUTURES");
    desk.data(ORDERS, "productType=USDT-FUTURES");
    desk.exchange
        .close_position(ME, UsdtFutures, "BTCUSDT", HoldSide::Long)
        .unwrap();
    desk.data(POSITIONS, "productType=USDT-FUTURES");
    desk.set(UsdtFutures, PosMode::OneWayMode);
    let told: Vec<_> = desk
        .exchange
        .log()
        .iter()
        .map(|entry| {
            (
                entry.account,
                entry.product,
                entry.signed,
                entry.listed,
                entry.flat,
            )
        })
        .collect();
    let row = |listed, flat| (Some(ME), Some(UsdtFutures), Some(START), listed, Some(flat));
    assert_eq!(
        told,
        [
            row(Some(1), false),
            row(Some(0), false),
            row(Some(0), true),
            row(None, true)
        ]
    );
}

#[test]
fn a_flip_by_hand_is_told_apart_from_a_set_and_shows_in_the_state() {
    let mut desk = Desk::new();
    desk.set(UsdtFutures, PosMode::OneWayMode);
    desk.exchange
        .flip(ME, UsdtFutures, PosMode::HedgeMode)
        .unwrap();
    let by: Vec<_> = desk
        .exchange
        .mode_changes()
        .iter()
        .map(|change| change.by)
        .collect();
    assert_eq!(by, [By::Set, By::Hand]);
    let state = desk.exchange.snapshot();
    assert_eq!(state[0].products["USDT-FUTURES"].mode, PosMode::HedgeMode);
    assert_eq!(state[0].keys, ["key-alpha"]);
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    let mut desk = Desk::new();
    let error = desk
        .exchange
        .flip(Uid(9), UsdtFutures, PosMode::HedgeMode)
        .unwrap_err();
    assert_eq!(error.to_string(), "no such account: 9");
    assert!(desk.exchange.remove_key("key-nobody").is_err());
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let shown = format!("{:?}", Desk::new().exchange);
    assert!(
        shown.contains("key-alpha")
            && !shown.contains("test-secret")
            && !shown.contains("test-passphrase")
    );
}
