//! Rows of columns on their way into a table, by prepared statements.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use crate::reading::{Dialect, quoted};
use crate::schema::ColumnType;
use crate::writing::{BulkColumn, Value};

/// What becomes of a row that contradicts another one's key.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnConflict {
    /// The statement fails.
    Fail,
    /// It is left out.
    Skip,
}

/// Rows of columns on their way into a table.
pub(super) struct Insertion<'c, 'a> {
    sql: String,
    columns: Vec<&'c BulkColumn<'a>>,
}

impl<'c, 'a: 'c> Insertion<'c, 'a> {
    pub(super) fn new(
        table: &str,
        columns: impl IntoIterator<Item = &'c BulkColumn<'a>>,
        on_conflict: OnConflict,
    ) -> Self {
        let columns: Vec<&BulkColumn<'_>> = columns.into_iter().collect();
        let names: Vec<String> = (columns.iter())
            .flat_map(|column| Dialect::Sqlite.physical_columns(column.name))
            .map(quoted)
            .collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({}){}",
            names.join(", "),
            vec!["?"; names.len()].join(", "),
            match on_conflict {
                OnConflict::Fail => "",
                OnConflict::Skip => " ON CONFLICT DO NOTHING",
            }
        );
        Self { sql, columns }
    }

    /// Inserts rows; returns how many were new.
    pub(super) fn run(
        &self,
        connection: &Connection,
        rows: impl Iterator<Item = usize>,
    ) -> rusqlite::Result<u64> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut inserted = 0;
        let mut buffer = String::new();
        for row in rows {
            let mut at = 1;
            for column in &self.columns {
                at += bind(&mut statement, at, column, row, &mut buffer)?;
            }
            inserted += statement.raw_execute()? as u64;
        }
        Ok(inserted)
    }
}

/// Binds a value from parameter `at` on; returns how many parameters it took.
fn bind(
    statement: &mut Statement<'_>,
    at: usize,
    column: &BulkColumn<'_>,
    row: usize,
    buffer: &mut String,
) -> rusqlite::Result<usize> {
    let mut hexadecimal = [0; 32];
    let value = match (column.value)(row) {
        Value::Null => ValueRef::Null,
        Value::Int(value) => ValueRef::Integer(value),
        Value::Float(value) => ValueRef::Real(value),
        Value::Bool(value) => ValueRef::Integer(value.into()),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Base64(bytes) => {
            buffer.clear();
            STANDARD.encode_string(bytes, buffer);
            ValueRef::Text(buffer.as_bytes())
        }
        Value::Uuid(id) => ValueRef::Text(uuid_text(&id, &mut hexadecimal).as_bytes()),
        Value::Timespan(timespan) => {
            statement.raw_bind_parameter(at, timespan.begin.0)?;
            statement.raw_bind_parameter(at + 1, timespan.end.0)?;
            return Ok(2);
        }
    };
    let width = if column.kind == ColumnType::Timespan { 2 } else { 1 };
    for at in at..at + width {
        statement.raw_bind_parameter(at, borrowed(value))?;
    }
    Ok(width)
}

/// The type of a temporary column, by which values of both sides compare as they should.
pub(super) fn affinity(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text | ColumnType::ShortText(_) | ColumnType::Uuid => "TEXT",
        ColumnType::Float => "REAL",
        _ => "INTEGER",
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
