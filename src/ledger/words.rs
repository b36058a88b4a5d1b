//! How names and numbers are stored in columns: names as in all output, times in milliseconds since 1970.
//!
//! Knows no table. An unknown name on disk is an error, never a default.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::event::EventKind;
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

macro_rules! words {
    ($($name:ty),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                spelled(self)
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                read(value)
            }
        }
    )*};
}

words!(AccountName, Cause, EventKind, How, Kind, PositionMode, Scope, Stage, Uid);

macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map($name)
            }
        }
    )*};
}

numbers!(IntentId, ServerTime);

impl ToSql for KeyId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for KeyId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

impl ToSql for Generation {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = i64::try_from(self.0)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(number.into())
    }
}

impl FromSql for Generation {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?).map(Generation).map_err(FromSqlError::other)
    }
}

fn spelled(word: &impl Serialize) -> rusqlite::Result<ToSqlOutput<'static>> {
    let value = serde_json::to_value(word)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let serde_json::Value::String(text) = value else {
        return Err(rusqlite::Error::ToSqlConversionFailure(format!("{value} is not a word").into()));
    };
    Ok(text.into())
}

fn read<T: DeserializeOwned>(value: ValueRef<'_>) -> FromSqlResult<T> {
    let word = StrDeserializer::<serde::de::value::Error>::new(value.as_str()?);
    T::deserialize(word).map_err(FromSqlError::other)
}
