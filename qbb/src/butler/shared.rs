//! What all quanta of a process have in common.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{
    ArtifactPath, ArtifactStore, ArtifactUri, DatastoreConfig, LocalStore, PutOptions, StoreError,
};
use qbb_graph::{DatasetIx, InitQuantum, QuantumGraph, QuantumIx};
use rustc_hash::FxHashMap;

use super::error::ButlerError;
use super::prediction::{Prediction, Predictor};
use super::quantum::QuantumButler;
use crate::journal::{
    Event, FileRecord, JournalState, JournalWriter, QuantumProgress, WrittenRecord,
};
use crate::pack::{PackedPlace, Packs};

/// The quantum-backed butler of a process: one graph, one output datastore, what is known of the
/// execution so far. Threads share it.
#[derive(Debug)]
pub struct QuantumBackedButler {
    graph: Arc<QuantumGraph>,
    store: LocalStore,
    predictor: Predictor,
    journal: RwLock<JournalState>,
    /// Datasets written through this butler, by the hash of their paths.
    paths: Mutex<FxHashMap<u64, u32>>,
    /// Packs of the journal's directory.
    packs: Packs,
}

/// Where a dataset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Recorded when the graph was built, or by the journal: it exists.
    Known(ArtifactUri),
    /// In a pack: it exists.
    Packed(PackedPlace),
    /// Where it would be if it existed.
    Predicted(Utf8PathBuf),
    /// The quantum that would have written it ended without it.
    NotWritten,
}

impl QuantumBackedButler {
    /// A butler over a graph that writes to a datastore. `journal` is what happened before;
    /// whatever happens later must be told with [`QuantumBackedButler::observe`].
    ///
    /// # Errors
    /// If the datastore is not a local folder that can be written, or its templates are wrong.
    pub fn new(
        graph: Arc<QuantumGraph>,
        datastore: &DatastoreConfig,
        journal: JournalState,
    ) -> Result<Self, ButlerError> {
        let root = datastore
            .local_root()
            .ok_or_else(|| ButlerError::RemoteRoot { root: datastore.root.as_str().to_owned() })?;
        let store = LocalStore::new(&root).map_err(ButlerError::Root)?;
        // Permission bits do not tell whether the file system is read-only, so it is tried.
        ArtifactPath::plain("probe")
            .and_then(|probe| store.stage(&probe).map(drop))
            .map_err(ButlerError::Root)?;
        let predictor = Predictor::new(&graph, datastore)?;
        let packs = Packs::new(journal.directory().unwrap_or(Utf8Path::new("")));
        let (journal, paths) = (RwLock::new(journal), Mutex::default());
        Ok(Self { graph, store, predictor, journal, paths, packs })
    }

    /// Makes it the butler of the run that writes a journal: unfinished files bear the name of its
    /// writer, and nothing is written any more once another run has taken its place.
    pub fn with_place_of(mut self, journal: Arc<JournalWriter>) -> Self {
        let name = journal.writer();
        let consent = move || journal.check_place().map_err(|error| error.to_string());
        self.store = self.store.named(name).with_consent(Box::new(consent));
        self
    }

    /// How names of files and folders begin that are not outputs yet.
    pub fn unfinished_prefix(&self) -> String {
        self.store.unfinished_prefix()
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<QuantumGraph> {
        &self.graph
    }

    /// The root folder of the output datastore.
    pub fn root(&self) -> &Utf8Path {
        self.store.root_path()
    }

    /// What a quantum sees. `quantum` must be one of the graph's.
    pub fn for_quantum(&self, quantum: QuantumIx) -> QuantumButler<'_> {
        QuantumButler::of_quantum(self, quantum)
    }

    /// What the construction of a task sees.
    pub fn for_init<'b>(&'b self, init: &'b InitQuantum) -> QuantumButler<'b> {
        QuantumButler::of_init(self, init)
    }

    /// Takes note of an event of this process that was just recorded.
    pub fn observe(&self, event: &Event) {
        self.observe_all([event]);
    }

