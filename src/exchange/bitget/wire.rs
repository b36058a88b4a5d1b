//! Shapes as the exchange writes them, and what each must hold to count as an answer.
//!
//! Absence is not data: a missing field, or `null` where an object belongs, is an error here, never a default.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::facts::{FuturesRight, Rights};
use crate::moment::ServerTime;
use crate::position_mode::{PositionMode, ProductType};

/// What is around every answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    /// `00000`, or why not.
    pub(super) code: String,
    /// The exchange's time; some refusals lack it.
    pub(super) server: Option<ServerTime>,
    /// What was asked for; `None` if it is missing or `null`.
    pub(super) data: Option<Value>,
}

/// An answer that does not hold what it must: what is wrong with it, without any of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

impl Envelope {
    /// The envelope in a body, whatever the status beside it.
    pub(super) fn parse(body: &[u8]) -> Result<Envelope, Broken> {
        #[derive(Deserialize)]
        struct Written {
            code: String,
            #[serde(rename = "requestTime", default)]
            request_time: Option<i64>,
            #[serde(default)]
            data: Option<Value>,
        }
        if body.is_empty() {
            return Err(Broken("an empty body".to_owned()));
        }
        let Written { code, request_time, data } = serde_json::from_slice(body)
            .map_err(|_| Broken("a body that is no complete answer".to_owned()))?;
        if !is_plain(&code) {
            return Err(Broken("a code that is none".to_owned()));
        }
        let server = request_time.filter(|millis| *millis > 0).map(ServerTime);
        Ok(Envelope { code, server, data })
    }
}

/// What `data` must be.
pub(super) fn shape<T: DeserializeOwned>(data: Value) -> Result<T, Broken> {
    // serde's own words may quote the answer; the place of the fault is not worth that.
    serde_json::from_value(data).map_err(|_| Broken("data of another shape than documented".to_owned()))
}

/// `GET /api/v2/public/time`
#[derive(Debug, Deserialize)]
pub(super) struct Time {
    #[serde(rename = "serverTime")]
    server_time: String,
}

impl Time {
    /// Milliseconds since 1970.
    pub(super) fn server_time(&self) -> Result<ServerTime, Broken> {
        let millis =
            self.server_time.parse().map_err(|_| Broken("a serverTime that is no number".to_owned()))?;
        Ok(ServerTime(millis))
    }
}

/// One of `GET /api/v2/mix/market/contracts`: any of a product type's serves for asking the mode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Contract {
    symbol: String,
    #[serde(rename = "supportMarginCoins")]
    margin_coins: Vec<String>,
}

impl Contract {
    /// Symbol and margin coin, if both may stand in a query as they are.
    pub(super) fn sample(&self) -> Option<Sample> {
        let coin = self.margin_coins.first()?;
        let plain = is_plain(&self.symbol) && is_plain(coin);
        plain.then(|| Sample { symbol: self.symbol.clone(), margin_coin: coin.clone() })
    }
}

/// A symbol and a margin coin that a product type has: the call that tells the mode wants one of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) symbol: String,
    pub(super) margin_coin: String,
}

impl Sample {
    /// What clients in daily use write; the demo ones are inferred.
    pub(super) fn fallback(product: ProductType) -> Sample {
        let (symbol, margin_coin) = match product {
            ProductType::UsdtFutures => ("BTCUSDT", "USDT"),
            ProductType::CoinFutures => ("BTCUSD", "BTC"),
            ProductType::UsdcFutures => ("BTCPERP", "USDC"),
            ProductType::SusdtFutures => ("SBTCSUSDT", "SUSDT"),
            ProductType::ScoinFutures => ("SBTCSUSD", "SBTC"),
            ProductType::SusdcFutures => ("SBTCSPERP", "SUSDC"),
        };
        Sample { symbol: symbol.to_owned(), margin_coin: margin_coin.to_owned() }
    }
}

/// `GET /api/v2/spot/account/info`
#[derive(Debug, Deserialize)]
pub(super) struct AccountInfo {
    #[serde(rename = "userId")]
    pub(super) user_id: String,
    /// Unknown where it is missing: what a key may do is shown by what it is refused.
    #[serde(default)]
    authorities: Option<Vec<String>>,
}

impl AccountInfo {
    /// What the key may do, as far as it says.
    pub(super) fn rights(&self) -> Option<Rights> {
        let authorities = self.authorities.as_ref()?;
        let any = |some: &[&str]| authorities.iter().any(|one| some.contains(&one.as_str()));
        // Which of the two gates the setter nobody has established.
        let futures = if any(&["coow", "cpow"]) {
            FuturesRight::ReadWrite
        } else if any(&["coor", "cpor"]) {
            FuturesRight::Read
        } else {
            FuturesRight::Nothing
        };
        Some(Rights { futures, withdraws: any(&["wwow"]) })
    }
}

