//! The provenance graph into which a transfer moves metadata, logs and configurations.

use camino::Utf8Path;
use qbb::journal::{JournalState, read_attempts};
use qbb::provenance::ProvenanceDataset;
use qbb_datastore::{LocalStore, RepositoryConfig, open_store};
use qbb_graph::{GraphError, QuantumGraph};
use qbb_pipeline::Runner;
use qbb_registry::RegistryWriter;
use qbb_submit_dirs::SubmitDirectory;
use qbb_transfer::{PackedProducts, TransferError};

use crate::arguments::TransferArguments;
use crate::commands::executed::Executed;
use crate::commands::provenance::{Former, Told};
use crate::output::{Failure, ProgressBars};

/// A provenance graph in its place in the datastore, not yet registered.
pub struct Packed {
    /// What is in it.
    pub products: PackedProducts,
    /// Its path, or its URI.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// Writes the provenance graph of the run into the datastore, if metadata and logs are to be kept
/// there or have been before.
pub fn pack(
    arguments: &TransferArguments,
    (directory, graph, journal, executed): (
        &SubmitDirectory,
        &QuantumGraph,
        &JournalState,
        &Executed,
    ),
    (config, personal): (&RepositoryConfig, &mut dyn RegistryWriter),
    root: &Utf8Path,
    bars: &ProgressBars,
) -> Result<Option<Packed>, Failure> {
    let dataset = ProvenanceDataset::of(graph, &config.datastore).map_err(Failure::from_error)?;
    let of_this_run = Former::find(&config.datastore, &dataset)?;
    if !arguments.provenance && of_this_run.is_none() {
        return Ok(None);
    }
    // What is in the provenance graph of the run that was executed has no files any more.
    let of_executed = match executed.is_renamed(graph) {
        true => executed.provenance()?,
        false => None,
    };
    let former = match (&of_executed, &of_this_run) {
        (Some(executed_run), _) => Some((executed_run, Some(executed.quanta()))),
        (None, of_this_run) => of_this_run.as_ref().map(|former| (former, None)),
    };
    // The middleware reads what is in such a file with the classes of the tasks.
    if let Some(task) =
        (graph.pipeline.tasks.iter()).find(|task| !matches!(task.runner, Runner::PipelineTask(_)))
    {
        let task = task.label.clone();
        return Err(Failure::from_error(GraphError::NoTaskClass { task })
            .with_hint("transfer without --provenance"));
    }
    let history = read_attempts(&directory.journal(), executed.identity, journal)?;
    // What goes to an object store is written beside the outputs, and stays there as long.
    let place = config.datastore.root.join(&dataset.path).map_err(Failure::from_error)?;
    let local = config.datastore.local_root();
    let beside = LocalStore::new(local.as_deref().unwrap_or(root)).map_err(TransferError::from)?;
    let staged = PackedProducts::stage(&dataset, &beside)?;
    let told = Told { graph, journal, history: &history, complete: true };
    let written = told.write(root, former, staged.file(), &mut |done, total| {
        bars.count("writing provenance", done, total);
    })?;
    let mut products = PackedProducts::new(graph, dataset, written.bytes);
    let file = match place.to_file_path() {
        Some(file) => {
            products.put_in_place(staged, &beside, personal)?;
            file.into_string()
        }
        None => {
            let store = open_store(&config.datastore.root).map_err(TransferError::from)?;
            products.put_in_store(staged.file(), &*store, personal)?;
            place.to_string()
        }
    };
    Ok(Some(Packed { products, file, bytes: written.bytes }))
}
