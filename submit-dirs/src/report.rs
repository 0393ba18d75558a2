//! What happened, in the terms of the graph.

use std::collections::BTreeMap;

use qbb::journal::{JournalState, QuantumProgress};
use qbb_graph::{DatasetIx, DatasetRole, QuantumGraph, QuantumIx};
use serde::Serialize;

use crate::counts::{QuantumCounts, TaskCounts, count_by_task};

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// RUN collection of the outputs.
    pub output_run: String,
    /// CHAINED output collection.
    pub output: Option<String>,
    /// All quanta.
    pub totals: QuantumCounts,
    /// Quanta of each task.
    pub tasks: Vec<TaskCounts>,
    /// Failed quanta.
    pub failures: Vec<Failure>,
    /// Quanta that succeeded with a caveat, by task and caveat.
    pub caveats: Vec<Caveat>,
    /// Outputs by dataset type.
    pub datasets: Vec<DatasetCounts>,
}

/// A quantum that failed in its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Label of the task.
    pub task: String,
    /// UUID of the quantum.
    pub quantum: uuid::Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// Number of attempts.
    pub attempts: u32,
    /// Type of the exception.
    pub exception: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
    /// Quanta that cannot run because of it.
    pub blocks: u64,
}

/// Quanta of a task that succeeded with the same caveat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caveat {
    /// Label of the task.
    pub task: String,
    /// Bits of the middleware's `QuantumSuccessCaveats`.
    pub bits: u32,
    /// The bits as the letters that the middleware's reports use.
    pub code: String,
    /// Number of quanta.
    pub quanta: u64,
}

/// Outputs of one dataset type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetCounts {
    /// Name of the dataset type.
    pub dataset_type: String,
    /// Predicted by the graph.
    pub predicted: u64,
    /// Written.
    pub written: u64,
    /// Bytes in all files written.
    pub bytes: u64,
}

impl Report {
    /// Reads it off graph and journal.
    pub fn of(graph: &QuantumGraph, journal: &JournalState) -> Self {
        let tasks = count_by_task(graph, journal);
        Self {
            output_run: graph.header.output_run.clone(),
            output: graph.header.output.clone(),
            totals: tasks.iter().map(|task| task.counts).sum(),
            failures: failures(graph, journal),
            caveats: caveats(graph, journal),
            datasets: datasets(graph, journal),
            tasks,
        }
    }
}

fn label(graph: &QuantumGraph, quantum: QuantumIx) -> &str {
    &graph.pipeline.task(graph.quanta.task(quantum)).label
}

fn failures(graph: &QuantumGraph, journal: &JournalState) -> Vec<Failure> {
    let mut blocked: BTreeMap<QuantumIx, u64> = BTreeMap::new();
    for quantum in graph.quanta.iter() {
        if let QuantumProgress::Blocked { cause } = journal.progress(quantum) {
            *blocked.entry(cause).or_default() += 1;
        }
    }
    let failed = |quantum: &QuantumIx| matches!(journal.progress(*quantum), QuantumProgress::Ended(end) if !end.is_success());
    (graph.quanta.iter().filter(failed))
        .map(|quantum| {
            let finished = journal.finished(quantum);
            let exception = finished.and_then(|finished| finished.exception);
            let data_ids = graph.task_data_ids(graph.quanta.task(quantum));
            Failure {
                task: label(graph, quantum).to_owned(),
                quantum: graph.quanta.uuid(quantum),
                data_id: data_ids.describe(graph.quanta.data_id[quantum.index()], &graph.symbols),
                attempts: journal.next_attempt(quantum),
                exception: exception.map(|exception| exception.type_name.clone()),
                message: exception.map(|exception| exception.message.clone()),
                exit_code: finished.and_then(|finished| finished.exit_code),
                blocks: blocked.get(&quantum).copied().unwrap_or(0),
            }
        })
        .collect()
}

fn caveats(graph: &QuantumGraph, journal: &JournalState) -> Vec<Caveat> {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for quantum in graph.quanta.iter() {
        if let Some(finished) = journal.finished(quantum).filter(|f| f.end.is_success())
            && let Some(bits) = finished.caveats.filter(|&bits| bits != 0)
        {
            *counts.entry((graph.quanta.task(quantum).0, bits)).or_default() += 1;
        }
    }
    (counts.into_iter())
        .map(|((task, bits), quanta)| Caveat {
            task: graph.pipeline.tasks[task as usize].label.clone(),
            bits,
            code: caveat_code(bits),
            quanta,
        })
        .collect()
}

/// The letters of the middleware's reports: `+` some outputs missing, `*` all of them, A the hook
/// `adjustQuantum` raised, D unprocessable data, U upstream failure, P partial outputs, N no work.
pub fn caveat_code(bits: u32) -> String {
    let missing = match bits & 3 {
        0 => "",
        1 => "+",
        _ => "*",
    };
    let letters = [(8, 'A'), (32, 'D'), (16, 'U'), (64, 'P'), (4, 'N')];
    let letters = letters.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, letter)| letter);
    missing.chars().chain(letters).collect()
}

fn datasets(graph: &QuantumGraph, journal: &JournalState) -> Vec<DatasetCounts> {
    let mut counts: Vec<DatasetCounts> = (graph.pipeline.dataset_types.iter())
        .map(|node| DatasetCounts {
            dataset_type: node.dataset_type.name.clone(),
            predicted: 0,
            written: 0,
            bytes: 0,
        })
        .collect();
    for (i, role) in graph.dataset_roles().into_iter().enumerate() {
        if role == DatasetRole::OverallInput {
            continue;
        }
        let dataset = DatasetIx(i as u32);
        let counts = &mut counts[graph.datasets.dataset_type(dataset).index()];
        counts.predicted += 1;
        counts.written += u64::from(journal.is_written(dataset));
        counts.bytes +=
            journal.records(dataset).map(|record| record.file_size.max(0) as u64).sum::<u64>()
                + journal.packed(dataset).map_or(0, |place| u64::from(place.length));
    }
    counts.retain(|counts| counts.predicted != 0);
    counts
}

#[cfg(test)]
mod tests {
    use super::caveat_code;

    #[test]
    fn caveats_have_the_letters_of_the_stock_reports() {
        for (bits, code) in [(0, ""), (1, "+"), (3, "*"), (15, "*AN"), (67, "*P"), (7, "*N")] {
            assert_eq!(caveat_code(bits), code, "{bits}");
        }
    }
}
