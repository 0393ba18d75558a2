//! `qbb log`.

use std::sync::Arc;

use qbb::QuantumBackedButler;
use qbb_submit_dirs::{AttemptLog, attempts_of_log};
use serde::Serialize;

use crate::arguments::LogArguments;
use crate::commands::opened::{OpenedRun, outputs_of};
use crate::output::{ExitCode, Failure, Terminal};

#[derive(Serialize)]
struct QuantumLog {
    quantum: String,
    name: String,
    attempts: Vec<AttemptLog>,
}

/// Prints the log dataset of a quantum, be it packed or a file.
pub fn execute(arguments: &LogArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let opened = OpenedRun::open(&arguments.submit_dir)?;
    let graph = Arc::new(opened.graph);
    let quantum = graph.find_named(&arguments.quantum)?;
    let task = graph.pipeline.task(graph.quanta.task(quantum));
    let Some(connection) = &task.log_output else {
        let label = &task.label;
        return Err(Failure::input(format!("task `{label}` writes no log datasets")));
    };
    let personal = outputs_of(&opened.directory)?;
    let butler = QuantumBackedButler::new(graph.clone(), &personal.datastore, opened.journal)?;
    let described = butler.describe_quantum(quantum);
    let own = butler.for_quantum(quantum);
    let mut bytes = None;
    for dataset in own.outputs(&connection.name)? {
        bytes = own.get_earlier_output(dataset)?;
    }
    let Some(bytes) = bytes else {
        return Err(Failure::input(format!("{described} has no log: it has not ended yet"))
            .with_hint(format!("qbb status {}", arguments.submit_dir)));
    };
    let attempts = attempts_of_log(&bytes)
        .map_err(|reason| Failure::input(format!("the log of {described} is damaged: {reason}")))?;
    let id = graph.quanta.uuid(quantum).to_string();
    let log = QuantumLog { quantum: id, name: described, attempts };
    terminal.result(&log, describe)?;
    Ok(ExitCode::Success)
}

fn describe(log: &QuantumLog) -> String {
    let mut text = format!("{} ({})\n", log.name, log.quantum);
    for (number, attempt) in log.attempts.iter().enumerate() {
        if log.attempts.len() > 1 {
            text.push_str(&format!("attempt {}\n", number + 1));
        }
        for record in &attempt.records {
            let (time, level, name) = (&record.time, &record.level, &record.name);
            text.push_str(&format!("{time} {level:7} {name}: {}\n", record.message));
            for line in record.traceback.iter().flat_map(|traceback| traceback.lines()) {
                text.push_str(&format!("    {line}\n"));
            }
        }
        if let Some(exception) = &attempt.exception {
            text.push_str(&format!("{}: {}\n", exception.type_name, exception.message));
        }
    }
    text
}
