//! The control API under `/control/`: what hands do to the exchange, over HTTP and in JSON. It is no part of Bitget's API and
//! counts against no limit. The README lists it with examples.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::{NewAccount, NewOrder};
use crate::exchange::{Blocker, Exchange};
use crate::fault::{FOREVER, Fault};
use crate::key::ApiKey;
use crate::serve::Simulator;
use crate::wire::{Request, Response};
use crate::words::{
    AccountMode, HoldSide, Kind, OrderId, OrderStatus, PlanType, PosMode, ProductType, Uid, Unknown,
};

/// The answer to a control request; `None` for any other request.
pub(crate) fn answer(simulator: &Simulator, request: &Request) -> Option<Response> {
    let command = request.path.strip_prefix("/control/")?;
    let (status, body) = match obey(simulator, command, request) {
        Ok(body) => (200, body),
        Err(Mistake { status, error }) => (status, json!({ "error": error })),
    };
    Some(Response {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: format!("{body}\n").into_bytes(),
    })
}

fn obey(simulator: &Simulator, command: &str, request: &Request) -> Result<Value, Mistake> {
    let body = &request.body;
    match (request.method.as_str(), command) {
        ("GET", "state") => Ok(state(simulator)),
        ("GET", "log") => log(simulator, request),
        ("POST", "skew") => {
            let Skew { ms } = read(body)?;
            simulator.set_skew_ms(ms);
            Ok(json!({ "now": simulator.now().0 }))
        }
        ("POST", "fault") => {
            let fault: Fault = read(body)?;
            simulator.with(|exchange| exchange.inject(fault));
            Ok(json!({}))
        }
        ("DELETE", "fault") => {
            simulator.with(Exchange::clear_faults);
            Ok(json!({}))
        }
        ("POST", "switches") => {
            let changes: Map<String, Value> = read(body)?;
            simulator.with(|exchange| turn(exchange.switches_mut(), changes))
        }
        ("POST", command) => simulator.with(|exchange| trade(exchange, command, body)),
        (method, command) => Err(Mistake::unknown(method, command)),
    }
}

/// What a trader does at the website.
fn trade(exchange: &mut Exchange, command: &str, body: &[u8]) -> Result<Value, Mistake> {
    let placed = |OrderId(id)| json!({ "orderId": id.to_string() });
    match command {
        "position/open" => {
            let PositionOpen { uid, product_type, symbol, hold_side, total } = read(body)?;
            exchange.open_position(uid, product_type, &symbol, hold_side, &total)?;
        }
        "position/close" => {
            let PositionClose { uid, product_type, symbol, hold_side } = read(body)?;
            exchange.close_position(uid, product_type, &symbol, hold_side)?;
        }
        "order/place" => {
            let OrderPlace { uid, product_type, symbol, status, age_ms } = read(body)?;
            let new = NewOrder { symbol, status, age: Duration::from_millis(age_ms) };
            return Ok(placed(exchange.place_order(uid, product_type, new)?));
        }
        "order/cancel" => {
            let OrderCancel { uid, product_type, order_id } = read(body)?;
            exchange.cancel_order(uid, product_type, number(&order_id)?)?;
        }
        "plan-order/place" => {
            let PlanOrderPlace { uid, product_type, plan_type, symbol } = read(body)?;
            return Ok(placed(exchange.place_plan_order(uid, product_type, plan_type, &symbol)?));
        }
        "plan-order/cancel" => {
            let OrderCancel { uid, product_type, order_id } = read(body)?;
            exchange.cancel_plan_order(uid, product_type, number(&order_id)?)?;
        }
        "spot-order/place" => {
            let SpotOrderPlace { uid, symbol, status } = read(body)?;
            let new = NewOrder { symbol, status, age: Duration::ZERO };
            return Ok(placed(exchange.place_spot_order(uid, new)?));
        }
        "spot-order/cancel" => {
            let SpotOrderCancel { uid, order_id } = read(body)?;
            exchange.cancel_spot_order(uid, number(&order_id)?)?;
        }
        "hidden-blocker" => {
            let Hidden { uid, product_type, blocker } = read(body)?;
            exchange.set_hidden_blocker(uid, product_type, blocker)?;
        }
        "flip" => {
            let Flip { uid, product_type, pos_mode } = read(body)?;
            exchange.flip(uid, product_type, pos_mode)?;
        }
        command => return administer(exchange, command, body),
    }
    Ok(json!({}))
}

