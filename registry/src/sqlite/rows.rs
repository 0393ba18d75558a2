//! Values of result rows, with errors that tell where they stood.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::{KeyType, Symbol, Symbols, TaiNanos, Timespan};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::connection::DatabaseFile;
use super::query::Query;
use crate::error::RegistryError;

/// One row; columns are addressed by their position in the query.
pub(super) struct ResultRow<'a> {
    row: &'a rusqlite::Row<'a>,
    database: &'a DatabaseFile,
    query: &'a Query,
    number: u64,
}

/// Runs a query and hands each row to `take`. Nothing is allocated for a row.
pub(super) fn each_row(
    connection: &Connection,
    database: &DatabaseFile,
    query: &Query,
    mut take: impl FnMut(&ResultRow<'_>) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let fail = |error| database.failure(&format!("read table `{}`", query.table), error);
    let mut statement = connection.prepare_cached(&query.sql).map_err(fail)?;
    let mut rows = statement.query(rusqlite::params_from_iter(&query.parameters)).map_err(fail)?;
    let mut number = 0;
    while let Some(row) = rows.next().map_err(fail)? {
        take(&ResultRow { row, database, query, number })?;
        number += 1;
    }
    Ok(())
}

impl ResultRow<'_> {
    /// The error for a value that the schema does not allow.
    pub(super) fn corrupt(&self, column: usize, reason: impl Into<String>) -> RegistryError {
        RegistryError::Corrupt {
            database: self.database.path.to_string(),
            table: self.query.table.clone(),
            column: self.query.columns.get(column).cloned().unwrap_or_default(),
            row: self.number,
            reason: reason.into(),
        }
    }

    pub(super) fn value(&self, column: usize) -> Result<ValueRef<'_>, RegistryError> {
        self.row.get_ref(column).map_err(|error| self.corrupt(column, error.to_string()))
    }

    fn expected(&self, column: usize, what: &str, found: ValueRef<'_>) -> RegistryError {
        self.corrupt(column, format!("{} where {what} is expected", found.data_type()))
    }

    pub(super) fn optional_int(&self, column: usize) -> Result<Option<i64>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            other => Err(self.expected(column, "an integer", other)),
        }
    }

    pub(super) fn int(&self, column: usize) -> Result<i64, RegistryError> {
        match self.value(column)? {
            ValueRef::Integer(value) => Ok(value),
            other => Err(self.expected(column, "an integer", other)),
        }
    }

    /// NaN is stored as null, so null is all that a missing number can be.
    pub(super) fn optional_float(&self, column: usize) -> Result<Option<f64>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Real(value) => Ok(Some(value)),
            ValueRef::Integer(value) => Ok(Some(value as f64)),
            other => Err(self.expected(column, "a number", other)),
        }
    }

    pub(super) fn optional_bool(&self, column: usize) -> Result<Option<bool>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value @ 0..=1) => Ok(Some(value == 1)),
            other => Err(self.expected(column, "0 or 1", other)),
        }
    }

    pub(super) fn optional_text(&self, column: usize) -> Result<Option<&str>, RegistryError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| self.corrupt(column, "text is not UTF-8")),
            other => Err(self.expected(column, "text", other)),
        }
    }

    pub(super) fn text(&self, column: usize) -> Result<&str, RegistryError> {
        self.optional_text(column)?.ok_or_else(|| self.expected(column, "text", ValueRef::Null))
    }

    pub(super) fn symbol(
        &self,
        column: usize,
        symbols: &mut Symbols,
    ) -> Result<Symbol, RegistryError> {
        self.text(column).map(|text| symbols.intern(text))
    }

    /// The cell of a dimension's value.
    pub(super) fn cell(
        &self,
        column: usize,
        key: KeyType,
        symbols: &mut Symbols,
    ) -> Result<i64, RegistryError> {
        match key {
            KeyType::Int => self.int(column),
            KeyType::Text => self.symbol(column, symbols).map(Symbol::cell),
        }
    }

    /// Bytes stored in base64; the buffer keeps its memory from row to row.
    pub(super) fn optional_bytes(
        &self,
        column: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Box<[u8]>>, RegistryError> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        buffer.clear();
        STANDARD
            .decode_vec(text, buffer)
            .map_err(|error| self.corrupt(column, format!("not base64: {error}")))?;
        Ok(Some(buffer.as_slice().into()))
    }

    pub(super) fn uuid(&self, column: usize) -> Result<[u8; 16], RegistryError> {
        let text = self.text(column)?;
        let parsed = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 32);
        parsed
            .map(uuid::Uuid::into_bytes)
            .ok_or_else(|| self.corrupt(column, format!("`{text}` is not 32 hexadecimal digits")))
    }

    /// A timespan in two columns, both null or neither.
    pub(super) fn optional_timespan(
        &self,
        column: usize,
    ) -> Result<Option<Timespan>, RegistryError> {
        match (self.optional_int(column)?, self.optional_int(column + 1)?) {
            (Some(begin), Some(end)) => {
                Ok(Some(Timespan { begin: TaiNanos(begin), end: TaiNanos(end) }))
            }
            (None, None) => Ok(None),
            _ => Err(self.corrupt(column, "only one end of the timespan is null")),
        }
    }

    pub(super) fn timespan(&self, column: usize) -> Result<Timespan, RegistryError> {
        self.optional_timespan(column)?
            .ok_or_else(|| self.corrupt(column, "null where a timespan is expected"))
    }
}
