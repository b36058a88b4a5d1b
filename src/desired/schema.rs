//! The JSON Schema of the file, for editors: it never refuses what `read` accepts, and lists what it cannot say.
//!
//! Made of the same lists and bounds as the rules. It judges nothing: `read` alone decides.

use serde_json::{Value, json};

use super::rules::{ACCOUNT, DEFAULTS, FILE, LONGEST_HOST, LONGEST_REASON, LONGEST_UID, NO_REASONS};
use crate::position_mode::{PositionMode, ProductType};

/// The schema as one JSON object, draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The position modes that posmoded keeps",
        "description": UNSAID.join(" "),
        "$comment": UNSAID.join(" "),
        "type": "object",
        "properties": properties(FILE.keys),
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

/// What no schema can say, or this one does not; `posmoded check` does.
const UNSAID: [&str; 8] = [
    "This schema helps an editor; `posmoded check` alone says whether a file is good. What it does not say:",
    "the last line must be `...`, YAML's end mark;",
    "no key may stand twice, and there is one document;",
    "anchors, aliases, tags and merge keys (`<<`) are refused, and so is a file of more than 1 MiB;",
    "a duration must be within its bounds (check_every 5s to 1h, settle 0s to 24h) and is written like 90s, 5m or 1h 30m;",
    "the reason of `suspend` is one line of visible characters, and `No` is as little a reason as `no`;",
    "a number is written in plain digits;",
    "credentials do not belong into this file.",
];

/// The schema of each of a section's keys.
fn properties(keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), property(key))).collect::<serde_json::Map<_, _>>().into()
}

fn property(key: &str) -> Value {
    match key {
        "version" => json!({ "description": "Of this format.", "const": 1 }),
        "max_changes" => json!({
            "description": "At most so many sets in any hour, whatever their cause; more of them wait for `posmoded approve`.",
            "type": "integer", "minimum": 1, "maximum": u32::MAX,
        }),
        "defaults" => json!({
            "description": "What holds for every account that does not say otherwise.",
            "type": "object", "properties": properties(DEFAULTS.keys), "additionalProperties": false,
        }),
        "accounts" => json!({
            "description": "The accounts by name; each name picks the credential file of the same name.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
            "additionalProperties": {
                "type": "object",
                "properties": properties(ACCOUNT.keys),
                "required": ["position_mode"],
                "additionalProperties": false,
            },
        }),
        "uid" => json!({
            "description": "Whose key it must be: nothing is changed if it belongs to another account.",
            "type": "string", "pattern": format!("^[0-9]{{1,{LONGEST_UID}}}$"),
        }),
        "host" => json!({
            "description": "The one host that asks for this account and sets it, as `hostname` prints it there.",
            "type": "string", "pattern": format!("^[a-zA-Z0-9_.-]{{1,{LONGEST_HOST}}}$"),
        }),
        "position_mode" => position_mode(),
        "demo" => json!({ "description": "Whether its key was made in demo mode.", "type": "boolean" }),
        "drift" => json!({
            "description": "What to do when somebody else changes a mode: set it again, or only say so.",
            "enum": ["correct", "report"],
        }),
        "check_every" => duration("How often a mode that is right is compared again: 5s to 1h."),
        "settle" => {
            duration("How long an account must have been flat before its mode is changed: 0s to 24h.")
        }
        "suspend" => json!({
            "description": "Why nothing is changed: watched, never set.",
            "type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "not": { "enum": NO_REASONS },
        }),
        // A key that has no text here yet: anything, so that nothing is refused that `read` accepts.
        _ => json!(true),
    }
}

fn position_mode() -> Value {
    let mode = json!({ "enum": PositionMode::ALL.map(PositionMode::as_str) });
    let products: serde_json::Map<_, _> =
        ProductType::ALL.iter().map(|product| (product.as_str().to_owned(), mode.clone())).collect();
    json!({
        "description": "One mode for everything the account has, or one per product type.",
        "anyOf": [
            mode,
            { "type": "object", "properties": products, "minProperties": 1, "additionalProperties": false },
        ],
    })
}

fn duration(what: &str) -> Value {
    json!({ "description": what, "type": "string", "pattern": "[0-9]", "examples": ["60s", "5m", "1h 30m"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_file_has_its_own_words() {
        for key in [FILE.keys, DEFAULTS.keys, ACCOUNT.keys].concat() {
            assert!(property(key)["description"].is_string(), "{key}");
        }
    }
}
