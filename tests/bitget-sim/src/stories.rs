//! What the exchange does, told through `handle` alone: checks in their order, lists and pages, the setter, every switch,
//! every fault, the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod asking;
mod faults;
mod reads;
mod records;
mod sets;
mod unified;

use serde_json::{Value, json};

use crate::{ApiKey, Exchange, NewAccount, Outcome, PosMode, ProductType, Request, Response, Uid, UnixMs};

const ME: Uid = Uid(1001);
const START: UnixMs = UnixMs(1_760_000_000_000);
const SET: &str = "/api/v2/mix/account/set-position-mode";
const ONE: &str = "/api/v2/mix/account/account";
const POSITIONS: &str = "/api/v2/mix/position/all-position";
const ORDERS: &str = "/api/v2/mix/order/orders-pending";
const PLANS: &str = "/api/v2/mix/order/orders-plan-pending";
const INFO: &str = "/api/v2/spot/account/info";
const SETTINGS: &str = "/api/v3/account/settings";
const INFO_V3: &str = "/api/v3/account/info";
const SET_V3: &str = "/api/v3/account/set-hold-mode";
const POSITIONS_V3: &str = "/api/v3/position/current-position";
const ORDERS_V3: &str = "/api/v3/trade/unfilled-orders";
const STRATEGIES_V3: &str = "/api/v3/trade/unfilled-strategy-orders";

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
        Self { exchange, key, now: START }
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
        self.data(ONE, "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=USDT")["posMode"].clone()
    }

    #[track_caller]
    fn refuses(&mut self, request: &Request, status: u16, expected: &str) {
        let Outcome::Response(response) = self.exchange.handle(self.now, request).outcome else {
            panic!("no answer")
        };
        assert_eq!((response.status, code(&response).as_str()), (status, expected));
        assert_eq!(response.json()["requestTime"], json!(self.now.0));
        assert_eq!(self.exchange.log().last().unwrap().code.as_deref(), Some(expected));
    }
}

fn set_request(product: ProductType, mode: PosMode) -> Request {
    let body = json!({ "productType": product.as_str(), "posMode": mode.as_str() }).to_string();
    Request::post(SET, body)
}

fn code(response: &Response) -> String {
    response.json()["code"].as_str().unwrap_or_default().to_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

const REFUSED: (u16, &str) = (400, "40920");

fn refused() -> (u16, String) {
    (REFUSED.0, REFUSED.1.to_owned())
}

fn done() -> (u16, String) {
    (200, "00000".to_owned())
}
