//! One transaction that makes a run part of a repository.

use std::borrow::Cow;

use qbb::journal::JournalState;
use qbb_dimensions::DatasetType;
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_registry::RegistryWriter;
use serde::Serialize;

use crate::attempts::attempted;
use crate::batch::{Segment, segments};
use crate::collections;
use crate::conformity::{StorageClassDifference, conform};
use crate::contents::{BATCH, Definitions};
use crate::error::TransferError;
use crate::inputs::{Inputs, columns_of, push_dataset};
use crate::insertion::Insertion;
use crate::outputs::Outputs;
use crate::provenance::PackedProducts;

/// What a transfer did. What was there already is not counted again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TransferReport {
    /// Outputs that exist according to the journal.
    pub outputs: u64,
    /// Outputs that were left out because their files were deleted since.
    pub outputs_missing: u64,
    /// Outputs that were packed and became files for this.
    pub unpacked: u64,
    /// Files of outputs that got a name in the run.
    pub files_renamed: u64,
    /// Inputs of the graph, if they were to be transferred.
    pub inputs: u64,
    /// Inputs that were left out because their files do not exist.
    pub inputs_missing: u64,
    /// Files of inputs that were copied or linked.
    pub files_placed: u64,
    /// Their sizes together.
    pub bytes_placed: u64,
    /// Files of outputs that were copied into the datastore.
    pub files_brought: u64,
    /// Their sizes together.
    pub bytes_brought: u64,
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

/// What is transferred besides the outputs.
#[derive(Debug)]
pub struct TransferPlan<'a> {
    /// Where outputs are.
    pub outputs: Outputs,
    /// Inputs.
    pub inputs: Inputs,
    /// Dataset types that keep another storage class in the repository; see
    /// [`storage_class_differences`](crate::storage_class_differences).
    pub storage_classes: &'a [StorageClassDifference],
    /// Put the run into the CHAINED output collection.
    pub output_chain: bool,
    /// Metadata, logs and configurations in a provenance graph that is in its place in the
    /// datastore: it is registered itself, and what was recorded of them before is replaced.
    pub packed: Option<&'a PackedProducts>,
}

/// Inserts what the journal says was written, in one transaction; `progress` is told how many of
/// how many datasets are done.
///
/// Doing it again inserts only what is new. If it fails the registry is as before, and files of
/// files that were brought into the datastore for it are removed.
///
/// # Errors
/// If the registry is of another universe, refuses a row, or cannot be written.
pub fn transfer(
    graph: &QuantumGraph,
    journal: &JournalState,
    personal: &mut dyn RegistryWriter,
    plan: TransferPlan<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TransferReport, TransferError> {
    check_universe(graph, personal)?;
    let mut report = attempted(|| insert(graph, journal, personal, &plan, progress))?;
    (report.inputs_missing, report.files_placed, report.bytes_placed) = plan.inputs.figures();
    (report.files_brought, report.bytes_brought) = plan.outputs.figures();
    (report.outputs_missing, report.files_renamed) =
        (plan.outputs.missing(), plan.outputs.renamed_files());
    plan.inputs.keep();
    plan.outputs.keep();
    Ok(report)
}

/// Inserts all of it in one transaction.
fn insert(
    graph: &QuantumGraph,
    journal: &JournalState,
    personal: &mut dyn RegistryWriter,
    plan: &TransferPlan<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TransferReport, TransferError> {
    let &TransferPlan { ref outputs, ref inputs, storage_classes, output_chain, packed } = plan;
    let holds = |dataset| packed.is_some_and(|packed| packed.holds(dataset));
    let written: Vec<bool> = (graph.datasets.iter())
        .map(|dataset| journal.is_written(dataset) && (holds(dataset) || !outputs.are_renamed()))
        .collect();
    let with_inputs = !inputs.is_none();
    let wanted = |dataset: u32| written[dataset as usize] || inputs.is_wanted(dataset);
    let segments: Vec<Segment> = (segments(graph).into_iter())
        .filter(|s| {
            inputs.placed(s).is_some()
                || outputs.placed(s).is_some()
                || s.datasets.clone().any(wanted)
        })
        .collect();
    let mut collections = vec![collections::output_run(graph)];
    if with_inputs {
        collections.extend(collections::of_inputs(graph));
    }
    let mut dataset_types = dataset_types(graph, &segments);
    conform(&mut dataset_types, storage_classes);
    let definitions = Definitions {
        records: Cow::Borrowed(&graph.dimension_records),
        dataset_types,
        collections,
    };

    let mut report = TransferReport::default();
    let mut transaction = personal.begin_large()?;
    let mut insertion = Insertion::new(&mut *transaction);
    insertion.define(&definitions, &graph.symbols)?;
    let in_place = written.iter().filter(|written| **written).count() as u64;
    let total = in_place + outputs.len() + inputs.len();
    insertion.forget_files(inputs.replaced())?;
    // Not yet inserted, because there is room for more.
    let (mut gathered, mut room) = (Vec::new(), BATCH);
    for segment in &segments {
        if segment.datasets.len() > room {
            insertion.all_datasets(&std::mem::take(&mut gathered), &graph.symbols)?;
            room = BATCH;
        }
        if let Some(placed) = inputs.placed(segment) {
            insertion.datasets(placed, &graph.symbols)?;
            report.inputs += placed.len() as u64;
        }
        if let Some(placed) = outputs.placed(segment) {
            insertion.datasets(placed, &graph.symbols)?;
            report.outputs += placed.len() as u64;
        }
        let mut columns = columns_of(graph, segment);
        let mut replaced = Vec::new();
        for dataset in segment.datasets.clone().filter(|&dataset| wanted(dataset)).map(DatasetIx) {
            let position = push_dataset(graph, dataset, &mut columns);
            if !written[dataset.index()] {
                inputs.push_files(graph, dataset, position, &mut columns.files)?;
                report.inputs += 1;
                continue;
            }
            report.outputs += 1;
            match packed.filter(|_| holds(dataset)) {
                Some(packed) => {
                    replaced.push(graph.datasets.id[dataset.index()]);
                    columns.files.push(position, (&packed.record()).into());
                }
                None => {
                    for (number, record) in journal.records(dataset).enumerate() {
                        columns.files.push(position, outputs.file(dataset, number, record));
                    }
                }
            }
        }
        insertion.forget_files(&replaced)?;
        room -= columns.len();
        gathered.push(columns);
        progress(report.inputs + report.outputs, total);
    }
    insertion.all_datasets(&gathered, &graph.symbols)?;
    drop(gathered);
    let packed_types = match packed {
        Some(packed) => packed.register(graph, &mut insertion)?,
        None => 0,
    };
    if with_inputs {
        let members = collections::members_of_inputs(graph, inputs.ids(graph));
        insertion.members(&members, &graph.symbols)?;
    }
    let inserted = insertion.report();
    if output_chain {
        collections::update_output_chain(graph, &mut *transaction, with_inputs)?;
    }
    if let Some(packed) = packed {
        packed.check_in_place()?;
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
