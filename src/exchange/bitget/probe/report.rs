//! What a probe brings back: every question with the shape of its answer, and what posmoded makes of all of them. Pure.
//!
//! It holds no value of the account that is not a listed word: whatever goes in here has been redacted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::asking::Record;
use super::redact::{self, Shape};
use crate::exchange::bitget::answer::{Body, Reply};
use crate::exchange::bitget::codes;
use crate::exchange::bitget::endpoint::Endpoint;
use crate::exchange::bitget::http::Response;
use crate::exchange::bitget::wire::Envelope;
use crate::facts::{AccountSettings, Class, Failure};
use crate::moment::Moment;
use crate::position_mode::{Kind, PositionMode};

/// What a probe brings back. Nothing in it says whose account it is or what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether it was asked as demo trading.
    pub demo: bool,
    /// The exchange's clock beside the host's.
    pub clock: Option<ClockReading>,
    /// Every question, in its order.
    pub asked: Vec<Asked>,
    /// What posmoded makes of the answers.
    pub made: Made,
    /// What was not asked, and why.
    pub not_asked: Vec<String>,
    /// What no read can tell.
    pub not_askable: Vec<&'static str>,
}

/// The exchange's clock beside the host's, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockReading {
    /// How far the exchange's is ahead.
    pub ahead_ms: i64,
    /// How far off this may be.
    pub doubt_ms: i64,
}

/// A question, and what came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Path and query.
    pub call: String,
    /// The HTTP status; `None` without an answer.
    pub status: Option<u16>,
    /// The exchange's code.
    pub code: Option<String>,
    /// `x-mbx-used-remain-limit`
    pub remaining: Option<u32>,
    /// Whether the envelope carries `requestTime`.
    pub request_time: bool,
    /// The shape of the data.
    pub data: String,
    /// What posmoded takes it for, if for no good answer.
    pub refused: Option<Refused>,
}

/// What posmoded takes an answer for that is no good one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refused {
    /// The exchange's code.
    pub code: Option<String>,
    /// The class of failures.
    pub class: &'static str,
    /// What is said to operators.
    pub say: String,
}

/// What is known, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told<T> {
    /// It is known.
    Known(T),
    /// It is not.
    Unknown(Refused),
}

/// What posmoded makes of the answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The kind of account.
    pub kind: Told<Kind>,
    /// Whether the key tells whose it is.
    pub uid_told: bool,
    /// What is wrong with the key's rights, as far as they are known.
    pub warnings: Vec<String>,
    /// The level of a unified account.
    pub account_level: Option<&'static str>,
    /// Its asset mode.
    pub asset_mode: Option<&'static str>,
    /// What becomes of orders that would trade with its own.
    pub stp_mode: Option<&'static str>,
    /// The categories of a unified account that posmoded asks for.
    pub categories: Vec<&'static str>,
    /// What has a mode of its own.
    pub scopes: Vec<Scoped>,
}

/// What has a mode of its own, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scoped {
    /// A product type, or `account`.
    pub scope: &'static str,
    /// The live mode.
    pub mode: Told<PositionMode>,
    /// Every list that must be empty.
    pub lists: Vec<ListRead>,
}

/// A list, or that part of it which one query reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListRead {
    /// What is in it.
    pub of: &'static str,
    /// The query.
    pub query: String,
    /// Whether nothing in it counts.
    pub empty: Told<bool>,
}

impl<T> Told<T> {
    /// Of what a look at this endpoint came to.
    pub(super) fn of(looked: Result<T, Failure>, endpoint: Endpoint) -> Told<T> {
        match looked {
            Ok(value) => Told::Known(value),
            Err(failure) => Told::Unknown(Refused::of(&failure, endpoint)),
        }
    }
}

impl Refused {
    /// Without the failure's own sentence, which may quote the answer.
    pub(super) fn of(Failure { class, code, say: _ }: &Failure, endpoint: Endpoint) -> Refused {
        let known = code.as_deref().filter(|code| codes::class(code) == *class);
        let say = match (known, class) {
            (Some(code), _) => codes::sentence(code, endpoint),
            (None, Class::RateLimited) => "too many requests".to_owned(),
            (None, Class::Stopped { .. } | Class::Busy { .. }) => "not asked, for its limit rests".to_owned(),
            (None, _) => "no whole answer as documented".to_owned(),
        };
        Refused { code: code.as_deref().map(redact::code), class: class.as_str(), say }
    }
}

