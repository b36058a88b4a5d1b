//! What may be shown of an answer: its shape, and words out of a fixed list. Pure.
//!
//! A value is shown only if it is a listed word beside the name that it is listed for. A name that is in no list is
//! counted, for it may itself be a value: of an object that is keyed by symbols, for example.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// The shape of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Null,
    Boolean,
    Number,
    /// A text without a letter.
    Empty,
    /// A number that is written as a text.
    Digits,
    Text,
    Word(&'static str),
    List(BTreeSet<Shape>),
    Object {
        known: BTreeMap<&'static str, BTreeSet<Shape>>,
        /// How many more names there are.
        others: usize,
    },
}

impl Shape {
    /// The shape of `value`, which stands beside `name` if it stands in an object, or in a list there.
    pub(super) fn of(value: &Value) -> Shape {
        Shape::beside("", value)
    }

    fn beside(name: &str, value: &Value) -> Shape {
        match value {
            Value::Null => Shape::Null,
            Value::Bool(_) => Shape::Boolean,
            Value::Number(_) => Shape::Number,
            Value::String(text) => of_text(name, text),
            Value::Array(rows) => Shape::List(merged(rows.iter().map(|row| Shape::beside(name, row)))),
            Value::Object(fields) => of_object(fields),
        }
    }
}

fn of_text(name: &str, text: &str) -> Shape {
    if text.is_empty() {
        return Shape::Empty;
    }
    if let Some(word) = word(name, text) {
        return Shape::Word(word);
    }
    if text.parse::<f64>().is_ok() { Shape::Digits } else { Shape::Text }
}

fn of_object(fields: &Map<String, Value>) -> Shape {
    let mut known = BTreeMap::new();
    let mut others = 0;
    for (name, value) in fields {
        match listed(name) {
            Some(name) => {
                known.insert(name, BTreeSet::from([Shape::beside(name, value)]));
            }
            None => others += 1,
        }
    }
    Shape::Object { known, others }
}

/// The shapes of all rows: each once, and objects as one that has what any of them has.
fn merged(shapes: impl Iterator<Item = Shape>) -> BTreeSet<Shape> {
    let mut all = BTreeSet::new();
    let mut object: Option<(BTreeMap<&'static str, BTreeSet<Shape>>, usize)> = None;
    for shape in shapes {
        if let Shape::Object { known, others } = shape {
            let (of_all, most) = object.get_or_insert_default();
            *most = others.max(*most);
            for (name, shapes) in known {
                of_all.entry(name).or_default().extend(shapes);
            }
        } else {
            all.insert(shape);
        }
    }
    all.extend(object.map(|(known, others)| Shape::Object { known, others }));
    all
}

/// `text` as the listed word that it is beside this name.
pub(super) fn word(name: &str, text: &str) -> Option<&'static str> {
    let (_, words) = WORDS.iter().find(|(of, _)| *of == name)?;
    words.iter().copied().find(|word| *word == text)
}

fn listed(name: &str) -> Option<&'static str> {
    let with_words = WORDS.iter().map(|(name, _)| *name);
    with_words.chain(NAMES.iter().copied()).find(|listed| *listed == name)
}

