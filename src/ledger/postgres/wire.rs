//! How values go over the wire and come back.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::ledger::tx::Columns;
use crate::ledger::value::{Unreadable, Value};

/// A value on its way.
#[derive(Debug)]
pub(super) struct Wire<'a>(pub(super) Value<'a>);

impl ToSql for Wire<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => number.to_sql(of, out),
            // The one character that a text of the server cannot hold.
            Value::Text(text) if text.contains('\0') => text.replace('\0', " ").to_sql(of, out),
            Value::Text(text) => text.as_ref().to_sql(of, out),
            Value::Blob(bytes) => bytes.as_ref().to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA, Type::UNKNOWN].contains(of)
    }

    to_sql_checked!();
}

/// A value as it came.
struct Read<'a>(Value<'a>);

impl<'a> FromSql<'a> for Read<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Read<'a>, Box<dyn Error + Sync + Send>> {
        Ok(Read(match *of {
            Type::INT8 => Value::Integer(i64::from_sql(of, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(of, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(of, raw)?.into()),
            Type::BYTEA => Value::Blob(raw.into()),
            _ => Value::Text(<&str>::from_sql(of, raw)?.into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Read<'a>, Box<dyn Error + Sync + Send>> {
        Ok(Read(Value::Null))
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::BYTEA, Type::TEXT, Type::VARCHAR, Type::UNKNOWN]
            .contains(of)
    }
}

impl Columns for tokio_postgres::Row {
    fn number(&self, number: usize) -> Result<Value<'_>, Unreadable> {
        Ok(self.try_get::<_, Read<'_>>(number)?.0)
    }

    fn name(&self, name: &str) -> Result<Value<'_>, Unreadable> {
        Ok(self.try_get::<_, Read<'_>>(name)?.0)
    }

    fn names(&self) -> Vec<String> {
        self.columns().iter().map(|column| column.name().to_owned()).collect()
    }
}
