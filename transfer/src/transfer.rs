//! One transaction that makes a run part of a repository.

use std::borrow::Cow;

use qbb::journal::{JournalState, WrittenRecord};
use qbb_dimensions::{DatasetType, Symbol};
use qbb_graph::{DatasetIx, InputRecords, QuantumGraph};
use qbb_registry::RegistryWriter;
use serde::Serialize;

use crate::batch::{Segment, segments};
use crate::collections;
use crate::contents::{DatasetColumns, Definitions, File, FileColumns};
use crate::error::TransferError;
use crate::insertion::Insertion;
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
    let mut collections = vec![collections::output_run(graph)];
    if options.inputs {
        collections.extend(collections::of_inputs(graph));
    }
    let definitions = Definitions {
        records: Cow::Borrowed(&graph.dimension_records),
        dataset_types: dataset_types(graph, &segments),
        collections,
    };

    let mut report = TransferReport::default();
    let mut transaction = personal.begin_large()?;
    let mut insertion = Insertion::new(&mut *transaction);
    insertion.define(&definitions, &graph.symbols)?;
    let total = (0..graph.datasets.len() as u32).filter(|&dataset| wanted(dataset)).count() as u64;
    for segment in &segments {
        let data_ids = graph.dataset_type_data_ids(segment.dataset_type);
        let mut columns = DatasetColumns::new(
            &graph.pipeline.dataset_type(segment.dataset_type).dataset_type.name,
            &graph.runs[segment.run as usize],
            data_ids.group().required().len(),
        );
        let mut replaced = Vec::new();
        for dataset in segment.datasets.clone().filter(|&dataset| wanted(dataset)).map(DatasetIx) {
            let id = graph.datasets.id[dataset.index()];
            let position = columns.push(id, data_ids.row(graph.datasets.data_id[dataset.index()]));
            if !written[dataset.index()] {
                push_input(graph, dataset, position, &mut columns.files)?;
                report.inputs += 1;
                continue;
            }
            report.outputs += 1;
            match packed.filter(|packed| packed.holds(dataset)) {
                Some(packed) => {
                    replaced.push(id);
                    columns.files.push(position, (&packed.record()).into());
                }
                None => {
                    for record in journal.records(dataset) {
                        columns.files.push(position, output_file(record));
                    }
                }
            }
        }
        insertion.forget_files(&replaced)?;
        insertion.datasets(&columns, &graph.symbols)?;
        progress(insertion.report().datasets, total);
    }
    let packed_types = match packed {
        Some(packed) => packed.register(graph, &mut insertion)?,
        None => 0,
    };
    if options.inputs {
        for members in collections::members_of_inputs(graph) {
            insertion.members(&members, &graph.symbols)?;
        }
    }
    let inserted = insertion.report();
    if options.output_chain {
        collections::update_output_chain(graph, &mut *transaction, options.inputs)?;
    }
    transaction.commit()?;
    report.datasets_inserted = inserted.datasets_inserted;
    report.records_inserted = inserted.records_inserted;
    report.dataset_types_registered = inserted.dataset_types_registered + packed_types;
    report.collections_registered = inserted.collections_registered;
    report.associations_inserted = inserted.associations_inserted;
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

fn output_file(record: WrittenRecord<'_>) -> File<'_> {
    File {
        path: record.path,
        formatter: record.formatter,
        storage_class: record.storage_class,
        component: record.component,
        checksum: record.checksum,
        file_size: record.file_size,
    }
}

/// Appends the files of an input, where they are in the release.
fn push_input(
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
