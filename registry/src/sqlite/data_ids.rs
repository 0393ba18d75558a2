//! Columns of cells on their way into the database.

use std::fmt::Write as _;

use qbb_dimensions::{ElementIx, KeyType, Symbols, Universe};
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::error::RegistryError;
use crate::reading::quoted;

/// Most rows that one verifying statement is handed; keeps its JSON to some megabytes.
pub(super) const CHUNK: usize = 50_000;

/// Checked data IDs, as columns.
pub(super) struct DataIds<'a> {
    universe: &'a Universe,
    dimensions: &'a [ElementIx],
    columns: &'a [Vec<i64>],
    symbols: &'a Symbols,
}

impl<'a> DataIds<'a> {
    /// Takes one column of cells for each dimension.
    pub(super) fn new(
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

    pub(super) fn dimensions(&self) -> &'a [ElementIx] {
        self.dimensions
    }

    /// The value of a dimension, by position.
    pub(super) fn value(&self, at: usize, row: usize) -> ValueRef<'a> {
        cell_value(self.universe, self.dimensions[at], self.columns[at][row], self.symbols)
    }

    /// The value of a dimension, if the data IDs have it.
    pub(super) fn find(&self, dimension: ElementIx, row: usize) -> Option<ValueRef<'a>> {
        let at = self.dimensions.iter().position(|&ix| ix == dimension)?;
        Some(self.value(at, row))
    }

    /// Binds the values of a row from parameter `first` on.
    pub(super) fn bind(
        &self,
        statement: &mut rusqlite::Statement<'_>,
        first: usize,
        row: usize,
    ) -> rusqlite::Result<()> {
        for at in 0..self.dimensions.len() {
            statement.raw_bind_parameter(first + at, borrowed(self.value(at, row)))?;
        }
        Ok(())
    }

    /// Appends the values of a row to a JSON array under construction, each before a comma.
    pub(super) fn push_json(&self, json: &mut String, row: usize) {
        for at in 0..self.dimensions.len() {
            push_json_value(json, self.value(at, row));
            json.push(',');
        }
    }

    /// Conditions that columns of `alias` equal the elements of the JSON array `j.value`.
    pub(super) fn json_conditions(&self, alias: &str) -> String {
        let mut sql = String::new();
        for (at, &ix) in self.dimensions.iter().enumerate() {
            let name = quoted(&self.universe.element(ix).name);
            // Writing to a string cannot fail.
            let _ = write!(sql, " AND {alias}.{name} = j.value ->> {at}");
        }
        sql
    }

    /// Text of a row for people.
    pub(super) fn describe(&self, row: usize) -> String {
        let values =
            (0..self.dimensions.len()).map(|at| (self.dimensions[at], self.value(at, row)));
        describe(self.universe, values)
    }
}

/// The value that a cell stands for, as the database stores it.
pub(super) fn cell_value<'a>(
    universe: &Universe,
    dimension: ElementIx,
    cell: i64,
    symbols: &'a Symbols,
) -> ValueRef<'a> {
    match universe.element(dimension).key_type() {
        Some(KeyType::Text) => match symbols.of_cell(cell) {
            Some(text) => ValueRef::Text(text.as_bytes()),
            None => ValueRef::Null,
        },
        _ => ValueRef::Integer(cell),
    }
}

/// `{instrument: 'Cam', visit: 1}`.
pub(super) fn describe<'a>(
    universe: &Universe,
    values: impl IntoIterator<Item = (ElementIx, ValueRef<'a>)>,
) -> String {
    let mut text = String::from("{");
    for (i, (dimension, value)) in values.into_iter().enumerate() {
        text.push_str(if i == 0 { "" } else { ", " });
        text.push_str(&universe.element(dimension).name);
        text.push_str(": ");
        text.push_str(&describe_value(value));
    }
    text.push('}');
    text
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

/// A UUID for people.
pub(super) fn uuid_name(id: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes(*id).hyphenated().to_string()
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
