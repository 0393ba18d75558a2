//! Quanta by state and task.

use qbb::journal::{JournalState, QuantumEnd, QuantumProgress};
use qbb_graph::QuantumGraph;
use serde::Serialize;

/// How many quanta are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QuantumCounts {
    /// All of them.
    pub quanta: u64,
    /// Succeeded, with or without caveats.
    pub succeeded: u64,
    /// Succeeded with a caveat: no work, partial outputs, missing outputs.
    pub with_caveats: u64,
    /// Failed in their last attempt.
    pub failed: u64,
    /// Cannot run because of a failure before them.
    pub blocked: u64,
    /// Started and not ended: being executed, or cut off.
    pub in_flight: u64,
    /// Not tried yet.
    pub waiting: u64,
    /// Attempts of all quanta together.
    pub attempts: u64,
}

impl QuantumCounts {
    fn add(&mut self, progress: QuantumProgress, caveats: bool, attempts: u32) {
        self.quanta += 1;
        self.attempts += u64::from(attempts);
        let state = match progress {
            QuantumProgress::NotStarted => &mut self.waiting,
            QuantumProgress::InFlight => &mut self.in_flight,
            QuantumProgress::Blocked { .. } => &mut self.blocked,
            QuantumProgress::Ended(QuantumEnd::Failed) => &mut self.failed,
            QuantumProgress::Ended(_) => {
                self.with_caveats += u64::from(caveats);
                &mut self.succeeded
            }
        };
        *state += 1;
    }
}

impl std::iter::Sum for QuantumCounts {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |a, b| Self {
            quanta: a.quanta + b.quanta,
            succeeded: a.succeeded + b.succeeded,
            with_caveats: a.with_caveats + b.with_caveats,
            failed: a.failed + b.failed,
            blocked: a.blocked + b.blocked,
            in_flight: a.in_flight + b.in_flight,
            waiting: a.waiting + b.waiting,
            attempts: a.attempts + b.attempts,
        })
    }
}

/// The quanta of one task by state, and what they cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskCounts {
    /// Label.
    pub task: String,
    /// Quanta by state.
    #[serde(flatten)]
    pub counts: QuantumCounts,
    /// Seconds that ended attempts took, all together.
    pub seconds: f64,
    /// Peak memory of any attempt, bytes, if measured.
    pub peak_memory: Option<u64>,
}

/// Counts the quanta of every task that has any, in the order of the pipeline.
pub fn count_by_task(graph: &QuantumGraph, journal: &JournalState) -> Vec<TaskCounts> {
    let mut tasks: Vec<TaskCounts> = (graph.pipeline.tasks.iter())
        .map(|task| TaskCounts {
            task: task.label.clone(),
            counts: QuantumCounts::default(),
            seconds: 0.0,
            peak_memory: None,
        })
        .collect();
    for quantum in graph.quanta.iter() {
        let task = &mut tasks[graph.quanta.task(quantum).index()];
        let finished = journal.finished(quantum);
        let caveats = finished.is_some_and(|f| {
            f.end.is_success()
                && (f.caveats.is_some_and(|bits| bits != 0)
                    || matches!(f.end, QuantumEnd::NoWork | QuantumEnd::PartialOutputs))
        });
        task.counts.add(journal.progress(quantum), caveats, journal.next_attempt(quantum));
        if let Some(finished) = finished {
            task.seconds += finished.ended.seconds_since(finished.started);
            let memory = finished.usage.map(|usage| usage.memory);
            task.peak_memory = task.peak_memory.max(memory);
        }
    }
    tasks.retain(|task| task.counts.quanta != 0);
    tasks
}
