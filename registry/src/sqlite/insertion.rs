//! Rows of columns on their way into a table, by prepared statements.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use crate::reading::{Dialect, quoted};
use crate::schema::ColumnType;
use crate::writing::{BulkColumn, Value};

/// Rows of one statement, if there are many: its beginning and its end, where the table and all of
/// its indexes are opened and closed, cost as much as some rows.
const ROWS: usize = 50;

/// How rows are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// One contradicts another one's key or is otherwise not allowed: the statement fails, and
    /// nothing is left of it.
    OneByOne,
    /// The same, but rows before it may be left, so a savepoint must be there that can be gone back
    /// to. There must be no foreign keys and no checks that SQLite looks after, or it notes down all
    /// pages that a statement changes, which costs more than is gained.
    Together,
    /// Those that contradict another one's key are left out.
    SkipKnown,
}

/// Rows of columns on their way into a table.
pub(super) struct Insertion<'c, 'a> {
    table: String,
    columns: Vec<&'c BulkColumn<'a>>,
    manner: Manner,
}

impl<'c, 'a: 'c> Insertion<'c, 'a> {
    pub(super) fn new(
        table: &str,
        columns: impl IntoIterator<Item = &'c BulkColumn<'a>>,
        manner: Manner,
    ) -> Self {
        Self { table: table.to_owned(), columns: columns.into_iter().collect(), manner }
    }

    /// The statement for so many rows.
    fn sql(&self, rows: usize) -> String {
        let names: Vec<String> = (self.columns.iter())
            .flat_map(|column| Dialect::Sqlite.physical_columns(column.name))
            .map(quoted)
            .collect();
        let row = format!("({})", vec!["?"; names.len()].join(", "));
        let (insert, end) = match self.manner {
            Manner::OneByOne => ("INSERT", ""),
            Manner::Together => ("INSERT OR FAIL", ""),
            Manner::SkipKnown => ("INSERT", " ON CONFLICT DO NOTHING"),
        };
        let (table, names) = (&self.table, names.join(", "));
        format!("{insert} INTO {table} ({names}) VALUES {}{end}", vec![row; rows].join(", "))
    }

    /// Inserts rows; returns how many were new.
    pub(super) fn run(
        &self,
        connection: &Connection,
        mut rows: impl Iterator<Item = usize>,
    ) -> rusqlite::Result<u64> {
        let at_a_time = if self.manner == Manner::Together { ROWS } else { 1 };
        let mut prepared = None;
        let mut inserted = 0;
        let mut chunk = Vec::with_capacity(at_a_time);
        loop {
            chunk.clear();
            chunk.extend(rows.by_ref().take(at_a_time));
            if chunk.len() < at_a_time {
                break;
            }
            let statement = match &mut prepared {
                Some(statement) => statement,
                None => prepared.insert(connection.prepare_cached(&self.sql(at_a_time))?),
            };
            inserted += self.execute(statement, &chunk)?;
        }
        if !chunk.is_empty() {
            let mut statement = connection.prepare_cached(&self.sql(1))?;
            for row in chunk {
                inserted += self.execute(&mut statement, &[row])?;
            }
        }
        Ok(inserted)
    }

    /// Executes a statement for as many rows as it has.
    fn execute(&self, statement: &mut Statement<'_>, rows: &[usize]) -> rusqlite::Result<u64> {
        let mut buffer = String::new();
        let mut at = 1;
        for &row in rows {
            for column in &self.columns {
                at += bind(statement, at, column, row, &mut buffer)?;
            }
        }
        Ok(statement.raw_execute()? as u64)
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
