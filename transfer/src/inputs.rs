//! Inputs of a graph on their way into the personal repository.

use qbb_datastore::{DatastoreConfig, Placing};
use qbb_dimensions::Symbol;
use qbb_graph::{DatasetIx, InputRecords, QuantumGraph};
use qbb_registry::RegistryReader;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::batch::{Segment, segments};
use crate::contents::{DatasetColumns, File, FileColumns};
use crate::error::TransferError;
use crate::placement::Placement;
use crate::stored::StoredDatasets;

/// What becomes of the inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InputMode {
    /// They are not transferred.
    #[default]
    None,
    /// They are registered, and stay where they are.
    Reference,
    /// They are registered, and their files get a place in the personal datastore.
    Place(Placing),
}

/// The inputs of a graph, with files in their places, not yet registered.
///
/// Dropped before a transfer has taken it, it removes the files that were placed.
#[derive(Debug)]
pub struct Inputs {
    /// For each dataset of the graph whether it is an input that is transferred.
    wanted: Vec<bool>,
    /// Inputs that are stored in the personal datastore, whose records stay as they are.
    stored: FxHashSet<[u8; 16]>,
    /// Inputs that were placed, by the beginning of their segment.
    placed: FxHashMap<u32, DatasetColumns>,
    /// Inputs that were referenced and are files of the personal datastore now.
    replaced: Vec<[u8; 16]>,
    missing: u64,
    placement: Option<Placement>,
}

impl Inputs {
    /// No inputs.
    pub fn none(graph: &QuantumGraph) -> Self {
        Self {
            wanted: vec![false; graph.datasets.len()],
            stored: FxHashSet::default(),
            placed: FxHashMap::default(),
            replaced: Vec::new(),
            missing: 0,
            placement: None,
        }
    }

