//! What stands in a column or goes into a statement, whichever engine keeps it.
//!
//! Knows no table and no engine. What cannot be read as what it should be is an error, never a default.

use std::borrow::Cow;
use std::error::Error;

/// Why a value is not what it should be.
pub(super) type Unreadable = Box<dyn Error + Send + Sync>;

/// A value as both engines keep it. A truth value is 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
    Blob(Cow<'a, [u8]>),
}

impl<'a> Value<'a> {
    pub(super) fn integer(&self) -> Result<i64, Unreadable> {
        match self {
            Value::Integer(number) => Ok(*number),
            Value::Null | Value::Text(_) | Value::Blob(_) => Err(self.is_no("a number")),
        }
    }

    pub(super) fn text(self) -> Result<Cow<'a, str>, Unreadable> {
        match self {
            Value::Text(text) => Ok(text),
            Value::Null | Value::Integer(_) | Value::Blob(_) => Err(self.is_no("a text")),
        }
    }

    /// The same, kept.
    fn kept(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Integer(number) => Value::Integer(number),
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Blob(bytes) => Value::Blob(bytes.into_owned().into()),
        }
    }

    fn is_no(&self, wanted: &str) -> Unreadable {
        let is = match self {
            Value::Null => "nothing",
            Value::Integer(_) => "a number",
            Value::Text(_) => "a text",
            Value::Blob(_) => "bytes",
        };
        format!("{is} stands where {wanted} should").into()
    }
}

/// What can go into a statement.
pub(super) trait Parameter {
    fn value(&self) -> Result<Value<'_>, Unreadable>;
}

/// What can be read from a column.
pub(super) trait Column: Sized {
    fn of(value: Value<'_>) -> Result<Self, Unreadable>;
}

/// Whatever stands in a column, as it is.
#[derive(Debug)]
pub(super) struct Anything(Value<'static>);

impl Column for Anything {
    fn of(value: Value<'_>) -> Result<Anything, Unreadable> {
        Ok(Anything(value.kept()))
    }
}

impl Parameter for Anything {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(match &self.0 {
            Value::Null => Value::Null,
            Value::Integer(number) => Value::Integer(*number),
            Value::Text(text) => Value::Text(text.as_ref().into()),
            Value::Blob(bytes) => Value::Blob(bytes.as_ref().into()),
        })
    }
}

impl<T: Parameter + ?Sized> Parameter for &T {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        (**self).value()
    }
}

impl<T: Parameter> Parameter for Option<T> {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        self.as_ref().map_or(Ok(Value::Null), Parameter::value)
    }
}

impl<T: Column> Column for Option<T> {
    fn of(value: Value<'_>) -> Result<Option<T>, Unreadable> {
        if value == Value::Null { Ok(None) } else { T::of(value).map(Some) }
    }
}

impl Parameter for i64 {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Integer(*self))
    }
}

impl Column for i64 {
    fn of(value: Value<'_>) -> Result<i64, Unreadable> {
        value.integer()
    }
}

impl Parameter for u32 {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Integer(i64::from(*self)))
    }
}

impl Column for u32 {
    fn of(value: Value<'_>) -> Result<u32, Unreadable> {
        Ok(u32::try_from(value.integer()?)?)
    }
}

impl Parameter for bool {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Integer(i64::from(*self)))
    }
}

impl Column for bool {
    fn of(value: Value<'_>) -> Result<bool, Unreadable> {
        Ok(value.integer()? != 0)
    }
}

impl Parameter for str {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Text(self.into()))
    }
}

impl Parameter for String {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Text(self.into()))
    }
}

impl Column for String {
    fn of(value: Value<'_>) -> Result<String, Unreadable> {
        Ok(value.text()?.into_owned())
    }
}

impl Parameter for [u8] {
    fn value(&self) -> Result<Value<'_>, Unreadable> {
        Ok(Value::Blob(self.into()))
    }
}

impl Column for Vec<u8> {
    fn of(value: Value<'_>) -> Result<Vec<u8>, Unreadable> {
        match value {
            Value::Blob(bytes) => Ok(bytes.into_owned()),
            Value::Null | Value::Integer(_) | Value::Text(_) => Err(value.is_no("bytes")),
        }
    }
}
