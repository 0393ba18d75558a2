//! What happened, in the terms of the graph.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::journal::JournalState;
use qbb_graph::{DatasetIx, DatasetRole, QuantumGraph};
use serde::Serialize;

use crate::attempts::AttemptTable;
use crate::counts::{QuantumCounts, TaskCounts, count_by_task};
use crate::failures::{Failure, FailureGroup, Failures};
use crate::left_running::{LeftRunningByTask, left_running_by_task};
use crate::statistics::{TaskCosts, costs_by_task};
use crate::status::{EndedQuantum, slowest};
use crate::watch::History;

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
    /// Failed quanta, put together by what went wrong; the most frequent first.
    pub failure_groups: Vec<FailureGroup>,
    /// Failed quanta, in the order of the graph, up to a limit.
    pub failures: Vec<Failure>,
    /// Failed quanta beyond that limit.
    pub failures_left_out: u64,
    /// Quanta that succeeded with a caveat, by task and caveat.
    pub caveats: Vec<Caveat>,
    /// What attempts cost, by task.
    pub costs: Vec<TaskCosts>,
    /// Attempts that took longest, the longest first.
    pub longest: Vec<EndedQuantum>,
    /// Quanta that were tried more than once, by task.
    pub retries: Vec<Retries>,
    /// Quanta that have left threads or processes running, by task.
    pub left_running: Vec<LeftRunningByTask>,
    /// Outputs by dataset type.
    pub datasets: Vec<DatasetCounts>,
    /// What the journal's readers had to overlook.
    pub warnings: Vec<String>,
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

/// Quanta of a task that were tried more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retries {
    /// Label of the task.
    pub task: String,
    /// Quanta with more than one attempt.
    pub quanta: u64,
    /// Attempts beyond the first.
    pub attempts: u64,
    /// Quanta among them that succeeded in the end.
    pub recovered: u64,
    /// Most attempts at one quantum.
    pub most: u32,
    /// How the attempts that did not count ended: types of exceptions, or `cut off` where nobody
    /// recorded an end.
    pub reasons: Vec<RetryReason>,
}

/// Attempts that ended in one way and were followed by others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryReason {
    /// Type of the exception, `failed` without one, or `cut off`.
    pub reason: String,
    /// Number of attempts.
    pub attempts: u64,
}

/// How much of a report is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportLimits {
    /// Failures that are told one by one; all of them are in groups.
    pub failures: usize,
    /// Quanta among the longest.
    pub longest: usize,
}

impl Default for ReportLimits {
    fn default() -> Self {
        Self { failures: 10_000, longest: 10 }
    }
}

impl Report {
    /// Reads it off graph and journal. Logs are named by their paths below `root`, the root of the
    /// output datastore, if that is given.
    pub fn of(
        graph: &QuantumGraph,
        history: &History,
        root: Option<&Utf8Path>,
        limits: ReportLimits,
    ) -> Self {
        let (journal, attempts) = (history.journal(), history.attempts());
        let tasks = count_by_task(graph, journal);
        let failures = Failures::find(graph, journal, root);
        Self {
            output_run: graph.header.output_run.clone(),
            output: graph.header.output.clone(),
            totals: tasks.iter().map(|task| task.counts).sum(),
            failure_groups: failures.groups(),
            failures: failures.first(limits.failures),
            failures_left_out: failures.len().saturating_sub(limits.failures) as u64,
            caveats: caveats(graph, journal),
            costs: costs_by_task(graph, attempts),
            longest: slowest(graph, attempts, limits.longest),
            retries: retries(graph, journal, attempts),
            left_running: left_running_by_task(graph, journal),
            datasets: datasets(graph, journal),
            warnings: journal.warnings().iter().map(ToString::to_string).collect(),
            tasks,
        }
    }
}

fn retries(graph: &QuantumGraph, journal: &JournalState, attempts: &AttemptTable) -> Vec<Retries> {
    let mut found: BTreeMap<u32, (Retries, BTreeMap<String, u64>)> = BTreeMap::new();
    for quantum in graph.quanta.iter() {
        let n = journal.next_attempt(quantum);
        if n > 1 {
            let task = graph.quanta.task(quantum);
            let (retries, _) = found.entry(task.0).or_insert_with(|| {
                let task = graph.pipeline.task(task).label.clone();
                let (quanta, attempts, recovered, most, reasons) = Default::default();
                (Retries { task, quanta, attempts, recovered, most, reasons }, BTreeMap::new())
            });
            retries.quanta += 1;
            retries.attempts += u64::from(n - 1);
            retries.recovered += u64::from(journal.progress(quantum).is_success());
            retries.most = retries.most.max(n);
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    for (row, attempt) in attempts.iter().enumerate() {
        if attempt.attempt + 1 < journal.next_attempt(attempt.quantum)
            && let Some((_, reasons)) = found.get_mut(&graph.quanta.task(attempt.quantum).0)
        {
            let reason = match attempt.ended {
                None => "cut off",
                Some((end, _)) if end.is_success() => "succeeded",
                Some(_) => attempts.exception_type(row as u32).unwrap_or("failed"),
            };
            match reasons.get_mut(reason) {
                Some(count) => *count += 1,
                None => drop(reasons.insert(reason.to_owned(), 1)),
            }
        }
    }
    (found.into_values())
        .map(|(retries, reasons)| {
            let mut reasons: Vec<RetryReason> = (reasons.into_iter())
                .map(|(reason, attempts)| RetryReason { reason, attempts })
                .collect();
            reasons.sort_by_key(|reason| std::cmp::Reverse(reason.attempts));
            Retries { reasons, ..retries }
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
        counts.bytes += journal.bytes(dataset)
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
