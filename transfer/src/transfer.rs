//! One transaction that makes a run part of a repository.

use qbb::journal::{JournalState, WrittenRecord};
use qbb_dimensions::{DatasetType, RecordTable};
use qbb_graph::{DatasetIx, InputRecords, QuantumGraph};
use qbb_registry::{DatasetBatch, RegistryWriter, StoredFile, Transaction};
use serde::Serialize;

use crate::batch::{DatasetColumns, Segment, segments};
use crate::collections;
use crate::error::TransferError;
use crate::provenance::PackedProducts;

/// What is transferred.
#[derive(Debug, Clone, Copy)]
pub struct TransferOptions {
    /// Also register the inputs, by absolute URI, in the collections they were found in.
    pub inputs: bool,
    /// Put the run into the CHAINED output collection.
    pub output_chain: bool,
}

/// What a transfer did. What was there already is not counted again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TransferReport {
    /// Outputs that exist according to the journal.
    pub outputs: u64,
    /// Outputs that were packed and became files for this.
    pub unpacked: u64,
    /// Inputs of the graph, if they were to be transferred.
    pub inputs: u64,
    /// Datasets that were new to the registry.
    pub datasets_inserted: u64,
    /// Dimension records that were new.
    pub records_inserted: u64,
    /// Dataset types that were new.
    pub dataset_types_registered: u64,
    /// Collections that were new.
    pub collections_registered: u64,
    /// TAGGED and CALIBRATION memberships that were new.
    pub associations_inserted: u64,
}

