//! Data IDs as rows of integer cells.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::column::Column;
use crate::group::DimensionGroup;
use crate::symbols::{Symbol, Symbols};
use crate::universe::{KeyType, Universe};
use crate::value::DataValue;

/// Data IDs of one dimension group, as columns.
///
/// There is one column for each of [`DimensionGroup::keys`]. A cell is the value itself for an
/// integer dimension and the number of a [`Symbol`] for a string dimension. A data ID is a row
/// number.
#[derive(Debug, Clone, PartialEq)]
pub struct DataIdTable {
    group: DimensionGroup,
    columns: Vec<Column<i64>>,
    len: usize,
}

impl DataIdTable {
    /// Joins columns; `None` unless there is one of `len` cells for each key of the group.
    pub fn new(group: DimensionGroup, columns: Vec<Column<i64>>, len: usize) -> Option<Self> {
        let fits = columns.len() == group.keys().len() && columns.iter().all(|c| c.len() == len);
        fits.then_some(Self { group, columns, len })
    }

    /// The dimensions.
    pub fn group(&self) -> &DimensionGroup {
        &self.group
    }

    /// Number of data IDs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no data IDs.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One column for each key of the group.
    pub fn columns(&self) -> &[Column<i64>] {
        &self.columns
    }

    /// Cells of a row in the order of keys; panics if the row does not exist, as indexing does.
    pub fn row(&self, row: u32) -> impl ExactSizeIterator<Item = i64> {
        self.columns.iter().map(move |column| column[row as usize])
    }

    /// Values of a row in the order of keys. A cell that is no symbol shows as the empty string.
    pub fn values(&self, row: u32, symbols: &Symbols) -> Vec<DataValue> {
        let universe = self.group.universe();
        (self.group.keys().iter().zip(self.row(row)))
            .map(|(&ix, cell)| value_of_cell(universe.element(ix).key_type(), cell, symbols))
            .collect()
    }

    /// Text of a row for people: `{instrument: 'Cam', detector: 1, …}`, required and then implied
    /// dimensions, as the middleware's logs have it.
    pub fn describe(&self, row: u32, symbols: &Symbols) -> String {
        let mut text = String::from("{");
        for (i, (name, value)) in
            self.group.iter_key_names().zip(self.values(row, symbols)).enumerate()
        {
            if i != 0 {
                text.push_str(", ");
            }
            text.push_str(name);
            text.push_str(": ");
            match value {
                DataValue::Int(value) => text.push_str(&value.to_string()),
                DataValue::Text(value) => {
                    text.push('\'');
                    text.push_str(&value);
                    text.push('\'');
                }
            }
        }
        text.push('}');
        text
    }
}

/// The value that a cell stands for.
pub(crate) fn value_of_cell(key: Option<KeyType>, cell: i64, symbols: &Symbols) -> DataValue {
    match key {
        Some(KeyType::Text) => {
            DataValue::Text(symbols.of_cell(cell).unwrap_or_default().to_owned())
        }
        _ => DataValue::Int(cell),
    }
}

impl Universe {
    /// The cell for a value of a dimension, or `None` if the value is of the wrong type.
    pub fn cell(
        &self,
        dimension: crate::ElementIx,
        value: &DataValue,
        symbols: &mut Symbols,
    ) -> Option<i64> {
        match (self.element(dimension).key_type()?, value) {
            (KeyType::Int, DataValue::Int(value)) => Some(*value),
            (KeyType::Text, DataValue::Text(text)) => Some(symbols.intern(text).cell()),
            _ => None,
        }
    }

    /// The value that a cell of a dimension stands for.
    pub fn value(&self, dimension: crate::ElementIx, cell: i64, symbols: &Symbols) -> DataValue {
        value_of_cell(self.element(dimension).key_type(), cell, symbols)
    }

    /// The text of a cell of a string dimension.
    pub fn symbol(&self, dimension: crate::ElementIx, cell: i64) -> Option<Symbol> {
        (self.element(dimension).key_type() == Some(KeyType::Text))
            .then(|| u32::try_from(cell).ok().map(Symbol))
            .flatten()
    }
}

/// Data IDs under construction, each kept once and found by its required values.
#[derive(Debug, Clone)]
pub struct DataIdIndex {
    group: DimensionGroup,
    columns: Vec<Vec<i64>>,
    len: usize,
    rows: HashTable<u32>,
}

impl DataIdIndex {
    /// An empty set of data IDs.
    pub fn new(group: DimensionGroup) -> Self {
        let columns = vec![Vec::new(); group.keys().len()];
        Self { group, columns, len: 0, rows: HashTable::new() }
    }

    fn add_row(&mut self, row: u32) -> u32 {
        let required = self.group.required().len();
        let columns = &self.columns[..required];
        let cell = |column: usize, row: u32| columns[column][row as usize];
        let hash = hash_cells((0..required).map(|column| cell(column, row)));
        let same = |&other: &u32| (0..required).all(|c| cell(c, other) == cell(c, row));
        if let Some(&known) = self.rows.find(hash, same) {
            return known;
        }
        let rehash = |&other: &u32| hash_cells((0..required).map(|column| cell(column, other)));
        self.rows.insert_unique(hash, row, rehash);
        row
    }

    /// The dimensions.
    pub fn group(&self) -> &DimensionGroup {
        &self.group
    }

    /// Number of data IDs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no data IDs.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of these cells (one for each key), added now if its required values are new.
    pub fn insert(&mut self, cells: &[i64]) -> u32 {
        debug_assert_eq!(cells.len(), self.columns.len());
        if let Some(row) = self.find(&cells[..self.group.required().len()]) {
            return row;
        }
        let row = self.len as u32;
        for (column, &cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.len += 1;
        self.add_row(row)
    }

    /// The row with these required values.
    pub fn find(&self, required: &[i64]) -> Option<u32> {
        let hash = hash_cells(required.iter().copied());
        self.rows
            .find(hash, |&row| {
                required
                    .iter()
                    .zip(&self.columns)
                    .all(|(cell, column)| column[row as usize] == *cell)
            })
            .copied()
    }

    /// Cells of one key.
    pub fn column(&self, key: usize) -> &[i64] {
        &self.columns[key]
    }

    /// The finished table.
    pub fn into_table(self) -> DataIdTable {
        let columns = self.columns.into_iter().map(Column::from).collect();
        DataIdTable { group: self.group, columns, len: self.len }
    }
}

fn hash_cells(cells: impl Iterator<Item = i64>) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    for cell in cells {
        hasher.write_i64(cell);
    }
    hasher.finish()
}
