//! The meaning of one value: strict YAML 1.2 words, and durations with their unit.
//!
//! Nothing is converted: text is not a number, `yes` is not `true`, 60 is not a minute.

use std::time::Duration;

use super::tree::{Content, Node};
use crate::moment::{signed_span, spell};

/// What kind of value a node is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'t> {
    /// Nothing at all, `~` or `null`.
    Nothing,
    /// `true` or `false`, without quotes.
    Bool(bool),
    /// A number without quotes, as it is written.
    Number(&'t str),
    /// Any other scalar.
    Text(&'t str),
    /// A list.
    List(&'t [Node]),
    /// A mapping.
    Map(&'t [(Node, Node)]),
    /// Something that already has its remark.
    Refused,
}

impl<'t> Value<'t> {
    pub(super) fn of(node: &Node) -> Value<'_> {
        match &node.content {
            Content::Scalar { text, plain: false } => Value::Text(text),
            Content::Scalar { text, plain: true } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Value::Nothing,
                "true" | "True" | "TRUE" => Value::Bool(true),
                "false" | "False" | "FALSE" => Value::Bool(false),
                number if is_number(number) => Value::Number(number),
                text => Value::Text(text),
            },
            Content::List(items) => Value::List(items),
            Content::Map(entries) => Value::Map(entries),
            Content::Refused => Value::Refused,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(self) -> Option<&'t str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Nothing
            | Value::Bool(_)
            | Value::Number(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Refused => None,
        }
    }

    /// Its name in a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Value::Nothing => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Refused => "something refused",
        }
    }
}

/// The range of a duration, both ends included, and examples of how to write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) least: Duration,
    pub(super) most: Duration,
    pub(super) such_as: &'static str,
}

/// Reads `60s`, `5m`, `1h 30m`; the error is what is wrong with it and what to write instead.
pub(super) fn duration(
    text: &str,
    Bounds { least, most, such_as }: Bounds,
) -> Result<Duration, (String, String)> {
    let remedy = format!("write a duration from {} to {}, such as {such_as}", spell(least), spell(most));
    let Some(span) = signed_span(text.trim()) else {
        return Err(("is not a duration with its unit".to_owned(), remedy));
    };
    match Duration::try_from(span) {
        Ok(span) if span > most => Err((format!("is longer than {}", spell(most)), remedy)),
        Ok(span) if span >= least => Ok(span),
        Ok(_) | Err(_) => Err((format!("is shorter than {}", spell(least)), remedy)),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && (digits.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"))
}