impl Asked {
    /// Of a question as it went. A contract in it is told by the word that `symbols` has for it.
    pub(super) fn of(
        Record { path, query, answer }: &Record,
        symbols: &BTreeMap<String, &'static str>,
    ) -> Asked {
        let query = redact::query(query, symbols);
        let mark = if query.is_empty() { "" } else { "?" };
        let call = format!("{path}{mark}{query}");
        match answer {
            Some(response) => answered(call, path, response),
            None => Asked {
                call,
                status: None,
                code: None,
                remaining: None,
                request_time: false,
                data: "no answer".to_owned(),
                refused: Some(Refused {
                    code: None,
                    class: Class::TryAgain.as_str(),
                    say: "no answer came".to_owned(),
                }),
            },
        }
    }
}

fn answered(call: String, path: &str, Response { status, remaining, media: _, body }: &Response) -> Asked {
    let endpoint = ENDPOINTS.into_iter().find(|endpoint| endpoint.path() == path);
    let envelope = Envelope::parse(body);
    let request_time = envelope.as_ref().is_ok_and(|envelope| envelope.server.is_some());
    let code = envelope.as_ref().ok().map(|envelope| redact::code(&envelope.code));
    let dated =
        if endpoint == Some(Endpoint::Time) { envelope.map(Envelope::dated_by_its_data) } else { envelope };
    let endpoint = endpoint.unwrap_or(Endpoint::CurrentPosition);
    let reply = Reply {
        endpoint,
        asked: Moment(0),
        answered: Moment(0),
        status: *status,
        remaining: *remaining,
        envelope: dated,
        older: None,
        body: Body { bytes: 0, media: None, credential: None },
        key_hint: "",
    };
    let refused = reply.look().err().map(|failure| Refused::of(&failure, endpoint));
    let data = data(body, code.is_some());
    Asked { call, status: Some(*status), code, remaining: *remaining, request_time, data, refused }
}

/// The shape of an answer's data, or of the whole if it is no envelope.
fn data(body: &[u8], is_envelope: bool) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    match serde_json::from_slice::<Value>(body) {
        Err(_) => "no JSON".to_owned(),
        Ok(value) if !is_envelope => format!("no envelope: {}", Shape::of(&value)),
        Ok(value) => {
            value.get("data").map_or_else(|| "no data".to_owned(), |data| Shape::of(data).to_string())
        }
    }
}

/// The words of the settings: a level, an asset mode and a word for its own orders that would meet.
pub(super) fn words(settings: Option<&AccountSettings>) -> [Option<&'static str>; 3] {
    let Some(AccountSettings { account_level, asset_mode, stp_mode }) = settings else { return [None; 3] };
    [("accountLevel", account_level), ("assetMode", asset_mode), ("stpMode", stp_mode)]
        .map(|(name, word)| Some(redact::word(name, word.as_deref()?).unwrap_or("a word that is not listed")))
}

