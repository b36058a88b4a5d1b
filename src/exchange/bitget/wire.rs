//! JSON shapes of the exchange, and what each must hold to count as an answer; here those that both kinds of account
//! share.
//!
//! Absence is not data: what decides (a mode, a size, an id, a list) must be there, and is never a default; a list may
//! be `null`. User id, rights, cursors and times may be missing: then they are unknown. A key that stands twice,
//! anywhere, makes the whole answer none.

pub(super) mod classic;
mod named;
pub(super) mod unified;
mod unique;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use named::Named;
use unique::Unique;

use crate::facts::{List, OpenRow, Side};
use crate::moment::ServerTime;
use crate::position_mode::Uid;

/// The envelope of every answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    /// `00000` for success, else the code of the refusal.
    pub(super) code: String,
    /// The exchange's time (`requestTime`, ms since 1970); some refusals lack it.
    pub(super) server: Option<ServerTime>,
    /// The payload; `None` if it is missing or `null`.
    pub(super) data: Option<Value>,
    /// The message beside the code. Nothing is decided by it.
    pub(super) said: Option<Said>,
}

/// Text of the exchange as it came. `Debug` shows nothing of it.
#[derive(Clone, PartialEq)]
pub(super) struct Said(pub(super) String);

impl fmt::Debug for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Said({} bytes)", self.0.len())
    }
}

/// What is wrong with a malformed answer, without any of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

impl Envelope {
    /// Parses the envelope in a body, whatever the HTTP status.
    pub(super) fn parse(body: &[u8]) -> Result<Envelope, Broken> {
        #[derive(Deserialize)]
        struct Written {
            code: String,
            #[serde(rename = "requestTime", default)]
            request_time: Option<i64>,
            #[serde(default)]
            data: Option<Value>,
            #[serde(default)]
            msg: Option<Value>,
        }
        if body.is_empty() {
            return Err(Broken("an empty body".to_owned()));
        }
        let incomplete = || Broken("a body that is no complete answer".to_owned());
        let Unique(whole) = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                Broken("a body in which a key stands twice".to_owned())
            } else {
                incomplete()
            }
        })?;
        let Written { code, request_time, data, msg } =
            Written::deserialize(Named(whole)).map_err(|_| incomplete())?;
        if !is_plain(&code) || code.len() > LONGEST_CODE {
            return Err(Broken("a code that is none".to_owned()));
        }
        let server = request_time.filter(|millis| *millis > 0).map(ServerTime);
        let said = msg.as_ref().and_then(Value::as_str).map(|msg| Said(msg.to_owned()));
        Ok(Envelope { code, server, data, said })
    }

    /// The answer to the call for the time without a `requestTime`: its data are the exchange's time, too.
    pub(super) fn dated_by_its_data(self) -> Envelope {
        let told = || shape::<Time>(self.data.clone()?).ok()?.server_time().ok();
        let server = self.server.or_else(told);
        Envelope { server, ..self }
    }
}

/// Parses `data` into the shape that it must have.
pub(super) fn shape<T: DeserializeOwned>(data: Value) -> Result<T, Broken> {
    // serde's message may quote the answer, so it is dropped although it names the place of the fault.
    T::deserialize(Named(data)).map_err(|_| Broken("data of another shape than documented".to_owned()))
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

/// A position of either kind of account; only its size matters, the rest is for people.
#[derive(Debug, Deserialize)]
pub(super) struct Position {
    total: String,
    #[serde(default)]
    symbol: Option<Value>,
    /// The side in v2.
    #[serde(rename = "holdSide", default)]
    hold_side: Option<Value>,
    /// The side in v3.
    #[serde(rename = "posSide", default)]
    pos_side: Option<Value>,
}

impl Position {
    /// Whether its total is not zero.
    pub(super) fn is_open(&self) -> Result<bool, Broken> {
        let total = self.total.trim();
        let is_number = total.parse::<f64>().is_ok_and(f64::is_finite);
        if !is_number {
            return Err(Broken("a position whose total is no number".to_owned()));
        }
        // By its digits: parsed, a very small number would be rounded to zero.
        let mantissa = total.split(['e', 'E']).next().unwrap_or_default();
        Ok(mantissa.bytes().any(|digit| (b'1'..=b'9').contains(&digit)))
    }
}

/// Rows of a list that count: open positions, and orders by their ids. An order that is in several parts counts once.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    positions: u32,
    /// The first of the positions.
    first: Vec<OpenRow>,
    orders: BTreeMap<String, OpenRow>,
}

