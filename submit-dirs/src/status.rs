//! How far a submit directory is.

use qbb::journal::{JournalState, ProcessIdentity, Timestamp};
use qbb_graph::QuantumGraph;
use serde::Serialize;

use crate::counts::{QuantumCounts, TaskCounts, count_by_task};

/// Quanta by state, in all and by task, and the runs so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// RUN collection of the outputs.
    pub output_run: String,
    /// All quanta.
    #[serde(flatten)]
    pub totals: QuantumCounts,
    /// Quanta of each task.
    pub tasks: Vec<TaskCounts>,
    /// Number of `qbb run`s that wrote a journal here.
    pub runs: usize,
    /// Whether one of them seems to be working still.
    pub running: bool,
    /// What the journal's readers had to overlook.
    pub warnings: Vec<String>,
}

impl Status {
    /// Reads it off graph and journal.
    pub fn of(graph: &QuantumGraph, journal: &JournalState) -> Self {
        let tasks = count_by_task(graph, journal);
        let (here, now) = (ProcessIdentity::current(), Timestamp::now());
        Self {
            output_run: graph.header.output_run.clone(),
            totals: tasks.iter().map(|task| task.counts).sum(),
            tasks,
            runs: journal.runs().len(),
            running: journal.runs().iter().any(|run| run.is_live(&here, now)),
            warnings: journal.warnings().iter().map(ToString::to_string).collect(),
        }
    }
}
