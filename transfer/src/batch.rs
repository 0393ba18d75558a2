//! Runs of datasets of one type in one RUN collection.

use std::ops::Range;

use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_pipeline::DatasetTypeIx;
use qbb_registry::StoredFile;

/// Datasets of one type in one RUN, which stand together because datasets are sorted.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub dataset_type: DatasetTypeIx,
    pub run: u32,
    pub datasets: Range<u32>,
}

/// All segments of a graph in order.
pub(crate) fn segments(graph: &QuantumGraph) -> Vec<Segment> {
    let (types, runs) = (&graph.datasets.dataset_type, &graph.datasets.run);
    let mut segments: Vec<Segment> = Vec::new();
    for (i, (&dataset_type, &run)) in types.iter().zip(runs.iter()).enumerate() {
        let i = i as u32;
        match segments.last_mut() {
            Some(last) if last.dataset_type.0 == dataset_type && last.run == run => {
                last.datasets.end = i + 1;
            }
            _ => segments.push(Segment {
                dataset_type: DatasetTypeIx(dataset_type),
                run,
                datasets: i..i + 1,
            }),
        }
    }
    segments
}

/// Some datasets of one type as the columns that a registry takes.
#[derive(Debug, Default)]
pub(crate) struct DatasetColumns {
    pub keys: Vec<Vec<i64>>,
    pub id: Vec<[u8; 16]>,
    pub files: Vec<(u32, StoredFile)>,
}

impl DatasetColumns {
    /// No datasets yet.
    pub fn new(graph: &QuantumGraph, dataset_type: DatasetTypeIx) -> Self {
        let required = graph.dataset_type_data_ids(dataset_type).group().required().len();
        Self { keys: vec![Vec::new(); required], ..Self::default() }
    }

    /// Appends a dataset with its stored files.
    pub fn push(
        &mut self,
        graph: &QuantumGraph,
        dataset: DatasetIx,
        files: impl Iterator<Item = StoredFile>,
    ) {
        let position = self.id.len() as u32;
        let table = graph.dataset_type_data_ids(graph.datasets.dataset_type(dataset));
        let row = graph.datasets.data_id[dataset.index()];
        for (column, cell) in self.keys.iter_mut().zip(table.row(row)) {
            column.push(cell);
        }
        self.id.push(graph.datasets.id[dataset.index()]);
        self.files.extend(files.map(|file| (position, file)));
    }
}