/// `GET /api/v2/mix/account/account`
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    #[serde(rename = "posMode")]
    pub(super) pos_mode: PositionMode,
}

/// One of `GET /api/v2/mix/position/all-position`
#[derive(Debug, Deserialize)]
pub(super) struct Position {
    total: String,
}

impl Position {
    /// Whether there is anything of it.
    pub(super) fn is_open(&self) -> Result<bool, Broken> {
        let total = self.total.trim();
        let is_number = total.parse::<f64>().is_ok_and(f64::is_finite);
        if !is_number {
            return Err(Broken("a position whose total is no number".to_owned()));
        }
        // By its digits, for a very small number must not be rounded to nothing.
        let mantissa = total.split(['e', 'E']).next().unwrap_or_default();
        Ok(mantissa.bytes().any(|digit| (b'1'..=b'9').contains(&digit)))
    }
}

/// One page of orders or plan orders.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// Must be there; `null` is the exchange's way to write an empty one.
    #[serde(rename = "entrustedList", deserialize_with = "there_or_null")]
    list: Option<Vec<Order>>,
    #[serde(rename = "endId", default)]
    end_id: Option<String>,
}

/// An order as far as it counts.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(rename = "orderId")]
    pub(super) order_id: String,
}

impl Page {
    /// Its rows, and the id before which the next page begins, if there may be one.
    pub(super) fn rows(self) -> Result<(Vec<Order>, Option<String>), Broken> {
        let Page { list, end_id } = self;
        let rows = list.unwrap_or_default();
        if rows.len() < PAGE {
            return Ok((rows, None));
        }
        let last = rows.last().map(|order| order.order_id.clone());
        match end_id.filter(|id| !id.is_empty()).or(last) {
            Some(id) if is_plain(&id) => Ok((rows, Some(id))),
            Some(_) | None => Err(Broken("a full page without an id to go on from".to_owned())),
        }
    }
}

/// `POST /api/v2/mix/account/set-position-mode`, in the order in which it is signed.
#[derive(Debug, Serialize)]
pub(super) struct SetPositionMode {
    #[serde(rename = "productType")]
    pub(super) product: ProductType,
    #[serde(rename = "posMode")]
    pub(super) mode: PositionMode,
}

/// The kinds of plan order; the exchange lists one at a time.
pub(super) const PLAN_TYPES: [&str; 3] = ["normal_plan", "track_plan", "profit_loss"];
/// The statuses of an open order, asked for one by one, for without one only `live` is promised. In this order: an order
/// that begins to fill in between is seen in the second list.
pub(super) const OPEN_STATUSES: [&str; 2] = ["live", "partially_filled"];
/// The most rows of a page.
pub(super) const PAGE: usize = 100;

/// Without a default, so that a missing key is an error.
fn there_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Order>>, D::Error> {
    Option::deserialize(from)
}

