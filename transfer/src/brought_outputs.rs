//! Outputs of a run that were not written into the datastore itself.

use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8Path;
use qbb::journal::JournalState;
use qbb_datastore::{ArtifactUri, DatastoreConfig, LocalStore, Placing};
use qbb_dimensions::Symbols;
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_registry::RegistryReader;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::arrivals::Arrivals;
use crate::contents::BATCH;
use crate::error::TransferError;
use crate::outputs::{Outputs, completed, is_file};
use crate::provenance::PackedProducts;

/// What stands between the path of an archive and the name of its member.
const MEMBER: &str = "#zip-path=";

impl Outputs {
    /// Copies the files of outputs from the folder that they were written to, to the same paths in
    /// the datastore. Those of which the registry has records already stay as they are, and datasets in
    /// `packed` need no files. `progress` is told how many of how many files are done.
    ///
    /// # Errors
    /// If the registry cannot be read, or a file not be copied; those that were are removed then.
    pub fn bring(
        graph: &QuantumGraph,
        journal: &JournalState,
        folder: &Utf8Path,
        datastore: &DatastoreConfig,
        personal: &mut dyn RegistryReader,
        packed: Option<&PackedProducts>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, TransferError> {
        let store = LocalStore::new(folder)?;
        let mut planned: Vec<(String, ArtifactUri)> = Vec::new();
        let mut seen: FxHashSet<&str> = FxHashSet::default();
        let is_file = |dataset: &DatasetIx| is_file(journal, packed, *dataset);
        let written: Vec<DatasetIx> = graph.datasets.iter().filter(is_file).collect();
        for datasets in written.chunks(BATCH) {
            let known = recorded(graph, datasets, personal)?;
            for &dataset in datasets {
                let known = known.get(&graph.datasets.id[dataset.index()]);
                for record in journal.records(dataset) {
                    let path = record.path.split(MEMBER).next().unwrap_or(record.path);
                    let is_known = known
                        .is_some_and(|paths| paths.iter().any(|known| **known == *record.path));
                    if !is_known && seen.insert(path) {
                        let source = qbb_datastore::ArtifactStore::root(&store).join(path);
                        let source =
                            source.map_err(|_| TransferError::Outside { path: path.to_owned() })?;
                        planned.push((path.to_owned(), source));
                    }
                }
            }
        }
        let total = planned.len() as u64;
        let done = AtomicU64::new(0);
        let mut arrivals = Arrivals::new(datastore, Placing::Copy)?;
        arrivals.bring(planned, &|_| progress(done.fetch_add(1, Ordering::Relaxed) + 1, total))?;
        if let Some(path) = arrivals.first_missing() {
            return Err(TransferError::NoOutput { file: store.root_path().join(path) });
        }
        arrivals.sync()?;
        let completed =
            completed(graph, journal, packed, folder, datastore.checksum, personal, &|_, _| {})?;
        Ok(Self { brought: Some(arrivals), completed, ..Self::default() })
    }
}

/// Paths that the registry has of datasets.
fn recorded(
    graph: &QuantumGraph,
    datasets: &[DatasetIx],
    personal: &mut dyn RegistryReader,
) -> Result<FxHashMap<[u8; 16], Vec<Box<str>>>, TransferError> {
    let ids: Vec<[u8; 16]> =
        datasets.iter().map(|dataset| graph.datasets.id[dataset.index()]).collect();
    let records = personal.snapshot()?.datastore_records_of(&ids, &mut Symbols::new())?;
    let mut paths: FxHashMap<[u8; 16], Vec<Box<str>>> = FxHashMap::default();
    for (id, path) in records.id.iter().zip(&records.path) {
        paths.entry(*id).or_default().push((**path).into());
    }
    Ok(paths)
}
