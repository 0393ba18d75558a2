//! Values on their way into a database, whatever form it gives them.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::{ElementIx, KeyType, Symbols, Timespan, Universe};

use crate::error::RegistryError;
use crate::reading::ResultRow;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    /// A number; NaN is stored as null.
    Float(f64),
    Bool(bool),
    Text(&'a str),
    /// Bytes that are stored as text, in base64.
    Base64(&'a [u8]),
    Uuid([u8; 16]),
    Timespan(Timespan),
}

impl<'a> Value<'a> {
    /// The value that a cell of a data ID stands for.
    pub(crate) fn of_cell(
        universe: &Universe,
        dimension: ElementIx,
        cell: i64,
        symbols: &'a Symbols,
    ) -> Self {
        match universe.element(dimension).key_type() {
            Some(KeyType::Text) => symbols.of_cell(cell).map_or(Self::Null, Self::Text),
            _ => Self::Int(cell),
        }
    }

    /// The value of a dimension that stands in a row.
    pub(crate) fn of_dimension(
        row: &'a impl ResultRow,
        column: usize,
        key: Option<KeyType>,
    ) -> Result<Self, RegistryError> {
        Ok(match key {
            Some(KeyType::Text) => row.optional_text(column)?.map_or(Self::Null, Self::Text),
            _ => row.optional_int(column)?.map_or(Self::Null, Self::Int),
        })
    }
}

/// For people.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "'{value}'"),
            Self::Base64(bytes) => write!(f, "'{}'", Base64Display::new(bytes, &STANDARD)),
            Self::Uuid(id) => f.write_str(&uuid_name(id)),
            Self::Timespan(timespan) => write!(f, "{} to {}", timespan.begin, timespan.end),
        }
    }
}

/// `{instrument: 'Cam', visit: 1}`.
pub(crate) fn describe<'v>(
    universe: &Universe,
    values: impl IntoIterator<Item = (ElementIx, Value<'v>)>,
) -> String {
    let values: Vec<String> = (values.into_iter())
        .map(|(dimension, value)| format!("{}: {value}", universe.element(dimension).name))
        .collect();
    format!("{{{}}}", values.join(", "))
}

/// A UUID for people.
pub(crate) fn uuid_name(id: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes(*id).hyphenated().to_string()
}
