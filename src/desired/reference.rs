//! Every key of the file with its meaning, its default and an example, in the order of the file: what a manual shows.
//!
//! Taken from the schema, key by key; it adds nothing of its own but the order.

use serde_json::Value;

use super::keys::{ACCOUNT, DEFAULTS, FILE, REQUIREMENT, Section, WINDOW};
use super::schema::{UNSAID, property};

/// The keys of one mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Where they stand, in the words of a message, such as "in an account".
    pub place: &'static str,
    /// The keys, in the order of the file.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means, with its unit and bounds.
    pub meaning: String,
    /// The words that it takes, if it takes no others.
    pub words: Vec<String>,
    /// What holds where it is not given, as it would be written.
    pub default: Option<String>,
    /// Lines with it, as they may stand in the file.
    pub examples: Vec<String>,
}

/// All keys, from the top level down.
pub fn reference() -> Vec<Chapter> {
    let sections = [&FILE, &DEFAULTS, &ACCOUNT, &WINDOW, &REQUIREMENT];
    let chapter = |Section { name, keys }: &Section| Chapter {
        place: name,
        keys: keys.iter().map(|key| of(name, key)).collect(),
    };
    sections.into_iter().map(chapter).collect()
}

/// What holds of a whole file beside its keys.
pub fn of_the_whole() -> Vec<&'static str> {
    UNSAID.iter().skip(1).copied().collect()
}

fn of(section: &str, name: &'static str) -> Key {
    let schema = property(section, name);
    let all = |word: &str| schema.get(word).and_then(Value::as_array).cloned().unwrap_or_default();
    Key {
        name,
        meaning: schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        words: all("enum").iter().map(written).collect(),
        default: schema.get("default").map(written),
        examples: all("examples").iter().map(|example| format!("{name}: {}", written(example))).collect(),
    }
}

/// A value as the file has it, in one line.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Whether YAML takes it for text without quotes, wherever it stands: a word, or a duration.
fn is_plain(text: &str) -> bool {
    let parts = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.chars().all(parts) && text.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::read;

    /// A good file with this line in it: in place of the one of the same key, with all that is below that.
    fn with(place: &str, key: &str, line: &str) -> String {
        let or = |of: &Section, name: &str, indent: &str, otherwise: &str| {
            let is_it = of.name == place && name == key;
            if is_it { format!("{indent}{line}\n") } else { format!("{indent}{otherwise}\n") }
        };
        // One that no line below has.
        let also = |of: &Section, indent: &str, present: &[&str]| {
            let is_it = of.name == place && !present.contains(&key);
            if is_it { format!("{indent}{line}\n") } else { String::new() }
        };
        let window = [
            "windows:\n  weekend:\n".to_owned(),
            or(&WINDOW, "opens", "    ", "opens: \"0 0 22 * * Fri\""),
            or(&WINDOW, "lasts", "    ", "lasts: 1h"),
            or(&WINDOW, "time_zone", "    ", "time_zone: UTC"),
        ];
        let defaults = [
            "defaults:\n".to_owned(),
            or(&DEFAULTS, "drift", "  ", "drift: report"),
            also(&DEFAULTS, "  ", &["drift"]),
        ];
        let required = if place == REQUIREMENT.name { line } else { "file_absent: /run/x" };
        let account = [
            "accounts:\n  desk-main:\n".to_owned(),
            or(&ACCOUNT, "position_mode", "    ", "position_mode: hedge_mode"),
            or(&ACCOUNT, "require", "    ", &format!("require: [{{ {required} }}]")),
            also(&ACCOUNT, "    ", &["position_mode", "require"]),
        ];
        let file = [
            or(&FILE, "version", "", "version: 1"),
            or(&FILE, "max_changes", "", "max_changes: 1"),
            or(&FILE, "windows", "", &window.concat()),
            or(&FILE, "defaults", "", &defaults.concat()),
            or(&FILE, "accounts", "", &account.concat()),
            also(&FILE, "", &["version", "max_changes", "windows", "defaults", "accounts"]),
        ];
        file.concat() + "...\n"
    }

    #[test]
    fn every_example_is_accepted_at_its_place_in_a_file() {
        for Chapter { place, keys } in reference() {
            for Key { name, examples, .. } in keys {
                for line in examples {
                    let text = with(place, name, &line);
                    assert!(text.contains(&line), "{line} is not in\n{text}");
                    assert!(read(text.as_bytes()).is_ok(), "{line}: {:?}\n{text}", read(text.as_bytes()));
                }
            }
        }
    }
}
