//! What holds of every answer of the exchange, and of the name of every lane.

use serde_json::Value;
use strum::VariantArray as _;

use super::answer::{Body, Payload, Reply, shown};
use super::codes;
use super::endpoint::Endpoint;
use super::identity::{LONGEST_UID, uid};
use super::pace::LaneName;
use super::wire::classic::{AccountInfo, Contract, Page, SingleAccount};
use super::wire::unified::{self, KeyInfo, PositionList, Settings, Stage};
use super::wire::{Broken, Envelope, Order, PAGE, Position, Time, open, shape};
use crate::constants::BODY_SHOWN;
use crate::exchange::credential::Credential;
use crate::facts::{Failure, SetAnswer};
use crate::moment::Moment;

/// The body of an answer to each call: what is concluded is in it, and what is told of it is short,
/// in one line and without a secret.
pub fn answer(bytes: &[u8]) {
    let Ok(credential) = Credential::new(KEY.to_owned(), SECRET.to_owned(), PASSPHRASE.to_owned()) else {
        return;
    };
    let envelope = Envelope::parse(bytes);
    assert_eq!(envelope, Envelope::parse(bytes), "parsed twice");
    if let Ok(Envelope { code, server, data }) = &envelope {
        assert!(is_plain(code));
        assert!(server.is_none_or(|server| server.0 > 0));
        assert!(data.as_ref().is_none_or(|data| !data.is_null()));
    }
    let shown = shown(bytes, Some(&credential));
    assert!(shown.len() <= BODY_SHOWN + " [cut]".len());
    let mut reply = Reply {
        endpoint: Endpoint::SetPositionMode,
        asked: Moment(0),
        answered: Moment(50),
        status: 200,
        remaining: None,
        envelope,
        body: Body { bytes: bytes.to_vec(), credential: Some(credential) },
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
            // A full classic page has always an id to go on from.
            assert_eq!(next.is_some(), rows.len() >= PAGE);
            paged(&rows, next.as_deref(), &given["entrustedList"])
        }
        Endpoint::UnfilledOrders => {
            let (rows, next) = shape::<unified::Page>(data)?.rows()?;
            assert!(next.is_none() || rows.len() >= PAGE);
            paged(&rows, next.as_deref(), &given["list"])
        }
        Endpoint::UnfilledStrategyOrders => paged(&shape::<Vec<Order>>(data)?, None, &given),
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
    let count = open(rows)?;
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(rows.len(), given.len());
    let total = |row: &Value| row["total"].as_str()?.trim().parse::<f64>().ok();
    let surely = given.iter().filter(|row| total(row).is_some_and(|total| total != 0.0)).count();
    assert!((surely..=rows.len()).contains(&usize::try_from(count).unwrap_or(usize::MAX)));
    Ok(count.to_string())
}

/// No order is lost, and the next page can be asked for.
fn paged(rows: &[Order], next: Option<&str>, given: &Value) -> String {
    assert_eq!(rows.len(), given.as_array().map_or(0, Vec::len));
    assert!(next.is_none_or(is_plain));
    let ids: Vec<&str> = rows.iter().map(|order| order.order_id.as_str()).collect();
    format!("{ids:?} {next:?}")
}

fn told(failure: &Failure) {
    let Failure { class: _, code, say } = failure;
    assert!(code.as_deref().is_none_or(is_plain));
    sentence(say);
}

fn sentence(say: &str) {
    assert!(!say.contains(char::is_control), "{say:?}");
    assert!(say.len() <= BODY_SHOWN + 512, "{say:?}");
    assert!(![KEY, SECRET, PASSPHRASE].iter().any(|secret| say.contains(secret)), "{say:?}");
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
