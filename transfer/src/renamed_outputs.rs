//! Outputs of a run on their way into a RUN of another name.

use std::sync::atomic::{AtomicU64, Ordering};

use qbb::journal::JournalState;
use qbb_datastore::{ArtifactUri, DatastoreConfig, Placing};
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_registry::RegistryReader;

use crate::batch::segments;
use crate::contents::File;
use crate::error::TransferError;
use crate::inputs::{columns_of, push_dataset};
use crate::outputs::{Outputs, is_file, output_file};
use crate::placement::Placement;
use crate::provenance::PackedProducts;
use crate::stored::StoredDatasets;

impl Outputs {
    /// Gives all files that were written for another run further names, at the paths that the
    /// datastore's templates have for the RUN of `graph`. They are hard links, or copies where there
    /// are none, as in an object store. So each run can be removed, or executed again, without the
    /// other. `written` is the folder that outputs were written to.
    ///
    /// What the repository stores already stays as it is; datasets in `packed` and those that are
    /// still packed need no files. `progress` is told how many of how many files are done.
    ///
    /// # Errors
    /// If the registry cannot be read, or a file cannot get its name.
    pub fn renamed(
        graph: &QuantumGraph,
        journal: &JournalState,
        written: &ArtifactUri,
        personal: &mut dyn RegistryReader,
        datastore: &DatastoreConfig,
        packed: Option<&PackedProducts>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, TransferError> {
        let is_taken = |dataset| is_file(journal, packed, dataset);
        let ids = (graph.datasets.iter())
            .filter(|&dataset| is_taken(dataset))
            .map(|dataset| graph.datasets.id[dataset.index()]);
        let stored = StoredDatasets::of(personal, ids)?;
        let mut batches = Vec::new();
        for segment in segments(graph) {
            let mut columns = columns_of(graph, &segment);
            for dataset in segment.datasets.clone().map(DatasetIx).filter(|&d| is_taken(d)) {
                let position = push_dataset(graph, dataset, &mut columns);
                if stored.own.contains(&graph.datasets.id[dataset.index()]) {
                    continue;
                }
                for record in journal.records(dataset) {
                    let file = output_file(record);
                    let uri = written.join(file.path)?;
                    columns.files.push(position, File { path: uri.as_str(), ..file });
                }
            }
            if !columns.is_empty() {
                batches.push((segment, columns));
            }
        }
        let total = batches.iter().map(|(_, columns)| columns.files.len() as u64).sum();
        let done = AtomicU64::new(0);
        let mut outputs = Self::default();
        let placing = match datastore.local_root() {
            Some(_) => Placing::Hardlink,
            None => Placing::Copy,
        };
        let placement = Placement::new(datastore, graph.universe(), placing)?.renaming();
        let placement = outputs.placement.insert(placement);
        for (segment, columns) in batches {
            let dataset_type = &graph.pipeline.dataset_type(segment.dataset_type).dataset_type;
            let (records, symbols) = (&graph.dimension_records, &graph.symbols);
            let placed = placement.place(&columns, dataset_type, records, symbols, &|_| {
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            })?;
            outputs.missing += placed.missing.len() as u64;
            outputs.placed.insert(segment.datasets.start, placed.datasets);
        }
        placement.sync()?;
        Ok(outputs)
    }
}
