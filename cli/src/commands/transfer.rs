//! `qbb transfer`.

use std::sync::Arc;

use qbb::QuantumBackedButler;
use qbb_datastore::RepositoryConfig;
use qbb_transfer::{TransferOptions, TransferReport, transfer, unpack};

use crate::arguments::TransferArguments;
use crate::commands::opened::OpenedRun;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

/// Puts the outputs of a submit directory into its personal repository.
pub fn execute(arguments: &TransferArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut opened = OpenedRun::open(&arguments.submit_dir)?;
    let place = opened.directory.submission().personal.clone();
    let config = RepositoryConfig::open(place.as_str())?;
    let mut personal = qbb_registry::open_writer(&config)?;
    if let Some(root) = config.datastore.local_root() {
        // What a crash of the machine took back must not be registered.
        let lost = opened.journal.verify(|record| QuantumBackedButler::file_matches(&root, record));
        if lost != 0 {
            terminal.note(&format!(
                "{lost} recorded results are not on disk, as after a crash; run again to make them"
            ));
        }
    }
    let bars = ProgressBars::new(terminal);
    let graph = Arc::new(opened.graph);
    let (journal, unpacked) = unpack(&graph, opened.journal, &config.datastore, &|done, total| {
        bars.count("unpacking", done, total)
    })?;
    bars.stage("transferring");
    let options =
        TransferOptions { inputs: arguments.inputs, output_chain: !arguments.no_output_chain };
    let mut report = transfer(&graph, &journal, &mut *personal, options, &mut |done, total| {
        bars.count("transferring", done, total)
    })?;
    report.unpacked = unpacked;
    drop(bars);
    terminal.result(&report, |report| describe(report, place.as_str()))?;
    Ok(ExitCode::Success)
}

fn describe(report: &TransferReport, place: &str) -> String {
    let inputs = match report.inputs {
        0 => String::new(),
        inputs => format!(" and {inputs} inputs by reference"),
    };
    let unpacked = match report.unpacked {
        0 => String::new(),
        unpacked => format!(" ({unpacked} of them were packed)"),
    };
    format!(
        "{} outputs{unpacked}{inputs} are in {place}\n\
         new: {} datasets, {} dimension records, {} dataset types, {} collections, {} memberships",
        report.outputs,
        report.datasets_inserted,
        report.records_inserted,
        report.dataset_types_registered,
        report.collections_registered,
        report.associations_inserted,
    )
}