/// A code, if it looks like those of the exchange.
pub(super) fn code(code: &str) -> String {
    let is_one = (1..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    if is_one { code.to_owned() } else { "no number".to_owned() }
}

/// A query without values that say something of the account. A contract is told by the word that `symbols` has for it.
pub(super) fn query(query: &str, symbols: &BTreeMap<String, &'static str>) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "symbol" => format!("symbol=<{}>", symbols.get(value).copied().unwrap_or("usual")),
            _ if OPEN_PARAMETERS.contains(&name) => format!("{name}={value}"),
            "marginCoin" | "cursor" | "idLessThan" => format!("{name}=…"),
            _ => "…".to_owned(),
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Null => out.write_str("null"),
            Shape::Boolean => out.write_str("boolean"),
            Shape::Number => out.write_str("#"),
            Shape::Empty => out.write_str("\"\""),
            Shape::Digits => out.write_str("\"#\""),
            Shape::Text => out.write_str("\"…\""),
            Shape::Word(word) => write!(out, "\"{word}\""),
            Shape::List(shapes) => write!(out, "[{}]", joined(shapes, ", ")),
            Shape::Object { known, others } => {
                let fields =
                    known.iter().map(|(name, shapes)| format!("\"{name}\": {}", joined(shapes, " or ")));
                let more = (*others > 0).then(|| format!("+{others}"));
                write!(out, "{{{}}}", fields.chain(more).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn joined(shapes: &BTreeSet<Shape>, by: &str) -> String {
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(by)
}

/// Words that say how an account is set up, or what a key may do, by the name that they stand beside.
const WORDS: [(&str, &[&str]); 10] = [
    ("accountMode", &["classic", "unified", "hybrid", "upgrading", "switching"]),
    ("accountLevel", &["basic", "advanced", "isolated", "delta"]),
    ("assetMode", &["single", "union", "multi_assets"]),
    ("stpMode", &["none", "cancel_taker", "cancel_maker", "cancel_both"]),
    ("holdMode", &["one_way_mode", "hedge_mode"]),
    ("posMode", &["one_way_mode", "hedge_mode"]),
    ("permType", &["read_and_write", "read-and-write", "read_only", "read-only"]),
    ("permissions", &["uta_mgt", "uta_trade", "withdraw"]),
    ("authorities", &["coor", "coow", "cpor", "cpow", "stor", "stow", "wwor", "wwow"]),
    ("symbolStatus", &["listed", "normal", "maintain", "limit_open", "restrictedAPI", "off"]),
];
/// Other names that are shown, without what stands beside them.
const NAMES: [&str; 12] = [
    "serverTime",
    "uid",
    "userId",
    "parentId",
    "ips",
    "list",
    "entrustedList",
    "cursor",
    "endId",
    "total",
    "orderId",
    "symbol",
];
/// Parameters whose values say nothing of an account.
const OPEN_PARAMETERS: [&str; 6] = ["productType", "category", "status", "planType", "type", "limit"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        Shape::of(value).to_string()
    }

    #[test]
    fn a_shape_has_what_matters_and_no_value() {
        let settings = json!({"uid": "8812345678", "accountMode": "hybrid", "accountLevel": "basic",
            "assetMode": "single", "holdMode": "hedge_mode", "stpMode": "none", "symbolConfigList": []});
        let info = json!({"userId": "8812345678", "parentId": 8_812_345_670_u64, "ips": "192.0.2.1",
            "permType": "read_and_write", "permissions": ["uta_trade", "uta_mgt", "something_new"]});
        let positions = json!({"list": [
            {"symbol": "BTCUSDT", "total": "0.013", "holdMode": "hedge_mode", "avgPrice": "64123.5"},
            {"symbol": "DOGEUSDT", "total": 7, "holdMode": "one_way_mode"},
        ]});
        let mut told = String::new();
        for value in [
            settings,
            info,
            positions,
            json!({"list": null, "cursor": ""}),
            json!({"entrustedList": [], "endId": null}),
            json!([]),
            json!("success"),
            json!({"BTCUSDT": {"total": "1"}, "flag": true}),
        ] {
            told += &(shown(&value) + "\n");
        }
        expect_test::expect![[r##"
            {"accountLevel": "basic", "accountMode": "hybrid", "assetMode": "single", "holdMode": "hedge_mode", "stpMode": "none", "uid": "#", +1}
            {"ips": "…", "parentId": #, "permType": "read_and_write", "permissions": ["…", "uta_mgt", "uta_trade"], "userId": "#"}
            {"list": [{"holdMode": "hedge_mode" or "one_way_mode", "symbol": "…", "total": # or "#", +1}]}
            {"cursor": "", "list": null}
            {"endId": null, "entrustedList": []}
            []
            "…"
            {+2}
        "##]]
        .assert_eq(&told);
    }

    #[test]
    fn a_listed_word_is_shown_beside_its_own_name_only() {
        assert_eq!(shown(&json!({"holdMode": "hedge_mode"})), r#"{"holdMode": "hedge_mode"}"#);
        assert_eq!(shown(&json!({"symbol": "hedge_mode"})), r#"{"symbol": "…"}"#);
        assert_eq!(shown(&json!(["hedge_mode"])), r#"["…"]"#);
        assert_eq!(shown(&json!({"accountMode": "hedge_mode"})), r#"{"accountMode": "…"}"#);
    }

    #[test]
    fn a_code_is_a_short_number() {
        for good in ["00000", "429", "400171"] {
            assert_eq!(code(good), good);
        }
        for bad in ["", "8812345678", "BTCUSDT", "40 85", "４０"] {
            assert_eq!(code(bad), "no number");
        }
    }

    #[test]
    fn of_a_query_only_what_says_nothing_of_the_account_is_shown() {
        let symbols = BTreeMap::from([("LUNAUSDT".to_owned(), "off")]);
        let told = |text: &str| query(text, &symbols);
        assert_eq!(told(""), "");
        assert_eq!(told("category=USDT-FUTURES&limit=100"), "category=USDT-FUTURES&limit=100");
        let account = "marginCoin=USDT&productType=USDT-FUTURES&symbol=";
        assert_eq!(
            told(&format!("{account}BTCUSDT")),
            "marginCoin=…&productType=USDT-FUTURES&symbol=<usual>"
        );
        assert_eq!(told(&format!("{account}LUNAUSDT")), "marginCoin=…&productType=USDT-FUTURES&symbol=<off>");
        assert_eq!(told("idLessThan=1300000000000000001&botId=77"), "idLessThan=…&…");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let words = WORDS.iter().flat_map(|(name, words)| [*name].into_iter().chain(words.iter().copied()));
        let listed: Vec<String> = words.chain(NAMES).map(str::to_owned).collect();
        let text = prop_oneof![
            proptest::sample::select(listed),
            "[A-Z]{3,5}USDT",
            "[0-9]{1,12}(\\.[0-9]{1,4})?",
            "\\PC{0,12}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_only_listed_words_come_through(value in any_json()) {
            let told = shown(&value);
            let is_in_a_word = |c: char| !"{}[]\", :#…+".contains(c);
            for token in told.split(|c| !is_in_a_word(c)).filter(|token| !token.is_empty()) {
                let is_listed = WORDS.iter().any(|(name, words)| *name == token || words.contains(&token))
                    || NAMES.contains(&token)
                    || ["null", "boolean", "or"].contains(&token);
                // How many more names there are.
                let is_a_count = told.contains(&format!("+{token}")) && token.len() <= 2;
                prop_assert!(is_listed || is_a_count, "{token} in {told}");
            }
        }
    }
}
