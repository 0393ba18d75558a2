//! Result rows, with errors that tell where a value stood.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::{KeyType, Symbol, Symbols, Timespan};

use super::dialect::Dialect;
use super::query::Query;
use crate::error::RegistryError;

/// Something that answers queries, each in one statement.
pub(crate) trait RowSource {
    /// A row, as long as it is looked at.
    type Row<'r>: ResultRow;

    /// How its statements are written.
    fn dialect(&self) -> Dialect<'_>;

    /// The database, for error messages.
    fn database(&self) -> String;

    /// Runs a query and hands each row to `take`. Nothing is allocated for a row.
    fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&Self::Row<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError>;
}

/// One row; columns are addressed by their position in the query.
pub(crate) trait ResultRow {
    /// The error for a value that the schema does not allow.
    fn corrupt(&self, column: usize, reason: impl Into<String>) -> RegistryError;

    /// An integer of any width.
    fn optional_int(&self, column: usize) -> Result<Option<i64>, RegistryError>;

    /// A number. NaN is stored as null, so null is all that a missing number can be.
    fn optional_float(&self, column: usize) -> Result<Option<f64>, RegistryError>;

    /// A truth value.
    fn optional_bool(&self, column: usize) -> Result<Option<bool>, RegistryError>;

    /// Text.
    fn optional_text(&self, column: usize) -> Result<Option<&str>, RegistryError>;

    /// A UUID, which is never null.
    fn uuid(&self, column: usize) -> Result<[u8; 16], RegistryError>;

    /// A timespan that begins in this column.
    fn optional_timespan(&self, column: usize) -> Result<Option<Timespan>, RegistryError>;

    /// An integer that is never null.
    fn int(&self, column: usize) -> Result<i64, RegistryError> {
        self.optional_int(column)?
            .ok_or_else(|| self.corrupt(column, "null where an integer is expected"))
    }

    /// Text that is never null.
    fn text(&self, column: usize) -> Result<&str, RegistryError> {
        self.optional_text(column)?
            .ok_or_else(|| self.corrupt(column, "null where text is expected"))
    }

    /// A timespan that is never null.
    fn timespan(&self, column: usize) -> Result<Timespan, RegistryError> {
        self.optional_timespan(column)?
            .ok_or_else(|| self.corrupt(column, "null where a timespan is expected"))
    }

    /// Text, interned.
    fn symbol(&self, column: usize, symbols: &mut Symbols) -> Result<Symbol, RegistryError> {
        self.text(column).map(|text| symbols.intern(text))
    }

    /// The cell of a dimension's value.
    fn cell(
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
    fn optional_bytes(
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
}
