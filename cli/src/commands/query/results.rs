//! Tables of results: columns of one type each, whose values are made when they are written.

use std::borrow::Cow;
use std::fmt;

use qbb_dimensions::{ElementIx, FieldColumn, KeyType, Symbols, Timespan, Universe};
use serde::ser::{Serialize, Serializer};
use uuid::Uuid;

/// What a column holds; any value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Integers.
    Int,
    /// Numbers.
    Float,
    /// Truth values.
    Bool,
    /// Text.
    Text,
    /// UUIDs.
    Uuid,
    /// Bytes that are no text.
    Bytes,
    /// Encoded regions of the sky.
    Region,
    /// Half-open intervals of TAI.
    Timespan,
    /// Lists of names.
    List,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// There is none.
    Null,
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Text(Cow<'a, str>),
    /// A UUID.
    Uuid([u8; 16]),
    /// Bytes; hexadecimal digits where there is only text.
    Bytes(&'a [u8]),
    /// An encoded region, left out where there is only text, as in the middleware's commands.
    Region(&'a [u8]),
    /// An interval of TAI.
    Timespan(Timespan),
    /// Names.
    List(Vec<Cow<'a, str>>),
}

impl<'a> Cell<'a> {
    /// Text that lives as long as the results.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Whether it is a number, which is aligned to the right.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_))
    }
}

/// For people and for CSV; what is missing shows as nothing.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::Uuid(value) => Uuid::from_bytes(*value).fmt(f),
            Self::Bytes(value) => value.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Region(_) => f.write_str("(elided)"),
            Self::Timespan(value) => value.fmt(f),
            Self::List(values) => values.iter().enumerate().try_for_each(|(at, value)| {
                f.write_str(if at > 0 { ", " } else { "" })?;
                f.write_str(value)
            }),
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            other => serializer.collect_str(other),
        }
    }
}

/// A column of results: its name and type, and its value in each row.
pub struct ResultColumn<'a> {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    value: Box<dyn Fn(usize) -> Cell<'a> + 'a>,
}

impl<'a> ResultColumn<'a> {
    /// The value in a row.
    pub fn cell(&self, row: usize) -> Cell<'a> {
        (self.value)(row)
    }
}

/// A table of results.
pub struct ResultTable<'a> {
    /// Number of rows.
    pub len: usize,
    /// Its columns.
    pub columns: Vec<ResultColumn<'a>>,
}

impl<'a> ResultTable<'a> {
    /// A table of so many rows, without columns.
    pub fn new(len: usize) -> Self {
        Self { len, columns: Vec::new() }
    }

    /// Adds a column.
    pub fn column(
        &mut self,
        name: impl Into<String>,
        kind: ColumnType,
        value: impl Fn(usize) -> Cell<'a> + 'a,
    ) {
        self.columns.push(ResultColumn { name: name.into(), kind, value: Box::new(value) });
    }

    /// Adds a column of text.
    pub fn text(&mut self, name: impl Into<String>, text: impl Fn(usize) -> Cow<'a, str> + 'a) {
        self.column(name, ColumnType::Text, move |row| Cell::Text(text(row)));
    }

    /// Adds a column with the values of a dimension.
    pub fn dimension(
        &mut self,
        name: impl Into<String>,
        (universe, symbols): (&Universe, &'a Symbols),
        dimension: ElementIx,
        cell: impl Fn(usize) -> i64 + 'a,
    ) {
        match universe.element(dimension).key_type() {
            Some(KeyType::Text) => self.column(name, ColumnType::Text, move |row| {
                symbols.of_cell(cell(row)).map_or(Cell::Null, Cell::text)
            }),
            _ => self.column(name, ColumnType::Int, move |row| Cell::Int(cell(row))),
        }
    }

    /// Adds a column with a field of dimension records.
    pub fn field(&mut self, name: &str, field: &'a FieldColumn, symbols: &'a Symbols) {
        match field {
            FieldColumn::Int(values) => {
                self.column(name, ColumnType::Int, |row| values[row].map_or(Cell::Null, Cell::Int))
            }
            FieldColumn::Float(values) => self
                .column(name, ColumnType::Float, |row| values[row].map_or(Cell::Null, Cell::Float)),
            FieldColumn::Bool(values) => self
                .column(name, ColumnType::Bool, |row| values[row].map_or(Cell::Null, Cell::Bool)),
            FieldColumn::Text(values) => self.column(name, ColumnType::Text, |row| {
                values[row].and_then(|symbol| symbols.get(symbol)).map_or(Cell::Null, Cell::text)
            }),
            FieldColumn::Bytes(values) => self.column(name, ColumnType::Bytes, |row| {
                values[row].as_deref().map_or(Cell::Null, Cell::Bytes)
            }),
        }
    }
}

/// The columns of all tables, each name once, with the column of each table that has it.
pub fn united<'t, 'a>(tables: &'t [ResultTable<'a>]) -> Vec<UnitedColumn<'t, 'a>> {
    let mut united: Vec<UnitedColumn<'t, 'a>> = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        for column in &table.columns {
            let of_name = match united.iter_mut().find(|other| other.name == column.name) {
                Some(other) => other,
                None => {
                    let of = vec![None; tables.len()];
                    united.push(UnitedColumn { name: &column.name, kind: column.kind, of });
                    let last = united.len() - 1;
                    &mut united[last]
                }
            };
            of_name.of[at] = Some(column);
        }
    }
    united
}

/// A column of several tables together.
pub struct UnitedColumn<'t, 'a> {
    /// Its name.
    pub name: &'t str,
    /// What it holds.
    pub kind: ColumnType,
    of: Vec<Option<&'t ResultColumn<'a>>>,
}

impl<'a> UnitedColumn<'_, 'a> {
    /// The value in a row of a table; nothing if that has no such column.
    pub fn cell(&self, table: usize, row: usize) -> Cell<'a> {
        self.of[table].map_or(Cell::Null, |column| column.cell(row))
    }
}