/// Inserts what the journal says was written, in one transaction; `progress` is told how many of
/// how many datasets are done.
///
/// Doing it again inserts only what is new. If it fails the registry is as before.
///
/// # Errors
/// If the registry is of another universe, refuses a row, or cannot be written.
pub fn transfer(
    graph: &QuantumGraph,
    journal: &JournalState,
    personal: &mut dyn RegistryWriter,
    options: TransferOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TransferReport, TransferError> {
    transfer_packed(graph, journal, personal, options, None, progress)
}

/// The same with metadata, logs and configurations in a provenance graph that is in its place in the
/// datastore, in the same transaction: it is registered itself, and what was recorded of them
/// before is replaced.
///
/// # Errors
/// As [`transfer`].
pub fn transfer_packed(
    graph: &QuantumGraph,
    journal: &JournalState,
    personal: &mut dyn RegistryWriter,
    options: TransferOptions,
    packed: Option<&PackedProducts>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TransferReport, TransferError> {
    check_universe(graph, personal)?;
    let written: Vec<bool> = graph.datasets.iter().map(|d| journal.is_written(d)).collect();
    let mut is_input = vec![false; graph.datasets.len()];
    if options.inputs {
        for dataset in graph.overall_inputs() {
            is_input[dataset.index()] = true;
        }
    }
    let wanted = |dataset: u32| written[dataset as usize] || is_input[dataset as usize];
    let segments: Vec<Segment> =
        segments(graph).into_iter().filter(|s| s.datasets.clone().any(wanted)).collect();

    let mut report = TransferReport::default();
    let mut transaction = personal.begin()?;
    report.records_inserted = insert_records(graph, &mut *transaction)?;
    report.dataset_types_registered =
        transaction.register_dataset_types(&dataset_types(graph, &segments))?;
    let mut new_collections = vec![collections::output_run(graph)];
    if options.inputs {
        new_collections.extend(collections::of_inputs(graph));
    }
    report.collections_registered = transaction.register_collections(&new_collections)?;

    let total = (0..graph.datasets.len() as u32).filter(|&dataset| wanted(dataset)).count() as u64;
    let mut done = 0;
    for segment in &segments {
        let mut columns = DatasetColumns::new(graph, segment.dataset_type);
        let mut replaced = Vec::new();
        for dataset in segment.datasets.clone().map(DatasetIx) {
            if written[dataset.index()] {
                match packed.filter(|packed| packed.holds(dataset)) {
                    Some(packed) => {
                        replaced.push(graph.datasets.id[dataset.index()]);
                        columns.push(graph, dataset, std::iter::once(packed.record()));
                    }
                    None => {
                        columns.push(graph, dataset, journal.records(dataset).map(stored_output))
                    }
                }
                report.outputs += 1;
            } else if is_input[dataset.index()] {
                columns.push(graph, dataset, stored_inputs(graph, dataset)?.into_iter());
                report.inputs += 1;
            }
        }
        let batch = DatasetBatch {
            dataset_type: &graph.pipeline.dataset_type(segment.dataset_type).dataset_type.name,
            run: &graph.runs[segment.run as usize],
            keys: &columns.keys,
            id: &columns.id,
            files: &columns.files,
        };
        transaction.forget_files(&replaced)?;
        report.datasets_inserted += transaction.insert_datasets(&batch, &graph.symbols)?;
        done += columns.id.len() as u64;
        progress(done, total);
    }
    if let Some(packed) = packed {
        let (types, datasets) = packed.register(graph, &mut *transaction)?;
        report.dataset_types_registered += types;
        report.datasets_inserted += datasets;
    }
    if options.inputs {
        report.associations_inserted = collections::associate_inputs(graph, &mut *transaction)?;
    }
    if options.output_chain {
        collections::update_output_chain(graph, &mut *transaction, options.inputs)?;
    }
    transaction.commit()?;
    Ok(report)
}

fn check_universe(
    graph: &QuantumGraph,
    personal: &dyn RegistryWriter,
) -> Result<(), TransferError> {
    let (ours, theirs) = (graph.universe(), personal.universe());
    if ours == theirs {
        return Ok(());
    }
    let text = |u: &qbb_dimensions::Universe| format!("{} version {}", u.namespace(), u.version());
    Err(TransferError::OtherUniverse { personal: text(theirs), graph: text(ours) })
}

fn insert_records(
    graph: &QuantumGraph,
    transaction: &mut dyn Transaction,
) -> Result<u64, TransferError> {
    let universe = graph.universe();
    let tables: Vec<RecordTable> = (graph.dimension_records.iter())
        .filter(|table| universe.element(table.element).has_table())
        .cloned()
        .collect();
    Ok(transaction.insert_records(&tables, &graph.symbols)?)
}

fn dataset_types(graph: &QuantumGraph, segments: &[Segment]) -> Vec<DatasetType> {
    let mut types: Vec<DatasetType> = Vec::new();
    for segment in segments {
        let dataset_type = &graph.pipeline.dataset_type(segment.dataset_type).dataset_type;
        if types.last().is_none_or(|last| last.name != dataset_type.name) {
            types.push(dataset_type.clone());
        }
    }
    types
}

fn stored_output(record: WrittenRecord<'_>) -> StoredFile {
    StoredFile {
        path: record.path.to_owned(),
        formatter: record.formatter.to_owned(),
        storage_class: record.storage_class.to_owned(),
        component: record.component.map(str::to_owned),
        checksum: record.checksum.map(str::to_owned),
        file_size: record.file_size,
    }
}

fn stored_inputs(
    graph: &QuantumGraph,
    dataset: DatasetIx,
) -> Result<Vec<StoredFile>, TransferError> {
    let records = &graph.records;
    let text = |symbol: u32| {
        graph.symbols.get(qbb_dimensions::Symbol(symbol)).unwrap_or_default().to_owned()
    };
    (records.of_dataset(dataset))
        .map(|i| {
            let path = graph.input_uri(i).map_err(|_| TransferError::UnknownRoot {
                path: String::from_utf8_lossy(records.path.get(i)).into_owned(),
            })?;
            let checksum = String::from_utf8_lossy(records.checksum.get(i)).into_owned();
            Ok(StoredFile {
                path: path.to_string(),
                formatter: text(records.formatter[i]),
                storage_class: text(records.storage_class[i]),
                component: (records.component[i] != InputRecords::WHOLE)
                    .then(|| text(records.component[i])),
                checksum: (!checksum.is_empty()).then_some(checksum),
                file_size: records.file_size[i],
            })
        })
        .collect()
}