/// Those that a probe may ask.
const ENDPOINTS: [Endpoint; 12] = [
    Endpoint::Time,
    Endpoint::Contracts,
    Endpoint::AccountInfo,
    Endpoint::Account,
    Endpoint::Positions,
    Endpoint::Orders,
    Endpoint::PlanOrders,
    Endpoint::Settings,
    Endpoint::UnifiedAccountInfo,
    Endpoint::CurrentPosition,
    Endpoint::UnfilledOrders,
    Endpoint::UnfilledStrategyOrders,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, status: u16, body: &str) -> Asked {
        let response = Response { status, remaining: Some(9), media: None, body: body.as_bytes().to_vec() };
        let record = Record { path: path.to_owned(), query: "category=X".to_owned(), answer: Some(response) };
        Asked::of(&record, &BTreeMap::new())
    }

    #[test]
    fn an_answer_is_told_by_status_code_shape_and_class_and_never_by_its_message() {
        let v3 = "/api/v3/position/current-position";
        let answers = [
            (v3, 200, r#"{"code":"00000","msg":"SECRET","requestTime":1,"data":{"list":null,"cursor":""}}"#),
            (v3, 400, r#"{"code":"40085","msg":"SECRET","requestTime":1,"data":null}"#),
            (v3, 400, r#"{"code":"25240","msg":"SECRET","requestTime":1,"data":{"SECRET":"SECRET"}}"#),
            (v3, 400, r#"{"code":"40014","msg":"SECRET"}"#),
            (v3, 400, r#"{"code":"SECRET","msg":"SECRET","requestTime":1,"data":[]}"#),
            (v3, 200, r#"{"SECRET":1,"list":[{"symbol":"SECRET"}]}"#),
            (v3, 502, "<html>SECRET</html>"),
            (v3, 200, ""),
            (v3, 429, "SECRET"),
            ("/api/v2/public/time", 200, r#"{"code":"00000","data":{"serverTime":"1700000000000"}}"#),
            ("/api/v3/other", 404, r#"{"code":"40404","msg":"SECRET","requestTime":1,"data":null}"#),
        ];
        let told: String = answers
            .map(|(path, status, body)| serde_json::to_string(&asked(path, status, body)).unwrap() + "\n")
            .concat();
        assert!(!told.contains("SECRET"), "{told}");
        expect_test::expect![[r##"
            {"call":"/api/v3/position/current-position?category=X","status":200,"code":"00000","remaining":9,"request_time":true,"data":"{\"cursor\": \"\", \"list\": null}","refused":null}
            {"call":"/api/v3/position/current-position?category=X","status":400,"code":"40085","remaining":9,"request_time":true,"data":"null","refused":{"code":"40085","class":"wrong_kind","say":"the account is a unified one; its kind is looked at again"}}
            {"call":"/api/v3/position/current-position?category=X","status":400,"code":"25240","remaining":9,"request_time":true,"data":"{+1}","refused":{"code":"25240","class":"unknown_code","say":"a code that this version does not know"}}
            {"call":"/api/v3/position/current-position?category=X","status":400,"code":"40014","remaining":9,"request_time":false,"data":"no data","refused":{"code":"40014","class":"denied","say":"the key lacks a right: allow it \"UTA trade, read\" at Bitget"}}
            {"call":"/api/v3/position/current-position?category=X","status":400,"code":"no number","remaining":9,"request_time":true,"data":"[]","refused":{"code":"no number","class":"unknown_code","say":"a code that this version does not know"}}
            {"call":"/api/v3/position/current-position?category=X","status":200,"code":null,"remaining":9,"request_time":false,"data":"no envelope: {\"list\": [{\"symbol\": \"…\"}], +1}","refused":{"code":null,"class":"try_again","say":"no whole answer as documented"}}
            {"call":"/api/v3/position/current-position?category=X","status":502,"code":null,"remaining":9,"request_time":false,"data":"no JSON","refused":{"code":null,"class":"try_again","say":"no whole answer as documented"}}
            {"call":"/api/v3/position/current-position?category=X","status":200,"code":null,"remaining":9,"request_time":false,"data":"an empty body","refused":{"code":null,"class":"try_again","say":"no whole answer as documented"}}
            {"call":"/api/v3/position/current-position?category=X","status":429,"code":null,"remaining":9,"request_time":false,"data":"no JSON","refused":{"code":null,"class":"rate_limited","say":"too many requests"}}
            {"call":"/api/v2/public/time?category=X","status":200,"code":"00000","remaining":9,"request_time":false,"data":"{\"serverTime\": \"#\"}","refused":null}
            {"call":"/api/v3/other?category=X","status":404,"code":"40404","remaining":9,"request_time":true,"data":"null","refused":{"code":"40404","class":"our_fault","say":"Bitget does not accept the request as posmoded writes it: check --base-url, and look for a newer version"}}
        "##]].assert_eq(&told);
    }

    #[test]
    fn a_failure_is_told_without_the_answer_that_it_quotes() {
        let failure = |class, code: Option<&str>| {
            let (code, say) = (code.map(str::to_owned), "SECRET".to_owned());
            let Refused { code, class, say } = Refused::of(&Failure { class, code, say }, Endpoint::Orders);
            format!("{} {class}: {say}", code.unwrap_or_default())
        };
        let told = [
            failure(Class::UnknownCode, Some("59999")),
            failure(Class::Denied, Some("40014")),
            failure(Class::TryAgain, Some("40014")),
            failure(Class::TryAgain, None),
            failure(Class::RateLimited, None),
            failure(Class::Stopped { until: Moment(1) }, None),
        ];
        expect_test::expect![[r#"
            59999 unknown_code: a code that this version does not know
            40014 denied: the key lacks a right: allow it "futures, read" at Bitget
            40014 try_again: no whole answer as documented
             try_again: no whole answer as documented
             rate_limited: too many requests
             stopped: not asked, for its limit rests"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn the_words_of_the_settings_are_listed_ones() {
        let settings = AccountSettings {
            account_level: Some("basic".to_owned()),
            asset_mode: Some("8812345678".to_owned()),
            stp_mode: None,
        };
        assert_eq!(words(Some(&settings)), [Some("basic"), Some("a word that is not listed"), None]);
        assert_eq!(words(None), [None; 3]);
    }
}
