//! Columns of cells on their way into a database.

use qbb_dimensions::{ElementIx, KeyType, Symbols, Universe};

use super::value::{Value, describe};
use crate::error::RegistryError;
use crate::schema::ColumnType;

/// Checked data IDs, as columns.
pub(crate) struct DataIds<'a> {
    universe: &'a Universe,
    dimensions: &'a [ElementIx],
    columns: &'a [Vec<i64>],
    symbols: &'a Symbols,
}

impl<'a> DataIds<'a> {
    /// Takes one column of cells for each dimension.
    pub(crate) fn new(
        universe: &'a Universe,
        dimensions: &'a [ElementIx],
        columns: &'a [Vec<i64>],
        symbols: &'a Symbols,
        len: usize,
        what: impl Fn() -> String,
    ) -> Result<Self, RegistryError> {
        let invalid = |reason: String| RegistryError::Invalid { what: what(), reason };
        if columns.len() != dimensions.len() {
            return Err(invalid(format!(
                "{} columns of data ID values for {} dimensions",
                columns.len(),
                dimensions.len()
            )));
        }
        for (&ix, column) in dimensions.iter().zip(columns) {
            let dimension = universe.element(ix);
            if column.len() != len {
                return Err(invalid(format!(
                    "{} values of {} for {len} rows",
                    column.len(),
                    dimension.name
                )));
            }
            let is_text = dimension.key_type() == Some(KeyType::Text);
            if let Some(cell) = column.iter().find(|&&c| is_text && symbols.of_cell(c).is_none()) {
                return Err(invalid(format!("{cell} is no symbol for {}", dimension.name)));
            }
        }
        Ok(Self { universe, dimensions, columns, symbols })
    }

    /// The value of a dimension, by position.
    pub(crate) fn value(&self, at: usize, row: usize) -> Value<'a> {
        Value::of_cell(self.universe, self.dimensions[at], self.columns[at][row], self.symbols)
    }

    /// The cell of a dimension, by position.
    pub(crate) fn cell(&self, at: usize, row: usize) -> i64 {
        self.columns[at][row]
    }

    /// Whether two rows are the same data ID.
    pub(crate) fn same(&self, a: usize, b: usize) -> bool {
        self.columns.iter().all(|column| column[a] == column[b])
    }

    /// Rows ordered so that equal data IDs are neighbours.
    pub(crate) fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let of = |row: usize| self.columns.iter().map(move |column| column[row]);
        of(a).cmp(of(b))
    }

    /// Text of a row for people.
    pub(crate) fn describe(&self, row: usize) -> String {
        let values =
            (0..self.dimensions.len()).map(|at| (self.dimensions[at], self.value(at, row)));
        describe(self.universe, values)
    }
}

/// The type of a staged column for values of a dimension.
pub(super) fn key_column_type(universe: &Universe, dimension: ElementIx) -> ColumnType {
    match universe.element(dimension).key_type() {
        Some(KeyType::Text) => ColumnType::Text,
        _ => ColumnType::BigInt,
    }
}