    /// All overall inputs; copies or links their files if the mode says so. What the personal
    /// repository stores itself already stays as it is; what it only refers to gets a file.
    /// `progress` is told how many of how many files are placed.
    ///
    /// # Errors
    /// If the personal registry cannot be read, or a file cannot be placed; those that were are
    /// removed then.
    pub fn prepare(
        graph: &QuantumGraph,
        mode: InputMode,
        personal: &mut dyn RegistryReader,
        datastore: &DatastoreConfig,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, TransferError> {
        let mut inputs = Self::none(graph);
        if mode == InputMode::None {
            return Ok(inputs);
        }
        for dataset in graph.overall_inputs() {
            inputs.wanted[dataset.index()] = true;
        }
        let ids = (graph.datasets.iter())
            .filter(|dataset| inputs.wanted[dataset.index()])
            .map(|dataset| graph.datasets.id[dataset.index()]);
        let StoredDatasets { own, referenced } = StoredDatasets::of(personal, ids)?;
        inputs.stored = own;
        if let InputMode::Place(placing) = mode {
            inputs.place(graph, placing, datastore, &referenced, progress)?;
        }
        Ok(inputs)
    }

    fn place(
        &mut self,
        graph: &QuantumGraph,
        placing: Placing,
        datastore: &DatastoreConfig,
        referenced: &FxHashSet<[u8; 16]>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(), TransferError> {
        let mut batches = Vec::new();
        for segment in segments(graph) {
            let mut columns = columns_of(graph, &segment);
            for dataset in segment.datasets.clone().map(DatasetIx) {
                let id = graph.datasets.id[dataset.index()];
                if self.wanted[dataset.index()] && !self.stored.contains(&id) {
                    self.wanted[dataset.index()] = false;
                    let position = push_dataset(graph, dataset, &mut columns);
                    push_files(graph, dataset, position, &mut columns.files)?;
                }
            }
            if !columns.is_empty() {
                batches.push((segment, columns));
            }
        }
        let total = batches.iter().map(|(_, columns)| columns.files.len() as u64).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        let placement = Placement::new(datastore, graph.universe(), placing)?;
        let placement = self.placement.insert(placement);
        for (segment, columns) in batches {
            let dataset_type = &graph.pipeline.dataset_type(segment.dataset_type).dataset_type;
            let (records, symbols) = (&graph.dimension_records, &graph.symbols);
            let placed = placement.place(&columns, dataset_type, records, symbols, &|_| {
                let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                progress(done + 1, total);
            })?;
            let ids = placed.datasets.id.iter().filter(|id| referenced.contains(*id));
            self.replaced.extend(ids);
            self.missing += placed.missing.len() as u64;
            self.placed.insert(segment.datasets.start, placed.datasets);
        }
        placement.sync()
    }

    /// Whether any are transferred.
    pub(crate) fn is_none(&self) -> bool {
        self.placed.is_empty() && !self.wanted.contains(&true)
    }

    /// Whether a dataset is to be inserted with the records of the graph.
    pub(crate) fn is_wanted(&self, dataset: u32) -> bool {
        self.wanted[dataset as usize]
    }

    /// Inputs of a segment that were placed.
    pub(crate) fn placed(&self, segment: &Segment) -> Option<&DatasetColumns> {
        self.placed.get(&segment.datasets.start)
    }

    /// Inputs whose recorded files are replaced.
    pub(crate) fn replaced(&self) -> &[[u8; 16]] {
        &self.replaced
    }

    /// Appends the files of an input, where they are in the release, unless it has its own already.
    pub(crate) fn push_files(
        &self,
        graph: &QuantumGraph,
        dataset: DatasetIx,
        position: u32,
        files: &mut FileColumns,
    ) -> Result<(), TransferError> {
        if self.stored.contains(&graph.datasets.id[dataset.index()]) {
            return Ok(());
        }
        push_files(graph, dataset, position, files)
    }

    /// Number of inputs, of which are known.
    pub(crate) fn len(&self) -> u64 {
        let placed: usize = self.placed.values().map(DatasetColumns::len).sum();
        (placed + self.wanted.iter().filter(|wanted| **wanted).count()) as u64
    }

    /// UUIDs of all inputs that are inserted, if there may be others.
    pub(crate) fn ids(&self, graph: &QuantumGraph) -> Option<FxHashSet<[u8; 16]>> {
        (self.missing != 0).then(|| {
            let wanted = graph.datasets.iter().filter(|d| self.wanted[d.index()]);
            let placed = self.placed.values().flat_map(|columns| columns.id.iter().copied());
            wanted.map(|d| graph.datasets.id[d.index()]).chain(placed).collect()
        })
    }

    /// Inputs without their files, files and bytes that were placed.
    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        let (files, bytes) = self.placement.as_ref().map_or((0, 0), Placement::placed);
        (self.missing, files, bytes)
    }

    /// The registry has them.
    pub(crate) fn keep(self) {
        if let Some(placement) = self.placement {
            placement.keep();
        }
    }
}

/// No datasets yet of a segment.
pub(crate) fn columns_of(graph: &QuantumGraph, segment: &Segment) -> DatasetColumns {
    DatasetColumns::new(
        &graph.pipeline.dataset_type(segment.dataset_type).dataset_type.name,
        &graph.runs[segment.run as usize],
        graph.dataset_type_data_ids(segment.dataset_type).group().required().len(),
    )
}

/// Appends a dataset without files and gives its position.
pub(crate) fn push_dataset(
    graph: &QuantumGraph,
    dataset: DatasetIx,
    columns: &mut DatasetColumns,
) -> u32 {
    let data_ids = graph.dataset_type_data_ids(graph.datasets.dataset_type(dataset));
    let cells = data_ids.row(graph.datasets.data_id[dataset.index()]);
    columns.push(graph.datasets.id[dataset.index()], cells)
}

fn push_files(
    graph: &QuantumGraph,
    dataset: DatasetIx,
    position: u32,
    files: &mut FileColumns,
) -> Result<(), TransferError> {
    let records = &graph.records;
    let text = |symbol: u32| graph.symbols.get(Symbol(symbol)).unwrap_or_default();
    for i in records.of_dataset(dataset) {
        let uri = graph.input_uri(i).map_err(|_| TransferError::UnknownRoot {
            path: String::from_utf8_lossy(records.path.get(i)).into_owned(),
        })?;
        let checksum = String::from_utf8_lossy(records.checksum.get(i));
        let component = records.component[i];
        files.push(
            position,
            File {
                path: uri.as_str(),
                formatter: text(records.formatter[i]),
                storage_class: text(records.storage_class[i]),
                component: (component != InputRecords::WHOLE).then(|| text(component)),
                checksum: Some(&*checksum).filter(|checksum| !checksum.is_empty()),
                file_size: records.file_size[i],
            },
        );
    }
    Ok(())
}