/// Whether it may stand in a query without being encoded.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !word.is_empty() && word.len() <= 64 && word.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn f34_what_is_no_envelope_is_no_answer() {
        let good = br#"{"code":"00000","msg":"success","requestTime":1695865615662,"data":{"a":1}}"#;
        let envelope = Envelope::parse(good).unwrap();
        assert_eq!(envelope.server, Some(ServerTime(1_695_865_615_662)));
        assert_eq!(envelope.data, Some(json!({"a": 1})));
        for half in 0..good.len() {
            assert!(Envelope::parse(&good[..half]).is_err(), "{half} bytes");
        }
        for bad in [
            "null",
            "[]",
            "{}",
            r#"{"code":0,"data":{}}"#,
            r#"{"code":null}"#,
            r#"{"code":"a b"}"#,
            "<html></html>",
        ] {
            assert!(Envelope::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let bad_times = ["null", "0", "-1"].map(|time| format!(r#"{{"code":"00000","requestTime":{time}}}"#));
        for bad in bad_times {
            let envelope = Envelope::parse(bad.as_bytes()).unwrap();
            assert_eq!((envelope.server, envelope.data), (None, None), "{bad}");
        }
    }

    #[test]
    fn f34_a_mode_is_one_of_two_words_or_nothing() {
        let mode = |data: Value| shape::<Account>(data).map(|account| account.pos_mode);
        assert_eq!(mode(json!({"posMode": "one_way_mode", "more": []})), Ok(PositionMode::OneWay));
        assert_eq!(mode(json!({"posMode": "hedge_mode"})), Ok(PositionMode::Hedge));
        let bad = [json!({}), json!([]), json!({"posMode": null}), json!({"posMode": ""})];
        for data in
            bad.into_iter().chain([json!({"posMode": "HEDGE_MODE"}), json!({"posMode": 1}), json!("x")])
        {
            assert!(mode(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn f34_a_position_counts_unless_its_total_is_written_as_zero() {
        let open = |total: Value| {
            shape::<Vec<Position>>(json!([{ "total": total }])).and_then(|rows| rows[0].is_open())
        };
        for zero in ["0", "0.0", "-0.00", "0E-8", "00", ".0"] {
            assert_eq!(open(json!(zero)), Ok(false), "{zero}");
        }
        for some in ["1", "0.001", "-3", "1E-400", "0.0000000000000000000000000001"] {
            assert_eq!(open(json!(some)), Ok(true), "{some}");
        }
        for bad in [json!(""), json!("x"), json!("NaN"), json!("inf"), json!(null), json!(0), json!("0x1")] {
            assert!(open(bad.clone()).is_err(), "{bad}");
        }
        assert!(shape::<Vec<Position>>(json!([{}])).is_err());
        assert!(shape::<Vec<Position>>(json!({"list": []})).is_err());
        assert!(shape::<Vec<Position>>(json!([])).unwrap().is_empty());
    }

    #[test]
    fn f34_a_page_without_its_list_is_no_empty_page() {
        for empty in [json!({"entrustedList": []}), json!({"entrustedList": null, "endId": null})] {
            let (rows, next) = shape::<Page>(empty).and_then(Page::rows).unwrap();
            assert!(rows.is_empty() && next.is_none());
        }
        let bad = [json!({}), json!([]), json!({"endId": "1"}), json!({"entrustedList": {}})];
        for data in bad.into_iter().chain([json!({"entrustedList": [{}]}), json!({"list": []})]) {
            assert!(shape::<Page>(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn a_full_page_is_followed_from_its_end() {
        let page = |count: usize, end_id: Value| {
            let rows: Vec<Value> = (0..count).map(|id| json!({"orderId": format!("{}", 500 - id)})).collect();
            let (rows, next) = shape::<Page>(json!({"entrustedList": rows, "endId": end_id}))?.rows()?;
            Ok::<_, Broken>((rows.len(), next))
        };
        assert_eq!(page(100, json!("401")), Ok((100, Some("401".to_owned()))));
        assert_eq!(page(100, json!(null)), Ok((100, Some("401".to_owned()))), "from its last row");
        assert_eq!(page(99, json!("402")), Ok((99, None)));
        assert!(page(100, json!("4 1&x=y")).is_err());
    }

    #[test]
    fn a_contract_serves_if_its_names_are_plain() {
        let sample = |data: Value| shape::<Contract>(data).ok().and_then(|contract| contract.sample());
        let good = json!({"symbol": "BTCUSDT", "supportMarginCoins": ["USDT", "X"], "more": 1});
        assert_eq!(sample(good), Some(Sample::fallback(ProductType::UsdtFutures)));
        assert_eq!(sample(json!({"symbol": "BTC USDT", "supportMarginCoins": ["USDT"]})), None);
        assert_eq!(sample(json!({"symbol": "BTCUSDT", "supportMarginCoins": []})), None);
        assert_eq!(sample(json!({"symbol": "BTCUSDT"})), None);
    }

    #[test]
    fn rights_are_read_from_their_short_words_and_unknown_without_them() {
        let rights = |authorities: Value| {
            let data = json!({"userId": "1", "authorities": authorities});
            shape::<AccountInfo>(data).unwrap().rights().map(|rights| (rights.futures, rights.withdraws))
        };
        assert_eq!(rights(json!(["coow", "cpow", "stow"])), Some((FuturesRight::ReadWrite, false)));
        assert_eq!(rights(json!(["cpor", "wwow"])), Some((FuturesRight::Read, true)));
        assert_eq!(rights(json!(["stow"])), Some((FuturesRight::Nothing, false)));
        assert_eq!(rights(json!([])), Some((FuturesRight::Nothing, false)));
        assert_eq!(rights(json!(null)), None);
        assert_eq!(shape::<AccountInfo>(json!({"userId": "1"})).unwrap().rights(), None);
    }

    #[test]
    fn a_set_is_written_as_it_is_documented() {
        let body = SetPositionMode { product: ProductType::UsdtFutures, mode: PositionMode::Hedge };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#
        );
    }
}
