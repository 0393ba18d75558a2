//! Outputs of a run on their way into the personal repository.

use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8Path;
use qbb::journal::{JournalState, WrittenRecord};
use qbb_datastore::{DatastoreConfig, PlacedFile, StoreError, checksum_of_file};
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_registry::RegistryReader;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::arrivals::Arrivals;
use crate::batch::Segment;
use crate::contents::{DatasetColumns, File};
use crate::error::TransferError;
use crate::placement::Placement;
use crate::provenance::PackedProducts;
use crate::stored::StoredDatasets;

/// The outputs of a graph: where the journal says that they are, or with names of their own in the
/// RUN of a graph that was made by [`QuantumGraph::into_output_run`].
///
/// Dropped before a transfer has taken it, it removes the names that were given.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Files that were written elsewhere.
    pub(crate) brought: Option<Arrivals>,
    /// Outputs with their new files, by the beginning of their segment.
    pub(crate) placed: FxHashMap<u32, DatasetColumns>,
    pub(crate) missing: u64,
    pub(crate) placement: Option<Placement>,
    /// What the journal does not tell of files, by dataset and number of the record.
    pub(crate) completed: FxHashMap<(u32, u32), PlacedFile>,
}

impl Outputs {
    /// Outputs that were written where they belong, and of which the journal tells all.
    pub fn in_place() -> Self {
        Self::default()
    }

    /// Outputs that were written where they belong. No file is looked at, unless the journal does not
    /// tell all that records are to have: the size, and the checksum if the datastore's configuration
    /// says `checksum: true`. Such files are read in parallel, but for those that the repository
    /// stores already; a file that is gone is passed over. `progress` is told how many of how many
    /// are done.
    ///
    /// # Errors
    /// If the registry or a file cannot be read.
    pub fn completed(
        graph: &QuantumGraph,
        journal: &JournalState,
        personal: &mut dyn RegistryReader,
        datastore: &DatastoreConfig,
        packed: Option<&PackedProducts>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, TransferError> {
        let Some(root) = datastore.local_root() else { return Ok(Self::default()) };
        let completed =
            completed(graph, journal, packed, &root, datastore.checksum, personal, progress)?;
        Ok(Self { completed, ..Self::default() })
    }

    /// Number of outputs that are left out because they have no files any more.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Outputs of a segment that have other files than the journal says.
    pub(crate) fn placed(&self, segment: &Segment) -> Option<&DatasetColumns> {
        self.placed.get(&segment.datasets.start)
    }

    /// Whether outputs have other files than the journal says.
    pub(crate) fn are_renamed(&self) -> bool {
        self.placement.is_some()
    }

    /// A file that stays where it was written, with all that is known of it.
    pub(crate) fn file<'a>(
        &'a self,
        dataset: DatasetIx,
        number: usize,
        record: WrittenRecord<'a>,
    ) -> File<'a> {
        let mut file = output_file(record);
        if let Some(known) = self.completed.get(&(dataset.0, number as u32)) {
            file.file_size = i64::try_from(known.size).unwrap_or(file.file_size);
            file.checksum = file.checksum.or(known.checksum.as_deref());
        }
        file
    }

    /// Number of those outputs.
    pub(crate) fn len(&self) -> u64 {
        self.placed.values().map(|columns| columns.len() as u64).sum()
    }

    /// Number of files that have got names.
    pub(crate) fn renamed_files(&self) -> u64 {
        self.placement.as_ref().map_or(0, |placement| placement.placed().0)
    }

    /// Files and bytes that were brought.
    pub(crate) fn figures(&self) -> (u64, u64) {
        self.brought.as_ref().map_or((0, 0), Arrivals::figures)
    }

    /// The registry has them.
    pub(crate) fn keep(self) {
        if let Some(placement) = self.placement {
            placement.keep();
        }
        if let Some(brought) = self.brought {
            brought.keep();
        }
    }
}

/// Whether a dataset was written to files of its own, and keeps them.
pub(crate) fn is_file(
    journal: &JournalState,
    packed: Option<&PackedProducts>,
    dataset: DatasetIx,
) -> bool {
    journal.is_written(dataset)
        && journal.packed(dataset).is_none()
        && !packed.is_some_and(|packed| packed.holds(dataset))
}

/// What the journal does not tell of files below `root`, by dataset and number of the record.
pub(crate) fn completed(
    graph: &QuantumGraph,
    journal: &JournalState,
    packed: Option<&PackedProducts>,
    root: &Utf8Path,
    checksum: bool,
    personal: &mut dyn RegistryReader,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<FxHashMap<(u32, u32), PlacedFile>, TransferError> {
    let mut wanting: Vec<(DatasetIx, u32)> = Vec::new();
    for dataset in (graph.datasets.iter()).filter(|&d| is_file(journal, packed, d)) {
        for (number, record) in journal.records(dataset).enumerate() {
            if record.file_size < 0 || (checksum && record.checksum.is_none()) {
                wanting.push((dataset, number as u32));
            }
        }
    }
    if wanting.is_empty() {
        return Ok(FxHashMap::default());
    }
    let ids = wanting.iter().map(|(dataset, _)| graph.datasets.id[dataset.index()]);
    let stored = StoredDatasets::of(personal, ids)?.own;
    wanting.retain(|(dataset, _)| !stored.contains(&graph.datasets.id[dataset.index()]));
    let (total, done) = (wanting.len() as u64, AtomicU64::new(0));
    (wanting.into_par_iter())
        .filter_map(|(dataset, number)| {
            let record = journal.records(dataset).nth(number as usize)?;
            let file = root.join(record.path);
            let completed = complete(&file, checksum);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            match completed {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => Some(Err(StoreError::of_io("read", &file, error).into())),
                Ok(completed) => Some(Ok(((dataset.0, number), completed))),
            }
        })
        .collect()
}

/// What a file itself tells.
fn complete(file: &Utf8Path, checksum: bool) -> std::io::Result<PlacedFile> {
    let size = file.metadata()?.len();
    let checksum = if checksum { Some(checksum_of_file(file)?) } else { None };
    Ok(PlacedFile { size, checksum })
}

/// A file as the journal tells of it.
pub(crate) fn output_file(record: WrittenRecord<'_>) -> File<'_> {
    File {
        path: record.path,
        formatter: record.formatter,
        storage_class: record.storage_class,
        component: record.component,
        checksum: record.checksum,
        file_size: record.file_size,
    }
}
