//! `qbb transfer`.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{JournalState, read_attempts};
use qbb::provenance::ProvenanceDataset;
use qbb::{GraphIdentity, QuantumBackedButler};
use qbb_datastore::{Placing, RepositoryConfig};
use qbb_graph::{GraphError, QuantumGraph};
use qbb_pipeline::Runner;
use qbb_registry::RegistryWriter;
use qbb_submit_dirs::SubmitDirectory;
use qbb_transfer::{
    InputMode, Inputs, Outputs, PackedProducts, TransferPlan, TransferReport,
    forget_deleted_outputs, transfer, unpack,
};
use serde::Serialize;

use crate::arguments::{InputsArgument, TransferArguments};
use crate::commands::opened::{OpenedRun, outputs_of};
use crate::commands::provenance::{Told, former};
use crate::output::{
    ExitCode, Failure, ProgressBars, Terminal, bytes, remove_unfinished_at_signals,
};

/// Puts the outputs of a submit directory into its personal repository.
pub fn execute(arguments: &TransferArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut opened = OpenedRun::open(&arguments.submit_dir)?;
    let place = opened.directory.submission().personal.clone();
    let config = RepositoryConfig::open(place.as_str())?;
    let mut personal = qbb_registry::open_writer(&config)?;
    let own = outputs_of(&opened.directory)?.datastore;
    let is_remote = config.datastore.local_root().is_none();
    if is_remote && arguments.provenance {
        return Err(Failure::input(format!(
            "--provenance needs a datastore in a local folder, and that of {place} is {}",
            config.datastore.root
        ))
        .with_hint("transfer without it; `qbb provenance` writes the graph into a file"));
    }
    let root = own.local_root();
    if let Some(root) = &root {
        // What a crash of the machine took back must not be registered.
        let lost = opened.journal.verify(|record| QuantumBackedButler::file_matches(root, record));
        if lost != 0 {
            terminal.note(&format!(
                "{lost} recorded results are not on disk, as after a crash; run again to make them"
            ));
        }
    }
    let bars = ProgressBars::new(terminal);
    let OpenedRun { directory, graph, mut journal } = opened;
    let packed = match &root {
        Some(root) if !is_remote => {
            let told = (&directory, &graph, &journal);
            pack(arguments, told, (&config, &mut *personal), root, &bars)?
        }
        _ => None,
    };
    let products = packed.as_ref().map(|packed| &packed.products);
    let graph = Arc::new(graph);
    // What is in the provenance graph needs no files.
    let is_kept = |dataset| products.is_some_and(|products| products.holds(dataset));
    let outputs_missing = match &root {
        Some(root) if !is_remote => {
            let registered = is_registered(&config, &graph.header.output_run)?;
            forget_deleted_outputs(&graph, &mut journal, root, registered, is_kept)?
        }
        _ => 0,
    };
    let needs_files = (graph.datasets.iter())
        .any(|dataset| journal.packed(dataset).is_some() && !is_kept(dataset));
    let (journal, unpacked) = match needs_files {
        true => unpack(&graph, journal, &own, &|done, total| {
            bars.count("unpacking", done, total);
        })?,
        false => (journal, 0),
    };
    let inputs = match input_mode(arguments.inputs) {
        InputMode::None => Inputs::none(&graph),
        mode => {
            let mut known = qbb_registry::open_reader(&config)?;
            Inputs::prepare(&graph, mode, &mut *known, &config.datastore, &|done, total| {
                bars.count("placing inputs", done, total);
            })?
        }
    };
    let outputs = match &root {
        Some(root) if is_remote => {
            let mut known = qbb_registry::open_reader(&config)?;
            Outputs::bring(
                &graph,
                &journal,
                root,
                &config.datastore,
                &mut *known,
                &|done, total| {
                    bars.count("copying outputs", done, total);
                },
            )?
        }
        _ => Outputs::in_place(),
    };
    bars.stage("transferring");
    let output_chain = !arguments.no_output_chain;
    let plan = TransferPlan { outputs, inputs, output_chain, packed: products };
    let mut report = transfer(&graph, &journal, &mut *personal, plan, &mut |done, total| {
        bars.count("transferring", done, total);
    })?;
    (report.unpacked, report.outputs_missing) = (unpacked, outputs_missing);
    let provenance = match (packed, &root) {
        (Some(packed), Some(root)) => Some(Provenance {
            originals_removed: packed.products.remove_originals(&graph, &journal, root)?,
            file: packed.file,
            bytes: packed.bytes,
        }),
        _ => None,
    };
    drop(bars);
    let report = Transferred { report, provenance };
    terminal.result(&report, |report| describe(report, place.as_str()))?;
    Ok(ExitCode::Success)
}

