//! The JSON Schema of the file, for editors: it never refuses what `read` accepts, and lists what it cannot express.
//!
//! Built from the same lists as the rules; bounds are in its descriptions, for a reader. Only `read` decides whether a
//! file is accepted.

use std::time::Duration;

use serde_json::{Value, json};
use strum::VariantNames as _;

use super::keys::{
    ACCOUNT, CHECK_EVERY, DEFAULTS, FILE, LONGEST_HOST, LONGEST_REASON, LONGEST_UID, NO_REASONS, REQUIREMENT,
    SETTLE, Section, WINDOW,
};
use crate::facts::DriftPolicy;
use crate::moment::spell;
use crate::position_mode::{PositionMode, ProductType};

/// The schema as one JSON object, draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The position modes that posmoded keeps",
        "description": UNSAID.join(" "),
        "$comment": UNSAID.join(" "),
        "type": "object",
        "properties": properties(&FILE),
        "required": ["version", "max_changes", "accounts"],
        "additionalProperties": false,
        "anyOf": [
            {
                "description": "`drift` is under `defaults` ...",
                "properties": { "defaults": { "required": ["drift"] } },
                "required": ["defaults"],
            },
            {
                "description": "... or in every account",
                "properties": { "accounts": { "additionalProperties": { "required": ["drift"] } } },
            },
        ],
    })
}

/// The rules that no schema can express, or this one does not; `posmoded check` applies them.
pub(super) const UNSAID: [&str; 11] = [
    "This schema helps an editor; `posmoded check` alone says whether a file is good. What it does not say:",
    "the last line must be `...`, YAML's end mark;",
    "no key may stand twice, and there is one document;",
    "anchors, aliases, tags and merge keys (`<<`) are refused, and so is a file of more than 1 MiB;",
    "a duration must be within its bounds (check_every 5s to 1h, settle 0s to 24h) and is written like 90s, 5m or 1h 30m;",
    "the reason of `suspend` is one line of visible characters, and `No` is as little a reason as `no`;",
    "a number is written in plain digits;",
    "a window's pattern must match at some time, its zone must be one of the IANA database, and it lasts 1s to 366d;",
    "the windows of an account must be declared, and what it requires must be a unit or a path that the daemon can see;",
    "an account with `demo: true` has none of the product types that begin with S;",
    "credentials do not belong into this file.",
];

/// The schema of each of a section's keys.
fn properties(Section { name, keys }: &Section) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), property(name, key))).collect::<serde_json::Map<_, _>>().into()
}

