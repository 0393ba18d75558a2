//! Finding the dimension records that path templates refer to.

use qbb_datastore::FieldValue;
use qbb_dimensions::{DataIdTable, ElementIx, FieldColumn, KeyType, RecordTable, Symbols};
use qbb_graph::QuantumGraph;
use rustc_hash::FxHashMap;

/// Records of one element by their keys.
#[derive(Debug)]
pub(super) struct RecordRows {
    /// Position of the table in the graph; `None` if the graph has no records of the element.
    table: Option<usize>,
    rows: FxHashMap<Box<[i64]>, u32>,
}

impl RecordRows {
    /// Indexes the records of an element.
    pub fn new(graph: &QuantumGraph, element: ElementIx) -> Self {
        let table = graph.dimension_records.iter().position(|table| table.element == element);
        let mut rows = FxHashMap::default();
        if let Some(records) = table.map(|table| &graph.dimension_records[table]) {
            rows.reserve(records.len());
            for row in 0..records.len() {
                let key = records.keys.iter().map(|column| column[row]).collect();
                rows.insert(key, row as u32);
            }
        }
        Self { table, rows }
    }

    /// The record with these keys.
    pub fn find<'g>(
        &self,
        graph: &'g QuantumGraph,
        keys: &[i64],
    ) -> Option<(&'g RecordTable, u32)> {
        let row = *self.rows.get(keys)?;
        Some((&graph.dimension_records[self.table?], row))
    }
}

/// A column of a record table, found by name once for many rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum RecordColumn {
    Key(usize),
    Implied(usize),
    Field(usize),
}

impl RecordColumn {
    /// The column with a name: a dimension, the element's own key, an alternate key or metadata.
    pub fn find(graph: &QuantumGraph, element: ElementIx, name: &str) -> Option<Self> {
        let universe = graph.universe();
        let element = universe.element(element);
        let named = |ix: &ElementIx| universe.element(*ix).name == name;
        // The own key is the last of the required dimensions and has a column name of its own.
        let own = element.key_column().is_some_and(|column| column.name == name);
        let key = element.required.iter().position(named).filter(|_| name != element.name);
        let own_key = own.then(|| element.required.len().checked_sub(1)).flatten();
        key.or(own_key)
            .map(Self::Key)
            .or_else(|| element.implied.iter().position(named).map(Self::Implied))
            .or_else(|| {
                (element.alternate_keys.iter().chain(&element.metadata))
                    .position(|field| field.name == name)
                    .map(Self::Field)
            })
    }

    /// The value of a record.
    pub fn value<'g>(
        self,
        graph: &'g QuantumGraph,
        table: &'g RecordTable,
        row: u32,
    ) -> Option<FieldValue<'g>> {
        let universe = graph.universe();
        let element = universe.element(table.element);
        let at = row as usize;
        let key = |ix: ElementIx, cell: i64| {
            key_value(universe.element(ix).key_type(), cell, &graph.symbols)
        };
        match self {
            Self::Key(i) => key(element.required[i], table.keys[i][at]),
            Self::Implied(i) => key(element.implied[i], table.implied[i][at]),
            Self::Field(i) => Some(match &table.fields[i] {
                FieldColumn::Int(values) => values[at].map_or(FieldValue::Null, FieldValue::Int),
                FieldColumn::Float(values) => {
                    values[at].map_or(FieldValue::Null, FieldValue::Float)
                }
                FieldColumn::Bool(values) => values[at].map_or(FieldValue::Null, FieldValue::Bool),
                FieldColumn::Text(values) => (values[at])
                    .and_then(|symbol| graph.symbols.get(symbol))
                    .map_or(FieldValue::Null, FieldValue::Text),
                // No sensible file name comes from bytes.
                FieldColumn::Bytes(_) => return None,
            }),
        }
    }
}

/// The value of a data ID's cell.
pub(super) fn key_value(
    key: Option<KeyType>,
    cell: i64,
    symbols: &Symbols,
) -> Option<FieldValue<'_>> {
    match key? {
        KeyType::Int => Some(FieldValue::Int(cell)),
        KeyType::Text => symbols.of_cell(cell).map(FieldValue::Text),
    }
}

/// Positions of an element's required dimensions among the values of a group; `None` if the group
/// lacks one.
pub(super) fn key_positions(
    data_ids: &DataIdTable,
    graph: &QuantumGraph,
    element: ElementIx,
) -> Option<Vec<usize>> {
    let group = data_ids.group();
    graph.universe().element(element).required.iter().map(|&ix| group.key_position(ix)).collect()
}
