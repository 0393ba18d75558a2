//! Columns of cells on their way into the database.

use std::fmt::Write as _;

use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::reading::quoted;
use crate::writing::{DataIds, Value};

/// Most rows that one verifying statement is handed; keeps its JSON to some megabytes.
pub(super) const CHUNK: usize = 50_000;

/// Binds the values of a row from parameter `first` on.
pub(super) fn bind(
    data_ids: &DataIds<'_>,
    statement: &mut rusqlite::Statement<'_>,
    first: usize,
    row: usize,
) -> rusqlite::Result<()> {
    for at in 0..data_ids.dimensions().len() {
        statement.raw_bind_parameter(first + at, borrowed(stored(data_ids.value(at, row))))?;
    }
    Ok(())
}

/// Appends the values of a row to a JSON array under construction, each before a comma.
pub(super) fn push_json(data_ids: &DataIds<'_>, json: &mut String, row: usize) {
    for at in 0..data_ids.dimensions().len() {
        push_json_value(json, stored(data_ids.value(at, row)));
        json.push(',');
    }
}

/// Conditions that columns of `alias` equal the elements of the JSON array `j.value`.
pub(super) fn json_conditions(names: &[&str], alias: &str) -> String {
    let mut sql = String::new();
    for (at, name) in names.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(sql, " AND {alias}.{} = j.value ->> {at}", quoted(name));
    }
    sql
}

/// The value of a cell as the database stores it.
pub(super) fn stored(value: Value<'_>) -> ValueRef<'_> {
    match value {
        Value::Int(value) => ValueRef::Integer(value),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        _ => ValueRef::Null,
    }
}

/// A value for people.
pub(super) fn describe_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// Appends a value in JSON; only null, integers and text occur.
pub(super) fn push_json_value(json: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Integer(value) => {
            // Writing to a string cannot fail.
            let _ = write!(json, "{value}");
        }
        ValueRef::Text(bytes) => {
            let text = serde_json::Value::from(String::from_utf8_lossy(bytes));
            let _ = write!(json, "{text}");
        }
        _ => json.push_str("null"),
    }
}

/// A value as a parameter.
pub(super) fn borrowed(value: ValueRef<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value)
}

/// A UUID in the database's form.
pub(super) fn uuid_text<'b>(id: &[u8; 16], buffer: &'b mut [u8; 32]) -> &'b str {
    uuid::Uuid::from_bytes(*id).simple().encode_lower(buffer)
}

/// A JSON array of the given elements.
pub(super) fn json_list(
    rows: &[usize],
    mut push_element: impl FnMut(&mut String, usize),
) -> String {
    let mut json = String::from("[");
    for (i, &row) in rows.iter().enumerate() {
        json.push_str(if i == 0 { "" } else { "," });
        push_element(&mut json, row);
    }
    json.push(']');
    json
}
