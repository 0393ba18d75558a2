//! Rows of SQLite.

use qbb_dimensions::{TaiNanos, Timespan};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::connection::DatabaseFile;
use crate::error::RegistryError;
use crate::reading::{Dialect, Parameter, Query, ResultRow, RowSource};

/// A connection, or a transaction on it, as a source of rows.
pub(super) struct SqliteRows<'d, C> {
    pub(super) connection: C,
    pub(super) database: &'d DatabaseFile,
}

/// One row; columns are addressed by their position in the query.
pub(super) struct SqliteRow<'a> {
    row: &'a rusqlite::Row<'a>,
    database: &'a DatabaseFile,
    query: &'a Query<'a>,
    number: u64,
}

impl rusqlite::ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::Owned(rusqlite::types::Value::Null)),
            Self::Int(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

impl<C: std::ops::Deref<Target = Connection>> RowSource for SqliteRows<'_, C> {
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
        mut take: impl FnMut(&SqliteRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let database = self.database;
        let fail = |error| database.failure(&format!("read table `{}`", query.table), error);
        let mut statement = self.connection.prepare_cached(&query.sql).map_err(fail)?;
        let mut rows =
            statement.query(rusqlite::params_from_iter(&query.parameters)).map_err(fail)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(fail)? {
            take(&SqliteRow { row, database, query, number })?;
            number += 1;
        }
        Ok(())
    }
}

impl SqliteRow<'_> {
    pub(super) fn value(&self, column: usize) -> Result<ValueRef<'_>, RegistryError> {
        self.row.get_ref(column).map_err(|error| self.corrupt(column, error.to_string()))
    }

    fn expected(&self, column: usize, what: &str, found: ValueRef<'_>) -> RegistryError {
        self.corrupt(column, format!("{} where {what} is expected", found.data_type()))
    }
}

impl ResultRow for SqliteRow<'_> {
    fn corrupt(&self, column: usize, reason: impl Into<String>) -> RegistryError {
        RegistryError::Corrupt {
            database: self.database.path.to_string(),
            table: self.query.table.clone(),
            column: self.query.columns.get(column).cloned().unwrap_or_default(),
            row: self.number,
            reason: reason.into(),
        }
    }

    fn optional_int(&self, column: usize) -> Result<Option<i64>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            other => Err(self.expected(column, "an integer", other)),
        }
    }

    fn optional_float(&self, column: usize) -> Result<Option<f64>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Real(value) => Ok(Some(value)),
            ValueRef::Integer(value) => Ok(Some(value as f64)),
            other => Err(self.expected(column, "a number", other)),
        }
    }

    fn optional_bool(&self, column: usize) -> Result<Option<bool>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value @ 0..=1) => Ok(Some(value == 1)),
            other => Err(self.expected(column, "0 or 1", other)),
        }
    }

    fn optional_text(&self, column: usize) -> Result<Option<&str>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| self.corrupt(column, "text is not UTF-8")),
            other => Err(self.expected(column, "text", other)),
        }
    }

    fn uuid(&self, column: usize) -> Result<[u8; 16], RegistryError> {
        let text = self.text(column)?;
        let parsed = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 32);
        parsed
            .map(uuid::Uuid::into_bytes)
            .ok_or_else(|| self.corrupt(column, format!("`{text}` is not 32 hexadecimal digits")))
    }

    /// Two columns, both null or neither.
    fn optional_timespan(&self, column: usize) -> Result<Option<Timespan>, RegistryError> {
        match (self.optional_int(column)?, self.optional_int(column + 1)?) {
            (Some(begin), Some(end)) => {
                Ok(Some(Timespan { begin: TaiNanos(begin), end: TaiNanos(end) }))
            }
            (None, None) => Ok(None),
            _ => Err(self.corrupt(column, "only one end of the timespan is null")),
        }
    }
}