pub(super) fn property(section: &str, key: &str) -> Value {
    match key {
        "version" => json!({ "description": "Of this format.", "const": 1, "examples": [1] }),
        "max_changes" => json!({
            "description": "At most so many sets in any hour, whatever their cause; more of them wait for `posmoded approve`.",
            "type": "integer", "minimum": 1, "maximum": u32::MAX, "examples": [3],
        }),
        "defaults" => json!({
            "description": "What holds for every account that does not say otherwise.",
            "type": "object", "properties": properties(&DEFAULTS), "additionalProperties": false,
            "examples": [{ "drift": "correct", "settle": "5m" }],
        }),
        "accounts" => json!({
            "description": "The accounts by name; each name picks the credential file of the same name.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": {
                "type": "object",
                "properties": properties(&ACCOUNT),
                "required": ["position_mode"],
                "additionalProperties": false,
            },
            "examples": [{ "desk-main": { "position_mode": "hedge_mode" } }],
        }),
        "opens" => json!({
            "description": "When it opens: a cron pattern of six fields, seconds first.",
            "type": "string", "pattern": r"^\s*(\S+\s+){5}\S+\s*$", "examples": ["0 0 22 * * Fri"],
        }),
        "lasts" => duration("How long it stays open: 1s to 366d.", None, "48h"),
        "time_zone" => json!({
            "description": "Whose wall clock it goes by: a name of the IANA database.",
            "type": "string", "minLength": 1, "examples": ["Europe/London", "UTC"],
        }),
        "require" => json!({
            "description": "What must be so on the host before anything is changed: all of it.",
            "type": "array", "minItems": 1,
            "items": {
                "type": "object", "properties": properties(&REQUIREMENT), "minProperties": 1, "maxProperties": 1,
                "additionalProperties": false,
            },
            "examples": [[{ "unit_inactive": "strategy.service" }]],
        }),
        "unit_inactive" => json!({
            "description": "A systemd unit that does not run.",
            "type": "string", "pattern": r"^[^-@./*?\[][^/*?\[ ]*\.[a-z]+$", "examples": ["strategy.service"],
        }),
        "file_absent" => json!({
            "description": "A path at which there is nothing.",
            "type": "string", "pattern": "^/[^/]", "examples": ["/run/strategy.lock"],
        }),
        "windows" if section == ACCOUNT.name => json!({
            "description": "The times in which it may be changed, by the names of windows: alternatives.",
            "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "string", "pattern": NAME },
            "examples": [["weekend"]],
        }),
        "windows" => json!({
            "description": "Times in which changes are allowed, by name; accounts name them.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": {
                "type": "object",
                "properties": properties(&WINDOW),
                "required": WINDOW.keys,
                "additionalProperties": false,
            },
            "examples": [{ "weekend": { "opens": "0 0 22 * * Fri", "lasts": "48h", "time_zone": "Europe/London" } }],
        }),
        "uid" => json!({
            "description": "Whose key it must be: nothing is changed if it belongs to another account.",
            "type": "string", "pattern": format!("^[0-9]{{1,{LONGEST_UID}}}$"),
            "examples": ["1234567890"],
        }),
        "host" => json!({
            "description": "The one host that asks for this account and sets it, as `hostname` prints it there.",
            "type": "string", "pattern": format!("^[a-zA-Z0-9_.-]{{1,{LONGEST_HOST}}}$"),
            "examples": ["trade-01"],
        }),
        "position_mode" => position_mode(),
        "demo" => json!({
            "description": "Whether its key was made in demo mode.",
            "type": "boolean", "default": false, "examples": [true],
        }),
        "drift" => json!({
            "description": "What to do when somebody else changes a mode: set it again, or only say so. It stands under `defaults` or in \
                            each account: there is no built-in default.",
            "enum": DriftPolicy::VARIANTS, "examples": ["correct"],
        }),
        "check_every" => {
            let what = "How often a mode that is right is compared again: 5s to 1h.";
            duration(what, Some(CHECK_EVERY), "60s")
        }
        "settle" => {
            let what = "How long an account must have been flat before its mode is changed: 0s to 24h.";
            duration(what, Some(SETTLE), "5m")
        }
        "suspend" => json!({
            "description": "Why nothing is changed: watched, never set.",
            "type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "not": { "enum": NO_REASONS },
            "examples": ["until the risk review is done"],
        }),
        // A key without its own schema here allows anything, so that nothing that `read` accepts is refused.
        _ => json!(true),
    }
}

/// The name of an account or a window.
const NAME: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

fn position_mode() -> Value {
    let mode = json!({ "enum": PositionMode::VARIANTS });
    let products: serde_json::Map<_, _> =
        ProductType::VARIANTS.iter().map(|product| ((*product).to_owned(), mode.clone())).collect();
    json!({
        "description": "One mode for everything the account has, or one per product type.",
        "anyOf": [
            mode,
            { "type": "object", "properties": products, "minProperties": 1, "additionalProperties": false },
        ],
        "examples": ["hedge_mode", { "USDT-FUTURES": "hedge_mode", "COIN-FUTURES": "one_way_mode" }],
    })
}

fn duration(what: &str, unless_given: Option<Duration>, such_as: &str) -> Value {
    let mut schema = json!({
        "description": what, "type": "string", "pattern": "[0-9]", "examples": [such_as, "90s"],
    });
    if let (Some(default), Some(words)) = (unless_given, schema.as_object_mut()) {
        words.insert("default".to_owned(), spell(default).into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_file_has_its_own_words() {
        for section in [FILE, DEFAULTS, ACCOUNT, WINDOW, REQUIREMENT] {
            for key in section.keys {
                assert!(property(section.name, key)["description"].is_string(), "{key}");
                assert!(property(section.name, key)["examples"][0] != Value::Null, "{key}");
            }
        }
    }
}