/// What an account's owner, or the exchange itself, does with the account and its keys.
fn administer(exchange: &mut Exchange, command: &str, body: &[u8]) -> Result<Value, Mistake> {
    match command {
        "account" => {
            let new: NewAccount = read(body)?;
            let shown = shown_key(&new.api_key);
            return Ok(json!({ "uid": exchange.add_account(new), "apiKey": shown }));
        }
        "key" => {
            let NewKey { uid, api_key } = read(body)?;
            let shown = shown_key(&api_key);
            exchange.add_key(uid, api_key)?;
            return Ok(json!({ "uid": uid, "apiKey": shown }));
        }
        "key/remove" => {
            let RemoveKey { key } = read(body)?;
            exchange.remove_key(&key)?;
        }
        "kind" => {
            let NewKind { uid, kind } = read(body)?;
            exchange.set_kind(uid, kind)?;
        }
        "conversion/begin" => {
            let Whose { uid } = read(body)?;
            exchange.begin_conversion(uid)?;
        }
        "conversion/finish" => {
            let Whose { uid } = read(body)?;
            exchange.finish_conversion(uid)?;
        }
        "account-mode" => {
            let NewAccountMode { uid, account_mode } = read(body)?;
            exchange.set_account_mode(uid, account_mode)?;
        }
        "load" => {
            let Load { uid, path, per_second } = read(body)?;
            exchange.load(uid, &path, per_second)?;
        }
        "contract" => {
            let NewListing { product_type, symbol, changes } = read(body)?;
            return turn(exchange.listing_mut(product_type, &symbol)?, changes);
        }
        "settings" => {
            let NewSettings { uid, changes } = read(body)?;
            return turn(exchange.settings_mut(uid)?, changes);
        }
        "refuse-sets" => {
            let RefuseSets { uid, code, times } = read(body)?;
            match code {
                Some(code) => exchange.refuse_sets_times(uid, &code, times)?,
                None => exchange.refuse_sets(uid, None)?,
            }
        }
        command => return Err(Mistake::unknown("POST", command)),
    }
    Ok(json!({}))
}

fn state(simulator: &Simulator) -> Value {
    let skew_ms = simulator.skew_ms();
    simulator.with(|exchange| {
        json!({
            "now": exchange.now(),
            "skewMs": skew_ms,
            "accounts": exchange.snapshot(),
            "modeChanges": exchange.mode_changes(),
            "switches": exchange.switches(),
            "faults": exchange.faults(),
            "requests": exchange.log().len(),
        })
    })
}

fn log(simulator: &Simulator, request: &Request) -> Result<Value, Mistake> {
    let params = request.params();
    let from = params.optional("from").map(str::parse::<usize>).transpose();
    let from = from.map_err(|error| Mistake::bad(format!("from: {error}")))?.unwrap_or(0);
    Ok(simulator.with(|exchange| {
        let log = exchange.log();
        json!({ "next": log.len(), "entries": log.get(from..).unwrap_or_default() })
    }))
}

/// Changes the switches, or whatever else, that are named, and no other.
fn turn<T: Serialize + DeserializeOwned>(
    switches: &mut T,
    changes: Map<String, Value>,
) -> Result<Value, Mistake> {
    let mut all = json!(switches);
    if let Value::Object(fields) = &mut all {
        fields.extend(changes);
    }
    *switches = serde_json::from_value(all.clone()).map_err(|error| Mistake::bad(error.to_string()))?;
    Ok(all)
}

fn shown_key(api_key: &ApiKey) -> Value {
    json!({ "key": api_key.key, "secret": api_key.secret.0, "passphrase": api_key.passphrase.0 })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Mistake> {
    serde_json::from_slice(body).map_err(|error| Mistake::bad(error.to_string()))
}

fn number(order_id: &str) -> Result<OrderId, Mistake> {
    order_id.parse().map(OrderId).map_err(|error| Mistake::bad(format!("orderId: {error}")))
}

/// What is wrong with a control request.
struct Mistake {
    status: u16,
    error: String,
}

impl Mistake {
    fn bad(error: String) -> Self {
        Self { status: 400, error }
    }

    fn unknown(method: &str, command: &str) -> Self {
        Self { status: 404, error: format!("no such command: {method} /control/{command}") }
    }
}

impl From<Unknown> for Mistake {
    fn from(unknown: Unknown) -> Self {
        Self { status: 404, error: unknown.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skew {
    ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PositionOpen {
    uid: Uid,
    product_type: ProductType,
    symbol: String,
    hold_side: HoldSide,
    total: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PositionClose {
    uid: Uid,
    product_type: ProductType,
    symbol: String,
    hold_side: HoldSide,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderPlace {
    uid: Uid,
    product_type: ProductType,
    symbol: String,
    #[serde(default = "live")]
    status: OrderStatus,
    #[serde(default)]
    age_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderCancel {
    uid: Uid,
    product_type: ProductType,
    order_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanOrderPlace {
    uid: Uid,
    product_type: ProductType,
    plan_type: PlanType,
    symbol: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpotOrderPlace {
    uid: Uid,
    symbol: String,
    #[serde(default = "live")]
    status: OrderStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpotOrderCancel {
    uid: Uid,
    order_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    uid: Uid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Hidden {
    uid: Uid,
    product_type: ProductType,
    blocker: Blocker,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Flip {
    uid: Uid,
    product_type: ProductType,
    pos_mode: PosMode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKind {
    uid: Uid,
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAccountMode {
    uid: Uid,
    account_mode: AccountMode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Load {
    uid: Uid,
    path: String,
    per_second: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewListing {
    product_type: ProductType,
    symbol: String,
    #[serde(flatten)]
    changes: Map<String, Value>,
}

#[derive(Deserialize)]
struct NewSettings {
    uid: Uid,
    #[serde(flatten)]
    changes: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseSets {
    uid: Uid,
    code: Option<String>,
    #[serde(default = "forever")]
    times: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewKey {
    uid: Uid,
    #[serde(deserialize_with = "crate::key::named_or_whole")]
    api_key: ApiKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveKey {
    key: String,
}

fn forever() -> u32 {
    FOREVER
}

fn live() -> OrderStatus {
    OrderStatus::Live
}