/// Whether the repository has a collection.
fn is_registered(config: &RepositoryConfig, name: &str) -> Result<bool, Failure> {
    let mut reader = qbb_registry::open_reader(config)?;
    Ok(reader.snapshot()?.collections()?.find(name).is_some())
}

fn input_mode(argument: InputsArgument) -> InputMode {
    match argument {
        InputsArgument::None => InputMode::None,
        InputsArgument::Reference => InputMode::Reference,
        InputsArgument::Copy => InputMode::Place(Placing::Copy),
        InputsArgument::Hardlink => InputMode::Place(Placing::Hardlink),
        InputsArgument::Symlink => InputMode::Place(Placing::Symlink),
    }
}

/// A provenance graph in its place in the datastore, not yet registered.
struct Packed {
    products: PackedProducts,
    file: Utf8PathBuf,
    bytes: u64,
}

/// Writes the provenance graph of the run into the datastore, if metadata and logs are to be kept
/// there or have been before.
fn pack(
    arguments: &TransferArguments,
    (directory, graph, journal): (&SubmitDirectory, &QuantumGraph, &JournalState),
    (config, personal): (&RepositoryConfig, &mut dyn RegistryWriter),
    root: &Utf8Path,
    bars: &ProgressBars,
) -> Result<Option<Packed>, Failure> {
    let dataset = ProvenanceDataset::of(graph, &config.datastore).map_err(Failure::from_error)?;
    let file = root.join(&dataset.path);
    let former = former(&file)?;
    if !arguments.provenance && former.is_none() {
        return Ok(None);
    }
    // The middleware reads what is in such a file with the classes of the tasks.
    if let Some(task) =
        (graph.pipeline.tasks.iter()).find(|task| !matches!(task.runner, Runner::PipelineTask(_)))
    {
        let task = task.label.clone();
        return Err(Failure::from_error(GraphError::NoTaskClass { task })
            .with_hint("transfer without --provenance"));
    }
    remove_unfinished_at_signals()?;
    let identity = GraphIdentity::of(graph);
    let history = read_attempts(&directory.journal(), identity, journal)?;
    if let Some(folder) = file.parent() {
        fs_err::create_dir_all(folder).map_err(Failure::from_error)?;
    }
    let told = Told { graph, journal, history: &history, complete: true };
    let staged = Utf8PathBuf::from(format!("{file}.new"));
    let written = told.write(root, former.as_ref(), &staged, &mut |done, total| {
        bars.count("writing provenance", done, total);
    })?;
    let products = PackedProducts::new(graph, dataset, written.bytes);
    products.put_in_place(&staged, root, personal)?;
    Ok(Some(Packed { products, file, bytes: written.bytes }))
}

/// What a transfer did.
#[derive(Serialize)]
struct Transferred {
    #[serde(flatten)]
    report: TransferReport,
    provenance: Option<Provenance>,
}

#[derive(Serialize)]
struct Provenance {
    file: Utf8PathBuf,
    bytes: u64,
    originals_removed: u64,
}

fn describe(transferred: &Transferred, place: &str) -> String {
    let Transferred { report, provenance } = transferred;
    let inputs = match (report.inputs, report.files_placed) {
        (0, _) => String::new(),
        (inputs, 0) => format!(" and {inputs} inputs"),
        (inputs, files) => format!(
            " and {inputs} inputs with {files} files ({}) of their own",
            bytes(report.bytes_placed)
        ),
    };
    let unpacked = match report.unpacked {
        0 => String::new(),
        unpacked => format!(" ({unpacked} of them were packed)"),
    };
    let mut text = format!(
        "{} outputs{unpacked}{inputs} are in {place}\n\
         new: {} datasets, {} dimension records, {} dataset types, {} collections, {} memberships",
        report.outputs,
        report.datasets_inserted,
        report.records_inserted,
        report.dataset_types_registered,
        report.collections_registered,
        report.associations_inserted,
    );
    if report.files_brought != 0 {
        text.push_str(&format!(
            "\n{} files of outputs ({}) were copied into the datastore",
            report.files_brought,
            bytes(report.bytes_brought)
        ));
    }
    if report.outputs_missing != 0 {
        text.push_str(&format!(
            "\n{} outputs were left out because their files were deleted since they were written; \
             `qbb run --rerun` makes them again",
            report.outputs_missing
        ));
    }
    if report.inputs_missing != 0 {
        text.push_str(&format!(
            "\n{} inputs were left out because their files do not exist",
            report.inputs_missing
        ));
    }
    if let Some(provenance) = provenance {
        text.push_str(&format!(
            "\nmetadata, logs and configurations are in {} ({}); {} files removed",
            provenance.file,
            bytes(provenance.bytes),
            provenance.originals_removed
        ));
    }
    text
}
