//! What holds of every answer of the exchange, and of the name of every lane.

use std::fmt;
use std::time::Duration;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use strum::VariantArray as _;

use super::answer::{Body, Payload, RUN, Reply, cleaned};
use super::codes;
use super::endpoint::Endpoint;
use super::pace::LaneName;
use super::wire::classic::{AccountInfo, Contract, Page, SingleAccount};
use super::wire::unified::{self, KeyInfo, PositionList, Settings, Stage};
use super::wire::{
    Broken, Envelope, LONGEST_CODE, LONGEST_SYMBOL, LONGEST_UID, Order, PAGE, Position, Rows, Time, shape,
    uid,
};
use crate::constants::MESSAGE_SHOWN;
use crate::exchange::credential::Credential;
use crate::facts::{Class, Failure, List, OpenRow, SetAnswer};
use crate::moment::Moment;

/// The body of an answer to each call: what is concluded is in it, and what is told of it is short,
/// in one line and without a secret.
pub fn answer(bytes: &[u8]) {
    let Ok(credential) = Credential::new(KEY.to_owned(), SECRET.to_owned(), PASSPHRASE.to_owned()) else {
        return;
    };
    let envelope = Envelope::parse(bytes);
    assert_eq!(envelope, Envelope::parse(bytes), "parsed twice");
    if let Ok(Envelope { code, server, data, said: _ }) = &envelope {
        assert!(is_plain(code) && code.len() <= LONGEST_CODE);
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let Keys(written) = serde_json::from_slice(bytes).unwrap_or(Keys(0));
        assert_eq!(written, keys(&value), "a key that stands twice");
        assert!(server.is_none_or(|server| server.0 > 0));
        assert!(data.as_ref().is_none_or(|data| !data.is_null()));
    }
    message(&cleaned(&String::from_utf8_lossy(bytes), Some(&credential)));
    let mut reply = Reply {
        endpoint: Endpoint::SetPositionMode,
        asked: Moment(0),
        answered: Moment(50),
        status: 200,
        remaining: None,
        envelope,
        older: None,
        body: Body { bytes: bytes.len(), media: None, credential: Some(credential) },
        key_hint: "",
    };
    for status in STATUSES {
        reply.status = status;
        look(&reply);
        set(&reply);
    }
    for endpoint in Endpoint::VARIANTS.iter().copied() {
        for status in [200, 400] {
            (reply.endpoint, reply.status) = (endpoint, status);
            look(&reply);
        }
    }
    reply.older = Some(Duration::from_secs(20));
    for status in STATUSES {
        reply.status = status;
        old(&reply);
    }
}

/// The name of a lane, as the ledger keeps it.
pub fn lane(text: &str) {
    if let Ok(lane) = text.parse::<LaneName>() {
        assert_eq!(lane.to_string(), text);
        assert_eq!(lane.permits() == 0, lane == LaneName::Everything);
    }
}

fn look(reply: &Reply) {
    match reply.look() {
        Ok(Payload { server, data }) => {
            assert!((200..300).contains(&reply.status) && reply.code() == Some(codes::DONE));
            assert_eq!(reply.server(), Some(server));
            let concluded = concluded(reply.endpoint, data.clone());
            let printed: Value = serde_json::from_str(&data.to_string()).unwrap_or_default();
            assert_eq!(concluded, self::concluded(reply.endpoint, printed), "as it is printed");
            if let Err(broken) = &concluded {
                told(&reply.broken(broken));
            }
        }
        Err(failure) => told(&failure),
    }
}

fn set(reply: &Reply) {
    let is_done = reply.code() == Some(codes::DONE);
    match reply.set() {
        SetAnswer::Accepted => {
            assert!(is_done && reply.server().is_some() && (200..300).contains(&reply.status));
        }
        SetAnswer::Refused(failure) => {
            assert!(reply.status == 429 || !is_done && reply.server().is_some() && reply.status < 500);
            told(&failure);
        }
        SetAnswer::NotSent(_) => panic!("an answer is the proof that it was sent"),
        SetAnswer::Unclear(failure) => sentence(&failure.say),
    }
}