impl Rows {
    /// How many they are.
    pub(super) fn count(&self) -> u32 {
        self.positions.saturating_add(u32::try_from(self.orders.len()).unwrap_or(u32::MAX))
    }

    /// Adds those of the positions that are open.
    pub(super) fn add_positions(&mut self, page: &[Position]) -> Result<(), Broken> {
        for row in page {
            if row.is_open()? {
                self.positions = self.positions.saturating_add(1);
                self.first.extend(Some(row.shown()).filter(|_| self.first.len() < OpenRow::SHOWN));
            }
        }
        Ok(())
    }

    /// Adds orders of this list.
    pub(super) fn add_orders(&mut self, list: List, page: Vec<Order>) {
        self.orders.extend(page.into_iter().map(|order| {
            let shown = order.shown(list);
            (order.id, shown)
        }));
    }

    /// These and those of another part.
    pub(super) fn and(mut self, other: Rows) -> Rows {
        self.positions = self.positions.saturating_add(other.positions);
        self.first.extend(other.first);
        self.orders.extend(other.orders);
        self
    }

    /// The first of them, for people.
    pub(super) fn into_shown(self) -> Vec<OpenRow> {
        self.first.into_iter().chain(self.orders.into_values()).take(OpenRow::SHOWN).collect()
    }
}

/// An order of any sort; only its id matters, the rest is for people.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(rename = "orderId")]
    pub(super) id: String,
    #[serde(default)]
    symbol: Option<Value>,
    #[serde(default)]
    side: Option<Value>,
    /// The position that it is for; the one side that a strategy order of v3 always has.
    #[serde(rename = "posSide", default)]
    pos_side: Option<Value>,
}

impl Position {
    fn shown(&self) -> OpenRow {
        let side = side(self.hold_side.as_ref()).or_else(|| side(self.pos_side.as_ref()));
        OpenRow { symbol: symbol(self.symbol.as_ref()), side, kind: List::Positions }
    }
}

impl Order {
    fn shown(&self, kind: List) -> OpenRow {
        let side = side(self.side.as_ref()).or_else(|| side(self.pos_side.as_ref()));
        OpenRow { symbol: symbol(self.symbol.as_ref()), side, kind }
    }
}

/// A contract's name, if it can be one: text of others is shown only if it is short and of letters and digits, which some
/// contracts have of another script than ours.
fn symbol(told: Option<&Value>) -> Option<String> {
    let is_of_one = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    let is_name =
        |told: &&str| (1..=LONGEST_SYMBOL).contains(&told.chars().count()) && told.chars().all(is_of_one);
    told.and_then(Value::as_str).filter(is_name).map(str::to_owned)
}

/// A side, if it is one of the four words for it; `net`, for one, says nothing.
fn side(told: Option<&Value>) -> Option<Side> {
    told.and_then(Value::as_str)?.parse().ok()
}

/// The longest are like `1000000BABYDOGEUSDT`. It is shown, so it must be too short for a key.
pub(super) const LONGEST_SYMBOL: usize = 24;

/// The most rows of a page.
pub(super) const PAGE: usize = 100;
/// The most letters of a code. Real ones have five or six; it is shown, so it must be too short for a key.
pub(super) const LONGEST_CODE: usize = 15;

/// Whether the page after this one may have to be read, where this one names it. A page without rows proves nothing as
/// long as another may follow. A short one that has some ends the list, as documented; should more follow after all,
/// one row is already enough not to be flat. An exchange that names a next page after each that has rows is so asked no
/// more often.
fn may_go_on(rows: usize) -> bool {
    rows == 0 || rows >= PAGE
}

/// The id of an account, if it can be one.
pub(super) fn uid(told: &str) -> Result<Uid, Broken> {
    let is_plain = told.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain && (1..=LONGEST_UID).contains(&told.len()) {
        Ok(Uid(told.to_owned()))
    } else {
        Err(Broken(format!("a user id that is not 1 to {LONGEST_UID} letters or digits")))
    }
}

/// The exchange's have ten digits or so. Pinned in the ledger, one must not be as long as an answer may be.
pub(super) const LONGEST_UID: usize = 32;

/// Accepts `null`, but rejects a missing key, because the field has no default.
fn there_or_null<'de, R: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<R>>, D::Error> {
    Option::deserialize(from)
}

