//! What the exchange does, told through `handle` alone: checks in their order, lists and pages, the setters, every switch,
//! every fault, conversions, the log. A story that is the same for both kinds of account is told once, of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod asking;
mod contracts;
mod conversions;
mod faults;
mod reads;
mod records;
mod sets;
mod settings;
mod unified;

use serde_json::{Value, json};

use crate::{
    ApiKey, Exchange, Kind, NewAccount, Outcome, PosMode, ProductType, Request, Response, Uid, UnixMs,
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
const INFO_V3: &str = "/api/v3/account/info";
const ASSETS_V3: &str = "/api/v3/account/assets";
const SET_V3: &str = "/api/v3/account/set-hold-mode";
const POSITIONS_V3: &str = "/api/v3/position/current-position";
const ORDERS_V3: &str = "/api/v3/trade/unfilled-orders";
const STRATEGIES_V3: &str = "/api/v3/trade/unfilled-strategy-orders";

/// How one kind of account is asked for what both can be asked for.
#[derive(Clone, Copy, Debug)]
struct Api {
    kind: Kind,
    set: &'static str,
    sets_a_second: usize,
    positions: &'static str,
    orders: &'static str,
    info: &'static str,
    infos_a_second: usize,
    /// The parameter that names the product type.
    about: &'static str,
    /// The field of a list of orders that holds its rows, the one to go on from, and the parameter that takes it.
    rows: &'static str,
    last: &'static str,
    below: &'static str,
    /// The codes of a set that a position blocks, and of one that orders block.
    position_blocks: &'static str,
    orders_block: &'static str,
}

const CLASSIC: Api = Api {
    kind: Kind::Classic,
    set: SET,
    sets_a_second: 5,
    positions: POSITIONS,
    orders: ORDERS,
    info: INFO,
    infos_a_second: 1,
    about: "productType",
    rows: "entrustedList",
    last: "endId",
    below: "idLessThan",
    position_blocks: "40920",
    orders_block: "40920",
};
const UNIFIED: Api = Api {
    kind: Kind::Unified,
    set: SET_V3,
    sets_a_second: 10,
    positions: POSITIONS_V3,
    orders: ORDERS_V3,
    info: INFO_V3,
    infos_a_second: 5,
    about: "category",
    rows: "list",
    last: "cursor",
    below: "cursor",
    position_blocks: "25107",
    orders_block: "25570",
};
const BOTH: [Api; 2] = [CLASSIC, UNIFIED];

impl Api {
    fn about(self, product: ProductType) -> String {
        format!("{}={}", self.about, product.as_str())
    }

    fn list_positions(self, product: ProductType) -> Request {
        Request::get(self.positions, self.about(product))
    }

    fn set_request(self, product: ProductType, mode: PosMode) -> Request {
        let body = match self.kind {
            Kind::Classic => json!({ "productType": product.as_str(), "posMode": mode.as_str() }),
            Kind::Unified => json!({ "holdMode": mode.as_str() }),
        };
        Request::post(self.set, body.to_string())
    }

    /// What the log says a set is about.
    fn subject(self, product: ProductType) -> Option<ProductType> {
        match self.kind {
            Kind::Classic => Some(product),
            Kind::Unified => None,
        }
    }
}

/// An exchange with one account, and a clock that stands still until told otherwise.
struct Desk {
    exchange: Exchange,
    api: Api,
    key: ApiKey,
    now: UnixMs,
}

impl Desk {
    fn new() -> Self {
        Self::with(NewAccount::classic(ME, "alpha"))
    }

    fn of(api: Api) -> Self {
        Self::with(NewAccount { kind: api.kind, ..NewAccount::classic(ME, "alpha") })
    }

    fn with(account: NewAccount) -> Self {
        let api = match account.kind {
            Kind::Classic => CLASSIC,
            Kind::Unified => UNIFIED,
        };
        let key = account.api_key.clone();
        let mut exchange = Exchange::new();
        exchange.advance(START);
        exchange.add_account(account);
        Self { exchange, api, key, now: START }
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
        let response = self.ask(self.api.set_request(product, mode));
        (response.status, code(&response))
    }

    fn mode(&self, product: ProductType) -> PosMode {
        self.exchange.mode(ME, product).unwrap()
    }

    fn shown_mode(&mut self) -> Value {
        match self.api.kind {
            Kind::Classic => {
                self.data(ONE, "symbol=BTCUSDT&productType=USDT-FUTURES&marginCoin=USDT")["posMode"].clone()
            }
            Kind::Unified => self.data(SETTINGS, "")["holdMode"].clone(),
        }
    }

    /// The rows of the list of positions.
    fn positions(&mut self, product: ProductType) -> Vec<Value> {
        let data = self.data(self.api.positions, &self.api.about(product));
        let rows = if self.api.kind == Kind::Classic { &data } else { &data["list"] };
        rows.as_array().cloned().unwrap_or_default()
    }

    fn refused_for_a_position(&self) -> (u16, String) {
        (400, self.api.position_blocks.to_owned())
    }

    fn refused_for_orders(&self) -> (u16, String) {
        (400, self.api.orders_block.to_owned())
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

fn code(response: &Response) -> String {
    response.json()["code"].as_str().unwrap_or_default().to_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn done() -> (u16, String) {
    (200, "00000".to_owned())
}
