//! JSON in which no key stands twice in one object. `serde_json` alone keeps the last of two, and another reader the
//! first: such a text says two things, so it says nothing.
//!
//! How deep it may be is `serde_json`'s own bound, how long it may be is the transport's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value whose objects, at any depth, have each key once. Of all its errors only a key that stands twice is one of
/// the category `Data`.
pub(super) struct Unique(pub(super) Value);

struct Whole;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Unique, D::Error> {
        from.deserialize_any(Whole).map(Unique)
    }
}

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON without a key that stands twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
        Number::from_f64(it).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::String(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Unique(row)) = rows.next_element()? {
            all.push(row);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let Unique(value) = fields.next_value()?;
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a key that stands twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, bool> {
        serde_json::from_str::<Unique>(text).map(|Unique(value)| value).map_err(|error| error.is_data())
    }

    #[test]
    fn what_has_each_key_once_is_read_as_serde_json_reads_it() {
        for text in [
            "null",
            "true",
            "7",
            "-7",
            "1.5",
            "18446744073709551615",
            r#""a\"b\u00e4""#,
            "[]",
            "{}",
            r#"{"a":{"a":[{"a":1},{"a":null}]},"b":"a"}"#,
        ] {
            assert_eq!(read(text), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn f62_a_key_that_stands_twice_is_an_error_of_its_own_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"a":1,"b":2,"a":null}]"#,
            r#"{"a":[[{"b":{"c":1,"c":2}}]]}"#,
        ] {
            assert_eq!(read(text), Err(true), "{text}");
        }
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(100), r#"{"b":1,"b":2}"#, "}".repeat(100));
        assert_eq!(read(&deep), Err(true));
        let too_deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in ["", "{", r#"{"a":1,}"#, "1 2", "1e999", &too_deep] {
            assert_eq!(read(text), Err(false), "{text}");
        }
    }
}
