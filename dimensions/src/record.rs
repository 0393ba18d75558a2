//! Dimension records as columns.

use std::fmt::Write as _;

use serde_json::Value;

use crate::data_id::value_of_cell;
use crate::symbols::{Symbol, Symbols};
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::{DimensionElement, ElementIx, FieldType, KeyType, Universe};
use crate::value::DataValue;

/// One column of alternate keys or metadata; every value may be null.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldColumn {
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
    /// Interned text.
    Text(Vec<Option<Symbol>>),
    /// Bytes; null and empty are different, so each value has a flag.
    Bytes(Vec<Option<Box<[u8]>>>),
}

impl FieldColumn {
    /// An empty column for a field.
    pub fn new(kind: FieldType) -> Self {
        match kind {
            FieldType::Int => Self::Int(Vec::new()),
            FieldType::Float => Self::Float(Vec::new()),
            FieldType::Bool => Self::Bool(Vec::new()),
            FieldType::Text { .. } => Self::Text(Vec::new()),
            FieldType::Hash { .. } => Self::Bytes(Vec::new()),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; bytes in hexadecimal. Panics if there is no such row, as indexing does.
    pub fn to_json(&self, row: usize, symbols: &Symbols) -> Value {
        match self {
            Self::Int(values) => values[row].into(),
            Self::Float(values) => values[row].into(),
            Self::Bool(values) => values[row].into(),
            Self::Text(values) => values[row].and_then(|symbol| symbols.get(symbol)).into(),
            Self::Bytes(values) => values[row].as_deref().map(hex).into(),
        }
    }

    fn push_json(&mut self, value: &Value, symbols: &mut Symbols) -> Option<()> {
        let null = value.is_null();
        match self {
            Self::Int(values) => values.push(nullable(null, || value.as_i64())?),
            Self::Float(values) => values.push(nullable(null, || value.as_f64())?),
            Self::Bool(values) => values.push(nullable(null, || value.as_bool())?),
            Self::Text(values) => {
                values.push(nullable(null, || value.as_str().map(|text| symbols.intern(text)))?);
            }
            Self::Bytes(values) => {
                values.push(nullable(null, || value.as_str().and_then(unhex).map(Into::into))?);
            }
        }
        Some(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Int(values) => values.push(None),
            Self::Float(values) => values.push(None),
            Self::Bool(values) => values.push(None),
            Self::Text(values) => values.push(None),
            Self::Bytes(values) => values.push(None),
        }
    }

    fn push_from(&mut self, other: &Self, row: usize) {
        match (self, other) {
            (Self::Int(into), Self::Int(from)) => into.push(from[row]),
            (Self::Float(into), Self::Float(from)) => into.push(from[row]),
            (Self::Bool(into), Self::Bool(from)) => into.push(from[row]),
            (Self::Text(into), Self::Text(from)) => into.push(from[row]),
            (Self::Bytes(into), Self::Bytes(from)) => into.push(from[row].clone()),
            (into, _) => into.push_null(),
        }
    }
}

fn nullable<T>(null: bool, value: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if null { Some(None) } else { value().map(Some) }
}

/// A row of JSON that does not fit an element's columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dimension record of `{element}`: {reason}")]
pub struct RecordError {
    /// The dimension element.
    pub element: String,
    /// What is wrong.
    pub reason: String,
}

/// Records of one dimension element, as columns in the order of its table: required keys, implied
/// dimensions, alternate keys and metadata, region, timespan.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordTable {
    /// The element.
    pub element: ElementIx,
    /// One column of cells for each required dimension, its own key included.
    pub keys: Vec<Vec<i64>>,
    /// One column of cells for each implied dimension.
    pub implied: Vec<Vec<i64>>,
    /// Alternate keys, then metadata.
    pub fields: Vec<FieldColumn>,
    /// Encoded regions, empty for null; present for spatial elements.
    pub regions: Option<Vec<Box<[u8]>>>,
    /// Timespans; present for temporal elements.
    pub timespans: Option<Vec<Option<Timespan>>>,
    len: usize,
}

impl RecordTable {
    /// An empty table for an element.
    pub fn new(element: &DimensionElement) -> Self {
        Self {
            element: element.ix,
            keys: vec![Vec::new(); element.required.len()],
            implied: vec![Vec::new(); element.implied.len()],
            fields: (element.alternate_keys.iter().chain(&element.metadata))
                .map(|field| FieldColumn::new(field.kind))
                .collect(),
            regions: element.is_spatial().then(Vec::new),
            timespans: element.is_temporal().then(Vec::new),
            len: 0,
        }
    }

    /// Joins whole columns; `None` unless there is one for each of the element's, all of the same
    /// length.
    pub fn from_columns(
        element: &DimensionElement,
        keys: Vec<Vec<i64>>,
        implied: Vec<Vec<i64>>,
        fields: Vec<FieldColumn>,
        regions: Option<Vec<Box<[u8]>>>,
        timespans: Option<Vec<Option<Timespan>>>,
    ) -> Option<Self> {
        let len = keys.first().map_or(0, Vec::len);
        let table = Self { element: element.ix, keys, implied, fields, regions, timespans, len };
        let fits = table.keys.len() == element.required.len()
            && table.implied.len() == element.implied.len()
            && table.fields.len() == element.alternate_keys.len() + element.metadata.len()
            && table.regions.is_some() == element.is_spatial()
            && table.timespans.is_some() == element.is_temporal();
        (fits && table.columns_have(len)).then_some(table)
    }

