//! Which datasets go into the pack of a process instead of files.

use qbb::pack::PackWriter;
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_pipeline::PipelineGraph;

/// Dataset types that are packed: metadata and logs of quanta, unless a task of the graph reads them,
/// which may be a program or Python that looks for a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packing {
    /// By dataset type; empty if nothing is packed.
    packed: Vec<bool>,
}

impl Packing {
    /// Packs all that may be.
    pub fn of(pipeline: &PipelineGraph) -> Self {
        let mut packed = vec![false; pipeline.dataset_types.len()];
        for task in &pipeline.tasks {
            for connection in std::iter::once(&task.metadata_output).chain(&task.log_output) {
                packed[connection.dataset_type.index()] = true;
            }
        }
        for task in &pipeline.tasks {
            for input in task.quantum_inputs().chain(&task.init_inputs) {
                packed[input.dataset_type.index()] = false;
            }
        }
        Self { packed }
    }

    /// Names of the dataset types.
    pub fn names(&self, pipeline: &PipelineGraph) -> Vec<String> {
        (pipeline.dataset_types.iter().zip(&self.packed))
            .filter(|(_, packed)| **packed)
            .map(|(node, _)| node.dataset_type.name.clone())
            .collect()
    }

    /// Whether a dataset of a length in bytes is packed.
    pub fn takes(&self, graph: &QuantumGraph, dataset: DatasetIx, length: usize) -> bool {
        let dataset_type = graph.datasets.dataset_type(dataset).index();
        self.packed.get(dataset_type).copied().unwrap_or(false) && PackWriter::takes(length)
    }
}

/// Datasets of a quantum on their way to the pack: its metadata, its log, or both.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    /// One dataset after the other.
    pub bytes: Vec<u8>,
    entries: [Option<(DatasetIx, usize)>; 2],
}

impl Parcel {
    /// Makes everything that was appended to the bytes since the last entry an entry. Gives false,
    /// and does nothing, if there is no room for more entries.
    pub fn close_entry(&mut self, dataset: DatasetIx) -> bool {
        let end = self.bytes.len();
        let free = self.entries.iter_mut().find(|entry| entry.is_none());
        free.map(|entry| *entry = Some((dataset, end))).is_some()
    }

    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = (DatasetIx, &[u8])> {
        let mut begin = 0;
        self.entries.iter().flatten().map(move |&(dataset, end)| {
            let bytes = &self.bytes[begin..end];
            begin = end;
            (dataset, bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_gives_what_was_put_in() {
        let mut parcel = Parcel::default();
        parcel.bytes.extend(b"metadata");
        assert!(parcel.close_entry(DatasetIx(3)));
        parcel.bytes.extend(b"log");
        assert!(parcel.close_entry(DatasetIx(1)));
        let entries: Vec<_> = parcel.entries().collect();
        assert_eq!(entries, [(DatasetIx(3), &b"metadata"[..]), (DatasetIx(1), b"log")]);
        assert!(!parcel.close_entry(DatasetIx(2)));
    }
}
