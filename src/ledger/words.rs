//! How names and numbers are stored in columns: names as in all output, times in milliseconds since 1970.
//!
//! Knows no table. An unknown name on disk is an error, never a default.

use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::event::EventKind;
use super::value::{Column, Parameter, Unreadable, Value};
use crate::facts::{Cause, Generation, How, IntentId};
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, KeyId, Kind, PositionMode, Scope, Uid};

/// The stage that an intent has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On disk; the set may have been sent.
    Noted,
    /// The exchange answered `00000`; no read has shown it yet.
    Accepted,
    /// Its outcome is unknown.
    Unclear,
    /// It was not sent.
    Withdrawn,
    /// Refused for good: no effect.
    Refused,
    /// Accepted, and a read showed it.
    Confirmed,
    /// Unclear, and the read after the fence showed it.
    TookEffect,
    /// Unclear, and the read after the fence did not show it.
    NoEffect,
    /// It seemed lost, then took effect after its fence.
    Late,
}

impl Stage {
    /// Whether its set may still take effect.
    pub(super) fn is_unresolved(self) -> bool {
        matches!(self, Stage::Noted | Stage::Accepted | Stage::Unclear)
    }
}

macro_rules! words {
    ($($name:ty),*) => {$(
        impl Parameter for $name {
            fn value(&self) -> Result<Value<'_>, Unreadable> {
                spelled(self)
            }
        }

        impl Column for $name {
            fn of(value: Value<'_>) -> Result<Self, Unreadable> {
                read(value)
            }
        }
    )*};
}

words!(AccountName, Cause, EventKind, How, Kind, PositionMode, Scope, Stage, Uid);

macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl Parameter for $name {
            fn value(&self) -> Result<Value<'_>, Unreadable> {
                Ok(Value::Integer(self.0))
            }
        }

        impl Column for $name {
            fn of(value: Value<'_>) -> Result<Self, Unreadable> {
                value.integer().map($name)
            }
        }
    )*};
}

numbers!(IntentId, ServerTime);

impl Parameter for KeyId {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Text(self.to_string().into()))
    }
}

impl Column for KeyId {
    fn of(value: Value<'_>) -> Result<KeyId, Unreadable> {
        Ok(value.text()?.parse()?)
    }
}

impl Parameter for Generation {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Integer(i64::try_from(self.0)?))
    }
}

impl Column for Generation {
    fn of(value: Value<'_>) -> Result<Generation, Unreadable> {
        Ok(Generation(u64::try_from(value.integer()?)?))
    }
}

fn spelled(word: &impl Serialize) -> Result<Value<'static>, Unreadable> {
    let value = serde_json::to_value(word)?;
    let serde_json::Value::String(text) = value else {
        return Err(format!("{value} is not a word").into());
    };
    Ok(Value::Text(text.into()))
}

fn read<T: DeserializeOwned>(value: Value<'_>) -> Result<T, Unreadable> {
    let text = value.text()?;
    Ok(T::deserialize(StrDeserializer::<serde::de::value::Error>::new(&text))?)
}
