//! Answers as they must not be: cut off, empty, in HTML, without a field. It only spoils what the exchange had to say.

use serde_json::Value;

use crate::fault::FaultKind;
use crate::wire::Response;

/// An answer that was never the exchange's.
pub(crate) fn plain(status: u16, body: String) -> Response {
    let html = body.trim_start().starts_with('<');
    let content_type = if html { "text/html" } else { "application/json;charset=UTF-8" };
    Response {
        status,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.into_bytes(),
    }
}

/// The exchange's answer, spoilt. Faults that spoil no answer leave it as it is.
pub(crate) fn mangled(mut response: Response, fault: &FaultKind) -> Response {
    match fault {
        FaultKind::EmptyBody => response.body.clear(),
        FaultKind::Garbage => response.body.truncate(response.body.len() / 2),
        FaultKind::Html { status } => {
            return plain(
                *status,
                format!("<html><head><title>{status}</title></head><body>gateway</body></html>"),
            );
        }
        FaultKind::MissingField { field } => {
            rewrite(&mut response, |data| {
                remove(data, field.trim_start_matches("data."));
            });
        }
        FaultKind::NullData => rewrite(&mut response, |data| *data = Value::Null),
        FaultKind::DropRequest
        | FaultKind::DropReply
        | FaultKind::ExecuteLater { .. }
        | FaultKind::Delay { .. }
        | FaultKind::Hang
        | FaultKind::HangReply
        | FaultKind::Status { .. }
        | FaultKind::ExecutedButStatus { .. }
        | FaultKind::Code { .. }
        | FaultKind::TooManyRequests => {}
    }
    response
}

fn rewrite(response: &mut Response, change: impl FnOnce(&mut Value)) {
    let mut body = response.json();
    if let Some(data) = body.get_mut("data") {
        change(data);
        response.body = body.to_string().into_bytes();
    }
}

/// Takes a field away wherever it is.
fn remove(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|inner| remove(inner, field));
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| remove(row, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
