//! Quanta and datasets as columns.

use qbb_dimensions::Column;
use qbb_pipeline::{DatasetTypeIx, TaskIx};
use uuid::Uuid;

/// Position of a quantum; quanta are sorted by task (topologically), then by data ID values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuantumIx(pub u32);

/// Position of a dataset; datasets are sorted by dataset type, run and data ID values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetIx(pub u32);

/// Position of a RUN collection in [`super::QuantumGraph::runs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunIx(pub u32);

/// Position of a dimension group in [`super::QuantumGraph::data_ids`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataIdGroupIx(pub u16);

impl QuantumIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DatasetIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl RunIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DataIdGroupIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// All quanta but the init quanta.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuantumTable {
    /// UUIDs, big-endian as printed.
    pub id: Column<[u8; 16]>,
    /// Positions of their tasks.
    pub task: Column<u32>,
    /// Rows in the data ID table of the task's dimensions.
    pub data_id: Column<u32>,
}

impl QuantumTable {
    /// Number of quanta.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// All quanta in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = QuantumIx> + use<> {
        (0..self.len() as u32).map(QuantumIx)
    }

    /// UUID of a quantum.
    pub fn uuid(&self, quantum: QuantumIx) -> Uuid {
        Uuid::from_bytes(self.id[quantum.index()])
    }

    /// Task of a quantum.
    pub fn task(&self, quantum: QuantumIx) -> TaskIx {
        TaskIx(self.task[quantum.index()])
    }
}

/// All datasets of the graph: overall inputs, intermediates, outputs, init-inputs and
/// init-outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatasetTable {
    /// UUIDs, big-endian as printed.
    pub id: Column<[u8; 16]>,
    /// Positions of their dataset types.
    pub dataset_type: Column<u32>,
    /// Rows in the data ID table of the dataset type's dimensions.
    pub data_id: Column<u32>,
    /// Positions of their RUN collections.
    pub run: Column<u32>,
}

impl DatasetTable {
    /// Number of datasets.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// All datasets in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = DatasetIx> + use<> {
        (0..self.len() as u32).map(DatasetIx)
    }

    /// UUID of a dataset.
    pub fn uuid(&self, dataset: DatasetIx) -> Uuid {
        Uuid::from_bytes(self.id[dataset.index()])
    }

    /// Dataset type of a dataset.
    pub fn dataset_type(&self, dataset: DatasetIx) -> DatasetTypeIx {
        DatasetTypeIx(self.dataset_type[dataset.index()])
    }
}
