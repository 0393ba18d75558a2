//! Compressed sparse rows between quanta and datasets.

use std::ops::Range;

use qbb_dimensions::Column;

use super::tables::{DatasetIx, QuantumIx};

/// For each quantum, its datasets on one side, grouped by connection.
///
/// Within a quantum, edges are sorted by connection number (see `Task::quantum_inputs` and
/// `Task::quantum_outputs`), then by data ID values, which is the order in which a task sees them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adjacency {
    /// One more than quanta: edges of quantum `q` are `offsets[q]..offsets[q + 1]`.
    pub offsets: Column<u64>,
    /// Dataset of each edge.
    pub dataset: Column<u32>,
    /// Connection number of each edge within its task.
    pub connection: Column<u16>,
}

impl Adjacency {
    /// Number of edges.
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether there are no edges.
    pub fn is_empty(&self) -> bool {
        self.dataset.is_empty()
    }

    /// Positions of a quantum's edges.
    pub fn range(&self, quantum: QuantumIx) -> Range<usize> {
        let index = quantum.index();
        self.offsets[index] as usize..self.offsets[index + 1] as usize
    }

    /// Connection number and dataset of each of a quantum's edges.
    pub fn edges(&self, quantum: QuantumIx) -> impl ExactSizeIterator<Item = (u16, DatasetIx)> {
        let range = self.range(quantum);
        (self.connection[range.clone()].iter().copied())
            .zip(self.dataset[range].iter().copied().map(DatasetIx))
    }

    /// Datasets of one connection of a quantum.
    pub fn of_connection(
        &self,
        quantum: QuantumIx,
        connection: u16,
    ) -> impl ExactSizeIterator<Item = DatasetIx> {
        let range = self.range(quantum);
        let connections = &self.connection[range.clone()];
        let begin = range.start + connections.partition_point(|&c| c < connection);
        let end = range.start + connections.partition_point(|&c| c <= connection);
        // Connections that are not sorted, in a file opened without a full check, must not panic.
        self.dataset[begin..end.max(begin)].iter().copied().map(DatasetIx)
    }
}