/// An answer from before its question: nothing is concluded from it but that the timestamp was refused, or that it was
/// one too many.
fn old(reply: &Reply) {
    match reply.look() {
        Ok(_) => panic!("an old answer is believed"),
        Err(failure) => told(&failure),
    }
    assert_eq!(reply.server(), None);
    let settles = |class| matches!(class, Class::Clock | Class::RateLimited);
    match reply.set() {
        SetAnswer::Accepted => assert_eq!(reply.code(), Some(codes::DONE)),
        SetAnswer::Refused(failure) => {
            assert!(settles(failure.class), "{failure:?}");
            told(&failure);
        }
        SetAnswer::Unclear(failure) => told(&failure),
        SetAnswer::NotSent(_) => panic!("it was answered"),
    }
}

/// How many keys all objects of a text have, those that stand twice counted twice.
struct Keys(usize);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        from.deserialize_any(CountsKeys).map(Keys)
    }
}

struct CountsKeys;

impl<'de> Visitor<'de> for CountsKeys {
    type Value = usize;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<usize, A::Error> {
        let mut all = 0;
        while let Some(Keys(of_row)) = rows.next_element()? {
            all += of_row;
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<usize, A::Error> {
        let mut all = 0;
        while let Some((_, Keys(of_value))) = fields.next_entry::<String, Keys>()? {
            all += 1 + of_value;
        }
        Ok(all)
    }
}

/// The same of a value.
fn keys(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(|value| 1 + keys(value)).sum(),
        Value::Array(rows) => rows.iter().map(keys).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What the call's own parser makes of the data.
fn concluded(endpoint: Endpoint, data: Value) -> Result<String, Broken> {
    let given = data.clone();
    Ok(match endpoint {
        Endpoint::Time => format!("{:?}", shape::<Time>(data)?.server_time()?),
        Endpoint::Contracts => {
            let rows: Vec<Value> = shape(data)?;
            let sample = rows.into_iter().find_map(|row| shape::<Contract>(row).ok()?.sample());
            if let Some(sample) = &sample {
                assert!(is_plain(&sample.symbol) && is_plain(&sample.margin_coin));
            }
            format!("{sample:?}")
        }
        Endpoint::AccountInfo => {
            let info: AccountInfo = shape(data)?;
            let rights = info.rights();
            assert_eq!(rights.is_some(), given["authorities"].is_array());
            let uid = uid(&info.user_id)?;
            assert!((1..=LONGEST_UID).contains(&uid.0.len()) && given["userId"] == uid.0.as_str());
            format!("{uid} {rights:?}")
        }
        Endpoint::Account => {
            let mode = shape::<SingleAccount>(data)?.pos_mode;
            assert_eq!(given["posMode"], mode.as_str());
            mode.to_string()
        }
        Endpoint::Positions => opened(&shape::<Vec<Position>>(data)?, &given)?,
        Endpoint::CurrentPosition => opened(&shape::<PositionList>(data)?.positions(), &given["list"])?,
        Endpoint::Orders | Endpoint::PlanOrders => {
            let (rows, next) = shape::<Page>(data)?.rows()?;
            // A full page has always an id to go on from; an empty one is followed if it names one.
            let named = given["endId"].as_str().is_some_and(|id| !id.is_empty());
            assert_eq!(next.is_some(), rows.len() >= PAGE || rows.is_empty() && named);
            paged(rows, next.as_deref(), &given["entrustedList"])
        }
        Endpoint::UnfilledOrders => {
            let (rows, next) = shape::<unified::Page>(data)?.rows()?;
            let named = given["cursor"].as_str().is_some_and(|cursor| !cursor.is_empty());
            assert_eq!(next.is_some(), named && (rows.len() >= PAGE || rows.is_empty()));
            paged(rows, next.as_deref(), &given["list"])
        }
        Endpoint::UnfilledStrategyOrders => paged(shape::<Vec<Order>>(data)?, None, &given),
        Endpoint::Settings => {
            let stage = shape::<Settings>(data)?.stage()?;
            match stage {
                Stage::Unified(mode) => assert_eq!(given["holdMode"], mode.as_str()),
                Stage::Converting(word) => assert_eq!(given["accountMode"], word),
            }
            format!("{stage:?}")
        }
        Endpoint::UnifiedAccountInfo => {
            let info: KeyInfo = shape(data)?;
            let rights = info.rights();
            assert!(rights.is_none() || given["permType"].is_string() && given["permissions"].is_array());
            format!("{:?} {rights:?}", info.user_id)
        }
        // A set's answer is its code.
        Endpoint::SetPositionMode | Endpoint::SetHoldMode => String::new(),
    })
}

/// No position is lost that a number says is there.
fn opened(rows: &[Position], given: &Value) -> Result<String, Broken> {
    let mut open = Rows::default();
    open.add_positions(rows)?;
    let count = open.count();
    shown(open);
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(rows.len(), given.len());
    let total = |row: &Value| row["total"].as_str()?.trim().parse::<f64>().ok();
    let surely = given.iter().filter(|row| total(row).is_some_and(|total| total != 0.0)).count();
    assert!((surely..=rows.len()).contains(&usize::try_from(count).unwrap_or(usize::MAX)));
    Ok(count.to_string())
}

/// No order is lost, and the next page can be asked for.
fn paged(rows: Vec<Order>, next: Option<&str>, given: &Value) -> String {
    assert_eq!(rows.len(), given.as_array().map_or(0, Vec::len));
    assert!(next.is_none_or(is_plain));
    let ids: Vec<&str> = rows.iter().map(|order| order.id.as_str()).collect();
    let told = format!("{ids:?} {next:?}");
    let mut open = Rows::default();
    open.add_orders(List::Orders, rows);
    shown(open);
    told
}

/// No more is shown than a few rows, and of those no more than what can be a contract's name.
fn shown(rows: Rows) {
    let count = rows.count();
    let shown = rows.into_shown();
    assert_eq!(shown.len(), OpenRow::SHOWN.min(usize::try_from(count).unwrap_or(usize::MAX)));
    for symbol in shown.iter().filter_map(|row| row.symbol.as_deref()) {
        let is_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
        assert!((1..=LONGEST_SYMBOL).contains(&symbol.chars().count()) && symbol.chars().all(is_of_a_name));
    }
}

fn told(failure: &Failure) {
    let Failure { class: _, code, say } = failure;
    assert!(code.as_deref().is_none_or(is_plain));
    sentence(say);
}

fn sentence(say: &str) {
    assert!(!say.contains(char::is_control), "{say:?}");
    assert!(say.chars().count() <= MESSAGE_SHOWN + 600, "{say:?}");
    if let Some((_, answer)) = say.split_once(". The answer: ") {
        message(answer.split_once(", \"").map_or(answer, |(_, said)| said));
    }
    assert!(![KEY, SECRET, PASSPHRASE].iter().any(|secret| say.contains(secret)), "{say:?}");
}

/// What is shown of what others wrote.
fn message(said: &str) {
    assert!(said.chars().count() <= MESSAGE_SHOWN + 30, "{said:?}");
    let is_of_a_run = |letter: char| letter.is_alphanumeric() || "+/=_-".contains(letter);
    let longest = said.split(|letter| !is_of_a_run(letter)).map(|run| run.chars().count()).max();
    assert!(longest.is_none_or(|longest| longest < RUN), "{said:?}");
}

fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&word.len()) && word.bytes().all(plain)
}

/// One of each class, and those with a meaning of their own.
const STATUSES: [u16; 9] = [200, 204, 302, 400, 403, 404, 429, 500, 999];
const KEY: &str = "test-key";
const SECRET: &str = "test/secret";
const PASSPHRASE: &str = "test\"pass";
