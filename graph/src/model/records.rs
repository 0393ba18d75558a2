//! Datastore records of the overall inputs.

use qbb_dimensions::{Column, Ragged};

/// A datastore of the release, and where its root was when the graph was built.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Datastore {
    /// Name, usually `FileDatastore@<butlerRoot>`.
    pub name: String,
    /// Absolute URI of the root, ending in `/`; empty if unknown (as in a `.qg` from elsewhere).
    pub root: String,
}

/// Records of stored inputs, sorted by dataset; a dataset may have several (components).
///
/// Cells of `formatter`, `storage_class` and `component` are symbols of the graph; a component of
/// `u32::MAX` is the whole dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputRecords {
    /// Datasets, ascending.
    pub dataset: Column<u32>,
    /// Positions in [`super::QuantumGraph::datastores`].
    pub datastore: Column<u32>,
    /// Paths as recorded: relative to the datastore's root, or absolute URIs.
    pub path: Ragged,
    /// Formatter class paths.
    pub formatter: Column<u32>,
    /// Storage classes as written.
    pub storage_class: Column<u32>,
    /// Components.
    pub component: Column<u32>,
    /// Checksums; empty for none.
    pub checksum: Ragged,
    /// Sizes in bytes; −1 is unknown.
    pub file_size: Column<i64>,
}

impl InputRecords {
    /// Component number of a whole dataset.
    pub const WHOLE: u32 = u32::MAX;

    /// Number of records.
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dataset.is_empty()
    }

    /// Positions of a dataset's records.
    pub fn of_dataset(&self, dataset: super::DatasetIx) -> std::ops::Range<usize> {
        let begin = self.dataset.partition_point(|&d| d < dataset.0);
        let end = self.dataset.partition_point(|&d| d <= dataset.0);
        begin..end.max(begin)
    }
}
