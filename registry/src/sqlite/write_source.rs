//! What [`crate::writing`] asks of a database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::Symbols;
use rusqlite::types::ValueRef;
use rusqlite::{Statement, ffi};

use super::data_ids::{borrowed, uuid_text};
use super::rows::SqliteRow;
use super::transaction::SqliteTransaction;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::reading::{Dialect, Query, RowSource, quoted};
use crate::schema::{ColumnType, Table, create_statements};
use crate::writer::DatasetBatch;
use crate::writing::{BulkColumn, ROW, Staged, Value, Violation, ViolationKind, WriteSource};

const STAGED: &str = "staged_";

impl RowSource for SqliteTransaction<'_> {
    type Row<'r> = SqliteRow<'r>;

    fn dialect(&self) -> Dialect<'_> {
        Dialect::Sqlite
    }

    fn database(&self) -> String {
        self.database.path.to_string()
    }

    fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&SqliteRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        self.rows().each(query, take)
    }
}

impl WriteSource for SqliteTransaction<'_> {
    fn run(&self, action: &str, statement: &Query<'_>) -> Result<u64, RegistryError> {
        self.change(statement).map_err(|error| self.database.failure(action, error))
    }

    fn attempt(
        &self,
        action: &str,
        statement: &Query<'_>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        // A statement that fails leaves no trace in its transaction.
        self.sorted(action, self.change(statement))
    }

    fn stage(
        &self,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Staged<'_, Self>, RegistryError> {
        let fail = |error| self.database.failure("make a temporary table", error);
        let number = self.take_number();
        let staged = Staged::new(self, format!("{STAGED}{number}"));
        let definitions: Vec<String> = (columns.iter())
            .flat_map(|column| {
                let names = Dialect::Sqlite.physical_columns(column.name);
                names
                    .into_iter()
                    .map(|name| format!(", {} {}", quoted(name), affinity(column.kind)))
            })
            .collect();
        let creation = format!(
            "CREATE TABLE {} ({ROW} INTEGER PRIMARY KEY{})",
            staged.table(),
            definitions.concat()
        );
        self.connection().execute_batch(&creation).map_err(fail)?;
        let number = BulkColumn::new(ROW, ColumnType::BigInt, |row: usize| Value::Int(row as i64));
        let insertion = Insertion::new(&staged.table(), std::iter::once(&number).chain(columns));
        let len = insertion.run(self, rows).map_err(fail)?;
        Ok(staged.filled(len))
    }

    fn unstage(&self, name: &str) {
        // What stays is gone with the connection.
        let _ = self
            .connection()
            .execute_batch(&format!("DROP TABLE {}", Dialect::Sqlite.temporary(name)));
        if let Some(number) = name.strip_prefix(STAGED).and_then(|text| text.parse().ok()) {
            self.give_number(number);
        }
    }

    fn insert_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let insertion = Insertion::new(&quoted(table), columns);
        self.sorted(action, insertion.run(self, rows))
    }

    fn ensure_table(&self, table: &Table) -> Result<(), RegistryError> {
        let fail = |error| self.database.failure(&format!("create table `{}`", table.name), error);
        if self.connection().table_exists(None, table.name.as_str()).map_err(fail)? {
            return Ok(());
        }
        for statement in create_statements(Dialect::Sqlite, table) {
            self.connection().execute_batch(&statement).map_err(fail)?;
        }
        Ok(())
    }

    /// The whole file is locked by the transaction.
    fn lock_collection(&self, _: i64) -> Result<(), RegistryError> {
        Ok(())
    }

    fn lock_table(&self, _: &str) -> Result<(), RegistryError> {
        Ok(())
    }

    fn insert_datasets(
        &self,
        dataset_type: &RegisteredDatasetType,
        run: i64,
        batch: &DatasetBatch<'_>,
        symbols: &Symbols,
    ) -> Option<Result<u64, RegistryError>> {
        Some(self.write_datasets(dataset_type, run, batch, symbols))
    }

    fn commit(self) -> Result<(), RegistryError> {
        SqliteTransaction::commit(self)
    }
}

impl SqliteTransaction<'_> {
    fn change(&self, statement: &Query<'_>) -> rusqlite::Result<u64> {
        let mut prepared = self.connection().prepare_cached(&statement.sql)?;
        let changed = prepared.execute(rusqlite::params_from_iter(&statement.parameters))?;
        Ok(changed as u64)
    }

    /// Tells violated constraints from other errors.
    fn sorted(
        &self,
        action: &str,
        result: rusqlite::Result<u64>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let error = match result {
            Ok(changed) => return Ok(Ok(changed)),
            Err(error) => error,
        };
        let kind = match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => ViolationKind::ForeignKey,
            Some(
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID,
            ) => ViolationKind::Unique,
            Some(ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_NOTNULL) => {
                ViolationKind::Value
            }
            _ => return Err(self.database.failure(action, error)),
        };
        Ok(Err(Violation { kind, message: error.to_string() }))
    }
}

/// Rows of columns on their way into a table.
struct Insertion<'c, 'a> {
    sql: String,
    columns: Vec<&'c BulkColumn<'a>>,
}

impl<'c, 'a: 'c> Insertion<'c, 'a> {
    fn new(table: &str, columns: impl IntoIterator<Item = &'c BulkColumn<'a>>) -> Self {
        let columns: Vec<&BulkColumn<'_>> = columns.into_iter().collect();
        let names: Vec<String> = (columns.iter())
            .flat_map(|column| Dialect::Sqlite.physical_columns(column.name))
            .map(quoted)
            .collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        Self { sql, columns }
    }

    /// Inserts rows; returns how many were new.
    fn run(
        &self,
        transaction: &SqliteTransaction<'_>,
        rows: impl Iterator<Item = usize>,
    ) -> rusqlite::Result<u64> {
        let mut statement = transaction.connection().prepare_cached(&self.sql)?;
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
fn affinity(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text | ColumnType::ShortText(_) | ColumnType::Uuid => "TEXT",
        ColumnType::Float => "REAL",
        _ => "INTEGER",
    }
}