/// Whether it may stand in a query unencoded.
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
            r#"{"code":"1234567890123456"}"#,
            r#"["00000",1695865615662,{"a":1}]"#,
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
    fn f62_a_key_that_stands_twice_anywhere_makes_an_answer_none() {
        for body in [
            r#"{"code":"00000","requestTime":1,"data":[],"code":"00000"}"#,
            r#"{"code":"00000","requestTime":1,"data":[{"total":"1"}],"data":[]}"#,
            r#"{"code":"00000","msg":"a","requestTime":1,"msg":"b","data":[]}"#,
            r#"{"code":"00000","requestTime":1,"requestTime":2,"data":[]}"#,
            r#"{"code":"00000","requestTime":1,"data":[{"total":"0.4","holdSide":"short","total":"0"}]}"#,
            r#"{"code":"00000","requestTime":1,"data":{"entrustedList":[{"orderId":"1"}],"entrustedList":[]}}"#,
            r#"{"code":"00000","requestTime":1,"data":{"a":[{"b":{"c":1,"c":1}}]}}"#,
        ] {
            let broken = Envelope::parse(body.as_bytes()).unwrap_err();
            assert_eq!(broken.0, "a body in which a key stands twice", "{body}");
        }
    }

    #[test]
    fn what_is_open_is_shown_in_words_that_are_names_and_no_word_makes_a_look_fail() {
        let position = |row: Value| {
            let mut rows = Rows::default();
            rows.add_positions(&[shape(row).unwrap()]).unwrap();
            rows.into_shown().iter().map(OpenRow::say).collect::<Vec<_>>().join(", ")
        };
        let order = |row: Value| {
            let mut rows = Rows::default();
            rows.add_orders(List::PlanOrders, vec![shape(row).unwrap()]);
            rows.into_shown().iter().map(OpenRow::say).collect::<Vec<_>>().join(", ")
        };
        for (row, shown) in [
            (json!({"total": "1", "symbol": "BTCUSDT", "holdSide": "long"}), "BTCUSDT long position"),
            (json!({"total": "1", "symbol": "BTCUSDT", "posSide": "short"}), "BTCUSDT short position"),
            (json!({"total": "1", "symbol": "币安人生USDT", "posSide": "net"}), "币安人生USDT position"),
            (json!({"total": "1"}), "position"),
            (json!({"total": "1", "symbol": 7, "holdSide": {}, "posSide": [null]}), "position"),
            (json!({"total": "1", "symbol": null, "holdSide": null}), "position"),
            (json!({"total": "1", "symbol": "BTC\u{1b}[2J", "holdSide": "LONG\n"}), "position"),
            (json!({"total": "1", "symbol": "\u{202e}TDSU"}), "position"),
            (json!({"total": "1", "symbol": "X".repeat(25), "holdSide": "long"}), "long position"),
            (json!({"total": "1", "symbol": ""}), "position"),
            (json!({"total": "0", "symbol": "BTCUSDT", "holdSide": "long"}), ""),
        ] {
            assert_eq!(position(row.clone()), shown, "{row}");
        }
        for (row, shown) in [
            (
                json!({"orderId": "1", "symbol": "ETHUSDT", "side": "sell", "posSide": "long"}),
                "ETHUSDT sell plan order",
            ),
            (json!({"orderId": "1", "symbol": "ETHUSDT", "posSide": "long"}), "ETHUSDT long plan order"),
            (json!({"orderId": "1", "symbol": [], "side": 1}), "plan order"),
        ] {
            assert_eq!(order(row.clone()), shown, "{row}");
        }
        let mut many = Rows::default();
        let orders = |from: u32| {
            (from..from + 4).map(|id| shape(json!({"orderId": id.to_string()})).unwrap()).collect()
        };
        many.add_orders(List::Orders, orders(100));
        let mut others = Rows::default();
        others.add_orders(List::Orders, orders(102));
        let all = many.and(others);
        assert_eq!(
            (all.count(), all.into_shown().len()),
            (6, OpenRow::SHOWN),
            "an order in two parts is one"
        );
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
        assert!(shape::<Vec<Position>>(json!([["0"]])).is_err());
        assert!(shape::<Vec<Position>>(json!({"list": []})).is_err());
        assert!(shape::<Vec<Position>>(json!([])).unwrap().is_empty());
    }
}
