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

    #[test]
    fn every_example_is_accepted_at_its_place_in_a_file() {
        for Chapter { place, keys } in reference() {
            for key in keys {
                for line in &key.examples {
                    let at = |of: &Section| if of.name == place { line.as_str() } else { "" };
                    let unless = |of: &Section, name: &str, text: &'static str| {
                        if of.name == place && key.name == name { "" } else { text }
                    };
                    let required = if place == REQUIREMENT.name { line } else { "file_absent: /run/x" };
                    let text = format!(
                        "{}\n{}\n{}\n{}\n{}\n  {}\n  {}\n{}\n{}\n...\n",
                        at(&FILE),
                        unless(&FILE, "version", "version: 1"),
                        unless(&FILE, "max_changes", "max_changes: 1"),
                        unless(
                            &FILE,
                            "windows",
                            "windows: { weekend: { opens: \"0 0 22 * * Fri\", lasts: 1h, time_zone: UTC } }"
                        ),
                        unless(&FILE, "defaults", "defaults:"),
                        unless(
                            &FILE,
                            "defaults",
                            if place == DEFAULTS.name && key.name == "drift" { "" } else { "drift: report" }
                        ),
                        at(&DEFAULTS),
                        unless(&FILE, "accounts", "accounts:\n  a:"),
                        if place == FILE.name && key.name == "accounts" {
                            String::new()
                        } else {
                            format!(
                                "    {}\n    {}\n    {}",
                                unless(&ACCOUNT, "position_mode", "position_mode: hedge_mode"),
                                if place == ACCOUNT.name && key.name == "require" {
                                    String::new()
                                } else {
                                    format!("require: [{{ {required} }}]")
                                },
                                at(&ACCOUNT),
                            )
                        },
                    );
                    let text = if place == WINDOW.name {
                        let example = line.split_once(": ").unwrap().1;
                        let old = match key.name {
                            "opens" => "\"0 0 22 * * Fri\"",
                            "lasts" => "1h",
                            _ => "UTC",
                        };
                        text.replacen(old, example, 1)
                    } else {
                        text
                    };
                    assert!(read(text.as_bytes()).is_ok(), "{line}: {:?}\n{text}", read(text.as_bytes()));
                }
            }
        }
    }
}
