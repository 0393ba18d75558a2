//! The dimension records that expand data IDs.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Universe};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::model::{DataIdGroupIx, QuantumGraph, QuantumIx};

/// Rows of a graph's dimension record tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordSelection {
    /// Position in [`QuantumGraph::dimension_records`] and rows of that table, ascending.
    pub tables: Vec<(usize, Vec<u32>)>,
}

/// For each element, the keys of its records that expand data IDs, which are given as columns of
/// cells for each group.
pub(crate) fn wanted_keys<C: AsRef<[i64]>>(
    universe: &Universe,
    groups: &[DimensionGroup],
    data_ids: &[Vec<C>],
) -> FxHashMap<ElementIx, FxHashSet<Vec<i64>>> {
    let mut wanted: FxHashMap<ElementIx, FxHashSet<Vec<i64>>> = FxHashMap::default();
    for (group, columns) in groups.iter().zip(data_ids) {
        let rows = columns.first().map_or(0, |column| column.as_ref().len());
        for &ix in group.elements() {
            let positions =
                universe.element(ix).required.iter().map(|&key| group.key_position(key));
            let Some(positions) = positions.collect::<Option<Vec<usize>>>() else { continue };
            let cell = |row: usize, at: usize| columns[at].as_ref()[row];
            let key = |row: usize| positions.iter().map(|&at| cell(row, at)).collect();
            wanted.entry(ix).or_default().extend((0..rows).map(key));
        }
    }
    wanted
}

/// Record tables indexed by their keys.
pub(crate) struct RecordIndex {
    /// One for each record table.
    tables: Vec<KeyIndex>,
    /// For each group of data IDs, the record tables that apply, and for each of their keys its
    /// position among the keys of the group.
    groups: Vec<Vec<(usize, Vec<usize>)>>,
}

struct KeyIndex(HashTable<u32>);

fn hash_cells(cells: impl Iterator<Item = i64>) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    for cell in cells {
        hasher.write_i64(cell);
    }
    hasher.finish()
}

impl KeyIndex {
    fn new(table: &RecordTable) -> Self {
        let hash = |row: u32| hash_cells(table.keys.iter().map(|column| column[row as usize]));
        let mut index = HashTable::with_capacity(table.len());
        for row in 0..table.len() as u32 {
            index.insert_unique(hash(row), row, |&other| hash(other));
        }
        Self(index)
    }

    fn find(&self, table: &RecordTable, cells: &[i64]) -> Option<u32> {
        let same = |&row: &u32| {
            cells.iter().zip(&table.keys).all(|(&cell, column)| column[row as usize] == cell)
        };
        self.0.find(hash_cells(cells.iter().copied()), same).copied()
    }
}

impl RecordIndex {
    fn new(graph: &QuantumGraph) -> Self {
        let universe = graph.universe();
        let tables = graph.dimension_records.iter().map(KeyIndex::new).collect();
        let position =
            |ix: ElementIx| graph.dimension_records.iter().position(|table| table.element == ix);
        let groups = (graph.data_ids.iter())
            .map(|data_ids| {
                let group = data_ids.group();
                (group.elements().iter())
                    .filter_map(|&ix| {
                        let keys = universe.element(ix).required.iter();
                        let keys = keys.map(|&key| group.key_position(key)).collect();
                        Some((position(ix)?, keys))
                    })
                    .filter_map(|(table, keys): (_, Option<Vec<usize>>)| Some((table, keys?)))
                    .collect()
            })
            .collect();
        Self { tables, groups }
    }
}

impl QuantumGraph {
    fn record_index(&self) -> &RecordIndex {
        self.lookups.records.get_or_init(|| RecordIndex::new(self))
    }

    /// Calls `found` with each record table that applies to a data ID and the row found there.
    /// Data IDs that do not exist have none.
    fn for_each_record(
        &self,
        group: DataIdGroupIx,
        row: u32,
        cells: &mut Vec<i64>,
        mut found: impl FnMut(usize, Option<u32>),
    ) {
        let index = self.record_index();
        let Some(data_ids) = self.data_ids.get(group.index()) else { return };
        if row as usize >= data_ids.len() {
            return;
        }
        for (table, keys) in &index.groups[group.index()] {
            cells.clear();
            cells.extend(keys.iter().map(|&key| data_ids.columns()[key][row as usize]));
            found(*table, index.tables[*table].find(&self.dimension_records[*table], cells));
        }
    }

    /// The records that expand these data IDs, each once, as far as the graph has them. An element
    /// may rightly have none for a data ID, such as a `visit_detector_region` off the sky.
    pub fn dimension_data(
        &self,
        data_ids: impl IntoIterator<Item = (DataIdGroupIx, u32)>,
    ) -> RecordSelection {
        let mut rows = vec![Vec::new(); self.dimension_records.len()];
        let mut seen = FxHashSet::default();
        let mut cells = Vec::new();
        for (group, row) in data_ids {
            if seen.insert((group, row)) {
                self.for_each_record(group, row, &mut cells, |table, found| {
                    rows[table].extend(found);
                });
            }
        }
        let tables = (rows.into_iter().enumerate())
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(table, mut rows)| {
                rows.sort_unstable();
                rows.dedup();
                (table, rows)
            })
            .collect();
        RecordSelection { tables }
    }

    /// Data IDs of a quantum, its inputs and its outputs, the init datasets of its task aside,
    /// which have no dimensions.
    pub fn quantum_data_ids(
        &self,
        quantum: QuantumIx,
    ) -> impl Iterator<Item = (DataIdGroupIx, u32)> {
        let own = (self.quanta.task.get(quantum.index()))
            .zip(self.quanta.data_id.get(quantum.index()))
            .and_then(|(&task, &row)| Some((*self.task_groups.get(task as usize)?, row)));
        let datasets = self.inputs.edges(quantum).chain(self.outputs.edges(quantum));
        let datasets = datasets.filter_map(|(_, dataset)| {
            let dataset_type = *self.datasets.dataset_type.get(dataset.index())?;
            let group = *self.dataset_type_groups.get(dataset_type as usize)?;
            Some((group, *self.datasets.data_id.get(dataset.index())?))
        });
        own.into_iter().chain(datasets)
    }

    /// The first data ID, if any, that lacks the record of a dimension: which group, row and
    /// element. Combinations may lack records, and so may sky pixels, which are computed.
    pub(crate) fn missing_record(&self) -> Option<(DataIdGroupIx, u32, ElementIx)> {
        let universe = self.universe();
        let mut cells = Vec::new();
        for (position, data_ids) in self.data_ids.iter().enumerate() {
            let group = DataIdGroupIx(position as u16);
            let have: FxHashSet<ElementIx> = (self.record_index().groups[position].iter())
                .map(|(table, _)| self.dimension_records[*table].element)
                .collect();
            let absent = (data_ids.group().names().iter().copied())
                .find(|ix| universe.element(*ix).skypix().is_none() && !have.contains(ix));
            if let Some(element) = absent.filter(|_| !data_ids.is_empty()) {
                return Some((group, 0, element));
            }
            for row in 0..data_ids.len() as u32 {
                let mut missing = None;
                self.for_each_record(group, row, &mut cells, |table, found| {
                    let element = self.dimension_records[table].element;
                    if found.is_none() && universe.element(element).is_dimension() {
                        missing = missing.or(Some(element));
                    }
                });
                if let Some(element) = missing {
                    return Some((group, row, element));
                }
            }
        }
        None
    }
}
