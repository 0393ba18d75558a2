//! `qbb transfer`.

use std::sync::Arc;

use qbb::QuantumBackedButler;
use qbb_datastore::{Placing, RepositoryConfig, open_store};
use qbb_graph::{DatasetRole, QuantumGraph};
use qbb_personal::SelectionReport;
use qbb_registry::RegistryReader;
use qbb_submit_dirs::{SubmitDirectory, TransferLock, TransferLocked};
use qbb_transfer::{
    InputMode, Inputs, Outputs, StorageClassDifference, TransferPlan, TransferReport,
    forget_deleted_outputs, storage_class_differences, transfer, unpack,
};
use serde::Serialize;

use crate::arguments::{InputsArgument, TransferArguments};
use crate::commands::conversion::{check_conversions, conversion_note};
use crate::commands::executed::Executed;
use crate::commands::opened::{OpenedRun, outputs_of};
use crate::commands::packed_provenance::pack;
use crate::commands::selection::whole_collections;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal, bytes, end_transfers_at_signals};

/// Puts the outputs of a submit directory into its personal repository.
pub fn execute(arguments: &TransferArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    end_transfers_at_signals()?;
    let bars = ProgressBars::new(terminal);
    let (mut opened, config, _lock) = open(arguments, &bars)?;
    let place = opened.directory.submission().personal.clone();
    let whole = match arguments.whole_collections {
        true => Some(bring_collections(arguments, &opened, &config, &bars)?),
        false => None,
    };
    let mut personal = qbb_registry::open_writer(&config)?;
    let mut known = qbb_registry::open_reader(&config)?;
    let own = outputs_of(&opened.directory)?.datastore;
    let is_remote = config.datastore.local_root().is_none();
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
    let OpenedRun { directory, graph, mut journal } = opened;
    let executed = Executed::of(&graph, &config.datastore, arguments.output_run.is_some())?;
    let graph = match &arguments.output_run {
        Some(run) => graph.into_output_run(run)?,
        None => graph,
    };
    let is_renamed = executed.is_renamed(&graph);
    let storage_classes = differences(&graph, arguments, &config, &mut *known)?;
    let packed = match &root {
        Some(root) => {
            let told = (&directory, &graph, &journal, &executed);
            pack(arguments, told, (&config, &mut *personal), root, &bars)?
        }
        _ => None,
    };
    let products = packed.as_ref().map(|packed| &packed.products);
    let graph = Arc::new(graph);
    // What is in the provenance graph needs no files.
    let is_kept = |dataset| products.is_some_and(|products| products.holds(dataset));
    let outputs_missing = match &root {
        // Files that are to get other names are looked at one by one.
        Some(root) if !is_remote && !is_renamed => {
            let registered = is_registered(&mut *known, &graph.header.output_run)?;
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
        mode => Inputs::prepare(&graph, mode, &mut *known, &config.datastore, &|done, total| {
            bars.count("placing inputs", done, total);
        })?,
    };
    let outputs = {
        let known = &mut *known;
        let datastore = &config.datastore;
        match &root {
            _ if is_renamed => {
                let told = |done, total| bars.count("naming files", done, total);
                let written = &own.root;
                Outputs::renamed(&graph, &journal, written, known, datastore, products, &told)?
            }
            Some(root) if is_remote => {
                let told = |done, total| bars.count("copying outputs", done, total);
                Outputs::bring(&graph, &journal, root, datastore, known, products, &told)?
            }
            _ => {
                let told = |done, total| bars.count("reading files", done, total);
                Outputs::completed(&graph, &journal, known, datastore, products, &told)?
            }
        }
    };
    if outputs.missing() != 0 && executed.has_provenance()? {
        return Err(executed.gone(&graph.header.output_run));
    }
    bars.stage("transferring");
    let output_chain = !arguments.no_output_chain;
    let plan = TransferPlan {
        outputs,
        inputs,
        storage_classes: &storage_classes,
        output_chain,
        packed: products,
    };
    let mut report = transfer(&graph, &journal, &mut *personal, plan, &mut |done, total| {
        bars.count("transferring", done, total);
    })?;
    report.unpacked = unpacked;
    report.outputs_missing += outputs_missing;
    let provenance = match (packed, &root) {
        (Some(packed), Some(root)) => Some(Provenance {
            originals_removed: match is_renamed {
                // They are those of the run that was executed.
                true => 0,
                false if is_remote => {
                    let store = open_store(&config.datastore.root).map_err(Failure::from_error)?;
                    packed.products.remove_stored_originals(&graph, &journal, &*store)?
                }
                false => packed.products.remove_originals(&graph, &journal, root)?,
            },
            file: packed.file,
            bytes: packed.bytes,
        }),
        _ => None,
    };
    drop(bars);
    for chain in whole.iter().flat_map(|whole| &whole.chains_kept) {
        terminal.note(&format!("warning: {chain} was there with other children, which it keeps"));
    }
    if let Some(note) = conversion_note(&storage_classes) {
        terminal.note(&note);
    }
    let run = &graph.header.output_run;
    let report = Transferred { report, run, storage_classes, whole_collections: whole, provenance };
    terminal.result(&report, |report| describe(report, place.as_str()))?;
    Ok(ExitCode::Success)
}

/// Opens the run and its repository when no other transfer of the run is in the way.
fn open(
    arguments: &TransferArguments,
    bars: &ProgressBars,
) -> Result<(OpenedRun, RepositoryConfig, TransferLocked), Failure> {
    let directory = SubmitDirectory::open(&arguments.submit_dir)?;
    let config = RepositoryConfig::open(directory.submission().personal.as_str())?;
    let waiting = &mut || bars.stage("waiting for another transfer of the run");
    let mut lock = match arguments.provenance || arguments.output_run.is_some() {
        true => TransferLock::Exclusive,
        false => TransferLock::Shared,
    };
    loop {
        let locked = directory.lock_transfers(lock, waiting)?;
        // Others may have changed what it tells, which is opened only now.
        let opened = OpenedRun::open(&arguments.submit_dir)?;
        if lock == TransferLock::Exclusive
            || !Executed::of(&opened.graph, &config.datastore, false)?.has_provenance()?
        {
            return Ok((opened, config, locked));
        }
        // A provenance graph that is there is written again.
        lock = TransferLock::Exclusive;
    }
}

/// Whether the repository has a collection.
fn is_registered(known: &mut dyn RegistryReader, name: &str) -> Result<bool, Failure> {
    Ok(known.snapshot()?.collections()?.find(name).is_some())
}

/// Dataset types that the repository has with another storage class, which must convert.
fn differences(
    graph: &QuantumGraph,
    arguments: &TransferArguments,
    personal: &RepositoryConfig,
    known: &mut dyn RegistryReader,
) -> Result<Vec<StorageClassDifference>, Failure> {
    let with_inputs = input_mode(arguments.inputs) != InputMode::None;
    let mut used = vec![false; graph.pipeline.dataset_types.len()];
    for (dataset, role) in graph.datasets.iter().zip(graph.dataset_roles()) {
        used[graph.datasets.dataset_type(dataset).index()] |=
            with_inputs || role != DatasetRole::OverallInput;
    }
    let types = (graph.pipeline.dataset_types.iter().zip(used))
        .filter_map(|(node, used)| used.then_some(&node.dataset_type));
    let differences = storage_class_differences(types, known)?;
    check_conversions(&differences, personal, arguments.python.as_deref())
        .map_err(|reason| Failure::input(format!("nothing was transferred: {reason}")))?;
    Ok(differences)
}

/// Brings everything that is in the input collections, as the release has it.
fn bring_collections(
    arguments: &TransferArguments,
    run: &OpenedRun,
    personal: &RepositoryConfig,
    bars: &ProgressBars,
) -> Result<SelectionReport, Failure> {
    let placing = match input_mode(arguments.inputs) {
        InputMode::None => {
            return Err(Failure::usage("--whole-collections is about inputs")
                .with_hint("give --inputs, too, which says what becomes of files"));
        }
        InputMode::Reference => None,
        InputMode::Place(placing) => Some(placing),
    };
    let release = arguments.from.as_ref().unwrap_or(&run.directory.submission().release);
    let unreachable = |failure: Failure| {
        failure.with_hint(format!(
            "whole collections are read from the release ({release}): name another place of it with \
             --from, or transfer without --whole-collections, which needs no release and brings \
             what the run has used"
        ))
    };
    let config = RepositoryConfig::open(release).map_err(|error| unreachable(error.into()))?;
    drop(qbb_registry::open_reader(&config).map_err(|error| unreachable(error.into()))?);
    let graph = &run.graph;
    let collections = match graph.collections.inputs.as_slice() {
        // A graph of other software does not say how its inputs were named.
        [] => &graph.header.inputs,
        _ => &graph.collections.inputs,
    };
    whole_collections(collections, placing, &config, personal, arguments.python.as_deref(), bars)
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

/// What a transfer did.
#[derive(Serialize)]
struct Transferred<'a> {
    #[serde(flatten)]
    report: TransferReport,
    run: &'a str,
    /// Dataset types that the repository has with another storage class.
    storage_classes: Vec<StorageClassDifference>,
    /// What came besides the inputs.
    whole_collections: Option<SelectionReport>,
    provenance: Option<Provenance>,
}

#[derive(Serialize)]
struct Provenance {
    file: String,
    bytes: u64,
    originals_removed: u64,
}

fn describe(transferred: &Transferred<'_>, place: &str) -> String {
    let Transferred { report, run, whole_collections, provenance, .. } = transferred;
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
    let renamed = match report.files_renamed {
        0 => String::new(),
        files => format!(" in {run}, with {files} files that have names there,"),
    };
    let mut text = format!(
        "{} outputs{unpacked}{renamed}{inputs} are in {place}\n\
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
    if let Some(whole) = whole_collections {
        let datasets: u64 = whole.dataset_types.iter().map(|count| count.datasets).sum();
        let new = whole.inserted.map_or(0, |inserted| inserted.datasets_inserted);
        text.push_str(&format!(
            "\nwhole collections: {} with {datasets} datasets, of which {new} are new",
            whole.collections
        ));
        if whole.missing != 0 {
            text.push_str(&format!("; {} without a file stay behind", whole.missing));
        }
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