    fn columns_have(&self, len: usize) -> bool {
        self.keys.iter().chain(&self.implied).all(|column| column.len() == len)
            && self.fields.iter().all(|column| column.len() == len)
            && self.regions.as_ref().is_none_or(|column| column.len() == len)
            && self.timespans.as_ref().is_none_or(|column| column.len() == len)
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts a record whose values were pushed to all columns; `None` if the columns have
    /// different lengths, after which the table must not be used.
    pub fn finish_row(&mut self) -> Option<u32> {
        let row = self.len;
        self.len += 1;
        self.columns_have(self.len).then_some(row as u32)
    }

    /// Appends a copy of another table's record; both tables must be of one element and share
    /// their symbols.
    pub fn push_from(&mut self, other: &Self, row: u32) {
        let row = row as usize;
        for (into, from) in self.keys.iter_mut().zip(&other.keys) {
            into.push(from[row]);
        }
        for (into, from) in self.implied.iter_mut().zip(&other.implied) {
            into.push(from[row]);
        }
        for (into, from) in self.fields.iter_mut().zip(&other.fields) {
            into.push_from(from, row);
        }
        if let (Some(into), Some(from)) = (&mut self.regions, &other.regions) {
            into.push(from[row].clone());
        }
        if let (Some(into), Some(from)) = (&mut self.timespans, &other.timespans) {
            into.push(from[row]);
        }
        self.len += 1;
    }

    /// The encoded region of a record, if it has one.
    pub fn region(&self, row: u32) -> Option<&[u8]> {
        self.regions.as_ref().map(|regions| &*regions[row as usize]).filter(|r| !r.is_empty())
    }

    /// The timespan of a record, if it has one.
    pub fn timespan(&self, row: u32) -> Option<Timespan> {
        self.timespans.as_ref().and_then(|timespans| timespans[row as usize])
    }

    /// The column of a named alternate key or metadata field.
    pub fn field(&self, universe: &Universe, name: &str) -> Option<&FieldColumn> {
        let element = universe.element(self.element);
        (element.alternate_keys.iter().chain(&element.metadata))
            .position(|field| field.name == name)
            .map(|position| &self.fields[position])
    }

    /// A record as the array that quantum graph files hold: table order, regions and hashes in
    /// hexadecimal, timespans as pairs of nanoseconds.
    pub fn to_json(&self, row: u32, universe: &Universe, symbols: &Symbols) -> Vec<Value> {
        let element = universe.element(self.element);
        let at = row as usize;
        let mut values = Vec::new();
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(self.keys.iter().chain(&self.implied)) {
            let key = universe.element(ix).key_type();
            values.push(match value_of_cell(key, column[at], symbols) {
                DataValue::Int(value) => value.into(),
                DataValue::Text(value) => value.into(),
            });
        }
        values.extend(self.fields.iter().map(|field| field.to_json(at, symbols)));
        if element.is_spatial() {
            values.push(self.region(row).map(hex).into());
        }
        if element.is_temporal() {
            values.push(self.timespan(row).map_or(Value::Null, |timespan| {
                Value::Array(vec![timespan.begin.0.into(), timespan.end.0.into()])
            }));
        }
        values
    }

    /// Appends a record given in the form of [`RecordTable::to_json`].
    ///
    /// # Errors
    /// If the array is too short or too long, or a value is of the wrong type.
    pub fn push_json(
        &mut self,
        values: &[Value],
        universe: &Universe,
        symbols: &mut Symbols,
    ) -> Result<u32, RecordError> {
        let element = universe.element(self.element);
        let fail = |reason: String| RecordError { element: element.name.clone(), reason };
        let mut values = values.iter();
        let mut next =
            |what: &str| values.next().ok_or_else(|| fail(format!("no value for {what}")));
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(self.keys.iter_mut().chain(&mut self.implied)) {
            let dimension = universe.element(ix);
            let value = next(&dimension.name)?;
            let cell = match dimension.key_type() {
                Some(KeyType::Text) => value.as_str().map(|text| symbols.intern(text).cell()),
                _ => value.as_i64(),
            };
            column.push(
                cell.ok_or_else(|| fail(format!("`{value}` is no value of {}", dimension.name)))?,
            );
        }
        let specs = element.alternate_keys.iter().chain(&element.metadata);
        for (spec, column) in specs.zip(&mut self.fields) {
            let value = next(&spec.name)?;
            column
                .push_json(value, symbols)
                .ok_or_else(|| fail(format!("`{value}` is no value of {}", spec.name)))?;
        }
        if let Some(regions) = &mut self.regions {
            let region = match next("region")? {
                Value::Null => Some(Vec::new()),
                value => value.as_str().and_then(unhex),
            };
            regions
                .push(region.ok_or_else(|| fail("region is not hexadecimal".to_owned()))?.into());
        }
        if let Some(timespans) = &mut self.timespans {
            let timespan = match next("timespan")? {
                Value::Null => Some(None),
                value => value.as_array().and_then(|pair| match pair.as_slice() {
                    [begin, end] => Some(Some(Timespan {
                        begin: TaiNanos(begin.as_i64()?),
                        end: TaiNanos(end.as_i64()?),
                    })),
                    _ => None,
                }),
            };
            timespans.push(timespan.ok_or_else(|| fail("timespan is not a pair".to_owned()))?);
        }
        if values.next().is_some() {
            return Err(fail("more values than columns".to_owned()));
        }
        self.finish_row().ok_or_else(|| fail("columns of different lengths".to_owned()))
    }
}

/// Lowercase hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}