    /// Takes note of events of this process that were just recorded, in their order.
    pub fn observe_all<'e>(&self, events: impl IntoIterator<Item = &'e Event>) {
        let mut journal = self.journal.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            journal.observe(event);
        }
    }

    /// The content of a dataset that is packed; `None` if it is not.
    ///
    /// # Errors
    /// If its pack cannot be read.
    pub fn get_packed(&self, dataset: DatasetIx) -> Result<Option<Vec<u8>>, ButlerError> {
        match self.with_journal(|journal| journal.packed(dataset)) {
            Some(place) => self.read_packed(dataset, place).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn read_packed(
        &self,
        dataset: DatasetIx,
        place: PackedPlace,
    ) -> Result<Vec<u8>, ButlerError> {
        (self.packs.read(place))
            .map_err(|source| ButlerError::Pack { dataset: self.describe_dataset(dataset), source })
    }

    /// The packs of the journal's directory.
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// Looks at what is known of the execution.
    pub fn with_journal<T>(&self, look: impl FnOnce(&JournalState) -> T) -> T {
        look(&self.journal.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the butler and returns what is known of the execution.
    pub fn into_journal(self) -> JournalState {
        self.journal.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where and how a dataset is written.
    ///
    /// # Errors
    /// If there is no template or formatter for it, or the graph lacks a dimension record.
    pub fn predict(&self, dataset: DatasetIx) -> Result<Prediction, ButlerError> {
        self.predictor.predict(&self.graph, dataset)
    }

    /// A dataset for people: `raw {instrument: 'Cam', …} in run u/me/run1`.
    pub fn describe_dataset(&self, dataset: DatasetIx) -> String {
        let graph = &self.graph;
        if graph.check_dataset(dataset).is_err() {
            return format!("dataset {} (not in the graph)", dataset.0);
        }
        let ix = graph.datasets.dataset_type(dataset);
        let data_id = graph
            .dataset_type_data_ids(ix)
            .describe(graph.datasets.data_id[dataset.index()], &graph.symbols);
        let run = &graph.runs[graph.datasets.run[dataset.index()] as usize];
        format!("{} {data_id} in run {run}", graph.pipeline.dataset_type(ix).dataset_type.name)
    }

    /// A quantum for people: `isr {instrument: 'Cam', …}`.
    pub fn describe_quantum(&self, quantum: QuantumIx) -> String {
        let graph = &self.graph;
        let task = graph.quanta.task(quantum);
        let data_id = graph
            .task_data_ids(task)
            .describe(graph.quanta.data_id[quantum.index()], &graph.symbols);
        format!("{} {data_id}", graph.pipeline.task(task).label)
    }

    /// Whether a recorded file is there with the recorded size; for
    /// [`JournalState::verify`], before the butler is made.
    pub fn file_matches(root: &Utf8Path, record: WrittenRecord<'_>) -> bool {
        ArtifactPath::of_record(record.path)
            .and_then(|path| LocalStore::new(root)?.size(&path))
            .is_ok_and(|size| i64::try_from(size) == Ok(record.file_size))
    }

    /// Removes the file of a predicted output, if it exists.
    ///
    /// # Errors
    /// If its path cannot be predicted, or it cannot be removed.
    pub fn remove_output(&self, dataset: DatasetIx) -> Result<(), ButlerError> {
        let path = self.predict(dataset)?.path;
        ArtifactPath::plain(&path)
            .and_then(|path| self.store.delete(&path))
            .map(drop)
            .map_err(|source| self.store_error(dataset, source))
    }

    /// Where a dataset is or should be.
    pub(super) fn place(&self, dataset: DatasetIx) -> Result<Place, ButlerError> {
        let records = self.graph.records.of_dataset(dataset);
        if !records.is_empty() {
            let count = records.len();
            if count > 1 {
                let dataset = self.describe_dataset(dataset);
                return Err(ButlerError::Disassembled { dataset, count });
            }
            return Ok(Place::Known(self.graph.input_uri(records.start)?));
        }
        enum Known {
            Path(String),
            Packed(PackedPlace),
            Components(usize),
            NotWritten,
            Unknown,
        }
        let known = self.with_journal(|journal| {
            if let Some(place) = journal.packed(dataset) {
                return Known::Packed(place);
            }
            let mut records = journal.records(dataset);
            match (records.len(), records.next()) {
                (1, Some(record)) => return Known::Path(record.path.to_owned()),
                (0, _) => {}
                (count, _) => return Known::Components(count),
            }
            let producer = self.graph.producer(dataset).map(|quantum| journal.progress(quantum));
            match producer {
                Some(QuantumProgress::Ended(_)) => Known::NotWritten,
                _ => Known::Unknown,
            }
        });
        match known {
            Known::Path(path) => Ok(Place::Known(self.store.root().join(&path)?)),
            Known::Packed(place) => Ok(Place::Packed(place)),
            Known::Components(count) => {
                let dataset = self.describe_dataset(dataset);
                Err(ButlerError::Disassembled { dataset, count })
            }
            Known::NotWritten => Ok(Place::NotWritten),
            Known::Unknown => Ok(Place::Predicted(self.predicted_file(dataset)?)),
        }
    }

    /// The file of a dataset that is written, or was, by this graph.
    pub(super) fn predicted_file(&self, dataset: DatasetIx) -> Result<Utf8PathBuf, ButlerError> {
        Ok(self.root().join(self.predict(dataset)?.path))
    }

    /// Whether the output run has no folder yet, and everything that quanta will write goes there: then
    /// nothing that they might write exists.
    ///
    /// # Errors
    /// If a path cannot be predicted.
    pub fn is_new_run(&self) -> Result<bool, ButlerError> {
        let graph = &self.graph;
        let folder = format!("{}/", graph.header.output_run);
        if self.root().join(&folder).exists() {
            return Ok(false);
        }
        // Templates decide by dataset type, and for the same type and run alike.
        let mut seen = vec![false; graph.pipeline.dataset_types.len()];
        for dataset in graph.outputs.dataset.iter().map(|&dataset| DatasetIx(dataset)) {
            let seen = &mut seen[graph.datasets.dataset_type(dataset).index()];
            if !std::mem::replace(seen, true) && !self.predict(dataset)?.path.starts_with(&folder) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a packed dataset the file that every Butler looks for, and returns its record. A file
    /// with the same content is left alone.
    ///
    /// # Errors
    /// If its path cannot be predicted, or the file cannot be read or written.
    pub fn unpack(&self, dataset: DatasetIx, bytes: &[u8]) -> Result<FileRecord, ButlerError> {
        self.write_output(dataset, |store, place| {
            let failed = |source| self.store_error(dataset, source);
            let size = bytes.len() as u64;
            let is_there = match store.size(place) {
                Ok(known) if known == size => store.get(place).map_err(failed)? == bytes,
                Ok(_) | Err(StoreError::NotFound { .. }) => false,
                Err(source) => return Err(failed(source)),
            };
            if !is_there {
                store.put(place, bytes, PutOptions::default()).map_err(failed)?;
            }
            Ok(size)
        })
    }

    /// Writes an output with what `write` does to the place of the given path.
    pub(super) fn write_output(
        &self,
        dataset: DatasetIx,
        write: impl FnOnce(&LocalStore, &ArtifactPath) -> Result<u64, ButlerError>,
    ) -> Result<FileRecord, ButlerError> {
        let Prediction { path, formatter, storage_class } = self.predict(dataset)?;
        self.claim_path(dataset, &path)?;
        let place =
            ArtifactPath::plain(&path).map_err(|source| self.store_error(dataset, source))?;
        let size = write(&self.store, &place)?;
        let file_size = i64::try_from(size).unwrap_or(-1);
        Ok(FileRecord {
            path,
            formatter,
            storage_class,
            component: None,
            checksum: None,
            file_size,
        })
    }

    /// Size of an output at its predicted place; `None` if it does not exist.
    pub(super) fn output_on_disk(
        &self,
        dataset: DatasetIx,
    ) -> Result<Option<FileRecord>, ButlerError> {
        let Prediction { path, formatter, storage_class } = self.predict(dataset)?;
        let size = match ArtifactPath::plain(&path).and_then(|path| self.store.size(&path)) {
            Ok(size) => size,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(self.store_error(dataset, source)),
        };
        Ok(Some(FileRecord {
            path,
            formatter,
            storage_class,
            component: None,
            checksum: None,
            file_size: i64::try_from(size).unwrap_or(-1),
        }))
    }

    /// Notes that a path belongs to a dataset, unless it belongs to another one.
    fn claim_path(&self, dataset: DatasetIx, path: &str) -> Result<(), ButlerError> {
        let mut hash = [0; 8];
        hash.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..8]);
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = *paths.entry(u64::from_le_bytes(hash)).or_insert(dataset.0);
        drop(paths);
        // Different paths of the same hash are possible in theory.
        if owner != dataset.0 && self.predict(DatasetIx(owner))?.path == path {
            return Err(ButlerError::Collision {
                dataset: self.describe_dataset(dataset),
                other: self.describe_dataset(DatasetIx(owner)),
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    pub(super) fn store_error(&self, dataset: DatasetIx, source: StoreError) -> ButlerError {
        ButlerError::Store { dataset: self.describe_dataset(dataset), source }
    }
}
